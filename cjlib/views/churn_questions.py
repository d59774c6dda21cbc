"""Questions of the notebook on churn: one that the data cannot answer is answered with the reason, and so is what builds on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cjlib.analyses.churn.data.churn_data import ChurnData
from cjlib.analyses.churn.model.churn_model import ChurnScores
from cjlib.analyses.result import Result
from cjlib.errors import DataError
from cjlib.views.notebook.summary_cards import Answer, answer
from cjlib.views.unanswered import Unanswered, because

CARDS = ("mean_probability", "n_selected", "expected_profit", "auc")


def _nothing() -> pd.DataFrame:
    return pd.DataFrame()


@dataclass(frozen=True, kw_only=True, eq=False)
class NoForecast(Unanswered):
    """Why nothing is said of who leaves; every table that is asked of it is empty, and asked for more it says the same."""

    population: pd.DataFrame = field(default_factory=_nothing)
    columns: pd.DataFrame = field(default_factory=_nothing)
    leaks: pd.DataFrame = field(default_factory=_nothing)
    forecasts: pd.DataFrame = field(default_factory=_nothing)
    drift: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"level": pd.Series(dtype="str")})
    )
    export: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"note": pd.Series(dtype="str")})
    )

    def score(self, data: Any = None) -> NoForecast:
        """The same: there is no model to score with."""
        return self

    def reasons(self, rows: Any = None, k: int = 3) -> NoForecast:
        """The same: there is nobody to give reasons for."""
        return self

    def round(self, decimals: int = 0) -> NoForecast:
        """The same: there are no numbers to round."""
        return self


def ask(question: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """What a question answers; where the data cannot answer it, the reason.

    Nothing is asked where something given is itself a reason: that one is handed on. Data or scores without any customer are no answer either. A fault of an
    option, as of a parameter that cannot be read, stays a fault.

    Parameters
    ----------
    question
        Such as `cj.fit_churn`.
    *given, **options
        What it takes.

    Returns
    -------
    Any
        What the question gives, or an `Unanswered` whose headline is the reason.

    Raises
    ------
    CjlibError
        When an option cannot be read.
    """
    for one in (*given, *options.values()):
        if isinstance(one, Unanswered):
            return one
    try:
        found = question(*given, **options)
    except DataError as fault:
        return no_forecast(_why(fault))
    if isinstance(found, ChurnData | ChurnScores) and found.table.empty:
        return no_forecast(
            "Nobody is left to forecast: no customer at this moment is one who could still leave."
        )
    return found


def churn_answer(*results: Result) -> Answer:
    """The answer on churn: every result's headline, and cards of who is expected to leave, whom it pays to contact, what that earns and how well it is known.

    Cards stand for the numbers that there are; results that are reasons have none.

    Parameters
    ----------
    *results
        The first gives the report its definition.
    """
    there = {name for one in results for name in one.metrics}
    return answer(*results, cards=[name for name in CARDS if name in there])


def _why(fault: DataError) -> str:
    """What the data lack to say who leaves; a fault of a file or an option keeps its name."""
    of_the_data = str(fault).startswith(("churn_data: ", "data: ", "target: "))
    return because("Who will leave cannot be said", fault) if of_the_data else str(fault)


def no_forecast(why: str) -> NoForecast:
    """A reason in place of a forecast."""
    return NoForecast(
        table=pd.DataFrame({"feature": pd.Series(dtype="str")}),
        headline=why,
        definition={},
        metrics={},
    )

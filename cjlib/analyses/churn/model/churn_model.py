"""A churn model: how good it was on customers it did not know, and what it says of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.churn_data import ChurnData
from cjlib.analyses.churn.model.drift import Reference, no_drift
from cjlib.analyses.churn.model.model_selection import THREADS, Forecaster
from cjlib.analyses.churn.model.reason_effects import Themes
from cjlib.analyses.result import Result
from cjlib.errors import CjlibError


@dataclass(frozen=True)
class Fidelity:
    """How well the additive model, which gives the reasons, stands in for the chosen one; and how steady its reasons are.

    `spearman` and `overlap` (of the riskiest tenths) compare the two scores; `steady` is the share of the three first reasons that a model of drawn
    customers gives again, `first` that of the first one, among the riskiest tenth.
    """

    spearman: float
    overlap: float
    steady: float
    first: float

    @property
    def word(self) -> str:
        """One of exact, approximate, none."""
        if self.spearman < 0.7 or self.overlap < 0.5:
            return "none"
        return "approximate" if self.spearman < 0.9 or self.overlap < 0.7 else "exact"


@dataclass(frozen=True)
class Reasoning:
    """What reasons need: features that go together, the average contribution of each, its typical value, the fidelity, and by how much contributions differ among customers."""

    themes: Themes
    centre: tuple[float, ...]
    typical: tuple[Any, ...]
    fidelity: Fidelity
    spread: tuple[float, ...]


@dataclass(frozen=True)
class Fitted:
    """What a model needs to score and to give reasons."""

    forecaster: Forecaster
    reference: Reference
    reasoning: Reasoning


@dataclass(frozen=True, kw_only=True, eq=False)
class ChurnScores(Result):
    """Probabilities for customers, in the order given.

    Attributes
    ----------
    drift
        `feature`, `psi`, `limit`, `level`: whether these customers are like those of training.
    """

    drift: pd.DataFrame
    model: ChurnModel = field(repr=False)
    matrix: NDArray[np.float64] = field(repr=False)

    @property
    def telling(self) -> tuple[str, ...]:
        """What a card shows."""
        return ("mean_probability",)

    @classmethod
    def unanswered(cls, reason: str, **empty: Any) -> ChurnScores:
        """Nobody scored, and the reason."""
        return super().unanswered(
            reason,
            drift=no_drift(),
            model=ChurnModel.unanswered(reason),
            matrix=np.zeros((0, 0)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ChurnReasons(Result):
    """What goes with leaving: for single customers (`.table`), and over all of them (`.effects`, as of the model)."""

    effects: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, kw_only=True, eq=False)
class ChurnModel(Result):
    """A fitted model, with the evidence for it.

    Attributes
    ----------
    table
        `model`, `population`, `cutoff`, `n`, `n_churned`, then the figures: the chosen model, the
        candidates, and the baselines that need no model.
    calibration
        `bin`, `n`, `mean_predicted`, `observed`, `low`, `high`.
    lift
        `decile` (1 = highest risk), `n`, `n_churned`, `share_churned`, `low`, `high`, `lift`,
        `cumulative_captured`.
    effects
        `feature`, `effect`, `level`, `n`, `n_churned`, `share_churned`, `low`, `high`, and against
        all other customers `difference`, its interval, `p_value`, `p_adjusted`: the features that
        move the forecasts most, strongest first.
    leaks
        As of the data, with what the model as a whole shows.
    drift
        Between training and the newest customers of a log; empty for a table.
    forecasts
        `customer_id`, `cutoff`, `churned`, `churn_probability`: the forecasts that did not know the
        outcome, on which all figures rest.
    horizon_us
        How far ahead the label looks, in microseconds; 0 for a table.
    id_column
        What the training table called the customer.
    beats_baselines
        Whether its ranking is better than chance and than every baseline, significantly; if not,
        nothing may be decided by it.
    verdict
        That in a sentence.
    """

    calibration: pd.DataFrame
    lift: pd.DataFrame
    effects: pd.DataFrame
    leaks: pd.DataFrame
    drift: pd.DataFrame
    forecasts: pd.DataFrame
    horizon_us: int
    id_column: str
    beats_baselines: bool
    verdict: str
    fitted: Fitted | None = field(repr=False)
    newest: pd.DataFrame = field(repr=False)

    @classmethod
    def unanswered(cls, reason: str, **empty: Any) -> ChurnModel:
        """No model, and the reason."""
        tables = {
            name: pd.DataFrame() for name in ("calibration", "lift", "effects", "leaks", "newest")
        }
        columns = ["customer_id", "cutoff", "churned", "churn_probability"]
        return super().unanswered(
            reason,
            **tables,
            drift=no_drift(),
            forecasts=pd.DataFrame(columns=columns),
            horizon_us=0,
            id_column="",
            beats_baselines=False,
            verdict=reason,
            fitted=None,
        )

    @property
    def telling(self) -> tuple[str, ...]:
        """What a card shows."""
        return ("auc",)

    @property
    def forecaster(self) -> Forecaster:
        """What makes the probabilities."""
        return self._known().forecaster

    @property
    def reference(self) -> Reference:
        """The distribution of training."""
        return self._known().reference

    @property
    def reasoning(self) -> Reasoning:
        """What reasons are made of."""
        return self._known().reasoning

    def _known(self) -> Fitted:
        if self.fitted is None:
            raise CjlibError(f"model: is none. {self.reason}")
        return self.fitted

    @property
    def features(self) -> tuple[str, ...]:
        """The features it needs."""
        return self.forecaster.columns.names if self.answered else ()

    def score(
        self, data: ChurnData | pd.DataFrame | None = None, *, as_of: Any = None
    ) -> ChurnScores:
        """Probability of churning for each row, in the order given.

        Parameters
        ----------
        data
            ChurnData, or a table with the features (the target is not needed); None: the newest
            customers known to the model.
        as_of
            The day that a table with dates shows. None: as in training or, if the table has later
            dates, the latest of them.

        Returns
        -------
        ChurnScores
            `.table`: `customer_id`, `cutoff`, `churn_probability`, `rank` (1 = highest; ties by
            id), `decile` (1 = highest risk), `outside_training` (a number beyond those of training,
            or a level that training did not have). `.drift` compares with training.

        Raises
        ------
        CjlibError
            If `data` is neither ChurnData nor a table, a feature is missing, or `as_of` is no date.
        """
        from threadpoolctl import threadpool_limits

        from cjlib.analyses.churn.model.scoring import score

        if not self.answered:
            return ChurnScores.unanswered(self.reason)
        if isinstance(data, ChurnData) and not data.answered:
            return ChurnScores.unanswered(data.reason)
        with threadpool_limits(THREADS):
            return score(self, data, as_of)

    def score_today(self, data: ChurnData) -> ChurnScores:
        """Probability of churning for the customers of today.

        Of a log those at its last moment, with the features they have then; of a table of customers
        those whose outcome is blank and, where nobody's is, those who had not left, from whom the
        model has learnt too.

        Parameters
        ----------
        data
            What `cj.churn_data` or `cj.churn_table` gave.

        Returns
        -------
        ChurnScores
            As `score` gives them; the definition says of whom.

        Raises
        ------
        CjlibError
            If the data are not what either function gave, or lack a feature.
        """
        from threadpoolctl import threadpool_limits

        from cjlib.analyses.churn.model.scoring import score_today

        if not self.answered or not data.answered:
            return ChurnScores.unanswered(self.reason or data.reason)
        with threadpool_limits(THREADS):
            return score_today(self, data)

    def reasons(
        self, rows: ChurnScores | ChurnData | pd.DataFrame | None = None, k: int = 3
    ) -> ChurnReasons:
        """What goes with a customer's risk: the features whose values raise it most, against the average customer.

        Contributions are log-odds of the additive spline model; features that go together are
        summed. Only those count that raise the risk, and whose value differs from the typical one
        (median or most common). They say what goes with leaving, not what causes it.

        Parameters
        ----------
        rows
            As `score` takes them, or what it gave.
        k
            Reasons a customer, at most.

        Returns
        -------
        ChurnReasons
            `.effects`: churn by level of the features, the strongest first. `.table`:
            `customer_id`, `reason_rank`, `feature`, `value`, `typical`, `contribution`, `text`.

        Raises
        ------
        CjlibError
            If `k` is no whole number of 1 or more, or as `score` says.
        """
        from threadpoolctl import threadpool_limits

        from cjlib.analyses.churn.model.explanations import reasons

        scores = rows if isinstance(rows, ChurnScores) else self.score(rows)
        if not scores.answered or not self.answered:
            return ChurnReasons.unanswered(self.reason or scores.reason)
        with threadpool_limits(THREADS):
            return reasons(self, scores, k)

    def by(self, values: pd.Series | Sequence[Any], *, min_n: int = 30) -> pd.DataFrame:
        """How good the forecasts were in each segment.

        Parameters
        ----------
        values
            The segment of each row of `.forecasts`.
        min_n
            Segments with fewer rows, or fewer than 10 of either outcome, get counts without
            figures.

        Returns
        -------
        DataFrame
            `segment`, `n`, `n_churned`, `share_churned`, `mean_predicted`, `auc`, `auc_low`,
            `auc_high`, `pr_auc`, `lift_10`, `lift_low`, `lift_high`.

        Raises
        ------
        CjlibError
            If there is not one segment for each row of `.forecasts`.
        """
        from cjlib.analyses.churn.use.metrics_by_segment import by_segment

        return by_segment(self.forecasts, values, min_n)

    def save(self, path: str | Path) -> Path:
        """Write the model as plain JSON, to be read by `cj.load_churn_model`: numbers and names, nothing that runs.

        Parameters
        ----------
        path
            Where to; a file there is replaced whole or not at all.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        CjlibError
            If the file cannot be written, or there is no model.
        """
        from cjlib.analyses.churn.model.persistence import save

        return save(self, Path(path))

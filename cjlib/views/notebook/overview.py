"""What to know first, as a list with links; and what is not measured."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from cjlib.analyses.scorecard import Scorecard
from cjlib.analyses.scorecard.summary import entry_of
from cjlib.errors import CjlibError, shown

QUESTIONS = {
    "01_funnel": "where customers drop out",
    "02_retention": "who comes back",
    "03_sentiment": "what customers say",
    "04_churn": "who leaves, and what they are worth",
    "05_paths": "which ways customers take",
    "06_journey_map": "the whole journey",
}


@dataclass(frozen=True, eq=False)
class Highlights:
    """The most important sentences of a card, each with the notebook that explains it."""

    table: pd.DataFrame

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html}

    @property
    def text(self) -> str:
        """One line each."""
        return "\n".join(
            f"{row.rank}. {row.sentence} See {row.notebook}." for row in self.table.itertuples()
        )

    @property
    def html(self) -> str:
        """An ordered list; every text escaped, since names come from the journey file."""
        if not len(self.table):
            return '<p class="cj-important">Nothing is measured on enough customers to be told.</p>'
        each = (
            f'<li><p>{escape(str(row.sentence))} <a href="{escape(str(row.notebook))}.ipynb">{escape(QUESTIONS[str(row.notebook)].capitalize())}</a></p></li>'
            for row in self.table.itertuples()
        )
        return f'<ol class="cj-important">{"".join(each)}</ol>'


def highlights(card: Scorecard, most: int = 3) -> Highlights:
    """The most important things to know of a scorecard, as sentences with links to the notebooks that explain them.

    Parameters
    ----------
    card
        What `cj.scorecard(journey, log)` returned.
    most
        How many.

    Returns
    -------
    Highlights
        `.table`: `rank`, `measure`, `sentence`, `reason`, `notebook` (which explains it):
        significantly worse than normal variation first, then targets missed for certain, then
        significantly better, then measures without news.

    Raises
    ------
    CjlibError
        If `card` is no scorecard.
    """
    return Highlights(_checked(card).highlights(most))


@dataclass(frozen=True, eq=False)
class MissingMeasures:
    """What a card cannot say, by what it would need."""

    needs: dict[str, list[str]]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html}

    @property
    def text(self) -> str:
        """One line for each need."""
        return (
            "\n".join(f"{need}: {', '.join(measures)}" for need, measures in self.needs.items())
            or ALL_MEASURED
        )

    @property
    def html(self) -> str:
        """A table, every text escaped."""
        if not self.needs:
            return f'<p class="cj-unmeasured">{ALL_MEASURED}</p>'
        rows = "".join(
            f'<tr><th scope="row"><bdi>{escape(need)}</bdi></th><td>{escape(", ".join(measures))}</td></tr>'
            for need, measures in self.needs.items()
        )
        heads = '<tr><th scope="col">what is missing</th><th scope="col">what it would measure</th></tr>'
        return f'<table class="cj-unmeasured"><thead>{heads}</thead><tbody>{rows}</tbody></table>'


ALL_MEASURED = "Nothing is missing."


def missing_measures(card: Scorecard) -> MissingMeasures:
    """What a scorecard does not measure: the missing line of the journey file or the missing events, and the measures they would give.

    Parameters
    ----------
    card
        What `cj.scorecard(journey, log)` returned.

    Returns
    -------
    MissingMeasures
        `.needs`: what is missing → the measures it would give.

    Raises
    ------
    CjlibError
        If `card` is no scorecard.
    """
    needs: dict[str, list[str]] = {}
    for row in _checked(card).not_measured.itertuples():
        needs.setdefault(str(row.needs), []).append(entry_of(str(row.measure)).label)
    return MissingMeasures(needs)


def _checked(card: Scorecard) -> Scorecard:
    if not isinstance(card, Scorecard):
        raise CjlibError(
            f"card: must be what cj.scorecard(journey, log) returned. Got {shown(type(card).__name__)}."
        )
    return card

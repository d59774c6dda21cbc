"""What a notebook asks of feedback: which score, which groups, which periods it can be asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cjlib.analyses.feedback.texts.language import says_something
from cjlib.errors import DataError, not_one_of
from cjlib.shared.periods import check_period
from cjlib.sources.feedback.table import SCORES, Feedback
from cjlib.sources.journey import Journey

FEWEST_ON_A_SIDE = 10
ENDS = {"nps": (6, 9), "csat": (2, 4), "ces": (3, 5), "rating": (3, 5)}


@dataclass(frozen=True)
class Choice:
    """What the feedback can be asked: `score` (None: nobody gave one), `by` (None: all together), `period` (None: no dates), `texts`, `outcome` of drivers."""

    score: str | None
    by: str | None
    period: str | None
    texts: bool
    outcome: str | None

    def given(self, *results: Any) -> list[Any]:
        """The results that there are."""
        return [one for one in results if one is not None]

    def cards(self, *results: Any) -> list[str]:
        """The metrics that stand on cards: the score, its mean, what the texts say, and how good that is; those of them that there are."""
        there = {name for one in self.given(*results) for name in one.metrics}
        wanted = [self.score, f"mean_{self.score}", "share_negative", "mean_score", "accuracy"]
        return [name for name in wanted if name in there][:4]

    def leaving(self, journey: Journey) -> Any:
        """The event that means leaving, as the journey file names it; None where it names none."""
        return (
            None
            if journey.churn is None or journey.churn.event is None
            else journey.survival_options()["churn_event"]
        )


def feedback_choice(
    feedback: Feedback, *, by: str = "stage", score: str = "", period: str = "month"
) -> Choice:
    """What to ask of this feedback, from a notebook's parameters.

    The score is the one named, else NPS if anybody gave one, else the one with most answers. `by` is a column with at least two values; `"none"`, or a column that
    is empty, means all together. A column or score that the feedback does not have is an error with the nearest name. Without dates there is no period.
    """
    check_period(period, ("day", "week", "month", "quarter", "year"))
    if score and score not in SCORES:
        raise not_one_of("score", score, SCORES)
    answered = {name: int(feedback.frame[name].notna().sum()) for name in SCORES}
    if score and not answered[score]:
        raise DataError(
            f"score: nobody gave {score}. Answers there are: {', '.join(f'{name} {n:,}' for name, n in answered.items() if n) or 'none'}."
        )
    usual = "nps" if answered["nps"] else max(answered, key=lambda name: answered[name])
    chosen = score or (usual if answered[usual] else None)
    groups = None if by in ("", "none") or feedback.segment(by).nunique() < 2 else by
    texts = bool(feedback.frame["text"].dropna().map(says_something).any())
    dated = feedback.span is not None
    return Choice(
        chosen,
        groups,
        period if dated else None,
        texts,
        chosen if texts and chosen and _two_sides(feedback, chosen) else None,
    )


def _two_sides(feedback: Feedback, score: str) -> bool:
    """Whether enough comments stand on both sides of a score to compare their words."""
    bad_to, good_from = ENDS[score]
    answers = feedback.frame.loc[feedback.frame["text"].notna(), score]
    return (
        min(int((answers <= bad_to).sum()), int((answers >= good_from).sum()))
        >= 5 * FEWEST_ON_A_SIDE
    )

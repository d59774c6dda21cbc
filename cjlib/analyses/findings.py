"""Findings: what a result has to say beyond its headline, as data that a briefing can rank."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from cjlib.show.units import in_units

if TYPE_CHECKING:
    import pandas as pd

Direction = Literal["bad", "good", "neutral"]
RUN_LEVEL = 0.05
"""A briefing tells what holds with this probability of a single false finding over all families of a run."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One claim, with everything that a reader needs to weigh it.

    Attributes
    ----------
    topic
        What it is about, as short as a key; a briefing tells one finding a topic: "conversion by channel", "NPS of Onboarding".
    claim
        One plain sentence: subject, verb, number, base. What stands before a colon is read alone, as a headline.
    direction
        Whether it is bad, good or neutral for the business.
    value, low, high, n, unit
        The effect with its 95% CI, the customers it rests on, and its unit ("share", "points", "index" for −1 to 1, "seconds", "money", "number").
    customers
        Customers concerned: those lost, unhappy or at risk because of it.
    money
        What is at stake in the journey file's currency, where the journey file or the data state a value; else None.
    family, p_adjusted
        The family of tests that it was corrected in, and its p there.
    figure
        The name of the figure in the notebook that shows it, as the view in `cj.plot(result, view)`; "" for the table.
    since
        The first day from which it holds, as 2025-06-23; "" where it holds over the whole time.
    next_step
        What to do or to look at next, as one sentence; "" where only the evidence can say.
    """

    topic: str
    claim: str
    direction: Direction
    family: str
    p_adjusted: float
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = "number"
    customers: int = 0
    money: float | None = None
    figure: str = ""
    since: str = ""
    next_step: str = ""

    def __post_init__(self) -> None:
        for name in ("claim", "next_step"):
            object.__setattr__(self, name, in_units(getattr(self, name)))

    def plain(self) -> dict[str, Any]:
        """As JSON, for a notebook's output and run.json."""
        return asdict(self)


def of_shares(row: pd.Series, n: int, *, claim: str, family: str, figure: str) -> Finding:
    """What a row of compared shares says of its `n` customers: more is good, and the customers concerned are the difference times n."""
    return Finding(
        topic=family,
        claim=claim,
        direction="good" if row["difference"] > 0 else "bad",
        value=float(row["difference"]),
        low=float(row["difference_low"]),
        high=float(row["difference_high"]),
        n=n,
        unit="share",
        customers=round(abs(row["difference"]) * n),
        family=family,
        p_adjusted=float(row["p_adjusted"]),
        figure=figure,
    )


def told(findings: Iterable[Finding], families: int, most: int = 3) -> list[Finding]:
    """The findings worth a first page.

    Significant over all families of the run; most at stake first (money, then customers × effect), what is neither good nor bad last; one a topic;
    at most `most`, and one good.

    Parameters
    ----------
    findings
        Of all results of a run.
    families
        How many families of tests the run looked at, with and without findings: each p is multiplied by it (Bonferroni).
    most
        How many that are not good.
    """
    sure = [finding for finding in findings if finding.p_adjusted * max(families, 1) < RUN_LEVEL]
    stages = [one.topic.removeprefix(STAGE) for one in sure if one.topic.startswith(STAGE)]
    by_topic: dict[str, Finding] = {}
    for one in sorted(sure, key=_stake, reverse=True):
        by_topic.setdefault(_subject(one.topic, stages), one)
    every = list(by_topic.values())
    good = [one for one in every if one.direction == "good"][:1]
    return [one for one in every if one.direction != "good"][:most] + good


STAGE = "stage "
"""How the topic of a finding about a stage begins."""


def _subject(topic: str, stages: Iterable[str]) -> str:
    """The topic, or the stage that it names: what two analyses say of one stage, as of a theme called like it, is told once."""
    named = (
        stage
        for stage in stages
        if re.search(rf"(?<!\w){re.escape(stage)}(?!\w)", topic, re.IGNORECASE)
    )
    return next((f"{STAGE}{stage}" for stage in named), topic)


def _stake(finding: Finding) -> tuple[bool, float, float, float, str]:
    """What is good or bad before what is neither; then money, then customers × effect."""
    return (
        finding.direction != "neutral",
        finding.money or 0.0,
        finding.customers * _effect(finding),
        -finding.p_adjusted,
        finding.claim,
    )


SPANS = {"share": 1.0, "points": 100.0, "index": 2.0}
"""The whole range of a unit: a difference is weighed as a part of it."""


def _effect(finding: Finding) -> float:
    """The size of the effect as a part of its unit's range, 0–1; 1 where sizes cannot be compared."""
    if finding.value is None or finding.unit not in SPANS:
        return 1.0
    return min(1.0, abs(finding.value) / SPANS[finding.unit])


def topic_of_segment(what: str, by: str, segment: object) -> str:
    """The topic of a segment that differs: stages are one topic whatever is said of them, so that a briefing names each once."""
    return f"{STAGE}{segment}" if by == "stage" else f"{what} by {by}: {segment}"


def from_plain(held: Mapping[str, Any]) -> Finding:
    """A finding read back from JSON."""
    return Finding(**held)

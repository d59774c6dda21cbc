"""Whether metrics moved from one time to another, corrected for how many are looked at together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cjlib.analyses.result import Metric
from cjlib.shared.comparison import MIN_N, family, known_at_once
from cjlib.shared.stats import Z95


@dataclass(frozen=True)
class Change:
    """A metric before and now.

    Attributes
    ----------
    before, now
        The metric at both times; None where there was none.
    significant
        Whether the move is statistically significant over all that were compared together.
    """

    before: Metric | None
    now: Metric | None
    significant: bool


def changes(pairs: Sequence[tuple[Metric | None, Metric | None]]) -> list[Change]:
    """Each pair of before and now, tested together.

    The p-value is that of Zou and Donner's interval of the difference, from the intervals of both numbers, as for independent ones; runs over
    mostly the same customers vary less, so a move is missed rather than made up. A number without an interval or with an n below 30 is not tested.
    """
    tested = family(
        "changes since the time before",
        [_p_value(before, now) for before, now in pairs],
        units=[_n(before) for before, _ in pairs],
        other_units=[_n(now) for _, now in pairs],
        follow_up=known_at_once("each of the two times"),
    )
    return [
        Change(before, now, claim)
        for (before, now), claim in zip(pairs, tested.claims.tolist(), strict=True)
    ]


def _n(entry: Metric | None) -> int:
    return (entry["n"] or 0) if entry else 0


def few(entry: Metric) -> bool:
    """Whether a number rests on too few to be read."""
    return entry["n"] is not None and entry["n"] < MIN_N


def same_scale(now: Metric, before: Metric) -> bool:
    """Whether both were measured with the same thing: a scorer adapted to the ratings of each run is another one in each."""
    return now.get("scale", "") == before.get("scale", "")


def difference_bounds(now: Metric, before: Metric) -> tuple[float, float] | None:
    """95% CI of now − before from the two intervals, as for independent numbers; None where a bound is missing.

    References
    ----------
    Zou, G. Y. & Donner, A. (2008). Construction of confidence limits about effect measures: a general approach. Statistics in Medicine 27.
    """
    if any(entry[part] is None for entry in (now, before) for part in ("value", "low", "high")):
        return None
    difference = now["value"] - before["value"]
    below = math.hypot(now["value"] - now["low"], before["high"] - before["value"])
    above = math.hypot(now["high"] - now["value"], before["value"] - before["low"])
    return difference - below, difference + above


def _p_value(before: Metric | None, now: Metric | None) -> float:
    bounds = difference_bounds(now, before) if now and before else None
    if now is None or before is None or bounds is None or not same_scale(now, before):
        return math.nan
    difference = now["value"] - before["value"]
    margin = difference - bounds[0] if difference > 0 else bounds[1] - difference
    return math.erfc(Z95 * abs(difference) / margin / math.sqrt(2)) if margin > 0 else math.nan

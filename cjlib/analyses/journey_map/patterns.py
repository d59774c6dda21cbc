"""Patterns of the sentiment line: rapid drops, troughs, peaks and sawteeth that differ beyond noise, all judged at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from cjlib.analyses.journey_map.sentiment_line import Clustered
from cjlib.analyses.journey_map.studentized_range import exceeded, quantile
from cjlib.shared.comparison import MIN_N

FEWEST_CUSTOMERS = 20
"""A stage whose answers come from fewer people takes no part in patterns."""
LEAST_DIFFERENCE = 0.2
"""In standard deviations within stages: what is smaller is no pattern, however certain."""


@dataclass(frozen=True)
class Pair:
    """Two stages compared: the later one's mean less the earlier one's.

    `error` is its standard error, `within` the standard deviation within stages, `stages` how many are compared at once. p and the bounds are worked out
    only for whom they are asked.
    """

    change: float
    error: float
    within: float
    stages: int
    freedom: float
    alpha: float

    @cached_property
    def p_adjusted(self) -> float:
        """How often a difference so large would come by chance among so many stages."""
        if not self.error:
            return float(self.change == 0 or self.within == 0)
        return exceeded(np.sqrt(2) * abs(self.change) / self.error, self.stages, self.freedom)

    @property
    def differs(self) -> bool:
        """Beyond noise, and large enough to name."""
        return abs(self.change) >= LEAST_DIFFERENCE * self.within and self.p_adjusted < self.alpha

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """The interval of the change, right for all pairs at once."""
        half = (
            quantile(1 - self.alpha, self.stages, self.freedom) * self.error / np.sqrt(2)
            if self.error
            else 0.0
        )
        return self.change - half, self.change + half


def pairs(means: Clustered, taking: list[int], alpha: float = 0.05) -> dict[tuple[int, int], Pair]:
    """Every pair of the stages that take part, judged at once (Games–Howell with clustered variances).

    References
    ----------
    Games, P. A. & Howell, J. F. (1976). Pairwise multiple comparison procedures with unequal N's and/or variances. Journal of Educational Statistics 1.
    """
    return {
        (s, t): _pair(means, s, t, len(taking), alpha) for s in taking for t in taking if s != t
    }


def _pair(means: Clustered, s: int, t: int, k: int, alpha: float) -> Pair:
    v = means.covariance
    difference, variance = (
        float(means.mean[t] - means.mean[s]),
        float(v[s, s] + v[t, t] - 2 * v[s, t]),
    )
    parts = v[s, s] ** 2 / (means.people[s] - 1) + v[t, t] ** 2 / (means.people[t] - 1)
    if variance <= 0 or parts <= 0:
        return Pair(difference, 0.0, means.within, k, 1.0, alpha)
    return Pair(
        difference, float(np.sqrt(variance)), means.within, k, float(variance**2 / parts), alpha
    )


def taking_part(means: Clustered) -> list[int]:
    """The stages with enough answers of enough people."""
    return [
        s
        for s in range(means.places)
        if means.n[s] >= MIN_N and means.people[s] >= FEWEST_CUSTOMERS
    ]


@dataclass(frozen=True)
class Pattern:
    """A named stretch of the line, from its first stage to its last."""

    name: str
    first: int
    last: int
    pair: Pair


def named_patterns(means: Clustered, alpha: float = 0.05) -> list[Pattern]:
    """Rapid drops, troughs, peaks and sawteeth of a line, all read off one family of comparisons."""
    taking = taking_part(means)
    if len(taking) < 2:
        return []
    compared = pairs(means, taking, alpha)
    drops = [
        Pattern("rapid drop", s, t, compared[s, t])
        for s, t in pairwise(taking)
        if compared[s, t].change < 0 and compared[s, t].differs
    ]
    runs = [
        Pattern(name, *run)
        for name, sign in (("trough", -1), ("peak", 1))
        for run in _runs(taking, compared, sign)
    ]
    return drops + runs + _sawtooth(taking, compared)


def _runs(
    taking: list[int], compared: dict[tuple[int, int], Pair], sign: int
) -> list[tuple[int, int, Pair]]:
    """Runs whose every member differs from, and lies on one side of, the stages before and after the run; the shortest of those that overlap."""
    found: list[tuple[int, int, Pair]] = []
    taken: set[int] = set()
    for length in range(1, len(taking) - 1):
        for k in range(1, len(taking) - length):
            run, around = taking[k : k + length], (taking[k - 1], taking[k + length])
            apart = all(
                compared[edge, one].change * sign > 0 and compared[edge, one].differs
                for one in run
                for edge in around
            )
            if apart and not taken & set(run):
                taken |= set(run)
                nearest = min(
                    (compared[edge, one] for one in run for edge in around),
                    key=lambda pair: abs(pair.change),
                )
                found.append((run[0], run[-1], nearest))
    return sorted(found, key=lambda one: one[:2])


def _sawtooth(taking: list[int], compared: dict[tuple[int, int], Pair]) -> list[Pattern]:
    moves = [(s, t, compared[s, t]) for s, t in pairwise(taking) if compared[s, t].differs]
    turns = [k for k in range(1, len(moves)) if moves[k][2].change * moves[k - 1][2].change < 0]
    if len(turns) < 2:
        return []
    first, last = moves[turns[0] - 1], moves[turns[-1]]
    smallest = min(
        (move[2] for move in moves[turns[0] - 1 : turns[-1] + 1]), key=lambda pair: abs(pair.change)
    )
    return [Pattern("sawtooth", first[0], last[1], smallest)]

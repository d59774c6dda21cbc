"""Comparisons that hold. Three rules that no analysis can go around, since every p-value is made here.

1. **Equal follow-up.** Both sides of a comparison were watched equally long. A comparison takes a `FollowUp`, which says how long and from when;
   there is no way to make one without saying who was not watched long enough.
2. **Landmark.** Who belongs to a group is known at the moment from which outcomes are counted (`followed(…, known_at=…)` refuses later facts).
3. **Family.** p-values that are read together are adjusted together, under a name; a side of fewer than `MIN_N` independent units (customers, not
   rows) is not tested. A sentence claims a difference where `Family.claims` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from cjlib.shared.repeated_answers import AtRandom, Weights
from cjlib.shared.stats import Z95, Floats, share
from cjlib.shared.two_samples import benjamini_hochberg, holm, newcombe, two_shares_p
from cjlib.show.numbers import count_of, timespan

MIN_N = 30
"""A number that rests on fewer than this many customers is shown as such: greyed, with its n, never as a finding."""
FAMILIES_A_RUN = 20
"""How many families of questions a run of all notebooks asks, about."""
CLAIM = 0.05 / FAMILIES_A_RUN
"""A sentence claims what has an adjusted p below this, .0025: so that all families of a run together claim nothing in 95 of 100 runs of a business
in which nothing happens. Tables keep the p-values for readers with another threshold."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class FollowUp:
    """The time at risk that both sides of a comparison have in common.

    Attributes
    ----------
    landmark
        The moment from which outcomes are counted, in words: "the first event of step 1".
    horizon
        Microseconds from the landmark within which outcomes count; 0: the outcome is known at the landmark, as the score of an answer.
    left_out
        Customers who were not watched for the whole horizon and stand on no side.
    """

    landmark: str
    horizon: int
    left_out: int = 0

    @property
    def words(self) -> str:
        """For a definition: how long both sides were followed and who was left out."""
        if not self.horizon:
            return f"the outcome is known at {self.landmark}"
        left = f"; {count_of(self.left_out, 'customer')} not yet followed that long left out"
        return f"both sides followed for {timespan(self.horizon)} from {self.landmark}{left}"


def followed(
    since: Ints, until: int | Ints, *, horizon: int, landmark: str, known_at: Ints | None = None
) -> tuple[Bools, FollowUp]:
    """Who was watched for the whole horizon after the landmark, and the follow-up that they have in common.

    Parameters
    ----------
    since
        The landmark of each customer, microseconds UTC.
    until
        The last moment each was watched (both ends included): the end of data, or their own.
    horizon
        Microseconds.
    landmark
        The moment in words.
    known_at
        When the group of each became known; what became known after the landmark is an error of the caller's.
    """
    if known_at is not None and np.any(known_at > since):
        raise ValueError("known_at: a group may not be known later than its landmark")
    complete = np.asarray(since + horizon <= until)
    return complete, FollowUp(landmark, horizon, int(complete.size - np.count_nonzero(complete)))


def known_at_once(landmark: str) -> FollowUp:
    """The follow-up of outcomes that need none: the score of an answer, a column of a finished table."""
    return FollowUp(landmark, 0)


@dataclass(frozen=True, eq=False)
class Family:
    """p-values that are read together, adjusted together.

    Attributes
    ----------
    name
        What is compared: "conversion by channel".
    p_value, p_adjusted
        One a comparison; missing where a side is too small.
    follow_up
        The time at risk that the sides have in common.
    level, adjustment
        The adjusted p below which a sentence may claim a difference, and how it was adjusted, in words.
    """

    name: str
    p_value: Floats
    p_adjusted: Floats
    follow_up: FollowUp
    level: float = field(default=CLAIM, kw_only=True)
    adjustment: str = field(default="Benjamini–Hochberg", kw_only=True)

    @property
    def tests(self) -> int:
        """How many comparisons were tested."""
        return int(np.count_nonzero(~np.isnan(self.p_value)))

    @property
    def claims(self) -> Bools:
        """Which comparisons a sentence may claim."""
        return np.nan_to_num(self.p_adjusted, nan=1.0) < self.level

    @property
    def words(self) -> str:
        """For a definition: how many comparisons, how adjusted, how followed."""
        return (
            f"{count_of(self.tests, 'comparison')} of {self.name}, adjusted together "
            f"({self.adjustment}); {self.follow_up.words}"
        )


def family(
    name: str,
    p_values: ArrayLike,
    *,
    units: ArrayLike,
    other_units: ArrayLike,
    follow_up: FollowUp,
    min_n: int = MIN_N,
) -> Family:
    """A family of p-values from any test; those of a side with fewer than `min_n` independent units become missing before the adjustment."""
    p = _of_large_enough(p_values, units, other_units, min_n)
    return Family(name, p, benjamini_hochberg(p), follow_up)


def _of_large_enough(
    p_values: ArrayLike, units: ArrayLike, other_units: ArrayLike, min_n: int
) -> Floats:
    smaller = np.minimum(np.asarray(units), np.asarray(other_units))
    return np.where(smaller < min_n, np.nan, np.asarray(p_values, dtype=float))


PLANNED = 0.05
"""A planned test, its measures named beforehand, claims at this level over all of them."""


def planned_family(
    name: str,
    p_values: ArrayLike,
    *,
    units: ArrayLike,
    other_units: ArrayLike,
    follow_up: FollowUp,
) -> Family:
    """The decision measures of a planned test: adjusted by Holm, so that a single false claim among them has at most 5%."""
    p = _of_large_enough(p_values, units, other_units, MIN_N)
    return Family(name, p, holm(p), follow_up, level=PLANNED, adjustment="Holm")


@dataclass(frozen=True, eq=False)
class Differences(Family):
    """Sides compared: the difference of each from its other side with its 95% CI."""

    difference: Floats
    low: Floats
    high: Floats

    def columns(self) -> dict[str, Any]:
        """The columns every table of comparisons ends with."""
        return {
            "difference": self.difference,
            "difference_low": self.low,
            "difference_high": self.high,
            "p_value": self.p_value,
            "p_adjusted": self.p_adjusted,
        }


AnyDifferences = TypeVar("AnyDifferences", bound=Differences)


@dataclass(frozen=True, eq=False)
class ShareComparison(Differences):
    """Shares compared; the interval is Newcombe's."""

    share: Floats
    other_share: Floats

    @property
    def certain(self) -> bool:
        """Whether something is claimed of a side of whom all or none do it."""
        sides = np.isin(self.share, (0, 1)) | np.isin(self.other_share, (0, 1))
        return bool((self.claims & sides).any())


def compare_shares(
    name: str,
    count: ArrayLike,
    base: ArrayLike,
    other_count: ArrayLike,
    other_base: ArrayLike,
    *,
    follow_up: FollowUp,
    min_n: int = MIN_N,
    z: float = Z95,
) -> ShareComparison:
    """Shares of customers, each against its other side: pooled z test corrected for skewness (Fisher's exact where a cell expects fewer than 5), Newcombe's interval.

    Counts and bases are of customers, each once, all of them followed as `follow_up` says.
    """
    k, n, other_k, other_n = (
        np.atleast_1d(np.asarray(part, dtype=np.int64))
        for part in np.broadcast_arrays(count, base, other_count, other_base)
    )
    p = [
        two_shares_p(*four)
        for four in zip(*(x.tolist() for x in (k, n, other_k, other_n)), strict=True)
    ]
    tested = family(name, p, units=n, other_units=other_n, follow_up=follow_up, min_n=min_n)
    low, high = newcombe(k, n, other_k, other_n, z)
    own, other = share(k, n), share(other_k, other_n)
    return ShareComparison(
        tested.name,
        tested.p_value,
        tested.p_adjusted,
        follow_up,
        share=own,
        other_share=other,
        difference=own - other,
        low=low,
        high=high,
    )


def all_others(comparable: Bools) -> Bools:
    """For each group (row) all that it may be compared with."""
    return ~np.eye(comparable.size, dtype=bool) & comparable & comparable[:, None]


def named_in_turn(
    compare: Callable[[Bools], AnyDifferences], comparable: Bools, stratum: Ints | None = None
) -> tuple[AnyDifferences, AnyDifferences, Bools]:
    """Each group against all others, so that one group that differs does not make news of all the others.

    The group with the smallest p of those that a sentence may claim is named; the rest are compared anew among themselves, and so on until nothing more is claimed.
    A row is what its group's last comparison gave.

    Parameters
    ----------
    compare
        Compares each group (row) with those marked in its row; missing where none is.
    comparable
        Of each group whether it stands on any side at all.
    stratum
        Of each group: it is compared with those of its stratum only, such as the groups at one
        step. None: with all.

    Returns
    -------
    tuple
        Each group against all others; the comparisons in turn; and for each group (row) which groups it was compared with in turn.
    """
    left = comparable.copy()
    among = np.zeros(left.size, dtype=np.int64) if stratum is None else stratum
    beside = all_others(comparable) & (among[:, None] == among)
    overall = compared = latest = compare(beside)
    # Of two groups that are left each is the other's other side.
    while (claimed := np.flatnonzero(latest.claims & (beside.sum(axis=1) > 1))).size:
        order = np.lexsort((latest.difference[claimed], latest.p_value[claimed]))
        left[claimed[order[0]]] = False
        beside[left] &= left
        latest = compare(beside & left[:, None])
        compared = replace(compared, **_rows_of(compared, latest, left))
    return overall, compared, beside


def _rows_of(compared: Differences, latest: Differences, rows: Bools) -> dict[str, Any]:
    """The columns of a comparison with some rows of a later one."""
    columns = {part.name: getattr(latest, part.name) for part in fields(latest)}
    return {
        name: np.where(rows, column, getattr(compared, name))
        for name, column in columns.items()
        if isinstance(column, np.ndarray)
    }


def not_compared_with(names: Sequence[str], beside: Bools) -> list[str]:
    """For each group which others it was not compared with, since they were named before."""
    return [
        ", ".join(
            other for column, other in enumerate(names) if column != row and not compared[column]
        )
        for row, compared in enumerate(beside)
    ]


def others_in_words(without: str) -> str:
    """What a group was compared with."""
    return f"the others without {without}" if without else "the others"


def groups_against_others(
    name: str, group: Ints, outcome: Bools, groups: int, *, follow_up: FollowUp, min_n: int = MIN_N
) -> ShareComparison:
    """Each of the groups 0 … `groups` − 1 against all others together; one row a customer, −1 is no group."""
    known = group >= 0
    base = np.bincount(group[known], minlength=groups)
    count = np.bincount(group[known & outcome], minlength=groups)
    return compare_shares(
        name,
        count,
        base,
        count.sum() - count,
        base.sum() - base,
        follow_up=follow_up,
        min_n=min_n,
    )


@dataclass(frozen=True, eq=False)
class MeanComparison(Differences):
    """Means compared."""

    mean: Floats
    other_mean: Floats


def group_means_against_others(
    name: str,
    group: Ints,
    values: Floats,
    groups: int,
    *,
    follow_up: FollowUp,
    min_n: int = MIN_N,
    beside: Bools | None = None,
) -> MeanComparison:
    """The mean of each of the groups 0 … `groups` − 1 against all others together, or those marked in its row of `beside`; one row a customer, −1 is no group.

    Money has long tails: a small group rarely holds one of the few large amounts, so its own spread is too small and its mean's interval, the same on both sides, too
    low. So each side's spread is its own or the pooled one, whichever is larger, and where no value is below 0 it is that of the mean's logarithm. The interval joins those of
    the two means (Zou and Donner); p is that of the widest such interval without 0, and at least that of sides drawn at random: where most bring nothing, a logarithm is sure too soon.

    References
    ----------
    Zou, G. Y. & Donner, A. (2008). Construction of confidence limits about effect measures: a general approach. Statistics in Medicine 27.
    """
    known = group >= 0
    group, values = group[known], values[known]
    rows = [
        _against_these(
            values,
            group == position,
            group != position if beside is None else beside[position][group],
        )
        for position in range(groups)
    ]
    n, other_n, mean, other, low, high, p = np.array(rows, dtype=float).reshape(groups, 7).T
    tested = family(name, p, units=n, other_units=other_n, follow_up=follow_up, min_n=min_n)
    return MeanComparison(
        tested.name,
        tested.p_value,
        tested.p_adjusted,
        follow_up,
        mean=mean,
        other_mean=other,
        difference=mean - other,
        low=low,
        high=high,
    )


def _against_these(values: Floats, inside: Bools, others: Bools) -> tuple[float, ...]:
    """Customers of a group against some of the others."""
    return _against(values[inside | others], inside[inside | others])


def _against(values: Floats, inside: Bools) -> tuple[float, ...]:
    """Customers on both sides, the means, the interval of their difference, and p; missing where a side has no spread."""
    sides = [np.sort(values[inside]), np.sort(values[~inside])]
    sizes = [side.size for side in sides]
    if min(sizes) < 2:
        means = [float(side.mean()) if side.size else np.nan for side in sides]
        return *sizes, *means, np.nan, np.nan, np.nan
    means = [float(side.mean()) for side in sides]
    skewed = min(side[0] for side in sides) >= 0 and min(means) > 0
    spread = _spread_of_means(sides, means if skewed else [1.0, 1.0])
    if not max(spread) > 0:
        return *sizes, *means, np.nan, np.nan, np.nan
    freedom = sum(sizes) - 2
    low, high = _difference_of_means(means, spread, skewed, float(stdtrit(freedom, 0.975)))
    p = _p_of_means(means, spread, skewed, freedom)
    return *sizes, *means, low, high, max(p, _mean_at_random(values, sizes, means))


def _mean_at_random(values: Floats, sizes: Sequence[int], means: Sequence[float]) -> float:
    """How likely so large a difference of two means is, if nothing set the sides apart."""
    second, third = 1 / sizes[0] + 1 / sizes[1], 1 / sizes[0] ** 2 - 1 / sizes[1] ** 2
    ordered = np.sort(values)
    at_random = AtRandom.of(ordered - ordered.mean(), np.arange(values.size))
    return float(at_random.p_value(means[0] - means[1], Weights(second, third, second, third)))


def _spread_of_means(sides: Sequence[Floats], scale: Sequence[float]) -> list[float]:
    """The standard error of each mean, in units of its scale, by its own variance or the pooled one, whichever is larger."""
    own = [float(side.var(ddof=1)) / unit**2 for side, unit in zip(sides, scale, strict=True)]
    free = [side.size - 1 for side in sides]
    pooled = (own[0] * free[0] + own[1] * free[1]) / sum(free)
    return [
        float(np.sqrt(max(variance, pooled) / side.size))
        for variance, side in zip(own, sides, strict=True)
    ]


FARTHEST = 500.0
"""Nobody asks for more steps of a logarithm; e to the 500 is still a number."""


def _difference_of_means(
    means: Sequence[float], spread: Sequence[float], skewed: bool, quantile: float
) -> tuple[float, float]:
    """Bounds of the first mean less the second, so many standard errors wide."""
    steps = [min(quantile * each, FARTHEST) for each in spread]
    if skewed:
        below = [-mean * np.expm1(-step) for mean, step in zip(means, steps, strict=True)]
        above = [mean * np.expm1(step) for mean, step in zip(means, steps, strict=True)]
    else:
        below = above = steps
    middle = means[0] - means[1]
    return (
        float(middle - np.hypot(below[0], above[1])),
        float(middle + np.hypot(above[0], below[1])),
    )


def _p_of_means(
    means: Sequence[float], spread: Sequence[float], skewed: bool, freedom: int
) -> float:
    """The two-sided p at which an interval of the difference begins to hold 0."""
    narrow, wide = 0.0, 40.0
    for _ in range(60):
        quantile = (narrow + wide) / 2
        low, high = _difference_of_means(means, spread, skewed, quantile)
        narrow, wide = (narrow, quantile) if low <= 0 <= high else (quantile, wide)
    return float(2 * stdtr(freedom, -narrow))

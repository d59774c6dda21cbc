"""Shares of rows of which a customer may have many: intervals that know whose the rows are.

A share is that of one kind of rows among the rows of its base. Its variance is taken from customer to customer, and the interval is
Wilson's of as many independent rows as would have this variance.

References
----------
Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of positive counts estimated from survey data.
Survey Methodology 24.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cjlib.shared.stats import Z95, Floats, share, wilson

Ints = NDArray[np.int64]
MEASURED, MEASURED_CUSTOMERS = 1 << 18, 1_000
"""Some of the customers say how alike the rows of a customer are, where they are so many and have so many rows."""


@dataclass(frozen=True, eq=False)
class RowsOfCustomers:
    """Of each kind of rows, over all customers with y rows of the kind among n rows of its base: Σ y², Σ y n, Σ n², Σ n, and how many have any of the base."""

    squares: Ints
    products: Ints
    base_squares: Ints
    base: Ints
    customers: Ints

    def interval(self, count: ArrayLike, base: ArrayLike) -> tuple[Floats, Floats]:
        """The 95% interval of count ÷ base, kind by kind."""
        p = share(count, base)
        independent = self.independent(p, base)
        return wilson(p * independent, independent)

    def independent(self, p: Floats, base: ArrayLike) -> Floats:
        """How many independent rows have the variance of these shares: never more than there are; where all rows are alike, as many as customers.

        Where customers repeat it is shrunk by the quantile of Student's t, so that few of them give a wide interval.
        """
        from scipy.special import stdtrit

        n, customers = np.asarray(base, dtype=float), self.customers.astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = self.squares - 2 * p * self.products + p**2 * self.base_squares
            alone = p * (1 - p) * self.base
            design = np.where(
                alone > 0,
                customers / (customers - 1) * apart / alone,
                self.base / customers,
            )
            widening = (Z95 / stdtrit(np.maximum(customers - 1, 1), 0.975)) ** 2
        found = np.where(customers > 1, n / np.fmax(design, 1.0) * widening, np.minimum(n, 1.0))
        return np.where(self.base_squares > self.base, found, n)


def measured_every(rows: int, customers: int) -> int:
    """Of how many customers one says how alike the rows of a customer are."""
    return max(1, min(rows // MEASURED, customers // MEASURED_CUSTOMERS))


def interval_in_words(rows: str, every: int = 1) -> str:
    """How the interval of a share of such rows is made."""
    measured = f", measured on about one customer in {every:,}" if every > 1 else ""
    return f"Wilson 95% of as many independent {rows} as have the variance from customer to customer{measured}"


def rows_of_customers(kind: Ints, customer: Ints, kinds: int, of_customer: Ints) -> RowsOfCustomers:
    """Rows of kinds 0 … `kinds` − 1 that all have one base, of which each customer has `of_customer` rows."""
    met, times = counted(kind * of_customer.size + customer, kinds * of_customer.size)
    of_kind, who = met // max(1, of_customer.size), met % max(1, of_customer.size)

    def total(of_pairs: Ints) -> Ints:
        return np.bincount(of_kind, weights=of_pairs, minlength=kinds).astype(np.int64)

    def alike(number: int) -> Ints:
        return np.full(kinds, number, dtype=np.int64)

    many = of_customer.astype(np.int64)
    return RowsOfCustomers(
        total(times**2),
        total(times * many[who]),
        alike(int((many**2).sum())),
        alike(int(many.sum())),
        alike(int(np.count_nonzero(many))),
    )


def share_interval(
    flag: NDArray[np.bool_], customer: Ints, group: Ints, groups: int
) -> tuple[Floats, Floats]:
    """The 95% interval of the share of flagged rows in each of the groups 0 … `groups` − 1."""
    alike = RowsWithinBases(2)
    alike.add(2 * group + flag, customer)
    count, base = (np.bincount(some, minlength=groups) for some in (group[flag], group))
    return alike.of(2 * np.arange(groups) + 1).interval(count, base)


def counted(values: Ints, possible: int) -> tuple[Ints, Ints]:
    """The different ones among 0 … `possible` − 1, ascending, and how often each comes."""
    # A table of all that are possible is counted in a fifth of the time, where it is small.
    if possible > 8 * values.size:
        return np.unique(values, return_counts=True)
    every = np.bincount(values, minlength=possible)
    met = np.flatnonzero(every)
    return met, every[met]


class RowsWithinBases:
    """Adds up rows block by block, each of whole customers: kind k belongs to base k // `width`."""

    def __init__(self, width: int) -> None:
        self.width = width
        nothing = np.zeros(0, dtype=np.int64)
        self.of_kinds: list[tuple[Ints, ...]] = [(nothing,) * 3]
        self.of_bases: list[tuple[Ints, ...]] = [(nothing,) * 4]

    def add(self, kind: Ints, customer: NDArray[np.integer]) -> None:
        """Add the rows of some customers, in any order; all their rows of a base are among them."""
        if not kind.size:
            return
        kinds = counted(kind, int(kind.max()) + 1)[0]
        who = customer.astype(np.int64) - int(customer.min())
        pair = who * kinds.size + np.searchsorted(kinds, kind)
        met, times = counted(pair, (int(who.max()) + 1) * kinds.size)
        own, place = np.divmod(met, kinds.size)
        bases, base_of = np.unique(kinds // self.width, return_inverse=True)
        base = base_of[place]
        starts = np.flatnonzero(np.append(True, (own[1:] != own[:-1]) | (base[1:] != base[:-1])))
        of_base = np.add.reduceat(times, starts)
        many = np.repeat(of_base, np.diff(np.append(starts, times.size)))
        sums = [np.bincount(place, each, kinds.size) for each in (times**2, times * many)]
        around = [
            np.bincount(base[starts], each, bases.size)
            for each in (of_base**2, of_base, np.ones(starts.size))
        ]
        self.of_kinds.append((kinds, *(each.astype(np.int64) for each in sums)))
        self.of_bases.append((bases, *(each.astype(np.int64) for each in around)))

    def of(self, kinds: Ints) -> RowsOfCustomers:
        """The sums of some kinds, ascending; zeros for those that were not met."""
        bases, base = np.unique(kinds // self.width, return_inverse=True)
        return RowsOfCustomers(
            *_together(self.of_kinds, kinds),
            *(each[base] for each in _together(self.of_bases, bases)),
        )


def _together(blocks: list[tuple[Ints, ...]], wanted: Ints) -> list[Ints]:
    """The columns of all blocks after the first, added up for the wanted values of the first."""
    values, *columns = (np.concatenate(part) for part in zip(*blocks, strict=True))
    known = np.isin(values, wanted)
    place = np.searchsorted(wanted, values[known])
    return [np.bincount(place, column[known], wanted.size).astype(np.int64) for column in columns]

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
MEASURED = 1 << 20
"""Of logs with more rows than this the customers of some blocks say how alike the rows of a customer are."""


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


def rows_of_customers(kind: Ints, customer: Ints, kinds: int, of_customer: Ints) -> RowsOfCustomers:
    """Rows of kinds 0 … `kinds` − 1 that all have one base, of which each customer has `of_customer` rows."""
    pair = kind * of_customer.size + customer
    # A table of all pairs is counted in a fifth of the time, where it is small.
    if kinds * of_customer.size <= 8 * pair.size:
        every = np.bincount(pair, minlength=kinds * of_customer.size)
        met = np.flatnonzero(every)
        times = every[met]
    else:
        met, times = np.unique(pair, return_counts=True)
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


class RowsWithinBases:
    """Adds up rows block by block, each of whole customers: kind k belongs to base k // `width`."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.added: list[tuple[Ints, Ints, Ints, Ints]] = []

    def add(self, kind: Ints, customer: NDArray[np.integer]) -> None:
        """Add the rows of some customers, in any order; all their rows of a base are among them."""
        if not kind.size:
            return
        kinds, place = np.unique(kind, return_inverse=True)
        who = customer.astype(np.int64) - int(customer.min())
        met, times = np.unique(who * kinds.size + place, return_counts=True)
        own, of_kind = met // kinds.size, kinds[met % kinds.size].astype(np.int64)
        base = of_kind // self.width
        begins = np.append(True, (own[1:] != own[:-1]) | (base[1:] != base[:-1]))
        starts = np.flatnonzero(begins)
        many = np.repeat(
            np.add.reduceat(times, starts), np.diff(np.append(starts, times.size))
        ).astype(np.int64)
        self.added.append((of_kind, times.astype(np.int64), many, begins.astype(np.int64)))

    def of(self, kinds: Ints) -> RowsOfCustomers:
        """The sums of some kinds, ascending; zeros for those that were not met."""
        nothing = (np.zeros(0, dtype=np.int64),) * 4
        of_kind, times, many, begins = (
            np.concatenate(part) for part in zip(nothing, *self.added, strict=True)
        )
        known = np.isin(of_kind, kinds)
        place = np.searchsorted(kinds, of_kind[known])
        bases, base = np.unique(kinds // self.width, return_inverse=True)
        in_base = np.isin(of_kind // self.width, bases)
        place_of_base = np.searchsorted(bases, of_kind[in_base] // self.width)

        def total(of_pairs: Ints) -> Ints:
            return np.bincount(place, of_pairs[known], kinds.size).astype(np.int64)

        def total_of_base(of_pairs: Ints) -> Ints:
            return np.bincount(place_of_base, of_pairs[in_base], bases.size).astype(np.int64)[base]

        return RowsOfCustomers(
            total(times**2),
            total(times * many),
            total_of_base(times * many),
            total_of_base(times),
            total_of_base(begins),
        )

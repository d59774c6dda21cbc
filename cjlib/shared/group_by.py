"""The group of each customer, known at a moment; and the values of columns as one number a row.

One rule for every analysis that takes `by`: a customer belongs to the first value that is not missing, at or before the moment from which outcomes are
counted (the landmark); of tied events the smallest value as text; of several columns the values of the first event that has any of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import CjlibError, listed, shown
from cjlib.sources.log.event_log import EventLog, Log

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
MISSING = -1
_PANDAS = {
    "VARCHAR": "str",
    "FLOAT": "float64",
    "DOUBLE": "float64",
    "DATE": "datetime64[us]",
    "TIMESTAMP": "datetime64[us]",
}


@dataclass(frozen=True)
class Values:
    """The values of columns, row by row, as ranks: compared as text, column by column, missing last; −1 where every column is missing."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    dictionaries: tuple[list[Any], ...]
    rank: Ints

    def columns(self, ranks: Ints) -> dict[str, pd.Series]:
        """What ranks stand for: one column a name, with the log's dtype, missing as null."""
        rest = np.where(
            ranks == MISSING, math.prod(len(values) + 1 for values in self.dictionaries) - 1, ranks
        )
        columns = {}
        for name, kind, values in reversed(
            list(zip(self.names, self.types, self.dictionaries, strict=True))
        ):
            rest, code = np.divmod(rest, len(values) + 1)
            columns[name] = _column(values, code, kind)
        return {name: columns[name] for name in self.names}

    def comparable(self, log: Log, ranks: Ints) -> Bools:
        """Which of these groups may be compared: all but those without a value that others have always (see `left_out_words`)."""
        held = [column.notna().to_numpy(dtype=bool) for column in self.columns(ranks).values()]
        undated = [
            given
            for name, given in zip(self.names, held, strict=True)
            if not given.all() and not log.missing_by_event(name)
        ]
        return np.logical_and.reduce([np.ones(len(ranks), dtype=bool), *undated])


def values_of(
    log: EventLog, names: Sequence[str], *, where: str, option: str, rows: Ints | None = None
) -> Values:
    """The values of these columns of the matching events, in the log's order, or of those in some rows among them."""
    coded = [log.codes(name, where=where, option=option) for name in names]
    if rows is not None:
        coded = [(codes[rows], values) for codes, values in coded]
    sizes = [len(values) + 1 for _, values in coded]
    if math.prod(sizes) >= 1 << 62:
        raise CjlibError(
            f"{option}: {listed(names)} have too many values together to be told apart. Leave one of them out."
        )
    rank = np.zeros(len(coded[0][0]), dtype=np.int64)
    for (codes, _), size in zip(coded, sizes, strict=True):
        rank = rank * size + np.where(codes < 0, size - 1, codes)
    rank[rank == math.prod(sizes) - 1] = MISSING
    return Values(
        tuple(names),
        tuple(log.property(name, option).type for name in names),
        tuple(values for _, values in coded),
        rank,
    )


_READ = {
    "VARCHAR": str,
    "BIGINT": int,
    "BOOLEAN": lambda text: text.casefold() in ("true", "t", "1"),
}
"""How a value comes back from its text, in which every engine gives it alike."""


def values_found(log: Log, names: Sequence[str], texts: Sequence[pd.Series]) -> Values:
    """The values of these columns in the answer of another engine, where they came as text; ranks as `values_of` gives them."""
    types = tuple(log.property(name, "by").type for name in names)
    for name, kind in zip(names, types, strict=True):
        if kind not in _READ:
            raise CjlibError(
                f"by: column {shown(name)} holds {kind.lower()}, which engines write differently. Group by texts, whole numbers or true and false, "
                "or fetch the events once: log.read()."
            )
    every = [sorted(set(column.dropna())) for column in texts]
    rank = np.zeros(len(texts[0]), dtype=np.int64)
    for column, held in zip(texts, every, strict=True):
        rank = rank * (len(held) + 1) + column.map(
            {text: code for code, text in enumerate(held)}
        ).fillna(len(held)).to_numpy(dtype="int64")
    rank[rank == math.prod(len(held) + 1 for held in every) - 1] = MISSING
    values = tuple(
        [_READ[kind](text) for text in held] for kind, held in zip(types, every, strict=True)
    )
    return Values(tuple(names), types, values, rank)


def names_given(
    given: str | Sequence[str] | None, option: str, taken: Sequence[str] = ()
) -> tuple[str, ...]:
    """A name or a list of names as a tuple without repeats; a name that a table already uses for itself is refused."""
    names: tuple[Any, ...] = (
        () if given is None else tuple(given) if isinstance(given, list | tuple) else (given,)
    )
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise CjlibError(
            f"{option}: must be the name of a column or a list of names. Got {shown(given)}."
        )
    clash = [name for name in names if name in taken]
    if clash:
        raise CjlibError(
            f"{option}: {shown(clash[0])} is also the name of a column of the table. Rename the log's column: read_events(columns={{source name: new name}})."
        )
    return tuple(dict.fromkeys(names))


def _column(values: list[Any], code: Ints, kind: str) -> pd.Series:
    missing = code == len(values)
    if kind in _PANDAS:
        return pd.Series([*values, None], dtype=_PANDAS[kind]).take(code).reset_index(drop=True)
    if kind == "BOOLEAN":
        held = pd.Series([*values, None], dtype="boolean").take(code).reset_index(drop=True)
        return held if missing.any() else held.astype(bool)
    if "INT" in kind:
        held = pd.Series([*values, None], dtype="Int64").take(code).reset_index(drop=True)
        return held if missing.any() else held.astype("int64")
    return pd.Series([*values, None], dtype=object).take(code).reset_index(drop=True)


def order_of_groups(base: Ints, ranks: Ints) -> Ints:
    """The order of groups in a table: largest base first, then by value as text, missing last."""
    last = np.where(ranks == MISSING, np.iinfo(np.int64).max, ranks)
    return np.lexsort((last, -base))


def left_out_words(comparable: Bools) -> str:
    """For a definition, after a semicolon, why some groups stand on no side of a comparison; "" where all do."""
    if comparable.all():
        return ""
    return "; customers without a value are compared with nobody: all others have one at every event, so that it may be missing because of what they did later"


def set_afterwards(log: Log | None, names: Sequence[str], certain: bool, doing: str) -> str:
    """What a sentence about groups of whom all or none do something (`certain`) adds before its full stop: they may have been made by it; "" where some customer changes their value.

    A table of customers (None) knows no values but one.
    """
    if not certain or (log is not None and any(log.changes_by_event(name) for name in names)):
        return ""
    fixed = "" if log is None else f", and no customer ever changes {', '.join(names)}"
    it = "it" if fixed else ", ".join(names)
    return f". All or none of a group {doing}{fixed}: {it} may have been set afterwards"


@dataclass(frozen=True)
class CustomerGroups:
    """What `group_by` gives.

    Attributes
    ----------
    names
        The columns.
    by
        Their values.
    ranks
        The groups that a customer is in, as ranks of `by`, in the order of a table: most customers first, then by value as text, missing last.
    of
        The group of each customer code of the log, as a position in `ranks`; −1: no event in the log up to the landmark.
    """

    names: tuple[str, ...]
    by: Values
    ranks: Ints
    of: Ints

    def __len__(self) -> int:
        return len(self.ranks)

    def columns(self, groups: Ints) -> dict[str, pd.Series]:
        """The columns of a table whose rows belong to these groups, missing as null."""
        return self.by.columns(self.ranks[groups])

    @cached_property
    def labels(self) -> list[str]:
        """The groups as text, values of several columns joined; "(not set)" where missing."""
        columns = self.columns(np.arange(len(self)))
        texts = [["(not set)" if pd.isna(x) else str(x) for x in c] for c in columns.values()]
        return [" · ".join(parts) for parts in zip(*texts, strict=True)]


def group_by(
    log: EventLog,
    by: str | Sequence[str],
    *,
    known_at: Ints | None = None,
    taken: Sequence[str] = (),
    option: str = "by",
) -> CustomerGroups:
    """The group of each customer of the log, known at a moment.

    The first value that is not missing among the customer's events at or before the landmark; where events tie, the smallest value as text; of
    several columns the values of the first event that has any of them. A customer without a value is in a group of its own. What became known
    after the landmark decides nothing, so that outcomes counted from it cannot have decided the group.

    Parameters
    ----------
    log
        The events.
    by
        A column of the log or of the customers table, or a list of them.
    known_at
        The landmark of each customer code, microseconds UTC; None: all that the log knows, for what counts no outcomes.
    taken
        Names that the table uses for itself.
    option
        The caller's argument, for errors.
    """
    names = names_given(by, option, taken)
    if not names:
        raise ValueError("by: group_by needs at least one column")
    return _groups(log, names, _Seen.of(log, known_at), option)


def groups_by_each(
    log: EventLog, columns: Sequence[str], *, known_at: Ints, option: str = "by"
) -> dict[str, CustomerGroups]:
    """The groups by each of several columns alone, as `group_by` finds them; the events are fetched once."""
    seen = _Seen.of(log, known_at) if columns else None
    return {name: _groups(log, [name], seen, option) for name in columns if seen is not None}


@dataclass(frozen=True)
class _Seen:
    """The events at or before each customer's landmark, by customer and time, and who has any."""

    customer: Ints
    time: Ints
    inside: Bools
    customers: Ints
    codes: int

    @classmethod
    def of(cls, log: EventLog, known_at: Ints | None) -> _Seen:
        events = log.fetch("customer", "time")
        customer, time = events["customer"], events["time"]
        inside = np.ones(len(time), dtype=bool) if known_at is None else time <= known_at[customer]
        customers = np.flatnonzero(np.bincount(customer[inside], minlength=log.n_customer_codes))
        return cls(customer, time, inside, customers, log.n_customer_codes)


def _groups(log: EventLog, names: Sequence[str], seen: _Seen, option: str) -> CustomerGroups:
    values = values_of(log, names, where="TRUE", option=option)
    of = np.full(seen.codes, MISSING, dtype=np.int64)
    rank = np.where(seen.inside, values.rank, MISSING)
    first = first_ranks(seen.customer, seen.time, rank, seen.codes)
    ranks, of[seen.customers] = numbered(first[seen.customers])
    return CustomerGroups(tuple(names), values, ranks, of)


def first_ranks(customer: Ints, time: Ints, rank: Ints, customers: int) -> Ints:
    """The first rank of each customer that is not missing, of tied events the smallest; events by customer and time."""
    some = np.flatnonzero(rank != MISSING)
    customer, time, rank = customer[some], time[some], rank[some]
    first = np.flatnonzero(np.diff(customer, prepend=-1))
    begun = np.repeat(time[first], np.diff(first, append=len(customer)))
    tied = time == begun
    return smallest_tied(rank[tied], customer[tied], customers)


def smallest_tied(rank: Ints, owner: Ints, owners: int) -> Ints:
    """The tie rule: of the events that each owner has at one instant the smallest value as text; −1 where all are missing."""
    last = np.iinfo(np.int64).max
    smallest = np.full(owners, last)
    np.minimum.at(smallest, owner, np.where(rank == MISSING, last, rank))
    return np.where(smallest == last, MISSING, smallest)


def numbered(rank: Ints) -> tuple[Ints, Ints]:
    """The different ranks in the order of a table (largest first, then by value as text, missing last), and each one's position among them."""
    code, ranks = pd.factorize(rank, sort=True)
    order = order_of_groups(np.bincount(code, minlength=len(ranks)), ranks)
    place = np.empty(len(ranks), dtype=np.int64)
    place[order] = np.arange(len(ranks))
    return ranks[order], place[code]


def first_values(log: EventLog, by: str, known_at: Ints | None = None) -> pd.Series:
    """The value of each customer who has one, as `group_by` finds it, as text, by customer id as text."""
    groups = group_by(log, by, known_at=known_at)
    rank = np.append(groups.ranks, MISSING)[groups.of]
    some = np.flatnonzero(rank != MISSING)
    ids = [str(customer) for customer in log.customer_ids(some.astype(np.int32))]
    values = groups.by.dictionaries[0]
    return pd.Series([str(values[code]) for code in rank[some].tolist()], index=ids, dtype="str")

"""Groups of `by` and values of `hold`: the values of one or several columns as one number a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import CjlibError, listed, shown
from cjlib.sources.log.event_log import EventLog

Ints = NDArray[np.int64]
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
    values: tuple[list[Any], ...]
    rank: Ints

    def columns(self, ranks: Ints) -> dict[str, pd.Series]:
        """What ranks stand for: one column a name, with the log's dtype, missing as null."""
        rest = np.where(
            ranks == MISSING, math.prod(len(values) + 1 for values in self.values) - 1, ranks
        )
        columns = {}
        for name, kind, values in reversed(
            list(zip(self.names, self.types, self.values, strict=True))
        ):
            rest, code = np.divmod(rest, len(values) + 1)
            columns[name] = _column(values, code, kind)
        return {name: columns[name] for name in self.names}


def values_of(log: EventLog, names: Sequence[str], *, where: str, option: str) -> Values:
    """The values of these columns of the matching events, in the log's order."""
    coded = [log.codes(name, where=where, option=option) for name in names]
    sizes = [len(values) + 1 for _, values in coded]
    if math.prod(sizes) >= 1 << 62:
        raise CjlibError(
            f"{option}: {listed(names)} have too many values together to be told apart. Leave one of them out."
        )
    rank = np.zeros(len(coded[0][0]), dtype=np.int64)
    for (codes, _), size in zip(coded, sizes, strict=True):
        rank = rank * size + np.where(codes < 0, size - 1, codes)
    rank[rank == math.prod(sizes) - 1] = MISSING
    types = tuple(log.property(name, option).type for name in names)
    return Values(tuple(names), types, tuple(values for _, values in coded), rank)


_READ = {
    "VARCHAR": str,
    "BIGINT": int,
    "BOOLEAN": lambda text: text.casefold() in ("true", "t", "1"),
}
"""How a value comes back from its text, in which every engine gives it alike."""


def values_found(log: EventLog, names: Sequence[str], texts: Sequence[pd.Series]) -> Values:
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


def first_values(log: EventLog, by: str) -> pd.Series:
    """Each customer's value of a column, as text, at the first event that has one (where events tie, the smallest as text), by customer id as text."""
    codes, values = log.codes(by)
    found = log.fetch("customer", "time")
    rows = pd.DataFrame({"customer": found["customer"], "time": found["time"], "code": codes})
    first = (
        rows[rows["code"] >= 0]
        .sort_values(["customer", "time", "code"], kind="stable")
        .drop_duplicates("customer")
    )
    ids = [str(one) for one in log.customer_ids(first["customer"].to_numpy(dtype=np.int32))]
    return pd.Series([str(values[code]) for code in first["code"].tolist()], index=ids, dtype="str")

"""Whether a table of a database still holds what it held: what its server counts, which is less than a look at every row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from cjlib.sources.ingest.columns import renamed, wanted

if TYPE_CHECKING:
    from cjlib.sources.connect.database import Database


def state_of(
    table: Database, columns: Mapping[str, str], only: Collection[str] | None
) -> tuple[str, ...]:
    """The columns that are read with their types, the number of rows, how many have each column, and the first and last of every time.

    Rows that are changed in place, without a time or a missing value that comes or goes, leave it as it is.
    """
    import sqlalchemy as sa

    every, kinds = table.names(), table.types()
    ours = renamed(every, columns)
    kept = set(wanted(ours, only))
    names = [
        theirs
        for theirs, name in zip(every, ours, strict=True)
        if name in kept or theirs in columns
    ]
    counts = [sa.func.count(table.found.columns[name]) for name in names]
    times = [
        table.found.columns[name]
        for name in names
        if str(kinds[name]).startswith(("timestamp", "date"))
    ]
    bounds = [bound(time) for time in times for bound in (sa.func.min, sa.func.max)]
    answer = table.one(sa.select(sa.func.count(), *counts, *bounds).select_from(table.found))
    return (*(f"{name} {kinds[name]}" for name in names), *map(str, answer))

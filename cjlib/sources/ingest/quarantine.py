"""The rows of a source that cannot be used, found again with their positions and their values as they stand there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cjlib.sources.ingest.columns import Columns
from cjlib.sources.ingest.open_source import Raw, blank
from cjlib.sources.ingest.parse_times import NAIVE, SPREADSHEET, UNREADABLE
from cjlib.sources.log.engine import DuckDB, literal
from cjlib.sources.log.schema import Property

DUPLICATE = "exact duplicate"
REPEATED_ID = "repeated id"


def rows_held(
    engine: DuckDB,
    raw: Raw,
    columns: Columns,
    properties: tuple[Property, ...],
    *,
    wrong: bool,
    repeated: bool,
) -> pd.DataFrame:
    """The rows in quarantine: `row`, `reason`, `example`, then c1, c2, … as text."""
    texts = "".join(f", CAST({place} AS VARCHAR) AS {place}" for place in raw.places)
    asked = []
    if wrong:
        example = (
            f"CASE WHEN reason LIKE 'missing %' THEN NULL WHEN k IN ({UNREADABLE}, {SPREADSHEET}) THEN {written(columns)} "
            f"WHEN t IS NOT NULL THEN CAST(make_timestamp(t) AS VARCHAR) WHEN k = {NAIVE} THEN CAST(make_timestamp(w) AS VARCHAR) END"
        )
        asked.append(
            f"SELECT row, reason, {example} AS example{texts} FROM {_numbered(engine, raw)} WHERE reason IS NOT NULL"
        )
    if repeated:
        numbered = _numbered(engine, raw, _near_repeats(engine, raw))
        asked.append(_repeats(columns, properties, numbered, texts, wrong=wrong))
    parts = ([raw.broken] if len(raw.broken) else []) + (
        [engine.frame(" UNION ALL ".join(asked))] if asked else []
    )
    names = ["row", "reason", "example", *raw.places]
    together = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)
    extra = [name for name in together.columns if name not in names]
    return together.reindex(columns=[*names, *extra]).sort_values(
        "row", kind="stable", ignore_index=True
    )


def written(columns: Columns) -> str:
    """The time of a row as the source has it."""
    return f"CAST({columns.timestamp.place} AS VARCHAR)"


def _numbered(engine: DuckDB, raw: Raw, timed: str = "timed") -> str:
    """Rows of `timed` with the position of each in its source."""
    has_row = engine.rows("SELECT count(*) FROM (DESCRIBE timed) WHERE column_name = 'row'")[0][0]
    return timed if has_row else f"(SELECT {raw.row} AS row, * FROM {timed})"


def _near_repeats(engine: DuckDB, raw: Raw) -> str:
    """`timed`, or where a file knows its places its rows at the times of `repeated`: two looks at little of it are quicker than one at all."""
    if not raw.row.startswith("place"):
        return "timed"
    engine.execute(
        "CREATE TEMP TABLE places AS SELECT place FROM timed SEMI JOIN repeated USING (t)"
    )
    engine.execute("CREATE TEMP TABLE near AS SELECT * FROM timed SEMI JOIN places USING (place)")
    return "near"


def _repeats(
    columns: Columns, properties: tuple[Property, ...], numbered: str, texts: str, *, wrong: bool
) -> str:
    """SQL of the second and later rows of those that are equal in every column: the first of the source is the event."""
    values = [
        f"CASE WHEN NOT {blank(f'p{position}')} THEN p{position} END"
        if one.type == "VARCHAR"
        else f"p{position}"
        for position, one in enumerate(columns.properties, start=1)
    ]
    return (
        f"SELECT row, {literal(DUPLICATE)} AS reason, CAST(id AS VARCHAR) || ', ' || name || ', ' || CAST(make_timestamp(t) AS VARCHAR) AS example{texts} "
        f"FROM (SELECT *, row_number() OVER (PARTITION BY {', '.join(['id', 'name', 't', *values])} ORDER BY row) AS n FROM {numbered} "
        f"SEMI JOIN repeated USING (id, t){' WHERE reason IS NULL' if wrong else ''}) WHERE n > 1"
    )


def quarantine_table(held: pd.DataFrame, raw: Raw) -> pd.DataFrame:
    """The rows in quarantine as the analyst sees them: `row`, `reason`, the file where there are several, then the raw columns as text."""
    taken = {"row", "reason", "file"}
    names = {
        f"c{position}": f"{name} (column)" if name in taken else name
        for position, name in enumerate(raw.names, start=1)
    }
    table = (
        held.drop(columns="example").astype("str").rename(columns=names).astype({"row": "int64"})
    )
    if not raw.file_rows:
        return table
    ends = pd.Series([rows for _, rows in raw.file_rows]).cumsum()
    which = ends.searchsorted(table["row"], side="left")
    starts = (ends - [rows for _, rows in raw.file_rows]).to_numpy()
    table.insert(2, "file", pd.Series([raw.file_rows[one][0] for one in which], dtype="str"))
    return table.assign(row=table["row"] - starts[which])


__all__ = ["DUPLICATE", "REPEATED_ID", "quarantine_table", "rows_held", "written"]


Reasons = dict[str, tuple[int, str]]
Span = tuple[int, Any, Any]
Kinds = dict[int, Span]


@dataclass(frozen=True)
class Tally:
    """The counts of one reading.

    `rows` read; of each kind of time its rows, earliest and latest; hours that come `twice`; of each reason its rows and smallest example;
    `first_future`, the earliest time that has not happened yet.
    """

    rows: int
    kinds: Kinds
    twice: int
    reasons: Reasons
    first_future: int | None

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**vars(self), "kinds": [[kind, *span] for kind, span in self.kinds.items()]}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Tally:
        """From what `plain` gave."""
        kinds = {kind: (rows, low, high) for kind, rows, low, high in plain["kinds"]}
        reasons = {reason: (rows, example) for reason, (rows, example) in plain["reasons"].items()}
        return cls(plain["rows"], kinds, plain["twice"], reasons, plain["first_future"])


def reasons_of(held: pd.DataFrame) -> Reasons:
    """Of each reason its rows and its smallest example."""
    if held.empty:
        return {}
    return {
        str(reason): (len(rows), smallest(rows["example"]))
        for reason, rows in held.groupby("reason", sort=True)
    }


def smallest(examples: pd.Series) -> str:
    """The first of the examples, as text."""
    return min((str(one) for one in examples.dropna()), default="")[:80]

"""Opening a source: whatever it is, a relation `raw` of columns c1, c2, … with the source's own names beside it."""

from __future__ import annotations

import glob
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
import pandas as pd

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown, unknown_column
from cjlib.sources.connect.files import READABLE, Files, find_files
from cjlib.sources.connect.remote import Remote, is_remote, named_once
from cjlib.sources.ingest.csv_json import (
    ROWS_COMPARED,
    csv_layout,
    header_row,
    load_csv,
    load_json_lines,
    named,
)
from cjlib.sources.log.engine import DuckDB, identifier, literal

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb.sqltypes import DuckDBPyType
    from python_calamine import CalamineWorkbook

NEEDED = ("customer_id", "event", "timestamp")
NO_TYPE = '"NULL"'
_WHOLE_NUMBERS = frozenset({"BIGINT", "UBIGINT", "HUGEINT"})
_NUMBERS = _WHOLE_NUMBERS | {"DOUBLE"}


@dataclass(frozen=True)
class QualityLine:
    """One line of the quality table; `counts_rows` is False where it counts something else than rows."""

    check: str
    rows: int
    example: str
    counts_rows: bool = True


@dataclass(frozen=True)
class Raw:
    """An opened source.

    `names` and `types` are those of c1, c2, …; `row` is SQL for the 1-based position; `untyped` are the columns that hold text
    because the format knows nothing else; `broken` are rows that are no rows (too many fields, no JSON), with `row` and `reason`; `tables` and `views` stand in the engine while it is read; `notes` go to the quality table;
    `inside` are fields inside other fields that were not asked for.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    row: str = "row_number() OVER ()"
    untyped: frozenset[str] = frozenset()
    broken: pd.DataFrame = field(default_factory=pd.DataFrame)
    file_rows: tuple[tuple[str, int], ...] = ()
    tables: tuple[str, ...] = ("raw",)
    views: tuple[str, ...] = ()
    notes: tuple[QualityLine, ...] = ()
    inside: tuple[str, ...] = ()

    @property
    def places(self) -> list[str]:
        """The columns of `raw`."""
        return [f"c{position}" for position in range(1, len(self.names) + 1)]


def forget(engine: DuckDB, raw: Raw) -> None:
    """Let go of an opened source."""
    for view in raw.views:
        engine.execute(f"DROP VIEW IF EXISTS {view}")
    for table in raw.tables:
        engine.execute(f"DROP TABLE IF EXISTS {table}")
    engine.connection.unregister("given")


def open_table(engine: DuckDB, source: Any, name: str) -> Raw:
    """Make `raw` from a table beside the events, such as that of customers: a file, a database's, or one in memory."""
    if is_remote(source):
        return open_remote(engine, source, {})
    if isinstance(source, str | Path):
        return open_files(engine, find_files(source))
    return open_frame(engine, source, name)


def open_files(engine: DuckDB, files: Files, asked: Collection[str] | None = ()) -> Raw:
    """Make `raw` from files; of JSON objects the fields inside others that are `asked` for, or all (None)."""
    if files.kind == "json":
        return _open_json(engine, files, asked)
    if files.kind == "sheet":
        return open_frame(engine, sheet_table(files.paths[0], files.sheet), asked=asked)
    if files.kind == "parquet":
        return _open_parquet(engine, files, asked)
    return _open_csv(engine, files)


def _open_parquet(engine: DuckDB, files: Files, asked: Collection[str] | None) -> Raw:
    source, described, rows = _parquet(engine, files)
    own = _own_names(engine, files, described)
    picks = [identifier(name) for name in described]
    more, inside = _fields_inside(engine, source, own, asked)
    raw = _numbered(engine, source, [*picks, *more.values()], [*own, *more], rows)
    return replace(raw, inside=inside)


def _fields_inside(
    engine: DuckDB, source: str, names: Sequence[str], asked: Collection[str] | None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The fields inside objects, such as properties.time: those that are asked for, or all (None), with their SQL, and the other names."""
    found: dict[str, str] = {}
    relation = engine.connection.sql(f"SELECT * FROM {source} LIMIT 0")
    types = cast("list[DuckDBPyType]", relation.types)
    outer: list[tuple[str, str, DuckDBPyType]] = [
        (name, identifier(column), kind)
        for name, column, kind in zip(names, relation.columns, types, strict=False)
        if kind.id == "struct"
    ]
    while outer:
        name, pick, kind = outer.pop(0)
        for field_name, inner in cast("list[tuple[str, DuckDBPyType]]", kind.children):
            one = (f"{name}.{field_name}", f"{pick}.{identifier(field_name)}")
            if inner.id == "struct":
                outer.append((*one, inner))
            elif one[0] not in names:
                found[one[0]] = one[1]
    more = {name: pick for name, pick in found.items() if asked is None or name in asked}
    return more, tuple(name for name in found if name not in more)


def _numbered(
    engine: DuckDB,
    source: str,
    picks: Sequence[str],
    names: Sequence[str],
    file_rows: tuple[tuple[str, int], ...],
) -> Raw:
    """Make `raw`; of one file each row's position is known to the file itself, of several it takes counting."""
    if "file_row_number=true" not in source:
        return replace(
            _view(engine, f"(SELECT {', '.join(picks)} FROM {source})", names), file_rows=file_rows
        )
    columns = ", ".join(f"{pick} AS c{position}" for position, pick in enumerate(picks, start=1))
    engine.execute(
        f"CREATE TEMP VIEW raw AS SELECT {columns}, file_row_number AS place FROM {source}"
    )
    unique, repeated = named_once(named(names))
    return Raw(
        tuple(unique),
        _types(engine, len(names)),
        row="place + 1",
        file_rows=file_rows,
        tables=(),
        views=("raw",),
        notes=_repeated_note(repeated),
    )


def _parquet(engine: DuckDB, files: Files) -> tuple[str, list[str], tuple[tuple[str, int], ...]]:
    """SQL that reads the files, their columns as DuckDB calls them, and, where there are several files, the rows of each."""
    paths = ", ".join(literal(glob.escape(str(path))) for path in files.paths)
    names = [files.name(position) for position in range(len(files.paths))]
    several = len(names) > 1
    partitioned = any("=" in part for name in names for part in Path(name).parts[:-1])
    options = f"can_have_nan=true, union_by_name={several}, hive_partitioning={partitioned}, hive_types_autocast=false"
    source = f"read_parquet([{paths}], {options})"
    try:
        described = engine.rows(f"DESCRIBE SELECT * FROM {source}")
        counted = (
            dict(engine.rows(f"SELECT file_name, num_rows FROM parquet_file_metadata([{paths}])"))
            if several
            else {}
        )
    except duckdb.Error:
        only = f"a file of {shown(str(files.folder))}" if several else shown(names[0])
        raise DataError(
            f"source: {only} cannot be read as Parquet. It is damaged, cut off, or of another format. Fetch or write it again."
        ) from None
    rows = (
        tuple((name, counted[str(path)]) for name, path in zip(names, files.paths, strict=True))
        if several
        else ()
    )
    columns = [name for name, *_ in described]
    if not several and "file_row_number" not in {name.casefold() for name in columns}:
        source = f"read_parquet([{paths}], {options}, file_row_number=true)"
    return source, columns, rows


def _own_names(engine: DuckDB, files: Files, described: Sequence[str]) -> list[str]:
    """The names of columns as the files have them: DuckDB numbers those that stand more than once."""
    import pyarrow.parquet as pq

    folded = {name.casefold() for name in described}
    if not any(
        re.sub(r"_\d+$", "", name.casefold()) in folded - {name.casefold()} for name in described
    ):
        return list(described)
    own: dict[str, str] = {}
    for path in files.paths:
        one = f"SELECT * FROM read_parquet({literal(glob.escape(str(path)))}, hive_partitioning=false)"
        numbered = [name for name, *_ in engine.rows(f"DESCRIBE {one}")]
        own |= dict(zip(numbered, pq.read_schema(path).names, strict=True))
    return [own.get(name, name) for name in described]


def _open_csv(engine: DuckDB, files: Files) -> Raw:
    layouts = [csv_layout(path, files.encoding) for path in files.paths]
    names = list(dict.fromkeys(name for layout in layouts for name in layout.names))
    types = tuple("VARCHAR" for _ in names)
    titles = [layout.title for layout in layouts if layout.title]
    notes = (
        *(
            QualityLine("line above the column names", 1, title, counts_rows=False)
            for title in titles
        ),
        *_repeated_note("; ".join(dict.fromkeys(one.repeated for one in layouts if one.repeated))),
    )
    if len(files.paths) == 1:
        broken = load_csv(engine, files.paths[0], "raw", layouts[0])
        row = "line" if _has_line(engine, "raw") else "rowid + 1"
        return Raw(tuple(names), types, row, _all_places(names), broken, notes=notes)
    columns = ", ".join(f"c{position} VARCHAR" for position in range(1, len(names) + 1))
    engine.execute(f"CREATE TEMP TABLE raw (line BIGINT, {columns})")
    parts: list[pd.DataFrame] = []
    rows: list[tuple[str, int]] = []
    before = 0
    for position, (path, layout) in enumerate(zip(files.paths, layouts, strict=True)):
        broken = load_csv(engine, path, "part", layout)
        parts.append(_renamed(broken, layout.names, names, before))
        count = _append(engine, layout.names, names, before) + len(broken)
        rows.append((files.name(position), count))
        before += count
    return Raw(
        tuple(names),
        types,
        row="line",
        untyped=_all_places(names),
        broken=pd.concat(parts, ignore_index=True),
        file_rows=tuple(rows),
        notes=notes,
    )


def _repeated_note(words: str) -> tuple[QualityLine, ...]:
    """What is said of names that stand more than once."""
    return (QualityLine("columns of one name", 0, words, counts_rows=False),) if words else ()


def _all_places(names: Sequence[str]) -> frozenset[str]:
    return frozenset(f"c{position}" for position in range(1, len(names) + 1))


def _has_line(engine: DuckDB, table: str) -> bool:
    return any(name == "line" for name, *_ in engine.rows(f"DESCRIBE {table}"))


def _append(engine: DuckDB, own: list[str], names: list[str], before: int) -> int:
    """Put `part` under `raw`, column by name; how many rows it had."""
    line = "line" if _has_line(engine, "part") else "rowid + 1"
    picks = "".join(f", {f'c{own.index(name) + 1}' if name in own else 'NULL'}" for name in names)
    engine.execute(f"INSERT INTO raw SELECT {line} + {before}{picks} FROM part")
    count = engine.rows("SELECT count(*) FROM part")[0][0]
    engine.execute("DROP TABLE part")
    return count


def _renamed(broken: pd.DataFrame, own: list[str], names: list[str], before: int) -> pd.DataFrame:
    if broken.empty:
        return broken
    renamed = broken.rename(
        columns={
            f"c{position}": f"c{names.index(name) + 1}"
            for position, name in enumerate(own, start=1)
        }
    )
    return renamed.assign(row=renamed["row"] + before)


def _open_json(engine: DuckDB, files: Files, asked: Collection[str] | None) -> Raw:
    if len(files.paths) != 1:
        raise CjlibError(
            "source: several JSON-lines files at once cannot be read. "
            "Put them into one file, or give Parquet or CSV files."
        )
    fields = load_json_lines(engine, files.paths[0], "lines_raw", asked)
    names = named(fields.names)
    places = [f"c{position}" for position in range(1, len(names) + 1)]
    kinds = {place: _json_kinds(engine, place) for place in places}
    picks = "".join(f", {_json_typed(engine, place, kinds[place])} AS {place}" for place in places)
    engine.execute(f"CREATE TEMP VIEW raw AS SELECT line{picks} FROM lines_raw")
    return Raw(
        names=names,
        types=_types(engine, len(names)),
        row="line",
        untyped=frozenset(
            place for place in places if kinds[place] & _NUMBERS and "VARCHAR" in kinds[place]
        ),
        broken=fields.broken,
        notes=(*_wrapped_note(fields.wrapped), *_repeated_note(fields.repeated)),
        tables=("lines_raw",),
        views=("raw",),
        inside=tuple(fields.inside),
    )


def _wrapped_note(field: str) -> tuple[QualityLine, ...]:
    return (QualityLine("rows inside the field", 1, field, counts_rows=False),) if field else ()


def _json_kinds(engine: DuckDB, column: str) -> set[str]:
    kinds = engine.rows(f"SELECT DISTINCT json_type({column}) FROM lines_raw")
    return {kind for (kind,) in kinds if kind not in (None, "NULL")}


def _json_typed(engine: DuckDB, column: str, kinds: set[str]) -> str:
    """A JSON column as its own type: whole numbers, numbers, true and false; else text."""
    text = f"json_extract_string({column}, '$')"
    if kinds and kinds <= _WHOLE_NUMBERS:
        fits = (
            engine.rows(
                f"SELECT count(*) FROM lines_raw WHERE TRY_CAST({text} AS BIGINT) IS NULL AND {text} IS NOT NULL"
            )[0][0]
            == 0
        )
        return f"CAST({text} AS BIGINT)" if fits else text
    if kinds and kinds <= _NUMBERS:
        return f"CAST({text} AS DOUBLE)"
    return f"CAST({text} AS BOOLEAN)" if kinds == {"BOOLEAN"} else text


def open_frame(
    engine: DuckDB, source: Any, option: str = "source", *, asked: Collection[str] | None = ()
) -> Raw:
    """Make `raw` from a pandas, polars or Arrow table, of its objects the fields that are `asked` for; the table itself is not changed."""
    table = _arrow(source, option)
    if not table.num_columns:
        raise DataError(
            f"{option}: there are no columns. Events need customer_id, event and timestamp."
        )
    frame = isinstance(source, pd.DataFrame)
    names = [str(name) for name in source.columns] if frame else table.column_names
    columns = [f"c{position}" for position in range(1, len(names) + 1)]
    engine.connection.register("given", table.rename_columns(columns))
    more, inside = _fields_inside(engine, "given", names, asked)
    picks = ", ".join([*columns, *more.values()])
    return replace(_view(engine, f"(SELECT {picks} FROM given)", [*names, *more]), inside=inside)


def open_remote(
    engine: DuckDB, remote: Remote, columns: Mapping[str, str], only: Collection[str] | None = None
) -> Raw:
    """Make `raw` from a table of another engine: the rows come in parts, and what does not fit DuckDB's memory is spilled."""
    there, repeated = named_once(remote.names())
    names = names_to_read(there, columns, only)
    if not names:
        raise DataError(
            f"source: {remote.place} has no columns. Events need customer_id, event and timestamp."
        )
    started = False
    for batch in remote.batches(names):
        engine.connection.register("part", _places(batch))
        engine.execute(
            "INSERT INTO raw SELECT * FROM part"
            if started
            else "CREATE TEMP TABLE raw AS SELECT * FROM part"
        )
        engine.connection.unregister("part")
        started = True
    return Raw(tuple(names), _types(engine, len(names)), notes=_repeated_note(repeated))


def _places(batch: pa.RecordBatch) -> Any:
    import pyarrow as pa

    return pa.Table.from_arrays(
        batch.columns, names=[f"c{position}" for position in range(1, batch.num_columns + 1)]
    )


def wanted(names: Sequence[str], only: Collection[str] | None) -> list[str]:
    """Of a source's columns, by their names in the log, those that are read."""
    if only is None:
        return list(names)
    for name in only:
        if name not in names:
            raise unknown_column("only", name, names, what="source")
    return [name for name in names if name in NEEDED or name in only]


def renamed(names: Sequence[str], given: Mapping[str, str]) -> list[str]:
    """The source's names as the log has them."""
    return [given.get(name, name) for name in names]


def names_to_read(
    there: Sequence[str], columns: Mapping[str, str], only: Collection[str] | None
) -> list[str]:
    """The columns of a table that a reading needs: those that are wanted under our names, and those that were renamed."""
    ours = renamed(there, columns)
    needed = set(wanted(ours, only))
    return [
        theirs
        for theirs, name in zip(there, ours, strict=True)
        if name in needed or theirs in columns
    ]


def _view(engine: DuckDB, source: str, names: Sequence[str]) -> Raw:
    unique, repeated = named_once(named(names))
    columns = ", ".join(f"c{position}" for position in range(1, len(names) + 1))
    engine.execute(f"CREATE TEMP VIEW raw AS SELECT * FROM {source} AS r({columns})")
    types = _types(engine, len(names))
    notes = _repeated_note(repeated)
    return Raw(tuple(unique), types, tables=(), views=("raw",), notes=notes)


def _types(engine: DuckDB, width: int) -> tuple[str, ...]:
    described = {name: kind for name, kind, *_ in engine.rows("DESCRIBE raw")}
    return tuple(described[f"c{position}"] for position in range(1, width + 1))


_LAZY = ("polars", "narwhals")
"""Packages whose frames may be plans that have to be collected first."""


def _arrow(source: Any, option: str) -> Any:
    import pyarrow as pa

    if isinstance(source, pd.DataFrame):
        return pa.table(
            [_arrow_column(source.iloc[:, position]) for position in range(source.shape[1])],
            names=[f"c{position}" for position in range(1, source.shape[1] + 1)],
        )
    source = (
        source.collect()
        if hasattr(source, "collect") and type(source).__module__.startswith(_LAZY)
        else source
    )
    if hasattr(source, "__arrow_c_stream__"):
        with suppress(pa.ArrowInvalid):  # one column is no table
            return pa.table(source)
    raise CjlibError(
        f"{option}: must be {READABLE}, a pandas, polars or Arrow table or whatever gives Arrow streams, or a journey. Got {shown(source)}."
    )


def _arrow_column(column: pd.Series) -> Any:
    import pyarrow as pa

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if isinstance(column.dtype, pd.DatetimeTZDtype) and column.dtype.unit == "ns":
        column = column.dt.floor("us").dt.as_unit("us")  # DuckDB knows no nanoseconds with a zone
    if column.dtype != object:
        try:
            return pa.array(column, from_pandas=True)
        except (pa.ArrowException, TypeError):
            column = column.astype(object)
    values = [None if _is_missing(value) else value for value in column.tolist()]
    if any(isinstance(value, date) for value in values):
        return pa.array([_as_text(value) for value in values], pa.string())
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, UnicodeError, OverflowError):
        return pa.array([_as_text(value) for value in values], pa.string())


def _is_missing(value: Any) -> bool:
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and math.isnan(value))
    )


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 1001.0 beside "1001" in a sheet is the same id
    text = value.isoformat() if isinstance(value, date | datetime) else str(value)
    return text.encode("utf-8", "replace").decode()


__all__ = [
    "NEEDED",
    "QualityLine",
    "Raw",
    "forget",
    "names_to_read",
    "open_files",
    "open_frame",
    "open_remote",
    "renamed",
    "sheets_by_rows",
    "wanted",
]


def sheet_table(file: Path, sheet: str | None) -> pd.DataFrame:
    """The cells of a sheet, of the only one where none is named; numbers, dates and texts as Excel has them."""
    name, cells = _cells(file, sheet)
    first = [[str(cell) for cell in row] for row in cells[:ROWS_COMPARED]]
    cells = cells[header_row(first) :]
    # In a narrow sheet a title stands above the names in one cell alone.
    while len(cells) > 1 and _width(cells[0]) == 1 < _width(cells[1]):
        cells.pop(0)
    if not any(map(_width, cells)):
        raise DataError(f"source: the sheet {shown(name)} of {shown(file.name)} is empty.")
    header, *rows = cells
    kept = [position for position, cell in enumerate(header) if str(cell).strip()]
    names = [str(header[position]).strip() for position in kept]
    filled = [[row[position] for position in kept] for row in rows if _width(row)]
    table = pd.DataFrame(filled, columns=pd.Index(names), dtype=object)
    return table.replace({"": None})


def _width(row: list[Any]) -> int:
    return sum(str(cell).strip() != "" for cell in row)


def _cells(file: Path, sheet: str | None) -> tuple[str, list[list[Any]]]:
    with _book(file) as book:
        name = _chosen(file, book.sheet_names, sheet)
        return name, book.get_sheet_by_name(name).to_python(skip_empty_area=True)


@contextmanager
def _book(file: Path) -> Iterator[CalamineWorkbook]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with CalamineWorkbook.from_path(str(file)) as book:
            yield book
    except CalamineError:
        raise DataError(
            f"source: {shown(file.name)} cannot be read as an Excel workbook. It is damaged, locked by a password, or of another format. Save it again as .xlsx."
        ) from None


def sheets_by_rows(file: Path) -> list[str]:
    """The sheets of a workbook, those of most rows first."""
    with _book(file) as book:
        names = book.sheet_names
        heights = {name: book.get_sheet_by_name(name).total_height for name in names}
    return sorted(names, key=lambda name: -heights[name])


def _chosen(file: Path, sheets: list[str], sheet: str | None) -> str:
    if sheet is None and len(sheets) == 1:
        return sheets[0]
    if sheet in sheets:
        return sheet
    if sheet is None:
        raise CjlibError(
            f"table: {shown(file.name)} has {len(sheets)} sheets: {listed(sheets)}. Name the one to read, such as table={sheets[0]!r}."
        )
    raise CjlibError(
        f"table: {shown(file.name)} has no sheet {shown(sheet)}.{did_you_mean(sheet, sheets)} It has: {listed(sheets)}."
    )

"""Text files as tables of text: CSV, TSV and JSON lines, with every broken row kept."""

from __future__ import annotations

import codecs
import csv
import glob
import gzip
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import duckdb
import pandas as pd

from cjlib.errors import DataError, shown
from cjlib.sources.log.engine import DuckDB, literal

BATCH = 50_000
WRONG_FIELDS = "wrong number of fields"
OPEN_QUOTE = "quote that does not close"
UNREADABLE_LINE = "unreadable line"


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """A text file, unpacked if need be; what can go wrong is said in words."""
    try:
        packed = path.suffix.lower() == ".gz"
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if packed
            else path.open("rt", encoding="utf-8-sig", newline="") as stream
        ):
            yield stream
    except UnicodeDecodeError as fault:
        raise _not_utf8(path, fault.object[fault.start :]) from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise DataError(
            f"source: {shown(path.name)} is not a whole gzip file: it was cut off or damaged. Fetch or write it again."
        ) from None
    except PermissionError:
        raise DataError(
            f"source: {shown(path.name)} may not be read by this user. Change its permissions."
        ) from None
    except OSError as fault:
        raise DataError(f"source: {shown(path.name)} cannot be read ({fault.strerror}).") from None


def _not_utf8(path: Path, rest: bytes) -> DataError:
    wide = rest[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    remedy = _remedy(path, "UTF-16" if wide else "CP1252")
    return DataError(
        f"source: {shown(path.name)} is not text in UTF-8 (byte {rest[0]:#04x} cannot be). {remedy}"
    )


def _remedy(path: Path, likely: str) -> str:
    """How to write the file again, if it is in the encoding that it looks like."""
    whose = {"CP1252": "that of Windows in western languages", "UTF-16": "“Unicode text” of Excel"}[
        likely
    ]
    return (
        f"If it is {likely}, {whose}: in Excel save it as “CSV UTF-8”, or on a command line iconv -f {likely} -t UTF-8 OLD > NEW, "
        f"or in Python give pandas.read_csv(path, encoding='{likely.lower()}')."
    )


def csv_header(path: Path) -> tuple[list[str], str]:
    """The column names of a CSV file, and the character between its fields."""
    with opened(path) as stream:
        first = stream.readline()
        if not first:
            raise DataError(
                f"source: {shown(path.name)} is empty. It must begin with a line of column names."
            )
        if "\0" in first or "\0" in stream.read(4096):
            raise DataError(
                f"source: {shown(path.name)} is not a text file: it holds zero bytes. {_remedy(path, 'UTF-16')}"
            )
        delimiter = (
            "\t" if ".tsv" in path.name.lower() else max(",;\t|", key=_outside_quotes(first).count)
        )
        stream.seek(0)
        header = next(_records(stream, delimiter), [])
    if isinstance(header, str):
        raise DataError(
            f"source: the quotes in the first line of {shown(path.name)} do not close as CSV asks. "
            'A quote inside a quoted name is written twice (""). Mend the line of column names, or write the file again.'
        )
    if not first.strip():
        raise DataError(
            f"source: {shown(path.name)} must begin with a line of column names. Its first line is blank."
        )
    return list(named(header)), delimiter


def named(names: Sequence[str]) -> tuple[str, ...]:
    """The names of columns, with one for those that have none."""
    return tuple(
        name if name.strip() else f"unnamed_{position}"
        for position, name in enumerate(names, start=1)
    )


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _records(stream: IO[str], delimiter: str) -> Iterator[list[str] | str]:
    """The fields of each row; where its quotes do not close as CSV asks, its first line as it stands, and what follows is read from the next line on."""
    again: deque[str] = deque()
    while True:
        taken: list[str] = []
        reader = csv.reader(_noted(stream, again, taken), delimiter=delimiter, strict=True)
        try:
            for fields in reader:
                taken.clear()
                yield fields
            return
        except csv.Error:
            yield taken[0].rstrip("\r\n")
            again.extendleft(reversed(taken[1:]))


def _noted(stream: IO[str], again: deque[str], taken: list[str]) -> Iterator[str]:
    """The lines to be read again, then those of the stream; `taken` has them all."""
    while line := again.popleft() if again else stream.readline():
        taken.append(line)
        yield line


def load_csv(
    engine: DuckDB, path: Path, table: str, names: list[str], delimiter: str
) -> pd.DataFrame:
    """Make a table of text, `line` (1-based data row) and c1, c2, …; give back the rows with too few or too many fields."""
    columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(1, len(names) + 1))
    source = (
        f"read_csv({literal(glob.escape(str(path)))}, auto_detect=false, header=true, columns={{{columns}}}, delim={literal(delimiter)}, "
        "quote='\"', escape='\"', strict_mode=true)"
    )
    try:
        engine.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM {source}")
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        # One row that is not as the others stops DuckDB's reader: row by row every other one can be had, and the broken ones named.
        engine.execute(f"DROP TABLE IF EXISTS {table}")
        return _load_csv_by_row(engine, path, table, len(names), delimiter)
    return pd.DataFrame()


def _load_csv_by_row(
    engine: DuckDB, path: Path, table: str, width: int, delimiter: str
) -> pd.DataFrame:
    broken: list[dict[str, Any]] = []
    columns = ", ".join(f"c{position} VARCHAR" for position in range(1, width + 1))
    engine.execute(f"CREATE TEMP TABLE {table} (line BIGINT, {columns})")
    with opened(path) as stream:
        records = enumerate(filter(None, islice(_records(stream, delimiter), 1, None)), start=1)
        while batch := list(islice(records, BATCH)):
            good = [
                (line, fields)
                for line, fields in batch
                if not isinstance(fields, str) and len(fields) == width
            ]
            broken += [
                _broken_row(line, fields, width, delimiter)
                for line, fields in batch
                if isinstance(fields, str) or len(fields) != width
            ]
            _insert(engine, table, good, width)
    return pd.DataFrame(broken)


def _broken_row(line: int, fields: list[str] | str, width: int, delimiter: str) -> dict[str, Any]:
    if isinstance(fields, str):
        return {"row": line, "reason": OPEN_QUOTE, "c1": fields}
    kept = (
        fields
        if len(fields) <= width
        else [*fields[: width - 1], delimiter.join(fields[width - 1 :])]
    )
    return {"row": line, "reason": WRONG_FIELDS} | {
        f"c{position}": text or None for position, text in enumerate(kept, start=1)
    }


def _insert(engine: DuckDB, table: str, rows: list[tuple[int, list[str]]], width: int) -> None:
    import pyarrow as pa

    columns = {"line": pa.array([line for line, _ in rows], pa.int64())}
    columns |= {
        f"c{position + 1}": pa.array([fields[position] or None for _, fields in rows], pa.string())
        for position in range(width)
    }
    engine.connection.register("batch", pa.table(columns))
    engine.execute(f"INSERT INTO {table} SELECT * FROM batch")
    engine.connection.unregister("batch")


def load_json_lines(engine: DuckDB, path: Path, table: str) -> tuple[list[str], pd.DataFrame]:
    """Make a table of JSON values, `line` and c1, c2, …; give back the names, and the lines that hold no object."""
    source = f"read_ndjson_objects({literal(glob.escape(str(path)))}, ignore_errors=true, maximum_object_size=67108864)"
    try:
        engine.execute(
            f"CREATE TEMP TABLE lines AS SELECT row_number() OVER () AS line, json FROM {source}"
        )
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        _explain_text(path)
        raise DataError(
            f"source: {shown(path.name)} cannot be read as JSON lines. It must hold one object a line."
        ) from None
    keys = engine.rows(
        "SELECT key, min(line) FROM (SELECT unnest(json_keys(json)) AS key, line FROM lines) GROUP BY key ORDER BY min(line), key"
    )
    names = [key for key, _ in keys]
    whole = "json IS NOT NULL AND json_type(json) = 'OBJECT'"
    picks = "".join(
        f", json_extract(json, {literal(_pointer(name))}) AS c{position}"
        for position, name in enumerate(names, start=1)
    )
    engine.execute(f"CREATE TEMP TABLE {table} AS SELECT line{picks} FROM lines WHERE {whole}")
    lost = {
        line
        for (line,) in engine.rows(f"SELECT line FROM lines WHERE NOT coalesce({whole}, FALSE)")
    }
    engine.execute("DROP TABLE lines")
    if not names and not lost:
        raise DataError(
            f"source: {shown(path.name)} is empty. It must hold one JSON object a line."
        )
    return names, _lost_lines(path, lost)


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _lost_lines(path: Path, lost: set[int]) -> pd.DataFrame:
    if not lost:
        return pd.DataFrame()
    with opened(path) as stream:
        written = enumerate((line.strip() for line in stream if line.strip()), start=1)
        return pd.DataFrame(
            [
                {"row": line, "reason": UNREADABLE_LINE, "(line)": text}
                for line, text in written
                if line in lost
            ]
        )


def _explain_text(path: Path) -> None:
    """Read the file once for what keeps it from being text: a cut gzip, another encoding."""
    with opened(path) as stream:
        while stream.read(1 << 20):
            pass


__all__ = ["csv_header", "load_csv", "load_json_lines", "named", "opened"]

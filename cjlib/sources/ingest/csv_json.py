"""Text files as tables of text: CSV, TSV and JSON lines, with every broken row kept."""

from __future__ import annotations

import codecs
import csv
import glob
import gzip
import io
import json
import re
import zlib
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

import duckdb
import numpy as np
import pandas as pd

from cjlib.errors import DataError, shown
from cjlib.sources.connect.remote import named_once
from cjlib.sources.log.engine import DuckDB, literal

BATCH = 50_000
BLOCK = 1 << 24
LOOKED_AT = 1 << 16
ROWS_COMPARED = 50
NARROWEST_REPORT = 3
FEWEST_KEYED = 3
"""A table needs as many columns before a line of one cell above it is taken for its title."""
OUTER_BLANKS = " \t\r\n\xa0"
LONGEST_FIELD = 1 << 30
RECORD_SIGN = b"\x1e"
"""Stands before each object of a JSON text sequence."""
DEEPEST = 3
"""So many dots a field inside others may have in its name."""
LINES_LOOKED_AT = 1_000
WRONG_FIELDS = "wrong number of fields"
OPEN_QUOTE = "quote that does not close"
UNKNOWN_BYTE = "byte that the encoding does not know"
UNREADABLE_LINE = "unreadable line"
_TOLD = re.compile(r'"?sep=(.)"?\r?\n')
_JSON_GAP = re.compile(r"[\s,]*")
_SPACED = re.compile(r'\A[^\r\n]*[,;|] +"')
_BLANK_LINE = re.compile(rb"(?<=\n)\r?\n")
_A_DATE = re.compile(r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([ T,].*)?$")


@contextmanager
def opened(path: Path, encoding: str | None = None, *, text: bool = True) -> Iterator[Any]:
    """A file as text or bytes, unpacked if need be; what can go wrong is said in words.

    A mark at its beginning says its encoding, else the one given, else it is UTF-8. A byte that the one given does not know
    becomes a lone surrogate.
    """
    packed = path.suffix.lower() == ".gz"
    try:
        raw = gzip.open(path, "rb") if packed else path.open("rb")  # noqa: SIM115 (closed below)
        with raw:
            marked = _marked_encoding(raw.peek(3))
            written, errors = (marked or "utf-8", "strict")
            if marked is None and encoding is not None:
                written, errors = (encoding, "surrogateescape")
            yield (
                io.TextIOWrapper(raw, encoding=written, errors=errors, newline="") if text else raw
            )
    except UnicodeDecodeError as fault:
        raise _not_text(path, fault.object[fault.start :], encoding) from None
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


def _marked_encoding(start: bytes) -> str | None:
    """The encoding that a mark at the beginning of a file names."""
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None


def _not_text(path: Path, rest: bytes, encoding: str | None) -> DataError:
    if encoding is not None:
        return DataError(
            f"source: {shown(path.name)} is not text in {encoding} (byte {rest[0]:#04x} cannot be). Give another encoding, or leave it out for UTF-8."
        )
    return DataError(
        f"source: {shown(path.name)} is not text in UTF-8 (byte {rest[0]:#04x} cannot be). "
        "If it is CP1252, that of Excel on Windows in western languages: a CSV or TSV file is read with encoding='cp1252' "
        "(encoding: cp1252 beside its path in a journey file); others are named likewise, such as cp1250, cp1251, shift_jis. "
        "Any file: save it as “CSV UTF-8” in Excel, or on a command line iconv -f CP1252 -t UTF-8 OLD > NEW."
    )


_NO_WESTERN_WORD = re.compile("[À-ÖØ-öø-ÿ]{4}")
_ONE_BYTE_A_SIGN = re.compile(r"(cp|iso8859|latin|mac|koi8).*")


def probable_encoding(path: Path) -> tuple[str, str] | None:
    """What a text file with bytes that are no UTF-8 is probably written in, and a word that shows it; None where nothing is to be said.

    UTF-8 with damaged places where most signs are of it, else CP1252 where every byte is of that and its letters stand as
    in a western language.
    """
    with opened(path, text=False) as stream:
        if _marked_encoding(stream.peek(3)) is not None:
            return None
        beyond = [line for line in stream if not line.isascii()]
    read = [line.decode("utf-8", "replace") for line in beyond]
    damaged = sum(text.count("\ufffd") for text in read)
    if not damaged:
        return None
    if sum(len(re.sub("[\x00-\x7f]", "", text)) for text in read) >= 2 * damaged:
        lines = (line.decode("utf-8", "surrogateescape") for line in beyond)
        return "utf-8", _with_bytes_shown(_words(lines, r"\S*[\udc80-\udcff]\S*"))
    try:
        texts = [line.decode("cp1252") for line in beyond]
    except UnicodeDecodeError:
        return None
    if any(map(_NO_WESTERN_WORD.search, texts)):
        return None
    return "cp1252", _words(texts, r"[^\W\d_]*[^\x00-\x7f]+[^\W\d_]*")


def _words(lines: Iterable[str], pattern: str) -> str:
    """The first words that a pattern finds."""
    return next(found[0] for found in map(re.compile(pattern).search, lines) if found)


def _is_utf8_after_all(path: Path, encoding: str) -> None:
    """Refuse an encoding of one byte a sign for a file whose signs of several bytes are all UTF-8."""
    if not _ONE_BYTE_A_SIGN.fullmatch(codecs.lookup(encoding).name.replace("-", "")):
        return
    with opened(path, text=False) as stream:
        if _marked_encoding(stream.peek(3)) is not None:
            return
        start = stream.read(LOOKED_AT)
    try:
        signs = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return
    if not signs.isascii():
        word = next(re.finditer(r"\w*[^\x00-\x7f]+\w*", signs))[0]
        raise DataError(
            f"encoding: {shown(path.name)} is UTF-8 ({shown(word)}), not {encoding}. Leave encoding out."
        )


_NO_CSV = (
    (rb"PK\x03\x04", "is an Excel workbook or a zip archive. Save the sheet as “CSV UTF-8”, or unpack it"),
    (rb"\xd0\xcf\x11\xe0", "is an Excel workbook. Save the sheet as “CSV UTF-8”"),
    (rb"\x1f\x8b", "is packed with gzip. Let its name end in .gz"),
    (rb"PAR1", "is Parquet. Let its name end in .parquet"),
    (rb"SQLite format 3", "is a database. Give its address as url, and table"),
    (rb"(\xef\xbb\xbf)?\s*(\{\s*[\"}]|\[\s*[{\]])", "holds JSON. Let its name end in .jsonl or .json"),
    (rb"version https://git-lfs", "is a pointer that Git left in its place. Fetch the file with git lfs pull"),
    (rb"(\xef\xbb\xbf)?\s*<[!?a-zA-Z]", "holds HTML or XML. Export the table as CSV"),
)  # fmt: skip


def _is_csv(path: Path) -> None:
    """Refuse a file of another kind by how it begins."""
    with opened(path, text=False) as stream:
        start = stream.read(64)
    for begins, words in _NO_CSV:
        if re.match(begins, start):
            raise DataError(f"source: {shown(path.name)} is no CSV file: it {words}.")


@dataclass(frozen=True)
class Layout:
    """How a CSV file is laid out.

    The column names, the character between fields, the lines before the first row of data,
    whether a blank follows the delimiter, what stands above the column names, and whether a
    backslash stands before a quote inside a quoted text.
    """

    names: list[str]
    delimiter: str
    lines: int
    spaced: bool = False
    title: str = ""
    escaped: bool = False
    encoding: str | None = None
    repeated: str = ""
    """Which names stand more than once, and what their columns are called instead."""

    @property
    def as_written(self) -> bool:
        """Whether DuckDB's reader reads the fields as they stand."""
        return not (self.spaced or self.escaped or self.encoding)


def csv_layout(path: Path, encoding: str | None = None) -> Layout:
    """The layout of a CSV file, by its first rows."""
    _is_csv(path)
    if encoding is not None:
        _is_utf8_after_all(path, encoding)
    with opened(path, encoding) as stream:
        start = stream.read(LOOKED_AT)
        whole = not stream.read(1)
    if not start:
        raise DataError(
            f"source: {shown(path.name)} is empty. It must begin with a line of column names."
        )
    if "\0" in start:
        raise DataError(
            f"source: {shown(path.name)} is not a text file: it holds zero bytes. "
            f"If it is UTF-16 without a mark, say encoding='utf-16-{'be' if start[0] == chr(0) else 'le'}'."
        )
    told = _TOLD.match(start)
    if told:
        delimiter, title, above = told[1], told[0].strip(), 1
    else:
        delimiter = "\t" if ".tsv" in path.name.lower() else _delimiter(start, whole)
        title, above = _title(_first_rows(start, delimiter, whole))
    if not start.strip():
        raise DataError(
            f"source: {shown(path.name)} must begin with a line of column names. "
            "Its lines are blank."
        )
    spaced = _SPACED.search(start) is not None
    escaped = _has_backslashes(start, delimiter)
    layout = Layout([], delimiter, 0, spaced, title, escaped, encoding)
    with opened(path, encoding) as stream:
        taken = [stream.readline() for _ in range(above)]
        rows = _records(stream, layout, taken)
        header, lines = next(rows, []), len(taken)
        below = list(islice(rows, ROWS_COMPARED))
    if isinstance(header, str):
        raise DataError(
            f"source: the quotes in the first line of {shown(path.name)} do not close as CSV asks. "
            'A quote inside a quoted name is written twice (""). '
            "Fix the line of column names, or write the file again."
        )
    _no_data_for_names(path, header, [row for row in below if not isinstance(row, str)])
    names = [_with_bytes_shown(name).strip(OUTER_BLANKS) for name in named(header)]
    names, repeated = named_once(names)
    return replace(layout, names=names, lines=lines, repeated=repeated)


def _has_backslashes(start: str, delimiter: str) -> bool:
    """Whether more rows are whole where a backslash before a quote is taken for a second quote."""
    if '\\"' not in start:
        return False
    plain = Layout([], delimiter, 0)
    return _whole_rows(start, replace(plain, escaped=True)) > _whole_rows(start, plain)


def _whole_rows(text: str, layout: Layout) -> int:
    """How many rows are as wide as most; blank lines are none."""
    rows = _records(io.StringIO(text, newline=""), layout, [])
    widths = Counter(len(row) for row in rows if row and not isinstance(row, str))
    return max(widths.values(), default=0)


def _first_rows(start: str, delimiter: str, whole: bool) -> list[list[str]]:
    """The rows that a text begins with, without the one that it breaks off in."""
    reader = csv.reader(io.StringIO(start, newline=""), delimiter=delimiter)
    rows = list(islice(reader, ROWS_COMPARED + 1))
    return rows if whole and len(rows) <= ROWS_COMPARED else rows[:-1] or rows


def _delimiter(start: str, whole: bool) -> str:
    """The character that makes rows of one width, of several the one that makes the widest."""
    return max(",;\t|^~\x01", key=lambda sign: _evenness(_first_rows(start, sign, whole)))


def _evenness(rows: list[list[str]]) -> tuple[bool, float, int]:
    widths = [len(row) for row in rows if row]
    width, often = Counter(widths).most_common(1)[0] if widths else (0, 0)
    return width > 1, often / max(len(widths), 1), widths[0] if widths else 0


def _title(rows: list[list[str]]) -> tuple[str, int]:
    """What stands above the column names of a report, and in how many lines; blank lines are nothing to speak of."""
    header = header_row(rows)
    above = [cell.strip() for row in rows[:header] for cell in row if cell.strip()]
    lines = sum(1 + sum(cell.count("\n") for cell in row) for row in rows[:header])
    return (above[0] if above else "", lines)


def header_row(rows: Sequence[Sequence[str]]) -> int:
    """Which of the first rows of a file or a sheet holds the column names.

    The names fill more than half of as many cells as the fullest row; where a blank line stands below
    narrower lines, or below a line that holds a date or a number as no line of names does, they follow it.
    In a narrow table they are the first row that is not blank.
    """
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    width = Counter(len(row) for row in rows).most_common(1)[0][0] if rows else 0
    most = max((n for n, row in zip(filled, rows, strict=True) if len(row) == width), default=0)
    if width < NARROWEST_REPORT:
        return next((position for position, n in enumerate(filled) if n), 0)
    header = next((position for position, n in enumerate(filled) if 2 * n > most), 0)
    gaps = [
        position
        for position, n in enumerate(filled[:-1])
        if n == 0 < position
        and max(filled[:position]) > 0
        and 2 * filled[position + 1] > most
        and (
            max(filled[:position]) < most
            or (_holds_data(rows[header]) and not _holds_data(rows[position + 1]))
        )
    ]
    return max(header, gaps[0] + 1 if gaps else 0)


def _holds_data(row: Sequence[str]) -> bool:
    """Whether a row holds a date or a number."""
    return any(_A_DATE.match(cell.strip()) or _NUMBER.fullmatch(cell.strip()) for cell in row)


_NUMBER = re.compile(r"[-+]?[0-9][0-9., ]*")
_EPOCH = re.compile(r"\d{10}(\d{3}|\d{6}|\d{9})?(\.\d+)?")


def _no_data_for_names(path: Path, header: list[str], below: list[list[str]]) -> None:
    """Refuse a file whose first line is a row: a time among the names, or names that come again below."""
    columns = [
        (name.strip(), [row[at].strip() for row in below if at < len(row) and row != header])
        for at, name in enumerate(header)
    ]
    times = [
        name
        for name, values in columns
        if (_A_DATE.match(name) or _EPOCH.fullmatch(name))
        and values
        and _shape(name) == _shape(values[0])
    ]
    again = [name for name, values in columns if name and values.count(name) > 1]
    if times or len(again) > 1:
        what = f"the time {shown(times[0])}" if times else f"{shown(again[0])}, as rows below do"
        raise DataError(
            f"source: {shown(path.name)} has no line of column names: its first line holds {what}. "
            "Write the names of the columns above it."
        )


def _shape(text: str) -> str:
    return re.sub("[0-9]", "0", text.strip())


def named(names: Sequence[str]) -> tuple[str, ...]:
    """The names of columns, with one for those that have none."""
    return tuple(
        name if name.strip() else f"unnamed_{position}"
        for position, name in enumerate(names, start=1)
    )


def _records(
    stream: IO[str], layout: Layout, taken: list[str] | None = None
) -> Iterator[list[str] | str]:
    """The fields of each row; where its quotes do not close as CSV asks, its first line as it stands.

    What follows such a line is read from the next line on. `taken` gets the lines of the first row.
    """
    again: deque[str] = deque()
    first = taken if taken is not None else []
    while True:
        noted: list[str] = []
        reader = csv.reader(
            _noted(stream, again, noted, escaped=layout.escaped),
            delimiter=layout.delimiter,
            strict=True,
            skipinitialspace=layout.spaced,
        )
        try:
            for fields in reader:
                first += noted
                first = []
                noted.clear()
                yield fields
            return
        except csv.Error:
            yield noted[0].rstrip("\r\n")
            again.extendleft(reversed(noted[1:]))


_ESCAPED_QUOTE = re.compile(r'(?<!\\)((?:\\\\)*)\\"')


def _noted(stream: IO[str], again: deque[str], noted: list[str], *, escaped: bool) -> Iterator[str]:
    """The lines to be read again, then those of the stream; `noted` has them all."""
    while line := again.popleft() if again else stream.readline():
        noted.append(line)
        yield _ESCAPED_QUOTE.sub(r'\1""', line) if escaped else line


def load_csv(engine: DuckDB, path: Path, table: str, layout: Layout) -> pd.DataFrame:
    """Make a table of text, c1, c2, …; give back the rows with too few or too many fields.

    Where each row had to be looked at, `line` is its 1-based position.
    """
    rows = _count_rows(path, layout.lines) if layout.as_written else None
    if rows is None or not _load_at_once(engine, path, table, layout, rows):
        return _load_csv_by_row(engine, path, table, layout)
    return pd.DataFrame()


def _load_at_once(engine: DuckDB, path: Path, table: str, layout: Layout, rows: int) -> bool:
    """Whether DuckDB's reader takes every row: it stops at one that is not as the others."""
    columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(1, len(layout.names) + 1))
    source = (
        f"read_csv({literal(glob.escape(str(path)))}, auto_detect=false, header=false, "
        f"skip={layout.lines}, columns={{{columns}}}, delim={literal(layout.delimiter)}, "
        "quote='\"', escape='\"', strict_mode=true)"
    )
    try:
        engine.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM {source}")
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        engine.execute(f"DROP TABLE IF EXISTS {table}")
        return False
    if engine.rows(f"SELECT count(*) FROM {table}")[0][0] != rows:
        engine.execute(f"DROP TABLE {table}")
        return False
    return True


def _count_rows(path: Path, header_lines: int) -> int | None:
    """How many rows of data a well-formed file holds; None where it has to be read row by row.

    That is so with line breaks of two kinds, with zero bytes, or a line break among the names.
    """
    rows = quotes = crlf = newlines = 0
    with opened(path, text=False) as stream:
        header = b"".join(stream.readline() for _ in range(header_lines))
        if (header.count(b'"') and header.count(b"\n") > 1) or b"\r" in header.replace(
            b"\r\n", b""
        ):
            return None
        while block := stream.read(BLOCK) + stream.readline():
            if b"\0" in block:
                return None
            outside = block if b'"' not in block and not quotes else _outside_quotes(block, quotes)
            quotes = (quotes + block.count(b'"')) % 2
            ends = outside.count(b"\n")
            newlines += ends
            crlf += outside.count(b"\r\n")
            if outside.count(b"\r") != outside.count(b"\r\n"):
                return None
            rows += ends + (not block.endswith(b"\n")) - _count_blank_lines(outside)
    return rows if crlf in (0, newlines) and not quotes else None


def _count_blank_lines(block: bytes) -> int:
    first = block.startswith((b"\n", b"\r\n"))
    # Looking for what is seldom there is quicker than the expression.
    some = b"\n\n" in block or b"\n\r\n" in block
    return first + (len(_BLANK_LINE.findall(block)) if some else 0)


def _outside_quotes(block: bytes, inside: int) -> bytes:
    """A block with a sign in place of everything that stands in quotes, the quotes included."""
    signs = np.frombuffer(block, dtype=np.uint8)
    quoted = signs == ord('"')
    within = (np.cumsum(quoted, dtype=np.uint8) + inside) % 2 == 1
    return np.where(quoted | within, np.uint8(ord("q")), signs).tobytes()


def _load_csv_by_row(engine: DuckDB, path: Path, table: str, layout: Layout) -> pd.DataFrame:
    broken: list[dict[str, Any]] = []
    width = len(layout.names)
    columns = ", ".join(f"c{position} VARCHAR" for position in range(1, width + 1))
    engine.execute(f"CREATE TEMP TABLE {table} (line BIGINT, {columns})")
    csv.field_size_limit(LONGEST_FIELD)
    with opened(path, layout.encoding) as stream:
        for _ in range(layout.lines):
            stream.readline()
        rows = _records(stream, layout)
        records = enumerate(filter(None, rows), start=1)
        while batch := list(islice(records, BATCH)):
            reasons = [_why_broken(fields, width, layout) for _, fields in batch]
            rows_of_batch = list(zip(batch, reasons, strict=True))
            good = [
                (line, fields)
                for (line, fields), reason in rows_of_batch
                if reason is None and not isinstance(fields, str)
            ]
            broken += [
                _broken_row(line, fields, reason, width, layout.delimiter)
                for (line, fields), reason in rows_of_batch
                if reason is not None
            ]
            _insert(engine, table, good, width)
    return pd.DataFrame(broken)


_LONE_BYTE = re.compile("[\udc80-\udcff]")


def _with_bytes_shown(text: str) -> str:
    r"""A text with each byte that its encoding does not know as `\x81`."""
    return _LONE_BYTE.sub(lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", text)


def _why_broken(fields: list[str] | str, width: int, layout: Layout) -> str | None:
    """Why a row is none; None where it is one."""
    if isinstance(fields, str):
        return OPEN_QUOTE
    if len(fields) != width:
        return WRONG_FIELDS
    if layout.encoding is not None and any(map(_LONE_BYTE.search, fields)):
        return UNKNOWN_BYTE
    return None


def _broken_row(
    line: int, fields: list[str] | str, reason: str, width: int, delimiter: str
) -> dict[str, Any]:
    if isinstance(fields, str):
        return {"row": line, "reason": reason, "c1": _with_bytes_shown(fields)}
    kept = (
        fields
        if len(fields) <= width
        else [*fields[: width - 1], delimiter.join(fields[width - 1 :])]
    )
    return {"row": line, "reason": reason} | {
        f"c{position}": _with_bytes_shown(text) or None
        for position, text in enumerate(kept, start=1)
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


@dataclass(frozen=True)
class JsonFields:
    """The fields of a JSON file: those that became columns, the ones inside others, and the lines that hold no object."""

    names: list[str]
    inside: list[str]
    broken: pd.DataFrame
    repeated: str = ""
    """Which fields stand more than once in an object, in words."""
    wrapped: str = ""
    """The field of one object around all rows that holds them."""


def load_json_lines(
    engine: DuckDB, path: Path, table: str, asked: Collection[str] | None
) -> JsonFields:
    """Make a table of JSON values, `line` and c1, c2, …, one column a field of the objects.

    A field inside another has a dotted name, such as properties.time, and is read where it is
    `asked` for; None asks for all.
    """
    wrapped = _objects(engine, path)
    whole = "json IS NOT NULL AND json_type(json) = 'OBJECT'"
    engine.execute(f"CREATE TEMP TABLE objects AS SELECT line, json FROM lines WHERE {whole}")
    repeated = _number_repeated(engine)
    keys = engine.rows(
        "SELECT key, min(line) FROM (SELECT unnest(json_keys(json)) AS key, line FROM objects) "
        "GROUP BY key ORDER BY min(line), key"
    )
    pointers = {key: _pointer(key) for key, _ in keys}
    inside = {name: at for name, at in _inside(engine, pointers).items() if name not in pointers}
    more = inside if asked is None else _asked_inside(engine, asked, pointers, inside)
    read = pointers | more
    picks = "".join(
        f", json_extract(json, {literal(pointer)}) AS c{position}"
        for position, pointer in enumerate(read.values(), start=1)
    )
    engine.execute(f"CREATE TEMP TABLE {table} AS SELECT line{picks} FROM objects")
    lost = engine.frame(f"SELECT line, written FROM lines WHERE NOT coalesce({whole}, FALSE)")
    engine.execute("DROP TABLE lines")
    engine.execute("DROP TABLE objects")
    if not read:
        first = next(_lines(path), "")
        holds = f"holds no JSON objects, but {shown(first[:60])}" if len(lost) else "is empty"
        raise DataError(
            f"source: {shown(path.name)} {holds}. It must hold one JSON object a line, or an array of objects."
        )
    return JsonFields(
        list(read),
        [name for name in inside if name not in read],
        _lost_lines(path, lost),
        repeated,
        wrapped,
    )


def _number_repeated(engine: DuckDB) -> str:
    """Number fields that stand more than once in one of `objects`, as columns of one name are; which they are in words."""
    keys = "json_keys(json)"
    if not engine.rows(f"SELECT 1 FROM objects WHERE list_unique({keys}) < len({keys}) LIMIT 1"):
        return ""
    engine.execute(
        "CREATE TEMP TABLE fields AS SELECT line, f.key, f.value, "
        "row_number() OVER (PARTITION BY line, f.key ORDER BY f.id) AS nth "
        "FROM objects, json_each(json) f"
    )
    most = engine.rows("SELECT key, max(nth) FROM fields GROUP BY key ORDER BY min(line), key")
    places = [(key, nth) for key, times in most for nth in range(1, times + 1)]
    names, words = named_once([key for key, _ in places])
    numbered = ", ".join(
        f"({literal(key)}, {nth}, {literal(name)})"
        for (key, nth), name in zip(places, names, strict=True)
    )
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE objects AS SELECT line, coalesce(whole, json) AS json FROM objects LEFT JOIN "
        "(SELECT line, json_group_object(name, value) AS whole FROM fields "
        f"JOIN (VALUES {numbered}) numbered(key, nth, name) USING (key, nth) GROUP BY line) "
        "USING (line) ORDER BY line"
    )
    engine.execute("DROP TABLE fields")
    return words


def _objects(engine: DuckDB, path: Path) -> str:
    """Make the table `lines`: the 1-based place of each object, its JSON, and what was written where that is none.

    Gives back the field that holds the rows, where one object stands around them.
    """
    start = _start(path)
    if start.is_lines:
        source = (
            f"read_ndjson_objects({literal(glob.escape(str(path)))}, ignore_errors=true, "
            "maximum_object_size=67108864)"
        )
        try:
            engine.execute(
                "CREATE TEMP TABLE lines AS SELECT row_number() OVER () AS line, json, "
                f"CAST(NULL AS VARCHAR) AS written FROM {source}"
            )
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            _explain_text(path)
        else:
            if engine.rows("SELECT count(*) FROM lines")[0][0] == _count_lines(path):
                return ""
    _objects_by_python(engine, _lines(path) if start.is_lines or start.marked else start.objects)
    return start.wrapped


@dataclass(frozen=True)
class _Start:
    """How a JSON file begins: with lines of objects, or with a mark, an array or an object over several lines."""

    is_lines: bool
    marked: bool
    objects: list[str]
    wrapped: str = ""


def _start(path: Path) -> _Start:
    with opened(path, text=False) as stream:
        filled = (line for line in stream if line.strip())
        first, alone = next(filled, b""), next(filled, None) is None
    marked = first.startswith((codecs.BOM_UTF8, RECORD_SIGN))
    line = first.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace").strip()
    array = line == "[" or re.match(r"\[\s*[{\]]", line) is not None
    if not array and not alone and (not line.startswith("{") or _is_json(line)):
        return _Start(is_lines=not marked, marked=marked, objects=[])
    with opened(path) as stream:
        text = stream.read()
    objects = _objects_in(path, text, array=array)
    if objects is not None and len(objects) == 1 and not array:
        whole = json.loads(objects[0])
        wrapped, rows = _rows_inside(path, whole) if isinstance(whole, dict) else ("", [])
        return _Start(is_lines=False, marked=False, objects=rows or objects, wrapped=wrapped)
    return _Start(
        is_lines=objects is None and not marked, marked=objects is None, objects=objects or []
    )


def _rows_inside(path: Path, whole: Any) -> tuple[str, list[str]]:
    """The longest list of objects inside one object that stands around all rows, and its dotted name.

    An object with as many values of its own is a row itself, such as an order of some items.
    """
    lists: dict[str, list[Any]] = {}
    inside = {"": whole}
    own = 0
    for _ in range(DEEPEST):
        fields = {
            f"{outer}.{key}".lstrip("."): value
            for outer, values in inside.items()
            for key, value in values.items()
        }
        own += sum(not isinstance(value, dict | list) for value in fields.values())
        lists |= {
            name: value
            for name, value in fields.items()
            if isinstance(value, list) and all(isinstance(one, dict) for one in value)
        }
        inside = {name: value for name, value in fields.items() if isinstance(value, dict)}
    name = max(lists, key=lambda one: len(lists[one]), default="")
    if name and len(lists[name]) > own:
        return name, [json.dumps(row, ensure_ascii=False) for row in lists[name]]
    keyed = _rows_by_key(whole)
    if keyed is not None and not keyed.numbered:
        return keyed.name, [json.dumps(row, ensure_ascii=False) for row in keyed.rows]
    if whole and (own == 0 or keyed is not None):
        raise DataError(
            f"source: {shown(path.name)} holds columns, not rows. Write one JSON object a row: in pandas "
            "frame.to_json(path, orient='records', lines=True)."
        )
    return "", []


@dataclass(frozen=True)
class _Keyed:
    """Rows under a key each, as databases of documents write them; `numbered` where their fields are numbers of rows, so that each is a column."""

    name: str
    rows: list[dict[str, Any]]
    numbered: bool


def _rows_by_key(whole: dict[str, Any], name: str = "") -> _Keyed | None:
    """The objects that a key each holds in one object, where they have most fields in common; the key is the field `key` of each."""
    if len(whole) == 1:
        (key, inner), *_ = whole.items()
        return _rows_by_key(inner, f"{name}.{key}".lstrip(".")) if isinstance(inner, dict) else None
    rows = list(whole.values())
    if len(rows) < FEWEST_KEYED or not all(isinstance(row, dict) and row for row in rows):
        return None
    fields = Counter(field for row in rows for field in row)
    common = [field for field, n in fields.items() if n == len(rows)]
    if len(common) < FEWEST_KEYED - 1 or 2 * len(common) < len(rows[0]):
        return None
    keyed = [{"key": key, **row} for key, row in whole.items()]
    return _Keyed(name or "*", keyed, numbered=all(field.isdigit() for field in common))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _objects_in(path: Path, text: str, *, array: bool) -> list[str] | None:
    """The values of an array, or objects one after another, as they are written; None where no object over several lines stands there."""
    decoder = json.JSONDecoder()
    found: list[str] = []
    at = _JSON_GAP.match(text.replace("[", " ", 1) if array else text).end()  # type: ignore[union-attr]
    while at < len(text) and text[at] != "]":
        try:
            _, end = decoder.raw_decode(text, at)
        except ValueError:
            if array:
                raise DataError(
                    f"source: {shown(path.name)} holds a JSON array that breaks off or is damaged after "
                    f"{len(found):,} values. Fetch or write it again, or write one JSON object a line."
                ) from None
            return None
        found.append(text[at:end])
        at = _JSON_GAP.match(text, end).end()  # type: ignore[union-attr]
    return found


def _lines(path: Path) -> Iterator[str]:
    with opened(path, text=False) as stream:
        for position, line in enumerate(stream):
            text = line.removeprefix(codecs.BOM_UTF8) if position == 0 else line
            text = text.removeprefix(RECORD_SIGN)
            if text.strip():
                yield text.strip().decode("utf-8", "replace")


def _objects_by_python(engine: DuckDB, values: Iterable[str]) -> None:
    import pyarrow as pa

    engine.execute("CREATE TEMP TABLE lines (line BIGINT, json JSON, written VARCHAR)")
    numbered = enumerate(values, start=1)
    while batch := list(islice(numbered, BATCH)):
        columns = {
            "line": pa.array([line for line, _ in batch], pa.int64()),
            "written": pa.array([text for _, text in batch], pa.string()),
        }
        engine.connection.register("batch", pa.table(columns))
        engine.execute(
            "INSERT INTO lines SELECT line, TRY_CAST(written AS JSON), "
            "CASE WHEN TRY_CAST(written AS JSON) IS NULL THEN written END FROM batch"
        )
        engine.connection.unregister("batch")


def _count_lines(path: Path) -> int:
    with opened(path, text=False) as stream:
        return sum(1 for line in stream if not line.isspace())


def _inside(engine: DuckDB, pointers: Mapping[str, str]) -> dict[str, str]:
    """The fields inside those objects that the first lines have, by their dotted names."""
    found: dict[str, str] = {}
    outer = dict(pointers)
    for _ in range(DEEPEST):
        deeper: dict[str, str] = {}
        for name, pointer in outer.items():
            keys = engine.rows(
                f"SELECT DISTINCT unnest(json_keys(json, {literal(pointer)})) FROM "
                f"(SELECT json FROM objects LIMIT {LINES_LOOKED_AT}) "
                f"WHERE json_type(json, {literal(pointer)}) = 'OBJECT' ORDER BY 1"
            )
            deeper |= {f"{name}.{key}": pointer + _pointer(key) for (key,) in keys}
        found |= deeper
        outer = deeper
    return found


def _asked_inside(
    engine: DuckDB, asked: Collection[str], outer: Mapping[str, str], inside: Mapping[str, str]
) -> dict[str, str]:
    """Of the dotted names that are asked for, those that some line has."""
    found: dict[str, str] = {}
    for name in asked:
        if name in outer or "." not in name:
            continue
        pointer = inside.get(name) or "".join(_pointer(part) for part in name.split("."))
        if name in inside or engine.rows(
            f"SELECT 1 FROM objects WHERE json_exists(json, {literal(pointer)}) LIMIT 1"
        ):
            found[name] = pointer
    return found


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _lost_lines(path: Path, lost: pd.DataFrame) -> pd.DataFrame:
    if lost.empty:
        return pd.DataFrame()
    places = set(lost["line"])
    texts = dict(zip(lost["line"], lost["written"], strict=True))
    if lost["written"].isna().any():
        texts = {line: text for line, text in enumerate(_lines(path), start=1) if line in places}
    return pd.DataFrame(
        [
            {"row": line, "reason": UNREADABLE_LINE, "(line)": texts.get(line, "")}
            for line in sorted(places)
        ]
    )


def _explain_text(path: Path) -> None:
    """Read the file once for what keeps it from being text: a cut gzip, another encoding."""
    with opened(path) as stream:
        while stream.read(1 << 20):
            pass


__all__ = [
    "JsonFields",
    "Layout",
    "csv_layout",
    "header_row",
    "load_csv",
    "load_json_lines",
    "named",
    "opened",
    "probable_encoding",
]

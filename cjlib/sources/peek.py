"""A first look at an unknown file: every column as text, and what its content says it could be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cjlib.errors import DataError, listed, shown
from cjlib.sources.engine import DuckDB, identifier, literal

MOST_ROWS = 1_000_000
SAMPLE = 5_000
_CSV = ("csv", "tsv", "txt", "csv.gz", "tsv.gz", "txt.gz")
_JSON = ("jsonl", "ndjson", "json", "jsonl.gz", "ndjson.gz", "json.gz")
KINDS = ("parquet", *_CSV, *_JSON)
_NUMBER = r"[-+]?\d+([.,]\d+)?"
_ISO = r"\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?)?( ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?))?"
_OFFSET = r".*:\d{2}([.,]\d+)? ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)"
_CLOCK = r"([T ,]+\d{1,2}[:.]\d{2}([:.]\d{2}([.,]\d+)?)?( ?[AaPp]\.?[Mm]\.?)?)?"
_SPLIT = re.compile(r"(\d{1,2})([./-])(\d{1,2})[./-](\d{4}|\d{2})")
_EPOCH = r"\d{10}(\d{3}|\d{6}|\d{9})?(\.\d+)?"


@dataclass(frozen=True)
class Column:
    """What the content of one column shows: counts over the rows looked at, shares over its values that are not missing."""

    name: str
    values: int
    distinct: int
    missing: int
    share_number: float
    share_whole: float
    share_round: float
    share_token: float
    share_clock: float
    time_kind: str | None
    with_offset: bool
    examples: tuple[str, ...]


class Look:
    """A file opened for looking: the table `looked`, every column as text, rows in the file's order, at most a million of them.

    `duplicates` counts the rows that repeat another one in every column.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = DuckDB()
        self.truncated = False
        try:
            names = [name for name, *_ in self.engine.rows(f"DESCRIBE SELECT * FROM {relation(path)}")]
            texts = ", ".join(f"nullif(trim(CAST({identifier(name)} AS VARCHAR)), '') AS {identifier(name)}" for name in names)
            self.engine.execute(f"CREATE TABLE looked AS SELECT {texts} FROM {relation(path)} LIMIT {MOST_ROWS}")
        except duckdb.Error as error:
            raise DataError(
                f"init: {shown(str(path))} cannot be read as a table: {str(error).splitlines()[0]}. Is it a CSV, Parquet or JSON-lines file?"
            ) from None
        self.rows = self.engine.rows("SELECT count(*) FROM looked")[0][0]
        self.truncated = self.rows == MOST_ROWS
        if self.rows == 0 or not names:
            raise DataError(f"init: {shown(str(path))} holds no rows. Give a file with at least a few events.")
        self.columns = [self._column(name) for name in names]
        self.duplicates = self.rows - self.engine.rows("SELECT count(*) FROM (SELECT DISTINCT * FROM looked)")[0][0]

    def _column(self, name: str) -> Column:
        one = identifier(name)
        values, distinct = self.engine.rows(f"SELECT count({one}), count(DISTINCT {one}) FROM looked")[0]
        sample = f"(SELECT DISTINCT {one} AS x FROM looked WHERE {one} IS NOT NULL ORDER BY hash({one}) LIMIT {SAMPLE})"
        tests = {
            "number": _full(_NUMBER),
            "whole": _full(r"-?\d+"),
            # An amount is often a round number; an id is not.
            "round": f"({_full(r'-?[1-9][0-9]*')} AND x LIKE '%0') OR {_full(r'-?[0-9]+[.,][0-9]+')}",
            "token": _full(r"\S*\d\S*|\S+@\S+"),
            "clock": _full(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?"),
            "offset": _full(_OFFSET),
        }
        shares = self.engine.rows(f"SELECT {', '.join(f'coalesce(avg(CAST({test} AS DOUBLE)), 0)' for test in tests.values())} FROM {sample}")[0]
        by_name = dict(zip(tests, shares, strict=True))
        texts = [text for (text,) in self.engine.rows(f"SELECT x FROM {sample} ORDER BY hash(x)")]
        return Column(
            name=name,
            values=values,
            distinct=distinct,
            missing=self.rows - values,
            share_number=by_name["number"],
            share_whole=by_name["whole"],
            share_round=by_name["round"],
            share_token=by_name["token"],
            share_clock=by_name["clock"],
            time_kind=time_kind(texts),
            with_offset=by_name["offset"] > 0.5,
            examples=tuple(sorted(texts[:3])),
        )


def column_names(path: Path) -> list[str]:
    """The names of a file's columns, without reading its rows."""
    return [name for name, *_ in DuckDB().rows(f"DESCRIBE SELECT * FROM {relation(path)}")]


def relation(path: Path) -> str:
    """The file as DuckDB reads it, every column of a text format as text."""
    name = path.name.casefold()
    kind = next((kind for kind in sorted(KINDS, key=len, reverse=True) if name.endswith(f".{kind}")), None)
    if not path.is_file():
        raise DataError(f"init: there is no file {shown(str(path))}. Give the path of a CSV, Parquet or JSON-lines file.")
    if kind is None:
        raise DataError(f"init: the name of {shown(str(path))} does not say what it holds. Allowed endings: {listed(KINDS, most=20)}.")
    if kind == "parquet":
        return f"read_parquet({_exactly(path)})"
    return (
        f"read_csv({_exactly(path)}, all_varchar = true, header = true)"
        if kind in _CSV
        else f"read_json_auto({_exactly(path)}, convert_strings_to_integers = false)"
    )


def _exactly(path: Path) -> str:
    # Brackets and stars in a file's name mean themselves.
    return literal(re.sub(r"([*?\[])", r"[\1]", str(path)))


def _full(pattern: str) -> str:
    return f"regexp_full_match(x, {literal(pattern)})"


def time_kind(texts: Iterable[str]) -> str | None:
    """How texts write times: `iso`, `ymd` (20240131), `epoch`, `day_first`, `month_first`, `either` (nothing proves the order), or None."""
    given = list(texts)
    if not given:
        return None
    for kind, pattern in (("iso", _ISO), ("epoch", _EPOCH)):
        if _share(given, pattern) > 0.9:
            return kind if kind == "iso" or _plausible(given) else None
    if _share(given, r"(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])") > 0.95:
        return "ymd"
    return _order(given) if _share(given, _SPLIT.pattern + _CLOCK) > 0.9 else None


def _share(texts: list[str], pattern: str) -> float:
    compiled = re.compile(pattern)
    return sum(compiled.fullmatch(text) is not None for text in texts) / len(texts)


def _plausible(texts: list[str]) -> bool:
    seconds = [float(text[:10]) for text in texts if text[:10].isdigit()]
    inside = sum(946_684_800 <= one <= 4_102_444_800 for one in seconds)  # 2000 to 2100
    return inside > 0.9 * len(texts) and len({len(text.split(".")[0]) for text in texts}) == 1


def _order(texts: list[str]) -> str | None:
    pairs = [(int(found[1]), int(found[3])) for found in map(_SPLIT.match, texts) if found]
    first, second = any(one > 12 for one, _ in pairs), any(two > 12 for _, two in pairs)
    if any(one > 31 or two > 31 for one, two in pairs) or (first and second):
        return None
    return "day_first" if first else "month_first" if second else "either"

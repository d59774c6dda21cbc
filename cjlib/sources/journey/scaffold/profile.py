"""A first look at an unknown file: every column as text, and what its content says it could be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from pathlib import Path

import pandas as pd

from cjlib.errors import DataError, shown
from cjlib.sources.connect.files import find_files
from cjlib.sources.ingest.columns import property_column, text_types
from cjlib.sources.ingest.csv_json import probable_encoding
from cjlib.sources.ingest.open_source import QualityLine, forget, open_files, sheets_by_rows
from cjlib.sources.ingest.parse_times import form_of
from cjlib.sources.ingest.quality_report import REMEDIES
from cjlib.sources.log.engine import BLANKS, DuckDB, literal
from cjlib.sources.presets.apply import apply_preset
from cjlib.sources.presets.preset_file import folded as spelled
from cjlib.sources.presets.preset_file import recognised

MOST_ROWS = 1_000_000
SAMPLE = 5_000
_NUMBER = r"[-+]?[0-9]+([.,][0-9]+)?"
_WHOLE = r"[-+]?[0-9]+(\.0+)?"
_ROUND = r"-?[1-9][0-9]*0|-?[0-9]+[.,][0-9]*[1-9][0-9]*"
"""An amount is often a round number or has a fraction; an id is not and has none."""
_TOKEN = r"\S*[0-9]\S*|\S+@\S+"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?([ \u202f\xa0]?[AaPp]\.?[Mm]\.?)?"
_SPLIT = re.compile(r"['‘’\"]?(?:[^\W\d_]{2,10}\.?,? +)?(\d{1,2})([./-])(\d{1,2})\2(\d{4})")
NUMBERS = ("BIGINT", "DOUBLE", "whole", "point", "comma")
_NET_DATE = re.compile(r"^/Date\((-?\d+)([+-]\d{4})?\)/$")
TIME_WORDS = r"time|date|datum|zeit|stamp|\bts\b|_ts|ts_|\bat\b|_at|fecha|hora|heure|data\b|tijd|when|occur|created"
_WEEK = r"\d{4}-?W\d{2}"
_SERIAL = r"(3[5-9]|4\d)\d{3}([.,]\d+)?"
"""Days of spreadsheets from 1995-10 to 2036-11."""
_EPOCH = r"\d{10}(\d{3}|\d{6}|\d{9})?(\.\d+)?"
_DAYS = (
    "%d.%m.%y",
    "%d/%m/%y",
    "%d-%m-%y",
    "%m/%d/%y",
    "%m-%d-%y",
    "%y-%m-%d",
    *("%d-%b-%y", "%d/%b/%y", "%d %b %y", "%b-%d-%y", "%b %d %y", "%b %d, %y"),
)
_SHORT_YEAR = re.compile(
    r"(\d{1,2}|[A-Za-z]{3}|[A-Za-z]{3} \d{1,2},?)[-/. ](\d{1,2}|[A-Za-z]{3})?[-/. ]?\d{2}(,? .*)?"
)
_COMPACT = r"(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(([01]\d|2[0-3])([0-5]\d){2})?(\.0+)?"
_WIDE_BLANK = re.compile("[\xa0\u202f]")
_CLOCKS = (
    "",
    *(
        gap + clock
        for gap in (" ", ", ")
        for clock in (
            *("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p"),
            *("%H.%M", "%H.%M.%S"),
            *("%I:%M\u202f%p", "%I:%M:%S\u202f%p", "%I:%M\xa0%p", "%I:%M:%S\xa0%p"),
        )
    ),
)


@dataclass(frozen=True)
class Column:
    """What the content of one column shows: counts over the rows looked at, shares over its values that are not missing."""

    name: str
    place: str
    type: str
    values: int
    distinct: int
    missing: int
    share_number: float
    share_whole: float
    share_round: float
    share_token: float
    share_clock: float
    time_kind: str | None
    time_format: str | None
    with_offset: bool
    examples: tuple[str, ...]
    is_text: bool
    """Whether the file itself says that the column holds text, so that no number is read."""

    @property
    def holds_objects(self) -> bool:
        """Whether the values are JSON objects or lists, whose fields are columns of their own."""
        return bool(self.examples) and all(
            re.match(r"[{\[].*[}\]]$", example, re.DOTALL) for example in self.examples
        )

    @property
    def is_text_of_json(self) -> bool:
        """Whether the values are JSON objects that the file holds as text, so that their fields are no columns."""
        return all(re.match(r"\{\s*\"", example) for example in self.examples)


class Look:
    """A file opened for looking, by the code that reads it: the table `looked` has every column as text, c1, c2, ….

    Rows stand in the file's order, at most a million of them. `encoding` is what the text is taken for where it is
    not UTF-8, with a word of the file as it is read so; of the `sheets` of a workbook the first, of most rows, is looked at. `duplicates` counts the rows that
    repeat another one in every column, `notes` are what the reader of numbers has to say, and `decimal`
    is how numbers are taken that it leaves as text because they can be read in two ways. Where the
    file's columns are those of a preset that `reads` events or feedback, it is looked at as the
    preset reads it.
    """

    def __init__(self, path: Path, reads: str | None = None) -> None:
        self.path = path
        self.engine = DuckDB()
        files = find_files(path)
        self.sheets = sheets_by_rows(files.paths[0]) if files.kind == "sheet" else []
        files = replace(files, sheet=self.sheets[0]) if self.sheets else files
        self.encoding = probable_encoding(files.paths[0]) if files.kind == "csv" else None
        if self.encoding is not None:
            files = replace(files, encoding=self.encoding[0])
        raw = open_files(self.engine, files, None)
        self.preset = None if reads is None else recognised([*raw.names, *raw.inside], reads)
        self.source_zone: str | None = None
        if self.preset is not None:
            applied = apply_preset(self.engine, raw, self.preset, {})
            raw, self.source_zone = applied.raw, applied.zone
        texts = ", ".join(
            f"nullif(trim(CAST({place} AS VARCHAR), {BLANKS}), '') AS {place}"
            for place in raw.places
        )
        self.engine.execute(f"CREATE TABLE looked AS SELECT {texts} FROM raw LIMIT {MOST_ROWS}")
        forget(self.engine, raw)
        self.engine.execute("CREATE VIEW raw AS SELECT * FROM looked")
        self.rows = self.engine.rows("SELECT count(*) FROM looked")[0][0]
        self.truncated = self.rows == MOST_ROWS
        self.broken = len(raw.broken)
        if self.rows == 0 and self.broken:
            raise _all_broken(path, raw.broken)
        if self.rows == 0:
            raise DataError(
                f"init: {shown(str(path))} holds no rows. Give a file with at least a few events."
            )
        places = dict(zip(raw.places, raw.names, strict=True))
        header = " AND ".join(
            f"{place} IS NOT DISTINCT FROM {literal(name)}" for place, name in places.items()
        )
        usable = f"(SELECT * FROM raw WHERE NOT ({header}))"
        kinds, self.notes = text_types(self.engine, places, usable)
        self.decimal = _likelier_decimal(self.notes)
        if self.decimal is not None:
            kinds = text_types(self.engine, places, usable, self.decimal)[0]
        texts_of_file = {
            place
            for place, kind in zip(raw.places, raw.types, strict=True)
            if kind == "VARCHAR" and place not in raw.untyped
        }
        self.columns = [
            self._column(name, place, kinds[place], is_text=place in texts_of_file)
            for place, name in places.items()
        ]
        self.duplicates = (
            self.rows
            - self.engine.rows("SELECT count(*) FROM (SELECT DISTINCT * FROM looked)")[0][0]
        )

    @property
    def people(self) -> dict[str, str]:
        """The columns of ids of known people and of devices, where a preset names them and the file has both."""
        named = {} if self.preset is None else self.preset.people
        filled = {spelled(column.name): column.name for column in self.columns if column.distinct}
        found = {role: filled.get(spelled(name)) for role, name in named.items()}
        return {role: name for role, name in found.items() if name} if all(found.values()) else {}

    def values(self, column: Column) -> list[str]:
        """The different values of a column, in order."""
        one = column.place
        rows = self.engine.rows(
            f"SELECT DISTINCT {one} FROM looked WHERE {one} IS NOT NULL ORDER BY 1"
        )
        return [value for (value,) in rows]

    def numbers(self, column: Column) -> str:
        """SQL of the numbers of a column, as they are read."""
        return property_column(self.engine, column.name, column.place, column.type).value

    def _column(self, name: str, place: str, kind: str, *, is_text: bool) -> Column:
        values, distinct = self.engine.rows(
            f"SELECT count({place}), count(DISTINCT {place}) FROM looked"
        )[0]
        sample = f"(SELECT DISTINCT {place} AS x FROM looked WHERE {place} IS NOT NULL ORDER BY hash({place}) LIMIT {SAMPLE})"
        texts = [text for (text,) in self.engine.rows(f"SELECT x FROM {sample} ORDER BY hash(x)")]
        forms = [form_of(text) for text in texts]
        with_offset = sum(form is not None and form.offset is not None for form in forms)
        return Column(
            name=name,
            place=place,
            type=kind,
            values=values,
            distinct=distinct,
            missing=self.rows - values,
            share_number=1.0 if kind.endswith(NUMBERS) else _share(texts, _NUMBER),
            share_whole=_share(texts, _WHOLE),
            share_round=_share(texts, _ROUND),
            share_token=_share(texts, _TOKEN),
            share_clock=_share(texts, _CLOCK),
            time_kind=time_kind(texts, name),
            time_format=time_format(texts)[0],
            with_offset=2 * with_offset > len(texts),
            examples=tuple(sorted(texts[:3])),
            is_text=is_text,
        )


def _likelier_decimal(notes: Iterable[QualityLine]) -> str | None:
    """The decimal sign where numbers have three digits behind every sign: money has thousands, and hardly ever three decimals."""
    doubtful = [note.example for note in notes if note.check.endswith("in two ways")]
    if not doubtful:
        return None
    return "point" if "," in doubtful[0].split(" can be")[0] else "comma"


def _all_broken(path: Path, broken: pd.DataFrame) -> DataError:
    reason = broken["reason"].mode()[0]
    first = broken[broken["reason"] == reason].iloc[0]
    example = " ".join(str(value) for value in first.iloc[2:].dropna())[:80]
    return DataError(
        f"init: none of the {len(broken):,} rows of {shown(str(path))} can be read. {reason}: {(broken['reason'] == reason).sum():,} "
        f"(such as {shown(example)}); {REMEDIES[reason]}."
    )


def time_kind(texts: Iterable[str], name: str = "") -> str | None:
    """How the texts of a column of some name write times.

    `iso` (the year first or the month by name), `ymd` (20240131 or 20240131180000), `epoch`, `day_first`, `month_first`, `either` (nothing proves the order of day and month),
    `format` (as `time_format` says), `week` (2025-W07), `serial` (numbers of a spreadsheet, in a column that is called a time), or None.
    """
    given = [_NET_DATE.sub(r"\1", text) for text in texts]
    if not given:
        return None
    forms = [form for form in map(form_of, given) if form is not None and not form.number]
    if len([form for form in forms if not form.year_last]) > 0.9 * len(given):
        return "iso"
    if _share(given, _EPOCH) > 0.9:
        return "epoch" if _plausible(given, name) else None
    if _share(given, _COMPACT) > 0.95:
        return "ymd"
    if len(forms) > 0.9 * len(given):
        return _order(given)
    return _doubtful_kind(given, name)


def _doubtful_kind(texts: list[str], name: str) -> str | None:
    """Short years, weeks, and numbers in a column that is called a time."""
    found, other = time_format(texts)
    if found is not None:
        return "either" if other else "format"
    if _share(texts, _WEEK) > 0.95:
        return "week"
    called_time = re.search(TIME_WORDS, name.casefold())
    return "serial" if called_time and _share(texts, _SERIAL) > 0.95 else None


def time_format(texts: Iterable[str]) -> tuple[str | None, bool]:
    """A format with a short year that fits nearly all texts, and whether day and month could as well change places."""
    given = list(texts)[:200]
    if not given or not _SHORT_YEAR.fullmatch(given[0]):
        return None, False
    fitting = [
        day + clock for day, clock in product(_DAYS, _CLOCKS) if _fits(given[0], day + clock)
    ]
    able = [
        form for form in fitting if sum(_fits(text, form) for text in given) > 0.95 * len(given)
    ]
    return (able[0], len(able) > 1) if able else (None, False)


def _fits(text: str, form: str) -> bool:
    if _WIDE_BLANK.findall(text) != _WIDE_BLANK.findall(form):
        return False  # strptime takes any blank for any other; the reader does not
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _share(texts: list[str], pattern: str) -> float:
    compiled = re.compile(pattern)
    return sum(compiled.fullmatch(text) is not None for text in texts) / max(1, len(texts))


def _plausible(texts: list[str], name: str) -> bool:
    """Whether numbers are times of this century, of one length or in a column that is called a time."""
    seconds = [float(text[:10]) for text in texts if text[:10].isdigit()]
    inside = sum(946_684_800 <= second <= 4_102_444_800 for second in seconds)  # 2000 to 2100
    lengths = {len(text.split(".")[0]) for text in texts}
    called_time = re.search(TIME_WORDS, name.casefold()) is not None
    return inside > 0.9 * len(texts) and (len(lengths) == 1 or called_time)


def in_two_orders(texts: Iterable[str]) -> tuple[str, str] | None:
    """A date that can only be day first and one that can only be month first, where a column that is full of dates has both."""
    given = list(texts)
    found = [(text, match) for text in given if (match := _SPLIT.match(text))]
    if 2 * len(found) < len(given):
        return None
    day_first = [text for text, match in found if int(match[1]) > 12 >= int(match[3])]
    month_first = [text for text, match in found if int(match[3]) > 12 >= int(match[1])]
    return (min(day_first), min(month_first)) if day_first and month_first else None


def _order(texts: list[str]) -> str | None:
    pairs = [(int(found[1]), int(found[3])) for found in map(_SPLIT.match, texts) if found]
    first, second = any(one > 12 for one, _ in pairs), any(two > 12 for _, two in pairs)
    if any(one > 31 or two > 31 for one, two in pairs) or (first and second):
        return None
    return "day_first" if first else "month_first" if second else "either"

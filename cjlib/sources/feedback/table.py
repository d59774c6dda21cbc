"""The feedback table: who said what, when, and how they scored it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd

from cjlib.errors import CjlibError, DataError, not_one_of, unknown_column
from cjlib.show.numbers import count_of
from cjlib.show.tables import table_html
from cjlib.show.wording import Wording
from cjlib.sources.combine import stacked
from cjlib.sources.connect.files import find_files
from cjlib.sources.feedback.doubtful_answers import lines_of_doubtful_answers
from cjlib.sources.feedback.values import (
    NAMES,
    SCORES,
    Given,
    Scale,
    checked_missing,
    clean_text,
    content_ids,
    our_names,
    read_given,
    read_score,
    read_yes_no,
    repeated,
    reversed_scales,
)
from cjlib.sources.ingest.columns import Column, Columns, property_column, text_types
from cjlib.sources.ingest.open_source import QualityLine, Raw, open_files, open_frame
from cjlib.sources.ingest.options import (
    ALL,
    checked_decimal,
    checked_encoding,
    checked_limit,
    named_sources,
    no_encoding,
    said_of,
    source_and_options,
    source_zone,
)
from cjlib.sources.ingest.parse_times import MISSING, UNREADABLE, read_stamps
from cjlib.sources.ingest.quality_report import (
    REMEDIES,
    as_table,
    quarantine_table,
    reasons_of,
    stop_above_limit,
)
from cjlib.sources.ingest.validate import Rules, check
from cjlib.sources.log.engine import DuckDB, identifier, literal
from cjlib.sources.log.time import zone_of
from cjlib.sources.presets.apply import apply_preset, must_read
from cjlib.sources.presets.preset_file import Preset, preset_of

if TYPE_CHECKING:
    from cjlib.sources.log.event_log import EventLog

TEXTS = ("feedback_id", "customer_id", "text", "source", "stage", "touchpoint")
NO_DATES = "none"
_REMEDIES = REMEDIES | {
    "duplicate id": "a feedback_id must stand once; leave the column out of columns={…} if it is not an id",
    "exact duplicate": "the same customer, time, stage, touchpoint, text and scores: write each answer once",
} | {
    f"{name} out of range": f"{name} runs from {low} to {high}; say another scale with columns={{'{name}': ('its column', '1 to 7')}}"
    for name, (low, high) in SCORES.items()
} | {f"{name} not a whole number": f"an answer of {name} is whole; averages are no answers" for name in SCORES}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Feedback:
    """The answers, reviews and complaints of a business, checked.

    Attributes
    ----------
    frame
        One row a feedback, by `feedback_id`: `feedback_id`, `customer_id` (missing if anonymous),
        `timestamp` (aware, in the business's zone; missing everywhere in a file without dates),
        `text`, `nps`, `csat`, `ces`, `rating` (float64, NaN = no answer), `source`, `solicited`
        (boolean, missing if not known), `stage`, `touchpoint`, then whatever else the source has,
        by name.
    timezone
        The business's zone.
    quality
        What the reading found: `check`, `rows`, `share`, `example`.
    quarantine
        The rows in quarantine: `row`, `reason`, then the raw columns as text.
    asked
        How many were asked for a score, if that is known.
    scales
        The ends of each score as it was asked; more is better in every one.
    """

    frame: pd.DataFrame
    timezone: str
    quality: pd.DataFrame
    quarantine: pd.DataFrame
    asked: int | None = None
    scales: Mapping[str, tuple[int, int]] = field(default_factory=lambda: dict(SCORES))
    kept: dict[Any, Any] = field(default_factory=dict, repr=False)
    """Answers that cost time, such as the scored texts, kept for the next question."""
    wording: Wording | None = None
    """In whose words its answers are told: those of the log whose customers gave them."""

    def of_customers(self, log: EventLog) -> Feedback:
        """The same answers under the customers of a log.

        Where ids were joined, `customer_id` names the person whatever id an answer has; where the log counts accounts, tickets or orders,
        it names that, as of the answer, and `person` who answered.
        """
        given = self.frame["customer_id"]
        if log.unit.is_customer:
            code = np.where(given.notna(), log.codes_of_ids(given), -1)
            names = pd.Series(log.customer_ids().astype(str)[code], index=given.index, dtype="str")
            frame = self.frame.assign(customer_id=names.where(code >= 0, given.astype("str")))
            return replace(self, frame=frame, kept={}, wording=log.wording)
        units = log.units_of(self.frame)
        lost = int((units.isna() & given.notna()).sum())
        words = "they count as anonymous" if lost else ""
        line = as_table([QualityLine(f"answers of no {log.unit.one}", lost, words)], len(given))
        if "source" in self.quality:
            line.insert(0, "source", ALL)
        frame = _ordered(self.frame.assign(person=given, customer_id=units))
        quality = pd.concat([self.quality, line], ignore_index=True)
        return replace(self, frame=frame, quality=quality, kept={}, wording=log.wording)

    def of_group(self, log: EventLog) -> Feedback:
        """The answers of the group of customers that a log holds; anonymous ones and those of others are counted and left out."""
        given = self.frame["customer_id"]
        inside = np.where(given.notna(), log.codes_of_ids(given), -1) >= 0
        out = QualityLine("answers of other customers", int((~inside).sum()), "they are left out")
        line = as_table([out], len(given))
        if "source" in self.quality:
            line.insert(0, "source", ALL)
        quality = pd.concat([self.quality, line], ignore_index=True)
        frame = self.frame[inside].reset_index(drop=True)
        return replace(self, frame=frame, quality=quality, kept={}, wording=log.wording)

    def segment(self, by: str | None, option: str = "by") -> pd.Series:
        """The segment of each row as text: "all" without `by`, "(not set)" where missing."""
        if by is None:
            return pd.Series("all", index=self.frame.index, dtype="str")
        if by not in self.frame.columns:
            raise unknown_column(option, by, self.frame.columns, "feedback")
        return self.frame[by].astype("str").where(self.frame[by].notna(), "(not set)")

    def periods(self, period: str, option: str = "period") -> pd.Series:
        """The start of each row's calendar period (day, week from Monday, month, quarter, year) on the business's wall clock."""
        if not self.frame["timestamp"].notna().any():
            raise CjlibError(
                f"{option}: the feedback has no dates, so it cannot be counted by {period}. Leave {option} out, or read a file with dates."
            )
        local = self.frame["timestamp"].dt.tz_convert(self.timezone).dt.tz_localize(None)
        starts = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}
        if period not in starts:
            raise not_one_of(option, period, starts)
        return local.dt.to_period(starts[period]).dt.start_time.astype("datetime64[us]")

    def last_period(self, period: str) -> str:
        """Until when the newest calendar period has answers, which may not be its end."""
        starts, times = self.periods(period), self.frame["timestamp"].dt.tz_convert(self.timezone)
        return (
            f"the newest, from {starts.max():%Y-%m-%d} on, has answers until {times.max():%Y-%m-%d}"
        )

    def groups(self, by: str) -> str | None:
        """The column to compare groups by; None for "none" or "", and for a column with fewer than two values."""
        return None if by in ("", "none") or self.segment(by).nunique() < 2 else by

    def dated(self, period: str) -> str | None:
        """The calendar period to count by; None where the feedback has no dates."""
        return None if self.span is None else period

    @property
    def main_score(self) -> str:
        """NPS if anybody gave one, else the score with most answers; "" if nobody gave any."""
        answered = {name: int(self.frame[name].notna().sum()) for name in SCORES}
        if answered["nps"]:
            return "nps"
        most = max(answered, key=lambda name: answered[name])
        return most if answered[most] else ""

    @property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """First and last feedback; None without dates."""
        times = self.frame["timestamp"].dropna()
        return (times.min(), times.max()) if len(times) else None

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"Feedback: {self._in_words()}"

    def _repr_html_(self) -> str:
        return f'<section class="cj-quality"><p>{escape(self._in_words())}</p>{table_html(self.quality)}</section>'

    def _in_words(self) -> str:
        counts = {"with text": self.frame["text"].notna().sum()} | {
            f"with {name}": self.frame[name].notna().sum() for name in SCORES
        }
        parts = ", ".join(f"{int(count):,} {words}" for words, count in counts.items() if count)
        span = (
            f"; {self.span[0]:%Y-%m-%d} to {self.span[1]:%Y-%m-%d} ({self.timezone})"
            if self.span
            else "; no dates"
        )
        return f"{count_of(len(self.frame), 'answer')}: {parts}{span}"


def read_feedback(
    source: Any,
    *,
    columns: Mapping[str, Any] | None = None,
    timezone: str | None = None,
    dates: str | None = None,
    quarantine_limit: float | None = None,
    asked: int | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    source_timezone: str | None = None,
    missing: Sequence[str] | None = None,
    preset: Any = None,
) -> Feedback:
    """The feedback of a business, checked row by row.

    Every row is one answer, review or complaint, or stands in `.quarantine` with its reason: a
    timestamp that is missing, cannot be read or has not happened yet; a score outside its scale
    (nobody is moved to the nearest bound) or, but for ratings, not whole; a feedback_id that
    another row has (the row whose content comes first as text stays); the same customer, time,
    stage, touchpoint, text and scores once more. Two people may write the same words: anonymous rows that are equal stay. A
    score of "10" is a number; "n/a", "-" and words are no answer, and counted. Text keeps what was
    written but for HTML entities, decoded once, and outer white space. Which end of a scale is best
    is never guessed: `.quality` says where it looks reversed. Without `feedback_id`, ids are made
    from what the rows say, so the same rows in any order have the same ids.

    Parameters
    ----------
    source
        A path, glob or folder (Parquet, CSV, TSV, JSON lines; text also gzipped), a pandas, polars
        or Arrow table, or a Journey. Or several sources: a mapping name → source, or name →
        `{"source": …, "columns": …}` with options of its own; the column `source` has the name.
    columns
        The source's name → our name, where they differ: `{"comment": "text"}`. A score on another
        scale, our name first: `{"csat": ("q7", "1 is best")}`, `{"csat": ("q7", "1 to 7")}`,
        `{"ces": ("effort", "1 to 5, 1 is best")}`.
    timezone
        The business's zone, for times without an offset and for calendar periods; UTC where none is
        given.
    dates
        How text dates are written: "day_first", "month_first", "excel_serial", "iso_week" or a format; "none" for a file
        without dates, of which nothing is counted over time.
    quarantine_limit
        The share of rows, 0 to 1, above which reading stops. None: as the source's journey file
        says, else 0.05.
    asked
        How many were asked for a score, for the response share; not known if not given.
    decimal
        "point" or "comma": what stands before decimals in numbers written as text, where a column
        does not show it.
    encoding
        How the text of a CSV or TSV file is written where that is not UTF-8: "cp1252" (Excel on
        Windows in western languages) or another of Python's names.
    source_timezone
        The zone in which the source wrote times without an offset, where it is not the business's;
        UTC where the time's column says so in its name, as in "Submit Date (UTC)".
    missing
        Answers that mean "no answer" in every score, such as [6, 7] for "don't know" and "refused".
    preset
        How a well-known tool's export becomes feedback: its name, such as "qualtrics" (`cj presets`
        lists them), or a file of one's own; see docs/presets.md. `columns`, `dates` and
        `source_timezone` win over what it says.

    Returns
    -------
    Feedback
        `.frame`, `.quality`, `.quarantine`.

    Raises
    ------
    DataError
        If the source is missing or damaged, a column is missing, dates are ambiguous, or too many
        rows cannot be used.
    CjlibError
        If an option is not one of those allowed.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("2024-01-01", "Great", "10"), ("2024-01-02", "Never again", "0"), ("2024-01-03", "&amp;", "11")]
    >>> feedback = read_feedback(pd.DataFrame(rows, columns=["timestamp", "text", "nps"]), quarantine_limit=0.5)
    >>> sorted(feedback.frame["nps"]), list(feedback.quarantine["reason"])
    ([0.0, 10.0], ['nps out of range'])
    """
    if hasattr(source, "read_feedback") or isinstance(source, Mapping):
        given = {
            "columns": columns,
            "timezone": timezone,
            "dates": dates,
            "asked": asked,
            "quarantine_limit": quarantine_limit,
            "decimal": decimal,
            "encoding": encoding,
            "source_timezone": source_timezone,
            "missing": missing,
            "preset": preset,
        }
        said = {name: value for name, value in given.items() if value is not None}
        if isinstance(source, Mapping):
            return _of_several(source, said, [*given])
        return source.read_feedback(**said)
    options = _Options(
        read_given(columns),
        dates,
        zone_of(timezone),
        timezone is not None,
        None if source_timezone is None else zone_of(source_timezone, "source_timezone"),
        checked_limit(quarantine_limit),
        asked,
        checked_decimal(decimal),
        checked_encoding(encoding),
        checked_missing(missing),
        None if preset is None else preset_of(preset),
    )
    try:
        return _read(source, options)
    except duckdb.Error as fault:
        raise DataError(
            f"source: the feedback cannot be read ({type(fault).__name__}). A value in it is of a kind or size that no column can hold."
        ) from None


@dataclass(frozen=True)
class _Options:
    given: Given
    dates: str | None
    zone: ZoneInfo
    zone_given: bool
    source_zone: ZoneInfo | None
    limit: float
    asked: int | None
    decimal: str | None
    encoding: str | None
    missing: frozenset[str]
    preset: Preset | None

    def rules(self, time_column: str) -> Rules:
        """The rules for times that stand in this column of the source."""
        zone = source_zone(self.source_zone, time_column)
        given = self.zone_given or zone is not None
        now = time.time_ns() // 1000
        return Rules(zone or self.zone, given, now, None, keep_duplicates=True)


def _read(source: Any, options: _Options) -> Feedback:
    engine = DuckDB()
    asked = () if options.preset else list(options.given.names)
    if isinstance(source, str | Path):
        raw = open_files(engine, find_files(source, encoding=options.encoding), asked)
    elif options.encoding:
        raise no_encoding(f"the {type(source).__name__}")
    else:
        raw = open_frame(engine, source, asked=asked)
    if options.preset is not None:
        raw, options = _with_preset(engine, raw, options.preset, options)
    given = options.given
    names = our_names(raw.names, given, dated=options.dates != NO_DATES)
    cells, notes = _numbered(engine, raw, names, options)
    found, reasons, findings = _cells_read(cells, given.scales, options.missing)
    frame, held_times, more = _with_times(engine, found, names, raw, options)
    reasons = reasons.loc[frame.index]
    frame, again = _with_ids(frame[reasons.isna()], own_ids="feedback_id" in names)
    reasons = pd.concat([reasons.dropna(), again.dropna()])
    held = _held(engine, raw, held_times, reasons)
    used = frame.loc[again[again.isna()].index].sort_values("feedback_id", ignore_index=True)
    rows = len(cells) + len(raw.broken)
    quality = as_table(
        [
            QualityLine("rows read", rows, ""),
            QualityLine("feedback used", len(used), ""),
            *_counted(held),
            *raw.notes,
            *more,
            *notes,
            *findings,
            *reversed_scales(used, given.scales),
            *lines_of_doubtful_answers(
                used, {name: (one.low, one.high) for name, one in given.scales.items()}
            ),
        ],
        rows,
    )
    quarantine = quarantine_table(held, raw)
    stop_above_limit(quality, quarantine, reasons_of(held), rows, options.limit, _REMEDIES)
    return Feedback(
        used,
        options.zone.key,
        quality,
        quarantine,
        options.asked,
        {name: (one.low, one.high) for name, one in given.scales.items()},
    )


def _with_preset(
    engine: DuckDB, raw: Raw, preset: Preset, options: _Options
) -> tuple[Raw, _Options]:
    """The source as its preset reads it, and what then is left to say of it."""
    must_read(preset, "feedback")
    given = options.given
    applied = apply_preset(engine, raw, preset, given.names, options.decimal)
    scales = read_given({name: (name, words) for name, words in preset.scales.items()}).scales
    scales |= {name: one for name, one in given.scales.items() if one != Scale(*SCORES[name])}
    zone = options.source_zone or (None if applied.zone is None else zone_of(applied.zone))
    dates = options.dates or preset.dates
    left = replace(options, given=Given({}, scales), source_zone=zone, dates=dates, preset=None)
    return applied.raw, left


def _numbered(
    engine: DuckDB, raw: Raw, names: list[str], options: _Options
) -> tuple[pd.DataFrame, list[QualityLine]]:
    """The cells under our names, typed, by the 1-based position of their row; `raw` gets that position as a last column."""
    places = [f"c{position}" for position in range(1, len(names) + 1)]
    written = {
        place: name
        for place, name in zip(places, names, strict=True)
        if name not in NAMES and place in raw.untyped
    }
    usable = _dated_rows(engine, raw, names, options) if written else "raw"
    typed, notes = text_types(engine, written, usable, options.decimal)
    every = zip(names, places, raw.types, strict=True)
    read = [
        property_column(engine, name, place, typed.get(place, kind))
        for name, place, kind in every
        if name != "timestamp"
    ]
    engine.execute(f"ALTER {'VIEW' if 'raw' in raw.views else 'TABLE'} raw RENAME TO opened")
    engine.execute(
        f"CREATE TEMP TABLE raw AS SELECT {', '.join(places)}, {raw.row} AS c{len(places) + 1} FROM opened"
    )
    picks = ", ".join(
        f"{one.value} AS {identifier(f'{position}')}" for position, one in enumerate(read)
    )
    cells = engine.frame(f"SELECT {picks}, c{len(places) + 1} AS row FROM raw").set_index("row")
    return cells.set_axis([one.name for one in read], axis=1), notes


def _dated_rows(engine: DuckDB, raw: Raw, names: list[str], options: _Options) -> str:
    """The rows of `raw` that have a time: a row in quarantine decides no type."""
    if options.dates == NO_DATES:
        return "raw"
    position = names.index("timestamp")
    stamps = read_stamps(engine, f"c{position + 1}", raw.types[position], options.dates)
    return (
        f"(SELECT * FROM (SELECT *, {stamps.form} AS form FROM raw) "
        f"WHERE {stamps.k} NOT IN ({MISSING}, {UNREADABLE}))"
    )


def _cells_read(
    cells: pd.DataFrame, scales: Mapping[str, Scale], no_answer: frozenset[str]
) -> tuple[pd.DataFrame, pd.Series, list[QualityLine]]:
    """Every column but the times, read; why a row cannot be used; what was found."""
    columns: dict[str, pd.Series] = {}
    findings: list[QualityLine] = []
    reasons = pd.Series(None, index=cells.index, dtype="str")
    missing = pd.Series(None, index=cells.index, dtype="str")
    for name in NAMES:
        given = cells.get(name, missing)
        more: list[QualityLine] = []
        if name in SCORES:
            columns[name], wrong, more = read_score(name, given, scales[name], no_answer)
            reasons = reasons.where(reasons.notna(), wrong)
        elif name == "solicited":
            columns[name], more = read_yes_no(given)
        elif name == "text":
            columns[name], more = clean_text(given)
        elif name in TEXTS:
            columns[name] = _plain(given)
        findings += more if name in cells else []
    extra = {name: cells[name] for name in sorted(set(cells.columns) - set(NAMES))}
    return pd.DataFrame(columns | extra, index=cells.index), reasons, findings


def _plain(column: pd.Series) -> pd.Series:
    """Ids and names as trimmed text: whole numbers without a point, nothing but white space missing."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    text = column.astype("str").str.strip()
    return text.where((text != "") & column.notna(), None)


def _with_times(
    engine: DuckDB, found: pd.DataFrame, names: list[str], raw: Raw, options: _Options
) -> tuple[pd.DataFrame, pd.DataFrame, list[QualityLine]]:  # fmt: skip
    """The rows whose time can be used, with it; the rows quarantined for their time; what was found about times."""
    if options.dates == NO_DATES:
        none = pd.Series(
            pd.DatetimeIndex([pd.NaT] * len(found)).tz_localize(options.zone).as_unit("us"),
            index=found.index,
        )
        held = (
            raw.broken.assign(example=None)
            if len(raw.broken)
            else pd.DataFrame(columns=["row", "reason", "example"])
        )
        return (
            _ordered(found.assign(timestamp=none)),
            held,
            [QualityLine("no dates in the source", len(found), "nothing is counted over time")],
        )
    position = names.index("timestamp")
    place = f"c{position + 1}"
    kind = raw.types[position]
    stamps = read_stamps(engine, place, kind, options.dates)
    row = f"c{len(names) + 1}"
    constant = Column("-", place, "VARCHAR", literal("-"))
    columns = Columns(
        constant,
        constant,
        Column("timestamp", place, kind, place),
        (Column("row", row, "BIGINT", row),),
    )
    checked = check(
        engine,
        Raw(
            (*raw.names, ""),
            (*raw.types, "BIGINT"),
            untyped=raw.untyped,
            broken=raw.broken,
            tables=(),
        ),
        columns,
        stamps,
        options.rules(raw.names[position]),
    )
    times = engine.columns("SELECT p1, t FROM prepared")
    moments = (
        pd.DatetimeIndex(times["t"].astype("datetime64[us]"))
        .tz_localize("UTC")
        .tz_convert(options.zone)
    )
    dated = found.loc[times["p1"]].assign(timestamp=moments)
    held = (
        checked.held.assign(
            row=pd.to_numeric(checked.held[row]).fillna(checked.held["row"]).astype("int64")
        )
        if len(checked.held)
        else checked.held
    )
    return _ordered(dated), held.drop(columns=row), list(checked.findings)


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[*NAMES, *(name for name in frame.columns if name not in NAMES)]]


def _with_ids(frame: pd.DataFrame, *, own_ids: bool) -> tuple[pd.DataFrame, pd.Series]:
    """The rows with an id each, and why a row repeats another; rows without an id of their own get one made from their content."""
    again = repeated(frame, own_ids=own_ids)
    if frame["feedback_id"].notna().all():
        return frame, again
    made = content_ids(frame.drop(columns="feedback_id"))
    return frame.assign(
        feedback_id=frame["feedback_id"].where(frame["feedback_id"].notna(), made)
    ), again


def _held(engine: DuckDB, raw: Raw, of_times: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    names = [
        "row",
        "reason",
        "example",
        *(f"c{position}" for position in range(1, len(raw.names) + 1)),
    ]
    asked = pd.DataFrame(
        {"row": reasons.index.to_numpy(dtype=np.int64), "reason": reasons.to_numpy()}
    )
    engine.connection.register("asked", asked)
    picks = ", ".join(f"CAST(r.{place} AS VARCHAR) AS {place}" for place in names[3:])
    own = (
        engine.frame(
            f"SELECT a.row, a.reason, NULL AS example, {picks} FROM asked a JOIN raw r ON r.c{len(raw.names) + 1} = a.row"
        )
        if len(asked)
        else asked
    )
    together = (
        pd.concat([one for one in (of_times, own) if len(one)], ignore_index=True)
        if len(of_times) + len(own)
        else of_times
    )
    extra = [name for name in together.columns if name not in names]
    return together.reindex(columns=[*names, *extra]).sort_values(
        "row", kind="stable", ignore_index=True
    )


def _counted(held: pd.DataFrame) -> list[QualityLine]:
    counts = held["reason"].value_counts()
    looked_for = [
        "missing timestamp",
        "unreadable timestamp",
        "in the future",
        "duplicate id",
        "exact duplicate",
    ]
    reasons = [*looked_for, *sorted(set(counts.index) - set(looked_for))]
    return [QualityLine(reason, int(counts.get(reason, 0)), "") for reason in reasons]


# ---- several sources --------------------------------------------------------------------------------------------------


def _of_several(
    sources: Mapping[str, Any], shared: Mapping[str, Any], allowed: Sequence[str]
) -> Feedback:
    """The feedback of several sources, each read by itself with its own options."""
    parts: dict[str, Feedback] = {}
    for name, given in named_sources(sources):
        with said_of(name):
            source, own = source_and_options(given)
            for option in own:
                if option not in allowed:
                    raise not_one_of("the option of a source", option, ["source", *allowed])
            parts[name] = read_feedback(source, **{**shared, **own})
    return _together(parts)


def _together(parts: Mapping[str, Feedback]) -> Feedback:
    """One table of the answers of several sources; ids that stand in two of them get the source's name before them."""
    frames = {name: _of_source(one.frame, name) for name, one in parts.items()}
    ids = pd.concat([frame["feedback_id"] for frame in frames.values()])
    several = set(ids[ids.duplicated()])
    for name, frame in frames.items():
        own = frame["feedback_id"]
        frames[name] = frame.assign(feedback_id=own.mask(own.isin(several), f"{name} " + own))
    asked = [part.asked for part in parts.values() if part.asked is not None]
    used = pd.concat(_of_like_types(list(frames.values())), ignore_index=True)
    return Feedback(
        _ordered(used).sort_values("feedback_id", ignore_index=True),
        next(iter(parts.values())).timezone,
        stacked({name: one.quality for name, one in parts.items()}),
        stacked({name: one.quarantine for name, one in parts.items()}),
        sum(asked) if len(asked) == len(parts) else None,
        _common_scales(parts),
    )


def _of_source(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The answers of a source, its name in the column `source`; what the source itself says there stands beside it."""
    own = {} if frame["source"].isna().all() else {"source_column": frame["source"]}
    return frame.assign(**own, source=pd.Series(name, index=frame.index, dtype="str"))


def _of_like_types(frames: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """The tables with text in a column that holds numbers in one and something else in another."""
    filled = [frame.dropna(axis=1, how="all") for frame in frames]
    types: dict[str, set[str]] = {}
    for frame in filled:
        for name, kind in frame.dtypes.items():
            types.setdefault(str(name), set()).add(kind.kind)
    mixed = {name for name, kinds in types.items() if len(kinds) > 1 and not kinds <= set("iuf")}
    # A column that holds nothing has no type to keep.
    return [
        frame[[name for name in frame if name in NAMES or name in full]].astype(
            dict.fromkeys(mixed & {*full}, "str")
        )
        for frame, full in zip(frames, filled, strict=True)
    ]


def _common_scales(parts: Mapping[str, Feedback]) -> dict[str, tuple[int, int]]:
    """The ends of each score; two sources that asked one score on two scales are refused, since more would not mean the same."""
    scales: dict[str, tuple[int, int]] = {}
    by: dict[str, str] = {}
    for source, one in parts.items():
        for name, ends in one.scales.items():
            if one.frame[name].isna().all():
                continue
            if scales.setdefault(name, ends) != ends:
                raise CjlibError(
                    f"{name}: {by[name]} asked it from {scales[name][0]} to {scales[name][1]}, {source} from {ends[0]} to {ends[1]}. "
                    f"Read it under another name in one of them: columns: {{{name}: {source}_{name}}}."
                )
            by.setdefault(name, source)
    return {name: scales.get(name, ends) for name, ends in SCORES.items()}

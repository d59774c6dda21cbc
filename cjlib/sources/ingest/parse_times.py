"""Reading the column of times: what each value is (a wall-clock time, a date, an instant), decided by its form, never guessed.

Every value becomes `w`, whole microseconds, and `k`, its kind: an instant is in UTC, a wall-clock time or a date waits for its zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb

from cjlib.errors import CjlibError, DataError, listed, not_one_of, shown
from cjlib.sources.ingest.columns import floor_ns
from cjlib.sources.ingest.open_source import QualityLine
from cjlib.sources.log.engine import DuckDB, blank, literal

LONGEST = 96
SAMPLE = 2_000
EARLIEST = -5_364_662_400_000_000
"""The first instant of 1800: earlier times are other systems' signs for "none", such as 0001-01-01."""
_BEFORE_NOON = ("오전", "上午", "午前")
_AFTER_NOON = ("오후", "下午", "午後")
_MONTHS = (
    "january|jan|januar|jänner|jän|janvier|janv|enero|ene|gennaio|gen|janeiro|januari|stycznia|sty|ledna|ocak|января",
    "february|feb|februar|février|févr|fév|febrero|febbraio|fevereiro|fev|februari|lutego|lut|února|şubat|февраля",
    "march|mar|märz|mär|mrz|mars|marzo|março|maart|mrt|marts|marca|března|mart|марта",
    "april|apr|avril|avr|abril|abr|aprile|kwietnia|kwi|dubna|nisan|апреля",
    "may|mai|mayo|maggio|mag|maio|mei|maj|maja|května|mayıs|мая",
    "june|jun|juni|juin|junio|giugno|giu|junho|czerwca|cze|června|haziran|июня",
    "july|jul|juli|juillet|juil|julio|luglio|lug|julho|lipca|lip|července|temmuz|июля",
    "august|aug|août|agosto|ago|augustus|augusti|sierpnia|sie|srpna|ağustos|августа",
    "september|sep|sept|septembre|septiembre|settembre|set|setembro|września|wrz|září|eylül|сентября",
    "october|oct|oktober|okt|octobre|octubre|ottobre|ott|outubro|out|października|paź|října|ekim|октября",
    "november|nov|novembre|noviembre|novembro|listopada|lis|listopadu|kasım|ноября",
    "december|dec|dezember|dez|décembre|déc|diciembre|dic|dicembre|dezembro|desember|des|grudnia|gru|prosince|aralık|декабря",
)
_MONTH_OF = {name: f"{n:02d}" for n, names in enumerate(_MONTHS, 1) for name in names.split("|")}
_MONTH = rf"(?P<m>{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})\.?"
_YEAR = "(?P<Y>0000)"
_WEEKDAY = r"(?:[^\W\d_]{2,10}\.?,? +)?"
_DAY_NAME = (
    r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|mo|di|mi|do|fr|sa|so"
    r"|lun|mar|mer|jeu|ven|sam|dim|mié|jue|vie|sáb|dom|gio|sab)\.?,? +"
)
_CLOCK = (
    rf"(?:(?P<q>{'|'.join((*_BEFORE_NOON, *_AFTER_NOON))}) ?)?"
    r"(?P<H>00?)(?:(?P<dots>\.)|[:h])(?P<M>00)(?:(?(dots)\.|:)(?P<S>00)(?:[.,](?P<f>0+))?)?"
    r"(?:[ \xa0\u202f]?(?P<p>[AaPp])\.?[ \xa0\u202f]?[Mm]\.?)?(?: ?[Uu]hr)?"
)
_ZONE = (
    r"(?: ?\(?(?P<z>Z|z|UTC|GMT|(?:UTC|GMT)?[+-]00?(?::?00)?)\)?"
    r"(?:\[[A-Za-z_]+(?:/[A-Za-z_]+)*\]| \([^)]*\))?)?"
)
_TIME = rf"(?:(?:T|,? +(?:(?:at|um|à|às|a las) )?){_CLOCK}{_ZONE})?"
_FORMS = tuple(
    re.compile(rf"\s*['‘’\"]?{form}['‘’\"]?\s*", re.IGNORECASE)
    for form in (
        rf"(?:{_DAY_NAME})?(?P<Y>0000)(?P<s>[-/.])(?P<m>00?)(?P=s)(?P<d>00?){_TIME}",
        r"(?P<Y>0000)-?W(?P<w>00)-?(?P<u>0)" + _TIME,
        r"(?P<Y>0000)(?P<m>00)(?P<d>00)[T_ ](?P<H>00)(?P<M>00)(?P<S>00)(?:[.,](?P<f>0+))?(?P<z>Z|[+-]00:?00)?",
        r"(?P<Y>0000)-(?P<m>00)-(?P<d>00)[-_ T](?P<H>00)[-.](?P<M>00)[-.](?P<S>00)(?:\.(?P<f>0+))?(?P<z>Z)?",
        rf"(?:{_DAY_NAME})?(?P<a>00?)(?P<s>[-/.] ?)(?P<b>00?)(?P=s)(?P<Y>0000){_TIME}",
        r"(?P<Y>0000)(?:年|년|\.) ?(?P<m>00?)(?:月|월|\.) ?(?P<d>00?)(?:日|일|\.)?" + _TIME,
        rf"{_WEEKDAY}(?P<d>00?)(?:\.|st|nd|rd|th)?(?: de|[-/])? ?{_MONTH}(?: de|,|[-/])? ?{_YEAR}{_TIME}",
        rf"{_WEEKDAY}{_MONTH} +(?P<d>00?)(?:st|nd|rd|th)?,? +{_YEAR}{_TIME}",
        rf"{_WEEKDAY}{_MONTH} +(?P<d>00?) +{_CLOCK} +(?:(?P<z>UTC|GMT) )?{_YEAR}",
        rf"\[?(?P<d>00)/?{_MONTH}/?{_YEAR}:{_CLOCK}{_ZONE}\]?",
        rf"(?P<d>00)-{_MONTH}-(?P<y>00) (?P<H>00)\.(?P<M>00)\.(?P<S>00)(?:\.(?P<f>0+))?(?: (?P<p>[AP])M)?{_ZONE}",
    )
)
"""The ways in which tools write a time, some between quotes: the texts with every digit a 0."""
_OFFSET = re.compile(r"(?:UTC|GMT)?(?P<sign>[+-])(?P<h>00?)(?::?(?P<m>00))?")
_NUMBER = re.compile(r"\s*(?:/Date\()?(?P<n>-?0+(\.0+)?)(?:(?:[+-]0000)?\)/)?\s*")
"""A number, also as .NET writes it into JSON: `/Date(1704103200000)/`."""
EXCEL_SERIAL, ISO_WEEK = "excel_serial", "iso_week"
DATE_WORDS = ("day_first", "month_first", EXCEL_SERIAL, ISO_WEEK)
"""What `dates` may say beside a format."""
_TIME_OF_DAY = frozenset("HIMSfgcXTRrpns")


@dataclass(frozen=True)
class Stamps:
    """SQL of `w` and `k` over `raw` (and `form`, which way a text is written), and what was found on the way."""

    w: str
    k: str
    form: str = "NULL"
    native: bool = False
    findings: tuple[QualityLine, ...] = ()


def read_stamps(engine: DuckDB, column: str, kind: str, dates: str | None) -> Stamps:
    """How a column of this DuckDB type is read."""
    _no_unknown_word(dates)
    if kind == '"NULL"':
        return Stamps("CAST(NULL AS BIGINT)", str(MISSING))
    if dates == EXCEL_SERIAL and (kind == "VARCHAR" or _holds_numbers(kind)):
        return _serials(engine, f"CAST({column} AS VARCHAR)")
    if kind == "VARCHAR":
        return _written(engine, column, dates)
    if kind.startswith("TIMESTAMP"):
        us = floor_ns(column) if "_NS" in kind else f"epoch_us({column})"
        return Stamps(us, str(INSTANT if "ZONE" in kind or "TZ" in kind else NAIVE), native=True)
    if kind == "DATE":
        return Stamps(f"epoch_us(CAST({column} AS TIMESTAMP))", str(DATE), native=True)
    if _holds_numbers(kind):
        return _numbers(engine, column, kind)
    raise DataError(
        f"source: the column of times holds {kind.lower()}, which is no time. Give texts such as '2025-01-31 18:00', timestamps, or epoch numbers."
    )


def _no_unknown_word(dates: str | None) -> None:
    known = isinstance(dates, str) and (dates in DATE_WORDS or "%" in dates)
    if dates is not None and not known:
        raise not_one_of("dates", dates, [*DATE_WORDS, "%d/%m/%Y %H:%M"])


def _written(engine: DuckDB, column: str, dates: str | None) -> Stamps:
    if dates == ISO_WEEK:
        return _weeks(column)
    return (
        _formatted(engine, column, dates)
        if dates and "%" in dates
        else _texts(engine, column, dates)
    )


def _holds_numbers(kind: str) -> bool:
    return (
        kind.endswith("INT") or kind.startswith("DECIMAL") or kind in ("INTEGER", "DOUBLE", "FLOAT")
    )


# ---- texts -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """One way in which times are written: a text whose digits are all 0, and what stands where in it."""

    shape: str
    match: re.Match[str]
    number: bool = False

    def fits(self, text: str) -> str:
        """SQL: whether a text is written so."""
        pattern = "".join("[0-9]" if sign == "0" else re.escape(sign) for sign in self.shape)
        return f"regexp_full_match({text}, {literal(pattern)})"

    @property
    def offset(self) -> str | None:
        """The offset as it is written, its digits 0."""
        return self.parts["z"]

    @property
    def year_last(self) -> bool:
        """Whether day and month could change places."""
        return "a" in self.match.groupdict()

    @property
    def parts(self) -> dict[str, str | None]:
        """What stands for which part of a time; None where a part is not written."""
        return dict.fromkeys("HMSfzpq") | self.match.groupdict()


def _form(shape: str) -> Form | None:
    number = _NUMBER.fullmatch(shape)
    match = number or next(filter(None, (form.fullmatch(shape) for form in _FORMS)), None)
    return Form(shape, match, number=number is not None) if match else None


def form_of(text: str) -> Form | None:
    """How a text writes a time; None where it is none."""
    return _form(_DIGIT.sub("0", text)) if len(text) <= LONGEST else None


_DIGIT = re.compile("[1-9]")


def _forms(engine: DuckDB, column: str) -> list[Form]:
    """The ways in which the times of a column are written; texts that are no time at all are not among them."""
    found = _forms_in(engine, column, f"(SELECT {column} FROM raw LIMIT {SAMPLE})")
    # Most columns are written in one way: the slow translation is left for what the sample did not show.
    rest = "".join(f" AND NOT {form.fits(column)}" for form in found)
    return sorted(
        found + _forms_in(engine, column, f"raw WHERE {column} IS NOT NULL{rest}"),
        key=lambda form: form.shape,
    )


def _forms_in(engine: DuckDB, column: str, source: str) -> list[Form]:
    shapes = engine.rows(
        f"SELECT DISTINCT translate({column}, '123456789', '000000000') AS shape FROM (SELECT {column} FROM {source}) WHERE length({column}) <= {LONGEST}"
    )
    return [form for (shape,) in shapes if shape is not None and (form := _form(shape))]


def _texts(engine: DuckDB, column: str, dates: str | None) -> Stamps:
    forms = _forms(engine, column)
    day_first, findings = _date_order(
        engine, column, [form for form in forms if form.year_last], dates
    )
    fit = " ".join(
        f"WHEN {form.fits(column)} THEN {position}" for position, form in enumerate(forms)
    )
    walls = " ".join(
        f"WHEN {position} THEN {_wall_of(column, form, day_first)}"
        for position, form in enumerate(forms)
    )
    kinds = " ".join(
        f"WHEN {position} THEN {_kind_of(column, form)}" for position, form in enumerate(forms)
    )
    findings += _offsets(engine, column, [form for form in forms if form.offset])
    numeric = " OR ".join(form.fits(column) for form in forms if form.number)
    findings += (
        _units(engine, f"TRY_CAST({column} AS DOUBLE)", f"WHERE {numeric}", column)
        if numeric
        else []
    )
    return Stamps(
        w=f"CASE form {walls} END" if forms else "CAST(NULL AS BIGINT)",
        k=f"CASE WHEN {blank(column)} THEN {MISSING} ELSE {f'CASE form {kinds} ELSE {UNREADABLE} END' if forms else UNREADABLE} END",
        form=f"CASE {fit} END" if forms else "NULL",
        findings=tuple(findings),
    )


def _wall_of(text: str, form: Form, day_first: bool) -> str:
    if form.number:
        number = _part(text, form.match, "n")
        return (
            fraction_wall(f"TRY_CAST({number} AS DOUBLE)")
            if "." in form.shape
            else number_wall(f"TRY_CAST({number} AS BIGINT)")
        )
    month, day = (("b", "a") if day_first else ("a", "b")) if form.year_last else ("m", "d")
    return _wall(text, form, month, day)


def _kind_of(text: str, form: Form) -> str:
    if not form.number:
        return str(INSTANT if form.parts["z"] else NAIVE if form.parts["H"] else DATE)
    number = _part(text, form.match, "n")
    return (
        fraction_kind(f"TRY_CAST({number} AS DOUBLE)")
        if "." in form.shape
        else number_kind(f"TRY_CAST({number} AS BIGINT)")
    )


def _part(text: str, match: re.Match[str], name: str) -> str:
    month = _MONTH_OF.get((match[name] or "").casefold())
    if month is not None:
        return f"'{month}'"
    start, end = match.span(name)
    cut = f"substr({text}, {start + 1}, {end - start})"
    return f"'0' || {cut}" if end - start == 1 and name not in ("f", "n", "z") else cut


def _day(text: str, match: re.Match[str], month: str, day: str) -> str:
    if match.groupdict().get("w"):
        cuts = (match.span(name) for name in ("Y", "w", "u"))
        parts = (f"substr({text}, {start + 1}, {end - start})" for start, end in cuts)
        return f"CAST({_day_of_week(*parts)} AS VARCHAR)"
    return f"{_year(text, match)} || '-' || {_part(text, match, month)} || '-' || {_part(text, match, day)}"


def _day_of_week(year: str, week: str, day: str) -> str:
    """SQL of a day by its ISO week; missing where the year has no such week, or the week no such day."""
    read = f"try_strptime({year} || '-' || {week} || '-' || {day}, '%G-%V-%u')"
    return f"CAST(CASE WHEN strftime({read}, '%G-%V') = {year} || '-' || {week} THEN {read} END AS DATE)"


def _year(text: str, match: re.Match[str]) -> str:
    if match.groupdict().get("Y"):
        return _part(text, match, "Y")
    short = _part(text, match, "y")
    return f"CASE WHEN {short} >= '70' THEN '19' ELSE '20' END || {short}"


def _wall(text: str, form: Form, month: str, day: str) -> str:
    """Microseconds of a text of known form: its parts put in order, cast by DuckDB (NULL for a 30 February), its offset taken off."""
    match, parts = form.match, form.parts
    written = _day(text, match, month, day)
    if not parts["H"]:
        return f"epoch_us(TRY_CAST({written} AS TIMESTAMP))"
    half = parts["p"] or parts["q"]
    hour = "'00'" if half else _part(text, match, "H")
    seconds = _part(text, match, "S") if parts["S"] else "'00'"
    written += f" || ' ' || {hour} || ':' || {_part(text, match, 'M')} || ':' || {seconds}"
    if parts["f"]:
        start, end = match.span("f")
        written += f" || '.' || substr({text}, {start + 1}, {min(end - start, 6)})"
    wall = f"epoch_us(TRY_CAST({written} AS TIMESTAMP))"
    if half:
        given = f"CAST({_part(text, match, 'H')} AS BIGINT)"
        later = 12 if half in (*"Pp", *_AFTER_NOON) else 0
        # 15:05 PM and 0:05 AM, as programs write that mix both clocks, can only be one time.
        whole = f"{given} BETWEEN 13 AND 23" if later else f"{given} = 0"
        wall = (
            f"({wall} + CASE WHEN {given} BETWEEN 1 AND 12 THEN ({given} % 12 + {later}) * 3600000000 "
            f"WHEN {whole} THEN {given} * 3600000000 END)"
        )
    return f"({wall} - {_offset(text, match)})" if _OFFSET.fullmatch(parts["z"] or "") else wall


def _offset(text: str, match: re.Match[str]) -> str:
    hours, minutes = (
        f"CAST({part} AS BIGINT)" if part else "0" for part in _offset_parts(text, match)
    )
    size = f"CASE WHEN {hours} <= 18 AND {minutes} < 60 THEN {hours} * 3600000000 + {minutes} * 60000000 END"
    return f"({size})" if "+" in match["z"] else f"(-({size}))"


def _offset_parts(text: str, match: re.Match[str]) -> tuple[str, str | None]:
    """SQL of the digits of an offset: its hours and, where it has them, its minutes."""
    written = _OFFSET.fullmatch(match["z"])
    assert written is not None  # only asked for offsets that have digits
    start = match.start("z")
    hours = f"substr({text}, {start + written.start('h') + 1}, {len(written['h'])})"
    if not written["m"]:
        return hours, None
    return hours, f"substr({text}, {start + written.start('m') + 1}, 2)"


def _offset_in_words(text: str, form: Form) -> str:
    """SQL of the offset as +01:00."""
    if not _OFFSET.fullmatch(form.match["z"]):
        return "'+00:00'"
    hours, minutes = _offset_parts(text, form.match)
    sign = "+" if "+" in form.match["z"] else "-"
    return f"'{sign}' || lpad({hours}, 2, '0') || ':' || {minutes or chr(39) + '00' + chr(39)}"


def _date_order(
    engine: DuckDB, text: str, forms: list[Form], dates: str | None
) -> tuple[bool, list[QualityLine]]:
    """Whether the day stands first, by what `dates` says or by days above 12; an error where neither decides."""
    if not forms or dates:
        return dates != "month_first", []
    day_first, month_first, both = _order_evidence(engine, text, forms)
    if day_first[0] and month_first[0]:
        raise DataError(
            f"source: dates are written in two orders: {day_first[0]:,} rows can only be day first (such as {shown(day_first[1])}), {month_first[0]:,} only "
            f"month first (such as {shown(month_first[1])}). Say which holds with dates='day_first' or dates='month_first' (the other rows then go to "
            "quarantine), or write the dates as 2024-12-31."
        )
    if not day_first[0] and not month_first[0] and both[0]:
        raise DataError(
            f"source: {both[0]:,} dates can be read day first or month first (such as {shown(both[1])}), and no day above 12 decides. "
            "Say it with dates='day_first', dates='month_first' or a format such as dates='%d/%m/%Y %H:%M'."
        )
    proof, words = (month_first, "month first") if month_first[0] else (day_first, "day first")
    return not month_first[0], [
        QualityLine(f"date order: {words}", proof[0], f"{proof[1]} can only be {words}")
    ] if proof[0] else []


def _order_evidence(engine: DuckDB, text: str, forms: list[Form]) -> list[tuple[int, str]]:
    """Rows that can only be day first, only month first, and both: how many, and the smallest."""
    dmy, mdy = (
        " ".join(
            f"WHEN {form.fits(text)} THEN TRY_CAST({_day(text, form.match, month, day)} AS DATE)"
            for form in forms
        )
        for month, day in (("b", "a"), ("a", "b"))
    )
    tests = ("dmy IS NOT NULL AND mdy IS NULL", "mdy IS NOT NULL AND dmy IS NULL", "dmy <> mdy")
    picks = ", ".join(f"count(*) FILTER ({test}), min(written) FILTER ({test})" for test in tests)
    (row,) = engine.rows(
        f"SELECT {picks} FROM (SELECT {text} AS written, CASE {dmy} END AS dmy, CASE {mdy} END AS mdy FROM raw)"
    )
    return list(zip(row[0::2], row[1::2], strict=True))


def _offsets(engine: DuckDB, text: str, forms: list[Form]) -> list[QualityLine]:
    """Which offsets the texts carry, where there are several."""
    if not forms:
        return []
    cuts = " ".join(f"WHEN {form.fits(text)} THEN {_offset_in_words(text, form)}" for form in forms)
    counted = engine.rows(
        f"SELECT z AS utc, count(*) AS n FROM (SELECT CASE {cuts} END AS z FROM raw) WHERE z IS NOT NULL GROUP BY utc ORDER BY n DESC, utc"
    )
    if len(counted) < 2:
        return []
    words = ", ".join(f"{offset} ({rows:,})" for offset, rows in counted[:6])
    return [
        QualityLine(
            "several offsets from UTC",
            sum(rows for _, rows in counted[1:]),
            f"{words}; each time keeps its instant",
        )
    ]


def _formatted(engine: DuckDB, column: str, form: str) -> Stamps:
    """Texts read by one explicit format."""
    parsed = f"try_strptime(trim({column}), {literal(form)})"
    try:
        aware = engine.rows(f"SELECT typeof({parsed}) FROM (SELECT '' AS {column})")
    except duckdb.Error:
        raise CjlibError(
            f"dates: {shown(form)} is not a format of dates. Write one as '%d/%m/%Y %H:%M' (strftime's letters), 'day_first' or 'month_first'."
        ) from None
    letters = set(re.findall(r"%-?([A-Za-z])", form))
    if "Z" in letters:
        _no_zone_of_letters(engine, column)
    kind = INSTANT if aware[0][0].endswith("ZONE") else NAIVE if letters & _TIME_OF_DAY else DATE
    return Stamps(
        f"epoch_us({parsed})", f"CASE WHEN {blank(column)} THEN {MISSING} ELSE {kind} END"
    )


def _no_zone_of_letters(engine: DuckDB, column: str) -> None:
    """Refuse zones such as CST, which stand for several offsets."""
    found = engine.rows(
        f"SELECT DISTINCT regexp_extract({column}, '[ 0-9]([A-Z]{{2,5}})[^A-Za-z/]*$', 1) AS zone FROM raw ORDER BY zone"
    )
    unclear = [zone for (zone,) in found if zone and zone not in ("UTC", "GMT", "AM", "PM")]
    if unclear:
        raise DataError(
            f"source: the times name their zones by letters, {listed(unclear, most=5)}, which stand for several zones. "
            "Write offsets such as +01:00 into the file, or zones such as Europe/Berlin."
        )


def _weeks(column: str) -> Stamps:
    """Texts that name ISO weeks, 2025-W07: the Monday of each; a day of one, 2025-W07-3, is that day."""
    pattern = literal(r"^\s*([0-9]{4})-?W([0-9]{2})(?:-?([1-7]))?\s*$")
    year, week, day = (f"regexp_extract({column}, {pattern}, {n})" for n in (1, 2, 3))
    wall = f"epoch_us(CAST({_day_of_week(year, week, f'coalesce(nullif({day}, {chr(39) * 2}), {chr(39)}1{chr(39)})')} AS TIMESTAMP))"
    return Stamps(wall, f"CASE WHEN {blank(column)} THEN {MISSING} ELSE {DATE} END")


# ---- texts that are no time --------------------------------------------------------------------------------------

_NO_DAY = r"needs a day: write the first one of it, such as 2024-01-01"
_NO_TIMES = (
    (r"-?0(?:[.,]0+)?[eE][+]?0+", "was rounded by a spreadsheet: export the times as text"),
    (r"0000-?W00", "is a week and no day: dates='iso_week' counts it on its Monday"),
    (r"0000[-/.]00?|00?[-/.]0000", f"is a month and {_NO_DAY}"),
    (r"0000[- ]?[QqHh]0|[QqHh]0[- /]?0000", f"is part of a year and {_NO_DAY}"),
    (r"0000-000", "counts the days of a year: write them as 2024-01-31"),
    (r"00?:00(?::00)?(?:[.,]0+)?(?: ?[AaPp]\.?[Mm]\.?)?", "is a time of day without a date: a spreadsheet may have hidden it; format the cells as date and time"),
    (r".*00:00.* ?[A-Z][a-z]+(?:/[A-Z][A-Za-z_]+)+.*", "names its zone: write its offset, such as +01:00, or leave it out and give timezone="),
    (r".*00:00.* [A-Z]{1,5}", "has a zone of letters, which stand for several: write its offset, such as +01:00, or leave it out and give timezone="),
    (r"#+", "is a column too narrow for its dates: widen it before saving the sheet"),
)  # fmt: skip


_SERIAL = re.compile(r"[2-7]\d{4}(?:[.,]\d+)?")


def why_no_time(text: str) -> str | None:
    """What keeps a text that speaks of a time from being one, in words; None where that is not known."""
    written = text.strip()[:LONGEST]
    if _SERIAL.fullmatch(written):
        return "is a number, as spreadsheets count days since 1900: write dates before saving the sheet, or give dates='excel_serial'"
    if form_of(written) is not None:
        return None
    shape = _DIGIT.sub("0", written)
    return next((why for pattern, why in _NO_TIMES if re.fullmatch(pattern, shape)), None)


# ---- numbers -----------------------------------------------------------------------------------------------------


def _numbers(engine: DuckDB, column: str, kind: str) -> Stamps:
    if kind in ("DOUBLE", "FLOAT") or (kind.startswith("DECIMAL") and not kind.endswith(",0)")):
        number = f"CAST({column} AS DOUBLE)"
        w, k = fraction_wall(number), fraction_kind(number)
        missing = f"{column} IS NULL OR isnan({number})"
    else:
        number = f"TRY_CAST({column} AS BIGINT)"
        w, k = number_wall(number), number_kind(number)
        missing = f"{column} IS NULL"
    findings = _units(engine, f"CAST({column} AS DOUBLE)", f"WHERE NOT ({missing})", number)
    return Stamps(w, f"CASE WHEN {missing} THEN {MISSING} ELSE {k} END", findings=tuple(findings))


def _serials(engine: DuckDB, written: str) -> Stamps:
    """Numbers as spreadsheets count days: 45291.5 is noon of 2023-12-31; days where none has a fraction, else times to the millisecond."""
    number = f"TRY_CAST(replace(trim({written}), ',', '.') AS DOUBLE)"
    wall = (
        f"CASE WHEN {number} >= {FIRST_SERIAL} AND {number} < {LAST_SERIAL} "
        f"THEN CAST(round(({number} - {SERIAL_1970}) * 86400000) AS BIGINT) * 1000 END"
    )
    fine = engine.rows(f"SELECT 1 FROM raw WHERE {number} <> trunc({number}) LIMIT 1")
    (rows, example) = engine.rows(
        f"SELECT count({wall}), min({written}) FILTER (({wall}) IS NOT NULL) FROM raw"
    )[0]
    found = (QualityLine("days of a spreadsheet", rows, example),) if rows else ()
    kind = NAIVE if fine else DATE
    return Stamps(
        wall, f"CASE WHEN {blank(written)} THEN {MISSING} ELSE {kind} END", findings=found
    )


def _units(engine: DuckDB, number: str, where: str, written: str) -> list[QualityLine]:
    """Which epochs the numbers were read as."""
    compact = "(x BETWEEN 19000101 AND 21001231 OR x BETWEEN 19000101000000 AND 21001231235959)"
    cases = " ".join(
        f"WHEN abs(x) >= {low} AND abs(x) < {high} THEN '{unit}'" for unit, low, high, _ in EPOCHS
    )
    counted = engine.rows(
        f"SELECT CASE WHEN {compact} THEN NULL {cases} WHEN abs(x) >= 1e17 THEN 'nanoseconds' END AS unit, count(*), min(CAST(written AS VARCHAR)) "
        f"FROM (SELECT {number} AS x, {written} AS written FROM raw {where}) GROUP BY unit ORDER BY unit"
    )
    return [
        QualityLine(f"epoch {unit} since 1970", rows, example)
        for unit, rows, example in counted
        if unit
    ]


MISSING, NAIVE, DATE, INSTANT, UNREADABLE, SPREADSHEET = range(6)
LEAST_NS = 10**17
FIRST_SERIAL, LAST_SERIAL = 20_000, 80_000
SERIAL_1970 = 25_569
"""The days that spreadsheets count for 1970-01-01."""
EPOCHS = (
    ("seconds", 10**8, 10**11, 1_000_000),
    ("milliseconds", 10**11, 10**14, 1_000),
    ("microseconds", 10**14, 10**17, 1),
)


def number_wall(n: str) -> str:
    """Whole numbers: 20240131 and 20240131180000 as dates and times, others as epochs, their unit by size."""
    units = " ".join(
        f"WHEN {n} BETWEEN {low} AND {high - 1} OR {n} BETWEEN {1 - high} AND {-low} THEN {n} * {factor}"
        for _, low, high, factor in EPOCHS
    )
    return (
        f"CASE WHEN {n} BETWEEN 19000101 AND 21001231 THEN epoch_us(try_strptime(CAST({n} AS VARCHAR), '%Y%m%d')) "
        f"WHEN {n} BETWEEN 19000101000000 AND 21001231235959 THEN epoch_us(try_strptime(CAST({n} AS VARCHAR), '%Y%m%d%H%M%S')) "
        f"{units} WHEN {n} >= {LEAST_NS} OR {n} <= {-LEAST_NS} THEN {n} // 1000 - CASE WHEN {n} % 1000 < 0 THEN 1 ELSE 0 END END"
    )


def number_kind(n: str) -> str:
    """What a whole number is."""
    return (
        f"CASE WHEN {n} BETWEEN 19000101 AND 21001231 THEN {DATE} WHEN {n} BETWEEN 19000101000000 AND 21001231235959 THEN {NAIVE} "
        f"WHEN {n} >= 100000000 OR {n} <= -100000000 THEN {INSTANT} WHEN {n} BETWEEN {FIRST_SERIAL} AND {LAST_SERIAL - 1} THEN {SPREADSHEET} ELSE {UNREADABLE} END"
    )


def fraction_wall(x: str) -> str:
    """Numbers that may have a fraction: whole ones as such, others as epochs to the nearest microsecond."""
    whole = f"CASE WHEN {x} = trunc({x}) AND abs({x}) < 9e18 THEN CAST({x} AS BIGINT) END"
    units = " ".join(
        f"WHEN abs({x}) >= {low} AND abs({x}) < {high} THEN CAST(round({x} * {factor}) AS BIGINT)"
        for _, low, high, factor in EPOCHS
    )
    return f"CASE WHEN ({whole}) IS NOT NULL THEN {number_wall(f'({whole})')} {units} END"


def fraction_kind(x: str) -> str:
    """What a number is that may have a fraction."""
    whole = f"CASE WHEN {x} = trunc({x}) AND abs({x}) < 9e18 THEN CAST({x} AS BIGINT) END"
    apart = f"WHEN abs({x}) >= 100000000 AND abs({x}) < 1e17 THEN {INSTANT} WHEN {x} >= {FIRST_SERIAL} AND {x} < {LAST_SERIAL} THEN {SPREADSHEET} ELSE {UNREADABLE}"
    return f"CASE WHEN ({whole}) IS NOT NULL THEN {number_kind(f'({whole})')} {apart} END"

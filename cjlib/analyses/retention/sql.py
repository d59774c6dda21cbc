"""The counts as one portable statement: every bound of a period is an instant worked out beforehand, so no engine needs to know a time zone."""

from __future__ import annotations

from cjlib.analyses.retention.options import Question, Scope
from cjlib.shared.periods import DAY, HOUR, Offsets, zone_offsets
from cjlib.shared.sql import instant, later, matching, with_first
from cjlib.sources.log.engine import identifier
from cjlib.sources.log.event_log import Log


def retention_sql(log: Log, question: Question, scope: Scope, *, texts: bool = False) -> str:
    """The statement: one row a cell with the group's and cohort's names, `cohort_size`, `period`, `retained`; `texts` gives groups as text."""
    columns = (*question.by, *((question.cohort_by,) if question.cohort_by else ()))
    # Columns of the data get names of ours inside, so that one called "period" is only a column.
    held = [f"by_{place}" for place, _ in enumerate(columns, start=1)]
    shift = _Shift(log, question, scope)
    parts = {
        "periods": _periods(scope),
        "starts": _starts(log, question, scope, columns, held),
        "entries": _entries(scope, held),
        "returns": _returns(log, question, scope),
        "spans": _spans(question, scope, held, shift),
        "visited": _visited(question, held),
        "judged": _judged(question, held),
    }
    story = ",\n".join(f"{name} AS (\n  {text}\n)" for name, text in parts.items())
    return f"WITH {story}\n{_cells(question, scope, columns, held, texts=texts)}"


def _periods(scope: Scope) -> str:
    rows = (
        f"({place}, {instant(begin)}, {instant(end)}, CAST('{label}' AS TIMESTAMP))"
        for place, (begin, end, label) in enumerate(
            zip(
                scope.periods.starts[:-1],
                scope.periods.starts[1:],
                scope.periods.labels,
                strict=True,
            )
        )
    )
    return f"SELECT * FROM (VALUES {', '.join(rows)}) AS listed (period, begins, ends, label)"


def _starts(
    log: Log, question: Question, scope: Scope, columns: tuple[str, ...], held: list[str]
) -> str:
    """Cohort events with their period, whether the cohort's own event is a return event, and their order within a customer."""
    picks = "".join(f", {name}" for name in held)
    who = "customer_id, period" if question.recurring else "customer_id"
    # Among tied events the smallest values as text stand first, missing last.
    order = "".join(
        f", CASE WHEN {name} IS NULL THEN 1 ELSE 0 END, CAST({name} AS VARCHAR)" for name in held
    )
    bounds = f"cohort_at <= {instant(scope.until)}"
    if question.cohort != "first_ever":
        bounds += f" AND cohort_at >= {instant(scope.begin)} AND cohort_at < {instant(scope.stop)}"
    return (
        f"SELECT customer_id, cohort_at, period, label{picks},\n"
        "    MIN(is_return) OVER (PARTITION BY customer_id, cohort_at) AS own,\n"
        f"    ROW_NUMBER() OVER (PARTITION BY {who} ORDER BY cohort_at{order}) AS place\n"
        f"  FROM ({_candidates(log, question, columns, held)}) AS candidates\n"
        f"  JOIN periods ON cohort_at >= begins AND cohort_at < ends WHERE {bounds}"
    )


def _candidates(log: Log, question: Question, columns: tuple[str, ...], held: list[str]) -> str:
    start, returns = question.start_event, question.return_event
    renamed = "".join(
        f", {identifier(column)} AS {name}" for column, name in zip(columns, held, strict=True)
    )
    is_return = log.portable(returns) + (
        " AND timestamp = cj_return_at" if returns.first_time else ""
    )
    picks = f"customer_id, timestamp AS cohort_at{renamed}, CASE WHEN {is_return} THEN 1 ELSE 0 END AS is_return"
    source = log.events_sql
    condition = log.portable(start)
    if returns.first_time:
        source = f"({with_first(log, returns, source, 'cj_return_at')})"
    if start.first_time:
        source = f"({with_first(log, start, source, 'cj_first_at')})"
        condition += " AND timestamp = cj_first_at"
    return f"SELECT {picks} FROM {source} AS matched WHERE {condition}"


def _entries(scope: Scope, held: list[str]) -> str:
    picks = "".join(f", {name}" for name in held)
    return (
        f"SELECT customer_id, cohort_at, period AS cohort, label, own{picks} FROM starts\n"
        f"  WHERE place = 1 AND period >= {scope.first} AND period <= {scope.last}"
    )


def _returns(log: Log, question: Question, scope: Scope) -> str:
    found = matching(log, question.return_event, "customer_id, timestamp AS returned_at")
    return f"{found} AND timestamp <= {instant(scope.until)}"


def _reach(question: Question, scope: Scope) -> int:
    """The last period that has to be looked at: beyond the table only if a later period with enough returns counts backwards."""
    if question.mode != "on_or_after" or question.min_returns == 1:
        return question.periods
    length = question.length or 28 * DAY * question.months
    return max(question.periods, int((scope.until - scope.periods.starts[0]) // length) + 1)


def _spans(question: Question, scope: Scope, held: list[str], shift: _Shift) -> str:
    """Every entry's periods, each with its bounds."""
    carried = (
        f"customer_id, cohort_at, cohort, entries.label, own{''.join(f', {name}' for name in held)}"
    )
    reach = _reach(question, scope)
    if question.clock == "calendar":
        return (
            f"SELECT {carried}, periods.period - cohort AS period, begins, ends FROM entries\n"
            f"  JOIN periods ON periods.period >= cohort AND periods.period <= cohort + {reach}"
        )
    each = (
        f"SELECT {carried}, {k} AS period, {shift.later(k)} AS begins, {shift.later(k + 1)} AS ends FROM entries"
        for k in range(reach + 1)
    )
    return "\n  UNION ALL ".join(each)


class _Shift:
    """An instant some periods after the cohort event, as SQL."""

    def __init__(self, log: Log, question: Question, scope: Scope) -> None:
        self.question = question
        span = (int(scope.periods.starts[0]), int(scope.periods.starts[-1]))
        beyond = 31 * DAY * question.months * (question.periods + 2)
        self.offsets: Offsets = zone_offsets(span[0] - DAY, span[1] + beyond, log.zone)

    def later(self, k: int) -> str:
        """The instant at which period k begins."""
        if k == 0:
            return "cohort_at"
        if self.question.length:
            unit, size = ("DAY", DAY) if self.question.length >= DAY else ("HOUR", HOUR)
            return f"{self._origin()} + INTERVAL '{k * self.question.length // size}' {unit}"
        return self._instant(f"({self._wall()} + INTERVAL '{k * self.question.months}' MONTH)")

    def _origin(self) -> str:
        """Where the elapsed clock starts."""
        if self.question.clock_from == "hour":
            return "DATE_TRUNC('HOUR', cohort_at)"
        if self.question.clock_from == "day":
            return self._instant(f"DATE_TRUNC('DAY', {self._wall()})")
        return "cohort_at"

    def _wall(self) -> str:
        """The local clock at the cohort event."""
        shifts, starts = self.offsets.shifts.tolist(), self.offsets.starts.tolist()
        cases = [
            f"WHEN cohort_at < {instant(end)} THEN {later('cohort_at', shift)}"
            for shift, end in zip(shifts, starts[1:], strict=False)
        ]
        return (
            f"CASE {' '.join(cases)} ELSE {later('cohort_at', shifts[-1])} END"
            if cases
            else later("cohort_at", shifts[-1])
        )

    def _instant(self, wall: str) -> str:
        """When the local clock shows this: the first time; when the clock resumes if it never does."""
        shifts, starts, turns = (
            self.offsets.shifts.tolist(),
            self.offsets.starts[1:].tolist(),
            self.offsets.turns.tolist(),
        )
        cases = []
        for before, after, start, turn in zip(shifts, shifts[1:], starts, turns, strict=False):
            cases.append(f"WHEN {wall} < {instant(start + before)} THEN {later(wall, -before)}")
            if after > before:
                cases.append(f"WHEN {wall} < {instant(turn)} THEN {instant(start)}")
            else:
                cases[-1] = f"WHEN {wall} < {instant(turn)} THEN {later(wall, -before)}"
        return (
            f"CASE {' '.join(cases)} ELSE {later(wall, -shifts[-1])} END"
            if cases
            else later(wall, -shifts[-1])
        )


def _visited(question: Question, held: list[str]) -> str:
    """How many return events each of these periods holds; the cohort's own event is not one."""
    keys = f"spans.customer_id, cohort_at, cohort, label, own{''.join(f', {name}' for name in held)}, period, begins, ends"
    # One return event anywhere later is enough, so the end of the period need not bound it.
    until = (
        "(period > 0 OR returned_at < ends)"
        if question.mode == "on_or_after" and question.min_returns == 1
        else "returned_at < ends"
    )
    return (
        f"SELECT {keys}, COUNT(returned_at) - CASE WHEN period = 0 THEN own ELSE 0 END AS returns FROM spans\n"
        f"  LEFT JOIN returns ON returns.customer_id = spans.customer_id AND returned_at >= cohort_at AND returned_at >= begins AND {until}\n"
        f"  GROUP BY {keys}"
    )


def _judged(question: Question, held: list[str]) -> str:
    """Whether each period counts as returned."""
    enough = f"CASE WHEN returns >= {question.min_returns} THEN 1 ELSE 0 END"
    came = "1" if question.period_zero == "cohort" else enough
    within = (
        "PARTITION BY customer_id, cohort, CASE WHEN period = 0 THEN 0 ELSE 1 END ORDER BY period"
    )
    frame = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
    later = {
        "on": enough,
        "every": f"MIN({enough}) OVER ({within} {frame})",
        "on_or_after": f"MAX({enough}) OVER ({within} DESC {frame})",
    }[question.mode]
    picks = "".join(f", {name}" for name in held)
    return f"SELECT cohort, label, period, begins, ends{picks}, CASE WHEN period = 0 THEN {came} ELSE {later} END AS returned FROM visited"


def _cells(
    question: Question, scope: Scope, columns: tuple[str, ...], held: list[str], *, texts: bool
) -> str:
    named = [
        f"{f'CAST({name} AS VARCHAR)' if texts else name} AS {identifier(column)}"
        for column, name in zip(columns, held, strict=True)
    ]
    keys = list(held) if question.cohort_by else [*held, "cohort", "label"]
    cohort = [f"{held[-1]} AS cohort"] if question.cohort_by else ["label AS cohort"]
    picks = ", ".join([*(named[: len(question.by)]), *cohort])
    # A cell exists once its oldest member's period has begun; cohorts by a value count each member whose period is over.
    over = f" AND ends <= {instant(scope.until + 1)}" if question.cohort_by else ""
    return (
        f"SELECT {picks}, COUNT(*) AS cohort_size, period, CAST(SUM(returned) AS BIGINT) AS retained\n"
        f"FROM judged WHERE period <= {question.periods}{over}\n"
        f"GROUP BY {', '.join([*keys, 'period'])}\n"
        f"HAVING MIN(begins) <= {instant(scope.until)}\n"
        f"ORDER BY {', '.join([*keys, 'period'])}"
    )

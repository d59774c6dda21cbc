"""A portable statement rewritten for another engine: the same text, that engine's SQL, its own table of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cjlib.errors import CjlibError, listed

if TYPE_CHECKING:
    from sqlglot import exp

RUN = ("clickhouse", "postgres", "spark")
"""Dialects in which every statement is run by a test."""
COMPILED = ("bigquery", "databricks", "redshift", "snowflake", "trino")
"""Dialects that are written and checked, but that no test can run."""
_IN_UTC = {
    "postgres": "{0} AT TIME ZONE 'UTC'",
    "redshift": "{0} AT TIME ZONE 'UTC'",
    "trino": "CAST({0} AT TIME ZONE 'UTC' AS TIMESTAMP(6))",
    "snowflake": "CAST(CONVERT_TIMEZONE('UTC', {0}) AS TIMESTAMP_NTZ)",
    "bigquery": "DATETIME({0}, 'UTC')",
}
"""An instant as the wall clock of UTC; elsewhere the session's own clock is UTC."""
_EVENTS, _SOURCE = "cj_events", "cj_source"
_LONGEST = {
    "clickhouse": ("ClickHouse", 260_000),
    "bigquery": ("BigQuery", 1_000_000),
    "snowflake": ("Snowflake", 1_000_000),
    "trino": ("Trino", 1_000_000),
}
"""How many bytes of a statement an engine reads, unless its server is told otherwise; the others read many more."""


def check_dialect(dialect: str, place: str) -> None:
    """Refuse an engine for which no statement is written."""
    if dialect not in (*RUN, *COMPILED):
        raise CjlibError(
            f"pushdown: statements are written for {listed(sorted((*RUN, *COMPILED)), most=20)}; {place} is {dialect}. Read its events instead: leave pushdown out."
        )


def contract_of(sql: str, table: exp.Expr, dialect: str, instants: list[str]) -> exp.Expr:
    """The statement of the checked events, over the engine's own table; `instants` are columns that know their zone."""
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(sql, read="duckdb")
    template = _IN_UTC.get(dialect, "{0}")
    for found in list(tree.find_all(exp.Table)):
        if found.name != _SOURCE:
            continue
        for pick in found.find_ancestor(exp.Select).expressions:  # type: ignore[union-attr]
            if pick.this.name in instants:
                pick.set(
                    "this",
                    sqlglot.parse_one(template.format("cj_instant"), read=dialect).transform(
                        _put, pick.this
                    ),
                )
        found.replace(exp.alias_(table.copy(), _SOURCE, table=True))
    return tree


def _put(node: exp.Expr, column: exp.Expr) -> exp.Expr:
    return column if node.key == "column" and node.name == "cj_instant" else node


def written(sql: str, dialect: str, contract: exp.Expr) -> str:
    """A statement over `events` as text of the engine's SQL, `events` being what the contract gives.

    Nulls are ordered nowhere, since no key of a window is null and the answer is sorted here; rows listed by VALUES are listed as the engine does.
    """
    from sqlglot.errors import SqlglotError

    try:
        return _written(sql, dialect, contract)
    except (SqlglotError, RecursionError) as fault:
        said = str(fault).split("\n", maxsplit=1)[0].rstrip(". ")
        raise CjlibError(
            f"log.run: the statement cannot be written for {dialect}: {said}. Keep to what every engine knows, or fetch the events once: log.read()."
        ) from None


def _written(sql: str, dialect: str, contract: exp.Expr) -> str:
    import sqlglot
    from sqlglot import exp

    # Parsing alone would take a minute; what is written of listed rows has at least a third of their text.
    _short_enough(len(sql) // 3, dialect)
    tree = sqlglot.parse_one(sql, read="duckdb")
    for table in list(tree.find_all(exp.Table)):
        if table.name == "events" and not table.db:
            table.set("this", exp.to_identifier(_EVENTS))
    tree.set("order", None)
    for ordered in tree.find_all(exp.Ordered):
        ordered.set(
            "nulls_first", _nulls_come_first(dialect, descending=bool(ordered.args.get("desc")))
        )
    for values in list(tree.find_all(exp.Values)):
        if dialect not in _LISTS:
            values.replace(_as_function(values) if dialect == "clickhouse" else _as_selects(values))
    _with(tree, contract)
    _to_the_microsecond(tree, dialect)
    _intervals(tree, dialect)
    _lengths(tree, dialect)
    if dialect == "postgres":
        _texts_by_their_bytes(tree)
    if dialect == "clickhouse":
        _nothing_beyond_the_edge(tree)
    # Snowflake takes a bare name for capitals, which no quoted one equals; and some of the bare ones are words of its own.
    text = tree.sql(
        dialect, unsupported_level=sqlglot.ErrorLevel.RAISE, identify=dialect == "snowflake"
    )
    _short_enough(len(text.encode()), dialect)
    return text


def _short_enough(size: int, dialect: str) -> None:
    name, most = _LONGEST.get(dialect, (dialect, size))
    if size > most:
        raise CjlibError(
            f"pushdown: the statement has more than {most // 1000:,} kB, the most that {name} reads: each period of a calendar stands in it. "
            "Ask for longer periods or a shorter time (log.where(start=…, end=…)), or read the events: leave pushdown out."
        )


def _nulls_come_first(dialect: str, *, descending: bool) -> bool:
    """Where the engine itself puts nulls, so that nothing is written about it."""
    if dialect in ("bigquery", "spark", "databricks"):
        return not descending
    return descending if dialect in ("postgres", "redshift", "snowflake") else False


_EXACT = {"clickhouse": "Nullable(DateTime64(6, 'UTC'))", "trino": "TIMESTAMP(6)"}
"""Where a timestamp without digits holds whole seconds from 1970 on (ClickHouse) or milliseconds (Trino)."""


def _to_the_microsecond(tree: exp.Expr, dialect: str) -> None:
    from sqlglot import exp

    if dialect in _EXACT:
        for kind in list(tree.find_all(exp.DataType)):
            if kind.this in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ) and not kind.expressions:
                kind.replace(exp.DataType.build(_EXACT[dialect], dialect=dialect))


def _intervals(tree: exp.Expr, dialect: str) -> None:
    """BigQuery wants the number of an interval bare; Trino knows no unit below the second, and no time span below the millisecond."""
    from sqlglot import exp

    for interval in list(tree.find_all(exp.Interval)):
        number, unit = interval.name, str(interval.args["unit"]).upper()
        if dialect == "bigquery":
            interval.set("this", exp.Literal.number(number))
        elif dialect == "trino" and unit in _BELOW:
            if _BELOW[unit] > 1_000 and int(number) % 1_000:
                raise CjlibError(
                    f"pushdown: Trino cannot add {number} microseconds. Ask in whole milliseconds, or read the events: leave pushdown out."
                )
            interval.set("this", exp.Literal.string(f"{int(number) / _BELOW[unit]:.3f}"))
            interval.set("unit", exp.Var(this="SECOND"))


_LENGTH = {
    "postgres": "CAST(EXTRACT(EPOCH FROM cj_late - cj_early) * 1000000 AS BIGINT)",
    "bigquery": "DATETIME_DIFF(cj_late, cj_early, MICROSECOND)",
    "trino": "CAST(ROUND((TO_UNIXTIME(WITH_TIMEZONE(cj_late, 'UTC')) - TO_UNIXTIME(WITH_TIMEZONE(cj_early, 'UTC'))) * 1000000) AS BIGINT)",
}
"""Whole microseconds between two times, where another function than elsewhere counts them; Trino's own stops at milliseconds."""


def _lengths(tree: exp.Expr, dialect: str) -> None:
    import sqlglot
    from sqlglot import exp

    if dialect not in _LENGTH:
        return
    for between in list(tree.find_all(exp.DateDiff)):
        held = {"cj_late": between.this, "cj_early": between.expression}
        written = sqlglot.parse_one(_LENGTH[dialect], read=dialect)
        between.replace(
            written.transform(
                lambda node, held=held: (
                    held[node.name].copy() if node.key == "column" and node.name in held else node
                )
            )
        )


def _texts_by_their_bytes(tree: exp.Expr) -> None:
    """PostgreSQL alone sorts texts by the habits of a language unless it is told not to: ties would be broken another way."""
    from sqlglot import exp

    for cast in list(tree.find_all(exp.Cast)):
        if cast.to.this in (exp.DType.VARCHAR, exp.DType.TEXT):
            cast.replace(
                exp.Collate(this=cast.copy(), expression=exp.to_identifier("C", quoted=True))
            )


def _nothing_beyond_the_edge(tree: exp.Expr) -> None:
    """ClickHouse gives zero for the row before the first where a column has no room for a null."""
    from sqlglot import exp

    for beside in list(tree.find_all(exp.Lag, exp.Lead)):
        beside.set("this", exp.Anonymous(this="toNullable", expressions=[beside.this.copy()]))


_BELOW = {"MILLISECOND": 1_000, "MICROSECOND": 1_000_000}


_LISTS = ("postgres", "spark", "databricks")
"""Where rows are listed by VALUES as here."""


def _as_function(values: exp.Expr) -> exp.Expr:
    """ClickHouse lists rows by a function that is told their types: a third of the text of SELECTs, which it reads 256 kB of."""
    from sqlglot import exp

    alias = values.args["alias"]
    times = [isinstance(value, exp.Cast) for value in values.expressions[0].expressions]
    kinds = (
        f"{column.name} {_EXACT['clickhouse'] if time else 'Int64'}"
        for column, time in zip(alias.columns, times, strict=True)
    )
    rows = [
        exp.Tuple(expressions=[_bare(value) for value in row.expressions])
        for row in values.expressions
    ]
    function = exp.Anonymous(
        this="values", expressions=[exp.Literal.string(", ".join(kinds)), *rows]
    )
    return exp.Table(this=function, alias=exp.TableAlias(this=alias.this.copy()))


def _bare(value: exp.Expr) -> exp.Expr:
    """A number as it is; a time as text without digits that say nothing."""
    from sqlglot import exp

    return (
        exp.Literal.string(pd.Timestamp(value.this.name).isoformat(sep=" "))
        if isinstance(value, exp.Cast)
        else value.copy()
    )


def _as_selects(values: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    alias = values.args["alias"]
    names = [column.name for column in alias.columns]
    selects = [
        exp.select(
            *[
                exp.alias_(value.copy(), name)
                for value, name in zip(row.expressions, names, strict=True)
            ]
        )
        for row in values.expressions
    ]
    together: exp.Expr = selects[0]
    for select in selects[1:]:
        together = exp.Union(this=together, expression=select, distinct=False)
    return exp.Subquery(this=together, alias=exp.TableAlias(this=alias.this.copy()))


def _with(tree: exp.Expr, contract: exp.Expr) -> None:
    from sqlglot import exp

    # A statement of several SELECTs keeps its WITH at the first; it belongs to the whole.
    held = tree
    while "with_" not in held.args and isinstance(held, exp.Union):
        held = held.this
    named = exp.CTE(this=contract.copy(), alias=exp.TableAlias(this=exp.to_identifier(_EVENTS)))
    given = held.args.get("with_")
    tables = [named, *(given.expressions if given else [])]
    if given is not None:
        held.set("with_", None)
    tree.set("with_", exp.With(expressions=tables))

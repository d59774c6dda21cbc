"""Statements for engines that no test can run: kept as they are written, and checked for the constructs known to go wrong there.

`CJ_WRITE_GOLDEN=1` writes the kept statements anew: read what has changed, as nobody runs it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import sqlglot
from conftest import toy_events
from sqlglot import exp

import cjlib as cj
from cjlib.analyses.funnel.options import question
from cjlib.analyses.funnel.sql import Timed
from cjlib.analyses.paths.pushdown import pairs_sql, rows_sql
from cjlib.analyses.survival.count import days_sql
from cjlib.sources.connect.database import relation_of
from cjlib.sources.connect.remote import table_named
from cjlib.sources.pushdown.dialects import COMPILED, check_dialect, contract_of, written
from engines.test_pushdown import FUNNELS, RETENTIONS, UNASKED
from engines.test_reading_engines import made

CONTRACT = (
    'SELECT customer_id, event, timestamp, channel FROM (SELECT "who" AS customer_id, "event" AS event, "ts" AS timestamp, "channel" AS channel '
    "FROM cj_source) AS given"
)
GOLDEN = Path(__file__).parent / "golden"
HOUR = 3_600_000_000

_written: dict[str, dict[str, str]] = {}
"""Each engine's texts, made once."""


@pytest.fixture(scope="module")
def statements() -> dict[str, str]:
    """A statement of each kind, and of every way of writing one."""
    log = cj.read_events(made())
    asked = {
        f"funnel {name}": cj.funnel(log, FUNNELS[name][0], **FUNNELS[name][1]).sql
        for name in ("one step", "milliseconds", "microseconds", "held")
    }
    asked |= {
        f"retention {name}": cj.retention(log, **RETENTIONS[name]).sql
        for name in ("twice", "first time", "by two")
    }
    return asked | kept(log)


def kept(log: cj.EventLog) -> dict[str, str]:
    """The statements that are kept as they are written."""
    whole = {**UNASKED, "entry": "best", "by": "channel", "by_value": "last", "min_n": 30}
    lives = cj.survival(log, inactive="36h").sql
    return {
        "timed funnel": Timed(
            log, question(log, ["view", "cart", "view"], **whole, window="3D")
        ).text(),
        "transitions": pairs_sql(log, 3 * HOUR, ("channel",)),
        "sessions": rows_sql(log, 5 * HOUR),
        "days of lives": days_sql(log, lives),
        "lifecycle": cj.lifecycle(log, period="week").sql,
        "retention": cj.retention(log, periods=3).sql,
    }


def texts(statements: dict[str, str], dialect: str) -> dict[str, str]:
    if dialect in _written:
        return _written[dialect]
    contract = contract_of(CONTRACT, table_named("shop", "events of 2024"), dialect, ["ts"])
    sql = {
        name: one
        for name, one in statements.items()
        if not (dialect == "trino" and name == "funnel microseconds")
    }
    return _written.setdefault(
        dialect, {name: written(one, dialect, contract) for name, one in sql.items()}
    )


@pytest.mark.parametrize("dialect", COMPILED)
def test_statements_are_written_as_they_were_read_by_a_person(dialect):
    log = cj.read_events(made(400).drop(columns=["value", "visits", "member"]))
    contract = contract_of(CONTRACT, table_named("shop", "events of 2024"), dialect, ["ts"])
    now = {
        name: re.sub(r"\), (?=[\"`]?\w+[\"`]? AS \()", "),\n", written(sql, dialect, contract))
        for name, sql in kept(log).items()
    }
    path = GOLDEN / f"{dialect}.sql"
    if os.environ.get("CJ_WRITE_GOLDEN"):
        path.write_text(
            "\n\n".join(f"-- {name}\n{text};" for name, text in now.items()) + "\n",
            encoding="utf-8",
        )
    assert (
        dict(
            re.findall(r"^-- (.*)\n([^;]*);$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        )
        == now
    )


FORBIDDEN = (
    exp.Median,
    exp.PercentileCont,
    exp.DateTrunc,
    exp.TimestampTrunc,
    exp.Filter,
    exp.Qualify,
    exp.IntDiv,
    exp.UnixSeconds,
)
LENGTHS = (exp.DateDiff, exp.DatetimeDiff, exp.TimestampDiff, exp.TsOrDsDiff)


@pytest.mark.parametrize("dialect", COMPILED)
def test_what_goes_wrong_elsewhere_is_not_written(statements, dialect):
    for name, text in texts(statements, dialect).items():
        tree = sqlglot.parse_one(text, read=dialect)
        windows = list(tree.find_all(exp.Window))
        assert windows or "one step" in name
        assert not list(tree.find_all(*FORBIDDEN)), name
        assert dialect == "databricks" or not list(tree.find_all(exp.Values)), name
        assert not [
            one
            for one in tree.find_all(exp.Ordered)
            if re.search(r"NULLS (FIRST|LAST)", one.sql(dialect))
        ], name
        for window in (one for one in windows if one.args.get("order")):
            # Redshift wants a frame of every sum over an order, and nobody takes one of the others.
            assert bool(window.args.get("spec")) == isinstance(
                window.this, exp.AggFunc
            ) - isinstance(window.this, exp.Lag | exp.Lead), (
                name,
                window.sql(dialect),
            )
        for most in tree.find_all(exp.Greatest):
            assert all(
                isinstance(one, exp.Coalesce | exp.Literal)
                for one in (most.this, *most.expressions)
            ), name
        for length in tree.find_all(*LENGTHS):
            assert dialect != "trino", "its own stops at milliseconds"
            assert str(length.args["unit"]).upper() == "MICROSECOND", name
        assert "events" not in {table.name for table in tree.find_all(exp.Table)}


def test_a_statement_longer_than_an_engine_reads_is_refused():
    contract = contract_of(CONTRACT, table_named("t"), "clickhouse", [])
    rows = ", ".join(
        f"({number}, CAST('2024-01-01 00:00:00.000000' AS TIMESTAMP))" for number in range(20_000)
    )
    for sql in (
        f"SELECT event FROM events WHERE event = '{'x' * 270_000}'",
        f"SELECT period FROM (VALUES {rows}) AS listed (period, label)",
    ):
        with pytest.raises(
            cj.CjlibError,
            match=r"pushdown: the statement has more than 260 kB, the most that ClickHouse reads: .* leave pushdown out\.",
        ):
            written(sql, "clickhouse", contract)
    assert (
        len(
            written(
                f"SELECT event FROM events WHERE event = '{'x' * 270_000}'", "postgres", contract
            )
        )
        > 270_000
    )


@pytest.mark.parametrize(
    ("dialect", "has", "hasnot"),
    [
        (
            "bigquery",
            [
                r"DATETIME\(`ts`, 'UTC'\)",
                r"INTERVAL 3 DAY|INTERVAL \d+ SECOND",
                r"FROM `shop`\.`events of 2024`",
            ],
            [r"INTERVAL '\d", r"\bTIMESTAMP\)"],
        ),
        (
            "snowflake",
            [r"CONVERT_TIMEZONE\('UTC', \"ts\"\)", r"INTERVAL '\d+ SECOND'"],
            [r"TIMESTAMP_?LTZ"],
        ),
        (
            "trino",
            [
                r"CAST\(AT_TIMEZONE\(\"ts\", 'UTC'\) AS TIMESTAMP\(6\)\)",
                r"AS TIMESTAMP\(6\)\)",
                r"INTERVAL '1200\.500' SECOND",
            ],
            [r"AS TIMESTAMP\)", "MILLISECOND"],
        ),
        ("redshift", [r"\"ts\" AT TIME ZONE 'UTC'", r"INTERVAL '\d+ SECOND'"], []),
        ("databricks", [r"TIMESTAMP_NTZ", r"INTERVAL '\d+' SECOND", r"`events of 2024`"], []),
    ],
)
def test_each_engine_gets_its_own_times(statements, dialect, has, hasnot):
    together = "\n".join(texts(statements, dialect).values())
    for pattern in has:
        assert re.search(pattern, together), pattern
    for pattern in hasnot:
        assert not re.search(pattern, together), pattern


@pytest.mark.parametrize("dialect", [*COMPILED, "postgres", "spark", "clickhouse"])
def test_hostile_names_stay_values(dialect):
    hostile = [
        "'; DROP TABLE events; --",
        "back\\slash\\'",
        'say "it" `now`',
        "100% :here",
        "line\nbreak",
    ]
    log = cj.read_events(toy_events("u: A@0h B@1h"))
    text = written(
        cj.funnel(log, hostile, window="1D").sql,
        dialect,
        contract_of(CONTRACT, table_named("e\"v`e'nts"), dialect, []),
    )
    found = {
        literal.this
        for literal in sqlglot.parse_one(text, read=dialect).find_all(exp.Literal)
        if literal.is_string
    }
    assert set(hostile) <= found
    assert len(sqlglot.parse(text, read=dialect)) == 1


def test_microseconds_that_trino_would_lose_are_refused(statements):
    with pytest.raises(
        cj.CjlibError,
        match=r"pushdown: Trino cannot add 1200000001 microseconds. Ask in whole milliseconds",
    ):
        written(statements["funnel microseconds"], "trino", sqlglot.parse_one("SELECT 1"))


def test_a_statement_that_is_no_sql_is_refused_in_words():
    for sql in ("SELECT (event FROM events", "SELECT " + "(" * 3_000 + "1" + ")" * 3_000):
        with pytest.raises(
            cj.CjlibError,
            match=r"log\.run: the statement cannot be written for spark: .*\. Keep to what every engine knows, or fetch",
        ):
            written(sql, "spark", sqlglot.parse_one("SELECT 1"))


def test_an_engine_without_a_writer_is_refused():
    with pytest.raises(
        cj.CjlibError,
        match=r"pushdown: statements are written for 'bigquery', .*; the shop is sqlite. Read its events instead",
    ):
        check_dialect("sqlite", "the shop")


def test_a_database_that_keeps_capitals_is_asked_for_capitals():
    oracle = pytest.importorskip(
        "sqlalchemy.dialects.oracle", reason="the extra engines is not installed"
    )
    relation = relation_of(["shop", "events"], ["who", "event", "Seen At"], oracle.dialect())
    assert (
        relation.sql("snowflake")
        == '(SELECT "WHO" AS "who", "EVENT" AS "event", "Seen At" AS "Seen At" FROM "SHOP"."EVENTS")'
    )
    contract = contract_of(
        'SELECT "who" AS customer_id, "event", "Seen At" AS "timestamp" FROM cj_source',
        relation,
        "snowflake",
        [],
    )
    text = written(
        'SELECT event, COUNT(*) AS n FROM events GROUP BY "event"', "snowflake", contract
    )
    assert f'FROM {relation.sql("snowflake")} AS "cj_source"' in text
    assert not re.search(r'(?<!")\b[a-z_]+\b(?!")', re.sub(r'"[^"]*"', "", text)), (
        "every name is quoted"
    )

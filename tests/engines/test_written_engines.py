"""Statements for engines that no test can run, checked for the constructs known to go wrong there."""

from __future__ import annotations

import re

import pytest
import sqlglot
from conftest import toy_events
from sqlglot import exp

import cjlib as cj
from cjlib.sources.warehouse import table_named
from cjlib.sources.warehouse.opening import contract_of
from cjlib.sources.warehouse.writing import COMPILED, check_dialect, written
from engines.test_pushdown import FUNNELS, RETENTIONS
from engines.test_reading_engines import made

CONTRACT = 'SELECT customer_id, event, timestamp FROM (SELECT "who" AS customer_id, "event" AS event, "ts" AS timestamp FROM cj_source) AS given'


_written: dict[str, dict[str, str]] = {}
"""Each engine's texts, made once."""


@pytest.fixture(scope="module")
def statements() -> dict[str, str]:
    """The statements of every question of the other test."""
    log = cj.read_events(made())
    asked = {f"funnel {name}": cj.funnel(log, steps, **options).sql for name, (steps, options) in FUNNELS.items()}
    return asked | {f"retention {name}": cj.retention(log, **options).sql for name, options in RETENTIONS.items()}


def texts(statements: dict[str, str], dialect: str) -> dict[str, str]:
    if dialect in _written:
        return _written[dialect]
    contract = contract_of(CONTRACT, table_named("shop", "events of 2024"), dialect, ["ts"])
    sql = {name: one for name, one in statements.items() if not (dialect == "trino" and name == "funnel microseconds")}
    return _written.setdefault(dialect, {name: written(one, dialect, contract) for name, one in sql.items()})


@pytest.mark.parametrize("dialect", COMPILED)
def test_what_goes_wrong_elsewhere_is_not_written(statements, dialect):
    for name, text in texts(statements, dialect).items():
        tree = sqlglot.parse_one(text, read=dialect)
        assert tree.find(exp.Window) or "one step" in name
        forbidden = (
            exp.Median,
            exp.PercentileCont,
            exp.DateTrunc,
            exp.TimestampTrunc,
            exp.Filter,
            exp.Qualify,
            exp.IntDiv,
            exp.UnixSeconds,
            exp.Values,
        )
        assert not list(tree.find_all(*forbidden)), name
        windows = [one for one in tree.find_all(exp.Window) if one.args.get("order")]
        assert all(not re.search(r"NULLS (FIRST|LAST)", one.sql(dialect)) for one in windows), name
        assert '"events"' not in text
        assert not re.search(r"\bFROM events\b", text)


@pytest.mark.parametrize(
    ("dialect", "has", "hasnot"),
    [
        (
            "bigquery",
            [r"DATETIME\(`ts`, 'UTC'\)", r"INTERVAL 3 DAY|INTERVAL \d+ SECOND", r"FROM `shop`\.`events of 2024`"],
            [r"INTERVAL '\d", r"\bTIMESTAMP\)"],
        ),
        ("snowflake", [r"CONVERT_TIMEZONE\('UTC', \"ts\"\)", r"INTERVAL '\d+ SECOND'"], [r"TIMESTAMP_?LTZ"]),
        (
            "trino",
            [r"CAST\(AT_TIMEZONE\(\"ts\", 'UTC'\) AS TIMESTAMP\(6\)\)", r"AS TIMESTAMP\(6\)\)", r"INTERVAL '1200\.500' SECOND"],
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
    hostile = ["'; DROP TABLE events; --", "back\\slash\\'", 'say "it" `now`', "100 % :here", "line\nbreak"]
    log = cj.read_events(toy_events("u: A@0h B@1h"))
    text = written(cj.funnel(log, hostile, window="1D").sql, dialect, contract_of(CONTRACT, table_named("e\"v`e'nts"), dialect, []))
    found = {literal.this for literal in sqlglot.parse_one(text, read=dialect).find_all(exp.Literal) if literal.is_string}
    assert set(hostile) <= found
    assert len(sqlglot.parse(text, read=dialect)) == 1


def test_microseconds_that_trino_would_lose_are_refused(statements):
    with pytest.raises(cj.CjlibError, match=r"pushdown: Trino cannot add 1200000001 microseconds. Ask in whole milliseconds"):
        written(statements["funnel microseconds"], "trino", sqlglot.parse_one("SELECT 1"))


def test_an_engine_without_a_writer_is_refused():
    with pytest.raises(cj.CjlibError, match=r"pushdown: statements are written for 'bigquery', .*; the shop is sqlite. Read its events instead"):
        check_dialect("sqlite", "the shop")

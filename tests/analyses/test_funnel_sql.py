"""The statement behind a funnel: the same counts on DuckDB, and text that other engines' writers accept."""

from __future__ import annotations

import pandas as pd
import pytest
import sqlglot
from conftest import toy_events
from sqlglot import exp

import cjlib as cj

TEXT = "u: A@0min(web) B@30min(app) A@40min(app) C@80min(app) | v: A@0min(app) A@0min(web) B@0min(web) | w: B@0min A@5min C@90min | x: A@3D B@4D"
ENGINES = ["postgres", "spark", "clickhouse", "snowflake", "trino", "bigquery"]
QUESTIONS = {
    "plain": (["A", "B", "C"], {"window": "1h"}),
    "no window": (["A", "B", "C"], {"window": None}),
    "one step": (["A"], {"window": "1h"}),
    "repeats": (["A", "B", "A"], {"window": "90min"}),
    "overlapping lists": ([["A", "B"], ["B", "C"], "C"], {"window": "1D"}),
    "any event": (["A", None, None], {"window": "1D"}),
    "milliseconds": (["A", "B"], {"window": "1800000ms"}),
    "microseconds": (["A", "B"], {"window": "1800000001us"}),
    "where": (
        [
            cj.Step("A", where={"channel": {"not": "web"}}),
            cj.Step(None, where={"channel": {"contains": "AP"}}),
        ],
        {"window": "1D"},
    ),
    "first time": (
        [
            cj.Step("A", first_time=True),
            cj.Step("A", where={"channel": "app"}, first_time="event"),
            "C",
        ],
        {"window": "1D"},
    ),
    "range": (["A", "B"], {"window": "1h", "start": "2024-01-01 00:10", "end": "2024-01-03"}),
    "closed": (["A", "B"], {"window": "1D", "entrants": "closed"}),
    "first": (["A", "B", "C"], {"window": "1h", "entry": "first"}),
    "held": (["A", "B", "C"], {"window": "1h", "hold": "channel"}),
    "first held": (["A", "C"], {"window": "1h", "hold": "channel", "entry": "first"}),
}


@pytest.fixture(scope="module")
def log() -> cj.EventLog:
    return cj.read_events(toy_events(TEXT))


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_statement_gives_the_same_counts(log: cj.EventLog, name: str) -> None:
    steps, options = QUESTIONS[name]
    for part in (log, log.where(channel={"not": "email"}), log.where(start="2024-01-01 00:05")):
        funnel = cj.funnel(part, steps, **options)
        assert funnel.definition["sql"] == "the statement gives the same `customers` by step"
        assert part.run(funnel.sql).to_dict("list") == funnel.table[["step", "customers"]].to_dict(
            "list"
        )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", QUESTIONS)
def test_the_statement_can_be_written_for_other_engines(
    log: cj.EventLog, name: str, engine: str
) -> None:
    steps, options = QUESTIONS[name]
    tree = sqlglot.parse_one(cj.funnel(log, steps, **options).sql, read="duckdb")
    for ordered in tree.find_all(exp.Ordered):
        # BigQuery cannot be told where nulls go inside a window; an instant is never null, so its own default does.
        ordered.set("nulls_first", engine == "bigquery")
    written = tree.sql(engine, unsupported_level=sqlglot.ErrorLevel.RAISE)
    assert sqlglot.parse_one(written, read=engine).find(exp.Window) or name == "one step"


def test_groups_that_run_separately_have_their_rows(log: cj.EventLog) -> None:
    funnel = cj.funnel(log, ["A", "B"], window="1h", by="channel", by_value="all")
    stated = log.run(funnel.sql)
    assert stated[["channel", "step", "customers"]].astype(object).where(stated.notna(), None).to_numpy().tolist() == [
        ["app", 1, 2], ["app", 2, 0], ["web", 1, 2], ["web", 2, 1], [None, 1, 2], [None, 2, 0],
    ]  # fmt: skip


def test_a_statement_that_gives_less_says_so(log: cj.EventLog) -> None:
    together = cj.funnel(log, ["A", "B"], window="1h", by="channel")
    assert (
        together.definition["sql"]
        == "the statement gives `customers` by step, all customers together"
    )
    assert (
        log.run(together.sql)["customers"].tolist()
        == together.table.groupby("step")["customers"].sum().tolist()
    )
    less = cj.funnel(
        log, ["A", "B"], window="1h", order="strict", exclude=cj.Exclude("C"), by="channel"
    )
    assert less.definition["sql"] == (
        "the statement leaves out order='strict', the exclusions: it counts the same steps in sequence, all customers together, so its counts differ"
    )
    assert (
        log.run(less.sql)["customers"].tolist()
        == cj.funnel(log, ["A", "B"], window="1h").table["customers"].tolist()
    )


def test_steps_that_overlap_too_much_for_a_readable_statement_have_none(log: cj.EventLog) -> None:
    steps = [cj.Step(None, where={"channel": {"contains": letter}}) for letter in "abcdefghi"]
    funnel = cj.funnel(log, steps, window="1h")
    assert (funnel.sql, funnel.definition["sql"]) == (
        "",
        "none: too many steps overlap with one another for one readable statement",
    )


def test_steps_that_ask_for_different_values_do_not_overlap(log: cj.EventLog) -> None:
    steps = [cj.Step("A", where={"channel": [letter, letter.upper()]}) for letter in "abcdefghi"]
    assert cj.funnel(log, steps, window="1h").sql.count("SUM(s") == 9


def test_columns_of_the_customers_table_stand_in_the_statement() -> None:
    held = cj.read_events(
        toy_events(TEXT),
        customers=pd.DataFrame({"customer_id": ["u", "v", "w"], "country": ["DE", "FR", "DE"]}),
    )
    funnel = cj.funnel(
        held, [cj.Step("A", where={"country": "DE"}), "C"], window="2h", hold="country"
    )
    assert (
        held.run(funnel.sql)["customers"].tolist() == funnel.table["customers"].tolist() == [2, 2]
    )


def test_times_before_1900_are_times_like_others() -> None:
    frame = pd.DataFrame(
        {
            "customer_id": ["u", "u"],
            "event": ["A", "B"],
            "timestamp": pd.to_datetime(["1880-01-01", "1880-01-02"]).as_unit("us"),
        }
    )
    held = cj.read_events(frame)
    funnel = cj.funnel(held, ["A", "B"], window="2D")
    assert (
        held.run(funnel.sql)["customers"].tolist() == funnel.table["customers"].tolist() == [1, 1]
    )

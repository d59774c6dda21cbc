"""What is counted in another engine equals what is counted here, to the last digit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conformance import cases, events_of, step_of

import cjlib as cj
from cjlib.analyses.funnel.pushed import TIMES
from engines.test_reading_engines import made

FUNNELS = {
    "three steps": (["view", "cart", "buy"], {"window": "3D"}),
    "no window": (["view", "cart", "buy"], {"window": None}),
    "one step": (["buy"], {"window": "1D"}),
    "a name twice": (["view", "cart", "view"], {"window": "2D"}),
    "lists that overlap": ([["view", "cart"], ["cart", "buy"], "buy"], {"window": "90min"}),
    "hostile names": (["'; DROP TABLE events; --", 'say "100%" \\ :now', "ключ"], {"window": "10D"}),
    "never": (["view", "never"], {"window": "1D"}),
    "conditions": (
        [cj.Step("view", where={"channel": {"not": "web"}}), cj.Step(None, where={"value": {"min": 10.5}, "member": True})],
        {"window": "5D"},
    ),
    "texts and times": (
        [cj.Step("view", where={"channel": {"contains": "PP"}}), cj.Step("buy", where={"timestamp": {"min": "2024-03-01 12:00"}, "visits": [1, 2]})],
        {"window": "30D"},
    ),
    "first times": ([cj.Step("view", first_time=True), cj.Step("buy", where={"channel": "app"}, first_time="event")], {"window": "30D"}),
    "a range": (["view", "buy"], {"window": "1D", "start": "2024-03-01", "end": "2024-03-20"}),
    "closed": (["view", "buy"], {"window": "7D", "entrants": "closed"}),
    "first entry": (["view", "cart", "buy"], {"window": "3D", "entry": "first"}),
    "held": (["view", "cart", "buy"], {"window": "9D", "hold": "channel"}),
    "milliseconds": (["view", "cart"], {"window": "1200500ms"}),
    "microseconds": (["view", "cart"], {"window": "1200000001us"}),
}
RETENTIONS = {
    "weeks": {},
    "days": {"period": "day", "periods": 40},
    "months": {"period": "month", "periods": 2, "start_event": "view", "return_event": ["buy", "cart"]},
    "sunday weeks": {"week_start": "sunday", "start_event": "view"},
    "or after": {"mode": "on_or_after", "return_event": "buy"},
    "every": {"mode": "every", "period": "day", "periods": 10},
    "twice": {"min_returns": 2, "period_zero": "returns", "mode": "on_or_after"},
    "in range": {"cohort": "first_in_range", "start": "2024-03-04", "end": "2024-03-20", "start_event": "cart"},
    "first time": {"start_event": cj.Step("view", where={"channel": "web"}, first_time="event"), "return_event": cj.Step("buy", first_time=True)},
    "nobody": {"start_event": "never"},
}


@pytest.fixture(scope="module", params=["postgres", "spark", "clickhouse"])
def pair(request):
    """A log that stays in its engine, and the log of the same rows here."""
    engine, events = request.getfixturevalue(request.param), made()
    zone = {"timezone": "Europe/Berlin"}
    return cj.read_events(**engine.options(events, "pushed"), pushdown=True, **zone), cj.read_events(events, **zone)


def same_funnel(away: cj.Funnel, here: cj.Funnel) -> None:
    pd.testing.assert_frame_equal(away.table.drop(columns=list(TIMES)), here.table.drop(columns=list(TIMES)), check_exact=True)
    assert away.table[list(TIMES)].isna().all(axis=None)
    shared = {name: one for name, one in here.metrics.items() if not name.startswith("median")}
    assert {name: one for name, one in away.metrics.items() if not name.startswith("median")} == shared
    assert (away.headline, away.sql) == (here.headline, here.sql)


def same_retention(away: cj.Retention, here: cj.Retention) -> None:
    for name in ("table", "average", "fixed_average"):
        pd.testing.assert_frame_equal(getattr(away, name), getattr(here, name), check_exact=True)
    assert (away.metrics, away.sql, away.headline_period) == (here.metrics, here.sql, here.headline_period)
    assert here.headline.startswith(away.headline)


def few_on_spark(away: cj.EventLog, name: str, asked: tuple[str, ...]) -> None:
    """Spark takes seconds for what others do in milliseconds: its SQL is the others', so a few questions of each kind are asked of it."""
    if away.held.remote.dialect == "spark" and name not in asked:
        pytest.skip("asked of the other engines")


@pytest.mark.parametrize("name", FUNNELS)
def test_a_funnel_is_counted_alike_where_its_events_lie(pair, name):
    steps, options = FUNNELS[name]
    away, here = pair
    few_on_spark(away, name, ("three steps", "hostile names", "microseconds", "first times", "conditions"))
    same_funnel(cj.funnel(away, steps, **options), cj.funnel(here, steps, **options))


@pytest.mark.parametrize("name", RETENTIONS)
def test_retention_is_counted_alike_where_its_events_lie(pair, name):
    away, here = pair
    few_on_spark(away, name, ("weeks", "months", "first time"))
    same_retention(cj.retention(away, **RETENTIONS[name]), cj.retention(here, **RETENTIONS[name]))


def test_the_facts_of_a_log_are_counted_alike(pair):
    away, here = pair
    assert (away.n_events, away.n_customers, away.span, away.observed_until) == (here.n_events, here.n_customers, here.span, here.observed_until)
    assert (away.event_names, away.columns, away.timezone) == (here.event_names, here.columns, here.timezone)
    pd.testing.assert_frame_equal(away.table(), here.table())
    counts = here.quality[here.quality["check"].isin(away.quality["check"])]
    told = away.quality[away.quality["check"].isin(counts["check"])]
    assert told.set_index("check")["rows"].to_dict() == counts.set_index("check")["rows"].to_dict()
    assert repr(away) == repr(here)


def test_a_log_that_is_cut_is_counted_alike(pair):
    away, here = ((log.where(channel=["web", "app"], start="2024-03-01")).where(end="2024-03-25") for log in pair)
    assert (away.n_events, away.n_customers, away.observed_until) == (here.n_events, here.n_customers, here.observed_until)
    assert away.filters_in_words == here.filters_in_words
    same_funnel(cj.funnel(away, ["view", "buy"], window="2D"), cj.funnel(here, ["view", "buy"], window="2D"))
    same_retention(cj.retention(away, period="day"), cj.retention(here, period="day"))
    fetched = away.read()
    assert fetched.engine.rows(f"FROM {fetched.prepared}") == here.engine.rows(f"FROM {here.prepared}")


def test_what_needs_the_events_says_so(pair):
    away, _ = pair
    for call in (lambda: cj.sessions(away), lambda: cj.paths(away), lambda: away.fetch("row"), lambda: cj.lifecycle(away)):
        with pytest.raises(cj.CjlibError, match=r"log: this needs the events themselves, which lie in .*: log\.read\(\)"):
            call()
    for options, said in (({"order": "strict"}, "order='strict'"), ({"by": "channel"}, "by"), ({"exclude": cj.Exclude("cart")}, "exclude")):
        with pytest.raises(cj.CjlibError, match=rf"log: a funnel with {said} cannot be counted where the events lie"):
            cj.funnel(away, ["view", "buy"], window="1D", **options)
    for options, said in (({"clock": "elapsed"}, "clock='elapsed'"), ({"cohort": "recurring"}, "cohort='recurring'"), ({"by": "channel"}, "by")):
        with pytest.raises(cj.CjlibError, match=rf"log: retention with {said} cannot be counted where the events lie"):
            cj.retention(away, **options)
    with pytest.raises(cj.CjlibError, match="counted where the events lie, without its customers"):
        cj.funnel(away, ["view"], window=None).customers()
    with pytest.raises(cj.CjlibError, match="counted where the events lie, without its customers"):
        cj.retention(away).customers()


@pytest.mark.parametrize("name", ["postgres", "clickhouse"])
def test_a_million_events_full_of_ties_are_counted_alike(request, name, tmp_path):
    engine, rng = request.getfixturevalue(name), np.random.default_rng(1)
    rows = 1_000_000 if name == "clickhouse" else 200_000
    events = pd.DataFrame(
        {
            "customer_id": rng.integers(0, rows // 25, rows),
            "event": pd.Series(rng.choice(["view", "cart", "buy", *(f"other {n}" for n in range(9))], rows), dtype="str"),
            "timestamp": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 2_000, rows), unit="h"),
            "id": np.arange(rows),
        }
    ).astype({"timestamp": "datetime64[us, UTC]"})
    away = cj.read_events(**engine.options(events, "million"), pushdown=True, timezone="America/New_York", only=["id"])
    here = cj.read_events(events, timezone="America/New_York")
    same_funnel(cj.funnel(away, ["view", "cart", "view", "buy"], window="10D"), cj.funnel(here, ["view", "cart", "view", "buy"], window="10D"))
    same_retention(cj.retention(away, return_event="buy"), cj.retention(here, return_event="buy"))


@pytest.mark.parametrize("name", ["postgres", "clickhouse"])
def test_worked_cases_of_other_tools_are_counted_alike(request, name):
    engine, asked = request.getfixturevalue(name), 0
    fit = [case for case in cases("funnel") if case["query"]["order"] == "ordered" and not case["query"]["exclusions"] and case["query"]["steps"]]
    # Opening a log takes longer than counting these few events: every other case on each engine.
    for number, case in enumerate(fit[::2] if name == "postgres" else fit[1::2]):
        query = case["query"]
        events = events_of(case)
        away, here = cj.read_events(**engine.options(events, f"case_{number}"), pushdown=True), cj.read_events(events)
        steps = [step_of(step) for step in query["steps"]]
        same_funnel(cj.funnel(away, steps, window="14D"), cj.funnel(here, steps, window="14D"))
        asked += 1
    if not asked:
        pytest.skip("the worked cases are not on this machine")

"""What is counted in another engine equals what is counted here, to the last digit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conformance import cases, events_of, funnel_of, retention_options

import cjlib as cj
from cjlib.analyses.funnel import pushdown
from cjlib.analyses.funnel.options import question
from cjlib.analyses.funnel.pushdown import TIMES
from engines.servers import Engine
from engines.test_reading_engines import made

FUNNELS = {
    "three steps": (["view", "cart", "buy"], {"window": "3D"}),
    "no window": (["view", "cart", "buy"], {"window": None}),
    "one step": (["buy"], {"window": "1D"}),
    "a name twice": (["view", "cart", "view"], {"window": "2D"}),
    "lists that overlap": ([["view", "cart"], ["cart", "buy"], "buy"], {"window": "90min"}),
    "hostile names": (
        ["'; DROP TABLE events; --", 'say "100%" \\ :now', "ключ"],
        {"window": "10D"},
    ),
    "never": (["view", cj.Step("never", may_be_absent=True)], {"window": "1D"}),
    "conditions": (
        [
            cj.Step("view", where={"channel": {"not": "web"}}),
            cj.Step(None, where={"value": {"min": 10.5}, "member": True}),
        ],
        {"window": "5D"},
    ),
    "texts and times": (
        [
            cj.Step("view", where={"channel": {"contains": "PP"}}),
            cj.Step("buy", where={"timestamp": {"min": "2024-03-01 12:00"}, "visits": [1, 2]}),
        ],
        {"window": "30D"},
    ),
    "first times": (
        [
            cj.Step("view", first_time=True),
            cj.Step("buy", where={"channel": "app"}, first_time="event"),
        ],
        {"window": "30D"},
    ),
    "a range": (["view", "buy"], {"window": "1D", "start": "2024-03-01", "end": "2024-03-20"}),
    "closed": (["view", "buy"], {"window": "7D", "entrants": "closed"}),
    "first entry": (["view", "cart", "buy"], {"window": "3D", "entry": "first"}),
    "held": (["view", "cart", "buy"], {"window": "9D", "hold": "channel"}),
    "milliseconds": (["view", "cart"], {"window": "1200500ms"}),
    "microseconds": (["view", "cart"], {"window": "1200000001us"}),
    "reentry": (["view", "cart", "view", "buy"], {"window": "2D", "entry": "reentry"}),
    "first entry again": (["view", "cart", "view"], {"window": "4D", "entry": "first"}),
    "by first": (["view", "cart", "buy"], {"window": "3D", "by": "channel"}),
    "by last": (["view", "cart", "view"], {"window": "3D", "by": "channel", "by_value": "last"}),
    "hostile names by last": (
        ["'; DROP TABLE events; --", 'say "100%" \\ :now'],
        {"window": "10D", "by": "channel", "by_value": "last"},
    ),
    "by step": (["view", "cart", "buy"], {"window": "3D", "by": "visits", "by_value": "step_2"}),
    "by all": (
        ["view", "cart", "buy"],
        {"window": "3D", "by": ["channel", "member"], "by_value": "all"},
    ),
}
RETENTIONS = {
    "weeks": {},
    "days": {"period": "day", "periods": 40},
    "months": {
        "period": "month",
        "periods": 2,
        "start_event": "view",
        "return_event": ["buy", "cart"],
    },
    "sunday weeks": {"week_start": "sunday", "start_event": "view"},
    "or after": {"mode": "on_or_after", "return_event": "buy"},
    "every": {"mode": "every", "period": "day", "periods": 10},
    "twice": {"min_returns": 2, "period_zero": "returns", "mode": "on_or_after"},
    "in range": {
        "cohort": "first_in_range",
        "start": "2024-03-04",
        "end": "2024-03-20",
        "start_event": "cart",
    },
    "first time": {
        "start_event": cj.Step("view", where={"channel": "web"}, first_time="event"),
        "return_event": cj.Step("buy", first_time=True),
    },
    "nobody": {"start_event": "never"},
    "by": {"by": "channel"},
    "by two": {"by": ["visits", "member"], "period": "day", "periods": 5, "mode": "every"},
    "by nobody": {"by": "channel", "start_event": "never"},
}
OTHERS = {
    "transitions": cj.transitions,
    "transitions within sessions": lambda log: cj.transitions(log, session_gap="3h", by="visits"),
    "transitions by two": lambda log: cj.transitions(log, by=["channel", "member"]),
    "sessions": lambda log: cj.sessions(log, gap="5h"),
    "lifecycle": lambda log: cj.lifecycle(log, period="week"),
    "lifecycle of an event": lambda log: cj.lifecycle(log, event=cj.Step("view", first_time=True)),
    "lifecycle of nobody": lambda log: cj.lifecycle(log, event="never"),
    "survival": lambda log: cj.survival(log, churn_event="buy", start_event="view"),
    "survival of silence": lambda log: cj.survival(
        log, inactive="36h", start="2024-03-01", end="2024-03-20"
    ),
    "survival of nobody": lambda log: cj.survival(log, churn_event="buy", start_event="never"),
}


SOME = {
    "postgres": {
        "funnel": (
            "hostile names by last",
            "first times",
            "texts and times",
            "microseconds",
            "lists that overlap",
            "held",
            "by all",
        ),
        "retention": ("twice", "first time", "by two"),
        "other": ("transitions within sessions", "sessions", "lifecycle", "survival of silence"),
    },
    "spark": {
        "funnel": ("hostile names by last",),
        "retention": ("by",),
        "other": ("transitions within sessions", "sessions", "survival of silence"),
    },
}
"""What is asked of engines that take longer: a few questions of each kind, since they get the same text in their own words."""
ALIKE = {
    "three steps",
    "no window",
    "a range",
    "milliseconds",
    "first entry",
    "by first",
    "hostile names",
    "weeks",
    "days",
    "sunday weeks",
    "transitions",
}
"""What others ask too, in other words."""
EVERYTHING = os.environ.get("CJ_TEST_ENGINES") == "all"
"""Whether all is asked of every engine, which takes minutes."""


def asked(kind: str, questions: dict[str, Any]) -> pytest.MarkDecorator:
    """ClickHouse, which is fastest, is asked most."""
    most = [name for name in questions if name not in ALIKE]
    names = {
        engine: list(questions) if EVERYTHING else SOME.get(engine, {kind: most})[kind]
        for engine in ("postgres", "spark", "clickhouse")
    }
    pairs = [(engine, name) for engine, those in names.items() for name in those]
    return pytest.mark.parametrize(("away", "name"), pairs, indirect=["away"], scope="module")


@pytest.fixture(scope="module", params=["postgres", "spark", "clickhouse"])
def away(request):
    """A log that stays in its engine."""
    engine = request.getfixturevalue(request.param)
    with interpreted(engine):
        yield cj.read_events(
            **engine.options(made(), "pushed"), pushdown=True, timezone="Europe/Berlin"
        )


@contextmanager
def interpreted(engine: Engine) -> Iterator[None]:
    """Spark without compiling its expressions, which costs more than it saves for a few thousand rows (its catalogue cannot do without)."""
    if engine.name != "spark":
        yield
        return
    engine.source.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    yield
    engine.source.conf.unset("spark.sql.codegen.factoryMode")


@cache
def here() -> cj.EventLog:
    """The log of the same rows here."""
    return cj.read_events(made(), timezone="Europe/Berlin")


@cache
def funnel_here(name: str) -> cj.Funnel:
    steps, options = FUNNELS[name]
    return cj.funnel(here(), steps, **options)


@cache
def retention_here(name: str) -> cj.Retention:
    return cj.retention(here(), **RETENTIONS[name])


@cache
def other_here(name: str) -> cj.Result:
    return OTHERS[name](here())


def same_funnel(away: cj.Funnel, here: cj.Funnel, *, times: bool = True) -> None:
    lacks = [] if times else list(TIMES)
    pd.testing.assert_frame_equal(
        away.table.drop(columns=lacks), here.table.drop(columns=lacks), check_exact=True
    )
    assert away.table[lacks].isna().all(axis=None)
    shared = {
        name: repr(one)
        for name, one in here.metrics.items()
        if times or not name.startswith("median")
    }
    assert {name: repr(one) for name, one in away.metrics.items() if name in shared} == shared
    pd.testing.assert_frame_equal(away.comparisons, here.comparisons, check_exact=True)
    assert (away.headline, away.sql) == (here.headline, here.sql)


def same_retention(away: cj.Retention, here: cj.Retention) -> None:
    for name in ("table", "average", "fixed_average", "comparisons"):
        pd.testing.assert_frame_equal(getattr(away, name), getattr(here, name), check_exact=True)
    assert (away.metrics, away.sql, away.headline_period) == (
        here.metrics,
        here.sql,
        here.headline_period,
    )
    assert here.headline.startswith(away.headline)


def same_other(away: cj.Result, here: cj.Result) -> None:
    for name, one in vars(here).items():
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(getattr(away, name), one, check_exact=True)
    assert repr(away.metrics) == repr(here.metrics)
    assert (away.headline, away.sql) == (here.headline, here.sql)
    own = ("counted", "left out")
    said, expected = (
        {name: words for name, words in one.definition.items() if name not in own}
        for one in (away, here)
    )
    assert said == expected


@asked("funnel", FUNNELS)
def test_a_funnel_is_counted_alike_where_its_events_lie(away, name):
    steps, options = FUNNELS[name]
    same_funnel(cj.funnel(away, steps, **options), funnel_here(name), times="hold" not in options)


@asked("retention", RETENTIONS)
def test_retention_is_counted_alike_where_its_events_lie(away, name):
    same_retention(cj.retention(away, **RETENTIONS[name]), retention_here(name))


@asked("other", OTHERS)
def test_sessions_transitions_lifecycle_and_survival_are_counted_alike_where_the_events_lie(
    away, name
):
    same_other(OTHERS[name](away), other_here(name))


def test_the_facts_of_a_log_are_counted_alike(away):
    log = here()
    assert (away.n_events, away.n_customers, away.span, away.observed_until) == (
        log.n_events,
        log.n_customers,
        log.span,
        log.observed_until,
    )
    assert (away.event_names, away.columns, away.timezone) == (
        log.event_names,
        log.columns,
        log.timezone,
    )
    pd.testing.assert_frame_equal(away.table(), log.table())
    counts = log.quality[log.quality["check"].isin(away.quality["check"])]
    told = away.quality[away.quality["check"].isin(counts["check"])]
    assert told.set_index("check")["rows"].to_dict() == counts.set_index("check")["rows"].to_dict()
    assert repr(away) == repr(log)


@pytest.mark.parametrize(
    "away",
    ["postgres", "spark", "clickhouse"] if EVERYTHING else ["postgres", "clickhouse"],
    indirect=True,
    scope="module",
)
def test_a_log_that_is_cut_is_counted_alike(away):
    cut, log = (
        (one.where(channel=["web", "app"], start="2024-03-01")).where(end="2024-03-25")
        for one in (away, here())
    )
    assert (cut.n_events, cut.n_customers, cut.observed_until) == (
        log.n_events,
        log.n_customers,
        log.observed_until,
    )
    assert cut.filters_in_words == log.filters_in_words
    same_retention(
        cj.retention(cut, period="day", periods=3), cj.retention(log, period="day", periods=3)
    )
    fetched = cut.read()
    assert fetched.engine.rows(f"FROM {fetched.prepared}") == log.engine.rows(
        f"FROM {log.prepared}"
    )


@pytest.mark.parametrize("away", ["clickhouse"], indirect=True, scope="module")
def test_what_needs_the_events_says_so(away):
    for call in (
        lambda: cj.paths(away),
        lambda: away.fetch("row"),
        lambda: cj.attribution(away, conversion="buy"),
    ):
        with pytest.raises(
            cj.CjlibError,
            match=r"log: this needs the events themselves, which lie in .*: log\.read\(\)",
        ):
            call()
    for options, said in (
        ({"order": "strict"}, "order='strict'"),
        ({"by": ["channel", "member"]}, "by several columns"),
        ({"exclude": cj.Exclude("cart")}, "exclude"),
    ):
        with pytest.raises(
            cj.CjlibError,
            match=rf"log: a funnel with {said} cannot be counted where the events lie",
        ):
            cj.funnel(away, ["view", "buy"], window="1D", **options)
    for options, said in (
        ({"clock": "elapsed"}, "clock='elapsed'"),
        ({"cohort_by": "channel"}, "cohort_by"),
    ):
        with pytest.raises(
            cj.CjlibError,
            match=rf"log: retention with {said} cannot be counted where the events lie",
        ):
            cj.retention(away, **options)
    with pytest.raises(
        cj.CjlibError, match=r"log: a funnel with by where steps overlap cannot be counted"
    ):
        cj.funnel(away, [["view", "cart"], "view"], window="1D", by="channel")
    with pytest.raises(
        cj.CjlibError, match=r"log: survival with by cannot be counted where the events lie"
    ):
        cj.survival(away, churn_event="buy", by="channel")
    with pytest.raises(
        cj.CjlibError, match=r"by: column 'value' holds double, which engines write differently"
    ):
        cj.transitions(away, by="value")
    with pytest.raises(cj.CjlibError, match="counted where the events lie, without its customers"):
        cj.funnel(away, ["view"], window=None).customers()
    with pytest.raises(cj.CjlibError, match="counted where the events lie, without its customers"):
        cj.retention(away).customers()


@pytest.mark.parametrize(
    "counting",
    ["postgres", "spark", "clickhouse"] if EVERYTHING else ["postgres", "clickhouse"],
    indirect=True,
)
def test_events_full_of_ties_are_counted_alike(counting):
    rng, rows = np.random.default_rng(1), 6_000
    events = pd.DataFrame(
        {
            "customer_id": rng.integers(0, rows // 25, rows),
            "event": pd.Series(
                rng.choice(
                    ["view", "cart", "buy", "Ärger", "zebra", *(f"other {n}" for n in range(7))],
                    rows,
                ),
                dtype="str",
            ),
            "timestamp": pd.Timestamp("2024-01-01", tz="UTC")
            + pd.to_timedelta(rng.integers(0, 2_000, rows) * 3_600_000_007, unit="us"),
            "id": np.arange(rows),
        }
    ).astype({"timestamp": "datetime64[us, UTC]"})
    away = cj.read_events(
        **counting.options(events, "ties"), pushdown=True, timezone="America/New_York", only=["id"]
    )
    here = cj.read_events(events, timezone="America/New_York")
    same_funnel(
        cj.funnel(away, ["view", "cart", "view", "buy"], window="10D"),
        cj.funnel(here, ["view", "cart", "view", "buy"], window="10D"),
    )
    same_retention(cj.retention(away, return_event="buy"), cj.retention(here, return_event="buy"))
    same_other(cj.transitions(away, session_gap="2D"), cj.transitions(here, session_gap="2D"))
    same_other(cj.sessions(away, gap="1h"), cj.sessions(here, gap="1h"))


# ---- worked cases of other tools ---------------------------------------------------------------------------------------


def fits(case: dict[str, Any]) -> bool:
    """Whether a case can be counted where events lie: funnels in sequence without exclusions, transitions, every retention."""
    query = case["query"]
    if case["kind"] == "paths":
        return query["form"] == "transitions"
    if case["kind"] == "retention":
        return True
    return (
        query["order"] == "ordered"
        and not query["exclusions"]
        and bool(query["steps"])
        and not isinstance(query["breakdown"], list)
    )


def worked() -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Cases whose columns have the types they have in the others, and all their events in one table, told apart by `worked_case`."""
    held, events, kinds = [], [], {}
    for case in [
        one
        for kind in ("funnel", "time_to_convert", "retention", "paths")
        for one in cases(kind)
        if fits(one)
    ]:
        own = events_of(case).assign(worked_case=len(held))
        if all(kinds.setdefault(name, own[name].dtype) == own[name].dtype for name in own):
            held.append(case)
            events.append(own)
    return held, pd.concat(events, ignore_index=True)


def answer_of(case: dict[str, Any], log: cj.EventLog) -> cj.Result:
    if case["kind"] == "paths":
        return cj.transitions(log)
    return (
        cj.retention(log, **retention_options(case))
        if case["kind"] == "retention"
        else funnel_of(case, log)
    )


@pytest.mark.timeout(1_800)  # Spark is asked hundreds of questions
@pytest.mark.parametrize(
    "counting",
    ["postgres", "spark", "clickhouse"] if EVERYTHING else ["postgres", "clickhouse"],
    indirect=True,
)
def test_worked_cases_of_other_tools_are_counted_alike(counting):
    held, events = worked()
    away, here = (
        cj.read_events(**counting.options(events, "worked"), pushdown=True),
        cj.read_events(events),
    )
    numbers = range(
        0, len(held), 1 if EVERYTHING else {"clickhouse": 17, "postgres": 31}[counting.name]
    )
    for number in numbers:
        case = held[number]
        # To the case's own end: a calendar of all the years between cases is longer than ClickHouse reads.
        end = events.loc[events["worked_case"] == number, "timestamp"].max()
        one, other = (
            answer_of(case, log.where(worked_case=number, end=end)) for log in (away, here)
        )
        pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
        if "counts" in case["expect"] and case["query"].get("timezone") in (None, "UTC"):
            assert one.table["customers"].tolist() == case["expect"]["counts"], case["id"]
    assert len(numbers) >= 3


# ---- the same text here ------------------------------------------------------------------------------------------------


def test_times_and_groups_of_the_statement_are_those_of_the_search():
    """The statement that other engines get, asked of DuckDB, against the attempts that are tried here one by one."""
    rng = np.random.default_rng(0)
    for _ in range(4):
        rows = int(rng.integers(5, 150))
        moments = pd.to_timedelta(
            rng.integers(0, rng.choice([4, 20, 200]), rows) * 700_001, unit="ms"
        )
        events = pd.DataFrame(
            {
                "customer_id": rng.integers(0, max(2, rows // 6), rows),
                "event": rng.choice(list("ABCD"), rows),
                "timestamp": pd.Timestamp("2024-01-01", tz="UTC") + moments,
                "channel": rng.choice(["web", "app", None], rows),
                "id": np.arange(rows),
            }
        )
        log = cj.read_events(events)
        for entry in ("best", "reentry", "first"):
            steps = rng.choice(list("ABCD"), int(rng.integers(1, 5))).tolist()
            by_value = str(rng.choice(["first", "last", "all", "step_1"]))
            options = {
                "window": rng.choice(["10min", "1h", "9h", None]),
                "entry": entry,
                "by": "channel",
                "by_value": by_value,
                "min_n": 3,
            }
            here = cj.funnel(log, steps, **options)
            there = pushdown.counted(log, question(log, steps, **{**UNASKED, **options}))
            pd.testing.assert_frame_equal(there.table, here.table, check_exact=True)
            pd.testing.assert_frame_equal(there.compared.table, here.comparisons, check_exact=True)
            assert repr(there.metrics) == repr(here.metrics)


UNASKED = {
    "order": "sequential",
    "entrants": "all",
    "exclude": (),
    "hold": (),
    "step_windows": None,
    "start": None,
    "end": None,
}

"""The fast plan against the slow one, on logs full of ties, for every option."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import funnel_reference as slow
import pandas as pd
import pytest
from conftest import MONDAY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cjlib as cj

MINUTE = pd.Timedelta("1min")


def named(*names: str) -> slow.Matcher:
    return lambda event: event.name in names


def anything(event: slow.Event) -> bool:
    return True


def in_channel(name: str, channel: str) -> slow.Matcher:
    return lambda event: event.name == name and event.value == channel


STEPS: dict[str, tuple[Any, slow.Matcher]] = {
    "A": ("A", named("A")),
    "B": ("B", named("B")),
    "C": ("C", named("C")),
    "A|B": (["A", "B"], named("A", "B")),
    "B|C": (["B", "C"], named("B", "C")),
    "*": (None, anything),
    "A web": (cj.Step("A", where={"channel": "web"}), in_channel("A", "web")),
}
FUNNELS = [
    "A",
    "A B",
    "A A",
    "A B C",
    "A A B",
    "B A A",
    "A B A",
    "A A A",
    "A|B B",
    "A A|B B",
    "A|B B|C C",
    "A * C",
    "* A",
    "* *",
    "A web,A,B",
    "A|B A|B A|B B",
]
BANS = {
    "none": [],
    "drop": [("X", 1, 2, "drop_customer")],
    "stop": [("X", 1, 2, "stop_here")],
    "drop late": [("X", 2, 3, "drop_customer")],
    "stop wide": [("X", 1, 3, "stop_here")],
    "both": [("X", 1, 2, "drop_customer"), ("B", 2, 3, "stop_here")],
    "step event": [("A", 1, 3, "drop_customer"), ("C", 1, 2, "stop_here")],
}


@dataclass(frozen=True)
class Case:
    """A question, to be asked of both."""

    funnel: str
    window: int | None
    order: str = "sequential"
    entry: str = "best"
    bans: str = "none"
    hold: bool = False
    gaps: tuple[int | None, ...] = field(default=())
    start: int | None = None
    end: int | None = None
    closed: bool = False

    @property
    def steps(self) -> list[tuple[Any, slow.Matcher]]:
        return [
            STEPS[name]
            for name in (self.funnel.split(",") if "," in self.funnel else self.funnel.split())
        ]

    @property
    def banned(self) -> list[tuple[str, int, int, str]]:
        n = len(self.steps)
        if self.order == "any":
            return [(name, 1, n, effect) for name, _, _, effect in BANS[self.bans][:1] if n > 1]
        return [ban for ban in BANS[self.bans] if ban[2] <= n]

    @property
    def gaps_used(self) -> tuple[int | None, ...]:
        return self.gaps[: len(self.steps) - 1] if self.gaps and self.order != "any" else ()

    def slow(self, until: int) -> slow.Asked:
        return slow.Asked(
            steps=[matcher for _, matcher in self.steps],
            window=self.window,
            order=self.order,
            entry=self.entry,
            bans=[
                slow.Ban(named(name), after, before, effect)
                for name, after, before, effect in self.banned
            ],
            hold=self.hold,
            gaps=self.gaps_used,
            start=self.start,
            end=self.end,
            closed_until=until if self.closed and self.window is not None else None,
        )

    def fast(self, log: cj.EventLog, **more: Any) -> cj.Funnel:
        return cj.funnel(
            log,
            [step for step, _ in self.steps],
            window=None if self.window is None else f"{self.window}min",
            order=self.order,
            entry=self.entry,
            exclude=[
                cj.Exclude(name, after=after, before=before, effect=effect)
                for name, after, before, effect in self.banned
            ],
            hold="channel" if self.hold else (),
            step_windows=[None if gap is None else f"{gap}min" for gap in self.gaps_used] or None,
            start=None if self.start is None else MONDAY + self.start * MINUTE,
            end=None if self.end is None else MONDAY + self.end * MINUTE,
            entrants="closed" if self.closed and self.window is not None else "all",
            **more,
        )


People = dict[str, list[slow.Event]]
UNTIL = 9


def log_of(people: People) -> cj.EventLog:
    rows = [
        (who, event.name, MONDAY + event.time * MINUTE, event.value, number)
        for who, events in people.items()
        for number, event in enumerate(events)
    ]
    frame = pd.DataFrame(
        rows, columns=["customer_id", "event", "timestamp", "channel", "number"]
    ).astype({"channel": "str"})
    return cj.read_events(
        frame.sample(frac=1, random_state=0),
        observed_until=MONDAY + UNTIL * MINUTE,
        duplicates="keep",
    )


def check(people: People, case: Case, log: cj.EventLog) -> None:
    funnel = case.fast(log)
    expected = {who: slow.counted(events, case.slow(UNTIL)) for who, events in people.items()}
    kept = {who: outcome for who, outcome in expected.items() if outcome.attempt is not None}
    rows = {row.customer_id: row for row in funnel.customers().itertuples(index=False)}
    assert set(rows) == set(kept), case
    for who, outcome in kept.items():
        times = tuple(
            (stamp - MONDAY) // MINUTE
            for stamp in (getattr(rows[who], f"step_{k}_at") for k in range(1, len(case.steps) + 1))
            if not pd.isna(stamp)
        )
        assert times == outcome.attempt.times, (case, who, people[who])
        short = len(times) < len(case.steps)
        assert rows[who].still_open == (
            short and (case.window is None or outcome.last_entry + case.window > UNTIL)
        ), (case, who, people[who])
    depths = [len(outcome.attempt.times) for outcome in kept.values()]
    assert funnel.table["customers"].tolist() == [
        sum(depth >= k for depth in depths) for k in range(1, len(case.steps) + 1)
    ]
    dropped = sum(outcome.dropped for outcome in expected.values())
    assert (f"; {dropped} customer" in funnel.definition["base"]) == any(
        ban[3] == "drop_customer" for ban in case.banned
    )
    waits = [
        outcome.attempt.times[-1] - outcome.latest_start
        for outcome in kept.values()
        if outcome.latest_start is not None
    ]
    if len(case.steps) > 1 and waits:
        assert (
            funnel.metrics["median_seconds_from_latest_start"]["value"]
            == 60 * pd.Series(waits).median()
        ), case
    if (
        case.order == "sequential"
        and not case.banned
        and not any(gap is not None for gap in case.gaps_used)
    ):
        assert log.run(funnel.sql)["customers"].tolist() == funnel.table["customers"].tolist(), (
            case,
            funnel.sql,
        )


def random_people(
    seed: int,
    size: int = 40,
    events: int = 7,
    times: int = 6,
    values: tuple[str | None, ...] = (None, "web", "app"),
) -> People:
    draw = random.Random(seed)
    return {
        f"c{number:02}": [
            slow.Event(draw.randrange(times), draw.choice("AABBCX"), draw.choice(values))
            for _ in range(draw.randint(1, events))
        ]
        for number in range(size)
    }


@pytest.fixture(scope="module")
def crowd() -> tuple[People, cj.EventLog]:
    people = random_people(1)
    return people, log_of(people)


@pytest.mark.parametrize("order", ["sequential", "strict", "any"])
@pytest.mark.parametrize("funnel", FUNNELS)
def test_every_funnel_agrees_with_the_search_over_all_chains(
    crowd, funnel: str, order: str
) -> None:
    for entry, window in (
        ("best", 2),
        ("best", None),
        ("reentry", 2),
        ("first", 3),
        ("reentry", 0),
    ):
        check(crowd[0], Case(funnel, window, order, entry), crowd[1])


@pytest.fixture(scope="module")
def complete_crowd() -> tuple[People, cj.EventLog]:
    """Nobody lacks a value, so that every row is used."""
    people = random_people(2, size=20, values=("web", "app"))
    return people, log_of(people)


CASES = st.builds(
    Case,
    funnel=st.sampled_from(FUNNELS),
    window=st.sampled_from([0, 1, 2, 3, 5, None]),
    order=st.sampled_from(["sequential", "strict", "any"]),
    entry=st.sampled_from(["best", "reentry", "first"]),
    bans=st.sampled_from(list(BANS)),
    hold=st.booleans(),
    gaps=st.one_of(st.just(()), st.tuples(*[st.sampled_from([None, 0, 1, 2])] * 3)),
    start=st.sampled_from([None, None, 1, 2]),
    end=st.sampled_from([None, None, 3, 4]),
    closed=st.booleans(),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=CASES)
def test_every_option_agrees_with_the_search_over_all_chains(crowd, case: Case) -> None:
    check(crowd[0], case, crowd[1])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=CASES)
def test_every_option_agrees_where_no_value_is_missing(complete_crowd, case: Case) -> None:
    check(complete_crowd[0], case, complete_crowd[1])


EVENTS = st.lists(
    st.builds(
        slow.Event,
        time=st.integers(0, 4),
        name=st.sampled_from(["A", "A", "B", "C", "X"]),
        value=st.sampled_from([None, "web", "app"]),
    ),
    min_size=1,
    max_size=7,
)


@given(people=st.lists(EVENTS, min_size=1, max_size=5), case=CASES)
def test_small_logs_of_any_shape_agree_too(people: list[list[slow.Event]], case: Case) -> None:
    named_people = {f"c{number}": events for number, events in enumerate(people)}
    check(named_people, case, log_of(named_people))


@pytest.mark.parametrize("by_value", ["first", "last", "step_1", "step_2"])
@pytest.mark.parametrize("order", ["sequential", "strict", "any"])
def test_the_group_is_the_smallest_value_of_those_that_could_have_filled_the_step(
    crowd, order: str, by_value: str
) -> None:
    people, log = crowd
    for funnel in FUNNELS:
        case = Case(funnel, 3, order)
        if by_value == "step_2" and len(case.steps) < 2:
            continue
        held = (
            case.fast(log, by="channel", by_value=by_value)
            .customers()
            .set_index("customer_id")["channel"]
        )
        outcomes = {
            who: slow.counted(events, case.slow(UNTIL)).attempt for who, events in people.items()
        }
        least = int(by_value[5:]) if by_value.startswith("step_") else 1
        expected = {
            who: slow.value_of(people[who], one, by_value)
            for who, one in outcomes.items()
            if one is not None and len(one.times) >= least
        }
        assert {
            who: None if pd.isna(value) else value for who, value in held.items()
        } == expected, case


@pytest.mark.parametrize("order", ["sequential", "strict", "any"])
def test_by_value_all_is_the_funnel_of_the_events_of_each_value(crowd, order: str) -> None:
    log = crowd[1]
    for funnel in FUNNELS:
        case = Case(funnel, 3, order)
        funnel_of_each = case.fast(log, by="channel", by_value="all")
        table = funnel_of_each.table
        if order == "sequential":
            stated = (
                log.run(funnel_of_each.sql).sort_values(["channel", "step"])["customers"].tolist()
            )
            assert stated == table.sort_values(["channel", "step"])["customers"].tolist()
        for value in (None, "web", "app"):
            alone = case.fast(log.where(channel=value)).table
            part = table[table["channel"].isna() if value is None else table["channel"] == value]
            entered = alone["customers"].iloc[0] > 0
            assert part["customers"].tolist() == (alone["customers"].tolist() if entered else [])

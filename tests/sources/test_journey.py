"""The journey file: its schema, its faults, and what an analyst asks of it."""

from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

import cjlib as cj
from cjlib.sources.journey import journey_from, journey_from_text
from cjlib.sources.journey.schema import MEASURES

SMALLEST = (
    "name: Shop\nsources: {events: events.csv}\nstages: [{name: Visit, touchpoints: [view]}]\n"
)
LINES = SMALLEST.count("\n")


def faults(more: str, base: str = SMALLEST) -> list[str]:
    """The faults of the smallest file with more keys, one text each, line numbers relative to the added text."""
    with pytest.raises(cj.JourneyError) as caught:
        journey_from_text(base + more)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def read(more: str = "") -> cj.Journey:
    return journey_from_text(SMALLEST + more)


# ---- what a good file means --------------------------------------------------------------------------------------


def test_the_smallest_file_has_a_name_events_and_a_stage():
    journey = read()
    assert (journey.name, journey.timezone, journey.stage_names) == ("Shop", None, ["Visit"])
    assert journey.sources.events.path == "events.csv"
    assert (journey.map.weights.lost, journey.scorecard.period, journey.scorecard.periods) == (
        0.4,
        "month",
        30,
    )
    assert journey.churn is None
    assert journey.value is None


def test_a_touchpoint_is_an_event_name_or_a_mapping_whose_events_default_to_its_name():
    more = """
stages:
  - name: Buy
    touchpoints:
      - cart
      - {name: pay, cost: 2.5, backstage: true}
      - {name: help, events: [chat, {event: call, where: {reason: [price, stock]}}], channel: phone, support: true}
"""
    stage = journey_from_text("name: Shop\nsources: {events: e.csv}\n" + more).stages[0]
    assert [
        (point.name, [str(event) for event in point.events]) for point in stage.touchpoints
    ] == [
        ("cart", ["cart"]),
        ("pay", ["pay"]),
        ("help", ["chat", "call where reason in ['price', 'stock']"]),
    ]
    assert (
        stage.touchpoints[1].cost,
        stage.touchpoints[1].backstage,
        stage.touchpoints[2].channel,
    ) == (2.5, True, "phone")


def test_what_happens_backstage_is_no_event_of_a_customer(toy_log):
    journey = journey_from_text(
        "name: S\nsources: {events: e.csv}\nstages: [{name: A, touchpoints: [buy, {name: bill, backstage: true}]}]"
    )
    log = toy_log("ana: buy@0h bill@1h other@2h")
    acts = journey.customer_events(log)
    assert acts.run(f"SELECT event FROM {acts.events_sql} ORDER BY 1")["event"].tolist() == [
        "buy",
        "other",
    ]
    shown_to_all = journey_from_text(
        "name: S\nsources: {events: e.csv}\nstages: [{name: A, touchpoints: [buy]}]"
    )
    assert shown_to_all.customer_events(log) is log


def test_event_names_that_look_like_something_else_stay_text():
    journey = journey_from_text(
        "name: S\nsources: {events: e.csv}\nstages: [{name: A, touchpoints: [no, on, 404, 1.10, 007, 2024-01-01, true]}]"
    )
    assert [point.name for point in journey.stages[0].touchpoints] == [
        "no",
        "on",
        "404",
        "1.10",
        "007",
        "2024-01-01",
        "true",
    ]


def test_a_stage_may_have_nothing_but_what_people_know_of_it():
    stage = journey_from_text(
        "name: S\nsources: {events: e.csv}\nstages: [{name: Word of mouth, goal: Hear of it, questions: [Who, What]}]"
    ).stages[0]
    assert (stage.touchpoints, stage.goal, stage.questions) == (
        (),
        ("Hear of it",),
        ("Who", "What"),
    )


def test_a_key_left_empty_is_as_good_as_not_written():
    assert read("churn:\nrouts:\n".replace("routs", "routes")).churn is None


def test_where_operators_and_first_time_reach_the_step():
    more = "funnels: {a: {window: 1D, steps: [{event: [x, y], where: {n: {min: 2, max: 3}, t: {is_set: true}, c: null}, first_time: event}, {first_time: true}]}}"
    steps = read(more).funnels["a"].steps
    assert steps[0] == cj.Step(
        ["x", "y"],
        where={"n": {"min": "2", "max": "3"}, "t": {"is_set": True}, "c": None},
        first_time="event",
    )
    assert steps[1] == cj.Step(None, first_time=True)


def test_silence_is_that_of_the_map_else_that_of_churn_else_thirty_days():
    assert read().silent_after == "30D"
    assert read("churn: {inactive: 60D}").silent_after == "60D"
    assert read("churn: {inactive: 60D}\nmap: {silent_after: 10D}").silent_after == "10D"


def test_a_journey_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        read().name = "Other"


def test_every_measure_may_have_a_target():
    targets = "".join(f"  {name}: {{value: 1, better: higher}}\n" for name in MEASURES)
    journey = read(f"milestones: {{first: view}}\ntargets:\n{targets}  median_days_to_first: 3\n")
    assert len(journey.targets) == len(MEASURES) + 1
    assert journey.targets["median_days_to_first"].value == 3


def test_the_hash_is_of_what_the_file_says_not_of_how():
    one = read("churn: {inactive: 60D}  # a comment\nvalue: {event: buy, amount: price}")
    other = read("value:\n  amount: price\n  event: [buy]\n\nchurn:\n  inactive: '60D'\n")
    assert one.hash == other.hash
    assert one.hash != read("churn: {inactive: 61D}\nvalue: {event: buy, amount: price}").hash


def test_the_mapping_says_to_which_stage_and_touchpoint_an_event_belongs(toy_log):
    text = "name: S\nsources: {events: e.csv}\nstages: [{name: A, touchpoints: [view]}, {name: B, touchpoints: [{name: b, events: [{event: buy, where: {channel: web}}, pay]}]}]"
    journey = journey_from_text(text)
    assert [
        (one.stage, one.position, one.touchpoint, str(one.event)) for one in journey.mapping
    ] == [
        ("A", 0, "view", "view"),
        ("B", 1, "b", "buy where channel = web"),
        ("B", 1, "b", "pay"),
    ]
    log = toy_log("ana: view@0h buy@1h(web) buy@2h(shop) pay@3h other@4h")
    positions = log.engine.rows(f"SELECT {journey.mapping_sql(log)} FROM {log.prepared} ORDER BY t")
    assert positions == [(0,), (1,), (None,), (2,), (None,)]


def test_a_journey_without_touchpoints_maps_nothing(toy_log):
    journey = journey_from_text("name: S\nsources: {events: e.csv}\nstages: [{name: A}]")
    assert journey.mapping_sql(toy_log("ana: view@0h")) == "NULL"


# ---- options for analyses ----------------------------------------------------------------------------------------


def test_a_funnel_gives_the_options_of_cj_funnel(toy_log):
    more = """
funnels:
  purchase:
    steps: [view, [cart, basket], {event: buy, where: {channel: web}}]
    window: 14D
    exclude: {event: refund, before: 3, effect: stop_here}
    hold: channel
    step_windows: [1D, none]
    entry: first
"""
    options = read(more).funnel("purchase")
    assert options == {
        "steps": ["view", ["cart", "basket"], cj.Step("buy", where={"channel": "web"})],
        "window": "14D",
        "exclude": [cj.Exclude("refund", after=1, before=3, effect="stop_here")],
        "step_windows": ["1D", None],
        "hold": "channel",
        "entry": "first",
    }
    log = toy_log("ana: view@0h(web) basket@1h(web) buy@2h(web) | bob: view@0h(web) cart@1h(shop)")
    assert cj.funnel(log, **options).table["customers"].tolist() == [2, 1, 1]


def test_without_a_name_the_first_funnel_is_meant():
    journey = read("funnels: {b: {steps: [view], window: none}, a: {steps: [buy], window: 1D}}")
    assert journey.funnel() == {"steps": ["view"], "window": None}


def test_overrides_replace_and_empty_ones_change_nothing():
    journey = read("funnels: {a: {steps: [view, buy], window: 14D, by: [channel, plan]}}")
    assert journey.funnel(window="7D", by=None, order="")["window"] == "7D"
    assert journey.funnel(by=None)["by"] == ["channel", "plan"]
    assert journey.funnel(window="none")["window"] is None


def test_an_unknown_funnel_and_a_file_without_funnels_are_errors():
    with pytest.raises(
        cj.CjlibError,
        match=r"journey\.funnel: must be one of 'purchase'\. Got 'purchse'\. Did you mean 'purchase'",
    ):
        read("funnels: {purchase: {steps: [view], window: 1D}}").funnel("purchse")
    with pytest.raises(cj.CjlibError, match=r"the journey file has no funnels\. Add one"):
        read().funnel()


def test_retention_gives_the_options_of_cj_retention():
    more = "retention: {start: signup, return: any, period: month, periods: 6, from: 2024-01-01, to: 2024-12-31, by: plan}"
    expected = {
        "start_event": "signup",
        "period": "month",
        "periods": 6,
        "start": "2024-01-01",
        "end": "2024-12-31",
        "by": "plan",
    }
    assert read(more).retention_options() == expected
    assert read().retention_options(period="day") == {"period": "day"}
    assert read("retention: {return: [any]}").retention_options() == {"return_event": "any"}, (
        "an event that is called any stands in a list"
    )


def test_what_leaving_means_goes_to_survival_and_churn():
    by_event = read("churn: {event: cancel, horizon: 30D, active_within: 90D}")
    assert by_event.survival_options() == {"churn_event": "cancel"}
    assert by_event.churn_options() == {
        "horizon": "30D",
        "active_within": "90D",
        "churn_event": "cancel",
    }
    by_silence = read("churn: {inactive: 60D}")
    assert by_silence.survival_options() == {"inactive": "60D"}
    assert by_silence.churn_options(horizon="14D") == {"horizon": "14D"}
    with pytest.raises(cj.CjlibError, match=r"does not say what leaving means\. Add churn"):
        read().survival_options()


# ---- faults ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            "funels: {}",
            "line 4, funels: unknown key. Did you mean 'funnels'? Keys here: schema, name, timezone, sources",
        ),
        (
            "map: {weights: {lots: 1}}",
            "line 4, map.weights.lots: unknown key. Did you mean 'lost'? Keys here: lost, unhappy, slow, effortful.",
        ),
        (
            "map: {weights: {lost: -1}}",
            "line 4, map.weights.lost: must be a number of 0 or more. Got '-1'.",
        ),
        (
            "map: {weights: {lost: 0, unhappy: 0, slow: 0, effortful: 0}}",
            "line 4, map.weights: all weights are 0: at least one must be above 0.",
        ),
        (
            "map: {silent_after: 14}",
            "line 4, map.silent_after: must be a duration with its unit, such as 14D, 6h, 30min or 90s. Got '14'.",
        ),
        ("map: {silent_after: 0D}", "must be a duration longer than nothing"),
        (
            "map: [a]",
            "line 4, map: must be a mapping with the keys silent_after, feedback_within, outcome_after, weights. Got ['a'].",
        ),
        (
            "timezone: Europe/Berln",
            "line 4, timezone: must be a zone of the IANA list, such as Europe/Berlin or UTC. Did you mean 'Europe/Berlin'? Got",
        ),
        ("timezone: ../etc/passwd", "must be a zone of the IANA list"),
        (
            "churn: {}",
            "line 4, churn: must have exactly one of event (the event of leaving), inactive (the silence that means it) and target (the column of the customers table that says who left).",
        ),
        ("churn: {event: a, inactive: 3D}", "line 4, churn: must have exactly one of"),
        (
            "targets: {npss: 4}",
            "line 4, targets.npss: there is no measure 'npss'. Did you mean 'nps'? Measures: conversion_of_visitors,",
        ),
        ("targets: {nps: many}", "line 4, targets.nps.value: must be a number. Got 'many'."),
        ("targets: {nps: [1]}", "must be a mapping with the keys value, better. Got ['1']."),
        (
            "targets: {tickets: 4}",
            "line 4, targets.tickets: neither side of this measure is better by itself",
        ),
        ("targets: {nps: {value: 4, better: more}}", "must be one of higher, lower."),
        (
            "scorecard: {periods: 31}",
            "line 4, scorecard.periods: must be a whole number from 2 to 30. Got '31'.",
        ),
        ("scorecard: {periods: 2.5}", "must be a whole number from 2 to 30"),
        (
            "scorecard: {period: weekly}",
            "must be one of hour, day, week, month, quarter, year. Did you mean 'week'? Got 'weekly'.",
        ),
        ("costs: {offer: nan}", "line 4, costs.offer: must be a number of 0 or more. Got 'nan'."),
        (
            "routes: [[Visit, Vist]]",
            "line 4, routes[0][1]: there is no stage 'Vist'. Did you mean 'Visit'? Stages: 'Visit'.",
        ),
        ("routes: [[Visit]]", "line 4, routes[0]: must have at least 2."),
        ("routes: Visit", "line 4, routes: must be a list. Got 'Visit'."),
        ("roles: {visitt: view}", "line 4, roles.visitt: unknown key. Did you mean 'visit'?"),
        (
            "roles: {visit: {evnt: view}}",
            "line 4, roles.visit.evnt: unknown key. Did you mean 'event'? Keys here: where, event, first_time.",
        ),
        (
            "roles: {visit: []}",
            "line 4, roles.visit.event: an empty list matches nothing. Name at least one event.",
        ),
        (
            "milestones: {first: }",
            "must be a mapping with the keys where, event, first_time, or an event name, or a list of names (put quotes round a name that looks",
        ),
        ("support: {ticket_id: t}", "line 4, support.opened: the key is missing."),
        ("value: {event: buy, amount: [a]}", "line 4, value.amount: must be text, and not empty."),
        ("retention: {period: fortnight}", "must be one of hour, day, week, month, quarter, year."),
        ("retention: {periods: 0}", "must be a whole number of 1 or more. Got '0'."),
        (
            "personas: [{name: P, match: {x: hi}}]",
            "line 4, personas[0].match.x: must be one of high, low.",
        ),
        ("personas: [{name: P, match: {}}]", "must have at least 1."),
        (
            "personas: [{name: P, match: {x: high}}, {name: p, match: {x: low}}]",
            "a persona is named 'p' twice",
        ),
        ("funnels: {a: {steps: [view]}}", "line 4, funnels.a.window: the key is missing."),
        ("funnels: {a: {steps: [], window: 1D}}", "line 4, funnels.a.steps: must have at least 1."),
        (
            "funnels: {a: {steps: [view, ~], window: 1D}}",
            "line 4, funnels.a.steps[1]: must be a mapping",
        ),
        (
            "funnels: {a: {steps: [view], window: 1D, by_value: step_2}}",
            "must be first, last, all, or step_1 to step_1.",
        ),
        (
            "funnels: {a: {steps: [a, b, c], window: 1D, step_windows: [1h]}}",
            "one duration (or null) for each move between the 3 steps, so 2. Got 1.",
        ),
        (
            "funnels: {a: {steps: [a, b], window: 1D, order: any, step_windows: [1h]}}",
            "funnels.a.step_windows: cannot stand with order: any.",
        ),
        (
            "funnels: {a: {steps: [a, b], window: 1D, exclude: {event: x, before: 3}}}",
            "the funnel has 2 steps, so before is at most 2. Got 3.",
        ),
        (
            "funnels: {a: {steps: [a, b], window: 1D, exclude: [{event: x, after: 2}]}}",
            "funnels.a.exclude[0].before: must be a later step than after",
        ),
        (
            "funnels: {a: {steps: [a, b, c], window: 1D, order: any, exclude: {event: x}}}",
            "with order: any an exclusion stands between step 1 and step 3 only.",
        ),
        (
            "funnels: {a: {steps: [a, b], window: none, entrants: closed}}",
            "line 4, funnels.a.entrants: closed needs a window",
        ),
        (
            "funnels: {a: {steps: [{event: a, where: {x: {mn: 3}}}], window: 1D}}",
            "steps[0].where.x.mn: an operator must be one of not, contains, is_set, min, max.",
        ),
        (
            "funnels: {a: {steps: [{event: a, where: {x: {is_set: maybe}}}], window: 1D}}",
            "steps[0].where.x.is_set: must be true or false. Got 'maybe'.",
        ),
        (
            "funnels: {a: {steps: [{event: a, where: {x: {min: [1]}}}], window: 1D}}",
            "steps[0].where.x.min: must be one value.",
        ),
        (
            "funnels: {a: {steps: [{event: a, where: {x: []}}], window: 1D}}",
            "steps[0].where.x: an empty list matches nothing. Name at least one value.",
        ),
        (
            "funnels: {a: {steps: [{event: a, first_time: often}], window: 1D}}",
            "steps[0].first_time: must be true, false or event. Got 'often'.",
        ),
    ],
)
def test_a_fault_names_key_line_what_was_given_and_what_is_allowed(more, expected):
    found = faults(more)
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "{}",
            "sources.events: the key is missing. A table of customers alone needs churn: {target: column that says who left}.",
        ),
        (
            "{events: {}}",
            "sources.events: must have either path (a file or a glob) or url (a database), and not both.",
        ),
        ("{events: {path: a, url: b, table: c}}", "sources.events: must have either path"),
        (
            "{events: {url: postgresql://h/db}}",
            "sources.events.url: a url needs the table to read: add the key table.",
        ),
        (
            "{events: {path: a, duplicates: drop}}",
            "sources.events.duplicates: must be one of quarantine, keep.",
        ),
        (
            "{events: {path: a, quarantine_limit: 5}}",
            "sources.events.quarantine_limit: must be a number from 0 to 1. Got '5'.",
        ),
        (
            "{feedback: {path: a, quarantine_limit: 5}}",
            "sources.feedback.quarantine_limit: must be a number from 0 to 1. Got '5'.",
        ),
        (
            "{feedback: {path: a, asked: 0}}",
            "sources.feedback.asked: must be a whole number of 1 or more. Got '0'.",
        ),
        (
            "{events: {path: a, dates: dayfirst}}",
            "must be day_first, month_first, excel_serial, iso_week or a format such as '%d/%m/%Y %H:%M'. Did you mean 'day_first'?",
        ),
        (
            "{events: {path: a, columns: [b]}}",
            "sources.events.columns: must be a mapping (key: value). Got ['b'].",
        ),
        (
            "{events: {path: a}, feedbak: {path: b}}",
            "sources.feedbak: unknown key. Did you mean 'feedback'?",
        ),
    ],
)
def test_faults_of_sources(source, expected):
    found = faults("", base=f"name: S\nsources: {source}\nstages: [{{name: A}}]\n")
    assert len(found) == 1, found
    assert expected in found[0]
    assert found[0].startswith("line 2, ")


def test_every_fault_of_a_file_stands_in_one_error_in_the_order_of_the_file():
    text = """\
name: Shop
sources: {events: {path: a, url: b, table: c}}
stages:
  - {name: A, touchpoints: [view, {name: x, cost: -1}]}
  - {name: a, touchpoints: [view]}
routes: [[A, Z]]
funnels:
  one: {steps: [view, buy], window: 14, exclude: {event: z, before: 5}}
churn: {event: cancel, inactive: 30}
name: Again
funels: {}
"""
    found = faults("", base=text)
    assert [line.split(":")[0] for line in found] == [
        "line 2, sources.events",
        "line 4, stages[0].touchpoints[1].cost",
        "line 5, stages[1].name",
        "line 5, stages[1].touchpoints[0]",
        "line 5, stages[1].touchpoints[0]",
        "line 6, routes[0][1]",
        "line 8, funnels.one.exclude.before",
        "line 8, funnels.one.window",
        "line 9, churn",
        "line 9, churn.inactive",
        "line 10, name",
        "line 11, funels",
    ]


def test_stages_are_needed_and_have_names():
    assert faults("", base="name: S\nsources: {events: a}\nstages: []\n") == [
        "line 3, stages: must have at least 1."
    ]
    found = faults("", base="sources: {events: a}\nstages: [{name: ''}, {touchpoints: [x]}, A]\n")
    assert [line.split(": ", 1)[0] for line in found] == [
        "line 1, name",
        "line 2, stages[0].name",
        "line 2, stages[1].name",
        "line 2, stages[2]",
    ]


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "42\n"])
def test_a_file_that_is_no_mapping_is_a_fault(text):
    (found,) = faults("", base=text)
    assert "must be a mapping with the keys schema, name, timezone, sources" in found


def test_hostile_keys_and_values_are_shown_as_their_repr_and_cut():
    found = faults('"evil\\nkey\\u202e": 1\ntimezone: ' + "x" * 300)
    assert "['evil\\nkey\\u202e']: unknown key" in found[0]
    assert found[1].endswith("x….")


def test_a_password_never_stands_in_a_message_nor_in_the_repr():
    text = "name: S\nsources: {{events: {{url: '{}', table: [t]}}}}\nstages: [{{name: A}}]\n"
    secret = "postgresql://bob:geheim/@db.example.com:5432/shop" + "x" * 60
    with pytest.raises(cj.JourneyError) as caught:
        journey_from_text(text.format(secret))
    assert "geheim" not in str(caught.value)
    with pytest.raises(cj.JourneyError) as caught:
        journey_from_text(f"name: S\nsources: {{events: e}}\nstages: ['{secret}']\n")
    assert "geheim" not in str(caught.value)
    assert "bob:***@" in str(caught.value)
    journey = journey_from_text(text.format(secret).replace("[t]", "t"))
    assert "geheim" not in repr(journey) + str(journey)


# ---- files -------------------------------------------------------------------------------------------------------


def test_a_file_is_read_with_its_folder_and_without_its_byte_order_mark(tmp_path):
    (tmp_path / "journey.yml").write_text("\ufeff" + SMALLEST, encoding="utf-8")
    journey = cj.read_journey(tmp_path / "journey.yml")
    assert journey.folder == tmp_path
    assert journey.hash == read().hash


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"there is no file .*`cj init FILE` writes a first one"),
        ("name: Café".encode("latin-1"), "is not UTF-8 text. Save it as UTF-8."),
        (SMALLEST.encode("utf-16"), "is not UTF-8 text"),
        (b"", "the file is empty"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, content, words):
    if content is not None:
        (tmp_path / "journey.yml").write_bytes(content)
    with pytest.raises(cj.JourneyError, match=words) as caught:
        cj.read_journey(tmp_path / "journey.yml")
    assert caught.value.exit_code == 2


def test_a_folder_in_place_of_a_file_is_an_error(tmp_path):
    with pytest.raises(cj.JourneyError, match="cannot be read"):
        cj.read_journey(tmp_path)


def test_a_mapping_makes_the_same_journey_as_its_text():
    content = {
        "name": "Shop",
        "sources": {"events": "events.csv"},
        "stages": [{"name": "Visit", "touchpoints": ["view"], "expected_share": 0.5}],
    }
    assert journey_from(content, folder=Path()).stages[0].expected_share == 0.5
    with pytest.raises(cj.JourneyError, match=r"journey has 1 fault:\n  nam: unknown key"):
        journey_from({**content, "nam": "x"})


# ---- reading data ------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path):
    """A folder with a journey file, events whose columns have other names, customers and feedback."""
    events = "uid,what,ts,plan\n007,view,01/02/2024 10:00,pro\n007,buy,03/02/2024 10:00,pro\n008,view,14/02/2024 10:00,free\n008,view,14/02/2024 10:00,free\n"
    (tmp_path / "events.csv").write_text(events, encoding="utf-8")
    (tmp_path / "people.csv").write_text("uid,age,land\n007,30,DE\n008,41,AT\n", encoding="utf-8")
    (tmp_path / "journey.yml").write_text(
        """\
name: Shop
timezone: Europe/Berlin
sources:
  events: {path: events.csv, columns: {what: event, ts: timestamp}, dates: day_first, duplicates: keep, observed_until: 2024-02-29}
  customers: {path: people.csv, columns: {land: country}}
  columns: {uid: customer_id, nobody: anything}
stages: [{name: A, touchpoints: [view, buy]}]
""",
        encoding="utf-8",
    )
    return tmp_path


def test_a_journey_reads_its_events_as_the_file_says(shop):
    log = cj.read_journey(shop / "journey.yml").read_events()
    assert (log.n_events, log.n_customers, log.timezone) == (4, 2, "Europe/Berlin")
    assert log.observed_until.isoformat() == "2024-02-29T23:59:59.999999+01:00"
    assert list(log.customer_ids()) == ["007", "008"]
    assert log.span[1] == pd.Timestamp("2024-02-14 10:00", tz="Europe/Berlin")
    assert log.where(country="AT").n_events == 2
    assert log.where(age={"min": 40}).n_customers == 1


def test_keywords_of_read_events_replace_what_the_file_says(shop):
    journey = cj.read_journey(shop / "journey.yml")
    assert journey.read_events(duplicates="quarantine", quarantine_limit=0.5).n_events == 3
    frame = pd.DataFrame({"customer_id": ["x"], "event": ["e"], "timestamp": ["2024-03-01 00:30"]})
    log = journey.read_events(source=frame)
    assert log.span[0] == pd.Timestamp("2024-03-01 00:30", tz="Europe/Berlin"), (
        "the zone is the business's, the sources are not used"
    )


def test_one_kind_of_event_needs_no_column(shop):
    text = (
        (shop / "journey.yml")
        .read_text(encoding="utf-8")
        .replace("what: event, ", "")
        .replace("dates:", "event: purchase, dates:")
    )
    (shop / "journey.yml").write_text(text, encoding="utf-8")
    log = cj.read_journey(shop / "journey.yml").read_events()
    assert log.event_names == ["purchase"]
    assert log.n_events == 4
    assert "what" in log.columns


def test_an_unknown_column_of_the_customers_table_is_an_error_with_the_near_miss(shop):
    text = (
        (shop / "journey.yml").read_text(encoding="utf-8").replace("land: country", "lnd: country")
    )
    (shop / "journey.yml").write_text(text, encoding="utf-8")
    with pytest.raises(
        cj.CjlibError,
        match=r"sources\.customers\.columns: there is no column 'lnd'\. Did you mean 'land'",
    ):
        cj.read_journey(shop / "journey.yml").read_events()


def test_how_many_were_asked_and_the_limit_of_held_back_answers_stand_in_the_file(shop):
    (shop / "answers.csv").write_text(
        "ts,nps\n2024-02-01,10\n2024-02-02,11\n2024-02-03,0\n", encoding="utf-8"
    )
    given = "  feedback: {path: answers.csv, columns: {ts: timestamp}, asked: 40, quarantine_limit: 0.5}\n  customers:"
    text = (shop / "journey.yml").read_text(encoding="utf-8").replace("  customers:", given)
    (shop / "journey.yml").write_text(text, encoding="utf-8")
    feedback = cj.read_journey(shop / "journey.yml").read_feedback()
    assert (len(feedback), feedback.asked, list(feedback.quarantine["reason"])) == (
        2,
        40,
        ["nps out of range"],
    )
    assert "40" in cj.nps(feedback).definition["response share"]
    assert cj.read_journey(shop / "journey.yml").read_feedback(asked=80).asked == 80
    (shop / "journey.yml").write_text(text.replace(", quarantine_limit: 0.5", ""), encoding="utf-8")
    with pytest.raises(cj.DataError, match="quarantine_limit"):
        cj.read_journey(shop / "journey.yml").read_feedback()


def test_a_keyword_wins_over_the_file_even_where_it_is_the_usual_value(shop):
    (shop / "answers.csv").write_text(
        "ts,nps\n2024-02-01,10\n2024-02-02,11\n2024-02-03,0\n", encoding="utf-8"
    )
    given = "  feedback: {path: answers.csv, columns: {ts: timestamp}, quarantine_limit: 0.5}\n  customers:"
    text = (shop / "journey.yml").read_text(encoding="utf-8").replace("  customers:", given)
    (shop / "journey.yml").write_text(text, encoding="utf-8")
    journey = cj.read_journey(shop / "journey.yml")
    for read in (journey.read_feedback, lambda **options: cj.read_feedback(journey, **options)):
        assert len(read()) == 2
        with pytest.raises(cj.DataError, match=r"1 of 3 rows .* quarantine_limit allows 5\.0%"):
            read(quarantine_limit=0.05)
    for read in (journey.read_events, lambda **options: cj.read_events(journey, **options)):
        assert read().n_events == 4, "the file keeps equal rows"
        assert read(duplicates="quarantine", quarantine_limit=0.5).n_events == 3
        with pytest.raises(cj.DataError, match=r"quarantine_limit allows 5\.0%"):
            read(duplicates="quarantine", quarantine_limit=0.05)


def test_without_feedback_there_is_none(shop):
    assert cj.read_journey(shop / "journey.yml").read_feedback() is None


def test_a_notebook_shows_the_stages_escaped():
    html = journey_from_text(
        "name: S\nsources: {events: e}\nstages: [{name: <b>A</b>, touchpoints: [x], owner: [Ann, Bob]}]"
    )._repr_html_()
    assert "&lt;b&gt;A" in html
    assert "Ann, Bob" in html

"""The journey map: stages, touchpoints, routes, groups and gaps, by hand and against a slow count."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import MONDAY, toy_events
from hypothesis import given, settings
from hypothesis import strategies as st
from journey_map_reference import first_value, reference, route_counts

import cjlib as cj
from cjlib.sources.journey import journey_from

DAY = 86_400
STAGES = [
    {"name": "Look", "touchpoints": ["view"], "goal": "Find it"},
    {
        "name": "Buy",
        "touchpoints": [
            {"name": "cart", "cost": 2},
            {"name": "pay", "events": ["pay"], "channel": "till"},
        ],
        "expected": "2D",
    },
    {"name": "Use", "touchpoints": ["use", {"name": "bill", "backstage": True}]},
    {"name": "Help", "touchpoints": [{"name": "ask", "support": True, "cost": 5}]},
]


def a_journey(**more):
    content = {
        "name": "toy",
        "sources": {"events": "events.csv"},
        "stages": STAGES,
        "map": {"silent_after": "10D"},
    }
    return journey_from(content | more)


def the_map(text: str, journey=None, **options):
    frame = toy_events(text)
    return cj.journey_map(
        journey or a_journey(),
        cj.read_events(frame, observed_until=MONDAY + pd.Timedelta("20D"), duplicates="keep"),
        **options,
    )


def column(held, name):
    return held.table[name].tolist()


# ---- by hand ---------------------------------------------------------------------------------------------------------

WORKED = "ana: view@0h(web) cart@1D pay@2D use@3D view@4D use@15D | bob: view@0h(web) view@1D(app) | cy: pay@0h use@12D | dee: cart@1D view@19D"


def test_a_customer_enters_a_stage_at_its_first_event_whatever_came_before_and_counts_once():
    held = the_map(WORKED)
    assert column(held, "stage") == ["Look", "Buy", "Use", "Help"]
    assert column(held, "customers") == [3, 3, 2, 0]
    assert column(held, "events") == [5, 4, 3, 0]
    assert column(held, "share_of_all") == [0.75, 0.75, 0.5, 0.0]


def test_who_is_silent_for_longer_than_the_limit_has_ended_and_the_others_still_move():
    held = the_map(WORKED)
    assert column(held, "ended_here") == [
        1,
        0,
        0,
        0,
    ]  # bob, silent for 19 days; dee came back on day 19
    assert column(held, "still_moving") == [1, 0, 2, 0]


def test_a_silence_exactly_as_long_as_the_limit_is_no_end():
    assert column(the_map("ana: view@10D"), "ended_here")[0] == 0
    assert column(the_map("ana: view@9D"), "ended_here")[0] == 1


def test_going_back_is_an_event_of_an_earlier_stage_strictly_after_the_entry():
    assert column(the_map(WORKED), "went_back") == [0, 2, 1, 0]
    assert column(the_map("ana: cart@1D view@1D"), "went_back") == [0, 0, 0, 0]


def test_those_further_on_who_have_no_event_of_a_stage_skipped_it():
    held = the_map(WORKED)
    assert column(held, "customers_further") == [3, 2, 0, 0]
    assert column(held, "skipped") == [1, 0, 0, 0]


def test_the_time_to_the_next_stage_is_to_the_first_event_of_any_later_one():
    held = the_map(WORKED)
    assert column(held, "n_to_next") == [1, 2, 0, 0]
    assert held.table["median_seconds_to_next"].tolist()[:2] == [1 * DAY, (2 * DAY + 12 * DAY) / 2]


def test_the_time_in_a_stage_ends_with_the_last_event_before_the_first_one_outside():
    assert column(the_map("ana: view@0h view@2D cart@3D view@5D"), "median_seconds_in_stage")[
        :2
    ] == [2 * DAY, 0]


def test_who_is_neither_gone_nor_silent_has_no_time_in_the_stage_yet():
    assert np.isnan(column(the_map("ana: view@15D view@16D"), "median_seconds_in_stage")[0])


def test_events_behind_the_stage_are_no_entry_and_no_activity():
    held = the_map("ana: view@0h bill@19D")
    assert column(held, "customers") == [1, 0, 0, 0]
    assert column(held, "ended_here") == [1, 0, 0, 0]
    bill = held.touchpoints.set_index("touchpoint").loc["bill"]
    assert (bool(bill["backstage"]), bill["customers"], bill["events"]) == (True, 1, 1)


def test_a_stage_with_nothing_but_touchpoints_behind_the_stage_is_entered_by_them():
    stages = [
        {"name": "A", "touchpoints": ["view"]},
        {"name": "B", "touchpoints": [{"name": "bill", "backstage": True}]},
    ]
    assert column(the_map("ana: view@0h bill@1D", a_journey(stages=stages)), "customers") == [1, 1]


def test_a_stage_without_touchpoints_has_no_numbers_rather_than_zeros():
    stages = [{"name": "A", "touchpoints": ["view"]}, {"name": "B", "goal": "hope"}]
    row = the_map("ana: view@0h", a_journey(stages=stages)).table.iloc[1]
    assert pd.isna(row["customers"])
    assert row["evidence"] == "none"


def test_channels_are_shares_of_the_events_that_have_one_and_a_constant_stands_before_the_column():
    held = the_map("ana: view@0h(web) view@1h(web) view@2h(app) cart@3h(app) pay@4h(app)")
    assert column(held, "channels")[:2] == ["web 67%, app 33%", "app 50%, till 50%"]


def test_costs_count_each_event_of_a_touchpoint_that_has_one():
    held = the_map("ana: cart@0h cart@1h pay@2h | bob: pay@0h")
    assert held.table["cost_per_customer"].tolist()[1] == 2.0
    assert held.touchpoints.set_index("touchpoint").loc["cart", "cost"] == 4.0


def test_value_is_what_comes_at_or_after_the_entry():
    frame = toy_events("ana: view@0h pay@1D use@2D pay@3D | bob: view@0h").assign(
        value=[np.nan, 10.0, np.nan, 5.0, np.nan]
    )
    held = cj.journey_map(
        a_journey(value={"event": "pay", "amount": "value"}), cj.read_events(frame)
    )
    assert held.table["value_per_customer"].tolist()[:3] == [7.5, 15.0, 5.0]


def test_a_contact_with_support_counts_where_the_customer_was_before_it():
    held = the_map("ana: view@0h use@1D ask@2D ask@3D | bob: ask@0h")
    assert held.table["support_contacts_per_customer"].tolist() == [
        0.0,
        pytest.approx(np.nan, nan_ok=True),
        2.0,
        0.5,
    ]


def test_the_customers_of_the_map_are_one_call_away():
    rows = the_map("ana: view@0h cart@1D | bob: view@0h").customers()
    assert rows[["customer_id", "stage", "current", "ended"]].to_numpy().tolist() == [
        ["ana", "Look", False, False],
        ["ana", "Buy", True, True],
        ["bob", "Look", True, True],
    ]
    assert rows["left_at"].notna().tolist() == [True, False, False]


def test_touchpoints_are_counted_within_their_stage():
    held = the_map(WORKED).touchpoints.set_index("touchpoint")
    assert held["customers"].to_dict() == {
        "view": 3,
        "cart": 2,
        "pay": 2,
        "use": 2,
        "bill": 0,
        "ask": 0,
    }
    assert held.loc["pay", "share_of_stage"] == pytest.approx(2 / 3)


# ---- routes and gaps -------------------------------------------------------------------------------------------------


def test_a_route_counts_moves_and_customers_out_of_all_visits_to_its_source():
    held = the_map(
        "ana: view@0h cart@1D view@2D cart@3D | bob: view@0h | cy: use@0h"
    ).routes.set_index(["source", "target"])
    assert held.loc[("Look", "Buy"), ["kind", "moves", "customers"]].tolist() == ["forward", 2, 1]
    assert held.loc[("Look", "Buy"), "share_of_source"] == pytest.approx(
        2 / 3
    )  # bob's visit ends there
    assert held.loc[("Buy", "Look"), "kind"] == "back"
    assert held.loc[("(start)", "Use"), ["kind", "planned"]].tolist() == ["skipping", False]
    assert held.loc[("(start)", "Look"), ["kind", "planned", "moves"]].tolist() == [
        "forward",
        True,
        2,
    ]


def test_a_route_nobody_planned_is_notable_from_thirty_customers_and_a_twentieth_of_the_visits():
    text = " | ".join(f"c{k}: view@0h use@1D" for k in range(30))
    many, few = the_map(text).routes, the_map(text.rsplit("|", 1)[0]).routes
    planned = the_map(text, a_journey(routes=[["Look", "Use"]])).routes
    pick = [
        one[(one["source"] == "Look") & (one["target"] == "Use")]["notable"].item()
        for one in (many, few, planned)
    ]
    assert pick == [True, False, False]


def test_unmapped_events_and_silent_touchpoints_are_named():
    held = the_map("ana: view@0h odd@1h odd@2h | bob: odd@3h")
    assert held.unmapped[["event", "events", "customers"]].to_numpy().tolist() == [["odd", 3, 2]]
    assert held.silent["event"].tolist() == ["cart", "pay", "use", "bill", "ask"]


def test_two_touchpoints_may_share_an_event_by_conditions_that_exclude_each_other():
    stages = [
        {
            "name": "Trial",
            "touchpoints": [
                {"name": "try", "events": [{"event": "login", "where": {"channel": "web"}}]}
            ],
        },
        {
            "name": "Use",
            "touchpoints": [
                {
                    "name": "use",
                    "events": [{"event": "login", "where": {"channel": {"not": "web"}}}],
                }
            ],
        },
    ]
    held = the_map(
        "ana: login@0h(web) login@1D(app) | bob: login@0h(web)", a_journey(stages=stages)
    )
    assert column(held, "customers") == [2, 1]
    assert column(held, "customers_in_order") == [2, 1]


# ---- against the slow count, and the analyses behind ------------------------------------------------------------------

EVENTS = {"view": 0, "cart": 1, "pay": 1, "use": 2, "ask": 3}
logs = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(0, 12),
        st.sampled_from(sorted(EVENTS)),
        st.sampled_from(["web", "app", None]),
    ),
    min_size=1,
    max_size=25,
)


def frame_of(rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["customer_id", "hour", "event", "channel"]).astype(
        {"channel": "str"}
    )
    return frame.assign(timestamp=MONDAY + pd.to_timedelta(frame["hour"], unit="D")).drop(
        columns="hour"
    )


@settings(max_examples=8)
@given(logs)
def test_every_count_is_that_of_the_slow_way(rows):
    frame = frame_of(rows)
    held = cj.journey_map(
        a_journey(),
        cj.read_events(frame, duplicates="keep", observed_until=MONDAY + pd.Timedelta("20D")),
    )
    plain = [(who, hour, EVENTS[event], event) for who, hour, event, _ in rows]
    for got, expected in zip(
        held.table.to_dict("records"), reference(plain, 4, 20, 10), strict=True
    ):
        for name, value in expected.items():
            seconds = name.startswith("median") and value is not None
            assert (None if pd.isna(got[name]) else got[name]) == (
                value * DAY if seconds else value
            ), name
    number = {"(start)": -1} | {stage["name"]: k for k, stage in enumerate(STAGES)}
    got = {
        (number[one["source"]], number[one["target"]]): (one["moves"], one["customers"])
        for one in held.routes.to_dict("records")
    }
    assert got == route_counts(plain)


@settings(max_examples=8, deadline=None)
@given(logs, st.randoms(use_true_random=False))
def test_shuffled_rows_give_the_same_bytes(rows, random):
    other = list(rows)
    random.shuffle(other)
    maps = [
        cj.journey_map(a_journey(), cj.read_events(frame_of(one), duplicates="keep"), by="channel")
        for one in (rows, other)
    ]
    for name in ("table", "touchpoints", "routes", "unmapped", "pain_points"):
        pd.testing.assert_frame_equal(*(getattr(held, name) for held in maps), check_exact=True)


@settings(max_examples=6, deadline=None)
@given(logs)
def test_groups_add_up_and_each_is_the_map_of_its_customers(rows):
    frame = frame_of(rows)
    log = cj.read_events(frame, duplicates="keep", observed_until=MONDAY + pd.Timedelta("20D"))
    whole, grouped = (
        cj.journey_map(a_journey(), log),
        cj.journey_map(a_journey(), log, by="channel"),
    )
    counts = [
        "customers",
        "customers_in_order",
        "events",
        "ended_here",
        "still_moving",
        "went_back",
        "skipped",
        "n_to_next",
    ]
    assert (
        grouped.table.groupby("position")[counts].sum().to_numpy().tolist()
        == whole.table[counts].to_numpy().tolist()
    )
    wanted = {who: first_value(frame, who, "channel") for who in set(frame["customer_id"])}
    for group, table in grouped.table.groupby("channel", dropna=False):
        members = [
            who for who, value in wanted.items() if value == (None if pd.isna(group) else group)
        ]
        assert (
            table["customers"].tolist() == whole.only(members, "some").table["customers"].tolist()
        )


IN_ORDER = [
    "customers",
    *(
        f"{name}{end}"
        for name in ("share_of_first", "share_of_previous")
        for end in ("", "_low", "_high")
    ),
]


@settings(max_examples=8)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.integers(0, 3), st.sampled_from(sorted(EVENTS)), st.none()
        ),
        min_size=1,
        max_size=30,
    )
)
def test_the_in_order_columns_are_those_of_the_funnel_also_where_events_tie(rows):
    log = cj.read_events(frame_of(rows), duplicates="keep")
    held = cj.journey_map(a_journey(), log).table.rename(
        columns={"customers": "entered", "customers_in_order": "customers"}
    )
    funnel = cj.funnel(log, ["view", ["cart", "pay"], "use", "ask"], window=None).table
    pd.testing.assert_frame_equal(held[IN_ORDER], funnel[IN_ORDER], check_exact=True)


# ---- options and errors ----------------------------------------------------------------------------------------------


def test_a_mapping_from_customers_to_groups_draws_a_map_for_each():
    held = the_map(
        "ana: view@0h cart@1D | bob: view@0h | cy: view@0h",
        by=pd.Series({"ana": "P1", "bob": "P2", "cy": "P2"}, name="persona"),
    )
    assert held.table[held.table["stage"] == "Look"][
        ["persona", "customers"]
    ].to_numpy().tolist() == [["P2", 2], ["P1", 1]]


def test_the_map_of_a_persona_is_that_of_its_customers():
    held = the_map("ana: view@0h cart@1D | bob: view@0h")
    members = pd.DataFrame({"customer_id": ["ana", "bob"], "persona": ["P1", "P2"]})
    assert held.persona("P2", members).table["customers"].tolist() == [1, 0, 0, 0]
    with pytest.raises(cj.CjlibError, match=r"persona: must be one of 'P1', 'P2'. Got 'P3'"):
        held.persona("P3", members)


def test_one_group_of_a_map_is_compared_with_another():
    text = " | ".join(
        [
            *(f"a{k}: view@0h(web) cart@1D(web)" for k in range(40)),
            *(f"b{k}: view@0h(app)" for k in range(40)),
        ]
    )
    held = the_map(text, by="channel")
    assert held.group("web").table["customers"].tolist() == [40, 40, 0, 0]
    change = held.group("web").compare(held.group("app"))
    cell = change.table.set_index(["stage", "measure"]).loc[("Buy", "share_of_previous")]
    assert (cell["earlier"], cell["now"], cell["words"]) == (0.0, 1.0, "better")
    assert change.headline.startswith("channel web beside channel app: ")
    assert change.definition["now"] == "channel web: 40 customers, 2024-01-01 to 2024-01-02"
    with pytest.raises(
        cj.CjlibError, match=r"group: must be one of 'app', 'web'. Got 'wep'. Did you mean 'web'\?"
    ):
        held.group("wep")
    with pytest.raises(cj.CjlibError, match=r"group: the map has no groups. Make it with by="):
        held.group("web").group("web")
    with pytest.raises(cj.CjlibError, match=r"or of one group: map.group\(name\)"):
        held.compare(held)


def test_churn_probabilities_are_averaged_over_the_customers_who_are_there_now():
    scores = pd.DataFrame(
        {"customer_id": ["ana", "bob", "cy"], "churn_probability": [0.2, 0.4, 0.9]}
    )
    held = the_map("ana: view@0h | bob: view@0h | cy: view@0h cart@1D", churn=scores)
    assert held.table["mean_churn_probability"].tolist()[:2] == [
        pytest.approx(0.3),
        pytest.approx(0.9),
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"outcome": "retaind"},
            "outcome: must be one of 'retained', 'converted', 'promoter'. Got 'retaind'. Did you mean 'retained'?",
        ),
        ({"by": "chanel"}, "by: there is no column 'chanel'. Did you mean 'channel'?"),
        (
            {"by": 3},
            "by: must be the name of one column, or a mapping from customer_id to group. Got 3.",
        ),
        (
            {"churn": pd.DataFrame({"customer_id": []})},
            "churn: must be a model of cj.fit_churn or its scores with customer_id and churn_probability.",
        ),
    ],
)
def test_an_option_that_cannot_be_used_says_what_can(options, words):
    with pytest.raises(cj.CjlibError) as fault:
        the_map("ana: view@0h", **options)
    assert words in str(fault.value)


def test_a_map_of_nothing_is_refused_and_groups_need_events():
    with pytest.raises(cj.CjlibError, match="a map needs events or feedback, and neither is given"):
        cj.journey_map(a_journey(), None)
    feedback = cj.read_feedback(
        pd.DataFrame({"timestamp": [MONDAY], "nps": [9], "stage": ["Look"]})
    )
    with pytest.raises(
        cj.CjlibError, match="by: groups are groups of customers of the log, and there is none"
    ):
        cj.journey_map(a_journey(), None, feedback, by="channel")


def test_an_empty_log_gives_a_map_of_zeros_that_says_none():
    held = cj.journey_map(a_journey(), cj.read_events(toy_events("ana: odd@0h")))
    assert column(held, "customers") == [0, 0, 0, 0]
    assert column(held, "evidence") == ["none"] * 4


# ---- export ----------------------------------------------------------------------------------------------------------


def test_the_map_is_written_as_csv_and_json_that_hold_its_tables(tmp_path):
    held = the_map(WORKED)
    names = {path.name for path in held.export(tmp_path / "out")}
    assert {
        "stages.csv",
        "touchpoints.csv",
        "routes.csv",
        "pain_points.csv",
        "journey_map.json",
    } <= names
    told = json.loads((tmp_path / "out" / "journey_map.json").read_text(encoding="utf-8"))
    assert [row["customers"] for row in told["stages"]] == column(held, "customers")
    assert told["journey_hash"] == held.journey.hash
    assert pd.read_csv(tmp_path / "out" / "stages.csv")["events"].tolist() == column(held, "events")


def test_a_text_that_a_spreadsheet_would_run_is_prefixed_in_the_csv_alone(tmp_path):
    stages = [{"name": "=1+1", "touchpoints": ["view"]}]
    the_map("ana: view@0h", a_journey(stages=stages)).export(tmp_path)
    assert pd.read_csv(tmp_path / "stages.csv")["stage"].tolist() == ["'=1+1"]
    assert json.loads((tmp_path / "journey_map.json").read_text())["stages"][0]["stage"] == "=1+1"


def test_no_option_changes_the_log_or_the_journey():
    journey, log = a_journey(), cj.read_events(toy_events(WORKED))
    before = (journey.hash, log.n_events, log.prepared)
    cj.journey_map(journey, log, by="channel")
    assert (journey.hash, log.n_events, log.prepared) == before
    assert replace(log).n_events == log.n_events

"""Funnels counted by hand: the worked examples of the definition, every option, every sentence, every refusal."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from conftest import MONDAY, toy_events

import cjlib as cj

ABC = ["A", "B", "C"]
MINUTE = pd.Timedelta("1min")


def log(text: str, **options) -> cj.EventLog:
    """Toy events, equal rows kept as separate events."""
    return cj.read_events(toy_events(text), duplicates="keep", **options)


def counts(text: str, steps: list, window: str | None = "60min", **options) -> list[int]:
    return cj.funnel(log(text), steps, window=window, **options).table["customers"].tolist()


def minutes(text: str, steps: list, window: str | None = "60min", **options) -> list[float]:
    """When the one customer's steps were reached, in minutes."""
    row = cj.funnel(log(text), steps, window=window, **options).customers().iloc[0]
    stamps = [row[f"step_{k}_at"] for k in range(1, len(steps) + 1)]
    return [(stamp - MONDAY) / MINUTE for stamp in stamps if not pd.isna(stamp)]


# ---- the worked examples of the definition ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "times"), [("best", [30, 45, 75]), ("reentry", [30, 45, 75]), ("first", [0, 45])]
)
def test_a_later_first_event_may_open_the_attempt_that_counts(
    entry: str, times: list[float]
) -> None:
    assert minutes("u: A@0min A@30min B@45min C@75min", ABC, entry=entry) == times


@pytest.mark.parametrize(
    ("entry", "times"), [("best", [0, 20]), ("reentry", [10, 20]), ("first", [0, 20])]
)
def test_best_begins_with_the_earliest_first_event_reentry_with_the_latest(
    entry: str, times: list[float]
) -> None:
    assert minutes("u: A@0min A@10min B@20min", ["A", "B"], entry=entry) == times


def test_the_windows_end_is_inside() -> None:
    assert counts("u: A@0s B@3600s", ["A", "B"]) == [1, 1]
    assert counts("u: A@0s B@3601s", ["A", "B"]) == [1, 0]


def test_a_name_that_stands_twice_needs_two_events() -> None:
    assert counts("u: A@0min B@5min", ["A", "A", "B"]) == [1, 0, 0]
    assert counts("u: A@0min A@3min B@5min", ["A", "A", "B"]) == [1, 1, 1]


def test_events_of_one_instant_may_fill_steps_in_any_order() -> None:
    for text in ("u: B@0min A@0min", "u: A@0min B@0min"):
        funnel = cj.funnel(log(text), ["A", "B"], window="60min")
        assert funnel.table["customers"].tolist() == [1, 1]
        assert funnel.table["median_seconds_from_first"].iloc[1] == 0


def test_strict_a_later_first_event_may_succeed_after_a_break() -> None:
    assert minutes("u: A@0min X@1min B@2min A@3min B@4min", ["A", "B"], order="strict") == [3, 4]


def test_strict_a_repeat_breaks_and_begins_anew() -> None:
    assert minutes("u: A@0min A@1min B@2min", ["A", "B"], order="strict") == [1, 2]


def test_strict_a_tied_stranger_may_stand_after_the_step_but_then_before_the_next() -> None:
    assert minutes("u: A@0min X@1min B@1min C@2min", ABC, order="strict") == [0, 1]


def test_an_excluded_event_between_two_steps_drops_the_customer_or_ends_the_attempt() -> None:
    text = "u: A@0min X@5min B@10min"
    assert counts(text, ["A", "B"], exclude=cj.Exclude("X")) == [0, 0]
    assert counts(text, ["A", "B"], exclude=[cj.Exclude("X", effect="stop_here")]) == [1, 0]


def test_a_clean_attempt_of_the_same_depth_saves_the_customer() -> None:
    assert minutes(
        "u: A@0min X@5min B@10min A@20min B@30min", ["A", "B"], exclude=cj.Exclude("X")
    ) == [20, 30]


@pytest.mark.parametrize("effect", ["drop_customer", "stop_here"])
def test_an_excluded_event_at_the_very_instant_of_a_step_does_not_count(effect: str) -> None:
    assert counts(
        "u: A@0min X@10min B@10min", ["A", "B"], exclude=cj.Exclude("X", effect=effect)
    ) == [1, 1]


def test_with_step_windows_every_chain_is_searched() -> None:
    assert minutes("u: A@0min B@1min B@10min C@12min", ABC, step_windows=[None, "5min"]) == [
        0,
        10,
        12,
    ]


def test_in_any_order_step_k_is_reached_when_k_are_filled() -> None:
    assert minutes("u: B@0min C@5min A@7min", ABC, order="any") == [0, 5, 7]


@pytest.mark.parametrize(
    ("by_value", "channel", "reached"),
    [
        ("first", "web", [1, 1, 1]),
        ("last", "app", [1, 1, 1]),
        ("step_2", "app", [1, 1, 1]),
        ("all", "web", [1, 0, 0]),
    ],
)
def test_the_group_of_a_customer_with_several_values(
    by_value: str, channel: str, reached: list[int]
) -> None:
    table = cj.funnel(
        log("u: A@0min(web) B@5min(app) C@9min(app)"),
        ABC,
        window="60min",
        by="channel",
        by_value=by_value,
    ).table
    assert table["channel"].tolist() == [channel] * 3
    assert table["customers"].tolist() == reached


@pytest.mark.parametrize(
    ("start", "end", "reached"),
    [("2024-03-09 12:00", "2024-03-16 12:00", 2), ("2024-11-02 12:00", "2024-11-09 12:00", 1)],
)
def test_a_window_is_elapsed_time_whatever_the_clocks_do(
    start: str, end: str, reached: int
) -> None:
    stamps = pd.DatetimeIndex([start, end]).tz_localize("America/New_York")
    frame = pd.DataFrame({"customer_id": ["u", "u"], "event": ["A", "B"], "timestamp": stamps})
    funnel = cj.funnel(cj.read_events(frame, timezone="America/New_York"), ["A", "B"], window="7D")
    assert funnel.customers()["steps_reached"].tolist() == [reached]


# ---- counting ---------------------------------------------------------------------------------------------------


def test_a_customer_who_repeats_a_step_counts_once() -> None:
    assert counts("ana: view@0h view@1h buy@2h | bob: view@0h", ["view", "buy"], "1D") == [2, 1]


def test_nobody_passes_step_one_and_the_rows_stand_all_the_same() -> None:
    table = cj.funnel(log("ana: view@0h"), ["view", "cart", "buy"], window="1D").table
    assert table["customers"].tolist() == [1, 0, 0]
    assert table["share_of_previous"].isna().tolist() == [True, False, True]
    assert table["share_of_previous"].iloc[1] == 0


def test_a_list_of_names_is_any_of_them_and_none_is_any_event() -> None:
    text = "ana: view@0h pay@1h | bob: open@0h refund@1h | eve: view@0h"
    assert counts(text, [["view", "open"], ["pay", "refund"]], "1D") == [3, 2]
    assert counts(text, ["view", None], "1D") == [2, 1]


def test_overlapping_lists_need_an_event_each() -> None:
    assert counts("u: A@0h B@0h", [["A", "B"], "B"], "1D") == [1, 1]
    assert counts("u: B@0h", [["A", "B"], "B"], "1D") == [1, 0]


def test_where_and_first_time_choose_the_events_of_a_step() -> None:
    text = "ana: view@0h(web) view@1h(app) buy@2h | bob: view@0h(app) buy@1h"
    assert counts(text, [cj.Step("view", where={"channel": "app"}), "buy"], "1D") == [2, 2]
    assert counts(
        text, [cj.Step("view", where={"channel": "app"}, first_time="event"), "buy"], "1D"
    ) == [1, 1]
    assert minutes(
        text, [cj.Step("view", where={"channel": "app"}, first_time=True), "buy"], "1D"
    ) == [60, 120]


def test_start_and_end_bound_the_first_event_only() -> None:
    text = "u: A@0h B@30h"
    day = {"start": "2024-01-01", "end": "2024-01-01"}
    assert counts(text, ["A", "B"], "2D", **day) == [1, 1]
    assert cj.funnel(log(text).where(**day), ["A", "B"], window="2D").table[
        "customers"
    ].tolist() == [1, 0]
    assert counts(text, ["A", "B"], "2D", start="2024-01-02") == [0, 0]


def test_first_entry_is_the_first_at_or_after_start_and_the_best_of_those_tied() -> None:
    text = "u: A@0h A@2h A@2h B@3h"
    assert minutes(text, ["A", "A", "B"], "1D", entry="first", start="2024-01-01 01:00") == [
        120,
        120,
        180,
    ]


def test_closed_entrants_must_have_had_their_whole_window() -> None:
    text = "early: A@0h B@1h | late: A@40h B@41h | stranger: X@50h"
    funnel = cj.funnel(log(text), ["A", "B"], window="1D", entrants="closed")
    assert funnel.customers()["customer_id"].tolist() == ["early"]
    assert funnel.table["still_open"].tolist() == [0, 0]


def test_still_open_counts_those_short_of_the_end_whose_window_is_open() -> None:
    text = "old: A@0h | new: A@40h | done: A@40h B@41h | stranger: X@50h"
    assert cj.funnel(log(text), ["A", "B"], window="1D").table["still_open"].tolist() == [1, 0]
    assert cj.funnel(log(text), ["A", "B"], window=None).table["still_open"].tolist() == [2, 0]
    assert cj.funnel(
        log("new: A@0h A@40h | stranger: X@50h"), ["A", "B"], window="1D", entry="first"
    ).table["still_open"].tolist() == [0, 0]


def test_held_columns_must_agree_along_an_attempt() -> None:
    text = "one: A@0h(web) B@1h(web) | two: A@0h(web) B@1h(app) | none: A@0h B@1h"
    assert counts(text, ["A", "B"], "1D", hold="channel") == [2, 1]


def test_a_customer_is_best_over_held_values_and_counts_once() -> None:
    assert minutes("u: A@0h(web) A@1h(app) B@2h(app)", ["A", "B"], "1D", hold=["channel"]) == [
        60,
        120,
    ]


def test_drop_customer_a_clean_shallower_attempt_saves_nobody() -> None:
    assert counts("u: A@0min X@5min B@10min A@30h", ["A", "B"], exclude=cj.Exclude("X")) == [0, 0]


def test_an_exclusion_looks_to_the_windows_end_if_its_later_step_was_not_reached() -> None:
    assert counts("u: A@0min X@60min", ["A", "B"], exclude=cj.Exclude("X")) == [0, 0]
    assert counts("u: A@0min X@61min", ["A", "B"], exclude=cj.Exclude("X")) == [1, 0]


def test_customers_are_dropped_before_attempts_are_stopped() -> None:
    exclude = [cj.Exclude("X"), cj.Exclude("Y", 2, 3, effect="stop_here")]
    assert counts("u: A@0min B@5min Y@6min C@9min", ABC, exclude=exclude) == [1, 1, 0]
    assert counts("u: A@0min X@1min B@5min Y@6min C@9min", ABC, exclude=exclude) == [0, 0, 0]


def test_median_from_the_latest_start_stands_beside_that_from_the_counted_one() -> None:
    metrics = cj.funnel(log("u: A@0min A@10min B@20min"), ["A", "B"], window="60min").metrics
    assert metrics["median_seconds_to_convert"]["value"] == 1200
    assert metrics["median_seconds_from_latest_start"]["value"] == 600


def test_a_bot_with_very_many_events_does_not_slow_the_count() -> None:
    size = 100_000
    frame = pd.DataFrame(
        {
            "customer_id": "bot",
            "event": np.resize(["A", "B", "A", "C"], size),
            "timestamp": MONDAY + pd.to_timedelta(np.arange(size), unit="s"),
        }
    )
    bot = cj.read_events(frame)
    for options in (
        {},
        {"order": "strict"},
        {"order": "any"},
        {"exclude": cj.Exclude("X")},
        {"step_windows": ["1min", "1min"]},
    ):
        assert cj.funnel(bot, ["A", "B", "C"], window="1D", **options).table[
            "customers"
        ].tolist() == [
            1,
            1,
            0 if "order" in options and options["order"] == "strict" else 1,
        ]


def test_many_steps_in_any_order_are_counted() -> None:
    names = [f"s{k}" for k in range(14)]
    events = " | ".join(
        f"u{start}: " + " ".join(f"{names[(start * 5 + k * 3) % 14]}@{k}min" for k in range(14))
        for start in range(14)
    )
    assert counts(events, names, "1h", order="any") == [14] * 14
    assert counts(events, [*names[:9], None], "1h", order="any") == [14] * 10


# ---- groups -----------------------------------------------------------------------------------------------------

SEGMENTS = "a1: A@0h(web) B@1h | a2: A@0h(web) | a3: A@0h(web) B@1h | b1: A@0h(app) B@1h | c1: A@0h"


def test_groups_stand_largest_first_then_by_value_with_the_missing_one_last() -> None:
    table = cj.funnel(
        log(SEGMENTS + " | d1: A@0h(ad)"), ["A", "B"], window="1D", by="channel"
    ).table
    assert table["channel"].tolist()[:6] == ["web", "web", "ad", "ad", "app", "app"]
    assert table["channel"].isna().tolist() == [False] * 6 + [True] * 2
    assert table["customers"].tolist() == [3, 2, 1, 0, 1, 1, 1, 0]


def test_step_k_leaves_out_those_who_never_reached_it_and_says_how_many() -> None:
    funnel = cj.funnel(
        log("u: A@0h(web) B@1h(app) | v: A@0h(web)"),
        ["A", "B"],
        window="1D",
        by="channel",
        by_value="step_2",
    )
    assert funnel.table["channel"].tolist() == ["app", "app"]
    assert funnel.customers()["customer_id"].tolist() == ["u"]
    assert funnel.definition["left out of the groups"] == "1 customer who never reached step 2"
    assert funnel.metrics["conversion"] == {
        "value": 0.5,
        "low": pytest.approx(0.0945, abs=1e-4),
        "high": pytest.approx(0.9055, abs=1e-4),
        "n": 2,
        "label": "Conversion",
        "unit": "share",
        "better": "higher",
    }


def test_several_columns_are_taken_from_the_first_event_that_has_any() -> None:
    frame = toy_events("u: A@0h B@1h(app) | v: A@0h(web) B@1h(app)").assign(
        plan=pd.array([None, 7, None, 9], dtype="Int64")
    )
    table = cj.funnel(cj.read_events(frame), ["A", "B"], window="1D", by=["channel", "plan"]).table
    assert list(table.columns[:3]) == ["channel", "plan", "step"]
    assert table[["channel", "plan"]].drop_duplicates().astype(object).where(
        lambda part: part.notna(), None
    ).to_numpy().tolist() == [
        ["app", 7],
        ["web", None],
    ]
    assert str(table["plan"].dtype) == "Int64"


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([True, False, True], "bool", [True, False]),
        (pd.array([True, False, None], dtype="boolean"), "boolean", [True, False, None]),
        ([9, 10, 9], "int64", [9, 10]),
        ([0.5, None, 0.5], "float64", [0.5, None]),
        (pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-02"]).as_unit("us"), "datetime64[us]", [pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-03")]),
    ],
)  # fmt: skip
def test_groups_have_the_dtype_of_the_log(values, dtype: str, expected: list) -> None:
    frame = toy_events("u: A@0h | v: A@0h | w: A@0h").assign(held=values)
    held = cj.funnel(cj.read_events(frame), ["A"], window="1D", by="held").table["held"]
    assert str(held.dtype) == dtype
    assert sorted(map(str, held.astype(object).where(held.notna(), None))) == sorted(
        map(str, expected)
    )


def test_a_column_of_the_customers_table_is_one_value_a_customer() -> None:
    customers = pd.DataFrame({"customer_id": ["a1", "a2"], "country": ["DE", "FR"]})
    held = cj.read_events(toy_events("a1: A@0h B@1h | a2: A@0h | a3: A@0h"), customers=customers)
    for by_value in ("first", "step_2"):
        funnel = cj.funnel(held, ["A", "B"], window="1D", by="country", by_value=by_value)
        assert funnel.table["customers"].tolist() == [1, 1, 1, 0, 1, 0]
        assert funnel.table["country"].astype(object).where(
            lambda column: column.notna(), None
        ).tolist() == ["DE", "DE", "FR", "FR", None, None]


def test_a_count_of_customers_with_several_values_is_in_the_definition() -> None:
    funnel = cj.funnel(
        log("u: A@0h(web) B@1h(app) | v: A@0h(web) B@1h(web)"),
        ["A", "B"],
        window="1D",
        by="channel",
    )
    assert "customers with more than one value: 1;" in funnel.definition["groups"]


def test_only_groups_large_enough_are_compared_each_with_all_others_together() -> None:
    people = [f"w{k}: A@0h(web)" + (" B@1h" if k < 30 else "") for k in range(40)] + [
        f"p{k}: A@0h(app)" + (" B@1h" if k < 10 else "") for k in range(40)
    ]
    funnel = cj.funnel(
        log(" | ".join([*people, "s: A@0h(ad) X@80h"])), ["A", "B"], window="1D", by="channel"
    )
    compared = funnel.comparisons
    assert compared["channel"].tolist() == ["app", "web"]
    assert compared["without"].tolist() == ["channel web", ""]
    assert compared[["customers", "other_customers"]].to_numpy().tolist() == [[40, 1], [40, 41]]
    assert compared["share"].tolist() == [0.25, 0.75]
    assert compared["other_share"].tolist() == [0, 10 / 41]
    assert compared["p_adjusted"].isna().tolist() == [True, False], "one other customer is too few"
    assert compared["p_adjusted"].iloc[1] < 0.001
    assert funnel.headline.endswith(
        "; channel web converts 50.6 points above the others (75.0% of 40 first entries, 24.4% of the others)."
    )


def test_groups_that_a_customer_may_share_are_not_compared() -> None:
    assert cj.funnel(
        log(SEGMENTS), ["A", "B"], window="1D", by="channel", by_value="all", min_n=1
    ).comparisons.empty
    assert cj.funnel(log(SEGMENTS), ["A", "B"], window="1D").comparisons.empty


# ---- shape ------------------------------------------------------------------------------------------------------


def test_the_table_has_these_columns_and_dtypes() -> None:
    table = cj.funnel(log(SEGMENTS), ["A", "B"], window="1D", by="channel").table
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        "channel": "str", "step": "int64", "event": "str", "customers": "int64",
        "share_of_first": "float64", "share_of_first_low": "float64", "share_of_first_high": "float64",
        "share_of_previous": "float64", "share_of_previous_low": "float64", "share_of_previous_high": "float64",
        "median_seconds_from_previous": "float64", "mean_seconds_from_previous": "float64", "median_seconds_from_first": "float64",
        "still_open": "int64",
    }  # fmt: skip
    first = table.iloc[0]
    assert first["share_of_first"] == 1.0
    assert (
        first[["share_of_first_low", "share_of_previous", "median_seconds_from_first"]].isna().all()
    )


def test_customers_are_sorted_by_id_with_the_times_of_their_steps() -> None:
    frame = toy_events("10: A@0h B@2h | 9: A@1h").assign(
        customer_id=lambda part: part["customer_id"].astype(int)
    )
    rows = cj.funnel(
        cj.read_events(frame, timezone="Europe/Berlin"), ["A", "B"], window="1D"
    ).customers()
    assert rows["customer_id"].tolist() == [9, 10]
    assert rows["steps_reached"].tolist() == [1, 2]
    assert rows["still_open"].tolist() == [True, False]
    assert rows["step_2_at"].isna().tolist() == [True, False]
    assert str(rows["step_1_at"].dtype) == "datetime64[us, Europe/Berlin]"


def test_an_id_with_zeros_in_front_stays_text() -> None:
    assert cj.funnel(log("007: A@0h"), ["A"], window="1D").customers()["customer_id"].tolist() == [
        "007"
    ]


def test_one_step_has_no_shares_of_a_step_before_and_no_times() -> None:
    funnel = cj.funnel(log("u: A@0h | v: A@0h"), ["A"], window="1D")
    assert funnel.table["customers"].tolist() == [2]
    assert funnel.metrics["median_seconds_to_convert"]["value"] is None
    assert funnel.headline == "2 customers did “A”."


def test_an_empty_log_gives_a_table_of_zeros() -> None:
    nothing = log("u: A@0h").where(event="B")
    funnel = cj.funnel(nothing, ["A", "B"], window="1D")
    assert funnel.table["customers"].tolist() == [0, 0]
    assert funnel.table["share_of_first"].isna().all()
    assert funnel.headline == "Nobody entered this funnel: no customer has 'A' in the log."
    assert funnel.customers().empty
    assert cj.funnel(nothing, ["A", "B"], window="1D", by="channel").table.empty
    for order, options in itertools.product(
        ("sequential", "strict", "any"),
        ({}, {"hold": "channel"}, {"by": "channel", "by_value": "all"}),
    ):
        assert cj.funnel(nothing, ["A", "B"], window="1D", order=order, **options).customers().empty
    assert (
        cj.funnel(nothing, ["A", "B"], window=None, step_windows=["1h"], exclude=cj.Exclude("A"))
        .table["customers"]
        .sum()
        == 0
    )


def test_rows_in_any_order_give_the_same_bytes() -> None:
    frame = toy_events(SEGMENTS + " | z: A@0h(web) A@0h(app) B@0h(ad) B@1h(web)")
    answers = set()
    for seed in range(4):
        funnel = cj.funnel(
            cj.read_events(frame.sample(frac=1, random_state=seed)),
            ["A", "B"],
            window="1D",
            by="channel",
        )
        answers.add(
            funnel.table.to_csv()
            + funnel.customers().to_csv()
            + funnel.headline
            + str(dict(funnel.definition))
        )
    assert len(answers) == 1


def test_an_event_named_like_an_attack_is_a_name() -> None:
    evil = "'; DROP TABLE events; -- \"<script>"
    frame = pd.DataFrame(
        {"customer_id": ["u", "u"], "event": [evil, "B"], "timestamp": [MONDAY, MONDAY + MINUTE]}
    )
    held = cj.read_events(frame)
    funnel = cj.funnel(held, [evil, "B"], window="1D")
    assert funnel.table["customers"].tolist() == [1, 1]
    assert held.run(funnel.sql)["customers"].tolist() == [1, 1]
    assert "<script>" not in funnel._repr_mimebundle_()["text/html"]


# ---- words ------------------------------------------------------------------------------------------------------


def test_the_headline_says_share_interval_loss_open_windows_and_small_n() -> None:
    text = " | ".join(
        [f"u{k}: A@0h B@1h" + (" C@2h" if k < 10 else "") for k in range(30)]
        + [f"v{k}: A@0h" for k in range(60)]
        + ["n: A@70h", "s: X@80h"]
    )
    assert cj.funnel(log(text), ABC, window="1D").headline == (
        "10 of 91 customers (11.0%, 95% CI 6.1–19.1%) went from “A” to “C” within 1 day; most are lost between “A” and “B” (61 of 91); "
        "1 of the others is still in progress, so the share may rise."
    )
    assert cj.funnel(log("u: A@0h B@1h | s: X@80h"), ["A", "B"], window="1D").headline == (
        "1 of 1 customer (100.0%, 95% CI 20.7–100.0%) went from “A” to “B” within 1 day; nobody was lost on the way; "
        "with fewer than 30 customers these shares say little."
    )


def test_two_losses_that_chance_could_have_split_are_both_named() -> None:
    text = " | ".join(
        [f"u{k}: A@0h B@1h" for k in range(20)] + [f"v{k}: A@0h" for k in range(21)] + ["s: X@80h"]
    )
    assert (
        "most are lost between “A” and “B” (21 of 41), not significantly more than between “B” and “C” (20)"
        in cj.funnel(log(text), [*ABC[:2], cj.Step("C", may_be_absent=True)], window="1D").headline
    )


def test_the_headline_of_any_order_speaks_of_steps_done() -> None:
    text = " | ".join(
        [f"u{k}: B@0h A@1h" for k in range(20)] + [f"v{k}: A@0h" for k in range(21)] + ["s: X@80h"]
    )
    assert cj.funnel(log(text), ["A", "B"], window=None, order="any").headline == (
        "20 of 41 customers (48.8%, 95% CI 34.3–63.5%) did all 2 steps, in any order; most are lost after 1 of 2 steps (21 of 41); "
        "no window ends their attempts, so the share may rise."
    )


def test_the_definition_says_what_decided_the_numbers() -> None:
    held = log("u: A@0h A@0h X@1h B@2h | v: A@0h B@1h | x: A@0h X@1h B@2h").where(
        channel={"is_set": False}
    )
    said = cj.funnel(
        held,
        ["A", cj.Step("B")],
        window="1D",
        exclude=[cj.Exclude("X"), cj.Exclude("Y", effect="stop_here")],
        hold=(),
        step_windows=["2h"],
        start="2024-01-01",
    ).definition
    assert said["steps"] == "1. A → 2. B"
    assert (
        said["window"]
        == "1 day of elapsed time from the first event to every later step, its end included"
    )
    assert said["ties"].endswith("tied events here: 2 of 7")
    assert said["step windows"].startswith(
        "from the previous step, end included: to step 2: 2 hours;"
    )
    assert (
        said["base"]
        == "1 customer with a first event from 2024-01-01 00:00 (UTC); later steps may fall after it; 2 customers dropped by an exclusion"
    )
    assert (
        "X strictly between steps 1 and 2 (or to the window's end): a customer all of whose deepest attempts it hits is dropped: 2 customers"
        in said["exclusions"]
    )
    assert said["rows used"].startswith(
        "7 of 9 events in the log match a step; the log runs from 2024-01-01 00:00 to "
    )
    assert said["end of data"] == "2024-01-01 02:00 (UTC)"
    assert said["rows left out"] == "0 in quarantine"
    assert said["filters"] == "channel is_set False"
    assert said["never in the log"] == "'Y' counts 0."
    assert said["sql"].startswith("the statement leaves out the exclusions, step_windows:")


def test_names_and_values_that_never_occur_count_zero_with_the_nearest_name() -> None:
    funnel = cj.funnel(
        log("u: checkout@0h(web)"),
        ["chekout", cj.Step("checkout", where={"channel": "wep"})],
        window="1D",
    )
    assert funnel.table["customers"].tolist() == [0, 0]
    assert (
        funnel.definition["never in the log"]
        == "'chekout' counts 0. Did you mean 'checkout'? channel = 'wep' counts 0. Did you mean 'web'?"
    )


def test_rows_held_back_are_named() -> None:
    frame = pd.concat([toy_events("u: A@0h B@1h"), toy_events("u: A@0h").assign(event=None)])
    assert (
        cj.funnel(cj.read_events(frame, quarantine_limit=1), ["A", "B"], window="1D").definition[
            "rows left out"
        ]
        == "1 in quarantine"
    )


# ---- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "options", "message"),
    [
        ("A", {}, "steps: must be a list of steps, such as ['visit', 'signup', 'buy']. Got 'A'."),
        ([], {}, "steps: must be a list of steps, such as ['visit', 'signup', 'buy']. Got []."),
        (["A", 3], {}, "steps[1]: must be an event name, a list of names, None (any event) or cj.Step(…). Got 3."),
        (["A"] * 41, {}, "steps: at most 40 steps. Got 41. Ask two funnels, or use cj.paths."),
        (["A", "B"], {"window": 14}, "window: must be a duration with its unit"),
        (["A", "B"], {"order": "sequence"}, "order: must be one of 'sequential', 'strict', 'any'. Got 'sequence'. Did you mean 'sequential'?"),
        (["A", "B"], {"entry": "last"}, "entry: must be one of 'best', 'reentry', 'first'. Got 'last'."),
        (["A", "B"], {"entrants": "close"}, "entrants: must be one of 'all', 'closed'. Got 'close'. Did you mean 'closed'?"),
        (["A", "B"], {"window": None, "entrants": "closed"}, "entrants: 'closed' keeps first events whose window has ended, so it needs a window. Got window=None."),
        (["A", "B"], {"exclude": "X"}, "exclude: must be cj.Exclude(event, after=1, before=2) or a list of them. Got 'X'."),
        (["A", "B"], {"exclude": cj.Exclude("X", 1, 3)}, "exclude: before=3 names a step that the funnel does not have; it has 2."),
        (["A", "B"], {"exclude": [cj.Exclude("X")] * 21}, "exclude: at most 20 exclusions. Got 21."),
        (ABC, {"exclude": cj.Exclude("X"), "order": "any"}, "an exclusion looks from the first event to the completion: after=1, before=3."),
        (["A", "B"], {"step_windows": ["1h"], "order": "any"}, "step_windows: cannot be used with order='any'"),
        (["A", "B"], {"step_windows": ["1h", "1h"]}, "step_windows: must be a list of 1 durations or None, one for each step but the first."),
        (["A", "B"], {"step_windows": [5]}, "step_windows[0]: must be a duration with its unit"),
        (["A", "B"], {"by": "chanel"}, "by: there is no column 'chanel'. Did you mean 'channel'?"),
        (["A", "B"], {"hold": "chanel"}, "hold: there is no column 'chanel'. Did you mean 'channel'?"),
        (["A", "B"], {"by": 3}, "by: must be the name of a column or a list of names. Got 3."),
        (["A", "B"], {"by": "step"}, "by: 'step' is also the name of a column of the table."),
        (["A", "B"], {"by": "channel", "by_value": "step_3"}, "by_value: must be one of 'first', 'last', 'all', 'step_1', 'step_2'. Got 'step_3'."),
        (["A", "B"], {"start": "2024-02-01", "end": "2024-01-01"}, "start: must not lie after end. Got start='2024-02-01', end='2024-01-01'."),
        (["A", "B"], {"min_n": 0}, "min_n: must be a whole number of customers, 1 or more. Got 0."),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_what_is_allowed(
    steps, options: dict, message: str
) -> None:
    with pytest.raises(cj.CjlibError, match=re.escape(message)):
        cj.funnel(log("u: A@0h(web)"), steps, **{"window": "1D", **options})


# ---- comparisons that hold ----------------------------------------------------------------------------------------


def visits(seed: int) -> cj.EventLog:
    """600 customers come about three times, and every visit converts with .3 within two days, whatever its channel."""
    rng = np.random.default_rng(seed)
    customer = np.repeat(np.arange(600), rng.poisson(3, 600))
    day = rng.uniform(0, 60, len(customer))
    buys = rng.random(len(customer)) < 0.3
    bought = day + rng.uniform(0.01, 2, len(day))
    buys &= bought < 60
    # Whoever comes back comes through an ad: no channel converts better.
    order = np.lexsort((day, customer))
    again = np.zeros(len(day), dtype=bool)
    again[order] = np.diff(customer[order], prepend=-1) == 0
    channel = np.where(again, "ad", np.where(rng.random(len(day)) < 0.5, "web", "mail"))
    return cj.read_events(
        pd.DataFrame(
            {
                "customer_id": np.r_[customer, customer[buys]].astype(str),
                "event": np.repeat(["visit", "buy"], [len(customer), buys.sum()]),
                "timestamp": pd.Timestamp("2025-01-06", tz="UTC")
                + pd.to_timedelta(np.r_[day, bought[buys]], unit="D"),
                "channel": np.r_[channel, channel[buys]],
            }
        ),
        observed_until="2025-03-06",
    )


def test_groups_are_known_at_the_first_entry_of_those_who_convert_and_those_who_do_not() -> None:
    funnel = cj.funnel(visits(0), ["visit", "buy"], window="2D", by="channel")
    table = funnel.table[funnel.table["step"] == 2].set_index("channel")["share_of_first"]
    assert table["ad"] > table["web"] + 0.2  # of the counted attempts, which the table is about
    assert set(funnel.comparisons["channel"]) == {"web", "mail"}
    assert (funnel.comparisons["p_adjusted"] > 0.05).all()
    assert "no group of channel differs significantly from the others" in funnel.headline
    assert not funnel.findings
    assert funnel.families == {"conversion by channel": 2, "steps by channel": 2}


def test_open_windows_are_on_no_side_of_a_comparison() -> None:
    old = " | ".join(f"o{k}: A@{k}h(web)" + (f" B@{k + 1}h" if k % 2 else "") for k in range(60))
    new = " | ".join(f"n{k}: A@200h(ad)" for k in range(60))
    funnel = cj.funnel(log(f"{old} | {new} | z: X@210h"), ["A", "B"], window="2D", by="channel")
    assert funnel.comparisons.empty
    assert "fewer than two have 30 customers whose window has ended" in funnel.headline
    assert "60 of the others are still in progress" in funnel.headline


def test_without_a_window_groups_are_not_compared() -> None:
    people = [f"w{k}: A@0h({'web' if k % 2 else 'app'})" for k in range(80)]
    funnel = cj.funnel(log(" | ".join([*people, "s: B@9h"])), ["A", "B"], window=None, by="channel")
    assert funnel.comparisons.empty
    assert "groups are compared within a window only" in funnel.definition["comparisons"]


def test_the_steps_of_groups_are_compared_with_all_others_and_can_be_exported() -> None:
    people = [f"w{k}: A@0h(web)" + (" B@1h" if k < 30 else "") for k in range(40)] + [
        f"p{k}: A@0h(app)" + (" B@1h" if k < 10 else "") for k in range(40)
    ]
    funnel = cj.funnel(
        log(" | ".join([*people, "s: X@80h"])), ["A", "B"], window="1D", by="channel"
    )
    steps = funnel.group_steps
    assert steps["customers"].tolist() == [40, 10, 40, 30]
    assert steps["difference"].round(6).tolist()[1::2] == [-0.5, 0.5]
    assert (steps["p_adjusted"].to_numpy()[1::2] < 0.001).all()
    assert [finding.direction for finding in funnel.findings] == ["bad", "good"]
    assert funnel.findings[0].claim.startswith(
        "Channel app converts worse than the others: 25.0% of 40 customers reach “B”, −50.0 points"
    )


@pytest.mark.parametrize("name", ["4 - purchas", "nonsense"])
def test_a_later_step_that_never_occurs_is_refused(name: str) -> None:
    text = " | ".join(f"u{k}: A@0h" for k in range(40))
    events = toy_events(text)
    events.loc[:9, "event"] = "4 - purchase"
    held = cj.read_events(events)
    near = " Did you mean '4 - purchase'?" if name != "nonsense" else ""
    with pytest.raises(
        cj.CjlibError, match=re.escape(f"steps: {name!r} never occurs in the log.{near}")
    ):
        cj.funnel(held, ["A", name], window="1D")
    allowed = cj.Step(name, may_be_absent=True)
    assert cj.funnel(held, ["A", allowed], window="1D").table["customers"].tolist()[1] == 0
    assert cj.funnel(held, ["A", ["4 - purchase", name]], window="1D").table["step"].tolist() == [
        1,
        2,
    ]


@pytest.mark.parametrize(
    "steps",
    [5, None, [1], ["A", ["B", ["C"]]], ["A", {"B"}], [["A", 1]], ["A", b"B"], [True], {"A": 1}],
)
def test_steps_of_a_wrong_type_are_our_error(steps: object) -> None:
    with pytest.raises(cj.CjlibError, match="steps"):
        cj.funnel(log("u: A@0h B@1h"), steps, window="1D")


@pytest.mark.parametrize("where", [3, [1], {3: "x"}])
def test_conditions_of_a_wrong_type_are_our_error(where: object) -> None:
    with pytest.raises(cj.CjlibError, match="where"):
        cj.Step("A", where=where)


def test_what_is_no_log_is_our_error() -> None:
    with pytest.raises(cj.CjlibError, match=r"log: must be an event log.*Got 'DataFrame'"):
        cj.funnel(toy_events("u: A@0h"), ["A", "B"], window="1D")

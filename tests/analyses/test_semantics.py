"""`semantics=`: other tools' worked cases and documented examples, counted as they count."""

from __future__ import annotations

import conformance
import numpy as np
import pandas as pd
import pytest
from conftest import toy_events
from test_funnel_conformance import is_as_the_source_has_it

import cjlib as cj
from cjlib.sources.log.semantics import FUNNELS, RETENTIONS

POSTHOG = [case for case in conformance.cases("funnel") if case["id"].startswith("ph-")]


@pytest.mark.parametrize("case", POSTHOG, ids=lambda case: case["id"])
def test_posthogs_own_cases_come_out_by_its_semantics_alone(case):
    query = case["query"]
    order = conformance.ORDER[query["order"]]
    funnel = cj.funnel(
        conformance.log_of(case),
        [conformance.step_of(step) for step in query["steps"]],
        semantics="posthog",
        window=f"{query['window_seconds']}s",
        order=order,
        exclude=[
            cj.Exclude(
                conformance.step_of(exclusion["step"]),
                after=exclusion["from_step"] + 1,
                before=exclusion["to_step"] + 1,
                effect="stop_here" if order == "any" else "drop_customer",
            )
            for exclusion in query["exclusions"]
        ],
        by=query["breakdown"],
        by_value=conformance.by_value_of(case),
        start=query.get("date_from"),
        end=query.get("date_to"),
    )
    is_as_the_source_has_it(funnel, case)


@pytest.mark.parametrize("case", conformance.cases("retention"), ids=lambda case: case["id"])
def test_posthogs_retention_needs_no_more_than_its_name(case):
    options = conformance.retention_options(case)
    chosen = {name: options.pop(name) for name in ("clock", "week_start", "cohort", "mode")}
    usual = RETENTIONS["posthog"].options
    given = {name: value for name, value in chosen.items() if value != usual[name]}
    log = conformance.log_of(case)
    by_name = cj.retention(log, **options, **given, semantics="posthog")
    pd.testing.assert_frame_equal(by_name.table, cj.retention(log, **options, **chosen).table)


def steps_reached(log, steps, **options):
    return cj.funnel(log, steps, **options).customers()["steps_reached"].tolist()


# ---- Mixpanel: the examples of its page on funnels ---------------------------------------------------------------


def test_mixpanels_window_starts_at_the_first_entry(toy_log):
    log = toy_log("ana: a@60min a@90min b@105min c@135min")
    assert steps_reached(log, ["a", "b", "c"], window="1h", semantics="mixpanel") == [2]
    optimized = steps_reached(
        log, ["a", "b", "c"], window="1h", semantics="mixpanel", entry="reentry"
    )
    assert optimized == [3]


def test_mixpanel_ignores_a_second_entry_unless_reentry_is_asked_for(toy_log):
    after_the_window = "ana: a@0h a@30h b@31h"
    before_it_ends = "ana: a@0h a@20h b@25h"
    for text in (after_the_window, before_it_ends):
        log = toy_log(text)
        assert steps_reached(log, ["a", "b"], window="24h", semantics="mixpanel") == [1]
        again = cj.funnel(log, ["a", "b"], window="24h", semantics="mixpanel", entry="reentry")
        assert again.customers()["steps_reached"].tolist() == [2]


def test_mixpanels_reentry_times_the_latest_entry(toy_log):
    log = toy_log("ana: a@0min a@10min a@20min b@30min")
    seconds = {
        entry: cj.funnel(log, ["a", "b"], semantics="mixpanel", entry=entry).metrics[
            "median_seconds_to_convert"
        ]["value"]
        for entry in ("first", "reentry")
    }
    assert seconds == {"first": 1800.0, "reentry": 600.0}


def test_mixpanel_lets_later_steps_fall_after_the_range_and_posthog_does_not(toy_log):
    log = toy_log("ana: a@10h b@30h | bob: a@10h b@12h")
    reached = {
        tool: cj.funnel(log, ["a", "b"], end="2024-01-01", semantics=tool).table["customers"]
        for tool in FUNNELS
    }
    assert {tool: counts.tolist() for tool, counts in reached.items()} == {
        "posthog": [2, 1],
        "mixpanel": [2, 2],
        "amplitude": [2, 2],
        "ga4": [2, 1],
    }


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("ana: b@0s a@2s", {"posthog": 1, "mixpanel": 2, "amplitude": 1, "ga4": 1}),
        ("ana: b@0s a@1s", {"posthog": 1, "mixpanel": 2, "amplitude": 2, "ga4": 1}),
        ("ana: b@0us a@2000001us", dict.fromkeys(FUNNELS, 1)),
        ("ana: b@0s a@0s", dict.fromkeys(FUNNELS, 2)),
        ("ana: b@0s a@1s b@9s", dict.fromkeys(FUNNELS, 2)),
    ],
)
def test_steps_swap_places_within_the_time_the_tool_allows(toy_log, text, reached):
    log = toy_log(text)
    assert {tool: steps_reached(log, ["a", "b"], semantics=tool) for tool in FUNNELS} == {
        tool: [steps] for tool, steps in reached.items()
    }


def test_a_swapped_step_takes_no_time_and_is_told(toy_log):
    funnel = cj.funnel(toy_log("ana: b@0s a@1s"), ["a", "b"], semantics="mixpanel")
    assert funnel.table["median_seconds_from_previous"].iloc[1] == 0
    assert "up to 2 seconds before the one before it" in funnel.definition["ties"]
    assert "swap" in funnel.definition["sql"]
    assert "swap" not in funnel.definition["differences that remain"]


def deepest(times, window, together):
    """The most steps of any chain, by trying every one: `times` are those of each step's events."""
    best = 0
    chains = [[start] for start in times[0]]
    for k in range(len(times)):
        best = max(best, k + 1) if chains else best
        if k + 1 < len(times):
            chains = [
                [*chain, at]
                for chain in chains
                for at in times[k + 1]
                if chain[-1] - together <= at <= chain[0] + window
            ]
    return best


def test_swapped_steps_equal_a_search_over_all_chains():
    random = np.random.default_rng(5)
    rows = [
        (
            f"c{customer}",
            event,
            pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(seconds=float(at)),
        )
        for customer in range(150)
        for event, at in zip(
            random.choice(list("abcx"), 7), random.integers(0, 25, 7) / 2, strict=True
        )
    ]
    events = pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"])
    log = cj.read_events(events, duplicates="keep")
    optimized = cj.funnel(log, list("abc"), window="5s", semantics="mixpanel", entry="reentry")
    reached = optimized.customers().set_index("customer_id")["steps_reached"].to_dict()
    seconds = (events["timestamp"] - pd.Timestamp("2024-01-01", tz="UTC")).dt.total_seconds()
    for customer, own in events.assign(at=seconds).groupby("customer_id"):
        times = [own.loc[own["event"] == event, "at"].tolist() for event in "abc"]
        assert reached.get(customer, 0) == deepest(times, 5, 2), (customer, times)


def test_where_steps_cannot_swap_the_definition_counts_whom_it_may_concern(toy_log):
    log = toy_log("ana: b@0s a@1s | bob: a@0s b@90s | cyd: b@0ms a@1500ms")
    steps = ["a", ["a", "b"]]
    said = {
        tool: cj.funnel(log, steps, semantics=tool).definition["differences that remain"]
        for tool in FUNNELS
    }
    assert "at most 2 customers" in said["mixpanel"]
    assert "at most 1 customer " in said["amplitude"]
    assert "swap" not in said["posthog"] + said["ga4"]


# ---- Amplitude ---------------------------------------------------------------------------------------------------


def test_amplitude_counts_the_longest_path_and_of_those_the_earliest(toy_log):
    log = toy_log("ana: a@0h a@47h a@48h b@49h")
    funnel = cj.funnel(log, ["a", "b"], semantics="amplitude")
    assert funnel.customers()["steps_reached"].tolist() == [2]
    assert funnel.metrics["median_seconds_to_convert"]["value"] == 7200.0


def test_amplitudes_day_is_24_hours_from_the_users_own_event(toy_log):
    log = toy_log("ana: a@17h b@40h | bob: a@17h b@42h | eve: a@200h")
    table = cj.retention(
        log, start_event="a", return_event="b", period="day", periods=2, semantics="amplitude"
    ).table
    first = table[table["cohort"] == pd.Timestamp("2024-01-01")].set_index("period")["retained"]
    assert first.to_dict() == {0: 1, 1: 1, 2: 0}


@pytest.mark.parametrize(
    ("period", "text", "retained"),
    [
        ("day", "ana: a@1079min b@2460min", [0, 1, 0]),  # 17:59, and 17:00 of the next day
        ("day", "ana: a@1079min b@2459min", [1, 0, 0]),
        ("week", "ana: a@20h b@168h", [0, 1, 0]),
        ("week", "ana: a@20h b@167h", [1, 0, 0]),
        ("month", "ana: a@20h b@720h", [0, 1, 0]),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_amplitudes_clock_starts_with_the_hour_or_the_day(period, text, retained, zone):
    events = toy_events(f"{text} | eve: a@3000h", pd.Timestamp("2024-01-01", tz=zone))
    log = cj.read_events(events, timezone=zone)
    result = cj.retention(
        log,
        start_event="a",
        return_event="b",
        period=period,
        periods=2,
        semantics="amplitude",
        mode="on",
    )
    first = result.table[result.table["cohort"] == result.table["cohort"].min()]
    assert first["retained"].tolist() == retained
    found = log.run(result.sql)
    assert found["retained"].tolist() == result.table["retained"].tolist()


@pytest.mark.parametrize(("tool", "retained"), [("mixpanel", [0, 1]), ("amplitude", [0, 1])])
def test_a_month_has_thirty_days_on_their_clock(toy_log, tool, retained):
    log = toy_log("ana: a@0D b@30D | eve: a@100D")
    result = cj.retention(
        log, start_event="a", return_event="b", period="month", periods=1, semantics=tool, mode="on"
    )
    first = result.table[result.table["cohort"] == pd.Timestamp("2024-01-01")]
    assert first["retained"].tolist() == retained
    assert "a month is 30 days" in result.definition["clock"]
    found = log.run(result.sql)
    assert found["retained"].tolist() == result.table["retained"].tolist()
    ours = cj.retention(
        log, start_event="a", return_event="b", period="month", periods=1, clock="elapsed"
    )
    assert ours.table["retained"].tolist()[:2] == [1, 0]


# ---- GA4 ---------------------------------------------------------------------------------------------------------


def test_ga4_includes_the_end_of_the_time_between_steps(toy_log):
    log = toy_log("ana: a@0s b@5s | bob: a@0us b@5000001us")
    within = {"step_windows": ["5s"], "semantics": "ga4"}
    assert steps_reached(log, ["a", "b"], **within) == [2, 1]


def test_ga4s_funnel_is_closed_and_has_no_window(toy_log):
    log = toy_log("ana: b@1h c@2h | bob: a@0h b@2000h c@4000h | eve: a@0h c@1h b@2h")
    assert steps_reached(log, ["a", "b", "c"], semantics="ga4") == [3, 2]
    directly = steps_reached(log, ["a", "b", "c"], semantics="ga4", order="strict")
    assert directly == [3, 1]


# ---- what is given, and what is not -------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", FUNNELS)
def test_the_definition_names_the_page_its_date_and_what_was_filled(toy_log, tool):
    log = toy_log("ana: a@0h b@1h")
    definition = cj.funnel(log, ["a", "b"], semantics=tool).definition
    assert FUNNELS[tool].source in definition["semantics"]
    assert "read 20" in definition["semantics"]
    assert f"entry={FUNNELS[tool].options['entry']!r}" in definition["semantics"]
    retention = cj.retention(log, periods=1, semantics=tool).definition
    assert RETENTIONS[tool].source in retention["semantics"]


@pytest.mark.parametrize(
    ("option", "given", "tool"),
    [
        ("entry", "best", "mixpanel"),
        ("order", "strict", "mixpanel"),
        ("entry", "first", "posthog"),
        ("entrants", "closed", "amplitude"),
        ("order", "any", "ga4"),
        ("hold", "channel", "posthog"),
        ("step_windows", ["1h"], "amplitude"),
        ("exclude", cj.Exclude("c"), "mixpanel"),
        ("exclude", cj.Exclude("c"), "ga4"),
    ],
)
def test_an_option_that_the_tool_does_not_offer_is_an_error_that_names_both(
    toy_log, option, given, tool
):
    log = toy_log("ana: a@0h b@1h c@2h")
    with pytest.raises(cj.CjlibError, match=f"^{option}, semantics='{tool}': .*does not go with"):
        cj.funnel(log, ["a", "b"], window="1D", semantics=tool, **{option: given})


def test_retention_refuses_what_the_tool_does_not_offer(toy_log):
    with pytest.raises(cj.CjlibError, match=r"^clock, semantics='ga4': 'elapsed' does not go"):
        cj.retention(toy_log("ana: a@0h"), semantics="ga4", clock="elapsed")


def test_a_given_window_is_kept_and_without_a_tool_it_must_be_said(toy_log):
    log = toy_log("ana: a@0h b@30h")
    assert steps_reached(log, ["a", "b"], semantics="amplitude") == [1]
    assert steps_reached(log, ["a", "b"], semantics="amplitude", window="2D") == [2]
    assert steps_reached(log, ["a", "b"], semantics="amplitude", window=None) == [2]
    with pytest.raises(cj.CjlibError, match="window: how long may an attempt take"):
        cj.funnel(log, ["a", "b"])
    with pytest.raises(cj.CjlibError, match="semantics: must be one of"):
        cj.funnel(log, ["a", "b"], semantics="mixpannel")


# ---- in the journey file -----------------------------------------------------------------------------------------

FILE = """
name: Shop
sources: {{events: events.csv}}
stages: [{{name: All, touchpoints: [a, b]}}]
funnels: {{buy: {{steps: [a, b], {funnel}}}}}
retention: {{period: day, {retention}}}
"""


def journey(tmp_path, funnel="semantics: mixpanel", retention="semantics: mixpanel"):
    path = tmp_path / "journey.yml"
    path.write_text(FILE.format(funnel=funnel, retention=retention), encoding="utf-8")
    return cj.read_journey(path)


def test_a_journey_file_asks_for_a_tools_semantics(tmp_path, toy_log):
    log, told = toy_log("ana: a@0h a@200h b@201h"), journey(tmp_path)
    assert told.funnel()["window"] == "7D"
    funnel = cj.funnel(log, **told.funnel())
    assert funnel.definition["entry"].startswith("first")
    assert funnel.table["customers"].tolist() == [1, 0]
    retention = cj.retention(log, **told.retention_options())
    assert retention.definition["semantics"].startswith("as Mixpanel documents it")


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ({"funnel": "semantics: mixpanel, entry: best"}, "funnels.buy.entry"),
        ({"funnel": "order: any"}, "funnels.buy.window: the key is missing"),
        ({"funnel": "semantics: mixpanell"}, "Did you mean 'mixpanel'"),
        ({"retention": "semantics: ga4, clock: elapsed"}, "retention.clock"),
    ],
)
def test_a_journey_file_that_contradicts_the_tool_is_refused(tmp_path, written, fault):
    with pytest.raises(cj.JourneyError, match=fault):
        journey(tmp_path, **written)

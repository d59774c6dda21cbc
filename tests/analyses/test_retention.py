"""Retention counted by hand: who is in which cohort, when they count as returned, what is complete."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib import CjlibError

BERLIN = pd.Timestamp("2024-01-01", tz="Europe/Berlin")


def frame(*rows, **columns):
    """(customer, event, local time) rows in Berlin, with a running id so that equal rows stay separate events."""
    customers, events, times = zip(*rows, strict=True)
    stamps = pd.DatetimeIndex([pd.Timestamp(time, tz="Europe/Berlin") for time in times])
    return pd.DataFrame(
        {
            "customer_id": customers,
            "event": events,
            "timestamp": stamps,
            "n": range(len(rows)),
            **columns,
        }
    )


def log_of(*rows, until=None, **columns):
    return cj.read_events(frame(*rows, **columns), timezone="Europe/Berlin", observed_until=until)


def visits(*days, customer="ana", until=None):
    """Visits of one customer on days since Monday 1 January 2024, 10:00 local."""
    return log_of(
        *((customer, "visit", f"2024-01-{1 + day:02d} 10:00") for day in days), until=until
    )


def retained(result):
    return result.table.groupby("cohort", sort=False)["retained"].agg(list).tolist()


# ---- the worked examples --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("clock", "expected"), [("calendar", [[1, 1]]), ("elapsed", [[1]])])
def test_the_next_morning_is_period_1_by_the_calendar_and_period_0_by_elapsed_time(clock, expected):
    log = log_of(("ana", "visit", "2024-01-01 20:00"), ("ana", "visit", "2024-01-02 06:00"))
    result = cj.retention(log, period="day", periods=3, clock=clock, period_zero="cohort")
    assert retained(result) == expected
    assert result.customers()[["period", "returns"]].to_numpy().tolist() == [
        [1 if clock == "calendar" else 0, 1]
    ]


def test_a_late_sunday_utc_is_the_new_week_in_berlin():
    events = pd.DataFrame(
        {
            "customer_id": ["ana"],
            "event": "visit",
            "timestamp": pd.to_datetime(["2024-01-07 23:30"], utc=True),
        }
    )
    log = cj.read_events(events, timezone="Europe/Berlin")
    assert cj.retention(log, period="week").table["cohort"].tolist() == [pd.Timestamp("2024-01-08")]


def test_on_or_after_counts_all_periods_up_to_the_return_and_marks_the_open_one():
    log = log_of(("ana", "signup", "2024-01-01 10:00"), ("ana", "visit", "2024-01-04 10:00"))
    table = cj.retention(
        log, start_event="signup", return_event="visit", period="day", periods=5, mode="on_or_after"
    ).table
    assert table["period"].tolist() == [0, 1, 2, 3]
    assert table["retained"].tolist() == [1, 1, 1, 1]
    assert table["complete"].tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("mode", "expected"), [("on", [1, 0, 1]), ("on_or_after", [1, 1, 1]), ("every", [1, 0, 0])]
)
def test_the_three_modes_differ_on_a_missed_week(mode, expected):
    assert retained(cj.retention(visits(0, 14), periods=2, mode=mode)) == [expected]


def test_recurring_customers_enter_every_week_with_an_event():
    assert retained(cj.retention(visits(0, 2, 7), periods=2, cohort="recurring")) == [[1, 1], [1]]


def test_an_elapsed_month_ends_on_the_last_day_of_a_shorter_month():
    log = log_of(("ana", "visit", "2023-01-31 10:00"), ("ana", "visit", "2023-02-28 10:00"))
    assert retained(cj.retention(log, period="month", periods=2, clock="elapsed")) == [[1, 1]]
    before = log_of(("ana", "visit", "2023-01-31 10:00"), ("ana", "visit", "2023-02-28 09:59"))
    assert retained(cj.retention(before, period="month", periods=2, clock="elapsed")) == [[1]]


# ---- cohorts ----------------------------------------------------------------------------------------------------------


def test_a_first_ever_cohort_does_not_depend_on_the_range():
    log = visits(0, 8, 15)
    assert cj.retention(log, start="2024-01-08").table.empty
    assert cj.retention(log, start="2024-01-08", cohort="first_in_range").table["cohort"].tolist()[
        0
    ] == pd.Timestamp("2024-01-08")


def test_a_range_is_widened_to_whole_periods():
    log = log_of(
        ("ana", "visit", "2024-01-08 10:00"),
        ("bob", "visit", "2024-01-14 10:00"),
        ("cid", "visit", "2024-01-15 10:00"),
    )
    table = cj.retention(
        log, start="2024-01-10", end="2024-01-11", cohort="first_in_range", periods=1
    ).table
    assert table["cohort_size"].tolist() == [2, 2]


def test_returns_are_counted_to_the_end_of_the_data_after_the_range():
    assert retained(
        cj.retention(visits(0, 14), start="2024-01-01", end="2024-01-02", periods=2)
    ) == [[1, 0, 1]]


def test_the_group_is_the_value_at_the_cohort_event_and_the_return_may_carry_any():
    log = log_of(
        ("ana", "visit", "2024-01-01"),
        ("ana", "visit", "2024-01-08"),
        ("bob", "visit", "2024-01-01"),
        ("bob", "visit", "2024-01-08"),
        plan=["pro", "basic", None, "pro"],
    )
    table = cj.retention(log, by="plan", periods=1).table
    assert table["plan"].astype(object).where(table["plan"].notna(), None).tolist() == [
        "pro",
        "pro",
        None,
        None,
    ]
    assert table["retained"].tolist() == [1, 1, 1, 1]


def test_tied_cohort_events_give_the_smallest_value_as_text_missing_last():
    log = log_of(*(("ana", "visit", "2024-01-01"),) * 3, size=[10, 9, None])
    assert cj.retention(log, by="size").table["size"].tolist() == [10]
    log = log_of(*(("ana", "visit", "2024-01-01"),) * 2, plan=["b", None])
    assert cj.retention(log, by="plan").table["plan"].tolist() == ["b"]


def test_groups_stand_largest_first_then_by_text_missing_last():
    customers = [("ana", "x"), ("bob", "x"), ("cid", "b"), ("dan", None), ("eve", "a")]
    log = log_of(
        *((customer, "visit", "2024-01-01") for customer, _ in customers),
        plan=[plan for _, plan in customers],
    )
    groups = cj.retention(log, by="plan", periods=1).table["plan"]
    assert groups.astype(object).where(groups.notna(), None).tolist() == ["x", "a", "b", None]


def test_two_columns_make_one_group_a_pair():
    log = log_of(
        ("ana", "visit", "2024-01-01"),
        ("bob", "visit", "2024-01-01"),
        plan=["pro", "pro"],
        channel=["web", "app"],
    )
    assert cj.retention(log, by=["plan", "channel"], periods=1).table[
        ["plan", "channel"]
    ].to_numpy().tolist() == [["pro", "app"], ["pro", "web"]]


def test_a_column_of_the_customers_table_makes_groups_and_cohorts():
    customers = pd.DataFrame({"customer_id": ["ana", "bob"], "plan": ["pro", "basic"]})
    log = cj.read_events(
        frame(
            ("ana", "visit", "2024-01-01"),
            ("ana", "visit", "2024-01-08"),
            ("bob", "visit", "2024-01-02"),
        ),
        timezone="Europe/Berlin",
        customers=customers,
    )
    assert cj.retention(log, by="plan", periods=1).table[
        ["plan", "retained"]
    ].to_numpy().tolist() == [
        ["basic", 1],
        ["basic", 0],
        ["pro", 1],
        ["pro", 1],
    ]
    assert cj.retention(log, cohort_by="plan", periods=1).table["cohort"].tolist() == [
        "basic",
        "pro",
    ]


def test_a_cohort_by_value_counts_each_member_only_once_the_period_is_over():
    rows = [
        ("ana", "visit", "2024-01-01"),
        ("ana", "visit", "2024-01-08"),
        ("bob", "visit", "2024-01-15"),
        ("cid", "visit", "2024-01-16"),
    ]
    log = log_of(*rows, campaign=["spring", None, "spring", "autumn"], until="2024-01-28")
    result = cj.retention(log, cohort_by="campaign", periods=3)
    assert result.table["cohort"].tolist() == ["autumn"] * 2 + ["spring"] * 4
    assert result.table["cohort_size"].tolist() == [1, 1, 2, 2, 1, 1]
    assert result.table["retained"].tolist() == [1, 0, 2, 1, 0, 0]
    assert result.table["complete"].all()
    assert (
        log.run(result.sql)[["cohort_size", "retained"]].to_numpy().tolist()
        == result.table[["cohort_size", "retained"]].to_numpy().tolist()
    )


# ---- what counts as a return --------------------------------------------------------------------------------------------


def test_the_cohort_event_is_never_its_own_return():
    result = cj.retention(visits(0), periods=1, period_zero="returns")
    assert result.table["retained"].tolist() == [0]
    assert result.customers().empty


def test_a_tied_event_that_is_no_return_takes_the_place_of_the_cohort_event():
    log = log_of(("ana", "signup", "2024-01-01 10:00"), ("ana", "visit", "2024-01-01 10:00"))
    assert cj.retention(log, return_event="visit", periods=1, period_zero="returns").table[
        "retained"
    ].tolist() == [1]
    assert cj.retention(log, periods=1, period_zero="returns").table["retained"].tolist() == [1]
    assert cj.retention(
        log, start_event="visit", return_event="visit", periods=1, period_zero="returns"
    ).table["retained"].tolist() == [0]


def test_returns_before_the_cohort_event_do_not_count():
    log = log_of(("ana", "visit", "2024-01-01 09:00"), ("ana", "signup", "2024-01-01 10:00"))
    assert cj.retention(
        log, start_event="signup", return_event="visit", periods=1, period_zero="returns"
    ).table["retained"].tolist() == [0]


def test_period_0_is_the_cohort_without_interval_unless_returns_are_asked_for():
    zero = cj.retention(visits(0, 1), periods=1).table.iloc[0]
    assert (zero["share"], zero["share_low"], zero["share_high"]) == (
        1.0,
        pytest.approx(float("nan"), nan_ok=True),
        pytest.approx(float("nan"), nan_ok=True),
    )
    asked = cj.retention(visits(0, 1), periods=1, period_zero="returns").table.iloc[0]
    assert asked["share_low"] == pytest.approx(0.2065, abs=1e-4)


def test_a_period_needs_so_many_returns_and_membership_needs_one_event():
    assert retained(cj.retention(visits(0, 7, 14, 15), periods=2, min_returns=2)) == [[1, 0, 1]]
    assert retained(
        cj.retention(visits(0, 7, 14, 15), periods=2, min_returns=2, mode="on_or_after")
    ) == [[1, 1, 1]]
    assert retained(cj.retention(visits(0, 7, 14, 15), periods=2, min_returns=2, mode="every")) == [
        [1, 0, 0]
    ]


def test_on_or_after_looks_beyond_the_last_period_of_the_table():
    assert retained(cj.retention(visits(0, 28), periods=2, mode="on_or_after")) == [[1, 1, 1]]
    assert retained(
        cj.retention(visits(0, 28), periods=2, mode="on_or_after", clock="elapsed")
    ) == [[1, 1, 1]]


@pytest.mark.parametrize("first_time", [True, "event"])
def test_a_first_time_step_starts_a_cohort(first_time):
    log = log_of(
        ("ana", "buy", "2024-01-01"),
        ("ana", "buy", "2024-01-09"),
        ("bob", "buy", "2024-01-09"),
        plan=["basic", "pro", "pro"],
    )
    result = cj.retention(
        log,
        start_event=cj.Step("buy", where={"plan": "pro"}, first_time=first_time),
        return_event="buy",
        periods=1,
    )
    assert result.table["cohort_size"].tolist() == [2 if first_time is True else 1]
    assert log.run(result.sql)["cohort_size"].tolist() == result.table["cohort_size"].tolist()


def test_a_first_time_return_can_count_only_once():
    log = visits(0, 7, 14)
    result = cj.retention(log, return_event=cj.Step("visit", first_time=True), periods=2)
    assert retained(result) == [[1, 0, 0]]
    assert log.run(result.sql)["retained"].tolist() == [1, 0, 0]


# ---- what exists, what is complete --------------------------------------------------------------------------------------


def test_a_period_that_has_not_begun_has_no_cell():
    assert len(cj.retention(visits(0), periods=12).table) == 1
    assert len(cj.retention(visits(0, until="2024-01-15 10:00"), periods=12).table) == 3


def test_a_calendar_period_is_complete_when_its_last_microsecond_is_observed():
    assert cj.retention(visits(0, until="2024-01-07"), periods=1).table["complete"].tolist() == [
        True
    ]
    assert cj.retention(visits(0, until="2024-01-07 23:59"), periods=1).table[
        "complete"
    ].tolist() == [False]


def test_an_elapsed_cell_exists_for_the_oldest_and_is_complete_for_the_youngest():
    log = log_of(
        ("ana", "visit", "2024-01-01 10:00"),
        ("bob", "visit", "2024-01-03 10:00"),
        until="2024-01-08 10:00",
    )
    table = cj.retention(log, periods=2, clock="elapsed").table
    assert table["period"].tolist() == [0, 1]
    assert table["complete"].tolist() == [False, False]
    later = log_of(
        ("ana", "visit", "2024-01-01 10:00"),
        ("bob", "visit", "2024-01-03 10:00"),
        until="2024-01-10 10:00",
    )
    assert cj.retention(later, periods=2, clock="elapsed").table["complete"].tolist() == [
        True,
        False,
    ]


def test_an_elapsed_week_is_not_stretched_by_a_clock_change():
    rows = [("ana", "visit", "2024-03-25 10:00"), ("ana", "visit", "2024-04-01 10:30")]
    assert cj.retention(log_of(*rows), periods=1, clock="elapsed").customers()[
        "period"
    ].tolist() == [0]
    assert cj.retention(log_of(*rows), periods=1).customers()["period"].tolist() == [1]


# ---- averages -------------------------------------------------------------------------------------------------------------


def two_cohorts():
    """Week 0: ana returns in weeks 1 and 2, bob in week 1, cid never. Week 1: dan returns in week 2, which is his week 1. Week 2 has ended."""
    text = "ana: visit@0D visit@7D visit@14D | bob: visit@0D visit@8D | cid: visit@1D | dan: visit@7D visit@16D"
    return cj.read_events(toy_events(text), observed_until="2024-01-21")


def test_averages_pool_complete_cells_and_stand_beside_the_plain_mean():
    average = cj.retention(two_cohorts(), periods=3).average
    assert average[["period", "retained", "eligible", "cohorts"]].to_numpy().tolist() == [
        [0, 4, 4, 2],
        [1, 3, 4, 2],
        [2, 1, 3, 1],
    ]
    assert average["share"].tolist() == pytest.approx([1, 3 / 4, 1 / 3])
    assert average["mean_share"].tolist() == pytest.approx([1, (2 / 3 + 1) / 2, 1 / 3])


def test_cells_that_are_not_complete_are_left_out_of_averages():
    log = cj.read_events(
        toy_events("ana: visit@0D visit@7D visit@14D | bob: visit@0D visit@8D"),
        observed_until="2024-01-20",
    )
    assert cj.retention(log, periods=3).average["period"].tolist() == [0, 1]


def test_the_fixed_average_follows_one_population():
    fixed = cj.retention(two_cohorts(), periods=3).fixed_average
    assert fixed[["period", "retained", "eligible", "cohorts"]].to_numpy().tolist() == [
        [0, 3, 3, 1],
        [1, 2, 3, 1],
        [2, 1, 3, 1],
    ]


def test_metrics_are_the_pooled_shares_of_complete_periods():
    metrics = cj.retention(two_cohorts(), periods=3).metrics
    assert list(metrics) == ["retention_period_1", "retention_period_2"]
    assert metrics["retention_period_1"] == {
        "value": 0.75,
        "low": pytest.approx(0.3006, abs=1e-4),
        "high": pytest.approx(0.9544, abs=1e-4),
        "n": 4,
        "label": "Back in week 1",
        "unit": "share",
        "better": "higher",
    }


def test_averages_of_recurring_cohorts_have_an_interval_by_customers():
    rows = [
        (f"c{number}", "visit", f"2024-01-{1 + 7 * week:02d}")
        for number in range(40)
        for week in range(4)
        if (number + week) % 3
    ]
    log = log_of(*rows)
    average = cj.retention(log, cohort="recurring", periods=2).average
    assert (average["share_low"].iloc[1:] < average["share"].iloc[1:]).all()
    assert (average["share_high"].iloc[1:] > average["share"].iloc[1:]).all()
    assert cj.retention(log, cohort="recurring", periods=2).cohort_comparisons.empty


# ---- value ------------------------------------------------------------------------------------------------------------------


def test_value_is_summed_per_member_and_set_against_the_first_period():
    rows = [
        ("ana", "buy", "2024-01-01"),
        ("ana", "buy", "2024-01-08"),
        ("bob", "buy", "2024-01-02"),
        ("bob", "buy", "2024-01-09"),
        ("cid", "buy", "2024-01-03"),
    ]
    result = cj.retention(
        log_of(*rows, value=[10.0, 30.0, 20.0, 5.0, 10.0], until="2024-01-14"),
        value="value",
        periods=1,
    )
    assert result.table["value"].tolist() == [40, 35]
    assert result.table["value_per_member"].tolist() == pytest.approx([40 / 3, 35 / 3])
    assert result.table["net_share_of_first_value"].tolist() == pytest.approx([1, 35 / 40])
    # Gross: ana counts for 10 at most, bob for 5.
    assert result.table["gross_share_of_first_value"].tolist() == pytest.approx([1, 15 / 40])
    assert result.metrics["net_value_retention_period_1"]["value"] == pytest.approx(35 / 40)
    assert result.metrics["gross_value_retention_period_1"]["value"] == pytest.approx(15 / 40)
    row = result.average.iloc[1]
    assert (
        row["net_share_of_first_value_low"]
        <= row["net_share_of_first_value"]
        <= row["net_share_of_first_value_high"]
    )


def test_value_counts_missing_as_nothing_and_a_first_value_of_nothing_as_unknown():
    rows = [
        ("ana", "buy", "2024-01-01"),
        ("ana", "buy", "2024-01-08"),
        ("ana", "buy", "2024-01-08 10:00"),
    ]
    table = cj.retention(
        log_of(*rows, value=[None, 5.0, None], until="2024-01-14"), value="value", periods=1
    ).table
    assert table["value"].tolist() == [0, 5]
    assert table["net_share_of_first_value"].isna().all()


# ---- which differ -----------------------------------------------------------------------------------------------------------


def many(*groups):
    """(name, customers, of whom come back in week 1), all starting in week 0."""
    rows, names = [], []
    for name, size, returning in groups:
        for number in range(size):
            rows.append((f"{name}{number}", "visit", "2024-01-01"))
            names.append(name)
            if number < returning:
                rows.append((f"{name}{number}", "visit", "2024-01-08"))
                names.append(name)
    return log_of(*rows, plan=names, until="2024-01-14")


def test_each_group_is_compared_with_all_others_in_the_last_complete_period():
    result = cj.retention(many(("a", 100, 60), ("b", 100, 45), ("c", 29, 14)), by="plan", periods=1)
    table = result.comparisons
    assert table["plan"].tolist() == ["a", "b"], "c has fewer than 30"
    first = table.iloc[0]
    assert (first["customers"], first["share"], first["other_customers"], first["other_share"]) == (
        100,
        0.6,
        129,
        pytest.approx(59 / 129),
    )
    assert first["difference"] == pytest.approx(0.6 - 59 / 129)
    assert first["p_value"] == pytest.approx(0.0318, abs=2e-3)
    assert first["p_adjusted"] >= first["p_value"]


def test_cohorts_are_held_against_the_average_of_the_same_periods():
    rows = [
        (f"a{n}", "visit", day)
        for n in range(60)
        for day in ("2024-01-01", "2024-01-08")[: 1 + (n < 45)]
    ]
    rows += [
        (f"b{n}", "visit", day)
        for n in range(60)
        for day in ("2024-01-08", "2024-01-15")[: 1 + (n < 15)]
    ]
    # Whoever is there in the log's first week may have been there before: that cohort is in no comparison.
    rows.append(("old", "visit", "2023-12-25"))
    result = cj.retention(log_of(*rows, until="2024-01-21"), periods=1)
    assert result.definition["first cohort"].startswith("that of 2023-12-25 is in no comparison")
    table = result.cohort_comparisons
    assert table["returned_periods"].tolist() == [45, 15]
    assert table["expected_periods"].tolist() == pytest.approx([30, 30])
    assert table["share_of_expected"].tolist() == pytest.approx([1.5, 0.5])
    # Each customer is off by a half, so the spread of 60 is √15.
    assert table["share_of_expected_low"].iloc[0] == pytest.approx(
        (45 - 1.959963985 * 15**0.5) / 30
    )
    assert (table["p_adjusted"] < 0.001).all()
    change = result.cohort_change.iloc[0]
    assert (change["cohort"], change["customers_before"], change["customers_from"]) == (
        pd.Timestamp("2024-01-08"),
        60,
        60,
    )
    assert change["p_value"] < 0.001
    sides = result.before_and_after
    assert sides[["side", "period", "retained", "eligible"]].to_numpy().tolist() == [
        ["before", 0, 60, 60],
        ["before", 1, 45, 60],
        ["from then on", 0, 60, 60],
        ["from then on", 1, 15, 60],
    ]


# ---- headline and definition --------------------------------------------------------------------------------------------------


def test_the_headline_gives_share_n_interval_and_whether_cohorts_differ():
    assert cj.retention(many(("a", 100, 60)), periods=1).headline == (
        "60.0% of 100 customers came back in week 1 (95% CI 50.2–69.1%)."
    )
    assert cj.retention(many(("a", 20, 10)), periods=1).headline.endswith(
        "; with fewer than 30 this share says little."
    )
    assert cj.retention(many(("a", 1, 1)), periods=1).headline.startswith(
        "100.0% of 1 customer came"
    )
    assert cj.retention(many(("a", 40, 10)), periods=1, mode="on_or_after").headline.startswith(
        "25.0% of 40 customers came back in week 1 or later"
    )
    assert cj.retention(many(("a", 40, 10)), periods=1, mode="every").headline.startswith(
        "25.0% of 40 customers came back in every week from 1 to 1"
    )


def test_nothing_to_count_is_said_and_every_table_still_has_its_columns():
    log = cj.read_events(toy_events("ana: visit@0D"))
    full, empty = cj.retention(log), cj.retention(log, start_event="vist")
    assert empty.headline == "No customer enters a cohort: nothing to count."
    assert empty.definition["warning"] == "start_event: 'vist' never occurs. Did you mean 'visit'?"
    for name in (
        "table",
        "average",
        "fixed_average",
        "cohort_comparisons",
        "comparisons",
        "cohort_change",
        "before_and_after",
    ):
        ours, theirs = getattr(empty, name), getattr(full, name)
        assert ours.empty
        assert ours.columns.tolist() == theirs.columns.tolist()
    assert empty.table.dtypes.astype(str).tolist() == full.table.dtypes.astype(str).tolist()
    assert empty.customers().empty
    assert (
        full.headline
        == "No cohort has completed week 1 yet (1 customer observed): no share can be given."
    )


def test_the_same_rows_in_any_order_give_the_same_bytes():
    events = frame(
        *((f"c{n % 7}", "visit", f"2024-01-{1 + n * n % 28:02d}") for n in range(60)),
        value=[n / 7 for n in range(60)],
    )
    tables = []
    for seed in (0, 1):
        log = cj.read_events(events.sample(frac=1, random_state=seed), timezone="Europe/Berlin")
        result = cj.retention(log, value="value", periods=3)
        tables.append([result.table.to_csv(), result.average.to_csv(), result.customers().to_csv()])
    assert tables[0] == tables[1]


def test_the_input_is_not_changed_and_ids_stay_text():
    events = frame(("007", "visit", "2024-01-01"), ("007", "visit", "2024-01-08"))
    before = events.copy()
    assert cj.retention(cj.read_events(events), periods=1).customers()["customer_id"].tolist() == [
        "007"
    ]
    pd.testing.assert_frame_equal(events, before)


def test_hostile_names_are_only_names():
    name, column = "'; DROP TABLE events; --", 'pl"an; --'
    log = log_of(
        ("ana", name, "2024-01-01"), ("ana", name, "2024-01-08"), **{column: ["<b>x", "y"]}
    )
    result = cj.retention(
        log, start_event=name, return_event=[name], by=column, cohort_by=None, periods=1
    )
    assert result.table["retained"].tolist() == [1, 1]
    assert log.run(result.sql)["retained"].tolist() == [1, 1]
    assert "<b>x" not in result._repr_mimebundle_()["text/html"]


def test_columns_that_have_our_names_are_only_columns():
    log = log_of(
        ("ana", "visit", "2024-01-01"),
        ("ana", "visit", "2024-01-08"),
        label=["x", "y"],
        begins=["p", "q"],
        own=["1", "2"],
    )
    result = cj.retention(log, by=["label", "own"], cohort_by="begins", periods=1)
    assert result.table["retained"].tolist() == [1]
    assert log.run(result.sql)["retained"].tolist() == [1]


def test_a_filtered_log_is_counted_as_filtered_also_by_its_sql():
    log = visits(0, 7, 8).where(end="2024-01-08")
    result = cj.retention(log, periods=1, period_zero="returns")
    assert log.run(result.sql)["retained"].tolist() == result.table["retained"].tolist()
    assert result.definition["filter"] == "to 2024-01-08"


@pytest.mark.parametrize(
    "dialect", ["postgres", "clickhouse", "spark", "bigquery", "snowflake", "trino"]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clock": "elapsed", "period": "month", "mode": "every"},
        {"cohort": "recurring", "mode": "on_or_after", "min_returns": 2},
    ],
)
def test_the_sql_compiles_for_other_engines(dialect, options):
    import sqlglot

    (text,) = sqlglot.transpile(
        cj.retention(visits(0, 7), periods=2, **options).sql, read="duckdb", write=dialect
    )
    assert "visited" in text


# ---- errors -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"period": "weekly"}, r"period: must be one of .* Got 'weekly'\. Did you mean 'week'\?"),
        (
            {"mode": "rolling"},
            r"mode: must be one of 'on', 'on_or_after', 'every'\. Got 'rolling'\.",
        ),
        (
            {"clock": "elapse"},
            r"clock: must be one of 'calendar', 'elapsed'\. Got 'elapse'\. Did you mean 'elapsed'\?",
        ),
        (
            {"cohort": "first"},
            r"cohort: must be one of 'first_ever', 'first_in_range', 'recurring'\. Got 'first'\.",
        ),
        (
            {"week_start": "Monday "},
            r"week_start: must be one of 'monday', 'sunday'\. Got 'Monday '\. Did you mean 'monday'\?",
        ),
        ({"period_zero": 0}, r"period_zero: must be one of 'cohort', 'returns'\. Got 0\."),
        ({"periods": 0}, r"periods: must be a whole number, 1 or more\. Got 0\."),
        ({"min_returns": 1.5}, r"min_returns: must be a whole number, 1 or more\. Got 1\.5\."),
        ({"min_n": True}, r"min_n: must be a whole number, 0 or more\. Got True\."),
        ({"by": "chanel"}, r"by: there is no column 'chanel'\. Did you mean 'channel'\?"),
        (
            {"cohort_by": "chanel"},
            r"cohort_by: there is no column 'chanel'\. Did you mean 'channel'\?",
        ),
        (
            {"by": "channel", "cohort_by": "channel"},
            r"cohort_by: 'channel' already stands in by\. Name it in one of the two\.",
        ),
        (
            {"value": "channel"},
            r"value: must name a column of numbers\. Column 'channel' holds text\.",
        ),
        (
            {"start": "2024-02-01", "end": "2024-01-01"},
            r"end: must not lie before start\. Got start '2024-02-01', end '2024-01-01'\.",
        ),
        ({"start": "soon"}, r"start: must be a date or a time"),
        (
            {"start_event": 3},
            r"start_event: must be an event name, a list of names, None \(any event\) or cj\.Step\(…\)\. Got 3\.",
        ),
    ],
)
def test_an_option_that_cannot_be_used_says_what_is_allowed(toy_log, options, message):
    with pytest.raises(CjlibError, match=message):
        cj.retention(toy_log("ana: visit@0D(web)"), **options)


# ---- comparisons that hold ------------------------------------------------------------------------------------------------------


def steady(seed: int, weeks: int = 14, per: int = 50) -> cj.EventLog:
    """Every week 50 new customers, who differ much in how often they come, and no cohort differs."""
    rng = np.random.default_rng(seed)
    start = np.repeat(np.arange(weeks) * 7, per) + rng.uniform(0, 7, weeks * per)
    visits = rng.poisson(rng.gamma(0.5, 0.12, len(start)) * (weeks * 7 - start))
    who = np.repeat(np.arange(len(start)), visits)
    day = start[who] + rng.random(len(who)) * (weeks * 7 - start)[who]
    begin = pd.Timestamp("2025-01-06", tz="UTC")
    return cj.read_events(
        pd.DataFrame(
            {
                "customer_id": np.r_[np.arange(len(start)), who].astype(str),
                "event": "visit",
                "timestamp": begin + pd.to_timedelta(np.r_[start, day], unit="D"),
            }
        ),
        observed_until=str((begin + pd.Timedelta(days=weeks * 7 - 1)).date()),
    )


@pytest.mark.parametrize("mode", ["on", "on_or_after", "every"])
def test_cohorts_of_a_steady_business_do_not_differ(mode):
    for seed in range(3):
        result = cj.retention(steady(seed), periods=10, mode=mode)
        assert not (result.cohort_comparisons["p_adjusted"] < 0.01).any()
        assert (result.cohort_change["p_value"] > 0.01).all()
        assert not result.findings


def test_with_on_or_after_cohorts_are_compared_over_one_horizon():
    result = cj.retention(steady(0), periods=10, mode="on_or_after")
    assert set(result.cohort_comparisons["periods"]) == {result.headline_period}
    assert f"to week {result.headline_period} and no further" in result.definition["equal horizon"]


def test_a_sign_up_happens_once_so_the_first_cohort_is_compared_too():
    rows = [
        (f"a{n}", event, day)
        for n in range(40)
        for event, day in (("sign_up", "2024-01-01"), ("visit", "2024-01-08"))
    ]
    rows += [
        (f"b{n}", event, day)
        for n in range(40)
        for event, day in (("sign_up", "2024-01-08"), ("visit", "2024-01-15"))
    ]
    result = cj.retention(log_of(*rows, until="2024-01-21"), start_event="sign_up", periods=1)
    assert "first cohort" not in result.definition
    assert len(result.cohort_comparisons) == 2


def test_recurring_cohorts_in_which_nobody_comes_back_have_an_interval_with_width():
    rows = [(f"a{n}", "visit", "2024-01-01") for n in range(40)]
    log = log_of(*rows, ("z", "visit", "2024-01-22"), until="2024-01-28")
    metric = cj.retention(log, cohort="recurring", periods=1).metrics["retention_period_1"]
    assert (metric["value"], metric["low"]) == (0.0, 0.0)
    assert 0.08 < metric["high"] < 0.11


def test_what_is_no_log_and_far_too_many_periods_are_our_errors():
    with pytest.raises(cj.CjlibError, match=r"log: must be an event log.*Got 'DataFrame'"):
        cj.retention(pd.DataFrame())
    with pytest.raises(cj.CjlibError, match=r"periods: at most 10,000\. Got 1000000000\."):
        cj.retention(two_cohorts(), periods=10**9)


def test_one_group_that_comes_back_less_makes_no_news_of_the_others():
    rng = np.random.default_rng(2)
    plan = np.array(["a", "b", "c"])[np.arange(900) % 3]
    back = rng.random(900) < np.where(plan == "c", 0.1, 0.6)
    start = pd.Timestamp("2025-01-06", tz="UTC")
    first = start + pd.to_timedelta(rng.uniform(0, 6, 900), unit="D")
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{k}" for k in [*range(900), *np.flatnonzero(back)]],
            "event": "visit",
            "timestamp": [*first, *(first[back] + pd.Timedelta(days=7))],
            "plan": [*plan, *plan[back]],
        }
    )
    log = cj.read_events(frame, observed_until="2025-01-19")
    kept = cj.retention(log, period="week", periods=1, by="plan")
    compared = kept.comparisons.set_index("plan")
    assert compared["without"].to_dict() == {"a": "plan c", "b": "plan c", "c": ""}
    assert (compared["p_adjusted"] < 0.0025).to_dict() == {"a": False, "b": False, "c": True}
    assert [one.claim.split(":")[0] for one in kept.findings] == ["plan c"]

"""What is asked of a funnel next: its trend, the period before, what the lost did."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj


def many(*parts: tuple[str, int, str]) -> cj.EventLog:
    """`(prefix, how many, events)` as a log."""
    lines = [
        f"{prefix}{number}: {events}" for prefix, size, events in parts for number in range(size)
    ]
    return cj.read_events(toy_events(" | ".join(lines)))


# ---- trend ------------------------------------------------------------------------------------------------------


def test_the_trend_counts_by_the_period_of_entry_and_marks_what_may_still_rise() -> None:
    log = many(
        ("a", 3, "A@1D B@2D"),
        ("b", 1, "A@1D"),
        ("c", 2, "A@15D B@22D"),
        ("d", 2, "A@22D"),
        ("z", 1, "X@24D"),
    )
    trend = cj.funnel(log, ["A", "B"], window="7D").trend()
    assert list(trend.table.columns) == [
        "period_start",
        "customers",
        "converted",
        "share",
        "share_low",
        "share_high",
        "still_open",
        "complete",
    ]
    assert trend.table["period_start"].tolist() == list(
        pd.to_datetime(["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22"])
    )
    assert trend.table["customers"].tolist() == [4, 0, 2, 2]
    assert trend.table["converted"].tolist() == [3, 0, 2, 0]
    assert trend.table["share"].isna().tolist() == [False, True, False, False]
    assert trend.table["still_open"].tolist() == [0, 0, 0, 2]
    assert trend.table["complete"].tolist() == [True, True, False, False]
    assert [str(dtype) for dtype in trend.table.dtypes] == [
        "datetime64[us]",
        "int64",
        "int64",
        "float64",
        "float64",
        "float64",
        "int64",
        "bool",
    ]
    assert (
        trend.headline
        == "One complete week: 75.0% of 4 customers converted (95% CI 30.1–95.4%); 2 weeks not complete."
    )


def test_a_trend_of_large_weeks_says_whether_it_rose() -> None:
    log = many(
        ("a", 10, "A@1D B@2D"),
        ("b", 90, "A@1D"),
        ("c", 40, "A@8D B@9D"),
        ("d", 60, "A@8D"),
        ("z", 1, "X@40D"),
    )
    funnel = cj.funnel(log, ["A", "B"], window="7D")
    assert funnel.trend().headline == (
        "From the week of 2024-01-01 to that of 2024-01-08 conversion went from 10.0% of 100 to 40.0% of 100 "
        "(difference +18.3 to +40.8 points, 95% CI): better; 0 weeks not complete."
    )
    assert funnel.trend("month").table["customers"].tolist() == [200]
    assert funnel.trend("week", week_start="sunday").table["period_start"].iloc[0] == pd.Timestamp(
        "2023-12-31"
    )


def test_without_a_window_no_period_is_complete() -> None:
    trend = cj.funnel(many(("a", 2, "A@1D B@2D")), ["A", "B"], window=None).trend()
    assert trend.table["complete"].tolist() == [False]
    assert (
        trend.headline == "No week is complete: every window is still open, so each share may rise."
    )


def test_the_trend_of_nobody_is_empty() -> None:
    trend = cj.funnel(many(("a", 1, "X@1D")), ["A", "B"], window="1D").trend()
    assert trend.table.empty
    assert trend.headline == "Nobody entered this funnel."
    with pytest.raises(cj.CjlibError, match=re.escape("period: must be one of")):
        cj.funnel(many(("a", 1, "A@1D")), ["A"], window="1D").trend("fortnight")


def test_a_period_begins_at_local_midnight() -> None:
    log = cj.read_events(toy_events("u: A@23h | z: X@9D"), timezone="Asia/Tokyo")
    assert cj.funnel(log, ["A", "X"], window="1D").trend("day").table["period_start"].tolist() == [
        pd.Timestamp("2024-01-02")
    ]


# ---- previous ---------------------------------------------------------------------------------------------------


def test_the_period_before_is_as_long_and_ends_where_this_one_starts() -> None:
    log = many(
        ("a", 10, "A@1D B@2D"),
        ("b", 90, "A@1D"),
        ("c", 40, "A@8D B@9D"),
        ("d", 60, "A@8D"),
        ("z", 1, "X@40D"),
    )
    change = cj.funnel(
        log, ["A", "B"], window="7D", start="2024-01-08", end="2024-01-14"
    ).previous()
    assert change.table["customers"].tolist() == [100, 40]
    assert change.table["previous_customers"].tolist() == [100, 10]
    assert change.table["difference"].isna().tolist() == [True, False]
    assert change.table["verdict"].isna().tolist() == [True, False]
    assert change.table["verdict"].iloc[1] == "better"
    assert change.headline == (
        "Conversion is 40.0% of 100, before it was 10.0% of 100 (difference +18.3 to +40.8 points, 95% CI): better than the period before."
    )
    assert (
        change.definition["period before"]
        == "first events from 2024-01-01 00:00 to 2024-01-07 23:59 (UTC), of equal length"
    )
    assert (
        change.definition["not covered"]
        == "the log begins on 2024-01-02, so the period before is not whole"
    )
    assert change.metrics["change_of_conversion"]["n"] == 100
    back = cj.funnel(
        log, ["A", "B"], window="7D", start="2024-01-08 12:00", end="2024-01-15 12:00"
    ).previous()
    assert back.table["previous_customers"].tolist() == [100, 10]


def test_whole_local_days_are_set_back_by_days_whatever_the_clocks_do() -> None:
    stamps = pd.DatetimeIndex(["2024-03-25 00:30", "2024-04-01 00:30"]).tz_localize("Europe/Berlin")
    log = cj.read_events(
        pd.DataFrame({"customer_id": ["u", "v"], "event": "A", "timestamp": stamps}),
        timezone="Europe/Berlin",
    )
    change = cj.funnel(log, ["A"], window="1D", start="2024-04-01", end="2024-04-07").previous()
    assert change.table["previous_customers"].tolist() == [1]
    assert change.definition["period before"].startswith(
        "first events from 2024-03-25 00:00 to 2024-03-31 23:59 (Europe/Berlin)"
    )
    assert change.headline == "1 customer did A, 1 in the period before."


def test_few_customers_are_too_few_to_tell_and_nobody_is_nothing_to_compare() -> None:
    log = many(("a", 2, "A@1D B@2D"), ("c", 2, "A@8D"), ("z", 1, "X@9D"))
    few = cj.funnel(log, ["A", "B"], window="7D", start="2024-01-08", end="2024-01-14").previous()
    assert few.table["verdict"].iloc[1] == "too few to tell"
    assert few.headline == (
        "Conversion is 0.0% of 2, before it was 100.0% of 2 (difference −100.0 to −7.0 points, 95% CI): too few customers to compare with the period before; "
        "2 still have time, so the share may rise."
    )
    nobody = cj.funnel(
        log, ["A", "B"], window="7D", start="2024-01-01", end="2024-01-05"
    ).previous()
    assert (
        nobody.headline
        == "There is nothing to compare: in one of the two periods nobody entered the funnel."
    )


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (None, "previous: the funnel has no start, so there is no period before it."),
        ("2025-01-01", "previous: the funnel starts at 2025-01-01"),
    ],
)
def test_without_a_start_inside_the_data_there_is_no_period_before(
    start: str | None, message: str
) -> None:
    with pytest.raises(cj.CjlibError, match=re.escape(message)):
        cj.funnel(many(("a", 1, "A@1D")), ["A", "B"], window="7D", start=start).previous()


# ---- what the lost did next -------------------------------------------------------------------------------------


def test_the_lost_are_set_beside_those_who_went_on() -> None:
    log = many(
        ("lost", 30, "A@1h help@2h"),
        ("gone", 10, "A@1h"),
        ("on", 40, "A@1h B@3h"),
        ("odd", 5, "A@1h help@2h B@3h"),
        ("z", 1, "X@9D"),
    )
    lost = cj.funnel(log, ["A", "B"], window="1D").lost_next()
    assert lost.table["event"].tolist() == ["help", "(nothing)", "B"]
    assert lost.table["lost"].tolist() == [30, 10, 0]
    assert lost.table["went_on"].tolist() == [5, 0, 40]
    assert lost.table["share_of_lost"].tolist() == [0.75, 0.25, 0.0]
    assert lost.table["median_seconds_lost"].tolist()[0] == 3600
    assert lost.table["median_seconds_lost"].isna().tolist() == [False, True, True]
    assert (lost.table["p_adjusted"] < 0.01).all()
    assert lost.headline == (
        "Of 40 customers lost between A and B, 75.0% (95% CI 59.8–85.8%) did help next; what sets them apart most from those who went on "
        "is help: 75.0% against 11.1% (difference +44.3 to +76.4 points, 95% CI)."
    )
    assert (
        lost.definition["lost"]
        == "40 customers whose counted attempt ended between A and B; 0 customers whose window is still open left out (1 day)"
    )


def test_those_whose_window_is_open_are_not_lost_yet() -> None:
    log = many(("lost", 2, "A@1h"), ("new", 3, "A@47h"), ("z", 1, "X@48h"))
    lost = cj.funnel(log, ["A", "B"], window="1D").lost_next(1)
    assert lost.table["lost"].tolist() == [2]
    assert "3 customers whose window is still open left out" in lost.definition["lost"]
    assert lost.headline.endswith("with fewer than 30 customers these shares say little.")
    assert (
        cj.funnel(log, ["A", "B"], window=None)
        .lost_next()
        .definition["lost"]
        .endswith("without a window nobody is lost for good")
    )


def test_without_a_wish_the_step_is_that_where_most_are_lost() -> None:
    log = many(("a", 1, "A@1h"), ("b", 3, "A@1h B@2h Y@2h Z@3h"), ("z", 1, "X@9D"))
    funnel = cj.funnel(log, ["A", "B", "C"], window="1D")
    assert funnel.lost_next().table["event"].tolist() == ["Z"]
    assert funnel.lost_next(1).table["lost"].tolist() == [1, 0]
    assert (
        cj.funnel(log, ["A", "B"], window="1D", order="any")
        .lost_next()
        .definition["lost"]
        .startswith("1 customer whose counted attempt ended after 1 of 2 steps")
    )


def test_nobody_lost_is_said() -> None:
    lost = cj.funnel(
        many(("a", 2, "A@1h B@2h"), ("z", 1, "X@9D")), ["A", "B"], window="1D"
    ).lost_next()
    assert lost.headline == "Nobody was lost between A and B."
    assert lost.table["lost"].tolist() == [0]


@pytest.mark.parametrize(
    ("steps", "step", "message"),
    [
        (["A"], None, "lost_next: a funnel of one step loses nobody."),
        (["A", "B"], 2, "step: must be a step that customers can be lost after, 1 to 1. Got 2."),
    ],
)
def test_there_must_be_a_step_to_be_lost_after(
    steps: list[str], step: int | None, message: str
) -> None:
    with pytest.raises(cj.CjlibError, match=re.escape(message)):
        cj.funnel(many(("a", 1, "A@1h")), steps, window="1D").lost_next(step)


def test_with_groups_the_follow_ups_are_about_all_customers_together() -> None:
    log = cj.read_events(toy_events("u: A@0h(web) B@1h(app) | v: A@0h(app) | z: X@9D"))
    for by_value in ("first", "all", "step_2"):
        funnel = cj.funnel(
            log, ["A", "B"], window="1D", by="channel", by_value=by_value, start="2024-01-01"
        )
        assert funnel.trend().table["converted"].tolist() == [1]
        assert funnel.previous().table["customers"].tolist() == [2, 1]
        assert funnel.lost_next().table["lost"].sum() == 1

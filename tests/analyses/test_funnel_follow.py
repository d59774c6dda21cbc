"""What is asked of a funnel next: its trend, the period before, what the lost did."""

from __future__ import annotations

import re

import numpy as np
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
        "other_share",
        "difference",
        "difference_low",
        "difference_high",
        "p_value",
        "p_adjusted",
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
        *["float64"] * 6,
    ]
    assert (
        trend.headline
        == "One complete week: 75.0% of 4 customers converted (95% CI 30.1–95.4%). 2 weeks are not complete."
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
        "Conversion rose from about 10.0% to about 40.0% over 2 complete weeks. "
        "The weeks of 2024-01-01 (10.0% of 100, below the others) and 2024-01-08 (40.0% of 100, above the others) stand out."
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


def test_a_period_that_start_or_end_cuts_is_not_complete() -> None:
    """Half a January was called a complete month, beside the whole February."""
    log = many(*((f"g{day}", 2, f"A@{day}D B@{day}D") for day in range(80)), ("z", 1, "X@120D"))
    steps = ["A", "B"]
    whole, cut = (
        cj.funnel(log, steps, window="1D", start=start, end=end).trend("month")
        for start, end in (("2024-01-01", "2024-02-29"), ("2024-01-16", "2024-03-10"))
    )
    assert whole.table["complete"].tolist() == [True, True]
    assert cut.table["complete"].tolist() == [False, True, False]
    assert "2 months are not complete" in cut.headline
    part = cj.funnel(log, steps, window="1D", start="2024-01-16", end="2024-01-20").trend("month")
    assert part.headline == (
        "No month is complete: in each start or end cuts it, or windows are still open, so each share may rise."
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
    ).compare_previous_period()
    assert change.table["customers"].tolist() == [100, 40]
    assert change.table["previous_customers"].tolist() == [100, 10]
    assert change.table["difference"].isna().tolist() == [True, False]
    assert change.table["verdict"].isna().tolist() == [True, False]
    assert change.table["verdict"].iloc[1] == "better"
    assert change.headline == (
        "Conversion is 40.0% of 100, before it was 10.0% of 100 (difference +18.3 to +40.8 points, 95% CI): better than in the period before."
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
    ).compare_previous_period()
    assert back.table["previous_customers"].tolist() == [100, 10]


def test_whole_local_days_are_set_back_by_days_whatever_the_clocks_do() -> None:
    stamps = pd.DatetimeIndex(["2024-03-25 00:30", "2024-04-01 00:30"]).tz_localize("Europe/Berlin")
    log = cj.read_events(
        pd.DataFrame({"customer_id": ["u", "v"], "event": "A", "timestamp": stamps}),
        timezone="Europe/Berlin",
        observed_until="2024-04-08",
    )
    change = cj.funnel(
        log, ["A"], window="1D", start="2024-04-01", end="2024-04-07"
    ).compare_previous_period()
    assert change.table["previous_customers"].tolist() == [1]
    assert change.definition["period before"].startswith(
        "first events from 2024-03-25 00:00 to 2024-03-31 23:59 (Europe/Berlin)"
    )
    assert change.headline == "1 customer did A, 1 in the period before."


def test_few_customers_are_too_few_to_tell_and_nobody_is_nothing_to_compare() -> None:
    log = many(("a", 2, "A@1D B@2D"), ("c", 2, "A@8D"), ("z", 1, "X@30D"))
    few = cj.funnel(
        log, ["A", "B"], window="7D", start="2024-01-08", end="2024-01-14"
    ).compare_previous_period()
    assert few.table["verdict"].iloc[1] == "too few to compare"
    assert few.headline == (
        "Conversion is 0.0% of 2, before it was 100.0% of 2 (difference −100.0 to −7.0 points, 95% CI): too few customers to compare with the period before."
    )
    nobody = cj.funnel(
        log, ["A", "B"], window="7D", start="2024-01-01", end="2024-01-05"
    ).compare_previous_period()
    assert (
        nobody.headline
        == "There is nothing to compare: in one of the two periods nobody entered the funnel."
    )


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (None, "The funnel has no start, so there is no period before it to compare with."),
        ("2025-01-01", "The funnel starts at 2025-01-01 00:00, after the end of data"),
        ("2024-01-01", "No window of this period has ended yet"),
    ],
)
def test_without_a_start_inside_the_data_there_is_no_period_before(
    start: str | None, message: str
) -> None:
    change = cj.funnel(many(("a", 1, "A@1D B@2D")), ["A", "B"], window="7D", start=start)
    answer = change.compare_previous_period()
    assert not answer.answered
    assert answer.headline.startswith(message)


# ---- what the lost did next -------------------------------------------------------------------------------------


def test_the_lost_are_set_beside_those_who_went_on() -> None:
    log = many(
        ("lost", 30, "A@1h help@2h"),
        ("gone", 10, "A@1h"),
        ("on", 40, "A@1h B@3h"),
        ("odd", 5, "A@1h help@2h B@3h"),
        ("z", 1, "X@9D"),
    )
    lost = cj.funnel(log, ["A", "B"], window="1D").next_after_drop_off()
    assert lost.table["event"].tolist() == ["help", "(nothing)", "B"]
    assert lost.table["lost"].tolist() == [30, 10, 0]
    assert lost.table["went_on"].tolist() == [5, 0, 40]
    assert lost.table["share_of_lost"].tolist() == [0.75, 0.25, 0.0]
    assert lost.table["median_seconds_lost"].tolist()[0] == 3600
    assert lost.table["median_seconds_lost"].isna().tolist() == [False, True, True]
    assert lost.table["p_adjusted"].isna().tolist() == [False, True, True]
    # After an hour all 85 wait, 40 of them to be lost, and 35 do help: 35 · 40/85 of the lost would at the same rate.
    assert lost.table["expected_lost"].tolist()[0] == pytest.approx(35 * 40 / 85)
    assert lost.table["difference"].tolist()[0] == pytest.approx((30 - 35 * 40 / 85) / 40)
    assert lost.headline == (
        "Of 40 customers lost between “A” and “B”, 75.0% (95% CI 59.8–85.8%) did help next within the window; "
        "help is more common among them than among those who went on, at the same waiting times: 30 customers did it next, 16 would have at the same rate "
        "(+33.8 points of the lost, 95% CI +22.7 to +45.0 points). Association, not causation."
    )
    assert (
        lost.definition["lost"]
        == "40 customers whose counted attempt ended between “A” and “B”; 0 customers whose window is still open left out (1 day)"
    )


def test_those_whose_window_is_open_are_not_lost_yet() -> None:
    log = many(("lost", 2, "A@1h"), ("new", 3, "A@47h"), ("z", 1, "X@48h"))
    lost = cj.funnel(log, ["A", "B"], window="1D").next_after_drop_off(1)
    assert lost.table["lost"].tolist() == [2]
    assert "3 customers whose window is still open left out" in lost.definition["lost"]
    assert lost.headline.endswith("with fewer than 30 customers these shares say little.")
    assert (
        cj.funnel(log, ["A", "B"], window=None)
        .next_after_drop_off()
        .definition["lost"]
        .endswith("without a window nobody is lost for good")
    )


def test_without_a_wish_the_step_is_that_where_most_are_lost() -> None:
    log = many(("a", 1, "A@1h"), ("b", 3, "A@1h B@2h Y@2h Z@3h"), ("z", 1, "X@9D"))
    funnel = cj.funnel(log, ["A", "B", "C"], window="1D")
    assert funnel.next_after_drop_off().table["event"].tolist() == ["Z"]
    assert funnel.next_after_drop_off(1).table["lost"].tolist() == [1, 0]
    assert (
        cj.funnel(log, ["A", "B"], window="1D", order="any")
        .next_after_drop_off()
        .definition["lost"]
        .startswith("1 customer whose counted attempt ended after 1 of 2 steps")
    )


def test_nobody_lost_is_said() -> None:
    lost = cj.funnel(
        many(("a", 2, "A@1h B@2h"), ("z", 1, "X@9D")), ["A", "B"], window="1D"
    ).next_after_drop_off()
    assert lost.headline == "Nobody was lost between “A” and “B”."
    assert lost.table["lost"].tolist() == [0]


@pytest.mark.parametrize(
    ("steps", "step", "message"),
    [
        (["A", "B"], 2, "step: must be a step after which customers can drop off, 1 to 1. Got 2."),
    ],
)
def test_there_must_be_a_step_to_be_lost_after(
    steps: list[str], step: int | None, message: str
) -> None:
    with pytest.raises(cj.CjlibError, match=re.escape(message)):
        cj.funnel(many(("a", 1, "A@1h")), steps, window="1D").next_after_drop_off(step)


def test_with_groups_the_follow_ups_are_about_all_customers_together() -> None:
    log = cj.read_events(toy_events("u: A@0h(web) B@1h(app) | v: A@0h(app) | z: X@9D"))
    for by_value in ("first", "all", "step_2"):
        funnel = cj.funnel(
            log, ["A", "B"], window="1D", by="channel", by_value=by_value, start="2024-01-01"
        )
        assert funnel.trend().table["converted"].tolist() == [1]
        assert funnel.compare_previous_period().table["customers"].tolist() == [2, 1]
        assert funnel.next_after_drop_off().table["lost"].sum() == 1


def test_a_funnel_of_one_step_loses_nobody() -> None:
    lost = cj.funnel(many(("a", 1, "A@1h")), ["A"], window="1D").next_after_drop_off()
    assert (lost.answered, lost.headline) == (False, "A funnel of one step loses nobody.")


# ---- comparisons that hold ----------------------------------------------------------------------------------------


def fortnightly_events(seed: int, share: float = 0.1) -> pd.DataFrame:
    """800 customers come about once a fortnight for twelve weeks; every visit converts alike within two days."""
    rng = np.random.default_rng(seed)
    customer = np.repeat(np.arange(800), rng.poisson(6, 800))
    day = rng.uniform(0, 84, len(customer))
    bought = day + rng.uniform(0.01, 2, len(day))
    buys = (rng.random(len(day)) < share) & (bought < 84)
    return pd.DataFrame(
        {
            "customer_id": np.r_[customer, customer[buys]].astype(str),
            "event": np.repeat(["visit", "buy"], [len(customer), buys.sum()]),
            "timestamp": pd.Timestamp("2025-01-06", tz="UTC")
            + pd.to_timedelta(np.r_[day, bought[buys]], unit="D"),
        }
    )


def fortnightly(seed: int) -> cj.EventLog:
    return cj.read_events(fortnightly_events(seed), observed_until="2025-03-30")


@pytest.mark.parametrize("entry", ["best", "reentry", "first"])
def test_a_trend_counts_every_customers_first_entry_of_each_week_whatever_came_of_it(
    entry: str,
) -> None:
    trend = cj.funnel(fortnightly(1), ["visit", "buy"], window="2D", entry=entry).trend()
    assert "no significant trend" in trend.headline
    assert trend.table["customers"].min() > 200
    assert not trend.findings


def test_a_business_that_does_not_change_is_no_worse_than_before_though_windows_are_open() -> None:
    log = fortnightly(2)
    funnel = cj.funnel(log, ["visit", "buy"], window="7D", start="2025-03-03", end="2025-03-30")
    change = funnel.compare_previous_period()
    assert change.table["verdict"].iloc[1] == "no significant change"
    assert "are set against the same part of the period before" in change.definition["cut"]
    assert change.headline.endswith("only entries whose window has ended, on both sides.")
    assert change.families == {"conversion against the period before": 1}


def test_a_planted_change_is_found_and_handed_up() -> None:
    early, late = fortnightly_events(3), fortnightly_events(4, share=0.2)
    late["timestamp"] += pd.Timedelta(days=84)
    log = cj.read_events(pd.concat([early, late]), observed_until="2025-06-22")
    funnel = cj.funnel(log, ["visit", "buy"], window="2D", start="2025-03-31", end="2025-06-20")
    change = funnel.compare_previous_period()
    assert change.table["verdict"].iloc[1] == "better"
    assert [finding.direction for finding in change.findings] == ["good"]
    trend = cj.funnel(log, ["visit", "buy"], window="2D").trend()
    assert trend.headline.startswith("Conversion rose from about")
    assert trend.findings[0].topic == "conversion over time"


def test_who_comes_back_makes_no_trend_and_no_change() -> None:
    """Of 200 customers none converts and none comes back; 60 others convert in each of eight weeks."""
    weeks = [(f"once{k}", 0, False) for k in range(200)]
    weeks += [(f"loyal{k}", week, True) for week in range(8) for k in range(60)]
    rows = [
        (
            customer,
            event,
            pd.Timestamp("2025-01-06", tz="UTC") + pd.Timedelta(days=7 * week, hours=hour),
        )
        for customer, week, buys in weeks
        for hour, event in enumerate(["visit", "buy"] if buys else ["visit"])
    ]
    log = cj.read_events(
        pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]),
        observed_until="2025-03-10",
    )
    change = cj.funnel(
        log, ["visit", "buy"], window="2D", start="2025-02-03", end="2025-03-02"
    ).compare_previous_period()
    assert change.table[["previous_share_of_first", "share_of_first"]].iloc[1].tolist() == [
        60 / 260,
        1,
    ]
    assert not change.findings
    trend = cj.funnel(log, ["visit", "buy"], window="2D").trend()
    assert trend.headline.startswith("Conversion shows no significant trend over 8 complete weeks")
    assert (
        "0% of the first week’s entries are of customers who had, 100% of the last one’s"
        in trend.headline
    )
    assert not trend.findings


def test_where_few_come_back_the_newcomers_of_both_periods_are_compared() -> None:
    """400 new customers in each of two months, of whom 20 come again; 10% convert in the first, 25% in the second."""
    people = [(f"a{k}", 0, k % 10 == 0) for k in range(400)]
    people += [(f"b{k}", 31, k % 4 == 0) for k in range(400)]
    people += [(f"a{k}", 35, False) for k in range(20)]
    rows = [
        (customer, event, pd.Timestamp("2025-01-01", tz="UTC") + pd.Timedelta(days=day, hours=hour))
        for customer, day, buys in people
        for hour, event in enumerate(["visit", "buy"] if buys else ["visit"])
    ]
    log = cj.read_events(
        pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]),
        observed_until="2025-04-01",
    )
    funnel = cj.funnel(log, ["visit", "buy"], window="2D", start="2025-02-01", end="2025-03-03")
    assert funnel.compare_previous_period().table["verdict"].iloc[1] == "better"


def test_only_what_can_happen_to_both_is_compared_after_a_drop_off() -> None:
    log = many(
        ("lost", 60, "A@1h help@2h"),
        ("look", 20, "A@1h look@2h"),
        ("gone", 40, "A@1h"),
        ("on", 40, "A@1h B@3h"),
        ("odd", 40, "A@1h look@2h B@3h"),
        ("z", 1, "X@9D"),
    )
    lost = cj.funnel(log, ["A", "B"], window="1D").next_after_drop_off()
    table = lost.table.set_index("event")
    assert table["p_adjusted"].isna().to_dict() == {
        "help": False,
        "(nothing)": True,
        "look": False,
        "B": True,
    }
    # After an hour all 200 wait, 120 of them to be lost: of 60 who do help, as of 60 who look, 36 would be lost at the same rate.
    assert table["expected_lost"].dropna().to_dict() == {"help": 36.0, "look": 36.0}
    assert table["difference"].round(3).dropna().to_dict() == {"help": 0.2, "look": -0.133}
    assert "help is more common among them than among those who went on" in lost.headline
    assert "60 customers did it next, 36 would have at the same rate (+20.0 points" in lost.headline
    assert "nothing" not in lost.headline.split(";")[1]


def test_what_the_lost_did_next_is_compared_at_first_entries() -> None:
    """Half of everybody see a demo after the first visit; forty come back later and buy then, which is no reason to think that buyers avoid demos."""
    log = many(
        ("a", 20, "visit@1D demo@2D"),
        ("b", 20, "visit@1D"),
        ("c", 20, "visit@1D demo@2D buy@3D"),
        ("d", 20, "visit@1D buy@3D"),
        ("e", 20, "visit@1D demo@2D visit@30D buy@32D"),
        ("f", 20, "visit@1D visit@30D buy@32D"),
        ("z", 1, "other@60D"),
    )
    lost = cj.funnel(log, ["visit", "buy"], window="7D").next_after_drop_off(1)
    demo = lost.table.set_index("event").loc["demo"]
    assert demo[["lost", "went_on"]].tolist() == [20, 20]
    assert demo["difference"] == pytest.approx(0)
    assert demo["p_value"] > 0.9


def test_one_channel_that_converts_badly_makes_no_news_of_the_others():
    """Of three channels two convert half and one a twentieth: the two were found to "convert better than the others"."""
    rng = np.random.default_rng(1)
    channel = np.array(["ad", "mail", "web"])[np.arange(900) % 3]
    buys = rng.random(900) < np.where(channel == "web", 0.05, 0.5)
    start = pd.Timestamp("2025-01-01", tz="UTC")
    seen = start + pd.to_timedelta(np.arange(900) / 20, unit="D")
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{k}" for k in [*range(900), *np.flatnonzero(buys)]],
            "event": ["visit"] * 900 + ["buy"] * int(buys.sum()),
            "timestamp": [*seen, *(seen[buys] + pd.Timedelta(hours=1))],
            "channel": [*channel, *channel[buys]],
        }
    )
    log = cj.read_events(frame, observed_until="2025-03-30")
    found = cj.funnel(log, ["visit", "buy"], window="2D", by="channel")
    assert [one.claim.split(" converts")[0] for one in found.findings] == ["Channel web"]
    assert "channel web converts" in found.headline
    compared = found.comparisons.set_index("channel")
    assert compared["without"].to_dict() == {"ad": "channel web", "mail": "channel web", "web": ""}
    assert (compared["p_adjusted"] < 0.0025).to_dict() == {"ad": False, "mail": False, "web": True}
    assert compared["other_customers"].to_dict() == {"ad": 300, "mail": 300, "web": 600}
    caption = cj.plot(found, "segments").layout.meta["caption"]
    assert "no other group differs significantly" in caption
    steps = found.group_steps[found.group_steps["p_adjusted"] < 0.0025]
    assert steps[["channel", "step"]].to_numpy().tolist() == [["web", 2]]

"""Survival counted by hand, against plain Python, against lifelines' answers, and on public data."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib import CjlibError, DataError
from cjlib.analyses.metric_change import changes
from cjlib.analyses.survival.count import _back_there
from cjlib.analyses.survival.kaplan_meier import kaplan_meier, log_rank
from cjlib.analyses.survival.summary import after_the_end
from cjlib.sources.log.conditions import as_step

CAREFUL = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
DURATIONS = [5, 6, 6, 2, 4, 4, 9, 0, 12, 7, 3, 3, 8, 10, 1, 6, 11, 2, 9, 12]
CHURNED = [1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0]
# What lifelines 0.30.3 (KaplanMeierFitter, restricted_mean_survival_time of the fitter at 10, logrank_test of every other row) answers.
LIFELINES = {
    "share": [
        0.95,
        0.9,
        0.8,
        0.7500000000000001,
        0.6964285714285716,
        0.6383928571428574,
        0.5223214285714288,
        0.4570312500000003,
        0.3917410714285717,
    ]
    + [0.26116071428571447] * 4,
    "low": [
        0.6947431932565701,
        0.6560307072615666,
        0.5511455642807276,
        0.49994390796575194,
        0.44467820939725033,
        0.38556525584027207,
    ]
    + [0.2794870872422188, 0.22256967766630295, 0.1712068293731774]
    + [0.08438057841818145] * 4,
    "high": [
        0.9928022285933972,
        0.974010174395775,
        0.9198179135884563,
        0.8874709189158879,
        0.8508542175065136,
        0.8094935049614408,
    ]
    + [0.7182865830873335, 0.664948630118104, 0.6079700884345111]
    + [0.4823455172579105] * 4,
    "median": 7.0,
    "restricted_mean": 6.3670758928571445,
    "p_value": 0.7739171970671337,
}


def ready(durations=DURATIONS, churned=CHURNED, **columns):
    return pd.DataFrame({"tenure": durations, "churn": churned, **columns})


# ---- the worked example, by hand --------------------------------------------------------------------------------------------


def test_the_worked_example_counts_churn_before_censoring():
    result = cj.survival_table(ready([2, 3, 4, 5], [1, 0, 1, 0]), duration="tenure", event="churn")
    assert result.table["day"].tolist() == [0, 2, 3, 4, 5]
    assert result.table["at_risk"].tolist() == [4, 4, 3, 2, 1]
    assert result.table["share_surviving"].tolist() == [1, 0.75, 0.75, 0.375, 0.375]
    assert result.summary["median_days"].tolist() == [4]
    # Area to day 5: 2 + 0.75·2 + 0.375·1.
    assert result.summary["rmst_days"].tolist() == pytest.approx([3.875])


def test_on_one_day_churn_comes_before_censoring():
    table = cj.survival_table(ready([3, 3], [1, 0]), duration="tenure", event="churn").table
    assert table["share_surviving"].tolist() == [1, 0.5]
    assert table[["churned", "censored"]].to_numpy().tolist() == [[0, 0], [1, 1]]


def test_the_interval_is_missing_where_the_share_is_1_or_0():
    table = cj.survival_table(ready([1, 2], [1, 1]), duration="tenure", event="churn").table
    assert table["share_surviving_low"].isna().tolist() == [True, False, True]
    assert table["share_surviving_high"].isna().tolist() == [True, False, True]


def test_a_median_that_is_not_reached_is_missing_and_said():
    result = cj.survival_table(
        ready([10] * 40, [1] * 10 + [0] * 30), duration="tenure", event="churn"
    )
    assert math.isnan(result.summary["median_days"].iloc[0])
    assert result.metrics["median_days"]["value"] is None
    assert "the median is not reached" in result.headline


def test_a_share_of_one_half_up_to_rounding_counts_as_half():
    # 24 customers churn one a day: after 12 days the product of fractions is a hair above one half.
    curve = kaplan_meier(np.arange(1.0, 25.0), np.ones(24, dtype=bool))
    assert curve.share[12] > 0.5
    assert curve.median == 12


def test_churn_at_duration_0_counts():
    assert cj.survival_table(ready([0, 1], [1, 0]), duration="tenure", event="churn").table[
        "share_surviving"
    ].tolist() == [0.5, 0.5]


# ---- lives from events --------------------------------------------------------------------------------------------------------


def lives(text, **options):
    until = options.pop("until", None)
    result = cj.survival(cj.read_events(toy_events(text), observed_until=until), **options)
    return result.table[["day", "churned", "censored"]].to_numpy().tolist()


def test_a_life_ends_at_the_first_churn_event_at_or_after_its_start():
    assert lives(
        "ana: view@0D cancel@2D cancel@5D | bob: view@0D view@3D",
        churn_event="cancel",
        until="2024-01-06",
    ) == [
        [0, 0, 0],
        [2, 1, 0],
        [5, 0, 1],
    ]
    assert lives("ana: cancel@0D view@2D", churn_event="cancel", until="2024-01-04") == [[0, 1, 0]]


def test_a_churn_event_before_the_start_does_not_count():
    assert lives(
        "ana: cancel@0D signup@1D view@3D",
        churn_event="cancel",
        start_event="signup",
        until="2024-01-05",
    ) == [[0, 0, 0], [3, 0, 1]]


def test_days_are_whole_elapsed_days_rounded_down():
    assert lives("ana: view@0h cancel@47h", churn_event="cancel", until="2024-01-06") == [
        [0, 0, 0],
        [1, 1, 0],
    ]
    assert lives("ana: view@0h cancel@48h", churn_event="cancel", until="2024-01-06") == [
        [0, 0, 0],
        [2, 1, 0],
    ]


def test_silence_is_churn_at_the_moment_it_reaches_its_length_and_later_returns_do_not_undo_it():
    assert lives("ana: view@0D view@2D view@9D", inactive="3D", until="2024-01-20") == [
        [0, 0, 0],
        [5, 1, 0],
    ]
    # A gap of exactly that length is churn.
    assert lives("ana: view@0D view@3D", inactive="3D", until="2024-01-05 00:00") == [
        [0, 0, 0],
        [3, 1, 0],
    ]
    assert lives("ana: view@0D view@2D", inactive="3D", until="2024-01-05 12:00") == [
        [0, 0, 0],
        [4, 0, 1],
    ]


def test_silence_at_the_end_is_churn_only_once_it_has_been_observed():
    assert lives("ana: view@0D", inactive="3D", until="2024-01-04 00:00") == [[0, 0, 0], [3, 1, 0]]
    assert lives("ana: view@0D", inactive="3D", until="2024-01-03 23:59") == [[0, 0, 0], [2, 0, 1]]


def test_any_event_breaks_a_silence_also_after_another_start():
    assert lives(
        "ana: view@0D signup@5D view@7D",
        inactive="3D",
        start_event="signup",
        until="2024-01-12 00:00",
    ) == [[0, 0, 0], [5, 1, 0]]


def test_the_group_is_the_value_at_the_first_event():
    log = cj.read_events(
        toy_events("ana: view@0D(web) cancel@1D(app) | bob: view@0D(app) | cid: view@0D(app)"),
        observed_until="2024-01-05",
    )
    summary = cj.survival(log, churn_event="cancel", by="channel").summary
    assert summary[["channel", "n", "churned"]].to_numpy().tolist() == [
        ["app", 2, 0],
        ["web", 1, 1],
    ]


def test_a_range_bounds_where_lives_begin_and_follows_them_to_the_end():
    log = cj.read_events(
        toy_events("ana: view@0D cancel@9D | bob: view@2D | cid: view@5D"),
        observed_until="2024-01-12",
    )
    result = cj.survival(log, churn_event="cancel", start="2024-01-01", end="2024-01-03")
    assert result.table[["day", "churned", "censored"]].to_numpy().tolist() == [
        [0, 0, 0],
        [9, 1, 1],
    ]
    assert log.run(result.sql)["customer_id"].tolist() == ["ana", "bob"]
    assert result.definition["begins in"] == "from 2024-01-01 00:00 to 2024-01-03 23:59"
    with pytest.raises(
        CjlibError,
        match=r"end: must not lie before start\. Got start '2024-01-03', end '2024-01-01'\.",
    ):
        cj.survival(log, churn_event="cancel", start="2024-01-03", end="2024-01-01")


def test_the_lives_are_those_of_the_customers_in_retention(toy_log):
    log = toy_log("ana: view@0D signup@1D view@3D | bob: signup@2D | cid: view@2D")
    assert cj.survival(log, inactive="5D", start_event="signup").summary["n"].tolist() == [2]
    assert (
        cj.retention(log, start_event="signup").table.query("period == 0")["cohort_size"].sum() == 2
    )


def test_the_restricted_mean_ends_where_the_shortest_group_ends():
    table = ready([2, 3, 4, 5], [1, 0, 1, 0], plan=["a", "a", "b", "b"])
    summary = cj.survival_table(table, duration="tenure", event="churn", by="plan").summary
    assert summary["rmst_limit_days"].tolist() == [3, 3]
    assert summary["rmst_days"].tolist() == pytest.approx([2.5, 3])


def test_the_unit_of_a_ready_table_names_its_columns():
    result = cj.survival_table(ready(), duration="tenure", event="churn", unit="month")
    assert result.table.columns[0] == "month"
    assert {"median_months", "rmst_months", "rmst_limit_months"} <= set(result.summary.columns)
    assert {"median_months", "rmst_months"} <= set(result.metrics)


def test_the_lives_behind_the_curve_come_from_portable_sql():
    text = "ana: view@0D cancel@2D | bob: view@0D view@1D | cid: view@1D view@9D"
    log = cj.read_events(toy_events(text), observed_until="2024-01-12")
    for options in (
        {"churn_event": "cancel"},
        {"inactive": "4D"},
        {"inactive": "4D", "start_event": "view"},
    ):
        result = cj.survival(log, **options)
        found = log.run(result.sql)
        ended = found["churned_at"].fillna(log.observed_until.tz_localize(None))
        days = (ended - found["started_at"]) // pd.Timedelta(days=1)
        again = cj.survival_table(
            pd.DataFrame({"d": days, "e": found["churned_at"].notna()}), duration="d", event="e"
        )
        pd.testing.assert_frame_equal(again.table, result.table)


@pytest.mark.parametrize(
    "dialect", ["postgres", "clickhouse", "spark", "bigquery", "snowflake", "trino"]
)
def test_the_sql_compiles_for_other_engines(toy_log, dialect):
    import sqlglot

    log = toy_log("ana: view@0D cancel@2D")
    for options in ({"churn_event": cj.Step("cancel", first_time=True)}, {"inactive": "90min"}):
        assert (
            "ended_at"
            in sqlglot.transpile(cj.survival(log, **options).sql, read="duckdb", write=dialect)[0]
        )


# ---- against plain Python -------------------------------------------------------------------------------------------------------


def plain_curve(durations, churned):
    """(day, at_risk, churned, censored, share) by the definition."""
    rows, share = [], 1.0
    for day in sorted({0, *durations}):
        at_risk = sum(1 for length in durations if length >= day)
        gone = sum(
            1 for length, ended in zip(durations, churned, strict=True) if length == day and ended
        )
        left = sum(
            1
            for length, ended in zip(durations, churned, strict=True)
            if length == day and not ended
        )
        share *= 1 - gone / at_risk if at_risk else 1
        rows.append((day, at_risk, gone, left, share))
    return rows


@CAREFUL
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=30))
def test_the_curve_is_that_of_plain_python(drawn):
    durations, churned = [length for length, _ in drawn], [ended for _, ended in drawn]
    table = cj.survival_table(ready(durations, churned), duration="tenure", event="churn").table
    expected = plain_curve(durations, churned)
    assert list(
        zip(table["day"], table["at_risk"], table["churned"], table["censored"], strict=True)
    ) == [row[:4] for row in expected]
    assert table["share_surviving"].tolist() == pytest.approx(
        [row[4] for row in expected], abs=1e-12
    )
    assert (np.diff(table["share_surviving"]) <= 0).all()


def plain_log_rank(durations, churned, one):
    """Chi-square of the log-rank test, death time by death time."""
    difference = variance = 0.0
    for day in {length for length, ended in zip(durations, churned, strict=True) if ended}:
        at_risk = [k for k, length in enumerate(durations) if length >= day]
        gone = [k for k in at_risk if durations[k] == day and churned[k]]
        n, n1, d = len(at_risk), sum(one[k] for k in at_risk), len(gone)
        difference += sum(one[k] for k in gone) - d * n1 / n
        variance += d * n1 / n * (1 - n1 / n) * (n - d) / (n - 1) if n > 1 else 0
    return difference**2 / variance if variance else float("nan")


@CAREFUL
@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), min_size=2, max_size=25)
)
def test_the_log_rank_test_is_that_of_plain_python(drawn):
    durations, churned, one = (list(column) for column in zip(*drawn, strict=True))
    chi_square = plain_log_rank(durations, churned, one)
    found = log_rank(np.array(durations, dtype=float), np.array(churned), np.array(one))
    assert found.z**2 == pytest.approx(0 if math.isnan(chi_square) else chi_square, abs=1e-9)
    assert (found.variance == 0) == math.isnan(chi_square)


@st.composite
def logs(draw):
    event = st.tuples(st.integers(0, 30), st.sampled_from(["view", "cancel"]))
    return draw(
        st.dictionaries(
            st.sampled_from(["ana", "bob", "cid"]),
            st.lists(event, min_size=1, max_size=6),
            min_size=1,
        )
    ), draw(st.integers(1, 12))


def plain_life(events, churn, inactive, until):
    """(whole days, churned) of one customer; times in quarter days."""
    times = sorted(time for time, _ in events)
    start = times[0]
    if churn:
        ends = [time for time, name in sorted(events) if name == "cancel"]
    else:
        gaps = zip(times, [*times[1:], math.inf], strict=True)
        ends = [time + inactive for time, later in gaps if later - time >= inactive]
    ends = [end for end in ends if end <= until]
    return (min(ends) - start) // 4 if ends else (until - start) // 4, bool(ends)


@settings(CAREFUL, max_examples=15)
@given(logs())
def test_lives_are_those_of_plain_python(drawn):
    customers, inactive = drawn
    rows = [
        (who, name, pd.Timestamp("2024-03-25", tz="UTC") + pd.Timedelta(hours=6 * time))
        for who, events in customers.items()
        for time, name in events
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]).assign(
        n=range(len(rows))
    )
    until = max(time for events in customers.values() for time, _ in events) + 3
    log = cj.read_events(
        frame,
        timezone="Europe/Berlin",
        observed_until=pd.Timestamp("2024-03-25", tz="UTC") + pd.Timedelta(hours=6 * until),
    )
    for options in ({"churn_event": "cancel"}, {"inactive": f"{6 * inactive}h"}):
        expected = [
            plain_life(events, "churn_event" in options, inactive, until)
            for events in customers.values()
        ]
        found = cj.survival(log, **options).table
        again = cj.survival_table(
            ready(*zip(*expected, strict=True)), duration="tenure", event="churn"
        ).table
        pd.testing.assert_frame_equal(found, again)


# ---- against lifelines, and on public data ----------------------------------------------------------------------------------------


def test_curve_interval_median_and_restricted_mean_are_those_of_lifelines():
    curve = kaplan_meier(np.array(DURATIONS, dtype=float), np.array(CHURNED, dtype=bool))
    assert curve.share.tolist() == pytest.approx(LIFELINES["share"], abs=1e-12)
    assert curve.low.tolist() == pytest.approx(LIFELINES["low"], abs=1e-12)
    assert curve.high.tolist() == pytest.approx(LIFELINES["high"], abs=1e-12)
    assert curve.median == LIFELINES["median"]
    assert curve.restricted_mean(10)[0] == pytest.approx(LIFELINES["restricted_mean"], abs=1e-12)


def test_the_log_rank_p_is_that_of_lifelines():
    found = log_rank(
        np.array(DURATIONS, dtype=float), np.array(CHURNED, dtype=bool), np.arange(20) % 2 == 0
    )
    assert math.erfc(abs(found.z) / math.sqrt(2)) == pytest.approx(LIFELINES["p_value"], abs=1e-12)


@pytest.mark.parametrize(("rate", "cases"), [(0.1, 1_000), (0.01, 1_000), (0.003, 1_000)])
def test_the_restricted_mean_of_thirty_is_in_its_interval_also_where_few_or_none_churned(
    rate: float, cases: int
):
    rng = np.random.default_rng(0)
    truth, held = -math.expm1(-rate * 15) / rate, 0
    for _ in range(cases):
        life, seen = rng.exponential(1 / rate, 30), rng.uniform(0, 30, 30)
        curve = kaplan_meier(np.minimum(life, seen), life <= seen)
        _, low, high = curve.restricted_mean_interval(15)
        held += low <= truth <= high
    assert 0.92 <= held / cases <= 0.98  # by the normal distribution .94, .88 and .61


@pytest.mark.parametrize("share_leaving", [0.03, 0.3])
def test_a_small_group_is_no_surer_to_leave_sooner_than_drawing_it_by_lot(share_leaving: float):
    rng = np.random.default_rng(0)
    life, seen = rng.exponential(10 / share_leaving, 630), rng.uniform(0, 20, 630)
    duration, churned = np.minimum(life, seen), life <= seen
    small = [log_rank(duration, churned, rng.permutation(630) < 30).p_value for _ in range(4_000)]
    assert np.mean(np.array(small) < 0.0025) < 0.005  # by the normal distribution .01


def test_the_interval_of_the_restricted_mean_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    # Exponential lives of mean 10, censored uniformly up to 30: the mean up to 15 is 10 (1 − e^−1.5).
    truth, held = 10 * (1 - math.exp(-1.5)), 0
    for _ in range(400):
        life, seen = rng.exponential(10, 150), rng.uniform(0, 30, 150)
        mean, error = kaplan_meier(np.minimum(life, seen), life <= seen).restricted_mean(15)
        held += abs(mean - truth) <= 1.959964 * error
    assert 0.92 <= held / 400 <= 0.98


@pytest.fixture(scope="module")
def telco(shared_data):
    return pd.read_csv(shared_data / "telco_churn" / "telco_customer_churn.csv.gz")


def test_telco_survives_as_lifelines_says(telco):
    result = cj.survival_table(telco, duration="tenure", event="Churn", unit="month")
    shares = result.table.set_index("month")["share_surviving"]
    assert shares.loc[[12, 24, 36, 60, 72]].round(3).tolist() == [0.843, 0.789, 0.749, 0.664, 0.593]
    # The area under the step curve, as lifelines 0.30.3 gives it for its fitted curve.
    assert result.summary["rmst_months"].iloc[0] == pytest.approx(54.49238710672819, abs=1e-10)
    assert result.headline.startswith(
        "59.3% (95% CI 57.3–61.2%) are still there after 72 months; the median is not reached."
    )


def test_telco_contracts_differ(telco):
    result = cj.survival_table(telco, duration="tenure", event="Churn", by="Contract", unit="month")
    means = result.summary.set_index("Contract")["rmst_months"]
    assert means.to_dict() == pytest.approx(
        {
            "Month-to-month": 36.29789990189535,
            "One year": 66.41747198112928,
            "Two year": 71.54032845034897,
        },
        abs=1e-10,
    )
    compared = result.comparisons.set_index("Contract")
    assert compared["without"].to_dict() == {
        "Month-to-month": "",
        "One year": "Contract Month-to-month",
        "Two year": "Contract Month-to-month",
    }
    assert (compared["p_adjusted"] < 1e-20).all()
    assert result.headline.endswith("3 of 3 groups differ significantly from the others.")


# ---- order, edges, errors -----------------------------------------------------------------------------------------------------------


def test_rows_in_any_order_give_the_same_bytes():
    table = ready(plan=["a", "b", None, "a"] * 5)
    one, other = (
        cj.survival_table(frame, duration="tenure", event="churn", by="plan", min_n=1)
        for frame in (table, table.sample(frac=1, random_state=3))
    )
    for name in ("table", "summary", "comparisons"):
        assert getattr(one, name).to_csv() == getattr(other, name).to_csv()


def test_small_groups_are_shown_but_not_compared():
    table = ready([5] * 70, [1, 0] * 35, plan=["a"] * 40 + ["b"] * 30)
    assert (
        len(cj.survival_table(table, duration="tenure", event="churn", by="plan").comparisons) == 2
    )
    assert (
        len(
            cj.survival_table(
                table, duration="tenure", event="churn", by="plan", min_n=31
            ).comparisons
        )
        == 1
    )


def test_an_unknown_churn_event_counts_nothing_and_is_said(toy_log):
    result = cj.survival(toy_log("ana: view@0D view@2D"), churn_event="veiw")
    assert result.table["churned"].sum() == 0
    assert result.definition["warning"] == "churn_event: 'veiw' never occurs. Did you mean 'view'?"
    assert result.headline == "Only 1 customer (0 churned): too few to read a curve from."


def test_nobody_is_an_empty_curve(toy_log):
    result = cj.survival(toy_log("ana: view@0D"), churn_event="cancel", start_event="signup")
    assert result.headline == "No customer to follow: nothing to count."
    assert result.summary["n"].sum() == 0


@pytest.mark.parametrize("given", [{}, {"churn_event": "cancel", "inactive": "60D"}])
def test_exactly_one_says_what_churn_is(toy_log, given):
    with pytest.raises(
        CjlibError,
        match=r"churn_event, inactive: exactly one says what churn is: .* Got (both|neither)\.",
    ):
        cj.survival(toy_log("ana: view@0D"), **given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inactive": 60}, r"inactive: must be a duration with its unit, .* Got 60\."),
        (
            {"inactive": "0D"},
            r"inactive: a silence of no length would make everyone churn at once\. Give a duration such as '60D'\.",
        ),
        ({"inactive": "60D", "by": "plan"}, r"by: there is no column 'plan'\."),
    ],
)
def test_an_option_that_cannot_be_used_says_what_is_allowed(toy_log, options, message):
    with pytest.raises(CjlibError, match=message):
        cj.survival(toy_log("ana: view@0D"), **options)


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (
            {},
            {"duration": "tenur"},
            CjlibError,
            r"duration: there is no column 'tenur'\. Did you mean 'tenure'\?",
        ),
        (
            {},
            {"unit": "days"},
            CjlibError,
            r"unit: must be one of 'day', 'week', 'month', 'year'\. Got 'days'\. Did you mean 'day'\?",
        ),
        (
            {"tenure": [-1, 2]},
            {},
            DataError,
            r"duration: column 'tenure' must hold numbers, 0 or more\. 1 of 2 rows do not: -1\.",
        ),
        (
            {"tenure": ["two", 2]},
            {},
            DataError,
            r"duration: column 'tenure' must hold numbers, 0 or more\. 1 of 2 rows do not: 'two'\.",
        ),
        (
            {"churn": ["maybe", "no"]},
            {},
            DataError,
            r"event: column 'churn' must say who churned, as true/false, 1/0 or yes/no\. 1 of 2 rows do not: 'maybe'\.",
        ),
    ],
)
def test_a_ready_table_that_cannot_be_used_says_why(change, options, error, message):
    table = ready([1, 2], [1, 0]).assign(**change)
    with pytest.raises(error, match=message):
        cj.survival_table(table, **{"duration": "tenure", "event": "churn", **options})


def test_a_ready_table_must_be_a_table(toy_log):
    with pytest.raises(
        CjlibError,
        match=r"table: must be a DataFrame with one row a customer\. Got 'EventLog'\. For an event log use cj\.survival\.",
    ):
        cj.survival_table(toy_log("ana: view@0D"), duration="tenure", event="churn")


def _lives(days: float, *, leaving: np.ndarray, entered: np.ndarray, plan: str) -> pd.DataFrame:
    """Who entered when and would leave after how long, as durations observed until `days`."""
    followed = days - entered
    churned = leaving < followed
    return pd.DataFrame(
        {"days": np.where(churned, leaving, followed), "churned": churned, "plan": plan}
    )


def test_a_young_group_does_not_hide_in_which_group_customers_stay_longer():
    """Two plans that part after day 60 "stay 19 days, all together 19": bad, both of them, since a third plan is 20 days old."""
    rng = np.random.default_rng(0)
    old = rng.uniform(0, 100, 600)
    short, long = 60 + rng.exponential(50, 300), 60 + rng.exponential(400, 300)
    lives = pd.concat(
        [
            _lives(300, leaving=short, entered=old[:300], plan="A"),
            _lives(300, leaving=long, entered=old[300:], plan="B"),
            _lives(300, leaving=np.full(60, 9e9), entered=rng.uniform(280, 300, 60), plan="C"),
        ]
    )
    found = cj.survival_table(lives, duration="days", event="churned", by="plan").findings
    assert [(one.claim.split(":")[0], one.direction) for one in found] == [("plan B", "good")]
    assert found[0].low > 150
    assert "over the first 171.6 (95% CI" in found[0].claim
    assert found[0].claim.endswith(", the others 102.")


def test_curves_that_cross_are_neither_good_nor_bad():
    """A third leaves at once, or more than half late: log-rank tells the curves apart, and the means lie close together."""
    rng = np.random.default_rng(3)
    entered = rng.uniform(0, 100, 800)
    early = np.where(rng.random(800) < 0.35, rng.uniform(0, 10, 800), 9e9)
    late = np.where(rng.random(800) < 0.6, rng.uniform(80, 200, 800), 9e9)
    lives = pd.concat(
        [
            _lives(300, leaving=early, entered=entered, plan="early"),
            _lives(300, leaving=late, entered=entered, plan="late"),
        ]
    )
    found = cj.survival_table(lives, duration="days", event="churned", by="plan").findings
    assert [one.direction for one in found] == ["neutral", "neutral"]
    assert all("churn at other times than the others" in one.claim for one in found)


def test_a_headline_does_not_rest_on_the_one_customer_who_was_followed_longest():
    lives = pd.DataFrame(
        {"days": [*range(10, 20), *[30] * 89, 300], "churned": [1] * 10 + [0] * 90}
    )
    held = cj.survival_table(lives, duration="days", event="churned")
    assert "are still there after 30 days" in held.headline
    assert held.table["day"].iloc[-1] == 300
    assert set(held.metrics) == {"median_days", "rmst_days", "share_surviving_day_30"}


def test_nobody_has_churned_is_not_told_without_an_interval():
    lives = pd.DataFrame({"days": [5] * 50, "churned": [0] * 50})
    held = cj.survival_table(lives, duration="days", event="churned")
    assert held.headline.startswith("100.0% (95% CI 92.9–100.0%) are still there after 5 days")


def test_means_up_to_another_day_are_not_compared_between_two_runs():
    """A longer log has a longer mean: between two runs it "moved" although nothing had changed."""
    rng = np.random.default_rng(1)
    entered, leaving = rng.uniform(0, 100, 500), rng.exponential(300, 500)
    before, now = (
        cj.survival_table(
            _lives(until, leaving=leaving, entered=entered, plan="A"),
            duration="days",
            event="churned",
        ).metrics["rmst_days"]
        for until in (200, 300)
    )
    assert [one.significant for one in changes([(before, now)])] == [False]
    assert before["high"] < now["low"]


def test_a_silence_that_most_customers_break_is_said_to_be_their_rhythm():
    """Customers who order every 60 days for ever: by 45 days of silence "300 of 300 churned"."""
    rng = np.random.default_rng(0)
    days = np.cumsum(rng.uniform(54, 66, (40, 6)), axis=1)
    frame = pd.DataFrame(
        {
            "customer_id": np.repeat([f"c{place}" for place in range(40)], 6),
            "event": "order",
            "timestamp": pd.Timestamp("2024-01-01", tz="UTC")
            + pd.to_timedelta(days.ravel(), unit="D"),
        }
    )
    log = cj.read_events(frame)
    short = cj.survival(log, inactive="45D")
    assert re.search(r"But (\d+) of \1 silences of 45 days were broken", short.headline)
    assert "silences of" not in cj.survival(log, inactive="90D").headline


# ---- who was back ---------------------------------------------------------------------------------------------------------


def _came_back(back: str, until: str = "2024-02-10", who: int = 12) -> cj.EventLog:
    gone = " | ".join(
        f"g{k}: view@0D cancel@{k % 9 + 1}D{back if k < who else ''}" for k in range(30)
    )
    return cj.read_events(toy_events(f"{gone} | {' | '.join(f's{k}: view@0D' for k in range(10))}"), observed_until=until)  # fmt: skip


def test_who_has_other_events_after_the_churn_event_is_counted_beside_those_who_churned():
    back = cj.survival(_came_back(" cancel@20D login@15D view@16D"), churn_event="cancel")
    assert (
        "30 churned while observed, 12 of whom had other events more than a day later;"
        in back.headline
    )
    assert (
        back.definition["after the end"]
        == "30 churned, 12 of whom had other events more than a day later; a life is counted to its first end"
    )
    every = cj.survival(_came_back(" cancel@20D login@15D", who=30), churn_event="cancel")
    assert (
        "30 of whom had other events more than a day later (most often “login”)" in every.headline
    )


@pytest.mark.parametrize("after", ["", " cancel@20D"])
def test_a_second_end_is_no_return(after):
    gone = cj.survival(_came_back(after), churn_event="cancel")
    assert "30 churned while observed; the others" in gone.headline
    assert gone.definition["after the end"].startswith("30 churned, none of whom was seen again")


def test_a_farewell_within_the_day_is_part_of_the_end():
    text = " | ".join(f"g{k}: view@0D cancel@48h survey@{71 + k % 2}h" for k in range(30))
    log = cj.read_events(toy_events(text), observed_until="2024-02-10")
    assert "15 of whom had other events" in cj.survival(log, churn_event="cancel").headline


def test_any_event_after_the_silence_is_a_return():
    text = " | ".join(f"g{k}: view@0D{' view@3D' if k < 9 else ''}" for k in range(30))
    log = cj.read_events(toy_events(text), observed_until="2024-02-10")
    headline = cj.survival(log, inactive="3D").headline
    assert "30 churned while observed, 9 of whom had events again later;" in headline


@pytest.mark.parametrize("ends", [{"churn_event": "cancel"}, {"inactive": "3D"}])
@pytest.mark.parametrize("after", ["", " login@15D view@16D", " cancel@20D"])
def test_who_was_back_is_counted_alike_where_the_events_lie(ends, after):
    log = _came_back(after)
    churn = as_step(ends["churn_event"], "churn_event") if "churn_event" in ends else None
    here = cj.survival(log, **ends)
    away = after_the_end(int(here.summary["churned"].iloc[0]), _back_there(log, here.sql, churn))
    assert away["after the end"] == here.definition["after the end"]


@pytest.mark.parametrize(("years_before", "doubted"), [(0, False), (2, True)])
def test_customers_from_before_the_log_are_said_to_have_begun_before(years_before, doubted):
    """Who stays long is who is there when the log begins: half had churned by day 88 to 99, where 65 is true."""
    rng = np.random.default_rng(0)
    begun = rng.uniform(-365 * years_before, 360, 5_000)
    left = begun + 120 * rng.weibull(0.6, 5_000)
    visits = begun + np.linspace(0, 1, 40)[:, None] * (left - begun)
    days = np.concatenate([visits.ravel(), left])
    frame = pd.DataFrame(
        {
            "customer_id": np.tile(np.arange(5_000), 41),
            "event": ["visit"] * 200_000 + ["leave"] * 5_000,
            "timestamp": pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(days, unit="D"),
        }
    )[(days >= 0) & (days < 360)]
    log = cj.read_events(frame, quarantine_limit=1)
    doubt = "many of them probably began before it"
    assert (doubt in cj.survival(log, churn_event="leave").headline) == doubted
    later = cj.survival(log, churn_event="leave", start="2025-02-01")
    assert doubt not in later.headline


def test_lengths_of_any_size_and_fraction_are_counted_alike():
    churned = ["yes", "no", "yes", "no"]
    for lengths in ([1.0, 2.0, 2.0, 3.0], [0.5, 1.0, 1.0, 1.5], [1e19, 2e19, 2e19, 3e19]):
        table = pd.DataFrame({"tenure": lengths, "churn": churned})
        found = cj.survival_table(table, duration="tenure", event="churn").table
        assert found["share_surviving"].round(6).tolist() == [1.0, 0.75, 0.5, 0.5]

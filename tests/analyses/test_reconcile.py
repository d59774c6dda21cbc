"""Ours beside another tool's number: the rule and the customers that explain the gap."""

from __future__ import annotations

import conformance
import pandas as pd
import pytest

import cjlib as cj

STEPS = ["a", "b"]
TEXT = "ana: a@0h a@30h b@31h | bob: a@0h b@2h | cyd: a@0h | dan: a@0h b@200h | eve: b@1h"


@pytest.fixture
def ours(toy_log):
    return cj.funnel(toy_log(TEXT), STEPS, window="1D")


def test_counts_stand_side_by_side_with_the_rule_that_gives_theirs(ours):
    beside = cj.reconcile(ours, {"a": 4, "b": 1})
    assert beside.table.to_dict("list") == {
        "step": [1, 2],
        "event": ["a", "b"],
        "ours": [4, 2],
        "theirs": [4, 1],
        "difference": [0, -1],
    }
    assert beside.headline.startswith(
        "Step 2, b: ours 2, theirs 1. By entry='first' ours gives theirs exactly: 1 customer"
    )
    assert beside.explanations.iloc[0].tolist() == ["entry='first'", 0, 1]
    assert beside.customers.to_dict("records") == [
        {"customer_id": "ana", "steps_ours": 2, "steps_theirs": 1, "why": "by entry='first'"}
    ]


@pytest.mark.parametrize(
    ("options", "theirs", "rule"),
    [
        ({"window": "1D"}, [4, 3], "a window of 14 days"),
        ({"window": "1D", "entry": "first"}, [4, 2], "entry='best'"),
        ({"window": "1D"}, [5, 2], "order='any'"),
        ({"window": "1D", "exclude": cj.Exclude("x")}, [5, 3], "no exclusions"),
        ({"window": "14D", "end": "2024-01-02"}, [4, 2], "no event seen after the range"),
        ({"window": "14D", "end": "2024-01-02"}, [4, 2], "semantics='ga4'"),
    ],
)
def test_one_rule_at_a_time_is_tried(toy_log, options, theirs, rule):
    log = toy_log(f"{TEXT} | fay: a@0h x@1h b@2h" if "exclude" in options else TEXT)
    beside = cj.reconcile(cj.funnel(log, STEPS, **options), dict(zip(STEPS, theirs, strict=True)))
    gaps = dict(zip(beside.explanations["rule"], beside.explanations["gap"], strict=True))
    assert gaps[rule] == 0
    assert beside.explanations["gap"].is_monotonic_increasing


@pytest.mark.parametrize(
    "theirs",
    [
        {1: 4, 2: 2},
        {"1": "4", "2": 2.0},
        pd.Series({"a": 4, "b": 2}),
        pd.DataFrame({"step": [1, 2], "users": [4, 2]}),
        pd.DataFrame({"event": ["a", "b"], "count": [4, 2]}),
        pd.DataFrame({"step": [1, 2], "event": ["x", "y"], "customers": [4, 2]}),
    ],
)
def test_counts_that_agree_need_no_explanation(ours, theirs):
    beside = cj.reconcile(ours, theirs)
    assert beside.headline == "Ours and theirs agree at every step."
    assert beside.explanations.empty
    assert beside.customers.empty


@pytest.mark.parametrize("kind", [list, pd.Series, lambda ids: pd.DataFrame({"customer_id": ids})])
def test_customers_on_one_side_only_are_listed_with_what_they_did(ours, kind):
    beside = cj.reconcile(ours, kind(["bob", "dan", "zoe"]))
    assert beside.table["count"].tolist() == [1, 1, 2]
    assert beside.headline.startswith(
        "2 by ours, 3 by theirs, 1 in both; 1 of theirs are not in the log."
    )
    rows = beside.customers.set_index("customer_id")
    assert rows["steps_ours"].to_dict() == {"ana": 2, "dan": 1, "zoe": 0}
    assert rows.loc["zoe", "why"] == "not in the log"


def test_a_list_that_a_rule_gives_is_explained_by_it(toy_log):
    ours = cj.funnel(toy_log(TEXT), STEPS, window="14D")
    beside = cj.reconcile(ours, ["bob", "ana"])
    assert beside.headline == (
        "3 by ours, 2 by theirs, 2 in both. By a window of 1 day ours gives theirs exactly: 1 customer is counted otherwise."
    )
    assert beside.customers["customer_id"].tolist() == ["dan"]
    assert beside.customers["why"].tolist() == ["by a window of 1 day not all steps"]


def test_numbers_that_no_rule_gives_say_so(ours):
    beside = cj.reconcile(ours, {"a": 400, "b": 2})
    assert "No single rule of those tried explains half of the gap of 396" in beside.headline
    assert beside.customers.empty


@pytest.mark.parametrize(
    ("theirs", "fault"),
    [
        ({"a": 4}, "one count for each step: 'a', 'b'"),
        ({"a": 4, "b": 2, "c": 1}, "one count for each step"),
        ({"a": 4, "b": 2.5}, "whole number"),
        ({"a": 4, "b": "many"}, "whole number"),
        ("bob", "a list of customers"),
        (7, "a list of customers"),
        (pd.DataFrame({"x": [1]}), "a column step or event"),
        (pd.DataFrame({"step": [1, 2]}), "a column of counts"),
    ],
)
def test_what_is_neither_counts_nor_customers_is_an_error(ours, theirs, fault):
    with pytest.raises(cj.CjlibError, match=fault):
        cj.reconcile(ours, theirs)


@pytest.mark.parametrize("ours", [None, "funnel", pd.DataFrame({"step": [1]})])
def test_only_a_funnel_or_retention_is_reconciled(ours):
    with pytest.raises(cj.CjlibError, match=r"ours: must be what cj\.funnel\(log, …\) or cj\.ret"):
        cj.reconcile(ours, {"a": 1})


# ---- retention ---------------------------------------------------------------------------------------------------

# On the calendar ana and bob are back on day 1, cyd on day 2; from their own first visits ana is not, after 10 hours.
VISITS = (
    "ana: visit@20h visit@30h | bob: visit@8h visit@33h | cyd: visit@10h visit@59h | "
    "dan: visit@34h visit@36h | eve: visit@4D"
)


@pytest.fixture
def days(toy_log):
    return cj.retention(toy_log(VISITS), period="day", periods=2)


def test_periods_stand_side_by_side_with_the_rule_that_gives_theirs(days):
    beside = cj.reconcile(days, {1: 1, 2: 1})
    assert beside.table.to_dict("list") == {
        "period": [1, 2],
        "ours": [2, 1],
        "theirs": [1, 1],
        "difference": [-1, 0],
    }
    assert beside.headline == (
        "Period 1: ours 2, theirs 1. By clock='elapsed' ours gives theirs exactly: 1 customer is counted otherwise."
    )
    assert beside.customers.to_dict("records") == [
        {"customer_id": "ana", "period": 1, "ours": 1, "theirs": 0, "why": "by clock='elapsed'"}
    ]


def test_single_cohorts_are_compared_where_theirs_has_them(days):
    first = pd.Timestamp("2024-01-01")
    theirs = pd.DataFrame({"cohort": ["2024-01-01"] * 2, "period": [0, 1], "users": [3, 3]})
    beside = cj.reconcile(days, theirs)
    assert beside.headline.startswith("Cohort 2024-01-01, period 1: ours 2, theirs 3. By mode='on_")
    assert beside.table["ours"].tolist() == [3, 2]
    assert beside.customers.iloc[0].tolist() == ["cyd", first, 1, 0, 1, "by mode='on_or_after'"]


@pytest.mark.parametrize(
    ("options", "theirs", "rule"),
    [
        ({}, {2: 0}, "mode='every'"),
        ({}, {0: 1}, "period_zero='returns'"),
        ({"cohort": "recurring"}, {0: 5}, "cohort='first_ever'"),
        ({"return_event": "buy"}, {1: 2}, "any event as return"),
        ({"start": "2024-01-02"}, {0: 5}, "no range"),
        ({"end": "2024-01-01"}, {1: 0}, "no event seen after the range"),
        ({}, {0: 2, 1: 2, 2: 1}, "semantics='amplitude'"),
        ({"semantics": "mixpanel"}, {0: 5, 1: 2, 2: 1}, "semantics='posthog'"),
        ({"period": "week", "periods": 1}, {1: 1}, "week_start='sunday'"),
    ],
)
def test_one_rule_of_retention_at_a_time_is_tried(toy_log, options, theirs, rule):
    # 2024-01-06 is a Saturday.
    log = toy_log("fay: visit@5D visit@6D" if "period" in options else VISITS)
    beside = cj.reconcile(cj.retention(log, **{"period": "day", "periods": 2} | options), theirs)
    gaps = dict(zip(beside.explanations["rule"], beside.explanations["gap"], strict=True))
    assert gaps[rule] == 0, beside.explanations
    assert beside.explanations["gap"].is_monotonic_increasing


def test_customers_who_came_back_are_compared_at_all_or_by_period(days):
    beside = cj.reconcile(days, ["ana", "bob", "zoe"])
    assert beside.headline.startswith("3 customers by ours, 3 by theirs, 2 in both.")
    assert beside.customers["customer_id"].tolist() == ["cyd", "zoe"]
    assert beside.customers["why"].iloc[1] == "not in the log"
    beside = cj.reconcile(days, pd.DataFrame({"customer_id": ["bob", "cyd"], "period": [1, 2]}))
    assert beside.table["count"].tolist() == [2, 1, 0]
    assert "By clock='elapsed' ours gives theirs exactly" in beside.headline
    assert beside.customers[["customer_id", "period"]].to_numpy().tolist() == [["ana", 1]]


@pytest.mark.parametrize("case", conformance.cases("retention"), ids=lambda case: case["id"])
def test_the_worked_cases_of_tools_leave_no_gap(case):
    log = conformance.log_of(case)
    ours = cj.retention(log, **conformance.retention_options(case))
    theirs = ours.table.groupby(["cohort", "period"])["retained"].sum().reset_index(name="theirs")
    if len(theirs):
        beside = cj.reconcile(ours, theirs)
        assert beside.headline.startswith("Ours and theirs agree in ")


@pytest.mark.parametrize(
    ("theirs", "fault"),
    [
        ({1: 2.5}, "whole number"),
        ({7: 1}, "a period must be a whole number from 0 to 2"),
        ({}, "a period must be"),
        (pd.DataFrame({"period": [1, 1], "users": [1, 2]}), "one count for each period"),
        (pd.DataFrame({"period": [1], "x": [1]}), "a column of counts"),
        (pd.DataFrame({"period": [1], "users": [1], "cohort": ["soon"]}), "first day of its day"),
        (pd.DataFrame({"x": [1]}), "a column period with counts, or customer_id"),
        ("bob", "a list of customers"),
    ],
)
def test_what_is_no_retention_of_theirs_is_an_error(days, theirs, fault):
    with pytest.raises(cj.CjlibError, match=fault):
        cj.reconcile(days, theirs)

"""Ours beside another tool's number: the rule and the customers that explain the gap."""

from __future__ import annotations

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


def test_only_a_funnel_is_reconciled(toy_log):
    with pytest.raises(cj.CjlibError, match=r"ours: must be what cj\.funnel"):
        cj.reconcile(cj.retention(toy_log(TEXT)), {"a": 1})

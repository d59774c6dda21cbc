"""What cannot be used is refused in three parts: what was given, what is allowed, what to do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.analyses.churn.model.summary import Facts, _silent

SCORES = pd.DataFrame(
    {
        "customer_id": ["ana", "bob", "cem"],
        "churn_probability": [0.1, 0.5, 0.9],
        "worth": [1.0, np.nan, 300.0],
    }
)
TOLD = SCORES.assign(cutoff=pd.Timestamp("2024-03-01", tz="UTC"))
COSTS = {"offer_cost": 10, "contact_cost": 1, "success_share": 0.3}
READY = pd.DataFrame({"days": [3, 4, 5], "gone": ["True.", "False.", "True."]})


def table() -> cj.ChurnData:
    return cj.churn_table(
        pd.DataFrame({"x": range(40), "y": [0.5, 1.5] * 20, "gone": [0, 1] * 20}), target="gone"
    )


def shop() -> cj.EventLog:
    return cj.read_events(
        toy_events(
            " | ".join(f"c{one:02d}: buy@{one}D buy@{2 * one + 30}D" for one in range(30))
        ).assign(value=2.5)
    )


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (
            lambda: cj.fit_churn(table(), seed="a"),
            r"seed: must be a whole number, 0 or more\. Got 'a'\.",
        ),
        (
            lambda: cj.fit_churn(table(), seed=-1),
            r"seed: must be a whole number, 0 or more\. Got -1\.",
        ),
        (
            lambda: cj.fit_churn(table(), keep=3),
            r"keep: must be a list of columns, such as \[3\]\. Got 3\.",
        ),
        (
            lambda: cj.target_list(SCORES, **COSTS, value=SCORES),
            r"value: must be a number, a column of the scores, or what.*Got 'DataFrame'\.",
        ),
        (
            lambda: cj.target_list(SCORES.assign(worth="much"), **COSTS, value="worth"),
            r"value: column 'worth' must hold numbers; 3 of 3 rows do not\. Fix them",
        ),
        (
            lambda: cj.target_list(SCORES.assign(worth=np.inf), **COSTS, value="worth"),
            r"value: column 'worth' must hold numbers; 3 of 3 rows do not\. Fix them",
        ),
        (
            lambda: cj.value_at_risk(None, SCORES),
            r"scores: must be what model\.score\(\) gave, or a table with customer_id and churn_probability\. Got 'NoneType'\.",
        ),
        (
            lambda: cj.value_at_risk(SCORES, None),
            r"value: must be what cj\.customer_value gave, or a table with customer_id and expected_value\. Got 'NoneType'\.",
        ),
        (
            lambda: cj.load_churn_model(None),
            r"path: must be the name of a file that model\.save wrote\. Got None\.",
        ),
        (
            lambda: cj.save_forecast(None, "."),
            r"scores: must be what model\.score\(\) gave\. Got 'NoneType'\.",
        ),
        (
            lambda: cj.past_forecasts(None, table()),
            r"forecasts: must be the folder that save_forecast writes to, or tables.*Got 'NoneType'\.",
        ),
        (
            lambda: cj.past_forecasts([TOLD], None),
            r"data: has no cutoffs\. Give what cj\.churn_data makes",
        ),
        (
            lambda: cj.past_forecasts([TOLD.assign(cutoff="soon")], table()),
            r"forecasts: cutoff must hold times and churn_probability numbers .*Give tables as",
        ),
        (
            lambda: cj.past_forecasts([TOLD.assign(churn_probability="x")], table()),
            r"forecasts: cutoff must hold times and churn_probability numbers",
        ),
        (
            lambda: cj.customer_value(SCORES, horizon="30D"),
            r"log: must be an event log, as cj\.read_events gives it\. Got 'DataFrame'\.",
        ),
        (
            lambda: cj.customer_value(shop(), horizon="0D"),
            r"horizon: must be longer than nothing, such as '90D'\.",
        ),
        (
            lambda: cj.customer_value(shop(), horizon="30D", rate=True),
            r"rate: must be interest per year.*Got True\.",
        ),
        (
            lambda: cj.customer_value(shop(), horizon="30D", seed="a"),
            r"seed: must be a whole number, 0 or more\. Got 'a'\.",
        ),
        (
            lambda: cj.customer_value(shop(), horizon="30D", as_of="2099-01-01"),
            r"as_of: must not lie after the end of data \(2024-\d\d-\d\d\).*Got '2099-01-01'\.",
        ),
        (
            lambda: cj.churn_data(SCORES, horizon="60D"),
            r"log: must be an event log, as cj\.read_events gives it\. Got 'DataFrame'\.",
        ),
        (
            lambda: cj.compare_splits(None),
            r"data: must be what cj\.churn_data gives\. Got 'NoneType'\.",
        ),
        (
            lambda: cj.survival(SCORES, inactive="60D"),
            r"log: must be an event log, as cj\.read_events gives it\. Got 'DataFrame'\.",
        ),
        (
            lambda: cj.survival_table(
                READY.assign(days=pd.Timedelta("3D")), duration="days", event="gone"
            ),
            r"duration: column 'days' must hold numbers\. Got 'timedelta64.*Divide",
        ),
        (
            lambda: cj.survival_table(
                pd.concat([READY, READY], axis=1), duration="days", event="gone"
            ),
            r"duration: several columns are called 'days'\. Leave all but one out\.",
        ),
    ],
)
def test_what_cannot_be_used_says_what_was_given_what_is_allowed_and_what_to_do(ask, said):
    with pytest.raises(cj.CjlibError, match=said):
        ask()


@pytest.mark.parametrize("price", ["ten", True, float("nan"), -1])
def test_a_price_is_a_number(price):
    curve = cj.survival_table(READY, duration="days", event="gone")
    with pytest.raises(cj.CjlibError, match=r"price: must be a number, 0 or more\. Got"):
        cj.subscription_value(curve, price=price)


def test_a_free_subscription_is_worth_nothing():
    assert (
        cj.subscription_value(
            cj.survival_table(READY, duration="days", event="gone"), price=0
        ).metrics["value"]["value"]
        == 0
    )


def test_a_kept_model_needs_a_folder_that_is_there(tmp_path):
    model = cj.fit_churn(table())
    with pytest.raises(
        cj.CjlibError,
        match=r"path: .* cannot be written \(No such file or directory\)\. Give the name of a file",
    ):
        model.save(tmp_path / "nowhere" / "model.json")
    with pytest.raises(cj.CjlibError, match=r"cannot be written \(Is a directory\)"):
        model.save(tmp_path)
    assert list(tmp_path.parent.glob(".*.[0-9]*")) == []


def test_customers_whose_value_is_not_known_are_left_out_and_counted():
    found = cj.value_at_risk(SCORES, SCORES.rename(columns={"worth": "expected_value"}))
    assert found.table["customer_id"].tolist() == ["cem", "ana"]
    assert found.definition["left out"].startswith("1 customers with a forecast but no value")


@pytest.mark.parametrize(("gained", "silent"), [(8.0, True), (10.0, False)])
def test_what_choosing_among_candidates_gains_is_no_signal(gained, silent):
    rows = pd.DataFrame(
        {
            "model": ["chosen", "prevalence"],
            "population": "all",
            "n": 7000,
            "log_loss": [0.58 - gained / 7000, 0.58],
        }
    )
    facts = Facts(table(), (), rows, *[None] * 5)
    assert _silent(facts) == silent

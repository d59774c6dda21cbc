"""The explorer of a target list: live in Lab, counted beforehand in a report."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.views.notebook.explore import SHARES, TargetExplorer


@pytest.fixture(scope="module")
def explorer() -> TargetExplorer:
    rng = np.random.default_rng(0)
    months = rng.integers(0, 40, 300).astype(float)
    calls = rng.poisson(2, 300).astype(float)
    lost = rng.random(300) < 1 / (1 + np.exp(0.15 * months - 1.5 * calls + 1))
    table = pd.DataFrame(
        {
            "account": [f"<b>{place}" for place in range(300)],
            "months": months,
            "calls": calls,
            "lost": lost,
        }
    )
    model = cj.fit_churn(cj.churn_table(table, target="lost", id="account"))
    return cj.explore_targets(
        model.score(table), offer_cost=10, contact_cost=1, success_share=0.25, value=200
    )


def test_a_report_offers_other_success_shares_with_all_numbers_below(explorer):
    figure = explorer.figure()
    (menu,) = figure.layout.updatemenus
    assert len(menu.buttons) == len({*SHARES, 0.25})
    assert menu.buttons[menu.active].label == "success share 25%"
    assert {row[0] for row in figure.layout.meta["rows"]} == {
        button.label for button in menu.buttons
    }


def test_a_measured_success_share_is_the_one_to_begin_with(explorer):
    from cjlib.analyses.experiment.holdout import Holdout
    from cjlib.analyses.result import metric

    share = {"success_share": metric(0.35, 0.1, 0.5, 1_000)}
    empty = pd.DataFrame()
    measured = Holdout(table=empty, headline="", definition={}, metrics=share, comparison=empty)
    begun = cj.explore_targets(
        explorer._scores, offer_cost=10, contact_cost=1, success_share=measured, value=200
    )
    (menu,) = begun.figure().layout.updatemenus
    assert menu.buttons[menu.active].label == "success share 35%"
    assert begun.widget().children[0].children[3].value == 0.35
    assert "as measured on an earlier list (95% CI 10.0–50.0%)" in begun.shown({})[0]


def test_a_choice_shows_its_headline_its_first_customers_as_text_and_its_curve(explorer):
    words, outputs = explorer.shown({"success_share": 0.5, "budget": 40.0})
    assert "Contact the 40 customers listed (and leave 40 more alone, to compare with)" in words
    assert "&lt;b&gt;" in words
    assert "<b>" not in words
    assert len(outputs) == 1


def test_a_choice_that_cannot_be_used_says_why(explorer):
    words, outputs = explorer.shown({"offer_cost": -1.0})
    assert words.startswith('<p role="alert">offer_cost: must be a number')
    assert outputs == ()


def test_the_live_widget_has_the_four_choices(explorer):
    assert [control.description for control in explorer.widget().children[0].children] == [
        "Budget",
        "Offer",
        "Contact",
        "Success",
    ]


def test_the_button_writes_the_list_of_the_choice_and_says_where(explorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    live = explorer.widget()
    (budget, *_), (path, button) = live.children[0].children, live.children[3].children
    budget.value = 40.0
    path.value = "a<b>.csv"
    button.click()
    assert (
        live.children[4].value
        == '<p role="status">80 customers written to a&lt;b&gt;.csv; do not contact the 40 marked as control.</p>'
    )
    with (tmp_path / "a<b>.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 80
    assert {"customer_id", "churn_probability", "value", "reason_1", "control", "note"} <= set(
        rows[0]
    )
    assert any("goes with a higher risk" in row["reason_1"] for row in rows)
    budget.value = 30.0
    assert live.children[4].value == "", "what was written is no longer what is shown"


def test_a_list_that_cannot_be_written_says_why(explorer, tmp_path):
    assert "non-existent directory" in explorer.write(str(tmp_path / "none" / "list.csv"), {})
    assert "success_share: must be a share" in explorer.write(
        str(tmp_path / "list.csv"), {"success_share": 2}
    )


def test_each_choice_of_the_report_shows_its_own_top(explorer):
    figure = explorer.figure()
    ranges = {
        button.label: button.args[1]["xaxis.range"][1]
        for button in figure.layout.updatemenus[0].buttons
    }
    assert ranges["success share 50%"] >= ranges["success share 25%"]

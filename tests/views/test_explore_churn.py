"""The explorer of a target list: live in Lab, counted beforehand in a report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.views.explore_churn import SHARES, TargetExplorer


@pytest.fixture(scope="module")
def explorer() -> TargetExplorer:
    rng = np.random.default_rng(0)
    months = rng.integers(0, 40, 300).astype(float)
    lost = rng.random(300) < 1 / (1 + np.exp(0.1 * months - 1))
    table = pd.DataFrame({"account": [f"<b>{one}" for one in range(300)], "months": months, "lost": lost})
    model = cj.fit_churn(cj.churn_table(table, target="lost", id="account"))
    return cj.explore_targets(model.score(table), offer_cost=10, contact_cost=1, success_share=0.25)


def test_a_report_offers_other_success_shares_with_all_numbers_below(explorer):
    figure = explorer.figure()
    (menu,) = figure.layout.updatemenus
    assert len(menu.buttons) == len({*SHARES, 0.25})
    assert menu.buttons[menu.active].label == "success share 25%"
    assert {row[0] for row in figure.layout.meta["rows"]} == {button.label for button in menu.buttons}


def test_a_choice_shows_its_headline_its_first_customers_as_text_and_its_curve(explorer):
    words, outputs = explorer.shown({"success_share": 0.5, "budget": 20.0})
    assert "Contacting 20 of 300 customers" in words
    assert "&lt;b&gt;" in words
    assert "<b>" not in words
    assert len(outputs) == 1


def test_a_choice_that_cannot_be_used_says_why(explorer):
    words, outputs = explorer.shown({"offer_cost": -1.0})
    assert words.startswith('<p role="alert">offer_cost: must be a number')
    assert outputs == ()


def test_the_live_widget_has_the_four_choices(explorer):
    assert [control.description for control in explorer.widget().children[0].children] == ["Budget", "Offer", "Contact", "Success"]

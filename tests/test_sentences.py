"""What a headline calls the most, the first or the most common is that in the table beneath it; and statements that numbers do not carry are not made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.samples import write


@pytest.fixture(scope="module", params=[True, False], ids=["effects", "none"])
def business(request: pytest.FixtureRequest, tmp_path_factory: Any) -> cj.Journey:
    folder: Path = tmp_path_factory.mktemp("sample")
    write(folder, customers=900, seed=3, effects=request.param)
    return cj.read_journey(folder / "journey.yml")


@pytest.fixture(scope="module")
def log(business: cj.Journey) -> cj.EventLog:
    return business.read_events()


@pytest.fixture(scope="module")
def feedback(business: cj.Journey) -> cj.Feedback:
    return business.read_feedback()


def named(pattern: str, headline: str) -> tuple[str, ...]:
    found = re.search(pattern, headline)
    assert found is not None, headline
    return found.groups()


def test_most_are_lost_where_the_table_loses_most(business, log):
    funnel = cj.funnel(log, **business.funnel())
    before, after, lost, of = named(
        r"most are lost between “(.+?)” and “(.+?)” \(([\d,]+) of ([\d,]+)\)", funnel.headline
    )
    customers = funnel.table["customers"].to_numpy()
    losses = customers[:-1] - customers[1:]
    place = int(np.argmax(losses))
    assert funnel.table["event"].tolist()[place : place + 2] == [before, after]
    assert [lost, of] == [f"{losses[place]:,}", f"{customers[place]:,}"]


def test_the_most_common_move_and_way_are_the_largest_of_their_tables(business, log):
    moves = cj.transitions(log, session_gap="30min")
    source, target, times = named(r"from (\S+) to (\S+): ([\d,]+) times", moves.headline)
    between = moves.table[
        ~moves.table["source"].str.startswith("(") & ~moves.table["target"].str.startswith("(")
    ]
    top = between.loc[between["count"].idxmax()]
    assert [source, target, times] == [top["source"], top["target"], f"{top['count']:,}"]
    paths = cj.paths(log, **business.path_options())
    most = paths.sequences.loc[paths.sequences["paths"].idxmax()]
    share = f"{100 * most['paths'] / paths.metrics['paths']['n']:.1f}%"
    assert paths.headline.startswith(
        f"The most common path by its first 8 steps is {most['path']}: {share} ("
    )


def test_most_credit_goes_to_the_first_of_the_table(business, log):
    credit = cj.attribution(log, **business.attribution_options(), model="linear", lookback="30D")
    found = re.match(r"(\S+) gets the most credit", credit.headline)
    assert (
        found is None
        or found[1] == credit.table.loc[credit.table["conversions"].idxmax(), "channel"]
    )


def test_scores_are_told_from_the_lowest_group_to_the_highest(feedback):
    scores = cj.nps(feedback, by="stage")
    groups = scores.table[~scores.table["small_n"]]
    found = re.search(r"from \S+ \((.+?), n = .* to \S+ \((.+?), n", scores.headline)
    if found is not None:
        in_order = groups.sort_values("value")["segment"]
        assert list(found.groups()) == [in_order.iloc[0], in_order.iloc[-1]]


def test_most_written_about_is_the_commonest_theme(feedback):
    themes = cj.themes(feedback, quotes=False)
    written = themes.table[themes.table["theme"] != "uncovered"]
    (name,) = named(r"Most written about is “(.+?)”", themes.headline)
    assert name == written.loc[written["n"].idxmax(), "theme"]


def test_the_biggest_pain_stage_is_the_first_of_its_table(business, log, feedback):
    told = cj.journey_map(business, log, feedback)
    found = re.search(r"(\w+) is (?:the|among the) biggest pain stage", told.headline)
    stages = told.pain_points[told.pain_points["level"] == "stage"]
    if found is not None:
        assert found[1] == stages[stages["significant"]].iloc[0]["stage"]


# ---- statements that the numbers do not carry -----------------------------------------------------------------------


def test_page_views_are_not_called_purchases():
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(300), 1 + rng.poisson(4, 300))
    views = pd.DataFrame(
        {
            "customer_id": who.astype(str),
            "event": "page_view",
            "value": 1.0,
            "timestamp": pd.Timestamp("2025-01-01", tz="UTC")
            + pd.to_timedelta(rng.uniform(0, 300, who.size), unit="D"),
        }
    )
    told = cj.customer_value(cj.read_events(views), horizon="60D", event="page_view", draws=39)
    assert "purchase" not in told.headline
    assert "page_view" in told.headline


def test_a_table_of_customers_forecasts_nobody(tmp_path):
    rng = np.random.default_rng(0)
    calls = rng.poisson(2, 800)
    left = rng.random(800) < 0.1 + 0.15 * (calls > 3)
    table = pd.DataFrame(
        {
            "customer_id": [f"c{n}" for n in range(800)],
            "calls": calls,
            "left": np.where(left, "yes", "no"),
        }
    )
    data = cj.churn_table(table, target="left", id="customer_id")
    scores = cj.fit_churn(data).score_today(data)
    assert "expected to churn" not in scores.headline
    assert not any(name.startswith("expected") for name in scores.metrics)


def test_the_steps_of_a_funnel_in_groups_are_drawn(business, log):
    groups = cj.funnel(log, **business.funnel() | {"by": "channel"})
    assert cj.plot(groups, "steps").data

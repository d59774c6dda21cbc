"""The explorer of an experiment: live in Lab, counted beforehand in a report, and both the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.views.notebook.explore_experiment import TOGETHER

START = pd.Timestamp("2025-03-01", tz="UTC")


def events():
    rng = np.random.default_rng(0)
    ids = np.array([f"c{k}" for k in range(1_200)])
    at = START + pd.to_timedelta(rng.uniform(0, 30, 1_200), unit="D")
    arm = rng.choice(["old", "<b>new"], 1_200)
    seen = pd.DataFrame(
        {
            "customer_id": ids,
            "event": "seen",
            "timestamp": at,
            "variant": arm,
            "device": rng.choice(["app", "<i>web"], 1_200),
        }
    )
    buys = rng.random(1_200) < 0.3
    bought = seen[buys].assign(
        event="buy",
        timestamp=at[buys] + pd.Timedelta("1D"),
        value=rng.lognormal(2, 1, int(buys.sum())),
        variant=None,
    )
    return pd.concat([seen, bought], ignore_index=True)


def read(frame, until):
    log = cj.read_events(frame, observed_until=until)
    measures = [
        cj.Measure("conversion", "buy"),
        cj.Measure("revenue", "buy", kind="sum", value="value", role="exploratory"),
    ]
    return cj.experiment(
        log, exposure="seen", control="old", measures=measures, window="7D", by="device"
    )


@pytest.fixture(scope="module")
def result():
    return read(events(), START + pd.Timedelta("40D"))


@pytest.fixture(scope="module")
def explorer(result):
    return cj.explore_experiment(result)


def test_the_report_offers_measures_segments_and_earlier_looks(explorer):
    figure = explorer.figure()
    (menu,) = figure.layout.updatemenus
    labels = [button.label for button in menu.buttons]
    assert labels[:4] == ["conversion", "revenue", "conversion by device", "revenue by device"]
    assert len(labels) == 7
    assert all(label.startswith("conversion, seen on 2025-") for label in labels[4:])
    assert {row[0] for row in figure.layout.meta["rows"]} == set(labels)


def test_live_and_static_show_the_same(explorer):
    static = explorer.figure()
    for place, choice in enumerate(explorer.choices()):
        _, (output,) = explorer.shown(*choice)
        live = output["data"]["application/vnd.plotly.v1+json"]["data"][0]
        twin = static.to_plotly_json()["data"][place]
        for axis in ("x", "y"):
            assert list(live[axis]) == list(twin[axis])
        for side in ("array", "arrayminus"):
            assert list(live["error_x"][side]) == list(twin["error_x"][side])


def test_the_last_look_together_is_the_result_and_groups_are_its_segments(result, explorer):
    (row,) = explorer.rows("conversion")
    assert row["always_low"] == result.table["always_low"][0]
    groups = explorer.rows("conversion", "device")
    assert [one["difference"] for one in groups] == result.segments["difference"].tolist()


def test_an_earlier_look_is_what_the_log_of_that_day_gives(result):
    look = result.choices[1][12]
    at = result.at("revenue", look=12)
    frame = events()
    then = read(frame[frame["timestamp"] <= look], look)
    row = then.table[then.table["measure"] == "revenue"].iloc[0]
    assert at["customers"].tolist() == [row["customers"]]
    assert at["difference"].tolist() == [pytest.approx(row["difference"], rel=1e-9)]


def test_the_widget_has_the_three_choices_and_shows_names_as_the_text_they_are(explorer):
    controls = explorer.widget().children[0].children
    assert [control.description for control in controls] == ["Measure", "Segment", "Look"]
    words, (output,) = explorer.shown("conversion", "device", None)
    assert words == '<p class="cj-headline">conversion by device</p>'
    labels = output["data"]["application/vnd.plotly.v1+json"]["data"][0]["y"]
    assert list(labels) == ["app", "&lt;i&gt;web"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"measure": "revenu"}, "measure: .*'revenu'"),
        ({"measure": "revenue", "look": 99}, "look: must be from 0 to 29"),
        ({"measure": "revenue", "column": "devise"}, "column: .*'devise'"),
        ({"measure": "revenue", "column": "device", "group": "tv"}, "group: .*'tv'"),
    ],
)
def test_what_was_not_counted_is_refused(result, options, told):
    with pytest.raises(cj.CjlibError, match=told):
        result.at(**options)


def test_an_unanswered_experiment_shows_its_reason():
    log = cj.read_events(events())
    none = cj.experiment(log, control=None, measures=[], window="7D")
    assert cj.explore_experiment(none) is none
    with pytest.raises(cj.CjlibError, match="result: must be what cj"):
        cj.explore_experiment(log)


def test_together_is_no_column(explorer):
    assert explorer.name("conversion", TOGETHER) == "conversion"


def test_an_effect_that_may_be_anything_is_said_in_words_and_not_drawn(result):
    wide = {"relative_always_low": -1.005, "relative_always_high": 1.007}
    unsure = replace(result, table=result.table.assign(**wide))
    marks = cj.plot(unsure).layout.meta["table"]["marks"]
    assert {(mark["value"], mark["low"]) for mark in marks} == {(None, None)}
    assert all(mark["said"].endswith("; −100% to +101%: too wide to tell") for mark in marks)


def test_differences_of_shares_are_drawn_and_said_in_points(result):
    drawn = cj.plot(result, "segments").layout.meta["table"]
    assert (drawn["scale"]["percent"], drawn["scale"]["signed"]) == (True, True)
    assert all(" points (n = " in mark["said"] for mark in drawn["marks"])

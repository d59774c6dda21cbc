"""Figures of retention, survival and lifecycle: what they claim, what they mark, and that their numbers are all there."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib import CjlibError
from cjlib.views.plots import theme, views_of
from cjlib.views.plots.retention_cohorts import shade
from cjlib.views.plots.survival import at_risk

MONDAY = pd.Timestamp("2024-01-01", tz="UTC")


def weeks(returning: dict[str, list[list[int]]], until: str = "2024-01-28") -> cj.EventLog:
    """Group → for each weekly cohort its size and how many of them come back in week 1, 2, …"""
    rows = []
    for group, every in returning.items():
        for cohort, (size, *back) in enumerate(every):
            for number in range(size):
                who = f"{group}-{cohort}-{number}"
                rows.append((who, "visit", MONDAY + pd.Timedelta(weeks=cohort), group, 10.0))
                rows += [
                    (who, "visit", MONDAY + pd.Timedelta(weeks=cohort + k + 1), group, 5.0)
                    for k, count in enumerate(back)
                    if number < count
                ]
    frame = pd.DataFrame(
        rows, columns=["customer_id", "event", "timestamp", "plan", "value"]
    ).astype({"plan": "str"})
    return cj.read_events(frame, timezone="UTC", observed_until=until, quarantine_limit=1)


@pytest.fixture(scope="module")
def plain() -> cj.Retention:
    """Four weekly cohorts; the last week has not ended."""
    return cj.retention(
        weeks({"pro": [[100, 60, 50], [80, 40, 20], [20, 10], [50]]}, until="2024-01-27"),
        periods=3,
        value="value",
    )


@pytest.fixture(scope="module")
def grouped() -> cj.Retention:
    log = weeks(
        {
            "<b>pro</b>": [[100, 80], [100, 80]],
            "basic": [[100, 30], [100, 30]],
            "trial": [[10, 5], [10, 5]],
        }
    )
    return cj.retention(log, by="plan", periods=1)


def texts(figure) -> dict[tuple[int, int], str]:
    words = next(trace for trace in figure.data if trace.type == "scatter" and trace.mode == "text")
    return {(int(x), int(y)): text for x, y, text in zip(words.x, words.y, words.text, strict=True)}


def test_each_cell_says_its_share_marked_if_not_over_or_too_few(plain):
    figure = cj.plot(plain)
    cells = texts(figure)
    # The oldest cohort stands on top (y = 4), the average of complete cells at the bottom (y = 0).
    assert [cells[k, 4] for k in range(4)] == ["100", "60", "50", "0+"]
    assert [cells[k, 3] for k in range(3)] == ["80", "50", "25+"]
    assert [cells[k, 2] for k in range(2)] == ["20", "(50)"]
    assert cells[0, 1] == "50"
    assert [cells[k, 0] for k in range(3)] == ["<b>200</b>", "<b>56</b>", "<b>50</b>"]
    assert (0, 5) not in cells
    assert (4, 4) not in cells


def test_cells_that_are_not_over_are_hatched_and_cells_with_too_few_are_grey(plain):
    bars = {trace.name: trace for trace in cj.plot(plain).data if trace.type == "bar"}
    assert sorted(
        zip(bars["not over"].y, [round(x + 0.47) for x in bars["not over"].base], strict=True)
    ) == [(2, 1), (3, 2), (4, 3)]
    assert bars["not over"].marker.pattern.shape == "/"
    assert list(bars["too few"].y) == [2]
    assert cj.plot(plain).layout.barmode == "overlay"


def test_the_grid_holds_every_number_and_claims_the_headline(plain):
    meta = cj.plot(plain).layout.meta
    assert meta["caption"] == plain.headline
    assert meta["rows"][1] == ["2024-01-01", 100, 1, 60, "60.0%", "50.2–69.1%", "yes"]
    assert meta["rows"][3][-1] == "no: can only rise"
    assert len(meta["rows"]) == len(plain.table)
    assert "week 1: 55.6% of 180" in meta["alt"]


def test_many_cohorts_are_cut_to_the_latest_and_the_rest_is_counted(plain):
    meta = cj.plot(plain, "cohorts", most=2).layout.meta
    assert meta["caption"].endswith("2 earlier cohorts are in the table only.")
    assert len(meta["rows"]) == len(plain.table)


def test_text_in_a_cell_can_be_read_on_its_colour():
    for share in np.linspace(0, 1, 41):
        colour = shade(float(share))
        assert theme.contrast(theme.on(colour), colour) >= 4.5, share
    assert shade(0.0) == theme.SEQUENTIAL[0][1]
    assert shade(1.0) == theme.SEQUENTIAL[-1][1]


def test_a_result_with_groups_is_drawn_one_group_at_a_time(grouped):
    assert (
        cj.plot(grouped, "cohorts")
        .layout.meta["caption"]
        .startswith("<b>pro</b>: one of the groups of plan. ")
    )
    assert texts(cj.plot(grouped, "cohorts", group="trial"))[1, 2] == "(50)"
    with pytest.raises(
        CjlibError,
        match=r"group: must be one of '<b>pro</b>', 'basic', 'trial'\. Got 'tril'\. Did you mean 'trial'\?",
    ):
        cj.plot(grouped, "cohorts", group="tril")


def test_the_average_claims_the_share_of_one_population(plain):
    figure = cj.plot(plain, "average")
    assert figure.layout.meta["caption"] == (
        "Of the 100 followed through week 2, 60.0% (50.2–69.1%) came back in week 1, 50.0% (40.4–59.6%) in week 2."
    )
    pooled, fixed = (trace for trace in figure.data if trace.hovertext is not None)
    assert list(pooled.y) == pytest.approx([1, 100 / 180, 0.5])
    assert list(fixed.y) == pytest.approx([1, 0.6, 0.5])
    assert fixed.line.dash == "dash"
    assert figure.layout.meta["rows"][1][-1] == "60.0%"


def test_groups_are_judged_in_words_and_hostile_names_stay_names(grouped):
    figure = cj.plot(grouped, "segments")
    rows = {row["name"]: row for row in figure.layout.meta["table"]["marks"]}
    first, few = rows["<b>pro</b>"], rows["trial"]
    assert (first["n"], first["said"], first["strong"]) == (200, "80.0%, above the others", True)
    assert (few["n"], few["said"], few["faint"]) == (20, "50.0%, too few to read", True)
    assert "&lt;b&gt;pro&lt;/b&gt;" in figure._repr_mimebundle_()["text/html"]
    caption = figure.layout.meta["caption"]
    assert caption.startswith(
        "<b>pro</b> stands out in week 1: 80.0% of its 200 came back, +48.2 points against the others"
    )
    assert caption.endswith("; no other group differs significantly.")
    assert figure.layout.meta["rows"][-1][-1] == "too few to read"
    assert cj.plot(grouped, "average").layout.meta["caption"] == caption
    assert len(cj.plot(grouped, "average", most=1).layout.meta["rows"]) == len(grouped.average)


def test_without_groups_there_is_nothing_to_set_beside_each_other(plain):
    assert (
        cj.plot(plain, "segments")
        .layout.meta["caption"]
        .startswith("There are no groups to compare")
    )


def test_cohorts_that_differ_and_the_cut_are_marked():
    result = cj.retention(
        # Of the log's first week nobody knows who was there before: it is not compared.
        weeks({"pro": [[100, 69], [100, 70], [100, 68], [100, 30], [100, 32]]}, until="2024-02-11"),
        periods=1,
    )
    figure = cj.plot(result, "differences")
    calm, clear = figure.data
    assert list(clear.x) == [0, 1, 2, 3]
    assert clear.marker.symbol == "circle"
    assert list(calm.x) == []
    assert [shape.x0 for shape in figure.layout.shapes] == [-0.5, 1.5]
    assert figure.layout.annotations[0].text == "<b>change from<br>2024-01-22</b>"
    assert figure.layout.meta["caption"] == (
        "Returns change with the cohort of 2024-01-22: 138.0% of the average before, 62.0% from then on (n = 200 and 200). "
        "4 of 4 cohorts by themselves differ significantly from the average."
    )
    assert [row[-1] for row in figure.layout.meta["rows"]] == ["more than average"] * 2 + [
        "less than average"
    ] * 2


def test_a_change_is_drawn_as_two_curves_and_chance_is_not():
    changed = cj.retention(
        weeks({"pro": [[100, 69], [100, 70], [100, 68], [100, 30], [100, 32]]}, until="2024-02-11"),
        periods=1,
    )
    figure = cj.plot(changed, "change")
    names = [trace.name for trace in figure.data if trace.hovertext is not None]
    assert names == ["cohorts before 2024-01-22", "from 2024-01-22 on"]
    assert figure.layout.meta["caption"] == (
        "69.0% (62.3–75.0%) of 200 who started before 2024-01-22 came back in week 1, 31.0% (25.0–37.7%) of 200 who started later."
    )
    same = cj.retention(weeks({"pro": [[100, 52], [100, 50], [100, 48]]}), periods=1)
    assert cj.plot(same, "change").layout.meta["caption"] == (
        "Before and after no cohort do returns differ significantly."
    )


def test_cohorts_that_chance_explains_are_not_marked():
    result = cj.retention(
        weeks({"pro": [[100, 52], [100, 50], [100, 48]]}, until="2024-01-28"), periods=1
    )
    figure = cj.plot(result, "differences")
    assert list(figure.data[1].x) == []
    assert len(figure.layout.shapes) == 1
    assert figure.layout.meta["caption"] == (
        "Before and after no cohort do returns differ significantly. None of 2 cohorts by itself differs significantly from the average."
    )


def test_value_is_drawn_net_and_gross(plain):
    figure = cj.plot(plain, "value")
    lines = [trace for trace in figure.data if trace.hovertext is not None]
    assert list(lines[0].y) == pytest.approx([1, 5 * 100 / 1800, 5 * 50 / 1000])
    assert "are worth 25.0%" in figure.layout.meta["caption"]
    without = cj.plot(cj.retention(weeks({"pro": [[3, 1]]})), "value")
    assert without.layout.meta["caption"].startswith("There is no money to follow")


def test_a_calendar_month_0_is_said_to_be_what_is_left_of_the_month():
    """Who buys on every tenth day and starts in the middle of a month was "worth 200% of what they spent in month 0"."""
    days = pd.date_range("2025-01-20", "2025-03-31", freq="10D", tz="UTC")
    log = cj.read_events(
        pd.DataFrame({"customer_id": "ana", "event": "buy", "timestamp": days, "value": 10.0})
    )
    told = {
        clock: cj.plot(cj.retention(log, period="month", value="value", clock=clock), "value")
        for clock in ("calendar", "elapsed")
    }
    assert "1 customer is worth 200.0%" in told["calendar"].layout.meta["caption"]
    assert (
        "of what they spent in month 0 (what is left of the calendar month when they start); gross"
        in told["calendar"].layout.meta["caption"]
    )
    assert "of what they spent in month 0; gross" in told["elapsed"].layout.meta["caption"]


@pytest.mark.parametrize("view", ["cohorts", "average", "change", "segments", "differences"])
def test_nothing_to_draw_is_said(view):
    empty = cj.retention(weeks({"pro": [[1]]}), start_event="nothing")
    meta = cj.plot(empty, view).layout.meta
    assert meta["caption"]
    assert meta["rows"] == []


# ---- survival -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lives() -> cj.Survival:
    table = pd.DataFrame(
        {"t": [10] * 40 + [20] * 40 + [30] * 20, "gone": [1] * 20 + [0] * 20 + [1] * 20 + [0] * 40}
    )
    return cj.survival_table(table, duration="t", event="gone")


def test_a_staircase_carries_its_band_and_who_is_still_observed(lives):
    figure = cj.plot(lives)
    upper, lower, line = figure.data
    assert list(line.y) == pytest.approx([1, 0.8, 0.8 * 2 / 3, 0.8 * 2 / 3])
    assert line.line.shape == "hv"
    assert (upper.y[0], lower.y[0]) == (1, 1)
    assert all(
        low <= share <= high for low, share, high in zip(lower.y, line.y, upper.y, strict=True)
    )
    counts = {note.x: note.text for note in figure.layout.annotations[1:]}
    assert counts == {0: "100", 10: "100", 20: "60", 30: "20"}
    assert at_risk(lives.table.to_dict("records"), "day", 11) == 60
    assert figure.layout.meta["caption"] == lives.headline
    assert figure.layout.meta["rows"][1] == [10, 100, 20, 20, "80.0%", "70.7–86.6%"]


def test_groups_of_lives_are_compared_by_their_mean():
    table = pd.DataFrame(
        {
            "t": [5] * 50 + [50] * 50,
            "gone": [1] * 45 + [0] * 5 + [1] * 5 + [0] * 45,
            "plan": ["<i>a"] * 50 + ["b"] * 50,
        }
    )
    result = cj.survival_table(table, duration="t", event="gone", by="plan", unit="week")
    figure = cj.plot(result, "means")
    assert figure.layout.meta["caption"].startswith(
        "Over the first 5 weeks, customers stay 5.0 weeks (4.8–5.0) on average in "
    )
    assert figure.layout.meta["caption"].endswith(
        "2 of 2 groups differ significantly from the others."
    )
    assert [row[-1] for row in figure.layout.meta["rows"]] == ["differs from the others"] * 2
    assert [row[3] for row in figure.layout.meta["rows"]] == ["5", "not reached"]
    assert "&lt;i&gt;a" in json.dumps(cj.plot(result).to_plotly_json(), default=str)
    assert "<i>" not in json.dumps([trace.name for trace in cj.plot(result).data])


def test_a_long_staircase_keeps_its_ends_and_its_drops_where_they_are():
    table = pd.DataFrame({"t": np.arange(1, 1001), "gone": [1] * 1000})
    line = cj.plot(cj.survival_table(table, duration="t", event="gone")).data[-1]
    assert (line.x[0], line.x[-1]) == (0, 1000)
    assert len(line.x) <= 160
    assert list(line.y) == pytest.approx([1 - x / 1000 for x in line.x])


def test_nobody_to_follow_is_said(lives):
    empty = cj.survival(weeks({"pro": [[1]]}), churn_event="gone", start_event="nothing")
    assert cj.plot(empty).layout.meta["caption"] == "No customer to follow: nothing to count."
    assert cj.plot(lives, "means").layout.meta["caption"] == "There are no groups to compare."


# ---- lifecycle ----------------------------------------------------------------------------------------------------------------


def test_dormant_is_drawn_below_zero_and_an_open_period_pale():
    log = weeks({"pro": [[50, 20, 0, 10], [40]]}, until="2024-01-24")
    result = cj.lifecycle(log, period="week")
    figure = cj.plot(result)
    by_name = {trace.name: trace for trace in figure.data}
    table = result.table
    assert list(by_name["lapsed"].y) == [-count for count in table["dormant"]]
    assert list(by_name["new"].y) == table["new"].tolist()
    assert list(by_name["new"].marker.opacity) == [1, 1, 1, 0.45]
    assert figure.layout.barmode == "relative"
    assert "-" not in "".join(figure.layout.yaxis.ticktext)
    assert len({trace.marker.pattern.shape for trace in figure.data}) == 4
    assert figure.layout.meta["caption"] == result.headline
    assert figure.layout.meta["rows"][-1][-1] == "no"


def test_an_empty_lifecycle_is_said():
    assert (
        cj.plot(cj.lifecycle(weeks({"pro": [[1]]}), event="nothing")).layout.meta["caption"]
        == "No customer is active: nothing to count."
    )


# ---- all of them ----------------------------------------------------------------------------------------------------------------


def test_every_view_explains_itself_and_has_no_title(plain, grouped, lives):
    for result in (plain, grouped, lives, cj.lifecycle(weeks({"pro": [[3, 1]]}))):
        for view in views_of(result):
            if view == "value" and "value" not in result.average:
                continue
            figure = cj.plot(result, view)
            meta = figure.layout.meta
            assert meta["caption"], view
            assert meta["alt"], view
            assert figure.layout.title.text is None
            assert all(len(row) == len(meta["columns"]) for row in meta["rows"])
            json.dumps(meta)

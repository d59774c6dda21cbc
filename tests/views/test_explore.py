"""The explorer: what a report shows of it, and what its widgets do."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.log.event_log import segment_columns

START = pd.Timestamp("2025-01-06", tz="UTC")


@pytest.fixture(scope="module")
def log() -> cj.EventLog:
    rows = []
    for customer in range(90):
        channel = ("web", "mail", "shop")[customer % 3]
        rows.append((customer, "visit", START, channel, f"note {customer}"))
        if customer % 2:
            rows.append(
                (customer, "signup", START + pd.Timedelta(hours=30 * (customer % 4)), channel, None)
            )
        if customer % 4 == 1:
            rows.append((customer, "buy", START + pd.Timedelta(days=5), channel, None))
    events = pd.DataFrame(rows, columns=["customer_id", "event", "timestamp", "channel", "remark"])
    return cj.read_events(events, timezone="UTC", observed_until="2025-03-01")


@pytest.fixture
def explorer(log) -> object:
    return cj.explore(log, ["visit", ["signup", "register"], "buy"], window="3D")


def test_a_report_gets_a_figure_with_a_list_of_windows_and_segments(explorer):
    figure = explorer.figure()
    (menu,) = figure.layout.updatemenus
    assert [button.label for button in menu.buttons] == [
        "within 6 hours",
        "within 1 day",
        "within 3 days",
        "within 7 days",
        "by channel",
    ]
    assert menu.buttons[menu.active].label == "within 3 days"
    assert figure.layout.meta["caption"].startswith("Of 90 customers, so many reach “buy”: ")


def test_each_choice_shows_its_own_traces_and_labels_and_no_others(explorer):
    figure = explorer.figure()
    (menu,) = figure.layout.updatemenus
    seen = [tuple(button.args[0]["visible"]) for button in menu.buttons]
    assert all(len(one) == len(figure.data) for one in seen)
    assert [sum(one) for one in zip(*seen, strict=True)] == [1] * len(figure.data)
    assert tuple(trace.visible for trace in figure.data) == seen[menu.active]
    assert all(
        button.args[1]["height"] > 0 and button.args[1]["annotations"] for button in menu.buttons
    )


def test_the_table_holds_every_choice_not_only_the_one_shown(explorer):
    meta = explorer.figure().layout.meta
    choices = {row[0] for row in meta["rows"]}
    assert {"within 3 days", "within 7 days", "by channel"} <= choices
    reached = {row[0]: row[4] for row in meta["rows"] if row[1] is None and row[2] == 3}
    # All who sign up within 3 days buy on day 5: outside 3 days, inside 7.
    assert (reached["within 3 days"], reached["within 7 days"]) == (0, 23)
    assert {row[1] for row in meta["rows"] if row[0] == "by channel"} == {"web", "mail", "shop"}


def test_in_report_mode_only_the_figure_is_left_in_the_notebook(explorer, monkeypatch):
    monkeypatch.setenv("CJLIB_MODE", "report")
    assert sorted(explorer._repr_mimebundle_()) == ["application/vnd.plotly.v1+json", "text/plain"]


def test_in_lab_the_widget_is_offered_beside_the_figure(explorer, monkeypatch):
    monkeypatch.delenv("CJLIB_MODE", raising=False)
    assert {"application/vnd.jupyter.widget-view+json", "application/vnd.plotly.v1+json"} <= set(
        explorer._repr_mimebundle_()
    )


def parts(widget):
    _, steps, row, headline, output = widget.children
    window, by = row.children
    return steps, window, by, headline, output


def drawn(output) -> dict:
    return output.outputs[0]["data"]["application/vnd.plotly.v1+json"]


def test_choosing_a_window_counts_and_draws_anew(explorer):
    _, window, _, headline, output = parts(explorer.widget())
    before, said = drawn(output), headline.value
    window.value = "7 days"
    assert drawn(output)["data"] != before["data"]
    assert "23 of 90 customers" in headline.value
    assert headline.value != said


def test_choosing_a_segment_draws_the_groups(explorer):
    _, _, by, _, output = parts(explorer.widget())
    assert by.options == ("(all together)", "channel")
    by.value = "channel"
    table = output.outputs[0]["data"]["application/vnd.cjlib.rows+json"]
    assert table["columns"][0] == "channel"
    assert {row["name"] for row in table["table"]["marks"]} == {"web", "mail", "shop"}


def test_steps_can_be_added_and_taken_away_and_no_steps_are_no_traceback(explorer):
    steps, _, _, headline, output = parts(explorer.widget())
    steps.value = ["visit", "buy"]
    assert [row[1] for row in drawn(output)["layout"]["meta"]["rows"]] == ["visit", "buy"]
    steps.value = []
    assert headline.value.startswith('<p role="alert">steps: ')
    assert output.outputs == ()


def test_a_choice_that_cannot_be_counted_is_shown_escaped(log):
    bad = cj.explore(log, ["visit", "buy"], window="3D", order="<b>any")
    assert "&lt;b&gt;any" in bad.shown(["visit", "buy"], "3 days", None)[0]
    assert "<b>" not in bad.shown(["visit", "buy"], "3 days", None)[0]


def test_a_funnel_without_limit_stays_without_and_offers_windows_as_long_as_converting_takes(log):
    figure = cj.explore(log, ["visit", "signup"], window=None).figure()
    (menu,) = figure.layout.updatemenus
    # Half of those who sign up do so at 30 hours, the others at 90: the median is 60 hours.
    assert [button.label for button in menu.buttons] == [
        "within 3 days",
        "within 7 days",
        "within 14 days",
        "without a limit",
        "by channel",
    ]
    assert menu.buttons[menu.active].label == "without a limit"


def test_what_is_no_log_is_refused_with_the_way_to_draw_a_result(log):
    with pytest.raises(
        cj.CjlibError,
        match=r"log: must be an event log, as cj\.read_events gives it\. Got 'Funnel'\. To draw a result call cj\.plot\(result\)\.",
    ):
        cj.explore(cj.funnel(log, ["visit"], window="3D"), ["visit"], window="3D")


def test_widgets_are_not_imported_for_a_report():
    code = "import cjlib as cj, sys; cj.explore, cj.summary; print([m for m in ('ipywidgets', 'plotly', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_same_choices_give_the_same_bytes(log, explorer):
    again = cj.explore(log, ["visit", ["signup", "register"], "buy"], window="3D")
    assert json.dumps(again.figure()._repr_mimebundle_()) == json.dumps(
        explorer.figure()._repr_mimebundle_()
    )


# ---- which columns make groups --------------------------------------------------------------------------------------


def test_columns_with_a_usual_name_come_first_and_those_with_many_values_or_one_do_not(log):
    assert segment_columns(log) == ["channel"]


def test_the_column_is_the_first_one_wanted_else_one_with_a_usual_name(log):
    assert cj.segment_column(log) == "channel"
    assert cj.segment_column(log, "", None, "remark") == "remark"
    assert cj.segment_column(log, ["channel", "remark"]) == ["channel", "remark"]
    assert cj.segment_column(log, "none", "channel") is None
    with pytest.raises(
        cj.CjlibError, match=r"by: there is no column 'chanel'\. Did you mean 'channel'\?"
    ):
        cj.segment_column(log, "chanel")


def test_a_log_without_such_a_column_has_no_groups(toy_log):
    log = cj.read_events(
        pd.DataFrame({"customer_id": ["a", "b"], "event": ["x", "y"], "timestamp": [START, START]}),
        timezone="UTC",
    )
    assert cj.segment_column(log, "") is None

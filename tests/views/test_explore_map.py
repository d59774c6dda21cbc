"""The map to play with, without a browser: each control changes what it says it changes; and the pictures, tables and figures beside it."""

from __future__ import annotations

import dataclasses
import re

import pandas as pd
import pytest

import cjlib as cj
from cjlib.views.notebook.explore_map import PERSONA, Choice

START = pd.Timestamp("2025-01-01", tz="UTC")
HOSTILE = "<img src=x onerror=alert(1)>"
FILE = """
name: Shop
timezone: UTC
sources: {events: {path: events.csv}}
stages:
  - {name: Look, touchpoints: [visit], goal: Find it}
  - {name: Buy, touchpoints: [cart, pay]}
  - {name: Stay, touchpoints: [login]}
map: {silent_after: 10D}
"""


def log_of(groups: tuple[str, str] = ("ads", "shop")) -> cj.EventLog:
    """Of 40 by ads 10 go on to buy and stay; of 40 by shop 30; the last event of one is in June, so that the others have ended."""
    rows = []
    for k in range(80):
        by, far = groups[k % 2], (k // 2) < (10 if k % 2 == 0 else 30)
        walk = ["visit"] * 5 + (["cart", "pay", "login", "login"] if far else [])
        rows += [
            (f"c{k}", event, START + pd.Timedelta(days=k % 5, hours=at), by)
            for at, event in enumerate(walk)
        ]
    rows.append(("c0", "login", START + pd.Timedelta(days=150), groups[0]))
    return cj.read_events(
        pd.DataFrame(rows, columns=["customer_id", "event", "timestamp", "channel"])
    )


@pytest.fixture(scope="module")
def journey(tmp_path_factory):
    file = tmp_path_factory.mktemp("journey") / "journey.yml"
    file.write_text(FILE, encoding="utf-8")
    return cj.read_journey(file)


@pytest.fixture(scope="module")
def log():
    return log_of()


@pytest.fixture(scope="module")
def personas(log):
    """Two personas made by hand: who has bought, and who has not."""
    made = cj.personas(log_of(), k=2)
    bought = {f"c{k}" for k in range(80) if (k // 2) < (10 if k % 2 == 0 else 30)}
    members = pd.DataFrame({"customer_id": [f"c{k}" for k in range(80)]})
    members["persona"] = ["P1" if one in bought else "P2" for one in members["customer_id"]]
    return dataclasses.replace(
        made,
        members=members,
        table=made.table.assign(persona=["P1", "P2"], name=["Buyers", HOSTILE]),
    )


@pytest.fixture(scope="module")
def explorer(journey, log, personas):
    return cj.explore_map(journey, log, journey_map=cj.journey_map(journey, log), personas=personas)


def controls(explorer):
    top, view, stage, inside, change, future = explorer.widget().children
    start, end, by, group = top.children
    return start, end, by, group, view, stage, inside, change, future


def customers(html: str) -> str:
    """How many entered the first stage, as the picture says."""
    return re.search(
        r'scope="row">Customers</th><td[^>]*><div><span class="cj-big">([\d,]+)',
        html,
    )[1]


def test_a_period_counts_only_what_happened_in_it_and_a_wrong_day_says_why(explorer):
    (
        start,
        *_,
    ) = controls(explorer)
    assert customers(explorer.shown(Choice())[0]) == "80"
    assert customers(explorer.shown(Choice(start="2025-01-03"))[0]) == "48"
    assert explorer.shown(Choice(start="soon"))[0].startswith('<p role="alert">start: ')
    assert explorer.inside(Choice(start="soon"), "Look").startswith('<p role="alert">start: ')
    assert start.continuous_update is False


def test_a_segment_offers_its_groups_and_a_group_shows_itself_everywhere(explorer):
    _, _, by, group, view, stage, inside, _, future = controls(explorer)
    assert by.options == ("(all together)", PERSONA, "channel")
    before = future.value
    by.value = "channel"
    assert group.options == ("ads", "shop")
    group.value = "shop"
    assert customers(view.value) == "40"
    stage.value = "Buy"
    assert "<td>30</td>" in inside.value
    assert future.value != before


def test_a_persona_is_a_group_and_its_name_is_escaped(explorer):
    _, _, by, group, view, *_ = controls(explorer)
    by.value = PERSONA
    assert group.options == ("P1: Buyers", f"P2: {HOSTILE}")
    group.value = f"P2: {HOSTILE}"
    assert customers(view.value) == "40"
    assert HOSTILE not in view.value
    assert "&lt;img src=x" in view.value


def test_a_stage_shows_its_touchpoints_routes_and_quotes_and_the_slider_its_points(explorer):
    *_, stage, inside, change, future = controls(explorer)
    assert "visit" in inside.value
    stage.value = "Buy"
    assert {"cart", "pay", "Stay"} <= set(re.findall(r"\w+", inside.value))
    five = future.value
    change.value = 10
    assert "10.0 points more went on from Look to Buy" in future.value
    assert future.value != five


def test_a_what_if_of_a_group_that_nobody_of_came_so_far_says_so(explorer):
    said = explorer.future(Choice(by=PERSONA, group=f"P2: {HOSTILE}"), "Buy", 0.05)
    assert "nan" not in said
    assert (
        "If 5.0 points more went on from Look to Buy: unknown, since nobody came in order as far as the stage before Stay."
        in said
    )


def test_going_back_to_all_together_shows_the_first_picture_again(explorer):
    _, _, by, _, view, *_ = controls(explorer)
    first = view.value
    by.value = "channel"
    assert view.value != first
    by.value = "(all together)"
    assert view.value == first


def test_a_group_called_all_is_a_group(journey):
    explorer = cj.explore_map(journey, log_of(("all", "shop")))
    assert explorer.map_within(Choice(by="channel", group="all")).table["customers"].tolist() == [
        40,
        10,
        10,
    ]
    assert explorer.map_within(Choice()).table["customers"].tolist() == [80, 40, 40]


# ---- groups and personas side by side ----------------------------------------------------------------------------------


def test_the_figure_of_groups_names_the_stage_at_which_they_lie_furthest_apart(journey, log):
    figure = cj.plot(cj.journey_map(journey, log, by="channel"), "groups")
    assert figure.layout.meta["caption"] == (
        "The groups lie furthest apart at Look: the journeys of 25.0% of shop (n = 40) and of 75.0% of ads (n = 40) end there, of those followed equally long after they entered it."
    )
    assert [trace.name for trace in figure.data] == ["ads", "shop"]
    assert figure.layout.meta["rows"][0][:4] == ["Look", "ads", 40, 30]


def test_a_map_without_groups_has_no_figure_of_groups(journey, log):
    assert len(cj.plot(cj.journey_map(journey, log), "groups").data) == 0


def test_the_map_of_a_persona_of_five_says_that_five_are_too_few(journey, log, personas):
    some = personas.members[
        (personas.members["persona"] == "P1")
        | (personas.members["customer_id"].isin(["c78", "c76", "c74", "c72", "c70"]))
    ]
    html = cj.persona_maps(
        cj.journey_map(journey, log), dataclasses.replace(personas, members=some)
    ).html
    assert html.count(" (n = 5: too few to read)</summary>") == 1


def test_each_persona_has_its_own_map_folded_and_escaped(journey, log, personas):
    maps = cj.persona_maps(cj.journey_map(journey, log), personas)
    assert [held.table["customers"].tolist() for held in maps.maps.values()] == [
        [40, 40, 40],
        [40, 0, 0],
    ]
    assert maps.html.count("<details><summary>The map of") == 2
    assert HOSTILE not in maps.html
    assert "personas end is not compared" in cj.plot(maps).layout.meta["caption"]


def test_too_few_customers_for_personas_is_said_and_no_fault(journey):
    few = cj.read_events(
        pd.DataFrame({"customer_id": ["a"], "event": ["visit"], "timestamp": [START]})
    )
    for personas in (cj.personas(few, journey=journey), cj.personas(None, journey=journey)):
        assert not personas.answered
        maps = cj.persona_maps(cj.journey_map(journey, few), personas)
        assert maps.text == personas.headline
        assert len(cj.plot(maps).data) == 0
    assert (
        "Personas cannot be told apart: only 0 customers have 5 events or more"
        in cj.personas(few, journey=journey).headline
    )


# ---- the picture and tables --------------------------------------------------------------------------------------------


def test_each_cell_of_the_picture_says_its_n_and_a_thin_one_says_so(journey, log):
    html = cj.render_map(cj.journey_map(journey, log)).html
    assert '<span class="cj-n">n 80</span>' in html
    few = cj.render_map(cj.journey_map(journey, log.where(end="2025-01-01"))).html
    assert "n 16 · thin, too few to read" in few


def test_a_share_of_nobody_of_few_is_grey_like_any_share_of_few(journey):
    few = pd.DataFrame(
        {"customer_id": ["a", "b"], "event": ["visit", "visit"], "timestamp": [START, START]}
    )
    html = cj.render_map(cj.journey_map(journey, cj.read_events(few))).html
    lane = html[html.index("Arrived from previous stage") :]
    assert 'cj-thin"><div><span class="cj-big">0.0%</span></div>' in lane
    assert "n 2 · thin, too few to read" in lane


def test_many_stages_stand_one_by_one_where_there_is_no_room_for_columns(tmp_path, log):
    names = "".join(f"  - {{name: S{k}, touchpoints: [e{k}]}}\n" for k in range(6))
    file = tmp_path / "journey.yml"
    file.write_text(FILE.replace("  - {name: Stay", names + "  - {name: Stay"), encoding="utf-8")
    assert (
        'class="cj-map cj-map-many"'
        in cj.render_map(cj.journey_map(cj.read_journey(file), log)).html
    )


def test_a_table_has_words_for_heads_no_index_and_a_sentence_when_empty():
    frame = pd.DataFrame({"share_first": [0.5, float("nan")], "touchpoint": [HOSTILE, None]})
    shown = cj.table(frame, ["touchpoint", "share_first"])
    assert re.findall(r"<th [^>]*>([^<]*)", shown.html) == ["touchpoint", "share first"]
    assert "50.0%" in shown.html
    assert HOSTILE not in shown.html
    assert (
        cj.table(frame.head(0), empty="None <b>yet</b>.").html
        == "<p>None &lt;b&gt;yet&lt;/b&gt;.</p>"
    )
    with pytest.raises(cj.CjlibError, match=r"columns: .*'touchpont'.*Did you mean 'touchpoint'\?"):
        cj.table(frame, ["touchpont"])
    with pytest.raises(
        cj.CjlibError,
        match=r"rows: must be a pandas DataFrame, such as result\.table, or a result\. Got 'list'\.",
    ):
        cj.table([1])


def test_the_table_of_a_result_brings_its_definition_and_one_without_rows_its_headline(
    personas, journey
):
    shown = cj.table(personas, ["persona", "name"])
    assert "How this was counted" in shown.html
    assert "typical path" not in shown.html
    assert (
        cj.table(cj.personas(None, journey=journey), ["persona"]).text
        == "Without events there are no habits to tell personas by."
    )


def test_maps_that_are_made_already_are_shown_as_they_are(journey):
    log = log_of(("all", "shop"))
    whole, groups = cj.journey_map(journey, log), cj.journey_map(journey, log, by="channel")
    explorer = cj.explore_map(journey, log, by="channel", journey_map=whole, groups=groups)
    assert explorer.map() is whole
    assert explorer.map(Choice(by="channel")) is groups


def test_what_sets_personas_apart_is_a_table_with_bars_to_both_sides(personas):
    table = cj.plot(personas).layout.meta["table"]
    assert table["kind"] == "bar"
    groups = dict.fromkeys(mark["group"].partition(":")[0] for mark in table["marks"])
    assert list(groups) == personas.table["persona"].tolist()
    assert {mark["value"] > 0 for mark in table["marks"]} == {True, False}
    assert all(", others " in mark["said"] for mark in table["marks"])


def test_every_number_of_a_map_stands_once(journey, log):
    html = cj.render_map(cj.journey_map(journey, log)).html
    assert html.count('<table class="cj-map-table">') == 1
    assert "<dl>" not in html

"""Figures of paths, moves and credit: what they claim and hold, on a phone, and with hostile names."""

from __future__ import annotations

import dataclasses
import json

import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.views.plots import views_of

HOSTILE = "<img src=x onerror=alert(1)>"
EVENTS = " | ".join(
    [f"a{n}: view@0min(ads) cart@2min(mail) view@3min(mail) buy@5min" for n in range(40)]
    + [f"b{n}: view@0min(ads) help@1min(ads)" for n in range(50)]
    + [f"c{n}: view@0min(mail)" for n in range(10)]
)


@pytest.fixture(scope="module")
def log():
    return cj.read_events(toy_events(EVENTS))


@pytest.fixture(scope="module")
def results(log):
    paths = cj.paths(log)
    credit = cj.attribution(log, conversion="buy", replicates=50, costs={"ads": 90})
    return {
        "paths": paths,
        "loops": paths.loops(),
        "moves": cj.transitions(log),
        "groups": cj.transitions(log, by="channel"),
        "sessions": cj.sessions(log),
        "differences": cj.compare_paths(log, outcome="buy"),
        "credit": credit,
        "models": credit.compare(),
    }


def every_figure(results):
    ungrouped = {(name, "segments") for name in results if name != "groups"}
    every = {(name, view): result for name, result in results.items() for view in views_of(result)}
    return {key: cj.plot(result, key[1]) for key, result in every.items() if key not in ungrouped}


def test_every_figure_claims_something_has_words_and_holds_its_numbers(results):
    figures = every_figure(results)
    assert len(figures) == 14
    for key, figure in figures.items():
        meta = figure.layout.meta
        assert meta["caption"], key
        assert meta["alt"], key
        assert meta["rows"], key
        assert all(len(row) == len(meta["columns"]) for row in meta["rows"]), key
        assert figure.layout.title.text is None


def test_the_flow_claims_its_strongest_band_and_its_bands_are_the_links(results):
    figure = cj.plot(results["paths"])
    assert figure.layout.meta["caption"] == (
        "The strongest band leads from view to help after step 1: 50 of 100 paths there, 50.0% (95% CI 40.4–59.6%)."
    )
    sankey = figure.data[0]
    assert sum(sankey.link.value) == results["paths"].table.query("step < 4")["paths"].sum()
    assert all(0 < y < 1 for y in sankey.node.y)
    assert set(sankey.node.label) == {""}, (
        "names stand in annotations, where they cannot cover one another"
    )


def test_in_a_flow_the_rarer_events_of_a_step_stand_together(results):
    figure = cj.plot(results["paths"], most=1)
    assert sum(figure.data[0].link.value) == results["paths"].table.query("step < 4")["paths"].sum()
    assert "(other)" in json.dumps([note.text for note in figure.layout.annotations])


def marks_of(figure):
    return figure.layout.meta["table"]["marks"]


def test_journeys_are_bars_of_shares_with_whiskers(results):
    figure = cj.plot(results["paths"], "journeys")
    assert [row["value"] for row in marks_of(figure)] == [0.5, 0.4, 0.1]
    assert all(row["low"] < row["value"] < row["high"] for row in marks_of(figure))
    assert figure.layout.meta["rows"][0] == ["view → help", 50, "50.0%", "40.4–59.6%", 50]
    assert figure.layout.meta["caption"] == results["paths"].headline


def test_what_rests_on_few_is_grey_and_said_so(log):
    figure = cj.plot(cj.paths(log.where(channel=["mail", "ads"]), start_event="cart"), "links")
    assert figure.layout.meta["caption"].startswith(
        "At step 1, cart is followed by view in 100.0% of 40 paths"
    )
    few = cj.plot(cj.paths(cj.read_events(toy_events("ana: A@0min B@1min"))), "links")
    assert [row["faint"] for row in marks_of(few)] == [True]
    assert "too few to read" in marks_of(few)[0]["said"]
    assert (
        few.layout.meta["caption"]
        == "No event of this step is reached by 30 paths: too few to name the most common link."
    )


def test_the_grid_shows_shares_of_each_row_and_groups_show_the_largest(results):
    figure = cj.plot(results["moves"], "heatmap")
    assert max(max(row) for row in figure.data[0].z) <= 1
    assert (
        cj.plot(results["groups"], "heatmap")
        .layout.meta["caption"]
        .endswith("ads: the largest group.")
    )


def test_differences_are_two_marks_joined_by_a_line(results):
    figure = cj.plot(results["differences"])
    assert figure.layout.meta["table"]["names"] == ["converted", "lost"]
    assert figure.layout.meta["columns"][1] == "converted"
    assert all(
        row[0].count("→") == 1
        for row in cj.plot(results["differences"], kind="move").layout.meta["rows"]
    )


def test_a_side_of_nobody_is_said_and_not_drawn_as_half_a_pair():
    held = cj.compare_paths(
        cj.read_events(toy_events("ana: view@0h cart@1h | bob: view@0h")),
        outcome="cart",
        start_event="view",
    )
    nobody = dataclasses.replace(held, table=held.table.assign(share_of_converted=float("nan")))
    assert len(cj.plot(nobody).data) == 0


def test_credit_shows_costs_and_models_have_a_column_each(results):
    assert cj.plot(results["credit"]).layout.meta["columns"][-1] == "cost per conversion"
    figure = cj.plot(results["models"])
    table = figure.layout.meta["table"]
    assert [len(row["series"]) for row in table["marks"]] == [8, 8]
    assert len(table["names"]) == 8
    assert "credit, not cause" in table["scale"]["title"]
    html = figure._repr_mimebundle_()["text/html"]
    assert html.count("<td") == 16


def test_no_name_can_be_markup():
    frame = toy_events("ana: A@0min(web) B@1min A@2min C@3min | bob: A@0min(web) C@3min").replace(
        {"event": {"A": HOSTILE}, "channel": {"web": HOSTILE}}
    )
    log = cj.read_events(frame)
    paths, credit = cj.paths(log), cj.attribution(log, conversion="C", replicates=10)
    results = [
        paths,
        paths.loops(),
        cj.transitions(log, by="channel"),
        cj.sessions(log),
        cj.compare_paths(log, outcome="C"),
        credit,
        credit.compare(),
    ]
    for result in results:
        for view in views_of(result):
            drawn = cj.plot(result, view).to_plotly_json()
            drawn["layout"].pop("meta")
            assert "<img" not in json.dumps(drawn, default=str), view


def test_an_empty_result_says_so_instead_of_drawing(log):
    nothing = log.where(event="no such event")
    paths, credit = cj.paths(nothing), cj.attribution(nothing, conversion="buy", replicates=0)
    results = [
        paths,
        paths.loops(),
        cj.transitions(nothing),
        cj.sessions(nothing),
        cj.compare_paths(nothing, outcome="buy"),
        credit,
        credit.compare(),
    ]
    for result in results:
        for view in views_of(result):
            assert cj.plot(result, view).layout.meta["caption"], view


# ---- the notebook's questions -----------------------------------------------------------------------------------


@pytest.fixture
def journey(tmp_path):
    def make(text: str):
        file = tmp_path / "journey.yml"
        file.write_text(text, encoding="utf-8")
        return cj.read_journey(file)

    return make


BASE = "name: Shop\nsources: {events: {path: events.csv}}\nstages: [{name: Buy, touchpoints: [view, cart, buy]}]\n"
FUNNEL = "funnels: {purchase: {steps: [view, cart, buy], window: 1D}}\n"


def test_a_business_that_follows_cases_has_whole_histories_as_paths(journey):
    assert journey(BASE + FUNNEL).path_options()["session_gap"] == "30min"
    assert journey(BASE + FUNNEL.replace("1D", "none")).path_options()["session_gap"] is None
    assert journey(BASE).path_options(session_gap="none", start_event="view")["session_gap"] is None
    assert journey(BASE).path_options(session_gap="2h", start_event="view", end_event="") == {
        "session_gap": "2h",
        "start_event": "view",
    }


def test_the_way_through_is_from_the_funnels_first_step_to_its_last(journey, log):
    options = journey(BASE + FUNNEL).funnel_path_options()
    assert options == {"session_gap": None, "start_event": "view", "end_event": "buy"}
    funnel = cj.funnel(log, ["view", "buy"], window=None, entry="first")
    assert (
        cj.paths(log, **options).metrics["customers"]["value"]
        == funnel.table["customers"].iloc[-1]
        == 40
    )
    assert journey(BASE).funnel_path_options() == {"session_gap": None}


def test_steps_that_all_who_convert_must_pass_are_left_out(journey, log):
    business = journey(BASE + FUNNEL.replace("1D", "2min"))
    answer = cj.compare_paths(log, **business.conversion_path_options(window="none"))
    assert not answer.table["pattern"].str.contains("cart").any()
    assert answer.metrics["share_converted"]["value"] == 0.4


def test_questions_that_do_not_fit_are_answered_with_the_reason(journey, log):
    bare = journey(BASE)
    without = cj.read_events(toy_events("ana: view@0h").drop(columns="channel"))
    answers = {
        "No event says who is converted": cj.compare_paths(log, **bare.conversion_path_options()),
        "No event says who is churned": cj.compare_paths(log, **bare.churn_path_options()),
        "No event says what a conversion is": cj.attribution(log, **bare.attribution_options()),
        "The log has no column 'channel', so no channel can get credit.": cj.attribution(
            without, **journey(BASE + FUNNEL).attribution_options()
        ).compare(),
    }
    for reason, answer in answers.items():
        assert not answer.answered
        assert answer.headline.startswith(reason)
        assert cj.plot(answer).layout.meta["caption"] == answer.headline


def test_leaving_is_asked_of_those_who_got_through(journey, log):
    business = journey(BASE + FUNNEL + "churn: {event: help}\n")
    answer = cj.compare_paths(log, **business.churn_path_options())
    assert len(answer.customers()) == 40
    assert answer.groups == ("churned", "retained")


def test_what_customers_do_not_do_and_renewing_are_no_habits(journey):
    text = BASE + FUNNEL + "churn: {event: help}\nroles: {renew: renewed}\n"
    business = journey(
        text.replace("touchpoints: [view", "touchpoints: [{name: mail, backstage: true}, view")
    )
    assert business.churn_path_options()["leave_out"] == ["mail", "renewed"]
    assert business.conversion_path_options()["leave_out"] == ["cart", "mail"]


def test_steps_of_another_funnel_to_the_same_step_are_ways_to_it_and_no_habits(journey):
    funnels = "funnels:\n  short: {steps: [view, buy], window: 1D}\n  long: {steps: [view, cart, buy], window: 1D}\n  other: {steps: [view, help], window: 1D}\n"
    assert journey(BASE + funnels).conversion_path_options()["leave_out"] == ["cart"]


def test_credit_takes_the_funnels_last_step_unless_told_otherwise(journey, log):
    business = journey(BASE + FUNNEL)
    for conversion, count in (("", 40), ("help", 50)):
        options = business.attribution_options(conversion=conversion)
        credit = cj.attribution(log, **options, replicates=0)
        assert credit.metrics["conversions"]["value"] == count


def test_groups_are_shown_only_where_there_are_any(results):
    assert "no groups" in cj.plot(results["moves"], "segments").layout.meta["caption"]
    assert (
        cj.plot(results["groups"], "segments").layout.meta == cj.plot(results["groups"]).layout.meta
    )


def test_a_long_name_in_the_flow_is_short_on_a_phone_and_spelled_out_where_there_is_room():
    log = cj.read_events(
        toy_events("ana: a_very_long_event_name@0min another_long_event_name@1min")
    )
    notes = [note for note in cj.plot(cj.paths(log)).layout.annotations if note.name == "shortened"]
    assert [(note.text, note.hovertext) for note in notes] == [
        ("a_very_long…", "a_very_long_event_name"),
        ("another_lon…", "another_long_event_name"),
    ]


def test_a_rare_loop_has_an_axis_that_tells_its_ticks_apart_and_an_interval_with_a_width():
    from cjlib.show.numbers import interval
    from cjlib.views.plots import theme

    assert theme.percent_axis()["tickformat"] == ",.2~%"
    assert interval(0.00251, 0.00327) == "0.25–0.33%"
    assert interval(0.41, 0.444) == "41.0–44.4%"
    assert interval(0.0, 0.0) == "0.0–0.0%"

"""What `cj check` finds: a journey file held against its data."""

import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.sources.journey import journey_from_text
from cjlib.sources.journey.check import check_journey, doubtful_settings, unplaced_answers

JOURNEY = """\
name: Shop
timezone: UTC
sources:
  events: {path: events.parquet}
stages:
  - {name: Look, touchpoints: [view, serch]}
  - {name: Buy, touchpoints: [{name: pay, events: [{event: buy, where: {channel: web}}]}]}
funnels:
  purchase: {steps: [view, cart, bye], window: 14D, by: chanel, exclude: {event: refund}}
roles: {visit: view, features: [view, gone]}
churn: {event: {event: buy, where: {channel: Web}}}
value: {event: buy, amount: channel}
support: {opened: call, ticket_id: ticket}
"""
EVENTS = "ana: view@0h buy@1h(web) buy@2h(shop) | bob: view@0h cart@1h(web) | cid: other@5h"


def write(folder, text: str = JOURNEY, events: str = EVENTS):
    toy_events(events).to_parquet(folder / "events.parquet")
    (folder / "journey.yml").write_text(text, encoding="utf-8")
    return folder / "journey.yml"


def by_key(check) -> dict[str, str]:
    """The warnings, each under the key that it begins with."""
    return dict(warning.split(": ", 1) for warning in check.warnings)


@pytest.fixture
def check(tmp_path):
    return check_journey(write(tmp_path))


def test_every_event_name_stands_with_its_stage_and_touchpoint(check):
    shown = (
        check.events[["event", "events", "customers", "stage", "touchpoint"]]
        .astype(object)
        .fillna("-")
    )
    assert list(shown.itertuples(index=False, name=None)) == [
        ("buy", 2, 1, "Buy", "pay"),
        ("view", 2, 2, "Look", "view"),
        ("cart", 1, 1, "-", "-"),
        ("other", 1, 1, "-", "-"),
    ]


def test_what_no_touchpoint_claims_is_listed_also_where_it_is_only_a_part(check):
    assert list(zip(check.unmapped["event"], check.unmapped["unmapped_events"], strict=True)) == [
        ("buy", 1),
        ("cart", 1),
        ("other", 1),
    ]


def test_touchpoints_that_never_occur_are_silent_with_the_near_miss(tmp_path):
    silent = check_journey(write(tmp_path, events=EVENTS + " | dan: search@0h")).silent
    assert silent.to_dict("records") == [
        {"stage": "Look", "touchpoint": "serch", "event": "serch", "did_you_mean": "search"}
    ]


def test_names_elsewhere_that_never_occur_are_listed_with_their_key(check):
    assert list(check.unknown_events[["key", "event"]].itertuples(index=False, name=None)) == [
        ("funnels.purchase.steps[2]", "bye"),
        ("funnels.purchase.exclude[0]", "refund"),
        ("roles.features[1]", "gone"),
        ("support.opened", "call"),
    ]
    assert check.unknown_events["did_you_mean"].isna().tolist() == [False, True, True, True]
    assert check.unknown_events["did_you_mean"][0] == "buy"
    assert (
        by_key(check)["funnels.purchase.steps[2]"]
        == "there is no event 'bye' in the data. Did you mean 'buy'?"
    )
    assert by_key(check)["roles.features[1]"] == "there is no event 'gone' in the data."


def test_columns_that_are_nowhere_are_faults_of_the_file(check):
    assert check.unknown_columns.iloc[0].tolist() == ["funnels.purchase.by", "chanel", "channel"]
    assert check.unknown_columns.iloc[1].tolist()[:2] == ["support.ticket_id", "ticket"]
    assert check.exit_code == 3, "an amount that is no number is a fault of the data, the worst one"


def test_conditions_that_nothing_meets_and_amounts_that_are_no_numbers_are_warned_of(check):
    warned = by_key(check)
    assert (
        "no event matches 'buy where channel = Web'. Check the values in where"
        in warned["churn.event"]
    )
    assert "must name a column of numbers. Column 'channel' holds text" in warned["value.amount"]


def test_the_headline_counts_what_does_not_fit(check):
    assert (
        check.headline
        == "6 events of 3 customers read; event names: 2 not mapped, 1 mapped in part, 1 silent, 4 unknown elsewhere; 3 faults to fix."
    )


def test_a_file_that_fits_says_so(tmp_path):
    text = (
        JOURNEY.split("stages:", maxsplit=1)[0]
        + "stages: [{name: All, touchpoints: [view, buy, cart, other]}]\n"
    )
    check = check_journey(write(tmp_path, text))
    assert check.headline == "6 events of 3 customers read; every event name fits."
    assert check.exit_code == 0
    assert all(
        getattr(check, table).empty
        for table in ("unmapped", "silent", "unknown_events", "unknown_columns")
    )
    assert check.warnings == ()
    assert check.quality["check"].iloc[0] == "rows read"
    assert check.feedback is None


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("postgresql://bob:geheim@h/db", True),
        ("postgresql://bob:${PW}@h/db", False),
        ("${DATABASE}", False),
        ("postgresql://bob@h/db", False),
    ],
)
def test_a_password_in_the_file_is_warned_of(url, warned):
    journey = journey_from_text(
        f"name: S\ntimezone: UTC\nsources: {{events: {{url: '{url}', table: t}}}}\nstages: [{{name: A}}]\n"
    )
    found = dict(doubtful_settings(journey))
    assert ("sources.events.url" in found) == warned
    assert "geheim" not in str(found)


def test_a_missing_zone_is_warned_of(tmp_path):
    text = "name: S\nsources: {events: events.parquet}\nstages: [{name: A, touchpoints: [view]}]\n"
    assert (
        "days and weeks are counted in UTC"
        in by_key(check_journey(write(tmp_path, text)))["timezone"]
    )


def test_customers_of_whom_the_table_says_nothing_are_counted(tmp_path):
    text = "name: S\ntimezone: UTC\nsources: {events: events.parquet, customers: people.csv}\nstages: [{name: A, touchpoints: [view, buy, cart, other]}]\n"
    (tmp_path / "people.csv").write_text("customer_id,plan\nana,pro\nzoe,free\n", encoding="utf-8")
    warned = by_key(check_journey(write(tmp_path, text)))
    assert (
        warned["sources.customers"]
        == "for 2 of 3 customers of the log the customers table says nothing."
    )
    (tmp_path / "people.csv").write_text("customer_id,plan\nANA,pro\n", encoding="utf-8")
    warned = by_key(check_journey(tmp_path / "journey.yml"))
    assert warned["sources.customers"].endswith("Do both tables write the ids in the same way?")


FEEDBACK = """\
name: S
timezone: UTC
sources: {events: events.parquet, feedback: feedback.parquet}
stages: [{name: Look, touchpoints: [view, cart, other]}, {name: Buy, touchpoints: [{name: pay, events: [buy]}]}]
"""


def test_feedback_that_names_no_stage_no_touchpoint_or_no_customer_is_counted(tmp_path, toy_log):
    answers = pd.DataFrame(
        {
            "customer_id": ["ana", "bob", "zoe", None],
            "timestamp": pd.to_datetime(["2024-01-01 12:00"] * 4, utc=True),
            "nps": [9, 10, 0, 7],
            "stage": [" look ", "Bye", None, "Bye"],
            "touchpoint": ["Pay", "buy", "viev", None],
        }
    )
    found = dict(
        unplaced_answers(journey_from_text(FEEDBACK), toy_log(EVENTS), cj.read_feedback(answers))
    )
    assert found == {
        "sources.feedback.stage": "2 answers name a stage that the file does not: 'Bye'. Did you mean 'Buy'?",
        "sources.feedback.touchpoint": "1 answers name a touchpoint that the file does not: 'viev'. Did you mean 'view'?",
        "sources.feedback.customer_id": "1 of 3 answers with a customer_id are of customers who have no event.",
    }


def test_unreadable_feedback_is_a_fault_and_the_events_are_checked_all_the_same(tmp_path):
    check = check_journey(write(tmp_path, FEEDBACK))
    assert check.exit_code == 3
    assert check.feedback is None
    assert check.log.n_events == 6
    assert by_key(check)["sources.feedback.path"].startswith("there is no file 'feedback.parquet'")
    assert check.headline.endswith("1 fault to fix.")


def test_a_broken_file_and_missing_events_are_errors(tmp_path):
    with pytest.raises(cj.JourneyError, match="has 1 fault"):
        check_journey(write(tmp_path, JOURNEY + "funels: {}\n"))
    path = write(tmp_path)
    (tmp_path / "events.parquet").unlink()
    with pytest.raises(cj.DataError, match=r"sources\.events\.path: there is no file"):
        check_journey(path)

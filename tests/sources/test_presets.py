"""Presets: made-up rows in the shape that each tool documents become the right events, and what is left out is said."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from commandline import here

import cjlib as cj
from cjlib.errors import CjlibError, DataError
from cjlib.sources.journey.check import check_journey
from cjlib.sources.journey.scaffold import feedback_alone, first_journey
from cjlib.sources.presets.preset_file import preset_names, preset_of, presets


def written(tmp_path: Path, name: str, rows: str | list[dict[str, Any]]) -> Path:
    """A file of CSV text or of JSON lines."""
    text = rows if isinstance(rows, str) else "\n".join(json.dumps(row) for row in rows)
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def events(log: cj.EventLog, *columns: str) -> list[tuple[Any, ...]]:
    """Customer, event, time (UTC) and some columns of a log, in order of time."""
    more = "".join(f', "{column}"' for column in columns)
    return log.engine.rows(
        f"SELECT customer_id, event, strftime(timestamp, '%m-%d %H:%M'){more} FROM events ORDER BY timestamp, event"
    )


def said(log: cj.EventLog) -> dict[str, int]:
    """The quality table: check → rows."""
    return dict(zip(log.quality["check"], log.quality["rows"], strict=True))


SHOPIFY = """Name,Email,Financial Status,Paid at,Fulfilled at,Currency,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price,Cancelled at,Refunded Amount,Source
#1,a@x.org,paid,2025-03-01 09:00:00 +0000,2025-03-02 09:00:00 +0000,EUR,25.50,2025-03-01 09:00:00 +0000,2,Mug,5.00,,0.00,web
#1,a@x.org,,,,,,2025-03-01 09:00:00 +0000,1,Rug,15.50,,,
#2,b@x.org,refunded,2025-03-03 10:00:00 +0000,,EUR,10.00,2025-03-03 10:00:00 +0000,1,Lamp,10.00,2025-03-05 10:00:00 +0000,10.00,pos
#3,c@x.org,voided,,,EUR,99.00,2025-03-04 10:00:00 +0000,1,Sofa,99.00,,0.00,web
#4,a@x.org,partially_refunded,2025-03-06 10:00:00 +0000,,EUR,20.00,2025-03-06 10:00:00 +0000,4,Mug,5.00,,5.00,web
"""


def test_shopify_orders(tmp_path: Path) -> None:
    log = cj.read_events(written(tmp_path, "orders.csv", SHOPIFY), preset="shopify")
    assert events(log, "value", "products") == [
        ("a@x.org", "order placed", "03-01 09:00", 25.5, "Mug, Rug"),
        ("a@x.org", "order fulfilled", "03-02 09:00", None, None),
        ("b@x.org", "order placed", "03-03 10:00", 10.0, "Lamp"),
        ("b@x.org", "order cancelled", "03-05 10:00", None, None),
        ("b@x.org", "order refunded", "03-05 10:00", -10.0, None),
        ("a@x.org", "order placed", "03-06 10:00", 20.0, "Mug"),
    ]
    lines = said(log)
    assert lines["rows of the source"] == 5
    assert lines["further lines of an order"] == 1
    assert lines["not counted: Financial Status voided"] == 1
    assert lines["order refunded: no time"] == 1
    assert lines["rows read"] == lines["events used"] == 6


def test_an_order_without_a_total_is_the_sum_of_its_lines(tmp_path: Path) -> None:
    rows = SHOPIFY.replace(",Total,", ",Sum,").replace("2,Mug", "two,Mug")
    log = cj.read_events(written(tmp_path, "orders.csv", rows), preset="shopify")
    assert [value for *_, value in events(log, "value")][:1] == [15.5]
    assert said(log)["Lineitem quantity × Lineitem price: not a number"] == 1


def test_what_a_smaller_export_cannot_tell_is_said(tmp_path: Path) -> None:
    rows = SHOPIFY.replace("Cancelled at", "x").replace("Refunded Amount", "y")
    log = cj.read_events(written(tmp_path, "orders.csv", rows), preset="shopify")
    said_of = dict(zip(log.quality["check"], log.quality["example"], strict=True))
    assert said_of["order cancelled: not read"] == "no column 'Cancelled at'"
    assert said_of["order refunded: not read"] == "no column 'Refunded Amount'"


MIXPANEL = [
    {"event": "page_view", "properties": {"time": 1741058094, "distinct_id": "u2", "$insert_id": "i0", "utm_source": "email"}},
    {"event": "buy", "properties": {"time": 1741059010, "distinct_id": "u2", "$insert_id": "i1", "amount": 4.5}},
    {"event": "buy", "properties": {"time": 1741059010, "distinct_id": "u2", "$insert_id": "i1", "amount": 4.5}},
]  # fmt: skip


def test_mixpanel_raw_events(tmp_path: Path) -> None:
    log = cj.read_events(written(tmp_path, "events.jsonl", MIXPANEL), preset="mixpanel")
    assert events(log, "utm_source", "amount") == [
        ("u2", "page_view", "03-04 03:14", "email", None),
        ("u2", "buy", "03-04 03:30", None, 4.5),
    ]
    assert said(log)["repeated id"] == 1


HUBSPOT = '''Record ID,Deal Name,Deal Stage,Amount,Create Date,Close Date,Deal owner,"Date entered ""Contract Sent (Sales Pipeline)""",Associated Company
7,One,Closed Won,100,2025-03-01 09:00,2025-03-09 09:00,Ann,2025-03-05 09:00,Acme
8,Two,Closed Lost,50,2025-03-02 09:00,,Ann,,Beta
9,Three,Contract Sent,70,2025-03-03 09:00,2030-01-01 09:00,Bob,2025-03-04 09:00,Acme
'''


def test_hubspot_deals(tmp_path: Path) -> None:
    log = cj.read_events(written(tmp_path, "deals.csv", HUBSPOT), preset="hubspot_deals")
    assert events(log, "deal_id", "value") == [
        ("Acme", "deal created", "03-01 09:00", 7, None),
        ("Beta", "deal created", "03-02 09:00", 8, None),
        ("Acme", "deal created", "03-03 09:00", 9, None),
        ("Acme", "deal entered Contract Sent (Sales Pipeline)", "03-04 09:00", 9, None),
        ("Acme", "deal entered Contract Sent (Sales Pipeline)", "03-05 09:00", 7, None),
        ("Acme", "deal won", "03-09 09:00", 7, 100),
    ]
    assert said(log)["deal lost: no time"] == 1


def ga4_event(name: str, at: int, params: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An event as BigQuery writes it: whole numbers as texts."""
    kinds = {str: "string_value", int: "int_value", float: "double_value"}
    values = [
        {"key": key, "value": {kinds[type(value)]: str(value) if isinstance(value, int) else value}}
        for key, value in params.items()
    ]
    return {
        "event_date": "20250304",
        "event_timestamp": str(at),
        "event_name": name,
        "event_params": values,
        "user_id": None,
        "user_pseudo_id": "100.17",
        "device": {"category": "mobile"},
        "geo": {"country": "Germany"},
        "traffic_source": {"medium": "referral"},
        **more,
    }


GA4 = [
    ga4_event("page_view", 1741058094000001, {"ga_session_id": 17, "page_location": "https://x.org/", "medium": "organic"}, items=[]),
    ga4_event("purchase", 1741058154000001, {"ga_session_id": 17, "value": 30.0}, ecommerce={"purchase_revenue": 25.5, "transaction_id": "T1"},
              items=[{"item_name": "Mug", "price": 5.0, "quantity": "2"}, {"item_name": "Rug", "price": 15.5, "quantity": "1"}]),
    ga4_event("purchase", 1741058214000001, {"ga_session_id": 17}, items=[{"item_name": "Mug", "price": 5.0, "quantity": "2"}]),
    ga4_event("refund", 1741058274000001, {"ga_session_id": 17}, ecommerce={"refund_value": 10.0}, items=[], user_id="u1"),
]  # fmt: skip
GA4_READ = [
    ("100.17", "page_view", "03-04 03:14", None, "organic", None, "mobile", "https://x.org/"),
    ("100.17", "purchase", "03-04 03:15", 25.5, None, "Mug, Rug", "mobile", None),
    ("100.17", "purchase", "03-04 03:16", 10.0, None, "Mug", "mobile", None),
    ("100.17", "refund", "03-04 03:17", -10.0, None, None, "mobile", None),
]


@pytest.mark.parametrize("parquet", [False, True])
def test_ga4_events(tmp_path: Path, parquet: bool) -> None:
    path = written(tmp_path, "events.jsonl", GA4)
    if parquet:
        whole = duckdb.sql(
            f"SELECT * REPLACE (event_timestamp::BIGINT AS event_timestamp) FROM read_json('{path}')"
        )
        path = tmp_path / "events.parquet"
        whole.write_parquet(str(path))
    log = cj.read_events(path, preset="ga4")
    assert events(log, "value", "channel", "items", "device", "page") == GA4_READ
    assert log.engine.rows("SELECT DISTINCT session_id, first_channel FROM events") == [
        (17, "referral")
    ]


def test_init_joins_a_persons_browsers_by_the_ids_of_those_who_signed_in(tmp_path: Path) -> None:
    more = [
        ga4_event("page_view", 1741058094000001, {}, user_pseudo_id="200.1"),
        ga4_event("purchase", 1741058194000001, {"value": 7.5}, user_pseudo_id="200.1", user_id="u1"),
        ga4_event("page_view", 1741058394000001, {}, user_pseudo_id="300.1"),
    ]  # fmt: skip
    path = written(tmp_path, "events.jsonl", [*GA4, *more])
    text = first_journey(path, folder=tmp_path)
    assert "      user_id: customer_id\n" in text
    assert "identities:\n  anonymous: [user_pseudo_id]" in text
    journey = written(tmp_path, "journey.yml", text)
    log = cj.read_journey(journey).read_events()
    rows = log.engine.rows("SELECT customer_id, count(*) FROM events GROUP BY 1 ORDER BY 1")
    assert rows == [("300.1", 1), ("u1", 6)]


AMPLITUDE = [
    {"$insert_id": "i0", "amplitude_id": 9, "user_id": None, "device_id": "d2", "event_type": "page_view", "event_time": "2025-03-04 03:14:54.000000",
     "server_upload_time": "2025-03-04 03:15:00.000000", "event_properties": {"page": "home"}, "user_properties": {}},
    {"$insert_id": "i1", "amplitude_id": 9, "user_id": "u2", "device_id": "d2", "event_type": "sign_up", "event_time": "2025-03-04 03:30:10.000000",
     "server_upload_time": "2025-03-04 03:31:00.000000", "event_properties": {}, "user_properties": {"plan": "pro"}},
]  # fmt: skip


def test_amplitude_raw_events(tmp_path: Path) -> None:
    path = written(tmp_path, "events.jsonl", AMPLITUDE)
    log = cj.read_events(path, preset="amplitude", timezone="Europe/Berlin")
    assert events(log, "user_id", "page", "plan") == [
        (9, "page_view", "03-04 03:14", None, "home", None),
        (9, "sign_up", "03-04 03:30", "u2", None, "pro"),
    ]


ZENDESK = [
    {"id": 1, "created_at": "2025-03-01T09:00:00Z", "status": "closed", "requester_id": 71, "subject": "Late", "via": {"channel": "email"}, "satisfaction_rating": {"score": "bad"},
     "metric_set": {"solved_at": "2025-03-02T09:00:00Z", "reopens": 1, "reply_time_in_minutes": {"calendar": 90, "business": 30}}},
    {"id": 2, "created_at": "2025-03-03T09:00:00Z", "status": "open", "requester_id": 72, "subject": "Hello", "via": {"channel": "web"}, "satisfaction_rating": {"score": "unoffered"},
     "metric_set": {"solved_at": "2025-03-03T10:00:00Z", "reopens": 0, "reply_time_in_minutes": {"calendar": None, "business": None}}},
    {"id": 3, "created_at": "2025-03-04T09:00:00Z", "status": "deleted", "requester_id": 72, "subject": "Spam", "via": {"channel": "web"}, "satisfaction_rating": None, "metric_set": None},
    {"id": 4, "created_at": "2025-03-05T09:00:00Z", "status": "solved", "requester_id": 72, "subject": "Hm", "via": {"channel": "web"}, "satisfaction_rating": None, "metric_set": None},
]  # fmt: skip


def test_zendesk_tickets(tmp_path: Path) -> None:
    log = cj.read_events(written(tmp_path, "tickets.jsonl", ZENDESK), preset="zendesk")
    assert events(log, "ticket_id", "channel", "satisfaction") == [
        ("71", "ticket opened", "03-01 09:00", 1, "email", None),
        ("71", "ticket answered", "03-01 10:30", 1, "email", None),
        ("71", "ticket resolved", "03-02 09:00", 1, "email", "bad"),
        ("72", "ticket opened", "03-03 09:00", 2, "web", None),
        ("72", "ticket opened", "03-05 09:00", 4, "web", None),
    ]
    lines = said(log)
    assert lines["not counted: status deleted"] == 1
    assert lines["ticket resolved: no time"] == 1


QUALTRICS = """StartDate,EndDate,Status,Progress,Finished,RecordedDate,ResponseId,ExternalReference,DistributionChannel,Q1_NPS_GROUP,Q1,Q2
Start Date,End Date,Response Type,Progress,Finished,Recorded Date,Response ID,External Data Reference,Distribution Channel,How likely - Group,How likely are you to recommend us?,Why?
"{""ImportId"":""startDate""}","{""ImportId"":""endDate""}","{""ImportId"":""status""}","{""ImportId"":""progress""}","{""ImportId"":""finished""}","{""ImportId"":""recordedDate"",""timeZone"":""America/Denver""}","{""ImportId"":""_recordId""}","{""ImportId"":""externalDataReference""}","{""ImportId"":""distributionChannel""}","{""ImportId"":""QID1_NPS_GROUP""}","{""ImportId"":""QID1""}","{""ImportId"":""QID2_TEXT""}"
2025-03-01 09:00:00,2025-03-01 09:05:00,IP Address,100,True,2025-03-01 09:05:01,R_1,u1,email,Promoter,10,Everything arrived in time
2025-03-02 09:00:00,2025-03-02 09:05:00,IP Address,100,True,2025-03-02 09:05:01,R_2,u2,email,Detractor,3,Nobody answered my mails
2025-03-02 10:00:00,2025-03-02 10:05:00,Survey Preview,100,True,2025-03-02 10:05:01,R_3,,preview,Promoter,9,a test
2025-03-02 11:00:00,2025-03-02 11:01:00,IP Address,40,False,2025-03-09 11:05:01,R_4,u3,email,,,
"""


def test_qualtrics_answers(tmp_path: Path) -> None:
    path = written(tmp_path, "survey.csv", QUALTRICS)
    found = cj.read_feedback(path, preset="qualtrics", columns={"Q2": "text"}, timezone="UTC")
    assert found.frame[["feedback_id", "customer_id", "nps", "text", "source"]].values.tolist() == [
        ["R_1", "u1", 10.0, "Everything arrived in time", "email"],
        ["R_2", "u2", 3.0, "Nobody answered my mails", "email"],
    ]
    assert found.frame["timestamp"].dt.strftime("%d %H:%M").tolist() == ["01 16:05", "02 16:05"]
    lines = dict(zip(found.quality["check"], found.quality["rows"], strict=True))
    assert lines["rows of the source"] == 6
    assert lines["not counted: Status Survey Preview"] == 1
    assert lines["not counted: Finished False"] == 1
    assert lines["not counted: ResponseId Response ID"] == 1


RATINGS = [
    {"id": 1, "score": "good", "requester_id": 71, "ticket_id": 1, "created_at": "2025-03-02T09:00:00Z", "comment": "Thank you so much"},
    {"id": 2, "score": "bad", "requester_id": 72, "ticket_id": 2, "created_at": "2025-03-03T09:00:00Z", "comment": "Still waiting for it"},
    {"id": 3, "score": "offered", "requester_id": 73, "ticket_id": 3, "created_at": "2025-03-03T09:00:00Z", "comment": None},
]  # fmt: skip


def test_zendesk_ratings(tmp_path: Path) -> None:
    found = cj.read_feedback(written(tmp_path, "ratings.jsonl", RATINGS), preset="zendesk_ratings")
    assert found.frame[["customer_id", "csat", "text"]].values.tolist() == [
        ["71", 2.0, "Thank you so much"],
        ["72", 1.0, "Still waiting for it"],
    ]


# ---- every preset ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_names_its_source_and_how_far_it_was_checked(name: str) -> None:
    preset = preset_of(name)
    assert preset.source.startswith("https://")
    assert preset.checked
    assert preset.recognise
    assert preset.title


def test_no_two_presets_ask_for_the_same_columns() -> None:
    asked = [preset.recognise for preset in presets()]
    assert len(set(asked)) == len(asked)


EXPORTS: dict[str, tuple[str, Any]] = {
    "shopify": ("orders.csv", SHOPIFY),
    "mixpanel": ("events.jsonl", MIXPANEL),
    "hubspot_deals": ("deals.csv", HUBSPOT),
    "ga4": ("events.jsonl", GA4),
    "amplitude": ("events.jsonl", AMPLITUDE),
    "zendesk": ("tickets.jsonl", ZENDESK),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_init_recognises_it_and_check_reads_it(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, *EXPORTS[name])
    text = first_journey(path, folder=tmp_path)
    assert f"preset: {name}  #" in text
    (tmp_path / "journey.yml").write_text(text, encoding="utf-8")
    found = check_journey(tmp_path / "journey.yml")
    assert found.exit_code == 0
    assert not len(found.unmapped)
    assert not len(found.silent)
    journey = cj.read_journey(tmp_path / "journey.yml")
    assert cj.funnel(found.log, **journey.funnel()).table["customers"].iloc[0] >= 1


SURVEYS: dict[str, tuple[str, Any]] = {
    "qualtrics": ("survey.csv", QUALTRICS),
    "zendesk_ratings": ("ratings.jsonl", RATINGS),
}


@pytest.mark.parametrize("name", SURVEYS)
def test_init_recognises_feedback_and_check_reads_it(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, *SURVEYS[name])
    text = feedback_alone(path, folder=tmp_path)
    assert f"preset: {name}  #" in text
    (tmp_path / "journey.yml").write_text(text, encoding="utf-8")
    assert check_journey(tmp_path / "journey.yml").exit_code == 0


# ---- one's own words -------------------------------------------------------------------------------------------------


def test_names_may_be_spelled_otherwise_and_columns_win(tmp_path: Path) -> None:
    rows = SHOPIFY.replace("Created at", "created_at").replace("Email", "Customer Mail")
    path = written(tmp_path, "orders.csv", rows)
    with pytest.raises(DataError, match="no column 'Email' or 'Phone', which is the customer_id"):
        cj.read_events(path, preset="shopify")
    log = cj.read_events(
        path, preset="shopify", columns={"Customer Mail": "customer_id", "value": "revenue"}
    )
    assert log.n_customers == 2
    assert "revenue" in log.properties
    with pytest.raises(CjlibError, match="the source has no column 'Nmae'"):
        cj.read_events(path, preset="shopify", columns={"Customer Mail": "customer_id", "Nmae": "x"})  # fmt: skip


OWN = """title: My till
recognise: [bon]
one_per: bon
customer_id: card
columns:
  till: {text: "7"}
events:
  - event: bought
    timestamp: at
    unless: {bon: ["R*"]}
    columns: {value: {sum: [n, price]}}
  - event: brought back
    timestamp: at
    when: {bon: ["R*"]}
    columns: {value: {sum: [n, price]}}
"""
TILL = """bon,card,at,n,price
1,ann,2025-01-01 10:00,2,1.50
1,,2025-01-01 10:00,1,4.00
R2,ann,2025-01-02 10:00,-1,4.00
"""


def test_a_preset_of_ones_own_lies_beside_the_journey_file(tmp_path: Path) -> None:
    written(tmp_path, "my_till.yml", OWN)
    written(tmp_path, "till.csv", TILL)
    written(
        tmp_path,
        "journey.yml",
        "name: x\nsources:\n  events: {path: till.csv, preset: my_till.yml}\nstages:\n  - {name: Buy, touchpoints: [bought, brought back]}\n",
    )
    log = cj.read_journey(tmp_path / "journey.yml").read_events()
    assert events(log, "value") == [
        ("ann", "bought", "01-01 10:00", 7.0),
        ("ann", "brought back", "01-02 10:00", -4.0),
    ]


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("shopfy", "there is no preset 'shopfy'. Did you mean 'shopify'?"),
        ("nowhere.yml", "there is no file"),
    ],
)
def test_a_preset_that_is_not_there(tmp_path: Path, preset: str, message: str) -> None:
    path = written(tmp_path, "till.csv", TILL)
    with pytest.raises(CjlibError) as fault:
        cj.read_events(path, preset=preset)
    assert message in str(fault.value)


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("title: My till", "titel: My till", "'titel' is no key of the file. Did you mean 'title'?"),
        ("customer_id: card", "customer_id: {plus: 1}", "customer_id must be a column"),
        ("    timestamp: at", "    time: at", "'time' is no key of events. Did you mean"),
        ('{bon: ["R*"]}', "{bon: R}", "events.unless must be a list of values"),
        ("title: My till", "title: [", "cannot be read"),
    ],
)  # fmt: skip
def test_a_preset_with_a_fault_says_where(
    tmp_path: Path, line: str, instead: str, message: str
) -> None:
    own = written(tmp_path, "my_till.yml", OWN.replace(line, instead, 1))
    with pytest.raises(CjlibError) as fault:
        cj.read_events(written(tmp_path, "till.csv", TILL), preset=str(own))
    assert message in str(fault.value)


def test_a_preset_of_feedback_reads_no_events(tmp_path: Path) -> None:
    path = written(tmp_path, "survey.csv", QUALTRICS)
    with pytest.raises(CjlibError, match="qualtrics reads feedback, not events"):
        cj.read_events(path, preset="qualtrics")
    with pytest.raises(CjlibError, match="shopify reads events, not feedback"):
        cj.read_feedback(path, preset="shopify")


def test_an_amount_that_is_no_number_is_counted_where_a_condition_asks(tmp_path: Path) -> None:
    rows = SHOPIFY.replace("2025-03-05 10:00:00 +0000,10.00", "2025-03-05 10:00:00 +0000,ten")
    log = cj.read_events(written(tmp_path, "orders.csv", rows), preset="shopify")
    assert "order refunded" not in {event for _, event, _ in events(log)}
    assert said(log)["Refunded Amount: not a number"] == 1


def test_what_nested_columns_of_a_smaller_export_cannot_tell_is_said(tmp_path: Path) -> None:
    rows = [{"id": "1", "created_at": 1741058094, "state": "closed", "source": {"author": {"id": "c1"}}, "statistics": {"last_close_at": 1741059094}, "rated": {"rating": 5}}]  # fmt: skip
    lines = written(tmp_path, "talks.jsonl", rows)
    duckdb.sql(f"SELECT * FROM read_json('{lines}')").write_parquet(str(tmp_path / "talks.parquet"))
    own = OWN_DESK.replace("NAME", "conversation.rated_at")
    log = cj.read_events(tmp_path / "talks.parquet", preset=written(tmp_path, "desk.yml", own))
    assert [event for _, event, _ in events(log)] == ["opened", "closed"]
    assert said(log)["rated: no time"] == 1
    told = dict(zip(log.quality["check"], log.quality["example"], strict=True))
    assert told["rated: not read"] == "no column 'conversation.rated_at'"


OWN_DESK = """title: Desk
customer_id: source.author.id
events:
  - {event: opened, timestamp: created_at}
  - {event: closed, timestamp: statistics.last_close_at}
  - {event: rated, timestamp: NAME, when: {rated.rating: filled}}
"""


def test_a_source_with_none_of_the_events_is_refused(tmp_path: Path) -> None:
    own = OWN.replace("unless: {bon", "when: {bong").replace("when: {bon:", "when: {bong:")
    path = written(tmp_path, "till.csv", TILL)
    with pytest.raises(DataError, match="has none of its events: bought: not read"):
        cj.read_events(path, preset=written(tmp_path, "my.yml", own))


def test_the_preset_names_the_events(tmp_path: Path) -> None:
    path = written(tmp_path, "orders.csv", SHOPIFY)
    with pytest.raises(CjlibError, match="the preset shopify names the events"):
        cj.read_events(path, preset="shopify", event="purchase")


def test_the_documentation_lists_every_preset() -> None:
    page = (Path(__file__).parents[2] / "docs" / "presets.md").read_text(encoding="utf-8")
    missing = [one.name for one in presets() if f"| `{one.name}` | [{one.title}]({one.source})" not in page]  # fmt: skip
    assert not missing


# ---- wherever the rows lie -------------------------------------------------------------------------------------------


def test_a_frame_and_a_table_of_a_database_are_read_like_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "orders.csv", SHOPIFY)
    frame = pd.read_csv(path)
    expected = events(cj.read_events(path, preset="shopify"), "value", "products")
    assert events(cj.read_events(frame, preset="shopify"), "value", "products") == expected
    place = tmp_path / "shop.sqlite"
    with sqlite3.connect(place) as database:
        frame.to_sql("orders", database, index=False)
    database.close()
    log = cj.read_events(f"sqlite:///{place}", table="orders", preset="shopify")
    assert events(log, "value", "products") == expected
    with pytest.raises(CjlibError, match="preset is for rows that are read"):
        cj.read_events(f"sqlite:///{place}", table="orders", preset="shopify", pushdown=True)


def test_rows_in_another_order_make_the_same_events(tmp_path: Path) -> None:
    head, *rows = SHOPIFY.splitlines()
    again = "\n".join([head, *rows[2:], *rows[:2]])
    logs = [
        cj.read_events(written(tmp_path, f"{n}.csv", text), preset="shopify")
        for n, text in enumerate([SHOPIFY, again])
    ]
    assert events(logs[0], "value", "products") == events(logs[1], "value", "products")


def test_a_row_without_a_customer_or_a_time_is_quarantined(tmp_path: Path) -> None:
    rows = SHOPIFY.replace("#2,b@x.org", "#2,").replace("partially_refunded,2025-03-06 10:00:00 +0000,,EUR,20.00,2025-03-06 10:00:00 +0000", "paid,,,EUR,20.00,")  # fmt: skip
    path = written(tmp_path, "orders.csv", rows)
    log = cj.read_events(path, preset="shopify", quarantine_limit=1)
    found = log.quarantine[["row", "reason", "event"]].to_numpy().tolist()
    assert found == [
        [3, "missing customer_id", "order placed"],
        [3, "missing customer_id", "order cancelled"],
        [3, "missing customer_id", "order refunded"],
        [5, "missing timestamp", "order placed"],
    ]


def test_the_command_lists_them_and_shows_one() -> None:
    assert "shopify" in here("presets").out
    listed = json.loads(here("presets", "--json").out)
    assert {one["preset"] for one in listed} == set(preset_names())
    assert here("presets", "shopify").out.startswith("title: Shopify")
    assert here("presets", "shopfy").code == 2


def test_each_source_of_several_has_a_preset_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, "orders.csv", SHOPIFY)
    written(tmp_path, "tickets.jsonl", ZENDESK)
    written(
        tmp_path,
        "journey.yml",
        "name: x\nsources:\n  events:\n    - {name: shop, path: orders.csv, preset: shopify, where: {currency: EUR}}\n"
        "    - {name: desk, path: tickets.jsonl, preset: zendesk}\nstages:\n  - {name: Buy, touchpoints: [order placed]}\n",
    )
    log = cj.read_journey(tmp_path / "journey.yml").read_events()
    counts = log.engine.rows("SELECT source, count(*) FROM events GROUP BY source ORDER BY source")
    assert counts == [("desk", 5), ("shop", 6)]

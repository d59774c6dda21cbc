"""One made-up export for each preset, in the shape that the tool documents, and what it is read as."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import cjlib as cj
from cjlib.sources.journey.check import check_journey
from cjlib.sources.journey.scaffold import feedback_alone, first_journey


def at(day: int, hour: int = 9) -> int:
    """Seconds since 1970 of an hour of March 2025, in UTC."""
    return 1740787200 + (day - 1) * 86_400 + hour * 3_600


def matomo_action(kind: str, day: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": at(day), "url": "https://x.org/", **more}


EVENTS: dict[str, tuple[Any, list[tuple[Any, ...]], dict[str, int]]] = {
    "segment": (
        [
            {"messageId": "m1", "anonymousId": "d1", "userId": None, "type": "page", "event": None, "timestamp": "2025-03-01T09:00:00.000Z", "receivedAt": "2025-03-01T09:00:02.000Z",
             "originalTimestamp": "2025-03-01T09:00:00.000Z", "properties": {"url": "https://x.org/"}, "context": {"campaign": {"medium": "email"}}},
            {"messageId": "m2", "anonymousId": "d1", "userId": "u1", "type": "track", "event": "Order Completed", "timestamp": "2025-03-02T09:00:00.000Z", "receivedAt": "2025-03-02T09:00:02.000Z",
             "originalTimestamp": "2025-03-02T09:00:00.000Z", "properties": {"revenue": 12.5}, "context": {}},
            {"messageId": "m2", "anonymousId": "d1", "userId": "u1", "type": "track", "event": "Order Completed", "timestamp": "2025-03-02T09:00:00.000Z", "receivedAt": "2025-03-02T09:00:09.000Z",
             "originalTimestamp": "2025-03-02T09:00:00.000Z", "properties": {"revenue": 12.5}, "context": {}},
        ],
        [("d1", "page viewed", "03-01 09:00", None), ("u1", "Order Completed", "03-02 09:00", 12.5)],
        {"repeated id": 1},
    ),
    "snowplow": (
        "event_id,collector_tstamp,derived_tstamp,domain_userid,network_userid,user_id,domain_sessionid,event,event_name,se_category,se_action,se_value,tr_total,page_url,mkt_medium\n"
        "e1,2025-03-01 09:00:01.000,2025-03-01 09:00:00.000,d1,n1,,s1,page_view,page_view,,,,,https://x.org/,cpc\n"
        "e2,2025-03-01 09:10:01.000,2025-03-01 09:10:00.000,d1,n1,,s1,page_ping,page_ping,,,,,https://x.org/,\n"
        "e3,2025-03-02 09:00:01.000,2025-03-02 09:00:00.000,d1,n1,u1,s2,struct,event,shop,add to basket,2.5,,https://x.org/,\n",
        [("d1", "page_view", "03-01 09:00", None), ("d1", "add to basket", "03-02 09:00", 2.5)],
        {"not counted: event page_ping": 1},
    ),
    "pipedrive": (
        "Deal - ID,Deal - Organization,Deal - Contact person,Deal - Value,Deal - Currency of Value,Deal - Stage,Deal - Status,Deal - Deal created,Deal - Update time,Deal - Won time,Deal - Lost time,Deal - Lost reason\n"
        "1,Acme,Ann,100.5,EUR,Offer,Won,2025-03-01 09:00:00,2025-03-09 09:00:00,2025-03-02 09:00:00,,\n"
        "2,,Bob,50,EUR,Offer,Lost,2025-03-03 09:00:00,2025-03-09 09:00:00,,2025-03-04 09:00:00,price\n"
        "3,Acme,Ann,70,EUR,Demo,Open,2025-03-05 09:00:00,2025-03-09 09:00:00,,2025-03-06 09:00:00,\n",
        [("Acme", "deal created", "03-01 09:00", None), ("Acme", "deal won", "03-02 09:00", 100.5), ("Bob", "deal created", "03-03 09:00", None),
         ("Bob", "deal lost", "03-04 09:00", None), ("Acme", "deal created", "03-05 09:00", None)],
        {},
    ),
    "posthog": (
        [
            {"uuid": "a1", "event": "$pageview", "distinct_id": "d1", "person_id": "p1", "timestamp": "2025-03-01T09:00:00Z", "properties": {"$current_url": "https://x.org/"}, "team_id": 1},
            {"uuid": "a2", "event": "paid", "distinct_id": "u1", "person_id": "p1", "timestamp": "2025-03-02T09:00:00Z", "properties": {"value": 9.5}, "team_id": 1},
        ],
        [("p1", "$pageview", "03-01 09:00", None), ("p1", "paid", "03-02 09:00", 9.5)],
        {},
    ),
    "matomo": (
        [
            {"idVisit": 1, "visitorId": "v1", "userId": None, "referrerType": "search", "actionDetails": [
                matomo_action("action", 1, pageTitle="Home"), matomo_action("event", 2, eventCategory="Video", eventAction="Play", eventValue=3),
                matomo_action("contentImpression", 2)]},
            {"idVisit": 2, "visitorId": "v2", "userId": "u2", "referrerType": "direct", "actionDetails": [matomo_action("ecommerceOrder", 3, orderId="o1", revenue="25.50")]},
            {"idVisit": 3, "visitorId": "v3", "userId": None, "referrerType": "direct", "actionDetails": []},
        ],
        [("v1", "page viewed", "03-01 09:00", None), ("v1", "Play", "03-02 09:00", 3.0), ("v2", "order placed", "03-03 09:00", 25.5)],
        {"rows of the source": 3, "nothing in actionDetails": 1, "elements of actionDetails": 4, "no event in the row": 1},
    ),
    "woocommerce": (
        [
            {"id": 1, "order_key": "k1", "status": "completed", "currency": "EUR", "total": "25.50", "customer_id": 0, "billing": {"email": "a@x.org", "country": "DE"}, "date_created_gmt": "2025-03-01T09:00:00",
             "date_completed_gmt": "2025-03-02T09:00:00", "line_items": [{"name": "Mug", "quantity": 2, "price": 5}, {"name": "Rug", "quantity": 1, "price": 15.5}], "refunds": []},
            {"id": 2, "order_key": "k2", "status": "refunded", "currency": "EUR", "total": "10.00", "customer_id": 7, "billing": {"email": "b@x.org", "country": "DE"}, "date_created_gmt": "2025-03-03T09:00:00",
             "date_completed_gmt": None, "line_items": [{"name": "Mug", "quantity": 2, "price": 5}], "refunds": [{"id": 3, "total": "-10.00"}]},
            {"id": 4, "order_key": "k4", "status": "failed", "currency": "EUR", "total": "99.00", "customer_id": 7, "billing": {"email": "b@x.org", "country": "DE"}, "date_created_gmt": "2025-03-04T09:00:00",
             "date_completed_gmt": None, "line_items": [], "refunds": []},
        ],
        [("a@x.org", "order placed", "03-01 09:00", 25.5), ("a@x.org", "order completed", "03-02 09:00", None), ("b@x.org", "order placed", "03-03 09:00", 10.0)],
        {"not counted: status failed": 1, "order refunded: no time": 1},
    ),
    "stripe": (
        "id,Description,Created date (UTC),Amount,Amount Refunded,Currency,Status,Customer ID,Customer Email,Refunded date (UTC)\n"
        'ch_1,Plan,2025-03-01 09:00:00,"1,025.50",0.00,eur,Paid,cus_1,a@x.org,\n'
        "ch_2,Plan,2025-03-02 09:00:00,10.00,10.00,eur,Refunded,cus_2,b@x.org,2025-03-05 09:00:00\n"
        "ch_3,Plan,2025-03-03 09:00:00,99.00,0.00,eur,Failed,cus_2,b@x.org,\n",
        [("cus_1", "payment received", "03-01 09:00", 1025.5), ("cus_2", "payment received", "03-02 09:00", 10.0), ("cus_2", "payment refunded", "03-05 09:00", -10.0)],
        {"not counted: Status Failed": 1},
    ),
    "stripe_balance": (
        "balance_transaction_id,created_utc,available_on_utc,currency,gross,fee,net,reporting_category,source_id,description,customer_id,customer_email\n"
        "txn_1,2025-03-01 09:00:00,2025-03-03 00:00:00,eur,100.00,3.00,97.00,charge,ch_1,Plan,cus_1,a@x.org\n"
        "txn_2,2025-03-02 09:00:00,2025-03-03 00:00:00,eur,-20.00,0.00,-20.00,refund,re_1,REFUND,cus_1,a@x.org\n"
        "txn_3,2025-03-04 09:00:00,2025-03-05 00:00:00,eur,-30.00,0.00,-30.00,refund,re_2,REFUND,cus_1,a@x.org\n"
        "txn_4,2025-03-05 09:00:00,2025-03-07 00:00:00,eur,40.00,1.00,39.00,charge,ch_2,Plan,,b@x.org\n"
        "txn_5,2025-03-06 09:00:00,2025-03-08 00:00:00,eur,-40.00,15.00,-55.00,dispute,dp_1,Dispute,,b@x.org\n"
        "txn_6,2025-03-20 09:00:00,2025-03-22 00:00:00,eur,40.00,0.00,40.00,dispute_reversal,dp_1,Won,,b@x.org\n"
        "txn_7,2025-03-21 09:00:00,2025-03-21 00:00:00,eur,-91.00,0.00,-91.00,payout,po_1,PAYOUT,,\n",
        [("cus_1", "payment received", "03-01 09:00", 100.0), ("cus_1", "payment refunded", "03-02 09:00", -20.0), ("cus_1", "payment refunded", "03-04 09:00", -30.0),
         ("b@x.org", "payment received", "03-05 09:00", 40.0), ("b@x.org", "payment disputed", "03-06 09:00", -40.0), ("b@x.org", "dispute won", "03-20 09:00", 40.0)],
        {"no event in the row": 1},
    ),
    "online_retail": (
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "536001,A,MUG,2,3/13/2025 7:24,3.5,17,France\n536001,B,RUG,1,3/13/2025 7:24,4.25,17,France\n"
        "C536002,A,MUG,-1,3/14/2025 7:24,3.5,17,France\n536003,A,MUG,1,3/15/2025 7:24,3.5,18,France\n",
        [("17", "order placed", "03-13 07:24", 11.25), ("17", "order cancelled", "03-14 07:24", -3.5), ("18", "order placed", "03-15 07:24", 3.5)],
        {"further lines of an order": 1},
    ),
    "salesforce_opportunities": (
        "Opportunity ID,Opportunity Name,Account Name,Stage,Amount,Close Date,Created Date,Lead Source\n"
        "006A,One,Acme,Closed Won,100,2025-03-19,2025-03-01,Web\n006B,Two,Beta,Closed Lost,50,2025-03-20,2025-03-02,Web\n006C,Three,Acme,Prospecting,70,2031-01-01,2025-03-03,Fair\n",
        [("Acme", "opportunity created", "03-01 00:00", None), ("Beta", "opportunity created", "03-02 00:00", None), ("Acme", "opportunity created", "03-03 00:00", None),
         ("Acme", "opportunity won", "03-19 00:00", 100), ("Beta", "opportunity lost", "03-20 00:00", None)],
        {"rows of the source": 3},
    ),
    "salesforce_stages": (
        "Opportunity Name,Account Name,From Stage,To Stage,Last Modified,Amount\n"
        "One,Acme,Prospecting,Proposal,2025-03-03 09:00,100\nOne,Acme,Proposal,Closed Won,2025-03-13 09:00,100\n",
        [("Acme", "Proposal", "03-03 09:00"), ("Acme", "Closed Won", "03-13 09:00")],
        {},
    ),
    "intercom": (
        [
            {"type": "conversation", "id": "1", "created_at": at(1), "state": "closed", "source": {"type": "email", "delivered_as": "customer_initiated", "author": {"id": "c1"}}, "contacts": {"contacts": [{"id": "c1"}]},
             "statistics": {"first_admin_reply_at": at(1, 10), "last_close_at": at(2), "count_reopens": 1}, "conversation_rating": {"rating": 5, "remark": "Good", "created_at": at(3)}},
            {"type": "conversation", "id": "2", "created_at": at(4), "state": "open", "source": {"type": "chat", "delivered_as": "customer_initiated", "author": {"id": "c2"}}, "contacts": {"contacts": [{"id": "c2"}]},
             "statistics": {"first_admin_reply_at": None, "last_close_at": None, "count_reopens": 0}, "conversation_rating": None},
            {"type": "conversation", "id": "3", "created_at": at(5), "state": "closed", "source": {"type": "email", "delivered_as": "campaign_initiated", "author": {"id": "a9"}}, "contacts": {"contacts": [{"id": "c2"}]},
             "statistics": {"first_admin_reply_at": None, "last_close_at": at(5), "count_reopens": 0}, "conversation_rating": None},
        ],
        [("c1", "ticket opened", "03-01 09:00"), ("c1", "ticket answered", "03-01 10:00"), ("c1", "ticket resolved", "03-02 09:00"), ("c1", "ticket rated", "03-03 09:00"), ("c2", "ticket opened", "03-04 09:00")],
        {"not counted: source.delivered_as campaign_initiated": 1},
    ),
    "freshdesk": (
        "Ticket ID,Subject,Status,Priority,Source,Created time,Resolved time,Closed time,Initial response time,Survey results,Full name,Email,Contact ID\n"
        "1,Late,Closed,Low,Email,2025-03-01 09:00:00,2025-03-02 09:00:00,2025-03-04 09:00:00,2025-03-01 10:00:00,Awesome,Ann,a@x.org,71\n"
        "2,Hello,Open,Low,Portal,2025-03-03 09:00:00,,,,,Bob,b@x.org,72\n3,Win,Spam,Low,Email,2025-03-04 09:00:00,,,,,Eve,e@x.org,73\n",
        [("71", "ticket opened", "03-01 09:00"), ("71", "ticket answered", "03-01 10:00"), ("71", "ticket resolved", "03-02 09:00"), ("72", "ticket opened", "03-03 09:00")],
        {"not counted: Status Spam": 1},
    ),
    "servicenow": (
        "Number,Caller,Short description,State,Priority,Opened,Resolved,Closed\n"
        "INC001,Ann Lee,Printer,Closed,3 - Moderate,2025-03-01 09:00:00,2025-03-02 09:00:00,2025-03-05 09:00:00\n"
        "INC002,Bob Day,VPN,In Progress,2 - High,2025-03-03 09:00:00,,\nINC003,Bob Day,VPN,Canceled,2 - High,2025-03-04 09:00:00,,\n",
        [("Ann Lee", "ticket opened", "03-01 09:00"), ("Ann Lee", "ticket resolved", "03-02 09:00"), ("Bob Day", "ticket opened", "03-03 09:00"), ("Ann Lee", "ticket closed", "03-05 09:00")],
        {"not counted: State Canceled": 1},
    ),
}  # fmt: skip

FEEDBACK: dict[str, tuple[Any, dict[str, str], list[list[Any]], dict[str, int]]] = {
    "surveymonkey": (
        "Respondent ID,Collector ID,Start Date,End Date,IP Address,Email Address,How likely is it that you would recommend us?,What could we do better?\n"
        ",,,,,,Response,Open-Ended Response\n"
        "118,44,03/14/2025 07:00:33 AM,03/14/2025 07:02:33 AM,,a@x.org,9,Answer the phone more quickly\n"
        "119,44,03/15/2025 07:00:33 AM,03/15/2025 07:02:33 AM,,b@x.org,2,Nothing arrived at all this time\n",
        {"What could we do better?": "text"},
        [["a@x.org", 9.0, "Answer the phone more quickly"], ["b@x.org", 2.0, "Nothing arrived at all this time"]],
        {"not counted: Respondent ID missing": 1},
    ),
    "typeform": (
        "#,How likely are you to recommend us to a friend?,And why?,email,Response Type,Start Date (UTC),Stage Date (UTC),Submit Date (UTC),Network ID,Tags\n"
        "k1,10,Everything was in time,a@x.org,completed,2025-03-01 09:00:00,,2025-03-01 09:02:00,n1,\nk2,4,The colour was another one,b@x.org,completed,2025-03-02 09:00:00,,2025-03-02 09:02:00,n2,\nk3,9,,c@x.org,partial,2025-03-02 09:00:00,2025-03-02 09:01:00,,n3,\n",
        {"And why?": "text"},
        [["a@x.org", 10.0, "Everything was in time"], ["b@x.org", 4.0, "The colour was another one"]],
        {"not counted: Response Type partial": 1},
    ),
    "google_forms": (
        "Timestamp,Email Address,How likely are you to recommend us?,Tell us more\n"
        "2025/03/01 9:01:33 AM GMT+1,a@x.org,10,Everything was in time\n2025/03/02 7:01:33 PM GMT+1,b@x.org,4,The colour was another one\n",
        {"Tell us more": "text"},
        [["a@x.org", 10.0, "Everything was in time"], ["b@x.org", 4.0, "The colour was another one"]],
        {},
    ),
    "trustpilot": (
        [
            {"id": "r1", "stars": 5, "title": "Top", "text": "They answered within an hour", "createdAt": "2025-03-01T09:00:00Z", "consumer": {"id": "c1", "displayName": "Ann"}, "referenceId": "o-17", "language": "en"},
            {"id": "r2", "stars": 1, "title": "Never again", "text": "", "createdAt": "2025-03-02T09:00:00Z", "consumer": {"id": "c2", "displayName": "Bob"}, "referenceId": None, "language": "en"},
        ],
        {},
        [["o-17", 5.0, "They answered within an hour"], ["c2", 1.0, "Never again"]],
        {},
    ),
    "app_store": (
        [
            {"type": "customerReviews", "id": "r1", "attributes": {"rating": 5, "title": "Top", "body": "It does what it should", "reviewerNickname": "ann", "createdDate": "2025-03-01T09:00:00-07:00", "territory": "DEU"}},
            {"type": "customerReviews", "id": "r2", "attributes": {"rating": 2, "title": "Hm", "body": "It crashes at every start", "reviewerNickname": "bob", "createdDate": "2025-03-02T09:00:00-07:00", "territory": "USA"}},
        ],
        {},
        [["ann", 5.0, "It does what it should"], ["bob", 2.0, "It crashes at every start"]],
        {},
    ),
    "google_play": (
        "Package Name,App Version Code,Reviewer Language,Device,Review Submit Date and Time,Review Last Update Date and Time,Star Rating,Review Title,Review Text,Review Link\n"
        "org.x,12,en,walleye,2025-03-01T09:00:00Z,2025-03-01T09:00:00Z,5,,It does what it should,https://play.google.com/1\n"
        "org.x,12,en,walleye,2025-03-02T09:00:00Z,2025-03-03T09:00:00Z,1,,It crashes at every start,https://play.google.com/2\n",
        {},
        [[None, 5.0, "It does what it should"], [None, 1.0, "It crashes at every start"]],
        {},
    ),
}  # fmt: skip


def file_of(tmp_path: Path, content: Any) -> Path:
    """A file of CSV text, or of JSON lines."""
    path = tmp_path / ("export.csv" if isinstance(content, str) else "export.jsonl")
    text = content if isinstance(content, str) else "\n".join(map(json.dumps, content))
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", EVENTS)
def test_events_of(tmp_path: Path, name: str) -> None:
    content, expected, lines = EVENTS[name]
    log = cj.read_events(file_of(tmp_path, content), preset=name)
    worth = {"segment": "revenue"}.get(name, "value")
    more = f", {worth}" if len(expected[0]) > 3 else ""
    rows = log.engine.rows(
        f"SELECT CAST(customer_id AS VARCHAR), event, strftime(timestamp, '%m-%d %H:%M'){more} FROM events ORDER BY timestamp, event"
    )
    assert rows == expected
    said = dict(zip(log.quality["check"], log.quality["rows"], strict=True))
    assert {check: said.get(check) for check in lines} == lines


@pytest.mark.parametrize("name", FEEDBACK)
def test_feedback_of(tmp_path: Path, name: str) -> None:
    content, columns, expected, lines = FEEDBACK[name]
    found = cj.read_feedback(file_of(tmp_path, content), preset=name, columns=columns)
    score = "rating" if found.frame["nps"].isna().all() else "nps"
    frame = found.frame.sort_values("timestamp")[["customer_id", score, "text"]]
    assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == expected
    said = dict(zip(found.quality["check"], found.quality["rows"], strict=True))
    assert {check: said.get(check) for check in lines} == lines


@pytest.mark.parametrize("name", [*EVENTS, *FEEDBACK])
def test_init_recognises(tmp_path: Path, name: str) -> None:
    reads = EVENTS if name in EVENTS else FEEDBACK
    path = file_of(tmp_path, reads[name][0])
    write = first_journey if name in EVENTS else feedback_alone
    text = write(path, folder=tmp_path)
    assert f"preset: {name}  #" in text
    (tmp_path / "journey.yml").write_text(text, encoding="utf-8")
    found = check_journey(tmp_path / "journey.yml")
    assert found.exit_code == 0
    assert not len(found.silent)
    if name in EVENTS:
        journey = cj.read_journey(tmp_path / "journey.yml")
        funnel = cj.funnel(journey.read_events(), **journey.funnel())
        assert funnel.table["customers"].iloc[0] >= 1


STRIPE = """id,Created date (UTC),Amount,Amount Refunded,Currency,Converted Amount,Converted Amount Refunded,Converted Currency,Status,Customer ID,Refunded date (UTC),Disputed Amount,Dispute Date (UTC),Dispute Status
ch_1,2025-03-01 09:00,100.00,25.00,usd,90.00,23.00,eur,Paid,cus_1,2025-03-05 09:00,0.00,,
ch_2,2025-03-02 09:00,50.00,0.00,eur,50.00,0.00,eur,Paid,cus_2,,50.00,2025-03-06 09:00,lost
ch_3,2025-03-03 09:00,60.00,0.00,eur,60.00,0.00,eur,Paid,cus_3,,60.00,2025-03-07 09:00,won
ch_4,2025-03-04 09:00,70.00,70.00,eur,70.00,70.00,eur,Refunded,cus_4,2025-03-08 09:00,0.00,,
ch_5,2025-03-04 10:00,10.00,4.00,eur,10.00,4.00,eur,Paid,cus_5,,0.00,,
"""


def test_money_of_stripe_is_gross_and_what_goes_back_is_an_event_of_its_own_amount(tmp_path):
    log = cj.read_events(file_of(tmp_path, STRIPE), preset="stripe")
    rows = log.engine.rows(
        "SELECT event, customer_id, value, currency FROM events ORDER BY timestamp, event"
    )
    assert rows == [
        *(("payment received", f"cus_{n}", worth, "eur") for n, worth in zip((1, 2, 3, 4, 5), (90.0, 50.0, 60.0, 70.0, 10.0), strict=True)),
        ("payment refunded", "cus_1", -23.0, "eur"),
        ("dispute lost", "cus_2", -50.0, "eur"),
        ("payment disputed", "cus_2", None, "eur"),
        ("payment disputed", "cus_3", None, "eur"),
        ("payment refunded", "cus_4", -70.0, "eur"),
    ]  # fmt: skip
    said = log.quality.set_index("check")
    assert said.loc["payment refunded: no time", "rows"] == 1
    assert said.loc["payment refunded: no time", "example"].endswith("so -4.00 is in no sum")


def test_each_payment_of_stripe_has_the_currency_of_its_amount(tmp_path):
    plain = "\n".join(
        ",".join(cell for n, cell in enumerate(line.split(",")) if n not in (5, 6, 7))
        for line in STRIPE.splitlines()
    )
    log = cj.read_events(file_of(tmp_path, plain), preset="stripe")
    assert log.engine.rows(
        "SELECT currency, sum(value) FROM events WHERE event LIKE 'payment r%' GROUP BY 1 ORDER BY 1"
    ) == [("eur", 120.0), ("usd", 75.0)]


def test_partial_refunds_without_a_time_are_counted_with_what_they_are_worth(tmp_path):
    orders = [dict(one) for one in EVENTS["woocommerce"][0]]
    orders[0]["refunds"] = [{"id": 5, "total": "-3.50"}, {"id": 6, "total": "-2.00"}]
    log = cj.read_events(file_of(tmp_path, orders), preset="woocommerce")
    said = log.quality.set_index("check").loc["order refunded: no time"]
    assert (said["rows"], said["example"]) == (2, "no event without a time, so -15.50 is in no sum")
    assert log.engine.rows("SELECT DISTINCT refunded FROM events WHERE customer_id = 'a@x.org'") == [(-5.5,)]  # fmt: skip


def test_a_survey_alone_is_no_file_of_events(tmp_path: Path) -> None:
    path = file_of(tmp_path, FEEDBACK["surveymonkey"][0])
    assert "  feedback:\n    path: export.csv\n    preset: surveymonkey" in first_journey(path)


@pytest.mark.parametrize(
    ("case", "events", "worth"),
    [
        ("shop_orders_line_items/orders.csv", {"order placed": 84}, 3460.71),
        ("retail_invoices/retail.csv", {"order placed": 69, "order cancelled": 9}, 3259.89),
        ("mixpanel_raw/events.jsonl", {"page_view": 164, "sign_up": 63, "purchase": 84}, 3460.71),
        ("amplitude_raw/events.jsonl", {"page_view": 164, "sign_up": 63, "purchase": 84}, 3460.71),
        (
            "crm_deals/deals_300_12.csv",
            {"deal created": 300, "deal won": 37, "deal lost": 41},
            None,
        ),
    ],
)
def test_the_cases(tmp_path: Path, case: str, events: dict[str, int], worth: float | None) -> None:
    shared = os.environ.get("CJ_SHARED", Path(__file__).parents[3] / "shared")
    path = Path(shared) / "cases" / "reading" / case
    if not path.exists():
        pytest.skip("the cases are not on this machine")
    (tmp_path / "journey.yml").write_text(first_journey(path, folder=tmp_path), encoding="utf-8")
    log = cj.read_journey(tmp_path / "journey.yml").read_events()
    counts = dict(log.engine.rows("SELECT event, count(*) FROM events GROUP BY event"))
    assert counts == events
    if worth is not None:
        assert log.engine.rows("SELECT round(sum(value), 2) FROM events") == [(worth,)]

"""Identity from the table to the log: what a caller says, what the log then has, and what is told of it."""

import pandas as pd
import pytest

import cjlib as cj

IDS = {"known": ["customer_id", "email"], "anonymous": ["anonymous_id"]}
ROWS = [
    (None, "a1", None, "visit", "2024-01-01 10:00"),
    ("17", "a1", None, "signup", "2024-01-02 10:00"),
    (None, "a1", None, "visit", "2024-01-03 10:00"),
    ("18", "a1", "X@y.org", "login", "2024-01-04 10:00"),
    (None, "a1", None, "visit", "2024-01-05 10:00"),
    (None, None, "x@Y.org ", "ticket", "2024-01-06 10:00"),
    (None, "17", None, "visit", "2024-01-07 10:00"),
]
EVENTS = pd.DataFrame(
    ROWS, columns=["customer_id", "anonymous_id", "email", "event", "timestamp"], dtype="str"
)
PEOPLE = ["17", "17", "17", "18", "18", "18", "17 (anonymous_id)"]


def people(log):
    return log.run("SELECT customer_id FROM events ORDER BY timestamp")["customer_id"].tolist()


def line(log, check):
    (row,) = log.quality[log.quality["check"] == check].itertuples()
    return row


def test_a_log_of_several_ids_has_people_for_customers():
    log = cj.read_events(EVENTS, timezone="UTC", identities=IDS)
    assert people(log) == PEOPLE
    assert log.n_customers == 3
    assert line(log, "customers").rows == 3
    assert line(log, "customers before and after joining ids").example == "5 → 3"
    assert line(log, "events given to a known person by an anonymous id").rows == 3


def test_the_table_of_ids_says_who_when_and_why():
    log = cj.read_events(EVENTS, timezone="UTC", identities=IDS)
    table = log.identities
    assert list(table.columns) == [
        "id", "kind", "person", "from", "to", "linked_at", "links", "reason",
    ]  # fmt: skip
    cookie = table[table["id"] == "a1"]
    assert cookie["person"].tolist() == ["17", "18"]
    assert cookie["from"].isna().tolist() == [True, False]
    assert cookie["to"].iloc[0] == cookie["from"].iloc[1] == pd.Timestamp("2024-01-04 10:00Z")
    (mail,) = table[table["id"] == "x@y.org"].itertuples()
    assert (mail.person, mail.links, mail.reason) == ("18", 1, "event with customer_id and email")


def test_without_joining_each_event_counts_under_its_first_id():
    log = cj.read_events(EVENTS, timezone="UTC", identities={**IDS, "join": False})
    assert people(log) == ["a1", "17", "a1", "18", "a1", "x@Y.org", "17"]
    assert log.identities.empty


def test_without_identities_a_row_needs_its_customer_id():
    with pytest.raises(cj.DataError, match="missing customer_id"):
        cj.read_events(EVENTS, timezone="UTC")
    log = cj.read_events(EVENTS, timezone="UTC", identities=None, quarantine_limit=1)
    assert people(log) == ["17", "18"]


def test_a_source_needs_no_customer_id_where_it_has_another_id():
    web = EVENTS[["anonymous_id", "event", "timestamp"]].dropna()
    shop = EVENTS[["customer_id", "email", "event", "timestamp"]].dropna(subset=["email"])
    customers = pd.DataFrame({"customer_id": ["20", "18"], "email": ["z@z.org", "Q@q.org"]})
    link = pd.DataFrame({"email": ["q@Q.org"], "visitor": ["a1"]})
    maps = [{"source": link, "columns": {"visitor": "anonymous_id"}}]
    log = cj.read_events(
        {"web": web, "shop": shop},
        timezone="UTC",
        identities={**IDS, "maps": maps},
        customers=customers,
    )
    assert set(people(log)) == {"18", "17"}
    assert line(log, "customers before and after joining ids").example == (
        "4 → 2; shop 2 → 1; web 2 → 2"
    )
    reasons = dict(zip(log.identities["id"], log.identities["reason"], strict=True))
    assert reasons["a1"] == "map 1"
    assert reasons["q@q.org"] == "customers table"


def test_the_order_of_sources_and_of_rows_changes_nothing():
    web = EVENTS[EVENTS["customer_id"].isna()]
    app = EVENTS[EVENTS["customer_id"].notna()]
    one = cj.read_events({"web": web, "app": app}, timezone="UTC", identities=IDS)
    other = cj.read_events({"app": app[::-1], "web": web[::-1]}, timezone="UTC", identities=IDS)
    assert people(one) == people(other) == PEOPLE
    pd.testing.assert_frame_equal(one.identities, other.identities)


def test_ids_written_as_numbers_and_as_text_meet():
    rows = EVENTS.assign(customer_id=pd.to_numeric(EVENTS["customer_id"]))
    assert people(cj.read_events(rows, timezone="UTC", identities=IDS)) == PEOPLE


def test_pairs_of_one_column_join_customer_ids():
    pairs = pd.DataFrame({"unique_id_l": ["17"], "unique_id_r": ["18"]})
    maps = {"source": pairs, "columns": dict.fromkeys(pairs.columns, "customer_id")}
    log = cj.read_events(EVENTS, timezone="UTC", identities={**IDS, "maps": maps})
    assert set(people(log)) == {"17", "17 (anonymous_id)"}
    apart = cj.read_events(
        EVENTS, timezone="UTC", identities={**IDS, "maps": maps, "apart": ["18"]}
    )
    assert people(apart) == [*PEOPLE[:5], "x@y.org", PEOPLE[6]]


def test_the_columns_of_ids_are_read_where_only_some_columns_are():
    log = cj.read_events(EVENTS, timezone="UTC", identities=IDS, only=[])
    assert people(log) == PEOPLE


def test_a_journey_file_says_which_columns_are_ids(tmp_path):
    EVENTS.to_csv(tmp_path / "events.csv", index=False)
    (tmp_path / "map.csv").write_text("uid,mail\n17,x@y.org\n", encoding="utf-8")
    (tmp_path / "journey.yml").write_text(
        "name: Shop\ntimezone: UTC\nsources: {events: events.csv}\n"
        "identities:\n  known: email\n  anonymous: [anonymous_id]\n"
        "  maps: {path: map.csv, columns: {uid: customer_id, mail: email}}\n"
        "stages: [{name: Buy, touchpoints: [visit]}]\n",
        encoding="utf-8",
    )
    journey = cj.read_journey(tmp_path / "journey.yml")
    assert set(people(journey.read_events())) == {"17", "17 (anonymous_id)"}
    assert set(people(cj.read_events(journey))) == {"17", "17 (anonymous_id)"}
    off = ["a1", "17", "a1", "18", "a1", "x@Y.org", "17"]
    assert people(journey.read_events(identities=None)) == off
    assert people(cj.read_events(journey, identities=None)) == off


@pytest.mark.parametrize(
    ("identities", "words"),
    [
        ({"knwon": ["email"]}, "known"),
        ({**IDS, "known": ["email", "e_mail"]}, "e_mail"),
        ({"known": ["email"], "anonymous": ["email"]}, "Name it once"),
        ({**IDS, "hub_limit": 0}, "hub_limit"),
        ({**IDS, "maps": [pd.DataFrame({"x": ["1"], "email": ["e"]})]}, "fewer than two columns"),
        ({**IDS, "maps": [{"source": pd.DataFrame({"x": []}), "columns": {"y": "email"}}]}, "'y'"),
        ("email", "identities"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_is_allowed(identities, words):
    with pytest.raises(cj.CjlibError, match=words):
        cj.read_events(EVENTS, timezone="UTC", identities=identities)

"""Real logs, read as they are published: the counts of their documentation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import cjlib as cj


def facts(log: cj.EventLog) -> dict[str, int]:
    return dict(zip(log.quality["check"], log.quality["rows"].tolist(), strict=True))


def examples(log: cj.EventLog) -> dict[str, str]:
    return dict(zip(log.quality["check"], log.quality["example"], strict=True))


def test_loan_applications_across_a_clock_change(shared_data: Path):
    log = cj.read_events(
        shared_data / "loan_applications/bpi2012_events.csv.gz",
        columns={"case_id": "customer_id"},
        timezone="Europe/Amsterdam",
    )
    found = facts(log)
    assert (
        found["rows read"],
        log.n_events,
        log.n_customers,
        len(log.event_names),
        len(log.quarantine),
    ) == (262_200, 262_200, 13_087, 24, 0)
    assert [str(time) for time in log.span] == [
        "2011-10-01 00:38:44.546000+02:00",
        "2012-03-14 16:04:54.681000+01:00",
    ]
    assert found["tied events (same customer, same instant)"] == 25_369
    assert examples(log)["tied events (same customer, same instant)"].startswith(
        "11,374 instants of 5,006 customers"
    )
    assert examples(log)["several offsets from UTC"].startswith("+01:00 (226,450), +02:00 (35,750)")
    assert examples(log)["times are whole"] == "milliseconds"
    submitted, sent = (
        len(set(log.fetch("customer", where=log.match(name))["customer"]))
        for name in ("A_SUBMITTED", "O_SENT")
    )
    assert (submitted, sent) == (13_087, 5_015)
    assert (log.codes("resource")[0] == -1).sum() == 18_010


def test_helpdesk_tickets_with_repeated_rows(shared_data: Path):
    log = cj.read_events(
        shared_data / "helpdesk_tickets/helpdesk_events.csv.gz",
        columns={"case_id": "customer_id"},
        timezone="Europe/Rome",
    )
    found = facts(log)
    assert (
        found["rows read"],
        found["exact duplicate"],
        log.n_events,
        log.n_customers,
        len(log.event_names),
    ) == (21_348, 127, 21_221, 4_580, 14)
    assert [str(time.date()) for time in log.span] == ["2010-01-13", "2014-01-03"]
    assert "'RESOLVED' / 'Resolve ticket'" in log.quality["example"].tolist()


def test_a_clickstream_whose_last_row_was_cut_off(shared_data: Path):
    names = {"user_id": "customer_id", "event_type": "event", "event_time": "timestamp"}
    log = cj.read_events(
        shared_data / "rees46_clickstream/rees46_oct2019_sample.csv.gz", columns=names
    )
    found = facts(log)
    assert (found["rows read"], found["exact duplicate"], log.n_events, log.n_customers) == (
        17_435,
        5,
        17_430,
        4_505,
    )
    assert [str(time) for time in log.span] == [
        "2019-10-01 00:00:00+00:00",
        "2019-10-01 02:50:00+00:00",
    ]
    assert {
        name: len(set(log.fetch("customer", where=log.match(name))["customer"]))
        for name in log.event_names
    } == {
        "cart": 111,
        "purchase": 193,
        "view": 4_505,
    }
    assert "52040330" in log.customer_ids()
    assert (log.codes("user_session")[0] == -1).sum() == 1
    assert 2103807459595387724 in log.codes("category_id")[1]
    assert (
        log.properties["category_id"].type,
        log.properties["price"].type,
        log.properties["brand"].type,
    ) == ("BIGINT", "DOUBLE", "VARCHAR")


def test_a_shop_without_a_time_zone(shared_data: Path):
    log = cj.read_events(
        shared_data / "ecom_synthetic/ecom_events.csv.gz",
        columns={"user_id": "customer_id"},
        timezone="UTC",
    )
    found = facts(log)
    assert (
        found["rows read"],
        found["exact duplicate"],
        log.n_customers,
        len(log.event_names),
    ) == (31_106, 30, 600, 19)
    assert found["times without a zone"] == 31_106
    assert [str(time.date()) for time in log.span] == ["2024-01-04", "2024-06-29"]
    assert len(set(log.fetch("customer", where=log.match("purchase"))["customer"])) == 328


@pytest.mark.parametrize(
    ("duplicates", "events", "held"), [("quarantine", 69_404, 255), ("keep", 69_659, 0)]
)
def test_orders_by_day_with_equal_rows(shared_data: Path, duplicates: str, events: int, held: int):
    path = shared_data / "cdnow/cdnow_transactions.csv.gz"
    log = cj.read_events(
        path, columns={"date": "timestamp"}, event="purchase", duplicates=duplicates
    )
    assert (log.n_events, log.n_customers, len(log.quarantine)) == (events, 23_570, held)
    assert [str(time) for time in log.span] == [
        "1997-01-01 00:00:00+00:00",
        "1998-06-30 00:00:00+00:00",
    ]
    assert str(log.observed_until) == "1998-06-30 23:59:59.999999+00:00"
    assert log.customer_ids([0]).tolist() == ["00001"]
    if duplicates == "keep":
        assert round(float(log.numbers("dollar_value").sum()), 2) == 2_500_315.63
        assert facts(log)["exact duplicates kept"] == 255


def test_a_table_in_memory_gives_the_log_of_its_file(shared_data: Path):
    path = shared_data / "ecom_synthetic/ecom_events.csv.gz"
    options = {"columns": {"user_id": "customer_id"}, "timezone": "Europe/Madrid"}
    from_file, from_table = (
        cj.read_events(source, **options) for source in (path, pd.read_csv(path))
    )
    assert from_file.engine.rows("FROM prepared") == from_table.engine.rows("FROM prepared")
    pd.testing.assert_frame_equal(from_file.quality, from_table.quality)

"""`event=`: a source whose rows are all the same event, such as orders."""

import pandas as pd
import pytest

import cjlib as cj

ORDERS = pd.DataFrame(
    {"customer_id": ["007", "008"], "timestamp": ["2024-01-01", "2024-01-02"], "value": [3, 4]}
)


def test_every_row_is_the_named_event(tmp_path):
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    ORDERS.to_parquet(tmp_path / "orders.parquet")
    for source in (ORDERS, tmp_path / "orders.csv", tmp_path / "orders.parquet"):
        log = cj.read_events(source, event="it's a purchase")
        assert log.event_names == ["it's a purchase"]
        assert list(log.customer_ids()) == ["007", "008"]
        assert log.numbers("value").tolist() == [3.0, 4.0]


def test_the_name_is_part_of_what_the_cache_keeps(tmp_path, monkeypatch):
    monkeypatch.setattr("cjlib.sources.ingest.cache.LARGE", 0)
    monkeypatch.setenv("CJ_CACHE_DIR", str(tmp_path / "cache"))
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    names = [
        cj.read_events(tmp_path / "orders.csv", event=event).event_names
        for event in ("order", "purchase", "order")
    ]
    assert names == [["order"], ["purchase"], ["order"]]


def test_a_column_of_events_and_a_name_for_all_of_them_cannot_both_be_meant():
    with pytest.raises(
        cj.CjlibError,
        match=r"event: 'order' cannot name every row's event, for the source has a column 'event'\. Leave event out",
    ):
        cj.read_events(ORDERS.assign(event="x"), event="order")
    assert cj.read_events(
        ORDERS.assign(event="x"), event="order", columns={"event": "kind"}
    ).columns == ("kind", "value")


@pytest.mark.parametrize("event", ["", " ", 3])
def test_the_name_is_text(event):
    with pytest.raises(
        cj.CjlibError,
        match=r"event: must be the name of every row's event, such as 'purchase'\. Got",
    ):
        cj.read_events(ORDERS, event=event)


def test_a_source_without_events_is_told_of_the_option():
    with pytest.raises(
        cj.DataError,
        match=r"there is no column 'event'.*if every row is the same event, name it: event='purchase'",
    ):
        cj.read_events(ORDERS)

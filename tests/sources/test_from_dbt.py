"""dbt's manifest becomes a journey file that can be read, with a mark at every guess."""

from __future__ import annotations

import json
from typing import Any

import pytest
from commandline import here

from cjlib.errors import CjlibError, DataError
from cjlib.sources.journey import journey_from_text
from cjlib.sources.journey.scaffold.dbt_manifest import from_dbt

EVENTS = {
    "user_id": "varchar",
    "event_name": "varchar",
    "occurred_at": "timestamp",
    "_loaded_at": "timestamp",
    "utm_source": "varchar",
    "amount_eur": "numeric",
}


def node(name: str, columns: dict[str, str], kind: str = "model") -> dict[str, Any]:
    return {
        "resource_type": kind,
        "unique_id": f"{kind}.shop.{name}",
        "name": name,
        "schema": "analytics",
        "alias": name,
        "columns": {one: {"name": one, "data_type": type_} for one, type_ in columns.items()},
    }


def accepted(table: str, column: str, values: list[str]) -> dict[str, Any]:
    return {
        "resource_type": "test",
        "unique_id": f"test.{table}",
        "attached_node": table,
        "depends_on": {"nodes": [table]},
        "test_metadata": {
            "name": "accepted_values",
            "kwargs": {"column_name": column, "values": values},
        },
    }


@pytest.fixture
def manifest(tmp_path):
    def write(*nodes: dict[str, Any]):
        kept = {one["unique_id"]: one for one in nodes}
        path = tmp_path / "manifest.json"
        path.write_text(
            json.dumps({"metadata": {}, "nodes": kept, "sources": {}}), encoding="utf-8"
        )
        return path

    return write


def shop(manifest):
    return manifest(
        node(
            "fct_orders",
            {
                "order_id": "int",
                "customer_id": "int",
                "ordered_at": "timestamp",
                "total": "numeric",
            },
        ),
        node("fct_events", EVENTS),
        node(
            "dim_customers", {"customer_id": "int", "country": "varchar", "created_at": "timestamp"}
        ),
        node(
            "nps_responses",
            {"user_id": "varchar", "answered_at": "date", "nps": "int", "comment": "varchar"},
        ),
        accepted("model.shop.fct_events", "event_name", ["view", "cart", "purchase"]),
    )


def test_events_customers_and_feedback_are_found(manifest):
    text = from_dbt(shop(manifest))
    journey = journey_from_text(text)
    sources = journey.sources
    assert sources.events.table == "analytics.fct_events"
    assert sources.events.columns == {
        "user_id": "customer_id",
        "event_name": "event",
        "occurred_at": "timestamp",
        "utm_source": "channel",
        "amount_eur": "value",
    }
    assert (sources.customers.table, sources.feedback.table) == (
        "analytics.dim_customers",
        "analytics.nps_responses",
    )
    assert sources.feedback.columns == {
        "answered_at": "timestamp",
        "user_id": "customer_id",
        "comment": "text",
    }
    assert [one.name for one in journey.stages[0].touchpoints] == ["view", "cart", "purchase"]
    assert journey.funnel()["steps"] == ["view", "purchase"]
    assert journey.value.event.names == ("purchase",)


def test_every_guess_is_marked(manifest):
    text = from_dbt(shop(manifest))
    assert all(
        "DECIDE" in line
        for line in text.splitlines()
        if line.strip().startswith(
            ("user_id:", "timezone:", "url:", "stages:", "retention:", "churn:")
        )
    )
    assert "could also hold events: analytics.fct_orders" not in text


def test_without_a_test_of_values_no_event_is_made_up(manifest):
    text = from_dbt(
        manifest(
            node("tracks", {"anonymous_id": "text", "event": "text", "timestamp": "timestamp"})
        )
    )
    journey = journey_from_text(text)
    assert journey.stages[0].touchpoints == ()
    assert journey.funnels == {}


def test_a_table_without_an_event_is_of_one_kind(manifest):
    text = from_dbt(manifest(node("orders", {"customer_id": "int", "order_date": "date"})))
    assert journey_from_text(text).sources.events.event == "activity"


def test_the_table_can_be_named(manifest):
    file = shop(manifest)
    assert (
        journey_from_text(from_dbt(file, "fct_orders")).sources.events.table
        == "analytics.fct_orders"
    )
    with pytest.raises(CjlibError, match="Did you mean 'fct_orders'"):
        from_dbt(file, "fct_order")
    with pytest.raises(CjlibError, match="no column that could be the customer"):
        from_dbt(manifest(node("days", {"day": "date"})), "days")


def test_what_is_no_manifest_is_refused(tmp_path, manifest):
    other = tmp_path / "other.json"
    for content in ("[]", "{}", '{"nodes": 1, "sources": {}}', "no json"):
        other.write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match="is no manifest of dbt"):
            from_dbt(other)
    with pytest.raises(DataError, match="no source or model has a column"):
        from_dbt(manifest(node("days", {"day": "date"})))


def test_names_that_are_yaml_stay_names(manifest):
    odd = "a: b # c"
    file = manifest(
        node("events", {odd + " user": "text", "event": "text", "ts": "timestamp"}),
        accepted("model.shop.events", "event", ["on: sale", "x # y", '"q"']),
    )
    journey = journey_from_text(from_dbt(file))
    assert journey.sources.events.columns[odd + " user"] == "customer_id"
    assert [one.name for one in journey.stages[0].touchpoints] == ["on: sale", "x # y", '"q"']


def test_the_command_writes_a_journey_file(tmp_path, manifest):
    out = tmp_path / "new.yml"
    said = here("init", "--from-dbt", shop(manifest), "--out", out)
    assert said.code == 0, said.err
    assert "fct_events" in out.read_text(encoding="utf-8")
    assert (
        here("init", "events.csv", "--from-dbt", shop(manifest), "--out", tmp_path / "x.yml").code
        == 2
    )
    assert here("init", "--table", "x", "--template", "saas", "--out", tmp_path / "x.yml").code == 2

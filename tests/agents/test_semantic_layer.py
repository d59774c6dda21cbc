"""A semantic layer holds the journey file's definitions: names it allows, SQL that gives our counts, and a funnel that is the funnel."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pandas as pd
import pytest
import yaml
from commandline import here

import cjlib as cj
from cjlib.agents.semantic_layer import semantic_layer, slug
from cjlib.errors import CjlibError

NAME = re.compile(r"[a-z]((?!__)[a-z0-9_])*[a-z0-9]")
JOURNEY = """
name: Café & Shop
sources:
  events: {path: log.csv, columns: {who: customer_id, what: event, "when": timestamp}}
  customers: {path: people.csv, columns: {who: customer_id}}
stages:
  - name: All
    touchpoints: [view, "add to cart", buy]
funnels:
  purchase: {steps: [view, "add to cart", buy], window: 2D}
  mixed: {steps: [{event: view, where: {plan: [pro, free]}}, {event: buy, where: {amount: {min: 5}}}], window: 90min}
retention: {start: view, return: any, period: week}
churn: {inactive: 30D}
value: {event: buy, amount: amount}
"""
ROWS = [
    ("ana", "view", "2025-01-01T10:00:00Z", "pro", None),
    ("ana", "add to cart", "2025-01-01T11:00:00Z", "pro", None),
    ("ana", "buy", "2025-01-02T10:00:00Z", "pro", 9.0),
    ("bob", "view", "2025-01-01T10:00:00Z", "free", None),
    ("bob", "buy", "2025-01-01T10:30:00Z", "free", 7.0),
    ("cyd", "view", "2025-01-03T10:00:00Z", "free", None),
    ("cyd", "view", "2025-01-05T10:00:00Z", "free", None),
]


@pytest.fixture
def shop(tmp_path) -> cj.Journey:
    events = pd.DataFrame(ROWS, columns=["who", "what", "when", "plan", "amount"])
    events.to_csv(tmp_path / "log.csv", index=False)
    pd.DataFrame({"who": ["ana", "bob"], "country": ["de", "fr"]}).to_csv(
        tmp_path / "people.csv", index=False
    )
    (tmp_path / "journey.yml").write_text(JOURNEY, encoding="utf-8")
    return cj.read_journey(tmp_path / "journey.yml")


def written(journey: cj.Journey, style: str, **options: str) -> Any:
    return yaml.safe_load(semantic_layer(journey, journey.read_events(), style, **options))


@pytest.fixture
def warehouse(shop) -> duckdb.DuckDBPyConnection:
    """The table as the warehouse has it, under its own names."""
    connection = duckdb.connect()
    events = pd.read_csv(shop.folder / "log.csv", parse_dates=["when"])
    events["when"] = events["when"].dt.tz_localize(None)
    connection.register("raw", events)
    connection.execute("CREATE TABLE log AS SELECT * FROM raw")
    return connection


# ---- dbt ---------------------------------------------------------------------------------------------------------


def test_dbt_gets_models_measures_and_metrics_under_names_that_it_allows(shop):
    content = written(shop, "dbt")
    events, customers = content["semantic_models"]
    assert (events["model"], customers["model"]) == ("ref('log')", "ref('people')")
    assert [one["name"] for one in customers["dimensions"]] == ["property_country"]
    parts = [*events["measures"], *events["dimensions"], *content["metrics"]]
    assert all(NAME.fullmatch(one["name"]) for one in parts)
    for several in (events["measures"], events["dimensions"], content["metrics"]):
        names = [one["name"] for one in several]
        assert len(set(names)) == len(names)


def test_the_measures_of_dbt_count_what_we_count(shop, warehouse):
    measures = {
        one["name"]: one["expr"] for one in written(shop, "dbt")["semantic_models"][0]["measures"]
    }
    counts = {
        "view_customers": f"count(DISTINCT {measures['view_customers']})",
        "view_events": f"sum({measures['view_events']})",
        "add_to_cart_customers": f"count(DISTINCT {measures['add_to_cart_customers']})",
        "value_sum": f"sum({measures['value_sum']})",
    }
    counted = warehouse.execute(f"SELECT {', '.join(counts.values())} FROM log").fetchone()
    assert counted == (3, 4, 1, 16.0)


def test_a_funnel_becomes_conversions_that_say_what_they_pass_over(shop):
    metrics = {one["name"]: one for one in written(shop, "dbt")["metrics"]}
    conversion = metrics["funnel_purchase_step_3_buy"]
    params = conversion["type_params"]["conversion_type_params"]
    assert params["window"] == "2 day"
    assert (
        params["base_measure"]["filter"]
        == "({{ Dimension('journey_event__event_name') }} IN ('view'))"
    )
    assert params["conversion_measure"] == {"name": "buy_customers"}
    assert "passes over the steps between" in conversion["description"]
    assert conversion["config"]["meta"]["cj_funnel"]["steps"] == ["view", "add to cart", "buy"]
    assert (
        metrics["funnel_mixed_step_2_buy_where_amount_min_5"]["type_params"][
            "conversion_type_params"
        ]["window"]
        == "90 minute"
    )


def test_dbt_accepts_it(shop):
    """With dbt's own parser and validator, where they are installed; they do not fit beside our other libraries."""
    parsing = pytest.importorskip("dbt_semantic_interfaces.parsing.dir_to_model")
    from dbt_semantic_interfaces.parsing.objects import YamlConfigFile
    from dbt_semantic_interfaces.validations.semantic_manifest_validator import (
        SemanticManifestValidator,
    )

    content = written(shop, "dbt")
    documents = [
        {
            "semantic_model": {k: v for k, v in one.items() if k != "model"}
            | {"node_relation": {"schema_name": "s", "alias": one["name"]}}
        }
        for one in content["semantic_models"]
    ] + [{"metric": one} for one in content["metrics"]]
    spine = {
        "node_relation": {"schema_name": "s", "alias": "days"},
        "primary_column": {"name": "day", "time_granularity": "day"},
    }
    documents.append({"project_configuration": {"time_spines": [spine]}})
    text = "\n---\n".join(yaml.safe_dump(one, sort_keys=False) for one in documents)
    built = parsing.parse_yaml_files_to_validation_ready_semantic_manifest(
        [YamlConfigFile(filepath="x.yml", contents=text)]
    )
    assert (
        SemanticManifestValidator().validate_semantic_manifest(built.semantic_manifest).errors == ()
    )


# ---- Ossie -------------------------------------------------------------------------------------------------------


def test_ossie_gets_each_funnel_as_a_query_that_counts_as_we_do(shop, warehouse):
    document = written(shop, "ossie")
    (model,) = document["semantic_model"]
    log = shop.read_events()
    assert document["version"] == "0.1.1"
    for name in shop.funnels:
        (dataset,) = (one for one in model["datasets"] if one["name"] == f"funnel_{name}")
        counted = warehouse.execute(
            f"SELECT customers FROM ({dataset['source']}) ORDER BY step"
        ).fetchall()
        ours = cj.funnel(log, **shop.funnel(name)).table["customers"].tolist()
        assert [customers for (customers,) in counted] == ours


def test_every_metric_of_ossie_runs(shop, warehouse):
    (model,) = written(shop, "ossie")["semantic_model"]
    warehouse.execute("CREATE VIEW events AS SELECT * FROM log")
    for dataset in model["datasets"][2:]:
        warehouse.execute(f"CREATE VIEW {dataset['name']} AS {dataset['source']}")
    values = {}
    for metric in model["metrics"]:
        (expression,) = metric["expression"]["dialects"]
        table = next(
            (d["name"] for d in model["datasets"] if f"{d['name']}." in expression["expression"]),
            "events",
        )
        values[metric["name"]] = warehouse.execute(
            f"SELECT {expression['expression']} FROM {table}"
        ).fetchone()[0]
    assert values["view_customers"] == 3
    assert values["buy_where_amount_min_5_customers"] == 2
    assert values["funnel_purchase_step_3"] == pytest.approx(1 / 3)
    assert values["value_sum"] == 16.0


def test_ossie_has_the_shape_of_its_specification(shop):
    (model,) = written(shop, "ossie")["semantic_model"]
    assert set(model) == {
        "name",
        "description",
        "ai_context",
        "datasets",
        "relationships",
        "metrics",
        "custom_extensions",
    }
    for dataset in model["datasets"]:
        assert set(dataset) <= {
            "name",
            "source",
            "primary_key",
            "description",
            "fields",
            "custom_extensions",
        }
        assert all(
            set(one) <= {"name", "expression", "dimension", "description"}
            for one in dataset["fields"]
        )
    assert all(set(one) == {"name", "expression", "description"} for one in model["metrics"])


# ---- names and faults --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Add to Cart", "add_to_cart"),
        ("7 days", "n_7_days"),
        ("__x__", "x_1"),
        ("Größe", "gr_sse"),
        ("", "n_1"),
    ],
)
def test_a_name_is_made_to_fit(text, name):
    assert slug(text) == name


def test_names_that_fall_together_are_told_apart(tmp_path):
    rows = [("ana", "a b", "2025-01-01T10:00:00Z"), ("bob", "a-b", "2025-01-02T10:00:00Z")]
    pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]).to_csv(
        tmp_path / "log.csv", index=False
    )
    (tmp_path / "journey.yml").write_text(
        "name: x\nsources: {events: log.csv}\nstages: [{name: All, touchpoints: [a b, a-b]}]\n",
        encoding="utf-8",
    )
    metrics = written(cj.read_journey(tmp_path / "journey.yml"), "dbt")["metrics"]
    assert [one["name"] for one in metrics][::2] == ["a_b_customers", "a_b_2_customers"]


def test_a_name_that_is_sql_stays_a_text(tmp_path):
    hostile = "'; DROP TABLE log; --"
    rows = [("ana", hostile, "2025-01-01T10:00:00Z"), ("ana", "buy", "2025-01-02T10:00:00Z")]
    pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]).to_csv(
        tmp_path / "log.csv", index=False
    )
    (tmp_path / "journey.yml").write_text(
        f'name: x\nsources: {{events: log.csv}}\nstages: [{{name: All, touchpoints: ["{hostile}", buy]}}]\n'
        f'funnels: {{main: {{steps: ["{hostile}", buy], window: 3D}}}}\n',
        encoding="utf-8",
    )
    journey = cj.read_journey(tmp_path / "journey.yml")
    (model,) = written(journey, "ossie")["semantic_model"]
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE log AS SELECT * FROM read_csv('{tmp_path / 'log.csv'}')")
    (funnel,) = (one for one in model["datasets"] if one["name"] == "funnel_main")
    assert connection.execute(
        f"SELECT customers FROM ({funnel['source']}) ORDER BY step"
    ).fetchall() == [(1,), (1,)]


def test_the_command_writes_a_file(shop):
    out = shop.folder / "semantic.yml"
    said = here(
        "export",
        "metrics",
        shop.folder / "journey.yml",
        "--format",
        "ossie",
        "--table",
        "db.main.log",
        "--out",
        out,
    )
    assert said.code == 0, said.err
    assert (
        yaml.safe_load(out.read_text(encoding="utf-8"))["semantic_model"][0]["datasets"][0][
            "source"
        ]
        == "db.main.log"
    )


def test_an_unknown_format_is_refused(shop):
    said = here("export", "metrics", shop.folder / "journey.yml", "--format", "ossi")
    assert (said.code, "Did you mean 'ossie'?" in said.err) == (2, True)


def test_several_sources_are_refused(shop):
    several = shop.model_copy(update={"sources": shop.sources.model_copy(update={"events": ()})})
    with pytest.raises(CjlibError, match="takes its events from several sources"):
        semantic_layer(several, shop.read_events(), "dbt")

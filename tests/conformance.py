"""Worked cases of other tools' tests: one case → a log and a question.

Two files of one form, which `data/more_cases.json` describes: that one beside the tests, and `conformance/cases.json` with the public data.
The rows are shuffled before they are read, so that no answer rests on their order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from conftest import SHARED

import cjlib as cj

OWN = Path(__file__).parent / "data" / "more_cases.json"
FILES = [SHARED / "conformance" / "cases.json", OWN]
"""The first is not on every machine; then the second stands alone."""


def cases(kind: str) -> list[dict[str, Any]]:
    """The cases of a kind, of every file that is on this machine."""
    held = [
        json.loads(file.read_text(encoding="utf-8"))["cases"] for file in FILES if file.is_file()
    ]
    return [case for group in held for case in group if case["kind"] == kind]


def events_of(case: dict[str, Any], seed: int = 0) -> pd.DataFrame:
    """The events as a DataFrame in shuffled order, with a running `event_id`, so that equal rows stay separate events."""
    given = case["events"] if "events" in case else _events_of_paths(case)
    frame = pd.DataFrame(
        {
            "customer_id": pd.Series([customer for customer, *_ in given], dtype="str"),
            "event": pd.Series([event for _, event, *_ in given], dtype="str"),
            "timestamp": pd.to_datetime(
                [instant for _, _, instant, _ in given], utc=True, format="ISO8601"
            ).as_unit("us"),
            "event_id": range(len(given)),
        }
    )
    names = sorted({name for *_, properties in given for name in properties or {}})
    columns = {
        name: _column([(properties or {}).get(name) for *_, properties in given]) for name in names
    }
    return frame.assign(**columns).sample(frac=1, random_state=seed).reset_index(drop=True)


def _column(values: list[Any]) -> pd.Series:
    types = {type(value) for value in values if value is not None}
    if types == {bool}:
        return pd.Series(values, dtype="boolean")
    if types == {int}:
        return pd.Series(values, dtype="Int64")
    if types <= {int, float} and types:
        return pd.Series(values, dtype="float64")
    return pd.Series(
        [
            value if value is None or isinstance(value, str) else json.dumps(value)
            for value in values
        ],
        dtype="str",
    )


def log_of(case: dict[str, Any], seed: int = 0) -> cj.EventLog:
    """The case's events, read in the question's zone and to the question's end of data."""
    query = case.get("query", {})
    return cj.read_events(
        events_of(case, seed),
        timezone=query.get("timezone") or "UTC",
        observed_until=query.get("observed_until"),
    )


def step_of(given: Any) -> Any:
    """A step, cohort event or return event of a case as our options take it."""
    if not isinstance(given, dict):
        return given
    where = {column: _condition(value) for column, value in (given.get("where") or {}).items()}
    if "not" in given:
        where["event"] = {"not": given["not"]}
    first_time = {None: False, "of_event": "event", "with_filters": True}[given.get("first_time")]
    return cj.Step(given.get("any_of") or given.get("event"), where=where, first_time=first_time)


def _condition(value: Any) -> Any:
    return {"not": value["not_in"]} if isinstance(value, dict) and "not_in" in value else value


def key_of(values: tuple[Any, ...]) -> str:
    """A group as `by` of a case names it: values joined by a bar, missing as nothing."""
    return "|".join(
        "" if pd.isna(value) else str(value).lower() if isinstance(value, bool) else str(value)
        for value in values
    )


def _events_of_paths(case: dict[str, Any]) -> list[list[Any]]:
    """Attribution: one customer a conversion, its touches an hour apart and then a purchase without channel; one a null, without purchase."""
    rows: list[list[Any]] = []
    for position, path in enumerate(case["paths"]):
        for number in range(path["conversions"] + path["nulls"]):
            touches = [["touch", {"channel": channel}] for channel in path["path"]]
            events = [*touches, ["purchase", {}]] if number < path["conversions"] else touches
            hours = pd.date_range("2024-01-01", periods=len(events), freq="h")
            rows += [
                [f"p{position}_{number}", event, hour.isoformat(), has]
                for (event, has), hour in zip(events, hours, strict=True)
            ]
    return rows


ORDER = {"ordered": "sequential", "strict": "strict", "unordered": "any"}
BY_VALUE = {None: "first", "first_touch": "first", "last_touch": "last", "all_events": "all"}
COHORTS = {"recurring": "recurring", "first_time": "first_ever", "first_ever": "first_ever"}
MODES = {"exact": "on", "unbounded": "on_or_after"}


def funnel_of(case: dict[str, Any], log: cj.EventLog) -> cj.Funnel:
    """The funnel that a case asks for, of its events as a log."""
    query = case["query"]
    steps = [step_of(step) for step in query["steps"]]
    bounds = {"start": query.get("date_from"), "end": query.get("date_to")}
    if not any(isinstance(step, cj.Step) and step.first_time for step in steps):
        log, bounds = log.where(**bounds), {}
    effect = "stop_here" if query["order"] == "unordered" else "drop_customer"
    exclude = [
        cj.Exclude(
            step_of(one["step"]),
            after=one["from_step"] + 1,
            before=one["to_step"] + 1,
            effect=effect,
        )
        for one in query["exclusions"]
    ]
    return cj.funnel(
        log,
        steps,
        window=None if query["window_seconds"] is None else f"{query['window_seconds']}s",
        order=ORDER[query["order"]],
        exclude=exclude,
        by=query["breakdown"],
        by_value=by_value_of(case),
        **bounds,
    )


def by_value_of(case: dict[str, Any]) -> str:
    """Which value of a customer a funnel case goes by."""
    attribution = case["query"].get("breakdown_attribution")
    if attribution in BY_VALUE:
        return BY_VALUE[attribution]
    return f"step_{int(attribution.removeprefix('step_')) + 1}"


def retention_options(case: dict[str, Any]) -> dict[str, Any]:
    """The question of a retention case as our options."""
    query = case["query"]
    start = step_of(query["cohort_event"])
    if query["cohort_type"] == "first_ever" and isinstance(start, cj.Step) and start.where:
        start = cj.Step(start.event, where=start.where, first_time="event")
    return {
        "start_event": start,
        "return_event": step_of(query.get("return_event")),
        "period": query["period"],
        "periods": query["periods"],
        "cohort": COHORTS[query["cohort_type"]],
        "mode": MODES[query["mode"]],
        "clock": "calendar",
        "week_start": query.get("week_start", "monday"),
        "min_returns": query.get("min_occurrences") or 1,
        "by": query.get("breakdown"),
        "start": query["date_from"],
    }

"""A result as JSON for an agent: headline, numbers with n and interval, definition, rows, SQL; nothing of it can be left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from cjlib.agents.inert import NOTE, Sentences, quoted
from cjlib.agents.questions import (
    MOST_VALUES,
    OF_ANSWER,
    Business,
    Question,
    distinct_values,
    frames,
)
from cjlib.analyses.result import Result
from cjlib.errors import CjlibError, not_one_of
from cjlib.sources.log.engine import literal
from cjlib.sources.log.event_log import EventLog

READING = "Association, not causation: this tells what goes with what, not why."
READING_OF_EXPERIMENTS = (
    "A difference between groups is the effect of the variant only if customers were assigned at random. "
    "All else is association, not causation."
)
NO_INTERVAL = "a count, or no interval can be given"
MOST_EVENTS = 200
_CHECKED = 200
_IDS = ("customer_id", "customer", "person", "id")


class Ids:
    """Which columns hold customers' ids, so that they can be left out."""

    def __init__(self, log: EventLog | None, shown: bool) -> None:
        self._log, self._shown = log, shown

    def hidden(self, table: pd.DataFrame) -> list[str]:
        """The columns of a table that are not given."""
        if self._shown:
            return []
        return [str(name) for name in table.columns if name in _IDS or self._are_ids(table[name])]

    def refuse(self, question: Question) -> None:
        """An error for a question that asks for customers one by one."""
        by = getattr(question, "by", None) or ()
        named = [by] if isinstance(by, str) else list(by)
        named += getattr(question, "where", {})
        for name in [] if self._shown else named:
            if name in _IDS or self._holds_ids(name):
                raise CjlibError(
                    f"by, where: {name!r} holds customers' ids, which are hidden. Ask by another property, or start `cj mcp` with --show-ids."
                )

    def _holds_ids(self, column: str) -> bool:
        if self._log is None or column not in self._log.properties:
            return False
        values = distinct_values(self._log, column, _CHECKED)
        return len(values) > MOST_VALUES and self._are_ids(pd.Series(values))

    def _are_ids(self, column: pd.Series) -> bool:
        """Whether most of the texts of a column are ids of the log."""
        if self._log is None or pd.api.types.is_numeric_dtype(column):
            return False
        texts = {value for value in column.dropna().head(10 * _CHECKED) if isinstance(value, str)}
        some = sorted(texts)[:_CHECKED]
        if not some:
            return False
        known = self._log.run(
            "SELECT count(DISTINCT customer_id) AS n FROM events "
            f"WHERE CAST(customer_id AS VARCHAR) IN ({', '.join(map(literal, some))})"
        )["n"].iloc[0]
        return 2 * int(known) > len(some)


def answered(
    name: str, question: Question, result: Result, business: Business, ids: Ids
) -> dict[str, Any]:
    """The answer to a question, as JSON; every key of it is ours, every name of the data a value."""
    tables = frames(result)
    if question.table not in tables:
        raise not_one_of("table", question.table, tables)
    table = tables[question.table]
    hidden = ids.hidden(table)
    said = Sentences([*business.names, *_texts(table), *_texts(result.table)])
    first = question.first_row - 1
    shown = table.drop(columns=hidden).iloc[first : first + question.rows]
    options = question.model_dump(include=question.model_fields_set - set(OF_ANSWER), mode="json")
    return {
        "question": {"analysis": name, "options": _inside(options)},
        "answered": result.answered,
        "headline": said(result.headline),
        "reading": READING_OF_EXPERIMENTS if name == "experiment" else READING,
        "metrics": [_metric(key, metric, said) for key, metric in result.metrics.items()],
        "definition": [
            {"what": said(str(what)), "how": said(str(how))}
            for what, how in result.definition.items()
        ],
        "table": {
            "name": question.table,
            "columns": [quoted(str(column)) for column in shown.columns],
            "rows": [[cell(value) for value in row] for row in shown.itertuples(index=False)],
            "first_row": question.first_row,
            "rows_in_all": len(table),
            "rows_left_out": len(table) - len(shown),
            "columns_hidden": hidden,
        },
        "further_tables": [key for key in tables if key != question.table],
        "sql": said(result.sql),
        "data_note": NOTE,
    }


def _metric(key: str, metric: Mapping[str, Any], said: Sentences) -> dict[str, Any]:
    interval = metric["low"] is not None and metric["high"] is not None
    return {
        "name": said(key),
        "label": said(metric["label"]),
        **{part: metric[part] for part in ("value", "low", "high", "n", "unit", "better")},
        "interval": "95% CI" if interval else NO_INTERVAL,
    }


def _inside(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {quoted(str(key)): _inside(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_inside(inside) for inside in value]
    return cell(value)


def cell(value: Any) -> Any:
    """One value of a table as JSON has it."""
    if isinstance(value, list | tuple | np.ndarray):
        return [cell(inside) for inside in value]
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int):
        return value
    return value.isoformat() if isinstance(value, date) else quoted(str(value))


def _texts(table: pd.DataFrame) -> list[str]:
    return [
        value
        for _, column in table.items()
        if not pd.api.types.is_numeric_dtype(column)
        for value in column.dropna().unique()
        if isinstance(value, str)
    ] + [str(name) for name in table.columns]


def what_can_be_asked(business: Business, questions: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The questions, and the names that their options can hold."""
    journey, log, feedback = business.journey, business.log_if_named, business.feedback_if_named
    answer: dict[str, Any] = {
        "business": quoted(journey.name),
        "questions": [{"tool": name, "asks": asks} for name, asks in questions],
        "stages": [quoted(name) for name in journey.stage_names],
        "funnels": [quoted(name) for name in journey.funnels],
        "experiments": [quoted(name) for name in journey.experiments],
        "reading": READING,
        "data_note": NOTE,
    }
    if log is not None:
        answer["events"] = _events(business, log)
    if feedback is not None:
        answer["feedback"] = {
            "rows": len(feedback),
            "columns": [quoted(str(name)) for name in feedback.frame.columns],
            "span": cell(feedback.span),
        }
    return answer


def _events(business: Business, log: EventLog) -> dict[str, Any]:
    table, few = log.table(), business.few_values
    return {
        "events": log.n_events,
        "customers": log.n_customers,
        "span": cell(log.span),
        "observed_until": cell(log.observed_until),
        "timezone": log.timezone,
        "names": [
            {column: cell(value) for column, value in row.items()}
            for row in table.head(MOST_EVENTS).to_dict("records")
        ],
        "names_left_out": max(0, len(table) - MOST_EVENTS),
        "properties": [
            {
                "name": quoted(name),
                "type": kept.type,
                "of": "customer" if kept.of_customer else "event",
                "values": [quoted(value) for value in few[name]] if name in few else None,
            }
            for name, kept in log.properties.items()
        ],
        "segments": [quoted(name) for name, values in few.items() if len(values) > 1],
    }

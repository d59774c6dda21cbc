"""Which events of a log meet a condition: as SQL over the prepared table, and as the same SQL over the portable table `events`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from cjlib.errors import CjlibError
from cjlib.sources.log.conditions import Event, Where, as_step, bound_by_type, condition_sql
from cjlib.sources.log.engine import identifier, literal
from cjlib.sources.log.time import instant_us

if TYPE_CHECKING:
    from cjlib.sources.log.event_log import EventLog

LONGEST_LIST = 64
"""So many codes are compared one by one, which keeps the log's order; more are joined."""


def joins(condition: str) -> bool:
    """Whether a condition is answered by a join, which does not keep the order of the rows."""
    return "SELECT" in condition


def matching(log: EventLog, event: Event, option: str) -> str:
    """The condition over the prepared table, `first_time` included."""
    step = as_step(event, option)
    every = _all_of(log, step.names, step.where, option)
    if step.first_time is False:
        return every
    among = every if step.first_time is True else _all_of(log, step.names, {}, option)
    first = f"(c, t) IN (SELECT (c, min(t)) FROM {log.prepared} WHERE {among} GROUP BY c)"
    return f"({every} AND {first})"


def _all_of(log: EventLog, names: tuple[str, ...], where: Where, option: str) -> str:
    tests = [_codes_in(log, "e", "e_names", f"value IN ({_listed(names)})")] if names else []
    tests += [_on_column(log, column, value, f"{option} where") for column, value in where.items()]
    return f"({' AND '.join(tests)})" if tests else "TRUE"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(literal(name) for name in names)


def _on_column(log: EventLog, column: str, value: Any, option: str) -> str:
    """A condition on one column; a coded one is put to its dictionary, and the codes that pass are what remains to be tested."""
    kind = type_of(log, column, option)
    if column == "timestamp":
        if isinstance(value, Mapping) and "contains" in value:
            raise CjlibError(
                f"{option} timestamp: contains looks into texts. Give times: {{'min': '2025-01-01', 'max': '2025-01-31'}}."
            )
        return condition_sql("t", value, f"{option} timestamp", *_instants(log, option, str))
    bound = bound_by_type(kind, f"{option} {column}")
    if column in ("event", "customer_id"):
        code, names = ("e", "e_names") if column == "event" else ("c", "c_names")
        return _codes_in(
            log, code, names, condition_sql("value", value, f"{option} {column}", bound)
        )
    one = log.property(column, option)
    if not one.coded:
        return condition_sql(one.column, value, f"{option} {column}", bound)
    condition = condition_sql("value", value, f"{option} {column}", bound)
    test = _codes_in(log, one.column, one.dictionary, condition)
    passes_missing = (
        log.engine.rows(
            f"SELECT count(*) FROM (SELECT CAST(NULL AS {one.type}) AS value) WHERE {condition}"
        )[0][0]
        == 1
    )
    test = f"({test} OR {one.column} IS NULL)" if passes_missing else test
    return f"c IN (SELECT c FROM attributes WHERE {test})" if one.of_customer else test


def _codes_in(log: EventLog, column: str, dictionary: str, condition: str) -> str:
    codes = [
        str(code)
        for (code,) in log.engine.rows(
            f"SELECT code FROM {dictionary} WHERE {condition} ORDER BY code"
        )
    ]
    if len(codes) > LONGEST_LIST:
        return f"{column} IN (SELECT code FROM {dictionary} WHERE {condition})"
    return f"{column} IN ({', '.join(codes)})" if codes else "FALSE"


def portable(log: EventLog, event: Event, option: str) -> str:
    """The condition over the portable table `events`, without `first_time`, which needs a query of its own."""
    step = as_step(event, option)
    tests = [f"event IN ({_listed(step.names)})"] if step.names else []
    for column, value in step.where.items():
        named = f"{option} where {column}"
        kind = type_of(log, column, f"{option} where")
        bounds = (
            _instants(log, f"{option} where", timestamp_sql)
            if column == "timestamp"
            else (bound_by_type(kind, named),)
        )
        tests.append(condition_sql(identifier(column), value, named, *bounds))
    return f"({' AND '.join(tests)})" if tests else "TRUE"


def type_of(log: EventLog, column: str, option: str) -> str:
    """The DuckDB type of a column of the portable table; an unknown column is an error with the nearest name."""
    own = {"event": "VARCHAR", "timestamp": "TIMESTAMP"}
    if column == "customer_id":
        return log.id_type
    return own[column] if column in own else log.property(column, option).type


def _instants(
    log: EventLog, option: str, write: Callable[[int], str]
) -> tuple[Callable[[Any], str], Callable[[Any], str]]:
    """How a bound on the time itself is written, below and above: in the log's zone, a date above means to the end of that day."""
    named = f"{option} timestamp"
    return (lambda value: write(instant_us(value, log.zone, named))), (
        lambda value: write(instant_us(value, log.zone, named, end=True))
    )


def timestamp_sql(microseconds: int) -> str:
    """An instant as SQL, in UTC."""
    return f"CAST('{pd.Timestamp(microseconds, unit='us').isoformat(sep=' ', timespec='microseconds')}' AS TIMESTAMP)"

"""Retention counted where the events lie: one row a cohort and period comes back, and the tables are made from these."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cjlib.analyses.retention import comparisons, summary, tables
from cjlib.analyses.retention.options import Question, Scope
from cjlib.analyses.retention.sql import retention_sql
from cjlib.analyses.retention.tables import Counts
from cjlib.errors import CjlibError
from cjlib.shared.first_events import Groups, Whole, groups_at, together
from cjlib.shared.group_by import values_found
from cjlib.sources.log.event_log import Log


@dataclass(frozen=True, eq=False)
class Found:
    """The tables of retention, by the names of the result, and what its metrics and headline are made from."""

    table: pd.DataFrame
    average: pd.DataFrame
    fixed_average: pd.DataFrame
    comparisons: pd.DataFrame
    cohort_comparisons: pd.DataFrame
    cohort_change: pd.DataFrame
    before_and_after: pd.DataFrame
    families: dict[str, int]
    definition: dict[str, str]
    sql: str
    headline_period: int
    sums: tables.Pooled
    entries: int


def _check(question: Question) -> None:
    """Refuse what rests on more than the cells."""
    beyond = [f"clock='{question.clock}'"] if question.clock != "calendar" else []
    beyond += [option for option in ("cohort_by", "value") if getattr(question, option)]
    if beyond:
        raise CjlibError(
            f"log: retention with {', '.join(beyond)} cannot be counted where the events lie. Fetch them once: cj.retention(log.read(), …)."
        )


def counted(log: Log, question: Question, scope: Scope) -> Found:
    """The tables, by the names of the result, of retention that is counted in the log's own engine."""
    _check(question)
    sql = retention_sql(log, question, scope)
    cells = (
        pd.DataFrame() if scope.nobody else log.run(retention_sql(log, question, scope, texts=True))
    )
    group, groups = _groups(log, question, cells)
    counts = _counts(question, scope, cells, group)
    sums, through = tables.pooled(counts), tables.fixed_period(counts)
    names, unknown = tables.cell_names(scope, counts, groups, None), _unknown_scores(counts)
    compared = replace(question, by=()) if question.mode == "on_or_after" else question
    by_group, _, tested = comparisons.group_comparisons(counts, groups, compared)
    change = comparisons.cohort_change(question, names, counts, unknown)
    return Found(
        table=tables.cell_table(question, scope, counts, groups, None),
        average=_average(question, sums, groups),
        fixed_average=_average(question, tables.pooled(_completed(counts, through)), groups),
        comparisons=by_group,
        cohort_comparisons=comparisons.cohort_comparisons(question, names, counts, unknown)[0],
        families={} if tested is None else {tested.name: tested.tests},
        cohort_change=change,
        before_and_after=comparisons.before_and_after(question, names, counts, unknown, change),
        sql=sql,
        headline_period=through,
        sums=sums,
        entries=int(counts.base[:, 0].sum()) if counts.base.size else 0,
        definition=_definition(log, question, scope, through),
    )


def _groups(log: Log, question: Question, cells: pd.DataFrame) -> tuple[Whole, Groups]:
    """The group of each cell, and what the groups are: by value as text, missing last."""
    if not question.by:
        return np.zeros(len(cells), dtype=np.int64), together()
    texts = [cells[name] if len(cells) else pd.Series([], dtype="str") for name in question.by]
    values = values_found(log, question.by, texts)
    return groups_at(log, values, values.rank)


def _counts(question: Question, scope: Scope, cells: pd.DataFrame, group: Whole) -> Counts:
    width, reach = question.periods + 1, len(scope.periods) + 1
    place = pd.Series(range(len(scope.periods)), index=scope.periods.labels)
    cohort_of = np.asarray(place[cells["cohort"]] if len(cells) else [], dtype=np.int64)
    # A table begins with its largest group; a group has as many members as its cohorts have in period 0.
    size = np.zeros(int(group.max(initial=-1)) + 1, dtype=np.int64)
    at_zero = (cells["period"] == 0).to_numpy() if len(cells) else np.zeros(0, dtype=bool)
    np.add.at(
        size,
        group[at_zero],
        cells["cohort_size"].to_numpy(dtype="int64")[at_zero] if len(cells) else 0,
    )
    rank = np.argsort(np.argsort(-size, kind="stable"), kind="stable")
    keys, row = np.unique(rank[group] * reach + cohort_of, return_inverse=True)
    cohort = keys % reach
    base, retained = (np.zeros((keys.size, width), dtype=np.int64) for _ in range(2))
    if len(cells):
        period = cells["period"].to_numpy(dtype="int64")
        base[row, period], retained[row, period] = (
            cells["cohort_size"].to_numpy(),
            cells["retained"].to_numpy(),
        )
    # A period [a, b) has ended once its last microsecond lies at or before the end of data.
    ended = (scope.periods.index(np.full(keys.size, scope.until + 1)) - 1 - cohort).astype(np.int64)
    complete = (np.arange(width) <= ended[:, None]) & (base > 0)
    return Counts(
        np.argsort(rank)[keys // reach],
        cohort,
        base,
        retained,
        base > 0,
        complete,
        np.arange(keys.size),
        np.where(base > 0, np.arange(width), -1).max(axis=1, initial=-1),
        ended,
    )


def _average(question: Question, sums: tables.Pooled, groups: Groups) -> pd.DataFrame:
    """An average without the interval that recurring cohorts would need the customers for."""
    table = tables.average_table(question, sums, groups, None)
    return table.assign(share_low=np.nan, share_high=np.nan) if question.recurring else table


def _completed(counts: Counts, through: int) -> Counts:
    """The cohorts that have completed a period, up to that period: one population for the whole curve."""
    reach = np.where(counts.ended >= through, np.int64(through), np.int64(-1))
    within = np.arange(counts.base.shape[1]) <= reach[:, None]
    base = np.where(within, counts.base, 0)
    return replace(
        counts,
        base=base,
        retained=np.where(within, counts.retained, 0),
        exists=base > 0,
        complete=base > 0,
        ended=reach,
    )


def _unknown_scores(counts: Counts) -> comparisons.Scores:
    """How customers differ within a cohort stays where the events lie, so no cohort is compared."""
    whole, none = np.zeros(len(counts.cohort), dtype=np.int64), np.zeros(len(counts.cohort))
    return comparisons.Scores(whole, whole, none, none, none, none)


def _definition(log: Log, question: Question, scope: Scope, through: int) -> dict[str, str]:
    said = summary.question_words(log, question, scope)
    said["fixed population"] = (
        f"those who have completed {question.period} {through}: the last that at least half of those have who completed {question.period} 1"
    )
    said["counted"] = (
        "where the events lie, by the statement; cohorts are not compared, since that asks how customers differ: cj.retention(log.read(), …) does"
    )
    if question.recurring:
        said["counted"] += (
            "; nor have averages their intervals, since a customer stands in many cells"
        )
    return said | summary.unknown_names(log, question)

"""Who gets from the first step to the last, where the others are lost, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from cjlib.analyses import cascade, funnel_words
from cjlib.analyses.attempts import try_all
from cjlib.analyses.counted import Counted, count
from cjlib.analyses.funnel_rows import Question, Rows, allowed, question, read
from cjlib.analyses.funnel_table import Grouping, comparisons, customers_table, grouping, metrics, steps_table, still_open
from cjlib.analyses.groups import MISSING
from cjlib.analyses.instants import Bools
from cjlib.analyses.result import MIN_N, Result
from cjlib.analyses.touches import touched
from cjlib.sources.conditions import Event, Exclude
from cjlib.sources.durations import Duration
from cjlib.sources.events import EventLog


@dataclass(frozen=True)
class _Count:
    """A question counted: the arrays behind the tables."""

    log: EventLog
    asked: Question
    rows: Rows
    counted: Counted
    undecided: Bools
    groups: Grouping | None
    group_words: dict[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Funnel(Result):
    """The answer of `cj.funnel`.

    Attributes
    ----------
    comparisons
        Each group of at least `min_n` customers against all others together: [by], `customers`, `share`, `other_customers`, `other_share`,
        `difference`, `difference_low`, `difference_high` (Newcombe), `p_value`, `p_adjusted` (Benjamini–Hochberg). Empty without `by`.
    """

    comparisons: pd.DataFrame
    _count: _Count = field(repr=False)

    def customers(self) -> pd.DataFrame:
        """One row a counted customer, by id: `customer_id`, [by], `steps_reached`, `still_open`, `step_1_at` … (missing if not reached)."""
        held = self._count
        return customers_table(held.log, held.rows, held.counted, held.asked, held.undecided, held.groups)


def funnel(
    log: EventLog,
    steps: Sequence[Event],
    *,
    window: Duration | None,
    order: Literal["sequential", "strict", "any"] = "sequential",
    entry: Literal["best", "reentry", "first"] = "best",
    entrants: Literal["all", "closed"] = "all",
    exclude: Exclude | Sequence[Exclude] = (),
    hold: str | Sequence[str] = (),
    by: str | Sequence[str] | None = None,
    by_value: str = "first",
    step_windows: Sequence[Duration | None] | None = None,
    start: Any = None,
    end: Any = None,
    min_n: int = MIN_N,
) -> Funnel:
    """Count how many customers reach each step."""
    asked = question(
        log,
        steps,
        window=window,
        order=order,
        entry=entry,
        entrants=entrants,
        exclude=exclude,
        hold=hold,
        by=by,
        by_value=by_value,
        step_windows=step_windows,
        start=start,
        end=end,
        min_n=min_n,
    )
    return answer(log, asked)


def answer(log: EventLog, asked: Question) -> Funnel:
    """The funnel of a checked question."""
    held = _counted(log, asked)
    whole = _counted(log, asked.ungrouped()) if asked.by and asked.by_value == "all" else held
    table = steps_table(held.counted, asked, held.undecided, held.groups)
    overall = table if held.groups is None else steps_table(whole.counted, asked, whole.undecided, None)
    compared = comparisons(held.counted, asked, held.groups)
    named = metrics(whole.counted, asked)
    sql, sql_words = cascade.statement(log, asked)
    return Funnel(
        table=table,
        headline=funnel_words.headline(overall, named, asked, compared),
        definition=funnel_words.definition(log, asked, held.rows, whole.counted, held.group_words, sql_words),
        metrics=named,
        sql=sql,
        comparisons=compared,
        _count=held,
    )


def _counted(log: EventLog, asked: Question) -> _Count:
    rows = read(log, asked)
    attempts = try_all(
        rows.instants, allowed(rows, asked, log.observed_until_us), order=asked.order, window=asked.window, step_windows=asked.step_windows
    )
    counted = count(attempts, rows.moments, rows.excluded, asked.exclude, entry=asked.entry, window=asked.window)
    groups, words = _groups(log, asked, rows, counted)
    return _Count(log, asked, rows, counted, still_open(counted, asked, log.observed_until_us), groups, words)


def _groups(log: EventLog, asked: Question, rows: Rows, counted: Counted) -> tuple[Grouping | None, dict[str, str]]:
    if rows.groups is None:
        return None, {}
    by = ", ".join(asked.by)
    if rows.person_rank is not None:
        rank = rows.person_rank[counted.who]
        return grouping(rows.groups, rank, np.ones(len(rank), dtype=bool)), {"groups": f"{by}: {funnel_words.BY_VALUE['all']}"}
    of_customer = all(log.property(name, "by").of_customer for name in asked.by)
    step = None if of_customer else asked.by_step
    found = touched(counted.attempts, rows.groups.rank, asked.by_value, step, any_order=asked.order == "any")
    rule = "one value a customer" if of_customer else funnel_words.by_words(asked)
    words = {"groups": f"{by}: {rule}; customers with more than one value: {np.count_nonzero(found.several):,}; missing is a group of its own"}
    if step is not None:
        words["left out of the groups"] = f"{np.count_nonzero(~found.known):,} customers who never reached step {step}"
    return grouping(rows.groups, np.where(found.known, found.rank, MISSING), found.known), words

"""A funnel in words: its headline and its definition."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pandas as pd

from cjlib.analyses.funnel.count import Counted
from cjlib.analyses.funnel.options import Question, Rows
from cjlib.analyses.result import Metric
from cjlib.errors import did_you_mean, shown
from cjlib.shared.stats import Z95
from cjlib.show.numbers import confidence, count_of, percent_within, timespan
from cjlib.sources.identity.splits import CROSSING, FREQUENT, REMEDY, gap
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.event_log import EventLog, Log

ORDER = {
    "sequential": "sequential: each step at or after the one before; other events may lie between",
    "strict": "strict: any other event of the customer between two steps breaks the attempt",
    "any": "any: the steps may come in any order; row k counts those who reached any k of them",
}
ENTRY = {
    "best": "best: the attempt with most steps counts; of those the one with the earliest first event",
    "reentry": "reentry: the attempt with most steps counts; of those the one that got there earliest, from its latest first event",
    "first": "first: only the customer's first first-step event counts",
}
BY_VALUE = {
    "first": "the first value along the counted attempt that is not missing",
    "last": "the last value along the counted attempt that is not missing",
    "all": "the funnel runs separately on the events of each value; a customer may stand in several groups, so shares do not sum",
}


def by_words(asked: Question) -> str:
    """How the value of a group is found."""
    return BY_VALUE.get(
        asked.by_value,
        f"the value of the event that filled step {asked.by_step} in the counted attempt",
    )


def split_words(log: EventLog, asked: Question, table: pd.DataFrame) -> str:
    """Between which two steps ids probably split, so that hardly anybody gets from one to the other; empty where nothing speaks for it."""
    customers = table["customers"].tolist()
    if asked.order == "any":
        return ""
    for k, (here, following) in enumerate(pairwise(customers)):
        if here < FREQUENT or following > CROSSING * here:
            continue
        steps = (log.match(step, "steps") for step in asked.steps[k : k + 2])
        found = gap(log, *steps)
        if found.probable:
            crossed = "none" if not found.crossing else f"only {found.crossing:,}"
            then = asked.in_words[k + 1]
            return (
                f"Ids probably split {_between(asked, k)}: {count_of(found.then, 'customer')} did “{then}”, almost all with nothing before it, "
                f"and {crossed} of the {found.first:,} who did “{asked.in_words[k]}” ever got there"
            )
    return ""


def headline(
    table: pd.DataFrame,
    metrics: Mapping[str, Metric],
    asked: Question,
    group_words: str,
    split: str = "",
    lost: str = "",
) -> str:
    """One sentence: who got through, with n and interval; where most are lost; what is still open. `table` is that of all customers together.

    Where ids probably split it says that instead of a share; a second sentence says which step was probably not recorded throughout.
    """
    if split:
        counted = f"{int(table['customers'].iloc[-1]):,} of {int(table['customers'].iloc[0]):,}"
        return f"{split}; so {counted} is no conversion rate. {REMEDY}."
    entered = int(table["customers"].iloc[0])
    steps = asked.in_words
    if entered == 0:
        return (
            f"Nobody entered this funnel: no customer has {_quoted(asked)} {_range_words(asked)}."
        )
    if len(steps) == 1:
        return f"{count_of(entered, 'customer')} did “{steps[0]}”."
    got_through = int(table["customers"].iloc[-1])
    conversion = metrics["conversion"]
    within = "" if asked.window is None else f" within {timespan(asked.window)}"
    path = (
        f"did all {len(steps)} steps, in any order"
        if asked.order == "any"
        else f"went from “{steps[0]}” to “{steps[-1]}”"
    )
    low, high = conversion["low"] or 0.0, conversion["high"] or 0.0
    share = f"({percent_within(conversion['value'] or 0.0, low, high)}, {confidence(low, high)})"
    parts = [
        f"{got_through:,} of {count_of(entered, 'customer')} {share} {path}{within}",
        _most_lost(table, asked),
    ]
    parts += [group_words, _open_words(table, asked)]
    if entered < asked.min_n:
        parts.append(f"with fewer than {asked.min_n} customers these shares say little")
    counted = "; ".join(part for part in parts if part) + "."
    return f"{counted} But {lost}." if lost else counted


def _quoted(asked: Question) -> str:
    return "an event of any step" if asked.order == "any" else shown(asked.in_words[0])


def _range_words(asked: Question) -> str:
    return (
        "in the range asked for"
        if asked.start is not None or asked.end is not None
        else "in the log"
    )


def losses(table: pd.DataFrame) -> list[int]:
    """How many customers stopped after each step but the last."""
    customers = table["customers"].tolist()
    return [here - following for here, following in pairwise(customers)]


def biggest_losses(table: pd.DataFrame) -> list[int]:
    """The steps (1-based) after which most customers are lost: several where they are too alike to rank, none where nobody is lost.

    Two losses of one funnel are parts of the same customers: alike unless they differ by more than chance splits their sum, |a − b| > 1.96·√(a + b).
    """
    lost = losses(table)
    ranked = sorted(range(len(lost)), key=lambda k: (-lost[k], k))
    most = lost[ranked[0]] if lost else 0
    return [k + 1 for k in ranked if lost[k] and most - lost[k] <= Z95 * math.sqrt(most + lost[k])]


def _most_lost(table: pd.DataFrame, asked: Question) -> str:
    lost, biggest = losses(table), biggest_losses(table)
    if not biggest:
        return "nobody was lost on the way"
    top = biggest[0] - 1
    of = f"{lost[top]:,} of {int(table['customers'].iloc[top]):,}"
    alike = [f"{_between(asked, step - 1)} ({lost[step - 1]:,})" for step in biggest[1:2]]
    if alike:
        return (
            f"most are lost {_between(asked, top)} ({of}), not significantly more than {alike[0]}"
        )
    return f"most are lost {_between(asked, top)} ({of})"


def _between(asked: Question, k: int) -> str:
    return (
        f"after {k + 1} of {len(asked.steps)} steps"
        if asked.order == "any"
        else f"between “{asked.in_words[k]}” and “{asked.in_words[k + 1]}”"
    )


def _open_words(table: pd.DataFrame, asked: Question) -> str:
    waiting = int(table["still_open"].sum())
    if waiting == 0:
        return ""
    if asked.window is None:
        return "no window ends their attempts, so the share may rise"
    return f"{waiting:,} of the others {'is' if waiting == 1 else 'are'} still in progress, so the share may rise"


def definition(
    log: EventLog,
    asked: Question,
    rows: Rows,
    counted: Counted,
    groups: Mapping[str, str],
    sql: str,
) -> dict[str, str]:
    """What decided the numbers, in order."""
    steps = asked.in_words
    said = {
        "steps": (", " if asked.order == "any" else " → ").join(
            f"{k}. {step}" for k, step in enumerate(steps, start=1)
        ),
        "window": window_words(asked),
        "order": ORDER[asked.order],
        "entry": ENTRY[asked.entry],
        "unit": "customers; each counts once"
        + (" per group" if asked.by_value == "all" and asked.by else ""),
        "ties": f"events of one instant have no order and may fill steps in any; one event fills one step; tied events here: {rows.n_tied:,} of {rows.n_matching:,}{_swap_words(asked, rows)}",
    }
    if any(gap is not None for gap in asked.step_windows):
        gaps = (
            f"to step {k}: {timespan(gap)}"
            for k, gap in enumerate(asked.step_windows, start=2)
            if gap is not None
        )
        said["step windows"] = (
            f"from the previous step, end included: {', '.join(gaps)}; every chain is searched: most steps, then the earliest times"
        )
    said["base"] = (
        f"{count_of(len(counted.attempts), 'customer')} with a first event{bounds_words(log, asked)}{_dropped_words(asked, counted)}"
    )
    said["still open"] = (
        "customers short of the last step with a first event whose window ends after the end of data"
    )
    if asked.exclude:
        said["exclusions"] = "; ".join(_exclusion_words(asked, counted))
    if asked.hold:
        said["held"] = (
            f"all events of an attempt share their {', '.join(asked.hold)}; an event without one fills no step; customers are counted, not pairs"
        )
    said |= groups
    said |= _log_words(log, asked, rows)
    said["times"] = (
        "between steps of the counted attempt, of those who reached the step; not how long it takes, since the others are not in it"
    )
    said["intervals"] = (
        f"Wilson 95%; groups compared by Newcombe's interval and a two-sided test; small: fewer than {asked.min_n}"
    )
    said["sql"] = sql
    return said


def _swap_words(asked: Question, rows: Rows) -> str:
    if not asked.together or asked.order != "sequential":
        return ""
    if not rows.instants.steps_apart:
        return ""
    return f"; a step may also come up to {timespan(asked.together)} before the one before it"


def window_words(asked: Question) -> str:
    """The window, and from where it runs."""
    if asked.window is None:
        return "no limit"
    return f"{timespan(asked.window)} of elapsed time from the first event to every later step, its end included"


def bounds_words(log: Log, asked: Question) -> str:
    """Between which instants a first event must lie."""
    bounds = [f"from {log.moment(asked.start):%Y-%m-%d %H:%M}"] if asked.start is not None else []
    bounds += [f"to {log.moment(asked.end):%Y-%m-%d %H:%M}"] if asked.end is not None else []
    words = f" {' '.join(bounds)} ({log.timezone}); later steps may fall after it" if bounds else ""
    return words + (
        "; closed: only first events whose window had ended by the end of data"
        if asked.entrants == "closed"
        else ""
    )


def _dropped_words(asked: Question, counted: Counted) -> str:
    drops = any(exclusion.effect == "drop_customer" for exclusion in asked.exclude)
    return f"; {count_of(counted.n_dropped, 'customer')} dropped by an exclusion" if drops else ""


def _exclusion_words(asked: Question, counted: Counted) -> list[str]:
    dropped = iter(counted.dropped)
    words = []
    for exclusion in asked.exclude:
        where = f"{exclusion.step} strictly between steps {exclusion.after} and {exclusion.before} (or to the window's end)"
        if exclusion.effect == "drop_customer":
            words.append(
                f"{where}: a customer all of whose deepest attempts it hits is dropped: {count_of(next(dropped), 'customer')}"
            )
        else:
            words.append(f"{where}: the attempt ends there")
    return words


def _log_words(log: EventLog, asked: Question, rows: Rows) -> dict[str, str]:
    span = log.span_us
    said = {
        "rows used": f"{rows.n_matching:,} of {count_of(log.n_events, 'event')} in the log match a step"
        + (
            f"; the log runs from {log.moment(span[0]):%Y-%m-%d %H:%M} to {log.moment(span[1]):%Y-%m-%d %H:%M}"
            if span
            else ""
        ),
        "end of data": f"{log.observed_until:%Y-%m-%d %H:%M} ({log.timezone})",
        "rows left out": f"{len(log.quarantine):,} in quarantine",
    }
    if log.filters_in_words:
        said["filters"] = "; ".join(log.filters_in_words)
    unknown = unknown_words(log, [*asked.steps, *(exclusion.step for exclusion in asked.exclude)])
    if unknown:
        said["never in the log"] = unknown
    return said


def unknown_words(log: EventLog, steps: list[Step]) -> str:
    """The names and values of steps that never occur, with the nearest one that does."""
    names = log.event_names
    missing = {
        shown(name): did_you_mean(name, names)
        for step in steps
        for name in log.unknown_events(step)
    }
    wanted = [
        (column, value)
        for step in steps
        for column, condition in step.where.items()
        for value in _plain_values(condition)
    ]
    for column, value in {
        (column, shown(value)): (column, value) for column, value in wanted
    }.values():
        condition = log.match(Step(None, where={column: value}), "steps")
        if not log.engine.rows(f"SELECT 1 FROM {log.prepared} WHERE {condition} LIMIT 1"):
            known = (
                names
                if column == "event"
                else log.codes(column, where="FALSE")[1]
                if column in log.properties
                else []
            )
            missing[f"{column} = {shown(value)}"] = did_you_mean(value, known)
    return " ".join(f"{what} counts 0.{near}" for what, near in missing.items())


def _plain_values(given: Any) -> list[Any]:
    """The values that a condition asks for by name; operators ask for none."""
    values: list[Any] = (
        list(given) if isinstance(given, list | tuple | set | frozenset) else [given]
    )
    return [value for value in values if pd.api.types.is_scalar(value) and not pd.isna(value)]

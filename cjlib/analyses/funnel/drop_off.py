"""What those who dropped off a funnel did next, beside those who went on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.funnel.across_periods import ENTRY
from cjlib.analyses.funnel.count import Attempts
from cjlib.analyses.funnel.instants import Ints, Positions
from cjlib.analyses.funnel.options import Question
from cjlib.analyses.funnel.summary import losses
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, shown
from cjlib.shared.comparison import FollowUp, followed
from cjlib.shared.event_arrays import first_at_or_after
from cjlib.shared.risk_comparison import CauseComparison, compare_causes
from cjlib.shared.stats import grouped_medians, share, wilson
from cjlib.show.numbers import (
    confidence,
    count_of,
    number,
    percent,
    points,
    points_interval,
    timespan,
)
from cjlib.sources.log.event_log import EventLog

NOTHING = "(nothing)"
SECOND = 1_000_000


class FunnelLost(Result):
    """The answer of `funnel.next_after_drop_off`."""


def step_asked(table: pd.DataFrame, asked: Question, step: Any) -> int:
    """The step after which customers dropped off, 1-based; without a wish that where most did."""
    last = len(asked.steps) - 1
    if step is None:
        lost = losses(table)
        return lost.index(max(lost)) + 1
    if isinstance(step, bool) or not isinstance(step, int) or not 1 <= step <= last:
        raise CjlibError(
            f"step: must be a step after which customers can drop off, 1 to {last}. Got {shown(step)}."
        )
    return step


@dataclass(frozen=True)
class _Next:
    """What customers of attempts did next after a step: who was lost there and who went on, the code of the next event, and how long they waited for it."""

    lost: NDArray[np.bool_]
    on: NDArray[np.bool_]
    code: Ints
    waited: Ints
    watched_for: Ints
    follow_up: FollowUp
    still_open: int

    @staticmethod
    def after(
        log: EventLog, asked: Question, who: Positions, attempts: Attempts, step: int
    ) -> _Next:
        """Of attempts whose window has ended."""
        horizon = 0 if asked.window is None else asked.window
        closed, follow_up = followed(
            attempts.times(0), log.observed_until_us, horizon=horizon, landmark=ENTRY
        )
        since = attempts.times(step - 1)
        until = None if asked.window is None else attempts.times(0) + asked.window
        code, waited = _next_events(log, who, since, until)
        nothing = code == len(log.event_names)
        watched_for = waited if until is None else np.where(nothing, until - since, waited)
        here, on = attempts.depth == step, attempts.depth > step
        still_open = int((here & ~closed).sum())
        return _Next(here & closed, on & closed, code, waited, watched_for, follow_up, still_open)


def next_after_drop_off(
    log: EventLog,
    asked: Question,
    customer: Positions,
    counted: Attempts,
    entries: Attempts,
    step: int,
) -> FunnelLost:
    """The next event of those who stopped after a step, beside that of those who went on; compared over what can happen to both.

    Listed are the counted attempts, compared the first entries: a counted attempt of those who went on is the one that won, before which they may have done
    what those who were lost did after theirs.
    """
    told = _Next.after(log, asked, customer[counted.who], counted, step)
    first = _Next.after(log, asked, customer[entries.who], entries, step)
    lost, on, code = told.lost, told.on, told.code
    names = [*log.event_names, NOTHING]
    nothing = len(log.event_names)
    order, columns = _side_by_side(names, code[lost], code[on])
    shared = np.array([_can_happen_to_both(names[k], asked, step) for k in order], dtype=bool)
    watched = first.lost | first.on
    compared = compare_causes(
        "next events after the drop-off",
        first.watched_for[watched],
        first.code[watched],
        first.lost[watched],
        order[shared],
        follow_up=first.follow_up,
        min_n=asked.min_n,
    )
    for name, values in {
        "expected_lost": compared.expected,
        "difference": compared.difference,
        "difference_low": compared.low,
        "difference_high": compared.high,
        "p_value": compared.p_value,
        "p_adjusted": compared.p_adjusted,
    }.items():
        columns[name] = np.full(len(order), np.nan)
        columns[name][shared] = values
    acted = lost & (code < nothing)
    medians = grouped_medians(told.waited[acted], code[acted], len(names)) / SECOND
    table = pd.DataFrame(columns | {"median_seconds_lost": medians[order]})
    base, other = int(lost.sum()), int(on.sum())
    still_open = told.still_open
    where = _where(asked, step)
    return FunnelLost(
        table=table,
        headline=_lost_headline(table, compared, base, where, asked),
        definition=_lost_definition(asked, step, base, other, still_open, compared.words),
        metrics={
            "lost": metric(base, n=base + other, label="Customers who dropped off", better="lower")
        },
        families={compared.name: compared.tests},
    )


def _side_by_side(names: Sequence[str], lost: Ints, on: Ints) -> tuple[Ints, dict[str, Any]]:
    """The next events (codes) of both sides, most common among the lost first, and how many of each side did them."""
    left, went = (np.bincount(codes, minlength=len(names)) for codes in (lost, on))
    seen = np.flatnonzero(left + went)
    order = seen[np.lexsort((seen, -left[seen]))]
    columns: dict[str, Any] = {"event": pd.Series([names[k] for k in order], dtype="str")}
    for name, count, total in (("lost", left[order], len(lost)), ("went_on", went[order], len(on))):
        low, high = wilson(count, total)
        columns |= {
            name: count,
            f"share_of_{name}": share(count, total),
            f"share_of_{name}_low": low,
            f"share_of_{name}_high": high,
        }
    return order, columns


def _where(asked: Question, step: int) -> str:
    """Where they were lost, in words."""
    if asked.order == "any":
        return f"after {step} of {len(asked.steps)} steps"
    return f"between “{asked.in_words[step - 1]}” and “{asked.in_words[step]}”"


def _lost_definition(
    asked: Question, step: int, base: int, other: int, still_open: int, compared: str
) -> dict[str, str]:
    waiting = "without a window nobody is lost for good"
    until_when = "at any time to the end of data"
    if asked.window is not None:
        waiting = f"{count_of(still_open, 'customer')} whose window is still open left out ({timespan(asked.window)})"
        until_when = "within the window"
    return {
        "lost": f"{count_of(base, 'customer')} whose counted attempt ended {_where(asked, step)}; {waiting}",
        "went on": f"{count_of(other, 'customer')} who reached more steps",
        "next event": f"the customer's first event strictly after step {step} was filled, {until_when}; of several at one instant the first by name",
        "comparison": "of each customer's first entry, at the same waiting times after the step: how many of the lost did an event next, less how many would have at the rates common to them and to those who went on; "
        f"the next step and nothing are not compared, since they can happen to one side only; {compared} (log-rank)",
    }


def _can_happen_to_both(event: str, asked: Question, step: int) -> bool:
    """Whether the next event could be this one for those who went on and for those who did not."""
    if event == NOTHING or asked.window is None:
        return False
    steps = asked.steps if asked.order == "any" else asked.steps[step : step + 1]
    return not any(not following.names or event in following.names for following in steps)


def _next_events(
    log: EventLog, who: Positions, since: Ints, until: Ints | None
) -> tuple[Ints, Ints]:
    """For each customer (code, rising) the code of the first event after an instant, and how long after; the code after the last where there is none up to `until`."""
    events = log.fetch("customer", "time", "event")
    customer, time = events["customer"], events["time"]
    begin, end = (np.searchsorted(customer, who, side=side) for side in ("left", "right"))
    following = first_at_or_after(time, since + 1, begin, end)
    there = following < end
    if until is not None:
        there[there] = time[following[there]] <= until[there]
    code = np.full(len(who), len(log.event_names), dtype=np.int64)
    waited = np.zeros(len(who), dtype=np.int64)
    code[there] = events["event"][following[there]]
    waited[there] = time[following[there]] - since[there]
    return code, waited


def _lost_headline(
    table: pd.DataFrame, compared: CauseComparison, base: int, words: str, asked: Question
) -> str:
    if base == 0:
        return f"Nobody was lost {words}."
    top = table.iloc[0]
    what = "did nothing more" if top["event"] == NOTHING else f"did {top['event']} next"
    within = "" if asked.window is None else " within the window"
    most = f"Of {count_of(base, 'customer')} lost {words}, {percent(top['share_of_lost'])} ({confidence(top['share_of_lost_low'], top['share_of_lost_high'])}) {what}{within}"
    if base < asked.min_n:
        return f"{most}; with fewer than {asked.min_n} customers these shares say little."
    clear = table[(table["p_adjusted"] < compared.level) & (table["difference"] > 0)]
    if clear.empty:
        return f"{most}; no next event is significantly more common among them than among those who went on, at the same waiting times."
    widest = clear.iloc[int(clear["difference"].to_numpy().argmax())]
    return (
        f"{most}; {widest['event']} is more common among them than among those who went on, at the same waiting times: {count_of(widest['lost'], 'customer')} did it next, "
        f"{number(round(widest['expected_lost']))} would have at the same rate ({points(widest['difference'], widest['difference_low'], widest['difference_high'])} of the lost, 95% CI {points_interval(widest['difference_low'], widest['difference_high'])}). Association, not causation."
    )

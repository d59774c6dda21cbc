"""What is asked of a funnel next: over time, against the period before, and what the lost did instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.funnel.attempts import Attempts
from cjlib.analyses.funnel.event_arrays import Bools, Ints, Positions
from cjlib.analyses.funnel.options import Question
from cjlib.analyses.funnel.summary import losses
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, shown
from cjlib.shared.periods import calendar, check_period
from cjlib.shared.stats import grouped_medians, share, wilson
from cjlib.shared.two_samples import benjamini_hochberg, newcombe, two_shares_p
from cjlib.show.numbers import confidence, count_of, percent, points_interval, timespan
from cjlib.sources.log.event_log import EventLog

NOTHING = "(nothing)"
SECOND = 1_000_000


class FunnelTrend(Result):
    """The answer of `funnel.trend`."""


class FunnelChange(Result):
    """The answer of `funnel.previous`."""


class FunnelLost(Result):
    """The answer of `funnel.lost_next`."""


# ---- over time -------------------------------------------------------------------------------------------------


def trend(
    log: EventLog,
    asked: Question,
    attempts: Attempts,
    undecided: Bools,
    period: str,
    week_start: str,
) -> FunnelTrend:
    """Conversion by the period of entry."""
    check_period(period)
    entered = attempts.times(0)
    columns = [
        "period_start",
        "customers",
        "converted",
        "share",
        "share_low",
        "share_high",
        "still_open",
        "complete",
    ]
    if not len(entered):
        types = dict.fromkeys(columns, "float64") | dict.fromkeys(
            ("customers", "converted", "still_open"), "int64"
        )
        table = pd.DataFrame(columns=columns).astype(
            types | {"period_start": "datetime64[us]", "complete": "bool"}
        )
        return FunnelTrend(
            table=table,
            headline="Nobody entered this funnel.",
            definition=_trend_definition(asked, period),
        )
    periods = calendar(
        int(entered.min()), int(entered.max()), period, log.zone, week_start=week_start
    )
    index, size = periods.index(entered), len(periods)
    customers = np.bincount(index, minlength=size)
    converted = np.bincount(index[attempts.depth == len(asked.steps)], minlength=size)
    low, high = wilson(converted, customers)
    last = (
        np.full(size, np.iinfo(np.int64).max)
        if asked.window is None
        else periods.starts[1:] - 1 + asked.window
    )
    values = (
        pd.Series(periods.labels).astype("datetime64[us]"),
        customers,
        converted,
        share(converted, customers),
        low,
        high,
        np.bincount(index[undecided], minlength=size),
        last <= log.observed_until_us,
    )
    table = pd.DataFrame(dict(zip(columns, values, strict=True)))
    return FunnelTrend(
        table=table,
        headline=_trend_headline(table, asked, period),
        definition=_trend_definition(asked, period),
    )


def _trend_definition(asked: Question, period: str) -> dict[str, str]:
    return {
        "period": f"calendar {period} of the counted attempt's first event, in the business's zone; with entry='{asked.entry}' the counted attempt need not be the first",
        "share": "customers who reached the last step ÷ customers who entered in the period; Wilson 95%",
        "complete": "every window that opened in the period had ended by the end of data; an incomplete period may still rise",
    }


def _trend_headline(table: pd.DataFrame, asked: Question, period: str) -> str:
    whole = table[table["complete"] & (table["customers"] > 0)]
    running = f"{count_of(int((~table['complete']).sum()), period)} not complete"
    if whole.empty:
        return f"No {period} is complete: every window is still open, so each share may rise."
    if len(whole) == 1:
        only = whole.iloc[0]
        return f"One complete {period}: {percent(only['share'])} of {count_of(int(only['customers']), 'customer')} converted ({confidence(only['share_low'], only['share_high'])}); {running}."
    first, last = whole.iloc[0], whole.iloc[-1]
    low, high = newcombe(
        last["converted"], last["customers"], first["converted"], first["customers"]
    )
    verdict = verdict_of(
        float(low), float(high), int(min(first["customers"], last["customers"])), asked.min_n
    )
    return (
        f"From the {period} of {first['period_start']:%Y-%m-%d} to that of {last['period_start']:%Y-%m-%d} conversion went from {percent(first['share'])} "
        f"of {first['customers']:,} to {percent(last['share'])} of {last['customers']:,} ({points(float(low), float(high))}): {verdict}; {running}."
    )


def points(low: float, high: float) -> str:
    """The interval of a difference of shares, in percentage points."""
    return f"difference {points_interval(low, high)}, 95% CI"


def verdict_of(low: float, high: float, smallest: int, min_n: int) -> str:
    """What an interval of a difference lets one say."""
    if smallest < min_n:
        return "too few to tell"
    return "better" if low > 0 else "worse" if high < 0 else "no clear change"


# ---- against the period before ---------------------------------------------------------------------------------


def previous_bounds(log: EventLog, asked: Question) -> tuple[int, int]:
    """The range of equal length that ends just before `start`: in whole local days if the range is, else in elapsed time."""
    if asked.start is None:
        raise CjlibError(
            "previous: the funnel has no start, so there is no period before it. Ask cj.funnel(…, start='2025-04-01', end='2025-06-30').previous()."
        )
    end = log.observed_until_us if asked.end is None else asked.end
    if end < asked.start:
        raise CjlibError(
            f"previous: the funnel starts at {log.moment(asked.start)}, after the end of data {log.moment(end)}."
        )
    first, after = log.moment(asked.start), log.moment(end + 1)
    if first == first.normalize() and after == after.normalize():
        days = round((after.tz_localize(None) - first.tz_localize(None)) / pd.Timedelta(days=1))
        before = log.instant((first.tz_localize(None) - pd.Timedelta(days=days)), "start")
    else:
        before = asked.start - (end + 1 - asked.start)
    return before, asked.start - 1


def previous(
    log: EventLog, asked: Question, now: pd.DataFrame, before: pd.DataFrame, bounds: tuple[int, int]
) -> FunnelChange:
    """Two funnels of the same question side by side; `before` is that of the period before."""
    reached, was = now["customers"].to_numpy(), before["customers"].to_numpy()
    low, high = newcombe(reached, np.full_like(reached, reached[0]), was, np.full_like(was, was[0]))
    one, other = share(reached, reached[0]), share(was, was[0])
    smallest = int(min(reached[0], was[0]))
    later = np.arange(len(reached)) > 0
    verdicts = [
        verdict_of(a, b, smallest, asked.min_n) if k else None
        for k, (a, b) in enumerate(zip(low, high, strict=True))
    ]
    table = pd.DataFrame(
        {
            "step": now["step"],
            "event": now["event"],
            "customers": reached,
            "share_of_first": one,
            "previous_customers": was,
            "previous_share_of_first": other,
            "difference": np.where(later, one - other, np.nan),
            "difference_low": np.where(later, low, np.nan),
            "difference_high": np.where(later, high, np.nan),
            "verdict": pd.Series(verdicts, dtype="str"),
        }
    )
    change = table[["difference", "difference_low", "difference_high"]].iloc[-1].tolist()
    named = {"change_of_conversion": metric(*change, n=smallest)}
    return FunnelChange(
        table=table,
        headline=_previous_headline(table, now),
        definition=_previous_definition(log, asked, bounds),
        metrics=named,
    )


def _previous_definition(log: EventLog, asked: Question, bounds: tuple[int, int]) -> dict[str, str]:
    span = log.span_us
    said = {
        "period before": f"first events from {log.moment(bounds[0]):%Y-%m-%d %H:%M} to {log.moment(bounds[1]):%Y-%m-%d %H:%M} ({log.timezone}), of equal length",
        "difference": "share_of_first now − before; Newcombe's 95% CI, which takes the two groups as independent, though a customer may stand in both",
        "verdict": f"better or worse when the interval leaves out 0; too few to tell below {asked.min_n} customers in either period",
    }
    if span is not None and span[0] > bounds[0]:
        said["not covered"] = (
            f"the log begins on {log.moment(span[0]):%Y-%m-%d}, so the period before is not whole"
        )
    return said


def _previous_headline(table: pd.DataFrame, now: pd.DataFrame) -> str:
    last = table.iloc[-1]
    if len(table) == 1:
        return f"{count_of(int(last['customers']), 'customer')} did {last['event']}, {last['previous_customers']:,} in the period before."
    if min(table["customers"].iloc[0], table["previous_customers"].iloc[0]) == 0:
        return "There is nothing to compare: in one of the two periods nobody entered the funnel."
    words = {
        "better": "better than",
        "worse": "worse than",
        "no clear change": "no clear change from",
        "too few to tell": "too few customers to compare with",
    }
    waiting = int(now["still_open"].sum())
    still = f"; {waiting:,} still have time, so the share may rise" if waiting else ""
    return (
        f"Conversion is {percent(last['share_of_first'])} of {table['customers'].iloc[0]:,}, before it was {percent(last['previous_share_of_first'])} of "
        f"{table['previous_customers'].iloc[0]:,} ({points(last['difference_low'], last['difference_high'])}): {words[last['verdict']]} the period before{still}."
    )


# ---- what the lost did next ------------------------------------------------------------------------------------


def step_asked(table: pd.DataFrame, asked: Question, step: Any) -> int:
    """The step after which customers were lost, 1-based; without a wish that where most were."""
    last = len(asked.steps) - 1
    if last == 0:
        raise CjlibError(
            "lost_next: a funnel of one step loses nobody. Ask a funnel of two steps or more."
        )
    if step is None:
        lost = losses(table)
        return lost.index(max(lost)) + 1
    if isinstance(step, bool) or not isinstance(step, int) or not 1 <= step <= last:
        raise CjlibError(
            f"step: must be a step that customers can be lost after, 1 to {last}. Got {shown(step)}."
        )
    return step


def lost_next(
    log: EventLog, asked: Question, who: Positions, attempts: Attempts, undecided: Bools, step: int
) -> FunnelLost:
    """The next event of those who stopped after a step, beside that of those who went on."""
    waiting = undecided if asked.window is not None else np.zeros(len(attempts), dtype=bool)
    lost, on = (attempts.depth == step) & ~waiting, attempts.depth > step
    names = [*log.event_names, NOTHING]
    code, waited = _next_events(log, who, attempts.times(step - 1))
    counts = [np.bincount(code[group], minlength=len(names)) for group in (lost, on)]
    seen = np.flatnonzero(counts[0] + counts[1])
    order = seen[np.lexsort((seen, -counts[0][seen]))]
    left, went = counts[0][order], counts[1][order]
    base, other = int(lost.sum()), int(on.sum())
    p = np.array(
        [
            two_shares_p(a, base, b, other)
            for a, b in zip(left.tolist(), went.tolist(), strict=True)
        ],
        dtype=float,
    )
    low, high = newcombe(left, base, went, other)
    columns: dict[str, Any] = {"event": pd.Series([names[k] for k in order.tolist()], dtype="str")}
    for name, count, total in (("lost", left, base), ("went_on", went, other)):
        bounds = wilson(count, total)
        columns |= {
            name: count,
            f"share_of_{name}": share(count, total),
            f"share_of_{name}_low": bounds[0],
            f"share_of_{name}_high": bounds[1],
        }
    columns |= {
        "difference": share(left, base) - share(went, other),
        "difference_low": low,
        "difference_high": high,
        "p_value": p,
        "p_adjusted": benjamini_hochberg(p),
        "median_seconds_lost": _median_waits(code, waited, lost, len(names))[order],
    }
    table = pd.DataFrame(columns)
    words = (
        f"after {step} of {len(asked.steps)} steps"
        if asked.order == "any"
        else f"between {asked.in_words[step - 1]} and {asked.in_words[step]}"
    )
    definition = {
        "lost": f"{count_of(base, 'customer')} whose counted attempt ended {words}"
        + _waiting_words(asked, int(((attempts.depth == step) & waiting).sum())),
        "went on": f"{count_of(other, 'customer')} who reached more steps",
        "next event": f"the customer's first event strictly after step {step} was filled, at any time to the end of data; of several at one instant the first by name",
        "comparison": "share of the lost − share of those who went on: Newcombe's 95% CI, two-sided p, adjusted (Benjamini–Hochberg) over the events",
    }
    metrics = {"lost": metric(base, n=base + other)}
    return FunnelLost(
        table=table,
        headline=_lost_headline(table, base, words, asked),
        definition=definition,
        metrics=metrics,
    )


def _waiting_words(asked: Question, waiting: int) -> str:
    if asked.window is None:
        return "; without a window nobody is lost for good"
    return f"; {count_of(waiting, 'customer')} whose window is still open left out ({timespan(asked.window)})"


def _next_events(log: EventLog, who: Positions, since: Ints) -> tuple[Ints, Ints]:
    """For each customer (code, rising) the code of the first event after an instant, and how long after; the code after the last where there is none."""
    every = log.fetch("customer", "time", "event")
    customer, time, event = every["customer"], every["time"], every["event"]
    low, high = (
        np.searchsorted(customer, who, side="left"),
        np.searchsorted(customer, who, side="right"),
    )
    end = high.copy()
    while (open_still := np.flatnonzero(low < high)).size:
        middle = (low[open_still] + high[open_still]) // 2
        before = time[middle] <= since[open_still]
        low[open_still[before]] = middle[before] + 1
        high[open_still[~before]] = middle[~before]
    some = np.flatnonzero(low < end)
    code, waited = (
        np.full(len(who), len(log.event_names), dtype=np.int64),
        np.zeros(len(who), dtype=np.int64),
    )
    code[some], waited[some] = event[low[some]], time[low[some]] - since[some]
    return code, waited


def _median_waits(code: Ints, waited: Ints, lost: Bools, size: int) -> np.ndarray:
    there = lost & (code < size - 1)
    return grouped_medians(waited[there], code[there], size) / SECOND


def _lost_headline(table: pd.DataFrame, base: int, words: str, asked: Question) -> str:
    if base == 0:
        return f"Nobody was lost {words}."
    top = table.iloc[0]
    what = "did nothing more" if top["event"] == NOTHING else f"did {top['event']} next"
    most = f"Of {count_of(base, 'customer')} lost {words}, {percent(top['share_of_lost'])} ({confidence(top['share_of_lost_low'], top['share_of_lost_high'])}) {what}"
    if base < asked.min_n:
        return f"{most}; with fewer than {asked.min_n} customers these shares say little."
    clear = table[(table["p_adjusted"] < 0.05) & (table["difference"] > 0)]
    if clear.empty:
        return f"{most}; no event is clearly commoner among them than among those who went on."
    widest = clear.iloc[int(clear["difference"].to_numpy().argmax())]
    named = "doing nothing more" if widest["event"] == NOTHING else str(widest["event"])
    return (
        f"{most}; what sets them apart most from those who went on is {named}: {percent(widest['share_of_lost'])} against {percent(widest['share_of_went_on'])} "
        f"({points(widest['difference_low'], widest['difference_high'])})."
    )

"""A funnel across periods: conversion over time, and against the period before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd

from cjlib.analyses.findings import Finding, of_shares
from cjlib.analyses.funnel.by_group import DIFFERENCES
from cjlib.analyses.funnel.count import Attempts, first_entries
from cjlib.analyses.funnel.instants import Bools, Ints, Positions
from cjlib.analyses.funnel.options import Question, Rows
from cjlib.analyses.result import Result, metric
from cjlib.shared.clustered_comparison import (
    Slope,
    repeated_groups_against_others,
    share_over_time,
    within_strata_against_others,
)
from cjlib.shared.comparison import (
    Family,
    FollowUp,
    ShareComparison,
    family,
)
from cjlib.shared.periods import Calendar, calendar, check_period
from cjlib.shared.silences import thin_end_of
from cjlib.shared.stats import Floats, share, wilson
from cjlib.shared.unrecorded import NOT_RECORDED
from cjlib.show.numbers import (
    about,
    confidence,
    count_of,
    joined,
    percent,
    percents,
    points,
    points_interval,
)
from cjlib.sources.log.event_log import EventLog

ENTRY = "the first event of step 1"
BY_PERIOD, OVER_TIME = "conversion by period of entry", "conversion over time"
ALIKE = "; since customers come back, what is claimed holds among entries alike in how many of their customer came before (none, 1 to 2, 3 to 6, …), and the trend is that of these"


class FunnelTrend(Result):
    """The answer of `funnel.trend`."""


class FunnelChange(Result):
    """The answer of `funnel.compare_previous_period`."""


AnyResult = TypeVar("AnyResult", bound=Result)


def in_doubt(told: AnyResult, log: EventLog, until: int) -> AnyResult:
    """The same without findings where many customers are missing in the last days and what is compared reaches into them (`until`)."""
    thin = thin_end_of(log)
    if thin is None or thin.since > until or not told.answered:
        return told
    return replace(
        told,
        headline=f"{told.headline.removesuffix('.')}. But {thin.words(log.zone)}.",
        findings=(),
    )


def without_claims(told: AnyResult, lost: str) -> AnyResult:
    """The same without anything claimed where a step was probably not recorded throughout (`lost` says which): what was not recorded is no behaviour."""
    if not lost:
        return told
    return replace(
        told,
        headline=f"Conversion in different periods is not compared: {lost}.",
        definition={**told.definition, NOT_RECORDED: lost},
        findings=(),
    )


# ---- over time -------------------------------------------------------------------------------------------------


def trend(
    log: EventLog, asked: Question, rows: Rows, attempts: Attempts, period: str, week_start: str
) -> FunnelTrend:
    """Conversion by the period of entry: each customer's first entry in each period, whatever came of it. `attempts` are those of all entries."""
    check_period(period)
    entered = attempts.times(0)
    definition = _trend_definition(asked, period)
    if not len(entered):
        return FunnelTrend(
            table=_empty_trend(), headline="Nobody entered this funnel.", definition=definition
        )
    periods = calendar(
        int(entered.min()), int(entered.max()), period, log.zone, week_start=week_start
    )
    first = first_entries(
        attempts,
        rows.moments,
        rows.excluded,
        asked.exclude,
        window=asked.window,
        span=periods.index(entered).astype(np.int64),
    )
    index = periods.index(first.times(0)).astype(np.int64)
    table = _trend_table(log, asked, periods, index, first)
    if np.count_nonzero(_complete(table)) < 2 or asked.window is None:
        return FunnelTrend(
            table=table, headline=_short_trend(asked, table, period), definition=definition
        )
    inside = table["complete"].to_numpy()[index]
    customer = rows.customer[first.who][inside]
    at = customer.astype(np.int64), first.times(0)[inside]
    entries = Entries(index[inside], first.depth[inside], at[0], earlier_entries(at, at))
    follow_up = FollowUp(ENTRY, asked.window, int(np.count_nonzero(~inside)))
    unequal, slope, of_all = _tested_trend(asked, entries, follow_up)
    told = Told(slope, of_all, entries)
    tested = slice(0, len(unequal.share) - 1)
    table.loc[tested, "other_share"] = unequal.other_share
    for name, column in unequal.columns().items():
        table.loc[tested, name] = column
    return FunnelTrend(
        table=table,
        headline=_trend_headline(table, unequal, told, period),
        definition=definition
        | {
            "comparisons": f"{unequal.words}; {slope.words}; variances clustered by customer{ALIKE if entries.again.any() else ''}"
        },
        metrics={
            "change_over_time": metric(
                slope.last - slope.first,
                n=len(np.unique(customer)),
                label="Change of conversion over time",
                unit="share",
                better="higher",
            )
        },
        findings=tuple(_trend_findings(table, unequal, told, period)),
        families={tested.name: tested.tests for tested in (unequal, slope)},
    )


def _trend_table(
    log: EventLog, asked: Question, periods: Calendar, index: Ints, first: Attempts
) -> pd.DataFrame:
    """`.table` before anything is tested; `index` is the period of each of the first entries."""
    size = len(periods)
    converted = first.depth == len(asked.steps)
    undecided, complete = ~converted, np.zeros(size, dtype=bool)
    if asked.window is not None:
        undecided &= first.times(0) + asked.window > log.observed_until_us
        complete = periods.starts[1:] - 1 + asked.window <= log.observed_until_us
        complete &= _within_the_range(asked, periods)
    customers = np.bincount(index, minlength=size)
    through = np.bincount(index[converted], minlength=size)
    low, high = wilson(through, customers)
    return pd.DataFrame(
        {
            "period_start": pd.Series(periods.labels).astype("datetime64[us]"),
            "customers": customers,
            "converted": through,
            "share": share(through, customers),
            "share_low": low,
            "share_high": high,
            "still_open": np.bincount(index[undecided], minlength=size),
            "complete": complete,
            "other_share": np.nan,
        }
        | dict.fromkeys(DIFFERENCES, np.nan)
    )


def _within_the_range(asked: Question, periods: Calendar) -> Bools:
    """Which periods `start` and `end` leave whole."""
    begun = -np.inf if asked.start is None else asked.start
    ended = np.inf if asked.end is None else asked.end
    return (periods.starts[:-1] >= begun) & (periods.starts[1:] - 1 <= ended)


def _complete(table: pd.DataFrame) -> pd.Series:
    """The complete periods that somebody entered in."""
    return table["complete"] & (table["customers"] > 0)


@dataclass(frozen=True)
class Entries:
    """One entry a customer and period: its period, how many steps came of it, whose it is, and how many entries that customer had before it."""

    period: Ints
    depth: np.ndarray
    customer: Ints
    before: Ints

    def only(self, rows: Bools) -> Entries:
        """Some of them."""
        parts = (self.period, self.depth, self.customer, self.before)
        return Entries(*(part[rows] for part in parts))

    @property
    def again(self) -> Bools:
        """Which are of customers who had entered before."""
        return self.before > 0

    @property
    def stratum(self) -> Ints:
        """Entries alike in how many came before: none, 1 to 2, 3 to 6, and so on."""
        return np.log2(self.before + 1).astype(np.int64)


def earlier_entries(known: tuple[Ints, Ints], asked: tuple[Ints, Ints]) -> Ints:
    """How many entries known a customer had strictly before each one asked for; both as customers and times."""
    customer, time = (np.concatenate(pair) for pair in zip(asked, known, strict=True))
    is_known = np.arange(len(customer)) >= len(asked[0])
    order = np.lexsort((is_known, time, customer))
    so_far = np.cumsum(is_known[order])
    begins = np.flatnonzero(np.diff(customer[order], prepend=-1))
    of_others = np.repeat(
        so_far[begins] - is_known[order][begins], np.diff(begins, append=len(order))
    )
    before = np.empty(len(order), dtype=np.int64)
    before[order] = so_far - of_others
    return before[: len(asked[0])]


@dataclass(frozen=True)
class Told:
    """What is told of a trend: the slope among entries alike, beside the slope of all; the same where nobody comes back."""

    slope: Slope
    of_all: Slope
    entries: Entries

    @property
    def words(self) -> str:
        """The slope of which a sentence may be made."""
        verb = "rose" if self.slope.last > self.slope.first else "fell"
        first, last = percents(self.slope.first, self.slope.last)
        return f"Conversion {verb} from about {first} to about {last}"

    def unlike_all(self, period: str) -> str:
        """That all entries together have a slope which those alike do not show; "" where they have none."""
        again, when = self.entries.again, self.entries.period
        if not again.any() or not self.of_all.claims[0]:
            return ""
        first, last = (about(again[when == end].mean()) for end in (when.min(), when.max()))
        return (
            f" All entries together went from about {percent(self.of_all.first)} to about {percent(self.of_all.last)}, but not those alike in how often their customer "
            f"had entered before: {first} of the first {period}’s entries are of customers who had, {last} of the last one’s."
        )


def _tested_trend(
    asked: Question, entries: Entries, follow_up: FollowUp
) -> tuple[ShareComparison, Slope, Slope]:
    """Each complete period against all others together, the slope among entries alike, and that of all.

    Where customers come back, what is claimed holds among entries alike in how many came before: the older a log, the more of a period's entries are of those who
    come back, and they convert otherwise. p is the larger one, 1 where the two go apart.
    """
    rows = entries.period, entries.depth == len(asked.steps), entries.customer
    size, least = int(entries.period.max()) + 1, asked.min_n
    unequal = repeated_groups_against_others(
        BY_PERIOD, *rows, size, follow_up=follow_up, min_n=least
    )
    of_all = share_over_time(OVER_TIME, *rows, follow_up=follow_up, min_n=least)
    if not entries.again.any():
        return unequal, of_all, of_all
    alike, difference = within_strata_against_others(
        BY_PERIOD, *rows, entries.stratum, size, follow_up=follow_up, min_n=least
    )
    slope = share_over_time(
        OVER_TIME, *rows, stratum=entries.stratum, follow_up=follow_up, min_n=least
    )
    apart = unequal.share - unequal.other_share, difference
    rise = of_all.last - of_all.first, slope.last - slope.first
    return (
        replace(
            unequal,
            p_value=_larger(unequal.p_value, alike.p_value, apart),
            p_adjusted=_larger(unequal.p_adjusted, alike.p_adjusted, apart),
        ),
        replace(
            slope,
            p_value=_larger(of_all.p_value, slope.p_value, rise),
            p_adjusted=_larger(of_all.p_adjusted, slope.p_adjusted, rise),
        ),
        of_all,
    )


def _larger(p: Floats, other: Floats, differences: tuple[Floats | float, Floats | float]) -> Floats:
    """The larger of two p-values of differences that go the same way."""
    same = np.sign(differences[0]) == np.sign(differences[1])
    return np.where(np.isnan(p) | np.isnan(other), np.nan, np.where(same, np.maximum(p, other), 1))


def _empty_trend() -> pd.DataFrame:
    shares = ["share", "share_low", "share_high"]
    types = {"period_start": "datetime64[us]", "customers": "int64", "converted": "int64"}
    types |= dict.fromkeys(shares, "float64") | {"still_open": "int64", "complete": "bool"}
    types |= dict.fromkeys(["other_share", *DIFFERENCES], "float64")
    return pd.DataFrame(columns=list(types)).astype(types)


def _trend_definition(asked: Question, period: str) -> dict[str, str]:
    return {
        "period": f"calendar {period} of entry, in the business's zone; a customer counts once in each period, by the first entry in it, whatever came of it and whatever `entry` says",
        "share": "customers whose attempt from that entry reached the last step ÷ customers who entered in the period; Wilson 95%",
        "complete": "every window that opened in the period had ended by the end of data, so that its share cannot rise, and neither start nor end cuts the period",
        "comparison": "each complete period against the other complete ones together, with a variance by customer; difference and interval are of all entries. "
        "Where customers come back, p is the larger one of all entries and of entries alike in how many came before (none, 1–2, 3–6, …), and 1 where these two go apart",
    }


def _running(table: pd.DataFrame, period: str) -> str:
    running = int((~table["complete"]).sum())
    return (
        f" {count_of(running, f'{period} is', f'{period}s are')} not complete." if running else ""
    )


def _short_trend(asked: Question, table: pd.DataFrame, period: str) -> str:
    whole = table[_complete(table)]
    if whole.empty:
        cut = (asked.start, asked.end) != (None, None) and asked.window is not None
        said = "start or end cuts it, or windows" if cut else "every window"
        verb, them = ("are", "in each ") if cut else ("is", "")
        return f"No {period} is complete: {them}{said} {verb} still open, so each share may rise."
    only = whole.iloc[0]
    return (
        f"One complete {period}: {percent(only['share'])} of {count_of(int(only['customers']), 'customer')} converted "
        f"({confidence(only['share_low'], only['share_high'])}).{_running(table, period)}"
    )


def _trend_headline(table: pd.DataFrame, unequal: ShareComparison, told: Told, period: str) -> str:
    whole = table[_complete(table)]
    over = f"over {count_of(len(whole), f'complete {period}')}"
    if np.isnan(told.slope.p_value[0]):
        headline = f"Too few customers to tell a trend of conversion {over}."
    elif told.slope.claims[0]:
        headline = f"{told.words} {over}."
    else:
        pooled = float(whole["converted"].sum() / whole["customers"].sum())
        headline = f"Conversion shows no significant trend {over}: {percent(pooled)} of {count_of(int(whole['customers'].sum()), 'entry', 'entries')}.{told.unlike_all(period)}"
    return headline + unusual_words(table, unequal.claims, period) + _running(table, period)


def unusual_words(table: pd.DataFrame, unusual: Bools, period: str) -> str:
    """The periods that differ from all other complete ones together."""
    rows = table.iloc[np.flatnonzero(unusual)]
    named = [
        f"{start:%Y-%m-%d} ({percent(own)} of {customers:,}, {'above' if difference > 0 else 'below'} the others)"
        for start, own, customers, difference in zip(
            rows["period_start"],
            rows["share"],
            rows["customers"],
            rows["difference"],
            strict=True,
        )
    ]
    if not named:
        return ""
    more = [f"{len(named) - 3} more"] if len(named) > 3 else []
    stands, word = ("stands", period) if len(named) == 1 else ("stand", f"{period}s")
    return f" The {word} of {joined([*named[:3], *more])} {stands} out."


def _trend_findings(
    table: pd.DataFrame, unequal: ShareComparison, told: Told, period: str
) -> list[Finding]:
    """A trend, and the last complete period where it differs from the others."""
    complete, slope = table[_complete(table)], told.slope
    findings = []
    if slope.claims[0]:
        change = slope.last - slope.first
        findings.append(
            Finding(
                topic=slope.name,
                claim=f"{told.words} over {count_of(len(complete), period)}.",
                direction="good" if change > 0 else "bad",
                value=change,
                n=int(complete["customers"].sum()),
                unit="share",
                customers=round(abs(change) / 2 * int(complete["customers"].sum())),
                family=slope.name,
                p_adjusted=float(slope.p_adjusted[0]),
                figure="trend",
            )
        )
    last = int(complete.index[-1])
    if unequal.claims[last]:
        row = table.iloc[last]
        findings.append(
            of_shares(
                row,
                int(row["customers"]),
                claim=f"In the {period} of {row['period_start']:%Y-%m-%d} {percent(row['share'])} of {row['customers']:,} customers converted, "
                f"{points(row['difference'], row['difference_low'], row['difference_high'])} against the other {period}s (95% CI {points_interval(row['difference_low'], row['difference_high'])}).",
                family=unequal.name,
                figure="trend",
            )
        )
    return findings


# ---- against the period before ---------------------------------------------------------------------------------


def no_previous(log: EventLog, asked: Question) -> str:
    """Why there is no period before to compare with; "" where there is one."""
    if asked.start is None:
        return "The funnel has no start, so there is no period before it to compare with."
    if asked.window is None and len(asked.steps) > 1:
        return "Without a window the two periods were followed for different times, so they are not compared."
    end = log.observed_until_us if asked.end is None else asked.end
    if end < asked.start:
        return f"The funnel starts at {log.moment(asked.start):%Y-%m-%d %H:%M}, after the end of data ({log.observed_until:%Y-%m-%d %H:%M}): there is nothing to compare."
    if asked.start + _horizon(asked) > log.observed_until_us:
        return "No window of this period has ended yet, so there is nothing to compare with the period before."
    return ""


def _horizon(asked: Question) -> int:
    """How long an entry is followed; a funnel of one step has nothing to wait for."""
    return 0 if asked.window is None or len(asked.steps) == 1 else asked.window


@dataclass(frozen=True)
class Ranges:
    """First and last instant of entry, now and before: of equal length, and cut alike where the windows of now have not ended."""

    now: tuple[int, int]
    before: tuple[int, int]
    whole: bool


def ranges(log: EventLog, asked: Question) -> Ranges:
    """The range asked for as far as its windows have ended, and the same part of the range of equal length just before `start`."""
    assert asked.start is not None
    start, (before, last) = asked.start, _previous_bounds(log, asked)
    end = log.observed_until_us if asked.end is None else asked.end
    closed = log.observed_until_us - _horizon(asked)
    if end <= closed:
        return Ranges((start, end), (before, last), whole=True)
    return Ranges((start, closed), (before, min(last, before + closed - start)), whole=False)


def _previous_bounds(log: EventLog, asked: Question) -> tuple[int, int]:
    """The range of equal length that ends just before `start`: in whole local days if the range is, else in elapsed time."""
    assert asked.start is not None
    end = log.observed_until_us if asked.end is None else asked.end
    first, after = log.moment(asked.start), log.moment(end + 1)
    if first == first.normalize() and after == after.normalize():
        days = round((after.tz_localize(None) - first.tz_localize(None)) / pd.Timedelta(days=1))
        before = log.instant((first.tz_localize(None) - pd.Timedelta(days=days)), "start")
    else:
        before = asked.start - (end + 1 - asked.start)
    return before, asked.start - 1


@dataclass(frozen=True)
class Side:
    """One of the two periods: customer code and depth of each counted attempt."""

    customer: Positions
    depth: np.ndarray

    def reached(self, steps: int) -> Ints:
        """How many reached each step."""
        return np.array([np.count_nonzero(self.depth > k) for k in range(steps)], dtype=np.int64)


def first_of_each_period(
    rows: Rows, attempts: Attempts, asked: Question, compared: Ranges
) -> Entries:
    """Each customer's first entry in each of the two periods (0 now, 1 before), whatever came of it; `attempts` are those of all entries."""
    time = attempts.times(0)
    inside = [(time >= first) & (time <= last) for first, last in (compared.now, compared.before)]
    span = np.select(inside, [0, 1], 2).astype(np.int64)
    first = first_entries(
        attempts, rows.moments, rows.excluded, asked.exclude, window=asked.window, span=span
    )
    entered = first.times(0)
    inside = [
        (entered >= start) & (entered <= last) for start, last in (compared.now, compared.before)
    ]
    kept = np.flatnonzero(inside[0] | inside[1])
    customer = rows.customer.astype(np.int64)
    whose = customer[first.who[kept]]
    before = earlier_entries((customer[attempts.who], time), (whose, entered[kept]))
    return Entries(np.where(inside[0], 0, 1)[kept], first.depth[kept], whose, before)


def compare_previous(
    log: EventLog, asked: Question, now: Side, before: Side, entries: Entries, compared: Ranges
) -> FunnelChange:
    """Two funnels of the same question side by side, all of whose windows have ended."""
    n = len(asked.steps)
    reached, was = now.reached(n), before.reached(n)
    smallest = int(min(reached[0], was[0]))
    steps = _compared_steps(asked, now, before, entries)
    low, high, p, adjusted = (np.full(n, np.nan) for _ in range(4))
    if steps is not None:
        tested, bounds = steps
        low[1:], high[1:] = bounds
        p[1:], adjusted[1:] = tested.p_value, tested.p_adjusted
    own, other = share(reached, reached[0]), share(was, was[0])
    difference = np.where(np.arange(n) > 0, own - other, np.nan)
    claims = [False] * n if steps is None else [False, *steps[0].claims.tolist()]
    verdicts: list[str | None] = ["too few to compare"] * n
    if smallest >= asked.min_n:
        ways = np.where(difference > 0, "better", "worse")
        verdicts = np.where(claims, ways, "no significant change").tolist()
    verdicts[0] = None
    table = pd.DataFrame(
        {
            "step": np.arange(1, n + 1),
            "event": pd.Series(asked.in_words, dtype="str"),
            "customers": reached,
            "share_of_first": own,
            "previous_customers": was,
            "previous_share_of_first": other,
            "difference": difference,
            "difference_low": low,
            "difference_high": high,
            "p_value": p,
            "p_adjusted": adjusted,
            "verdict": pd.Series(verdicts, dtype="str"),
        }
    )
    change = table[["difference", "difference_low", "difference_high"]].iloc[-1].tolist()
    return FunnelChange(
        table=table,
        headline=_previous_headline(table, compared),
        definition=_previous_definition(log, asked, compared, None if steps is None else steps[0]),
        metrics={
            "change_of_conversion": metric(
                *change, n=smallest, label="Change of conversion", unit="share", better="higher"
            )
        },
        findings=tuple(_change_findings(table)) if steps is not None else (),
        families={} if steps is None else {steps[0].name: steps[0].tests},
    )


PREVIOUS = "conversion against the period before"


def _compared_steps(
    asked: Question, now: Side, before: Side, entries: Entries
) -> tuple[Family, tuple[np.ndarray, np.ndarray]] | None:
    """Each later step's share of the first, now against before: a customer may stand in both periods.

    Where customers come back, what is claimed holds of each customer's first entry of a period too, among newcomers or those who stand in both periods, whichever are
    more: who comes more often has more attempts of which one may succeed, and the older the log the more of a period's customers are of that kind.
    """
    n = len(asked.steps)
    if n == 1 or not len(now.depth) or not len(before.depth):
        return None
    period = np.repeat([0, 1], [len(now.depth), len(before.depth)])
    customer = np.concatenate([now.customer, before.customer]).astype(np.int64)
    depth = np.concatenate([now.depth, before.depth])
    follow_up = FollowUp(ENTRY, asked.window or 0)
    steps = [
        repeated_groups_against_others(
            PREVIOUS, period, depth > k, customer, 2, follow_up=follow_up, min_n=asked.min_n
        )
        for k in range(1, n)
    ]
    tested = family(
        PREVIOUS,
        [step.p_value[0] for step in steps],
        units=len(now.depth),
        other_units=len(before.depth),
        follow_up=follow_up,
        min_n=asked.min_n,
    )
    alike = entries.only(_alike(entries))
    if entries.again.any():
        p = _larger_of_alike(tested, steps, alike, follow_up, asked.min_n)
        sizes = [int(np.count_nonzero(alike.period == side)) for side in (0, 1)]
        units, others = (np.full(n - 1, size) for size in sizes)
        tested = family(
            PREVIOUS, p, units=units, other_units=others, follow_up=follow_up, min_n=asked.min_n
        )
    return tested, (np.array([s.low[0] for s in steps]), np.array([s.high[0] for s in steps]))


def _alike(entries: Entries) -> Bools:
    """The entries of newcomers, or of customers who stand in both periods, whichever are more."""
    _, who, times = np.unique(entries.customer, return_inverse=True, return_counts=True)
    new, both = ~entries.again, times[who] == 2
    newcomers = min(np.count_nonzero(new & (entries.period == side)) for side in (0, 1))
    return new if newcomers >= np.count_nonzero(both) / 2 else both


def _larger_of_alike(
    tested: Family,
    steps: list[ShareComparison],
    alike: Entries,
    follow_up: FollowUp,
    min_n: int,
) -> Floats:
    """The p of each step, or that among customers alike where it is larger."""
    own = [
        repeated_groups_against_others(
            PREVIOUS,
            alike.period,
            alike.depth > k,
            alike.customer,
            2,
            follow_up=follow_up,
            min_n=min_n,
        )
        for k in range(1, len(steps) + 1)
    ]
    whole, part = (
        np.array([each.share[0] - each.other_share[0] for each in side]) for side in (steps, own)
    )
    p = np.array([each.p_value[0] for each in own])
    return _larger(tested.p_value, p, (whole, part))


def _change_findings(table: pd.DataFrame) -> list[Finding]:
    """The last step whose share changed."""
    changed = table[table["verdict"].isin(["better", "worse"])]
    return [
        _change_finding(row, int(table["customers"].iloc[0]))
        for _, row in changed.tail(1).iterrows()
    ]


def _change_finding(row: pd.Series, base: int) -> Finding:
    now, before = percents(row["share_of_first"], row["previous_share_of_first"])
    return of_shares(
        row,
        base,
        claim=f"{now} of {base:,} customers reach {row['event']}, {before} in the period before "
        f"({points(row['difference'], row['difference_low'], row['difference_high'])}, 95% CI {points_interval(row['difference_low'], row['difference_high'])}).",
        family=PREVIOUS,
        figure="change",
    )


def _previous_definition(
    log: EventLog, asked: Question, compared: Ranges, tested: Family | None
) -> dict[str, str]:
    span = log.span_us
    now, before = (
        f"{log.moment(first):%Y-%m-%d %H:%M} to {log.moment(last):%Y-%m-%d %H:%M}"
        for first, last in (compared.now, compared.before)
    )
    definition = {
        "period before": f"first events from {before} ({log.timezone}), of equal length",
        "difference": "share_of_first now − before; Newcombe's 95% CI, widened where customers stand in both",
        "verdict": f"better or worse where significant; too few to compare below {asked.min_n} customers in either period",
    }
    if tested is not None:
        definition["comparisons"] = (
            f"{tested.words}; where customers come back, what is claimed holds of each customer’s first entry of a period too, among newcomers or those who stand in both, whichever are more"
        )
    if not compared.whole:
        definition["cut"] = (
            f"later windows have not ended, so first events from {now} are set against the same part of the period before"
        )
    if span is not None and span[0] > compared.before[0]:
        definition["not covered"] = (
            f"the log begins on {log.moment(span[0]):%Y-%m-%d}, so the period before is not whole"
        )
    return definition


def _previous_headline(table: pd.DataFrame, compared: Ranges) -> str:
    last = table.iloc[-1]
    if len(table) == 1:
        return f"{count_of(int(last['customers']), 'customer')} did {last['event']}, {last['previous_customers']:,} in the period before."
    if min(table["customers"].iloc[0], table["previous_customers"].iloc[0]) == 0:
        return "There is nothing to compare: in one of the two periods nobody entered the funnel."
    words = {
        "better": "better than in",
        "worse": "worse than in",
        "no significant change": "no significant change from",
        "too few to compare": "too few customers to compare with",
    }
    now, before = percents(last["share_of_first"], last["previous_share_of_first"])
    cut = "" if compared.whole else "; only entries whose window has ended, on both sides"
    return (
        f"Conversion is {now} of {table['customers'].iloc[0]:,}, before it was {before} of "
        f"{table['previous_customers'].iloc[0]:,} (difference {points_interval(last['difference_low'], last['difference_high'])}, 95% CI): {words[last['verdict']]} the period before{cut}."
    )

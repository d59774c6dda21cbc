"""What those who got there did before, and the others did not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.findings import Finding
from cjlib.analyses.result import Metric, Result, metric
from cjlib.analyses.sequence_summary import base_of, share_words
from cjlib.errors import CjlibError, did_you_mean, not_a_log, shown
from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.shared.event_arrays import (
    ARROW,
    Flags,
    Ints,
    check_at_least,
    customer_column,
    distinct_sequences,
    groups,
)
from cjlib.shared.periods import calendar
from cjlib.shared.risk_comparison import AtRiskComparison, compare_at_risk
from cjlib.shared.stats import share, wilson
from cjlib.show.numbers import count_of, percent, points, points_interval, timespan
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log

NOTHING = "(nothing between)"
FOREVER = np.iinfo(np.int64).max
STEPS = 8
MOST_FINDINGS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class PathDifferences(Result):
    """Two groups of customers side by side: events and moves in `.table`, whole ways in `.sequences`, people in `.customers()`."""

    sequences: pd.DataFrame = field(default_factory=pd.DataFrame)
    groups: tuple[str, str] = ("converted", "lost")
    per_customer: Callable[[], pd.DataFrame] = field(default=pd.DataFrame, repr=False)

    def customers(self) -> pd.DataFrame:
        """One row a customer: `customer_id`, the name of the first group (bool), `start`, `outcome_at` (missing if never); by customer.

        Returns
        -------
        pandas.DataFrame
            The columns named above.
        """
        return self.per_customer()


@dataclass(frozen=True)
class _People:
    """Customers compared, by position: their code, when they start, when they reach the outcome (FOREVER = never), to when they are watched."""

    code: Ints
    start: Ints
    outcome: Ints
    until: Ints
    undecided: int

    @property
    def reached(self) -> Flags:
        """Who reaches the outcome."""
        return self.outcome < FOREVER


def compare_paths(
    log: EventLog,
    *,
    outcome: Event,
    start_event: Event = None,
    window: Duration | None = None,
    passed: Event = None,
    leave_out: Sequence[str] = (),
    groups: tuple[str, str] = ("converted", "lost"),
    top: int | None = 20,
) -> PathDifferences:
    """What customers who reach an outcome do before it, beside those who never do.

    A customer is watched from the first event (with `start_event`: from its first occurrence; those
    without are left out) to the first outcome at or after it, the outcome's own instant excluded,
    or to the end of `window`, included, or of the log. With a window only customers whose window
    has closed count, whatever they did, so that nobody is lost who still had time. Each customer
    counts once for every event name and every move between two different neighbouring events seen
    while watched, the start itself left out. A customer who reaches the outcome some time after the
    start is set beside those who had not reached it by then, and what those did in the same time,
    so that both sides are watched equally long. Events and moves of at least 30 customers are
    tested (log-rank test for habits that begin in time), and p-values adjusted over all of them.

    Parameters
    ----------
    log
        The events.
    outcome
        What separates the groups: a conversion, or for churn the event that ends it; None: not
        known, and the answer says so.
    start_event
        Where watching begins; None: each customer's first event.
    window
        The longest time from start to outcome, end included; None: no limit.
    passed
        The last step that everyone who reaches the outcome must pass: those who pass it are compared, at the same time after it, so that nobody is
        set beside customers who never got so far. What they did before it counts. None: all, from the start.
    leave_out
        Names of events that are not compared and not part of moves, such as steps that everyone who
        converts must pass.
    groups
        Names of those who reach the outcome and those who do not, as columns have them:
        `("churned", "retained")`.
    top
        How many whole ways `.sequences` lists; None: all.

    Returns
    -------
    PathDifferences
        With the default names `.table`: `kind` ("event" or "move"), `pattern`, `converted`,
        `share_of_converted`, `share_of_converted_low`, `share_of_converted_high`, `lost` (who did
        it and never converted), `share_of_lost` (of those not converted by the same time),
        `share_of_lost_low`, `share_of_lost_high`, `difference`, `difference_low`, `difference_high`
        (Newcombe), `p_value`, `p_adjusted` (Benjamini–Hochberg); largest difference first.
        `.sequences`: `path` (first 8 events without neighbouring repeats), `converted`,
        `share_of_converted`, `lost`, `share_of_lost`.

    Raises
    ------
    CjlibError
        If `window` has no unit, `top` is no whole number of 1 or more, `groups` are not two
        different names, or a column of a Step does not exist.

    Examples
    --------
    >>> import cjlib as cj
    >>> log = cj.read_events(cj.sample(customers=200).events)  # doctest: +SKIP
    >>> cj.compare_paths(log, outcome="subscribe", window="14D").headline  # doctest: +SKIP
    """
    if not isinstance(log, Log):
        raise not_a_log(log)
    check_at_least("top", top, 1)
    _check_names(groups)
    if outcome is None:
        return PathDifferences.unanswered(
            f"No event says who is {groups[0]}: name one as outcome, or in the journey file (the last step of a funnel, or churn: {{event: …}}).",
            groups=groups,
        )
    limit = None if window is None else microseconds(window, "window")
    rows = log.fetch("customer", "time", "event")
    people = _people(log, rows, outcome, start_event, limit)
    names = log.event_names
    watched, owner = _watched(log, rows, people, start_event)
    wanted = ~np.isin(
        rows["event"][watched], [code for code, name in enumerate(names) if name in leave_out]
    )
    watched, owner = watched[wanted], owner[wanted]
    event = rows["event"][watched].astype(np.int64)
    alike, position = _equally_far(log, people, passed)
    theirs = position[owner] >= 0
    patterns = _patterns(
        event[theirs], rows["time"][watched][theirs], position[owner][theirs], alike, names
    )
    landmark = "the start" if passed is None else str(as_step(passed, "passed"))
    compared = _compared(patterns, alike, log, landmark)
    table = _table(patterns, compared, alike, groups)
    n, reached = people.code.size, int(people.reached.sum())
    low, high = (float(bound) for bound in wilson(reached, n))
    metrics = {
        f"share_{groups[0]}": metric(
            reached / n if n else float("nan"),
            low,
            high,
            n,
            label=groups[0].capitalize(),
            unit="share",
            better="" if groups[0] != "churned" else "lower",
        ),
        "patterns_tested": metric(compared.tests, n=n, label="Habits compared", unit="number"),
        "patterns_that_differ": metric(
            int(compared.claims.sum()), n=n, label="Habits that differ", unit="number"
        ),
    }
    return PathDifferences(
        table=table,
        headline=_headline(table, metrics, (alike, n), groups),
        findings=_findings(table, compared, groups),
        families={compared.name: compared.tests} if compared.tests else {},
        definition=_definition(
            log, people, (outcome, start_event, passed, leave_out), limit, groups
        )
        | {
            "tests": f"{compared.words}; log-rank test for habits that begin in time; what is claimed holds of those who started in the same months too"
        }
        | base_of(log, rows["customer"].size, log.n_customers),
        metrics=metrics,
        sequences=_sequences(event, owner, people, (names, groups, top)),
        groups=groups,
        per_customer=lambda: _customers(log, people, groups[0]),
    )


def _check_names(groups: Any) -> None:
    fine = (
        isinstance(groups, tuple | list)
        and len(groups) == 2
        and all(isinstance(name, str) and name.isidentifier() for name in groups)
    )
    if not fine or groups[0] == groups[1]:
        raise CjlibError(
            f"groups: must be two different names without blanks, such as ('churned', 'retained'). Got {shown(groups)}."
        )


def _people(
    log: EventLog,
    rows: dict[str, NDArray[Any]],
    outcome: Event,
    start_event: Event,
    limit: int | None,
) -> _People:
    size = int(rows["customer"][-1]) + 1 if rows["customer"].size else 0
    starts = (
        rows
        if start_event is None
        else log.fetch("customer", "time", "row", where=log.match(start_event, "start_event"))
    )
    first = np.full(size, FOREVER)
    at = np.flatnonzero(np.diff(starts["customer"], prepend=-1))
    first[starts["customer"][at]] = starts["time"][at]
    ends = log.fetch("customer", "time", "row", where=log.match(outcome, "outcome"))
    counts = ends["time"] >= first[ends["customer"]]
    if start_event is not None:
        counts &= ~_is_the_start(starts, ends, first, size)
    when, who = ends["time"][counts], ends["customer"][counts]
    reached = np.full(size, FOREVER)
    once = np.flatnonzero(np.diff(who, prepend=-1))
    reached[who[once]] = when[once]
    there = np.flatnonzero(first < FOREVER)
    until = np.full(there.size, FOREVER - 1) if limit is None else first[there] + limit
    closed = np.ones(there.size, dtype=bool) if limit is None else until <= log.observed_until_us
    outcome_at = np.where(reached[there] <= until, reached[there], FOREVER)
    return _People(
        there[closed],
        first[there][closed],
        outcome_at[closed],
        until[closed],
        int(np.count_nonzero(~closed)),
    )


def _equally_far(log: EventLog, people: _People, passed: Event) -> tuple[_People, Ints]:
    """Those who pass a step on their way, each from then on, and for everybody the position among them (−1: none)."""
    if passed is None:
        return people, np.arange(people.code.size)
    steps = log.fetch("customer", "time", where=log.match(passed, "passed"))
    size = int(max(people.code.max(initial=-1), steps["customer"].max(initial=-1))) + 1
    position = _positions(people.code, size)[steps["customer"]]
    whose = position[position >= 0]
    time = steps["time"][position >= 0]
    on_the_way = (time >= people.start[whose]) & (
        time <= np.minimum(people.outcome, people.until)[whose]
    )
    at = np.full(people.code.size, FOREVER)
    np.minimum.at(at, whose[on_the_way], time[on_the_way])
    some = np.flatnonzero(at < FOREVER)
    those = _People(
        people.code[some], at[some], people.outcome[some], people.until[some], people.undecided
    )
    return those, _positions(some, people.code.size)


def _positions(some: Ints, size: int) -> Ints:
    """The place of each of `size` numbers in ascending `some`; −1 for those that are not in it."""
    position = np.full(size, -1)
    position[some] = np.arange(some.size)
    return position


def _compared(
    patterns: list[_Pattern], people: _People, log: EventLog, landmark: str
) -> AtRiskComparison:
    """Who reaches the outcome beside those who had not reached it by the same time from the landmark; what is claimed holds of those who started in the same months too."""
    until = np.minimum(people.until, log.observed_until_us)
    end, start = np.where(people.reached, people.outcome, until), people.start
    span = (int(start.min()), int(start.max())) if start.size else (0, 0)
    return compare_at_risk(
        "habits before the outcome",
        end - people.start,
        people.reached,
        [(pattern.customer, pattern.since) for pattern in patterns],
        landmark=landmark,
        stratum=calendar(*span, "month", log.zone).index(start),
    )


def _is_the_start(
    starts: dict[str, NDArray[Any]], ends: dict[str, NDArray[Any]], first: Ints, size: int
) -> Flags:
    """Outcome events that are the customer's only start event at the starting instant: one event does not fill both."""
    opening = starts["time"] == first[starts["customer"]]
    several = np.bincount(starts["customer"][opening], minlength=size) > 1
    return np.isin(ends["row"], starts["row"][opening]) & ~several[ends["customer"]]


def _watched(
    log: EventLog, rows: dict[str, NDArray[Any]], people: _People, start_event: Event
) -> tuple[Ints, Ints]:
    """The rows while each customer is watched, and whose they are (positions in `people`)."""
    size = int(rows["customer"][-1]) + 1 if rows["customer"].size else 0
    owner = _positions(people.code, size)[rows["customer"]]
    there = owner >= 0
    there[there] = (
        (rows["time"][there] >= people.start[owner[there]])
        & (rows["time"][there] <= people.until[owner[there]])
        & (rows["time"][there] < people.outcome[owner[there]])
    )
    if start_event is not None:
        matched = log.fetch("row", "time", where=log.match(start_event, "start_event"))
        opening = there[matched["row"]] & (
            matched["time"] == np.append(people.start, 0)[owner[matched["row"]]]
        )
        there[matched["row"][opening]] = False
    watched = np.flatnonzero(there)
    return watched, owner[watched]


@dataclass(frozen=True)
class _Pattern:
    """An event or a move: who showed it, and how long after the start for the first time; customers ascending."""

    kind: str
    name: str
    customer: Ints
    since: Ints


def _patterns(
    event: Ints, time: Ints, owner: Ints, people: _People, names: list[str]
) -> list[_Pattern]:
    """The events and moves of at least 30 customers while they were watched."""
    since = time - people.start[owner]
    moved = np.flatnonzero((owner[1:] == owner[:-1]) & (event[1:] != event[:-1])) + 1
    patterns = _common("event", event, since, owner, lambda key: names[key])
    return patterns + _common(
        "move",
        event[moved - 1] * len(names) + event[moved],
        since[moved],
        owner[moved],
        lambda key: ARROW.join((names[key // len(names)], names[key % len(names)])),
    )


def _common(
    kind: str, keys: Ints, since: Ints, owner: Ints, name: Callable[[int], str]
) -> list[_Pattern]:
    by_key = groups(keys)
    patterns = []
    for key, start, size in zip(
        by_key.keys.tolist(), by_key.starts.tolist(), by_key.sizes.tolist(), strict=True
    ):
        rows = by_key.order[start : start + size]
        first = rows[np.flatnonzero(np.diff(owner[rows], prepend=-1))]
        if first.size >= MIN_N:
            patterns.append(_Pattern(kind, name(key), owner[first], since[first]))
    return patterns


def _table(
    patterns: list[_Pattern],
    compared: AtRiskComparison,
    people: _People,
    labels: tuple[str, str],
) -> pd.DataFrame:
    reached = np.array([people.reached[p.customer].sum() for p in patterns], dtype=np.int64)
    shown = np.array([p.customer.size for p in patterns], dtype=np.int64)
    low, high = wilson(reached, int(people.reached.sum()))
    other_low, other_high = wilson(compared.other_share * compared.others, compared.others)
    first, other = labels
    table = pd.DataFrame(
        {
            "kind": pd.Series([p.kind for p in patterns], dtype="str"),
            "pattern": pd.Series([p.name for p in patterns], dtype="str"),
            first: reached,
            f"share_of_{first}": compared.share,
            f"share_of_{first}_low": low,
            f"share_of_{first}_high": high,
            other: shown - reached,
            f"share_of_{other}": compared.other_share,
            f"share_of_{other}_low": other_low,
            f"share_of_{other}_high": other_high,
            **compared.columns(),
        }
    )
    strength = -table["difference"].abs().round(12)
    ordered = table.assign(strength=strength).sort_values(["strength", "kind", "pattern"])
    return ordered.drop(columns="strength").reset_index(drop=True)


def _sequences(
    event: Ints,
    owner: Ints,
    people: _People,
    shown_as: tuple[list[str], tuple[str, str], int | None],
) -> pd.DataFrame:
    names, labels, top = shown_as
    new = np.ones(event.size, dtype=bool)
    new[1:] = (owner[1:] != owner[:-1]) | (event[1:] != event[:-1])
    event, owner = event[new], owner[new]
    size = np.bincount(owner, minlength=people.code.size)
    start = np.cumsum(size) - size
    size = np.minimum(size, STEPS)
    number, example = distinct_sequences(event, start, size)
    reached = np.bincount(number, people.reached, example.size).astype(np.int64)
    every = np.bincount(number, minlength=example.size)
    least = np.sort(every)[::-1][top - 1] if top is not None and every.size > top else 0
    common = np.flatnonzero(every >= least)
    ways = [
        tuple(names[code] for code in event[start[one] : start[one] + size[one]].tolist())
        for one in example[common].tolist()
    ]
    order = sorted(range(common.size), key=lambda place: (-every[common[place]], ways[place]))[:top]
    picked = common[order] if order else np.zeros(0, dtype=np.int64)
    table = pd.DataFrame(
        {
            "path": pd.Series(
                pd.array([ARROW.join(ways[place]) or NOTHING for place in order], dtype="str")
            )
        }
    )
    for label, count, base in (
        (labels[0], reached, people.reached.sum()),
        (labels[1], every - reached, (~people.reached).sum()),
    ):
        table = table.assign(
            **{label: count[picked], f"share_of_{label}": share(count[picked], base)}
        )
    return table


def _definition(
    log: EventLog,
    people: _People,
    asked: tuple[Event, Event, Event, Sequence[str]],
    limit: int | None,
    labels: tuple[str, str],
) -> dict[str, str]:
    outcome, start_event, passed, leave_out = asked
    given = [
        name
        for event in (outcome, start_event, passed, list(leave_out) or None)
        for name in log.unknown_events(event)
    ]
    unknown = "".join(
        f" {name!r} never occurs in the log.{did_you_mean(name, log.event_names)}" for name in given
    )
    return {
        "unit": "the customer, once for each event and each move",
        labels[
            0
        ]: f"{as_step(outcome, 'outcome')} at or after the start{'' if limit is None else ', within the window'}.{unknown}",
        labels[1]: "all others who start",
        "start": "the customer's first event"
        if start_event is None
        else f"the first {as_step(start_event, 'start_event')}; customers without it are left out",
        "window": "none"
        if limit is None
        else f"{timespan(limit)}, its end included; {count_of(people.undecided, 'customer')} left out, since theirs had not closed",
        **({} if passed is None else {"passed": _passed_words(passed)}),
        "watched": f"from the start to the outcome (its instant excluded); share_of_{labels[1]} is of those still without it after the same time, so both are watched equally long",
        **({"left out of the comparison": ", ".join(leave_out)} if leave_out else {}),
        "meaning": "Association, not causation.",
    }


def _passed_words(passed: Event) -> str:
    return f"{as_step(passed, 'passed')}: compared are those who passed it, at the same time after it; what they did before it counts"


def _headline(
    table: pd.DataFrame,
    metrics: dict[str, Metric],
    compared: tuple[_People, int],
    labels: tuple[str, str],
) -> str:
    alike, n = compared
    base = f"{share_words(metrics[f'share_{labels[0]}'])} of {count_of(n, 'customer')} {labels[0]}"
    reached = int(alike.reached.sum())
    if n == 0:
        return "No customer meets these options (n = 0)."
    if min(reached, alike.code.size - reached) < MIN_N:
        return f"{base}: fewer than {MIN_N} on one side, too few to compare."
    tested = int(table["p_adjusted"].notna().sum())
    clear = _claimed(table, labels)
    if clear.empty:
        return f"{base}; nothing they did before differs significantly ({count_of(tested, 'habit')} compared)."
    return f"{base}. Significant difference: {_claim(clear.iloc[0], labels)} Association, not causation."


def _claimed(table: pd.DataFrame, labels: tuple[str, str]) -> pd.DataFrame:
    """What differs significantly, the largest difference first; what all or none of those who got there did is told only where nothing else differs."""
    clear = table[table["p_adjusted"] < CLAIM]
    chosen = _by_some(clear, labels)
    return clear if chosen.empty else chosen


def _by_some(clear: pd.DataFrame, labels: tuple[str, str]) -> pd.DataFrame:
    """What some of those who got there did and some did not: what all did is part of the route, what none did may be another end of it."""
    return clear[clear[f"share_of_{labels[0]}"].between(0, 1, inclusive="neither")]


def _claim(row: pd.Series, labels: tuple[str, str]) -> str:
    first, other = labels
    return (
        f"{percent(row[f'share_of_{first}'])} of the {first} did “{row['pattern']}” before, {percent(row[f'share_of_{other}'])} of those not {first} by the same time "
        f"({points(row['difference'], row['difference_low'], row['difference_high'])}, 95% CI {points_interval(row['difference_low'], row['difference_high'])})."
    )


def _findings(
    table: pd.DataFrame, compared: AtRiskComparison, labels: tuple[str, str]
) -> tuple[Finding, ...]:
    """What they did more or less often; whether that is good depends on the outcome, so none is called so."""
    clear = _by_some(_claimed(table, labels), labels).head(MOST_FINDINGS)
    return tuple(
        Finding(
            topic=f"paths of {labels[0]} and {labels[1]}",
            claim=f"The {labels[0]} did “{row['pattern']}” {'more' if row['difference'] > 0 else 'less'} often: {_claim(row, labels)}",
            direction="neutral",
            family=compared.name,
            p_adjusted=row["p_adjusted"],
            value=row["difference"],
            low=row["difference_low"],
            high=row["difference_high"],
            n=int(row[labels[0]] + row[labels[1]]),
            unit="share",
            customers=int(row[labels[0]]),
            figure="differences",
        )
        for _, row in clear.iterrows()
    )


def _customers(log: EventLog, people: _People, label: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": customer_column(log, people.code),
            label: people.reached,
            "start": log.moments(people.start),
            "outcome_at": log.moments(np.where(people.reached, people.outcome, 0), ~people.reached),
        }
    )

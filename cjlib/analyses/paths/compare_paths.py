"""What those who got there did before, and the others did not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.result import Metric, Result, metric
from cjlib.analyses.sequence_summary import base_of, share_words
from cjlib.errors import CjlibError, did_you_mean, shown
from cjlib.shared.comparison import MIN_N
from cjlib.shared.event_arrays import (
    ARROW,
    Flags,
    Groups,
    Ints,
    check_at_least,
    customer_column,
    distinct_sequences,
    groups,
)
from cjlib.shared.stats import share, wilson
from cjlib.shared.two_samples import benjamini_hochberg, newcombe, two_shares_p
from cjlib.show.numbers import confidence, count_of, percent, timespan
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog

NOTHING = "(nothing between)"
FOREVER = np.iinfo(np.int64).max
STEPS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class PathDifferences(Result):
    """Two kinds of customers side by side: events and moves in `.table`, whole ways in `.sequences`, people in `.customers()`."""

    sequences: pd.DataFrame
    groups: tuple[str, str]
    per_customer: Callable[[], pd.DataFrame] = field(repr=False)

    def customers(self) -> pd.DataFrame:
        """One row a customer: `customer_id`, the name of the first group (bool), `start`, `outcome_at` (missing if never); by customer."""
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
    leave_out: Sequence[str] = (),
    groups: tuple[str, str] = ("converted", "lost"),
    top: int | None = 20,
) -> PathDifferences:
    """What customers who reach an outcome do before it, beside those who never do.

    A customer is watched from the first event (with `start_event`: from its first occurrence; those without are left out) to the first
    outcome at or after it, the outcome's own instant excluded, or to the end of `window`, included, or of the log. With a window only
    customers whose window has closed count, whatever they did, so that nobody is lost who still had time. Each customer counts once for
    every event name and every move between two different neighbouring events seen while watched, the start itself left out. Events and
    moves of at least 30 customers are tested, and p-values adjusted over all of them.

    Parameters
    ----------
    log
        The events.
    outcome
        What separates the groups: a conversion, or for churn the event that ends it.
    start_event
        Where watching begins; None: each customer's first event.
    window
        The longest time from start to outcome, end included; None: no limit.
    leave_out
        Names of events that are not compared and not part of moves, such as steps that everyone who converts must pass.
    groups
        Names of those who reach the outcome and those who do not, as columns have them: `("churned", "retained")`.
    top
        How many whole ways `.sequences` lists; None: all.

    Returns
    -------
    PathDifferences
        With the default names `.table`: `kind` ("event" or "move"), `pattern`, `converted`, `share_of_converted`, `share_of_converted_low`,
        `share_of_converted_high`, `lost`, `share_of_lost`, `share_of_lost_low`, `share_of_lost_high`, `difference`, `difference_low`, `difference_high`
        (Newcombe), `p_value`, `p_adjusted` (Benjamini–Hochberg); largest difference first. `.sequences`: `path` (first 8 events without
        neighbouring repeats), `converted`, `share_of_converted`, `lost`, `share_of_lost`.

    Raises
    ------
    CjlibError
        If an option is none of those allowed.

    Examples
    --------
    >>> import cjlib as cj
    >>> log = cj.read_events(cj.sample(customers=200).events)  # doctest: +SKIP
    >>> cj.compare_paths(log, outcome="subscribe", window="14D").headline  # doctest: +SKIP
    """
    check_at_least("top", top, 1)
    _check_names(groups)
    limit = None if window is None else microseconds(window, "window")
    rows = log.fetch("customer", "time", "event")
    people = _people(log, rows, outcome, start_event, limit)
    names = log.event_names
    kept, owner = _watched(log, rows, people, start_event)
    compared = ~np.isin(
        rows["event"][kept], [code for code, name in enumerate(names) if name in leave_out]
    )
    kept, owner = kept[compared], owner[compared]
    event = rows["event"][kept].astype(np.int64)
    table = _table(_patterns(event, owner, len(names)), owner, people, names, groups)
    n, reached = people.code.size, int(people.reached.sum())
    low, high = (float(bound) for bound in wilson(reached, n))
    metrics = {
        f"share_{groups[0]}": metric(reached / n if n else float("nan"), low, high, n),
        "patterns_tested": metric(len(table), n=n),
        "patterns_that_differ": metric(int((table["p_adjusted"] < 0.05).sum()), n=n),
    }
    return PathDifferences(
        table=table,
        headline=_headline(table, metrics, n, reached, groups),
        definition=_definition(log, people, (outcome, start_event, leave_out), limit, groups)
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
    position = np.full(int(rows["customer"][-1]) + 1 if rows["customer"].size else 0, -1)
    position[people.code] = np.arange(people.code.size)
    owner = position[rows["customer"]]
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
    kept = np.flatnonzero(there)
    return kept, owner[kept]


def _patterns(event: Ints, owner: Ints, n: int) -> tuple[Groups, Groups]:
    moved = np.flatnonzero((owner[1:] == owner[:-1]) & (event[1:] != event[:-1]))
    return groups(event), groups(event[moved] * n + event[moved + 1])


def _table(
    found: tuple[Groups, Groups],
    owner: Ints,
    people: _People,
    names: list[str],
    labels: tuple[str, str],
) -> pd.DataFrame:
    events, moves = found
    before = _moved_rows(events, moves, owner)
    parts = [_counted(events, owner, people), _counted(moves, before, people)]
    pattern = [names[key] for key in events.keys.tolist()] + [
        ARROW.join((names[key // len(names)], names[key % len(names)]))
        for key in moves.keys.tolist()
    ]
    kind = ["event"] * events.keys.size + ["move"] * moves.keys.size
    every, reached = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    tested = np.flatnonzero(every >= MIN_N)
    return _compared(
        pd.DataFrame(
            {
                "kind": pd.Series(
                    pd.array([kind[place] for place in tested.tolist()], dtype="str")
                ),
                "pattern": pd.Series(
                    pd.array([pattern[place] for place in tested.tolist()], dtype="str")
                ),
            }
        ),
        (reached[tested], every[tested] - reached[tested]),
        (int(people.reached.sum()), int((~people.reached).sum())),
        labels,
    )


def _moved_rows(events: Groups, moves: Groups, owner: Ints) -> Ints:
    event = np.empty(owner.size, dtype=np.int64)
    event[events.order] = np.repeat(events.keys, events.sizes)
    return owner[:-1][(owner[1:] == owner[:-1]) & (event[1:] != event[:-1])]


def _counted(found: Groups, owner: Ints, people: _People) -> tuple[Ints, Ints]:
    """How many customers show each pattern, and how many of them reach the outcome."""
    if not found.keys.size:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    held = owner[found.order]
    once = np.ones(held.size, dtype=bool)
    np.not_equal(held[1:], held[:-1], out=once[1:])
    once[found.starts] = True
    return np.add.reduceat(once, found.starts, dtype=np.int64), np.add.reduceat(
        once & people.reached[held], found.starts, dtype=np.int64
    )


def _compared(
    table: pd.DataFrame, counts: tuple[Ints, Ints], bases: tuple[int, int], labels: tuple[str, str]
) -> pd.DataFrame:
    for label, count, base in zip(labels, counts, bases, strict=True):
        low, high = wilson(count, np.full(count.size, base))
        table = table.assign(
            **{
                label: count,
                f"share_of_{label}": share(count, base),
                f"share_of_{label}_low": low,
                f"share_of_{label}_high": high,
            }
        )
    low, high = newcombe(
        counts[0], np.full(counts[0].size, bases[0]), counts[1], np.full(counts[1].size, bases[1])
    )
    p = [
        two_shares_p(one, bases[0], other, bases[1])
        for one, other in zip(counts[0].tolist(), counts[1].tolist(), strict=True)
    ]
    table = table.assign(
        difference=table[f"share_of_{labels[0]}"] - table[f"share_of_{labels[1]}"],
        difference_low=low,
        difference_high=high,
        p_value=np.asarray(p, dtype=float),
        p_adjusted=benjamini_hochberg(p),
    )
    order = np.lexsort(
        (
            table["pattern"].to_numpy(dtype=object).astype(str),
            table["kind"].to_numpy(dtype=object).astype(str),
            -table["difference"].abs().round(12),
        )
    )
    return table.iloc[order].reset_index(drop=True)


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
    asked: tuple[Event, Event, Sequence[str]],
    limit: int | None,
    labels: tuple[str, str],
) -> dict[str, str]:
    outcome, start_event, leave_out = asked
    given = [
        name
        for event in (outcome, start_event, list(leave_out) or None)
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
        "watched": f"from the start to the outcome (its instant excluded), or to the end: {labels[0]} customers are watched for less time",
        **({"left out of the comparison": ", ".join(leave_out)} if leave_out else {}),
        "tests": f"two-sided z test of two shares (Fisher's exact where few), for patterns of at least {MIN_N} customers, adjusted by Benjamini–Hochberg",
        "meaning": "what goes with the outcome, not what brings it about",
    }


def _headline(
    table: pd.DataFrame, metrics: dict[str, Metric], n: int, reached: int, labels: tuple[str, str]
) -> str:
    base = f"{share_words(metrics[f'share_{labels[0]}'])} of {count_of(n, 'customer')} {labels[0]}"
    if n == 0:
        return "No customer meets these options (n = 0)."
    if min(reached, n - reached) < MIN_N:
        return f"{base}: fewer than {MIN_N} on one side, too few to compare."
    clear = table.loc[table["p_adjusted"] < 0.05]
    if clear.empty:
        return f"{base}; nothing they did before separates them beyond chance ({count_of(len(table), 'pattern')} tested)."
    # They are watched for less time: what they do less often may be for lack of it. What all of them do is a part of the way, not a choice.
    more = clear.loc[clear["difference"] > 0]
    if more.empty:
        return f"{base}; nothing they did before is commoner than among the {labels[1]} beyond chance. What is rarer may be for lack of time."
    chosen = more.loc[more[f"share_of_{labels[0]}"] < 1]
    row = (more if chosen.empty else chosen).iloc[0]
    within = confidence(row["difference_low"], row["difference_high"]).removesuffix("%")
    return (
        f"{base}. What sets them apart most is {row['pattern']}: {percent(row[f'share_of_{labels[0]}'])} of the {labels[0]} did it before, "
        f"{percent(row[f'share_of_{labels[1]}'])} of the {labels[1]} (difference {100 * row['difference']:.1f} points, {within} points). "
        "It goes with the outcome; it need not bring it about."
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

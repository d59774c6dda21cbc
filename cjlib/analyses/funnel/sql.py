"""The funnel as one portable statement: a cascade over the instants of each customer.

With m_k the latest start among chains that have filled steps 1 … k, an event that fits step k + 1 at t extends one if t − m_k is within the window:
the latest start is always the best one to keep. One row a customer and instant, so that ties need no order: `v_j` is the latest
start of a chain that fills step j at this very instant, `p_j` the greatest `v_j` of earlier instants. Inside an instant a run of steps
can be filled by different events if, for each choice of its steps, enough events fit any of them (Hall's condition).

`Timed` goes on from there: the cascade finds how deep a customer gets and where the counted attempt began, so the earliest instant of each step
follows; of all times between steps only those in the middle come back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import pandas as pd

from cjlib.analyses.funnel.options import Question
from cjlib.shared.sql import as_text, between, near_middle
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.engine import identifier
from cjlib.sources.log.event_log import Log

MOST_CHOICES = 300
"""More sums than this in one statement are for no reader and no parser."""

MOST_TIMED = 12
"""Steps beyond which a statement with times, which grows with their square, is for no engine."""

_BEFORE_ALL = int(pd.Timestamp("1900-01-01", tz="UTC").value // 1000)


def statement(log: Log, asked: Question) -> tuple[str, str]:
    """The statement, and in words what it gives."""
    plan = Plan(log, asked)
    if plan.choices is None:
        return "", "none: too many steps overlap with one another for one readable statement"
    return plan.text(), _words(asked)


def open_statement(log: Log, asked: Question) -> str:
    """The statement with a column more, `still_open`: who stopped there and has a first event whose window is open."""
    plan = Plan(log, asked, still_open=True)
    return "" if plan.choices is None else plan.text()


def _words(asked: Question) -> str:
    lacks = [f"order='{asked.order}'"] if asked.order != "sequential" else []
    lacks += ["the exclusions"] if asked.exclude else []
    lacks += ["step_windows"] if any(gap is not None for gap in asked.step_windows) else []
    lacks += ["that near steps swap places"] if asked.together else []
    together = asked.by and asked.by_value != "all"
    if lacks:
        return f"the statement leaves out {', '.join(lacks)}: it counts the same steps in sequence{', all customers together' if together else ''}, so its counts differ"
    return (
        "the statement gives `customers` by step, all customers together"
        if together
        else "the statement gives the same `customers` by step"
    )


@dataclass(frozen=True)
class Plan:
    """The cascade of a question, stage by stage."""

    log: Log
    asked: Question
    still_open: bool = False
    value: str | None = None
    """A column whose smallest text among the events of an instant that fit a condition is kept, as `w1`, `w2`, …"""

    @property
    def parts(self) -> tuple[str, ...]:
        """The columns that part a customer's events: held ones, and those of groups that run separately."""
        return tuple(dict.fromkeys((*self.groups, *self.asked.hold)))

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns of groups that run separately."""
        return self.asked.by if self.asked.by_value == "all" else ()

    @cached_property
    def numbers(self) -> list[int]:
        """For each step the number of its condition: equal steps share one."""
        return [self._conditions.index(condition) + 1 for condition in self._of_steps]

    @cached_property
    def _of_steps(self) -> list[tuple[str, str]]:
        return [self._condition(step) for step in self.asked.steps]

    @cached_property
    def _conditions(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys(self._of_steps))

    def _condition(self, step: Step) -> tuple[str, str]:
        """The condition of a step, and the one whose first moment it must be at ("" if any time will do)."""
        whole = self.log.portable(step, "steps")
        among = {False: "", True: whole, "event": self.log.portable(Step(step.event), "steps")}[
            step.first_time
        ]
        return whole, among

    @cached_property
    def choices(self) -> list[tuple[int, ...]] | None:
        """The sets of conditions for which the events that fit any of them are counted: single ones, and all sets among those that overlap."""
        steps = [
            self.asked.steps[self.numbers.index(number)]
            for number in range(1, len(self._conditions) + 1)
        ]
        sets: list[tuple[int, ...]] = []
        for component in _components(steps):
            if len(sets) + 2 ** len(component) > MOST_CHOICES:
                return None
            sets += [
                choice
                for size in range(1, len(component) + 1)
                for choice in combinations(component, size)
            ]
        return sorted(sets, key=lambda choice: (len(choice), choice))

    def text(self) -> str:
        """The whole statement."""
        return (
            "WITH "
            + ",\n".join(f"{name} AS (\n  {body}\n)" for name, body in self._stages())
            + f"\n{self._final()}"
        )

    def _stages(self) -> Iterator[tuple[str, str]]:
        yield from self.cascade()
        n = len(self.asked.steps)
        depth = " ".join(f"WHEN v{j} IS NOT NULL THEN {j}" for j in range(n, 0, -1))
        keys = ", ".join(["customer_id", *map(identifier, self.groups)])
        yield (
            "reached",
            f"SELECT {keys}, MAX(CASE {depth} ELSE 0 END) AS depth{', MAX(v1) AS entered' if self.still_open else ''} FROM filled_{n} GROUP BY {keys}",
        )

    def cascade(self) -> Iterator[tuple[str, str]]:
        """The stages up to the last step's; the last one is named `filled_n`."""
        n, last = len(self.asked.steps), "instants"
        yield "flagged", self._flagged()
        yield "instants", self._instants()
        for j in range(1, n + 1):
            yield f"filled_{j}", f"SELECT *, {self._filled(j)} AS v{j} FROM {last}"
            last = f"filled_{j}"
            if j < n:
                # Earlier instants only: what one instant holds is already in its run of steps.
                frame = f"PARTITION BY {self._keys} ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
                yield f"before_{j}", f"SELECT *, MAX(v{j}) OVER ({frame}) AS p{j} FROM {last}"
                last = f"before_{j}"

    @property
    def _keys(self) -> str:
        return ", ".join(["customer_id", *map(identifier, self.parts)])

    def _flagged(self) -> str:
        flags = []
        for number, (condition, among) in enumerate(self._conditions, start=1):
            first = (
                f" AND timestamp = MIN(CASE WHEN {among} THEN timestamp END) OVER (PARTITION BY customer_id)"
                if among
                else ""
            )
            flags.append(f"CASE WHEN {condition}{first} THEN 1 ELSE 0 END AS s{number}")
        value = f", {as_text(self.value)} AS value_of_event" if self.value else ""
        return f"SELECT {self._keys}, timestamp AS t, {', '.join(flags)}{value} FROM {self.log.events_sql} AS given"

    def _instants(self) -> str:
        sums = [f"SUM({_any_of(choice)}) AS {_sum(choice)}" for choice in self.choices or []]
        sums += [
            f"MIN(CASE WHEN s{number} = 1 THEN value_of_event END) AS w{number}"
            for number in range(1, len(self._conditions) + 1)
            if self.value
        ]
        every = " + ".join(f"s{number}" for number in range(1, len(self._conditions) + 1))
        held = "".join(f" AND {identifier(name)} IS NOT NULL" for name in self.asked.hold)
        return f"SELECT {self._keys}, t, {', '.join(sums)} FROM flagged WHERE {every} > 0{held} GROUP BY {self._keys}, t"

    def _filled(self, j: int) -> str:
        """The latest start of a chain that fills step j at this instant: for each step the chain may have stood at before."""
        terms = [f"CASE WHEN {self.run(0, j)}{self._opens()} THEN t END"]
        # The window's end is inside.
        terms += [f"CASE WHEN {self.run(i, j)}{self._within(i)} THEN p{i} END" for i in range(1, j)]
        if len(terms) == 1:
            return terms[0]
        low = f"CAST('{self._low}' AS TIMESTAMP)"
        return f"NULLIF(GREATEST({', '.join(f'COALESCE({term}, {low})' for term in terms)}), {low})"

    @cached_property
    def _low(self) -> str:
        """A time before every event: engines treat NULL in GREATEST differently, so there must be none."""
        span = self.log.span_us
        return "1900-01-01" if span is None or span[0] > _BEFORE_ALL else "0001-01-01"

    def run(self, i: int, j: int) -> str:
        """Steps i + 1 … j are filled by different events of this instant."""
        needed = pd.Series(self.numbers[i:j]).value_counts().to_dict()
        tests = []
        for choice in self.choices or []:
            if all(number in needed for number in choice):
                tests.append(f"{_sum(choice)} >= {sum(needed[number] for number in choice)}")
        return " AND ".join(tests)

    def _within(self, i: int) -> str:
        if self.asked.window is None:
            return f" AND p{i} IS NOT NULL"
        return f" AND t <= p{i} + {interval(self.asked.window)}"

    def _opens(self) -> str:
        """The range of first events."""
        bounds = [f"t >= {stamp(self.asked.start)}"] if self.asked.start is not None else []
        bounds += [f"t <= {stamp(self.asked.end)}"] if self.asked.end is not None else []
        if self.asked.entrants == "closed" and self.asked.window is not None:
            bounds.append(f"t <= {stamp(self.log.observed_until_us - self.asked.window)}")
        if self.asked.entry == "first":
            opening = " AND ".join([f"{_sum((self.numbers[0],))} >= 1", *bounds])
            bounds.append(
                f"t = MIN(CASE WHEN {opening} THEN t END) OVER (PARTITION BY {', '.join(['customer_id', *map(identifier, self.groups)])})"
            )
        return "".join(f" AND {bound}" for bound in bounds)

    def _final(self) -> str:
        groups = "".join(f"{identifier(name)}, " for name in self.groups)
        by = f" WHERE depth >= 1 GROUP BY {groups.removesuffix(', ')}" if groups else ""
        rows = (
            f"SELECT {groups}{k} AS step, CAST(COALESCE(SUM(CASE WHEN depth >= {k} THEN 1 ELSE 0 END), 0) AS BIGINT) AS customers{self._waiting(k)} FROM reached{by}"
            for k in range(1, len(self.asked.steps) + 1)
        )
        return "\nUNION ALL ".join(rows) + f"\nORDER BY {groups}step"

    def _waiting(self, k: int) -> str:
        if not self.still_open:
            return ""
        if k == len(self.asked.steps):
            return ", CAST(0 AS BIGINT) AS still_open"
        late = (
            ""
            if self.asked.window is None
            else f" AND entered > {stamp(self.log.observed_until_us - self.asked.window)}"
        )
        return f", CAST(COALESCE(SUM(CASE WHEN depth = {k}{late} THEN 1 ELSE 0 END), 0) AS BIGINT) AS still_open"


def _components(steps: Sequence[Step]) -> list[list[int]]:
    """The conditions (numbered from 1) parted so that no event fits conditions of two parts."""
    parts: list[list[int]] = []
    for number, step in enumerate(steps, start=1):
        touched = [
            part for part in parts if any(_overlap(step, steps[other - 1]) for other in part)
        ]
        parts = [part for part in parts if part not in touched] + [
            sorted([*(other for part in touched for other in part), number])
        ]
    return parts


def _any_of(choice: tuple[int, ...]) -> str:
    if len(choice) == 1:
        return f"s{choice[0]}"
    return f"CASE WHEN {' + '.join(f's{number}' for number in choice)} > 0 THEN 1 ELSE 0 END"


def _sum(choice: tuple[int, ...]) -> str:
    return "n" + "_".join(map(str, choice))


def _overlap(one: Step, other: Step) -> bool:
    """Whether an event may fit both steps: unless their names or the values they ask of a column are apart."""
    if one.names and other.names and not set(one.names) & set(other.names):
        return False
    return not any(
        _apart(one.where[column], other.where[column])
        for column in set(one.where) & set(other.where)
    )


def _apart(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        return False
    return not _texts(one) & _texts(other)


def _texts(value: Any) -> set[str]:
    return (
        {str(each) for each in value}
        if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str)
        else {str(value)}
    )


def interval(length: int) -> str:
    """A length of time in microseconds as a portable interval."""
    for size, unit in ((1_000_000, "SECOND"), (1_000, "MILLISECOND")):
        if length % size == 0:
            return f"INTERVAL '{length // size}' {unit}"
    return f"INTERVAL '{length}' MICROSECOND"


def stamp(microseconds: int) -> str:
    """An instant as a portable literal."""
    return f"CAST('{pd.Timestamp(microseconds, unit='us').isoformat(sep=' ', timespec='microseconds')}' AS TIMESTAMP)"


# ---- with times ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timed:
    """A funnel's statement with times.

    Its answer has one row for each group, place and time near the middle: places 1 … n are the times from the previous step (0 for the first),
    n + 2 … 2 n those from the first step, 2 n + 1 that from the latest start.
    """

    log: Log
    asked: Question

    @staticmethod
    def fits(log: Log, asked: Question) -> bool:
        """Whether the statement of a question is short enough for engines."""
        return len(asked.steps) <= MOST_TIMED and Plan(log, asked).choices is not None

    @cached_property
    def plan(self) -> Plan:
        """The cascade; with "first" of every start, since the latest one before the same completion is told."""
        value = self.asked.by[0] if self.asked.by and self.asked.by_value != "all" else None
        return Plan(self.log, replace(self.asked, entry="best"), value=value)

    @property
    def n(self) -> int:
        """How many steps there are."""
        return len(self.asked.steps)

    @property
    def groups(self) -> list[str]:
        """The columns of the answer that tell the group, as text."""
        return [f"g{position}" for position, _ in enumerate(self.asked.by, start=1)]

    @property
    def overlaps(self) -> bool:
        """Whether an event may fit several steps, so that its group would need a search."""
        return any(len(choice) > 1 for choice in self.plan.choices or [])

    def text(self) -> str:
        """The whole statement."""
        stages = ",\n".join(f"{name} AS (\n  {body}\n)" for name, body in self._stages())
        keys = ", ".join([*self.groups, "place"])
        wide = f"place IN ({2 * self.n}, {2 * self.n + 1})"
        return f"WITH {stages},\n{near_middle('places', keys, {'waiting': 'waits'}, wide)}"

    def _stages(self) -> Iterator[tuple[str, str]]:
        yield from self.plan.cascade()
        yield from self._beginnings()
        for j in range(2, self.n + 1):
            yield (
                f"step_{j}",
                f"SELECT step_{j - 1}.*, MIN(CASE WHEN {self._reaches(j)} THEN t END) OVER ({self._each}) AS r{j} FROM step_{j - 1}",
            )
        yield "attempts", self._attempts()
        if self.plan.value:
            yield from self._valued()
        yield "places", self._places()

    @property
    def _each(self) -> str:
        return f"PARTITION BY {self._keys}"

    @property
    def _keys(self) -> str:
        return ", ".join(["customer_id", *map(identifier, self.plan.groups)])

    def _beginnings(self) -> Iterator[tuple[str, str]]:
        """The instant of the first step in the counted attempt, beside every instant of its customer."""
        n, last = self.n, f"filled_{self.n}"
        if self.asked.entry == "first":
            yield "step_1", f"SELECT {last}.*, MIN(v1) OVER ({self._each}) AS r1 FROM {last}"
            return
        deepest = " ".join(f"WHEN v{j} IS NOT NULL THEN {j}" for j in range(n, 0, -1))
        yield (
            "deepest",
            f"SELECT {last}.*, MAX(CASE {deepest} ELSE 0 END) OVER ({self._each}) AS depth FROM {last}",
        )
        started = f"CASE depth {' '.join(f'WHEN {j} THEN v{j}' for j in range(1, n + 1))} END"
        yield (
            "begun",
            f"SELECT deepest.*, MIN(CASE WHEN {started} IS NOT NULL THEN t END) OVER ({self._each}) AS there_at, "
            f"MIN({started}) OVER ({self._each}) AS latest_begun FROM deepest",
        )
        in_time = (
            ""
            if self.asked.window is None
            else f" AND there_at <= t + {interval(self.asked.window)}"
        )
        first = (
            "latest_begun"
            if self.asked.entry == "reentry"
            else f"MIN(CASE WHEN v1 IS NOT NULL{in_time} THEN t END) OVER ({self._each})"
        )
        yield "step_1", f"SELECT begun.*, {first} AS r1 FROM begun"

    def _reaches(self, j: int) -> str:
        """Step j can be filled at this instant by the attempt that began at r1: at once, or after a step filled at an earlier instant."""
        ways = [
            f"(t = r1 AND {self.plan.run(0, j)})",
            *(f"(r{i} < t AND {self.plan.run(i, j)})" for i in range(1, j)),
        ]
        in_time = (
            "" if self.asked.window is None else f"t <= r1 + {interval(self.asked.window)} AND "
        )
        return f"{in_time}({' OR '.join(ways)})"

    def _attempts(self) -> str:
        n = self.n
        groups = [
            f"{as_text(name)} AS g{position}"
            for position, name in enumerate(self.plan.groups, start=1)
        ]
        depth = f"CASE {' '.join(f'WHEN r{j} IS NOT NULL THEN {j}' for j in range(n, 0, -1))} END"
        entered = "MIN" if self.asked.entry == "first" else "MAX"
        picks = [
            "customer_id",
            *groups,
            f"MAX({depth}) AS depth",
            *(f"MIN(r{j}) AS r{j}" for j in range(1, n + 1)),
        ]
        picks += [f"MAX(CASE WHEN t = r{n} THEN v{n} END) AS latest", f"{entered}(v1) AS entered"]
        if self.plan.value:
            picks += [
                f"MIN(CASE WHEN t = r{j} THEN w{self.plan.numbers[j - 1]} END) AS x{j}"
                for j in range(1, n + 1)
            ]
        return f"SELECT {', '.join(picks)} FROM step_{n} WHERE r1 IS NOT NULL GROUP BY {self._keys}"

    def _valued(self) -> Iterator[tuple[str, str]]:
        """The group of each attempt by the value of the events that filled its steps; of those at one instant the smallest."""
        if self.asked.by_step is not None:
            yield (
                "valued",
                f"SELECT attempts.*, x{self.asked.by_step} AS g1 FROM attempts WHERE depth >= {self.asked.by_step}",
            )
            return
        numbers = range(1, self.n + 1)
        at, value = (
            f"CASE step {' '.join(f'WHEN {j} THEN {name}{j}' for j in numbers)} END"
            for name in "rx"
        )
        yield (
            "touches",
            f"SELECT customer_id, {at} AS touched_at, {value} AS x FROM attempts CROSS JOIN {_listed('steps', 'step', list(numbers))}",
        )
        latest = " DESC" if self.asked.by_value == "last" else ""
        yield (
            "placed",
            f"SELECT customer_id, x, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY touched_at{latest}, x) AS k FROM touches WHERE x IS NOT NULL",
        )
        yield (
            "valued",
            "SELECT attempts.*, x AS g1 FROM attempts LEFT JOIN (SELECT customer_id AS whose, x FROM placed WHERE k = 1) AS chosen ON whose = customer_id",
        )

    def _places(self) -> str:
        n = self.n
        lasted = {1: "0"} | {k: between(f"r{k - 1}", f"r{k}") for k in range(2, n + 1)}
        reached = {k: k for k in range(1, n + 1)}
        if n > 1:
            lasted |= {n + k: between("r1", f"r{k}") for k in range(2, n + 1)} | {
                2 * n + 1: between("latest", f"r{n}")
            }
            reached |= {n + k: k for k in range(2, n + 1)} | {2 * n + 1: n}
        late = (
            ""
            if self.asked.window is None
            else f" AND entered > {stamp(self.log.observed_until_us - self.asked.window)}"
        )
        picks = [
            *self.groups,
            "place",
            f"{_by_place(lasted)} AS lasted",
            f"CASE WHEN place = depth AND depth < {n}{late} THEN 1 ELSE 0 END AS waits",
        ]
        source = "valued" if self.plan.value else "attempts"
        return f"SELECT {', '.join(picks)} FROM {source} CROSS JOIN {_listed('listed', 'place', list(lasted))} WHERE depth >= {_by_place(reached)}"


def _by_place(values: dict[int, str] | dict[int, int]) -> str:
    return f"CASE place {' '.join(f'WHEN {place} THEN {value}' for place, value in values.items())} END"


def _listed(name: str, column: str, numbers: list[int]) -> str:
    return f"(VALUES {', '.join(f'({number})' for number in numbers)}) AS {name} ({column})"

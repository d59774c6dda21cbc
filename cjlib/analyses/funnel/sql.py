"""The funnel as one portable statement: a cascade over the instants of each customer.

With m_k the latest start among chains that have filled steps 1 … k, an event that fits step k + 1 at t extends one if t − m_k is within the window:
the latest start is always the best one to keep. One row a customer and instant, so that ties need no order: `v_j` is the latest
start of a chain that fills step j at this very instant, `p_j` the greatest `v_j` of earlier instants. Inside an instant a run of steps
can be filled by different events if, for each choice of its steps, enough events fit any of them (Hall's condition).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import pandas as pd

from cjlib.analyses.funnel.options import Question
from cjlib.shared.sql import as_text
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.engine import identifier
from cjlib.sources.log.event_log import Log

MOST_CHOICES = 300
"""More sums than this in one statement are for no reader and no parser."""


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

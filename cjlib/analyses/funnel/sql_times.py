"""The funnel with its times as one portable statement.

The cascade finds how deep a customer gets and where the counted attempt began; from there the earliest instant of each step follows, and of all
times between steps only those in the middle come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from cjlib.analyses.funnel.options import Question
from cjlib.analyses.funnel.sql import Plan, interval, stamp
from cjlib.shared.sql import as_text, between, near_middle
from cjlib.sources.log.engine import identifier
from cjlib.sources.log.event_log import Log

MOST_TIMED = 12
"""Steps beyond which the statement, which grows with their square, is for no engine."""


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

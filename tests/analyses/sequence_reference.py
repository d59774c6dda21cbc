"""Sessions, paths, transitions and attribution in plain Python, from the rules alone: slow, and obvious."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pandas as pd

Row = tuple[str, str, int]
"""Customer, event, second."""


def histories(rows: list[Row]) -> dict[str, list[tuple[int, str]]]:
    """Each customer's events by time, then name."""
    held: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for customer, event, second in rows:
        held[customer].append((second, event))
    return {customer: sorted(events) for customer, events in sorted(held.items())}


def split(events: list[tuple[int, str]], gap: int | None) -> list[list[tuple[int, str]]]:
    """A history cut after every pause longer than the gap."""
    parts = [[events[0]]]
    for before, here in pairwise(events):
        if gap is not None and here[0] - before[0] > gap:
            parts.append([])
        parts[-1].append(here)
    return parts


def transitions(rows: list[Row], gap: int | None) -> dict[tuple[str, str], tuple[int, int, float]]:
    """(source, target) → count, customers, mean seconds (0 at the ends)."""
    pairs, who, seconds = Counter(), defaultdict(set), defaultdict(list)
    for customer, events in histories(rows).items():
        for part in split(events, gap):
            named = [(part[0][0], "(start)"), *part, (part[-1][0], "(end)")]
            for (early, source), (late, target) in pairwise(named):
                pairs[source, target] += 1
                who[source, target].add(customer)
                seconds[source, target].append(late - early)
    return {
        pair: (count, len(who[pair]), sum(seconds[pair]) / count) for pair, count in pairs.items()
    }


Node = tuple[str, int, int]
"""Name, first and last second."""


def nodes_of(part: list[tuple[int, str]], keep: bool) -> list[Node]:
    """One session as nodes; neighbouring repeats are one unless kept."""
    nodes: list[Node] = []
    for second, event in part:
        if nodes and nodes[-1][0] == event and not keep:
            nodes[-1] = (event, nodes[-1][1], second)
        else:
            nodes.append((event, second, second))
    return nodes


def bounded(nodes: list[Node], start: str | None, end: str | None) -> list[Node]:
    """From the first start to the first end after it; empty where one is missing."""
    if start is not None:
        nodes = nodes[next((at for at, node in enumerate(nodes) if node[0] == start), len(nodes)) :]
    if end is not None:
        past = 1 if start is not None else 0
        nodes = nodes[
            : next((at + 1 for at, node in enumerate(nodes) if node[0] == end and at >= past), 0)
        ]
    return nodes


def walks(
    rows: list[Row],
    *,
    gap: int | None,
    start: str | None = None,
    end: str | None = None,
    max_steps: int | None = None,
    keep: bool = False,
) -> list[tuple[str, list[Node]]]:
    """Every path: its customer and its nodes."""
    whole = [
        (customer, bounded(nodes_of(part, keep), start, end))
        for customer, events in histories(rows).items()
        for part in split(events, gap)
    ]
    cut = (
        slice(None)
        if max_steps is None
        else slice(-max_steps, None)
        if end is not None
        else slice(max_steps)
    )
    return [(customer, nodes[cut]) for customer, nodes in whole if nodes]


def links(
    found: list[tuple[str, list[tuple[str, int, int]]]], shown: set[str] | None = None
) -> dict[tuple[int, str, str], tuple[Any, ...]]:
    """(step, source, target) → paths, customers, share of the paths with that source there, median seconds."""

    def label(name: str) -> str:
        return name if shown is None or name in shown else "(other)"

    count, who, seconds, base = Counter(), defaultdict(set), defaultdict(list), Counter()
    for customer, nodes in found:
        for step, node in enumerate(nodes, start=1):
            base[step, label(node[0])] += 1
            if step < len(nodes):
                key = (step, label(node[0]), label(nodes[step][0]))
                count[key] += 1
                who[key].add(customer)
                seconds[key].append(nodes[step][1] - node[2])
    return {
        key: (n, len(who[key]), n / base[key[:2]], float(pd.Series(seconds[key]).median()))
        for key, n in count.items()
    }


def journeys(
    rows: list[tuple[str, str | None, int]], lookback: int | None
) -> tuple[list[list[str]], list[list[str]], int]:
    """Converting journeys, journeys without conversion, conversions without a touch; a row without channel is a conversion."""
    converting, without, untouched = [], [], 0
    by_customer: dict[str, list[tuple[str | None, int]]] = defaultdict(list)
    for customer, channel, second in rows:
        by_customer[customer].append((channel, second))
    for events in by_customer.values():
        bought = sorted(second for channel, second in events if channel is None)
        touches = sorted((second, channel) for channel, second in events if channel is not None)
        left = list(touches)
        previous = None
        for second in bought:
            mine = [
                one
                for one in touches
                if one[0] <= second and (previous is None or one[0] > previous)
            ]
            mine = [one for one in mine if lookback is None or second - one[0] <= lookback]
            if mine:
                converting.append([channel for _, channel in mine])
                left = [one for one in left if one not in mine]
            else:
                untouched += 1
            previous = second
        if left:
            without.append([channel for _, channel in left])
    return converting, without, untouched


def markov(
    converting: list[list[str]], without: list[list[str]], order: int = 1
) -> dict[str, float]:
    """Removal effects by following the chain's chances for many rounds, with a state for every memory."""
    moves: dict[Any, Counter[Any]] = defaultdict(Counter)
    for outcome, ways in (("conversion", converting), ("null", without)):
        for way in ways:
            memories = [tuple(way[max(0, at + 1 - order) : at + 1]) for at in range(len(way))]
            for state, following in pairwise([(), *memories, outcome]):
                moves[state][following] += 1
    whole = chance(moves, None)
    names = {channel for way in converting + without for channel in way}
    return {name: 1 - chance(moves, name) / whole if whole else 0.0 for name in names}


def chance(moves: dict[Any, Counter[Any]], removed: str | None) -> float:
    """The chance to convert when a channel's traffic is lost."""
    won, mass = 0.0, {(): 1.0}
    while sum(mass.values()) > 1e-15:
        following: dict[Any, float] = defaultdict(float)
        for state, part in mass.items():
            total = sum(moves[state].values()) or 1
            won += part * moves[state]["conversion"] / total
            for target, n in moves[state].items():
                if isinstance(target, tuple) and target[-1] != removed:
                    following[target] += part * n / total
        mass = following
    return won

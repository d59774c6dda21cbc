"""Through which channels events came, in words."""

from __future__ import annotations

import numpy as np

from cjlib.analyses.journey_map.mapped_events import Walk
from cjlib.analyses.journey_map.stage_mapping import Ints
from cjlib.sources.log.event_log import EventLog

MOST = 3


def channel_names(log: EventLog) -> list[str]:
    """The channels of the log, by code."""
    return (
        [str(name) for name in log.codes("channel", where="FALSE")[1]]
        if "channel" in log.properties
        else []
    )


def channel_words(
    walks: tuple[Walk, ...], names: list[str], group: Ints, groups: int
) -> list[str | None]:
    """The channels of each group of positions in words, commonest first: "email 61%, web 39%"; None where no event has one."""
    constant = [one.channel for one in walks[0].places.mapping]
    every = sorted({*names, *(name for name in constant if name is not None)})
    summed = np.zeros((groups, len(every)), dtype=np.int64)
    np.add.at(summed, group, sum(_counts(walk, names, constant, every) for walk in walks))
    return [_in_words(row, every) for row in summed]


def _counts(
    walk: Walk, names: list[str], constant: list[str | None], every: list[str]
) -> np.ndarray:
    """The events of each position of the mapping in each channel; a touchpoint's own channel stands before the column, events without any are left out."""
    size = len(names) + 1
    own = np.bincount(
        walk.place.astype(np.int32) * size + (walk.channel + 1), minlength=len(constant) * size
    ).reshape(len(constant), size)
    counts = np.zeros((len(constant), len(every)), dtype=np.int64)
    column = {name: k for k, name in enumerate(every)}
    for place, fixed in enumerate(constant):
        if fixed is not None:
            counts[place, column[fixed]] = own[place].sum()
        else:
            counts[place, [column[name] for name in names]] = own[place, 1:]
    return counts


def _in_words(counts: np.ndarray, names: list[str]) -> str | None:
    total = int(counts.sum())
    if total == 0:
        return None
    order = np.lexsort((np.arange(counts.size), -counts))
    shown = [f"{names[k]} {_percent(float(counts[k]) / total)}" for k in order[:MOST] if counts[k]]
    rest = int(counts[order[MOST:]].sum())
    return ", ".join([*shown, f"others {_percent(float(rest / total))}"] if rest else shown)


def _percent(part: float) -> str:
    return "<1%" if part < 0.005 else f"{100 * part:.0f}%"

"""Where the ids of a log probably split: one person's events stand under several, so that nobody gets from one step to the next.

Said without being asked, and only where much speaks for it: both sides are frequent, and (all but) no id crosses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from cjlib.errors import shown
from cjlib.show.numbers import count_of
from cjlib.sources.ingest.open_source import QualityLine
from cjlib.sources.log.event_log import EventLog

SPLIT = "ids probably split"
REMEDY = "If one person has several ids, name their columns in identities: (docs/identity.md)"
FREQUENT = 30
"""So many customers an event, a shape or a side must have to be spoken of."""
CROSSING = 0.01
"""Up to this share of the smaller side may cross: what a few right ids do."""
FRESH = 0.9
"""From this share on those who do an event have mostly none before it."""
STEADY = 0.7
"""New ids that no longer come belong to people who were there before the log began."""
AT_MOST = 20_000
"""So many customers are looked at, evenly over the sorted ids."""
_SIGN_UP = re.compile(r"sign[\W_]*up|regist(er|ration)|(account|user|customer)[\W_]*(created|opened)|create[\W_]*(account|user)|identif(y|ied)", re.IGNORECASE)  # fmt: skip


# ---- two steps --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gap:
    """Two steps that the same customer never does: how many do each, how many go from one to the other, and how many begin with the second."""

    first: int
    then: int
    crossing: int
    fresh: int

    @property
    def probable(self) -> bool:
        """Whether both are frequent, nobody crosses, and the second is where ids begin."""
        smaller = min(self.first, self.then)
        return (
            smaller >= FREQUENT
            and self.crossing <= CROSSING * smaller
            and self.fresh >= FRESH * self.then
        )


def gap(log: EventLog, first: str, then: str) -> Gap:
    """How two steps, conditions over the prepared table, meet in all that was read, whatever the log has been cut to."""
    (counted,) = log.engine.rows(
        f"WITH a AS (SELECT c, min(t) AS t FROM prepared WHERE {first} GROUP BY c), "
        f"b AS (SELECT c, min(t) AS t, max(t) AS last FROM prepared WHERE {then} GROUP BY c), "
        "begun AS (SELECT c, min(t) AS t FROM prepared WHERE c IN (SELECT c FROM b) GROUP BY c) "
        "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b), (SELECT count(*) FROM a JOIN b USING (c) WHERE b.last >= a.t), "
        "(SELECT count(*) FROM b JOIN begun USING (c, t))"
    )
    return Gap(*counted)


# ---- a whole log ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Looks:
    """Of some customers what each did and when first: positions of the customers, codes of events, times; by customer and time."""

    codes: NDArray[np.int32]
    customer: NDArray[np.int64]
    event: NDArray[np.int64]
    time: NDArray[np.int64]
    names: Sequence[str]

    @property
    def first(self) -> NDArray[np.int64]:
        """The entry of each customer's first event."""
        return np.flatnonzero(np.diff(self.customer, prepend=-1))

    def did(self, event: int) -> NDArray[np.bool_]:
        """Which customers did an event."""
        who = np.zeros(len(self.codes), dtype=bool)
        who[self.customer[self.event == event]] = True
        return who


def split_lines(log: EventLog) -> list[QualityLine]:
    """What the quality table says of ids that probably split; nothing where nothing speaks for it."""
    (customers,) = log.engine.rows("SELECT count(*) FROM c_names")[0]
    if customers < 2 * FREQUENT:
        return []
    looks = _looks(log, customers)
    words = _islands(looks) or _two_shapes(log, looks) or _without_history(looks)
    return (
        [QualityLine(SPLIT, words[0], f"{words[1]}. {REMEDY}", counts_rows=False)] if words else []
    )


def _looks(log: EventLog, customers: int) -> _Looks:
    step = max(1, -(-customers // AT_MOST))
    found = log.engine.columns(
        f"SELECT c, CAST(e AS INTEGER) AS e, min(t) AS t FROM {log.prepared} WHERE c % {step} = 0 GROUP BY ALL ORDER BY c, t, e"
    )
    codes, customer = np.unique(found["c"], return_inverse=True)
    return _Looks(codes, customer, found["e"].astype(np.int64), found["t"], log.event_names)


def _islands(looks: _Looks) -> tuple[int, str] | None:
    """Events in groups that share no customer."""
    shape = (len(looks.codes), len(looks.names))
    did = csr_array(
        (np.ones(len(looks.event), dtype=np.int32), (looks.customer, looks.event)), shape=shape
    )
    both = (did.T @ did).toarray()
    often = np.flatnonzero(both.diagonal() >= FREQUENT)
    both = both[np.ix_(often, often)]
    smaller = np.minimum.outer(both.diagonal(), both.diagonal())
    count, group = connected_components(csr_array(both > CROSSING * smaller), directed=False)
    if count < 2:
        return None
    order = sorted(range(count), key=lambda one: -int(both.diagonal()[group == one].max()))
    sides = []
    for one in order:
        inside = [looks.names[often[n]] for n in np.flatnonzero(group == one)]
        sides.append(
            ", ".join(shown(name) for name in inside[:2]) + (" …" if len(inside) > 2 else "")
        )
    return (
        count,
        f"{count} groups of events share no customer: {' / '.join(sides[:3])}{' / …' if count > 3 else ''}",
    )


def _two_shapes(log: EventLog, looks: _Looks) -> tuple[int, str] | None:
    """Ids of one shape that never do the event with which those of another shape begin."""
    shapes = np.array([shape_of(str(one)) for one in log.customer_ids(looks.codes)], dtype=object)
    names, shape, sizes = np.unique(shapes, return_inverse=True, return_counts=True)
    often = [n for n in range(len(names)) if sizes[n] >= FREQUENT]
    begins = looks.event[looks.first]
    for other in often:
        event = int(np.bincount(begins[shape == other]).argmax())
        did = looks.did(event)
        if (begins[shape == other] == event).mean() < FRESH:
            continue
        never = [one for one in often if one != other and did[shape == one].mean() <= CROSSING]
        if never:
            one = never[0]
            text = f"ids like {shown(names[one])} never do {shown(looks.names[event])}, with which ids like {shown(names[other])} begin"
            return int(sizes[one]), text
    return None


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEX = re.compile(r"[0-9a-fA-F]{16,}")
_NUMBERED = re.compile(r"([A-Za-z]{1,12}[-_:.]?)[0-9]+")
_DIGITS, _LETTERS = re.compile(r"[0-9]+"), re.compile(r"[A-Za-z]+")


def shape_of(written: str) -> str:
    """An id's shape: its letters before digits as they are, digits 9, and one word for what is random."""
    if "@" in written:
        return "a@a"
    if _UUID.fullmatch(written):
        return "uuid"
    if _HEX.fullmatch(written):
        return "hex"
    prefix = _NUMBERED.fullmatch(written)
    if prefix:
        return f"{prefix[1]}9"
    return _LETTERS.sub("a", _DIGITS.sub("9", written))


def _without_history(looks: _Looks) -> tuple[int, str] | None:
    """Sign-ups on ids that begin with them, while other ids keep coming that never sign up."""
    begins, begun = looks.event[looks.first], looks.time[looks.first]
    quarter = np.clip(4 * (begun - begun.min()) // max(1, int(np.ptp(begun)) + 1), 0, 3)
    for event, name in enumerate(looks.names):
        if not _SIGN_UP.search(name):
            continue
        did = looks.did(event)
        fresh = did & (begins == event)
        others = ~fresh & (quarter >= 2)
        crossing = int((did & others).sum())
        come = [int((~fresh & (quarter == n)).sum()) for n in range(4)]
        if (
            did.sum() >= FREQUENT
            and fresh.sum() >= FRESH * did.sum()
            and others.sum() >= FREQUENT
            and crossing <= CROSSING * others.sum()
            and come[3] >= STEADY * come[0]
        ):
            return (
                int(fresh.sum()),
                f"{count_of(int(fresh.sum()), 'id')} of {int(did.sum()):,} with {shown(name)} begin with it, and ids that begin otherwise never do it",
            )
    return None

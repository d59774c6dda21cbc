"""Events in their order: where a session opens, which rows share a key, what is the middle of a group.

Everything works on numpy columns in the log's order (customer, time, event name), so that no analysis needs a sort of
its own: a stable order by key keeps customers ascending inside each key, and counting customers is counting changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import CjlibError, shown
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log

Ints = NDArray[np.int64]
Codes = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]

SECOND = 1_000_000
ARROW = " → "
AT_ONCE = 1 << 17
"""Rows, or sequences, that stay in the processor's cache."""
_KEPT = 30 << 20
"""Bytes: a little less than the largest piece from which the C library learns."""
_TEXTS = 1 << 22
"""Texts that are written at once: what grows while it is written takes twice the memory."""
_SORTED_TOGETHER = 256
"""Groups smaller than this are sorted in one go rather than one by one."""
_PACKED_CHUNKS = 16
"""Sequences longer than this many packed integers are told apart by their bytes."""


def gap_microseconds(gap: Duration | None, option: str) -> int | None:
    """The longest pause inside a session, in microseconds; None where the whole history is one."""
    return None if gap is None else microseconds(gap, option)


def opens(customer: Codes, time: Ints, gap: int | None) -> Flags:
    """Which rows open a session: the customer's first, and every one after a pause longer than the gap."""
    first = np.ones(customer.size, dtype=bool)
    np.not_equal(customer[1:], customer[:-1], out=first[1:])
    if gap is not None:
        for low in range(1, customer.size, AT_ONCE):
            here = slice(low, low + AT_ONCE)
            first[here] |= time[here] - time[low - 1 : low - 1 + first[here].size] > gap
    return first


def begins(ordered: NDArray[Any]) -> Flags:
    """Where another one than before stands, and at the first."""
    return np.append(True, ordered[1:] != ordered[:-1])[: ordered.size]


def tied_events(customer: Codes, time: Ints) -> int:
    """How many events share their instant with another event of the same customer."""
    same = (time[1:] == time[:-1]) & (customer[1:] == customer[:-1])
    # Every event tied with the one before it, and the first of each run of ties.
    return int(
        np.count_nonzero(same)
        + np.count_nonzero(same[:1])
        + np.count_nonzero(same[1:] & ~same[:-1])
    )


Block = dict[str, NDArray[Any]]
"""Columns, by name, of equally many rows in the log's order."""


def whole_customers(log: EventLog) -> Iterator[Block]:
    """The log's events as `customer`, `time`, `event`, so few customers at a time that what is made of them stays in the processor's cache, and its memory is used again.

    The log must not be asked anything else before the last block has come.
    """
    keep_freed_memory()
    reader = log.engine.connection.sql(
        f"SELECT c AS customer, t AS time, e AS event FROM {log.prepared}"
    ).to_arrow_reader(AT_ONCE)
    rest: list[Block] = []
    for batch in reader:
        if not batch.num_rows:
            continue
        rows: Block = {name: batch[name].to_numpy() for name in batch.schema.names}
        customer = rows["customer"]
        begins = int(np.searchsorted(customer, customer[-1]))
        if begins or (rest and rest[0]["customer"][0] != customer[0]):
            yield _joined([*rest, {name: column[:begins] for name, column in rows.items()}])
            rest = []
        # The last customer may go on in the next batch, and in many more.
        rest.append({name: column[begins:] for name, column in rows.items()})
    if rest:
        yield _joined(rest)


def keep_freed_memory() -> None:
    """Let the process keep what small arrays have left for the next ones; otherwise every block begins by fetching and clearing its memory anew.

    The C library learns it from the largest piece given back so far; this one is never written to, so it costs nothing.
    """
    np.empty(_KEPT, dtype=np.uint8)


def stacked(pieces: Iterable[Block], at_most: int) -> Block:
    """Columns of so many rows at most, given piece by piece, none of them in memory twice; empty if nothing is given."""
    columns: Block = {}
    rows = size = 0
    for piece in pieces:
        # Memory that is not written to is not taken.
        columns = columns or {
            name: np.empty(at_most, column.dtype) for name, column in piece.items()
        }
        for name, column in piece.items():
            size = column.size
            columns[name][rows : rows + size] = column
        rows += size
    return {name: column[:rows] for name, column in columns.items()}


def _joined(blocks: Sequence[Block]) -> Block:
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


# ---- rows of one key -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Groups:
    """Rows brought together by key: `order[starts[i]:starts[i] + sizes[i]]` are the rows of `keys[i]`, in their old order."""

    keys: Ints
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    sizes: Ints

    def customers(self, customer: Codes) -> Ints:
        """How many customers each group has; the customers of all rows must stand in ascending order."""
        if not self.keys.size:
            return np.zeros(0, dtype=np.int64)
        held = customer[self.order]
        changes = np.ones(held.size, dtype=bool)
        np.not_equal(held[1:], held[:-1], out=changes[1:])
        changes[self.starts] = True
        return np.add.reduceat(changes, self.starts, dtype=np.int64)

    def mean_and_median(
        self, values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and (interpolated) median of each group."""
        if not self.keys.size:
            return np.zeros(0), np.zeros(0)
        held = values[self.order]
        return np.add.reduceat(held, self.starts) / self.sizes, self._medians(held)

    def _medians(self, held: NDArray[np.float64]) -> NDArray[np.float64]:
        middles = np.empty(self.keys.size)
        large = np.flatnonzero(self.sizes >= _SORTED_TOGETHER)
        for group in large.tolist():
            middles[group] = np.median(
                held[self.starts[group] : self.starts[group] + self.sizes[group]],
                overwrite_input=False,
            )
        small = np.flatnonzero(self.sizes < _SORTED_TOGETHER)
        if small.size:
            rows = spans(self.starts[small], self.sizes[small])
            ends = np.cumsum(self.sizes[small])
            within = held[rows][
                np.lexsort((held[rows], np.repeat(np.arange(small.size), self.sizes[small])))
            ]
            lower, upper = (
                ends - self.sizes[small] + (self.sizes[small] - 1) // 2,
                ends - self.sizes[small] + self.sizes[small] // 2,
            )
            middles[small] = (within[lower] + within[upper]) / 2
        return middles


def groups(keys: Codes) -> Groups:
    """Rows by key, keys ascending, rows of one key in their old order."""
    order = stable_order(keys)
    held = keys[order]
    first = np.ones(held.size, dtype=bool)
    np.not_equal(held[1:], held[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    return Groups(held[starts].astype(np.int64), order, starts, np.diff(starts, append=held.size))


def stable_order(keys: Codes) -> NDArray[np.intp]:
    """The order by key that keeps equal keys in place; numpy sorts sixteen bits by counting, so wider keys go in two turns."""
    largest = int(keys.max()) if keys.size else 0
    if largest < 1 << 16:
        return np.argsort(keys.astype(np.uint16), kind="stable")
    if largest < 1 << 32:
        low = np.argsort((keys & 0xFFFF).astype(np.uint16), kind="stable")
        return low[np.argsort((keys >> 16).astype(np.uint16)[low], kind="stable")]
    return np.argsort(keys, kind="stable")


def spans(starts: Codes, sizes: Codes) -> Ints:
    """The positions `start … start + size − 1` of several spans, one after another."""
    positions = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    positions += np.arange(positions.size)
    return positions


# ---- whole sequences -------------------------------------------------------------------------------------------


def distinct_sequences(codes: Codes, starts: Codes, sizes: Ints) -> tuple[Ints, NDArray[np.intp]]:
    """A number for every sequence, equal for equal sequences, and one example of each number, from 0 on."""
    return _numbered(sequence_keys(codes, starts, sizes))


def sequence_keys(codes: Codes, starts: Codes, sizes: Ints) -> Ints:
    """A number for every sequence, equal for equal sequences.

    Several codes are packed into one integer, chunk by chunk; sequences too long for that are told apart by their bytes.
    """
    bits = max(1, int(codes.max(initial=0) + 1).bit_length())
    per = 62 // bits
    numbers = _packed(codes, starts, sizes, per, bits)
    longest = min(int(sizes.max(initial=0)), _PACKED_CHUNKS * per)
    for offset in range(per, longest, per):
        alive = np.flatnonzero(sizes > offset)
        chunk = _packed(codes, starts[alive] + offset, sizes[alive] - offset, per, bits)
        # Below zero, so that they never meet the number of a sequence that has ended.
        numbers[alive] = -1 - offset * starts.size - _paired(numbers[alive], chunk)
    seen: dict[tuple[int, bytes], int] = {}
    for one in np.flatnonzero(sizes > _PACKED_CHUNKS * per).tolist():
        tail = codes[starts[one] + longest : starts[one] + sizes[one]].tobytes()
        numbers[one] = (
            -1 - (longest + 1) * starts.size - seen.setdefault((int(numbers[one]), tail), len(seen))
        )
    return numbers


def _numbered(values: Ints) -> tuple[Ints, NDArray[np.intp]]:
    """The place of each value among the different ones, and the first row of each: `np.unique` without sorting what repeats."""
    met, different = pd.factorize(values)
    first = (
        np.flatnonzero(np.diff(np.maximum.accumulate(met), prepend=-1))
        if met.size
        else np.zeros(0, dtype=np.intp)
    )
    order = np.argsort(different)
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    return place[met], first[order]


def _packed(codes: Codes, starts: Codes, sizes: Ints, per: int, bits: int) -> Ints:
    packed = np.zeros(starts.size, dtype=np.int64)
    for low in range(0, starts.size, AT_ONCE):
        here = slice(low, low + AT_ONCE)
        start, size, part = starts[here], sizes[here], packed[here]
        alive = np.flatnonzero(size)
        for place in range(min(per, int(size.max()))):
            part[alive] |= (codes[start[alive] + place].astype(np.int64) + 1) << (bits * place)
            alive = alive[size[alive] > place + 1]
    return packed


def _paired(first: Ints, second: Ints) -> Ints:
    _, one = np.unique(first, return_inverse=True)
    held, other = np.unique(second, return_inverse=True)
    return np.unique(one.astype(np.int64) * held.size + other, return_inverse=True)[1].astype(
        np.int64
    )


# ---- names ----------------------------------------------------------------------------------------------------


def text_rank(labels: Sequence[str]) -> Ints:
    """The place of each label among all of them as text."""
    rank = np.empty(len(labels), dtype=np.int64)
    rank[sorted(range(len(labels)), key=lambda position: (labels[position], position))] = np.arange(
        len(labels)
    )
    return rank


def named(labels: Sequence[str | None], codes: Codes) -> pd.Series:
    """Codes as a column of text."""
    return _taken(pd.Series(pd.array(list(labels), dtype="str")), codes)


def customer_column(log: EventLog, codes: Codes) -> pd.Series:
    """Customer codes as the ids that were given, in the ids' own type."""
    ids = (
        log.engine.connection.sql("SELECT value FROM c_names ORDER BY code")
        .to_arrow_table()["value"]
        .to_pandas()
    )
    return _taken(ids, codes).rename("customer_id")


def _taken(values: pd.Series, codes: Codes) -> pd.Series:
    pieces = [
        pd.Series(values.array.take(codes[low : low + _TEXTS]))
        for low in range(0, max(1, codes.size), _TEXTS)
    ]
    return pieces[0] if len(pieces) == 1 else pd.concat(pieces, ignore_index=True)


def check_at_least(option: str, value: int | None, least: int) -> None:
    """Refuse a count that is no whole number or too small; None means no limit."""
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or value < least
    ):
        raise CjlibError(
            f"{option}: must be a whole number from {least} on, or None for no limit. Got {shown(value)}."
        )


# ---- the portable statement ------------------------------------------------------------------------------------


def sessions_sql(log: Log, gap: int | None, **flags: str) -> str:
    """CTEs that end in `visits`: every event with its place `n` in the customer's history, the number of its session, and flags."""
    made = "".join(f", {expression} AS {name}" for name, expression in flags.items())
    kept = "".join(f", {name}" for name in flags)
    pause = (
        ""
        if gap is None
        else f" OR timestamp > LAG(timestamp) OVER (PARTITION BY customer_id ORDER BY n) + {interval_sql(gap)}"
    )
    return (
        "WITH placed AS (\n"
        "  -- One total order: later windows must not break ties their own way.\n"
        f"  SELECT customer_id, event, timestamp, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY timestamp, event) AS n{made}\n"
        f"  FROM {log.events_sql} AS given\n"
        "), flagged AS (\n"
        f"  SELECT customer_id, event, timestamp, n{kept}, CASE WHEN n = 1{pause} THEN 1 ELSE 0 END AS opens\n"
        "  FROM placed\n"
        "), visits AS (\n"
        f"  SELECT customer_id, event, timestamp, n{kept},\n"
        "    CAST(SUM(opens) OVER (PARTITION BY customer_id ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS session\n"
        "  FROM flagged\n"
        ")"
    )


def interval_sql(microseconds_long: int) -> str:
    """A length of time as a portable interval."""
    seconds, rest = divmod(microseconds_long, SECOND)
    return f"INTERVAL '{microseconds_long}' MICROSECOND" if rest else f"INTERVAL '{seconds}' SECOND"


def first_at_or_after(times: Ints, wanted: Ints, low: Ints, high: Ints) -> Ints:
    """Where in `times[low:high]`, sorted, the first instant at or after the wanted one stands: a bisection for all at once."""
    low, high = low.copy(), high.copy()
    live = np.flatnonzero(low < high)
    while live.size:
        middle = (low[live] + high[live]) // 2
        before = times[middle] < wanted[live]
        low[live] = np.where(before, middle + 1, low[live])
        high[live] = np.where(before, high[live], middle)
        live = live[low[live] < high[live]]
    return low

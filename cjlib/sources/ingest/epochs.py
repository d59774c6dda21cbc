"""Numbers that stand for times: dates written as one number, time since 1970 in a unit told by its size, days of a spreadsheet.

Every time has a kind: instants are in UTC; a wall-clock time or a date waits for its zone.
"""

from __future__ import annotations

MISSING, NAIVE, DATE, INSTANT, UNREADABLE, SPREADSHEET = range(6)
LEAST_NS = 10**17
EPOCHS = (
    ("seconds", 10**8, 10**11, 1_000_000),
    ("milliseconds", 10**11, 10**14, 1_000),
    ("microseconds", 10**14, 10**17, 1),
)


def number_wall(n: str) -> str:
    """Whole numbers: 20240131 and 20240131180000 as dates and times, others as epochs, their unit by size."""
    units = " ".join(
        f"WHEN {n} BETWEEN {low} AND {high - 1} OR {n} BETWEEN {1 - high} AND {-low} THEN {n} * {factor}"
        for _, low, high, factor in EPOCHS
    )
    return (
        f"CASE WHEN {n} BETWEEN 19000101 AND 21001231 THEN epoch_us(try_strptime(CAST({n} AS VARCHAR), '%Y%m%d')) "
        f"WHEN {n} BETWEEN 19000101000000 AND 21001231235959 THEN epoch_us(try_strptime(CAST({n} AS VARCHAR), '%Y%m%d%H%M%S')) "
        f"{units} WHEN {n} >= {LEAST_NS} OR {n} <= {-LEAST_NS} THEN {n} // 1000 - CASE WHEN {n} % 1000 < 0 THEN 1 ELSE 0 END END"
    )


def number_kind(n: str) -> str:
    """What a whole number is."""
    return (
        f"CASE WHEN {n} BETWEEN 19000101 AND 21001231 THEN {DATE} WHEN {n} BETWEEN 19000101000000 AND 21001231235959 THEN {NAIVE} "
        f"WHEN {n} >= 100000000 OR {n} <= -100000000 THEN {INSTANT} WHEN {n} BETWEEN 20000 AND 79999 THEN {SPREADSHEET} ELSE {UNREADABLE} END"
    )


def fraction_wall(x: str) -> str:
    """Numbers that may have a fraction: whole ones as such, others as epochs to the nearest microsecond."""
    whole = f"CASE WHEN {x} = trunc({x}) AND abs({x}) < 9e18 THEN CAST({x} AS BIGINT) END"
    units = " ".join(
        f"WHEN abs({x}) >= {low} AND abs({x}) < {high} THEN CAST(round({x} * {factor}) AS BIGINT)"
        for _, low, high, factor in EPOCHS
    )
    return f"CASE WHEN ({whole}) IS NOT NULL THEN {number_wall(f'({whole})')} {units} END"


def fraction_kind(x: str) -> str:
    """What a number is that may have a fraction."""
    whole = f"CASE WHEN {x} = trunc({x}) AND abs({x}) < 9e18 THEN CAST({x} AS BIGINT) END"
    apart = f"WHEN abs({x}) >= 100000000 AND abs({x}) < 1e17 THEN {INSTANT} WHEN {x} >= 20000 AND {x} < 80000 THEN {SPREADSHEET} ELSE {UNREADABLE}"
    return f"CASE WHEN ({whole}) IS NOT NULL THEN {number_kind(f'({whole})')} {apart} END"

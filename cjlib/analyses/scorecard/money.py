"""Measures of what customers are worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cjlib.analyses.scorecard.inputs import Ground, Measured
from cjlib.analyses.scorecard.series import Floats, Ints, Latest, Means, counted
from cjlib.analyses.value.customer_lifetime_value import customer_value
from cjlib.errors import CjlibError, DataError

NAMES = ("value_per_active_customer", "value_to_date_per_customer", "expected_value_per_customer")


def measures(ground: Ground) -> Iterator[Measured]:
    """Value in the period, up to it, and expected after it."""
    value = ground.journey.value
    needs = (
        "value"
        if value is None
        else ""
        if value.amount in ground.log.columns
        else f"a column {value.amount!r} in the events"
    )
    needs = needs or (ground.unseen({"value.event": value.event}) if value and value.event else "")
    if needs:
        yield from (Measured(name, None, needs) for name in NAMES)
        return
    customer, period, amount = _sums(ground)
    yield Measured("value_per_active_customer", _in_period(ground, period, amount))
    yield Measured("value_to_date_per_customer", _to_date(ground, customer, period, amount))
    yield _expected(ground)


def _sums(ground: Ground) -> tuple[Ints, Ints, Floats]:
    """What each customer brought in each period, by customer and period; −1 is all before the first period."""
    value = ground.journey.value
    assert value is not None
    where = (
        f"{ground.log.match(value.event, 'value.event')} AND t <= {ground.log.observed_until_us}"
    )
    amount = np.nan_to_num(ground.log.numbers(value.amount, where=where, option="value.amount"))
    rows = ground.rows(value.event, "value.event")
    # Sorted by amount within customer and period: a sum must not depend on the order of tied rows.
    key = rows.customer.astype(np.int64) * (ground.size + 1) + rows.period + 1
    order = np.lexsort((amount, key))
    key, begins = np.unique(key[order], return_index=True)
    sums = np.add.reduceat(amount[order], begins) if begins.size else np.zeros(0)
    return key // (ground.size + 1), key % (ground.size + 1) - 1, sums


def _in_period(ground: Ground, period: Ints, amount: Floats) -> Means:
    mine = period >= 0
    total, squares = (_added(period[mine], amount[mine] ** power, ground.size) for power in (1, 2))
    return Means(total, squares, ground.n_active)


def _to_date(ground: Ground, customer: Ints, period: Ints, amount: Floats) -> Means:
    """Everything up to the period's end ÷ customers ever active up to it."""
    so_far = np.cumsum(amount)
    first = np.diff(customer, prepend=-1) != 0
    before = np.where(first, 0.0, np.append(0.0, so_far[:-1]))
    base = np.repeat(
        np.append(0.0, so_far)[np.flatnonzero(first)],
        np.diff(np.append(np.flatnonzero(first), amount.size)),
    )
    mine, earlier = so_far - base, np.where(first, 0.0, before - base)
    total = np.cumsum(_added(period + 1, amount, ground.size + 1))[1:]
    squares = np.cumsum(_added(period + 1, mine**2 - earlier**2, ground.size + 1))[1:]
    ever = np.cumsum(counted(ground.activity.firsts.period + 1, ground.size + 1))[1:]
    return Means(total, squares, ever)


def _added(group: Ints, value: Floats, groups: int) -> Floats:
    order = np.lexsort((value, group))
    return np.bincount(group[order], weights=value[order], minlength=groups).astype(np.float64)


def _expected(ground: Ground) -> Measured:
    """Mean of `cj.customer_value` at the end of the last complete period; the only one."""
    name, now = "expected_value_per_customer", ground.span.now
    churn, value = ground.journey.churn, ground.journey.value
    horizon = (churn.horizon or churn.inactive) if churn else None
    if horizon is None or value is None:
        return Measured(name, None, "churn.horizon")
    if now < 0:
        return Measured(name, None, "a complete period")
    last_day = f"{ground.log.moment(int(ground.starts[now + 1]) - 1):%Y-%m-%d}"
    try:
        found = customer_value(
            ground.log, horizon=horizon, value=value.amount, event=value.event, as_of=last_day
        )
    except (CjlibError, DataError) as fault:
        return Measured(name, None, str(fault).removeprefix("customer_value: ").split(". ")[0])
    buyers = len(found.table)
    total = found.metrics["expected_value"]
    value_now, low, high = (
        _only(ground, np.nan if total[key] is None else float(total[key] or 0) / buyers)
        for key in ("value", "low", "high")
    )
    n = np.zeros(ground.size, dtype=np.int64)
    n[now] = buyers
    return Measured(name, Latest(value_now, low, high, n))


def _only(ground: Ground, figure: float) -> Floats:
    """A number of the last complete period alone."""
    found = np.full(ground.size, np.nan)
    found[ground.span.now] = figure
    return found

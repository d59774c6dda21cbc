"""Measures of who comes, comes back, converts and leaves, and of what they are worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cjlib.analyses.scorecard.inputs import (
    NEVER,
    Ground,
    Measured,
    Rows,
    among,
    by_customer,
    found_at,
)
from cjlib.analyses.scorecard.series import (
    Counts,
    Floats,
    Ints,
    Latest,
    Means,
    Shares,
    Survivals,
    counted,
    means_by,
)
from cjlib.analyses.value.customer_lifetime_value import customer_value
from cjlib.errors import CjlibError, DataError
from cjlib.shared.periods import calendar
from cjlib.shared.silences import broken_in_words
from cjlib.sources.log.durations import microseconds

DAY_US = 86_400_000_000


def activity_measures(ground: Ground) -> Iterator[Measured]:
    """Conversion, activity, retention, churn and growth."""
    yield _then(ground, "conversion_of_visitors", "visit", "convert")
    yield _then(ground, "conversion_of_leads", "lead", "convert")
    yield Measured("active_customers", Counts(ground.n_active))
    newcomers = ground.newcomers.period
    yield Measured(
        "new_customers", Counts(counted(newcomers[newcomers >= 0], ground.size), adds_up=True)
    )
    yield Measured("retention", retention(ground))
    yield _churn(ground)
    yield from _engagement(ground)
    yield _then(ground, "renewal", "renewal_due", "renew")
    yield _among_active(ground, "expansion", "expand")
    yield _among_active(ground, "referral", "refer")
    needs = ground.missing("referred")
    yield Measured(
        "referred_customers",
        None if needs else Counts(_of_firsts(ground, ground.of_role("referred")), adds_up=True),
        needs,
    )
    yield from _milestones(ground)


def _then(ground: Ground, name: str, first: str, then: str) -> Measured:
    needs = ground.missing(first, then)
    return Measured(
        name,
        None if needs else then_share(ground, ground.of_role(first), ground.of_role(then)),
        needs,
    )


def then_share(ground: Ground, first: Rows, then: Rows) -> Shares:
    """Customers with the first event in a period whom the other follows at or after it, before the period's end."""
    begun, followed = ground.pairs(first), ground.pairs(then)
    keys, wanted = followed.key(ground.size), begun.key(ground.size)
    place = np.minimum(np.searchsorted(keys, wanted), max(keys.size - 1, 0))
    # The last one of the period decides: some event lies at or after the first if and only if the last one does.
    went = (
        among(wanted, keys) & (followed.last[place] >= begun.first)
        if keys.size
        else np.zeros(wanted.size, dtype=bool)
    )
    return Shares(counted(begun.period[went], ground.size), counted(begun.period, ground.size))


def retention(ground: Ground) -> Shares:
    """Active in the period before and in this one ÷ active in the period before."""
    before = ground.active.period + 1 < ground.size
    customer, period = ground.active.customer[before], ground.active.period[before] + 1
    stayed = ground.was_active(customer, period)
    return Shares(counted(period[stayed], ground.size), counted(period, ground.size))


_LONGER = "churn.inactive of at least a period (within one, a customer could be gone after {} and be back)"


def _churn(ground: Ground) -> Measured:
    churn = ground.journey.churn
    if churn is None:
        return Measured("churn", None, "churn")
    if churn.event is None:
        limit = microseconds(churn.inactive or "", "churn.inactive")
        if limit < np.diff(ground.starts).min():
            return Measured("churn", None, _LONGER.format(churn.inactive))
        rhythm = _rhythm(ground, limit)
        if rhythm:
            return Measured("churn", None, f"a longer churn.inactive: {rhythm}")
        return Measured("churn", churn_by_silence(ground, limit))
    needs = ground.unseen({"churn.event": churn.event})
    return Measured(
        "churn",
        None if needs else churn_by_event(ground, ground.rows(churn.event, "churn.event")),
        needs,
    )


def _rhythm(ground: Ground, limit: int) -> str:
    """That most silences which count as having left were broken soon after; "" where they were not."""
    rows = ground.activity
    silent = (rows.pauses >= limit) & (rows.time <= ground.log.observed_until_us - 2 * limit)
    broken = silent & (rows.pauses <= 2 * limit)
    return broken_in_words(int(np.count_nonzero(broken)), int(np.count_nonzero(silent)), limit)


def churn_by_event(ground: Ground, left: Rows) -> Shares:
    """Active in the period before without a churn event before this one; of these, those whose first churn event lies in it."""
    before = ground.active.period + 1 < ground.size
    customer, period = ground.active.customer[before], ground.active.period[before] + 1
    first = by_customer(left, int(max(customer.max(initial=-1), left.customer.max(initial=-1))) + 1)
    at_risk = first[customer] >= ground.starts[period]
    went = at_risk & (first[customer] < ground.starts[period + 1])
    return Shares(counted(period[went], ground.size), counted(period[at_risk], ground.size))


def churn_by_silence(ground: Ground, limit: int) -> Shares:
    """Last activity less than the limit before the period's start; of these, those whose silence reaches the limit in it."""
    rows, stays, size = ground.activity, ground.ever_active, ground.size
    following = np.append(stays.first[1:], NEVER)
    following[np.append(stays.customer[1:], -1) != stays.customer] = NEVER
    # A start S has the last event of a stay as the last activity before it if last < S ≤ following; it is at risk if S − last < limit.
    until = np.minimum(following, stays.last + limit - 1)
    begin = stays.period + 1
    crossing = np.append(ground.starts[:-1], NEVER)[begin] <= until
    end = np.searchsorted(ground.starts[:-1], until[crossing], side="right")
    at_risk = np.cumsum(
        np.bincount(begin[crossing], minlength=size + 1) - np.bincount(end, minlength=size + 1)
    )[:size]
    silent = rows.where(
        (rows.pauses >= limit)
        & (rows.time <= ground.log.observed_until_us - limit)
        & (rows.time >= ground.starts[0] - limit)
    )
    period = ground.span.calendar.index(silent.time + limit)
    customer = silent.customer.astype(np.int64)
    risky = _at_risk_before(ground, customer, period, limit)
    once = np.unique(customer[risky] * size + period[risky]) % size
    return Shares(counted(once, size), at_risk.astype(np.int64))


def _at_risk_before(ground: Ground, customer: Ints, period: Ints, limit: int) -> np.ndarray:
    """Whether the customer's last activity before the period's start lies less than the limit before it."""
    stays, size = ground.ever_active, ground.size
    keys = stays.customer * (size + 1) + stays.period + 1
    last = np.searchsorted(keys, customer * (size + 1) + period + 1) - 1
    known = (last >= 0) & (stays.customer[last] == customer)
    return known & (ground.starts[period] - stays.last[last] < limit)


# ---- how much those who are there do -----------------------------------------------------------------------------


def _engagement(ground: Ground) -> Iterator[Measured]:
    days, length = _active_days(ground)
    n = ground.n_active
    yield Measured(
        "active_days_per_customer", _mean_of_pairs(ground, days, np.ones(ground.size), n)
    )
    yield Measured("stickiness", _mean_of_pairs(ground, days, length, n))
    features = ground.journey.roles.features
    needs = "" if features else "roles.features"
    if features and _none_seen(ground):
        needs = "events in the log for roles.features"
    yield Measured("features_per_customer", None if needs else _features(ground, n), needs)


def _none_seen(ground: Ground) -> bool:
    return all(
        len(ground.log.unknown_events(feature)) == len(feature.names) > 0
        for feature in ground.journey.roles.features
    )


def _active_days(ground: Ground) -> tuple[Ints, np.ndarray]:
    """Of each pair of customer and period on how many days; and how many days each period has."""
    if ground.span.calendar.period == "hour":
        return np.ones(ground.active.customer.size, dtype=np.int64), np.ones(ground.size)
    days = calendar(int(ground.starts[0]), int(ground.starts[-1]) - 1, "day", ground.log.zone)
    rows = (
        ground.activity
        if (ground.activity.period >= 0).all()
        else ground.activity.where(ground.activity.period >= 0)
    )
    day = days.index(rows.time).astype(np.int32)
    new = np.ones(day.size, dtype=bool)
    new[1:] = (rows.customer[1:] != rows.customer[:-1]) | (day[1:] != day[:-1])
    begins = np.cumsum(np.append(0, ground.active.count[:-1]))
    on = (
        np.add.reduceat(new, begins, dtype=np.int64)
        if begins.size and new.size
        else np.zeros(0, dtype=np.int64)
    )
    period_of_day = np.searchsorted(ground.starts, days.starts[:-1], side="right") - 1
    return on, np.bincount(period_of_day, minlength=ground.size).astype(np.float64)


def _mean_of_pairs(ground: Ground, count: Ints, per: np.ndarray, n: Ints) -> Means:
    """Mean over the active of a whole number each, divided by something of the period."""
    total = np.zeros(ground.size, dtype=np.int64)
    squares = np.zeros(ground.size, dtype=np.int64)
    np.add.at(total, ground.active.period, count)
    np.add.at(squares, ground.active.period, count**2)
    return Means(total / per, squares / per**2, n)


def _features(ground: Ground, n: Ints) -> Means:
    """Distinct features used by those active."""
    active = ground.active.key(ground.size)
    count = np.zeros(active.size, dtype=np.int64)
    for feature in ground.journey.roles.features:
        used = ground.pairs(ground.rows(feature, "roles.features")).key(ground.size)
        count[found_at(used, active)] += 1
    return means_by(count.astype(float), ground.active.period, ground.size, n)


def _among_active(ground: Ground, name: str, role: str) -> Measured:
    needs = ground.missing(role)
    if needs:
        return Measured(name, None, needs)
    did = ground.pairs(ground.of_role(role))
    there = ground.was_active(did.customer, did.period)
    return Measured(name, Shares(counted(did.period[there], ground.size), ground.n_active))


def _of_firsts(ground: Ground, rows: Rows) -> Ints:
    period = rows.firsts.period
    return counted(period[period >= 0], ground.size)


def _milestones(ground: Ground) -> Iterator[Measured]:
    for name, event in ground.journey.milestones.items():
        needs = ground.missing("start") or ground.unseen({f"milestones.{name}": event})
        yield Measured(
            f"median_days_to_{name}",
            None if needs else days_to(ground, ground.rows(event, f"milestones.{name}")),
            needs,
        )


def days_to(ground: Ground, reached: Rows) -> Survivals:
    """From a customer's first start, which lies in the period, to the milestone at or after it; open ones censored at the end of data."""
    begun = ground.of_role("start").firsts
    size = int(max(begun.customer.max(initial=-1), reached.customer.max(initial=-1))) + 1
    start = by_customer(begun, size)
    after = by_customer(reached.where(reached.time >= start[reached.customer]), size)
    mine = begun.where(begun.period >= 0)
    end = after[mine.customer]
    there = end < NEVER
    length = (np.where(there, end, ground.log.observed_until_us) - mine.time) / DAY_US
    return Survivals(length, there, mine.period, ground.size)


VALUE_NAMES = (
    "value_per_active_customer",
    "value_to_date_per_customer",
    "expected_value_per_customer",
)


def value_measures(ground: Ground) -> Iterator[Measured]:
    """Value in the period, up to it, and expected after it."""
    value = ground.journey.value
    needs = "value" if value is None else ""
    if value is not None and value.amount not in ground.log.columns:
        needs = f"a column {value.amount!r} in the events"
    elif value is not None and value.event:
        needs = ground.unseen({"value.event": value.event})
    if needs:
        yield from (Measured(name, None, needs) for name in VALUE_NAMES)
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
    if "expected_value" not in found.metrics:
        return Measured(name, None, "a forecast, which the events do not allow yet")
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

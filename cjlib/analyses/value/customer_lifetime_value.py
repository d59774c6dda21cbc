"""What a customer will be worth: expected purchases and their value over a horizon, with its backtest beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from cjlib.analyses.result import Metric, Result, metric
from cjlib.analyses.value import NO_MONEY
from cjlib.errors import CjlibError, check_seed, did_you_mean, listed, not_a_log, shown
from cjlib.shared.bgnbd import BgNbd, Buyers, GammaGamma, fit_bgnbd, fit_gamma_gamma
from cjlib.shared.comparison import CLAIM
from cjlib.shared.periods import calendar
from cjlib.shared.stats import share
from cjlib.show.numbers import about, count_of, joined, money, percent, timespan
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import MICROSECONDS, Duration, microseconds
from cjlib.sources.log.event_log import EventLog

Floats = NDArray[np.float64]
WEEK = MICROSECONDS["W"]
DAYS_A_WEEK = 7
DRAWS = 50
FEWEST_DRAWS = 39
"""With fewer no draw of them lies beyond a 95% CI."""
LARGEST_DRAW = 20_000
"""Customers in a bootstrap draw; with more of them the deviations are scaled by √(drawn / all)."""
CORRELATED = 0.3
"""Above this correlation of frequency and value Gamma–Gamma, which assumes none, is warned about."""
FEWEST_REPEATERS = 10
_PURCHASE = re.compile(
    r"buy|bought|purchas|order|pay|paid|sale|sold|transaction|checkout|invoice|subscri|renew|charge|donat|deposit|book|spen[dt]|top.?up",
    re.IGNORECASE,
)
"""Event names that say a purchase; others are called by their names."""
ALIKE = 0.2
"""Where customers' rates vary less than this share of their mean, purchases fall due rather than happen."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CustomerValue(Result):
    """Expected purchases and value per customer; `.backtest` compares a forecast of the last third of the log with what happened."""

    backtest: pd.DataFrame = field(default_factory=pd.DataFrame)
    horizon_us: int = 0
    _drawn: Callable[[], Iterator[tuple[Floats, Floats]]] = field(
        default=lambda: iter(()), repr=False
    )

    def ends_of_means(self, group: NDArray[np.int64], groups: int) -> Floats:
        """The 95% ends of the mean expected value in each of the groups 0 … `groups` − 1, as shares of it: who happens to be a customer, and both models, which are fitted to them.

        Parameters
        ----------
        group
            The group of each row of `.table`.
        groups
            How many there are.

        Returns
        -------
        numpy.ndarray
            Lower and upper ends; NaN where they cannot be drawn.
        """
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            drawn = [
                share(np.bincount(group, times * values, groups), np.bincount(group, times, groups))
                for times, values in self._drawn()
            ]
        means = np.array(drawn).reshape(-1, groups)
        known = (means > 0).sum(axis=0) >= FEWEST_DRAWS
        ends = np.full((2, groups), np.nan)
        for place in np.flatnonzero(known).tolist():
            those = means[means[:, place] > 0, place]
            ends[:, place] = _ends(those) / those.mean()
        return ends ** np.sqrt(min(len(group), LARGEST_DRAW) / len(group))


@dataclass(frozen=True)
class History:
    """One row a customer who bought: repeat purchase days, weeks from first to last, weeks observed, mean value of a repeat day, value of all days."""

    customer: NDArray[np.int32]
    x: Floats
    recency: Floats
    age: Floats
    mean: Floats
    to_date: Floats

    @cached_property
    def alike(self) -> tuple[Buyers, NDArray[np.intp]]:
        """Customers with the same purchases merged, and for each customer the row it went to."""
        return Buyers.merged(self.x, self.recency, self.age)


@dataclass(frozen=True)
class Fitted:
    """Both models of one history."""

    buying: BgNbd
    spending: GammaGamma | None

    def value(self, history: History, weeks: float) -> Floats:
        """Expected value over `weeks`, undiscounted; NaN where spending could not be fitted."""
        return self.both(history, weeks)[:, 1]

    def both(self, history: History, weeks: float) -> Floats:
        """Expected purchases and value over `weeks`, a column each."""
        times = self.purchases(history, weeks)
        each = self.spending.expected(history.x, history.mean) if self.spending else np.nan
        return np.column_stack([times, times * each])

    def purchases(self, history: History, weeks: float) -> Floats:
        """Expected purchase days over `weeks`; worked out once for customers who are alike."""
        buyers, home = history.alike
        return self.buying.expected(buyers.x, buyers.recency, buyers.age, weeks)[home]


def customer_value(
    log: EventLog,
    *,
    horizon: Duration,
    value: str | None = "value",
    event: Event = None,
    as_of: Any = None,
    rate: float | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> CustomerValue:
    """Expected purchases and value of each customer within a horizon, by BG/NBD and Gamma–Gamma.

    A purchase is a customer's calendar day (in the log's zone) with at least one purchase event:
    `event`, or by default any event with a value (0 counts); the day's values are summed, a
    purchase without one adding nothing. A negative value is a refund: no purchase, taken off the
    value to date, and off every expected value by the share of all that was refunded. Of each
    customer count the repeat days after the first, the time from the first day to the last, and the
    time from the first day to `as_of` (default: the log's last day), in weeks. Spending is fitted
    on repeat days with a mean above 0. The horizon may be at most twice the log's length. Values
    are undiscounted unless `rate`, a yearly interest, is given.

    Parameters
    ----------
    log
        The event log.
    horizon
        How far ahead, such as "90D".
    value
        The numeric column with the money; None: not known.
    event
        Which event is a purchase; None: every event with a value.
    as_of
        The last day known to the model; later events are not looked at.
    rate
        Interest per year, 0.1 = 10%: adds `discounted_value`.
    draws
        Of the bootstrap: both models are fitted again to each; the more, the steadier the ends of
        the intervals.
    seed
        Of the bootstrap over customers that makes `low` and `high`.

    Returns
    -------
    CustomerValue
        `.table`: `customer_id`, `repeat_purchases`, `recency_days`, `age_days`, `value_to_date` (of
        all purchases, the first included), `value_mean` (of a repeat day; NaN without one),
        `p_no_purchase`, `expected_purchases`, `expected_value`, [`discounted_value`], `low`, `high`
        (95%, of the expectation, not of one customer's luck), `decile` (1 = most valuable).
        `.backtest`: one row each for purchases and value, expected against actual, and whether the
        difference is within what chance gives in 399 of 400 forecasts (`held`). Unanswered where the log has no column `value`, nobody
        bought, fewer than ten customers bought again, or the horizon is longer than twice the log.

    Raises
    ------
    CjlibError
        If `log` is no event log, `horizon` has no unit or no length, `value` is no column of numbers, `as_of` lies before the first purchase or after the end of
        data, `rate` is not above −1, or `draws` are too few.

    References
    ----------
    Fader, Hardie & Lee (2005); Fader & Hardie (2013). See `purchases.py`.
    """
    from threadpoolctl import threadpool_limits

    if not isinstance(log, EventLog):
        raise not_a_log(log)
    if value is None:
        return CustomerValue.unanswered(NO_MONEY)
    length = microseconds(horizon, "horizon")
    _check_numbers(length, rate, draws)
    check_seed(seed)
    if value == "value" and value not in log.properties:
        return CustomerValue.unanswered(
            "What customers are worth is not known: the log has no column 'value'. Name the column with the money."
        )
    bought = _bought(log, value, event)
    if bought.days.empty:
        return CustomerValue.unanswered(_nothing_bought(log, value, event))
    last = _last_day(log, as_of, bought.days)
    bought = bought.until(last)
    days = bought.days
    observed = int(last - days["day"].min()) if len(days) else 0
    if length > 2 * observed * MICROSECONDS["D"]:
        return CustomerValue.unanswered(_too_far(length, observed))
    history = _history(days, last)
    repeaters = int((history.x > 0).sum())
    if repeaters < FEWEST_REPEATERS:
        return CustomerValue.unanswered(
            f"What customers are worth is not known: only {count_of(repeaters, 'customer')} bought on more than one day; at least {FEWEST_REPEATERS} are needed to tell a rate from chance."
        )
    weeks = length / WEEK
    with threadpool_limits(
        1
    ):  # sums as short as these cost many times more over threads, and differ in the last digit
        fitted = _fitted(history)
        spread = _bootstrap(history, fitted, weeks, draws, seed, bought)
        backtest = _backtest(days, last, draws, seed)
    table = _table(log, history, fitted, weeks, rate, bought)
    unpriced = fitted.spending is None or math.isnan(bought.net_share)
    ranked = table["expected_purchases" if unpriced else "expected_value"]
    table = table.assign(
        low=spread.low,
        high=spread.high,
        decile=_deciles(ranked.to_numpy()),
    )
    metrics = _metrics(history, fitted, table, backtest, spread.total)
    return CustomerValue(
        table=table,
        headline=_headline(table, metrics, backtest, length, bought),
        definition=_what_counts(log, value, bought)
        | _modelled(history, fitted, metrics)
        | _forecast_terms(length, last, draws)
        | (
            {"totals": f"in its backtest the forecast of value was {TOTALS_MISSED}"}
            if _missed(backtest)
            else {}
        ),
        metrics=metrics,
        backtest=backtest,
        horizon_us=length,
        _drawn=partial(_values_drawn_again, history, fitted, weeks, draws, seed, bought),
    )


def _check_numbers(length: int, rate: float | None, draws: int) -> None:
    if length == 0:
        raise CjlibError("horizon: must be longer than nothing, such as '90D'.")
    if rate is not None and (
        isinstance(rate, bool) or not isinstance(rate, int | float) or not -1 < rate < np.inf
    ):
        raise CjlibError(
            f"rate: must be interest per year, a number above -1 such as 0.1 for 10%. Got {shown(rate)}."
        )
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < FEWEST_DRAWS:
        raise CjlibError(
            f"draws: must be a whole number, {FEWEST_DRAWS} or more, for of fewer none lies beyond a 95% CI. Got {shown(draws)}."
        )


@dataclass(frozen=True, eq=False)
class _Bought:
    """Purchases and refunds: a row a customer and day with a purchase (`customer`, `day`, `value`), a row a refund, and the names of the events that are purchases."""

    days: pd.DataFrame
    refunds: pd.DataFrame
    events: list[str]

    def until(self, last: int) -> _Bought:
        """Up to a day, included."""
        days, refunds = (part[part["day"] <= last] for part in (self.days, self.refunds))
        return replace(self, days=days, refunds=refunds)

    @cached_property
    def net_share(self) -> float:
        """The share of what was bought that was not refunded; missing where as much was refunded or more, as by refunds of purchases that the log does not hold."""
        gross = float(np.sort(self.days["value"].to_numpy()).sum())
        back = float(np.sort(self.refunds["value"].to_numpy()).sum())
        if not gross > 0:
            return 1.0
        return 1 + back / gross if gross + back > 0 else float("nan")

    def refunded(self, customers: NDArray[np.int32]) -> Floats:
        """What each customer was paid back, as a number of 0 or less."""
        sums = self.refunds.sort_values(["customer", "value"]).groupby("customer")["value"].sum()
        return sums.reindex(customers).fillna(0.0).to_numpy(dtype=float)

    @property
    def noun(self) -> tuple[str, str]:
        """What a purchase is called: by the names of its events, unless they say that they are purchases."""
        if all(_PURCHASE.search(name) for name in self.events):
            return "purchase", "purchases"
        names = listed(self.events, most=3)
        return f"day with {names}", f"days with {names}"


def _bought(log: EventLog, value: str, event: Event) -> _Bought:
    where = log.match(event, "event")
    amounts = log.numbers(value, where=where)
    rows = log.fetch("customer", "time", "event", where=where)
    some = np.ones(amounts.size, dtype=bool) if event is not None else ~np.isnan(amounts)
    names = [log.event_names[code] for code in np.unique(rows["event"][some]).tolist()]
    frame = pd.DataFrame(
        {
            "customer": rows["customer"][some],
            "day": _days(log, rows["time"])[some],
            "value": np.nan_to_num(amounts[some]),
        }
    )
    # Sorted by value as well: a day's sum must not depend on the order of its rows.
    ordered = frame.sort_values(["customer", "day", "value"])
    refund = ordered["value"] < 0
    days = ordered[~refund].groupby(["customer", "day"])["value"].sum().reset_index()
    return _Bought(days, ordered[refund], names)


def _days(log: EventLog, time: NDArray[np.int64]) -> NDArray[np.int64]:
    """The local calendar day of each instant, as an ordinal."""
    if not time.size:
        return time
    first, last = int(time.min()), int(time.max())
    start = pd.Timestamp(log.moment(first)).tz_localize(None).normalize().toordinal()
    return calendar(first, last, "day", log.zone).index(time) + start


def _nothing_bought(log: EventLog, value: str, event: Event) -> str:
    if event is None:
        return f"What customers are worth is not known: no event has a {shown(value)} of 0 or more. Name the column with the money, or the purchase with event=."
    near = "".join(
        did_you_mean(name, log.event_names) for name in log.unknown_events(as_step(event, "event"))
    )
    return f"What customers are worth is not known: {as_step(event, 'event')} never occurs in the log with a value of 0 or more, so nobody has bought.{near}"


def _last_day(log: EventLog, as_of: Any, days: pd.DataFrame) -> int:
    until = log.observed_until_us if as_of is None else log.instant(as_of, "as_of", end=True)
    last, end = (
        log.moment(one).tz_localize(None).toordinal() for one in (until, log.observed_until_us)
    )
    if last > end:
        raise CjlibError(
            f"as_of: must not lie after the end of data ({pd.Timestamp.fromordinal(end):%Y-%m-%d}), for what customers did since is not known. Got {shown(as_of)}."
        )
    if len(days) and last < days["day"].min():
        raise CjlibError(f"as_of: {shown(as_of)} lies before the first purchase. Give a later day.")
    return last


def _too_far(length: int, observed_days: int) -> str:
    return (
        f"What customers will be worth in {timespan(length)} is not known: purchases span {count_of(observed_days, 'day')}, "
        "and a forecast converges no further than twice as far ahead. Give a shorter horizon, or a longer log."
    )


def _history(days: pd.DataFrame, last: int) -> History:
    grouped = days.groupby("customer")["day"]
    first, latest, count = grouped.min(), grouped.max(), grouped.size()
    repeat = days[days["day"] > days["customer"].map(first)]
    mean = repeat.groupby("customer")["value"].mean().reindex(first.index).fillna(0.0)
    return History(
        customer=first.index.to_numpy(dtype=np.int32),
        x=np.asarray(count - 1, dtype=float),
        recency=((latest - first) / DAYS_A_WEEK).to_numpy(dtype=float),
        age=((last - first) / DAYS_A_WEEK).to_numpy(dtype=float),
        mean=mean.to_numpy(dtype=float),
        to_date=days.groupby("customer")["value"].sum().to_numpy(dtype=float),
    )


def _fitted(history: History) -> Fitted:
    spends = int(((history.x > 0) & (history.mean > 0)).sum()) >= FEWEST_REPEATERS
    return Fitted(
        fit_bgnbd(history.alike[0]), fit_gamma_gamma(history.x, history.mean) if spends else None
    )


def _table(
    log: EventLog,
    history: History,
    fitted: Fitted,
    weeks: float,
    rate: float | None,
    bought: _Bought,
) -> pd.DataFrame:
    value = fitted.value(history, weeks) * bought.net_share
    table = pd.DataFrame(
        {
            "customer_id": log.customer_ids(history.customer),
            "repeat_purchases": history.x.astype(np.int64),
            "recency_days": np.rint(history.recency * DAYS_A_WEEK).astype(np.int64),
            "age_days": np.rint(history.age * DAYS_A_WEEK).astype(np.int64),
            "value_to_date": history.to_date + bought.refunded(history.customer),
            "value_mean": np.where(history.x > 0, history.mean, np.nan),
            "p_no_purchase": fitted.buying.no_purchase(
                history.x, history.recency, history.age, weeks
            ),
            "expected_purchases": fitted.purchases(history, weeks),
            "expected_value": value,
        }
    )
    return (
        table
        if rate is None
        else table.assign(
            discounted_value=_discounted(history, fitted, weeks, rate) * bought.net_share
        )
    )


def _discounted(history: History, fitted: Fitted, weeks: float, rate: float) -> Floats:
    ends = np.unique(np.append(np.arange(4.0, weeks, 4.0), weeks))
    until = np.array([fitted.value(history, end) for end in ends])
    steps = np.diff(until, axis=0, prepend=0)
    middles = ends - np.diff(ends, prepend=0) / 2
    return (steps * ((1 + rate) ** (-middles / (365.25 / DAYS_A_WEEK)))[:, None]).sum(axis=0)


@dataclass(frozen=True)
class Spread:
    """95% bounds of each customer's expected value, and of the sum over all customers."""

    low: Floats
    high: Floats
    total: Metric


def _bootstrap(
    history: History,
    fitted: Fitted,
    weeks: float,
    draws: int,
    seed: int,
    bought: _Bought | None = None,
) -> Spread:
    """Customers drawn again, what they were paid back with them, and both models fitted again; the total's spread includes who happens to be a customer."""
    n = history.x.size
    drawn = min(n, LARGEST_DRAW)
    net = 1.0 if bought is None else bought.net_share
    centre = fitted.value(history, weeks) * net
    values, totals = np.empty((draws, n)), np.empty(draws)
    again = _values_drawn_again(history, fitted, weeks, draws, seed, bought)
    for draw, (times, worth) in enumerate(again):
        values[draw] = worth
        totals[draw] = times @ worth / drawn * n
    shrink = np.sqrt(drawn / n)
    low, high = (np.maximum(centre + (bound - centre) * shrink, 0) for bound in _ends(values))
    total = float(centre.sum())
    # As a share of the mean: what customers pay has no lower end below 0, however few of them pay most of it.
    total_low, total_high = (
        total * (float(end / totals.mean()) ** shrink if total > 0 else 1.0)
        for end in _ends(totals)
    )
    return Spread(
        np.minimum(low, centre),
        np.maximum(high, centre),
        metric(
            total, total_low, total_high, n, label="Expected value", unit="money", better="higher"
        ),
    )


def _values_drawn_again(
    history: History,
    fitted: Fitted,
    weeks: float,
    draws: int,
    seed: int,
    bought: _Bought | None = None,
) -> Iterator[tuple[Floats, Floats]]:
    """How often each customer is in a draw, and what all are expected to bring by the models fitted to it, less what such customers are paid back."""
    every = np.ones(history.x.size)
    net = 1.0 if bought is None else bought.net_share
    back = np.zeros(every.size) if bought is None else bought.refunded(history.customer)
    for times, again in _drawn_again(history, fitted, draws, seed):
        kept = net + _part(back, history.to_date, times) - _part(back, history.to_date, every)
        yield times, again.value(history, weeks) * max(kept, 0.0)


def _ends(drawn: Floats) -> Floats:
    """The 95% ends of draws, at the rank among them that one more draw would have: those that interpolate within 50 draws hold 91%."""
    return np.percentile(drawn, [2.5, 97.5], axis=0, method="weibull")


def _part(amounts: Floats, of: Floats, times: Floats) -> float:
    """What part amounts are of others, customers counted that often; 0 of nothing."""
    size = float(times @ of)
    return float(times @ amounts) / size if size > 0 else 0.0


def _drawn_again(
    history: History, fitted: Fitted, draws: int, seed: int
) -> Iterator[tuple[Floats, Fitted]]:
    """How often each customer is in a draw, and both models fitted to it."""
    rng = np.random.default_rng(seed)
    n = history.x.size
    buyers, home = history.alike
    for _ in range(draws):
        picks = rng.integers(0, n, min(n, LARGEST_DRAW))
        times = np.bincount(picks, minlength=n).astype(float)
        alike = np.bincount(home, weights=times, minlength=buyers.x.size).astype(float)
        spending = fitted.spending and fit_gamma_gamma(
            history.x, history.mean, times, start=fitted.spending
        )
        yield times, Fitted(fit_bgnbd(buyers.weighted(alike), start=fitted.buying), spending)


def _deciles(values: Floats) -> NDArray[np.int64]:
    rank = np.argsort(np.argsort(-values, kind="stable"), kind="stable")
    return rank * 10 // max(values.size, 1) + 1


def _backtest(days: pd.DataFrame, last: int, draws: int, seed: int) -> pd.DataFrame:
    """The last third of the log held out: expected against actual, over customers who bought before it."""
    first = int(days["day"].min())
    cut = last - (last - first) // 3
    before, after = days[days["day"] <= cut], days[days["day"] > cut]
    history = _history(before, cut)
    later = after.groupby("customer")["value"].agg(["size", "sum"]).reindex(history.customer)
    actual = later.fillna(0.0).to_numpy(dtype=float)
    expected, chance = np.full(actual.shape, np.nan), np.full(2, np.nan)
    if int((history.x > 0).sum()) >= FEWEST_REPEATERS and last > cut:
        fitted, weeks = _fitted(history), (last - cut) / DAYS_A_WEEK
        expected = fitted.both(history, weeks)
        chance = _chance(history, fitted, weeks, actual, draws, seed)
    totals, came = expected.sum(axis=0), actual.sum(axis=0)
    return pd.DataFrame(
        {
            "measure": ["purchases", "value"],
            "customers": len(history.x),
            "held_out_days": last - cut,
            "expected": totals,
            "actual": came,
            "ratio": np.divide(totals, came, out=np.full(2, np.nan), where=came != 0),
            "held": ~(np.abs(came - totals) > chance),
        }
    )


def _chance(
    history: History, fitted: Fitted, weeks: float, actual: Floats, draws: int, seed: int
) -> Floats:
    """How far off totals may be by chance if customers go on as they did: in each draw of them both models are fitted again, since they are not known either."""
    off = np.array(
        [
            times @ (actual - again.both(history, weeks)) / times.sum()
            for times, again in _drawn_again(history, fitted, draws, seed)
        ]
    )
    n = history.x.size
    error = off.std(axis=0, ddof=1) * np.sqrt(min(n, LARGEST_DRAW) * n)
    return float(stdtrit(draws - 1, 1 - CLAIM / 2)) * error


def _metrics(
    history: History,
    fitted: Fitted,
    table: pd.DataFrame,
    backtest: pd.DataFrame,
    total: Metric,
) -> dict[str, Metric]:
    n, buying, spending = history.x.size, fitted.buying, fitted.spending
    gamma = (spending.p, spending.q, spending.v) if spending else (np.nan, np.nan, np.nan)
    ratios = backtest["ratio"].tolist()
    return {
        "expected_value": total,
        "expected_purchases": metric(
            float(table["expected_purchases"].sum()),
            n=n,
            label="Expected purchases",
            unit="number",
            better="higher",
        ),
        "holdout_ratio": metric(
            ratios[0], n=n, label="Backtest: purchases forecast, of actuals", unit="share"
        ),
        "holdout_value_ratio": metric(
            ratios[1], n=n, label="Backtest: value forecast, of actuals", unit="share"
        ),
    } | {
        name: metric(value, n=n, label=label, unit="number")
        for name, label, value in (
            ("bgnbd_r", "BG/NBD r", buying.r),
            ("bgnbd_alpha", "BG/NBD alpha", buying.alpha),
            ("bgnbd_a", "BG/NBD a", buying.a),
            ("bgnbd_b", "BG/NBD b", buying.b),
            ("bgnbd_log_likelihood", "BG/NBD log-likelihood", buying.log_likelihood),
            ("gg_p", "Gamma-Gamma p", gamma[0]),
            ("gg_q", "Gamma-Gamma q", gamma[1]),
            ("gg_v", "Gamma-Gamma v", gamma[2]),
            (
                "correlation_frequency_value",
                "Correlation of frequency and value",
                _correlation(history),
            ),
        )
    }


def _correlation(history: History) -> float:
    repeaters = (history.x > 0) & (history.mean > 0)
    often, mean = history.x[repeaters], history.mean[repeaters]
    apart = often.size > 2 and np.ptp(often) > 0 and np.ptp(mean) > 1e-9 * mean.max()
    return float(np.corrcoef(often, mean)[0, 1]) if apart else float("nan")


def _headline(
    table: pd.DataFrame,
    metrics: Mapping[str, Metric],
    backtest: pd.DataFrame,
    length: int,
    bought: _Bought,
) -> str:
    worth = metrics["expected_value"]
    why_not = (
        "as much was paid back as was bought, or more: what they are worth is not known"
        if math.isnan(bought.net_share)
        else "too few had a value above 0 to say what they are worth"
    )
    worth_words = (
        f" ({why_not})"
        if worth["value"] is None
        else f" worth {money(worth['value'])} (95% CI {money(worth['low'])} to {money(worth['high'])})"
    )
    purchases = count_of(round(table["expected_purchases"].sum()), *bought.noun)
    return (
        f"{count_of(len(table), 'customer')} who bought before are expected to make {purchases}{worth_words} in the next {timespan(length)}; "
        f"{_backtest_in_words(backtest, bought.noun)}."
    )


TOTALS_MISSED = (
    "further off than chance allows: trust the ranking more than the totals and their intervals"
)


def _missed(backtest: pd.DataFrame) -> bool:
    return not backtest["held"].all()


def _backtest_in_words(backtest: pd.DataFrame, purchases: tuple[str, str]) -> str:
    missed = f", {TOTALS_MISSED}" if _missed(backtest) else ""
    tested = backtest[backtest["ratio"].notna()]
    if tested.empty and not backtest["expected"].isna().all():
        expected = count_of(round(backtest["expected"].iloc[0]), *purchases)
        return (
            f"a backtest forecast {expected} for the last third of the log, and none came{missed}"
        )
    if tested.empty:
        return "no backtest was possible"
    shares = joined(
        f"{percent(ratio)} of actual {purchases[1] if measure == 'purchases' else measure}"
        for ratio, measure in zip(tested["ratio"].tolist(), tested["measure"], strict=True)
    )
    return f"a backtest on the last third of the log gave {shares}{missed}"


def _what_counts(log: EventLog, value: str, bought: _Bought) -> dict[str, str]:
    words = {
        "purchase": f"a customer's day with {listed(bought.events, most=5)} and a {value} of 0 or more; values of a day summed; days in {log.timezone}"
    }
    if len(bought.refunds):
        words["refunds"] = (
            f"{count_of(len(bought.refunds), 'event')} with a negative {value} are no purchases; they take "
            + (
                "off as much as was bought or more, so that no value is forecast"
                if math.isnan(bought.net_share)
                else f"{percent(1 - bought.net_share)} off every expected value"
            )
        )
    return words


def _modelled(history: History, fitted: Fitted, metrics: Mapping[str, Metric]) -> dict[str, str]:
    correlation = metrics["correlation_frequency_value"]["value"]
    independent = "not known" if correlation is None else f"correlation {correlation:.2f}"
    warned = (
        " — above 0.3: who buys often also spends differently, so values are biased"
        if correlation is not None and correlation > CORRELATED
        else ""
    )
    spread = fitted.buying.r**-0.5
    due = (
        " — nearly alike, as where payments fall due: a contract's worth is cj.subscription_value's question"
        if spread < ALIKE
        else ""
    )
    return {
        "customers": f"{history.x.size:,}, of whom {int((history.x > 0).sum()):,} bought on more than one day",
        "model": "BG/NBD for the number of purchases, Gamma–Gamma for their value; time in weeks",
        "rates of buying": f"{fitted.buying.r / fitted.buying.alpha:.3g} purchases a week while a customer, varying by {about(spread)} among customers{due}",
        "frequency and value": f"{independent}{warned}",
    }


def _forecast_terms(length: int, last: int, draws: int) -> dict[str, str]:
    return {
        "as of": f"{pd.Timestamp.fromordinal(last):%Y-%m-%d}",
        "horizon": timespan(length),
        "interval": f"95%, {draws} bootstrap draws of customers: of the expectation, not of one customer's luck",
        "backtest": "the last third of the log held out; see .backtest. Totals of this model tend to be low where buying comes in waves",
    }

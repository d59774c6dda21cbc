"""How long an experiment must run: from the business's own baseline, spread and traffic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from cjlib.analyses.experiment.estimates import always_valid
from cjlib.analyses.experiment.measures import (
    CustomerValues,
    Measure,
    customer_values,
    measures_given,
)
from cjlib.analyses.result import Result
from cjlib.errors import CjlibError, not_a_log, not_one_of, shown
from cjlib.shared.comparison import MIN_N, followed
from cjlib.shared.stats import Floats
from cjlib.show.numbers import count_of, percent, timespan
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log

DAY = 86_400_000_000
EFFECTS = (0.01, 0.02, 0.05, 0.10, 0.20)
ALPHA = 0.05
SOON = 90
"""Days that a headline gives a test; it names the smallest change that can be shown by then, else the largest that was asked for."""
STOPS = ("always_valid", "fixed")


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentPlan(Result):
    """The answer of `cj.plan_experiment`; `per_day` is how many customers come to the entry on a day."""

    per_day: float


def plan_experiment(
    log: EventLog,
    *,
    entry: Event,
    measures: Sequence[Measure | Mapping[str, Any]],
    window: Duration,
    arms: int = 2,
    effects: Sequence[float] = EFFECTS,
    power: float = 0.8,
    stop: str = "always_valid",
    traffic_share: float = 1.0,
) -> ExperimentPlan:
    """How many customers and days an experiment needs to show an effect, measure by measure.

    Everybody who came to the entry in the log and was followed for the whole window stands for
    those who will be exposed: the first time counts as exposure. Their mean and spread give the
    number of customers an arm needs so that a true effect of that size is shown with the wanted
    power; their number a day gives the days, to which the window is added, since the last customers
    have to be followed too. Sums, counts and ratios are planned with what the time before explains
    taken out (CUPED).

    Parameters
    ----------
    log
        The event log of the business as it is.
    entry
        The event at which customers would be exposed; None: the answer says that there is none.
    measures
        `cj.Measure(…)`.
    window
        How long after the exposure outcomes would count.
    arms
        How many arms of equal size, the control among them.
    effects
        True effects as shares of today's value: 0.05 is 5% more (or less).
    power
        The wanted probability that the effect is shown, 0.5–0.99.
    stop
        "fixed": one look at the end. "always_valid": looks every day, which need more customers for
        the same effect.
    traffic_share
        The share of the traffic that takes part, 0–1.

    Returns
    -------
    ExperimentPlan
        `.table`, a row a measure and effect: `measure`, `baseline`, `effect`, `difference`,
        `customers_per_arm`, `days` (missing where nobody comes), `variance_removed`.

    Raises
    ------
    CjlibError
        If fewer than 30 customers came to the entry and were followed for the window, `measures`
        holds something else than `cj.Measure`, `stop` is none of those named, or `arms`, `effects`,
        `power` or `traffic_share` is out of range.

    References
    ----------
    Lehr, R. (1992). Sixteen s-squared over d-squared. Statistics in Medicine 11: the formula, here
    with its exact quantiles.
    """
    if not isinstance(log, Log):
        raise not_a_log(log)
    if entry is None:
        return ExperimentPlan.unanswered(
            "There is no entry at which customers would be exposed. Name one: entry=…, or a funnel in the journey file.",
            per_day=0.0,
        )
    chosen = measures_given(measures)
    _check(chosen, arms, effects, power, stop, traffic_share)
    horizon = microseconds(window, "window")
    where = log.match(as_step(entry, "entry"), "entry")
    events = log.fetch("customer", "time", where=where)
    customer, first = np.unique(events["customer"].astype(np.int64), return_index=True)
    entered_at = events["time"][first]
    complete, follow_up = followed(
        entered_at, log.observed_until_us, horizon=horizon, landmark="the first time at the entry"
    )
    if complete.sum() < MIN_N:
        return ExperimentPlan.unanswered(
            f"No plan: {count_of(complete.sum(), 'customer')} came to {shown(str(as_step(entry, 'entry')))} and were followed for {timespan(horizon)}; "
            f"a plan needs {MIN_N}. Take an earlier event or a shorter window.",
            per_day=0.0,
        )
    per_day = len(customer) / max(1.0, (entered_at.max() - entered_at.min()) / DAY) * traffic_share
    comparisons = arms - 1
    rows = []
    for measure in chosen:
        values = customer_values(log, measure, customer[complete], entered_at[complete], horizon)
        baseline, spread, removed = _baseline(values, measure)
        for effect in effects:
            needed = _customers(baseline * effect, spread, power, comparisons, stop)
            rows.append(
                {
                    "measure": measure.name,
                    "baseline": baseline,
                    "effect": effect,
                    "difference": baseline * effect,
                    "customers_per_arm": needed,
                    "days": needed * arms / per_day + horizon / DAY if needed else math.nan,
                    "variance_removed": removed,
                }
            )
    table = pd.DataFrame(rows).astype({"customers_per_arm": "Int64"})
    return ExperimentPlan(
        table=table,
        headline=_headline(table, chosen[0], power, stop),
        definition={
            "baseline": f"{count_of(complete.sum(), 'customer')} who came to {as_step(entry, 'entry')}; {follow_up.words}",
            "traffic": f"{per_day:,.1f} new customers a day take part, in {arms} arms of equal size",
            "power": f"{percent(power, 0)} at a false-alarm rate of 5% over {count_of(comparisons, 'comparison')}",
            "stop rule": "looks every day" if stop == "always_valid" else "one look at the end",
        },
        per_day=per_day,
    )


def _check(
    measures: Sequence[Measure],
    arms: int,
    effects: Sequence[float],
    power: float,
    stop: str,
    traffic_share: float,
) -> None:
    if not measures:
        raise CjlibError("measures: must be a list of cj.Measure(…), at least one. Got none.")
    if stop not in STOPS:
        raise not_one_of("stop", stop, STOPS)
    if arms < 2:
        raise CjlibError(f"arms: an experiment needs two or more. Got {shown(arms)}.")
    if not all(effect > 0 for effect in effects):
        raise CjlibError(
            f"effects: must be shares above 0, such as 0.05 for 5%. Got {shown(effects)}."
        )
    if not 0.5 <= power <= 0.99:
        raise CjlibError(f"power: must be between 0.5 and 0.99. Got {shown(power)}.")
    if not 0 < traffic_share <= 1:
        raise CjlibError(
            f"traffic_share: must be a share above 0, at most 1. Got {shown(traffic_share)}."
        )


def _baseline(values: CustomerValues, measure: Measure) -> tuple[float, float, float]:
    """Today's value, the standard deviation of one customer's part in it, and the share of its variance that the time before explains."""
    own, before = values.value, values.before
    if values.base is not None and values.base_before is not None:
        own, before = _linear(own, values.base), _linear(before, values.base_before)
        baseline = _ratio(values.value, values.base)
    else:
        baseline = float(own.mean())
    removed = 0.0
    if measure.kind != "share" and own.std() > 0 and before.std() > 0:
        removed = float(np.corrcoef(own, before)[0, 1] ** 2)
    return baseline, float(own.std(ddof=1)) * math.sqrt(1 - removed), removed


def _ratio(value: Floats, base: Floats) -> float:
    return float(value.sum() / base.sum()) if base.sum() else math.nan


def _linear(value: Floats, base: Floats) -> Floats:
    """Each customer's part in a ratio of means, by the delta method."""
    mean = base.mean()
    return (value - _ratio(value, base) * base) / mean if mean else np.zeros(len(value))


def _customers(
    difference: float, spread: float, power: float, comparisons: int, stop: str
) -> int | None:
    """Customers of each arm for which the interval leaves out 0 with this power; None where there is nothing to be shown."""
    if not difference > 0 or not spread > 0:
        return None
    if stop == "fixed":
        quantile = float(ndtri(1 - ALPHA / 2 / comparisons))
    else:
        quantile = always_valid(0.0, 1.0, 1.0, comparisons)[1]
    return math.ceil(2 * (spread * (quantile + float(ndtri(power))) / difference) ** 2)


def _headline(table: pd.DataFrame, measure: Measure, power: float, stop: str) -> str:
    rows = table[(table["measure"] == measure.name) & table["customers_per_arm"].notna()]
    if rows.empty:
        return f"{measure.name} is 0 today: no effect can be planned as a share of it."
    soon = rows[rows["days"] <= SOON]
    shown_row: Any = rows.iloc[-1] if soon.empty else soon.iloc[0]
    looks = "with looks every day" if stop == "always_valid" else "with one look at the end"
    return (
        f"A change of {percent(shown_row['effect'], 0)} in {measure.name} can be shown in about {count_of(math.ceil(shown_row['days']), 'day')} {looks}: "
        f"{shown_row['customers_per_arm']:,} customers an arm, with a probability of {percent(power, 0)}."
    )

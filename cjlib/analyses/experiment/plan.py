"""How long an experiment must run: from the business's own baseline, spread and traffic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from cjlib.analyses.experiment.assignment import Ints
from cjlib.analyses.experiment.breakdowns import adjusts
from cjlib.analyses.experiment.estimates import Moments, Rules, always_valid, estimate
from cjlib.analyses.experiment.measures import (
    DAY,
    CustomerValues,
    Exposed,
    Measure,
    customer_values,
    measures_given,
)
from cjlib.analyses.experiment.written_plan import (
    WrittenPlan,
    as_written,
    event_as_written,
    window_as_written,
)
from cjlib.analyses.result import Result
from cjlib.errors import CjlibError, check_seed, listed, not_a_log, not_one_of, shown
from cjlib.shared.comparison import MIN_N, FollowUp, followed
from cjlib.shared.group_by import group_by, names_given
from cjlib.shared.stats import Floats, wilson
from cjlib.show.numbers import confidence, count_of, money, percent, timespan
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log

EFFECTS = (0.01, 0.02, 0.05, 0.10, 0.20)
ALPHA = 0.05
SOON = 90
"""Days that a headline gives a test; it names the smallest change that can be shown by then, else the largest that was asked for."""
YEAR = 365
"""A test that takes longer is none."""
STOPS = ("always_valid", "fixed")
CURVE_DAYS = (7, 14, 21, 28, 42, 56, 84, 112, 182, 365)
ROUNDS = 20
LARGEST = 2.0
"""Effects above three times today's value are not looked for."""
MOST_DRAWS = 20_000_000
"""Customers drawn by a simulation of power; large arms are simulated fewer times."""
PLANNED = ["measure", "baseline", "effect", "difference", "customers_per_arm", "days"]
PLANNED += ["variance_removed", "cost_of_waiting"]
DETECTABLE = ["measure", "days", "customers_per_arm", "effect"]


@dataclass(frozen=True)
class _Design:
    """What is asked of a test, the same for every measure."""

    measures: tuple[Measure, ...]
    window: int
    arms: int
    effects: tuple[float, ...]
    power: float
    stop: str
    traffic_share: float

    def comparisons(self, measure: Measure) -> int:
        """Over how many comparisons a verdict on a measure is corrected when the experiment is read: all that decide together with it (Holm at one look, so at most)."""
        together = ("decision",) if self.stop == "fixed" else ("decision", "guardrail")
        deciding = sum(one.role in together for one in self.measures)
        return (deciding if measure.role in together else 1) * (self.arms - 1)

    def quantiles(self, measure: Measure) -> float:
        """By how many standard errors a true difference must exceed 0 to be shown with the wanted power."""
        comparisons = self.comparisons(measure)
        if self.stop == "fixed":
            shown_from = float(ndtri(1 - ALPHA / 2 / comparisons))
        else:
            shown_from = always_valid(0.0, 1.0, 1.0, comparisons)[1]
        return shown_from + float(ndtri(self.power))


@dataclass(frozen=True)
class _Baseline:
    """Those who stand for the customers to come: who of them was followed, and how many come a day."""

    exposed: Exposed
    follow_up: FollowUp
    per_day: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentPlan(Result):
    """The answer of `cj.plan_experiment`.

    Attributes
    ----------
    detectable
        The smallest effect that is shown after so many days, the window included: `measure`, `days`, `customers_per_arm`, `effect`.
    groups
        The plan of a test within each group of each column `by`: `column`, `group`, `per_day`, and the columns of `.table`.
    steps
        The plan of a test at each of the `steps`: `step`, `per_day`, and the columns of `.table`.
    per_day
        How many customers come to the entry on a day and take part.
    """

    detectable: pd.DataFrame
    groups: pd.DataFrame
    steps: pd.DataFrame
    per_day: float
    _design: _Design | None = field(default=None, repr=False)
    _written: WrittenPlan | None = field(default=None, repr=False)
    _values: Mapping[str, CustomerValues] = field(default_factory=dict, repr=False)

    def write_plan(
        self,
        path: str | Path,
        *,
        effect: float,
        control: str | None = None,
        starts: str | None = None,
    ) -> Path:
        """Write the plan as YAML, to be held against the readout: `cj.experiment(…, plan=path)`.

        Parameters
        ----------
        path
            The file; one that is there is replaced.
        effect
            The smallest effect that is to be found, one of those planned. It decides the number of
            customers: the largest that a decision measure needs.
        control
            The arm that the others will be compared with; None: left open.
        starts
            The first day of the experiment, such as "2026-02-01"; with it the last day is known too.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        CjlibError
            If there is no plan, or none for this effect.
        """
        if self._written is None or self._design is None:
            raise CjlibError(f"write_plan: there is no plan. {self.headline}")
        deciding = [measure.name for measure in self._design.measures if measure.role == "decision"]
        rows = self.table[self.table["effect"].eq(effect) & self.table["measure"].isin(deciding)]
        rows = rows.dropna(subset=["customers_per_arm"])
        if rows.empty:
            raise CjlibError(
                f"effect: must be one that was planned for a decision measure. Got {shown(effect)}. Planned are {listed(self.table['effect'].unique().tolist())}."
            )
        days = math.ceil(float(rows["days"].max()))
        ends = None if starts is None else pd.Timestamp(starts) + pd.Timedelta(days=days)
        return replace(
            self._written,
            control=control,
            planned_customers=int(rows["customers_per_arm"].max()),
            smallest_effect=effect,
            starts=None if starts is None else str(pd.Timestamp(starts).date()),
            ends=None if ends is None else str(ends.date()),
        ).write(path)

    def simulated_power(
        self,
        measure: str,
        *,
        effect: float,
        customers_per_arm: int | None = None,
        runs: int = 500,
        seed: int = 0,
    ) -> SimulatedPower:
        """How often a true effect is shown, by experiments drawn from the log itself instead of a formula.

        Each run draws two arms from the customers of the baseline, with replacement, gives one of
        them the effect (of a share: others convert too, by chance; else every value times 1 +
        effect) and reads it as `cj.experiment` does, once at the end. Runs without the effect count
        the false alarms.

        Parameters
        ----------
        measure
            The name of a planned measure.
        effect
            The true effect, as a share of today's value.
        customers_per_arm
            None: as many as planned for this effect.
        runs
            How many experiments are drawn; fewer where arms are so large that it would take
            minutes.
        seed
            Of the draws.

        Returns
        -------
        SimulatedPower
            `.table`: `effect` (0 and that asked for), `customers_per_arm`, `runs`, `shown`,
            `share_shown` with its 95% CI.

        Raises
        ------
        CjlibError
            If there is no such measure, or no number of customers for this effect.
        """
        check_seed(seed)
        if not self.answered or self._design is None:
            return SimulatedPower.unanswered(self.headline)
        planned = {one.name: one for one in self._design.measures}
        if measure not in planned:
            raise not_one_of("measure", measure, planned)
        asked = self.table[self.table["measure"].eq(measure) & self.table["effect"].eq(effect)]
        if customers_per_arm is None and len(asked) and asked["customers_per_arm"].isna().all():
            return SimulatedPower.unanswered(self.headline)
        if customers_per_arm is None and asked.empty:
            raise CjlibError(
                f"customers_per_arm: must be given, since an effect of {shown(effect)} was not planned for {shown(measure)}."
            )
        size = customers_per_arm or int(asked["customers_per_arm"].iloc[0])
        runs = max(20, min(runs, MOST_DRAWS // (2 * size)))
        drawn = _Runs(planned[measure], self._values[measure], size, runs, seed)
        return _simulated(drawn, self._design, effect)


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedPower(Result):
    """The answer of `ExperimentPlan.simulated_power`."""


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
    by: str | Sequence[str] = (),
    steps: Sequence[Event] = (),
    feedback: Feedback | None = None,
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
    by
        Columns by whose values, as known at the entry, the plan is also made: a test among them
        alone.
    steps
        Steps of a funnel: the plan is also made with each as the entry.
    feedback
        The answers for measures of kind "score".

    Returns
    -------
    ExperimentPlan
        `.table`, a row a measure and effect: `measure`, `baseline`, `effect`, `difference`,
        `customers_per_arm`, `days` (missing where nobody comes), `variance_removed`, and
        `cost_of_waiting`: of sums, what those without the change bring less until the verdict if
        its effect is that. Beside it `.detectable`, `.groups`, `.steps`, `.simulated_power(…)` and
        `.write_plan(…)`.

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
        return _unanswered(
            "There is no entry at which customers would be exposed. Name one: entry=…, or a funnel in the journey file."
        )
    design = _Design(
        measures_given(measures),
        microseconds(window, "window"),
        arms,
        tuple(effects),
        power,
        stop,
        traffic_share,
    )
    _check(design)
    baseline = _baseline_at(log, entry, "entry", design)
    if len(baseline.exposed.customer) < MIN_N:
        return _unanswered(_too_few(entry, baseline))
    values = {
        measure.name: customer_values(log, measure, baseline.exposed, feedback)
        for measure in design.measures
    }
    table = _planned(design, baseline.per_day, values)
    return ExperimentPlan(
        table=table,
        headline=_headline(table, design),
        definition=_definition(entry, baseline, design),
        per_day=baseline.per_day,
        detectable=_detectable(design, baseline.per_day, values),
        groups=_by_group(log, names_given(by, "by"), baseline, design, values),
        steps=_by_step(log, steps, design, feedback),
        _design=design,
        _written=_written(log, entry, window, baseline, design, table),
        _values=values,
    )


def _unanswered(reason: str) -> ExperimentPlan:
    return ExperimentPlan.unanswered(
        reason,
        detectable=pd.DataFrame(columns=DETECTABLE),
        groups=_stacked([], ["column", "group", "per_day"]),
        steps=_stacked([], ["step", "per_day"]),
        per_day=0.0,
    )


def _too_few(entry: Event, baseline: _Baseline) -> str:
    followed_customers = count_of(len(baseline.exposed.customer), "customer")
    return (
        f"No plan: {followed_customers} came to {shown(str(as_step(entry, 'entry')))} and were followed for {timespan(baseline.exposed.window)}; "
        f"a plan needs {MIN_N}. Take an earlier event or a shorter window."
    )


def _baseline_at(log: EventLog, entry: Event, option: str, design: _Design) -> _Baseline:
    """Everybody who came there in the log; the first time stands for the exposure."""
    events = log.fetch("customer", "time", where=log.match(as_step(entry, option), option))
    customer, first = np.unique(events["customer"].astype(np.int64), return_index=True)
    entered_at = events["time"][first]
    complete, follow_up = followed(
        entered_at,
        log.observed_until_us,
        horizon=design.window,
        landmark="the first time at the entry",
    )
    exposed = Exposed(customer[complete], entered_at[complete], design.window, log.n_customer_codes)
    return _Baseline(exposed, follow_up, _a_day(entered_at) * design.traffic_share)


def _a_day(entered_at: Ints) -> float:
    if not len(entered_at):
        return 0.0
    return len(entered_at) / max(1.0, (entered_at.max() - entered_at.min()) / DAY)


def _planned(design: _Design, per_day: float, values: Mapping[str, CustomerValues]) -> pd.DataFrame:
    """A row a measure and effect."""
    rows = []
    for measure in design.measures:
        value, spread, removed = _baseline(values[measure.name], measure)
        for effect in design.effects:
            difference = abs(value) * effect
            needed = _customers(
                measure, difference, _of_both(measure, value, spread, effect), design
            )
            days = (
                needed * design.arms / per_day + design.window / DAY
                if needed and per_day
                else math.nan
            )
            rows.append(
                {
                    "measure": measure.name,
                    "baseline": value,
                    "effect": effect,
                    "difference": difference,
                    "customers_per_arm": needed,
                    "days": days,
                    "variance_removed": removed,
                    "cost_of_waiting": _cost_of_waiting(measure, difference, days, per_day, design),
                }
            )
    return pd.DataFrame(rows, columns=PLANNED).astype({"customers_per_arm": "Int64"})


def _cost_of_waiting(
    measure: Measure, difference: float, days: float, per_day: float, design: _Design
) -> float:
    """Of sums: what those who do not get the change until the verdict bring less, if it is that good."""
    if measure.kind != "sum":
        return math.nan
    without = per_day / design.traffic_share - per_day * (design.arms - 1) / design.arms
    return difference * without * days


def _detectable(
    design: _Design, per_day: float, values: Mapping[str, CustomerValues]
) -> pd.DataFrame:
    """The smallest effect shown with the wanted power, by the days that the whole test takes."""
    rows = []
    for measure in design.measures:
        value, spread, _ = _baseline(values[measure.name], measure)
        for days in CURVE_DAYS:
            customers = (days - design.window / DAY) * per_day / design.arms
            if customers < MIN_N or not value or not spread > 0:
                continue
            smallest = _smallest_effect(measure, value, spread, customers, design)
            if smallest <= LARGEST:
                row = (measure.name, days, int(customers), smallest)
                rows.append(dict(zip(DETECTABLE, row, strict=True)))
    return pd.DataFrame(rows, columns=DETECTABLE)


def _smallest_effect(
    measure: Measure, value: float, spread: float, customers: float, design: _Design
) -> float:
    """The effect that so many customers an arm show; the spread with it depends on the effect, hence the rounds."""
    effect = 0.0
    for _ in range(ROUNDS):
        both = _of_both(measure, value, spread, effect)
        effect = both * math.sqrt(2 / customers) * design.quantiles(measure) / abs(value)
    return effect


def _of_both(measure: Measure, value: float, spread: float, effect: float) -> float:
    """The spread of both arms together: with the effect a share's variance is that of the new share, all else is larger throughout."""
    if measure.is_share:
        share = min(1.0, value * (1 + effect))
        return math.sqrt((spread**2 + share * (1 - share)) / 2)
    return spread * math.sqrt((1 + (1 + effect) ** 2) / 2)


def _by_group(
    log: EventLog,
    by: Sequence[str],
    baseline: _Baseline,
    design: _Design,
    values: Mapping[str, CustomerValues],
) -> pd.DataFrame:
    """The plan within each group of each column, as known at the entry."""
    exposed = baseline.exposed
    known_at = np.full(log.n_customer_codes, np.iinfo(np.int64).min)
    known_at[exposed.customer] = exposed.exposed_at
    parts = []
    for column in by:
        groups = group_by(log, column, known_at=known_at)
        of = groups.of[exposed.customer]
        for place, label in enumerate(groups.labels):
            inside = of == place
            if np.count_nonzero(inside) < MIN_N:
                continue
            # Of those who come in a day, as many as of those who were followed.
            per_day = baseline.per_day * float(inside.mean())
            own = {name: _only(part, inside) for name, part in values.items()}
            parts.append(
                _planned(design, per_day, own).assign(column=column, group=label, per_day=per_day)
            )
    return _stacked(parts, ["column", "group", "per_day"])


def _by_step(
    log: EventLog, steps: Sequence[Event], design: _Design, feedback: Feedback | None
) -> pd.DataFrame:
    """The plan with each step as the entry."""
    parts = []
    for step in steps:
        baseline = _baseline_at(log, step, "steps", design)
        if len(baseline.exposed.customer) < MIN_N:
            continue
        values = {
            measure.name: customer_values(log, measure, baseline.exposed, feedback)
            for measure in design.measures
        }
        name = str(as_step(step, "steps"))
        parts.append(
            _planned(design, baseline.per_day, values).assign(step=name, per_day=baseline.per_day)
        )
    return _stacked(parts, ["step", "per_day"])


def _stacked(parts: Sequence[pd.DataFrame], first: list[str]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=[*first, *PLANNED])
    return pd.concat(parts, ignore_index=True)[[*first, *PLANNED]]


def _only(values: CustomerValues, inside: Any) -> CustomerValues:
    base = None if values.base is None else values.base[inside]
    base_before = None if values.base_before is None else values.base_before[inside]
    return CustomerValues(values.value[inside], base, values.before[inside], base_before)


def _written(
    log: EventLog,
    entry: Event,
    window: Duration,
    baseline: _Baseline,
    design: _Design,
    table: pd.DataFrame,
) -> WrittenPlan:
    until = log.observed_until.date().isoformat()
    customers = len(baseline.exposed.customer)
    today = table.drop_duplicates("measure").set_index("measure")["baseline"]
    source = f"{count_of(customers, 'customer')} who came to {as_step(entry, 'entry')} in the event log until {until}, followed for {timespan(design.window)}"
    return WrittenPlan(
        measures={measure.name: as_written(measure) for measure in design.measures},
        window=window_as_written(window),
        stop=design.stop,
        exposure=event_as_written(entry),
        power=design.power,
        written_from=until,
        baseline={
            measure.name: {
                "value": float(f"{today[measure.name]:.6g}"),
                "customers": customers,
                "source": source,
            }
            for measure in design.measures
        },
    )


def _definition(entry: Event, baseline: _Baseline, design: _Design) -> dict[str, str]:
    customers = count_of(len(baseline.exposed.customer), "customer")
    return {
        "baseline": f"{customers} who came to {as_step(entry, 'entry')}; {baseline.follow_up.words}",
        "traffic": f"{baseline.per_day:,.1f} new customers a day take part, in {design.arms} arms of equal size",
        "power": f"{percent(design.power, 0)} at a false-alarm rate of 5% over {count_of(max(map(design.comparisons, design.measures)), 'comparison')}",
        "stop rule": "looks every day" if design.stop == "always_valid" else "one look at the end",
        "cost of waiting": "of sums: the effect × the customers who come without the change until the verdict",
    }


@dataclass(frozen=True)
class _Runs:
    """Experiments to be drawn: of which measure, from whom, how large, how many."""

    measure: Measure
    customers: CustomerValues
    customers_per_arm: int
    runs: int
    seed: int


def _simulated(drawn: _Runs, design: _Design, effect: float) -> SimulatedPower:
    measure, size = drawn.measure, drawn.customers_per_arm
    follow_up = FollowUp("the first exposure", design.window)
    rules = Rules(design.stop, size, not measure.is_share, follow_up, design.comparisons(measure))
    effects = np.array([0.0, effect])
    shown_runs = np.array([sum(_shown_in_runs(drawn, each, rules)) for each in effects])
    low, high = wilson(shown_runs, np.full(2, drawn.runs))
    table = pd.DataFrame(
        {
            "effect": effects,
            "customers_per_arm": size,
            "runs": drawn.runs,
            "shown": shown_runs,
            "share_shown": shown_runs / drawn.runs,
            "low": low,
            "high": high,
        }
    )
    false_alarms, power = table["share_shown"]
    return SimulatedPower(
        table=table,
        headline=(
            f"A change of {percent(effect, 0)} in {measure.name} was shown in {percent(power, 0)} of {drawn.runs:,} simulated experiments "
            f"with {size:,} customers an arm ({confidence(low[1], high[1])}); without any change in {percent(false_alarms)}."
        ),
        definition={
            "drawn": "both arms from the customers of the baseline, with replacement",
            "shown": "the interval that the stop rule goes by leaves out 0, in one look at the end",
        },
    )


def _shown_in_runs(drawn: _Runs, effect: float, rules: Rules) -> Iterator[bool]:
    """Whether each simulated experiment shows a difference."""
    rng = np.random.default_rng(drawn.seed)
    measure, size = drawn.measure, drawn.customers_per_arm
    arm = np.repeat([0, 1], size)
    for _ in range(drawn.runs):
        chosen = rng.integers(len(drawn.customers.value), size=2 * size)
        sample = _only(drawn.customers, chosen)
        own = sample.value.copy()
        own[size:] = _changed(own[size:], drawn, effect, rng)
        moments = Moments.of(replace(sample, value=own), arm, 2, covariates=adjusts(measure, rules))
        found = estimate(measure, moments.aggregates(0), moments.aggregates(1), rules)
        if rules.stop == "fixed":
            yield found.p_value < ALPHA / rules.comparisons
        else:
            yield found.always_low > 0 or found.always_high < 0


def _changed(values: Floats, drawn: _Runs, effect: float, rng: np.random.Generator) -> Floats:
    """The values of an arm with the effect; a share rises for each customer by the chance that it has among all, whatever share happened to be drawn."""
    if not drawn.measure.is_share:
        return values * (1 + effect)
    share = drawn.customers.value.mean()
    chance = min(1.0, share * effect / (1 - share)) if share < 1 else 0.0
    return np.where(rng.random(len(values)) < chance, 1.0, values)


def _check(design: _Design) -> None:
    if not design.measures:
        raise CjlibError("measures: must be a list of cj.Measure(…), at least one. Got none.")
    if design.stop not in STOPS:
        raise not_one_of("stop", design.stop, STOPS)
    if design.arms < 2:
        raise CjlibError(f"arms: an experiment needs two or more. Got {shown(design.arms)}.")
    if not all(effect > 0 for effect in design.effects):
        raise CjlibError(
            f"effects: must be shares above 0, such as 0.05 for 5%. Got {shown(list(design.effects))}."
        )
    if not 0.5 <= design.power <= 0.99:
        raise CjlibError(f"power: must be between 0.5 and 0.99. Got {shown(design.power)}.")
    if not 0 < design.traffic_share <= 1:
        raise CjlibError(
            f"traffic_share: must be a share above 0, at most 1. Got {shown(design.traffic_share)}."
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
    if not measure.is_share and own.std() > 0 and before.std() > 0:
        removed = float(np.corrcoef(own, before)[0, 1] ** 2)
    return baseline, float(own.std(ddof=1)) * math.sqrt(1 - removed), removed


def _ratio(value: Floats, base: Floats) -> float:
    return float(value.sum() / base.sum()) if base.sum() else math.nan


def _linear(value: Floats, base: Floats) -> Floats:
    """Each customer's part in a ratio of means, by the delta method."""
    mean = base.mean()
    return (value - _ratio(value, base) * base) / mean if mean else np.zeros(len(value))


def _customers(measure: Measure, difference: float, spread: float, design: _Design) -> int | None:
    """Customers of each arm for which the interval leaves out 0 with this power; None where there is nothing to be shown."""
    if not difference > 0 or not spread > 0:
        return None
    return math.ceil(2 * (spread * design.quantiles(measure) / difference) ** 2)


def _not_planned(baseline: pd.Series, measure: Measure) -> str:
    """Why no effect can be planned: nothing today, everybody today, or everybody the same."""
    today = float(baseline.iloc[0]) if len(baseline) else 0.0
    if not today:
        return f"{measure.name} is 0 today: no effect can be planned as a share of it."
    if measure.is_share:
        return f"{measure.name} is {percent(today)} today: that leaves too little room for an effect to be planned."
    return f"{measure.name} is the same for every customer today: what an effect needs cannot be told from that."


def _headline(table: pd.DataFrame, design: _Design) -> str:
    measure = design.measures[0].name
    rows = table[(table["measure"] == measure) & table["customers_per_arm"].notna()]
    if rows.empty:
        return _not_planned(table.loc[table["measure"] == measure, "baseline"], design.measures[0])
    soon = rows[rows["days"] <= SOON]
    shown_row: Any = rows.iloc[-1] if soon.empty else soon.iloc[0]
    looks = "with looks every day" if design.stop == "always_valid" else "with one look at the end"
    waiting = shown_row["cost_of_waiting"]
    cost = "" if math.isnan(waiting) else f" Waiting for it costs {money(waiting)} if the change is that good."  # fmt: skip
    if shown_row["days"] > YEAR:
        return (
            f"No change of {percent(shown_row['effect'], 0)} or less in {measure} can be shown within a year: {percent(shown_row['effect'], 0)} takes about {count_of(math.ceil(shown_row['days']), 'day')} {looks} "
            f"({shown_row['customers_per_arm']:,} customers an arm, with a probability of {percent(design.power, 0)}). Test a larger change, or a measure that more customers move."
        )
    return (
        f"A change of {percent(shown_row['effect'], 0)} in {measure} can be shown in about {count_of(math.ceil(shown_row['days']), 'day')} {looks}: "
        f"{shown_row['customers_per_arm']:,} customers an arm, with a probability of {percent(design.power, 0)}.{cost}"
    )

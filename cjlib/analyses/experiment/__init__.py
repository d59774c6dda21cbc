"""Did it work? An experiment read: who saw what, what they then did, and how sure that is, also for who looks every day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.experiment import breakdowns, summary
from cjlib.analyses.experiment.assignment import Assignment, assign, assign_from
from cjlib.analyses.experiment.estimates import Estimate, estimate
from cjlib.analyses.experiment.measures import (
    CustomerValues,
    Measure,
    customer_values,
    measures_given,
)
from cjlib.analyses.experiment.worth import Worth, worth
from cjlib.analyses.findings import Finding
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, listed, not_a_log, not_one_of, shown
from cjlib.shared.comparison import (
    MIN_N,
    Family,
    FollowUp,
    compare_shares,
    family,
    followed,
    planned_family,
)
from cjlib.shared.group_by import names_given
from cjlib.show.numbers import count_of, timespan
from cjlib.sources.log.conditions import Event
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log

STOPS = ("always_valid", "fixed")
RELATIVE = ("relative", "relative_always_low", "relative_always_high")
SRM_LEVEL = 0.001
"""Below this p the arms are not of the sizes that were planned, and nothing is read from them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiment(Result):
    """The answer of `cj.experiment`.

    Attributes
    ----------
    arms
        One row an arm, control first: `variant`, `customers`, `expected`, `exposed`; and `p_value` of the sample-ratio test.
    verdict
        "better", "worse", "no difference shown", "too early" or "not readable" (the arms are not of the planned sizes), for each arm but the control.
    looks
        What the decision measures would have shown at up to 30 earlier looks: `look`, `variant`, `measure`, `customers`, `difference` with both intervals.
    novelty
        The difference in counts and sums that each day since the exposure adds: `days`, `variant`, `measure`, `customers`, `difference`, `low`, `high`.
    segments
        The decision measures by the columns `by`: `column`, `group`, `variant`, `measure`, both numbers of customers, `difference`, `low`, `high`, `p_value`,
        `p_adjusted`. Exploratory.
    per_day
        Customers exposed a day, all arms together.
    """

    arms: pd.DataFrame
    verdict: Mapping[str, str]
    looks: pd.DataFrame
    novelty: pd.DataFrame
    segments: pd.DataFrame
    per_day: float

    def worth(
        self, measure: str, *, cost: float = 0, customers_per_year: float | None = None
    ) -> Worth:
        """What the change is worth in money: per 1,000 customers and a year, and the probability that it is worth its cost.

        Parameters
        ----------
        measure
            The name of a measure of kind "sum" whose values are money.
        cost
            What the change costs a year, in the same money.
        customers_per_year
            How many customers would meet the change in a year; None: as many a day as in the experiment.

        Returns
        -------
        Worth
            `.table`, a row an arm: `variant`, `customers`, `gain_per_1000` and `gain_per_year` with their bounds, `cost`, `probability_worth_it`.

        Raises
        ------
        CjlibError
            If no measure of kind "sum" has this name, or the arms are not of the planned sizes.
        """
        if not self.answered or "not readable" in self.verdict.values():
            return Worth.unanswered(self.headline)
        rows = self.table[(self.table["measure"] == measure) & (self.table["kind"] == "sum")]
        if rows.empty:
            sums = self.table.loc[self.table["kind"] == "sum", "measure"].unique().tolist()
            raise CjlibError(
                f"measure: must be a measure of kind 'sum'. Got {shown(measure)}. This experiment has {listed(sums) or 'none'}."
            )
        return worth(rows, measure, customers_per_year or self.per_day * 365.25, cost)


def experiment(
    log: EventLog,
    *,
    exposure: Event | None = None,
    variant: str = "variant",
    control: Any,
    measures: Sequence[Measure | Mapping[str, Any]],
    window: Duration,
    assignment: pd.DataFrame | None = None,
    by: str | Sequence[str] = (),
    planned_shares: Mapping[str, float] | None = None,
    planned_customers: int | None = None,
    stop: str = "always_valid",
    cuped: bool = True,
) -> Experiment:
    """What an experiment changed, measure by measure, each arm against the control.

    A customer belongs to the arm of the first exposure; who was seen in several arms is left out
    and counted. Outcomes are counted in the window from that first exposure, both ends included,
    and only customers whose whole window has been observed count, in every arm. First the sizes of
    the arms are tested against the plan (chi-squared): where they do not fit (p < .001) nothing is
    read. Shares are compared with Newcombe's interval, means and ratios over customers by
    tea-tasting (delta method), with the same measure in the window before the exposure as covariate
    (CUPED). Decision measures are adjusted by Holm, all others by Benjamini–Hochberg.

    Parameters
    ----------
    log
        The event log.
    exposure
        The event with which a customer sees a variant, such as "experiment_viewed" or a
        `cj.Step(…)` that names the experiment. With an `assignment` it may be None: assigned is
        exposed.
    variant
        The column that holds the arm: of the exposures, of the customers table, or of the
        assignment.
    control
        The arm that the others are compared with; None: there is no experiment, and the answer says so.
    measures
        `cj.Measure(…)`, at least one with role "decision".
    window
        How long after the first exposure outcomes count, such as "14D".
    assignment
        A table `customer_id`, `variant`, `timestamp` of who was put into which arm when, such as a
        file that another tool wrote; None: the exposures say it.
    by
        Columns by whose values the decision measures are also read, as known at the exposure.
        Exploratory: they never decide.
    planned_shares
        Arm → planned share of the customers; None: equal.
    planned_customers
        Planned customers of each arm, followed for the whole window; None: not planned.
    stop
        "always_valid": may be looked at every day; a verdict where the interval that holds at every
        look, over all decision and guardrail measures together, leaves out 0. "fixed": one look,
        once `planned_customers` of each arm have been followed; before that there is no verdict.
    cuped
        Whether what customers did in the window before the exposure is taken out of means and
        ratios.

    Returns
    -------
    Experiment
        `.table`, a row an arm and measure: `variant`, `measure`, `role`, `customers`,
        `control_customers`, `value`, `control_value`, `difference` with `difference_low`,
        `difference_high` (95%, for one planned look) and `always_low`, `always_high` (95%, at every
        look), `relative` with its bounds and
        `relative_always_low`, `relative_always_high`, `p_value`, `p_adjusted`, `variance_removed` (by CUPED,
        0–1), `verdict`; beside it `.arms`, `.looks`, `.novelty`, `.segments`, `.worth(…)`.

    Raises
    ------
    CjlibError
        If the exposure never occurs or neither it nor an assignment is given, there are not two
        arms or the control is none of them, `measures` has no measure with the role of a decision,
        an event of a measure never occurs, `stop` is none of those named or "fixed" without
        `planned_customers`, or `planned_shares` does not name the arms.

    References
    ----------
    Fabijan, A. et al. (2019). Diagnosing sample ratio mismatch in online controlled experiments.
    KDD. Waudby-Smith, I. et al. (2024). Time-uniform central limit theory and asymptotic confidence
    sequences. Annals of Statistics 52.
    """
    if not isinstance(log, Log):
        raise not_a_log(log)
    if control is None:
        return _unanswered(
            "The journey file names no experiment. Add one to read it: experiments: {new form: {exposure: form_viewed, variant: variant, control: old, window: 14D, measures: {signed up: {event: signup}}}}."
        )
    chosen = measures_given(measures)
    _check(chosen, stop, planned_customers)
    horizon = microseconds(window, "window")
    everyone = _assigned(log, exposure, variant, control, assignment)
    complete, follow_up = followed(
        everyone.exposed_at,
        log.observed_until_us,
        horizon=horizon,
        landmark="the first exposure",
        known_at=everyone.exposed_at,
    )
    if not complete.any():
        return _unanswered(
            f"Too early to judge: none of {count_of(len(everyone.customer), 'exposed customer')} has been followed for the whole window of {timespan(horizon)}."
        )
    assigned = everyone.only(complete)
    arms = _arms(everyone, assigned, planned_shares)
    mismatch = float(arms["p_value"].iloc[0]) < SRM_LEVEL
    deciding = sum(one.role != "exploratory" for one in chosen) * (len(assigned.arms) - 1)
    measured = [
        (one, customer_values(log, one, assigned.customer, assigned.exposed_at, horizon))
        for one in chosen
    ]
    rows = [
        _row(
            assigned,
            arm,
            measure,
            values,
            follow_up,
            cuped=cuped,
            planned=planned_customers,
            comparisons=deciding,
        )
        for measure, values in measured
        for arm in range(1, len(assigned.arms))
    ]
    table, families = _adjusted(
        pd.DataFrame(rows).rename(columns={"low": "difference_low", "high": "difference_high"}),
        follow_up,
    )
    decisions = [(one, values) for one, values in measured if one.role == "decision"]
    enough = planned_customers is None or bool((assigned.sizes >= planned_customers).all())
    table["verdict"] = [
        _verdict(row, mismatch=mismatch, enough=enough, stop=stop) for row in records(table)
    ]
    verdict = {
        str(name): summary.overall(records(rows))
        for name, rows in table.groupby("variant", sort=False)
    }
    return Experiment(
        table=table,
        headline=summary.headline(table, arms, verdict, follow_up, planned_customers, stop),
        definition=summary.definition(
            everyone, chosen, families, stop=stop, planned=planned_customers, cuped=cuped
        ),
        metrics=_metrics(table),
        findings=_findings(table, verdict),
        families={one.name: one.tests for one in families},
        arms=arms,
        verdict=verdict,
        looks=breakdowns.looks(
            assigned,
            decisions,
            horizon,
            cuped=cuped,
            planned=planned_customers,
            comparisons=deciding,
        ),
        novelty=breakdowns.novelty(log, assigned, [one for one, _ in decisions], horizon),
        segments=breakdowns.segments(
            log, names_given(by, "by"), assigned, decisions, follow_up, cuped=cuped
        ),
        per_day=_per_day(everyone),
    )


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _per_day(everyone: Assignment) -> float:
    span = int(everyone.exposed_at.max() - everyone.exposed_at.min())
    return len(everyone.customer) / max(1.0, span / breakdowns.DAY)


def _check(measures: Sequence[Measure], stop: str, planned: int | None) -> None:
    if stop not in STOPS:
        raise not_one_of("stop", stop, STOPS)
    if stop == "fixed" and planned is None:
        raise CjlibError(
            "planned_customers: one look (stop='fixed') needs the planned number of customers in each arm, so that the look is not chosen by what it shows."
        )
    if not measures:
        raise CjlibError("measures: must be a list of cj.Measure(…), at least one. Got none.")
    if not any(one.role == "decision" for one in measures):
        raise CjlibError("measures: at least one needs role='decision': the verdict rests on it.")


def _unanswered(reason: str) -> Experiment:
    empty = pd.DataFrame()
    return Experiment.unanswered(
        reason, arms=empty, verdict={}, looks=empty, novelty=empty, segments=empty, per_day=0.0
    )


def _assigned(
    log: EventLog,
    exposure: Event | None,
    variant: str,
    control: Any,
    assignment: pd.DataFrame | None,
) -> Assignment:
    if assignment is not None:
        return assign_from(log, assignment, exposure, variant, control)
    if exposure is None:
        raise CjlibError(
            "exposure: name the event with which a customer sees a variant, or give the table of who was assigned: assignment=…"
        )
    return assign(log, exposure, variant, control)


def _arms(
    everyone: Assignment, assigned: Assignment, planned: Mapping[str, float] | None
) -> pd.DataFrame:
    """Sizes of the arms beside those planned, with the p-value of the sample-ratio test over all who were exposed."""
    from scipy.stats import chisquare

    names = everyone.arms
    if planned is not None and set(planned) != set(names):
        raise CjlibError(
            f"planned_shares: must name the arms {', '.join(map(shown, names))}. Got {shown(dict(planned))}."
        )
    shares = np.array([1.0 if planned is None else float(planned[name]) for name in names])
    expected = shares / shares.sum() * everyone.sizes.sum()
    test: Any = chisquare(everyone.sizes, expected)
    return pd.DataFrame(
        {
            "variant": list(names),
            "exposed": everyone.sizes,
            "expected": expected,
            "customers": assigned.sizes,
            "p_value": float(test.pvalue),
        }
    )


def _row(
    assigned: Assignment,
    arm: int,
    measure: Measure,
    values: CustomerValues,
    follow_up: FollowUp,
    *,
    cuped: bool,
    planned: int | None,
    comparisons: int,
) -> dict[str, Any]:
    control, treated = assigned.arm == 0, assigned.arm == arm
    sizes = int(np.count_nonzero(treated)), int(np.count_nonzero(control))
    row: dict[str, Any] = {
        "variant": assigned.arms[arm],
        "measure": measure.name,
        "role": measure.role,
        "kind": measure.kind,
        "better": measure.better,
        "customers": sizes[0],
        "control_customers": sizes[1],
    }
    if min(sizes) < 2:
        return row | dict.fromkeys(Estimate.__dataclass_fields__, np.nan)
    found = estimate(
        measure,
        values,
        control,
        treated,
        cuped=cuped and measure.kind != "share",
        planned=planned,
        comparisons=comparisons if measure.role != "exploratory" else 1,
    )
    row |= vars(found)
    if measure.kind == "share":
        compared = compare_shares(
            measure.name,
            int(values.value[treated].sum()),
            sizes[0],
            int(values.value[control].sum()),
            sizes[1],
            follow_up=follow_up,
        )
        row |= {
            "low": float(compared.low[0]),
            "high": float(compared.high[0]),
            "p_value": float(compared.p_value[0]),
        }
    size = abs(row["control_value"]) or np.nan
    return row | {f"relative_{bound}": row[bound] / size for bound in ("always_low", "always_high")}


def _adjusted(table: pd.DataFrame, follow_up: FollowUp) -> tuple[pd.DataFrame, list[Family]]:
    """The table with adjusted p-values: decision measures by Holm, the others by Benjamini–Hochberg."""
    decides = (table["role"] == "decision").to_numpy()
    adjusted = np.full(len(table), np.nan)
    families = []
    for chosen, make, name in (
        (decides, planned_family, "decision measures"),
        (~decides, family, "other measures"),
    ):
        if not chosen.any():
            continue
        part = table[chosen]
        tested = make(
            f"{name} of the experiment",
            part["p_value"],
            units=part["customers"],
            other_units=part["control_customers"],
            follow_up=follow_up,
        )
        adjusted[chosen] = tested.p_adjusted
        families.append(tested)
    return table.assign(p_adjusted=adjusted), families


def _verdict(row: Mapping[str, Any], *, mismatch: bool, enough: bool, stop: str) -> str:
    if mismatch:
        return "not readable"
    if min(row["customers"], row["control_customers"]) < MIN_N:
        return "too early"
    if stop == "fixed" and not enough:
        return "too early"
    if stop == "fixed":
        shows = row["p_adjusted"] < 0.05
    else:
        shows = row["always_low"] > 0 or row["always_high"] < 0
    if not shows:
        return "no difference shown"
    return "better" if (row["difference"] > 0) == (row["better"] == "higher") else "worse"


def _metrics(table: pd.DataFrame) -> dict[str, Any]:
    """The difference of each measure and arm: of shares in points, of all else as a share of the control's value."""
    metrics = {}
    for row in table.to_dict("records"):
        share = row["kind"] == "share"
        names = ("difference", "always_low", "always_high") if share else RELATIVE
        value, low, high = (row[name] * (100 if share else 1) for name in names)
        metrics[f"{row['measure']}_{row['variant']}"] = metric(
            value,
            low,
            high,
            row["customers"],
            label=f"{row['measure']}, {row['variant']} against control",
            unit="points" if share else "share",
            better=row["better"],
        )
    return metrics


def _findings(table: pd.DataFrame, verdict: Mapping[str, str]) -> list[Finding]:
    told = table[(table["role"] == "decision") & table["verdict"].isin(["better", "worse"])]
    return [
        Finding(
            topic=f"experiment, {row['measure']}",
            claim=summary.claim(row),
            direction="good" if row["verdict"] == "better" else "bad",
            family="decision measures of the experiment",
            p_adjusted=row["p_adjusted"],
            value=row["difference"],
            low=row["always_low"],
            high=row["always_high"],
            n=row["customers"],
            unit="share" if row["kind"] == "share" else "number",
            customers=row["customers"],
            figure="effects",
            next_step=f"Give “{row['variant']}” to everybody and watch the guardrails."
            if row["verdict"] == "better"
            else f"Do not give “{row['variant']}” to everybody.",
        )
        for row in told.to_dict("records")
        if verdict[row["variant"]] in ("better", "worse")
    ]


__all__ = ["Experiment", "Measure", "experiment"]

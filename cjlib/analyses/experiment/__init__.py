"""Did it work? An experiment read: who saw what, what they then did, and how sure that is, also for who looks every day."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.experiment import breakdowns, checks, summary
from cjlib.analyses.experiment.assignment import Assignment, assign, assign_from
from cjlib.analyses.experiment.estimates import Estimate, Rules, estimate
from cjlib.analyses.experiment.measures import (
    DAY,
    Exposed,
    Measure,
    customer_values,
    measures_given,
)
from cjlib.analyses.experiment.summary import Ground, Worth, worth
from cjlib.analyses.experiment.written_plan import (
    Readout,
    WrittenPlan,
    dates_kept,
    deviations_table,
    obeyed,
    plan_given,
)
from cjlib.analyses.findings import Finding
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, listed, not_a_log, not_one_of, shown
from cjlib.shared.comparison import MIN_N, Family, FollowUp, family, followed, planned_family
from cjlib.shared.group_by import names_given
from cjlib.show.numbers import capitalised, count_of, timespan
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.log.conditions import Event
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log

STOPS = ("always_valid", "fixed")
NO_EXPERIMENT = (
    "The journey file names no experiment. Add one to read it: experiments: {new form: {exposure: form_viewed, "
    "variant: variant, control: old, window: 14D, measures: {signed up: {event: signup}}}}."
)


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
    checks
        What may be wrong beside the sizes of the arms: `check`, `measure`, `variant`, `p_value`, `warning`, `words`.
    deviations
        Where the readout differs from its written plan: `what`, `planned`, `read`, `consequence`; empty without a plan.
    per_day
        Customers exposed a day, all arms together.
    stop, planned
        The stop rule that was obeyed, and whether a number of customers was planned.
    open_until
        When the planned customers will have been followed, at this pace; None where there is no plan, they have been, or an arm has none yet.
    """

    arms: pd.DataFrame
    verdict: Mapping[str, str]
    looks: pd.DataFrame
    novelty: pd.DataFrame
    segments: pd.DataFrame
    checks: pd.DataFrame
    deviations: pd.DataFrame
    per_day: float
    stop: str = "always_valid"
    planned: bool = False
    open_until: pd.Timestamp | None = None
    _counted: _Counted | None = field(default=None, repr=False)

    def at(
        self,
        measure: str,
        *,
        look: int | None = None,
        column: str | None = None,
        group: str | None = None,
    ) -> pd.DataFrame:
        """A measure at an earlier look, or within a group, or both: exploratory, and no verdict.

        Parameters
        ----------
        measure
            The name of a measure.
        look
            A position in the times of `.looks`, 0 the earliest; None: the last.
        column, group
            A column of `by` and one of its groups; None: everybody.

        Returns
        -------
        pandas.DataFrame
            A row an arm: `variant`, `measure`, both numbers of customers, both values, `p_value`, `difference`
            with both intervals; none where a side has fewer than 30.

        Raises
        ------
        CjlibError
            If there is no such measure, look, column or group.
        """
        if self._counted is None:
            return pd.DataFrame()
        counted = self._counted
        if measure not in counted.slices:
            raise not_one_of("measure", measure, counted.slices)
        slices = counted.slices[measure]
        if look is not None and not 0 <= look < slices.looks:
            raise CjlibError(f"look: must be from 0 to {slices.looks - 1}. Got {shown(look)}.")
        inside = None
        if column is not None:
            if column not in slices.cells.columns:
                raise not_one_of("column", column, slices.cells.columns)
            labels, _ = slices.cells.columns[column]
            if group not in labels:
                raise not_one_of("group", group, labels)
            inside = slices.inside(column, str(group))
        moments = slices.part(look=look, inside=inside)
        rows = breakdowns.readings(slices.arms, slices.measure, moments, counted.rules)
        return pd.DataFrame(rows)

    @property
    def choices(self) -> tuple[list[str], list[pd.Timestamp], dict[str, list[str]]]:
        """What `.at` takes: measures, the times of the looks, and the groups of each column."""
        if self._counted is None:
            return [], [], {}
        counted = self._counted
        times = pd.to_datetime(counted.times.times, unit="us", utc=True).tolist()
        columns = next(iter(counted.slices.values())).cells.columns
        groups = {
            column: [str(label) for label in labels] for column, (labels, _) in columns.items()
        }
        return list(counted.slices), times, groups

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
            `.table`, a row an arm: `variant`, `customers`, `gain_per_1000` and `gain_per_year` with their bounds, `cost`, `probability_worth_it`, and `action`: "ship",
            "look into the warning", "stop" or "go on until" a day. Bounds are those that the stop rule goes by.

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
        ground = Ground(
            self.verdict, self.stop, self.planned, self.open_until, summary.cautions(self.checks)
        )
        return worth(rows, measure, customers_per_year or self.per_day * 365.25, cost, ground)


def experiment(  # noqa: PLR0913 (the options are the analysis)
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
    plan: WrittenPlan | str | Path | Mapping[str, Any] | None = None,
    feedback: Feedback | None = None,
    linked_by: str | None = None,
) -> Experiment:
    """What an experiment changed, measure by measure, each arm against the control.

    A customer belongs to the arm of the first exposure; who was seen in several arms is left out
    and counted. Outcomes are counted in the window from that first exposure, both ends included,
    and only customers whose whole window has been observed count, in every arm. First the sizes of
    the arms are tested against the plan (chi-squared): where they do not fit (p < .001) nothing is
    read. Shares are compared with Newcombe's interval, means and ratios over customers by
    Welch's (delta method), with the same measure in the window before the exposure as covariate
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
    plan
        The plan that was written beforehand: the YAML file of `plan_experiment(…).write_plan(…)`,
        or its content. Its stop rule, numbers and roles are obeyed; what was not planned is
        exploratory, and `.deviations` says where the readout differs.
    feedback
        The answers for measures of kind "score".
    linked_by
        A column of customers who reach one another, such as "company": whether control customers
        do otherwise the more of their kind are treated, and whether whole companies were assigned,
        so that customers are not independent. None: not looked for.

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
        return _unanswered(NO_EXPERIMENT)
    readout = Readout(
        measures_given(measures), window, stop, planned_customers, planned_shares, str(control)
    )
    _check(readout)
    written = None if plan is None else plan_given(plan)
    readout, differs = (readout, []) if written is None else obeyed(readout, written)
    _check_stop(readout)
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
    if written is not None:
        first, last = int(everyone.exposed_at.min()), int(everyone.exposed_at.max())
        differs += dates_kept(written, log, first, last)
    assigned = everyone.only(complete)
    if readout.stop == "fixed":
        assigned = _one_look(assigned, readout.planned_customers)
    deciding = sum(measure.role != "exploratory" for measure in readout.measures)
    rules = Rules(
        readout.stop,
        readout.planned_customers,
        cuped,
        follow_up,
        max(1, deciding * (len(assigned.arms) - 1)),
    )
    arms = checks.arms_table(everyone, assigned, readout.planned_shares)
    asked = _Asked(readout.measures, horizon, names_given(by, "by"), feedback, linked_by)
    counted = _counted(log, assigned, asked, rules)
    answer = _answer(everyone, arms, readout.measures, rules, counted, deviations_table(differs))
    return replace(answer, open_until=_open_until(log, assigned, rules.planned, answer.per_day))


@dataclass(frozen=True)
class _Counted:
    """Rows of every table, measure by measure: what each customer did is counted once and not kept."""

    rows: list[dict[str, Any]]
    looks: list[dict[str, Any]]
    novelty: list[dict[str, Any]]
    segments: list[dict[str, Any]]
    checks: list[dict[str, Any]]
    slices: dict[str, breakdowns.Slices]
    times: breakdowns.Looks
    rules: Rules


@dataclass(frozen=True)
class _Asked:
    """What is to be counted."""

    measures: Sequence[Measure]
    horizon: int
    by: Sequence[str]
    feedback: Feedback | None
    linked_by: str | None


def _counted(log: EventLog, assigned: Assignment, asked: _Asked, rules: Rules) -> _Counted:
    exposed = Exposed(assigned.customer, assigned.exposed_at, asked.horizon, log.n_customer_codes)
    looks = breakdowns.Looks.of(assigned, asked.horizon)
    cells = breakdowns.Cells.by(log, asked.by, assigned)
    counted = _Counted([], [], [], [], [], {}, looks, rules)
    if asked.linked_by is not None:
        counted.checks.append(checks.assigned_together(log, asked.linked_by, assigned))
    for measure in asked.measures:
        values = customer_values(log, measure, exposed, asked.feedback)
        slices = breakdowns.Slices.of(measure, values, assigned, cells, looks, rules)
        counted.slices[measure.name] = slices
        counted.rows.extend(_rows(slices, rules))
        if measure.role != "decision":
            continue
        counted.looks.extend(breakdowns.look_rows(slices, looks, rules))
        counted.novelty.extend(breakdowns.novelty_rows(log, assigned, measure, exposed, rules))
        counted.segments.extend(breakdowns.segment_rows(slices, rules))
        counted.checks.extend(checks.before_the_exposure(assigned, measure, values))
        counted.checks.extend(checks.outcome_first(measure, values))
        counted.checks.extend(checks.skewed(assigned, measure, values))
        if asked.linked_by is not None:
            counted.checks.append(
                checks.interference(log, asked.linked_by, assigned, measure, values)
            )
    return counted


def _rows(slices: breakdowns.Slices, rules: Rules) -> list[dict[str, Any]]:
    """One measure, a row an arm."""
    measure, arms, moments = slices.measure, slices.arms, slices.part()
    rows = []
    for arm in range(1, len(arms)):
        row: dict[str, Any] = {
            "variant": arms[arm],
            "measure": measure.name,
            "role": measure.role,
            "kind": measure.kind,
            "better": measure.better,
            "customers": int(moments.n[arm]),
            "control_customers": int(moments.n[0]),
        }
        if min(row["customers"], row["control_customers"]) < 2:
            row |= dict.fromkeys(Estimate.__dataclass_fields__, np.nan)
        else:
            row |= asdict(estimate(measure, moments.aggregates(0), moments.aggregates(arm), rules))
        size = row["control_value"] if row["control_value"] > 0 else np.nan
        row |= {f"relative_{bound}": row[bound] / size for bound in ("always_low", "always_high")}
        rows.append(row)
    return rows


def _answer(
    everyone: Assignment,
    arms: pd.DataFrame,
    measures: Sequence[Measure],
    rules: Rules,
    counted: _Counted,
    deviations: pd.DataFrame,
) -> Experiment:
    """Everything that was counted as a result, with its verdict."""
    mismatch = float(arms["p_value"].iloc[0]) < checks.SRM_LEVEL
    table, families = _adjusted(
        pd.DataFrame(counted.rows).rename(
            columns={"low": "difference_low", "high": "difference_high"}
        ),
        rules.follow_up,
    )
    enough = rules.planned is None or bool((arms["customers"] >= rules.planned).all())
    table["verdict"] = [
        _verdict(row, mismatch=mismatch, enough=enough, stop=rules.stop) for row in records(table)
    ]
    verdict = {
        str(name): summary.overall(records(rows))
        for name, rows in table.groupby("variant", sort=False)
    }
    looked = pd.DataFrame(counted.looks, columns=breakdowns.LOOKS)
    checked = pd.DataFrame(
        [checks.leaks(everyone), checks.mix_over_time(everyone), *counted.checks],
        columns=checks.COLUMNS,
    )
    return Experiment(
        table=table,
        headline=summary.headline(table, arms, verdict, rules, checked, deviations),
        definition=summary.definition(everyone, measures, families, rules, checked),
        metrics=_metrics(table, rules.stop),
        findings=_findings(table, verdict, rules.stop, summary.cautions(checked)),
        families={one.name: one.tests for one in families},
        arms=arms,
        verdict=verdict,
        looks=looked.assign(look=pd.to_datetime(looked["look"], unit="us", utc=True)),
        novelty=pd.DataFrame(counted.novelty, columns=breakdowns.NOVELTY),
        segments=breakdowns.segments_table(counted.segments, rules.follow_up),
        checks=checked,
        deviations=deviations,
        per_day=_per_day(everyone),
        stop=rules.stop,
        planned=rules.planned is not None,
        _counted=counted,
    )


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _per_day(everyone: Assignment) -> float:
    span = int(everyone.exposed_at.max() - everyone.exposed_at.min())
    return len(everyone.customer) / max(1.0, span / DAY)


def _one_look(assigned: Assignment, planned: int | None) -> Assignment:
    """Those exposed until each arm had its planned customers, so that a later look shows the same; all of them before that."""
    if planned is None or not planned or (assigned.sizes < planned).any():
        return assigned
    reached = [
        np.sort(assigned.exposed_at[assigned.arm == arm])[planned - 1]
        for arm in range(len(assigned.arms))
    ]
    return assigned.only(assigned.exposed_at <= max(reached))


def _open_until(
    log: EventLog, assigned: Assignment, planned: int | None, per_day: float
) -> pd.Timestamp | None:
    missing = 0 if planned is None else planned - int(assigned.sizes.min())
    if missing <= 0 or not assigned.sizes.min():
        return None
    days = missing / (per_day * assigned.sizes.min() / max(1, assigned.sizes.sum()))
    return log.observed_until + pd.Timedelta(days=math.ceil(days))


def _check(readout: Readout) -> None:
    if not readout.measures:
        raise CjlibError("measures: must be a list of cj.Measure(…), at least one. Got none.")
    if not any(measure.role == "decision" for measure in readout.measures):
        raise CjlibError("measures: at least one needs role='decision': the verdict rests on it.")


def _check_stop(readout: Readout) -> None:
    if readout.stop not in STOPS:
        raise not_one_of("stop", readout.stop, STOPS)
    if readout.stop == "fixed" and not readout.planned_customers:
        raise CjlibError(
            "planned_customers: one look (stop='fixed') needs the planned number of customers in each arm, so that the look is not chosen by what it shows."
        )
    if readout.planned_customers is not None and not readout.planned_customers > 0:
        raise CjlibError(
            f"planned_customers: must be above 0. Got {shown(readout.planned_customers)}."
        )


def _unanswered(reason: str) -> Experiment:
    empty = pd.DataFrame()
    tables = dict.fromkeys(("arms", "looks", "novelty", "segments", "checks", "deviations"), empty)
    return Experiment.unanswered(reason, **tables, verdict={}, per_day=0.0)


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


def _metrics(table: pd.DataFrame, stop: str) -> dict[str, Any]:
    """The difference of each measure and arm: of shares and scores as it is, of all else as a share of the control's value."""
    metrics = {}
    for row in records(table):
        scale = summary.points_scale(row)
        bounds = summary.BOUNDS[stop] if scale else summary.RELATIVE_BOUNDS[stop]
        value, low, high = (row[name] for name in ("difference" if scale else "relative", *bounds))
        metrics[f"{row['measure']}_{row['variant']}"] = metric(
            value,
            low,
            high,
            row["customers"],
            label=f"{capitalised(row['measure'])}: “{row['variant']}” against control",
            unit="change" if scale is None else "difference" if scale > 1 else "points",
            better=row["better"],
        )
    return metrics


def _findings(
    table: pd.DataFrame, verdict: Mapping[str, str], stop: str, cautions: Sequence[str]
) -> list[Finding]:
    told = table[(table["role"] == "decision") & table["verdict"].isin(["better", "worse"])]
    low, high = summary.BOUNDS[stop]
    return [
        Finding(
            topic=f"experiment, {row['measure']}",
            claim=" ".join([summary.claim(row, stop), *cautions]),
            direction="good" if row["verdict"] == "better" else "bad",
            family="decision measures of the experiment",
            p_adjusted=row["p_adjusted"],
            value=row["difference"],
            low=row[low],
            high=row[high],
            n=row["customers"],
            unit="share" if summary.points_scale(row) == 100 else "number",
            customers=row["customers"],
            figure="effects",
            next_step=_next_step(row["variant"], verdict[row["variant"]], bool(cautions)),
        )
        for row in records(told)
        if verdict[row["variant"]] in ("better", "worse")
    ]


def _next_step(variant: str, verdict: str, warned: bool) -> str:
    """What follows from the verdict on an arm, a guardrail's included, whatever one of its measures shows."""
    if verdict == "worse":
        return f"Do not give “{variant}” to everybody."
    if warned:
        return f"Look into the warning before “{variant}” is given to everybody."
    return f"Give “{variant}” to everybody and watch the guardrails."


__all__ = ["Experiment", "Measure", "experiment"]

"""The answer in one sentence, and what decided it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cjlib.analyses.findings import Finding, of_shares
from cjlib.analyses.result import Metric
from cjlib.analyses.retention.count import Members
from cjlib.analyses.retention.options import Question, Scope
from cjlib.analyses.retention.tables import Counts
from cjlib.errors import did_you_mean, shown
from cjlib.shared.comparison import CLAIM, Family, others_in_words
from cjlib.shared.first_events import Groups
from cjlib.shared.group_by import left_out_words
from cjlib.show.numbers import (
    about,
    confidence,
    count_of,
    percent,
    percent_within,
    points,
    points_interval,
)
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.event_log import Log

_COHORTS = {
    "first_ever": "each customer's first matching event in the whole log",
    "first_in_range": "each customer's first matching event at or after the start of the range",
    "recurring": "every period in which a customer has a matching event; one entry a customer and period",
}
_MODES = {
    "on": "returned in period k",
    "on_or_after": "returned in period k or in any later observed period",
    "every": "returned in each of the periods 1 to k",
}


def headline(
    question: Question,
    entries: int,
    metrics: Mapping[str, Metric],
    period: int,
    different: pd.DataFrame,
    change: pd.DataFrame,
    *,
    lost: str,
    late: str,
) -> str:
    """The share that comes back in the period that most have completed, and whether cohorts differ.

    These are not compared where a return was probably not recorded (`lost` says when) or many customers are missing in the last days (`late`).
    """
    who = "cohort entry" if question.recurring else "customer"
    if not entries:
        return "No customer enters a cohort: nothing to count."
    if not period:
        return f"No cohort has completed {question.period} 1 yet ({count_of(entries, who)} observed): no share can be given."
    found = metrics[f"retention_period_{period}"]
    within = confidence(found["low"], found["high"])
    sentence = f"{percent_within(found['value'] or 0, found['low'], found['high'])} of {count_of(found['n'], who, _plural(who))} {_came(question, period)}{f' ({within})' if within else ''}."
    if (found["n"] or 0) < question.min_n:
        return f"{sentence.removesuffix('.')}; with fewer than {question.min_n} this share says little."
    if lost:
        return (
            f"{sentence} But {lost}: more came back than this says, and cohorts are not compared."
        )
    if late:
        return f"{sentence} But {late}; cohorts are not compared."
    return " ".join(
        part for part in (sentence, changed(question, change), differing(different)) if part
    )


def _plural(who: str) -> str:
    return who.removesuffix("y") + "ies" if who.endswith("y") else f"{who}s"


def _came(question: Question, period: int) -> str:
    if question.mode == "on":
        return f"came back in {question.period} {period}"
    return (
        f"came back in {question.period} {period} or later"
        if question.mode == "on_or_after"
        else f"came back in every {question.period} from 1 to {period}"
    )


def changed(question: Question, change: pd.DataFrame) -> str:
    """From which cohort on returns changed; nothing where chance would do as well, or where groups each have their own cut."""
    if question.by or change.empty or change["p_value"].iloc[0] >= CLAIM:
        return ""
    cut = change.iloc[0]
    p = "p < 0.001" if cut["p_value"] < 0.001 else f"p = {cut['p_value']:.3f}"
    return f"{_changed_at(question, cut)} ({_sides(cut)}; {p} over all possible cuts)."


def _changed_at(question: Question, cut: pd.Series) -> str:
    start = _first_day(question, cut)
    if not cut["share_of_expected_before"]:
        return f"Only cohorts from {start} on come back in a later {question.period} at all"
    ratio = cut["share_of_expected_from"] / cut["share_of_expected_before"] - 1
    more = f"{about(abs(ratio))} {'more' if ratio > 0 else 'fewer'} {question.period}s than the cohorts before"
    return f"Cohorts from {start} on come back in {more}"


def _sides(cut: pd.Series) -> str:
    return f"{count_of(cut['customers_from'], 'customer')} against {cut['customers_before']:,}"


def _first_day(question: Question, cut: pd.Series) -> str:
    return pd.Timestamp(cut["cohort"]).strftime(
        "%Y-%m-%d" if question.period != "hour" else "%Y-%m-%d %H:%M"
    )


def differing(different: pd.DataFrame) -> str:
    """Which cohorts stand out, if any; nothing where none could be compared."""
    if different.empty:
        return ""
    beyond = different[different["p_adjusted"] < CLAIM]
    if beyond.empty:
        return f"No single cohort of {len(different)} differs significantly from the average."
    ways = {
        "less": int((beyond["share_of_expected"] < 1).sum()),
        "more": int((beyond["share_of_expected"] > 1).sum()),
    }
    said = " and ".join(f"{many} {way}" for way, many in ways.items() if many)
    return f"Of {count_of(len(different), 'cohort')}, {said} often than average (statistically significant)."


def definition(members: Members, counts: Counts, through: int) -> dict[str, str]:
    """What decided the numbers, in order."""
    told = question_words(members.log, members.question, members.scope)
    return told | _facts(members, counts, through) | unknown_names(members.log, members.question)


def question_words(log: Log, question: Question, scope: Scope) -> dict[str, str]:
    """What was asked, option by option."""
    told = {
        "question": f"share of each cohort {_MODES[question.mode]}",
        "cohort": f"{question.cohort}: {_COHORTS[question.cohort]}"
        + (f"; named by {question.cohort_by!r}" if question.cohort_by else ""),
        "start event": str(question.start_event),
        "return event": f"{question.return_event}; the cohort's own event is never its own return",
        "returns needed": _returns(question),
        "clock": _clock(question),
        "period 0": "the cohort itself, share 1"
        if question.period_zero == "cohort"
        else "other return events at or after the cohort event, within period 0",
        "time zone": log.timezone,
        "observed until": str(log.observed_until),
        "range": _range(log, question, scope),
        "complete": _complete(question),
        "averages": "over complete cells only: pooled (Σ retained ÷ Σ cohort size) beside the plain mean of cohorts",
        "interval": "Wilson, 95%"
        + (
            "; averages: with the number of independent entries that is left where a customer stands in several cohorts"
            if question.recurring
            else ""
        ),
    }
    if question.by:
        told["by"] = (
            f"{', '.join(question.by)}: value at the cohort event; where events tie, the smallest as text"
        )
    if question.value:
        told["value"] = (
            f"sum of {question.value!r} over the return events, the cohort's own included; net: ÷ period 0's{_of_calendar(question)}; gross: no customer counts for more than in period 0"
        )
    if log.filters_in_words:
        told["filter"] = " and ".join(log.filters_in_words)
    return told


def _of_calendar(question: Question) -> str:
    """What period 0 is by the calendar: of who starts on the 20th a third of a month."""
    return (
        f", which is what is left of the calendar {question.period} when they start"
        if question.clock == "calendar"
        else ""
    )


def _facts(members: Members, counts: Counts, through: int) -> dict[str, str]:
    """What went in, what was left out, and where it was ambiguous."""
    question, entries = members.question, members.entries
    customers = len(entries) and 1 + int(np.count_nonzero(np.diff(entries.customer)))
    exists, complete = int(counts.exists.sum()), int(counts.complete.sum())
    tied = entries.tied
    facts = {
        "counted": f"{count_of(customers, 'customer')} in {count_of(len(counts.cohort), 'cohort')}"
        + (f", {len(entries):,} entries" if question.recurring else ""),
        "left out of averages": f"{count_of(exists - complete, 'cell')} of {exists:,} not complete",
        "fixed population": f"those who have completed {question.period} {through}: the last that at least half of those have who completed {question.period} 1",
        "ties": f"{count_of(tied, 'further event')} at the same instant as a cohort event"
        if tied
        else "no two events tie as a cohort event",
    }
    if not question.recurring:
        facts["cohorts compared"] = (
            f"each with n ≥ {question.min_n}: its returned {question.period}s against what the average share of all in the same complete periods would give; "
            "two-sided, with the variance and skewness of customers of all cohorts over as many periods"
        )
    if not question.recurring and question.cohort_by is None:
        facts["change"] = (
            f"the cut between cohorts with the largest standardised difference; p: how often chance has one as large at its best cut (5,000 draws, seed {question.seed})"
        )
    return facts


def compared_words(
    question: Question,
    families: Sequence[Family],
    groups: Groups,
    through: int,
    scope: Scope,
    left_out: int | None,
) -> dict[str, str]:
    """What was compared, over which horizon, and which cohort was left out."""
    words = {}
    if families:
        compared = "; ".join(each.words for each in families)
        same = (
            "; what is claimed of groups holds within the same cohorts too" if groups.names else ""
        )
        words["comparisons"] = f"{compared}{same}{left_out_words(groups.comparable)}"
    if question.mode == "on_or_after":
        words["equal horizon"] = (
            f"comparisons follow every cohort to {question.period} {through} and no further, since older ones have had longer to come back later"
        )
    if left_out is not None:
        start = scope.periods.labels[left_out].strftime("%Y-%m-%d")
        words["first cohort"] = (
            f"that of {start} is in no comparison: customers from before may stand in it, whose first event here is not their first ever"
        )
    return words


def findings(
    question: Question,
    told: pd.DataFrame,
    change: pd.DataFrame,
    tested: Family | None,
    doubt: str,
) -> tuple[Finding, ...]:
    """Groups that differ (`doubt` says why they may not), and a cohort from which returns changed."""
    found = (
        []
        if tested is None
        else [_of_group(question, row, tested, doubt) for _, row in told.iterrows()]
    )
    if changed(question, change):
        cut = change.iloc[0]
        sentence = _changed_at(question, cut)
        ratio = cut["share_of_expected_from"] - cut["share_of_expected_before"]
        found.append(
            Finding(
                topic="change of retention",
                claim=f"Newer customers come back {'more' if ratio > 0 else 'less'}: {sentence[0].lower()}{sentence[1:]} ({_sides(cut)}).",
                direction="good" if ratio > 0 else "bad",
                value=float(ratio),
                n=int(cut["customers_from"]),
                unit="share",
                customers=int(cut["customers_from"]),
                family="change of retention",
                p_adjusted=float(cut["p_value"]),
                figure="differences",
                since=_first_day(question, cut),
                next_step=f"Look for what changed about {_first_day(question, cut)}.",
            )
        )
    return tuple(found)


def _of_group(question: Question, row: pd.Series, tested: Family, doubt: str) -> Finding:
    name = ", ".join(
        f"{column} {'(not set)' if pd.isna(row[column]) else row[column]}" for column in question.by
    )
    return of_shares(
        row,
        int(row["customers"]),
        claim=f"{name}: {percent(row['share'])} of {count_of(row['customers'], 'customer')} came back, {points(row['difference'], row['difference_low'], row['difference_high'])} against {others_in_words(row['without'])} "
        f"(95% CI {points_interval(row['difference_low'], row['difference_high'])}){doubt}.",
        family=tested.name,
        figure="segments",
    )


def _returns(question: Question) -> str:
    return (
        "one event in the period"
        if question.min_returns == 1
        else f"{question.min_returns} events in the period"
    )


def _clock(question: Question) -> str:
    if question.clock == "calendar":
        start = f", weeks from {question.week_start}" if question.period == "week" else ""
        return f"calendar: period k is the k-th {question.period} after the cohort's{start}"
    length = (
        f"anniversaries of one {question.period}, local time"
        if question.months
        else f"exactly one {question.period} of elapsed time each"
    )
    length += f", a month is {question.month_days} days" if question.month_days else ""
    origin = f"the beginning of the {question.clock_from} of " if question.clock_from else ""
    return f"elapsed: period k begins k {question.period}s after {origin}the customer's cohort event ({length})"


def _range(log: Log, question: Question, scope: Scope) -> str:
    if question.start is None and question.end is None:
        return "all cohorts"
    if scope.nobody:
        return f"no period of the log lies from {question.start or 'its start'} to {question.end or 'its end'}"
    first, last = (log.moment(at).strftime("%Y-%m-%d %H:%M") for at in (scope.begin, scope.stop))
    return f"cohorts that start from {first} to before {last} (whole periods); returns to the end of the data"


def _complete(question: Question) -> str:
    if question.cohort_by:
        return "each cell counts the members whose period is over, so every cell is complete"
    ended = (
        "the period has ended"
        if question.clock == "calendar"
        else "the period has ended for the youngest member"
    )
    later = "; later returns may still raise it" if question.mode == "on_or_after" else ""
    return f"{ended} by the end of data{later}"


def unknown_names(log: Log, question: Question) -> dict[str, str]:
    """Names that never occur count as nothing, and are said."""
    steps: dict[str, Step] = {
        "start_event": question.start_event,
        "return_event": question.return_event,
    }
    known = log.event_names
    unknown = [
        f"{option}: {shown(name)} never occurs.{did_you_mean(name, known)}"
        for option, step in steps.items()
        for name in log.unknown_events(step)
    ]
    return {"warning": " ".join(unknown)} if unknown else {}

"""What those who complained did next, against comparable customers who answered without complaining."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.feedback.score_texts import ratings_as_labels, scored_feedback
from cjlib.analyses.feedback.stage_assignment import event_beside, moments_in
from cjlib.analyses.findings import Finding
from cjlib.analyses.result import Metric, Result, metric
from cjlib.errors import CjlibError
from cjlib.shared.comparison import MIN_N, followed
from cjlib.shared.periods import calendar
from cjlib.shared.risk_comparison import Strata, compare_within_strata
from cjlib.shared.stats import wilson
from cjlib.show.numbers import about, count_of, points, points_interval, timespan
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.log.conditions import Event
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog

Flags = NDArray[np.bool_]
COLUMNS = ("segment", "complained", "outcome_complained", "share_complained", "share_low", "share_high", "others", "outcome_others", "share_others",
           "others_low", "others_high", "difference", "difference_low", "difference_high", "p_value", "small_n", "p_adjusted")  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Aftermath(Result):
    """The outcome after a complaint beside the outcome after another answer, by segment."""


def after_feedback(
    feedback: Feedback,
    log: EventLog | None,
    *,
    outcome: Event | None,
    within: Duration = "30D",
    by: str | None = "stage",
    min_n: int = MIN_N,
) -> Aftermath:
    """How many of those whose first answer was a complaint had an event soon after, against others who answered at the same stage in the same month.

    A customer counts once a segment, at the first answer there: whether it complains is known at
    that moment, from which everybody is followed equally long. (Whoever stays longer answers more
    often: the first complaint of many answers would be compared with the first answer of those who
    left soon.) A complaint is a bad score (nps 0–6, csat or rating 1–2) or, where there is no
    score, a text labelled negative. The outcome is any matching event strictly after the answer and
    at most `within` later, the end included; customers whose first answer is later than the end of
    data minus `within` are left out, and so are those who have no event. The difference compares
    within calendar months (Mantel–Haenszel weights; months in which only one of the groups answered
    say nothing). It is an association.

    Parameters
    ----------
    feedback
        With stages found: `cj.assign_stages(feedback, log, journey).feedback`.
    log
        The event log; without one there is no answer.
    outcome
        The event that may follow: a name, names or a `cj.Step`; without one there is no answer.
    within
        How long after.
    by
        A column of the feedback; None: all together.
    min_n
        A row with fewer customers in one of the groups is marked `small_n` and not tested.

    Returns
    -------
    Aftermath
        `.table`: `segment`, `complained`, `outcome_complained`, `share_complained`, `share_low`,
        `share_high` (Wilson), `others`, `outcome_others`, `share_others`, `others_low`,
        `others_high`, `difference` (within months), `difference_low`, `difference_high`, `p_value`,
        `small_n`, `p_adjusted`; most complaints first.

    Raises
    ------
    CjlibError
        If `within` has no unit, `by` is no column of the feedback, or no customer of the log
        answered early enough to be followed for `within`.

    References
    ----------
    Laud, P. J. (2017). Equal-tailed confidence intervals for comparison of rates. Pharmaceutical
    Statistics 16.
    """
    if log is None or outcome is None:
        lacking = "events" if log is None else "event that means leaving"
        return Aftermath.unanswered(
            f"What customers did after a complaint cannot be said: the journey file names no {lacking}."
        )
    length = microseconds(within, "within")
    answers = _first_answers(feedback, log, by)
    complete, follow_up = followed(
        answers["t"].to_numpy(dtype=np.int64),
        log.observed_until_us,
        horizon=length,
        landmark="the first answer",
        known_at=answers["t"].to_numpy(dtype=np.int64),
    )
    people = answers[complete]
    if people.empty:
        raise CjlibError(
            f"after_feedback: no answer of a customer of the log was given {timespan(length)} before the end of data. Choose a shorter within."
        )
    people = _with_months(people, log).assign(outcome=_had(people, log, outcome, length))
    segments = list(people.groupby("segment"))
    tested = compare_within_strata(
        f"{outcome} after a complaint by {by or 'all together'}",
        [_months_of_both(group) for _, group in segments],
        follow_up=follow_up,
        min_n=min_n,
    )
    rows = [_row(str(segment), group, min_n) for segment, group in segments]
    table = pd.DataFrame(rows).assign(**tested.columns())
    most_first = table.sort_values(["complained", "segment"], ascending=[False, True]).index
    claims = tested.claims[most_first]
    table = table.loc[most_first, list(COLUMNS)].reset_index(drop=True)
    claimed = table[claims]
    return Aftermath(
        table=table,
        headline=_headline(claimed, outcome, length, tested.tests, min_n),
        definition=_definition(outcome, length, by, len(people), min_n) | {"tests": tested.words},
        metrics=_metrics(table, str(outcome)),
        findings=[
            _finding(row, tested.name, outcome, length) for row in claimed.to_dict("records")
        ],
        families={tested.name: tested.tests},
    )


def _first_answers(feedback: Feedback, log: EventLog, by: str | None) -> pd.DataFrame:
    """The first answer of each customer in each segment: `segment`, `c`, `t`, and whether it complains; of two at one instant the complaint."""
    frame = feedback.frame
    ends = ratings_as_labels(frame, feedback.scales)
    negative = (scored_feedback(feedback).table["label"] == "negative").to_numpy()
    says_so = (ends >= 0) | frame["text"].notna().to_numpy()
    customer, times, known = moments_in(log, frame)
    rows = pd.DataFrame(
        {
            "segment": feedback.segment(by),
            "c": customer,
            "complained": np.where(ends >= 0, ends == 0, negative),
            "t": times,
        }
    )
    return (
        rows[says_so & known]
        .sort_values(["segment", "c", "t", "complained"], ascending=[True, True, True, False])
        .drop_duplicates(["segment", "c"])
    )


def _with_months(people: pd.DataFrame, log: EventLog) -> pd.DataFrame:
    times = people["t"].to_numpy(dtype=np.int64)
    months = calendar(int(times.min()), int(times.max()), "month", log.zone)
    return people.assign(month=months.index(times))


def _had(people: pd.DataFrame, log: EventLog, outcome: Event, length: int) -> Flags:
    """Whether a matching event of the customer lies in (t, t + length]."""
    events = log.fetch("customer", "time", where=log.match(outcome, "outcome"))
    order = np.lexsort((events["time"], events["customer"]))
    position = event_beside(
        people["c"].to_numpy(dtype=np.int64),
        people["t"].to_numpy(dtype=np.int64),
        events["customer"][order],
        events["time"][order],
        side="after",
        within=length,
    )
    return position >= 0


def _row(segment: str, group: pd.DataFrame, min_n: int) -> dict[str, object]:
    complained = group["complained"].to_numpy(dtype=bool)
    outcome = group["outcome"].to_numpy(dtype=bool)
    n, others = int(complained.sum()), int((~complained).sum())
    k, k_others = int((outcome & complained).sum()), int((outcome & ~complained).sum())
    (low, high), (low_others, high_others) = wilson(k, n), wilson(k_others, others)
    return {
        "segment": segment,
        "complained": n,
        "outcome_complained": k,
        "share_complained": k / n if n else np.nan,
        "share_low": float(low),
        "share_high": float(high),
        "others": others,
        "outcome_others": k_others,
        "share_others": k_others / others if others else np.nan,
        "others_low": float(low_others),
        "others_high": float(high_others),
        "small_n": min(n, others) < min_n,
    }


def _months_of_both(group: pd.DataFrame) -> Strata:
    """Customers and outcomes of both sides in each month in which both answered."""
    complained, outcome = group["complained"].astype(bool), group["outcome"].astype(bool)
    sides = pd.DataFrame(
        {
            "count": outcome & complained,
            "base": complained,
            "other_count": outcome & ~complained,
            "other_base": ~complained,
        }
    )
    months = sides.groupby(group["month"]).sum().astype(float)
    return Strata.of_both(*(months[name] for name in sides.columns))


def _headline(claimed: pd.DataFrame, outcome: Event, length: int, tests: int, min_n: int) -> str:
    tail = "Association, not causation: those who complain differ in more than their complaint."
    if not tests:
        return (
            f"Whether those who complained had {outcome} more often within {timespan(length)} cannot be told: "
            f"nowhere did {min_n} customers complain and {min_n} others answer in the same months."
        )
    if claimed.empty:
        return f"At no stage did those who complained have {outcome} within {timespan(length)} significantly more or less often than others. {tail}"
    first = (
        claimed.assign(size=claimed["difference"].abs())
        .sort_values(["size", "segment"], ascending=[False, True])
        .iloc[0]
    )
    return f"{_claim(first.to_dict(), outcome, length)} {tail}"


def _claim(row: Mapping[Any, Any], outcome: Event, length: int) -> str:
    return (
        f"After a complaint at {row['segment']} {about(row['share_complained'])} of {count_of(row['complained'], 'customer')} had {outcome} within {timespan(length)}, "
        f"of {row['others']:,} others who answered {about(row['share_others'])} (within months {points(row['difference'], row['difference_low'], row['difference_high'])}, 95% CI "
        f"{points_interval(row['difference_low'], row['difference_high'])})."
    )


def _finding(row: Mapping[Any, Any], name: str, outcome: Event, length: int) -> Finding:
    return Finding(
        topic=f"{outcome} after a complaint: {row['segment']}",
        claim=f"Complaints at {row['segment']} go with {'more' if row['difference'] > 0 else 'fewer'} {outcome}: {_lower(_claim(row, outcome, length))}",
        direction="bad" if row["difference"] > 0 else "neutral",
        family=name,
        p_adjusted=row["p_adjusted"],
        value=row["difference"],
        low=row["difference_low"],
        high=row["difference_high"],
        n=row["complained"] + row["others"],
        unit="share",
        customers=row["complained"],
        figure="aftermath",
    )


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _definition(
    outcome: Event, length: int, by: str | None, people: int, min_n: int
) -> dict[str, str]:
    return {
        "complained": "the first answer there is a bad score (nps 0–6, csat or rating 1–2, or the same part of another scale) or, without a score, a text labelled negative",
        "others": "customers whose first answer there is no complaint",
        "outcome": f"{outcome}, strictly after the answer and at most {timespan(length)} later",
        "compared": "within the calendar month of the answer (Mantel–Haenszel; score test and its interval, corrected for skewness)",
        "base": f"{count_of(people, 'customer')} by segment, each once, at the first answer there",
        "by": by or "all together",
        "means": "an association, not an effect",
        "small n": f"below {min_n} customers in one of the groups",
    }


def _metrics(table: pd.DataFrame, outcome: str) -> dict[str, Metric]:
    return {
        f"after_complaint_{row['segment']}": metric(
            row["difference"],
            row["difference_low"],
            row["difference_high"],
            row["complained"] + row["others"],
            label=f"{outcome} after a complaint at {row['segment']}, against others",
            unit="share",
            better="lower",
        )
        for row in table.to_dict("records")
    }

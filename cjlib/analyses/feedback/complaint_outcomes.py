"""What those who complained did next, against comparable customers who answered without complaining."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.feedback.texts.score_texts import ratings_as_labels
from cjlib.analyses.feedback.texts.solicited_vs_unsolicited import scored_texts
from cjlib.analyses.result import Metric, Result, metric
from cjlib.errors import CjlibError
from cjlib.shared.comparison import MIN_N
from cjlib.shared.periods import calendar
from cjlib.shared.stats import Z95, wilson
from cjlib.shared.two_samples import benjamini_hochberg
from cjlib.show.numbers import about, count_of, signed, timespan
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.log.conditions import Event
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog

Flags = NDArray[np.bool_]
COLUMNS = ("segment", "complained", "outcome_complained", "share_complained", "share_low", "share_high", "others", "outcome_others", "share_others",
           "others_low", "others_high", "difference", "difference_low", "difference_high", "p_value", "small_n")  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Aftermath(Result):
    """The outcome after a complaint beside the outcome after another answer, by segment."""


def after_feedback(
    feedback: Feedback,
    log: EventLog,
    *,
    outcome: Event,
    within: Duration = "30D",
    by: str | None = "stage",
    min_n: int = MIN_N,
) -> Aftermath:
    """How many of those who complained had an event soon after, against others who answered at the same stage in the same month and did not complain.

    A customer counts once a segment: with the first complaint there, or, without one, with the first answer. A complaint is a bad score (nps 0–6, csat or rating 1–2)
    or, where there is no score, a text labelled negative. The outcome is any matching event strictly after the answer and at most `within` later, the end included;
    answers later than the end of data minus `within` are left out, and so are answers of customers who have no event. The difference compares within calendar months
    (Mantel–Haenszel weights; months in which only one of the groups answered say nothing). It is an association: those who complain differ in more than their complaint.

    Parameters
    ----------
    feedback
        With stages found: `cj.assign_stages(feedback, log, journey).feedback`.
    log
        The event log.
    outcome
        The event that may follow: a name, names or a `cj.Step`.
    within
        How long after.
    by
        A column of the feedback; None: all together.
    min_n
        A row with fewer customers in one of the groups is marked `small_n`.

    Returns
    -------
    Aftermath
        `.table`: `segment`, `complained`, `outcome_complained`, `share_complained`, `share_low`, `share_high` (Wilson), `others`, `outcome_others`, `share_others`,
        `others_low`, `others_high`, `difference` (within months), `difference_low`, `difference_high`, `p_value`, `small_n`, `p_adjusted`; most complaints first.

    References
    ----------
    Greenland, S. & Robins, J. M. (1985). Estimation of a common effect parameter from sparse follow-up data. Biometrics 41.
    """
    length = microseconds(within, "within")
    people = _people(feedback, log, by, length)
    if people.empty:
        raise CjlibError(
            f"after_feedback: no answer of a customer of the log was given {timespan(length)} before the end of data. Choose a shorter within."
        )
    people = people.assign(outcome=_followed(people, log, outcome, length))
    rows = [_row(str(segment), group, min_n) for segment, group in people.groupby("segment")]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(
        ["complained", "segment"], ascending=[False, True], ignore_index=True
    )
    table = table.assign(
        p_adjusted=benjamini_hochberg(
            table["p_value"].where(~table["small_n"]).to_numpy(dtype=float)
        )
    )
    return Aftermath(
        table=table,
        headline=_headline(table, outcome, length),
        definition=_definition(outcome, length, by, len(people), min_n),
        metrics=_metrics(table),
    )


def _people(feedback: Feedback, log: EventLog, by: str | None, length: int) -> pd.DataFrame:
    """One row a customer and segment: `segment`, `c`, `t`, `month`, `complained`."""
    frame = feedback.frame
    ends = ratings_as_labels(frame)
    negative = (scored_texts(feedback)["label"] == "negative").to_numpy()
    said = (ends >= 0) | frame["text"].notna().to_numpy()
    customer = pd.Index([str(one) for one in log.customer_ids()]).get_indexer(
        pd.Index(frame["customer_id"].astype("str"))
    )
    times = frame["timestamp"].dt.tz_convert("UTC").dt.tz_localize(None)
    rows = pd.DataFrame(
        {
            "segment": feedback.segment(by),
            "c": customer,
            "complained": np.where(ends >= 0, ends == 0, negative),
        }
    )
    rows = rows.assign(t=times.to_numpy(dtype="datetime64[us]").astype(np.int64))
    known = (
        said & (customer >= 0) & frame["customer_id"].notna().to_numpy() & times.notna().to_numpy()
    )
    rows = rows[known & (rows["t"] + length <= log.observed_until_us).to_numpy()]
    first = rows.sort_values(
        ["segment", "c", "complained", "t"], ascending=[True, True, False, True]
    ).drop_duplicates(["segment", "c"])
    if first.empty:
        return first
    months = calendar(int(first["t"].min()), int(first["t"].max()), "month", log.zone)
    return first.assign(month=months.index(first["t"].to_numpy())).reset_index(drop=True)


def _followed(people: pd.DataFrame, log: EventLog, outcome: Event, length: int) -> Flags:
    """Whether a matching event of the customer lies in (t, t + length]."""
    events = log.fetch("customer", "time", where=log.match(outcome, "outcome"))
    order = np.lexsort(
        (
            np.r_[np.zeros(events["time"].size), np.ones(len(people))],
            np.r_[events["time"], people["t"]],
            np.r_[events["customer"], people["c"]],
        )
    )
    # Events of an answer's own instant stand before it: what follows is strictly later.
    n = events["time"].size
    position = np.where(order < n, order, n)
    following = np.minimum.accumulate(
        np.where(position < n, np.arange(order.size), order.size)[::-1]
    )[::-1]
    found = np.zeros(len(people), dtype=bool)
    rows = np.flatnonzero(order >= n)
    answer = order[rows] - n
    c, t = people["c"].to_numpy()[answer], people["t"].to_numpy()[answer]
    later = following[rows]
    some = later < order.size
    event = order[later[some]]
    fits = (
        (events["customer"][event] == c[some])
        & (events["time"][event] > t[some])
        & (events["time"][event] - t[some] <= length)
    )
    found[answer[some]] = fits
    return found


def _row(segment: str, group: pd.DataFrame, min_n: int) -> dict[str, object]:
    complained = group["complained"].to_numpy(dtype=bool)
    outcome = group["outcome"].to_numpy(dtype=bool)
    n, others = int(complained.sum()), int((~complained).sum())
    k, k_others = int((outcome & complained).sum()), int((outcome & ~complained).sum())
    (low, high), (low_others, high_others) = wilson(k, n), wilson(k_others, others)
    difference, error = _within_months(group)
    half = Z95 * error
    from scipy.special import ndtr

    p = float(2 * ndtr(-abs(difference) / error)) if error > 0 else float("nan")
    values = (segment, n, k, k / n if n else np.nan, float(low), float(high), others, k_others, k_others / others if others else np.nan,
              float(low_others), float(high_others), difference, difference - half, difference + half, p, min(n, others) < min_n)  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _within_months(group: pd.DataFrame) -> tuple[float, float]:
    """The Mantel–Haenszel difference of shares over months and its standard error; missing where no month has both groups."""
    counted = group.groupby("month").agg(
        n1=("complained", "sum"),
        n=("complained", "size"),
        k=("outcome", "sum"),
        k1=("outcome", lambda one: int((one & group.loc[one.index, "complained"]).sum())),
    )
    n1, n0 = (
        counted["n1"].to_numpy(dtype=float),
        (counted["n"] - counted["n1"]).to_numpy(dtype=float),
    )
    k1, k0 = (
        counted["k1"].to_numpy(dtype=float),
        (counted["k"] - counted["k1"]).to_numpy(dtype=float),
    )
    both = (n1 > 0) & (n0 > 0)
    if not both.any():
        return float("nan"), float("nan")
    n1, n0, k1, k0 = n1[both], n0[both], k1[both], k0[both]
    n = n1 + n0
    weight = (n1 * n0 / n).sum()
    difference = ((k1 * n0 - k0 * n1) / n).sum() / weight
    variance = (
        (k1 * (n1 - k1) * n0**3 + k0 * (n0 - k0) * n1**3) / (n1 * n0 * n**2)
    ).sum() / weight**2
    return float(difference), float(np.sqrt(variance))


def _headline(table: pd.DataFrame, outcome: Event, length: int) -> str:
    found = table[(table["p_adjusted"] < 0.05) & ~table["small_n"]]
    tail = "An association: those who complain differ in more than their complaint."
    if found.empty:
        return f"No stage at which those who complained had {outcome} within {timespan(length)} more or less often than others, beyond chance. {tail}"
    first = (
        found.assign(size=found["difference"].abs())
        .sort_values(["size", "segment"], ascending=[False, True])
        .iloc[0]
    )
    return (
        f"After a complaint at {first['segment']} {about(first['share_complained'])} of {count_of(first['complained'], 'customer')} had {outcome} within {timespan(length)}, "
        f"of {first['others']:,} others who answered {about(first['share_others'])} (within months {signed(100 * first['difference'])} points, 95% CI "
        f"{signed(100 * first['difference_low'])} to {signed(100 * first['difference_high'])}). {tail}"
    )


def _definition(
    outcome: Event, length: int, by: str | None, people: int, min_n: int
) -> dict[str, str]:
    return {
        "complained": "a bad score (nps 0–6, csat or rating 1–2) or, without a score, a text labelled negative",
        "others": "customers who answered there and did not complain",
        "outcome": f"{outcome}, strictly after the answer and at most {timespan(length)} later",
        "compared": "within the calendar month of the answer (Mantel–Haenszel)",
        "base": f"{count_of(people, 'customer')} by segment, each once; answers too late to be followed for {timespan(length)} left out",
        "by": by or "all together",
        "means": "an association, not an effect",
        "small n": f"below {min_n} customers in one of the groups",
    }


def _metrics(table: pd.DataFrame) -> dict[str, Metric]:
    return {
        f"after_complaint_{row['segment']}": metric(
            row["difference"],
            row["difference_low"],
            row["difference_high"],
            row["complained"] + row["others"],
        )
        for row in table.to_dict("records")
    }

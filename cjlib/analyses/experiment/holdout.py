"""What contacting the customers of a list did: those contacted beside the control group that the list left alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.experiment.assignment import times_of
from cjlib.analyses.findings import Finding
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.shared.comparison import (
    MIN_N,
    PLANNED,
    FollowUp,
    ShareComparison,
    compare_shares,
    followed,
)
from cjlib.shared.stats import wilson
from cjlib.show.numbers import (
    about,
    confidence,
    count_of,
    percent,
    points,
    points_interval,
    timespan,
)
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ARMS = ("contacted", "control")
NO_LIST = (
    "No contact list to read back. Write one with targets.write_csv(…), contact those who are not marked as control, "
    "and name the file: churn: {contact_list: contact_list.csv}."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Holdout(Result):
    """The answer of `cj.holdout`.

    Attributes
    ----------
    comparison
        The shares that left beside each other: `difference` (contacted − control) with Newcombe's interval, `p_value`.
    """

    comparison: pd.DataFrame


def holdout(
    log: EventLog | pd.DataFrame | None,
    *,
    contact_list: pd.DataFrame | str | Path | None,
    window: Duration,
    churn_event: Event | None = None,
    active_event: Event | None = None,
    contacted_at: Any = None,
) -> Holdout:
    """Whether contacting kept anybody: the share that left of those contacted, and of the control group of the same list.

    Customers left who had `churn_event` in (contact, contact + window]; without one, who had no
    `active_event` in it. Only customers followed for the whole window count, on both sides. The
    success share is what `cj.target_list` asks for: (share of control that left − share of
    contacted that left) ÷ share of control that left; its interval is built of both Wilson
    intervals (MOVER). Of several lists a customer counts from the first; who is contacted by one and
    control of another is left out. Where any event is activity and one happens to most of those
    contacted but to nobody of the control group, such as the message itself, there is no answer.

    Parameters
    ----------
    log
        The event log that holds what came after the contact.
    contact_list
        What `targets.write_csv` wrote, or its `.export`: `customer_id`, `control`, and `timestamp`
        (the moment at which the list was made). None: there is none, and the answer says so.
    window
        How long after the contact leaving counts: the forecast's horizon.
    churn_event
        The event of leaving; None: no activity in the window means it.
    active_event
        What counts as activity; None: any event.
    contacted_at
        When the customers were contacted, such as "2025-11-03"; None: the `timestamp` of the list.

    Returns
    -------
    Holdout
        `.table`: `arm` ("contacted", "control"), `listed`, `customers` (followed for the window),
        `left`, `share_left` with its 95% CI. `.metrics["success_share"]` with its interval, which
        `cj.target_list(success_share=…)` takes from the result; not there where a side has fewer
        than 30 customers or nobody of the control group left.

    Raises
    ------
    CjlibError
        If the list lacks a column, cannot be read, or names nobody of the log.

    References
    ----------
    Donner, A. & Zou, G. (2012). Closed-form confidence intervals for functions of the normal mean
    and standard deviation. Statistical Methods in Medical Research 21.
    """
    if contact_list is None:
        return _unanswered(NO_LIST)
    if not isinstance(log, Log):
        return _unanswered("A contact list is read back from an event log; a table of customers has no time after the contact.")  # fmt: skip
    horizon = microseconds(window, "window")
    rows = _rows(log, _read(contact_list), contacted_at)
    complete, follow_up = followed(
        rows.contacted_at, log.observed_until_us, horizon=horizon, landmark="the contact"
    )
    if not complete.any():
        return _unanswered(
            f"Too early to judge: none of {count_of(len(complete), 'listed customer')} has been followed for {timespan(horizon)} after the contact."
        )
    alone = [] if churn_event or active_event else _of_contacted_alone(log, rows, horizon)
    if alone:
        return _unanswered(
            f"Whether contacting kept anybody cannot be read from silence: {listed(alone)} happened to contacted customers alone, so the contact itself may count as their activity. Name what does: active_event=…"
        )
    left = _left(log, rows, horizon, churn_event, active_event)
    compared, table = _compared(rows.control, left, complete, follow_up)
    success, low, high = success_share(*table["left"], *table["customers"])
    return Holdout(
        table=table,
        headline=_headline(table, compared, (success, low, high), follow_up),
        definition={
            "left": _left_in_words(churn_event, active_event, horizon),
            "control": "drawn at random when the list was made; not contacted",
            "success share": "(share of control that left − share of contacted that left) ÷ share of control that left; interval by MOVER",
            "followed": follow_up.words,
            "not in the log": count_of(rows.unknown, "listed customer"),
            "in both arms": f"{count_of(rows.in_both, 'customer')} left out: contacted by one list, control of another",
        },
        metrics=_metrics(table, (success, low, high)),
        findings=list(_findings(table, compared)),
        families={compared.name: compared.tests},
        comparison=pd.DataFrame(compared.columns()),
    )


@dataclass(frozen=True)
class _Rows:
    """Who of a list is in the log, whether in the control group, and when the contact was; how many are not in the log, and how many in both arms, as of several lists."""

    customer: Ints
    control: Bools
    contacted_at: Ints
    unknown: int
    in_both: int


def _unanswered(reason: str) -> Holdout:
    return Holdout.unanswered(reason, comparison=pd.DataFrame())


def _read(given: pd.DataFrame | str | Path) -> pd.DataFrame:
    if isinstance(given, pd.DataFrame):
        return given
    try:
        frame = pd.read_csv(given, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise CjlibError(
            f"contact_list: {shown(str(given))} cannot be read: {type(error).__name__}. Give the CSV that targets.write_csv(…) wrote."
        ) from error
    # Ids that a spreadsheet would have read as a formula were written with an apostrophe before them.
    ids = frame["customer_id"] if "customer_id" in frame else pd.Series(dtype=str)
    return frame.assign(customer_id=ids.str.replace(r"^'(?=[=+\-@\t\r])", "", regex=True))


def _rows(log: EventLog, frame: pd.DataFrame, contacted_at: Any) -> _Rows:
    needed = ["customer_id", "control", *([] if contacted_at is not None else ["timestamp"])]
    for name in needed:
        if name not in frame:
            hint = " or say when: contacted_at=…" if name == "timestamp" else ""
            raise CjlibError(
                f"contact_list: lacks the column {name!r}.{did_you_mean(name, frame.columns)} It has {listed(frame.columns)}. Give what targets.write_csv(…) wrote{hint}."
            )
    control = _flags(frame["control"])
    customer = log.codes_of_ids(frame["customer_id"])
    if contacted_at is None:
        at, known = times_of(frame["timestamp"], log, "contact_list")
    else:
        at = np.full(len(frame), log.instant(contacted_at, "contacted_at"))
        known = np.ones(len(frame), dtype=bool)
    usable = (customer >= 0) & known
    if not usable.any():
        raise CjlibError(
            f"contact_list: no customer_id of it with a timestamp is in the log. It has {listed(frame['customer_id'].head(3).tolist())}, the log {listed(log.customer_ids()[:3].tolist())}."
        )
    # By time, so that of several lists in any order each customer counts from the first.
    order = np.flatnonzero(usable)[np.lexsort((at[usable], customer[usable]))]
    customers, first, place = np.unique(customer[order], return_index=True, return_inverse=True)
    rows, controls = np.bincount(place), np.bincount(place, weights=control[order])
    one_arm = (controls == 0) | (controls == rows)
    chosen = order[first][one_arm]
    return _Rows(
        customers[one_arm],
        control[chosen],
        at[chosen],
        int(np.count_nonzero(~usable)),
        int(np.count_nonzero(~one_arm)),
    )


def _flags(column: pd.Series) -> Bools:
    texts = column.astype(str).str.strip().str.casefold()
    unread = ~texts.isin(["true", "false", "1", "0"])
    if unread.any():
        raise CjlibError(
            f"contact_list: control must be True or False. Got {shown(column[unread].iloc[0])}."
        )
    return texts.isin(["true", "1"]).to_numpy()


def _left(
    log: EventLog, rows: _Rows, horizon: int, churn_event: Event | None, active_event: Event | None
) -> Bools:
    """Who left in (contact, contact + window]."""
    option = "active_event" if churn_event is None else "churn_event"
    step = as_step(active_event if churn_event is None else churn_event, option)
    events = log.fetch("customer", "time", where=log.match(step, option))
    place, inside = _within(log, rows, horizon, events)
    happened = np.bincount(place[inside], minlength=len(rows.customer)) > 0
    return ~happened if churn_event is None else happened


def _within(
    log: EventLog, rows: _Rows, horizon: int, events: Mapping[str, NDArray[Any]]
) -> tuple[Ints, Bools]:
    """Whose events these are, and which lie in the window."""
    place_of = np.full(log.n_customer_codes, -1, dtype=np.int64)
    place_of[rows.customer] = np.arange(len(rows.customer))
    place = place_of[events["customer"]]
    elapsed = events["time"] - rows.contacted_at[place]
    return place, (place >= 0) & (elapsed > 0) & (elapsed <= horizon)


def _of_contacted_alone(log: EventLog, rows: _Rows, horizon: int) -> list[str]:
    """Events that happen to most of those contacted and to nobody of the control group, such as the message that was sent."""
    contacted = int(np.count_nonzero(~rows.control))
    if min(contacted, len(rows.control) - contacted) < MIN_N:
        return []
    events = log.fetch("customer", "time", "event")
    place, inside = _within(log, rows, horizon, events)
    names = len(log.event_names)
    once = np.unique(place[inside] * names + events["event"][inside])
    counts = [
        np.bincount((once % names)[rows.control[once // names] == side], minlength=names)
        for side in (False, True)
    ]
    alone = (2 * counts[0] > contacted) & (counts[1] == 0)
    return [log.event_names[code] for code in np.flatnonzero(alone).tolist()]


def _compared(
    control: Bools, left: Bools, complete: Bools, follow_up: FollowUp
) -> tuple[ShareComparison, pd.DataFrame]:
    sides = (~control, control)
    customers = [int(np.count_nonzero(side & complete)) for side in sides]
    gone = [int(np.count_nonzero(side & complete & left)) for side in sides]
    low, high = wilson(gone, customers)
    with np.errstate(invalid="ignore"):
        shares = np.array(gone) / np.array(customers)
    table = pd.DataFrame(
        {
            "arm": ARMS,
            "listed": [int(np.count_nonzero(side)) for side in sides],
            "customers": customers,
            "left": gone,
            "share_left": shares,
            "low": low,
            "high": high,
        }
    )
    compared = compare_shares(
        "leaving of those contacted", gone[0], customers[0], gone[1], customers[1], follow_up=follow_up
    )  # fmt: skip
    return compared, table


def success_share(
    left: int, control_left: int, customers: int, control_customers: int
) -> tuple[float, float, float]:
    """1 − the ratio of the shares that left, with the interval that both Wilson intervals give (MOVER); the lower bound may be −∞."""
    if not customers or not control_customers:
        return math.nan, math.nan, math.nan
    own, other = left / customers, control_left / control_customers
    (own_low, other_low), (own_high, other_high) = (
        bound.tolist() for bound in wilson([left, control_left], [customers, control_customers])
    )
    smallest = own_low * (2 * own - own_low)
    below, above = (bound * (2 * other - bound) for bound in (other_high, other_low))
    largest = own_high * (2 * own - own_high)
    both = own * other
    lowest = both + math.sqrt(max(0.0, both**2 - smallest * below))
    highest = both + math.sqrt(max(0.0, both**2 - largest * above))
    return (
        1 - own / other if other else math.nan,
        1 - highest / above if above > 0 else -math.inf,
        1 - smallest / lowest if lowest > 0 else 1.0,
    )


def _metrics(table: pd.DataFrame, success: tuple[float, float, float]) -> dict[str, Any]:
    """The success share, where both sides are large enough and somebody of the control left."""
    value, low, high = success
    if table["customers"].min() < MIN_N or math.isnan(value):
        return {}
    return {
        "success_share": metric(
            value,
            low if math.isfinite(low) else None,
            high,
            int(table["customers"].sum()),
            label="Success share of contacting",
            unit="share",
            better="higher",
        )
    }


def _left_in_words(churn_event: Event | None, active_event: Event | None, horizon: int) -> str:
    within = f"within {timespan(horizon)} after the contact"
    if churn_event is not None:
        return f"{as_step(churn_event, 'churn_event')} {within}"
    return f"no {as_step(active_event, 'active_event')} {within}"


def _headline(
    table: pd.DataFrame,
    compared: ShareComparison,
    success: tuple[float, float, float],
    follow_up: FollowUp,
) -> str:
    contacted, control = table.to_dict("records")
    sizes = f"{percent(contacted['share_left'])} of {contacted['customers']:,} contacted left, {percent(control['share_left'])} of {control['customers']:,} in the control group"
    later = (
        f" {count_of(follow_up.left_out, 'customer')} not yet followed that long left out."
        if follow_up.left_out
        else ""
    )
    if min(contacted["customers"], control["customers"]) < MIN_N:
        return f"Too few to judge whether contacting kept anybody: {sizes}.{later}"
    if compared.low[0] > 0:
        gap = f"{points(compared.difference[0])}, 95% CI {points_interval(compared.low[0], compared.high[0])}"
        return f"Contacting made more customers leave: {sizes} ({gap}).{later}"
    if compared.high[0] >= 0:
        most = (
            f"; at most {about(success[2])} of would-be leavers were kept" if success[2] > 0 else ""
        )
        return f"Not shown to keep anybody: {sizes}{most} (95% CI).{later}"
    measured = f"{about(success[0])} of would-be leavers ({confidence(success[1], success[2])})"
    return f"Contacting kept {measured}: {sizes}.{later}"


def _findings(table: pd.DataFrame, compared: ShareComparison) -> Iterator[Finding]:
    if not compared.p_adjusted[0] < PLANNED:
        return
    good = bool(compared.difference[0] < 0)
    sizes = [f"{percent(row['share_left'])} of {row['customers']:,}" for row in table.to_dict("records")]  # fmt: skip
    yield Finding(
        topic="contacting customers at risk",
        claim=f"Customers contacted left {'less' if good else 'more'} often: {sizes[0]} against {sizes[1]} in the control group.",
        direction="good" if good else "bad",
        family=compared.name,
        p_adjusted=float(compared.p_adjusted[0]),
        value=float(compared.difference[0]),
        low=float(compared.low[0]),
        high=float(compared.high[0]),
        n=int(table["customers"].sum()),
        unit="share",
        customers=int(table["customers"].iloc[0]),
        figure="holdout",
        next_step="Use the measured success share for the next list."
        if good
        else "Stop contacting until it is known why.",
    )


__all__ = ["Holdout", "holdout", "success_share"]

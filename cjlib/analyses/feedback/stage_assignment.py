"""Whose feedback it is: the stage and touchpoint that each answer is about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError
from cjlib.show.numbers import count_of, timespan
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.journey import Journey, Mapped
from cjlib.sources.log.durations import microseconds
from cjlib.sources.log.event_log import EventLog

OWN_STAGE = "own_stage"
OWN_TOUCHPOINT = "own_touchpoint"
LATEST_EVENT = "latest_event"
UNASSIGNED = "unassigned"
LABELS = {
    OWN_STAGE: "Name their stage",
    OWN_TOUCHPOINT: "Name their touchpoint",
    LATEST_EVENT: "Follow an event of the customer",
    UNASSIGNED: "Belong to no stage",
}
Codes = NDArray[np.integer]


@dataclass(frozen=True, kw_only=True, eq=False)
class Assigned(Result):
    """One row a feedback; `.feedback` is the feedback with the stages and touchpoints found, for `by="stage"`."""

    feedback: Feedback

    @property
    def telling(self) -> Collection[str]:
        """Nothing where no answer has a place: the headline says so."""
        return () if (self.table["assigned_by"] == UNASSIGNED).all() else self.metrics


def assign_stages(feedback: Feedback, log: EventLog | None, journey: Journey) -> Assigned:
    """The stage and touchpoint of every feedback, by the first rule that fits.

    (1) Its own `stage`, if it names one of the file, spaces and capitals aside; its own
    `touchpoint` stays with it if it is one of that stage. (2) Its own `touchpoint`, if it names a
    touchpoint or an event of one: the first in the file's order. (3) The customer's latest mapped
    event at or before it, at most `map.feedback_within` earlier, the end included: never the
    future. Mapped are the events of touchpoints that are not backstage (of a stage that has no
    others, those); of several at one instant the one of the later stage, then of the later name.
    (4) Else it stays unassigned. Names that fit nothing fall to the next rule and are counted.

    Parameters
    ----------
    feedback
        The feedback table; customers are matched by id as text.
    log
        The event log; None leaves out rule 3.
    journey
        The journey file's stages.

    Returns
    -------
    Assigned
        `.table`, in the feedback's order: `feedback_id`, `stage`, `touchpoint` (missing where not
        known), `assigned_by` (own_stage, own_touchpoint, latest_event, unassigned). `.metrics`:
        `feedback_own_stage`, `feedback_own_touchpoint`, `feedback_latest_event`,
        `feedback_unassigned`, and `feedback_unknown_stage`, `feedback_unknown_touchpoint` for names
        that the file does not have.

    Raises
    ------
    CjlibError
        When there is no feedback.
    """
    if feedback is None:
        raise CjlibError(
            "feedback: there is none. Name it below sources in the journey file (feedback: {path: comments.csv}), or read it with cj.read_feedback."
        )
    mapping = journey.mapping
    stage, own_point = _own_stage(feedback.frame, journey), _own_touchpoint(feedback.frame, mapping)
    latest = _latest(feedback.frame, log, journey)
    # A place is a position in the mapping: it knows both stage and touchpoint.
    found = np.where(own_point >= 0, own_point, latest)
    by = np.select([stage >= 0, own_point >= 0, latest >= 0], [0, 1, 2], 3)
    positions = np.array([claimed.position for claimed in mapping] + [-1])
    fits = (own_point >= 0) & (positions[own_point] == stage)
    place = np.where(stage >= 0, np.where(fits, own_point, -1), found)
    table = pd.DataFrame(
        {
            "feedback_id": feedback.frame["feedback_id"],
            "stage": _named(np.where(stage >= 0, stage, positions[place]), journey.stage_names),
            "touchpoint": _named(place, [claimed.touchpoint for claimed in mapping]),
            "assigned_by": _named(by, list(LABELS)),
        }
    )
    strange = {
        f"feedback_unknown_{name}": int(
            (_folded(feedback.frame, name).notna().to_numpy() & (fit < 0)).sum()
        )
        for name, fit in (("stage", stage), ("touchpoint", own_point))
    }
    counts = {rule: int((by == position).sum()) for position, rule in enumerate(LABELS)}
    return Assigned(
        table=table,
        headline=_headline(counts, len(table), log),
        definition=_definition(journey, strange, log),
        metrics={
            f"feedback_{rule}": metric(count, n=len(table), label=LABELS[rule], unit="number")
            for rule, count in counts.items()
        }
        | {
            name: metric(
                count,
                label=name.replace("feedback_unknown", "Unknown").replace("_", " "),
                unit="number",
            )
            for name, count in strange.items()
        },
        feedback=replace(
            feedback,
            frame=feedback.frame.assign(stage=table["stage"], touchpoint=table["touchpoint"]),
        ),
    )


def _folded(frame: pd.DataFrame, column: str) -> pd.Series:
    return frame[column].astype("str").str.strip().str.casefold().replace("", None)


def _own_stage(frame: pd.DataFrame, journey: Journey) -> Codes:
    by_name = {
        name.strip().casefold(): position
        for position, name in reversed(list(enumerate(journey.stage_names)))
    }
    return _folded(frame, "stage").map(by_name).fillna(-1).to_numpy(dtype=np.int64)


def _own_touchpoint(frame: pd.DataFrame, mapping: Sequence[Mapped]) -> Codes:
    by_event = {
        name.strip().casefold(): position
        for position, claimed in reversed(list(enumerate(mapping)))
        for name in claimed.event.names
    }
    by_name = {
        claimed.touchpoint.strip().casefold(): position
        for position, claimed in reversed(list(enumerate(mapping)))
    }
    return _folded(frame, "touchpoint").map(by_event | by_name).fillna(-1).to_numpy(dtype=np.int64)


def _latest(frame: pd.DataFrame, log: EventLog | None, journey: Journey) -> Codes:
    """For each feedback the position in the mapping of the customer's latest mapped event, −1 without one."""
    places = np.full(len(frame), -1, dtype=np.int64)
    if log is None or not len(frame):
        return places
    customer, times, known = moments_in(log, frame)
    rows = np.flatnonzero(known)
    if not rows.size or not journey.mapping:
        return places
    events = _mapped_events(log, journey, customer[rows])
    position = event_beside(
        customer[rows],
        times[rows],
        np.asarray(events["c"], dtype=np.int64),
        np.asarray(events["t"], dtype=np.int64),
        side="at_or_before",
        within=microseconds(journey.map.feedback_within, "map.feedback_within"),
    )
    places[rows] = np.append(events["m"], -1)[position]
    return places


def moments_in(log: EventLog, frame: pd.DataFrame) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Customer code in the log and microseconds of each answer, and which answers have both."""
    customer = log.codes_of_ids(frame["customer_id"].astype("str"))
    times = frame["timestamp"].dt.tz_convert("UTC").dt.tz_localize(None)
    given = (frame["customer_id"].notna() & times.notna()).to_numpy()
    return (
        customer,
        times.to_numpy(dtype="datetime64[us]").astype(np.int64),
        given & (customer >= 0),
    )


def _mapped_events(log: EventLog, journey: Journey, customers: Codes) -> dict[str, Codes]:
    """`c`, `t`, `m`: the events of these customers that a touchpoint claims, in order; the last of an instant stands last."""
    mapping = journey.mapping
    seen = {claimed.position for claimed in mapping if not claimed.backstage}
    used = [
        position
        for position, claimed in enumerate(mapping)
        if not claimed.backstage or claimed.position not in seen
    ]
    stages = " ".join(f"WHEN {position} THEN {mapping[position].position}" for position in used)
    log.engine.connection.register("asking", pd.DataFrame({"c": np.unique(customers)}))
    columns = log.engine.columns(
        f"SELECT c, t, m FROM (SELECT c, t, e, {journey.mapping_sql(log)} AS m FROM {log.prepared} WHERE c IN (SELECT c FROM asking)) "
        f"WHERE m IN ({', '.join(map(str, used))}) ORDER BY c, t, CASE m {stages} END, e, m"
    )
    log.engine.connection.unregister("asking")
    return {name: np.asarray(column, dtype=np.int64) for name, column in columns.items()}


def _named(codes: Codes, names: Sequence[str]) -> pd.Series:
    return pd.Series(np.array([*names, None], dtype=object)[codes], dtype="str")


def _headline(counts: dict[str, int], n: int, log: EventLog | None) -> str:
    if counts[UNASSIGNED] == n:
        why = (
            "there are no events to go by"
            if log is None
            else "none follows an event of its customer"
        )
        return f"None of {count_of(n, 'answer')} has a place on the journey: none names a stage or touchpoint of it, and {why}."
    rules = {
        OWN_STAGE: ("names its stage", "name their stage"),
        OWN_TOUCHPOINT: ("names its touchpoint", "name their touchpoint"),
        LATEST_EVENT: ("follows an event of the customer", "follow an event of the customer"),
    }
    parts = ", ".join(count_of(counts[rule], *said) for rule, said in rules.items())
    return f"Of {count_of(n, 'answer')} {parts}; {count_of(counts[UNASSIGNED], 'belongs', 'belong')} to no stage."


def _definition(journey: Journey, strange: dict[str, int], log: EventLog | None) -> dict[str, str]:
    within = timespan(microseconds(journey.map.feedback_within, "map.feedback_within"))
    latest = (
        f"the customer's latest mapped event at or before it, at most {within} earlier"
        if log is not None
        else "not asked: no events are given"
    )
    return {
        "first": "the stage it names itself",
        "then": "the touchpoint, or event of one, that it names itself",
        "else": latest,
        "names not in the journey file": ", ".join(
            count_of(strange[f"feedback_unknown_{name}"], name) for name in ("stage", "touchpoint")
        ),
    }


Ints = NDArray[np.int64]


def event_beside(
    customer: Ints,
    moment: Ints,
    event_customer: Ints,
    event_time: Ints,
    *,
    side: Literal["at_or_before", "after"],
    within: int,
) -> Ints:
    """The position of the same customer's last event at or before each moment, or of the first strictly after it; −1 without one.

    Parameters
    ----------
    customer, moment
        Of the answers: codes, microseconds; in any order.
    event_customer, event_time
        Of the events, by customer and time; of several at one instant the last counts before, the first after.
    side
        "at_or_before" or "after".
    within
        At most so many microseconds away, the end included.
    """
    answers = pd.DataFrame({"customer": customer, "time": moment, "answer": range(len(moment))})
    own = event_customer.astype(np.int64)  # the log's codes are narrower
    events = pd.DataFrame({"customer": own, "time": event_time, "event": range(len(own))})
    joined = pd.merge_asof(
        answers.sort_values("time", kind="stable"),
        events.sort_values("time", kind="stable"),
        on="time",
        by="customer",
        direction="backward" if side == "at_or_before" else "forward",
        allow_exact_matches=side == "at_or_before",
        tolerance=within,
    )
    position = np.full(len(answers), -1, dtype=np.int64)
    position[joined["answer"].to_numpy()] = joined["event"].fillna(-1).to_numpy(dtype=np.int64)
    return position

"""What customers said at each stage: the assigned feedback, its scores and its texts, each counted by the analysis that owns it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.sentiment import score_texts
from cjlib.analyses.feedback.stage_assignment import Assigned, assign_stages
from cjlib.analyses.journey_map.sentiment_line import Answers
from cjlib.analyses.journey_map.stage_mapping import NONE, Bools, Ints, Places
from cjlib.errors import DataError
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.journey import Journey
from cjlib.sources.log.event_log import EventLog

MEASURES = ("text", "csat", "nps", "ces")
"""Of the sentiment line, in the order that decides ties for the lead."""
SCORES = ("nps", "csat", "ces")
BAD_TO = {"nps": 6, "csat": 2, "ces": 3}
GOOD_FROM = {"nps": 9, "csat": 4, "ces": 5}


@dataclass(frozen=True)
class Opinions:
    """The assigned feedback as one row an answer.

    `rows` has `feedback_id`, `customer_id`, `person` (customers in the order of their ids, who gives none is somebody else each time), `code` (in the log,
    −1 = not there), `time` (microseconds UTC), `stage` and `point` (from 0, −1 = none), `group`, `solicited`, the three scores, `label`, `score` (of the text)
    and `text`; by feedback_id.
    """

    assigned: Assigned
    rows: pd.DataFrame
    text_words: str
    text_scale: str = ""
    left_out: int = 0

    @cached_property
    def kinds(self) -> dict[str, str]:
        """For each score whether the solicited or the unsolicited answers are counted, where there are both: those with more answers."""
        kinds = {}
        for score in SCORES:
            asked = self.rows.loc[self.rows[score].notna(), "solicited"]
            yes, no = int((asked == 1).sum()), int((asked == 0).sum())
            if yes and no:
                kinds[score] = "solicited" if yes >= no else "unsolicited"
        return kinds

    def counts(self, score: str) -> pd.Series:
        """Which rows a score is counted from."""
        has = self.rows[score].notna()
        return (
            has & (self.rows["solicited"] == (self.kinds[score] == "solicited"))
            if score in self.kinds
            else has
        )

    @cached_property
    def answers(self) -> dict[str, Answers]:
        """The answers of each measure of the sentiment line."""
        has = {"text": self.rows["score"].notna()} | {score: self.counts(score) for score in SCORES}
        source = {"text": "score"} | {score: score for score in SCORES}
        places = {name: self.rows[name].to_numpy() for name in ("stage", "point", "group")}
        person, every = (
            self.rows["person"].to_numpy(),
            {measure: np.flatnonzero(has[measure]) for measure in MEASURES},
        )
        return {
            measure: Answers.of(
                self.rows[source[measure]].to_numpy(dtype=float)[at],
                person[at],
                {name: held[at] for name, held in places.items()},
            )
            for measure, at in every.items()
        }

    def grouped(self, of: np.ndarray) -> Opinions:
        """The same with the group of each customer, given by code; answers of nobody in the log are in none."""
        code = self.rows["code"].to_numpy()
        return replace(self, rows=self.rows.assign(group=np.where(code >= 0, of[code], NONE)))

    def only(self, customers: Bools) -> Opinions:
        """The answers of some customers, given by code, as one group."""
        code = self.rows["code"].to_numpy()
        return replace(
            self,
            rows=self.rows[(code >= 0) & customers[code]].reset_index(drop=True).assign(group=0),
        )

    @cached_property
    def lead(self) -> str | None:
        """The measure with most answers over all stages; chosen before looking at its values."""
        sizes = {
            measure: int(np.count_nonzero(answers.places["stage"] >= 0))
            for measure, answers in self.answers.items()
        }
        best = max(sizes.values())
        return next(measure for measure in MEASURES if sizes[measure] == best) if best else None


def read_opinions(
    feedback: Feedback, log: EventLog | None, journey: Journey, places: Places
) -> Opinions:
    """Assign every answer to its stage and touchpoint, and score its text."""
    assigned = assign_stages(feedback, log, journey)
    frame = assigned.feedback.frame
    labels, words, scale = _texts(feedback)
    stage = (
        assigned.table["stage"]
        .map({name: k for k, name in enumerate(places.stages)})
        .fillna(NONE)
        .astype("int64")
    )
    # A touchpoint without a stage of its own cannot be: assigning gives both or the stage alone.
    number = {point: k for k, point in enumerate(places.points)}
    names = (
        assigned.table["touchpoint"]
        .astype(object)
        .where(assigned.table["touchpoint"].notna(), None)
    )
    point = [
        number.get((one, name), NONE)
        for one, name in zip(stage.tolist(), names.tolist(), strict=True)
    ]
    solicited = (
        frame["solicited"]
        if "solicited" in frame
        else pd.Series(pd.NA, index=frame.index, dtype="boolean")
    )
    rows = pd.DataFrame(
        {
            "feedback_id": frame["feedback_id"].astype("str"),
            "customer_id": frame["customer_id"].astype("str"),
            "person": _people(frame),
            "code": _codes(frame["customer_id"], log),
            "time": _microseconds(frame["timestamp"]),
            "timestamp": frame["timestamp"],
            "stage": stage.to_numpy(),
            "point": np.array(point, dtype=np.int64),
            "group": np.zeros(len(frame), dtype=np.int64),
            "solicited": solicited.astype("boolean").to_numpy(dtype=float, na_value=np.nan),
            **{score: frame[score].astype(float) for score in SCORES},
            "label": labels["label"].to_numpy(),
            "score": labels["score"].to_numpy(dtype=float),
            "text": frame["text"],
        }
    )
    inside = _inside_the_log(rows["time"].to_numpy(), log)
    left_out = int((~inside).sum())
    kept = rows[inside].sort_values("feedback_id", kind="stable", ignore_index=True)
    return Opinions(assigned, kept, words, scale, left_out)


def _inside_the_log(time: Ints, log: EventLog | None) -> np.ndarray:
    """Of a log cut in time (`log.where(start=, end=)`) the feedback of that time alone: a map of an earlier day does not know what was said later."""
    inside = np.ones(time.size, dtype=bool)
    if log is None:
        return inside
    cut = " ".join(log.filters)
    first = log.span_us[0] if log.span_us else np.iinfo(np.int64).max
    inside &= (time >= first) if "timestamp >= " in cut else True
    return inside & ((time <= log.observed_until_us) if "timestamp <= " in cut else True)


def _texts(feedback: Feedback) -> tuple[pd.DataFrame, str, str]:
    """Label and score of every text, what is to be said of them, and their scale; none where nearly nothing is written or it cannot be read, and why."""
    empty = pd.DataFrame(
        {"label": pd.Series(None, index=feedback.frame.index, dtype="str"), "score": np.nan}
    )
    if not feedback.frame["text"].notna().any():
        return empty, "no texts", ""
    try:
        scored = score_texts(feedback)
    except DataError as fault:
        return empty, f"texts were not scored: {fault}", ""
    used = (scored.table["status"] == "scored").to_numpy()
    scale = "" if scored.measured is None else scored.measured.scale
    kept = pd.DataFrame({name: scored.table[name].where(used) for name in ("label", "score")})
    return kept, scored.headline, scale


def _people(frame: pd.DataFrame) -> Ints:
    """Who gave each answer, numbered in the order of the ids; without an id somebody else each time."""
    named = frame["customer_id"].astype("str")
    _, person = np.unique(
        named.where(named.notna(), "\x00" + frame["feedback_id"].astype("str"))
        .to_numpy(dtype=object)
        .astype(str),
        return_inverse=True,
    )
    return person.astype(np.int64)


def _codes(customer_id: pd.Series, log: EventLog | None) -> Ints:
    if log is None:
        return np.full(len(customer_id), NONE, dtype=np.int64)
    known = pd.Index([str(one) for one in log.customer_ids()])
    found = known.get_indexer(pd.Index(customer_id.astype("str")))
    return np.where(customer_id.notna(), found, NONE).astype(np.int64)


def _microseconds(timestamp: pd.Series) -> Ints:
    utc = (
        timestamp.dt.tz_convert("UTC").dt.tz_localize(None)
        if timestamp.dt.tz is not None
        else timestamp
    )
    return utc.to_numpy(dtype="datetime64[us]").astype(np.int64)

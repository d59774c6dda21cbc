"""What customers said at each stage: the assigned feedback, its scores and its texts, each counted by the analysis that owns it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cjlib.analyses.assigned import Assigned, assign_stages
from cjlib.analyses.journey_map.walk import NONE, Ints, Places
from cjlib.analyses.result import MIN_N
from cjlib.analyses.scores import Scores, ces, csat, nps
from cjlib.analyses.sentiment import score_texts, sentiment
from cjlib.errors import DataError
from cjlib.sources.events import EventLog
from cjlib.sources.feedback import Feedback
from cjlib.sources.journey import Journey

MEASURES = ("text", "csat", "nps", "ces")
"""Of the sentiment line, in the order that decides ties for the lead."""
COUNTERS: dict[str, Callable[..., Scores]] = {"nps": nps, "csat": csat, "ces": ces}
BAD_TO = {"nps": 6, "csat": 2, "ces": 3}
GOOD_FROM = {"nps": 9, "csat": 4, "ces": 5}


@dataclass(frozen=True)
class Opinions:
    """The assigned feedback as one row an answer.

    `rows` has `feedback_id`, `customer_id`, `code` (in the log, −1 = not there), `time` (microseconds UTC), `stage` and `point` (from 0, −1 = none), `group`,
    `solicited`, the three scores, `label`, `score` (of the text) and `text`; by feedback_id.
    """

    assigned: Assigned
    rows: pd.DataFrame
    text_words: str
    left_out: int = 0

    @cached_property
    def kinds(self) -> dict[str, str]:
        """For each score whether the solicited or the unsolicited answers are counted, where there are both: those with more answers."""
        kinds = {}
        for score in COUNTERS:
            asked = self.rows.loc[self.rows[score].notna(), "solicited"]
            yes, no = int((asked == 1).sum()), int((asked == 0).sum())
            if yes and no:
                kinds[score] = "solicited" if yes >= no else "unsolicited"
        return kinds

    def counts(self, score: str) -> pd.Series:
        """Which rows a score is counted from."""
        has = self.rows[score].notna()
        return has & (self.rows["solicited"] == (self.kinds[score] == "solicited")) if score in self.kinds else has

    def answers(self, measure: str) -> pd.DataFrame:
        """The answers of one measure of the sentiment line as `value`, `stage`, `point`, `group`, `person` (rows without an id are their own)."""
        column = "score" if measure == "text" else measure
        has = self.rows[column].notna() if measure == "text" else self.counts(measure)
        rows = self.rows[has]
        person = rows["customer_id"].where(rows["customer_id"].notna(), "\x00" + rows["feedback_id"])
        return rows.assign(value=rows[column].astype(float), person=person)[["value", "stage", "point", "group", "person", "feedback_id"]]

    def lead(self) -> str | None:
        """The measure with most answers over all stages; chosen before looking at its values."""
        sizes = {measure: int((self.answers(measure)["stage"] >= 0).sum()) for measure in MEASURES}
        best = max(sizes.values())
        return next(measure for measure in MEASURES if sizes[measure] == best) if best else None


def read_opinions(feedback: Feedback, log: EventLog | None, journey: Journey, places: Places) -> Opinions:
    """Assign every answer to its stage and touchpoint, and score its text."""
    assigned = assign_stages(feedback, log, journey)
    frame = assigned.feedback.frame
    labels, words = _texts(feedback)
    stage = assigned.table["stage"].map({name: k for k, name in enumerate(places.stages)}).fillna(NONE).astype("int64")
    # A touchpoint without a stage of its own cannot be: assigning gives both or the stage alone.
    number = {point: k for k, point in enumerate(places.points)}
    names = assigned.table["touchpoint"].astype(object).where(assigned.table["touchpoint"].notna(), None)
    point = [number.get((one, name), NONE) for one, name in zip(stage.tolist(), names.tolist(), strict=True)]
    solicited = frame["solicited"] if "solicited" in frame else pd.Series(pd.NA, index=frame.index, dtype="boolean")
    rows = pd.DataFrame(
        {
            "feedback_id": frame["feedback_id"].astype("str"),
            "customer_id": frame["customer_id"].astype("str"),
            "code": _codes(frame["customer_id"], log),
            "time": _microseconds(frame["timestamp"]),
            "timestamp": frame["timestamp"],
            "stage": stage.to_numpy(),
            "point": np.array(point, dtype=np.int64),
            "group": np.zeros(len(frame), dtype=np.int64),
            "solicited": solicited.astype("boolean").to_numpy(dtype=float, na_value=np.nan),
            **{score: frame[score].astype(float) for score in COUNTERS},
            "label": labels["label"].to_numpy(),
            "score": labels["score"].to_numpy(dtype=float),
            "text": frame["text"],
        }
    )
    inside = _inside_the_log(rows["time"].to_numpy(), log)
    left_out = int((~inside).sum())
    kept = rows[inside].sort_values("feedback_id", kind="stable", ignore_index=True)
    return Opinions(assigned, kept, words, left_out)


def _inside_the_log(time: Ints, log: EventLog | None) -> np.ndarray:
    """Of a log cut in time (`log.where(start=, end=)`) the feedback of that time alone: a map of an earlier day does not know what was said later."""
    inside = np.ones(time.size, dtype=bool)
    if log is None or log.span_us is None:
        return inside
    cut = " ".join(log.filters)
    inside &= (time >= log.span_us[0]) if "timestamp >= " in cut else True
    return inside & ((time <= log.observed_until_us) if "timestamp <= " in cut else True)


def _texts(feedback: Feedback) -> tuple[pd.DataFrame, str]:
    """Label and score of every text; none where nearly nothing is written or it cannot be read, and why."""
    empty = pd.DataFrame({"label": pd.Series(None, index=feedback.frame.index, dtype="str"), "score": np.nan})
    if not feedback.frame["text"].notna().any():
        return empty, "no texts"
    try:
        scored = score_texts(feedback)
    except DataError as fault:
        return empty, f"texts were not scored: {fault}"
    used = (scored.table["status"] == "scored").to_numpy()
    return pd.DataFrame({name: scored.table[name].where(used) for name in ("label", "score")}), scored.headline


def _codes(customer_id: pd.Series, log: EventLog | None) -> Ints:
    if log is None:
        return np.full(len(customer_id), NONE, dtype=np.int64)
    known = pd.Index([str(one) for one in log.customer_ids()])
    found = known.get_indexer(pd.Index(customer_id.astype("str")))
    return np.where(customer_id.notna(), found, NONE).astype(np.int64)


def _microseconds(timestamp: pd.Series) -> Ints:
    utc = timestamp.dt.tz_convert("UTC").dt.tz_localize(None) if timestamp.dt.tz is not None else timestamp
    return utc.to_numpy(dtype="datetime64[us]").astype(np.int64)


# ---- the columns of the map ------------------------------------------------------------------------------------------


def scores_of(opinions: Opinions, cell: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """For each cell the scores as `cj.nps`, `cj.csat` and `cj.ces` count them, and the texts as `cj.sentiment` does; `cell` by row, −1 = none."""
    columns: dict[str, np.ndarray] = {}
    columns["n_feedback"] = np.bincount(cell[cell >= 0], minlength=size)
    asked = (opinions.rows["solicited"] == 1).to_numpy()
    columns["n_solicited"] = np.bincount(cell[(cell >= 0) & asked], minlength=size)
    columns |= _texts_of(opinions, cell, size)
    for score, counter in COUNTERS.items():
        columns |= _score_of(opinions, score, counter, cell, size)
    return columns


def _celled(opinions: Opinions, cell: np.ndarray, rows: np.ndarray) -> Feedback:
    """The feedback whose column `cell` names the cell of each row, in the order it was read."""
    named = pd.Series(cell, index=opinions.rows["feedback_id"]).where(pd.Series(rows & (cell >= 0), index=opinions.rows["feedback_id"]))
    feedback = opinions.assigned.feedback
    names = feedback.frame["feedback_id"].astype("str").map(named).astype("Int64").astype("str")
    return replace(feedback, frame=feedback.frame.assign(cell=names.where(names.notna(), None)))


def _score_of(opinions: Opinions, score: str, counter: Callable[..., Scores], cell: np.ndarray, size: int) -> dict[str, np.ndarray]:
    value = {name: np.full(size, np.nan) for name in (score, f"{score}_low", f"{score}_high")}
    n = np.zeros(size, dtype=np.int64)
    rows = opinions.counts(score).to_numpy()
    if (rows & (cell >= 0)).any():
        feedback = _celled(opinions, cell, rows)
        chosen = replace(feedback, frame=feedback.frame[feedback.frame["cell"].notna()], kept={})
        table = counter(chosen, by="cell").table
        at = table["segment"].astype("int64").to_numpy()
        n[at] = table["n"]
        for name, column in ((score, "value"), (f"{score}_low", "low"), (f"{score}_high", "high")):
            value[name][at] = table[column]
    return {f"n_{score}": n, **value}


def _texts_of(opinions: Opinions, cell: np.ndarray, size: int) -> dict[str, np.ndarray]:
    values = {name: np.full(size, np.nan) for name in ("mean_score", "share_negative", "share_negative_low", "share_negative_high")}
    n, method = np.zeros(size, dtype=np.int64), np.full(size, None, dtype=object)
    if opinions.rows["score"].notna().any():
        table = sentiment(_celled(opinions, cell, np.ones(len(cell), dtype=bool)), by="cell").table
        table = table[table["segment"] != "(not set)"]
        at = table["segment"].astype("int64").to_numpy()
        n[at], method[at] = table["n_scored"], table["method"].astype(object).where(table["n_scored"] > 0, None).to_numpy()
        names = {"mean_score": "mean_score", "share_negative": "share_negative", "share_negative_low": "low", "share_negative_high": "high"}
        for name, column in names.items():
            values[name][at] = table[column]
    return {"n_scored": n, **values, "share_method": method}


def evidence(customers: np.ndarray, answers: np.ndarray, min_n: int = MIN_N) -> np.ndarray:
    """The grade of a cell: measured, behaviour only, feedback only, thin, none."""
    many, heard = customers >= min_n, answers >= min_n
    nothing = (customers == 0) & (answers == 0)
    return np.select([many & heard, many, heard, nothing], ["measured", "behaviour only", "feedback only", "none"], "thin").astype(object)

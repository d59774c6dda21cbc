"""What customers said at each stage: the assigned feedback, its scores and its texts, each counted by the analysis that owns it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.answer_ends import Ends, ends_of
from cjlib.analyses.feedback.quotes import Said, text_vectors
from cjlib.analyses.feedback.score_tables import by_group
from cjlib.analyses.feedback.score_texts import (
    kinds_of_ratings,
    ratings_learnt,
    score_texts,
    within_kinds,
)
from cjlib.analyses.feedback.scorer import Measured
from cjlib.analyses.feedback.stage_assignment import Assigned, assign_stages
from cjlib.analyses.journey_map.mapped_events import NONE, Bools, Ints, Places, codes_of
from cjlib.analyses.journey_map.sentiment_line import Answers, clustered
from cjlib.errors import DataError
from cjlib.shared.comparison import MIN_N
from cjlib.shared.repeated_answers import OF_TEXTS
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.journey import Journey
from cjlib.sources.log.event_log import EventLog

MEASURES = ("text", "csat", "nps", "ces")
"""Of the sentiment line, in the order that decides ties for the lead."""
SCORES = ("nps", "csat", "ces")
UNASKED = ("n_feedback", "n_solicited", "n_scored", "n_nps", "n_csat", "n_ces")
"""What nobody was asked for is empty, not zero."""
COLUMNS = ["stage", "touchpoint", "feedback_id", "label", "text"]
FEWEST = 5
"""A group of fewer texts is not quoted: it would point at people."""


@dataclass(frozen=True)
class Opinions:
    """The assigned feedback as one row an answer.

    `rows` has `feedback_id`, `customer_id`, `person` (customers in the order of their ids, who gives none is somebody else each time), `code` (in the log,
    −1 = not there), `time` (microseconds UTC), `stage` and `point` (from 0, −1 = none), `group`, `solicited`, the three scores, `label`, `score` (of the text),
    `text`, and where the scorer was fitted to ratings `rating` (less what its kind has in common) and `bad_rating` (0 or 1); by feedback_id.
    """

    assigned: Assigned
    rows: pd.DataFrame
    text_words: str
    measured: Measured | None = None
    left_out: int = 0

    @property
    def scales(self) -> dict[str, tuple[float, float]]:
        """The lowest and highest answer of each measure of the sentiment line."""
        return {"text": OF_TEXTS} | {
            score: self.assigned.feedback.scales[score] for score in SCORES
        }

    @property
    def ends(self) -> dict[str, Ends]:
        """The highest bad and the lowest good answer of each score."""
        return {score: ends_of(score, self.assigned.feedback.scales) for score in SCORES}

    @property
    def text_scale(self) -> str:
        """What mean scores may be compared with."""
        return "" if self.measured is None else self.measured.scale

    @property
    def fitted(self) -> bool:
        """Whether the scorer learnt from ratings: then those are compared, not its scores."""
        return self.measured is not None and self.measured.adapted

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
    def poor(self) -> pd.Series:
        """1 for an unhappy answer, 0 for another, missing for what does not count: by the lead measure; of texts by the ratings that their scorer was fitted to.

        What a scorer has learnt of the words of one place is in no interval: answers without a rating would be unhappy there by hearsay.
        """
        if self.lead is None:
            return pd.Series(np.nan, index=self.rows.index)
        if self.lead == "text" and self.fitted:
            return self.rows["bad_rating"]
        if self.lead == "text":
            negative = (self.rows["label"] == "negative").astype(float)
            return negative.where(self.rows["score"].notna())
        low = (self.rows[self.lead] <= self.ends[self.lead][0]).astype(float)
        return low.where(self.counts(self.lead))

    @cached_property
    def poor_compared(self) -> pd.Series:
        """The same as places are compared: ratings less what their kind has in common."""
        mixed = self.lead == "text" and self.fitted
        return within_kinds(self.poor, self.rows["kind"]) if mixed else self.poor

    @cached_property
    def answers(self) -> dict[str, Answers]:
        """The answers of each measure of the sentiment line."""
        texts = self._answers("score", self.rows["score"].notna())
        return {"text": texts} | {
            score: self._answers(score, self.counts(score)) for score in SCORES
        }

    @cached_property
    def compared(self) -> dict[str, Answers]:
        """What patterns of each measure are judged by: the answers; of texts the ratings that their scorer was fitted to."""
        rated = self._answers("rating", self.rows["rating"].notna())
        return self.answers | ({"text": rated} if self.fitted else {})

    def _answers(self, column: str, has: pd.Series) -> Answers:
        rows = self.rows[has]
        places = {name: rows[name].to_numpy() for name in ("stage", "point", "group")}
        return Answers.of(rows[column].to_numpy(dtype=float), rows["person"].to_numpy(), places)

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
    labels, words, measured = _texts(feedback)
    ratings = pd.Series(ratings_learnt(frame, measured, feedback.scales))
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
            "code": np.where(
                frame["customer_id"].notna(), codes_of(log, frame["customer_id"]), NONE
            )
            if log is not None
            else NONE,
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
            "rating": within_kinds(ratings, pd.Series(kinds_of_ratings(frame))).to_numpy(),
            "bad_rating": (ratings < 0).where(ratings.notna()).astype(float).to_numpy(),
            "kind": kinds_of_ratings(frame),
        }
    )
    inside = _inside_the_log(rows["time"].to_numpy(), log)
    left_out = int((~inside).sum())
    kept = rows[inside].sort_values("feedback_id", kind="stable", ignore_index=True)
    return Opinions(assigned, kept, words, measured, left_out)


def _inside_the_log(time: Ints, log: EventLog | None) -> np.ndarray:
    """Of a log cut in time (`log.where(start=, end=)`) the feedback of that time alone: a map of an earlier day does not know what was said later."""
    inside = np.ones(time.size, dtype=bool)
    if log is None:
        return inside
    cut = " ".join(log.filters)
    first = log.span_us[0] if log.span_us else np.iinfo(np.int64).max
    inside &= (time >= first) if "timestamp >= " in cut else True
    return inside & ((time <= log.observed_until_us) if "timestamp <= " in cut else True)


def _texts(feedback: Feedback) -> tuple[pd.DataFrame, str, Measured | None]:
    """Label and score of every text, what is to be said of them, and how good they are; none where nearly nothing is written or it cannot be read, and why."""
    empty = pd.DataFrame(
        {"label": pd.Series(None, index=feedback.frame.index, dtype="str"), "score": np.nan}
    )
    if not feedback.frame["text"].notna().any():
        return empty, "no texts", None
    try:
        scored = score_texts(feedback)
    except DataError as fault:
        return empty, f"texts were not scored: {fault}", None
    used = (scored.table["status"] == "scored").to_numpy()
    kept = pd.DataFrame({name: scored.table[name].where(used) for name in ("label", "score")})
    return kept, scored.headline, scored.measured


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


def _microseconds(timestamp: pd.Series) -> Ints:
    utc = (
        timestamp.dt.tz_convert("UTC").dt.tz_localize(None)
        if timestamp.dt.tz is not None
        else timestamp
    )
    return utc.to_numpy(dtype="datetime64[us]").astype(np.int64)


def heard(opinions: Opinions | None, column: str, size: int, groups: int) -> dict[str, np.ndarray]:
    """The columns of the feedback for each group and stage (or touchpoint)."""
    total = groups * size
    if opinions is None:
        return {name: np.full(total, np.nan) for name in UNASKED}
    rows = opinions.rows
    cell = np.where(
        (rows[column] >= 0) & (rows["group"] >= 0), rows["group"] * size + rows[column], NONE
    )
    texts = opinions.answers["text"]
    bounds = [
        clustered(texts.only(texts.places["group"] == group), column, size).interval
        for group in range(groups)
    ]
    low, high = np.concatenate(bounds, axis=1)
    return scores_of(opinions, cell, total) | {"mean_score_low": low, "mean_score_high": high}


def scores_of(opinions: Opinions, cell: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """For each cell the scores as `cj.nps`, `cj.csat` and `cj.ces` count them, and the texts as `cj.sentiment` does; `cell` by row, −1 = none."""
    columns: dict[str, np.ndarray] = {}
    columns["n_feedback"] = np.bincount(cell[cell >= 0], minlength=size)
    asked = (opinions.rows["solicited"] == 1).to_numpy()
    columns["n_solicited"] = np.bincount(cell[(cell >= 0) & asked], minlength=size)
    columns |= _texts_of(opinions, cell, size)
    for score in SCORES:
        columns |= _score_of(opinions, score, cell, size)
    return columns


def _score_of(opinions: Opinions, score: str, cell: np.ndarray, size: int) -> dict[str, np.ndarray]:
    used = np.flatnonzero(opinions.counts(score).to_numpy() & (cell >= 0))
    if not used.size:
        nothing = {name: np.full(size, np.nan) for name in (score, f"{score}_low", f"{score}_high")}
        return {f"n_{score}": np.zeros(size, dtype=np.int64), **nothing}
    answers = opinions.rows[score].to_numpy(dtype=float)[used]
    counted = by_group(
        opinions.assigned.feedback,
        score,
        answers,
        cell[used],
        size,
        opinions.rows["person"].to_numpy()[used],
    )
    return {
        f"n_{score}": counted["n"],
        score: counted["value"],
        f"{score}_low": counted["low"],
        f"{score}_high": counted["high"],
    }


def _texts_of(opinions: Opinions, cell: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Mean scores and how many; people have labelled nothing here, so that there is no share of negatives but the model's index."""
    score = opinions.rows["score"].to_numpy(dtype=float)
    used = np.flatnonzero(~np.isnan(score) & (cell >= 0))
    n = np.bincount(cell[used], minlength=size)
    ordered = score[used][np.lexsort((score[used], cell[used]))]
    means = [
        float(one.mean()) if one.size else np.nan for one in np.split(ordered, np.cumsum(n)[:-1])
    ]
    unknown = {f"share_negative{end}": np.full(size, np.nan) for end in ("", "_low", "_high")}
    return {
        "n_scored": n,
        "mean_score": np.array(means),
        **unknown,
        "share_method": np.array(["model_index" if one else None for one in n], dtype=object),
    }


def evidence(customers: np.ndarray, answers: np.ndarray, min_n: int = MIN_N) -> np.ndarray:
    """The grade of a cell: measured, behaviour only, feedback only, thin, none; what is missing counts as nothing."""
    customers, answers = (np.nan_to_num(each.astype(float)) for each in (customers, answers))
    many, heard = customers >= min_n, answers >= min_n
    nothing = (customers == 0) & (answers == 0)
    return np.select(
        [many & heard, many, heard, nothing],
        ["measured", "behaviour only", "feedback only", "none"],
        "thin",
    ).astype(object)


def quotes(opinions: Opinions | None, places: Places) -> pd.DataFrame:
    """`.quotes`: for each stage, then for each of its touchpoints."""
    if opinions is None or opinions.rows["label"].isna().all():
        return pd.DataFrame(columns=COLUMNS, dtype="str")
    rows = opinions.rows[opinions.rows["label"].notna() & (opinions.rows["stage"] >= 0)]
    said = Said.of(rows.assign(position=np.arange(len(rows))), text_vectors(rows["text"].tolist()))
    at_stage, at_point = (rows[name].to_numpy() for name in ("stage", "point"))
    found = []
    for stage, name in enumerate(places.stages):
        found += _quoted(said, np.flatnonzero(at_stage == stage), name, None)
        for point in np.flatnonzero(places.stage_of_point == stage) if places.points else ():
            found += _quoted(said, np.flatnonzero(at_point == point), name, places.points[point][1])
    return pd.DataFrame(found, columns=COLUMNS, dtype="str")


def _quoted(said: Said, group: Ints, stage: str, touchpoint: str | None) -> list[tuple]:
    return (
        [(stage, touchpoint, *quote) for quote in said.typical(group)]
        if group.size >= FEWEST
        else []
    )

"""What was said at each stage and touchpoint: scores and texts, each counted by the analysis that owns it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.line import means_of
from cjlib.analyses.journey_map.opinions import Opinions
from cjlib.analyses.journey_map.places import NONE
from cjlib.analyses.result import MIN_N
from cjlib.analyses.scores import Scores, ces, csat, nps
from cjlib.analyses.sentiment import sentiment
from cjlib.sources.feedback import Feedback

COUNTERS: dict[str, Callable[..., Scores]] = {"nps": nps, "csat": csat, "ces": ces}
UNASKED = ("n_feedback", "n_solicited", "n_scored", "n_nps", "n_csat", "n_ces")
"""What nobody was asked for is empty, not zero."""


def heard(opinions: Opinions | None, column: str, size: int, groups: int) -> dict[str, np.ndarray]:
    """The columns of the feedback for each group and stage (or touchpoint)."""
    total = groups * size
    if opinions is None:
        return {name: np.full(total, np.nan) for name in UNASKED}
    rows = opinions.rows
    cell = np.where((rows[column] >= 0) & (rows["group"] >= 0), rows["group"] * size + rows[column], NONE)
    bounds = [means_of(opinions, "text", column, size, group).interval for group in range(groups)]
    low, high = (np.concatenate(each) for each in zip(*bounds, strict=True))
    return scores_of(opinions, cell, total) | {"mean_score_low": low, "mean_score_high": high}


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
    """The grade of a cell: measured, behaviour only, feedback only, thin, none; what is missing counts as nothing."""
    customers, answers = (np.nan_to_num(each.astype(float)) for each in (customers, answers))
    many, heard = customers >= min_n, answers >= min_n
    nothing = (customers == 0) & (answers == 0)
    return np.select([many & heard, many, heard, nothing], ["measured", "behaviour only", "feedback only", "none"], "thin").astype(object)

"""What was said at each stage and touchpoint: scores and texts, each counted by the analysis that owns it."""

from __future__ import annotations

import numpy as np

from cjlib.analyses.feedback.scores import by_group
from cjlib.analyses.journey_map.feedback import SCORES, Opinions
from cjlib.analyses.journey_map.sentiment_line import Answers, clustered
from cjlib.analyses.journey_map.stage_mapping import NONE
from cjlib.shared.comparison import MIN_N

UNASKED = ("n_feedback", "n_solicited", "n_scored", "n_nps", "n_csat", "n_ces")
"""What nobody was asked for is empty, not zero."""


def heard(opinions: Opinions | None, column: str, size: int, groups: int) -> dict[str, np.ndarray]:
    """The columns of the feedback for each group and stage (or touchpoint)."""
    total = groups * size
    if opinions is None:
        return {name: np.full(total, np.nan) for name in UNASKED}
    rows = opinions.rows
    cell = np.where(
        (rows[column] >= 0) & (rows["group"] >= 0), rows["group"] * size + rows[column], NONE
    )
    low, high = (
        np.concatenate(each)
        for each in zip(*_bounds(opinions.answers["text"], column, size, groups), strict=True)
    )
    return scores_of(opinions, cell, total) | {"mean_score_low": low, "mean_score_high": high}


def _bounds(
    texts: Answers, column: str, size: int, groups: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The intervals of the mean scores of each group."""
    return [
        clustered(texts.only(texts.places["group"] == group), column, size).interval
        for group in range(groups)
    ]


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

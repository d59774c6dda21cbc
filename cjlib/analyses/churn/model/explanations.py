"""What goes with a customer's risk: exact parts of the additive model's log-odds, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.model.churn_model import (
    ChurnModel,
    ChurnReasons,
    ChurnScores,
    Fidelity,
    Reasoning,
)
from cjlib.analyses.churn.model.encoding import MISSING, OTHER, Columns
from cjlib.analyses.churn.model.model_selection import Settings, Training
from cjlib.analyses.churn.model.reason_effects import (
    FAMILY,
    NAMED,
    Themes,
    find_themes,
    findings_of,
    follow_up_of,
    sentence,
    strongest,
)
from cjlib.analyses.churn.model.spline_logistic import Additive, drawn_contributions
from cjlib.analyses.result import metric
from cjlib.errors import CjlibError, shown
from cjlib.shared.comparison import CLAIM
from cjlib.show.numbers import about, count_of

Floats = NDArray[np.float64]
REFITS = 5
FIRST = 3


def learn_reasoning(
    training: Training, additive: Additive, chosen: Floats, settings: Settings, seed: int
) -> Reasoning:
    """Themes, averages and typical values of the training rows; fidelity to the `chosen` score, and stability over five bootstraps."""
    columns, matrix = training.columns, training.matrix
    themes = find_themes(columns, matrix)
    added = additive.contributions(matrix)
    summed = themes.summed(added)
    centre = summed.mean(axis=0)
    typical = tuple(_typical(columns, matrix, place) for place in range(len(columns.names)))
    some = _evenly(len(matrix), settings.rows_compared)
    spearman, overlap = _likeness(additive.intercept + added[some].sum(axis=1), chosen[some])
    steady, first = _stability(training.of(some), additive, themes, added[some], settings, seed)
    return Reasoning(
        themes,
        tuple(centre.tolist()),
        typical,
        Fidelity(spearman, overlap, steady, first),
        tuple(summed.std(axis=0).tolist()),
    )


def _evenly(rows: int, most: int) -> NDArray[np.int64]:
    return np.arange(rows) if rows <= most else np.linspace(0, rows - 1, most).astype(np.int64)


def _typical(columns: Columns, matrix: Floats, place: int) -> float:
    """The median of a number, the code of the most common level (−1 for levels that are nowhere)."""
    if place >= len(columns.categories):
        return columns.medians[place - len(columns.categories)]
    codes = matrix[:, place]
    known = codes[~np.isnan(codes)].astype(np.int64)
    return float(np.bincount(known).argmax()) if known.size else -1.0


def _likeness(one: Floats, other: Floats) -> tuple[float, float]:
    """Rank correlation, and the share of the riskiest tenth that both name."""
    from scipy.stats import rankdata

    ranks = np.vstack([rankdata(one), rankdata(other)])
    if np.ptp(ranks[0]) == 0 or np.ptp(ranks[1]) == 0:
        return 0.0, 0.0
    top = max(1, one.size // 10)
    both = np.intersect1d(
        np.argsort(-one, kind="stable")[:top], np.argsort(-other, kind="stable")[:top]
    ).size
    return float(np.corrcoef(ranks)[0, 1]), both / top


def _stability(
    training: Training,
    additive: Additive,
    themes: Themes,
    added: Floats,
    settings: Settings,
    seed: int,
) -> tuple[float, float]:
    """The share of the three first reasons, and of the first one, that models of drawn rows give again; `added` is what each feature adds."""
    size = len(added)
    risky = np.argsort(-added.sum(axis=1), kind="stable")[: max(1, size // 10)]
    ours = _first_themes(themes.summed(added[risky] - added.mean(axis=0)))
    rng = np.random.default_rng(seed)
    draws = [
        np.bincount(rng.integers(0, size, size), minlength=size).astype(float)
        for _ in range(REFITS)
    ]
    same, first = [], []
    for above in drawn_contributions(
        additive, training.matrix, training.churned, settings.penalty, draws, risky
    ):
        theirs = _first_themes(themes.summed(above))
        same.append(float((ours[:, :, None] == theirs[:, None, :]).any(axis=2).mean()))
        first.append(float((ours[:, 0] == theirs[:, 0]).mean()))
    return float(np.mean(same)), float(np.mean(first))


def _first_themes(above: Floats) -> NDArray[np.int64]:
    return np.argsort(-above, axis=1, kind="stable")[:, :FIRST]


def reasons(model: ChurnModel, scores: ChurnScores, k: int) -> ChurnReasons:
    """See `ChurnModel.reasons`."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise CjlibError(f"k: must be a whole number of reasons, at least 1. Got {shown(k)}.")
    word = model.reasoning.fidelity.word
    table = _table(model, scores, k) if word != "none" else _table(model, scores, k).iloc[:0]
    fidelity = model.reasoning.fidelity
    claims = np.nan_to_num(model.effects["p_adjusted"].to_numpy(dtype=float), nan=1.0) < CLAIM
    return ChurnReasons(
        table=table,
        headline=_headline(model, table, claims),
        definition=_definition(model, k),
        metrics={
            name: metric(value, n=model.reference.n, label=label, unit="share", better="higher")
            for name, label, value in (
                ("spearman_with_score", "Rank correlation with the score", fidelity.spearman),
                ("top_decile_overlap", "Of the riskiest tenth in common", fidelity.overlap),
                ("stability_of_three", "Same three reasons after redrawing", fidelity.steady),
                ("stability_of_first", "Same first reason after redrawing", fidelity.first),
            )
        },
        findings=findings_of(model.effects, claims),
        families={FAMILY: int(model.effects["p_value"].notna().sum())},
        effects=model.effects,
    )


def _table(model: ChurnModel, scores: ChurnScores, k: int) -> pd.DataFrame:
    matrix, themes = scores.matrix, model.reasoning.themes
    above = themes.summed(model.forecaster.additive.contributions(matrix)) - np.asarray(
        model.reasoning.centre
    )
    above[~_differs(model, matrix)] = 0.0
    most = min(k, above.shape[1])
    places = np.argsort(-above, axis=1, kind="stable")[:, :most]
    height = np.take_along_axis(above, places, axis=1)
    row, rank = np.nonzero(height > 0)
    theme, contribution = places[row, rank], height[row, rank]
    feature, value, typical, text = (np.empty(row.size, dtype=object) for _ in range(4))
    rough = "" if model.reasoning.fidelity.word == "exact" else " (approximate)"
    for one in np.unique(theme).tolist():
        mine = np.flatnonzero(theme == one)
        name, norm = themes.name(one, model.forecaster.columns), _said_typical(model, one)
        said = _said(model, one, matrix[row[mine]])
        feature[mine], value[mine], typical[mine] = name, said, norm
        sentence = {
            each: f"{name} {each} (typically {norm}) goes with a higher risk{rough}"
            for each in set(said.tolist())
        }
        text[mine] = [sentence[each] for each in said.tolist()]
    frame = {
        "customer_id": scores.table["customer_id"].to_numpy()[row],
        "reason_rank": (rank + 1).astype(np.int64),
        "feature": pd.Series(feature, dtype="str"),
        "value": pd.Series(value, dtype="str"),
        "typical": pd.Series(typical, dtype="str"),
        "contribution": contribution,
        "text": pd.Series(text, dtype="str"),
    }
    return pd.DataFrame(frame)


def _differs(model: ChurnModel, matrix: Floats) -> NDArray[np.bool_]:
    """Whether any feature of a theme has another value than the typical one."""
    typical = np.asarray(model.reasoning.typical)
    differs = np.isnan(matrix) | (matrix != typical)
    return np.column_stack(
        [differs[:, list(one)].any(axis=1) for one in model.reasoning.themes.members]
    )


def _said(model: ChurnModel, theme: int, matrix: Floats) -> NDArray[Any]:
    """The values of a theme's features as a reader wants them, joined."""
    columns = model.forecaster.columns
    parts = [
        _words(columns, place, matrix[:, place])
        for place in model.reasoning.themes.members[theme][:NAMED]
    ]
    if len(parts) == 1:
        return parts[0]
    return np.array([" + ".join(each) for each in zip(*parts, strict=True)], dtype=object)


def _said_typical(model: ChurnModel, theme: int) -> str:
    columns = model.forecaster.columns
    members = model.reasoning.themes.members[theme][:NAMED]
    return " + ".join(
        _words(columns, place, np.array([model.reasoning.typical[place]]))[0] for place in members
    )


def _words(columns: Columns, place: int, values: Floats) -> NDArray[Any]:
    if place < len(columns.categories):
        names = [*columns.levels[place], OTHER]
        unknown = len(names) - 1
        codes = np.where(np.isnan(values) | (values < 0), unknown, values).astype(np.int64)
        return np.array(names, dtype=object)[codes]
    rounded, home = np.unique(_rounded(values), return_inverse=True)
    return np.array(
        [MISSING if np.isnan(one) else f"{one:,.10g}" for one in rounded], dtype=object
    )[home.ravel()]


def _rounded(values: Floats) -> Floats:
    """Three digits, or all before the point."""
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(np.isnan(values) | (values == 0), 0, np.floor(np.log10(np.abs(values))))
    scale = 10.0 ** np.clip(2 - size, 0, 12)
    return np.round(values * scale) / scale


def _headline(model: ChurnModel, table: pd.DataFrame, claims: NDArray[np.bool_]) -> str:
    fidelity = model.reasoning.fidelity
    if fidelity.word == "none":
        return (
            f"No reasons are given: the model that can be split into reasons ranks customers too differently from the chosen one "
            f"(rank correlation {fidelity.spearman:.2f}, {about(fidelity.overlap)} of the riskiest tenth in common)."
        )
    first = strongest(model.effects, claims).head(2)
    if first.empty:
        return "Churn differs significantly at no level of the features that the model uses."
    rough = (
        " The reasons of single customers are approximate."
        if fidelity.word == "approximate"
        else ""
    )
    if table.empty:
        rough = " No customer scored has a value that raises the risk above the average."
    told = "; ".join(sentence(row) for _, row in first.iterrows())
    return f"{told}.{rough} (Association, not causation.)"


def _definition(model: ChurnModel, k: int) -> dict[str, str]:
    fidelity = model.reasoning.fidelity
    joined = [
        model.reasoning.themes.name(place, model.forecaster.columns)
        for place, one in enumerate(model.reasoning.themes.members)
        if len(one) > 1
    ]
    return {
        "contribution": "log-odds that the value adds, against the average customer of training, in the additive spline model",
        "shown": f"the {k} largest that raise the risk, of values that differ from the typical one (median or most common)",
        "fidelity": f"rank correlation {fidelity.spearman:.3f} with the chosen score, {about(fidelity.overlap)} of the riskiest tenth in common: {fidelity.word}",
        "stability": f"{REFITS} models of drawn customers give {about(fidelity.steady)} of the same three reasons among the riskiest tenth, {about(fidelity.first)} the same first",
        "themes": "; ".join(joined) or "no features so alike that they are summed",
        "effect": "standard deviation over customers of the log-odds that the feature adds: features are ranked by it, not by how often they are a reason",
        "churn by level": f"customers of {'the newest labelled cutoff' if model.horizon_us else 'the table'}, Wilson interval; each level against all other customers, "
        f"{count_of(int(model.effects['p_value'].notna().sum()), 'comparison')} adjusted together (Benjamini–Hochberg); {follow_up_of(model.horizon_us).words}",
        "not a cause": "association: only a test can say what would happen if it changed",
    }


def first_reasons(table: pd.DataFrame, customer_ids: Sequence[Any], k: int = 3) -> pd.DataFrame:
    """`reason_1` … `reason_k` for each customer given, empty where there are fewer."""
    texts = {}
    for rank in range(1, k + 1):
        mine = (
            table[table["reason_rank"] == rank]
            .drop_duplicates("customer_id")
            .set_index("customer_id")["text"]
        )
        texts[f"reason_{rank}"] = (
            mine.reindex(pd.Index(customer_ids)).astype("str").fillna("").to_numpy()
        )
    return pd.DataFrame(texts)

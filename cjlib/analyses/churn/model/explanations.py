"""What goes with leaving: exact parts of each customer's log-odds in words, and over all customers how many left at each level of a feature."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.model.base_models import Additive, drawn_contributions
from cjlib.analyses.churn.model.encoding import MISSING, OTHER, Columns, Reference
from cjlib.analyses.churn.model.model_selection import Forecaster, Settings, Training
from cjlib.analyses.findings import Finding
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, shown
from cjlib.shared.comparison import (
    CLAIM,
    FollowUp,
    ShareComparison,
    compare_shares,
    known_at_once,
)
from cjlib.shared.stats import wilson
from cjlib.show.numbers import about, count_of, interval, percent, plain

Floats = NDArray[np.float64]
REFITS = 5
FIRST = 3
Whole = NDArray[np.int64]
FAMILY = "churn by what goes with it"
MOST_FEATURES = 10
MOST_LEVELS = 8
BINS = 5
COLUMNS = [
    "feature",
    "effect",
    "level",
    "n",
    "n_churned",
    "share_churned",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
]
TOGETHER = 0.8
"""Rank correlation from which two numbers are one theme."""
NAMED = 2
"""Features of a theme that are named and whose values are said; the others move with them."""


@dataclass(frozen=True)
class Themes:
    """Names of the features in each theme, as places in `Columns.names`; a feature that stands alone is a theme of one."""

    members: tuple[tuple[int, ...], ...]

    def summed(self, contributions: Floats) -> Floats:
        """A column a theme."""
        return (
            np.column_stack([contributions[:, list(member)].sum(axis=1) for member in self.members])
            if self.members
            else contributions
        )

    def name(self, theme: int, columns: Columns) -> str:
        """The first features' names, joined, and how many more there are."""
        names = [columns.names[place] for place in self.members[theme]]
        more = f" + {len(names) - NAMED} alike" if len(names) > NAMED else ""
        return " + ".join(names[:NAMED]) + more


@dataclass(frozen=True)
class Fidelity:
    """How well the additive model, which gives the reasons, stands in for the chosen one; and how steady its reasons are.

    `spearman` and `overlap` (of the top deciles) compare the two scores; `steady` is the share of the three first reasons that a model of drawn
    customers gives again, `first` that of the first one, among the top decile.
    """

    spearman: float
    overlap: float
    steady: float
    first: float

    @property
    def word(self) -> str:
        """One of exact, approximate, none."""
        if self.spearman < 0.7 or self.overlap < 0.5:
            return "none"
        return "approximate" if self.spearman < 0.9 or self.overlap < 0.7 else "exact"


@dataclass(frozen=True)
class Reasoning:
    """What reasons need: features that go together, the average contribution of each, its typical value, the fidelity, and by how much contributions differ among customers."""

    themes: Themes
    centre: tuple[float, ...]
    typical: tuple[Any, ...]
    fidelity: Fidelity
    spread: tuple[float, ...]


@dataclass(frozen=True)
class Fitted:
    """What a model needs to score and to give reasons."""

    forecaster: Forecaster
    reference: Reference
    reasoning: Reasoning


@dataclass(frozen=True, kw_only=True, eq=False)
class ChurnReasons(Result):
    """What goes with leaving: for single customers (`.table`), and over all of them (`.effects`, as of the model)."""

    effects: pd.DataFrame = field(default_factory=pd.DataFrame)


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
    """Rank correlation, and the share of the top decile that both name."""
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


def reasons(
    fitted: Fitted,
    effects: pd.DataFrame,
    horizon_us: int,
    matrix: Floats,
    customer_ids: NDArray[Any],
    k: int,
) -> ChurnReasons:
    """See `ChurnModel.reasons`."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise CjlibError(f"k: must be a whole number of reasons, at least 1. Got {shown(k)}.")
    fidelity = fitted.reasoning.fidelity
    table = _table(fitted, matrix, customer_ids, k)
    table = table.iloc[:0] if fidelity.word == "none" else table
    claims = np.nan_to_num(effects["p_adjusted"].to_numpy(dtype=float), nan=1.0) < CLAIM
    return ChurnReasons(
        table=table,
        headline=_headline(fidelity, effects, table, claims),
        definition=_definition(fitted, effects, horizon_us, k),
        metrics={
            name: metric(value, n=fitted.reference.n, label=label, unit="share", better="higher")
            for name, label, value in (
                ("spearman_with_score", "Rank correlation with the score", fidelity.spearman),
                ("top_decile_overlap", "Of the top decile in common", fidelity.overlap),
                ("stability_of_three", "Same three reasons after redrawing", fidelity.steady),
                ("stability_of_first", "Same first reason after redrawing", fidelity.first),
            )
        },
        findings=findings_of(effects, claims),
        families={FAMILY: int(effects["p_value"].notna().sum())},
        effects=effects,
    )


def _table(fitted: Fitted, matrix: Floats, customer_ids: NDArray[Any], k: int) -> pd.DataFrame:
    themes = fitted.reasoning.themes
    above = themes.summed(fitted.forecaster.additive.contributions(matrix)) - np.asarray(
        fitted.reasoning.centre
    )
    above[~_differs(fitted, matrix)] = 0.0
    most = min(k, above.shape[1])
    places = np.argsort(-above, axis=1, kind="stable")[:, :most]
    height = np.take_along_axis(above, places, axis=1)
    row, rank = np.nonzero(height > 0)
    theme, contribution = places[row, rank], height[row, rank]
    feature, value, typical, text = (np.empty(row.size, dtype=object) for _ in range(4))
    rough = "" if fitted.reasoning.fidelity.word == "exact" else " (approximate)"
    for one in np.unique(theme).tolist():
        mine = np.flatnonzero(theme == one)
        name, norm = themes.name(one, fitted.forecaster.columns), _said_typical(fitted, one)
        said = _said(fitted, one, matrix[row[mine]])
        feature[mine], value[mine], typical[mine] = name, said, norm
        sentence = {
            each: f"{name} {each} (typically {norm}) goes with a higher risk{rough}"
            for each in set(said.tolist())
        }
        text[mine] = [sentence[each] for each in said.tolist()]
    frame = {
        "customer_id": customer_ids[row],
        "reason_rank": (rank + 1).astype(np.int64),
        "feature": pd.Series(feature, dtype="str"),
        "value": pd.Series(value, dtype="str"),
        "typical": pd.Series(typical, dtype="str"),
        "contribution": contribution,
        "text": pd.Series(text, dtype="str"),
    }
    return pd.DataFrame(frame)


def _differs(fitted: Fitted, matrix: Floats) -> NDArray[np.bool_]:
    """Whether any feature of a theme has another value than the typical one."""
    typical = np.asarray(fitted.reasoning.typical)
    differs = np.isnan(matrix) | (matrix != typical)
    return np.column_stack(
        [differs[:, list(member)].any(axis=1) for member in fitted.reasoning.themes.members]
    )


def _said(fitted: Fitted, theme: int, matrix: Floats) -> NDArray[Any]:
    """The values of a theme's features as a reader wants them, joined."""
    columns = fitted.forecaster.columns
    parts = [
        _words(columns, place, matrix[:, place])
        for place in fitted.reasoning.themes.members[theme][:NAMED]
    ]
    if len(parts) == 1:
        return parts[0]
    return np.array([" + ".join(each) for each in zip(*parts, strict=True)], dtype=object)


def _said_typical(fitted: Fitted, theme: int) -> str:
    columns = fitted.forecaster.columns
    members = fitted.reasoning.themes.members[theme][:NAMED]
    return " + ".join(
        _words(columns, place, np.array([fitted.reasoning.typical[place]]))[0] for place in members
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


def _headline(
    fidelity: Fidelity, effects: pd.DataFrame, table: pd.DataFrame, claims: NDArray[np.bool_]
) -> str:
    if fidelity.word == "none":
        return (
            f"No reasons are given: the model that can be split into reasons ranks customers too differently from the chosen one "
            f"(rank correlation {fidelity.spearman:.2f}, {about(fidelity.overlap)} of the top decile in common)."
        )
    first = strongest(effects, claims).head(2)
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


def _definition(fitted: Fitted, effects: pd.DataFrame, horizon_us: int, k: int) -> dict[str, str]:
    fidelity = fitted.reasoning.fidelity
    joined = [
        fitted.reasoning.themes.name(place, fitted.forecaster.columns)
        for place, one in enumerate(fitted.reasoning.themes.members)
        if len(one) > 1
    ]
    return {
        "contribution": "log-odds that the value adds, against the average customer of training, in the additive spline model",
        "shown": f"the {k} largest that raise the risk, of values that differ from the typical one (median or most common)",
        "fidelity": f"rank correlation {fidelity.spearman:.3f} with the chosen score, {about(fidelity.overlap)} of the top decile in common: {fidelity.word}",
        "stability": f"{REFITS} models of drawn customers give {about(fidelity.steady)} of the same three reasons among the top decile, {about(fidelity.first)} the same first",
        "themes": "; ".join(joined) or "no features so alike that they are summed",
        "effect": "standard deviation over customers of the log-odds that the feature adds: features are ranked by it, not by how often they are a reason",
        "churn by level": f"customers of {'the newest labelled cutoff' if horizon_us else 'the table'}, Wilson interval; each level against all other customers, "
        f"{count_of(int(effects['p_value'].notna().sum()), 'comparison')} adjusted together (Benjamini–Hochberg); {follow_up_of(horizon_us).words}",
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


def follow_up_of(horizon_us: int) -> FollowUp:
    """Features are known at the moment from which churn is counted, and everybody is followed for the horizon."""
    return FollowUp("the cutoff", horizon_us) if horizon_us else known_at_once("the table's moment")


def learn_effects(
    columns: Columns, themes: Themes, spread: Floats, matrix: Floats, churned: Floats, horizon: int
) -> tuple[pd.DataFrame, ShareComparison]:
    """Share of churners at each level of the features with the largest `spread` (of the log-odds that they add), each level against all other customers.

    Rows are customers, each once. Numbers are cut in up to five parts of equal size.
    """
    order = np.argsort(-spread, kind="stable")[:MOST_FEATURES]
    rows: list[tuple[str, float, str]] = []
    size: list[int] = []
    hits: list[int] = []
    for theme in order.tolist():
        feature = themes.members[theme][0]
        code, names = _levels(columns, feature, matrix[:, feature])
        n = np.bincount(code, minlength=len(names))
        lost = np.bincount(code, weights=churned, minlength=len(names)).astype(np.int64)
        for level in np.flatnonzero(n).tolist():
            rows.append((columns.names[feature], float(spread[theme]), names[level]))
            size.append(int(n[level]))
            hits.append(int(lost[level]))
    count, base = np.asarray(hits, dtype=np.int64), np.asarray(size, dtype=np.int64)
    tests = compare_shares(
        FAMILY,
        count,
        base,
        int(churned.sum()) - count,
        churned.size - base,
        follow_up=follow_up_of(horizon),
    )
    low, high = wilson(count, base)
    table = pd.DataFrame(rows, columns=COLUMNS[:3]).assign(
        n=base, n_churned=count, share_churned=tests.share, low=low, high=high, **tests.columns()
    )
    return table[COLUMNS], tests


def _levels(columns: Columns, place: int, values: Floats) -> tuple[Whole, Sequence[str]]:
    """The level of each row, and how the levels are called."""
    if place < len(columns.categories):
        names = [*columns.levels[place], OTHER]
        code = np.where(np.isnan(values) | (values < 0), len(names) - 1, values).astype(np.int64)
        return _most_common(code, names)
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    if distinct.size <= BINS:
        cuts, names = distinct[1:], [plain(value) for value in distinct]
    else:
        cuts = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="higher"))
        cuts = cuts[cuts > distinct[0]]
        names = [_range(known, low, high) for low, high in _edges(cuts)]
    code = np.searchsorted(cuts, values, side="right")
    return np.where(np.isnan(values), len(names), code).astype(np.int64), [*names, MISSING]


def _edges(cuts: Floats) -> list[tuple[float, float]]:
    edges = [-np.inf, *cuts.tolist(), np.inf]
    return list(itertools.pairwise(edges))


def _range(known: Floats, low: float, high: float) -> str:
    """The smallest and the largest value of a part."""
    inside = known[(known >= low) & (known < high)]
    first, last = plain(float(inside.min())), plain(float(inside.max()))
    return first if first == last else f"{first} to {last}"


def _most_common(code: Whole, names: list[str]) -> tuple[Whole, Sequence[str]]:
    """The most common levels, the others as one."""
    most = np.argsort(-np.bincount(code, minlength=len(names)), kind="stable")[:MOST_LEVELS]
    place = np.full(len(names), len(most), dtype=np.int64)
    place[most] = np.arange(len(most))
    return place[code], [*(names[level] for level in most), OTHER]


def strongest(effects: pd.DataFrame, tests: Sequence[bool] | NDArray[np.bool_]) -> pd.DataFrame:
    """Of each feature, strongest first, the level whose churners are most above the others', where that is significant."""
    sure = effects[np.asarray(tests, dtype=bool) & (effects["difference"] > 0).to_numpy()]
    return (
        sure.sort_values("difference", ascending=False, kind="stable")
        .drop_duplicates("feature")
        .sort_index()
    )


SAID = {
    "recency_days": "a last event {} days ago",
    "span_days": "{} days from the first event to the last",
    "gap_median": "{} days between active days (median)",
    "gap_mean": "{} days between active days (mean)",
    "gap_max": "a longest pause of {} days",
    "gap_last": "a last pause of {} days",
}
"""Features that are ours, at a level, as a sentence says them; others have the data's names."""


def _at_level(feature: str, level: str) -> str:
    words = SAID.get(feature)
    return words.format(level) if words else f"{feature} {level}"


def sentence(row: pd.Series) -> str:
    """The share of churners at a level, in words."""
    others = row["share_churned"] - row["difference"]
    return (
        f"{percent(row['share_churned'])} of the {row['n']:,} customers with {_at_level(str(row['feature']), str(row['level']))} churned "
        f"(95% CI {interval(row['low'], row['high'])}), {percent(others)} of the others"
    )


def findings_of(effects: pd.DataFrame, claims: NDArray[np.bool_]) -> list[Finding]:
    """The strongest feature, as a briefing may tell it."""
    return [
        Finding(
            topic=f"churn by {row['feature']}",
            claim=f"{sentence(row)}. (Association, not causation.)",
            direction="bad",
            family=FAMILY,
            p_adjusted=float(row["p_adjusted"]),
            value=float(row["difference"]),
            low=float(row["difference_low"]),
            high=float(row["difference_high"]),
            n=int(row["n"]),
            unit="share",
            customers=int(row["n_churned"]),
            figure="effects",
        )
        for _, row in strongest(effects, claims).head(1).iterrows()
    ]


def find_themes(columns: Columns, matrix: Floats) -> Themes:
    """Numbers joined to the first one that they rank with above .8; chains of weaker likeness are not followed."""
    from scipy.stats import rankdata

    first, total = len(columns.categories), matrix.shape[1]
    members: dict[int, list[int]] = {place: [place] for place in range(total)}
    if total - first > 1:
        filled = np.where(
            np.isnan(matrix[:, first:]), np.asarray(columns.medians), matrix[:, first:]
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            together = np.abs(np.corrcoef(rankdata(filled, axis=0), rowvar=False)) > TOGETHER
        for place in range(first, total):
            leader = next(
                (
                    member
                    for member in members
                    if first <= member < place and together[member - first, place - first]
                ),
                None,
            )
            if leader is not None:
                members[leader].append(place)
                del members[place]
    return Themes(tuple(tuple(member) for member in members.values()))

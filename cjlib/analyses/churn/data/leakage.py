"""Guards against features that know the outcome. Each finding is a sentence with a severity and what to do.

A column that alone tells churners from stayers is almost never a cause: it was written after the customer left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import bdtrc

from cjlib.analyses.churn.data.churn_data import Seen
from cjlib.analyses.churn.data.univariate import (
    FEWEST,
    FOLDS,
    as_numbers,
    column_auc,
    column_aucs,
    counted_columns,
    folds_of,
    is_number,
    level_codes,
    seen_aucs,
    smoothed_scores,
)
from cjlib.analyses.churn.model.metrics import auc
from cjlib.shared.periods import DAY
from cjlib.show.numbers import about
from cjlib.sources.log.event_log import EventLog

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
COLUMNS = ["column", "level", "rule", "figure", "text"]
LEVELS = ("FAIL", "DROP", "WARN", "INFO")
MANY_VALUES = 50
MISSING = "(missing)"
RARE = 1e-6
"""Chance below which a value is said to stand for one outcome."""
NOISE = 3
"""Standard errors beyond which numbering is said to follow the outcome."""
UNSUSPECTED = 0.75
"""No rule on ranking speaks below .8; a column that stays below this on the rows it learnt from does not get there on others."""
OUTCOME_NAME = re.compile(
    r"churn|cancel|terminat|clos(?:e|ed|ing|ure)|attrit|exit|reason|retention|end[ _-]?date|status|left|lost|deactivat|unsubscrib|outcome|winback|expir|last[ _-]?seen|final",
    re.IGNORECASE,
)
Whole = NDArray[np.int64]
BINS = 10
"""Of a number, with as many rows each; of a category the most common levels, the others with the last."""
CELLS = BINS + 1
MOST_ROWS = 3_000
MOST_COLUMNS = 100
SUSPICIOUS = 0.96
"""Rows for a first look at all pairs at once, on rows that it learnt from; only what is suspicious there is looked at closely."""
TOGETHER, APART, GAINED = 0.98, 0.90, 0.05
TERMINAL = 0.9
FEWEST_ENDED = 30
MOST_JUDGED = 10_000


@dataclass(frozen=True)
class Leak:
    """One row of `.leaks`."""

    column: str
    level: str
    rule: str
    figure: float
    text: str


def find_leaks(
    features: pd.DataFrame,
    churned: Floats,
    *,
    identifiers: tuple[str, ...] = (),
    as_of: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Every rule on every column, gravest first; a column keeps its gravest finding, or else what its name says. Then pairs of columns."""
    alone = column_aucs(counted_columns(features, churned))
    found: list[Leak] = []
    for column in features.columns:
        rules = [
            *_alone(column, alone),
            *_values(column, features[column], churned),
            *_missing(column, features[column], churned),
            *_dates(column, features[column], as_of),
        ]
        found += _gravest(rules) or _name(column, alone[column])
    found += [
        Leak(
            column,
            "DROP",
            "identifier",
            1.0,
            f"{column} is different for almost every customer: an identifier, not a property. It is left out.",
        )
        for column in identifiers
    ]
    return as_table(found + _together(features, churned, alone))


def find_telling(
    features: pd.DataFrame, churned: Floats, *, given: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Columns that rank customers too well alone: the rule for features we made ourselves, whose gaps, zeros and names have a known meaning.

    For columns that were `given`, the rules on values, gaps and names hold as well.
    """
    columns = list(counted_columns(features, churned))
    seen = seen_aucs(columns)
    suspected = [
        column for column in columns if column.column in given or seen[column.column] >= UNSUSPECTED
    ]
    found = _ranked(features, churned, column_aucs(suspected), given)
    # Whether a column stands out depends on all the others.
    return as_table(
        _ranked(features, churned, column_aucs(columns), given)
        if any(one.rule == "stands out" for one in found)
        else found
    )


def _ranked(
    features: pd.DataFrame, churned: Floats, alone: dict[str, float], given: tuple[str, ...]
) -> list[Leak]:
    found: list[Leak] = []
    for column, figure in alone.items():
        rules = _alone(column, alone)
        if column in given:
            rules = _gravest(
                [
                    *rules,
                    *_values(column, features[column], churned),
                    *_missing(column, features[column], churned),
                ]
            )
            rules = rules or _name(column, figure)
        found += rules
    return found


def identifier_finding(column: str, values: pd.Series, churned: Floats) -> Leak:
    """An identifier that predicts: the numbering follows the outcome.

    Texts count in the order of their length and letters, as numbered names do; of rows with one identifier the first, since a copy knows its twin's outcome.
    """
    first = ~values.duplicated().to_numpy()
    figure = column_auc(_in_order(values[first]), churned[first])
    if figure > max(0.6, 0.5 + NOISE * _error(churned[first])):
        text = f"{column} is an identifier, and yet predicts churn (AUC {figure:.2f} alone): numbers follow the outcome. It is left out; find out how they were given."
        return Leak(column, "FAIL", "identifier predicts", figure, text)
    return Leak(
        column,
        "DROP",
        "identifier",
        figure,
        f"{column} is different for almost every customer: an identifier, not a property. It is left out.",
    )


def _in_order(values: pd.Series) -> pd.Series:
    if is_number(values):
        return values
    text = values.astype("str").reset_index(drop=True)
    place = pd.DataFrame({"size": text.str.len(), "text": text}).sort_values(["size", "text"]).index
    return pd.Series(np.arange(len(text)), index=place).sort_index()


def _error(churned: Floats) -> float:
    """Standard error of the AUC of what tells nothing."""
    lost, kept = max(float(churned.sum()), 1.0), max(float(churned.size - churned.sum()), 1.0)
    return float(np.sqrt((lost + kept + 1) / (12 * lost * kept)))


def as_table(found: list[Leak]) -> pd.DataFrame:
    """Findings as `.leaks`, gravest first, then by column."""
    rows = sorted(found, key=lambda one: (LEVELS.index(one.level), one.column, one.rule))
    table = pd.DataFrame(
        [[row.column, row.level, row.rule, row.figure, row.text] for row in rows], columns=COLUMNS
    )
    return table.astype(
        {"column": "str", "level": "str", "rule": "str", "figure": "float64", "text": "str"}
    )


def whole_model(leaks: pd.DataFrame, figure: float) -> pd.DataFrame:
    """The leaks, with a warning where the model as a whole is too good to be true."""
    if not figure >= 0.98:
        return leaks
    text = f"The whole model reaches AUC {figure:.3f} on customers it did not know: so good a model usually knows the outcome. Look before believing."
    return pd.concat(
        [as_table([Leak("(whole model)", "WARN", "too good", figure, text)]), leaks],
        ignore_index=True,
    )


def _alone(column: str, alone: dict[str, float]) -> list[Leak]:
    figure = alone[column]
    others = max((value for name, value in alone.items() if name != column), default=0.5)
    if figure >= 0.98:
        text = f"{column} alone tells who churned (AUC {figure:.3f}): it was written afterwards, or is leaving in other words. It is left out; keep=['{column}'] overrides."
        return [Leak(column, "FAIL", "tells alone", figure, text)]
    if figure >= 0.90:
        return [
            Leak(
                column,
                "WARN",
                "tells almost alone",
                figure,
                f"{column} alone reaches AUC {figure:.2f}: check that it was known before the customer left.",
            )
        ]
    if figure > 0.80 and figure > others + 0.12:
        text = f"{column} alone reaches AUC {figure:.2f}, the next column {others:.2f}: check that it was known before the customer left."
        return [Leak(column, "WARN", "stands out", figure, text)]
    return []


def _together(features: pd.DataFrame, churned: Floats, alone: dict[str, float]) -> list[Leak]:
    found = []
    for one, other, figure in telling_pairs(features, churned, alone):
        text = f"{one} and {other} together tell who churned (AUC {figure:.3f}; alone {alone[one]:.2f} and {alone[other]:.2f}): look before believing that both were known before the customer left."
        found.append(Leak(f"{one} + {other}", "WARN", "tell together", figure, text))
    return found


def _values(column: str, values: pd.Series, churned: Floats) -> list[Leak]:
    """Values that only churners, or only stayers, have."""
    levels = _levels(values)
    names = sorted(levels.unique().tolist())
    rules: list[Leak] = []
    for level in names:
        rules += _value(column, f"{column} = {level}", (levels == level).to_numpy(), churned)
    return rules + _filled(column, levels, len(names), churned)


def _value(column: str, words: str, rows: Flags, churned: Floats) -> list[Leak]:
    """What a value of many customers says."""
    outcome = churned[rows]
    lost, size, hits = float(churned.sum()), outcome.size, float(outcome.sum())
    if size < max(30, 0.003 * churned.size):
        return []
    if hits >= 0.99 * size and hits > 0.10 * lost and _by_chance(hits, size, churned.mean()) < RARE:
        text = f"{words} stands for churners alone ({hits:.0f} of {size}, {about(hits / lost)} of all churners): written when they left. It is left out; keep=['{column}'] overrides."
        return [Leak(column, "FAIL", "outcome-only value", hits / lost, text)]
    stayed = churned.size - lost
    stayers = size - hits
    if (
        hits <= 0.001 * size
        and stayers > 0.30 * stayed
        and _by_chance(stayers, size, 1 - churned.mean()) < RARE
    ):
        text = f"{words} stands for stayers alone ({size} customers, {hits:.0f} of them churned): check that it is not emptied when customers leave."
        return [Leak(column, "WARN", "keeper-only value", stayers / stayed, text)]
    return []


def _filled(column: str, levels: pd.Series, tested: int, churned: Floats) -> list[Leak]:
    """A column that says something of few customers, all of one outcome: a reason noted when they left, calls made to win them back.

    Nothing is said where a column is missing, or else has the value that more than half of the customers have.
    """
    usual = MISSING if (levels == MISSING).any() else levels.mode().iloc[0]
    rows = (levels != usual).to_numpy()
    if not 0 < rows.sum() < 0.5 * rows.size:
        return []
    size, hits = int(rows.sum()), float(churned[rows].sum())
    words = f"{column} is filled for" if usual == MISSING else f"{column} is not {usual} for"
    if hits >= 0.99 * size and _by_chance(hits, size, churned.mean()) * tested < RARE:
        part = hits / float(churned.sum())
        level = "FAIL" if usual == MISSING else "WARN"
        remedy = (
            f"It is left out; keep=['{column}'] overrides."
            if level == "FAIL"
            else "Check that it was known before the customer left."
        )
        text = f"{words} churners alone ({hits:.0f} of {size}, {about(part)} of all churners), which looks written when they left. {remedy}"
        return [Leak(column, level, "outcome-only value", part, text)]
    stayers = size - hits
    if hits <= 0.001 * size and _by_chance(stayers, size, 1 - churned.mean()) * tested < RARE:
        part = stayers / (churned.size - float(churned.sum()))
        text = f"{words} stayers alone ({size} customers, {hits:.0f} of them churned): check that it is not emptied when customers leave."
        return [Leak(column, "WARN", "keeper-only value", part, text)]
    return []


def _by_chance(hits: float, size: int, share: float) -> float:
    """The chance of at least so many hits among `size` customers."""
    return float(bdtrc(hits - 1, size, share))


def _levels(values: pd.Series) -> pd.Series:
    values = values.reset_index(drop=True)
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MANY_VALUES:
        return pd.Series(np.where(values.isna(), MISSING, np.where(values == 0, "0", "(other)")))
    text = values.astype("str").where(values.notna(), MISSING)
    return (
        pd.Series(np.where(values.isna(), MISSING, "(filled)"))
        if text.nunique() > MANY_VALUES
        else text
    )


def _missing(column: str, values: pd.Series, churned: Floats) -> list[Leak]:
    missing = values.isna().to_numpy()
    if not 0 < missing.sum() < missing.size:
        return []
    figure = auc(missing.astype(float), churned)
    figure = max(figure, 1 - figure)
    if figure <= 0.75:
        return []
    level = "FAIL" if figure > 0.9 else "WARN"
    left_out = f" It is left out; keep=['{column}'] overrides." if level == "FAIL" else ""
    return [
        Leak(
            column,
            level,
            "missing tells",
            figure,
            f"Whether {column} is filled tells who churned (AUC {figure:.2f}): it is filled or emptied at the end.{left_out}",
        )
    ]


def _dates(column: str, values: pd.Series, as_of: pd.Timestamp | None) -> list[Leak]:
    if as_of is None or not pd.api.types.is_datetime64_any_dtype(values):
        return []
    later = int((values > as_of).sum())
    if not later:
        return []
    return [
        Leak(
            column,
            "FAIL",
            "future date",
            later / len(values),
            f"{column} has {later:,} dates after the snapshot ({as_of:%Y-%m-%d}). It is left out; keep=['{column}'] overrides.",
        )
    ]


def _name(column: str, figure: float) -> list[Leak]:
    if not OUTCOME_NAME.search(column):
        return []
    if figure > 0.6:
        return [
            Leak(
                column,
                "WARN",
                "name of an outcome",
                figure,
                f"{column} sounds like an outcome and predicts it (AUC {figure:.2f}): check that it was known before the customer left.",
            )
        ]
    return [
        Leak(
            column,
            "INFO",
            "name of an outcome",
            figure,
            f"{column} sounds like an outcome; it does not predict churn by itself.",
        )
    ]


def _gravest(rules: list[Leak]) -> list[Leak]:
    return sorted(rules, key=lambda one: (LEVELS.index(one.level), -one.figure, one.rule))[:1]


def telling_pairs(
    features: pd.DataFrame, churned: Floats, alone: Mapping[str, float]
) -> list[tuple[str, str, float]]:
    """Pairs of columns with an out-of-fold AUC of at least .98, neither of which reaches .9 alone, nor comes within .05 of it."""
    honest = sorted(
        (name for name in features.columns if alone[name] < APART),
        key=lambda name: (-alone[name], name),
    )[:MOST_COLUMNS]
    if len(honest) < 2 or min(churned.sum(), churned.size - churned.sum()) < FEWEST:
        return []
    codes = np.stack([_binned(features[name]) for name in honest])
    rows = np.unique(np.linspace(0, churned.size - 1, MOST_ROWS).astype(np.int64))
    fold = folds_of(churned, FOLDS)
    found = []
    for one, other in _suspicious(codes[:, rows], churned[rows]):
        figure = auc(smoothed_scores(codes[one] * CELLS + codes[other], churned, fold), churned)
        if figure >= TOGETHER and figure > max(alone[honest[one]], alone[honest[other]]) + GAINED:
            found.append((*sorted((honest[one], honest[other])), figure))
    return sorted(found)


def _binned(values: pd.Series) -> Whole:
    """Codes below `CELLS`; the last for a missing number."""
    if not is_number(values):
        codes = level_codes(values)
        rank = np.argsort(np.argsort(-np.bincount(codes), kind="stable"), kind="stable")
        return np.minimum(rank[codes], CELLS - 1)
    numbers = as_numbers(values)
    known = numbers[~np.isnan(numbers)]
    if known.size == 0:
        return np.full(numbers.size, CELLS - 1)
    cuts = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
    return np.where(
        np.isnan(numbers), CELLS - 1, np.searchsorted(cuts, numbers, side="right")
    ).astype(np.int64)


def _suspicious(codes: Whole, churned: Floats) -> list[tuple[int, int]]:
    """Pairs whose cells rank the rows they were counted on almost perfectly: all cells of all pairs by one product of matrices."""
    held = np.zeros((churned.size, len(codes), CELLS), dtype=np.float32)
    np.put_along_axis(held, codes.T[:, :, None], 1, axis=2)
    flat = held.reshape(churned.size, -1)
    pairs = list(combinations(range(len(codes)), 2))
    one, other = np.asarray(pairs).T
    every, lost = (
        _cells(flat, weighted, len(codes))[one, other]
        for weighted in (flat, flat * churned[:, None].astype(np.float32))
    )
    order = np.argsort(lost / np.maximum(every, 1), axis=1, kind="stable")
    every, lost = (np.take_along_axis(cells, order, axis=1) for cells in (every, lost))
    kept = every - lost
    figures = (lost * (np.cumsum(kept, axis=1) - kept / 2)).sum(axis=1) / (
        churned.sum() * (churned.size - churned.sum())
    )
    return [
        pair for pair, figure in zip(pairs, figures.tolist(), strict=True) if figure >= SUSPICIOUS
    ]


def _cells(left: NDArray[np.float32], right: NDArray[np.float32], columns: int) -> Floats:
    """How many rows each cell of each pair of columns has: by first column, second column, cell."""
    together = (left.T @ right).reshape(columns, CELLS, columns, CELLS)
    return together.transpose(0, 2, 1, 3).reshape(columns, columns, -1).astype(float)


def log_leaks(
    log: EventLog, seen: Seen, table: pd.DataFrame, features: tuple[str, ...], horizon: int
) -> pd.DataFrame:
    """Every rule for logs, and on the newest labelled cutoff what a column alone says; of columns of the customers file also what its values and gaps say."""
    given = tuple(
        name for name in features if name in log.properties and log.properties[name].of_customer
    )
    found = [*_terminal(log, seen, features, horizon), *_undated(given)]
    taken = {(one.column, one.level) for one in found}
    leaks = _of_newest(table, features, given, horizon)
    rest = (
        leaks[[(row.column, "FAIL") not in taken for row in leaks.itertuples()]]
        if len(leaks)
        else leaks
    )
    return (
        pd.concat([as_table(found), rest], ignore_index=True)
        if found
        else rest.reset_index(drop=True)
    )


def _of_newest(
    table: pd.DataFrame, features: tuple[str, ...], given: tuple[str, ...], horizon: int
) -> pd.DataFrame:
    """Judged on those seen within twice the horizon, since any honest count of days tells who is long gone; with too few of them only what was given, on all."""
    known = table["churned"].notna()
    newest = known & (table["cutoff"] == table["cutoff"].where(known).max())
    active = newest & (table["recency_days"] <= 2 * horizon / DAY)
    enough = bool(
        table.loc[active, "churned"].value_counts().reindex([0.0, 1.0], fill_value=0).min()
        >= FEWEST
    )
    rows = np.flatnonzero(active if enough else newest)
    if rows.size > MOST_JUDGED:
        rows = rows[np.linspace(0, rows.size - 1, MOST_JUDGED).astype(np.int64)]
    churned = table["churned"].to_numpy(dtype=float)[rows]
    if not 0 < churned.sum() < churned.size:
        return as_table([])
    return find_telling(
        table[list(features if enough else given)].take(rows).reset_index(drop=True),
        churned,
        given=given,
    )


def _terminal(log: EventLog, seen: Seen, features: tuple[str, ...], horizon: int) -> list[Leak]:
    """Events that no later event of the customer follows.

    Only customers whose last event is more than a horizon before the end of data: of the others it is not known yet.
    """
    if len(log.event_names) < 2:
        return []
    found = []
    for code in np.flatnonzero(seen.final >= TERMINAL * np.maximum(seen.every, 1)).tolist():
        event, share = log.event_names[code], seen.final[code] / seen.every[code]
        customers = (
            _settled(log, code, log.observed_until_us - horizon)
            if seen.every[code] >= FEWEST_ENDED
            else 0
        )
        if customers < FEWEST_ENDED:
            continue
        own = [name for name in (f"n_{event}_90d", f"days_since_{event}") if name in features]
        text = f"after {event} almost nobody comes back ({about(share)} of {customers:,} customers who had it): it is churn, not a sign of it. It is left out; consider churn_event={event!r}, or say with active_event= what counts as activity."
        found += [Leak(name, "FAIL", "terminal event", share, text) for name in own]
    return found


def _settled(log: EventLog, code: int, before: int) -> int:
    """How many customers with an event had their last event of all before a moment."""
    gone = f"SELECT c FROM {log.prepared} GROUP BY c HAVING max(t) < {before}"
    return log.engine.rows(
        f"SELECT count(DISTINCT c) FROM {log.prepared} WHERE e = {code} AND c IN ({gone})"
    )[0][0]


def _undated(given: tuple[str, ...]) -> list[Leak]:
    """Columns of the customers file."""
    text = "{} comes from the customers file as it is now, without the date from which it holds: at an earlier cutoff it may have been another."
    return [Leak(name, "WARN", "undated", float("nan"), text.format(name)) for name in given]

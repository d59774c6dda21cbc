"""Which rows belong together, and in which order they are looked at, so that the order given decides nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
MOST_COPIES = 5
"""With more rows than this to a distinct row the table is coarse: equal rows are different customers, not copies."""


def by_content(features: pd.DataFrame, churned: Floats) -> tuple[Whole, Whole]:
    """Rows sorted by a hash of their content, and (in that order) the number of the distinct row each is a copy of."""
    texts = features.astype(
        {
            name: "str"
            for name in features.columns
            if not pd.api.types.is_numeric_dtype(features[name])
        }
    )
    # Joined without a name: whatever a feature is called, it is part of the content.
    hashed = pd.util.hash_pandas_object(
        pd.concat([texts, pd.Series(churned, index=texts.index)], axis=1), index=False
    ).to_numpy()
    order = np.argsort(hashed, kind="stable")
    ranked = hashed[order]
    group = np.cumsum(np.append(False, ranked[1:] != ranked[:-1])).astype(np.int64)
    distinct = int(group[-1]) + 1 if group.size else 0
    return order, (np.arange(order.size) if order.size > MOST_COPIES * distinct else group)


def folds_by_group(group: Whole, churned: Floats, folds: int, seed: int) -> Whole:
    """Folds with about equal shares of churners; rows of one group in one fold."""
    groups = int(group.max()) + 1
    lost = np.bincount(group, weights=churned, minlength=groups) > 0
    fold = np.empty(groups, dtype=np.int64)
    rng = np.random.default_rng(seed)
    for outcome in (False, True):
        members = np.flatnonzero(lost == outcome)
        fold[rng.permutation(members)] = np.arange(members.size) % folds
    return fold[group]


def held_out(group: Whole, churned: Floats, seed: int, part: int) -> NDArray[np.bool_]:
    """About one row in seven, whole groups, for boosting to know when to stop; no row is in two parts."""
    return folds_by_group(group, churned, 7, seed + 1) == part

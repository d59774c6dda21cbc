"""Features that say the same thing, as one theme: their contributions are summed, for apart they mean little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.churn.model.encoding import Columns

Floats = NDArray[np.float64]
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
            np.column_stack([contributions[:, list(one)].sum(axis=1) for one in self.members])
            if self.members
            else contributions
        )

    def name(self, theme: int, columns: Columns) -> str:
        """The first features' names, joined, and how many more there are."""
        names = [columns.names[place] for place in self.members[theme]]
        more = f" + {len(names) - NAMED} alike" if len(names) > NAMED else ""
        return " + ".join(names[:NAMED]) + more


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
                    one
                    for one in members
                    if first <= one < place and together[one - first, place - first]
                ),
                None,
            )
            if leader is not None:
                members[leader].append(place)
                del members[place]
    return Themes(tuple(tuple(one) for one in members.values()))

"""Features that say the same thing, as one theme: their contributions are summed, for apart they mean little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.churn.columns import Columns

Floats = NDArray[np.float64]
TOGETHER = 0.8
"""Rank correlation from which two numbers are one theme."""


@dataclass(frozen=True)
class Themes:
    """Names of the features in each theme, as places in `Columns.names`; a feature that stands alone is a theme of one."""

    members: tuple[tuple[int, ...], ...]

    def summed(self, contributions: Floats) -> Floats:
        """A column a theme."""
        return np.column_stack([contributions[:, list(one)].sum(axis=1) for one in self.members]) if self.members else contributions

    def name(self, theme: int, columns: Columns) -> str:
        """The features' names, joined."""
        return " + ".join(columns.names[place] for place in self.members[theme])


def find_themes(columns: Columns, matrix: Floats) -> Themes:
    """Numbers joined where their rank correlation is above .8, and what is joined to one of them with them."""
    from scipy.stats import rankdata

    first = len(columns.categories)
    total = matrix.shape[1]
    home = list(range(total))
    if total - first > 1:
        filled = np.where(np.isnan(matrix[:, first:]), np.asarray(columns.medians), matrix[:, first:])
        ranks = rankdata(filled, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            together = np.abs(np.corrcoef(ranks, rowvar=False)) > TOGETHER
        for one, other in np.argwhere(np.triu(together, 1)).tolist():
            old, new = home[first + other], home[first + one]
            home = [new if place == old else place for place in home]
    members = {place: tuple(member for member in range(total) if home[member] == place) for place in dict.fromkeys(home)}
    return Themes(tuple(members.values()))

"""Which groups, and which cohorts, differ beyond noise."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cjlib.analyses import stats
from cjlib.analyses.first_events import Groups, Whole
from cjlib.analyses.retention.tables import Counts, Pooled

MEASURES = ("customers", "share", "other_customers", "other_share", "difference", "difference_low", "difference_high", "p_value", "p_adjusted")


def compared(names: dict[str, pd.Series], retained: Whole, base: Whole, within: Whole, min_n: int) -> pd.DataFrame:
    """Each row against all others of the same `within` together; rows below `min_n` stand among the others but are not compared."""
    total_base, total_retained = (np.bincount(within, weights=each).astype(np.int64)[within] for each in (base, retained))
    other_base, other_retained = total_base - base, total_retained - retained
    shown = (base >= max(min_n, 1)) & (other_base > 0)
    k, n, other_k, other_n = (each[shown] for each in (retained, base, other_retained, other_base))
    low, high = stats.newcombe(k, n, other_k, other_n)
    p_values = [stats.two_shares_p(*four) for four in zip(k.tolist(), n.tolist(), other_k.tolist(), other_n.tolist(), strict=True)]
    share, other = stats.share(k, n), stats.share(other_k, other_n)
    numbers = (n, share, other_n, other, share - other, low, high, np.array(p_values, dtype=float), stats.benjamini_hochberg(p_values))
    return pd.DataFrame(
        {**{name: column[shown].reset_index(drop=True) for name, column in names.items()}, **dict(zip(MEASURES, numbers, strict=True))}
    )


def group_comparisons(sums: Pooled, groups: Groups, min_n: int) -> pd.DataFrame:
    """Each group against all others, in the last complete period."""
    last = sums.period == sums.period.max(initial=-1) if groups.names else np.zeros(len(sums.period), dtype=bool)
    nothing = np.zeros(int(last.sum()), dtype=np.int64)
    return compared(groups.columns(sums.group[last]), sums.retained[last], sums.eligible[last], nothing, min_n)


def cohort_comparisons(counts: Counts, names: pd.DataFrame, period: int, min_n: int) -> pd.DataFrame:
    """Each cohort against all others of its group, in one period, over the cohorts that have completed it."""
    done = counts.complete[:, period] if period else np.zeros(len(counts.cohort), dtype=bool)
    held = {str(name): names.loc[done, name].reset_index(drop=True) for name in names.columns}
    held["period"] = pd.Series(np.full(int(done.sum()), period, dtype=np.int64))
    return compared(held, counts.retained[done, period], counts.base[done, period], counts.group[done], min_n)

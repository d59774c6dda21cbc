"""What may be wrong with an experiment before its effects are read: sizes of the arms, leaks between them, differences that were there before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import chi2_contingency, chisquare

from cjlib.analyses.experiment.assignment import Assignment
from cjlib.analyses.experiment.measures import CustomerValues, Measure
from cjlib.errors import CjlibError, shown
from cjlib.shared.comparison import MIN_N
from cjlib.shared.group_by import group_by
from cjlib.show.numbers import about, count_of
from cjlib.sources.log.event_log import EventLog

SRM_LEVEL = 0.001
"""Below this p the arms are not of the sizes that were planned, and nothing is read from them."""
WARNING_LEVEL = 0.001
"""A warning is given below this p: some ten are looked for in each experiment."""
SEVERAL = 0.01
"""From this share of customers in several arms on, the arms leak into each other."""
MANY_MORE = 2
"""So many times as many outcomes before the exposure as after it are no habit."""
FEW_MIXED = 0.5
"""Below this part of the groups that chance would spread over several arms, groups were assigned whole."""
SLICES = 10
MOST_SKEWNESS = 0.5
"""From this skewness of a difference on, some 6% or more of usual 95% intervals miss it."""
COLUMNS = ["check", "measure", "variant", "p_value", "warning", "words"]
Row = dict[str, Any]
Ints = NDArray[np.int64]


def arms_table(
    everyone: Assignment, followed: Assignment, planned: Mapping[str, float] | None
) -> pd.DataFrame:
    """Sizes of the arms beside those planned, with the p-value of the sample-ratio test over all who were exposed."""
    names = everyone.arms
    if planned is not None and set(planned) != set(names):
        raise CjlibError(
            f"planned_shares: must name the arms {', '.join(map(shown, names))}. Got {shown(dict(planned))}."
        )
    shares = np.array([1.0 if planned is None else float(planned[name]) for name in names])
    if not (shares > 0).all():
        raise CjlibError(
            f"planned_shares: each must be above 0, such as 0.5. Got {shown(dict(planned or {}))}."
        )
    expected = shares / shares.sum() * everyone.sizes.sum()
    return pd.DataFrame(
        {
            "variant": list(names),
            "exposed": everyone.sizes,
            "expected": expected,
            "customers": followed.sizes,
            "p_value": sample_ratio_p(everyone.sizes, shares),
        }
    )


def sample_ratio_p(sizes: Sequence[int] | Ints, shares: Sequence[float] | Any) -> float:
    """The chi-squared test of the arms' sizes against their planned shares."""
    planned = np.asarray(shares, dtype=float)
    test: Any = chisquare(sizes, planned / planned.sum() * np.sum(sizes))
    return float(test.pvalue)


def leaks(everyone: Assignment) -> Row:
    """How many saw several arms."""
    total = len(everyone.customer) + everyone.in_several
    share = everyone.in_several / total if total else 0.0
    return _row(
        "seen in several arms",
        share >= SEVERAL,
        f"{count_of(everyone.in_several, 'customer')} ({about(share)}) saw several arms, so what one arm does reaches the other",
    )


def mix_over_time(everyone: Assignment) -> Row:
    """Whether the arms were filled in one proportion all the time; where not, customers of different times are compared."""
    edges = np.unique(np.quantile(everyone.exposed_at, np.linspace(0, 1, SLICES + 1)[1:-1]))
    arms = len(everyone.arms)
    slices = np.searchsorted(edges, everyone.exposed_at)
    counts = np.bincount(slices * arms + everyone.arm, minlength=(len(edges) + 1) * arms)
    table = counts.reshape(-1, arms)
    table = table[table.sum(axis=1) > 0]
    p = np.nan
    if len(table) > 1 and table.sum(axis=0).min() >= 5 * SLICES:
        test: Any = chi2_contingency(table)
        p = float(test.pvalue)
    return _row(
        "arms' shares over time",
        p < WARNING_LEVEL,
        "the arms' shares changed while the experiment ran, so customers of different times are compared; read each period by itself",
        p_value=p,
    )


def before_the_exposure(
    assigned: Assignment, measure: Measure, values: CustomerValues
) -> Iterator[Row]:
    """Whether an arm differed from the control in the time before the exposure already: carry-over of an earlier test, or an assignment that is not random."""
    n = assigned.sizes
    arms = len(n)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(assigned.arm, weights=values.before, minlength=arms) / n
        squares = np.bincount(
            assigned.arm, weights=(values.before - mean[assigned.arm]) ** 2, minlength=arms
        )
        error = squares / (n - 1) / n
        z = np.abs(mean - mean[0]) / np.sqrt(error + error[0])
    for arm in range(1, arms):
        p = float(2 * ndtr(-z[arm])) if min(n[0], n[arm]) >= MIN_N else np.nan
        yield _row(
            "before the exposure",
            p < WARNING_LEVEL,
            f"“{assigned.arms[arm]}” differed from control in {measure.name} before the exposure already: carry-over of an earlier test, or not assigned at random",
            measure=measure.name,
            variant=assigned.arms[arm],
            p_value=p,
        )


def outcome_first(measure: Measure, values: CustomerValues) -> Iterator[Row]:
    """Whether far more customers had the outcome before their exposure than after it: of what they do again and again as many do by chance."""
    if measure.kind != "share" or measure.after is not None:
        return
    before, after = int(values.before.sum()), int(values.value.sum())
    yield _row(
        "outcome before the exposure",
        before > MANY_MORE * after and before >= MIN_N,
        f"{count_of(before, 'customer')} had {measure.name} before the exposure, {after:,} after it: is the exposure logged too late?",
        measure=measure.name,
    )


def skewed(assigned: Assignment, measure: Measure, values: CustomerValues) -> Iterator[Row]:
    """Whether values are so skewed, and arms so unequal, that the interval for one look is too narrow: the skewness of the difference, from that of all customers.

    With arms of one size the skewness of both sides cancels.
    """
    if measure.is_share or measure.is_ratio:
        return
    spread = values.value - values.value.mean()
    deviation = float(np.sqrt(np.mean(spread**2)))
    skewness = float(np.mean(spread**3)) / deviation**3 if deviation > 0 else 0.0
    n = assigned.sizes.astype(float)
    for arm in range(1, len(n)):
        if min(n[0], n[arm]) < MIN_N:
            continue
        unequal = (1 / n[arm] ** 2 - 1 / n[0] ** 2) / (1 / n[arm] + 1 / n[0]) ** 1.5
        yield _row(
            "skewed values",
            abs(skewness * unequal) >= MOST_SKEWNESS,
            f"{measure.name} is so skewed that the smaller arm is too small for its usual 95% CI; cap it: winsorize=0.99",
            measure=measure.name,
            variant=assigned.arms[arm],
        )


def interference(
    log: EventLog, linked_by: str, assigned: Assignment, measure: Measure, values: CustomerValues
) -> Row:
    """Whether control customers do otherwise the more of those they are linked with are treated: a score test, groups being the units."""
    groups = _linked(log, linked_by, assigned)
    linked = groups >= 0
    size = np.bincount(groups[linked])
    treated = np.bincount(groups[linked], weights=assigned.arm[linked] > 0)
    control = linked & (assigned.arm == 0)
    control[control] = size[groups[control]] > 1
    of = groups[control]
    p = np.nan
    if np.count_nonzero(np.bincount(of)) >= MIN_N:
        exposure = treated[of] / (size[of] - 1)
        scores = np.bincount(
            of, weights=(exposure - exposure.mean()) * (values.value[control] - values.value[control].mean())
        )  # fmt: skip
        spread = float(np.sqrt((scores**2).sum()))
        p = float(2 * ndtr(-abs(scores.sum()) / spread)) if spread > 0 else np.nan
    return _row(
        "interference",
        p < WARNING_LEVEL,
        f"control customers differ in {measure.name} by how many with the same {linked_by} are treated: the change reaches them too, and the difference is not its whole effect",
        measure=measure.name,
        p_value=p,
    )


def assigned_together(log: EventLog, linked_by: str, assigned: Assignment) -> Row:
    """Whether linked customers were put into one arm together: then groups were drawn and not customers, who are fewer by themselves than they seem."""
    groups = _linked(log, linked_by, assigned)
    linked = groups >= 0
    arms = len(assigned.sizes)
    of_arm = np.bincount(groups[linked] * arms + assigned.arm[linked], minlength=arms)
    counts = np.pad(of_arm, (0, -of_arm.size % arms)).reshape(-1, arms)
    size = counts.sum(axis=1)
    counts, size = counts[size > 1], size[size > 1]
    mixed = int(np.count_nonzero(counts.max(axis=1, initial=0) < size))
    shares = assigned.sizes / assigned.sizes.sum()
    by_chance = float((1 - (shares[:, None] ** size).sum(axis=0)).sum())
    return _row(
        "assigned together",
        len(size) >= MIN_N and mixed < FEW_MIXED * by_chance,
        f"{mixed:,} of {len(size):,} groups of one {linked_by} are in several arms, where {by_chance:,.0f} would be by chance: whole groups were assigned, so customers are not independent and every interval is too narrow",
    )


def _linked(log: EventLog, linked_by: str, assigned: Assignment) -> Ints:
    """The group of each assigned customer; −1: none."""
    latest = np.full(log.n_customer_codes, np.iinfo(np.int64).max)
    return group_by(log, linked_by, known_at=latest).of[assigned.customer]


def _row(
    check: str,
    warning: bool | np.bool_,
    words: str,
    *,
    measure: str = "",
    variant: str = "",
    p_value: float = np.nan,
) -> Row:
    row = (check, measure, variant, p_value, bool(warning), words if warning else "")
    return dict(zip(COLUMNS, row, strict=True))

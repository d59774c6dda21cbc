"""Intervals and tests against published figures, and against what they promise: to cover 95 of 100."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

import cjlib as cj
from cjlib.shared import stats
from cjlib.shared.two_samples import benjamini_hochberg, newcombe, two_shares_p

# ---- published figures ------------------------------------------------------------------------------------------


def test_wilson_gives_the_figures_of_newcombes_paper() -> None:
    low, high = stats.wilson([81, 15, 0, 1], [263, 148, 20, 29])
    np.testing.assert_allclose(low, [0.2553, 0.0624, 0.0, 0.0061], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1605, 0.1611, 0.1718], atol=5e-5)


def test_newcombe_gives_the_figures_of_his_paper() -> None:
    low, high = newcombe([56, 9, 10], [70, 10, 10], [48, 3, 0], [80, 10, 10])
    np.testing.assert_allclose(low, [0.0524, 0.1705, 0.6075], atol=5e-5)
    np.testing.assert_allclose(high, [0.3339, 0.8090, 1.0], atol=5e-5)


def test_benjamini_hochberg_gives_the_figures_of_their_paper() -> None:
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    adjusted = benjamini_hochberg(p)
    assert (adjusted <= 0.05).sum() == 4
    np.testing.assert_allclose(adjusted[:4], [0.0015, 0.003, 0.0095, 0.035625])


def test_a_missing_p_is_no_test() -> None:
    np.testing.assert_allclose(benjamini_hochberg([0.02, np.nan, 0.04]), [0.04, np.nan, 0.04])
    assert benjamini_hochberg([]).size == 0


# ---- edges ------------------------------------------------------------------------------------------------------


def test_a_share_of_nobody_is_missing_and_never_zero() -> None:
    assert np.isnan(stats.share(0, 0))
    assert np.isnan(stats.wilson(0, 0)).all()
    assert np.isnan(newcombe(0, 0, 1, 2)).all()
    assert np.isnan(two_shares_p(0, 0, 1, 2))


def test_none_or_all_keep_their_end_of_the_interval() -> None:
    assert stats.wilson(0, 7)[0] == 0.0
    assert stats.wilson(7, 7)[1] == 1.0


@pytest.mark.parametrize(
    ("counts", "p"),
    [
        ((50, 100, 30, 100), 0.00389),
        ((3, 3, 0, 3), 0.1),
        ((5, 10, 5, 10), 1.0),
        ((4, 4, 9, 9), 1.0),
        ((0, 4, 0, 9), 1.0),
    ],
)
def test_two_shares_are_compared_by_z_or_where_few_are_expected_exactly(
    counts: tuple[int, int, int, int], p: float
) -> None:
    assert two_shares_p(*counts) == pytest.approx(p, rel=1e-3)


@pytest.mark.parametrize(
    ("base", "other_base", "part"),
    [(30, 3_000, 0.2), (100, 3_000, 0.1), (300, 3_000, 0.02), (300, 3_000, 0.98), (30, 300, 0.8)],
)
def test_a_share_far_out_is_no_surer_than_drawing_it_at_random(
    base: int, other_base: int, part: float
):
    share_of_all = round(part * (base + other_base))
    drawn = hypergeom(base + other_base, share_of_all, base)
    counts = np.arange(base + 1)
    likely = drawn.pmf(counts)
    p = np.array(
        [
            two_shares_p(count, base, share_of_all - count, other_base) if likely[count] else 1.0
            for count in counts
        ]
    )
    for level in (0.0025, 0.0002, 1e-5):
        assert likely[p < level].sum() < 1.25 * level


def test_the_median_is_interpolated_and_has_an_interval_from_six_values_on() -> None:
    assert stats.median_with_interval([4, 1, 3, 2])[0] == 2.5
    assert np.isnan(stats.median_with_interval([5, 1, 4, 2, 3])[1:]).all()
    assert stats.median_with_interval([6, 5, 4, 3, 2, 1]) == (3.5, 1, 6)
    assert stats.median_with_interval(range(1, 11)) == (5.5, 2, 9)
    assert np.isnan(stats.median_with_interval([])).all()


@given(st.lists(st.tuples(st.integers(-(10**15), 10**15), st.integers(0, 3)), max_size=30))
def test_grouped_medians_and_means_are_those_of_each_group_alone(
    rows: list[tuple[int, int]],
) -> None:
    values, group = (np.array([row[part] for row in rows], dtype=np.int64) for part in (0, 1))
    medians, means = stats.grouped_medians(values, group, 4), stats.grouped_means(values, group, 4)
    for number in range(4):
        alone = pd.Series(values[group == number], dtype="int64")
        np.testing.assert_allclose(medians[number], alone.median(), rtol=1e-12)
        np.testing.assert_allclose(means[number], alone.mean(), rtol=1e-9, atol=1e-3)
    together = np.zeros(len(values), dtype=np.int64)
    np.testing.assert_allclose(
        stats.grouped_medians(values, together, 1),
        [pd.Series(values, dtype="int64").median()],
        rtol=1e-12,
    )


def test_a_mean_of_many_long_times_does_not_overflow() -> None:
    years = np.full(400_000, 60_000_000_000_001, dtype=np.int64)
    assert stats.grouped_means(years, np.zeros(len(years), dtype=np.int64), 1)[0] == pytest.approx(
        60_000_000_000_001
    )


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 60), st.integers(1, 60))
def test_intervals_hold_their_estimate_and_swap_with_their_groups(
    count: int, base: int, other: int, other_base: int
) -> None:
    count, other = min(count, base), min(other, other_base)
    low, high = stats.wilson(count, base)
    assert 0 <= low <= count / base <= high <= 1
    low, high = newcombe(count, base, other, other_base)
    assert low <= count / base - other / other_base <= high
    np.testing.assert_allclose(newcombe(other, other_base, count, base), (-high, -low))
    assert two_shares_p(count, base, other, other_base) == pytest.approx(
        two_shares_p(other, other_base, count, base)
    )


# ---- what 95% means --------------------------------------------------------------------------------------------


def test_the_intervals_of_a_thousand_small_funnels_hold_the_truth_in_93_to_97_of_100() -> None:
    rng = np.random.default_rng(0)
    samples, size = 1_000, 40
    truth = np.round(rng.uniform(0.1, 0.9, samples), 6)
    sample = np.repeat(np.arange(samples), size)
    converted = rng.random(samples * size) < truth[sample]
    who = np.arange(samples * size)
    entered = pd.DataFrame(
        {
            "customer_id": who,
            "event": "A",
            "timestamp": pd.Timestamp("2024-01-01", tz="UTC"),
            "sample": sample,
        }
    )
    bought = entered[converted].assign(event="B", timestamp=pd.Timestamp("2024-01-02", tz="UTC"))
    table = cj.funnel(
        cj.read_events(pd.concat([entered, bought])), ["A", "B"], window="7D", by="sample"
    ).table
    last = table[table["step"] == 2].set_index("sample").sort_index()
    held = (last["share_of_first_low"] <= truth) & (truth <= last["share_of_first_high"])
    assert len(held) == samples
    assert 0.93 <= held.mean() <= 0.97


def test_the_intervals_of_a_thousand_differences_hold_the_truth_in_93_to_97_of_100() -> None:
    rng = np.random.default_rng(1)
    p, q = rng.uniform(0.1, 0.9, (2, 1_000))
    low, high = newcombe(
        rng.binomial(45, p), np.full(1_000, 45), rng.binomial(35, q), np.full(1_000, 35)
    )
    assert 0.93 <= ((low <= p - q) & (p - q <= high)).mean() <= 0.97


def test_the_intervals_of_a_thousand_medians_hold_the_truth_in_93_to_97_of_100() -> None:
    rng = np.random.default_rng(2)
    bounds = [stats.median_with_interval(rng.exponential(1.0, 65))[1:] for _ in range(1_000)]
    assert 0.93 <= np.mean([low <= np.log(2) <= high for low, high in bounds]) <= 0.97


def test_with_nothing_to_find_adjusted_p_values_seldom_find_anything() -> None:
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(300):
        counts = rng.binomial(200, 0.3, 8)
        p = [two_shares_p(int(count), 200, int(counts.sum() - count), 1_400) for count in counts]
        found += benjamini_hochberg(p).min() < 0.05
    assert found / 300 <= 0.08

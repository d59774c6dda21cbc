"""The studentized range: equal to scipy's in every digit that scipy is sure of."""

from __future__ import annotations

import numpy as np
import pytest

from cjlib.analyses.journey_map.sentiment_line import exceeded, quantile

FREEDOMS = (0.5, 1.0, 3.0, 7.3, 19.0, 77.7, 1_000.0)


@pytest.mark.parametrize("k", [2, 5, 12])
def test_the_chance_of_a_range_is_that_of_scipy_to_eleven_digits(k: int) -> None:
    from scipy.stats import studentized_range

    for freedom in FREEDOMS:
        for q in (0.5, 3.3, 6.0, 12.0):
            assert exceeded(q, k, freedom) == pytest.approx(
                studentized_range.sf(q, k, freedom), abs=1e-11
            ), (q, freedom)


def test_the_quantile_is_that_of_scipy_to_ten_digits() -> None:
    from scipy.stats import studentized_range

    for p, k, freedom in [
        (0.95, 2, 1.0),
        (0.95, 5, 19.0),
        (0.99, 5, 33.3),
        (0.9875, 8, 240.0),
        (0.95, 20, 7.3),
    ]:
        assert quantile(p, k, freedom) == pytest.approx(
            studentized_range.ppf(p, k, freedom), rel=1e-10
        ), (p, k, freedom)


def test_what_a_quantile_leaves_above_it_is_the_rest() -> None:
    for p in (0.5, 0.95, 0.999):
        for freedom in FREEDOMS:
            assert exceeded(quantile(p, 4, freedom), 4, freedom) == pytest.approx(1 - p, abs=1e-12)


def test_two_means_differ_as_in_a_t_test() -> None:
    from scipy.special import stdtr

    for t in (0.7, 1.96, 3.0):
        assert exceeded(np.sqrt(2) * t, 2, 25.0) == pytest.approx(2 * stdtr(25.0, -t), abs=1e-13)


def test_endless_freedom_is_a_range_of_known_spread() -> None:
    assert exceeded(3.8577, 5, 1e9) == pytest.approx(0.05, abs=2e-5)
    assert exceeded(3.3, 5, 1e12) == pytest.approx(exceeded(3.3, 5, 1e9), abs=1e-8)


def test_without_freedom_no_number_is_large_enough() -> None:
    assert quantile(0.95, 3, 0.001) == np.inf
    assert 0.9 < exceeded(3.3, 3, 0.001) <= 1


def test_nothing_is_always_exceeded_and_the_larger_the_range_the_rarer() -> None:
    chances = [exceeded(q, 6, 30.0) for q in (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 1e6)]
    assert chances[0] == 1.0
    assert chances == sorted(chances, reverse=True)
    assert 0 <= chances[-1] < 1e-12

"""How good probabilities are: against references, and against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.metrics import average_precision_score, roc_auc_score

from cjlib.analyses.churn.model import metrics


def drawn(n: int, seed: int, prevalence: float = 0.265) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    churned = (rng.random(n) < prevalence).astype(float)
    return np.round(rng.normal(churned, 1.0), 1), churned


def test_auc_and_precision_are_the_usual_ones_ties_included():
    score, churned = drawn(800, 1)
    assert metrics.auc(score, churned) == pytest.approx(roc_auc_score(churned, score), abs=1e-12)
    assert metrics.pr_auc(score, churned) == pytest.approx(
        average_precision_score(churned, score), abs=1e-12
    )


def test_auc_by_hand():
    assert metrics.auc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])) == 0.875
    assert np.isnan(metrics.auc(np.array([0.1, 0.2]), np.array([0.0, 0.0])))


def test_lift_by_hand_takes_a_tie_at_the_edge_in_part():
    score = np.array([0.9] * 2 + [0.1] * 18)
    churned = np.array([1.0, 0.0] + [0.0] * 14 + [1.0] * 4)
    assert metrics.lift(score, churned) == pytest.approx(0.5 / 0.25)
    assert metrics.lift(np.full(20, 0.3), churned) == pytest.approx(1.0)


def test_weights_are_copies_of_customers():
    score, churned = drawn(200, 2)
    weight = np.random.default_rng(0).integers(0, 4, 200)
    again, outcome = np.repeat(score, weight), np.repeat(churned, weight)
    assert metrics.auc(score, churned, weight.astype(float)) == pytest.approx(
        metrics.auc(again, outcome), abs=1e-12
    )
    assert metrics.lift(score, churned, weight=weight.astype(float)) == pytest.approx(
        metrics.lift(again, outcome), abs=1e-12
    )


def test_expected_maximum_profit_at_telco_prevalence_is_the_published_one():
    churned = np.array([1.0] * 1869 + [0.0] * 5174)
    assert metrics.empc(churned, churned) == pytest.approx(14.86, abs=0.01)
    assert metrics.empc(np.zeros(churned.size), churned) == pytest.approx(6.906, abs=0.001)


def test_expected_maximum_profit_equals_the_integral_over_success_shares():
    score, churned = drawn(150, 4)
    steps = (np.arange(20_000) + 0.5) / 20_000
    cuts = np.append(np.unique(score), np.inf)
    lost, kept = churned == 1, churned == 0
    contacted = np.array([((score >= cut) & lost).mean() for cut in cuts])
    wasted = np.array([((score >= cut) & kept).mean() for cut in cuts])
    profit = np.array(
        [(contacted * (share * (200 - 10) - 1) - wasted * 11).max() for share in steps]
    )
    assert metrics.empc(score, churned) == pytest.approx(
        float((profit * beta.pdf(steps, 6, 14)).mean()), abs=2e-4
    )


def test_perfect_probabilities_have_an_error_at_the_floor():
    rng = np.random.default_rng(8)
    score = rng.uniform(0.05, 0.6, 4000)
    errors = [metrics.ece(score, (rng.random(4000) < score).astype(float)) for _ in range(20)]
    assert metrics.ece_floor(score, 0) == pytest.approx(float(np.mean(errors)), rel=0.15)


def test_the_interval_of_the_auc_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = []
    for seed in range(120):
        churned = (rng.random(250) < 0.3).astype(float)
        score = rng.normal(churned, 1.0)
        off = metrics.auc_deviations(
            score, churned, np.arange(250), metrics.draw_customers(250, seed, 200)
        )
        value = metrics.auc(score, churned)
        low, high = metrics.bounds(value, off, 0, 1)
        covered.append(low <= 0.7602 <= high)
    assert 0.88 <= np.mean(covered) <= 0.995


def test_many_customers_are_thinned_and_the_interval_scaled():
    churned = (np.random.default_rng(0).random(60_000) < 0.2).astype(float)
    score = np.random.default_rng(1).normal(churned, 1.0)
    off = metrics.auc_deviations(
        score, churned, np.arange(60_000), metrics.draw_customers(60_000, 0, 100)
    )
    hanley = np.sqrt(0.7602 * 0.2398 / 60_000 / 0.2 / 0.8)
    assert off.std() == pytest.approx(hanley, rel=0.5)


def test_a_bootstrap_draws_customers_not_rows():
    customers = np.repeat(np.arange(50), 3)
    draws = metrics.draw_customers(50, 0, 20)
    seen: list[np.ndarray] = []

    def together(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        seen.append(weights)
        return weights.sum(axis=1)

    draws.intervals(customers, together)
    weights = seen[-1].reshape(20, 50, 3)
    assert (weights == weights[:, :, :1]).all()
    assert (weights[:, :, 0].sum(axis=1) == 50).all()

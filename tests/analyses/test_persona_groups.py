"""How well groups of points stand: silhouettes and agreement are those of scikit-learn and of their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from cjlib.analyses.personas.clusters import adjusted_rand
from cjlib.analyses.personas.silhouette import silhouettes


def by_hand(points: np.ndarray, labels: np.ndarray) -> list[float]:
    """The definition, pair by pair."""
    far = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    found = []
    for k, label in enumerate(labels):
        own = [far[k, m] for m in range(len(points)) if labels[m] == label and m != k]
        others = [far[k, labels == other].mean() for other in set(labels.tolist()) - {label}]
        a, b = float(np.mean(own)) if own else 0.0, min(others, default=0.0)
        found.append((b - a) / max(a, b) if own and others and max(a, b) > 0 else 0.0)
    return found


def test_silhouettes_of_several_groupings_are_those_of_the_definition():
    rng = np.random.default_rng(1)
    for _ in range(20):
        points = rng.integers(0, 4, (int(rng.integers(3, 40)), 3)).astype(float)
        groupings = [rng.integers(0, k, len(points)) for k in (1, 2, 3, 6)]
        for labels, found in zip(groupings, silhouettes(points, groupings), strict=True):
            assert found == pytest.approx(by_hand(points, labels), abs=1e-7)


def test_silhouettes_of_many_points_are_those_of_scikit_learn():
    from sklearn.metrics import silhouette_samples

    rng = np.random.default_rng(2)
    points = rng.standard_normal((700, 12))
    labels = (points[:, 0] > 0.3) + 2 * (points[:, 1] > 1)
    (found,) = silhouettes(points, [labels])
    assert found == pytest.approx(silhouette_samples(points, labels), abs=1e-12)


def test_one_group_and_a_point_alone_have_no_silhouette():
    points = np.array([[0.0], [1.0], [5.0]])
    together, alone = silhouettes(points, [np.array([0, 0, 0]), np.array([0, 0, 1])])
    assert together.tolist() == [0.0, 0.0, 0.0]
    assert alone.tolist() == [0.8, 0.75, 0.0]


def test_agreement_of_groupings_is_the_adjusted_rand_index_of_scikit_learn():
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(3)
    for _ in range(60):
        k, n = int(rng.integers(2, 7)), int(rng.integers(2, 300))
        one = rng.integers(0, k, n)
        other = np.where(rng.random(n) < 0.5, one, rng.integers(0, k, n))
        assert adjusted_rand(one, other, k) == pytest.approx(adjusted_rand_score(one, other), abs=1e-12)


def test_the_same_groups_under_other_numbers_agree_wholly():
    labels = np.array([0, 0, 1, 1, 2])
    assert adjusted_rand(labels, 2 - labels, 3) == 1.0
    assert adjusted_rand(np.zeros(4, dtype=int), np.zeros(4, dtype=int), 2) == 1.0

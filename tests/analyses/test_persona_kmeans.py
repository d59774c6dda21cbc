"""k-means: from the same starts the centres of scikit-learn, and of Lloyd's steps one point at a time."""

from __future__ import annotations

import numpy as np
import pytest

from cjlib.analyses.personas import kmeans
from cjlib.analyses.personas.kmeans import best_centres, settled


def ordered(centres: np.ndarray) -> np.ndarray:
    return centres[np.lexsort(centres.T[::-1])]


def one_by_one(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Lloyd's steps by their definition, until no point changes its group."""
    before: list[int] = []
    while True:
        labels = [min(range(len(centres)), key=lambda k: float(((point - centres[k]) ** 2).sum())) for point in points]
        if labels == before:
            return centres
        centres, before = np.stack([points[np.array(labels) == k].mean(axis=0) for k in range(len(centres))]), labels


def clouds(rng: np.random.Generator, size: int, groups: int, width: int = 5, apart: float = 3.0) -> np.ndarray:
    return rng.standard_normal((size, width)) + apart * rng.standard_normal((groups, width))[rng.integers(0, groups, size)]


@pytest.mark.parametrize("apart", [0.0, 1.0, 4.0])
def test_the_best_of_several_starts_has_the_centres_of_scikit_learn(apart: float):
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(int(apart))
    for size in (40, 300, 900):
        points = clouds(rng, size, 4, apart=apart)
        choices = [2, 3, 5]
        for k, found in zip(choices, best_centres(points, choices, 7, starts=6), strict=True):
            expected = KMeans(k, random_state=7).set_params(n_init=6).fit(points).cluster_centers_
            assert ordered(found) == pytest.approx(ordered(expected), abs=1e-9), (size, k)


def test_the_steps_are_those_of_lloyd_also_where_points_repeat():
    rng = np.random.default_rng(5)
    for _ in range(15):
        points = rng.integers(0, 4, (60, 2)).astype(float) + rng.integers(0, 2, (60, 1)) * 9.5
        points = points - points.mean(axis=0)
        start = points[[0, 20, 40]] + rng.normal(0, 0.01, (3, 2))
        ((spread, centres),) = settled(points, (points**2).sum(axis=1), [start])
        labels = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        assert spread == pytest.approx(float(((points - centres[labels]) ** 2).sum()))
        if np.unique(labels).size == 3:
            assert centres == pytest.approx(np.stack([points[labels == k].mean(axis=0) for k in range(3)]), abs=0.05)


def test_starts_far_apart_settle_where_lloyd_settles_them():
    rng = np.random.default_rng(6)
    points = clouds(rng, 200, 3, apart=8.0)
    points = points - points.mean(axis=0)
    start = points[:3].copy()
    ((_, centres),) = settled(points, (points**2).sum(axis=1), [start])
    assert centres == pytest.approx(one_by_one(points, start), abs=1e-9)


def test_starts_settle_alike_alone_and_beside_others(monkeypatch: pytest.MonkeyPatch):
    points = clouds(np.random.default_rng(8), 250, 3)
    together = best_centres(points, [2, 4], 1, starts=5)
    monkeypatch.setattr(kmeans, "AT_ONCE", 1)
    for one, other in zip(together, best_centres(points, [2, 4], 1, starts=5), strict=True):
        assert one == pytest.approx(other, abs=1e-12)


def test_a_group_that_loses_all_its_points_gets_one_from_afar():
    points = np.array([[-1.0], [-1.1], [-0.9], [0.0], [3.0]])
    points = points - points.mean(axis=0)
    ((spread, centres),) = settled(points, (points**2).sum(axis=1), [np.array([[-1.2], [3.0], [50.0]])])
    assert np.unique(np.abs(points - centres.T).argmin(axis=1)).size == 3
    assert spread < 0.1


def test_fewer_different_points_than_groups_are_all_their_own_centres():
    points = np.repeat([[0.0, 0.0], [5.0, 1.0]], 10, axis=0)
    (centres,) = best_centres(points, [3], 0, starts=2)
    assert np.unique(centres.round(9), axis=0).tolist() == [[0.0, 0.0], [5.0, 1.0]]

"""The sentiment line: the mean of each measure at each stage, with intervals that know which answers come from one customer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Answers:
    """Answers by customer, then by value, so that sums do not depend on the order of the rows; `places` has the stage, touchpoint and group of each, −1 = none."""

    value: np.ndarray
    person: np.ndarray
    places: dict[str, np.ndarray]

    @staticmethod
    def of(value: np.ndarray, person: np.ndarray, places: dict[str, np.ndarray]) -> Answers:
        """These answers, given by id."""
        order = np.lexsort((value, person))
        return Answers(
            value[order], person[order], {name: held[order] for name, held in places.items()}
        )

    def only(self, rows: np.ndarray) -> Answers:
        """Some of the answers."""
        return Answers(
            self.value[rows],
            self.person[rows],
            {name: held[rows] for name, held in self.places.items()},
        )


@dataclass(frozen=True)
class Clustered:
    """Means of groups of answers, with variances that know which answers come from one customer.

    References
    ----------
    Liang, K.-Y. & Zeger, S. L. (1986). Longitudinal data analysis using generalized linear models. Biometrika 73 (the variance by clusters).
    """

    value: np.ndarray
    place: np.ndarray
    person: np.ndarray
    places: int

    @cached_property
    def n(self) -> np.ndarray:
        """Answers of each place."""
        return np.bincount(self.place, minlength=self.places)

    @cached_property
    def people(self) -> np.ndarray:
        """Customers of each place."""
        pairs = np.unique(self.person * self.places + self.place)
        return np.bincount(pairs % self.places, minlength=self.places)

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean of each place."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.bincount(self.place, weights=self.value, minlength=self.places) / self.n

    @cached_property
    def covariance(self) -> np.ndarray:
        """V: covariances of the means; places of one customer have none."""
        residual = (self.value - self.mean[self.place]) / self.n[self.place]
        size = int(self.person.max()) + 1 if self.person.size else 0
        u = np.bincount(
            self.person * self.places + self.place, weights=residual, minlength=size * self.places
        ).reshape(size, self.places)
        with np.errstate(invalid="ignore", divide="ignore"):
            widen = np.sqrt(self.people / (self.people - 1))
            return np.outer(widen, widen) * (u.T @ u)

    @cached_property
    def within(self) -> float:
        """The pooled standard deviation within places."""
        free = self.value.size - int((self.n > 0).sum())
        return (
            float(np.sqrt(((self.value - self.mean[self.place]) ** 2).sum() / free))
            if free > 0
            else float("nan")
        )

    @cached_property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """95% t intervals of the means."""
        from scipy.special import stdtrit

        with np.errstate(invalid="ignore"):
            half = stdtrit(np.maximum(self.people - 1, 1), 0.975) * np.sqrt(
                np.diag(self.covariance)
            )
        half = np.where(self.people > 1, half, np.nan)
        return self.mean - half, self.mean + half

    def row(self, place: int) -> tuple[int, int, float, float, float]:
        """Answers, customers, mean and its interval at one place."""
        low, high = self.interval
        return (
            int(self.n[place]),
            int(self.people[place]),
            float(self.mean[place]),
            float(low[place]),
            float(high[place]),
        )


def clustered(answers: Answers, place: str, places: int) -> Clustered:
    """The answers of each place, by place, customer, value and id."""
    at = answers.places[place]
    known = np.flatnonzero(at >= 0)
    order = known[np.argsort(at[known], kind="stable")]
    _, person = np.unique(answers.person[order], return_inverse=True)
    return Clustered(answers.value[order], at[order], person.astype(np.int64), places)

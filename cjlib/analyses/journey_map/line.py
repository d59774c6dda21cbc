"""The sentiment line: the mean of each measure at each stage, with intervals that know which answers come from one customer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.opinions import Opinions


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
        u = np.bincount(self.person * self.places + self.place, weights=residual, minlength=size * self.places).reshape(size, self.places)
        with np.errstate(invalid="ignore", divide="ignore"):
            widen = np.sqrt(self.people / (self.people - 1))
            return np.outer(widen, widen) * (u.T @ u)

    @cached_property
    def within(self) -> float:
        """The pooled standard deviation within places."""
        free = self.value.size - int((self.n > 0).sum())
        return float(np.sqrt(((self.value - self.mean[self.place]) ** 2).sum() / free)) if free > 0 else float("nan")

    @cached_property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % t intervals of the means."""
        from scipy.special import stdtrit

        with np.errstate(invalid="ignore"):
            half = stdtrit(np.maximum(self.people - 1, 1), 0.975) * np.sqrt(np.diag(self.covariance))
        half = np.where(self.people > 1, half, np.nan)
        return self.mean - half, self.mean + half

    def row(self, place: int) -> tuple[int, int, float, float, float]:
        """Answers, customers, mean and its interval at one place."""
        low, high = self.interval
        return int(self.n[place]), int(self.people[place]), float(self.mean[place]), float(low[place]), float(high[place])


def clustered(answers: pd.DataFrame, place: str, places: int) -> Clustered:
    """The answers of each place; sorted first, so that sums do not depend on the order of the rows."""
    rows = answers[answers[place] >= 0].sort_values([place, "person", "value", "feedback_id"], kind="stable")
    _, person = np.unique(rows["person"].to_numpy(dtype=object).astype(str), return_inverse=True)
    return Clustered(rows["value"].to_numpy(dtype=float), rows[place].to_numpy(dtype=np.int64), person.astype(np.int64), places)


def means_of(opinions: Opinions, measure: str, place: str, places: int, group: int = 0) -> Clustered:
    """One measure's means by stage or touchpoint for one group."""
    answers = opinions.answers[measure]
    return clustered(answers[answers["group"] == group], place, places)

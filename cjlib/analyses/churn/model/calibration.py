"""Probabilities that mean what they say: raw, through a sigmoid, or through a rising step line; whichever forecasts best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from cjlib.analyses.churn.model.logistic import fit_ridge

Floats = NDArray[np.float64]
LEAST, MOST = 0.002, 0.998
KINDS = ("raw", "sigmoid", "isotonic")


@dataclass(frozen=True)
class Calibrator:
    """`raw` leaves scores alone; `sigmoid` has slope and intercept on the log-odds; `isotonic` is a line through (`x`, `y`)."""

    kind: str
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def of(self, score: Floats) -> Floats:
        """Calibrated probabilities."""
        if self.kind == "raw":
            return score
        if self.kind == "sigmoid":
            slope, intercept = self.y
            return expit(slope * _log_odds(score) + intercept)
        return np.clip(np.interp(score, self.x, self.y), LEAST, MOST)


def fit_calibrator(kind: str, score: Floats, churned: Floats) -> Calibrator:
    """Learn from forecasts that did not know the outcome."""
    if kind == "sigmoid":
        slope, intercept = fit_ridge(_log_odds(score)[:, None], churned, 1e-6).tolist()
        # A falling line would turn a forecast that is wrong by chance into one that looks right: nothing is known but the share.
        return Calibrator(
            kind, y=(slope, intercept) if slope > 0 else (0.0, float(logit(churned.mean())))
        )
    if kind == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        model = IsotonicRegression(out_of_bounds="clip").fit(score, churned)
        return Calibrator(
            kind, tuple(model.X_thresholds_.tolist()), tuple(model.y_thresholds_.tolist())
        )
    return Calibrator("raw")


def cross_calibrated(kind: str, score: Floats, churned: Floats, fold: NDArray[np.int64]) -> Floats:
    """Each fold calibrated by what the other folds say."""
    if kind == "raw":
        return score
    calibrated = np.empty(score.size)
    for one in np.unique(fold).tolist():
        calibrated[fold == one] = fit_calibrator(kind, score[fold != one], churned[fold != one]).of(
            score[fold == one]
        )
    return calibrated


def _log_odds(score: Floats) -> Floats:
    return logit(np.clip(score, 1e-6, 1 - 1e-6))

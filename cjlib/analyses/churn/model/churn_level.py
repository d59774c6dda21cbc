"""How the share of churners moves from moment to moment: what a forecast of their number must allow for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import t as students_t

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
FEWEST_HORIZONS = 2.0
"""That the earlier moments must span together, for their errors to say anything of the next."""
Z95 = 1.959964
STEPS = 20


@dataclass(frozen=True)
class Level:
    """How far, in log-odds, the churners of a moment were from what the model said of them.

    Attributes
    ----------
    shift
        Of the newest moments: it is added to every forecast.
    error
        Standard error of that for the next moment, as earlier moments were from those that were over by then; NaN where too few are known.
    freedom
        Degrees of freedom of the error: how many horizons it was seen over.
    moments
        How many moments were compared.
    """

    shift: float = 0.0
    error: float = float("nan")
    freedom: float = float("nan")
    moments: int = 0

    @property
    def known(self) -> bool:
        """Whether a number of churners can be forecast."""
        return self.moments > 0

    def interval(self, probability: Floats) -> tuple[float, float]:
        """95% bounds of the number of churners among customers of these probabilities: chance, and the movement of the level."""
        expected = float(probability.sum())
        half = float(students_t.ppf(0.975, self.freedom)) * self.error
        chance = Z95**2 * float((probability * (1 - probability)).sum())
        down = float(shifted(probability, -half).sum())
        up = float(shifted(probability, half).sum())
        low = expected - np.sqrt((expected - down) ** 2 + chance)
        high = expected + np.sqrt((up - expected) ** 2 + chance)
        return max(0.0, float(np.floor(low))), min(float(probability.size), float(np.ceil(high)))


UNKNOWN = Level()


def learn_level(
    moment: Whole,
    horizon: int,
    probability: Floats,
    churned: Floats,
    forecasts: dict[int, tuple[Floats, Floats]],
) -> Level:
    """The level of the newest moments, and how far off such a level was at each earlier one.

    A moment's level is that of the moments up to one horizon before the newest that was over by then. Of moments in `forecasts` (probability, churned)
    the error is that of the forecast which did not know the outcome.
    """
    moments = np.unique(moment)
    rows = [moment == time for time in moments]
    deviation = np.array([deviation_of(probability[at], churned[at]) for at in rows])
    size = np.array([_information(probability[at]) for at in rows])
    errors, noise = [], []
    for place, time in enumerate(moments.tolist()):
        past = _newest(moments, time - horizon, horizon)
        if not past.any():
            continue
        error = deviation[place] - deviation[past].mean()
        if time in forecasts:
            error = deviation_of(*forecasts[time])
        errors.append(error)
        noise.append(1 / size[place])
    newest = _newest(moments, int(moments[-1]), horizon)
    horizons = _horizons(moments[len(moments) - len(errors) :], horizon) if errors else 0.0
    if horizons < FEWEST_HORIZONS:
        return UNKNOWN
    # Moments closer than a horizon share events: they are about as informative as the horizons that they span.
    own = 1 / size[newest].mean() / max(1.0, _horizons(moments[newest], horizon))
    squared = np.mean(np.square(errors)) - np.mean(noise)
    return Level(
        shift=float(deviation[newest].mean()),
        error=float(np.sqrt(max(squared, own))),
        freedom=horizons,
        moments=len(errors),
    )


def _newest(moments: Whole, until: int, horizon: int) -> NDArray[np.bool_]:
    """The newest moment up to `until`, and those up to a horizon before it."""
    over = moments <= until
    return over & (moments >= moments[over][-1] - horizon) if over.any() else over


def _horizons(moments: Whole, horizon: int) -> float:
    """How many horizons the labels of some moments span together."""
    return float(moments[-1] - moments[0]) / horizon + 1


def _information(probability: Floats) -> float:
    return max(float((probability * (1 - probability)).sum()), 1e-9)


def deviation_of(probability: Floats, churned: Floats) -> float:
    """What must be added to the log-odds so that as many churn as did (half a customer more or less where all or none did)."""
    wanted = min(max(float(churned.sum()), 0.5), churned.size - 0.5)
    shift = 0.0
    for _ in range(STEPS):
        now = shifted(probability, shift)
        step = (wanted - float(now.sum())) / _information(now)
        shift += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-9:
            break
    return shift


def shifted(probability: Floats, shift: float) -> Floats:
    """Probabilities whose log-odds are higher by so much."""
    if shift == 0.0:
        return probability
    return np.asarray(expit(logit(probability) + shift))

"""What is ordinary variation, and what is not: Laney's chart, the change from one period to the next, a direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from cjlib.analyses.scorecard.series import Bools, Floats, Ints, Series
from cjlib.shared.stats import Z95

FEWEST_PERIODS = 8
BAND, INNER = 3.0, 2.0
MOVING_RANGE = 1.128
"""d₂: the mean range of two standard normal numbers."""
RUN = 6
CHANCE = 2 * float(ndtr(-BAND)) + 4 * float(ndtr(-INNER)) ** 2
"""How often a period is flagged if nothing but chance is at work and errors are normal: outside the band, or one of two beyond 2σ on one side."""


@dataclass(frozen=True)
class Band:
    """The ordinary variation of a measure: centre, bounds and flags by period; all missing where fewer than 8 complete periods can be read.

    `spread` is σ_z: by how much periods vary beyond the chance of who was counted. `error` is that chance at each period's size.
    """

    centre: float
    low: Floats
    high: Floats
    error: Floats
    spread: float
    flagged: Bools
    judged: Bools

    @property
    def known(self) -> bool:
        """Whether there is a band."""
        return bool(self.judged.any())


def band_of(series: Series, complete: Bools) -> Band:
    """Laney's chart over the complete periods: centre ± 3·σ_z·error, σ_z = max(1, mean |z_i − z_(i−1)| / 1.128).

    A period is flagged if it lies outside the band, or if it and a neighbour lie beyond 2σ on one side.

    References
    ----------
    Laney, D. B. (2002). Improved control charts for attributes. Quality Engineering 14.
    """
    value, n = series.value, series.n
    used = complete & (n >= 1) & np.isfinite(value)
    nothing = np.full(value.size, np.nan)
    unknown = Band(
        float("nan"),
        nothing,
        nothing,
        nothing,
        float("nan"),
        np.zeros(value.size, dtype=bool),
        np.zeros(value.size, dtype=bool),
    )
    if used.sum() < FEWEST_PERIODS:
        return unknown
    centre, error = series.centre_and_error(used)
    if not (np.isfinite(centre) and (error[used] > 0).all()):
        return unknown
    z = (value - centre) / error
    spread = max(1.0, float(np.abs(np.diff(z[used])).mean()) / MOVING_RANGE)
    return Band(
        centre,
        centre - BAND * spread * error,
        centre + BAND * spread * error,
        error,
        spread,
        _flagged(z / spread, used),
        used,
    )


def _flagged(z: Floats, used: Bools) -> Bools:
    side = np.where(used & (np.abs(z) > INNER), np.sign(z), 0)
    pair = (side[1:] == side[:-1]) & (side[1:] != 0)
    flagged = used & (np.abs(z) > BAND)
    flagged[1:] |= pair
    flagged[:-1] |= pair
    return flagged


@dataclass(frozen=True)
class Change:
    """From one period to the next: the difference, its 95% CI and p under ordinary variation; NaN where it cannot be judged."""

    difference: float
    low: float
    high: float
    p_value: float


def change_of(value: Floats, n: Ints, band: Band, now: int, smallest: int) -> Change:
    """The change into period `now`: σ_z·√(error² + error²) around it. Judged only with a band, and with enough counted on both sides."""
    before = now - 1
    difference = float(value[now] - value[before]) if before >= 0 else float("nan")
    if not band.known or before < 0 or not (band.judged[now] and band.judged[before]):
        return Change(difference, float("nan"), float("nan"), float("nan"))
    half = band.spread * float(np.hypot(band.error[now], band.error[before]))
    low, high = difference - Z95 * half, difference + Z95 * half
    enough = min(n[now], n[before]) >= smallest
    return Change(
        difference, low, high, float(2 * ndtr(-abs(difference) / half)) if enough else float("nan")
    )


def direction_of(value: Floats, complete: Bools, now: int) -> int:
    """1 or −1 if each of the six periods up to `now` lies above, or below, the one before it; else 0."""
    begin = now - RUN
    if begin < 0 or not complete[begin : now + 1].all():
        return 0
    steps = np.sign(np.diff(value[begin : now + 1]))
    return int(steps[0]) if steps[0] != 0 and (steps == steps[0]).all() else 0

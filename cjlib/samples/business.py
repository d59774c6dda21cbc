"""What Northlight is: its year, its names, its prices, the effects planted in it, and the chance that its simulation draws from."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cjlib.errors import CjlibError, listed, not_one_of, shown

ZONE: Final = "Europe/Berlin"
DAY: Final = 86_400
START: Final = 1_735_686_000
"""2025-01-01 00:00 in Berlin, as seconds since 1970 UTC; every time of the simulation is counted so."""
END: Final = START + 365 * DAY
"""2026-01-01 00:00 in Berlin; nothing happens at or after it."""
NEVER: Final = 2**40
"""A moment that does not come."""
SUMMER_TIME: Final = (1_743_296_400, 1_761_440_400)
"""From when to when Berlin is two hours ahead of UTC in 2025."""
WINDOW: Final = 14 * DAY
"""The purchase funnel's window: whoever buys in time does so within it, counted from the first visit."""

EVENTS: Final = (
    "activate",
    "ad_click",
    "ad_impression",
    "banner_dismissed",
    "blog_visit",
    "cancel",
    "demo_video",
    "feature_automation",
    "feature_board",
    "feature_capture",
    "feature_coaching",
    "feature_reminder",
    "feature_report",
    "feature_template",
    "login",
    "onboarding_step",
    "payment",
    "pricing_view",
    "referral_accepted",
    "referral_sent",
    "renewal_due",
    "renewed",
    "review_posted",
    "signup",
    "signup_error",
    "subscribe",
    "survey_sent",
    "ticket_abandoned",
    "ticket_first_response",
    "ticket_opened",
    "ticket_reopened",
    "ticket_resolved",
    "ticket_waiting",
    "upgrade",
    "visit",
)
CHANNELS: Final = ("ad", "app", "email", "phone", "social", "store", "web")
DEVICES: Final = ("desktop", "mobile", "tablet")
PLANS: Final = ("basic", "pro", "business")
CAMPAIGNS: Final = ("always_on", "newsletter", "spring_push")
FEATURES: Final = tuple(name for name in EVENTS if name.startswith("feature_"))
STAGES: Final = (
    "Awareness",
    "Consideration",
    "Onboarding",
    "Purchase",
    "Usage",
    "Support",
    "Renewal",
    "Advocacy",
)
PERSONAS: Final = ("Planners", "On the go", "Guided")

PRICES: Final = (12.0, 29.0, 79.0)
PRICES_AFTER_CHANGE: Final = (15.0, 36.0, 95.0)

PRICE_CHANGE: Final = START + 181 * DAY - 3_600
"""2025-07-01 00:00 in Berlin."""
MOBILE_BREAK: Final = (START + 250 * DAY - 3_600, START + 271 * DAY - 3_600)
"""2025-09-08 00:00 to 2025-09-29 00:00 in Berlin."""
FORM_TEST: Final = (START + 90 * DAY - 3_600, START + 273 * DAY - 3_600)
"""2025-04-01 00:00 to 2025-10-01 00:00 in Berlin."""
CAMPAIGN_DAYS: Final = (131, 138)
"""2025-05-12 to 2025-05-18, as days since 1 January."""

EFFECTS: Final = (
    "mobile_signup_break",
    "email_converts_better",
    "price_change",
    "slow_support",
    "hated_onboarding",
    "payment_moment",
    "campaign_spike",
    "personas",
    "short_form",
)


def code(names: tuple[str, ...], name: str) -> int:
    """The number that stands for a name while the year is simulated."""
    return names.index(name)


def chosen_effects(effects: bool | Collection[str]) -> frozenset[str]:
    """The effects asked for: all, none, or those named."""
    if isinstance(effects, bool):
        return frozenset(EFFECTS if effects else ())
    if isinstance(effects, str) or not isinstance(effects, Collection):
        remedy = (
            f" For one effect write {{{shown(effects)}}}."
            if isinstance(effects, str)
            else f" The names are {listed(EFFECTS, most=20)}."
        )
        raise CjlibError(
            f"effects: must be True, False or a set of names. Got {shown(effects)}.{remedy}"
        )
    for name in sorted(effects, key=str):
        if name not in EFFECTS:
            raise not_one_of("effects", name, EFFECTS)
    return frozenset(effects)


Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

HOURS = np.cumsum(
    [4, 2, 1, 1, 1, 3, 10, 25, 45, 60, 65, 60, 55, 55, 58, 58, 55, 52, 50, 55, 58, 48, 28, 12],
    dtype=float,
)
"""How much happens in the hours of the local day, summed up."""


class Draws:
    """Uniform draws for one subject of one seed.

    Only `Generator.random` is used: its stream is the same on every machine, and every draw is compared or rounded before it is
    kept, so that the last bit of a logarithm cannot matter.
    """

    def __init__(self, seed: int, subject: str) -> None:
        self._generator = np.random.Generator(np.random.PCG64([seed, crc32(subject.encode())]))

    def uniform(self, *shape: int) -> Floats:
        """Numbers in [0, 1)."""
        return self._generator.random(shape)

    def happens(self, share: float | Floats, n: int) -> NDArray[np.bool_]:
        """What happens with the given probability, for n customers."""
        return self.uniform(n) < share

    def between(self, low: float, high: float, n: int) -> Whole:
        """Whole numbers of seconds (or of whatever), evenly spread over [low, high)."""
        return (low + (high - low) * self.uniform(n)).astype(np.int64)

    def skewed(self, low: float, high: float, n: int, power: int = 3) -> Whole:
        """Whole numbers in [low, high), most of them near `low`."""
        return (low + (high - low) * self.uniform(n) ** power).astype(np.int64)

    def bell(self, n: int) -> Floats:
        """Mean 0, standard deviation 1, never beyond 3.5: the sum of four uniform draws."""
        return (self.uniform(n, 4).sum(axis=1) - 2.0) * np.sqrt(3.0)

    def pick(self, weights: ArrayLike, n: int, row: NDArray[np.integer] | None = None) -> Whole:
        """Positions 0 … k − 1 with the given weights; with `row`, each draw uses that row of a table of weights."""
        table = np.atleast_2d(np.asarray(weights, dtype=float))
        summed = np.cumsum(table, axis=1) / table.sum(axis=1, keepdims=True)
        summed[:, -1] = 1.0
        which = np.zeros(n, dtype=np.int64) if row is None else np.asarray(row, dtype=np.int64)
        flat = (summed + np.arange(len(table))[:, None]).ravel()
        return np.searchsorted(flat, which + self.uniform(n), side="right") - which * table.shape[1]

    def clock(self, day: ArrayLike) -> Whole:
        """A moment of the given local days (days since 1 January), at an hour when people are about."""
        days = np.asarray(day, dtype=np.int64)
        scaled = self.uniform(len(days)) * HOURS[-1]
        hour = np.searchsorted(HOURS, scaled, side="right")
        local = START + days * DAY + hour * 3_600 + self.between(0, 3_600, len(days))
        return local - 3_600 * (
            (local >= SUMMER_TIME[0] + 3_600) & (local < SUMMER_TIME[1] + 3_600)
        )


def day_of(moment: Whole) -> Whole:
    """The local day a moment falls on, as days since 1 January (an hour near midnight in summer may count as its neighbour)."""
    return (moment - START) // DAY


Rows = dict[str, NDArray[Any]]

TYPES = {
    "person": np.int32,
    "time": np.int64,
    "event": np.int8,
    "channel": np.int8,
    "device": np.int8,
    "value": np.float64,
    "plan": np.int8,
    "ticket": np.int32,
    "agent": np.int8,
    "campaign": np.int8,
}


def rows(
    event: str | NDArray[np.integer],
    person: NDArray[np.integer],
    time: NDArray[np.int64],
    **properties: ArrayLike,
) -> Rows:
    """Events of some people; a property is a column or one value for all; events outside the year are left out."""
    inside = (time >= START) & (time < END)
    given = {
        "event": code(EVENTS, event) if isinstance(event, str) else event,
        "person": person,
        "time": time,
        **properties,
    }
    made: Rows = {}
    for name, kind in TYPES.items():
        value = np.asarray(given.get(name, np.nan if name == "value" else -1))
        made[name] = (
            np.full(int(inside.sum()), value, dtype=kind)
            if value.ndim == 0
            else value[inside].astype(kind)
        )
    return made


def joined(pieces: Iterable[Rows]) -> Rows:
    """All rows, one piece after the other."""
    every = list(pieces)
    return {name: np.concatenate([piece[name] for piece in every]) for name in TYPES}


def taken(source: Rows, which: NDArray[Any]) -> Rows:
    """Some of the rows."""
    return {name: column[which] for name, column in source.items()}

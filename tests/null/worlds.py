"""Businesses in which nothing happens, ten kinds, and the same ones with one effect of useful size planted.

Customers visit, sign up, activate and subscribe; then they use the product, pay, write tickets and answers, and leave. Which channel they came by, which plan and
region they have, when they came, what they did and what they said makes no difference, unless an effect says so.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cjlib as cj

BEGIN = pd.Timestamp("2024-01-01", tz="UTC")
NEWEST = 0.92
"""A late channel is launched after this part of the time."""
CHAIN = ("visit", "signup", "activate", "subscribe")
ACTIONS = {"login": 0.12, "search": 0.05, "share": 0.025, "export": 0.02}
"""Events a day of a subscriber, before the differences between customers."""
BROWSING = {"faq": 0.03, "blog": 0.05, "help": 0.02}
"""Events a day of everybody from the first visit on, for at most `BROWSED` days, whatever becomes of them."""
BROWSED = 90
SIGNS = 7 / 13
"""Share of visits that lead to a sign-up; with half of the others visiting again .7 of the visitors sign up in the end, as .7 go on from each later step."""
FUTURE = 28
"""Days after the end of data of which it is known who leaves."""
JOURNEY = """\
name: Nothing happens
timezone: UTC
sources: {events: events.parquet, feedback: feedback.parquet}
stages:
  - {name: Visit, touchpoints: [visit]}
  - {name: Signup, touchpoints: [signup]}
  - {name: Activate, touchpoints: [activate]}
  - {name: Use, touchpoints: [subscribe, login, search, share], expected_share: 0.4}
  - {name: Leave, touchpoints: [cancel]}
funnels: {purchase: {steps: [visit, signup, activate, subscribe], window: 21D}}
churn: {event: cancel, horizon: 28D}
value: {event: payment, amount: value}
map: {silent_after: 45D, outcome_after: 30D}
roles: {visit: visit, lead: signup, convert: subscribe}
milestones: {activation: activate}
scorecard: {period: month, periods: 12}
"""
_PHRASES = (
    "the dashboard loads quickly", "the price is high", "support answered at once", "the app crashed again", "easy to set up", "the invoice was confusing",
    "delivery took a week", "friendly staff", "too many emails", "great reports", "search is slow", "the export works", "cancelling was hard", "good value",
    "the login failed twice", "nice design", "missing an integration", "the manual helped", "waited on the phone", "works on my tablet", "the update broke filters",
    "clear pricing", "simple to share", "the bill was wrong", "fast checkout", "confusing menu", "reliable sync", "poor quality", "helpful chat", "useful templates",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """A kind of business. The defaults are those of a plain one; each kind changes one or two."""

    name: str
    customers: int = 1_200
    days: int = 364
    growth: float = 0.0
    """Of arrivals, over the whole time: 1 doubles them."""
    season: float = 0.0
    """Amplitude of arrivals and of use over the year."""
    weekend: float = 1.0
    """Arrivals and use on Saturdays and Sundays, beside other days."""
    spread: float = 0.5
    """Standard deviation of the logarithm of a customer's use and of a payment."""
    persistence: float = 0.0
    """Autocorrelation of arrivals from week to week (deviation .15), and of a customer's use (deviation .6)."""
    late_channel: bool = False
    contract: int = 0
    """Days of a contract: who leaves, leaves at the end of one."""
    answers: float = 0.6
    """Answers of a customer a 100 days."""
    mood: float = 0.3
    """Share of the variance of answers that lies between customers."""
    large_group: float = 0.5
    effect: str = ""

    def business(self, seed: int) -> Business:
        """One year of it."""
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        return replace(_simulated(self, rng), seed=seed)


WORLDS = {
    world.name: world
    for world in (
        World("growth", growth=1.5),
        World("season", season=0.1),
        World("weekly rhythm", weekend=0.3),
        World("heavy tails", spread=1.3),
        World("autocorrelation", persistence=0.6),
        World("late channel", late_channel=True),
        World("contracts", contract=90),
        World("repeated answers", answers=4.0, mood=0.6),
        World("unequal n", large_group=0.94),
        World("tiny n", customers=130),
    )
}


@dataclass(frozen=True, eq=False)
class Business:
    """The tables of a business, and what is made of them once."""

    world: World
    events: pd.DataFrame
    answers: pd.DataFrame
    customers: pd.DataFrame
    leaves: np.ndarray
    """The day on which each customer leaves, also after the end of data; infinite where nobody does or nobody subscribed."""
    seed: int = 0

    @property
    def end(self) -> pd.Timestamp:
        """The end of data."""
        return BEGIN + pd.Timedelta(days=self.world.days)

    @cached_property
    def log(self) -> cj.EventLog:
        """All events."""
        return cj.read_events(self.events, customers=self.customers, observed_until=self.end)

    @cached_property
    def subscribers(self) -> cj.EventLog:
        """What subscribers do from subscribing on."""
        here = self.events[self.events["event"].isin(["subscribe", *ACTIONS, "cancel"])]
        return cj.read_events(
            here.drop(columns=["channel", "value"]),
            customers=self.customers,
            observed_until=self.end,
        )

    @cached_property
    def feedback(self) -> cj.Feedback:
        """All answers."""
        return cj.read_feedback(self.answers)

    @cached_property
    def journey(self) -> cj.Journey:
        """Its journey file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "journey.yml"
            path.write_text(JOURNEY)
            return cj.read_journey(path)

    @cached_property
    def made(self) -> dict[str, Any]:
        """Results that several sentences are read from, by name."""
        return {}


def planted(effect: str, **changes: Any) -> World:
    """A plain business with an effect."""
    return replace(World(f"plain, {effect}", effect=effect), **changes)


def _simulated(world: World, rng: np.random.Generator) -> Business:
    n, days = world.customers, world.days
    level = _level(world, rng)
    arrival = _drawn_days(n, level * np.linspace(1, 1 + world.growth, days), rng)
    plan = np.where(rng.random(n) < world.large_group, "basic", "pro")
    region = rng.choice(["north", "south", "east", "west"], n)
    activity = np.exp(world.spread * rng.normal(size=n) - world.spread**2 / 2)
    rows = _Rows()
    channel, reached, at = _acquired(world, rng, arrival, rows)
    start = np.where(reached == len(CHAIN), at, np.inf)
    hazard = np.where((world.effect == "plan churns") & (plan == "basic"), 0.012, 0.006)
    left = start + _stay(world, rng, hazard)
    _browsed(rng, rows, arrival)
    answers = _answered(world, rng, start, np.minimum(left, days), arrival)
    if world.effect == "complaints leave":
        left = _after_complaints(rng, answers, left)
    _used(world, rng, rows, level, activity, (start, np.minimum(left, days)))
    _paid(world, rng, rows, plan, start, np.minimum(left, days))
    gone = np.flatnonzero(left < days)
    rows.add(gone, "cancel", left[gone])
    tickets = np.flatnonzero(rng.random(n) < 0.3)
    rows.add(tickets, "ticket", arrival[tickets] + rng.uniform(0, 60, tickets.size))
    events = rows.frame(days)
    ids = _ids(np.arange(n))
    table = pd.DataFrame({"customer_id": ids, "plan": plan, "region": region})
    return Business(world, events.assign(channel=_channels(events, channel)), answers, table, left)


class _Rows:
    """Events as they are made."""

    def __init__(self) -> None:
        self.parts: list[pd.DataFrame] = []

    def add(self, who: np.ndarray, event: str, day: np.ndarray, value: Any = np.nan) -> None:
        """Events of a name: customer positions and days since the begin."""
        self.parts.append(pd.DataFrame({"who": who, "event": event, "day": day, "value": value}))

    def frame(self, days: float) -> pd.DataFrame:
        """Those before the end of data."""
        told = pd.concat([part for part in self.parts if len(part)], ignore_index=True)
        told = told[told["day"] < days].sort_values(["who", "day"], ignore_index=True)
        return told.assign(customer_id=_ids(told["who"]), timestamp=moments(told["day"]))[
            ["customer_id", "event", "timestamp", "value"]
        ]


def moments(day: Any) -> pd.DatetimeIndex:
    """Days since the begin as instants."""
    return (BEGIN + pd.to_timedelta(np.asarray(day, dtype=float), unit="D")).as_unit("us")


def _ids(who: Any) -> np.ndarray:
    return np.char.add("c", np.char.zfill(np.asarray(who).astype(str), 5))


def _level(world: World, rng: np.random.Generator) -> np.ndarray:
    """How busy each day is, 1 on average: season, weekend and weeks that are alike."""
    day = np.arange(world.days)
    level = 1 + world.season * np.sin(2 * np.pi * day / 365.25)
    level *= np.where(day % 7 >= 5, world.weekend, 1.0)
    if world.persistence:
        weeks = np.zeros(world.days // 7 + 1)
        for week in range(1, weeks.size):
            shock = rng.normal() * np.sqrt(1 - world.persistence**2)
            weeks[week] = world.persistence * weeks[week - 1] + shock
        level *= np.exp(0.15 * weeks[day // 7])
    return level


def _drawn_days(n: int, level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Days drawn in proportion to a level, in order."""
    return np.sort(rng.choice(level.size, n, p=level / level.sum()) + rng.random(n))


def _acquired(
    world: World, rng: np.random.Generator, arrival: np.ndarray, rows: _Rows
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Visits until one leads to a sign-up, then the rest of the chain: the channel of each visit, the steps reached, and when the last was reached."""
    n = arrival.size
    open_, at, reached, seen = np.ones(n, dtype=bool), arrival.copy(), np.ones(n, dtype=int), []
    for _ in range(5):
        who = np.flatnonzero(open_)
        channel = np.where(rng.random(who.size) < world.large_group, "ads", "web")
        if world.late_channel:
            launched = (at[who] > NEWEST * world.days) & (rng.random(who.size) < 0.5)
            channel = np.where(launched, "new", channel)
        rows.add(who, "visit", at[who])
        seen.append(pd.DataFrame({"who": who, "day": at[who], "channel": channel}))
        chance = np.where((world.effect == "channel converts") & (channel == "ads"), 0.75, SIGNS)
        signs = rng.random(who.size) < chance
        reached[who[signs]] = 2
        again = ~signs & (rng.random(who.size) < 0.5)
        open_[:] = False
        open_[who[again]] = True
        at[who[again]] += rng.exponential(14, int(again.sum()))
    demo = rng.random(n) < 0.3
    rows.add(np.flatnonzero(demo), "demo", arrival[demo] + 0.001)
    for step, name in enumerate(CHAIN[1:], start=2):
        who = np.flatnonzero(reached == step)
        at[who] += np.minimum(rng.exponential(2, who.size), 6.5)
        rows.add(who, name, at[who])
        late = at[who] > world.days / 2
        chance = np.where((world.effect == "conversion rises") & (step == 2) & late, 0.85, 0.7)
        if step < len(CHAIN):
            chance = np.where((world.effect == "demo converts") & demo[who], 0.95, chance)
            reached[who[rng.random(who.size) < chance]] = step + 1
    return pd.concat(seen), reached, at


def _browsed(rng: np.random.Generator, rows: _Rows, arrival: np.ndarray) -> None:
    """What everybody looks at, at the same rates."""
    for name, rate in BROWSING.items():
        who = np.repeat(np.arange(arrival.size), rng.poisson(rate * BROWSED, arrival.size))
        rows.add(who, name, arrival[who] + BROWSED * rng.random(who.size))


def _stay(world: World, rng: np.random.Generator, hazard: np.ndarray) -> np.ndarray:
    """Days from subscribing to leaving."""
    stay = rng.exponential(1 / hazard)
    return stay if not world.contract else np.ceil(stay / world.contract) * world.contract


def _used(
    world: World,
    rng: np.random.Generator,
    rows: _Rows,
    level: np.ndarray,
    activity: np.ndarray,
    stay: tuple[np.ndarray, np.ndarray],
) -> None:
    """Use from subscribing to leaving, at each customer's own rate, which may drift from week to week."""
    start, end = stay
    n = start.size
    drift, keep = np.zeros(n), world.persistence
    peak = level.max()
    later = np.where((world.effect == "cohorts return less") & (start > world.days / 2), 0.5, 1.0)
    kind = rng.integers(0, 2, n)
    for week in range(world.days // 7):
        drift = keep * drift + np.sqrt(1 - keep**2) * rng.normal(size=n)
        pace = activity * later * (np.exp(0.6 * drift) if keep else 1.0)
        for place, (name, rate) in enumerate(ACTIONS.items()):
            favoured = 3.0 if world.effect == "two kinds" else 1.0
            of_kind = np.where(kind == place % 2, favoured, 1 / favoured)
            many = rng.poisson(7 * rate * peak * pace * of_kind)
            who = np.repeat(np.arange(n), many)
            day = 7 * week + 7 * rng.random(who.size)
            busy = level[day.astype(int)] / peak > rng.random(who.size)
            there = busy & (day > start[who]) & (day < end[who])
            rows.add(who[there], name, day[there])


def _paid(
    world: World,
    rng: np.random.Generator,
    rows: _Rows,
    plan: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
) -> None:
    """A payment about every 30 days, of an amount around each customer's own."""
    own = 20 * np.exp(world.spread * rng.normal(size=start.size))
    own = np.where((world.effect == "plan is worth more") & (plan == "pro"), 1.6 * own, own)
    for number in range(world.days // 30 + 1):
        day = start + 30 * number + rng.uniform(0.01, 2, start.size)
        who = np.flatnonzero(day < end)
        rows.add(who, "payment", day[who], own[who] * np.exp(0.2 * rng.normal(size=who.size)))


_TOUCHPOINTS = {"Visit": "visit", "Signup": "signup", "Activate": "activate", "Use": "login"}


def _answered(
    world: World, rng: np.random.Generator, start: np.ndarray, end: np.ndarray, arrival: np.ndarray
) -> pd.DataFrame:
    """Answers at a steady rate from the first visit on: NPS and a comment, whose words have nothing to do with the score."""
    until = np.where(np.isfinite(start), end, np.minimum(arrival + 60, world.days))
    many = rng.poisson(world.answers * np.maximum(until - arrival, 0) / 100)
    who = np.repeat(np.arange(arrival.size), many)
    day = arrival[who] + rng.random(who.size) * (until - arrival)[who]
    stage = rng.choice(["Visit", "Signup", "Activate", "Use"], who.size)
    own = rng.normal(size=arrival.size)
    mood = np.sqrt(world.mood) * own[who] + np.sqrt(1 - world.mood) * rng.normal(size=who.size)
    if world.effect == "stage disappoints":
        mood -= 0.6 * (stage == "Activate")
    if world.effect == "mood falls":
        mood -= 0.6 * (day > world.days / 2)
    nps = np.clip(np.round(7.6 + 2.2 * mood), 0, 10)
    return pd.DataFrame(
        {
            "customer_id": _ids(who),
            "timestamp": moments(day),
            "nps": nps,
            "text": np.where(rng.random(who.size) < 0.5, _comments(world, rng, who, nps), None),
            "stage": stage,
            "touchpoint": pd.Series(stage).map(_TOUCHPOINTS).to_numpy(),
            "solicited": rng.random(who.size) < 0.7,
        }
    )


def _comments(
    world: World, rng: np.random.Generator, who: np.ndarray, nps: np.ndarray
) -> np.ndarray:
    """Two phrases each; where answers are repeated, everybody has favourite ones."""
    favourite = rng.integers(0, len(_PHRASES), (int(who.max(initial=0)) + 1, 3))
    chosen = rng.integers(0, len(_PHRASES), (who.size, 2))
    own = rng.random((who.size, 2)) < world.mood
    picks = rng.integers(0, 3, (who.size, 2))
    chosen = np.where(own, favourite[who[:, None], picks], chosen)
    if world.effect == "a word complains":
        slow = _PHRASES.index("search is slow")
        chosen[:, 0] = np.where((nps <= 6) & (rng.random(who.size) < 0.25), slow, chosen[:, 0])
    phrases = np.array(_PHRASES, dtype=object)
    return phrases[chosen[:, 0]] + ", and " + phrases[chosen[:, 1]] + "."


def _after_complaints(
    rng: np.random.Generator, answers: pd.DataFrame, left: np.ndarray
) -> np.ndarray:
    """A complaint makes 15 in 100 leave within 30 days."""
    bad = answers[answers["nps"] <= 6]
    who = bad["customer_id"].str[1:].astype(int).to_numpy()
    day = (bad["timestamp"] - BEGIN) / pd.Timedelta(days=1) + rng.uniform(1, 29, len(bad))
    leaves = (rng.random(len(bad)) < 0.15) & np.isfinite(left[who])
    earliest = np.full(left.size, np.inf)
    np.minimum.at(earliest, who[leaves], day.to_numpy()[leaves])
    return np.minimum(left, earliest)


def _channels(events: pd.DataFrame, seen: pd.DataFrame) -> Mapping[Any, Any]:
    """The channel of each visit, and of nothing else."""
    keyed = seen.assign(customer_id=_ids(seen["who"]), timestamp=moments(seen["day"]))
    held = keyed.drop_duplicates(["customer_id", "timestamp"]).set_index(
        ["customer_id", "timestamp"]
    )["channel"]
    visits = pd.MultiIndex.from_frame(events[["customer_id", "timestamp"]])
    return held.reindex(visits).where((events["event"] == "visit").to_numpy()).to_numpy()

"""Intervals whose truth is known: how often each holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from worlds import moments

import cjlib as cj
from cjlib.shared.comparison import group_means_against_others, known_at_once

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Interval:
    """An interval that a result prints, and what it should hold."""

    name: str
    truth: float
    draw: Callable[[np.random.Generator], Bounds]


def _bounds(row: Any, low: str = "low", high: str = "high") -> Bounds:
    return float(row[low]), float(row[high])


def _repeated(rng: np.random.Generator, customers: int, each: int, within: float) -> pd.DataFrame:
    """Answers of customers with moods of their own: 40% promoters and 20% detractors."""
    own, now = rng.normal(size=(customers, 1)), rng.normal(size=(customers, each))
    mood = (np.sqrt(within) * own + np.sqrt(1 - within) * now).ravel()
    return pd.DataFrame(
        {
            "customer_id": np.repeat(np.arange(customers), each).astype(str),
            "timestamp": moments(rng.uniform(0, 90, customers * each)),
            "nps": np.where(mood > ndtri(0.6), 10, np.where(mood < ndtri(0.2), 3, 8)),
        }
    )


def nps(customers: int, each: int, within: float) -> Callable[[np.random.Generator], Bounds]:
    """NPS +20."""

    def draw(rng: np.random.Generator) -> Bounds:
        answers = cj.read_feedback(_repeated(rng, customers, each, within))
        return _bounds(cj.nps(answers).table.iloc[0])

    return draw


def weighted_csat(rng: np.random.Generator) -> Bounds:
    """95% satisfied in two sources of ten answers, weighted alike."""
    answers = pd.DataFrame(
        {
            "timestamp": moments(np.linspace(0, 30, 20)),
            "csat": np.where(rng.random(20) < 0.95, 5, 1),
            "source": ["a"] * 10 + ["b"] * 10,
        }
    )
    told = cj.csat(cj.read_feedback(answers), by="source", weights={"a": 0.5, "b": 0.5})
    return _bounds(told.table.iloc[-1])


def recurring(rng: np.random.Generator) -> Bounds:
    """Thirty customers, each active in a week with a chance of its own (Beta 2, 3): who was active in one week is so in the next with .5."""
    chance = rng.beta(2, 3, 30)
    active = rng.random((30, 14)) < chance[:, None]
    who, week = np.nonzero(active)
    events = pd.DataFrame(
        {
            "customer_id": who.astype(str),
            "event": "visit",
            "timestamp": moments(7 * week + 1 + 5 * rng.random(who.size)),
        }
    )
    log = cj.read_events(events, observed_until=moments(7 * 14))
    average = cj.retention(log, period="week", periods=4, cohort="recurring").average
    return _bounds(average[average["period"] == 1].iloc[0], "share_low", "share_high")


def survival(rng: np.random.Generator) -> Bounds:
    """The share there after 60 days, of 200 who leave at 1% a day."""
    start = rng.uniform(0, 120, 200)
    left = start + rng.exponential(100, 200)
    gone = np.flatnonzero(left < 180)
    events = pd.DataFrame(
        {
            "customer_id": np.concatenate([np.arange(200), gone]).astype(str),
            "event": ["start"] * 200 + ["cancel"] * gone.size,
            "timestamp": moments(np.concatenate([start, left[gone]])),
        }
    )
    table = cj.survival(
        cj.read_events(events, observed_until=moments(180)), churn_event="cancel"
    ).table
    row = table[table["day"] < 60].iloc[-1]
    return _bounds(row, "share_surviving_low", "share_surviving_high")


def conversion(rng: np.random.Generator) -> Bounds:
    """Of 200 visitors 30% buy."""
    buys = np.flatnonzero(rng.random(200) < 0.3)
    start = rng.uniform(0, 60, 200)
    events = pd.DataFrame(
        {
            "customer_id": np.concatenate([np.arange(200), buys]).astype(str),
            "event": ["visit"] * 200 + ["buy"] * buys.size,
            "timestamp": moments(np.concatenate([start, start[buys] + 1])),
        }
    )
    log = cj.read_events(events, observed_until=moments(90))
    told = cj.funnel(log, ["visit", "buy"], window="7D").metrics["conversion"]
    return _bounds(told)


def audited(labels: int) -> Callable[[np.random.Generator], Bounds]:
    """The share of negative texts, 30%, by a model that is right in 80%, and few labels."""
    good, bad = "great, easy and helpful", "terrible, slow and broken"

    def draw(rng: np.random.Generator) -> Bounds:
        negative = rng.random(400) < 0.3
        looks = np.where(rng.random(400) < 0.8, negative, ~negative)
        words = np.where(looks, bad, good).astype(object)
        answers = pd.DataFrame(
            {
                "feedback_id": [f"f{i:03d}" for i in range(400)],
                "timestamp": moments(rng.uniform(0, 30, 400)),
                "text": [f"{text} {number}" for number, text in enumerate(words)],
            }
        )
        people = answers.iloc[rng.choice(400, labels, replace=False)]
        label = np.where(negative[people.index], "negative", "positive")
        audit = people[["feedback_id"]].assign(label=label)
        return _bounds(cj.sentiment(cj.read_feedback(answers), audit=audit).table.iloc[0])

    return draw


def difference_of_groups(rng: np.random.Generator) -> Bounds:
    """Of 60 visitors of one channel half buy, of 300 of the other 40%."""
    buys = np.concatenate([rng.random(60) < 0.5, rng.random(300) < 0.4])
    who = np.flatnonzero(buys)
    channel = np.repeat(["a", "b"], [60, 300])
    start = rng.uniform(0, 60, 360)
    events = pd.DataFrame(
        {
            "customer_id": np.concatenate([np.arange(360), who]).astype(str),
            "event": ["visit"] * 360 + ["buy"] * who.size,
            "timestamp": moments(np.concatenate([start, start[who] + 1])),
            "channel": np.concatenate([channel, channel[who]]),
        }
    )
    log = cj.read_events(events, observed_until=moments(90))
    table = cj.funnel(log, ["visit", "buy"], window="7D", by="channel").comparisons
    return _bounds(table[table["channel"] == "a"].iloc[0], "difference_low", "difference_high")


def difference_of_values(rng: np.random.Generator) -> Bounds:
    """Payments with a long tail, 40 customers of one group and 200 of the other, the same in both."""
    values = rng.lognormal(0, 1, 240)
    compared = group_means_against_others(
        "value", np.repeat([0, 1], [40, 200]), values, 1, follow_up=known_at_once("now")
    )
    return float(compared.low[0]), float(compared.high[0])


def difference_of_scores(each: int) -> Callable[[np.random.Generator], Bounds]:
    """NPS of two stages with the same answers, by customers who answered at both."""

    def draw(rng: np.random.Generator) -> Bounds:
        answers = _repeated(rng, 60, 2 * each, 0.4)
        answers = answers.assign(stage=np.tile(["a", "b"], 60 * each))
        told = cj.nps(cj.read_feedback(answers), by="stage").against_others.iloc[0]
        return _bounds(told, "difference_low", "difference_high")

    return draw


def csat(customers: int) -> Callable[[np.random.Generator], Bounds]:
    """90% satisfied."""

    def draw(rng: np.random.Generator) -> Bounds:
        answers = pd.DataFrame(
            {
                "timestamp": moments(np.linspace(0, 30, customers)),
                "csat": np.where(rng.random(customers) < 0.9, 5, 2),
            }
        )
        return _bounds(cj.csat(cj.read_feedback(answers)).table.iloc[0])

    return draw


INTERVALS = (
    Interval("conversion, n = 200", 0.3, conversion),
    Interval("survival after 60 days, n = 200", float(np.exp(-0.6)), survival),
    Interval("retention, recurring cohorts of 30 customers", 0.5, recurring),
    Interval("NPS, 500 customers once", 20.0, nps(500, 1, 0.5)),
    Interval("NPS, 100 customers 5 times", 20.0, nps(100, 5, 0.3)),
    Interval("NPS, 50 customers 10 times", 20.0, nps(50, 10, 0.5)),
    Interval("CSAT weighted, n = 20", 0.95, weighted_csat),
    Interval("NPS, 10 customers once", 20.0, nps(10, 1, 0.5)),
    Interval("CSAT, n = 20", 0.9, csat(20)),
    Interval("CSAT, n = 200", 0.9, csat(200)),
    Interval("difference of conversion, n = 60 and 300", 0.1, difference_of_groups),
    Interval("difference of values, n = 40 and 200", 0.0, difference_of_values),
    Interval("difference of NPS, 60 customers twice", 0.0, difference_of_scores(1)),
    Interval("negative texts, 20 labels", 0.3, audited(20)),
    Interval("negative texts, 60 labels", 0.3, audited(60)),
)


def covered(interval: Interval, seeds: Iterable[int]) -> int:
    """In how many of the worlds the interval holds the truth."""
    held = 0
    for seed in seeds:
        low, high = interval.draw(np.random.default_rng([seed, 3]))
        held += low <= interval.truth <= high
    return held

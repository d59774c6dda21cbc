"""Intervals whose truth is known: how often each holds it. Samples are groups of one business, so that many cost little more than one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import hyp2f1, ndtri
from worlds import moments

import cjlib as cj
from cjlib.analyses.churn.model.metrics import by_segment
from cjlib.shared.clustered_comparison import compare_answers
from cjlib.shared.comparison import compare_shares, group_means_against_others, known_at_once
from cjlib.shared.repeated_answers import CustomerAnswers
from cjlib.shared.stats import mean_interval

BATCH = 40
"""Samples drawn together."""
NOW = known_at_once("now")
Bounds = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Interval:
    """An interval that a result prints, and what it should hold."""

    name: str
    truth: float
    draw: Callable[[np.random.Generator, int], Bounds]
    """Lower and upper bounds of so many samples."""
    samples: int = 1_000


def _bounds(table: pd.DataFrame, low: str = "low", high: str = "high") -> Bounds:
    return table[low].to_numpy(dtype=float), table[high].to_numpy(dtype=float)


def _each(samples: int, customers: int) -> np.ndarray:
    """The sample of each customer, as text."""
    return np.repeat(np.char.add("s", np.arange(samples).astype(str)), customers)


def _log(
    sample: np.ndarray, rows: list[tuple[str, np.ndarray, np.ndarray]], end: float
) -> cj.EventLog:
    """Events of customers: a name, who, and on which day."""
    parts = [
        pd.DataFrame({"customer_id": who.astype(str), "event": event, "timestamp": moments(day), "sample": sample[who]})
        for event, who, day in rows
    ]  # fmt: skip
    return cj.read_events(pd.concat(parts, ignore_index=True), observed_until=moments(end))


# ---- journeys ---------------------------------------------------------------------------------------------------


def conversion(customers: int) -> Callable[[np.random.Generator, int], Bounds]:
    """30% buy."""

    def draw(rng: np.random.Generator, samples: int) -> Bounds:
        n = samples * customers
        start, buys = rng.uniform(0, 60, n), np.flatnonzero(rng.random(n) < 0.3)
        rows = [("visit", np.arange(n), start), ("buy", buys, start[buys] + 1)]
        log = _log(_each(samples, customers), rows, 90)
        table = cj.funnel(log, ["visit", "buy"], window="7D", by="sample").table
        return _bounds(table[table["step"] == 2], "share_of_first_low", "share_of_first_high")

    return draw


def cell(customers: int) -> Callable[[np.random.Generator, int], Bounds]:
    """Of a cohort 40% are active in the second week."""

    def draw(rng: np.random.Generator, samples: int) -> Bounds:
        n = samples * customers
        back = np.flatnonzero(rng.random(n) < 0.4)
        rows = [("visit", np.arange(n), np.full(n, 0.5)), ("visit", back, rng.uniform(8, 13, back.size))]  # fmt: skip
        log = _log(_each(samples, customers), rows, 40)
        table = cj.retention(log, period="week", periods=3, by="sample").table
        return _bounds(table[table["period"] == 1], "share_low", "share_high")

    return draw


def recurring(rng: np.random.Generator, samples: int) -> Bounds:
    """Thirty customers, each active in a week with a chance of its own (Beta 2, 3): who was active in one week is so in the next with .5."""
    chance = rng.beta(2, 3, 30 * samples)
    who, week = np.nonzero(rng.random((30 * samples, 14)) < chance[:, None])
    rows = [("visit", who, 7 * week + 1 + 5 * rng.random(who.size))]
    log = _log(_each(samples, 30), rows, 7 * 14)
    average = cj.retention(log, period="week", periods=4, cohort="recurring", by="sample").average
    return _bounds(average[average["period"] == 1], "share_low", "share_high")


def survival(customers: int) -> Callable[[np.random.Generator, int], Bounds]:
    """The share there after 60 days, of customers who leave at 1% a day."""

    def draw(rng: np.random.Generator, samples: int) -> Bounds:
        n = samples * customers
        start = rng.uniform(0, 120, n)
        left = start + rng.exponential(100, n)
        gone = np.flatnonzero(left < 180)
        log = _log(_each(samples, customers), [("start", np.arange(n), start), ("cancel", gone, left[gone])], 180)  # fmt: skip
        table = cj.survival(log, churn_event="cancel", by="sample").table
        last = table[table["day"] < 60].groupby("sample").tail(1)
        return _bounds(last, "share_surviving_low", "share_surviving_high")

    return draw


def difference_of_groups(rng: np.random.Generator, samples: int) -> Bounds:
    """Of 60 visitors of one channel half buy, of 300 of the other 40%."""
    counts = rng.binomial(60, 0.5, samples), rng.binomial(300, 0.4, samples)
    compared = compare_shares("conversion", counts[0], 60, counts[1], 300, follow_up=NOW)
    return compared.low, compared.high


def difference_of_values(rng: np.random.Generator, samples: int) -> Bounds:
    """Payments with a long tail, 40 customers of one group and 200 of the other, the same in both."""
    group = np.repeat([0, 1], [40, 200])
    compared = [
        group_means_against_others("value", group, rng.lognormal(0, 1, 240), 1, follow_up=NOW)
        for _ in range(samples)
    ]
    return np.array([each.low[0] for each in compared]), np.array([each.high[0] for each in compared])  # fmt: skip


def value(rng: np.random.Generator, samples: int) -> Bounds:
    """The mean amount of 200 customers, 30 with a long tail."""
    drawn = [mean_interval(rng.lognormal(np.log(30) - 0.32, 0.8, 200)) for _ in range(samples)]
    low, high = np.array(drawn).T
    return low, high


def lift(rng: np.random.Generator, samples: int) -> Bounds:
    """Of the tenth with the highest scores 50% leave, of the others a ninth: 15% of all, lift 10/3."""
    risky = np.tile(np.arange(600) < 60, samples)
    rows = pd.DataFrame(
        {
            "customer_id": np.arange(risky.size).astype(str),
            "churn_probability": np.where(risky, 0.5, 0.1) + rng.uniform(0, 0.05, risky.size),
            "churned": rng.random(risky.size) < np.where(risky, 0.5, 1 / 9),
        }
    )
    return _bounds(by_segment(rows, _each(samples, 600)), "lift_low", "lift_high")


def _often(rng: np.random.Generator, customers: int) -> tuple[np.ndarray, np.ndarray]:
    """Of rows of which customers have 1 to some dozens, whose each is, and whether it is of a kind: 30%, with a share of each customer's own."""
    many = rng.geometric(0.1, customers)
    who = np.repeat(np.arange(customers), many)
    return who, rng.random(who.size) < rng.beta(1.5, 3.5, customers)[who]


def moves(rng: np.random.Generator, samples: int) -> Bounds:
    """30% of what follows "look" is "buy", of 100 customers who look up to dozens of times."""
    n = samples * 100
    who, buys = _often(rng, n)
    day = np.arange(who.size) * 0.001
    rows = [("look", who, day), ("buy", who[buys], day[buys] + 0.0005), ("leave", who[~buys], day[~buys] + 0.0005)]  # fmt: skip
    table = cj.transitions(_log(_each(samples, 100), rows, 10_000), by="sample").table
    return _bounds(table[(table["source"] == "look") & (table["target"] == "buy")], "share_of_source_low", "share_of_source_high")  # fmt: skip


def _visits(rng: np.random.Generator) -> cj.EventLog:
    """Visits of 80 customers, each a look, or in 30% a look and no more but a question."""
    who, asks = _often(rng, 80)
    day = np.arange(who.size) * 0.1
    rows = [("look", who, day), ("ask", who[asks], day[asks] + 0.001)]
    return _log(_each(1, 80), rows, 10_000)


def route(rng: np.random.Generator, samples: int) -> Bounds:
    """30% of visits lead from "look" to "ask", of 80 customers with up to dozens of visits."""
    tables = [cj.paths(_visits(rng), session_gap="30min").sequences for _ in range(samples)]
    rows = pd.concat([table[table["path"] == "look → ask"] for table in tables])
    return _bounds(rows, "share_of_paths_low", "share_of_paths_high")


def single(rng: np.random.Generator, samples: int) -> Bounds:
    """70% of visits are a single event, of 80 customers with up to dozens of visits."""
    tables = [cj.sessions(_visits(rng), gap="30min").lengths for _ in range(samples)]
    return _bounds(pd.concat([table.iloc[:1] for table in tables]), "share_low", "share_high")


# ---- value --------------------------------------------------------------------------------------------------------

RATE, DROPOUT, SPENT = (0.8, 6.0), (1.2, 3.0), (6.0, 4.0, 15.0)
"""Purchases a week are Gamma(r, α), the chance to be gone after one Beta(a, b), and what a purchase brings is Gamma(p, ν) with ν of Gamma(q, v)."""
WATCHED, HORIZON, BEGINNING = 52.0, 12.0, 26.0
"""Weeks of the log, of the forecast, and in which customers begin."""


def _in_the_first(weeks: np.ndarray) -> np.ndarray:
    """Expected repeat purchases of a new customer in so many weeks (Fader, Hardie & Lee 2005, equation 9)."""
    (r, alpha), (a, b) = RATE, DROPOUT
    series = hyp2f1(r, b, a + b - 1, weeks / (alpha + weeks))
    return (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + weeks)) ** r * series)


def _yet_to_come() -> float:
    """What a customer of the business below is expected to bring within the horizon."""
    p, q, v = SPENT
    age = np.linspace(WATCHED - BEGINNING, WATCHED, 10_001)
    return float((_in_the_first(age + HORIZON) - _in_the_first(age)).mean() * p * v / (q - 1))


def _purchases(rng: np.random.Generator, customers: int) -> cj.EventLog:
    """Customers who buy until they are gone, in two channels that differ in nothing."""
    (r, alpha), (a, b), (p, q, v) = RATE, DROPOUT, SPENT
    rate, gone = rng.gamma(r, 1 / alpha, customers), rng.beta(a, b, customers)
    spends = rng.gamma(q, 1 / v, customers)
    at, who = rng.uniform(0, BEGINNING, customers), np.arange(customers)
    rows = [(who, at.copy(), rng.gamma(p, 1 / spends))]
    while who.size:
        at[who] += rng.exponential(1 / rate[who])
        who = who[at[who] < WATCHED]
        rows.append((who, at[who], rng.gamma(p, 1 / spends[who])))
        who = who[rng.random(who.size) >= gone[who]]
    buyer, week, worth = (np.concatenate(part) for part in zip(*rows, strict=True))
    frame = pd.DataFrame(
        {
            "customer_id": buyer.astype(str),
            "event": "buy",
            "timestamp": moments(7 * week),
            "value": worth,
            "channel": np.where(buyer % 2, "web", "shop"),
        }
    )
    return cj.read_events(frame, observed_until=moments(7 * WATCHED), duplicates="keep")


def forecast(rng: np.random.Generator, samples: int) -> Bounds:
    """What 300 customers are expected to bring within 12 weeks, each."""
    values = [cj.customer_value(_purchases(rng, 300), horizon="84D") for _ in range(samples)]
    drawn = pd.DataFrame([one.metrics["expected_value"] for one in values])
    return _bounds(drawn[["low", "high"]] / 300)


def forecast_of_group(rng: np.random.Generator, samples: int) -> Bounds:
    """The same of one channel with half of 300 customers."""
    tables = []
    for _ in range(samples):
        log = _purchases(rng, 300)
        table = cj.value_by(cj.customer_value(log, horizon="84D"), log, by="channel").table
        tables.append(table[table["channel"] == "web"])
    return _bounds(pd.concat(tables), "mean_low", "mean_high")


# ---- feedback ---------------------------------------------------------------------------------------------------


def _nps(rng: np.random.Generator, customers: int, each: int, within: float) -> pd.DataFrame:
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


def nps(customers: int, each: int, within: float) -> Callable[[np.random.Generator, int], Bounds]:
    """NPS +20."""

    def draw(rng: np.random.Generator, samples: int) -> Bounds:
        answers = _nps(rng, samples * customers, each, within)
        answers = answers.assign(stage=_each(samples, customers * each))
        return _bounds(cj.nps(cj.read_feedback(answers), by="stage").table)

    return draw


def csat(customers: int) -> Callable[[np.random.Generator, int], Bounds]:
    """90% satisfied."""

    def draw(rng: np.random.Generator, samples: int) -> Bounds:
        n = samples * customers
        answers = pd.DataFrame(
            {
                "timestamp": moments(np.linspace(0, 30, n)),
                "csat": np.where(rng.random(n) < 0.9, 5, 2),
                "stage": _each(samples, customers),
            }
        )
        return _bounds(cj.csat(cj.read_feedback(answers), by="stage").table)

    return draw


def weighted_csat(rng: np.random.Generator, samples: int) -> Bounds:
    """95% satisfied in two sources of ten answers, weighted alike."""
    rows = []
    for _ in range(samples):
        answers = pd.DataFrame(
            {
                "timestamp": moments(np.linspace(0, 30, 20)),
                "csat": np.where(rng.random(20) < 0.95, 5, 1),
                "source": ["a"] * 10 + ["b"] * 10,
            }
        )
        told = cj.csat(cj.read_feedback(answers), by="source", weights={"a": 0.5, "b": 0.5})
        rows.append(told.table.iloc[-1])
    return _bounds(pd.DataFrame(rows))


def difference_of_scores(rng: np.random.Generator, samples: int) -> Bounds:
    """NPS of two stages with the same answers, by 60 customers who answered at both."""
    pairs = []
    for _ in range(samples):
        points = _nps(rng, 60, 2, 0.4)["nps"].map({10: 100.0, 8: 0.0, 3: -100.0}).to_numpy()
        sides = [CustomerAnswers.of(points[first::2], np.arange(60)) for first in (0, 1)]
        pairs.append((sides[0], sides[1]))
    compared = compare_answers("nps", pairs, follow_up=NOW)
    return compared.low, compared.high


_TEXTS = ("I love it, it is great and easy.", "I hate it, it is awful and broken.", "It is blue.")
_SHARES = (0.6, 0.2, 0.2)


def sentiment(texts: int) -> Callable[[np.random.Generator, int], Bounds]:
    """The mean score of texts of which 60% are happy and 20% unhappy, less its truth: the interval of `cj.sentiment`, of texts scored once."""

    def draw(rng: np.random.Generator, samples: int) -> Bounds:
        scores = cj.score_texts(list(_TEXTS)).table["score"].to_numpy(dtype=float)
        drawn = scores[rng.choice(3, (samples, texts), p=_SHARES)]
        everybody = np.arange(texts)
        held = [
            CustomerAnswers.of(each, everybody).mean_interval((-np.inf, np.inf)) for each in drawn
        ]
        low, high = np.array(held).T
        return low - scores @ _SHARES, high - scores @ _SHARES

    return draw


def audited(labels: int) -> Callable[[np.random.Generator, int], Bounds]:
    """The share of negative texts, 30%, by a model that is right in 80%, and few labels."""
    good, bad = "great, easy and helpful", "terrible, slow and broken"

    def draw(rng: np.random.Generator, samples: int) -> Bounds:
        n = samples * 400
        negative = rng.random(n) < 0.3
        looks = np.where(rng.random(n) < 0.8, negative, ~negative)
        answers = pd.DataFrame(
            {
                "feedback_id": [f"f{row:06d}" for row in range(n)],
                "timestamp": moments(rng.uniform(0, 30, n)),
                "text": np.where(looks, bad, good),
                "stage": _each(samples, 400),
            }
        )
        asked = np.argsort(rng.random((samples, 400)))[:, :labels] + 400 * np.arange(samples)[:, None]  # fmt: skip
        audit = answers.iloc[asked.ravel()][["feedback_id"]].assign(
            label=np.where(negative[asked.ravel()], "negative", "positive")
        )
        return _bounds(cj.sentiment(cj.read_feedback(answers), by="stage", audit=audit).table)

    return draw


def comments(rng: np.random.Generator, samples: int) -> Bounds:
    """30% of comments are about delivery, of 100 customers who wrote up to dozens."""
    who, late = _often(rng, samples * 100)
    answers = pd.DataFrame(
        {
            "customer_id": who.astype(str),
            "timestamp": moments(np.linspace(0, 30, who.size)),
            "text": np.where(late, "The delivery came late.", "The colour is nice."),
            "stage": _each(samples, 100)[who],
        }
    )
    told = cj.themes(cj.read_feedback(answers), taxonomy={"delivery": ["delivery"]}, quotes=False, candidates=False)  # fmt: skip
    return _bounds(told.by_stage)


def after_complaint(rng: np.random.Generator, samples: int) -> Bounds:
    """Of 70 who complain 10% leave within 30 days, of 300 others 3%."""
    n = 370 * samples
    complains = np.tile(np.arange(370) < 70, samples)
    day = rng.uniform(0, 180, n)
    gone = np.flatnonzero(rng.random(n) < np.where(complains, 0.10, 0.03))
    rows = [("start", np.arange(n), day - 1), ("cancel", gone, day[gone] + rng.uniform(1, 29, gone.size))]  # fmt: skip
    answers = pd.DataFrame(
        {
            "customer_id": np.arange(n).astype(str),
            "timestamp": moments(day),
            "nps": np.where(complains, 3, 9),
            "stage": _each(samples, 370),
        }
    )
    log = _log(_each(samples, 370), rows, 220)
    told = cj.after_feedback(cj.read_feedback(answers), log, outcome="cancel")
    return _bounds(told.table, "difference_low", "difference_high")


INTERVALS = (
    Interval("conversion, n = 20", 0.3, conversion(20)),
    Interval("conversion, n = 200", 0.3, conversion(200)),
    Interval("retention of a cohort, n = 25", 0.4, cell(25)),
    Interval("retention of a cohort, n = 200", 0.4, cell(200)),
    Interval("retention, recurring cohorts of 30 customers", 0.5, recurring),
    Interval("survival after 60 days, n = 25", float(np.exp(-0.6)), survival(25)),
    Interval("survival after 60 days, n = 200", float(np.exp(-0.6)), survival(200)),
    Interval("difference of conversion, n = 60 and 300", 0.1, difference_of_groups),
    Interval("difference of values, n = 40 and 200", 0.0, difference_of_values, 8_000),
    Interval("value per customer, long tail, n = 200", 30.0, value),
    Interval("forecast of value, 300 customers", _yet_to_come(), forecast, 400),
    Interval("forecast of value, a group of 150 of 300", _yet_to_come(), forecast_of_group, 400),
    Interval("lift of the top decile, n = 600", 10 / 3, lift),
    Interval("NPS, 10 customers once", 20.0, nps(10, 1, 0.5)),
    Interval("NPS, 500 customers once", 20.0, nps(500, 1, 0.5)),
    Interval("NPS, 100 customers 5 times", 20.0, nps(100, 5, 0.3)),
    Interval("NPS, 50 customers 10 times", 20.0, nps(50, 10, 0.5)),
    Interval("difference of NPS, 60 customers twice", 0.0, difference_of_scores),
    Interval("CSAT, n = 20", 0.9, csat(20)),
    Interval("CSAT, n = 200", 0.9, csat(200)),
    Interval("CSAT weighted, n = 20", 0.95, weighted_csat),
    Interval("mean sentiment, n = 25", 0.0, sentiment(25), 8_000),
    Interval("mean sentiment, n = 200", 0.0, sentiment(200), 8_000),
    Interval("negative texts, 20 labels", 0.3, audited(20)),
    Interval("negative texts, 60 labels", 0.3, audited(60)),
    Interval("share of a move, 100 customers with up to dozens", 0.3, moves),
    Interval("share of a path, 80 customers with up to dozens", 0.3, route),
    Interval("sessions of one event, 80 customers with up to dozens", 0.7, single),
    Interval("share of a theme, 100 customers with up to dozens", 0.3, comments),
    Interval("leaving after a complaint, n = 70 and 300", 0.07, after_complaint),
)


def covered(interval: Interval) -> int:
    """In how many of its samples the interval holds the truth."""
    held = 0
    for batch in range(-(-interval.samples // BATCH)):
        many = min(BATCH, interval.samples - batch * BATCH)
        low, high = interval.draw(np.random.default_rng([batch, 3]), many)
        if low.size != many:
            raise ValueError(f"{interval.name}: {low.size} intervals of {many} samples")
        held += int(np.count_nonzero((low <= interval.truth) & (interval.truth <= high)))
    return held

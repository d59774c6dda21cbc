"""Experiments in which nothing happens, or something known: how often a verdict is false, and how often intervals hold the truth, through the functions that read experiments.

`python tests/null/experiments.py [worlds]` writes the table of docs/experiment.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cjlib.analyses.experiment.breakdowns import adjusts
from cjlib.analyses.experiment.checks import SRM_LEVEL, sample_ratio_p
from cjlib.analyses.experiment.estimates import Moments, Rules, estimate
from cjlib.analyses.experiment.measures import CustomerValues, Measure
from cjlib.shared.comparison import MIN_N, FollowUp

DAYS, A_DAY = 40, 100
FOLLOW_UP = FollowUp("the first exposure", 7 * 86_400_000_000)
Draw = Callable[[np.random.Generator, int], CustomerValues]
SUM = Measure("revenue", "buy", kind="sum", value="value")
SHARE = Measure("conversion", "buy")
RATIO = Measure("order value", "buy", kind="ratio", value="value")


@dataclass(frozen=True)
class Kind:
    """Customers of one kind: how they are drawn, what a customer's true mean is, and how many of them are treated."""

    name: str
    measure: Measure
    draw: Draw
    mean: float
    treated: float = 0.5
    planned: int | None = None
    lift: float = 0.0


def lognormal(sigma: float, payers: float) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> CustomerValues:
        value = rng.lognormal(0, sigma, n) * (rng.random(n) < payers)
        return CustomerValues(value, None, np.zeros(n), None)

    return draw


def pareto(shape: float) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> CustomerValues:
        return CustomerValues(rng.pareto(shape, n), None, np.zeros(n), None)

    return draw


def share(p: float) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> CustomerValues:
        return CustomerValues((rng.random(n) < p).astype(float), None, np.zeros(n), None)

    return draw


def with_history(rng: np.random.Generator, n: int) -> CustomerValues:
    taste = rng.lognormal(0, 1.2, n)
    value, before = (taste * rng.lognormal(0, 0.5, n) for _ in range(2))
    return CustomerValues(value, None, before, None)


def orders(rng: np.random.Generator, n: int) -> CustomerValues:
    number = rng.poisson(1.5, n).astype(float)
    value = number * rng.lognormal(2, 1, n)
    return CustomerValues(value, number, np.zeros(n), np.zeros(n))


HEAVY = float(np.exp(1.5**2 / 2))
KINDS = (
    Kind("money, log-normal σ 1.5", SUM, lognormal(1.5, 1.0), HEAVY, planned=2_000),
    Kind("money, 30% payers", SUM, lognormal(1.5, 0.3), 0.3 * HEAVY, planned=2_000),
    Kind("money, Pareto 2.5", SUM, pareto(2.5), 1 / 1.5, planned=2_000),
    Kind("money, not planned", SUM, lognormal(1.5, 1.0), HEAVY),
    Kind("money, CUPED", SUM, with_history, float(np.exp(1.2**2 / 2 + 0.125)), planned=2_000),
    Kind("money, arms 90/10", SUM, lognormal(1.5, 1.0), HEAVY, treated=0.1, planned=400),
    Kind("share of 2%", SHARE, share(0.02), 0.02, planned=2_000),
    Kind("share of 30%", SHARE, share(0.3), 0.3, planned=2_000),
    Kind("share of 5%, arms 90/10", SHARE, share(0.05), 0.05, treated=0.1, planned=400),
    Kind("value an order", RATIO, orders, float(np.exp(2.5)), planned=2_000),
    Kind("money, true lift of 20%", SUM, lognormal(1.0, 0.5), 0.5 * float(np.exp(0.5)), planned=2_000, lift=0.2),
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """What the looks of one experiment showed: whether any interval for every look left out 0, whether all held the truth, whether the last usual one did."""

    verdict: bool
    always_held: bool
    fixed_held: bool


def world(kind: Kind, seed: int) -> World:
    """One experiment, looked at every day."""
    rng = np.random.default_rng(seed)
    n = DAYS * A_DAY
    values = kind.draw(rng, n)
    arm = (rng.random(n) < kind.treated).astype(np.int64)
    if kind.lift:
        raised = np.where(arm == 1, values.value * (1 + kind.lift), values.value)
        values = CustomerValues(raised, values.base, values.before, values.base_before)
    truth = kind.mean * kind.lift
    day = np.repeat(np.arange(DAYS), A_DAY)
    rules = Rules("always_valid", kind.planned, "CUPED" in kind.name, FOLLOW_UP)
    moments = Moments.of(values, day * 2 + arm, DAYS * 2, covariates=adjusts(kind.measure, rules))
    numbers, sums, products = (part.cumsum(axis=0) for part in moments.by(DAYS, 2))
    looks: list[Any] = []
    for number in range(DAYS):
        if numbers[number].min() < MIN_N:
            continue
        so_far = Moments(
            moments.names, moments.centre, numbers[number], sums[number], products[number]
        )
        looks.append(estimate(kind.measure, so_far.aggregates(0), so_far.aggregates(1), rules))
    low, high = (np.array([getattr(one, f"always_{end}") for one in looks]) for end in ("low", "high"))  # fmt: skip
    return World(
        verdict=bool(((low > 0) | (high < 0)).any()),
        always_held=bool(((low <= truth) & (truth <= high)).all()),
        fixed_held=bool(looks[-1].low <= truth <= looks[-1].high),
    )


def shares(kind: Kind, worlds: int, first: int = 0) -> dict[str, float]:
    """Over so many worlds: how often a verdict came, all looks held the truth, and the last usual interval did."""
    seen = [world(kind, first + seed) for seed in range(worlds)]
    return {
        "verdict": float(np.mean([one.verdict for one in seen])),
        "always": float(np.mean([one.always_held for one in seen])),
        "fixed": float(np.mean([one.fixed_held for one in seen])),
    }


def sample_ratio_alarms(share_of_one: float, customers: int, worlds: int, seed: int = 0) -> float:
    """How often the sizes of two arms, planned to be equal, raise the alarm."""
    ones = np.random.default_rng(seed).binomial(customers, share_of_one, worlds)
    alarms = [sample_ratio_p([one, customers - one], [1, 1]) < SRM_LEVEL for one in ones.tolist()]
    return float(np.mean(alarms))


if __name__ == "__main__":
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    print(f"| {worlds:,} experiments of {DAYS} days | verdict | held at every look | usual interval held |")  # fmt: skip
    print("| --- | --- | --- | --- |")
    for kind in KINDS:
        found = shares(kind, worlds)
        print(f"| {kind.name} | {found['verdict']:.1%} | {found['always']:.1%} | {found['fixed']:.1%} |", flush=True)  # fmt: skip
    balanced, tilted = (sample_ratio_alarms(share, 20_000, 10_000) for share in (0.5, 0.48))
    print(f"sample ratio: {balanced:.2%} at 50/50, {tilted:.1%} at 48/52 of 20,000 (10,000 draws)")

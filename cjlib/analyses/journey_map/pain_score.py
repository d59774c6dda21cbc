"""Pain points: where many are lost, unhappy, slow or put to trouble, ranked by what is at stake, with how sure the rank is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import ndtr

from cjlib.shared.comparison import CLAIM, MIN_N, Family, FollowUp, family, known_at_once

PARTS = ("lost", "unhappy", "slow", "effortful")
DRAWS = 1_000
MATERIAL = 0.05
"""A share that is less than five points above its reference is no pain, however many customers say so: places differ by nature."""
MEDIAN_VARIANCE = np.pi / 2
"""How much less a median knows than a mean."""
CONCENTRATION = 20
"""Of the drawn weights round those given: how far opinions on them are taken to differ."""


@dataclass(frozen=True)
class Part:
    """One part of severity at each place: `count` of `n`; `reference` where it is given, else the median of the places that may be one.

    `tested` is what the test counts, where it is not the same: customers followed equally long, as many independent ones as there are.
    """

    count: np.ndarray
    n: np.ndarray
    may_be_reference: np.ndarray
    reference: np.ndarray
    tested: tuple[np.ndarray, np.ndarray] | None = None

    def measured(self) -> np.ndarray:
        """Where there are enough, and something to compare with."""
        enough = self.n >= MIN_N
        return enough & ~np.isnan(self.references(self.shares()))

    def p_values(self) -> np.ndarray:
        """How often chance alone would put a share so far above its reference (one-sided z); missing where it is not measured."""
        count, n = self.tested or (self.count, self.n)
        part = Part(count, n, self.may_be_reference & (n >= MIN_N), self.reference)
        shares = part.shares()
        smoothed = (count + 0.5) / (n + 1)
        variance = smoothed * (1 - smoothed) / np.maximum(n, 1)
        usable = np.flatnonzero(part.may_be_reference & (n >= MIN_N))
        of_reference = np.zeros(n.size)
        for place in np.flatnonzero(np.isnan(self.reference)):
            others = usable[usable != place]
            if others.size:
                of_reference[place] = (MEDIAN_VARIANCE if others.size > 2 else 1.0) / (
                    1 / variance[others]
                ).sum()
        z = (shares - part.references(shares)) / np.sqrt(variance + of_reference)
        return np.where(part.measured(), ndtr(-z), np.nan)

    def shares(self) -> np.ndarray:
        """Count ÷ n; NaN where nobody is counted."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.n > 0, self.count / self.n, np.nan)

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Draws of the shares, Beta(k + ½, n − k + ½): draws × places."""
        return rng.beta(
            self.count + 0.5, np.maximum(self.n - self.count, 0) + 0.5, size=(DRAWS, self.n.size)
        )

    def references(self, shares: np.ndarray) -> np.ndarray:
        """What each place is compared with: given, or the median of the others that are measured."""
        usable, asked = (
            np.flatnonzero(self.may_be_reference & (self.n >= MIN_N)),
            np.flatnonzero(np.isnan(self.reference)),
        )
        values = np.broadcast_to(self.reference, shares.shape).copy()
        if not usable.size or not asked.size:
            return values
        order = np.argsort(shares[..., usable], axis=-1, kind="stable")
        ordered, rank = (
            np.take_along_axis(shares[..., usable], order, axis=-1),
            np.argsort(order, axis=-1, kind="stable"),
        )
        for place in asked:
            at = np.flatnonzero(usable == place)
            if at.size < usable.size:
                values[..., place] = (
                    _median_without(ordered, rank[..., at[0]])
                    if at.size
                    else np.median(ordered, axis=-1)
                )
        return values


def _median_without(ordered: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """The median of the values of each row, which are in order, but for the one at a position."""
    last = ordered.shape[-1] - 2
    low, high = (
        np.where(middle < left_out, ordered[..., middle], ordered[..., middle + 1])
        for middle in (last // 2, (last + 1) // 2)
    )
    return (low + high) / 2


@dataclass(frozen=True)
class PainPlaces:
    """The places of one level: names, customers, the parts of severity, the mean value at stake and its standard error."""

    stage: list[str]
    touchpoint: list[str | None]
    affected: np.ndarray
    parts: dict[str, Part]
    value: np.ndarray
    value_error: np.ndarray
    opportunity: list[str | None]
    evidence: np.ndarray
    customers: np.ndarray | None = None
    follow_up: FollowUp = field(default_factory=lambda: known_at_once("the end of data"))

    @property
    def entered(self) -> np.ndarray:
        """How many came to each place: all of them are affected where nobody says who is."""
        return self.affected if self.customers is None else self.customers


def tested(level: str, places: PainPlaces) -> Family:
    """Every part at every place against its reference, as one family: places × parts, row by row."""
    p = np.stack([places.parts[name].p_values() for name in PARTS], axis=1)
    enough = np.full(p.size, MIN_N)  # smaller ones are not measured, so their p is missing
    return family(
        f"pain by {level} and part",
        p.ravel(),
        units=enough,
        other_units=enough,
        follow_up=places.follow_up,
    )


def ranked(level: str, places: PainPlaces, weights: dict[str, float]) -> pd.DataFrame:
    """The pain points of one level, most painful first, with the sensitivity of their rank."""
    weight = np.array([weights[name] for name in PARTS])
    shares = {name: part.shares() for name, part in places.parts.items()}
    measured = np.array([places.parts[name].measured() for name in PARTS])
    severity = _severity(places.parts, shares, measured, weight)
    value = np.maximum(places.value, 0)
    impact = places.entered * severity * value
    draws = _draws(places, measured, weight)
    compared = tested(level, places)
    p_value, p_adjusted = (
        each.reshape(-1, len(PARTS)) for each in (compared.p_value, compared.p_adjusted)
    )
    above = np.stack(
        [_excess_of(places.parts[name], shares[name]) >= MATERIAL for name in PARTS], axis=1
    )
    smallest = np.where(above, np.nan_to_num(p_adjusted, nan=1.0), 1.0).min(axis=1, initial=1.0)
    columns: dict[str, object] = {
        "level": pd.Series([level] * len(places.stage), dtype="str"),
        "stage": pd.Series(places.stage, dtype="str"),
        "touchpoint": pd.Series(places.touchpoint, dtype="str"),
        "customers": places.entered.astype(np.int64),
        "affected": places.affected.astype(np.int64),
    }
    for k, name in enumerate(PARTS):
        columns |= _part_columns(name, places.parts[name], shares[name], measured[k])
        columns |= {f"{name}_p_value": p_value[:, k], f"{name}_p_adjusted": p_adjusted[:, k]}
    columns |= {"severity": severity, "value_at_stake": value}
    columns |= {
        "value_at_stake_low": places.value - 1.959964 * places.value_error,
        "value_at_stake_high": places.value + 1.959964 * places.value_error,
    }
    columns |= {"p_adjusted": smallest, "significant": smallest < CLAIM}
    columns |= {"impact": impact} | _sensitivity(draws, np.isnan(impact), smallest < CLAIM)
    columns |= {
        "opportunity": pd.Series(places.opportunity, dtype="str"),
        "evidence": pd.Series(places.evidence, dtype="str"),
    }
    columns["not_measured"] = pd.Series(
        [
            ", ".join(name for k, name in enumerate(PARTS) if not measured[k, place])
            for place in range(len(places.stage))
        ],
        dtype="str",
    )
    order = np.lexsort((np.arange(impact.size), -np.nan_to_num(impact, nan=-1.0)))
    table = pd.DataFrame(columns).iloc[order].reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1, dtype=np.int64))
    return table


def _excess_of(part: Part, shares: np.ndarray) -> np.ndarray:
    return np.nan_to_num(shares - part.references(shares))


def _part_columns(
    name: str, part: Part, shares: np.ndarray, measured: np.ndarray
) -> dict[str, object]:
    references = part.references(shares)
    excess = np.where(measured, np.maximum(shares - references, 0), np.nan)
    return {
        name: shares,
        f"{name}_reference": np.where(measured, references, np.nan),
        f"{name}_excess": excess,
        f"{name}_n": part.n.astype(np.int64),
    }


def _severity(
    parts: dict[str, Part], shares: dict[str, np.ndarray], measured: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Σ weight · excess ÷ Σ weight over the parts measured; for draws the weights and shares have a row a draw."""
    excess = np.stack(
        [np.maximum(shares[name] - parts[name].references(shares[name]), 0) for name in PARTS],
        axis=-1,
    )
    used = measured.T * (weight if weight.ndim == 1 else weight[:, None, :])
    total = used.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(
            total > 0,
            (np.where(measured.T, np.nan_to_num(excess), 0) * used).sum(-1) / total,
            np.nan,
        )


def _draws(places: PainPlaces, measured: np.ndarray, weight: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    shares = {name: places.parts[name].drawn(rng) for name in PARTS}
    given = np.flatnonzero(weight > 0)
    weights = np.zeros((DRAWS, weight.size))
    weights[:, given] = rng.dirichlet(CONCENTRATION * weight[given] / weight.sum(), size=DRAWS)
    error = np.nan_to_num(places.value_error)
    value = np.maximum(rng.normal(np.nan_to_num(places.value), error, size=(DRAWS, error.size)), 0)
    return places.entered * _severity(places.parts, shares, measured, weights) * value


def _sensitivity(
    draws: np.ndarray, unknown: np.ndarray, significant: np.ndarray
) -> dict[str, np.ndarray]:
    """Intervals of impact and rank, and how often each place with significant pain comes first."""
    impact = np.where(unknown, -1.0, np.nan_to_num(draws, nan=-1.0))
    order = np.argsort(-impact, axis=1, kind="stable")
    ranks = np.argsort(order, axis=1, kind="stable") + 1
    low, high = (
        np.quantile(np.where(unknown, np.nan, draws), [0.025, 0.975], axis=0)
        if draws.size
        else (np.zeros(0), np.zeros(0))
    )
    rank_low, rank_high = (
        np.quantile(ranks, [0.025, 0.975], axis=0, method="inverted_cdf")
        if draws.size
        else (np.zeros(0), np.zeros(0))
    )
    return {
        "impact_low": low,
        "impact_high": high,
        "rank_low": np.asarray(rank_low).astype(np.int64),
        "rank_high": np.asarray(rank_high).astype(np.int64),
        "share_first": np.where(unknown | ~significant, 0.0, (ranks == 1).mean(axis=0))
        if draws.size
        else np.zeros(0),
    }

"""Pain points: where many are lost, unhappy, slow or put to trouble, ranked by what is at stake, with how sure the rank is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cjlib.shared.comparison import MIN_N

PARTS = ("lost", "unhappy", "slow", "effortful")
DRAWS = 1_000
CONCENTRATION = 20
"""Of the drawn weights round those given: how far opinions on them are taken to differ."""


@dataclass(frozen=True)
class Part:
    """One part of severity at each place: `count` of `n`; `reference` where it is given, else the median of the places that may be one."""

    count: np.ndarray
    n: np.ndarray
    may_be_reference: np.ndarray
    reference: np.ndarray

    def measured(self) -> np.ndarray:
        """Where there are enough, and something to compare with."""
        enough = self.n >= MIN_N
        return enough & ~np.isnan(self.references(self.shares()))

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
class Places:
    """The places of one level: names, customers, the parts of severity, the mean value at stake and its standard error."""

    stage: list[str]
    touchpoint: list[str | None]
    affected: np.ndarray
    parts: dict[str, Part]
    value: np.ndarray
    value_error: np.ndarray
    opportunity: list[str | None]
    evidence: np.ndarray


def ranked(level: str, places: Places, weights: dict[str, float]) -> pd.DataFrame:
    """The pain points of one level, most painful first, with the sensitivity of their rank."""
    weight = np.array([weights[name] for name in PARTS])
    shares = {name: part.shares() for name, part in places.parts.items()}
    measured = np.array([places.parts[name].measured() for name in PARTS])
    severity = _severity(places.parts, shares, measured, weight)
    value = np.maximum(places.value, 0)
    impact = places.affected * severity * value
    draws = _draws(places, measured, weight)
    columns: dict[str, object] = {
        "level": pd.Series([level] * len(places.stage), dtype="str"),
        "stage": pd.Series(places.stage, dtype="str"),
        "touchpoint": pd.Series(places.touchpoint, dtype="str"),
        "affected": places.affected.astype(np.int64),
    }
    for k, name in enumerate(PARTS):
        columns |= _part_columns(name, places.parts[name], shares[name], measured[k])
    columns |= {"severity": severity, "value_at_stake": value}
    columns |= {
        "value_at_stake_low": places.value - 1.959964 * places.value_error,
        "value_at_stake_high": places.value + 1.959964 * places.value_error,
    }
    columns |= {"impact": impact} | _sensitivity(draws, np.isnan(impact))
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


def _draws(places: Places, measured: np.ndarray, weight: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    shares = {name: places.parts[name].drawn(rng) for name in PARTS}
    given = np.flatnonzero(weight > 0)
    weights = np.zeros((DRAWS, weight.size))
    weights[:, given] = rng.dirichlet(CONCENTRATION * weight[given] / weight.sum(), size=DRAWS)
    error = np.nan_to_num(places.value_error)
    value = np.maximum(rng.normal(np.nan_to_num(places.value), error, size=(DRAWS, error.size)), 0)
    return places.affected * _severity(places.parts, shares, measured, weights) * value


def _sensitivity(draws: np.ndarray, unknown: np.ndarray) -> dict[str, np.ndarray]:
    """Intervals of impact and rank, and how often each place comes first."""
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
        "share_first": np.where(unknown, 0.0, (ranks == 1).mean(axis=0))
        if draws.size
        else np.zeros(0),
    }

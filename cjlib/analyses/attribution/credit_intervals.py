"""Credit of every channel under a model, with its interval: units are drawn again, whole customers at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from cjlib.analyses.attribution.models import (
    Chain,
    chain_of,
    credit_matrix,
    edge_counts,
    removal,
    removal_with_memory,
)
from cjlib.analyses.attribution.touch_journeys import Draws, Floats, Journeys, draws, types_of

_CELLS = 20_000_000
"""How many numbers one turn of the bootstrap may hold."""


@dataclass(frozen=True)
class Credit:
    """Per channel, in the order of `journeys.channels`; `none_low` and `none_high` bound the share of conversions without a touch.

    `lead_error` is the standard error of the difference between the shares of the two channels with the most credit; missing where there is one.
    """

    conversions: Floats
    value: Floats
    removal_effect: Floats
    low: Floats
    high: Floats
    none_low: float
    none_high: float
    chance: float
    lead_error: float


@dataclass(frozen=True)
class Options:
    """What decides a credit beside the journeys."""

    model: str
    direct: tuple[str, ...]
    order: int
    replicates: int
    seed: int


def credited(journeys: Journeys, options: Options) -> Credit:
    """The credit of every channel and its 95% percentile interval over resampled units."""
    types = types_of(journeys, by_age=options.model == "time_decay")
    kinds = types.example.size
    conversions, nulls, value = (
        np.bincount(types.of, weights.astype(float), kinds).astype(float)
        for weights in (journeys.conversions, journeys.nulls, journeys.value)
    )
    drawn = draws(journeys, types)
    if options.model == "markov":
        return _chain_credit(
            journeys,
            chain_of(journeys, types, options.order),
            drawn,
            (conversions, nulls, value),
            options,
        )
    matrix = credit_matrix(journeys, types, options.model, options.direct)
    worth = matrix.T @ value
    units = _units(drawn)
    per_unit = units[:, 1:-1:2] @ matrix
    totals = np.column_stack([units[:, 1:-1:2].sum(axis=1), units[:, -1].toarray()]).astype(float)
    shares = [
        _shares(weights @ per_unit, weights @ totals)
        for weights in _draws_again(drawn, options, per_unit.shape[1])
    ]
    missing = np.full(len(journeys.channels), np.nan)
    credit = matrix.T @ conversions
    return Credit(
        credit,
        worth,
        missing,
        *_bounds(shares, len(journeys.channels)),
        float("nan"),
        _lead_error(shares, credit),
    )


def _chain_credit(
    journeys: Journeys,
    chain: Chain,
    drawn: Draws,
    counted: tuple[Floats, Floats, Floats],
    options: Options,
) -> Credit:
    conversions, nulls, value = counted
    counts = edge_counts(chain, conversions, nulls)
    worth = _worth(chain, conversions, value)
    near: Floats | None = None
    if options.order == 1:
        found, valued = removal(chain, counts[None]), removal(chain, counts[None], worth)
    else:
        found, near = removal_with_memory(chain, counts)
        valued, _ = removal_with_memory(chain, counts, worth)
    units = _units(drawn)
    kinds = conversions.size
    edges = chain.source.size
    rows = np.arange(kinds)
    into = csr_array((np.ones(kinds), (rows, chain.converts)), shape=(kinds, edges)) + chain.steps
    out = csr_array((np.ones(kinds), (rows, chain.fails)), shape=(kinds, edges)) + chain.steps
    per_unit = (units[:, 1:-1:2] @ into + units[:, :-1:2] @ out).tocsr()
    totals = np.column_stack([units[:, 1:-1:2].sum(axis=1), units[:, -1].toarray()]).astype(float)
    shares = []
    for weights in _draws_again(
        drawn, options, max(edges, (chain.states + 3) ** 2 if options.order == 1 else 0)
    ):
        effects = _effects(chain, weights @ per_unit, near)
        both = weights @ totals
        shares.append(_shares(_parts(effects) * both[:, :1], both))
    effect = found.effects[0]
    credit = _parts(effect[None])[0] * conversions.sum()
    return Credit(
        credit,
        _parts(valued.effects)[0] * value.sum(),
        effect,
        *_bounds(shares, len(journeys.channels)),
        float(found.chance[0]),
        _lead_error(shares, credit),
    )


def _effects(chain: Chain, counts: Floats, near: Floats | None) -> Floats:
    if near is None:
        return removal(chain, counts).effects
    return np.concatenate([removal_with_memory(chain, row, near=near)[0].effects for row in counts])


def _worth(chain: Chain, conversions: Floats, value: Floats) -> Floats:
    """The mean value of the conversions that take each edge."""
    edges = chain.source.size
    count, total = (
        np.bincount(chain.converts, conversions, edges),
        np.bincount(chain.converts, value, edges),
    )
    return np.divide(total, count, out=np.zeros(edges), where=count > 0)


def _units(drawn: Draws) -> csr_array:
    return csr_array(
        (drawn.times, (drawn.signature, drawn.column)), shape=(drawn.counts.size, drawn.columns)
    )


def _draws_again(drawn: Draws, options: Options, width: int) -> Iterator[Floats]:
    """How often each kind of unit comes in resamples of as many units, some resamples at a time."""
    total = int(drawn.counts.sum())
    if not total:
        return
    generator = np.random.default_rng(options.seed)
    at_once = max(1, _CELLS // max(1, drawn.counts.size, width))
    for first in range(0, options.replicates, at_once):
        yield generator.multinomial(
            total, drawn.counts / total, size=min(at_once, options.replicates - first)
        ).astype(float)


def _parts(effects: Floats) -> Floats:
    total = effects.sum(axis=1, keepdims=True)
    return np.divide(effects, total, out=np.zeros_like(effects), where=total != 0)


def _shares(credit: Floats, totals: Floats) -> Floats:
    """Credits and, last, the conversions without a touch, as shares of all conversions; NaN in a resample without any."""
    every = totals.sum(axis=1, keepdims=True)
    both = np.column_stack([np.asarray(credit), totals[:, 1]])
    return np.divide(both, every, out=np.full_like(both, np.nan), where=every > 0)


def _lead_error(shares: list[Floats], credit: Floats) -> float:
    """The standard error, over the resamples, of the lead of the channel with the most credit over the next one."""
    if len(credit) < 2 or not shares:
        return float("nan")
    second, first = np.argsort(credit, kind="stable")[-2:]
    drawn = np.concatenate(shares)
    lead = drawn[:, first] - drawn[:, second]
    lead = lead[~np.isnan(lead)]
    return float(lead.std(ddof=1)) if len(lead) > 1 else float("nan")


def _bounds(shares: list[Floats], channels: int) -> tuple[Floats, Floats, float, float]:
    drawn = np.concatenate(shares) if shares else np.zeros((0, channels + 1))
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    if not len(drawn):
        missing = np.full(channels, np.nan)
        return missing, missing, float("nan"), float("nan")
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return low[:-1], high[:-1], float(low[-1]), float(high[-1])

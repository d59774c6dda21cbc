"""Who gets the credit, with its interval: weights of touches, the absorbing chain solved exactly, and units drawn again, whole customers at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.linalg import splu

from cjlib.analyses.attribution.touch_journeys import (
    Draws,
    Floats,
    Journeys,
    Types,
    draws,
    types_of,
)

HALF_LIFE = 7 * 86_400_000_000
"""The age at which a touch counts half, for time decay: seven days."""
RULES = ("first", "last", "last_non_direct", "linear", "position", "time_decay", "shapley")
MODELS = (
    "first",
    "last",
    "last_non_direct",
    "linear",
    "position",
    "time_decay",
    "markov",
    "shapley",
)
_CLOSE = 1e-9
UNMOVED = 1e-8
"""Differences between resamples below this are those of rounding, and of chains solved by iteration."""
_MOST_ROUNDS = 10_000


def touch_weights(journeys: Journeys, model: str, direct: Sequence[str]) -> Floats:
    """The share of one conversion that each touch gets: they sum to 1 in every journey."""
    size = np.repeat(journeys.size, journeys.size)
    place = np.arange(journeys.channel.size) - np.repeat(journeys.start, journeys.size)
    if model == "first":
        return (place == 0).astype(float)
    if model == "last":
        return (place == size - 1).astype(float)
    if model == "linear":
        return 1.0 / size
    if model == "position":
        return _position(place, size)
    if model == "time_decay":
        return _decay(journeys)
    return (
        _last_non_direct(journeys, place, size, direct)
        if model == "last_non_direct"
        else _equal_parts(journeys)
    )


def _position(place: NDArray[np.int64], size: NDArray[np.int64]) -> Floats:
    outer = (place == 0) | (place == size - 1)
    inner = np.divide(0.2, size - 2, out=np.zeros(size.size), where=size > 2)
    return np.where(size == 1, 1.0, np.where(size == 2, 0.5, np.where(outer, 0.4, inner)))


def _decay(journeys: Journeys) -> Floats:
    age = (
        np.nan_to_num(journeys.age) if journeys.age is not None else np.zeros(journeys.channel.size)
    )
    if not age.size:
        return age
    # From the youngest touch of each journey, so that very old ones do not vanish together.
    since = age - np.repeat(np.minimum.reduceat(age, journeys.start), journeys.size)
    weight = np.exp2(-since / HALF_LIFE)
    return weight / np.repeat(np.add.reduceat(weight, journeys.start), journeys.size)


def _last_non_direct(
    journeys: Journeys, place: NDArray[np.int64], size: NDArray[np.int64], direct: Sequence[str]
) -> Floats:
    passed = np.array([channel in direct for channel in journeys.channels], dtype=bool)
    if not place.size:
        return np.zeros(0)
    last = np.maximum.reduceat(np.where(passed[journeys.channel], -1, place), journeys.start)
    chosen = np.where(last < 0, journeys.size - 1, last)
    return (place == np.repeat(chosen, journeys.size)).astype(float)


def _equal_parts(journeys: Journeys) -> Floats:
    """Shapley's value of "conversions of journeys whose channels all lie in S": equal parts for the distinct channels of a journey."""
    pair = journeys.journey_of_touch * max(1, len(journeys.channels)) + journeys.channel
    _, first = np.unique(pair, return_index=True)
    weight = np.zeros(pair.size)
    weight[first] = 1.0
    return (
        weight / np.repeat(np.add.reduceat(weight, journeys.start), journeys.size)
        if pair.size
        else weight
    )


def credit_matrix(journeys: Journeys, types: Types, model: str, direct: Sequence[str]) -> csr_array:
    """Kinds of journeys × channels: the credit of one conversion of that kind."""
    weights = touch_weights(journeys, model, direct)
    chosen = np.zeros(journeys.start.size, dtype=bool)
    chosen[types.example] = True
    kept = np.repeat(chosen, journeys.size)
    row = types.of[journeys.journey_of_touch[kept]]
    return csr_array(
        (weights[kept], (row, journeys.channel[kept])),
        shape=(types.example.size, len(journeys.channels)),
    )


# ---- the chain -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chain:
    """Where kinds of journeys go: `steps` (kinds × edges) counts the moves of one journey, `source` and `target` name each edge's states.

    States 0 … n − 1 are the last `order` channels, `newest` the channel just touched; n is the start, n + 1 the conversion, n + 2 null. A kind's
    edge into the conversion is `converts`, into null `fails`.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    newest: NDArray[np.int64]
    steps: csr_array
    converts: NDArray[np.int64]
    fails: NDArray[np.int64]
    channels: int

    @property
    def states(self) -> int:
        """How many states a journey can stand in."""
        return self.newest.size


def chain_of(journeys: Journeys, types: Types, order: int) -> Chain:
    """The chain of the given order over the kinds of journeys."""
    size = journeys.size[types.example]
    at = np.repeat(journeys.start[types.example] - np.cumsum(size) + size, size) + np.arange(
        int(size.sum())
    )
    code = journeys.channel[at].astype(np.int64)
    kind = np.repeat(np.arange(size.size), size)
    first = np.diff(kind, prepend=-1) != 0
    memory, older = code + 1, code + 1
    base = len(journeys.channels) + 1
    for back in range(1, order):
        older = np.append(0, older[:-1])
        older[first] = 0
        memory = memory + older * base**back
    known, example, state = np.unique(memory, return_index=True, return_inverse=True)
    n = known.size
    before = np.where(first, n, np.append(0, state[:-1]))
    last = np.flatnonzero(np.append(np.diff(kind), 1)) if kind.size else np.zeros(0, dtype=np.int64)
    pairs = np.concatenate(
        [before * (n + 3) + state, state[last] * (n + 3) + n + 1, state[last] * (n + 3) + n + 2]
    )
    edges, edge = np.unique(pairs, return_inverse=True)
    moves, ends = edge[: kind.size], edge[kind.size :]
    steps = csr_array((np.ones(kind.size), (kind, moves)), shape=(size.size, edges.size))
    return Chain(
        edges // (n + 3),
        edges % (n + 3),
        code[example],
        steps,
        ends[: size.size],
        ends[size.size :],
        len(journeys.channels),
    )


def edge_counts(chain: Chain, conversions: Floats, nulls: Floats) -> Floats:
    """How often each edge is walked, for journeys of each kind with and without conversion."""
    walked = chain.steps.T @ (conversions + nulls)
    edges = chain.source.size
    return (
        walked
        + np.bincount(chain.converts, conversions, edges)
        + np.bincount(chain.fails, nulls, edges)
    )


@dataclass(frozen=True)
class Removal:
    """The chance to convert from the start, and that chance without each channel."""

    chance: Floats
    without: Floats

    @property
    def effects(self) -> Floats:
        """1 − chance without the channel ÷ chance; 0 where nothing converts."""
        chance = self.chance[..., None]
        return np.divide(
            chance - self.without, chance, out=np.zeros_like(self.without), where=chance != 0
        )


def removal(chain: Chain, counts: Floats, worth: Floats | None = None) -> Removal:
    """A chain of order 1 solved: a removed channel sends its traffic to null.

    `counts` has one row a resample. `worth` weighs each edge into the conversion (mean value of the conversions that take it). One
    inverse answers all channels: the chance to convert by way of a channel is the chance to reach it times the chance from there.
    """
    n = chain.states
    if not n:
        return Removal(np.zeros(len(counts)), np.zeros((len(counts), chain.channels)))
    moves, gain, start = _probabilities(chain, counts, worth)
    solved = np.linalg.inv(np.eye(n) - moves)
    chance = np.einsum("bij,bj->bi", solved, gain)
    reach = np.einsum("bi,bij->bj", start, solved) / np.einsum("bii->bi", solved)
    total = np.einsum("bi,bi->b", start, chance)
    # Of order 1 a state is a channel, and states stand in the order of channels.
    return Removal(total, total[:, None] - reach * chance)


def _probabilities(
    chain: Chain, counts: Floats, worth: Floats | None
) -> tuple[Floats, Floats, Floats]:
    n, draws_given = chain.states, len(counts)
    full = np.zeros((draws_given, n + 1, n + 3))
    full[:, chain.source, chain.target] = counts
    total = full.sum(axis=2, keepdims=True)
    full = np.divide(full, total, out=np.zeros_like(full), where=total > 0)
    if worth is not None:
        weighted = np.zeros((n + 1, n + 3))
        weighted[chain.source, chain.target] = worth
        full[:, :, n + 1] *= weighted[:, n + 1]
    return full[:, :n, :n], full[:, :n, n + 1], full[:, n, :n]


def removal_with_memory(
    chain: Chain, counts: Floats, worth: Floats | None = None, near: Floats | None = None
) -> tuple[Removal, Floats]:
    """The same for chains with memory, where a channel is many states: one sparse system for the whole and one without each channel.

    Without `near` the systems are solved directly. With the solution of a chain nearby (a bootstrap's starting point) they are solved by
    iteration to 1e-9. Gives the solutions too: chances by state, one column the whole and one each channel.
    """
    n = chain.states
    total = np.bincount(chain.source, counts, n + 1)
    share = np.divide(
        counts, total[chain.source], out=np.zeros(counts.size), where=total[chain.source] > 0
    )
    inner = (chain.source < n) & (chain.target < n)
    wins = (chain.source < n) & (chain.target == n + 1)
    begins = chain.source == n
    moves = csc_array((share[inner], (chain.source[inner], chain.target[inner])), shape=(n, n))
    gain = np.bincount(
        chain.source[wins], share[wins] * (1.0 if worth is None else worth[wins]), n
    ).astype(float)
    start = np.bincount(chain.target[begins], share[begins], n)
    allowed = np.ones((n, chain.channels + 1))
    allowed[np.arange(n), chain.newest + 1] = 0.0
    chances = (
        _solved(moves, gain, allowed)
        if near is None
        else _iterated(moves.tocsr(), gain, allowed, near)
    )
    reached = start @ chances
    return Removal(reached[:1], reached[None, 1:]), chances


def _solved(moves: csc_array, gain: Floats, allowed: Floats) -> Floats:
    n = gain.size
    columns = []
    for keep in allowed.T:
        system = eye_array(n, format="csc") - csc_array(moves.multiply(keep[:, None]))
        columns.append(splu(csc_array(system)).solve(gain * keep))
    return np.column_stack(columns)


def _iterated(moves: csr_array, gain: Floats, allowed: Floats, near: Floats) -> Floats:
    chances = near * allowed
    for _ in range(_MOST_ROUNDS):
        following = allowed * (gain[:, None] + moves @ chances)
        if np.abs(following - chances).max() < _CLOSE:
            return following
        chances = following
    return _solved(moves.tocsc(), gain, allowed)


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
        chain, counted = chain_of(journeys, types, options.order), (conversions, nulls, value)
        return _chain_credit(journeys, chain, drawn, counted, options)
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
    count = np.bincount(chain.converts, conversions, edges)
    total = np.bincount(chain.converts, value, edges)
    return np.divide(total, count, out=np.zeros(edges), where=count > 0)


def _units(drawn: Draws) -> csr_array:
    return csr_array(
        (drawn.times, (drawn.signature, drawn.column)), shape=(drawn.counts.size, drawn.columns)
    )


def _draws_again(drawn: Draws, options: Options, width: int) -> Iterator[Floats]:
    """How often each kind of unit comes in resamples of as many units, some resamples at a time."""
    total = int(drawn.counts.sum())
    # Of one unit every resample is the same: no interval.
    if total < 2:
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
    whole = totals.sum(axis=1, keepdims=True)
    both = np.column_stack([np.asarray(credit), totals[:, 1]])
    return np.divide(both, whole, out=np.full_like(both, np.nan), where=whole > 0)


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
    # A share that no resample moves, as that of the only channel, has no interval: its width of 0 would claim to be sure.
    moved = np.ptp(drawn, axis=0) > UNMOVED
    low, high = np.where(moved, np.quantile(drawn, [0.025, 0.975], axis=0), np.nan)
    return low[:-1], high[:-1], float(low[-1]), float(high[-1])

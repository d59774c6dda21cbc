"""What if more went on from a stage: arithmetic on the chain of stages, not a forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.inputs import Source, mean_after
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.show.numbers import money, signed

DRAWS = 10_000
LABEL = "arithmetic, not forecast: assumes that those added behave like those there"


@dataclass(frozen=True, kw_only=True, eq=False)
class WhatIf(Result):
    """The chain of stages now and with changed shares; `.clipped` names the stages whose share could not be changed that far."""

    clipped: tuple[str, ...] = ()


def simulate(stages: pd.DataFrame, source: Source, changes: Mapping[str, float]) -> WhatIf:
    """Customers and value along the stages if the share that goes on to a stage were another.

    A change is an absolute change of `share_of_previous` of the stage named, the result kept within 0 and 1; of the first stage a relative change of its
    entrants. Customers of a stage are entrants × the product of the shares up to it, in order; value is that of the customers in the last stage × the mean
    value of one of them. Intervals: 10,000 seeded draws of each share, Beta(k + ½, n − k + ½), the same for now and future, and of the mean value (Student's t), 2.5 to 97.5%.

    Returns
    -------
    WhatIf
        `.table`: `stage`, `share_of_previous`, `share_future`, `customers_now`, `customers_future`, `extra_customers` (each with `_low`, `_high`), `value_now`,
        `value_future`, `extra_value` with `_low`, `_high` (all three in the last stage only).

    Raises
    ------
    CjlibError
        For an unknown stage, a change that is no number, or a map without events or with groups.
    """
    table = _chain(stages, source)
    names = list(table["stage"])
    for name, change in changes.items():
        if name not in names:
            raise not_one_of("changes", name, names)
        if isinstance(change, bool) or not isinstance(change, int | float) or np.isnan(change):
            raise CjlibError(
                f"changes: must be numbers, such as {{{name!r}: 0.05}} for five points more. Got {shown(change)} for {shown(name)}."
            )
    change = np.array([float(changes.get(name, 0.0)) for name in names])
    counts = table["customers_in_order"].to_numpy(dtype=float)
    now, future, drawn = _shares(counts, change)
    clipped = tuple(
        name
        for name, share, wish in zip(names[1:], future[1:], (now + change)[1:], strict=True)
        if abs(share - wish) > 1e-12
    )
    entrants = counts[0] * max(1 + change[0], 0)
    before, after = _drawn_customers(counts, entrants, drawn, change)
    columns = _columns(counts, entrants, now, future, before, after)
    worth, worth_drawn = _worth(source)
    low, high = np.quantile((after - before)[:, -1] * worth_drawn, [0.025, 0.975])
    in_last = np.arange(len(names)) == len(names) - 1
    values = {
        "value_now": columns["customers_now"] * worth,
        "value_future": columns["customers_future"] * worth,
        "extra_value": columns["extra_customers"] * worth,
        "extra_value_low": np.full(len(names), low),
        "extra_value_high": np.full(len(names), high),
    }
    columns |= {name: np.where(in_last, value, np.nan) for name, value in values.items()}
    result = pd.DataFrame(
        {
            "stage": table["stage"].reset_index(drop=True),
            "share_of_previous": now,
            "share_future": future,
        }
        | columns
    )
    return WhatIf(
        table=result,
        headline=_headline(result, changes, clipped),
        definition=_definition(changes, clipped, worth, source),
        metrics=_metrics(result),
        clipped=clipped,
    )


def _chain(stages: pd.DataFrame, source: Source) -> pd.DataFrame:
    if source.groups.name is not None:
        raise CjlibError(
            "simulate: a map with by= holds several maps. Simulate a map without by, or of one group: map.only(ids, name)."
        )
    table = stages[stages["customers_in_order"].notna()]
    if table.empty:
        raise CjlibError(
            "simulate: the map has no customers to count with. Give the log: cj.journey_map(journey, log)."
        )
    return table


def _shares(counts: np.ndarray, change: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The share of the stage before that goes on: now, in the future, and drawn (draws × stages); of the first stage NaN, drawn 1."""
    k, n = counts[1:], counts[:-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        now = np.r_[np.nan, np.where(n > 0, k / n, np.nan)]
    future = np.r_[np.nan, np.clip(now[1:] + change[1:], 0, 1)]
    rng = np.random.default_rng(0)
    drawn = np.c_[np.ones(DRAWS), rng.beta(k + 0.5, n - k + 0.5, size=(DRAWS, k.size))]
    return now, future, drawn


def _drawn_customers(
    counts: np.ndarray, entrants: float, drawn: np.ndarray, change: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Customers of each stage now and in the future: draws × stages."""
    changed = np.c_[np.ones(DRAWS), np.clip(drawn[:, 1:] + change[1:], 0, 1)]
    return counts[0] * np.cumprod(drawn, axis=1), entrants * np.cumprod(changed, axis=1)


def _columns(
    counts: np.ndarray,
    entrants: float,
    now: np.ndarray,
    future: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
) -> dict[str, np.ndarray]:
    point = {
        "customers_now": counts[0] * np.cumprod(np.r_[1, now[1:]]),
        "customers_future": entrants * np.cumprod(np.r_[1, future[1:]]),
    }
    point["extra_customers"] = point["customers_future"] - point["customers_now"]
    columns: dict[str, np.ndarray] = {}
    for name, draws in (
        ("customers_now", before),
        ("customers_future", after),
        ("extra_customers", after - before),
    ):
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        columns |= {name: point[name], f"{name}_low": low, f"{name}_high": high}
    return columns


def _worth(source: Source) -> tuple[float, np.ndarray]:
    """The mean value, all their life, of a customer who reached the last stage in any order, and draws of it (Student's t); missing where the file names no value."""
    if source.acts is None or source.acts.money is None:
        return float("nan"), np.full(DRAWS, np.nan)
    walk, last = source.acts.walk, max(source.places.counted)
    mean, error, n = mean_after(source.acts.money, walk, walk.starts, walk.entries[:, last] >= 0)
    drawn = np.random.default_rng(1).standard_t(max(n - 1, 1), size=DRAWS)
    return mean, mean + drawn * error


def _headline(table: pd.DataFrame, changes: Mapping[str, float], clipped: tuple[str, ...]) -> str:
    last = table.iloc[-1]
    said = " and ".join(_changed(table, changes)) or "nothing changed"
    if pd.isna(last["extra_customers"]):
        unknown = table["stage"].iloc[1:][table["share_of_previous"].iloc[1:].isna()].iloc[0]
        return f"If {said}: unknown, since nobody came in order as far as the stage before {unknown}. A scenario, not a forecast."
    worth = (
        ""
        if pd.isna(last["extra_value"])
        else f", worth {money(last['extra_value'])} ({money(last['extra_value_low'])} to {money(last['extra_value_high'])})"
    )
    cut = f" The share of {', '.join(clipped)} was kept within 0 and 1." if clipped else ""
    return (
        f"If {said}: {signed(last['extra_customers'])} customers in {last['stage']} (95% CI {signed(last['extra_customers_low'])} to "
        f"{signed(last['extra_customers_high'])}){worth}. A scenario, not a forecast.{cut}"
    )


def _changed(table: pd.DataFrame, changes: Mapping[str, float]) -> list[str]:
    """What changes, in the order of the stages: "5.0 points more went on from Look to Buy"; where a share has no room for it, what it has room for."""
    stages = list(table["stage"])
    told = []
    for place, name in enumerate(stages):
        if name in changes:
            more = "more" if changes[name] >= 0 else "fewer"
            size = f"{abs(100 * changes[name]):.1f}"
            now, future = (
                float(table[column].iloc[place]) for column in ("share_of_previous", "share_future")
            )
            room = f"{abs(100 * (future - now)):.1f}" if place and not np.isnan(now) else size
            asked = f" (asked were {size})" if room != size else ""
            told.append(
                f"{room} points {more}{asked} went on from {stages[place - 1]} to {name}"
                if place
                else f"{size}% {more} customers entered {name}"
            )
    return told


def _definition(
    changes: Mapping[str, float], clipped: tuple[str, ...], worth: float, source: Source
) -> dict[str, str]:
    return {
        "what this is": LABEL,
        "changes": ", ".join(f"{name} {change:+g}" for name, change in changes.items()) or "none",
        "a change": "absolute, of share_of_previous; of the first stage relative, of its entrants",
        "kept within 0 and 1": ", ".join(clipped) or "nothing had to be",
        "customers": "entrants × the shares of the stages in order, without a limit of time",
        "value": "not named in the journey file"
        if np.isnan(worth)
        else "customers in the last stage × the mean value of customers who reached it",
        "intervals": f"{DRAWS:,} seeded draws of each share, the same for now and future, and of the mean value",
        "end of data": "" if source.log is None else f"{source.log.observed_until:%Y-%m-%d}",
    }


def _metrics(table: pd.DataFrame) -> dict:
    last = table.iloc[-1]
    named = {
        "extra_customers": metric(
            last["extra_customers"],
            last["extra_customers_low"],
            last["extra_customers_high"],
            label="Extra customers in the last stage",
            unit="number",
            better="higher",
        )
    }
    if not pd.isna(last["extra_value"]):
        named["extra_value"] = metric(
            last["extra_value"],
            last["extra_value_low"],
            last["extra_value_high"],
            label="Extra value",
            unit="money",
            better="higher",
        )
    return named

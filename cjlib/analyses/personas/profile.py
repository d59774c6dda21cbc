"""What sets each group of customers apart, and which hand-written persona that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from cjlib.analyses.personas.clusters import Floats, Labels
from cjlib.analyses.personas.customer_features import OF_CHANNEL, OF_EVENT
from cjlib.errors import did_you_mean, shown
from cjlib.shared.comparison import family, known_at_once
from cjlib.shared.stats import Z95
from cjlib.sources.journey.schema import Persona

CLEAR = 0.2
"""A feature of a hand-written persona is met from so many standard deviations on: small but certain is not a kind of customer."""


def profile_of(raw: pd.DataFrame, labels: Labels, names: Sequence[str]) -> pd.DataFrame:
    """Each feature of each group against all other customers, the strongest first."""
    held = {str(feature): _ordered(raw[feature]) for feature in raw.columns}
    rows = []
    for label, name in enumerate(names):
        for feature, (values, customers, spread) in held.items():
            inside = labels[customers] == label
            mine, rest = values[inside], values[~inside]
            if min(mine.size, rest.size) >= 2:
                rows.append({"persona": name, "feature": feature} | _against(mine, rest, spread))
    profile = pd.DataFrame(rows)
    strength = -profile["standardised"].abs().round(12)
    compared = family(
        "features of personas",
        profile["p_value"],
        units=profile.pop("customers"),
        other_units=profile.pop("others"),
        follow_up=known_at_once("the end of data"),
        min_n=2,
    )
    profile = profile.assign(p_adjusted=compared.p_adjusted, strength=strength)
    ordered = profile.sort_values(["persona", "strength", "feature"], ignore_index=True)
    return ordered.drop(columns=["strength", "p_value"]).astype(
        {"persona": "str", "feature": "str"}
    )


def _ordered(column: pd.Series) -> tuple[Floats, Labels, float]:
    """The known values from the smallest, so that no sum depends on the order of the customers; whose they are; their standard deviation."""
    every = column.to_numpy(dtype=float)
    customers = np.argsort(every, kind="stable")[: np.count_nonzero(~np.isnan(every))]
    return (
        every[customers],
        customers,
        float(every[customers].std(ddof=1)) if customers.size > 1 else 0.0,
    )


def _against(mine: Floats, rest: Floats, spread: float) -> dict[str, float]:
    value, other = float(mine.mean()), float(rest.mean())
    error = float(np.sqrt(mine.var(ddof=1) / mine.size + rest.var(ddof=1) / rest.size))
    difference = value - other
    return {
        "customers": mine.size,
        "others": rest.size,
        "value": value,
        "value_rest": other,
        "lift": value / other if other else float("nan"),
        "difference": difference,
        "low": difference - Z95 * error,
        "high": difference + Z95 * error,
        "standardised": difference / spread if spread > 0 else 0.0,
        "p_value": float(2 * ndtr(-abs(difference / error))) if error > 0 else 1.0,
    }


def computed_name(profile: pd.DataFrame) -> str:
    """The two features that stand out most, in words."""
    return ", ".join(
        _in_words(str(feature), above)
        for feature, above in zip(
            profile["feature"][:2], profile["standardised"][:2] > 0, strict=True
        )
    )


def _in_words(feature: str, above: bool) -> str:
    for prefix in (OF_CHANNEL, OF_EVENT):
        if feature.startswith(prefix):
            return f"{feature.removeprefix(prefix)} {'often' if above else 'seldom'}"
    if " = " in feature:
        return feature if above else f"seldom {feature}"
    return f"{'high' if above else 'low'} {feature.replace('_', ' ')}"


# ---- personas that people have written ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """Which hand-written persona each computed one is, which fit none, and features they name that are not measured."""

    of: Mapping[str, Persona]
    unmatched: tuple[str, ...]
    unknown: tuple[str, ...]


def match_written(
    written: Sequence[Persona], profile: pd.DataFrame, names: Sequence[str]
) -> Written:
    """Pairs in the order of how well they fit, best first; one persona each.

    A pair fits if every feature of `match` lies on its side of the rest by at least 0.2 standard deviations; how well is said by the weakest of them.
    """
    standing = {name: _standing(profile[profile["persona"] == name]) for name in names}
    known = {feature for one in standing.values() for feature in one}
    fits = [
        (_fit(standing[name], persona.match), place, name)
        for place, persona in enumerate(written)
        for name in names
    ]
    of: dict[str, Persona] = {}
    taken: set[int] = set()
    for fits_by, place, name in sorted(fits, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if fits_by >= CLEAR and name not in of and place not in taken:
            of[name] = written[place]
            taken.add(place)
    named = dict.fromkeys(feature for persona in written for feature in persona.match)
    unknown = tuple(
        f"{shown(feature)} is not measured.{did_you_mean(key(feature), known)}"
        for feature in named
        if key(feature) not in known
    )
    return Written(
        of, tuple(one.name for place, one in enumerate(written) if place not in taken), unknown
    )


def key(feature: str) -> str:
    """A feature as `match` names it: spaces as underscores."""
    return "_".join(feature.split())


def _standing(profile: pd.DataFrame) -> dict[str, float]:
    return {
        key(feature): value
        for feature, value in zip(
            profile["feature"].tolist(), profile["standardised"].tolist(), strict=True
        )
    }


def _fit(standing: Mapping[str, float], match: Mapping[str, str]) -> float:
    """The weakest of the matched features, in standard deviations on the wanted side."""
    return min(
        standing[key(one)] * (1 if side == "high" else -1) if key(one) in standing else -np.inf
        for one, side in match.items()
    )

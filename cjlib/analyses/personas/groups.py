"""What each group of customers is and has done, what sets it apart, and which hand-written persona it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.personas.clusters import Floats, Labels
from cjlib.analyses.personas.customer_features import OF_CHANNEL, OF_EVENT, CustomerFeatures
from cjlib.errors import did_you_mean, shown
from cjlib.shared.clustered_comparison import two_sided
from cjlib.shared.comparison import family, known_at_once
from cjlib.shared.repeated_answers import CustomerAnswers, p_at_random
from cjlib.shared.stats import Z95, wilson
from cjlib.show.numbers import about
from cjlib.sources.journey import Journey
from cjlib.sources.journey.schema import Persona
from cjlib.sources.log.event_log import EventLog

SEEN_APART = "too little seen"
LONGEST_PATH = 8
LEAST_CHANNEL, MOST_CHANNELS = 0.05, 3
TEXTS = ("persona", "name", "channels", "stage_reached", "typical_path", "written_goals")


@dataclass(frozen=True, eq=False)
class Grouped:
    """The customers of a log, which of them were seen often enough, and the group of each of those."""

    log: EventLog
    journey: Journey | None
    features: CustomerFeatures
    seen: NDArray[np.bool_]
    points: Floats
    labels: Labels
    centres: Floats

    @cached_property
    def raw(self) -> pd.DataFrame:
        """The features as a reader knows them, of those in a group."""
        return self.features.raw[self.seen].reset_index(drop=True)

    @cached_property
    def customer(self) -> NDArray[np.int32]:
        """The codes of those in a group."""
        return self.features.customer[self.seen]

    @property
    def names(self) -> list[str]:
        """P1 is the largest group."""
        return [f"P{label + 1}" for label in range(len(self.centres))]

    @cached_property
    def stage_sql(self) -> str:
        """The stage of an event that a customer sees, NULL for others; of a stage that has only backstage touchpoints, those count."""
        assert self.journey is not None, "without a journey there are no stages"
        seen = {entry.position for entry in self.journey.mapping if not entry.backstage}
        stages = ", ".join(
            "NULL" if entry.backstage and entry.position in seen else str(entry.position)
            for entry in self.journey.mapping
        )
        # A list is looked into once; a CASE would work the position out anew for each of its branches.
        return f"list_extract([{stages}], 1 + {self.journey.mapping_sql(self.log)})"

    @cached_property
    def stages(self) -> NDArray[np.int64] | None:
        """The furthest stage of each of them, −1 without a mapped event; None without a journey."""
        if self.journey is None or not self.journey.mapping:
            return None
        found = self.log.engine.columns(
            f"SELECT c, max(stage) AS stage FROM (SELECT c, {self.stage_sql} AS stage FROM {self.log.prepared}) WHERE stage IS NOT NULL GROUP BY c"
        )
        furthest = np.full(int(self.features.customer.max(initial=0)) + 1, -1, dtype=np.int64)
        furthest[found["c"]] = found["stage"]
        return furthest[self.customer]

    @cached_property
    def left(self) -> NDArray[np.bool_] | None:
        """Who has a churn event; None where the journey names none."""
        event = self.journey.churn.event if self.journey and self.journey.churn else None
        if event is None:
            return None
        return np.isin(
            self.customer,
            self.log.fetch("customer", where=self.log.match(event, "churn.event"))["customer"],
        )


def table_of(grouped: Grouped, profile: pd.DataFrame, written: Written) -> pd.DataFrame:
    """A row a persona."""
    rows = [
        _row(grouped, label, name, profile[profile["persona"] == name], written)
        for label, name in enumerate(grouped.names)
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(TEXTS, "str"))


def _row(
    grouped: Grouped, label: int, name: str, profile: pd.DataFrame, written: Written
) -> dict[str, object]:
    inside = grouped.labels == label
    hand = written.of.get(name)
    size = int(inside.sum())
    return {
        "persona": name,
        "name": hand.name if hand else computed_name(profile),
        "customers": size,
        **_share("share", size, inside.size),
        "channels": _channels(grouped.raw[inside]),
        "stage_reached": _stage_reached(grouped, inside),
        "mean_score": _mean_score(grouped.raw[inside]),
        **_share(
            "churned_share", None if grouped.left is None else int(grouped.left[inside].sum()), size
        ),
        **_worth(grouped.raw[inside]),
        "typical_path": _typical(grouped, label),
        "written_goals": "; ".join(hand.goals) if hand else None,
    }


def _share(name: str, count: int | None, base: int) -> dict[str, float]:
    low, high = wilson(count, base) if count is not None else (np.nan, np.nan)
    return {
        name: count / base if count is not None else float("nan"),
        f"{name}_low": float(low),
        f"{name}_high": float(high),
    }


def _channels(raw: pd.DataFrame) -> str | None:
    shares = {
        name.removeprefix(OF_CHANNEL): float(np.sort(raw[name]).mean())
        for name in raw.columns
        if name.startswith(OF_CHANNEL)
    }
    top = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_CHANNELS]
    return (
        ", ".join(f"{name} {about(share)}" for name, share in top if share >= LEAST_CHANNEL) or None
    )


def _stage_reached(grouped: Grouped, inside: NDArray[np.bool_]) -> str | None:
    """The most common of the furthest stages; of equally common ones the later."""
    if grouped.stages is None or grouped.journey is None:
        return None
    reached = grouped.stages[inside]
    counts = np.bincount(reached[reached >= 0], minlength=1)
    return (
        grouped.journey.stage_names[int(counts.size - 1 - counts[::-1].argmax())]
        if counts.any()
        else None
    )


def _mean_score(raw: pd.DataFrame) -> float:
    scores = (
        np.sort(raw["mean_score"].dropna().to_numpy(dtype=float))
        if "mean_score" in raw
        else np.zeros(0)
    )
    return float(scores.mean()) if scores.size else float("nan")


def _worth(raw: pd.DataFrame) -> dict[str, float]:
    names = ("value_per_customer", "value_per_customer_low", "value_per_customer_high")
    if "value" not in raw or len(raw) < 2:
        return dict.fromkeys(names, float("nan"))
    value = np.sort(raw["value"].to_numpy(dtype=float))
    mean, half = float(value.mean()), Z95 * float(value.std(ddof=1)) / np.sqrt(value.size)
    return dict(zip(names, (mean, mean - half, mean + half), strict=True))


def _typical(grouped: Grouped, label: int) -> str:
    """What the member nearest to the centre did, step by step, without saying who it is."""
    inside = np.flatnonzero(grouped.labels == label)
    distance = ((grouped.points[inside] - grouped.centres[label]) ** 2).sum(axis=1).round(9)
    medoid = int(grouped.customer[inside[int(np.argmin(distance))]])
    steps = _steps(grouped, f"c = {medoid}")
    apart = [step for place, step in enumerate(steps) if place == 0 or step != steps[place - 1]]
    return " → ".join(apart[:LONGEST_PATH]) + (" → …" if len(apart) > LONGEST_PATH else "")


def _steps(grouped: Grouped, where: str) -> list[str]:
    """Stages one after the other; events without a journey."""
    log, journey = grouped.log, grouped.journey
    if journey is None or not journey.mapping:
        return [log.event_names[code] for code in log.fetch("event", where=where)["event"].tolist()]
    picked = f"SELECT c, t, e, {grouped.stage_sql} AS stage FROM {log.prepared} WHERE {where}"
    rows = log.engine.rows(
        f"SELECT stage FROM ({picked}) WHERE stage IS NOT NULL ORDER BY t, stage, e"
    )
    return [journey.stage_names[stage] for (stage,) in rows]


def members_of(grouped: Grouped, silhouettes: Floats) -> pd.DataFrame:
    """Every customer of the log: persona, distance to its centre, silhouette."""
    customers = grouped.log.customer_ids(grouped.features.customer)
    every = pd.DataFrame(
        {
            "customer_id": customers.tolist(),
            "persona": SEEN_APART,
            "distance": np.nan,
            "silhouette": np.nan,
        }
    )
    every.loc[grouped.seen, "persona"] = np.array(grouped.names, dtype=object)[grouped.labels]
    every.loc[grouped.seen, "distance"] = np.sqrt(
        ((grouped.points - grouped.centres[grouped.labels]) ** 2).sum(axis=1)
    )
    every.loc[grouped.seen, "silhouette"] = silhouettes
    return every.astype({"persona": "str"})


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
        "p_value": max(two_sided(difference, error), _at_random(mine, rest)),
    }


def _at_random(mine: Floats, rest: Floats) -> float:
    sides = np.split(np.arange(mine.size + rest.size), [mine.size])
    return p_at_random(CustomerAnswers(mine, sides[0]), CustomerAnswers(rest, sides[1]))


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

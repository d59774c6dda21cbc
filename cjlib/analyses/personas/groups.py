"""What each group of customers is and has done: a row a persona, and who is in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.personas.clusters import Floats, Labels
from cjlib.analyses.personas.customer_features import OF_CHANNEL, CustomerFeatures
from cjlib.analyses.personas.profile import Written, computed_name
from cjlib.shared.stats import Z95, wilson
from cjlib.show.numbers import about
from cjlib.sources.journey import Journey
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
        seen = {one.position for one in self.journey.mapping if not one.backstage}
        stages = ", ".join(
            "NULL" if one.backstage and one.position in seen else str(one.position)
            for one in self.journey.mapping
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

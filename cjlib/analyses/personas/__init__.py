"""Which kinds of customers there are, and whether the data really fall into kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.feedback.sentiment import score_texts
from cjlib.analyses.personas import clusters
from cjlib.analyses.personas.customer_features import CustomerFeatures, customer_features
from cjlib.analyses.personas.groups import Grouped, members_of, table_of
from cjlib.analyses.personas.profile import Written, match_written, profile_of
from cjlib.analyses.result import Metric, Result, metric
from cjlib.errors import CjlibError, DataError, shown
from cjlib.shared.comparison import MIN_N
from cjlib.show.numbers import joined
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.journey import Journey
from cjlib.sources.log.event_log import EventLog

FEWEST_EVENTS = 5
STABLE, STRUCTURED = 0.6, 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Personas(Result):
    """Groups of customers.

    Attributes
    ----------
    profile
        What sets each apart: `persona`, `feature`, `value`, `value_rest`, `lift`, `difference`, `low`, `high`, `standardised`, `p_adjusted`.
    members
        Every customer: `customer_id`, `persona`, `distance`, `silhouette` (of at most 3,000, drawn by seed).
    unmatched
        Hand-written personas that no group fits.
    stable, structured
        Whether the groups are found again in other samples, and whether there is more than one cloud.
    """

    profile: pd.DataFrame
    members: pd.DataFrame
    unmatched: tuple[str, ...]
    stable: bool
    structured: bool

    def readable(self, table: pd.DataFrame) -> pd.DataFrame:
        """A persona of fewer than 30 customers is named as one that is too small to read."""
        few = self.table["customers"] < MIN_N
        return (
            table.assign(name=table["name"].mask(few, table["name"] + " (too few to read)"))
            if "name" in table
            else table
        )

    def customers(self, persona: str) -> list[Any]:
        """The ids of a persona's members; the persona by its label (`P1`) or its name."""
        labels = dict(zip(self.table["name"], self.table["persona"], strict=True)) | {
            label: label for label in self.table["persona"]
        }
        if persona not in labels:
            raise CjlibError(
                f"persona: must be one of {', '.join(map(shown, self.table['persona']))}. Got {shown(persona)}."
            )
        return self.members.loc[self.members["persona"] == labels[persona], "customer_id"].tolist()


def personas(
    log: EventLog,
    customers: None = None,
    feedback: Feedback | None = None,
    *,
    k: int | None = None,
    seed: int = 0,
    journey: Journey | None = None,
) -> Personas:
    """Customers in groups of like habits, with how stable the groups are and whether they are more than cuts through one cloud.

    A customer with at least five events is a point: logarithms of events, active days, events a day and value; shares per channel and per event name (20
    commonest); attributes of the customers table (numbers, and levels that at least 5% have); the mean score of what they wrote. Missing numbers are the mean.
    Standardised, clipped to ±3, grouped by k-means with 20 starts. Customers with fewer events are `too little seen`, apart. Stability is the mean adjusted
    Rand index between these groups and those found in 50 bootstraps. Structure is claimed only if the silhouette exceeds, by .05, the best one of ten clouds
    that have the same margins and rank correlations and no groups.

    Parameters
    ----------
    log
        The event log; attributes come with it (`read_events(customers=…)` or the journey file).
    customers
        Not needed: the log holds the customers table.
    feedback
        Adds the mean text score per customer.
    k
        How many groups; None: the highest silhouette among 2 to 6, but 3 if that is within .02 of it.
    seed
        Of starts, bootstraps and clouds.
    journey
        Adds the stage reached, the churned share and the names people have written for personas.

    Returns
    -------
    Personas
        `.table`: `persona` (P1 = largest), `name` (written by hand, or the two strongest features), `customers`, `share`, `share_low`, `share_high`,
        `channels`, `stage_reached` (commonest furthest stage), `mean_score`, `churned_share` (has a churn event), `churned_share_low`, `churned_share_high`,
        `value_per_customer`, `value_per_customer_low`, `value_per_customer_high`, `typical_path`, `written_goals`. `.metrics`: `stability`, `silhouette`,
        `silhouette_reference`, `personas`.

    Raises
    ------
    DataError
        When fewer than 60 customers have five events.
    CjlibError
        When `k` is not a number of groups, or a customers table is given.

    References
    ----------
    Hennig, C. (2007). Cluster-wise assessment of cluster stability. Computational Statistics & Data Analysis 52.
    Rousseeuw, P. J. (1987). Silhouettes. Journal of Computational and Applied Mathematics 20.
    """
    if customers is not None:
        raise CjlibError(
            "customers: the log holds the customers table. Give it to cj.read_events(…, customers=table) or name it in the journey file."
        )
    import sklearn.cluster  # noqa: F401 — what is loaded under the limit is not held by it
    from threadpoolctl import threadpool_limits

    money = (
        {"value_event": journey.value.event, "amount": journey.value.amount}
        if journey and journey.value
        else {}
    )
    features = customer_features(log, _mean_scores(feedback), **money)
    seen = _often_enough(features)
    points = clusters.standardised(features.scaled[seen].to_numpy(dtype=float))
    with threadpool_limits(1):  # sums over threads differ in the last digit
        metrics, (centres, labels), silhouettes = _found(points, k, seed)
    grouped = Grouped(log, journey, features, seen, points, labels, centres)
    return _answer(grouped, metrics, k, silhouettes)


def _found(
    points: clusters.Floats, k: int | None, seed: int
) -> tuple[dict[str, Metric], clusters.Found, clusters.Floats]:
    """The groups, how well they stand, and the silhouettes of the points."""
    if k is None:
        groups, quality = clusters.choose(points, seed)
    else:
        groups = clusters.fit(points, clusters.checked_k(k, len(points)), seed)
        quality = clusters.Apart.of(points, seed).silhouette(groups[1])
    chosen, labels = len(groups[0]), groups[1]
    metrics = {
        "stability": metric(clusters.stability(points, chosen, labels, seed), n=len(points)),
        "silhouette": metric(quality, n=len(points)),
        "silhouette_reference": metric(
            clusters.reference(points, clusters.CHOICES if k is None else [chosen], seed)
        ),
        "personas": metric(chosen, n=len(points)),
    }
    return metrics, groups, clusters.silhouettes(points, labels, seed)


def _often_enough(features: CustomerFeatures) -> NDArray[np.bool_]:
    seen = features.events >= FEWEST_EVENTS
    if seen.sum() < 2 * MIN_N:
        raise DataError(
            f"personas: only {int(seen.sum())} customers have {FEWEST_EVENTS} events or more, at least {2 * MIN_N} are needed for groups that mean anything. "
            "Give a longer log."
        )
    return seen


def _mean_scores(feedback: Feedback | None) -> dict[object, float] | None:
    if feedback is None:
        return None
    scores = score_texts(feedback).table["score"].to_numpy(dtype=float)
    rows = pd.DataFrame(
        {"customer_id": feedback.frame["customer_id"].to_numpy(dtype=object), "score": scores}
    ).dropna()
    return {
        customer: float(np.sort(group.to_numpy()).mean())
        for customer, group in rows.groupby("customer_id")["score"]
    }


def _answer(
    grouped: Grouped, metrics: dict[str, Metric], k: int | None, silhouettes: clusters.Floats
) -> Personas:
    profile = profile_of(grouped.raw, grouped.labels, grouped.names)
    written = match_written(
        grouped.journey.personas if grouped.journey else (), profile, grouped.names
    )
    table = table_of(grouped, profile, written)
    stability, quality, cloud = (
        metrics[name]["value"] or 0.0
        for name in ("stability", "silhouette", "silhouette_reference")
    )
    stable, structured = stability >= STABLE, quality > cloud + STRUCTURED
    return Personas(
        table=table,
        headline=_headline(
            table, grouped.labels.size, (stability, quality, cloud), stable, structured
        ),
        definition=_definition(grouped, k, written),
        metrics=metrics,
        profile=profile,
        members=members_of(grouped, silhouettes),
        unmatched=written.unmatched,
        stable=stable,
        structured=structured,
    )


def _headline(
    table: pd.DataFrame, n: int, figures: tuple[float, float, float], stable: bool, structured: bool
) -> str:
    stability, quality, cloud = figures
    said = f"stability {stability:.2f}, silhouette {quality:.2f} against {cloud:.2f} of one cloud cut alike"
    shaky = "" if stable else "; these segments are not stable"
    small = table.loc[table["customers"] < MIN_N, "persona"].tolist()
    few = (
        f" {joined(small)} {'has' if len(small) == 1 else 'have'} fewer than {MIN_N} customers: too few to read."
        if small
        else ""
    )
    if not structured:
        return f"One group that shades off, cut in {len(table)}: the customers do not fall into kinds beyond chance ({said}; n = {n:,}){shaky}.{few}"
    largest = table.iloc[0]
    share = f"{100 * largest['share']:.0f}% of {n:,} (95% CI {100 * largest['share_low']:.0f}–{100 * largest['share_high']:.0f}%)"
    return f"{len(table)} kinds of customers; the largest, “{largest['name']}”, is {share}; {said}{shaky}.{few}"


def _definition(grouped: Grouped, k: int | None, written: Written) -> dict[str, str]:
    seen = grouped.seen
    said = {
        "base": f"{int(seen.sum()):,} customers with {FEWEST_EVENTS} events or more; {int((~seen).sum()):,} with fewer are too little seen, apart",
        "features": ", ".join(grouped.features.scaled.columns),
        "method": f"standardised, clipped to ±{clusters.CLIP:g}; k-means, {clusters.STARTS} starts",
        "groups": f"{len(grouped.centres)}, "
        + (
            "as asked"
            if k is not None
            else "by the highest silhouette among 2 to 6 (3 if within .02 of it)"
        ),
        "stability": f"mean adjusted Rand index over {clusters.BOOTSTRAPS} bootstraps of customers; below {STABLE:g} not stable",
        "structure": f"the silhouette must exceed that of {clusters.CLOUDS} clouds with the same margins and rank correlations by {STRUCTURED:g}",
        "profile": "descriptive: the same data made the groups",
    }
    if written.of or written.unmatched:
        said["written by hand"] = "; ".join(
            [f"{one.name} is {label}" for label, one in sorted(written.of.items())] or ["none fits"]
        )
    if written.unmatched:
        said["written, but fits no group"] = ", ".join(written.unmatched)
    if written.unknown:
        said["features not known"] = " ".join(written.unknown)
    return said

"""Which personas there are, and whether the data really fall into such groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.feedback.score_texts import score_texts
from cjlib.analyses.personas import clusters
from cjlib.analyses.personas.customer_features import (
    OF_CHANNEL,
    OF_EVENT,
    CustomerFeatures,
    beside_alike,
    customer_features,
)
from cjlib.analyses.personas.groups import (
    Grouped,
    Written,
    match_written,
    members_of,
    profile_of,
    table_of,
)
from cjlib.analyses.result import Metric, Result, metric
from cjlib.errors import CjlibError, not_a_log, shown
from cjlib.shared.comparison import MIN_N
from cjlib.show.numbers import confidence, count_of, joined, percent
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.journey import Journey
from cjlib.sources.log.event_log import EventLog, Log

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

    profile: pd.DataFrame = field(default_factory=pd.DataFrame)
    members: pd.DataFrame = field(default_factory=pd.DataFrame)
    unmatched: tuple[str, ...] = ()
    stable: bool = False
    structured: bool = False

    def readable(self, table: pd.DataFrame) -> pd.DataFrame:
        """A persona of fewer than 30 customers is named as one that is too small to read."""
        if not self.answered:
            return table
        few = self.table["customers"] < MIN_N
        return (
            table.assign(name=table["name"].mask(few, table["name"] + " (too few to read)"))
            if "name" in table
            else table
        )

    def customers(self, persona: str) -> list[Any]:
        """The ids of a persona's members; the persona by its label (`P1`) or its name.

        Parameters
        ----------
        persona
            A label such as "P1", or a name.

        Returns
        -------
        list
            Customer ids, as the log has them.

        Raises
        ------
        CjlibError
            If there is no such persona.
        """
        labels = dict(zip(self.table["name"], self.table["persona"], strict=True)) | {
            label: label for label in self.table["persona"]
        }
        if persona not in labels:
            raise CjlibError(
                f"persona: must be one of {', '.join(map(shown, self.table['persona']))}. Got {shown(persona)}."
            )
        return self.members.loc[self.members["persona"] == labels[persona], "customer_id"].tolist()


def personas(
    log: EventLog | None,
    customers: None = None,
    feedback: Feedback | None = None,
    *,
    k: int | None = None,
    seed: int = 0,
    journey: Journey | None = None,
) -> Personas:
    """Customers in groups of like habits, with how stable the groups are and whether they are more than cuts through one cloud.

    A customer with at least five events is a point: logarithms of events, active days, events a day
    and value; shares per channel and per event name (20 most common); attributes of the customers
    table (numbers, and levels that at least 5% have); the mean score of what they wrote. Missing
    numbers are the mean. All but the first four are taken less their mean among customers with about
    as many events, since how far customers came is no habit. Standardised, clipped to ±3, grouped by
    k-means with 20 starts. Customers with fewer events are `too little seen`, apart. Stability is the mean adjusted Rand index
    between these groups and those found in 50 bootstraps. Structure is claimed only if the
    silhouette exceeds, by .05, the best one of ten clouds that have the same margins and rank
    correlations and no groups; or if a habit (a share of a channel or event) has two peaks by
    itself, which such clouds share and hide: then the groups are made by these habits alone. Stable
    groups need not be right: stability says that other samples are cut alike, not that the cut
    follows what customers are.

    Parameters
    ----------
    log
        The event log, None where there is none; attributes come with it (`read_events(customers=…)`
        or the journey file).
    customers
        Not needed: the log holds the customers table.
    feedback
        Adds the mean text score per customer.
    k
        How many groups; None: the highest silhouette among 2 to 6, but 3 if that is within .02 of
        it.
    seed
        Of starts, bootstraps and clouds.
    journey
        Adds the stage reached, the churned share and the names people have written for personas.

    Returns
    -------
    Personas
        `.table`: `persona` (P1 = largest), `name` (written by hand, or the two strongest features),
        `customers`, `share`, `share_low`, `share_high`, `channels`, `stage_reached` (most common
        furthest stage), `mean_score`, `churned_share` (has a churn event), `churned_share_low`,
        `churned_share_high`, `value_per_customer`, `value_per_customer_low`,
        `value_per_customer_high`, `typical_path`, `written_goals`. `.metrics`: `stability`,
        `silhouette`, `silhouette_reference`, `personas`.

    Raises
    ------
    CjlibError
        If `k` is no whole number from 2 to a fifth of the customers, or a customers table is given:
        the log holds it.

    References
    ----------
    Hennig, C. (2007). Cluster-wise assessment of cluster stability. Computational Statistics & Data
    Analysis 52. Rousseeuw, P. J. (1987). Silhouettes. Journal of Computational and Applied
    Mathematics 20.
    """
    if customers is not None:
        raise CjlibError(
            "customers: the log holds the customers table. Give it to cj.read_events(…, customers=table) or name it in the journey file."
        )
    if log is None:
        return Personas.unanswered("Without events there are no habits to tell personas by.")
    if not isinstance(log, Log):
        raise not_a_log(log)
    import sklearn.cluster  # noqa: F401 — what is loaded under the limit is not held by it
    from threadpoolctl import threadpool_limits

    money = (
        {"value_event": journey.value.event, "amount": journey.value.amount}
        if journey and journey.value
        else {}
    )
    features = customer_features(log, _mean_scores(log, feedback), **money)
    seen = features.events >= FEWEST_EVENTS
    if seen.sum() < 2 * MIN_N:
        return Personas.unanswered(
            f"Personas cannot be told apart: only {count_of(int(seen.sum()), 'customer')} have {FEWEST_EVENTS} events or more, at least {2 * MIN_N} are needed. A longer log may have them."
        )
    points = clusters.standardised(beside_alike(features.scaled[seen], features.events[seen]))
    if not points.any():
        return Personas.unanswered(
            f"Personas cannot be told apart: {count_of(int(seen.sum()), 'customer')} with {FEWEST_EVENTS} events or more have the same habits."
        )
    habits: list[str] = []
    with threadpool_limits(1):  # sums over threads differ in the last digit
        metrics, groups = _found(points, k, seed)
        metrics["silhouette_reference"] = metric(
            clusters.reference(points, clusters.CHOICES if k is None else [k], seed),
            label="Silhouette without groups",
            unit="number",
        )
        if not _structured(metrics):
            habits = _two_peaked(features, seen, seed)
        if habits:
            points = clusters.standardised(features.scaled.loc[seen, habits].to_numpy(dtype=float))
            by_habit, groups = _found(points, k, seed)
            metrics |= by_habit
        centres, labels = groups
        silhouettes = clusters.silhouettes(points, labels, seed)
    grouped = Grouped(log, journey, features, seen, points, labels, centres)
    return _answer(grouped, metrics, k, silhouettes, habits)


def _structured(metrics: dict[str, Metric]) -> bool:
    return (metrics["silhouette"]["value"] or 0.0) > (
        metrics["silhouette_reference"]["value"] or 0.0
    ) + STRUCTURED


def _two_peaked(features: CustomerFeatures, seen: NDArray[np.bool_], seed: int) -> list[str]:
    """The habits that split customers in two by themselves: one look at the share shows two peaks, which clouds with the same margins share."""
    events = features.events[seen]
    shares = {
        name: features.raw.loc[seen, name].to_numpy(dtype=float)
        for name in features.scaled.columns
        if name.startswith((OF_CHANNEL, OF_EVENT))
    }
    return [
        name
        for name, share in shares.items()
        if clusters.two_peaks(np.rint(share * events).astype(np.int64), events, seed)
    ]


def _found(
    points: clusters.Floats, k: int | None, seed: int
) -> tuple[dict[str, Metric], clusters.Found]:
    """The groups, and how well they stand."""
    if k is None:
        groups, quality = clusters.choose(points, seed)
    else:
        groups = clusters.fit(points, clusters.checked_k(k, len(points)), seed)
        quality = clusters.Apart.of(points, seed).silhouette(groups[1])
    chosen, labels = len(groups[0]), groups[1]
    metrics = {
        "stability": metric(
            clusters.stability(points, chosen, labels, seed),
            n=len(points),
            label="Stability",
            unit="number",
        ),
        "silhouette": metric(quality, n=len(points), label="Silhouette", unit="number"),
        "personas": metric(chosen, n=len(points), label="Personas", unit="number"),
    }
    return metrics, groups


def _mean_scores(log: EventLog, feedback: Feedback | None) -> dict[int, float]:
    """The mean sentiment of each customer of the log who wrote, by its code; any id of a person counts."""
    if feedback is None:
        return {}
    scores = score_texts(feedback).table["score"].to_numpy(dtype=float)
    given = feedback.frame["customer_id"]
    customer = np.where(given.notna(), log.codes_of_ids(given), -1)
    rows = pd.DataFrame({"customer": customer, "score": scores}).query("customer >= 0").dropna()
    groups = rows.groupby("customer")["score"]
    means = groups.agg(lambda group: float(np.sort(group.to_numpy()).mean()))
    return dict(zip(means.index.tolist(), means.tolist(), strict=True))


def _answer(
    grouped: Grouped,
    metrics: dict[str, Metric],
    k: int | None,
    silhouettes: clusters.Floats,
    habits: list[str],
) -> Personas:
    profile = profile_of(grouped.raw, grouped.labels, grouped.names)
    written = match_written(
        grouped.journey.personas if grouped.journey else (), profile, grouped.names
    )
    table = table_of(grouped, profile, written)
    stable = (metrics["stability"]["value"] or 0.0) >= STABLE
    structured = bool(habits) or _structured(metrics)
    return Personas(
        table=table,
        headline=_headline(table, metrics, structured, habits),
        definition=_definition(grouped, k, written, habits),
        metrics=metrics,
        profile=profile,
        members=members_of(grouped, silhouettes),
        unmatched=written.unmatched,
        stable=stable,
        structured=structured,
    )


def _headline(
    table: pd.DataFrame, metrics: dict[str, Metric], structured: bool, habits: list[str]
) -> str:
    n = metrics["personas"]["n"] or 0
    stability, quality, cloud = (
        metrics[name]["value"] or 0.0
        for name in ("stability", "silhouette", "silhouette_reference")
    )
    figures = f"stability {stability:.2f}, silhouette {quality:.2f}" + (
        "" if habits else f", {cloud:.2f} without groups"
    )
    shaky = "" if stability >= STABLE else "; these groups are not stable"
    small = table.loc[table["customers"] < MIN_N, "persona"].tolist()
    few = (
        f" {joined(small)} {'has' if len(small) == 1 else 'have'} fewer than {MIN_N} customers: too few to read."
        if small
        else ""
    )
    if not structured:
        return f"One group: customers differ by degrees, and the {len(table)} personas shown are cuts through one cloud ({figures}; n = {n:,}){shaky}.{few}"
    largest = table.iloc[0]
    if largest["customers"] < MIN_N:
        return f"{len(table)} personas of {n:,} customers, each of fewer than {MIN_N}: too few to read ({figures}){shaky}."
    alike = (
        " (others are as large)" if (table["customers"] == largest["customers"]).sum() > 1 else ""
    )
    within = confidence(largest["share_low"], largest["share_high"])
    by = f", told apart by {joined(habits)}" if habits else ""
    return f"{len(table)} personas{by}; the largest{alike}, “{largest['name']}”, is {percent(largest['share'])} of {n:,} customers ({within}); {figures}{shaky}.{few}"


def _definition(
    grouped: Grouped, k: int | None, written: Written, habits: list[str]
) -> dict[str, str]:
    seen = grouped.seen
    words = {
        "base": f"{int(seen.sum()):,} customers with {FEWEST_EVENTS} events or more; {int((~seen).sum()):,} with fewer are too little seen, apart",
        "features": ", ".join(habits or grouped.features.scaled.columns),
        "method": "all but events, days, events a day and value less their mean among customers with about as many events; "
        f"standardised, clipped to ±{clusters.CLIP:g}; k-means, {clusters.STARTS} starts",
        "groups": f"{len(grouped.centres)}, "
        + (
            "as asked"
            if k is not None
            else "by the highest silhouette among 2 to 6 (3 if within .02 of it)"
        ),
        "stability": f"mean adjusted Rand index over {clusters.BOOTSTRAPS} bootstraps of customers; below {STABLE:g} not stable",
        "structure": "habits whose shares have two peaks with a valley between, more than by chance; groups by these habits alone"
        if habits
        else f"the silhouette must exceed that of {clusters.CLOUDS} clouds with the same margins and rank correlations by {STRUCTURED:g}",
        "profile": "descriptive: the same data made the groups",
    }
    if written.of or written.unmatched:
        words["written by hand"] = "; ".join(
            [f"{one.name} is {label}" for label, one in sorted(written.of.items())] or ["none fits"]
        )
    if written.unmatched:
        words["written, but fits no group"] = ", ".join(written.unmatched)
    if written.unknown:
        words["features not known"] = " ".join(written.unknown)
    return words

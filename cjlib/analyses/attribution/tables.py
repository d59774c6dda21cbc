"""The table, metrics and statement of an attribution."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cjlib.analyses.attribution.models import Credit, Options
from cjlib.analyses.attribution.touch_journeys import Journeys
from cjlib.analyses.result import Metric, metric
from cjlib.errors import CjlibError, did_you_mean, shown
from cjlib.shared.clustered_comparison import two_sided
from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.shared.event_arrays import ARROW, customer_column, interval_sql
from cjlib.show.numbers import confidence, count_of, joined, percent
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.engine import identifier
from cjlib.sources.log.event_log import EventLog


def credit_table(
    journeys: Journeys, credit: Credit, costs: Mapping[str, float], valued: bool
) -> pd.DataFrame:
    """One row a channel, and one for conversions without a touch; by conversions falling, then channel."""
    channels = len(journeys.channels)
    of_touch = journeys.journey_of_touch
    weight = journeys.conversions + journeys.nulls
    touches = np.bincount(journeys.channel, weight[of_touch], channels)
    _, once = np.unique(of_touch * max(1, channels) + journeys.channel, return_index=True)
    converting = np.bincount(journeys.channel[once], journeys.conversions[of_touch[once]], channels)
    total = journeys.attributed + journeys.untouched.size
    table = pd.DataFrame(
        {
            "channel": pd.Series(pd.array(journeys.channels, dtype="str")),
            "touches": touches.astype(np.int64),
            "journeys": converting.astype(np.int64),
            "conversions": credit.conversions.astype(float),
            "share_of_conversions": credit.conversions / total
            if total
            else np.full(channels, np.nan),
            "share_of_conversions_low": credit.low,
            "share_of_conversions_high": credit.high,
            "removal_effect": credit.removal_effect,
            "value": credit.value.astype(float),
        }
    )
    if journeys.untouched.size:
        n = journeys.untouched.size
        credits = (float(n), n / total, credit.none_low, credit.none_high, np.nan)
        row = [journeys.untouched_name, 0, 0, *credits, journeys.untouched_value]
        untouched = pd.DataFrame([row], columns=table.columns).astype(table.dtypes)
        table = pd.concat([table, untouched], ignore_index=True) if channels else untouched
    # Rounded for the order only, so that equal credits stand by name whatever the last bit says.
    ordered = (
        table.assign(by=-table["conversions"].round(9))
        .sort_values(["by", "channel"], kind="stable")
        .drop(columns="by")
        .reset_index(drop=True)
    )
    return _with_costs(ordered if valued else ordered.drop(columns="value"), costs, total)


def _with_costs(table: pd.DataFrame, costs: Mapping[str, float], total: int) -> pd.DataFrame:
    for name, cost in costs.items():
        if isinstance(cost, bool) or not isinstance(cost, int | float) or not cost >= 0:
            raise CjlibError(
                f"costs: must be a number from 0 on for each channel. Got {shown(cost)} for {shown(name)}."
            )
    if not costs:
        return table
    cost = np.array([float(costs.get(name, np.nan)) for name in table["channel"]])

    def per(credit: pd.Series) -> np.ndarray:
        return np.divide(cost, credit, out=np.full(cost.size, np.nan), where=credit.to_numpy() > 0)

    return table.assign(
        cost=cost,
        cost_per_conversion=per(table["conversions"]),
        cost_per_conversion_low=per(table["share_of_conversions_high"] * total),
        cost_per_conversion_high=per(table["share_of_conversions_low"] * total),
    )


def share_metrics(table: pd.DataFrame, journeys: Journeys, credit: Credit) -> dict[str, Metric]:
    """Conversions, and the share of each channel with its interval."""
    total = journeys.attributed + journeys.untouched.size
    channels = table.loc[table["channel"] != journeys.untouched_name]
    shares = {
        f"share_{name}": metric(share, low, high, total, label=f"Credit of {name}", unit="share")
        for name, share, low, high in zip(
            channels["channel"],
            channels["share_of_conversions"],
            channels["share_of_conversions_low"],
            channels["share_of_conversions_high"],
            strict=True,
        )
    }
    return {
        "conversions": metric(total, n=total, label="Conversions", unit="number", better="higher"),
        "attributed_conversions": metric(
            journeys.attributed, n=total, label="Conversions with a touch", unit="number"
        ),
        "conversion_probability": metric(
            credit.chance,
            n=int((journeys.conversions + journeys.nulls).sum()),
            label="Journeys that convert",
            unit="share",
            better="higher",
        ),
        **shares,
    }


def journey_rows(log: EventLog, journeys: Journeys) -> pd.DataFrame:
    """One row a journey, by customer."""
    names = journeys.channels
    ways = [
        ARROW.join(names[code] for code in journeys.channel[low : low + n].tolist())
        for low, n in zip(journeys.start, journeys.size, strict=True)
    ]
    unit = journeys.unit if journeys.unit is not None else np.zeros(0, dtype=np.int64)
    frame = pd.DataFrame(
        {
            "customer_id": customer_column(log, unit),
            "path": pd.Series(pd.array(ways, dtype="str")),
            "touches": journeys.size,
            "converted": journeys.conversions > 0,
            "value": journeys.value,
        }
    )
    return frame.iloc[np.lexsort((np.arange(unit.size), unit))].reset_index(drop=True)


def touches_sql(log: EventLog, conversion: Event, lookback: int | None, channel: str) -> str:
    """Touches and converting journeys by channel; no statement where the channel belongs to the customer or `first_time` is asked for."""
    if log.property(channel, "channel").of_customer or as_step(conversion, "conversion").first_time:
        return ""
    name = identifier(channel)
    within = (
        "" if lookback is None else f" AND converted_at <= timestamp + {interval_sql(lookback)}"
    )
    ahead = "OVER (PARTITION BY customer_id ORDER BY n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)"
    return (
        "WITH marked AS (\n"
        f"  SELECT customer_id, timestamp, CAST({name} AS VARCHAR) AS channel, CASE WHEN {log.portable(conversion, 'conversion')} THEN 1 ELSE 0 END AS converts\n"
        f"  FROM {log.events_sql} AS given\n"
        "), placed AS (\n"
        "  -- A conversion stands after the touches of its own instant, so they lead to it.\n"
        "  SELECT customer_id, timestamp, channel, converts,\n"
        "    ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY timestamp, converts, channel) AS n\n"
        "  FROM marked\n"
        "), led AS (\n"
        "  SELECT customer_id, timestamp, channel, converts,\n"
        f"    MIN(CASE WHEN converts = 1 THEN n END) {ahead} AS conversion_n,\n"
        f"    MIN(CASE WHEN converts = 1 THEN timestamp END) {ahead} AS converted_at\n"
        "  FROM placed\n"
        "), touches AS (\n"
        f"  SELECT customer_id, channel, CASE WHEN conversion_n IS NOT NULL{within} THEN conversion_n END AS journey\n"
        "  FROM led WHERE converts = 0 AND channel IS NOT NULL\n"
        "), counted AS (\n"
        "  SELECT channel, customer_id, journey, COUNT(*) AS touches FROM touches GROUP BY channel, customer_id, journey\n"
        ")\n"
        "SELECT channel, CAST(SUM(touches) AS BIGINT) AS touches,\n"
        "  CAST(SUM(CASE WHEN journey IS NULL THEN 0 ELSE 1 END) AS BIGINT) AS journeys\n"
        "FROM counted\nGROUP BY channel\nORDER BY channel"
    )


IN_WORDS = {
    "first": "the first touch of a journey gets the whole conversion",
    "last": "the last touch of a journey gets the whole conversion",
    "last_non_direct": "the last touch that is not direct gets the whole conversion; if all are, the last",
    "linear": "each touch of a journey gets an equal part",
    "position": "40% to the first touch, 40% to the last, 20% to those between; two touches half each",
    "time_decay": "a touch 7 days older counts half as much",
    "markov": "a chain over start, channels, conversion and null; credit goes by how much conversion would fall without the channel, its traffic lost",
    "shapley": "each conversion is split equally among the different channels of its journey",
}
NAMES = {
    "first": "first-touch",
    "last": "last-touch",
    "last_non_direct": "last-non-direct-touch",
    "linear": "linear",
    "position": "position-based",
    "time_decay": "time-decay",
    "markov": "Markov",
    "shapley": "Shapley",
}
"""How the field calls each model."""
NO_CAUSE = "Association, not causation."


def headline(table: pd.DataFrame, journeys: Journeys, model: str, lead_error: float) -> str:
    """Who gets the most credit, where its lead over the next is significant, and what that does not prove."""
    total = journeys.attributed + journeys.untouched.size
    if not journeys.attributed:
        nothing = f"None of {count_of(total, 'conversion')} has a touch before it" if total else "There is no conversion"  # fmt: skip
        return f"{nothing}, so no channel gets credit."
    if journeys.converting_units < MIN_N:
        return f"Only {count_of(total, 'conversion')}{_of_customers(journeys, total)}: too few to say which channel gets the credit. {NO_CAUSE}"
    ranked = table.loc[table["channel"] != journeys.untouched_name]
    best = ranked.iloc[0]
    untouched = (
        f" {count_of(journeys.untouched.size, 'conversion')} had no touch."
        if journeys.untouched.size
        else ""
    )
    if len(ranked) == 1:
        return (
            f"{best['channel']} is the only channel: {count_of(total - journeys.untouched.size, 'conversion')} of {total:,} had a touch of it, "
            f"and there is no other to compare it with.{untouched} {NO_CAUSE}"
        )
    low, high = best["share_of_conversions_low"], best["share_of_conversions_high"]
    within = "" if not low < high else f" ({confidence(low, high)})"
    if np.isnan(lead_error):
        return (
            f"{best['channel']} gets {percent(best['share_of_conversions'])} and {ranked['channel'].iloc[1]} {percent(ranked['share_of_conversions'].iloc[1])} of {count_of(total, 'conversion')}, by the {NAMES[model]} model; "
            f"without resamples nothing says whether that is a lead.{untouched} {NO_CAUSE}"
        )
    lead = best["share_of_conversions"] - ranked["share_of_conversions"].iloc[1]
    # Without a lead both shares would vary by what they are together: a lead that is large by chance varies less.
    if (
        two_sided(lead, float(np.hypot(lead_error, lead / np.sqrt(journeys.converting_units))))
        >= CLAIM
    ):
        return (
            f"No channel leads significantly: {best['channel']} gets {percent(best['share_of_conversions'])} and {ranked['channel'].iloc[1]} "
            f"{percent(ranked['share_of_conversions'].iloc[1])} of {count_of(total, 'conversion')}, by the {NAMES[model]} model."
            f"{untouched} {NO_CAUSE}"
        )
    return (
        f"{best['channel']} gets the most credit: {percent(best['share_of_conversions'])} of {count_of(total, 'conversion')}"
        f"{within}, by the {NAMES[model]} model.{untouched} {NO_CAUSE}"
    )


def _of_customers(journeys: Journeys, total: int) -> str:
    """Whose conversions they are, where some have several."""
    units = journeys.converting_units
    return f" of {count_of(units, 'customer')}" if units < total else ""


def comparison_headline(table: pd.DataFrame, journeys: Journeys, otherwise: str) -> str:
    """For which channel the model decides most; otherwise, where there are no two models and channels to compare, what one model says."""
    total = journeys.attributed + journeys.untouched.size
    compared = len(journeys.channels) > 1 and len(set(table["model"])) > 1
    if not journeys.attributed or journeys.converting_units < MIN_N or not compared:
        return otherwise
    shares = table.loc[table["channel"] != journeys.untouched_name].pivot_table(
        index="channel", columns="model", values="share_of_conversions", sort=True
    )
    spread = shares.max(axis=1) - shares.min(axis=1)
    if spread.max() < 0.0005:
        means = shares.mean(axis=1).round(9)
        leaders = [str(name) for name in means.index[means == means.max()]]
        each = " each" if len(leaders) > 1 else ""
        verb = "get" if each else "gets"
        return f"All models agree: {joined(leaders)} {verb} {percent(float(means.max()))}{each} of {count_of(total, 'conversion')}. {NO_CAUSE}"
    name = spread.round(9).sort_values(ascending=False, kind="stable").index[0]
    alike = [
        str(one) for one in spread.index[spread.round(9) == spread.round(9).max()] if one != name
    ]
    as_much = f" (and as much for {joined(alike)})" if alike else ""
    low, high = shares.loc[name].idxmin(), shares.loc[name].idxmax()
    least, most = (float(shares.loc[[name], [model]].to_numpy()[0, 0]) for model in (low, high))
    return f"The model decides most for {name}{as_much}: {percent(least)} of {count_of(total, 'conversion')} under {low}, {percent(most)} under {high}. {NO_CAUSE}"


def unknown_costs(journeys: Journeys, costs: Mapping[str, float]) -> dict[str, str]:
    """A warning for costs of channels that have no touch."""
    unknown = [name for name in costs if name not in journeys.channels]
    words = "; ".join(
        f"{shown(name)} has no touch.{did_you_mean(name, journeys.channels)}" for name in unknown
    )
    return {"costs": words} if words else {}


def passed_over(journeys: Journeys, options: Options) -> dict[str, str]:
    """Which channels count as direct, where the model asks, and a warning for those that have no touch."""
    if options.model != "last_non_direct":
        return {}
    unknown = "".join(
        f" {shown(name)} has no touch.{did_you_mean(name, journeys.channels)}"
        for name in options.direct
        if name not in journeys.channels
    )
    return {"direct": f"{', '.join(options.direct)}: passed over.{unknown}"}

"""The table, metrics and statement of an attribution."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cjlib.analyses.attribution.models import Credit
from cjlib.analyses.attribution.touch_journeys import Journeys
from cjlib.analyses.result import Metric, metric
from cjlib.errors import CjlibError, shown
from cjlib.shared.event_arrays import ARROW, customer_column, interval_sql
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

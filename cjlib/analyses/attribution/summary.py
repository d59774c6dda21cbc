"""An attribution in words: what each model does, and what credit does not mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cjlib.analyses.attribution.models import Options
from cjlib.analyses.attribution.touch_journeys import Journeys
from cjlib.errors import did_you_mean, shown
from cjlib.shared.clustered_comparison import two_sided
from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show.numbers import confidence, count_of, percent

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
NO_CAUSE = "Association, not causation."


def headline(table: pd.DataFrame, journeys: Journeys, model: str, lead_error: float) -> str:
    """Who gets the most credit, where its lead over the next is significant, and what that does not prove."""
    total = journeys.attributed + journeys.untouched.size
    if not journeys.attributed:
        return f"None of {count_of(total, 'conversion')} has a touch before it, so no channel gets credit."
    if total < MIN_N:
        return f"Only {count_of(total, 'conversion')}: too few to say which channel gets the credit. {NO_CAUSE}"
    ranked = table.loc[table["channel"] != journeys.untouched_name]
    best = ranked.iloc[0]
    untouched = (
        f" {count_of(journeys.untouched.size, 'conversion')} had no touch."
        if journeys.untouched.size
        else ""
    )
    low, high = best["share_of_conversions_low"], best["share_of_conversions_high"]
    within = "" if np.isnan(low) else f" ({confidence(low, high)})"
    if len(ranked) > 1 and not np.isnan(lead_error):
        lead = best["share_of_conversions"] - ranked["share_of_conversions"].iloc[1]
        if two_sided(lead, lead_error) >= CLAIM:
            return (
                f"{best['channel']} and {ranked['channel'].iloc[1]} get about as much credit: {percent(best['share_of_conversions'])} and "
                f"{percent(ranked['share_of_conversions'].iloc[1])} of {count_of(total, 'conversion')}, by the {model} model; no channel leads significantly."
                f"{untouched} {NO_CAUSE}"
            )
    return (
        f"{best['channel']} gets the most credit: {percent(best['share_of_conversions'])} of {count_of(total, 'conversion')}"
        f"{within}, by the {model} model.{untouched} {NO_CAUSE}"
    )


def comparison_headline(table: pd.DataFrame, journeys: Journeys, otherwise: str) -> str:
    """For which channel the model decides most."""
    total = journeys.attributed + journeys.untouched.size
    if not journeys.attributed or total < MIN_N:
        return otherwise
    shares = table.loc[table["channel"] != journeys.untouched_name].pivot_table(
        index="channel", columns="model", values="share_of_conversions", sort=True
    )
    spread = shares.max(axis=1) - shares.min(axis=1)
    if spread.max() < 0.0005:
        leader = shares.mean(axis=1).round(9).sort_values(ascending=False, kind="stable").index[0]
        return f"All models agree: {leader} gets {percent(float(shares.loc[leader].max()))} of {count_of(total, 'conversion')}. {NO_CAUSE}"
    name = spread.sort_values(ascending=False, kind="stable").index[0]
    low, high = shares.loc[name].idxmin(), shares.loc[name].idxmax()
    least, most = (float(shares.loc[[name], [model]].to_numpy()[0, 0]) for model in (low, high))
    return f"The model decides most for {name}: {percent(least)} of {count_of(total, 'conversion')} under {low}, {percent(most)} under {high}. {NO_CAUSE}"


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

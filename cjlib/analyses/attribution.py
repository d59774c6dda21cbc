"""Attribution: who gets the credit for a conversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cjlib.analyses.credit import MODELS
from cjlib.analyses.credit_shares import Credit, Options, credited
from cjlib.analyses.result import MIN_N, Metric, Result, metric
from cjlib.analyses.sequence import ARROW, base_of, customer_column, interval_sql
from cjlib.analyses.touch_journeys import NONE, Journeys, from_log, from_paths
from cjlib.errors import CjlibError, did_you_mean, not_one_of, shown
from cjlib.sources.conditions import Event, as_step
from cjlib.sources.durations import Duration, in_words, microseconds
from cjlib.sources.engine import identifier
from cjlib.sources.events import EventLog

IN_WORDS = {
    "first": "the first touch of a journey gets the whole conversion",
    "last": "the last touch of a journey gets the whole conversion",
    "last_non_direct": "the last touch that is not direct gets the whole conversion; if all are, the last",
    "linear": "each touch of a journey gets an equal part",
    "position": "40 % to the first touch, 40 % to the last, 20 % to those between; two touches half each",
    "time_decay": "a touch 7 days older counts half as much",
    "markov": "a chain over start, channels, conversion and null; credit goes by how much conversion would fall without the channel, its traffic lost",
    "shapley": "each conversion is split equally among the different channels of its journey",
}
NO_CAUSE = "Credit says which channels stood on the way to a conversion; it does not prove that they caused it."


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribution(Result):
    """Who gets the credit under one model; `.compare()` sets all models side by side, `.customers()` lists the journeys."""

    model: str
    journeys: Journeys = field(repr=False)
    options: Options = field(repr=False)
    costs: Mapping[str, float] = field(repr=False)
    per_journey: Callable[[], pd.DataFrame] = field(repr=False)

    def compare(self, models: Sequence[str] | None = None) -> AttributionComparison:
        """The same journeys under several models (all that apply, unless named)."""
        chosen = [name for name in MODELS if name != "time_decay" or self.journeys.age is not None] if models is None else list(models)
        for name in chosen:
            _check_model(name, self.journeys)
        return _compared(self, chosen)

    def customers(self) -> pd.DataFrame:
        """One row a journey: `customer_id`, `path`, `touches`, `converted`, `value`; by customer."""
        return self.per_journey()


@dataclass(frozen=True, kw_only=True, eq=False)
class AttributionComparison(Result):
    """Several models side by side, one row a model and channel."""


def attribution(
    log: EventLog,
    *,
    conversion: Event,
    model: str = "markov",
    lookback: Duration | None = "30D",
    value: str | None = None,
    channel: str = "channel",
    direct: str = "direct",
    order: int = 1,
    costs: Mapping[str, float] | None = None,
    replicates: int = 400,
    seed: int = 0,
) -> Attribution:
    """Which channels get the credit for conversions.

    A touch is an event with a channel that is not the conversion. A journey runs from the customer's previous conversion (excluded) to a
    conversion: its touches at or before it and at most `lookback` earlier, the end included; touches of one instant stand by channel name.
    A customer's touches in no such journey form one journey without conversion. Conversions without a touch are listed as "(none)", outside
    the models; the credits of channels sum to the other conversions, shares are of all conversions.

    Parameters
    ----------
    log
        The events.
    conversion
        A name, a list of names, or a `cj.Step`; every matching event is one conversion.
    model
        "first", "last", "last_non_direct", "linear", "position" (40/20/40), "time_decay" (half-life 7 days), "markov" (removal effect, solved
        exactly, journeys without conversion included), "shapley".
    lookback
        How old a touch may be at the conversion; None: no limit.
    value
        A numeric column of the conversion: its sum is credited too; missing counts as 0. For markov by the value lost without the channel.
    channel
        The column that holds channels.
    direct
        The channel that "last_non_direct" passes over.
    order
        How many channels the chain remembers, 1 to 3 (markov only).
    costs
        Channel → cost over the same time, for a cost per conversion.
    replicates, seed
        The bootstrap over customers behind the intervals.

    Returns
    -------
    Attribution
        `.table`: `channel`, `touches`, `journeys` (converting, with it), `conversions` (credit), `share_of_conversions`,
        `share_of_conversions_low`, `share_of_conversions_high`, `removal_effect` (markov, else missing), with `value` also `value`, with `costs` also
        `cost`, `cost_per_conversion`, `cost_per_conversion_low`, `cost_per_conversion_high`; by conversions falling, then channel.

    Raises
    ------
    CjlibError
        If the model, the column or an option is none of those allowed.

    References
    ----------
    Anderl, E., Becker, I., von Wangenheim, F. & Schumann, J. H. (2016). Mapping the customer journey. IJRM 33, 457–474.
    Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games 2, 307–317.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> rows = [("ana", "ad", "ads"), ("ana", "open", "mail"), ("ana", "buy", None), ("bob", "ad", "ads")]
    >>> log = cj.read_events(pd.DataFrame(rows, columns=["customer_id", "event", "channel"]).assign(timestamp=pd.date_range("2025-01-01", periods=4, tz="UTC")))
    >>> cj.attribution(log, conversion="buy", model="linear").table.set_index("channel")["conversions"].to_dict()
    {'ads': 0.5, 'mail': 0.5}
    """
    limit = None if lookback is None else microseconds(lookback, "lookback")
    journeys = from_log(log, conversion=conversion, lookback=limit, value=value, channel=channel)
    options = _options(journeys, model, direct, order, replicates, seed)
    unknown = "".join(f" {name!r} never occurs in the log.{did_you_mean(name, log.event_names)}" for name in log.unknown_events(conversion))
    definition = {
        "conversion": f"{as_step(conversion, 'conversion')}: every such event.{unknown}",
        "touch": f"an event with a value in {channel} that is not the conversion",
        "lookback": "none" if limit is None else f"{in_words(limit)} before the conversion, the end included",
        "open journeys": f"{journeys.open_nulls:,} journeys without conversion are younger than the lookback and may still convert; they count as without",
        "ties": f"touches of one instant are ordered by channel name ({journeys.tied:,} touches share their instant)",
        **base_of(log, log.n_events, log.n_customers),
    }
    return _attribution(
        journeys,
        options,
        definition,
        costs=costs or {},
        valued=value is not None,
        sql=_sql(log, conversion, limit, channel),
        per_journey=lambda: _per_journey(log, journeys),
    )


def attribution_paths(
    frame: pd.DataFrame,
    *,
    model: str = "markov",
    path: str = "path",
    conversions: str = "conversions",
    value: str | None = None,
    nulls: str | None = None,
    separator: str = ">",
    direct: str = "direct",
    order: int = 1,
    costs: Mapping[str, float] | None = None,
    replicates: int = 400,
    seed: int = 0,
) -> Attribution:
    """Which channels get the credit, from paths already added up.

    A row is a path of channels with its number of conversions, and if known their value and the number of journeys of that path without
    conversion. Rows with equal paths are summed. A path without a channel gives "(none)". Models, order and columns are those of
    `cj.attribution`; "time_decay" needs times and is refused. The bootstrap draws single journeys, since customers are not known.

    Parameters
    ----------
    frame
        One row a path.
    path, conversions, value, nulls
        The columns; `value` and `nulls` may be None. Without `nulls` every journey converts, and removal effects are larger.
    separator
        What stands between channels; blanks around it do not count.
    model, direct, order, costs, replicates, seed
        As in `cj.attribution`.

    Returns
    -------
    Attribution
        As from `cj.attribution`; `journeys` counts converting journeys with the channel.

    Raises
    ------
    CjlibError
        If a column does not exist, does not hold counts, or an option is none of those allowed.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> paths = pd.DataFrame({"path": ["ads > mail", "mail", "ads"], "conversions": [3, 1, 0], "nulls": [0, 0, 2]})
    >>> cj.attribution_paths(paths, nulls="nulls").table[["channel", "removal_effect"]].values.tolist()
    [['mail', 1.0], ['ads', 0.75]]
    """
    if not separator.strip():
        raise CjlibError(f"separator: must hold a character that is not blank, such as '>'. Got {shown(separator)}.")
    journeys = from_paths(frame, path=path, conversions=conversions, value=value, nulls=nulls, separator=separator)
    options = _options(journeys, model, direct, order, replicates, seed)
    definition = {
        "journeys": f"paths already added up: {journeys.notes[0]}",
        "without conversion": "not given: every journey converts" if nulls is None else f"{int(journeys.nulls.sum()):,} journeys",
        "interval units": "single journeys, since customers are not known: too narrow where customers come again",
    }

    def refused() -> pd.DataFrame:
        raise CjlibError("customers: paths already added up name no customers. Use cj.attribution on the event log.")

    return _attribution(journeys, options, definition, costs=costs or {}, valued=value is not None, sql="", per_journey=refused)


def _options(journeys: Journeys, model: str, direct: str, order: int, replicates: int, seed: int) -> Options:
    _check_model(model, journeys)
    if order not in (1, 2, 3):
        raise not_one_of("order", order, [1, 2, 3])
    if isinstance(replicates, bool) or not isinstance(replicates, int) or replicates < 0:
        raise CjlibError(f"replicates: must be a whole number from 0 (no intervals) on. Got {shown(replicates)}.")
    return Options(model, direct, order, replicates, seed)


def _check_model(model: str, journeys: Journeys) -> None:
    if model not in MODELS:
        raise not_one_of("model", model, MODELS)
    if model == "time_decay" and journeys.age is None:
        raise CjlibError(
            "model: 'time_decay' needs the times of touches, which paths already added up do not have. Use cj.attribution on the event log."
        )


def _attribution(
    journeys: Journeys,
    options: Options,
    definition: Mapping[str, str],
    *,
    costs: Mapping[str, float],
    valued: bool,
    sql: str,
    per_journey: Callable[[], pd.DataFrame],
) -> Attribution:
    credit = credited(journeys, options)
    table = _table(journeys, credit, costs, valued)
    order = f" of order {options.order}" if options.model == "markov" else ""
    return Attribution(
        table=table,
        headline=_headline(table, journeys, options),
        definition={
            "model": f"{options.model}{order}: {IN_WORDS[options.model]}",
            **definition,
            NONE: f"{journeys.untouched.size:,} conversions without a touch are listed, outside the model; shares are of all conversions",
            "interval": f"95 % percentile bootstrap, {options.replicates:,} resamples, seed {options.seed}",
            "meaning": NO_CAUSE,
            **_unknown_costs(journeys, costs),
        },
        metrics=_metrics(table, journeys, credit),
        sql=sql,
        model=options.model,
        journeys=journeys,
        options=options,
        costs=costs,
        per_journey=per_journey,
    )


def _table(journeys: Journeys, credit: Credit, costs: Mapping[str, float], valued: bool) -> pd.DataFrame:
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
            "share_of_conversions": credit.conversions / total if total else np.full(channels, np.nan),
            "share_of_conversions_low": credit.low,
            "share_of_conversions_high": credit.high,
            "removal_effect": credit.removal_effect,
            "value": credit.value.astype(float),
        }
    )
    if journeys.untouched.size:
        n = journeys.untouched.size
        row = [NONE, 0, 0, float(n), n / total, credit.none_low, credit.none_high, np.nan, journeys.untouched_value]
        table = (
            pd.concat([table, pd.DataFrame([row], columns=table.columns).astype(table.dtypes)], ignore_index=True)
            if channels
            else pd.DataFrame([row], columns=table.columns).astype(table.dtypes)
        )
    # Rounded for the order only, so that equal credits stand by name whatever the last bit says.
    ordered = table.assign(by=-table["conversions"].round(9)).sort_values(["by", "channel"], kind="stable").drop(columns="by").reset_index(drop=True)
    return _with_costs(ordered if valued else ordered.drop(columns="value"), costs, total)


def _with_costs(table: pd.DataFrame, costs: Mapping[str, float], total: int) -> pd.DataFrame:
    for name, cost in costs.items():
        if isinstance(cost, bool) or not isinstance(cost, int | float) or not cost >= 0:
            raise CjlibError(f"costs: must be a number from 0 on for each channel. Got {shown(cost)} for {shown(name)}.")
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


def _unknown_costs(journeys: Journeys, costs: Mapping[str, float]) -> dict[str, str]:
    unknown = [name for name in costs if name not in journeys.channels]
    words = "; ".join(f"{shown(name)} has no touch.{did_you_mean(name, journeys.channels)}" for name in unknown)
    return {"costs": words} if words else {}


def _metrics(table: pd.DataFrame, journeys: Journeys, credit: Credit) -> dict[str, Metric]:
    total = journeys.attributed + journeys.untouched.size
    channels = table.loc[table["channel"] != NONE]
    shares = {
        f"share_{name}": metric(share, low, high, total)
        for name, share, low, high in zip(
            channels["channel"],
            channels["share_of_conversions"],
            channels["share_of_conversions_low"],
            channels["share_of_conversions_high"],
            strict=True,
        )
    }
    return {
        "conversions": metric(total, n=total),
        "attributed_conversions": metric(journeys.attributed, n=total),
        "conversion_probability": metric(credit.chance, n=int((journeys.conversions + journeys.nulls).sum())),
        **shares,
    }


def _headline(table: pd.DataFrame, journeys: Journeys, options: Options) -> str:
    total = journeys.attributed + journeys.untouched.size
    if not journeys.attributed:
        return f"None of {total:,} conversions has a touch before it, so no channel gets credit."
    if total < MIN_N:
        return f"Only {total:,} conversions: too few to say which channel gets the credit. {NO_CAUSE}"
    best = table.loc[table["channel"] != NONE].iloc[0]
    untouched = f" {journeys.untouched.size:,} conversions have no touch." if journeys.untouched.size else ""
    bounds = (
        ""
        if np.isnan(best["share_of_conversions_low"])
        else f" (95 % interval {best['share_of_conversions_low']:.1%} to {best['share_of_conversions_high']:.1%})"
    )
    return (
        f"Under the model {options.model}, {best['channel']} gets the most credit: {best['share_of_conversions']:.1%} of {total:,} conversions"
        f"{bounds}.{untouched} {NO_CAUSE}"
    )


def _compared(one: Attribution, models: Sequence[str]) -> AttributionComparison:
    journeys, options = one.journeys, one.options
    parts = []
    for name in models:
        credit = credited(journeys, Options(name, options.direct, options.order, options.replicates, options.seed))
        parts.append(_table(journeys, credit, one.costs, "value" in one.table).assign(model=name))
    table = pd.concat(parts, ignore_index=True).astype({"model": "str"})
    table = table[["model", *(name for name in table.columns if name != "model")]]
    definition = {
        **{f"model {name}": IN_WORDS[name] for name in models},
        **{key: text for key, text in one.definition.items() if key != "model"},
    }
    metrics = {
        f"{row.model}_share_{row.channel}": metric(
            row.share_of_conversions, row.share_of_conversions_low, row.share_of_conversions_high, int(one.metrics["conversions"]["value"] or 0)
        )
        for row in table.itertuples()
    }
    return AttributionComparison(table=table, headline=_compared_headline(table, one), definition=definition, metrics=metrics, sql=one.sql)


def _compared_headline(table: pd.DataFrame, one: Attribution) -> str:
    total = int(one.metrics["conversions"]["value"] or 0)
    if not one.journeys.attributed or total < MIN_N:
        return one.headline
    shares = table.loc[table["channel"] != NONE].pivot_table(index="channel", columns="model", values="share_of_conversions", sort=True)
    spread = shares.max(axis=1) - shares.min(axis=1)
    name = spread.sort_values(ascending=False, kind="stable").index[0]
    low, high = shares.loc[name].idxmin(), shares.loc[name].idxmax()
    return f"The model decides most for {name}: {shares.loc[name, low]:.1%} of {total:,} conversions under {low}, {shares.loc[name, high]:.1%} under {high}. {NO_CAUSE}"


def _per_journey(log: EventLog, journeys: Journeys) -> pd.DataFrame:
    names = journeys.channels
    ways = [
        ARROW.join(names[code] for code in journeys.channel[low : low + n].tolist()) for low, n in zip(journeys.start, journeys.size, strict=True)
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


def _sql(log: EventLog, conversion: Event, lookback: int | None, channel: str) -> str:
    if log.property(channel, "channel").of_customer or as_step(conversion, "conversion").first_time:
        return ""
    name = identifier(channel)
    within = "" if lookback is None else f" AND converted_at <= timestamp + {interval_sql(lookback)}"
    ahead = "OVER (PARTITION BY customer_id ORDER BY n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)"
    return (
        "WITH marked AS (\n"
        f"  SELECT customer_id, timestamp, CAST({name} AS VARCHAR) AS channel, CASE WHEN {log.portable(conversion, 'conversion')} THEN 1 ELSE 0 END AS converts\n"
        f"  FROM {log.events_sql}\n"
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

"""Attribution: who gets the credit for a conversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from cjlib.analyses.attribution.models import MODELS, Options, credited
from cjlib.analyses.attribution.tables import (
    IN_WORDS,
    NAMES,
    NO_CAUSE,
    comparison_headline,
    credit_table,
    headline,
    journey_rows,
    passed_over,
    share_metrics,
    touches_sql,
    unknown_costs,
)
from cjlib.analyses.attribution.touch_journeys import NO_JOURNEYS, Journeys, from_log, from_paths
from cjlib.analyses.result import Result, metric
from cjlib.analyses.sequence_summary import base_of
from cjlib.errors import CjlibError, did_you_mean, not_a_log, not_one_of, shown
from cjlib.show.numbers import timespan
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribution(Result):
    """Who gets the credit under one model; `.compare()` sets all models side by side, `.customers()` lists the journeys."""

    model: str = ""
    journeys: Journeys = field(default=NO_JOURNEYS, repr=False)
    options: Options = field(default=Options("", (), 1, 0, 0), repr=False)
    costs: Mapping[str, float] = field(default_factory=dict, repr=False)
    per_journey: Callable[[], pd.DataFrame] = field(default=pd.DataFrame, repr=False)

    def compare(self, models: Sequence[str] | None = None) -> AttributionComparison:
        """The same journeys under several models (all that apply, unless named).

        Parameters
        ----------
        models
            Names of models; None: all that apply ("time_decay" needs times).

        Returns
        -------
        AttributionComparison
            `.table`: a row a model and channel; unanswered where the attribution is.

        Raises
        ------
        CjlibError
            If no model is named, or one that there is not or that the journeys do not allow.
        """
        if not self.answered:
            return AttributionComparison.unanswered(self.reason)
        chosen = (
            [name for name in MODELS if name != "time_decay" or self.journeys.age is not None]
            if models is None
            else list(models)
        )
        if not chosen:
            raise CjlibError(
                f"models: must name at least one of {', '.join(MODELS)}, or be None for all that apply. Got an empty list."
            )
        for name in chosen:
            _check_model(name, self.journeys)
        return _compared(self, chosen)

    def customers(self) -> pd.DataFrame:
        """One row a journey: `customer_id`, `path`, `touches`, `converted`, `value`; by customer.

        Returns
        -------
        pandas.DataFrame
            The columns named above.
        """
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
    direct: str | Sequence[str] = "direct",
    order: int = 1,
    costs: Mapping[str, float] | None = None,
    replicates: int = 400,
    seed: int = 0,
) -> Attribution:
    """Which channels get the credit for conversions.

    A touch is an event with a channel that is not the conversion. A journey runs from the
    customer's previous conversion (excluded) to a conversion: its touches at or before it and at
    most `lookback` earlier, the end included; touches of one instant stand by channel name. A
    customer's touches in no such journey form one journey without conversion. Conversions without a
    touch are listed as "(none)" ("((none))" where a channel is called so), outside the models; the
    credits of channels sum to the other conversions, shares are of all conversions.

    Parameters
    ----------
    log
        The events.
    conversion
        A name, a list of names, or a `cj.Step`; every matching event is one conversion. None: not
        known, and the answer says so.
    model
        "first", "last", "last_non_direct", "linear", "position" (40/20/40), "time_decay" (half-life
        7 days), "markov" (removal effect, solved exactly, journeys without conversion included),
        "shapley".
    lookback
        How old a touch may be at the conversion; None: no limit.
    value
        A numeric column of the conversion: its sum is credited too; missing counts as 0. For markov
        by the value lost without the channel.
    channel
        The column that holds channels.
    direct
        The channel that "last_non_direct" passes over, or a list of them: `["Direct", "(direct)",
        "(none)"]`.
    order
        How many channels the chain remembers, 1 to 3 (markov only).
    costs
        Channel → cost over the same time, for a cost per conversion.
    replicates, seed
        The bootstrap over customers behind the intervals.

    Returns
    -------
    Attribution
        `.table`: `channel`, `touches`, `journeys` (converting, with it), `conversions` (credit),
        `share_of_conversions`, `share_of_conversions_low`, `share_of_conversions_high`,
        `removal_effect` (markov, else missing), with `value` also `value`, with `costs` also
        `cost`, `cost_per_conversion`, `cost_per_conversion_low`, `cost_per_conversion_high`; by
        conversions falling, then channel.

    Raises
    ------
    CjlibError
        If `model`, `order`, `replicates` or a number of `costs` is not allowed, `lookback` has no
        unit, or the column of `channel` or `value` does not exist (of `value`: holds no numbers).

    References
    ----------
    Anderl, E., Becker, I., von Wangenheim, F. & Schumann, J. H. (2016). Mapping the customer
    journey. IJRM 33, 457–474. Shapley, L. S. (1953). A value for n-person games. Contributions to
    the Theory of Games 2, 307–317.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> rows = [("ana", "ad", "ads"), ("ana", "open", "mail"), ("ana", "buy", None), ("bob", "ad", "ads")]
    >>> log = cj.read_events(pd.DataFrame(rows, columns=["customer_id", "event", "channel"]).assign(timestamp=pd.date_range("2025-01-01", periods=4, tz="UTC")))
    >>> cj.attribution(log, conversion="buy", model="linear").table.set_index("channel")["conversions"].to_dict()
    {'ads': 0.5, 'mail': 0.5}
    """
    if not isinstance(log, Log):
        raise not_a_log(log)
    limit = None if lookback is None else microseconds(lookback, "lookback")
    if conversion is None:
        return Attribution.unanswered(
            "No event says what a conversion is: name one as conversion, or give the journey file a funnel."
        )
    if channel == "channel" and channel not in log.columns:
        return Attribution.unanswered(
            "The log has no column 'channel', so no channel can get credit. Name the column of channels if it has another name."
        )
    journeys = from_log(log, conversion=conversion, lookback=limit, value=value, channel=channel)
    options = _options(journeys, model, direct, order, replicates, seed)
    unknown = "".join(
        f" {name!r} never occurs in the log.{did_you_mean(name, log.event_names)}"
        for name in log.unknown_events(conversion)
    )
    definition = {
        "conversion": f"{as_step(conversion, 'conversion')}: every such event.{unknown}",
        "touch": f"an event with a value in {channel} that is not the conversion",
        "lookback": "none"
        if limit is None
        else f"{timespan(limit)} before the conversion, the end included",
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
        sql=touches_sql(log, conversion, limit, channel),
        per_journey=lambda: journey_rows(log, journeys),
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
    direct: str | Sequence[str] = "direct",
    order: int = 1,
    costs: Mapping[str, float] | None = None,
    replicates: int = 400,
    seed: int = 0,
) -> Attribution:
    """Which channels get the credit, from paths already added up.

    A row is a path of channels with its number of conversions, and if known their value and the
    number of journeys of that path without conversion. Rows with equal paths are summed. A path
    without a channel gives "(none)". Models, order and columns are those of `cj.attribution`;
    "time_decay" needs times and is refused. The bootstrap draws single journeys, since customers
    are not known.

    Parameters
    ----------
    frame
        One row a path.
    path, conversions, value, nulls
        The columns; `value` and `nulls` may be None. Without `nulls` every journey converts, and
        removal effects are larger.
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
        If a column does not exist or does not hold counts from 0 on, `separator` is blank, or
        `model` ("time_decay" needs the times of touches), `order`, `replicates` or a number of
        `costs` is not allowed.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> paths = pd.DataFrame({"path": ["ads > mail", "mail", "ads"], "conversions": [3, 1, 0], "nulls": [0, 0, 2]})
    >>> cj.attribution_paths(paths, nulls="nulls").table[["channel", "removal_effect"]].values.tolist()
    [['mail', 1.0], ['ads', 0.75]]
    """
    if not separator.strip():
        raise CjlibError(
            f"separator: must hold a character that is not blank, such as '>'. Got {shown(separator)}."
        )
    journeys = from_paths(
        frame, path=path, conversions=conversions, value=value, nulls=nulls, separator=separator
    )
    options = _options(journeys, model, direct, order, replicates, seed)
    definition = {
        "journeys": f"paths already added up: {journeys.notes[0]}",
        "without conversion": "not given: every journey converts"
        if nulls is None
        else f"{int(journeys.nulls.sum()):,} journeys",
        "interval units": "single journeys, since customers are not known: too narrow where customers come again",
    }

    def refused() -> pd.DataFrame:
        raise CjlibError(
            "customers: paths already added up name no customers. Use cj.attribution on the event log."
        )

    return _attribution(
        journeys,
        options,
        definition,
        costs=costs or {},
        valued=value is not None,
        sql="",
        per_journey=refused,
    )


def _options(
    journeys: Journeys,
    model: str,
    direct: str | Sequence[str],
    order: int,
    replicates: int,
    seed: int,
) -> Options:
    _check_model(model, journeys)
    if order not in (1, 2, 3):
        raise not_one_of("order", order, [1, 2, 3])
    if isinstance(replicates, bool) or not isinstance(replicates, int) or replicates < 0:
        raise CjlibError(
            f"replicates: must be a whole number from 0 (no intervals) on. Got {shown(replicates)}."
        )
    channels = (direct,) if isinstance(direct, str) else tuple(direct)
    return Options(model, channels, order, replicates, seed)


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
    table = credit_table(journeys, credit, costs, valued)
    order = f" of order {options.order}" if options.model == "markov" else ""
    return Attribution(
        table=table,
        headline=headline(table, journeys, options.model, credit.lead_error),
        definition={
            "model": f"{options.model}{order}: {IN_WORDS[options.model]}",
            **definition,
            journeys.untouched_name: f"{journeys.untouched.size:,} conversions without a touch are listed, outside the model; shares are of all conversions",
            "interval": f"95% percentile bootstrap, {options.replicates:,} resamples, seed {options.seed}",
            "meaning": NO_CAUSE,
            **passed_over(journeys, options),
            **unknown_costs(journeys, costs),
        },
        metrics=share_metrics(table, journeys, credit),
        sql=sql,
        model=options.model,
        journeys=journeys,
        options=options,
        costs=costs,
        per_journey=per_journey,
    )


def _compared(one: Attribution, models: Sequence[str]) -> AttributionComparison:
    journeys, options = one.journeys, one.options
    parts = []
    otherwise = ""
    for name in models:
        credit = credited(journeys, replace(options, model=name))
        part = credit_table(journeys, credit, one.costs, "value" in one.table)
        otherwise = otherwise or headline(part, journeys, name, credit.lead_error)
        parts.append(part.assign(model=name))
    table = pd.concat(parts, ignore_index=True).astype({"model": "str"})
    table = table[["model", *(name for name in table.columns if name != "model")]]
    definition = {
        **{f"model {name}": IN_WORDS[name] for name in models},
        **{key: text for key, text in one.definition.items() if key != "model"},
    }
    metrics = {
        f"{row.model}_share_{row.channel}": metric(
            row.share_of_conversions,
            row.share_of_conversions_low,
            row.share_of_conversions_high,
            int(one.metrics["conversions"]["value"] or 0),
            label=f"Credited to {row.channel} ({NAMES[row.model]} model)",
            unit="share",
        )
        for row in table.itertuples()
    }
    return AttributionComparison(
        table=table,
        headline=comparison_headline(table, journeys, otherwise),
        definition=definition,
        metrics=metrics,
        sql=one.sql,
    )

"""An event log as churn data: what was known at each cutoff, and what happened after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.churn_data import ChurnData, LogSource, Part, Seen, parts_of
from cjlib.analyses.churn.data.customer_table import churn_table
from cjlib.analyses.churn.data.event_arrays import Question, check_waits, find_kinds
from cjlib.analyses.churn.data.features import groups_in_words
from cjlib.analyses.churn.data.leakage import FEWEST_ENDED, TERMINAL, log_leaks
from cjlib.analyses.result import metric
from cjlib.errors import CjlibError, did_you_mean, listed, not_a_log, not_one_of, shown
from cjlib.shared.periods import DAY
from cjlib.shared.repeated_answers import CustomerAnswers
from cjlib.shared.silences import rhythm_in_words, warned
from cjlib.shared.stats import wilson
from cjlib.shared.unrecorded import NOT_RECORDED, stretch_without
from cjlib.show.numbers import count_of, percent, timespan
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog

Whole = NDArray[np.int64]
STEP_DAYS = 30
LOOKBACK_DAYS = 90
MOST_CUTOFFS = 12
UNSAID = "Who will leave cannot be said"
OPTIONS = (
    "horizon",
    "cutoffs",
    "active_within",
    "active_event",
    "churn_event",
    "feedback",
    "value",
    "channel",
    "waits",
    "like",
)


def churn_data(
    log: EventLog | pd.DataFrame,
    *,
    horizon: Duration | None = None,
    cutoffs: Sequence[Any] | None = None,
    active_within: Duration | None = None,
    active_event: Event = None,
    churn_event: Event = None,
    feedback: Feedback | pd.DataFrame | None = None,
    value: str | None = "value",
    channel: str | None = "channel",
    waits: Mapping[str, tuple[Event, Event]] | None = None,
    like: Any = None,
    **of_table: Any,
) -> ChurnData:
    """What was known of each customer at each cutoff, and whether the customer then churned.

    An event at the cutoff t belongs to the past; the label looks at (t, t + horizon], in elapsed
    time. Churned: no qualifying event in it, or with `churn_event` that event in it. A customer is
    in a snapshot from the first qualifying event on; one who had the churn event at or before t is
    not, until a later qualifying event; without `active_event` a later event of a type that
    (almost) nothing follows, such as an exit survey, is no return (at least .9 of its events, of at
    least 30 customers whose last event is more than a horizon before the end of data). Every
    feature, medians and the choice of columns included, comes from events at or before t (columns:
    the earliest cutoff).

    Parameters
    ----------
    log
        The events; or a table of customers with `target=`, as `cj.churn_table` takes it.
    horizon
        How far ahead, such as "90D".
    cutoffs
        Instants; a date is its midnight in the log's zone. None: from the last event less the
        horizon backwards, in steps of 30 days (half the horizon if that is shorter), down to 90
        days after the log's start, at most 12. Where the horizon is not over, rows have no label:
        that is how to score today. None either where the event that decides was probably not
        recorded within it.
    active_within
        Only customers with a qualifying event so shortly before the cutoff. None: everyone ever
        seen.
    active_event
        What qualifies as activity, and so as a return; None: any event (but the churn event).
    churn_event
        What leaving is. None: silence.
    feedback
        Adds the newest scores, their age, and how many were bad in 90 days.
    value, channel
        Columns with the money and the channel, where the log has them.
    waits
        Name → (event that asks, event that answers): adds how long customers waited.
    like
        ChurnData or a ChurnModel: the same columns as it has, so that a model can score what this
        gives.
    **of_table
        Of a table of customers: the options of `cj.churn_table`.

    Returns
    -------
    ChurnData
        `.table`: `customer_id`, `cutoff`, `churned` (1, 0, missing where the horizon is not over),
        then the features; by cutoff, then customer. Unanswered where the log is empty, or too short
        for any cutoff.

    Raises
    ------
    CjlibError
        If `log` is no event log, `horizon` is missing, a duration has no unit or no length,
        `cutoffs` are no list or one lies before the first event, `value` is a column that the log
        lacks, or `feedback`, `waits` or `like` is not of the kind named.
    """
    if isinstance(log, pd.DataFrame) and "target" in of_table:
        return churn_table(log, **of_table)
    if not isinstance(log, EventLog):
        raise not_a_log(log)
    if of_table:
        raise not_one_of("churn_data", next(iter(of_table)), OPTIONS)
    if horizon is None:
        raise CjlibError("horizon: is missing. Say how far ahead to look, such as horizon='30D'.")
    question = Question(
        _length(horizon, "horizon"),
        None if active_within is None else _length(active_within, "active_within"),
        active_event,
        churn_event,
        value,
        channel,
        feedback,
        check_waits(waits),
    )
    if log.span_us is None:
        return ChurnData.unanswered(f"{UNSAID}: the log has no events.")
    if cutoffs is not None:
        return _made(log, question, _given(log, cutoffs), like)
    moments = _cutoffs(log, question.horizon)
    if not moments:
        return ChurnData.unanswered(_too_short(log, question.horizon))
    return _made(log, question, moments, like)


def data_at(source: LogSource, cutoffs: Sequence[Any], like: Any = None) -> ChurnData:
    """The same question at other cutoffs."""
    return _made(source.log, source.question, _given(source.log, cutoffs), like)


def _made(log: EventLog, question: Question, moments: list[int], like: Any) -> ChurnData:
    lost = stretch_without(log, question.deciding, "churn_event")
    question = replace(question, endings=endings(log, question), unrecorded=lost)
    unrecorded = lost.words(log, str(question.deciding)) if lost else ""
    ids = log.customer_ids()
    kinds = find_kinds(log, question, moments[0], _columns_of(like))
    parts, seen = parts_of(log, question, kinds, moments, ids)
    table = _stacked(log, ids, parts)
    table = _with_attributes(
        log, table, np.concatenate([part.snapshot.customer[part.asked] for part in parts])
    )
    if like is not None:
        table = _completed(table, _columns_of(like) or ())
    features = tuple(
        name for name in table.columns if name not in ("customer_id", "cutoff", "churned")
    )
    population = _population(parts, question)
    leaks = log_leaks(log, seen, table, features, question.horizon)
    source = LogSource(
        log, question, kinds, {part.snapshot.cutoff: part.snapshot for part in parts}
    )
    rhythm = (
        ""
        if question.churn_event is not None
        else rhythm_in_words(log, question.horizon, question.active_event)
    )
    return ChurnData(
        table=table,
        headline=_headline(population, question, leaks, len(moments))
        + warned(rhythm)
        + warned(
            unrecorded and f"{unrecorded}, and cutoffs whose horizon meets that time have no label"
        )
        + never(log, question)
        + beyond_the_end(log, moments[-1]),
        definition=_definition(log, question, parts, moments, features, seen)
        | ({"silences": rhythm} if rhythm else {})
        | ({NOT_RECORDED: unrecorded} if unrecorded else {}),
        metrics={
            f"share_churned_{row['population']}": metric(
                row["share_churned"],
                row["share_churned_low"],
                row["share_churned_high"],
                row["rows"],
                label=f"Share that left ({row['population']})",
                unit="share",
                better="lower",
            )
            for row in population.to_dict("records")
        },
        features=features,
        population=population,
        leaks=leaks,
        columns=_described(table, features),
        of_log=True,
        source=source,
    )


def _length(given: Duration, option: str) -> int:
    length = microseconds(given, option)
    if length == 0:
        raise CjlibError(
            f"{option}: must be longer than nothing, such as '90D'. Got {shown(given)}."
        )
    return length


def _cutoffs(log: EventLog, horizon: int) -> list[int]:
    """Oldest first."""
    first, last = log.span_us or (0, 0)
    step = min(STEP_DAYS * DAY, horizon // 2)
    newest, oldest = last - horizon, first + LOOKBACK_DAYS * DAY
    places = (newest - place * step for place in range(MOST_CUTOFFS))
    return [moment for moment in places if moment >= oldest][::-1]


def _too_short(log: EventLog, horizon: int) -> str:
    first, last = log.span_us or (0, 0)
    needed = timespan(horizon + LOOKBACK_DAYS * DAY)
    return (
        f"{UNSAID}: the log spans {timespan(last - first)}; with this horizon a label and 90 days before it need {needed}. "
        "Give a shorter horizon, or cutoffs=."
    )


def _given(log: EventLog, cutoffs: Sequence[Any]) -> list[int]:
    if (
        isinstance(cutoffs, str)
        or not isinstance(cutoffs, (Sequence, pd.DatetimeIndex, pd.Series, np.ndarray))
        or len(cutoffs) == 0
    ):
        raise CjlibError(
            f"cutoffs: must be a list of instants, such as ['2025-05-01']. Got {shown(cutoffs)}."
        )
    moments = sorted({log.instant(cutoff, "cutoffs") for cutoff in cutoffs})
    first = log.span_us[0] if log.span_us else 0
    if moments[0] < first:
        raise CjlibError(
            f"cutoffs: {log.moment(moments[0]):%Y-%m-%d} lies before the first event ({log.moment(first):%Y-%m-%d}), when nothing is known."
        )
    return moments


def _columns_of(like: Any) -> tuple[str, ...] | None:
    if like is None:
        return None
    found = getattr(like, "features", None)
    if not isinstance(found, tuple):
        raise CjlibError(
            f"like: must be ChurnData or a ChurnModel. Got {shown(type(like).__name__)}."
        )
    return found


def _stacked(log: EventLog, ids: NDArray[Any], parts: list[Part]) -> pd.DataFrame:
    frames = []
    for part in parts:
        customers = part.snapshot.customer[part.asked]
        moments = log.moments(np.full(customers.size, part.snapshot.cutoff, dtype=np.int64))
        frames.append(
            pd.DataFrame(
                {
                    "customer_id": _ids(ids[customers]),
                    "cutoff": moments,
                    "churned": part.churned[part.asked],
                    **part.features,
                }
            )
        )
    return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]


def _ids(ids: NDArray[Any]) -> pd.Series:
    return (
        pd.Series(ids.tolist(), dtype="str")
        if ids.size and isinstance(ids[0], str)
        else pd.Series(ids.tolist())
    )


def _with_attributes(log: EventLog, table: pd.DataFrame, customers: Whole) -> pd.DataFrame:
    """What the customers file says, as of now."""
    added: dict[str, Any] = {}
    for name, one in sorted(log.properties.items()):
        if (
            not one.of_customer
            or name in table.columns
            or one.type not in ("VARCHAR", "BOOLEAN", "BIGINT", "DOUBLE")
        ):
            continue
        codes = log.engine.columns(
            f"SELECT coalesce({one.column}, -1) AS code FROM attributes ORDER BY c"
        )["code"].astype(np.int64)[customers]
        values = [
            value
            for (value,) in log.engine.rows(f"SELECT value FROM {one.dictionary} ORDER BY code")
        ]
        if one.type in ("BIGINT", "DOUBLE"):
            added[name] = np.array([*values, np.nan], dtype=float)[codes]
        elif len(values) <= max(50, 0.5 * log.n_customers):
            added[name] = pd.Series(
                np.array([*(str(value) for value in values), None], dtype=object)[codes],
                dtype="str",
            )
    return pd.concat([table, pd.DataFrame(added, index=table.index)], axis=1) if added else table


def _completed(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """The columns of the model; what never happened here counts 0, and when it did is missing."""
    lacking = {
        name: 0.0 if name.startswith(("n_", "share_channel_", "value_")) else np.nan
        for name in columns
        if name not in table.columns
    }
    keys = ["customer_id", "cutoff", "churned"]
    return table.assign(**lacking)[[*keys, *columns]]


def _population(parts: list[Part], question: Question) -> pd.DataFrame:
    kinds = {"all": [part.at_risk for part in parts], "active": [part.active for part in parts]}
    if question.active_within is not None:
        kinds["asked"] = [part.asked for part in parts]
    rows = []
    for name, flags in kinds.items():
        outcome, customer = (
            np.concatenate([rows_of(part)[flag] for part, flag in zip(parts, flags, strict=True)])
            for rows_of in (lambda part: part.churned, lambda part: part.snapshot.customer)
        )
        known = ~np.isnan(outcome)
        # A customer stands in many snapshots, and one who leaves in all whose horizons overlap.
        answers = CustomerAnswers.of(outcome[known], np.asarray(customer[known], dtype=np.int64))
        weight = answers.effective_n / answers.n if answers.n else 1.0
        low, high = wilson(answers.value.sum() * weight, answers.n * weight)
        row = {
            "population": name,
            "customers": int(np.unique(customer).size),
            "rows": outcome.size,
            "churned": int(answers.value.sum()),
            "share_churned": answers.mean,
        }
        rows.append(row | {"share_churned_low": float(low), "share_churned_high": float(high)})
    return pd.DataFrame(rows)


def _headline(
    population: pd.DataFrame, question: Question, leaks: pd.DataFrame, cutoffs: int
) -> str:
    every, active = population.iloc[0], population.iloc[1]
    failed = leaks.loc[leaks["level"] == "FAIL", "column"].drop_duplicates().tolist()
    named = f" Left out because they know the outcome: {listed(failed)}." if failed else ""
    if np.isnan(every["share_churned"]):
        return f"{every['customers']:,} customers, of whom {active['customers']:,} were active within {timespan(2 * question.horizon)}; what they will do is not known yet."
    said = [_share(row) for row in (every, active)]
    asked = (
        f" The data hold those active within {timespan(question.active_within)}: {_share(population.iloc[2])}."
        if question.active_within is not None
        else ""
    )
    return (
        f"Within {timespan(question.horizon)} {said[0]} of everyone ever seen churned, {said[1]} of those active within {timespan(2 * question.horizon)}, "
        f"over {cutoffs} cutoff{'s' if cutoffs != 1 else ''}.{asked}{named}"
    )


def _share(row: pd.Series) -> str:
    of = (
        f" snapshots of {count_of(row['customers'], 'customer')}"
        if row["rows"] > row["customers"]
        else ""
    )
    return f"{percent(row['share_churned'])} ({percent(row['share_churned_low'])} to {percent(row['share_churned_high'])}, n = {row['rows']:,}{of})"


def _definition(
    log: EventLog,
    question: Question,
    parts: list[Part],
    moments: list[int],
    features: tuple[str, ...],
    seen: Seen,
) -> dict[str, str]:
    gone = sum(part.left_before for part in parts)
    activity_words = "any event" if question.active_event is None else str(question.active_event)
    churned = (
        f"no activity ({activity_words}) in the horizon"
        if question.churn_event is None
        else f"{question.churn_event} in the horizon"
    )
    dates = [f"{log.moment(moment):%Y-%m-%d %H:%M}" for moment in moments]
    return {
        "unit": "one row a customer and cutoff",
        "horizon": f"{timespan(question.horizon)} of elapsed time, its end included",
        "churned": churned,
        "activity": activity_words
        + (", but the churn event" if question.churn_event is not None else ""),
        "cutoffs": f"{len(dates)}: {', '.join(dates)}; an event at the cutoff belongs to the past",
        "customers": "everyone ever seen"
        if question.active_within is None
        else f"active within {timespan(question.active_within)} before the cutoff",
        "left out": f"{gone:,} rows of customers who had left before the cutoff and not come back",
        **endings_in_words(question, [part.snapshot.customer[part.ended] for part in parts]),
        "left-censored": f"{seen.begun:,} customers first seen in the log's first 30 days may be older than age_days says",
        **groups_in_words(features),
    }


def _described(table: pd.DataFrame, features: tuple[str, ...]) -> pd.DataFrame:
    counted = [_counted(table[name]) for name in features]
    kinds = [
        "number" if pd.api.types.is_numeric_dtype(table[name]) else "category" for name in features
    ]
    return pd.DataFrame(
        {
            "column": pd.Series(features, dtype="str"),
            "kind": pd.Series(kinds, dtype="str"),
            "values": [values for values, _ in counted],
            "missing": [missing for _, missing in counted],
            "note": pd.Series([""] * len(features), dtype="str"),
        }
    )


def _counted(values: pd.Series) -> tuple[int, int]:
    """How many different values, and how many missing."""
    if not pd.api.types.is_float_dtype(values):
        return int(values.nunique()), int(values.isna().sum())
    ranked = np.sort(values.to_numpy())  # missing ones last
    known = ranked.size - int(np.isnan(ranked).sum())
    return int(np.count_nonzero(np.diff(ranked[:known]))) + (known > 0), ranked.size - known


def endings(log: EventLog, question: Question) -> tuple[str, ...]:
    """The event types that are no return after the churn event, where `active_event` does not say what is one.

    Those of which at least .9 of the events, of at least 30 customers, no later event of the customer follows but others of this kind, so that a confirmation before a survey is found
    as well. Only customers whose last event is more than a horizon before the end of data: of the others it is not known yet. The churn event itself is none, and may not follow.
    """
    if question.churn_event is None or question.active_event is not None:
        return ()
    left = log.match(question.churn_event, "churn_event")
    found: set[int] = set()
    while True:
        now = {
            code
            for code, every, final, customers in log.engine.rows(
                _followed(log, question.horizon, left, found)
            )
            if customers >= FEWEST_ENDED and final >= TERMINAL * every
        }
        if now <= found:
            return tuple(sorted(log.event_names[code] for code in found))
        found |= now


def _followed(log: EventLog, horizon: int, left: str, ended: set[int]) -> str:
    """Of each event type: its events but the churn event, those that only the types `ended` follow, and its customers."""
    goes_on = f"gone OR e NOT IN ({', '.join(map(str, sorted(ended)))})" if ended else "TRUE"
    events = f"SELECT c, t, e, coalesce({left}, FALSE) AS gone FROM {log.prepared}"
    return (
        f"WITH all_events AS ({events}), lasts AS (SELECT c, max(t) FILTER (WHERE {goes_on}) AS stays, max(t) AS latest FROM all_events GROUP BY c) "
        f"SELECT e, count(*), count(*) FILTER (WHERE stays IS NULL OR t >= stays), count(DISTINCT c) FROM all_events JOIN lasts USING (c) "
        f"WHERE NOT gone AND latest < {log.observed_until_us - horizon} GROUP BY e"
    )


def endings_in_words(question: Question, customers: Sequence[NDArray[Any]]) -> dict[str, str]:
    """What is no return, and how many customers each cutoff keeps left for it; nothing where `active_event` says what is one."""
    if question.churn_event is None or question.active_event is not None:
        return {}
    if not question.endings:
        return {
            "return": "any event after the churn event; of no event type does the log show that (almost) nothing follows"
        }
    who = np.unique(np.concatenate(customers)).size
    return {
        "return": f"any event after the churn event but {listed(question.endings)}, which in the whole log (almost) nothing follows: {who:,} customers who had only such an event after "
        "they had left stay left (at one cutoff or more). active_event= says otherwise"
    }


def never(log: EventLog, question: Question) -> str:
    """What was asked for and never occurs, with the nearest name that does; empty where all occurs."""
    told = []
    for option, event in (
        ("churn_event", question.churn_event),
        ("active_event", question.active_event),
    ):
        if event is None:
            continue
        unknown = log.unknown_events(event)
        told += [
            f"{option}: {shown(name)} never occurs in the log.{did_you_mean(name, log.event_names)}"
            for name in unknown
        ]
        if (
            not unknown
            and not log.engine.rows(
                f"SELECT count(*) FROM {log.prepared} WHERE {log.match(event, option)}"
            )[0][0]
        ):
            told.append(f"{option}: {shown(str(as_step(event, option)))} never occurs in the log.")
    return "".join(f" {one}" for one in told)


def beyond_the_end(log: EventLog, newest: int) -> str:
    """That a cutoff lies after the end of data by more than the midnight that ends the last day: of the time between nothing is known."""
    if newest <= log.observed_until_us + DAY:
        return ""
    return (
        f" The cutoff {log.moment(newest):%Y-%m-%d} lies after the end of the data, {log.observed_until:%Y-%m-%d}: of the time between nothing is known, "
        "and it counts as silence. Give cutoffs=[log.observed_until] for today's forecast."
    )

"""The questions of the notebook on paths, put to a journey file and its log; a question that does not fit is answered with the reason."""

from __future__ import annotations

from typing import Any

from cjlib.analyses.attribution import Attribution, attribution
from cjlib.analyses.paths.compare_paths import PathDifferences, compare_paths
from cjlib.errors import shown
from cjlib.sources.journey import Journey
from cjlib.sources.log.conditions import as_step
from cjlib.sources.log.event_log import EventLog
from cjlib.views.unanswered import Unanswered, unanswered


def path_options(
    journey: Journey,
    *,
    session_gap: str = "",
    start_event: str = "",
    end_event: str = "",
    **options: Any,
) -> dict[str, Any]:
    """The options of `cj.paths` from a journey file and a notebook's parameters; empty text is "as the file suggests".

    Without `session_gap` paths are cut at pauses longer than 30 minutes, unless the file's first funnel has no limit of time: such a business
    follows cases, and a case is one path, however long it rests. `"none"` asks for whole histories.
    """
    gap: str | None = session_gap
    if not session_gap:
        gap = None if journey.funnels and journey.funnel()["window"] is None else "30min"
    elif session_gap == "none":
        gap = None
    return {
        "session_gap": gap,
        "start_event": start_event or None,
        "end_event": end_event or None,
        **options,
    }


def way_options(journey: Journey, **options: Any) -> dict[str, Any]:
    """The options of `cj.paths` from the first step of the file's first funnel to its last, over whole histories."""
    if not journey.funnels:
        return {"session_gap": None, **options}
    steps = journey.funnel()["steps"]
    return {"session_gap": None, "start_event": steps[0], "end_event": steps[-1], **options}


def converted_or_lost(
    journey: Journey, log: EventLog, *, outcome: str = "", window: str = ""
) -> PathDifferences | Unanswered:
    """What those who got through the file's first funnel did before, beside those who did not."""
    if not journey.funnels and not outcome:
        return unanswered(
            "The journey file has no funnel, so it does not say what converting means. Add funnels, or give an outcome."
        )
    funnel = (
        journey.funnel(None, window=window)
        if journey.funnels
        else {"steps": [None], "window": window or None}
    )
    start, *between, last = (
        funnel["steps"] if len(funnel["steps"]) > 1 else [None, *funnel["steps"]]
    )
    # Who converts has passed the steps between: that says nothing, and the funnel counts it.
    passed = [name for step in between for name in as_step(step, "steps").names]
    return compare_paths(
        log, outcome=outcome or last, start_event=start, window=funnel["window"], leave_out=passed
    )


def churned_or_retained(journey: Journey, log: EventLog) -> PathDifferences | Unanswered:
    """What customers did before they left, beside those who stay; only those who got through the first funnel can leave."""
    if journey.churn is None or journey.churn.event is None:
        return unanswered(
            "The journey file names no event of leaving, so nobody can be called churned by one. Add churn: {event: cancel}."
        )
    start = journey.funnel()["steps"][-1] if journey.funnels else None
    return compare_paths(
        log,
        outcome=journey.survival_options()["churn_event"],
        start_event=start,
        groups=("churned", "retained"),
    )


def channel_credit(
    journey: Journey,
    log: EventLog,
    *,
    conversion: str = "",
    channel: str = "channel",
    value: str = "",
    **options: Any,
) -> Attribution | Unanswered:
    """The credit of channels for the last step of the file's first funnel, or for the conversion given."""
    if channel not in log.columns:
        return unanswered(
            f"The log has no column {shown(channel)}, so no channel can get credit. Name the column of channels if it has another name."
        )
    if not journey.funnels and not conversion:
        return unanswered(
            "The journey file has no funnel, so it does not say what a conversion is. Add funnels, or give a conversion."
        )
    outcome = conversion or journey.funnel()["steps"][-1]
    return attribution(log, conversion=outcome, channel=channel, value=value or None, **options)

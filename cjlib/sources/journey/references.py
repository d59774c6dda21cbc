"""Every event and every column that a journey file names, with the key that names it."""

from __future__ import annotations

from collections.abc import Iterator

from cjlib.sources.journey import Journey
from cjlib.sources.log.conditions import Step, as_step

COLUMNS_OF_EVERY_LOG = frozenset({"event", "customer_id", "timestamp"})


def events_used(journey: Journey) -> Iterator[tuple[str, Step]]:
    """Key and step of every event outside the stages."""
    for name, funnel in journey.funnels.items():
        yield from (
            (f"funnels.{name}.steps[{position}]", step)
            for position, step in enumerate(funnel.steps)
        )
        yield from (
            (f"funnels.{name}.exclude[{position}]", as_step(one.event, "exclude"))
            for position, one in enumerate(funnel.exclude)
        )
    if journey.retention is not None:
        yield from _set(
            "retention", start=journey.retention.start, **{"return": journey.retention.return_}
        )
    if journey.churn is not None:
        yield from _set("churn", event=journey.churn.event)
    if journey.value is not None:
        yield from _set("value", event=journey.value.event)
    roles = {
        name: getattr(journey.roles, name)
        for name in type(journey.roles).model_fields
        if name != "features"
    }
    yield from _set("roles", **roles)
    yield from (
        (f"roles.features[{position}]", step)
        for position, step in enumerate(journey.roles.features)
    )
    yield from _set("milestones", **journey.milestones)
    if journey.support is not None:
        names = ("opened", "first_response", "resolved", "reopened", "abandoned", "waiting")
        yield from _set("support", **{name: getattr(journey.support, name) for name in names})


def _set(section: str, **steps: Step | None) -> Iterator[tuple[str, Step]]:
    return ((f"{section}.{key}", step) for key, step in steps.items() if step is not None)


def stage_events(journey: Journey) -> Iterator[tuple[str, Step]]:
    """Key and step of every event of a touchpoint."""
    for stage_position, stage in enumerate(journey.stages):
        for point_position, point in enumerate(stage.touchpoints):
            for step in point.events:
                yield f"stages[{stage_position}].touchpoints[{point_position}]", step


def columns_used(journey: Journey) -> Iterator[tuple[str, str]]:
    """Key and name of every column, the conditions of events included."""
    for name, funnel in journey.funnels.items():
        yield from (
            (f"funnels.{name}.{key}", column)
            for key in ("by", "hold")
            for column in getattr(funnel, key)
        )
    if journey.retention is not None:
        yield from (("retention.by", column) for column in journey.retention.by)
    if journey.value is not None:
        yield "value.amount", journey.value.amount
    if journey.support is not None:
        yield from (
            (f"support.{key}", getattr(journey.support, key))
            for key in ("ticket_id", "handled_by")
            if getattr(journey.support, key)
        )
    for key, step in [*stage_events(journey), *events_used(journey)]:
        yield from ((f"{key}.where", column) for column in step.where)

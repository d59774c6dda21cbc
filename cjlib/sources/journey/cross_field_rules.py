"""What the keys of a journey file owe one another.

The rules look at the file's plain content and pass over what is not of the right shape: that is said elsewhere, and one fault must not
hide another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cjlib.errors import did_you_mean, listed, shown
from cjlib.sources.journey.funnels import broken_funnel_rules
from cjlib.sources.journey.overlap import exclude_each_other
from cjlib.sources.journey.raw import Found, below, items_of, mapping_of
from cjlib.sources.journey.schema import MEASURES
from cjlib.sources.journey.yaml_parser import Fault, Place


def broken_rules(data: Mapping[str, Any]) -> list[Fault]:
    """Every rule between keys that the content breaks."""
    rules: list[Callable[[Mapping[str, Any]], Iterator[Found]]] = [
        _events_or_feedback,
        _places_of_sources,
        _names_twice,
        _events_claimed_twice,
        _unknown_stages,
        _one_way_of_leaving,
        _leaving_by_a_column,
        _unknown_measures,
        _personas_twice,
        broken_funnel_rules,
    ]
    return [Fault(place, text) for rule in rules for place, text in rule(data)]


def _events_or_feedback(data: Mapping[str, Any]) -> Iterator[Found]:
    """A business without events can be asked about its feedback, or about a table of customers that says who left."""
    sources = data.get("sources")
    if (
        isinstance(sources, Mapping)
        and not {"events", "feedback"} & set(sources)
        and not _target(data)
    ):
        yield (
            ("sources", "events"),
            "the key is missing. A table of customers alone needs churn: {target: column that says who left}.",
        )


# ---- reading the plain content -----------------------------------------------------------------------------------


def _stages(data: Mapping[str, Any]) -> Iterator[tuple[Place, Mapping[str, Any], str]]:
    for position, stage in items_of(data.get("stages")):
        name = mapping_of(stage).get("name")
        yield (
            ("stages", position or 0),
            mapping_of(stage),
            name if isinstance(name, str) else f"stage {(position or 0) + 1}",
        )


def _touchpoints(data: Mapping[str, Any]) -> Iterator[tuple[Place, str, Any]]:
    """Place, stage, and the touchpoint as written."""
    for place, stage, name in _stages(data):
        for position, touchpoint in items_of(stage.get("touchpoints")):
            yield below((*place, "touchpoints"), position), name, touchpoint


def _claims(place: Place, touchpoint: Any) -> Iterator[tuple[Place, str, Mapping[str, Any]]]:
    """Place, event name and `where` of every event that a touchpoint claims."""
    written = mapping_of(touchpoint)
    events = (
        touchpoint if isinstance(touchpoint, str) else written.get("events") or written.get("name")
    )
    inside = (
        place if isinstance(touchpoint, str) or not written.get("events") else (*place, "events")
    )
    for position, event in items_of(events):
        for _, name in items_of(
            mapping_of(event).get("event") if isinstance(event, Mapping) else event
        ):
            if isinstance(name, str):
                yield below(inside, position), name, mapping_of(mapping_of(event).get("where"))


# ---- the rules ---------------------------------------------------------------------------------------------------


def _names_twice(data: Mapping[str, Any]) -> Iterator[Found]:
    yield from _twice(
        (((*place, "name"), stage.get("name")) for place, stage, _ in _stages(data)), "a stage"
    )
    points = (
        (place, point if isinstance(point, str) else mapping_of(point).get("name"))
        for place, _, point in _touchpoints(data)
    )
    yield from _twice(points, "a touchpoint")


def _personas_twice(data: Mapping[str, Any]) -> Iterator[Found]:
    named = (
        ((*below(("personas",), position), "name"), mapping_of(one).get("name"))
        for position, one in items_of(data.get("personas"))
    )
    yield from _twice(named, "a persona")


def _twice(names: Iterator[tuple[Place, Any]], what: str) -> Iterator[Found]:
    first: dict[str, str] = {}
    for place, name in names:
        key = name.strip().casefold() if isinstance(name, str) else None
        if key in first:
            yield (
                place,
                f"{what} is named {shown(name)} twice, upper and lower case being the same. Give it another name.",
            )
        elif key is not None:
            first[key] = name


def _events_claimed_twice(data: Mapping[str, Any]) -> Iterator[Found]:
    held: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for place, stage, touchpoint in _touchpoints(data):
        label = (
            touchpoint if isinstance(touchpoint, str) else str(mapping_of(touchpoint).get("name"))
        )
        for at, name, where in _claims(place, touchpoint):
            for other_stage, other_label, other_where in held.get(name, []):
                if not exclude_each_other(where, other_where):
                    yield at, _claimed_text(name, (stage, label), (other_stage, other_label))
                    break
            held.setdefault(name, []).append((stage, label, where))


def _claimed_text(name: str, here: tuple[str, str], there: tuple[str, str]) -> str:
    whose = (
        f"stage {shown(there[0])}"
        if there[0] != here[0]
        else f"touchpoint {shown(there[1])} of the same stage"
    )
    return f"the event {shown(name)} is already claimed by {whose}. Remove it from one, or give both a where that excludes the other."


def _unknown_stages(data: Mapping[str, Any]) -> Iterator[Found]:
    names = [stage["name"] for _, stage, _ in _stages(data) if isinstance(stage.get("name"), str)]
    for position, route in items_of(data.get("routes")):
        place = below(("routes",), position)
        if not isinstance(route, list) or len(route) != 2:
            continue
        for end, name in enumerate(route):
            if isinstance(name, str) and name not in names:
                yield (
                    (*place, end),
                    f"there is no stage {shown(name)}.{did_you_mean(name, names)} Stages: {listed(names, most=20)}.",
                )


def _places_of_sources(data: Mapping[str, Any]) -> Iterator[Found]:
    for kind, source in mapping_of(data.get("sources")).items():
        written = {key for key, content in mapping_of(source).items() if content is not None}
        if (
            isinstance(source, Mapping)
            and kind != "columns"
            and len(written & {"path", "url"}) != 1
        ):
            yield (
                ("sources", kind),
                "must have either path (a file or a glob) or url (a database), and not both.",
            )
        if "url" in written and "table" not in written:
            yield ("sources", kind, "url"), "a url needs the table to read: add the key table."


def _one_way_of_leaving(data: Mapping[str, Any]) -> Iterator[Found]:
    churn = data.get("churn")
    if (
        isinstance(churn, Mapping)
        and sum(churn.get(key) is not None for key in ("event", "inactive", "target")) != 1
    ):
        yield (
            ("churn",),
            "must have exactly one of event (the event of leaving), inactive (the silence that means it) and target (the column of the customers table "
            "that says who left).",
        )


def _target(data: Mapping[str, Any]) -> Any:
    return mapping_of(data.get("churn")).get("target")


def _leaving_by_a_column(data: Mapping[str, Any]) -> Iterator[Found]:
    """A table of customers is a snapshot: it has no dates to look ahead from, and beside events there would be two meanings of leaving."""
    churn, sources = mapping_of(data.get("churn")), mapping_of(data.get("sources"))
    if not _target(data):
        if churn.get("positive") is not None:
            yield (
                ("churn", "positive"),
                "is the value of target that means left: add the key target, or remove this one.",
            )
        return
    if sources.get("customers") is None:
        yield (
            ("churn", "target"),
            "names a column of the customers table: add sources: {customers: {path: customers.csv}}.",
        )
    if sources.get("events") is not None:
        yield (
            ("churn", "target"),
            "is for a table of customers without events. With events say event or inactive, or write a file of its own for the table.",
        )
    for key in ("horizon", "active_within"):
        if churn.get(key) is not None:
            yield (
                ("churn", key),
                "needs events: a table of customers has no dates to look ahead from. Remove it.",
            )


def _unknown_measures(data: Mapping[str, Any]) -> Iterator[Found]:
    known = MEASURES | {
        f"median_days_to_{name}": "lower" for name in mapping_of(data.get("milestones"))
    }
    for name, target in mapping_of(data.get("targets")).items():
        if name not in known:
            yield (
                ("targets", name),
                f"there is no measure {shown(name)}.{did_you_mean(name, known)} Measures: {', '.join(known)}.",
            )
        elif known[name] is None and not mapping_of(target).get("better"):
            yield (
                ("targets", name),
                "neither side of this measure is better by itself: write {value: …, better: higher} or {value: …, better: lower}.",
            )

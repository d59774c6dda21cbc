"""What the keys of a journey file owe one another.

The rules look at the file's plain content and pass over what is not of the right shape: that is said elsewhere, and one fault must not
hide another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from cjlib import __version__
from cjlib.errors import did_you_mean, listed, shown
from cjlib.sources.combine import ALL
from cjlib.sources.journey.schema import MEASURES
from cjlib.sources.journey.yaml_parser import Fault, Place
from cjlib.sources.log.semantics import FUNNELS, RETENTIONS, Semantics

FORM = 1
"""The form of the journey file that this version reads."""


def newer_form(data: Any) -> list[Fault]:
    """The one fault of a file that was written for a later version: its other faults would mislead."""
    given = str(data.get("schema") or "") if isinstance(data, Mapping) else ""
    if not given.isdecimal() or int(given) <= FORM:
        return []
    remedy = "Update it: pip install --upgrade customer-journey-notebooks."
    return [
        Fault(
            ("schema",),
            f"the file is of form {int(given)}, and version {__version__} of Customer Journey Notebooks reads form {FORM}. {remedy}",
        )
    ]


def broken_rules(data: Mapping[str, Any]) -> list[Fault]:
    """Every rule between keys that the content breaks."""
    rules: list[Callable[[Mapping[str, Any]], Iterator[Found]]] = [
        _events_or_feedback,
        _places_of_sources,
        _sources_twice,
        _names_twice,
        _events_claimed_twice,
        _unknown_stages,
        _one_way_of_leaving,
        _leaving_by_a_column,
        _unknown_measures,
        _personas_twice,
        broken_funnel_rules,
        _semantics,
        _delivery,
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


SMTP = re.compile(
    r"(?P<scheme>smtps?)://(?:(?P<user>[^:/\s]+):(?P<password>\S*)@)?(?P<host>[^:@/\s]+)(?::(?P<port>\d+))?/?"
)
"""The address of a mail server."""
MAIL = re.compile(r"[!#-'*+\-./0-9=?A-Z^-~]+@[A-Za-z0-9][A-Za-z0-9.-]*")
"""A mail address; quoted and international ones are not taken."""
SENDER = re.compile(rf"(?P<name>[^<>\r\n]*)<(?P<address>{MAIL.pattern})>|{MAIL.pattern}")
_VARIABLES = re.compile(r"(\$\{\w+\})+")
_SERVICE = re.compile(r"[a-z][a-z0-9+.-]*://\S+|(\$\{\w+\})+")
_OPEN_HOOK = re.compile(r"(json|xml|form)s?://[^@?\s]+")


def _delivery(data: Mapping[str, Any]) -> Iterator[Found]:
    """Addresses that can be used, with no secret in the file. What was given is not repeated: it may hold one."""
    delivery = mapping_of(data.get("delivery"))
    to = delivery.get("to")
    addresses = [one for one in (to if isinstance(to, list) else [to]) if isinstance(one, str)]
    mails = [address for address in addresses if MAIL.fullmatch(address)]
    for position, address in enumerate(addresses):
        if address not in mails and (wrong := _wrong_service(address)):
            yield ("delivery", "to", position), wrong
    for key in ("smtp", "from") if mails else ():
        if key not in delivery:
            yield ("delivery", key), "the key is missing: to has mail addresses."
    for key, wrong_of in (("smtp", _wrong_smtp), ("from", _wrong_sender), ("links", _wrong_links)):
        written = delivery.get(key)
        if isinstance(written, str) and (wrong := wrong_of(written)):
            yield ("delivery", key), wrong


def _wrong_sender(written: str) -> str | None:
    if SENDER.fullmatch(written):
        return None
    return "must be a mail address, such as reports@example.com or Reports <reports@example.com>."


def _wrong_links(written: str) -> str | None:
    if re.fullmatch(r"https?://[^\s@\"'<>]+", written):
        return None
    return "must be the web address of the folder of reports, such as https://reports.example.com/journey/."


def _wrong_service(address: str) -> str | None:
    if not _SERVICE.fullmatch(address):
        return "must be a mail address, or the address of a service such as slack://${SLACK_TOKENS}/#journey or jsons://example.com/hook."
    if not _VARIABLES.search(address) and not _OPEN_HOOK.fullmatch(address):
        return "the address of a service holds its key. Write the key as ${NAME}, or the whole address, and set that variable where cj runs."
    return None if _no_password(address) else _PASSWORD_IN_FILE


def _wrong_smtp(address: str) -> str | None:
    if not SMTP.fullmatch(address):
        return "must be the address of a mail server, such as smtps://user:${SMTP_PASSWORD}@mail.example.com or smtp://localhost:25."
    return None if _no_password(address) else _PASSWORD_IN_FILE


_PASSWORD_IN_FILE = "the file holds a password. Write ${SMTP_PASSWORD} or another name in its place and set that variable where cj runs."


def _no_password(address: str) -> bool:
    written = re.search(r"://[^/]*?:([^/]*)@", address)
    return written is None or bool(_VARIABLES.fullmatch(written[1]))


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


def _sources(data: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    """Place and content of every source."""
    for kind, source in mapping_of(data.get("sources")).items():
        if kind in ("events", "feedback") and isinstance(source, list | tuple):
            yield from ((("sources", kind, position), one) for position, one in enumerate(source))
        elif kind != "columns":
            yield ("sources", kind), source


def _places_of_sources(data: Mapping[str, Any]) -> Iterator[Found]:
    for place, source in _sources(data):
        if not isinstance(source, Mapping):
            continue
        written = {key for key, content in source.items() if content is not None}
        if len(written & {"path", "url"}) != 1:
            yield (
                place,
                "must have either path (a file or a glob) or url (a database), and not both.",
            )
        if {"table", "query"} <= written:
            yield (
                (*place, "query"),
                "is read in the place of a table: remove the key table or this one.",
            )
        if "url" in written and not written & {"table", "query"}:
            yield (*place, "url"), "a url needs the table to read: add the key table."


def _sources_twice(data: Mapping[str, Any]) -> Iterator[Found]:
    places = (
        ((*place, "name"), mapping_of(source).get("name"))
        for place, source in _sources(data)
        if len(place) > 2
    )
    yield from _twice(places, "a source")
    for place, source in _sources(data):
        name = mapping_of(source).get("name")
        if len(place) > 2 and isinstance(name, str) and name.strip().casefold() == ALL:
            yield (*place, "name"), f"{shown(ALL)} stands for all of them. Give it another name."


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


Found: TypeAlias = tuple[Place, str]


def mapping_of(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items_of(value: Any) -> list[tuple[int | None, Any]]:
    """The items of a list with their positions; a value that stands without brackets has none."""
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    return [] if value is None else [(None, value)]


def below(place: Place, position: int | None) -> Place:
    """The place of an item."""
    return place if position is None else (*place, position)


def number_of(value: Any) -> float | None:
    """The number that is written, or None."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


_BY_VALUE = re.compile(r"first|last|all|step_([1-9]\d*)")


def broken_funnel_rules(data: Mapping[str, Any]) -> Iterator[Found]:
    """Every rule between the options of a funnel that the content breaks."""
    for name, funnel in mapping_of(data.get("funnels")).items():
        written = mapping_of(funnel)
        steps = len(items_of(written.get("steps")))
        if steps:
            for rule in (_step_windows, _exclusions, _by_value, _entrants):
                yield from rule(("funnels", name), written, steps)


def _step_windows(place: Place, funnel: Mapping[str, Any], steps: int) -> Iterator[Found]:
    given = len(items_of(funnel.get("step_windows")))
    if given and given != steps - 1:
        yield (
            (*place, "step_windows"),
            f"must have one duration (or null) for each move between the {steps} steps, so {steps - 1}. Got {given}.",
        )
    if given and funnel.get("order") == "any":
        yield (*place, "step_windows"), "cannot stand with order: any."


def _exclusions(place: Place, funnel: Mapping[str, Any], steps: int) -> Iterator[Found]:
    for position, one in items_of(funnel.get("exclude")):
        at = below((*place, "exclude"), position)
        after, before = (
            number_of(mapping_of(one).get(key, usual))
            for key, usual in (("after", 1), ("before", 2))
        )
        if after is None or before is None or after >= before:
            continue
        if before > steps:
            yield (
                (*at, "before"),
                f"the funnel has {steps} steps, so before is at most {steps}. Got {before:g}.",
            )
        elif funnel.get("order") == "any" and (after, before) != (1, steps):
            yield (
                at,
                f"with order: any an exclusion stands between step 1 and step {steps} only. Got {after:g} and {before:g}.",
            )


def _by_value(place: Place, funnel: Mapping[str, Any], steps: int) -> Iterator[Found]:
    given = funnel.get("by_value")
    if not isinstance(given, str):
        return
    word = _BY_VALUE.fullmatch(given)
    if not word or (word[1] and int(word[1]) > steps):
        yield (
            (*place, "by_value"),
            f"must be first, last, all, or step_1 to step_{steps}.{did_you_mean(given, ['first', 'last', 'all'])} Got {shown(given)}.",
        )


def _entrants(place: Place, funnel: Mapping[str, Any], steps: int) -> Iterator[Found]:
    without = "window" in funnel and (
        funnel["window"] is None or str(funnel["window"]).casefold() == "none"
    )
    if steps and without and funnel.get("entrants") == "closed":
        yield (*place, "entrants"), "closed needs a window: give window a duration."


def _semantics(data: Mapping[str, Any]) -> Iterator[Found]:
    """Options that a tool does not offer whose way of counting is asked for."""
    asked: list[tuple[Place, Mapping[str, Any], Mapping[str, Semantics]]] = [
        (("funnels", name), mapping_of(funnel), FUNNELS)
        for name, funnel in mapping_of(data.get("funnels")).items()
    ]
    asked.append((("retention",), mapping_of(data.get("retention")), RETENTIONS))
    for place, given, rules in asked:
        tool = rules.get(str(given.get("semantics")))
        for option, text in tool.conflicts(given) if tool else ():
            yield (*place, option), text


def exclude_each_other(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether no event can meet both conditions: some column is asked for values that have nothing in common."""
    return any(
        _apart(one[column], other[column]) or _apart(other[column], one[column])
        for column in one.keys() & other.keys()
    )


def _apart(one: Any, other: Any) -> bool:
    values = _values(one)
    if values is not None:
        return all(not _passes(value, other) for value in values)
    low, high = _range(one)
    other_low, other_high = _range(other)
    return (high is not None and other_low is not None and high < other_low) or (
        low is not None and other_high is not None and low > other_high
    )


def _values(condition: Any) -> list[Any] | None:
    """The finitely many values a condition lets pass; None if they cannot be listed."""
    if isinstance(condition, Mapping):
        return [None] if str(condition.get("is_set")).casefold() == "false" else None
    return list(condition) if isinstance(condition, list | tuple) else [condition]


def _passes(value: Any, condition: Any) -> bool:
    if not isinstance(condition, Mapping):
        return any(_same(value, other) for other in (_values(condition) or []))
    return all(
        _passes_operator(value, operator, content) for operator, content in condition.items()
    )


def _passes_operator(value: Any, operator: str, content: Any) -> bool:
    if operator == "not":
        return not any(
            _same(value, other)
            for other in (content if isinstance(content, list | tuple) else [content])
        )
    if operator == "is_set":
        return (value is not None) == (str(content).casefold() == "true")
    if operator == "contains":
        return value is not None and str(content).casefold() in str(value).casefold()
    number, bound = number_of(value), number_of(content)
    if number is None or bound is None:
        return value is not None
    return number >= bound if operator == "min" else number <= bound


def _range(condition: Any) -> tuple[float | None, float | None]:
    written = mapping_of(condition)
    return number_of(written.get("min")), number_of(written.get("max"))


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    first, second = number_of(one), number_of(other)
    return str(one) == str(other) or (first is not None and first == second)

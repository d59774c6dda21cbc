"""What the options of a funnel owe one another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cjlib.errors import did_you_mean, shown
from cjlib.sources.journey.raw import Found, below, items_of, mapping_of, number_of
from cjlib.sources.journey.yaml_parser import Place

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

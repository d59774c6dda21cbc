"""docs/journey.md names every key of the file, and no other."""

import re
from pathlib import Path
from typing import get_args

from cjlib.sources.journey import Journey
from cjlib.sources.journey.fields import Section
from cjlib.sources.journey.schema import MEASURES

TEXT = (Path(__file__).parents[2] / "docs" / "journey.md").read_text(encoding="utf-8")


def sections(annotation: object) -> list[type[Section]]:
    """The sections that an annotation holds, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in get_args(annotation) for found in sections(part)]


def keys(model: type[Section], seen: set[type[Section]]) -> set[str]:
    if model in seen:
        return set()
    seen.add(model)
    inside = [
        keys(section, seen)
        for field in model.model_fields.values()
        for section in sections(field.annotation)
    ]
    return set(model.keys()).union(*inside)


def test_every_key_is_documented():
    words = set(re.findall(r"[a-z_0-9]+", TEXT))
    assert keys(Journey, set()) - words == set()


def test_every_measure_is_documented():
    assert set(MEASURES) - set(re.findall(r"`([a-z_0-9]+)`", TEXT)) == set()


def test_the_documented_example_of_a_shared_event_is_valid():
    from cjlib.sources.journey import journey_from_text

    example = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert len(journey_from_text("name: S\nsources: {events: e}\n" + example[1]).mapping) == 2

"""What an editor and a later version know of a journey file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from commandline import here

import cjlib as cj
from cjlib.errors import JourneyError
from cjlib.sources.journey import journey_from_text
from cjlib.sources.journey.json_schema import HEAD, NAME, json_schema

ROOT = Path(__file__).parents[2]
FILES = [
    *ROOT.glob("cjlib/sources/journey/scaffold/templates/*.yml"),
    *ROOT.glob("data/examples/*.yml"),
    ROOT / "data" / "sample" / "journey.yml",
]
SMALL = "name: Shop\nsources: {events: e.csv}\nstages: [{name: All, touchpoints: [view]}]\n"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.BaseLoader])
def test_every_file_here_is_valid_for_an_editor(path, loader, validator):
    content = json.loads(
        json.dumps(yaml.load(path.read_text(encoding="utf-8"), loader), default=str)
    )
    assert [error.message for error in validator.iter_errors(content)] == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("sorces: {}", "sorces"),
        ("churn: {evnt: cancel}", "evnt"),
        ("stages: [{name: All, tuchpoints: [view]}]", "tuchpoints"),
    ],
)
def test_a_key_that_is_not_known_is_marked(text, key, validator):
    errors = list(validator.iter_errors(yaml.safe_load(f"name: Shop\n{text}\n")))
    assert key in str([[error, *error.context] for error in errors])


def test_the_form_is_part_of_the_file_and_not_of_what_it_says():
    assert journey_from_text(f"schema: 1\n{SMALL}").hash == journey_from_text(SMALL).hash


def test_a_later_form_is_told_alone_with_what_to_do():
    with pytest.raises(JourneyError) as refused:
        journey_from_text(f"schema: 2\n{SMALL}unheard_of: {{x: 1}}\n")
    assert re.fullmatch(
        rf"journey\.yml has 1 fault:\n  line 1, schema: the file is of form 2, and version {re.escape(cj.__version__)} of Customer Journey Notebooks reads form 1\. "
        r"Update it: pip install --upgrade customer-journey-notebooks\.",
        str(refused.value),
    )


@pytest.mark.parametrize("form", ["0", "new", "1.5"])
def test_a_form_that_is_none_is_refused(form):
    with pytest.raises(JourneyError, match="line 1, schema: must be a whole number of 1 or more"):
        journey_from_text(f"schema: {form}\n{SMALL}")


def test_a_first_journey_file_names_the_schema_beside_it(tmp_path):
    out = tmp_path / "journey.yml"
    assert here("init", "--template", "saas", "--out", out).code == 0
    assert out.read_text(encoding="utf-8").startswith(HEAD)
    assert json.loads((tmp_path / NAME).read_text(encoding="utf-8")) == json_schema()
    assert cj.read_journey(out).form == 1
    assert json.loads(here("schema").out) == json_schema()

"""Every public name says what it takes, gives and refuses, and its examples run."""

from __future__ import annotations

import doctest
import inspect
import re
from importlib import import_module

import pytest

import cjlib as cj
from cjlib import errors
from cjlib.analyses.result import Result

NAMES = dir(cj)
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(cj, name))]
CLASSES = [name for name in NAMES if inspect.isclass(getattr(cj, name))]
CONSTRUCTED = ["Exclude", "Measure", "Step"]
"""Classes that people make themselves; all others are what a function gives."""
REFUSE_NOTHING = {"progress_bar"}
HEADING = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)
FAULTS = {
    name
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, errors.CjlibError)
}


def sections(documented) -> dict[str, str]:
    """The text below each heading of a docstring, as numpydoc has them."""
    _, *parts = HEADING.split(inspect.getdoc(documented) or "")
    return dict(zip(parts[::2], parts[1::2], strict=True))


def entries(section: str) -> set[str]:
    """What a section describes: the names on its lines that are not indented."""
    lines = re.findall(r"^\S.*$", section, re.MULTILINE)
    return {name for line in lines for name in line.replace("*", "").split(", ")}


def taken(function) -> set[str]:
    """The names of what a function takes."""
    return set(inspect.signature(function).parameters) - {"self"}


def result_of(name: str) -> type | None:
    """What a public function gives, where that is a result."""
    function = getattr(cj, name)
    annotation = str(inspect.signature(function).return_annotation)
    kind = vars(import_module(function.__module__)).get(annotation)
    return kind if inspect.isclass(kind) and issubclass(kind, Result) else None


def methods(kind: type) -> list[str]:
    """The methods of a class that are its own."""
    internal = ("_", "model_", "mapping_sql", "unanswered", "readable")
    own = (name for name, member in vars(kind).items() if inspect.isfunction(member))
    return [name for name in own if not name.startswith(internal)]


RESULTS = {kind for kind in map(result_of, FUNCTIONS) if kind is not None}
METHODS = [
    pytest.param(kind, name, id=f"{kind.__name__}.{name}")
    for kind in sorted({cj.Journey, *RESULTS}, key=lambda kind: kind.__name__)
    for name in methods(kind)
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_says_what_it_takes_gives_and_refuses(name):
    function = getattr(cj, name)
    described = sections(function)
    assert entries(described.get("Parameters", "")) == taken(function)
    assert described.get("Returns", "").strip()
    assert ("Raises" in described) == (name not in REFUSE_NOTHING)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - REFUSE_NOTHING))
def test_what_a_public_function_raises_is_ours_and_says_when(name):
    refused = sections(getattr(cj, name))["Raises"]
    assert entries(refused) <= FAULTS
    assert all(re.findall(r"^ {4}\S", refused, re.MULTILINE))


@pytest.mark.parametrize("name", CLASSES)
def test_a_public_class_says_what_it_is(name):
    assert inspect.getdoc(getattr(cj, name))


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_a_class_that_people_make_says_what_it_takes_and_refuses(name):
    kind = getattr(cj, name)
    described = sections(kind)
    assert entries(described["Parameters"]) == taken(kind)
    assert entries(described["Raises"]) <= FAULTS


@pytest.mark.parametrize(("kind", "name"), METHODS)
def test_a_method_that_people_call_says_what_it_takes_and_gives(kind, name):
    method = getattr(kind, name)
    described = sections(method)
    assert entries(described.get("Parameters", "")) == taken(method)
    assert described.get("Returns", "").strip()
    assert entries(described.get("Raises", "")) <= FAULTS


@pytest.mark.parametrize("module", sorted(set(cj.MODULE_OF.values())))
def test_the_examples_of_a_module_are_what_it_answers(module):
    run = doctest.testmod(import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert run.failed == 0

"""Parameters are read from the notebook and checked before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import NOTEBOOKS

from cjlib.errors import CjlibError
from cjlib.views.report.discovery import find_notebooks, notebook_folder
from cjlib.views.report.parameters import (
    assign,
    for_readers,
    from_file,
    from_options,
    read_notebook,
    read_parameters,
)

CELL = """
journey: str = "../data/journey.yml"  # the journey file, path
window: str = "14D"  # longest "#1" time, duration
code: str = "007"
size: int = 3  # how many, count
share = 0.5
checked: bool = False
steps: list[str] = [
    "visit",  # not the meaning
    "buy",
]  # steps in order
limit: int | None = None
mode: Literal["on", "within"] = "on"
by: Optional[str] = None
either: "int | str" = 3
weights: dict[str, float] = {}
anything = make()
import os
"""


def read(name: str, given: object) -> object:
    return read_parameters(CELL, "nb")[name].kind.read(given)


def test_a_cell_is_read_line_by_line_with_type_default_and_meaning():
    parameters = read_parameters(CELL, "nb")
    assert list(parameters)[:4] == ["journey", "window", "code", "size"]
    assert "os" not in parameters
    window = parameters["window"]
    assert (str(window.kind), window.default, window.meaning) == (
        "a duration such as 14D or 30min",
        "'14D'",
        'longest "#1" time, duration',
    )
    assert parameters["steps"].meaning == "steps in order"
    assert parameters["anything"].default == "make()"


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("code", "007", "007"),
        ("code", "no", "no"),
        ("code", "", ""),
        ("size", "12", 12),
        ("size", "-1", -1),
        ("share", "0.25", 0.25),
        ("share", "1e-3", 0.001),
        ("checked", "no", False),
        ("checked", "TRUE", True),
        ("steps", "visit,buy", ["visit", "buy"]),
        ("steps", '["visit, twice", 007]', ["visit, twice", "007"]),
        ("steps", ["no", "yes"], ["no", "yes"]),
        ("steps", "", []),
        ("limit", "none", None),
        ("limit", "5", 5),
        ("mode", "within", "within"),
        ("by", "null", None),
        ("by", "channel", "channel"),
        ("either", "7", 7),
        ("either", "7a", "7a"),
        ("weights", "{a: 1, b: 0.5}", {"a": 1.0, "b": 0.5}),
        ("anything", "as it is", "as it is"),
    ],
)
def test_a_value_is_read_by_the_parameters_own_type_and_by_nothing_else(name, given, value):
    assert read(name, given) == value
    assert type(read(name, given)) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("size", "3.5", "a whole number"),
        ("size", "three", "a whole number"),
        ("size", "٣", "a whole number"),
        ("share", "half", "a number"),
        ("share", "inf", "a number"),
        ("checked", "2", "yes or no"),
        ("limit", "x", "a whole number, or none"),
        ("mode", "off", "one of 'on', 'within'"),
        ("code", ["a"], "text"),
        ("weights", "{a: heavy}", "a mapping of numbers"),
        ("weights", "heavy", "a mapping of numbers"),
        ("steps", "[open", "a list of texts"),
    ],
)
def test_a_value_of_another_type_is_refused_in_words(name, given, words):
    with pytest.raises(ValueError, match=f"^{words}$"):
        read(name, given)


def test_a_path_is_relative_to_where_it_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read("journey", "mine.yml") == str(tmp_path / "mine.yml")
    assert read("journey", "s3://bucket/mine.yml") == "s3://bucket/mine.yml"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("/secret plans/journey.yml", "journey.yml"),
        ("14D", "14D"),
        (0.05, "0.05"),
        (["a"], '["a"]'),
    ],
)
def test_readers_see_a_file_by_its_name_and_other_values_as_they_are(value, words):
    assert for_readers(value) == words


def test_a_parameter_goes_to_the_notebooks_that_have_it():
    ok, second = find_notebooks(["ok", "second"], NOTEBOOKS)
    assert assign({"share": "0.3", "periods": "6"}, [ok, second]) == {
        "ok": {"share": 0.3},
        "second": {"periods": 6},
    }


def test_what_no_notebook_has_and_what_none_can_read_is_said_in_one_error():
    ok, second = find_notebooks(["ok", "second"], NOTEBOOKS)
    with pytest.raises(CjlibError) as fault:
        assign({"shar": "0.3", "periods": "many"}, [ok, second])
    assert str(fault.value) == (
        "unknown parameter 'shar'. Did you mean 'share'? ok has: journey, share, code, checked; second has: journey, periods. `cj list` says what each means.\n"
        "periods: second needs a whole number. Got 'many'."
    )


def test_options_are_name_equals_value_and_the_last_wins():
    assert from_options(["a=1", "b=x=y", "a=2", "c="]) == {"a": "2", "b": "x=y", "c": ""}
    with pytest.raises(
        CjlibError, match=r"^-P: must be name=value, such as -P window=14D. Got 'window'.$"
    ):
        from_options(["window"])
    with pytest.raises(CjlibError, match="Got '=3'"):
        from_options(["=3"])


def test_a_file_of_parameters_keeps_what_is_written_there(tmp_path):
    file = tmp_path / "p.yml"
    file.write_text("code: 007\nchecked: no\nsteps: [no, 1e3]\n")
    assert from_file(file) == {"code": "007", "checked": "no", "steps": ["no", "1e3"]}
    file.write_text(json.dumps({"size": 3}))
    assert from_file(file) == {"size": "3"}
    file.write_text("")
    assert from_file(file) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "a: [",
            r"--params: '.*p.yml' is not YAML or JSON \(line 1\). Give a file of name: value.",
        ),
        ("- a", r"--params: '.*' must hold name: value, one a line. Got \['a'\]."),
    ],
)
def test_a_file_that_holds_no_parameters_is_refused(tmp_path, text, words):
    file = tmp_path / "p.yml"
    file.write_text(text)
    with pytest.raises(CjlibError, match=words):
        from_file(file)
    with pytest.raises(CjlibError, match="cannot be read"):
        from_file(tmp_path / "absent.yml")


def test_a_notebook_is_found_by_name_by_the_name_behind_its_number_and_by_path(tmp_path):
    for name in ("01_funnel", "02_retention"):
        (tmp_path / f"{name}.ipynb").write_text((NOTEBOOKS / "second.ipynb").read_text())
    names = [
        [one.name for one in find_notebooks(asked, tmp_path)]
        for asked in (
            [],
            ["02_retention.ipynb", "funnel", "01_funnel"],
            [str(tmp_path / "01_funnel.ipynb")],
        )
    ]
    assert names == [["01_funnel", "02_retention"], ["02_retention", "01_funnel"], ["01_funnel"]]
    with pytest.raises(
        CjlibError,
        match=r"^notebook: there is no 'funel'. Did you mean 'funnel'\? There are: '01_funnel', '02_retention'.$",
    ):
        find_notebooks(["funel"], tmp_path)
    other = tmp_path / "other" / "01_funnel.ipynb"
    other.parent.mkdir()
    other.write_text((tmp_path / "01_funnel.ipynb").read_text())
    with pytest.raises(CjlibError, match="two have the name '01_funnel'"):
        find_notebooks([str(other), "funnel"], tmp_path)


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(
        CjlibError,
        match=r"--notebooks: there is no folder 'nowhere'\. Give the folder that holds the .ipynb files.",
    ):
        notebook_folder(Path("nowhere"))


def test_a_notebook_knows_its_question_and_may_have_no_parameters():
    notebook = read_notebook(NOTEBOOKS / "no_parameters.ipynb")
    assert (notebook.question, dict(notebook.parameters), notebook.cells) == (
        "What if nobody asks?",
        {},
        2,
    )


@pytest.mark.parametrize("content", ["", "[1]", '{"cells": [1]}'])
def test_a_file_that_is_no_notebook_is_refused(tmp_path, content):
    file = tmp_path / "x.ipynb"
    file.write_text(content)
    with pytest.raises(
        CjlibError,
        match=r"^notebook: '.*' is not a notebook that can be read \(\w+\). Give a Jupyter .ipynb file.$",
    ):
        read_notebook(file)


def test_a_parameters_cell_that_is_not_python_is_named_with_its_line():
    with pytest.raises(
        CjlibError,
        match=r"^nb: its parameters cell is not Python \(line 2: .*\). Fix the cell tagged 'parameters'.$",
    ):
        read_parameters("a = 1\n1b = 2", "nb")


MEANINGS = """\
window: str = ""  # longest time, such as 14D or 36h; none: no limit; empty: as in the journey file
within: str = "60D"  # how long to look
period: str = "week"  # of the trend: day, week or month
mode: str = ""  # on or every: what counts; empty: as in the journey file
start: str = ""  # first day of entry; empty: from the beginning
prose: str = "x"  # what it is, or who, or why
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", "36h"),
        ("window", "none"),
        ("window", ""),
        ("within", "2W"),
        ("period", "month"),
        ("start", "2025-03-01"),
        ("start", ""),
        ("mode", ""),
        ("prose", "anything"),
    ],
)
def test_a_comment_says_what_a_text_may_be(name, value):
    assert read_parameters(MEANINGS, "nb")[name].kind.read(value) == value


@pytest.mark.parametrize(
    ("name", "value", "needs"),
    [
        ("window", "7", "a duration such as 14D or 30min, or none or empty"),
        ("within", "none", "a duration such as 14D or 30min"),
        ("within", "soon", "a duration such as 14D or 30min"),
        ("period", "fortnight", "one of 'day', 'week', 'month'"),
        ("start", "yesterday", "a day such as 2025-03-01, or empty"),
    ],
)
def test_what_a_comment_rules_out_is_refused(name, value, needs):
    with pytest.raises(ValueError, match=f"^{needs}$"):
        read_parameters(MEANINGS, "nb")[name].kind.read(value)

"""One set of notebooks, many sets of parameters."""

from __future__ import annotations

import pytest
from commandline import NOTEBOOKS, here

from cjlib.delivery.each import Outcome, exit_code, folder_name, read_sets
from cjlib.errors import CjlibError


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("North", "North"),
        ("São Paulo", "São-Paulo"),
        ("../../etc/passwd", "etc-passwd"),
        ("a/b\\c:d*e?f\"g<h>i|j", "a-b-c-d-e-f-g-h-i-j"),
        ("CON", "CON_"),
        ("nul.txt", "nul.txt_"),
        ("runs", "runs_"),
        ("ends with dots...", "ends-with-dots"),
        ("北京", "北京"),
        ("!!!", "set"),
        ("x" * 300, "x" * 60),
        ("Cafe\u0301", "Café"),
    ],
)  # fmt: skip
def test_a_name_becomes_a_folder_that_every_system_takes(name, folder):
    assert folder_name(name) == folder


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold sets by name"),
        ("- a", "must hold name: value"),
        ("North: x", "must hold sets by name, .* Got 'x' below 'North'"),
        (
            "a/b: {x: 1}\nA b: {x: 2}",
            "'a/b' and 'A b' would both be the folder 'A-b'. Rename one",
        ),
    ],
)
def test_what_is_no_file_of_sets_is_refused(tmp_path, text, said):
    file = tmp_path / "sets.yml"
    file.write_text(text)
    with pytest.raises(CjlibError, match=f"--each: .*{said}"):
        read_sets(file)


def test_the_worst_set_says_how_it_ended():
    assert exit_code([Outcome("a", None, code=code) for code in (0, 4, 3)]) == 3
    assert exit_code([Outcome("a", None, code=code) for code in (0, 0)]) == 0


def test_an_unknown_parameter_stops_before_any_set_runs(tmp_path):
    file = tmp_path / "regions.yml"
    file.write_text("North: {share: 0.3}\nSouth: {shar: 0.2}\nWest: {share: much}")
    out = tmp_path / "out"
    said = here("run", "ok", "--notebooks", NOTEBOOKS, "--each", file, "--out", out)
    assert (said.code, out.exists()) == (2, False)
    assert "South: unknown parameter 'shar'. Did you mean 'share'?" in said.err
    assert "West: share: ok needs a number. Got 'much'." in said.err


def test_a_set_that_fails_keeps_no_other_from_its_reports(tmp_path):
    file = tmp_path / "regions.yml"
    file.write_text("North <b>: {share: 0.3}\nSouth: {journey: broken.yml}\nWest: {share: 0.1}")
    (tmp_path / "broken.yml").write_text("nam: Shop")
    said = here("run", "ok", "--notebooks", NOTEBOOKS, "--each", file, "--out", tmp_path / "out", "--shared-assets", "--json", cwd=tmp_path)  # fmt: skip
    told = said.json
    assert said.code == told["exit_code"] == 2
    assert "unknown key. Did you mean 'name'?" in told["sets"]["South"]["error"]
    assert told["sets"]["West"]["status"] == "ok"
    folder = tmp_path / "out" / "regions"
    assert (folder / "North-b" / "ok.html").is_file()
    assert (folder / "West" / "ok.html").is_file()
    index = (folder / "index.html").read_text()
    assert 'href="North-b/index.html"><bdi>North &lt;b&gt;</bdi>' in index
    assert "30.0%" in index
    assert "10.0%" in index
    assert "share: 0.1" in index
    assert "Failed:" in index

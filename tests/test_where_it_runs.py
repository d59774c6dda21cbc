"""What a command line owes whoever meets it first: its version, its variables, what it is doing, and completion."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from commandline import NOTEBOOKS, cj, environment, here

import cjlib


def test_the_version_is_told_in_every_usual_way():
    told = subprocess.run(
        [sys.executable, "-m", "cjlib", "--version"],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert told.stdout == here("--version").out == f"cj {cjlib.__version__}\n"


def test_without_a_command_the_help_is_shown():
    assert "Commands:" in here().out + here().err


def test_variables_name_the_journey_file_and_the_folder_of_reports(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("CJ_JOURNEY", "absent.yml")
        said = here("check", cwd=tmp_path)
    assert (said.code, "there is no file 'absent.yml'" in said.err) == (2, True)
    here("sample", "--out", tmp_path, "--customers", 50)
    said = cj(
        "run",
        NOTEBOOKS / "ok.ipynb",
        "--verbose",
        cwd=tmp_path,
        CJ_JOURNEY="journey.yml",
        CJ_OUT="elsewhere",
    )
    assert said.code == 0, said.err
    assert (tmp_path / "elsewhere" / "ok.html").is_file()
    assert "cjlib.views.report.pool: ok: execute" in said.err


def test_what_is_read_is_logged_under_the_name_cjlib_and_without_being_asked_nothing_is_said(
    tmp_path, caplog, capsys
):
    here("sample", "--out", tmp_path, "--customers", 50)
    with caplog.at_level(logging.INFO, "cjlib"):
        log = cjlib.read_events(tmp_path / "events.parquet")
    assert [record.name for record in caplog.records] == ["cjlib.sources.read_events"]
    assert f"{log.quality['rows'].iloc[0]} rows read" in caplog.text
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_shell_completes_commands(shell, monkeypatch):
    for name, value in {
        "_CJ_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "cj ch",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "cj ch",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": "ch",
    }.items():
        monkeypatch.setenv(name, value)
    assert "check" in here().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("new", "a.txt"),
        ("sample", "--out", "a.txt"),
        ("notebooks", "a.txt"),
        ("run", "--out", "a.txt"),
        ("render", "ran.ipynb", "--out", "a.txt"),
    ],
)
def test_a_file_where_a_folder_is_meant_is_refused_in_words(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("mine", encoding="utf-8")
    said = here(*arguments)
    assert (said.code, "'a.txt' is a file. Give a folder" in said.err) == (2, True), said.err
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("out", "words"), [(".", "is a folder. Give a file in it"), ("no/x.json", "there is no folder")]
)
def test_where_a_file_cannot_be_written_is_said_before_it_is_tried(
    out, words, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    said = here("schema", "--out", out)
    assert (said.code, words in said.err) == (2, True), said.err


def test_the_list_of_commands_breaks_no_sentence_off():
    commands = here("--help").out.split("Commands:")[1]
    assert "..." not in commands

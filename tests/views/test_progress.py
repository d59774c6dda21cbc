"""A bar for those who are there to see it."""

from __future__ import annotations

import io

import pytest

import cjlib as cj


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CJLIB_MODE", raising=False)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def said(file: io.StringIO, *news: tuple[int, int]) -> str:
    tell = cj.progress_bar("texts", file=file)
    for done, of in news:
        tell(done, of)
    return file.getvalue()


def test_a_terminal_sees_how_far_the_work_is():
    text = said(Terminal(), (20_000, 50_000), (40_000, 50_000), (50_000, 50_000))
    assert "20000/50000" in text
    assert "40000/50000" in text


def test_when_all_is_done_the_line_is_cleared_and_the_cursor_is_back():
    text = said(Terminal(), (1, 2), (2, 2))
    assert "\x1b[2K" in text
    assert text.rindex("\x1b[?25h") > text.rindex("2/2")


def test_work_done_at_once_shows_no_bar():
    assert said(Terminal(), (5_194, 5_194)) == ""


def test_a_file_or_a_log_gets_nothing():
    assert said(io.StringIO(), (1, 2), (2, 2)) == ""


def test_a_report_gets_nothing(monkeypatch):
    monkeypatch.setenv("CJLIB_MODE", "report")
    assert said(Terminal(), (1, 2), (2, 2)) == ""


def test_words_are_no_markup():
    file = Terminal()
    tell = cj.progress_bar("[bold]texts", file=file)
    tell(1, 2)
    tell(2, 2)
    assert "[bold]texts" in file.getvalue()


def test_a_bar_may_be_used_again():
    file = Terminal()
    tell = cj.progress_bar(file=file)
    for _ in range(2):
        tell(1, 2)
        tell(2, 2)
    assert file.getvalue().count("\x1b[?25h") == 2

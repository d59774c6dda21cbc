"""Reports as PDF, by a browser that is found."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest
from commandline import NOTEBOOKS, here

from cjlib import platform
from cjlib.delivery.paper import print_reports
from cjlib.errors import CjlibError


def pages_of(pdf: Path) -> int:
    """How many pages it has, its packed parts unpacked."""
    raw = pdf.read_bytes()
    parts = re.findall(rb"stream\r?\n(.*?)endstream", raw, re.DOTALL)
    opened = b"".join(zlib.decompressobj().decompress(one) for one in parts if one[:1] == b"x")
    return len(re.findall(rb"/Type\s*/Page\b", raw + opened))


def test_without_a_browser_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("CJ_CHROME", "absent")
    said = here("run", NOTEBOOKS / "ok.ipynb", "--pdf", "--out", tmp_path / "out")
    assert (said.code, (tmp_path / "out").exists()) == (2, False)
    assert "--pdf: CJ_CHROME names 'absent', which is no file. Install one" in said.err


def test_a_browser_that_prints_nothing_is_named(tmp_path):
    (tmp_path / "a.html").write_text("<p>a</p>")
    broken = tmp_path / "chrome"
    broken.write_text("no program")
    with pytest.raises(CjlibError, match=r"--pdf: .* did not print a.html\."):
        print_reports(tmp_path, ["a"], broken)


@pytest.mark.browser
def test_each_report_is_printed_beside_its_page_and_goes_with_the_next_one(tmp_path):
    if platform.chrome() is None:
        pytest.skip("no Chrome on this machine")
    said = here("run", NOTEBOOKS / "ok.ipynb", "--pdf", "--out", tmp_path)
    assert said.code == 0, said.err
    assert {path.name for path in tmp_path.glob("*.pdf")} == {"index.pdf", "ok.pdf"}
    assert pages_of(tmp_path / "ok.pdf") >= 1
    here("run", NOTEBOOKS / "ok.ipynb", "--out", tmp_path)
    assert not (tmp_path / "ok.pdf").exists()

"""What an editor sees of the package is what is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import stub

import cjlib as cj


def test_the_stub_is_written_from_the_table_of_names():
    assert stub.STUB.read_text(encoding="utf-8") == stub.text(), "run: python scripts/stub.py"


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """What pyright says of a few calls, by line."""
    file = tmp_path_factory.mktemp("typed") / "calls.py"
    file.write_text(
        "import cjlib as cj\n"
        'log = cj.read_events("events.csv")\n'
        'cj.funnel(log, ["visit", "subscribe"], window="14D")\n'
        "cj.funnell\n"
        'cj.funnel(log, ["a"], window="1D", wndow=3)\n'
        'cj.funnel(log, ["a"], window="1D").headlin\n'
        "cj.funnel(1, 2, wndow=3)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [str(Path(sys.executable).with_name("pyright")), "--outputjson", str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    return {
        diagnostic["range"]["start"]["line"] + 1: diagnostic["message"]
        for diagnostic in json.loads(done.stdout)["generalDiagnostics"]
        if diagnostic["severity"] == "error"
    }


def test_a_mistyped_name_or_option_is_an_error_in_an_editor(complaints):
    assert sorted(complaints) == [4, 5, 6, 7]
    assert '"funnell" is not a known attribute of module "cjlib"' in complaints[4]
    assert '"wndow"' in complaints[5]
    assert '"headlin"' in complaints[6]


def test_the_reference_of_the_docs_has_every_public_name():
    pytest.importorskip("mkdocs")
    import docs_reference

    written = re.findall(r"^::: ([\w.]+)$", docs_reference.reference(), re.MULTILINE)
    assert sorted(name.rpartition(".")[2] for name in written) == dir(cj)

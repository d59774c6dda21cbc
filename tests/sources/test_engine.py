"""Where SQL runs: quoting, memory, spilling."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cjlib.errors import CjlibError
from cjlib.sources.log.engine import DuckDB, identifier, literal, memory_limit, threads

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.fixture(scope="module")
def engine() -> DuckDB:
    return DuckDB()


@settings(max_examples=100)
@given(text=ANY_TEXT)
def test_a_literal_is_the_text_itself(engine, text):
    assert engine.rows(f"SELECT {literal(text)}") == [(text,)]


@settings(max_examples=100)
@given(text=ANY_TEXT.filter(bool))
def test_an_identifier_is_the_name_itself(engine, text):
    assert engine.execute(f"SELECT 1 AS {identifier(text)}").description[0][0] == text


@pytest.mark.parametrize(
    "value", [None, True, False, 0, -3, 2**62, 1.5, 1e300, float("inf"), float("-inf")]
)
def test_a_literal_is_the_value_itself(engine, value):
    (found,) = engine.rows(f"SELECT {literal(value)}")[0]
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


def test_memory_is_capped_well_below_the_machine(monkeypatch):
    monkeypatch.delenv("CJ_MEMORY_LIMIT", raising=False)
    default = int(memory_limit().removesuffix("MiB"))
    monkeypatch.setenv("CJ_MEMORY_LIMIT", "30%")
    assert int(memory_limit().removesuffix("MiB")) == pytest.approx(default / 2, abs=1)


def test_the_memory_limit_of_the_environment_is_the_engines(monkeypatch):
    monkeypatch.setenv("CJ_MEMORY_LIMIT", "512MiB")
    assert DuckDB().rows("SELECT current_setting('memory_limit')") == [("512.0 MiB",)]


def test_a_memory_limit_that_is_no_size_is_refused(monkeypatch):
    monkeypatch.setenv("CJ_MEMORY_LIMIT", "plenty")
    with pytest.raises(
        CjlibError,
        match=r"CJ_MEMORY_LIMIT: must be a size such as '8GB' or a share of the machine such as '40%'. Got 'plenty'",
    ):
        memory_limit()


def test_databases_in_memory_know_nothing_of_each_other_and_go_with_their_engine():
    one, other = DuckDB(), DuckDB()
    one.execute("CREATE TABLE t AS SELECT 1 AS a")
    other.execute("CREATE TABLE t AS SELECT 2 AS a")
    assert (one.rows("FROM t"), other.rows("FROM t")) == ([(1,)], [(2,)])
    count = "SELECT count(*) FROM duckdb_databases() WHERE NOT internal"
    before = other.rows(count)[0][0]
    del one
    assert other.rows(count)[0][0] == before - 1


SPILLING = """
from cjlib.sources.log.engine import DuckDB
engine = DuckDB()
engine.execute("CREATE TABLE many AS SELECT i, md5(CAST(i AS VARCHAR)) AS text FROM range(1500000) AS r(i)")
print("ready", flush=True)
input()
"""


def spilling(folder: Path) -> subprocess.Popen[str]:
    """A process that has spilled into the folder and waits for a line."""
    environment = os.environ | {"TMPDIR": str(folder), "CJ_MEMORY_LIMIT": "40MB"}
    process = subprocess.Popen(
        [sys.executable, "-c", SPILLING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_threads_are_those_of_the_environment_else_one_a_processor(monkeypatch):
    monkeypatch.delenv("CJ_THREADS", raising=False)
    assert threads() == os.cpu_count()
    monkeypatch.setenv("CJ_THREADS", "3")
    assert threads() == 3


@pytest.mark.parametrize("number", ["0", "two", "-1", "1.5", ""])
def test_threads_that_are_no_number_from_1_are_refused(monkeypatch, number):
    monkeypatch.setenv("CJ_THREADS", number)
    answer = f"CJ_THREADS: must be a whole number from 1. Got '{number}'."
    with pytest.raises(CjlibError, match=re.escape(answer)):
        threads()


def test_what_does_not_fit_is_spilled_to_a_temporary_folder_and_goes_with_its_engine(tmp_path):
    # In a process of its own: all logs in the memory of one share its limit and its folder.
    code = SPILLING.replace("input()", "list_spilled(); del engine; list_spilled()")
    listing = (
        "from pathlib import Path\n"
        f"def list_spilled(): print(any(Path({str(tmp_path)!r}).glob('*/*.tmp')))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", listing + code],
        env=os.environ | {"TMPDIR": str(tmp_path), "CJ_MEMORY_LIMIT": "40MB"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["ready", "True", "False"]


def spilled(folder: Path) -> dict[str, set[str]]:
    """Of each process its lock and its folders, by its number."""
    found: dict[str, set[str]] = {}
    for path in folder.iterdir():
        found.setdefault(path.name.split("-")[3], set()).add(
            "folder" if path.is_dir() else path.suffix
        )
    return found


def test_what_a_killed_process_spilled_goes_with_the_next_process_and_what_a_living_one_spilled_stays(
    tmp_path,
):
    with spilling(tmp_path) as killed, spilling(tmp_path) as living:
        killed.kill()
        killed.wait()
        assert spilled(tmp_path) == {
            str(process.pid): {"folder", ".lock"} for process in (killed, living)
        }
        other = [sys.executable, "-c", "from cjlib.sources.log.engine import DuckDB; DuckDB()"]
        subprocess.run(other, env=os.environ | {"TMPDIR": str(tmp_path)}, check=True)
        assert spilled(tmp_path) == {str(living.pid): {"folder", ".lock"}}
        living.communicate("\n")
        assert living.returncode == 0
    assert "folder" not in spilled(tmp_path).get(str(living.pid), set())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_spill_folders_of_its_own(tmp_path):
    code = (
        "import os; from cjlib.sources.log.engine import spill_folder; ours = spill_folder(); child = os.fork(); child and os.waitpid(child, 0); "
        "print(spill_folder().rpartition('-')[0] == ours.rpartition('-')[0], flush=True)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(said.stdout.split()) == ["False", "True"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows", [0, 1, 5, 300_000])
def test_numbers_come_in_the_order_and_the_types_of_columns_and_can_be_written_to(engine, rows):
    engine.execute(
        f"CREATE OR REPLACE TABLE counted AS SELECT CAST({rows} - range AS INTEGER) AS c, CAST(range % 7 AS UTINYINT) AS e, range / 3 AS x FROM range({rows})"
    )
    sql = "SELECT c, e, x, rowid AS r FROM counted WHERE e <> 3"
    slow = engine.columns(sql)
    for quick in (engine.numbers(sql), engine.numbers(sql, at_most=rows)):
        assert list(quick) == list(slow)
        for name, column in slow.items():
            assert quick[name].dtype == column.dtype
            assert quick[name].tolist() == column.tolist()
            assert quick[name].flags.writeable

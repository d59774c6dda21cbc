"""What the cache keeps: seen, cleared, and held to a size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.ingest import cache

DAY = pd.DataFrame(
    {
        "customer_id": [f"c{number % 7}" for number in range(100)],
        "event": ["view", "cart"] * 50,
        "timestamp": pd.date_range("2024-01-01", periods=100, freq="h", tz="UTC"),
    }
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose every file counts as large, with its cache in `cache/`."""
    monkeypatch.setattr(cache, "LARGE", 1)
    monkeypatch.setenv("CJ_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CJ_CACHE_LIMIT", raising=False)
    for name in "abc":
        DAY.assign(event=DAY["event"] + name).to_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


def used(folder: Path, name: str, seconds: int) -> Path:
    """Read a file, and set when its log was last used."""
    before = set((folder / "cache").glob("*.duckdb"))
    cj.read_events(folder / f"{name}.parquet").engine.connection.close()
    (made,) = set((folder / "cache").glob("*.duckdb")) - before
    os.utime(made, (seconds, seconds))
    return made


def names(folder: Path) -> list[str]:
    return [log.file for log in cache.contents(folder / "cache")]


def test_what_was_used_longest_ago_goes_first(folder, monkeypatch):
    first, second = used(folder, "a", 1_000), used(folder, "b", 2_000)
    monkeypatch.setenv("CJ_CACHE_LIMIT", f"{(first.stat().st_size * 5) // 2} B")
    third = used(folder, "c", 3_000)
    assert names(folder) == [third.name, second.name]
    assert not first.with_suffix(".lock").exists()


def test_a_log_that_is_used_again_is_the_latest(folder, monkeypatch):
    first, second = used(folder, "a", 1_000), used(folder, "b", 2_000)
    cj.read_events(folder / "a.parquet").engine.connection.close()
    monkeypatch.setenv("CJ_CACHE_LIMIT", f"{(first.stat().st_size * 5) // 2} B")
    third = used(folder, "c", 3_000)
    assert set(names(folder)) == {first.name, third.name}
    assert not second.exists()


def test_the_log_just_made_stays_however_small_the_limit(folder, monkeypatch):
    used(folder, "a", 1_000)
    monkeypatch.setenv("CJ_CACHE_LIMIT", "1B")
    newest = used(folder, "b", 2_000)
    assert names(folder) == [newest.name]


@pytest.mark.parametrize(
    ("given", "bytes_"), [("20GB", 20 * 10**9), (" 1.5 MiB ", 3 * 2**19), ("7b", 7), ("", None)]
)
def test_a_limit_is_a_size(monkeypatch, given, bytes_):
    monkeypatch.setenv("CJ_CACHE_LIMIT", given)
    assert cache.size_limit() == bytes_


@pytest.mark.parametrize("given", ["many", "20", "-1GB", "20%"])
def test_what_is_no_size_is_refused(monkeypatch, given):
    monkeypatch.setenv("CJ_CACHE_LIMIT", given)
    with pytest.raises(
        cj.CjlibError, match=rf"CJ_CACHE_LIMIT: must be a size such as '20GB'\. Got '{given}'"
    ):
        cache.size_limit()


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cjlib", "cache", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_shows_and_clears_and_touches_nothing_else(folder, monkeypatch):
    made = used(folder, "a", 1_000)
    (folder / "cache" / "mine.duckdb").write_text("mine")
    shown = command(folder)
    assert shown.returncode == 0, shown.stderr
    assert made.name in shown.stdout.replace("\n", "")
    assert shown.stdout.rstrip().endswith("MB")
    assert "1 prepared log, " in shown.stdout
    assert (
        command(folder, "--clear")
        .stdout.rstrip()
        .split("\n")[-1]
        .startswith("deleted: 1 prepared log, ")
    )
    assert sorted(path.name for path in (folder / "cache").iterdir()) == [
        ".gitignore",
        "mine.duckdb",
    ]
    assert command(folder).stdout == "\n" + f"{folder / 'cache'}\n  none\n0 prepared logs, 0.0 MB\n"


def test_the_command_finds_caches_beside_their_sources(folder, monkeypatch):
    monkeypatch.delenv("CJ_CACHE_DIR")
    cj.read_events(folder / "a.parquet").engine.connection.close()
    assert "1 prepared log, " in command(folder).stdout
    assert "1 prepared log, " in command(folder / ".cjcache").stdout


def test_a_folder_that_is_not_there_is_named():
    told = command("nowhere")
    assert (told.returncode, told.stderr) == (
        2,
        "cj: DIR: there is no folder 'nowhere'. Give the folder of the events, or none for this one.\n",
    )

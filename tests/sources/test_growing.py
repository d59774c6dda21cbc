"""A folder of Parquet files that grows: it is prepared again, and nothing of what was kept stays in the way."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.connect.files import find_files
from cjlib.sources.ingest import cache

OPTIONS = {"timezone": "Europe/Berlin", "quarantine_limit": 1}
FIELDS = ["customer_id", "event", "timestamp", "channel", "value"]


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache, "LARGE", 1)
    monkeypatch.setattr(cache, "SETTLED", 0)
    monkeypatch.delenv("CJ_CACHE_DIR", raising=False)


def write(
    path: Path, rows: list[tuple], *, without_channel: bool = False, stamps: str = "datetime64[us]"
) -> None:
    kinds = {
        "timestamp": stamps,
        "value": "float64",
        "customer_id": "str",
        "event": "str",
        "channel": "str",
    }
    values = (
        dict(zip(FIELDS, zip(*rows, strict=True), strict=True))
        if rows
        else dict.fromkeys(FIELDS, ())
    )
    day = pd.DataFrame(
        {name: pd.array(list(values[name]), dtype=kind) for name, kind in kinds.items()}
    )
    day.drop(columns=["channel"] if without_channel else []).to_parquet(path)


def test_a_folder_that_has_grown_is_read_whole_and_only_its_newest_state_is_kept(tmp_path):
    day = ("ana", "view", pd.Timestamp("2024-03-01"), "web", 1.0)
    write(tmp_path / "1.parquet", [day])
    assert cj.read_events(tmp_path, **OPTIONS).n_events == 1
    write(tmp_path / "2.parquet", [day, ("bob", "buy", pd.Timestamp("2024-03-02"), "app", 2.0)])
    log = cj.read_events(tmp_path, **OPTIONS)
    assert (log.n_events, list(log.quarantine["reason"])) == (2, ["exact duplicate"])
    assert len(list((tmp_path / ".cjcache").glob("*.duckdb"))) == 1


def test_a_digest_is_remembered_only_as_long_as_the_file_stays_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    write(path, [("ana", "view", pd.Timestamp("2024-03-01"), "web", 1.0)])
    files, memory = find_files(tmp_path), tmp_path / "memory.json"
    (before,) = cache.digests(files, memory)
    written = memory.read_text()
    path.write_bytes(path.read_bytes()[:-1] + b"2")
    assert cache.digests(files, memory) != [before]
    memory.write_text(written.replace(before, "0" * 64))
    assert cache.digests(files, memory) != ["0" * 64], "another time, another inode or another size"
    memory.write_text("{ broken")
    monkeypatch.setattr(cache, "SETTLED", 10**18)
    cache.digests(files, memory)
    assert "2" not in memory.read_text(), (
        "a file written just now could be written again within the same tick of its clock"
    )


def test_what_a_killed_process_left_half_written_goes(tmp_path):
    write(tmp_path / "1.parquet", [("ana", "view", pd.Timestamp("2024-03-01"), "web", 1.0)])
    cj.read_events(tmp_path, **OPTIONS)
    (made,) = (tmp_path / ".cjcache").glob("*.duckdb")
    left = [
        made.with_name(f"{made.stem}.999999.part"),
        made.with_name(f"{made.stem[:-4]}0000.999999.part.wal"),
    ]
    for path in left:
        path.write_text("half")
    made.unlink()
    assert cj.read_events(tmp_path, **OPTIONS).n_events == 1
    assert [path.name for path in left if path.exists()] == []
    assert duckdb.connect(made, read_only=True).execute(
        "SELECT count(*) FROM prepared"
    ).fetchall() == [(1,)]

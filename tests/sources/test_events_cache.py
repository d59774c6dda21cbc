"""The prepared log kept beside a large source: prepared once, for every reader, never half-written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.ingest import cache

EVENTS = pd.DataFrame(
    {
        "customer_id": [f"c{number % 7}" for number in range(200)],
        "event": ["view", "cart", "buy", ""] * 50,
        "timestamp": pd.date_range("2024-01-01", periods=200, freq="h", tz="UTC"),
        "channel": ["web", None, "app", "web", "web"] * 40,
        "value": range(200),
    }
)
LIMIT = {"quarantine_limit": 0.5}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large."""
    monkeypatch.setattr(cache, "LARGE", 1)
    monkeypatch.delenv("CJ_CACHE_DIR", raising=False)
    EVENTS.to_parquet(tmp_path / "events.parquet")
    return tmp_path / "events.parquet"


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.duckdb"))


def test_a_small_source_leaves_nothing_behind(tmp_path):
    EVENTS.to_parquet(tmp_path / "events.parquet")
    cj.read_events(tmp_path / "events.parquet", **LIMIT)
    assert [path.name for path in tmp_path.iterdir()] == ["events.parquet"]


def test_a_log_from_the_cache_is_the_log_prepared_in_memory(source):
    in_memory = cj.read_events(EVENTS, **LIMIT)
    for _ in range(2):
        log = cj.read_events(source, **LIMIT)
        assert log.engine.rows("FROM prepared") == in_memory.engine.rows("FROM prepared")
        pd.testing.assert_frame_equal(log.quality, in_memory.quality)
        pd.testing.assert_frame_equal(log.quarantine, in_memory.quarantine)
        assert (log.properties, log.observed_until, log.event_names) == (
            in_memory.properties,
            in_memory.observed_until,
            in_memory.event_names,
        )
        assert log.run("SELECT count(*) AS n FROM events WHERE channel = 'web'")["n"].tolist() == [
            len(log.fetch("row", where=log.match(cj.Step(where={"channel": "web"})))["row"])
        ]
    assert len(kept(source.parent / ".cjcache")) == 1
    assert (source.parent / ".cjcache" / ".gitignore").read_text() == "*\n"


def test_in_a_run_a_small_source_is_prepared_once_in_the_folder_of_the_run(tmp_path, monkeypatch):
    of_run = tmp_path / "shared"
    of_run.mkdir()
    monkeypatch.setenv("CJ_OF_RUN", str(of_run))
    source = tmp_path / "events.parquet"
    EVENTS.to_parquet(source)
    in_memory = cj.read_events(EVENTS, **LIMIT)
    for _ in range(2):
        log = cj.read_events(source, **LIMIT)
        assert log.engine.rows("FROM prepared") == in_memory.engine.rows("FROM prepared")
        pd.testing.assert_frame_equal(log.quality, in_memory.quality)
    assert len(kept(of_run)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.parquet", "shared"]


def test_in_a_run_a_large_source_is_kept_beside_it_all_the_same(source, monkeypatch):
    of_run = source.parent / "shared"
    of_run.mkdir()
    monkeypatch.setenv("CJ_OF_RUN", str(of_run))
    cj.read_events(source, **LIMIT)
    assert (len(kept(source.parent / ".cjcache")), len(kept(of_run))) == (1, 0)


def test_a_file_shared_in_a_run_is_written_once_and_after_a_failure_anew(tmp_path, monkeypatch):
    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("the disk is full")

    monkeypatch.delenv("CJ_OF_RUN", raising=False)
    assert cache.shared_in_run("a.txt", fail) is None
    monkeypatch.setenv("CJ_OF_RUN", str(tmp_path))
    with pytest.raises(OSError, match="the disk is full"):
        cache.shared_in_run("a.txt", fail)
    assert not (tmp_path / "a.txt").exists()
    for text in ("first", "second"):
        path = cache.shared_in_run("a.txt", lambda place, text=text: place.write_text(text))
        assert path.read_text() == "first"


def test_a_log_from_the_cache_can_be_filtered_and_joined_with_customers(source):
    customers = pd.DataFrame({"customer_id": ["c1"], "plan": ["pro"]})
    log = cj.read_events(source, customers=customers, **LIMIT)
    assert log.where(plan="pro").n_customers == 1
    assert log.where(event="buy", start="2024-01-02").n_events == 44
    assert cj.read_events(source, **LIMIT).columns == ("channel", "value")


def test_a_log_with_repeats_takes_no_more_room_than_one_without_and_its_rows_are_numbered_without_gaps(
    source,
):
    rows, made = pd.concat([EVENTS.assign(event="view", value=number) for number in range(500)]), []
    for repeats in (0, 3):
        pd.concat([rows, rows.head(repeats)]).to_parquet(source)
        log = cj.read_events(source)
        assert len(log.quarantine) == repeats
        assert log.engine.rows("SELECT min(rowid), max(rowid), count(*) FROM prepared") == [
            (0, len(rows) - 1, len(rows))
        ]
        log.engine.connection.close()
        made.append(kept(source.parent / ".cjcache")[0].stat().st_size)
    assert made[1] <= made[0] * 1.1


def test_the_cache_is_keyed_by_content_and_options(source):
    assert cj.read_events(source, **LIMIT).n_events == 150
    cj.read_events(source, timezone="Europe/Berlin", **LIMIT)
    assert len(kept(source.parent / ".cjcache")) == 2
    EVENTS.head(100).to_parquet(source)
    assert cj.read_events(source, **LIMIT).n_events == 75
    assert len(kept(source.parent / ".cjcache")) == 2, "what the source held before is let go"


def test_the_cache_may_lie_elsewhere_and_be_deleted_at_any_time(source, tmp_path, monkeypatch):
    monkeypatch.setenv("CJ_CACHE_DIR", str(tmp_path / "elsewhere" / "deep"))
    log = cj.read_events(source, **LIMIT)
    (found,) = kept(tmp_path / "elsewhere" / "deep")
    found.unlink()
    assert log.n_events == 150
    assert cj.read_events(source, **LIMIT).n_events == 150
    assert not (source.parent / ".cjcache").exists()


def test_a_damaged_cache_is_made_again(source):
    cj.read_events(source, **LIMIT)
    (found,) = kept(source.parent / ".cjcache")
    found.write_bytes(found.read_bytes()[:5000])
    assert cj.read_events(source, **LIMIT).n_events == 150


def test_a_reading_that_stops_leaves_no_cache(source):
    with pytest.raises(cj.DataError, match=r"50 of 200 rows \(25.0%\)"):
        cj.read_events(source)
    assert [
        path
        for path in (source.parent / ".cjcache").iterdir()
        if path.suffix in (".duckdb", ".part", ".wal")
    ] == []


def test_where_nothing_can_be_written_the_log_is_prepared_in_memory_and_the_quality_says_so(
    source, monkeypatch
):
    monkeypatch.setenv("CJ_CACHE_DIR", str(source))
    log = cj.read_events(source, **LIMIT)
    assert log.n_events == 150
    assert (
        log.quality.set_index("check").loc["cache", "example"]
        == f"{source} cannot be written, or is held open: prepared in memory"
    )


def test_rows_that_have_not_happened_yet_are_asked_for_again_when_they_have(source):
    soon = pd.Timestamp.now("UTC") + pd.Timedelta("2s")
    EVENTS.head(20).assign(
        event="view", timestamp=[*EVENTS["timestamp"].head(19), soon]
    ).to_parquet(source)
    before = cj.read_events(source, **LIMIT)
    assert before.quarantine["reason"].tolist() == ["in the future"]
    while pd.Timestamp.now("UTC") <= soon:
        pass
    assert cj.read_events(source, **LIMIT).n_events == 20
    assert before.n_events == 19


READER = """
import sys
import cjlib as cj
from cjlib.sources.ingest import cache
from cjlib.sources.ingest import prepare as preparing
cache.LARGE = 1
made = []
prepare = preparing.prepare
preparing.prepare = lambda *given: made.append(1) or prepare(*given)
log = cj.read_events(sys.argv[1], quarantine_limit=0.5)
print(log.n_events, log.where(event="buy").n_events, len(made))
"""


def test_several_processes_at_once_prepare_once_and_all_read(source):
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(source)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    answers = [reader.communicate()[0].split() for reader in readers]
    assert [answer[:2] for answer in answers] == [["150", "50"]] * 4
    assert sorted(answer[2] for answer in answers) == ["0", "0", "0", "1"]

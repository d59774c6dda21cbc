"""A folder of Parquet files that grows: what is new is read, and the log is the one that reading everything gives."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib.sources.cache import folder as cache
from cjlib.sources.cache import hashes, lookup
from cjlib.sources.connect.files import find_files
from cjlib.sources.log.engine import DuckDB

OPTIONS = {"timezone": "Europe/Berlin", "quarantine_limit": 1}
FIELDS = ["customer_id", "event", "timestamp", "channel", "value"]
# The clocks of Berlin go forward at 02:00; a tie and a repeat are never far, and some rows break the contract.
ROW = st.tuples(
    st.sampled_from(["ana", "bob", "cy", "007", None]),
    st.sampled_from(["view", "cart", "buy", " "]),
    st.sampled_from(
        [
            None,
            *pd.date_range("2024-03-31", periods=6, freq="30min"),
            pd.Timestamp("0001-01-01"),
            pd.Timestamp("2300-01-01"),
        ]
    ),
    st.sampled_from(["web", "app", "e\nmail", None]),
    st.sampled_from([0.5, -0.0, 2.0, None]),
)
DAYS = st.lists(st.tuples(st.lists(ROW, max_size=6), st.booleans()), min_size=1, max_size=3)


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache, "LARGE", 1)
    monkeypatch.setattr(hashes, "SETTLED", 0)
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


def content_of(log: cj.EventLog) -> tuple:
    """Everything an analysis or a reader can see of a log."""
    columns = {
        name: (column.dtype, column.tobytes())
        for name, column in log.engine.columns("SELECT * FROM prepared").items()
    }
    names = [
        "c_names",
        "e_names",
        *(one.dictionary for one in log.properties.values() if one.coded),
    ]
    dictionaries = {
        name: log.engine.rows(f"SELECT code, value FROM {name} ORDER BY code") for name in names
    }
    seen = (
        log.quality.to_csv(),
        log.quarantine.to_csv(),
        list(log.quarantine.dtypes),
        log.observed_until_us,
    )
    return columns, dictionaries, log.properties, seen


def read_whole(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> tuple:
    with monkeypatch.context() as patch:
        patch.setattr(cache, "LARGE", 2**60)
        return content_of(cj.read_events(folder, **options))


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each log that was made from an earlier one whether it could be."""
    made: list[bool] = []
    grow = lookup._grown
    monkeypatch.setattr(
        lookup, "_grown", lambda *given: made.append((facts := grow(*given)) is not None) or facts
    )
    return made


@settings(max_examples=8, deadline=None)
@given(
    days=DAYS,
    duplicates=st.sampled_from(["quarantine", "keep"]),
    change=st.sampled_from(["none", "remove", "change last", "change first"]),
)
def test_a_folder_read_day_by_day_is_the_folder_read_at_once(days, duplicates, change):
    options = OPTIONS | {"duplicates": duplicates}
    with TemporaryDirectory() as place, pytest.MonkeyPatch.context() as monkeypatch:
        folder = Path(place)
        write(folder / "00.parquet", [("zoe", "view", pd.Timestamp("2024-03-30"), "web", 1.0)])
        for number, (rows, without_channel) in enumerate(days, start=1):
            write(folder / f"{number:02}.parquet", rows, without_channel=without_channel)
            cj.read_events(folder, **options)
        if change == "remove":
            (folder / "01.parquet").unlink()
        elif change != "none":
            write(
                folder / f"{len(days) if change == 'change last' else 0:02}.parquet",
                [("eve", "buy", pd.Timestamp("2024-04-01"), "tv", None)] * 2,
            )
        assert content_of(cj.read_events(folder, **options)) == read_whole(
            folder, monkeypatch, **options
        )


def test_a_file_of_its_own_folder_is_a_day_too(tmp_path, monkeypatch, grown):
    for day in ("2024-03-01", "2024-03-02", "2024-03-03"):
        (tmp_path / f"day={day}").mkdir()
        write(
            tmp_path / f"day={day}" / "part.parquet",
            [
                ("ana", "view", pd.Timestamp(day), "web", 1.0),
                ("ana", " ", pd.Timestamp(day), "web", 1.0),
            ],
        )
        log = cj.read_events(tmp_path, **OPTIONS)
    assert grown == [True, True]
    assert log.codes("day")[1] == ["2024-03-01", "2024-03-02", "2024-03-03"]
    assert log.quarantine["file"].tolist() == [
        f"day=2024-03-0{number}/part.parquet" for number in (1, 2, 3)
    ]
    assert content_of(log) == read_whole(tmp_path, monkeypatch, **OPTIONS)


def test_a_row_that_yesterday_had_already_is_held_back_in_todays_file(tmp_path, grown):
    row, other = (
        ("ana", "view", pd.Timestamp("2024-03-01"), "web", 1.0),
        ("ana", "view", pd.Timestamp("2024-03-01"), "web", 2.0),
    )
    write(tmp_path / "1.parquet", [row])
    cj.read_events(tmp_path, **OPTIONS)
    write(tmp_path / "2.parquet", [other, row, other])
    log = cj.read_events(tmp_path, **OPTIONS)
    assert grown == [True]
    assert log.n_events == 2
    assert log.quarantine[["row", "reason", "file"]].values.tolist() == [
        [2, "exact duplicate", "2.parquet"],
        [3, "exact duplicate", "2.parquet"],
    ]


OPENED: list[str] | None = None
sys.addaudithook(
    lambda event, given: (
        OPENED.append(str(given[0])) if OPENED is not None and event == "open" else None
    )
)


def test_the_files_of_yesterday_are_not_opened_again(tmp_path, monkeypatch, grown):
    for day in (1, 2):
        write(
            tmp_path / f"{day}.parquet",
            [("ana", "view", pd.Timestamp("2024-03-01") + pd.Timedelta(days=day), "web", 1.0)],
        )
    cj.read_events(tmp_path, **OPTIONS)
    write(tmp_path / "3.parquet", [("bob", "buy", pd.Timestamp("2024-03-05"), "app", 2.0)])
    asked: list[str] = []
    execute = DuckDB.execute
    monkeypatch.setattr(
        DuckDB, "execute", lambda self, sql, *more: asked.append(sql) or execute(self, sql, *more)
    )
    monkeypatch.setattr(sys.modules[__name__], "OPENED", [])
    assert cj.read_events(tmp_path, **OPTIONS).n_events == 3
    assert grown == [True]
    everything = " ".join([*asked, *(OPENED or [])])
    assert str(tmp_path / "3.parquet") in everything
    assert str(tmp_path / "1.parquet") not in everything
    assert str(tmp_path / "2.parquet") not in everything


def test_a_file_that_changes_every_hour_is_the_only_one_read(tmp_path, monkeypatch, grown):
    write(tmp_path / "1.parquet", [("ana", "view", pd.Timestamp("2024-03-01"), "web", 1.0)])
    cj.read_events(tmp_path, **OPTIONS)
    for hours in (1, 2, 3):
        write(
            tmp_path / "2.parquet",
            [
                ("bob", "view", pd.Timestamp("2024-03-02") + pd.Timedelta(hours=hour), "web", 1.0)
                for hour in range(hours)
            ],
        )
        log = cj.read_events(tmp_path, **OPTIONS)
        assert log.n_events == 1 + hours
    assert grown == [True] * 3
    assert len(list((tmp_path / ".cjcache").glob("*.duckdb"))) == 2, (
        "the log of yesterday stays beside that of now, no other"
    )


@pytest.mark.parametrize(
    "what", ["a new column", "another type", "a column that all files make text", "an earlier name"]
)
def test_a_file_of_another_make_lets_all_files_be_read(tmp_path, monkeypatch, grown, what):
    row = ("ana", "view", pd.Timestamp("2024-03-01"), "web", 1.0)
    write(tmp_path / "b.parquet", [row])
    first = pd.read_parquet(tmp_path / "b.parquet")
    if what == "a column that all files make text":
        first.assign(customer_id=7.0).to_parquet(tmp_path / "b.parquet")
    cj.read_events(tmp_path, **OPTIONS)
    more = {
        "a new column": {"plan": "pro"},
        "another type": {"value": 3},
        "a column that all files make text": {"customer_id": 7.5},
    }.get(what, {})
    first.assign(event="buy", **more).to_parquet(
        tmp_path / ("a.parquet" if what == "an earlier name" else "c.parquet")
    )
    log = cj.read_events(tmp_path, **OPTIONS)
    assert grown == ([] if what == "an earlier name" else [False])
    assert log.n_events == 2
    assert content_of(log) == read_whole(tmp_path, monkeypatch, **OPTIONS)


def test_too_many_bad_rows_stop_the_reading_however_the_days_came(tmp_path):
    good, bad = (
        ("ana", "view", pd.Timestamp("2024-03-01"), "web", 1.0),
        (None, "view", pd.Timestamp("2024-03-01"), "web", 1.0),
    )
    write(tmp_path / "1.parquet", [good] * 2)
    options = OPTIONS | {"quarantine_limit": 0.1, "duplicates": "keep"}
    assert cj.read_events(tmp_path, **options).n_events == 2
    write(tmp_path / "2.parquet", [bad])
    with pytest.raises(cj.DataError, match=r"1 of 3 rows \(33\.3%\) cannot be used"):
        cj.read_events(tmp_path, **options)


def test_a_day_with_rows_that_have_happened_since_is_read_again(tmp_path, grown):
    soon = (pd.Timestamp.now("UTC") + pd.Timedelta("3s")).tz_localize(None)
    write(
        tmp_path / "1.parquet",
        [("ana", "view", pd.Timestamp("2024-03-01"), "web", 1.0), ("ana", "buy", soon, "web", 1.0)],
    )
    options = OPTIONS | {"timezone": "UTC"}
    assert cj.read_events(tmp_path, **options).n_events == 1
    write(tmp_path / "2.parquet", [("bob", "view", pd.Timestamp("2024-03-01"), "web", 1.0)])
    while pd.Timestamp.now("UTC").tz_localize(None) <= soon:
        pass
    assert cj.read_events(tmp_path, **options).n_events == 3
    assert grown == []


def test_a_digest_is_remembered_only_as_long_as_the_file_stays_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    write(path, [("ana", "view", pd.Timestamp("2024-03-01"), "web", 1.0)])
    files, memory = find_files(tmp_path), tmp_path / "memory.json"
    (before,) = hashes.digests(files, memory)
    written = memory.read_text()
    path.write_bytes(path.read_bytes()[:-1] + b"2")
    assert hashes.digests(files, memory) != [before]
    memory.write_text(written.replace(before, "0" * 64))
    assert hashes.digests(files, memory) != ["0" * 64], (
        "another time, another inode or another size"
    )
    memory.write_text("{ broken")
    monkeypatch.setattr(hashes, "SETTLED", 10**18)
    hashes.digests(files, memory)
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

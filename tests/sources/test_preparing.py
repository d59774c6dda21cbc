"""Short cuts of the preparing against the long way: what a file says of itself, rows by their places, ids by their hashes, signs that show."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cjlib as cj
from cjlib.sources.log.engine import DuckDB, blank
from cjlib.sources.log.prepared_table import coded_rows, described, hashes_of_ids, make_dictionaries

OPTIONS = {"timezone": "Europe/Berlin", "quarantine_limit": 1}
ENGINE = DuckDB()


def rows_full_of_repeats(size: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customer_id": rng.choice(["ana", "bob", "007", " "], size),
            "event": rng.choice(["view", "buy"], size),
            "timestamp": pd.Timestamp("2024-03-30")
            + pd.to_timedelta(rng.integers(0, 400, size), unit="min"),
            "channel": pd.array(
                rng.choice(np.array(["web", " ", "", None], dtype=object), size), dtype="str"
            ),
            "value": rng.choice([0.0, -0.0, 2.5, np.nan], size),
        }
    )


def positions_of_repeats(rows: pd.DataFrame) -> list[int]:
    """Rows equal to an earlier one, in plain Python: blank texts and both zeros are one value each, rows without an id are none."""
    seen, found = set(), []
    for position, (who, event, time, channel, value) in enumerate(
        rows.itertuples(index=False), start=1
    ):
        key = (
            who,
            event,
            time,
            channel.strip() or None if isinstance(channel, str) else None,
            None if np.isnan(value) else value + 0.0,
        )
        if who.strip():
            found += [position] if key in seen else []
            seen.add(key)
    return found


@pytest.mark.parametrize("seed", range(2))
def test_repeats_are_found_at_their_places_in_a_file_of_many_parts(tmp_path, seed):
    rows = rows_full_of_repeats(6_000, seed)
    pq.write_table(pa.Table.from_pandas(rows), tmp_path / "log.parquet", row_group_size=700)
    from_file, in_memory = (
        cj.read_events(source, **OPTIONS) for source in (tmp_path / "log.parquet", rows)
    )
    repeats = from_file.quarantine[from_file.quarantine["reason"] == "exact duplicate"]
    assert repeats["row"].tolist() == positions_of_repeats(rows)
    pd.testing.assert_frame_equal(from_file.quarantine, in_memory.quarantine)
    pd.testing.assert_frame_equal(from_file.quality, in_memory.quality)


@pytest.mark.parametrize(
    "statistics", [True, False], ids=["a file that knows its times", "a file that does not"]
)
@pytest.mark.parametrize(
    "odd",
    [[], [None], [pd.Timestamp("0001-01-01")], [None, pd.Timestamp("2300-01-01")]],
    ids=["all", "missing", "early", "late"],
)
@pytest.mark.parametrize("unit", ["us", "ns", "date"])
def test_times_are_counted_alike_whatever_a_file_says_of_itself(
    tmp_path: Path, statistics, odd, unit
):
    days = [pd.Timestamp("1969-07-20"), pd.Timestamp("2024-03-31"), *([] if unit == "ns" else odd)]
    times = pa.array(
        [None if day is None else day.to_pydatetime() for day in days],
        pa.date32() if unit == "date" else pa.timestamp(unit),
    )
    size = len(days)
    table = pa.table(
        {
            "customer_id": [f"c{number}" for number in range(size)],
            "event": ["view"] * size,
            "timestamp": times,
        }
    )
    pq.write_table(table, tmp_path / "log.parquet", row_group_size=1, write_statistics=statistics)
    log = cj.read_events(tmp_path / "log.parquet", **OPTIONS)
    quality = log.quality.set_index("check")
    found = quality.loc["dates without a time" if unit == "date" else "times without a zone"]
    late = int(unit != "ns" and pd.Timestamp("2300-01-01") in odd)
    assert found["rows"] == 2 + late
    assert found["example"].startswith("1969-07-20")
    assert log.n_events == 2
    assert (
        quality.loc[["missing timestamp", "unreadable timestamp", "in the future"], "rows"].sum()
        == size - 2
    )


@given(
    ids=st.lists(st.text(max_size=3).filter(lambda text: "\0" not in text), min_size=1, max_size=30)
)
def test_ids_found_by_their_hashes_get_the_codes_that_their_texts_get(ids):
    engine, properties = ENGINE, described([])
    engine.execute("CREATE OR REPLACE TABLE timed (id VARCHAR, name VARCHAR, t BIGINT)")
    engine.connection.executemany(
        "INSERT INTO timed VALUES (?, ?, ?)",
        [(f"c{one}", "view", number) for number, one in enumerate(ids)],
    )
    make_dictionaries(engine, "timed", properties)
    assert hashes_of_ids(engine)
    by_text, by_hash = (
        sorted(engine.rows(coded_rows(engine, "timed", properties, hashed=hashed)))
        for hashed in (False, True)
    )
    assert by_hash == by_text
    assert len(by_text) == len(ids)


def test_ids_of_one_hash_are_not_told_apart_by_it():
    engine = ENGINE
    engine.execute(
        "CREATE OR REPLACE TABLE c_names AS SELECT * FROM (VALUES (0, 'ana'), (1, 'bob'), (2, 'ana')) AS v(code, value)"
    )
    assert not hashes_of_ids(engine)


EDGES = [
    None,
    "",
    " ",
    "\t\n\f\r ",
    "\x85",
    "\u00a0",
    "\u2003\u3000",
    "\u2028",
    "!",
    "~",
    "\x7f",
    "\x7f ",
    " !",
    " \u00a0x",
    "\u00a0é",
    "é",
    "😀",
    "0",
    "\x1f",
    "\x0b",
]


@given(
    text=st.one_of(
        st.sampled_from(EDGES), st.text(alphabet=" \t\u00a0\u2003!~\x7f\x85aé0", max_size=4)
    )
)
def test_a_text_is_blank_if_nothing_in_it_shows(text):
    white = all(
        sign in "\t\n\f\r \x85" or unicodedata.category(sign)[0] == "Z" for sign in text or ""
    )
    assert ENGINE.rows(f"SELECT {blank('a')} FROM (SELECT CAST(? AS VARCHAR) AS a)", [text]) == [
        (white,)
    ]

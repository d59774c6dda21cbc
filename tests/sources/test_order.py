"""The log's order: by customer, time and event, whatever the condition and however many threads answer it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.log import prepared_table

ROWS = 300_000
NAMES = [f"event_{number:03d}" for number in range(100)]
CONDITIONS = {
    "few names": cj.Step(NAMES[:3]),
    "names enough for a join": cj.Step(NAMES[:60]),
    "names beyond the longest list": cj.Step(NAMES[:90]),
    "an attribute of the customer": cj.Step(None, where={"country": ["DE", "FR"]}),
    "the first of each": cj.Step(NAMES[7], first_time=True),
    "any first": cj.Step(None, first_time=True),
}


@pytest.fixture(scope="module")
def log() -> cj.EventLog:
    rng = np.random.default_rng(0)
    customer = rng.integers(0, 9_000, ROWS)
    times = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(
        rng.integers(0, 10**7, ROWS), unit="s"
    )
    events = pd.DataFrame(
        {
            "customer_id": customer,
            "event": rng.choice(NAMES, ROWS),
            "timestamp": times,
            "value": rng.integers(0, 50, ROWS),
        }
    )
    customers = pd.DataFrame(
        {"customer_id": range(9_000), "country": rng.choice(["DE", "FR", "IT"], 9_000)}
    )
    made = cj.read_events(events, customers=customers, duplicates="keep")
    made.engine.execute("SET threads = 4")
    return made


@pytest.mark.parametrize("step", CONDITIONS.values(), ids=CONDITIONS)
def test_fetched_events_stand_in_the_order_of_the_log(log, step):
    found = log.fetch("customer", "time", "row", where=log.match(step))
    assert found["row"].size > 1_000
    assert (np.diff(found["row"].astype(np.int64)) > 0).all()


@pytest.mark.parametrize("step", CONDITIONS.values(), ids=CONDITIONS)
def test_numbers_and_codes_stand_beside_the_events_they_belong_to(log, step):
    row = log.fetch("row", where=log.match(step))["row"]
    assert (log.numbers("value", where=log.match(step)) == log.numbers("value")[row]).all()
    assert (log.codes("country", where=log.match(step))[0] == log.codes("country")[0][row]).all()


@pytest.mark.parametrize("step", CONDITIONS.values(), ids=CONDITIONS)
def test_what_is_computed_of_events_stands_beside_them(log, step):
    every = log.computed(row="rowid", fits=f"CAST(coalesce({log.match(step)}, FALSE) AS TINYINT)")
    fits = every["fits"].astype(bool)
    assert (np.diff(every["row"]) > 0).all()
    assert (np.flatnonzero(fits) == log.fetch("row", where=log.match(step))["row"]).all()


@pytest.mark.parametrize(
    "condition", [{"event": NAMES[:90]}, {"country": "DE"}], ids=["many names", "an attribute"]
)
def test_a_log_cut_by_a_condition_keeps_its_order(log, condition):
    kept = log.where(condition).fetch("customer", "time")
    same = np.diff(kept["customer"]) == 0
    assert (np.diff(kept["customer"]) >= 0).all()
    assert (np.diff(kept["time"])[same] >= 0).all()


@pytest.mark.parametrize("share", [0, 1], ids=["sorted again", "put in order"])
@pytest.mark.parametrize("cut", [False, True], ids=["in memory", "with repeats"])
def test_a_log_full_of_ties_is_sorted_by_every_column(monkeypatch, share, cut):
    monkeypatch.setattr(prepared_table, "MANY_TIES", share)
    rng = np.random.default_rng(1)
    size = 30_000
    rows = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 50, size),
            "event": rng.choice(["view", "buy"], size),
            "timestamp": pd.Timestamp("2025-01-01", tz="UTC")
            + pd.to_timedelta(rng.integers(0, 40, size), unit="D"),
            "a": rng.choice([0.5, -1.0, np.nan], size),
            "b": pd.array(rng.choice(["x", "y", None], size), dtype="str"),
            "c": pd.array(rng.integers(0, 9, size), dtype="Int64"),
        }
    )
    log = cj.read_events(rows, duplicates="quarantine" if cut else "keep", quarantine_limit=1)
    keys = "c, t, e, p1, p2, p3"
    assert log.engine.rows(f"SELECT {keys} FROM prepared") == log.engine.rows(
        f"SELECT {keys} FROM prepared ORDER BY {keys}"
    )
    values = "customer_id, event, timestamp, a, b, c"
    expected = rows.drop_duplicates() if cut else rows
    log.engine.connection.register("expected", expected)
    difference = f"SELECT {values} FROM events EXCEPT ALL SELECT customer_id, event, timezone('UTC', timestamp), CASE WHEN NOT isnan(a) THEN a END, b, c FROM expected"
    assert log.n_events == len(expected)
    assert log.engine.rows(f"SELECT count(*) FROM ({difference})") == [(0,)]

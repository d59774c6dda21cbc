"""A table in another engine gives the log that a file of the same rows gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cjlib as cj


def made(rows: int = 3_000, seed: int = 0) -> pd.DataFrame:
    """Events full of ties, with properties of every type, hostile names, missing values and rows that break the contract."""
    rng = np.random.default_rng(seed)
    names = ["view", "cart", "buy", "'; DROP TABLE events; --", 'say "100%" \\ :now', "ключ"]
    frame = pd.DataFrame(
        {
            "customer_id": pd.Series(
                [f"{number:03d}" for number in rng.integers(0, 200, rows)], dtype="str"
            ),
            "event": pd.Series(rng.choice(names, rows), dtype="str"),
            "timestamp": pd.Timestamp("2024-02-25", tz="UTC")
            + pd.to_timedelta(rng.integers(0, 3_000, rows) * 20, unit="min"),
            "channel": pd.Series(rng.choice(["web", "app", None], rows), dtype="str"),
            "value": np.where(rng.random(rows) < 0.3, np.nan, np.round(rng.gamma(2, 10, rows), 2)),
            "visits": rng.integers(0, 5, rows),
            "member": rng.random(rows) < 0.5,
        }
    )
    frame["timestamp"] = frame["timestamp"].astype("datetime64[us, UTC]")
    if rows < 1_000:
        return frame
    frame.loc[[1, 2], "event"] = [None, " "]
    frame.loc[3, "timestamp"] = pd.NaT
    frame.loc[4, "customer_id"] = None
    return pd.concat([frame, frame.iloc[[10, 11]]], ignore_index=True)


def same_log(one: cj.EventLog, other: cj.EventLog) -> None:
    assert one.engine.rows("FROM prepared") == other.engine.rows("FROM prepared")
    assert (one.properties, one.event_names, one.observed_until) == (
        other.properties,
        other.event_names,
        other.observed_until,
    )


def test_a_table_gives_the_log_of_a_file_with_the_same_rows(engine, tmp_path):
    events = made()
    events.to_parquet(tmp_path / "events.parquet")
    of_file = cj.read_events(tmp_path / "events.parquet", timezone="Europe/Berlin")
    # SQLite stores the wall clock of UTC, which is read in UTC.
    zone = "UTC" if engine.name == "sqlite" else "Europe/Berlin"
    log = cj.read_events(**engine.options(events, "made"), timezone=zone)
    same_log(log, of_file)
    assert (
        log.quarantine["reason"].value_counts().to_dict()
        == of_file.quarantine["reason"].value_counts().to_dict()
    )
    reasons = of_file.quality["check"].isin(
        [
            "rows read",
            "events used",
            "missing event",
            "missing timestamp",
            "missing customer_id",
            "exact duplicate",
        ]
    )
    pd.testing.assert_frame_equal(
        log.quality[log.quality["check"].isin(of_file.quality["check"][reasons])].reset_index(
            drop=True
        )[["check", "rows", "share"]],
        of_file.quality[reasons].reset_index(drop=True)[["check", "rows", "share"]],
    )
    if zone == "Europe/Berlin":
        table = cj.funnel(of_file, ["view", "cart", "buy"], window="3D", by="channel").table
        pd.testing.assert_frame_equal(
            cj.funnel(log, ["view", "cart", "buy"], window="3D", by="channel").table, table
        )


def test_only_the_columns_asked_for_are_read(engine):
    events = made().rename(columns={"customer_id": "who", "visits": "N of visits"})
    options = {"columns": {"who": "customer_id", "N of visits": "visits"}, "duplicates": "keep"}
    held = engine.options(events, "renamed")
    log = cj.read_events(**held, **options, only=["visits", "channel"])
    assert log.columns == ("channel", "visits")
    same_log(log, cj.read_events(events, **options, only=["channel", "visits"]))
    assert cj.read_events(**held, **options, only=[]).columns == ()
    with pytest.raises(
        cj.CjlibError, match=r"only: there is no column 'chanel'. Did you mean 'channel'"
    ):
        cj.read_events(**held, **options, only=["chanel"])


def test_a_table_without_rows_is_an_empty_log(engine):
    log = cj.read_events(**engine.options(made().iloc[:0], "empty"))
    assert (log.n_events, log.n_customers) == (0, 0)


def test_a_table_that_is_not_there_is_named_with_its_nearest_neighbour(engine):
    engine.put(made(10), "events_of_2024")
    with pytest.raises(
        cj.DataError, match=r"has no table 'events_of_2042'. Did you mean 'events_of_2024'"
    ):
        cj.read_events(engine.source, table="events_of_2042")
    with pytest.raises(
        cj.CjlibError, match=r"table: name the table of .* to read, such as table='events'"
    ):
        cj.read_events(engine.source)


def test_the_table_may_be_the_source_and_the_engine_an_option(engine):
    events = made(50)
    engine.put(events, "events")
    same_log(
        cj.read_events("events", engine=engine.source),
        cj.read_events(engine.source, table="events"),
    )


def test_a_spark_dataframe_is_a_table(spark):
    frame = spark.source.sql(
        "SELECT * FROM VALUES ('ana', 'view', TIMESTAMP '2024-01-01 10:00:00'), ('bob', 'buy', NULL) AS t (customer_id, event, timestamp)"
    )
    log = cj.read_events(frame, quarantine_limit=0.5)
    assert (log.n_events, list(log.quarantine["reason"])) == (1, ["missing timestamp"])
    assert (
        cj.read_events(
            spark.source.range(0).selectExpr(
                "'a' AS customer_id", "'b' AS event", "current_timestamp() AS timestamp"
            )
        ).n_events
        == 0
    )
    with pytest.raises(cj.CjlibError, match="table: a Spark DataFrame is the table itself"):
        cj.read_events(frame, table="events")


def test_large_whole_numbers_dates_and_decimals_stay_exact(postgres):
    import psycopg

    from engines.servers import address

    with psycopg.connect(address(postgres.source).replace("+psycopg", "")) as connection:
        connection.execute(
            "CREATE TABLE exact (who numeric(20,0), event text, at date, price numeric(10,2), note jsonb, code uuid)"
        )
        connection.execute(
            "INSERT INTO exact VALUES (9007199254740993, 'a', '2024-03-31', 0.1, '{\"b\": 1, \"a\": [1]}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')"
        )
    log = cj.read_events(
        postgres.source,
        table="exact",
        columns={"who": "customer_id", "at": "timestamp"},
        timezone="Europe/Berlin",
    )
    row = log.run("SELECT * FROM events").iloc[0].to_dict()
    assert row["customer_id"] == 9007199254740993
    assert (row["price"], row["note"], row["code"]) == (
        0.1,
        '{"a": [1], "b": 1}',
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    )
    assert row["timestamp"] == pd.Timestamp("2024-03-30 23:00")


def test_a_customers_table_of_the_same_engine_is_joined(engine):
    events = made(60)
    ids = sorted(set(events["customer_id"]))
    engine.put(events, "events")
    customers = pd.DataFrame(
        {
            "customer_id": pd.Series(ids[1:], dtype="str"),
            "tier": pd.Series(["gold" if one < "100" else "basic" for one in ids[1:]], dtype="str"),
        }
    ).assign(timestamp=pd.Timestamp("2024-01-01", tz="UTC"))
    engine.put(customers, "customers")
    log = cj.read_events(engine.source, table="events", customers="customers")
    here = cj.read_events(events, customers=customers)
    assert log.columns == here.columns
    steps = ["view", "cart"]
    pd.testing.assert_frame_equal(
        cj.funnel(log, steps, window="9D", by="tier").table,
        cj.funnel(here, steps, window="9D", by="tier").table,
        check_exact=True,
    )
    with pytest.raises(cj.DataError, match=r"has no table 'custmers'. Did you mean '"):
        cj.read_events(engine.source, table="events", customers="custmers")


def test_every_source_of_a_journey_file_may_lie_in_a_database(sqlite, tmp_path, monkeypatch):
    events = made(60)
    ids = sorted(set(events["customer_id"]))
    people = pd.DataFrame(
        {
            "uid": pd.Series(ids, dtype="str"),
            "tier": pd.Series(["gold" if one < "100" else "basic" for one in ids], dtype="str"),
        }
    )
    sqlite.put(events.rename(columns={"customer_id": "uid"}), "journey events")
    sqlite.put(people.assign(timestamp=pd.Timestamp("2024-01-01", tz="UTC")), "people")
    sqlite.put(
        pd.DataFrame({"uid": ["007", "008"], "nps": [10, 3]}).assign(
            timestamp=pd.Timestamp("2024-03-01", tz="UTC")
        ),
        "answers",
    )
    monkeypatch.setenv("SHOP_DB", sqlite.source)
    written = """
name: Shop
timezone: UTC
sources:
  events: {url: "${SHOP_DB}", table: journey events}
  customers: {url: "${SHOP_DB}", table: people, columns: {tier: level}}
  feedback: {url: "${SHOP_DB}", table: answers}
  columns: {uid: customer_id, nobody: anything}
stages: [{name: A, touchpoints: [view]}]
"""
    (tmp_path / "journey.yml").write_text(written, encoding="utf-8")
    journey = cj.read_journey(tmp_path / "journey.yml")
    log, feedback = journey.read_events(), journey.read_feedback()
    given = people.rename(columns={"uid": "customer_id", "tier": "level"}).assign(
        timestamp=pd.Timestamp("2024-01-01", tz="UTC")
    )
    here = cj.read_events(events, customers=given, timezone="UTC")
    assert log.columns == here.columns
    assert log.where(level="gold").n_events == here.where(level="gold").n_events > 0
    assert feedback is not None
    assert sorted(feedback.frame["nps"]) == [3, 10]
    (tmp_path / "journey.yml").write_text(
        written.replace(", columns: {tier: level}", ""), encoding="utf-8"
    )
    assert "tier" in cj.read_journey(tmp_path / "journey.yml").read_events().columns
    for old, new, said in (
        (
            "tier: level",
            "tir: level",
            r"sources\.customers\.columns: there is no column 'tir'\. Did you mean 'tier'\? The source has: ",
        ),
        ("table: people", "table: peple", r"has no table 'peple'\. Did you mean 'people'"),
    ):
        (tmp_path / "journey.yml").write_text(written.replace(old, new), encoding="utf-8")
        with pytest.raises(cj.CjlibError, match=said):
            cj.read_journey(tmp_path / "journey.yml").read_events()


def test_a_table_is_kept_while_its_server_counts_it_alike(postgres, monkeypatch, tmp_path):
    import psycopg

    from engines.servers import PASSWORD, address

    events = made(300)
    postgres.put(events, "kept")
    fresh = cj.read_events(postgres.source, table="kept")
    monkeypatch.setenv("CJ_CACHE_DIR", str(tmp_path))
    first, again = (cj.read_events(postgres.source, table="kept") for _ in range(2))
    same_log(first, fresh)
    same_log(again, fresh)
    assert len(list(tmp_path.glob("*.duckdb"))) == 1
    assert "kept in the cache" in again.quality["check"].tolist()
    assert "kept in the cache" not in fresh.quality["check"].tolist()
    assert not any(
        PASSWORD.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )
    with psycopg.connect(address(postgres.source).replace("+psycopg", "")) as connection:
        connection.execute("UPDATE kept SET event = 'changed' WHERE event = 'view'")
    # What the server counts has not changed, so that only a reading anew sees it.
    assert "changed" not in cj.read_events(postgres.source, table="kept").event_names
    assert "changed" in cj.read_events(postgres.source, table="kept", refresh=True).event_names
    with psycopg.connect(address(postgres.source).replace("+psycopg", "")) as connection:
        connection.execute("DELETE FROM kept WHERE event = 'cart'")
    assert "cart" not in cj.read_events(postgres.source, table="kept").event_names
    assert cj.read_events(postgres.source, table="kept", only=["channel"]).columns == ("channel",)

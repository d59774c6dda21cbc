"""A password comes from the environment, goes to the database, and is found nowhere else; and what is missing is named."""

from __future__ import annotations

import builtins
import subprocess
import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.connect import remote_of
from engines.servers import PASSWORD, address
from engines.test_reading_engines import made

MARKERS = (PASSWORD, quote(PASSWORD, safe=""), "geheim", "marker:7", "marker%3A7")


def nowhere(*texts: str) -> None:
    for text in texts:
        for marker in MARKERS:
            assert marker not in text


def found_in(folder: Path) -> list[str]:
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(marker.encode() in path.read_bytes() for marker in MARKERS)
    ]


def test_a_log_of_a_database_holds_no_password(postgres, tmp_path, monkeypatch):
    monkeypatch.setenv("CJ_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    log = cj.read_events(**postgres.options(made(), "made"))
    funnel = cj.funnel(log, ["view", "buy"], window="1D")
    nowhere(
        repr(log),
        log._repr_html_(),
        log.quality.to_csv(),
        log.quarantine.to_csv(),
        str(funnel.definition),
        funnel.sql,
        repr(vars(log)),
    )
    held = remote_of(postgres.source, "made", None)
    nowhere(repr(held), held.place, str(held))
    assert held.place.startswith("made at postgresql+psycopg://127.0.0.1:")
    assert found_in(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace("cj:", "nobody:"), "password authentication failed"),
        (lambda url: url.rpartition(":")[0] + ":1/postgres", "refused"),
        (lambda url: url.replace("/postgres", f"/{quote(PASSWORD, safe='')}"), "does not exist"),
        (
            lambda url: url + f"?password={quote(PASSWORD, safe='')}&connect_timeout=soon",
            "connect_timeout",
        ),
        (lambda url: url, "has no table 'nothing'"),
        (
            lambda url: url + f"?application_name={quote(PASSWORD, safe='')}",
            "has no table 'nothing'",
        ),
    ],
)
def test_no_fault_echoes_the_password(postgres, change, said):
    try:
        cj.read_events(change(postgres.source), table="nothing")
    except cj.CjlibError as fault:
        told = "".join(traceback.format_exception(fault))
        own = str(fault)
    else:
        raise AssertionError("no table is called so")
    nowhere(own, told)
    assert said in own


def test_a_variable_that_is_not_set_is_named(postgres):
    with pytest.raises(
        cj.CjlibError, match="source: the environment variable CJ_TEST_ABSENT is not set"
    ):
        cj.read_events("postgresql+psycopg://cj:${CJ_TEST_ABSENT}@127.0.0.1:1/db", table="events")


def test_a_journey_file_names_the_database_and_keeps_its_password_out(postgres, tmp_path):
    postgres.put(made(), "made")
    file = tmp_path / "journey.yml"
    file.write_text(f"""
name: Shop
timezone: UTC
sources: {{events: {{url: "{postgres.source}", table: made}}}}
stages:
  - name: All
    touchpoints: [view, cart, buy]
""")
    journey = cj.read_journey(file)
    log = journey.read_events()
    assert log.n_events == cj.read_events(made()).n_events
    nowhere(repr(journey), journey._repr_html_(), repr(log), log._repr_html_(), journey.hash)
    told = subprocess.run(
        [sys.executable, "-m", "cjlib", "check", file, "--debug"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    nowhere(told.stdout, told.stderr)
    assert found_in(tmp_path) == []


@pytest.mark.parametrize(
    ("scheme", "remedy"),
    [
        ("snowflake", "pip install snowflake-sqlalchemy"),
        ("bigquery", "pip install sqlalchemy-bigquery"),
        ("trino", r"pip install trino\[sqlalchemy\]"),
        ("mysql+pymysql", "pip install pymysql"),
        ("postgresql+asyncmy", r"pip install 'customer-journey-notebooks\[engines\]'"),
        ("nonsense", r"pip install 'customer-journey-notebooks\[engines\]'"),
    ],
)
def test_a_driver_that_is_missing_is_named_with_what_installs_it(scheme, remedy):
    pytest.importorskip("sqlalchemy", reason="the extra engines is not installed")
    with pytest.raises(
        cj.CjlibError,
        match=rf"source: the driver for {scheme.replace('+', '.')}:// is not installed. Install it: {remedy}",
    ) as stopped:
        cj.read_events(f"{scheme}://me:geheim@host/db", table="events")
    nowhere(str(stopped.value))


def test_without_sqlalchemy_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name == "sqlalchemy":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        cj.CjlibError,
        match=r"source: databases need SQLAlchemy, which is not installed: pip install 'customer-journey-notebooks\[engines\]'",
    ):
        cj.read_events("postgresql://me:geheim@host/db", table="events")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: cj.read_events("postgresql:/shop", table="events"),
            "table: 'events' needs a database to lie in",
        ),
        (
            lambda: cj.read_events("postgresql://me:geheim@host:port/db", table="events"),
            "the address of the database cannot be read",
        ),
        (lambda: cj.read_events("sqlite://", table=""), "table: name the table of sqlite"),
        (
            lambda: cj.read_events("events", engine=7),
            "engine: must be a SQLAlchemy engine or URL, a Spark session or a chdb session. Got a int",
        ),
        (
            lambda: cj.read_events("x://me:geheim@h/d", table="t", engine="sqlite://"),
            "engine: the table is the source.*Got source=an address",
        ),
        (
            lambda: cj.read_events(pd.DataFrame(), engine="sqlite://"),
            "engine: the table is the source",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(call, message):
    pytest.importorskip("sqlalchemy", reason="the extra engines is not installed")
    with pytest.raises(cj.CjlibError, match=message) as stopped:
        call()
    nowhere(str(stopped.value))


def test_values_that_do_not_fit_their_column_stop_the_reading(tmp_path):
    pytest.importorskip("sqlalchemy", reason="the extra engines is not installed")
    import sqlite3

    with sqlite3.connect(tmp_path / "odd.db") as connection:
        connection.execute(
            "CREATE TABLE events (customer_id BIGINT, event TEXT, timestamp DATETIME)"
        )
        connection.execute("INSERT INTO events VALUES (1, 'a', 'geheim')")
    connection.close()
    with pytest.raises(
        cj.DataError,
        match=r"holds a value that does not fit the type of its column.*Make a view that casts it",
    ) as stopped:
        cj.read_events(f"sqlite:///{tmp_path}/odd.db", table="events")
    nowhere(str(stopped.value))


def test_the_address_in_tests_is_the_one_a_driver_needs():
    assert address("x://cj:${CJ_TEST_PASSWORD}@h/d") == "x://cj:geheim%2F%40%20marker%3A7@h/d"

"""Engines for tests; each skips where it cannot be had."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engines import servers
from engines.servers import Engine


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server's address, which names the environment's password."""
    pytest.importorskip("psycopg", reason="the extra engines is not installed")
    pytest.importorskip("sqlalchemy", reason="the extra engines is not installed")
    try:
        with servers.postgres_server() as url:
            yield url
    except servers.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def postgres(postgres_url: str) -> Engine:
    return servers.postgres(postgres_url)


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    pytest.importorskip("sqlalchemy", reason="the extra engines is not installed")
    return servers.sqlite(tmp_path_factory.mktemp("sqlite") / "shop.db")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    pytest.importorskip("pyspark", reason="the extra engines is not installed: make test-engines")
    try:
        with servers.spark(tmp_path_factory.mktemp("spark"), servers.SMALL) as engine:
            yield engine
    except servers.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    pytest.importorskip(
        "chdb.session", reason="the extra engines is not installed: make test-engines"
    )
    with servers.clickhouse(tmp_path_factory.mktemp("clickhouse")) as engine:
        yield engine


@pytest.fixture(params=["postgres", "sqlite", "spark", "clickhouse"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["postgres", "spark", "clickhouse"])
def counting(request: pytest.FixtureRequest) -> Engine:
    """Each engine in which events are counted where they lie."""
    return request.getfixturevalue(request.param)

"""Prepared logs that are kept: found again, or prepared and kept."""

from __future__ import annotations

import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cjlib.sources.cache import folder
from cjlib.sources.connect.files import Files
from cjlib.sources.connect.remote import Remote
from cjlib.sources.ingest.options import Request
from cjlib.sources.ingest.prepare import Facts, prepare
from cjlib.sources.ingest.quarantine import Tally
from cjlib.sources.log.engine import DuckDB
from cjlib.sources.log.schema import Property

if TYPE_CHECKING:
    from cjlib.sources.connect.database import Database


def log_of_files(files: Files, request: Request) -> tuple[DuckDB, Facts] | None:
    """The kept log of files as they are now, prepared first if it is not there; None where it can be neither opened nor written."""

    def fill(engine: DuckDB) -> dict[str, Any]:
        return _plain(engine, prepare(engine, files, request))

    return _from_cache(folder.place_for(files, request.plain()), fill, request)


def log_of_table(table: Remote, request: Request, *, refresh: bool) -> tuple[DuckDB, Facts] | None:
    """The kept log of a database's table that its server counts as it did; None where none is kept and none can be."""
    identity = getattr(table, "identity", None)
    if identity is None or "CJ_CACHE_DIR" not in os.environ:
        return None
    from cjlib.sources.pushdown.fingerprint import state_of

    state = state_of(cast("Database", table), request.columns, request.only)
    place = folder.place_for_table(identity, state, request.plain())
    if place is None:
        return None
    if refresh:
        place.unlink(missing_ok=True)
        return None

    def fill(engine: DuckDB) -> dict[str, Any]:
        return _plain(engine, prepare(engine, table, request))

    return _from_cache(place, fill, request)


def _from_cache(place: Path, fill: folder.Prepare, request: Request) -> tuple[DuckDB, Facts] | None:
    found = folder.from_cache(place, fill, _is_current(request))
    return found and (found[0], _facts(*found))


def _is_current(request: Request) -> folder.IsCurrent:
    """Whether kept facts still hold: no row that lay in the future then lies in the past now."""

    def is_current(kept: dict[str, Any]) -> bool:
        future, rules = kept["tally"]["first_future"], request.rules()
        return future is None or (kept["late"] == rules.late and future > rules.latest_on_the_wall)

    return is_current


def _plain(engine: DuckDB, facts: Facts) -> dict[str, Any]:
    """Facts as JSON can hold them, their tables kept beside the log."""
    tables = {
        name: folder.keep_table(engine, f"kept_{name}", getattr(facts, name))
        for name in ("quality", "quarantine")
    }
    plain = {name: value for name, value in vars(facts).items() if name not in tables}
    return (
        plain
        | tables
        | {"properties": [asdict(one) for one in facts.properties], "tally": facts.tally.plain()}
    )


def _facts(engine: DuckDB, kept: dict[str, Any]) -> Facts:
    """Facts from what `_plain` gave."""
    tables = {
        name: folder.kept_table(engine, f"kept_{name}", kept[name])
        for name in ("quality", "quarantine")
    }
    # A table without rows has come back without its types.
    tables["quarantine"] = tables["quarantine"].astype("str").astype({"row": "int64"})
    plain = {one.name: kept[one.name] for one in fields(Facts)}
    read = {
        "properties": tuple(Property(**one) for one in kept["properties"]),
        "tally": Tally.of(kept["tally"]),
    }
    every: dict[str, Any] = plain | read | tables
    return Facts(**every)

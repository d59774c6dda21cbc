"""Files on a web server or in a bucket, fetched by DuckDB's extension httpfs where somebody has installed it."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cjlib.errors import CjlibError, DataError, shown

if TYPE_CHECKING:
    import duckdb

SCHEMES = frozenset({"http", "https", "s3", "s3a", "gs", "gcs", "r2"})
INSTALL = """python -c "import duckdb; duckdb.sql('INSTALL httpfs')\""""

_fetched: dict[str, tempfile.TemporaryDirectory[str]] = {}
"""What has been fetched stays until the process ends."""


def is_remote_file(source: object) -> bool:
    """Whether a source is the address of a file, or of several by a pattern."""
    scheme, is_address, _ = str(source).partition("://")
    return isinstance(source, str) and bool(is_address) and scheme.casefold() in SCHEMES


def fetched(address: str) -> Path:
    """The file of an address, or the folder of those that a pattern names, as it is now."""
    if address not in _fetched:
        _fetched[address] = _fetch(address)
    folder = Path(_fetched[address].name)
    files = list(folder.iterdir())
    return files[0] if len(files) == 1 else folder


def _fetch(address: str) -> tempfile.TemporaryDirectory[str]:
    import duckdb

    place = _without_query(address)
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        _load(connection, place)
        try:
            found = connection.execute("SELECT filename, content FROM read_blob(?)", [address])
            files = found.fetchall()
        except duckdb.Error as fault:
            said = str(fault).split("\n", maxsplit=1)[0].replace(address, place)
            raise DataError(
                f"source: {shown(place)} cannot be fetched: {said[:200]}. Check the address and the rights; a bucket's keys are DuckDB secrets (CREATE PERSISTENT SECRET)."
            ) from None
    if not files:
        raise DataError(f"source: no file matches {shown(place)}. Check the pattern.")
    folder = tempfile.TemporaryDirectory(prefix="cjlib-fetched-")
    for position, (name, content) in enumerate(files):
        own = PurePosixPath(urlsplit(name).path).name
        target = Path(folder.name) / (own if len(files) == 1 else f"{position:06}-{own}")
        target.write_bytes(content)
    return folder


def _load(connection: duckdb.DuckDBPyConnection, place: str) -> None:
    (installed,) = connection.execute(
        "SELECT coalesce(bool_or(installed), FALSE) FROM duckdb_extensions() WHERE extension_name = 'httpfs'"
    ).fetchall()[0]
    if not installed:
        raise CjlibError(
            f"source: {shown(place)} needs DuckDB's extension httpfs, which is not installed here, and nothing is downloaded unasked. "
            f"Install it once: {INSTALL} (or download the file and give its path)."
        )
    connection.execute("LOAD httpfs")


def _without_query(address: str) -> str:
    """An address as it may be shown: without a user, and without what stands behind the question mark, which may be a key."""
    bare = address.partition("?")[0]
    scheme, _, rest = bare.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"

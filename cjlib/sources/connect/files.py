"""Which files a source means: a path, a glob or a folder, and what kind of data they hold; where those of a journey file lie, and its text."""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from cjlib.errors import CjlibError, DataError, JourneyError, did_you_mean, listed, shown

if TYPE_CHECKING:
    import duckdb

KINDS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
    ".tsv.gz": "csv",
    ".jsonl": "json",
    ".jsonl.gz": "json",
    ".ndjson": "json",
    ".ndjson.gz": "json",
    ".xlsx": "sheet",
}
_IF_NAMED = {".json": "json", ".json.gz": "json", ".txt": "csv", ".txt.gz": "csv", ".tab": "csv"}
"""Read where a path names them; in a folder of data they may be something else."""
READABLE = "a Parquet, CSV, TSV or JSON file (.parquet, .csv, .tsv, .txt, .jsonl, .ndjson, .json; text also as .gz), a sheet of an Excel workbook (.xlsx), a glob or a folder of them"
_ELSEWHERE = {
    ".xls": "Save the sheet as CSV, or read it with pandas.read_excel and give the DataFrame.",
    ".duckdb": "It is a database: name the table to read with table, or give a query.",
    **dict.fromkeys(
        (".sqlite", ".sqlite3", ".db"),
        "A database of SQLite is read by its address, sqlite:///shop.db (url: in a journey file), with table or a query.",
    ),
    ".feather": "Use pandas.read_feather and give the DataFrame.",
    ".zip": "Unpack it and give the folder.",
}


@dataclass(frozen=True)
class Files:
    """The files of one source, sorted by name, all of one kind; `given` is the path, folder or glob that names them, `sheet` the sheet of a workbook, `encoding` that of text where it is said."""

    paths: tuple[Path, ...]
    kind: str
    folder: Path
    given: Path
    sheet: str | None = None
    encoding: str | None = None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.paths)

    def name(self, position: int) -> str:
        """A file's name within the source."""
        return self.paths[position].relative_to(self.folder).as_posix()


def is_workbook(source: object) -> bool:
    """Whether a source is an Excel workbook, which has sheets."""
    return isinstance(source, str | Path) and Path(source).suffix.casefold() == ".xlsx"


def find_files(source: str | Path, sheet: str | None = None, encoding: str | None = None) -> Files:
    """The files a path, a glob or a folder names; an error with the nearest name where there are none. Of a workbook the sheet, by its name; of CSV and TSV the encoding, where it is said."""
    files = _found(source, sheet)
    if encoding is None:
        return files
    if files.kind != "csv":
        raise CjlibError(
            f"encoding: {shown(files.name(0))} is read without one: only CSV and TSV files have several. Leave encoding out."
        )
    return replace(files, encoding=encoding)


def _found(source: str | Path, sheet: str | None) -> Files:
    if is_remote_file(source):
        return _found(fetched(str(source)), sheet)
    if "://" in str(source):
        raise CjlibError(
            f"source: {shown(_without_password(str(source)))} is an address of no file here. What can be read is {READABLE}. "
            "Download it and give the file; the table of a database is read with table='events'."
        )
    path = Path(source).expanduser()
    if path.is_file():
        return Files((path,), _kind(path), path.parent, path.resolve(), sheet)
    if path.is_dir():
        return _of_folder(path)
    if glob.has_magic(str(path)):
        return _of_glob(path)
    raise _missing(path)


def _kind(path: Path) -> str:
    kind = _kind_or_none(path, KINDS | _IF_NAMED)
    if kind is None:
        remedy = _ELSEWHERE.get(
            path.suffix.lower(),
            "Rename it if it is one of these, or read it with pandas and give the DataFrame.",
        )
        raise CjlibError(
            f"source: {shown(path.name)} cannot be read as it is. What can be read is {READABLE}. {remedy}"
        )
    return kind


def _kind_or_none(path: Path, kinds: Mapping[str, str] = KINDS) -> str | None:
    endings = [suffix.lower() for suffix in path.suffixes]
    return kinds.get("".join(endings[-2:])) or kinds.get("".join(endings[-1:]))


def _of_folder(folder: Path) -> Files:
    inside = [
        path
        for path in folder.rglob("*")
        if not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    ]
    data = [path for path in inside if path.is_file() and _kind_or_none(path)]
    if not data:
        have = (
            f" It holds: {listed(sorted(path.name for path in inside))}."
            if inside
            else " It is empty."
        )
        raise DataError(
            f"source: the folder {shown(str(folder))} holds no data files.{have} What can be read is {READABLE}."
        )
    return _of_one_kind(data, folder, folder.resolve())


def _of_glob(pattern: Path) -> Files:
    found = [Path(name) for name in glob.glob(str(pattern), recursive=True) if Path(name).is_file()]
    if not found:
        raise DataError(
            f"source: no file matches {shown(str(pattern))}. Check the folder and the pattern; paths are taken from {shown(str(Path.cwd()))}."
        )
    fixed = Path(*_until_magic(pattern))
    return _of_one_kind(found, fixed, pattern.absolute())


def _until_magic(pattern: Path) -> list[str]:
    parts: list[str] = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return parts


def _of_one_kind(found: Sequence[Path], folder: Path, given: Path) -> Files:
    paths = sorted(found, key=lambda path: path.as_posix())
    kinds = {_kind(path) for path in paths}
    if len(kinds) > 1:
        raise CjlibError(
            f"source: {shown(str(folder))} holds files of several kinds ({', '.join(sorted(kinds))}), perhaps the same events twice. "
            "Name one kind with a glob, such as 'folder/*.parquet'."
        )
    return Files(tuple(paths), kinds.pop(), folder, given)


def _missing(path: Path) -> DataError:
    folder = path.parent
    if not folder.is_dir():
        return DataError(
            f"source: there is no folder {shown(str(folder))}. Paths are taken from {shown(str(Path.cwd()))}."
        )
    siblings = sorted(one.name for one in folder.iterdir() if one.is_dir() or _kind_or_none(one))
    have = f" The folder has: {listed(siblings)}." if siblings else " The folder has no data files."
    return DataError(
        f"source: there is no file {shown(str(path))}.{did_you_mean(path.name, siblings)}{have}"
    )


def _without_password(address: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"{scheme}://…@{rest.rpartition('@')[2]}" if "@" in rest else address


# ---- what a journey file means ----------------------------------------------------------------------------------------

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CREDENTIALS = re.compile(r"(?<=://)[^/?#]*(?=@)")


def expanded(text: str, key: str) -> str:
    """The text with each `${NAME}` replaced by that environment variable; meant for the moment of connecting, and never kept.

    Between `://` and `@` the value is percent-encoded, so that a password may hold any character.
    """
    credentials = _CREDENTIALS.search(text)
    low, high = credentials.span() if credentials else (0, 0)

    def value(name: re.Match[str]) -> str:
        plain = _variable(name[1], key)
        return quote(plain, safe="") if low <= name.start() < high else plain

    return _VARIABLE.sub(value, text)


def _variable(name: str, key: str) -> str:
    if name not in os.environ:
        raise JourneyError(
            f"{key}: the environment variable {name} is not set. Set it where cj runs (export {name}=…), or write the value in the file."
        )
    return os.environ[name]


def located(path: str, folder: Path, key: str) -> str:
    """The file (or glob) that a source means.

    An absolute path is itself. A relative one is looked up below `CJ_DATA`, if that is set and the file exists there, else beside the
    journey file.
    """
    if is_remote_file(path):
        return expanded(path, key)
    given = Path(expanded(path, key)).expanduser()
    if given.is_absolute():
        tried = [given]
    else:
        below = os.environ.get("CJ_DATA")
        tried = [Path(below).expanduser() / given] if below else []
        tried.append(folder / given)
    for candidate in tried:
        if candidate.exists() or glob.glob(str(candidate), recursive=True):
            return str(candidate)
    looked = " and ".join(
        repr(str(candidate)) for candidate in tried
    )  # whole: a path cut short cannot be followed
    remedy = (
        ""
        if given.is_absolute()
        else " Put it there, correct the path, or name the folder of the data with --data DIR or CJ_DATA."
    )
    raise DataError(f"{key}: there is no file {shown(path)}. Looked for {looked}.{remedy}")


def text_of(file: Path) -> str:
    """What the file says, byte for byte but for a byte-order mark."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise JourneyError(
            f"journey: {shown(str(file))} is not UTF-8 text. Save it as UTF-8."
        ) from None
    except FileNotFoundError:
        raise JourneyError(
            f"journey: there is no file {shown(str(file))}. `cj init FILE` writes a first one from your data."
        ) from None
    except OSError as error:
        raise JourneyError(
            f"journey: {shown(str(file))} cannot be read: {error.strerror or error}. Give the path of a journey file."
        ) from None


# ---- on a web server or in a bucket: fetched by DuckDB's extension httpfs where somebody has installed it -----------------

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

"""Which files a source means: a path, a glob or a folder, and what kind of data they hold."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown

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
}
READABLE = "a Parquet, CSV, TSV or JSON-lines file (.parquet, .csv, .tsv, .jsonl, .ndjson; text also as .gz), a glob or a folder of them"
_ELSEWHERE = {
    ".xlsx": "Save the sheet as CSV, or read it with pandas.read_excel and give the DataFrame.",
    ".xls": "Save the sheet as CSV, or read it with pandas.read_excel and give the DataFrame.",
    ".json": "One object a line can be read if the file is called .jsonl; otherwise use pandas.read_json and give the DataFrame.",
    ".feather": "Use pandas.read_feather and give the DataFrame.",
    ".zip": "Unpack it and give the folder.",
}


@dataclass(frozen=True)
class Files:
    """The files of one source, sorted by name, all of one kind; `given` is the path, folder or glob that names them."""

    paths: tuple[Path, ...]
    kind: str
    folder: Path
    given: Path

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.paths)

    def name(self, position: int) -> str:
        """A file's name within the source."""
        return self.paths[position].relative_to(self.folder).as_posix()


def find_files(source: str | Path) -> Files:
    """The files a path, a glob or a folder names; an error with the nearest name where there are none."""
    if "://" in str(source):
        raise CjlibError(
            f"source: {shown(_without_password(str(source)))} is an address of no file here. What can be read is {READABLE}. "
            "Download it and give the file; the table of a database is read with table='events'."
        )
    path = Path(source).expanduser()
    if path.is_file():
        return Files((path,), _kind(path), path.parent, path.resolve())
    if path.is_dir():
        return _of_folder(path)
    if glob.has_magic(str(path)):
        return _of_glob(path)
    raise _missing(path)


def _kind(path: Path) -> str:
    kind = _kind_or_none(path)
    if kind is None:
        remedy = _ELSEWHERE.get(
            path.suffix.lower(),
            "Rename it if it is one of these, or read it with pandas and give the DataFrame.",
        )
        raise CjlibError(
            f"source: {shown(path.name)} cannot be read as it is. What can be read is {READABLE}. {remedy}"
        )
    return kind


def _kind_or_none(path: Path) -> str | None:
    endings = [suffix.lower() for suffix in path.suffixes]
    return KINDS.get("".join(endings[-2:])) or KINDS.get("".join(endings[-1:]))


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

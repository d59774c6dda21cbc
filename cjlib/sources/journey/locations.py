"""Where a journey file's sources lie: paths below `CJ_DATA` or beside the file, secrets in the environment."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from urllib.parse import quote

from cjlib.errors import DataError, JourneyError, shown

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

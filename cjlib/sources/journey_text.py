"""The text of a journey file; nothing is imported for it, so that a path typed wrong is told at once."""

from __future__ import annotations

from pathlib import Path

from cjlib.errors import JourneyError, shown


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

"""Lines of a first journey file that events and feedback share: scalars, paths, how dates are written."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cjlib.sources.journey.scaffold.column_inference import written_dates
from cjlib.sources.journey.scaffold.profile import Column, Look

RENAMED = "    columns:  # name in the file: name here. Other columns keep their names."
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*([ .-][A-Za-z0-9_]+)*")
_ZONE_IN_NAME = re.compile(
    r"(?<![A-Za-z])([ECMP][SD]?T|[CEW]ES?T|MES?Z|BST|IST|JST|A[EWC][SD]T|[A-Z][a-z]+/[A-Z][a-z_A-Z]+)(?![A-Za-z])"
)
"""Letters that stand for a zone where they end the name of a column of times, as in `Time (EST)`."""
_NOT_PLAIN = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def head(look: Look, time: Column | None) -> str:
    """What the file is made from, its name and its zone."""
    looked = f"the first {look.rows:,} rows" if look.truncated else f"{look.rows:,} rows"
    zone = "The times carry an offset or a zone, so instants are certain; days and weeks are counted in this zone."
    if time is None or (not time.with_offset and time.time_kind != "epoch"):
        zone = "The times have no zone in the file; they are read as local times of this one."
        called = "" if time is None else in_one_line(time.name)
        letters = _ZONE_IN_NAME.search(called)
        if letters:
            zone = f"The times have no zone, but their column is called {called}: where {letters[1]} is not this zone, say timezone: of the source, such as America/New_York."
    if look.source_zone is not None:
        zone = f"The tool writes its times in {look.source_zone}; days and weeks are counted in this zone."
    title = re.sub(r"[_-]+", " ", look.path.name.split(".")[0]).strip() or "My business"
    return (
        f"# A first journey file, made from {quoted(look.path.name)} ({looked}). It can be used as it is.\n"
        f"# Guesses come from the data; lines marked DECIDE need a person. `cj check` reads everything and says what does not fit.\n\n"
        f"name: {quoted(title)}\n"
        f"timezone: UTC  # DECIDE: the business's zone, such as Europe/Berlin.{f' {zone}' if time is not None else ''}\n"
    )


def relative(file: Path, home: Path) -> str:
    """The path from the journey file's folder."""
    return Path(os.path.relpath(file.resolve(), home.resolve())).as_posix()


def dates(time: Column) -> list[str]:
    """How the times are written, where that does not speak for itself."""
    form = written_dates(time)
    written = f'"{form}"' if form and "%" in form else form
    unsure = decide(_UNSURE_DATES.get(time.time_kind or "", ""))
    return [f"    dates: {written}{unsure}"] if written else []


_UNSURE_DATES = {
    "either": "nothing in the file proves whether the day or the month comes first (else month_first)",
    "serial": "the times are numbers, which could be days as spreadsheets count them (45291.5 is noon of 2023-12-31): are they?",
    "week": "the file names weeks and no days: everything of a week counts on its Monday",
}


def file_lines(look: Look, path: str) -> list[str]:
    """Where the file lies, and how its text is written where that is not UTF-8."""
    lines = [f"    path: {quoted(path)}"]
    if len(look.sheets) > 1:
        first, *others = look.sheets
        why = f"the workbook has other sheets, of fewer rows: {', '.join(others)}"
        lines.append(f"    table: {quoted(first)}{decide(why)}")
    if look.encoding is not None:
        name, word = look.encoding
        why = (
            f"damaged signs, such as in “{word[:40]}”: their rows are quarantined and counted"
            if name == "utf-8"
            else f"bytes that are no UTF-8; as Excel on Windows writes western languages they say “{word[:40]}”: is that right?"
        )
        lines.append(f"    encoding: {name}{decide(why)}")
    return lines


def preset_lines(look: Look) -> list[str]:
    """The preset by which the file is read, where its columns are those of one."""
    if look.preset is None:
        return []
    why = f"{look.preset.title}, recognised from its columns; cj presets {look.preset.name} shows what it does"
    note = [f"    # {in_one_line(look.preset.note.strip())}"] if look.preset.note else []
    return [f"    preset: {look.preset.name}  # {why}", *note]


def in_one_line(text: str) -> str:
    """Names of columns in a comment, whatever they hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def decide(why: str) -> str:
    """A comment that a person must decide, and why; nothing where there is no doubt."""
    return f"  # DECIDE: {in_one_line(why)}" if why else ""


def quoted(text: str) -> str:
    """Text as one YAML scalar in one line, whatever it holds."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _NOT_PLAIN:
        return text
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable() and letter != "\ufeff":
        return letter
    code = ord(letter)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )

"""Names of the data in the words of the journey file's `labels:`, wherever a page shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import escape, unescape
from pathlib import Path
from typing import Any

from cjlib.errors import CjlibError
from cjlib.show.numbers import short
from cjlib.show.units import CUSTOMERS, Unit, names_to_keep, unit_of

KINDS = ("events", "channels", "properties", "stages")
_SHOWN = {"text", "ticktext", "label", "labels", "name", "hovertext", "title", "caption", "alt"}
"""What of a figure is read; everything else says how it is drawn."""
SHORTENED = "shortened"
"""The name of an annotation whose text is the beginning of its `hovertext`."""
_TOLD = {"headline", "claim", "next_step", "label"}
_TAG = re.compile(r"(<[^<>]*>)")
_NUMBERED = re.compile(r"((?:<b>)?\d+ +)(.+?)((?:</b>)?)")
"""A step with its number, such as "2 signup"."""


def _content_of(path: Path | None) -> dict[str, Any]:
    """What a journey file says, every value as text; nothing if it cannot be read."""
    import yaml

    if path is None:
        return {}
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def unit_of_journey(path: Path | None) -> Unit:
    """What a journey file counts in the place of customers, with the names in it that stay as they are."""
    content = _content_of(path)
    grain = content.get("grain") or CUSTOMERS.one
    grain = grain if isinstance(grain, dict) else {"unit": str(grain)}
    try:
        unit = unit_of(str(grain.get("unit")), grain.get("plural"), ())
    except CjlibError:
        return CUSTOMERS
    # The key customers is the word itself.
    return replace(unit, names=names_to_keep(_texts(content)) - {"customers", "customer_id"})


def _texts(content: Any) -> Iterator[str]:
    """Every text of a file, the keys included."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield str(name)
            yield from _texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value)
    else:
        yield str(content)


def labels_of(path: Path | None) -> dict[str, str]:
    """The labels of a journey file, all kinds together; none if it cannot be read."""
    written = _content_of(path).get("labels")
    kinds = [written.get(kind) for kind in KINDS] if isinstance(written, dict) else []
    return {
        str(name): str(words)
        for kind in reversed(kinds)
        if isinstance(kind, dict)
        for name, words in kind.items()
    }


class Labels:
    """Puts labels in place of names.

    A text that is a name becomes its label. Within a sentence a name that no word can be (with an
    underscore, a digit, a dot) is replaced wherever it stands by itself; a name that is a plain
    word, such as `visit`, only in quotation marks, beside an arrow and where it is all that follows
    a number, as in "2 visit" for a step.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = dict(names)
        every = sorted(self.names, key=len, reverse=True)
        coded = [re.escape(name) for name in every if not name.replace(" ", "").isalpha()]
        plain = [re.escape(name) for name in every if name.replace(" ", "").isalpha()]
        parts = [rf"(?<![\w.-])(?:{'|'.join(coded)})(?![\w-])"] if coded else []
        if plain:
            either = "|".join(plain)
            parts.append(
                rf"(?<=“)(?:{either})(?=”)|(?<=→ )(?:{either})(?!\w)|(?<!\w)(?:{either})(?= →)"
            )
        self._found = re.compile("|".join(parts)) if parts else None

    def text(self, text: str) -> str:
        """A text with labels."""
        if text in self.names:
            return self.names[text]
        if self._found is None:
            return text
        step = _NUMBERED.fullmatch(text)
        if step and step[2] in self.names:
            return f"{step[1]}{self.names[step[2]]}{step[3]}"
        return self._found.sub(lambda found: self.names[found[0]], text)

    def html(self, text: str) -> str:
        """HTML with labels in its texts; tags stay as they are."""
        if self._found is None:
            return text
        return "".join(
            part if part.startswith("<") else escape(self.text(unescape(part)), quote=False)
            for part in _TAG.split(text)
        )

    def figure(self, spec: Any, *, shown: bool = False) -> Any:
        """A figure with labels in what it shows: a copy."""
        if self._found is None:
            return spec
        if isinstance(spec, Mapping):
            if spec.get("name") == SHORTENED:
                whole = self.text(str(spec["hovertext"]))
                return {**spec, "text": short(whole, len(str(spec["text"]))), "hovertext": whole}
            return {
                key: self.figure(value, shown=shown or key in _SHOWN or key == "meta")
                for key, value in spec.items()
            }
        if isinstance(spec, (list, tuple)):
            return [self.figure(value, shown=shown) for value in spec]
        return self.text(spec) if shown and isinstance(spec, str) else spec

    def result(self, value: Any, key: str = "") -> Any:
        """What a result says, with labels in its sentences; its keys stay."""
        if isinstance(value, Mapping):
            return {name: self.result(one, name) for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.result(one, key) for one in value]
        return self.text(value) if key in _TOLD and isinstance(value, str) else value

"""Themes as people write them down: theme → words or phrases, and which texts tell of which."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from cjlib.analyses.feedback.texts.text_features import LONGEST
from cjlib.errors import CjlibError, DataError, shown

STARTER = Path(__file__).with_name("taxonomy.yml")
Taxonomy = Mapping[str, Sequence[str]]


def read_taxonomy(given: Taxonomy | str | Path | None) -> dict[str, list[str]]:
    """The taxonomy given as a mapping or a YAML file; the starter file without one."""
    if isinstance(given, Mapping):
        return _checked(dict(given), "taxonomy")
    path = STARTER if given is None else Path(given)
    if not path.is_file():
        raise DataError(f"taxonomy: there is no file {shown(str(path))}.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise DataError(f"taxonomy: {path.name} is not YAML: {shown(str(fault))}.") from None
    return _checked(content, path.name)


def _checked(content: object, where: str) -> dict[str, list[str]]:
    if not isinstance(content, Mapping) or not content:
        raise CjlibError(
            f"taxonomy: {where} must map each theme to a list of words or phrases. Got {shown(content)}."
        )
    themes: dict[str, list[str]] = {}
    for theme, words in content.items():
        if (
            isinstance(words, str)
            or not isinstance(words, Sequence)
            or not words
            or not all(str(word).strip(" *") for word in words)
        ):
            raise CjlibError(
                f"taxonomy: theme {shown(theme)} of {where} must be a list of words or phrases. Got {shown(words)}."
            )
        themes[str(theme)] = [str(word) for word in words]
    return themes


def tells_of(texts: Sequence[str], taxonomy: Mapping[str, Sequence[str]]) -> NDArray[np.bool_]:
    """A row a text, a column a theme: whether any of the theme's words stands in the text."""
    patterns = [_pattern(words) for words in taxonomy.values()]
    # Small letters on both sides: a pattern that minds capitals is found in a third of the time. Equal texts are read once.
    small = [text[:LONGEST].replace("’", "'").lower() for text in texts]
    found = {
        text: [pattern.search(text) is not None for pattern in patterns]
        for text in dict.fromkeys(small)
    }
    return np.array([found[text] for text in small], dtype=bool).reshape(len(texts), len(patterns))


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    written = "|".join(_word(word) for word in sorted(words, key=lambda word: (-len(word), word)))
    return re.compile(rf"(?<!\w)(?:{written})(?!\w)")


def _word(word: str) -> str:
    # A space in a phrase is any white space; * is any run of letters.
    return r"\s+".join(
        re.escape(part).replace(r"\*", r"\w*")
        for part in word.strip().replace("’", "'").lower().split()
    )

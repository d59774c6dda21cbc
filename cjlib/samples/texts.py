"""What customers write: whole sentences put together by chance, with the slips that people make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import yaml
from numpy.typing import NDArray

from cjlib.samples.draws import Draws, Whole

pc: Any = pyarrow.compute  # its functions are made at import, where no type checker sees them

MOODS = ("negative", "neutral", "positive")
EMPTY, SHORT, FOREIGN, CONTACT, TYPO = 0.20, 0.09, 0.03, 0.012, 0.06
"""Shares of answers without text, of one or two words, in another language, with an address in them, with a slip of the fingers."""


@cache
def _phrases() -> Mapping[str, Any]:
    return yaml.safe_load(files("cjlib.samples").joinpath("texts.yml").read_text(encoding="utf-8"))


def topics() -> tuple[str, ...]:
    """What there are sentences about: the stages, and waiting for support."""
    return tuple(_phrases()["topics"])


def write_texts(
    draws: Draws, topic: Whole, mood: Whole, may_be_empty: NDArray[np.bool_]
) -> pa.Array:
    """One comment a row, about the topic and in the mood given as codes; null or blank where nothing was written."""
    phrases, n = _phrases(), len(topic)
    table = [phrases["topics"][name][tone] for name in topics() for tone in MOODS]
    cell = topic * len(MOODS) + mood
    parts = [
        _some(draws, [phrases["openers"][tone] for tone in MOODS], mood, 0.35),
        _some(draws, table, cell, 1.0),
        _some(draws, table, cell, 0.55),
        _some(draws, [phrases["closers"][tone] for tone in MOODS], mood, 0.35),
    ]
    # The same sentence is not written twice in one comment.
    parts[2] = pc.if_else(
        pc.fill_null(pc.equal(parts[1], parts[2]), False), pa.scalar(None, pa.string()), parts[2]
    )
    text = pc.binary_join_element_wise(*parts, " ", null_handling="skip")
    text = pc.if_else(pa.array(draws.happens(0.15, n)), pc.utf8_lower(text), text)
    text = pc.if_else(pa.array(draws.happens(0.18, n)), pc.utf8_rtrim(text, characters="."), text)
    text = pc.coalesce(_some(draws, [phrases["short"][tone] for tone in MOODS], mood, SHORT), text)
    text = pc.coalesce(
        _some(draws, [phrases["foreign"][tone] for tone in MOODS], mood, FOREIGN), text
    )
    # Slips first: a slip in an address would make it somebody's.
    text = _changed(draws, text, TYPO, _with_slip)
    text = _changed(draws, text, CONTACT, _with_contact)
    empty = draws.happens(EMPTY, n) & may_be_empty
    blank = pc.if_else(
        pa.array(draws.happens(0.04, n)), pa.scalar(" "), pa.scalar(None, pa.string())
    )
    return pc.if_else(pa.array(empty), blank, text)


def _some(draws: Draws, lists: Sequence[Sequence[str]], which: Whole, share: float) -> pa.Array:
    """One entry of the list that `which` names, in a share of the rows; null in the others."""
    lengths = np.array([len(one) for one in lists])
    first = np.cumsum(lengths) - lengths
    n = len(which)
    position = first[which] + (draws.uniform(n) * lengths[which]).astype(np.int64)
    left_out = ~draws.happens(share, n)
    return pa.array([text for one in lists for text in one]).take(pa.array(position, mask=left_out))


def _changed(
    draws: Draws, text: pa.Array, share: float, change: Callable[[str, float, float, float], str]
) -> pa.Array:
    """A share of the texts, changed one by one."""
    n = len(text)
    chosen = np.flatnonzero(draws.happens(share, n))
    if len(chosen) == 0:
        return text
    chance = draws.uniform(len(chosen), 3)
    changed = [
        change(old, *numbers)
        for old, numbers in zip(
            text.take(pa.array(chosen)).to_pylist(), chance.tolist(), strict=True
        )
    ]
    mask = np.zeros(n, dtype=bool)
    mask[chosen] = True
    return pc.replace_with_mask(text, pa.array(mask), pa.array(changed, pa.string()))


def _with_contact(text: str, one: float, two: float, three: float) -> str:
    """The text and an address or number that belongs to nobody: example.org, and numbers kept free for fiction."""
    phrases = _phrases()
    sentence = phrases["contacts"][int(one * len(phrases["contacts"]))]
    name = phrases["names"][int(two * len(phrases["names"]))]
    return f"{text} {sentence.format(name=name, number=100 + int(three * 900), hundred=100 + int(three * 100))}"


def _with_slip(text: str, one: float, two: float, three: float) -> str:
    """The text with two neighbouring letters swapped, one left out, or one doubled."""
    letters = [
        place
        for place, letter in enumerate(text[:-1])
        if letter.isascii() and letter.isalpha() and text[place + 1].isalpha()
    ]
    if not letters:
        return text
    place = letters[int(one * len(letters))]
    kinds = (
        text[place + 1] + text[place],
        text[place],
        text[place] + text[place] + text[place + 1],
    )
    return text[:place] + kinds[int(two * len(kinds))] + text[place + 2 :]

"""What is packed into a page comes out as it was."""

from __future__ import annotations

import gzip

from hypothesis import given, settings
from hypothesis import strategies as st

from cjlib.views.report.figures import LETTERS, base116, packed

PLACE = {chr(letter): place for place, letter in enumerate(LETTERS)}


def unpacked(text: str) -> bytes:
    """The reference: seven letters are one number of base 116, and six bytes."""
    missing = -len(text) % 7
    content = b""
    for start in range(0, len(text) + missing, 7):
        number = 0
        for letter in f"{text}{'~' * missing}"[start : start + 7]:
            number = number * 116 + PLACE[letter]
        content += number.to_bytes(6, "big")
    return content[: len(content) - missing]


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_every_content_comes_out_as_it_was(content):
    assert unpacked(base116(content)) == content


def test_the_letters_are_116_and_none_is_read_by_html():
    assert len(set(LETTERS.tolist())) == 116
    assert not set("<\0\n\r").intersection(map(chr, LETTERS))


def test_packed_content_unpacks_and_is_the_same_every_time():
    content = b"function plot() { return 1 < 2 && '>' }" * 100
    assert gzip.decompress(unpacked(str(packed(content)))) == content
    assert packed(content) == packed(content)

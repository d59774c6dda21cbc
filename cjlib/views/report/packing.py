"""Bytes as text that can stand in a page."""

from __future__ import annotations

import base64
import gzip

from markupsafe import Markup


def packed(content: bytes) -> Markup:
    """Content compressed, as text that can stand in a page: base 85, a sixteenth shorter than base 64, without the three letters HTML reads."""
    letters = base64.b85encode(gzip.compress(content, compresslevel=9, mtime=0))
    return Markup(letters.translate(bytes.maketrans(b"&<>", b",./")).decode())

"""Secrets are masked in everything that is written or printed.

A secret is the value of an environment variable that the journey file or a parameter names as `${NAME}` (paths excepted), and the password
of any address of the form `scheme://user:password@host`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from html import escape
from urllib.parse import quote, quote_plus

MASK = "•••"
SHORTEST = 4
"""A shorter value is not masked: taking every "a" out of a report would say more than it hides."""

_NAMED = re.compile(r"\$\{(\w+)[^}]*\}")
_PASSWORD = re.compile(r"(://[^\s:/@\"'<>]*:)[^\s\"'<>]+(@)")


class Mask:
    """Masks the given values wherever they stand, as they are and as JSON, URLs and Python write them."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values if len(value) >= SHORTEST for form in _forms(value)}
        # The longest first, so that a secret that holds another is masked as a whole.
        self._values = (
            re.compile(
                "|".join(
                    re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form))
                )
            )
            if forms
            else None
        )

    def __call__(self, text: str) -> str:
        """The text without its secrets."""
        masked = self._values.sub(MASK, text) if self._values else text
        return _PASSWORD.sub(rf"\g<1>{MASK}\g<2>", masked)


def _forms(value: str) -> set[str]:
    written = {
        value,
        repr(value)[1:-1],
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        escape(value),
        escape(value, quote=False),
    }
    return written | {
        json.dumps(form, ensure_ascii=ascii_only)[1:-1]
        for form in written
        for ascii_only in (True, False)
    }


def named_in(texts: Iterable[str]) -> list[str]:
    """The values of the environment variables that these texts name as `${NAME}`; a line that names a path holds no secret."""
    lines = [
        line
        for text in texts
        for line in text.splitlines()
        if "url" in line or not re.search(r"\bpath\s*:", line)
    ]
    names = {name for line in lines for name in _NAMED.findall(line)}
    return [os.environ[name] for name in sorted(names) if os.environ.get(name)]

"""What a notebook gets in place of a result where its data cannot answer a question."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cjlib.analyses.result import Result
from cjlib.errors import CjlibError


@dataclass(frozen=True, kw_only=True, eq=False)
class Unanswered(Result):
    """A question that these data cannot answer; the headline says why."""

    def compare(self) -> Unanswered:
        """The same: there is nothing to compare."""
        return self


def unanswered(why: str) -> Unanswered:
    """An answer without numbers."""
    return Unanswered.unanswered(why)


def because(what: str, fault: CjlibError) -> str:
    """What cannot be told, and why: the fault without the function or option that it names at its beginning, which is for those who write code."""
    return f"{what}: {re.sub(r'^[a-z_]+: ', '', str(fault))}"

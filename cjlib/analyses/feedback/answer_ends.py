"""Which answers to a score are bad and which are good, on the scale on which it was asked."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cjlib.sources.feedback.table import SCORES

Ends = tuple[int, int]
USUAL: Mapping[str, Ends] = {"nps": (6, 9), "rating": (2, 4), "csat": (2, 4), "ces": (3, 5)}
"""Score → highest bad and lowest good answer, on NPS 0–10, ratings and CSAT 1–5, CES 1–7; what lies between is neither."""


def ends_of(
    score: str, scales: Mapping[str, tuple[int, int]], usual: Mapping[str, Ends] = USUAL
) -> Ends:
    """The highest bad and the lowest good answer: those of the usual scale; of another one the same part of it, as 8–10 of 1–10 for 4–5 of 1–5.

    Of NPS always the usual ones, since it has but one scale.
    """
    bad_to, good_from = usual[score]
    (low, high), (lowest, highest) = scales.get(score, SCORES[score]), SCORES[score]
    if score == "nps":
        return bad_to, good_from
    step = (high - low) / (highest - lowest)
    # What is a whole answer up to rounding is that answer.
    return (
        math.floor(low + (bad_to - lowest) * step + 1e-9),
        math.ceil(low + (good_from - lowest) * step - 1e-9),
    )

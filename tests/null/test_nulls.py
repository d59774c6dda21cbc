"""Sentences do not claim what is not so, on few businesses; `make nulls` asks many."""

from __future__ import annotations

from functools import cache

import pytest
from harness import upper_bound
from scipy.stats import binom
from sentences import JOURNEYS, SENTENCES, Sentence
from worlds import WORLDS, Business

QUICK = {one.name for one in JOURNEYS}
FEW = ("growth", "season", "tiny n")
"""Where the slower sentences are asked here."""


@cache
def business(world: str) -> Business:
    return WORLDS[world].business(1)


def asked(sentence: Sentence) -> list[str]:
    worlds = WORLDS if sentence.name in QUICK else FEW
    return [name for name in worlds if name not in sentence.not_in]


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence.name)
def test_a_sentence_claims_nothing_where_nothing_happens(sentence: Sentence) -> None:
    claims = {name: sentence.claim(business(name)) for name in asked(sentence)}
    told = [name for name, claim in claims.items() if claim is not None and claim.told]
    assert len(told) <= binom.ppf(0.999, len(claims), 0.05), told


def test_the_upper_bound_is_that_of_clopper_and_pearson() -> None:
    assert upper_bound(0, 60) == pytest.approx(1 - 0.05 ** (1 / 60))
    assert upper_bound(4, 200) < 0.05 < upper_bound(5, 200)
    assert upper_bound(3, 3) == 1

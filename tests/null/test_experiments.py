"""Whoever looks at an experiment every day is misled in at most one of twenty; `python tests/null/experiments.py` asks a thousand."""

from __future__ import annotations

import pytest
from experiments import KINDS, Kind, sample_ratio_alarms, shares
from scipy.stats import binom

FEW = 25


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_intervals_that_hold_at_every_look_do(kind: Kind) -> None:
    found = shares(kind, FEW)
    most = binom.ppf(0.999, FEW, 0.05) / FEW
    assert 1 - found["always"] <= most
    assert kind.lift or found["verdict"] <= most


def test_the_sample_ratio_raises_the_alarm_where_it_should_and_seldom_where_not() -> None:
    assert sample_ratio_alarms(0.5, 20_000, 2_000) <= 0.01
    assert sample_ratio_alarms(0.48, 20_000, 2_000) >= 0.95

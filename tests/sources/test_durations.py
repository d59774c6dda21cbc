"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from cjlib.errors import CjlibError
from cjlib.sources.log.durations import microseconds


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("14D", 14 * 86_400),
        ("1D", 86_400),
        ("6h", 21_600),
        ("30min", 1_800),
        ("90s", 90),
        ("2W", 14 * 86_400),
        ("1.5h", 5_400),
        (" 30 min ", 1_800),
        ("3 days", 3 * 86_400),
        ("1 hour", 3_600),
        ("0s", 0),
        (timedelta(hours=2), 7_200),
        (pd.Timedelta("1D"), 86_400),
    ],
)
def test_a_duration_is_elapsed_time(written, seconds):
    assert microseconds(written, "window") == seconds * 1_000_000


def test_a_microsecond_is_kept_in_a_long_duration():
    assert (
        microseconds(timedelta(days=100_000, microseconds=1), "window")
        == 100_000 * 86_400_000_000 + 1
    )


@pytest.mark.parametrize(
    "written", ["14", 14, 14.0, "", "D", "2 fortnights", "1M", "-3D", None, True]
)
def test_a_bare_number_or_an_unknown_unit_is_refused(written):
    with pytest.raises(
        CjlibError,
        match=r"window: must be a duration with its unit, such as '14D', '6h', '30min' or '90s'. Got ",
    ):
        microseconds(written, "window")


def test_a_negative_duration_is_refused():
    with pytest.raises(CjlibError, match=r"gap: a duration cannot be negative"):
        microseconds(timedelta(seconds=-1), "gap")

"""How numbers are written, wherever a reader meets them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cjlib.show import numbers


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (999.9, "1,000"),
        (999.4, "999"),
        (12.345, "12.3"),
        (12.0, "12"),
        (0.00012, "0.00012"),
        (-0.0312, "−0.0312"),
        (1204, "1,204"),
        (123_456_789.5, "123,456,790"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
    ],
)
def test_a_number_has_three_digits_and_all_before_the_point(value, written):
    assert numbers.number(value) == written


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0.427, "42.7%"),
        (0.9997, ">99.9%"),
        (0.0002, "<0.1%"),
        (1, "100.0%"),
        (0, "0.0%"),
        (-0.0312, "−3.1%"),
        (math.nan, "–"),
    ],
)
def test_a_share_prints_as_all_or_nothing_only_if_it_is(share, written):
    assert numbers.percent(share) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (106_598, "1 d 5 h"),
        (3_599.7, "1 h"),
        (259_205, "3 d"),
        (59.97, "1 min"),
        (86_399, "23 h 59 min"),
        (5_400, "1 h 30 min"),
        (750, "12 min 30 s"),
        (4.2, "4.2 s"),
        (0, "0 s"),
        (-5_400, "−1 h 30 min"),
        (100 * 86_400, "100 d"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds, written):
    assert numbers.duration(seconds) == written


@pytest.mark.parametrize(
    ("microseconds", "written"),
    [
        (14 * 86_400_000_000, "14 days"),
        (86_400_000_000, "1 day"),
        (5_400_000_000, "1 hour 30 minutes"),
        (1_500_000, "1.5 seconds"),
        (0, "0 seconds"),
    ],
)
def test_a_length_of_time_that_somebody_set_is_told_in_words(microseconds, written):
    assert numbers.timespan(microseconds) == written


def test_an_interval_that_begins_below_zero_is_not_taken_for_a_dash():
    assert numbers.interval(-0.025, 0.041) == "−2.5% to 4.1%"


def test_an_interval_carries_its_unit_once_and_shows_its_width():
    assert numbers.interval(0.191, 0.212) == "19.1–21.2%"
    assert numbers.interval(0.0025, 0.0033) == "0.25–0.33%"
    assert numbers.confidence(0.191, 0.212) == "95% CI 19.1–21.2%"
    assert numbers.confidence(None, 0.2) == ""


def test_differences_of_shares_are_points_with_a_sign():
    assert numbers.points(0.032) == "+3.2 points"
    assert numbers.points(-0.008) == "−0.8 points"
    assert numbers.points(0.0001) == "±0.0 points"
    assert numbers.points_interval(0.03, 0.059) == "+3.0 to +5.9 points"


def test_what_differs_is_not_written_alike():
    """Of 600,000 customers: "channel B converts 0.0 points above the others (0.1%, 0.1% of the others)", and "(0.1%, 95% CI 0.12–0.14%)"."""
    assert numbers.percents(0.00142, 0.00109) == ["0.14%", "0.11%"]
    assert numbers.percents(0.05, 0.06) == ["5.0%", "6.0%"]
    assert numbers.percents(0.05, 0.05) == ["5.0%", "5.0%"]
    assert numbers.points(0.0004, 0.0002, 0.0006) == "+0.04 points"
    assert numbers.points(0.0004, -0.0591, 0.0762) == "±0.0 points"
    assert numbers.points_interval(0.0002, 0.0006) == "+0.02 to +0.06 points"
    assert numbers.points_interval(-0.0004, 0.012) == "±0.0 to +1.2 points"
    assert numbers.percent_within(0.00126, 0.0012, 0.0014) == "0.13%"
    assert numbers.percent_within(0.202, 0.191, 0.212) == "20.2%"
    assert numbers.places_apart(0.71, 1.12, least=0) == 1


def test_a_text_is_never_cut_within_a_letter():
    assert numbers.short("cafe\u0301 au lait", 5) == "caf…"
    assert numbers.short("abc", 5) == "abc"


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_no_number_is_written_with_an_exponent_or_a_minus_of_the_keyboard(value):
    assert not set(numbers.number(value)) & {"e", "-"}


@given(st.floats(0, 1))
def test_a_share_below_all_never_prints_as_all(share):
    assert ("100" in numbers.percent(share)) == (share == 1)


@given(st.floats(0, 1e9))
def test_a_duration_never_shows_a_full_unit_as_the_smaller_one(seconds):
    text = numbers.duration(seconds)
    assert not text.endswith(" 60 s")
    assert text != "60 s"
    assert "60 min" not in text
    assert "24 h" not in text


def test_a_rank_that_is_known_is_one_number():
    assert [numbers.ranks(1, 1), numbers.ranks(2, 4)] == ["rank 1", "rank 2–4"]


def test_what_is_worth_a_part_of_the_smallest_amount_is_not_worth_nothing():
    """Customers of a business that counts in bitcoin were worth "0.00 each (95% CI 0.00 to 0.00)"."""
    assert [numbers.money(value, 2) for value in (0.00314, -0.00314, 0.004, 0.0, 1e-12)] == [
        "0.0031",
        "−0.0031",
        "0.004",
        "0.00",
        "0.00",
    ]
    assert numbers.money(0.4) == "0.4"

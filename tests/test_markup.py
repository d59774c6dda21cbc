"""Tables as a reader wants them: shares in percent, seconds in days, hours and minutes, texts escaped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cjlib.markup import cell_text, column_kinds, elapsed_text, table_html


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (0.42678, "share_of_first_low", "42.7 %"),
        (1.0, "share", "100.0 %"),
        (0.0003, "share", "<0.1 %"),
        (0.0, "small_share", "0.0 %"),
        (106_598.0, "median_seconds_from_previous", "1 d 5 h"),
        (-0.0271, "share", "−2.7 %"),
        (1204, "customers", "1,204"),
        (-3, "change", "−3"),
        (-41.2, "value", "−41.2"),
        (1204.4, "value", "1,204"),
        (0.123456, "p_value", "0.1235"),
        (float("nan"), "share", "–"),
        (None, "event", "–"),
        (pd.NaT, "first_at", "–"),
        (True, "complete", "yes"),
        ("a <b>", "event", "a <b>"),
    ],
)
def test_a_cell_is_written_for_reading(value, column, text):
    assert cell_text(value, column_kinds([column])[0]) == text


def test_a_difference_of_shares_is_in_points_and_bounds_are_of_the_kind_of_what_they_bound():
    columns = ["share_of_first", "low", "high", "other_share", "difference", "difference_low", "median_seconds", "low", "value", "low"]
    assert column_kinds(columns) == ["share", "share", "share", "share", "points", "points", "seconds", "seconds", "", ""]
    assert [cell_text(one, "points") for one in (0.0271, -0.0271, 0.0)] == ["+2.7 points", "−2.7 points", "±0.0 points"]
    assert column_kinds(["mean_before", "mean_after", "difference", "low"]) == ["", "", "", ""]
    assert "+2.7 points" in table_html(pd.DataFrame({"share": [0.5], "difference": [0.0271]}))
    assert "0.0271" in table_html(pd.DataFrame({"mean": [0.5], "difference": [0.0271]}))


def test_a_day_is_not_cut_at_its_hyphens():
    assert table_html(pd.DataFrame({"period_start": pd.to_datetime(["2025-12-01"])})).count("cj-day") == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (4.25, "4.25 s"),
        (59.9999, "60 s"),
        (90.0, "1 min 30 s"),
        (3_600.0, "1 h"),
        (-7_300.0, "−2 h 1 min"),
        (86_400.0 * 3 + 5, "3 d 5 s"),
    ],
)
def test_seconds_are_shown_in_their_two_largest_units(seconds, text):
    assert elapsed_text(seconds) == text


def test_hostile_names_are_shown_as_the_text_they_are():
    html = table_html(pd.DataFrame({"<script>": ["</td><img src=x onerror=alert(1)>"]}))
    assert "<img" not in html
    assert "<script>" not in html
    assert "&lt;img" in html


def test_rows_beyond_the_most_are_counted_not_dropped_silently():
    assert "5 more rows in .table" in table_html(pd.DataFrame({"n": np.arange(15)}), most=10)

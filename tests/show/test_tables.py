"""Tables as a reader wants them: shares in percent, seconds in days, hours and minutes, texts escaped."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest

from cjlib.show.tables import cell_text, column_kinds, table_html


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (0.42678, "share_of_first_low", "42.7%"),
        (1.0, "share", "100.0%"),
        (0.0003, "share", "<0.1%"),
        (0.0, "small_share", "0.0%"),
        (106_598.0, "median_seconds_from_previous", "1 d 5 h"),
        (-0.0271, "share", "−2.7%"),
        (1204, "customers", "1,204"),
        (-3, "change", "−3"),
        (-41.2, "value", "−41.2"),
        (1204.4, "value", "1,204"),
        (0.123456, "p_value", "0.123"),
        (1e-23, "p_adjusted", "<0.001"),
        (1234.5, "expected_profit", "1,234"),
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
    columns = [
        "share_of_first",
        "low",
        "high",
        "other_share",
        "difference",
        "difference_low",
        "median_seconds",
        "low",
        "value",
        "low",
    ]
    assert column_kinds(columns) == [
        "share",
        "share",
        "share",
        "share",
        "points",
        "points",
        "seconds",
        "seconds",
        "",
        "",
    ]
    assert [cell_text(one, "points") for one in (0.0271, -0.0271, 0.0)] == [
        "+2.7 points",
        "−2.7 points",
        "±0.0 points",
    ]
    assert column_kinds(["mean_before", "mean_after", "difference", "low"]) == ["", "", "", ""]
    assert "+2.7 points" in table_html(pd.DataFrame({"share": [0.5], "difference": [0.0271]}))
    assert "0.0271" in table_html(pd.DataFrame({"mean": [0.5], "difference": [0.0271]}))


def test_a_day_is_not_cut_at_its_hyphens():
    assert (
        table_html(pd.DataFrame({"period_start": pd.to_datetime(["2025-12-01"])})).count("cj-day")
        == 1
    )


def test_a_line_ends_between_the_parts_of_an_instant_and_not_within_its_offset():
    html = table_html(
        pd.DataFrame({"example": ["2024-01-01 00:00:00+01:00 to 2025-12-31 23:52:56.5-05:00 & on"]})
    )
    first, last = (["2024-01-01", "00:00:00", "+01:00"], ["2025-12-31", "23:52:56.5", "-05:00"])
    assert re.findall(r'<span class="cj-day">(.*?)</span>', html) == first + last
    assert re.sub(r"<[^>]+>", "", html).endswith(
        "2024-01-01 00:00:00+01:00 to 2025-12-31 23:52:56.5-05:00 &amp; on"
    )


def test_hostile_names_are_shown_as_the_text_they_are():
    html = table_html(pd.DataFrame({"<script>": ["</td><img src=x onerror=alert(1)>"]}))
    assert "<img" not in html
    assert "<script>" not in html
    assert "&lt;img" in html


def test_rows_beyond_the_most_are_counted_not_dropped_silently():
    assert "5 more rows in .table" in table_html(pd.DataFrame({"n": np.arange(15)}), most=10)


def test_bounds_stand_in_the_cell_of_their_number_with_its_unit_once():
    table = pd.DataFrame(
        {
            "segment": ["a", "b"],
            "share_left": [0.5, math.nan],
            "low": [0.4123, math.nan],
            "high": [0.6, math.nan],
            "n": [3, 0],
        }
    )
    html = table_html(table)
    assert re.findall(r"<th\b[^>]*>(.*?)</th>", html) == [
        "segment",
        "share left (low to high)",
        "n",
    ]
    assert '<td class="cj-bounds">50.0% <span>(41.2 to 60.0%)</span></td>' in html
    assert '<td class="cj-bounds">–</td>' in html


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((-29.2891, -34.26, -24.17), "−29 <span>(−34 to −24)"),
        ((-0.22173, -0.2607, -0.1827), "−0.222 <span>(−0.261 to −0.183)"),
        ((2.1, 0.9178, 3.282), "2.1 <span>(0.9 to 3.3)"),
        ((1234.56, 1000.0, 1500.0), "1,235 <span>(1,000 to 1,500)"),
        ((3.0, 3.0, 3.0), "3 <span>(3 to 3)"),
        ((3.0, math.nan, 4.0), "3 <span>(– to 4)"),
    ],
)
def test_a_number_with_bounds_has_as_many_decimals_as_the_interval_bears(values, words):
    table = pd.DataFrame([values], columns=["mean_score", "mean_low", "mean_high"])
    assert f'<td class="cj-bounds">{words}' in table_html(table)


@pytest.mark.parametrize(
    "names",
    [
        ("low", "x_low", "x_high"),
        ("value", "x_low", "x_high"),
        ("value", "low", "top"),
        ("n", "value", "low"),
    ],
)
def test_columns_that_are_no_bounds_of_the_one_before_keep_their_own_cells(names):
    assert table_html(pd.DataFrame([(1.0, 2.0, 3.0)], columns=list(names))).count("<td>") == 3


def test_what_a_name_does_not_say_the_tables_maker_does():
    table = pd.DataFrame({"value": [0.7753], "low": [0.77], "high": [0.781], "margin": [0.0055]})
    assert "77.5% <span>(77.0 to 78.1%)</span></td><td>±0.5 points" in table_html(
        table, kinds={"value": "share", "margin": "margin"}
    )
    assert "0.775 <span>(0.770 to 0.781)" in table_html(table)
    assert column_kinds(["csat", "csat_low", "csat_high", "nps"]) == ["share", "share", "share", ""]
    assert column_kinds(["csat", "nps"]) == ["", ""], "answers, not their share"


def test_probabilities_are_shown_as_shares_and_other_numbers_between_0_and_1_are_not():
    for name in (
        "churn_probability",
        "churn probability",
        "mean_churn_probability",
        "break-even probability",
        "p_no_purchase",
        "mean_predicted",
    ):
        assert column_kinds([name]) == ["share"], name
    assert column_kinds(["bin", "n", "mean_predicted", "observed", "low", "high"]) == [
        "",
        "",
        "share",
        "share",
        "share",
        "share",
    ]
    plain = [
        "observed",
        "psi",
        "auc",
        "pr_auc",
        "brier",
        "log_loss",
        "ece",
        "severity",
        "rank",
    ]
    assert column_kinds(plain) == [""] * len(plain)
    assert column_kinds(["p_value", "p_adjusted", "q_value"]) == ["p"] * 3
    assert column_kinds(["expected_profit", "revenue"]) == ["money"] * 2
    assert cell_text(0.7531, "share") == "75.3%"
    assert cell_text(math.inf, "share") == "∞"


def test_a_column_of_seconds_that_are_shown_as_durations_is_one_of_time():
    table = pd.DataFrame({"median_seconds_from_previous": [3123.0], "n": [3]})
    html = table_html(table)
    assert '<th scope="col">median time from previous</th>' in html
    assert "<td>52 min 3 s</td>" in html
    assert "seconds" in table_html(table, kinds={"median_seconds_from_previous": "p"})

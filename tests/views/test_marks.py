"""Tables with marks in them: places as percentages, every text escaped, hollow where there are too few."""

from __future__ import annotations

import re

import pytest

from cjlib.views import marks
from cjlib.views.marks import Mark, Scale, table_html
from cjlib.views.plots import theme
from cjlib.views.plots.rows import Axis, Dot, dot_rows
from cjlib.views.report.figures import read_rows

SHARES = Scale(title="share", percent=True, middle=0.5, middle_name="all together, 50%")


def drawn(*rows: Mark, kind="dot", scale=SHARES, names=()) -> str:
    return table_html(marks.spec(rows, scale, kind, names))


def test_a_dot_stands_where_its_value_lies_between_the_ends_of_the_scale():
    html = drawn(Mark(name="a", said="0%", value=0.0), Mark(name="b", said="100%", value=1.0))
    assert re.findall(r'class="cj-dot" cx="([\d.]+)%"', html) == ["3.00", "97.00"]
    assert re.findall(r'class="cj-middle" x1="([\d.]+)%"', html) == ["50.00", "50.00"]


def test_a_bar_begins_at_nothing_and_its_interval_lies_over_its_end():
    html = drawn(
        Mark(name="a", said="", value=0.5, low=0.25, high=1.0), kind="bar", scale=Scale(title="x")
    )
    assert 'x="3.00%" y="5" width="47.00%"' in html
    assert 'x1="26.50%" x2="97.00%"' in html


def test_a_row_that_rests_on_few_is_hollow_and_what_stands_out_is_bold():
    html = drawn(
        Mark(name="a", said="", value=0.1, faint=True, strong=True),
        Mark(name="b", said="", value=0.2, strong=True),
    )
    assert re.findall(r'<tr class="(cj-row[^"]*)"', html) == ["cj-row cj-faint", "cj-row cj-strong"]


def test_a_table_has_heads_in_scope_and_a_count_only_where_there_is_one():
    assert 'scope="col">n<' in drawn(Mark(name="a", said="", value=0.1, n=1204))
    assert "1,204" in drawn(Mark(name="a", said="", value=0.1, n=1204))
    assert 'scope="col">n<' not in drawn(Mark(name="a", said="", value=0.1))
    assert '<th scope="row">' in drawn(Mark(name="a", said="", value=0.1))


def test_text_from_data_is_no_markup():
    evil = "<img src=x onerror=alert(1)>"
    html = drawn(
        Mark(name=evil, said=evil, value=0.1, other=0.2, group=evil),
        kind="pair",
        scale=Scale(title=evil, middle=0.1, middle_name=evil),
        names=(evil, evil),
    )
    assert "<img" not in html
    assert html.count("&lt;img") == 7


def test_a_value_that_is_missing_draws_nothing():
    html = drawn(Mark(name="a", said="–", value=float("nan"), low=None, high=float("nan")))
    assert "cj-dot" not in html.split("<tfoot")[0]


def test_a_sparkline_breaks_nowhere_and_marks_the_newest_and_what_lies_outside():
    mark = Mark(
        name="a", said="", series=[1.0, None, 3.0, 2.0], band=[1.0, 2.0], target=2.5, flagged=[2]
    )
    html = drawn(mark, kind="spark", scale=Scale(title="x"))
    assert html.count("cj-flag") == html.count("cj-goal") == html.count("cj-band") == 1
    assert html.count('class="cj-dot"') == 1


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.25, 0.5, 0.75, 1]), (-50, 70, [-50, 0, 50]), (0.3, 1.0, [0.4, 0.6, 0.8, 1.0])],
)
def test_ticks_are_round_numbers_within_the_range(low, high, expected):
    assert marks.ticks(low, high) == expected


def test_a_report_reads_the_table_back_with_its_numbers_and_its_claim():
    figure = theme.rows_figure(
        marks.spec([Mark(name="a", said="10%", value=0.1)], SHARES, "dot"),
        caption="A is low.",
        alt="a: 10%",
        columns=["group", "share"],
        rows=[["a", 0.1]],
    )
    bundle = figure._repr_mimebundle_()
    assert "<table" in bundle["text/html"]
    read = read_rows(bundle[marks.MIME], 1)
    assert (read.caption, read.columns, read.rows) == (
        "A is low.",
        ("group", "share"),
        (("a", "10.0%"),),
    )
    assert "cj-dot" in read.table


def test_a_heat_cell_is_the_deeper_the_larger_and_a_missing_one_a_dash():
    html = drawn(
        Mark(name="ad", said="", series=[0.1, 0.4, None]),
        kind="heat",
        scale=Scale(title="share", percent=True),
        names=("first", "last", "<b>"),
    )
    assert re.findall(r"rgba\(43, 115, 214, ([\d.]+)\)", html) == ["0.105", "0.420"]
    assert re.findall(r"<td[^>]*>([^<]*)<", html) == ["10.0%", "40.0%", "–"]
    assert "&lt;b&gt;" in html


def test_an_interval_below_nothing_is_drawn_whole_also_on_an_axis_that_begins_at_nothing():
    figure = dot_rows(
        [Dot("a", 0.0, -1.0, 1.0, 100, "no difference")],
        Axis("difference", theme.percent_axis()),
        caption="",
        alt="",
        columns=["a"],
        rows=[[0]],
    )
    assert figure.layout.meta["table"]["scale"]["low"] == -1.0

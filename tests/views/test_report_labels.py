"""Names of the data in the words of the journey file, and money in its currency."""

from __future__ import annotations

import pytest

import cjlib as cj
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.report.labels import Labels, labels_of

NAMES = {"visit": "Site visit", "feature_board": "Board", "a<b_1": "A & B"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("visit", "Site visit"),
        ("feature_board", "Board"),
        ("They visit feature_board often.", "They visit Board often."),
        ("lost between “visit” and “buy”", "lost between “Site visit” and “buy”"),
        ("visit → feature_board → buy", "Site visit → Board → buy"),
        (
            "my_feature_board, feature_boards, feature_board-x",
            "my_feature_board, feature_boards, feature_board-x",
        ),
        ("visits", "visits"),
        ("<b>2 visit</b>", "<b>2 Site visit</b>"),
        ("2  visit", "2  Site visit"),
        ("of 2 visit days", "of 2 visit days"),
    ],
)
def test_a_name_becomes_its_label_where_it_stands_by_itself(text, shown):
    assert Labels(NAMES).text(text) == shown


def test_in_html_only_texts_change_and_stay_escaped():
    html = '<td title="feature_board">feature_board</td><td>a&lt;b_1</td>'
    assert Labels(NAMES).html(html) == '<td title="feature_board">Board</td><td>A &amp; B</td>'


def test_in_a_figure_only_what_is_shown_changes():
    figure = {
        "data": [{"type": "visit", "mode": "visit", "text": ["visit"], "x": ["visit"]}],
        "layout": {"meta": {"caption": "“visit” loses most.", "rows": [["visit", 3]]}},
    }
    told = Labels(NAMES).figure(figure)
    assert told["data"] == [
        {"type": "visit", "mode": "visit", "text": ["Site visit"], "x": ["visit"]}
    ]
    assert told["layout"]["meta"] == {
        "caption": "“Site visit” loses most.",
        "rows": [["Site visit", 3]],
    }


def test_a_result_keeps_its_keys_and_its_sentences_have_labels():
    result = {
        "headline": "feature_board wins.",
        "metrics": {"feature_board": {"label": "Credit of feature_board", "value": 1}},
    }
    told = Labels(NAMES).result(result)
    assert told["headline"] == "Board wins."
    assert told["metrics"] == {"feature_board": {"label": "Credit of Board", "value": 1}}


def test_without_labels_nothing_changes():
    assert Labels({}).text("feature_board") == "feature_board"
    assert Labels({}).html("<b>feature_board</b>") == "<b>feature_board</b>"


def test_labels_are_read_from_the_journey_file_all_kinds_together(tmp_path):
    file = tmp_path / "journey.yml"
    file.write_text("labels: {events: {buy: Purchase}, channels: {buy: no, ad: Ads}}\n")
    assert labels_of(file) == {"buy": "Purchase", "ad": "Ads"}
    assert labels_of(tmp_path / "none.yml") == labels_of(None) == {}


@pytest.mark.parametrize(
    ("currency", "places", "value", "text"),
    [
        (None, 0, 1944.6, "1,945"),
        (None, 2, -3.5, "−3.50"),
        (numbers.Currency("€"), 0, 1944.6, "€1,945"),
        (numbers.Currency("€"), 2, -3.5, "−€3.50"),
        (numbers.Currency("EUR", 0), 2, 1944.6, "EUR\u00a01,945"),
        (numbers.Currency("€"), 2, float("nan"), "–"),
    ],
)
def test_money_is_written_in_the_currency_with_at_most_its_decimals(currency, places, value, text):
    numbers.use_currency(currency)
    assert numbers.money(value, places) == text


@pytest.mark.parametrize(
    ("currency", "title"),
    [
        (None, "value"),
        (numbers.Currency("€"), "value (€)"),
        (numbers.Currency("<b>"), "value (&lt;b&gt;)"),
    ],
)
def test_an_axis_of_money_names_the_currency(currency, title):
    numbers.use_currency(currency)
    assert theme.money_axis("value")["title"]["text"] == title


def test_a_journey_file_says_the_currency_and_another_without_one_takes_it_back(tmp_path):
    stages = "name: Shop\nsources: {events: {path: e.csv}}\nstages: [{name: A}]\n"
    plain, euro = tmp_path / "plain.yml", tmp_path / "euro.yml"
    plain.write_text(stages)
    euro.write_text(stages + "currency: {symbol: €, decimals: 0}\n")
    assert cj.read_journey(euro).currency is not None
    assert numbers.amount(12.3) == "€12"
    cj.read_journey(plain)
    assert numbers.amount(12.3) == "12.3"


def test_a_currency_with_too_many_decimals_is_refused(tmp_path):
    file = tmp_path / "journey.yml"
    file.write_text(
        "name: Shop\nsources: {events: {path: e.csv}}\nstages: [{name: A}]\ncurrency: {symbol: €, decimals: 9}\n"
    )
    with pytest.raises(cj.CjlibError, match=r"currency\.decimals"):
        cj.read_journey(file)


def test_a_name_that_a_figure_shortens_is_labelled_before_it_is_shortened():
    note = {"name": "shortened", "text": "feature_b…", "hovertext": "feature_board"}
    (shown,) = Labels({"feature_board": "Board of plans"}).figure([note])
    assert (shown["text"], shown["hovertext"]) == ("Board of…", "Board of plans")

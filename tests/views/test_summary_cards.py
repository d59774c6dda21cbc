"""The answer: headline and cards, and a change that is only called one where it is significant."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib.analyses.metric_change import changes, difference_bounds
from cjlib.analyses.result import MIME, Result, metric
from cjlib.shared.stats import wilson
from cjlib.shared.two_samples import newcombe
from cjlib.views.notebook.summary_cards import change_words, kind_of


def result_of(headline: str = "It is so.", **metrics: dict) -> Result:
    return Result(
        table=pd.DataFrame({"n": [1]}),
        headline=headline,
        definition={"window": "14 days"},
        metrics=metrics,
    )


def share_of(count: int, base: int) -> dict:
    low, high = wilson(count, base)
    return metric(
        count / base,
        float(low),
        float(high),
        base,
        label="Conversion",
        unit="share",
        better="higher",
    )


def time_to_convert(value: float, low: float, high: float, n: int = 60) -> dict:
    label = "Median time to convert"
    return metric(value, low, high, n, label=label, unit="seconds", better="lower")


def cards(html: str) -> list[str]:
    return [re.sub(r"<[^>]+>", " ", card).split() for card in re.findall(r"<li>.*?</li>", html)]


def test_the_headline_stands_first_and_each_number_with_its_interval_and_n():
    said = cj.summary(
        result_of(
            conversion=share_of(60, 200),
            median_seconds_to_convert=time_to_convert(10800, 7200, 14400),
        )
    )
    assert (
        said.text
        == "It is so.\nConversion: 30.0% (95% CI 24.1–36.7% · n = 200)\nMedian time to convert: 3 h (95% CI 2 h to 4 h · n = 60)"
    )
    assert (
        said.html.index("It is so.")
        < said.html.index("<strong>30.0%</strong>")
        < said.html.index("<strong>3 h</strong>")
    )


def test_a_number_of_fewer_than_30_is_shown_as_such_and_not_bold():
    html = cj.summary(result_of(conversion=share_of(6, 29))).html
    assert "<strong>" not in html
    assert "n\u00a0=\u00a029: too few to read" in html
    assert "<strong>20.0%</strong>" in cj.summary(result_of(conversion=share_of(6, 30))).html


def test_text_from_data_is_escaped():
    html = cj.summary(
        result_of("<img src=x onerror=alert(1)> & more", **{"<b>x</b>": metric(1.0)})
    ).html
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; more" in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html


def test_the_report_and_run_json_get_what_the_result_itself_would_leave():
    result = result_of(conversion=share_of(60, 200))
    assert cj.summary(result)._repr_mimebundle_()[MIME] == result._repr_mimebundle_()[MIME]


def test_several_results_give_their_headlines_in_order_and_each_metric_once():
    first, second = (
        result_of("One.", conversion=share_of(60, 200)),
        result_of(
            "Two.",
            conversion=share_of(1, 100),
            nps=metric(12.0, 3.0, 20.0, 300, label="NPS", unit="points"),
        ),
    )
    said = cj.summary(first, second)
    assert said.headlines == ("One.", "Two.")
    assert said.text.splitlines()[2:] == [
        "Conversion: 30.0% (95% CI 24.1–36.7% · n = 200)",
        "NPS: +12 (95% CI +3 to +20 · n = 300)",
    ]
    assert said.told["headline"] == "One. Two."


def test_at_most_four_cards_and_those_of_a_numbered_row_only_where_there_is_room():
    numbered = {f"step_{k}_share_of_previous": share_of(60, 200) for k in (2, 3, 4, 5)}
    assert list(cj.summary(result_of(conversion=share_of(1, 100), **numbered)).metrics) == [
        "conversion",
        *(f"step_{k}_share_of_previous" for k in (2, 4, 5)),
    ]
    twelve = {f"retention_period_{k}": share_of(60, 200) for k in range(1, 13)}
    assert list(cj.summary(result_of(**twelve)).metrics) == [
        f"retention_period_{k}" for k in (1, 5, 8, 12)
    ]
    others = {name: metric(1.0) for name in ("a", "b", "c", "d", "e")}
    assert list(cj.summary(result_of(**numbered, **others)).metrics) == ["a", "b", "c", "d"]


def test_the_reader_chooses_cards_by_name():
    result = result_of(conversion=share_of(1, 100), step_2_share_of_previous=share_of(60, 200))
    assert list(cj.summary(result, cards=["step_2_share_of_previous"]).metrics) == [
        "step_2_share_of_previous"
    ]
    assert list(cj.summary(result, cards=[]).metrics) == []
    with pytest.raises(
        cj.CjlibError,
        match=r"cards: 'conversoin' is not among the metrics: 'conversion', 'step_2_share_of_previous'\. Did you mean 'conversion'\?",
    ):
        cj.summary(result, cards=["conversoin"])


def test_what_is_no_result_is_refused():
    with pytest.raises(
        cj.CjlibError,
        match=r"result: must be what an analysis returned, such as cj\.funnel\(log, …\)\. Got 'str'\.",
    ):
        cj.summary("headline")


def test_a_metric_whose_maker_says_nothing_is_its_name_and_a_plain_number():
    shown = kind_of("conversion_share", metric(0.3))
    assert (shown.words, shown.unit, shown.better) == ("Conversion share", "number", "")


def test_a_metric_is_shown_as_its_maker_says():
    score = metric(-41.0, -52.0, -30.0, 300, label="NPS of Onboarding", unit="points")
    worth = metric(1204.4, label="Value", unit="money")
    assert cj.summary(result_of(nps_x=score, mean_seconds_x=worth)).text.splitlines()[1:] == [
        "NPS of Onboarding: −41 (95% CI −52 to −30 · n = 300)",
        "Value: 1,204 (no interval)",
    ]


# ---- what changed ---------------------------------------------------------------------------------------------------


def words(name: str, now: dict, before: dict) -> str:
    return change_words(kind_of(name, now), changes([(before, now)])[0])


def test_a_significant_change_is_better_or_worse_in_words():
    many, fewer = share_of(300, 1000), share_of(200, 1000)
    assert words("conversion", many, fewer) == "10.0 points better than before (20.0%)"
    assert words("conversion", fewer, many) == "10.0 points worse than before (30.0%)"
    quick, slow = time_to_convert(3600, 3500, 3700, 500), time_to_convert(7200, 7000, 7400, 500)
    assert words("median_seconds_to_convert", quick, slow) == "1 h better than before (2 h)"
    slow, quick = (one | {"better": ""} for one in (slow, quick))
    assert words("median_seconds_on_page", slow, quick) == "1 h longer than before (1 h)"
    tickets = metric(40, 35, 45, 100), metric(20, 15, 25, 100)
    assert words("tickets", *tickets) == "20 higher than before (20)"


def test_a_change_within_noise_is_no_significant_change():
    said = words("conversion", share_of(210, 1000), share_of(200, 1000))
    assert said == "no significant change from 20.0%"


def test_a_change_is_corrected_over_the_cards_that_are_shown():
    now, before = share_of(258, 1000), share_of(200, 1000)
    assert "5.8 points" in words("conversion", now, before)
    same = share_of(500, 1000)
    metrics = {"conversion": now, "a_share": same, "b_share": same, "c_share": same}
    html = cj.summary(result_of(**metrics), previous={**metrics, "conversion": before}).html
    assert "no significant change from 20.0%" in html


def test_too_few_or_no_interval_is_no_ground_for_a_verdict():
    said = words("conversion", share_of(20, 25), share_of(200, 1000))
    assert said == "before 20.0%: too few to compare"
    said = words("tickets", metric(40), metric(20))
    assert said == "before 20, without an interval and n to judge the change by"
    said = words("conversion", metric(float("nan")), share_of(1, 100))
    assert said == "nothing to compare with"


def test_the_change_stands_on_the_card_and_only_where_there_was_a_number_before():
    now = result_of(conversion=share_of(300, 1000), nps=metric(5.0))
    html = cj.summary(now, previous=result_of(conversion=share_of(200, 1000))).html
    assert html.count("cj-change") == 1
    assert "10.0 points better than before (20.0%)" in html
    assert cj.summary(now, previous={"conversion": share_of(200, 1000)}).html == html


def test_a_funnel_is_set_against_the_period_before_it():
    start = pd.Timestamp("2025-01-06", tz="UTC")
    rows = [
        (f"{week}-{k}", event, start + pd.Timedelta(days=7 * week + day))
        for week, converted in enumerate((10, 60))
        for k in range(100)
        for event, day in (("visit", 0), ("buy", 1))
        if day == 0 or k < converted
    ]
    log = cj.read_events(
        pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]),
        timezone="UTC",
        observed_until="2025-03-01",
    )
    funnel = cj.funnel(log, ["visit", "buy"], window="3D", start="2025-01-13", end="2025-01-19")
    assert funnel.compare_previous_period().metrics["previous_conversion"]["value"] == 0.1
    assert (
        "50.0 points better than before (10.0%)"
        in cj.summary(funnel, previous=funnel.compare_previous_period()).html
    )


@settings(max_examples=100)
@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_the_interval_of_a_change_of_shares_is_newcombes(n, m, data):
    k, j = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    low, high = newcombe(k, n, j, m)
    assert difference_bounds(share_of(k, n), share_of(j, m)) == pytest.approx(
        (float(low), float(high))
    )


def test_a_change_has_no_better_side_where_the_two_agree_about_nothing():
    assert difference_bounds(metric(1.0), metric(2.0, 1.0, 3.0)) is None


def test_numbers_of_different_scales_are_not_compared():
    entry = {
        "value": 0.1,
        "low": 0.09,
        "high": 0.11,
        "n": 900,
        "label": "",
        "unit": "number",
        "better": "",
    }
    other = entry | {"value": 0.4, "low": 0.39, "high": 0.41}
    (same,) = changes([(entry, other)])
    (fitted,) = changes([(entry | {"scale": "fitted to 10 ratings"}, other)])
    assert (same.significant, fitted.significant) == (True, False)


def test_the_first_sentence_answers_and_the_others_stand_beneath_it():
    html = cj.summary(result_of("It fell by 2.5 points (n = 40). 3 of 4 <b> did. So p. m.")).html
    assert '<p class="cj-headline">It fell by 2.5 points (n = 40).</p>' in html
    assert '<p class="cj-rest">3 of 4 &lt;b&gt; did. So p. m.</p>' in html


def test_of_further_results_a_summary_shows_the_first_sentence_unless_it_or_the_rest_is_short():
    long, other = (f"{word} of the answers is worse than it was (n = 40)." for word in "AB")
    html = cj.summary(result_of("All is well."), result_of(f"{long} {other}")).html
    assert f'<p class="cj-headline">{long}</p><p class="cj-rest cj-in-full">{other}</p>' in html
    for headline in (f"{long} Association, not causation.", f"Ship it. {other}"):
        html = cj.summary(result_of("All is well."), result_of(headline)).html
        assert f'<p class="cj-headline">{headline}</p>' in html


def relative(value: float, low: float, high: float) -> dict:
    return metric(value, low, high, 1_307, label="Revenue", unit="change", better="higher")


@pytest.mark.parametrize(
    ("change", "card"),
    [
        (relative(0.148, -0.235, 0.531), "Revenue: +14.8% (95% CI −23.5% to +53.1% · n = 1,307)"),
        (
            relative(0.001, -1.005, 1.007),
            "Revenue: unclear (95% CI −100% to +101%: too wide to tell · n = 1,307)",
        ),
        (relative(-0.02, -0.5, 0.5), "Revenue: −2.0% (95% CI −50.0% to +50.0% · n = 1,307)"),
    ],
)
def test_a_relative_change_has_its_sign_and_one_that_may_be_anything_is_unclear(change, card):
    assert cj.summary(result_of(revenue=change)).text.splitlines()[1:] == [card]


def test_what_is_estimated_stands_before_what_is_only_a_count():
    many = {f"rows {k}": metric(float(k), label=f"Rows {k}") for k in range(4)}
    cards = cj.summary(result_of(**many, share=share_of(6, 30))).metrics
    assert list(cards) == ["share", "rows 0", "rows 1", "rows 2"]


def test_the_unit_of_a_difference_is_small_beside_its_number():
    gain = metric(0.111, 0.044, 0.178, 1_307, label="Signed up", unit="difference")
    assert "<strong>+11.1 <small>points</small></strong>" in cj.summary(result_of(gain=gain)).html

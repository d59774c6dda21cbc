"""NPS, CSAT and CES: counted by hand, their intervals, weights, and the published survey."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.analyses.feedback.answer_ends import ends_of
from cjlib.analyses.feedback.score_tables import nps_interval
from cjlib.analyses.feedback.score_texts import ratings_as_labels
from cjlib.shared.stats import mean_interval


def answers(**scores: list[float | None]) -> cj.Feedback:
    """Feedback with these scores, a row each."""
    n = len(next(iter(scores.values())))
    frame = pd.DataFrame(
        {
            "feedback_id": [f"f{row:04d}" for row in range(n)],
            "timestamp": pd.Timestamp("2025-01-06", tz="UTC"),
            **scores,
        }
    )
    return cj.read_feedback(frame)


def test_promoters_are_9_and_10_detractors_0_to_6():
    row = cj.nps(answers(nps=[10, 9, 8, 7, 6, 0])).table.iloc[0]
    assert [row["promoters"], row["passives"], row["detractors"]] == [2, 2, 2]
    assert row["value"] == 0


def test_nps_is_a_hundred_times_the_difference_of_the_shares():
    assert cj.nps(answers(nps=[10, 10, 10, 0])).table["value"].iloc[0] == 50.0


def test_blank_scores_are_counted_and_not_imputed():
    result = cj.nps(answers(nps=[10, None, None, 0]))
    assert result.table["n"].iloc[0] == 2
    assert result.metrics["n_blank"]["value"] == 2


def test_satisfied_are_4_and_5():
    row = cj.csat(answers(csat=[5, 4, 3, 2, 1])).table.iloc[0]
    assert [row["satisfied"], row["neutral"], row["dissatisfied"]] == [2, 1, 2]
    assert row["value"] == 0.4


def test_another_scale_is_said_not_inferred():
    frame = pd.DataFrame(
        {"q7": [10, 9, 8, 3, 1], "timestamp": pd.Timestamp("2025-01-06", tz="UTC")}
    )
    feedback = cj.read_feedback(frame, columns={"csat": ("q7", "1 to 10")})
    row = cj.csat(feedback, top=9).table.iloc[0]
    assert [row["satisfied"], row["neutral"], row["dissatisfied"]] == [2, 2, 1]
    assert "; satisfied: 9 or more on 1 to 10)" in cj.csat(feedback, top=9).headline


@pytest.mark.parametrize(
    ("score", "scale", "bad_to", "good_from"),
    [
        ("csat", (1, 5), 2, 4), ("csat", (1, 10), 3, 8), ("csat", (1, 7), 2, 6), ("csat", (0, 100), 25, 75), ("rating", (-1, 1), -1, 1),
        ("csat", (1, 3), 1, 3), ("csat", (0, 1), 0, 1), ("ces", (1, 7), 3, 5), ("ces", (1, 5), 2, 4), ("nps", (0, 10), 6, 9),
    ],
)  # fmt: skip
def test_on_another_scale_the_same_part_of_it_is_good_or_bad(score, scale, bad_to, good_from):
    assert ends_of(score, {score: scale}) == (bad_to, good_from)


@pytest.mark.parametrize(("low", "high"), [(1, 10), (0, 100), (-1, 1)])
def test_a_score_on_another_scale_is_read_alike_by_every_analysis(low, high):
    rows = pd.DataFrame(
        {
            "q7": [low, high, high, low] * 20,
            "text": [f"The parcel was {word} number {row}" for row in range(20) for word in ("late", "fine", "quick", "broken")],
            "timestamp": pd.Timestamp("2025-01-06", tz="UTC") + pd.to_timedelta(range(80), unit="h"),
        }
    )  # fmt: skip
    feedback = cj.read_feedback(rows, columns={"csat": ("q7", f"{low} to {high}")})
    result = cj.score(feedback)
    assert result.table[["satisfied", "dissatisfied"]].iloc[0].tolist() == [40, 40]
    assert f" on {low} to {high})" in result.headline
    told = ratings_as_labels(feedback.frame, feedback.scales)
    assert told.tolist() == np.where(feedback.frame["csat"] == high, 2, 0).tolist()
    words = cj.drivers(feedback)
    assert words.definition["base"].startswith("40 unhappy and 40 happy comments")
    assert f"happy {ends_of('csat', feedback.scales)[1]} or more" in words.definition["outcome"]
    assert result.crossed["of"].tolist() == [40, 40]


def test_the_definition_says_until_when_the_newest_period_has_answers():
    days = pd.to_datetime(["2025-01-06", "2025-01-20", "2025-02-03"])
    feedback = cj.read_feedback(
        pd.DataFrame(
            {"csat": [5, 4, 3], "timestamp": days, "text": ["It is good", "Fine", "Well"]}
        ),
        timezone="Europe/Berlin",
    )
    told = "month, by the business's calendar; the newest, from 2025-02-01 on, has answers until 2025-02-03"
    assert cj.csat(feedback, period="month").definition["period"] == told
    texts = cj.sentiment(feedback, period="month").definition["period"]
    assert texts.endswith("the newest, from 2025-02-01 on, has answers until 2025-02-03")


def test_easy_is_5_to_7_with_the_mean_beside_it():
    row = cj.ces(answers(ces=[7, 6, 5, 4, 3, 1])).table.iloc[0]
    assert [row["easy"], row["neutral"], row["hard"]] == [3, 1, 2]
    assert row["mean_score"] == pytest.approx(26 / 6)


def test_the_mean_has_students_interval():
    low, high = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert (low, high) == pytest.approx(
        (2 - 4.302653 * 1 / np.sqrt(3), 2 + 4.302653 * 1 / np.sqrt(3))
    )


def test_nps_of_the_survey_is_the_published_one_by_stage(shared_data: Path):
    raw = pd.read_csv(shared_data / "nps_verbatims" / "nps_verbatims.csv.gz")
    frame = pd.DataFrame(
        {
            "timestamp": pd.Timestamp("2018-01-01", tz="UTC"),
            "nps": raw["nps_score"],
            "text": raw["text"],
            "stage": raw["journey_stage"],
        }
    )
    result = cj.nps(cj.read_feedback(frame), by="stage")
    whole = result.metrics["nps"]
    assert (round(whole["value"], 2), whole["n"], result.metrics["n_blank"]["value"]) == (
        -24.69,
        2353,
        32,
    )
    assert (whole["high"] - whole["low"]) / 2 == pytest.approx(3.6, abs=0.1)
    table = result.table.set_index("segment")
    assert table["value"].round(2).to_dict() == {
        "First Payment": -29.29,
        "Order": -9.98,
        "Equipment Received": -56.71,
        "Service in Use": -76.67,
    }
    assert table["margin"].round(1).to_dict() == pytest.approx(
        {"First Payment": 5.1, "Order": 5.6, "Equipment Received": 9.8, "Service in Use": 22.6},
        abs=0.1,
    )
    assert (
        round(table.loc["Service in Use", "low"]),
        round(table.loc["Service in Use", "high"]),
    ) == (-92, -47)


def test_satisfaction_with_clothes_is_the_published_share(shared_data: Path):
    raw = pd.read_csv(shared_data / "clothing_reviews" / "clothing_reviews.csv.gz")
    frame = pd.DataFrame(
        {
            "timestamp": pd.Timestamp("2018-01-01", tz="UTC"),
            "rating": raw["rating"],
            "text": raw["review_text"],
        }
    )
    whole = cj.csat(cj.read_feedback(frame), score="rating").metrics["rating"]
    assert [round(whole[name], 4) for name in ("value", "low", "high")] == pytest.approx(
        [0.7753, 0.7699, 0.7806], abs=0.0002
    )


@pytest.mark.parametrize(("n", "least"), [(10, 0.93), (20, 0.93), (30, 0.93), (100, 0.93)])
def test_nps_intervals_cover_at_small_n(n, least):
    rng = np.random.default_rng(n)
    for shares in ((0.2, 0.3, 0.5), (0.5, 0.3, 0.2), (0.1, 0.1, 0.8), (0.33, 0.34, 0.33)):
        truth = 100 * (shares[0] - shares[2])
        drawn = rng.multinomial(n, shares, size=2_000)
        inside = [
            low <= truth <= high for _, low, high in (nps_interval(*row) for row in drawn.tolist())
        ]
        assert np.mean(inside) >= least


def test_segments_are_compared_pair_by_pair_and_adjusted():
    scores = [10.0] * 40 + [0.0] * 10 + [10.0] * 10 + [0.0] * 40 + [10.0] * 39 + [0.0] * 11
    result = cj.nps(
        cj.read_feedback(
            pd.DataFrame(
                {
                    "timestamp": pd.Timestamp("2025-01-06", tz="UTC"),
                    "nps": scores,
                    "stage": ["a"] * 50 + ["b"] * 50 + ["c"] * 50,
                }
            )
        ),
        by="stage",
    )
    pairs = result.comparisons.set_index(["segment", "other"])
    assert pairs.loc[("a", "b"), "p_adjusted"] < 0.001
    assert pairs.loc[("a", "c"), "p_adjusted"] > 0.5
    assert pairs.loc[("a", "b"), "difference"] == pytest.approx(120)


def test_segments_below_min_n_are_shown_small_and_not_compared():
    frame = pd.DataFrame(
        {
            "timestamp": pd.Timestamp("2025-01-06", tz="UTC"),
            "nps": [10.0] * 40 + [0.0] * 5,
            "stage": ["a"] * 40 + ["b"] * 5,
        }
    )
    result = cj.nps(cj.read_feedback(frame), by="stage")
    assert result.table.set_index("segment")["small_n"].to_dict() == {"a": False, "b": True}
    assert result.comparisons.empty


def test_weights_bring_the_value_to_the_population():
    frame = pd.DataFrame(
        {
            "timestamp": pd.Timestamp("2025-01-06", tz="UTC"),
            "nps": [10.0] * 90 + [0.0] * 10,
            "stage": ["a"] * 90 + ["b"] * 10,
        }
    )
    table = cj.nps(
        cj.read_feedback(frame), by="stage", weights={"a": 0.5, "b": 0.5}
    ).table.set_index("segment")
    assert table.loc["all (weighted)", "value"] == 0
    assert table.loc["all (weighted)", "effective_n"] == pytest.approx(1 / (0.25 / 90 + 0.25 / 10))


def test_a_weight_for_a_segment_without_answers_is_refused():
    with pytest.raises(cj.DataError, match="weights: no answers from 'b'"):
        cj.nps(answers(nps=[10, 0]), weights={"all": 0.5, "b": 0.5})


def test_a_segment_without_weight_is_refused():
    frame = pd.DataFrame(
        {"timestamp": pd.Timestamp("2025-01-06", tz="UTC"), "nps": [10.0, 0.0], "stage": ["a", "b"]}
    )
    with pytest.raises(cj.CjlibError, match="weights: no share is given for 'b'"):
        cj.nps(cj.read_feedback(frame), by="stage", weights={"a": 1})


def test_without_any_score_it_is_an_error_that_names_what_there_is():
    with pytest.raises(cj.DataError, match=r"nps: no row has this score.*scores present: 'csat'"):
        cj.nps(answers(csat=[5, 4]))


def test_an_unknown_segment_is_an_error():
    with pytest.raises(
        cj.CjlibError, match=r"by: there is no column 'stgae'. Did you mean 'stage'"
    ):
        cj.nps(answers(nps=[10, 0]), by="stgae")


def test_top_must_lie_on_the_scale():
    with pytest.raises(cj.CjlibError, match=r"top: must lie on the scale 1–5"):
        cj.csat(answers(csat=[5, 4]), top=6)


def test_the_distribution_holds_every_answer_of_the_scale():
    shown = cj.nps(answers(nps=[10, 10, 0])).distribution
    assert shown["answer"].tolist() == list(range(11))
    assert shown["n"].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]


def test_the_headline_says_interval_and_n():
    assert (
        cj.nps(answers(nps=[10.0] * 60 + [0.0] * 40)).headline
        == "NPS is +20 (95% CI +1 to +38, n = 100)."
    )


def test_few_answers_are_said_in_the_headline():
    assert (
        "fewer than 30 answers: read the interval, not the point"
        in cj.nps(answers(nps=[10, 0])).headline
    )


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "feedback_id": [f"f{row}" for row in range(200)],
            "timestamp": pd.Timestamp("2025-01-06", tz="UTC"),
            "nps": rng.integers(0, 11, 200).astype(float),
            "stage": rng.choice(["a", "b"], 200),
        }
    )
    one, other = (
        cj.nps(cj.read_feedback(one), by="stage")
        for one in (frame, frame.sample(frac=1, random_state=3))
    )
    assert one.table.to_csv() == other.table.to_csv()


# ---- answers of one customer -------------------------------------------------------------------------------------


def hourly(n: int) -> pd.DatetimeIndex:
    return pd.date_range("2025-01-06", periods=n, freq="h", tz="UTC")


def test_answers_of_one_customer_widen_the_interval_and_are_said():
    once = [10.0, 0.0] * 20
    frame = pd.DataFrame({"timestamp": hourly(120), "nps": once * 3})
    alone, repeated = (
        cj.nps(cj.read_feedback(frame.assign(customer_id=ids)))
        for ids in (np.arange(120).astype(str), np.tile(np.arange(40), 3).astype(str))
    )
    assert (
        repeated.table["customers"].iloc[0],
        repeated.table["value"].iloc[0],
    ) == (40, alone.table["value"].iloc[0])
    width = [one.table["high"].iloc[0] - one.table["low"].iloc[0] for one in (alone, repeated)]
    assert width[1] == pytest.approx(width[0] * np.sqrt(3), rel=0.08)
    assert "n = 120 answers of 40 customers" in repeated.headline


def accounts(seed: int) -> cj.Feedback:
    """70 accounts, eight answers each, alike within an account; segments are halves of the accounts by chance."""
    rng = np.random.default_rng(seed)
    mood = np.sqrt(0.5) * rng.normal(size=(70, 1)) + np.sqrt(0.5) * rng.normal(size=(70, 8))
    frame = pd.DataFrame(
        {
            "timestamp": hourly(560),
            "nps": np.where(mood > 0.25, 10.0, np.where(mood < -0.84, 3.0, 8.0)).ravel(),
            "stage": np.repeat(np.arange(70) % 2, 8).astype(str),
            "customer_id": np.repeat(np.arange(70), 8).astype(str),
        }
    )
    return cj.read_feedback(frame)


def test_halves_of_accounts_seldom_differ_and_intervals_cover():
    results = [cj.nps(accounts(seed), by="stage") for seed in range(20)]
    assert sum((one.comparisons["p_value"] < 0.05).any() for one in results) <= 3
    truth = 100 * (0.4013 - 0.2005)
    inside = [one.metrics["nps"]["low"] <= truth <= one.metrics["nps"]["high"] for one in results]
    assert np.mean(inside) >= 0.85


def test_a_customer_at_two_stages_is_one_customer():
    # Some are happier at the second stage: between customers this is lost, within them it is plain.
    mood = np.random.default_rng(0).choice([3.0, 8.0], 60)
    happier = np.where(np.arange(60) < 9, np.where(mood == 3.0, 8.0, 10.0), mood)
    frame = pd.DataFrame(
        {
            "timestamp": hourly(120),
            "nps": np.r_[mood, happier],
            "stage": ["a"] * 60 + ["b"] * 60,
        }
    )
    p = [
        cj.nps(cj.read_feedback(frame.assign(customer_id=ids)), by="stage").comparisons["p_value"][
            0
        ]
        for ids in (np.tile(np.arange(60), 2).astype(str), np.arange(120).astype(str))
    ]
    assert p[0] < 0.02
    assert p[1] > 0.05


def test_a_segment_that_is_worse_than_the_others_is_a_finding_with_its_family():
    frame = pd.DataFrame(
        {
            "timestamp": pd.Timestamp("2025-01-06", tz="UTC"),
            "nps": [10.0] * 40 + [0.0] * 40 + [10.0] * 40,
            "stage": ["a"] * 40 + ["b"] * 40 + ["c"] * 40,
        }
    )
    result = cj.nps(cj.read_feedback(frame), by="stage")
    worst = next(one for one in result.findings if one.direction == "bad")
    assert worst.claim.startswith("NPS of b is −100, 200 points below that of the others")
    assert (worst.customers, worst.unit) == (40, "points")
    assert result.families == {"nps of segments against the others": 3}
    assert "3 comparisons of nps of segments against the others" in result.definition["tests"]


# ---- weights, halves, shares -------------------------------------------------------------------------------------


def two_sources(**scores: list[float]) -> cj.Feedback:
    n = len(next(iter(scores.values())))
    return cj.read_feedback(
        pd.DataFrame(
            {
                "timestamp": pd.Timestamp("2025-01-06", tz="UTC"),
                "source": ["a"] * (n // 2) + ["b"] * (n - n // 2),
                **scores,
            }
        )
    )


@pytest.mark.parametrize("csat", [[5] * 20, [5] * 9 + [1] + [5] * 10])
def test_weighted_shares_stay_on_the_scale_and_are_never_certain(csat):
    row = cj.csat(two_sources(csat=csat), by="source", weights={"a": 0.7, "b": 0.3}).table.iloc[-1]
    assert 0 < row["low"] < row["value"] <= row["high"] <= 1


def test_a_weighted_nps_stays_on_the_scale():
    row = cj.nps(two_sources(nps=[10] * 20), by="source", weights={"a": 0.7, "b": 0.3}).table
    assert -100 < row["low"].iloc[-1] < row["high"].iloc[-1] <= 100


def test_half_stars_are_answers_of_the_distribution_too():
    shown = cj.csat(answers(rating=[4.5] * 20 + [5] * 10 + [3.5] * 10), score="rating").distribution
    assert shown["n"].sum() == 40
    assert shown["share_of_answers"].sum() == pytest.approx(1)
    assert shown.set_index("answer").loc[4.5, "n"] == 20


def test_more_answers_than_were_asked_give_no_response_share():
    frame = pd.DataFrame({"timestamp": pd.Timestamp("2025-01-06", tz="UTC"), "nps": [10.0] * 40})
    said = cj.nps(cj.read_feedback(frame, asked=10)).definition["response share"]
    assert said == "not known: 40 answers are more than the 10 said to be asked"


def test_one_bad_stage_does_not_make_news_of_all_the_others():
    """Onboarding is hated, all others are alike: they are compared without it once it is named."""
    good, bad = [10] * 50 + [8] * 30 + [3] * 20, [10] * 10 + [8] * 20 + [3] * 70
    stages = ["A", "B", "Onboarding", "Z"]
    frame = pd.DataFrame(
        {
            "timestamp": pd.Timestamp("2025-01-06", tz="UTC"),
            "nps": [*good, *good, *bad, *good],
            "stage": np.repeat(stages, 100),
        }
    )
    result = cj.nps(cj.read_feedback(frame), by="stage")
    table = result.against_others.set_index("segment")
    assert [finding.topic for finding in result.findings] == ["stage Onboarding"]
    assert table.loc["Onboarding", ["difference", "without"]].tolist() == [-90.0, ""]
    assert table.loc["A", ["difference", "without", "other_customers"]].tolist() == [
        0.0,
        "Onboarding",
        200,
    ]


def test_a_second_stage_that_differs_is_named_beside_those_that_do_not():
    good, bad = [10] * 50 + [8] * 30 + [3] * 20, [10] * 10 + [8] * 20 + [3] * 70
    frame = pd.DataFrame(
        {
            "timestamp": pd.Timestamp("2025-01-06", tz="UTC"),
            "nps": [*good, *good, *bad, *([10] * 90 + [8] * 10)],
            "stage": np.repeat(["A", "B", "Onboarding", "Z"], 100),
        }
    )
    result = cj.nps(cj.read_feedback(frame), by="stage")
    assert [finding.topic for finding in result.findings] == ["stage Onboarding", "stage Z"]
    assert "110 points below that of the others (" in result.findings[0].claim
    assert "60 points above that of the others without Onboarding" in result.findings[1].claim


def test_equal_segments_have_no_range_and_shared_ends_no_name():
    """Three segments all at 0 were told to go "from 0 (a, n = 40) to 0 (c, n = 40)"."""
    answers = pd.DataFrame(
        {
            "timestamp": "2025-01-01",
            "nps": ([10] * 20 + [0] * 20) * 3,
            "shop": ["a"] * 40 + ["b"] * 40 + ["c"] * 40,
        }
    )
    alike = cj.nps(cj.read_feedback(answers), by="shop")
    assert alike.headline.endswith("; the same in each of 3 segments.")
    better = answers.assign(nps=answers["nps"].where(answers["shop"] != "a", 10))
    assert cj.nps(cj.read_feedback(better), by="shop").headline.endswith(
        "; from 0 (2 segments) to +100 (a, n = 40)."
    )


def test_several_series_are_called_series():
    """The definition said "2 seriess searched for levels"."""
    days = pd.date_range("2024-01-01", periods=600, freq="12h", tz="UTC")
    frame = pd.DataFrame(
        {"customer_id": [f"c{k}" for k in range(600)], "timestamp": days, "nps": 9, "stage": "A"}
    )
    frame.loc[::2, "stage"] = "B"
    found = cj.nps(cj.read_feedback(frame), by="stage", period="month")
    assert "2 series searched for levels of nps" in found.definition["tests"]

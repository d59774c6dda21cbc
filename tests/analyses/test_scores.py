"""NPS, CSAT and CES: counted by hand, their intervals, weights, and the published survey."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.analyses.feedback.scores import nps_interval
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
    with pytest.raises(
        cj.CjlibError,
        match=r"^top: csat was asked from 1 to 10; say from which answer on it counts as satisfied, such as top=9\.$",
    ):
        cj.csat(feedback)


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

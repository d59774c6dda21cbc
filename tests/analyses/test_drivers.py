"""Words that go with unhappy answers and with happy ones, beyond chance."""

import numpy as np
import pandas as pd
import pytest

import cjlib as cj

DAY = pd.Timestamp("2025-01-06", tz="UTC")
COMMON = "the delivery of this order reached the house"


def answers(bad: list[str], good: list[str], **options) -> cj.Feedback:
    texts = bad + good
    scores = [1] * len(bad) + [10] * len(good)
    return cj.read_feedback(
        pd.DataFrame(
            {
                "timestamp": DAY,
                "text": [f"{text} {row}" for row, text in enumerate(texts)],
                "nps": scores,
            }
            | options
        )
    )


@pytest.fixture(scope="module")
def found():
    return cj.drivers(answers([f"{COMMON} broken"] * 40, [f"{COMMON} quickly"] * 40))


def test_terms_that_separate_the_sides_are_found_each_on_its_side(found):
    assert (
        found.table.set_index("term")["side"].to_dict()
        | {"broken": "detractor", "quickly": "promoter"}
        == found.table.set_index("term")["side"].to_dict()
    )
    assert not {"delivery", "order", "house"} & set(found.table["term"])


def test_a_comment_counts_once_per_term():
    table = cj.drivers(
        answers([f"{COMMON} broken broken broken"] * 30, [f"{COMMON} quickly"] * 30)
    ).table.set_index("term")
    assert table.loc["broken", ["n_detractor", "n_promoter"]].tolist() == [30, 0]


def test_log_odds_follow_monroe_by_hand():
    # Two terms in all, broken in 20 of 20 bad and quickly in 20 of 20 good comments: the prior gives each 250 of 500 tokens.
    table = cj.drivers(answers(["broken"] * 20, ["quickly"] * 20)).tested.set_index("term")
    expected = np.log(270 / (20 + 500 - 270)) - np.log(250 / (20 + 500 - 250))
    assert table.loc["broken", "log_odds"] == pytest.approx(expected)
    assert table.loc["broken", "z"] == pytest.approx(expected / np.sqrt(1 / 270 + 1 / 250))


def test_the_middle_and_rows_without_a_score_are_left_out():
    feedback = answers(["broken item"] * 12, ["quick item"] * 12)
    frame = pd.DataFrame(
        {
            "timestamp": DAY,
            "text": [f"middling item {row}" for row in range(9)],
            "nps": [7, 8, None] * 3,
        }
    )
    both = cj.read_feedback(pd.concat([feedback.frame[["timestamp", "text", "nps"]], frame]))
    assert cj.drivers(both).definition["base"].startswith("12 unhappy and 12 happy comments")


def test_the_cut_of_another_outcome_is_said():
    feedback = cj.read_feedback(
        pd.DataFrame(
            {
                "timestamp": DAY,
                "text": [f"word {row}" for row in range(40)],
                "rating": [3] * 20 + [5] * 20,
            }
        )
    )
    assert (
        cj.drivers(feedback, outcome="rating").definition["outcome"]
        == "rating: unhappy 3 or less, happy 5 or more, what lies between left out"
    )


def test_permuted_answers_give_no_driver():
    rng = np.random.default_rng(0)
    words = np.array([f"word{letter}{other}" for letter in "abcdefgh" for other in "abcdefgh"])
    found = 0
    for _ in range(10):
        texts = [" ".join(rng.choice(words, 8)) for _ in range(300)]
        found += len(
            cj.drivers(
                cj.read_feedback(
                    pd.DataFrame(
                        {"timestamp": DAY, "text": texts, "nps": rng.permutation([1, 10] * 150)}
                    )
                ),
                quotes=False,
            ).table
        )
    assert found <= 1


def test_no_finding_is_said_as_such():
    result = cj.drivers(answers([COMMON] * 20, [COMMON] * 20))
    assert result.table.empty
    assert result.headline.startswith("No word goes with unhappy or happy answers beyond chance:")


def test_quotes_are_scrubbed_and_can_be_left_out():
    feedback = answers(
        [f"broken, call me at ann@example.org {COMMON}"] * 60, [f"{COMMON} quickly"] * 60
    )
    table = cj.drivers(feedback).table.set_index("term")
    assert "ann@example.org" not in str(table.loc["broken", "quote"])
    assert cj.drivers(feedback, quotes=False).table["quote"].isna().all()


def test_too_few_on_a_side_and_unknown_outcomes_are_refused():
    with pytest.raises(
        cj.DataError,
        match=r"^drivers: needs at least 10 comments on each side of nps\. There are 3 with 6 or less and 20 with 9 or more\.",
    ):
        cj.drivers(answers(["broken item"] * 3, ["fine item"] * 20))
    with pytest.raises(
        cj.CjlibError,
        match=r"^outcome: must be one of 'nps', 'rating', 'csat', 'ces'\. Got 'npss'\. Did you mean 'nps'\?",
    ):
        cj.drivers(answers(["a"] * 3, ["b"] * 3), outcome="npss")


def test_clothes_are_told_apart_by_their_words(shared_data):
    raw = pd.read_csv(shared_data / "clothing_reviews" / "clothing_reviews.csv.gz", nrows=3000)
    feedback = cj.read_feedback(
        raw[["review_text", "rating"]], columns={"review_text": "text"}, dates="none"
    )
    table = cj.drivers(feedback, outcome="rating", quotes=False).table
    assert {"disappointed", "returned"} & set(table.loc[table["side"] == "detractor", "term"])
    assert {"perfect", "comfortable", "love"} & set(table.loc[table["side"] == "promoter", "term"])

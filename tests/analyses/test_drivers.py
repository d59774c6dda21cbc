"""Words that go with unhappy answers and with happy ones, beyond chance."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

import cjlib as cj
from cjlib.analyses.feedback.drivers import _compared

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
    # Two terms in all, broken in 30 of 30 bad and quickly in 30 of 30 good comments: the prior gives each 250 of 500 tokens.
    table = cj.drivers(answers(["broken"] * 30, ["quickly"] * 30)).tested.set_index("term")
    expected = np.log(280 / (30 + 500 - 280)) - np.log(250 / (30 + 500 - 250))
    assert table.loc["broken", "log_odds"] == pytest.approx(expected)
    assert table.loc["broken", "z"] == pytest.approx(expected / np.sqrt(1 / 280 + 1 / 250))


def test_the_middle_and_rows_without_a_score_are_left_out():
    feedback = answers(["broken item"] * 32, ["quick item"] * 32)
    frame = pd.DataFrame(
        {
            "timestamp": DAY,
            "text": [f"middling item {row}" for row in range(9)],
            "nps": [7, 8, None] * 3,
        }
    )
    both = cj.read_feedback(pd.concat([feedback.frame[["timestamp", "text", "nps"]], frame]))
    assert cj.drivers(both).definition["base"].startswith("32 unhappy and 32 happy comments")


def test_the_cut_of_another_outcome_is_said():
    feedback = cj.read_feedback(
        pd.DataFrame(
            {
                "timestamp": DAY,
                "text": [f"word {row}" for row in range(60)],
                "rating": [3] * 30 + [5] * 30,
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
    result = cj.drivers(answers([COMMON] * 30, [COMMON] * 30))
    assert result.table.empty
    assert result.headline.startswith(
        "No word goes significantly more with unhappy or with happy answers:"
    )


def test_quotes_are_scrubbed_and_can_be_left_out():
    feedback = answers(
        [f"broken, call me at ann@example.org {COMMON}"] * 60, [f"{COMMON} quickly"] * 60
    )
    table = cj.drivers(feedback).table.set_index("term")
    assert "ann@example.org" not in str(table.loc["broken", "quote"])
    assert cj.drivers(feedback, quotes=False).table["quote"].isna().all()


def test_too_few_on_a_side_is_the_answer_and_an_unknown_outcome_is_refused():
    few = cj.drivers(answers(["broken item"] * 3, ["fine item"] * 20))
    assert not few.answered
    assert (
        few.headline
        == "Words cannot be compared: that needs comments in English of at least 30 customers on each side of nps. "
        "There are 3 by 3 customers with 6 or less and 20 by 20 customers with 9 or more."
    )
    with pytest.raises(
        cj.CjlibError,
        match=r"^outcome: must be one of 'nps', 'rating', 'csat', 'ces'\. Got 'npss'\. Did you mean 'nps'\?",
    ):
        cj.drivers(answers(["a"] * 3, ["b"] * 3), outcome="npss")


def test_where_no_word_is_common_enough_none_is_said_to_differ():
    apart = [f"{letter}{other}word" for letter in "abcdefgh" for other in "abcdefgh"]
    result = cj.drivers(answers(apart[:32], apart[32:]))
    assert result.headline == (
        "Words cannot be compared: too few stand in enough comments, n = 32 unhappy and 32 happy comments by nps."
    )


def test_words_of_fewer_than_30_customers_are_not_compared_however_much_these_write():
    many = answers(
        [f"{COMMON} broken"] * 60,
        [f"{COMMON} quickly"] * 60,
        customer_id=[f"b{row % 12}" for row in range(60)] + [f"g{row}" for row in range(60)],
    )
    result = cj.drivers(many)
    assert not result.answered
    assert result.headline.endswith(
        "There are 60 by 12 customers with 6 or less and 60 by 60 customers with 9 or more."
    )


def test_where_customers_wrote_several_comments_the_headline_says_of_how_many_they_are():
    many = answers(
        [f"{COMMON} broken"] * 80,
        [f"{COMMON} quickly"] * 60,
        customer_id=[f"b{row % 40}" for row in range(80)] + [f"g{row}" for row in range(60)],
    )
    result = cj.drivers(many)
    assert "n = 80 unhappy and 60 happy comments by nps, of 40 and 60 customers)" in result.headline
    assert [finding.customers for finding in result.findings] == [40]


def test_comments_in_another_language_are_the_reason_that_is_told():
    german = "Das Paket ist immer noch nicht angekommen und niemand antwortet mir"
    assert cj.drivers(answers([german] * 20, [german] * 20)).headline.endswith(
        "There are none with 6 or less and none with 9 or more; 40 comments more in other languages."
    )


def test_a_word_in_thirty_against_ten_percent_is_found():
    rng = np.random.default_rng(0)
    filler = [f"word{letter}{other}" for letter in "abcdefgh" for other in "abcdefgh"]
    found = 0
    for _ in range(10):
        texts = [[*rng.choice(filler, 6)] for _ in range(300)]
        for row, share in enumerate([0.3] * 150 + [0.1] * 150):
            texts[row] += ["broken"] * int(rng.random() < share)
        joined = [f"{COMMON} and it was {' '.join(words)}" for words in texts]
        tested = cj.drivers(answers(joined[:150], joined[150:]), quotes=False).table
        found += "broken" in set(tested["term"])
    assert found >= 4


def test_words_of_an_account_are_not_words_of_unhappiness():
    rng = np.random.default_rng(1)
    runs = 0
    for _ in range(12):
        who = np.repeat(np.arange(60), 20)
        own = rng.beta(0.45, 2.55, size=(60, 60))
        presence = csr_matrix((rng.random((1200, 60)) < own[who]).astype(np.int64))
        mood = np.sqrt(0.7) * rng.normal(size=60)[who] + np.sqrt(0.3) * rng.normal(size=1200)
        tested, _ = _compared(presence, [f"t{k}" for k in range(60)], mood < 0, who)
        runs += bool((tested["q_value"] < 0.05).any())
    assert runs <= 2


def test_clothes_are_told_apart_by_their_words(shared_data):
    raw = pd.read_csv(shared_data / "clothing_reviews" / "clothing_reviews.csv.gz", nrows=3000)
    feedback = cj.read_feedback(
        raw[["review_text", "rating"]], columns={"review_text": "text"}, dates="none"
    )
    table = cj.drivers(feedback, outcome="rating", quotes=False).table
    assert {"disappointed", "returned"} & set(table.loc[table["side"] == "detractor", "term"])
    assert {"perfect", "comfortable", "love"} & set(table.loc[table["side"] == "promoter", "term"])

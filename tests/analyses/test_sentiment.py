"""Labels for texts, and shares only where people labelled a random sample."""

from __future__ import annotations

import subprocess
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer

import cjlib as cj
from cjlib.analyses.feedback import score_texts, scorer
from cjlib.analyses.feedback.scorer import FILE, macro_f1
from cjlib.analyses.feedback.sentiment_shares import against_others, ppi_mean, recalibrated
from cjlib.analyses.feedback.text_features import counted, languages
from cjlib.shared.stats import wilson
from cjlib.sources.feedback.texts import lexicon

DAY = pd.Timestamp("2025-01-06", tz="UTC")
ROOT = Path(__file__).parents[2]

COMPLAINTS = [
    "I have been waiting for six weeks and nobody answers the phone", "third engineer visit this month", "my order was cancelled without a word", "the parcel never arrived",
    "you charged my card twice", "I had to explain the same problem to four people", "the app crashes whenever I open the basket", "sent me the wrong size again",
    "on hold for fifty minutes and then cut off", "no reply to any of my emails", "the router stopped working after two days", "still no refund",
    "was told it would be Tuesday, it is now Friday", "the login page shows an error message", "my appointment was moved three times",
]  # fmt: skip
PRAISE = [
    "Brilliant service, thank you so much",
    "really helpful and friendly staff",
    "love it, works perfectly",
    "so easy to set up, very happy",
    "best company I have ever dealt with",
]


@pytest.fixture(scope="module")
def tweets(shared_data: Path) -> pd.DataFrame:
    raw = pd.read_csv(
        shared_data / "airline_tweets" / "airline_tweets.csv.gz", dtype={"tweet_id": "str"}
    ).drop_duplicates("tweet_id")
    return raw.assign(
        text=raw["text"].map(unescape),
        truth=raw["airline_sentiment"].map({"negative": 0, "neutral": 1, "positive": 2}),
    )


@pytest.fixture(scope="module")
def airline(tweets: pd.DataFrame) -> cj.Feedback:
    return cj.read_feedback(
        pd.DataFrame(
            {
                "feedback_id": tweets["tweet_id"],
                "timestamp": pd.to_datetime(tweets["tweet_created"], utc=True),
                "text": tweets["text"],
                "airline": tweets["airline"],
            }
        )
    )


def labels(texts: list[str]) -> list[str]:
    return cj.score_texts(texts).table["label"].tolist()


def vader(texts: pd.Series) -> np.ndarray:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    lexicon = SentimentIntensityAnalyzer()
    compound = np.array([lexicon.polarity_scores(text)["compound"] for text in texts])
    return np.where(compound > 0.05, 2, np.where(compound < -0.05, 0, 1))


def test_complaints_without_a_sentiment_word_are_negative():
    assert labels(COMPLAINTS).count("negative") >= 12


def test_praise_is_positive():
    assert labels(PRAISE) == ["positive"] * 5


def test_an_emoji_alone_decides():
    assert labels(["👍👍", "😡", "the parcel 😍", "the parcel 👎"]) == [
        "positive",
        "negative",
        "positive",
        "negative",
    ]


def test_texts_come_back_in_the_order_given():
    table = cj.score_texts(["love it", "", "the parcel never arrived and nobody answers"]).table
    assert table["feedback_id"].tolist() == ["0", "1", "2"]
    assert table["status"].tolist() == ["scored", "no_text", "scored"]
    assert table["label"].isna().tolist() == [False, True, False]


def test_words_counted_for_all_are_what_a_vocabulary_of_its_own_counts():
    texts = [
        "Late again, late AGAIN!",
        "not late",
        "",
        "Not late",
        "x y",
        "again late late again",
        "not late",
    ]
    vocabulary = ["again", "again late", "late", "not late", "unheard"]
    own = CountVectorizer(ngram_range=(1, 2), vocabulary=vocabulary).transform(texts).toarray()
    seen = counted(texts).under({term: column for column, term in enumerate(vocabulary)})
    assert (seen.toarray() == own).all()
    assert (counted(texts).of(np.array([3, 0])).under({"late": 0}).toarray()[:, 0] == [1, 2]).all()
    assert counted(["!", ""]).under({"late": 0}).shape == (2, 1)


def test_the_lexicon_that_reads_neighbours_gives_what_vader_gives(tweets, shared_data):
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    reviews = (
        pd.read_csv(shared_data / "clothing_reviews" / "clothing_reviews.csv.gz")["review_text"]
        .dropna()
        .head(300)
    )
    texts = [
        *tweets["text"].head(1_500),
        *reviews,
        "never so kind of good",
        "without doubt good",
        "to die for",
        "no",
        "not the shit at all, but the bomb",
    ]
    slow = SentimentIntensityAnalyzer()
    assert [lexicon().polarity_scores(text) for text in texts] == [
        slow.polarity_scores(text) for text in texts
    ]


@pytest.mark.parametrize("language", ["de", "fr", "nl", "da", "es", "it", "pl", "sv"])
def test_small_words_that_other_languages_share_do_not_make_a_text_english(language):
    texts = {
        "de": "Leider war niemand zu erreichen, das ist sehr ärgerlich und die App is so langsam on hold",
        "fr": "On me dit que si je ne suis pas content, on at peu de chose à me dire, as tu vu",
        "nl": "Ik heb me nu al drie keer gemeld en is er nog steeds niets gebeurd, we zijn er niet blij mee",
        "da": "I går kom der ingen, i dag kom der ingen, og jeg har ringet to gange for at spørge om det",
        "es": "El pedido no llegó y nadie me contesta el teléfono, es una vergüenza, no me lo creo",
        "it": "Il pacco non è mai arrivato e i vostri operatori non rispondono, me lo ricorderò di sicuro",
        "pl": "Paczka nie dotarła do mnie, to jest skandal, a obsługa klienta nie odpowiada na moje maile",
        "sv": "Paketet har inte kommit och i kundtjänst är det ingen som svarar, jag ger upp nu",
    }
    assert languages([texts[language]]) == [language]


@pytest.mark.parametrize(
    "text", ["", "   ", "10", "STOP", "stop.", "n/a", "?", "- -", "No comment"]
)
def test_what_says_nothing_has_no_label(text):
    assert cj.score_texts([text, "a good service"]).table["status"].tolist() == [
        "no_text",
        "scored",
    ]


def test_other_languages_are_left_out_and_counted_in_the_headline():
    result = cj.score_texts(
        [
            "very good and friendly service today",
            "thank you for the quick delivery of my order",
            "Das Paket ist immer noch nicht angekommen, sehr schlecht",
        ]
    )
    assert result.table["status"].tolist() == ["scored", "scored", "not_english"]
    assert result.headline.startswith("2 texts scored, 1 not English: left out")


GERMAN = "Das Paket ist immer noch nicht angekommen, sehr schlecht"


def test_mostly_foreign_texts_abstain_and_the_others_are_scored():
    result = cj.score_texts([GERMAN, "very good and friendly service today", f"{GERMAN} und spät"])
    assert result.table["status"].tolist() == ["not_english", "scored", "not_english"]
    assert result.headline.startswith("1 text scored, 2 not English: left out")


def test_of_foreign_texts_alone_there_is_no_sentiment_but_a_reason():
    frame = pd.DataFrame(
        {"timestamp": DAY, "text": [f"{GERMAN} {row}" for row in range(40)], "nps": [9] * 40}
    )
    feedback = cj.read_feedback(frame)
    result = cj.sentiment(feedback)
    assert not result.answered
    assert result.headline == (
        "Sentiment cannot be told: no text says anything in English (0 texts scored, 40 not English: left out)."
    )
    assert cj.nps(feedback).table["n"].tolist() == [40]
    assert cj.plot(result).layout.meta["caption"] == result.headline


def test_probabilities_sum_to_one_and_the_score_is_their_difference():
    table = cj.score_texts(COMPLAINTS + PRAISE).table
    assert table[["p_negative", "p_neutral", "p_positive"]].sum(axis=1).to_numpy() == pytest.approx(
        1
    )
    assert (table["p_positive"] - table["p_negative"]).to_numpy() == pytest.approx(
        table["score"].to_numpy()
    )


def test_why_names_the_phrase_that_decided():
    assert "[again and again]" in cj.score_texts(["I had to call four times"]).table["why"].iloc[0]


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        "<script>alert(1)</script> awful",
        "**bold** [x](javascript:1) bad",
        "go\u200bod ser\u200bvice",
        "\u202eevil text here",
        "' OR 1=1 --",
        "a\x00b terrible",
    ],
)
def test_hostile_text_is_scored_or_left_out_without_harm(text):
    assert cj.score_texts([text, "a good service"]).table["status"].iloc[1] == "scored"


def test_without_labels_of_our_own_the_scorer_beats_the_lexicon(tweets):
    part = tweets.sample(3_000, random_state=0)
    ours = cj.score_texts(part["text"].tolist()).table
    truth = part["truth"].to_numpy()
    scored = (ours["status"] == "scored").to_numpy()
    guess = ours["label"].map({"negative": 0, "neutral": 1, "positive": 2}).to_numpy(dtype=float)
    assert macro_f1(truth[scored], guess[scored].astype(int)) >= max(
        0.57, macro_f1(truth, vader(part["text"])) + 0.05
    )


def test_verbatims_reach_their_goal_without_labels(shared_data):
    raw = pd.read_csv(shared_data / "nps_verbatims" / "nps_verbatims.csv.gz").dropna(
        subset=["nps_score", "text"]
    )
    table = cj.score_texts(raw["text"].tolist()).table
    truth = np.where(raw["nps_score"] <= 6, 0, np.where(raw["nps_score"] >= 9, 2, 1))
    guess = (
        table["label"]
        .map({"negative": 0, "neutral": 1, "positive": 2})
        .fillna(1)
        .to_numpy(dtype=int)
    )
    assert macro_f1(truth, guess) >= 0.58


def test_ratings_of_the_user_adapt_the_scorer_where_it_is_better(tweets):
    part = tweets.sample(4_000, random_state=0)
    frame = pd.DataFrame(
        {
            "feedback_id": part["tweet_id"],
            "timestamp": DAY,
            "text": part["text"],
            "rating": part["truth"].map({0: 1.0, 1: 3.0, 2: 5.0}),
        }
    )
    result = cj.score_texts(cj.read_feedback(frame))
    assert result.measured.adapted
    assert result.measured.macro_f1 >= 0.72
    assert (
        result.metrics["accuracy"]["low"]
        < result.metrics["accuracy"]["value"]
        < result.metrics["accuracy"]["high"]
    )


@pytest.mark.parametrize("answers", [60, 210, 260])
def test_a_fit_begun_near_another_is_the_fit_begun_anew(answers, monkeypatch):
    # Of fewer than 200 texts every term counts: folds of 210 know terms that the fit of all does not.
    rng = np.random.default_rng(answers)
    words = np.array([f"word{number}" for number in range(300)])
    happy = rng.random(answers) < 0.5
    frame = pd.DataFrame(
        {
            "timestamp": DAY,
            "text": [
                f"the service is {'great' if good else 'bad'} with {' '.join(rng.choice(words, 6))}"
                for good in happy
            ],
            "rating": np.where(happy, 5.0, 1.0),
        }
    )
    ids, texts = list(map(str, range(answers))), frame["text"].tolist()
    labels = score_texts.ratings_as_labels(frame)
    near = score_texts.score(ids, texts, labels, "default")
    fit = scorer._fit

    def begun_anew(counts, dense, labels, near=None):
        assert near is None or near.column
        return fit(counts, dense, labels)

    monkeypatch.setattr(scorer, "_fit", begun_anew)
    anew = score_texts.score(ids, texts, labels, "default")
    pd.testing.assert_frame_equal(near.table, anew.table, rtol=1e-4)


@pytest.mark.parametrize("rated", [True, False])
def test_in_a_run_texts_are_scored_once_and_read_as_they_were(tmp_path, monkeypatch, rated):
    good, bad = "I love this, great and easy", "This is terrible, slow and broken"
    frame = pd.DataFrame(
        {
            "timestamp": DAY,
            "text": [f"{text} {number}" for text in (good, bad) for number in range(40)] + [None],
            "rating": [5.0] * 40 + [1.0] * 40 + [3.0],
        }
    )
    feedback = cj.read_feedback(frame if rated else frame.drop(columns="rating"))
    alone = score_texts.scored_feedback(feedback)
    monkeypatch.setenv("CJ_OF_RUN", str(tmp_path))
    for _ in range(2):
        feedback.kept.clear()
        score_texts._of_content.cache_clear()
        shared = score_texts.scored_feedback(feedback)
        pd.testing.assert_frame_equal(shared.table, alone.table)
        assert (shared.measured is None) is not rated
        assert not rated or vars(shared.measured) == vars(alone.measured)
        monkeypatch.setattr(score_texts, "score", None)
    assert len(list(tmp_path.glob("texts-*.parquet"))) == 1


def test_of_very_many_ratings_a_sample_teaches_and_the_words_say_so(tweets, monkeypatch):

    monkeypatch.setattr(scorer, "MOST_RATED", 1_000)
    part = tweets.sample(2_500, random_state=1)
    frame = pd.DataFrame(
        {
            "feedback_id": part["tweet_id"],
            "timestamp": DAY,
            "text": part["text"],
            "rating": part["truth"].map({0: 1.0, 1: 3.0, 2: 5.0}),
        }
    )
    result = cj.score_texts(cj.read_feedback(frame))
    assert (result.measured.n, result.measured.n_rated) == (
        1_000,
        int(result.metrics["n_scored"]["value"]),
    )
    assert f"on a random 1,000 of your {result.measured.n_rated:,} rated texts" in result.headline


def test_where_the_default_is_right_already_it_stays():
    sure = [
        text
        for text, label in zip(COMPLAINTS, labels(COMPLAINTS), strict=True)
        if label == "negative"
    ]
    texts, ratings = (sure + PRAISE) * 6, ([1.0] * len(sure) + [5.0] * len(PRAISE)) * 6
    result = cj.score_texts(
        cj.read_feedback(pd.DataFrame({"timestamp": DAY, "text": texts, "rating": ratings}))
    )
    assert not result.measured.adapted
    assert result.measured.accuracy == 1.0
    assert (
        "not used: not better than the default by more than one standard error"
        in result.definition["adapted to your ratings"]
    )


def test_a_model_of_ones_own_is_a_callable():
    result = cj.score_texts(
        ["good service today", "bad service today"],
        model=lambda texts: [[0.9, 0.05, 0.05] for _ in texts],
    )
    assert result.table["label"].tolist() == ["negative", "negative"]


@pytest.mark.parametrize("row", [[2, 2, 2], [1]])
def test_a_callable_that_returns_no_probabilities_is_refused(row):
    with pytest.raises(cj.CjlibError, match="model: must return a row"):
        cj.score_texts(["good service today"], model=lambda texts: [row for _ in texts])


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(cj.CjlibError, match="model: must be 'default', a folder"):
        cj.score_texts(["good service today"], model=str(tmp_path / "none"))


def test_one_text_must_come_in_a_list():
    with pytest.raises(cj.CjlibError, match="must be a list of texts"):
        cj.score_texts("good")


def test_without_an_audit_there_is_no_share(airline):
    result = cj.sentiment(airline, by="airline")
    assert set(result.table["method"]) == {"model_index"}
    assert result.table[["share_negative", "low", "high"]].isna().all(axis=None)
    assert "an index, not a share" in result.headline
    assert "share_negative" not in result.metrics
    for shown in (
        result._repr_mimebundle_()["text/html"],
        cj.table(result).html,
        str(cj.plot(result).layout.meta),
    ):
        assert "model_index" not in shown
        assert "model alone" in shown


def test_audited_shares_cover_the_truth_and_beat_labels_alone(airline, tweets):
    truth = (tweets["truth"] == 0).groupby(tweets["airline"]).mean()
    of_id = dict(zip(tweets["tweet_id"], tweets["airline_sentiment"], strict=True))
    segment = dict(zip(tweets["tweet_id"], tweets["airline"], strict=True))
    inside, errors, alone = [], [], []
    for seed in range(12):
        audit = cj.audit_sample(airline, by="airline", per_segment=67, seed=seed)
        audit = audit.assign(label=audit["feedback_id"].map(of_id))
        table = cj.sentiment(airline, by="airline", audit=audit).table.set_index("segment")
        assert set(table["method"]) == {"ppi++"}
        inside += [
            table.loc[name, "low"] <= share <= table.loc[name, "high"]
            for name, share in truth.items()
        ]
        errors += [abs(table.loc[name, "share_negative"] - share) for name, share in truth.items()]
        labelled = (audit["label"] == "negative").groupby(audit["feedback_id"].map(segment)).mean()
        alone += [abs(labelled[name] - share) for name, share in truth.items()]
    assert 0.92 <= np.mean(inside) <= 0.99
    assert np.mean(errors) <= 0.045
    assert np.mean(errors) <= 0.92 * np.mean(alone)


def test_few_labels_in_a_segment_stand_alone(airline, tweets):
    audit = cj.audit_sample(airline, by="airline", per_segment=10).assign(label="negative")
    row = cj.sentiment(airline, by="airline", audit=audit).table.iloc[0]
    assert row["method"] == "audit_wilson"
    assert [row["low"], row["high"]] == pytest.approx([float(bound) for bound in wilson(10, 10)])


def test_a_useless_model_leaves_the_labels_as_they_are():
    y = np.array([1.0, 0.0, 1.0, 1.0, 0.0] * 8)
    assert ppi_mean(np.full(40, 0.5), y, np.full(1000, 0.5)).value == pytest.approx(0.6)


def test_a_perfect_model_gives_the_share_of_all():
    y = np.array([1.0] * 30 + [0.0] * 30)
    rest = np.array([1.0] * 800 + [0.0] * 200)
    estimate = ppi_mean(y, y, rest)
    assert estimate.value == pytest.approx(0.8, abs=0.03)


def test_labels_do_not_calibrate_their_own_row():
    rng = np.random.default_rng(0)
    noise = rng.random(400)
    labelled = np.arange(400) < 40
    truth = np.where(labelled, rng.random(400) < 0.3, 0).astype(float)
    learnt = recalibrated(noise, labelled, truth)
    assert np.cov(learnt[labelled], truth[labelled])[0, 1] <= 0.001


def test_shares_of_few_labels_cover_the_truth():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(60):
        lean = rng.normal(size=400)
        truth = (rng.random(400) < 1 / (1 + np.exp(1.5 - 2 * lean))).astype(float)
        labelled = np.zeros(400, dtype=bool)
        labelled[rng.choice(400, 35, replace=False)] = True
        learnt = recalibrated(1 / (1 + np.exp(-3 * lean)), labelled, np.where(labelled, truth, 0))
        share = ppi_mean(learnt[labelled], truth[labelled], learnt[~labelled])
        inside.append(share.low <= truth.mean() <= share.high)
    assert np.mean(inside) >= 0.9


def test_shares_of_customers_who_write_often_cover_the_truth():
    rng = np.random.default_rng(1)
    inside, without = [], []
    for _ in range(80):
        mood = rng.beta(0.4, 0.8, 60)
        who = np.repeat(np.arange(60), 12)
        truth = (rng.random(720) < mood[who]).astype(float)
        f = np.clip(0.2 + 0.5 * truth + rng.normal(0, 0.2, 720), 0, 1)
        labelled = np.zeros(720, dtype=bool)
        labelled[rng.choice(720, 240, replace=False)] = True
        values = f[labelled], truth[labelled], f[~labelled]
        shares = ppi_mean(*values, who[labelled], who[~labelled]), ppi_mean(*values)
        for held, share in zip((inside, without), shares, strict=True):
            held.append(share.low <= mood.mean() <= share.high)
    # The customers are drawn anew each time: what holds is the share in the business they come from.
    assert np.mean(inside) >= 0.9
    assert np.mean(inside) > np.mean(without)


def test_labels_of_fewer_than_thirty_customers_are_compared_with_no_other_period():
    texts = ["It was terrible and I hate it", "It was great and I love it"] * 80
    frame = pd.DataFrame(
        {
            "feedback_id": [f"{row:03d}" for row in range(160)],
            "customer_id": [f"c{row}" for row in range(160)],
            "timestamp": pd.to_datetime(["2025-01-10", "2025-02-10"] * 80).sort_values(),
            "text": [f"{text} number {row}" for row, text in enumerate(texts)],
        }
    )
    feedback = cj.read_feedback(frame)
    labels = ["negative", "positive"] * 80
    audit = pd.DataFrame({"feedback_id": frame["feedback_id"], "label": labels})
    for kept, measure in ((160, "share_negative"), (100, "mean_score")):
        changed = cj.sentiment(feedback, period="month", audit=audit[:kept]).changes
        assert changed["measure"].tolist() == [measure]


def test_agreement_stands_beside_always_saying_the_same():
    texts = [*PRAISE * 16, *COMPLAINTS[:1] * 20]
    ratings = [5.0] * 80 + [1.0] * 20
    frame = pd.DataFrame(
        {"timestamp": pd.date_range(DAY, periods=100, freq="h"), "text": texts, "rating": ratings}
    )
    result = cj.score_texts(cj.read_feedback(frame))
    assert "(always saying positive: 80%;" in result.headline
    assert result.metrics["majority_accuracy"]["value"] == 0.8


def test_texts_of_one_customer_are_no_independent_texts():
    # Two accounts write everything: what they say tells of two customers, however often.
    texts = ["love it, great service"] * 60 + ["terrible, the parcel never arrived"] * 60
    frame = pd.DataFrame(
        {
            "timestamp": pd.date_range(DAY, periods=120, freq="h"),
            "text": texts,
            "source": ["a"] * 60 + ["b"] * 60,
        }
    )
    alone = cj.sentiment(cj.read_feedback(frame), by="source")
    two = cj.sentiment(cj.read_feedback(frame.assign(customer_id=frame["source"])), by="source")
    assert [one.direction for one in alone.findings] == ["good", "bad"]
    assert not two.findings
    assert two.table["small_n"].all()


def test_the_audit_hides_the_label_and_shuffles(airline):
    sample = cj.audit_sample(airline, by="airline", per_segment=5, seed=1)
    assert sample.columns.tolist() == ["feedback_id", "text", "label"]
    assert (sample["label"] == "").all()
    assert sample["feedback_id"].tolist() != sorted(sample["feedback_id"])
    assert sample.equals(cj.audit_sample(airline, by="airline", per_segment=5, seed=1))


def test_formulas_are_defused_in_the_audit_file(tmp_path):
    feedback = cj.read_feedback(
        pd.DataFrame(
            {
                "timestamp": DAY,
                "text": ["=cmd|'/c calc'!A1 is what a bad service sends", "a good service"],
            }
        )
    )
    cj.audit_sample(feedback, path=tmp_path / "audit.csv")
    written = pd.read_csv(tmp_path / "audit.csv")["text"].tolist()
    assert sorted(written)[0].startswith("'=cmd")


@pytest.mark.parametrize(
    ("audit", "message"),
    [
        (
            {"id": ["f1"], "label": ["negative"]},
            "audit: needs the columns 'feedback_id' and 'label'. Missing: 'feedback_id'",
        ),
        (
            {"feedback_id": ["f000000"], "label": ["angry"]},
            "audit: labels must be one of 'negative', 'neutral', 'positive'. Got 'angry'",
        ),
        (
            {"feedback_id": ["zzz"], "label": ["negative"]},
            "audit: 1 feedback_id are not in the feedback, such as 'zzz'",
        ),
    ],
)
def test_an_audit_that_does_not_fit_is_refused(audit, message):
    feedback = cj.read_feedback(
        pd.DataFrame({"feedback_id": ["f000000"], "timestamp": DAY, "text": ["a good service"]})
    )
    with pytest.raises(cj.DataError, match=message):
        cj.sentiment(feedback, audit=pd.DataFrame(audit))


def test_an_audit_in_a_file_that_is_not_there_is_refused(tmp_path):
    feedback = cj.read_feedback(pd.DataFrame({"timestamp": DAY, "text": ["a good service"]}))
    with pytest.raises(cj.DataError, match=r"audit: there is no file '.*labels\.csv'"):
        cj.sentiment(feedback, audit=tmp_path / "labels.csv")


def test_periods_are_compared_only_significant_and_with_enough_texts():
    texts = (
        ["love it, great service"] * 40
        + ["terrible, the parcel never arrived"] * 40
        + ["love it, great service"] * 5
    )
    stamps = [DAY] * 40 + [DAY + pd.Timedelta(days=31)] * 40 + [DAY + pd.Timedelta(days=62)] * 5
    changes = cj.sentiment(
        cj.read_feedback(pd.DataFrame({"timestamp": stamps, "text": texts})), period="month"
    ).changes
    assert len(changes) == 1
    assert changes["significant"].tolist() == [True]
    assert changes["difference"].iloc[0] < 0


def test_texts_are_scored_once(airline):
    cj.sentiment(airline)
    first = airline.kept["scored", "default", 0]
    cj.sentiment(airline, by="airline")
    assert airline.kept["scored", "default", 0] is first


def test_the_same_content_read_anew_is_not_scored_anew():
    frame = pd.DataFrame({"timestamp": DAY, "text": [*COMPLAINTS, *PRAISE]})
    one, other = cj.read_feedback(frame), cj.read_feedback(frame.iloc[::-1])
    seen = cj.score_texts(one).table
    seen["label"] = "changed by its reader"
    cj.score_texts(other)
    assert one.kept["scored", "default", 0] is other.kept["scored", "default", 0]
    assert set(cj.score_texts(other).table["label"]) <= {"negative", "neutral", "positive"}
    third = cj.read_feedback(frame.assign(text=["a good service", *frame["text"].iloc[1:]]))
    cj.score_texts(third)
    assert third.kept["scored", "default", 0] is not one.kept["scored", "default", 0]


def test_the_order_of_rows_does_not_matter(tweets):
    frame = pd.DataFrame(
        {
            "feedback_id": tweets["tweet_id"],
            "timestamp": DAY,
            "text": tweets["text"],
            "airline": tweets["airline"],
        }
    ).head(1_000)
    one, other = (
        cj.sentiment(cj.read_feedback(part), by="airline").table
        for part in (frame, frame.sample(frac=1, random_state=2))
    )
    assert one.to_csv() == other.to_csv()


@pytest.mark.slow
def test_the_weights_that_ship_are_what_the_script_trains(shared_data, tmp_path):
    subprocess.run(
        [
            sys.executable,
            str(ROOT / "scripts" / "train_sentiment.py"),
            str(shared_data),
            str(tmp_path / "again.npz"),
        ],
        check=True,
        timeout=250,
    )
    # The solver stops within its tolerance of the optimum, and where it stops depends on the processor.
    with np.load(FILE) as shipped, np.load(tmp_path / "again.npz") as trained:
        assert shipped.files == trained.files
        for name in ("features", "vocabulary", "idf"):
            assert (shipped[name] == trained[name]).all()
        for name in ("word_weights", "lexicon_weights", "intercept"):
            weights = shipped[name].astype(float)
            assert trained[name].astype(float) == pytest.approx(weights, abs=0.06)
            assert np.corrcoef(trained[name].ravel(), weights.ravel())[0, 1] > 0.999
    assert FILE.stat().st_size <= 500_000


def test_many_texts_are_scored_in_chunks_that_tell_how_far_they_are(monkeypatch):

    texts = [f"{text} {row}" for row, text in enumerate(COMPLAINTS * 3)]
    whole, told = cj.score_texts(texts).table, []
    monkeypatch.setattr(score_texts, "CHUNK", 20)
    parts = cj.score_texts(texts, progress=lambda done, of: told.append((done, of))).table
    pd.testing.assert_frame_equal(parts, whole)
    assert told == [(20, 45), (40, 45), (45, 45)]


@pytest.mark.parametrize(("happy", "told"), [(0.55, False), (0.9, True)])
def test_without_ratings_a_segment_is_a_finding_only_beyond_what_topics_do_to_a_scorer(happy, told):
    rng = np.random.default_rng(3)
    texts = np.array(["I hate it, it is awful and broken.", "I love it, it is great and easy."])
    rows = [
        pd.DataFrame({"stage": stage, "text": texts[(rng.random(3_000) < share).astype(int)]})
        for stage, share in (("A", 0.5), ("B", happy))
    ]
    frame = pd.concat(rows, ignore_index=True)
    frame["customer_id"] = np.arange(len(frame)).astype(str)
    frame["timestamp"] = pd.Timestamp("2025-01-01", tz="UTC")
    result = cj.sentiment(cj.read_feedback(frame), by="stage")
    assert (result.against_others["p_adjusted"] < 0.01).all()
    assert bool(result.findings) == told


def learnt(rng, lower=0.0, segments=5, each=200):
    """Scores of a scorer that has learnt each segment's mean rating, out of fold, beside ratings of four texts in five."""
    segment = np.repeat(np.arange(segments), each)
    rating = rng.choice([-1.0, 0.0, 1.0], segment.size, p=[0.3, 0.2, 0.5])
    rating = np.where((segment == 0) & (rng.random(segment.size) < lower), -1.0, rating)
    rated, fold = rng.random(segment.size) < 0.8, rng.integers(0, 5, segment.size)
    score = 0.25 * rating + rng.normal(0, 0.1, segment.size)
    for left_out in range(5):
        taught = rated & (fold != left_out)
        means = [rating[taught & (segment == one)].mean() for one in range(segments)]
        score[fold == left_out] += 0.7 * np.array(means)[segment[fold == left_out]]
    return pd.DataFrame(
        {
            "segment": np.array(list("ABCDE"))[segment],
            "status": "scored",
            "score": score,
            "customer": np.arange(segment.size),
            "rating": np.where(rated, rating, np.nan),
            "kind": np.where(rated, 0, -1),
            "month": 0,
        }
    )


def test_what_a_fitted_scorer_learnt_of_a_segment_is_in_the_interval():
    def held(rows: pd.DataFrame) -> list[bool]:
        compared, _ = against_others(rows, 30)
        return (compared["difference_low"].le(0) & compared["difference_high"].ge(0)).tolist()

    worlds = [learnt(np.random.default_rng(seed)) for seed in range(30)]
    assert np.mean([held(rows) for rows in worlds]) >= 0.9
    assert np.mean([held(rows.assign(rating=np.nan)) for rows in worlds]) < 0.7


def asked_two_ways(rng, by_nps=(0.9, 0.5, 0.5, 0.1, 0.0)):
    """Segments felt alike, asked for an NPS more or less often instead of a star rating, which calls more answers good."""
    rows = learnt(rng)
    nps = rng.random(len(rows)) < np.repeat(by_nps, 200)
    felt = rng.normal(size=len(rows))
    rating = np.where(felt < -0.9, -1.0, np.where(felt < np.where(nps, 0.3, -0.4), 0.0, 1.0))
    rated = rows["rating"].notna()
    return rows.assign(
        rating=np.where(rated, rating, np.nan), kind=np.where(~rated, -1, np.where(nps, 0, 2))
    )


def test_a_segment_that_is_asked_for_another_kind_of_rating_is_no_happier():
    claims = pooled = 0
    for seed in range(20):
        rows = asked_two_ways(np.random.default_rng(seed))
        claims += (against_others(rows, 30)[0]["p_value"] < 0.05).sum()
        pooled += (against_others(rows.assign(kind=0), 30)[0]["p_value"] < 0.05).sum()
    assert claims <= 10  # of 100
    assert pooled > 20


def test_kinds_of_rating_that_no_two_segments_share_are_not_compared():
    rows = asked_two_ways(np.random.default_rng(0), by_nps=(1, 0, 0, 0, 0))
    compared, _ = against_others(rows, 30)
    assert compared["p_value"].isna().tolist() == [True, False, False, False, False]


def test_corrected_scores_still_find_the_segment_that_is_less_happy():
    compared, tested = against_others(learnt(np.random.default_rng(0), lower=0.4), 30)
    assert compared.loc[tested.claims, "segment"].tolist() == ["A"]
    few = learnt(np.random.default_rng(0))
    few.loc[(few["segment"] == "B") & (np.arange(len(few)) % 10 > 0), "rating"] = np.nan
    assert against_others(few, 30)[0]["segment"].tolist() == ["A", "C", "D", "E"]


def test_the_interval_of_a_mean_score_stays_on_its_scale_and_is_none_where_all_are_alike():
    """One customer with most of the texts gave "−0.81 (95% CI −1.07 to −0.55; −1 negative, 1 positive)"; texts all alike "+0.83 to +0.83"."""
    good, bad = "I love this, great and easy", "This is terrible, slow and broken"
    texts = [good] * 15 + [bad] * 60 + [bad] * 300
    who = [*(f"c{one}" for one in range(75)), *["grump"] * 300]
    heard = pd.DataFrame({"timestamp": "2025-01-01", "customer_id": who, "text": texts})
    heard["timestamp"] = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(375), unit="h")
    row = cj.sentiment(cj.read_feedback(heard)).table.iloc[0]
    assert -1 <= row["mean_low"] < row["mean_score"] < row["mean_high"]
    alike = cj.sentiment(cj.read_feedback(heard.assign(text=good)))
    assert alike.table["mean_low"].isna().all()
    assert "(all alike, so no interval; −1 negative, 1 positive)" in alike.headline

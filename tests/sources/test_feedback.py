"""Reading feedback: who, when, what, on which scale; what breaks the contract is held back with its reason."""

import gzip
import json

import pandas as pd
import pytest

import cjlib as cj

DAY = pd.Timestamp("2025-01-06", tz="UTC")


def table(**columns) -> pd.DataFrame:
    """Rows of one instant; anonymous unless a customer_id is given."""
    return pd.DataFrame({"timestamp": DAY} | columns)


def read(limit: float = 1.0, options: dict | None = None, **columns) -> cj.Feedback:
    return cj.read_feedback(table(**columns), quarantine_limit=limit, **(options or {}))


def checks(feedback: cj.Feedback) -> dict[str, int]:
    return dict(zip(feedback.quality["check"], feedback.quality["rows"], strict=True))


def reasons(feedback: cj.Feedback) -> list[tuple]:
    return list(feedback.quarantine[["row", "reason"]].itertuples(index=False, name=None))


# ---- scores ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "wrong"),
    [("nps", 11), ("nps", -1), ("csat", 0), ("csat", 6), ("ces", 8), ("rating", 0)],
)
def test_a_score_outside_its_scale_is_held_back_not_moved_to_the_nearest_end(score, wrong):
    feedback = read(**{score: [wrong, 5]})
    assert reasons(feedback) == [(1, f"{score} out of range")]
    assert feedback.frame[score].tolist() == [5]


def test_ten_as_text_is_a_number_and_words_are_no_answer():
    feedback = read(nps=["10", " 7 ", "Did not answer", "n/a", "-", "Passive", None, ""])
    assert sorted(feedback.frame["nps"].dropna()) == [7, 10]
    found = checks(feedback)
    assert (found["nps: no answer"], found["nps: words, not a score"]) == (6, 1)


def test_an_average_is_no_answer_but_half_a_star_is():
    assert [reason for _, reason in reasons(read(nps=[8.5, 8]))] == ["nps not a whole number"]
    assert read(rating=["4,5", 4]).frame["rating"].tolist() in ([4.5, 4], [4, 4.5])


def test_a_scale_on_which_one_is_best_is_turned_round_when_it_is_said():
    feedback = read(q7=[1, 2, 5], options={"columns": {"csat": ("q7", "1 is best")}})
    assert sorted(feedback.frame["csat"]) == [1, 4, 5]
    assert checks(feedback)["csat: asked on its own scale"] == 3


def test_another_scale_is_said_with_its_ends():
    feedback = read(q7=[1, 10, 11], options={"columns": {"csat": ("q7", "1 to 10, 1 is best")}})
    assert (sorted(feedback.frame["csat"]), feedback.scales["csat"], reasons(feedback)) == (
        [1, 10],
        (1, 10),
        [(3, "csat out of range")],
    )


@pytest.mark.parametrize("words", ["upside down", "5 to 1", "3 is best"])
def test_a_scale_that_says_nothing_is_refused(words):
    with pytest.raises(
        cj.CjlibError,
        match=r"^columns: the scale of csat must say its ends, its best end or both, such as '1 is best'",
    ):
        read(q7=[1], options={"columns": {"csat": ("q7", words)}})


def test_nps_on_another_scale_is_refused():
    with pytest.raises(cj.CjlibError, match=r"nps is asked from 0 to 10; another scale is no NPS"):
        read(q7=[1], options={"columns": {"nps": ("q7", "1 to 5")}})


def test_scores_that_fall_as_words_get_better_are_pointed_out_and_left_as_they_are():
    words = ["I love it, great and wonderful", "fine", "terrible, I hate it, awful"]
    feedback = read(
        csat=[1, 3, 5] * 20, text=[f"{text} {row}" for row, text in enumerate(words * 20)]
    )
    assert checks(feedback)["csat: scale may be reversed"] == 60
    assert (
        feedback.quality["example"]
        .iloc[-1]
        .endswith("say so: columns={'csat': ('its column', '1 is best')}")
    )
    assert feedback.frame["csat"].tolist().count(1) == 20


def test_scores_that_rise_with_the_words_are_not_pointed_out():
    words = ["I love it, great and wonderful", "fine", "terrible, I hate it, awful"]
    assert "csat: scale may be reversed" not in checks(
        read(csat=[5, 3, 1] * 20, text=[f"{text} {row}" for row, text in enumerate(words * 20)])
    )


# ---- text --------------------------------------------------------------------------------------------------------


def test_entities_are_decoded_once_and_only_with_their_semicolon():
    feedback = read(text=["rules&regs", " fish &amp; chips ", "&amp;lt;3", "&lt;b&gt;"])
    assert sorted(feedback.frame["text"]) == ["&lt;3", "<b>", "fish & chips", "rules&regs"]
    assert checks(feedback)["HTML entities decoded"] == 3


def test_lost_characters_and_missing_texts_are_counted():
    found = checks(read(text=["don�t", "�5", "  ", None, "fine"]))
    assert (found["text with � (U+FFFD)"], found["no text"]) == (2, 2)


# ---- ids and repeats ---------------------------------------------------------------------------------------------


def test_ids_come_from_what_a_row_says_not_from_where_it_stands():
    frame = table(text=["ok", "ok", "never again", None], nps=[9, 9, 0, 3])
    once, again = (cj.read_feedback(one).frame for one in (frame, frame.iloc[::-1]))
    pd.testing.assert_frame_equal(once, again)
    assert once["feedback_id"].is_unique
    assert sum(one.endswith("-2") for one in once["feedback_id"]) == 1


def test_two_anonymous_people_may_write_the_same():
    assert len(read(text=["ok", "ok"])) == 2


def test_the_same_customer_time_text_and_scores_are_one_answer():
    feedback = read(customer_id=["ana", "ana", "ana"], text=["ok", "ok", "ok"], nps=[9, 9, 8])
    assert reasons(feedback) == [(2, "exact duplicate")] or reasons(feedback) == [
        (1, "exact duplicate")
    ]


def test_the_same_score_of_two_stages_at_one_time_is_two_answers():
    feedback = read(customer_id=["ana", "ana"], text=[None, None], nps=[9, 9], stage=["Buy", "Use"])
    assert (len(feedback), len(feedback.quarantine)) == (2, 0)


def test_an_id_that_repeats_is_held_back_and_which_row_stays_does_not_depend_on_order():
    frame = table(feedback_id=["7", "7", "8"], text=["b", "a", "c"])
    kept = [
        cj.read_feedback(one, quarantine_limit=0.5).frame["text"].tolist()
        for one in (frame, frame.iloc[::-1])
    ]
    assert kept[0] == kept[1]
    assert [reason for _, reason in reasons(cj.read_feedback(frame, quarantine_limit=0.5))] == [
        "duplicate id"
    ]


def test_ids_stay_text_and_whole_numbers_stay_exact():
    assert read(feedback_id=["007", "7"], text=["a", "b"]).frame["feedback_id"].tolist() == [
        "007",
        "7",
    ]
    assert (
        read(customer_id=[570306133677760513, 2], text=["a", "b"])
        .frame["customer_id"]
        .isin(["570306133677760513", "2"])
        .all()
    )
    assert sorted(read(customer_id=[7.0, None], text=["a", "b"]).frame["customer_id"].dropna()) == [
        "7"
    ]


# ---- times -------------------------------------------------------------------------------------------------------


def test_a_time_that_is_missing_unreadable_or_still_to_come_is_held_back():
    frame = pd.DataFrame({"timestamp": ["2025-01-06", None, "soon", "2999-01-01"], "nps": 5})
    assert reasons(cj.read_feedback(frame, quarantine_limit=1)) == [
        (2, "missing timestamp"),
        (3, "unreadable timestamp"),
        (4, "in the future"),
    ]


def test_dates_that_could_be_read_both_ways_stop_the_reading_until_somebody_says_it():
    frame = pd.DataFrame({"timestamp": ["03/02/2024", "04/05/2024"], "nps": [1, 2]})
    with pytest.raises(cj.DataError, match="can be read day first or month first"):
        cj.read_feedback(frame)
    assert cj.read_feedback(frame, dates="day_first", timezone="UTC").span[0] == pd.Timestamp(
        "2024-02-03", tz="UTC"
    )


def test_a_day_above_twelve_proves_the_order_and_the_quality_says_which():
    feedback = cj.read_feedback(
        pd.DataFrame({"timestamp": ["13/02/2024", "04/05/2024"], "nps": [1, 2]}), timezone="UTC"
    )
    line = feedback.quality.set_index("check").loc["date order: day first"]
    assert (line["rows"], line["example"]) == (1, "13/02/2024 can only be day first")


def test_a_file_without_dates_is_read_if_that_is_said_and_counts_nothing_over_time():
    frame = pd.DataFrame({"text": ["fine"], "rating": [4]})
    with pytest.raises(
        cj.DataError,
        match=r"there is no column 'timestamp'.*If the file has no dates, say so: dates='none'\.",
    ):
        cj.read_feedback(frame)
    feedback = cj.read_feedback(frame, dates="none")
    assert (len(feedback), feedback.span) == (1, None)
    with pytest.raises(
        cj.CjlibError,
        match=r"^period: the feedback has no dates, so it cannot be counted by month\.",
    ):
        feedback.periods("month")


# ---- columns -----------------------------------------------------------------------------------------------------


def test_columns_are_renamed_and_unknown_ones_refused_with_the_near_miss():
    frame = pd.DataFrame({"when": [DAY], "comment": ["fine"]})
    assert cj.read_feedback(frame, columns={"when": "timestamp", "comment": "text"}).frame[
        "text"
    ].tolist() == ["fine"]
    with pytest.raises(
        cj.CjlibError,
        match=r"^columns: the source has no column 'coment'\. Did you mean 'comment'\?",
    ):
        cj.read_feedback(frame, columns={"coment": "text"})


def test_without_an_opinion_there_is_no_feedback():
    with pytest.raises(
        cj.DataError,
        match=r"there is no text and no score .* Did you mean columns=\{'comment': 'text'\}\?",
    ):
        cj.read_feedback(pd.DataFrame({"timestamp": [DAY], "comment": ["fine"]}))


def test_a_pair_for_what_is_no_score_is_refused():
    with pytest.raises(cj.CjlibError, match=r"^columns: a pair says a score's column and scale"):
        cj.read_feedback(table(text=["a"]), columns={"txt": ("text", "1 is best")})


def test_a_name_that_would_stand_twice_is_refused():
    with pytest.raises(cj.CjlibError, match=r"^columns: 'text' would stand twice"):
        read(text=["a"], other=["b"], options={"columns": {"other": "text"}})


def test_solicited_is_yes_no_or_not_known():
    feedback = read(text=list("abcde"), solicited=["yes", "False", None, "1", "perhaps"])
    assert feedback.frame.set_index("text")["solicited"].astype(object).where(lambda known: known.notna(), None).to_dict() == {
        "a": True, "b": False, "c": None, "d": True, "e": None,
    }  # fmt: skip
    assert checks(feedback)["solicited: neither yes nor no"] == 1


def test_segments_are_named_and_unknown_columns_refused():
    feedback = read(text=["a", "b"], stage=["Buy", None])
    assert sorted(feedback.segment("stage")) == ["(not set)", "Buy"]
    with pytest.raises(
        cj.CjlibError,
        match=r"by: there is no column 'stge'. Did you mean 'stage'\? The feedback has:",
    ):
        feedback.segment("stge")


# ---- sources -----------------------------------------------------------------------------------------------------

ROWS = pd.DataFrame(
    {
        "timestamp": ["2025-01-06 10:00", "2025-01-07 11:30"],
        "text": ["Fine, really", 'He said "no"\nand left'],
        "nps": [9, 2],
        "shop": ["A", "B"],
    }
)


def test_every_kind_of_file_gives_the_same_feedback(tmp_path):
    ROWS.to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    ROWS.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    ROWS.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS.to_dict("records")))
    frames = [
        cj.read_feedback(tmp_path / name, timezone="UTC").frame
        for name in ("a.csv", "a.csv.gz", "a.tsv", "a.parquet", "a.jsonl")
    ]
    for frame in frames:
        pd.testing.assert_frame_equal(frame, cj.read_feedback(ROWS, timezone="UTC").frame)


def test_a_broken_line_keeps_its_number_in_the_quarantine(tmp_path):
    (tmp_path / "a.csv").write_text("timestamp,nps\n2025-01-06,9\n2025-01-07,9,9\n2025-01-08,11\n")
    feedback = cj.read_feedback(tmp_path / "a.csv", quarantine_limit=1, timezone="UTC")
    assert reasons(feedback) == [(2, "wrong number of fields"), (3, "nps out of range")]


def test_above_the_limit_reading_stops_and_says_why():
    with pytest.raises(
        cj.DataError,
        match=r"2 of 3 rows \(66\.7%\) cannot be used; quarantine_limit allows 5\.0%\. csat out of range: 2; csat runs from 1 to 5",
    ):
        read(csat=[0, 9, 5], limit=0.05)


@pytest.mark.parametrize("limit", [-1, 2, "5%", True])
def test_the_limit_is_a_share(limit):
    with pytest.raises(cj.CjlibError, match=r"^quarantine_limit: must be a share from 0 to 1"):
        read(csat=[5], limit=limit)


def test_the_input_is_not_changed():
    frame = table(text=[" a &amp; b "], nps=["10"])
    before = frame.copy(deep=True)
    cj.read_feedback(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_no_rows_are_feedback_without_rows():
    assert (
        len(
            cj.read_feedback(
                pd.DataFrame(
                    {
                        "timestamp": pd.DatetimeIndex([], tz="UTC"),
                        "text": pd.Series([], dtype="str"),
                    }
                )
            )
        )
        == 0
    )


def test_verbatims_are_day_first_without_ids_and_keep_their_repeats(shared_data):
    columns = {"response_date": "timestamp", "journey_stage": "stage", "nps_score": "nps"}
    feedback = cj.read_feedback(
        shared_data / "nps_verbatims" / "nps_verbatims.csv.gz",
        columns=columns,
        timezone="Europe/London",
    )
    assert (len(feedback), checks(feedback)["nps: no answer"], len(feedback.quarantine)) == (
        2385,
        32,
        0,
    )
    assert feedback.frame["feedback_id"].is_unique


def test_tweets_with_an_id_twice_are_duplicates_and_ids_of_18_digits_stay(shared_data):
    columns = {"tweet_id": "feedback_id", "tweet_created": "timestamp"}
    feedback = cj.read_feedback(
        shared_data / "airline_tweets" / "airline_tweets.csv.gz",
        columns=columns,
        timezone="America/New_York",
    )
    assert (len(feedback), checks(feedback)["duplicate id"]) == (14485, 155)
    assert "570306133677760513" in set(feedback.frame["feedback_id"])

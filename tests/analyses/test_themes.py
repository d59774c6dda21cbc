"""Themes by an editable list, what it misses, quotes that stand for a group."""

import pandas as pd
import pytest

import cjlib as cj
from cjlib.analyses.feedback.quotes import representative, text_vectors
from cjlib.analyses.feedback.themes import read_taxonomy, tells_of

DAY = pd.Timestamp("2025-01-06", tz="UTC")
WORDS = {"price": ["price*", "too expensive"], "staff": ["staff", "rude"]}
TEXTS = [
    "The prices went up again this year",
    "Too   expensive for what it does, sadly",
    "The staff was rude and would not help me",
    "Rude staff and a high price, never again",
    "I like the garden very much indeed",
    "",
    None,
    "Die Lieferung kam viel zu spät und niemand hat mir geantwortet",
]


def feedback(texts: list, **columns) -> cj.Feedback:
    days = DAY + pd.to_timedelta(range(len(texts)), unit="D")
    return cj.read_feedback(
        pd.DataFrame(
            {
                "feedback_id": [f"{row:04d}" for row in range(len(texts))],
                "timestamp": days,
                "text": texts,
            }
            | columns
        )
    )


@pytest.fixture(scope="module")
def themes():
    return cj.themes(
        feedback(
            TEXTS,
            nps=[3, 4, 0, 1, 10, 9, 9, 2],
            stage=["Buy", "Buy", "Use", "Use", None, "Use", "Use", "Use"],
        ),
        taxonomy=WORDS,
    )


def test_a_comment_counts_once_in_each_theme_it_tells_of(themes):
    counted = themes.table.set_index("theme")["n"]
    assert counted.to_dict() == {"price": 3, "staff": 2, "uncovered": 1}


def test_the_base_is_the_comments_that_say_something_in_english(themes):
    assert themes.table.set_index("theme")["share_of_comments"].to_dict() == {
        "price": 0.6,
        "staff": 0.4,
        "uncovered": 0.2,
    }
    assert themes.metrics["coverage"]["value"] == 0.8
    assert (
        themes.definition["base"]
        == "5 comments in English; 3 without words or in other languages left out"
    )


def test_the_headline_names_the_commonest_theme_and_the_coverage(themes):
    many = cj.themes(feedback(TEXTS * 8), taxonomy=WORDS, quotes=False)
    assert (
        many.headline
        == "Most written about is “price”, in 60% of 40 comments (95% CI 44.6–73.7%); the taxonomy covers 80%."
    )
    assert (
        themes.headline
        == "5 comments: fewer than 30 customers wrote, too few to say what is written about most."
    )


def test_without_ratings_no_theme_is_said_not_to_go_with_unhappy_answers():
    many = cj.themes(feedback(TEXTS * 8), taxonomy=WORDS, quotes=False)
    assert cj.plot(many, "detractors").layout.meta["caption"].startswith("Whether a theme goes with unhappy answers cannot be told")  # fmt: skip


def test_of_a_few_who_write_much_nothing_is_written_about_most():
    loud = cj.themes(
        feedback(TEXTS * 40, customer_id=[f"c{row % 9}" for row in range(len(TEXTS) * 40)]),
        taxonomy=WORDS,
        quotes=False,
    )
    assert loud.headline.startswith("200 comments of 9 customers: fewer than 30 customers wrote")
    assert loud.table["small_n"].all()
    assert set(loud.by_stage["customers"]) == {9}


def test_nps_of_a_theme_is_that_of_its_comments(themes):
    assert themes.table.set_index("theme").loc["staff", ["nps", "n_nps"]].tolist() == [-100, 2]


def test_themes_are_counted_by_stage_and_by_month(themes):
    by_stage = themes.by_stage.set_index(["theme", "stage"])
    assert by_stage.loc[("price", "Buy"), ["n", "comments"]].tolist() == [2, 2]
    assert by_stage.loc[("staff", "(not set)"), ["n", "comments"]].tolist() == [0, 1]
    assert themes.trend.set_index("theme").loc["price", ["n", "comments"]].tolist() == [3, 5]


def test_members_list_the_comments_of_each_theme(themes):
    assert themes.members.values.tolist() == [
        ["0000", "price"],
        ["0001", "price"],
        ["0003", "price"],
        ["0002", "staff"],
        ["0003", "staff"],
    ]


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("hold", "on HOLD", True), ("hold", "household", False), ("deliver*", "undelivered", False), ("deliver*", "Delivery!", True),
        ("on hold", "on\n  hold", True), ("c++", "I write c++ here", True), (".*", "anything", False), ("can't", "I can’t go", True),
    ],
)  # fmt: skip
def test_words_match_whole_words_in_any_case_and_are_no_patterns(word, text, found):
    assert bool(tells_of([text], {"theme": [word]})[0, 0]) is found


@pytest.mark.parametrize("given", [{}, {"a": "b"}, {"a": []}, {"a": ["*"]}, {"a": [" "]}])
def test_a_taxonomy_maps_each_theme_to_words(given):
    with pytest.raises(
        cj.CjlibError,
        match=r"^taxonomy: .* must (map each theme to|be) a list of words or phrases\. Got",
    ):
        read_taxonomy(given)


def test_a_taxonomy_file_that_is_not_there_or_no_yaml_is_refused(tmp_path):
    with pytest.raises(cj.DataError, match=r"^taxonomy: there is no file"):
        read_taxonomy(tmp_path / "gone.yml")
    (tmp_path / "bad.yml").write_text("a: [b", encoding="utf-8")
    with pytest.raises(cj.DataError, match=r"^taxonomy: bad\.yml is not YAML"):
        read_taxonomy(tmp_path / "bad.yml")


def test_the_starter_list_is_read_without_one():
    assert {"delivery", "price", "staff", "waiting", "returns"} <= set(read_taxonomy(None))


def test_nothing_said_in_english_is_told_as_the_reason():
    result = cj.themes(feedback(["", "10"]))
    assert not result.answered
    assert result.headline.startswith("Themes cannot be found: no comment says anything in English")


def test_an_unhappy_theme_of_one_account_is_no_finding():
    texts = ["the delivery was late again"] * 40 + ["all of it is fine so far"] * 60
    scores = {"nps": [0] * 40 + [10] * 60}
    alone = cj.themes(feedback(texts, **scores), candidates=False, quotes=False)
    account = ["one"] * 40 + [str(row) for row in range(60)]
    together = cj.themes(
        feedback(texts, customer_id=account, **scores), candidates=False, quotes=False
    )
    assert {one.topic for one in alone.findings} >= {"theme delivery"}
    assert together.findings == []


def test_what_the_list_misses_is_proposed_as_candidates_named_by_their_words():
    # Groups of different sizes: of equal ones a decomposition is unique only up to rotation.
    written = {
        "The roses in the garden smell of summer": 50,
        "Our kitchen oven bakes bread each morning": 45,
        "A train to the mountains left at noon": 40,
        "My daughter plays violin at school": 35,
    }
    texts = [f"{text} {row}" for text, times in written.items() for row in range(times)]
    table = cj.themes(feedback(texts), taxonomy=WORDS).table
    candidates = table[table["kind"] == "candidate"]
    assert candidates["n"].tolist() == list(written.values())
    for name, text in zip(candidates["theme"], written, strict=True):
        assert set(name.split(" · ")) <= set(text.casefold().split())


def test_quotes_can_be_left_out():
    table = cj.themes(feedback(TEXTS), taxonomy=WORDS, quotes=False).table
    assert table[["quote_1", "quote_2", "quote_3"]].isna().all(axis=None)


def test_quotes_are_scrubbed_and_what_was_removed_is_counted():
    themes = cj.themes(
        feedback(["The staff never called me back on 0171 555 0199 or ann@example.org"]),
        taxonomy=WORDS,
    )
    assert themes.table["quote_1"].iloc[0] == "The staff never called me back on [phone] or [email]"
    assert (themes.metrics["removed_email"]["value"], themes.metrics["removed_phone"]["value"]) == (
        1,
        1,
    )


def rows(texts: list[str], labels: list[str], customers: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame({"feedback_id": [f"{row:04d}" for row in range(len(texts))], "customer_id": customers, "timestamp": DAY + pd.to_timedelta(range(len(texts)), unit="D"),
                         "label": labels, "text": texts, "position": range(len(texts))})  # fmt: skip


def test_quotes_have_the_labels_of_the_group_in_their_proportion():
    texts = [
        f"the parcel was lost by the courier, number {word}"
        for word in ("one", "two", "three", "four", "five")
    ]
    chosen = representative(
        rows(texts, ["negative"] * 4 + ["positive"], [None] * 5), text_vectors(texts)
    )
    assert [label for _, label, _ in chosen].count("positive") <= 1


def test_quotes_come_from_different_people_and_do_not_repeat_one_another():
    texts = [
        "The parcel never arrived at my house!",
        "the parcel never arrived at my house :(",
        "Courier lost the parcel on its way",
        "Nobody knows where my parcel went",
    ]
    chosen = representative(
        rows(texts, ["negative"] * 4, ["ana", "bob", "cid", "cid"]), text_vectors(texts)
    )
    assert len(chosen) == 2
    assert len({text.casefold()[:20] for _, _, text in chosen}) == 2


def test_too_short_and_too_long_texts_are_no_quotes():
    texts = ["short", "x" * 400, "A text of a length that can be read at once"]
    assert [
        one
        for one, _, _ in representative(
            rows(texts, ["neutral"] * 3, [None] * 3), text_vectors(texts)
        )
    ] == ["0002"]


def test_rows_in_any_order_give_the_same_bytes():
    frame = pd.DataFrame(
        {
            "timestamp": DAY,
            "text": [f"{text} number {row}" for row, text in enumerate(t for t in TEXTS if t)] * 4,
        }
    )
    tables = [
        cj.themes(cj.read_feedback(one), taxonomy=WORDS).table
        for one in (frame, frame.sample(frac=1, random_state=3))
    ]
    assert tables[0].to_csv() == tables[1].to_csv()


def test_headline_and_figure_name_the_same_theme_as_the_unhappiest():
    angry, mild, calm = (
        "the delivery was late again",
        "the invoice was wrong",
        "all of it is fine so far",
    )
    texts = [angry] * 40 + [mild] * 400 + [calm] * 400
    scores = [0] * 40 + [0] * 300 + [10] * 100 + [10] * 380 + [0] * 20
    frame = pd.DataFrame(
        {
            "feedback_id": range(len(texts)),
            "timestamp": "2025-01-01T10:00:00Z",
            "text": texts,
            "nps": scores,
        }
    )
    result = cj.themes(cj.read_feedback(frame))
    unhappy = result.with_detractors
    named = (
        unhappy[unhappy["beyond_chance"]]
        .sort_values(["difference", "theme"], ascending=[False, True])
        .iloc[0]["theme"]
    )
    assert f"“{named}” goes most with unhappy answers" in result.headline
    assert f"go most with “{named}”" in cj.plot(result, "detractors").layout.meta["caption"]


def test_a_theme_that_others_equal_is_not_the_most_written_about_alone():
    found = cj.themes(
        feedback(["the price is too high", "delivery took a week"] * 15), quotes=False
    )
    own = found.table[found.table["kind"] == "taxonomy"]
    assert (own["n"] == own["n"].max()).sum() > 1
    assert " (others as much), in " in found.headline

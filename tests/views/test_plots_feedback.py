"""Figures of feedback and the page to label a sample: what they claim, and what they must not."""

import pandas as pd
import pytest

import cjlib as cj

DAY = pd.Timestamp("2025-01-06", tz="UTC")
GOOD, BAD = (
    "I love it, the staff was great and very friendly",
    "I hate it, the delivery was terrible and far too late",
)
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def feedback() -> cj.Feedback:
    rows = (
        [("Buy", 10, GOOD, True)] * 35
        + [("Use", 0, BAD, True)] * 35
        + [(HOSTILE, 7, BAD, False)] * 4
    )
    frame = pd.DataFrame(rows, columns=["stage", "nps", "text", "solicited"])
    days = [DAY + pd.Timedelta(days=row % 60) for row in range(len(frame))]
    return cj.read_feedback(
        frame.assign(
            timestamp=days, text=[f"{text} {row}" for row, text in enumerate(frame["text"])]
        )
    )


def shown(figure) -> str:
    return (
        str(figure.to_plotly_json()["data"])
        + str(figure.layout.annotations)
        + str(figure.layout.xaxis)
        + str(figure.layout.yaxis)
    )


def test_without_an_audit_the_axis_says_index_and_there_is_no_interval(feedback):
    figure = cj.plot(cj.sentiment(feedback, by="stage"))
    table = figure.layout.meta["table"]
    assert (
        table["scale"]["title"]
        == "model index for negative (no audit: read its direction, not its height)"
    )
    assert not any(row["low"] for row in table["marks"])
    share, low, high = (
        figure.layout.meta["columns"].index(name) for name in ("share negative", "low", "high")
    )
    assert all(
        row[column] is None for row in figure.layout.meta["rows"] for column in (share, low, high)
    )


def test_with_an_audit_it_is_a_share_with_its_interval(feedback):
    labels = feedback.frame.assign(
        label=["negative" if "hate" in text else "positive" for text in feedback.frame["text"]]
    )[["feedback_id", "label"]]
    figure = cj.plot(cj.sentiment(feedback, audit=labels.iloc[:40]))
    table = figure.layout.meta["table"]
    assert table["scale"]["title"] == "share of negative texts"
    assert table["marks"][0]["high"] > table["marks"][0]["value"]


@pytest.mark.parametrize("view", ["scores", "distribution", "time", "compare", "crossed"])
def test_every_view_of_a_score_has_a_claim_and_its_numbers(feedback, view):
    figure = cj.plot(cj.nps(feedback, by="stage"), view)
    assert figure.layout.meta["caption"]
    assert view == "time" or figure.layout.meta["rows"]
    assert HOSTILE not in shown(figure)


def test_segments_with_few_answers_are_hollow_and_said_to_be(feedback):
    figure = cj.plot(cj.nps(feedback, by="stage"))
    marks = figure.layout.meta["table"]["marks"]
    assert [row["faint"] for row in marks] == [False, False, True]
    assert "too few to read" in marks[2]["said"]


def test_a_score_by_period_is_a_line_and_says_that_nothing_moved(feedback):
    figure = cj.plot(cj.nps(feedback, by="stage", period="month"))
    assert figure.layout.meta["caption"].endswith(
        "Too few periods with enough customers to tell whether its level moved."
    )


@pytest.mark.parametrize("view", ["themes", "detractors", "trend", "stages"])
def test_every_view_of_themes_has_a_claim(feedback, view):
    figure = cj.plot(cj.themes(feedback, candidates=False), view)
    assert figure.layout.meta["caption"]
    assert HOSTILE not in shown(figure)


def test_drivers_stand_on_their_sides(feedback):
    figure = cj.plot(cj.drivers(feedback))
    sides = dict(
        zip(
            (row[0] for row in figure.layout.meta["rows"]),
            (row[1] for row in figure.layout.meta["rows"]),
            strict=True,
        )
    )
    assert (sides["staff"], sides["delivery"]) == ("promoter", "detractor")


# ---- the page ----------------------------------------------------------------------------------------------------


def test_keys_label_go_back_and_are_kept_in_the_file_at_once(feedback, tmp_path):
    page = cj.explore_audit(feedback, path=tmp_path / "labels.csv", per_segment=5)
    for key in "nepxb":
        page.press(key)
    page.press("N")
    assert page.labels()["label"].tolist() == ["negative", "neutral", "negative"]
    assert pd.read_csv(tmp_path / "labels.csv")["label"].tolist() == [
        "negative",
        "neutral",
        "negative",
    ]
    assert page.progress == "3 of 5 texts labelled; labels are kept in labels.csv."


def test_labelling_goes_on_where_it_stopped_and_its_labels_serve_as_audit(feedback, tmp_path):
    first = cj.explore_audit(feedback, path=tmp_path / "labels.csv", per_segment=20)
    first.press("n")
    again = cj.explore_audit(feedback, path=tmp_path / "labels.csv", per_segment=20)
    again.press("p")
    assert again.labels()["label"].tolist() == ["negative", "positive"]
    assert cj.sentiment(feedback, audit=tmp_path / "labels.csv").table["n_audited"].tolist() == [2]


def test_the_live_page_shows_text_as_text_and_its_buttons_label(feedback, tmp_path):
    frame = pd.DataFrame({"timestamp": DAY, "text": [f"This is {HOSTILE} a terrible service"]})
    page = cj.explore_audit(cj.read_feedback(frame), path=tmp_path / "labels.csv")
    box = page.widget()
    assert HOSTILE not in box.children[1].value
    box.children[3].children[0].click()
    assert page.labels()["label"].tolist() == ["negative"]
    box.children[2].value = "b"
    box.children[2].value = "p"
    assert page.labels()["label"].tolist() == ["positive"]


def test_in_a_report_the_page_says_how_far_it_is(feedback, tmp_path, monkeypatch):
    monkeypatch.setenv("CJLIB_MODE", "report")
    bundle = cj.explore_audit(
        feedback, path=tmp_path / "labels.csv", per_segment=5
    )._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "0 of 5 texts labelled" in bundle["text/html"]
    assert not (tmp_path / "labels.csv").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "is no file of labels: it needs the columns"),
        ("feedback_id,label\n1,bad\n", r"labels must be one of 'negative', 'neutral', 'positive'"),
    ],
)
def test_a_file_that_holds_no_labels_is_refused(feedback, tmp_path, content, message):
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(cj.DataError, match=message):
        cj.explore_audit(feedback, path=tmp_path / "labels.csv")


def test_what_is_no_feedback_is_refused(tmp_path):
    with pytest.raises(
        cj.CjlibError, match=r"^feedback: must be what cj\.read_feedback gives\. Got 'list'\."
    ):
        cj.explore_audit([], path=tmp_path / "labels.csv")

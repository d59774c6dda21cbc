"""Answers that are doubtful as a whole: a scale that changed on a day, a customer who gave many of them; what rests on them is not claimed."""

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.journey import journey_from

START = pd.Timestamp("2024-01-01", tz="UTC")
GOOD, BAD = "It works well and I am happy with it", "It is broken and I am angry about it"


def answers(until_june: tuple[int, int], after: tuple[int, int], n: int = 900, seed: int = 0):
    """Answers of a year of which two thirds are happy, on one scale until July and on another from then on."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.uniform(0, 360, n))
    happy = rng.random(n) < 0.66
    low, high = (np.where(days < 181, one, other) for one, other in zip(until_june, after, strict=True))  # fmt: skip
    away = np.minimum(rng.integers(0, 3, n), high - low - 1)
    return pd.DataFrame(
        {
            "customer_id": [f"c{row}" for row in range(n)],
            "timestamp": START + pd.to_timedelta(days, unit="D"),
            "stage": rng.choice(["Buy", "Use"], n),
            "csat": np.where(happy, high - away, low + away),
            "text": [f"{GOOD if one else BAD} {row}" for row, one in enumerate(happy)],
        }
    )


def read(rows: pd.DataFrame, scale: str = "1 to 10") -> cj.Feedback:
    return cj.read_feedback(rows, columns={"csat": ("csat", scale)})


def said(feedback: cj.Feedback, check: str) -> list[str]:
    quality = feedback.quality
    return quality.loc[quality["check"].str.contains(check), "example"].tolist()


@pytest.mark.parametrize(("first", "then", "side"), [((1, 5), (1, 10), "before 2024-06-"), ((1, 10), (1, 5), "since 2024-06-")])  # fmt: skip
def test_a_scale_that_changed_on_a_day_is_told(first, then, side):
    (text,) = said(read(answers(first, then)), "scale may have changed")
    assert text.startswith(side)
    assert "lies above 5" in text


def test_a_scale_read_with_its_low_end_best_may_change_as_well():
    assert said(read(answers((1, 5), (1, 10)), "1 to 10, 1 is best"), "scale may have changed")


@pytest.mark.parametrize("seed", range(4))
def test_answers_that_change_within_their_scale_are_no_other_scale(seed):
    rng = np.random.default_rng(seed)
    rows = answers((1, 10), (1, 10), seed=seed)
    worse = rows["timestamp"] > "2024-09-01"
    rows.loc[worse & (rng.random(len(rows)) < 0.5), "csat"] = 2
    assert said(read(rows), "scale may have changed") == []


def test_no_time_is_compared_with_another_where_the_scale_may_have_changed():
    changed, same = read(answers((1, 5), (1, 10))), read(answers((1, 10), (1, 10)))
    score = cj.score(changed, period="month")
    assert score.headline.endswith("the scale may have changed; no time is compared with another.")
    assert (len(score.shifts), len(score.changes), score.findings) == (0, 0, ())
    assert cj.plot(score, "time").layout.meta["caption"].endswith("Its scale may have changed, so no period is compared with another.")  # fmt: skip
    assert len(cj.score(same, period="month").changes) > 0
    texts = cj.sentiment(changed, period="month")
    assert texts.by_ratings
    assert "no time is compared with another" in texts.headline
    assert len(texts.shifts) == len(texts.changes) == 0


def test_maps_of_two_times_do_not_compare_a_score_whose_scale_may_have_changed():
    rows = answers((1, 5), (1, 10))
    events = rows.assign(event=rows["stage"].str.lower())[["customer_id", "event", "timestamp"]]
    log = cj.read_events(events)
    journey = journey_from(
        {"name": "t", "timezone": "UTC", "sources": {"events": "e.csv"}, "map": {"silent_after": "20D"},
         "stages": [{"name": one, "touchpoints": [one.lower()]} for one in ("Buy", "Use")]}
    )  # fmt: skip
    parts = [log.where(end="2024-06-28"), log.where(start="2024-07-02")]
    before, after = (cj.journey_map(journey, part, read(rows)) for part in parts)
    change = after.compare(before)
    cells = change.table[change.table["measure"] == "csat"]
    assert set(cells["words"]) == {"not tested"}
    assert "the scale may have changed" in change.definition["csat"]


@pytest.mark.parametrize("in_days", [True, False])
def test_anonymous_answers_delivered_twice_are_told_and_all_count(in_days):
    rows = answers((1, 5), (1, 5)).drop(columns="customer_id")
    rows["text"] = "A sentence that is long enough to be told: " + rows["text"]
    rows["timestamp"] = rows["timestamp"].dt.floor("D" if in_days else "s")
    twice = pd.concat([rows.assign(row=1), rows.assign(row=2)])
    (text,) = said(read(twice, "1 to 5"), "anonymous answers that repeat")
    assert text.startswith("900 of 1,800 answers without a customer equal another")
    assert len(read(twice, "1 to 5")) == 1_800
    assert said(read(rows, "1 to 5"), "anonymous answers") == []
    assert said(read(rows.assign(text="ok", timestamp=START), "1 to 5"), "anonymous answers") == []


def test_who_gave_many_of_the_answers_is_told():
    rows = answers((1, 5), (1, 5))
    rows.loc[rows.index[::4], "customer_id"] = "kiosk"
    (text,) = said(read(rows, "1 to 5"), "many answers of one customer")
    assert text == "'kiosk' gave 225 of 900 answers (25.0%): a shared account or a program?"
    assert said(read(answers((1, 5), (1, 5)), "1 to 5"), "many answers") == []

"""Periods beside the one before, levels that moved, solicited beside unsolicited, and what came after a complaint."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import MONDAY, toy_events
from scipy.special import ndtr

import cjlib as cj
from cjlib.analyses.feedback.scores import Scores
from cjlib.analyses.feedback.sentiment_shares import against_others
from cjlib.shared.change_points import level_shifts
from cjlib.shared.comparison import known_at_once
from cjlib.shared.risk_comparison import Strata, compare_within_strata
from cjlib.shared.stats import Z95

DAY = pd.Timestamp("2025-01-06", tz="UTC")


def monthly(scores_by_month: list[list[int]], **columns) -> cj.Feedback:
    rows = [
        (pd.Timestamp(2024 + month // 12, month % 12 + 1, 10, tz="UTC"), score)
        for month, scores in enumerate(scores_by_month)
        for score in scores
    ]
    return cj.read_feedback(pd.DataFrame(rows, columns=["timestamp", "nps"]).assign(**columns))


# ---- periods -----------------------------------------------------------------------------------------------------


def test_each_period_is_counted_on_its_own_and_compared_with_the_one_before():
    result = cj.nps(monthly([[10] * 30 + [0] * 30, [10] * 60, [9, 0]]), period="month")
    assert result.table["value"].tolist() == [0, 100, 0]
    changes = result.changes
    assert changes[["n", "other_n", "difference"]].values.tolist() == [[60, 60, 100]]
    assert changes["significant"].tolist() == [True]


@pytest.mark.parametrize(("worse", "told"), [(0.0, 0), (1.0, 2)])
def test_a_region_that_answered_more_when_all_were_happier_is_not_happier(worse, told):
    """Regions alike in every month: "NPS of B is +8, 17 points above that of the others" in 10 of 10 businesses."""
    rng = np.random.default_rng(0)
    day = rng.uniform(0, 360, 3_000)
    late = rng.random(3_000) < 0.1 + 0.7 * day / 360
    rating = np.clip(np.round(rng.normal(6.3 + 2.2 * day / 360 - worse * ~late, 2)), 0, 10)
    feedback = cj.read_feedback(
        pd.DataFrame(
            {
                "customer_id": np.arange(3_000).astype(str),
                "timestamp": DAY + pd.to_timedelta(day, unit="D"),
                "nps": rating.astype(int),
                "region": np.where(late, "B", "A"),
            }
        )
    )
    assert len(cj.nps(feedback, by="region").findings) == told
    texts = pd.DataFrame(
        {
            "segment": np.where(late, "B", "A"),
            "status": "scored",
            "score": rating / 10,
            "rating": np.nan,
            "kind": 0,
            "customer": np.arange(3_000),
            "month": (day // 30).astype(int),
        }
    )
    assert against_others(texts, 30)[1].claims.sum() == told


def test_weights_and_periods_do_not_go_together():
    with pytest.raises(cj.CjlibError, match=r"^weights: cannot be given together with period\."):
        cj.nps(monthly([[10]]), weights={"all": 1}, period="month")


def test_an_unknown_period_is_refused():
    with pytest.raises(
        cj.CjlibError,
        match=r"^period: must be one of 'day', 'week', 'month', 'quarter', 'year'\. Got 'fortnight'",
    ):
        cj.nps(monthly([[10]]), period="fortnight")


def test_a_score_is_asked_for_by_its_name():
    feedback = monthly([[10, 0]])
    assert cj.score(feedback, "nps").table["value"].tolist() == [0]
    with pytest.raises(
        cj.CjlibError, match=r"^name: must be one of 'nps', 'csat', 'ces', 'rating'\. Got 'npss'"
    ):
        cj.score(feedback, "npss")


# ---- levels ------------------------------------------------------------------------------------------------------


def series(means: list[float], n: int, seed: int, start: str = "2023-01-01") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    periods = pd.date_range(start, periods=len(means), freq="MS")
    return pd.DataFrame(
        {
            "segment": "all",
            "period": np.repeat(periods, n),
            "value": rng.normal(np.repeat(means, n), 1.0),
            "customer": np.arange(n * len(means)),
        }
    )


def moved(rows: pd.DataFrame) -> list[int]:
    """The months (from 0) from which the level is another one."""
    found = level_shifts("levels", rows, least=30).table
    starts = sorted(rows["period"].unique())
    return [starts.index(period) for period in found["period"]]


def test_a_level_that_moved_is_found_where_it_moved():
    rows = series([0] * 5 + [1] * 5, 40, seed=1)
    found = level_shifts("levels", rows, least=30).table
    assert moved(rows) == [5]
    assert found["difference_low"].iloc[0] > 0.5


def test_two_moves_are_found_each():
    assert moved(series([0] * 5 + [2] * 5 + [0.5] * 5, 40, seed=2)) == [5, 10]


def test_a_level_that_is_flat_wanders_or_follows_the_year_seldom_moves():
    rng = np.random.default_rng(0)
    false = 0
    for seed in range(8):
        wander = [rng.normal()]
        for _ in range(23):
            wander.append(0.6 * wander[-1] + 0.8 * rng.normal())
        year = np.sin(2 * np.pi * (np.arange(24) / 12 + rng.random()))
        for means in (np.zeros(24), 0.15 * np.array(wander), 0.2 * year):
            rows = series(means.tolist(), 40, seed=seed)
            false += bool(level_shifts("levels", rows, least=30).claims.any())
    assert false <= 2  # of 24, each claimed below .0025


def test_more_segments_make_a_shift_harder_to_claim():
    rows = series([0] * 5 + [1] * 5, 40, seed=1)
    many = pd.concat([series([0] * 10, 40, seed=k).assign(segment=str(k)) for k in range(9)])
    alone = level_shifts("levels", rows, least=30)
    among = level_shifts("levels", pd.concat([rows, many]), least=30)
    assert (alone.tests, among.tests) == (1, 10)
    assert among.table["p_adjusted"].iloc[0] == pytest.approx(10 * alone.table["p_value"].iloc[0])


def test_too_few_answers_or_customers_move_nothing():
    assert moved(series([0] * 5 + [5] * 5, 5, seed=3)) == []
    few = series([0] * 5 + [5] * 5, 40, seed=3).assign(customer=lambda rows: rows["customer"] % 20)
    assert moved(few) == []


def test_both_sides_of_a_move_inside_a_part_are_of_enough_customers():
    """From the sixth to the tenth month the answers are those of ten customers, forty a month: no move ends with them."""
    rows = series([0] * 5 + [4] * 5 + [2] * 5, 40, seed=3)
    assert moved(rows) == [5, 10]
    theirs = rows["period"].between("2023-06-01", "2023-10-01")
    few = rows.assign(customer=rows["customer"].mask(theirs, 10_000 + rows["customer"] % 10))
    assert 10 not in moved(few)
    shift = level_shifts("levels", few, least=30).table.iloc[0]
    assert shift[["n_before", "customers_before"]].tolist() == [200, 200]
    assert shift["n_after"] > shift["customers_after"]


def test_the_interval_of_a_move_knows_how_the_level_wanders():
    rng, held = np.random.default_rng(5), []
    for seed in range(20):
        levels = np.repeat([0.0, 2.0], 8) + rng.normal(0, 0.4, 16)
        found = level_shifts("levels", series(levels.tolist(), 60, seed=seed), least=30).table
        held += [(one.difference_low < 2 < one.difference_high) for one in found.itertuples()]
    assert len(held) >= 15
    assert np.mean(held) > 0.85


def test_too_few_periods_cannot_tell_a_move_from_wandering():
    assert level_shifts("levels", series([0, 5], 40, seed=3), least=30).tests == 0


def test_a_constant_answer_moves_nothing():
    assert moved(series([0] * 10, 40, seed=3).assign(value=5.0)) == []


# ---- solicited beside unsolicited ----------------------------------------------------------------------------------------

GOOD, BAD = (
    "This is great, I love it and I am very happy with it",
    "This is terrible, I hate it and I am very angry about it",
)


def sides() -> cj.Feedback:
    rows = []
    for stage, score, text in (("Buy", 10, BAD), ("Use", 0, GOOD)):
        rows += [(stage, score, None, True)] * 40 + [(stage, None, text, False)] * 40
    frame = pd.DataFrame(rows, columns=["stage", "nps", "text", "solicited"])
    return cj.read_feedback(frame.assign(timestamp=DAY))


def _asked_and_written(buy: float, use: float, seed: int = 0) -> Scores:
    """Of Buy this share is happy by score and of Use the rest; by texts this share of Use and the rest of Buy."""
    rng = np.random.default_rng(seed)
    rows = []
    for stage, happy, pleased in (("Buy", buy, 1 - use), ("Use", 1 - buy, use)):
        rows += [(stage, 10 if rng.random() < happy else 0, None, True) for _ in range(60)]
        rows += [(stage, None, GOOD if rng.random() < pleased else BAD, False) for _ in range(60)]
    frame = pd.DataFrame(rows, columns=["stage", "nps", "text", "solicited"])
    return cj.nps(cj.read_feedback(frame.assign(timestamp=DAY)), by="stage")


def test_two_segments_are_said_to_stand_in_opposite_order_only_where_intervals_lie_apart():
    apart, alike = _asked_and_written(0.8, 0.8), _asked_and_written(0.5, 0.5)
    assert set(apart.compare["opposite"]) == {"Buy", "Use"}
    assert (
        cj.plot(apart, "compare")
        .layout.meta["caption"]
        .startswith("Solicited scores and unsolicited texts put Buy and Use in opposite order")
    )
    assert alike.compare["opposite"].isna().all()
    assert (
        cj.plot(alike, "compare").layout.meta["caption"]
        == "No two of 2 segments stand in one order by solicited scores and in the other by unsolicited texts, with intervals apart."
    )


def test_solicited_and_unsolicited_stand_side_by_side_and_their_ranks_disagree():
    table = cj.nps(sides(), by="stage").compare.set_index("segment")
    assert table[["n", "n_text", "value"]].values.tolist() == [[40, 40, 100], [40, 40, -100]]
    assert table[["rank_by_score", "rank_by_text", "rank_difference"]].values.tolist() == [
        [2, 1, -1],
        [1, 2, 1],
    ]
    assert table["method"].tolist() == ["model_index"] * 2


def test_answers_to_a_survey_are_not_counted_among_the_unsolicited():
    frame = pd.DataFrame(
        {"timestamp": DAY, "nps": [9, None], "text": [GOOD, BAD], "solicited": [True, False]}
    )
    assert cj.nps(cj.read_feedback(frame)).compare[["n", "n_text"]].values.tolist() == [[1, 1]]


def test_scores_and_words_that_contradict_each_other_are_counted_with_a_quote():
    frame = pd.DataFrame(
        {"timestamp": DAY, "nps": [10] * 3 + [0] * 2, "text": [GOOD, GOOD, BAD, GOOD, BAD]}
    )
    crossed = cj.nps(cj.read_feedback(frame)).crossed.set_index("cell")
    assert crossed[["n", "of"]].values.tolist() == [[1, 3], [1, 2]]
    assert crossed["quote_1"].tolist() == [BAD, GOOD]


def test_verbatims_disagree_with_their_scores_in_part(shared_data):
    columns = {"response_date": "timestamp", "journey_stage": "stage", "nps_score": "nps"}
    feedback = cj.read_feedback(
        shared_data / "nps_verbatims" / "nps_verbatims.csv.gz",
        columns=columns,
        timezone="Europe/London",
    )
    result = cj.nps(feedback, by="stage")
    assert (
        result.compare.empty
    )  # nobody says which answers were solicited: they would stand on both sides
    assert result.crossed.set_index("cell").loc["good_score_negative_text", "share"] < 0.15


# ---- what came after ---------------------------------------------------------------------------------------------


def followed(events: str, rows: list[tuple], **options):
    frame = pd.DataFrame(rows, columns=["customer_id", "hours", "nps"])
    times = MONDAY + pd.to_timedelta(frame.pop("hours"), unit="h")
    log = cj.read_events(toy_events(events), observed_until="2024-03-31")
    return cj.after_feedback(
        cj.read_feedback(frame.assign(timestamp=times, stage="Buy")),
        log,
        **{"outcome": "leave", "within": "2D"} | options,
    ).table.iloc[0]


EVENTS = "ana: view@0h leave@10h | bob: view@0h leave@58h | cid: view@0h leave@5h | dan: view@0h | eva: view@0h leave@59h"


def test_the_outcome_counts_strictly_after_the_answer_and_to_the_end_of_within():
    row = followed(
        EVENTS, [("ana", 10, 0), ("bob", 10, 0), ("cid", 10, 0), ("eva", 10, 0), ("dan", 10, 9)]
    )
    assert (row["complained"], row["outcome_complained"], row["others"]) == (4, 1, 1)


def test_an_event_of_the_same_instant_does_not_hide_a_later_one():
    row = followed("ana: leave@10h leave@11h | dan: view@0h", [("ana", 10, 0), ("dan", 10, 9)])
    assert row["outcome_complained"] == 1


def test_a_customer_counts_once_by_the_first_answer():
    row = followed(EVENTS, [("ana", 1, 10), ("ana", 9, 0), ("ana", 40, 0), ("dan", 1, 10)])
    assert (row["complained"], row["others"], row["outcome_others"]) == (0, 2, 1)


def test_who_lives_long_enough_to_complain_is_not_compared_with_who_left_at_once():
    # Every answer is a complaint by chance, monthly, and leaving has nothing to do with it.
    false = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        begin = rng.uniform(0, 300, 900)
        end = np.minimum(begin + rng.exponential(150, 900), 360)
        who = np.repeat(np.arange(900), rng.poisson((end - begin) / 30))
        at = begin[who] + rng.random(who.size) * (end - begin)[who]
        gone = np.flatnonzero(end < 360)
        days = pd.to_timedelta(np.r_[begin, end[gone]], unit="D")
        log = cj.read_events(
            pd.DataFrame(
                {
                    "customer_id": np.r_[np.arange(900), gone].astype(str),
                    "event": ["start"] * 900 + ["cancel"] * gone.size,
                    "timestamp": DAY + days,
                }
            ),
            observed_until=DAY + pd.Timedelta(days=360),
        )
        answers = pd.DataFrame(
            {
                "customer_id": who.astype(str),
                "timestamp": DAY + pd.to_timedelta(at, unit="D"),
                "nps": np.where(rng.random(who.size) < 0.25, 3, 9),
            }
        )
        result = cj.after_feedback(
            cj.read_feedback(answers), log, outcome="cancel", within="60D", by=None
        )
        false += bool(result.table["p_value"].iloc[0] < 0.05)
        assert abs(result.table["difference"].iloc[0]) < 0.12
        assert "both sides followed for 60 days from the first answer" in result.definition["tests"]
    assert false <= 1


def test_without_events_or_an_outcome_it_says_so():
    feedback = monthly([[10, 0]])
    result = cj.after_feedback(feedback, None, outcome=None)
    assert not result.answered
    assert "names no events" in result.headline


def test_answers_too_late_to_be_followed_are_left_out():
    rows = [("ana", 9, 0), ("dan", 9, 9), ("bob", 24 * 89, 0)]
    assert followed(EVENTS, rows)["complained"] == 1
    with pytest.raises(
        cj.CjlibError,
        match=r"^after_feedback: no answer of a customer of the log was given 100 days before the end of data",
    ):
        followed(EVENTS, rows, within="100D")


def test_the_difference_compares_within_months_by_hand():
    # January: 1 of 2 against 0 of 2; February: 1 of 1 against 1 of 1. Mantel-Haenszel: (1*2/4 + 0) / (2*2/4 + 1*1/2) = 0.5 / 1.5.
    events = "a: leave@11h | b: view@0h | c: view@0h | d: view@0h | e: view@0h leave@1000h | f: view@0h leave@1000h"
    row = followed(
        events,
        [("a", 10, 0), ("b", 10, 0), ("c", 10, 9), ("d", 10, 9), ("e", 990, 0), ("f", 990, 9)],
    )
    assert row["difference"] == pytest.approx(0.5 / 1.5)


def test_the_planted_link_of_complaint_and_leaving_is_found_in_the_sample():
    made = cj.sample(customers=1500, seed=1)
    journey = (
        made.journey
        if isinstance(made.journey, cj.Journey)
        else cj.read_journey("data/sample/journey.yml")
    )
    log = cj.read_events(made.events, timezone="Europe/Berlin", quarantine_limit=0.2)
    feedback = cj.read_feedback(made.feedback, timezone="Europe/Berlin", quarantine_limit=0.2)
    result = cj.after_feedback(
        cj.assign_stages(feedback, log, journey).feedback,
        log,
        outcome="cancel",
        within="60D",
        by=None,
    )
    assert result.headline.endswith(
        "Association, not causation: those who complain differ in more than their complaint."
    )
    assert result.table["complained"].iloc[0] > 100


def of_months(count, base, other_count, other_base) -> Strata:
    return Strata(*(np.array(part, dtype=float) for part in (count, base, other_count, other_base)))


def test_the_interval_after_few_complaints_reaches_as_far_as_its_p_says():
    """0 of 76 against 24 of 295: exact p of nobody by chance .0041; the difference over its own error would give less than .00001."""
    compared = compare_within_strata(
        "leaving", [of_months([0], [76], [24], [295])], follow_up=known_at_once("the answer")
    )
    assert compared.difference[0] == pytest.approx(-24 / 295)
    assert 0.003 < compared.p_value[0] < 0.005
    assert compared.low[0] == pytest.approx(-0.1168, abs=1e-4)
    assert compared.high[0] == pytest.approx(-0.0386, abs=1e-4)


def test_p_of_many_is_that_of_cochran_mantel_and_haenszel():
    months = of_months([130, 90], [400, 300], [110, 100], [380, 320])
    variance = 400 * 380 * 240 * 540 / (780**2 * 779) + 300 * 320 * 190 * 430 / (620**2 * 619)
    excess = 220 - 400 * 240 / 780 - 300 * 190 / 620
    assert 2 * ndtr(-abs(months.z(0.0))) == pytest.approx(
        math.erfc(excess / math.sqrt(2 * variance)), rel=0.01
    )


def test_nobody_on_either_side_is_no_difference_and_no_month_of_both_no_answer():
    few = of_months([0, 0], [20, 30], [0, 0], [90, 80])
    nothing = of_months([], [], [], [])
    compared = compare_within_strata(
        "leaving", [few, nothing], follow_up=known_at_once("the answer")
    )
    assert compared.p_value[0] == 1
    assert compared.low[0] < 0 < compared.high[0]
    assert np.isnan([compared.difference[1], compared.p_value[1], compared.low[1]]).all()


def test_interval_and_p_after_a_complaint_agree_and_hold_where_few_leave():
    rng = np.random.default_rng(4)
    held = disagreed = 0
    for _ in range(300):
        base, other_base = rng.multinomial(60, [1 / 6] * 6), rng.multinomial(300, [1 / 6] * 6)
        both = (base > 0) & (other_base > 0)
        count, other_count = rng.binomial(base, 0.07), rng.binomial(other_base, 0.03)
        months = of_months(count[both], base[both], other_count[both], other_base[both])
        low, high = months.bound(Z95), months.bound(-Z95)
        held += low <= 0.04 <= high
        disagreed += (low > 0 or high < 0) != (abs(months.z(0.0)) > Z95)
    assert disagreed == 0
    assert 0.92 < held / 300 < 0.99


@pytest.mark.parametrize("complained", [0, 10, 400])
def test_that_complaints_change_nothing_is_not_said_where_nothing_was_compared(complained):
    """All of 400 complained, or none, and "at no stage did those who complained leave more often"."""
    ids = [f"c{place}" for place in range(400)]
    leaves = pd.DataFrame({"customer_id": ids[:40], "event": "cancel", "timestamp": DAY})
    leaves["timestamp"] += pd.Timedelta(days=5)
    uses = pd.DataFrame({"customer_id": ids, "event": "use", "timestamp": DAY})
    answers = uses.drop(columns="event").assign(
        csat=[1] * complained + [5] * (400 - complained), stage="Use"
    )
    log = cj.read_events(pd.concat([uses, leaves]), observed_until="2025-06-30")
    result = cj.after_feedback(cj.read_feedback(answers), log, outcome="cancel", within="60D")
    assert result.headline.startswith(
        "Whether those who complained had cancel more often within 60 days cannot be told: nowhere did 30 customers complain"
    )

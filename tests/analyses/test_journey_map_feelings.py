"""The journey map: what customers feel, which patterns have a name, moments, pain points, what if; on toys, and on a business whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import MONDAY, toy_events

import cjlib as cj
from cjlib.analyses.journey_map.moments import COLUMNS as MOMENT_COLUMNS
from cjlib.analyses.journey_map.moments import _excess, verdicts
from cjlib.analyses.journey_map.pain import Part
from cjlib.analyses.journey_map.sentiment_line import (
    Answers,
    Clustered,
    clustered,
    named_patterns,
    pairs,
    taking_part,
)
from cjlib.sources.journey import journey_from

STAGES = [{"name": name, "touchpoints": [name.lower()]} for name in ("Look", "Buy", "Use", "Stay")]


def a_journey(**more):
    return journey_from(
        {
            "name": "toy",
            "sources": {"events": "events.csv"},
            "stages": STAGES,
            "map": {"silent_after": "10D"},
        }
        | more
    )


def answers(
    means: list[float], n: int = 60, sd: float = 1.0, seed: int = 0, people: int | None = None
) -> pd.DataFrame:
    """Answers at stages with these means; `people` customers share them, or each answer has its own."""
    rng = np.random.default_rng(seed)
    rows = [
        (s, f"c{s}-{k % (people or n)}", mean + sd * z)
        for s, mean in enumerate(means)
        for k, z in enumerate(rng.standard_normal(n))
    ]
    table = pd.DataFrame(rows, columns=["stage", "person", "value"])
    return table.assign(feedback_id=[f"f{k:05d}" for k in range(len(table))])


def by_stage(table: pd.DataFrame, stages: int) -> Clustered:
    """What is counted of such answers at each stage."""
    ordered = table.sort_values("feedback_id")
    _, person = np.unique(ordered["person"].to_numpy(dtype=object).astype(str), return_inverse=True)
    return clustered(
        Answers.of(ordered["value"].to_numpy(), person, {"stage": ordered["stage"].to_numpy()}),
        "stage",
        stages,
    )


def names(means: list[float], **options) -> list[tuple[str, int, int]]:
    return [
        (one.name, one.first, one.last)
        for one in named_patterns(by_stage(answers(means, **options), len(means)))
    ]


# ---- the line and its patterns ----------------------------------------------------------------------------------------


def test_a_trough_lies_below_both_neighbours_and_the_drop_into_it_is_named():
    assert names([0, 0, -2, 0, 0]) == [("rapid drop", 1, 2), ("trough", 2, 2)]


def test_a_peak_is_the_mirror_and_a_run_may_be_longer_than_one_stage():
    assert ("peak", 1, 1) in names([0, 2, 0])
    assert ("trough", 1, 2) in names([0, -2, -2, 0])


def test_the_first_and_the_last_stage_are_no_trough():
    assert names([-2, 0, 0]) == []
    assert names([0, 0, -2]) == [("rapid drop", 1, 2)]


def test_a_sawtooth_needs_two_turns():
    assert "sawtooth" in [one[0] for one in names([0, -2, 0, -2])]
    assert "sawtooth" not in [one[0] for one in names([0, -2, 0])]


def test_what_is_certain_but_small_is_no_pattern():
    assert names([0, -0.1, 0], n=20_000) == []


def test_a_stage_takes_part_with_answers_of_thirty_customers():
    enough = by_stage(answers([0, 0], n=30), 2)
    few, crowd = by_stage(answers([0, 0], n=29), 2), by_stage(answers([0, 0], n=90, people=29), 2)
    assert (taking_part(enough), taking_part(few), taking_part(crowd)) == ([0, 1], [], [])


def test_one_loud_customer_widens_the_interval_instead_of_making_evidence():
    table = answers([0.0], n=60)
    loud = pd.concat(
        [table, *[table.head(1).assign(feedback_id=f"g{k:03d}", value=9.0) for k in range(40)]]
    )
    spread, alone = (
        float(np.diff(by_stage(one, 1).interval, axis=0)[0, 0])
        for one in (loud, loud.assign(person=loud["feedback_id"]))
    )
    assert spread > 2 * alone


def test_the_variance_is_the_textbooks_where_every_answer_has_its_own_customer():
    table = answers([0.0, 1.0], n=50)
    held = by_stage(table, 2)
    by_hand = [group.var(ddof=1) / len(group) for _, group in table.groupby("stage")["value"]]
    assert np.diag(held.covariance) == pytest.approx(by_hand)
    assert held.covariance[0, 1] == 0


def test_the_comparison_of_two_stages_is_welchs_t_test():
    from scipy.stats import ttest_ind

    table = answers([0.0, 0.4], n=50)
    values = [group.to_numpy() for _, group in table.groupby("stage")["value"]]
    p = pairs(by_stage(table, 2), [0, 1])[0, 1].p_adjusted
    assert p == pytest.approx(ttest_ind(*values, equal_var=False).pvalue, abs=1e-6)


def test_without_effects_patterns_are_rarely_named():
    named = [bool(names([0.0] * 6, n=60, seed=seed)) for seed in range(40)]
    assert sum(named) <= 2


# ---- moments ---------------------------------------------------------------------------------------------------------


def test_an_experience_is_judged_by_csat_then_nps_then_ces_then_the_text_and_the_middle_is_left_out():
    rows = pd.DataFrame(
        [
            (4, 0, 1, "negative"),
            (2, 10, 7, "positive"),
            (3, 10, 7, "positive"),
            (None, 6, 7, "positive"),
            (None, None, 5, None),
            (None, None, None, "negative"),
            (None,) * 4,
        ],
        columns=["csat", "nps", "ces", "label"],
    )
    assert verdicts(rows).tolist() == pytest.approx([1, 0, np.nan, 0, 1, 0, np.nan], nan_ok=True)


def test_the_excess_is_the_difference_less_the_median_of_the_other_tested_places():
    same, tested = np.full(4, 0.01), np.array([True, True, True, False])
    held = _excess(np.array([0.3, 0.1, 0.0, 0.9]), same, same, tested)
    assert held["excess"].tolist() == pytest.approx([0.25, -0.05, -0.2, np.nan], nan_ok=True)
    two = _excess(np.array([0.3, 0.1]), same[:2], same[:2], np.array([True, True]))
    assert two["excess"].tolist() == pytest.approx([0.2, -0.2])
    one = _excess(np.array([0.3, 0.1]), same[:2], same[:2], np.array([True, False]))
    assert np.isnan(one["excess"]).all()


def test_a_stage_where_all_are_happy_is_no_surer_to_differ_than_chance():
    value = np.concatenate([np.full(30, 100.0), np.repeat([-100.0, 100.0], [30, 270])])
    place = np.repeat([0, 1], [30, 300])
    means = Clustered(value, place, np.arange(330), 2)
    # .9 to the 30th is .042; by each stage's own spread p was .00001.
    assert not pairs(means, [0, 1])[0, 1].differs


def test_a_place_where_all_of_thirty_are_lost_is_no_surer_to_hurt_than_chance():
    count, n = np.array([30, 900, 910, 890]), np.array([30, 1_000, 1_000, 1_000])
    part = Part(count, n, np.ones(4, dtype=bool), np.full(4, np.nan))
    # .9 to the 30th is .042; by the variance of the thirty alone p was .000004.
    assert 0.02 < part.p_values()[0] < 0.06


def test_an_outcome_is_looked_for_strictly_later_and_only_where_it_is_known():
    events = toy_events(
        "ana: look@0h use@40D | bob: look@0h use@30D | cy: look@0h use@61D | dee: look@50D"
    )
    feedback = cj.read_feedback(
        pd.DataFrame(
            {
                "customer_id": ["ana", "bob", "cy", "dee"],
                "timestamp": MONDAY,
                "csat": [5, 5, 1, 1],
                "touchpoint": "look",
            }
        )
    )
    log = cj.read_events(events, observed_until=MONDAY + pd.Timedelta("80D"))
    row = cj.journey_map(a_journey(), log, feedback).moments.set_index("outcome").loc["retained"]
    # ana within (30D, 60D]; bob at 30D exactly, too early; cy a day too late; dee is active at 50D.
    assert row[["n_good", "n_bad", "share_good", "share_bad", "status"]].tolist() == [
        2,
        2,
        0.5,
        0.5,
        "too few",
    ]


# ---- pain points -----------------------------------------------------------------------------------------------------


def test_a_part_is_compared_with_the_median_of_the_others_unless_a_reference_is_given():
    part = Part(
        np.array([50, 20, 30]),
        np.full(3, 100),
        np.ones(3, dtype=bool),
        np.array([np.nan, np.nan, 0.1]),
    )
    assert part.references(part.shares()).tolist() == pytest.approx([0.25, 0.4, 0.1])


def test_a_part_of_fewer_than_thirty_is_not_measured():
    part = Part(np.array([5, 20]), np.array([29, 100]), np.ones(2, dtype=bool), np.zeros(2))
    assert part.measured().tolist() == [False, True]


def lossy(lost: int, **more):
    text = " | ".join(
        [f"a{k}: look@0h" for k in range(lost)]
        + [f"b{k}: look@0h buy@1D use@2D stay@19D" for k in range(100 - lost)]
    )
    return cj.journey_map(
        a_journey(**more),
        cj.read_events(toy_events(text), observed_until=MONDAY + pd.Timedelta("20D")),
    )


def test_impact_is_customers_times_severity_times_what_is_at_stake():
    row = lossy(40).pain_points.iloc[0]
    numbers = ["stage", "customers", "affected", "lost", "lost_reference", "lost_excess"]
    assert row[numbers].tolist() == ["Look", 100, 40, 0.4, 0.0, 0.4]
    assert row["significant"]
    assert row["severity"] == pytest.approx(
        0.4 * 0.4 / (0.4 + 0.1)
    )  # lost and effortful are measured, weights 0.4 and 0.1
    assert row["impact"] == pytest.approx(100 * row["severity"] * 1)
    assert row["not_measured"] == "unhappy, slow"


def test_the_expected_share_is_the_reference_where_it_is_given():
    stages = [{**STAGES[0], "expected_share": 0.5}, *STAGES[1:]]
    row = lossy(40, stages=stages).pain_points.set_index("stage").loc["Look"].iloc[0]
    assert row["lost_excess"] == 0.0


def test_slow_counts_those_who_were_in_no_later_stage_in_time():
    stages = [{**STAGES[0], "expected": "12h"}, *STAGES[1:]]
    row = lossy(40, stages=stages).pain_points.set_index("stage").loc["Look"].iloc[0]
    assert row[["slow", "slow_n"]].tolist() == [1.0, 100]


def test_slow_is_a_claim_only_where_it_is_said_how_many_may_be():
    for share, tested in ({}, False), ({"expected_share": 0.9}, True):
        stages = [{**STAGES[0], "expected": "12h", **share}, *STAGES[1:]]
        row = lossy(40, stages=stages).pain_points.set_index("stage").loc["Look"].iloc[0]
        assert np.isfinite(row["slow_p_adjusted"]) == tested


def test_the_rank_stands_with_its_range_and_the_same_again():
    one, other = lossy(40).pain_points, lossy(40).pain_points
    assert one.iloc[0][["rank", "rank_low", "rank_high"]].tolist() == [1, 1, 1]
    assert one.iloc[0]["share_first"] == 1.0
    pd.testing.assert_frame_equal(one, other, check_exact=True)


# ---- before, after, what if -------------------------------------------------------------------------------------------


def test_a_map_beside_itself_shows_no_change():
    held = lossy(40)
    change = held.compare(held).table
    assert not change["significant"].any()
    assert set(change["words"]) <= {"no clear change", "as many", "too few"}


def test_fewer_lost_is_better_and_the_share_is_tested_as_two_shares():
    change = lossy(10).compare(lossy(50)).table.set_index(["stage", "measure"])
    row = change.loc[("Look", "share_ended")]
    assert row[["earlier", "now", "words"]].tolist() == [0.5, 0.1, "better"]
    assert change.loc[("Buy", "customers"), "words"] == "more"


def test_maps_of_other_stages_are_not_compared():
    with pytest.raises(
        cj.CjlibError, match=r"both maps must have the same stages\. They differ in Stay"
    ):
        lossy(10).compare(lossy(10, stages=STAGES[:3]))


def test_who_is_in_no_group_is_compared_with_nobody_where_others_got_into_theirs_late():
    def events(hours_with_plan: list[int]) -> pd.DataFrame:
        rows = [
            (
                f"c{k:02d}",
                name,
                MONDAY + pd.Timedelta(hours=hour),
                plan if hour in hours_with_plan else None,
            )
            for k in range(80)
            for plan in ["pro" if k % 2 else None]
            for hour, name in enumerate(["look", "buy"] if plan else ["look"])
        ]
        return pd.DataFrame(rows, columns=["customer_id", "event", "timestamp", "plan"])

    late, always, known = (
        cj.journey_map(a_journey(), cj.read_events(events(hours)), by="plan")
        for hours in ([1], [0, 1], [0])
    )
    for without in (late, always):
        for one, other in (("pro", "(not set)"), ("(not set)", "pro")):
            refused = without.group(one).compare(without.group(other))
            assert not refused.answered
            assert "never got one" in refused.headline
    assert known.group("pro").compare(known.group("(not set)")).answered


def test_the_day_of_a_split_belongs_to_the_time_after_it():
    days = ["2025-01-01"] * 3 + ["2025-01-02"] * 4
    rows = pd.DataFrame(
        {"customer_id": [f"c{k}" for k in range(7)], "event": "look", "timestamp": days}
    )
    held = cj.journey_map(a_journey(), cj.read_events(rows))
    changed = held.before_and_after("2025-01-02").table.set_index(["stage", "measure"])
    assert changed.loc[("Look", "customers"), ["earlier", "now"]].tolist() == [3, 4]
    assert not held.before_and_after("").answered


def test_to_ease_a_pain_is_to_let_more_go_on_from_its_stage():
    held = lossy(40)
    assert held.first_pain == "Look"
    eased = held.ease_first_pain(0.05)
    pd.testing.assert_frame_equal(eased.table, held.simulate({"Buy": 0.05}).table)
    assert eased.headline.startswith("If 5.0 points more went on from Look to Buy: +5 customers in")
    assert lossy(0).ease_first_pain(0.05).headline.startswith("No stage has a significant pain")


def test_what_if_multiplies_the_shares_along_the_chain():
    table = lossy(40).simulate({"Buy": 0.1}).table
    assert table["customers_now"].tolist() == pytest.approx([100, 60, 60, 60])
    assert table["customers_future"].tolist() == pytest.approx([100, 70, 70, 70])
    assert table["extra_customers_low"].iloc[-1] < 10 < table["extra_customers_high"].iloc[-1] + 1


def test_a_share_cannot_leave_nought_and_one_and_this_is_said():
    held = lossy(40).simulate({"Buy": 0.9})
    assert held.table["share_future"].tolist()[1] == 1.0
    assert held.clipped == ("Buy",)
    assert "The share of Buy was kept within 0 and 1." in held.headline
    # The condition is what can be, not what was asked: of 60% no 90 points more can go on.
    assert held.headline.startswith(
        "If 40.0 points more (asked were 90.0) went on from Look to Buy: "
    )
    assert lossy(40).simulate({"Look": 0.5}).table["customers_future"].tolist()[0] == 150


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"Bye": 0.1}, "Did you mean 'Buy'"), ({"Buy": "much"}, "changes: must be numbers")],
)
def test_a_change_that_cannot_be_used_says_what_can(changes, words):
    with pytest.raises(cj.CjlibError, match=words):
        lossy(40).simulate(changes)


# ---- feedback alone, support ------------------------------------------------------------------------------------------


def test_a_map_of_feedback_alone_leaves_behaviour_empty_and_says_so():
    feedback = cj.read_feedback(
        pd.DataFrame({"timestamp": [MONDAY] * 40, "nps": [10, 2] * 20, "stage": "Buy"})
    )
    held = cj.journey_map(a_journey(), None, feedback)
    row = held.table.set_index("stage").loc["Buy"]
    assert pd.isna(row["customers"])
    assert row[["n_nps", "nps", "evidence"]].tolist() == [40, 0.0, "feedback only"]
    assert "no events are given, so nothing here says what customers did" in held.headline
    assert list(held.moments.columns) == MOMENT_COLUMNS
    assert held.before_and_after("2024-02-01").headline.startswith("Without events")
    assert held.ease_first_pain(0.05).headline.startswith("Without events")
    assert cj.explore_map(held.journey, None).headline.startswith("Without events")
    for call in (held.customers, lambda: held.only([], "x"), lambda: held.simulate({"Buy": 0.1})):
        with pytest.raises(cj.CjlibError):
            call()


def test_the_scores_of_a_stage_are_those_of_the_analyses_of_scores():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "timestamp": [MONDAY] * 300,
            "nps": rng.integers(0, 11, 300),
            "csat": rng.integers(1, 6, 300),
            "stage": rng.choice(["Look", "Buy", "Use"], 300),
        }
    )
    feedback = cj.read_feedback(frame)
    held = cj.journey_map(a_journey(), None, feedback).table.set_index("stage")
    for score, counted in (
        ("nps", cj.nps(feedback, by="stage")),
        ("csat", cj.csat(feedback, by="stage")),
    ):
        for row in counted.table.to_dict("records"):
            assert held.loc[
                row["segment"], [f"n_{score}", score, f"{score}_low", f"{score}_high"]
            ].tolist() == [
                row["n"],
                row["value"],
                row["low"],
                row["high"],
            ]


def test_the_scores_and_texts_of_the_groups_are_those_of_the_analyses_of_the_feedback_of_each_group():
    rng = np.random.default_rng(3)
    size, said = (
        400,
        ["I love it, great help", "Terrible, it never works", "It arrived on Monday", None],
    )
    people = [f"c{k % 90:02d}" for k in range(size)]
    frame = pd.DataFrame(
        {
            "timestamp": [MONDAY + pd.Timedelta(seconds=k) for k in range(size)],
            "customer_id": people,
            "stage": rng.choice(["Look", "Buy", "Use"], size),
        }
    )
    scores = {
        "nps": rng.integers(0, 11, size),
        "csat": rng.integers(1, 6, size),
        "ces": rng.integers(1, 8, size),
    }
    written = (
        np.arange(size) % 2 == 0
    )  # without a rating, so that texts are scored alike whatever stands beside them
    frame = frame.assign(
        feedback_id=[f"f{k:03d}" for k in range(size)],
        text=pd.Series(rng.choice(np.array(said, dtype=object), size)).where(written),
    )
    feedback = cj.read_feedback(
        frame.assign(**{name: pd.Series(held).where(~written) for name, held in scores.items()})
    )
    log = cj.read_events(
        toy_events(
            " | ".join(f"c{k:02d}: look@0h({'web' if k % 3 else 'app'}) buy@1D" for k in range(90))
        )
    )
    held = cj.journey_map(a_journey(), log, feedback, by="channel")
    for channel in ("web", "app"):
        inside = feedback.frame["customer_id"].map(
            lambda one, of=channel: (int(one[1:]) % 3 > 0) == (of == "web")
        )
        part = replace(
            feedback, frame=feedback.frame[inside.to_numpy()].reset_index(drop=True), kept={}
        )
        mine = held.table[held.table["channel"] == channel].set_index("stage")
        alone = held.group(channel).table.set_index("stage")
        for score, counted in (
            ("nps", cj.nps(part, by="stage")),
            ("csat", cj.csat(part, by="stage")),
            ("ces", cj.ces(part, by="stage")),
        ):
            for row in counted.table.to_dict("records"):
                columns = [f"n_{score}", score, f"{score}_low", f"{score}_high"]
                numbers = [row["n"], row["value"], row["low"], row["high"]]
                assert mine.loc[row["segment"], columns].tolist() == pytest.approx(numbers)
                assert (
                    alone.loc[row["segment"], columns].tolist()
                    == mine.loc[row["segment"], columns].tolist()
                )
        for row in cj.sentiment(part, by="stage").table.to_dict("records"):
            assert mine.loc[row["segment"], ["n_scored", "mean_score"]].tolist() == [
                row["n_scored"],
                row["mean_score"],
            ]
            assert mine.loc[row["segment"], "share_method"] == row["method"] == "model_index"


def test_a_map_is_the_same_whether_another_of_the_same_data_was_made_before_or_not():
    log = cj.read_events(
        toy_events(
            " | ".join(
                f"c{k:02d}: look@0h({'web' if k % 3 else 'app'}) buy@{k % 5 + 1}D"
                for k in range(70)
            )
        )
    )
    said = pd.DataFrame(
        {
            "timestamp": MONDAY + pd.to_timedelta(range(70), unit="s"),
            "customer_id": [f"c{k:02d}" for k in range(70)],
            "nps": [k % 11 for k in range(70)],
        }
    )
    alone = cj.journey_map(a_journey(), log, cj.read_feedback(said), by="channel")
    journey, feedback = a_journey(), cj.read_feedback(said)
    whole = cj.journey_map(journey, log, feedback)
    after = cj.journey_map(journey, log, feedback, by="channel")
    tables = (
        "table",
        "touchpoints",
        "routes",
        "unmapped",
        "silent",
        "sentiment_line",
        "patterns",
        "moments",
        "pain_points",
        "quotes",
        "support",
    )
    for name in tables:
        pd.testing.assert_frame_equal(getattr(after, name), getattr(alone, name))
    assert after.definition == alone.definition
    assert whole.definition["by"] == "all together"
    after.pain_points.loc[:, "impact"] = -1.0
    after.unmapped["mine"] = 1
    assert "mine" not in whole.unmapped
    assert (whole.pain_points["impact"] != -1).all()
    pd.testing.assert_frame_equal(
        cj.journey_map(journey, log, feedback, by="channel").pain_points, alone.pain_points
    )


def test_a_place_is_compared_with_the_median_of_the_others_also_where_shares_tie():
    rng = np.random.default_rng(11)
    for places in (1, 2, 3, 4, 7):
        n = rng.choice([10, 40], places, p=[0.2, 0.8])
        part = Part(
            rng.integers(0, 10, places),
            n,
            rng.random(places) < 0.8,
            np.where(rng.random(places) < 0.2, 0.3, np.nan),
        )
        for shares in (rng.integers(0, 4, places) / 4, rng.integers(0, 4, (50, places)) / 4):
            expected = np.broadcast_to(part.reference, shares.shape).copy()
            for place in np.flatnonzero(np.isnan(part.reference)):
                others = [
                    k
                    for k in range(places)
                    if k != place and part.may_be_reference[k] and n[k] >= 30
                ]
                if others:
                    expected[..., place] = np.median(shares[..., others], axis=-1)
            np.testing.assert_array_equal(part.references(shares), expected)


def test_tickets_are_counted_by_the_period_in_which_they_were_opened():
    text = "ana: open@0h answer@2h solve@5h again@30h solve@40h open@60h | bob: open@1h answer@50h"
    support = {
        "opened": "open",
        "first_response": "answer",
        "resolved": "solve",
        "reopened": "again",
    }
    stages = [
        {
            "name": "Help",
            "touchpoints": [
                {"name": "ticket", "events": ["open", "answer", "solve", "again"], "support": True}
            ],
        }
    ]
    log = cj.read_events(toy_events(text), observed_until=MONDAY + pd.Timedelta("10D"))
    table = cj.journey_map(a_journey(stages=stages, support=support), log).support
    row = table[table["channel"].isna()].iloc[0]
    assert row[["tickets", "answered_in_24h", "reopened"]].tolist() == [
        3,
        pytest.approx(1 / 3),
        1.0,
    ]
    assert (
        row["median_seconds_to_first_response"] == 49 * 3600
    )  # 2 h, 49 h, and one that still waits
    assert row["first_contact_resolution"] == 0.0


# ---- a business whose truth is known ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def northlight():
    """The sample with scores alone: texts take long to read and say the same."""
    made = cj.sample(customers=2_000, seed=1)
    journey = journey_from_text_of(made)
    log = journey.read_events(
        source=made.events, observed_until="2025-12-31", customers=made.customers
    )
    feedback = journey.read_feedback(
        source=made.feedback.drop(columns="text").assign(
            text=pd.Series(None, index=made.feedback.index, dtype="str")
        )
    )
    return cj.journey_map(journey, log, feedback)


def journey_from_text_of(made):
    from cjlib.sources.journey import journey_from_text

    return journey_from_text(made.journey)


def test_the_planted_bad_stage_is_the_trough_and_the_first_pain(northlight):
    troughs = northlight.patterns[northlight.patterns["pattern"] == "trough"]
    assert troughs["stage"].tolist() == ["Onboarding"]
    assert northlight.first_pain == "Onboarding"
    points = northlight.pain_points[northlight.pain_points["level"] == "touchpoint"]
    assert set(points["stage"].head(2)) == {"Onboarding"}


def test_the_planted_gaps_are_found(northlight):
    assert northlight.unmapped["event"].tolist() == ["banner_dismissed"]
    assert northlight.silent["event"].tolist() == ["webinar_attended"]


def test_the_picture_holds_every_stage_its_numbers_and_the_lanes_written_by_hand(northlight):
    html = cj.render_map(northlight).html
    for row in northlight.table.to_dict("records"):
        assert f">{row['customers']:,}<" in html
    assert html.count("(team input)") >= 4
    assert "I have ten minutes for this, not two hours" in html
    assert "trough" in html


@pytest.mark.parametrize("view", ["sentiment", "pain_points", "moments", "routes", "support"])
def test_every_figure_claims_something_and_holds_its_numbers(northlight, view):
    meta = cj.plot(northlight, view).layout.meta
    assert meta["caption"].endswith((".", "!"))
    assert meta["rows"]
    assert all(len(row) == len(meta["columns"]) for row in meta["rows"])


def test_the_explorers_twin_needs_no_script_and_tells_of_every_stage(northlight):
    source = northlight._source
    held = cj.explore_map(source.journey, source.log, source.feedback, journey_map=northlight)
    html = held.twin().html
    assert "<script" not in html
    assert all(f"{stage}: customers, routes, quotes" in html for stage in source.stages)
    assert held.widget().children


def test_text_from_data_stands_in_the_picture_as_the_text_it_is():
    evil = "</td><script>alert(1)</script>"
    stages = [
        {"name": evil, "touchpoints": [{"name": evil, "events": ["look"]}], "goal": evil},
        STAGES[1],
    ]
    held = cj.journey_map(
        a_journey(stages=stages), cj.read_events(toy_events("ana: look@0h buy@1D"))
    )
    assert "<script>alert" not in cj.render_map(held).html
    assert "&lt;script&gt;alert(1)" in cj.render_map(held).html


def test_a_picture_of_something_else_is_refused():
    with pytest.raises(
        cj.CjlibError, match=r"journey_map: must be what cj\.journey_map gives\. Got 'str'"
    ):
        cj.render_map("map")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("draw", [cj.render_map, cj.poster])
def test_a_picture_of_a_group_that_is_not_there_is_refused(draw):
    log = cj.read_events(toy_events("ana: look@0h buy@1D").assign(channel="web"))
    by_channel = cj.journey_map(a_journey(), log, by="channel")
    with pytest.raises(cj.CjlibError, match=r"group: must be one of 'web'\. Got 'wbe'\. Did you"):
        draw(by_channel, "wbe")


# ---- texts whose scorer learnt from ratings ------------------------------------------------------------------------


def lucky_words() -> cj.Feedback:
    """100 rated answers at each of two stages. At Buy a few more are bad by chance, and all name a lorry: 300 texts without a rating name it too."""
    rows = [
        (stage, f"{'wobbly' if k < bad else 'steady'} {brought}", 1 if k < bad else 5)
        for stage, bad, brought in (("Look", 40, "van"), ("Buy", 52, "lorry"))
        for k in range(100)
    ] + [("Buy", "lorry", None)] * 300
    table = pd.DataFrame(rows, columns=["stage", "text", "rating"])
    days = pd.to_timedelta(40 * (table["stage"] == "Buy"), unit="D")
    people = [f"c{k:03d}" for k in range(len(table))]
    return cj.read_feedback(table.assign(customer_id=people, timestamp=MONDAY + days))


def test_where_a_scorer_learnt_from_ratings_they_say_how_many_are_unhappy_at_a_stage():
    feedback = lucky_words()
    people = sorted(feedback.frame["customer_id"].unique())
    events = pd.DataFrame({"customer_id": people * 2, "event": np.repeat(["look", "buy"], 500)})
    events["timestamp"] = MONDAY + pd.to_timedelta(np.repeat([0, 40], 500), unit="D")
    pains = cj.journey_map(a_journey(), cj.read_events(events), feedback).pain_points
    buy = pains.set_index(["level", "stage"]).loc[("stage", "Buy")]
    # 52 of 100 ratings against 40 of 100 at Look; the 300 texts that only name a lorry do not count.
    assert buy[["unhappy", "unhappy_n", "significant"]].tolist() == [0.52, 100, False]


def test_where_a_scorer_learnt_from_ratings_they_are_compared_and_not_its_scores():
    feedback = lucky_words()
    change = cj.sentiment(feedback, period="month").changes.iloc[0]
    # 60 good less 40 bad of 100, against 48 less 52.
    assert change[["measure", "significant"]].tolist() == ["rating", False]
    assert change["difference"] == pytest.approx(-0.24)
    held = cj.journey_map(a_journey(), None, feedback)
    line = held.sentiment_line.set_index("stage")
    assert line.loc["Buy", "value_high"] < line.loc["Look", "value_low"], "the scores lie apart"
    assert held.patterns.empty
    cells = held.compare(held).table.set_index(["stage", "measure"])
    assert cells.loc[("Buy", "mean_score"), "words"] == "not tested"
    assert math.isnan(cells.loc[("Buy", "mean_score"), "p_value"])

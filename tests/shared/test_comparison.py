"""The three rules of every comparison: equal follow-up, groups known beforehand, families of independent units."""

from __future__ import annotations

import numpy as np
import pytest

from cjlib.shared.clustered_comparison import (
    compare_answers,
    compare_flags,
    repeated_groups_against_others,
    within_strata_against_others,
)
from cjlib.shared.comparison import (
    CLAIM,
    compare_shares,
    family,
    followed,
    group_means_against_others,
    groups_against_others,
    known_at_once,
)
from cjlib.shared.repeated_answers import CustomerAnswers

DAY = 86_400_000_000
ANSWER = known_at_once("the answer")


def days(*numbers):
    return np.array(numbers, dtype=np.int64) * DAY


def test_only_those_watched_for_the_whole_horizon_are_compared_and_the_others_counted():
    complete, follow_up = followed(days(0, 5, 6, 9), 20 * DAY, horizon=14 * DAY, landmark="entry")
    assert complete.tolist() == [True, True, True, False]
    assert follow_up.left_out == 1
    assert follow_up.words == (
        "both sides followed for 14 days from entry; 1 customer not yet followed that long left out"
    )


def test_a_group_that_becomes_known_after_the_landmark_is_refused():
    with pytest.raises(ValueError, match="later than its landmark"):
        followed(days(3), 20 * DAY, horizon=DAY, landmark="entry", known_at=days(4))
    followed(days(3), 20 * DAY, horizon=DAY, landmark="entry", known_at=days(3))


def test_a_side_of_fewer_than_thirty_customers_is_not_tested_nor_counted_in_the_family():
    compared = compare_shares(
        "conversion", [29, 30, 0], [29, 30, 40], [0, 0, 0], [400, 400, 400], follow_up=ANSWER
    )
    assert np.isnan(compared.p_value).tolist() == [True, False, False]
    assert compared.tests == 2
    assert compared.claims.tolist() == [False, True, False]
    assert compared.words == (
        "2 comparisons of conversion, adjusted together (Benjamini–Hochberg); "
        "the outcome is known at the answer"
    )


def test_each_group_stands_against_all_others_and_those_without_a_group_against_nobody():
    group = np.repeat([0, 1, -1], [40, 60, 100])
    bought = np.r_[np.arange(40) < 30, np.arange(60) < 15, np.ones(100, dtype=bool)]
    compared = groups_against_others("conversion", group, bought, 2, follow_up=ANSWER)
    assert compared.share.tolist() == [0.75, 0.25]
    assert compared.other_share.tolist() == [0.25, 0.75]
    assert compared.difference.tolist() == [0.5, -0.5]


def test_a_family_of_equal_groups_claims_hardly_ever():
    rng = np.random.default_rng(0)
    claimed = 0
    for _ in range(300):
        count = rng.binomial(200, 0.3, 10)
        compared = compare_shares(
            "conversion", count, 200, count.sum() - count, 1800, follow_up=ANSWER
        )
        claimed += bool(compared.claims.any())
    assert claimed / 300 <= 3 * CLAIM


def test_p_values_of_any_test_can_be_a_family():
    tested = family(
        "churn by plan",
        [0.001, 0.04, 0.2],
        units=[50, 50, 20],
        other_units=[90, 90, 90],
        follow_up=ANSWER,
    )
    assert tested.p_adjusted[:2].tolist() == [0.002, 0.04]
    assert np.isnan(tested.p_adjusted[2])


@pytest.mark.parametrize("promoters", [24, 26])
def test_a_mean_near_the_end_of_its_scale_is_no_surer_than_drawing_it_by_lot(promoters: int):
    group = np.array([100.0] * promoters + [0.0] * (30 - promoters))
    rest = np.array([-100.0] * 40 + [0.0] * 70 + [100.0] * 90)
    sides = (
        CustomerAnswers.of(group, np.arange(30)),
        CustomerAnswers.of(rest, np.arange(30, 230)),
    )
    found = compare_answers("by lot", [sides], follow_up=ANSWER)
    answers = np.concatenate([group, rest])
    counts = [int((answers == answer).sum()) for answer in (-100, 0, 100)]
    drawn = np.random.default_rng(0).multivariate_hypergeometric(counts, 30, size=200_000)
    means = drawn @ np.array([-100.0, 0.0, 100.0]) / 30
    apart = means - (answers.sum() - 30 * means) / 200
    by_lot = float((np.abs(apart) >= abs(found.difference[0]) - 1e-9).mean())
    assert by_lot / 3 < found.p_value[0] < 3 * by_lot


@pytest.mark.parametrize("reached", [(0, 0, 2, 28), (0, 1, 5, 24), (4, 5, 9, 12)])
def test_customers_with_several_rows_near_an_end_are_no_surer_than_drawing_them_at_random(
    reached: tuple[int, ...],
):
    others = np.array([10, 30, 60, 200])
    times = np.repeat(np.tile(np.arange(4), 2), [*reached, *others])
    outcome = (np.arange(3) < times[:, None]).ravel()
    customer = np.repeat(np.arange(330), 3)
    group = (customer >= 30).astype(np.int64)
    drawn = np.random.default_rng(0).multivariate_hypergeometric(others + reached, 30, size=200_000)
    share = drawn @ np.arange(4) / 90
    apart = share - (outcome.sum() - 90 * share) / 900
    own = outcome[group == 0].mean() - outcome[group == 1].mean()
    at_random = float((np.abs(apart) >= abs(own) - 1e-9).mean())
    of_groups = repeated_groups_against_others(
        "groups", group, outcome, customer, 2, follow_up=ANSWER
    )
    of_flags = compare_flags("flags", [(group == 0, outcome)], customer, follow_up=ANSWER)
    stratum = np.zeros(990, dtype=np.int64)
    of_strata, _ = within_strata_against_others(
        "strata", group, outcome, customer, stratum, 2, follow_up=ANSWER
    )
    sides = [
        CustomerAnswers.of(outcome[side].astype(float), customer[side])
        for side in (group == 0, group == 1)
    ]
    of_answers = compare_answers("answers", [(sides[0], sides[1])], follow_up=ANSWER)
    for p in (of_groups.p_value[0], of_flags.p_value[0]):
        assert at_random / 1.5 < p < 1.5 * at_random
    # These hold too where sides spread differently, so they may be less sure.
    for p in (of_answers.p_value[0], of_strata.p_value[0]):
        assert p > at_random / 1.5


def test_intervals_of_repeated_rows_hold_the_truth_where_a_small_group_is_near_an_end():
    rng = np.random.default_rng(0)
    shares = np.repeat([0.97, 0.8], [30, 300])
    customer, group = np.repeat(np.arange(330), 3), np.repeat([0, 1], [90, 900])
    held = np.zeros(2)
    for _ in range(300):
        outcome = rng.random(990) < np.repeat(rng.beta(shares, 1 - shares), 3)
        of_groups = repeated_groups_against_others(
            "groups", group, outcome, customer, 2, follow_up=ANSWER
        )
        of_flags = compare_flags("flags", [(group == 0, outcome)], customer, follow_up=ANSWER)
        held += [found.low[0] <= 0.17 <= found.high[0] for found in (of_groups, of_flags)]
    assert (held / 300 > 0.93).all()


def test_a_group_of_whom_few_bring_anything_is_no_surer_to_bring_less_than_drawing_it_at_random():
    rng = np.random.default_rng(0)
    worth = np.append(np.zeros(27), [0.1] * 3)
    others = np.where(rng.random(300) < 0.15, rng.exponential(1, 300), 0.0)
    group = np.repeat([0, 1], [30, 300])
    found = group_means_against_others(
        "value", group, np.concatenate([worth, others]), 2, follow_up=ANSWER
    )
    assert found.p_value[0] > 0.02  # by logarithms alone 8e-7

"""Which findings a first page tells."""

from __future__ import annotations

from dataclasses import replace

from cjlib.analyses.findings import Finding, from_plain, told


def finding(topic, p=1e-6, direction="bad", customers=10, money=None):
    return Finding(
        topic=topic,
        claim=f"{topic} is {direction}.",
        direction=direction,
        family="f",
        p_adjusted=p,
        customers=customers,
        money=money,
    )


def test_most_at_stake_comes_first_and_money_before_customers():
    every = [finding("a", customers=500), finding("b", customers=900), finding("c", money=10.0)]
    assert [one.topic for one in told(every, 3)] == ["c", "b", "a"]


def test_at_most_three_that_are_not_good_and_one_good():
    every = [finding(str(k), customers=k) for k in range(5)]
    every += [finding(f"good {k}", direction="good", customers=k) for k in range(3)]
    assert [one.topic for one in told(every, 1)] == ["4", "3", "2", "good 2"]


def test_a_topic_is_told_once():
    assert len(told([finding("a"), finding("a", customers=20)], 1)) == 1


def test_what_is_significant_in_its_family_alone_is_not_told_of_a_run_of_many():
    assert told([finding("a", p=0.01)], families=3)
    assert not told([finding("a", p=0.01)], families=12)


def test_a_finding_survives_being_written_as_json():
    one = finding("a", money=3.5)
    assert from_plain(one.plain()) == one


def test_what_is_good_or_bad_comes_before_what_is_neither_and_effects_weigh_customers():
    every = [
        finding("paths", direction="neutral", customers=9_000),
        replace(finding("small"), customers=1_000, value=-0.01, unit="share"),
        replace(finding("nps"), customers=300, value=-41.0, unit="points"),
    ]
    assert [one.topic for one in told(every, 3)] == ["nps", "small", "paths"]

"""Converted customers beside lost ones: what they did before."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sessions import ROWS
from test_sessions import log_of as log_of_rows

import cjlib as cj


def many(*groups):
    return " | ".join(
        f"g{kind}_{n}: {events}"
        for kind, (count, events) in enumerate(groups)
        for n in range(count)
    )


def test_each_customer_counts_once_for_every_event_and_move_before_the_outcome(toy_log):
    log = toy_log(
        many(
            (40, "view@0min help@1min help@2min view@3min buy@4min help@9min"),
            (60, "view@0min view@1min"),
            (10, "help@0min"),
        )
    )
    answer = cj.compare_paths(log, outcome="buy")
    table = answer.table.set_index("pattern")
    assert table.loc["help", ["converted", "lost"]].tolist() == [40, 10]
    assert table.loc[
        "help", ["share_of_converted", "share_of_lost", "difference"]
    ].tolist() == pytest.approx([1.0, 10 / 70, 60 / 70])
    assert table.loc["view → help", ["kind", "converted", "lost"]].tolist() == ["move", 40, 0]
    assert "help → buy" not in table.index, "the outcome's own instant is excluded"
    assert answer.sequences[["path", "converted", "lost"]].values.tolist() == [
        ["view", 0, 60],
        ["view → help → view", 40, 0],
        ["help", 0, 10],
    ]
    assert answer.headline == (
        "36.4% (95% CI 28.0–45.7%) of 110 customers converted. Significant difference: 100.0% of the converted did “help → view” before, "
        "0.0% of those not converted by the same time (+100.0 points, 95% CI +89.8 to +100.0 points). Association, not causation."
    )


def test_another_end_is_no_finding_since_none_who_convert_can_have_come_to_it(toy_log):
    log = toy_log(
        many(
            (40, "view@0min help@1min win@5min"),
            (20, "view@0min win@5min"),
            (60, "view@0min lost@1min"),
            (10, "view@0min help@1min"),
            (30, "view@0min"),
        )
    )
    answer = cj.compare_paths(log, outcome="win", start_event="view")
    clear = answer.table[answer.table["p_adjusted"] < 0.001]["pattern"].tolist()
    assert "lost" in clear
    assert [finding.claim.split(":")[0] for finding in answer.findings] == [
        "The converted did “help” more often"
    ]


def test_what_only_those_meet_who_got_as_far_sets_nobody_apart(toy_log):
    log = toy_log(
        many(
            (40, "view@0min help@1min sign@2min login@3min buy@5min"),
            (40, "view@0min sign@2min login@3min"),
            (90, "view@0min"),
        )
    )
    options = {"outcome": "buy", "start_event": "view", "leave_out": ["sign"]}
    first = cj.compare_paths(log, **options).table.set_index("pattern")
    assert first.loc["login", "difference"] == pytest.approx(1 - 40 / 130)
    answer = cj.compare_paths(log, **options, passed="sign")
    table = answer.table.set_index("pattern")
    assert table.loc["login", ["converted", "lost", "difference"]].tolist() == [40, 40, 0.0]
    assert table.loc["help", ["share_of_converted", "share_of_lost"]].tolist() == [1.0, 0.0]
    assert answer.metrics["share_converted"]["n"] == 170
    assert "those who passed it" in answer.definition["passed"]


def test_watching_begins_at_the_start_and_the_start_itself_is_left_out(toy_log):
    log = toy_log(
        many(
            (30, "help@0min view@1min cart@2min buy@3min"),
            (30, "view@0min view@1min"),
            (5, "cart@0min"),
        )
    )
    answer = cj.compare_paths(log, outcome="buy", start_event="view")
    assert set(answer.table["pattern"]) == {"cart", "view"}
    assert answer.table.set_index("pattern").loc["view", ["converted", "lost"]].tolist() == [
        0,
        30,
    ], "a second view is no start"
    assert len(answer.customers()) == 60


def test_with_a_window_only_customers_whose_window_has_closed_count(toy_log):
    log = toy_log("ana: view@0D buy@7D | bob: view@0D buy@8D | cyd: view@9D buy@9D | dan: view@10D")
    answer = cj.compare_paths(log, outcome="buy", start_event="view", window="7D")
    people = answer.customers()
    assert people[["customer_id", "converted"]].values.tolist() == [["ana", True], ["bob", False]]
    assert people["outcome_at"].isna().tolist() == [False, True]
    assert (
        answer.definition["window"]
        == "7 days, its end included; 2 customers left out, since theirs had not closed"
    )


def test_one_event_does_not_fill_both_start_and_outcome(toy_log):
    log = toy_log("ana: buy@0D | bob: buy@0D buy@1D | cyd: buy@0D view@0D")
    reached = (
        cj.compare_paths(log, outcome="buy", start_event=["buy", "view"])
        .customers()["converted"]
        .tolist()
    )
    assert reached == [False, True, True]


def test_the_same_may_be_asked_of_churn_under_its_own_names(toy_log):
    answer = cj.compare_paths(
        toy_log(many((40, "view@0D call@1D cancel@2D"), (40, "view@0D"))),
        outcome="cancel",
        groups=("churned", "retained"),
    )
    assert [name for name in answer.table if name.startswith("share_of")][::3] == [
        "share_of_churned",
        "share_of_retained",
    ]
    assert answer.metrics["share_churned"]["value"] == 0.5
    assert "churned" in answer.customers()


def test_no_difference_is_claimed_where_there_is_none(toy_log):
    answer = cj.compare_paths(toy_log(many((40, "view@0D buy@1D"), (40, "view@0D"))), outcome="buy")
    assert answer.headline.endswith(
        "converted; nothing they did before differs significantly (1 habit compared)."
    )
    assert cj.compare_paths(toy_log("ana: view@0D"), outcome="buy").headline == (
        "0.0% (95% CI 0.0–79.3%) of 1 customer converted: fewer than 30 on one side, too few to compare."
    )
    empty = cj.compare_paths(toy_log("ana: view@0D").where(event="x"), outcome="by")
    assert empty.headline == "No customer meets these options (n = 0)."


def test_those_who_convert_are_set_beside_what_others_did_in_the_same_time(toy_log):
    # The lost do everything too, but after the time in which the others have long converted.
    log = toy_log(many((60, "view@0min help@1min buy@4min"), (60, "view@0min help@9min")))
    table = cj.compare_paths(log, outcome="buy").table.set_index("pattern")
    assert table.loc["help", ["converted", "lost"]].tolist() == [60, 60]
    assert table.loc["help", ["share_of_converted", "share_of_lost"]].tolist() == [1.0, 0.0]


def test_the_churned_did_nothing_more_often_where_all_do_everything_alike():
    """Nobody can leave before day 90, so who left was watched longer than most who stayed."""
    false = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        start = 240 * np.sqrt(rng.random(600))
        leave = start + 90 + rng.exponential(100, 600)
        until = np.minimum(leave, 240)
        rows = [(f"c{k}", "subscribe", day) for k, day in enumerate(start)]
        rows += [(f"c{k}", "cancel", day) for k, day in enumerate(leave) if day < 240]
        for name, rate in {"help": 0.01, "browse": 0.05, "share": 0.004}.items():
            rows += [
                (f"c{k}", name, day)
                for k, (a, b) in enumerate(zip(start, until, strict=True))
                for day in a + rng.random(rng.poisson(rate * (b - a))) * (b - a)
            ]
        frame = pd.DataFrame(rows, columns=["customer_id", "event", "day"])
        stamps = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(frame.pop("day"), unit="D")
        found = cj.compare_paths(
            cj.read_events(frame.assign(timestamp=stamps)),
            outcome="cancel",
            start_event="subscribe",
            groups=("churned", "retained"),
        )
        false += int((found.table["p_adjusted"] < 0.05).sum())
        assert "equally long" in found.definition["watched"]
    assert false <= 1


def test_events_can_be_left_out_of_the_comparison(toy_log):
    answer = cj.compare_paths(
        toy_log(many((40, "view@0min cart@1min buy@2min"), (40, "view@0min"))),
        outcome="buy",
        leave_out=["cart"],
    )
    assert answer.table["pattern"].tolist() == ["view"]
    assert answer.definition["left out of the comparison"] == "cart"


def test_names_of_groups_must_be_two_different_words(toy_log):
    with pytest.raises(
        cj.CjlibError,
        match=r"groups: must be two different names without blanks, such as \('churned', 'retained'\)\. Got \('a', 'a'\)\.",
    ):
        cj.compare_paths(toy_log("ana: view@0D"), outcome="buy", groups=("a", "a"))


@given(ROWS.filter(bool), st.sampled_from([None, 20, 60]))
def test_who_converts_are_the_funnels_converters_whatever_the_ties(rows, window):
    log = log_of_rows(rows)
    length = None if window is None else f"{window}s"
    for start, outcome in (("a", "b"), ("b", "b"), (["a", "b"], ["b", "c"])):
        people = cj.compare_paths(
            log, outcome=outcome, start_event=start, window=length
        ).customers()
        funnel = cj.funnel(
            log,
            [start, outcome],
            window=length,
            entry="first",
            **({} if window is None else {"entrants": "closed"}),
        )
        reached = funnel.customers().query("steps_reached == 2")["customer_id"]
        assert set(people.loc[people["converted"], "customer_id"]) == set(reached)
        assert len(people) == funnel.table["customers"].iloc[0]


def test_planted_payment_trouble_is_found(shared_data):
    raw = pd.read_csv(shared_data / "ecom_synthetic" / "ecom_events.csv.gz")
    log = cj.read_events(raw, columns={"user_id": "customer_id"}, timezone="UTC")
    before = cj.compare_paths(
        log.where(start="2024-05-19", end="2024-06-07"),
        outcome="purchase",
        start_event="payment_details",
    ).table.set_index("pattern")
    assert before.loc["payment_error", "difference"] < 0


@pytest.mark.parametrize(("helps", "told"), [(0.0, False), (0.15, True)])
def test_what_came_up_while_everybody_converted_better_sets_nobody_apart(helps, told):
    """A demo offered to more and more, as conversion rises for all: "39% of the converted did demo before, 32% of those not converted" in 9 of 10 businesses."""
    rng = np.random.default_rng(0)
    day, who = rng.uniform(0, 340, 4_000), np.arange(4_000)
    demo = rng.random(4_000) < 0.05 + 0.6 * day / 360
    buys = rng.random(4_000) < 0.2 + 0.4 * day / 360 + helps * demo
    parts = [(who, "visit", day), (who[demo], "demo", day[demo] + 1), (who[buys], "buy", day[buys] + 3)]  # fmt: skip
    rows = [
        pd.DataFrame({"customer_id": some, "event": event, "timestamp": pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(at, unit="D")})
        for some, event, at in parts
    ]  # fmt: skip
    log = cj.read_events(pd.concat(rows), observed_until="2025-12-31")
    found = cj.compare_paths(log, start_event="visit", outcome="buy", window="14D")
    assert bool(found.findings) == told

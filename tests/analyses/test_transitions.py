"""Transitions: which event follows which."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from conformance import cases, log_of
from conftest import toy_events
from hypothesis import given, settings
from hypothesis import strategies as st
from sequence_reference import transitions as reference
from test_sessions import ROWS
from test_sessions import log_of as log_of_rows

import cjlib as cj

COLUMNS = [
    "source",
    "target",
    "count",
    "customers",
    "share_of_source",
    "share_of_source_low",
    "share_of_source_high",
    "median_seconds",
    "mean_seconds",
]


def counts(table):
    return {
        (source, target): n
        for source, target, n in zip(table["source"], table["target"], table["count"], strict=True)
    }


@pytest.mark.parametrize(
    "case",
    [case for case in cases("paths") if case["query"]["form"] == "transitions"],
    ids=lambda case: case["id"],
)
def test_worked_cases_of_other_tools(case):
    table = cj.transitions(log_of(case)).table
    marks = {"<start>": "(start)", "<end>": "(end)"}
    expected = {
        name: {
            (marks.get(source, source), marks.get(target, target)): n
            for source, targets in pairs.items()
            for target, n in targets.items()
        }
        for name, pairs in case["expect"].items()
    }
    assert counts(table) == expected["transitions"]
    rows = table.set_index(["source", "target"])
    for name, column in (
        ("customers", "customers"),
        ("shares", "share_of_source"),
        ("median_seconds", "median_seconds"),
    ):
        for pair, n in expected.get(name, {}).items():
            assert rows.loc[pair, column] == pytest.approx(n)


def test_every_pair_counts_as_often_as_it_occurs_and_repeats_are_pairs(toy_log):
    table = cj.transitions(toy_log("ana: A@0min A@2min B@3min | bob: A@0min B@5min")).table
    assert list(table) == COLUMNS
    assert table[["source", "target", "count", "customers"]].values.tolist() == [
        ["(start)", "A", 2, 2],
        ["A", "B", 2, 2],
        ["B", "(end)", 2, 2],
        ["A", "A", 1, 1],
    ]
    row = table.iloc[1]
    assert row["share_of_source"] == pytest.approx(2 / 3)
    assert row["median_seconds"] == row["mean_seconds"] == 180.0
    assert table["median_seconds"].isna().tolist() == [True, False, True, False]


def test_with_a_session_gap_each_session_has_its_ends_and_no_pair_crosses_the_pause(toy_log):
    log = toy_log("ana: A@0min B@10min A@55min")
    assert counts(cj.transitions(log, session_gap="30min").table) == {
        ("(start)", "A"): 2,
        ("A", "(end)"): 1,
        ("A", "B"): 1,
        ("B", "(end)"): 1,
    }
    assert counts(cj.transitions(log).table)["B", "A"] == 1


def test_ties_stand_by_event_name(toy_log):
    assert counts(cj.transitions(toy_log("ana: B@0min A@0min")).table) == {
        ("(start)", "A"): 1,
        ("A", "B"): 1,
        ("B", "(end)"): 1,
    }
    assert (
        "2 events at an instant" in cj.transitions(toy_log("ana: B@0min A@0min")).definition["ties"]
    )


def test_a_group_is_the_first_value_that_is_not_missing_and_missing_stands_last(toy_log):
    log = toy_log(
        "ana: A@0min B@1min(web) | bob: A@0min(app) B@1min(web) | cyd: A@0min | dan: A@0min(web)"
    )
    table = cj.transitions(log, by="channel").table
    assert list(table) == ["channel", *COLUMNS]
    assert table.drop_duplicates("channel")["channel"].tolist()[:2] == ["web", "app"]
    assert pd.isna(table["channel"].iloc[-1])
    web = table.loc[table["channel"] == "web"]
    assert counts(web) == {("(start)", "A"): 2, ("A", "(end)"): 1, ("A", "B"): 1, ("B", "(end)"): 1}
    assert cj.transitions(log, by="channel").by == ("channel",)


def test_several_columns_group_by_the_first_event_that_has_any():
    frame = (
        toy_events("ana: A@0min B@1min(web) | bob: A@0min(app)")
        .assign(plan=["pro", None, "pro"])
        .astype({"plan": "str"})
    )
    table = cj.transitions(cj.read_events(frame), by=["channel", "plan"]).table
    assert list(table)[:2] == ["channel", "plan"]
    assert table.loc[table["channel"].isna(), "plan"].unique().tolist() == ["pro"]


def test_the_statement_gives_the_same_counts_also_by_group_and_for_hostile_names(toy_log):
    frame = toy_events("ana: A@0min B@1min(web) A@70min | bob: A@0min(app) B@1min(web)").replace(
        {"event": {"B": "'; DROP TABLE events; --"}}
    )
    log = cj.read_events(frame)
    for by in (None, "channel"):
        answer = cj.transitions(log, by=by, session_gap="30min")
        keys = [*answer.by, "source", "target"]
        both = [
            table.sort_values(keys)[[*keys, "count", "customers"]].reset_index(drop=True)
            for table in (answer.table, log.run(answer.sql))
        ]
        pd.testing.assert_frame_equal(*both)
    filtered = log.where(event="A")
    answer = cj.transitions(filtered)
    assert counts(filtered.run(answer.sql)) == counts(answer.table)


def test_the_headline_names_the_commonest_move_only_from_thirty_on(toy_log):
    few = cj.transitions(toy_log("ana: A@0min B@1min"))
    assert (
        few.headline
        == "1 move of 1 customer: too few to name the most common (A is left fewer than 30 times)."
    )
    many = cj.transitions(toy_log(" | ".join(f"k{n}: A@0min B@1min" for n in range(40))))
    assert many.headline == (
        "The most common move is from A to B: 40 times by 40 customers, 100.0% of what follows A (95% CI 91.2–100.0%, n = 40), half of them within 1 minute."
    )
    assert (
        cj.transitions(toy_log("ana: A@0min")).headline
        == "None of 1 customer has two events in a row, so there are no transitions."
    )


def test_an_empty_log_has_no_transitions(toy_log):
    table = cj.transitions(toy_log("ana: A@0h").where(event="B")).table
    assert table.empty
    assert list(table) == COLUMNS


def test_events_called_like_our_marks_are_named(toy_log):
    log = cj.read_events(toy_events("ana: A@0h").replace({"event": {"A": "(end)"}}))
    assert (
        cj.transitions(log).definition["warning"]
        == "the log has events called (end): our own marks are written ((end))"
    )


def test_an_unknown_column_is_refused_with_the_nearest(toy_log):
    with pytest.raises(
        cj.CjlibError, match=r"by: there is no column 'chanel'\. Did you mean 'channel'\?"
    ):
        cj.transitions(toy_log("ana: A@0h(web)"), by="chanel")


def test_the_order_of_rows_changes_no_byte():
    frame = toy_events(
        "ana: A@0min B@0min(web) A@1min(app) | bob: B@0min(app) A@0min(web) | cyd: A@1min C@1min"
    )
    answers = [
        cj.transitions(
            cj.read_events(frame.sample(frac=1, random_state=seed)), by="channel"
        ).table.to_csv()
        for seed in range(5)
    ]
    assert len(set(answers)) == 1


@settings(max_examples=15, deadline=None)
@given(ROWS.filter(bool), st.sampled_from([None, 0, 20, 40]))
def test_transitions_equal_those_of_plain_python_with_ties_and_their_statement(rows, gap):
    log = log_of_rows(rows)
    answer = cj.transitions(log, session_gap=None if gap is None else f"{gap}s")
    expected = reference(rows, gap)
    table = answer.table
    assert counts(table) == {pair: n for pair, (n, *_) in expected.items()}
    for row in table.itertuples():
        _, customers, mean = expected[row.source, row.target]
        assert row.customers == customers
        ends = row.source == "(start)" or row.target == "(end)"
        assert pd.isna(row.mean_seconds) if ends else row.mean_seconds == pytest.approx(mean)
    run = log.run(answer.sql)
    assert counts(run) == counts(table)
    assert dict(
        zip(zip(run["source"], run["target"], strict=True), run["customers"], strict=True)
    ) == {pair: n for pair, (_, n, _) in expected.items()}


@pytest.mark.slow
def test_ten_thousand_names_and_a_bot_with_a_million_events_are_counted():
    generator = np.random.default_rng(0)
    bot = pd.DataFrame({"customer_id": "bot", "event": "ping", "second": range(1_000_000)})
    people = pd.DataFrame(
        {
            "customer_id": [f"c{n}" for n in generator.integers(0, 500, 30_000)],
            "event": [f"page {n}" for n in generator.integers(0, 10_000, 30_000)],
            "second": generator.integers(0, 10**6, 30_000),
        }
    )
    frame = pd.concat([bot, people], ignore_index=True)
    stamps = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(frame["second"], unit="s")
    log = cj.read_events(frame.drop(columns="second").assign(timestamp=stamps), duplicates="keep")
    table = cj.transitions(log).table
    assert table.iloc[0][["source", "target", "count", "customers"]].tolist() == [
        "ping",
        "ping",
        999_999,
        1,
    ]
    assert table["count"].sum() == log.n_events + log.n_customers
    paths = cj.paths(log, session_gap=None, max_steps=None, top=None, repeats="keep")
    assert paths.metrics["distinct_paths"]["value"] == log.n_customers


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.integers(0, 1200),
            st.sampled_from([0, 1, 10, 10**6, 10**9]),
            st.integers(0, 10**7),
        ),
        max_size=200,
    )
)
def test_counting_few_keys_and_sorting_many_give_the_same(rows):
    from cjlib.analyses.paths.pair_counts import FEW, tally

    # Customers ascend, with codes that are missing; some are too far apart for 32 bits, and there are ties among the times.
    rows = sorted(
        (who << 19 * (place % 3 == 2), key, times, value)
        for place, (key, who, times, value) in enumerate(rows)
    )
    customer, key, times, value = (
        np.array([row[place] for row in rows], dtype=np.int64) for place in range(4)
    )
    customer = np.minimum(customer, 2**31 - 1).astype(np.int32)
    borders = np.append(np.flatnonzero(np.diff(customer, prepend=-1))[::50], customer.size)
    answers = []
    for possible in (6, FEW, FEW + 1, None):
        counted, further = tally(possible), 0
        for low, high in pairwise(borders.tolist()):
            block = slice(low, high)
            counted.add(key[block], customer[block], (value * times)[block])
            if possible != 6:
                counted.add(key[block][::3] + 6, customer[block][::3])
                further += key[block][::3].size
        pairs = counted.pairs()
        mine = pairs.keys < 6
        answers.append(
            [
                column[mine].tolist()
                for column in (pairs.keys, pairs.sizes, pairs.customers, pairs.median, pairs.mean)
            ]
        )
        assert pairs.sizes[~mine].sum() == further
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert answers[0][2] == [len(set(customer[key == one])) for one in answers[0][0]]
    assert answers[0][3] == [
        float(np.median((value * times)[key == one] / 1e6)) for one in answers[0][0]
    ]
    # To the last digit: the sum of whole microseconds, in whole seconds and what is left of them.
    sums = [
        (sum((value * times)[key == one].tolist()), size)
        for one, size in zip(*answers[0][:2], strict=True)
    ]
    assert answers[0][4] == [
        (total // 10**6 + total % 10**6 / 10**6) / size for total, size in sums
    ]


def test_the_most_common_move_is_the_top_of_the_table_also_to_itself(toy_log):
    log = toy_log(" | ".join(f"c{n}: a@0min a@1min a@2min b@3min" for n in range(40)))
    answer = cj.transitions(log)
    assert answer.headline.startswith("The most common move is from a to itself: 80 times")


def test_tied_events_group_a_customer_by_the_smallest_value_whatever_they_are_called():
    frame = pd.DataFrame(
        {
            "customer_id": "ana",
            "event": ["a", "b"],
            "channel": ["web", "ads"],
            "timestamp": pd.Timestamp("2025-01-01", tz="UTC"),
        }
    )
    assert set(cj.transitions(cj.read_events(frame), by="channel").table["channel"]) == {"ads"}


def test_the_most_common_move_path_and_return_share_their_place_with_those_as_common():
    text = " | ".join(
        f"c{one}: {'a@0min b@1min a@2min' if one % 2 else 'd@0min c@1min d@2min'}"
        for one in range(80)
    )
    log = cj.read_events(toy_events(text))
    assert "most common move is from a to b (others are as common): 40" in (
        cj.transitions(log).headline
    )
    paths = cj.paths(log)
    assert "most common path is a → b → a (others are as common): 50.0%" in paths.headline
    assert "most often to a (others are as common): 100.0%" in paths.loops().headline


def test_the_share_of_repeats_has_an_interval_by_customers():
    """It had none: its old one took the moves of one customer for moves of many. Here some always repeat and some never do."""
    minutes = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(np.arange(21), unit="min")
    frame = pd.concat(
        [
            pd.DataFrame(
                {
                    "customer_id": f"c{who}",
                    "event": ["a"] * 21 if who % 2 else ["a", "b"] * 10 + ["a"],
                    "timestamp": minutes,
                }
            )
            for who in range(40)
        ]
    )
    share = cj.transitions(cj.read_events(frame)).metrics["share_of_repeats"]
    assert (share["value"], share["n"]) == (0.5, 800)
    # All moves of a customer are alike: as sure as 40 customers, not as 800 moves.
    assert (share["low"], share["high"]) == pytest.approx((0.35, 0.65), abs=0.01)


def test_what_one_customer_does_all_day_is_not_called_common():
    """A robot that visits all day made "the most common move" of a shop: 19,999 times by 1 customer."""
    text = [f"c{one}: visit@0min cart@1min" for one in range(50)]
    bot = "bot: " + " ".join(f"{'visit' if step % 2 else 'look'}@{step}min" for step in range(900))
    log = cj.read_events(toy_events(" | ".join([*text, bot])))
    assert cj.transitions(log).headline == (
        "949 moves of 51 customers; the most common, from look to visit, is of 1 customer alone: fewer than 30, too few to call it common."
    )
    many = "bot: " + " ".join(
        f"visit@{hour}h faq@{hour * 60 + 1}min visit@{hour * 60 + 2}min" for hour in range(100)
    )
    paths = cj.paths(cj.read_events(toy_events(" | ".join([*text, many]))))
    assert "; the most common, visit → faq → visit, is of 1 customer alone" in paths.headline
    assert "the most frequent return, to visit, is of 1 customer alone" in paths.loops().headline

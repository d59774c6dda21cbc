"""Sessions: cut where a customer pauses longer than the gap."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events
from hypothesis import given, settings
from hypothesis import strategies as st
from sequence_reference import histories, split

import cjlib as cj
from cjlib.shared import event_arrays

TWO = "ana: view@0min cart@10min(web) view@55min | bob: view@0min view@1min(app) buy@1min(ad)"
# A read costs more than a count, so one example holds many customers.
ROWS = st.lists(
    st.tuples(
        st.sampled_from("qrstuvwxyz"),
        st.sampled_from("aabc"),
        st.integers(0, 6).map(lambda n: n * 20),
    ),
    max_size=90,
)


def log_of(rows):
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "second"])
    stamps = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(frame["second"], unit="s")
    return cj.read_events(
        frame.assign(timestamp=stamps, row=range(len(frame)))
        .drop(columns="second")
        .astype({"customer_id": "str", "event": "str"})
    )


def test_a_pause_longer_than_the_gap_opens_a_session_and_one_of_exactly_the_gap_does_not(toy_log):
    log = toy_log("ana: a@0min b@30min c@61min")
    assert cj.sessions(log, gap="30min").table["events"].tolist() == [2, 1]
    assert cj.sessions(log, gap="31min").table["events"].tolist() == [3]


def test_a_session_knows_its_customer_place_start_length_ends_and_first_channel(toy_log):
    table = cj.sessions(toy_log(TWO)).table
    assert list(table) == [
        "customer_id",
        "session",
        "start",
        "seconds",
        "events",
        "first_event",
        "last_event",
        "channel",
    ]
    assert table["customer_id"].tolist() == ["ana", "ana", "bob"]
    assert table["session"].tolist() == [1, 2, 1]
    assert table["seconds"].tolist() == [600.0, 0.0, 60.0]
    assert table["events"].tolist() == [2, 1, 3]
    assert table["first_event"].tolist() == ["view", "view", "view"]
    assert table["last_event"].tolist() == ["cart", "view", "view"], (
        "buy and view tie; by name view is last"
    )
    assert table["channel"].tolist()[0] == "web"
    assert pd.isna(table["channel"][1])
    assert table["channel"].tolist()[2] == "ad", "buy stands before view at their instant"
    assert table.dtypes.astype(str).tolist() == [
        "str",
        "int64",
        "datetime64[us, UTC]",
        "float64",
        "int64",
        "str",
        "str",
        "str",
    ]


def test_the_headline_says_how_many_how_long_and_what_the_gap_decides(toy_log):
    assert cj.sessions(toy_log(TWO)).headline == (
        "3 sessions of 2 customers: half last 1 minute or less; 33.3% (95% CI 0.2–99.2%) are a single event. "
        "A gap other than 30 minutes would cut them differently."
    )


def test_a_log_without_channels_has_sessions_without_channels():
    frame = toy_events("ana: a@0h").drop(columns="channel")
    assert "channel" not in cj.sessions(cj.read_events(frame)).table


def test_an_empty_log_has_no_sessions(toy_log):
    answer = cj.sessions(toy_log("ana: a@0h").where(event="b"))
    assert answer.table.empty
    assert answer.headline == "The log has no events, so there are no sessions."


def test_ids_keep_their_type():
    frame = toy_events("1: a@0h | 2: a@0h").astype({"customer_id": "int64"})
    assert cj.sessions(cj.read_events(frame)).table["customer_id"].tolist() == [1, 2]


def test_the_statement_gives_the_same_sessions(toy_log):
    log = toy_log(TWO)
    answer = cj.sessions(log)
    run = log.run(answer.sql)
    assert run["events"].tolist() == answer.table["events"].tolist()
    assert run["session"].tolist() == answer.table["session"].tolist()


def test_a_gap_needs_its_unit(toy_log):
    with pytest.raises(
        cj.CjlibError, match=r"gap: must be a duration with its unit, such as '14D'.* Got 30\."
    ):
        cj.sessions(toy_log("ana: a@0h"), gap=30)


@settings(max_examples=15, deadline=None)
@given(ROWS.filter(bool), st.sampled_from([0, 20, 40, 3600]))
def test_sessions_equal_those_of_plain_python_with_ties_and_their_statement(rows, gap):
    log = log_of(rows)
    answer = cj.sessions(log, gap=f"{gap}s")
    expected = [
        (customer, len(part), part[-1][0] - part[0][0], part[0][1], part[-1][1])
        for customer, events in histories(rows).items()
        for part in split(events, gap)
    ]
    table = answer.table
    assert (
        list(
            zip(
                table["customer_id"],
                table["events"],
                table["seconds"],
                table["first_event"],
                table["last_event"],
                strict=True,
            )
        )
        == expected
    )
    run = log.run(answer.sql)
    assert list(zip(run["customer_id"], run["events"], strict=True)) == [
        (customer, n) for customer, n, *_ in expected
    ]


@pytest.mark.parametrize("size", [0, 1, 2, 3, (1 << 17) - 1, (1 << 17) + 1, (1 << 18) + 3])
def test_a_log_longer_than_what_is_looked_at_at_once_opens_the_same_sessions(size):
    from cjlib.shared.event_arrays import opens

    generator = np.random.default_rng(size)
    customer = np.sort(generator.integers(0, size // 3 + 1, size)).astype(np.int32)
    time = np.cumsum(generator.integers(0, 4, size))
    first = np.diff(customer, prepend=-1) != 0
    assert np.array_equal(opens(customer, time, None), first)
    assert np.array_equal(opens(customer, time, 2), first | (np.diff(time, prepend=0) > 2))


def log_with_a_bot(
    names: int, bots: int, customers: int, seed: int = 0
) -> list[tuple[str, str, int]]:
    """Rows of a few events a customer, but thousands of one in the middle, full of ties."""
    generator = np.random.default_rng(seed)
    who = [
        f"c{one:04d}"
        for one in np.concatenate(
            [generator.integers(0, customers, 3 * customers), np.full(bots, customers // 2)]
        ).tolist()
    ]
    events = [f"e{one:03d}" for one in generator.integers(0, names, len(who)).tolist()]
    return list(zip(who, events, (20 * generator.integers(0, 400, len(who))).tolist(), strict=True))


@pytest.mark.parametrize(
    ("names", "bots", "customers"), [(3, 7000, 900), (300, 3000, 1500), (3, 5000, 1), (2, 0, 2500)]
)
def test_blocks_hold_whole_customers_and_together_the_log(monkeypatch, names, bots, customers):
    monkeypatch.setattr(event_arrays, "AT_ONCE", 2048)
    rows = log_with_a_bot(names, bots, customers)
    log = log_of(rows)
    blocks = list(event_arrays.whole_customers(log))
    assert customers == 1 or len(blocks) > 1
    assert all(before["customer"][-1] < after["customer"][0] for before, after in pairwise(blocks))
    for name, column in log.fetch("customer", "time", "event").items():
        assert np.array_equal(np.concatenate([block[name] for block in blocks]), column)
    answer = cj.sessions(log, gap="1min")
    expected = [
        (who, len(part), part[0][1], part[-1][1])
        for who, events in histories(rows).items()
        for part in split(events, 60)
    ]
    assert (
        list(
            answer.table[["customer_id", "events", "first_event", "last_event"]].itertuples(
                index=False, name=None
            )
        )
        == expected
    )
    assert (
        answer.table["session"].tolist()
        == answer.table.groupby("customer_id").cumcount().add(1).tolist()
    )


def test_texts_written_in_parts_are_those_written_at_once(monkeypatch, toy_log):

    log = toy_log(TWO)
    whole = cj.sessions(log).table
    monkeypatch.setattr(event_arrays, "_TEXTS", 2)
    pd.testing.assert_frame_equal(cj.sessions(log).table, whole, check_exact=True)


def test_a_sessions_channel_is_found_however_many_sessions_are_looked_at_at_once(
    monkeypatch, toy_log
):
    log = toy_log(
        "ana: a@0min b@1min(web) c@2min(app) | bob: a@0min b@60min c@61min(app) | cyd: a@0min(ad) b@1min | dan: a@0min b@0min(app) c@0min(web)"
    )
    expected = ["web", None, "app", "ad", "app"]
    monkeypatch.setattr("cjlib.analyses.paths.sessions.AT_ONCE", 1)
    found = cj.sessions(log).table["channel"]
    assert found.astype(object).where(found.notna(), None).tolist() == expected

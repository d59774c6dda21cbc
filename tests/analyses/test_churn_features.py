"""Features of a log beside a plain reference, row by row, on small logs full of ties; and the same whatever block of customers is looked at."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.analyses.churn.data import event_arrays

START = pd.Timestamp("2024-03-20", tz="Europe/Berlin")  # ten days before the clocks change
DAY = pd.Timedelta(days=1)
CUTOFFS = [START + 100 * DAY, START + 130 * DAY + pd.Timedelta(hours=7)]
HORIZON = 30 * DAY


def random_log(seed: int, customers: int = 15, events: int = 300) -> pd.DataFrame:
    """Few instants, few days, repeated rows that differ in one column only, values that may be missing or below 0."""
    rng = np.random.default_rng(seed)
    hours = rng.integers(0, 160, events) * 24 + rng.choice([0, 1, 7, 23], events)
    value = np.where(
        rng.random(events) < 0.6, rng.choice([-5.0, 0.0, 0.1, 7.3, 19.99], events), np.nan
    )
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{one:02d}" for one in rng.integers(0, customers, events)],
            "event": rng.choice(
                ["ask", "buy", "leave", "reply", "visit"], events, p=[0.1, 0.35, 0.05, 0.1, 0.4]
            ),
            "timestamp": START + pd.to_timedelta(np.sort(rng.choice(hours, events)), unit="h"),
            "channel": rng.choice(["app", "web"], events),
            "value": value,
        }
    )
    return frame.drop_duplicates(ignore_index=True)


def answers(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    some = frame.drop_duplicates("customer_id").iloc[::2]
    return pd.DataFrame(
        {
            "customer_id": some["customer_id"],
            "timestamp": some["timestamp"] + 20 * DAY,
            "nps": rng.integers(0, 11, len(some)).astype(float),
        }
    )


def in_days(length: pd.Timedelta) -> float:
    return length / DAY


def plain_row(
    past: pd.DataFrame,
    active: pd.DataFrame,
    cutoff: pd.Timestamp,
    typical: float,
    events: list[str],
) -> dict[str, float]:
    """The features of one customer, from the rows at or before the cutoff; `active` are those that are activity."""
    first, last = active["timestamp"].min(), active["timestamp"].max()
    days = sorted({one.date() for one in active["timestamp"].dt.tz_convert("Europe/Berlin")})
    gaps = [(after - before).days for before, after in itertools.pairwise(days)]
    row = {
        "age_days": in_days(cutoff - first),
        "recency_days": in_days(cutoff - last),
        "n_days": len(days),
        "span_days": in_days(last - first),
        "gap_median": statistics.median(gaps) if gaps else np.nan,
        "gap_mean": statistics.mean(gaps) if gaps else np.nan,
        "gap_sd": statistics.stdev(gaps) if len(gaps) > 1 else np.nan,
        "gap_max": max(gaps, default=np.nan),
        "gap_last": gaps[-1] if gaps else np.nan,
        "recency_over_gap": in_days(cutoff - last) / ((sum(gaps) + typical) / (len(gaps) + 1)),
        "rate": len(days) / (in_days(cutoff - first) + 1),
    }
    for window in (30, 60, 90, 180):
        recent = active[active["timestamp"] > cutoff - window * DAY]
        row |= {f"n_{window}d": len(recent), f"value_{window}d": recent["value"].sum()}
    row |= {
        "value_sum": active["value"].sum(),
        "value_mean": active["value"].mean(),
        "n_negative_values": (active["value"] < 0).sum(),
    }
    for name in events:
        mine = past[past["event"] == name]["timestamp"]
        row[f"n_{name}_90d"] = (mine > cutoff - 90 * DAY).sum()
        row[f"days_since_{name}"] = in_days(cutoff - mine.max()) if len(mine) else np.nan
    return (
        row
        | {f"share_channel_{name}": (past["channel"] == name).mean() for name in ("app", "web")}
        | plain_wait(past, cutoff)
    )


def plain_wait(past: pd.DataFrame, cutoff: pd.Timestamp) -> dict[str, float]:
    """The longest wait of the asks in 30 days, until the first reply at or after each, or the cutoff."""
    replies = past.loc[past["event"] == "reply", "timestamp"]
    asks = past.loc[(past["event"] == "ask") & (past["timestamp"] > cutoff - 30 * DAY), "timestamp"]
    waits = [
        in_days(min([one for one in replies if one >= ask], default=cutoff) - ask) for ask in asks
    ]
    return {"wait_help_max_30d": max(waits, default=np.nan)}


def plain_table(
    frame: pd.DataFrame,
    cutoff: pd.Timestamp,
    *,
    leaving: str | None,
    active: Callable[[pd.DataFrame], pd.Series],
) -> pd.DataFrame:
    """Everybody at risk at a cutoff: a row a customer."""
    past = frame[frame["timestamp"] <= cutoff]
    mine = {name: rows for name, rows in past.groupby("customer_id") if active(rows).any()}
    gaps: list[int] = []
    for rows in mine.values():
        days = sorted(
            {
                one.date()
                for one in rows.loc[active(rows), "timestamp"].dt.tz_convert("Europe/Berlin")
            }
        )
        gaps += [(after - before).days for before, after in itertools.pairwise(days)]
    events = sorted(set(frame["event"]) - {leaving})
    told = {}
    for name, rows in mine.items():
        acts, gone = rows[active(rows)], rows.loc[rows["event"] == leaving, "timestamp"]
        if len(gone) and acts["timestamp"].max() <= gone.max():
            continue
        later = frame[
            (frame["customer_id"] == name)
            & (frame["timestamp"] > cutoff)
            & (frame["timestamp"] <= cutoff + HORIZON)
        ]
        churned = (later["event"] == leaving).any() if leaving else not active(later).any()
        told[name] = {"churned": float(churned)} | plain_row(
            rows, acts, cutoff, statistics.median(gaps), events
        )
    return pd.DataFrame.from_dict(told, orient="index").astype(float)


def counted(frame: pd.DataFrame, seed: int = 0, **options: object) -> cj.ChurnData:
    log = cj.read_events(
        frame, timezone="Europe/Berlin", duplicates="keep", observed_until=START + 161 * DAY
    )
    given = {
        "horizon": "30D",
        "cutoffs": CUTOFFS,
        "waits": {"help": ("ask", "reply")},
        "feedback": answers(frame, seed),
    }
    return cj.churn_data(log, **(given | options))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("options", "leaving", "active"),
    [
        ({}, None, lambda rows: rows["event"].notna()),
        ({"active_event": "buy"}, None, lambda rows: rows["event"] == "buy"),
        ({"churn_event": "leave"}, "leave", lambda rows: rows["event"] != "leave"),
        (
            {"churn_event": "leave", "active_event": "visit"},
            "leave",
            lambda rows: rows["event"] == "visit",
        ),
    ],
)
def test_features_are_those_of_a_plain_count_row_by_row(seed, options, leaving, active):
    frame = random_log(seed)
    table = counted(frame, seed, **options).table
    for cutoff in CUTOFFS:
        expected = plain_table(frame, cutoff, leaving=leaving, active=active)
        found = table[table["cutoff"] == cutoff].set_index("customer_id")[list(expected.columns)]
        pd.testing.assert_frame_equal(
            found, expected, check_names=False, check_index_type=False, rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("rows", [1, 50])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"churn_event": "leave", "active_within": "60D"},
        {"active_event": "buy", "cutoffs": None, "horizon": "20D"},
    ],
)
def test_blocks_of_any_size_give_the_same_bytes(monkeypatch, rows, options):
    frame = random_log(5)
    whole = counted(frame, **options)
    monkeypatch.setattr(event_arrays, "BLOCK_ROWS", rows)
    parts = counted(frame, **options)
    for name in ("table", "leaks", "population", "columns"):
        pd.testing.assert_frame_equal(getattr(parts, name), getattr(whole, name), check_exact=True)
    assert parts.table.to_csv() == whole.table.to_csv()
    assert (parts.headline, parts.definition) == (whole.headline, whole.definition)
    assert whole.source is not None
    assert parts.source is not None
    for moment, everyone in whole.source.everyone.items():
        again = parts.source.everyone[moment]
        assert all(
            (getattr(again, name) == getattr(everyone, name)).all()
            for name in ("customer", "n_days", "span", "age")
        )


@pytest.mark.parametrize("options", [{}, {"churn_event": "leave"}, {"active_event": "buy"}])
def test_asking_for_fewer_customers_changes_no_feature_of_those_asked_for(options):
    frame = random_log(6)
    every = counted(frame, **options)
    fewer = counted(frame, active_within="6D", **options)
    assert 0 < len(fewer.table) < len(every.table)
    both = every.table.merge(fewer.table[["customer_id", "cutoff"]], on=["cutoff", "customer_id"])
    pd.testing.assert_frame_equal(both, fewer.table, check_exact=True)
    pd.testing.assert_frame_equal(every.population, fewer.population.iloc[:2], check_exact=True)


def test_a_negative_value_of_a_customer_who_is_not_asked_for_gives_the_others_the_column():
    frame = random_log(9)
    oldest = frame.groupby("customer_id")["timestamp"].max().idxmin()
    stale = frame["customer_id"] == oldest
    frame = frame[~stale | (frame["timestamp"] < START + 60 * DAY)]
    frame["value"] = frame["value"].abs().where(frame["customer_id"] != oldest, -3.0)
    fewer = counted(frame, active_within="30D").table
    assert oldest not in set(fewer["customer_id"])
    assert fewer["n_negative_values"].eq(0).all()


def test_blocks_of_a_cut_log_begin_with_the_first_customer_who_is_in_it(monkeypatch):
    frame = random_log(7)
    cut = frame[frame["customer_id"] > "c03"]
    whole = counted(cut).table
    monkeypatch.setattr(event_arrays, "BLOCK_ROWS", 30)
    log = cj.read_events(
        frame, timezone="Europe/Berlin", duplicates="keep", observed_until=START + 161 * DAY
    )
    options = {
        "horizon": "30D",
        "cutoffs": CUTOFFS,
        "waits": {"help": ("ask", "reply")},
        "feedback": answers(cut, 0),
    }
    found = cj.churn_data(log.where(customer_id=sorted(set(cut["customer_id"]))), **options)
    assert found.table.to_csv() == whole.to_csv()


def test_a_negative_value_in_a_later_block_gives_everybody_the_column(monkeypatch):
    frame = random_log(8)
    frame["value"] = frame["value"].abs().where(frame["customer_id"] != "c14", -3.0)
    monkeypatch.setattr(event_arrays, "BLOCK_ROWS", 1)
    table = counted(frame).table
    assert table["n_negative_values"].notna().all()
    assert (table["n_negative_values"] > 0).eq(table["customer_id"] == "c14").all()

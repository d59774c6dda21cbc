"""Whoever takes `by` puts a customer into the same group."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib.shared.group_by import group_by

START = pd.Timestamp("2024-01-01", tz="UTC")
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ana", "bob", "cem"]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 2),
        st.sampled_from(["ads", "web", None]),
    ),
    min_size=1,
    max_size=8,
)


def log_of(events: list[tuple[str, str, int, str | None]]) -> cj.EventLog:
    frame = pd.DataFrame(events, columns=["customer_id", "event", "hour", "channel"])
    frame = frame.assign(timestamp=START + pd.to_timedelta(frame.pop("hour"), unit="h"))
    frame = frame.astype({"channel": "str"}).drop_duplicates()
    return cj.read_events(frame, observed_until="2024-03-01", quarantine_limit=1)


def counts(table: pd.DataFrame, customers: str) -> Counter[str]:
    names = table["channel"].fillna("(not set)").astype(str)
    return Counter({name: int(n) for name, n in zip(names, table[customers], strict=True) if n})


@settings(suppress_health_check=list(HealthCheck))
@given(EVENTS)
def test_every_analysis_knows_the_same_group_at_the_first_event(events) -> None:
    log = log_of(events)
    seen = log.fetch("customer", "time")
    first = pd.Series(seen["time"]).groupby(seen["customer"]).min().to_numpy()
    groups = group_by(log, "channel", known_at=first)
    known = Counter(groups.labels[place] for place in groups.of)
    by = {"by": "channel"}
    funnel = cj.funnel(log, [None], window="1D", **by)
    retention = cj.retention(log, period="year", periods=1, **by).table
    survival = cj.survival(log, inactive="60D", **by).summary
    assert counts(funnel.table, "customers") == known
    assert counts(retention[retention["period"] == 0], "cohort_size") == known
    assert counts(survival, "n") == known


@pytest.mark.parametrize("by", ["channel", ["channel"]])
def test_a_name_and_a_list_of_one_name_are_one_question(by) -> None:
    assert group_by(log_of([("ana", "a", 0, "web")]), by).labels == ["web"]

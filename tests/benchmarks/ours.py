"""The tasks through cjlib's public API, on the prepared log."""

from __future__ import annotations

import cjlib as cj
from tests.benchmarks.made_log import STEPS


def prepare(path: str) -> cj.EventLog:
    """The log, read and prepared."""
    return cj.read_events(path, timezone="UTC")


def funnel(log: cj.EventLog) -> object:
    """Four steps in seven days, with times and intervals."""
    return cj.funnel(log, STEPS, window="7D").table["customers"].tolist()


def retention(log: cj.EventLog) -> object:
    """Weekly, twelve periods."""
    return int(cj.retention(log, period="week", periods=12).table["retained"].sum())


def sessions(log: cj.EventLog) -> object:
    """Split at 30 minutes of silence."""
    return len(cj.sessions(log, gap="30min").table)


def transitions(log: cj.EventLog) -> object:
    """Pairs of neighbouring events within sessions."""
    return int(cj.transitions(log, session_gap="30min").table["count"].sum())


def paths(log: cj.EventLog) -> object:
    """Most common journeys of up to eight events."""
    return int(cj.paths(log, max_steps=8, top=20).table["paths"].sum())


def features(log: cj.EventLog) -> object:
    """Churn features at one cutoff."""
    return len(cj.churn_data(log, horizon="30D", cutoffs=["2025-11-15"], active_within="90D").table)


TASKS = {
    "funnel": funnel,
    "retention": retention,
    "sessions": sessions,
    "transitions": transitions,
    "paths": paths,
    "features": features,
}

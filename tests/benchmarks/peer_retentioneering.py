"""Retentioneering, headless; its telemetry is switched off before it is imported."""

from __future__ import annotations

import os

os.environ["RETENTIONEERING_NO_TRACK"] = "1"

import pandas as pd
from retentioneering.eventstream import Eventstream

from tests.benchmarks.made_log import STEPS


def _stream(path: str) -> Eventstream:
    return Eventstream(
        pd.read_parquet(path, columns=["customer_id", "event", "timestamp"]),
        schema={"path_cols": ["customer_id"]},
    )


def funnel(path: str) -> object:
    """Without window and without times: it offers neither."""
    return [step["unique_paths"] for step in _stream(path).funnel_data(steps=STEPS)["steps"]]


def sessions(path: str) -> object:
    """Split at 30 minutes of silence."""
    return int(_stream(path).split_sessions(timeout="30m").df["session_id"].nunique())


def transitions(path: str) -> object:
    """The transition matrix of whole paths."""
    return len(_stream(path).transition_graph_data(edge_weight="count"))


TASKS = {"funnel": funnel, "sessions": sessions, "transitions": transitions}

"""Whoever gives a table where a log belongs is told so."""

from __future__ import annotations

import pandas as pd
import pytest

import cjlib as cj

TABLE = pd.DataFrame({"customer_id": ["a"], "event": ["x"], "timestamp": ["2025-01-01"]})
MEASURES = [cj.Measure("bought", "x")]
CALLS = {
    "attribution": {"conversion": "x"},
    "compare_paths": {"outcome": "x"},
    "experiment": {"exposure": "x", "control": "a", "measures": MEASURES, "window": "7D"},
    "funnel": {"steps": ["x", "y"], "window": "7D"},
    "lifecycle": {},
    "paths": {},
    "personas": {},
    "plan_experiment": {"entry": "x", "measures": MEASURES, "window": "7D"},
    "retention": {},
    "sessions": {},
    "survival": {"inactive": "7D"},
    "transitions": {},
}


@pytest.mark.parametrize("name", CALLS)
def test_a_table_is_not_taken_for_a_log(name):
    with pytest.raises(cj.CjlibError, match=r"log: must be an event log, as cj\.read_events gives"):
        getattr(cj, name)(TABLE, **CALLS[name])

"""The group of each customer: one rule for every analysis that takes `by`."""

from __future__ import annotations

import numpy as np
import pandas as pd

import cjlib as cj
from cjlib.shared.group_by import first_values, group_by

DAY = 86_400_000_000
MIDNIGHT = int(pd.Timestamp("2024-01-01", tz="UTC").timestamp() * 1e6)


def labels(log, by="channel", **options):
    groups = group_by(log, by, **options)
    names = np.array([*groups.labels, "not yet"], dtype=object)
    return dict(zip(log.customer_ids().tolist(), names[groups.of].tolist(), strict=True))


def test_a_customer_belongs_to_the_first_value_that_is_not_missing(toy_log):
    log = toy_log("ana: a@0h a@1h(web) a@2h(ads) | bob: a@0h(ads) | cem: a@0h")
    assert labels(log) == {"ana": "web", "bob": "ads", "cem": "(not set)"}


def test_of_tied_events_the_smallest_value_as_text_decides_whatever_the_events_are_called(toy_log):
    assert labels(toy_log("ana: a@0h(web) b@0h(ads)")) == {"ana": "ads"}
    assert labels(toy_log("ana: b@0h(web) a@0h(ads)")) == {"ana": "ads"}


def test_what_became_known_after_the_landmark_decides_nothing(toy_log):
    log = toy_log("ana: a@0h a@2D(web) | bob: a@0h(ads) a@1D(web) | cem: a@3D(web)")
    known_at = np.full(3, MIDNIGHT + DAY)
    assert labels(log, known_at=known_at) == {"ana": "(not set)", "bob": "ads", "cem": "not yet"}


def test_a_value_at_the_landmark_itself_is_known(toy_log):
    log = toy_log("ana: a@0h a@1D(web)")
    assert labels(log, known_at=np.array([MIDNIGHT + DAY])) == {"ana": "web"}
    assert labels(log, known_at=np.array([MIDNIGHT + DAY - 1])) == {"ana": "(not set)"}


def test_of_several_columns_the_values_of_the_first_event_that_has_any(toy_log):
    events = pd.DataFrame(
        {
            "customer_id": ["ana", "ana", "bob"],
            "event": "a",
            "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-01"], utc=True),
            "channel": [None, "web", "ads"],
            "country": ["de", "fr", None],
        }
    )
    log = cj.read_events(events)
    assert labels(log, ["channel", "country"]) == {
        "ana": "(not set) · de",
        "bob": "ads · (not set)",
    }


def test_groups_stand_largest_first_then_by_text_missing_last(toy_log):
    log = toy_log("a: x@0h(web) | b: x@0h(ads) | c: x@0h(web) | d: x@0h")
    assert group_by(log, "channel").labels == ["web", "ads", "(not set)"]
    assert first_values(log, "channel").to_dict() == {"a": "web", "b": "ads", "c": "web"}

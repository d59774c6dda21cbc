"""The event next to a moment, joined by time within each customer."""

import numpy as np
import pytest

from cjlib.analyses.feedback.stage_assignment import event_beside

CUSTOMER, TIME = np.array([0, 0, 0, 1]), np.array([10, 20, 20, 15])


@pytest.mark.parametrize(
    ("customer", "moment", "before", "after"),
    [
        (0, 9, -1, 0), (0, 10, 0, 1), (0, 20, 2, -1), (0, 25, 2, -1), (0, 26, -1, -1), (1, 14, -1, 3), (1, 15, 3, -1), (2, 15, -1, -1),
    ],
)  # fmt: skip
def test_the_last_event_at_or_before_and_the_first_strictly_after(customer, moment, before, after):
    at = np.array([customer]), np.array([moment])
    sides = [
        event_beside(*at, CUSTOMER, TIME, side=side, within=within)[0]
        for side, within in (("at_or_before", 5), ("after", 100))
    ]
    assert sides == [before, after]


def test_answers_keep_their_order():
    customer, moment = np.array([1, 0, 0]), np.array([99, 21, 11])
    found = event_beside(customer, moment, CUSTOMER, TIME, side="at_or_before", within=100)
    assert found.tolist() == [3, 2, 0]

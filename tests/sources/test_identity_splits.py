"""Where ids probably split it is said unasked, and elsewhere it is not."""

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.identity.splits import SPLIT, shape_of


def log_of(*parts, **options):
    """A log of (ids, event, day of each)."""
    rows = [
        (who, event, pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(days=float(day)))
        for ids, event, days in parts
        for who, day in zip(ids, np.broadcast_to(days, len(ids)), strict=True)
    ]
    return cj.read_events(
        pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]), timezone="UTC", **options
    )


def words(log):
    return log.quality.loc[log.quality["check"] == SPLIT, "example"].tolist()


VISITORS = [f"v{n}" for n in range(100)]
MEMBERS = [f"m{n}" for n in range(50)]


def test_sign_ups_under_new_ids_are_no_conversion_of_0():
    log = log_of((VISITORS, "visit", 1), (MEMBERS, "signup", 2))
    found = cj.funnel(log, ["visit", "signup"], window="14D")
    assert found.headline.startswith(
        "Ids probably split between “visit” and “signup”: 50 customers did “signup”, almost all with nothing before it, "
        "and none of the 100 who did “visit” ever got there; so 0 of 100 is no conversion rate."
    )
    assert "ids" in found.definition
    (line,) = words(log)
    assert line.startswith("2 groups of events share no customer: 'visit' / 'signup'")


def test_a_funnel_that_really_loses_everybody_says_so():
    log = log_of((VISITORS, "visit", 1), (VISITORS[:50], "signup", 2), (VISITORS[:50], "cancel", 3), (VISITORS[50:], "pay", 3))  # fmt: skip
    found = cj.funnel(log, ["cancel", "pay"], window="14D")
    assert found.headline.startswith("0 of 50 customers (0.0%")
    assert not words(log)


def test_visits_under_the_new_id_do_not_hide_the_split():
    days = np.linspace(1, 80, 100)
    log = log_of(
        (VISITORS, "visit", days), (MEMBERS, "signup", days[:50]), (MEMBERS, "visit", days[:50] + 9)
    )
    assert cj.funnel(log, ["visit", "signup"], window="14D").headline.startswith("Ids probably")
    (line,) = words(log)
    assert line.startswith("ids like 'v9' never do 'signup', with which ids like 'm9' begin")


def test_sign_ups_without_history_are_said_where_all_ids_look_alike():
    days = np.linspace(1, 80, 300)
    visitors, members = ([f"c{n}" for n in some] for some in (range(300), range(300, 400)))
    log = log_of(
        (visitors, "visit", days),
        (members, "signup", days[:100]),
        (members, "visit", days[:100] + 9),
    )
    (line,) = words(log)
    assert line.startswith("100 ids of 100 with 'signup' begin with it")


def test_customers_from_before_the_log_are_no_split():
    old, new = ([f"c{n}" for n in some] for some in (range(300), range(300, 500)))
    days = np.random.default_rng(0).exponential(10, 300)
    log = log_of(
        (old, "login", np.minimum(days, 99)),
        (new, "signup", np.linspace(0, 90, 200)),
        (new, "login", np.linspace(1, 99, 200)),
    )
    assert not words(log)


@pytest.mark.parametrize(
    ("written", "shape"),
    [
        ("C00017", "C9"),
        ("17", "9"),
        ("ana@x.org", "a@a"),
        ("0b2f1c3e-1111-4aaa-8bbb-0123456789ab", "uuid"),
        ("0b2f1c3e11114aaa", "hex"),
    ],
)
def test_shapes_of_ids(written, shape):
    assert shape_of(written) == shape


@pytest.mark.parametrize("seed", range(2))
def test_a_business_without_splits_is_not_suspected(seed):
    made = cj.sample(customers=400, seed=seed)
    log = cj.read_events(made.events, timezone="Europe/Berlin")
    assert not words(log)
    names = log.event_names
    rng = np.random.default_rng(seed)
    for _ in range(5):
        steps = [str(name) for name in rng.choice(names, 2, replace=False)]
        assert "Ids probably" not in cj.funnel(log, steps, window="30D").headline

"""A business whose customers have ids in five tools: what is joined, what is not, and what then comes out."""

import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.identity.splits import SPLIT

STEPS = ["visit", "signup", "activate", "subscribe"]


@pytest.fixture(scope="module")
def made():
    return cj.sample(customers=500, seed=3, split_ids=True)


@pytest.fixture(scope="module")
def log(made):
    return read(made, made.identities)


def read(made, identities):
    return cj.read_events(
        made.sources, timezone="Europe/Berlin", identities=identities, customers=made.customers
    )


def carried(made, column):
    """Each id of a column with its true person, of those who have an account."""
    parts = [
        pd.DataFrame({"id": rows[column], "person": made.truth.people[name]})
        for name, rows in made.sources.items()
        if column in rows
    ]
    signed = made.events.loc[made.events["event"] == "signup", "customer_id"]
    every = pd.concat(parts).dropna().drop_duplicates()
    return every[every["person"].isin(signed)]


@pytest.mark.parametrize("column", ["customer_id", "shop_id", "helpdesk_id", "survey_id", "email"])
def test_every_id_of_a_customer_is_found(made, log, column):
    table = log.identities[log.identities["kind"] == column].set_index("id")["person"]
    planted = carried(made, column)
    ids = planted["id"].str.lower() if column == "email" else planted["id"]
    assert len(planted)
    assert (ids.map(table).to_numpy() == planted["person"].to_numpy()).mean() >= 0.99


def test_no_two_customers_are_merged(log):
    own = log.identities[log.identities["kind"] == "customer_id"]
    assert (own["id"] == own["person"]).all()


def test_the_till_and_the_test_account_join_nobody(log):
    cut = log.identities[log.identities["reason"] == "hub, joins nobody"]
    assert set(cut["id"]) == {"kiosk-1", "test@northlight.example"}


def test_the_questions_have_their_true_answers_again(made, log):
    usable = made.events.dropna(subset=["customer_id", "timestamp"]).drop_duplicates()
    true = cj.read_events(usable, timezone="Europe/Berlin")
    for name, ask in (
        ("conversion", lambda one: cj.funnel(one, STEPS, window="14D", entrants="closed")),
        ("retention_period_1", lambda one: cj.retention(one, start_event="signup", periods=4)),
    ):
        truth, found = (ask(one).metrics[name] for one in (true, log))
        assert found["low"] <= truth["value"] <= found["high"], name


def test_without_joining_the_split_is_said_and_with_it_not(made, log):
    off = read(made, {**made.identities, "join": False})
    assert SPLIT in set(off.quality["check"])
    assert cj.funnel(off, STEPS, window="14D").headline.startswith("Ids probably split between")
    assert SPLIT not in set(log.quality["check"])
    assert cj.funnel(log, STEPS, window="14D").metrics["conversion"]["value"] > 0.1


def test_feedback_under_another_id_of_a_person_is_that_persons(made, log):
    orders = made.sources["shop"]
    people = log.customer_ids()[log.codes_of_ids(orders["shop_id"].head(20))]
    assert list(people) == list(made.truth.people["shop"].head(20))
    assert list(log.codes_of_ids(["nobody", None])) == [-1, -1]

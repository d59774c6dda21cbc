"""A report for one group of customers: `customers=` of `cj.read_journey`, known from the first event on."""

from __future__ import annotations

import pandas as pd
import pytest

import cjlib as cj

EVENTS = """customer_id,event,timestamp,region,plan
ann,visit,2025-01-01,North,
ann,buy,2025-01-02,South,pro
ben,visit,2025-01-01,South,
ben,buy,2025-01-03,North,
cat,visit,2025-01-01,,
cat,buy,2025-01-02,North,
dan,open,2025-01-01,South,
dan,visit,2025-01-01,North,
eva,visit,2025-01-04,North,
"""
JOURNEY = """
name: Shop
timezone: UTC
sources:
  events: {path: events.csv, observed_until: 2025-03-01}
  feedback: {path: answers.csv}
  customers: {path: customers.csv}
stages:
  - name: All
    touchpoints: [{name: shop, events: [visit, open, buy]}]
funnels:
  purchase: {steps: [visit, buy], window: 14D}
"""


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "events.csv").write_text(EVENTS)
    (tmp_path / "answers.csv").write_text(
        "customer_id,timestamp,nps\nann,2025-01-05,9\nben,2025-01-05,2\nzoe,2025-01-05,4\n,2025-01-06,7\n"
    )
    (tmp_path / "customers.csv").write_text("customer_id,size\nann,3\nben,40\ndan,3\neva,40\n")
    path = tmp_path / "journey.yml"
    path.write_text(JOURNEY)
    return path


def ids(log):
    return sorted(log.run(f"SELECT DISTINCT customer_id FROM {log.events_sql} AS e")["customer_id"])


def test_a_customer_is_of_the_group_that_the_first_event_says(shop):
    """Cat's region comes a day late, and of Dan's two first events North is the smaller text."""
    log = cj.read_journey(shop, customers="region=North").read_events()
    assert ids(log) == ["ann", "dan", "eva"]
    assert log.n_events == 5
    assert log.n_customers == 3


@pytest.mark.parametrize("given", [",,", ",", "region=", "=North", "region"])
def test_conditions_that_name_nothing_are_refused_and_an_empty_text_means_all(shop, given):
    with pytest.raises(cj.CjlibError, match=r"customers: .* cannot be read\. Write column=value"):
        cj.read_journey(shop, customers=given)
    assert cj.read_journey(shop, customers=" ").read_events().n_customers == 5


def test_an_attribute_of_the_customers_table_makes_a_group_too(shop):
    small = cj.read_journey(shop, customers={"size": 3})
    assert ids(small.read_events()) == ["ann", "dan"]
    assert small.read_customers()["customer_id"].tolist() == ["ann", "dan"]


def test_several_conditions_hold_together(shop):
    assert ids(cj.read_journey(shop, customers="region=North, size=40").read_events()) == ["eva"]


def test_answers_and_rows_of_others_are_left_out_and_counted(shop):
    north = cj.read_journey(shop, customers="region=North")
    feedback = north.read_feedback()
    assert feedback.frame["customer_id"].tolist() == ["ann"]
    line = feedback.quality.set_index("check").loc["answers of other customers"]
    assert line["rows"] == 3
    assert north.read_customers()["customer_id"].tolist() == ["ann", "dan", "eva"]


def test_what_is_counted_says_of_whom_it_is(shop):
    north = cj.read_journey(shop, customers="region=North")
    funnel = cj.funnel(north.read_events(), **north.funnel())
    assert funnel.table["customers"].tolist() == [3, 1]
    assert "customers whose region = North" in str(funnel.definition)
    again = north.read_events().run(funnel.sql)
    assert again["customers"].tolist() == [3, 1]


def test_who_has_no_value_is_in_no_group_and_counted(shop):
    """Cat's first event names no region, and the customers table does not know cat: whom nobody knows may be who left."""
    journey = cj.read_journey(shop)
    for column in ("region", "size"):
        log = journey.read_events().of_group({column: {"not": "none" if column == "region" else 0}})
        assert "cat" not in ids(log)
        assert log.n_customers == 4
        line = log.quality.set_index("check").loc[f"customers without {column}"]
        assert line["rows"] == 1


def test_ids_of_other_customers_stand_for_nobody(shop):
    log = cj.read_journey(shop, customers="region=North").read_events()
    assert (log.codes_of_ids(["ann", "ben", "zoe"]) >= 0).tolist() == [True, False, False]


def test_a_value_that_comes_later_makes_no_group(shop):
    """Who will buy the plan is not known when the journey begins."""
    with pytest.raises(cj.CjlibError, match="of no customer does the first event say plan = pro"):
        cj.read_journey(shop, customers="plan=pro").read_events()


def test_without_a_group_everybody_counts(shop):
    whole = cj.read_journey(shop)
    assert whole.read_events().n_customers == 5
    assert len(whole.read_feedback()) == 4


@pytest.mark.parametrize("given", ["North", "=North", "region=", 3])
def test_what_is_no_condition_is_refused(shop, given):
    with pytest.raises(cj.CjlibError, match=r"customers: .*region=North"):
        cj.read_journey(shop, customers=given)


def test_answers_alone_know_of_no_group(shop):
    text = JOURNEY.replace("  events: {path: events.csv, observed_until: 2025-03-01}\n", "")
    shop.write_text(text[: text.index("funnels")])
    with pytest.raises(cj.CjlibError, match=r"customers: answers alone .* Name sources.events"):
        cj.read_journey(shop, customers="region=North").read_feedback()


def test_texts_of_numbers_and_flags_are_compared_as_what_they_are(shop):
    table = pd.read_csv(shop.with_name("customers.csv")).assign(active=[True, False, True, False])
    table.to_csv(shop.with_name("customers.csv"), index=False)
    assert ids(cj.read_journey(shop, customers="active=true").read_events()) == ["ann", "dan"]
    rows = cj.read_journey(shop, customers="active=true").read_customers()
    assert rows["customer_id"].tolist() == ["ann", "dan"]

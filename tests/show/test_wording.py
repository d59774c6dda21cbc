"""Each log, and each result, speaks of its own units and in its own currency, also where several were read."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import cjlib as cj
from cjlib.show import numbers
from cjlib.show.wording import in_the_words_of_what_is_given

PAID = """\
customer,account,event,time,amount
a,x,visit,2025-01-01,
a,x,pay,2025-01-02,30
b,x,visit,2025-01-03,
c,y,visit,2025-01-04,
c,y,pay,2025-01-05,50
"""
COLUMNS = "columns: {customer: customer_id, time: timestamp}"


def business(folder, name, *, grain="", currency=""):
    (folder / "events.csv").write_text(PAID, encoding="utf-8")
    file = folder / f"{name}.yml"
    file.write_text(
        f"name: {name}\ntimezone: UTC\n{currency}\n{grain}\n"
        f"stages: [{{name: All, touchpoints: [visit, pay]}}]\n"
        f"sources: {{events: {{path: events.csv, {COLUMNS}}}}}\n",
        encoding="utf-8",
    )
    return cj.read_journey(file)


@pytest.fixture
def two(tmp_path):
    """Accounts that pay in €, and then customers that pay in $."""
    accounts = business(
        tmp_path, "accounts", grain="grain: account", currency="currency: €"
    ).read_events()
    customers = business(tmp_path, "customers", currency="currency: $").read_events()
    return accounts, customers


def test_a_log_speaks_of_its_own_units_after_another_was_read(two):
    accounts, customers = two
    assert "2 of 2 accounts" in cj.funnel(accounts, ["visit", "pay"], window="7D").headline
    assert "2 of 3 customers" in cj.funnel(customers, ["visit", "pay"], window="7D").headline
    assert (
        "2 of 2 accounts" in cj.funnel(log=accounts, steps=["visit", "pay"], window="7D").headline
    )


def test_money_is_in_the_currency_of_its_log(two):
    amount = in_the_words_of_what_is_given(lambda log: numbers.money(5))
    assert [amount(log) for log in two] == ["€5", "$5"]
    kept = [cj.funnel(log, ["visit", "pay"], window="7D").wording.currency for log in two]
    assert [currency.symbol for currency in kept if currency] == ["€", "$"]


def test_a_result_is_shown_in_the_words_it_was_told_in(two):
    accounts, customers = two
    of_accounts = cj.funnel(accounts, ["visit", "pay"], window="7D")
    cj.funnel(customers, ["visit", "pay"], window="7D")
    shown = of_accounts._repr_mimebundle_()["text/html"]
    assert "accounts" in shown
    assert (
        "customers" not in re.sub(r"`[^`]*`|<pre>.*</pre>", "", shown, flags=re.DOTALL).casefold()
    )
    drawn = cj.plot(of_accounts).layout.meta
    assert "accounts" in drawn["alt"]
    assert "customers" not in drawn["alt"] + drawn["caption"]


def test_a_question_that_fails_leaves_the_words_as_they_were(two):
    accounts, _ = two
    with pytest.raises(cj.CjlibError):
        cj.funnel(accounts, ["nothing", "pay"], window="no time")
    frame = pd.DataFrame({"customer_id": ["a"], "event": ["visit"], "timestamp": ["2025-01-01"]})
    assert "customer" in cj.funnel(cj.read_events(frame), ["visit"], window="7D").headline

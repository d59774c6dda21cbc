"""`cj init` of several files: what each is, whose ids meet, and a journey file that reads them all as they are."""

from pathlib import Path

import pandas as pd
import pytest

import cjlib as cj
from cjlib.errors import DataError
from cjlib.sources.journey.scaffold.several import journey_of_several

EXAMPLES = Path(__file__).parents[2] / "data" / "examples"
N = 60


def day(number, hour=0):
    return pd.Timestamp("2025-03-01") + pd.Timedelta(days=number, hours=hour)


def write(folder, **tables):
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return [folder / f"{name}.csv" for name in tables]


@pytest.fixture
def business():
    """Sixty people: each visits twice under a cookie, signs in with an address, orders under a number, and half of them ask and answer."""
    who = range(N)
    mail, number = [f"p{n}@x.org" for n in who], [f"K{1000 + n}" for n in who]
    visits = [(f"v{n * 7919:09d}", None, page, day(n, k)) for n in who for k, page in enumerate(("page view", "product view"))]  # fmt: skip
    logins = [(f"v{n * 7919:09d}", mail[n].upper(), "login", day(n, 2)) for n in who]
    asked = [(900 + n, mail[n], status, day(n, 30 + 9 * k)) for n in who[::2] for k, status in enumerate(("ticket opened", "ticket solved"))]  # fmt: skip
    told = [(mail[n], n % 11, "It was good and quick", day(n, 60).date()) for n in who[::2]]
    return {
        "web": pd.DataFrame(visits + logins, columns=["visitor_id", "login_email", "action", "ts"]),
        "orders": pd.DataFrame(
            {"order_no": [f"O{n}" for n in who for _ in (0, 1)], "customer_no": [number[n] for n in who for _ in (0, 1)], "total": 9.5, "ordered": [day(n, 3 + 200 * k) for n in who for k in (0, 1)]}
        ),
        "desk": pd.DataFrame(asked, columns=["ticket", "requester", "event", "at"]),
        "survey": pd.DataFrame(told, columns=["email", "nps", "comment", "answered"]),
        "customers": pd.DataFrame({"customer_no": number, "email": mail, "plan": ["free", "pro"] * 30}),
    }  # fmt: skip


def journey_of(files, tmp_path):
    text = journey_of_several(files, tmp_path)
    (tmp_path / "journey.yml").write_text(text, encoding="utf-8")
    return text, cj.read_journey(tmp_path / "journey.yml")


def test_people_of_five_exports_are_one_each(business, tmp_path):
    text, journey = journey_of(write(tmp_path, **business), tmp_path)
    assert [one.name for one in journey.sources.events] == ["web", "orders", "desk"]
    assert journey.identities.known == ("email",)
    assert journey.identities.anonymous == ("visitor_id",)
    assert "DECIDE: login_email of web.csv holds ids that stand in email of customers.csv" in text
    log = journey.read_events()
    assert log.n_customers == N
    assert log.n_events == sum(len(business[name]) for name in ("web", "orders", "desk"))
    feedback = journey.read_feedback()
    assert feedback.frame["customer_id"].isin(business["customers"]["customer_no"]).all()
    assert "plan" in log.columns
    found = cj.funnel(log, **journey.funnel()).table
    assert found["customers"].iloc[-1] == N


def test_the_order_of_files_loses_nobody(business, tmp_path):
    files = write(tmp_path, **business)
    _, journey = journey_of(files[::-1], tmp_path)
    assert journey.read_events().n_customers == N


def test_ids_that_meet_nowhere_are_said(business, tmp_path):
    files = write(tmp_path, web=business["web"].drop(columns="login_email"), orders=business["orders"])  # fmt: skip
    text, journey = journey_of(files, tmp_path)
    assert "nothing in orders.csv is an id of web.csv, so whoever is in both counts twice" in text
    assert journey.read_events().n_customers == 2 * N


def test_two_files_of_one_name_are_told_by_their_folders(business, tmp_path):
    for name in ("shop", "site"):
        (tmp_path / name).mkdir()
    one, two = tmp_path / "shop" / "events.csv", tmp_path / "site" / "events.csv"
    business["web"].to_csv(two, index=False)
    business["web"].assign(action="buy").to_csv(one, index=False)
    _, journey = journey_of([two, one], tmp_path)
    assert [source.name for source in journey.sources.events] == ["site events", "shop events"]


def test_a_file_that_is_nothing_is_named(business, tmp_path):
    files = write(tmp_path, web=business["web"], prices=pd.DataFrame({"item": list("abc"), "price": [1, 2, 3]}))  # fmt: skip
    with pytest.raises(DataError, match=r"prices\.csv.*has neither who and when"):
        journey_of_several(files, tmp_path)


def test_the_lamp_shop_is_read_as_its_own_file_reads_it(tmp_path):
    folder = EXAMPLES / "lamp_shop"
    names = ["web.csv", "orders.xlsx", "helpdesk.jsonl", "parcels", "reviews.csv", "clients.csv"]
    _, journey = journey_of([folder / name for name in names], tmp_path)
    written = cj.read_journey(folder / "journey.yml")
    assert journey.read_events().n_customers == written.read_events().n_customers
    assert len(journey.read_feedback()) == len(written.read_feedback())
    assert journey.identities is None

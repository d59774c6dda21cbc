"""What is counted: accounts, tickets, orders in the place of customers, in every analysis and in its words."""

import pandas as pd
import pytest

import cjlib as cj
from cjlib.errors import CjlibError
from cjlib.show import units
from cjlib.show.units import Unit, unit_of

PEOPLE = pd.DataFrame(
    {
        "customer_id": ["ana", "bob", "cid", "eve"],
        "account_id": ["acme", "acme", "bolt", "corp"],
        "plan": ["pro", "pro", "free", "pro"],
        "role": ["boss", "clerk", "boss", "boss"],
    }
)


def events(*rows):
    columns = ["customer_id", "account_id", "event", "timestamp", "amount"]
    table = pd.DataFrame([(*row, None)[:5] for row in rows], columns=columns)
    return table.astype({"timestamp": "datetime64[us]"}).assign(
        timestamp=lambda rows: rows["timestamp"].dt.tz_localize("UTC")
    )


ROWS = events(
    ("ana", "acme", "visit", "2025-01-01 09:00"),
    ("bob", "acme", "buy", "2025-01-03 09:00", 10.0),
    ("cid", "bolt", "visit", "2025-01-02 09:00"),
    ("dan", None, "visit", "2025-01-02 09:00"),
    ("eve", "corp", "visit", "2025-01-02 09:00"),
    ("eve", "corp", "buy", "2025-01-05 09:00", 5.0),
    (None, "corp", "visit", "2025-01-20 09:00"),
)


OF_PEOPLE = ROWS.dropna(subset=["customer_id"]).drop(columns="account_id")


def quality(log, check):
    return log.quality.set_index("check")["rows"][check]


def of(log):
    return {
        (row.person if isinstance(row.person, str) else None): row.customer_id
        for row in log.run("SELECT * FROM events").itertuples()
    }


def test_what_two_people_of_an_account_do_is_one_journey():
    funnel = cj.funnel(
        cj.read_events(ROWS, grain="account"), ["visit", "buy"], window="14D", min_n=1
    )
    assert funnel.table["customers"].tolist() == [3, 2]
    assert funnel.headline.startswith("2 of 3 accounts (66.7%")
    people = cj.funnel(cj.read_events(ROWS.dropna()), ["buy"], window="14D")
    assert "customers" in people.headline


def test_an_event_of_no_account_is_not_counted_and_said():
    log = cj.read_events(ROWS, grain="account")
    assert log.n_customers == 3
    assert quality(log, "events of no account") == 1
    assert repr(log) == "EventLog: 6 events of 3 accounts"


def test_an_account_without_a_person_is_counted():
    log = cj.read_events(ROWS, grain="account")
    assert of(log) == {"ana": "acme", "bob": "acme", "cid": "bolt", "eve": "corp", None: "corp"}


def test_the_column_counts_as_if_it_were_the_customer():
    whole = ROWS.dropna(subset=["customer_id", "account_id"])
    by_grain = cj.read_events(whole, grain="account")
    by_name = cj.read_events(
        whole.rename(columns={"customer_id": "who", "account_id": "customer_id"})
    )
    grain, name = (cj.retention(log, period="day", periods=3).table for log in (by_grain, by_name))
    pd.testing.assert_frame_equal(grain, name)


def test_the_order_of_rows_changes_nothing():
    there, back = (
        cj.read_events(rows, grain="account").run("SELECT * FROM events")
        for rows in (ROWS, ROWS.iloc[::-1])
    )
    pd.testing.assert_frame_equal(there, back)


def test_a_customers_table_of_people_says_who_belongs_where_and_what_all_share():
    log = cj.read_events(OF_PEOPLE, grain="account", customers=PEOPLE)
    assert of(log) == {"ana": "acme", "bob": "acme", "cid": "bolt", "eve": "corp"}
    assert "plan" in log.columns
    assert "role" not in log.columns
    assert "role: left out" in log.quality["example"].tolist()


def test_a_table_of_accounts_gives_their_attributes():
    accounts = pd.DataFrame({"account_id": ["acme", "bolt", "corp"], "size": ["s", "m", "s"]})
    log = cj.read_events(ROWS, grain="account", customers=accounts)
    assert cj.funnel(log, ["visit"], window="1D", by="size", min_n=1).table.set_index("size")[
        "customers"
    ].to_dict() == {"s": 2, "m": 1}


def test_a_person_who_changes_accounts_belongs_to_the_one_of_the_time():
    moves = pd.DataFrame(
        {
            "user": ["ana", "ana", "bob"],
            "org": ["acme", "bolt", "acme"],
            "since": ["2025-01-01", "2025-02-01", "2025-01-01"],
        }
    )
    rows = events(
        ("ana", None, "visit", "2024-12-01 09:00"),
        ("ana", None, "visit", "2025-01-31 23:00"),
        ("ana", None, "visit", "2025-02-01 00:00"),
        ("bob", None, "visit", "2025-03-01 09:00"),
    ).drop(columns="account_id")
    renamed = {"user": "customer_id", "org": "account_id", "since": "timestamp"}
    log = cj.read_events(
        rows, grain={"unit": "account", "map": {"source": moves, "columns": renamed}}
    )
    found = log.run("SELECT customer_id, person FROM events ORDER BY timestamp")
    assert found["customer_id"].tolist() == ["acme", "acme", "bolt", "acme"]


def test_a_person_in_two_accounts_at_once_is_refused():
    both = pd.concat([PEOPLE, PEOPLE.head(1).assign(account_id="bolt")])
    with pytest.raises(
        CjlibError,
        match=r"1 customer is in several accounts, for example 'ana' in .*acme.*bolt.*timestamp",
    ):
        cj.read_events(OF_PEOPLE, grain="account", customers=both)


def test_one_person_may_act_for_two_accounts_where_events_say_which():
    rows = events(("ana", "acme", "visit", "2025-01-01"), ("ana", "bolt", "visit", "2025-01-02"))
    assert cj.read_events(rows, grain="account").n_customers == 2


def test_feedback_goes_to_the_account_of_the_time_and_is_counted_by_it():
    log = cj.read_events(ROWS, grain="account")
    told = pd.DataFrame(
        {
            "customer_id": ["ana", "bob", "cid", "zed", None],
            "timestamp": pd.to_datetime(["2025-01-06"] * 5, utc=True),
            "nps": [10, 9, 0, 5, 5],
        }
    )
    feedback = cj.read_feedback(told).of_customers(log)
    found = feedback.frame.set_index("person")["customer_id"]
    assert found.loc[["ana", "bob", "cid"]].tolist() == ["acme", "acme", "bolt"]
    assert feedback.frame["customer_id"].isna().sum() == 2
    assert feedback.quality.set_index("check")["rows"]["answers of no account"] == 1


def test_an_answer_that_names_its_account_is_of_it_whoever_answered():
    log = cj.read_events(ROWS, grain="account")
    told = {"customer_id": ["ana", None], "account_id": ["corp", "bolt"], "nps": [1, 2]}
    answers = cj.read_feedback(pd.DataFrame({**told, "timestamp": ["2025-01-06"] * 2}))
    frame = answers.of_customers(log).frame.set_index("nps")
    assert frame["customer_id"].to_dict() == {1.0: "corp", 2.0: "bolt"}


def test_value_is_the_sum_over_an_accounts_people():
    log = cj.read_events(ROWS, grain="account")
    assert log.run(
        "SELECT customer_id, sum(amount) AS s FROM events WHERE amount > 0 GROUP BY ALL ORDER BY ALL"
    ).values.tolist() == [["acme", 10.0], ["corp", 5.0]]


def test_a_unit_that_no_column_names_is_an_error_with_the_columns_there_are():
    with pytest.raises(
        CjlibError, match=r"neither the events nor the customers table have a column 'order_id'"
    ):
        cj.read_events(ROWS.head(6), grain="order")
    with pytest.raises(CjlibError, match=r"Did you mean 'account_id'"):
        cj.read_events(ROWS.head(6), grain={"unit": "account", "column": "acount_id"})
    with pytest.raises(CjlibError, match=r"grain: .*collumn.*column"):
        cj.read_events(ROWS.head(6), grain={"unit": "account", "collumn": "a"})
    with pytest.raises(CjlibError, match=r"word of its own"):
        cj.read_events(ROWS.head(6), grain="customer group")


def test_ids_of_one_person_are_joined_before_people_become_accounts():
    rows = events(
        ("ana", None, "visit", "2025-01-01"), ("bob", "acme", "buy", "2025-01-02")
    ).assign(anonymous_id=["v1", "v2"])
    visit = rows.head(1).assign(customer_id=None, timestamp=rows["timestamp"] - pd.Timedelta("1h"))
    log = cj.read_events(
        pd.concat([visit, rows]),
        identities={"anonymous": ["anonymous_id"]},
        grain="account",
        customers=PEOPLE,
    )
    assert log.n_customers == 1
    assert of(log) == {"ana": "acme", "bob": "acme"}


def test_a_journey_file_counts_accounts_and_rolls_its_feedback_up(tmp_path):
    ROWS.to_parquet(tmp_path / "events.parquet")
    pd.DataFrame({"customer_id": ["ana", "bob"], "timestamp": ["2025-01-06"] * 2, "nps": [9, 3]}).to_csv(
        tmp_path / "answers.csv", index=False
    )  # fmt: skip
    (tmp_path / "journey.yml").write_text(
        "name: A\nsources: {events: events.parquet, feedback: answers.csv}\ngrain: account\n"
        "stages: [{name: All, touchpoints: [visit, buy]}]\n"
    )
    journey = cj.read_journey(tmp_path / "journey.yml")
    assert journey.read_feedback().frame["customer_id"].tolist() == ["acme", "acme"]
    assert journey.read_events().unit.many == "accounts"


@pytest.mark.parametrize(
    ("one", "text", "said"),
    [
        ("account", "A customer who left; 3 customers stay", "An account that left; 3 accounts stay"),
        ("company", "Customers of a customer's", "Companies of a company's"),
        ("ticket", "per active customer, “customer care”", "per active ticket, “customer care”"),
        ("order", "`customers`, cj.read_events(customers=table)", "`customers`, cj.read_events(customers=table)"),
        ("box", "the customers table, sources.customers", "the customers table, sources.customers"),
    ],
)  # fmt: skip
def test_a_sentence_of_customers_is_said_of_the_unit(one, text, said):
    assert unit_of(one, None, ()).says(text) == said


def test_what_the_data_call_so_stays():
    unit = Unit("account", "accounts", names=frozenset({"customer created"}))
    assert unit.says("2 customers did customer created") == "2 accounts did customer created"


def test_html_keeps_code_and_isolated_texts():
    units.use_unit(unit_of("account", None, ()))
    page = (
        "<p>2 customers</p><code>customers</code><td><bdi>customers say</bdi></td><i>customer</i>"
    )
    assert units.html_in_units(page) == (
        "<p>2 accounts</p><code>customers</code><td><bdi>customers say</bdi></td><i>account</i>"
    )
    assert units.head_in_units("new_customers") == "new_accounts"
    assert units.head_in_units("customer_id") == "customer_id"

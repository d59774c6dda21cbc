"""Exports of shops, payments and analytics: what `cj init` takes for customer, event, time and money, and what it asks."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import cjlib as cj
from cjlib.errors import CjlibError, DataError
from cjlib.sources.journey.check import check_journey
from cjlib.sources.journey.scaffold import feedback_alone, first_journey
from cjlib.sources.journey.scaffold.several import journey_of_several

N = 20
DAYS = pd.date_range("2025-02-05 03:07:01", periods=N, freq="31h")


def orders(**columns: object) -> pd.DataFrame:
    """Twenty orders of ten customers, a column of each kind that is given."""
    mail = [f"c{n % 10}@x.org" for n in range(N)]
    plain = {"Customer Email": mail, "Purchase Date": DAYS.strftime("%Y-%m-%d %H:%M:%S")}
    return pd.DataFrame(plain | columns)


def init(folder: Path, table: pd.DataFrame, name: str = "orders.csv", **options: str) -> str:
    """The journey file that is written for a table, beside it."""
    table.to_csv(folder / name, index=False)
    text = first_journey(folder / name, **options)
    (folder / "journey.yml").write_text(text, "utf-8")
    return text


def log_of(folder: Path) -> cj.EventLog:
    return cj.read_journey(folder / "journey.yml").read_events()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("amazon-order-id", [f"303-{n % 10:07d}-1" for n in range(N)]),
        ("Bill-to Name", [f"Ann {n % 10}" for n in range(N)]),
        ("Full Name", [f"Ann {n % 3}" for n in range(N)]),
    ],
)
def test_what_is_of_one_customer_each_is_no_event(name, values, tmp_path):
    text = init(tmp_path, orders(**{name: values, "Total": [9.5 + n for n in range(N)]}))
    assert "event: purchase  # DECIDE: no column names an event" in text
    assert log_of(tmp_path).n_customers == 10


def test_how_many_were_bought_is_nobody(tmp_path):
    lines = orders(quantity=[n % 2 for n in range(N)], sku=[f"S{n % 3}" for n in range(N)])
    assert "Customer Email: customer_id\n" in init(tmp_path, lines)


def test_the_total_goes_before_its_parts(tmp_path):
    money = {"Subtotal": [8.5] * 19 + [7.5], "Total Refunded": [0.0] * 19 + [5.0]}
    paid = {"Grand Total (Base)": [f"${1000.5 + n:,.2f}" for n in range(N)]}
    text = init(tmp_path, orders(**money, **paid))
    assert "\"Grand Total (Base)\": value  # DECIDE: money too: 'Subtotal'" in text


def test_what_a_preset_says_is_the_value_is_the_value(tmp_path):
    days = DAYS.strftime("%d/%m/%Y")
    deals = {"Opportunity ID": [f"006{n}" for n in range(N)], "Account Name": [f"Org {n % 7}" for n in range(N)], "Opportunity Name": "O",
             "Stage": ["Closed Won", "Closed Lost"] * 10, "Amount": [f"€{1000 + n:,.2f}" for n in range(N)],
             "Expected Revenue": [500.5 + n for n in range(N)], "Close Date": days, "Created Date": days}  # fmt: skip
    text = init(tmp_path, pd.DataFrame(deals))
    assert "preset: salesforce_opportunities" in text
    assert "Expected Revenue" not in text
    assert log_of(tmp_path).run("SELECT sum(value) AS won FROM events")["won"][0] == sum(
        1000 + n for n in range(0, N, 2)
    )
    assert not check_journey(tmp_path / "journey.yml").faults


@pytest.mark.parametrize(
    ("column", "values", "left_out"),
    [
        ("status", ["success", "declined"], "declined"),
        ("Deal status", ["won", "lost"], "lost"),
        ("test", [True, False], '"True"'),
        ("livemode", ["true", "false"], '"false"'),
        ("_fivetran_deleted", [False, True], '"True"'),
    ],
)
def test_rows_that_are_no_sales_are_asked_for_though_events_have_names(
    column, values, left_out, tmp_path
):
    kinds = {"transaction_type": ["purchase", "purchase", "refund", "verify"] * 5}
    text = init(tmp_path, orders(**kinds, **{column: values * 10}, amount=9.5))
    assert f"{column}: {{not: [{left_out}]}}}}" in text.replace('"Deal status"', "Deal status")
    where = {column: {"not": [left_out.strip('"')]}}
    columns = {"Customer Email": "customer_id", "transaction_type": "event"}
    columns["Purchase Date"] = "timestamp"
    log = cj.read_events(tmp_path / "orders.csv", columns=columns, where=where, timezone="UTC")
    assert log.n_events == N / 2


def test_ids_of_as_many_digits_as_a_time_are_no_times_and_days_are_nobody(tmp_path):
    ids = {"user_id": [4_000_000_000 + n % 10 for n in range(N)], "event_id": range(990, 990 + N)}
    rows = orders(**ids, session_id=[1_738_000_000 + n for n in range(N)])
    rows = rows.assign(event=["visit", "buy"] * 10, event_date=DAYS.strftime("%Y%m%d"))
    text = init(tmp_path, rows.drop(columns="Customer Email"))
    assert "user_id: customer_id\n" in text
    assert "DECIDE: times too: 'event_date'. Which" in text


def test_of_two_times_alike_the_one_with_a_clock_is_taken(tmp_path):
    days = {"Start Date": DAYS.strftime("%d-%b-%Y"), "Invoice Date": DAYS.strftime("%d-%b-%Y %H:%M:%S")}  # fmt: skip
    table = orders(**days, Amount=9.5).drop(columns="Purchase Date")
    assert "Invoice Date: timestamp  # DECIDE: times too: 'Start Date'" in init(tmp_path, table)


def test_a_column_called_event_that_names_none_gives_way(tmp_path):
    table = orders(event=[n % 2 == 0 for n in range(N)], amount=[n + 0.5 for n in range(N)])
    assert "event: source_event" in init(tmp_path, table)
    assert log_of(tmp_path).n_events == N


def test_one_word_in_all_rows_is_asked_for_as_what_it_is(tmp_path):
    text = init(tmp_path, orders(**{"Order Type": "online", "Total": range(N)}))
    assert "Order Type: event  # DECIDE: every row says 'online': is that what happened?" in text


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ([f"KW{n % 9 + 1:02d}/2025" for n in range(N)], "is written as no time that is known"),
        ([f"173995700{n % 10},5" for n in range(N)], "is a number with signs between its digits"),
        ([f"1,738,913,70{n % 10}" for n in range(N)], "is a number with signs between its digits"),
    ],
)
def test_a_time_that_is_none_is_named(times, why, tmp_path):
    with pytest.raises(DataError, match=why):
        init(tmp_path, orders(**{"Purchase Date": times}, event=["a", "b"] * 10))


def test_times_of_sas_are_read(tmp_path):
    times = DAYS.strftime("%d%b%Y:%H:%M:%S").str.upper()
    init(tmp_path, orders(**{"Purchase Date": times}, event=["a", "b"] * 10))
    assert log_of(tmp_path).span[0] == pd.Timestamp("2025-02-05 03:07:01", tz="UTC")


def test_objects_that_a_file_holds_as_text_are_told_so_and_are_no_comments(tmp_path):
    said = [json.dumps({"customer_id": f"C{n}", "event": "visit"}) for n in range(N)]
    table = pd.DataFrame({"timestamp": DAYS.strftime("%Y-%m-%d %H:%M"), "message": said})
    with pytest.raises(DataError, match="'message' holds JSON objects as text"):
        init(tmp_path, table)


def test_ids_of_merged_cells_are_told_so(tmp_path):
    table = orders(event=["a", "b"] * 10).sort_values("Customer Email")
    first = ~table["Customer Email"].duplicated()
    table["Customer Email"] = table["Customer Email"].where(first)
    with pytest.raises(DataError, match=r"10 of 20 rows have none: where a spreadsheet merged"):
        init(tmp_path, table)


def test_people_and_browsers_of_a_warehouse_are_joined(tmp_path):
    at = DAYS.strftime("%Y-%m-%d %H:%M:%S UTC")
    table = pd.DataFrame(
        {"id": range(N), "anonymous_id": [f"d{n // 2}" for n in range(N)], "user_id": [None, "u"] * 10, "event": ["visit", "buy"] * 10,
         "timestamp": at, "received_at": at, "original_timestamp": at}
    )  # fmt: skip
    table["user_id"] = [f"u{n // 2}" if n % 2 else None for n in range(N)]
    assert "anonymous: [anonymous_id]" in init(tmp_path, table, "tracks.csv")
    assert log_of(tmp_path).n_customers == N / 2


def parts(folder: Path, **tables: pd.DataFrame) -> cj.EventLog:
    files = [folder / f"{name}.csv" for name in tables]
    for file, table in zip(files, tables.values(), strict=True):
        table.to_csv(file, index=False)
    (folder / "journey.yml").write_text(journey_of_several(files, folder), "utf-8")
    return log_of(folder)


def test_a_log_cut_in_two_is_one_log(tmp_path):
    table = orders(event=["visit", "buy"] * 10)
    assert parts(tmp_path, january=table[:11], february=table[11:]).n_customers == 10


def test_ids_that_two_sources_write_in_other_letters_are_named(tmp_path):
    visits = orders(event=["visit", "buy"] * 10)
    sales = orders(amount=9.5).assign(
        **{"Customer Email": lambda t: t["Customer Email"].str.upper()}
    )
    quality = parts(tmp_path, web=visits, shop=sales).quality.set_index(["source", "check"])
    assert quality.loc[("all sources", "ids that differ only in capitals"), "rows"] == 10
    warned = check_journey(tmp_path / "journey.yml").warnings
    assert any("differ only in capitals" in str(one) for one in warned)


def test_addresses_that_nobody_buys_with_are_named_and_left_out(tmp_path):
    table = orders(event=["visit", "buy"] * 10)
    table.loc[:3, "Customer Email"] = ["test@x.org", "qa1@x.org", "ann+test@x.org", "b@test.com"]
    text = init(tmp_path, table)
    assert 'missing_ids: ["ann+test@x.org", "b@test.com", "qa1@x.org", "test@x.org"]' in text
    assert log_of(tmp_path).n_events == N - 4
    told = {"Customer Email": "customer_id", "Purchase Date": "timestamp"}
    quality = cj.read_events(table.rename(columns=told), timezone="UTC").quality
    line = quality[quality["check"] == "ids of testers"].iloc[0]
    assert line["rows"] == 4
    assert line["example"].startswith("'ann+test@x.org', 'b@test.com', 'qa1@x.org'")


def test_made_up_data_are_not_said_to_be_of_testers():
    told = {"Customer Email": "customer_id", "Purchase Date": "timestamp"}
    table = orders(event="buy").rename(columns=told)
    table["customer_id"] = table["customer_id"].str.replace("x.org", "example.com")
    assert "ids of testers" not in set(cj.read_events(table, timezone="UTC").quality["check"])


@pytest.mark.parametrize("sign", [",", ";"])
def test_lines_of_the_period_above_the_names_are_no_names(sign, tmp_path):
    above = [["Events", "", "", ""], ["from", "2025-02-01", "to", "2025-03-01"], [""] * 4]
    table = orders(event=["visit", "buy"] * 10, amount=range(N)).to_csv(index=False, sep=sign)
    lines = "".join(sign.join(line) + "\n" for line in above)
    (tmp_path / "events.csv").write_text(lines + table)
    text = first_journey(tmp_path / "events.csv")
    assert "Customer Email: customer_id" in text
    assert "amount: value" in text


def test_fields_inside_the_objects_of_a_parquet_file_are_columns(tmp_path):
    rows = [
        {"user": {"id": f"C{n % 5}", "traits": {"plan": "pro"}}, "event": "buy", "ts": at, "properties": {"revenue": n + 0.5}}
        for n, at in enumerate(DAYS)
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(tmp_path / "events.parquet")
    with pytest.raises(DataError, match=r"Did you mean columns=\{'user.id': 'customer_id'"):
        cj.read_events(tmp_path / "events.parquet")
    text = first_journey(tmp_path / "events.parquet")
    (tmp_path / "journey.yml").write_text(text, "utf-8")
    log = log_of(tmp_path)
    assert log.n_customers == 5
    assert log.run("SELECT sum(value) AS worth FROM events")["worth"][0] == sum(range(N)) + N / 2
    columns = {"user.id": "customer_id", "ts": "timestamp", "user.traits.plan": "plan"}
    told = cj.read_events(tmp_path / "events.parquet", columns=columns, timezone="UTC")
    assert set(told.run("SELECT plan FROM events")["plan"]) == {"pro"}


def test_a_database_in_a_file_is_told_how_to_be_read(tmp_path):
    (tmp_path / "shop.sqlite").write_bytes(b"SQLite format 3\0")
    with pytest.raises(CjlibError, match=r"read by its address, sqlite:///"):
        cj.read_events(tmp_path / "shop.sqlite")


def survey(**columns: object) -> pd.DataFrame:
    """Twenty answers of twenty people."""
    plain = {
        "Respondent ID": range(118, 118 + N),
        "Survey Sent At": DAYS.strftime("%Y-%m-%d %H:%M"),
    }
    later = DAYS + pd.Timedelta("5h")
    plain["Responded At"] = later.strftime("%Y-%m-%d %H:%M")
    scores = {"How likely are you to recommend the app?": [n % 11 for n in range(N)]}
    said = {"Comment": [f"The lamp number {n} is nice" for n in range(N)]}
    return pd.DataFrame(plain | scores | said | columns)


def test_of_a_survey_the_answer_counts_and_the_person_not_the_form(tmp_path):
    mail = [f"p{n}@x.org" for n in range(N)]
    survey(**{"Email Address": mail, "Stage Date": None}).to_csv(tmp_path / "s.csv", index=False)
    text = feedback_alone(tmp_path / "s.csv")
    assert "Responded At: timestamp  # DECIDE: times too: 'Survey Sent At'" in text
    assert "Email Address: customer_id" in text
    assert "Stage Date" not in text


def test_a_second_question_of_one_kind_is_named(tmp_path):
    more = {"How likely are you to recommend our shop?": [(7 * n) % 11 for n in range(N)]}
    survey(**more).to_csv(tmp_path / "s.csv", index=False)
    text = feedback_alone(tmp_path / "s.csv")
    assert "Asked too, and not used: 'How likely are you to recommend our shop?'" in text


@pytest.mark.parametrize(
    ("form", "sign", "worth"),
    [
        ("{:,} €", "comma", 20_190.0), ("¥{:,}", "point", 20_190.0), ("{:,}", "point", 20_190.0),
        ("{:,}.50 €", None, 20_200.0), ("{} €", None, 20_190.0), ("{:,}.000 €", None, 20_190.0),
    ],
)  # fmt: skip
def test_whole_amounts_with_a_sign_between_thousands_are_not_a_thousandth(
    form, sign, worth, tmp_path
):
    paid = [form.format(1_000 + n) for n in range(N)]
    paid = [text.translate(str.maketrans(",.", ".,")) if "€" in text else text for text in paid]
    text = init(tmp_path, orders(Total=paid, Item="lamp"))
    assert "Total: value" in text
    assert ("decimal: " in text) is bool(sign)
    assert f"decimal: {sign}  # DECIDE: Total: numbers written in two ways" in text or not sign
    assert log_of(tmp_path).run("SELECT sum(value) AS worth FROM events")["worth"][0] == worth


def test_a_point_between_thousands_beside_a_currency_is_not_read_as_a_decimal_by_itself():
    told = {"Customer Email": "customer_id", "Purchase Date": "timestamp"}
    table = orders(event="buy", value=["1.001 €", "21 €"] * 10).rename(columns=told)
    quality = cj.read_events(table, timezone="UTC").quality
    said = quality[quality["check"] == "value: numbers written in two ways"].iloc[0]
    assert said["rows"] == 10
    assert said["example"].startswith("'1.001 €' can be a decimal or a thousand")
    assert cj.read_events(table, timezone="UTC", decimal="comma").run(
        "SELECT max(value) AS most FROM events"
    )["most"][0] == pytest.approx(1001)


def lines_of_orders(**columns: object) -> pd.DataFrame:
    """Two lines each of ten orders, one a customer."""
    both = pd.DataFrame({"Customer Email": [f"c{n % 10}@x.org" for n in range(N)]})
    both["Purchase Date"] = [DAYS[n % 10].strftime("%Y-%m-%d %H:%M:%S") for n in range(N)]
    return both.assign(**{"Receipt": [f"R{n % 10}" for n in range(N)]}, **columns)


def test_lines_that_have_amounts_of_their_own_are_added(tmp_path):
    table = lines_of_orders(Qty=[1] * 10 + [2] * 10, **{"Line Total": [5.5] * 10 + [10.5] * 10})
    text = init(tmp_path, table)
    assert "id: Receipt" not in text
    assert "DECIDE: Receipt stands in several rows with amounts of their own" in text
    assert log_of(tmp_path).run("SELECT sum(value) AS worth FROM events")["worth"][0] == 160
    whole = lines_of_orders(Total=[25.5 + n % 10 for n in range(N)], Item=["mug", "lamp"] * 10)
    assert "id: Receipt  # DECIDE" in init(tmp_path, whole)
    assert log_of(tmp_path).run("SELECT sum(value) AS worth FROM events")["worth"][0] == 300


def test_a_total_is_the_value_though_a_quantity_stands_beside_it(tmp_path):
    table = orders(**{"Price: Total": [9.5 + n for n in range(N)], "Line: Quantity": [1, 2] * 10})
    assert '"Price: Total": value' in init(tmp_path, table)
    priced = orders(**{"Unit Price": [9.5 + n for n in range(N)], "Quantity": [1, 2] * 10})
    assert "Quantity says how many" in init(tmp_path, priced)


def test_amounts_are_no_ids_of_events(tmp_path):
    table = orders(Total=[9.5 + n for n in range(N)])
    text = init(tmp_path, pd.concat([table, table[:3]]))
    assert "duplicates: keep  # DECIDE: 3 of 23 rows" in text
    assert "id: Total" not in text


def test_numbers_of_telephones_are_customers(tmp_path):
    table = orders(Caller=[f"+4930{n % 10:05d}" for n in range(N)], Queue=["sales", "help"] * 10)
    assert "Caller: customer_id" in init(tmp_path, table.drop(columns="Customer Email"))


def test_when_some_rows_ended_is_pointed_out(tmp_path):
    ended = [at.strftime("%Y-%m-%d") if n % 3 == 0 else None for n, at in enumerate(DAYS)]
    text = init(tmp_path, orders(canceled_at=ended))
    assert "DECIDE: canceled_at: times too." in text


def test_one_letter_written_in_two_ways_is_named():
    told = {"Customer Email": "customer_id", "Purchase Date": "timestamp"}
    table = orders(event=["café", "cafe\u0301"] * 10).rename(columns=told)
    table["customer_id"] = ["José", "Jose\u0301"] * 10
    quality = cj.read_events(table, timezone="UTC").quality.set_index("check")["rows"]
    assert quality["ids that differ only in how they are written"] == 1
    assert quality["similar event names"] == 10


def test_fields_inside_the_objects_of_a_table_in_memory_are_read_by_their_names():
    rows = [
        {"user": {"id": f"C{n % 5}"}, "event": "buy", "timestamp": at} for n, at in enumerate(DAYS)
    ]
    log = cj.read_events(pd.DataFrame(rows), columns={"user.id": "customer_id"}, timezone="UTC")
    assert log.n_customers == 5


def test_one_column_is_no_table():
    with pytest.raises(CjlibError, match=r"source: must be .* Got 0"):
        cj.read_events(pd.Series(["visit"]))


def test_months_of_a_table_are_times_and_infinity_is_no_number():
    months = pd.PeriodIndex(["2025-01", "2025-02"], freq="M")
    table = pd.DataFrame({"customer_id": ["a", "b"], "event": "buy", "timestamp": months})
    log = cj.read_events(table.assign(value=[float("inf"), 2.5]), timezone="UTC")
    assert log.run("SELECT sum(value) AS worth FROM events")["worth"][0] == 2.5
    assert log.span[0] == pd.Timestamp("2025-01-01", tz="UTC")
    told = log.quality.set_index("check").loc["value: infinite numbers"]
    assert told["rows"] == 1
    assert told["example"] == "read as missing"


def test_an_answer_that_a_person_was_asked_to_rate_is_a_rating(tmp_path):
    asked = {"How would you rate the page?": ["5 (Love)", "1 (Hate)"] * 10}
    survey(**asked).to_csv(tmp_path / "s.csv", index=False)
    assert '"How would you rate the page?": rating' in feedback_alone(tmp_path / "s.csv")


@pytest.mark.parametrize("form", ["%H:%M:%S", "%I:%M %p"])
def test_times_of_day_are_no_events(form, tmp_path):
    at = [DAYS[n % 7].strftime(form) for n in range(N)]
    text = init(tmp_path, orders(**{"Purchase Time": at, "Total": [9.5 + n for n in range(N)]}))
    assert "event: purchase  # DECIDE" in text
    assert "DECIDE: Purchase Time holds times of day" in text


@pytest.mark.parametrize(
    ("column", "values", "undone"),
    [
        ("Statut", ["livrée", "remboursée"], '"remboursée"'), ("Estado", ["pagado", "devuelto"], "devuelto"),
        ("Refunded?", [0, 1], '"1"'),
    ],
)  # fmt: skip
def test_what_became_of_an_order_is_no_event_in_other_languages(column, values, undone, tmp_path):
    text = init(tmp_path, orders(**{column: values * 10}, Importe=[9.5 + n for n in range(N)]))
    assert "event: purchase  # DECIDE" in text
    assert f"{{not: [{undone}]}}}} leaves them out" in text


@pytest.mark.parametrize("name", ["金額", "Сумма"])
def test_money_is_known_by_its_name_in_other_letters(name, tmp_path):
    table = orders(**{name: [9.5 + n for n in range(N)], "Sales record number": range(N)})
    assert f'"{name}": value\n' in init(tmp_path, table)


@pytest.mark.parametrize(
    ("written", "hour"), [("15:05 PM", 15), ("0:05 AM", 0), ("12:05 AM", 0), ("15:05 AM", None)]
)
def test_both_clocks_at_once_are_read_where_they_mean_one_time(written, hour):
    table = pd.DataFrame({"customer_id": ["a"], "event": "buy"})
    table["timestamp"] = f"2025-01-02 {written}"
    log = cj.read_events(table, timezone="UTC", quarantine_limit=1)
    assert (log.n_events and log.span[0].hour) == (hour if hour is not None else 0)
    assert log.n_events == (hour is not None)


def test_a_pointer_of_git_is_no_file(tmp_path):
    (tmp_path / "events.csv").write_text("version https://git-lfs.github.com/spec/v1\nsize 5\n")
    with pytest.raises(DataError, match="Fetch the file with git lfs pull"):
        first_journey(tmp_path / "events.csv")

"""Files as tools write them: the number that a person reads in them, or a sentence that says why not."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cjlib as cj
from cjlib.sources.journey import read_journey
from cjlib.sources.journey.check import check_journey
from cjlib.sources.journey.scaffold import feedback_alone, first_journey

HEADER = "customer_id,event,timestamp,amount"


def log_of(
    tmp_path: Path, content: str, name: str = "events.csv", **options: object
) -> cj.EventLog:
    path = tmp_path / name
    path.write_bytes(content.encode())
    return cj.read_events(path, timezone="UTC", quarantine_limit=1, **options)


def amounts(tmp_path: Path, values: list[str], **options: object) -> tuple[list, dict[str, str]]:
    """The amounts as they are read, and what the quality table says of them."""
    rows = [f'u{n};buy;2024-01-{n + 1:02d};"{value}"' for n, value in enumerate(values)]
    log = log_of(tmp_path, "\n".join([HEADER.replace(",", ";"), *rows]), **options)
    read = log.engine.rows("SELECT amount FROM events ORDER BY customer_id")
    quality = log.quality[log.quality["check"].str.startswith("amount: ")]
    return [value for (value,) in read], dict(
        zip(quality["check"], quality["example"], strict=True)
    )


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("$1,234.50", 1234.5), ("(12.00)", -12.0), ("+12.00", 12.0), ("1\u00a0234.5", 1234.5), ("€ 9.50", 9.5),
        ("9.50 EUR", 9.5), ("12.00-", -12.0), ("-$3.25", -3.25), ("1,234,567", 1234567.0), (" 7.5 ", 7.5),
        ("₹1,02,079.50", 102079.5), ("US$9.50", 9.5), ("12.50 kr", 12.5), ("9.50 zł", 9.5), ('=""7.50""', 7.5), ("'7.50", 7.5), ("CHF 12.-", 12.0), ("Rs. 500", 500.0),
    ],
)  # fmt: skip
def test_money_is_a_number_however_it_is_written(written, number, tmp_path):
    assert amounts(tmp_path, [written, "0.25"])[0] == [number, 0.25]


@pytest.mark.parametrize(
    "word",
    ["N/A", "NULL", "-", "#N/A", "(not set)", "None", "\\N", "n.a.", "#REF!", "#####", "Infinity"],
)
def test_a_word_for_none_beside_numbers_is_missing_and_counted(word, tmp_path):
    read, said = amounts(tmp_path, ["9.5", word, "3"])
    assert read == [9.5, None, 3.0]
    assert word in said["amount: no value"].replace("\\\\", "\\")


def test_a_decimal_comma_is_read_where_no_other_reading_fits_and_else_asked_for(tmp_path):
    assert amounts(tmp_path, ["9,50", "12", "1.234,5"])[0] == [9.5, 12.0, 1234.5]
    read, said = amounts(tmp_path, ["1,234", "2,500"])
    assert read == ["1,234", "2,500"]
    assert "decimal: comma" in said["amount: numbers written in two ways"]
    assert amounts(tmp_path, ["1,234", "2,500"], decimal="comma")[0] == [1.234, 2.5]
    assert amounts(tmp_path, ["1,234", "2,500"], decimal="point")[0] == [1234.0, 2500.0]


def test_three_digits_after_every_point_may_be_thousands(tmp_path):
    read, said = amounts(tmp_path, ["1.823", "950", "2.100"])
    assert read == [1.823, 950.0, 2.1]
    assert "say decimal: comma" in said["amount: three digits after every point"]
    assert amounts(tmp_path, ["1.823", "950"], decimal="comma")[0] == [1823.0, 950.0]
    for proof in ("1823", "0.500", "2.5"):
        read, said = amounts(tmp_path, ["1.823", "950", proof])
        assert read == [1.823, 950.0, float(proof)]
        assert "amount: three digits after every point" not in said


@pytest.mark.parametrize(
    "texts", [["007", "12"], ["+4930123", "+4940456"], ["1.2.3", "2"], ["12 34", "5"]]
)
def test_what_only_looks_like_a_number_stays_text(texts, tmp_path):
    assert amounts(tmp_path, texts)[0] == texts


def test_one_word_among_numbers_is_named(tmp_path):
    _, said = amounts(tmp_path, ["1.5", "2.5", "free", "3.5"])
    assert said["amount: words among numbers"].startswith("'free' is no number")


@pytest.mark.parametrize(
    ("values", "check", "words"),
    [
        (["1.50"] * 40 + ["free"], "amount: no number", "'free'; taken as missing"),
        (["1.50 EUR", "2.50 USD"], "amount: several currencies", "'EUR', 'USD'"),
        (["8.21E+12", "7.98E+01"], "amount: numbers in scientific notation", "'7.98E+01'"),
    ],
)
def test_an_amount_that_is_read_with_a_doubt_is_named(values, check, words, tmp_path):
    read, said = amounts(tmp_path, values)
    assert all(value is None or isinstance(value, float) for value in read)
    assert words in said[check]


def test_codes_that_begin_with_the_letters_of_money_stay_text(tmp_path):
    assert amounts(tmp_path, ["RM12", "RM14", "C536022"])[0] == ["RM12", "RM14", "C536022"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("amount", "{}%", "amount is called as money is, but '"),
        ("amount_cents", "{}", "in cents"),
        ("amount", "{}.50 EUR", ""),
    ],
)
def test_init_says_what_is_doubtful_about_money(name, value, words, tmp_path):
    rows = [
        f"u{n % 5},{['view', 'buy'][n % 2]},2024-01-{n + 1:02d} 10:00,{value.format(n + 3)}"
        for n in range(25)
    ]
    path = tmp_path / "events.csv"
    path.write_text("\n".join([f"user_id,event,time,{name}", *rows]))
    text = first_journey(path)
    assert words in text
    (tmp_path / "journey.yml").write_text(text)
    assert check_journey(tmp_path / "journey.yml").exit_code == 0


def orders(tmp_path, **columns):
    """Forty orders of eleven people, and what init writes of them."""
    days = [f"2025-03-{n % 28 + 1:02d} {n % 24:02d}:00" for n in range(40)]
    frame = pd.DataFrame({"customer_id": [f"u{n % 11}" for n in range(40)], "time": days})
    path = tmp_path / "orders.csv"
    frame.assign(**columns).to_csv(path, index=False)
    return first_journey(path)


def test_orders_that_came_to_nothing_are_named_and_can_be_left_out(tmp_path):
    states = ["complete", "Canceled", "refunded", "processing"]
    text = orders(tmp_path, status=[states[n % 4] for n in range(40)], total=9.5)
    where = "where: {status: {not: [Canceled, refunded]}}"
    assert f"and they count: {where} leaves them out" in text
    path = tmp_path / "journey.yml"
    path.write_text(text.replace("    columns:", f"    {where}\n    columns:", 1))
    assert read_journey(path).read_events().n_events == 20


@pytest.mark.parametrize(
    ("amount", "asked"),
    [
        ([999, 2499, 105000, 1995], True),
        ([9.99, 24.99, 1050, 19.95], False),
        ([9, 24, 50, 19], False),
    ],
)
def test_whole_amounts_beside_a_currency_may_be_cents(amount, asked, tmp_path):
    text = orders(tmp_path, amount=[amount[n % 4] for n in range(40)], currency="eur")
    assert ("If these are cents" in text) == asked


def test_decimals_of_two_kinds_in_one_column_are_told_so(tmp_path):
    _, said = amounts(tmp_path, ["1,234.50", "1.234,50"] * 3 + ["2,345.50"])
    assert "after a point, in others after a comma" in said["amount: words among numbers"]


def test_not_a_number_in_parquet_is_missing_though_its_statistics_do_not_say_so(tmp_path):
    table = {"customer_id": ["a", "b"], "event": ["buy", "buy"], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02"]), "amount": [2.5, float("nan")]}  # fmt: skip
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table(table), path)
    log = cj.read_events(path, timezone="UTC")
    assert log.engine.rows("SELECT count(amount), sum(amount) FROM events") == [(1, 2.5)]


@pytest.mark.parametrize(("empty", "later"), [(0, 0), (5, 0), (0, 37)])
def test_init_finds_the_id_of_messages_sent_twice(empty, later, tmp_path):
    sent = [(f"m{n}", f"u{n % 5}", ["view", "buy"][n % 2], n) for n in range(40)]
    rows = [
        f"{'' if n < empty else name},{who},{what},2024-01-01 10:{n:02d}:{late:02d},2024-02-0{1 + (late > 0)}"
        for late in (0, later or 1)
        for name, who, what, n in sent[:: 4 if late else 1]
    ]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(["message_id,user_id,event,time,loaded_at", *rows]))
    assert "id: message_id  # DECIDE" in first_journey(path)


def test_a_header_repeated_in_the_middle_decides_no_type(tmp_path):
    rows = [HEADER, "u1,buy,2024-01-01,2.5", HEADER, "u2,buy,2024-01-02,3.5"]
    log = log_of(tmp_path, "\n".join(rows))
    assert log.properties["amount"].type == "DOUBLE"
    assert list(log.quarantine["reason"]) == ["unreadable timestamp"]


@pytest.mark.parametrize(
    "top",
    [
        *("sep=;\n", "Report of May;;;\n", "Report of May\n\n", ""),
        *(
            "Account: 123; shop\n",
            "Report;May\nPeriod;2024-05-01\n\n",
            "# made by a shop\n# in May\n",
        ),
    ],
)
def test_what_stands_above_the_column_names_is_passed_over(top, tmp_path):
    rows = "customer_id;event;timestamp;Amount (net, EUR, all)\nu1;buy;2024-01-01;2\nu2;buy;2024-01-02;3\n"
    log = log_of(tmp_path, top + rows)
    assert (log.n_events, log.columns) == (2, ("Amount (net, EUR, all)",))


@pytest.mark.parametrize("above", ["\n", "\n\n", "\r\n \r\n"])
@pytest.mark.parametrize("columns", [3, 4])
def test_blank_lines_above_the_column_names_are_no_names(above, columns, tmp_path):
    names = HEADER.split(",")[:columns]
    rows = [f"u1,buy,2024-01-0{n},{n}.5".split(",")[:columns] for n in (1, 2, 3)]
    log = log_of(tmp_path, above + "\n".join(map(",".join, [names, *rows])))
    assert (log.n_events, len(log.quarantine)) == (3, 0)


@pytest.mark.parametrize(
    "above",
    [
        [["Customer events"], []],
        [["Report", "Customer events"], ["Period", "Q1 2025"], []],
        [["Who", "", "When", ""]],
        [["Report"], [], ["Who / what", "", "When", ""]],
        [[], []],
    ],
)
def test_what_stands_above_the_names_of_a_sheet_is_passed_over(above, tmp_path):
    workbook = pytest.importorskip("xlsxwriter").Workbook(str(tmp_path / "book.xlsx"))
    sheet = workbook.add_worksheet("Data")
    rows = [
        [f"u{n % 5}", ["view", "buy"][n % 2], f"2025-03-{n + 1:02d} 10:00", n + 0.5]
        for n in range(20)
    ]
    for at, row in enumerate([*above, ["Customer", "Event", "Time", "Amount"], *rows]):
        sheet.write_row(at, 0, row)
    workbook.close()
    (tmp_path / "journey.yml").write_text(first_journey(tmp_path / "book.xlsx"))
    log = read_journey(tmp_path / "journey.yml").read_events()
    assert (log.n_customers, log.event_names, log.n_events) == (5, ["buy", "view"], 20)
    assert log.run("SELECT sum(value) AS worth FROM events")["worth"][0] == 200


def test_lines_that_stand_between_quotes_as_a_whole_are_told_so(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text('"customer_id,event,timestamp"\n"u1,buy,2024-01-01"\n')
    with pytest.raises(cj.DataError, match="its lines stand between quotes as a whole"):
        first_journey(path)


def test_a_file_without_column_names_is_told_so(tmp_path):
    with pytest.raises(cj.DataError, match="no line of column names"):
        log_of(tmp_path, "u1,buy,2024-01-01 10:00\nu2,buy,2024-01-02 11:00\n")


def test_a_blank_line_makes_no_backslash_an_escape(tmp_path):
    row = 'ana,buy,2024-01-0{},"\\"""\n'
    text = f"customer_id,event,timestamp,note\n{row.format(1)}\n{row.format(2)}"
    (tmp_path / "log.csv").write_text(text, encoding="utf-8")
    log = cj.read_events(tmp_path / "log.csv")
    assert log.run("SELECT note FROM events")["note"].tolist() == ['\\"'] * 2


def test_a_backslash_before_a_quote_is_a_second_quote_where_no_other_reading_fits(tmp_path):
    rows = [f'u{n},buy,2024-01-0{n},"say \\"hi\\", ok"' for n in (1, 2, 3)]
    log = log_of(tmp_path, "\n".join(["customer_id,event,timestamp,note", *rows]))
    assert log.engine.rows("SELECT DISTINCT note FROM events") == [('say "hi", ok',)]
    log = log_of(tmp_path, 'customer_id,event,timestamp,note\nu1,buy,2024-01-01,"C:\\"\n')
    assert log.engine.rows("SELECT DISTINCT note FROM events") == [("C:\\",)]


def test_init_says_why_no_row_of_a_file_can_be_read(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("user_id,event,time\nu1,buy,2024-01-01,'a, b'\n")
    with pytest.raises(cj.DataError, match=r"none of the 1 rows .* wrong number of fields: 1"):
        first_journey(path)


@pytest.mark.parametrize("name", ["events.csv", "events.txt", "events.tab", "events.tsv"])
def test_text_of_excel_in_two_bytes_a_sign_is_read(name, tmp_path):
    path = tmp_path / name
    text = "customer_id\tevent\ttimestamp\tamount\nu1\tbuy\t2024-01-01\t2,50\n"
    path.write_bytes(text.encode("utf-16"))
    log = cj.read_events(path, timezone="UTC")
    assert log.engine.rows("SELECT customer_id, amount FROM events") == [("u1", 2.5)]


def test_blanks_around_cells_are_no_part_of_them(tmp_path):
    log = log_of(
        tmp_path,
        "customer_id, event, timestamp, plan\nu1 , buy, 2024-01-01, gold \nu1, buy, 2024-01-02, gold\n",
    )
    assert (log.n_customers, log.event_names) == (1, ["buy"])
    assert log.engine.rows("SELECT DISTINCT plan FROM events") == [("gold",)]


@pytest.mark.parametrize(
    "written",
    [
        "2025/03/07 7:01:33 AM", "2025/03/07 7:01:33 a.m.", "2025-03-07T07:01:33,123", "20250307T070133Z",
        "2025-03-07 08:01:33 GMT+1", "2025-03-07 08:01:33 UTC+01:00", "2025-03-07 07:01:33 (UTC)",
        "Fri Mar 07 2025 08:01:33 GMT+0100 (Central European Standard Time)", "Fri, 07 Mar 2025 07:01:33 GMT", "[07/Mar/2025:07:01:33 +0000]",
        "Fri Mar 07 07:01:33 2025", "07-MAR-25 07.01.33.000000000 AM", "2025-03-07T08:01:33+01:00[Europe/Berlin]", "20250307070133",
        "2025. 03. 07. 오전 07:01:33", "2025年03月07日 07:01:33", "2025/03/07 上午 07:01:33", "7. März 2025 07:01:33", "Mar 7, 2025 at 7:01:33 AM",
        "7 de marzo de 2025 7:01:33 a. m.", "1741330893", "1741330893000.0", "March 7th, 2025 07:01:33",
        "Fr, 2025-03-07, 07:01:33 Uhr", "07-MAR-2025 07.01.33", "07-MAR-25 07.01.33", "7 marca 2025 07:01:33", "7 Mart 2025 07.01.33", "7 марта 2025 07:01:33",
        "7/Mar/25 7:01:33 AM", "7-Mar-25 07.01.33", "Mar-07-25 07:01:33", "Mar 7, 25 7:01:33 AM", "7 Mar 25 07:01:33",
    ],
)  # fmt: skip
def test_init_finds_the_times_that_the_reader_reads(written, tmp_path):
    path = tmp_path / "events.csv"
    rows = [f'"{written}",u{n % 3},{"buy" if n % 2 else "view"}' for n in range(12)]
    path.write_text("\n".join(["Timestamp,user_id,event", *rows]), encoding="utf-8")
    (tmp_path / "journey.yml").write_text(first_journey(path))
    log = read_journey(tmp_path / "journey.yml").read_events(duplicates="keep")
    times = log.engine.rows("SELECT DISTINCT date_trunc('second', timestamp) FROM events")
    assert times == [(pd.Timestamp("2025-03-07 07:01:33").to_pydatetime(),)]


@pytest.mark.parametrize(
    ("written", "hour"),
    [
        ("Mo., 31.03.2025, 07:01 Uhr", 7), ("31.3.2025 7.01", 7), ("3/31/25, 7:01:00\u202fPM", 19), ("3/31/25, 7:01\xa0PM", 19), ("3/31/25 7:01PM", 19),
        ("Mon 03/31/2025 7:01 PM", 19),
    ],
)  # fmt: skip
def test_init_reads_the_clocks_that_countries_and_spreadsheets_write(written, hour, tmp_path):
    path = tmp_path / "events.csv"
    rows = [f'"{written}",u{n % 3},{"buy" if n % 2 else "view"}' for n in range(12)]
    path.write_text("\n".join(["Timestamp,user_id,event", *rows]), encoding="utf-8")
    (tmp_path / "journey.yml").write_text(first_journey(path), encoding="utf-8")
    log = read_journey(tmp_path / "journey.yml").read_events(duplicates="keep")
    times = log.engine.rows("SELECT DISTINCT timestamp FROM events")
    assert times == [(pd.Timestamp(f"2025-03-31 {hour}:01").to_pydatetime(),)]


def test_seconds_and_milliseconds_of_one_column_of_times_are_both_read(tmp_path):
    rows = [f"u{n % 3},visit,{1741330893 * (1000 if n % 2 else 1)}" for n in range(12)]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(["customer_id,event,time", *rows]))
    (tmp_path / "journey.yml").write_text(first_journey(path))
    log = read_journey(tmp_path / "journey.yml").read_events(duplicates="keep")
    assert log.engine.rows("SELECT count(DISTINCT timestamp) FROM events") == [(1,)]
    assert {"epoch seconds since 1970", "epoch milliseconds since 1970"} <= set(
        log.quality["check"]
    )


@pytest.mark.parametrize(
    ("name", "letters"), [("Time (EST)", "EST"), ("created_CET", "CET"), ("Timestamp", None)]
)
def test_init_asks_of_the_zone_that_a_column_is_called_by(name, letters, tmp_path):
    rows = [f"u{n % 3},{'buy' if n % 2 else 'view'},2025-03-01 10:{n:02d}" for n in range(12)]
    path = tmp_path / "events.csv"
    path.write_text("\n".join([f"customer_id,event,{name}", *rows]))
    text = first_journey(path)
    assert (f"where {letters} is not this zone" in text) == (letters is not None)


def test_yes_and_no_are_no_events(tmp_path):
    text = orders(tmp_path, Newsletter=[["ja", "nein"][n % 2] for n in range(40)], total=9.5)
    assert "event: activity  # DECIDE: no column names an event" in text


def test_numbers_of_another_clock_are_told_to_be_no_times(tmp_path):
    rows = [f"u{n % 3},visit,{638741664130000000 + n}" for n in range(12)]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(["customer_id,event,time", *rows]))
    with pytest.raises(cj.DataError, match="counts no seconds, milliseconds"):
        first_journey(path)


def test_columns_of_a_fixed_width_are_no_comments(tmp_path):
    rows = [("user", "action", "time"), *((f"u{n % 3}", "buy", "2025-03-01") for n in range(12))]
    path = tmp_path / "events.txt"
    path.write_text("\n".join(f"{a:<12}{b:<12}{c:<22}" for a, b, c in rows))
    with pytest.raises(cj.DataError, match="has one column only"):
        first_journey(path)


def test_init_says_that_dates_are_written_in_two_orders(tmp_path):
    days = ["31/12/2024", "12/31/2024", "01/02/2024"]
    rows = [f"u{n % 3},visit,{days[n % 3]}" for n in range(12)]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(["customer_id,event,date", *rows]))
    with pytest.raises(cj.DataError, match="two orders, day first as '31/12/2024' and month first"):
        first_journey(path)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("1.74133E+12", "was rounded by a spreadsheet"),
        ("2025-03-07 07:01:33 IST", "which stand for several"), ("2025-03-07 07:01 Europe/Berlin", "names its zone"),
        ("2025-03", "is a month"), ("2025-Q1", "is part of a year"), ("01:33.0", "is a time of day without a date"),
    ],
)  # fmt: skip
def test_what_is_nearly_a_time_is_told_why_it_is_none(written, why, tmp_path):
    path = tmp_path / "events.csv"
    rows = [f"u{n % 3},{'buy' if n % 2 else 'view'},{written}" for n in range(12)]
    path.write_text("\n".join(["customer_id,event,timestamp", *rows]))
    with pytest.raises(cj.DataError, match=why):
        first_journey(path)
    with pytest.raises(cj.DataError, match=why):
        cj.read_events(path, timezone="UTC")


SERIALS = [
    ("45723.2927430556", "excel_serial", "2025-03-07 07:01:33"),
    ('"45723,2927430556"', "excel_serial", "2025-03-07 07:01:33"),
    ("45723", "excel_serial", "2025-03-07"),
    ("2025-W10", "iso_week", "2025-03-03"),
    ("2025W10", "iso_week", "2025-03-03"),
]


@pytest.mark.parametrize(("written", "dates", "time"), SERIALS)
def test_what_could_be_a_time_is_read_where_it_is_declared_and_init_asks(
    written, dates, time, tmp_path
):
    path = tmp_path / "events.csv"
    rows = [f"u{n % 3},{'buy' if n % 2 else 'view'},{written}" for n in range(12)]
    path.write_text("\n".join(["customer_id,event,date", *rows]))
    with pytest.raises(cj.DataError, match=f"dates='{dates}'"):
        cj.read_events(path, columns={"date": "timestamp"}, timezone="UTC")
    (tmp_path / "journey.yml").write_text(first_journey(path))
    assert f"dates: {dates}  # DECIDE" in (tmp_path / "journey.yml").read_text()
    log = read_journey(tmp_path / "journey.yml").read_events(duplicates="keep")
    assert log.engine.rows("SELECT DISTINCT timestamp FROM events") == [
        (pd.Timestamp(time).to_pydatetime(),)
    ]


def test_numbers_are_no_times_where_the_column_is_not_called_so(tmp_path):
    path = tmp_path / "events.csv"
    rows = [f"u{n % 3},{'buy' if n % 2 else 'view'},{45700 + n}" for n in range(12)]
    path.write_text("\n".join(["customer_id,event,postcode", *rows]))
    with pytest.raises(cj.DataError, match="no column"):
        first_journey(path)


def test_serials_are_read_of_numbers_too_and_others_are_quarantined():
    table = pd.DataFrame(
        {"customer_id": list("abc"), "event": "view", "timestamp": [45723.5, 12.0, 90000.0]}
    )
    log = cj.read_events(table, dates="excel_serial", timezone="Europe/Berlin", quarantine_limit=1)
    assert log.engine.rows("SELECT customer_id, CAST(timestamp AS VARCHAR) FROM events") == [
        ("a", "2025-03-07 11:00:00")
    ]
    assert set(log.quarantine["reason"]) == {"unreadable timestamp"}


def test_days_of_weeks_are_days_and_weeks_that_a_year_lacks_are_none():
    texts = ["2024-W53-1", "2026-W53-7", "2025W073", "2025-W07-3T10:30", "2025-W07-8", "2025-W00-1"]
    table = pd.DataFrame({"customer_id": list("abcdef"), "event": "view", "timestamp": texts})
    log = cj.read_events(table, timezone="UTC", quarantine_limit=1, observed_until="2030-01-01")
    times = "SELECT customer_id, CAST(timestamp AS VARCHAR) FROM events ORDER BY 1"
    assert log.engine.rows(times) == [
        ("b", "2027-01-03 00:00:00"), ("c", "2025-02-12 00:00:00"), ("d", "2025-02-12 10:30:00")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "written",
    ["'2025-03-07 07:01'", "'2025-03-07 07:01", "‘2025-03-07T07:01’", "'07/03/2025 07:01'"],
)
def test_times_between_single_quotes_are_times(written):
    table = pd.DataFrame({"customer_id": ["a"], "event": ["view"], "timestamp": [written]})
    log = cj.read_events(table, dates="day_first", timezone="UTC")
    assert log.engine.rows("SELECT CAST(timestamp AS VARCHAR) FROM events") == [
        ("2025-03-07 07:01:00",)
    ]


def test_zones_of_letters_are_refused_whoever_names_the_format(tmp_path):
    with pytest.raises(cj.DataError, match="'CST', which stand for several"):
        log_of(
            tmp_path,
            "customer_id,event,timestamp\na,b,2025-03-07 07:01 CST\n",
            dates="%Y-%m-%d %H:%M %Z",
        )


@pytest.mark.parametrize(
    ("name", "hour"), [("time (UTC)", 7), ("time (Europe/Berlin)", 6), ("time", 6)]
)
def test_a_zone_in_the_name_of_a_column_is_that_of_its_times(name, hour, tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(f"customer_id,event,{name}\na,b,2025-03-07 07:01:33\n")
    log = cj.read_events(path, columns={name: "timestamp"}, timezone="Europe/Berlin")
    assert log.engine.rows("SELECT hour(make_timestamp(t)) FROM prepared") == [(hour,)]


def test_nanoseconds_with_a_zone_are_instants_in_any_column(tmp_path):
    stamps = pa.array(
        [1_740_823_200_000_000_123, 1_740_909_600_000_000_000], pa.timestamp("ns", "Europe/Berlin")
    )
    table = pa.table(
        {
            "customer_id": ["a", "b"],
            "event": ["buy", "buy"],
            "timestamp": stamps,
            "step": [1, 2],
            "seen": stamps,
        }
    )
    pq.write_table(table, tmp_path / "events.parquet")
    log = cj.read_events(tmp_path / "events.parquet")
    first = pd.Timestamp("2025-03-01 10:00").to_pydatetime()
    assert log.engine.rows("SELECT timestamp, seen FROM events ORDER BY timestamp LIMIT 1") == [
        (first, first)
    ]
    assert log.properties["step"].type == "BIGINT"


def test_ids_of_nobody_are_named_and_left_out_where_that_is_said(tmp_path):
    rows = [
        f"{'undefined' if n % 4 == 0 else f'u{n}'},buy,2024-01-{n + 1:02d},1" for n in range(20)
    ]
    content = "\n".join([HEADER, *rows])
    quality = log_of(tmp_path, content).quality.set_index("check")
    assert quality.loc["ids that may stand for nobody", "rows"] == 5
    log = log_of(tmp_path, content, missing_ids=["undefined"])
    assert (log.n_customers, list(log.quarantine["reason"].unique())) == (
        15,
        ["missing customer_id"],
    )
    proposal = first_journey(tmp_path / "events.csv")
    assert "missing_ids: [undefined]  # DECIDE" in proposal


@pytest.mark.parametrize(
    ("ids", "check", "words"),
    [
        ([f"{10**17 + n * 10**4}" for n in range(9)], "ids damaged by a spreadsheet", "all end in 0 after 15 digits"),
        (["Ana@x.org", "ana@X.org", "bo@x.org"], "ids that differ only in capitals", "count as different customers"),
        ([f"u{n}" for n in range(25)] + ["one@us.org"] * 6, "ids that may stand for nobody", "'one@us.org' has 19.4%"),
        (["Total", "u1", "u2"], "ids that may stand for nobody", "'Total' has 33.3%"),
    ],
)  # fmt: skip
def test_doubtful_ids_are_named(ids, check, words, tmp_path):
    rows = [f"{one},buy,2024-01-01 10:{n:02d}" for n, one in enumerate(ids)]
    log = log_of(tmp_path, "\n".join(["customer_id,event,timestamp", *rows]))
    found = dict(zip(log.quality["check"], log.quality["example"], strict=True))
    assert words in found[check]


@pytest.mark.parametrize("other", ["0017", "17.0", "'17", '"=""0017"""', "17\u200b", "\ufeff17"])
def test_ids_that_differ_only_in_what_programs_do_to_them_are_named(other, tmp_path):
    rows = f"17,buy,2024-01-01\n{other},buy,2024-01-02\nu18,buy,2024-01-03"
    log = log_of(tmp_path, f"customer_id,event,timestamp\n{rows}")
    found = log.quality.set_index("check")
    assert log.n_customers == 3
    assert found.loc["ids that differ only in how they are written", "rows"] == 1
    assert "'17'" in found.loc["ids that differ only in how they are written", "example"]


def test_ids_that_differ_in_blanks_between_their_words_are_named(tmp_path):
    rows = "Anna Meier,buy,2024-01-01\nAnna  Meier,buy,2024-01-02"
    log = log_of(tmp_path, f"customer_id,event,timestamp\n{rows}")
    assert "ids that differ only in how they are written" in set(log.quality["check"])


def test_padded_ids_of_one_length_are_not_alike(tmp_path):
    rows = [f"{n:04d},buy,2024-01-01 10:{n:02d}" for n in range(30)]
    log = log_of(tmp_path, "\n".join(["customer_id,event,timestamp", *rows]))
    assert "ids that differ only in how they are written" not in set(log.quality["check"])


def test_an_id_that_a_sheet_holds_as_number_and_as_text_is_one():
    frame = pd.DataFrame({"customer_id": [1001.0, "1001"], "event": "buy"})
    frame["timestamp"] = ["2024-01-01", "2024-01-02"]
    assert list(cj.read_events(frame).customer_ids()) == ["1001"]


def test_times_that_stand_for_none_are_named(tmp_path):
    rows = "a,x,1970-01-01 00:00\nb,x,2024-01-01 10:00\nc,x,2024-01-02 10:00\n"
    log = log_of(tmp_path, f"customer_id,event,timestamp\n{rows}")
    assert "times that may stand for none" in set(log.quality["check"])


def test_ids_that_a_spreadsheet_rounded_are_named(tmp_path):
    log = log_of(tmp_path, f"{HEADER}\n8.21E+12,buy,2024-01-01,1\n8.22E+12,buy,2024-01-02,1\n")
    assert log.quality.set_index("check").loc["ids damaged by a spreadsheet", "rows"] == 2


def test_an_event_delivered_twice_counts_once_whatever_the_order_of_rows(tmp_path):
    rows = [
        f"m{n},u{n % 5},{'buy' if n % 3 else 'view'},2024-01-{n % 28 + 1:02d},{n}.5,1"
        for n in range(40)
    ]
    again = [row[:-1] + "2" for row in rows[::4]]
    header = "message_id,customer_id,event,timestamp,amount,_inserted"
    content = [
        log_of(tmp_path, "\n".join([header, *order]), id="message_id")
        for order in (rows + again, [*reversed(again), *reversed(rows)])
    ]
    for log in content:
        assert (log.n_events, set(log.quarantine["reason"]), len(log.quarantine)) == (
            40,
            {"repeated id"},
            10,
        )
    assert content[0].frame().equals(content[1].frame()) if hasattr(content[0], "frame") else True
    assert "    id: message_id  # DECIDE" in first_journey(tmp_path / "events.csv")


def test_an_order_of_several_lines_is_one_purchase_and_its_products_are_no_events(tmp_path):
    lines = ["Name,Email,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price"]
    for order in range(30):
        person, at = f"p{order % 11}@example.org", f"2025-03-{order % 28 + 1:02d} 10:00:00 +0100"
        lines.append(f"#{1000 + order},{person},{order + 10}.50,{at},1,Mug {order % 3},4.00")
        lines += [f"#{1000 + order},{person},,{at},2,Rug {order % 2},3.25"] * (order % 2)
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(lines))
    (tmp_path / "journey.yml").write_text(first_journey(path))
    log = read_journey(tmp_path / "journey.yml").read_events()
    assert (log.n_events, log.event_names) == (30, ["purchase"])
    assert log.engine.rows("SELECT sum(value) FROM events") == [(sum(range(10, 40)) + 15.0,)]


@pytest.mark.parametrize(
    "form", ["lines", "array", "pretty", "mark", "inside", "deeper", "sequence", "commas"]
)
def test_json_objects_are_read_however_they_are_laid_out(form, tmp_path):
    rows = [
        {
            "event": "buy",
            "properties": {
                "time": 1_741_058_094 + n,
                "distinct_id": f"u{n % 2}",
                "price": [1.5, "N/A"][n == 3],
            },
        }
        for n in range(4)
    ]
    lines = "\n".join(map(json.dumps, rows))
    content = {
        "lines": lines,
        "array": json.dumps(rows),
        "pretty": json.dumps(rows, indent=2),
        "mark": "\ufeff" + lines,
        "inside": json.dumps({"data": rows, "total": 4}),
        "deeper": json.dumps({"status": "ok", "result": {"items": rows}}, indent=1),
        "sequence": "\n".join(f"\x1e{line}" for line in lines.split("\n")),
        "commas": lines.replace("\n", ",\n"),
    }
    columns = {
        "properties.time": "timestamp",
        "properties.distinct_id": "customer_id",
        "properties.price": "price",
    }
    log = log_of(tmp_path, content[form], "events.jsonl", columns=columns)
    assert (log.n_events, log.n_customers, log.properties["price"].type) == (4, 2, "DOUBLE")
    with pytest.raises(cj.DataError, match=r"'properties.distinct_id': 'customer_id'"):
        log_of(tmp_path, content[form], "events.jsonl")


def test_an_order_of_some_items_is_a_row_and_not_what_stands_around_rows(tmp_path):
    order = {"customer_id": "a", "event": "buy", "timestamp": "2024-01-01", "items": [{"n": 1}, {"n": 2}]}  # fmt: skip
    assert log_of(tmp_path, json.dumps(order), "events.json").n_events == 1


OBJECTS = [
    {"user": f"u{n % 5}", "event": ["view", "buy"][n % 2], "time": f"2025-03-{n + 1:02d} 10:00"}
    for n in range(20)
]


@pytest.mark.parametrize("around", [[], ["events"], ["app", "events"]])
def test_json_objects_under_a_key_each_are_rows(around, tmp_path):
    whole: dict = {f"-Nx{n}": row for n, row in enumerate(OBJECTS)}
    for key in around:
        whole = {key: whole}
    path = tmp_path / "export.json"
    path.write_text(json.dumps(whole))
    (tmp_path / "journey.yml").write_text(first_journey(path))
    log = read_journey(tmp_path / "journey.yml").read_events()
    assert (log.n_customers, log.event_names, log.n_events) == (5, ["buy", "view"], 20)


@pytest.mark.parametrize("orient", ["columns", "split", "list"])
def test_json_of_columns_is_told_so(orient, tmp_path):
    frame = pd.DataFrame(OBJECTS)
    path = tmp_path / "export.json"
    path.write_text(
        json.dumps(frame.to_dict("list")) if orient == "list" else frame.to_json(orient=orient)
    )
    with pytest.raises(cj.DataError, match="holds columns, not rows"):
        first_journey(path)


@pytest.mark.parametrize("kind", ["json", "parquet", "sheet"])
def test_money_that_a_file_holds_as_text_is_a_number(kind, tmp_path):
    rows = [{**row, "total_price": f"{n}.50"} for n, row in enumerate(OBJECTS)]
    path = tmp_path / {"json": "e.jsonl", "parquet": "e.parquet", "sheet": "e.xlsx"}[kind]
    if kind == "json":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif kind == "parquet":
        pd.DataFrame(rows).to_parquet(path)
    else:
        pytest.importorskip("xlsxwriter")
        pd.DataFrame(rows).to_excel(path, index=False, engine="xlsxwriter")
    (tmp_path / "journey.yml").write_text(first_journey(path))
    log = read_journey(tmp_path / "journey.yml").read_events()
    assert log.run("SELECT sum(value) AS worth FROM events")["worth"][0] == 200


def test_one_event_of_several_objects_is_one_row(tmp_path):
    path = tmp_path / "event.json"
    one = {"user": {"id": "u1"}, "what": {"name": "buy"}, "at": {"time": "2025-03-01 10:00"}}
    path.write_text(json.dumps(one, indent=1))
    log = cj.read_events(
        path,
        columns={"user.id": "customer_id", "what.name": "event", "at.time": "timestamp"},
        timezone="UTC",
    )
    assert log.n_events == 1


def test_lists_of_events_inside_customers_are_told_to_need_rows(tmp_path):
    path = tmp_path / "users.json"
    path.write_text(json.dumps([{"user_id": f"u{n}", "events": OBJECTS[n:]} for n in range(9)]))
    with pytest.raises(cj.DataError, match="'events' holds lists of objects"):
        first_journey(path)


def test_a_json_array_that_breaks_off_is_told_so(tmp_path):
    with pytest.raises(cj.DataError, match="breaks off"):
        log_of(tmp_path, '[{"customer_id": "a"}, {"customer_id"', "events.jsonl")


def test_a_customer_known_before_signing_in_is_the_one_that_init_names(tmp_path):
    rows = [
        {"amplitude_id": 900 + n % 9, "user_id": f"u{n % 9}" if n > 20 and n % 9 > 3 else None, "event_type": ["view", "buy"][n % 2],
         "event_time": f"2025-03-{n % 27 + 1:02d} 10:00:00", "server_upload_time": f"2025-04-{n % 27 + 1:02d} 10:00:00.5"}
        for n in range(60)
    ]  # fmt: skip
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "journey.yml").write_text(text := first_journey(path))
    assert "amplitude_id: customer_id" in text
    assert "event_time: timestamp  # DECIDE" in text
    assert check_journey(tmp_path / "journey.yml").log.n_customers == 9


def test_event_names_that_differ_by_case_make_a_file_that_the_check_accepts(tmp_path):
    odd = [
        "Sign Up",
        "sign up",
        "a\u2028b",
        "# no",
        "*",
        "null",
        'say "hi"',
        "trail:",
        "&amp",
        "!!",
    ]
    frame = pd.DataFrame(
        [(f"u{n % 7}", name, f"2024-01-{n % 28 + 1:02d}") for n, name in enumerate(odd * 6)],
        columns=["user_id", "event", "time"],
    )
    frame["Email"], frame["email"] = "x", "y"
    frame.to_csv(tmp_path / "events.csv", index=False)
    (tmp_path / "journey.yml").write_text(first_journey(tmp_path / "events.csv"), encoding="utf-8")
    check = check_journey(tmp_path / "journey.yml")
    assert (len(check.unmapped), len(check.silent), check.exit_code) == (0, 0, 0)


# ---- answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("Extremely likely - 10", 10), ("Not at all likely - 0", 0), ("10 - Extremely likely", 10), ("1 (poor)", 1), ("5 stars", 5),
        ("4/5", None), ("7/10", 7), ("8 out of 10", 8), ("(9)", None), ("★★★☆☆", 3), ("n/a", None),
        ("Extremely likely\n10", 10), ("9,0 von 10 Sternen", 9), ("8.0/10.0", 8), ("Score: 7 of 10", 7), ("FIVE", 5), ("🔟", 10), ("3\ufe0f\u20e3", 3), ("room 12b 3", None),
    ],
)  # fmt: skip
def test_a_number_beside_words_is_the_answer(answer, number):
    frame = pd.DataFrame({"timestamp": ["2024-01-01", "2024-01-02"], "nps": [answer, "3"]})
    read = cj.read_feedback(frame, quarantine_limit=1).frame.sort_values("timestamp")["nps"]
    assert read.iloc[0] == number if number is not None else pd.isna(read.iloc[0])


def answers(path: Path, column: str, values: list[str], **more: list[str]) -> str:
    """The section of feedback that init proposes for these answers, which the check accepts."""
    n = len(values)
    frame = pd.DataFrame(
        {"date": [f"2024-01-{day % 28 + 1:02d}" for day in range(n)], column: values}
        | {"comment": [f"what a nice parcel, number {one}" for one in range(n)]}
        | more
    )
    frame.to_csv(path / "answers.csv", index=False)
    text = feedback_alone(path / "answers.csv")
    (path / "journey.yml").write_text(text, encoding="utf-8")
    assert check_journey(path / "journey.yml").exit_code == 0
    return text


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("Rating", ["1 out of 5 stars", "5 out of 5 stars", "4 out of 5 stars"], "Rating: rating"),
        ("How likely to recommend?", ["0/10", "10/10", "9/10"], 'recommend?": nps'),
        ("nps", ["0", "9", "99"], 'missing: ["99"]  # DECIDE'),
        ("nps", ["2"], "comment: text"),
        ("satisfaction", ["0", "50", "100"], "write csat: [satisfaction, 0 to 100]"),
        ("satisfaction", ["bad", "good"], "write csat: [satisfaction, [worst, …, best]]"),
        ("recommend", ["1", "5", "11"], "Write numbers from 0 to 10 into the file"),
        ("recommend", ["0", "8", "Extremely likely"], "'Extremely likely' (10 rows) hold no number"),
    ],
)  # fmt: skip
def test_init_reads_scores_as_the_reader_does_and_names_those_it_does_not_use(
    column, values, words, tmp_path
):
    assert words in answers(tmp_path, column, (values * 30)[:30])


def test_init_doubts_the_time_the_customer_and_the_rows_of_answers(tmp_path):
    rows = [f"r{n}" for n in range(30)] * 2
    text = answers(
        tmp_path, "nps", ["7"] * 60, ticket_id=rows, requester=["null", "a1", "a2"] * 20, loaded=["2024-02-01"] * 60
    )  # fmt: skip
    assert "requester: customer_id" in text
    assert "'null' in requester may stand for nobody" in text
    assert "date: timestamp  # DECIDE: times too: 'loaded'" in text


def test_a_word_for_none_is_no_comment():
    frame = pd.DataFrame({"timestamp": ["2024-01-01"] * 3, "text": ["NULL", "n/a", "none of it"]})
    assert list(cj.read_feedback(frame).frame["text"].dropna()) == ["none of it"]


def test_answers_in_words_are_read_once_their_order_is_said():
    frame = pd.DataFrame(
        {"timestamp": ["2024-01-01"] * 3, "q": ["Good", "poor", "fair"], "text": ["a", "b", "c"]}
    )
    read = cj.read_feedback(frame, columns={"csat": ("q", ["poor", "fair", "good"])})
    assert dict(zip(read.frame["text"], read.frame["csat"], strict=True)) == {
        "a": 3,
        "b": 1,
        "c": 2,
    }
    assert read.scales["csat"] == (1, 3)


def test_answers_that_mean_no_answer_are_none():
    frame = pd.DataFrame(
        {"timestamp": ["2024-01-01"] * 4, "csat": [1, 5, 6, 7], "text": list("abcd")}
    )
    read = cj.read_feedback(frame, missing=[6, 7])
    assert (len(read), read.frame["csat"].sum()) == (4, 6)


def test_a_source_has_a_zone_of_its_own():
    frame = pd.DataFrame({"Submit Date (UTC)": ["2025-07-01 10:00"], "nps": [9]})
    named = cj.read_feedback(
        frame, columns={"Submit Date (UTC)": "timestamp"}, timezone="Europe/Berlin"
    )
    assert named.frame["timestamp"].iloc[0].isoformat() == "2025-07-01T12:00:00+02:00"
    frame = frame.rename(columns={"Submit Date (UTC)": "timestamp"})
    said = cj.read_feedback(frame, timezone="Europe/Berlin", source_timezone="UTC")
    assert said.frame["timestamp"].equals(named.frame["timestamp"])
    assert cj.read_feedback(frame, timezone="Europe/Berlin").frame["timestamp"].iloc[0].hour == 10


def test_init_reads_a_survey_with_labelled_ends(tmp_path):
    rows = [
        f'03/{n + 1:02d}/2025 7:0{n}:33 AM,{answer},"Fine, all in all"'
        for n, answer in enumerate(
            ["Extremely likely - 10", "9", "Not at all likely - 0", "3", "8", "13"[:1]]
        )
    ]
    rows.append('03/14/2025 7:00:00 AM,10,"Good, I would say"')
    path = tmp_path / "survey.csv"
    path.write_text(
        "\n".join(
            [
                "End Date,How likely is it that you would recommend us?,Why?",
                ",,Open-Ended Response",
                *rows,
            ]
        )
    )
    (tmp_path / "journey.yml").write_text(feedback_alone(path))
    feedback = read_journey(tmp_path / "journey.yml").read_feedback(quarantine_limit=1)
    assert sorted(feedback.frame["nps"]) == [0, 1, 3, 8, 9, 10, 10]


# ---- the check ---------------------------------------------------------------------------------------------------


def test_an_amount_that_is_no_number_is_a_fault_and_amounts_below_zero_are_told(tmp_path):
    journey = "name: x\ntimezone: UTC\nsources: {events: events.csv}\nstages: [{name: A, touchpoints: [buy]}]\nvalue: {event: buy, amount: amount}\n"
    (tmp_path / "journey.yml").write_text(journey)
    (tmp_path / "events.csv").write_text(
        f"{HEADER}\nu1,buy,2024-01-01,2.5\nu2,buy,2024-01-02,free\nu3,buy,2024-01-03,3\n"
    )
    check = check_journey(tmp_path / "journey.yml")
    assert check.exit_code == 3
    assert "'free' is no number" in str(check.faults[0])
    (tmp_path / "events.csv").write_text(
        f"{HEADER}\nu1,buy,2024-01-01,2.5\nu2,buy,2024-01-02,-2.5\n"
    )
    check = check_journey(tmp_path / "journey.yml")
    assert check.exit_code == 0
    assert any("1 of 2 values of 'amount' are below 0" in warning for warning in check.warnings)


@pytest.mark.parametrize(
    ("columns", "words"),
    [({"a": 3}, "must map"), ({3: "event"}, "must map"), ({"a": ["x", "y"]}, "must map")],
)
def test_a_column_parameter_of_another_type_is_refused_in_words(columns, words):
    with pytest.raises(cj.CjlibError, match=words):
        cj.read_events(
            pd.DataFrame({"a": ["1"], "event": ["x"], "timestamp": ["2024-01-01"]}), columns=columns
        )

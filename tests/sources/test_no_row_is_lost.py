"""Every row of a file is used or stands in quarantine, whatever the file looks like: against Python's own readers.

A few made-up files here; many with `make fuzz`, which sets CJ_FUZZ_EXAMPLES.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib.sources.connect.files import find_files
from cjlib.sources.ingest.open_source import open_files
from cjlib.sources.log.engine import DuckDB

EXAMPLES = int(os.environ.get("CJ_FUZZ_EXAMPLES", "12"))
MANY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TEXTS = st.one_of(
    st.sampled_from(
        [
            "", " ", "web", "a,b", "a;b", 'say "hi"', "two\nlines", "two\r\nlines", "old\rmac", "\t", "é",
            "\u2028", "\x0b", "\x85", "'", "#", "\\", "\\\"", "N/A", "NULL", "sep=;", "1,5", "007", "\ufeff",
        ]
    ),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8),
)  # fmt: skip
HEADERS = st.sampled_from(
    ["note", "Order value\n(EUR)", "What did you\r\nlike?", "a, b", 'the "note"', " note ", "naïve; or not"]
)  # fmt: skip
IDS = st.sampled_from(["u1", "u2", "007", "7", "", " ", "undefined", "é"])
TIMES = st.sampled_from(
    ["2024-01-01 10:00:00", "2024-01-02T10:00:00", "2024-01-03", "", "soon", "2024-02-30", "2999-01-01"]
)  # fmt: skip
SCORES = st.sampled_from(["0", "10", "7", "", "n/a", "11", "7.5", "Extremely likely - 10"])


def with_header(header: list[str], row: st.SearchStrategy[tuple]) -> st.SearchStrategy[list]:
    """The names of columns, one of them odd, and rows."""
    return st.tuples(HEADERS, st.lists(row, min_size=1, max_size=12)).map(
        lambda drawn: [(*header, drawn[0]), *drawn[1]]
    )


EVENTS = with_header(
    ["customer_id", "event", "timestamp"],
    st.tuples(IDS, st.sampled_from(["view", "buy", "", "cart; or"]), TIMES, TEXTS),
)
ANSWERS = with_header(["timestamp", "nps", "text"], st.tuples(TIMES, SCORES, TEXTS, TEXTS))
CUSTOMERS = with_header(["customer_id", "plan"], st.tuples(IDS, TEXTS, TEXTS))

DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", ";", "\t", "|"]),
        "lineterminator": st.sampled_from(["\n", "\r\n", "\r"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    }
)
FORMS = st.fixed_dictionaries(
    {
        "mark": st.booleans(),
        "packed": st.booleans(),
        "end": st.sampled_from(["", "\n", "\n\n", "\r\n", "no end"]),
        "blank_line": st.booleans(),
    }
)


def as_csv(folder: Path, table: list[tuple], dialect: dict[str, Any], form: dict[str, Any]) -> Path:
    """The table as a tool with this dialect writes it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, **dialect)
    for position, row in enumerate(table):
        writer.writerow(row)
        if form["blank_line"] and position == 1:
            text.write(dialect["lineterminator"])
    content = text.getvalue()
    content = (
        content[: -len(dialect["lineterminator"])]
        if form["end"] == "no end"
        else content + form["end"]
    )
    data = (b"\xef\xbb\xbf" if form["mark"] else b"") + content.encode()
    path = folder / ("table.csv.gz" if form["packed"] else "table.csv")
    path.write_bytes(gzip.compress(data) if form["packed"] else data)
    return path


def rows_by_python(path: Path, delimiter: str) -> int:
    """How many rows of data Python's csv module finds; blank lines are none."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = io.StringIO(data.decode("utf-8-sig"), newline="")
    return sum(bool(row) for row in csv.reader(text, delimiter=delimiter)) - 1


@MANY
@given(table=EVENTS, dialect=DIALECTS, form=FORMS)
def test_no_event_of_a_csv_file_is_lost(table, dialect, form, tmp_path):
    path = as_csv(tmp_path, table, dialect, form)
    log = cj.read_events(path, quarantine_limit=1, timezone="UTC")
    assert log.n_events + len(log.quarantine) == rows_by_python(path, dialect["delimiter"])


@MANY
@given(table=ANSWERS, dialect=DIALECTS, form=FORMS)
def test_no_answer_of_a_csv_file_is_lost(table, dialect, form, tmp_path):
    path = as_csv(tmp_path, table, dialect, form)
    feedback = cj.read_feedback(path, quarantine_limit=1, timezone="UTC")
    assert len(feedback) + len(feedback.quarantine) == rows_by_python(path, dialect["delimiter"])


@MANY
@given(table=CUSTOMERS, dialect=DIALECTS, form=FORMS)
def test_no_customer_of_a_csv_file_is_lost(table, dialect, form, tmp_path):
    path = as_csv(tmp_path, table, dialect, form)
    engine = DuckDB()
    raw = open_files(engine, find_files(path))
    read = engine.rows("SELECT count(*) FROM raw")[0][0] + len(raw.broken)
    assert read == rows_by_python(path, dialect["delimiter"])


VALUES = st.one_of(TEXTS, st.integers(-(2**63), 2**63), st.floats(), st.booleans(), st.none(), st.just({"a": [1]}))  # fmt: skip
LINES = st.lists(
    st.one_of(
        st.fixed_dictionaries({"customer_id": IDS, "event": TEXTS, "timestamp": TIMES, "note": VALUES}).map(
            lambda row: json.dumps(row, ensure_ascii=False)
        ),
        st.sampled_from(["", "  ", "no json", "[1]", "3", '{"customer_id": "u1"', "null", "\r"]),
    ),
    max_size=10,
)  # fmt: skip
A_LINE = '{"customer_id": "u1", "event": "view", "timestamp": "2024-01-01"}'


@MANY
@given(lines=LINES, end=st.sampled_from(["\n", "\r\n"]), mark=st.booleans())
def test_no_line_of_a_json_file_is_lost(lines, end, mark, tmp_path):
    path = tmp_path / "events.jsonl"
    data = end.join([A_LINE, *lines]).encode()
    path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + data)
    log = cj.read_events(path, quarantine_limit=1, timezone="UTC")
    given_lines = sum(bool(line.strip()) for line in data.split(b"\n"))
    assert log.n_events + len(log.quarantine) == given_lines


@MANY
@given(table=EVENTS, pieces=st.integers(1, 4))
def test_no_row_of_a_parquet_file_is_lost(table, pieces, tmp_path):
    names, *rows = table
    columns = {
        name: pa.array([row[position] or None for row in rows], pa.string())
        for position, name in enumerate(names)
    }
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=max(len(rows) // pieces, 1))
    log = cj.read_events(path, quarantine_limit=1, timezone="UTC")
    assert log.n_events + len(log.quarantine) == len(rows)


@pytest.mark.parametrize(
    ("header", "rows"),
    [('customer_id,event,timestamp,"Order value\n(EUR)"', "u1,buy,2024-01-01 10:00,{}")],
)
def test_a_line_break_in_a_header_cell_loses_no_row(header, rows, tmp_path):
    lines = [header, *(rows.format(number) for number in range(40))]
    path = tmp_path / "excel.csv"
    path.write_bytes("\r\n".join(lines).encode() + b"\r\n")
    log = cj.read_events(path, timezone="UTC")
    assert (log.n_events, len(log.quarantine)) == (40, 0)
    assert "Order value\n(EUR)" in log.columns


def test_a_customer_of_a_file_with_a_line_break_in_its_header_is_met(tmp_path):
    events = tmp_path / "events.csv"
    events.write_text("customer_id,event,timestamp\nu1,buy,2024-01-01\nu2,buy,2024-01-02\n")
    customers = tmp_path / "customers.csv"
    customers.write_bytes(b'customer_id,"plan\nnow"\r\nu1,gold\r\nu2,free\r\n')
    log = cj.read_events(events, customers=customers, timezone="UTC")
    assert log.engine.rows('SELECT "plan\nnow" FROM events ORDER BY 1') == [("free",), ("gold",)]

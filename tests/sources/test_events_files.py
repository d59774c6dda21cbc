"""Reading events from files: every format, broken input, and the same bytes whatever the format and the order of the rows."""

from __future__ import annotations

import gzip
import json
import os
import time
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib.sources.journey.scaffold import first_journey

HEADER = "customer_id,event,timestamp"
LINE = "ana,view,2024-01-01T00:00:00Z"


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def content_of(log: cj.EventLog) -> tuple:
    """Everything an analysis can see of a log, as bytes."""
    columns = {
        name: column.tobytes()
        for name, column in log.engine.columns("SELECT * FROM prepared").items()
    }
    names = [
        "c_names",
        "e_names",
        *(one.dictionary for one in log.properties.values() if one.coded),
    ]
    dictionaries = {
        name: log.engine.rows(f"SELECT code, value FROM {name} ORDER BY code") for name in names
    }
    types = {name: one.type for name, one in log.properties.items()}
    return columns, dictionaries, types, log.quality.to_csv(), log.observed_until_us


# ---- the same bytes ----------------------------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["007", "7", "ana", " b", "é", "'"]),
        st.sampled_from(["view", "View", "cart; or", 'the "buy"']),
        st.integers(0, 5).map(
            lambda hour: (
                pd.Timestamp("2024-03-31", tz="UTC")
                + pd.Timedelta(hours=hour, microseconds=hour % 2)
            )
        ),
        st.sampled_from(["web", "app", "line\nbreak", None]),
        st.sampled_from([1, 2, 2**60 + 1, None]),
        st.sampled_from([0.1, -2.5, 1e-7, 0.0, None]),
        st.sampled_from([True, False, None]),
    ),
    max_size=14,
)
FIELDS = ["customer_id", "event", "timestamp", "channel", "whole", "number", "truth"]
ANCHOR = ("zoe", "view", pd.Timestamp("2024-03-30", tz="UTC"), "web", 5, 0.5, True)


def as_frame(rows: list[tuple]) -> pd.DataFrame:
    columns = dict(zip(FIELDS, zip(*rows, strict=True), strict=True))
    kinds = {
        "whole": "Int64",
        "number": "float64",
        "truth": "boolean",
        "customer_id": "str",
        "event": "str",
        "channel": "str",
    }
    return pd.DataFrame(
        {name: pd.array(list(values), dtype=kinds.get(name)) for name, values in columns.items()}
    )


def as_csv(rows: list[tuple], folder: Path) -> Path:
    as_frame(rows).to_csv(folder / "events.csv", index=False)
    return folder / "events.csv"


def as_csv_gz(rows: list[tuple], folder: Path) -> Path:
    as_frame(rows).to_csv(folder / "events.csv.gz", index=False)
    return folder / "events.csv.gz"


def as_tsv(rows: list[tuple], folder: Path) -> Path:
    as_frame(rows).to_csv(folder / "events.tsv", index=False, sep="\t")
    return folder / "events.tsv"


def as_parquet(rows: list[tuple], folder: Path) -> str:
    as_frame(rows).to_parquet(folder / "events.parquet")
    return str(folder / "events.parquet")


def as_json_lines(rows: list[tuple], folder: Path) -> Path:
    lines = [
        json.dumps(dict(zip(FIELDS, row, strict=True)), default=lambda stamp: stamp.isoformat())
        for row in rows
    ]
    return written(folder, "events.jsonl", "\n".join(lines) + "\n")


def as_polars(rows: list[tuple], folder: Path) -> pl.DataFrame:
    return pl.from_pandas(as_frame(rows))


def as_arrow(rows: list[tuple], folder: Path) -> pa.Table:
    return pa.Table.from_pandas(as_frame(rows))


FORMS = [as_csv, as_csv_gz, as_tsv, as_parquet, as_json_lines, as_polars, as_arrow]


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, data=st.data())
def test_the_same_rows_in_any_order_and_format_and_any_readers_zone_give_the_same_bytes(
    rows, data, tmp_path
):
    rows = [ANCHOR, *rows]
    options = {"timezone": "Europe/Berlin", "quarantine_limit": 1}
    expected = content_of(cj.read_events(as_frame(rows), **options))
    before = os.environ.get("TZ")
    try:
        for form in FORMS:
            os.environ["TZ"] = data.draw(st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York"]))
            time.tzset()
            shuffled = data.draw(st.permutations(rows))
            assert content_of(cj.read_events(form(shuffled, tmp_path), **options)) == expected, (
                form.__name__
            )
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


def test_the_source_is_not_changed():
    rows = as_frame([ANCHOR, ANCHOR])
    before = rows.copy(deep=True)
    cj.read_events(rows, quarantine_limit=1)
    pd.testing.assert_frame_equal(rows, before)


# ---- types of text files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "", "-20"], "BIGINT"),
        (["1", "2.50"], "DOUBLE"),
        (["1e3", "2"], "DOUBLE"),
        (["9223372036854775807", "1"], "BIGINT"),
        (["9223372036854775808", "1"], "VARCHAR"),
        (["2103807459595387724", "1.5"], "VARCHAR"),
        (["007", "8"], "VARCHAR"),
        (["1", "1 "], "BIGINT"),
        (["1,5", "2"], "DOUBLE"),
        (["true", "FALSE", ""], "BOOLEAN"),
        (["true", "1"], "VARCHAR"),
        (["", ""], "VARCHAR"),
        (["NA", "1"], "BIGINT"),
        (["N/Ax", "1"], "VARCHAR"),
        (["2024-01-01", ""], "VARCHAR"),
    ],
)
def test_a_column_of_a_text_file_is_numbers_only_if_every_value_is_one_or_a_word_for_none(
    tmp_path, values, kind
):
    lines = [
        f'ana,view,2024-01-01T00:00:0{second}Z,"{value}"' for second, value in enumerate(values)
    ]
    log = cj.read_events(written(tmp_path, "events.csv", "\n".join([f"{HEADER},given", *lines])))
    assert log.properties["given"].type == kind


def test_a_value_far_down_the_file_decides_too(tmp_path):
    lines = [f"ana,view,{1_700_000_000 + second},{second}" for second in range(3_000)] + [
        "ana,view,1800000000,x"
    ]
    log = cj.read_events(
        written(tmp_path, "events.csv", "\n".join([f"{HEADER},given", *lines])),
        observed_until="2030-01-01",
    )
    assert log.properties["given"].type == "VARCHAR"


def test_a_time_written_differently_far_down_the_file_is_read_too(tmp_path):
    lines = [
        f"ana,view,2024-01-01 00:{second // 60:02}:{second % 60:02}" for second in range(3_000)
    ] + ["ana,view,2024/1/2 3:04 PM"]
    assert (
        str(
            cj.read_events(
                written(tmp_path, "events.csv", "\n".join([HEADER, *lines])), timezone="UTC"
            ).span[1]
        )
        == "2024-01-02 15:04:00+00:00"
    )


def test_ids_of_a_text_file_are_text(tmp_path):
    log = cj.read_events(
        written(
            tmp_path,
            "events.csv",
            f"{HEADER}\n007,view,2024-01-01T00:00:00Z\n7,view,2024-01-01T00:00:00Z\n",
        )
    )
    assert log.customer_ids().tolist() == ["007", "7"]


def test_ids_of_json_lines_keep_their_type_and_every_digit(tmp_path):
    lines = [
        {"customer_id": 2**60 + 1, "event": "view", "timestamp": 1_700_000_000, "more": {"a": [1]}},
        {"customer_id": 2, "event": "view", "timestamp": 1_700_000_001},
    ]
    log = cj.read_events(written(tmp_path, "events.jsonl", "\n".join(map(json.dumps, lines))))
    assert log.customer_ids().tolist() == [2**60 + 1, 2]
    assert log.codes("more")[1] == ['{"a":[1]}']


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_of_a_csv_is_read_from_its_header(tmp_path, separator):
    line = separator.join(["ana", '"a, or; not|"', "2024-01-01T00:00:00Z"])
    log = cj.read_events(
        written(tmp_path, "events.csv", f"{HEADER.replace(',', separator)}\n{line}\n")
    )
    assert log.event_names == ["a, or; not|"]


def test_a_header_may_hold_quotes_line_breaks_a_byte_order_mark_and_no_name(tmp_path):
    content = '\ufeffcustomer_id,event,timestamp,"two\nlines, one name",\nana,view,2024-01-01T00:00:00Z,x,y\n'
    log = cj.read_events(written(tmp_path, "events.csv", content))
    assert log.columns == ("two\nlines, one name", "unnamed_5")
    assert log.codes("unnamed_5")[1] == ["y"]


# ---- broken input ------------------------------------------------------------------------------------------------


def test_a_file_with_only_a_header_is_an_empty_log(tmp_path):
    log = cj.read_events(written(tmp_path, "events.csv", f"{HEADER},channel\n"))
    assert (log.n_events, log.n_customers, log.span, log.event_names, log.columns) == (
        0,
        0,
        None,
        [],
        ("channel",),
    )


def test_one_row_is_a_log(tmp_path):
    assert cj.read_events(written(tmp_path, "events.csv", f"{HEADER}\n{LINE}")).n_events == 1


def test_rows_with_too_few_or_too_many_fields_are_held_back_and_the_others_read(tmp_path):
    lines = [
        LINE,
        "bob,view",
        '"cy,d","a\nb",2024-01-02T00:00:00Z',
        "dan,view,2024-01-02T00:00:00Z,more,still",
        "eve,,2024-01-02T00:00:00Z",
        LINE,
    ]
    log = cj.read_events(
        written(tmp_path, "events.csv", "\n".join([HEADER, *lines])), quarantine_limit=1
    )
    assert log.n_events == 2
    assert log.quarantine.fillna("").to_dict("records") == [
        {
            "row": 2,
            "reason": "wrong number of fields",
            "customer_id": "bob",
            "event": "view",
            "timestamp": "",
        },
        {
            "row": 4,
            "reason": "wrong number of fields",
            "customer_id": "dan",
            "event": "view",
            "timestamp": "2024-01-02T00:00:00Z,more,still",
        },
        {
            "row": 5,
            "reason": "missing event",
            "customer_id": "eve",
            "event": "",
            "timestamp": "2024-01-02T00:00:00Z",
        },
        {
            "row": 6,
            "reason": "exact duplicate",
            "customer_id": "ana",
            "event": "view",
            "timestamp": "2024-01-01T00:00:00Z",
        },
    ]
    assert log.quality.set_index("check").loc["rows read", "rows"] == 6


def test_a_line_whose_quotes_do_not_close_is_held_back_and_the_next_one_read(tmp_path):
    lines = [
        LINE,
        'bob,"view,2024-01-02T00:00:00Z',
        '"cy,d","a""b",2024-01-02T00:00:00Z',
        'dan,"vi"ew,2024-01-02T00:00:00Z',
        "eve,buy,2024-01-03T00:00:00Z",
        'fay,view,"2024',
    ]
    log = cj.read_events(
        written(tmp_path, "events.csv", "\n".join([HEADER, *lines])), quarantine_limit=1
    )
    assert log.customer_ids().tolist() == ["ana", "cy,d", "eve"]
    assert log.event_names == ['a"b', "buy", "view"]
    assert log.quarantine[["row", "reason", "customer_id"]].values.tolist() == [
        [2, "quote that does not close", 'bob,"view,2024-01-02T00:00:00Z'],
        [4, "quote that does not close", 'dan,"vi"ew,2024-01-02T00:00:00Z'],
        [6, "quote that does not close", 'fay,view,"2024'],
    ]
    assert log.quality.set_index("check").loc["rows read", "rows"] == 6


def test_lines_that_hold_no_object_are_held_back_with_their_text(tmp_path):
    good = '{"customer_id":"ana","event":"view","timestamp":"2024-01-01T00:00:00Z"}'
    log = cj.read_events(
        written(tmp_path, "events.jsonl.gz", gzip.compress(f"{good}\nnot json\n\n[1]\n".encode())),
        quarantine_limit=1,
    )
    assert log.quarantine[["row", "reason", "(line)"]].values.tolist() == [
        [2, "unreadable line", "not json"],
        [3, "unreadable line", "[1]"],
    ]


WHOLE = gzip.compress(
    "\n".join(
        [HEADER, *(f"{number},view,2024-01-01T00:00:00Z" for number in range(20_000))]
    ).encode()
)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.csv", "", "'e.csv' is empty. It must begin with a line of column names"),
        (
            "e.csv",
            "\n \n\r\n",
            "must begin with a line of column names. Its lines are blank",
        ),
        (
            "e.csv.gz",
            WHOLE[: len(WHOLE) // 2],
            "'e.csv.gz' is not a whole gzip file: it was cut off or damaged",
        ),
        ("e.csv.gz", WHOLE[:-4], "is not a whole gzip file"),
        ("e.csv.gz", b"plain text", "is not a whole gzip file"),
        ("e.csv", bytes(range(256)) * 20, "is not text in UTF-8|is not a text file"),
        (
            "e.csv",
            f"{HEADER}\n{LINE}ä\n".encode("latin-1"),
            r"is not text in UTF-8 .* iconv -f CP1252 -t UTF-8 OLD > NEW",
        ),
        (
            "e.csv",
            f"{HEADER}\n{LINE}\n".encode("utf-16-le"),
            r"is not a text file: it holds zero bytes\. If it is UTF-16",
        ),
        (
            "e.csv",
            (f"{HEADER}\n" + f"{LINE}\n" * 3 + "ana,café,2024-01-01T00:00:00Z\n").encode("latin-1"),
            r"is not text in UTF-8 \(byte 0xe9 cannot be\)",
        ),
        (
            "e.csv",
            f'{HEADER}\nana,"view,2024-01-01T00:00:00Z\n{LINE}\n',
            r"1 of 2 rows \(50.0%\) cannot be used.* quote that does not close: 1; write a quote",
        ),
        (
            "e.csv",
            f'{HEADER},"plan\n{LINE},a\n',
            "the quotes in the first line of 'e.csv' do not close as CSV asks",
        ),
        (
            "e.csv",
            "customer_id,event,event,timestamp\n",
            "there is no column 'event'.*event_1.*event_2",
        ),
        (
            "e.csv",
            f"{HEADER},Plan,plan\n{LINE},a,b\n",
            "the columns 'Plan' and 'plan' differ only in capitals",
        ),
        (
            "e.parquet",
            os.urandom(500),
            "'e.parquet' cannot be read as Parquet. It is damaged, cut off, or of another format",
        ),
        ("e.jsonl", "", "'e.jsonl' is empty"),
        ("e.jsonl.gz", WHOLE[:200], "is not a whole gzip file"),
        ("e.xls", b"PK", "'e.xls' cannot be read as it is.* read it with pandas.read_excel"),
        ("e.json", "[]", "'e.json' is empty"),
        ("e.json", '{"event": ["a", "b"]}', "'e.json' holds columns, not rows"),
        ("e.jsonl", '["a", "view"]', "'e.jsonl' holds no JSON objects, but"),
        ("e.csv", b"PK\x03\x04", "'e.csv' is no CSV file: it is an Excel workbook"),
        ("e.csv", '{"event": "a"}', "'e.csv' is no CSV file: it holds JSON"),
        ("e.csv", "<html>", "'e.csv' is no CSV file: it holds HTML"),
        (
            "e.csv",
            "a,view,1741058094\na,buy,1741058095\n",
            "its first line holds the time '1741058094'",
        ),
        ("e.csv", "a,view,x\na,view,y\na,view,z\n", "its first line holds 'a', as rows below do"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path, name, content, message):
    with pytest.raises(cj.CjlibError, match=message) as stopped:
        cj.read_events(written(tmp_path, name, content))
    assert "Error:" not in str(stopped.value)
    assert stopped.value.__cause__ is None
    assert stopped.value.__suppress_context__ or stopped.value.__context__ is None


def test_a_cut_parquet_file_is_named(tmp_path):
    whole = Path(as_parquet([ANCHOR], tmp_path)).read_bytes()
    with pytest.raises(cj.DataError, match=r"'cut.parquet' cannot be read as Parquet"):
        cj.read_events(written(tmp_path, "cut.parquet", whole[: len(whole) // 2]))


def test_a_missing_file_is_named_with_its_nearest_neighbour(tmp_path):
    written(tmp_path, "events.parquet", b"")
    with pytest.raises(
        cj.DataError,
        match=r"there is no file '.*event.parquet'. Did you mean 'events.parquet'\? The folder has: 'events.parquet'",
    ):
        cj.read_events(tmp_path / "event.parquet")
    with pytest.raises(cj.DataError, match=r"there is no folder '.*nowhere'"):
        cj.read_events(tmp_path / "nowhere" / "events.parquet")
    with pytest.raises(cj.DataError, match=r"no file matches"):
        cj.read_events(str(tmp_path / "*.csv"))


def test_a_folder_without_data_files_is_named(tmp_path):
    with pytest.raises(cj.DataError, match=r"holds no data files. It is empty"):
        cj.read_events(tmp_path)
    written(tmp_path, "notes.docx", b"")
    with pytest.raises(cj.DataError, match=r"holds no data files. It holds: 'notes.docx'"):
        cj.read_events(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "hdfs://me:secret@host/db",
            r"'hdfs://…@host/db' is an address of no file here.*the table of a database is read with table='events'",
        ),
        ([("ana", "view")], "source: must be a Parquet, CSV, TSV or JSON file"),
        (None, "source: must be a Parquet"),
        (pd.DataFrame(), "source: there are no columns"),
    ],
)
def test_what_is_no_source_is_refused(source, message):
    with pytest.raises(cj.CjlibError, match=message) as stopped:
        cj.read_events(source)
    assert "secret" not in str(stopped.value)


TWICE = "customer_id,event,plan,event,timestamp,plan\nana,view,a,1,2024-01-01,b\n"


def test_columns_of_one_name_are_numbered_and_none_is_taken_for_the_one_that_is_meant(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(TWICE)
    frame = pd.DataFrame(
        [["ana", "view", "a", "1", "2024-01-01", "b"]],
        columns=TWICE.split("\n", maxsplit=1)[0].split(","),
    )
    for source in (path, frame):
        with pytest.raises(cj.DataError, match=r"no column 'event'.*event_1.*event_2"):
            cj.read_events(source)
        log = cj.read_events(source, columns={"event_1": "event"})
        assert log.columns == ("event_2", "plan_1", "plan_2")
        said = log.quality.set_index("check").loc["columns of one name", "example"]
        assert said == "event: read as event_1, event_2; plan: read as plan_1, plan_2"


def _twice_in_parquet(folder):
    named = TWICE.split("\n", maxsplit=1)[0].split(",")
    values = TWICE.split("\n")[1].split(",")
    table = pa.Table.from_arrays([pa.array([value]) for value in values], names=named)
    pq.write_table(table, folder / "events.parquet")
    return {"source": folder / "events.parquet"}


def _twice_in_json(folder):
    names, values = (line.split(",") for line in TWICE.split("\n")[:2])
    fields = ", ".join(f'"{name}": "{value}"' for name, value in zip(names, values, strict=True))
    (folder / "events.jsonl").write_text(f"{{{fields}}}\n")
    return {"source": folder / "events.jsonl"}


QUERY = (
    "SELECT 'ana' AS customer_id, 'view' AS event, 'a' AS plan, '1' AS event, "
    "'2024-01-01' AS timestamp, 'b' AS plan"
)


def _twice_in_duckdb(folder):
    duckdb.connect(str(folder / "events.duckdb")).close()
    return {"source": folder / "events.duckdb", "query": QUERY}


def _twice_in_sqlite(folder):
    return {"source": f"sqlite:///{folder}/events.sqlite", "query": QUERY}


@pytest.mark.parametrize(
    "made", [_twice_in_parquet, _twice_in_json, _twice_in_duckdb, _twice_in_sqlite]
)
def test_other_sources_number_columns_of_one_name_as_text_files_do(tmp_path, made):
    given = made(tmp_path)
    with pytest.raises(cj.DataError, match=r"no column 'event'.*event_1.*event_2"):
        cj.read_events(**given)
    log = cj.read_events(**given, columns={"event_1": "event"})
    assert log.columns == ("event_2", "plan_1", "plan_2")
    assert list(log.engine.rows("SELECT event, event_2, plan_1, plan_2 FROM events")[0]) == [
        "view",
        *(["1"] if log.properties["event_2"].type == "VARCHAR" else [1]),
        "a",
        "b",
    ]
    said = log.quality.set_index("check").loc["columns of one name", "example"]
    assert said == "event: read as event_1, event_2; plan: read as plan_1, plan_2"


def test_a_field_that_stands_twice_in_some_objects_of_a_json_file_loses_nothing(tmp_path):
    start = '"customer_id": "ana", "event": "view", "timestamp": "2024-01-01"'
    lines = [
        f'{{{start}, "tag": {{"a": 1}}, "tag": null, "n": 2}}',
        f'{{{start}, "tag": "x"}}',
        "{}",
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    log = cj.read_events(tmp_path / "events.jsonl", quarantine_limit=1)
    assert log.engine.rows("SELECT tag_1, n FROM events ORDER BY n") == [
        ('{"a":1}', 2),
        ("x", None),
    ]
    assert list(log.quarantine["row"]) == [3]


def test_a_number_behind_a_repeated_name_is_one_that_no_other_column_has(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("customer_id,event,timestamp,a,a_1,a\nana,view,2024-01-01,1,2,3\n")
    assert set(cj.read_events(path).columns) == {"a_2", "a_1", "a_3"}


def test_init_writes_a_file_that_can_be_read_where_names_stand_twice(tmp_path):
    path = tmp_path / "events.csv"
    rows = [
        f"u{n % 9},{event},x,2024-01-{1 + n:02d} 0{hour}:00,y"
        for n in range(20)
        for hour, event in enumerate(["visit", "cart", "buy"])
    ]
    path.write_text("\n".join(["user_id,event,plan,time,plan", *rows]))
    (tmp_path / "journey.yml").write_text(first_journey(path))
    assert cj.read_journey(tmp_path / "journey.yml").read_events().n_events == 60


# ---- several files -----------------------------------------------------------------------------------------------


def test_a_folder_is_read_as_one_source_and_rows_are_counted_in_their_file(tmp_path):
    written(tmp_path, "in/2024/a.csv", f"{HEADER}\n{LINE}\nbob,view,never\n")
    written(
        tmp_path,
        "in/b.csv",
        "timestamp;event;customer_id;channel\n2024-01-02T00:00:00Z;view;ana;web\n2024-01-02T00:00:00Z;view\n;view;cyd;app\n",
    )
    written(tmp_path, "in/.hidden.csv", "broken")
    written(tmp_path, "in/_SUCCESS", "")
    for source in (tmp_path / "in", str(tmp_path / "in" / "**" / "*.csv")):
        log = cj.read_events(source, quarantine_limit=1)
        assert (log.n_events, log.columns) == (2, ("channel",))
        assert log.quarantine[["row", "reason", "file", "customer_id"]].fillna(
            ""
        ).values.tolist() == [
            [2, "unreadable timestamp", "2024/a.csv", "bob"],
            [2, "wrong number of fields", "b.csv", ""],
            [3, "missing timestamp", "b.csv", "cyd"],
        ]


def test_parquet_parts_may_differ_in_columns_and_be_named_by_a_partition(tmp_path):
    rows = as_frame([ANCHOR])
    for channel, part in (
        ("web", rows.drop(columns="channel")),
        ("app", rows.drop(columns=["channel", "whole"]).assign(event="")),
    ):
        (tmp_path / f"channel={channel}").mkdir()
        part.to_parquet(tmp_path / f"channel={channel}" / "0.parquet")
    log = cj.read_events(tmp_path, quarantine_limit=1)
    assert log.codes("channel") == ([0], ["web"])
    assert log.quarantine[["row", "reason", "file"]].values.tolist() == [
        [1, "missing event", "channel=app/0.parquet"]
    ]


def test_a_folder_of_several_kinds_is_refused(tmp_path):
    as_csv([ANCHOR], tmp_path)
    as_parquet([ANCHOR], tmp_path)
    with pytest.raises(
        cj.CjlibError,
        match=r"holds files of several kinds \(csv, parquet\), perhaps the same events twice. Name one kind with a glob",
    ):
        cj.read_events(tmp_path)


@pytest.mark.parametrize(
    "name", ["a[1].csv", "what?.csv", "star*.csv", 'it\'s "mine".csv', "ü 😀.csv"]
)
def test_a_file_may_have_any_name(tmp_path, name):
    written(tmp_path, "a1.csv", "decoy")
    assert cj.read_events(written(tmp_path, name, f"{HEADER}\n{LINE}\n")).n_events == 1

"""A list of sources in a journey file: files, sheets, databases and queries, each read with its own keys."""

import sqlite3

import duckdb
import pandas as pd
import pytest
from typer.testing import CliRunner

import cjlib as cj
from cjlib.cli import app
from cjlib.errors import CjlibError, DataError, JourneyError
from cjlib.sources.connect import files
from cjlib.sources.journey import journey_from_text
from cjlib.sources.journey.check import check_journey
from cjlib.sources.journey.scaffold import first_journey

JOURNEY = """name: Shop
timezone: Europe/Berlin
sources:
  columns: {person: customer_id}
  events:
    - name: web
      path: web.csv
      columns: {time: timestamp}
      timezone: UTC
      where: {event: {not: junk}}
    - name: shop
      path: shop.duckdb
      table: orders
      event: order placed
      columns: {am: timestamp}
      where: {status: [paid]}
    - name: crm
      url: sqlite:///${CRM}
      query: SELECT client AS customer_id, at AS timestamp, 'call' AS event, mins FROM calls WHERE kind = 'call'
stages:
  - {name: Visit, touchpoints: [view]}
  - {name: Buy, touchpoints: [order placed]}
  - {name: Talk, touchpoints: [call]}
funnels:
  talk: {steps: [view, order placed, call], window: 30D}
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    web = "person,event,time\n1,view,2024-01-01 10:00\n2,view,2024-01-02 10:00\n2,junk,2024-01-02 11:00\n"
    (tmp_path / "web.csv").write_text(web)
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as database:
        database.execute(
            "CREATE TABLE orders AS SELECT * FROM (VALUES ('1', '2024-01-05 11:00', 'paid', 10.5), "
            "('2', '2024-01-06 12:00', 'cancelled', 3.0)) t(person, am, status, amount)"
        )
    crm = sqlite3.connect(tmp_path / "crm.sqlite")
    crm.execute("CREATE TABLE calls (client INTEGER, at TEXT, mins INTEGER, kind TEXT)")
    calls = [(1, "2024-01-07 10:00", 5, "call"), (3, "2024-01-08 10:00", 7, "mail")]
    crm.executemany("INSERT INTO calls VALUES (?, ?, ?, ?)", calls)
    crm.commit()
    crm.close()
    monkeypatch.setenv("CRM", str(tmp_path / "crm.sqlite"))
    (tmp_path / "journey.yml").write_text(JOURNEY)
    return tmp_path


def test_each_source_is_read_with_its_own_keys(shop):
    log = cj.read_journey(shop / "journey.yml").read_events()
    found = log.run("SELECT source, customer_id, event, timestamp FROM events ORDER BY timestamp")
    assert found["source"].tolist() == ["web", "web", "shop", "crm"]
    assert found["customer_id"].tolist() == ["1", "2", "1", "1"]
    hours = found["timestamp"].dt.strftime("%d %H").tolist()
    assert hours == ["01 10", "02 10", "05 10", "07 09"]
    left = log.quality[log.quality["check"] == "left out by where"].set_index("source")
    assert left["rows"].to_dict() == {"shop": 1, "web": 1}
    assert log.properties["mins"].type == "BIGINT"


def test_check_tells_per_source_and_the_funnel_crosses_them(shop):
    check = check_journey(shop / "journey.yml")
    assert check.exit_code == 0
    assert len(check.unmapped) == 0
    assert set(check.quality["source"]) == {"web", "shop", "crm", "all sources"}
    journey = check.journey
    assert cj.funnel(check.log, **journey.funnel()).table["customers"].tolist() == [2, 1, 1]
    told = CliRunner().invoke(app, ["check", str(shop / "journey.yml")])
    assert told.exit_code == 0
    assert "crm" in told.output


def test_what_a_caller_says_replaces_what_the_file_says_of_each(shop):
    journey = cj.read_journey(shop / "journey.yml")
    assert journey.read_events(where={"customer_id": "1"}).n_events == 3
    assert journey.read_events(only=[]).columns == ("source",)
    alone = journey.read_events(
        source=shop / "web.csv", columns={"person": "customer_id", "time": "timestamp"}
    )
    assert alone.n_events == 3


def test_a_fault_of_the_data_names_the_source(shop):
    (shop / "web.csv").write_text("person,event,time\n1,view,never\n")
    with pytest.raises(DataError, match="source 'web': 1 of 1 rows"):
        cj.read_journey(shop / "journey.yml").read_events()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("path: web.csv", "path: web.csv\n      dats: x", "sources.events[0].dats (source 'web')"),
        ("name: shop", "name: WEB", "sources.events[1].name (source 'WEB'): a source is named"),
        ("    - name: crm\n      url", "    - url", "sources.events[2].name: the key is missing"),
        ("name: crm", "name: all sources", "(source 'all sources'): 'all sources' stands for all"),
        ("path: web.csv", "table: web", "(source 'web'): must have either path"),
        ("table: orders", "table: orders\n      query: SELECT 1", "(source 'shop'): is read in"),
        ("{not: junk}", "{nott: junk}", "sources.events[0].where.event.nott (source 'web')"),
    ],
)
def test_faults_of_the_file_name_the_source(old, new, words):
    with pytest.raises(JourneyError) as fault:
        journey_from_text(JOURNEY.replace(old, new, 1))
    assert words in str(fault.value)


def test_the_order_in_which_sources_stand_changes_nothing(shop):
    journey = cj.read_journey(shop / "journey.yml")
    head, rest = JOURNEY.split("    - name: web")
    web, crm = rest.split("    - name: crm")
    crm, tail = crm.split("stages:")
    turned = journey_from_text(
        f"{head}    - name: crm{crm}    - name: web{web}stages:{tail}", folder=shop
    )
    one, other = journey.read_events(), turned.read_events()
    assert one.engine.rows("FROM prepared") == other.engine.rows("FROM prepared")
    assert one.quality.equals(other.quality)


# ---- rows that count ----------------------------------------------------------------------------------------------

ORDERS = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c", "d"],
        "event": "order",
        "timestamp": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"],
        "status": ["paid", "shipped ", "void", None],
        "amount": ["5", "10", "20", "9"],
    }
)


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ({"status": "paid"}, "a"),
        ({"status": ["paid", "shipped"]}, "ab"),
        ({"status": {"not": "void"}}, "abd"),
        ({"status": {"is_set": True}}, "abc"),
        ({"amount": {"min": "10"}}, "bc"),
        ({"amount": {"min": 6}, "status": {"not": "void"}}, "bd"),
        ({"customer_id": "c"}, "c"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "frame", "parquet", "jsonl"])
def test_where_leaves_rows_out_and_counts_them(where, kept, form, tmp_path):
    source = ORDERS
    path = tmp_path / f"orders.{form}"
    if form == "csv":
        ORDERS.to_csv(path, index=False)
    if form == "jsonl":
        ORDERS.to_json(path, orient="records", lines=True)
    if form in ("frame", "parquet"):
        source = ORDERS.astype({"amount": "int64"})
        source.to_parquet(path)
    log = cj.read_events(source if form == "frame" else path, where=where)
    assert "".join(log.customer_ids()) == kept
    line = log.quality[log.quality["check"] == "left out by where"]
    assert line["rows"].tolist() == [4 - len(kept)]


def test_rows_in_quarantine_keep_their_place_behind_where():
    rows = ORDERS.assign(timestamp=["2024-01-01", "2024-01-02", None, "never"])
    log = cj.read_events(rows, where={"status": {"not": "paid"}}, quarantine_limit=1)
    assert log.quarantine["row"].tolist() == [3, 4]


def test_where_is_refused_in_words():
    with pytest.raises(CjlibError, match=r"where: there is no column 'state'. Did you mean"):
        cj.read_events(ORDERS.rename(columns={"status": "stats"}), where={"state": "paid"})
    with pytest.raises(CjlibError, match="where: must map columns"):
        cj.read_events(ORDERS, where="paid")
    with pytest.raises(CjlibError, match="where amount: the column holds numbers"):
        cj.read_events(ORDERS.astype({"amount": "int64"}), where={"amount": "much"})


# ---- queries, DuckDB files and sheets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    ["DROP TABLE calls", "DELETE FROM calls", "SELECT 1; SELECT 2", "not sql (", "", 7,
     "CREATE TABLE x AS SELECT 1"],
)  # fmt: skip
def test_a_query_reads_only(shop, query):
    for source in (f"sqlite:///{shop / 'crm.sqlite'}", shop / "shop.duckdb"):
        with pytest.raises(CjlibError, match="query: must be one SELECT"):
            cj.read_events(source, query=query)


def test_a_query_and_a_table_of_a_duckdb_file(shop):
    columns = {"person": "customer_id", "am": "timestamp"}
    log = cj.read_events(shop / "shop.duckdb", table="orders", columns=columns, event="order")
    assert log.n_events == 2
    asked = "SELECT person AS customer_id, am AS timestamp, status AS event FROM orders WHERE amount > 5"
    assert cj.read_events(str(shop / "shop.duckdb"), query=asked).event_names == ["paid"]
    with pytest.raises(DataError, match=r"has no table 'order'. Did you mean 'orders'"):
        cj.read_events(shop / "shop.duckdb", table="order")
    with pytest.raises(CjlibError, match="table: name the table"):
        cj.read_events(shop / "shop.duckdb")
    with pytest.raises(DataError, match="there is no file"):
        cj.read_events(shop / "none.duckdb", table="orders")
    with pytest.raises(DataError, match="cannot be read"):
        cj.read_events(shop / "shop.duckdb", query="SELECT nothing FROM orders")
    with pytest.raises(CjlibError, match="in the place of a table"):
        cj.read_events(shop / "shop.duckdb", table="orders", query=asked)
    with pytest.raises(CjlibError, match="query: needs a database"):
        cj.read_events(shop / "web.csv", query=asked)


def test_a_duckdb_relation_and_whatever_gives_arrow_is_a_source(shop):
    import narwhals as nw
    import polars as pl

    frame = ORDERS.assign(timestamp=pd.to_datetime(ORDERS["timestamp"]))
    with duckdb.connect() as database:
        relation = database.sql("SELECT * FROM frame")
        sources = [relation, pl.from_pandas(frame), pl.from_pandas(frame).lazy()]
        sources += [nw.from_native(frame), nw.from_native(pl.from_pandas(frame).lazy())]
        logs = [cj.read_events(source) for source in sources]
    assert [log.n_events for log in logs] == [4] * 5
    assert {log.properties["amount"].type for log in logs} == {"VARCHAR"}


def workbook(path, sheets):
    from xlsxwriter import Workbook

    with Workbook(path) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            stamp = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
            for y, row in enumerate(rows):
                for x, cell in enumerate(row):
                    if isinstance(cell, pd.Timestamp):
                        sheet.write_datetime(y, x, cell.to_pydatetime(), stamp)
                    elif cell is not None:
                        sheet.write(y, x, cell)


def test_init_takes_the_largest_sheet_of_a_workbook_and_asks(tmp_path):
    pytest.importorskip("xlsxwriter")
    rows = [[f"c{n % 5}", "buy" if n % 2 else "visit", f"2024-01-{n + 1:02d}"] for n in range(20)]
    sheets = {
        "Notes": [["made by", "me"]],
        "All events": [["customer_id", "event", "timestamp"], *rows],
    }
    workbook(tmp_path / "book.xlsx", sheets)
    (tmp_path / "journey.yml").write_text(first_journey(tmp_path / "book.xlsx"))
    assert "table: All events  # DECIDE" in (tmp_path / "journey.yml").read_text()
    assert cj.read_journey(tmp_path / "journey.yml").read_events().n_events == 20


def test_a_sheet_of_a_workbook(tmp_path):
    pytest.importorskip("xlsxwriter")
    rows = [
        ["Export of March"],
        ["client", "what", "when", "amount"],
        [1, "view", pd.Timestamp("2024-03-01 10:00"), None],
        [None, None, None, None],
        [2, "buy", pd.Timestamp("2024-03-02 11:30"), 12.5],
    ]
    path = tmp_path / "book.xlsx"
    workbook(path, {"Events": rows, "Notes": [["x"]], "Empty": []})
    columns = {"client": "customer_id", "what": "event", "when": "timestamp"}
    log = cj.read_events(path, table="Events", columns=columns)
    assert log.customer_ids().tolist() == [1, 2]
    assert log.run("SELECT timestamp FROM events ORDER BY 1")["timestamp"].astype(str).tolist() == [
        "2024-03-01 10:00:00",
        "2024-03-02 11:30:00",
    ]
    assert log.numbers("amount").tolist()[1] == 12.5
    with pytest.raises(CjlibError, match="has 3 sheets: 'Events', 'Notes', 'Empty'"):
        cj.read_events(path, columns=columns)
    with pytest.raises(CjlibError, match=r"has no sheet 'Event'. Did you mean 'Events'"):
        cj.read_events(path, table="Event")
    with pytest.raises(DataError, match="is empty"):
        cj.read_events(path, table="Empty")
    (tmp_path / "broken.xlsx").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read as an Excel workbook"):
        cj.read_events(tmp_path / "broken.xlsx")


# ---- files elsewhere ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["https://shop.test/e.csv?key=hidden", "s3://bucket/*.parquet"])
def test_nothing_is_downloaded_unasked(address, monkeypatch):
    monkeypatch.setenv("HOME", "/nowhere")
    with pytest.raises(CjlibError, match="extension httpfs, which is not installed") as fault:
        cj.read_events(address)
    assert "INSTALL httpfs" in str(fault.value)
    assert "hidden" not in str(fault.value)


def test_what_httpfs_fetches_is_read_as_a_file(tmp_path, monkeypatch):
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "more").mkdir()
    ORDERS.head(2).to_parquet(tmp_path / "more" / "a.parquet")
    ORDERS.tail(2).to_parquet(tmp_path / "more" / "b.parquet")
    monkeypatch.setattr(files, "_load", lambda connection, place: None)
    monkeypatch.setattr(files, "is_remote_file", lambda source: "://" in str(source))
    fetch = files._fetch
    monkeypatch.setattr(files, "_fetch", lambda address: fetch(address.removeprefix("https://")))
    assert cj.read_events(f"https://{tmp_path}/orders.csv").n_events == 4
    assert cj.read_events(f"https://{tmp_path}/more/*.parquet").n_events == 4
    with pytest.raises(DataError, match=r"no file matches|cannot be fetched"):
        cj.read_events(f"https://{tmp_path}/none/*.csv")

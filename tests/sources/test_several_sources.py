"""Several sources as one log: the same as one table of their rows with a column that names the source."""

import gc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib.errors import CjlibError, DataError
from cjlib.sources.combine import Owners, _in_row_groups, _merged, combined

WEB = pd.DataFrame(
    {
        "customer_id": ["1", "2", "2", "3"],
        "event": ["view", "view", "buy", "view"],
        "timestamp": pd.to_datetime(
            ["2024-01-01 10:00", "2024-01-02 10:00", "2024-01-02 10:00", "2024-01-03 10:00"]
        ),
        "amount": [None, None, 3.5, None],
    }
)
SHOP = pd.DataFrame(
    {
        "kunde": ["1", "x", "x"],
        "timestamp": pd.to_datetime(["2024-01-05 11:00", "2024-02-02 10:00", None]),
        "amount": [10, 20, 30],
    }
)
ORDERS = {
    "source": SHOP,
    "event": "order",
    "columns": {"kunde": "customer_id"},
    "quarantine_limit": 1,
}


def rows(log):
    return log.run(
        f"SELECT * FROM events ORDER BY {', '.join(map(str, range(1, 4 + len(log.columns))))}"
    )


def test_one_order_of_events_over_all_sources_and_a_column_that_names_them():
    log = cj.read_events({"web": WEB, "shop": ORDERS})
    assert (log.n_events, log.n_customers) == (6, 4)
    assert log.columns == ("amount", "source")
    found = log.run("SELECT source FROM events WHERE customer_id = '1' ORDER BY timestamp")
    assert found["source"].tolist() == ["web", "shop"]
    assert log.event_names == ["buy", "order", "view"]
    assert cj.funnel(log, ["view", "order"], window="30D").table["customers"].tolist() == [3, 1]


def test_quality_and_quarantine_tell_the_source():
    log = cj.read_events({"web": WEB, "shop": ORDERS})
    read = log.quality[log.quality["check"] == "rows read"].set_index("source")["rows"]
    assert read.to_dict() == {"shop": 3, "web": 4, "all sources": 7}
    used = log.quality[log.quality["check"] == "events used"].set_index("source")["rows"]
    assert used.to_dict() == {"shop": 2, "web": 4, "all sources": 6}
    assert log.quarantine[["source", "row", "reason"]].values.tolist() == [
        ["shop", 3, "missing timestamp"]
    ]


def test_one_source_has_no_column_source():
    assert cj.read_events({"web": WEB}).columns == ("amount",)
    assert "source" not in cj.read_events({"web": WEB}).quality


def test_the_source_is_no_group_to_compare_customers_by_unless_it_is_asked_for():
    log = cj.read_events({"web": WEB.assign(medium=["a", "b", "a", "b"]), "shop": ORDERS})
    assert cj.segment_column(log) == "medium"
    assert cj.segment_column(log, "source") == "source"
    flat = WEB.assign(source=["ads", "mail", "ads", "ads"])
    assert cj.segment_column(cj.read_events(flat)) == "source"


def test_ids_of_two_types_are_compared_as_text():
    numbers = WEB.assign(customer_id=[1, 2, 2, 3])
    log = cj.read_events({"web": numbers, "shop": ORDERS})
    assert rows(log).equals(rows(cj.read_events({"web": WEB, "shop": ORDERS})))
    line = log.quality[log.quality["check"] == "customer ids of two types"]
    assert line["example"].tolist() == ["numbers in web, text elsewhere: compared as text"]
    both = {"web": numbers, "app": numbers.assign(event="tap")}
    assert cj.read_events(both).id_type == "BIGINT"


@pytest.mark.parametrize(
    ("here", "there", "kind"),
    [
        ([1, 2], [1.5, None], "DOUBLE"),
        ([1, 2], ["1", "?"], "VARCHAR"),
        ([1, 2], [None, None], "BIGINT"),
        ([True, False], [1, 2], "VARCHAR"),
        (["a", "b"], ["b", "c"], "VARCHAR"),
    ],
)
def test_columns_of_one_name_are_one(here, there, kind):
    base = pd.DataFrame(
        {"customer_id": ["a", "b"], "event": "e", "timestamp": ["2024-01-01", "2024-01-02"]}
    )
    log = cj.read_events({"one": base.assign(x=here), "two": base.assign(x=there)})
    assert log.properties["x"].type == kind
    said = log.quality["check"].eq("x: types differ").any()
    assert said == (kind == "VARCHAR" and here != ["a", "b"])


def test_a_column_that_is_called_source_itself_gets_another_name_and_quality_says_so():
    log = cj.read_events({"web": WEB.assign(source="ads"), "shop": ORDERS})
    found = log.run("SELECT DISTINCT source, source_column FROM events ORDER BY source")
    assert found["source"].tolist() == ["shop", "web"]
    assert found["source_column"].tolist()[1] == "ads"
    assert log.quality["check"].eq("source: a column of web").any()


def test_a_source_that_ends_before_the_others_is_named():
    days = pd.DataFrame(
        {
            "customer_id": "a",
            "event": "visit",
            "timestamp": pd.date_range("2024-01-01 12:00", periods=60, freq="D"),
        }
    )
    log = cj.read_events({"web": days, "crm": days.head(20).assign(event="call")})
    said = log.quality[log.quality["check"] == "ends before the other sources"]
    assert said["source"].tolist() == ["crm"]
    assert said["rows"].tolist() == [40]
    assert "2024-01-20" in said["example"].iloc[0]
    assert str(log.observed_until) == "2024-02-29 12:00:00+00:00"
    level = cj.read_events({"web": days, "crm": days.tail(50).assign(event="call")})
    assert "begins after the other sources" in level.quality["check"].tolist()
    assert not level.quality["check"].eq("ends before the other sources").any()


def test_the_end_is_what_is_given_where_it_is_given_for_all():
    ends = {"web": WEB, "shop": ORDERS}
    log = cj.read_events(ends, observed_until="2024-02-10")
    assert str(log.observed_until)[:10] == "2024-02-10"
    one = {"web": {"source": WEB, "observed_until": "2024-12-31"}, "shop": ORDERS}
    assert str(cj.read_events(one).observed_until)[:10] == "2024-02-02"


def test_customers_are_known_in_all_sources():
    known = pd.DataFrame({"customer_id": [1, 2], "plan": ["pro", "free"]})
    log = cj.read_events({"web": WEB, "shop": ORDERS}, customers=known)
    assert log.run("SELECT plan FROM events WHERE amount = 10")["plan"].tolist() == ["pro"]
    line = log.quality[log.quality["check"] == "customers not in the customers table"]
    assert line["source"].tolist() == ["all sources"]


@pytest.mark.parametrize(
    ("sources", "options", "words"),
    [
        ({}, {}, "names no source"),
        ({"": WEB}, {}, "needs a name"),
        ({"all sources": WEB}, {}, "needs a name"),
        ({"web": {"columns": {}}}, {}, "source 'web': must have the key source"),
        ({"web": {"source": WEB, "colums": {}}}, {}, "Did you mean 'columns'?"),
        ({"web": {"source": WEB, "timezone": "UTC"}}, {}, "source 'web': the option of a source"),
        ({"web": {"source": WEB, "id": "x"}}, {}, "source 'web': id: there is no column 'x'"),
        ({"web": WEB, "shop": "shop.csv"}, {}, "source 'shop': there is no file"),
        ({"web": WEB}, {"pushdown": True}, "pushdown: several sources"),
    ],
)
def test_faults_name_the_source(sources, options, words):
    with pytest.raises(CjlibError) as fault:
        cj.read_events(sources, **options)
    assert words in str(fault.value)


def test_too_many_rows_in_quarantine_stop_the_reading_of_their_source():
    with pytest.raises(DataError) as fault:
        cj.read_events({"web": WEB, "shop": {**ORDERS, "quarantine_limit": 0.1}})
    assert str(fault.value).startswith("source 'shop': 1 of 3 rows")
    assert fault.value.quarantine is not None
    assert len(fault.value.quarantine) == 1


# ---- the same as one table ----------------------------------------------------------------------------------------

KEYS = st.tuples(
    st.sampled_from(["web", "shop", "desk"]),
    st.sampled_from(["1", "2", "10", "ä"]),
    st.sampled_from(["view", "buy", "Call"]),
    st.integers(0, 3),
    st.sampled_from([None, 1.0, 2.5]),
    st.sampled_from([None, "x", "y"]),
)
TABLES = st.lists(KEYS, min_size=1, max_size=25).map(
    lambda rows: pd.DataFrame(
        rows, columns=["source", "customer_id", "event", "timestamp", "amount", "text"]
    ).assign(
        timestamp=lambda t: pd.Timestamp("2024-03-30 23:00") + pd.to_timedelta(t["timestamp"], "h")
    )
)


def prepared(log):
    tables = ["prepared", "c_names", "e_names"]
    tables += [one.dictionary for one in log.properties.values() if one.coded]
    return [log.engine.rows(f"SELECT * FROM {table}") for table in tables]


def apart(table):
    return {str(name): rows.drop(columns="source") for name, rows in table.groupby("source")}


@settings(max_examples=15, deadline=None)
@given(TABLES, st.randoms(use_true_random=False))
def test_rows_in_any_order_and_sources_in_any_order_give_the_log_of_one_table(table, random):
    flat = cj.read_events(table, quarantine_limit=1)
    sources = list(apart(table.sample(frac=1, random_state=random.randint(0, 99))).items())
    random.shuffle(sources)
    several = cj.read_events(dict(sources), quarantine_limit=1)
    if len(sources) > 1:
        assert prepared(several) == prepared(flat)
        assert several.observed_until == flat.observed_until
        assert len(several.quarantine) == len(flat.quarantine)
        described = "DESCRIBE SELECT * FROM prepared"
        assert several.engine.rows(described) == flat.engine.rows(described)


def test_rows_that_come_in_many_parts_give_the_same_log(monkeypatch):
    table = pd.concat([WEB.assign(source="web"), WEB.assign(source="app", event="tap")])
    whole = prepared(cj.read_events(apart(table)))
    monkeypatch.setattr("cjlib.sources.combine._AT_ONCE", 1)
    assert prepared(cj.read_events(apart(table))) == whole


@pytest.mark.parametrize("span", [1, 10**6, 2**62])
def test_rows_of_sorted_parts_are_merged_by_every_column(span):
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(
        {
            "c": np.sort(rng.integers(0, 40, 900)).astype("int32"),
            "t": rng.integers(-span, span, 900) // 2,
            "e": rng.integers(0, 3, 900).astype("uint8"),
            "p1": rng.choice([1.5, -2.0, None], 900).astype("float64"),
        }
    )
    keys = ["c", "t", "e", "p1"]
    sources = [part.sort_values(keys) for _, part in rows.groupby(rng.integers(0, 4, 900))]
    parts = [
        iter(pa.Table.from_pandas(one, preserve_index=False).to_batches(max_chunksize=size))
        for one, size in zip(sources, (1, 7, 50, 1000), strict=True)
    ]
    merged = pa.Table.from_batches(_merged([*parts, iter([])])).to_pandas()
    assert merged.equals(rows.sort_values(keys, ignore_index=True))


@pytest.mark.parametrize("sizes", [(), (1,), (4, 6), (3, 1, 1, 9, 2), (25,)])
def test_rows_are_written_in_multiples_of_what_is_stored_together(monkeypatch, sizes):
    monkeypatch.setattr("cjlib.sources.combine.ROW_GROUP", 5)
    numbers = iter(range(100))
    batches = [pa.record_batch({"c": [next(numbers) for _ in range(size)]}) for size in sizes]
    grouped = list(_in_row_groups(iter(batches)))
    assert [row for batch in grouped for row in batch["c"].to_pylist()] == list(range(sum(sizes)))
    assert all(len(batch) % 5 == 0 for batch in grouped[:-1])


# ---- people -------------------------------------------------------------------------------------------------------


def test_a_step_may_give_rows_to_another_customer():
    logs = {"web": cj.read_events(WEB), "app": cj.read_events(WEB.assign(event="tap"))}

    def people(engine, properties):
        (source,) = (one for one in properties if one.name == "source")
        rows = engine.rows(
            f"SELECT c.value, s.value FROM gathered g JOIN c_names c ON c.code = g.c "
            f"JOIN {source.dictionary} s ON s.code = g.{source.column} ORDER BY g.rowid"
        )
        whose = ["ana" if who in ("1", "3") and where == "app" else who for who, where in rows]
        names = sorted(set(whose), reverse=True)
        return Owners(pa.array(names), np.array([names.index(who) for who in whose]))

    log = combined(logs, people=people)
    assert log.customer_ids().tolist() == ["1", "2", "3", "ana"]
    found = log.run("SELECT customer_id, source, event FROM events WHERE customer_id = 'ana'")
    assert found["event"].tolist() == ["tap", "tap"]
    alone = combined({"web": logs["web"]}, people=lambda engine, properties: None)
    assert prepared(alone) == prepared(logs["web"])


# ---- kept logs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def large(tmp_path, monkeypatch):
    monkeypatch.setattr("cjlib.sources.ingest.cache.LARGE", 1)
    monkeypatch.setenv("CJ_CACHE_DIR", str(tmp_path / "kept"))
    WEB.to_parquet(tmp_path / "web.parquet")
    SHOP.to_csv(tmp_path / "shop.csv", index=False)
    return {"web": tmp_path / "web.parquet", "shop": {**ORDERS, "source": tmp_path / "shop.csv"}}


def kept_files(tmp_path):
    return sorted(path.name for path in (tmp_path / "kept").glob("*.duckdb"))


def test_several_large_files_are_prepared_once_and_kept_as_one_log(large, tmp_path, monkeypatch):
    first = cj.read_events(large)
    (name,) = kept_files(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("cjlib.sources.read_events.combined", None)
        again = cj.read_events(large)
    assert prepared(again) == prepared(first)
    assert rows(again).equals(rows(first))
    pd.testing.assert_frame_equal(again.quality, first.quality)
    pd.testing.assert_frame_equal(again.quarantine, first.quarantine)
    assert again.observed_until == first.observed_until
    assert prepared(cj.read_events({"web": WEB, "shop": ORDERS})) == prepared(first)
    more = pd.concat([SHOP, SHOP.head(1).assign(kunde="new")])
    more.to_csv(tmp_path / "shop.csv", index=False)
    assert cj.read_events(large).n_customers == first.n_customers + 1
    assert kept_files(tmp_path) != [name]
    assert cj.read_events(large, dates="month_first").n_events == first.n_events + 1


def test_a_kept_log_with_rows_that_have_not_happened_yet_is_made_anew_by_others(
    large, tmp_path, monkeypatch
):
    SHOP.fillna({"timestamp": pd.Timestamp("2100-01-01")}).to_csv(tmp_path / "shop.csv")
    for _ in range(2):
        log = cj.read_events(large)
        assert log.quarantine["reason"].tolist() == ["in the future"]
    n_events, made = log.n_events, []
    del log  # another process holds nothing of it open
    gc.collect()
    monkeypatch.setattr("cjlib.sources.combine._PROCESS", "another")
    own = combined
    monkeypatch.setattr(
        "cjlib.sources.read_events.combined", lambda *a, **k: made.append(1) or own(*a, **k)
    )
    assert cj.read_events(large).n_events == n_events
    assert made == [1]

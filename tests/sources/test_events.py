"""Reading events: the data contract row by row, counted by hand."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.show.units import Unit

UTC = "2024-01-01T00:00:00Z"


def table(rows: list[tuple], **more: list) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]).assign(**more)


def times(*written: object, **options: object) -> list[str]:
    """The instants, in UTC, that one customer's times are read as."""
    log = cj.read_events(
        table([("ana", "view", one) for one in written]).astype({"timestamp": object}), **options
    )
    return [
        time.strftime("%Y-%m-%d %H:%M:%S.%f").removesuffix(".000000")
        for time in pd.to_datetime(log.fetch("time")["time"], unit="us", utc=True)
    ]


def found(log: cj.EventLog, check: str) -> tuple[int, str]:
    row = log.quality.set_index("check").loc[check]
    return int(row["rows"]), row["example"]


def reasons(log: cj.EventLog) -> list[tuple[int, str]]:
    return list(log.quarantine[["row", "reason"]].itertuples(index=False, name=None))


# ---- which rows are held back ------------------------------------------------------------------------------------


def test_every_row_is_an_event_or_stands_in_quarantine_with_its_reason():
    rows = [
        ("ana", "view", UTC),
        (None, "view", UTC),
        ("  ", "view", UTC),
        ("ana", "", UTC),
        ("ana", "\u00a0\t", UTC),
        ("ana", "view", None),
        ("ana", "view", " "),
        ("ana", "view", "n/a"),
        ("ana", "view", "2024-02-30T00:00:00Z"),
        ("ana", "view", "2999-01-01T00:00:00Z"),
        ("ana", "view", UTC),
    ]
    log = cj.read_events(table(rows), quarantine_limit=1)
    assert reasons(log) == [
        (2, "missing customer_id"),
        (3, "missing customer_id"),
        (4, "missing event"),
        (5, "missing event"),
        (6, "missing timestamp"),
        (7, "missing timestamp"),
        (8, "unreadable timestamp"),
        (9, "unreadable timestamp"),
        (10, "in the future"),
        (11, "exact duplicate"),
    ]
    assert log.n_events == 1
    assert list(log.quarantine.columns) == ["row", "reason", "customer_id", "event", "timestamp"]
    assert log.quarantine["timestamp"].tolist()[6:9] == [
        "n/a",
        "2024-02-30T00:00:00Z",
        "2999-01-01T00:00:00Z",
    ]
    assert [
        found(log, reason)
        for reason in (
            "rows read",
            "events used",
            "missing event",
            "unreadable timestamp",
            "exact duplicate",
        )
    ] == [
        (11, ""),
        (1, ""),
        (2, ""),
        (2, "2024-02-30T00:00:00Z"),
        (1, "ana, view, 2024-01-01 00:00:00"),
    ]


def test_the_quality_table_names_what_was_looked_for_also_where_nothing_was_found():
    log = cj.read_events(toy_events("ana: view@0h buy@1h | bob: view@0h"))
    assert log.quality["check"].tolist()[:10] == [
        "rows read",
        "events used",
        "missing customer_id",
        "missing event",
        "missing timestamp",
        "unreadable timestamp",
        "hour that does not exist",
        "in the future",
        "exact duplicate",
        "tied events (same customer, same instant)",
    ]
    assert log.quality["share"].tolist()[:3] == [1.0, 1.0, 0.0]
    assert found(log, "customers")[0] == 2
    assert found(log, "event names")[0] == 2
    assert found(log, "times are whole") == (3, "minutes")
    assert found(log, "span") == (3, "2024-01-01 00:00:00+00:00 to 2024-01-01 01:00:00+00:00")
    assert log.quality.dtypes.astype(str).tolist() == ["str", "int64", "float64", "str"]
    assert len(log.quarantine) == 0


def test_rows_that_differ_in_any_column_are_separate_events():
    rows = [("ana", "view", UTC)] * 4
    assert cj.read_events(table(rows, order=["a", "b", "c", "d"])).n_events == 4
    log = cj.read_events(table(rows, order=["a", "b", "b", None]), quarantine_limit=0.5)
    assert reasons(log) == [(3, "exact duplicate")]


def test_blank_and_missing_properties_are_equal():
    log = cj.read_events(
        table([("ana", "view", UTC)] * 3, order=["", None, "  "]), quarantine_limit=1
    )
    assert log.n_events == 1


def test_duplicates_may_be_kept_and_are_counted():
    log = cj.read_events(table([("ana", "order", UTC)] * 3), duplicates="keep")
    assert log.n_events == 3
    assert found(log, "exact duplicates kept")[0] == 2
    assert found(log, "exact duplicate")[0] == 0


def test_duplicates_count_towards_the_limit_and_nothing_is_lost():
    with pytest.raises(cj.DataError) as stopped:
        cj.read_events(table([("ana", "order", UTC)] * 2 + [("bob", "order", "soon")]))
    assert str(stopped.value) == (
        "source: 2 of 3 rows (66.7%) cannot be used; quarantine_limit allows 5.0%. "
        "exact duplicate: 1 (such as 'ana, order, 2024-01-01 00:00:00'); keep them with duplicates='keep' where equal rows are real, such as orders without an id · "
        "unreadable timestamp: 1 (such as 'soon'); say how times are written, dates='%d/%m/%Y %H:%M' or the like. "
        "Fix the data, or accept the loss with a higher quarantine_limit. The rows are in this error's .quarantine."
    )
    assert stopped.value.exit_code == 3
    assert stopped.value.quarantine["row"].tolist() == [2, 3]
    assert stopped.value.quality.set_index("check").loc["unreadable timestamp", "rows"] == 1


def test_a_share_at_the_limit_is_within_it():
    rows = [("ana", "view", f"2024-01-01T00:00:{second:02}Z") for second in range(19)] + [
        ("ana", "view", "never")
    ]
    assert cj.read_events(table(rows)).n_events == 19
    with pytest.raises(cj.DataError, match=r"1 of 20 rows \(5.0%\)"):
        cj.read_events(table(rows), quarantine_limit=0.049)


def test_a_customer_whose_only_row_is_held_back_is_no_customer():
    log = cj.read_events(
        table([("ana", "view", UTC), ("bob", "typo", "never")]), quarantine_limit=0.5
    )
    assert (log.n_customers, log.customer_ids().tolist(), log.event_names) == (1, ["ana"], ["view"])


def test_the_rows_of_a_quarantine_are_those_of_the_source_whatever_its_columns_are_called():
    rows = table(
        [("ana", "view", UTC), ("ana", "", UTC)], row=[7, 8], reason=["x", "y"], file=["f", "g"]
    )
    quarantine = cj.read_events(rows, quarantine_limit=0.5).quarantine
    assert quarantine.to_dict("records") == [
        {
            "row": 2,
            "reason": "missing event",
            "customer_id": "ana",
            "event": "",
            "timestamp": UTC,
            "row (column)": "8",
            "reason (column)": "y",
            "file (column)": "g",
        }
    ]


# ---- times -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2024-01-31T18:05:09Z", "2024-01-31 18:05:09"),
        ("2024-01-31T18:05:09.123+02:00", "2024-01-31 16:05:09.123000"),
        ("2024-01-31 18:05:09-0530", "2024-01-31 23:35:09"),
        ("2024-01-31 18:05:09+02", "2024-01-31 16:05:09"),
        ("2024-01-31 18:05:09 UTC", "2024-01-31 18:05:09"),
        ("2024-01-31 18:05:09.123456789Z", "2024-01-31 18:05:09.123456"),
        ("20240131T180509Z", "2024-01-31 18:05:09"),
        ("  2024-01-31T18:05:09Z ", "2024-01-31 18:05:09"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31 23:59:59.500000"),
        (pd.Timestamp("2024-01-31 18:05:09", tz="Asia/Tokyo"), "2024-01-31 09:05:09"),
        (1706724309, "2024-01-31 18:05:09"),
        (1706724309123, "2024-01-31 18:05:09.123000"),
        (1706724309123456, "2024-01-31 18:05:09.123456"),
        (1706724309123456789, "2024-01-31 18:05:09.123456"),
        ("1706724309", "2024-01-31 18:05:09"),
        (1706724309.25, "2024-01-31 18:05:09.250000"),
    ],
)
def test_a_time_with_an_offset_keeps_its_instant(written, instant):
    assert times(written) == [instant]
    assert times(written, timezone="America/New_York") == [instant]


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2024-07-01 18:05", "2024-07-01 16:05:00"),
        ("2024-07-01T18:05:09,5", "2024-07-01 16:05:09.500000"),
        ("2024/7/1 8:05", "2024-07-01 06:05:00"),
        ("31.12.2024 18:05", "2024-12-31 17:05:00"),
        ("12/31/2024 6:05 PM", "2024-12-31 17:05:00"),
        ("12/31/2024 12:05 am", "2024-12-30 23:05:00"),
        ("2024-07-01", "2024-06-30 22:00:00"),
        ("20240701", "2024-06-30 22:00:00"),
        (20240701, "2024-06-30 22:00:00"),
        (20240701180509, "2024-07-01 16:05:09"),
        (pd.Timestamp("2024-07-01 18:05"), "2024-07-01 16:05:00"),
        (np.datetime64("2024-07-01T18:05:00", "ns"), "2024-07-01 16:05:00"),
        (pd.Timestamp("2024-07-01").date(), "2024-06-30 22:00:00"),
    ],
)
def test_a_time_without_an_offset_is_read_in_the_zone_of_the_business(written, instant):
    assert times(written, timezone="Europe/Berlin") == [instant]


def test_times_without_a_zone_are_named_and_read_as_utc_if_none_is_given():
    log = cj.read_events(table([("ana", "view", "2024-01-31 18:05:00")]))
    assert log.timezone == "UTC"
    assert found(log, "times without a zone") == (
        1,
        "2024-01-31 18:05:00, read as UTC, for no timezone was given: name the business's zone with timezone='Europe/Berlin' or the like",
    )
    named = cj.read_events(
        table([("ana", "view", "2024-01-31 18:05:00")]), timezone="Europe/Berlin"
    )
    assert found(named, "times without a zone") == (1, "2024-01-31 18:05:00, read in Europe/Berlin")


def test_times_with_and_without_an_offset_stop_the_reading_until_a_zone_is_named():
    with pytest.raises(
        cj.DataError,
        match=r"1 times have an offset from UTC and 2 have none, so that their order is unknown. Say in which zone",
    ):
        times(UTC, "2024-01-01 00:00", "2024-01-02")
    assert times(UTC, "2024-01-01 00:00", timezone="Europe/Berlin") == [
        "2023-12-31 23:00:00",
        "2024-01-01 00:00:00",
    ]


def test_hours_that_do_not_exist_are_held_back_and_those_that_come_twice_are_the_first():
    written = [
        "2024-03-31 01:59:59",
        "2024-03-31 02:00",
        "2024-03-31 02:59:59",
        "2024-03-31 03:00",
        "2024-10-27 01:59",
        "2024-10-27 02:30",
        "2024-10-27 03:00",
    ]
    log = cj.read_events(
        table([("ana", "view", one) for one in written]),
        timezone="Europe/Berlin",
        quarantine_limit=0.5,
    )
    assert reasons(log) == [(2, "hour that does not exist"), (3, "hour that does not exist")]
    assert [str(time) for time in log.moments(log.fetch("time")["time"])] == [
        "2024-03-31 01:59:59+01:00",
        "2024-03-31 03:00:00+02:00",
        "2024-10-27 01:59:00+02:00",
        "2024-10-27 02:30:00+02:00",
        "2024-10-27 03:00:00+01:00",
    ]
    assert found(log, "hours that come twice") == (1, "the clocks went back; read as the first")


def test_the_wall_clock_is_pandas_own_for_every_hour_of_a_century():
    hours = pd.Series(pd.date_range("1925-01-01", "2025-01-01", freq="5h23min"))
    log = cj.read_events(
        pd.DataFrame({"customer_id": "ana", "event": "view", "timestamp": hours}),
        timezone="Europe/London",
        quarantine_limit=1,
    )
    local = hours.dt.tz_localize(
        "Europe/London", ambiguous=np.ones(len(hours), dtype=bool), nonexistent="NaT"
    )
    expected = local.dropna().dt.tz_convert("UTC").sort_values()
    assert log.fetch("time")["time"].tolist() == [
        time.value // 1000 for time in expected.dt.as_unit("ns")
    ]
    assert log.quarantine["reason"].tolist() == ["hour that does not exist"] * int(
        local.isna().sum()
    )


def test_a_day_whose_midnight_the_clocks_skip_begins_at_its_first_instant():
    log = cj.read_events(
        table([("ana", "order", "2018-11-04"), ("ana", "order", "2018-11-05")]),
        timezone="America/Sao_Paulo",
    )
    assert [str(time) for time in log.moments(log.fetch("time")["time"])] == [
        "2018-11-04 01:00:00-02:00",
        "2018-11-05 00:00:00-02:00",
    ]
    assert found(log, "times are whole") == (2, "days")


def test_several_offsets_are_named():
    log = cj.read_events(
        table(
            [
                ("ana", "view", f"2024-01-0{day}T10:00:00{offset}")
                for day, offset in ((1, "+01:00"), (2, "+02:00"), (3, "+0100"))
            ]
        )
    )
    assert found(log, "several offsets from UTC") == (
        1,
        "+01:00 (2), +02:00 (1); each time keeps its instant",
    )


def test_a_day_above_twelve_proves_the_order_of_the_whole_column():
    log = cj.read_events(table([("ana", "view", "03/02/2024"), ("ana", "buy", "13/02/2024")]))
    assert [str(time.date()) for time in log.span] == ["2024-02-03", "2024-02-13"]
    assert found(log, "date order: day first") == (1, "13/02/2024 can only be day first")
    log = cj.read_events(table([("ana", "view", "03/02/2024"), ("ana", "buy", "02/13/2024")]))
    assert [str(time.date()) for time in log.span] == ["2024-02-13", "2024-03-02"]
    assert found(log, "date order: month first") == (1, "02/13/2024 can only be month first")


def test_dates_that_could_be_read_both_ways_stop_the_reading():
    rows = table([("ana", "view", "03/02/2024 10:00"), ("ana", "buy", "04/02/2024 10:00")])
    with pytest.raises(
        cj.DataError,
        match=r"2 dates can be read day first or month first \(such as '03/02/2024 10:00'\), and no day above 12 decides. Say it with",
    ):
        cj.read_events(rows)
    assert str(cj.read_events(rows, dates="day_first").span[1].date()) == "2024-02-04"
    assert str(cj.read_events(rows, dates="month_first").span[1].date()) == "2024-04-02"
    assert str(cj.read_events(rows, dates="%d/%m/%Y %H:%M").span[1].date()) == "2024-02-04"


def test_dates_that_read_the_same_both_ways_need_no_decision():
    assert times("03/03/2024") == ["2024-03-03 00:00:00"]


def test_dates_in_two_orders_stop_the_reading():
    rows = table([("ana", "view", "13/02/2024"), ("ana", "buy", "02/14/2024")])
    with pytest.raises(
        cj.DataError,
        match=r"dates are written in two orders: 1 rows can only be day first .such as '13/02/2024'., 1 only month first",
    ):
        cj.read_events(rows)
    assert reasons(cj.read_events(rows, dates="day_first", quarantine_limit=0.5)) == [
        (2, "unreadable timestamp")
    ]


@pytest.mark.parametrize(
    ("written", "form", "instant"),
    [
        ("31-Dec-24", "%d-%b-%y", "2024-12-31 00:00:00"),
        ("Tue 31 Dec 2024 06:05 PM", "%a %d %b %Y %I:%M %p", "2024-12-31 18:05:00"),
        ("2024-12-31 18:05 +0200", "%Y-%m-%d %H:%M %z", "2024-12-31 16:05:00"),
    ],
)
def test_a_format_reads_what_no_rule_knows(written, form, instant):
    assert times(written, dates=form) == [instant]


@pytest.mark.parametrize(
    "written",
    [
        "31-Dec-24",
        "1/2/24",
        "10:00",
        "2024-13-01",
        "2024-01-01 25:00",
        "2024-01-01 10:00:61",
        "2024-01-01 13:00 AM",
        "Q1 2024",
        "0",
        "12",
        "-5",
        "2024-01-01 10:00 CET",
        "1e9",
        "٢٠٢٤-٠١-٠١",
    ],
)
def test_what_cannot_be_read_in_one_way_only_is_held_back(written):
    log = cj.read_events(table([("ana", "view", written)]), quarantine_limit=1)
    assert reasons(log) == [(1, "unreadable timestamp")]


@pytest.mark.parametrize(
    "value", [-(2**63), float("inf"), pd.Timestamp("0001-01-01").as_unit("us"), 0]
)
def test_a_value_that_stands_for_no_time_is_held_back_with_what_it_was(value):
    log = cj.read_events(
        table([("ana", "view", value)]), quarantine_limit=1, timezone="Europe/Berlin"
    )
    assert reasons(log) == [(1, "unreadable timestamp")]
    assert found(log, "unreadable timestamp")[1] == log.quarantine["timestamp"][0]


@pytest.mark.parametrize(
    "rows", [table([]), table([(None, None, None)]), table([("ana", "view", float("nan"))])]
)
def test_a_source_without_an_event_is_an_empty_log(rows):
    log = cj.read_events(rows, quarantine_limit=1)
    assert (log.n_events, log.n_customers, log.span, log.event_names, len(log.table())) == (
        0,
        0,
        None,
        [],
        0,
    )
    assert log.where(event="view", start="2024-01-01").n_events == 0
    assert len(log.quarantine) == len(rows)


EXTRA = {
    "whole": ([2**40], "BIGINT"),
    "huge": ([2**70], "VARCHAR"),
    "unsigned": (np.array([2**64 - 1], dtype="uint64"), "VARCHAR"),
    "small": (np.array([3], dtype="int8"), "BIGINT"),
    "single": (np.array([1.5], dtype="float32"), "DOUBLE"),
    "decimal": ([Decimal("1.50")], "DOUBLE"),
    "instant": ([pd.Timestamp("2024-01-01 12:00", tz="Asia/Tokyo")], "TIMESTAMP"),
    "category": (pd.Categorical(["k"]), "VARCHAR"),
    "number of a category": (pd.Categorical([7]), "BIGINT"),
    "length": ([pd.Timedelta("1D")], "VARCHAR"),
    "list": ([[1, 2]], "VARCHAR"),
    "bytes": ([b"\xff\x00"], "VARCHAR"),
    "half a letter": (pd.Series(["\ud800"], dtype=object), "VARCHAR"),
    "mixed": (pd.Series([object], dtype=object), "VARCHAR"),
    "": (["x"], "VARCHAR"),
}


@pytest.mark.parametrize("name", EXTRA)
def test_a_property_of_any_type_is_kept(name):
    values, kind = EXTRA[name]
    log = cj.read_events(table([("ana", "view", UTC)]).assign(**{name: values}))
    assert log.properties[name or "unnamed_4"].type == kind
    assert log.run("SELECT * FROM events").shape == (1, 4)


def test_the_unit_of_an_epoch_is_named():
    log = cj.read_events(
        table([("ana", "view", 1_700_000_000_000), ("ana", "buy", 1_700_000_100_000)])
    )
    assert found(log, "epoch milliseconds since 1970") == (2, "1700000000000")


@pytest.mark.parametrize("serial", [45123, 45123.75, "45123", "45123.5"])
def test_numbers_that_look_like_spreadsheet_dates_are_refused_with_the_remedy(serial):
    with pytest.raises(
        cj.DataError,
        match=r"as spreadsheets count days since 1900. If they are, say so: dates='excel_serial'",
    ):
        times(serial, quarantine_limit=1)


# ---- the future, the end of data ---------------------------------------------------------------------------------


def test_what_is_later_than_now_has_not_happened():
    now = pd.Timestamp.now("UTC")
    rows = table(
        [("ana", "view", now - pd.Timedelta("1min")), ("ana", "view", now + pd.Timedelta("1h"))]
    )
    assert reasons(cj.read_events(rows, quarantine_limit=0.5)) == [(2, "in the future")]


def test_a_wall_clock_nobody_named_may_be_ahead_of_utc():
    now = pd.Timestamp.now("UTC").tz_localize(None)
    rows = table(
        [("ana", "view", now + pd.Timedelta("13h")), ("ana", "view", now + pd.Timedelta("15h"))]
    )
    assert reasons(cj.read_events(rows, quarantine_limit=0.5)) == [(2, "in the future")]
    assert len(cj.read_events(rows, quarantine_limit=1, timezone="UTC").quarantine) == 2


def test_observed_until_says_what_is_later_than_the_data():
    rows = table([("ana", "view", "2024-01-01T10:00:00Z"), ("ana", "view", "2024-01-02T10:00:00Z")])
    log = cj.read_events(rows, observed_until="2024-01-01", quarantine_limit=0.5)
    assert reasons(log) == [(2, "later than observed_until")]
    assert log.observed_until == pd.Timestamp("2024-01-01 23:59:59.999999", tz="UTC")
    planned = cj.read_events(
        table([("ana", "view", "2998-01-01T10:00:00Z")]), observed_until="2999-01-01"
    )
    assert planned.n_events == 1


def test_data_end_with_the_last_event_or_for_a_log_of_days_with_the_last_day():
    rows = [("ana", "order", "2024-03-30"), ("bob", "order", "2024-03-31")]
    days = cj.read_events(table(rows), timezone="Europe/Berlin")
    assert str(days.observed_until) == "2024-03-31 23:59:59.999999+02:00"
    assert found(days, "times are whole") == (2, "days")
    hours = cj.read_events(
        table([*rows, ("bob", "order", "2024-03-31 10:00")]), timezone="Europe/Berlin"
    )
    assert str(hours.observed_until) == "2024-03-31 10:00:00+02:00"
    assert (
        str(
            cj.read_events(
                table(rows), timezone="Europe/Berlin", observed_until="2024-04-30 12:00"
            ).observed_until
        )
        == "2024-04-30 12:00:00+02:00"
    )


# ---- names, ids, ties --------------------------------------------------------------------------------------------


def test_ids_stay_text_if_they_were_text():
    assert cj.read_events(
        table([("007", "view", UTC), ("7", "view", UTC)])
    ).customer_ids().tolist() == ["007", "7"]


def test_whole_ids_stay_exact_also_beyond_what_floats_hold():
    ids = [2**53, 2**53 + 1, 2**62 + 1]
    assert cj.read_events(
        table([(one, "view", UTC) for one in ids])
    ).customer_ids().tolist() == sorted(ids, key=str)


def test_ids_that_missing_ones_turned_into_floats_are_whole_again():
    log = cj.read_events(
        table([(10, "view", UTC), (None, "view", UTC), (9, "view", UTC)]), quarantine_limit=0.5
    )
    assert log.customer_ids().tolist() == [10, 9]
    assert reasons(log) == [(2, "missing customer_id")]


def test_tied_events_are_counted():
    log = cj.read_events(
        toy_events("ana: view@0h cart@0h buy@0h view@1h | bob: view@0h | cyd: view@2h cart@2h")
    )
    assert found(log, "tied events (same customer, same instant)") == (
        5,
        "2 instants of 2 customers; such events have no order",
    )


def test_event_names_that_may_mean_one_event_are_named():
    log = cj.read_events(
        toy_events(
            "ana: Sign_Up@0h signup@1h sign_up@2h sign_up@3h view@4h views@5h RESOLVED@6h resolve_ticket@7h"
        )
    )
    similar = log.quality[log.quality["check"] == "similar event names"]
    assert similar[["rows", "example"]].values.tolist() == [
        [2, "'Sign_Up' / 'sign_up' / 'signup'"],
        [1, "'RESOLVED' / 'resolve_ticket'"],
        [1, "'view' / 'views'"],
    ]


def test_ten_thousand_event_names_are_read():
    names = [f"page {number}" for number in range(10_000)]
    log = cj.read_events(pd.DataFrame({"customer_id": "ana", "event": names, "timestamp": UTC}))
    assert len(log.event_names) == 10_000
    assert log.where(event="page 9999").n_events == 1


HOSTILE = [
    "'; DROP TABLE events; --",
    'he said "hi"',
    "<script>alert(1)</script>",
    "😀",
    "שלום",
    "a\nb",
    "%_\\",
    "NULL",
    "view' OR '1'='1",
]


def test_names_are_never_executed():
    rows = table(
        [(name, name, UTC) for name in HOSTILE],
        **{'we"ird': HOSTILE, "start": HOSTILE, "t": HOSTILE, "p1": HOSTILE},
    )
    log = cj.read_events(rows)
    assert log.event_names == sorted(HOSTILE)
    for name in HOSTILE:
        for cut in (
            log.where(event=name),
            log.where({"start": name}),
            log.where({'we"ird': name}),
            log.where(t=name, p1=name, customer_id=name),
        ):
            assert cut.n_events == 1
            assert log.run(f"SELECT event FROM {cut.events_sql}")["event"].tolist() == [name]
    assert "<script>" not in log._repr_html_()


# ---- asking ------------------------------------------------------------------------------------------------------


def test_a_property_is_asked_as_codes_in_the_order_of_their_text():
    log = cj.read_events(
        table(
            [("ana", "view", f"2024-01-0{day}T00:00:00Z") for day in range(1, 5)],
            n=[10, 9, 10, 100],
            s=["b", None, "a", "b"],
        )
    )
    codes, values = log.codes("n")
    assert (codes.tolist(), values) == ([0, 2, 0, 1], [10, 100, 9])
    codes, values = log.codes("s")
    assert (codes.tolist(), values) == ([1, -1, 0, 1], ["a", "b"])
    assert log.numbers("n").tolist() == [10, 9, 10, 100]
    with pytest.raises(
        cj.CjlibError, match=r"value: must name a column of numbers. Column 's' holds text"
    ):
        log.numbers("s")


def test_attributes_of_customers_serve_like_columns_of_events():
    customers = pd.DataFrame(
        {"customer_id": ["ana", "cyd"], "plan": ["pro", "free"], "seats": [3, 4]}
    )
    log = cj.read_events(toy_events("ana: view@0h buy@1h | bob: view@0h"), customers=customers)
    codes, values = log.codes("plan")
    assert (codes.tolist(), values) == ([1, 1, -1], ["free", "pro"])
    assert log.numbers("seats").tolist()[:2] == [3, 3]
    assert np.isnan(log.numbers("seats")[2])
    assert log.run("SELECT plan, count(*) AS n FROM events GROUP BY plan ORDER BY n")[
        "n"
    ].tolist() == [1, 2]
    assert found(log, "customers not in the customers table") == (1, "bob")


def test_ids_of_customers_are_compared_as_text():
    customers = pd.DataFrame({"customer_id": ["1", "2"], "plan": ["pro", "free"]})
    assert cj.read_events(table([(1, "view", UTC), (2, "view", UTC)]), customers=customers).where(
        plan="pro"
    ).customer_ids([0]).tolist() == [1]


def test_a_customer_with_two_different_rows_is_refused():
    customers = pd.DataFrame(
        {"customer_id": ["ana", "ana", "bob", "bob"], "plan": ["pro", "free", "a", "a"]}
    )
    with pytest.raises(
        cj.DataError,
        match=r"customers: 1 ids have several rows that differ, for example 'ana'. Give one row a customer",
    ):
        cj.read_events(toy_events("ana: view@0h"), customers=customers)


def test_a_filtered_log_goes_when_nobody_holds_it():
    log = cj.read_events(toy_events("ana: view@0h buy@1h"))
    for _ in range(5):
        log.where(event="view")
    kept = log.where(event="buy")
    assert len(log.engine.rows("SELECT table_name FROM duckdb_tables() WHERE temporary")) <= 2
    assert kept.n_events == 1


def test_a_log_is_shown_by_its_counts_and_its_quality():
    log = cj.read_events(toy_events("ana: view@0h buy@1h"))
    assert repr(log) == "EventLog: 2 events of 1 customer"
    assert "2 events of 1 customer, 2024-01-01 to 2024-01-01 (UTC)" in log._repr_html_()
    assert "exact duplicate" in log._repr_html_()


# ---- options -----------------------------------------------------------------------------------------------------


def test_columns_are_renamed_at_the_door():
    rows = table([("ana", "view", UTC)]).rename(columns={"customer_id": "user", "timestamp": "ts"})
    assert cj.read_events(rows, columns={"user": "customer_id", "ts": "timestamp"}).n_events == 1


def test_needed_columns_that_are_missing_are_guessed_but_not_taken():
    with pytest.raises(cj.DataError) as stopped:
        cj.read_events(pd.DataFrame({"User ID": ["ana"], "activity": ["view"], "ts": [UTC]}))
    assert str(stopped.value) == (
        "source: there is no column 'customer_id', 'event', 'timestamp'. The columns are: 'User ID', 'activity', 'ts'. "
        "Did you mean columns={'User ID': 'customer_id', 'activity': 'event', 'ts': 'timestamp'}?"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"usr": "customer_id"}}, "columns: the source has no column 'usr'"),
        (
            {"columns": {"channel": "event"}},
            "columns: 'channel' cannot be called 'event': another column has that name",
        ),
        ({"columns": ["a"]}, "columns: must map the source's names to ours"),
        (
            {"timezone": "Europe/Berlni"},
            "timezone: must be the name of a time zone.* Did you mean 'Europe/Berlin'",
        ),
        ({"duplicates": "drop"}, "duplicates: must be one of 'quarantine', 'keep'. Got 'drop'"),
        (
            {"dates": "dayfirst"},
            "dates: must be one of 'day_first', 'month_first'.* Did you mean 'day_first'",
        ),
        ({"dates": "%d/%Q"}, "dates: '%d/%Q' is not a format of dates"),
        (
            {"quarantine_limit": 5},
            "quarantine_limit: must be a share from 0 to 1; 0.05 is one row in twenty. Got 5",
        ),
        ({"observed_until": "soon"}, "observed_until: must be a date or a time"),
        (
            {"table": "events"},
            r"table: 'events' needs a database to lie in: give its URL or engine as source. Got source=a DataFrame",
        ),
        (
            {"engine": object()},
            r"engine: the table is the source, as in read_events\('events', engine=engine\). Got source=a DataFrame",
        ),
        (
            {"only": "channel"},
            r"only: must be a list of columns, such as \['channel', 'value'\], or \[\] for none. Got 'channel'.",
        ),
        ({"only": ["chanel"]}, r"only: there is no column 'chanel'. Did you mean 'channel'\?"),
        (
            {"customers": pd.DataFrame({"id": [1]})},
            "customers: there is no column 'customer_id'. The columns are: 'id'",
        ),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options, message):
    rows = toy_events("ana: view@0h").assign(timestamp="2024-01-01 10:00")
    with pytest.raises(cj.CjlibError, match=message):
        cj.read_events(rows, **options)


def test_a_journey_reads_its_own_events():
    class Journey:
        def read_events(self, **options):
            return SimpleNamespace(given=options, unit=Unit())

    assert cj.read_events(Journey()).given == {}
    assert cj.read_events(
        Journey(), dates="day_first", quarantine_limit=0.2, duplicates="keep"
    ).given == {
        "dates": "day_first",
        "quarantine_limit": 0.2,
        "duplicates": "keep",
    }

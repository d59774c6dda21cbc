"""Calendar periods: every clock change, week start and leap year, and their SQL."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cjlib.errors import CjlibError
from cjlib.shared.periods import DAY, HOUR, PERIODS, anniversaries, calendar, zone_offsets

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Asia/Kathmandu",  # no clock changes, 45 minutes off the hour
    "Australia/Lord_Howe",  # changes by half an hour
    "America/Sao_Paulo",  # midnight did not exist on the first day of summer time
    "America/Havana",  # midnight comes twice on the last day of summer time
    "America/St_Johns",  # changed one minute past midnight until 2011
    "Africa/Cairo",  # changes at midnight again since 2023
    "Pacific/Apia",  # left out 30 December 2011
]


def us(text: str, zone: str = "UTC") -> int:
    return pd.Timestamp(text, tz=zone).value // 1000


def made(first: str, last: str, period: str, zone: str = "UTC", **options):
    return calendar(us(first, zone), us(last, zone), period, ZoneInfo(zone), **options)


def hours(periods) -> list[float]:
    return (np.diff(periods.starts) / HOUR).tolist()


def test_days_of_a_clock_change_are_23_and_25_hours_long():
    assert hours(made("2024-03-30", "2024-04-01", "day", "Europe/Berlin")) == [24, 23, 24]
    assert hours(made("2024-10-26", "2024-10-28", "day", "Europe/Berlin")) == [24, 25, 24]


def test_a_midnight_that_does_not_exist_starts_its_day_when_the_clock_resumes():
    days = made("2017-10-14", "2017-10-16", "day", "America/Sao_Paulo")
    assert hours(days) == [24, 23, 24]
    assert days.starts[1] == us("2017-10-15 01:00", "America/Sao_Paulo")
    assert days.labels.strftime("%m-%d %H:%M").tolist() == [
        "10-14 00:00",
        "10-15 00:00",
        "10-16 00:00",
    ]


def test_a_midnight_that_comes_twice_starts_its_day_the_first_time():
    days = made("2017-11-04", "2017-11-06", "day", "America/Havana")
    assert hours(days) == [24, 25, 24]
    first = pd.Timestamp("2017-11-05").tz_localize("America/Havana", ambiguous=True)
    assert days.starts[1] == first.value // 1000


def test_an_instant_after_midnight_stays_there_when_the_clock_goes_back_behind_it():
    # St John's, 7 November 2010: at 00:01 the clock went back to 23:01 of the day before.
    days = made("2010-11-06 12:00", "2010-11-08", "day", "America/St_Johns")
    second_23_30 = us("2010-11-07 03:00")
    assert (
        pd.Timestamp(second_23_30, unit="us", tz="UTC")
        .tz_convert("America/St_Johns")
        .strftime("%d %H:%M")
        == "06 23:30"
    )
    assert days.index(np.array([second_23_30])).tolist() == [1]
    assert (
        len(
            calendar(
                us("2010-11-06 12:00", "America/St_Johns"),
                second_23_30,
                "day",
                ZoneInfo("America/St_Johns"),
            )
        )
        == 2
    )


def test_a_day_that_a_zone_left_out_is_no_period():
    days = made("2011-12-29", "2011-12-31 12:00", "day", "Pacific/Apia")
    assert days.labels.strftime("%Y-%m-%d").tolist() == ["2011-12-29", "2011-12-31"]
    assert hours(days) == [24, 24]


def test_a_change_of_half_an_hour_makes_one_hour_short_and_one_long():
    assert sorted(set(hours(made("2024-10-05", "2024-10-07", "hour", "Australia/Lord_Howe")))) == [
        0.5,
        1,
    ]
    assert sorted(set(hours(made("2024-04-06", "2024-04-08", "hour", "Australia/Lord_Howe")))) == [
        1,
        1.5,
    ]


def test_an_hour_that_comes_twice_is_two_periods_with_one_name():
    labels = (
        made("2024-10-27", "2024-10-27 04:30", "hour", "Europe/Berlin")
        .labels.strftime("%H")
        .tolist()
    )
    assert labels == ["00", "01", "02", "02", "03", "04"]
    assert made("2024-03-31", "2024-03-31 04:30", "hour", "Europe/Berlin").labels.strftime(
        "%H"
    ).tolist() == ["00", "01", "03", "04"]


def test_hours_start_at_full_local_hours():
    assert made("2024-01-01 10:20", "2024-01-01 11:00", "hour", "Asia/Kathmandu").labels.strftime(
        "%H:%M"
    ).tolist() == ["10:00", "11:00"]


@pytest.mark.parametrize(
    ("week_start", "first"), [("monday", "2024-02-26"), ("sunday", "2024-02-25")]
)
def test_weeks_start_where_asked(week_start, first):
    weeks = made("2024-03-02", "2024-03-12", "week", "Europe/Berlin", week_start=week_start)
    assert weeks.labels[0] == pd.Timestamp(first)
    assert set(np.diff(weeks.labels) / np.timedelta64(1, "D")) == {7.0}


@pytest.mark.parametrize(
    ("day", "week_start", "start"),
    [
        ("2024-03-03", "monday", "2024-02-26"),
        ("2024-03-03", "sunday", "2024-03-03"),
        ("2024-03-04", "monday", "2024-03-04"),
    ],
)
def test_sunday_and_monday_belong_to_the_week_that_their_start_says(day, week_start, start):
    assert made(day, day, "week", week_start=week_start).labels.tolist() == [pd.Timestamp(start)]


def test_leap_years_have_their_day_also_in_centuries():
    assert hours(made("2024-02-01", "2024-02-29", "month")) == [29 * 24]
    assert hours(made("1900-02-01", "1900-02-28", "month")) == [28 * 24]
    assert hours(made("2000-02-01", "2000-02-29", "month")) == [29 * 24]
    assert hours(made("2023-06-01", "2024-06-01", "year")) == [365 * 24, 366 * 24]


def test_quarters_and_years_start_where_the_calendar_says():
    assert made("2024-05-15", "2024-10-01", "quarter").labels.strftime("%Y-%m-%d").tolist() == [
        "2024-04-01",
        "2024-07-01",
        "2024-10-01",
    ]
    assert made("2024-12-31 23:59", "2025-01-01", "year").labels.strftime("%Y").tolist() == [
        "2024",
        "2025",
    ]


def test_times_before_1970_fall_into_their_periods():
    days = made("1969-12-28", "1970-01-02", "day")
    assert days.labels[0] == pd.Timestamp("1969-12-28")
    assert days.index(np.array([-1, 0])).tolist() == [3, 4]
    assert made("1969-12-28", "1970-01-02", "week").labels.tolist() == [
        pd.Timestamp("1969-12-22"),
        pd.Timestamp("1969-12-29"),
    ]


def test_the_last_microsecond_belongs_to_the_period_before():
    days = made("2024-01-01", "2024-01-02", "day")
    assert days.index(np.array([us("2024-01-02") - 1, us("2024-01-02")])).tolist() == [0, 1]
    assert days.index(np.array([us("2023-12-31")])).tolist() == [-1]


@given(
    zone=st.sampled_from(ZONES),
    period=st.sampled_from(PERIODS),
    begin=st.integers(us("2007-01-01"), us("2024-12-01")),
    length=st.integers(0, 500),
    seed=st.integers(0, 99),
)
def test_every_instant_lies_in_one_period_and_sql_says_the_same(zone, period, begin, length, seed):
    span = length * (HOUR if period == "hour" else DAY)
    periods = calendar(begin, begin + span, period, ZoneInfo(zone))
    assert (np.diff(periods.starts) > 0).all()
    assert periods.starts[0] <= begin < periods.starts[1]
    assert periods.starts[-2] <= begin + span < periods.starts[-1]
    times = np.append(
        np.random.default_rng(seed).integers(begin, begin + span + 1, 50), periods.starts[1:-1]
    )
    times = np.append(times, periods.starts[1:-1] - 1)
    index = periods.index(times)
    assert ((periods.starts[index] <= times) & (times < periods.starts[index + 1])).all()
    with duckdb.connect() as engine:
        engine.register("given_times", pd.DataFrame({"t": times, "n": np.arange(times.size)}))
        found = engine.execute(
            f"SELECT {periods.index_sql()} AS p FROM given_times ORDER BY n"
        ).fetchnumpy()["p"]
    assert (found == index).all()


@given(
    zone=st.sampled_from(ZONES),
    moments=st.lists(st.integers(us("2008-01-01"), us("2024-12-01")), min_size=1, max_size=20),
)
def test_the_zone_is_followed_to_the_second(zone, moments):
    times = np.array(moments)
    local = (
        pd.DatetimeIndex(times.astype("datetime64[us]"))
        .tz_localize("UTC")
        .tz_convert(zone)
        .tz_localize(None)
        .asi8
    )
    offsets = zone_offsets(int(times.min()), int(times.max()), ZoneInfo(zone))
    assert (offsets.local(times) == local).all()
    # Back again: the first time the clock shows it.
    again = offsets.instant(offsets.local(times))
    assert (again <= times).all()
    assert (offsets.local(again) == local).all()


def after(text: str, months: int, zone: str = "UTC") -> str:
    start = us(text, zone)
    moved = anniversaries(
        np.array([start]), months, zone_offsets(start, start + 40 * months * DAY, ZoneInfo(zone))
    )
    return (
        pd.Timestamp(int(moved[0]), unit="us", tz="UTC").tz_convert(zone).strftime("%Y-%m-%d %H:%M")
    )


def test_anniversaries_keep_the_local_time_and_clamp_the_day():
    assert after("2023-01-31 10:00", 1) == "2023-02-28 10:00"
    assert after("2024-01-31 10:00", 1) == "2024-02-29 10:00"
    assert after("2024-01-31 10:00", 2) == "2024-03-31 10:00"
    assert after("2024-02-29 10:00", 12) == "2025-02-28 10:00"
    assert after("2024-03-15 12:00", 1, "Europe/Berlin") == "2024-04-15 12:00"


def test_an_anniversary_at_a_time_that_does_not_exist_is_when_the_clock_resumes():
    assert after("2024-02-29 02:30", 1, "Europe/Berlin") == "2024-03-29 02:30"
    assert after("2023-02-26 02:30", 1, "Europe/Berlin") == "2023-03-26 03:00"


def test_an_unknown_period_or_week_start_names_those_there_are():
    with pytest.raises(
        CjlibError,
        match=r"period: must be one of 'hour', 'day', 'week', 'month', 'quarter', 'year'\. Got 'weekly'\. Did you mean 'week'\?",
    ):
        calendar(0, DAY, "weekly", ZoneInfo("UTC"))
    with pytest.raises(
        CjlibError,
        match=r"week_start: must be one of 'monday', 'sunday'\. Got 'saturday'\. Did you mean 'sunday'\?",
    ):
        calendar(0, DAY, "week", ZoneInfo("UTC"), week_start="saturday")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("period", ["hour", "day", "month"])
def test_many_instants_are_looked_up_as_a_few_are(period: str, zone: str):
    first, last = us("2010-01-20"), us("2012-03-05")
    held = calendar(first, last, period, ZoneInfo(zone))
    times = np.random.default_rng(1).integers(first - 60 * DAY, last + 60 * DAY, 100_000)
    times = np.concatenate([times, held.starts, held.starts - 1])
    few = np.concatenate([held.index(part) for part in np.array_split(times, 5)])
    assert held.index(times).tolist() == few.tolist()

"""Which events are meant: every operator, on the prepared log and in portable SQL."""

from __future__ import annotations

import pandas as pd
import pytest
from conftest import toy_events
from hypothesis import given
from hypothesis import strategies as st

import cjlib as cj

ROWS = [
    ("ana", "view", "2024-01-01 10:00", "web", 1, 0.5, True, "Start"),
    ("ana", "cart", "2024-01-02 10:00", None, 2, None, False, "100%_off"),
    ("bob", "view", "2024-01-02 23:59:59.999999", "app", None, -1.5, None, None),
    ("bob", "buy", "2024-01-03 00:00", "it's", 2**60 + 1, 2.0, True, "end"),
    ("cyd", "view", "2024-01-04 10:00", "web", 3, 1e20, False, "ENDLESS"),
]
NAMES = ["customer_id", "event", "timestamp", "channel", "whole", "number", "truth", "start"]


@pytest.fixture(scope="module")
def log() -> cj.EventLog:
    return cj.read_events(
        frame(),
        timezone="UTC",
        customers=pd.DataFrame(
            {"customer_id": ["ana", "bob"], "plan": ["pro", None], "seats": [3, 10]}
        ),
    )


def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=NAMES).assign(
        whole=pd.array([row[4] for row in ROWS], dtype="Int64")
    )


def kept(log: cj.EventLog) -> list[int]:
    """The 1-based rows of ROWS that a log still has."""
    found = log.run(f"SELECT timestamp FROM {log.events_sql} ORDER BY timestamp")["timestamp"]
    by_time = {pd.Timestamp(row[2]): position for position, row in enumerate(ROWS, start=1)}
    assert len(found) == log.n_events
    return [by_time[time] for time in found]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({"channel": "web"}, [1, 5]),
        ({"channel": ["web", "it's"]}, [1, 4, 5]),
        ({"channel": {"web", "app"}}, [1, 3, 5]),
        ({"channel": []}, []),
        ({"channel": None}, [2]),
        ({"channel": ["web", None]}, [1, 2, 5]),
        ({"channel": {"not": "web"}}, [2, 3, 4]),
        ({"channel": {"not": ["web", "app"]}}, [2, 4]),
        ({"channel": {"not": None}}, [1, 3, 4, 5]),
        ({"channel": {"not": ["web", None]}}, [3, 4]),
        ({"channel": {"contains": "T'S"}}, [4]),
        ({"start": {"contains": "%_"}}, [2]),
        ({"start": {"contains": "end"}}, [4, 5]),
        ({"start": "Start"}, [1]),
        ({"channel": {"is_set": True}}, [1, 3, 4, 5]),
        ({"channel": {"is_set": False}}, [2]),
        ({"channel": {"min": "b", "max": "iz"}}, [4]),
        ({"whole": 2}, [2]),
        ({"whole": "2"}, [2]),
        ({"whole": 2**60 + 1}, [4]),
        ({"whole": 2**60}, []),
        ({"whole": {"min": 2}}, [2, 4, 5]),
        ({"whole": {"min": 2, "max": 3}}, [2, 5]),
        ({"whole": {"min": 1.5, "max": 2.5}}, [2]),
        ({"whole": {"not": 2}}, [1, 3, 4, 5]),
        ({"number": {"max": 0.5}}, [1, 3]),
        ({"number": {"min": float("-inf"), "max": float("inf")}}, [1, 3, 4, 5]),
        ({"number": 2}, [4]),
        ({"truth": True}, [1, 4]),
        ({"truth": "no"}, [2, 5]),
        ({"truth": {"not": True}}, [2, 3, 5]),
        ({"event": "view"}, [1, 3, 5]),
        ({"event": {"not": "view"}}, [2, 4]),
        ({"event": {"contains": "A"}}, [2]),
        ({"customer_id": ["ana", "cyd"]}, [1, 2, 5]),
        ({"timestamp": {"max": "2024-01-02"}}, [1, 2, 3]),
        ({"timestamp": {"min": "2024-01-02", "max": "2024-01-03 00:00"}}, [2, 3, 4]),
        ({"timestamp": "2024-01-03 00:00"}, [4]),
        ({"plan": "pro"}, [1, 2]),
        ({"plan": {"not": "pro"}}, [3, 4, 5]),
        ({"plan": None}, [3, 4, 5]),
        ({"seats": {"min": 4}}, [3, 4]),
        ({"channel": "web", "whole": {"min": 2}}, [5]),
        ({"channel": {"is_set": True, "not": "web"}}, [3, 4]),
    ],
)
def test_every_operator_keeps_the_rows_it_names(log, where, rows):
    assert kept(log.where(where)) == rows


def test_columns_may_be_keywords_and_a_mapping_together(log):
    assert kept(log.where({"start": ["Start", "ENDLESS"]}, channel="web", start="2024-01-02")) == [
        5
    ]


def test_both_bounds_are_included_and_a_date_means_to_the_end_of_that_day(log):
    cut = log.where(start="2024-01-02 10:00", end="2024-01-02")
    assert kept(cut) == [2, 3]
    assert cut.observed_until == pd.Timestamp("2024-01-02 23:59:59.999999", tz="UTC")
    assert log.where(event="view").observed_until == log.observed_until


def test_bounds_are_read_in_the_zone_of_the_business():
    log = cj.read_events(toy_events("ana: late@23h next@25h"), timezone="Europe/Berlin")
    assert log.where(end="2024-01-01").n_events == 0
    assert log.where(start="2024-01-02").n_events == 2
    assert log.where(start="2024-01-02 00:00+00:00").n_events == 1


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"chanel": "web"}, "there is no column 'chanel'. Did you mean 'channel'"),
        (
            {"channel": {"is": "web"}},
            "operator: must be one of 'not', 'contains', 'is_set', 'min', 'max'. Got 'is'",
        ),
        ({"channel": {}}, "operator: must be one of"),
        ({"channel": {"is_set": "yes"}}, "is_set takes True or False. Got 'yes'"),
        ({"whole": "many"}, "where whole: the column holds numbers. Got 'many'"),
        ({"whole": {"min": None}}, "min needs a value. Got None"),
        ({"truth": "maybe"}, "the column holds true and false. Got 'maybe'"),
        ({"timestamp": {"min": "yesterday"}}, "must be a date or a time, such as '2025-01-31'"),
        ({"timestamp": {"contains": "2024"}}, "contains looks into texts"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(log, where, message):
    with pytest.raises(cj.CjlibError, match=message.replace("(", r"\(")):
        log.where(where)


@pytest.mark.parametrize(
    "bound", ["today", "2025", "2025-01", "03/02/2025", 20250131, 1.5, "31.1.2025", pd.NaT]
)
def test_a_bound_is_a_full_date_that_can_be_read_one_way(log, bound):
    with pytest.raises(
        cj.CjlibError,
        match=r"start: must be a date or a time, such as '2025-01-31', '2025-01-31 18:00' or a datetime. Got ",
    ):
        log.where(start=bound)


VALUES = st.sampled_from(["web", "app", "", "it's", "é", None])
NUMBERS = st.sampled_from([None, -1, 0, 1, 2, 2**60])
ONE = {
    "channel": VALUES.filter(lambda text: text != ""),
    "whole": NUMBERS,
}


def conditions(column: str) -> st.SearchStrategy:
    value = ONE[column]
    present = value.filter(lambda one: one is not None)
    operators = {
        "not": value | st.lists(value, max_size=3),
        "is_set": st.booleans(),
        "min": present,
        "max": present,
    }
    operators |= {"contains": st.sampled_from(["E", "w", "'", "1"])}
    return (
        value
        | st.lists(value, max_size=3)
        | st.fixed_dictionaries({}, optional=operators).filter(bool)
    )


def holds(value, condition) -> bool:
    """One condition in plain Python, as the rules say it."""
    if not isinstance(condition, dict):
        return value in (condition if isinstance(condition, list) else [condition])
    tests = {
        "not": lambda unwanted: (
            value not in (unwanted if isinstance(unwanted, list) else [unwanted])
        ),
        "is_set": lambda wanted: (value is not None) == wanted,
        "contains": lambda text: value is not None and text.lower() in str(value).lower(),
        "min": lambda low: value is not None and value >= low,
        "max": lambda high: value is not None and value <= high,
    }
    return all(tests[operator](content) for operator, content in condition.items())


@given(
    rows=st.lists(st.tuples(VALUES, NUMBERS), min_size=1, max_size=12),
    where=st.fixed_dictionaries({"channel": conditions("channel"), "whole": conditions("whole")}),
)
def test_the_prepared_condition_the_portable_text_and_plain_python_agree(rows, where):
    table = pd.DataFrame(
        [
            ("c", "e", pd.Timestamp(position, unit="D"), channel, whole, position)
            for position, (channel, whole) in enumerate(rows)
        ],
        columns=["customer_id", "event", "timestamp", "channel", "whole", "position"],
    ).astype({"whole": "Int64", "channel": "str"})
    log = cj.read_events(table, timezone="UTC")
    expected = [
        position
        for position, (channel, whole) in enumerate(rows)
        if holds(channel or None, where["channel"]) and holds(whole, where["whole"])
    ]
    assert log.numbers("position", where=log.match(cj.Step(where=where))).tolist() == expected
    assert (
        log.run(
            f"SELECT position FROM events WHERE {log.portable(cj.Step(where=where))} ORDER BY 1"
        )["position"].tolist()
        == expected
    )


# ---- first_time ---------------------------------------------------------------------------------------------------

FIRSTS = "ana: view@0h(app) view@1h(web) view@2h(web) | bob: view@0h(web) view@0h(app) | cyd: buy@0h(web) view@5h(web)"


@pytest.mark.parametrize(
    ("step", "rows"),
    [
        (cj.Step("view", where={"channel": "web"}), 4),
        (cj.Step("view", where={"channel": "web"}, first_time=True), 3),
        (cj.Step("view", where={"channel": "web"}, first_time="event"), 2),
        (cj.Step("view", first_time=True), 4),
        (cj.Step(None, where={"channel": "web"}, first_time="event"), 2),
        (cj.Step(["view", "buy"], first_time=True), 4),
    ],
)
def test_the_first_time_is_of_the_whole_step_or_of_the_event(step, rows):
    log = cj.read_events(toy_events(FIRSTS))
    assert len(log.fetch("row", where=log.match(step))["row"]) == rows


def test_a_step_says_itself_in_words():
    step = cj.Step(
        ["view", "cart"], where={"channel": ["web"], "value": {"min": 3}}, first_time=True
    )
    assert str(step) == "first view or cart where channel in ['web'], value min 3"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cj.Step([]), "an empty list of events matches nothing"),
        (lambda: cj.Step([1]), r"event names must be text. Got \[1\]"),
        (
            lambda: cj.Step("view", first_time="once"),
            r"Step\(first_time=\): must be one of False, True, 'event'. Got 'once'",
        ),
    ],
)
def test_a_step_that_means_nothing_is_refused(make, message):
    with pytest.raises(cj.CjlibError, match=message):
        make()

"""Paths: which way they go, step by step and as whole journeys."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from conformance import cases, log_of
from conftest import toy_events
from hypothesis import given, settings
from hypothesis import strategies as st
from sequence_reference import links, walks
from test_sessions import ROWS, log_with_a_bot
from test_sessions import log_of as log_of_rows

import cjlib as cj
from cjlib.shared import repeated_rows

COLUMNS = [
    "step",
    "source",
    "target",
    "paths",
    "customers",
    "share_of_source",
    "share_of_source_low",
    "share_of_source_high",
    "median_seconds",
    "mean_seconds",
]


def found(table):
    return {(row.step, row.source, row.target): row.paths for row in table.itertuples()}


@pytest.mark.parametrize(
    "case",
    [case for case in cases("paths") if case["query"]["form"] == "links"],
    ids=lambda case: case["id"],
)
def test_worked_cases_of_other_tools(case):
    query, log = case["query"], log_of(case)
    log = log.where(event=query["only"]) if query.get("only") else log
    log = log.where(start=query["date_from"]) if query.get("date_from") else log
    gap = query.get("session_gap_seconds")
    table = cj.paths(
        log,
        start_event=query.get("start_point"),
        end_event=query.get("end_point"),
        max_steps=query.get("step_limit"),
        session_gap=None if gap is None else f"{gap}s",
        top=None,
    ).table
    named = {
        f"{row.step}_{row.source} -> {row.step + 1}_{row.target}": row for row in table.itertuples()
    }
    assert {key: row.paths for key, row in named.items()} == {
        f"{source} -> {target}": n for source, target, n in case["expect"]["links"]
    }
    for key, seconds in case["expect"].get("average_seconds", {}).items():
        assert named[key].mean_seconds == pytest.approx(seconds)


def test_repeats_collapse_a_pause_splits_and_a_link_runs_from_the_last_moment_to_the_first(toy_log):
    answer = cj.paths(toy_log("ana: A@0min A@1min B@3min C@40min"))
    assert list(answer.table) == COLUMNS
    assert answer.table.iloc[:, :5].values.tolist() == [[1, "A", "B", 1, 1]]
    assert answer.table["median_seconds"].tolist() == [120.0]
    assert list(answer.sequences) == [
        "path",
        "paths",
        "share_of_paths",
        "customers",
        "share_of_paths_low",
        "share_of_paths_high",
    ]
    assert answer.sequences.iloc[:, :4].values.tolist() == [["A → B", 1, 0.5, 1], ["C", 1, 0.5, 1]]
    assert (
        answer.table.dtypes.astype(str).tolist()
        == ["int64", "str", "str", "int64", "int64"] + ["float64"] * 5
    )


def test_paths_that_end_at_a_source_are_in_its_denominator(toy_log):
    table = cj.paths(toy_log("ana: A@0min B@1min | bob: A@0min | cyd: A@0min B@9min")).table
    assert table["share_of_source"].tolist() == [pytest.approx(2 / 3)]
    assert table["mean_seconds"].tolist() == [300.0]


def test_the_path_is_counted_not_the_customer(toy_log):
    table = cj.paths(toy_log("ana: A@0min B@1min A@90min B@91min")).table
    assert table[["paths", "customers"]].values.tolist() == [[2, 1]]


def test_kept_repeats_are_steps(toy_log):
    assert found(cj.paths(toy_log("ana: A@0min A@1min B@3min"), repeats="keep").table) == {
        (1, "A", "A"): 1,
        (2, "A", "B"): 1,
    }


def test_without_a_gap_a_customers_history_is_one_path(toy_log):
    assert cj.paths(toy_log("ana: A@0h B@9D"), session_gap=None).sequences["path"].tolist() == [
        "A → B"
    ]


def test_a_start_begins_at_its_first_occurrence_and_paths_without_it_are_left_out(toy_log):
    answer = cj.paths(toy_log("ana: X@0min A@1min B@2min A@3min | bob: B@0min"), start_event="A")
    assert answer.sequences["path"].tolist() == ["A → B → A"]
    assert answer.definition["start_event"] == "A: 1 of 2 paths do not have it and are left out."


def test_an_end_stops_at_its_first_occurrence_and_the_last_steps_up_to_it_are_kept(toy_log):
    answer = cj.paths(
        toy_log("ana: A@0min B@1min C@2min Z@3min C@4min Z@5min | bob: A@0min"),
        end_event="Z",
        max_steps=3,
    )
    assert found(answer.table) == {(1, "B", "C"): 1, (2, "C", "Z"): 1}
    assert answer.n_paths == 1


def test_without_an_end_the_first_steps_are_kept(toy_log):
    answer = cj.paths(toy_log("ana: A@0min B@1min C@2min D@3min"), max_steps=2)
    assert found(answer.table) == {(1, "A", "B"): 1}
    assert answer.definition["max_steps"] == "the first 2 of each path; 1 path is cut by it"


def test_the_end_comes_after_the_start(toy_log):
    answer = cj.paths(
        toy_log("ana: Z@0min A@1min Z@2min | bob: Z@0min A@1min"), start_event="A", end_event="Z"
    )
    assert answer.sequences["path"].tolist() == ["A → Z"]
    assert cj.paths(toy_log("ana: A@0min B@1min A@2min"), start_event="A", end_event="A").sequences[
        "path"
    ].tolist() == ["A → B → A"]


def test_a_step_with_conditions_begins_where_they_hold(toy_log):
    log = toy_log("ana: A@0min(web) B@1min A@2min(app) C@3min")
    assert cj.paths(log, start_event=cj.Step("A", where={"channel": "app"})).sequences[
        "path"
    ].tolist() == ["A → C"]
    assert cj.paths(log, start_event=["C", "B"]).sequences["path"].tolist() == ["B → A → C"]
    assert (
        cj.paths(
            log, start_event=cj.Step("A", where={"channel": "app"}, first_time="event")
        ).n_paths
        == 0
    )


def test_names_beyond_the_commonest_become_other_after_collapsing_and_totals_stay_whole(toy_log):
    log = toy_log("ana: A@0min B@1min C@2min A@3min | bob: A@0min")
    answer = cj.paths(log, top=1)
    assert found(answer.table) == {
        (1, "A", "(other)"): 1,
        (2, "(other)", "(other)"): 1,
        (3, "(other)", "A"): 1,
    }
    assert answer.table["share_of_source"].tolist()[0] == 0.5
    assert answer.table["paths"].sum() == cj.paths(log, top=None).table["paths"].sum()
    assert cj.paths(log, top=1, start_event="B").sequences["path"].tolist() == [
        "B → (other) → A"
    ], "a start keeps its name"


def test_equally_common_names_are_kept_by_name(toy_log):
    assert cj.paths(toy_log("ana: B@0min A@1min"), top=1).sequences["path"].tolist() == [
        "(other) → A"
    ]


def test_ties_stand_by_event_name(toy_log):
    assert cj.paths(toy_log("ana: B@0min A@0min")).sequences["path"].tolist() == ["A → B"]


def test_people_can_be_looked_into(toy_log):
    rows = cj.paths(toy_log("bob: A@0min B@3min | ana: A@0min A@1min C@90min")).customers()
    assert rows.drop(columns="start").values.tolist() == [
        ["ana", 60.0, 1, "A"],
        ["ana", 0.0, 1, "C"],
        ["bob", 180.0, 2, "A → B"],
    ]


def test_loops_are_events_that_come_again_after_another(toy_log):
    loops = cj.paths(
        toy_log("ana: A@0min A@1min B@3min A@4min B@6min | bob: A@0min C@1min | cyd: B@0min"),
        max_steps=2,
    ).loops()
    assert loops.table[["event", "paths", "customers", "returns"]].values.tolist() == [
        ["A", 1, 1, 1],
        ["B", 1, 1, 1],
    ]
    assert loops.table["share_of_paths_with_event"].tolist() == [0.5, 0.5]
    assert loops.table["median_seconds"].tolist() == [180.0, 180.0]
    assert loops.ways[["loop", "paths", "times"]].values.tolist() == [
        ["A → B → A", 1, 1],
        ["B → A → B", 1, 1],
    ]
    assert loops.metrics["share_of_paths_with_a_loop"]["value"] == pytest.approx(1 / 3)
    assert loops.headline == "Only 3 paths: too few to say what people return to."


def test_long_loops_are_shown_by_their_ends(toy_log):
    loops = cj.paths(toy_log("ana: A@0min B@1min C@2min D@3min E@4min F@5min A@6min")).loops()
    assert loops.ways["loop"].tolist() == ["A → … → A"]


def test_many_paths_have_a_headline_with_n_and_interval(toy_log):
    log = toy_log(
        " | ".join(
            [f"k{n}: A@0min B@1min A@2min" for n in range(30)]
            + [f"m{n}: A@0min C@1min" for n in range(10)]
        )
    )
    answer = cj.paths(log)
    assert (
        answer.headline
        == "The most common path is A → B → A: 75.0% (95% CI 59.8–85.8%) of 40 paths. Paths have 2.8 steps on average; 40 paths of 40 customers take 2 different routes."
    )
    assert answer.loops().headline == (
        "75.0% (95% CI 59.8–85.8%) of 40 paths return to an event they had left, most often to A: 75.0% of the paths that reach it come back to it."
    )
    assert (
        cj.paths(log, start_event="C").headline
        == "10 paths of 10 customers take the same route: fewer than 30 paths, too few to call one of them common."
    )
    none = cj.paths(log, start_event="a")
    assert none.headline == "No path meets these options (n = 0)."
    assert none.definition["start_event"].endswith("'a' never occurs in the log. Did you mean 'A'?")
    assert (
        cj.paths(toy_log(" | ".join(f"k{n}: A@0min" for n in range(30)))).loops().headline
        == "None of 30 paths returns to an event it had left."
    )


def test_an_empty_log_has_no_paths(toy_log):
    answer = cj.paths(toy_log("ana: A@0h").where(event="B"))
    assert answer.table.empty
    assert list(answer.table) == COLUMNS
    assert answer.customers().empty
    assert answer.loops().table.empty


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"max_steps": 0},
            r"max_steps: must be a whole number from 1 on, or None for no limit\. Got 0\.",
        ),
        (
            {"top": True},
            r"top: must be a whole number from 1 on, or None for no limit\. Got True\.",
        ),
        (
            {"repeats": "colapse"},
            r"repeats: must be one of 'collapse', 'keep'\. Got 'colapse'\. Did you mean 'collapse'\?",
        ),
        ({"session_gap": "30"}, r"session_gap: must be a duration with its unit"),
        ({"start_event": 3}, r"start_event: must be an event name, a list of names"),
    ],
)
def test_options_that_cannot_be_used_are_refused(toy_log, option, message):
    with pytest.raises(cj.CjlibError, match=message):
        cj.paths(toy_log("ana: A@0h"), **option)


def test_the_order_of_rows_changes_no_byte():
    frame = toy_events(
        "ana: A@0min B@0min(web) A@1min(app) | bob: B@0min(app) A@0min(web) C@1min | cyd: A@1min C@1min"
    )
    answers = []
    for seed in range(4):
        answer = cj.paths(cj.read_events(frame.sample(frac=1, random_state=seed)), top=2)
        answers.append(
            answer.table.to_csv() + answer.sequences.to_csv() + answer.loops().ways.to_csv()
        )
    assert len(set(answers)) == 1


OPTIONS = st.fixed_dictionaries(
    {
        "gap": st.sampled_from([None, 0, 20, 60]),
        "start": st.sampled_from([None, "a", "b"]),
        "end": st.sampled_from([None, "a", "c"]),
        "max_steps": st.sampled_from([None, 1, 2, 4]),
        "keep": st.booleans(),
    }
)


@given(ROWS.filter(bool), st.lists(OPTIONS, min_size=4, max_size=4), st.sampled_from([None, 1, 2]))
def test_paths_equal_those_of_plain_python_with_ties_and_their_statement(rows, several, top):
    log = log_of_rows(rows)
    common = (
        pd.Series([event for _, event, _ in rows])
        .value_counts()
        .sort_index(kind="stable")
        .sort_values(ascending=False, kind="stable")
        .index[:top]
    )
    for asked in several:
        answer = cj.paths(
            log,
            start_event=asked["start"],
            end_event=asked["end"],
            max_steps=asked["max_steps"],
            top=top,
            session_gap=None if asked["gap"] is None else f"{asked['gap']}s",
            repeats="keep" if asked["keep"] else "collapse",
        )
        expected = walks(rows, **asked)
        shown = set(common) | {asked["start"], asked["end"]}
        wanted = links(expected, shown)
        assert {
            (row.step, row.source, row.target): (row.paths, row.customers)
            for row in answer.table.itertuples()
        } == {key: value[:2] for key, value in wanted.items()}
        for row in answer.table.itertuples():
            _, _, part, median = wanted[row.step, row.source, row.target]
            assert (row.share_of_source, row.median_seconds) == (
                pytest.approx(part),
                pytest.approx(median),
            )
        people = answer.customers()
        assert list(zip(people["customer_id"], people["path"], strict=True)) == [
            (who, " → ".join(node[0] for node in nodes)) for who, nodes in expected
        ]
        whole = walks(rows, **(asked | {"max_steps": None}))
        names = [[node[0] for node in nodes] for _, nodes in whole]
        looped = sum(
            any(
                way[i] == way[j] and j - i > 1 and way[i] not in way[i + 1 : j]
                for i in range(len(way))
                for j in range(i + 1, len(way))
            )
            for way in names
        )
        assert answer.loops().metrics["share_of_paths_with_a_loop"]["value"] == (
            pytest.approx(looped / len(names)) if names else None
        )
        pd.testing.assert_frame_equal(
            log.run(answer.sql), answer.table.iloc[:, :5], check_dtype=False
        )


def test_paths_longer_than_any_packed_integer_are_told_apart(toy_log):
    log = toy_log(
        "ana: "
        + " ".join(f"{'AB'[n % 2]}@{n}min" for n in range(1500))
        + " | bob: "
        + " ".join(f"{'AB'[n % 2]}@{n}min" for n in range(1499))
    )
    answer = cj.paths(log, max_steps=None)
    assert answer.metrics["distinct_paths"]["value"] == 2
    same = toy_log(
        " | ".join(
            who + ": " + " ".join(f"{'AB'[n % 2]}@{n}min" for n in range(1500))
            for who in ("ana", "bob")
        )
    )
    assert cj.paths(same, max_steps=None).metrics["distinct_paths"]["value"] == 1


@pytest.mark.parametrize(
    ("names", "bots", "customers"), [(3, 6000, 700), (300, 2500, 1200), (4, 4000, 1)]
)
@pytest.mark.parametrize(
    "asked",
    [
        {"max_steps": 4},
        {"max_steps": None, "start": "e001"},
        {"max_steps": 3, "end": "e000", "keep": True},
    ],
)
def test_paths_of_a_log_longer_than_a_block_equal_those_of_plain_python(
    monkeypatch, names, bots, customers, asked
):
    monkeypatch.setattr("cjlib.shared.event_arrays.AT_ONCE", 2048)
    rows = log_with_a_bot(names, bots, customers, seed=1)
    given = {"gap": 60, "start": None, "end": None, "keep": False} | asked
    answer = cj.paths(
        log_of_rows(rows),
        start_event=given["start"],
        end_event=given["end"],
        max_steps=given["max_steps"],
        top=None,
        session_gap="60s",
        repeats="keep" if given["keep"] else "collapse",
    )
    expected = walks(rows, **given)
    wanted = links(expected)
    assert {
        (row.step, row.source, row.target): (row.paths, row.customers, row.median_seconds)
        for row in answer.table.itertuples()
    } == {key: (value[0], value[1], pytest.approx(value[3])) for key, value in wanted.items()}
    ways = Counter(" → ".join(node[0] for node in nodes) for _, nodes in expected)
    assert dict(zip(answer.sequences["path"], answer.sequences["paths"], strict=True)) == ways
    assert answer.n_paths == len(expected)
    assert answer.metrics["mean_steps"]["value"] == pytest.approx(
        np.mean([len(nodes) for _, nodes in walks(rows, **given | {"max_steps": None})])
    )
    assert answer.customers()["path"].tolist() == [
        " → ".join(node[0] for node in nodes) for _, nodes in expected
    ]


def test_rows_that_match_a_start_are_found_in_every_block(monkeypatch):
    rows = log_with_a_bot(3, 3000, 800, seed=2)
    log = log_of_rows(rows)
    start = cj.Step("e001", first_time=True)
    whole = cj.paths(log, start_event=start, session_gap="60s")
    monkeypatch.setattr("cjlib.shared.event_arrays.AT_ONCE", 2048)
    parts = cj.paths(log, start_event=start, session_gap="60s")
    assert 0 < whole.n_paths < log.n_customers + 1
    pd.testing.assert_frame_equal(parts.table, whole.table, check_exact=True)
    pd.testing.assert_frame_equal(parts.sequences, whole.sequences, check_exact=True)
    assert (parts.definition, parts.metrics) == (whole.definition, whole.metrics)


@settings(max_examples=15)
@given(ROWS.filter(bool))
def test_customers_on_a_path_from_a_to_b_are_the_funnels_converters(rows):
    # Every event at an instant of its own: a funnel may read tied events in any order, a path reads them by name.
    log = log_of_rows(
        [(who, event, 100 * position) for position, (who, event, _) in enumerate(rows)]
    )
    on_path = cj.paths(log, start_event="b", end_event="a", session_gap=None, max_steps=None)
    funnel = cj.funnel(log, ["b", "a"], window=None, entry="first")
    assert on_path.metrics["customers"]["value"] == funnel.table["customers"].iloc[-1]
    assert set(on_path.customers()["customer_id"]) == set(
        funnel.customers().query("steps_reached == 2")["customer_id"]
    )


def test_help_desk_tickets_take_the_published_ways(shared_data):
    raw = pd.read_csv(shared_data / "helpdesk_tickets" / "helpdesk_events.csv.gz", dtype="str")
    log = cj.read_events(
        raw, columns={"case_id": "customer_id"}, duplicates="keep", timezone="Europe/Rome"
    )
    answer = cj.paths(log, session_gap=None, max_steps=None, top=None, repeats="keep")
    assert answer.metrics["distinct_paths"]["value"] == 226
    assert answer.sequences.iloc[0, :4].tolist() == [
        "Assign seriousness → Take in charge ticket → Resolve ticket → Closed",
        2366,
        2366 / 4580,
        2366,
    ]


def test_loan_applications_take_the_published_ways_once_their_order_is_in_the_stamps(shared_data):
    raw = pd.read_csv(shared_data / "loan_applications" / "bpi2012_events.csv.gz", dtype="str")
    stamps = pd.to_datetime(raw["timestamp"], utc=True, format="ISO8601")
    # The file's order decides ties there; ours never reads it, so it is written into microseconds that the source leaves empty.
    ordered = stamps + pd.to_timedelta(raw.groupby("case_id").cumcount(), unit="us")
    frame = pd.DataFrame(
        {
            "customer_id": raw["case_id"],
            "event": raw["event"] + "+" + raw["lifecycle"],
            "timestamp": ordered,
        }
    )
    log = cj.read_events(frame, timezone="Europe/Amsterdam")
    answer = cj.paths(log, session_gap=None, max_steps=None, top=None, repeats="keep")
    assert answer.metrics["distinct_paths"]["value"] == 4366
    assert answer.metrics["paths"]["value"] == 13_087


def test_different_paths_are_counted_whole_and_what_is_cut_is_said(toy_log):
    log = toy_log(" | ".join(f"c{n}: a@0min b@1min a@2min {'cd'[n % 2]}@3min" for n in range(40)))
    answer = cj.paths(log, max_steps=2)
    assert answer.metrics["distinct_paths"]["value"] == 2
    assert len(answer.sequences) == 1
    assert answer.headline.startswith(
        "The most common path by its first 2 steps is a → b: 100.0% (95% CI 91.2–100.0%) of 40 paths. Paths have 4.0 steps"
    )


def test_times_of_whole_days_make_no_paths_of_half_an_hour(toy_log):
    log = toy_log(" | ".join(f"c{n}: a@{n}D b@{n + 1}D a@{n + 3}D" for n in range(40)))
    answer = cj.paths(log)
    assert answer.metrics["paths"]["value"] == 40
    assert (
        "times are whole days, too coarse for pauses of 30 minutes"
        in (answer.definition["session_gap"])
    )
    assert answer.loops().headline.startswith("100.0%")
    assert cj.transitions(log, session_gap="30min").table["source"].tolist()[0] == "(start)"
    assert not cj.sessions(log).answered
    assert "All times are whole days" in cj.sessions(log).headline
    assert cj.sessions(log, gap="2D").answered


def test_a_name_called_other_stays_apart_from_the_others(toy_log):
    events = toy_events("ana: a@0min a@2min b@3min c@4min").replace({"event": {"b": "(other)"}})
    answer = cj.paths(cj.read_events(events), top=1)
    assert set(answer.table["target"]) == {"((other))"}
    assert "our own marks are written ((other))" in answer.definition["warning"]


def test_intervals_measured_on_some_customers_are_about_those_of_all(monkeypatch):
    rng = np.random.default_rng(3)
    ways = ["ad-buy", "ad-ask-buy", "look"]
    text = " | ".join(
        f"c{one}: " + " ".join(
            f"{event}@{100 * visit + minute}min"
            for visit, way in enumerate(rng.choice(ways, 8, p=rng.dirichlet([0.7] * 3)))
            for minute, event in enumerate(way.split("-"))
        )
        for one in range(400)
    )  # fmt: skip
    log = cj.read_events(toy_events(text))
    whole = cj.paths(log, session_gap="30min").sequences
    monkeypatch.setattr(repeated_rows, "MEASURED", 800)
    monkeypatch.setattr(repeated_rows, "MEASURED_CUSTOMERS", 50)
    some = cj.paths(log, session_gap="30min")
    assert some.definition["interval"].endswith("one customer in 7")
    bounds = ["share_of_paths_low", "share_of_paths_high"]
    pd.testing.assert_frame_equal(some.sequences.drop(columns=bounds), whole.drop(columns=bounds))
    widths = [np.diff(each[bounds].to_numpy(), axis=1).ravel() for each in (some.sequences, whole)]
    assert widths[0] == pytest.approx(widths[1], rel=0.35)
    assert (widths[0] != widths[1]).all()

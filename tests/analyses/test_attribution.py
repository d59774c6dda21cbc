"""Attribution: who gets the credit, and what that does not mean."""

import numpy as np
import pandas as pd
import pytest
from conformance import cases, log_of
from conftest import toy_events
from hypothesis import given
from hypothesis import strategies as st
from sequence_reference import journeys, markov

import cjlib as cj
from cjlib.analyses.attribution.models import MODELS, chain_of, edge_counts, removal_with_memory
from cjlib.analyses.attribution.touch_journeys import types_of

WORKED = (
    " | ".join(f"k{n}: touch@0h(ads) touch@1h(mail) buy@2h" for n in range(3))
    + " | m: touch@0h(mail) buy@1h | n: touch@0h(ads) | o: touch@0h(ads)"
)
COLUMNS = [
    "channel",
    "touches",
    "journeys",
    "conversions",
    "share_of_conversions",
    "share_of_conversions_low",
    "share_of_conversions_high",
    "removal_effect",
]


def credit(log, model="linear", **options):
    table = cj.attribution(log, conversion="buy", model=model, replicates=0, **options).table
    return dict(zip(table["channel"], table["conversions"], strict=True))


@pytest.mark.parametrize("case", cases("attribution"), ids=lambda case: case["id"])
def test_worked_cases_of_other_tools(case):
    options = {name: case["query"][name] for name in ("lookback", "value") if name in case["query"]}
    answer = cj.attribution(
        log_of(case), conversion="purchase", model=case["query"]["model"], replicates=0, **options
    )
    table, expect = answer.table.set_index("channel"), case["expect"]
    tolerance = case.get("tolerance", 1e-6)
    for name, column in (
        ("credit", "conversions"),
        ("value", "value"),
        ("removal_effects", "removal_effect"),
    ):
        for channel, figure in expect.get(name, {}).items():
            assert table.loc[channel, column] == pytest.approx(
                figure, abs=tolerance * max(1, figure)
            )
    if "conversion_probability" in expect:
        assert answer.metrics["conversion_probability"]["value"] == pytest.approx(
            expect["conversion_probability"]
        )


def test_the_worked_example_under_the_chain(toy_log):
    answer = cj.attribution(toy_log(WORKED), conversion="buy")
    assert list(answer.table) == COLUMNS
    assert answer.metrics["conversion_probability"]["value"] == pytest.approx(2 / 3)
    assert answer.table[["channel", "touches", "journeys"]].values.tolist() == [
        ["mail", 4, 4],
        ["ads", 5, 3],
    ]
    assert answer.table["removal_effect"].tolist() == pytest.approx([1.0, 0.75])
    assert answer.table["conversions"].tolist() == pytest.approx([4 / 1.75, 3 / 1.75])


@pytest.mark.parametrize(
    ("model", "ads"),
    [
        ("first", 3),
        ("last", 0),
        ("last_non_direct", 0),
        ("linear", 1.5),
        ("position", 1.5),
        ("shapley", 1.5),
        ("time_decay", 3 * 2 ** (-1 / 168) / (1 + 2 ** (-1 / 168))),
    ],
)
def test_the_worked_example_under_every_rule(toy_log, model, ads):
    assert credit(toy_log(WORKED), model) == pytest.approx({"ads": ads, "mail": 4 - ads})


def test_position_gives_forty_twenty_forty(toy_log):
    log = toy_log("ana: t@0h(a) t@1h(b) t@2h(c) t@3h(d) buy@4h | bob: t@0h(e) buy@1h")
    assert credit(log, "position") == pytest.approx(
        {"a": 0.4, "b": 0.1, "c": 0.1, "d": 0.4, "e": 1.0}
    )


def test_last_non_direct_passes_over_direct_unless_all_are(toy_log):
    log = toy_log("ana: t@0h(mail) t@1h(direct) buy@2h | bob: t@0h(direct) buy@1h")
    assert credit(log, "last_non_direct") == {"direct": 1.0, "mail": 1.0}
    assert credit(log, "last_non_direct", direct="mail") == {"direct": 2.0, "mail": 0.0}
    assert credit(log, "last_non_direct", direct=["mail", "Direct"]) == {"direct": 2.0, "mail": 0.0}


def test_time_decay_halves_every_seven_days(toy_log):
    assert credit(toy_log("ana: t@0D(a) t@7D(b) buy@7D"), "time_decay") == pytest.approx(
        {"a": 1 / 3, "b": 2 / 3}
    )


def test_repeats_count_for_linear_but_not_for_shapley_or_the_first_order_chain(toy_log):
    log = toy_log("ana: t@0h(a) t@1h(a) t@2h(b) buy@3h | bob: t@0h(b) | cyd: t@0h(a)")
    once = toy_log("ana: t@0h(a) t@2h(b) buy@3h | bob: t@0h(b) | cyd: t@0h(a)")
    assert credit(log, "linear") == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    assert credit(log, "shapley") == {"a": 0.5, "b": 0.5}
    assert credit(log, "markov") == pytest.approx(credit(once, "markov"))


def test_a_touch_is_at_most_the_lookback_old_its_end_included(toy_log):
    log = toy_log("ana: t@0D(old) t@1D(edge) buy@31D")
    assert credit(log) == {"edge": 1.0, "old": 0.0}
    assert credit(log, lookback=None) == {"edge": 0.5, "old": 0.5}


def test_a_journey_begins_after_the_conversion_before(toy_log):
    log = toy_log("ana: t@0h(a) buy@1h t@2h(b) buy@3h t@4h(c)")
    assert credit(log) == {"a": 1.0, "b": 1.0, "c": 0.0}


def test_a_touch_at_the_instant_of_the_conversion_leads_to_it_and_to_the_first_of_two(toy_log):
    log = toy_log("ana: z@1h(a) buy@1h | bob: t@1h(b) buy@1h buy@2h")
    assert credit(log) == {"(none)": 1.0, "a": 1.0, "b": 1.0}


def test_tied_touches_stand_by_channel(toy_log):
    answer = cj.attribution(
        toy_log("ana: x@0h(b) y@0h(a) buy@1h"), conversion="buy", model="first", replicates=0
    )
    assert answer.table["conversions"].tolist() == [1.0, 0.0]
    assert "(2 touches share their instant)" in answer.definition["ties"]


def test_the_conversion_itself_is_no_touch(toy_log):
    assert credit(toy_log("ana: t@0h(a) buy@1h(shop)")) == {"a": 1.0}


def test_conversions_without_a_touch_are_listed_outside_the_model(toy_log):
    answer = cj.attribution(
        toy_log("ana: t@0h(a) buy@1h | bob: buy@1h | cyd: buy@1h"), conversion="buy", replicates=0
    )
    assert answer.table[["channel", "conversions", "share_of_conversions"]].values.tolist() == [
        ["(none)", 2.0, 2 / 3],
        ["a", 1.0, pytest.approx(1 / 3)],
    ]
    assert (
        answer.definition["(none)"]
        == "2 conversions without a touch are listed, outside the model; shares are of all conversions"
    )


def test_journeys_that_may_still_convert_count_as_without_and_are_named(toy_log):
    answer = cj.attribution(
        toy_log("ana: t@0D(a) buy@1D | bob: t@0D(a) | cyd: t@40D(a)"),
        conversion="buy",
        replicates=0,
    )
    assert answer.metrics["conversion_probability"]["value"] == pytest.approx(1 / 3)
    assert answer.definition["open journeys"].startswith("1 journeys without conversion")


def test_value_is_credited_and_sums_to_what_was_paid():
    frame = toy_events("ana: t@0h(a) t@1h(b) buy@2h | bob: t@0h(b) buy@1h | cyd: buy@0h").assign(
        amount=[None, None, 30.0, None, 12.0, 7.0]
    )
    for model in MODELS:
        table = cj.attribution(
            cj.read_events(frame), conversion="buy", value="amount", model=model, replicates=0
        ).table
        assert table["value"].sum() == pytest.approx(49.0), model
    table = cj.attribution(
        cj.read_events(frame), conversion="buy", value="amount", model="linear", replicates=0
    ).table
    assert dict(zip(table["channel"], table["value"], strict=True)) == {
        "b": 27.0,
        "a": 15.0,
        "(none)": 7.0,
    }


def test_costs_give_a_cost_per_conversion_with_its_interval(toy_log):
    log = toy_log(
        " | ".join(f"k{n}: t@0h(ads) buy@1h" for n in range(40)) + " | m: t@0h(mail) buy@1h"
    )
    answer = cj.attribution(log, conversion="buy", model="last", costs={"ads": 400.0, "mial": 1})
    table = answer.table.set_index("channel")
    assert table.loc["ads", ["cost", "cost_per_conversion"]].tolist() == [400.0, 10.0]
    assert (
        table.loc["ads", "cost_per_conversion_low"]
        <= 10.0
        <= table.loc["ads", "cost_per_conversion_high"]
    )
    assert pd.isna(table.loc["mail", "cost_per_conversion"])
    assert answer.definition["costs"] == "'mial' has no touch. Did you mean 'mail'?"


def test_all_models_stand_side_by_side(toy_log):
    answer = cj.attribution(toy_log(WORKED), conversion="buy", replicates=0)
    both = answer.compare()
    assert list(both.table) == ["model", *COLUMNS]
    assert both.table["model"].unique().tolist() == list(MODELS)
    assert both.table.groupby("model")["conversions"].sum().tolist() == pytest.approx([4.0] * 8)
    assert answer.compare(["last", "first"]).table["model"].unique().tolist() == ["last", "first"]
    with pytest.raises(
        cj.CjlibError,
        match=r"models: must name at least one of first, last, .* Got an empty list\.",
    ):
        answer.compare([])


def test_the_headline_gives_share_n_and_interval_and_denies_a_cause(toy_log):
    log = toy_log(
        " | ".join(f"k{n}: t@0h(ads) buy@1h" for n in range(30))
        + " | "
        + " | ".join(f"m{n}: t@0h(mail) buy@1h" for n in range(10))
        + " | z: buy@0h"
    )
    answer = cj.attribution(log, conversion="buy", model="last")
    low, high = answer.table.loc[0, ["share_of_conversions_low", "share_of_conversions_high"]]
    assert answer.headline == (
        f"ads gets the most credit: 73.2% of 41 conversions (95% CI {low * 100:.1f}–{high * 100:.1f}%), by the last-touch model. 1 conversion had no touch. "
        "Association, not causation."
    )
    # The share of 41 coin throws at 73%: about ± 14 points.
    assert 0.55 < low < 0.66
    assert 0.8 < high < 0.9
    assert answer.compare(["first", "last"]).headline.startswith(
        "All models agree: ads gets 73.2% of 41 conversions. Association"
    )
    decided = toy_log(" | ".join(f"k{n}: t@0h(ads) t@1h(mail) buy@2h" for n in range(30)))
    compared = cj.attribution(decided, conversion="buy", model="last", replicates=0).compare(
        ["first", "linear", "last"]
    )
    assert compared.headline.startswith(
        "The model decides most for ads (and as much for mail): 0.0% of 30 conversions under last, 100.0% under first. Association"
    )


def test_few_or_no_conversions_are_no_finding(toy_log):
    assert cj.attribution(toy_log(WORKED), conversion="buy").headline.startswith(
        "Only 4 conversions: too few to say which channel gets the credit."
    )
    none = cj.attribution(toy_log("ana: buy@0h | bob: t@0h(a)"), conversion="buy")
    assert none.headline == "None of 1 conversion has a touch before it, so no channel gets credit."
    nothing = cj.attribution(toy_log("ana: t@0h(a)"), conversion="by")
    assert nothing.table["conversions"].tolist() == [0.0]
    assert nothing.table["share_of_conversions"].isna().all()
    assert "'by' never occurs in the log." in nothing.definition["conversion"]
    assert cj.attribution(toy_log("ana: t@0h(a)").where(event="x"), conversion="buy").table.empty


def test_journeys_can_be_looked_into(toy_log):
    rows = cj.attribution(
        toy_log("bob: t@0h(a) | ana: t@0h(b) t@1h(a) buy@2h"), conversion="buy", replicates=0
    ).customers()
    assert rows.values.tolist() == [["ana", "b → a", 2, True, 0.0], ["bob", "a", 1, False, 0.0]]


def test_the_same_seed_gives_the_same_interval_and_another_seed_another(toy_log):
    log = toy_log(
        " | ".join(f"k{n}: t@0h({'abcd'[n % 4]}) t@{n + 1}h(mail) buy@90h" for n in range(31))
    )
    one, same, other = (
        cj.attribution(log, conversion="buy", model="time_decay", seed=seed).table
        for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"model": "markow"}, r"model: must be one of .*Got 'markow'\. Did you mean 'markov'\?"),
        ({"channel": "chanel"}, r"channel: there is no column 'chanel'\. Did you mean 'channel'\?"),
        ({"order": 4}, r"order: must be one of 1, 2, 3\. Got 4\."),
        (
            {"replicates": -1},
            r"replicates: must be a whole number from 0 \(no intervals\) on\. Got -1\.",
        ),
        ({"lookback": 30}, r"lookback: must be a duration with its unit"),
        (
            {"costs": {"a": -1}},
            r"costs: must be a number from 0 on for each channel\. Got -1 for 'a'\.",
        ),
        ({"value": "channel"}, r"value: must name a column of numbers"),
    ],
)
def test_options_that_cannot_be_used_are_refused(toy_log, option, message):
    with pytest.raises(cj.CjlibError, match=message):
        cj.attribution(toy_log("ana: t@0h(a) buy@1h"), conversion="buy", **option)


def test_the_statement_gives_the_same_touches_and_journeys(toy_log):
    log = toy_log("ana: t@0D(a) z@1D(b) buy@1D t@2D(a) buy@40D | bob: t@0h(a)")
    answer = cj.attribution(log, conversion="buy", replicates=0)
    run = log.run(answer.sql).set_index("channel")
    both = (
        answer.table.loc[answer.table["channel"] != "(none)"]
        .set_index("channel")
        .sort_index()[["touches", "journeys"]]
    )
    pd.testing.assert_frame_equal(run, both, check_names=False)


TOUCHES = st.lists(
    st.tuples(
        st.sampled_from("pqrstuvw"),
        st.sampled_from([None, "a", "b", "c"]),
        st.integers(0, 8).map(lambda n: n * 10),
    ),
    min_size=1,
    max_size=60,
)


@given(TOUCHES, st.sampled_from([None, 0, 20, 40]), st.integers(1, 3))
def test_credit_equals_that_of_plain_python_with_ties_under_every_model(rows, lookback, order):
    frame = pd.DataFrame(rows, columns=["customer_id", "channel", "second"]).astype(
        {"customer_id": "str", "channel": "str"}
    )
    frame = frame.assign(
        event=frame["channel"].isna().map({True: "buy", False: "touch"}).astype("str"),
        timestamp=pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(frame["second"], unit="s"),
    )
    log = cj.read_events(frame.assign(row=range(len(frame))).drop(columns="second"))
    converting, without, untouched = journeys(rows, lookback)
    answer = cj.attribution(
        log,
        conversion="buy",
        lookback=None if lookback is None else f"{lookback}s",
        replicates=0,
        order=order,
    )
    table = answer.compare().table.set_index(["model", "channel"])["conversions"]
    assert answer.metrics["conversions"]["value"] == len(converting) + untouched
    names = {channel for way in converting + without for channel in way}
    effects = markov(converting, without, order)
    total = sum(effects.values())
    for name in names:
        assert table["first", name] == sum(way[0] == name for way in converting)
        assert table["last", name] == sum(way[-1] == name for way in converting)
        assert table["linear", name] == pytest.approx(
            sum(way.count(name) / len(way) for way in converting)
        )
        assert table["shapley", name] == pytest.approx(
            sum((name in way) / len(set(way)) for way in converting)
        )
        assert table["markov", name] == pytest.approx(
            effects[name] / total * len(converting) if total else 0.0, abs=1e-7
        )
    if untouched:
        assert table["markov", "(none)"] == untouched
    credited = table.groupby("model").sum()
    assert credited.tolist() == pytest.approx([len(converting) + untouched] * len(credited))


def test_the_interval_of_a_chain_with_memory_is_solved_as_exactly_as_its_centre(toy_log):
    """The centre is solved directly, resamples by iteration from a chain nearby."""
    log = toy_log(" | ".join(f"k{n}: t@0h(a) t@1h(b) t@2h(a) buy@3h" for n in range(9)))
    given = cj.attribution(log, conversion="buy", replicates=0).journeys
    types = types_of(given, by_age=False)
    for order in (2, 3):
        chain = chain_of(given, types, order)
        counts = edge_counts(chain, np.array([9.0]), np.array([3.0]))
        direct, near = removal_with_memory(chain, counts)
        again, _ = removal_with_memory(chain, counts, near=near * 0.9)
        assert again.effects == pytest.approx(direct.effects, abs=1e-8)


def test_paths_already_added_up_give_the_same_as_their_log(toy_log):
    frame = pd.DataFrame(
        {
            "path": ["ads > mail", "mail", "ads", ""],
            "conversions": [3, 1, 0, 2],
            "nulls": [0, 0, 2, 0],
        }
    )
    answer = cj.attribution_paths(frame, nulls="nulls", replicates=0)
    expected = cj.attribution(
        toy_log(WORKED + " | x: buy@0h | y: buy@0h"), conversion="buy", replicates=0
    )
    pd.testing.assert_frame_equal(answer.table, expected.table)
    assert answer.compare().table["model"].nunique() == 7, "time decay needs times"


def test_paths_already_added_up_are_checked(toy_log):
    frame = pd.DataFrame({"path": ["a"], "conversions": [1], "worth": ["x"]})
    with pytest.raises(
        cj.CjlibError, match=r"path: there is no column 'paths'\. Did you mean 'path'\?"
    ):
        cj.attribution_paths(frame, path="paths")
    with pytest.raises(
        cj.CjlibError, match=r"value: column 'worth' must hold numbers; 1 rows do not\."
    ):
        cj.attribution_paths(frame, value="worth")
    with pytest.raises(
        cj.CjlibError,
        match=r"conversions: must hold whole numbers from 0 on\. Got -1\.0 as the smallest\.",
    ):
        cj.attribution_paths(frame.assign(conversions=-1))
    with pytest.raises(cj.CjlibError, match=r"model: 'time_decay' needs the times of touches"):
        cj.attribution_paths(frame, model="time_decay")
    with pytest.raises(cj.CjlibError, match=r"separator: must hold a character that is not blank"):
        cj.attribution_paths(frame, separator=" ")
    with pytest.raises(
        cj.CjlibError, match=r"customers: paths already added up name no customers\."
    ):
        cj.attribution_paths(frame).customers()


def test_the_order_of_rows_changes_no_byte():
    frame = toy_events(WORKED + " | p: x@0h(b) y@0h(a) buy@1h")
    answers = {
        cj.attribution(cj.read_events(frame.sample(frac=1, random_state=seed)), conversion="buy")
        .compare()
        .table.to_csv()
        for seed in range(4)
    }
    assert len(answers) == 1


def test_public_channel_paths_sum_to_the_published_touches(shared_data):
    frame = pd.read_csv(shared_data / "channel_paths" / "channel_paths.csv.gz")
    columns = {
        "conversions": "total_conversions",
        "value": "total_conversion_value",
        "nulls": "total_null",
    }
    answer = cj.attribution_paths(frame, **columns, replicates=0)
    assert answer.table["conversions"].sum() == pytest.approx(19_785)
    assert answer.table["value"].sum() == pytest.approx(74_802.97, abs=0.005)
    assert answer.metrics["conversion_probability"]["value"] == pytest.approx(
        19_785 / (19_785 + 68_602), abs=1e-9
    ), "a chain of order 1 keeps the share that converts"
    both = answer.compare(["first", "last"]).table.set_index(["model", "channel"])["conversions"]
    assert both["first"].head(4).to_dict() == {
        "alpha": 6308,
        "iota": 4606,
        "eta": 3164,
        "beta": 2831,
    }
    assert both["last"].head(3).to_dict() == {"alpha": 8447, "eta": 4167, "iota": 3355}
    assert both["last", "lambda"] == 1207


def test_a_channel_called_none_is_not_the_conversions_without_a_touch():
    rows = [("ana", "t", "(none)"), ("ana", "buy", None), ("bob", "buy", None)]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "channel"])
    stamps = pd.date_range("2025-01-01", periods=3, tz="UTC")
    answer = cj.attribution(
        cj.read_events(frame.assign(timestamp=stamps)), conversion="buy", model="last", replicates=0
    )
    credits = answer.table.set_index("channel")["conversions"].to_dict()
    assert credits == {"(none)": 1.0, "((none))": 1.0}
    assert "share_(none)" in answer.metrics


def test_one_customer_has_no_interval(toy_log):
    log = toy_log("ana: x@0h(a) y@1h(b) buy@2h")
    table = cj.attribution(log, conversion="buy", model="linear").table
    assert table["share_of_conversions_low"].isna().all()


def test_channels_that_get_as_much_by_all_models_are_all_named():
    rows = [f"c{k}: {'ad' if k % 2 else 'mail'}@0h buy@1h" for k in range(60)]
    events = toy_events(" | ".join(rows))
    events["channel"] = events["event"].where(events["event"] != "buy")
    found = cj.attribution(cj.read_events(events), conversion="buy", model="linear").compare()
    assert found.headline.startswith(
        "All models agree: ad and mail get 50.0% each of 60 conversions"
    )


def test_credit_that_may_differ_by_chance_is_not_called_as_much():
    rows = [f"c{k}: {'ad' if k % 5 < 3 else 'mail'}@0h buy@1h" for k in range(60)]
    events = toy_events(" | ".join(rows))
    events["channel"] = events["event"].where(events["event"] != "buy")
    found = cj.attribution(cj.read_events(events), conversion="buy", model="linear")
    assert found.headline.startswith(
        "No channel leads significantly: ad gets 60.0% and mail 40.0% of 60 conversions"
    )


def test_an_only_channel_does_not_get_the_most_credit(toy_log):
    """One channel "gets the most credit: 100.0% (95% CI 100.0–100.0%)", though nothing else could get any."""
    log = toy_log(" | ".join(f"k{n}: t@0h(ads) buy@1h" for n in range(40)) + " | z: buy@0h")
    assert cj.attribution(log, conversion="buy").headline == (
        "ads is the only channel: 40 conversions of 41 had a touch of it, and there is no other to compare it with. "
        "1 conversion had no touch. Association, not causation."
    )


def test_one_channel_leaves_models_nothing_to_agree_on_and_no_interval(toy_log):
    """The comparison said "All models agree: ads gets 100.0%", with intervals from 100% to 100%."""
    log = toy_log(" | ".join(f"k{n}: t@0h(ads) buy@1h" for n in range(40)))
    compared = cj.attribution(log, conversion="buy").compare()
    assert compared.headline.startswith("ads is the only channel: 40 conversions of 40")
    assert (
        compared.table[["share_of_conversions_low", "share_of_conversions_high"]]
        .isna()
        .all(axis=None)
    )


def test_one_model_is_told_as_that_model_and_agrees_with_nobody(toy_log):
    log = toy_log(" | ".join(f"k{n}: t@0h({'ads' if n % 5 else 'mail'}) buy@1h" for n in range(60)))
    answer = cj.attribution(log, conversion="buy", model="markov")
    assert answer.compare(["last"]).headline.startswith("ads gets the most credit: 80.0%")
    assert answer.compare(["last"]).headline.endswith("by the last-touch model. Association, not causation.")  # fmt: skip


def test_conversions_of_a_few_customers_are_too_few_however_many(toy_log):
    log = toy_log(
        " | ".join(
            f"k{n}: " + " ".join(f"t@{2 * i}h(ads) buy@{2 * i + 1}h" for i in range(20)) + " t@90h(mail) buy@91h"
            for n in range(4)
        )
    )  # fmt: skip
    answer = cj.attribution(log, conversion="buy", model="last")
    assert answer.headline.startswith("Only 84 conversions of 4 customers: too few to say")
    assert answer.compare().headline == answer.headline


def test_without_resamples_no_channel_is_said_to_lead(toy_log):
    """Of two channels that get 16 and 14 conversions by chance one "gets the most credit"."""
    log = toy_log(" | ".join(f"k{n}: t@0h({'a' if n < 16 else 'b'}) buy@1h" for n in range(30)))
    told = cj.attribution(log, conversion="buy", model="last", replicates=0).headline
    assert told == (
        "a gets 53.3% and b 46.7% of 30 conversions, by the last-touch model; without resamples nothing says whether that is a lead. "
        "Association, not causation."
    )
    nobody = cj.attribution(toy_log("ana: t@0h(a)"), conversion="buy")
    assert nobody.headline == "There is no conversion, so no channel gets credit."

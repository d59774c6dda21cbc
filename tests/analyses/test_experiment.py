"""Experiments: who is in which arm, what counts, how sure it is, and that looking every day misleads nobody."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.analyses.experiment.estimates import always_valid

START = pd.Timestamp("2025-03-01", tz="UTC")
CONVERSION = cj.Measure("conversion", "buy")
REVENUE = cj.Measure("revenue", "buy", kind="sum", value="value")


def day(number) -> pd.Timestamp | pd.DatetimeIndex:
    return START + pd.to_timedelta(number, unit="D")


def log_of(rows, until=30):
    """Rows of (customer, event, day, variant, value)."""
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day", "variant", "value"])
    frame["timestamp"] = day(frame.pop("day"))
    return cj.read_events(frame.astype({"variant": "str"}), observed_until=day(until))


def read(log, measures=(CONVERSION,), **options):
    options = {"window": "7D", "control": "old"} | options
    return cj.experiment(log, exposure="seen", variant="variant", measures=measures, **options)


def exposed(arm, count, first=0):
    return [(f"{arm}{k}", "seen", first, arm, None) for k in range(count)]


def bought(arm, count, after=1, value=10.0):
    return [(f"{arm}{k}", "buy", after, None, value) for k in range(count)]


def world_events(seed=0, customers=2_000, lift=0.0, days=40):
    """Everybody is exposed on some day; a fifth buys within ten days; tastes differ much and show before the exposure."""
    rng = np.random.default_rng(seed)
    at, treated = rng.uniform(0, days, customers), rng.random(customers) < 0.5
    ids = np.arange(customers).astype(str)
    taste = rng.lognormal(2, 1, customers)
    buys = rng.random(customers) < 0.2 + lift * treated
    before = rng.random(customers) < 0.8
    seen = {"customer_id": ids, "event": "seen", "timestamp": day(at)}
    after = {"event": "buy", "timestamp": day((at + rng.uniform(0, 10, customers))[buys])}
    early = {"event": "buy", "timestamp": day((at - rng.uniform(0, 13, customers))[before])}
    parts = [
        pd.DataFrame(seen | {"variant": np.where(treated, "new", "old")}),
        pd.DataFrame(after | {"customer_id": ids[buys], "value": taste[buys]}),
        pd.DataFrame(early | {"customer_id": ids[before], "value": taste[before]}),
    ]
    return pd.concat(parts, ignore_index=True)


def world(**options):
    return cj.read_events(world_events(**options), observed_until=day(40))


def test_the_first_exposure_decides_and_who_saw_both_arms_is_in_none():
    rows = exposed("old", 40) + exposed("new", 40) + bought("new", 20)
    rows += [("both", "seen", 0, "old", None), ("both", "seen", 1, "new", None)]
    rows += [("none", "seen", 0, None, None), ("new1", "seen", 2, "new", None)]
    result = read(log_of(rows))
    assert result.arms["customers"].tolist() == [40, 40]
    assert result.table[["value", "control_value"]].to_numpy().tolist() == [[0.5, 0.0]]
    assert "1 customer seen in several arms, 1 without a variant" in result.definition["arms"]


def test_the_window_begins_at_the_exposure_and_holds_its_ends():
    rows = exposed("old", 40, first=1) + exposed("new", 40, first=1)
    rows += [("new0", "buy", 0.99, None, 1.0), ("new1", "buy", 1, None, 1.0)]
    rows += [("new2", "buy", 8, None, 1.0), ("new3", "buy", 8.01, None, 1.0)]
    assert read(log_of(rows)).table["value"].tolist() == [2 / 40]


def test_who_has_not_been_followed_for_the_whole_window_stands_in_no_arm():
    rows = exposed("old", 40) + exposed("new", 40)
    rows += [("late", "seen", 24, "new", None), ("late", "buy", 25, None, 1.0)]
    result = read(log_of(rows, until=30))
    assert result.arms["customers"].tolist() == [40, 40]
    assert result.arms["exposed"].tolist() == [40, 41]
    assert result.headline.endswith("1 customer not yet followed for 7 days left out.")


def test_arms_of_other_sizes_than_planned_are_not_read():
    rows = exposed("old", 400) + exposed("new", 280) + bought("new", 200)
    result = read(log_of(rows))
    assert result.verdict == {"new": "not readable"}
    assert result.headline.startswith(
        "No verdict: the arms are not of the planned sizes: 400 in old (340 planned), 280 in new"
    )
    assert result.findings == []
    planned = read(log_of(rows), planned_shares={"old": 400, "new": 280})
    assert planned.verdict == {"new": "better"}


def test_a_fixed_plan_gives_no_verdict_before_its_customers_have_been_followed():
    rows = exposed("old", 100) + exposed("new", 100) + bought("new", 60)
    early = read(log_of(rows), stop="fixed", planned_customers=500)
    assert early.headline == (
        "Too early to judge “new”: 100 of 500 planned customers of the smaller arm have been followed."
    )
    assert read(log_of(rows), stop="fixed", planned_customers=100).verdict == {"new": "better"}


def test_a_guardrail_that_became_worse_outweighs_a_better_decision():
    refunds = cj.Measure("refunds", "refund", better="lower", role="guardrail")
    rows = exposed("old", 200) + exposed("new", 200) + bought("new", 120)
    rows += [(f"new{k}", "refund", 2, None, None) for k in range(80)]
    result = read(log_of(rows), measures=[CONVERSION, refunds])
    assert result.verdict == {"new": "worse"}
    assert result.headline.startswith("“new” is worse than control: refunds 40.0% against 0.0%")


def test_a_share_has_newcombes_interval_and_the_pooled_z_test():
    rows = exposed("old", 80) + exposed("new", 70) + bought("new", 56) + bought("old", 48)
    row = read(log_of(rows)).table.iloc[0]
    # Newcombe (1998), table II (a), method 10: 56/70 − 48/80.
    bounds = [row["difference_low"], row["difference_high"]]
    assert np.round(bounds, 4).tolist() == [0.0524, 0.3339]
    assert row["p_value"] == pytest.approx(0.0080, abs=1e-4)


def test_means_and_ratios_are_those_of_tea_tasting_on_one_row_a_customer():
    import tea_tasting as tt

    log = world(lift=0.05)
    ratio = cj.Measure("order value", "buy", kind="ratio", value="value")
    table = read(log, measures=[REVENUE, ratio], window="10D").table
    events = world_events(lift=0.05)
    seen = events[events["event"] == "seen"].set_index("customer_id")
    buys = events[events["event"] == "buy"].join(
        seen[["timestamp"]].rename(columns={"timestamp": "at"}), on="customer_id"
    )
    elapsed = (buys["timestamp"] - buys["at"]).dt.total_seconds() / 86_400
    inside, earlier = buys[elapsed.between(0, 10)], buys[(elapsed >= -10) & (elapsed < 0)]
    frame = seen[["variant"]].copy()
    for name, part in (("", inside), ("_before", earlier)):
        grouped = part.groupby("customer_id")["value"]
        frame[f"value{name}"] = grouped.sum().reindex(frame.index).fillna(0.0)
        frame[f"orders{name}"] = grouped.size().reindex(frame.index).fillna(0.0)
    frame = frame[seen["timestamp"] + pd.Timedelta("10D") <= day(40)].reset_index()
    found = tt.Experiment(
        revenue=tt.Mean("value", "value_before", use_t=False),
        ratio=tt.RatioOfMeans("value", "orders", "value_before", "orders_before", use_t=False),
    ).analyze(frame, control="old")
    for row, name in zip(table.to_dict("records"), ("revenue", "ratio"), strict=True):
        theirs = found[name]
        assert row["difference"] == pytest.approx(theirs.effect_size, rel=1e-9)
        assert row["difference_low"] == pytest.approx(theirs.effect_size_ci_lower, rel=1e-9)
        assert row["p_value"] == pytest.approx(theirs.pvalue, rel=1e-9)


def test_what_customers_differed_in_before_is_taken_out():
    with_it, without = (
        read(world(), measures=[REVENUE], window="10D", cuped=cuped).table.iloc[0]
        for cuped in (True, False)
    )
    width = with_it["difference_high"] - with_it["difference_low"]
    plain = without["difference_high"] - without["difference_low"]
    assert width < plain
    assert with_it["variance_removed"] == pytest.approx(1 - (width / plain) ** 2)
    assert without["variance_removed"] == 0


def test_whoever_looks_every_day_is_misled_in_at_most_one_of_twenty():
    rng = np.random.default_rng(0)
    misled = 0
    for _ in range(200):
        arms = rng.lognormal(0, 1.5, (2, 40, 50))
        looks = np.arange(50, 2_001, 50)
        means = arms.reshape(2, -1).cumsum(axis=1)[:, looks - 1] / looks
        squares = (arms.reshape(2, -1) ** 2).cumsum(axis=1)[:, looks - 1] / looks
        error = np.sqrt(((squares - means**2) / looks).sum(axis=0))
        intervals = [
            always_valid(d, e, error[-1]) for d, e in zip(means[1] - means[0], error, strict=True)
        ]
        misled += any(low > 0 or high < 0 for low, high in intervals)
    assert misled <= 10


def test_the_interval_for_every_look_is_wider_and_tightest_where_planned():
    at_plan = always_valid(0.0, 1.0, 1.0)
    assert at_plan[1] > 1.96
    assert at_plan[1] < always_valid(0.0, 1.0, 3.0)[1]
    assert at_plan[1] < always_valid(0.0, 1.0, 0.3)[1]
    assert at_plan[1] < always_valid(0.0, 1.0, 1.0, comparisons=4)[1]


def test_shuffled_rows_give_the_same_bytes():
    rows = exposed("old", 60) + exposed("new", 60) + bought("new", 30) + bought("old", 20)
    shuffled = [rows[k] for k in np.random.default_rng(1).permutation(len(rows))]
    one, other = (read(log_of(each), measures=[CONVERSION, REVENUE]) for each in (rows, shuffled))
    pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"control": "olt"}, r"control: no arm is called 'olt'\. Did you mean 'old'\?"),
        ({"stop": "never"}, r"stop: .*always_valid.*fixed"),
        (
            {"stop": "fixed"},
            r"planned_customers: one look \(stop='fixed'\) needs the planned number",
        ),
        ({"measures": []}, r"measures: must be a list of cj\.Measure"),
        (
            {"measures": [cj.Measure("x", "buy", role="guardrail")]},
            r"measures: at least one needs role='decision'",
        ),
        ({"planned_shares": {"old": 1}}, r"planned_shares: must name the arms 'old', 'new'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_can(options, told):
    log = log_of(exposed("old", 30) + exposed("new", 30))
    with pytest.raises(cj.CjlibError, match=told):
        read(log, **options)


def test_a_measure_that_does_not_fit_together_is_refused():
    with pytest.raises(cj.CjlibError, match="value: of measure 'x': kinds 'sum' and 'ratio' need"):
        cj.Measure("x", "buy", kind="sum")
    with pytest.raises(cj.CjlibError, match="winsorize: of measure 'x': must be a quantile"):
        cj.Measure("x", "buy", winsorize=99)


def test_a_measure_of_an_event_that_never_occurs_is_refused_with_the_nearest():
    log = log_of(exposed("old", 30) + exposed("new", 30) + bought("new", 3))
    with pytest.raises(cj.CjlibError, match=r"measures: 'bye' never occurs.* Did you mean 'buy'\?"):
        read(log, measures=[cj.Measure("conversion", "bye")])


def test_nobody_exposed_is_refused_with_the_events_there_are():
    with pytest.raises(cj.CjlibError, match="exposure: 'seen' never occurs"):
        read(log_of([("a", "buy", 1, "old", 1.0)]))


# ---- planning --------------------------------------------------------------------------------------------------


def plan(log, **options):
    options = {"entry": "seen", "measures": [CONVERSION], "window": "7D"} | options
    return cj.plan_experiment(log, **options)


def test_a_share_of_a_half_needs_the_textbooks_number_of_customers():
    rows = exposed("old", 200) + bought("old", 100)
    table = plan(log_of(rows), effects=[0.1], stop="fixed").table
    # (1.96 + .84)² · (.25 · 200/199 + .55 · .45) / .05²: today's variance and that with the effect.
    assert table["customers_per_arm"].tolist() == [1566]
    assert table["difference"].tolist() == [0.05]


def test_looking_every_day_needs_more_customers_than_one_look():
    log = log_of(exposed("old", 200) + bought("old", 100))
    often, once = (
        plan(log, effects=[0.1], stop=stop).table["customers_per_arm"].item()
        for stop in ("always_valid", "fixed")
    )
    assert 1.5 < often / once < 2.2


def test_days_are_those_of_the_traffic_and_of_following_the_last():
    rows = [(f"c{k}", "seen", k / 10, "old", None) for k in range(201)] + [
        (f"c{k}", "buy", k / 10 + 1, None, 1.0) for k in range(0, 201, 2)
    ]
    result = plan(log_of(rows, until=40), effects=[0.2], stop="fixed")
    assert result.per_day == pytest.approx(201 / 20)
    row = result.table.iloc[0]
    assert row["days"] == pytest.approx(row["customers_per_arm"] * 2 / result.per_day + 7)


def test_a_planned_effect_is_shown_about_as_often_as_planned():
    needed = plan(world(), effects=[0.3], stop="fixed", power=0.8, window="10D").table.iloc[0]
    rng = np.random.default_rng(2)
    n, p = int(needed["customers_per_arm"]), needed["baseline"]
    first, second = rng.binomial(n, p, 2_000) / n, rng.binomial(n, 1.3 * p, 2_000) / n
    pooled = (first + second) / 2
    z = (second - first) / np.sqrt(2 * pooled * (1 - pooled) / n)
    assert 0.74 < np.mean(z > 1.96) < 0.86


def test_where_nothing_happens_today_no_effect_can_be_planned():
    rows = [*exposed("old", 50), ("a visitor", "buy", 0, None, 1.0)]
    result = plan(log_of(rows))
    assert result.headline.startswith("conversion is 0 today")
    assert result.table["customers_per_arm"].isna().all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"arms": 1}, "arms: an experiment needs two or more"),
        ({"effects": [0]}, "effects: must be shares above 0"),
        ({"power": 2}, "power: must be between"),
        ({"traffic_share": 0}, "traffic_share: must be a share above 0"),
        ({"stop": "never"}, "stop: "),
        ({"measures": ["buy"]}, "measures: must be a list of cj.Measure"),
    ],
)
def test_what_cannot_be_planned_is_refused(options, told):
    with pytest.raises(cj.CjlibError, match=told):
        plan(log_of(exposed("old", 50)), **options)


# ---- an assignment from a table --------------------------------------------------------------------------------------


def assigned(rows):
    table = pd.DataFrame(rows, columns=["customer_id", "variant", "day"])
    return table.assign(timestamp=day(table.pop("day")))


def test_a_table_says_who_is_in_which_arm_and_from_when():
    events = [(f"{arm}{k}", "seen", 2, None, None) for arm in ("old", "new") for k in range(40)]
    events += bought("new", 10, after=3) + bought("new", 30, after=0)
    table = assigned([(f"{arm}{k}", arm, 1) for arm in ("old", "new") for k in range(40)])
    options = {"control": "old", "measures": [CONVERSION], "window": "7D", "assignment": table}
    result = cj.experiment(log_of(events), **options)
    assert result.table[["value", "control_value"]].to_numpy().tolist() == [[10 / 40, 0.0]]


def test_with_an_exposure_those_never_exposed_from_the_assignment_on_are_left_out():
    events = exposed("old", 40, first=2) + exposed("new", 35, first=2)
    events += [(f"new{k}", "seen", 0, "new", None) for k in range(35, 40)]
    table = assigned([(f"{arm}{k}", arm, 1) for arm in ("old", "new") for k in range(40)])
    result = cj.experiment(
        log_of(events + bought("new", 1, after=3)),
        exposure="seen",
        control="old",
        measures=[CONVERSION],
        window="7D",
        assignment=table,
    )
    assert result.arms["customers"].tolist() == [40, 35]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"customer_id": ["a"]}), "Missing: 'variant', 'timestamp'"),
        (assigned([("nobody", "old", 1)]), "no customer_id of it with a timestamp is in the log"),
        (
            pd.DataFrame({"customer_id": ["old1"], "variant": "old", "timestamp": "soon"}),
            "its timestamps cannot be read: 'soon'",
        ),
    ],
)
def test_an_assignment_that_cannot_be_used_says_why(table, message):
    with pytest.raises(cj.CjlibError, match=message):
        cj.experiment(
            log_of(exposed("old", 40)),
            control="old",
            measures=[CONVERSION],
            window="7D",
            assignment=table,
        )


def test_without_an_experiment_the_answer_says_so():
    log = log_of(exposed("old", 40))
    result = cj.experiment(log, control=None, measures=[], window="14D")
    assert not result.answered
    assert "experiments:" in result.headline
    assert not result.worth("revenue").answered
    plan = cj.plan_experiment(log, entry=None, measures=[], window="14D")
    assert not plan.answered
    assert plan.steps[plan.steps["effect"] == 0.1].empty
    assert plan.groups[plan.groups["effect"] == 0.1].empty


# ---- beside the verdict ----------------------------------------------------------------------------------------------


def test_the_last_look_is_the_verdict_and_looks_have_ever_more_customers():
    result = read(world(lift=0.1), (CONVERSION,))
    last = result.looks.iloc[-1]
    assert last["always_low"] == pytest.approx(result.table["always_low"][0])
    assert result.looks["customers"].is_monotonic_increasing


def test_the_days_since_the_exposure_add_up_to_the_difference():
    result = read(world(lift=0.1), (REVENUE,), cuped=False)
    assert result.novelty["difference"].sum() == pytest.approx(result.table["difference"][0])


def test_groups_are_those_known_at_the_exposure():
    rows = exposed("old", 80) + exposed("new", 80) + bought("new", 40)
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day", "variant", "value"])
    frame["timestamp"] = day(frame.pop("day"))
    even = frame["customer_id"].str[-1].isin(list("02468"))
    frame["device"] = np.where(frame["event"] == "seen", np.where(even, "a", "b"), "later")
    log = cj.read_events(frame.astype({"variant": "str"}), observed_until=day(30))
    result = read(log, by="device")
    assert result.segments["group"].tolist() == ["a", "b"]
    assert result.segments["difference"].tolist() == [0.5, 0.5]


def test_a_change_is_worth_its_difference_times_the_customers_less_its_cost():
    result = read(world(lift=0.1), (REVENUE,))
    worth = result.worth("revenue", cost=0, customers_per_year=10_000)
    row, arm = worth.table.iloc[0], result.table.iloc[0]
    assert row["gain_per_year"] == pytest.approx(10_000 * arm["difference"])
    assert row["gain_per_1000_low"] == pytest.approx(1_000 * arm["always_low"])
    even = result.worth("revenue", cost=row["gain_per_year"], customers_per_year=10_000)
    assert even.table["probability_worth_it"][0] == pytest.approx(0.5)


def test_the_sentence_of_money_says_what_to_do():
    # Without the measure of conversion, since far more convert before the exposure there than after it.
    shown = read(world(lift=0.15, customers=6_000), (REVENUE,))
    assert shown.worth("revenue").headline.startswith("Ship “new”: it changes revenue by ")
    costly = shown.worth("revenue", cost=1e9)
    assert costly.headline.startswith("Stop “new”: ")
    assert costly.headline.endswith("its cost of 1,000,000,000 with a probability of 0%.")
    options = {"measures": (CONVERSION, REVENUE), "planned_customers": 5_000}
    still = read(world(), **options)
    assert still.worth("revenue").table["action"].tolist() == [
        f"go on until {still.open_until:%Y-%m-%d}"
    ]
    done = read(world(), **options | {"planned_customers": 100})
    assert done.open_until is None
    assert done.worth("revenue").table["action"].tolist() == ["stop"]


def test_nothing_is_shipped_while_a_check_warns():
    """“new” had bought more before it was exposed already: "Give “new” to everybody", "Ship “new”"."""
    rows = exposed("old", 400, first=8) + exposed("new", 400, first=8)
    rows += bought("old", 40, after=9) + bought("new", 240, after=9) + bought("new", 200, after=5)
    result = read(log_of(rows), (CONVERSION, REVENUE), cuped=False)
    assert result.verdict == {"new": "better"}
    caution = "Caution: “new” differed from control in conversion before the exposure already"
    assert caution in result.headline
    for finding in result.findings:
        assert caution in finding.claim
        assert finding.next_step == "Look into the warning before “new” is given to everybody."
    money = result.worth("revenue")
    assert money.table["action"].tolist() == ["look into the warning"]
    assert money.headline.startswith("Look into the warning before shipping “new”: it changes")
    assert caution in money.headline


def test_a_guardrail_that_is_worse_keeps_an_arm_from_everybody():
    """The verdict was "worse", and the finding of the better measure said "Give “new” to everybody"."""
    rows = exposed("old", 400) + exposed("new", 400) + bought("old", 40) + bought("new", 200)
    rows += [(f"new{k}", "leave", 2, None, None) for k in range(150)]
    guard = cj.Measure("leaving", "leave", better="lower", role="guardrail")
    result = read(log_of(rows), (CONVERSION, guard))
    assert result.verdict == {"new": "worse"}
    assert [one.next_step for one in result.findings] == ["Do not give “new” to everybody."]


def test_what_customers_do_again_and_again_is_not_logged_too_late():
    """As many bought before the exposure as after it, so by chance every other such experiment had a warning."""
    rows = exposed("old", 100, first=8) + exposed("new", 100, first=8)
    rows += bought("old", 50, after=9) + bought("new", 50, after=9)
    rows += bought("old", 52, after=5) + bought("new", 52, after=5)
    assert not read(log_of(rows)).checks["warning"].any()


def test_an_arm_that_nobody_has_been_followed_in_has_no_day_of_its_plan():
    rows = exposed("old", 40) + exposed("new", 40, first=28) + bought("old", 5)
    result = read(log_of(rows), planned_customers=100)
    assert result.open_until is None
    assert result.headline.startswith("Too early to judge “new”: 0 of 100 planned customers")


def test_figures_claim_nothing_of_a_day_or_of_looks_without_an_interval():
    """Of 14 days one "by itself adds a difference" in every other experiment in which nothing happens; a band that is not known "leaves out 0"."""
    nothing = read(world(), (REVENUE,), window="14D")
    added = cj.plot(nothing, "novelty").layout.meta["caption"]
    assert added.startswith(
        "“new”, revenue: of 14 days since the exposure the 95% CI of what a day"
    )
    assert added.endswith("; by chance it does on one day in 20.")
    alike = exposed("old", 40) + exposed("new", 40) + bought("old", 40) + bought("new", 40)
    decided = cj.plot(read(log_of(alike), (REVENUE,)), "looks").layout.meta["caption"]
    assert "the band does not leave out 0" in decided


def test_where_nobody_within_an_arm_differs_nothing_says_how_sure_a_difference_is():
    """ "revenue 12 against 10 (2, 95% CI at every look – to –)", and more than nothing "with a probability of 100%"."""
    rows = exposed("old", 40) + exposed("new", 40) + bought("old", 40) + bought("new", 40, value=12)
    result = read(log_of(rows), (REVENUE,))
    assert result.headline == (
        "No difference of “new” from control is shown: revenue 12 against 10 (2, no CI, since within an arm nobody differs, n = 40 and 40)."
    )
    money = result.worth("revenue")
    assert money.table["probability_worth_it"].isna().all()
    assert money.headline.startswith(
        "Go on with “new”. A change of revenue is not shown: 2,000 per"
    )
    assert "no CI" in cj.plot(result, "looks").layout.meta["caption"]


def test_only_a_sum_has_a_worth():
    with pytest.raises(cj.CjlibError, match=r"must be a measure of kind 'sum'\. Got 'conversion'"):
        read(world(lift=0.1), (CONVERSION,)).worth("conversion")


def test_the_sample_shows_its_shorter_form_to_be_better_and_nothing_where_nothing_was_planted():
    business = cj.read_journey("data/sample/journey.yml")
    result = cj.experiment(business.read_events(), **business.experiment())
    assert result.verdict == {"short form": "better"}
    assert result.table["difference"][0] == pytest.approx(0.1, abs=0.04)
    plain = cj.sample(effects=False)
    log = cj.read_events(plain.events, timezone="Europe/Berlin")
    options = business.experiment(assignment=plain.experiment, by=[])
    assert cj.experiment(log, **options | {"by": ()}).verdict == {
        "short form": "no difference shown"
    }


def test_before_anybody_was_followed_for_the_window_the_answer_says_that_it_is_too_early():
    log = log_of(exposed("old", 40) + exposed("new", 40) + bought("new", 20))
    assert read(log, window="90D").headline == (
        "Too early to judge: none of 80 exposed customers has been followed for the whole window of 90 days."
    )
    plan = cj.plan_experiment(log, entry="seen", measures=[CONVERSION], window="90D")
    assert plan.headline.startswith("No plan: 0 customers came to 'seen' and were followed")


@pytest.mark.parametrize("price", [10.0, 11.0])
def test_one_price_for_all_is_read_and_differs_by_no_rounding(price):
    """Value ÷ orders does not vary where there is one price; its variance was rounding, and below 0 the readout stopped with a math domain error."""
    aov = cj.Measure("order value", "buy", kind="ratio", value="value")
    rows = exposed("old", 990) + exposed("new", 1010)
    rows += bought("old", 313, value=10.0) + bought("new", 301, value=price)
    row = read(log_of(rows), (aov,)).table.iloc[0]
    assert row["difference"] == pytest.approx(price - 10)
    assert row["verdict"] == "no difference shown"
    assert np.isnan(row["p_value"])


def test_a_larger_loss_is_no_increase_in_percent():
    rows = exposed("old", 100) + exposed("new", 100)
    rows += bought("old", 30, value=-10.0) + bought("new", 30, value=-12.0)
    row = read(log_of(rows), (REVENUE,)).table.iloc[0]
    assert row["difference"] < 0
    assert row[["relative", "relative_low", "relative_always_high"]].isna().all()


def test_a_measure_that_everybody_reaches_is_not_called_zero():
    rows = exposed("old", 100) + bought("old", 100)
    options = {"entry": "seen", "window": "7D"}
    everybody = cj.plan_experiment(log_of(rows), measures=[CONVERSION], **options)
    assert everybody.headline.startswith(
        "conversion is 100.0% today: that leaves too little room for an effect"
    )
    alike = cj.plan_experiment(
        log_of(rows), measures=[cj.Measure("value", "buy", kind="ratio", value="value")], **options
    )
    assert "0 today" not in alike.headline


def test_a_day_on_which_nobody_did_anything_has_no_interval_of_no_width():
    """A seventh day on which nobody bought added "0 (0 to 0)" in either arm: as if nobody ever could."""
    rows = exposed("old", 40) + exposed("new", 40) + bought("old", 10) + bought("new", 20)
    revenue = cj.Measure("revenue", event="buy", kind="sum", value="value", role="decision")
    days = read(log_of(rows), [revenue]).novelty.set_index("days")
    assert days.loc[1.0, ["low", "high"]].notna().all()
    assert days.loc[7.0, "difference"] == 0
    assert days.loc[7.0, ["low", "high"]].isna().all()

"""A written plan holds its readout; groups, steps, curves, simulated power and the cost of waiting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_experiment import CONVERSION, REVENUE, bought, day, exposed, log_of, plan, read, world

import cjlib as cj
from cjlib.analyses.experiment.measures import CustomerValues
from cjlib.analyses.experiment.plan import _changed, _Runs

REFUNDS = cj.Measure("refunds", "refund", better="lower", role="guardrail")
CLICKS = cj.Measure("clicks", "seen", kind="count")


def rows():
    refunds = [(f"new{k}", "refund", 2, None, None) for k in range(5)]
    return exposed("old", 100) + exposed("new", 100) + bought("new", 60) + refunds


def plan_of(**options):
    return {"measures": {"conversion": {"event": "buy"}}, "window": "7D"} | options


def test_a_written_plan_comes_back_as_it_was(tmp_path):
    step = cj.Measure("big", cj.Step("buy", where={"value": {"min": 5}}), role="guardrail")
    made = plan(world(), measures=[CONVERSION, REVENUE, step], window="10D", effects=[0.1, 0.3])
    path = made.write_plan(tmp_path / "plan.yml", effect=0.3, control="old", starts="2025-04-01")
    result = cj.experiment(
        world(),
        exposure="seen",
        control="old",
        measures=[CONVERSION, REVENUE, step],
        window="10D",
        plan=path,
    )
    needed = made.table[made.table["effect"].eq(0.3)]["customers_per_arm"].iloc[:2].max()
    assert f"tightest at {needed:,} customers an arm" in result.definition["stop rule"]
    assert "who came to seen in the event log until 2025-04-10" in path.read_text()
    # The customers were exposed before the plan's first day, and its data hold the outcomes.
    assert result.deviations["what"].tolist() == ["start", "end", "plan written"]


def test_a_measure_that_was_not_planned_is_exploratory():
    result = read(log_of(rows()), measures=[CONVERSION, CLICKS], plan=plan_of())
    assert result.table["role"].tolist() == ["decision", "exploratory"]
    assert result.deviations.to_dict("records") == [
        {
            "what": "clicks",
            "planned": "not planned",
            "read": "decision",
            "consequence": "exploratory",
        }
    ]
    assert "Not as planned: clicks." in result.headline


def test_a_measure_that_was_changed_is_exploratory_and_leaves_no_verdict():
    changed = cj.Measure("conversion", "buy", kind="count")
    result = read(log_of(rows()), measures=[changed], plan=plan_of())
    assert result.verdict == {"new": "no difference shown"}
    assert result.headline.startswith("No verdict on “new”: no decision measure was planned.")
    assert result.deviations["read"].tolist() == ["kind: count"]


def test_the_plans_roles_and_stop_rule_are_obeyed():
    measures = {"conversion": {"event": "buy"}, "refunds": {"event": "refund", "better": "lower"}}
    result = read(
        log_of(rows()),
        measures=[CONVERSION, REFUNDS],
        plan=plan_of(measures=measures, stop="fixed", planned_customers=500),
    )
    assert result.table["role"].tolist() == ["decision", "decision"]
    assert result.verdict == {"new": "too early"}
    assert result.deviations["consequence"].tolist() == ["read in its planned role"]


def test_another_unit_window_control_and_a_missing_measure_are_said():
    measures = {"conversion": {"event": "buy"}, "refunds": {"event": "refund"}}
    given = plan_of(measures=measures, window="14D", unit="session", control="before")
    result = read(log_of(rows()), plan=given)
    assert result.deviations["what"].tolist() == ["refunds", "window", "unit", "control"]


def test_who_stops_early_or_began_early_reads_so():
    result = read(log_of(rows()), plan=plan_of(starts="2025-03-05", ends="2025-06-01"))
    assert result.deviations["consequence"].tolist() == [
        "exposures before the start count too",
        "stopped early, or still running",
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"measures": {"x": {}}, "windw": "7D"}, "unknown key 'windw'. Did you mean 'window'?"),
        ({"window": "7D"}, "lacks 'measures'"),
        (plan_of(measures=["conversion"]), "measures must map names"),
        (plan_of(measures={"x": {"evnt": "buy"}}), "unknown key 'evnt'. Did you mean 'event'?"),
        (plan_of(stop="fixed"), "one look (stop='fixed') needs the planned number of customers"),
        (plan_of(stop="someday"), "stop: must be one of"),
        (plan_of(planned_customers=-5), "planned_customers: must be above 0. Got -5"),
        ("no/such/plan.yml", "cannot be read: FileNotFoundError"),
    ],
)
def test_a_plan_that_cannot_be_used_says_why(given, told):
    with pytest.raises(cj.CjlibError) as fault:
        read(log_of(rows()), plan=given)
    assert told in str(fault.value)


def test_an_effect_that_was_not_planned_cannot_be_written(tmp_path):
    made = plan(world(), effects=[0.1], window="10D")
    with pytest.raises(cj.CjlibError, match=r"effect: must be one that was planned.*0\.1"):
        made.write_plan(tmp_path / "plan.yml", effect=0.5)


# ---- one look --------------------------------------------------------------------------------------------------------


def test_one_look_stays_the_look_however_many_come_later():
    first = exposed("old", 100) + exposed("new", 100) + bought("new", 60)
    later = [(f"{a}{k}", "seen", 5, a, None) for a in ("old", "new") for k in range(100, 300)]
    early, late = (
        read(log_of(each), stop="fixed", planned_customers=100) for each in (first, first + later)
    )
    assert late.table["difference"].tolist() == early.table["difference"].tolist()
    assert late.arms["customers"].tolist() == [100, 100]


# ---- beside the plan's table -------------------------------------------------------------------------------------------


def test_the_smallest_effect_falls_with_the_days():
    made = plan(world(), window="10D", effects=[0.2], stop="fixed")
    curve = made.detectable
    assert curve["effect"].is_monotonic_decreasing
    assert curve["days"].min() > 10
    # An effect of this size needs the customers of that day.
    row = curve.iloc[-1]
    again = plan(world(), window="10D", effects=[row["effect"]], stop="fixed").table.iloc[0]
    assert again["customers_per_arm"] == pytest.approx(row["customers_per_arm"], rel=0.01)


def test_groups_and_steps_have_their_own_baseline_and_traffic():
    frame = pd.DataFrame(
        [(f"c{k}", event, k / 20, "a" if k % 4 else "b") for k in range(400) for event in ("see", "try")]
        + [(f"c{k}", "buy", k / 20 + 1, None) for k in range(0, 400, 2)],
        columns=["customer_id", "event", "day", "kind"],
    )  # fmt: skip
    frame = frame[~((frame["event"] == "try") & (frame["kind"] == "b"))]
    frame["timestamp"] = day(frame.pop("day"))
    log = cj.read_events(frame, observed_until=day(60))
    made = cj.plan_experiment(
        log,
        entry="see",
        measures=[CONVERSION],
        window="7D",
        effects=[0.2],
        by="kind",
        steps=["see", "try"],
    )
    assert made.groups["group"].tolist() == ["a", "b"]
    assert made.groups["baseline"].tolist() == [pytest.approx(1 / 3), 1.0]
    assert made.groups["per_day"].sum() == pytest.approx(made.per_day)
    assert made.steps["step"].tolist() == ["see", "try"]
    assert made.steps["baseline"].tolist() == [0.5, pytest.approx(1 / 3)]


def test_waiting_costs_what_those_without_the_change_would_have_brought_more():
    made = plan(world(), measures=[CONVERSION, REVENUE], window="10D", effects=[0.2])
    share, money = made.table.to_dict("records")
    assert np.isnan(share["cost_of_waiting"])
    expected = money["difference"] * made.per_day / 2 * money["days"]
    assert money["cost_of_waiting"] == pytest.approx(expected)


@pytest.mark.parametrize("stop", ["fixed", "always_valid"])
def test_simulated_experiments_show_the_effect_as_often_as_the_formula_says(stop):
    made = plan(world(), window="10D", effects=[0.5], stop=stop)
    simulated = made.simulated_power("conversion", effect=0.5, runs=150)
    nothing, something = simulated.table["share_shown"]
    assert nothing <= 0.09
    assert 0.7 < something < 0.92
    with pytest.raises(cj.CjlibError, match="measure: "):
        made.simulated_power("revenu", effect=0.5)


def test_where_no_number_of_customers_shows_an_effect_nothing_is_simulated(toy_log):
    seen = " | ".join(f"c{k}: see@{k}h end@30D" for k in range(40))
    log = toy_log(f"{seen} | other: buy@0h")
    made = cj.plan_experiment(log, entry="see", measures=[CONVERSION], window="10D", effects=[0.1])
    simulated = made.simulated_power("conversion", effect=0.1)
    assert not simulated.answered
    assert simulated.reason == made.headline


# ---- in the journey file ---------------------------------------------------------------------------------------------


def test_a_journey_file_holds_all_that_an_experiment_needs(tmp_path):
    plan(world(), window="10D", effects=[0.3]).write_plan(tmp_path / "plan.yml", effect=0.3)
    (tmp_path / "journey.yml").write_text(
        """\
name: test
sources: {events: events.parquet}
churn: {event: buy, horizon: 10D, contact_list: list.csv, contacted_at: 2025-03-20}
stages: [{name: all, touchpoints: [{name: site, events: [seen, buy]}]}]
experiments:
  new form:
    exposure: seen
    control: old
    window: 10D
    plan: plan.yml
    planned_shares: {old: 0.5, new: 0.5}
    measures:
      conversion: {event: buy}
      in order: {event: [seen, buy], kind: funnel, role: exploratory}
      days: {event: buy, kind: time, role: exploratory}
      again: {after: 5D, role: exploratory}
""",
        encoding="utf-8",
    )
    journey = cj.read_journey(tmp_path / "journey.yml")
    result = cj.experiment(world(lift=0.2), **journey.experiment("new form"))
    assert result.table["kind"].tolist() == ["share", "funnel", "time", "share"]
    assert result.table["better"].tolist() == ["higher", "higher", "lower", "higher"]
    assert result.table["difference"].iloc[0] == result.table["difference"].iloc[1] > 0
    assert result.deviations["what"].tolist() == ["plan written"]
    assert journey.holdout_options() == {
        "contact_list": tmp_path / "list.csv",
        "window": "10D",
        "churn_event": "buy",
        "contacted_at": "2025-03-20",
    }


def test_measures_that_decide_together_need_more_customers_as_when_they_are_read():
    """A test of two decision measures was planned for 80% as if of one, and showed the change in 71 of 100."""
    rng = np.random.default_rng(0)
    ids = np.arange(1_000).astype(str)
    seen = pd.DataFrame({"customer_id": ids, "event": "seen", "timestamp": day(rng.uniform(0, 20, 1_000))})  # fmt: skip
    buys = seen[rng.random(1_000) < 0.2].assign(event="buy")
    log = cj.read_events(pd.concat([seen, buys]), observed_until=day(40))

    def customers(**roles):
        measures = [cj.Measure(name, "buy", role=role) for name, role in roles.items()]
        plan = {
            stop: cj.plan_experiment(log, entry="seen", measures=measures, window="7D", effects=(0.2,), stop=stop)
            for stop in ("fixed", "always_valid")
        }  # fmt: skip
        return [int(one.table["customers_per_arm"].iloc[0]) for one in plan.values()]

    alone, both = customers(a="decision"), customers(a="decision", b="decision")
    # Two-sided .025 in the place of .05: (2.241 + .842)² / (1.960 + .842)².
    assert both[0] / alone[0] == pytest.approx((2.2414 + 0.8416) ** 2 / (1.96 + 0.8416) ** 2, rel=0.01)  # fmt: skip
    assert both[1] > alone[1]
    # At one look a guardrail is corrected by itself, at every look with the others.
    guarded = customers(a="decision", b="guardrail")
    assert guarded[0] == alone[0]
    assert guarded[1] == both[1]
    assert customers(a="decision", b="exploratory") == alone


def test_a_test_of_more_than_a_year_is_none():
    """ "A change of 20% in conversion can be shown in about 28,430 days"."""
    rng = np.random.default_rng(0)
    seen = pd.DataFrame({"customer_id": np.arange(300).astype(str), "event": "seen", "timestamp": day(rng.uniform(0, 60, 300))})  # fmt: skip
    log = cj.read_events(pd.concat([seen, seen[:30].assign(event="buy")]), observed_until=day(90))
    told = cj.plan_experiment(log, entry="seen", measures=[cj.Measure("a", "buy")], window="7D")
    assert told.headline.startswith("No change of 20% or less in a can be shown within a year: 20% takes about")  # fmt: skip


def test_a_simulated_share_with_an_effect_varies_as_a_share_does():
    """The effect was added to the share that happened to be drawn, which moved it twice: 77 in place of 80 of 100 simulated experiments showed it."""
    rng = np.random.default_rng(0)
    baseline = np.repeat([1.0, 0.0], [100, 900])
    customers = CustomerValues(baseline, None, np.zeros(1_000), None)
    drawn = _Runs(CONVERSION, customers, 200, 1, 0)
    shares = np.array(
        [_changed(rng.choice(baseline, 200), drawn, 0.5, rng).mean() for _ in range(4_000)]
    )
    assert shares.mean() == pytest.approx(0.15, abs=0.002)
    assert shares.var() == pytest.approx(0.15 * 0.85 / 200, rel=0.07)

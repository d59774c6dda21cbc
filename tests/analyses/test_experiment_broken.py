"""Experiments that go wrong: what is warned of, what is refused, and what must not be misled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_experiment import CONVERSION, REVENUE, bought, day, exposed, log_of, read

import cjlib as cj


def warned(result) -> list[str]:
    return result.checks.loc[result.checks["warning"], "check"].tolist()


def test_nobody_in_an_arm_converts():
    rows = exposed("old", 200) + exposed("new", 200) + bought("new", 30)
    row = read(log_of(rows)).table.iloc[0]
    assert row["verdict"] == "better"
    assert np.isfinite(row[["difference_low", "always_low", "p_value"]].to_numpy(float)).all()
    nobody = read(log_of(exposed("old", 200) + exposed("new", 200) + bought("elsewhere", 1)))
    assert nobody.table["verdict"].tolist() == ["no difference shown"]
    assert nobody.headline.startswith("No difference of “new” from control is shown: ")
    money = read(log_of(rows), measures=[CONVERSION, REVENUE])
    assert money.table["verdict"].tolist() == ["better", "better"]


def test_one_customer_an_arm_is_too_early():
    rows = exposed("old", 1) + exposed("new", 1) + bought("new", 1)
    result = read(log_of(rows), measures=[CONVERSION, REVENUE])
    assert result.verdict == {"new": "too early"}
    assert result.headline == (
        "Too early to judge “new”: 1 customer of the smaller arm has been followed."
    )
    assert not result.findings
    assert cj.explore_experiment(result).figure() is not None


def test_names_of_arms_are_the_text_they_are():
    names = ["<script>alert(1)</script>", "a'; DROP TABLE log; --", "=cmd|'/c'!A1"]
    rows = [row for name in names for row in exposed(name, 60)]
    result = read(log_of(rows + bought(names[1], 30)), control=names[0], by=[])
    assert sorted(result.verdict) == sorted(names[1:])
    assert result.verdict[names[1]] == "better"
    assert "&lt;script&gt;" in result._repr_mimebundle_()["text/html"]
    assert "<script>alert" not in result._repr_mimebundle_()["text/html"]
    figure = cj.plot(result).to_json()
    assert "<script>alert" not in figure


def test_an_exposure_that_is_logged_after_the_outcome_is_warned_of():
    rows = exposed("old", 100, first=3) + exposed("new", 100, first=3)
    early = bought("old", 60, after=2.9) + bought("new", 60, after=2.9) + bought("new", 9, after=4)
    result = read(log_of(rows + early))
    assert warned(result) == ["outcome before the exposure"]
    assert "Caution: 120 customers had conversion before the exposure, 9 after it: is the exposure logged too late?" in result.headline  # fmt: skip


def test_arms_that_differed_before_the_exposure_are_warned_of():
    rows = exposed("old", 300, first=8) + exposed("new", 300, first=8)
    rows += bought("new", 120, after=2) + bought("old", 40, after=2)
    rows += bought("new", 150, after=9) + bought("old", 150, after=9)
    result = read(log_of(rows))
    assert warned(result) == ["before the exposure"]
    assert "carry-over of an earlier test" in result.headline


def test_a_ramp_that_changes_the_arms_shares_is_warned_of():
    rng = np.random.default_rng(0)
    at = np.sort(rng.uniform(0, 20, 2_000))
    # Ten per cent see the new form in the first half, ninety in the second: equal in sum.
    new = rng.random(2_000) < np.where(at < 10, 0.1, 0.9)
    rows = [(f"c{k}", "seen", at[k], "new" if new[k] else "old", None) for k in range(2_000)]
    rows += [(f"c{k}", "buy", at[k] + 1, None, 5.0) for k in range(0, 2_000, 3)]
    result = read(log_of(rows, until=40))
    assert "arms' shares over time" in warned(result)


def test_customers_in_several_arms_are_warned_of_from_one_in_a_hundred_on():
    rows = exposed("old", 100) + exposed("new", 100) + bought("new", 5)
    both = [(f"both{k}", "seen", at, arm, None) for k in range(3) for at, arm in ((0, "old"), (1, "new"))]  # fmt: skip
    assert warned(read(log_of(rows))) == []
    assert warned(read(log_of(rows + both))) == ["seen in several arms"]


def test_skewed_money_in_a_small_arm_is_warned_of():
    rng = np.random.default_rng(1)
    rows = exposed("old", 1_800) + exposed("new", 200)
    money = [(row[0], "buy", 1, None, float(v)) for row, v in zip(rows, rng.lognormal(0, 2, 2_000), strict=True)]  # fmt: skip
    options = {"planned_shares": {"old": 0.9, "new": 0.1}}
    assert warned(read(log_of(rows + money), measures=[REVENUE], **options)) == ["skewed values"]
    capped = cj.Measure("revenue", "buy", kind="sum", value="value", winsorize=0.95)
    result = read(log_of(rows + money), measures=[capped], **options)
    assert warned(result) == []
    assert "larger than the 95.0% quantile counts as that" in result.definition["measure revenue"]


def test_interference_shows_in_control_customers_whose_company_is_treated():
    rng = np.random.default_rng(3)
    rows, spill = [], []
    for firm in range(400):
        arms = rng.choice(["old", "new"], 4)
        for k, arm in enumerate(arms):
            rows.append((f"{firm}-{k}", "seen", 0, arm, None, f"firm{firm}"))
            reached = arm == "new" or rng.random() < (arms == "new").mean()
            spill.append(reached and rng.random() < 0.5)
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day", "variant", "value", "company"])  # fmt: skip
    buys = frame[spill].assign(event="buy", variant=None, day=1)
    whole = pd.concat([frame, buys])
    log = cj.read_events(whole.assign(timestamp=day(whole["day"])).drop(columns=["day", "value"]), observed_until=day(30))  # fmt: skip
    assert "interference" in warned(read(log, linked_by="company"))
    calm = frame[rng.random(len(frame)) < 0.3].assign(event="buy", variant=None, day=1)
    whole = pd.concat([frame, calm])
    log = cj.read_events(whole.assign(timestamp=day(whole["day"])).drop(columns=["day", "value"]), observed_until=day(30))  # fmt: skip
    assert "interference" not in warned(read(log, linked_by="company"))


def test_a_log_that_was_cut_is_read_as_it_stands():
    rows = (
        exposed("old", 60) + exposed("new", 60) + bought("new", 30) + [("zz", "buy", 1, None, 1.0)]
    )
    log = log_of([("aa", "buy", 1, None, 1.0), *rows])
    cut = log.where(variant={"is_set": True})
    by_clicks = cj.Measure("seen again", "seen", kind="count", after="1D")
    assert read(cut, measures=[by_clicks]).arms["customers"].tolist() == [60, 60]


# ---- measures --------------------------------------------------------------------------------------------------------


def values(measure, rows, **options):
    row = read(log_of(rows), measures=[measure], **options).table.iloc[0]
    return row["value"], row["control_value"]


def test_retention_is_activity_from_a_later_moment_on():
    rows = exposed("old", 40) + exposed("new", 40) + bought("new", 10, after=2)
    rows += bought("new", 8, after=5) + bought("old", 4, after=7)
    assert values(cj.Measure("active again", after="4D"), rows) == (0.2, 0.1)


def test_a_funnel_takes_its_steps_in_order():
    rows = exposed("old", 40) + exposed("new", 40) + bought("new", 20, after=2) + bought("old", 20, after=2)  # fmt: skip
    rows += [(f"new{k}", "look", 1, None, None) for k in range(10)]
    rows += [(f"old{k}", "look", 3, None, None) for k in range(10)]
    measure = cj.Measure("bought", ["look", "buy"], kind="funnel")
    assert values(measure, rows) == (0.25, 0.0)


def test_time_to_convert_is_the_restricted_mean():
    rows = exposed("old", 40) + exposed("new", 40) + bought("new", 20, after=1) + bought("old", 20, after=3)  # fmt: skip
    measure = cj.Measure("days to buy", "buy", kind="time")
    assert values(measure, rows) == ((1 + 7) / 2, (3 + 7) / 2)
    assert measure.better == "lower"


def test_a_table_of_ones_own_is_counted_in_place_of_events():
    rows = exposed("old", 40) + exposed("new", 40)
    ids = [f"new{k}" for k in range(40)]
    calls = pd.DataFrame({"customer_id": [*ids, "nobody"], "minutes": 3.0})
    kinds = {"table": calls, "kind": "sum", "value": "minutes"}
    assert values(cj.Measure("minutes", **kinds), rows) == (3.0, 0.0)
    timed = calls.assign(timestamp=[day(1)] * 20 + [day(9)] * 21)
    assert values(cj.Measure("minutes", **kinds | {"table": timed}), rows) == (1.5, 0.0)
    with pytest.raises(cj.CjlibError, match="table: of measure 'minutes': lacks the column 'minutes'"):  # fmt: skip
        cj.Measure("minutes", table=calls[["customer_id"]], kind="sum", value="minutes")


def test_nps_is_that_of_those_who_answered():
    rows = exposed("old", 40) + exposed("new", 40)
    answers = pd.DataFrame(
        {
            "customer_id": [f"{arm}{k}" for arm in ("old", "new") for k in range(40)],
            "timestamp": day(2),
            "nps": [10] * 10 + [0] * 30 + [10] * 30 + [0] * 10,
        }
    )
    feedback = cj.read_feedback(answers)
    measure = cj.Measure("NPS", kind="score", value="nps")
    assert values(measure, rows, feedback=feedback) == (50, -50)
    with pytest.raises(cj.CjlibError, match="feedback: measure 'NPS' is a score"):
        read(log_of(rows), measures=[measure])
    with pytest.raises(cj.CjlibError, match=r"value \(of measure 'x'\): .*'csatt'"):
        cj.Measure("x", kind="score", value="csatt")


def test_an_arm_of_the_customers_table_is_read():
    rows = exposed("old", 40) + exposed("new", 40) + bought("new", 20)
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day", "variant", "value"])
    people = frame[frame["event"] == "seen"][["customer_id", "variant"]]
    events = frame.drop(columns="variant").assign(timestamp=day(frame["day"])).drop(columns="day")
    log = cj.read_events(events, customers=people, observed_until=day(30))
    assert read(log).table["difference"].tolist() == [0.5]


def test_companies_that_were_assigned_whole_are_warned_of():
    """Customers of one company do alike: with whole companies in an arm every interval is too narrow, and nothing said so."""
    rng = np.random.default_rng(4)
    for whole in (True, False):
        firm = np.repeat(np.arange(60), 5)
        new = rng.random(60)[firm] < 0.5 if whole else rng.random(300) < 0.5
        frame = pd.DataFrame({"customer_id": np.arange(300).astype(str), "event": "seen", "timestamp": day(0)})  # fmt: skip
        frame = frame.assign(variant=np.where(new, "new", "old"), company=firm.astype(str))
        buys = frame[rng.random(60)[firm] < 0.4].assign(event="buy", variant=None, timestamp=day(1))
        log = cj.read_events(pd.concat([frame, buys]), observed_until=day(30))
        result = read(log, linked_by="company")
        assert ("assigned together" in warned(result)) == whole
    assert "whole groups were assigned" not in result.headline

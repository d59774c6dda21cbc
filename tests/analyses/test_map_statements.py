"""What the map's sentences may claim: simulated businesses in which we know the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.errors import CjlibError
from cjlib.sources.journey import Journey, journey_from
from cjlib.sources.log.event_log import EventLog

START = pd.Timestamp("2025-01-01", tz="UTC")


def journey_of(*stages: Any, **more: Any) -> Journey:
    """A journey of these stages: a name has one touchpoint, called like it in small letters."""
    written = [
        {"name": one, "touchpoints": [one.lower()]} if isinstance(one, str) else one
        for one in stages
    ]
    return journey_from(
        {"name": "t", "timezone": "UTC", "sources": {"events": "e.csv"}, "stages": written, **more}
    )


def log_of(*parts: tuple[Any, str, Any], until: float | None = None) -> EventLog:
    """A log of (customers, event, days since the start)."""
    events = pd.concat(
        pd.DataFrame(
            {
                "customer_id": np.asarray(who).astype(str),
                "event": event,
                "timestamp": START + pd.to_timedelta(np.asarray(when, dtype=float), unit="D"),
            }
        )
        for who, event, when in parts
    )
    end = None if until is None else START + pd.Timedelta(days=until)
    return cj.read_events(events, observed_until=end)


# ---- any number of stages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stages", [2, 11, 12, 60])
def test_journeys_start_where_they_start_however_many_stages_there_are(stages):
    journey = journey_of(*[f"S{k}" for k in range(stages)])
    who = np.arange(40)
    log = log_of((who, f"s{stages - 2}", who * 0), (who, f"s{stages - 1}", who * 0 + 1))
    routes = cj.journey_map(journey, log).routes
    assert routes[["source", "target", "customers"]].to_numpy().tolist() == [
        ["(start)", f"S{stages - 2}", 40],
        [f"S{stages - 2}", f"S{stages - 1}", 40],
    ]


def test_more_stages_than_a_map_can_hold_are_refused_in_words():
    journey = journey_of(*[f"S{k}" for k in range(101)])
    with pytest.raises(CjlibError, match=r"stages: a map holds at most 100. Got 101"):
        cj.journey_map(journey, log_of(([1], "s1", [0])))


# ---- what is given ----------------------------------------------------------------------------------------------------


def test_what_is_no_journey_log_or_feedback_is_refused_by_name():
    journey, log = journey_of("A", "B"), log_of(([1], "a", [0]))
    with pytest.raises(CjlibError, match=r"journey: must be what cj.read_journey"):
        cj.journey_map(None, log)  # pyright: ignore[reportArgumentType]
    with pytest.raises(CjlibError, match=r"log: must be what cj.read_events"):
        cj.journey_map(journey, pd.DataFrame())  # pyright: ignore[reportArgumentType]
    with pytest.raises(CjlibError, match=r"feedback: must be what cj.read_feedback"):
        cj.journey_map(journey, log, pd.DataFrame())  # pyright: ignore[reportArgumentType]


def test_a_customer_may_be_their_own_ticket():
    support = {"ticket_id": "customer_id", "opened": "open", "first_response": "answer"}
    journey = journey_of("A", support=support, scorecard={"period": "month"})
    log = cj.read_events(toy_events("ana: open@0h answer@1h open@5h | bob: open@1h | cy: a@0h"))
    assert cj.journey_map(journey, log).support["tickets"].tolist() == [2]


# ---- pain ---------------------------------------------------------------------------------------------------------------


def _painful(lost: float, rng: np.random.Generator, n: int = 300) -> pd.DataFrame:
    """Three stages; of each of the first two this share, or a fifth, is lost."""
    who = np.arange(n)
    on = who[rng.random(n) > lost]
    further = on[rng.random(on.size) > 0.2]
    log = log_of(
        (who, "a", who * 0), (on, "b", on * 0 + 1), (further, "c", further * 0 + 2), until=90
    )
    pains = cj.journey_map(journey_of("A", "B", "C"), log).pain_points
    return pains[pains["level"] == "stage"].set_index("stage")


def test_stages_that_hurt_alike_are_no_pain_points():
    rng = np.random.default_rng(4)
    assert sum(_painful(0.2, rng)["significant"].any() for _ in range(10)) <= 1


def test_a_stage_that_loses_more_than_the_others_is_one_and_counts_those_affected():
    row = _painful(0.5, np.random.default_rng(4)).loc["A"]
    assert row["significant"]
    assert row["affected"] == round(row["lost"] * 300)


def test_a_difference_of_less_than_five_points_is_no_pain_however_many_say_so():
    alike = _painful(0.23, np.random.default_rng(4), n=20_000).loc["A"]
    assert alike["lost_p_adjusted"] < 0.001
    assert not alike["significant"]
    assert _painful(0.27, np.random.default_rng(4), n=20_000).loc["A"]["significant"]


def test_who_ends_where_a_funnel_ends_is_not_lost():
    funnels = {"buy": {"steps": ["a", "b"], "window": "14D"}}
    who = np.arange(100)
    log = log_of(
        (who, "a", who * 0), (who, "b", who * 0 + 1), (who[:40], "c", who[:40] * 0 + 2), until=90
    )
    pains = cj.journey_map(journey_of("A", "B", "C", funnels=funnels), log).pain_points
    assert pains.set_index(["level", "stage"]).loc[("stage", "B"), "lost_n"] == 0
    whole = cj.journey_map(journey_of("A", "B", "C"), log).pain_points
    assert whole.set_index(["level", "stage"]).loc[("stage", "B"), "lost_n"] == 100


# ---- slow, moments, what if -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [60, 365])
def test_slow_counts_the_young_as_long_as_they_were_watched(days):
    rng = np.random.default_rng(1)
    entry = rng.uniform(0, days, 2_000)
    moved = entry + rng.exponential(30 / np.log(2), 2_000)
    went = np.flatnonzero(moved < days)
    log = log_of((np.arange(2_000), "trial", entry), (went, "use", moved[went]), until=days)
    trial = {"name": "Trial", "touchpoints": ["trial"], "expected": "30D"}
    pains = cj.journey_map(journey_of(trial, "Use", map={"silent_after": "300D"}), log).pain_points
    row = pains[(pains["level"] == "stage") & (pains["stage"] == "Trial")].iloc[0]
    assert row["slow"] == pytest.approx(0.5, abs=0.04)


def _two_moments(places: int) -> pd.DataFrame:
    """Who was badly treated at buy leaves; at use it makes no difference. Answers at one or both."""
    rng = np.random.default_rng(0)
    n = 400
    who, day = np.arange(n), rng.uniform(0, 60, n)
    bad, bad_use = rng.random(n) < 0.4, rng.random(n) < 0.4
    stays = np.flatnonzero(rng.random(n) < np.where(bad, 0.2, 0.9))
    log = log_of(
        (who, "buy", day), (who, "use", day + 2), (stays, "use", day[stays] + 45), until=180
    )
    answers = [("buy", day + 0.1, bad), ("use", day + 2.1, bad_use)][:places]
    frame = pd.concat(
        pd.DataFrame(
            {
                "customer_id": who.astype(str),
                "timestamp": START + pd.to_timedelta(when, unit="D"),
                "csat": np.where(poor, 1, 5),
                "touchpoint": name,
            }
        )
        for name, when, poor in answers
    )
    journey = journey_of("Buy", "Use", map={"silent_after": "90D"})
    held = cj.journey_map(journey, log, cj.read_feedback(frame)).moments
    return held[held["outcome"] == "retained"]


def test_of_two_touchpoints_the_one_that_matters_is_named():
    held = _two_moments(2)
    assert held.loc[held["named"], "touchpoint"].tolist() == ["buy"]


def test_one_touchpoint_alone_is_not_named_and_says_so():
    held = _two_moments(1)
    assert held["status"].tolist() == ["not separable"]
    assert not held["named"].any()


def test_the_value_of_a_what_if_knows_how_uncertain_the_mean_is():
    """The interval of the extra value holds the truth in about 95 of 100 businesses of few, very different customers."""
    rng, inside = np.random.default_rng(2), 0
    for _ in range(20):
        n = 150
        who, went = np.arange(n), np.flatnonzero(rng.random(n) < 0.4)
        amount = rng.gamma(1.0, 100, went.size)
        events = pd.DataFrame(
            {
                "customer_id": np.r_[who, went].astype(str),
                "event": ["look"] * n + ["buy"] * went.size,
                "timestamp": START + pd.to_timedelta(np.r_[who * 0, went * 0 + 1.0], unit="D"),
                "value": np.r_[np.full(n, np.nan), amount],
            }
        )
        journey = journey_of("Look", "Buy", value={"event": "buy", "amount": "value"})
        last = cj.journey_map(journey, cj.read_events(events)).simulate({"Buy": 0.1}).table.iloc[-1]
        inside += last["extra_value_low"] <= n * 0.1 * 100 <= last["extra_value_high"]
    assert inside >= 17


# ---- comparisons over equal time ---------------------------------------------------------------------------------------


def _chain(start: float, lost: float, rng: np.random.Generator, slow: float = 1.0, n: int = 300):
    """Customers who enter from a day on, of whom a share never goes on."""
    who = np.arange(n)
    day = start + rng.uniform(0, 60, n)
    on = who[rng.random(n) > lost]
    return log_of(
        (who, "a", day), (on, "b", day[on] + rng.lognormal(np.log(slow), 0.5, on.size)), until=200
    )


def test_ten_times_as_long_is_longer_however_many_cells_there_are():
    rng = np.random.default_rng(1)
    journey = journey_of("A", "B", map={"silent_after": "30D"})
    slow, fast = (cj.journey_map(journey, _chain(0, 0.3, rng, days)) for days in (10.0, 1.0))
    row = (
        slow.compare(fast)
        .table.set_index(["stage", "measure"])
        .loc[("A", "median_seconds_to_next")]
    )
    assert row["p_value"] < 1e-20
    assert row["words"] == "longer"


def test_a_map_of_newer_customers_does_not_lose_fewer_because_they_are_new():
    rng, claims = np.random.default_rng(5), 0
    journey = journey_of("A", "B", map={"silent_after": "30D"})
    for _ in range(10):
        old, new = (cj.journey_map(journey, _chain(day, 0.4, rng)) for day in (0, 120))
        change = new.compare(old).table
        claims += bool(
            change.loc[~change["measure"].isin(["customers", "events"]), "significant"].any()
        )
    assert claims == 0


def test_groups_known_only_after_a_stage_are_not_compared_there():
    """Only who buys has a plan: at the stages before, that nobody with a plan ends there says nothing."""
    everybody, buyers = np.arange(400), np.arange(1, 400, 4)
    entered = everybody % 9
    parts = [
        (everybody, "visit", entered),
        (everybody[1::2], "try", entered[1::2] + 2),
        (buyers, "buy", entered[buyers] + 4),
    ]
    rows = pd.concat(
        pd.DataFrame({"customer_id": who.astype(str), "event": event, "day": day})
        for who, event, day in parts
    )
    plan = np.where(rows["customer_id"].astype(int) % 3 > 0, "x", "y")
    events = rows.assign(
        timestamp=START + pd.to_timedelta(rows["day"], unit="D"),
        plan=np.where(rows["event"] == "buy", plan, None),
    ).drop(columns="day")
    log = cj.read_events(events, observed_until=START + pd.Timedelta(days=120))
    journey = journey_of("Visit", "Try", "Buy", map={"silent_after": "20D"})
    compared = cj.journey_map(journey, log, by="plan").comparisons
    assert set(compared["group"]) | set(compared["other"]) == {"x", "y"}
    known = compared.set_index("stage")[["n", "other_n"]].sum(axis=1)
    assert known.to_dict() == {"Visit": 0, "Try": 0, "Buy": buyers.size}
    assert not (compared["p_adjusted"] < 0.05).any()


def test_of_twenty_customers_nobody_says_that_no_stage_is_a_pain_point():
    journey = journey_of("Visit", "Sign", "Use", map={"silent_after": "20D"})
    log = log_of((range(20), "visit", 0), (range(8), "sign", 1), (range(5), "use", 2), until=90)
    held = cj.journey_map(journey, log)
    assert held.headline.startswith(
        "Whether a stage is a pain point cannot be told: no two stages can be compared with 30 customers"
    )
    assert held.compare(held).headline == (
        "Nothing can be compared: no cell has 30 customers or more on both sides."
    )


def _bad_year(people: int) -> cj.JourneyMap:
    """Two hundred answers at each stage, at Sign nearly all bad, of so many customers there."""
    who = np.arange(200)
    log = log_of((who, "visit", who * 0), (who, "sign", who * 0 + 1), (who, "use", who * 0 + 2))
    answers = pd.concat(
        pd.DataFrame(
            {
                "customer_id": (who % most).astype(str),
                "stage": stage,
                "timestamp": START + pd.Timedelta(days=2) + pd.to_timedelta(who, unit="min"),
                "csat": np.where(who % 10 == 0, 6 - score, score),
            }
        )
        for stage, score, most in (("Visit", 5, 200), ("Sign", 1, people), ("Use", 5, 200))
    )
    journey = journey_of("Visit", "Sign", "Use", map={"silent_after": "20D"})
    return cj.journey_map(journey, log, cj.read_feedback(answers))


def test_what_few_customers_say_many_times_is_no_pain_and_no_change():
    few, many = _bad_year(29), _bad_year(200)

    def unhappy(held: cj.JourneyMap) -> bool:
        pains = held.pain_points[held.pain_points["level"] == "stage"].set_index("stage")
        return bool(pains.loc["Sign", "significant"])

    assert (unhappy(many), unhappy(few)) == (True, False)
    assert "low point" in many.headline
    assert "low point" not in few.headline
    cells = few.compare(many).table.set_index(["stage", "measure"])
    assert cells.loc[("Sign", "csat"), "words"] == "too few"
    assert "n 200 of 29 customers · thin, too few to read" in cj.render_map(few).html


def test_a_map_of_scores_on_another_scale_judges_and_draws_them_on_it():
    who = np.arange(120)
    log = log_of((who, "visit", who * 0), (who, "sign", who * 0 + 1), (who, "use", who * 0 + 2))
    answers = pd.concat(
        pd.DataFrame(
            {
                "customer_id": who.astype(str),
                "stage": stage,
                "timestamp": START + pd.Timedelta(days=2) + pd.to_timedelta(who, unit="min"),
                "csat": np.where(who % 10 == 0, 110 - score, score),
            }
        )
        for stage, score in (("Visit", 90), ("Sign", 20), ("Use", 90))
    )
    feedback = cj.read_feedback(answers, columns={"csat": ("csat", "0 to 100")})
    journey = journey_of("Visit", "Sign", "Use", map={"silent_after": "20D"})
    held = cj.journey_map(journey, log, feedback)
    assert held.table["csat"].tolist() == pytest.approx([0.9, 0.1, 0.9])
    assert held.pain_points.set_index("stage").loc["Sign", "unhappy"].max() == pytest.approx(0.9)
    assert "mean CSAT (0 to 100) changes by −" in held.patterns.set_index("pattern").loc["trough", "text"]  # fmt: skip
    assert "CSAT, mean of 0 to 100" in cj.plot(held, "sentiment").layout.meta["caption"]
    assert "CSAT, mean of 0 to 100" in cj.render_map(held).html


def test_counts_of_times_of_unequal_length_are_not_called_more_or_fewer():
    rng = np.random.default_rng(0)
    log = log_of((range(900), "visit", rng.uniform(0, 200, 900)), until=200)
    journey = journey_of("Visit", "Sign", map={"silent_after": "20D"})

    def words(*spans: tuple[str, str]) -> tuple[set[str], str]:
        before, after = (cj.journey_map(journey, log.where(start=a, end=b)) for a, b in spans)
        change = after.compare(before)
        counts = change.table[change.table["measure"] == "customers"]
        return set(counts["words"]), change.definition.get("counts", "")

    long = ("2025-01-01", "2025-04-30"), ("2025-05-01", "2025-05-31")
    called, told = words(*long)
    assert called == {"another length of time"}
    assert told.endswith(" days: more or fewer is not said")
    alike, told = words(("2025-03-01", "2025-03-31"), ("2025-05-01", "2025-05-31"))
    assert (alike <= {"more", "fewer", "as many"}, told) == (True, "")


@pytest.mark.parametrize("stages", [("Visit",), ("Visit", "Sign")])
def test_what_no_two_stages_can_be_compared_by_is_not_said_to_be_alike(stages):
    who = np.arange(300)
    log = log_of((who, "visit", who * 0), *(((who[:9], "sign", 1),) if "Sign" in stages else ()))
    said = [f"It was {'great' if k % 2 else 'terrible'} today, number {k}" for k in range(120)]
    feedback = cj.read_feedback(
        pd.DataFrame(
            {"text": said, "stage": "Visit", "timestamp": START, "customer_id": range(120)}
        )
    )
    held = cj.journey_map(journey_of(*stages, map={"silent_after": "20D"}), log, feedback)
    assert "No pattern" not in held.headline
    assert "Whether customers feel otherwise at one stage than at another cannot be told" in held.headline  # fmt: skip
    assert cj.plot(held, "pain_points").layout.meta["caption"].startswith("Whether a stage is a pain point cannot be told")  # fmt: skip
    assert "stands out" not in cj.render_map(held).text


def test_who_entered_before_the_log_was_cut_did_not_skip_the_stage():
    """A stationary business: of April alone "share_skipped at Visit from 0 to 0.398", since who signs up then visited in March."""
    rng = np.random.default_rng(0)
    visits = rng.uniform(0, 120, 4_000)
    signs = visits + rng.exponential(10, 4_000)
    known = (rng.random(4_000) < 0.5) & (signs < 120)
    journey = journey_of("Visit", "Sign", map={"silent_after": "20D"})
    log = log_of((range(4_000), "visit", visits), (np.flatnonzero(known), "sign", signs[known]))
    before = cj.journey_map(journey, log.where(end="2025-03-31"))
    after = cj.journey_map(journey, log.where(start="2025-04-01", end="2025-04-30"))
    table = after.compare(before).table.set_index(["stage", "measure"])
    assert table.loc[("Visit", "share_skipped"), "words"] == "no clear change"
    assert table.loc[("Visit", "share_skipped"), "now"] == 0
    assert not table["significant"].any()
    assert after.compare(after).table["p_value"].notna().any()


@pytest.mark.parametrize("before_the_log", [0, 60])
def test_maps_before_and_after_a_day_compare_newcomers(before_the_log):
    """Whoever used the product before the day has less of it left: of customers alike "share_ended at Use from 0.54 to 0.70" in 29 of 30 businesses.

    The same, the other way round, where the log begins among customers who are on their way.
    """
    rng = np.random.default_rng(0)
    visits = rng.uniform(-before_the_log, 240, 4_000)
    uses = visits + rng.exponential(5, (7, 4_000)).cumsum(axis=0)
    days = [("visit", visits), *(("use", each) for each in uses)]
    seen = [(name, (at >= 0) & (at < 240), at) for name, at in days]
    log = log_of(*((np.flatnonzero(here), name, at[here]) for name, here, at in seen))
    held = cj.journey_map(journey_of("Visit", "Use", map={"silent_after": "30D"}), log)
    changed = held.before_and_after(str((START + pd.Timedelta(days=120)).date()))
    assert changed.headline.startswith("No significant change in any of ")
    table = changed.table.set_index(["stage", "measure"])
    assert table.loc[("Use", "share_ended"), ["n_earlier", "n_now"]].min() >= 300


@pytest.mark.parametrize(("effect", "named"), [(0.0, False), (0.3, True)])
def test_what_came_to_please_while_more_and_more_stayed_is_no_moment_that_matters(effect, named):
    """The set-up pleases more every month and more customers stay every month, whoever was pleased."""
    rng = np.random.default_rng(0)
    who, day = np.arange(3_000), rng.uniform(0, 290, 3_000)
    pleased = rng.random(3_000) < 0.1 + 0.8 * day / 290
    stay = rng.random(3_000) < 0.2 + 0.6 * day / 290 + effect * (pleased - 0.5)
    back = [(who[stay], "use", day[stay] + later) for later in (35, 45, 55)]
    log = log_of((who, "setup", day), (who, "use", day + 3), *back, until=365)
    answers = {"setup": (day + 1, pleased), "use": (day + 4, rng.random(3_000) < 0.5)}
    feedback = pd.concat(
        pd.DataFrame(
            {
                "customer_id": who.astype(str),
                "timestamp": START + pd.to_timedelta(at, unit="D"),
                "csat": np.where(good, 5, 1),
                "touchpoint": name,
                "stage": name.capitalize(),
            }
        )
        for name, (at, good) in answers.items()
    )
    journey = journey_of("Setup", "Use", map={"silent_after": "30D", "outcome_after": "30D"})
    held = cj.journey_map(journey, log, cj.read_feedback(feedback))
    moments = held.moments.set_index(["touchpoint", "outcome"])
    assert moments.loc[("setup", "retained"), "named"] == named
    assert moments.loc[("setup", "retained"), "share_good"] - moments.loc[("setup", "retained"), "share_bad"] > 0.15  # fmt: skip

"""The scorecard: every share counted again the slow way, the band by hand, words exactly, nothing hidden that is not measured."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

import cjlib as cj
from cjlib.analyses.scorecard import Scorecard, summary
from cjlib.analyses.scorecard.control_limits import LEVEL, band_of, change_of, direction_of
from cjlib.analyses.scorecard.series import Counts, Means, Medians, Shares, Survivals
from cjlib.errors import CjlibError, DataError
from cjlib.sources.journey import Journey, journey_from
from cjlib.sources.journey.schema import MEASURES

STAGES = [
    {"name": "Look", "touchpoints": ["visit"]},
    {"name": "Buy", "touchpoints": ["buy", "use"]},
    {"name": "End", "touchpoints": ["leave"]},
]
ROLES = {
    "visit": "visit",
    "lead": "visit",
    "convert": "buy",
    "start": "visit",
    "expand": "use",
    "features": ["use", "buy"],
}


def a_journey(**more: object) -> Journey:
    content = {
        "name": "toy",
        "sources": {"events": "events.csv"},
        "stages": STAGES,
        "roles": ROLES,
        "scorecard": {"period": "day", "periods": 30},
    }
    return journey_from({**content, "churn": {"event": "leave"}, **more})


def card_of(events: pd.DataFrame, **more: object) -> Scorecard:
    return cj.scorecard(a_journey(**more), cj.read_events(events, observed_until="2024-01-10"))


def values(card: Scorecard, measure: str) -> dict[int, tuple[float, int]]:
    """Value and n by day of January."""
    rows = card.trend[card.trend["measure"] == measure]
    return {one.period_start.day: (one.value, one.n) for one in rows.itertuples()}


# ---- counted by hand ------------------------------------------------------------------------------------------------


TOY = "ana: visit@1h buy@2h use@25h leave@50h | bob: visit@1h buy@30h | cy: buy@3h visit@4h use@26h use@27h"


def test_a_conversion_counts_only_if_it_follows_within_the_same_period():
    assert values(card_of(toy_events(TOY)), "conversion_of_visitors")[1] == (
        pytest.approx(1 / 3),
        3,
    )


def test_retention_is_of_those_active_in_the_period_before():
    found = values(card_of(toy_events(TOY)), "retention")
    assert found[2] == (1.0, 3)
    assert found[3] == (0.0, 3)


def test_the_churn_event_is_no_activity_and_counts_once():
    card = card_of(toy_events(TOY))
    assert values(card, "active_customers")[3] == (0.0, 0)
    assert values(card, "churn")[3] == (pytest.approx(1 / 3), 3)


def test_features_are_counted_once_each_by_those_active():
    assert values(card_of(toy_events(TOY)), "features_per_customer")[1] == (pytest.approx(2 / 3), 3)
    assert values(card_of(toy_events(TOY)), "features_per_customer")[2] == (1.0, 3)


def test_new_customers_are_new_once():
    found = values(card_of(toy_events(TOY)), "new_customers")
    assert [found[day][1] for day in (1, 2, 3)] == [3, 0, 0]


def test_days_to_a_milestone_wait_for_those_not_there_yet():
    text = "a: visit@0h buy@12h | b: visit@0h buy@36h | c: visit@0h | d: visit@0h"
    found = values(card_of(toy_events(text), milestones={"order": "buy"}), "median_days_to_order")
    assert found[1] == (1.5, 4)


def test_value_is_summed_up_to_each_period():
    events = toy_events("a: visit@0h buy@1h buy@25h | b: visit@1h | c: visit@26h").assign(
        value=[np.nan, 10.0, 20.0, np.nan, np.nan]
    )
    card = card_of(events, value={"event": "buy", "amount": "value"})
    assert [values(card, "value_per_active_customer")[day][0] for day in (1, 2)] == [5.0, 10.0]
    assert [values(card, "value_to_date_per_customer")[day][0] for day in (1, 2, 3)] == [
        5.0,
        10.0,
        10.0,
    ]


def test_tickets_are_counted_by_the_period_of_their_opening():
    text = "a: open@1h answer@2h solve@3h | b: open@1h answer@30h | c: open@50h give_up@51h"
    support = {
        "opened": "open",
        "first_response": "answer",
        "resolved": "solve",
        "abandoned": "give_up",
    }
    card = card_of(toy_events(text), support=support)
    assert values(card, "tickets")[1] == (2.0, 2)
    assert values(card, "answered_in_24h")[1] == (0.5, 2)
    assert values(card, "abandonment")[3] == (1.0, 1)
    assert values(card, "median_seconds_to_first_response")[1][0] == 3600


def test_events_told_by_a_condition_are_counted_as_those_told_by_name():
    rng = np.random.default_rng(3)
    texts = (
        f"c{who}: "
        + " ".join(
            f"{rng.choice(['visit', 'buy', 'use', 'leave'])}@{at * 10}min"
            for at in rng.integers(0, 700, 12)
        )
        for who in range(30)
    )
    log = cj.read_events(
        toy_events(" | ".join(texts)).assign(kind=lambda held: held["event"]),
        observed_until="2024-01-06",
        duplicates="keep",
    )
    plain = {**ROLES, "page": ["visit", "use"]}

    def told(names: object) -> dict[str, object]:
        return {"event": ["visit", "buy", "use", "leave"], "where": {"kind": names}}

    conditioned = {
        role: [told(one) for one in names] if role == "features" else told(names)
        for role, names in plain.items()
    }
    stages = [
        {
            **one,
            "touchpoints": [{"name": name, "events": [told(name)]} for name in one["touchpoints"]],
        }
        for one in STAGES
    ]
    by_name = cj.scorecard(a_journey(roles=plain), log)
    by_condition = cj.scorecard(
        a_journey(roles=conditioned, stages=stages, churn={"event": told("leave")}), log
    )
    pd.testing.assert_frame_equal(by_name.trend, by_condition.trend, check_exact=True)
    assert {"median_seconds_on_page", "features_per_customer", "churn"} <= set(
        by_name.trend["measure"]
    )


def test_the_median_time_on_a_page_leaves_out_the_last_page_of_a_session():
    roles = {**ROLES, "page": "visit"}
    card = card_of(
        toy_events("a: visit@1min use@3min visit@4min | b: visit@0min visit@6min visit@100min"),
        roles=roles,
    )
    assert values(card, "median_seconds_on_page")[1] == (240.0, 2)


# ---- against a slow way ---------------------------------------------------------------------------------------------


LOGS = st.lists(
    st.tuples(
        st.integers(0, 4), st.sampled_from(["visit", "buy", "use", "leave"]), st.integers(0, 9 * 24)
    ),
    min_size=1,
    max_size=40,
    unique=True,
)


def slow_shares(rows: list[tuple[int, str, int]]) -> dict[str, dict[int, tuple[int, int]]]:
    """Count and base of conversion, retention and churn by day, by asking every customer about every day."""
    people = sorted({who for who, _, _ in rows})
    times = {
        (who, name): sorted({at for one, event, at in rows if (one, event) == (who, name)})
        for who in people
        for name in ("visit", "buy", "use", "leave")
    }
    found: dict[str, dict[int, tuple[int, int]]] = {
        "conversion_of_visitors": {},
        "retention": {},
        "churn": {},
    }

    def on(who: int, name: str, day: int) -> list[int]:
        return [at for at in times[who, name] if at // 24 == day]

    def active(who: int, day: int) -> bool:
        return any(on(who, name, day) for name in ("visit", "buy", "use"))

    for day in range(10):
        begun = [who for who in people if on(who, "visit", day)]
        found["conversion_of_visitors"][day + 1] = (
            sum(any(at >= on(who, "visit", day)[0] for at in on(who, "buy", day)) for who in begun),
            len(begun),
        )
        before = [who for who in people if active(who, day - 1)]
        found["retention"][day + 1] = sum(active(who, day) for who in before), len(before)
        risky = [who for who in before if not any(at < day * 24 for at in times[who, "leave"])]
        found["churn"][day + 1] = sum(bool(on(who, "leave", day)) for who in risky), len(risky)
    return found


@given(LOGS)
def test_shares_agree_with_asking_every_customer_about_every_day(rows):
    events = pd.DataFrame(
        {"customer_id": [f"c{who}" for who, _, _ in rows], "event": [name for _, name, _ in rows]}
    )
    events["timestamp"] = [
        pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(hours=at) for _, _, at in rows
    ]
    card = card_of(events)
    for measure, days in slow_shares(rows).items():
        found = values(card, measure)
        if not found:
            assert not {"visit", "buy", "leave"} <= set(events["event"]), (
                "not measured only where an event never occurs"
            )
            continue
        first = min(found)
        for day, (count, base) in days.items():
            if day > first or (day == first and measure == "conversion_of_visitors"):
                assert found[day][1] == base, (measure, day)
                assert found[day][0] == pytest.approx(
                    count / base if base else np.nan, nan_ok=True
                ), (measure, day)


def test_churn_by_a_silence_shorter_than_a_period_is_not_measured():
    events = pd.DataFrame({"customer_id": "a", "event": ["visit", "buy", "visit"]})
    events["timestamp"] = pd.date_range("2024-01-01", periods=3, freq="3D", tz="UTC")
    row = card_of(events, churn={"inactive": "6h"}).table.set_index("measure").loc["churn"]
    assert row["words"] == (
        "not measured: needs churn.inactive of at least a period (within one, a customer could be gone after 6h and be back)"
    )


@pytest.mark.parametrize(("every", "measured"), [(36, False), (12, True)])
def test_churn_by_a_silence_that_is_the_rhythm_of_most_is_not_measured(every, measured):
    rows = [(f"c{who}", "use", hour) for who in range(40) for hour in range(who, 200, every)]
    events = pd.DataFrame(rows, columns=["customer_id", "event", "hour"])
    hours = pd.to_timedelta(events.pop("hour"), unit="h")
    events["timestamp"] = pd.Timestamp("2024-01-01", tz="UTC") + hours
    table = card_of(events, churn={"inactive": "24h"}).table.set_index("measure")
    row = table.loc["churn"]
    assert (row["status"] == "not measured") != measured
    assert ("shorter than the rhythm of many" in row["words"]) != measured


@given(LOGS, st.sampled_from([24, 30, 60]))
def test_churn_by_silence_agrees_with_walking_through_every_silence(rows, limit):
    rows = sorted({(who, "use", at) for who, _, at in rows})
    events = pd.DataFrame({"customer_id": [f"c{who}" for who, _, _ in rows], "event": "use"})
    events["timestamp"] = [
        pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(hours=at) for _, _, at in rows
    ]
    found = values(card_of(events, churn={"inactive": f"{limit}h"}), "churn")
    times = {who: sorted({at for one, _, at in rows if one == who}) for who, _, _ in rows}
    for day in range(min(found), 11):
        start, end = (day - 1) * 24, day * 24
        risky = [
            who
            for who, each in times.items()
            if any(at < start for at in each)
            and start - max(at for at in each if at < start) < limit
        ]
        went = 0
        for who in risky:
            each = times[who]
            reached = [
                at + limit
                for place, at in enumerate(each)
                if place + 1 == len(each) or each[place + 1] - at >= limit
            ]
            went += any(start <= moment < end for moment in reached)
        assert found[day] == (
            pytest.approx(went / len(risky) if risky else np.nan, nan_ok=True),
            len(risky),
        ), day


def test_rows_in_any_order_give_the_same_bytes():
    sample = cj.sample(300, seed=2)
    journey = journey_from({**_plain(), "scorecard": {"period": "month", "periods": 12}})
    given, turned = (
        cj.scorecard(journey, cj.read_events(rows))
        for rows in (sample.events, sample.events.sample(frac=1, random_state=5))
    )
    pd.testing.assert_frame_equal(given.table, turned.table, check_exact=True)
    pd.testing.assert_frame_equal(given.trend, turned.trend, check_exact=True)


def _plain() -> dict[str, object]:
    return {
        "name": "sample",
        "sources": {"events": "events.csv"},
        "stages": [{"name": "All", "touchpoints": ["visit", "signup", "login", "payment"]}],
        "roles": {"visit": "visit", "convert": "signup", "start": "signup", "page": "visit"},
        "milestones": {"activation": "activate"},
        "support": {
            "ticket_id": "ticket_id",
            "opened": "ticket_opened",
            "first_response": "ticket_first_response",
            "handled_by": "agent",
        },
        "value": {"event": "payment", "amount": "value"},
        "churn": {"event": "cancel"},
    }


def test_the_sql_gives_the_active_customers():
    log = cj.read_events(cj.sample(300, seed=2).events, timezone="Europe/Berlin")
    card = cj.scorecard(
        journey_from({**_plain(), "scorecard": {"period": "month", "periods": 12}}), log
    )
    counted = card.trend.loc[card.trend["measure"] == "active_customers", "n"].tolist()
    assert log.run(card.sql)["active_customers"].tolist() == counted


# ---- what is ordinary -----------------------------------------------------------------------------------------------


def test_the_limits_lie_round_the_mean_of_the_periods_before_by_hand():
    count = np.array([30, 33, 27, 31, 29, 32, 28, 60])
    band = band_of(Shares(count, np.full(8, 100)), np.ones(8, dtype=bool))
    angle = 2 * np.arcsin(np.sqrt((count[:7] + 3 / 8) / 100.75))
    assert band.centre[7] == pytest.approx(np.sin(angle.mean() / 2) ** 2, rel=0.02)
    assert band.judged.all()
    # No narrower than who was counted lets eight periods be at once.
    half = -ndtri(LEVEL / 16) * np.sqrt((1 + 1 / 7) / 100.5)
    assert band.high[7] >= np.sin((angle.mean() + half) / 2) ** 2 - 0.01
    assert band.flagged.tolist() == [False] * 7 + [True]


def test_a_measure_that_never_changes_is_called_constant():
    band = band_of(
        Means(np.full(24, 500.0), np.full(24, 2500.0), np.full(24, 100)), np.ones(24, bool)
    )
    assert band.constant
    assert not band.flagged.any()
    card = card_of(steady(days=10).query("event == 'visit'"))
    words = card.table.set_index("measure").loc["active_days_per_customer", "words"]
    assert words.startswith("the same in every period")


def test_below_eight_complete_periods_nothing_is_called_ordinary():
    series = Shares(np.array([1, 2, 3, 4, 5, 6, 7, 50]), np.full(8, 100))
    complete = np.array([True] * 7 + [False])
    band = band_of(series, complete)
    assert not band.known
    assert np.isnan(change_of(series.value, series.n, band, 6, 30).p_value)


def test_a_change_that_rests_on_fewer_than_thirty_is_not_judged():
    series = Shares(np.array([10, 12, 9, 11, 10, 8, 12, 40]), np.full(8, 29))
    assert np.isnan(
        change_of(
            series.value,
            series.n,
            band_of(Shares(series.count // 2, series.n), np.ones(8, dtype=bool)),
            7,
            30,
        ).p_value
    )


def test_one_direction_takes_six_steps_to_the_same_side():
    rising = np.arange(7.0)
    complete = np.ones(7, dtype=bool)
    assert direction_of(rising, complete, 6) == 1
    assert direction_of(-rising, complete, 6) == -1
    assert direction_of(rising[1:], complete[1:], 5) == 0
    assert direction_of(np.array([0, 1, 2, 2, 3, 4, 5.0]), complete, 6) == 0


def _counts_of(rng: np.random.Generator, world: str, periods: int = 30) -> Counts:
    """A count of about 2,000 a period in which nothing happens but what the name says."""
    at = np.arange(periods)
    drift = np.zeros(periods + 20)
    for k in range(1, drift.size):
        drift[k] = 0.6 * drift[k - 1] + rng.normal()
    level = {
        "growth": 1.01**at,
        "season": 1 + 0.1 * np.sin(2 * np.pi * (at + rng.integers(12)) / 12),
        "growth and season": 1.01**at * (1 + 0.1 * np.sin(2 * np.pi * at / 12)),
        "slow drift": 1 + 0.05 * drift[20:],
    }[world]
    return Counts(rng.poisson(2_000 * level))


@pytest.mark.parametrize("world", ["growth", "season", "growth and season", "slow drift"])
def test_a_business_in_which_nothing_happens_stays_within_its_limits(world):
    rng = np.random.default_rng(7)
    every = np.ones(30, dtype=bool)
    outside = [band_of(_counts_of(rng, world), every, (12,)).flagged.any() for _ in range(150)]
    assert np.mean(outside) <= 0.05


def test_an_incident_is_found_and_week_to_week_variation_is_none():
    """30 weeks of 60 to 400 customers, share .3; incident: two weeks at .15; variation: a sd of .2 on the logit."""
    rng = np.random.default_rng(7)
    every = np.ones(30, dtype=bool)
    false, moved, found = [], [], []
    for _ in range(150):
        n = rng.integers(60, 401, 30)
        false.append(band_of(Shares(rng.binomial(n, 0.3), n), every).flagged.any())
        logit = np.log(3 / 7) + rng.normal(0, 0.2, 30)
        moved.append(
            band_of(Shares(rng.binomial(n, 1 / (1 + np.exp(-logit))), n), every).flagged.any()
        )
        share = np.full(30, 0.3)
        share[20:22] = 0.15
        found.append(band_of(Shares(rng.binomial(n, share), n), every).flagged[20:22].any())
    assert np.mean(false) <= 0.05
    assert np.mean(moved) <= 0.08
    assert np.mean(found) >= 0.85, np.mean(found)


def test_changes_significant_are_rare_where_nothing_changes():
    rng = np.random.default_rng(3)
    every = np.ones(12, dtype=bool)
    p = []
    for _ in range(600):
        n = rng.integers(60, 401, 12)
        series = Shares(rng.binomial(n, 0.3), n)
        p.append(change_of(series.value, n, band_of(series, every), 11, 30).p_value)
    assert np.mean(np.array(p) < 0.05) <= 0.06


@pytest.mark.parametrize("kind", ["mean", "median", "survival", "count"])
def test_errors_of_every_kind_say_how_much_values_vary(kind):
    """The mean squared z of periods without an effect is about one."""
    rng = np.random.default_rng(11)
    squares = []
    for _ in range(40):
        n = rng.integers(60, 300, 12)
        period = np.repeat(np.arange(12), n)
        values = rng.exponential(10, n.sum())
        made = {
            "mean": lambda v=values, p=period, k=n: Means(
                np.bincount(p, v), np.bincount(p, v**2), k
            ),
            "median": lambda v=values, p=period: Medians(v, p, 12),
            "survival": lambda v=values, p=period: Survivals(v, np.ones(v.size, dtype=bool), p, 12),
            "count": lambda: Counts(rng.poisson(120, 12)),
        }[kind]()
        centre, error = made.centre_and_error(np.ones(12, dtype=bool))
        squares.append((((made.value - centre) / error) ** 2).mean())
    assert 0.8 < np.mean(squares) < 1.25


# ---- what is said ---------------------------------------------------------------------------------------------------


def steady(days: int = 10, people: int = 60) -> pd.DataFrame:
    """Everybody visits every day, a third of them buy; on the last day everybody buys."""
    rows = [(f"c{who}", "visit", day * 24 + 1) for who in range(people) for day in range(days)]
    rows += [
        (f"c{who}", "buy", day * 24 + 2)
        for who in range(people)
        for day in range(days)
        if (who + day) % 3 == 0 or day == days - 1
    ]
    times = [pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(hours=at) for _, _, at in rows]
    return pd.DataFrame(
        {
            "customer_id": [row[0] for row in rows],
            "event": [row[1] for row in rows],
            "timestamp": times,
        }
    )


def test_a_change_is_told_in_words_with_target_and_band():
    card = card_of(steady(), targets={"conversion_of_visitors": 0.5})
    row = card.table.set_index("measure").loc["conversion_of_visitors"]
    assert row["significant"]
    assert row["words"].startswith("better than normal variation explains (usual range ")
    assert row["words"].endswith("; met the target of 50.0%")
    assert card.headline.startswith("3 of 5 KPIs lie outside normal variation in 2024-01-10: ")
    assert {one.topic for one in card.findings} >= {"Visitors who convert in the same period"}
    assert card.families == {"the scorecard's measures against their normal variation": 5}


def test_the_important_things_are_one_of_a_kind_each_with_its_notebook():
    card = card_of(steady(), targets={"retention": 0.2})
    told = card.highlights()
    assert told["rank"].tolist() == [1, 2, 3]
    assert told["measure"].is_unique
    assert set(told["notebook"]) <= {
        "01_funnel",
        "02_retention",
        "03_sentiment",
        "04_churn",
        "05_paths",
        "06_journey_map",
    }
    assert all(sentence.endswith(".") and "n = " in sentence for sentence in told["sentence"])
    assert len(card.highlights(1)) == 1


def test_what_is_missing_stands_on_the_card_with_what_it_needs():
    card = card_of(toy_events(TOY))
    needs = card.table.set_index("measure")["needs"]
    assert needs["renewal"] == "roles.renewal_due, roles.renew"
    assert needs["nps"] == "sources.feedback"
    assert needs["tickets"] == "support.opened"
    assert needs["value_per_active_customer"] == "value"
    assert (
        card.table.set_index("measure").loc["renewal", "words"]
        == "not measured: needs roles.renewal_due, roles.renew"
    )
    assert "roles.refer" in cj.missing_measures(card).text


def test_a_role_whose_event_never_occurs_is_not_measured_rather_than_zero():
    card = card_of(toy_events(TOY), roles={**ROLES, "refer": "tell_a_friend"})
    assert (
        card.table.set_index("measure").loc["referral", "needs"]
        == "events in the log for roles.refer"
    )


def test_every_measure_of_the_journey_file_has_a_row():
    card = card_of(toy_events(TOY), milestones={"order": "buy"})
    assert card.table["measure"].tolist() == [*MEASURES, "median_days_to_order"]


def test_too_few_is_said_and_not_judged():
    row = card_of(toy_events(TOY)).table.set_index("measure").loc["retention"]
    assert row["status"] == "too few"


def test_the_newest_period_is_shown_and_not_judged():
    log = cj.read_events(steady(), observed_until="2024-01-10 12:00")
    card = cj.scorecard(a_journey(), log)
    assert card.table["period_start"].unique().tolist() == [pd.Timestamp("2024-01-09")]
    assert not card.trend.loc[card.trend["period_start"] == "2024-01-10", "complete"].any()


def test_a_first_month_that_the_log_does_not_cover_is_not_complete():
    text = "a: visit@5D visit@40D visit@70D"
    log = cj.read_events(toy_events(text), observed_until="2024-03-31")
    card = cj.scorecard(a_journey(scorecard={"period": "month", "periods": 12}), log)
    assert card.trend.loc[card.trend["measure"] == "retention", "complete"].tolist() == [
        False,
        True,
        True,
    ]


def test_opinions_are_those_of_their_own_analysis():
    feedback = cj.read_feedback(
        pd.DataFrame({"timestamp": ["2024-01-10 10:00"] * 4, "nps": [10, 9, 8, 0]}), timezone="UTC"
    )
    card = cj.scorecard(
        a_journey(), cj.read_events(steady(), observed_until="2024-01-10"), feedback
    )
    row = card.table.set_index("measure").loc["nps"]
    alone = cj.nps(feedback).table.iloc[0]
    assert (row["value"], row["low"], row["high"], row["n"]) == (
        alone["value"],
        alone["low"],
        alone["high"],
        4,
    )


def test_feedback_alone_gives_its_own_measures_and_says_what_events_would_add():
    feedback = cj.read_feedback(
        pd.DataFrame({"timestamp": ["2024-01-10 10:00", "2024-01-12 10:00"], "nps": [10, 9]}),
        timezone="UTC",
    )
    card = cj.scorecard(a_journey(), None, feedback)
    assert card.table.set_index("measure").loc["retention", "needs"] == "sources.events"
    assert values(card, "nps")[10] == (100.0, 1)


def test_a_log_without_events_is_refused():
    log = cj.read_events(steady()).where(event="none such")
    with pytest.raises(
        DataError,
        match=r"scorecard: the log has no events, so nothing can be measured\. Give a log with events\.",
    ):
        cj.scorecard(a_journey(), log)


def test_the_list_of_important_things_is_escaped_and_linked():
    html = cj.highlights(card_of(steady())).html
    assert html.startswith('<ol class="cj-important"><li><p>')
    assert ".ipynb" in html
    with pytest.raises(
        CjlibError, match=r"card: must be what cj.scorecard\(journey, log\) returned. Got 'str'."
    ):
        cj.highlights("card")


def test_the_figure_holds_every_mark_and_says_how_many_chance_would_flag():
    card = card_of(steady())
    figure = cj.plot(card)
    meta = figure.layout.meta
    drawn = card.trend.groupby("measure")["value"].count()
    assert meta["caption"].startswith(card.headline)
    assert "expected by chance" in meta["caption"]
    assert len(meta["rows"]) == 10 * int((drawn > 0).sum())
    with pytest.raises(CjlibError, match="measures: must be one of"):
        cj.plot(card, measures=["retentoin"])


def test_of_marks_that_none_could_judge_no_chance_is_told():
    log = cj.read_events(steady(days=4), observed_until="2024-01-04")
    card = cj.scorecard(a_journey(), log)
    assert card.expected_flags == 0
    assert cj.plot(card).layout.meta["caption"] == card.headline
    assert card.definition["flags by chance"] == "no measure has enough periods to be judged"


def test_the_sample_is_measured_whole(shared_sample):
    card = shared_sample
    assert (card.table["status"] == "measured").sum() == 36
    assert card.not_measured.empty
    row = card.table.set_index("measure")
    assert row.loc["churn", "target_met"] == "reached"
    spring = card.trend[(card.trend["measure"] == "new_customers") & card.trend["flagged"]]
    assert spring["period_start"].dt.month.tolist() == [5], (
        "the planted campaign of May stands out, and nothing else does"
    )


@pytest.fixture(scope="module")
def shared_sample() -> Scorecard:
    from conftest import ROOT

    journey = cj.read_journey(ROOT / "data" / "sample" / "journey.yml")
    return cj.scorecard(journey, journey.read_events(), journey.read_feedback())


def test_an_interval_without_an_upper_bound_is_so_much_or_more():
    assert summary.interval(5.26, math.nan, "days") == "95% CI 5.26 days or more"
    assert summary.interval(0.2, 0.3, "share") == "95% CI 20.0–30.0%"


@pytest.mark.parametrize(("a_day", "adds_up"), [(100, True), (3_000, True), (1_000, False)])
def test_a_february_with_as_many_a_day_is_no_news(a_day, adds_up):
    """New customers at one rate a day fell by a tenth from January to February: flagged in up to 57 of 100 such businesses."""
    days = pd.period_range(end="2026-02", periods=14, freq="M").days_in_month.to_numpy(float)
    flagged = []
    for seed in range(40):
        count = np.random.default_rng(seed).poisson(a_day * days)
        band = band_of(Counts(count, adds_up), np.ones(14, dtype=bool), (12,), days)
        flagged.append(band.flagged[-1])
    assert np.mean(flagged) <= 0.05


def test_a_february_in_which_fewer_come_a_day_is_outside():
    days = pd.period_range(end="2026-02", periods=14, freq="M").days_in_month.to_numpy(float)
    count = np.random.default_rng(1).poisson(300 * days)
    count[-1] = count[-1] * 4 // 5
    assert band_of(Counts(count, True), np.ones(14, dtype=bool), (12,), days).flagged[-1]


def test_a_count_of_none_is_judged_like_any_other():
    """From 100 new customers a month to none: the month was not judged, as if nothing were known of it."""
    count = np.append(np.random.default_rng(0).poisson(100, 13), 0)
    band = band_of(Counts(count), np.ones(14, dtype=bool))
    assert band.judged[-1]
    assert band.flagged[-1]
    seldom = Counts(np.random.default_rng(1).poisson(0.5, 30))
    assert not band_of(seldom, np.ones(30, dtype=bool)).flagged.any()
    none = band_of(Counts(np.zeros(12, dtype=np.int64)), np.ones(12, dtype=bool))
    assert none.constant


def test_a_share_of_which_nobody_is_left_is_told_not_passed_over():
    """A step that stopped being recorded left its share missing, and the headline said "No KPI changed significantly"."""
    rows = [
        f"c{day}_{one}: visit@{day * 24 + one % 20}h buy@{day * 24 + 21}h"
        for day in range(9)
        for one in range(40)
    ]
    events = toy_events(" | ".join(rows))
    last = events["timestamp"].dt.floor("D").max()
    until = str(last.date())

    def headline(frame: pd.DataFrame) -> str:
        return cj.scorecard(a_journey(), cj.read_events(frame, observed_until=until)).headline

    kept = events[(events["event"] != "visit") | (events["timestamp"] < last)]
    before = last - pd.Timedelta(days=1)
    assert f"“visit” does not occur between {before:%Y-%m-%d} and " in headline(kept)
    assert "does not occur" not in headline(events)
    late = kept[(kept["event"] == "buy") & (kept["timestamp"] >= before)]
    few = kept.drop(late.index[20:])  # too few came to tell that visits should have been among it
    assert (
        f"cannot be told of {last:%Y-%m-%d}: nobody is in the base, at least 40 were in {before:%Y-%m-%d}"
        in headline(few)
    )

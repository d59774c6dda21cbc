"""Churn data from a log: labels and features counted by hand, nothing from after the cutoff, the same for any order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.analyses.churn.model.fit import untruncated

START = pd.Timestamp("2024-01-01", tz="UTC")


def at(days: float) -> pd.Timestamp:
    return START + pd.Timedelta(days=days)


def toy(text: str, **options: object) -> cj.ChurnData:
    until = options.pop("until", at(200))
    return cj.churn_data(
        cj.read_events(toy_events(text), observed_until=until),
        **({"horizon": "30D", "cutoffs": [at(100)]} | options),
    )


def labels(data: cj.ChurnData) -> dict[str, float]:
    return dict(zip(data.table["customer_id"], data.table["churned"], strict=True))


def shop(customers: int, seed: int) -> pd.DataFrame:
    """A made-up shop: everyone buys at an own rate and stops at an own time; some return what they bought."""
    rng = np.random.default_rng(seed)
    rows = []
    for one in range(customers):
        begin, pace, end = rng.uniform(0, 150), rng.gamma(2.0, 12.0) + 2, rng.exponential(180)
        times = begin + np.cumsum(rng.exponential(pace, 60))
        for time in [begin, *times[times < min(400, begin + end)]]:
            rows.append(
                (
                    f"c{one:04d}",
                    "buy",
                    START + pd.Timedelta(minutes=int(time * 1440)),
                    rng.choice(["web", "app"]),
                    round(rng.gamma(2, 20), 2),
                )
            )
            if rng.random() < 0.1:
                rows.append(
                    (
                        f"c{one:04d}",
                        "return",
                        START + pd.Timedelta(minutes=int(time * 1440) + 600),
                        "web",
                        -5.0,
                    )
                )
    return pd.DataFrame(rows, columns=["customer_id", "event", "timestamp", "channel", "value"])


def test_the_label_looks_after_the_cutoff_and_to_the_end_of_the_horizon_inclusive():
    data = toy(
        "ana: buy@100D | bob: buy@90D buy@130D | cyd: buy@90D buy@131D | dan: buy@99D buy@101D | eve: buy@110D",
        until=at(131),
    )
    assert labels(data) == {"ana": 1, "bob": 0, "cyd": 1, "dan": 0}


def test_an_event_at_the_cutoff_belongs_to_the_past():
    row = toy("ana: buy@95D buy@100D | bob: buy@1D").table.iloc[0]
    assert (row["n_days"], row["recency_days"], row["churned"]) == (2, 0, 1)


def test_a_horizon_that_is_not_over_gives_no_label_and_is_ignored_by_the_fit():
    data = toy("ana: buy@90D | bob: buy@99D", until=at(129))
    assert data.table["churned"].isna().all()
    assert "no cutoff has its horizon behind it" in cj.fit_churn(data).reason


def test_who_had_the_churn_event_is_left_out_and_re_enters_at_the_return():
    text = "ana: buy@10D cancel@50D | bob: buy@10D cancel@50D buy@80D | cyd: buy@10D cancel@120D | dan: buy@10D | eve: buy@10D cancel@100D"
    data = toy(text, churn_event="cancel")
    assert labels(data) == {"bob": 0, "cyd": 1, "dan": 0}
    assert data.definition["left out"].startswith("2 rows")
    assert not [name for name in data.features if "cancel" in name]


ENDED = " | ".join(f"f{one:02d}: visit@5D cancel@20D confirm@21D survey@25D" for one in range(28))
STAYED = "ana: visit@10D cancel@50D survey@55D | bob: visit@10D cancel@50D survey@55D visit@80D | cyd: visit@10D survey@60D visit@98D | dan: visit@10D cancel@120D"


def test_an_exit_survey_and_the_confirmation_before_it_are_no_return():
    more = " | eve: visit@1D cancel@2D confirm@4D | fay: visit@1D cancel@2D confirm@4D | "
    data = toy(ENDED + more + STAYED, churn_event="cancel")
    assert labels(data) == {"bob": 0, "cyd": 0, "dan": 1}
    assert data.definition["left out"].startswith("31 rows")
    assert data.definition["return"].startswith(
        "any event after the churn event but 'confirm', 'survey', which in the whole log (almost) nothing follows: 31 customers"
    )


def test_what_fewer_than_thirty_customers_had_is_a_return_however_final():
    data = toy(
        f"{ENDED} | {STAYED.replace('bob: visit@10D cancel@50D survey@55D', 'bob: visit@10D cancel@50D').replace('survey@60D ', '')}",
        churn_event="cancel",
    )
    assert labels(data) == {f"f{one:02d}": 0 for one in range(28)} | {
        "ana": 0,
        "bob": 0,
        "cyd": 0,
        "dan": 1,
    }
    assert data.definition["return"].startswith("any event after the churn event; of no event type")


def test_an_active_event_says_itself_what_a_return_is():
    data = toy(
        f"{ENDED} | eve: survey@1D | {STAYED}",
        churn_event="cancel",
        active_event=["visit", "confirm", "survey"],
    )
    assert labels(data) == {f"f{one:02d}": 0 for one in range(28)} | {
        "ana": 0,
        "bob": 0,
        "cyd": 0,
        "dan": 1,
        "eve": 0,
    }
    assert "return" not in data.definition


def test_the_first_churn_event_alone_can_be_what_leaving_is():
    first = cj.Step("cancel", first_time=True)
    data = toy(
        "ana: visit@10D cancel@50D visit@60D cancel@110D | bob: visit@10D cancel@120D | cyd: visit@10D cancel@40D",
        churn_event=first,
    )
    assert labels(data) == {"ana": 0, "bob": 1}


def random_leavers(seed: int) -> pd.DataFrame:
    """Visits, cancellations, confirmations and surveys on few days, so that many tie; how often one comes back after each changes with the seed."""
    rng = np.random.default_rng(seed)
    rows = []
    for one in range(90):
        day, back = 0.0, rng.random() < (0.03, 0.12, 0.3)[seed % 3]
        steps = [
            "visit",
            *rng.choice(["visit", "cancel"], 2),
            "cancel",
            *[["confirm", "survey"], ["survey"], ["confirm"]][rng.choice(3, p=[0.35, 0.6, 0.05])],
        ]
        for name in [*steps, *(["visit", "survey"] if back else [])]:
            day += rng.integers(0, 4) * 5
            rows.append((f"c{one:02d}", str(name), at(day + 80 * (rng.random() < 0.003))))
    return pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]).drop_duplicates(
        ignore_index=True
    )


def by_customer(frame: pd.DataFrame) -> dict[str, list[tuple[pd.Timestamp, str]]]:
    found: dict[str, list[tuple[pd.Timestamp, str]]] = {}
    for customer, name, time in frame.itertuples(index=False):
        found.setdefault(customer, []).append((time, name))
    return found


def plain_endings(customers: dict, until: pd.Timestamp) -> set[str]:
    """Event types that nothing follows but one another, found again until there is no more."""
    settled = [
        rows
        for rows in customers.values()
        if max(time for time, _ in rows) < until - pd.Timedelta(days=30)
    ]
    found: set[str] = set()
    while True:
        now = set()
        for name in ("visit", "confirm", "survey"):
            final = [
                not any(later > time and then not in found for later, then in rows)
                for rows in settled
                for time, one in rows
                if one == name
            ]
            having = sum(any(one == name for _, one in rows) for rows in settled)
            if having >= 30 and sum(final) >= 0.9 * len(final):
                now.add(name)
        if now <= found:
            return found
        found |= now


@pytest.mark.parametrize("seed", range(6))
def test_who_is_at_risk_after_leaving_is_what_plain_python_says(seed):
    frame = random_leavers(seed)
    customers = by_customer(frame)
    no_return = plain_endings(customers, at(200))
    assert (no_return == {"confirm", "survey"}) == (seed % 3 == 0)
    log = cj.read_events(frame, observed_until=at(200))
    for day in (30, 60):
        data = cj.churn_data(log, horizon="30D", churn_event="cancel", cutoffs=[at(day)])
        expected = set()
        for customer, rows in customers.items():
            until = [(time, name) for time, name in rows if time <= at(day)]
            gone = max((time for time, name in until if name == "cancel"), default=None)
            back = [name for time, name in until if gone is None or time > gone]
            no_activity = {"cancel"} if gone is None else {*no_return, "cancel"}
            expected |= {customer} if any(name not in no_activity for name in back) else set()
        assert set(labels(data)) == expected
        assert all(f"'{name}'" in data.definition["return"] for name in no_return)


def test_an_event_that_never_occurs_is_said_with_the_nearest_that_does():
    text = "ana: buy@10D cancel@50D | bob: buy@10D"
    left = toy(text, churn_event="cancell")
    assert left.headline.endswith(
        "churn_event: 'cancell' never occurs in the log. Did you mean 'cancel'?"
    )
    active = toy(text, active_event="byu")
    assert active.headline.endswith(
        "active_event: 'byu' never occurs in the log. Did you mean 'buy'?"
    )
    assert active.table.empty
    assert toy(text, churn_event=cj.Step("buy", where={"event": "cancel"})).headline.endswith(
        "churn_event: 'buy where event = cancel' never occurs in the log."
    )
    assert "never occurs" not in toy(text, churn_event="cancel", active_event="buy").headline


def test_the_midnight_that_ends_the_last_day_is_a_cutoff():
    data = toy("ana: buy@90D | bob: buy@99D", cutoffs=[at(130)], until=at(129.6))
    assert data.table["churned"].isna().all()


def test_only_the_active_event_is_activity():
    data = toy(
        "ana: buy@80D mail@110D | bob: buy@80D buy@110D | cyd: mail@80D buy@110D",
        active_event="buy",
    )
    assert labels(data) == {"ana": 1, "bob": 0}


def test_features_by_hand():
    row = toy("ana: buy@0D buy@10D buy@40D buy@95D visit@95D | bob: visit@50D").table.iloc[0]
    found = row[
        [
            "age_days",
            "recency_days",
            "n_days",
            "span_days",
            "gap_median",
            "gap_mean",
            "gap_max",
            "gap_last",
        ]
    ].tolist()
    assert found == pytest.approx([100, 5, 4, 95, 30, 95 / 3, 55, 55])
    assert row["gap_sd"] == pytest.approx(np.std([10, 30, 55], ddof=1))
    assert row[["n_30d", "n_60d", "n_90d", "n_180d"]].tolist() == [2, 2, 3, 5]
    assert row["trend_30d"] == pytest.approx(np.log(2.5 / 0.5))
    assert row[["n_buy_90d", "n_visit_90d", "days_since_buy", "days_since_visit"]].tolist() == [
        2,
        1,
        5,
        5,
    ]


def test_a_wait_lasts_until_the_answer_or_the_cutoff():
    text = "ana: ask@80D reply@83D ask@98D reply@105D | bob: ask@20D reply@60D"
    table = toy(text, waits={"help": ("ask", "reply")}).table.set_index("customer_id")
    assert table.loc["ana", ["wait_help_max_30d", "wait_help_last"]].tolist() == [3, 2]
    assert table.loc["bob", ["wait_help_max_30d", "wait_help_last"]].isna().all()


def test_feedback_counts_up_to_the_cutoff():
    said = pd.DataFrame(
        {
            "customer_id": ["ana"] * 3,
            "timestamp": [at(40), at(90), at(101)],
            "nps": [9.0, 3.0, 10.0],
            "text": "",
        }
    )
    row = toy("ana: buy@10D | bob: buy@10D", feedback=cj.read_feedback(said)).table.iloc[0]
    assert row[["nps_last", "nps_age_days", "negatives_90d"]].tolist() == [3, 10, 1]


def test_scores_of_texts_are_features_when_feedback_brings_them():
    said = pd.DataFrame(
        {"customer_id": ["ana", "ana"], "timestamp": [at(40), at(90)], "text_score": [0.8, -0.5]}
    )
    row = toy("ana: buy@10D | bob: buy@10D", feedback=said).table.iloc[0]
    assert row[["text_score_last", "text_score_age_days", "negatives_90d"]].tolist() == [
        -0.5,
        10,
        1,
    ]


def test_active_within_asks_for_some_and_the_population_still_tells_of_all():
    data = toy("ana: buy@10D | bob: buy@90D | cyd: buy@60D", active_within="20D")
    assert list(labels(data)) == ["bob"]
    assert data.population[["population", "customers"]].to_numpy().tolist() == [
        ["all", 3],
        ["active", 2],
        ["asked", 1],
    ]
    assert "of everyone ever seen" in data.headline
    assert "of those active within 60 days" in data.headline


@pytest.mark.parametrize(
    ("horizon", "expected"),
    [
        ("90D", [100, 130, 160, 190, 220, 250, 280, 310]),
        ("30D", [205, 220, 235, 250, 265, 280, 295, 310, 325, 340, 355, 370]),
    ],
)
def test_cutoffs_go_back_from_the_last_event_less_the_horizon_in_steps_of_thirty_days_or_half_the_horizon(
    horizon, expected
):
    days = (
        toy("ana: buy@0D buy@400D", cutoffs=None, until=at(400), horizon=horizon)
        .table["cutoff"]
        .sub(START)
        .dt.days.unique()
        .tolist()
    )
    assert days == expected


@pytest.fixture(scope="module")
def made() -> pd.DataFrame:
    return shop(500, 3)


def test_features_are_those_of_the_log_cut_at_the_cutoff_cell_by_cell(made):
    log = cj.read_events(made)
    for day in (150, 250, 330):
        whole = cj.churn_data(log, horizon="45D", cutoffs=[at(day)])
        cut = cj.churn_data(log.where(end=at(day)), horizon="45D", cutoffs=[at(day)])
        pd.testing.assert_frame_equal(
            whole.table.drop(columns="churned"), cut.table.drop(columns="churned"), check_exact=True
        )


def test_any_order_of_the_rows_gives_the_same_bytes(made):
    tables = [
        cj.churn_data(cj.read_events(frame), horizon="45D").table
        for frame in (made, made.sample(frac=1, random_state=9))
    ]
    assert tables[0].to_csv() == tables[1].to_csv()


def test_labels_and_counts_are_those_of_plain_python(made):
    moment, ahead = at(250), at(250) + pd.Timedelta(days=45)
    found = cj.churn_data(cj.read_events(made), horizon="45D", cutoffs=[moment]).table.set_index(
        "customer_id"
    )
    for customer, rows in made.groupby("customer_id"):
        past = rows[rows["timestamp"] <= moment]
        assert (customer in found.index) == (len(past) > 0)
        if len(past):
            later = rows[(rows["timestamp"] > moment) & (rows["timestamp"] <= ahead)]
            row = found.loc[customer]
            recent = past[past["timestamp"] > moment - pd.Timedelta(days=90)]
            assert row["churned"] == float(len(later) == 0)
            assert (row["n_90d"], row["n_days"]) == (
                len(recent),
                past["timestamp"].dt.normalize().nunique(),
            )
            assert row["value_sum"] == pytest.approx(past["value"].sum())


def test_the_fit_runs_the_truncation_test_and_would_notice(made):
    data = cj.churn_data(cj.read_events(made), horizon="45D")
    assert untruncated(data, data.source) == []
    data.table.loc[data.table["churned"].notna(), "n_30d"] += 1.0
    assert [one.column for one in untruncated(data, data.source)] == ["n_30d"]


def test_a_terminal_event_fails_as_a_feature_and_is_offered_as_churn():
    text = " | ".join(
        f"c{one:02d}: visit@{one}D visit@{one + 40}D confirm@{one + 60}D" for one in range(40)
    )
    text += " | " + " | ".join(f"d{one:02d}: visit@{one}D visit@{one + 90}D" for one in range(40))
    leaks = toy(text).leaks
    assert set(leaks.loc[leaks["rule"] == "terminal event", "column"]) == {
        "n_confirm_90d",
        "days_since_confirm",
    }
    assert "consider churn_event='confirm'" in leaks.iloc[0]["text"]


def test_a_model_of_a_log_is_tested_forward_and_says_what_it_beats(made):
    data = cj.churn_data(cj.read_events(made), horizon="45D")
    model = cj.fit_churn(data)
    tests = model.table["cutoff"].dropna().unique()
    assert len(tests) == 3
    assert model.table["cutoff"].isna().iloc[0]
    assert {"recency", "recency_over_gap", "bgnbd", "prevalence"} <= set(model.table["model"])
    assert model.definition["truncation test"].endswith("equal, cell by cell")
    today = cj.churn_data(
        cj.read_events(made), horizon="45D", cutoffs=[made["timestamp"].max()], like=model
    )
    assert model.score(today).table["churn_probability"].between(0, 1).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"horizon": "0D"}, "horizon: must be longer than nothing"),
        ({"cutoffs": "2024-02-01"}, "cutoffs: must be a list of instants"),
        ({"cutoffs": ["2023-02-01"]}, "lies before the first event"),
        ({"waits": {"help": "ask"}}, "waits: must name pairs of events"),
        ({"like": 3}, "like: must be ChurnData or a ChurnModel"),
        ({"value": "amount"}, "there is no column 'amount'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_remedy(options, said):
    with pytest.raises(cj.CjlibError, match=said):
        toy("ana: buy@10D | bob: buy@20D", **options)


def test_a_cutoff_after_the_end_of_the_data_is_told_and_the_midnight_after_it_is_not():
    late = toy("ana: buy@10D | bob: buy@20D", cutoffs=["2099-01-01"])
    assert late.table["churned"].isna().all()
    assert (
        "The cutoff 2099-01-01 lies after the end of the data, 2024-07-19: of the time between nothing is known, and it counts as silence."
        in late.headline
    )
    assert (
        "lies after"
        in toy(
            "ana: buy@10D | bob: buy@20D", cutoffs=[at(100), at(201) + pd.Timedelta("1us")]
        ).headline
    )
    assert "lies after" not in toy("ana: buy@10D | bob: buy@20D", cutoffs=[at(201)]).headline


def test_a_log_too_short_for_any_cutoff_says_what_it_needs():
    data = toy("ana: buy@0D buy@50D", cutoffs=None, until=at(50))
    assert not data.answered
    assert "need 120 days" in data.headline


def test_splits_after_a_fit_are_those_without_one():
    data = cj.churn_data(cj.read_events(shop(250, 3)), horizon="30D")
    before = cj.compare_splits(data).table
    cj.fit_churn(data)
    pd.testing.assert_frame_equal(cj.compare_splits(data).table, before, check_exact=True)


def test_a_share_of_overlapping_horizons_is_as_sure_as_its_customers():
    """150 customers in 8 snapshots 30 days apart, horizon 90 days: who leaves does so in three. Taken as independent the intervals held in 84 of 100."""
    held, truth = [], 1 - np.exp(-0.36)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        entered, lives = rng.uniform(0, 280, 150), rng.exponential(250, 150)
        leaves = entered + lives
        gone = leaves < 400
        frame = pd.DataFrame(
            {
                "customer_id": [f"c{k}" for k in [*range(150), *np.flatnonzero(gone)]],
                "event": ["use"] * 150 + ["cancel"] * int(gone.sum()),
                "timestamp": pd.Timestamp("2024-01-01", tz="UTC")
                + pd.to_timedelta(np.r_[entered, leaves[gone]], unit="D"),
            }
        )
        log = cj.read_events(frame, observed_until="2025-02-03")
        row = cj.churn_data(log, horizon="90D", churn_event="cancel").population.iloc[0]
        held.append(row["share_churned_low"] <= truth <= row["share_churned_high"])
        plain = 1.96 * np.sqrt(row["share_churned"] * (1 - row["share_churned"]) / row["rows"])
        assert row["share_churned_high"] - row["share_churned_low"] > 2.5 * plain
    assert np.mean(held) >= 0.9


def test_a_horizon_within_which_most_customers_pause_anyway_is_said_to_be_their_rhythm():
    """Customers who order every 60 days for ever: by 30 days without an order half of them "churned", and a model ranked them."""
    rng = np.random.default_rng(0)
    days = np.cumsum(rng.uniform(54, 66, (60, 8)), axis=1) + rng.uniform(0, 60, (60, 1))
    frame = pd.DataFrame(
        {
            "customer_id": np.repeat([f"c{place}" for place in range(60)], 8),
            "event": "order",
            "timestamp": START + pd.to_timedelta(days.ravel(), unit="D"),
        }
    )
    visits = frame.assign(event="visit", timestamp=frame["timestamp"] + pd.Timedelta(days=25))
    log = cj.read_events(pd.concat([frame, visits]))
    data = cj.churn_data(log, horizon="40D", active_event="order")
    assert " silences of 40 days were broken within as long again" in data.headline
    model = cj.fit_churn(data)
    for answer in (data, model, model.score_today(data)):
        assert "shorter than the rhythm of many, who are no churners" in answer.headline
    for quiet in (cj.churn_data(log, horizon="90D"), cj.churn_data(log, horizon="45D")):
        assert "silences" not in quiet.headline

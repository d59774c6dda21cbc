"""The sample business: the same bytes again, documented to the last column, and every planted effect is there, or not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT

import cjlib as cj
from cjlib.errors import CjlibError
from cjlib.samples import write
from cjlib.samples.business import CHANNELS, EVENTS, STAGES

DAY = pd.Timedelta("1D")
END = pd.Timestamp("2026-01-01", tz="Europe/Berlin")
TABLES = ["events", "feedback", "customers", "experiment"]
FILES = ["journey.yml", *(f"{name}.parquet" for name in TABLES)]
COMMITTED = ROOT / "data" / "sample"
README = (ROOT / "data" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def planted() -> cj.Sample:
    return cj.sample(seed=0)


@pytest.fixture(scope="module")
def plain() -> cj.Sample:
    return cj.sample(seed=0, effects=False)


def clean(sample: cj.Sample) -> pd.DataFrame:
    return sample.events.dropna(subset=["customer_id", "timestamp"]).drop_duplicates()


def first(events: pd.DataFrame, name: str) -> pd.Series:
    """When each customer did it first."""
    return events[events["event"] == name].groupby("customer_id")["timestamp"].min()


def first_visits(sample: cj.Sample) -> pd.DataFrame:
    """Each visitor's first visit, whether they signed up, and whether they subscribed within 14 days of it."""
    events = clean(sample)
    visits = (
        events[events["event"] == "visit"].sort_values("timestamp").groupby("customer_id").first()
    )
    visits["signed_up"] = visits.index.isin(first(events, "signup").index)
    visits["converted"] = (
        first(events, "subscribe").reindex(visits.index) - visits["timestamp"]
    ) <= 14 * DAY
    return visits


def section(title: str) -> str:
    """The part of the README under a heading."""
    return README.split(f"## {title}")[1].split("\n## ")[0]


# ---- the files ---------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (
        write(tmp_path / "one", customers=300, seed=5),
        write(tmp_path / "two", customers=300, seed=5),
    )
    assert [path.name for path in one] == FILES
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_another_seed_gives_another_year(tmp_path: Path) -> None:
    one, two = (
        write(tmp_path / "one", customers=300, seed=5),
        write(tmp_path / "two", customers=300, seed=6),
    )
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(one, two, strict=True)] == [
        True,
        False,
        False,
        False,
        False,
    ]


def test_the_committed_files_are_those_of_seed_0(tmp_path: Path, planted: cj.Sample) -> None:
    made = write(tmp_path, seed=0)
    assert sorted(path.name for path in COMMITTED.iterdir()) == sorted(FILES)
    for path in made:
        committed = COMMITTED / path.name
        # Parquet names the version of its writer, so that another version of pyarrow writes other bytes for the same table.
        if (
            path.suffix == ".yml"
            or pq.read_metadata(committed).created_by == pq.read_metadata(path).created_by
        ):
            assert committed.read_bytes() == path.read_bytes(), path.name
    for name in TABLES:
        pd.testing.assert_frame_equal(
            pd.read_parquet(COMMITTED / f"{name}.parquet"), getattr(planted, name)
        )
    assert (COMMITTED / "journey.yml").read_text(encoding="utf-8") == planted.journey


def test_the_committed_files_are_small() -> None:
    assert sum(path.stat().st_size for path in COMMITTED.glob("*.parquet")) < 3_000_000


def test_instants_are_stored_as_instants() -> None:
    for name in ("events", "feedback"):
        assert pq.read_schema(COMMITTED / f"{name}.parquet").field(
            "timestamp"
        ).type == pa.timestamp("us", tz="UTC")


def test_the_journey_file_is_valid_and_has_one_silent_and_one_unmapped_event(
    planted: cj.Sample,
) -> None:
    journey = cj.read_journey(COMMITTED / "journey.yml")
    named = {
        name
        for stage in journey.stages
        for touchpoint in stage.touchpoints
        for event in touchpoint.events
        for name in cj_names(event)
    }
    seen = set(planted.events["event"])
    assert named - seen == {"webinar_attended"}
    assert seen - named == {"banner_dismissed"}
    assert [stage.name for stage in journey.stages] == list(STAGES)


def cj_names(event: object) -> tuple[str, ...]:
    from cjlib.sources.log.conditions import as_step

    return as_step(event, "event").names  # pyright: ignore[reportArgumentType]


# ---- the dictionary ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_every_column_stands_in_the_dictionary_and_no_other(table: str, planted: cj.Sample) -> None:
    described = re.findall(r"^\| `(\w+)` \|", section(f"{table}.parquet"), flags=re.MULTILINE)
    assert described == list(getattr(planted, table).columns)


def test_every_event_stands_in_the_dictionary() -> None:
    assert {name for name in EVENTS if f"`{name}`" not in section("events.parquet")} == set()
    assert f"{len(EVENTS)} names" in section("events.parquet")


def test_every_effect_stands_in_the_dictionary_with_its_size(planted: cj.Sample) -> None:
    described = dict(
        re.findall(r"^\| `(\w+)` \| (.*)$", section("What was planted"), flags=re.MULTILINE)
    )
    assert list(described) == list(planted.truth.effects)
    for name, effect in planted.truth.effects.items():
        for size in effect.size.values():
            assert re.search(rf"(?<![\d.]){round(size, 3):g}(?![\d])", described[name]), (
                name,
                size,
            )
        if effect.start is not None:
            assert f"{effect.start:%Y-%m-%d}" in described[name]
        if effect.end is not None:
            assert f"to {effect.end - DAY:%Y-%m-%d}" in described[name]


def test_the_dirt_stands_in_the_dictionary(planted: cj.Sample) -> None:
    written = re.findall(
        r"^\| (events|feedback) \| (.+?)(?: \(11\))? \| (\d+) \|$",
        section("Dirt, on purpose"),
        flags=re.MULTILINE,
    )
    assert {f"{table}: {fault}": int(rows) for table, fault, rows in written} == dict(
        planted.truth.dirt
    )


# ---- the tables --------------------------------------------------------------------------------------------------


def test_the_log_has_the_promised_size(planted: cj.Sample) -> None:
    assert 150_000 <= len(planted.events) <= 250_000
    assert 5_500 <= len(planted.feedback) <= 6_500
    assert len(planted.customers) == 5_000


def test_everything_happens_in_2025_in_berlin(planted: cj.Sample) -> None:
    for table in (planted.events, planted.feedback):
        local = table["timestamp"].dropna().dt.tz_convert("Europe/Berlin")
        assert str(table["timestamp"].dtype) == "datetime64[us, UTC]"
        assert local.dt.year.eq(2025).all()
        assert local.dt.date.nunique() > 355
    assert (
        planted.events["timestamp"].dropna() == planted.events["timestamp"].dropna().dt.floor("s")
    ).all()


def test_ids_are_text_and_known_people_have_a_row(planted: cj.Sample) -> None:
    ids = set(planted.events["customer_id"].dropna())
    assert planted.customers["customer_id"].tolist() == [f"C{n:05d}" for n in range(1, 5_001)]
    assert ids - set(planted.customers["customer_id"]) == {f"V{n:05d}" for n in range(1, 601)}
    assert set(planted.feedback["customer_id"].dropna()) <= set(planted.customers["customer_id"])
    assert not (
        set(clean(planted).query("event == 'signup'")["customer_id"])
        - set(planted.customers["customer_id"])
    )


def test_the_dirt_is_what_the_truth_says(planted: cj.Sample) -> None:
    events, feedback = planted.events, planted.feedback
    unreadable = events["customer_id"].isna() | events["timestamp"].isna()
    assert planted.truth.dirt == {
        "events: exact duplicates": int(events[~unreadable].duplicated().sum()),
        "events: no customer_id": int(events["customer_id"].isna().sum()),
        "events: no timestamp": int(events["timestamp"].isna().sum()),
        "feedback: exact duplicates": int(feedback.duplicated().sum()),
        "feedback: nps out of range": int(feedback["nps"].gt(10).sum()),
        "feedback: no timestamp": int(feedback["timestamp"].isna().sum()),
    }


def test_ties_are_of_different_events(planted: cj.Sample) -> None:
    events = clean(planted)
    assert events.duplicated(["customer_id", "timestamp"]).sum() > 1_000
    assert events.duplicated(["customer_id", "timestamp", "event"]).sum() == 0


def test_tickets_join_and_run_forward(planted: cj.Sample) -> None:
    tickets = (
        clean(planted)
        .dropna(subset=["ticket_id"])
        .pivot_table(index="ticket_id", columns="event", values="timestamp", aggfunc="min")
    )
    assert tickets["ticket_opened"].notna().all()
    assert (
        tickets["ticket_first_response"].dropna()
        > tickets["ticket_opened"].reindex(tickets["ticket_first_response"].dropna().index)
    ).all()
    assert (
        tickets["ticket_resolved"].dropna()
        > tickets["ticket_first_response"].reindex(tickets["ticket_resolved"].dropna().index)
    ).all()


def test_nobody_is_active_between_a_cancel_and_a_return(planted: cj.Sample) -> None:
    events = clean(planted)
    cancelled = first(events, "cancel")
    subscriptions = events[events["event"] == "subscribe"].assign(
        cancelled=lambda rows: rows["customer_id"].map(cancelled)
    )
    returned = subscriptions[subscriptions["timestamp"] > subscriptions["cancelled"]].set_index(
        "customer_id"
    )["timestamp"]
    after = events[
        events["event"].isin(["login", "payment", "renewed", "upgrade"])
        & events["customer_id"].isin(cancelled.index)
    ]
    after = after[after["timestamp"] > after["customer_id"].map(cancelled)]
    assert len(returned) > 10
    assert (after["timestamp"] >= after["customer_id"].map(returned)).all()


def test_scores_are_on_their_scales_and_words_vary(planted: cj.Sample) -> None:
    feedback = planted.feedback
    assert set(feedback["nps"].dropna()) == {*range(11), 11}
    assert set(feedback["csat"].dropna()) == set(feedback["rating"].dropna()) == {1, 2, 3, 4, 5}
    assert set(feedback["ces"].dropna()) == {1, 2, 3, 4, 5, 6, 7}
    assert feedback["text"].nunique() > 3_000
    assert 0.1 < feedback["text"].isna().mean() < 0.3
    assert feedback["text"].str.contains("ist |est |una ", na=False).sum() > 20


def test_texts_name_nobody_who_exists(planted: cj.Sample) -> None:
    words = planted.feedback["text"].dropna()
    addresses = words.str.extractall(r"@([\w.]+\w)")[0]
    numbers = words.str.extractall(r"([+(]\d[\d ()-]{7,}\d)")[0]
    assert len(addresses) > 10
    assert addresses.str.endswith("example.org").all()
    assert len(numbers) > 10
    assert numbers.str.fullmatch(r"\+49 30 23125 \d{3}|\(202\) 555-01\d\d").all()


def test_words_agree_with_scores(planted: cj.Sample) -> None:
    rated = planted.feedback.dropna(subset=["csat", "text"])
    praise = rated["text"].str.contains(
        "great|excellent|easy|love|perfect|happy|helpful", case=False
    )
    blame = rated["text"].str.contains(
        "twice|three times|terrible|disappoint|annoying|error|never|too ", case=False
    )
    assert rated[praise]["csat"].mean() - rated[blame]["csat"].mean() > 1.5


@pytest.mark.parametrize("customers", [1, 2, 30])
def test_a_handful_of_customers_make_whole_tables(customers: int) -> None:
    made = cj.sample(customers, seed=3)
    assert len(made.customers) == customers
    assert list(made.events.columns) == list(cj.sample(30, seed=3).events.columns)
    assert set(made.events["event"]) >= {"visit"}


# ---- the effects: there, and gone when switched off ----------------------------------------------------------------


def mobile_break(sample: cj.Sample) -> float:
    """Sign-ups per visitor on phones in the broken weeks, divided by those of all other weeks."""
    visits = first_visits(sample).query("device == 'mobile' and campaign != 'spring_push'")
    effect = sample.truth.effects["mobile_signup_break"]
    # The last days are left out: who first comes then may decide after the repair.
    broken = (visits["timestamp"] >= effect.start) & (visits["timestamp"] < effect.end - 4 * DAY)
    assert broken.sum() > 80
    return visits[broken]["signed_up"].mean() / visits[~broken]["signed_up"].mean()


def email_lift(sample: cj.Sample) -> float:
    """Conversion of first visits by e-mail, divided by that of the others."""
    visits = first_visits(sample).query("campaign != 'spring_push'")
    email = visits["channel"] == "email"
    return visits[email]["converted"].mean() / visits[~email]["converted"].mean()


def price_change(sample: cj.Sample) -> float:
    """Share logging in during the seventh week after sign-up: cohorts from 1 July on, divided by those before."""
    events = clean(sample)
    signup = first(events, "signup")
    signup = signup[signup < END - 56 * DAY]
    logins = events[(events["event"] == "login") & events["customer_id"].isin(signup.index)]
    week = (logins["timestamp"] - logins["customer_id"].map(signup)) // (7 * DAY)
    there = pd.Series(signup.index.isin(logins["customer_id"][week == 6]), index=signup.index)
    late = signup >= pd.Timestamp("2025-07-01", tz="Europe/Berlin")
    return there[late].mean() / there[~late].mean()


def slow_support(sample: cj.Sample) -> float:
    """Cancels within 30 days of opening a ticket: waited more than 48 hours, minus the others."""
    events = clean(sample)
    opened = events[
        (events["event"] == "ticket_opened") & (events["timestamp"] < END - 30 * DAY)
    ].set_index("ticket_id")
    answered = events[events["event"] == "ticket_first_response"].set_index("ticket_id")[
        "timestamp"
    ]
    cancels = opened["customer_id"].map(first(events, "cancel")) - opened["timestamp"]
    slow = (answered.reindex(opened.index) - opened["timestamp"]) > pd.Timedelta("48h")
    gone = cancels.between(pd.Timedelta(0), 30 * DAY)
    assert slow.sum() > 100
    return gone[slow].mean() - gone[~slow].mean()


def hated_onboarding(sample: cj.Sample) -> float:
    """Mean CSAT of Onboarding minus the lower one of its neighbours."""
    means = sample.feedback.groupby("stage")["csat"].mean()
    return means["Onboarding"] - min(means["Consideration"], means["Purchase"])


def moment(sample: cj.Sample, touchpoint: str) -> float:
    """Share with an event 30 to 60 days after a first CSAT of 4–5 at the touchpoint, minus that after 1–2."""
    answers = sample.feedback[sample.feedback["touchpoint"] == touchpoint].dropna(
        subset=["csat", "customer_id", "timestamp"]
    )
    answers = answers.sort_values("timestamp").groupby("customer_id").first()
    answers = answers[answers["timestamp"] + 60 * DAY <= END]
    events = clean(sample)
    own = events[
        ~events["event"].isin(["cancel", "survey_sent", "renewal_due"])
        & events["customer_id"].isin(answers.index)
    ]
    after = own["timestamp"] - own["customer_id"].map(answers["timestamp"])
    kept = answers.index.isin(own["customer_id"][(after > 30 * DAY) & (after <= 60 * DAY)])
    good, bad = answers["csat"] >= 4, answers["csat"] <= 2
    assert min(good.sum(), bad.sum()) >= 30
    return kept[good].mean() - kept[bad].mean()


def campaign_spike(sample: cj.Sample) -> float:
    """First visits per day in the week of the campaign, divided by the median day."""
    per_day = (
        first_visits(sample)["timestamp"]
        .dt.tz_convert("Europe/Berlin")
        .dt.strftime("%Y-%m-%d")
        .value_counts()
    )
    week = [f"2025-05-{day}" for day in range(12, 19)]
    return per_day.reindex(week).mean() / per_day.drop(week).median()


def personas(sample: cj.Sample) -> float:
    """The correlation, over customers, of the shares of two features that different personas use."""
    events = clean(sample)
    uses = events[events["event"].str.startswith("feature_")]
    shares = pd.crosstab(uses["customer_id"], uses["event"], normalize="index")[
        uses.groupby("customer_id").size() >= 20
    ]
    return float(np.corrcoef(shares["feature_report"], shares["feature_capture"])[0, 1])


@pytest.mark.parametrize(
    ("measure", "there", "gone"),
    [
        (mobile_break, (0.0, 0.35), (0.7, 1.3)),
        (email_lift, (1.4, 2.4), (0.75, 1.3)),
        (price_change, (0.4, 0.75), (0.8, 1.2)),
        (slow_support, (0.2, 0.5), (-0.08, 0.08)),
        (hated_onboarding, (-1.7, -0.9), (-0.3, 0.3)),
        (lambda sample: moment(sample, "payment"), (0.18, 0.6), (-0.12, 0.12)),
        (campaign_spike, (2.5, 6.0), (0.7, 1.5)),
        (personas, (-1.0, -0.4), (-0.35, 0.1)),
    ],
    ids=[
        "mobile_signup_break",
        "email_converts_better",
        "price_change",
        "slow_support",
        "hated_onboarding",
        "payment_moment",
        "campaign_spike",
        "personas",
    ],
)
def test_an_effect_is_seen_when_planted_and_not_when_switched_off(
    measure, there, gone, planted: cj.Sample, plain: cj.Sample
) -> None:
    assert there[0] <= measure(planted) <= there[1]
    assert gone[0] <= measure(plain) <= gone[1]


@pytest.mark.parametrize(
    "touchpoint",
    ["visit", "activate", "onboarding_step", "ticket_resolved", "renewed", "blog_visit"],
)
def test_other_touchpoints_do_not_matter(touchpoint: str, planted: cj.Sample) -> None:
    assert abs(moment(planted, touchpoint)) < 0.15


def test_the_campaign_brings_visits_and_few_purchases(planted: cj.Sample, plain: cj.Sample) -> None:
    visits = first_visits(planted)
    push = visits["campaign"] == "spring_push"
    assert 300 <= push.sum() <= 500
    assert visits[push]["converted"].mean() < 0.6 * visits[~push]["converted"].mean()
    assert "spring_push" not in set(plain.events["campaign"].dropna())


def test_personas_live_in_different_channels(planted: cj.Sample) -> None:
    logins = (
        clean(planted).query("event == 'login'").merge(planted.truth.customers, on="customer_id")
    )
    share = pd.crosstab(logins["persona"], logins["channel"], normalize="index")
    assert share.loc["Planners", "web"] > 0.85
    assert share.loc["On the go", "app"] > 0.85
    assert share.loc["Guided", ["phone", "store"]].sum() > 0.7


def test_personas_do_not_differ_in_buying_or_satisfaction(planted: cj.Sample) -> None:
    mine = (
        planted.truth.customers.query("customer_id.str.startswith('C')")
        .groupby("persona")[["satisfaction", "share_converted"]]
        .mean()
    )
    assert mine["satisfaction"].abs().max() < 0.1
    assert mine["share_converted"].max() - mine["share_converted"].min() < 0.05


def test_prices_change_with_the_effect_only(planted: cj.Sample, plain: cj.Sample) -> None:
    assert set(plain.events["value"].dropna()) == {12.0, 29.0, 79.0}
    assert set(planted.events["value"].dropna()) == {12.0, 29.0, 79.0, 15.0, 36.0, 95.0}


def test_one_effect_switched_on_leaves_the_others_off(plain: cj.Sample) -> None:
    alone = cj.sample(seed=0, effects={"slow_support"})
    assert [name for name, effect in alone.truth.effects.items() if effect.active] == [
        "slow_support"
    ]
    assert 0.2 <= slow_support(alone) <= 0.5
    before = (
        plain.events[plain.events["event"].isin(["visit", "signup", "activate"])]
        .dropna()
        .reset_index(drop=True)
    )
    after = (
        alone.events[alone.events["event"].isin(["visit", "signup", "activate"])]
        .dropna()
        .reset_index(drop=True)
    )
    pd.testing.assert_frame_equal(before, after)


# ---- the truth ---------------------------------------------------------------------------------------------------


def test_without_effects_channels_and_devices_convert_alike(plain: cj.Sample) -> None:
    known = plain.truth.customers.query("customer_id.str.startswith('C')")
    assert known["share_converted"].nunique() == 1
    assert set(plain.truth.customers["persona"]) == {"all"}


def test_true_shares_lie_in_the_intervals_of_what_is_seen() -> None:
    inside, cells = 0, 0
    for seed in range(12):
        made = cj.sample(1_500, seed=seed)
        visits = first_visits(made)
        closed = visits[visits["timestamp"] + 14 * DAY < END]
        for row in made.truth.conversion.query("dimension == 'channel'").itertuples():
            some = closed[closed["channel"] == row.value]
            assert len(some) == row.customers
            error = (row.share_converted * (1 - row.share_converted) / len(some)) ** 0.5
            inside += abs(some["converted"].mean() - row.share_converted) <= 1.96 * error
            cells += 1
    assert cells >= 12 * (len(CHANNELS) - 2)
    assert inside / cells >= 0.88


def test_who_buys_in_time_buys_within_14_days_of_the_first_visit(planted: cj.Sample) -> None:
    visits = first_visits(planted)
    bought = first(clean(planted), "subscribe")
    delay = (bought - visits["timestamp"].reindex(bought.index)) / DAY
    # No purchase lies near the window's end, so that no reading of it changes the truth.
    assert not delay.between(13.9, 14.5).any()
    assert 0.7 < (delay <= 14).mean() < 0.9


def test_the_funnel_finds_the_truth(planted: cj.Sample) -> None:
    log = cj.read_events(planted.events, timezone="Europe/Berlin", observed_until="2025-12-31")
    steps = ["visit", "signup", "activate", "subscribe"]
    table = cj.funnel(log, steps, window="14D", entrants="closed", by="channel").table
    truth = planted.truth.conversion.query("dimension == 'channel'").set_index("value")
    entered, bought = (table[table["step"] == step].set_index("channel") for step in (1, 4))
    assert entered["customers"].to_dict() == truth["customers"].to_dict()
    held = (
        truth["share_converted"]
        .reindex(bought.index)
        .between(bought["share_of_first_low"], bought["share_of_first_high"])
    )
    assert held.sum() >= 4
    assert bought["share_of_first"].idxmax() == "email"


def test_the_funnel_finds_the_broken_form(planted: cj.Sample) -> None:
    log = cj.read_events(planted.events, timezone="Europe/Berlin", observed_until="2025-12-31")
    shares = {
        weeks: cj.funnel(log, ["visit", "signup"], window="4D", by="device", start=start, end=end)
        .table.query("step == 2")
        .set_index("device")
        for weeks, start, end in (
            ("broken", "2025-09-08", "2025-09-24"),
            ("before", "2025-08-01", "2025-09-03"),
        )
    }
    assert (
        shares["broken"].loc["mobile", "share_of_first_high"]
        < shares["before"].loc["mobile", "share_of_first_low"]
    )
    assert (
        shares["broken"].loc["desktop", "share_of_first_high"]
        > shares["before"].loc["desktop", "share_of_first_low"]
    )


# ---- faults of the call -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"customers": 0}, r"customers: must be a whole number from 1 up\. Got 0\."),
        ({"customers": 2.5}, r"customers: must be a whole number from 1 up\. Got 2\.5\."),
        ({"customers": True}, r"customers: must be a whole number from 1 up\. Got True\."),
        ({"seed": -1}, r"seed: must be a whole number from 0 up\. Got -1\."),
        (
            {"effects": {"price_chance"}},
            r"effects: must be one of .*'short_form'\. Got 'price_chance'\. Did you mean 'price_change'\?",
        ),
        (
            {"effects": "personas"},
            r"effects: must be True, False or a set of names\. Got 'personas'\. For one effect write \{'personas'\}\.",
        ),
        (
            {"effects": 3},
            r"effects: must be True, False or a set of names\. Got 3\. The names are 'mobile_signup_break', .*'short_form'\.",
        ),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(CjlibError, match=message):
        cj.sample(**options)  # pyright: ignore[reportArgumentType]


# ---- the experiment ----------------------------------------------------------------------------------------------------


def test_the_arms_are_of_equal_size_and_only_the_planted_lift_tells_them_apart(planted, plain):
    for sample, lift in ((planted, 0.10), (plain, 0.0)):
        truth = sample.truth.customers.set_index("customer_id")
        signed = set(sample.events.loc[sample.events["event"] == "signup", "customer_id"])
        table = sample.experiment.assign(signed=sample.experiment["customer_id"].isin(signed))
        by_arm = table.groupby("variant")["signed"].agg(["size", "mean"])
        assert abs(by_arm["size"]["short form"] / len(table) - 0.5) < 0.04
        assert by_arm["mean"]["short form"] - by_arm["mean"]["old form"] == pytest.approx(
            lift, abs=0.05
        )
        expected = truth.loc[table["customer_id"], "share_signed_up"].mean()
        assert table["signed"].mean() == pytest.approx(expected, abs=0.03)

"""Personas: planted kinds are found, one cloud is not called three, names written by hand find their group, nobody is identified."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import cjlib as cj
from cjlib.analyses.personas import Personas, _mean_scores
from cjlib.analyses.personas.clusters import choose, fit, reference, standardised, two_peaks
from cjlib.analyses.personas.customer_features import customer_features
from cjlib.analyses.personas.groups import computed_name, match_written, profile_of
from cjlib.errors import CjlibError
from cjlib.sources.journey.schema import Persona

SAMPLE = ROOT / "data" / "sample" / "journey.yml"


@pytest.fixture(scope="module")
def truth() -> pd.Series:
    """The kind of each customer of the sample business."""
    return cj.sample(seed=0).truth.customers.set_index("customer_id")["persona"]


@pytest.fixture(scope="module")
def planted() -> Personas:
    journey = cj.read_journey(SAMPLE)
    return cj.personas(journey.read_events(), journey=journey)


@pytest.fixture(scope="module")
def plain() -> Personas:
    sample = cj.sample(customers=3_000, seed=0, effects=False)
    return cj.personas(cj.read_events(sample.events, customers=sample.customers))


def test_planted_personas_are_found_and_named(planted, truth):
    found = planted.members.merge(planted.table[["persona", "name"]], on="persona").merge(
        truth.rename("true"), on="customer_id"
    )
    users = found[found["name"].isin(["Planners", "On the go", "Guided"])]
    assert len(users) > 4_000
    assert (users["name"] == users["true"]).mean() > 0.94
    assert planted.structured
    assert planted.stable


def test_planted_personas_agree_with_the_truth_however_far_customers_came(planted, truth):
    from sklearn.metrics import adjusted_rand_score

    seen = planted.members[planted.members["persona"] != "too little seen"]
    assert len(seen) > 4_000
    assert adjusted_rand_score(truth[seen["customer_id"]], seen["persona"]) > 0.8


def test_who_is_seen_more_than_others_is_a_kind_all_the_same():
    rng = np.random.default_rng(0)
    heavy = np.arange(200) % 2 == 0
    who = np.repeat(np.arange(200), np.where(heavy, rng.poisson(80, 200), rng.poisson(9, 200) + 5))
    events = pd.DataFrame(
        {
            "customer_id": [f"{one:03d}" for one in who],
            "event": rng.choice(["a", "b"], who.size),
            "timestamp": pd.Timestamp("2024-01-01", tz="UTC")
            + pd.to_timedelta(rng.uniform(0, 90, who.size), unit="D"),
        }
    )
    found = cj.personas(cj.read_events(events), k=2)
    parted = found.members.set_index("customer_id")["persona"].sort_index() == "P1"
    assert max((parted == heavy).mean(), (parted != heavy).mean()) > 0.95


def test_with_the_effects_off_no_kinds_are_claimed_however_stable_the_cut(plain):
    assert plain.stable
    assert not plain.structured
    assert plain.headline.startswith("One group: customers differ by degrees")


def test_written_names_find_their_group_and_goals_stand_beside(planted):
    named = planted.table.set_index("name")
    assert {"Planners", "On the go", "Guided"} <= set(named.index)
    assert named.loc["Guided", "written_goals"] == "Be shown how, by a person"
    assert planted.unmatched == ()


def test_every_customer_is_in_one_group_or_too_little_seen(planted):
    counts = planted.members["persona"].value_counts()
    assert counts.drop("too little seen").sum() == planted.table["customers"].sum()
    assert planted.table["customers"].is_monotonic_decreasing
    assert planted.table["share"].sum() == pytest.approx(1)
    assert planted.members["customer_id"].is_unique


def test_the_typical_path_names_nobody(planted):
    ids = set(planted.members["customer_id"])
    assert not any(one in path for path in planted.table["typical_path"] for one in list(ids)[:500])


def test_customers_are_listed_by_label_or_by_name(planted):
    label = planted.table.set_index("name").loc["Guided", "persona"]
    assert planted.customers("Guided") == planted.customers(label)
    with pytest.raises(CjlibError, match="persona: must be one of 'P1', 'P2'"):
        planted.customers("P9")


def test_the_figure_holds_the_strongest_features_of_each(planted):
    figure = cj.plot(planted, most=3)
    assert len(figure.layout.meta["rows"]) == 3 * len(planted.table)
    assert figure.layout.meta["caption"].startswith(planted.headline)


# ---- groups of points -----------------------------------------------------------------------------------------------


def apart(n: int = 150, groups: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate(
        [rng.normal(6 * group, 1, (n * (groups - group), 4)) for group in range(groups)]
    )


def test_clear_groups_beat_the_cloud_without_groups_and_one_cloud_does_not():
    clear, cloud = (
        standardised(apart()),
        standardised(
            np.random.default_rng(1).normal(size=(600, 4))
            @ np.random.default_rng(2).normal(size=(4, 4))
        ),
    )
    assert choose(clear, 0)[1] > reference(clear, range(2, 7), 0) + 0.05
    assert choose(cloud, 0)[1] < reference(cloud, range(2, 7), 0) + 0.05


def test_the_largest_group_is_the_first():
    _, labels = fit(standardised(apart()), 3, 0)
    assert np.bincount(labels).tolist() == sorted(np.bincount(labels).tolist(), reverse=True)
    assert labels.size == 900


@pytest.mark.parametrize("k", [1, 2.0, True, "three", 10_000])
def test_a_number_of_groups_that_makes_no_sense_is_refused(k):
    with pytest.raises(CjlibError, match="k: must be a whole number from 2 to "):
        cj.personas(cj.read_events(_busy()), k=k)


def _busy(people: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = [
        (f"c{who:03d}", str(rng.choice(["a", "b", "c"])), hour)
        for who in range(people)
        for hour in rng.choice(900, 8, replace=False)
    ]
    times = [
        pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(hours=int(hour)) for _, _, hour in rows
    ]
    return pd.DataFrame(
        {
            "customer_id": [row[0] for row in rows],
            "event": [row[1] for row in rows],
            "timestamp": times,
        }
    )


def test_too_few_customers_make_no_groups():
    found = cj.personas(cj.read_events(_busy(20)))
    assert not found.answered
    assert found.headline == (
        "Personas cannot be told apart: only 20 customers have 5 events or more, at least 60 are needed. A longer log may have them."
    )


def test_two_kinds_that_one_habit_parts_are_found():
    """Four in five events are a for one half and b for the other; the six other events are noise in which k-means loses them."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 240)
    rows = []
    for customer, z in enumerate(kind.tolist()):
        weights = np.full(8, 1.2)
        weights[z] += 28
        events = rng.choice(list("abcdefgh"), rng.integers(6, 25), p=rng.dirichlet(weights))
        rows += [(f"{customer:03d}", event, rng.random() * 90) for event in events]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day"])
    stamps = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(frame.pop("day"), unit="D")
    found = cj.personas(cj.read_events(frame.assign(timestamp=stamps)))
    assert found.structured
    assert found.headline.startswith("2 personas, told apart by share of event")
    labels = found.members.set_index("customer_id")["persona"].reindex(
        [f"{customer:03d}" for customer in range(240)]
    )
    assert max((labels == "P1").eq(kind == z).mean() for z in (0, 1)) > 0.95


def test_one_peak_is_not_called_two_whatever_its_shape():
    false = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        of = rng.integers(5, 60, 500)
        shape = [(0.5, 2), (2, 2), (1, 1), (5, 1), (0.3, 6), (8, 8)][seed % 6]
        false += two_peaks(rng.binomial(of, rng.beta(*shape, 500)), of, seed)
    assert false == 0


def test_a_persona_of_fewer_than_thirty_is_marked_wherever_it_is_shown():
    kinds = cj.personas(cj.read_events(_busy()), k=3)
    few = (kinds.table["customers"] < 30).tolist()
    assert True in few
    small = kinds.table.loc[few, "persona"].tolist()
    assert (
        f"{' and '.join(small)} {'has' if len(small) == 1 else 'have'} fewer than 30 customers: too few to read."
        in kinds.headline
    )
    assert (
        kinds.readable(kinds.table[["persona", "name"]])["name"]
        .str.endswith(" (too few to read)")
        .tolist()
        == few
    )
    assert not kinds.table["name"].str.contains("too few").any()
    marks = cj.plot(kinds).layout.meta["table"]["marks"]
    heads = dict.fromkeys((mark["group"], mark["faint"]) for mark in marks)
    assert [head.endswith("too few to read") for head, _ in heads] == few
    assert [faint for _, faint in heads] == few


def test_a_customers_table_belongs_to_the_log():
    with pytest.raises(CjlibError, match="customers: the log holds the customers table"):
        cj.personas(cj.read_events(_busy()), pd.DataFrame())  # type: ignore[arg-type]


def test_rows_in_any_order_give_the_same_bytes():
    events = _busy()
    given, turned = (
        cj.personas(cj.read_events(rows), k=3)
        for rows in (events, events.sample(frac=1, random_state=1))
    )
    pd.testing.assert_frame_equal(given.table, turned.table, check_exact=True)
    pd.testing.assert_frame_equal(given.profile, turned.profile, check_exact=True)
    pd.testing.assert_frame_equal(given.members, turned.members, check_exact=True)


# ---- features and names ---------------------------------------------------------------------------------------------


def test_features_are_counted_by_hand():
    times = pd.to_datetime(
        ["2024-01-01 10:00", "2024-01-01 11:00", "2024-01-02 10:00", "2024-01-01 10:00"], utc=True
    )
    channel = ["web", "app", "web", None]
    events = pd.DataFrame(
        {
            "customer_id": list("aaab"),
            "event": ["x", "y", "x", "x"],
            "timestamp": times,
            "channel": channel,
            "value": [1.0, 2.0, None, None],
        }
    )
    raw = customer_features(cj.read_events(events), {}).raw
    assert raw["events"].tolist() == [3, 1]
    assert raw["active_days"].tolist() == [2, 1]
    assert raw["value"].tolist() == [3, 0]
    assert raw["share of channel web"].tolist() == [pytest.approx(2 / 3), 0]
    assert raw["share of event x"].tolist() == [pytest.approx(2 / 3), 1]


def a_profile() -> pd.DataFrame:
    raw = pd.DataFrame(
        {"share of channel app": [0.9, 0.8, 0.1, 0.0], "events": [5.0, 6.0, 50.0, 60.0]}
    )
    return profile_of(raw, np.array([0, 0, 1, 1]), ["P1", "P2"])


def test_a_group_is_named_after_what_stands_out():
    assert computed_name(a_profile().query("persona == 'P1'")) in (
        "app often, low events",
        "low events, app often",
    )


def test_a_written_persona_fits_only_if_every_feature_does():
    good, bad = (
        Persona(name="Phone", match={"share_of_channel_app": "high", "events": "low"}),
        Persona(name="None", match={"events": "high", "share_of_channel_app": "high"}),
    )
    written = match_written([bad, good], a_profile(), ["P1", "P2"])
    assert {label: one.name for label, one in written.of.items()} == {"P1": "Phone"}
    assert written.unmatched == ("None",)


@pytest.mark.parametrize("side", ["high", "low"])
def test_a_feature_that_is_not_measured_fits_nobody_and_is_named(side):
    written = match_written(
        [Persona(name="X", match={"share_of_chanel_app": side})], a_profile(), ["P1", "P2"]
    )
    assert written.unmatched == ("X",)
    assert written.unknown == (
        "'share_of_chanel_app' is not measured. Did you mean 'share_of_channel_app'?",
    )


def test_an_answer_counts_under_any_id_of_the_person():
    rows = [("ana", "a@x.org", "visit", "2025-01-01"), ("bob", "b@x.org", "visit", "2025-01-02")]
    events = pd.DataFrame(rows, columns=["customer_id", "email", "event", "timestamp"])
    log = cj.read_events(events, identities={"known": ["email"]})
    told = {
        "timestamp": ["2025-01-03"] * 3,
        "text": ["I love it, great!", "Awful, broken.", "Fine"],
    }
    feedback = cj.read_feedback(pd.DataFrame({"customer_id": ["A@x.org", "bob", "zed"], **told}))
    scores = _mean_scores(log, feedback)
    assert set(scores) == {0, 1}
    assert scores[0] > scores[1]


@pytest.mark.parametrize("others", [0, 100])
def test_customers_of_the_same_habits_are_no_personas(others):
    """A hundred customers who all did the same six things stopped the analysis: there was no feature to tell them by."""
    days = [*np.tile(np.arange(6), 100), *np.tile(np.arange(2), others)]
    frame = pd.DataFrame(
        {
            "customer_id": [*np.repeat(np.arange(100), 6), *np.repeat(np.arange(others) + 100, 2)],
            "event": ["visit", "buy"] * 300 + ["ask"] * 2 * others,
            "timestamp": pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(days, unit="D"),
        }
    )
    found = cj.personas(cj.read_events(frame))
    assert not found.answered
    assert found.headline == (
        "Personas cannot be told apart: 100 customers with 5 events or more have the same habits."
    )


def test_personas_of_few_customers_each_are_too_few_to_read_and_none_is_named_the_largest():
    rng = np.random.default_rng(0)
    kinds = (("web", [0.9, 0.05, 0.05]), ("app", [0.05, 0.05, 0.9]), ("tel", [0.05, 0.9, 0.05]))
    rows = pd.concat(
        pd.DataFrame(
            {
                "customer_id": f"c{customer:02d}",
                "event": rng.choice(["view", "mail", "buy"], 12, p=kinds[customer % 3][1]),
                "timestamp": pd.Timestamp("2025-01-01", tz="UTC")
                + pd.to_timedelta(rng.uniform(0, 100, 12), unit="D"),
                "channel": kinds[customer % 3][0],
            }
        )
        for customer in range(62)
    )
    found = cj.personas(cj.read_events(rows), k=3)
    assert found.structured
    assert (found.table["customers"] < 30).all()
    assert found.headline.startswith(
        "3 personas of 62 customers, each of fewer than 30: too few to read ("
    )
    assert found.profile["p_adjusted"].isna().all()

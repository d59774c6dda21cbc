"""Holdouts: the control group of a contact list says what contacting did, and the next list uses it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_experiment import day

import cjlib as cj
from cjlib.analyses.experiment.holdout import success_share

COSTS = {"offer_cost": 10.0, "contact_cost": 1.0, "value": 200}
LIST_MADE = day(30)


def scores(customers):
    """Risks from .2 to .6, known at the moment of the list."""
    ids = [f"c{k:05d}" for k in range(customers)]
    risk = np.linspace(0.2, 0.6, customers)
    return pd.DataFrame({"customer_id": ids, "churn_probability": risk, "cutoff": LIST_MADE})


def outcomes(export, scored, success, seed=0, until=90):
    """What comes after the contact: who would leave does, unless contacted and kept."""
    rng = np.random.default_rng(seed)
    people = scored.merge(export[["customer_id", "control"]], on="customer_id", how="left")
    contacted = people["control"].eq(False).to_numpy()
    leaves = rng.random(len(people)) < people["churn_probability"]
    leaves &= ~(contacted & (rng.random(len(people)) < success))
    first = pd.DataFrame(
        {"customer_id": people["customer_id"], "event": "visit", "timestamp": day(0)}
    )
    gone = first[leaves].assign(event="cancel", timestamp=day(40))
    return cj.read_events(pd.concat([first, gone]), observed_until=day(until))  # fmt: skip


def made(customers=4_000, **options):
    scored = scores(customers)
    return cj.target_list(scored, **COSTS | {"success_share": 0.3} | options), scored


def read(log, contact_list, **options):
    return cj.holdout(
        log, contact_list=contact_list, **{"window": "30D", "churn_event": "cancel"} | options
    )


def test_a_planted_uplift_comes_back_from_the_file_and_replaces_the_guess(tmp_path):
    targets, scored = made()
    path = targets.write_csv(tmp_path / "contact_list.csv")
    log = outcomes(targets.export, scored, success=0.4)
    measured = read(log, path)
    found = measured.metrics["success_share"]
    assert found["low"] < 0.4 < found["high"]
    assert abs(found["value"] - 0.4) < 0.12
    assert measured.headline.startswith("Contacting kept ")
    journey = cj.read_journey("data/sample/journey.yml")
    chosen = journey.target_list(success_share=0.2, measured=measured)["success_share"]
    again = cj.target_list(scored, **COSTS, success_share=chosen)
    assert again.offer.success_share == found["value"]
    assert f"as measured on an earlier list (95% CI {100 * found['low']:.1f}" in again.headline
    assert again.definition["success share"].endswith(")")
    assert set(np.round([found["low"], found["high"]], 9)) <= set(
        again.sensitivity["success_share"].round(9)
    )


def test_the_interval_of_the_success_share_holds_it_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    control, contacted = rng.binomial(150, 0.4, 2_000), rng.binomial(1_350, 0.4 * 0.7, 2_000)
    held = [
        low <= 0.3 <= high
        for _, low, high in (
            success_share(left, other, 1_350, 150)
            for left, other in zip(contacted.tolist(), control.tolist(), strict=True)
        )
    ]
    assert 0.93 <= np.mean(held) <= 0.97


@pytest.mark.parametrize(
    "few",
    [(7, 1, 1_178, 322), (0, 0, 100, 50), (0, 5, 100, 50), (5, 0, 100, 50), (100, 50, 100, 50)],
)
def test_few_leavers_give_a_wide_interval_and_not_a_wrong_one(few):
    share, low, high = success_share(*few)
    assert low < high <= 1
    assert np.isnan(share) or low <= share <= high


def test_where_contacting_does_nothing_it_is_not_shown_to():
    targets, scored = made()
    measured = read(outcomes(targets.export, scored, success=0.0), targets.export)
    assert measured.headline.startswith("Not shown to keep anybody: ")
    assert measured.findings == []


def test_the_export_says_who_is_control_and_when_the_list_was_made():
    export = made(1_000, seed=3)[0].export
    assert export["variant"].value_counts().to_dict() == {"contacted": 900, "control": 100}
    assert export["control"].eq(export["variant"].eq("control")).all()
    assert export["timestamp"].eq(LIST_MADE).all()
    other = made(1_000, seed=4)[0].export
    assert not export["control"].equals(other["control"])
    assert made(1_000, seed=3)[0].export["control"].equals(export["control"])


def test_silence_means_leaving_where_there_is_no_event_of_it():
    rows = [(f"c{k}", 0) for k in range(80)] + [(f"c{k}", 40) for k in range(0, 80, 4)]
    frame = pd.DataFrame(rows, columns=["customer_id", "day"]).assign(event="visit")
    frame["timestamp"] = day(frame.pop("day"))
    log = cj.read_events(frame, observed_until=day(90))
    control = [k % 2 == 1 for k in range(80)]
    people = pd.DataFrame({"customer_id": [f"c{k}" for k in range(80)], "control": control})
    measured = read(log, people, churn_event=None, contacted_at="2025-03-31")
    # Every fourth is active again, all of them contacted.
    assert measured.table["left"].tolist() == [20, 40]
    assert measured.metrics["success_share"]["value"] == 0.5


def test_leaving_at_the_moment_of_the_contact_is_before_it_and_the_windows_end_is_inside():
    rows = [("a", "cancel", 30), ("b", "cancel", 60), ("c", "cancel", 60.01), ("d", "visit", 0)]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day"])
    frame["timestamp"] = day(frame.pop("day"))
    log = cj.read_events(frame, observed_until=day(90))
    people = pd.DataFrame({"customer_id": list("abcd"), "control": [False] * 3 + [True]})
    measured = read(log, people.assign(timestamp=LIST_MADE))
    assert measured.table["left"].tolist() == [1, 0]
    assert measured.headline.startswith("Too few to judge")
    assert measured.metrics == {}
    journey = cj.read_journey("data/sample/journey.yml")
    assert journey.target_list(success_share=0.2, measured=measured)["success_share"] == 0.2


def test_who_has_not_been_followed_for_the_window_is_left_out():
    targets, scored = made(1_000)
    log = outcomes(targets.export, scored, success=0.4, until=50)
    assert not read(log, targets.export).answered
    assert "none of 1,000 listed customers has been followed for 30 days" in read(log, targets.export).headline  # fmt: skip


def test_without_a_list_or_a_log_the_answer_says_so():
    targets, scored = made(1_000)
    log = outcomes(targets.export, scored, success=0.4)
    assert "churn: {contact_list: contact_list.csv}" in read(log, None).headline
    assert "has no time after the contact" in read(pd.DataFrame(), targets.export).headline
    with pytest.raises(cj.CjlibError, match="success_share: must be a share from 0 to 1, or what"):
        made(1_000, success_share=read(log, None))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows.drop(columns="control"), "lacks the column 'control'"),
        (lambda rows: rows.drop(columns="timestamp"), "or say when: contacted_at="),
        (lambda rows: rows.assign(control="maybe"), "control must be True or False. Got 'maybe'"),
        (lambda rows: rows.assign(customer_id="nobody"), "no customer_id of it with a timestamp"),
        (lambda _: "no/such/list.csv", "cannot be read: FileNotFoundError"),
    ],
)
def test_a_list_that_cannot_be_read_back_says_why(change, told):
    targets, scored = made(1_000)
    log = outcomes(targets.export, scored, success=0.4)
    with pytest.raises(cj.CjlibError) as fault:
        read(log, change(targets.export))
    assert told in str(fault.value)


def test_ids_that_a_spreadsheet_would_run_come_back(tmp_path):
    scored = scores(1_000)
    scored["customer_id"] = "=" + scored["customer_id"]
    targets = cj.target_list(scored, **COSTS, success_share=0.3)
    path = targets.write_csv(tmp_path / "list.csv")
    measured = read(outcomes(targets.export, scored, success=0.4), path)
    assert measured.table["customers"].tolist() == [900, 100]


def test_the_file_is_an_assignment_that_an_experiment_reads(tmp_path):
    targets, scored = made()
    log = outcomes(targets.export, scored, success=0.4)
    result = cj.experiment(
        log,
        control="control",
        assignment=targets.export,
        planned_shares={"control": 0.1, "contacted": 0.9},
        measures=[cj.Measure("left", "cancel", better="lower")],
        window="30D",
    )
    assert result.verdict == {"contacted": "better"}


def test_the_message_of_the_contact_is_no_sign_that_it_kept_anybody():
    """Of customers who are silent for 30 days the message itself broke the silence: "Contacting kept 100% of would-be leavers"."""
    people = pd.DataFrame(
        {"customer_id": [f"c{k}" for k in range(80)], "control": [k % 2 == 1 for k in range(80)]}
    )
    rows = [(f"c{k}", "visit", 0) for k in range(80)]
    rows += [(f"c{k}", "visit", 40) for k in range(20)]
    rows += [(f"c{k}", "email_sent", 30.1) for k in range(0, 80, 2)]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day"])
    frame["timestamp"] = day(frame.pop("day"))
    log = cj.read_events(frame, observed_until=day(90))
    options = {"churn_event": None, "contacted_at": LIST_MADE}
    assert read(log, people, **options).headline == (
        "Whether contacting kept anybody cannot be read from silence: 'email_sent' happened to contacted customers alone, so the contact itself may count as their activity. "
        "Name what does: active_event=…"
    )
    named = read(log, people, active_event="visit", **options)
    assert named.table["left"].tolist() == [30, 30]


def test_of_several_lists_a_customer_counts_from_the_first_and_in_one_arm():
    """Lists laid one under the other, in any order: whoever was control of one and contacted by another was in the arm of the first row."""
    targets, scored = made(1_000)
    first = targets.export
    later = first.assign(timestamp=day(35), control=[k % 10 == 0 for k in range(len(first))])
    log = outcomes(first, scored, success=0.4)
    read_back = [
        read(log, pd.concat(lists, ignore_index=True)) for lists in ([first, later], [later, first])
    ]
    assert read_back[0].table.equals(read_back[1].table)
    both = int((first["control"] != later["control"]).sum())
    assert read_back[0].definition["in both arms"].startswith(f"{both:,} customers left out")
    assert read_back[0].table["listed"].sum() == len(first) - both


def test_the_profit_of_the_figure_is_expected_for_a_success_rate_that_it_names():
    caption = cj.plot(made(1_000)[0]).layout.meta["caption"]
    assert "if the offer keeps 30% of would-be leavers; break-even at" in caption

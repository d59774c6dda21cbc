"""What a forecast of who leaves stands on: a log or a table of customers, asked in the same words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.analyses.churn.metrics_by_segment import _against_others
from cjlib.sources.journey.check import check_journey

CHURN = "{target: left}"


def written(folder: Path, table: pd.DataFrame, churn: str = CHURN, more: str = "") -> Path:
    table.to_csv(folder / "customers.csv", index=False)
    path = folder / "journey.yml"
    path.write_text(
        f"name: Gym\ntimezone: UTC\nsources: {{customers: {{path: customers.csv, columns: {{member: customer_id}}}}}}\nstages: [{{name: Member}}]\nchurn: {churn}\n{more}"
    )
    return path


def members(n: int = 400, words: tuple[str, str] = ("yes", "no")) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    visits = rng.poisson(6, n)
    left = rng.random(n) < 1 / (1 + np.exp(visits - 5))
    return pd.DataFrame(
        {
            "member": [f"m{one:04d}" for one in range(n)],
            "visits": visits,
            "plan": rng.choice(["day", "all"], n),
            "fee": np.where(visits > 5, 40.0, 20.0),
            "left": np.where(left, *words),
        }
    )


def data_of(journey: cj.Journey) -> cj.ChurnData:
    source = journey.read_churn_source()
    return cj.churn_data(source, **journey.churn_options(source, horizon="", active_within="60D"))


@pytest.fixture(scope="module")
def gym(tmp_path_factory) -> tuple[cj.Journey, cj.ChurnData, cj.ChurnModel]:
    journey = cj.read_journey(
        written(tmp_path_factory.mktemp("gym"), members(), more="value: {amount: fee, kept: 300}\n")
    )
    data = data_of(journey)
    return journey, data, cj.fit_churn(data)


def test_a_table_is_forecast_from_its_column_and_its_id_is_no_feature(gym):
    _, data, model = gym
    assert data.features == ("visits", "plan", "fee")
    assert data.population["churned"].item() == (members()["left"] == "yes").sum()
    assert model.id_column == "customer_id"


def test_today_are_those_who_had_not_left_where_every_outcome_is_known(gym):
    _, data, model = gym
    scores = model.score_today(data)
    stayed = members().query("left == 'no'")
    assert scores.table["customer_id"].tolist() == stayed["member"].tolist()
    assert scores.definition["whom"] == "those who had not left; the model has learnt from them too"
    assert "expected to churn" not in scores.headline
    assert scores.drift.empty


def test_today_are_those_whose_outcome_is_blank_where_there_are_such(tmp_path, gym):
    table = members()
    table.loc[[3, 9], "left"] = " "
    data = data_of(cj.read_journey(written(tmp_path, table)))
    assert data.population["customers"].item() == 398
    scores = gym[2].score_today(data)
    assert scores.table["customer_id"].tolist() == ["m0003", "m0009"]
    assert scores.definition["whom"] == "those whose outcome is still open"


def test_another_word_for_left_is_said_by_positive(tmp_path):
    table = members(words=("gone", "here"))
    journey = cj.read_journey(written(tmp_path, table, "{target: left, positive: gone}"))
    assert data_of(journey).population["churned"].item() == (table["left"] == "gone").sum()


def test_groups_are_columns_of_the_table(gym):
    journey, _, model = gym
    table = journey.read_churn_source()
    chosen = [cj.segment_column(table, by) for by in ("", "none", "visits")]
    assert chosen == ["plan", None, "visits"]
    found = cj.metrics_by_segment(model, table, by="plan")
    counts = members()["plan"].value_counts()
    assert found.table.set_index("segment")["n"].to_dict() == counts.to_dict()
    assert found.definition["segment"] == "plan in the customer's row"
    for ask in (cj.segment_column, lambda rows, by: cj.metrics_by_segment(model, rows, by=by)):
        with pytest.raises(
            cj.CjlibError, match=r"by: there is no column 'paln'\. Did you mean 'plan'\?"
        ):
            ask(table, "paln")


def test_value_is_what_the_table_states(gym):
    journey, data, model = gym
    worth = cj.value_of(journey.read_churn_source(), **journey.value_options(horizon="90D"))
    assert worth.metrics["total_value"]["value"] == members()["fee"].sum()
    scores = model.score_today(data)
    stake = cj.value_at_risk(scores, worth)
    by_hand = (
        scores.table["churn_probability"].to_numpy()
        * members().query("left == 'no'")["fee"].to_numpy()
    ).sum()
    assert stake.metrics["value_at_risk"]["value"] == pytest.approx(by_hand)


def test_the_list_is_asked_with_what_the_file_states(gym):
    journey, _, _ = gym
    worth = cj.value_of(journey.read_churn_source(), **journey.value_options(horizon="90D"))
    assert journey.target_list(success_share=0.2, value=worth) == {
        "offer_cost": None,
        "contact_cost": None,
        "success_share": 0.2,
        "value": 300,
        "budget": None,
    }
    assert journey.target_list(success_share=0.2, value=20.0, budget=9)["value"] == 20


def test_what_needs_time_is_answered_with_the_reason(gym):
    journey, data, model = gym
    table = journey.read_churn_source()
    worth = cj.value_of(table, **journey.value_options(horizon="90D"))
    told = [
        cj.compare_splits(data),
        cj.past_forecasts(model, data),
        cj.value_by(worth, table),
        cj.contract_worth(journey, table),
    ]
    assert not any(result.answered for result in told)
    assert all("A table of customers" in result.headline for result in told)
    assert all("has no dates, so " in result.headline for result in told)


def test_a_reason_is_handed_on_by_all_that_builds_on_it():
    log = cj.read_events(toy_events("ana: buy@0D buy@3D | bob: buy@1D"))
    data = cj.churn_data(log, horizon="30D")
    assert data.headline.startswith("Who will leave cannot be said: the log spans 3 days")
    model = cj.fit_churn(data)
    scores = model.score_today(data)
    built = [
        model,
        scores,
        model.score(),
        model.reasons(scores),
        cj.target_list(scores, offer_cost=1, contact_cost=1, success_share=0.2, value=9),
        cj.value_at_risk(scores, pd.DataFrame({"customer_id": ["ana"], "expected_value": [1.0]})),
        cj.metrics_by_segment(model, log, by="channel"),
        cj.compare_splits(data),
        cj.past_forecasts(model, data),
    ]
    assert all(data.reason in result.headline and not result.answered for result in built)
    assert all(result.table.empty and result.metrics == {} for result in built)
    assert cj.save_forecast(scores, "") is None
    assert cj.load_churn_model("", default=model) is model
    assert cj.summary(*built[:2]).metrics == {}
    for result in built:
        assert data.reason in cj.plot(result).layout.meta["caption"]


def test_a_churn_event_that_never_occurs_is_a_reason():
    text = " | ".join(f"c{place}: visit@{place}D visit@{place + 60}D" for place in range(90))
    log = cj.read_events(toy_events(text))
    data = cj.churn_data(log, horizon="20D", churn_event="cancel")
    model = cj.fit_churn(data)
    assert "churn_event: 'cancel' never occurs in the log" in data.headline
    assert model.headline.startswith("Who will leave cannot be said: 0 customers of the rarer")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "sources: {events: e}\nchurn: {target: left}",
            "churn.target: is for a table of customers without events",
        ),
        (
            "sources: {feedback: f}\nchurn: {target: left}",
            "churn.target: names a column of the customers table: add sources: {customers: {path: customers.csv}}.",
        ),
        (
            "sources: {customers: c}\nchurn: {target: left, horizon: 30D}",
            "churn.horizon: needs events: a table of customers has no dates to look ahead from. Remove it.",
        ),
        (
            "sources: {events: e}\nchurn: {event: cancel, positive: gone}",
            "churn.positive: is the value of target that means left: add the key target, or remove this one.",
        ),
        (
            "sources: {customers: c}",
            "sources.events: the key is missing. A table of customers alone needs churn: {target: column that says who left}.",
        ),
    ],
)
def test_a_table_and_events_are_two_ways_of_telling_who_left(tmp_path, text, fault):
    path = tmp_path / "journey.yml"
    path.write_text(f"name: S\nstages: [{{name: A}}]\n{text}\n")
    with pytest.raises(cj.JourneyError) as raised:
        cj.read_journey(path)
    assert fault in str(raised.value)


def test_a_question_about_events_names_the_question_that_a_table_answers(gym):
    journey, _, _ = gym
    for ask in (journey.churn_options, journey.survival_options):
        with pytest.raises(
            cj.CjlibError,
            match=r"tells who left by the column 'left' of the customers table.*cj\.churn_table",
        ):
            ask()


def test_a_log_has_no_column_that_says_who_left(tmp_path):
    path = tmp_path / "journey.yml"
    path.write_text("name: S\nsources: {events: e}\nstages: [{name: A}]\n")
    with pytest.raises(
        cj.CjlibError, match=r"names no column that says who left\. Add churn: \{target: column\}"
    ):
        cj.read_journey(path).churn_table_options()
    assert cj.read_journey(path).read_customers() is None


def test_a_check_of_a_table_names_the_column_that_is_not_there(tmp_path):
    good = check_journey(written(tmp_path, members(40)))
    assert (good.exit_code, good.headline) == (
        0,
        "40 customers read; the journey file names no events.",
    )
    wrong = check_journey(
        written(tmp_path, members(40), "{target: lift}", "value: {amount: fee}\n")
    )
    assert (wrong.exit_code, wrong.headline) == (
        2,
        "40 customers read; the journey file names no events; 1 fault to fix.",
    )
    assert wrong.warnings == (
        "churn.target: there is no column 'lift' in the data. Did you mean 'left'?",
    )


# ---- stated value ------------------------------------------------------------------------------------------------------


def test_stated_value_counts_what_is_filled_and_ranks_by_amount_then_id():
    table = pd.DataFrame({"customer_id": ["b", "a", "c", "d"], "fee": ["10", "10", " ", "40"]})
    found = cj.stated_value(table, amount="fee")
    assert found.table.to_dict("list") == {
        "customer_id": ["b", "a", "d"],
        "expected_value": [10.0, 10.0, 40.0],
        "decile": [7, 4, 1],
    }
    assert found.headline.startswith("By fee 3 customers bring 60 in all, 20.00 each (95% CI ")
    assert found.definition["customers"] == "3; 1 row without an amount left out"
    # One of three is no tenth.
    assert "tenth" not in found.headline
    assert (
        cj.plot(found).layout.meta["caption"]
        == "The fee of 3 customers (60): fewer than 30, too few for tenths."
    )
    assert "stated by the table, not forecast" in cj.plot(found, "backtest").layout.meta["caption"]


def test_stated_value_is_the_same_in_any_order_of_rows():
    table = pd.DataFrame(
        {
            "customer_id": [f"c{one}" for one in range(50)],
            "fee": [0.1 * (one % 7) for one in range(50)],
        }
    )
    once, again = (cj.stated_value(rows, amount="fee") for rows in (table, table.iloc[::-1]))
    assert once.metrics == again.metrics
    ordered = again.table.sort_values("customer_id", ignore_index=True)
    pd.testing.assert_frame_equal(once.table.sort_values("customer_id", ignore_index=True), ordered)


def test_stated_value_needs_a_column_of_amounts():
    table = pd.DataFrame({"fee": ["low", "high"], "none": [None, None]})
    with pytest.raises(
        cj.CjlibError, match=r"amount: there is no column 'fees'\. Did you mean 'fee'\?"
    ):
        cj.stated_value(table, amount="fees")
    for name in ("fee", "none"):
        with pytest.raises(cj.CjlibError, match=f"amount: column '{name}' holds no amounts"):
            cj.stated_value(table, amount=name)


def test_a_segment_that_is_ranked_without_a_fault_is_no_surer_to_be_ranked_better_than_chance():
    rng = np.random.default_rng(0)
    churned = np.repeat([1, 0, 1, 0], [10, 20, 180, 420])
    score = churned * 1.8 + rng.normal(size=630)
    score[:30] = np.repeat([2.0, -2.0], [10, 20])
    rows = pd.DataFrame(
        {
            "customer_id": np.arange(630).astype(str),
            "churn_probability": score,
            "churned": churned.astype(bool),
        }
    )
    segments = pd.Series(np.repeat(["small", "rest"], [30, 600]), name="plan", dtype="str")
    table = pd.DataFrame({"segment": ["small"], "auc": [1.0]})
    compared, _ = _against_others(SimpleNamespace(forecasts=rows), table, segments)
    # Of 10 and 20 drawn from the others 5 in 100 are ranked without a fault.
    assert compared["p_value"][0] > 0.02


def test_of_a_balance_no_tenth_is_a_part():
    """Of 50 customers who bring 10.5 and 50 who cost 10 the most valuable tenth brought "420% of it"."""
    table = pd.DataFrame({"customer_id": [f"c{k}" for k in range(100)], "fee": [-10.0, 10.5] * 50})
    found = cj.stated_value(table, amount="fee")
    assert found.headline.startswith("By fee 100 customers bring 25 in all")
    assert "tenth" not in found.headline
    assert "holds 105 of" in str(cj.plot(found).layout)


def test_value_at_risk_of_a_balance_is_no_share_and_holds_no_more_than_there_is():
    scores = pd.DataFrame({"customer_id": list("abcdefghij"), "churn_probability": [0.5] * 10})
    value = pd.DataFrame({"customer_id": list("abcdefghij"), "expected_value": [20.0, -10.0] * 5})
    found = cj.value_at_risk(scores, value)
    assert found.headline.startswith(
        "On balance 25 of the 50 that 10 customers would bring if all stayed is at risk; 5 cost more than they bring."
    )
    assert found.metrics["share_at_risk"]["value"] is None


def test_a_budget_below_one_contact_is_the_reason_and_not_the_customers():
    scores = pd.DataFrame(
        {"customer_id": [f"c{k}" for k in range(100)], "churn_probability": [0.5] * 100}
    )
    options = {"offer_cost": 5, "contact_cost": 1, "success_share": 0.2, "value": 100}
    assert cj.target_list(scores, **options, budget=0.5).headline.startswith(
        "A budget of 0.50 pays for no contact at 1.00 each; 100 customers of 100 would be worth one."
    )
    assert cj.target_list(scores, **(options | {"success_share": 0})).headline.startswith(
        "None of 100 customers is worth contacting"
    )

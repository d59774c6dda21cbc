"""The model: better than what needs no model or it says so; the same for any order; its reasons, its list, and what is kept of it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import SplineTransformer

import cjlib as cj
from cjlib.analyses.churn.model.base_models import WIDE, drawn_contributions, fit_additive
from cjlib.analyses.churn.model.encoding import learn_columns
from cjlib.analyses.churn.model.explanations import sentence
from cjlib.analyses.churn.targeting import CAVEAT

N = 1200


def customers(n: int = N, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    tenure, price = rng.integers(0, 60, n).astype(float), rng.uniform(10, 90, n).round(1)
    plan = rng.choice(["monthly", "yearly"], n)
    odds = -0.4 - 0.05 * tenure + 0.01 * price + np.where(plan == "monthly", 0.8, -0.8)
    text = pd.Series([f"{one:.1f}" for one in tenure * price], dtype="str").where(tenure > 0, " ")
    lost = np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "Yes", "No")
    ids = [f"={one:05d}" for one in range(n)]
    return pd.DataFrame(
        {
            "account": ids,
            "tenure": tenure,
            "price": price,
            "plan": plan,
            "total": text,
            "left_us": lost,
        }
    )


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return customers()


@pytest.fixture(scope="module")
def model(frame) -> cj.ChurnModel:
    return cj.fit_churn(cj.churn_table(frame, target="left_us", id="account"))


def test_the_table_has_the_chosen_model_the_candidates_and_the_baselines(model):
    assert model.table["model"].tolist() == [
        "chosen",
        "lr",
        "hgb",
        "hgb_wide",
        "lr+hgb",
        "hgb+hgb_wide",
        "prevalence",
        "best_single_column",
    ]
    names = "model population cutoff n n_churned auc auc_low auc_high pr_auc brier log_loss lift_10 lift_low lift_high ece ece_floor empc"
    assert list(model.table.columns) == names.split()
    assert (model.table["auc_low"] <= model.table["auc"]).all()
    assert (model.table["auc"] <= model.table["auc_high"]).all()


def test_any_order_of_the_rows_gives_the_same_bytes(frame, model):
    again = cj.fit_churn(
        cj.churn_table(frame.sample(frac=1, random_state=4), target="left_us", id="account")
    )
    for name in ("table", "calibration", "lift"):
        assert getattr(again, name).to_csv() == getattr(model, name).to_csv()
    assert again.headline == model.headline
    assert (
        again.score(frame).table["churn_probability"]
        == model.score(frame).table["churn_probability"]
    ).all()


def test_a_shuffled_outcome_gives_no_signal(frame):
    shuffled = frame.assign(left_us=frame["left_us"].sample(frac=1, random_state=11).to_numpy())
    none = cj.fit_churn(cj.churn_table(shuffled, target="left_us", id="account"))
    assert none.headline.startswith("No signal: the model ranks customers no better than chance")


def test_a_model_that_one_column_explains_does_not_beat_it():
    rng = np.random.default_rng(2)
    level = rng.choice(["a", "b"], 900)
    lost = rng.random(900) < np.where(level == "a", 0.7, 0.2)
    data = cj.churn_table(
        pd.DataFrame({"level": level, "noise": rng.normal(size=900).round(2), "lost": lost}),
        target="lost",
    )
    assert "does not beat the best single column significantly" in cj.fit_churn(data).headline


def test_copies_of_rows_do_not_make_the_model_look_better(frame, model):
    copied = pd.concat([frame, frame.sample(frac=0.5, random_state=1)])
    data = cj.churn_table(copied, target="left_us")
    with_copies = cj.fit_churn(cj.churn_table(copied.drop(columns="account"), target="left_us"))
    assert (
        data.definition["duplicates"].startswith("600 rows")
        or "600"
        in cj.churn_table(copied.drop(columns="account"), target="left_us").definition["duplicates"]
    )
    assert with_copies.metrics["auc"]["value"] == pytest.approx(
        model.metrics["auc"]["value"], abs=0.03
    )


def test_too_few_churners_are_fitted_and_said_to_be_too_few(frame):
    few = cj.fit_churn(cj.churn_table(frame.iloc[:120], target="left_us", id="account"))
    assert "Too few to rank models" in few.headline
    none = cj.fit_churn(cj.churn_table(frame.iloc[:20], target="left_us", id="account"))
    assert not none.answered
    assert "too few to learn from" in none.headline


def test_scores_are_in_the_order_given_and_name_what_is_outside_training(frame, model):
    strange = frame.iloc[[5, 3, 9]].assign(
        tenure=[10.0, 500.0, 20.0], plan=["monthly", "yearly", "lifetime"]
    )
    table = model.score(strange).table
    assert list(table.columns) == [
        "customer_id",
        "cutoff",
        "churn_probability",
        "rank",
        "decile",
        "outside_training",
    ]
    assert table["customer_id"].tolist() == strange["account"].tolist()
    assert table["outside_training"].tolist() == [False, True, True]
    assert sorted(table["rank"]) == [1, 2, 3]
    with pytest.raises(cj.CjlibError, match=r"missing are 'tenure'"):
        model.score(frame.drop(columns="tenure"))


def test_drift_is_told_from_noise(frame, model):
    assert (model.score(customers(150, seed=77)).drift["level"] == "").all()
    shifted = model.score(frame[frame["tenure"] > 40]).drift
    assert shifted.loc[shifted["level"] == "large", "feature"].tolist()[0] == "tenure"


def test_reasons_sum_exactly_raise_the_risk_and_differ_from_the_typical(frame, model):
    scores = model.score(frame)
    reasons = model.reasons(scores, k=9).table
    assert (reasons["contribution"] > 0).all()
    assert (reasons["value"] != reasons["typical"]).mean() > 0.99
    additive = model.forecaster.additive
    parts = additive.contributions(scores.matrix)
    assert parts.sum(axis=1) + additive.intercept == pytest.approx(additive.log_odds(scores.matrix))
    assert (model.reasons(scores).table.groupby("customer_id").size() <= 3).all()
    assert reasons["text"].str.contains("goes with a higher risk").all()
    assert not reasons["text"].str.contains("because").any()


def test_features_are_ranked_by_effect_with_churn_by_level_beside_each(frame, model):
    found = model.reasons(model.score(frame))
    effects = found.effects
    assert effects["feature"].drop_duplicates().iloc[0] == "tenure"
    assert effects["effect"].is_monotonic_decreasing
    plan = effects[effects["feature"] == "plan"].set_index("level")
    monthly = frame[frame["plan"] == "monthly"]["left_us"] == "Yes"
    assert plan.loc["monthly", ["n", "n_churned"]].tolist() == [monthly.size, monthly.sum()]
    assert plan["low"].lt(plan["share_churned"]).all()
    assert found.headline.endswith("(Association, not causation.)")
    assert [finding.topic for finding in found.findings] == ["churn by tenure"]
    assert cj.plot(found).layout.meta["caption"] == found.headline


def test_a_kept_model_scores_to_the_last_digit_and_holds_nothing_that_runs(frame, model, tmp_path):
    path = model.save(tmp_path / "model.json")
    again = cj.load_churn_model(path)
    assert again.score(frame).table.equals(model.score(frame).table)
    assert again.reasons(frame).table.equals(model.reasons(frame).table)
    assert json.loads(path.read_text())["version"] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not JSON"),
        ("{}", "is not a saved churn model"),
        ('{"format": "cjlib churn model", "version": 9}', "of version 9"),
        ('{"format": "cjlib churn model", "version": 2}', "is damaged"),
    ],
)
def test_a_file_that_is_no_kept_model_says_why(tmp_path, text, said):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(cj.DataError, match=said):
        cj.load_churn_model(tmp_path / "m.json")
    with pytest.raises(cj.DataError, match="cannot be read"):
        cj.load_churn_model(tmp_path / "none.json")


def simple(*probabilities: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": [f"c{place}" for place in range(len(probabilities))],
            "churn_probability": probabilities,
        }
    )


def test_the_list_takes_whom_it_pays_to_contact_by_hand():
    chosen = cj.target_list(
        simple(0.1, 0.5, 0.17, 0.16), offer_cost=10, contact_cost=1, success_share=0.3, value=200
    )
    assert chosen.table[["customer_id", "rank", "selected"]].to_numpy().tolist() == [
        ["c1", 1, True],
        ["c2", 2, True],
        ["c3", 3, False],
        ["c0", 4, False],
    ]
    assert chosen.table.loc[0, "expected_profit"] == pytest.approx(0.5 * (0.3 * 190 - 1) - 0.5 * 11)
    row = chosen.sensitivity.set_index("success_share").loc[0.3]
    assert row["break_even_probability"] == pytest.approx(11 / 67, abs=1e-9)
    assert list(chosen.sensitivity["success_share"]) == [0, 0.05, 0.1, 0.2, 0.3, 0.5]
    assert CAVEAT in chosen.headline


def test_the_curve_of_profit_passes_through_the_list_itself():
    many = simple(*np.linspace(0.0, 0.4, 1000))
    chosen = cj.target_list(
        many, offer_cost=10, contact_cost=1, success_share=0.3, value=200, budget=57
    )
    assert int(chosen.metrics["n_selected"]["value"]) in chosen.curve["n_contacted"].tolist()


def test_a_budget_is_spent_by_profit_not_by_risk():
    scores = simple(0.9, 0.5, 0.6).assign(worth=[20.0, 500.0, 300.0])
    chosen = cj.target_list(
        scores, offer_cost=10, contact_cost=2, success_share=0.3, budget=4, value="worth"
    )
    assert chosen.table.loc[chosen.table["selected"], "customer_id"].tolist() == ["c1", "c2"]


def test_below_the_break_even_share_the_list_loses(model, frame):
    chosen = cj.target_list(
        model.score(frame), offer_cost=10, contact_cost=1, success_share=0.3, value=200
    )
    even = chosen.metrics["break_even_success_share"]["value"]
    taken = chosen.table[chosen.table["selected"]]
    assert chosen.offer.profit(
        taken["churn_probability"].to_numpy(), taken["value"].to_numpy(), even
    ).sum() == pytest.approx(0, abs=1e-6)


def test_the_threshold_earns_nearly_what_hindsight_would(model):
    told = model.forecasts
    chosen = cj.target_list(
        told[["customer_id", "churn_probability"]],
        offer_cost=10,
        contact_cost=1,
        success_share=0.3,
        value=200,
    )
    merged = chosen.table.merge(told[["customer_id", "churned"]], on="customer_id")
    earned = np.where(merged["churned"] == 1, 0.3 * 190 - 1, -11)
    by_risk = earned[np.argsort(-merged["churn_probability"], kind="stable")]
    assert earned[merged["selected"] | merged["control"]].sum() >= 0.97 * np.cumsum(by_risk).max()


def test_the_export_has_a_control_group_and_no_formula(model, frame, tmp_path):
    chosen = cj.target_list(
        model.score(frame), offer_cost=10, contact_cost=1, success_share=0.3, value=200
    )
    with chosen.write_csv(tmp_path / "list.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == int(chosen.table[["selected", "control"]].sum().sum())
    assert sum(row["control"] == "True" for row in rows) == max(50, round(0.1 * len(rows)))
    assert all(row["customer_id"].startswith("'=") for row in rows)
    assert {row["note"] for row in rows} == {CAVEAT}
    shuffled = cj.target_list(
        model.score(frame.sample(frac=1, random_state=1)),
        offer_cost=10,
        contact_cost=1,
        success_share=0.3,
        value=200,
    )
    assert shuffled.export.to_csv() == chosen.export.to_csv()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"success_share": 1.2}, "success_share: must be a share from 0 to 1"),
        ({"offer_cost": -1}, "offer_cost: must be a number, 0 or more"),
        ({"value": "wort"}, "there is no column 'wort' in the scores"),
        ({"budget": "all"}, "budget: must be a number"),
    ],
)
def test_options_of_the_list_are_checked(options, said):
    with pytest.raises(cj.CjlibError, match=said):
        cj.target_list(
            simple(0.2, 0.4),
            **({"offer_cost": 10, "contact_cost": 1, "success_share": 0.3} | options),
        )


def test_value_at_risk_by_hand():
    worth = pd.DataFrame({"customer_id": ["c0", "c1", "zed"], "expected_value": [100.0, 10.0, 5.0]})
    found = cj.value_at_risk(simple(0.5, 0.2, 0.9), worth)
    assert found.table[["customer_id", "value_at_risk"]].to_numpy().tolist() == [
        ["c0", 50.0],
        ["c1", 2.0],
    ]
    assert (
        "1 customers with a forecast but no value, 1 with a value but no forecast"
        in found.definition["left out"]
    )


def test_kept_forecasts_are_set_beside_what_happened(tmp_path):
    stamp = pd.Timestamp("2024-03-01", tz="UTC")
    told = pd.DataFrame(
        {
            "customer_id": [f"c{one}" for one in range(60)],
            "cutoff": stamp,
            "churn_probability": np.linspace(0.05, 0.95, 60),
        }
    )
    events = [(f"c{one}", "buy", stamp - pd.Timedelta(days=9)) for one in range(60)] + [
        (f"c{one}", "buy", stamp + pd.Timedelta(days=9)) for one in range(30)
    ]
    log = cj.read_events(
        pd.DataFrame(events, columns=["customer_id", "event", "timestamp"]),
        observed_until=stamp + pd.Timedelta(days=30),
    )
    found = cj.past_forecasts([told], cj.churn_data(log, horizon="30D", cutoffs=[stamp]))
    assert found.table.loc[0, ["n", "n_churned", "auc", "observed_share"]].tolist() == [
        60,
        30,
        1.0,
        0.5,
    ]
    assert "within its interval" in found.headline
    none = cj.past_forecasts(tmp_path, cj.churn_data(log, horizon="30D", cutoffs=[stamp]))
    assert none.headline.startswith("There is no saved forecast in")


def test_every_figure_of_a_model_and_a_list_can_be_drawn(model, frame):
    chosen = cj.target_list(
        model.score(frame), offer_cost=10, contact_cost=1, success_share=0.3, value=200
    )
    for result, views in (
        (model, ("models", "calibration", "lift")),
        (chosen, ("profit", "sensitivity")),
    ):
        for view in views:
            meta = cj.plot(result, view).layout.meta
            assert meta["caption"]
            assert all(len(row) == len(meta["columns"]) for row in meta["rows"])


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (["kept", "lost"], {}, "Say which value means churned"),
        (["kept", "lost"], {"positive": "gone"}, "positive: 'gone' never occurs"),
    ],
)
def test_a_target_that_cannot_be_read_is_refused(values, options, said):
    with pytest.raises(cj.CjlibError, match=said):
        cj.churn_table(pd.DataFrame({"x": range(2), "y": values}), target="y", **options)


def test_a_target_of_one_outcome_leaves_the_question_unanswered():
    data = cj.churn_table(pd.DataFrame({"x": range(2), "y": ["yes", "yes"]}), target="y")
    assert not data.answered
    assert "holds only one outcome" in data.headline


def test_text_that_reads_as_numbers_becomes_numbers_and_the_blanks_are_counted(frame):
    data = cj.churn_table(frame, target="left_us", id="account")
    row = data.columns.set_index("column").loc["total"]
    assert row["kind"] == "number of text"
    assert row["missing"] == int((frame["tenure"] == 0).sum())


def test_a_category_of_more_levels_than_a_number_has_steps_is_learnt():
    rng = np.random.default_rng(4)
    code = rng.integers(0, 90, 1500)
    risky = np.isin(code, [3, 70, 80])
    made = pd.DataFrame(
        {
            "zip": [f"Z{one}" for one in code],
            "x": rng.normal(size=1500),
            "left": (rng.random(1500) < np.where(risky, 0.9, 0.2)).astype(int),
        }
    )
    model = cj.fit_churn(cj.churn_table(made, target="left"))
    scored = model.score(made).table["churn_probability"]
    assert scored[risky].min() > scored[~risky].mean() + 0.2


@pytest.mark.parametrize(("numbers", "knots"), [(20, 6), (WIDE + 1, 2)])
def test_curves_of_very_many_numbers_have_no_knots_but_their_ends(numbers, knots):
    rng = np.random.default_rng(8)
    values = rng.normal(size=(400, numbers))
    churned = (rng.random(400) < 1 / (1 + np.exp(-2 * values[:, 0] + values[:, 1] ** 2))).astype(
        float
    )
    values[rng.random(400) < 0.2, 2] = np.nan
    features = pd.DataFrame(values, columns=[f"x_{one:03d}" for one in range(numbers)]).assign(
        plan=rng.choice(["monthly", "yearly"], 400)
    )
    columns = learn_columns(features, list(features.columns))
    matrix = columns.matrix(features)
    model = fit_additive(columns, matrix, churned, normal=False, penalty=1.0, most_rows=1000)

    filled = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
    curves = SplineTransformer(
        n_knots=knots, include_bias=False, extrapolation="constant"
    ).fit_transform(filled)
    levels = (features["plan"].to_numpy()[:, None] == np.array(["monthly", "yearly"])).astype(float)
    design = np.column_stack([levels, curves, np.isnan(values[:, 2])])
    expected = (
        LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-9)
        .fit(design, churned)
        .decision_function(design)
    )
    assert model.log_odds(matrix) == pytest.approx(expected, abs=0.01)
    assert len(model.curves) == numbers
    added = model.contributions(matrix)
    [again] = drawn_contributions(model, matrix, churned, 1.0, [np.ones(400)], np.arange(400))
    assert again == pytest.approx(added - added.mean(axis=0), abs=0.01)


def test_the_first_fit_of_a_process_runs_on_one_thread():
    asked = (
        "from cjlib.analyses.churn.model.model_selection import one_thread\nwith one_thread():\n"
        "    import sklearn.ensemble\n    from threadpoolctl import threadpool_info\n"
        "    print(sorted({one['num_threads'] for one in threadpool_info()}), any(one['user_api'] == 'openmp' for one in threadpool_info()))"
    )
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    said = subprocess.run(
        [sys.executable, "-c", asked], env=free, capture_output=True, text=True, check=True
    ).stdout
    assert said == "[1] True\n"


@pytest.mark.parametrize(
    ("feature", "level", "said"),
    [
        ("gap_median", "192 to 449", "with 192 to 449 days between active days (median) churned"),
        ("recency_days", "7", "with a last event 7 days ago churned"),
        ("tenure", "0 to 5", "with tenure 0 to 5 churned"),
        ("odd {}", "a {} b", "with odd {} a {} b churned"),
    ],
)
def test_a_level_of_our_own_features_is_said_in_words(feature, level, said):
    shares = {"share_churned": 0.73, "difference": 0.28, "low": 0.69, "high": 0.76}
    row = pd.Series({"feature": feature, "level": level, "n": 615, **shares})
    assert said in sentence(row)

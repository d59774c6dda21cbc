"""Kept forecasts and what then happened, value at risk, and the model's measures by segment."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.analyses.churn.model.churn_model import ChurnModel, ChurnScores

MARCH, APRIL = (pd.Timestamp(day, tz="UTC") for day in ("2024-03-01", "2024-04-01"))
STRANGE = ["NA", "007", "null", "a,b", "=1+1", "nan", "x y", "é"]


def scored(ids: list[str], cutoff: pd.Timestamp | None, probabilities: list[float]) -> ChurnScores:
    """Scores as a model gives them, for customers known by hand."""
    table = pd.DataFrame({"customer_id": ids, "cutoff": cutoff, "churn_probability": probabilities})
    return ChurnScores(
        table=table,
        headline="",
        definition={},
        drift=pd.DataFrame(),
        model=None,
        matrix=np.zeros((0, 0)),
    )  # pyright: ignore


def bought(ids: list[str], later: list[str], until: pd.Timestamp) -> cj.EventLog:
    """Everyone bought nine days before March; `later` also nine days after, and nine days after April."""
    rows = [(one, "buy", MARCH - pd.Timedelta(days=9)) for one in ids]
    rows += [
        (one, "buy", stamp + pd.Timedelta(days=9)) for one in later for stamp in (MARCH, APRIL)
    ]
    rows = [row for row in rows if row[2] <= until]
    return cj.read_events(
        pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]), observed_until=until
    )


# ---- kept forecasts -------------------------------------------------------------------------------------------------


def test_a_kept_forecast_comes_back_to_the_last_digit_whatever_customers_are_called(tmp_path):
    told = [0.1 + 0.2, 1 / 3, 0.9, 1e-9, 0.5, 0.123456789012345678, 0.0, 1.0]
    path = cj.save_forecast(scored(STRANGE, MARCH, told), tmp_path / "deep" / "kept")
    assert path.name == "forecast-2024-03-01T000000.csv"
    assert [one.name for one in path.parent.iterdir()] == [path.name], (
        "no half-written file is left"
    )
    found = cj.past_forecasts(
        path.parent,
        cj.churn_data(bought(STRANGE, STRANGE[:4], APRIL), horizon="30D", cutoffs=[MARCH]),
    ).table
    assert found.loc[0, "n"] == len(STRANGE)
    assert found.loc[0, "predicted_share"] == float(np.mean(told))
    assert found.loc[0, "n_churned"] == 4


def test_the_same_cutoff_again_replaces_and_another_stands_beside(tmp_path):
    for stamp, told in ((MARCH, [0.9, 0.9]), (MARCH, [0.2, 0.4]), (APRIL, [0.5, 0.5])):
        cj.save_forecast(scored(["ana", "bob"], stamp, told), tmp_path)
    assert cj.saved_cutoffs(tmp_path) == [MARCH, APRIL]
    log = bought(["ana", "bob"], ["ana"], APRIL + pd.Timedelta(days=20))
    found = cj.past_forecasts(
        tmp_path, cj.churn_data(log, horizon="30D", cutoffs=cj.saved_cutoffs(tmp_path))
    )
    assert found.table["cutoff"].tolist() == [APRIL, MARCH]
    assert found.table["state"].tolist() == ["horizon not over", "known"]
    assert found.table["predicted_share"].tolist() == pytest.approx([0.5, 0.3])
    assert found.table["observed_share"].iloc[1] == 0.5
    assert found.headline.startswith(
        "1 of 2 forecasts can be judged. The newest, of 2024-03-01, expected 30.0% to churn; 50.0% did"
    )
    meta = cj.plot(found).layout.meta
    assert [row[1] for row in meta["rows"]] == ["known", "horizon not over"]


def test_a_forecast_whose_time_is_not_over_is_open(tmp_path):
    cj.save_forecast(scored(["ana", "bob"], MARCH, [0.2, 0.4]), tmp_path)
    data = cj.churn_data(bought(["ana", "bob"], [], MARCH), horizon="30D", cutoffs=[MARCH])
    found = cj.past_forecasts(tmp_path, data)
    assert found.headline == "Of 1 forecast none has its horizon behind it yet."
    assert found.metrics == {}
    assert cj.plot(found).data[1].y == (None,)


def test_a_level_that_moved_is_said(tmp_path):
    ids = [f"c{one}" for one in range(60)]
    cj.save_forecast(scored(ids, MARCH, [0.05] * 60), tmp_path)
    found = cj.past_forecasts(
        tmp_path, cj.churn_data(bought(ids, ids[:20], APRIL), horizon="30D", cutoffs=[MARCH])
    )
    assert "outside its interval: the level has moved, so fit anew" in found.headline


def test_what_chance_can_do_moves_no_level_and_one_outcome_ranks_nobody(tmp_path):
    """Every twentieth forecast that was right had "the level has moved, so fit anew"; where nobody churned it was "AUC nan (nan to nan)"."""
    ids = [f"c{one}" for one in range(60)]
    chance = cj.churn_data(bought(ids, ids[:51], APRIL), horizon="30D", cutoffs=[MARCH])
    told = [scored(ids, MARCH, [share] * 60).table for share in (0.28, 0.5)]
    said = [cj.past_forecasts([one], chance).headline for one in told]
    assert "outside its interval, though by no more than chance can do" in said[0]
    assert "outside its interval: the level has moved, so fit anew" in said[1]
    nobody = cj.churn_data(bought(ids, ids, APRIL), horizon="30D", cutoffs=[MARCH])
    assert cj.past_forecasts([told[0]], nobody).headline.endswith(
        "; with one outcome alone no ranking can be judged."
    )
    few = cj.churn_data(bought(ids[:9], ids[:9], APRIL), horizon="30D", cutoffs=[MARCH])
    assert "9 customers are too few to say that the level has moved" in (
        cj.past_forecasts([scored(ids[:9], MARCH, [0.95] * 9).table], few).headline
    )


def test_forecasts_in_any_order_give_the_same_table():
    ids = [f"c{one}" for one in range(40)]
    told = pd.DataFrame(
        {"customer_id": ids, "cutoff": MARCH, "churn_probability": np.linspace(0, 1, 40)}
    )
    data = cj.churn_data(bought(ids, ids[::3], APRIL), horizon="30D", cutoffs=[MARCH])
    first, second = (
        cj.past_forecasts([rows], data).table
        for rows in (told, told.sample(frac=1, random_state=1))
    )
    assert first.to_csv() == second.to_csv()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "customer_id,cutoff,churn_probability\nana,yesterday,0.5\n",
            r"'forecast-x\.csv' is damaged.*Take it out of the folder",
        ),
        (
            "customer_id,cutoff,churn_probability\nana,2024-03-01,half\n",
            r"'forecast-x\.csv' is damaged",
        ),
        ("customer_id,moment\nana,2024-03-01\n", r"'forecast-x\.csv' is damaged"),
        ("", r"'forecast-x\.csv' is damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, text, said):
    (tmp_path / "forecast-x.csv").write_text(text)
    with pytest.raises(cj.DataError, match=said):
        cj.saved_cutoffs(tmp_path)


def test_what_cannot_be_kept_or_compared_says_why(tmp_path):
    with pytest.raises(cj.DataError, match=r"scores: must have customers and their cutoffs"):
        cj.save_forecast(scored(["ana"], None, [0.5]), tmp_path)
    with pytest.raises(
        cj.DataError,
        match=r"there is no column 'churn_probability'\. Did you mean 'churn_probabilty'\?",
    ):
        cj.saved_cutoffs(
            [pd.DataFrame({"customer_id": ["a"], "cutoff": [MARCH], "churn_probabilty": [0.5]})]
        )
    told = pd.DataFrame({"customer_id": ["ana"], "cutoff": [MARCH], "churn_probability": [0.5]})
    earlier = cj.churn_data(
        bought(["ana"], ["ana"], APRIL), horizon="30D", cutoffs=[MARCH - pd.Timedelta(days=2)]
    )
    assert cj.past_forecasts([told], earlier).table["cutoff"].tolist() == [MARCH]
    table = cj.churn_table(
        pd.DataFrame({"x": range(20), "lost": [True, False] * 10}), target="lost"
    )
    assert "has no dates" in cj.past_forecasts([told], table).reason


# ---- value at risk --------------------------------------------------------------------------------------------------


def risky(probability: list[float], value: list[float]) -> cj.analyses.churn.ValueAtRisk:
    ids = [f"c{place:02}" for place in range(len(probability))]
    return cj.value_at_risk(
        pd.DataFrame({"customer_id": ids, "churn_probability": probability}),
        pd.DataFrame({"customer_id": ids, "expected_value": value}),
    )


def test_high_is_the_top_fifth_and_the_grid_sums_to_the_whole():
    found = risky(
        [0.9, 0.8, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], [100, 1, 90, 2, 2, 2, 2, 2, 2, 2]
    )
    assert found.grid["customers"].tolist() == [1, 1, 1, 7]
    assert found.grid["value_at_risk"].tolist() == pytest.approx([90, 9, 0.8, 1.4])
    assert (
        found.headline
        == "101 of the 205 (49%) that 10 customers would bring if all stayed is at risk; 1 is among both the most valuable and the riskiest fifth and holds 90 of it."
    )
    assert found.table["value_at_risk"].is_monotonic_decreasing
    assert len(cj.plot(found).layout.meta["rows"]) == 4


def test_who_ties_with_somebody_beyond_the_top_fifth_is_not_in_it():
    """Of 500 customers who were all alike the 100 first ids were "among both the most valuable and the riskiest fifth"."""
    ids = [f"c{place}" for place in range(10)]
    risk, worth = (
        pd.DataFrame({"customer_id": ids, "churn_probability": 0.5}),
        pd.DataFrame({"customer_id": ids, "expected_value": 7.0}),
    )
    first, second = (
        cj.value_at_risk(
            risk.sample(frac=1, random_state=seed), worth.sample(frac=1, random_state=seed + 1)
        )
        for seed in (0, 5)
    )
    assert first.table.to_csv() == second.table.to_csv()
    assert not first.table[["high_value", "high_risk"]].any(axis=None)
    assert "0 are among both" in first.headline
    nothing = cj.value_at_risk(risk, worth.assign(expected_value=0.0))
    assert nothing.headline == (
        "10 customers would bring nothing if all stayed: there is no value at risk."
    )


def test_a_list_of_nobody_neither_earns_nor_cannot_lose():
    """Of a list without anybody the figure said that no success rate makes it lose money."""
    nobody = cj.target_list(
        pd.DataFrame({"customer_id": ["a", "b"], "churn_probability": [0.0, 0.01]}),
        offer_cost=10, contact_cost=1, success_share=0.3, value=200,
    )  # fmt: skip
    assert cj.plot(nobody).layout.meta["caption"] == nobody.headline
    caption = cj.plot(nobody, "sensitivity").layout.meta["caption"]
    assert caption == "Decided for a success rate of 30%: nobody is on this list."


def test_nobody_known_to_both_sides_is_a_sentence():
    nobody = cj.value_at_risk(
        pd.DataFrame({"customer_id": ["a"], "churn_probability": [0.5]}),
        pd.DataFrame({"customer_id": ["b"], "expected_value": [1.0]}),
    )
    assert nobody.headline == "No customer has both a forecast and a value."
    assert cj.plot(nobody).layout.meta["caption"] == nobody.headline


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (
            pd.DataFrame({"customer_id": ["a"], "churn_probabilty": [0.5]}),
            r"scores: there is no column 'churn_probability'\. Did you mean",
        ),
        (
            pd.DataFrame({"customer_id": ["a", "a"], "churn_probability": [0.5, 0.6]}),
            r"scores: 1 customers have several rows\. Give one row a customer",
        ),
    ],
)
def test_scores_that_cannot_be_used_say_why(scores, said):
    with pytest.raises(cj.CjlibError, match=said):
        cj.value_at_risk(scores, pd.DataFrame({"customer_id": ["a"], "expected_value": [1.0]}))


# ---- by segment -----------------------------------------------------------------------------------------------------


def forecaster(groups: dict[str, tuple[int, bool]]) -> tuple[ChurnModel, cj.EventLog]:
    """A model whose forecasts are known: of each group half churned, ranked perfectly or by a coin."""
    rng = np.random.default_rng(0)
    rows = [
        (f"{name}{one}", name, one % 2, 0.1 + 0.8 * (one % 2) if good else rng.random())
        for name, (n, good) in groups.items()
        for one in range(n)
    ]
    told = pd.DataFrame(
        rows, columns=["customer_id", "channel", "churned", "churn_probability"]
    ).assign(cutoff=MARCH)
    log = cj.read_events(
        toy_events(" | ".join(f"{one[0]}: visit@0D visit@1D" for one in rows)).assign(
            channel=np.repeat([one[1] for one in rows], 2)
        )
    )
    empty = pd.DataFrame()
    model = ChurnModel(
        table=empty, headline="", definition={}, calibration=empty, lift=empty, effects=empty, leaks=empty, drift=empty, forecasts=told.drop(columns="channel"), horizon_us=1,
        id_column="customer_id", beats_baselines=True, verdict="", fitted=None, newest=empty,
    )  # fmt: skip
    return model, log


def test_the_model_is_judged_in_each_segment_with_enough_of_both_outcomes():
    model, log = forecaster({"app": (60, True), "web": (60, False), "tv": (8, True)})
    found = cj.metrics_by_segment(model, log, by="channel")
    table = found.table.set_index("segment")
    assert table.loc["app", ["n", "n_churned", "auc"]].tolist() == [60, 30, 1.0]
    assert table.loc["tv", "n"] == 8
    assert np.isnan(table.loc["tv", "auc"])
    assert found.headline.startswith("The model ranks less well among web (AUC ")
    assert found.table.loc[0, "p_adjusted"] < 0.01
    assert found.families == {"AUC by channel": 2}
    assert set(found.metrics) == {"auc_app", "auc_web"}
    meta = cj.plot(found).layout.meta
    assert meta["caption"].endswith(" 1 more group has too few of both outcomes to judge.")
    assert len(meta["rows"]) == 3
    assert table["n"].sum() == len(model.forecasts)


def test_without_groups_or_with_small_ones_nothing_is_compared():
    model, log = forecaster({"app": (60, True), "tv": (8, True)})
    assert (
        cj.metrics_by_segment(model, log, by=None).headline
        == "There are no groups to compare: the data have no column for it."
    )
    assert (
        cj.metrics_by_segment(model, log, by="channel").headline
        == "Too few groups by channel have enough of both outcomes to compare the model among them."
    )
    small = cj.metrics_by_segment(*forecaster({"tv": (8, True)}), by="channel")
    assert cj.plot(small).layout.meta["caption"] == small.headline
    with pytest.raises(cj.CjlibError, match=r"model: must be what cj\.fit_churn gave"):
        cj.metrics_by_segment(pd.DataFrame(), log, by="channel")  # pyright: ignore
    with pytest.raises(cj.CjlibError, match=r"'chanel'.*Did you mean 'channel'"):
        cj.metrics_by_segment(model, log, by="chanel")

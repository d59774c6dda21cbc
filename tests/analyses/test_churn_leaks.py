"""Columns that know the outcome: planted ones are named, honest ones are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import cjlib as cj
from cjlib.analyses.churn.data.univariate import (
    FOLDS,
    column_auc,
    column_aucs,
    column_scores,
    counted_columns,
    folds_of,
    seen_aucs,
    tree_scores,
)
from cjlib.analyses.churn.model.base_models import fit_ridge
from cjlib.analyses.churn.model.metrics import auc

N = 3000


@pytest.fixture(scope="module")
def honest() -> pd.DataFrame:
    """A table with four honest columns (AUC about .8 together), and the outcome."""
    rng = np.random.default_rng(5)
    tenure, price = rng.integers(0, 73, N).astype(float), rng.uniform(20, 120, N)
    contract = rng.choice(["monthly", "yearly", "two years"], N, p=[0.55, 0.25, 0.2])
    odds = (
        -0.6
        - 0.035 * tenure
        + 0.012 * price
        + np.select([contract == "monthly", contract == "yearly"], [0.9, -0.6], -1.6)
    )
    churned = rng.random(N) < 1 / (1 + np.exp(-odds))
    return pd.DataFrame(
        {
            "tenure": tenure,
            "price": price,
            "contract": contract,
            "region": rng.choice(["north", "south", "east"], N),
            "churned": churned.astype(int),
        }
    )


def leaky(honest: pd.DataFrame) -> dict[str, pd.Series]:
    """Seventeen ways in which an outcome gets into a table."""
    rng = np.random.default_rng(7)
    lost = honest["churned"].to_numpy() == 1

    def reason(part: float) -> pd.Series:
        known = lost & (rng.random(N) < part)
        return pd.Series(
            np.where(known, rng.choice(["price", "moved", "rival"], N), None), dtype="str"
        )

    def flag(right: float) -> pd.Series:
        return pd.Series(np.where(rng.random(N) < right, lost, ~lost).astype(float))

    score = 1 / (1 + np.exp(-(4 * lost + rng.normal(0, 1.1, N))))
    ends = pd.Timestamp("2025-06-30") - pd.to_timedelta(rng.integers(1, 300, N), unit="D")
    level = pd.Series(rng.integers(0, N // 3, N))
    return {
        "cause_all": reason(1.0),
        "cause_most": reason(0.6),
        "cause_some": reason(0.2),
        "flag_99": flag(0.99),
        "flag_97": flag(0.97),
        "flag_90": flag(0.90),
        "flag_80": flag(0.80),
        "last_invoice": pd.Series(np.where(lost, 0.0, rng.uniform(20, 120, N))),
        "vendor_score": pd.Series(score),
        "retention_calls": pd.Series(
            np.where(lost, rng.poisson(1.6, N), rng.poisson(0.02, N)).astype(float)
        ),
        "end_date": pd.Series(ends.where(lost), dtype="datetime64[us]"),
        "last_seen": pd.Series(
            pd.Timestamp("2025-06-30")
            - pd.to_timedelta(
                np.where(lost, rng.integers(30, 200, N), rng.integers(0, 25, N)), unit="D"
            )
        ),
        "row_number": pd.Series(np.argsort(np.argsort(~lost, kind="stable"), kind="stable")),
        "encoded_area": honest["churned"].groupby(level).transform("mean").astype(float),
        "status": pd.Series(np.where(lost, "closed", "open"), dtype="str"),
        "stacked_score": pd.Series(np.clip(0.5 * lost + rng.normal(0.25, 0.16, N), 0, 1)),
        "months_prepaid": pd.Series(np.where(lost, 0, rng.integers(0, 4, N)).astype(float)),
    }


def levels(table: pd.DataFrame) -> dict[str, str]:
    leaks = cj.churn_table(table, target="churned").leaks
    return dict(zip(leaks["column"], leaks["level"], strict=True))


def test_at_least_sixteen_of_seventeen_planted_leaks_are_named(honest):
    named = {}
    for name, values in leaky(honest).items():
        found = levels(honest.assign(**{name: values}))
        named[name] = found.get(name)
        assert set(found) <= {name}
    missed = [name for name, level in named.items() if level not in ("FAIL", "WARN", "DROP")]
    assert len(named) == 17
    assert len(missed) <= 1, named
    assert sum(level == "FAIL" for level in named.values()) >= 8, named


def test_a_clean_table_has_no_leak_at_all(honest):
    assert levels(honest) == {}


def test_harmless_look_alikes_are_warned_of_at_most_once(honest):
    rng = np.random.default_rng(3)
    alike = honest.assign(
        churn_survey_answered=rng.integers(0, 2, N),
        closed_tickets=rng.poisson(2, N),
        reason_of_call=rng.choice(["bill", "move", "help"], N),
        promo_code=pd.Series(np.where(rng.random(N) < 0.1, "SPRING", None), dtype="str"),
    )
    found = list(levels(alike).values())
    assert "FAIL" not in found
    assert found.count("WARN") <= 1


def test_a_column_that_fails_stays_out_of_the_model_unless_kept_by_name(honest):
    table = honest.assign(status=np.where(honest["churned"] == 1, "closed", "open"))
    data = cj.churn_table(table.iloc[:900], target="churned")
    without = cj.fit_churn(data)
    assert "status" not in without.features
    assert "Left out because they know the outcome: 'status'." in without.headline
    kept = cj.fit_churn(data, keep=["status"])
    assert "status" in kept.features
    assert (
        "Kept by name although a rule calls them leaks: 'status'; the figures may be too good."
        in kept.headline
    )
    assert "(whole model)" in set(kept.leaks["column"])


def test_a_date_after_the_snapshot_fails(honest):
    days = pd.Series(
        pd.Timestamp("2025-01-01")
        + pd.to_timedelta(np.random.default_rng(0).integers(0, 300, N), unit="D")
    )
    leaks = cj.churn_table(
        honest.assign(contacted=days), target="churned", as_of="2025-06-30"
    ).leaks
    assert leaks.iloc[0][["column", "level", "rule"]].tolist() == [
        "contacted",
        "FAIL",
        "future date",
    ]


def test_an_identifier_is_dropped_and_one_that_follows_the_outcome_fails(honest):
    shuffled = honest.sample(frac=1, random_state=2, ignore_index=True).assign(
        account=lambda one: [f"A{place:05d}" for place in range(len(one))]
    )
    assert levels(shuffled) == {"account": "DROP"}
    ordered = honest.sort_values("churned", kind="stable", ignore_index=True)
    found = cj.churn_table(
        ordered.assign(account=np.arange(N)), target="churned", id="account"
    ).leaks
    assert found.iloc[0][["column", "level", "rule"]].tolist() == [
        "account",
        "FAIL",
        "identifier predicts",
    ]


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_one_column_alone_is_judged_by_the_tree_that_scikit_learn_grows(decimals):
    rng = np.random.default_rng(decimals)
    churned = (rng.random(1500) < 0.3).astype(float)
    values = (rng.normal(size=1500) + churned).round(decimals).astype("float32").astype(float)
    fold = folds_of(churned, FOLDS)
    expected = np.empty(churned.size)
    for one in range(FOLDS):
        tree = DecisionTreeClassifier(max_leaf_nodes=16, min_samples_leaf=20).fit(
            values[fold != one, None], churned[fold != one]
        )
        expected[fold == one] = tree.predict_proba(values[fold == one, None])[:, 1]
    assert tree_scores(values, churned, fold) == pytest.approx(expected, abs=1e-12)


def shares_of_a_plain_tree(values: np.ndarray, churned: np.ndarray) -> dict[float, float]:
    """The share of churners in the leaf of each value, every split of every node looked at in turn; missing is a value above all."""

    def split(node: np.ndarray) -> tuple[float, float, np.ndarray, np.ndarray] | None:
        hits = churned[node].sum()
        best = None
        for cut in np.unique(ranks[node])[1:]:
            left, right = node[ranks[node] < cut], node[ranks[node] >= cut]
            if min(left.size, right.size) < 20 or hits in (0, node.size):
                continue
            gain = (
                churned[left].sum() ** 2 / left.size
                + churned[right].sum() ** 2 / right.size
                - hits**2 / node.size
            )
            if best is None or gain > best[0] + 1e-9:
                best = (gain, cut, left, right)
        return best

    ranks = np.unique(values, return_inverse=True)[1]
    leaves = [np.arange(values.size)]
    while len(leaves) < 16:
        found = {place: best for place, node in enumerate(leaves) if (best := split(node))}
        if not found:
            break
        place = max(found, key=lambda one: found[one][0])
        leaves[place : place + 1] = found[place][2:]
    return {
        value: churned[leaf].mean() for leaf in leaves for value in np.unique(values[leaf]).tolist()
    }


@pytest.mark.parametrize("seed", range(6))
def test_many_small_trees_at_once_are_each_the_tree_grown_alone_by_looking_at_every_split(seed):
    rng = np.random.default_rng(seed)
    churned = (rng.random(600) < (0.1, 0.5, 0.9)[seed % 3]).astype(float)
    table = pd.DataFrame(
        {
            f"of_{decimals}": (rng.normal(size=600) + churned * rng.integers(0, 3)).round(decimals)
            for decimals in (0, 1, 8)
        }
    )
    table = table.assign(
        gaps=table["of_1"].where(rng.random(600) < 0.7),
        same=1.0,
        few=rng.integers(0, 3, 600),
        plan=rng.choice(["a", "b", "c"], 600),
    )
    found = seen_aucs(counted_columns(table, churned))
    for name in table.columns.drop("plan"):
        values = table[name].to_numpy(dtype=float)
        share = shares_of_a_plain_tree(np.nan_to_num(values, nan=99.0), churned)
        expected = auc(
            np.array([share[value] for value in np.nan_to_num(values, nan=99.0).tolist()]), churned
        )
        assert found[name] == pytest.approx(expected, abs=1e-12), name


@pytest.mark.parametrize("rows", [15, 40, 3000])
def test_the_figure_of_a_column_is_the_auc_of_its_scores_row_by_row(honest, rows):
    table = honest.assign(gone=np.nan, price=honest["price"].where(honest["tenure"] > 3)).iloc[
        :rows
    ]
    churned = table.pop("churned").to_numpy(dtype=float)
    figures = column_aucs(counted_columns(table, churned))
    assert figures == {
        name: auc(column_scores(table[name], churned), churned) for name in table.columns
    }


def test_newton_ends_where_scikit_learn_does():
    rng = np.random.default_rng(2)
    columns, weight = rng.normal(size=(800, 40)), rng.integers(0, 4, 800).astype(float)
    churned = (rng.random(800) < 1 / (1 + np.exp(1 - columns[:, 0]))).astype(float)
    model = LogisticRegression(C=0.3, solver="newton-cholesky", tol=1e-9).fit(
        columns, churned, sample_weight=weight
    )
    found = fit_ridge(columns, churned, 1 / 0.3, weight=weight)
    assert found == pytest.approx([*model.coef_[0], model.intercept_[0]], abs=1e-5)


def test_a_missing_value_is_a_value_of_its_own():
    churned = np.tile([1.0, 0.0, 0.0], 100)
    values = pd.Series(np.where(churned == 1, np.nan, np.arange(300) % 7))
    assert column_auc(values, churned) == 1.0


def test_two_columns_that_only_together_tell_are_warned_of_and_stay_in(honest):
    rng = np.random.default_rng(11)
    lost = honest["churned"].to_numpy()
    coin, paid = rng.integers(0, 2, N), rng.uniform(0, 100, N)
    due = np.where(lost == 1, paid + rng.uniform(0, 60, N), paid - rng.uniform(0, 60, N))
    data = cj.churn_table(
        honest.assign(coin=coin, answer=np.where(coin ^ lost, "yes", "no"), paid=paid, due=due),
        target="churned",
    )
    found = data.leaks[data.leaks["rule"] == "tell together"]
    assert found[["column", "level"]].to_numpy().tolist() == [
        ["answer + coin", "WARN"],
        ["due + paid", "WARN"],
    ]
    assert found["text"].str.contains("look before believing").all()
    assert {"coin", "answer", "paid", "due"} <= set(data.features)

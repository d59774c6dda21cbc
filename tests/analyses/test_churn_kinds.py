"""A customer table as it comes: whatever its columns are stored as or called, it is read, or the error says what to do."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.analyses.churn.model.model_selection import by_content

N = 240
DAY = pd.Timestamp("2024-01-01")


def plain(n: int = N, **columns) -> pd.DataFrame:
    """Customers with one telling number; further columns as given."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {"x": x, **columns, "gone": np.where(rng.random(n) < 1 / (1 + np.exp(-2 * x)), "Yes", "No")}
    )


STEPS = np.arange(N) % 7
DATES = DAY + pd.to_timedelta(STEPS, unit="D")
DATED = (6 - STEPS).astype(float)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (DATES, DATED),
        (DATES.tz_localize("Europe/Berlin"), DATED),
        (pd.Series(DATES).astype("timestamp[ns][pyarrow]"), DATED),
        (pd.Series(DATES.date).astype("date32[pyarrow]"), DATED),
        (pd.PeriodIndex(DATES, freq="D"), DATED),
        (DATES.date, DATED),
        (DATES.strftime("%Y-%m-%d"), DATED),
        (DATES.strftime("%Y-%m-%dT%H:%M:%SZ"), DATED),
        (pd.Categorical(DATES.strftime("%Y-%m-%d")), DATED),
        (pd.to_timedelta(STEPS, unit="D"), STEPS),
        ([Decimal(int(one)) / 100 for one in STEPS], STEPS / 100),
        (pd.array(STEPS, dtype="Int64"), STEPS),
        (pd.array(STEPS, dtype="int64[pyarrow]"), STEPS),
        (pd.arrays.SparseArray(STEPS), STEPS),
        ([f" {one}.50" for one in STEPS], STEPS + 0.5),
    ],
)
def test_dates_lengths_and_numbers_are_numbers_however_they_are_stored(stored, expected):
    data = cj.churn_table(plain(y=stored), target="gone")
    assert data.table["y"].tolist() == list(expected)


@pytest.mark.parametrize(
    "stored",
    [
        pd.array(np.where(STEPS > 2, "a", "b"), dtype="string[pyarrow]"),
        pd.array(STEPS > 2, dtype="boolean"),
        pd.cut(pd.Series(STEPS), 2),
        [[1], [2]] * (N // 2),
        [{"a": 1}, {"b": 2}] * (N // 2),
        [1 + 2j, 3 - 1j] * (N // 2),
        [b"a", b"b"] * (N // 2),
        pd.Series(["\ud800", "a"] * (N // 2), dtype=object),
        [f"{one + 1:02d}/02/2024" for one in STEPS],
    ],
)
def test_what_is_neither_number_nor_date_is_a_category(stored):
    data = cj.churn_table(plain(y=stored), target="gone")
    assert data.columns.set_index("column").loc["y", "kind"] == "category"


def test_a_date_whose_day_and_month_cannot_be_told_apart_is_named():
    data = cj.churn_table(plain(y=[f"{one + 1:02d}/02/2024" for one in STEPS]), target="gone")
    assert "give them as dates" in data.columns.set_index("column").loc["y", "note"]


def test_what_is_infinite_is_missing_and_counted_and_outside_training():
    made = plain(
        y=np.where(STEPS == 0, np.inf, STEPS.astype(float)), z=np.where(STEPS == 0, 1e300, -1e300)
    )
    data = cj.churn_table(made, target="gone")
    row = data.columns.set_index("column").loc["y"]
    assert (row["missing"], row["note"]) == (35, "35 infinite: missing")
    scored = cj.fit_churn(data).score(made).table
    assert scored["outside_training"].tolist() == (STEPS == 0).tolist()
    assert scored["churn_probability"].between(0, 1).all()


def test_a_row_scores_the_same_whatever_stands_beside_it():
    made = plain(
        start=DAY + pd.to_timedelta(STEPS * 40, unit="D"),
        texts=(DAY + pd.to_timedelta(STEPS, unit="D")).strftime("%Y-%m-%d"),
    )
    model = cj.fit_churn(cj.churn_table(made, target="gone", as_of="2025-01-31"))
    every = model.score(made).table["churn_probability"]
    assert model.score(made.iloc[:5]).table["churn_probability"].tolist() == every.tolist()[:5]
    later = made.assign(
        start=made["start"] + pd.Timedelta("365D"), texts=made["start"] + pd.Timedelta("365D")
    )
    a_year_on = later.assign(
        texts=(DAY + pd.to_timedelta(STEPS + 366, unit="D")).strftime("%Y-%m-%d"),
        start=made["start"] + pd.Timedelta("366D"),
    )
    assert (
        model.score(a_year_on, as_of="2026-02-01").table["churn_probability"].tolist()
        == every.tolist()
    )


def test_a_table_with_later_dates_than_training_is_read_as_of_the_latest_of_them():
    made = plain(start=DAY + pd.to_timedelta(STEPS * 40, unit="D"))
    model = cj.fit_churn(cj.churn_table(made, target="gone"))
    moved = made.assign(start=made["start"] + pd.Timedelta("90D"))
    assert (
        model.score(moved).table["churn_probability"].tolist()
        == model.score(made).table["churn_probability"].tolist()
    )


def test_columns_may_be_called_anything_but_by_one_name_twice():
    hostile = {
        "x": "<script>alert(1)</script>",
        "y": 0,
        "z": None,
        "w": ("a", "b"),
        "v": "'; DROP TABLE t;--",
    }
    made = plain(y=STEPS, z=STEPS % 2, w=STEPS % 3, v=STEPS % 4).rename(columns=hostile)
    data = cj.churn_table(made, target="gone")
    assert data.features == (
        "<script>alert(1)</script>",
        "0",
        "None",
        "('a', 'b')",
        "'; DROP TABLE t;--",
    )
    assert cj.fit_churn(data).score(made).table["churn_probability"].between(0, 1).all()
    with pytest.raises(
        cj.CjlibError,
        match=r"df: every column needs a name of its own; '0' stands for several\. Rename them",
    ):
        cj.churn_table(made.assign(**{"0": 1}), target="gone")


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        ({"x": [1]}, {}, r"df: must be a DataFrame with one row a customer\. Got 'dict'\."),
        (plain(churned=STEPS), {}, r"df: a property cannot be called 'churned'.*Rename it"),
        (
            plain(customer_id=STEPS),
            {},
            r"df: a property cannot be called 'customer_id'.*Say id='customer_id'",
        ),
        (
            plain(),
            {"id": "gone"},
            r"id: must be another column than the target\. Got 'gone' for both\.",
        ),
        (plain(), {"target": ["gone"]}, r"target: there is no column \['gone'\]"),
        (
            plain(),
            {"target": "x"},
            r"target: column 'x' holds 240 different values.*Name another column",
        ),
        (plain(), {"as_of": "soon"}, r"as_of: must be a date, such as '2025-06-30'\. Got 'soon'\."),
        (
            plain(),
            {"positive": "maybe"},
            r"positive: 'maybe' never occurs in 'gone'\. It holds: 'No', 'Yes'\.",
        ),
    ],
)
def test_a_table_that_cannot_be_used_says_why(given, options, said):
    with pytest.raises(cj.CjlibError, match=said):
        cj.churn_table(given, **{"target": "gone", **options})


@pytest.mark.parametrize(
    ("yes", "no", "positive"),
    [
        (" True.", " False.", None),
        ("1.0", "0.0", None),
        (True, False, False),
        (1, 0, True),
        (2, 1, 2.0),
        ("lost", "kept", "LOST"),
    ],
)
def test_the_outcome_is_read_as_people_write_it(yes, no, positive):
    made = plain()
    lost = made["gone"] == "Yes"
    written = made.assign(
        gone=np.where(lost, pd.Series([yes] * N, dtype=object), pd.Series([no] * N, dtype=object))
    )
    found = cj.churn_table(written, target="gone", positive=positive).table["churned"] == 1
    assert (found == (lost if positive is not False else ~lost)).all()


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("lost", "kept"),
        ("Attrited Customer", "Existing Customer"),
        ("churned", "not churned"),
        ("B", "A"),
    ],
)
def test_an_outcome_that_cannot_be_read_is_shown_as_written_with_the_likelier_value_as_the_remedy(
    yes, no
):
    made = plain()
    made = made.assign(gone=np.where(made["x"] > 0.8, yes, no))
    with pytest.raises(
        cj.CjlibError,
        match=rf"holds '.*'\. Say which value means churned, such as positive='{yes}'",
    ):
        cj.churn_table(made, target="gone")


def test_ids_are_texts_the_same_in_data_and_scores_and_repeated_ones_are_counted():
    made = plain(account=np.where(STEPS == 0, np.nan, np.arange(N) // 2))
    data = cj.churn_table(made, target="gone", id="account")
    assert data.table["customer_id"].tolist()[:4] == ["(no id, row 1)", "0", "1", "1"]
    assert (
        data.definition["repeated ids"]
        == f"{data.table['customer_id'].duplicated().sum()} rows have an id that an earlier row has"
    )
    assert (
        cj.fit_churn(data).score(made).table["customer_id"].tolist()
        == data.table["customer_id"].tolist()
    )


def test_a_customer_id_that_nobody_named_still_names_the_customers():
    data = cj.churn_table(plain(customer_id=[f"c{one}" for one in range(N)]), target="gone")
    assert (data.features, data.table["customer_id"].tolist()[:2]) == (("x",), ["c0", "c1"])


def test_digits_that_name_each_customer_are_an_identifier_but_amounts_are_not():
    rng = np.random.default_rng(2)
    made = plain(
        account=[f"{one:06d}" for one in rng.permutation(9999)[:N]],
        paid=[f"{one:.2f}" for one in rng.uniform(1, 9999, N)],
    )
    data = cj.churn_table(made, target="gone")
    assert data.columns.set_index("column")["kind"].to_dict() == {
        "x": "number",
        "account": "identifier",
        "paid": "number of text",
    }


def test_an_identifier_comes_back_when_it_is_kept_by_name():
    data = cj.churn_table(plain(row=np.arange(N)), target="gone")
    assert data.features == ("x",)
    model = cj.fit_churn(data, keep=["row"])
    assert set(model.features) == {"x", "row"}
    assert "Kept by name although a rule calls them leaks: 'row'" in model.headline


def test_a_table_of_categories_alone_is_kept_and_read_again(tmp_path):
    made = plain(a=np.where(STEPS > 3, "p", "q"), b=[datetime.time(one) for one in STEPS]).drop(
        columns="x"
    )
    model = cj.fit_churn(cj.churn_table(made, target="gone"))
    again = cj.load_churn_model(model.save(tmp_path / "model.json"))
    assert (
        again.score(made).table["churn_probability"].tolist()
        == model.score(made).table["churn_probability"].tolist()
    )


def test_every_feature_is_content_whatever_it_is_called():
    named_like_ours = pd.DataFrame({"churned_": np.arange(60.0), "x": 1.0})
    assert by_content(named_like_ours, np.zeros(60))[1].tolist() == list(range(60))


@pytest.mark.parametrize(
    "number", [lambda one: f"A{one}", lambda one: f"{one:06d}", lambda one: one]
)
def test_numbering_that_follows_the_outcome_fails_however_it_is_written(number):
    made = plain()
    last = np.argsort(np.argsort((made["gone"] == "Yes").to_numpy(), kind="stable"), kind="stable")
    leaks = cj.churn_table(
        made.assign(account=[number(one) for one in last]), target="gone", id="account"
    ).leaks
    assert leaks.loc[leaks["column"] == "account", ["level", "rule"]].to_numpy().tolist() == [
        ["FAIL", "identifier predicts"]
    ]
    shuffled = np.random.default_rng(3).permutation(N)
    leaks = cj.churn_table(
        made.assign(account=[number(one) for one in shuffled]), target="gone", id="account"
    ).leaks
    assert "account" not in leaks["column"].tolist()


def test_copies_of_rows_do_not_make_an_identifier_look_as_if_it_knew_the_outcome():
    made = plain(account=[f"A{one:04d}" for one in np.random.default_rng(3).permutation(N)])
    data = cj.churn_table(pd.concat([made, made]), target="gone", id="account")
    assert "account" not in data.leaks["column"].tolist()
    assert (
        "240 rows have an id that an earlier row has: one row a customer is expected."
        in data.headline
    )


def test_a_model_kept_before_dates_were_noted_still_reads_them(tmp_path):
    made = plain(start=DATES)
    data = cj.churn_table(made, target="gone")
    kept = json.loads(cj.fit_churn(data).save(tmp_path / "model.json").read_text(encoding="utf-8"))
    kept["columns"] = {
        name: value for name, value in kept["columns"].items() if name not in ("dates", "snapshot")
    }
    (tmp_path / "old.json").write_text(json.dumps(kept), encoding="utf-8")
    old = cj.load_churn_model(tmp_path / "old.json")
    assert (
        old.score(made).table["churn_probability"].tolist()
        == old.score(data).table["churn_probability"].tolist()
    )

"""Whom it pays to contact, how sure that is, and a list that can be tested."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.model.churn_model import ChurnScores
from cjlib.analyses.churn.model.explanations import first_reasons
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.show.numbers import about, percent

Floats = NDArray[np.float64]
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
CAVEAT = "Ranked by risk of leaving, not by effect of contacting. Who changes their mind is unknown without a test."
CONTROL_SHARE = 0.1
LEAST_CONTROL = 50
REASONS = 3
CURVE_POINTS = 200
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Offer:
    """What contacting costs, and what share of would-be churners it keeps."""

    offer_cost: float
    contact_cost: float
    success_share: float

    def profit(self, probability: Floats, value: Floats, share: float | None = None) -> Floats:
        """Expected profit of contacting each customer."""
        kept = (self.success_share if share is None else share) * (
            value - self.offer_cost
        ) - self.contact_cost
        return probability * kept - (1 - probability) * (self.offer_cost + self.contact_cost)

    def threshold(self, value: float, share: float) -> float:
        """The probability above which contacting pays; infinite where it never does."""
        spent = self.offer_cost + self.contact_cost
        gained = spent + share * (value - self.offer_cost) - self.contact_cost
        return spent / gained if gained > 0 else float("inf")

    def break_even_share(self, probability: Floats, value: Floats) -> float:
        """The share of successes at which contacting these customers neither earns nor loses; NaN for nobody."""
        spent = float(
            (
                probability * self.contact_cost
                + (1 - probability) * (self.offer_cost + self.contact_cost)
            ).sum()
        )
        gained = float((probability * (value - self.offer_cost)).sum())
        return spent / gained if gained > 0 else float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetList(Result):
    """Whom to contact.

    Attributes
    ----------
    sensitivity
        `success_share`, `n_selected`, `expected_profit` and `break_even_probability` if the list were made for that share, and
        `profit_of_this_list`: what this list earns should that be the truth.
    curve
        `n_contacted`, `expected_profit`: the sum over the most profitable.
    export
        The selected, as written by `write_csv`: with `control`, those not to be contacted.
    offer
        The costs and the success share.
    """

    sensitivity: pd.DataFrame
    curve: pd.DataFrame
    export: pd.DataFrame
    offer: Offer
    budget: float | None

    def write_csv(self, path: str | Path) -> Path:
        """Write the selected as CSV; text that a spreadsheet would read as a formula gets an apostrophe before it."""
        target = Path(path)
        texts = {
            name: self.export[name].map(_harmless)
            for name in self.export.columns
            if not pd.api.types.is_numeric_dtype(self.export[name])
        }
        self.export.assign(**texts).to_csv(
            target, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n", encoding="utf-8"
        )
        return target


def target_list(
    scores: ChurnScores | pd.DataFrame,
    *,
    offer_cost: float,
    contact_cost: float,
    success_share: float,
    budget: float | None = None,
    value: Any = 200,
    seed: int = 0,
) -> TargetList:
    """Whom it pays to contact: those whose expected profit is above 0, the most profitable first, as far as the budget reaches.

    Expected profit of a contact = p·(γ·(V − offer) − contact) − (1 − p)·(offer + contact), with p the probability of churning, V what a kept customer is
    worth and γ the success share: of the contacted who would leave, those who accept the offer and stay. Those who would have stayed take the offer too.

    Parameters
    ----------
    scores
        What `model.score()` gave, or a table with `customer_id` and `churn_probability`.
    offer_cost, contact_cost
        Cost of an accepted offer, and of a contact.
    success_share
        γ, 0 to 1: a guess until it is tested; see `.sensitivity`.
    budget
        Money for contacts: at most `budget` ÷ `contact_cost` customers are selected. None: no limit.
    value
        V: a number, the name of a column of the scores, or what `cj.customer_value` gave (customers it does not know are worth 0).
    seed
        Of the control group.

    Returns
    -------
    TargetList
        `.table`: `customer_id`, `churn_probability`, `value`, `expected_profit`, `rank` (1 = most profitable; ties by id), `selected`, `reason_1` … `reason_3`.
        A seeded random tenth of the selected, at least 50 (at most half), is marked `control` in the export: do not contact them, and compare.

    Raises
    ------
    CjlibError
        When an option cannot be used.
    DataError
        When a probability is missing or not between 0 and 1.
    """
    offer = Offer(
        _amount(offer_cost, "offer_cost"),
        _amount(contact_cost, "contact_cost"),
        _amount(success_share, "success_share", 1.0),
    )
    money = None if budget is None else _amount(budget, "budget")
    frame = _frame(scores)
    worth, unknown = _worth(frame, value)
    probability = frame["churn_probability"].to_numpy(dtype=float)
    profit = offer.profit(probability, worth)
    order = np.lexsort((frame["customer_id"].to_numpy(dtype=object).astype(str), -profit))
    most = _most(money, offer, len(frame))
    chosen = np.zeros(len(frame), dtype=bool)
    chosen[order[:most]] = profit[order[:most]] > 0
    table = pd.DataFrame(
        {
            "customer_id": frame["customer_id"].to_numpy()[order],
            "churn_probability": probability[order],
            "value": worth[order],
            "expected_profit": profit[order],
            "rank": np.arange(1, len(frame) + 1),
            "selected": chosen[order],
        }
    )
    table = pd.concat([table, _reasons(scores, table["customer_id"])], axis=1)
    sensitivity = _sensitivity(offer, probability[order], worth[order], chosen[order], most)
    export = _export(table, seed)
    even = offer.break_even_share(probability[chosen], worth[chosen])
    return TargetList(
        table=table,
        headline=_headline(table, offer, even),
        definition=_definition(offer, money, value, unknown, export),
        metrics={
            "n_selected": metric(int(chosen.sum()), n=len(frame)),
            "expected_profit": metric(float(profit[chosen].sum()), n=len(frame)),
            "break_even_success_share": metric(even, n=int(chosen.sum())),
            "break_even_probability": metric(
                offer.threshold(
                    float(np.mean(worth)) if worth.size else float("nan"), offer.success_share
                ),
                n=len(frame),
            ),
        },
        sensitivity=sensitivity,
        curve=_curve(table["expected_profit"].to_numpy()),
        export=export,
        offer=offer,
        budget=money,
    )


def _amount(given: Any, option: str, most: float = float("inf")) -> float:
    allowed = "a share from 0 to 1" if most == 1 else "a number, 0 or more"
    if (
        isinstance(given, bool)
        or not isinstance(given, (int, float, np.integer, np.floating))
        or not 0 <= float(given) <= most
        or given == float("inf")
    ):
        raise CjlibError(f"{option}: must be {allowed}. Got {shown(given)}.")
    return float(given)


def _frame(scores: ChurnScores | pd.DataFrame) -> pd.DataFrame:
    frame = scores.table if isinstance(scores, Result) else scores
    if not isinstance(frame, pd.DataFrame):
        raise CjlibError(
            f"scores: must be what model.score() gives, or a table with customer_id and churn_probability. Got {shown(type(scores).__name__)}."
        )
    for name in ("customer_id", "churn_probability"):
        if name not in frame.columns:
            raise CjlibError(
                f"scores: there is no column {name!r}.{did_you_mean(name, frame.columns)} The columns are {listed(frame.columns)}."
            )
    probability = pd.to_numeric(frame["churn_probability"], errors="coerce")
    if not probability.between(0, 1).all():
        raise DataError(
            f"scores: churn_probability must be between 0 and 1 in every row; {int((~probability.between(0, 1)).sum()):,} rows are not."
        )
    return frame.reset_index(drop=True)


def _worth(frame: pd.DataFrame, value: Any) -> tuple[Floats, int]:
    """What each customer is worth, and how many are not known."""
    if isinstance(value, Result):
        if "expected_value" not in value.table:
            raise CjlibError(
                "value: a result must have expected_value for each customer, as cj.customer_value gives it."
            )
        known = value.table.set_index(value.table["customer_id"].astype("str"))["expected_value"]
        found = frame["customer_id"].astype("str").map(known)
        return found.fillna(0.0).to_numpy(dtype=float), int(found.isna().sum())
    if isinstance(value, str):
        if value not in frame.columns:
            raise CjlibError(
                f"value: there is no column {shown(value)} in the scores.{did_you_mean(value, frame.columns)} Give a number, a column, or a customer_value result."
            )
        found = pd.to_numeric(frame[value], errors="coerce")
        unread = int((found.isna() & frame[value].notna()).sum() + np.isinf(found).sum())
        if unread:
            raise DataError(
                f"value: column {shown(value)} must hold numbers; {unread:,} of {len(frame):,} rows do not. Mend them, or leave them blank to count as 0."
            )
        return found.fillna(0.0).to_numpy(dtype=float), int(found.isna().sum())
    if isinstance(value, pd.DataFrame | pd.Series) or value is None:
        raise CjlibError(
            f"value: must be a number, a column of the scores, or what cj.customer_value gave. Got {shown(type(value).__name__)}."
        )
    return np.full(len(frame), _amount(value, "value")), 0


def _most(budget: float | None, offer: Offer, customers: int) -> int:
    if budget is None or offer.contact_cost == 0:
        return customers
    return min(customers, int(budget / offer.contact_cost + 1e-9))


def _reasons(scores: ChurnScores | pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    names = [f"reason_{rank}" for rank in range(1, REASONS + 1)]
    if not isinstance(scores, ChurnScores):
        return pd.DataFrame({name: pd.Series("", index=ids.index, dtype="str") for name in names})
    return first_reasons(scores.model.reasons(scores, REASONS).table, ids.tolist(), REASONS)


def _sensitivity(
    offer: Offer, probability: Floats, worth: Floats, chosen: NDArray[np.bool_], most: int
) -> pd.DataFrame:
    rows = []
    for share in sorted({*SHARES, offer.success_share}):
        profit = offer.profit(probability, worth, share)
        best = np.sort(profit[profit > 0])[::-1][:most]
        mean = float(worth.mean()) if worth.size else float("nan")
        rows.append(
            (
                share,
                best.size,
                float(best.sum()),
                offer.threshold(mean, share),
                float(profit[chosen].sum()),
            )
        )
    names = [
        "success_share",
        "n_selected",
        "expected_profit",
        "break_even_probability",
        "profit_of_this_list",
    ]
    return pd.DataFrame(rows, columns=names).astype({"n_selected": "int64"})


def _curve(profit: Floats) -> pd.DataFrame:
    total = np.append(0.0, np.cumsum(profit))
    points = np.unique(
        np.linspace(0, profit.size, min(CURVE_POINTS, profit.size) + 1).round().astype(np.int64)
    )
    return pd.DataFrame({"n_contacted": points, "expected_profit": total[points]})


def _export(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The selected, with a random tenth, at least 50 but at most half, as control; the same whatever the order."""
    chosen = table[table["selected"]].drop(columns="selected").reset_index(drop=True)
    size = min(max(LEAST_CONTROL, round(CONTROL_SHARE * len(chosen))), len(chosen) // 2)
    drawn = pd.util.hash_array(
        np.array([f"{seed}:{one}" for one in chosen["customer_id"]], dtype=object)
    )
    control = np.zeros(len(chosen), dtype=bool)
    control[np.argsort(drawn, kind="stable")[:size]] = True
    return chosen.assign(control=control, note=CAVEAT)


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _headline(table: pd.DataFrame, offer: Offer, even: float) -> str:
    chosen = table[table["selected"]]
    if chosen.empty:
        return f"It pays to contact nobody of {len(table):,} at these costs and a success share of {about(offer.success_share)}. {CAVEAT}"
    total = chosen["expected_profit"].sum()
    return (
        f"Contacting {len(chosen):,} of {len(table):,} customers is expected to earn {total:,.0f} ({total / len(table):,.2f} a customer of all) if {about(offer.success_share)} of "
        f"those who would leave accept and stay; below {percent(even)} the list loses money. {CAVEAT}"
    )


def _definition(
    offer: Offer, budget: float | None, value: Any, unknown: int, export: pd.DataFrame
) -> dict[str, str]:
    kind = (
        "from customer_value"
        if isinstance(value, Result)
        else f"column {value}"
        if isinstance(value, str)
        else f"{value:,} for everybody"
    )
    n, control = len(export), int(export["control"].sum())
    small = "; too few to read a small effect" if control < LEAST_CONTROL else ""
    return {
        "expected profit": "p·(γ·(V − offer) − contact) − (1 − p)·(offer + contact); those who would have stayed take the offer too",
        "costs": f"offer {offer.offer_cost:,g}, contact {offer.contact_cost:,g}",
        "success share": f"γ = {offer.success_share:g}: a guess until it is tested",
        "value": kind + (f"; {unknown:,} customers without one count as 0" if unknown else ""),
        "budget": "no limit" if budget is None else f"{budget:,g} for contacts",
        "control": f"{control:,} of the {n:,} selected, drawn by a seeded hash of the id{small}. Do not contact them. Afterwards compare the share that left: "
        "control − contacted, divided by the control's share, is the success share",
        "caveat": CAVEAT,
    }

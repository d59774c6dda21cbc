"""What stands to be lost, who is worth contacting, how sure that is, and a list that can be tested."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.model.churn_model import ChurnScores
from cjlib.analyses.churn.model.explanations import first_reasons
from cjlib.analyses.result import Metric, Result, metric
from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.shared.comparison import MIN_N
from cjlib.shared.silences import warned
from cjlib.shared.stats import part_of_sum
from cjlib.show.numbers import about, confidence, count_of, money, percent

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
EXPECTED = "expected_value"
NO_VALUE = (
    "what it is worth that a customer stays is not stated. "
    "Give value=, or add value: {kept: …} to the journey file."
)
NO_COSTS = (
    "what a contact and an offer cost is not stated. "
    "Add costs: {contact: …, offer: …} to the journey file."
)
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
CAVEAT = "Ranked by risk of leaving, not by effect of contacting. Who changes their mind is unknown without a test."
CONTROL_SHARE = 0.1
LEAST_CONTROL = 50
REASONS = 3
HARDLY = 0.01
"""Below this share of the customers worth contacting, contacting hardly pays."""
CURVE_POINTS = 200
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
TOP = 0.2
COLUMNS = [
    "customer_id",
    "churn_probability",
    "expected_value",
    "value_if_stays",
    "value_at_risk",
    "rank",
    "high_value",
    "high_risk",
]


@dataclass(frozen=True)
class Offer:
    """What contacting costs, and what share of would-be churners it keeps."""

    offer_cost: float
    contact_cost: float
    success_share: float
    measured: tuple[float, float] | None = None
    """The 95% CI of a success share that a control group measured; None: it is a guess."""

    def profit(self, probability: Floats, value: Floats, share: float | None = None) -> Floats:
        """Expected profit of contacting each customer."""
        kept = (self.success_share if share is None else share) * (
            value - self.offer_cost
        ) - self.contact_cost
        return probability * kept - (1 - probability) * (self.offer_cost + self.contact_cost)

    def threshold(self, value: float, share: float) -> float:
        """The probability above which contacting pays; NaN where it never does."""
        spent = self.offer_cost + self.contact_cost
        gained = spent + share * (value - self.offer_cost) - self.contact_cost
        return spent / gained if 0 < spent <= gained or spent == 0 < gained else float("nan")

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
    """Who is worth contacting.

    Attributes
    ----------
    sensitivity
        `success_share`, `n_selected`, `expected_profit` and `break_even_probability` (missing where contacting never pays) if the list were
        made for that share, and `profit_of_this_list`: what this list earns should that be the truth.
    curve
        `n_contacted`, `expected_profit`: the sum over the most profitable.
    export
        The selected and the control group, as written by `write_csv`: those marked `control` are not to be contacted.
    offer
        The costs and the success share; None where there is no list.
    """

    sensitivity: pd.DataFrame
    curve: pd.DataFrame
    export: pd.DataFrame
    offer: Offer | None
    budget: float | None

    @property
    def telling(self) -> tuple[str, ...]:
        """What cards show."""
        return ("n_selected", "expected_profit")

    @classmethod
    def unanswered(cls, reason: str, **empty: Any) -> TargetList:
        """No list, and the reason."""
        tables = {name: pd.DataFrame() for name in ("sensitivity", "curve")}
        export = pd.DataFrame({"note": pd.Series(dtype="str")})
        return super().unanswered(reason, **tables, export=export, offer=None, budget=None)

    def write_csv(self, path: str | Path) -> Path:
        """Write the selected as CSV; text that a spreadsheet would read as a formula gets an apostrophe before it.

        Parameters
        ----------
        path
            The file; one that is there is replaced.

        Returns
        -------
        pathlib.Path
            The file.
        """
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
    offer_cost: float | None,
    contact_cost: float | None,
    success_share: float | Result,
    budget: float | None = None,
    value: Any = None,
    seed: int = 0,
) -> TargetList:
    """Who is worth contacting: those whose expected profit is above 0, the most profitable first, as far as the budget reaches.

    Expected profit of a contact = p·(γ·(V − offer) − contact) − (1 − p)·(offer + contact), with p
    the probability of churning, V what a customer is worth who stays and γ the success share: of
    the contacted who would leave, those who accept the offer and stay. Those who would have stayed
    take the offer too. A seeded random tenth of the list, at least 50 and at most half, is a
    control group that is not contacted and stands in no sum; a list of fewer than 60 has none,
    since fewer than 30 cannot be compared.

    Parameters
    ----------
    scores
        What `model.score()` gave, or a table with `customer_id` and `churn_probability`.
    offer_cost, contact_cost
        Cost of an accepted offer, and of a contact; None: not known, and so no list.
    success_share
        γ, 0 to 1: a guess until it is tested; see `.sensitivity`. What `cj.holdout` gave, if
        answered: the share that the control group of an earlier list measured, at least 0, with its
        interval.
    budget
        Money for contacts: `budget` ÷ `contact_cost` customers are selected, the control group
        beside them. None: no limit.
    value
        V: a number, the name of a column of the scores, or what `cj.customer_value` gave (its value
        if the customer buys at all in its horizon; customers it does not know are worth 0). None:
        not known, and so no list.
    seed
        Of the control group.

    Returns
    -------
    TargetList
        `.table`: `customer_id`, `churn_probability`, `value`, `expected_profit`, `rank` (1 = most
        profitable; ties by id), `selected` (to be contacted), `control`, `reason_1` … `reason_3`.
        Unanswered without a stated value and costs, and where the scores' model does not beat its
        baselines.

    Raises
    ------
    CjlibError
        If `scores` are neither scores nor a table with both columns, `value` is neither a number, a
        column of them nor a result with `expected_value`, a cost or the budget is no number of 0 or
        more, or `success_share` does not lie between 0 and 1.
    DataError
        If a probability does not lie between 0 and 1, or the column of `value` holds something else
        than numbers.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> scores = pd.DataFrame({"customer_id": ["ana", "bob"], "churn_probability": [0.9, 0.1]})
    >>> targets = cj.target_list(
    ...     scores, offer_cost=10, contact_cost=1, success_share=0.3, value=200
    ... )
    >>> targets.table["expected_profit"].round(1).tolist()
    [49.3, -4.3]
    """
    share, measured = success_share_of(success_share)
    limit = None if budget is None else _amount(budget, "budget")
    offer_price = None if offer_cost is None else _amount(offer_cost, "offer_cost")
    contact_price = None if contact_cost is None else _amount(contact_cost, "contact_cost")
    if isinstance(scores, ChurnScores) and not scores.answered:
        return TargetList.unanswered(scores.reason)
    reason = _no_ranking(scores) or _no_value(value)
    if reason or offer_price is None or contact_price is None:
        return TargetList.unanswered(f"No list of customers to contact: {reason or NO_COSTS}")
    offer = Offer(offer_price, contact_price, share, measured)
    frame = _frame(scores)
    worth, unknown = _worth(frame, value)
    listing = _Listing.of(frame, _most_contacts(limit, offer, len(frame)), seed)
    probability = frame["churn_probability"].to_numpy(dtype=float)
    profit = offer.profit(probability, worth)
    order, selected, control = listing.split(profit)
    table = pd.DataFrame(
        {
            "customer_id": frame["customer_id"].to_numpy()[order],
            "churn_probability": probability[order],
            "value": worth[order],
            "expected_profit": profit[order],
            "rank": np.arange(1, len(frame) + 1),
            "selected": selected[order],
            "control": control[order],
        }
    )
    table = pd.concat([table, _reasons(scores, table["customer_id"])], axis=1)
    even = offer.break_even_share(probability[selected], worth[selected])
    return TargetList(
        table=table,
        headline=_headline(table, offer, even, _of_table(scores), limit) + _doubted(value),
        definition=_definition(offer, limit, value, unknown, table) | {"seed": str(seed)},
        metrics=_metrics(table, offer, even),
        sensitivity=_sensitivity(offer, probability, worth, selected, listing),
        curve=_curve(table["expected_profit"].to_numpy(), int(selected.sum())),
        export=_export(table, _made_at(frame).iloc[order]),
        offer=offer,
        budget=limit,
    )


def success_share_of(given: float | Result) -> tuple[float, tuple[float, float] | None]:
    """The success share, and the interval of a measured one; who is harmed by a contact is not won by more of them, so it is 0 at least."""
    if not isinstance(given, Result):
        return _amount(given, "success_share", 1.0), None
    found = given.metrics.get("success_share")
    if not given.answered or found is None or found["value"] is None:
        raise CjlibError(
            f"success_share: must be a share from 0 to 1, or what cj.holdout measured. Got a result without one: {given.headline}"
        )
    low, high = (
        bound if bound is not None else -math.inf for bound in (found["low"], found["high"])
    )
    return min(1.0, max(0.0, found["value"])), (max(0.0, low), min(1.0, max(0.0, high)))


def _made_at(frame: pd.DataFrame) -> pd.Series:
    """The moment of each forecast, from which a contact is counted."""
    return frame["cutoff"] if "cutoff" in frame else pd.Series(pd.NaT, index=frame.index)


def _no_ranking(scores: Any) -> str:
    if not isinstance(scores, ChurnScores):
        return ""
    return "" if scores.model.beats_baselines else scores.model.verdict


def _no_value(value: Any) -> str:
    if value is None:
        return NO_VALUE
    if not isinstance(value, Result):
        return ""
    if not value.answered:
        return value.reason
    unknown = EXPECTED in value.table and not value.table[EXPECTED].notna().any()
    return f"what customers are worth is not known. {value.headline}" if unknown else ""


@dataclass(frozen=True)
class _Listing:
    """What decides about a list beside the profit: ties, the draw of the control group, and how many may be contacted."""

    tie: Whole
    drawn: NDArray[np.uint64]
    most: int

    @classmethod
    def of(cls, frame: pd.DataFrame, most: int, seed: int) -> _Listing:
        ids = frame["customer_id"].to_numpy(dtype=object).astype(str)
        tie = np.empty(len(ids), dtype=np.int64)
        tie[np.argsort(ids, kind="stable")] = np.arange(len(ids))
        salted = np.array([f"{seed}:{customer}" for customer in ids], dtype=object)
        return cls(tie, pd.util.hash_array(salted), most)

    def split(self, profit: Floats) -> tuple[Whole, Flags, Flags]:
        """Customers from the most profitable down; who is to be contacted; who is the control group."""
        order = np.lexsort((self.tie, -profit))
        length, controls = _lengths(int(np.count_nonzero(profit > 0)), self.most)
        listed_rows = order[:length]
        first_drawn = np.lexsort((self.tie[listed_rows], self.drawn[listed_rows]))
        control = np.zeros(profit.size, dtype=bool)
        control[listed_rows[first_drawn[:controls]]] = True
        selected = np.zeros(profit.size, dtype=bool)
        selected[listed_rows] = True
        return order, selected & ~control, control


def _lengths(worth_it: int, most: int) -> tuple[int, int]:
    """How long the list is, and how many of it are not to be contacted; no control group where either side had fewer than 30."""
    if worth_it < 2 * MIN_N or most < MIN_N:
        return min(worth_it, most), 0
    lengths = np.arange(2 * MIN_N, worth_it + 1)
    tenth = np.maximum(LEAST_CONTROL, np.round(CONTROL_SHARE * lengths).astype(np.int64))
    control = np.minimum(tenth, lengths // 2)
    place = int(np.searchsorted(lengths - control, most, side="right")) - 1
    return int(lengths[place]), int(control[place])


def _of_table(scores: ChurnScores | pd.DataFrame) -> bool:
    """Whether the probabilities say how alike customers are to those who had left, and not what will happen."""
    return isinstance(scores, ChurnScores) and not scores.model.horizon_us


def _metrics(table: pd.DataFrame, offer: Offer, even: float) -> dict[str, Metric]:
    contacted, n = table[table["selected"]], len(table)
    mean = float(table["value"].mean()) if n else float("nan")
    return {
        "n_selected": metric(len(contacted), n=n, label="Worth contacting", unit="number"),
        "n_control": metric(
            int(table["control"].sum()), n=n, label="In the control group", unit="number"
        ),
        "expected_profit": metric(
            float(contacted["expected_profit"].sum()),
            n=len(contacted),
            label="Expected profit of contacting them",
            unit="money",
            better="higher",
        ),
        "budget_spent": metric(
            len(contacted) * offer.contact_cost,
            n=len(contacted),
            label="Cost of the contacts",
            unit="money",
        ),
        "break_even_success_share": metric(
            even, n=len(contacted), label="Break-even success rate", unit="share", better="lower"
        ),
        "break_even_probability": metric(
            offer.threshold(mean, offer.success_share),
            n=n,
            label="Contacting pays above a risk of",
            unit="share",
        ),
    }


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
        if EXPECTED not in value.table:
            raise CjlibError(
                "value: a result must have expected_value for each customer, as cj.customer_value gives it."
            )
        known = value_if_stays(value.table).set_axis(value.table["customer_id"].astype("str"))
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
                f"value: column {shown(value)} must hold numbers; {unread:,} of {len(frame):,} rows do not. Fix them, or leave them blank to count as 0."
            )
        return found.fillna(0.0).to_numpy(dtype=float), int(found.isna().sum())
    if isinstance(value, pd.DataFrame | pd.Series) or value is None:
        raise CjlibError(
            f"value: must be a number, a column of the scores, or what cj.customer_value gave. Got {shown(type(value).__name__)}."
        )
    return np.full(len(frame), _amount(value, "value")), 0


def value_if_stays(values: pd.DataFrame) -> pd.Series:
    """What each customer brings who does not leave: a forecast of `expected_value` has the chance of no purchase in it already, so it is divided out."""
    expected = values[EXPECTED].astype(float)
    if "p_no_purchase" not in values.columns:
        return expected
    buys = 1 - values["p_no_purchase"].astype(float)
    return expected.where(buys <= 0, expected / buys.where(buys > 0))


def _doubted(value: Any) -> str:
    """What a sum of a forecast of value adds, where the backtest of that forecast was far off."""
    return warned(value.definition.get("totals", "")) if isinstance(value, Result) else ""


def _most_contacts(budget: float | None, offer: Offer, customers: int) -> int:
    if budget is None or offer.contact_cost == 0:
        return customers
    return min(customers, int(budget / offer.contact_cost + 1e-9))


def _reasons(scores: ChurnScores | pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    names = [f"reason_{rank}" for rank in range(1, REASONS + 1)]
    if not isinstance(scores, ChurnScores):
        return pd.DataFrame({name: pd.Series("", index=ids.index, dtype="str") for name in names})
    return first_reasons(scores.model.reasons(scores, REASONS).table, ids.tolist(), REASONS)


def _sensitivity(
    offer: Offer, probability: Floats, worth: Floats, selected: Flags, listing: _Listing
) -> pd.DataFrame:
    mean = float(worth.mean()) if worth.size else float("nan")
    rows = []
    for share in sorted({*SHARES, offer.success_share, *(offer.measured or ())}):
        profit = offer.profit(probability, worth, share)
        _, best, _ = listing.split(profit)
        rows.append(
            {
                "success_share": share,
                "n_selected": int(best.sum()),
                "expected_profit": float(profit[best].sum()),
                "break_even_probability": offer.threshold(mean, share),
                "profit_of_this_list": float(profit[selected].sum()),
            }
        )
    return pd.DataFrame(rows)


def _curve(profit: Floats, selected: int) -> pd.DataFrame:
    """Profit by customers contacted at evenly spaced counts, and at that of the list itself."""
    total = np.append(0.0, np.cumsum(profit))
    spaced = np.linspace(0, profit.size, min(CURVE_POINTS, profit.size) + 1).round()
    points = np.unique(np.append(spaced, selected).astype(np.int64))
    return pd.DataFrame({"n_contacted": points, "expected_profit": total[points]})


def _export(table: pd.DataFrame, made_at: pd.Series) -> pd.DataFrame:
    """The selected and the control group, in the order of the list, and when it was made."""
    chosen = table["selected"] | table["control"]
    rows = table[chosen].reset_index(drop=True)
    reasons = [f"reason_{rank}" for rank in range(1, REASONS + 1)]
    columns = ["customer_id", "churn_probability", "value", "expected_profit", "rank", *reasons]
    arm = np.where(rows["control"], "control", "contacted")
    times = made_at.set_axis(table.index)[chosen].reset_index(drop=True)
    return rows[[*columns, "control"]].assign(
        variant=pd.Series(arm, dtype="str"), timestamp=times, note=CAVEAT
    )


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _measured(offer: Offer) -> str:
    if offer.measured is None:
        return ""
    return f", as measured on an earlier list ({confidence(*offer.measured)})"


def _headline(
    table: pd.DataFrame, offer: Offer, even: float, of_table: bool, budget: float | None
) -> str:
    contacted, control = table[table["selected"]], int(table["control"].sum())
    worth = int((table["expected_profit"] > 0).sum())
    if contacted.empty and worth and budget is not None:
        return (
            f"A budget of {money(budget, 2)} pays for no contact at {money(offer.contact_cost, 2)} each; "
            f"{count_of(worth, 'customer')} of {len(table):,} would be worth one. {CAVEAT}"
        )
    if contacted.empty:
        return f"None of {count_of(len(table), 'customer')} is worth contacting at these costs and a success rate of {about(offer.success_share)}. {CAVEAT}"
    beside = f" (and leave {control:,} more alone, to compare with)" if control else ""
    ground = "customers leave as those of the table did and " if of_table else ""
    total = contacted["expected_profit"].sum()
    if len(contacted) < HARDLY * len(table):
        return (
            f"Contacting hardly pays: {count_of(len(contacted), 'customer')} of {len(table):,} {'is' if len(contacted) == 1 else 'are'} worth it, with an expected profit of {money(total)} if "
            f"{ground}the offer keeps {about(offer.success_share)} of would-be leavers; break-even at {percent(even)}. {CAVEAT}"
        )
    return (
        f"Contact the {count_of(len(contacted), 'customer')} listed{beside}: expected profit {money(total)} if {ground}the offer keeps {about(offer.success_share)} of would-be leavers{_measured(offer)}; "
        f"break-even at {percent(even)}. {CAVEAT}"
    )


def _definition(
    offer: Offer, budget: float | None, value: Any, unknown: int, table: pd.DataFrame
) -> dict[str, str]:
    kind = (
        "from customer_value: what the customer brings who buys at all in its horizon"
        if isinstance(value, Result)
        else f"column {value}"
        if isinstance(value, str)
        else f"{value:,} for everybody"
    )
    contacted, control = int(table["selected"].sum()), int(table["control"].sum())
    drawn = (
        f"{control:,} customers of the list, drawn by a seeded hash of the id: not contacted, in no sum. Afterwards compare the share that left: "
        "control − contacted, divided by the control's share, is the success share"
        if control
        else f"none: a list of fewer than {2 * MIN_N} is too short to compare"
    )
    return {
        "expected profit": "p·(γ·(V − offer) − contact) − (1 − p)·(offer + contact) of those contacted; those who would have stayed take the offer too",
        "costs": f"offer {offer.offer_cost:,g}, contact {offer.contact_cost:,g}",
        "success share": f"γ = {offer.success_share:.3g}: "
        + (
            "a guess until it is tested"
            if offer.measured is None
            else f"measured on an earlier list ({confidence(*offer.measured)})"
        ),
        "value": kind + (f"; {unknown:,} customers without one count as 0" if unknown else ""),
        "budget": "no limit"
        if budget is None
        else f"{budget:,g} for contacts, {contacted * offer.contact_cost:,g} spent",
        "control": drawn,
        "caveat": CAVEAT,
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueAtRisk(Result):
    """Value at risk by customer; `.grid` counts customers and sums value by risk and value."""

    grid: pd.DataFrame

    @classmethod
    def unanswered(cls, reason: str, **empty: Any) -> ValueAtRisk:
        """No value at risk, and the reason."""
        return super().unanswered(reason, grid=pd.DataFrame())


def value_at_risk(scores: ChurnScores | pd.DataFrame, value: Result | pd.DataFrame) -> ValueAtRisk:
    """Value at risk = probability of churning × what the customer brings who stays, for each customer known to both.

    A forecast of `cj.customer_value` has the chance of no purchase in it already; it is divided
    out, so that nobody's leaving is counted twice: value at risk and what is expected in spite of
    it sum to what all would bring if they stayed. High value: the most valuable fifth; high risk:
    the riskiest fifth; who ties with somebody beyond it is in neither. Customers known to one side only are counted, not
    guessed.

    Parameters
    ----------
    scores
        What `model.score()` gave, or a table with `customer_id` and `churn_probability`, one row a
        customer.
    value
        What `cj.customer_value` gave, or a table with `customer_id` and `expected_value` (and
        `p_no_purchase`, where the value allows for it).

    Returns
    -------
    ValueAtRisk
        `.table`: `customer_id`, `churn_probability`, `expected_value`, `value_if_stays`,
        `value_at_risk`, `rank`, `high_value`, `high_risk`.
        `.grid`: `high_value`, `high_risk`, `customers`, `expected_value`, `value_if_stays`,
        `value_at_risk`.

    Raises
    ------
    CjlibError
        If either is neither a result nor a table, lacks a column, or has several rows of one
        customer.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> scores = pd.DataFrame({"customer_id": ["ana", "bob"], "churn_probability": [0.5, 0.1]})
    >>> value = pd.DataFrame({"customer_id": ["ana", "bob"], "expected_value": [100.0, 200.0]})
    >>> cj.value_at_risk(scores, value).table["value_at_risk"].tolist()
    [50.0, 20.0]
    """
    for given in (scores, value):
        if isinstance(given, Result) and not given.answered:
            return ValueAtRisk.unanswered(given.reason)
    if isinstance(value, Result) and EXPECTED in value.table and value.table[EXPECTED].isna().all():
        return ValueAtRisk.unanswered(value.headline)
    risk, worth = _risk(scores), _value_of(value)
    both = risk.merge(worth, on="key", how="inner").sort_values("key", ignore_index=True)
    table = both.assign(
        value_at_risk=both["churn_probability"] * both["value_if_stays"],
        high_value=_top(both["value_if_stays"]),
        high_risk=_top(both["churn_probability"]),
    )
    table = table.sort_values(
        "value_at_risk", ascending=False, kind="stable", ignore_index=True
    ).assign(rank=np.arange(1, len(both) + 1))
    total, at_risk = float(table["value_if_stays"].sum()), float(table["value_at_risk"].sum())
    hot = table[table["high_value"] & table["high_risk"]]
    share = (
        part_of_sum(at_risk, table["value_if_stays"].to_numpy(float)) if len(table) else math.nan
    )
    return ValueAtRisk(
        table=table[COLUMNS],
        headline=_headline_at_risk(table, hot, at_risk, total, share, _time_of(value))
        + _doubted(value),
        definition={
            "value at risk": "probability of churning × what the customer brings who stays, over the value's horizon",
            "value if stays": "the expected value; where that allows for no purchase at all, divided by the chance of a purchase",
            "high": "the top fifth; who ties with somebody beyond it is not in it",
            "left out": f"{len(risk) - len(both):,} customers with a forecast but no value, {len(worth) - len(both):,} with a value but no forecast",
        },
        metrics={
            "value_at_risk": metric(
                at_risk, n=len(table), label="Value at risk", unit="money", better="lower"
            ),
            "share_at_risk": metric(
                share, n=len(table), label="Share of value at risk", unit="share", better="lower"
            ),
            "high_both": metric(
                len(hot), n=len(table), label="High value and high risk", unit="number"
            ),
        },
        grid=_grid(table),
    )


def _time_of(value: Any) -> str:
    """For which time a value is expected, where it is."""
    horizon = value.definition.get("horizon") if isinstance(value, Result) else None
    return f" in the next {horizon}" if horizon else ""


def _headline_at_risk(
    table: pd.DataFrame,
    hot: pd.DataFrame,
    at_risk: float,
    total: float,
    share: float,
    within: str,
) -> str:
    if table.empty:
        return "No customer has both a forecast and a value."
    held = money(float(hot["value_at_risk"].sum()))
    both = f"{len(hot):,} {'is' if len(hot) == 1 else 'are'} among both the most valuable and the riskiest fifth"
    costing = int((table["value_if_stays"] < 0).sum())
    if costing:
        return (
            f"On balance {money(at_risk)} of the {money(total)} that {count_of(len(table), 'customer')} would bring{within} if all stayed is at risk; {costing:,} cost more than they bring. "
            f"{both}, and {held} is at risk with {'it' if len(hot) == 1 else 'them'}."
        )
    if not total:
        return f"{count_of(len(table), 'customer')} would bring nothing{within} if all stayed: there is no value at risk."
    part = "" if math.isnan(share) else f" ({about(share)})"
    return (
        f"{money(at_risk)} of the {money(total)}{part} that {count_of(len(table), 'customer')} would bring{within} if all stayed is at risk; "
        f"{both} and {'holds' if len(hot) == 1 else 'hold'} {held} of it."
    )


def _risk(scores: Result | pd.DataFrame) -> pd.DataFrame:
    return _known(scores, "churn_probability", "scores")[
        ["key", "customer_id", "churn_probability"]
    ]


def _value_of(value: Result | pd.DataFrame) -> pd.DataFrame:
    known = _known(value, EXPECTED, "value")
    return known.assign(value_if_stays=value_if_stays(known))[["key", EXPECTED, "value_if_stays"]]


def _known(given: Result | pd.DataFrame, column: str, option: str) -> pd.DataFrame:
    frame = given.table if isinstance(given, Result) else given
    if not isinstance(frame, pd.DataFrame):
        made = "model.score()" if option == "scores" else "cj.customer_value"
        raise CjlibError(
            f"{option}: must be what {made} gave, or a table with customer_id and {column}. Got {shown(type(given).__name__)}."
        )
    for name in ("customer_id", column):
        if name not in frame.columns:
            raise CjlibError(
                f"{option}: there is no column {name!r}.{did_you_mean(name, frame.columns)} The columns are {listed(frame.columns)}."
            )
    known = frame[pd.to_numeric(frame[column], errors="coerce").notna()]
    keys = known["customer_id"].astype("str")
    if keys.duplicated().any():
        raise CjlibError(
            f"{option}: {int(keys.duplicated().sum()):,} customers have several rows. Give one row a customer: one cutoff."
        )
    return known.assign(key=keys)


def _top(values: pd.Series) -> Flags:
    """The largest fifth; who ties with somebody beyond it is not in it, since nothing but the id would tell them apart."""
    ordered = np.sort(values.to_numpy(dtype=float))[::-1]
    size = round(TOP * ordered.size)
    return (
        values.to_numpy(dtype=float) > ordered[size]
        if size < ordered.size
        else np.ones(ordered.size, bool)
    )


def _grid(table: pd.DataFrame) -> pd.DataFrame:
    sums = [EXPECTED, "value_if_stays", "value_at_risk"]
    rows = []
    for valuable in (True, False):
        for risky in (True, False):
            group = table[(table["high_value"] == valuable) & (table["high_risk"] == risky)]
            rows.append((valuable, risky, len(group), *group[sums].sum().astype(float)))
    return pd.DataFrame(rows, columns=["high_value", "high_risk", "customers", *sums])

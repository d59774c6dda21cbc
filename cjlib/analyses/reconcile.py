"""Ours beside the number of another tool, and which rule and which customers explain the gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.funnel import Funnel, answer, asked_of
from cjlib.analyses.funnel.options import Question
from cjlib.analyses.result import Result
from cjlib.errors import CjlibError, listed, shown
from cjlib.show.numbers import count_of, timespan
from cjlib.sources.log.durations import microseconds
from cjlib.sources.log.event_log import EventLog
from cjlib.sources.log.semantics import FUNNELS

WINDOWS = ("1D", "7D", "14D", "30D", None)
COUNTS = ("customers", "count", "users", "theirs", "value")
"""What a column of theirs may be called that holds counts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reconciliation(Result):
    """Two numbers side by side.

    Attributes
    ----------
    explanations
        Every rule tried in place of one of ours: `rule`, `gap` (what of the gap it leaves; 0
        explains all of it), `customers` (how many customers it counts otherwise), smallest gap
        first.
    customers
        The customers behind the gap: `customer_id`, `steps_ours`, `steps_theirs` (by their list, or
        by the rule that explains most), `why`.
    """

    explanations: pd.DataFrame = field(default_factory=pd.DataFrame)
    customers: pd.DataFrame = field(default_factory=pd.DataFrame)


def reconcile(ours: Funnel, theirs: Any) -> Reconciliation:
    """Our funnel beside another tool's, with the rule and the customers that explain the difference.

    Other rules are tried one at a time in place of ours: which attempt counts, the order of steps,
    usual windows, no exclusions, no held columns, no range, a range that cuts every event, and each
    tool's documented semantics as a whole. The one that leaves least of the gap is named; the
    customers whom it counts otherwise are listed. Where theirs is a list of customers, those on one
    side only are listed with what they did by our rules.

    Parameters
    ----------
    ours
        What `cj.funnel` gave; groups are put together.
    theirs
        Counts: a mapping or Series of step (its number or its event) → customers, or a DataFrame
        with a column `step` or `event` and one of counts. Or customers: the ids of those who by the
        tool reached the last step, as a list, a Series, or a DataFrame with a column
        `customer_id`.

    Returns
    -------
    Reconciliation
        `.table`, of counts: `step`, `event`, `ours`, `theirs`, `difference` (theirs − ours); of
        customers: `customers` ("in both", "only ours", "only theirs") and `count`. `.explanations`
        and `.customers`.

    Raises
    ------
    CjlibError
        If `ours` is no funnel counted here, or `theirs` names no steps or holds neither counts nor
        customers.

    Examples
    --------
    >>> import pandas as pd, cjlib as cj
    >>> times = pd.to_datetime(["2024-01-01", "2024-01-05", "2024-01-06"], utc=True)
    >>> log = cj.read_events(pd.DataFrame({"customer_id": "ana", "event": ["a", "a", "b"], "timestamp": times}))
    >>> ours = cj.funnel(log, ["a", "b"], window="2D")
    >>> cj.reconcile(ours, {"a": 1, "b": 0}).headline
    "Step 2, b: ours 1, theirs 0. By entry='first' ours gives theirs exactly: 1 customer is counted otherwise."
    """
    if not isinstance(ours, Funnel):
        raise CjlibError(
            f"ours: must be what cj.funnel(log, …) gave. Got {shown(type(ours).__name__)}."
        )
    log, asked = asked_of(ours)
    if isinstance(theirs, pd.DataFrame):
        theirs = _column(theirs)
    counts = _counts(theirs, asked)
    if counts is not None:
        return _of_counts(log, asked, counts)
    return _of_customers(log, asked, _customers(theirs))


# ---- what theirs is ----------------------------------------------------------------------------------------------


def _counts(theirs: Any, asked: Question) -> list[int] | None:
    """Their count of each step; None where theirs is a list of customers."""
    if isinstance(theirs, pd.Series) and not isinstance(theirs.index, pd.RangeIndex):
        theirs = theirs.to_dict()
    if not isinstance(theirs, Mapping):
        return None
    by_name = {str(name): count for name, count in theirs.items()}
    names = asked.in_words
    counts = [by_name.get(str(k), by_name.get(name)) for k, name in enumerate(names, start=1)]
    known = {*names, *map(str, range(1, len(names) + 1))}
    if None in counts or not by_name.keys() <= known:
        raise CjlibError(
            f"theirs: must have one count for each step: {listed(names)}, or 1 to {len(names)}. Got {listed(by_name)}."
        )
    return [_whole(count) for count in counts]


def _column(theirs: pd.DataFrame) -> Any:
    """The counts by step of a table, or its customers."""
    step = next((name for name in ("step", "event") if name in theirs), None)
    if step is None:
        if "customer_id" in theirs:
            return theirs["customer_id"].tolist()
        raise CjlibError(
            f"theirs: must have a column step or event with counts, or customer_id. It has: {listed(theirs.columns)}."
        )
    count = next((name for name in COUNTS if name in theirs), None)
    if count is None:
        raise CjlibError(
            f"theirs: must have a column of counts: {', '.join(COUNTS)}. It has: {listed(theirs.columns)}."
        )
    return dict(zip(theirs[step], theirs[count], strict=True))


def _whole(count: Any) -> int:
    number = pd.to_numeric(count, errors="coerce")
    if pd.isna(number) or number < 0 or number != int(number):
        raise CjlibError(f"theirs: a count must be a whole number, 0 or more. Got {shown(count)}.")
    return int(number)


def _customers(theirs: Any) -> set[str]:
    if isinstance(theirs, str | bytes) or not isinstance(theirs, Iterable):
        raise CjlibError(
            f"theirs: must be counts of steps, or a list of customers. Got {shown(theirs)}."
        )
    return {str(customer) for customer in theirs if not pd.isna(customer)}


# ---- the rules that may explain it -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rule:
    """Our question with something changed; `cut` leaves out events after the range."""

    words: str
    asked: Question
    cut: bool = False

    def reached(self, log: EventLog) -> pd.Series:
        """How many steps each customer reached by it, by id."""
        asked = self.asked
        if self.cut and asked.end is not None:
            log, asked = log.where(end=log.moment(asked.end)), replace(asked, end=None)
        return _reached(answer(log, asked))


def _reached(funnel: Funnel) -> pd.Series:
    table = funnel.customers()
    return table.set_index(table["customer_id"].astype("str"))["steps_reached"]


def _rules(asked: Question) -> Iterator[_Rule]:
    """Every rule tried in place of one of ours."""
    for entry in ("best", "first"):
        yield _Rule(f"entry='{entry}'", replace(asked, entry=entry))
    for order in ("sequential", "strict", "any"):
        if not asked.exclude and not any(asked.step_windows):
            yield _Rule(f"order='{order}'", replace(asked, order=order))
    for window in WINDOWS:
        length = None if window is None else microseconds(window, "window")
        yield _Rule(
            "no window" if length is None else f"a window of {timespan(length)}",
            replace(asked, window=length, entrants="all"),
        )
    yield _Rule("no exclusions", replace(asked, exclude=()))
    yield _Rule("no held columns", replace(asked, hold=()))
    yield _Rule("no range", replace(asked, start=None, end=None))
    yield _Rule("no event seen after the range", asked, cut=asked.end is not None)
    for name, tool in FUNNELS.items():
        window = tool.options["window"]
        yield _Rule(
            f"semantics='{name}'",
            replace(
                asked,
                entry=tool.options["entry"],
                window=None if window is None else microseconds(window, "window"),
                entrants="all",
                together=tool.together,
            ),
            cut=tool.whole_range and asked.end is not None,
        )


def _tried(log: EventLog, asked: Question) -> list[tuple[str, pd.Series]]:
    """The steps each customer reached by every rule that is another than ours."""
    return [
        (rule.words, rule.reached(log)) for rule in _rules(asked) if rule.cut or rule.asked != asked
    ]


def _depths(reached: pd.Series, steps: int) -> list[int]:
    return [int((reached >= k).sum()) for k in range(1, steps + 1)]


def _explains(best: pd.Series, gap: int) -> bool:
    """Whether a rule explains at least half of the gap."""
    return bool(2 * best["gap"] <= gap)


def _explained(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["rule", "gap", "customers"])
    return table.sort_values(["gap", "customers"], kind="stable", ignore_index=True)


def _differing(ours: pd.Series, other: pd.Series) -> pd.DataFrame:
    """The customers who stand at another step by another rule."""
    both = pd.DataFrame({"steps_ours": ours, "steps_theirs": other}).fillna(0).astype("int64")
    return both[both["steps_ours"] != both["steps_theirs"]]


# ---- counts ------------------------------------------------------------------------------------------------------


def _of_counts(log: EventLog, asked: Question, theirs: list[int]) -> Reconciliation:
    asked = asked.ungrouped()
    steps = len(asked.steps)
    own = _reached(answer(log, asked))
    ours = _depths(own, steps)
    table = pd.DataFrame(
        {
            "step": np.arange(1, steps + 1),
            "event": pd.Series(asked.in_words, dtype="str"),
            "ours": ours,
            "theirs": theirs,
            "difference": np.subtract(theirs, ours),
        }
    )
    gap = int(table["difference"].abs().sum())
    if gap == 0:
        return Reconciliation(
            table=table,
            headline=f"Ours and theirs agree at {'every step' if steps > 1 else 'its step'}.",
            definition=_definition(),
        )
    tried = dict(_tried(log, asked))
    explanations = _explained(
        [
            (
                words,
                int(np.abs(np.subtract(_depths(reached, steps), theirs)).sum()),
                len(_differing(own, reached)),
            )
            for words, reached in tried.items()
        ]
    )
    best = explanations.iloc[0]
    customers = pd.DataFrame()
    if _explains(best, gap):
        customers = _differing(own, tried[best["rule"]]).rename_axis("customer_id").reset_index()
        customers["why"] = f"by {best['rule']}"
    return Reconciliation(
        table=table,
        headline=f"{_widest(table)} {_by_rule(best, gap)}",
        definition=_definition(),
        explanations=explanations,
        customers=customers,
    )


def _widest(table: pd.DataFrame) -> str:
    row = table.iloc[int(table["difference"].abs().to_numpy().argmax())]
    return f"Step {row['step']}, {row['event']}: ours {row['ours']:,}, theirs {row['theirs']:,}."


def _by_rule(best: pd.Series, gap: int) -> str:
    verb = "is" if best["customers"] == 1 else "are"
    if best["gap"] == 0:
        return f"By {best['rule']} ours gives theirs exactly: {count_of(best['customers'], 'customer')} {verb} counted otherwise."
    if _explains(best, gap):
        return f"No single rule gives theirs; by {best['rule']} {best['gap']:,} of the gap of {gap:,} are left."
    return f"No single rule of those tried explains half of the gap of {gap:,}: compare the events themselves, the zone and the ids."


# ---- customers ---------------------------------------------------------------------------------------------------


def _of_customers(log: EventLog, asked: Question, theirs: set[str]) -> Reconciliation:
    asked = asked.ungrouped()
    steps = len(asked.steps)
    own = _reached(answer(log, asked))
    ours = set(own.index[own >= steps])
    only_ours, only_theirs = sorted(ours - theirs), sorted(theirs - ours)
    table = pd.DataFrame(
        {
            "customers": pd.Series(["in both", "only ours", "only theirs"], dtype="str"),
            "count": [len(ours & theirs), len(only_ours), len(only_theirs)],
        }
    )
    tried = {
        words: set(reached.index[reached >= steps]) for words, reached in _tried(log, asked)
    } or {"ours": ours}
    explanations = _explained(
        [(words, len(there ^ theirs), len(there ^ ours)) for words, there in tried.items()]
    )
    best = explanations.iloc[0]
    gap, rule = len(ours ^ theirs), best["rule"]
    there = tried[rule] if _explains(best, gap) else ours
    known = set(map(str, log.customer_ids(np.arange(log.n_customers, dtype=np.int32))))
    customers = [
        {
            "customer_id": customer,
            "steps_ours": steps,
            "steps_theirs": None,
            "why": f"by {rule} not all steps" if customer not in there else "",
        }
        for customer in only_ours
    ]
    customers += [
        {
            "customer_id": customer,
            "steps_ours": int(own.get(customer, 0)),
            "steps_theirs": steps,
            "why": _why(customer, known, there, rule),
        }
        for customer in only_theirs
    ]
    headline = (
        f"{len(ours):,} by ours, {len(theirs):,} by theirs, {table['count'].iloc[0]:,} in both"
    )
    absent = len(set(only_theirs) - known)
    missing = f"; {absent:,} of theirs are not in the log" if absent else ""
    return Reconciliation(
        table=table,
        headline=f"{headline}{missing}." + (f" {_by_rule(best, gap)}" if gap else ""),
        definition=_definition(),
        explanations=explanations,
        customers=pd.DataFrame(customers).astype({"steps_theirs": "Int64"})
        if customers
        else pd.DataFrame(),
    )


def _why(customer: str, known: set[str], there: set[str], rule: str) -> str:
    if customer not in known:
        return "not in the log"
    return f"by {rule} all steps" if customer in there else ""


def _definition() -> dict[str, str]:
    return {
        "difference": "theirs − ours",
        "explanations": "one rule at a time in place of ours; gap: the absolute differences over all steps, or the customers on one side only, that it leaves",
        "customers": "those whom the rule that leaves least counts otherwise, or who stand on one side only",
    }

"""Ours beside the number of another tool, and which rule and which customers explain the gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses import retention as retained
from cjlib.analyses.funnel import Funnel, answer, asked_of
from cjlib.analyses.funnel.options import Question
from cjlib.analyses.result import Result
from cjlib.analyses.retention import Retention
from cjlib.analyses.retention import options as of_retention
from cjlib.errors import CjlibError, listed, shown
from cjlib.show.numbers import count_of, timespan
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.durations import microseconds
from cjlib.sources.log.event_log import EventLog
from cjlib.sources.log.semantics import FUNNELS, RETENTIONS

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
        by the rule that explains most), `why`; of retention `customer_id`, [`cohort`], `period`,
        `ours`, `theirs` (in how many cohorts they count as returned), `why`.
    """

    explanations: pd.DataFrame = field(default_factory=pd.DataFrame)
    customers: pd.DataFrame = field(default_factory=pd.DataFrame)


def reconcile(ours: Funnel | Retention, theirs: Any) -> Reconciliation:
    """Our funnel or retention beside another tool's, with the rule and the customers that explain the difference.

    Other rules are tried one at a time in place of ours, and each tool's documented semantics as a
    whole. Of a funnel: which attempt counts, the order of steps, usual windows, no exclusions, no
    held columns, no range, a range that cuts every event. Of retention: clock, mode, cohorts, the
    first day of a week, period 0, any event as return, no range, a range that cuts every event. The
    one that leaves least of the gap is named; the customers whom it counts otherwise are listed.
    Where theirs is a list of customers, those on one side only are listed with what they did by
    our rules.

    Parameters
    ----------
    ours
        What `cj.funnel` or `cj.retention` gave; groups are put together.
    theirs
        Of a funnel, counts: a mapping or Series of step (its number or its event) → customers, or a
        DataFrame with a column `step` or `event` and one of counts. Or customers: the ids of those
        who by the tool reached the last step, as a list, a Series, or a DataFrame with a column
        `customer_id`. Of retention, counts: a mapping or Series of period (0, 1, …) → customers who
        returned, over all cohorts, or a DataFrame with a column `period`, one of counts and, for
        single cohorts, `cohort`. Or customers: the ids of those who came back at all, or a
        DataFrame with `customer_id` and `period`, who came back when.

    Returns
    -------
    Reconciliation
        `.table`, of counts: `step`, `event` (of retention [`cohort`], `period`), `ours`, `theirs`,
        `difference` (theirs − ours); of customers: `customers` ("in both", "only ours", "only
        theirs") and `count`. `.explanations` and `.customers`.

    Raises
    ------
    CjlibError
        If `ours` is no funnel and no retention counted here, or `theirs` names no steps or periods or holds
        neither counts nor customers.

    Examples
    --------
    >>> import pandas as pd, cjlib as cj
    >>> times = pd.to_datetime(["2024-01-01", "2024-01-05", "2024-01-06"], utc=True)
    >>> log = cj.read_events(pd.DataFrame({"customer_id": "ana", "event": ["a", "a", "b"], "timestamp": times}))
    >>> ours = cj.funnel(log, ["a", "b"], window="2D")
    >>> cj.reconcile(ours, {"a": 1, "b": 0}).headline
    "Step 2, b: ours 1, theirs 0. By entry='first' ours gives theirs exactly: 1 customer is counted otherwise."
    >>> days = cj.retention(log, period="day", periods=1)
    >>> cj.reconcile(days, {1: 1}).headline
    "Period 1: ours 0, theirs 1. By mode='on_or_after' ours gives theirs exactly: 1 customer is counted otherwise."
    """
    if isinstance(ours, Retention):
        return _of_retention(*retained.asked_of(ours), theirs)
    if not isinstance(ours, Funnel):
        raise CjlibError(
            f"ours: must be what cj.funnel(log, …) or cj.retention(log, …) gave. Got {shown(type(ours).__name__)}."
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
    return dict(zip(theirs[step], theirs[_column_of_counts(theirs)], strict=True))


def _column_of_counts(theirs: pd.DataFrame) -> str:
    for name in COUNTS:
        if name in theirs:
            return name
    raise CjlibError(
        f"theirs: must have a column of counts: {', '.join(COUNTS)}. It has: {listed(theirs.columns)}."
    )


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


# ---- retention ---------------------------------------------------------------------------------------------------

BACK = "back"
"""The key of those who came back at all, where theirs does not say in which period."""


def _of_retention(log: EventLog, asked: of_retention.Question, theirs: Any) -> Reconciliation:
    asked = replace(asked, by=(), value=None)
    if isinstance(theirs, pd.DataFrame) and "period" in theirs and "customer_id" not in theirs:
        return _of_periods(log, asked, _by_period(theirs, asked))
    if isinstance(theirs, pd.Series) and not isinstance(theirs.index, pd.RangeIndex):
        theirs = theirs.to_dict()
    if isinstance(theirs, Mapping):
        given = pd.DataFrame({"period": list(theirs), "theirs": list(theirs.values())})
        return _of_periods(log, asked, _by_period(given, asked))
    return _of_returned(log, asked, _their_returns(theirs, asked))


def _by_period(theirs: pd.DataFrame, asked: of_retention.Question) -> pd.Series:
    """Their counts by period, or by cohort and period."""
    counts = [_whole(count) for count in theirs[_column_of_counts(theirs)]]
    keys = {"period": _periods(theirs["period"], asked)}
    if "cohort" in theirs:
        keys = {"cohort": _cohorts(theirs["cohort"], asked), **keys}
    found = pd.DataFrame({**keys, "theirs": counts}).set_index([*keys])["theirs"]
    if found.index.has_duplicates:
        again = found.index[found.index.duplicated()][0]
        raise CjlibError(
            f"theirs: must have one count for each {' and '.join(keys)}. Twice: {again}."
        )
    return found.sort_index()


def _periods(given: pd.Series, asked: of_retention.Question) -> list[int]:
    numbers = pd.to_numeric(given, errors="coerce")
    wrong = given[~numbers.isin(range(asked.periods + 1))]
    if len(wrong) or given.empty:
        raise CjlibError(
            f"theirs: a period must be a whole number from 0 to {asked.periods}, the periods of ours. Got {shown(wrong.iloc[0]) if len(wrong) else 'none'}."
        )
    return numbers.astype("int64").tolist()


def _cohorts(given: pd.Series, asked: of_retention.Question) -> list[Any]:
    """Their cohorts as ours are named: the local start of a period, or a value of `cohort_by`."""
    if asked.cohort_by is not None:
        return given.tolist()
    starts = pd.to_datetime(given, errors="coerce")
    if starts.isna().any():
        raise CjlibError(
            f"theirs: a cohort must be the first day of its {asked.period}, such as 2024-01-01. Got {shown(given[starts.isna()].iloc[0])}."
        )
    return starts.dt.tz_localize(None).astype("datetime64[us]").tolist()


def _their_returns(theirs: Any, asked: of_retention.Question) -> set[tuple[str, Any]]:
    """Who came back in which period, or at all."""
    if isinstance(theirs, pd.DataFrame):
        if "customer_id" not in theirs:
            raise CjlibError(
                f"theirs: must have a column period with counts, or customer_id. It has: {listed(theirs.columns)}."
            )
        named = theirs[theirs["customer_id"].notna()]
        if "period" in named:
            return set(
                zip(
                    named["customer_id"].astype("str"),
                    _periods(named["period"], asked),
                    strict=True,
                )
            )
        theirs = named["customer_id"]
    return {(customer, BACK) for customer in _customers(theirs)}


def _retention_rules(asked: of_retention.Question) -> Iterator[tuple[str, of_retention.Question]]:
    """Every rule of retention tried in place of ours, with its question."""
    plain = {"month_days": 0, "clock_from": ""}
    choices = {
        "clock": of_retention.CLOCKS,
        "mode": of_retention.MODES,
        "cohort": of_retention.COHORTS,
        "period_zero": of_retention.PERIOD_ZERO,
        **({"week_start": ("monday", "sunday")} if asked.period == "week" else {}),
    }
    for option, allowed in choices.items():
        for choice in allowed:
            if choice != getattr(asked, option):
                words = f"{option}={choice!r}"
                yield (
                    words,
                    replace(asked, **{option: choice}, **(plain if option == "clock" else {})),
                )
    yield "any event as return", replace(asked, return_event=Step(None))
    yield "no range", replace(asked, start=None, end=None)
    for name, tool in RETENTIONS.items():
        options = tool.options
        clock = tool.elapsed(asked.period) if options["clock"] == "elapsed" else plain
        yield f"semantics={name!r}", replace(asked, **options, **clock)


def _tried_on_retention(
    log: EventLog, asked: of_retention.Question
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Who counts as returned when, by every rule that is another than ours."""
    for words, question in _retention_rules(asked):
        if question != asked:
            yield words, retained.returned(log, question)
    if asked.end is not None:
        cut = log.where(end=asked.end)
        yield "no event seen after the range", retained.returned(cut, asked)


def _by_customer(returned: pd.DataFrame, keys: pd.Index) -> pd.Series:
    """In how many cohorts each customer counts as returned, of the periods (or cohorts and periods) that theirs has."""
    names = list(keys.names)
    mine = returned[returned.set_index(names).index.isin(keys)]
    return mine.groupby(["customer_id", *names]).size()


def _of_periods(log: EventLog, asked: of_retention.Question, theirs: pd.Series) -> Reconciliation:
    keys = theirs.index
    own = _by_customer(retained.returned(log, asked), keys)
    table = theirs.reset_index()
    table.insert(len(keys.names), "ours", _summed(own, keys))
    table["difference"] = table["theirs"] - table["ours"]
    gap = int(table["difference"].abs().sum())
    if gap == 0:
        return Reconciliation(
            table=table,
            headline=f"Ours and theirs agree in {'every period' if len(table) > 1 else 'its period'}.",
            definition=_definition(),
        )
    tried = {words: _by_customer(found, keys) for words, found in _tried_on_retention(log, asked)}
    explanations = _explained(
        [
            (
                words,
                int(np.abs(_summed(found, keys) - theirs.to_numpy()).sum()),
                _returns_differing(own, found)["customer_id"].nunique(),
            )
            for words, found in tried.items()
        ]
    )
    best = explanations.iloc[0]
    customers = pd.DataFrame()
    if _explains(best, gap):
        customers = _returns_differing(own, tried[best["rule"]]).assign(why=f"by {best['rule']}")
    widest = table.iloc[int(table["difference"].abs().to_numpy().argmax())]
    cohort = f"Cohort {_date(widest['cohort'])}, p" if "cohort" in table else "P"
    return Reconciliation(
        table=table,
        headline=f"{cohort}eriod {widest['period']}: ours {widest['ours']:,}, theirs {widest['theirs']:,}. {_by_rule(best, gap)}",
        definition=_definition(),
        explanations=explanations,
        customers=customers,
    )


def _date(cohort: Any) -> str:
    return f"{cohort:%Y-%m-%d}" if isinstance(cohort, pd.Timestamp) else str(cohort)


def _summed(found: pd.Series, keys: pd.Index) -> np.ndarray:
    totals = found.groupby(level=list(keys.names)).sum()
    return totals.reindex(keys, fill_value=0).to_numpy()


def _returns_differing(ours: pd.Series, other: pd.Series) -> pd.DataFrame:
    """The customers and periods that another rule counts otherwise."""
    both = pd.DataFrame({"ours": ours, "theirs": other}).fillna(0).astype("int64")
    both.index.names = ours.index.names
    return both[both["ours"] != both["theirs"]].reset_index()


def _pairs(returned: pd.DataFrame, periods: set[Any]) -> set[tuple[str, Any]]:
    """Who came back in which of their periods; at all, where they name none."""
    if periods == {BACK}:
        return {(one, BACK) for one in returned.loc[returned["period"] > 0, "customer_id"]}
    mine = returned[returned["period"].isin(periods)]
    return set(zip(mine["customer_id"], mine["period"], strict=True))


def _of_returned(
    log: EventLog, asked: of_retention.Question, theirs: set[tuple[str, Any]]
) -> Reconciliation:
    periods = {period for _, period in theirs} or {BACK}
    ours = _pairs(retained.returned(log, asked), periods)
    only_ours, only_theirs = sorted(ours - theirs), sorted(theirs - ours)
    counts = [len(ours & theirs), len(only_ours), len(only_theirs)]
    tried = {words: _pairs(found, periods) for words, found in _tried_on_retention(log, asked)}
    explanations = _explained(
        [
            (words, len(there ^ theirs), len({customer for customer, _ in there ^ ours}))
            for words, there in tried.items()
        ]
    )
    best, gap = explanations.iloc[0], len(ours ^ theirs)
    there = tried[best["rule"]] if _explains(best, gap) else ours
    known = set(map(str, log.customer_ids(np.arange(log.n_customers, dtype=np.int32))))
    rows = [
        (*pair, 1, 0, f"by {best['rule']} not back" * (pair not in there)) for pair in only_ours
    ]
    for customer, period in only_theirs:
        back = f"by {best['rule']} back" * ((customer, period) in there)
        rows.append((customer, period, 0, 1, back if customer in known else "not in the log"))
    customers = pd.DataFrame(rows, columns=["customer_id", "period", "ours", "theirs", "why"])
    what = "customer" if periods == {BACK} else "pair"
    of = "" if periods == {BACK} else " of customer and period"
    headline = f"{count_of(len(ours), what)}{of} by ours, {len(theirs):,} by theirs, {counts[0]:,} in both."
    return Reconciliation(
        table=pd.DataFrame({"customers": ["in both", "only ours", "only theirs"], "count": counts}),
        headline=headline + (f" {_by_rule(best, gap)}" if gap else ""),
        definition=_definition(),
        explanations=explanations,
        customers=customers.drop(columns="period") if periods == {BACK} else customers,
    )

"""Every kind of sentence that can claim something, each read from what a result says: its tables, findings and headline.

A sentence asks a business and answers with a `Claim`: whether the sentence claims something, and the smallest adjusted p of the table it stands on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from worlds import ACTIONS, BROWSING, CHAIN, FUTURE, Business, World, moments, planted

import cjlib as cj
from cjlib.errors import CjlibError
from cjlib.shared.comparison import CLAIM
from cjlib.views.report.changes import metrics_of, moves

WINDOW = "21D"


@dataclass(frozen=True)
class Claim:
    """What a sentence says of a business."""

    told: bool
    p: float = float("nan")
    """The smallest adjusted p of the table beneath it; missing where nothing was tested or no table is there."""


@dataclass(frozen=True)
class Sentence:
    """A kind of sentence, and how to get it."""

    name: str
    ask: Callable[[Business], Claim]
    planted: World | None = None
    """A business with an effect of useful size that it should tell."""
    not_in: tuple[str, ...] = ()
    """Worlds in which what it says is true."""

    def claim(self, business: Business) -> Claim | None:
        """What it says; None where it does not answer."""
        try:
            return self.ask(business)
        except CjlibError:
            return None


def least(table: pd.DataFrame, column: str = "p_adjusted") -> float:
    """The smallest adjusted p of a table; missing where nothing was tested."""
    return float(table[column].min()) if column in table and len(table) else float("nan")


def by_table(result: Any, table: pd.DataFrame, words: str, column: str = "p_adjusted") -> Claim:
    """A claim is a finding, a line below the level of claims, or a headline that says so."""
    p = least(table, column)
    told = p < CLAIM or bool(result.findings) or re.search(words, result.headline) is not None
    return Claim(bool(told), p)


def _once(business: Business, name: str, make: Callable[[], Any]) -> Any:
    if name not in business.made:
        business.made[name] = make()
    return business.made[name]


# ---- journeys ---------------------------------------------------------------------------------------------------


def _funnel(business: Business, **options: Any) -> Any:
    return cj.funnel(business.log, CHAIN, window=WINDOW, **options)


def funnel_groups(business: Business) -> Claim:
    """The groups of a funnel."""
    told = _once(business, "funnel", lambda: _funnel(business, by="channel"))
    return by_table(told, told.comparisons, r"stands .* points")


def funnel_attributes(business: Business) -> Claim:
    """The groups of a funnel by a column of the customers."""
    told = _funnel(business, by="region")
    return by_table(told, told.comparisons, r"stands .* points")


def funnel_trend(business: Business) -> Claim:
    """A funnel over time."""
    told = _once(business, "funnel", lambda: _funnel(business, by="channel")).trend("month")
    return by_table(told, told.table, r"\b(better|worse|rose|fell|higher|lower)\b")


def funnel_reentry(business: Business) -> Claim:
    """A funnel over time that counts the latest attempt."""
    told = _funnel(business, entry="reentry").trend("month")
    return by_table(told, told.table, r"\b(better|worse|rose|fell|higher|lower)\b")


def funnel_previous(business: Business) -> Claim:
    """A funnel beside the period before."""
    start = business.end - pd.Timedelta(days=90)
    told = _funnel(business, start=start, end=business.end).compare_previous_period()
    verdicts = told.table["verdict"].isin(["better", "worse"]).any()
    return Claim(bool(verdicts) or bool(told.findings), least(told.table))


def funnel_lost(business: Business) -> Claim:
    """What those lost after the first step did next."""
    told = _funnel(business).next_after_drop_off(1)
    free = told.table[told.table["event"].isin([*BROWSING, "demo", "(nothing)"])]
    return by_table(told, free, r"what sets them apart")


def _retention(business: Business, **options: Any) -> Any:
    return cj.retention(business.subscribers, start_event="subscribe", **options)


def _shares(business: Business) -> Any:
    return _retention(business, period="month", periods=6, return_event="share")


def cohorts(business: Business) -> Claim:
    """Which cohorts stand out."""
    told = _once(business, "retention", lambda: _shares(business))
    return by_table(told, told.cohort_comparisons, r"by themselves, ")


def cohort_change(business: Business) -> Claim:
    """From which cohort on returns changed."""
    told = _once(business, "retention", lambda: _shares(business))
    return by_table(told, told.cohort_change, r"Cohorts from|Only cohorts", "p_value")


def cohorts_or_later(business: Business) -> Claim:
    """The same of "or later", by the week."""
    told = _retention(business, period="week", periods=8, mode="on_or_after")
    p = np.nanmin([1.0, least(told.cohort_comparisons), least(told.cohort_change, "p_value")])
    words = r"Cohorts from|Only cohorts|by themselves, "
    return Claim(bool(p < CLAIM or told.findings or re.search(words, told.headline)), float(p))


def retention_groups(business: Business) -> Claim:
    """Retention of groups."""
    told = _retention(business, period="week", periods=8, by="plan")
    return by_table(told, told.comparisons, r"\bdiffer(s)? from|stands? .* points")


def survival_groups(business: Business) -> Claim:
    """Survival of groups."""
    told = cj.survival(
        business.subscribers, churn_event="cancel", start_event="subscribe", by="plan"
    )
    return by_table(told, told.comparisons, r"\d of \d+ groups? differs? from")


def paths_converted(business: Business) -> Claim:
    """What those who convert did before."""
    told = cj.compare_paths(
        business.log, outcome="subscribe", window=WINDOW, leave_out=[*CHAIN, "ticket"]
    )
    return by_table(told, told.table, r"sets? them apart|more often|commoner")


def paths_churned(business: Business) -> Claim:
    """What those who churn did before, without a window."""
    told = cj.compare_paths(
        business.subscribers,
        outcome="cancel",
        start_event="subscribe",
        groups=("churned", "retained"),
    )
    return by_table(told, told.table, r"sets? them apart")


def attribution(business: Business) -> Claim:
    """Which channel gets most credit, of channels that convert alike and are as often seen."""
    told = cj.attribution(business.log, conversion="subscribe", lookback="30D")
    return Claim("gets the most credit" in told.headline or bool(told.findings))


# ---- feedback ---------------------------------------------------------------------------------------------------


def score_segments(business: Business) -> Claim:
    """NPS of stages."""
    told = cj.nps(business.feedback, by="stage")
    return by_table(told, told.comparisons, r"\bdiffers?\b")


def score_changes(business: Business) -> Claim:
    """NPS from month to month."""
    told = cj.nps(business.feedback, period="month")
    return by_table(told, told.changes, r"\b(rose|fell|better|worse)\b")


def score_shifts(business: Business) -> Claim:
    """From which month on NPS is another one, in stages."""
    told = cj.nps(business.feedback, by="stage", period="month")
    return by_table(told, told.shifts, r"\bmoved\b")


def sentiment_segments(business: Business) -> Claim:
    """Sentiment of stages."""
    told = cj.sentiment(business.feedback, by="stage")
    return by_table(told, told.against_others, r"\bdiffers?\b")


def sentiment_changes(business: Business) -> Claim:
    """Sentiment from month to month, and from when on it is another one."""
    told = cj.sentiment(business.feedback, period="month")
    shifted = least(told.shifts) < CLAIM
    return Claim(bool(told.changes["significant"].any()) or shifted, least(told.changes))


def theme_unhappy(business: Business) -> Claim:
    """Which theme goes with unhappy answers."""
    told = cj.themes(business.feedback, quotes=False)
    return by_table(told, told.with_detractors, r"goes most with unhappy")


def drivers(business: Business) -> Claim:
    """Which words go with unhappy answers."""
    told = cj.drivers(business.feedback, quotes=False)
    column = "p_adjusted" if "p_adjusted" in told.tested else "q_value"
    return by_table(told, told.tested, r"answers go with", column)


def after_feedback(business: Business) -> Claim:
    """What follows a complaint."""
    told = cj.after_feedback(business.feedback, business.log, outcome="cancel", by=None)
    return by_table(told, told.table, r"After a complaint")


# ---- churn, value, personas ----------------------------------------------------------------------------------------


def _churn(business: Business) -> Any:
    options = {
        "horizon": f"{FUTURE}D",
        "churn_event": "cancel",
        "active_event": ["subscribe", *ACTIONS],
    }

    def made() -> Any:
        data = cj.churn_data(business.subscribers, **options)
        return cj.fit_churn(data), cj.churn_data(
            business.subscribers, cutoffs=[business.end], like=data, **options
        )

    return _once(business, "churn", made)


def churn_signal(business: Business) -> Claim:
    """Whether a churn model has a signal."""
    model, _ = _churn(business)
    return Claim(re.search(r"No signal|Too few|does not beat", model.headline) is None)


def churn_count(business: Business) -> Claim:
    """How many are expected to churn: false where the interval misses what comes, or where there is none."""
    model, today = _churn(business)
    scores = model.score(today)
    expected = next(
        (entry for name, entry in scores.metrics.items() if name.startswith("expected")), None
    )
    who = scores.table["customer_id"].str[1:].astype(int).to_numpy()
    came = np.count_nonzero(business.leaves[who] < business.world.days + FUTURE)
    if "expected to churn" not in scores.headline:
        return Claim(False)
    held = expected is not None and expected["low"] is not None
    return Claim(not held or not expected["low"] <= came <= expected["high"])


def churn_leaks(business: Business) -> Claim:
    """Which columns know the outcome."""
    rng = np.random.default_rng(len(business.events))
    n = len(business.customers)
    rare = np.where(rng.random(n) < 0.03, rng.choice(["a", "b"], n), None)
    table = business.customers.assign(
        size=rng.normal(size=n), note=rare, left=np.where(rng.random(n) < 0.25, "yes", "no")
    )
    leaks = cj.churn_table(table, target="left", id="customer_id").leaks
    return Claim(bool(leaks["level"].isin(["FAIL", "WARN"]).any()))


def value_groups(business: Business) -> Claim:
    """Value by group."""

    def made() -> Any:
        return cj.customer_value(
            business.log, horizon="90D", event="payment", value="value", draws=39
        )

    told = cj.value_by(_once(business, "value", made), business.log, by="plan")
    table = getattr(told, "comparisons", told.table)
    return by_table(told, table, r"of \d+ groups? differs? significantly")


def personas(business: Business) -> Claim:
    """Whether customers fall into kinds."""
    events = business.events[business.events["event"].isin(list(ACTIONS))]
    told = cj.personas(cj.read_events(events.drop(columns=["channel", "value"])))
    return Claim(re.match(r"\d+ personas", told.headline) is not None)


# ---- the business and its map -----------------------------------------------------------------------------------


def _card(business: Business) -> Any:
    return _once(
        business,
        "card",
        lambda: cj.scorecard(business.journey, business.log, business.feedback),
    )


def scorecard_moved(business: Business) -> Claim:
    """Which measures changed."""
    told = _card(business)
    return Claim(
        bool(told.table["significant"].fillna(False).any()) or bool(told.findings),
        least(told.table),
    )


def scorecard_outside(business: Business) -> Claim:
    """What the overview tells first: something outside its ordinary variation."""
    first = _card(business).highlights(1)
    words = r"ordinary|normal variation|outside|direction"
    return Claim(bool(first["reason"].str.contains(words).any()))


def _map(business: Business) -> Any:
    return _once(
        business,
        "map",
        lambda: cj.journey_map(business.journey, business.log, business.feedback),
    )


def map_pain(business: Business) -> Claim:
    """The first pain stage."""
    words = r"is the (first|biggest) pain"
    return Claim(re.search(words, _map(business).headline) is not None)


def map_moments(business: Business) -> Claim:
    """Moments that matter."""
    told = _map(business).moments
    if told.empty:
        return Claim(False)
    other = told[told["outcome"] != "promoter"]  # who was content once is content again
    return Claim(bool(told["named"].any()), least(other))


def map_patterns(business: Business) -> Claim:
    """Peaks, troughs and drops of the sentiment line."""
    return Claim(len(_map(business).patterns) > 0)


def _map_by(business: Business) -> Any:
    return _once(
        business,
        "map by plan",
        lambda: cj.journey_map(business.journey, business.log, business.feedback, by="plan"),
    )


def map_groups(business: Business) -> Claim:
    """Groups on the map, whose comparisons stand in a table."""
    told = _map_by(business)
    table = getattr(told, "comparisons", pd.DataFrame())
    return Claim(len(told.patterns) > 0 or bool(least(table) < CLAIM), least(table))


def map_compare(business: Business) -> Claim:
    """Two groups' maps side by side."""
    told = _map_by(business)
    compared = told.group("basic").compare(told.group("pro"))
    return Claim(bool(compared.table["significant"].any()), least(compared.table))


def map_earlier(business: Business) -> Claim:
    """The map of those who came in the second half of the year beside that of the first, each up to the end of its half."""
    half = moments(business.world.days // 2)
    first_seen = business.events.groupby("customer_id")["timestamp"].transform("min")
    early, late = (
        cj.journey_map(business.journey, cj.read_events(business.events[part], observed_until=end))
        for part, end in (
            (business.events["timestamp"] < half, half),
            (first_seen >= half, business.end),
        )
    )
    compared = late.compare(early)
    return Claim(bool(compared.table["significant"].any()), least(compared.table))


def index_moved(business: Business) -> Claim:
    """What moved since the last run: the same business, another year; the year before is that of the seed before."""
    before = (business.world, business.seed - 1)
    if before not in _YEARS:
        _YEARS[before] = _metrics(business.world.business(10_000 + business.seed))
    old, new = _YEARS.pop(before), _metrics(business)
    _YEARS[business.world, business.seed] = new
    return Claim(any(move.clear for move in moves(metrics_of([old]), metrics_of([new]))))


_YEARS: dict[tuple[World, int], dict[str, Any]] = {}
"""The metrics of the businesses just asked, so that the next one has a year before."""


def _metrics(business: Business) -> dict[str, Any]:
    results = (
        _funnel(business),
        _retention(business, period="month", periods=6),
        cj.nps(business.feedback, by="stage"),
        _map(business),
    )
    return {"metrics": {k: v for result in results for k, v in result.metrics.items()}}


JOURNEYS = (
    Sentence("funnel, groups", funnel_groups, planted("channel converts")),
    Sentence("funnel, groups by attribute", funnel_attributes),
    Sentence("funnel, trend", funnel_trend, planted("conversion rises")),
    Sentence("funnel, trend of the latest attempts", funnel_reentry, planted("conversion rises")),
    Sentence("funnel, period before", funnel_previous),
    Sentence("funnel, next after drop-off", funnel_lost),
    Sentence("retention, cohorts", cohorts, planted("cohorts return less")),
    Sentence("retention, change", cohort_change, planted("cohorts return less")),
    Sentence("retention, or later", cohorts_or_later, planted("cohorts return less")),
    Sentence("retention, groups", retention_groups, planted("plan churns")),
    Sentence("survival, groups", survival_groups, planted("plan churns")),
    Sentence("paths, converted or lost", paths_converted, planted("demo converts")),
    Sentence("paths, churned or retained", paths_churned),
    Sentence("attribution, most credit", attribution, not_in=("unequal n", "late channel")),
)
FEEDBACK = (
    Sentence("scores, segments", score_segments, planted("stage disappoints")),
    Sentence("scores, period to period", score_changes),
    Sentence("scores, level shifts", score_shifts, planted("mood falls")),
    Sentence("sentiment, segments", sentiment_segments, planted("stage disappoints")),
    Sentence("sentiment, over time", sentiment_changes),
    Sentence("themes, unhappy answers", theme_unhappy, planted("a word complains")),
    Sentence("drivers", drivers, planted("a word complains")),
    Sentence("after feedback", after_feedback, planted("complaints leave", answers=2.0)),
)
CUSTOMERS = (
    Sentence("churn model, signal", churn_signal, not_in=("contracts",)),
    Sentence("churn model, expected churners", churn_count),
    Sentence("churn table, leaks", churn_leaks),
    Sentence("value, groups", value_groups, planted("plan is worth more")),
    Sentence("personas", personas, planted("two kinds")),
)
BUSINESS = (
    Sentence("scorecard, change", scorecard_moved),
    Sentence("scorecard, outside normal variation", scorecard_outside),
    Sentence("map, first pain", map_pain),
    Sentence("map, moments", map_moments),
    Sentence("map, patterns", map_patterns, planted("stage disappoints", answers=2.0)),
    Sentence("map, groups", map_groups),
    Sentence("map, compare groups", map_compare, planted("plan churns")),
    Sentence("map, compare periods", map_earlier),
    Sentence("index, what moved", index_moved),
)
SENTENCES = (*JOURNEYS, *FEEDBACK, *CUSTOMERS, *BUSINESS)
_READ = ("sentiment, segments", "sentiment, over time")
DRAWN = tuple(
    one for one in SENTENCES if one.name in _READ or one.name.startswith(("map", "index"))
)
"""What draws a map or reads texts."""
FITTED = tuple(one for one in SENTENCES if one in CUSTOMERS + BUSINESS and one not in DRAWN)
"""What fits a model."""
QUICK = tuple(one for one in SENTENCES if one not in DRAWN + FITTED)

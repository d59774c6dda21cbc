"""The first thing of a report: the answer in a sentence, and its numbers as cards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from cjlib.analyses.metric_change import Change, changes, difference_bounds, few
from cjlib.analyses.result import MIME, Metric, Result, written
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.show import numbers

MOST_CARDS = 4


@dataclass(frozen=True)
class Kind:
    """How a metric is said: its name in words, its unit, and which direction is good (`higher`, `lower` or none)."""

    words: str
    unit: str
    better: str = ""


_KINDS: list[tuple[str, Kind]] = [
    (r"feedback_own_stage", Kind("Name their stage", "number")),
    (r"feedback_own_touchpoint", Kind("Name their touchpoint", "number")),
    (r"feedback_latest_event", Kind("Follow an event of the customer", "number")),
    (r"feedback_unassigned", Kind("Belong to no stage", "number")),
    (r"conversion", Kind("Conversion", "share", "higher")),
    (r"step_(\d+)_share_of_previous", Kind(r"Went on to step \1", "share", "higher")),
    (r"median_seconds_to_convert", Kind("Median time to convert", "seconds", "lower")),
    (
        r"median_seconds_from_latest_start",
        Kind("Median time from the latest start", "seconds", "lower"),
    ),
    (r"retention_period_(\d+)", Kind(r"Back in period \1", "share", "higher")),
    (r"conversion_of_(visitors|leads)", Kind(r"Conversion of \1", "share", "higher")),
    (
        r"(retention|renewal|expansion|referral|stickiness|click_through|answered_in_24h|first_contact_resolution)",
        Kind("", "share", "higher"),
    ),
    (r"(churn|bounce|reopened|abandonment)", Kind("", "share", "lower")),
    (r"auc", Kind("AUC: 0.5 is chance, 1 perfect", "number", "higher")),
    (r"gain_over_baseline", Kind("AUC above the best baseline", "number", "higher")),
    (r"pr_auc", Kind("PR-AUC", "number", "higher")),
    (r"brier", Kind("Brier score", "number", "lower")),
    (r"mean_probability", Kind("Expected to churn", "share", "lower")),
    (r"n_selected", Kind("Worth contacting", "number")),
    (r"expected_profit", Kind("Expected profit of contacting them", "number", "higher")),
    (r"break_even_probability", Kind("Contacting pays above a risk of", "share")),
    (r"break_even_success_share", Kind("Loses money below a success share of", "share")),
    (r"holdout_ratio", Kind("Backtest: forecast of what was bought", "share")),
    (r"holdout_value_ratio", Kind("Backtest: forecast of its value", "share")),
    (r"median_days", Kind("Median lifetime in days", "number", "higher")),
    (r"nps", Kind("NPS", "number", "higher")),
    (r"csat", Kind("Satisfied (csat)", "share", "higher")),
    (r"rating", Kind("Rated well", "share", "higher")),
    (r"ces", Kind("Found it easy (ces)", "share", "higher")),
    (r"mean_(nps|csat|ces|rating)", Kind(r"Mean answer (\1)", "number", "higher")),
    (r"mean_score", Kind("Mean text score, −1 to 1 (model index)", "number", "higher")),
    (r"share_negative", Kind("Texts that are negative", "share", "lower")),
    (r"share_ended_(.*)", Kind(r"Journeys that end at \1", "share", "lower")),
    (
        r"mean_score_(.*)",
        Kind(r"Sentiment of texts at \1, −1 to 1 (model index)", "number", "higher"),
    ),
    (r"share_satisfied_(.*)", Kind(r"Satisfied at \1 (csat)", "share", "higher")),
    (r"nps_(.*)", Kind(r"NPS at \1", "number", "higher")),
    (r"share_of_previous_(.*)", Kind(r"Went on to \1", "share", "higher")),
    (r"accuracy", Kind("Labels that agree with the rating", "share", "higher")),
    (r"(.*)_seconds(.*)|seconds_(.*)", Kind("", "seconds")),
    (r"(.*_)?(share|precision|recall|coverage|accuracy)(_.*)?", Kind("", "share")),
]
"""Name of a metric → how it is said; the first that fits the whole name."""


def kind_of(name: str, entry: Metric | None = None) -> Kind:
    """How a metric is said: as its maker says it, else from its name; one without an entry of its own is its name with spaces."""
    if entry and entry.get("label"):
        return Kind(entry["label"], entry.get("unit") or "number", entry.get("better", ""))
    for pattern, kind in _KINDS:
        if found := re.fullmatch(pattern, name):
            said = found.expand(kind.words) if kind.words else name.replace("_", " ").capitalize()
            return Kind(said, kind.unit, kind.better)
    return Kind(name.replace("_", " ").capitalize(), "number")


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """Headline and cards, as a notebook and a report show them first.

    Attributes
    ----------
    headlines
        One sentence of each result, as the results say them.
    metrics
        The numbers on the cards: name → `{"value", "low", "high", "n"}`.
    previous
        The same numbers of the time before, where there are any.
    told
        What run.json keeps: kind, headline, definition and all metrics.
    period
        What the periods of the first result are: `week`.
    """

    headlines: tuple[str, ...]
    metrics: Mapping[str, Metric]
    previous: Mapping[str, Metric] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    period: str = "period"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html, MIME: dict(self.told)}

    @property
    def text(self) -> str:
        """The answer without markup."""
        cards = (
            f"{self.name_of(name)}: {said(one['value'], kind_of(name, one).unit)} ({detail(name, one)})"
            for name, one in self.metrics.items()
        )
        return "\n".join([*self.headlines, *cards])

    def name_of(self, metric: str) -> str:
        """A metric in words: `Back in week 4`."""
        words = kind_of(metric, self.metrics.get(metric)).words
        return words.replace("Back in period", f"Back in {self.period}")

    @property
    def html(self) -> str:
        """The answer as HTML; every text escaped, since names come from data."""
        said = "".join(
            f'<p class="cj-headline">{escape(headline)}</p>' for headline in self.headlines
        )
        changed = changes([(self.previous.get(name), one) for name, one in self.metrics.items()])
        cards = "".join(
            _card(self.name_of(name), name, one, change)
            for (name, one), change in zip(self.metrics.items(), changed, strict=True)
        )
        return f'<section class="cj-answer">{_STYLE}{said}{f"""<ul class="cj-cards">{cards}</ul>""" if cards else ""}</section>'


def answer(
    result: Result,
    *more: Result,
    previous: Result | Mapping[str, Metric] | None = None,
    cards: Sequence[str] | None = None,
) -> Answer:
    """The headline of each result, and cards of its numbers: value, unit, 95% CI, n, and the change in words.

    A change is called better or worse only if it is statistically significant over all cards shown (adjusted p < .01, from Zou and Donner's
    interval of the difference); otherwise there is "no significant change". A number that rests on fewer than 30 is shown as such and not
    set in bold.

    Parameters
    ----------
    result, *more
        What analyses returned; the first one gives the report its definition.
    previous
        An earlier result of the same kind, what `funnel.compare_previous_period()` gives, or metrics (as run.json keeps them), to say what changed.
    cards
        Names of metrics to show, in order; without it the first four; of a numbered row (`step_2_…`, `retention_period_2`), where
        there is room, the first, the last and what lies evenly between.

    Returns
    -------
    Answer

    Raises
    ------
    CjlibError
        If something given is no result, or a card is not among the metrics.

    References
    ----------
    Zou, G. Y. & Donner, A. (2008). Construction of confidence limits about effect measures: a general approach. Statistics in Medicine 27.
    """
    results = (result, *more)
    for one in results:
        if not isinstance(one, Result):
            raise CjlibError(
                f"result: must be what an analysis returned, such as cj.funnel(log, …). Got {shown(type(one).__name__)}."
            )
    every: dict[str, Metric] = {}
    for each in results:
        every |= {name: one for name, one in each.metrics.items() if name not in every}
    telling = {name: every[name] for name in every if any(name in each.telling for each in results)}
    before = previous.metrics if isinstance(previous, Result) else previous or {}
    before = {name.removeprefix("previous_"): one for name, one in before.items()}
    headlines = tuple(dict.fromkeys(each.headline for each in results))
    told = {
        "kind": type(result).__name__,
        "headline": " ".join(headlines),
        "definition": dict(result.definition),
        "metrics": {name: written(entry) for name, entry in every.items()},
        "findings": [finding.plain() for each in results for finding in each.findings],
        "families": {name: tests for each in results for name, tests in each.families.items()},
        "reason": result.reason,
    }
    period = str(getattr(result, "period", None) or "period")
    return Answer(
        headlines=headlines,
        metrics=_chosen(telling if cards is None else every, cards),
        previous=before,
        told=told,
        period=period,
    )


def _chosen(every: Mapping[str, Metric], cards: Sequence[str] | None) -> dict[str, Metric]:
    if cards is None:
        answers = {
            name: one for name, one in every.items() if not re.match(r"n(_|$)|removed_", name)
        }  # how many were read is no answer
        answers = {
            name: one for name, one in answers.items() if one["value"] is not None
        } or answers
        alone = {name: one for name, one in answers.items() if not re.search(r"_\d+(_|$)", name)}
        numbered = {name: one for name, one in answers.items() if name not in alone}
        if len(alone) >= 3:
            return dict(list(alone.items())[:MOST_CARDS])
        return alone | {name: numbered[name] for name in _spread(numbered, MOST_CARDS - len(alone))}
    for name in cards:
        if name not in every:
            raise CjlibError(
                f"cards: {shown(name)} is not among the metrics: {listed(every, most=20)}.{did_you_mean(name, every)}"
            )
    return {name: every[name] for name in cards}


def _spread(names: Iterable[str], most: int) -> list[str]:
    """Of a numbered row so many as there is room for, from the first to the last: both ends tell more than neighbours do."""
    ordered = sorted(
        names,
        key=lambda name: (
            re.sub(r"\d+", "", name),
            [int(number) for number in re.findall(r"\d+", name)],
        ),
    )
    places = range(most) if most > 1 else range(1)
    return (
        list(
            dict.fromkeys(ordered[round(k * (len(ordered) - 1) / max(1, most - 1))] for k in places)
        )
        if ordered
        else []
    )


# ---- cards -----------------------------------------------------------------------------------------------------


def _card(words: str, name: str, one: Metric, change: Change) -> str:
    value = escape(said(one["value"], kind_of(name, one).unit))
    shown_value = value if few(one) else f"<strong>{value}</strong>"
    lines = [f'<p class="cj-name">{escape(words)}</p>', f'<p class="cj-value">{shown_value}</p>']
    lines.append(f'<p class="cj-note">{escape(_unbroken(detail(name, one)))}</p>')
    if change.before is not None:
        told = change_words(kind_of(name, one), change)
        lines.append(f'<p class="cj-change">{escape(_unbroken(told))}</p>')
    return f"<li>{''.join(lines)}</li>"


def _unbroken(text: str) -> str:
    """No line ends between a number and its unit, or within `n = 5,600`."""
    return text.replace(" = ", "\u00a0=\u00a0")


def said(value: float | None, unit: str) -> str:
    """A value in its unit: `20.4%`, `3 h 30 min`, `+15`, `1,204`."""
    say = {"share": numbers.percent, "seconds": numbers.duration, "points": numbers.signed}
    return say.get(unit, numbers.number)(value)


def detail(name: str, one: Metric) -> str:
    """Interval and n of a metric, as they stand on its card."""
    low, high, n = one["low"], one["high"], one["n"]
    unit = kind_of(name, one).unit
    parts = []
    if low is not None and high is not None:
        bounds = (
            numbers.interval(low, high)
            if unit == "share"
            else f"{said(low, unit)} to {said(high, unit)}"
        )
        parts.append(f"95% CI {bounds}")
    if n is not None:
        parts.append(f"n = {n:,}" + (": too few to read" if few(one) else ""))
    return " · ".join(parts) or "no interval"


def change_words(kind: Kind, change: Change) -> str:
    """The change in words: "0.8 points better than before (4.1%)", "no significant change from 4.1%"."""
    before, now = change.before, change.now
    if not before or not now or before["value"] is None or now["value"] is None:
        return "nothing to compare with"
    was = said(before["value"], kind.unit)
    if few(now) or few(before):
        return f"before {was}: too few to compare"
    if difference_bounds(now, before) is None or before["n"] is None or now["n"] is None:
        return f"before {was}, without an interval and n to judge the change by"
    if not change.significant:
        return f"no significant change from {was}"
    difference = now["value"] - before["value"]
    return f"{_difference(kind, abs(difference))} {_direction(kind, difference > 0)} than before ({was})"


def _direction(kind: Kind, rose: bool) -> str:
    if kind.better:
        return "better" if rose == (kind.better == "higher") else "worse"
    return {"seconds": "longer" if rose else "shorter"}.get(
        kind.unit, "higher" if rose else "lower"
    )


def _difference(kind: Kind, size: float) -> str:
    if kind.unit in ("share", "points"):
        return f"{100 * size if kind.unit == 'share' else size:.1f} points"
    return said(size, kind.unit)


_STYLE = """<style>
.cj-answer .cj-headline { font-size: 1.15em; margin: 0 0 0.8em; max-width: 46em; }
.cj-answer .cj-cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 12em), 1fr)); gap: 0.8em; list-style: none; margin: 0; padding: 0; }
.cj-answer .cj-cards > li { border: 1px solid rgba(118, 118, 118, 0.5); border-radius: 8px; padding: 0.7em 0.9em; margin: 0; }
.cj-answer .cj-cards p { margin: 0.1em 0; }
.cj-answer .cj-value { font-size: 1.5em; }
</style>"""
"""For Lab; a report has its own and leaves this out."""

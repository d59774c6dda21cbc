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


def kind_of(name: str, entry: Metric) -> Kind:
    """How a metric is said: as its maker says it; where the maker says nothing, its name with spaces and a plain number."""
    words = entry.get("label") or name.replace("_", " ").capitalize()
    return Kind(words, entry.get("unit") or "number", entry.get("better", ""))


@dataclass(frozen=True, kw_only=True, eq=False)
class Summary:
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
    """

    headlines: tuple[str, ...]
    metrics: Mapping[str, Metric]
    previous: Mapping[str, Metric] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html, MIME: dict(self.told)}

    @property
    def text(self) -> str:
        """The summary without markup."""
        cards = (
            f"{kind_of(name, one).words}: {_value(name, one)} ({detail(name, one)})"
            for name, one in self.metrics.items()
        )
        return "\n".join([*self.headlines, *cards])

    @property
    def html(self) -> str:
        """The summary as HTML; every text escaped, since names come from data."""
        first, more = self.headlines[:1], self.headlines[1:]
        said = "".join(_paragraphs(headline) for headline in first)
        said += "".join(map(_further, more))
        changed = changes([(self.previous.get(name), one) for name, one in self.metrics.items()])
        cards = "".join(
            _card(kind_of(name, one).words, name, one, change)
            for (name, one), change in zip(self.metrics.items(), changed, strict=True)
        )
        return f'<section class="cj-answer">{_STYLE}{said}{f"""<ul class="cj-cards">{cards}</ul>""" if cards else ""}</section>'


def summary(
    result: Result,
    *more: Result,
    previous: Result | Mapping[str, Metric] | None = None,
    cards: Sequence[str] | None = None,
) -> Summary:
    """The headline of each result, and cards of its numbers: value, unit, 95% CI, n, and the change in words.

    A change is called better or worse only if it is statistically significant over all cards shown
    (adjusted p < .0025, from Zou and Donner's interval of the difference); otherwise there is "no
    significant change". A number that rests on fewer than 30 is shown as such and not set in bold.

    Parameters
    ----------
    result, *more
        What analyses returned; the first one gives the report its definition.
    previous
        An earlier result of the same kind, what `funnel.compare_previous_period()` gives, or
        metrics (as run.json keeps them), to say what changed.
    cards
        Names of metrics to show, in order; without it the first four; of a numbered row
        (`step_2_…`, `retention_period_2`), where there is room, the first, the last and what lies
        evenly between.

    Returns
    -------
    Summary

    Raises
    ------
    CjlibError
        If something given is no result, or a card is not among the metrics.

    References
    ----------
    Zou, G. Y. & Donner, A. (2008). Construction of confidence limits about effect measures: a
    general approach. Statistics in Medicine 27.
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
    return Summary(
        headlines=headlines,
        metrics=_chosen(telling if cards is None else every, cards),
        previous=before,
        told=told,
    )


def _chosen(every: Mapping[str, Metric], cards: Sequence[str] | None) -> dict[str, Metric]:
    if cards is None:
        answers = {
            name: one for name, one in every.items() if not re.match(r"n(_|$)|removed_", name)
        }  # how many were read is no answer
        answers = {
            name: one for name, one in answers.items() if one["value"] is not None
        } or answers
        ordered = sorted(answers, key=lambda name: _rank(answers[name]))
        alone = {name: answers[name] for name in ordered if not re.search(r"_\d+(_|$)", name)}
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


def _rank(one: Metric) -> tuple[bool, bool]:
    """Missed targets first, and what is estimated before what is only a count."""
    return one.get("target_met") != "missed", one["low"] is None


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


SENTENCE_END = re.compile(r"(?<=[\w)%”]\.) (?=[A-Z\d“])")
"""Where a sentence ends and another begins."""


BRIEF = 40
"""A sentence of fewer letters, such as a caveat, stands with the one beside it."""


def _further(headline: str) -> str:
    """What a further result says: in a summary of a page its first sentence, where that and what follows are more than a few words."""
    answer, *rest = SENTENCE_END.split(headline, maxsplit=1)
    if not rest or min(len(answer), len(rest[0])) < BRIEF:
        return f'<p class="cj-headline">{escape(headline)}</p>'
    return f'<p class="cj-headline">{escape(answer)}</p><p class="cj-rest cj-in-full">{escape(rest[0])}</p>'


def _paragraphs(headline: str) -> str:
    """The first sentence answers; what follows stands beneath it, smaller."""
    answer, *rest = SENTENCE_END.split(headline, maxsplit=1)
    more = f'<p class="cj-rest">{escape(rest[0])}</p>' if rest else ""
    return f'<p class="cj-headline">{escape(answer)}</p>{more}'


# ---- cards -----------------------------------------------------------------------------------------------------


def _card(words: str, name: str, one: Metric, change: Change) -> str:
    value = escape(_value(name, one)).replace(" points", " <small>points</small>")
    shown_value = value if few(one) else f"<strong>{value}</strong>"
    long = " cj-long" * is_long(_value(name, one))
    lines = [
        f'<p class="cj-name">{escape(words)}</p>',
        f'<p class="cj-value{long}">{shown_value}</p>',
    ]
    met = one.get("target_met", "")
    if met:
        lines.append(
            f'<p class="cj-target cj-target-{met.replace(" ", "-")}">{escape(aim(one))}: <strong>{VERDICTS[met]}</strong></p>'
        )
    lines.append(f'<p class="cj-note">{escape(_unbroken(detail(name, one)))}</p>')
    if change.before is not None:
        told = change_words(kind_of(name, one), change)
        lines.append(f'<p class="cj-change">{escape(_unbroken(told))}</p>')
    return f"<li>{''.join(lines)}</li>"


def is_long(value: str) -> bool:
    """Whether a number needs smaller letters to stand in one line of its card."""
    return len(value.removesuffix(" points")) > 8


def _value(name: str, one: Metric) -> str:
    """The number of a card; of a relative change that may be anything a word."""
    unit = kind_of(name, one).unit
    if unit == "change" and numbers.too_wide(one["low"], one["high"]):
        return "unclear"
    return said(one["value"], unit)


def _unbroken(text: str) -> str:
    """No line ends within `n = 5,600` or an interval."""
    return text.replace(" = ", "\u00a0=\u00a0").replace("–", "\u2060–\u2060")


def said(value: float | None, unit: str) -> str:
    """A value in its unit: `20.4%`, `3 h 30 min`, `+15`, `1,204`."""
    say = {
        "share": numbers.percent,
        "difference": numbers.points,
        "change": numbers.change,
        "seconds": numbers.duration,
        "points": numbers.signed,
        "money": numbers.amount,
    }
    return say.get(unit, numbers.number)(value)


VERDICTS = {"missed": "missed", "not clear": "too close to call", "reached": "met"}
"""What is said of a target, in the order in which they are read."""
_SIDE = {"lower": "≤ ", "higher": "≥ ", "": ""}


def aim(one: Metric) -> str:
    """The target of a metric that has one: `target ≥ 65.0%`."""
    return f"target {_SIDE[one['better']]}{said(one['target'], one['unit'])}"


def detail(name: str, one: Metric) -> str:
    """Interval and n of a metric, as they stand on its card."""
    low, high, n = one["low"], one["high"], one["n"]
    unit = kind_of(name, one).unit
    parts = []
    if low is not None and high is not None:
        wide = unit == "change" and numbers.too_wide(low, high)
        parts.append(f"95% CI {_bounds(low, high, unit)}{': too wide to tell' * wide}")
    if n is not None:
        parts.append(f"n = {n:,}" + (": too few to read" if few(one) else ""))
    return " · ".join(parts) or "no interval"


def _bounds(low: float, high: float, unit: str) -> str:
    between = {
        "share": numbers.interval,
        "difference": numbers.points_interval,
        "change": numbers.change_interval,
    }
    return (
        between[unit](low, high) if unit in between else f"{said(low, unit)} to {said(high, unit)}"
    )


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
    if kind.unit in ("share", "difference", "change", "points"):
        return f"{size if kind.unit == 'points' else 100 * size:.1f} points"
    return said(size, kind.unit)


_STYLE = """<style>
.cj-answer .cj-headline { font-size: 1.15em; margin: 0 0 0.8em; max-width: 46em; }
.cj-answer .cj-rest { margin: 0 0 0.8em; max-width: 60em; }
.cj-answer .cj-cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 12em), 1fr)); gap: 0.8em; list-style: none; margin: 0; padding: 0; }
.cj-answer .cj-cards > li { border: 1px solid rgba(118, 118, 118, 0.5); border-radius: 8px; padding: 0.7em 0.9em; margin: 0; }
.cj-answer .cj-cards p { margin: 0.1em 0; }
.cj-answer .cj-value { font-size: 1.5em; }
</style>"""
"""For Lab; a report has its own and leaves this out."""

"""Which alerts fire: on a number, a move, a missed target, a finding; each with a state, so that what oscillates round its limit wakes someone once.

An alert that fires goes on until it is over for certain: a number until it is past its limit by a margin, a target until it is met, a move or a
finding until `CALM` runs in a row are without it. The states stand in run.json of each run.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cjlib.analyses.findings import Finding, from_plain, told
from cjlib.analyses.result import Metric
from cjlib.errors import CjlibError, did_you_mean, shown
from cjlib.sources.alert_rules import ALLOWED, ANY, AlertRule, read_rule
from cjlib.views.notebook.summary_cards import kind_of, said
from cjlib.views.report.changes import metrics_of, moves_of_run

CALM = 2
"""Runs in a row without it, after which a move or a finding is over."""
MARGIN = 0.1
"""How far past its limit, as a part of it, a number without an interval must be."""
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_PARTS = {
    "value": "",
    "low": " at its lower bound",
    "high": " at its upper bound",
    "n": " in its n",
}
Results = Mapping[str, Sequence[Mapping[str, Any]]]
"""Notebook → what its results said, as run.json keeps it."""


@dataclass(frozen=True)
class Answer:
    """What an alert finds in a run: whether it fires; if not, whether that is certain enough to end it."""

    fires: bool
    words: str
    over: bool = True
    value: float | None = None


def read_alerts(written: Iterable[str]) -> list[AlertRule]:
    """The alerts of the command line; CjlibError for one that is none."""
    return [_read(text) for text in written]


def _read(text: str) -> AlertRule:
    rule = read_rule(text)
    if rule is None:
        raise CjlibError(f"--alert: {ALLOWED} Got {shown(text)}.")
    return rule


def alerts_of(journey: Path | None) -> list[AlertRule]:
    """The alerts of a journey file; none if it cannot be read, which is said elsewhere."""
    import yaml

    if journey is None:
        return []
    try:
        content = yaml.load(journey.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return []
    written = content.get("alerts") if isinstance(content, dict) else None
    rules = (read_rule(one) for one in (written if isinstance(written, list) else [written]))
    return [rule for rule in rules if rule is not None]


def askable(rules: Iterable[AlertRule], results: Results) -> list[AlertRule]:
    """The rules on metrics that some notebook has made, and those on findings."""
    made = {name for own in results.values() for name in metrics_of(own)}
    return [
        rule
        for rule in rules
        if rule.kind == "finding" or rule.metric == ANY or rule.metric in made
    ]


def judge(
    rules: Iterable[AlertRule],
    now: Results,
    earlier: Results,
    states: Iterable[Mapping[str, Any]],
    moment: str,
) -> list[dict[str, Any]]:
    """Every alert with its state after this run, as run.json keeps it.

    Parameters
    ----------
    rules
        The alerts.
    now
        The newest results of every notebook.
    earlier
        Those before them.
    states
        What this function said of the run before.
    moment
        When this run started.
    """
    before = {str(state["alert"]): state for state in states}
    run = _Run(now, earlier)
    every = [one for rule in rules for one in run.expanded(rule, before)]
    return [
        _state(rule, run.answer(rule), before.get(rule.written, {}), moment)
        for rule in {rule.written: rule for rule in every}.values()
    ]


def _state(
    rule: AlertRule, answer: Answer, before: Mapping[str, Any], moment: str
) -> dict[str, Any]:
    fired = bool(before.get("fired"))
    calm = 0 if answer.fires else int(before.get("calm", 0)) + 1
    enough = calm >= CALM or rule.kind not in ("moved", "finding")
    fires = answer.fires or (fired and not (answer.over and enough))
    since = (before.get("since") or moment) if fires and fired else moment if fires else ""
    held = fires and not answer.fires
    return {
        "alert": rule.written,
        "fired": fires,
        "value": answer.value,
        "words": f"{answer.words} The alert goes on until it is over for certain."
        if held
        else answer.words,
        "since": since,
        "new": fires and not fired,
        "cleared": fired and not fires,
        "calm": calm,
    }


class _Run:
    """The newest results as alerts ask them."""

    def __init__(self, now: Results, earlier: Results) -> None:
        self.metrics = {name: metrics_of(results) for name, results in now.items()}
        before = {name: metrics_of(results) for name, results in earlier.items()}
        both = {name: (before[name], own) for name, own in self.metrics.items() if name in before}
        self.moves = moves_of_run(both) if both else {}
        self.findings = _findings(now)

    def expanded(
        self, rule: AlertRule, before: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[AlertRule]:
        """The rule, or where it asks for any one rule for each that there is or was."""
        if rule.metric != ANY:
            yield rule
            return
        names = self._missable(rule) if rule.kind == "missed" else self._bad()
        known = [text for text in before if text.startswith(f"{rule.kind}: ")]
        there = [f"{rule.kind}: {name}" for name in names]
        for written in dict.fromkeys([*there, *known]):
            name = written.partition(": ")[2]
            yield replace(rule, written=written, metric=name)

    def _missable(self, rule: AlertRule) -> list[str]:
        return [
            name
            for notebook, metrics in self.metrics.items()
            if rule.notebook in (None, notebook)
            for name, entry in metrics.items()
            if entry.get("target_met")
        ]

    def _bad(self) -> list[str]:
        return [finding.topic for finding in self.findings if finding.direction == "bad"]

    def answer(self, rule: AlertRule) -> Answer:
        """What the rule finds."""
        if rule.kind == "finding":
            return self._finding(rule)
        found = {
            name: metrics[rule.metric]
            for name, metrics in self.metrics.items()
            if rule.notebook in (None, name) and rule.metric in metrics
        }
        if not found:
            asked = {
                name: own for name, own in self.metrics.items() if rule.notebook in (None, name)
            }
            every = [metric for own in asked.values() for metric in own]
            return Answer(
                True,
                f"cannot be checked: no metric {shown(rule.metric)} in this run.{did_you_mean(rule.metric, every)}",
            )
        ask = {"number": self._number, "moved": self._moved, "missed": self._missed}[rule.kind]
        return ask(rule, found)

    def _number(self, rule: AlertRule, found: Mapping[str, Metric]) -> Answer:
        values = {name: entry.get(rule.part) for name, entry in found.items()}
        known = {name: float(value) for name, value in values.items() if value is not None}
        if len(known) < len(values):
            return Answer(True, f"cannot be checked: {rule.metric} has no {rule.part} in this run.")
        meets = _SIGNS[rule.sign]
        hits = {name: value for name, value in known.items() if meets(value, rule.limit)}
        name, value = next(iter((hits or known).items()))
        unit = "number" if rule.part == "n" else kind_of(rule.metric, found[name]).unit
        words = f"{rule.metric} is {said(value, unit)}{_PARTS[rule.part]} in {name}; the alert is {rule.sign} {said(rule.limit, unit)}."
        over = all(_past(rule, value, found[name]) for name, value in known.items())
        return Answer(bool(hits), words, over, value)

    def _moved(self, rule: AlertRule, found: Mapping[str, Metric]) -> Answer:
        labels = {entry.get("label") for entry in found.values()}
        for finding in self.findings:
            if finding.topic in labels and "usual range" in finding.claim:
                return Answer(True, finding.claim)
        moves = [
            (name, move)
            for name in found
            for move in self.moves.get(name, ())
            if move.metric == rule.metric and move.old is not None
        ]
        for name, move in moves:
            if move.clear:
                return Answer(True, f"{rule.metric} in {name}: {move.words}.")
        return Answer(False, f"{rule.metric} did not move outside normal variation.")

    def _missed(self, rule: AlertRule, found: Mapping[str, Metric]) -> Answer:
        judged = {name: one for name, one in found.items() if one.get("target_met")}
        if not judged:
            return Answer(True, f"cannot be checked: {rule.metric} has no target in this run.")
        missed = {name: one for name, one in judged.items() if one["target_met"] == "missed"}
        name, entry = next(iter((missed or judged).items()))
        unit = kind_of(rule.metric, entry).unit
        verdict = {"missed": "missed", "reached": "met"}.get(
            entry["target_met"], "too close to call"
        )
        words = f"{entry.get('label') or rule.metric} is {said(entry['value'], unit)} in {name}; its target of {said(entry['target'], unit)} is {verdict}."
        over = all(one["target_met"] == "reached" for one in judged.values())
        return Answer(bool(missed), words, over, entry["value"])

    def _finding(self, rule: AlertRule) -> Answer:
        wanted = rule.metric.casefold()
        for finding in self.findings:
            if wanted in finding.topic.casefold() or wanted in finding.claim.casefold():
                return Answer(True, finding.claim)
        return Answer(False, f"No finding about {shown(rule.metric)}.")


def _past(rule: AlertRule, value: float, entry: Metric) -> bool:
    """Whether a number is past the limit of its alert by the margin, so that the alert is over."""
    if rule.until is not None:
        return value >= rule.until if "<" in rule.sign else value <= rule.until
    low, high = entry.get("low"), entry.get("high")
    margin = MARGIN * abs(rule.limit)
    if rule.part == "value" and low is not None and high is not None:
        margin = (high - low) / 2
    return value >= rule.limit + margin if "<" in rule.sign else value <= rule.limit - margin


def _findings(results: Results) -> list[Finding]:
    """All that holds over the whole run."""
    found: dict[Finding, None] = {}
    families: dict[str, int] = {}
    for result in (one for own in results.values() for one in own):
        families |= result.get("families") or {}
        found |= {from_plain(plain): None for plain in result.get("findings") or ()}
    return told(found, sum(count > 0 for count in families.values()), most=len(found))

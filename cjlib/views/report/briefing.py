"""What a run has to say first: its findings, corrected over all that its notebooks have tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cjlib.analyses.findings import Finding, from_plain, told
from cjlib.show import numbers

NOTHING = "No statistically significant finding in this run."
COUNTS = ("no", "one", "two", "three")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A finding as the first page tells it."""

    claim: str
    direction: str
    evidence: str
    """Effect, interval, n, customers and money concerned, as far as they are known."""
    notebook: str


@dataclass(frozen=True, kw_only=True)
class Briefing:
    """Headline and findings of the newest published reports."""

    headline: str
    findings: Sequence[Told]


def briefing(notebooks: Mapping[str, Sequence[Mapping[str, Any]]]) -> Briefing:
    """The findings of a run, most at stake first, with the notebook that shows each.

    Parameters
    ----------
    notebooks
        Notebook → what its results said, as run.json keeps it.
    """
    home: dict[Finding, str] = {}
    families: dict[str, int] = {}
    for notebook, results in notebooks.items():
        for result in results:
            families |= result.get("families") or {}
            for plain in result.get("findings") or ():
                home.setdefault(from_plain(plain), notebook)
    chosen = told(home, sum(tests > 0 for tests in families.values()))
    return Briefing(
        headline=_headline(chosen),
        findings=[
            Told(
                claim=finding.claim,
                direction=finding.direction,
                evidence=_evidence(finding),
                notebook=home[finding],
            )
            for finding in chosen
        ],
    )


def _headline(findings: Sequence[Finding]) -> str:
    bad, neutral, good = (
        sum(finding.direction == direction for finding in findings)
        for direction in ("bad", "neutral", "good")
    )
    parts = [
        f"{COUNTS[bad]} {'thing needs' if bad == 1 else 'things need'} attention" if bad else "",
        f"{COUNTS[neutral]} to know" if neutral else "",
        f"{COUNTS[good]} {'goes' if good == 1 else 'go'} well" if good else "",
    ]
    text = numbers.joined(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}." if text else NOTHING


def _evidence(finding: Finding) -> str:
    parts = [f"n = {finding.n:,}" if finding.n is not None else ""]
    if finding.value is not None:
        parts.insert(0, f"{_effect(finding.value, finding.unit)}{_interval(finding)}")
    if finding.customers:
        parts.append(f"{numbers.count_of(finding.customers, 'customer')} concerned")
    if finding.money:
        parts.append(f"{numbers.number(finding.money)} at stake")
    return " · ".join(part for part in parts if part)


def _interval(finding: Finding) -> str:
    low, high = finding.low, finding.high
    if low is None or high is None:
        return ""
    unit = " points" if finding.unit in ("share", "points") else ""
    bounds = [_effect(bound, finding.unit).removesuffix(unit) for bound in (low, high)]
    return f" (95% CI {' to '.join(bounds)}{unit})"


def _effect(value: float, unit: str) -> str:
    """A difference in its unit: of shares and scores in points."""
    if unit == "share":
        return numbers.points(value)
    if unit == "points":
        return f"{numbers.signed(value, 1)} points"
    return numbers.duration(value) if unit == "seconds" else numbers.number(value)

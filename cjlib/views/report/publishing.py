"""Publishing: what readers see changes all at once, or is finished by the next run; with the first page and the list of runs.

A run says `publishing` before the first file is swapped and `ok` after the last; a run that is found `publishing` is published again from its
folder, which gives the same files. A run with a failed notebook publishes nothing.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cjlib import platform
from cjlib.analyses.findings import Finding, from_plain, told
from cjlib.analyses.metric_change import few
from cjlib.analyses.result import Metric
from cjlib.analyses.scorecard.summary import FIRST
from cjlib.show import numbers
from cjlib.show.units import CUSTOMERS, Unit, html_in_units, use_unit
from cjlib.views.marks import STYLE, Mark, spark
from cjlib.views.notebook.summary_cards import VERDICTS, aim, detail, is_long, said
from cjlib.views.report.changes import Move, metrics_of, moves_of_run
from cjlib.views.report.figures import unbroken
from cjlib.views.report.parameters import for_readers
from cjlib.views.report.render import HOME, environment, own, policy, write_asset
from cjlib.views.report.run_store import (
    FAILED,
    INTERRUPTED,
    OK,
    PUBLISHING,
    RUNNING,
    Run,
    forget,
    now,
    read_runs,
    remove_shared,
    write_whole,
)

_BESIDE = re.compile(r'<a href="([\w-]+)\.html(?:#[^"]*)?">(.*?)</a>', re.DOTALL)
"""A link to a report beside this one."""


def publish(run: Run) -> None:
    """Swap in every report of the run, then say that it is done."""
    run.update({"status": PUBLISHING})
    if run.facts.get("shared_assets"):
        write_asset(run.out)
    pages = [run.folder / f"{name}.html" for name in run.facts["notebooks"]]
    there = (
        {"index", "runs"}
        | {page.stem for page in pages}
        | {page.stem for page in run.out.glob("*.html")}
    )
    aside = [(run.out / f".{page.name}.{run.id}", run.out / page.name) for page in pages]
    for page, (written, _) in zip(pages, aside, strict=True):
        written.write_text(within(page.read_text(encoding="utf-8"), there), encoding="utf-8")
    for written, published in aside:
        os.replace(written, published)
        platform.remove(published.with_suffix(".pdf"))  # it is of the report before
    run.update({"status": OK})


def within(html: str, there: Collection[str]) -> str:
    """The page's few links as they are in the folder of reports, none to a report that is not there; the rest, data included, holds no such attribute."""
    moved = html.replace(f'href="{HOME}', 'href="').replace(f'data-src="{HOME}', 'data-src="')
    return _BESIDE.sub(
        lambda link: link[0] if link[1] in there else f"<span>{link[2]}</span>", moved
    )


def recover(out: Path) -> list[str]:
    """What earlier runs left behind is brought to an end; what was done, in words."""
    said = []
    for run in reversed(read_runs(out)):
        if run.status == PUBLISHING:
            publish(run)
            said.append(f"finished publishing run {run.id}, which had been cut off")
        elif run.status == RUNNING:
            run.update({"status": INTERRUPTED, "finished": now()})
            remove_shared(run)
            said.append(f"run {run.id} had been cut off; it is listed as interrupted")
    return said


def finish(run: Run, keep: int | None) -> None:
    """The end of a run: publish it if every notebook is through, and write the index in any case; of older runs only `keep` stay."""
    if any(one["status"] != OK for one in run.facts["notebooks"].values()):
        run.update({"status": FAILED})
    else:
        publish(run)
    if keep is not None:
        forget(run.out, keep)
    write_index(run.out)


def write_index(out: Path) -> None:
    """The first page and the list of runs, anew."""
    runs = read_runs(out)
    write_whole(out / "index.html", render(out, runs))
    write_whole(out / "runs.html", render_runs(out, runs))


STATUS = {
    OK: "done",
    FAILED: "failed; nothing was published",
    INTERRUPTED: "interrupted; nothing was published",
    RUNNING: "running",
    PUBLISHING: "publishing",
}
MOST_RUNS = 200
FEWEST_CARDS, MOST_CARDS = 4, 8


@dataclass(frozen=True, kw_only=True)
class Report:
    """A published report, and what moved in it since the published one before."""

    name: str
    title: str
    headline: str
    made: str
    span: str
    """First and last day of its data, in words."""
    results: Sequence[Mapping[str, Any]]
    """What its results said, as run.json keeps it."""
    moves: Sequence[Move]
    before: str
    """When the run was made that it is compared with; empty if there is none."""
    changed: Sequence[str]
    """What was set differently in the two runs, so that a move may be no move."""

    @property
    def moving(self) -> list[Move]:
        """The numbers that are not the same as in the run before."""
        return [move for move in self.moves if not move.same]


def render(out: Path, runs: Sequence[Run]) -> str:
    """The first page: findings, key figures, reports, and what moved."""
    published = [report for report in reports(runs) if (out / f"{report.name}.html").exists()]
    newest = runs[0].facts.get("left_out", {}) if runs else {}
    use_unit(_unit(runs))
    return filled(
        "index.html.j2",
        _business(runs),
        group=_group(runs),
        reports=published,
        briefing=briefing(
            {report.name: report.results for report in published},
            titles={report.name: report.title for report in published},
            span=next((report.span for report in published if report.span), ""),
        ),
        cards=tiles(published),
        period=period_of(published),
        left_out=[
            f"{numbers.joined(name for name, own in newest.items() if own == why)}: {why}"
            for why in dict.fromkeys(newest.values())
        ],
        runs=[row(run, out) for run in runs[:1]],
    )


def render_runs(out: Path, runs: Sequence[Run]) -> str:
    """The operator's page: every run, newest first, with its state, its parameters and what failed."""
    return filled(
        "runs.html.j2",
        _business(runs),
        runs=[row(run, out) for run in runs[:MOST_RUNS]],
        more_runs=max(0, len(runs) - MOST_RUNS),
    )


def filled(template: str, business: str, **content: Any) -> str:
    """A page of ours that is no report, with its style, scripts and policy."""
    early, late = own("early.js"), own("report.js")
    html = (
        environment()
        .get_template(template)
        .render(
            policy=policy(early, late),
            style=own("style.css") + Markup(STYLE),
            early=early,
            late=late,
            journey=business,
            **content,
        )
    )
    return html_in_units(html)


def _business(runs: Sequence[Run]) -> str:
    return next((run.facts["journey"] for run in runs if run.facts.get("journey")), "")


def _group(runs: Sequence[Run]) -> str:
    """Which customers the newest run counted, where it did not count all."""
    notebooks = runs[0].facts["notebooks"].values() if runs else ()
    given = dict.fromkeys(
        str(notebook["parameters"].get("customers") or "") for notebook in notebooks
    )
    return numbers.joined(one.replace("=", " = ") for one in given if one)


def _unit(runs: Sequence[Run]) -> Unit:
    """What the newest run counted."""
    words = runs[0].facts.get("unit") if runs else None
    if words is None:
        return CUSTOMERS
    return Unit(words["one"], words["many"], names=frozenset(words["names"]))


def tiles(published: Sequence[Report]) -> list[dict[str, Any]]:
    """The key figures: KPIs with a target, missed ones first; where few have one, others of the scorecard beside them; without a scorecard the first number of each report."""
    every = [
        (report, name, entry)
        for report in published
        for name, entry in metrics_of(report.results).items()
        if entry.get("label") and entry["low"] is not None and not few(entry)
    ]
    aimed = [one for one in every if one[2].get("target_met")]
    aimed.sort(key=lambda one: list(VERDICTS).index(one[2]["target_met"]))
    followed = [one for one in every if one[2].get("trend") and one[1] in FIRST]
    followed.sort(key=lambda one: FIRST.index(one[1]))
    first = {report.name: (report, name, entry) for report, name, entry in reversed(every)}
    beside = [one for one in followed if one not in aimed][: max(0, FEWEST_CARDS - len(aimed))]
    chosen = [*aimed, *beside] or list(reversed(first.values()))
    return [_tile(*one) for one in chosen][:MOST_CARDS]


def period_of(published: Sequence[Report]) -> str:
    """The period that the key figures are of, where a scorecard names it: other pages tell of the whole time."""
    periods = (
        (result.get("definition") or {}).get("period", "")
        for report in published
        for result in report.results
        if result.get("kind") == "Scorecard"
    )
    return next((period.partition(";")[0] for period in periods if period), "")


def _tile(report: Report, name: str, entry: Metric) -> dict[str, Any]:
    moved = next((move for move in report.moves if move.metric == name), None)
    met = entry.get("target_met", "")
    return {
        "name": entry["label"],
        "value": said(entry["value"], entry["unit"]),
        "long": is_long(said(entry["value"], entry["unit"])),
        "note": unbroken(detail(name, entry)),
        "target": aim(entry) if met else "",
        "met": met,
        "verdict": VERDICTS.get(met, ""),
        "change": moved.words if moved and not moved.same else "",
        "trend": _trend(entry),
        "page": report.name,
    }


def _trend(entry: Metric) -> Markup:
    if len(entry.get("trend", ())) < 2:
        return Markup()
    return Markup(spark(Mark(name="", said="", series=entry["trend"], target=entry.get("target"))))


def reports(runs: Sequence[Run]) -> list[Report]:
    """The newest published report of each notebook, by name."""
    finished = [run for run in runs if run.status == OK]
    names = sorted({name for run in finished for name in run.facts["notebooks"]})
    runs_of = {name: [run for run in finished if name in run.facts["notebooks"]] for name in names}
    moved = moves_of_run(
        {
            name: (_metrics(own[1], name), _metrics(own[0], name))
            for name, own in runs_of.items()
            if len(own) > 1
        }
    )
    return [_report(name, own, moved.get(name, [])) for name, own in runs_of.items()]


def _metrics(run: Run, notebook: str) -> dict[str, Metric]:
    return metrics_of(run.facts["notebooks"][notebook]["results"])


def _report(name: str, runs: Sequence[Run], moved: Sequence[Move]) -> Report:
    newest = runs[0].facts["notebooks"][name]
    earlier = runs[1] if len(runs) > 1 else None
    return Report(
        name=name,
        title=newest["title"],
        headline=unbroken(newest["headline"]),
        made=moment(runs[0].facts["started"]),
        span=_span(newest.get("data", "")),
        results=newest["results"],
        moves=moved,
        before=moment(earlier.facts["started"]) if earlier else "",
        changed=_changed(earlier, runs[0], name) if earlier else [],
    )


_DAYS = re.compile(r"\d{4}-\d{2}-\d{2} to \d{4}-\d{2}-\d{2}")


def _span(data: str) -> str:
    found = _DAYS.search(data)
    return found[0] if found else ""


def _changed(old: Run, new: Run, name: str) -> list[str]:
    before, after = (
        old.facts["notebooks"][name]["parameters"],
        new.facts["notebooks"][name]["parameters"],
    )
    changed = [key for key in dict.fromkeys([*before, *after]) if before.get(key) != after.get(key)]
    if old.facts.get("journey_hash") != new.facts.get("journey_hash"):
        changed.append("the journey file")
    if old.facts["notebooks"][name]["hash"] != new.facts["notebooks"][name]["hash"]:
        changed.append("the notebook")
    return changed


def row(run: Run, out: Path) -> dict[str, Any]:
    """A run as the table lists it."""
    facts = run.facts
    failed = {name: one for name, one in facts["notebooks"].items() if one.get("error")}
    return {
        "id": run.id,
        "status": run.status,
        "words": STATUS.get(run.status, run.status),
        "started": moment(facts["started"]),
        "seconds": f"{facts['seconds']:.0f} s" if facts.get("seconds") is not None else "–",
        "notebooks": ", ".join(facts["notebooks"]),
        "parameters": _parameters(facts["notebooks"]),
        "failed": [
            {
                "name": name,
                "error": f"{one['error']['type']}: {one['error']['message']}",
                "page": _page(run, name, out),
            }
            for name, one in failed.items()
        ],
        "alerts": [_alert(alert) for alert in facts.get("alerts", []) if alert.get("fired")],
    }


def _alert(alert: Mapping[str, Any]) -> str:
    goes_on = alert.get("since") and not alert.get("new")
    return f"{alert['words']} Since {alert['since'][:10]}." if goes_on else alert["words"]


def _page(run: Run, name: str, out: Path) -> str:
    page = run.folder / f"{name}.html"
    return page.relative_to(out).as_posix() if page.exists() else ""


def _parameters(notebooks: Mapping[str, Mapping[str, Any]]) -> str:
    given = dict.fromkeys(
        f"{key}={for_readers(value)}"
        for notebook in notebooks.values()
        for key, value in notebook["parameters"].items()
    )
    return ", ".join(given)


def moment(text: str) -> str:
    """An instant of run.json for readers."""
    return f"{text[:10]} {text[11:16]} UTC"


NOTHING = "No statistically significant finding in this run."
MOST_IN_TITLE = 2
COUNTS = ("no", "one", "two", "three")
RARE = ((0.001, "Very sure"), (0.01, "Sure"), (math.inf, "Fairly sure"))
"""What a p-value below a limit says, corrected for all that the run looked at."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A finding as the first page tells it."""

    claim: str
    direction: str
    evidence: str
    """Effect, interval, n, customers and money concerned, as far as they are known."""
    notebook: str
    head: str
    """The claim in a few words."""
    body: str
    """What the claim says beyond them."""
    since: str
    sure: str
    stake: str
    next_step: str
    title: str
    """The question of the notebook."""


@dataclass(frozen=True, kw_only=True)
class Briefing:
    """Headline and findings of the newest published reports."""

    title: str
    """The worst in a few words."""
    headline: str
    findings: Sequence[Told]


def briefing(
    notebooks: Mapping[str, Sequence[Mapping[str, Any]]],
    titles: Mapping[str, str] | None = None,
    span: str = "",
) -> Briefing:
    """The findings of a run, most at stake first, with the notebook that shows each.

    Parameters
    ----------
    notebooks
        Notebook → what its results said, as run.json keeps it.
    titles
        Notebook → its question.
    span
        First and last day of the data, in words: since when a finding holds that names no day.
    """
    home: dict[Finding, str] = {}
    families: dict[str, int] = {}
    for notebook, results in notebooks.items():
        for result in results:
            families |= result.get("families") or {}
            for plain in result.get("findings") or ():
                home.setdefault(from_plain(plain), notebook)
    tests = sum(families.values())
    looked_at = sum(count > 0 for count in families.values())
    chosen = told(home, looked_at)
    worst = [one for one in chosen if one.direction == "bad"][:MOST_IN_TITLE] or chosen[:1]
    return Briefing(
        title=" ".join(f"{_split(one.claim)[0]}." for one in worst),
        headline=_headline(chosen),
        findings=[
            Told(
                claim=finding.claim,
                direction=finding.direction,
                evidence=_evidence(finding),
                notebook=home[finding],
                head=_split(finding.claim)[0],
                body=_split(finding.claim)[1],
                since=f"since {finding.since}" if finding.since else span,
                sure=_sure(finding, looked_at, tests),
                stake=_stake(finding),
                next_step=finding.next_step,
                title=(titles or {}).get(home[finding], home[finding]),
            )
            for finding in chosen
        ],
    )


_HEAD = re.compile(r"(.{1,90}?)(?:: | (?=\())(.+)", re.DOTALL)


def _split(claim: str) -> tuple[str, str]:
    """A claim in a few words, and what it says beyond them."""
    found = _HEAD.fullmatch(claim)
    if not found:
        return claim.removesuffix("."), ""
    if found[2].startswith("(") and found[2].count("(") == 1 and found[2].endswith((")", ").")):
        return found[1], unbroken(found[2].removeprefix("(").removesuffix(").").removesuffix(")"))
    return found[1], unbroken(numbers.capitalised(found[2]))


def _sure(finding: Finding, families: int, tests: int) -> str:
    """How sure it is, corrected for all that the run looked at."""
    p = min(1.0, finding.p_adjusted * max(families, 1))
    said = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    often = next(words for limit, words in RARE if p < limit)
    family = f", corrected for all {tests:,} comparisons" if tests > 1 else ""
    return f"{often} ({said}{family})"


def _stake(finding: Finding) -> str:
    parts = [numbers.count_of(finding.customers, "customer") if finding.customers else ""]
    parts.append(numbers.amount(finding.money) if finding.money else "")
    return numbers.joined(part for part in parts if part)


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
    return f"{numbers.capitalised(text)}." if text else NOTHING


def _evidence(finding: Finding) -> str:
    parts = [f"n = {finding.n:,}" if finding.n is not None else ""]
    if finding.value is not None:
        parts.insert(0, f"{_effect(finding.value, finding.unit)}{_interval(finding)}")
    if finding.customers:
        parts.append(f"{numbers.count_of(finding.customers, 'customer')} concerned")
    if finding.money:
        parts.append(f"{numbers.amount(finding.money)} at stake")
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
    if unit == "money":
        return numbers.amount(value)
    return numbers.duration(value) if unit == "seconds" else numbers.number(value)

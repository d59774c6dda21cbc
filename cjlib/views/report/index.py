"""The first page: findings, key figures, the reports and what moved; and the operator's page of every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cjlib.analyses.metric_change import few
from cjlib.analyses.result import Metric
from cjlib.views.notebook.summary_cards import detail, said
from cjlib.views.report.briefing import briefing
from cjlib.views.report.changes import Move, metrics_of, moves_of_run
from cjlib.views.report.figures import unbroken
from cjlib.views.report.parameters import for_readers
from cjlib.views.report.render import environment, own, policy
from cjlib.views.report.run_store import (
    FAILED,
    INTERRUPTED,
    OK,
    PUBLISHING,
    RUNNING,
    Run,
    write_whole,
)

STATUS = {
    OK: "done",
    FAILED: "failed; nothing was published",
    INTERRUPTED: "interrupted; nothing was published",
    RUNNING: "running",
    PUBLISHING: "publishing",
}
MOST_RUNS = 200
MOST_CARDS, CARDS_OF_A_REPORT = 8, 2


@dataclass(frozen=True, kw_only=True)
class Report:
    """A published report, and what moved in it since the published one before."""

    name: str
    title: str
    headline: str
    made: str
    results: Sequence[Mapping[str, Any]]
    """What its results said, as run.json keeps it."""
    moves: Sequence[Move]
    before: str
    """When the run was made that it is compared with; empty if there is none."""
    changed: Sequence[str]
    """What was set differently in the two runs, so that a move may be no move."""


def write(out: Path, runs: Sequence[Run]) -> None:
    """Write index.html and runs.html anew."""
    write_whole(out / "index.html", render(out, runs))
    write_whole(out / "runs.html", render_runs(out, runs))


def render(out: Path, runs: Sequence[Run]) -> str:
    """The first page: findings, key figures, reports, and what moved."""
    published = [report for report in reports(runs) if (out / f"{report.name}.html").exists()]
    newest = runs[0].facts.get("left_out", {}) if runs else {}
    return _filled(
        "index.html.j2",
        _business(runs),
        reports=published,
        briefing=briefing({report.name: report.results for report in published}),
        cards=[card for report in published for card in _cards(report)][:MOST_CARDS],
        left_out=[f"{name}: {why}" for name, why in newest.items()],
        runs=[row(run, out) for run in runs[:1]],
    )


def render_runs(out: Path, runs: Sequence[Run]) -> str:
    """The operator's page: every run, newest first, with its state, its parameters and what failed."""
    return _filled(
        "runs.html.j2",
        _business(runs),
        runs=[row(run, out) for run in runs[:MOST_RUNS]],
        more_runs=max(0, len(runs) - MOST_RUNS),
    )


def _filled(template: str, business: str, **content: Any) -> str:
    early, late = own("early.js"), own("report.js")
    return (
        environment()
        .get_template(template)
        .render(
            policy=policy(early, late),
            style=own("style.css"),
            early=early,
            late=late,
            journey=business,
            **content,
        )
    )


def _business(runs: Sequence[Run]) -> str:
    return next((run.facts["journey"] for run in runs if run.facts.get("journey")), "")


def _cards(report: Report) -> list[dict[str, Any]]:
    """The first numbers of a report that have a name, an interval and n enough."""
    moved = {move.metric: move for move in report.moves}
    chosen = [
        (name, entry)
        for name, entry in metrics_of(report.results).items()
        if entry.get("label") and entry["low"] is not None and not few(entry)
    ]
    return [
        {
            "name": entry["label"],
            "value": said(entry["value"], entry["unit"]),
            "note": detail(name, entry),
            "change": moved[name].words if name in moved else "",
            "page": report.name,
            "title": report.title,
        }
        for name, entry in chosen[:CARDS_OF_A_REPORT]
    ]


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
        results=newest["results"],
        moves=moved,
        before=moment(earlier.facts["started"]) if earlier else "",
        changed=_changed(earlier, runs[0], name) if earlier else [],
    )


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
        "alerts": [alert["words"] for alert in facts.get("alerts", []) if alert.get("fired")],
    }


def _page(run: Run, name: str, out: Path) -> str:
    page = run.folder / f"{name}.html"
    return page.relative_to(out).as_posix() if page.exists() else ""


def _parameters(notebooks: Mapping[str, Mapping[str, Any]]) -> str:
    given = dict.fromkeys(
        f"{key}={for_readers(value)}"
        for one in notebooks.values()
        for key, value in one["parameters"].items()
    )
    return ", ".join(given)


def moment(text: str) -> str:
    """An instant of run.json for readers."""
    return f"{text[:10]} {text[11:16]} UTC"

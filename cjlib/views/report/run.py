"""One run, from the order to the exit code."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cjlib
from cjlib import platform
from cjlib.errors import CjlibError, shown
from cjlib.sources.alert_rules import AlertRule
from cjlib.views.report import pool
from cjlib.views.report.alerts import alerts_of, askable, judge
from cjlib.views.report.labels import labels_of, unit_of_journey
from cjlib.views.report.parameters import Notebook
from cjlib.views.report.pool import Watcher
from cjlib.views.report.preload import prepare_environment, to_load
from cjlib.views.report.redaction import Mask, named_in
from cjlib.views.report.run_store import (
    FAILED,
    INTERRUPTED,
    OK,
    PUBLISHING,
    Run,
    lock,
    new_run,
    now,
    read_runs,
    shared_folder,
)
from cjlib.views.report.worker import Job, Outcome


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to run and how; everything in it has been checked."""

    notebooks: Sequence[Notebook]
    parameters: Mapping[str, Mapping[str, Any]]
    """Notebook → name → value."""
    out: Path
    set: str = ""
    """Which set of parameters of several it is, by name."""
    data: Path | None = None
    jobs: int = 0
    """Processes at once; 0: one for each processor."""
    timeout: float | None = None
    shared_assets: bool = False
    wait: bool = False
    keep: int | None = None
    alerts: Sequence[AlertRule] = field(default_factory=tuple)
    """Beside those of the journey file."""
    named: bool = False
    """Whether the notebooks were named: what others would have made is not missed by an alert of the journey file."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Notebooks that were not asked, and why."""


def run(order: Order, watcher: Watcher, say: Callable[[str], None]) -> Run:
    """Run the notebooks and publish their reports.

    All must run through: if one fails nothing that readers see changes, except that the index lists the failed run. The folder of reports is
    held by one run at a time. What an earlier run left unfinished is finished first.

    Parameters
    ----------
    order
        What to run.
    watcher
        Told how far it is.
    say
        Told, in a line each, what else a person should know.

    Returns
    -------
    Run
        Finished; `facts["exit_code"]` is 0, 1 (a notebook failed), 2 or 3 (all that failed did so for the call or for the data), or 4 (an alert).
    """
    journeys = journey_files(order)
    mask = Mask(named_in(_texts(order, journeys)))
    _refuse_another_business(order.out, _facts_of_journey(journeys, mask))
    prepare_environment(order.data, min(_at_once(order), len(order.notebooks)))
    with lock(order.out, order.wait, lambda holder: say(f"Waiting for another run ({holder}) …")):
        platform.load_for_all(
            to_load({module for notebook in order.notebooks for module in notebook.modules})
        )
        from cjlib.views.report import publishing  # while the other process loads

        for journey in journeys:
            pool.check_journey(journey)
        for line in publishing.recover(order.out):
            say(line)
        started = time.monotonic()
        current = new_run(order.out, _facts(order, mask, journeys))
        for name, why in order.left_out.items():
            say(f"{name}: left out, {why}.")
        try:
            with shared_folder(current) as shared:
                outcomes = _outcomes(order, _jobs(order, current, mask, shared), watcher)
        except BaseException as stop:
            current.update(
                {"status": INTERRUPTED, "finished": now(), "exit_code": getattr(stop, "code", 1)}
            )
            publishing.write_index(order.out)
            raise
        for name, title in (
            (name, title)
            for name, outcome in outcomes.items()
            for title in outcome.facts.get("empty", [])
        ):
            say(
                f"{name}: the section {shown(title)} shows nothing, since its only output is a bare repr. Show a result, or tag the cell 'keep-text'."
            )
        _conclude(current, outcomes, order, time.monotonic() - started)
        publishing.finish(current, order.keep)
    return current


def _at_once(order: Order) -> int:
    return order.jobs or os.cpu_count() or 1


def _outcomes(order: Order, jobs: Sequence[Job], watcher: Watcher) -> dict[str, Outcome]:
    """Run all, the longest first, since the last to end decides when all have finished: as long as each took last time, else by its cells."""
    last = {
        name: one["seconds"]
        for run in reversed(read_runs(order.out))
        for name, one in run.facts["notebooks"].items()
        if one["status"] == OK
    }
    sizes = {
        notebook.name: last.get(notebook.name) or notebook.cells for notebook in order.notebooks
    }
    return pool.run_all(
        sorted(jobs, key=lambda job: -sizes[job.name]),
        slots=_at_once(order),
        timeout=order.timeout,
        watcher=watcher,
    )


def journey_files(order: Order) -> list[Path]:
    """The journey files of the run: the one given, else what the notebooks' parameter `journey` says, as far as the files are there."""
    return journey_files_of(order.notebooks, order.parameters)


def journey_files_of(
    notebooks: Sequence[Notebook], parameters: Mapping[str, Mapping[str, Any]]
) -> list[Path]:
    """The journey files that these notebooks read with these values, each once."""
    values = [_journey(notebook, parameters.get(notebook.name, {})) for notebook in notebooks]
    return list(
        dict.fromkeys(path.resolve() for path in values if path is not None and path.is_file())
    )


def _journey(notebook: Notebook, given: Mapping[str, Any]) -> Path | None:
    if "journey" not in notebook.parameters:
        return None
    try:
        value = (
            given["journey"]
            if "journey" in given
            else ast.literal_eval(notebook.parameters["journey"].default)
        )
    except ValueError:
        return None
    return notebook.path.parent / value if isinstance(value, str) and value else None


def _texts(order: Order, journeys: Sequence[Path]) -> list[str]:
    """What may name a secret: the journey files and the parameters."""
    texts = [str(value) for values in order.parameters.values() for value in values.values()]
    return texts + [path.read_text(encoding="utf-8", errors="replace") for path in journeys]


def _facts(order: Order, mask: Mask, journeys: Sequence[Path]) -> dict[str, Any]:
    """What run.json says from the start."""
    return {
        "exit_code": None,
        "versions": {
            "cjlib": cjlib.__version__,
            "python": sys.version.split()[0],
            "plotly": version("plotly"),
        },
        **_facts_of_journey(journeys, mask),
        "shared_assets": order.shared_assets,
        "set": order.set,
        "alerts": [],
        "left_out": dict(order.left_out),
        "notebooks": {
            notebook.name: {
                "status": "running",
                "title": notebook.question,
                "headline": "",
                "hash": _hash(notebook.path),
                "parameters": _masked(order.parameters.get(notebook.name, {}), mask),
                "seconds": None,
                "error": None,
                "results": [],
            }
            for notebook in order.notebooks
        },
    }


def _facts_of_journey(journeys: Sequence[Path], mask: Mask) -> dict[str, Any]:
    journey = journeys[0] if journeys else None
    unit = unit_of_journey(journey)
    return {
        "journey": mask(journey_name(journey)),
        "unit": {"one": unit.one, "many": unit.many, "names": sorted(unit.names)},
        "journey_file": mask(str(journey)) if journey else None,
        "journey_hash": _hash(journey) if journey else None,
    }


def _refuse_another_business(out: Path, journey: Mapping[str, str | None]) -> None:
    """Reports of another business are not overwritten. A journey file that has moved keeps its name."""
    published = [run.facts for run in read_runs(out) if run.status in (OK, PUBLISHING)]
    last = next((facts for facts in published if facts.get("journey_file")), None)
    file = journey["journey_file"]
    if last is None or file is None or last["journey_file"] == file:
        return
    if last["journey"] == journey["journey"] and not Path(last["journey_file"]).exists():
        return
    raise CjlibError(
        f"--out: {shown(str(out))} holds the reports of {shown(last['journey'])} ({last['journey_file']}). "
        f"Give {shown(journey['journey'])} another folder with --out, or delete that one."
    )


def _masked(value: Any, mask: Mask) -> Any:
    if isinstance(value, Mapping):
        return {mask(str(key)): _masked(one, mask) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(one, mask) for one in value]
    return mask(value) if isinstance(value, str) else value


def _hash(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else None


def journey_name(path: Path | None) -> str:
    """What the business calls itself in its journey file; empty if that cannot be read."""
    import yaml

    if path is None:
        return ""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return ""
    return str(content.get("name") or "") if isinstance(content, dict) else ""


def _jobs(order: Order, current: Run, mask: Mask, shared: Path) -> list[Job]:
    published = {
        name: one.facts["finished"] or one.facts["started"]
        for one in reversed(read_runs(order.out))
        if one.status == OK
        for name in one.facts["notebooks"]
    }
    facts = current.facts
    file = next(iter(journey_files(order)), None)
    titled = [None, *((notebook.name, notebook.question) for notebook in order.notebooks), None]
    return [
        Job(
            name=notebook.name,
            source=notebook.path,
            folder=current.folder,
            parameters=order.parameters.get(notebook.name, {}),
            mask=mask,
            shared_assets=order.shared_assets,
            environment=dict(os.environ) | {"CJ_OF_RUN": str(shared)},
            frame={
                "journey": facts["journey"],
                "labels": labels_of(file),
                "unit": unit_of_journey(file),
                "made": in_words(facts["started"]),
                "published": in_words(published[notebook.name])
                if notebook.name in published
                else "",
                "version": facts["versions"]["cjlib"],
                "before": before,
                "after": after,
                "provenance": [
                    ("Run", current.id),
                    ("Made", in_words(facts["started"])),
                    ("Notebook", f"{notebook.name} ({facts['notebooks'][notebook.name]['hash']})"),
                    *(
                        [
                            (
                                "Journey file",
                                f"{Path(facts['journey_file']).name} ({facts['journey_hash']})",
                            )
                        ]
                        if facts["journey_file"]
                        else []
                    ),
                    (
                        "Software",
                        f"Customer Journey Notebooks {facts['versions']['cjlib']}, Python {facts['versions']['python']}",
                    ),
                ],
            },
        )
        for before, notebook, after in zip(titled, order.notebooks, titled[2:], strict=False)
    ]


def in_words(moment: str) -> str:
    """An instant of run.json for readers: `2025-11-21 19:45 UTC`."""
    return f"{moment[:10]} {moment[11:16]} UTC"


def _conclude(current: Run, outcomes: Mapping[str, Outcome], order: Order, seconds: float) -> None:
    """Write down what became of every notebook, of the alerts and of the run."""
    notebooks = current.facts["notebooks"]
    for name, outcome in outcomes.items():
        notebooks[name] |= {
            "status": FAILED if outcome.error else OK,
            "title": outcome.facts.get("title", notebooks[name]["title"]),
            "headline": outcome.facts.get("headline", ""),
            "data": outcome.facts.get("data", ""),
            "seconds": round(outcome.seconds, 2),
            "error": outcome.facts.get("error") or outcome.error,
            "results": outcome.facts.get("results", []),
        }
    failed = exit_code([notebook["error"] for notebook in notebooks.values() if notebook["error"]])
    judged = [] if failed else _alerts(current, order)
    code = failed or (4 if any(alert["fired"] for alert in judged) else 0)
    current.update(
        {"finished": now(), "seconds": round(seconds, 2), "alerts": judged, "exit_code": code}
    )


def _alerts(current: Run, order: Order) -> list[dict[str, Any]]:
    """The alerts after this run, which look at the newest report of every notebook; their states are those of the last published run."""
    published = [run for run in read_runs(current.out) if run.status == OK]
    results: dict[str, list[Any]] = {}
    for run in (current, *published):
        for name, one in run.facts["notebooks"].items():
            results.setdefault(name, []).append(one["results"])
    newest = {name: own[0] for name, own in results.items()}
    rules = alerts_of(next(iter(journey_files(order)), None))
    return judge(
        [*order.alerts, *(askable(rules, newest) if order.named else rules)],
        newest,
        {name: own[1] for name, own in results.items() if len(own) > 1},
        published[0].facts.get("alerts", []) if published else [],
        current.facts["started"],
    )


def exit_code(errors: Sequence[Mapping[str, Any]]) -> int:
    """What a scheduler learns of the failed notebooks: 1 if any failed for a reason of its own, else 2 if any for the call, else 3 for the data."""
    codes = {int(error.get("exit_code", 1)) for error in errors}
    return next((code for code in (1, 2, 3) if code in codes), 1 if codes else 0)

"""`cj run`: notebooks run and published as reports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cjlib.cli.faults import faults, note, stopping_on_signals
from cjlib.cli.options import (
    JOURNEY,
    AsJson,
    Data,
    Debug,
    Folder,
    JourneyOption,
    Notebooks,
    Verbose,
    data_folder,
    folder_to_fill,
)
from cjlib.errors import CjlibError, shown

if TYPE_CHECKING:
    from cjlib.views.report import Run
    from cjlib.views.report.parameters import Notebook
    from cjlib.views.report.run import Order

Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "-P", metavar="NAME=VALUE", help="A parameter; may be repeated.", show_default=False
    ),
]
ParameterFile = Annotated[
    Path | None,
    typer.Option(
        "--params",
        metavar="FILE",
        help="Parameters as YAML or JSON; -P wins.",
        show_default=False,
    ),
]
Out = Annotated[
    Path, typer.Option("--out", envvar="CJ_OUT", metavar="DIR", help="Where reports go.")
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", min=0, metavar="N", help="Notebooks at once; 0: one for each processor."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", min=1, metavar="S", help="Seconds a notebook may take.", show_default=False
    ),
]
SharedAssets = Annotated[
    bool, typer.Option("--shared-assets", help="One plotly.js for all reports, beside them.")
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait while another run writes to the same folder.")
]
Keep = Annotated[
    int | None,
    typer.Option(
        "--keep",
        min=1,
        metavar="N",
        help="Keep only the newest runs under runs/.",
        show_default=False,
    ),
]
Alerts = Annotated[
    list[str] | None,
    typer.Option(
        "--alert",
        metavar="CONDITION",
        help="Exit 4 if it fires: 'conversion.high<0.05', 'missed: nps', 'finding: onboarding'.",
        show_default=False,
    ),
]
Each = Annotated[
    Path | None,
    typer.Option(
        "--each",
        metavar="FILE",
        help="Once for each set of parameters of this file, name: {parameter: value}.",
        show_default=False,
    ),
]
Pdf = Annotated[
    bool, typer.Option("--pdf", help="Each report as PDF beside it, by a Chrome that is found.")
]
Send = Annotated[
    bool, typer.Option("--send", help="Then send it as the journey file's delivery says.")
]


def run_command(  # noqa: PLR0913 — an option of the command line is a parameter here
    notebooks: Notebooks = None,
    *,
    journey: JourneyOption = None,
    data: Data = None,
    parameter: Parameters = None,
    params: ParameterFile = None,
    out: Out = Path("reports"),
    jobs: Jobs = 0,
    timeout: Timeout = None,
    shared_assets: SharedAssets = False,
    wait: Wait = False,
    keep: Keep = None,
    alert: Alerts = None,
    each: Each = None,
    pdf: Pdf = False,
    send: Send = False,
    folder: Folder = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Run notebooks and publish them as HTML reports."""
    with faults(debug, as_json, journey, verbose), stopping_on_signals():
        from cjlib.views.report.alerts import read_alerts
        from cjlib.views.report.discovery import find_notebooks

        folder_to_fill(out, "--out")
        chosen = find_notebooks(notebooks or [], folder)
        common = _parameters_of_the_call(journey, params, parameter or [], chosen)
        options: dict[str, Any] = {
            "named": bool(notebooks),
            "data": data_folder(data) if data else None,
            "jobs": jobs,
            "timeout": timeout,
            "shared_assets": shared_assets,
            "wait": wait,
            "keep": keep,
            "alerts": read_alerts(alert or []),
        }
        orders = (
            _orders_of_sets(each, out, common, chosen, not notebooks, options)
            if each
            else {"": _order(common, chosen, not notebooks, out, options)}
        )
        after = _After(
            browser=_browser() if pdf else None,
            journeys={name: _to_send(order) for name, order in orders.items()} if send else {},
        )
        if each:
            code = _run_each(orders, after, as_json)
        else:
            finished, code = _run_one(orders[""], "", after)
            print(_as_json(finished) if as_json else _one_line(finished, out))
    raise typer.Exit(code)


PUBLISHED = (0, 4)
"""Exit codes of a run whose reports are there."""


@dataclass(frozen=True)
class _After:
    """What is done with a run that was published."""

    browser: Path | None
    journeys: dict[str, Path]
    """Set → the journey file that says where to send."""


def _order(
    given: dict[str, Any],
    notebooks: list[Notebook],
    all_of_them: bool,
    out: Path,
    options: dict[str, Any],
) -> Order:
    from cjlib.views.report.parameters import assign
    from cjlib.views.report.run import Order

    values = assign(given, notebooks)
    chosen, left_out = _answerable(notebooks, values, all_of_them=all_of_them)
    return Order(
        notebooks=chosen, parameters=values, left_out=left_out, out=out.absolute(), **options
    )


def _orders_of_sets(
    each: Path,
    out: Path,
    common: dict[str, Any],
    notebooks: list[Notebook],
    all_of_them: bool,
    options: dict[str, Any],
) -> dict[str, Order]:
    """An order for each set, all of them checked; every fault in one message."""
    from cjlib.delivery.each import folder_name, read_sets

    orders, faults_found = {}, []
    below = out / folder_name(each.stem)
    for name, values in read_sets(each).items():
        try:
            out = below / folder_name(name)
            orders[name] = _order(
                common | values, notebooks, all_of_them, out, options | {"set": name}
            )
        except CjlibError as fault:
            faults_found.append(f"{name}: {fault}")
    if faults_found:
        raise CjlibError("\n".join(["--each: nothing was run.", *faults_found]))
    return orders


def _run_one(order: Order, name: str, after: _After) -> tuple[Run, int]:
    """A run, then its PDFs, then its messages; a fault of these is said and leaves 1."""
    finished = _watched(order)
    code = finished.facts["exit_code"]
    if code not in PUBLISHED:
        return finished, code
    try:
        if after.browser:
            _print(finished, after.browser)
        if name in after.journeys and not _sent(after.journeys[name], finished):
            code = 1
    except CjlibError as fault:
        note(f"cj: {fault}")
        code = 1
    return finished, code


def _run_each(orders: dict[str, Order], after: _After, as_json: bool) -> int:
    from cjlib.delivery.each import exit_code, run_each

    where = next(iter(orders.values())).out.parent
    runs = {name: partial(_run_one, order, name, after) for name, order in orders.items()}
    outcomes = run_each(where, runs, note)
    code = exit_code(outcomes)
    if as_json:
        sets = {
            outcome.name: json.loads(_as_json(outcome.run))
            if outcome.run
            else {"error": outcome.fault}
            for outcome in outcomes
        }
        index = str(where / "index.html")
        print(json.dumps({"exit_code": code, "index": index, "sets": sets}, ensure_ascii=False))
    else:
        failed = sum(outcome.code not in PUBLISHED for outcome in outcomes)
        print(
            f"{len(outcomes) - failed} of {len(outcomes)} sets: {where / 'index.html'}"
            + (f" · {failed} failed" if failed else "")
        )
    return code


def _browser() -> Path:
    from cjlib.delivery.paper import find_chrome

    return find_chrome()


def _print(run: Run, browser: Path) -> None:
    from cjlib.delivery.paper import print_reports

    print_reports(run.out, ["index", *run.facts["notebooks"]], browser)


def _to_send(order: Order) -> Path:
    """The journey file that says where to send, before anything runs."""
    from cjlib.cli.send import delivery_of
    from cjlib.views.report.run import journey_files

    files = journey_files(order)
    if not files:
        raise CjlibError("--send: the notebooks read no journey file, which says where to send.")
    delivery_of(files[0])
    return files[0]


def _sent(journey: Path, run: Run) -> bool:
    from cjlib.cli.send import in_words, send_run

    sent = send_run(journey, run.out, run_id=run.id)
    note(in_words(sent))
    return all(one.well for one in sent)


def _parameters_of_the_call(
    journey: Path | None, params: Path | None, options: list[str], notebooks: list[Notebook]
) -> dict[str, Any]:
    """The parameters of the file, of the options, and the journey file, which is the journey.yml of this folder unless another is named."""
    from cjlib.views.report.discovery import of_the_sample
    from cjlib.views.report.parameters import from_file, from_options

    given: dict[str, Any] = (from_file(params) if params else {}) | from_options(options)
    if journey is not None:
        return given | {"journey": str(_file(journey))}
    readers = [notebook for notebook in notebooks if "journey" in notebook.parameters]
    if "journey" in given or not readers:
        return given
    if Path(JOURNEY).is_file():
        return given | {"journey": str(Path(JOURNEY).absolute())}
    if any(of_the_sample(notebook) for notebook in readers):
        raise CjlibError(
            f"--journey: there is no {JOURNEY} in this folder. Name your journey file with --journey FILE, make one from your data with "
            "cj init FILE, or begin with the sample business: cj new DIR."
        )
    return given


def _file(path: Path) -> Path:
    if not path.is_file():
        raise CjlibError(
            f"--journey: there is no file {shown(str(path))}. Give a journey file, or make one from your data: cj init FILE."
        )
    return path.absolute()


def _answerable(
    notebooks: list[Notebook], values: dict[str, dict[str, Any]], *, all_of_them: bool
) -> tuple[list[Notebook], dict[str, str]]:
    """The notebooks to run, with values that their journey file knows: those named, or all that it has enough for; and why others are left out."""
    from cjlib.views.report.discovery import answerable, check_names
    from cjlib.views.report.run import journey_files_of

    for notebook in notebooks:
        files = journey_files_of([notebook], values)
        check_names(notebook, values[notebook.name], files[0] if files else None)
    if not all_of_them:
        return notebooks, {}
    journeys = journey_files_of(notebooks, values)
    chosen, left_out = answerable(notebooks, journeys[0] if len(journeys) == 1 else None)
    if not chosen:
        raise CjlibError(
            f"--journey: {shown(journeys[0].name)} lacks the inputs for any notebook. It must name events or feedback below sources."
        )
    return chosen, left_out


def _watched(order: Order) -> Run:
    from cjlib.views.report.pool import watching
    from cjlib.views.report.run import run

    with watching(order.notebooks) as (watcher, say):
        return run(order, watcher, say)


def _failed(run: Run) -> list[str]:
    return [name for name, facts in run.facts["notebooks"].items() if facts["error"]]


def _as_json(run: Run) -> str:
    folder = run.folder if _failed(run) else run.out
    notebooks = {
        name: {
            "status": facts["status"],
            "seconds": facts["seconds"],
            "error": facts["error"],
            "report": str(folder / f"{name}.html"),
        }
        for name, facts in run.facts["notebooks"].items()
    }
    facts_shown = ("id", "status", "exit_code", "started", "finished", "seconds", "alerts")
    return json.dumps(
        {key: run.facts[key] for key in facts_shown}
        | {"index": str(run.out / "index.html"), "notebooks": notebooks},
        ensure_ascii=False,
    )


def _one_line(run: Run, out: Path) -> str:
    fired = [f"ALERT {alert['words']}" for alert in run.facts["alerts"] if alert["fired"]]
    return " · ".join([_outcome(run, out), f"{run.facts['seconds']:.1f} s", *fired])


def _outcome(run: Run, out: Path) -> str:
    names, failed = list(run.facts["notebooks"]), _failed(run)
    if not failed:
        return f"{len(names)} report{'s' if len(names) != 1 else ''}: {out / 'index.html'}"
    words = f"{len(failed)} of {len(names)} notebooks failed; nothing was published. See {run.folder / (failed[0] + '.html')}"
    whole = [name for name in names if name not in failed]
    if whole:
        words += f"; to publish the others, name them: cj run {' '.join(whole)} …"
    return words

"""`cj`: run notebooks, check a journey file, make a first one, make the sample.

Exit codes: 0 all went well · 1 a notebook failed · 2 wrong usage, parameters or journey file · 3 data missing, stale or beyond the quarantine limit ·
4 an alert fired · 130, 143 stopped by a signal. Progress and messages go to stderr; stdout gets one summary line, or one JSON object with `--json`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from cjlib.errors import CjlibError, not_one_of, shown

if TYPE_CHECKING:
    from cjlib.views.report import Run
    from cjlib.views.report.parameters import Notebook

app = typer.Typer(
    name="cj",
    help="Customer Journey Notebooks: the numbers you can defend.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
INTERRUPTED, TERMINATED = 130, 143
JOURNEY = "journey.yml"
"""The journey file of a folder."""
MOST_ROWS = 200
"""Rows of a table that a terminal is shown."""

Notebooks = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NOTEBOOK…",
        help="Names or paths: 01_funnel, funnel, my/own.ipynb. None: all.",
        show_default=False,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--notebooks",
        metavar="DIR",
        help="Folder of notebooks instead of notebooks/.",
        show_default=False,
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


def main() -> None:
    """Entry point."""
    app()


@app.command("run")
def run_command(  # noqa: PLR0913 — an option of the command line is a parameter here
    notebooks: Notebooks = None,
    *,
    journey: Annotated[
        Path | None,
        typer.Option(
            "--journey",
            metavar="FILE",
            help="The journey file; without it journey.yml of this folder.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Where the journey file's relative paths start.",
            show_default=False,
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-P", metavar="NAME=VALUE", help="A parameter; may be repeated.", show_default=False
        ),
    ] = None,
    params: Annotated[
        Path | None,
        typer.Option(
            "--params",
            metavar="FILE",
            help="Parameters as YAML or JSON; -P wins.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where reports go.")] = Path(
        "reports"
    ),
    jobs: Annotated[
        int, typer.Option("--jobs", min=0, help="Notebooks at once; 0: one for each processor.")
    ] = 0,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", min=1, metavar="S", help="Seconds a notebook may take.", show_default=False
        ),
    ] = None,
    shared_assets: Annotated[
        bool, typer.Option("--shared-assets", help="One plotly.js for all reports, beside them.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait while another run writes to the same folder.")
    ] = False,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep", min=1, help="Keep only the newest runs under runs/.", show_default=False
        ),
    ] = None,
    alert: Annotated[
        list[str] | None,
        typer.Option(
            "--alert",
            metavar="CONDITION",
            help="Exit 4 if it holds: 'conversion.high<0.05'.",
            show_default=False,
        ),
    ] = None,
    folder: Folder = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout instead of a line.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Run notebooks and publish them as HTML reports."""
    with _faults(debug, as_json, journey), _signals():
        from cjlib.views.report.changes import read_alerts
        from cjlib.views.report.discovery import find_notebooks
        from cjlib.views.report.parameters import assign

        found = find_notebooks(notebooks or [], folder)
        given = _given(journey, params, parameter or [], found)
        from cjlib.views.report.run import Order

        values = assign(given, found)
        found, left_out = _answerable(found, values, all_of_them=not notebooks)
        order = Order(
            notebooks=found,
            parameters=values,
            left_out=left_out,
            out=out.absolute(),
            data=_directory(data) if data else None,
            jobs=jobs,
            timeout=timeout,
            shared_assets=shared_assets,
            wait=wait,
            keep=keep,
            alerts=read_alerts(alert or []),
        )
        finished = _run(order)
        _sum_up(finished, out, as_json)
    raise typer.Exit(finished.facts["exit_code"])


def _given(
    journey: Path | None, params: Path | None, options: list[str], notebooks: list[Notebook]
) -> dict[str, Any]:
    """The parameters of the call: of the file, of the options, and the journey file, which is the journey.yml of this folder unless another is named."""
    from cjlib.views.report.discovery import of_the_sample
    from cjlib.views.report.parameters import from_file, from_options

    given: dict[str, Any] = (from_file(params) if params else {}) | from_options(options)
    if journey is not None:
        return given | {"journey": str(_file(journey))}
    readers = [one for one in notebooks if "journey" in one.parameters]
    if "journey" in given or not readers:
        return given
    if Path(JOURNEY).is_file():
        return given | {"journey": str(Path(JOURNEY).absolute())}
    if any(of_the_sample(one) for one in readers):
        raise CjlibError(
            f"--journey: there is no {JOURNEY} in this folder. Name your journey file with --journey FILE, make one from your data with "
            "cj init FILE, or name the sample's: --journey data/sample/journey.yml (cj sample makes it)."
        )
    return given


def _file(path: Path) -> Path:
    if not path.is_file():
        raise CjlibError(
            f"--journey: there is no file {shown(str(path))}. Give a journey file, or make one from your data: cj init FILE."
        )
    return path.absolute()


def _directory(path: Path) -> Path:
    if not path.is_dir():
        raise CjlibError(
            f"--data: there is no folder {shown(str(path))}. Give the folder that the journey file's relative paths start from."
        )
    return path.absolute()


def _answerable(
    found: list[Notebook], values: dict[str, dict[str, Any]], *, all_of_them: bool
) -> tuple[list[Notebook], dict[str, str]]:
    """The notebooks to run, with values that their journey file knows: those named, or all that it has enough for; and why others are left out."""
    from cjlib.views.report.discovery import answerable, check_names
    from cjlib.views.report.run import journey_files_of

    for notebook in found:
        files = journey_files_of([notebook], values)
        check_names(notebook, values[notebook.name], files[0] if files else None)
    if not all_of_them:
        return found, {}
    journeys = journey_files_of(found, values)
    chosen, left_out = answerable(found, journeys[0] if len(journeys) == 1 else None)
    if not chosen:
        raise CjlibError(
            f"--journey: {shown(journeys[0].name)} lacks the inputs for any notebook. It must name events or feedback below sources."
        )
    return chosen, left_out


def _run(order: Any) -> Run:
    from cjlib.views.report.pool import watching
    from cjlib.views.report.run import run

    with watching(order.notebooks) as (watcher, say):
        return run(order, watcher, say)


def _sum_up(run: Run, out: Path, as_json: bool) -> None:
    facts = run.facts
    failed = [name for name, one in facts["notebooks"].items() if one["error"]]
    if as_json:
        kept = ("id", "status", "exit_code", "started", "finished", "seconds", "alerts")
        notebooks = {
            name: {
                "status": one["status"],
                "seconds": one["seconds"],
                "error": one["error"],
                "report": str((run.folder if failed else run.out) / f"{name}.html"),
            }
            for name, one in facts["notebooks"].items()
        }
        print(
            json.dumps(
                {key: facts[key] for key in kept}
                | {"index": str(run.out / "index.html"), "notebooks": notebooks},
                ensure_ascii=False,
            )
        )
        return
    count = len(facts["notebooks"])
    through = f"{count} report{'s' if count != 1 else ''}: {out / 'index.html'}"
    missed = (
        f"{len(failed)} of {count} notebooks failed; nothing was published. See {run.folder / (failed[0] + '.html')}"
        if failed
        else ""
    )
    if failed and len(failed) < count:
        missed += f"; to publish the others, name them: cj run {' '.join(name for name in facts['notebooks'] if name not in failed)} …"
    fired = [alert["words"] for alert in facts["alerts"] if alert["fired"]]
    print(
        " · ".join(
            [missed or through, f"{facts['seconds']:.1f} s", *(f"ALERT {words}" for words in fired)]
        )
    )


@app.command("list")
def list_command(
    notebooks: Notebooks = None,
    *,
    folder: Folder = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    debug: Debug = False,
) -> None:
    """Say which notebooks there are, and their parameters with type, default and meaning."""
    with _faults(debug, as_json):
        from rich.table import Table

        from cjlib.views.report.discovery import find_notebooks

        found = find_notebooks(notebooks or [], folder)
        if as_json:
            fields = ("kind", "default", "meaning")
            content = {
                one.name: {
                    "question": one.question,
                    "parameters": {
                        name: {key: str(getattr(p, key)) for key in fields}
                        for name, p in one.parameters.items()
                    },
                }
                for one in found
            }
            print(json.dumps(content, ensure_ascii=False))
            return
        console = _console()
        for one in found:
            console.print(
                f"[bold]{escape(one.name)}[/bold]  {escape(one.question)}", soft_wrap=True
            )
            table = Table(box=None, padding=(0, 2, 0, 2), show_header=False)
            for parameter in one.parameters.values():
                table.add_row(
                    *(
                        escape(text)
                        for text in (
                            parameter.name,
                            str(parameter.kind),
                            parameter.default,
                            parameter.meaning,
                        )
                    )
                )
            console.print(table)


def _console() -> Console:
    """As wide as the terminal; where there is none, wide enough that no line of a table breaks without need."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


@app.command("check")
def check_command(
    journey: Annotated[Path, typer.Argument(metavar="JOURNEY", help="The journey file.")],
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Where the journey file's relative paths start.",
            show_default=False,
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Read the journey file and all its data, run nothing, and say what is there and what is not mapped."""
    with _faults(debug, journey=journey):
        if data is not None:
            os.environ["CJ_DATA"] = str(_directory(data))
        from cjlib.sources.connect.files import text_of

        text_of(journey)  # what cannot be read is told before all that reads data is imported
        from cjlib.sources.journey.check import check_journey

        check = check_journey(journey)
        console = _console()
        for title, words in _TITLES.items():
            _print_table(console, words, getattr(check, title))
        for warning in check.warnings:
            _note(f"Note: {warning}")
        print(f"\n{check.headline}")
    raise typer.Exit(check.exit_code)


_TITLES = {
    "events": "Events in the log",
    "quality": "Quality: what was read, used and left out",
    "feedback_quality": "Quality of the feedback",
    "unmapped": "In the log, not in the journey file",
    "silent": "In the journey file, never in the log",
}


def _print_table(console: Console, title: str, table: Any) -> None:
    numbers = [name for name, kind in table.dtypes.items() if kind.kind in "iuf"]
    _print_rows(
        console, title, list(table.columns), list(table.itertuples(index=False, name=None)), numbers
    )


def _print_rows(
    console: Console,
    title: str,
    names: Sequence[str],
    rows: Sequence[tuple],
    numbers: Sequence[str],
) -> None:
    from rich.table import Table

    from cjlib.show.tables import cell_text, column_kinds

    console.print(f"\n[bold]{title}[/bold]")
    if not rows:
        console.print("  none")
        return
    shown_table = Table(box=None, padding=(0, 2, 0, 2))
    for name in names:
        shown_table.add_column(
            escape(str(name)), justify="right" if name in numbers else "left", overflow="fold"
        )
    kinds = column_kinds(names)
    for row in rows[:MOST_ROWS]:
        shown_table.add_row(
            *(escape(cell_text(value, kind)) for kind, value in zip(kinds, row, strict=True))
        )
    console.print(shown_table)
    if len(rows) > MOST_ROWS:
        console.print(f"  and {len(rows) - MOST_ROWS:,} more")


@app.command("init")
def init_command(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="Events, or a table of customers that says who left, as CSV or Parquet.",
            show_default=False,
        ),
    ] = None,
    *,
    customer: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Who, where the guess is wrong.", show_default=False),
    ] = None,
    event: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="What happened, where the guess is wrong.", show_default=False
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="When, where the guess is wrong.", show_default=False),
    ] = None,
    feedback: Annotated[
        Path | None,
        typer.Option(
            "--feedback",
            metavar="FILE",
            help="Comments, surveys or reviews; alone or beside FILE.",
            show_default=False,
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template",
            help="Begin with a trade's journey instead: saas, ecommerce, …",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the journey file goes.")
    ] = Path("journey.yml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    debug: Debug = False,
) -> None:
    """Write a first journey file from a file of events or a table of customers that says who left (and feedback), from feedback alone, or from a template."""
    with _faults(debug):
        if (file is None and feedback is None) == (template is None):
            raise CjlibError(
                "init: give either a file of events (cj init events.csv) or a table of customers (cj init customers.csv), or one of feedback (cj init --feedback reviews.csv), "
                "or a template (cj init --template saas)."
            )
        chosen = {
            name: column
            for name, column in {"customer": customer, "event": event, "time": time}.items()
            if column is not None
        }
        if chosen and file is None:
            raise CjlibError(
                f"--{next(iter(chosen))}: names a column of the file of events: cj init events.csv --{next(iter(chosen))} COLUMN."
            )
        if out.exists() and not force:
            raise CjlibError(
                f"--out: {shown(str(out))} is there already. Give another name with --out, or overwrite it with --force."
            )
        out.write_text(_first_journey(file, feedback, template, out, chosen), encoding="utf-8")
        print(f"{out}: read it, decide where it asks you to, then `cj check {out}`")


def _first_journey(
    file: Path | None,
    feedback: Path | None,
    template: str | None,
    out: Path,
    columns: Mapping[str, str],
) -> str:
    from cjlib.sources.journey import scaffold

    home = out.absolute().parent
    if file is not None:
        return scaffold.first_journey(file, folder=home, feedback=feedback, **columns)
    if feedback is not None:
        return scaffold.feedback_alone(feedback, folder=home)
    names = list(scaffold.template_names())
    if template not in names:
        raise not_one_of("--template", template, names)
    return scaffold.template(template)


@app.command("sample")
def sample_command(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path(
        "data/sample"
    ),
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, help="Another seed is another history of the same business."),
    ] = 0,
    customers: Annotated[int, typer.Option("--customers", min=1)] = 5_000,
    debug: Debug = False,
) -> None:
    """Write the sample business: events, feedback, customers, journey file."""
    with _faults(debug):
        from cjlib import samples

        out.mkdir(parents=True, exist_ok=True)
        samples.write(out, customers=customers, seed=seed)
        print(f"{out}: a sample business of {customers:,} customers")


@app.command("cache")
def cache_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to look, folders below included.")
    ] = Path(),
    *,
    clear: Annotated[
        bool,
        typer.Option(
            "--clear", help="Delete the prepared logs; they are made again when they are needed."
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Say which prepared logs are kept beside their sources, how large they are and when they were last used; or delete them."""
    with _faults(debug):
        from cjlib.sources import cache

        if not folder.is_dir():
            raise CjlibError(
                f"DIR: there is no folder {shown(str(folder))}. Give the folder of the events, or none for this one."
            )
        found = [(place, cache.contents(place)) for place in cache.folders(folder.absolute())]
        for place, held in found:
            _print_rows(_console(), str(place), cache.Kept._fields, held, ["bytes"])
            if clear:
                cache.remove(place, [log.file for log in held])
        count, size = (
            sum(len(held) for _, held in found),
            sum(log.bytes for _, held in found for log in held),
        )
        logs = f"{count} prepared log{'' if count == 1 else 's'}, {size / 1e6:,.1f} MB"
        print(f"deleted: {logs}" if clear else logs)


# ---- faults and signals ----------------------------------------------------------------------------------------------


@contextmanager
def _faults(debug: bool, as_json: bool = False, journey: Path | None = None) -> Iterator[None]:
    """Every fault ends in one message and its exit code; a traceback is shown on demand only."""
    try:
        yield
    except (typer.Exit, SystemExit):
        raise
    except (Exception, _Stopped) as fault:
        _leave(*_told(fault), debug, as_json, journey)


def _told(fault: BaseException) -> tuple[str, int]:
    """What to say of a fault, and the exit code it leaves with."""
    if isinstance(fault, CjlibError):
        return str(fault), fault.exit_code
    if isinstance(fault, _Stopped):
        return "stopped by a signal; nothing was published", fault.code
    if isinstance(fault, OSError):
        return (f"{fault.filename}: {fault.strerror}" if fault.filename else str(fault)), 1
    said = f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__
    return (
        f"internal error: {said}. Run it again with --debug and report what it shows.",
        1,
    )


def _leave(message: str, code: int, debug: bool, as_json: bool, journey: Path | None) -> NoReturn:
    from cjlib.views.report.redaction import Mask, named_in

    texts = (
        [journey.read_text(encoding="utf-8", errors="replace")]
        if journey and journey.is_file()
        else []
    )
    mask = Mask(named_in(texts))
    masked = mask(message)
    if debug:
        _note(mask(traceback.format_exc()))
    _note(f"cj: {masked}")
    if as_json:
        print(
            json.dumps(
                {
                    "status": "refused" if code in (2, 3) else "failed",
                    "exit_code": code,
                    "error": masked,
                },
                ensure_ascii=False,
            )
        )
    raise typer.Exit(code)


def _note(message: str) -> None:
    print(message, file=sys.stderr)


class _Stopped(BaseException):
    def __init__(self, code: int) -> None:
        self.code = code


@contextmanager
def _signals() -> Iterator[None]:
    """SIGINT and SIGTERM end the run in order: kernels are ended, run.json says interrupted."""

    def stop(number: int, _frame: Any) -> NoReturn:
        raise _Stopped(INTERRUPTED if number == signal.SIGINT else TERMINATED)

    before: dict[int, Callable[..., Any] | int | None] = {
        number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    main()

"""One set of notebooks for many sets of parameters: a folder of reports for each, and a page over them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cjlib.errors import CjlibError, shown
from cjlib.views.report import publishing
from cjlib.views.report.parameters import for_readers, from_file
from cjlib.views.report.run_store import Run, read_runs, write_whole

LONGEST = 60
_TAKEN = {"con", "prn", "aux", "nul", "runs", "assets", "index"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in range(10)
}
"""Names that a system keeps for itself, or that mean something in a folder of reports."""


@dataclass(frozen=True)
class Outcome:
    """What became of one set."""

    name: str
    run: Run | None
    fault: str = ""
    code: int = 0


def read_sets(path: Path) -> dict[str, dict[str, Any]]:
    """The sets of a YAML or JSON file: name → parameters.

    Raises
    ------
    CjlibError
        If it holds no such sets, or two names would be one folder.
    """
    sets = from_file(path, "--each")
    wrong = [name for name, values in sets.items() if not isinstance(values, dict)]
    if not sets or wrong:
        given = f" Got {shown(sets[wrong[0]])} below {shown(wrong[0])}." if wrong else ""
        raise CjlibError(
            f"--each: {shown(str(path))} must hold sets by name, such as 'North: {{start: 2025-01-01}}', one below the other.{given}"
        )
    folders: dict[str, str] = {}
    for name in sets:
        other = folders.setdefault(folder_name(name).casefold(), name)
        if other != name:
            raise CjlibError(
                f"--each: {shown(other)} and {shown(name)} would both be the folder {shown(folder_name(name))}. Rename one."
            )
    return sets


def folder_name(name: str) -> str:
    """A name as a folder may be called on every system: letters, digits, hyphens and dots within, not too long."""
    plain = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", name)).strip("-. ")[:LONGEST]
    plain = plain.rstrip("-. ") or "set"
    return f"{plain}_" if plain.partition(".")[0].casefold() in _TAKEN else plain


def run_each(
    out: Path, sets: Mapping[str, Callable[[], tuple[Run, int]]], say: Callable[[str], None]
) -> list[Outcome]:
    """Run every set; one that fails keeps no other from its run."""
    outcomes = []
    for place, (name, run) in enumerate(sets.items(), 1):
        say(f"{name} ({place} of {len(sets)})")
        try:
            finished, code = run()
            outcomes.append(Outcome(name, finished, code=code))
        except CjlibError as fault:
            say(f"{name}: {fault}")
            outcomes.append(Outcome(name, None, str(fault), fault.exit_code))
        write_whole(out / "index.html", page(out, outcomes))
    return outcomes


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """1 if any set failed for a reason of its own, else 2 or 3 as a run says, else 4 if an alert fired."""
    codes = {outcome.code for outcome in outcomes}
    return next((code for code in (1, 2, 3, 4) if code in codes), max(codes, default=0))


def page(out: Path, outcomes: Sequence[Outcome]) -> str:
    """The page over the sets: what each says first, and its key figures beside those of the others."""
    rows = [_row(out, outcome) for outcome in outcomes]
    same = set.intersection(*(set(row["parameters"]) for row in rows)) if len(rows) > 1 else set()
    names = dict.fromkeys(card["name"] for row in rows for card in row["cards"])
    return publishing.filled(
        "each.html.j2",
        next((outcome.run.facts["journey"] for outcome in outcomes if outcome.run), ""),
        rows=[
            row
            | {
                "figures": [_figure(row["cards"], name) for name in names],
                "parameters": ", ".join(one for one in row["parameters"] if one not in same),
            }
            for row in rows
        ],
        figures=list(names),
    )


def _row(out: Path, outcome: Outcome) -> dict[str, Any]:
    folder = folder_name(outcome.name)
    runs = read_runs(out / folder)
    published = [
        report
        for report in publishing.reports(runs)
        if (out / folder / f"{report.name}.html").exists()
    ]
    briefing = publishing.briefing({one.name: one.results for one in published})
    failed = outcome.run is None or outcome.code not in (0, 4)
    given = {} if outcome.run is None else outcome.run.facts["notebooks"]
    values = {key: value for one in given.values() for key, value in one["parameters"].items()}
    return {
        "name": outcome.name,
        "folder": folder if runs else "",
        "said": briefing.title or briefing.headline if published else "",
        "failed": outcome.fault
        or ("failed; its reports are those of the last run" if failed else ""),
        "alerts": [] if outcome.run is None else _alerts(outcome.run),
        "cards": publishing.tiles(published),
        "parameters": [f"{key}: {for_readers(value)}" for key, value in values.items()],
    }


def _alerts(run: Run) -> list[str]:
    return [alert["words"] for alert in run.facts["alerts"] if alert["fired"]]


def _figure(cards: Sequence[Mapping[str, Any]], name: str) -> str:
    return next((f"{card['value']}" for card in cards if card["name"] == name), "–")

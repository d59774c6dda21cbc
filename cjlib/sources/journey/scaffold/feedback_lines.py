"""The lines of a first journey file that describe feedback; a whole file where there is nothing else."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path

from cjlib.sources.feedback.columns import NAMES
from cjlib.sources.ingest.options import USUAL_LIMIT
from cjlib.sources.journey.scaffold.feedback_inference import Opinions, opinions_of
from cjlib.sources.journey.scaffold.profile import Look
from cjlib.sources.journey.scaffold.yaml_lines import RENAMED, dates, head, quoted, relative

_MOST_STAGES = 20


def feedback_alone(path: str | Path, *, folder: str | Path | None = None) -> str:
    """A first journey file, as YAML text, from comments, surveys or reviews alone: no event is known, and only what customers say can be asked.

    The columns are guessed as those of `first_journey(…, feedback=…)`. The stages are the values of a column that is called so, else there is one.

    Parameters
    ----------
    path
        A CSV, TSV, Parquet or JSON-lines file (text also gzipped).
    folder
        Where the journey file will lie; the data's own folder if not given.

    Raises
    ------
    DataError
        The file cannot be read, is empty, or has neither a text nor a score.
    """
    file = Path(path)
    look = Look(file)
    guess = opinions_of(look)
    sources = "sources:\n" + _section(
        look, guess, relative(file, Path(folder) if folder is not None else file.parent)
    )
    events = "  # events: events.csv  # who did what, and when: without it only the questions about feedback can be asked\n"
    return "\n".join([head(look, guess.time), sources + events, _stages(look, guess)])


def feedback_lines(file: Path, home: Path, customers: Collection[str]) -> str:
    """The section of feedback beside that of events, whose customers are known."""
    look = Look(file)
    return _section(look, opinions_of(look, customers), relative(file, home))


def _stages(look: Look, guess: Opinions) -> str:
    column = guess.columns.get("stage")
    named = [] if column is None else look.values(column)
    known = sorted({name.casefold(): name for name in reversed(named)}.values())
    listed = known if 0 < len(known) <= _MOST_STAGES else ["Customers"]
    why = (
        "names and order, as customers walk through them"
        if listed is known
        else "which phases customers walk through"
    )
    return f"stages:  # DECIDE: {why}\n" + "".join(f"  - name: {quoted(name)}\n" for name in listed)


def _section(look: Look, guess: Opinions, path: str) -> str:
    lines = ["  feedback:", f"    path: {quoted(path)}", *_columns(look, guess)]
    lines += (
        dates(guess.time)
        if guess.time is not None
        else ["    dates: none  # DECIDE: no column holds dates"]
    )
    undated = 0 if guess.time is None else look.rows - guess.time.values
    if undated > USUAL_LIMIT * look.rows:
        share = undated / look.rows
        lines.append(
            f"    quarantine_limit: {math.ceil(20 * share) / 20:g}  # DECIDE: {100 * share:.0f}% of the rows have no date; they are quarantined and counted"
        )
    if "customer_id" not in guess.columns:
        lines.append(
            "    # DECIDE: no column says who answered (customer_id); what customers did afterwards cannot be asked then"
        )
    return "\n".join(lines) + "\n"


def _columns(look: Look, guess: Opinions) -> list[str]:
    """A line for each column that is named otherwise or that a person must look at; a column in the way of our name gets another one."""
    lines = []
    for ours, column in guess.columns.items():
        doubt = f"  # DECIDE: {guess.doubts[ours]}" if guess.doubts.get(ours) else ""
        if ours in guess.scales:
            lines.append(f"      {ours}: [{quoted(column.name)}, {guess.scales[ours]}]{doubt}")
        elif column.name != ours or doubt:
            lines.append(f"      {quoted(column.name)}: {ours}{doubt}")
    in_the_way = [
        column.name
        for column in look.columns
        if column.name in NAMES and column not in guess.columns.values()
    ]
    lines += [f"      {quoted(name)}: source_{name}" for name in in_the_way]
    return [RENAMED, *lines] if lines else []

"""What `cj init` writes: a first journey file from an unknown file, or a complete commented one for a trade."""

from __future__ import annotations

import math
from pathlib import Path

from cjlib.errors import not_one_of
from cjlib.sources.ingest.options import USUAL_LIMIT
from cjlib.sources.journey.scaffold import stage_inference
from cjlib.sources.journey.scaffold.column_inference import Guess, columns_of, share_held_back
from cjlib.sources.journey.scaffold.customers import customers_alone, customers_of
from cjlib.sources.journey.scaffold.feedback_lines import feedback_alone, feedback_lines
from cjlib.sources.journey.scaffold.profile import Look
from cjlib.sources.journey.scaffold.stage_inference import DAY, EventFacts
from cjlib.sources.journey.scaffold.yaml_lines import RENAMED, dates, head, quoted, relative
from cjlib.sources.log.engine import identifier

TEMPLATES = Path(__file__).parent / "templates"
MOST_LISTED = 200


def template_names() -> list[str]:
    """The trades there is a template for."""
    return sorted(path.stem for path in TEMPLATES.glob("*.yml"))


def template(name: str) -> str:
    """A complete journey file for a trade, with comments where a business must decide."""
    if name not in template_names():
        raise not_one_of("template", name, template_names())
    return (TEMPLATES / f"{name}.yml").read_text(encoding="utf-8")


def first_journey(
    path: str | Path,
    *,
    folder: str | Path | None = None,
    feedback: str | Path | None = None,
    customer: str | None = None,
    event: str | None = None,
    time: str | None = None,
) -> str:
    """A first journey file, as YAML text, from an unknown file of events, or from a table of customers that says who left.

    Looks at up to a million rows and guesses from their content which column is the customer (ids that repeat, in bursts), which the
    event (few values, changing within a customer, journeys beginning alike) and which the time; names of columns only break ties. Lists
    the events by frequency, proposes stages by what names suggest and by which events come early, and one funnel from an early common
    event to a late one. A table with one row a customer and a column that says who left (churn, exited, cancelled …) has no events: its file names that column
    instead, and a column that plainly is money per period. Whatever a person must decide is marked `DECIDE`. The text is a valid journey file.

    Parameters
    ----------
    path
        A CSV, TSV, Parquet or JSON-lines file (text also gzipped).
    folder
        Where the journey file will lie, so that its path to the data can be relative; the data's own folder if not given.
    feedback
        A file of comments, surveys or reviews: its columns are guessed too (texts by their length, scores by name and scale, customers by being
        those of the events).
    customer, event, time
        Columns, where the guess would be wrong.

    Raises
    ------
    DataError
        The file cannot be read, is empty, or has no column that could be the customer or the time and none that says who left.
    """
    file = Path(path)
    look = Look(file)
    home = Path(folder) if folder is not None else file.parent
    table = customers_of(look, customer) if event is None and time is None else None
    if table is not None:
        return customers_alone(look, table, home, None if feedback is None else Path(feedback))
    guess = columns_of(look, customer=customer, event=event, time=time)
    events = stage_inference.facts(look, guess)
    said = (
        feedback_lines(Path(feedback), home, _customer_ids(look, guess))
        if feedback is not None
        else "  # feedback: comments.csv  # cj init --feedback names its columns\n"
    )
    parts = [
        head(look, guess.time),
        _sources(look, guess, relative(file, home)) + said,
        _stages(look, guess, events),
        _questions(look, guess, events),
    ]
    return "\n".join(part for part in parts if part)


def _customer_ids(look: Look, guess: Guess) -> set[str]:
    one = identifier(guess.customer.name)
    return {
        value
        for (value,) in look.engine.rows(
            f"SELECT DISTINCT {one} FROM looked WHERE {one} IS NOT NULL"
        )
    }


# ---- the parts ---------------------------------------------------------------------------------------------------


def _sources(look: Look, guess: Guess, relative: str) -> str:
    lines = ["sources:", "  events:", f"    path: {quoted(relative)}"]
    columns = _columns(look, guess)
    if columns:
        lines.append(RENAMED)
        lines += [f"      {quoted(theirs)}: {ours}" for theirs, ours in columns.items()]
    if guess.event is None:
        lines.append(
            f"    event: {_constant(guess)}  # DECIDE: no column names an event, so every row is one of these; if one does: cj init --event COLUMN"
        )
    lines += dates(guess.time)
    if look.duplicates:
        share = f"{look.duplicates:,} of {look.rows:,} rows repeat another one in every column"
        keep = "keep" if guess.event is None else "quarantine"
        lines.append(
            f"    duplicates: {keep}  # DECIDE: {share}: loaded twice (quarantine) or true repeats (keep)?"
        )
    held = share_held_back(look, guess)
    if held > USUAL_LIMIT:
        limit = math.ceil(20 * held) / 20
        why = f"{100 * held:.0f}% of the rows lack a customer, event or readable time, or repeat another one: is that right? They are held back and counted"
        lines.append(f"    quarantine_limit: {limit:g}  # DECIDE: {why}")
    lines += _doubts(look, guess)
    lines.append(
        "  # customers: {path: customers.parquet}  # when you have attributes of customers"
    )
    return "\n".join(lines) + "\n"


def _doubts(look: Look, guess: Guess) -> list[str]:
    """Comments on what the file holds that the journey file cannot say."""
    lines = []
    if guess.mostly_once:
        who = f"{guess.customer.values:,} rows, {guess.customer.distinct:,} different values of {quoted(guess.customer.name)}"
        lines.append(
            f"    # DECIDE: {who}: is that the customer, or the row? Nobody goes on or comes back who is seen once."
        )
    others = [
        column
        for column in look.columns
        if column.time_kind not in (None, "epoch", "ymd") and 2 * column.distinct > look.rows
    ]
    further = ", ".join(quoted(column.name) for column in others if column is not guess.time)
    if further:
        lines.append(
            f"    # DECIDE: {further}: times too. Where they are events of their own, write a row for each into the file: who, what, when."
        )
    commas = ", ".join(quoted(column.name) for column in look.columns if column.share_comma > 0.5)
    if commas:
        lines.append(
            f"    # DECIDE: {commas}: decimals with a comma are read as text. To count with them (value, say), write them with a point into the file."
        )
    clocks = [column.name for column in look.columns if column.share_clock > 0.9]
    if clocks:
        lines.append(
            f"    # DECIDE: {quoted(clocks[0])} holds times of day. Only one column can be the timestamp: join both in the file if the order within a day matters."
        )
    return lines


def _columns(look: Look, guess: Guess) -> dict[str, str]:
    wanted: dict[str, str] = {guess.customer.name: "customer_id", guess.time.name: "timestamp"}
    if guess.event is not None:
        wanted[guess.event.name] = "event"
    if guess.channel is not None:
        wanted[guess.channel.name] = "channel"
    if guess.amount is not None:
        wanted[guess.amount.name] = "value"
    taken = {
        column.name: f"source_{column.name}"
        for column in look.columns
        if column.name in wanted.values() and column.name not in wanted
    }
    return {theirs: ours for theirs, ours in (wanted | taken).items() if theirs != ours}


def _constant(guess: Guess) -> str:
    return "purchase" if guess.amount is not None else "activity"


def _stages(look: Look, guess: Guess, events: list[EventFacts]) -> str:
    if guess.event is None:
        return f"stages:  # DECIDE: with one kind of event there is one stage\n  - name: Customers\n    touchpoints: [{_constant(guess)}]\n"
    customers = max(event.customers for event in events)
    lines = ["# Events, commonest first: rows, customers."]
    lines += [
        f"#   {quoted(event.name)}: {event.events:,} rows, {event.customers:,} customers"
        for event in events[:MOST_LISTED]
    ]
    if len(events) > MOST_LISTED:
        lines.append(f"#   and {len(events) - MOST_LISTED:,} more")
    lines.append("")
    lines.append(
        "stages:  # DECIDE: names, order, and which events belong together. Proposed from names and from what usually comes first."
    )
    lines.append(
        "  # What people know goes beside it: owner: Marketing, goal: What the customer wants here, expected: 7D (usual time to the next stage)."
    )
    for name, members in stage_inference.stages(events):
        lines += [f"  - name: {quoted(name)}", "    touchpoints:"]
        lines += [
            f"      - {quoted(event.name)}{'  # rare' if event.customers < 0.005 * customers else ''}"
            for event in members
        ]
    if len(events) > stage_inference.MOST_MAPPED:
        lines.append(
            f"# {len(events) - stage_inference.MOST_MAPPED:,} rarer events belong to no stage yet; `cj check` lists them."
        )
    return "\n".join(lines) + "\n"


def _questions(look: Look, guess: Guess, events: list[EventFacts]) -> str:
    silence, span = stage_inference.usual_silence(look, guess)
    parts = [
        _funnel(look, events),
        _retention(span),
        _churn(events, silence, span),
        _value(guess, events),
        _roles(guess, events),
    ]
    return "\n".join(part for part in parts if part)


def _funnel(look: Look, events: list[EventFacts]) -> str:
    if not events:
        return ""
    steps = stage_inference.funnel(look, events)
    usual = stage_inference.usual_seconds(look, steps[0], steps[-1]) if len(steps) > 1 else None
    window = stage_inference.rounded_up(usual) if usual is not None else "30D"
    why = (
        "nine in ten of those who came from the first to the last step took no longer"
        if usual is not None
        else "a guess"
    )
    listed = "".join(f"\n      - {quoted(step)}" for step in steps)
    return f"funnels:\n  main:\n    steps:{listed}\n    window: {window}  # DECIDE: longest time from the first step to the last; {why}\n"


def _retention(span: float) -> str:
    period = (
        "month"
        if span > 180 * DAY
        else "week"
        if span > 28 * DAY
        else "day"
        if span > 2 * DAY
        else "hour"
    )
    return f"retention: {{start: any, return: any, period: {period}}}  # DECIDE: which event means that a customer came back\n"


def _churn(events: list[EventFacts], silence: float | None, span: float) -> str:
    gone = stage_inference.leaving(events)
    if gone is not None:
        return f"churn: {{event: {quoted(gone.name)}, horizon: 30D}}  # DECIDE: the event of leaving, and how far ahead a forecast should look\n"
    length = stage_inference.rounded_up(silence, most=span / 3) if silence else "30D"
    why = (
        "nine in ten pauses between a customer's events are shorter, or a third of the data's span if that is less"
        if silence
        else "a guess"
    )
    return f"churn: {{inactive: {length}}}  # DECIDE: the silence that means a customer has left; {why}\n"


def _value(guess: Guess, events: list[EventFacts]) -> str:
    if guess.amount is None:
        return ""
    paid = stage_inference.goal(events)
    event = _constant(guess) if guess.event is None else quoted(paid.name) if paid else None
    return (
        f"value: {{event: {event}, amount: value}}  # DECIDE: which events bring money, and in which column\n"
        if event
        else ""
    )


def _roles(guess: Guess, events: list[EventFacts]) -> str:
    convert, start = stage_inference.goal(events), stage_inference.start(events)
    if guess.event is None:
        return f"roles:\n  convert: {_constant(guess)}\n"
    lines = [
        f"  {role}: {quoted(event.name)}"
        for role, event in (("start", start), ("convert", convert))
        if event is not None
    ]
    return (
        "roles:  # what the scorecard asks for; docs/journey.md lists all\n"
        + "\n".join(lines)
        + "\n"
        if lines
        else ""
    )


__all__ = ["feedback_alone", "first_journey", "quoted", "template", "template_names"]

"""What `cj init` writes: a first journey file from an unknown file, or a complete commented one for a trade."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from cjlib.errors import not_one_of
from cjlib.sources.engine import identifier
from cjlib.sources.feedback_columns import NAMES
from cjlib.sources.first_journey import proposals
from cjlib.sources.first_journey.guesses import Guess, columns_of, share_held_back
from cjlib.sources.first_journey.opinions import Opinions, opinions_of
from cjlib.sources.first_journey.peek import Column, Look
from cjlib.sources.first_journey.proposals import DAY, EventFacts

TEMPLATES = Path(__file__).parent / "templates"
MOST_LISTED = 200
USUAL_LIMIT = 0.05
"""Above this share of rows held back reading stops, unless the file says otherwise."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*([ .-][A-Za-z0-9_]+)*")
_NOT_PLAIN = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
_RENAMED = "    columns:  # name in the file: name here. Other columns keep their names."
_DATES = {"day_first": "day_first", "month_first": "month_first", "either": "day_first", "ymd": '"%Y%m%d"'}


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
    """A first journey file, as YAML text, from an unknown file of events.

    Looks at up to a million rows and guesses from their content which column is the customer (ids that repeat, in bursts), which the
    event (few values, changing within a customer, journeys beginning alike) and which the time; names of columns only break ties. Lists
    the events by frequency, proposes stages by what names suggest and by which events come early, and one funnel from an early common
    event to a late one. Whatever a person must decide is marked `DECIDE`. The text is a valid journey file.

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
        The file cannot be read, is empty, or has no column that could be the customer or the time.
    """
    file = Path(path)
    look = Look(file)
    guess = columns_of(look, customer=customer, event=event, time=time)
    events = proposals.facts(look, guess)
    home = Path(folder) if folder is not None else file.parent
    said = (
        _feedback(Path(feedback), home, _customer_ids(look, guess))
        if feedback is not None
        else "  # feedback: comments.csv  # cj init --feedback names its columns\n"
    )
    parts = [_head(look, guess), _sources(look, guess, _relative(file, home)) + said, _stages(look, guess, events), _questions(look, guess, events)]
    return "\n".join(part for part in parts if part)


def _relative(file: Path, home: Path) -> str:
    return Path(os.path.relpath(file.resolve(), home.resolve())).as_posix()


def _customer_ids(look: Look, guess: Guess) -> set[str]:
    one = identifier(guess.customer.name)
    return {value for (value,) in look.engine.rows(f"SELECT DISTINCT {one} FROM looked WHERE {one} IS NOT NULL")}


# ---- the parts ---------------------------------------------------------------------------------------------------


def _head(look: Look, guess: Guess) -> str:
    looked = f"the first {look.rows:,} rows" if look.truncated else f"{look.rows:,} rows"
    zone = "The times carry an offset or a zone, so instants are certain; days and weeks are counted in this zone."
    if not guess.time.with_offset and guess.time.time_kind != "epoch":
        zone = "The times have no zone in the file; they are read as local times of this one."
    title = re.sub(r"[_-]+", " ", look.path.name.split(".")[0]).strip() or "My business"
    return (
        f"# A first journey file, made from {quoted(look.path.name)} ({looked}). It can be used as it is.\n"
        f"# Guesses come from the data; lines marked DECIDE need a person. `cj check` reads everything and says what does not fit.\n\n"
        f"name: {quoted(title)}\n"
        f"timezone: UTC  # DECIDE: the business's zone, such as Europe/Berlin. {zone}\n"
    )


def _sources(look: Look, guess: Guess, relative: str) -> str:
    lines = ["sources:", "  events:", f"    path: {quoted(relative)}"]
    columns = _columns(look, guess)
    if columns:
        lines.append(_RENAMED)
        lines += [f"      {quoted(theirs)}: {ours}" for theirs, ours in columns.items()]
    if guess.event is None:
        lines.append(f"    event: {_constant(guess)}  # DECIDE: no column names an event, so every row is one of these")
    lines += _dates(guess.time)
    if look.duplicates:
        share = f"{look.duplicates:,} of {look.rows:,} rows repeat another one in every column"
        keep = "keep" if guess.event is None else "quarantine"
        lines.append(f"    duplicates: {keep}  # DECIDE: {share}: loaded twice (quarantine) or true repeats (keep)?")
    held = share_held_back(look, guess)
    if held > USUAL_LIMIT:
        limit = math.ceil(20 * held) / 20
        why = f"{100 * held:.0f} % of the rows lack a customer, event or readable time, or repeat another one: is that right? They are held back and counted"
        lines.append(f"    quarantine_limit: {limit:g}  # DECIDE: {why}")
    clocks = [column.name for column in look.columns if column.share_clock > 0.9]
    if clocks:
        lines.append(
            f"    # DECIDE: {quoted(clocks[0])} holds times of day. Only one column can be the timestamp: join both in the file if the order within a day matters."
        )
    lines.append("  # customers: {path: customers.parquet}  # when you have attributes of customers")
    return "\n".join(lines) + "\n"


def _dates(time: Column) -> list[str]:
    written = f'"{time.time_format}"' if time.time_format else _DATES.get(time.time_kind or "")
    unsure = "  # DECIDE: nothing in the file proves whether the day or the month comes first (else month_first)"
    return [f"    dates: {written}{unsure if time.time_kind == 'either' else ''}"] if written else []


def _feedback(file: Path, home: Path, customers: set[str]) -> str:
    look = Look(file)
    guess = opinions_of(look, customers)
    lines = ["  feedback:", f"    path: {quoted(_relative(file, home))}", *_feedback_columns(look, guess)]
    lines += _dates(guess.time) if guess.time is not None else ["    dates: none  # DECIDE: no column holds dates"]
    undated = 0 if guess.time is None else look.rows - guess.time.values
    if undated > USUAL_LIMIT * look.rows:
        share = undated / look.rows
        lines.append(
            f"    quarantine_limit: {math.ceil(20 * share) / 20:g}  # DECIDE: {100 * share:.0f} % of the rows have no date; they are held back and counted"
        )
    if "customer_id" not in guess.columns:
        lines.append("    # DECIDE: no column says who answered (customer_id); what customers did afterwards cannot be asked then")
    return "\n".join(lines) + "\n"


def _feedback_columns(look: Look, guess: Opinions) -> list[str]:
    """A line for each column that is named otherwise or that a person must look at; a column in the way of our name gets another one."""
    lines = []
    for ours, column in guess.columns.items():
        doubt = f"  # DECIDE: {guess.doubts[ours]}" if guess.doubts.get(ours) else ""
        if ours in guess.scales:
            lines.append(f"      {ours}: [{quoted(column.name)}, {guess.scales[ours]}]{doubt}")
        elif column.name != ours or doubt:
            lines.append(f"      {quoted(column.name)}: {ours}{doubt}")
    in_the_way = [column.name for column in look.columns if column.name in NAMES and column not in guess.columns.values()]
    lines += [f"      {quoted(name)}: source_{name}" for name in in_the_way]
    return [_RENAMED, *lines] if lines else []


def _columns(look: Look, guess: Guess) -> dict[str, str]:
    wanted: dict[str, str] = {guess.customer.name: "customer_id", guess.time.name: "timestamp"}
    if guess.event is not None:
        wanted[guess.event.name] = "event"
    if guess.channel is not None:
        wanted[guess.channel.name] = "channel"
    if guess.amount is not None:
        wanted[guess.amount.name] = "value"
    taken = {column.name: f"source_{column.name}" for column in look.columns if column.name in wanted.values() and column.name not in wanted}
    return {theirs: ours for theirs, ours in (wanted | taken).items() if theirs != ours}


def _constant(guess: Guess) -> str:
    return "purchase" if guess.amount is not None else "activity"


def _stages(look: Look, guess: Guess, events: list[EventFacts]) -> str:
    if guess.event is None:
        return f"stages:  # DECIDE: with one kind of event there is one stage\n  - name: Customers\n    touchpoints: [{_constant(guess)}]\n"
    customers = max(event.customers for event in events)
    lines = ["# Events, commonest first: rows, customers."]
    lines += [f"#   {quoted(event.name)}: {event.events:,} rows, {event.customers:,} customers" for event in events[:MOST_LISTED]]
    if len(events) > MOST_LISTED:
        lines.append(f"#   and {len(events) - MOST_LISTED:,} more")
    lines.append("")
    lines.append("stages:  # DECIDE: names, order, and which events belong together. Proposed from names and from what usually comes first.")
    lines.append(
        "  # What people know goes beside it: owner: Marketing, goal: What the customer wants here, expected: 7D (usual time to the next stage)."
    )
    for name, members in proposals.stages(events):
        lines += [f"  - name: {quoted(name)}", "    touchpoints:"]
        lines += [f"      - {quoted(event.name)}{'  # rare' if event.customers < 0.005 * customers else ''}" for event in members]
    if len(events) > proposals.MOST_MAPPED:
        lines.append(f"# {len(events) - proposals.MOST_MAPPED:,} rarer events belong to no stage yet; `cj check` lists them.")
    return "\n".join(lines) + "\n"


def _questions(look: Look, guess: Guess, events: list[EventFacts]) -> str:
    silence, span = proposals.usual_silence(look, guess)
    parts = [_funnel(look, events), _retention(span), _churn(events, silence, span), _value(guess, events), _roles(guess, events)]
    return "\n".join(part for part in parts if part)


def _funnel(look: Look, events: list[EventFacts]) -> str:
    if not events:
        return ""
    steps = proposals.funnel(look, events)
    usual = proposals.usual_seconds(look, steps[0], steps[-1]) if len(steps) > 1 else None
    window = proposals.rounded_up(usual) if usual is not None else "30D"
    why = "nine in ten of those who came from the first to the last step took no longer" if usual is not None else "a guess"
    listed = "".join(f"\n      - {quoted(step)}" for step in steps)
    return f"funnels:\n  main:\n    steps:{listed}\n    window: {window}  # DECIDE: longest time from the first step to the last; {why}\n"


def _retention(span: float) -> str:
    period = "month" if span > 180 * DAY else "week" if span > 28 * DAY else "day" if span > 2 * DAY else "hour"
    return f"retention: {{start: any, return: any, period: {period}}}  # DECIDE: which event means that a customer came back\n"


def _churn(events: list[EventFacts], silence: float | None, span: float) -> str:
    gone = proposals.leaving(events)
    if gone is not None:
        return f"churn: {{event: {quoted(gone.name)}, horizon: 30D}}  # DECIDE: the event of leaving, and how far ahead a forecast should look\n"
    length = proposals.rounded_up(silence, most=span / 3) if silence else "30D"
    why = "nine in ten pauses between a customer's events are shorter, or a third of the data's span if that is less" if silence else "a guess"
    return f"churn: {{inactive: {length}}}  # DECIDE: the silence that means a customer has left; {why}\n"


def _value(guess: Guess, events: list[EventFacts]) -> str:
    if guess.amount is None:
        return ""
    paid = proposals.goal(events)
    event = _constant(guess) if guess.event is None else quoted(paid.name) if paid else None
    return f"value: {{event: {event}, amount: value}}  # DECIDE: which events bring money, and in which column\n" if event else ""


def _roles(guess: Guess, events: list[EventFacts]) -> str:
    convert, start = proposals.goal(events), proposals.start(events)
    if guess.event is None:
        return f"roles:\n  convert: {_constant(guess)}\n"
    lines = [f"  {role}: {quoted(event.name)}" for role, event in (("start", start), ("convert", convert)) if event is not None]
    return "roles:  # what the scorecard asks for; docs/journey.md lists all\n" + "\n".join(lines) + "\n" if lines else ""


def quoted(text: str) -> str:
    """Text as one YAML scalar in one line, whatever it holds."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _NOT_PLAIN:
        return text
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable() and letter != "\ufeff":
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


__all__ = ["first_journey", "quoted", "template", "template_names"]

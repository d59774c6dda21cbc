"""What `cj init` writes: a first journey file from an unknown file, or a complete commented one for a trade."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cjlib.errors import DataError, not_one_of, shown
from cjlib.show.numbers import count_of
from cjlib.sources.ingest.options import USUAL_LIMIT
from cjlib.sources.journey.scaffold import stage_inference
from cjlib.sources.journey.scaffold.column_inference import (
    DAMAGED_ID,
    LOADED_WORDS,
    SCORE_NAMES,
    Guess,
    columns_of,
    folded,
    is_further_time,
    share_quarantined,
    undone,
)
from cjlib.sources.journey.scaffold.customers import customers_alone, customers_of
from cjlib.sources.journey.scaffold.feedback_inference import (
    feedback_alone,
    feedback_lines,
    holds_answers,
    holds_opinions,
    holds_texts,
    is_survey,
)
from cjlib.sources.journey.scaffold.profile import Look
from cjlib.sources.journey.scaffold.stage_inference import DAY, EventFacts
from cjlib.sources.journey.scaffold.yaml_lines import (
    RENAMED,
    dates,
    decide,
    file_lines,
    head,
    in_one_line,
    preset_lines,
    quoted,
    relative,
)

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
    alone = customer is None and event is None and time is None
    look = Look(file, "events" if alone else None)
    home = Path(folder) if folder is not None else file.parent
    if look.preset is not None:
        customer, event, time = "customer_id", "event", "timestamp"
    elif alone and feedback is None and is_survey(look):
        return feedback_alone(file, folder=folder)
    table = customers_of(look, customer) if event is None and time is None else None
    if table is not None:
        return customers_alone(look, table, home, None if feedback is None else Path(feedback))
    if alone and feedback is None and look.preset is None and holds_texts(look):
        return feedback_alone(file, folder=folder)
    try:
        guess = columns_of(look, customer=customer, event=event, time=time)
    except DataError:
        # Answers need no customer.
        said = alone and feedback is None and look.preset is None
        if said and (holds_answers(look) or holds_opinions(look)):
            return feedback_alone(file, folder=folder)
        raise
    no_events = alone and feedback is None and guess.event is None and guess.amount is None
    if no_events and look.preset is None and (holds_answers(look) or holds_opinions(look)):
        return feedback_alone(file, folder=folder)
    events = stage_inference.facts(look, guess)
    said = (
        feedback_lines(Path(feedback), home, _customer_ids(look, guess))
        if feedback is not None
        else "  # feedback: comments.csv  # cj init --feedback names its columns\n"
    )
    lines = ["sources:", "  events:", *events_lines(look, guess, relative(file, home))]
    lines.append(
        "  # customers: {path: customers.parquet}  # when you have attributes of customers\n"
    )
    parts = [
        head(look, guess.time),
        "\n".join(lines) + said,
        _identities(look),
        stages_and_questions(look, guess, events),
    ]
    return "\n".join(part for part in parts if part)


def stages_and_questions(look: Look, guess: Guess, events: list[EventFacts]) -> str:
    """The stages, and what is asked of them."""
    return "\n".join([_stages(look, guess, events), _questions(look, guess, events)])


def _customer_ids(look: Look, guess: Guess) -> set[str]:
    return set(look.values(guess.customer))


# ---- the parts ---------------------------------------------------------------------------------------------------


def events_lines(
    look: Look, guess: Guess, path: str, ids: Mapping[str, str] | None = None
) -> list[str]:
    """How a file of events is read, indented as the one source of a journey file; `ids` are its columns of ids with their names in the log."""
    lines = [*file_lines(look, path), *preset_lines(look), *_renamings(look, guess, ids)]
    if guess.event is None:
        lines.append(
            f"    event: {constant(guess)}  # DECIDE: no column names an event, so every row is one of these; if one does: cj init --event COLUMN"
        )
    lines += dates(guess.time)
    lines += _repeats(look, guess) if look.preset is None else []
    if guess.nobody:
        nobody = ", ".join(quoted(one) for one in guess.nobody)
        lines.append(
            f"    missing_ids: [{nobody}]{decide('an id of nobody? Its rows are quarantined and counted')}"
        )
    lines += [
        f"    decimal: {look.decimal}{decide(f'{note.check}: {note.example}')}"
        for note in look.notes
        if note.check.endswith("in two ways")
    ][:1]
    quarantined = share_quarantined(look, guess)
    if quarantined > USUAL_LIMIT:
        limit = math.ceil(20 * quarantined) / 20
        why = f"{100 * quarantined:.0f}% of the rows are broken, lack a customer, event or readable time, or repeat another one: is that right? They are quarantined and counted"
        lines.append(f"    quarantine_limit: {limit:g}  # DECIDE: {why}")
    return lines + _doubts(look, guess)


def _repeats(look: Look, guess: Guess) -> list[str]:
    """What is said of rows that stand for one event."""
    if guess.event_id is not None:
        column = guess.event_id
        more = column.values - column.distinct
        why = f"{more:,} of {look.rows:,} rows have the {column.name} of another row, with the same customer: the fullest row of each stays"
        return [f"    id: {quoted(column.name)}{decide(why)}"]
    if look.duplicates:
        keep = "keep" if guess.event is None else "quarantine"
        why = f"{look.duplicates:,} of {look.rows:,} rows repeat another one in every column: loaded twice (quarantine) or true repeats (keep)?"
        return [f"    duplicates: {keep}{decide(why)}"]
    return []


def _doubts(look: Look, guess: Guess) -> list[str]:
    """Comments on what the file holds that the journey file cannot say, and on what it does not use."""
    doubts = []
    if guess.mostly_once:
        doubts.append(
            f"{count_of(guess.customer.values, 'row')}, {count_of(guess.customer.distinct, 'different value')} of {quoted(guess.customer.name)}: is that the customer, or the row? "
            "Nobody goes on or comes back who is seen once."
        )
    damaged = [one for one in look.values(guess.customer) if DAMAGED_ID.fullmatch(one)]
    if damaged:
        doubts.append(
            f"{quoted(guess.customer.name)} holds ids such as {damaged[0]}: a spreadsheet has rounded them, so several customers may share one. Export them as text."
        )
    if guess.quantity is not None and guess.amount is None:
        doubts.append(
            f"{quoted(guess.quantity.name)} says how many; a price is that of one, so no column is the value yet. "
            "Write quantity times price into the file as one column. Rows may be lines of one order: each counts as an event."
        )
    if guess.negative is not None and guess.event is not None:
        doubts.append(
            f"{quoted(guess.negative.name)} is below 0 in some rows: refunds or cancellations? They count as events."
        )
    if guess.order is not None:
        doubts.append(
            f"{quoted(guess.order.name)} stands in several rows with amounts of their own: rows are lines of an order, and each counts as an event. "
            "Where orders shall count, write one row an order into the file, its amounts added."
        )
    doubts += [*_undone_rows(look, guess), *_no_money(guess)]
    further = [
        column.name
        for column in look.columns
        if is_further_time(column)
        and column is not guess.time
        and not re.search(LOADED_WORDS, folded(column))
    ]
    if further and look.preset is None:
        doubts.append(
            f"{', '.join(map(quoted, further))}: times too. Where they are events of their own, write a row for each into the file: who, what, when."
        )
    clocks = [column.name for column in look.columns if column.share_clock > 0.9]
    if clocks:
        doubts.append(
            f"{quoted(clocks[0])} holds times of day. Only one column can be the timestamp: join both in the file if the order within a day matters."
        )
    return [f"  {decide(doubt)}" for doubt in doubts] + _unused(look, guess)


def _undone_rows(look: Look, guess: Guess) -> list[str]:
    found = undone(look, guess) if look.preset is None else {}
    return [
        f"{quoted(column.name)} says of some rows that they are tests, came to nothing or were taken back, and they count: "
        f"where: {{{quoted(column.name)}: {{not: [{', '.join(map(quoted, values))}]}}}} leaves them out."
        for column, values in found.items()
    ]


def _no_money(guess: Guess) -> list[str]:
    if guess.no_money is None:
        return []
    examples = guess.no_money.examples
    odd = [one for one in examples if not one.replace(".", "", 1).isdigit()] or examples
    return [
        f"{quoted(guess.no_money.name)} is called as money is, but {shown(odd[0])} is no number, so no column is the value yet. "
        "Write plain numbers into the file, such as 1234.50."
    ]


def _unused(look: Look, guess: Guess) -> list[str]:
    """What the file holds beside: categories that split customers into segments, and scores."""
    used = (guess.customer, guess.event, guess.time, guess.channel, guess.amount, guess.event_id)
    rest = [column for column in look.columns if column not in used and column.time_kind is None]
    categories = [
        f"{quoted(column.name)} ({column.distinct} values)"
        for column in rest
        if 2 <= column.distinct <= 30
        and column.share_number < 0.5
        and 2 * column.values > look.rows
    ]
    scores = [
        quoted(column.name)
        for column in rest
        if column.share_number > 0.9
        and column.distinct <= 11
        and SCORE_NAMES.search(column.name.casefold())
    ]
    lines = []
    if categories:
        lines.append(
            f"    # Segments: {in_one_line(', '.join(categories))}. A funnel with by: COLUMN compares them."
        )
    if scores:
        lines.append(
            f"    # Scores: {in_one_line(', '.join(scores))}. cj init --feedback reads them as answers."
        )
    return lines


def _renamings(look: Look, guess: Guess, ids: Mapping[str, str] | None) -> list[str]:
    """The columns that are called otherwise here; a person who signed in is the customer where the export knows both."""
    known = [f"      {quoted(look.people['known'])}: customer_id"] if look.people else []
    lines = known + _columns(look, guess, ids or {guess.customer.name: "customer_id"})
    return [RENAMED, *lines] if lines else []


def _columns(look: Look, guess: Guess, ids: Mapping[str, str]) -> list[str]:
    """The names of columns that differ from the log's, each with what is not certain about it."""
    ours = {**ids, guess.time.name: "timestamp"}
    why = {
        guess.customer.name: guess.doubts.get("customer", ""),
        guess.time.name: guess.doubts.get("time", ""),
    }
    if guess.event is not None:
        ours[guess.event.name] = "event"
        why[guess.event.name] = guess.doubts.get("event", "")
    if guess.channel is not None:
        ours[guess.channel.name] = "channel"
    if guess.amount is not None:
        ours[guess.amount.name] = "value"
        why[guess.amount.name] = guess.doubts.get("amount", "")
    taken = {name.casefold() for name in (*ours.values(), "event")}
    for column in look.columns:
        if column.name in ours:
            continue
        name = column.name
        while name.casefold() in taken:
            name = f"source_{name}" if name == column.name else f"{name}_2"
        taken.add(name.casefold())
        if name != column.name:
            ours[column.name] = name
    return [
        f"      {quoted(theirs)}: {quoted(name)}{decide(why.get(theirs, ''))}"
        for theirs, name in ours.items()
        if theirs != name or why.get(theirs)
    ]


def _identities(look: Look) -> str:
    """Who is one person, where the export has ids of known people beside those of devices."""
    people = look.people
    if not people:
        return ""
    why = (
        f"{people['known']} is who signed in; rows that carry both ids join them (docs/identity.md)"
    )
    return f"identities:\n  anonymous: [{quoted(people['anonymous'])}]{decide(why)}\n"


def constant(guess: Guess) -> str:
    """The event of every row, where no column names one."""
    return "purchase" if guess.amount is not None or guess.quantity is not None else "activity"


def _bought(guess: Guess) -> str:
    """The event of a file in which every row is one, but for rows below 0."""
    if guess.negative is None:
        return constant(guess)
    return f"{{event: {constant(guess)}, where: {{{_negative_name(guess)}: {{min: 0}}}}}}"


def _negative_name(guess: Guess) -> str:
    assert guess.negative is not None  # only asked where there is one
    return "value" if guess.negative is guess.amount else quoted(guess.negative.name)


def _stages(look: Look, guess: Guess, events: list[EventFacts]) -> str:
    if guess.event is None:
        return _one_stage(guess)
    customers = max(event.customers for event in events)
    spelled = stage_inference.spellings(events)
    lines = ["# Events, most common first: rows, customers."]
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
    for name, members in stage_inference.stages([one for one in events if one.name in spelled]):
        lines += [f"  - name: {quoted(name)}", "    touchpoints:"]
        lines += [
            f"      - {_touchpoint(event.name, spelled)}{'  # rare' if event.customers < 0.005 * customers else ''}"
            for event in members
        ]
    if len(spelled) > stage_inference.MOST_MAPPED:
        lines.append(
            f"# {len(spelled) - stage_inference.MOST_MAPPED:,} rarer events belong to no stage yet; `cj check` lists them."
        )
    return "\n".join(lines) + "\n"


def _one_stage(guess: Guess) -> str:
    head = "stages:  # DECIDE: with one kind of event there is one stage\n  - name: Customers\n"
    if guess.negative is None:
        return f"{head}    touchpoints: [{constant(guess)}]\n"
    name = _negative_name(guess)
    below = f"{{event: {constant(guess)}, where: {{{name}: {{max: -0.000001}}}}}}"
    why = f"{guess.negative.name} is below 0 there: refunds or cancellations? They are no purchases"
    return (
        f"{head}    touchpoints:\n      - {{name: {constant(guess)}, events: [{_bought(guess)}]}}\n"
        f"      - {{name: taken back, events: [{below}]}}{decide(why)}\n"
    )


def _touchpoint(name: str, spelled: Mapping[str, Sequence[str]]) -> str:
    """An event as a touchpoint: with its other spellings, or in full where its name alone would say something else."""
    if len(spelled[name]) == 1 and name == name.strip():
        return quoted(name)
    return f"{{name: {quoted(name)}, events: {_any_spelling(name, spelled)}}}"


def _any_spelling(name: str, spelled: Mapping[str, Sequence[str]]) -> str:
    names = spelled.get(name, [name])
    return quoted(name) if len(names) == 1 else f"[{', '.join(map(quoted, names))}]"


def _questions(look: Look, guess: Guess, events: list[EventFacts]) -> str:
    silence, span = stage_inference.usual_silence(look, guess)
    parts = [
        _funnel(look, events),
        _retention(span, "any" if guess.negative is None or guess.event else _bought(guess)),
        _churn(events, silence, span),
        _value(look, guess, events),
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
    spelled = stage_inference.spellings(events)
    listed = "".join(f"\n      - {_any_spelling(step, spelled)}" for step in steps)
    goal = stage_inference.goal(events)
    end = (
        f"{quoted(steps[-1])} is the end because its name says so"
        if goal is not None and goal.name == steps[-1]
        else f"no name says which event is the goal; {quoted(steps[-1])} is a late one that many reach"
    )
    return f"funnels:\n  main:\n    steps:{decide(end)}{listed}\n    window: {window}  # DECIDE: longest time from the first step to the last; {why}\n"


def _retention(span: float, event: str) -> str:
    period = (
        "month"
        if span > 180 * DAY
        else "week"
        if span > 28 * DAY
        else "day"
        if span > 2 * DAY
        else "hour"
    )
    return f"retention: {{start: {event}, return: {event}, period: {period}}}  # DECIDE: which event means that a customer came back\n"


def _churn(events: list[EventFacts], silence: float | None, span: float) -> str:
    gone = stage_inference.leaving(events)
    if gone is not None:
        return f"churn: {{event: {_any_spelling(gone.name, stage_inference.spellings(events))}, horizon: 30D}}  # DECIDE: the event of leaving, and how far ahead a forecast should look\n"
    length = stage_inference.rounded_up(silence, most=span / 3) if silence else "30D"
    why = (
        "nine in ten pauses between a customer's events are shorter, or a third of the data's span if that is less"
        if silence
        else "a guess"
    )
    return f"churn: {{inactive: {length}}}  # DECIDE: the silence that means a customer has left; {why}\n"


def _value(look: Look, guess: Guess, events: list[EventFacts]) -> str:
    if guess.amount is None:
        return ""
    worth = [] if look.preset is None else look.preset.worth
    if there := [quoted(one.name) for one in events if one.name in worth]:
        return f"value: {{event: [{', '.join(there)}], amount: value}}\n"
    paid = stage_inference.goal(events)
    spelled = stage_inference.spellings(events)
    event = (
        _bought(guess)
        if guess.event is None
        else _any_spelling(paid.name, spelled)
        if paid
        else None
    )
    return (
        f"value: {{event: {event}, amount: value}}  # DECIDE: which events bring money, and in which column\n"
        if event
        else ""
    )


def _roles(guess: Guess, events: list[EventFacts]) -> str:
    convert, start = stage_inference.goal(events), stage_inference.start(events)
    if guess.event is None:
        return f"roles:\n  convert: {_bought(guess)}\n"
    spelled = stage_inference.spellings(events)
    lines = [
        f"  {role}: {_any_spelling(event.name, spelled)}"
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

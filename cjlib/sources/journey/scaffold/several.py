"""A first journey file from several files: each as events, feedback or customers, whose ids meet where, and one set of stages over all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from cjlib.errors import CjlibError, DataError, listed, shown
from cjlib.sources.feedback.values import SCORES
from cjlib.sources.identity.options import CUSTOMER
from cjlib.sources.journey import journey_from_text
from cjlib.sources.journey.scaffold import events_lines, stage_inference, stages_and_questions
from cjlib.sources.journey.scaffold.column_inference import Guess, columns_of
from cjlib.sources.journey.scaffold.feedback_inference import (
    Opinions,
    feedback_section,
    holds_texts,
    is_survey,
    opinions_of,
)
from cjlib.sources.journey.scaffold.profile import Column, Look
from cjlib.sources.journey.scaffold.yaml_lines import RENAMED, decide, file_lines, quoted, relative

_WHOLE = re.compile(r"^(\d+)\.0$")
SHARED = 0.2
"""The share of the fewer ids of two columns that must be the same ids for the columns to mean the same people."""
NEARLY_ALL = 0.95
ENOUGH = 5
FEWEST = 8
_ANONYMOUS = re.compile(r"anon|visitor|cookie|device|session|client|distinct|browser|fingerprint", re.IGNORECASE)  # fmt: skip
_PERSON = re.compile(r"customer|user|account|member|client|person|kunde|contact|login|buyer|guest|visitor|id$", re.IGNORECASE)  # fmt: skip


@dataclass(eq=False)
class Part:
    """A file, and what it was taken for: events where there is a guess of who and when, feedback where there are opinions, else customers; `who` is its column of ids."""

    file: Path
    look: Look
    who: str = ""
    guess: Guess | None = None
    opinions: Opinions | None = None
    ids: dict[str, str] = field(default_factory=dict)
    """Its columns of ids, each with its name in the log."""

    name: str = ""
    """What the column `source` says."""

    @cached_property
    def id_sets(self) -> dict[str, frozenset[str]]:
        """The values of every column that could hold ids, addresses in small letters."""
        fitting = [
            column
            for column in self.look.columns
            if column.distinct >= FEWEST
            and column.time_kind is None
            and column.share_token > 0.9
            and (column.share_number < 0.5 or _PERSON.search(column.name))
        ]
        return {column.name: _compared(self.look.values(column)) for column in fitting}

    def values(self, name: str) -> frozenset[str]:
        """The ids of a column."""
        return self.id_sets.get(name) or _compared(self.look.values(self.column(name)))

    def column(self, name: str) -> Column:
        """A column by its name."""
        return next(one for one in self.look.columns if one.name == name)


def _compared(ids: Iterable[str]) -> frozenset[str]:
    """Ids as they are compared: addresses in small letters, whole numbers of a workbook without their point."""
    return frozenset(_WHOLE.sub(r"\1", one.lower() if "@" in one else one) for one in ids)


def journey_of_several(files: Sequence[Path], home: Path, feedback: Sequence[Path] = ()) -> str:
    """A first journey file, as YAML text, from several files.

    A file is feedback where its columns are those of a survey or reviews, customers where each of its ids stands once and is a customer of
    another file, else events. Columns of two files that hold the same ids are one column of ids; what that joins is marked `DECIDE`. Stages
    and questions are those of all events together, as the reader reads them.

    Parameters
    ----------
    files
        The files, the most important one first.
    home
        The folder of the journey file.
    feedback
        Files that are feedback whatever they look like.

    Raises
    ------
    DataError
        A file cannot be read, or is none of the three; or no file holds events.
    """
    parts = [_part(file, told=False) for file in files]
    parts += [_part(file, told=True) for file in feedback]
    _name(parts)
    customers = _table_of_customers(parts)
    events = [part for part in parts if part.guess is not None and part is not customers]
    if not events:
        raise DataError(
            f"init: none of {listed(str(part.file) for part in parts)} holds events: rows that say who, what and when. Give one that does."
        )
    tables = [] if customers is None else [customers]
    known = _linked([*tables, *events])
    answers = [part for part in parts if part.opinions is not None]
    text = "\n".join(
        [
            _head(parts),
            "sources:",
            *_events(events, home),
            *_answers(answers, [*tables, *events], home),
            *_table(tables, home),
            "",
            *_identities(known),
        ]
    )
    return f"{text}\n{_stages(text, home)}"


def _name(parts: Sequence[Part]) -> None:
    """Call each file by its name; two of one name by their folders too."""
    stems = [part.file.name.split(".")[0] or part.file.name for part in parts]
    for part, stem in zip(parts, stems, strict=True):
        written = stem if stems.count(stem) == 1 else f"{part.file.resolve().parent.name} {stem}"
        part.name = re.sub(r"[_-]+", " ", written).strip()
    names = [part.name for part in parts]
    for position, part in enumerate(parts, start=1):
        if names.count(part.name) > 1:
            part.name = f"{part.name} {position}"


# ---- what each file is ------------------------------------------------------------------------------------------------


def _part(file: Path, *, told: bool) -> Part:
    """A file as what it looks like; one that was told is feedback."""
    look = Look(file, "feedback" if told else "events")
    if told or (look.preset is None and (is_survey(look) or holds_texts(look))):
        look = Look(file, "feedback")
        return Part(file, look, opinions=opinions_of(look))
    if look.preset is not None:
        guess = columns_of(look, customer=CUSTOMER, event="event", time="timestamp")
        return Part(file, look, guess.customer.name, guess)
    try:
        guess = columns_of(look)
    except DataError:
        guess = None
    if guess is None or guess.event is None or "event" in guess.doubts:
        opinions = _opinions(look, scored=guess is not None and guess.event is not None)
        if opinions is not None:
            return Part(file, look, opinions=opinions)
    if guess is None:
        return Part(file, look)
    return Part(file, look, guess.customer.name, guess)


def _opinions(look: Look, *, scored: bool) -> Opinions | None:
    """The answers that a file holds: a score that is called so, or, where it need not be `scored`, texts of people."""
    try:
        found = opinions_of(look)
    except DataError:
        return None
    needed = {*SCORES} if scored else {"text", *SCORES}
    return found if needed & set(found.columns) else None


def _table_of_customers(parts: Sequence[Part]) -> Part | None:
    """The file that is a table of customers: an id a row, most of which are ids of another file; what is neither that nor anything else is refused."""
    found = None
    for part in parts:
        if part.opinions is not None or (part.guess is not None and part.guess.event is not None):
            continue
        others = [other for other in parts if other is not part and other.guess is not None]
        unique = [
            column.name for column in part.look.columns if column.distinct >= 0.95 * part.look.rows
        ]
        met = [
            name
            for name in unique
            if any(_same(part, name, other) == other.who for other in others)
        ]
        if met and found is None:
            part.who, found = met[0], part
        elif part.guess is None:
            raise DataError(
                f"init: {shown(str(part.file))} has neither who and when, as events have, nor scores or texts, as feedback has, nor the customers of another file, one a row. "
                "Leave it out, or name its columns in the journey file."
            )
    return found


# ---- whose ids meet ---------------------------------------------------------------------------------------------------


def _shared(one: frozenset[str], other: frozenset[str]) -> bool:
    common = len(one & other)
    return common >= ENOUGH and common >= SHARED * min(len(one), len(other))


def _same(part: Part, column: str, other: Part) -> str | None:
    """The column of another file with the same ids, its customer first."""
    ids = part.values(column)
    names = [other.who, *(name for name in other.id_sets if name != other.who)]
    return next((name for name in names if name and _shared(ids, other.values(name))), None)


def _parts_of_one(part: Part, base: Part) -> bool:
    """Whether two files are parts of one log, cut by time: the same columns, or one name of the customer and at least one of them in both."""
    columns = [{column.name for column in one.look.columns} for one in (part, base)]
    ids = [one.values(one.who) for one in (part, base)]
    return part.who == base.who and (columns[0] == columns[1] or not ids[0].isdisjoint(ids[1]))


def _linked(parts: Sequence[Part]) -> dict[str, list[str]]:
    """Name the columns of ids after those of the first file; the columns that join people beyond `customer_id`, with the reason for each."""
    base, *others = parts
    base.ids = {base.who: CUSTOMER}
    joins: dict[str, list[str]] = {}
    for part in others:
        mine = [part.who, *(name for name in part.id_sets if name != part.who)]
        link = next(((name, theirs) for name in mine if (theirs := _same(part, name, base))), None)
        link = (part.who, base.who) if link is None and _parts_of_one(part, base) else link
        own = f"{part.name.replace(' ', '_')}_id" if part.who in (CUSTOMER, *base.ids) else part.who
        if link is None:
            part.ids = {part.who: own}
            joins.setdefault(own, []).append(
                f"nothing in {part.file.name} is an id of {base.file.name}, so whoever is in both counts twice"
            )
            continue
        name, theirs = link
        ours = base.ids.setdefault(theirs, theirs)
        part.ids = {name: ours}
        if ours != CUSTOMER:
            joins.setdefault(ours, []).append(
                f"{name} of {part.file.name} holds ids that stand in {theirs} of {base.file.name}"
            )
        if name == part.who:
            continue
        if part.look.preset is None and part.column(name).values >= NEARLY_ALL * part.look.rows:
            # Every row has the id of a person, so what was taken for one is a ticket, an order or the like.
            part.who, part.guess = name, columns_of(part.look, customer=name)
            continue
        part.ids[part.who] = own
        joins.setdefault(own, []).append(
            f"rows of {part.file.name} with {name} and {part.who} join them"
        )
    return joins


def _identities(joins: dict[str, list[str]]) -> list[str]:
    if not joins:
        return []
    known = [name for name in joins if not _ANONYMOUS.search(name)]
    anonymous = [name for name in joins if name not in known]
    lines = ["identities:"]
    for kind, names in (("known", known), ("anonymous", anonymous)):
        if names:
            why = "; ".join(reason for name in names for reason in joins[name])
            lines.append(
                f"  {kind}: [{', '.join(map(quoted, names))}]{decide(f'{why} (docs/identity.md)')}"
            )
    return lines


# ---- the text ---------------------------------------------------------------------------------------------------------


def _head(parts: Sequence[Part]) -> str:
    made = ", ".join(f"{quoted(part.file.name)} ({part.look.rows:,} rows)" for part in parts)
    return (
        f"# A first journey file, made from {made}. It can be used as it is.\n"
        "# Guesses come from the data; lines marked DECIDE need a person. `cj check` reads everything and says what does not fit.\n\n"
        "name: My business  # DECIDE: its name\n"
        "timezone: UTC  # DECIDE: the business's zone, such as Europe/Berlin; a source that writes another one gets a timezone of its own\n"
    )


def _events(events: Sequence[Part], home: Path) -> list[str]:
    lines = ["  events:"]
    for part in events:
        assert part.guess is not None
        own = events_lines(part.look, part.guess, relative(part.file, home), part.ids)
        lines += [f"    - name: {quoted(part.name)}", *(f"  {line}" for line in own)]
    return lines


def _answers(answers: Sequence[Part], others: Sequence[Part], home: Path) -> list[str]:
    ids = {
        value
        for part in others
        for name in part.ids
        for value in part.look.values(part.column(name))
    }
    lines = ["  feedback:"] if answers else []
    for part in answers:
        own = feedback_section(part.look, opinions_of(part.look, ids), relative(part.file, home))
        several = [f"    - name: {quoted(part.name)}", *(f"  {line}" for line in own)]
        lines += several if len(answers) > 1 else own
    return lines


def _table(customers: Sequence[Part], home: Path) -> list[str]:
    lines = []
    for part in customers:
        lines += ["  customers:", *file_lines(part.look, relative(part.file, home))]
        renamed = [
            f"      {quoted(theirs)}: {quoted(ours)}"
            for theirs, ours in part.ids.items()
            if theirs != ours
        ]
        lines += [RENAMED, *renamed] if renamed else []
    return lines


def _stages(text: str, home: Path) -> str:
    """Stages and questions of all events, as the reader reads them."""
    draft = journey_from_text(f"{text}\nstages: [{{name: All}}]\n", folder=home)
    log = draft.read_events(identities="declared")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "events.parquet"
        log.engine.connection.sql("SELECT * FROM events").write_parquet(str(file))
        look = Look(file)
        try:
            guess = columns_of(look, customer=CUSTOMER, event="event", time="timestamp")
        except CjlibError as fault:
            raise DataError(
                f"init: the events of all files together cannot be read: {fault}"
            ) from None
        return stages_and_questions(look, guess, stage_inference.facts(look, guess))

"""A first journey file from dbt's manifest: which of its sources and models holds the events, judged by the names and types of columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cjlib.errors import CjlibError, DataError, not_one_of, shown
from cjlib.sources.connect.files import text_of
from cjlib.sources.journey.scaffold.column_inference import (
    CHANNEL_WORDS,
    CUSTOMER_WORDS,
    LOADED_WORDS,
    MONEY_WORDS,
    NO_TIME_WORDS,
    NOT_CUSTOMER,
    PLAINLY_CUSTOMER,
    PLAINLY_EVENT,
)
from cjlib.sources.journey.scaffold.profile import TIME_WORDS
from cjlib.sources.journey.scaffold.yaml_lines import RENAMED, decide, quoted

_OF_EVENTS = r"event|track|activit|click|page|log\b|action"
_OF_CUSTOMERS = r"customer|client|user|account|member|person|contact|subscriber"
_OF_FEEDBACK = r"feedback|survey|review|nps|csat|response|rating|ticket_comment"
_TEXTS = r"comment|text|body|message|review|verbatim|feedback"
_SCORES = r"(^|_)(nps|csat|ces|rating|stars?)(_|$)"
_TIME_TYPES = r"time|date"
MOST_NAMED = 5


@dataclass(frozen=True)
class Table:
    """A source or model of the manifest: where it lies, its columns with their types, and the values that tests allow."""

    name: str
    place: str
    columns: Mapping[str, str]
    values: Mapping[str, list[str]] = field(default_factory=dict)

    def best(self, words: str, against: str = "$^", among: Iterable[str] | None = None) -> str:
        """The first column whose name holds one of the words and none of the others; "" where there is none."""
        fitting = (
            name
            for name in (self.columns if among is None else among)
            if re.search(words, folded(name)) and not re.search(against, folded(name))
        )
        return next(fitting, "")

    @property
    def customer(self) -> str:
        """The column of the customer."""
        plain = [name for name in self.columns if PLAINLY_CUSTOMER.fullmatch(folded(name))]
        return plain[0] if plain else self.best(CUSTOMER_WORDS, NOT_CUSTOMER)

    @property
    def time(self) -> str:
        """The column of when; of several the one that is not about loading."""
        typed = [name for name, kind in self.columns.items() if re.search(_TIME_TYPES, kind)]
        not_loaded = rf"{NO_TIME_WORDS}|{LOADED_WORDS}"
        named = self.best(TIME_WORDS, not_loaded, typed or None)
        return named or next(iter(typed), "")

    @property
    def event(self) -> str:
        """The column of what happened."""
        plain = [name for name in self.columns if PLAINLY_EVENT.fullmatch(folded(name))]
        return plain[0] if plain else self.best(r"event(?!.*(id|time|date|_at))|action|activity")

    @property
    def likeness(self) -> int:
        """How much it looks like a log of events; 0 for one that cannot be."""
        if not self.customer or not self.time:
            return 0
        return 1 + 2 * bool(self.event) + 2 * bool(re.search(_OF_EVENTS, folded(self.name)))


def folded(name: str) -> str:
    """A name in small letters, its words apart."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold()


def from_dbt(manifest: str | Path, table: str = "") -> str:
    """A first journey file, as YAML text, from dbt's `target/manifest.json`.

    Looks at the names and types of the columns of every source and model; no data is read. The events are the table with a customer, a time,
    a column of what happened, and a name that says so; names of events are those that a test `accepted_values` allows. Whatever a person must
    decide is marked `DECIDE`. The text is a valid journey file.

    Parameters
    ----------
    manifest
        The file.
    table
        The source or model of events, where the guess would be wrong.

    Raises
    ------
    DataError
        The file is no manifest, or holds no table that could be the events.
    CjlibError
        No table is called `table`.
    """
    tables = _tables(Path(manifest))
    events = _events(tables, table)
    rest = [one for one in tables if one is not events]
    names = events.values.get(events.event, [])
    parts = [
        _head(Path(manifest)),
        _source("events", events, _renamed_events(events)),
        _others(events, rest),
        _stages(names),
        _funnel(names),
        "retention: {start: any, return: any, period: week}  # DECIDE: which event means that a customer came back\n",
        "churn: {inactive: 30D}  # DECIDE: the silence that means a customer has left, or event: the one of leaving\n",
        _value(events, names),
    ]
    return "\n".join(part for part in parts if part)


# ---- reading -----------------------------------------------------------------------------------------------------


def _tables(file: Path) -> list[Table]:
    try:
        content = json.loads(text_of(file))
        nodes = [*content["sources"].values(), *content["nodes"].values()]
        kept = [node for node in nodes if node.get("resource_type") in ("source", "model", "seed")]
        return [_table(one, _allowed(one["unique_id"], nodes)) for one in kept]
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise DataError(
            f"--from-dbt: {shown(str(file))} is no manifest of dbt. Give target/manifest.json, which dbt parse, compile or run writes."
        ) from None


def _table(node: Mapping[str, Any], values: Mapping[str, list[str]]) -> Table:
    columns = {
        str(one.get("name", key)): str(one.get("data_type") or "").casefold()
        for key, one in node["columns"].items()
    }
    name = node.get("identifier") or node.get("alias") or node["name"]
    place = ".".join(part for part in (node.get("schema"), name) if part)
    return Table(str(node["name"]), place, columns, values)


def _allowed(table: str, nodes: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Column → the values that a test of this table allows."""
    allowed = {}
    for node in nodes:
        test = node.get("test_metadata") or {}
        attached = (
            node.get("attached_node") or next(iter(node["depends_on"]["nodes"]), "") if test else ""
        )
        if test.get("name") == "accepted_values" and attached == table:
            arguments = {**test["kwargs"], **test["kwargs"].get("arguments", {})}
            allowed[str(arguments["column_name"])] = [str(value) for value in arguments["values"]]
    return allowed


def _events(tables: list[Table], wanted: str) -> Table:
    if wanted:
        found = [table for table in tables if wanted in (table.name, table.place)]
        if not found:
            raise not_one_of("--table", wanted, [table.name for table in tables])
        if not found[0].customer or not found[0].time:
            raise CjlibError(
                f"--table: {shown(wanted)} has no column that could be the customer or none that could be the time. Its columns in the manifest: {', '.join(map(shown, found[0].columns)) or 'none; describe them in a YAML file of the project'}."
            )
        return found[0]
    likely = max(tables, key=lambda one: one.likeness, default=None)
    if likely is None or likely.likeness == 0:
        raise DataError(
            "--from-dbt: no source or model has a column that could be the customer and one that could be the time. "
            "The manifest holds only columns that the project describes: run dbt docs generate's sources through YAML, or name the table with --table."
        )
    return likely


# ---- writing -----------------------------------------------------------------------------------------------------


def _head(file: Path) -> str:
    return (
        f"# A first journey file, made from dbt's {quoted(file.name)}. Guesses come from names and types of columns; no data was read.\n"
        "# Lines marked DECIDE need a person. `cj check` reads everything and says what does not fit.\n\n"
        "name: My business  # DECIDE\n"
        "timezone: UTC  # DECIDE: the business's zone, such as Europe/Berlin\n\n"
        "sources:"
    )


def _source(key: str, table: Table, renamed: Mapping[str, str]) -> str:
    url = '    url: "${WAREHOUSE_URL}"  # DECIDE: set it to an SQLAlchemy URL, such as postgresql+psycopg://reader:…@host/shop'
    lines = [f"  {key}:", url, f"    table: {quoted(table.place)}"]
    names = [
        f"      {quoted(theirs)}: {ours}{decide(f'the {ours}?')}"
        for theirs, ours in renamed.items()
        if theirs != ours
    ]
    return "\n".join([*lines, *([RENAMED, *names] if names else [])])


def _renamed_events(table: Table) -> dict[str, str]:
    renamed = {table.customer: "customer_id", table.time: "timestamp"}
    renamed |= {table.event: "event"} if table.event else {}
    rest = [name for name in table.columns if name not in renamed]
    channel, money = table.best(CHANNEL_WORDS, among=rest), _money(table)
    renamed |= {channel: "channel"} if channel else {}
    return renamed | ({money: "value"} if money and money not in renamed else {})


def _money(table: Table) -> str:
    return table.best(MONEY_WORDS, r"(^|_)id(_|$)|count|quantity")


def _others(events: Table, rest: list[Table]) -> str:
    """Customers and feedback, where a table looks like them; and what else could be the events."""
    lines = (
        []
        if events.event
        else [
            "    event: activity  # DECIDE: no column names an event, so every row is one of these"
        ]
    )
    people = [
        one
        for one in rest
        if re.search(_OF_CUSTOMERS, folded(one.name)) and one.customer and not one.event
    ]
    answers = [
        one
        for one in rest
        if re.search(_OF_FEEDBACK, folded(one.name))
        and one.time
        and (one.best(_TEXTS) or one.best(_SCORES))
    ]
    if answers:
        lines.append(_source("feedback", answers[0], _renamed_feedback(answers[0])))
    if people:
        lines.append(_source("customers", people[0], {people[0].customer: "customer_id"}))
    further = sorted((one for one in rest if one.likeness > 1), key=lambda one: -one.likeness)
    if further:
        named = ", ".join(one.place for one in further[:MOST_NAMED])
        lines.append(
            f"  {decide(f'could also hold events: {named}. cj init --from-dbt FILE --table NAME').strip()}"
        )
    return "\n".join(lines) + "\n"


def _renamed_feedback(table: Table) -> dict[str, str]:
    renamed = {table.time: "timestamp"}
    renamed |= {table.customer: "customer_id"} if table.customer else {}
    text = table.best(_TEXTS, r"id\b|_id|type|lang", [n for n in table.columns if n not in renamed])
    return renamed | ({text: "text"} if text else {})


def _stages(names: list[str]) -> str:
    listed = "".join(f"\n      - {quoted(name)}" for name in names) if names else " []"
    why = "names, order, and which events belong together"
    unknown = "" if names else ". The manifest names no events; cj check lists them"
    return f"stages:  # DECIDE: {why}{unknown}\n  - name: Journey\n    touchpoints:{listed}\n"


def _funnel(names: list[str]) -> str:
    if len(names) < 2:
        return "# funnels: {main: {steps: [first, last], window: 14D}}  # DECIDE: once the names of events are known\n"
    steps = f"[{quoted(names[0])}, {quoted(names[-1])}]"
    return f"funnels:\n  main:\n    steps: {steps}  # DECIDE: the manifest does not say in which order things happen\n    window: 14D  # DECIDE: longest time from the first step to the last\n"


def _value(events: Table, names: list[str]) -> str:
    if not _money(events):
        return ""
    paid = next(
        (n for n in names if re.search(r"purchas|pay|order|bought|subscri", n.casefold())), ""
    )
    if not paid:
        return "# value: {event: purchase, amount: value}  # DECIDE: which event brings money\n"
    return f"value: {{event: {quoted(paid)}, amount: value}}  # DECIDE: which events bring money, and in which column\n"

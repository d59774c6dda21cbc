"""A first journey file from a table of customers: one row each, no events, and a column that says who left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cjlib.errors import listed
from cjlib.sources.journey.scaffold.column_inference import (
    called_customer,
    folded,
    given_column,
    time_column,
)
from cjlib.sources.journey.scaffold.feedback_inference import feedback_lines
from cjlib.sources.journey.scaffold.profile import Column, Look
from cjlib.sources.journey.scaffold.yaml_lines import (
    RENAMED,
    file_lines,
    head,
    in_one_line,
    quoted,
    relative,
)

MOST_OUTCOMES = 5
_OURS = ("customer_id", "churned", "cutoff")
_UNDERSTOOD = {"yes", "no", "true", "false", "1", "0", "y", "n", "t", "f"}
_YES = {"yes", "true", "1", "y", "t"}
_YES_ABROAD = {"ja", "oui", "si", "sí", "sim"}
_LEFT = re.compile(
    r"churn|attrit|exited|(^|_)(left|lost|quit|gone|leaver|cancel|cancell?ed|terminated|closed|lapsed|departed|unsubscribed|inactive)(_|$)|kündig|kuendig|abgewander|r[ée]sili|(^|_)baja(_|$)"
)
_STAYED = re.compile(
    r"(^|_)(active|retained|stayed|aktiv|actif|activo)(_(member|customer|user|flag|kunde))?$"
)
_NO_OUTCOME = re.compile(
    r"reason|score|prob|predict|forecast|risk|grund|hand|order|ticket|categor|kategor"
)
_LEFT_VALUE = re.compile(
    r"churn|\bleft\b|\blost\b|\bgone\b|attrit|exited|cancel|terminat|closed|inactiv|lapsed|former|unsubscribed|gek[üu]e?ndigt"
)
_NOT_LEFT_VALUE = re.compile(r"\b(not?|non|never)\b")
_PERIOD = re.compile(r"month|annual|year|week|quarter|monat|jahr|mensu|\bper_|_per_")
_PAID = re.compile(
    r"charge|fee|price|amount|revenue|spend|payment|premium|bill|value|betrag|preis|beitrag|umsatz|gebühr"
)
_RECURRING = re.compile(r"(^|_)(mrr|arr|arpu)(_|$)")
_NO_PAID = re.compile(r"total|sum|cumul|lifetime|income|salary|balance|count|number|_id$")


@dataclass(frozen=True)
class Outcome:
    """The column that says who left, the value that means it (`positive` is None where that is understood), and how sure that is: 0 surest."""

    column: Column
    left: str
    positive: str | None
    rows: int
    doubt: int


@dataclass(frozen=True)
class Customers:
    """A table of customers: who (None: nobody is named), the columns that say who left, likeliest first, and those of money per period."""

    customer: Column | None
    outcomes: tuple[Outcome, ...]
    amounts: tuple[Column, ...]


def customers_of(look: Look, customer: str | None = None) -> Customers | None:
    """A file as a table of customers, or None where it does not look like one.

    A column of two to five values says who left by its name, or by one of its values; where only the name of the opposite stands there (active), the value of no. A
    column that is called a customer's id must be (nearly) unique. Where a column holds times, or only a value says who left, there must be such an id, since events too can have a
    column of that kind.
    """
    who = given_column(look, "customer", customer) or _named_customer(look)
    if who is not None and who.distinct < 0.95 * look.rows:
        return None
    found = [
        outcome
        for column in look.columns
        if column is not who
        for outcome in [_outcome(look, column)]
        if outcome is not None
    ]
    if who is None:
        found = (
            []
            if time_column(look) is not None
            else [outcome for outcome in found if outcome.doubt < 2]
        )
    if not found:
        return None
    ranked = sorted(found, key=lambda outcome: outcome.doubt)
    money = sorted(
        (column for column in look.columns if _paid_per_period(column)),
        key=lambda column: len(column.name),
    )
    return Customers(who, tuple(ranked), tuple(money))


def _named_customer(look: Look) -> Column | None:
    named = [column for column in look.columns if called_customer(look, column)]
    return max(named, key=lambda column: column.distinct, default=None)


def _outcome(look: Look, column: Column) -> Outcome | None:
    """What a column says of who left; None where it says nothing of it."""
    name = re.sub(r"\W+", "_", folded(column))
    if not 2 <= column.distinct <= 2 * MOST_OUTCOMES or _NO_OUTCOME.search(name):
        return None
    one = column.place
    rows = look.engine.rows(
        f"SELECT {one}, count(*) FROM looked WHERE {one} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    written = {_word(value): value for value, _ in reversed(rows)}
    counts = {word: sum(n for value, n in rows if _word(value) == word) for word in written}
    if not 2 <= len(written) <= MOST_OUTCOMES:
        return None
    said = _which_left(name, written, counts)
    if said is None:
        return None
    word, positive, doubt = said
    if doubt and column.missing > 0.3 * look.rows:
        return None  # such as a kind of complaint, known of those who left
    return Outcome(column, written[word], written[word] if positive else None, counts[word], doubt)


def _which_left(
    name: str, written: dict[str, str], counts: dict[str, int]
) -> tuple[str, bool, int] | None:
    """The word of those who left, whether the file must name it, and the doubt about it."""
    plain = set(written) <= _UNDERSTOOD and len(set(written) & _YES) == 1
    left = [
        word for word in written if _LEFT_VALUE.search(word) and not _NOT_LEFT_VALUE.search(word)
    ]
    if plain and _STAYED.search(name):
        return next(word for word in written if word not in _YES), True, 3
    if plain and _LEFT.search(name):
        return next(word for word in written if word in _YES), False, 0
    if len(left) == 1:
        return left[0], True, 1 if _LEFT.search(name) else 2
    if _LEFT.search(name) and len(written) == 2 and not plain:
        return min(written, key=lambda word: (word not in _YES_ABROAD, counts[word], word)), True, 1
    return None


def _word(value: str) -> str:
    return re.sub(r"\.0+$", "", value.casefold())


def _paid_per_period(column: Column) -> bool:
    name = re.sub(r"\W+", "_", folded(column))
    called = _RECURRING.search(name) or (_PERIOD.search(name) and _PAID.search(name))
    return (
        bool(called)
        and not _NO_PAID.search(name)
        and column.share_number > 0.95
        and column.distinct > MOST_OUTCOMES
    )


# ---- the file ----------------------------------------------------------------------------------------------------


def customers_alone(look: Look, found: Customers, home: Path, feedback: Path | None) -> str:
    """A first journey file of a table of customers, as YAML text."""
    said = "  # events: events.csv  # who did what, and when: without it only the questions about leaving can be asked\n"
    if feedback is not None:
        said = feedback_lines(feedback, home, _ids(look, found)) + said
    stages = (
        "stages:  # DECIDE: which phases customers walk through. A table shows one moment, so one stage is enough to begin with\n"
        "  - name: Customers\n"
        "    # What people know goes here: owner: Marketing, goal: What the customer wants here.\n"
    )
    return "\n".join(
        [
            head(look, None),
            _sources(look, found, home) + said,
            stages,
            _churn(look, found) + _value(found) + _COSTS,
        ]
    )


_COSTS = "# costs: {contact: 1, offer: 10}  # what it costs to contact a customer, and what is offered: for the list of whom to contact\n"


def _ids(look: Look, found: Customers) -> set[str]:
    if found.customer is None:
        return set()
    return set(look.values(found.customer))


def _sources(look: Look, found: Customers, home: Path) -> str:
    lines = [
        "sources:",
        "  customers:  # one row each",
        *file_lines(look, relative(look.path, home)),
    ]
    used = [found.outcomes[0].column.name, *([found.amounts[0].name] if found.amounts else [])]
    renamed = {} if found.customer is None else {found.customer.name: "customer_id"}
    renamed |= {
        column.name: f"source_{column.name}"
        for column in look.columns
        if column.name in _OURS and column.name not in (*used, *renamed)
    }
    if any(theirs != ours for theirs, ours in renamed.items()):
        lines += [
            RENAMED,
            *(
                f"      {quoted(theirs)}: {ours}"
                for theirs, ours in renamed.items()
                if theirs != ours
            ),
        ]
    if found.customer is None:
        lines.append(
            "    # DECIDE: no column is called a customer's id, so customers are numbered by row; name it: cj init FILE --customer COLUMN"
        )
    elif found.customer.distinct < look.rows:
        lines.append(
            f"    # DECIDE: {look.rows - found.customer.distinct:,} of {look.rows:,} rows have no id, or one that another row has: one row a customer is expected"
        )
    return "\n".join(lines) + "\n"


def _churn(look: Look, found: Customers) -> str:
    top, *others = found.outcomes
    positive = f", positive: {quoted(top.positive)}" if top.positive is not None else ""
    why = (
        f"the column that says who left: {top.rows:,} of {look.rows:,} rows have {quoted(top.left)}"
    )
    if top.doubt == 3:
        why += ", as the name says the opposite. Is whoever is not active one who left?"
    elif top.doubt:
        why += ". Is it this value that means left? All others stayed"
    likewise = [other for other in others if other.doubt < 3]
    if likewise:
        why += f". {listed([one.column.name for one in likewise])} may say it too: leave out of the file what is only known afterwards"
    return f"churn: {{target: {quoted(top.column.name)}{positive}}}  # DECIDE: {in_one_line(why)}\n"


def _value(found: Customers) -> str:
    if not found.amounts:
        return "# value: {amount: COLUMN}  # DECIDE: the column that says what each customer brings; there seems to be none\n"
    top, *others = found.amounts
    also = f"; or {listed([other.name for other in others])}" if others else ""
    return f"value: {{amount: {quoted(top.name)}}}  # DECIDE: what each customer brings a period{in_one_line(also)}. kept: 200 would say what it is worth that one stays\n"

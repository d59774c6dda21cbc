"""Which column of an unknown file is the customer, which the event, which the time: judged by content, names break ties."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cjlib.errors import CjlibError, DataError, listed, shown, unknown_column
from cjlib.show.numbers import count_of
from cjlib.sources.ingest.columns import MONEY
from cjlib.sources.ingest.parse_times import (
    DATE,
    EXCEL_SERIAL,
    INSTANT,
    ISO_WEEK,
    NAIVE,
    read_stamps,
    why_no_time,
)
from cjlib.sources.ingest.quality_report import (
    NOBODY_NUMBERS,
    NOBODY_WORDS,
    TEST_ADDRESS,
    TOO_OFTEN,
)
from cjlib.sources.journey.scaffold.profile import (
    NUMBERS,
    TIME_WORDS,
    Column,
    Look,
    in_two_orders,
)
from cjlib.sources.log.engine import literal

FEW_ROWS = 25
_FEW_VALUES = 15
CUSTOMER_WORDS = r"caller|msisdn|phone[_ ]?(no|nr|num)|custom|client|kund|user|nutzer|visitor|besucher|person|member|mitglied|account|konto|subscriber|abonn|contact|patient|case|fall|ticket|lead|usuario|utilisat|utente|klient|klant|gebruiker|uid|cust|distinct|anonym|email|mail|company|firma|organi[sz]ation|empresa|entreprise"
NOT_CUSTOMER = r"order|product|item|session|transact|invoice|categor|event|row|index|bestell|artikel|produkt|sitzung|rechnung|agent|resource|staff|bearbeiter|device|campaign|amount|price|sample|stage|status|phase|pipeline|owner|country|deal|lineitem"
PLAINLY_CUSTOMER = re.compile(
    r"(.*[_ .-])?(customers?|clients?|kunden?|users?|nutzer|visitors?|besucher|persons?|members?|mitglied|accounts?|subscribers?|cust|usuario|cliente|utilisateur|klient|klant|amplitude|e-?mail([_ .-]*addr(ess)?)?|reviewers?|respondents?)"
    r"[_ .-]*(pseudo[_ .-]*)?(id|no|nr|num|number|nummer|key|uuid|guid|hash|code)?[.#]?|uid|(distinct|anonymous)[_ .-]*id"
)
_HOW_MANY = re.compile(
    r"(.*[_ .-])?(users|visitors|customers|clients|kunden|nutzer|besucher|members|mitglieder|subscribers|accounts|persons|people|viewers|buyers|shoppers|contacts"
    r"|usuarios|clientes|visitantes|utilisateurs|visiteurs|utenti|clienti|klanten|gebruikers)([_ .-]*(count|total))?"
)
PLAINLY_EVENT = re.compile(
    r"(event|action|activity|ereignis|vorgang|aktion|aktivität|acción|azione|ação|evento|événement)s?[_ .-]*(name|type|typ)?"
)
_EVENT_WORDS = r"event|action|activit|aktion|aktivit|ereignis|schritt|step|vorgang|accion|acción|actividad|événement|evenement|activité|azione|gebeurtenis|handeling|type|typ|name|what"
_NEVER_EVENT = re.compile(
    r"line_?\W?item|product|produkt|artikel|(^|\W|_)(item|sku|stock_?code|owner|assignee|manager|quantity|currency|coupon|discount)(\W|_|$)|descri|(first|last|middle|full|sur|nick|given|family|display)[_ -]?name|vorname|nachname"
)
_NO_EVENT_WORDS = r"statut|estado|stato\b|état|canal|lifecycle|resource|channel|kanal|platform|device|country|land|browser|status|plan|segment|cohort|brand|categor|product|produkt|artikel|item|stock|sku|code|source|agent|user|custom|kund|gerät|subject|betreff|comment|kommentar|note|notiz|descri|message|feedback|review|verbatim|bewertung|antwort|nachricht|opinion|commentaire|comentario|region|city|currency|gender"
SCORE_NAMES = re.compile(
    r"(^|[_ .])(nps|csat|ces|rating|score|stars?|satisf|recommend|bewertung|sterne|zufrieden|weiterempfehl|recomm|recomend|valoraci|puntuaci|calificaci|valutazion|punteggio|voto$|avaliaç|beoordeling|tevreden|ocena$)"
)
NO_TIME_WORDS = r"birth|geburt|update|modif|expire|sent(_|\b)|invit|deliver|due|end|ende|until|valid|load|ingest|process|import"
MONEY_WORDS = r"金額|сумма|цена|стоимость|value|amount|gross|brutto|price|revenue|total|sales|betrag|preis|umsatz|(?<!be)wert(?!ung)|summe|charge|importo|prezzo|kwota|valor(?!a)|prijs|dollar|euro|importe|precio|montant|prix|bedrag|cost"
CHANNEL_WORDS = r"channel|kanal|canal|medium|touch|utm_source|traffic_?source|referrer"
_QUANTITY_WORDS = r"quantit|(^|_)qty(_|$)|menge|anzahl|cantidad|quantité|(^|_)units?(_|$)"
_UNIT_PRICE = re.compile(r"unit|stück|einzel|price|preis|precio|prix")
_WHOLE_ORDER = r"total|sum|amount|betrag|revenue|umsatz|value|gross|brutto"
_PART_OF_ORDER = r"sub_?total|zwischensumme|refund|erstatt|tax|vat|steuer|fee|discount|rabatt|shipping|versand|expected|balance"
LOADED_WORDS = r"partition|arriv|snapshot|(^|_)(file|record|row|dw|raw|cdc|job|run)_|fivetran|airbyte|stitch|_sdc_|sync|insert|ingest|load|import|export|extract|etl|upload|received|_dbt_|profile|last_?seen|updated|modif|processed|collector|dwh|batch"
_PARTS_OF_MONEY = re.compile(r"cents?(_|$)|(^|_)(micros?|minor_?units?|pence|rappen|öre)(_|$)")
_CURRENCY_WORDS = re.compile(r"currency|währung|waehrung|devise|moneda|valuta")
_MESSAGE_ID = re.compile(
    r"[^a-z]*(message|insert|event|delivery|record|dedup\w*|idempotency)[_ ]*(id|key|uuid)"
)
_MOST_WITHOUT_ID = 0.3
_LEAST_IN_CENTS = 500
_UNDONE = re.compile(
    r".*(cancel|storn|refund|void|fail|declin|abandon|revers|reject|annul|erstatt|unpaid|chargeback|delet|lost\b|rembours|rimbors|devuel|reembols|anulad|anulow|terugbetaal|fehlgeschlagen|abgelehnt).*"
)
_STATE = re.compile(r"status|statut|estado|stato$|(^|_)state$|result|outcome|zustand")
_FLAGS = re.compile(
    r"[^a-z]*(is[_ ]?)?(test([_ ]?(mode|order|account|user|event))?|deleted|internal|employee|bot|spam|fraud\w*|cancell?ed|refunded|voided|disputed|fivetran[_ ]deleted|(?P<live>live[_ ]?mode))\??"
)
"""Columns of yes and no that say of a row that it is none of a customer's."""
_YES, _NO = (
    frozenset({"true", "yes", "ja", "1", "t", "y"}),
    frozenset({"false", "no", "nein", "0", "f", "n"}),
)
_YES_OR_NO = frozenset(
    {
        "true",
        "false",
        "yes",
        "no",
        "ja",
        "nein",
        "oui",
        "non",
        "sí",
        "si",
        "wahr",
        "falsch",
        "y",
        "n",
    }
)
_FEW_CUSTOMERS = 5
_MOST_TESTERS = 10
_FEW_EVENTS = 10
"""In more rows some event happens twice."""
_NAME = 0.3  # a name weighs less than any clear difference in content


@dataclass(frozen=True)
class Guess:
    """The columns that hold who, what and when; `event` is None where every row is the same kind of event."""

    customer: Column
    event: Column | None
    time: Column
    channel: Column | None
    amount: Column | None
    event_id: Column | None = None
    order: Column | None = None
    """What lines of one order have in common, where each has an amount of its own."""
    nobody: tuple[str, ...] = ()
    quantity: Column | None = None
    negative: Column | None = None
    no_money: Column | None = None
    """A column that is called as money is and holds text."""
    doubts: Mapping[str, str] = field(default_factory=dict)
    """What a person must decide of customer, event, time and amount, and why."""

    @property
    def mostly_once(self) -> bool:
        """Whether hardly a customer comes twice."""
        return self.customer.distinct >= 0.95 * self.customer.values


def named(column: Column, words: str, against: str = "$^") -> float:
    """What the name alone is worth."""
    name = folded(column)
    return _NAME * bool(re.search(words, name)) - _NAME * bool(re.search(against, name))


def folded(column: Column) -> str:
    """A column's name in small letters, its words apart."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.name).casefold()


def time_column(look: Look) -> Column | None:
    """The column of times: nearly all values are readable as times; of several, the one that is complete, fine and in the file's order."""
    scored = [
        (_time_score(look, column), any(":" in text for text in column.examples), -position, column)
        for position, column in enumerate(look.columns)
        if column.time_kind
    ]
    return max(scored, key=lambda one: one[:3])[3] if scored else None


def _time_score(look: Look, column: Column) -> float:
    fine = round(
        min(1.0, column.distinct / max(1, min(look.rows, 1000))), 1
    )  # a few equal times more or less decide nothing
    kind = {"iso": 0.5, "epoch": 0.2, "ymd": 0.3, "week": 0.1, "serial": 0.1}.get(
        column.time_kind or "", 0.4
    )
    loaded = 2.0 * bool(re.search(LOADED_WORDS, folded(column)))
    return (
        column.values / look.rows + fine + kind + named(column, TIME_WORDS, NO_TIME_WORDS) - loaded
    )


def add_times(look: Look, column: Column) -> None:
    """Add `at_`, seconds since 1970 as they are read in UTC, and `row_` to the table `looked`."""
    try:
        stamps = read_stamps(look.engine, column.place, "VARCHAR", written_dates(column))
    except CjlibError:
        stamps = None
    if stamps is not None:
        look.engine.execute(
            f"CREATE TABLE timed AS SELECT * EXCLUDE (form, w, k), CASE WHEN k IN ({NAIVE}, {DATE}, {INSTANT}) THEN w / 1e6 END AS at_, "
            f"row_number() OVER () AS row_ FROM (SELECT *, {stamps.w} AS w, {stamps.k} AS k FROM (SELECT *, {stamps.form} AS form FROM raw))"
        )
        look.engine.execute("DROP VIEW raw")
        look.engine.execute("DROP TABLE looked")
        look.engine.execute("ALTER TABLE timed RENAME TO looked")
        look.engine.execute("CREATE VIEW raw AS SELECT * FROM looked")
    if stamps is None or not look.engine.rows("SELECT count(at_) FROM looked")[0][0]:
        example = shown(column.examples[0]) if column.examples else "nothing"
        raise DataError(
            f"init: no value of {shown(column.name)} can be read as a time, such as {example}. A time is a date, with or without a clock, such as 2024-01-31 14:05. "
            "Name another column: cj init FILE --time COLUMN (time= in Python)."
        )


_DATES = {
    "day_first": "day_first",
    "month_first": "month_first",
    "either": "day_first",
    "serial": EXCEL_SERIAL,
    "week": ISO_WEEK,
}


def written_dates(column: Column) -> str | None:
    """The reader's word for how the times of a column are written, where that does not speak for itself."""
    return column.time_format or _DATES.get(column.time_kind or "")


def share_quarantined(look: Look, guess: Guess) -> float:
    """The share of rows that are broken, lack a customer, event or readable time, or repeat another one in every column."""
    needed = [
        column.place for column in (guess.customer, guess.event, guess.time) if column is not None
    ]
    empty = " OR ".join(f"{place} IS NULL" for place in [*needed, "at_"])
    if guess.nobody:
        empty += (
            f" OR {guess.customer.place} IN ({', '.join(literal(one) for one in guess.nobody)})"
        )
    lacking = look.engine.rows(f"SELECT count(*) FROM looked WHERE {empty}")[0][0]
    repeated = look.duplicates if guess.event is not None and guess.event_id is None else 0
    return (lacking + repeated + look.broken) / (look.rows + look.broken)


def columns_of(
    look: Look, *, customer: str | None = None, event: str | None = None, time: str | None = None
) -> Guess:
    """The best guess, of which any part may be given; an error where nothing could be the customer or the time."""
    when = given_column(look, "time", time) or time_column(look)
    if when is None:
        raise _nothing(look, "time", "whose values are dates or times")
    add_times(look, when)
    if customer is None:
        _no_counts(look)
    customers = _customers(look, when, given_column(look, "customer", customer))
    if not customers:
        raise _nothing(
            look,
            "customer",
            "whose values repeat, as the id of a customer does, nor one that is called so",
        )
    events = [given_column(look, "event", event)] if event else _events(look, customers)
    pairs = [
        (score + _event_score(look, what, who), what, who)
        for who, score in customers.items()
        for what in events
        if what and what not in (who, when)
    ]
    if event is not None and not pairs:
        raise CjlibError(
            f"init: {shown(event)} cannot be the event and the customer or the time at once. Name another column, or none."
        )
    top = max(
        pairs,
        key=lambda one: (one[0], -look.columns.index(one[1]), -look.columns.index(one[2])),
        default=None,
    )
    who = top[2] if top else next(iter(customers))
    what = top[1] if top else None
    rest = [column for column in look.columns if column not in (who, what, when)]
    quantity = next((column for column in rest if _is_quantity(column)), None)
    amounts = _amounts(_of_preset(look, rest))
    amount = amounts[0] if amounts and not (quantity and _of_one_piece(amounts[0])) else None
    one_event = _event_id(look, rest, who, what)
    lines = one_event is not None and _adds_up(look, one_event, amount)
    given = {"customer": customer, "event": event, "time": time}
    doubts = {
        "customer": _doubt_of_customer(look, who, customers),
        "event": _doubt_of_event(look, who, what, events, pairs),
        "time": doubt_of_time(look, when),
    }
    doubts = {name: why for name, why in doubts.items() if why and not given[name]}
    if amount is not None:
        doubts["amount"] = _doubt_of_amount(look, amount, amounts)
    negative = next(
        (column for column in (quantity, amount) if column and _share_negative(look, column)), None
    )
    return Guess(
        who,
        what,
        when,
        _channel(look, rest),
        amount,
        event_id=None if lines or (quantity and amount is None) else one_event,
        order=one_event if lines else None,
        nobody=nobody(look, who),
        quantity=quantity,
        negative=negative,
        no_money=None if amount else next(filter(_is_text_of_money, rest), None),
        doubts=doubts,
    )


def _no_counts(look: Look) -> None:
    """Refuse a report of days: numbers called as people are, at whole hours only, say how many there were."""
    counted = [
        column
        for column in look.columns
        if _HOW_MANY.fullmatch(folded(column))
        and column.examples
        and all(re.fullmatch(r"[0-9][0-9., '’\u00a0\u202f]*", text) for text in column.examples)
    ]
    others = [one for one in look.columns if one not in counted and called_customer(look, one)]
    whole = look.engine.rows("SELECT coalesce(bool_and(at_ % 3600 = 0), FALSE) FROM looked")[0][0]
    if counted and whole and not others:
        name = shown(counted[0].name)
        raise DataError(
            f"init: {shown(str(look.path))} is a report: {name} says how many there were, such as {shown(counted[0].examples[0])}. Journeys need a row an event: "
            f"who, what, when. Export the events themselves; if {name} does hold ids, say cj init FILE --customer COLUMN (customer= in Python)."
        )


def _is_text_of_money(column: Column) -> bool:
    """Whether a column is called as money is, and its texts hold digits, but are no numbers."""
    return (
        column.type == "VARCHAR"
        and not column.holds_objects
        and column.distinct > 1
        and not column.time_kind
        and _named_as_money(column)
        and any(re.search(r"\d", text) for text in column.examples)
    )


def _doubt_of_amount(look: Look, amount: Column, able: Sequence[Column]) -> str:
    """What a person must look at before sums of the amount are believed."""
    doubts = []
    if len(able) > 1:
        doubts.append(f"money too: {_names(able[1:])}. Which is what the customer paid?")
    coded = any(_CURRENCY_WORDS.search(folded(column)) for column in look.columns)
    if coded and not _PARTS_OF_MONEY.search(folded(amount)) and _could_be_cents(look, amount):
        doubts.append(
            "all are whole numbers of some size: programs of payments write cents. If these are cents, divide them in the file"
        )
    if _PARTS_OF_MONEY.search(folded(amount)):
        doubts.append("by its name in cents or other parts of the currency: divide it in the file")
    doubts += [
        f"{note.check} ({count_of(note.rows, 'row')}): {note.example}"
        for note in look.notes
        if note.check.startswith(f"{amount.name}: ") and not note.check.endswith("with signs")
    ]
    doubts += [
        f"{column.name} holds {listed(look.values(column), most=5)}: sums add them as they stand"
        for column in look.columns
        if column.distinct > 1 and not column.time_kind and _CURRENCY_WORDS.search(folded(column))
    ]
    return ". ".join(doubts)


def _could_be_cents(look: Look, amount: Column) -> bool:
    """Whether an amount is never broken, and usually of three digits and more."""
    number = look.numbers(amount)
    whole, usual = look.engine.rows(
        f"SELECT bool_and({number} = trunc({number})), median(abs({number})) FROM looked WHERE {number} <> 0"
    )[0]
    return bool(whole) and usual >= _LEAST_IN_CENTS


def _names(columns: Iterable[Column]) -> str:
    return listed([column.name for column in columns], most=5)


def _doubt_of_customer(look: Look, who: Column, able: Mapping[Column, float]) -> str:
    others = [column for column in able if column is not who and able[column] > able[who] - 0.75]
    if who.missing:
        share = f"{who.missing:,} of {look.rows:,} rows have none"
        return f"{share}{f'; or {_names(others)}?' if others else ''}"
    if who.distinct == 1:
        return f"all rows are of one: {shown(who.examples[0])}"
    if not called_customer(look, who):
        return f"its values repeat as those of a customer do; its name does not say so{f'. Or {_names(others)}?' if others else ''}"
    return f"or {_names(others)}, which could be the customer too?" if others else ""


def _doubt_of_event(
    look: Look,
    who: Column,
    what: Column | None,
    events: Sequence[Column | None],
    pairs: Sequence[tuple[float, Column, Column]],
) -> str:
    if what is None:
        return ""
    scores = {column: score for score, column, customer in pairs if customer is who}
    near = [
        column
        for column, score in scores.items()
        if column is not what and score > scores[what] - 0.5
    ]
    if what.distinct == 1:
        return f"every row says {shown(what.examples[0])}: is that what happened?"
    if not PLAINLY_EVENT.fullmatch(folded(what)):
        return f"its few values change within a customer; its name does not say so{f'. Or {_names(near)}?' if near else ''}"
    return f"or {_names(near)}, which changes within a customer too?" if near else ""


def doubt_of_time(look: Look, when: Column) -> str:
    """What a person must decide of the time; empty where there is no doubt, as where a preset says it."""
    if look.preset is not None:
        return ""
    others = [
        column
        for column in look.columns
        if is_further_time(column) and column is not when and 2 * column.values > look.rows
    ]
    if re.search(LOADED_WORDS, folded(when)):
        return "its name says when a row was loaded, not when it happened. Is there a better one?"
    if others:
        return f"times too: {_names(others)}. Which one says when it happened?"
    return ""


def is_further_time(column: Column) -> bool:
    """Whether a column holds times; a number is one only where its name says so, for ids have as many digits."""
    return column.time_kind is not None and (
        column.time_kind not in ("epoch", "ymd")
        or re.search(TIME_WORDS, folded(column)) is not None
    )


def _of_one_piece(column: Column) -> bool:
    """Whether an amount is by its name the price of one piece, and no total."""
    name = folded(column)
    whole = re.search(r"total|sum|amount|betrag", name) and not re.search(
        r"unit|stück|einzel", name
    )
    return _UNIT_PRICE.search(name) is not None and not whole


def _adds_up(look: Look, order: Column, amount: Column | None) -> bool:
    """Whether rows of one id have amounts that differ, so that one row of them is not worth all."""
    if amount is None:
        return False
    several, differing = look.engine.rows(
        f"SELECT count(*), count(*) FILTER (amounts > 1) FROM (SELECT count(*) AS n, count(DISTINCT {amount.place}) AS amounts "
        f"FROM looked WHERE {order.place} IS NOT NULL GROUP BY {order.place}) WHERE n > 1"
    )[0]
    return 2 * differing > several


def _is_quantity(column: Column) -> bool:
    return (
        column.type.endswith(NUMBERS)
        and not column.is_text
        and re.search(_QUANTITY_WORDS, folded(column)) is not None
    )


def _share_negative(look: Look, column: Column) -> float:
    if not column.type.endswith(NUMBERS):
        return 0.0
    number = look.numbers(column)
    return look.engine.rows(f"SELECT count(*) FILTER ({number} < 0) / count(*) FROM looked")[0][0]


def undone(look: Look, guess: Guess) -> dict[Column, list[str]]:
    """Columns of few values, and those that say that the row is a test, was taken back or came to nothing.

    Where events have names, only a column that is called as the state of a row is.
    """
    columns: dict[Column, list[str]] = {}
    for column in look.columns:
        if not 2 <= column.distinct <= _FEW_VALUES or column is guess.event:
            continue
        sign = _FLAGS.fullmatch(folded(column))
        found = [
            text
            for text in look.values(column)
            if (
                _UNDONE.fullmatch(text.casefold())
                and (guess.event is None or _STATE.search(folded(column)))
                and column.share_number < 0.5
            )
            or (sign and text.casefold() in (_NO if sign["live"] else _YES))
        ]
        if found and len(found) < column.distinct:
            columns[column] = found
    return columns


def nobody(look: Look, who: Column) -> tuple[str, ...]:
    """The ids that stand for nobody, by their word, or by a number that many rows have."""
    words = ", ".join(literal(word) for word in NOBODY_WORDS)
    numbers = ", ".join(literal(word) for word in NOBODY_NUMBERS)
    rows = look.engine.rows(
        f"SELECT {who.place}, lower({who.place}) IN ({words}), count(*) FROM looked "
        f"WHERE lower({who.place}) IN ({words}) OR {who.place} IN ({numbers}) GROUP BY 1, 2 ORDER BY 1"
    )
    testers = look.engine.rows(
        f"SELECT DISTINCT {who.place} FROM looked WHERE regexp_matches(lower({who.place}), {literal(TEST_ADDRESS)}) ORDER BY 1 LIMIT {_MOST_TESTERS + 1}"
    )
    few = len(testers) <= min(_MOST_TESTERS, who.distinct // 2)
    words = [value for value, word, n in rows if word or n > TOO_OFTEN * look.rows]
    return (*words, *(value for (value,) in testers if few))


def _event_id(
    look: Look, rest: Sequence[Column], who: Column, what: Column | None
) -> Column | None:
    """A column whose values repeat, each with one customer, event and time: a message sent twice, an order of several lines.

    One that is called the id of a message may have several times: those at which it was sent.
    """
    one_event = [who.place, *([what.place] if what else [])]
    for column in rest:
        called = _MESSAGE_ID.fullmatch(folded(column)) is not None
        if (
            column.distinct >= 0.98 * column.values
            or column.missing > (_MOST_WITHOUT_ID * look.rows if called else 0)
            or is_further_time(column)
            or _named_as_money(column)
        ):
            continue
        together = ", ".join(one_event if called else [*one_event, "at_"])
        one = column.place
        happened = look.engine.rows(
            f"SELECT count(*) FROM (SELECT DISTINCT {together} FROM looked WHERE at_ IS NOT NULL AND {one} IS NOT NULL)"
        )[0][0]
        if column.distinct < 0.95 * happened:
            continue
        apart = look.engine.rows(
            f"SELECT count(*) FROM (SELECT {one} FROM looked WHERE {one} IS NOT NULL GROUP BY {one} HAVING count(DISTINCT ({together})) > 1)"
        )[0][0]
        if column.share_token > 0.9 and apart <= 0.001 * column.distinct:
            return column
    return None


def given_column(look: Look, option: str, name: str | None) -> Column | None:
    """The column that the caller named."""
    found = [column for column in look.columns if column.name == name]
    if name is not None and not found:
        raise unknown_column(f"init {option}", name, [column.name for column in look.columns])
    return found[0] if found else None


def _nothing(look: Look, option: str, what: str) -> DataError:
    columns = listed((column.name for column in look.columns), most=20)
    near = no_times(look) if option == "time" else _damaged_ids(look)
    inside = "" if near else _rows_inside(look)
    if inside:
        return DataError(f"init: {shown(str(look.path))} has no column {what}, but {inside}")
    if near:
        return DataError(f"init: {shown(str(look.path))} has no column {what}: {near}.")
    if len(look.columns) == 1 and look.sheets:
        return DataError(
            f"init: the sheet {shown(look.sheets[0])} of {shown(str(look.path))} has one column only: {columns}. "
            "Who, what and when must stand in columns of their own, below one row of names."
        )
    if len(look.columns) == 1 and re.search(r"\w[,;\t|]\w", look.columns[0].name):
        return DataError(
            f"init: {shown(str(look.path))} has one column only, {columns}: its lines stand between quotes as a whole. "
            "Take the quotes at the beginning and the end of each line off, or export the file again."
        )
    if len(look.columns) == 1 and not look.columns[0].is_text:
        return DataError(
            f"init: {shown(str(look.path))} has one column only: {columns}. Between its fields must stand a comma, a semicolon, a tab or |. "
            "Write it again with one of these, or read it with pandas and give the DataFrame."
        )
    return DataError(
        f"init: {shown(str(look.path))} has no column {what}. Columns: {columns}. Name it: cj init FILE --{option} COLUMN ({option}= in Python). "
        "A table of customers, one row each, needs no such columns but one that says who left: two values such as yes and no, and a name such as churn, exited or "
        "cancelled; there is none, or customers repeat. Call it so, or write churn: {target: COLUMN} yourself (docs/journey.md). "
        "If the file holds comments, surveys or reviews: cj init --feedback FILE."
    )


def _rows_inside(look: Look) -> str:
    """What a column of lists or objects holds that should stand in columns, and what to do."""
    for column in look.columns:
        if column.examples and all(re.match(r"\[\s*{", text) for text in column.examples):
            return (
                f"{shown(column.name)} holds lists of objects. Each of them needs a row of its own, "
                "with the customer beside it: who, what, when."
            )
        if column.holds_objects and column.is_text_of_json:
            return (
                f"{shown(column.name)} holds JSON objects as text. Write their fields as columns, "
                "or the rows as JSON lines, in which fields inside others are found."
            )
    return ""


def no_times(look: Look) -> str:
    """The columns whose values speak of times and are none, each with the reason."""
    found = []
    for column in look.columns:
        both = None if column.time_kind else in_two_orders(look.values(column))
        if both is not None:
            found.append(
                f"{shown(column.name)} holds dates in two orders, day first as {shown(both[0])} and month first as {shown(both[1])}. "
                "Write them all in one, such as 2024-12-31"
            )
            continue
        called_time = named(column, TIME_WORDS) > 0
        signed = re.search("[0-9][,'’ ][0-9]", "".join(column.examples[:1]))
        if called_time and column.share_number > 0.9 and signed:
            found.append(
                f"{shown(column.examples[0])} in {shown(column.name)} is a number with signs between its digits: write it as 1739957009.5"
            )
            continue
        if called_time and column.share_number > 0.9 and not any(map(why_no_time, column.examples)):
            found.append(
                f"{shown(column.examples[0])} in {shown(column.name)} is a number that counts no seconds, milliseconds, microseconds or nanoseconds since 1970: "
                "write dates in its place"
            )
            continue
        reasons = [why_no_time(text) for text in column.examples]
        if reasons and all(reasons) and (column.share_number < 0.5 or called_time):
            found.append(f"{shown(column.examples[0])} in {shown(column.name)} {reasons[0]}")
        elif reasons and called_time and column.share_number < 0.5 and len(look.columns) > 1:
            found.append(
                f"{shown(column.examples[0])} in {shown(column.name)} is written as no time that is known: write times as 2024-01-31 14:05"
            )
    return "; ".join(found)


DAMAGED_ID = re.compile(r"\d([.,]\d+)?[eE]\+\d+")


def _damaged_ids(look: Look) -> str:
    found = [
        f"{shown(column.name)} is called so, but {column.missing:,} of {look.rows:,} rows have none: where a spreadsheet merged its cells, write the id into each row"
        for column in look.columns
        if column.missing > _MOST_WITHOUT_ID * look.rows
        and column.distinct > 1
        and PLAINLY_CUSTOMER.fullmatch(folded(column))
    ]
    found += [
        f"{shown(column.examples[0])} in {shown(column.name)} was rounded by a spreadsheet, so that customers share one id: export the ids as text"
        for column in look.columns
        if column.examples and DAMAGED_ID.fullmatch(column.examples[0])
    ]
    return "; ".join(found)


def _customers(look: Look, when: Column, given: Column | None) -> dict[Column, float]:
    """The likeliest customer columns and what speaks for each, best first."""
    if given is not None:
        return {given: 0.0}
    able = [
        column for column in look.columns if column is not when and _could_be_customer(look, column)
    ]
    if not any(named(column, CUSTOMER_WORDS, NOT_CUSTOMER) > 0 for column in able):
        called = [
            column
            for column in look.columns
            if column is not when and plainly_customer(look, column)
        ]
        several = [column for column in called if column.distinct > 1]
        # In a few rows all may be of one customer; in many a column of one value says nothing.
        able = several[:1] or (called[:1] if look.rows < FEW_ROWS or not able else able)
    scores = {column: _customer_score(look, column) for column in able}
    for finer, coarser in itertools.permutations(list(scores), 2):
        if finer.distinct > coarser.distinct > 0.02 * finer.distinct and _belongs_to(
            look, finer, coarser
        ):
            scores[coarser] += 0.5  # a session belongs to one person: the person travels
    for partial, whole in itertools.permutations(list(scores), 2):
        if partial.missing > whole.missing and _belongs_to(look, partial, whole):
            scores[whole] += 1.0  # known also before a customer signs in
    return {
        column: scores[column] for column in sorted(scores, key=lambda column: -scores[column])[:4]
    }


def _could_be_customer(look: Look, column: Column) -> bool:
    few = column.distinct < max(2.0, min(10.0, look.rows / 25))
    other = (
        _is_quantity(column)
        or column.time_kind in ("iso", "day_first", "month_first", "either", "format")
        or (column.time_kind is not None and re.search(TIME_WORDS, folded(column)) is not None)
        or PLAINLY_EVENT.fullmatch(folded(column)) is not None
    )
    no_person = re.search(r"stage|status|phase|lineitem|pipeline", folded(column)) is not None
    if other or few or no_person or is_answer(column) or column.holds_objects:
        return False
    if column.missing > 0.3 * look.rows:
        return False
    fractions = (
        column.share_number - column.share_whole
    )  # amounts; ids of browsers, 1234.5678, are told by their name only
    return (
        fractions < 0.1 or called_customer(look, column)
    ) and column.distinct < 0.95 * column.values


def is_answer(column: Column) -> bool:
    """Whether the name is that of a score or of a question, whose values are nobody and no event."""
    return "?" in column.name or SCORE_NAMES.search(column.name.casefold()) is not None


def called_customer(look: Look, column: Column) -> bool:
    """Whether the name alone says that this is the customer's id; for files in which hardly anybody comes twice."""
    return column.distinct > 1 and plainly_customer(look, column)


def plainly_customer(look: Look, column: Column) -> bool:
    """Whether the name alone says that this is the customer's id, be it that of one customer."""
    return (
        column.distinct > 0
        and not column.holds_objects
        and column.missing <= 0.3 * look.rows
        and PLAINLY_CUSTOMER.fullmatch(folded(column)) is not None
    )


def _customer_score(look: Look, column: Column) -> float:
    """Complete, looks like a key and not like an amount, and its rows come in bursts, as people do."""
    key, size = (
        column.share_token - column.share_round,
        min(1.0, column.distinct / max(10.0, 0.01 * look.rows)),
    )
    return (
        column.values / look.rows
        + 0.5 * key
        + size
        + _burstiness(look, column)
        + 0.5 * called_customer(look, column)
        + named(column, CUSTOMER_WORDS, NOT_CUSTOMER)
    )


def _burstiness(look: Look, column: Column) -> float:
    """0 where the rows of one value lie as far apart as chance would put them, towards 1 where they lie together."""
    one = column.place
    gap, span, rows = look.engine.rows(
        f"SELECT median(gap), (SELECT max(at_) - min(at_) FROM looked), (SELECT count({one}) / count(DISTINCT {one}) FROM looked) "
        f"FROM (SELECT at_ - lag(at_) OVER (PARTITION BY {one} ORDER BY at_) AS gap FROM looked WHERE {one} IS NOT NULL)"
    )[0]
    if gap is None or not span or not rows:
        return 0.0
    by_chance = 0.69 * span / rows
    return max(0.0, 1 - gap / by_chance)


def _belongs_to(look: Look, finer: Column, coarser: Column) -> bool:
    inner, outer = finer.place, coarser.place
    alone = look.engine.rows(
        f"SELECT avg(CAST(owners = 1 AS DOUBLE)) FROM (SELECT count(DISTINCT {outer}) AS owners FROM looked WHERE {inner} IS NOT NULL GROUP BY {inner})"
    )[0][0]
    return alone is not None and alone > 0.995


def _events(look: Look, customers: Collection[Column]) -> list[Column]:
    """The columns that could be the event of the likeliest customers, best first; one of a single value only if its name, and no other's, says so."""
    best = [one for place, one in enumerate(customers) if place == 0 or called_customer(look, one)]
    able = [
        column
        for column in look.columns
        if _could_be_event(look, column)
        and not any(_of_one_each(look, column, one) for one in best)
    ]
    one_kind = [
        column
        for column in look.columns
        if column.distinct == 1
        and column.missing == 0
        and column.time_kind is None
        and not _NEVER_EVENT.search(folded(column))
        and not column.holds_objects
        and named(column, _EVENT_WORDS, _NO_EVENT_WORDS) > 0
    ]
    return (
        one_kind[:1]
        if one_kind and not any(named(column, _EVENT_WORDS, _NO_EVENT_WORDS) > 0 for column in able)
        else able
    )


def _could_be_event(look: Look, column: Column) -> bool:
    most = look.rows // 2 if PLAINLY_EVENT.fullmatch(folded(column)) else min(2_000, look.rows // 5)
    if (
        column.time_kind is not None
        or column.share_clock > 0.9
        or column.distinct == look.rows > _FEW_EVENTS
        or not 2 <= column.distinct <= max(20, most)
        or column.missing >= 0.2 * look.rows
    ):
        return False
    if called_customer(look, column) or is_answer(column) or column.holds_objects:
        return False
    if _NEVER_EVENT.search(folded(column)) and not re.search(
        r"event|action|activit", folded(column)
    ):
        return False
    if {text.casefold() for text in column.examples} <= _YES_OR_NO:
        return False
    numeric = column.share_number > 0.5 and named(column, _EVENT_WORDS) == 0
    return not numeric and named(column, _EVENT_WORDS, _NO_EVENT_WORDS) >= 0


def _event_score(look: Look, column: Column, customer: Column) -> float:
    """Complete, changes within a customer, and journeys begin alike."""
    what, who = column.place, customer.place
    varies = look.engine.rows(
        f"SELECT avg(CAST(kinds > 1 AS DOUBLE)) FROM ("
        f"SELECT count(*) AS n, count(DISTINCT {what}) AS kinds FROM looked WHERE {who} IS NOT NULL GROUP BY {who}) WHERE n > 1"
    )[0][0]
    begins = _begins_alike(look, what, who)
    few = 1.0 if 3 <= column.distinct <= 300 else 0.5
    words = min(1.0, column.distinct / 6)
    return (
        column.values / look.rows
        + (varies or 0.0)
        + begins
        + few
        + 0.5 * words
        + named(column, _EVENT_WORDS, _NO_EVENT_WORDS)
    )


def _of_one_each(look: Look, column: Column, customer: Column) -> bool:
    """Whether each value is of one customer, as are the numbers of orders and the names of people: what happens, happens to several."""
    return (
        customer.distinct >= _FEW_CUSTOMERS
        and not PLAINLY_EVENT.fullmatch(folded(column))
        and _belongs_to(look, column, customer)
    )


def _begins_alike(look: Look, what: str, who: str) -> float:
    """How much commoner the usual first value is among first rows than among all rows."""
    answer: list[tuple[Any, ...]] = look.engine.rows(
        f"WITH firsts AS (SELECT arg_min({what}, (at_, row_)) AS first FROM looked WHERE {who} IS NOT NULL AND {what} IS NOT NULL GROUP BY {who}), "
        f"usual AS (SELECT first, count(*) / (SELECT count(*) FROM firsts) AS share FROM firsts GROUP BY first ORDER BY share DESC, first LIMIT 1) "
        f"SELECT usual.share - (SELECT avg(CAST({what} = usual.first AS DOUBLE)) FROM looked) FROM usual"
    )
    return max(0.0, answer[0][0] or 0.0) if answer else 0.0


_CHANNELS = re.compile(
    r"(e?-?mail|web|website|phone|telefon|call|store|shop|filiale|social|ad|ads|organic|direct|paid.*|search|app|mobile|desktop|tablet|chat|sms|referral)"
)


def _channel(look: Look, rest: list[Column]) -> Column | None:
    scored: list[tuple[float, Column]] = []
    for column in rest:
        if 2 <= column.distinct <= 50 and column.time_kind is None and column.share_number < 0.5:
            values = look.values(column)
            known = sum(
                _CHANNELS.fullmatch(value.casefold()) is not None for value in values
            ) / len(values)
            scored.append((known + named(column, CHANNEL_WORDS), column))
    best = max(scored, key=lambda one: one[0], default=None)
    return best[1] if best and best[0] >= 0.6 else None


def _amounts(rest: Sequence[Column]) -> list[Column]:
    """The columns of money, likeliest first: numbers, most with a fraction or round, and a name that says so."""
    found = [
        column
        for column in rest
        if column.type.endswith(NUMBERS) and column.distinct > 1 and _named_as_money(column)
    ]
    return sorted(
        (column for column in found if not column.time_kind),
        key=lambda column: (
            re.search(_PART_OF_ORDER, folded(column)) is not None,
            re.search(_WHOLE_ORDER, folded(column)) is None,
            -column.share_round,
            -column.distinct,
        ),
    )


def _of_preset(look: Look, rest: Sequence[Column]) -> Sequence[Column]:
    """Where a preset says what an event is worth, that alone; else all columns."""
    own = [column for column in rest if look.preset is not None and column.name == MONEY]
    return own or rest


def _named_as_money(column: Column) -> bool:
    return named(
        column, MONEY_WORDS, r"id\b|_id|quantit|count|anzahl|number|nummer"
    ) > 0 and not _CURRENCY_WORDS.search(folded(column))

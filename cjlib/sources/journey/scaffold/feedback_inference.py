"""Which column of an unknown file of feedback is the text, which a score, who said it and when: judged by content, and scores also by name."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from cjlib.errors import DataError, listed, shown
from cjlib.show.numbers import count_of
from cjlib.sources.feedback.values import BLANKS, NAMES, SCORES, number_of
from cjlib.sources.ingest.options import USUAL_LIMIT
from cjlib.sources.journey.scaffold.column_inference import (
    CUSTOMER_WORDS,
    MONEY_WORDS,
    NOT_CUSTOMER,
    PLAINLY_EVENT,
    called_customer,
    doubt_of_time,
    folded,
    is_answer,
    named,
    no_times,
    nobody,
    time_column,
)
from cjlib.sources.journey.scaffold.profile import TIME_WORDS, Column, Look
from cjlib.sources.journey.scaffold.yaml_lines import (
    RENAMED,
    dates,
    decide,
    file_lines,
    head,
    preset_lines,
    quoted,
    relative,
)
from cjlib.sources.log.engine import literal
from cjlib.sources.presets.preset_file import recognised

_TEXT_WORDS = r"text|comment|review|verbatim|feedback|message|answer|wrote|write|said|body|tweet|kommentar|bewertung|antwort|nachricht|comentario|commentaire"
_NO_TEXT_WORDS = r"title|subject|name|betreff|titel|reason|categor"
_SCORE_WORDS = {
    "nps": r"\bnps|recommend|likel|empfehl|recomend|recommand",
    "ces": r"\bces\b|ces_|effort|\beas[yi]|aufwand|einfach|esfuerzo",
    "csat": r"csat|satisf|zufried|happy",
    "rating": r"(^|(you|please) )rate\b|rating|stars?\b|score|bewertung|sterne|valoraci|\bnote\b",
}
_PLACE_WORDS = {
    "touchpoint": r"touch_?point|kontaktpunkt",
    "stage": r"stage|phase|etapa|étape",
    "source": r"source|channel|kanal|canal|quelle|platform",
}
_PERSON_WORDS = rf"{CUSTOMER_WORDS}|requester|respondent|reviewer|author|anforder"
_SAID = ("timestamp", "text", *SCORES)
_ROW_WORDS = r"\bid\b|_id|id_|\bno\b|number|\bnr\b|key|row|ticket|response"
_MOST_WORDS = 20
"""So many different words a scale has at most."""
FEWEST_WORDS = 2.5
"""Words that the usual text of a comment has at least; names and categories have fewer."""
FEWEST_COLUMNS = 3
"""So many columns of a preset say by themselves that a file is a survey."""
_DECIDE = {
    "nps": "0 to 10, 10 is best: how likely to recommend? If it asks anything else, it is no NPS",
    "csat": "which end is best? More is read as better; if 1 is best, write csat: [its name, 1 is best]",
    "ces": "which end is best? More is read as easier; if 1 is best, write ces: [its name, 1 is best]",
    "rating": "1 to 5, 5 is best?",
}


@dataclass(frozen=True)
class Opinions:
    """Ours → theirs, how times are written, the scale of a score that is not the usual one, and what a person must decide of a column."""

    columns: dict[str, Column]
    time: Column | None
    scales: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    """Answers that mean no answer, such as 99."""


def opinions_of(look: Look, customers: Collection[str] | None = None) -> Opinions:
    """The best guess for a file of feedback.

    The time is found as for events. The text is the column with the most words a value. A score has whole numbers within its scale and a name that
    says what was asked, or runs exactly from 0 to 10. The customer is the column whose values are customers of the events, else one that is
    named so.

    Parameters
    ----------
    look
        The file.
    customers
        The ids of the log's customers, where there is one.

    Raises
    ------
    DataError
        The file has neither a text nor a score.
    """
    when = time_column(look)
    found = {} if when is None else {"timestamp": when}
    scales: dict[str, str] = {}
    doubts: dict[str, str] = {}
    found |= {
        column.name: column
        for column in look.columns
        if column.name in NAMES and column is not when and _fits(look, column)
    }
    doubts |= {score: _DECIDE[score] for score in SCORES if score in found and score != "nps"}
    if "text" not in found:
        found |= _text(look, _rest(look, found))
    for ours, column, scale in _scores(look, _rest(look, found)):
        if ours not in found:
            found[ours], doubts[ours] = column, _DECIDE[ours]
            scales |= {ours: scale} if scale else {}
    if not {"text", *SCORES} & set(found):
        raise DataError(
            f"init --feedback: {shown(str(look.path))} has no column of texts and none of scores. Columns: "
            f"{listed((column.name for column in look.columns), most=20)}. Name them in the journey file, below sources.feedback.columns."
        )
    _add_ids(look, found, doubts, customers)
    _add_places(look, found)
    doubts["timestamp"] = doubt_of_time(look, when) if when is not None else ""
    for score in SCORES:
        more = _no_number(look, found.get(score))
        others = _asked_too(look, score, found)
        doubts[score] = ". ".join(filter(None, (doubts.get(score), others, more)))
    return Opinions(found, when, scales, doubts, _codes(look, found))


def _asked_too(look: Look, score: str, found: dict[str, Column]) -> str:
    """What other columns are called as a score that one is taken for."""
    others = [
        column.name
        for column in _rest(look, found)
        if score in found and _called(column) == score and answers_of(look, column)
    ]
    return f"Asked too, and not used: {listed(others, most=3)}" if others else ""


def _add_places(look: Look, found: dict[str, Column]) -> None:
    """Where and of what was spoken: columns of few texts that are called so."""
    for ours, words in _PLACE_WORDS.items():
        named_so = [
            column
            for column in _rest(look, found)
            if 1 <= column.distinct <= 100
            and column.share_number < 0.5
            and named(column, words, TIME_WORDS) > 0
        ]
        if named_so and ours not in found:
            found[ours] = named_so[0]


def _fits(look: Look, column: Column) -> bool:
    """Whether a column that has one of our names can be it: a score must be on its scale."""
    if column.name == "timestamp" or column.name not in SCORES:
        return column.name != "timestamp"
    answers = answers_of(look, column)
    return answers is not None and _scale(column.name, answers.low, answers.high) == ""


def _rest(look: Look, found: dict[str, Column]) -> list[Column]:
    return [
        column
        for column in look.columns
        if column not in found.values() and column.time_kind is None
    ]


def _text(look: Look, able: list[Column]) -> dict[str, Column]:
    scored = []
    for column in able:
        no_text = _all_of_a_scale(column.examples) or called_customer(look, column)
        if column.share_number < 0.5 and not no_text:
            words = (
                look.engine.rows(f"SELECT avg(len(string_split({column.place}, ' '))) FROM looked")[
                    0
                ][0]
                or 0.0
            )
            called = named(column, _TEXT_WORDS) > 0
            if called or (words >= FEWEST_WORDS and column.distinct > 1):
                scored.append((words * (1 + named(column, _TEXT_WORDS, _NO_TEXT_WORDS)), column))
    return {"text": max(scored, key=lambda one: one[0])[1]} if scored else {}


def _all_of_a_scale(texts: Collection[str]) -> bool:
    """Whether every text is a number of so many, such as "4 out of 5"."""
    return bool(texts) and all(number_of(text)[1] is not None for text in texts)


@dataclass(frozen=True)
class Answers:
    """The numbers of a column of answers: its ends, codes such as 99 outside them, and whether all are whole."""

    low: int
    high: int
    codes: tuple[str, ...]
    whole: bool


def _scores(look: Look, able: list[Column]) -> list[tuple[str, Column, str]]:
    """Each score once, with its scale where that is not the usual one; names decide, and only 0 to 10 is a scale that speaks for itself."""
    found: dict[str, tuple[str, Column, str]] = {}
    for column in able:
        answers = answers_of(look, column)
        if answers is None:
            continue
        low, high = answers.low, answers.high
        called = _called(column) or ("nps" if (low, high) == (0, 10) else None)
        if called == "rating" and 5 < high <= 10:
            called = "nps" if low == 0 or high > 7 else None
        scale = "" if called is None else _scale(called, low, high)
        if not answers.whole and called != "rating":
            continue
        if called is not None and scale is not None and called not in found:
            found[called] = (called, column, scale)
    return list(found.values())


def _codes(look: Look, found: dict[str, Column]) -> tuple[str, ...]:
    """Answers outside their scale that mean no answer, such as 99."""
    answers = [answers_of(look, found[score]) for score in SCORES if score in found]
    return tuple(sorted({code for answer in answers if answer for code in answer.codes}))


def _no_number(look: Look, column: Column | None) -> str:
    """What is said of a score of which many answers hold no number."""
    if column is None:
        return ""
    words = [
        text
        for text in look.values(column)
        if number_of(text)[0] is None and text.casefold() not in BLANKS
    ]
    listed_words = ", ".join(literal(text) for text in words)
    rows = look.engine.rows(
        f"SELECT count(*) FROM looked WHERE {column.place} IN ({listed_words or 'NULL'})"
    )[0][0]
    if rows <= USUAL_LIMIT * column.values:
        return ""
    return f"{listed(words, most=3)} ({count_of(rows, 'row')}) hold no number and are taken as no answer: if they are ends of the scale, write their numbers"


def _called(column: Column) -> str | None:
    """The score that a column is called by."""
    return next((score for score, words in _SCORE_WORDS.items() if named(column, words) > 0), None)


def answers_of(look: Look, column: Column) -> Answers | None:
    """What the numbers of a column of few answers show, read as answers are; None where most are no answers from 0 to 10."""
    if not 1 <= column.distinct <= 40:
        return None
    rows = look.engine.rows(
        f"SELECT {column.place}, count(*) FROM looked WHERE {column.place} IS NOT NULL GROUP BY 1"
    )
    read = [(*number_of(text), text, n) for text, n in rows]
    known = [(value, n) for value, _, _, n in read if value is not None]
    inside = sorted((value, n) for value, n in known if 0 <= value <= 10)
    asked = sum(n for *_, n in read)
    if 2 * sum(n for _, n in inside) <= asked:
        return None
    codes = tuple(text for value, _, text, _ in read if value is not None and not 0 <= value <= 10)
    # The outermost half per cent at either end are slips of the key, not ends of the scale.
    slips = 0.005 * sum(n for _, n in known)
    outside = sum(n for value, n in known if not 0 <= value <= 10)
    low, high = _end(inside, slips), _end(inside[::-1], slips)
    most = max([high, *(of for _, of, _, _ in read if of)])
    eleven = low >= 1 and any(value == 11 for value, _ in known)
    if high < 1 or (low == high and column.name not in SCORES) or eleven or most > 10:
        return None
    broken = sum(n for value, n in inside if value % 1)
    return Answers(
        math.floor(low),
        math.ceil(most),
        codes if outside > slips else (),
        whole=broken <= USUAL_LIMIT * asked,
    )


def _end(answers: list[tuple[float, int]], slips: float) -> float:
    """The first answer that is not among the outermost few."""
    passed = 0
    for value, n in answers:
        passed += n
        if passed > slips:
            return value
    return answers[-1][0]


def _scale(score: str, low: int, high: int) -> str | None:
    """Words for a scale that is not the score's own; None where the values cannot be this score."""
    least, most = SCORES[score]
    if low >= least and high <= most:
        return ""
    return (
        None
        if score in ("nps", "rating")
        else next((f"{least} to {top}" for top in (5, 7, 10) if high <= top and low >= 1), None)
    )


def _not_used(look: Look, guess: Opinions) -> list[str]:
    """Columns that are called as scores are and are none, and what they hold."""
    used = [column.name for column in guess.columns.values()]
    lines = []
    for column in look.columns:
        score = _called(column)
        if column.name in used or score in (None, *guess.columns) or column.distinct < 2:
            continue
        if column.time_kind or (column.share_number < 0.5 and column.distinct > _MOST_WORDS):
            continue
        values = look.values(column)
        low, high = SCORES[score]
        numbers = [
            number for text in values for number, _ in [number_of(text)] if number is not None
        ]
        remedy = (
            "Write numbers from 0 to 10 into the file"
            if score == "nps"
            else f"If that is its scale, write {score}: [{column.name}, {min(numbers):.0f} to {max(numbers):.0f}]"
            if 2 * len(numbers) > len(values)
            else f"If these are words of a scale, write {score}: [{column.name}, [worst, …, best]]"
        )
        why = f"{quoted(column.name)} is called as {score} is, from {low} to {high}, but holds {listed(values, most=4)}: not used. {remedy}"
        lines.append(f"    {decide(why).strip()}")
    return lines


def _add_ids(
    look: Look, found: dict[str, Column], doubts: dict[str, str], customers: Collection[str] | None
) -> None:
    able = (
        []
        if "customer_id" in found
        else [column for column in _rest(look, found) if column.distinct > 1]
    )
    known = {column: _share_known(look, column, customers) for column in able} if customers else {}
    best = max(known, key=lambda column: known[column], default=None)
    if best is not None and known[best] > 0.05:
        found["customer_id"] = best
        if known[best] < 0.5:
            doubts["customer_id"] = (
                f"only {100 * known[best]:.0f}% of its values are customers of the events: is it the same id?"
            )
    else:
        called = [
            column
            for column in able
            if named(column, _PERSON_WORDS, NOT_CUSTOMER) > 0 and column.share_token > 0.5
        ]
        if called:
            found["customer_id"] = max(called, key=lambda one: _as_person(look, one))
            doubts["customer_id"] = (
                "none of its values is a customer of the events: is it the same id?"
                if customers
                else ""
            )
    rows = [
        column
        for column in _rest(look, found)
        if named(column, _ROW_WORDS) > 0 and _is_row(look, column, found)
    ]
    if rows and "feedback_id" not in found:
        found["feedback_id"] = rows[0]
        again = look.rows - rows[0].distinct
        if again:
            doubts["feedback_id"] = (
                f"{again:,} of {look.rows:,} rows repeat an answer of another one: one of each stays"
            )


def _as_person(look: Look, column: Column) -> tuple[bool, bool, bool]:
    """A ticket or a response is rather the answer than the customer, and so is what does not repeat; what is plainly called a customer is one."""
    ticket = named(column, r"ticket|case|fall|respon[sd]") > 0
    return not ticket, column.distinct < look.rows, called_customer(look, column)


def _is_row(look: Look, column: Column, found: dict[str, Column]) -> bool:
    """Whether a column tells the answers apart: each value once, or always with the same answer."""
    if column.missing or 2 * column.distinct < look.rows:
        return False
    said = ", ".join(one.place for ours, one in found.items() if ours in _SAID)
    distinct = look.engine.rows(
        f"SELECT count(*) FROM (SELECT DISTINCT {', '.join(filter(None, (column.place, said)))} FROM looked)"
    )[0][0]
    return distinct == column.distinct


def _share_known(look: Look, column: Column, customers: Collection[str]) -> float:
    values = look.values(column)
    return sum(value in customers for value in values) / len(values)


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
    look = Look(file, "feedback")
    guess = opinions_of(look)
    home = Path(folder) if folder is not None else file.parent
    lines = ["sources:", "  feedback:", *feedback_section(look, guess, relative(file, home))]
    sources = "\n".join(lines) + "\n"
    events = "  # events: events.csv  # who did what, and when: without it only the questions about feedback can be asked\n"
    return "\n".join([head(look, guess.time), sources + events, _stages(look, guess)])


def is_survey(look: Look) -> bool:
    """Whether a file's columns are plainly those of a survey or of reviews."""
    found = recognised((column.name for column in look.columns), "feedback")
    return found is not None and len(found.recognise) >= FEWEST_COLUMNS


def holds_texts(look: Look) -> bool:
    """Whether a file is one of answers in words alone: long texts that hardly repeat, and no column called as a customer, an event or money is."""
    other = any(
        called_customer(look, column)
        or (named(column, CUSTOMER_WORDS, NOT_CUSTOMER) > 0 and column.share_token > 0.5)
        or PLAINLY_EVENT.fullmatch(folded(column))
        or (column.share_number > 0.9 and named(column, MONEY_WORDS) > 0)
        for column in look.columns
    )
    return not other and any(_is_long_text(look, column) for column in look.columns)


def holds_opinions(look: Look) -> bool:
    """Whether a file that names no events has scores, though none that can be read yet, beside what people wrote."""
    return any(is_answer(column) for column in look.columns) and any(
        _is_long_text(look, column) for column in look.columns
    )


def _is_long_text(look: Look, column: Column) -> bool:
    """Whether the values are sentences of people; of a column that is not called so they must be long."""
    other = column.time_kind or column.share_number > 0.5 or column.holds_objects
    if other or 2 * column.values < look.rows:
        return False
    words = look.engine.rows(
        f"SELECT avg(len(regexp_split_to_array({column.place}, ' +'))) FROM looked"
    )[0][0]
    asked = "?" in column.name or named(column, _TEXT_WORDS, _NO_TEXT_WORDS) > 0
    if len(look.columns) == 1 and not asked:
        return False  # rows of which nobody said where one field ends
    return column.distinct > 0.8 * column.values and words >= (4 if asked else 10)


def holds_answers(look: Look) -> bool:
    """Whether a file that names no events is one of answers: a column is called as a score or a question is, and holds scores."""
    if not any(is_answer(column) for column in look.columns):
        return False
    try:
        found = opinions_of(look)
    except DataError:
        return False
    return any(score in found.columns for score in SCORES)


def feedback_lines(file: Path, home: Path, customers: Collection[str]) -> str:
    """The section of feedback beside that of events, whose customers are known."""
    look = Look(file, "feedback")
    lines = feedback_section(look, opinions_of(look, customers), relative(file, home))
    return "\n".join(["  feedback:", *lines]) + "\n"


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


def feedback_section(look: Look, guess: Opinions, path: str) -> list[str]:
    """How a file of feedback is read, indented as the one source of a journey file."""
    lines = [*file_lines(look, path), *preset_lines(look)]
    lines += _columns(look, guess)
    lines += (
        dates(guess.time)
        if guess.time is not None
        else [f"    dates: none{decide(no_times(look) or 'no column holds dates')}"]
    )
    if guess.missing:
        codes = ", ".join(quoted(code) for code in guess.missing)
        lines.append(
            f"    missing: [{codes}]{decide('outside the scale: do they mean no answer?')}"
        )
    return [*lines, *_limit(look, guess), *_who(look, guess), *_not_used(look, guess)]


def _limit(look: Look, guess: Opinions) -> list[str]:
    """The share of rows that will be quarantined, where it is above the usual one."""
    row = guess.columns.get("feedback_id")
    undated = 0 if guess.time is None else look.rows - guess.time.values
    again = 0 if row is None else row.values - row.distinct
    share = (undated + again + look.broken) / (look.rows + look.broken)
    if share <= USUAL_LIMIT:
        return []
    why = f"{100 * share:.0f}% of the rows have no date, repeat an answer or are broken; they are quarantined and counted"
    return [f"    quarantine_limit: {math.ceil(20 * share) / 20:g}{decide(why)}"]


def _who(look: Look, guess: Opinions) -> list[str]:
    """What a person must know of those who answered."""
    who = guess.columns.get("customer_id")
    if who is None:
        return [
            "    # DECIDE: no column says who answered (customer_id); what customers did afterwards cannot be asked then"
        ]
    ids = nobody(look, who)
    why = f"{listed(ids, most=5)} in {quoted(who.name)} may stand for nobody: leave it empty in the file"
    return [f"    {decide(why).strip()}"] if ids else []


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

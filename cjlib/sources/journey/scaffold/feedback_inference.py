"""Which column of an unknown file of feedback is the text, which a score, who said it and when: judged by content, and scores also by name."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from cjlib.errors import DataError, listed, shown
from cjlib.sources.feedback.values import NAMES, SCORES
from cjlib.sources.ingest.options import USUAL_LIMIT
from cjlib.sources.journey.scaffold.column_inference import (
    CUSTOMER_WORDS,
    NOT_CUSTOMER,
    named,
    time_column,
)
from cjlib.sources.journey.scaffold.profile import Column, Look
from cjlib.sources.journey.scaffold.yaml_lines import (
    RENAMED,
    dates,
    head,
    preset_lines,
    quoted,
    relative,
)
from cjlib.sources.presets.preset_file import recognised

_TEXT_WORDS = r"text|comment|review|verbatim|feedback|message|answer|wrote|write|said|body|tweet|kommentar|bewertung|antwort|nachricht|comentario|commentaire"
_NO_TEXT_WORDS = r"title|subject|name|betreff|titel|reason|categor"
_SCORE_WORDS = {
    "nps": r"\bnps|recommend|likel|empfehl|recomend|recommand",
    "ces": r"\bces\b|ces_|effort|\beas[yi]|aufwand|einfach|esfuerzo",
    "csat": r"csat|satisf|zufried|happy",
    "rating": r"rating|stars?\b|score|bewertung|sterne|valoraci|\bnote\b",
}
_PLACE_WORDS = {
    "touchpoint": r"touch_?point|kontaktpunkt",
    "stage": r"stage|phase|etapa|étape",
    "source": r"source|channel|kanal|canal|quelle|platform",
}
_ROW_WORDS = r"\bid\b|_id|id_|\bno\b|number|\bnr\b|key|row|ticket|response"
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
    text = None if "text" in found else _text(look, _rest(look, found))
    if text is not None:
        found["text"] = text
    for ours, column, scale in _scores(look, _rest(look, found)):
        if ours in found:
            continue
        found[ours], doubts[ours] = column, _DECIDE[ours]
        if scale:
            scales[ours] = scale
    if not {"text", *SCORES} & set(found):
        raise DataError(
            f"init --feedback: {shown(str(look.path))} has no column of texts and none of scores. Columns: "
            f"{listed((column.name for column in look.columns), most=20)}. Name them in the journey file, below sources.feedback.columns."
        )
    _add_ids(look, found, doubts, customers)
    for ours, words in ((ours, words) for ours, words in _PLACE_WORDS.items() if ours not in found):
        named_so = [
            column
            for column in _rest(look, found)
            if column.distinct <= 100 and column.share_number < 0.5 and named(column, words) > 0
        ]
        if named_so:
            found[ours] = named_so[0]
    return Opinions(found, when, scales, doubts)


def _fits(look: Look, column: Column) -> bool:
    """Whether a column that has one of our names can be it: a score must be on its scale."""
    if column.name == "timestamp" or column.name not in SCORES:
        return column.name != "timestamp"
    ends = _ends(look, column)
    return ends is not None and _scale(column.name, *ends) == ""


def _rest(look: Look, found: dict[str, Column]) -> list[Column]:
    return [
        column
        for column in look.columns
        if column not in found.values() and column.time_kind is None
    ]


def _text(look: Look, able: list[Column]) -> Column | None:
    scored = []
    for column in able:
        if column.share_number < 0.5 and column.distinct > 1:
            words = (
                look.engine.rows(f"SELECT avg(len(string_split({column.place}, ' '))) FROM looked")[
                    0
                ][0]
                or 0.0
            )
            if words >= FEWEST_WORDS or named(column, _TEXT_WORDS) > 0:
                scored.append((words * (1 + named(column, _TEXT_WORDS, _NO_TEXT_WORDS)), column))
    return max(scored, key=lambda one: one[0])[1] if scored else None


def _scores(look: Look, able: list[Column]) -> list[tuple[str, Column, str]]:
    """Each score once, with its scale where that is not the usual one; names decide, and only 0 to 10 is a scale that speaks for itself."""
    found: dict[str, tuple[str, Column, str]] = {}
    for column in able:
        ends = _ends(look, column)
        if ends is None:
            continue
        low, high = ends
        called = next(
            (score for score, words in _SCORE_WORDS.items() if named(column, words) > 0),
            "nps" if (low, high) == (0, 10) else None,
        )
        if called == "rating" and 5 < high <= 10:
            called = "nps" if low == 0 or high > 7 else None
        scale = "" if called is None else _scale(called, low, high)
        if called is not None and scale is not None and called not in found:
            found[called] = (called, column, scale)
    return list(found.values())


def _ends(look: Look, column: Column) -> tuple[int, int] | None:
    """The least and greatest answer of a column of few whole numbers; words among them are no answers."""
    one = column.place
    if not 2 <= column.distinct <= 40:
        return None
    # The outermost half per cent at either end are slips of the key, not ends of the scale.
    low, high, share = look.engine.rows(
        f"SELECT quantile_disc(n, 0.005), quantile_disc(n, 0.995), count(n) / count(*) FROM (SELECT try_cast({one} AS DOUBLE) AS n FROM looked WHERE {one} IS NOT NULL)"
    )[0]
    return (
        (int(low), int(high))
        if share > 0.5
        and low == int(low)
        and 0 <= low < high <= 10
        and high == int(high)
        and high > 1
        else None
    )


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
            if named(column, CUSTOMER_WORDS, NOT_CUSTOMER) > 0 and column.share_token > 0.5
        ]
        if called:
            found["customer_id"] = called[0]
            doubts["customer_id"] = (
                "none of its values is a customer of the events: is it the same id?"
                if customers
                else ""
            )
    rows = [
        column
        for column in _rest(look, found)
        if column.distinct == look.rows and named(column, _ROW_WORDS) > 0
    ]
    if rows and "feedback_id" not in found:
        found["feedback_id"] = rows[0]


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
    sources = "sources:\n" + _section(
        look, guess, relative(file, Path(folder) if folder is not None else file.parent)
    )
    events = "  # events: events.csv  # who did what, and when: without it only the questions about feedback can be asked\n"
    return "\n".join([head(look, guess.time), sources + events, _stages(look, guess)])


def is_survey(look: Look) -> bool:
    """Whether a file's columns are plainly those of a survey or of reviews."""
    found = recognised((column.name for column in look.columns), "feedback")
    return found is not None and len(found.recognise) >= FEWEST_COLUMNS


def feedback_lines(file: Path, home: Path, customers: Collection[str]) -> str:
    """The section of feedback beside that of events, whose customers are known."""
    look = Look(file, "feedback")
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
    lines = ["  feedback:", f"    path: {quoted(path)}", *preset_lines(look)]
    lines += _columns(look, guess)
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

"""Who is asked what and when, who writes unasked, how satisfied they say they are, and in which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import yaml
from numpy.typing import NDArray

from cjlib.samples.business import (
    DAY,
    END,
    EVENTS,
    FEATURES,
    NEVER,
    STAGES,
    START,
    Draws,
    Floats,
    Rows,
    Whole,
    code,
    rows,
)
from cjlib.samples.people import People
from cjlib.samples.subscriptions import Subscriptions

HOUR = 3_600
SOURCES = ("app_store", "csat_survey", "nps_survey", "review", "social", "ticket")
HATED = -1.1
"""How much lower, in standard deviations, experiences in Onboarding are."""
SLOW_TICKET = -0.3
MOOD_SHARE = 0.55
"""How much of one opinion is the customer's general satisfaction; the rest is the occasion."""
CSAT = (-1.45, -0.9, -0.35, 0.55)
NPS = (-2.2, -1.9, -1.65, -1.4, -1.2, -1.0, -0.85, -0.5, 0.0, 0.75)
CES = (-1.7, -1.3, -0.95, -0.6, 0.0, 0.8)
TONE = (-0.8, -0.1)


@dataclass(frozen=True)
class Asked:
    """Some people on some occasion: when, at which touchpoint, by which source, and who of them answers."""

    person: Whole
    time: Whole
    event: int | Whole
    stage: str
    source: str
    answer_share: float = 1.0
    experience: Floats | None = None
    slow: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Opinions:
    """One entry a row of feedback; −1 or NaN for missing."""

    person: Whole
    time: Whole
    source: Whole
    stage: Whole
    touchpoint: Whole
    experience: Floats
    nps: Floats
    csat: Floats
    ces: Floats
    rating: Floats
    text: pa.Array


def simulate_opinions(
    those: People, contracts: Subscriptions, log: Rows, seed: int, effects: frozenset[str]
) -> tuple[Opinions, Rows]:
    """All feedback of the year, and the invitations sent for it."""
    draws = Draws(seed, "opinions")
    invited = _invited(draws, those, contracts, log)
    unasked = _unasked(draws, contracts, log)
    asked_at = np.concatenate([one.time for one in invited])
    sent = rows("survey_sent", np.concatenate([one.person for one in invited]), asked_at)
    answers = [_answers(draws, one) for one in invited + unasked]
    answers = [_kept(answer, (answer.time >= START) & (answer.time < END)) for answer in answers]
    return _said(Draws(seed, "said"), those, answers, effects), sent


def _at(log: Rows, *names: str) -> tuple[Whole, Whole, Whole]:
    """Person, time and event of all events of the given names."""
    found = np.isin(log["event"], [code(EVENTS, name) for name in names])
    return (
        log["person"][found].astype(np.int64),
        log["time"][found],
        log["event"][found].astype(np.int64),
    )


def _first(person: Whole, time: Whole) -> NDArray[np.intp]:
    """The positions of each person's first event."""
    order = np.lexsort((time, person))
    new = np.ones(len(order), dtype=bool)
    new[1:] = person[order][1:] != person[order][:-1]
    return order[new]


def _invited(draws: Draws, those: People, contracts: Subscriptions, log: Rows) -> list[Asked]:
    """Every survey sent: after contacts (CSAT, and CES where effort counts), and about the whole (NPS)."""
    made: list[Asked] = []

    def after(names: tuple[str, ...], stage: str, share: float, answered: float) -> None:
        person, time, event = _at(log, *names)
        keep = _first(person, time)
        keep = keep[draws.happens(share, len(keep)) & (person[keep] < those.known)]
        made.append(
            Asked(
                person[keep],
                time[keep] + draws.between(60, 300, len(keep)),
                event[keep],
                stage,
                "csat_survey",
                answered,
            )
        )

    after(("blog_visit",), "Awareness", 0.45, 0.45)
    after(("visit",), "Consideration", 0.40, 0.40)
    after(("onboarding_step",), "Onboarding", 0.40, 0.42)
    after(("activate",), "Onboarding", 0.45, 0.42)
    after(FEATURES, "Usage", 0.75, 0.42)
    after(("renewed",), "Renewal", 0.95, 0.50)
    after(("referral_sent",), "Advocacy", 0.60, 0.45)
    paid = draws.happens(0.92, len(contracts.person))
    experience = contracts.first_payment[paid]
    time = contracts.start[paid] + draws.between(60, 300, len(experience))
    made.append(
        Asked(
            contracts.person[paid],
            time,
            code(EVENTS, "payment"),
            "Purchase",
            "csat_survey",
            0.48,
            experience,
        )
    )
    solved = (contracts.tickets.resolved < END) & draws.happens(0.85, len(contracts.tickets.person))
    one = contracts.tickets
    time = one.resolved[solved] + draws.between(60, 300, int(solved.sum()))
    made.append(
        Asked(
            one.person[solved],
            time,
            code(EVENTS, "ticket_resolved"),
            "Support",
            "csat_survey",
            0.48,
            slow=one.slow[solved],
        )
    )
    return made + _relational(draws, those, contracts)


def _relational(draws: Draws, those: People, contracts: Subscriptions) -> list[Asked]:
    """NPS surveys, some days after a step or every 90 days of a contract."""
    made: list[Asked] = []

    def later(person: Whole, time: Whole, stage: str, share: float) -> None:
        keep = (time < END) & draws.happens(share, len(person))
        made.append(Asked(person[keep], time[keep], -1, stage, "nps_survey", 0.38))

    everyone = np.arange(those.known)
    later(everyone, those.first_visit[: those.known] + 2 * DAY + 5 * HOUR, "Consideration", 0.10)
    later(everyone, those.signup[: those.known] + 6 * DAY + 3 * HOUR, "Onboarding", 0.32)
    later(contracts.person, contracts.start + 4 * DAY + 7 * HOUR, "Purchase", 0.40)
    for term in range(4):
        time = (
            contracts.start
            + 90 * term * DAY
            + draws.between(30 * DAY, 75 * DAY, len(contracts.start))
        )
        later(contracts.person, np.where(time < contracts.end, time, NEVER), "Usage", 0.85)
    later(contracts.renewals[0], contracts.renewals[1] + 3 * DAY, "Renewal", 0.35)
    return made


def _unasked(draws: Draws, contracts: Subscriptions, log: Rows) -> list[Asked]:
    """Reviews, tickets' own words, app stores and social media."""
    made: list[Asked] = []

    def of(names: tuple[str, ...], stage: str, source: str, share: float) -> None:
        person, time, event = _at(log, *names)
        keep = draws.happens(share, len(person))
        made.append(Asked(person[keep], time[keep], event[keep], stage, source))

    of(("review_posted",), "Advocacy", "review", 1.0)
    of(("login",), "Usage", "app_store", 0.0035)
    of(("login",), "Usage", "social", 0.0030)
    one = contracts.tickets
    keep = draws.happens(0.35, len(one.person))
    made.append(
        Asked(
            one.person[keep], one.opened[keep], code(EVENTS, "ticket_opened"), "Support", "ticket"
        )
    )
    return made


def _kept(one: Asked, keep: NDArray[np.bool_]) -> Asked:
    """Some of those asked."""
    event = one.event if isinstance(one.event, int) else one.event[keep]
    experience = None if one.experience is None else one.experience[keep]
    slow = None if one.slow is None else one.slow[keep]
    return Asked(
        one.person[keep], one.time[keep], event, one.stage, one.source, 1.0, experience, slow
    )


def _answers(draws: Draws, one: Asked) -> Asked:
    """Those who answer, and when they do."""
    answered = _kept(one, draws.happens(one.answer_share, len(one.person)))
    n = len(answered.person)
    delay = (
        draws.skewed(20, 30 * HOUR, n, power=4)
        if one.answer_share < 1
        else np.zeros(n, dtype=np.int64)
    )
    return Asked(
        answered.person,
        answered.time + delay,
        answered.event,
        one.stage,
        one.source,
        1.0,
        answered.experience,
        answered.slow,
    )


def _said(draws: Draws, those: People, answers: list[Asked], effects: frozenset[str]) -> Opinions:
    """What the answers say: an experience on one scale, and scores and words made from it."""
    person = np.concatenate([answer.person for answer in answers])
    n = len(person)
    lengths = [len(answer.person) for answer in answers]
    stage = np.repeat([STAGES.index(answer.stage) for answer in answers], lengths)
    source = np.repeat([SOURCES.index(answer.source) for answer in answers], lengths)
    touchpoint = np.concatenate(
        [np.broadcast_to(answer.event, len(answer.person)) for answer in answers]
    )
    slow = np.concatenate(
        [
            np.zeros(len(answer.person), dtype=bool) if answer.slow is None else answer.slow
            for answer in answers
        ]
    ) & ("slow_support" in effects)
    felt: Floats = MOOD_SHARE * those.satisfaction[person] + (
        1 - MOOD_SHARE**2
    ) ** 0.5 * draws.bell(n)
    known = np.concatenate(
        [
            np.full(len(answer.person), np.nan) if answer.experience is None else answer.experience
            for answer in answers
        ]
    )
    felt = np.where(np.isnan(known), felt, known).astype(np.float64) + SLOW_TICKET * slow
    if "hated_onboarding" in effects:
        felt = felt + HATED * (stage == STAGES.index("Onboarding"))
    topic = np.where(
        slow & draws.happens(0.7, n),
        topics().index("Waiting"),
        np.array([topics().index(name) for name in STAGES])[stage],
    )
    topic = np.where(source == SOURCES.index("ticket"), topics().index("Question"), topic)
    tone = np.where(draws.happens(0.05, n), draws.between(0, 3, n), np.digitize(felt, TONE))
    by_survey = np.isin(source, [SOURCES.index("csat_survey"), SOURCES.index("nps_survey")])
    return Opinions(
        person=person,
        time=np.concatenate([answer.time for answer in answers]),
        source=source,
        stage=np.where(draws.happens(_stage_known(source), n), stage, -1),
        touchpoint=np.where(
            draws.happens(0.85, n)
            & np.isin(source, [SOURCES.index("csat_survey"), SOURCES.index("ticket")]),
            touchpoint,
            -1,
        ),
        experience=felt,
        text=write_texts(draws, topic, tone, by_survey),
        **_scores(draws, felt, source, stage),
    )


def _stage_known(source: Whole) -> Floats:
    """How often a row names its stage: surveys mostly, the outside world never."""
    share = {
        "csat_survey": 0.8,
        "nps_survey": 0.85,
        "review": 0.5,
        "ticket": 0.9,
        "app_store": 0.0,
        "social": 0.0,
    }
    return np.array([share[name] for name in SOURCES])[source]


def _scores(draws: Draws, felt: Floats, source: Whole, stage: Whole) -> dict[str, Floats]:
    """The scores each source asks for; some leave the number out."""
    n = len(felt)
    answered = draws.happens(0.96, n)
    blurred = felt + 0.25 * draws.bell(n)

    def score(cuts: tuple[float, ...], lowest: int, where: NDArray[np.bool_]) -> Floats:
        return np.where(where & answered, np.digitize(blurred, cuts) + lowest, np.nan)

    def by(*names: str) -> NDArray[np.bool_]:
        return np.isin(source, [SOURCES.index(name) for name in names])

    effort = np.isin(
        stage, [STAGES.index("Onboarding"), STAGES.index("Support"), STAGES.index("Purchase")]
    ) & draws.happens(0.6, n)
    return {
        "nps": score(NPS, 0, by("nps_survey")),
        "csat": score(CSAT, 1, by("csat_survey")),
        "ces": score(CES, 1, by("csat_survey") & effort),
        "rating": score(CSAT, 1, by("review", "app_store")),
    }


pc: Any = pyarrow.compute  # its functions are made at import, where no type checker sees them

MOODS = ("negative", "neutral", "positive")
EMPTY, SHORT, FOREIGN, CONTACT, TYPO = 0.20, 0.09, 0.03, 0.012, 0.06
"""Shares of answers without text, of one or two words, in another language, with an address in them, with a slip of the fingers."""


@cache
def _phrases() -> Mapping[str, Any]:
    return yaml.safe_load(files("cjlib.samples").joinpath("texts.yml").read_text(encoding="utf-8"))


def topics() -> tuple[str, ...]:
    """What there are sentences about: the stages, and waiting for support."""
    return tuple(_phrases()["topics"])


def write_texts(
    draws: Draws, topic: Whole, mood: Whole, may_be_empty: NDArray[np.bool_]
) -> pa.Array:
    """One comment a row, about the topic and in the mood given as codes; null or blank where nothing was written."""
    phrases, n = _phrases(), len(topic)
    table = [phrases["topics"][name][tone] for name in topics() for tone in MOODS]
    cell = topic * len(MOODS) + mood
    parts = [
        _some(draws, [phrases["openers"][tone] for tone in MOODS], mood, 0.35),
        _some(draws, table, cell, 1.0),
        _some(draws, table, cell, 0.55),
        _some(draws, [phrases["closers"][tone] for tone in MOODS], mood, 0.35),
    ]
    # The same sentence is not written twice in one comment.
    parts[2] = pc.if_else(
        pc.fill_null(pc.equal(parts[1], parts[2]), False), pa.scalar(None, pa.string()), parts[2]
    )
    text = pc.binary_join_element_wise(*parts, " ", null_handling="skip")
    text = pc.if_else(pa.array(draws.happens(0.15, n)), pc.utf8_lower(text), text)
    text = pc.if_else(pa.array(draws.happens(0.18, n)), pc.utf8_rtrim(text, characters="."), text)
    text = pc.coalesce(_some(draws, [phrases["short"][tone] for tone in MOODS], mood, SHORT), text)
    text = pc.coalesce(
        _some(draws, [phrases["foreign"][tone] for tone in MOODS], mood, FOREIGN), text
    )
    # Slips first: a slip in an address would make it somebody's.
    text = _changed(draws, text, TYPO, _with_slip)
    text = _changed(draws, text, CONTACT, _with_contact)
    empty = draws.happens(EMPTY, n) & may_be_empty
    blank = pc.if_else(
        pa.array(draws.happens(0.04, n)), pa.scalar(" "), pa.scalar(None, pa.string())
    )
    return pc.if_else(pa.array(empty), blank, text)


def _some(draws: Draws, lists: Sequence[Sequence[str]], which: Whole, share: float) -> pa.Array:
    """One entry of the list that `which` names, in a share of the rows; null in the others."""
    lengths = np.array([len(one) for one in lists])
    first = np.cumsum(lengths) - lengths
    n = len(which)
    position = first[which] + (draws.uniform(n) * lengths[which]).astype(np.int64)
    left_out = ~draws.happens(share, n)
    return pa.array([text for one in lists for text in one]).take(pa.array(position, mask=left_out))


def _changed(
    draws: Draws, text: pa.Array, share: float, change: Callable[[str, float, float, float], str]
) -> pa.Array:
    """A share of the texts, changed one by one."""
    n = len(text)
    chosen = np.flatnonzero(draws.happens(share, n))
    if len(chosen) == 0:
        return text
    chance = draws.uniform(len(chosen), 3)
    changed = [
        change(old, *numbers)
        for old, numbers in zip(
            text.take(pa.array(chosen)).to_pylist(), chance.tolist(), strict=True
        )
    ]
    mask = np.zeros(n, dtype=bool)
    mask[chosen] = True
    return pc.replace_with_mask(text, pa.array(mask), pa.array(changed, pa.string()))


def _with_contact(text: str, one: float, two: float, three: float) -> str:
    """The text and an address or number that belongs to nobody: example.org, and numbers kept free for fiction."""
    phrases = _phrases()
    sentence = phrases["contacts"][int(one * len(phrases["contacts"]))]
    name = phrases["names"][int(two * len(phrases["names"]))]
    return f"{text} {sentence.format(name=name, number=100 + int(three * 900), hundred=100 + int(three * 100))}"


def _with_slip(text: str, one: float, two: float, three: float) -> str:
    """The text with two neighbouring letters swapped, one left out, or one doubled."""
    letters = [
        place
        for place, letter in enumerate(text[:-1])
        if letter.isascii() and letter.isalpha() and text[place + 1].isalpha()
    ]
    if not letters:
        return text
    place = letters[int(one * len(letters))]
    kinds = (
        text[place + 1] + text[place],
        text[place],
        text[place] + text[place] + text[place + 1],
    )
    return text[:place] + kinds[int(two * len(kinds))] + text[place + 2 :]

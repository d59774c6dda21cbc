"""From a log nobody has described yet: which events come early and late, what stages and which funnel they suggest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from cjlib.sources.journey.scaffold.column_inference import Guess
from cjlib.sources.journey.scaffold.profile import Look
from cjlib.sources.log.engine import literal

MOST_MAPPED = 60
LONGEST_FUNNEL = 5
MOST_CANDIDATES = 15
MOST_CUSTOMERS = 20_000
DAY = 86_400.0

# Stage, where it stands if the order of the data does not say, and words of event names that suggest it; the first that fits counts.
_HINTS: tuple[tuple[str, int, str], ...] = (
    (
        "Leaving",
        9,
        r"(?<!order )(?<!order_)cancel|churn|(deal|opportunity) lost|unsubscri|uninstall|deactivat|downgrad|close_?account|kündig|kuendig|abmeld|storn|baja|résili|resili",
    ),
    (
        "Support",
        7,
        r"support|ticket|order[ _](cancel|refund)|payment (refund|disput)|helpdesk|help_|chat|complain|refund|return_req|error|bug|problem|beschwerde|reklam|fehler|störung|queja|plainte|reclam",
    ),
    ("Advocacy", 8, r"refer|invite|recommend|share|testimonial|empfehl|weiterempf"),
    ("Retention", 6, r"renew|repeat|reorder|loyal|verläng|newsletter_open|re_?engage"),
    (
        "Awareness",
        0,
        r"impression|(?<![a-z])ads?(?![a-z])|visit|landing|home|blog|promo|campaign|banner|session_start|werb|start|besuch|inicio|accueil",
    ),
    (
        "Purchase",
        3,
        r"cart|basket|checkout|ship|pay|purchas|order|(deal|opportunity) won|buy|bought|subscri|invoice|convert|kauf|bestell|warenkorb|zahl|kasse|compra|pedido|achat|panier|commande|acquist",
    ),
    (
        "Onboarding",
        2,
        r"sign_?up|regist|onboard|activat|verif|welcome|trial|first_login|create_?account|anmeld|registr|konto|inscri|alta",
    ),
    (
        "Consideration",
        1,
        r"view|search|catalog|product|(deal|opportunity) (created|entered)|compare|filter|wish|review|pricing|demo|detail|page|suche|produkt|ansicht|ansehen|vergleich|merk|busca|cherch|vue|ver_",
    ),
    (
        "Use",
        5,
        r"login|use|feature|create|upload|download|export|click|open|play|listen|watch|message|nutz",
    ),
)
_GOAL = re.compile(
    r"purchas|buy|bought|order(ed|[ _]placed|[ _]complete)?$|(deal|opportunity)[ _]won|payment received|subscribe|paid|payment_succe|approv|convert|kauf|bestell|compra|achat|acquist|closed_won|resolve"
)
_GOAL_WHERE_NONE_IS_PLACED = re.compile(
    r"(order|checkout|payment)[ _](completed|confirmed|finished|succe\w*)$"
)
"""Where orders are placed, or paid, these say that one was carried out."""
_START = re.compile(r"sign_?up|regist|create_?account|anmeld|registr|inscri")
_LEAVE = re.compile(_HINTS[0][2])
_SIDE = {"Support", "Leaving", "Advocacy", "Retention"}
_UNNAMED = ("Beginning", "Early", "Late", "End")


@dataclass(frozen=True)
class EventFacts:
    """One event of the log: how often, by how many, and where it usually comes first (0 = before, 1 = after all others of its customers)."""

    name: str
    events: int
    customers: int
    place: float

    @property
    def hint(self) -> tuple[str, int] | None:
        """The stage its name suggests, and where that stage usually stands."""
        folded = self.name.casefold()
        return next(
            ((stage, order) for stage, order, words in _HINTS if re.search(words, folded)), None
        )


def facts(look: Look, guess: Guess) -> list[EventFacts]:
    """Every event of the log, most common first."""
    if guess.event is None:
        return []
    who, what = guess.customer.place, guess.event.place
    look.engine.execute(
        f"CREATE OR REPLACE TABLE firsts AS SELECT {who} AS c, {what} AS e, min(at_) AS first, count(*) AS n "
        f"FROM looked WHERE {who} IS NOT NULL AND {what} IS NOT NULL AND at_ IS NOT NULL GROUP BY {who}, {what}"
    )
    ranked = "SELECT *, percent_rank() OVER (PARTITION BY c ORDER BY first) AS place, count(*) OVER (PARTITION BY c) AS kinds FROM firsts"
    rows = look.engine.rows(
        f"SELECT e, CAST(sum(n) AS BIGINT), count(*), coalesce(avg(place) FILTER (WHERE kinds > 1), 0.5) FROM ({ranked}) GROUP BY e ORDER BY 2 DESC, e"
    )
    return [EventFacts(*row) for row in rows]


def spellings(events: list[EventFacts]) -> dict[str, list[str]]:
    """Names that differ only in capitals and blanks, under the most common of them, which stands first."""
    found: dict[str, list[str]] = {}
    leaders: dict[str, str] = {}
    for event in sorted(events, key=lambda event: (-event.events, event.name)):
        leader = leaders.setdefault(event.name.strip().casefold(), event.name)
        found.setdefault(leader, []).append(event.name)
    return found


def speaking(events: list[EventFacts]) -> bool:
    """Whether most names, by number and by occurrence, suggest a stage."""
    used = events[:MOST_MAPPED]
    hinted = [event for event in used if event.hint]
    return 2 * len(hinted) >= len(used) and 2 * sum(event.events for event in hinted) >= sum(
        event.events for event in used
    )


def stages(events: list[EventFacts]) -> list[tuple[str, list[EventFacts]]]:
    """Stages in order, each with its events in order: by what the names suggest where most suggest something, else by order alone."""
    return _by_name(events[:MOST_MAPPED]) if speaking(events) else _by_order(events[:MOST_MAPPED])


def _by_name(events: list[EventFacts]) -> list[tuple[str, list[EventFacts]]]:
    groups: dict[str, list[EventFacts]] = {}
    for event in events:
        groups.setdefault(event.hint[0] if event.hint else _nearest(event, events), []).append(
            event
        )
    return [
        (stage, _in_order(groups[stage]))
        for stage in sorted(groups, key=lambda stage: _stage_place(stage, groups[stage]))
    ]


def _nearest(event: EventFacts, events: list[EventFacts]) -> str:
    named = [other for other in events if other.hint and other.hint[0] not in _SIDE] or [
        other for other in events if other.hint
    ]
    nearest = min(named, key=lambda other: (abs(other.place - event.place), other.name))
    return nearest.hint[0] if nearest.hint else _UNNAMED[0]


def _stage_place(stage: str, events: list[EventFacts]) -> tuple[int, float, str]:
    usual = {name: order for name, order, _ in _HINTS}.get(stage, 0)
    if stage in _SIDE:
        return usual, 0.0, stage
    customers = sum(event.customers for event in events)
    seen = sum(event.place * event.customers for event in events) / customers
    return 0, seen + 0.1 * usual, stage  # the usual order decides where the data hardly does


def _by_order(events: list[EventFacts]) -> list[tuple[str, list[EventFacts]]]:
    ordered = _in_order(events)
    parts = min(len(_UNNAMED), len(ordered))
    names = {1: _UNNAMED[:1], 2: ("Beginning", "End"), 3: ("Beginning", "Middle", "End")}.get(
        parts, _UNNAMED
    )
    cuts = [round(len(ordered) * part / parts) for part in range(parts + 1)]
    return [
        (name, ordered[low:high]) for name, low, high in zip(names, cuts, cuts[1:], strict=False)
    ]


def _in_order(events: Iterable[EventFacts]) -> list[EventFacts]:
    return sorted(events, key=lambda event: (event.place, -event.customers, event.name))


def goal(events: list[EventFacts]) -> EventFacts | None:
    """The event that looks like the conversion."""
    for pattern in (_GOAL, _GOAL_WHERE_NONE_IS_PLACED):
        named = [event for event in events if pattern.search(event.name.casefold())]
        if named:
            return max(named, key=lambda event: (event.place, event.customers, event.name))
    return None


def start(events: list[EventFacts]) -> EventFacts | None:
    """The event that looks like a sign-up."""
    early = (
        event for event in events if _START.search(event.name.casefold()) and event.place < 0.5
    )
    return max(early, key=lambda event: event.customers, default=None)


def leaving(events: list[EventFacts]) -> EventFacts | None:
    """The event that looks like leaving."""
    return max(
        (event for event in events if _LEAVE.search(event.name.casefold())),
        key=lambda event: event.customers,
        default=None,
    )


def funnel(look: Look, events: list[EventFacts]) -> list[str]:
    """Steps from the earliest common event to the goal, or to the last that fits.

    The longest chain in which nearly all who have a step had the one before, and at least 3% fewer customers have it; of more
    than five steps the ones that lose least are left out.
    """
    able = [
        event
        for event in events
        if not (speaking(events) and event.hint and event.hint[0] in _SIDE)
    ] or events
    last = goal(able)
    first = next(
        event
        for event in _in_order(able)
        if 2 * event.customers >= max(one.customers for one in able)
    )
    enough = 0.9 * last.customers if last else 0.02 * first.customers
    between = [
        event
        for event in able
        if event not in (first, last)
        and event.customers >= enough
        and (last is None or event.place < last.place)
    ]
    candidates = [
        first,
        *_in_order(sorted(between, key=lambda event: -event.customers)[:MOST_CANDIDATES]),
    ]
    chain = _longest(candidates, _had_before(look, candidates))
    if last is not None and last is not first:
        chain = [*chain, last]
    elif len(chain) < 2:
        chain += [event for event in reversed(_in_order(able)) if event is not first][:1]
    return [event.name for event in _shortened(chain)]


def _longest(
    candidates: list[EventFacts], had_before: dict[tuple[str, str], float]
) -> list[EventFacts]:
    """The longest chain from the first candidate on; of equally long ones the one whose steps lead most surely to each other."""
    best: list[tuple[float, list[EventFacts]]] = [(0.0, [candidates[0]])]
    for event in candidates[1:]:
        able = [
            (weight + had_before[chain[-1].name, event.name], [*chain, event])
            for weight, chain in best
            if event.customers <= 0.97 * chain[-1].customers
            and had_before.get((chain[-1].name, event.name), 0.0) >= 0.8
        ]
        if able:
            best.append(max(able, key=lambda one: one[0]))
    return max(best, key=lambda one: one[0])[1]


def _shortened(chain: list[EventFacts]) -> list[EventFacts]:
    while len(chain) > LONGEST_FUNNEL:
        kept = [later.customers / earlier.customers for earlier, later in pairwise(chain)]
        chain.pop(
            max(
                range(1, len(chain) - 1),
                key=lambda position: max(kept[position - 1], kept[position]),
            )
        )
    return chain


def _had_before(look: Look, candidates: list[EventFacts]) -> dict[tuple[str, str], float]:
    """For (early, late): of the customers with `late`, the share whose first `early` is not after their first `late`."""
    names = ", ".join(literal(event.name) for event in candidates)
    chosen = f"(SELECT * FROM firsts WHERE e IN ({names}) AND c IN (SELECT DISTINCT c FROM firsts ORDER BY hash(c) LIMIT {MOST_CUSTOMERS}))"
    rows = look.engine.rows(
        f"WITH chosen AS {chosen}, n AS (SELECT e, count(*) AS n FROM chosen GROUP BY e) "
        f"SELECT a.e, b.e, count(*) / any_value(n.n) FROM chosen a JOIN chosen b ON a.c = b.c AND a.e <> b.e AND b.first >= a.first "
        f"JOIN n ON n.e = b.e GROUP BY a.e, b.e"
    )
    return {(early, late): share for early, late, share in rows}


def usual_seconds(look: Look, early: str, late: str) -> float | None:
    """Within how many seconds nine in ten of the customers with both go from their first `early` to their first `late`."""
    return look.engine.rows(
        f"SELECT quantile_cont(b.first - a.first, 0.9) FROM firsts a JOIN firsts b USING (c) "
        f"WHERE a.e = {literal(early)} AND b.e = {literal(late)} AND b.first >= a.first"
    )[0][0]


def usual_silence(look: Look, guess: Guess) -> tuple[float | None, float]:
    """Nine in ten pauses of a day or more between a customer's events are shorter; and the span of the log. Both in seconds."""
    who = guess.customer.place
    silence, span = look.engine.rows(
        f"SELECT quantile_cont(gap, 0.9) FILTER (WHERE gap >= {DAY}), (SELECT max(at_) - min(at_) FROM looked) "
        f"FROM (SELECT at_ - lag(at_) OVER (PARTITION BY {who} ORDER BY at_) AS gap FROM looked WHERE {who} IS NOT NULL)"
    )[0]
    return silence, span or 0.0


def rounded_up(seconds: float, most: float = 730 * DAY) -> str:
    """The next length of time that people use, such as 30min or 14D; not above `most`."""
    lengths = [(1800.0, "30min"), (3600.0, "1h"), (6 * 3600.0, "6h")] + [
        (DAY * days, f"{days}D") for days in (1, 2, 3, 7, 14, 30, 60, 90, 180, 365, 730)
    ]
    allowed = [(length, name) for length, name in lengths if length <= most] or lengths[:1]
    return next((name for length, name in allowed if seconds <= length), allowed[-1][1])

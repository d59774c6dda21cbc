"""The cells of the map's picture, lane by lane: what customers did, how they felt, and the words that cells are made of, escaped, each with what it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show import numbers
from cjlib.views.map_html.sentiment_lane import Mood, moods, name_of
from cjlib.views.map_style import STEPS

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap
Record = dict[Any, Any]


@dataclass(frozen=True)
class Cell:
    """What stands in one stage of one lane: HTML of ours, what kind of cell, and whether it rests on too few."""

    html: str
    kind: str = "plain"
    thin: bool = False


def small(text: str) -> str:
    """Words that recede."""
    return f'<span class="cj-n">{escape(text)}</span>'


def big(text: str) -> str:
    """The number of a cell."""
    return f'<span class="cj-big">{escape(text)}</span>'


def said(*lines: str) -> str:
    """Lines of HTML one below the other; empty ones are left out."""
    return "".join(f"<div>{line}</div>" for line in lines if line)


def rests_on(n: int) -> str:
    """What a cell rests on: its n, and in words where that is too few."""
    return small(f"n {n:,}" if n >= MIN_N else f"n {n:,} · thin, too few to read")


def unknown() -> Cell:
    """The cell of what was not measured."""
    return Cell(small("not measured"), thin=True)


def count(value: Any) -> int | None:
    """A count, or None where there is none."""
    return None if numbers.missing(value) else int(value)


SHOWN_POINTS = 5


def evidence(row: Record) -> Cell:
    """How much is known of the stage."""
    return Cell(
        said(f'<b class="cj-grade">{escape(row["evidence"])}</b>'),
        "grade",
        row["evidence"] in ("thin", "none"),
    )


def customers(row: Record) -> Cell:
    """How many entered, of all."""
    n = count(row["customers"])
    if n is None:
        return unknown()
    width = round(STEPS * (row["share_of_all"] if not numbers.missing(row["share_of_all"]) else 0))
    bar = f'<span class="cj-track"><span class="cj-fill cj-w{width}"></span></span>'
    share = f"{numbers.percent(row['share_of_all'])} of all" if n else ""
    return Cell(said(big(f"{n:,}"), bar, escape(share), rests_on(n)), thin=n < MIN_N)


def onward(row: Record) -> Cell:
    """How many of those before go on to it, in order."""
    share, n = row["share_of_previous"], count(row["customers_in_order"])
    if n is None:
        return unknown()
    base = row["base"]
    if numbers.missing(share):
        return Cell(
            said(
                big(f"{n:,}"),
                small("start" if base is None else "nobody came so far, in order"),
            ),
            thin=n < MIN_N,
        )
    bounds = numbers.interval(row["share_of_previous_low"], row["share_of_previous_high"])
    return Cell(
        said(
            big(numbers.percent(share)),
            escape(f"of those before ({bounds})"),
            rests_on(base) if base else "",
        ),
        thin=bool(base) and base < MIN_N,
    )


def ends(row: Record) -> Cell:
    """How many stopped here, and how many went back."""
    n = count(row["customers"])
    if n is None:
        return unknown()
    if n == 0:
        return Cell(small("nobody came"), thin=True)
    bounds = numbers.interval(row["share_ended_low"], row["share_ended_high"])
    more = [f"{int(row['still_moving']):,} still moving"]
    more += [f"{numbers.percent(row['share_went_back'])} went back"] if row["went_back"] else []
    return Cell(
        said(
            big(numbers.percent(row["share_ended"])),
            escape(f"({bounds})"),
            *(escape(one) for one in more),
            rests_on(n),
        ),
        thin=n < MIN_N,
    )


def skipped(row: Record) -> Cell:
    """How many of those further on were never here."""
    n = count(row["customers_further"])
    if n is None or n == 0:
        return Cell(small("no stage follows") if n == 0 else small("not measured"), thin=n is None)
    bounds = numbers.interval(row["share_skipped_low"], row["share_skipped_high"])
    return Cell(
        said(
            escape(f"{numbers.percent(row['share_skipped'])} of those further on ({bounds})"),
            rests_on(n),
        ),
        thin=n < MIN_N,
    )


def time(row: Record) -> Cell:
    """How long until a later stage, and in this one."""
    if count(row["customers"]) is None:
        return unknown()
    n = int(row["n_to_next"])
    if n == 0:
        return Cell(small("no later stage follows"))
    stay = (
        ""
        if numbers.missing(row["median_seconds_in_stage"])
        else f"{numbers.duration(row['median_seconds_in_stage'])} in the stage"
    )
    return Cell(
        said(
            big(numbers.duration(row["median_seconds_to_next"])),
            "until a later stage",
            escape(stay),
            rests_on(n),
        ),
        thin=n < MIN_N,
    )


def channels(row: Record) -> Cell:
    """Where it happens."""
    text = row["channels"]
    if numbers.missing(text):
        return Cell(small("no channel in the data"), thin=True)
    return Cell(
        said(*(escape(part) for part in str(text).split(", ")))
        + small(f"of {numbers.count_of(int(row['events']), 'event')}")
    )


def money(row: Record) -> Cell:
    """What a customer is worth from here on, and costs here."""
    n = count(row["customers"])
    if n is None or (
        numbers.missing(row["value_per_customer"]) and numbers.missing(row["cost_per_customer"])
    ):
        return Cell("")
    value = (
        ""
        if numbers.missing(row["value_per_customer"])
        else f"{numbers.money(row['value_per_customer'])} per customer after entry"
    )
    bounds = (
        ""
        if numbers.missing(row["value_per_customer_low"])
        else f"({numbers.money(row['value_per_customer_low'])} to {numbers.money(row['value_per_customer_high'])})"
    )
    cost = (
        ""
        if numbers.missing(row["cost_per_customer"])
        else f"costs {numbers.money(row['cost_per_customer'], 2)}"
    )
    return Cell(said(escape(value), escape(bounds), escape(cost), rests_on(n)), thin=n < MIN_N)


def risk(row: Record) -> Cell:
    """The model's mean probability of leaving."""
    if numbers.missing(row["mean_churn_probability"]):
        return Cell("")
    return Cell(
        said(
            big(numbers.percent(row["mean_churn_probability"])),
            "mean probability of those here now, by the model",
        )
    )


def points(row: Record, points: Iterable[Record]) -> Cell:
    """The touchpoints with most customers."""
    own = [point for point in points if point["stage"] == row["stage"]]
    if not own:
        return Cell(small("none named"), thin=True)
    ranked = sorted(own, key=lambda one: -(count(one["customers"]) or 0))
    lines = [_point(one) for one in ranked[:SHOWN_POINTS]]
    rest = len(ranked) - SHOWN_POINTS
    return Cell(said(*lines, small(f"and {rest} more") if rest > 0 else ""))


def _point(one: Record) -> str:
    name = f"<bdi>{escape(numbers.short(one['touchpoint'].replace('_', ' ')))}</bdi>"
    n = count(one["customers"])
    came = "" if n is None else "never seen" if n == 0 else f"{n:,}"
    return f"{name} {small(came + (' · backstage' if one['backstage'] else ''))}"


def feelings(
    held: JourneyMap, stages: list[Record], group: object
) -> list[tuple[str, str, list[Cell]]]:
    """The lanes of the sentiment line and of the scores."""
    measure, found = moods(held, group)
    lanes = (
        []
        if measure is None
        else [
            (
                f"Feeling ({name_of(held, measure)})",
                "mood",
                [_mood(found.get(str(row["stage"]))) for row in stages],
            )
        ]
    )
    return [*lanes, ("Scores", "count", [_scores(row) for row in stages])]


def _mood(mood: Mood | None) -> Cell:
    if mood is None:
        return Cell(f'<span class="cj-curve cj-silent"></span>{small("no answers")}', "mood", True)
    thin = mood.customers < MIN_N
    badge = f'<b class="cj-badge">{escape(mood.named)}</b>' if mood.named else ""
    drawn = f'<span class="cj-curve {mood.classes}"><i class="cj-zero"></i><i class="cj-path"></i><i class="cj-span"></i><i class="cj-dot"></i>{badge}</span>'
    bounds = (
        ""
        if numbers.missing(mood.low)
        else f"({mood.low:.2f} to {mood.high:.2f})".replace("-", "−")
    )
    return Cell(
        drawn + said(big(f"{mood.value:.2f}".replace("-", "−")), escape(bounds), _heard(mood)),
        "mood",
        thin,
    )


def _heard(mood: Mood) -> str:
    """What a mark rests on; of few customers who answered often, how many they are."""
    if mood.customers >= MIN_N or mood.n < MIN_N:
        return rests_on(mood.n)
    of = numbers.count_of(mood.customers, "customer")
    return small(f"n {mood.n:,} of {of} · thin, too few to read")


def _scores(row: Record) -> Cell:
    lines, sizes = [], []
    for name, label in (("nps", "NPS"), ("csat", "CSAT"), ("ces", "CES")):
        n = count(row[f"n_{name}"])
        if not n:
            continue
        value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
        shown = (
            f"{value:+.0f} ({low:+.0f} to {high:+.0f})".replace("-", "−")
            if name == "nps"
            else f"{numbers.percent(value)} ({numbers.interval(low, high)})"
        )
        text = f"{label} {shown}"
        look = "cj-few" if n < MIN_N else "cj-enough"
        lines.append(f'<span class="{look}">{escape(text)} {rests_on(n)}</span>')
        sizes.append(n)
    if not lines:
        return Cell(small("nobody was asked"), thin=True)
    return Cell(said(*lines), thin=max(sizes) < MIN_N)


def pains(held: JourneyMap, stages: list[Record]) -> list[tuple[str, str, list[Cell]]]:
    """The lane of pain points; none where nothing was measured."""
    found = held.pain_points
    if not len(found):
        return []
    by_stage = {row["stage"]: row for row in found[found["level"] == "stage"].to_dict("records")}
    last = len(by_stage)
    return [("Pain", "pain", [_pain(by_stage.get(row["stage"]), last) for row in stages])]


def _pain(row: Record | None, last: int) -> Cell:
    if row is None or numbers.missing(row["impact"]):
        return unknown()
    reasons = [
        _reason(name, row)
        for name in ("lost", "unhappy", "slow", "effortful")
        if not numbers.missing(row[f"{name}_p_adjusted"]) and row[f"{name}_p_adjusted"] < CLAIM
    ]
    if not reasons:
        return Cell(said("not significantly worse than elsewhere", rests_on(int(row["customers"]))))
    among = f"{numbers.ranks(row['rank_low'], row['rank_high'])} of {last}"
    first = row["rank"] == 1
    look = "cj-badge" if first else "cj-rank"
    title = f'<b class="{look}">#{int(row["rank"])}</b> {small(among)}'
    return Cell(
        said(title, *(escape(reason) for reason in reasons), rests_on(int(row["customers"]))),
        "pain cj-first-pain" if first else "pain",
    )


def _reason(name: str, row: Record) -> str:
    told = {
        "lost": "lost",
        "unhappy": "unhappy",
        "slow": "later than expected",
        "effortful": "with effort",
    }[name]
    reference = row[f"{name}_reference"]
    return f"{100 * row[name]:.0f}% {told}" + (
        f" (usual {100 * reference:.0f}%)" if reference > 0 else ""
    )


def quote(held: JourneyMap, row: Record) -> Cell:
    """What one customer said there."""
    quotes = held.quotes
    own = (
        quotes[(quotes["stage"] == row["stage"]) & quotes["touchpoint"].isna()]
        if len(quotes)
        else quotes
    )
    if not len(own):
        return Cell(small("no words to quote"), thin=True)
    one = own.iloc[0]
    source = small(f"{one['label']} · {one['feedback_id']}")
    return Cell(f"<q><bdi>{escape(numbers.short(one['text'], 130))}</bdi></q> {source}", "quote")

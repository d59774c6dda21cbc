"""The cells of the map's picture: each lane says in a few words what a stage's numbers are, and what they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from cjlib import words
from cjlib.analyses.result import MIN_N
from cjlib.views.picture_mood import NAMES, STEPS, moods, rows_of_group

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap

Record = dict[Any, Any]
SHOWN_POINTS = 5


@dataclass(frozen=True)
class Cell:
    """What stands in one stage of one lane: HTML of ours, what kind of cell, and whether it rests on too few."""

    html: str
    kind: str = "plain"
    thin: bool = False


@dataclass(frozen=True)
class Lanes:
    """The lanes of one picture: name, kind and a cell a stage; `title` names the group where there is one."""

    title: str
    lanes: list[tuple[str, str, list[Cell]]]


def lanes_of(held: JourneyMap, group: Any) -> Lanes:
    """Every lane, in the order in which a reader asks."""
    labels = held._source.groups.words()
    chosen = labels[0] if group is None else str(group)
    name = held._source.groups.name
    key = None if chosen == "(not set)" else chosen
    stages = rows_of_group(held.table, held, key).to_dict("records")
    points = rows_of_group(held.touchpoints, held, key).to_dict("records")
    counted = [
        ("Evidence", "grade", _evidence),
        ("Customers", "count", _customers),
        ("Goes on, in order", "count", _onward),
        ("Ends here", "count", _ends),
    ]
    further = [
        ("Skipped by", "count", _skipped),
        ("Time", "count", _time),
        ("Channels", "count", _channels),
        ("Worth and cost", "count", _money),
        ("Risk of leaving", "count", _risk),
    ]
    lanes = [(title, kind, [make(row) for row in stages]) for title, kind, make in counted]
    lanes += _feelings(held, stages, key)
    lanes += _pains(held, stages) if name is None else []
    lanes += [("In their words", "quote", [_quote(held, row) for row in stages])]
    lanes += [("Touchpoints", "count", [_points(row, points) for row in stages])]
    lanes += [(title, kind, [make(row) for row in stages]) for title, kind, make in further]
    lanes += _by_hand(held)
    return Lanes("" if name is None else f"{name}: {chosen}", lanes)


def _small(text: str) -> str:
    return f'<span class="cj-n">{escape(text)}</span>'


def _big(text: str) -> str:
    return f'<span class="cj-big">{escape(text)}</span>'


def _said(*lines: str) -> str:
    return "".join(f'<span class="cj-line">{line}</span>' for line in lines if line)


def _n(n: int, what: str = "n") -> str:
    """What a cell rests on, in words."""
    return _small(f"{what} {n:,} · " + ("measured" if n >= MIN_N else "thin, too few to read"))


def _unknown() -> Cell:
    return Cell(_small("not measured"), thin=True)


def _number(value: Any) -> int | None:
    return None if words.missing(value) else int(value)


def _evidence(row: Record) -> Cell:
    return Cell(_said(f'<b class="cj-grade">{escape(row["evidence"])}</b>'), "grade", row["evidence"] in ("thin", "none"))


def _customers(row: Record) -> Cell:
    n = _number(row["customers"])
    if n is None:
        return _unknown()
    width = round(STEPS * (row["share_of_all"] if not words.missing(row["share_of_all"]) else 0))
    bar = f'<span class="cj-track"><span class="cj-fill cj-w{width}"></span></span>'
    share = f"{words.percent(row['share_of_all'])} of all" if n else ""
    return Cell(_said(_big(f"{n:,}"), bar, escape(share), _n(n)), thin=n < MIN_N)


def _onward(row: Record) -> Cell:
    share, n = row["share_of_previous"], _number(row["customers_in_order"])
    if n is None:
        return _unknown()
    if words.missing(share):
        return Cell(_said(_big(f"{n:,}"), _small("enter the chain here")), thin=n < MIN_N)
    base = round(n / share) if share else 0
    bounds = words.interval(row["share_of_previous_low"], row["share_of_previous_high"])
    return Cell(_said(_big(words.percent(share)), escape(f"of those before ({bounds})"), _n(base) if base else ""), thin=bool(base) and base < MIN_N)


def _ends(row: Record) -> Cell:
    n = _number(row["customers"])
    if n is None:
        return _unknown()
    if n == 0:
        return Cell(_small("nobody came"), thin=True)
    bounds = words.interval(row["share_ended_low"], row["share_ended_high"])
    more = [f"{int(row['still_moving']):,} still moving"]
    more += [f"{words.percent(row['share_went_back'])} went back"] if row["went_back"] else []
    return Cell(_said(_big(words.percent(row["share_ended"])), escape(f"({bounds})"), *(escape(one) for one in more), _n(n)), thin=n < MIN_N)


def _skipped(row: Record) -> Cell:
    n = _number(row["customers_further"])
    if n is None or n == 0:
        return Cell(_small("no stage follows") if n == 0 else _small("not measured"), thin=n is None)
    bounds = words.interval(row["share_skipped_low"], row["share_skipped_high"])
    return Cell(_said(escape(f"{words.percent(row['share_skipped'])} of those further on ({bounds})"), _n(n)), thin=n < MIN_N)


def _time(row: Record) -> Cell:
    if _number(row["customers"]) is None:
        return _unknown()
    n = int(row["n_to_next"])
    if n == 0:
        return Cell(_small("no later stage follows"))
    stay = "" if words.missing(row["median_seconds_in_stage"]) else f"{words.duration(row['median_seconds_in_stage'])} in the stage"
    return Cell(_said(_big(words.duration(row["median_seconds_to_next"])), "until a later stage", escape(stay), _n(n)), thin=n < MIN_N)


def _channels(row: Record) -> Cell:
    text = row["channels"]
    if words.missing(text):
        return Cell(_small("no channel in the data"), thin=True)
    return Cell(_said(*(escape(part) for part in str(text).split(", "))) + _small(f"of {int(row['events']):,} events"))


def _points(row: Record, points: Iterable[Record]) -> Cell:
    own = [one for one in points if one["stage"] == row["stage"]]
    if not own:
        return Cell(_small("none named"), thin=True)
    ranked = sorted(own, key=lambda one: -(_number(one["customers"]) or 0))
    lines = [_point(one) for one in ranked[:SHOWN_POINTS]]
    rest = len(ranked) - SHOWN_POINTS
    return Cell(_said(*lines, _small(f"and {rest} more") if rest > 0 else ""))


def _point(one: Record) -> str:
    name = f"<bdi>{escape(words.short(one['touchpoint'].replace('_', ' ')))}</bdi>"
    n = _number(one["customers"])
    count = "" if n is None else "never seen" if n == 0 else f"{n:,}"
    return f"{name} {_small(count + (' · backstage' if one['backstage'] else ''))}"


# ---- what they feel ----------------------------------------------------------------------------------------------------


def _feelings(held: JourneyMap, stages: list[Record], group: Any) -> list[tuple[str, str, list[Cell]]]:
    measure, half, found = moods(held, group)
    lanes = []
    if measure is not None:
        title = f"Feeling ({NAMES[measure]}; lane from {_signed(measure, -half)} to {_signed(measure, half)})"
        lanes.append((title, "mood", [_mood(found.get(str(row["stage"]))) for row in stages]))
    lanes.append(("Scores", "count", [_scores(row) for row in stages]))
    return lanes


def _signed(measure: str, reach: float) -> str:
    middle = {"text": 0.0, "csat": 3.0, "nps": 5.0, "ces": 4.0}[measure]
    return f"{middle + reach:+.2f}".replace("-", "−") if measure == "text" else f"{middle + reach:.1f}"


def _mood(mood: Any) -> Cell:
    if mood is None:
        return Cell(f'<span class="cj-curve cj-silent"></span>{_small("no answers")}', "mood", True)
    thin = mood.n < MIN_N
    badge = f'<b class="cj-badge">{escape(mood.named)}</b>' if mood.named else ""
    drawn = f'<span class="cj-curve {mood.classes}"><i class="cj-zero"></i><i class="cj-path"></i><i class="cj-span"></i><i class="cj-dot"></i>{badge}</span>'
    bounds = "" if words.missing(mood.low) else f"({mood.low:.2f} to {mood.high:.2f})".replace("-", "−")
    return Cell(drawn + _said(_big(f"{mood.value:.2f}".replace("-", "−")), escape(bounds), _n(mood.n)), "mood", thin)


def _scores(row: Record) -> Cell:
    lines, sizes = [], []
    for name, label in (("nps", "NPS"), ("csat", "CSAT"), ("ces", "CES")):
        n = _number(row[f"n_{name}"])
        if not n:
            continue
        value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
        shown = (
            f"{value:+.0f} ({low:+.0f} to {high:+.0f})".replace("-", "−")
            if name == "nps"
            else f"{words.percent(value)} ({words.interval(low, high)})"
        )
        text = f"{label} {shown}"
        look = "cj-few" if n < MIN_N else "cj-enough"
        lines.append(f'<span class="{look}">{escape(text)} {_n(n)}</span>')
        sizes.append(n)
    if not lines:
        return Cell(_small("nobody was asked"), thin=True)
    return Cell(_said(*lines), thin=max(sizes) < MIN_N)


# ---- what it is worth, what hurts ------------------------------------------------------------------------------------


def _money(row: Record) -> Cell:
    n = _number(row["customers"])
    if n is None or (words.missing(row["value_per_customer"]) and words.missing(row["cost_per_customer"])):
        return Cell("")
    value = "" if words.missing(row["value_per_customer"]) else f"{row['value_per_customer']:,.0f} per customer after entry"
    bounds = (
        "" if words.missing(row["value_per_customer_low"]) else f"({row['value_per_customer_low']:,.0f} to {row['value_per_customer_high']:,.0f})"
    )
    cost = "" if words.missing(row["cost_per_customer"]) else f"costs {row['cost_per_customer']:,.2f}"
    return Cell(_said(escape(value), escape(bounds), escape(cost), _n(n)), thin=n < MIN_N)


def _risk(row: Record) -> Cell:
    if words.missing(row["mean_churn_probability"]):
        return Cell("")
    return Cell(_said(_big(words.percent(row["mean_churn_probability"])), "mean probability of those here now, by the model"))


def _pains(held: JourneyMap, stages: list[Record]) -> list[tuple[str, str, list[Cell]]]:
    pains = held.pain_points
    if not len(pains):
        return []
    by_stage = {row["stage"]: row for row in pains[pains["level"] == "stage"].to_dict("records")}
    last = len(by_stage)
    return [("Pain", "pain", [_pain(by_stage.get(row["stage"]), last) for row in stages])]


def _pain(row: Record | None, last: int) -> Cell:
    if row is None or words.missing(row["impact"]):
        return _unknown()
    reasons = [
        _reason(name, row)
        for name in ("lost", "unhappy", "slow", "effortful")
        if not words.missing(row[f"{name}_excess"]) and row[f"{name}_excess"] > 0.005
    ]
    if not reasons:
        return Cell(_said("no worse than elsewhere", _n(int(row["affected"]))))
    ranks = f"rank {row['rank_low']}–{row['rank_high']} of {last}" if row["rank_low"] != row["rank_high"] else f"rank {row['rank_low']} of {last}"
    first = row["rank"] == 1
    look = "cj-badge" if first else "cj-rank"
    title = f'<b class="{look}">#{int(row["rank"])}</b> {_small(ranks)}'
    return Cell(_said(title, *(escape(one) for one in reasons), _n(int(row["affected"]))), "pain cj-first-pain" if first else "pain")


def _reason(name: str, row: Record) -> str:
    told = {"lost": "lost", "unhappy": "unhappy", "slow": "later than expected", "effortful": "with effort"}[name]
    reference = row[f"{name}_reference"]
    return f"{100 * row[name]:.0f} % {told}" + (f", {100 * reference:.0f} % elsewhere or expected" if reference > 0 else "")


def _quote(held: JourneyMap, row: Record) -> Cell:
    quotes = held.quotes
    own = quotes[(quotes["stage"] == row["stage"]) & quotes["touchpoint"].isna()] if len(quotes) else quotes
    if not len(own):
        return Cell(_small("no words to quote"), thin=True)
    one = own.iloc[0]
    source = _small(f"{one['label']} · {one['feedback_id']}")
    return Cell(f"<q><bdi>{escape(words.short(one['text'], 130))}</bdi></q> {source}", "quote")


def _by_hand(held: JourneyMap) -> list[tuple[str, str, list[Cell]]]:
    """The lanes written in the journey file, as they are."""
    lanes = []
    for key, title in (
        ("goal", "Goal"),
        ("questions", "Questions"),
        ("thoughts", "Thoughts"),
        ("opportunities", "Opportunities"),
        ("kpi", "Measured by"),
        ("owner", "Owner"),
    ):
        cells = [
            Cell(_said(*(f"<bdi>{escape(text)}</bdi>" for text in texts)) + _small("by hand") if texts else "", "hand")
            for texts in _written(held, key)
        ]
        lanes.append((f"{title} (by hand)", "hand", cells))
    return lanes


def _written(held: JourneyMap, key: str) -> list[tuple[str, ...]]:
    """The texts of a stage, and below them those of its touchpoints."""
    texts = []
    for stage in held.journey.stages:
        own = tuple(f"{point.name}: {text}" for point in stage.touchpoints for text in getattr(point, key, ()))
        texts.append((*getattr(stage, key), *own))
    return texts

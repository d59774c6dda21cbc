"""What customers feel at a stage and where it hurts, a cell each: the sentiment line, scores, pain points, their own words."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show import numbers
from cjlib.views.map_html.cell import Cell, Record, big, count, rests_on, said, small, unknown
from cjlib.views.map_html.sentiment_lane import NAMES, Mood, moods

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap


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
                f"Feeling ({NAMES[measure]})",
                "mood",
                [_mood(found.get(str(row["stage"]))) for row in stages],
            )
        ]
    )
    return [*lanes, ("Scores", "count", [_scores(row) for row in stages])]


def _mood(mood: Mood | None) -> Cell:
    if mood is None:
        return Cell(f'<span class="cj-curve cj-silent"></span>{small("no answers")}', "mood", True)
    thin = mood.n < MIN_N
    badge = f'<b class="cj-badge">{escape(mood.named)}</b>' if mood.named else ""
    drawn = f'<span class="cj-curve {mood.classes}"><i class="cj-zero"></i><i class="cj-path"></i><i class="cj-span"></i><i class="cj-dot"></i>{badge}</span>'
    bounds = (
        ""
        if numbers.missing(mood.low)
        else f"({mood.low:.2f} to {mood.high:.2f})".replace("-", "−")
    )
    return Cell(
        drawn + said(big(f"{mood.value:.2f}".replace("-", "−")), escape(bounds), rests_on(mood.n)),
        "mood",
        thin,
    )


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
    ranks = (
        f"rank {row['rank_low']}–{row['rank_high']} of {last}"
        if row["rank_low"] != row["rank_high"]
        else f"rank {row['rank_low']} of {last}"
    )
    first = row["rank"] == 1
    look = "cj-badge" if first else "cj-rank"
    title = f'<b class="{look}">#{int(row["rank"])}</b> {small(ranks)}'
    return Cell(
        said(title, *(escape(one) for one in reasons), rests_on(int(row["customers"]))),
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

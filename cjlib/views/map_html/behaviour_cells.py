"""What customers do at a stage, a cell each: who comes, who goes on, who ends, how long it takes, what it is worth."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers
from cjlib.views.map_html.cell import Cell, Record, big, count, rests_on, said, small, unknown
from cjlib.views.map_style import STEPS

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
    own = [one for one in points if one["stage"] == row["stage"]]
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

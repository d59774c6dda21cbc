"""How other tools count funnels and retention, said in our options: data for `semantics="mixpanel"`.

Each tool: what its documentation says, where and when it was read, and what of it our rules cannot equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.sources.log.conditions import Exclude

Tool = Literal["posthog", "mixpanel", "amplitude", "ga4"]
READ = "2026-11-29"
"""When the pages named here were read."""
SECOND = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Semantics:
    """How one tool counts.

    Attributes
    ----------
    tool, source
        Its name, and the page that says how it counts.
    usual
        Option → what the tool takes where nobody says otherwise.
    only
        Option → all that the tool offers; the first is what it takes where nobody says otherwise, None is to leave the option out.
    effects
        Order of steps → the effects that an exclusion may have; an order that is not there knows no exclusions.
    words
        What no option of ours says: the unit, the range, the zone.
    remains
        Option (or `option=value`; "" = always) → the difference that remains where it is used.
    whole_range
        Whether the tool sees no event at all after the end of the range.
    together
        Microseconds within which the tool lets steps swap places.
    month_days
        Days of a month on its elapsed clock; 0: a month ends on its day.
    clock_from
        Period → the hour or day at whose beginning its elapsed clock starts; not there: at the event.
    """

    tool: str
    source: str
    usual: Mapping[str, Any] = field(default_factory=dict)
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    effects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: str = ""
    remains: Mapping[str, str] = field(default_factory=dict)
    whole_range: bool = False
    together: int = 0
    month_days: int = 0
    clock_from: Mapping[str, str] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """What the tool takes where nobody says otherwise."""
        return {option: allowed[0] for option, allowed in self.only.items()} | dict(self.usual)

    def elapsed(self, period: str) -> dict[str, Any]:
        """How its elapsed clock runs."""
        return {"month_days": self.month_days, "clock_from": self.clock_from.get(period, "")}

    def conflicts(self, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Each option given that the tool does not offer, and what it offers."""
        for option, allowed in self.only.items():
            if (given.get(option) or allowed[0]) not in allowed:
                yield option, self._offers(given[option], allowed)
        effects = self.effects.get(given.get("order") or "sequential", ())
        for exclusion in _exclusions(given.get("exclude")):
            if exclusion.effect not in effects:
                yield (
                    "exclude",
                    self._offers(
                        f"effect={exclusion.effect}", [f"effect={effect}" for effect in effects]
                    ),
                )

    def _offers(self, given: Any, allowed: Sequence[Any]) -> str:
        offered = [shown(choice) for choice in allowed if choice is not None]
        knows = f"knows {' or '.join(offered)}" if offered else "does not know this option"
        return f"{shown(given)} does not go with this semantics: {self.tool} {knows}. Leave out one of the two."

    def definition(self, options: Mapping[str, Any], *more: str) -> dict[str, str]:
        """The lines of a definition that say whose rules these are, and what differs still."""
        chosen = [
            f"{name}={shown(options[name])}" for name in self.options if options[name] is not None
        ]
        differences = [text for name, text in self.remains.items() if _used(name, options)]
        return {
            "semantics": f"as {self.tool} documents it ({self.source}, read {READ}): {', '.join(chosen)}; {self.words}",
            "differences that remain": "; ".join([*differences, *filter(None, more)])
            or "none that its page tells of",
        }


def _used(name: str, options: Mapping[str, Any]) -> bool:
    option, _, value = name.partition("=")
    return not name or (options.get(option) == value if value else bool(options.get(option)))


FUNNELS: dict[str, Semantics] = {
    "posthog": Semantics(
        tool="PostHog",
        source="https://posthog.com/docs/product-analytics/funnels",
        usual={"window": "14D", "by_value": "first"},
        only={
            "order": ("sequential", "strict", "any"),
            "entry": ("reentry",),
            "entrants": ("all",),
            "hold": (None,),
            "step_windows": (None,),
        },
        effects={
            "sequential": ("drop_customer",),
            "strict": ("drop_customer",),
            "any": ("stop_here",),
        },
        words="unique persons; all steps within the range asked for; events of one instant in any order; dates in the project's time zone, so read the log in it",
        remains={
            "": "PostHog counts persons as it has merged them, here each customer_id is one",
            "by": "PostHog takes first and last value from all events that match a step, not only the counted ones, and by a step's value may count one person under several values",
            "order=any": "after an excluded event PostHog starts afresh, here the attempt ends",
        },
        whole_range=True,
    ),
    "mixpanel": Semantics(
        tool="Mixpanel",
        source="https://docs.mixpanel.com/docs/reports/funnels/funnels-advanced",
        usual={"window": "7D", "by_value": "first"},
        only={
            "order": ("sequential", "any"),
            "entry": ("first", "reentry"),
            "entrants": ("all",),
            "step_windows": (None,),
        },
        effects={"sequential": ("stop_here",), "any": ("stop_here",)},
        words='"Uniques": each user once, by the first step 1 in the range (entry="reentry" is its Optimized Re-entry); later steps may fall after the range; dates in the project\'s time zone, so read the log in it',
        remains={
            "by": "Mixpanel lets a user enter once for each value, so its groups may sum to more",
            "hold": "Mixpanel holds the value of the first step 1, here the best of all values counts",
            "order=any": "Mixpanel can anchor steps, here all are free",
        },
        together=2 * SECOND,
    ),
    "amplitude": Semantics(
        tool="Amplitude",
        source="https://amplitude.com/docs/analytics/charts/funnel-analysis/faq",
        usual={"window": "1D", "by_value": "step_1"},
        only={
            "order": ("sequential", "strict", "any"),
            "entry": ("best",),
            "entrants": ("all",),
            "step_windows": (None,),
        },
        effects={
            "sequential": ("stop_here",),
            "strict": ("stop_here",),
            "any": ("stop_here",),
        },
        words="unique users, by the longest and of those the earliest path; step 1 within the range, later steps may fall after it; dates in the project's time zone, so read the log in it",
        remains={
            "exclude": "Amplitude's page does not say what an excluded event does to earlier steps; here they stay",
            "hold": "Amplitude counts pairs of user and value, here users",
            "order=any": "older pages of Amplitude ask for the first event before others, here any step opens",
        },
        together=SECOND,
    ),
    "ga4": Semantics(
        tool="Google Analytics 4",
        source="https://developers.google.com/analytics/devguides/reporting/data/v1/funnels",
        usual={"window": None},
        only={
            "order": ("sequential", "strict"),
            "entry": ("best",),
            "entrants": ("all",),
            "hold": (None,),
        },
        words='users of a closed funnel; a step "directly followed by" another is order="strict", "within" a time is step_windows, its end included; events in the range asked for; dates in the property\'s time zone, so read the log in it',
        remains={
            "": "GA4 counts users by its reporting identity, and may estimate, model, sample or withhold counts",
            "step_windows": "GA4 does not say which of several attempts counts; here the deepest",
            "by": "GA4 does not say which event's value counts; here the first along the counted attempt",
            "order=strict": "here no event at all may stand between two steps, also those GA4 collects by itself",
        },
        whole_range=True,
    ),
}

_NO_LONGER = "{} has no periods longer than a month"

RETENTIONS: dict[str, Semantics] = {
    "posthog": Semantics(
        tool="PostHog",
        source="https://posthog.com/docs/product-analytics/retention",
        only={
            "clock": ("calendar",),
            "mode": ("on", "on_or_after"),
            "cohort": ("first_ever", "recurring"),
            "week_start": ("sunday", "monday"),
            "period_zero": ("cohort",),
            "cohort_by": (None,),
        },
        words="unique persons; calendar periods in the project's time zone, so read the log in it; weeks begin as the project has it",
        remains={
            "": "PostHog counts persons as it has merged them, here each customer_id is one; it shows 0 for periods that have not begun, here they do not exist",
            "end": "PostHog sees no return after the last period of the range, here returns count to the end of data: cut the log by log.where(end=…)",
            "by": "PostHog asks for the same value at the return, here it may be any: cut the log by log.where(column=value) for each",
        },
    ),
    "mixpanel": Semantics(
        tool="Mixpanel",
        source="https://docs.mixpanel.com/docs/reports/retention",
        only={
            "clock": ("elapsed", "calendar"),
            "mode": ("on_or_after", "on"),
            "cohort": ("recurring", "first_ever"),
            "week_start": ("monday", "sunday"),
            "period_zero": ("returns",),
            "cohort_by": (None,),
        },
        words="unique users, once in each period's cohort with a first event (cohort=\"first_ever\": new users only); the clock runs from the user's own event; dates in the project's time zone, so read the log in it",
        remains={
            "period=quarter": _NO_LONGER.format("Mixpanel"),
            "period=year": _NO_LONGER.format("Mixpanel"),
            "by": "Mixpanel does not say whether the return must carry the same value; here it may be any",
        },
        month_days=30,
    ),
    "amplitude": Semantics(
        tool="Amplitude",
        source="https://amplitude.com/docs/analytics/charts/retention-analysis/retention-analysis-time",
        only={
            "clock": ("elapsed", "calendar"),
            "mode": ("on_or_after", "on"),
            "cohort": ("first_ever", "recurring"),
            "week_start": ("monday", "sunday"),
            "period_zero": ("returns",),
            "cohort_by": (None,),
        },
        words="unique users; 24-hour windows from the user's own starting event; dates in the project's time zone, so read the log in it",
        remains={
            "cohort=recurring": "Amplitude starts a window at every starting event, here one at the first of each period",
            "period=quarter": _NO_LONGER.format("Amplitude"),
            "period=year": _NO_LONGER.format("Amplitude"),
        },
        month_days=30,
        clock_from={"day": "hour", "week": "day", "month": "day"},
    ),
    "ga4": Semantics(
        tool="Google Analytics 4",
        source="https://docs.cloud.google.com/ruby/docs/reference/google-analytics-data-v1beta/latest/Google-Analytics-Data-V1beta-Cohort",
        only={
            "clock": ("calendar",),
            "mode": ("on", "every"),
            "cohort": ("first_ever",),
            "week_start": ("sunday",),
            "period_zero": ("cohort",),
            "cohort_by": (None,),
        },
        words='users by the date of their first session; its "standard" is mode="on", its "rolling" mode="every"; weeks from Sunday to Saturday; dates in the property\'s time zone, so read the log in it',
        remains={
            "": "GA4 counts users by its reporting identity, and may estimate, model, sample or withhold counts; its first session may lie before the export",
        },
    ),
}


def filled(
    rules: Mapping[str, Semantics],
    name: str | None,
    given: Mapping[str, Any],
    ours: Mapping[str, Any],
) -> dict[str, Any]:
    """The options given, and for those not given what the tool `name` takes, else our own.

    A given option that the tool does not offer is an error that names both.
    """
    if not name:
        return {**ours, **given}
    if name not in rules:
        raise not_one_of("semantics", name, rules)
    for option, text in rules[name].conflicts(given):
        raise CjlibError(f"{option}, semantics={shown(name)}: {text}")
    return {**ours, **rules[name].options, **given}


def _exclusions(given: Any) -> list[Exclude]:
    listed = given if isinstance(given, list | tuple) else [given]
    return [exclusion for exclusion in listed if isinstance(exclusion, Exclude)]

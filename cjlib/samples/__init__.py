"""A business whose truth is known: Northlight, a subscription service that exists only here.

Analyses are tested against it, the notebooks are shown on it, and a reader can see what a planted effect looks like in a report.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cjlib.errors import CjlibError, shown
from cjlib.samples import opinions, people, subscriptions
from cjlib.samples.business import (
    CAMPAIGN_DAYS,
    CHANNELS,
    DAY,
    DEVICES,
    EFFECTS,
    END,
    FORM_TEST,
    MOBILE_BREAK,
    PERSONAS,
    PRICE_CHANGE,
    START,
    WINDOW,
    ZONE,
    chosen_effects,
    joined,
)
from cjlib.samples.frames import (
    SHORT_FORM,
    customers_table,
    dirt,
    events_table,
    experiment_table,
    feedback_table,
    person_ids,
    save,
)
from cjlib.samples.opinions import simulate_opinions
from cjlib.samples.people import SHARES, simulate_people
from cjlib.samples.split_ids import split
from cjlib.samples.subscriptions import (
    PRICE_CHANGE_ON_USE,
    simulate_steps,
    simulate_subscriptions,
    simulate_usage,
)

__all__ = ["Effect", "Sample", "Truth", "sample", "write"]


@dataclass(frozen=True)
class Sample:
    """The tables of the sample business, its journey file, and what is true of it.

    Attributes
    ----------
    events, feedback, customers
        The three tables as `read_events` and `read_feedback` take them, dirt included.
    experiment
        Who saw which sign-up form when: `customer_id`, `variant`, `timestamp`.
    journey
        The text of its `journey.yml`.
    truth
        What was planted, and the true values that an estimate can be held against.
    sources, identities
        With `split_ids`: the events by source, each with ids of its own, and what `read_events` is
        told of them.
    """

    events: pd.DataFrame
    feedback: pd.DataFrame
    customers: pd.DataFrame
    experiment: pd.DataFrame
    journey: str
    truth: Truth
    sources: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    identities: Mapping[str, Any] | None = None


def sample(
    customers: int = 5_000,
    seed: int = 0,
    effects: bool | Collection[str] = True,
    *,
    split_ids: bool = False,
) -> Sample:
    """Simulate a year of a business, 2025 in Berlin, with effects whose size is known.

    The same customers, seed and effects give the same tables on every machine. Each effect draws
    from chance of its own where it can, so that switching one off changes little else. Without
    effects, channels, devices, cohorts, stages, touchpoints and waiting times make no difference,
    and there is one kind of customer; customers then differ only in how engaged and how satisfied
    they are.

    Parameters
    ----------
    customers
        Known people: those with an account or a cookie they agreed to. Anonymous visitors come on
        top, 12 for each 100.
    seed
        A whole number from 0 up.
    effects
        True for all, False for none, or a set of names: `sample().truth.effects` lists them.
    split_ids
        Also give the events as web, app, shop, help desk and survey record them: `sources`, whose
        ids `identities` joins; `truth.people` has the person of each row. Some customers share a
        device, cookies are deleted, a till and a test account would join many.

    Returns
    -------
    Sample
        Tables, journey file and truth.

    Raises
    ------
    CjlibError
        If a number is out of range or an effect is unknown.

    Examples
    --------
    >>> import cjlib as cj
    >>> made = cj.sample(customers=200, seed=1)
    >>> made.customers["customer_id"].iloc[0]
    'C00001'
    """
    tables, truth = _simulated(customers, seed, effects)
    frames = {name: table.to_pandas() for name, table in tables.items()}
    made = Sample(**frames, journey=journey_file(), truth=truth)
    return _with_split_ids(made, seed) if split_ids else made


def _with_split_ids(made: Sample, seed: int) -> Sample:
    found = split(made.events, seed)
    address = made.customers["customer_id"].map(found.addresses)
    return replace(
        made,
        customers=made.customers.assign(email=address),
        truth=replace(made.truth, people=MappingProxyType(dict(found.people))),
        sources=found.sources,
        identities=found.identities,
    )


def write(
    out: str | Path, customers: int = 5_000, seed: int = 0, effects: bool | Collection[str] = True
) -> list[Path]:
    """Write the sample business into a folder: `journey.yml` and its four tables as Parquet.

    The folder is made if it is not there; files of these names are replaced. The same arguments give the same bytes
    (with the same version of pyarrow, which writes its name into Parquet files).
    """
    tables, _ = _simulated(customers, seed, effects)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "journey.yml", *(folder / f"{name}.parquet" for name in tables)]
    paths[0].write_text(journey_file(), encoding="utf-8", newline="\n")
    for path, table in zip(paths[1:], tables.values(), strict=True):
        save(table, path)
    return paths


def journey_file() -> str:
    """The text of the sample business's journey file."""
    return files("cjlib.samples").joinpath("journey.yml").read_text(encoding="utf-8")


def _simulated(
    customers: int, seed: int, effects: bool | Collection[str]
) -> tuple[dict[str, pa.Table], Truth]:
    for option, value, least in (("customers", customers, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise CjlibError(
                f"{option}: must be a whole number from {least} up. Got {shown(value)}."
            )
    chosen = chosen_effects(effects)
    everyone, before = simulate_people(customers, seed, chosen)
    contracts, contract_events = simulate_subscriptions(everyone, seed, chosen)
    log = joined(
        [
            before,
            simulate_steps(everyone, contracts, seed, chosen),
            contract_events,
            simulate_usage(everyone, contracts, seed, chosen),
        ]
    )
    said, invitations = simulate_opinions(everyone, contracts, log, seed, chosen)
    tables = {
        "events": events_table(everyone, joined([log, invitations]), seed),
        "feedback": feedback_table(everyone, said, seed),
        "customers": customers_table(everyone, seed, chosen),
        "experiment": experiment_table(everyone, seed, chosen),
    }
    return tables, truth_of(everyone, chosen)


# ---- what is true of it ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """One planted effect.

    Attributes
    ----------
    name
        What `effects=` calls it.
    active
        Whether it is in this sample.
    what
        What was done, in one sentence.
    start, end
        From when (included) to when (not included); missing where it holds all year.
    size
        Its parameters: probabilities, factors, or standard deviations, as the names say.
    find
        How an analysis finds it.
    """

    name: str
    active: bool
    what: str
    start: pd.Timestamp | None
    end: pd.Timestamp | None
    size: Mapping[str, float]
    find: str


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of a sample.

    Attributes
    ----------
    effects
        Name → `Effect`, also those that are switched off.
    conversion
        True shares of the purchase funnel (`entrants="closed"`, window 14 days) by `dimension` and `value`: `customers` who visit at least
        14 days before the end, `share_signed_up` and `share_converted`: the mean of their probabilities, before chance decided.
        The overall row has the dimension and value "all". The channel and device are those of the first visit.
    customers
        One row a visitor: `customer_id`, `persona`, `satisfaction` and `engagement` (latent), `share_signed_up`, `share_converted`.
    dirt
        Kind of fault → number of rows that have it.
    people
        With `split_ids`: source → the true person of each of its rows.
    """

    effects: Mapping[str, Effect]
    conversion: pd.DataFrame
    customers: pd.DataFrame
    dirt: Mapping[str, int]
    people: Mapping[str, pd.Series] = field(default_factory=dict)


def truth_of(those: people.People, chosen: frozenset[str]) -> Truth:
    """The truth of a simulated year."""
    customers = pd.DataFrame(
        {
            "customer_id": person_ids(those).to_pandas(),
            "persona": pa.array(PERSONAS).take(pa.array(those.persona)).to_pandas()
            if "personas" in chosen
            else "all",
            "satisfaction": those.satisfaction,
            "engagement": those.engagement,
            "share_signed_up": those.chance_signup,
            "share_converted": those.chance_convert,
        }
    )
    return Truth(
        effects=MappingProxyType({name: _effect(name, name in chosen) for name in EFFECTS}),
        conversion=_conversion(those),
        customers=customers,
        dirt=MappingProxyType(dirt(those.known)),
    )


def _conversion(those: people.People) -> pd.DataFrame:
    """Mean probabilities of those whose window is over, in all and by channel and device of the first visit."""
    closed = those.first_visit + WINDOW < END
    parts = []
    for dimension, names, codes in (
        ("all", ("all",), np.zeros_like(those.channel)),
        ("channel", CHANNELS, those.channel),
        ("device", DEVICES, those.device),
    ):
        for position, name in enumerate(names):
            some = closed & (codes == position)
            if some.any():
                parts.append(
                    (
                        dimension,
                        name,
                        int(some.sum()),
                        those.chance_signup[some].mean(),
                        those.chance_convert[some].mean(),
                    )
                )
    return pd.DataFrame(
        parts, columns=["dimension", "value", "customers", "share_signed_up", "share_converted"]
    )


def _moment(seconds: int) -> pd.Timestamp:
    return pd.Timestamp(seconds, unit="s", tz="UTC").tz_convert(ZONE)


def _effect(name: str, active: bool) -> Effect:
    what, start, end, size, find = _EFFECTS[name]
    return Effect(
        name,
        active,
        what,
        None if start is None else _moment(start),
        None if end is None else _moment(end),
        MappingProxyType(dict(size)),
        find,
    )


_IN_TIME = (1 - people.LATE_ACTIVATE) * (1 - people.LATE_SUBSCRIBE) * people.ACTIVATE

_EFFECTS: Mapping[str, tuple[str, int | None, int | None, Mapping[str, float], str]] = {
    "mobile_signup_break": (
        "For three weeks the sign-up form is broken on phones.",
        *MOBILE_BREAK,
        {"share_signed_up": people.SIGNUP_BROKEN, "share_signed_up_otherwise": people.SIGNUP},
        "Funnel visit → signup of these weeks by device; signup_error events on phones.",
    ),
    "email_converts_better": (
        "People whose first visit comes by e-mail sign up and subscribe more often.",
        None,
        None,
        {
            "share_signed_up": people.SIGNUP_EMAIL,
            "share_signed_up_otherwise": people.SIGNUP,
            "share_converted": people.SIGNUP_EMAIL * people.SUBSCRIBE_EMAIL * _IN_TIME,
            "share_converted_otherwise": people.SIGNUP * people.SUBSCRIBE * _IN_TIME,
        },
        "The purchase funnel by channel.",
    ),
    "price_change": (
        "Who signs up from 1 July on pays more, is active in fewer weeks and cancels sooner.",
        PRICE_CHANGE,
        None,
        {
            "factor_on_share_active": PRICE_CHANGE_ON_USE,
            "factor_on_cancel_hazard": subscriptions.PRICE_CHANGE_ON_CANCEL,
        },
        "Weekly retention of cohorts before and after 1 July; survival from the sign-up.",
    ),
    "slow_support": (
        "Of customers whose ticket waits more than 48 hours for a first answer, some cancel within 30 days of opening it.",
        None,
        None,
        {
            "share_of_tickets_slow": subscriptions.SLOW_SHARE,
            "share_cancelling_in_addition": subscriptions.SLOW_CANCELS,
            "sd_lower_satisfaction": -opinions.SLOW_TICKET,
        },
        "Cancels within 30 days of ticket_opened by the time to ticket_first_response.",
    ),
    "hated_onboarding": (
        "Experiences in the stage Onboarding are worse than in the stages before and after it.",
        None,
        None,
        {"sd_lower_satisfaction": -opinions.HATED},
        "CSAT, NPS and text by stage: a trough between Consideration and Purchase.",
    ),
    "payment_moment": (
        "Of customers whose first payment is a bad experience, some cancel within four weeks of it.",
        None,
        None,
        {"share_cancelling_in_addition": subscriptions.BAD_PAYMENT_CANCELS},
        "Moments that matter: activity 30 to 60 days after a good and a bad CSAT at the touchpoint payment.",
    ),
    "campaign_spike": (
        "For a week an advertisement brings many visitors who rarely sign up.",
        START + CAMPAIGN_DAYS[0] * DAY - 3_600,
        START + CAMPAIGN_DAYS[1] * DAY - 3_600,
        {
            "share_of_customers": people.CAMPAIGN_SHARE,
            "share_signed_up": people.SIGNUP_CAMPAIGN,
            "share_signed_up_otherwise": people.SIGNUP,
        },
        "Visits per day, and the funnel by campaign (spring_push).",
    ),
    "personas": (
        "Three personas use the product in different ways: Planners, On the go, Guided.",
        None,
        None,
        {
            name.lower().replace(" ", "_"): share
            for name, share in zip(PERSONAS, SHARES, strict=True)
        },
        "Shares of channels and features per customer.",
    ),
    "short_form": (
        "A shorter sign-up form, shown to half of those who first visit from April to September, raises the probability of signing up.",
        *FORM_TEST,
        {"share_signed_up_added": SHORT_FORM},
        "The experiment: share signed up by arm.",
    ),
}

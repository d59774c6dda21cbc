"""A business whose truth is known: Northlight, a subscription service that exists only here.

Analyses are tested against it, the notebooks are shown on it, and a reader can see what a planted effect looks like in a report.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pyarrow as pa

from cjlib.errors import CjlibError, shown
from cjlib.samples.business import chosen_effects
from cjlib.samples.draws import joined
from cjlib.samples.frames import customers_table, events_table, feedback_table, frame, save
from cjlib.samples.opinions import simulate_opinions
from cjlib.samples.people import simulate_people
from cjlib.samples.subscriptions import simulate_subscriptions
from cjlib.samples.truth import Effect, Truth, truth_of
from cjlib.samples.usage import simulate_steps, simulate_usage

__all__ = ["Effect", "Sample", "Truth", "sample", "write"]


@dataclass(frozen=True)
class Sample:
    """The tables of the sample business, its journey file, and what is true of it.

    Attributes
    ----------
    events, feedback, customers
        The three tables as `read_events` and `read_feedback` take them, dirt included.
    journey
        The text of its `journey.yml`.
    truth
        What was planted, and the true values that an estimate can be held against.
    """

    events: pd.DataFrame
    feedback: pd.DataFrame
    customers: pd.DataFrame
    journey: str
    truth: Truth


def sample(customers: int = 5_000, seed: int = 0, effects: bool | Collection[str] = True) -> Sample:
    """Simulate a year of a business, 2025 in Berlin, with effects whose size is known.

    The same customers, seed and effects give the same tables on every machine. Each effect draws from chance of its own where it
    can, so that switching one off changes little else. Without effects, channels, devices, cohorts, stages, touchpoints and waiting times make
    no difference, and there is one kind of customer; customers then differ only in how engaged and how satisfied they are.

    Parameters
    ----------
    customers
        Known people: those with an account or a cookie they agreed to. Anonymous visitors come on top, 12 for each 100.
    seed
        A whole number from 0 up.
    effects
        True for all, False for none, or a set of names: `sample().truth.effects` lists them.

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
    return Sample(
        **{name: frame(table) for name, table in tables.items()},
        journey=journey_file(),
        truth=truth,
    )


def write(
    out: str | Path, customers: int = 5_000, seed: int = 0, effects: bool | Collection[str] = True
) -> list[Path]:
    """Write the sample business into a folder: `journey.yml`, `events.parquet`, `feedback.parquet`, `customers.parquet`.

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
    }
    return tables, truth_of(everyone, chosen)

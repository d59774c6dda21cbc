"""From numbers to the three tables, with the dirt that real tables have, and from tables to files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cjlib.samples.business import (
    CAMPAIGNS,
    CHANNELS,
    DEVICES,
    END,
    EVENTS,
    FORM_TEST,
    NEVER,
    PLANS,
    STAGES,
    START,
    Draws,
    Rows,
    Whole,
    joined,
    taken,
)
from cjlib.samples.opinions import SOURCES, Opinions
from cjlib.samples.people import People, habit
from cjlib.samples.subscriptions import AGENTS

INSTANT = pa.timestamp("us", tz="UTC")
COUNTRIES = {"DE": 0.70, "AT": 0.18, "CH": 0.12}
SIZES = ("1", "2-10", "11-50", "51-200")


def dirt(customers: int) -> dict[str, int]:
    """How many rows of each kind of fault are put in."""
    return {
        "events: exact duplicates": round(customers * 0.008),
        "events: no customer_id": round(customers * 0.012),
        "events: no timestamp": round(customers * 0.005),
        "feedback: exact duplicates": round(customers * 0.001),
        "feedback: nps out of range": round(customers * 0.0006),
        "feedback: no timestamp": round(customers * 0.0006),
    }


def person_ids(those: People) -> pa.Array:
    """`C…` for the known, `V…` for anonymous visitors, wide enough that text order is number order."""
    width = max(5, len(str(those.known)))
    anonymous = len(those.persona) - those.known
    return pa.array(
        [f"C{n:0{width}d}" for n in range(1, those.known + 1)]
        + [f"V{n:0{width}d}" for n in range(1, anonymous + 1)],
        pa.string(),
    )


def _names(names: Sequence[str] | pa.Array, codes: NDArray[Any]) -> pa.Array:
    """Text for codes; −1 becomes null."""
    texts = pa.array(names, pa.string()) if isinstance(names, Sequence) else names
    return texts.take(pa.array(codes, mask=codes < 0))


def _instants(time: Whole) -> pa.Array:
    return pa.array(time * 1_000_000, pa.int64(), mask=time < 0).cast(INSTANT)


def events_table(those: People, log: Rows, seed: int) -> pa.Table:
    """The event log, by time; rows without a time stand last."""
    every = _in_order(_soiled(Draws(seed, "dirt"), those.known, _in_order(log, once=True)))
    return pa.table(
        {
            "customer_id": _names(person_ids(those), every["person"]),
            "event": _names(EVENTS, every["event"]),
            "timestamp": _instants(np.asarray(every["time"], dtype=np.int64)),
            "channel": _names(CHANNELS, every["channel"]),
            "device": _names(DEVICES, every["device"]),
            "value": pa.array(every["value"], from_pandas=True),
            "plan": _names(PLANS, every["plan"]),
            "ticket_id": _names(
                pa.array(
                    [f"T{n:05d}" for n in range(1, int(every["ticket"].max(initial=-1)) + 2)],
                    pa.string(),
                ),
                every["ticket"],
            ),
            "agent": _names([f"agent {n:02d}" for n in range(1, AGENTS + 1)], every["agent"]),
            "campaign": _names(CAMPAIGNS, every["campaign"]),
        }
    )


def _in_order(log: Rows, *, once: bool = False) -> Rows:
    """The rows by time, person and event; with `once`, only one of those that share all three."""
    time = np.where(log["time"] < 0, END, log["time"]) - START
    person = np.where(log["person"] < 0, 2**25, log["person"]).astype(np.int64)
    key = time << 32 | person << 6 | log["event"].astype(np.int64)
    order = np.argsort(key, kind="stable")
    if once:
        key = key[order]
        order = order[np.concatenate([np.ones(min(len(key), 1), dtype=bool), key[1:] != key[:-1]])]
    return taken(log, order)


def _soiled(draws: Draws, customers: int, log: Rows) -> Rows:
    """The log and its faulty rows, all of them additional: what is true of the clean rows stays true."""
    count = dirt(customers)
    n = len(log["time"])
    doubled, nobody, never = (
        taken(log, draws.between(0, n, count[f"events: {fault}"]))
        for fault in ("exact duplicates", "no customer_id", "no timestamp")
    )
    return joined(
        [
            log,
            doubled,
            {**nobody, "person": np.full_like(nobody["person"], -1)},
            {**never, "time": np.full_like(never["time"], -1)},
        ]
    )


def feedback_table(those: People, said: Opinions, seed: int) -> pa.Table:
    """The feedback, by time, numbered in that order; its faulty rows stand last."""
    draws = Draws(seed, "feedback")
    outside = np.isin(said.source, [SOURCES.index("app_store"), SOURCES.index("social")])
    hidden = draws.happens(np.where(outside, 0.75, 0.05), len(said.person))
    order = np.lexsort((said.source, said.person, said.time))
    person = np.where(hidden, -1, said.person)[order]
    n = len(order)
    table = pa.table(
        {
            "feedback_id": pa.array([f"F{number:06d}" for number in range(1, n + 1)], pa.string()),
            "customer_id": _names(person_ids(those), person),
            "timestamp": _instants(said.time[order]),
            "source": _names(SOURCES, said.source[order]),
            "solicited": pa.array(
                np.isin(
                    said.source[order], [SOURCES.index("csat_survey"), SOURCES.index("nps_survey")]
                )
            ),
            "stage": _names(STAGES, said.stage[order]),
            "touchpoint": _names(EVENTS, said.touchpoint[order]),
            "nps": pa.array(said.nps[order], from_pandas=True),
            "csat": pa.array(said.csat[order], from_pandas=True),
            "ces": pa.array(said.ces[order], from_pandas=True),
            "rating": pa.array(said.rating[order], from_pandas=True),
            "text": said.text.take(pa.array(order)),
        }
    )
    return _soiled_feedback(draws, table, dirt(those.known))


def _soiled_feedback(draws: Draws, table: pa.Table, count: dict[str, int]) -> pa.Table:
    """Faulty rows behind the good ones: some twice, some with an impossible score, some without a time."""
    n = table.num_rows
    scored = np.flatnonzero(table["nps"].is_valid().to_numpy())
    twice, never = (
        table.take(pa.array(draws.between(0, n, count[f"feedback: {fault}"])))
        for fault in ("exact duplicates", "no timestamp")
    )
    impossible = table.take(
        pa.array(scored[draws.between(0, len(scored), count["feedback: nps out of range"])])
    )
    impossible = _with(
        _renumbered(impossible, n), "nps", pa.array(np.full(impossible.num_rows, 11.0))
    )
    never = _with(
        _renumbered(never, n + impossible.num_rows), "timestamp", pa.nulls(never.num_rows, INSTANT)
    )
    return pa.concat_tables([table, twice, impossible, never]).combine_chunks()


def _renumbered(table: pa.Table, after: int) -> pa.Table:
    return _with(
        table,
        "feedback_id",
        pa.array(
            [f"F{after + number:06d}" for number in range(1, table.num_rows + 1)], pa.string()
        ),
    )


def _with(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, values)


def customers_table(those: People, seed: int, effects: frozenset[str]) -> pa.Table:
    """One row a known person."""
    draws, n = Draws(seed, "customers"), those.known
    persona = those.persona[:n]
    size = draws.pick(habit("company_size", effects), n, persona)
    born = habit("born", effects)[persona]
    year = (born[:, 0] + (born[:, 1] - born[:, 0]) * draws.uniform(n)).astype(np.int64)
    return pa.table(
        {
            "customer_id": person_ids(those)[:n],
            "country": _names(
                list(COUNTRIES),
                np.where(draws.happens(0.03, n), -1, draws.pick(list(COUNTRIES.values()), n)),
            ),
            "signup_plan": _names(PLANS, those.plan[:n]),
            "acquisition_channel": _names(CHANNELS, those.channel[:n]),
            "company_size": _names(SIZES, np.where(draws.happens(0.08, n), -1, size)),
            "birth_year": pa.array(year.astype(float), mask=draws.happens(0.15, n)),
        }
    )


SHORT_FORM = 0.10
"""By how much a shorter sign-up form raises the probability of signing up."""


def experiment_table(those: People, seed: int, effects: frozenset[str]) -> pa.Table:
    """Who saw which sign-up form in the test of April to September.

    The arm is drawn given whether a person signed up, with the probabilities that arms of equal size and the lift imply (Bayes), so that the test
    changes nothing else of the year.
    """
    n = those.known
    lift = SHORT_FORM if "short_form" in effects else 0.0
    chance = those.chance_signup[:n]
    half = np.minimum(lift / 2, np.minimum(chance, 1 - chance))
    signed = those.signup[:n] < NEVER
    base = np.where(signed, chance, 1 - chance)
    short = 0.5 * (1 + np.where(signed, half, -half) / base)
    arm = Draws(seed, "form_test").happens(short, n).astype(np.int64)
    some = np.flatnonzero(
        (those.first_visit[:n] >= FORM_TEST[0]) & (those.first_visit[:n] < FORM_TEST[1])
    )
    some = some[np.argsort(those.first_visit[some], kind="stable")]
    return pa.table(
        {
            "customer_id": person_ids(those).take(pa.array(some)),
            "variant": _names(("old form", "short form"), arm[some]),
            "timestamp": _instants(those.first_visit[some]),
        }
    )


def save(table: pa.Table, path: Path) -> None:
    """Write Parquet with settings that leave nothing to the machine."""
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    options: dict[str, Any] = {
        "row_group_size": 1_000_000,
        "version": "2.6",
        "compression": "zstd",
        "compression_level": 9,
        "use_dictionary": [*texts, "value", "nps", "csat", "ces", "rating", "birth_year"],
        "column_encoding": {"timestamp": "DELTA_BINARY_PACKED"}
        if "timestamp" in table.column_names
        else None,
        "store_schema": False,
    }
    pq.write_table(table, path, **options)

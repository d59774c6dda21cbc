"""What tests share: toy logs that fit in the head, and where the public data lies."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import settings

import cjlib as cj
from cjlib.show import numbers, units
from cjlib.sources.log.durations import MICROSECONDS
from cjlib.views.report.preload import without_grammars

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("CJ_SHARED", ROOT.parent / "shared"))
"""The folder with `data/` (public sets) and `conformance/`; tests that need it skip where it is absent."""

MONDAY = pd.Timestamp("2024-01-01", tz="UTC")


FUZZ = os.environ.get("CJ_FUZZ_EXAMPLES")
"""How many cases to make up for a property; without it a few, the same in every run."""
settings.register_profile(
    "cjlib", max_examples=int(FUZZ or 12), derandomize=FUZZ is None, deadline=None
)
settings.load_profile("cjlib")


def toy_events(text: str, start: pd.Timestamp = MONDAY) -> pd.DataFrame:
    """`"ana: view@0h cart@90min(web) | bob: view@2D"` as events: name@time since start, the channel in brackets."""
    rows = []
    for line in text.split("|"):
        customer, events = line.split(":", 1)
        for name, number, unit, channel in re.findall(
            r"(\w+)@(\d+)(\w+?)(?:\((\w+)\))?(?=\s|$)", events
        ):
            rows.append(
                (
                    customer.strip(),
                    name,
                    start + pd.Timedelta(microseconds=int(number) * MICROSECONDS[unit]),
                    channel or None,
                )
            )
    return pd.DataFrame(rows, columns=["customer_id", "event", "timestamp", "channel"]).astype(
        {"channel": "str"}
    )


LONGEST = (
    "test_notebooks.py",
    "test_sentiment.py",
    "test_first_journey.py",
    "test_written_by_tools.py",
    "test_nulls.py",
    "test_pushdown.py",
    "test_examples.py",
    "test_churn_log.py",
    "test_churn_real.py",
    "test_journey_map.py",
    "test_notebook_map.py",
    "test_cli.py",
    "test_reports.py",
    "test_mcp.py",
    "test_notebook_claims.py",
    "test_wheel.py",
)
"""Files that take long: a worker takes whole files, and is not to be left alone with one of these at the end."""


# What modules make as they are loaded stays until the end: looking through it for garbage finds none, and takes a twentieth of the time.
gc.disable()
# As in every process that runs notebooks: the first test file that imports nbformat would wait two seconds for a grammar of addresses.
without_grammars()


def pytest_collection_finish() -> None:
    """Leave what has been loaded out of every later search for garbage."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Let the process end with all that it holds let go of."""
    gc.unfreeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture
def toy_log() -> Callable[..., cj.EventLog]:
    """Make a log from toy text; options go to `read_events`."""
    return lambda text, **options: cj.read_events(toy_events(text), **options)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets."""
    if not (SHARED / "data").is_dir():
        pytest.skip(
            "the public data sets are not on this machine (set CJ_SHARED to the folder that holds data/)"
        )
    return SHARED / "data"


@pytest.fixture(autouse=True)
def of_customers() -> Iterator[None]:
    """Sentences are of customers in every test that reads no log of something else."""
    units.use_unit(units.CUSTOMERS)
    yield
    units.use_unit(units.CUSTOMERS)


@pytest.fixture(autouse=True)
def no_currency() -> Iterator[None]:
    """Money is a plain number in every test that reads no journey file with a currency."""
    numbers.use_currency(None)
    yield
    numbers.use_currency(None)

"""The sample business as five tools see it, each with ids of its own: web, app, shop, help desk and survey, and what links them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.samples.business import Draws

SHARED = 0.02
"""Customers who use the device of another one."""
NEW_COOKIE = 0.3
"""Devices whose cookie is deleted in the middle of the year."""
LOGGED_IN = 0.4
"""Events of customers, logins aside, that carry their id too."""
IN_CAPITALS = 0.2
NO_ADDRESS = 0.1
"""Tickets that carry no address: the map of the help desk has them."""
TEST_ORDERS = 15
KIOSK = "kiosk-1"
TEST_ADDRESS = "test@northlight.example"
_SHOP = ("subscribe", "payment", "upgrade", "renewal_due", "renewed", "cancel")
_SURVEY = ("survey_sent", "review_posted")
_KNOWN = ("customer_id", "shop_id", "helpdesk_id", "survey_id", "email")
_ANONYMOUS = ("anonymous_id", "device_id")
_IDS = {
    "app": ("customer_id", "device_id", "anonymous_id"),
    "help_desk": ("helpdesk_id", "email"),
    "shop": ("shop_id", "email"),
    "survey": ("survey_id", "email", "anonymous_id"),
    "web": ("customer_id", "anonymous_id"),
}


@dataclass(frozen=True)
class SplitIds:
    """The events by source, what `read_events` is to be told of their ids, who each row's person is, and the addresses of customers."""

    sources: Mapping[str, pd.DataFrame]
    identities: Mapping[str, Any]
    people: Mapping[str, pd.Series]
    addresses: pd.Series


def split(events: pd.DataFrame, seed: int) -> SplitIds:
    """The usable events, each in the tool that would have recorded it, under that tool's ids."""
    draws = Draws(seed, "split_ids")
    usable = events.dropna(subset=["customer_id", "timestamp"]).drop_duplicates()
    usable = usable.sort_values(["timestamp", "customer_id", "event"], ignore_index=True)
    people, person = np.unique(usable["customer_id"].to_numpy(dtype=str), return_inverse=True)
    rows = usable.assign(**_ids_of(draws, usable, people, person))
    source = _source_of(usable)
    given = [name for name in usable.columns if name != "customer_id"]
    tables = {
        name: rows.loc[source == name, [*ids, *given]].reset_index(drop=True)
        for name, ids in _IDS.items()
    }
    truth = {
        name: usable.loc[source == name, "customer_id"].reset_index(drop=True) for name in _IDS
    }
    tables["shop"], truth["shop"] = _with_test_orders(tables["shop"], truth["shop"])
    members = usable.loc[usable["event"] == "signup", "customer_id"].unique()
    tickets = rows.loc[source == "help_desk", ["helpdesk_id"]].assign(
        customer_id=truth["help_desk"].to_numpy()
    )
    return SplitIds(
        sources=tables,
        identities={
            "known": list(_KNOWN),
            "anonymous": list(_ANONYMOUS),
            "maps": [tickets.drop_duplicates(ignore_index=True)],
        },
        people=truth,
        addresses=pd.Series({member: _address(member) for member in sorted(members)}, dtype="str"),
    )


def _source_of(events: pd.DataFrame) -> NDArray[np.str_]:
    event = events["event"]
    return np.select(
        [
            event.isin(_SHOP),
            event.str.startswith("ticket_"),
            event.isin(_SURVEY),
            events["channel"] == "app",
        ],
        ["shop", "help_desk", "survey", "app"],
        "web",
    )


def _ids_of(
    draws: Draws, events: pd.DataFrame, people: NDArray[np.str_], person: NDArray[np.intp]
) -> dict[str, Any]:
    """Every id that a row could carry; each source has some of them."""
    n = len(events)
    event, channel = events["event"].to_numpy(), events["channel"].to_numpy()
    signup = np.full(len(people), np.inf)
    time = events["timestamp"].astype("int64").to_numpy()
    np.minimum.at(signup, person[event == "signup"], time[event == "signup"])
    member = np.isfinite(signup)
    named = (event == "signup") | (event == "login")
    device = _devices(draws, member)[person]
    often = draws.happens(LOGGED_IN, n) | _after_another(device, person)
    named |= (time > signup[person]) & often
    named &= member[person]
    half = (time > np.median(time)) & draws.happens(NEW_COOKIE, len(people))[device]
    in_store = (channel == "store") & ((event == "login") | ~member[person])
    cookie = np.where(in_store, KIOSK, _random_looking(device * 2 + half, "w"))
    # The link that opens the app knows the browser it was opened from; visitors are asked on the page.
    survey = np.isin(event, _SURVEY)
    shown = np.where(survey, ~member[person], (channel != "app") | (event == "signup"))
    address = np.array([_address(one) for one in people])[person]
    address = np.where(draws.happens(IN_CAPITALS, n), np.char.upper(address), address)
    no_address = pd.Series(event).str.startswith("ticket_").to_numpy() & draws.happens(
        NO_ADDRESS, n
    )
    return {
        "customer_id": _some(people[person], named),
        "anonymous_id": _some(cookie, shown),
        "device_id": _random_looking(device, "d"),
        "shop_id": _numbers("S", person),
        "helpdesk_id": _numbers("H", person),
        "survey_id": _numbers("R", person),
        "email": _some(address, ~no_address),
    }


def _some(values: NDArray[Any], filled: NDArray[np.bool_]) -> NDArray[np.object_]:
    """The values where they are filled, None elsewhere."""
    some = values.astype(object)
    some[~filled] = None
    return some


def _after_another(device: NDArray[np.int64], person: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether somebody else used the device just before: then one logs in anew."""
    order = np.argsort(device, kind="stable")
    another = np.zeros(len(device), dtype=bool)
    same_device = device[order][1:] == device[order][:-1]
    another[order[1:]] = same_device & (person[order][1:] != person[order][:-1])
    return another


def _devices(draws: Draws, member: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The device of each person: for most their own, for some customers that of the customer before them."""
    device = np.arange(len(member))
    customers = np.flatnonzero(member)
    sharing = np.flatnonzero(draws.happens(SHARED, len(customers)))
    sharing = sharing[sharing > 0]
    device[customers[sharing]] = customers[sharing - 1]
    return device


def _random_looking(numbers: NDArray[Any], salt: str) -> NDArray[np.object_]:
    unique, place = np.unique(numbers, return_inverse=True)
    mixed = [int(one) * 0x9E3779B97F4A7C15 + ord(salt) * 0xC2B2AE3D27D4EB4F for one in unique]
    return np.array([f"{one % 2**64:016x}" for one in mixed], dtype=object)[place]


def _numbers(prefix: str, person: NDArray[np.intp]) -> NDArray[np.object_]:
    unique, place = np.unique(person, return_inverse=True)
    return np.array([f"{prefix}{one + 1:06d}" for one in unique], dtype=object)[place]


def _address(customer: str) -> str:
    return f"{customer.lower()}@example.org"


def _with_test_orders(orders: pd.DataFrame, people: pd.Series) -> tuple[pd.DataFrame, pd.Series]:
    """The shop's rows and orders that its own people made to test it, all under one address."""
    if orders.empty:
        return orders, people
    tests = pd.concat([orders.iloc[:1]] * TEST_ORDERS, ignore_index=True).assign(
        event="payment",
        email=TEST_ADDRESS,
        shop_id=[f"S9{number:05d}" for number in range(TEST_ORDERS)],
    )
    nobody = pd.Series([f"test {number}" for number in range(TEST_ORDERS)], dtype="str")
    return (
        pd.concat([orders, tests], ignore_index=True),
        pd.concat([people, nobody], ignore_index=True),
    )

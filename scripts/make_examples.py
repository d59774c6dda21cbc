"""Write the two made-up businesses of several sources in data/examples: `python scripts/make_examples.py` gives the same bytes again.

A lamp shop (web analytics, orders in a workbook, deliveries in a folder by month, a help desk, reviews) and a maker of software for fleets
(use of the product, deals, invoices, tickets, surveys, people; what is counted is an account). Nobody's data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from xlsxwriter import Workbook

EXAMPLES = Path(__file__).parents[1] / "data" / "examples"
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = pd.Timedelta(hours=1)
Rows: TypeAlias = list[dict[str, object]]
CHANNELS = ["organic", "ads", "newsletter", "direct"]


def table(rows: Sequence[Mapping[str, object]], order: str) -> pd.DataFrame:
    """Rows in the order of a column of times, as a tool would export them."""
    return pd.DataFrame(rows).sort_values(order, kind="stable", ignore_index=True)


def hours(chance: np.random.Generator, mean: float) -> pd.Timedelta:
    """A waiting time of whole seconds."""
    return pd.Timedelta(seconds=int(chance.exponential(mean) * 3600) + 60)


def local(instants: pd.Series) -> pd.Series:
    """Instants as the clocks of the business show them."""
    return instants.dt.tz_localize("UTC").dt.tz_convert(BERLIN).dt.tz_localize(None)


# ---- the lamp shop ------------------------------------------------------------------------------------------------


@dataclass
class LampShop:
    """A shop: who is visited by parcels that come late asks the help desk, and seldom orders again."""

    chance: np.random.Generator
    web: Rows = field(default_factory=list)
    orders: Rows = field(default_factory=list)
    parcels: Rows = field(default_factory=list)
    tickets: Rows = field(default_factory=list)
    reviews: Rows = field(default_factory=list)
    clients: Rows = field(default_factory=list)

    def live(self, client: int) -> None:
        """A client's quarter: visits, some of which end with an order."""
        channel = CHANNELS[self.chance.choice(4, p=[0.4, 0.25, 0.15, 0.2])]
        country = self.chance.choice(["DE", "AT", "CH"], p=[0.7, 0.2, 0.1])
        self.clients.append({"client": client, "land": country})
        start = pd.Timedelta(minutes=int(self.chance.integers(0, 84 * 1440)))
        at, again = pd.Timestamp("2025-01-06") + start, 1.0
        while again > self.chance.random() and at < pd.Timestamp("2025-04-20"):
            steps, at = self.visit(client, channel, at)
            again = self.order(client, at) if steps == 4 else 0.35
            at += hours(self.chance, 24 * 16)

    def visit(self, client: int, channel: str, at: pd.Timestamp) -> tuple[int, pd.Timestamp]:
        """How many of the four steps a visit has, and its end."""
        steps = 1 + int(self.chance.binomial(3, 0.42 if channel == "ads" else 0.55))
        device = self.chance.choice(["mobile", "desktop"], p=[0.6, 0.4])
        for step in ["page_view", "product_view", "cart", "checkout"][:steps]:
            self.web.append(
                {
                    "client_id": client,
                    "event_name": step,
                    "time": at,
                    "medium": channel,
                    "device": device,
                }
            )
            at += pd.Timedelta(seconds=int(self.chance.integers(20, 900)))
        return steps, at

    def order(self, client: int, at: pd.Timestamp) -> float:
        """Whether an order is paid, and how likely the client comes again."""
        status = self.chance.choice(["paid", "cancelled", "payment failed"], p=[0.86, 0.06, 0.08])
        number, total = f"L-{len(self.orders) + 1:05}", round(float(self.chance.gamma(3, 28)), 2)
        self.orders.append(
            {
                "order_no": number,
                "customer": client,
                "ordered": at,
                "status": status,
                "total": total,
            }
        )
        if status != "paid":
            return 0.35
        sent, late = at + hours(self.chance, 30), self.chance.random() < 0.25
        there = sent + pd.Timedelta(hours=120 if late else 40) + hours(self.chance, 12)
        for step, when in (("parcel sent", sent), ("parcel delivered", there)):
            self.parcels.append({"client": str(client), "order": number, "step": step, "at": when})
        if self.chance.random() < (0.5 if late else 0.08):
            self.ask(client, there - 20 * HOUR if late else there + HOUR, late)
        if self.chance.random() < 0.4:
            self.review(client, there + hours(self.chance, 40), late)
        return 0.12 if late else 0.45

    def ask(self, client: int, opened: pd.Timestamp, late: bool) -> None:
        """A ticket, answered and solved."""
        answered = opened + hours(self.chance, 9)
        solved = answered + hours(self.chance, 26)
        ticket = {
            "requester": {"id": client},
            "ticket": 900 + len(self.tickets),
            "subject": "Where is my lamp?" if late else "Broken shade",
        }
        for name, when in (("opened", opened), ("answered", answered), ("solved", solved)):
            self.tickets.append({**ticket, "what": f"ticket {name}", "at": f"{when.isoformat()}Z"})

    def review(self, client: int, at: pd.Timestamp, late: bool) -> None:
        """Stars and words."""
        stars = int(np.clip(round(self.chance.normal(2.6 if late else 4.4, 0.9)), 1, 5))
        kind = "late" if late else "good" if stars >= 4 else "poor"
        words = str(self.chance.choice(LAMP_WORDS[kind]))
        self.reviews.append(
            {
                "client": client,
                "date": at.strftime("%d.%m.%Y"),
                "stars": stars,
                "text": words,
                "stage": "Delivery" if late else "Order",
            }
        )

    def write(self, folder: Path) -> None:
        """The exports."""
        folder.mkdir(parents=True, exist_ok=True)
        visits = table(self.web, "time")
        visits["time"] = visits["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        visits.to_csv(folder / "web.csv", index=False)
        sheet = table(self.orders, "ordered")
        workbook(folder / "orders.xlsx", "Orders", sheet.assign(ordered=local(sheet["ordered"])))
        moves = table(self.parcels, "at")
        moves["at"] = moves["at"].astype("datetime64[us]").dt.tz_localize("UTC")
        for month, part in moves.groupby(moves["at"].dt.strftime("%Y-%m")):
            below = folder / "parcels" / f"month={month}"
            below.mkdir(parents=True, exist_ok=True)
            part.to_parquet(below / "parcels.parquet", index=False)
        lines = sorted(self.tickets, key=lambda one: str(one["at"]))
        text = "".join(json.dumps(one) + "\n" for one in lines)
        (folder / "helpdesk.jsonl").write_text(text, encoding="utf-8")
        pd.DataFrame(self.reviews).to_csv(folder / "reviews.csv", index=False, sep=";")
        pd.DataFrame(self.clients).to_csv(folder / "clients.csv", index=False)


LAMP_WORDS = {
    "late": ["The parcel came five days late and nobody told me.", "Delivery took forever, the lamp is fine.", "Waited at home twice for nothing."],
    "good": ["Beautiful light, easy to assemble.", "Exactly as in the picture, fast delivery.", "Great lamp, would order again."],
    "poor": ["The shade was scratched.", "Colder light than described, disappointing.", "The cable is too short."],
}  # fmt: skip


def workbook(file: Path, name: str, rows: pd.DataFrame) -> None:
    """One sheet with a title above the names, as shops export it; without the time at which it was made."""
    with Workbook(file) as book:
        book.set_properties({"created": datetime(2025, 5, 1, tzinfo=UTC)})
        clock = book.add_format({"num_format": "dd.mm.yyyy hh:mm:ss"})
        sheet = book.add_worksheet(name)
        sheet.write(0, 0, "Export of all orders")
        sheet.write_row(1, 0, list(rows.columns))
        for y, row in enumerate(rows.itertuples(index=False), start=2):
            for x, cell in enumerate(row):
                if isinstance(cell, pd.Timestamp):
                    sheet.write_datetime(y, x, cell.to_pydatetime(), clock)
                else:
                    sheet.write(y, x, cell)


# ---- the fleet software -------------------------------------------------------------------------------------------

END = pd.Timestamp("2025-07-01")
MOVES = pd.Timestamp("2025-05-01")
FEATURES = ["map opened", "tour planned", "driver messaged", "report exported"]
PRICES = {"small": 89.0, "medium": 289.0, "large": 990.0}


@dataclass
class FleetSoftware:
    """Software for fleets: an account that plans tours in its first weeks stays, one that only looks at the map cancels."""

    chance: np.random.Generator
    usage: Rows = field(default_factory=list)
    deals: Rows = field(default_factory=list)
    invoices: Rows = field(default_factory=list)
    tickets: Rows = field(default_factory=list)
    surveys: Rows = field(default_factory=list)
    accounts: Rows = field(default_factory=list)
    people: Rows = field(default_factory=list)
    staff: dict[int, list[str]] = field(default_factory=dict)
    who: np.random.Generator = field(default_factory=lambda: np.random.default_rng(29))

    def live(self, account: int) -> None:
        """An account's half year: a demo, a trial, and what becomes of it."""
        size = str(self.chance.choice(list(PRICES), p=[0.6, 0.3, 0.1]))
        trade = self.chance.choice(["parcels", "crafts", "care", "rental"])
        self.accounts.append({"account_id": account, "size": size, "industry": trade})
        self.hire(account, size)
        start = pd.Timedelta(minutes=int(self.chance.integers(0, 110 * 1440)))
        at = pd.Timestamp("2025-01-07 08:00") + start
        self.deal(account, "lead", at)
        for stage, share in (("demo held", 0.75), ("trial started", 0.8)):
            if self.chance.random() > share:
                self.deal(account, "lost", at + hours(self.chance, 24 * 12))
                return
            at += hours(self.chance, 24 * 6)
            self.deal(account, stage, at)
        self.decide(account, size, at)

    def hire(self, account: int, size: str) -> None:
        """The people of an account; who is moved belongs to the next account from May on."""
        several = 1 + int(self.who.poisson({"small": 0.6, "medium": 2, "large": 5}[size]))
        self.staff[account] = [f"u{account}{letter}" for letter in "abcdefghijklmnop"[:several]]
        for place, person in enumerate(self.staff[account]):
            role = "dispatcher" if place == 0 else str(self.who.choice(["driver", "manager"]))
            self.people.append(
                {"user": person, "account": account, "role": role, "since": "2025-01-01"}
            )
        if several > 1 and account % 20 == 0:
            moved = self.staff[account][-1]
            self.people.append(
                {
                    "user": moved,
                    "account": account + 1,
                    "role": "manager",
                    "since": str(MOVES.date()),
                }
            )

    def person(self, account: int, at: pd.Timestamp) -> str:
        """Somebody of the account at that time."""
        here = list(self.staff[account])
        gone = account % 20 == 0 and len(here) > 1
        came = self.staff.get(account - 1, []) if account % 20 == 1 else []
        if at >= MOVES:
            here = (here[:-1] if gone else here) + (came[-1:] if len(came) > 1 else [])
        return str(self.who.choice(here))

    def deal(self, account: int, stage: str, at: pd.Timestamp) -> None:
        """A deal reaches a stage."""
        self.deals.append({"account": account, "stage": stage, "changed": at})

    def decide(self, account: int, size: str, tried: pd.Timestamp) -> None:
        """The trial, whether it is won, and until when it stays."""
        planner = self.chance.random() < 0.55
        won = self.chance.random() < (0.75 if planner else 0.4)
        decided = tried + pd.Timedelta(days=14) + hours(self.chance, 48)
        self.deal(account, "won" if won else "lost", decided)
        months = 1 + int(self.chance.geometric(0.04 if planner else 0.3))
        leave = decided + pd.Timedelta(days=30 * months) if won else decided
        self.use(account, planner, tried, min(leave, END))
        if won:
            self.bill(account, PRICES[size], decided.normalize(), leave)
        for _ in range(int(self.chance.poisson(0.8 if planner else 1.4))):
            self.ask(account, tried + hours(self.chance, 24 * 30), min(leave, END))
        if self.chance.random() < 0.5:
            self.answer(account, planner, tried + pd.Timedelta(days=20))

    def use(self, account: int, planner: bool, day: pd.Timestamp, end: pd.Timestamp) -> None:
        """What the account does with the software."""
        likely = [0.35, 0.4, 0.15, 0.1] if planner else [0.8, 0.05, 0.1, 0.05]
        while day < end:
            for _ in range(1 + int(self.chance.poisson(0.7))):
                at = day + pd.Timedelta(seconds=int(self.chance.integers(0, 30_000)))
                action = self.chance.choice(FEATURES, p=likely)
                platform = self.chance.choice(["web", "app"])
                self.usage.append(
                    {
                        "user": self.person(account, at),
                        "acct": str(account),
                        "action": action,
                        "ts": at,
                        "platform": platform,
                    }
                )
            day += hours(self.chance, 24 * 6)

    def bill(self, account: int, price: float, due: pd.Timestamp, leave: pd.Timestamp) -> None:
        """An invoice every thirty days until the account leaves."""
        while due < min(leave.normalize(), END):
            self.invoices.append(
                {"Kundennr": account, "Datum": due, "Art": "Rechnung", "Betrag": price}
            )
            due += pd.Timedelta(days=30)
        if leave < END:
            self.invoices.append(
                {
                    "Kundennr": account,
                    "Datum": leave.normalize(),
                    "Art": "Kündigung",
                    "Betrag": None,
                }
            )

    def ask(self, account: int, opened: pd.Timestamp, end: pd.Timestamp) -> None:
        """A ticket, answered and closed."""
        answered = opened + hours(self.chance, 7)
        closed = answered + hours(self.chance, 20)
        number, requester = 100 + len(self.tickets), self.person(account, opened)
        for status, at in (("opened", opened), ("answered", answered), ("closed", closed)):
            if opened < end and at < END:
                self.tickets.append(
                    {
                        "requester": requester,
                        "nr": number,
                        "status": status,
                        "time": at.strftime("%m/%d/%Y %I:%M %p"),
                    }
                )

    def answer(self, account: int, planner: bool, at: pd.Timestamp) -> None:
        """A score and words."""
        score = int(np.clip(round(self.chance.normal(8.3 if planner else 5.9, 1.9)), 0, 10))
        words = str(self.chance.choice(FLEET_WORDS[score >= 7]))
        self.surveys.append(
            {
                "user": self.person(account, at),
                "answered_at": at.strftime("%Y-%m-%d"),
                "recommend": score,
                "why": words,
            }
        )

    def write(self, folder: Path) -> None:
        """The exports."""
        folder.mkdir(parents=True, exist_ok=True)
        clicks = table(self.usage, "ts")
        clicks = clicks[clicks["ts"] < END].astype({"ts": "datetime64[us]"})
        clicks.to_parquet(folder / "usage.parquet", index=False)
        moves = table(self.deals, "changed")
        moves = moves[moves["changed"] < END]
        moves = moves.assign(changed=local(moves["changed"]).dt.strftime("%d/%m/%Y %H:%M"))
        moves.to_csv(folder / "deals.csv", index=False)
        bills = table(self.invoices, "Datum")
        bills["Datum"] = bills["Datum"].dt.strftime("%d.%m.%Y")
        bills.to_csv(folder / "invoices.csv", index=False, sep=";", decimal=",")
        pd.DataFrame(self.tickets).to_csv(folder / "tickets.tsv", index=False, sep="\t")
        pd.DataFrame(self.surveys).to_csv(folder / "surveys.csv", index=False)
        pd.DataFrame(self.accounts).to_csv(folder / "accounts.csv", index=False)
        pd.DataFrame(self.people).to_csv(folder / "people.csv", index=False)


FLEET_WORDS = {
    True: ["Planning tours saves us an hour a day.", "Easy for the drivers, good support.", "Reliable and fast."],
    False: ["We only ever use the map.", "Too expensive for what we need.", "Support answers slowly and the app crashes."],
}  # fmt: skip


def lamp_shop(folder: Path, clients: int = 800) -> None:
    """Simulate and write the lamp shop."""
    shop = LampShop(np.random.default_rng(17))
    for client in range(20_001, 20_001 + clients):
        shop.live(client)
    shop.write(folder)


def fleet_software(folder: Path, accounts: int = 260) -> None:
    """Simulate and write the maker of software."""
    software = FleetSoftware(np.random.default_rng(23))
    for account in range(5_001, 5_001 + accounts):
        software.live(account)
    software.write(folder)


if __name__ == "__main__":
    lamp_shop(EXAMPLES / "lamp_shop")
    fleet_software(EXAMPLES / "fleet_software")

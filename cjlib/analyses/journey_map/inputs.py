"""What a map is made of: the journey file, the log's walk, the feedback and the money, all of them or those of some customers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.cache import Shared
from cjlib.analyses.journey_map.feedback import Opinions, read_opinions
from cjlib.analyses.journey_map.groups import By, Groups, groups_of
from cjlib.analyses.journey_map.mapped_events import Walk, read_walk
from cjlib.analyses.journey_map.stage_mapping import Bools, Places, places_of
from cjlib.analyses.journey_map.value import Money, read_money
from cjlib.errors import CjlibError, shown
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.journey import Journey
from cjlib.sources.log.event_log import EventLog


@dataclass(frozen=True)
class Acts:
    """What customers did: the log, their way through it, the events behind the stage, the money, and what all maps of the log have in common."""

    log: EventLog
    walk: Walk
    back: Walk
    money: Money | None
    shared: Shared

    def only(self, customers: Bools) -> Acts:
        """Those of some customers, by code."""
        return replace(
            self,
            walk=self.walk.only(customers[self.walk.codes]),
            back=self.back.only(customers[self.back.codes]),
        )


@dataclass(frozen=True, eq=False)
class Source:
    """What a map is made of; without a log `acts` is None, without feedback `opinions` is. `kept` are tables already made of it."""

    journey: Journey
    places: Places
    groups: Groups
    acts: Acts | None
    opinions: Opinions | None
    churn: pd.Series | None
    feedback: Feedback | None = field(default=None, repr=False)
    kept: dict[Any, pd.DataFrame] = field(default_factory=dict, repr=False)

    def once(self, key: Any, made: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A table that is the same whatever the groups are, made at the first question; who changes it changes a copy."""
        if key not in self.kept:
            self.kept[key] = made()
        return self.kept[key].copy(deep=False)

    @property
    def stages(self) -> list[str]:
        """The stages in order."""
        return list(self.places.stages)

    @property
    def walk(self) -> Walk | None:
        """The customers' way."""
        return self.acts and self.acts.walk

    @property
    def log(self) -> EventLog | None:
        """The log."""
        return self.acts and self.acts.log

    def acts_of(self, group: int) -> Acts | None:
        """What the customers of one group did."""
        of = self.groups.of
        return self.acts if self.acts is None or of is None else self.acts.only(of == group)

    def only(self, customers: Bools) -> Source:
        """The same of some customers alone, by code, with what they said."""
        assert self.acts is not None, "a map without events knows no customers"
        groups = Groups(None, np.where(customers, 0, -1), 1)
        return replace(
            self,
            groups=groups,
            acts=self.acts.only(customers),
            opinions=self.opinions and self.opinions.only(customers),
            kept={},
        )


_READ: WeakValueDictionary[tuple[int, int, int], Source] = WeakValueDictionary()
"""What maps that are still held were made of, by the identities of journey, log and feedback, which they hold too."""


def read_source(
    journey: Journey,
    log: EventLog | None,
    feedback: Feedback | None,
    churn: Any,
    by: By,
    taken: tuple[str, ...],
) -> Source:
    """Read what a map is made of, or take it from a map of the same that is still held; `taken` are names that groups may not have."""
    groups = groups_of(log, by, taken)
    key = (id(journey), id(log), id(feedback))
    whole = _READ.get(key) or _whole(journey, log, feedback)
    _READ[key] = whole
    if groups.of is None and churn is None:
        return whole
    opinions = (
        whole.opinions
        if whole.opinions is None or groups.of is None
        else whole.opinions.grouped(groups.of)
    )
    return replace(whole, groups=groups, opinions=opinions, churn=_probabilities(churn))


def _whole(journey: Journey, log: EventLog | None, feedback: Feedback | None) -> Source:
    places = places_of(journey)
    opinions = None if feedback is None else read_opinions(feedback, log, journey, places)
    return Source(
        journey,
        places,
        Groups(None, None, 1),
        None if log is None else _acts(journey, log, opinions),
        opinions,
        None,
        feedback,
    )


def _acts(journey: Journey, log: EventLog, opinions: Opinions | None) -> Acts:
    walk, back = read_walk(journey, log)
    spoke = np.zeros(len(log.customer_ids()), dtype=bool)
    if opinions is not None:
        code = opinions.rows["code"].to_numpy()
        spoke[code[code >= 0]] = True
    return Acts(log, walk, back, read_money(journey, log), Shared(journey, log, walk, spoke))


def _probabilities(churn: Any) -> pd.Series | None:
    """The newest probability of each customer, by id as text."""
    if churn is None:
        return None
    scored = churn if isinstance(churn, pd.DataFrame) else churn.score().table
    absent = [name for name in ("customer_id", "churn_probability") if name not in scored]
    if absent:
        raise CjlibError(
            f"churn: must be a model of cj.fit_churn or its scores with customer_id and churn_probability. Missing: {shown(absent)}."
        )
    ordered = scored.sort_values("cutoff", kind="stable") if "cutoff" in scored else scored
    newest = ordered.assign(customer_id=ordered["customer_id"].astype("str")).drop_duplicates(
        "customer_id", keep="last"
    )
    return newest.set_index("customer_id")["churn_probability"]

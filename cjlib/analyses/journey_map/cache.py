"""What maps of the same log have in common, whichever of its customers they are of: counted at the first question, once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.coverage import silent, unmapped
from cjlib.analyses.journey_map.mapped_events import Walk
from cjlib.analyses.journey_map.stage_mapping import Bools, Ints
from cjlib.analyses.journey_map.support import support_view
from cjlib.sources.journey import Journey
from cjlib.sources.log.event_log import EventLog

Happened = tuple[Ints, Ints]
"""Customer codes and instants of events, by customer and time."""


@dataclass(frozen=True, eq=False)
class Shared:
    """Of all customers of a log; `spoke` are those, by code, whose feedback is on the map."""

    journey: Journey
    log: EventLog
    walk: Walk
    spoke: Bools

    @cached_property
    def unmapped(self) -> pd.DataFrame:
        """Events that no touchpoint claims."""
        return unmapped(self.log, self.walk.places)

    @cached_property
    def silent(self) -> pd.DataFrame:
        """Touchpoints that never occur."""
        return silent(self.log, self.walk.places)

    @cached_property
    def support(self) -> pd.DataFrame:
        """The support view; empty where the journey file has none."""
        support = self.journey.support
        return (
            pd.DataFrame()
            if support is None
            else support_view(support, self.journey.scorecard.period, self.log)
        )

    @cached_property
    def active(self) -> Happened:
        """Mapped events, without those of leaving, of those who spoke."""
        if self.journey.churn is None or self.journey.churn.event is None:
            return self._theirs(self.walk.code, self.walk.time)
        gone = self.log.match(self.journey.churn.event, "churn.event")
        front = ", ".join(str(place) for place in np.flatnonzero(self.walk.places.front)) or "NULL"
        found = self.log.fetch(
            "customer",
            "time",
            where=f"({self.journey.mapping_sql(self.log)}) IN ({front}) AND NOT coalesce({gone}, FALSE)",
        )
        return self._theirs(found["customer"], found["time"])

    @cached_property
    def converted(self) -> Happened | None:
        """Conversions of those who spoke; None where the journey file does not say what one is."""
        if self.journey.roles.convert is None:
            return None
        found = self.log.fetch(
            "customer", "time", where=self.log.match(self.journey.roles.convert, "roles.convert")
        )
        return self._theirs(found["customer"], found["time"])

    def _theirs(self, code: np.ndarray, time: Ints) -> Happened:
        rows = self.spoke[code]
        return code[rows].astype(np.int64), time[rows]

"""The customers behind the cells, on demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cjlib.analyses.retention.cohort_entries import Clock, Entries
from cjlib.analyses.retention.count import return_events, visits_of
from cjlib.analyses.retention.options import Question, Scope
from cjlib.analyses.retention.tables import cohort_column
from cjlib.shared.first_events import Groups
from cjlib.sources.log.event_log import EventLog


@dataclass(frozen=True)
class Members:
    """What it takes to list them."""

    log: EventLog
    question: Question
    scope: Scope
    entries: Entries
    clock: Clock
    groups: Groups
    cohorts: Groups | None

    def table(self) -> pd.DataFrame:
        """One row a customer, cohort and period with return events, by customer id, cohort event and period."""
        found = visits_of(
            self.entries,
            self.clock,
            *return_events(self.log, self.question, self.scope),
            most=self.question.periods,
        )
        some = found.returns > 0
        entry, period, returns = found.entry[some], found.period[some], found.returns[some]
        order = np.lexsort((period, entry))
        entry, period, returns = entry[order], period[order], returns[order]
        ids = self.log.engine.frame("SELECT value FROM c_names ORDER BY code")["value"]
        return pd.DataFrame(
            {
                "customer_id": ids.take(self.entries.customer[entry]).reset_index(drop=True),
                **self.groups.columns(self.entries.group[entry]),
                "cohort": cohort_column(self.scope, self.entries.cohort[entry], self.cohorts),
                "cohort_at": self.log.moments(self.entries.at).take(entry).reset_index(drop=True),
                "period": period,
                "returns": returns,
            }
        )

"""The support view: tickets by period, how soon they are answered and solved, and what it takes."""

from __future__ import annotations

import pandas as pd

from cjlib.sources.events import EventLog
from cjlib.sources.journey import Journey


def support_view(journey: Journey, log: EventLog) -> pd.DataFrame:
    return pd.DataFrame()

"""What a forecast of who leaves stands on: an event log, or a table of customers. The notebook on churn asks both in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from cjlib.analyses.churn import churn_data, churn_inputs, churn_table, kept_cutoffs
from cjlib.analyses.churn.data.churn_data import ChurnData
from cjlib.analyses.churn.model.churn_model import ChurnModel, ChurnScores
from cjlib.analyses.churn.use.forecast_monitoring import PastForecasts, past_forecasts
from cjlib.analyses.churn.use.metrics_by_segment import ModelBy, model_by
from cjlib.analyses.churn.use.split_comparison import compare_splits
from cjlib.analyses.result import Result
from cjlib.analyses.value.recorded_value import stated_value
from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.sources.journey import Journey
from cjlib.sources.log.durations import Duration
from cjlib.sources.log.event_log import EventLog
from cjlib.sources.log.segments import segment_column, usual_column
from cjlib.views.unanswered import Unanswered, unanswered
from cjlib.views.value_questions import UNVALUED, contract_worth, customer_worth, worth_by

NO_DATES = "A table of customers shows one moment and has no dates"


def churn_base(journey: Journey, *, horizon: str = "", active_within: str = "") -> OfLog | OfTable:
    """What the journey file has to forecast from: its table of customers where `churn.target` says who left, else its events.

    Parameters
    ----------
    journey
        From `cj.read_journey`.
    horizon, active_within
        Of `cj.churn_data`; empty: as in the file. A table has no dates, and so neither of them.
    """
    if journey.churn is None or journey.churn.target is None:
        log = journey.read_events()
        return OfLog(
            journey,
            log,
            journey.churn_options(horizon=horizon, active_within=active_within)
            | churn_inputs(journey, log),
        )
    table = journey.read_customers()
    assert table is not None  # a journey file with churn.target names a table of customers
    return OfTable(journey, table)


@dataclass(frozen=True)
class OfLog:
    """The questions put to a log of events."""

    journey: Journey
    log: EventLog
    options: Mapping[str, Any]

    def data(self) -> ChurnData:
        """Customers at earlier moments, and who of them left."""
        return churn_data(self.log, **self.options)

    def today(self, model: ChurnModel) -> ChurnScores:
        """The customers of the log's last moment, scored."""
        now = churn_data(self.log, **self.options, cutoffs=[self.log.observed_until], like=model)
        if now.table.empty:
            raise DataError(
                "Nobody is left to forecast: no customer at this moment is one who could still leave."
            )
        return model.score(now)

    def segment(self, by: str) -> Any:
        """The column to compare groups by, as `cj.segment_column` chooses it."""
        return segment_column(self.log, by)

    def model_by(self, model: ChurnModel, by: str | None) -> ModelBy:
        """How good the model is in each group."""
        return model_by(model, self.log, by=by)

    def splits(self, data: ChurnData) -> pd.DataFrame:
        """What a random split would have promised."""
        return compare_splits(data)

    def past(self, model: ChurnModel, data: ChurnData, forecasts: str) -> PastForecasts:
        """Kept forecasts, or where none are kept the tested moments, beside what then happened."""
        if not forecasts:
            return past_forecasts([model.forecasts], data)
        return past_forecasts(
            forecasts, churn_data(self.log, **self.options, cutoffs=kept_cutoffs(forecasts))
        )

    def worth(self, horizon: Duration) -> Result:
        """What each customer is expected to bring."""
        return customer_worth(self.journey, self.log, horizon=horizon)

    def worth_by(self, worth: Any, by: str | None = "cohort") -> Result:
        """That by group."""
        return worth_by(worth, self.log, by=by)

    def contract(self) -> Result:
        """What a contract brings while it lasts."""
        return contract_worth(self.journey, self.log)


@dataclass(frozen=True)
class OfTable:
    """The questions put to a table of customers, one row each."""

    journey: Journey
    table: pd.DataFrame

    def data(self) -> ChurnData:
        """The customers whose outcome is known."""
        named = {"id": "customer_id"} if "customer_id" in self.table.columns else {}
        return churn_table(self.table, **self.journey.churn_table_options(), **named)

    def today(self, model: ChurnModel) -> ChurnScores:
        """Those whose outcome is still open, scored; where there are none, those who had stayed, from whom the model has learnt too."""
        data = self.data()
        open_rows = self.table[
            _blank(self.table[str(self.journey.churn_table_options()["target"])])
        ]
        if len(open_rows):
            return _said(model.score(open_rows), "those whose outcome is still open")
        stayed = data.table[data.table["churned"] == 0]
        return _said(
            model.score(replace(data, table=stayed)),
            "those who had not left; the model has learnt from them too",
        )

    def segment(self, by: str) -> str | None:
        """The column to compare groups by: the one named, else one with a usual name."""
        if by and by != "none" and by not in self.table.columns:
            raise CjlibError(
                f"by: there is no column {shown(by)}.{did_you_mean(by, self.table.columns)} The table has: {listed(self.table.columns, most=20)}."
            )
        return None if by == "none" else by or usual_column(self.table.columns)

    def model_by(self, model: ChurnModel, by: str | None) -> ModelBy:
        """How good the model is in each group."""
        return model_by(model, self.table, by=by)

    def splits(self, data: ChurnData) -> Unanswered:
        """Not asked of a table."""
        return unanswered(
            f"{NO_DATES}, so nothing of the future can slip into its five folds; they are drawn at random."
        )

    def past(self, model: ChurnModel, data: ChurnData, forecasts: str) -> Unanswered:
        """Not asked of a table."""
        return unanswered(
            f"{NO_DATES}, so no forecast of it can be looked back on. Keep the list, and compare it with the next table."
        )

    def worth(self, horizon: Duration) -> Result:
        """What each customer brings, as the table states it."""
        return (
            unanswered(UNVALUED)
            if self.journey.value is None
            else stated_value(self.table, amount=self.journey.value.amount)
        )

    def worth_by(self, worth: Any, by: str | None = "cohort") -> Unanswered:
        """Not asked of a table."""
        return unanswered(
            f"{NO_DATES}, so what customers brought to date and are yet to bring cannot be told apart."
        )

    def contract(self) -> Unanswered:
        """Not asked of a table."""
        return unanswered(
            f"{NO_DATES}, so payments cannot be followed. Where a column counts the time so far, ask cj.survival_table."
        )


def _blank(values: pd.Series) -> pd.Series:
    return values.isna() | (values.astype("str").str.strip() == "")


def _said(scores: ChurnScores, who: str) -> ChurnScores:
    return replace(scores, definition={"whom": who} | dict(scores.definition))

"""Who is at risk of churning, why, and who is worth contacting."""

from cjlib.analyses.churn.data.churn_data import ChurnData
from cjlib.analyses.churn.data.customer_table import churn_table
from cjlib.analyses.churn.data.log_data import churn_data
from cjlib.analyses.churn.forecast_monitoring import (
    PastForecasts,
    past_forecasts,
    save_forecast,
    saved_cutoffs,
)
from cjlib.analyses.churn.metrics_by_segment import (
    SegmentMetrics,
    compare_splits,
    metrics_by_segment,
)
from cjlib.analyses.churn.model.churn_model import ChurnModel, ChurnScores, load_churn_model
from cjlib.analyses.churn.model.fit import fit_churn
from cjlib.analyses.churn.targeting import TargetList, ValueAtRisk, target_list, value_at_risk

__all__ = [
    "ChurnData",
    "ChurnModel",
    "ChurnScores",
    "PastForecasts",
    "SegmentMetrics",
    "TargetList",
    "ValueAtRisk",
    "churn_data",
    "churn_table",
    "compare_splits",
    "fit_churn",
    "load_churn_model",
    "metrics_by_segment",
    "past_forecasts",
    "save_forecast",
    "saved_cutoffs",
    "target_list",
    "value_at_risk",
]

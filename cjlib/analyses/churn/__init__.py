"""Who is about to leave, why, and whom it pays to call."""

from cjlib.analyses.churn.data.churn_data import ChurnData
from cjlib.analyses.churn.data.customer_table import churn_table
from cjlib.analyses.churn.data.journey_options import churn_inputs
from cjlib.analyses.churn.data.log_data import churn_data
from cjlib.analyses.churn.model.churn_model import ChurnModel, ChurnScores
from cjlib.analyses.churn.model.fit import fit_churn
from cjlib.analyses.churn.model.persistence import load_churn_model
from cjlib.analyses.churn.use.forecast_monitoring import (
    PastForecasts,
    keep_forecast,
    kept_cutoffs,
    past_forecasts,
)
from cjlib.analyses.churn.use.metrics_by_segment import ModelBy, model_by
from cjlib.analyses.churn.use.split_comparison import compare_splits
from cjlib.analyses.churn.use.targeting import TargetList, target_list
from cjlib.analyses.churn.use.value_at_risk import ValueAtRisk, value_at_risk

__all__ = [
    "ChurnData",
    "ChurnModel",
    "ChurnScores",
    "ModelBy",
    "PastForecasts",
    "TargetList",
    "ValueAtRisk",
    "churn_data",
    "churn_inputs",
    "churn_table",
    "compare_splits",
    "fit_churn",
    "keep_forecast",
    "kept_cutoffs",
    "load_churn_model",
    "model_by",
    "past_forecasts",
    "target_list",
    "value_at_risk",
]

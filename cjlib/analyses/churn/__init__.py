"""Who is about to leave, why, and whom it pays to call."""

from cjlib.analyses.churn.at_risk import ValueAtRisk, value_at_risk
from cjlib.analyses.churn.business import churn_inputs
from cjlib.analyses.churn.customer_table import churn_table
from cjlib.analyses.churn.data import ChurnData
from cjlib.analyses.churn.decisions import TargetList, target_list
from cjlib.analyses.churn.fit import fit_churn
from cjlib.analyses.churn.keeping import load_churn_model
from cjlib.analyses.churn.log_data import churn_data
from cjlib.analyses.churn.model import ChurnModel, ChurnScores
from cjlib.analyses.churn.past import PastForecasts, keep_forecast, kept_cutoffs, past_forecasts
from cjlib.analyses.churn.segments import ModelBy, model_by
from cjlib.analyses.churn.splits import compare_splits

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

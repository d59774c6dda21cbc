"""Customer Journey Notebooks: the numbers you can defend.

Names are loaded when they are first used, so that reading a log does not wait for libraries that only a model needs.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "cjlib.errors": ["CjlibError", "DataError", "JourneyError"],
    "cjlib.sources.conditions": ["Exclude", "Step"],
    "cjlib.sources.events": ["EventLog"],
    "cjlib.sources.reading": ["read_events"],
    "cjlib.sources.feedback": ["Feedback", "read_feedback"],
    "cjlib.sources.journey": ["Journey", "read_journey"],
    "cjlib.sources.segments": ["segment_column"],
    "cjlib.analyses.funnel": ["Funnel", "funnel"],
    "cjlib.analyses.retention": ["Retention", "retention"],
    "cjlib.analyses.survival": ["Survival", "survival", "survival_table"],
    "cjlib.analyses.lifecycle": ["Lifecycle", "lifecycle"],
    "cjlib.analyses.paths.differences": ["PathDifferences", "compare_paths"],
    "cjlib.analyses.paths": ["Paths", "paths"],
    "cjlib.analyses.paths.sessions": ["Sessions", "sessions"],
    "cjlib.analyses.paths.transitions": ["Transitions", "transitions"],
    "cjlib.analyses.attribution": ["Attribution", "AttributionComparison", "attribution", "attribution_paths"],
    "cjlib.analyses.aftermath": ["after_feedback"],
    "cjlib.analyses.assigned": ["assign_stages"],
    "cjlib.analyses.scores": ["ces", "csat", "nps", "score"],
    "cjlib.analyses.sentiment": ["audit_sample", "score_texts", "sentiment"],
    "cjlib.analyses.themes": ["themes"],
    "cjlib.analyses.drivers": ["drivers"],
    "cjlib.analyses.churn": [
        "ChurnData",
        "ChurnModel",
        "TargetList",
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
    ],
    "cjlib.analyses.value_groups": ["subscription_value", "value_by"],
    "cjlib.analyses.value": ["customer_value"],
    "cjlib.analyses.stated_value": ["stated_value"],
    "cjlib.analyses.personas": ["personas"],
    "cjlib.analyses.scorecard": ["scorecard"],
    "cjlib.analyses.journey_map": ["JourneyMap", "journey_map"],
    "cjlib.views.path_questions": ["channel_credit", "churned_or_retained", "converted_or_lost", "path_options", "way_options"],
    "cjlib.views.churn_base": ["churn_base"],
    "cjlib.views.churn_questions": ["ask", "churn_answer"],
    "cjlib.views.value_questions": ["contract_worth", "customer_worth", "target_choice", "worth_at_risk", "worth_by"],
    "cjlib.views.audit": ["explore_audit"],
    "cjlib.views.feedback_questions": ["feedback_choice"],
    "cjlib.views.progress": ["progress_bar"],
    "cjlib.views.persona_maps": ["PersonaMaps", "customer_kinds", "persona_maps"],
    "cjlib.views.plots": ["plot"],
    "cjlib.views.tables": ["table"],
    "cjlib.views.picture": ["Picture", "picture"],
    "cjlib.views.answer": ["answer"],
    "cjlib.views.overview": ["important", "unmeasured"],
    "cjlib.views.explore": ["explore"],
    "cjlib.views.explore_churn": ["explore_targets"],
    "cjlib.views.explore_map": ["explore_map"],
    "cjlib.samples": ["Sample", "sample"],
}
MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in MODULE_OF:
        raise AttributeError(f"module 'cjlib' has no attribute {name!r}")
    return getattr(import_module(MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(MODULE_OF)

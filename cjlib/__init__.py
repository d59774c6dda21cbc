"""Customer Journey Notebooks: the numbers you can defend.

Names are loaded when they are first used, so that reading a log does not wait for libraries that only a model needs.
"""

from importlib import import_module
from inspect import isfunction
from typing import Any

from cjlib.show.wording import in_the_words_of_what_is_given

__version__ = "0.2.0"

_HOME = {
    "cjlib.errors": ["CjlibError", "DataError", "JourneyError"],
    "cjlib.sources.log.conditions": ["Exclude", "Step"],
    "cjlib.sources.log.event_log": ["EventLog", "segment_column"],
    "cjlib.sources.read_events": ["read_events"],
    "cjlib.sources.feedback.table": ["Feedback", "read_feedback"],
    "cjlib.sources.journey": ["Journey", "read_journey"],
    "cjlib.analyses.funnel": ["Funnel", "funnel"],
    "cjlib.analyses.retention": ["Retention", "retention"],
    "cjlib.analyses.reconcile": ["reconcile"],
    "cjlib.analyses.survival": ["Survival", "survival", "survival_table"],
    "cjlib.analyses.lifecycle": ["lifecycle"],
    "cjlib.analyses.paths.compare_paths": ["compare_paths"],
    "cjlib.analyses.paths": ["paths"],
    "cjlib.analyses.paths.sessions": ["sessions"],
    "cjlib.analyses.paths.transitions": ["transitions"],
    "cjlib.analyses.attribution": [
        "attribution",
        "attribution_paths",
    ],
    "cjlib.analyses.feedback.complaint_outcomes": ["after_feedback"],
    "cjlib.analyses.feedback.stage_assignment": ["assign_stages"],
    "cjlib.analyses.feedback.scores": ["ces", "csat", "nps", "score"],
    "cjlib.analyses.feedback.score_texts": ["score_texts"],
    "cjlib.analyses.feedback.sentiment": ["audit_sample", "sentiment"],
    "cjlib.analyses.feedback.themes": ["themes"],
    "cjlib.analyses.feedback.drivers": ["drivers"],
    "cjlib.analyses.churn": [
        "ChurnData",
        "ChurnModel",
        "churn_data",
        "churn_table",
        "compare_splits",
        "fit_churn",
        "save_forecast",
        "saved_cutoffs",
        "load_churn_model",
        "metrics_by_segment",
        "past_forecasts",
        "target_list",
        "value_at_risk",
    ],
    "cjlib.analyses.value.value_by_segment": ["stated_value", "value_by", "value_of"],
    "cjlib.analyses.value.contract_worth": ["contract_worth", "subscription_value"],
    "cjlib.analyses.value.customer_lifetime_value": ["customer_value"],
    "cjlib.analyses.experiment": ["Measure", "experiment"],
    "cjlib.analyses.experiment.holdout": ["holdout"],
    "cjlib.analyses.experiment.plan": ["plan_experiment"],
    "cjlib.analyses.personas": ["personas"],
    "cjlib.analyses.scorecard": ["scorecard"],
    "cjlib.analyses.journey_map": ["journey_map"],
    "cjlib.views.notebook.audit": ["explore_audit"],
    "cjlib.views.notebook.progress_bar": ["progress_bar"],
    "cjlib.views.notebook.persona_maps": ["persona_maps"],
    "cjlib.views.plots": ["plot"],
    "cjlib.views.notebook.show_table": ["table"],
    "cjlib.views.map_html": ["render_map"],
    "cjlib.views.notebook.summary_cards": ["summary"],
    "cjlib.views.notebook.overview": ["highlights", "missing_measures"],
    "cjlib.views.notebook.explore": ["explore", "explore_targets"],
    "cjlib.views.notebook.explore_experiment": ["explore_experiment"],
    "cjlib.views.notebook.explore_map": ["explore_map"],
    "cjlib.views.poster": ["poster"],
    "cjlib.samples": ["Sample", "sample"],
}
MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in MODULE_OF:
        raise AttributeError(f"module 'cjlib' has no attribute {name!r}")
    found = getattr(import_module(MODULE_OF[name]), name)
    return in_the_words_of_what_is_given(found) if isfunction(found) else found


def __dir__() -> list[str]:
    return sorted(MODULE_OF)

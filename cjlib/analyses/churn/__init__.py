"""Who is about to leave, why, and whom it pays to call."""

from cjlib.analyses.churn.customer_table import churn_table
from cjlib.analyses.churn.data import ChurnData

__all__ = ["ChurnData", "churn_table"]

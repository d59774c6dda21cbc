"""Churn models: fitted, chosen, calibrated, explained, and measured on customers they did not know."""

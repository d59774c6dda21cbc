"""Logs whose events stay in their database: statements go there, small answers come back."""

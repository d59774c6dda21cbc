"""Prepared logs kept on disk."""

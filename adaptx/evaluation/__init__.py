"""Predictions and scores, one language at a time."""

"""Gains, contrasts and trends, with intervals and verdicts."""

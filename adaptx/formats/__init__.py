"""Formats: how a kind of task is encoded, what head it has, its loss, and how predictions are made."""

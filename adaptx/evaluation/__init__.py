"""Predictions and scores of a trained model, one language at a time."""

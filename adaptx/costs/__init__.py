"""Predict the costs of stages by formulas, without torch: operations, bytes, and hours per type of GPU."""

"""Costs of stages, computed by formulas without torch: operations, bytes, and hours per type of GPU."""

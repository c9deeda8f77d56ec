"""Costs of stages in closed form, without torch: operations, bytes, and hours on types of GPU."""

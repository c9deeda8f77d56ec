"""Costs of stages in closed form: operations, bytes, hours on types of GPU; no torch."""

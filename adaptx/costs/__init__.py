"""Costs of stages in closed form: operations, bytes, and hours on types of GPU. No torch."""

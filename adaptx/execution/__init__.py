"""Carry out the stages of a plan, each after its inputs, and store their results."""

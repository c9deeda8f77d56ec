"""Stored scores before any comparison: measurements, their variants, pairs of rows, suites."""

"""Locations of rows, weights and published modules, and the digests of their files."""

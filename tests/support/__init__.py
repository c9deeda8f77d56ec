"""Helpers that several test files share: tiny models and rows, stores, specs, and generated pages of the docs."""

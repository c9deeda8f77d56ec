"""Looks at the user's own files and writes a recipe for them."""

"""Merging of several modules into one. Each rule has its own file and works on the updates of one tensor at a time."""

"""Merging: modules in, one module out. One rule a file; each works on one tensor's updates at a time."""

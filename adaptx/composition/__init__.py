"""Composition of modules: stacking, fusing, continuing and merging earlier modules, and assembling networks of them."""

"""Composition of modules: stacking, fusing, continuing and merging earlier ones, and assembling networks from them."""

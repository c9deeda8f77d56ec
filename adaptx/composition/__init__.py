"""Composition of earlier modules: they are stacked, fused, continued or merged, and networks are built from them."""

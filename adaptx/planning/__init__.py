"""Turn a recipe into its plan: load it, find its distinct stages, identify and name them, and refuse some."""

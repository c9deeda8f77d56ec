"""Display of plans and of a run's progress, in a terminal and in a notebook."""

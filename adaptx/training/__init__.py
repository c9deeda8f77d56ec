"""The training loop, with its sampling, gradients, schedule, saved states and progress."""

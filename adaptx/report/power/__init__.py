"""Power: how large a true gain or difference must be so that a plan finds it in 4 of 5 experiments."""

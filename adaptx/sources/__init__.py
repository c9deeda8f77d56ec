"""Where rows, weights and published modules lie, and the digests of what is read."""

"""What the command line shows: plans, the catalog, progress."""

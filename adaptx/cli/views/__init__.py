"""The views that the command line prints: the catalog, its prompts and examples, and memory predictions."""

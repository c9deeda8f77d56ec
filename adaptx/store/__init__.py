"""The store: the content-addressed folder of finished stages, and how its files are written and checked."""

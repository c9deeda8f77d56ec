"""The store: a folder of finished stages, found by fingerprint, whose files are checked when they are read."""

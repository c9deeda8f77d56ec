"""The one training loop, and what it draws, saves and tells."""

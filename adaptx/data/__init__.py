"""Read the rows of tasks as examples, from the hub, a local mirror or the user's own files."""

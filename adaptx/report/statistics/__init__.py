"""Statistics over plain numbers: nothing here knows a store, a stage or a task."""

"""Statistics over plain numbers. This package knows nothing about stores, stages or tasks."""

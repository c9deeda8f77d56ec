"""Calls at regular intervals in the background while a block of work runs."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def sampled(ask: Callable[[], None], interval_seconds: float) -> Generator[None]:
    """Call `ask` every `interval_seconds` in a separate thread during the `with` block, first after one interval."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(interval_seconds):
            ask()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

"""Claims: of several processes over one store, one at a time carries out a stage.

A claim is a lock on a file, which the system gives up when its process ends, however it ends.
"""

import contextlib
from collections.abc import Generator
from pathlib import Path

from adaptx.errors import UserError


class Busy(UserError):
    """Another process is at work on this very stage."""


@contextlib.contextmanager
def claimed(lock: Path, name: str) -> Generator[None]:
    """Within the block no other process carries out the stage.

    Raises:
        Busy: another one does.
    """
    from filelock import FileLock, Timeout

    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise Busy(f"{name}: another process is at work on this stage in the same store") from None
    try:
        yield
    finally:
        held.release()

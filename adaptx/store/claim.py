"""Let only one process at a time carry out a given stage of a store.

A process claims a stage by a lock on a file. The operating system releases the lock however the process ends.
"""

import contextlib
from collections.abc import Generator
from pathlib import Path

from adaptx.errors import UserError


class Busy(UserError):
    """The error that another process is working on the same stage."""


@contextlib.contextmanager
def claimed(lock: Path, name: str) -> Generator[None]:
    """Claim a stage for the duration of the block, so that no other process carries it out.

    Raises:
        Busy: another process has claimed it.
    """
    from filelock import FileLock, Timeout

    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise Busy(f"{name}: another process is working on this stage in the same store") from None
    try:
        yield
    finally:
        held.release()

"""The runs that are at work on a store, and the modules whose weights each of them needs.

A run that removes weights, or `adaptx prune`, asks here first. A run holds the lock of its file in the store's folder
`runs/`, which the system gives up when its process ends, however it ends: a file without it is a killed run's.
"""

import json
import secrets
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path

FOLDER = "runs"


@contextmanager
def at_work(root: Path, needs: Collection[str]) -> Generator[None]:
    """Within the block the weights of these modules, by fingerprint, are needed."""
    from filelock import FileLock

    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{secrets.token_hex(8)}.json"
    held = FileLock(file.with_suffix(".lock"))
    with FileLock(folder / "lock"):
        file.write_text(json.dumps(sorted(needs)))
        held.acquire()
    try:
        yield
    finally:
        with FileLock(folder / "lock"):
            _remove(file)
            held.release()


@contextmanager
def no_run_begins(root: Path) -> Generator[list[frozenset[str]]]:
    """Yield what each live run needs; within the block no other one begins or ends."""
    from filelock import FileLock, Timeout

    folder = root / FOLDER
    if not folder.is_dir():
        # No run has been here.
        yield []
        return
    with FileLock(folder / "lock"):
        found: list[frozenset[str]] = []
        for file in sorted(folder.glob("*.json")):
            try:
                with FileLock(file.with_suffix(".lock"), timeout=0):
                    _remove(file)
            except Timeout:
                found.append(frozenset(json.loads(file.read_text())))
        yield found


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.with_suffix(".lock").unlink(missing_ok=True)

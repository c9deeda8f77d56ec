"""The active runs of a store, and the modules whose weights each of them needs.

Weights are removed only if no other active run needs them. While a run is active, it holds a lock on its own file in
the store's folder `runs/`. The operating system releases the lock however the process ends.
"""

import json
import secrets
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path

FOLDER = "runs"


@contextmanager
def at_work(root: Path, needs: Collection[str]) -> Generator[None]:
    """Register a run for the duration of the block. needs: fingerprints of the modules whose weights the run needs."""
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
    """Keep runs from beginning or ending during the block. Yield the fingerprints of the modules that each active run
    needs.
    """
    from filelock import FileLock, Timeout

    folder = root / FOLDER
    if not folder.is_dir():
        # No run has used this store yet.
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

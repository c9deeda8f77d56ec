"""The active runs of a store, and the modules whose weights each of them needs.

Before weights are removed, by a run or by `adaptx prune`, the active runs are looked up here. Each run writes a file in
the store's folder `runs/` and holds a lock on it. The operating system releases the lock when the process ends in any
way, so a file whose lock is free belongs to a run that was killed.
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
    """Yield, for each active run, the fingerprints of the modules that it needs. No run begins or ends in the block."""
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

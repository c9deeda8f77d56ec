"""Markers: files in the store that say which runs are already recorded.

They are in the store so that they can be read while a server is unreachable. Each address and recipe has a folder of
its own, because a stage may be recorded at several addresses. A marker is a file such as
`recorded/9f2c41ab/xnli/train-0a1b2c3d4e5f6071`, and contains the stamp of its run. The stamp of a variant is a digest
of its stored evaluations and their metrics, so it changes with each new evaluation. All other stamps are empty.
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from adaptx.store.store import Store
from adaptx.tracking.address import Address

EXPERIMENT_FILE = "experiment"


@dataclass(frozen=True)
class Markers:
    """The markers of one recipe's runs at one address."""

    folder: Path

    def has(self, kind: str, fingerprint: str, stamp: str = "") -> bool:
        """Return whether the run is recorded with exactly this stamp."""
        try:
            return self._file(kind, fingerprint).read_bytes() == stamp.encode()
        except OSError:
            return False

    def add(self, kind: str, fingerprint: str, stamp: str = "") -> None:
        self._write(self._file(kind, fingerprint), stamp)

    def belong_to(self, experiment: str) -> bool:
        """Return whether the markers belong to an experiment. If they belong to another one, delete them.

        experiment: the experiment's identity in MLflow. A new database gives it another identity, and has none of the
        runs that the markers stand for.
        """
        file = self.folder / EXPERIMENT_FILE
        known = file.read_text() if file.is_file() else None
        if known == experiment:
            return True
        if known is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._write(file, experiment)
        return known is None

    def _file(self, kind: str, fingerprint: str) -> Path:
        return self.folder / f"{kind}-{fingerprint[:16]}"

    def _write(self, file: Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def markers_of(address: Address, store: Store, experiment: str) -> Markers:
    """Return the markers of an experiment at an address. If its database file no longer exists, delete them first."""
    place = store.root / "recorded" / hashlib.sha256(address.shown.encode()).hexdigest()[:8]
    if address.database is not None and not address.database.is_file():
        shutil.rmtree(place, ignore_errors=True)
    return Markers(place / experiment.replace("/", "_"))

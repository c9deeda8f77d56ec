"""Markers: files in the store that say which runs are already recorded.

Markers are in the store, so that they can be read while a server is unreachable. They are not part of a stage, because
a stage may be recorded at several addresses. Each address and recipe has its own folder of markers, with files such as
`recorded/9f2c41ab/xnli/train-0a1b2c3d4e5f6071`. A marker contains the stamp of its run. A variant's stamp is a
digest of its stored evaluations and their metrics, and changes with each new evaluation. Other stamps are empty.
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
        """Return False, and delete the markers, if they belong to another experiment. Else return True.

        experiment: the experiment's identity, which is never reused. If a database is deleted and created again, its
        experiment has a new identity and no runs.
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
    """Return an experiment's markers. If the address is a database file that is gone, first delete its markers."""
    place = store.root / "recorded" / hashlib.sha256(address.shown.encode()).hexdigest()[:8]
    if address.database is not None and not address.database.is_file():
        shutil.rmtree(place, ignore_errors=True)
    return Markers(place / experiment.replace("/", "_"))

"""Which runs are recorded already: files in the store, since the store is the one place that is always there.

Which server a stage was recorded on does not belong to the stage. So each address and recipe has a folder of its own:
`recorded/<address>/<recipe>/<kind>-<fingerprint16>`. A marker holds its run's stamp: how far the run had come.
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
        try:
            return self._file(kind, fingerprint).read_bytes() == stamp.encode()
        except OSError:
            return False

    def add(self, kind: str, fingerprint: str, stamp: str = "") -> None:
        self._write(self._file(kind, fingerprint), stamp)

    def belong_to(self, experiment: str) -> bool:
        """Keep markers of that experiment only; return False where they were another's and are gone.

        experiment: identifies it for ever. A database that was made anew has another one, which has no runs yet.
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
    """Return the markers of an experiment; a database file that is gone holds no runs, whatever they said."""
    place = store.root / "recorded" / hashlib.sha256(address.shown.encode()).hexdigest()[:8]
    if address.database is not None and not address.database.is_file():
        shutil.rmtree(place, ignore_errors=True)
    return Markers(place / experiment.replace("/", "_"))

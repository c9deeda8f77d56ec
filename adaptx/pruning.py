"""What a store holds that no given recipe reaches."""

from collections.abc import Iterable
from pathlib import Path

from adaptx.plan import Plan
from adaptx.store import Entry, Store


def unreached(store: Store, plans: Iterable[Plan]) -> list[Entry]:
    """Finished stages of the store that none of the plans has; evaluations first."""
    reached: set[str] = set()
    for plan in plans:
        for node in plan.nodes:
            # Where a digest is not at hand this is the nominal one, which may stand for any stage of that name.
            reached.add(node.fingerprint)
    found = [e for e in store.entries().values() if e.fingerprint not in reached and e.nominal not in reached]
    return sorted(found, key=lambda entry: (entry.kind, entry.folder.name))


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

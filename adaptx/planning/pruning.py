"""Find and remove the stages and files of a store that none of the given recipes uses."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from adaptx.planning.plan import Plan
from adaptx.planning.row_contents import FOLDER, contents_file, used_rows
from adaptx.store.entry import Entry
from adaptx.store.store import BUILDING, KINDS, SET_ASIDE, Store, listed


def unreached(store: Store, plans: Iterable[Plan]) -> list[Entry]:
    """Return the store's finished stages that no plan contains, evaluations first."""
    reached = _fingerprints_in(plans)
    found = [e for e in store.entries().values() if e.fingerprint not in reached and e.nominal not in reached]
    return sorted(found, key=lambda entry: (entry.kind, entry.folder.name))


def leftovers(store: Store, plans: Iterable[Plan], going: Sequence[Entry]) -> list[Path]:
    """Return the paths in the store that nothing needs any more.

    These are saved states of trainings that no plan contains; gold answers that only the stages `going` use; contents
    of rows that no plan reads; unfinished folders of killed processes; and damaged stages.
    """
    plans = tuple(plans)
    reached = {fingerprint[:16] for fingerprint in _fingerprints_in(plans)}
    gone = {entry.fingerprint for entry in going}
    staying = [e for e in store.entries().values() if e.kind == "evaluate" and e.fingerprint not in gone]
    named = {name for entry in staying for name in entry.record.files}
    working = (path for path in listed(store.root / "working") if path.name.partition(".")[0] not in reached)
    golds = (path for path in listed(store.root / "golds") if f"../../golds/{path.name}" not in named)
    contents = {
        contents_file(used, store, plan.identities)
        for plan in plans
        for used in used_rows(node.stage for node in plan.nodes)
    }
    rows = (path for path in listed(store.root / FOLDER) if path not in contents)
    building = (path for kind in KINDS for path in listed(store.root / kind) if path.name.startswith(BUILDING))
    return sorted([*working, *golds, *rows, *building, *store.left_out, *listed(store.root / SET_ASIDE)])


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def size_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _fingerprints_in(plans: Iterable[Plan]) -> set[str]:
    return {node.fingerprint for plan in plans for node in plan.nodes}

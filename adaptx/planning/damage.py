"""Find damaged stages of a plan by comparing stored files with their digests, and set them aside to be done again."""

import contextlib
from collections.abc import Callable

from adaptx.planning.plan import Node, Plan, Status, stored_entry
from adaptx.store.claim import Busy, claimed
from adaptx.store.integrity import DamagedStage
from adaptx.store.store import Store


def check_stored(plan: Plan, store: Store, keep: bool = False) -> None:
    """Compare the stored files of a plan with their digests. Damaged stages then count as not stored.

    Weights are compared only if a stage that still has to run uses them, because they are large.
    """
    statuses = plan.statuses(store, keep)
    below: set[str] = set()
    for node in reversed(plan.nodes):
        if statuses[node.fingerprint] is Status.TO_DO or node.fingerprint in below:
            below.update(node.inputs)
    for node in plan.nodes:
        entry = stored_entry(node, store)
        if entry is not None:
            try:
                entry.checked(weights=node.fingerprint in below)
            except DamagedStage as damage:
                store.leave_out(entry, damage)


def set_aside_damaged(plan: Plan, store: Store, note: Callable[[str], None], keep: bool = False) -> None:
    """Move the plan's damaged stages to the store's `set-aside/`, and call `note` with a message for each stage."""
    seen: set[str] = set()
    while True:
        check_stored(plan, store, keep)
        found = [node for node in plan.nodes if node.fingerprint not in seen and _damages(node, store)]
        if not found:
            return
        # These stages have to run again and may need weights that were not checked before, so check once more.
        for node in found:
            seen.add(node.fingerprint)
            # If another run has claimed the stage, that run sets it aside.
            with contextlib.suppress(Busy), claimed(store.lock(node.fingerprint), node.name):
                _set_aside(node, store, note)


def _damages(node: Node, store: Store) -> list[DamagedStage]:
    return [
        damage
        for folder, damage in store.left_out.items()
        if folder.parent.name == node.kind and folder.name.endswith(f"-{node.fingerprint[:8]}")
    ]


def _set_aside(node: Node, store: Store, note: Callable[[str], None]) -> None:
    store.look_again()
    for damage in _damages(node, store):
        places = [damage.folder]
        if damage.file.exists() and not damage.file.is_relative_to(damage.folder):
            places.append(damage.file)
        with contextlib.suppress(FileNotFoundError):
            kept = [store.set_aside(place).relative_to(store.root).as_posix() for place in places]
            note(
                f"{node.kind}/{damage.folder.name} is damaged ({damage.cause}); it was set aside as "
                f"{' and '.join(kept)} and will be done again"
            )


def left_out_lines(store: Store, most: int = 5) -> list[str]:
    """Return a message for each damaged stage of the store: its name, the damage, and what to do.

    most: maximum number of stages shown. If there are more, a last line says how many are not shown.
    """
    store.entries()
    lines = [str(damage) for damage in store.left_out.values()]
    rest = len(lines) - most
    return [*lines[:most], *([f"and {rest} more damaged stages in {store.root}"] if rest > 0 else [])]

"""Damaged stores: whatever happened to a file, its stage is named, set aside and done again, to the same result."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import tiny

from adaptx.errors import UserError
from adaptx.execution.building import finished_model
from adaptx.execution.local import run
from adaptx.planning.damage import check_stored, left_out_lines, set_aside_damaged
from adaptx.planning.plan import Status
from adaptx.planning.pruning import leftovers, remove
from adaptx.specs import AveragedHeads, Evaluate, Full, Fuse, Linear, Lora, Merge, Sequential
from adaptx.store.integrity import MODULE_FILE, DamagedStage
from adaptx.store.store import Store, listed
from adaptx.training.progress import Silent

LORA = Lora(4, 8)


class Notes(Silent):
    """Keeps the lines worth keeping."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def stages(world) -> tuple[Evaluate, ...]:
    """All kinds of files: chained trainings with heads, a fusion with its mixing weights, a merge, and their scores."""
    topic = tiny.train(world.bert, tiny.TOPIC, LORA)
    target = tiny.train(world.bert, tiny.NLI, LORA, start=Sequential(topic))
    fused = tiny.train(world.bert, tiny.NLI, LORA, start=Fuse((topic, target)))
    merged = Merge((target, tiny.train(world.bert, tiny.NLI, LORA)), Linear(), AveragedHeads())
    return (*tiny.everywhere(target), Evaluate(fused, tiny.NLI, "xa"), Evaluate(merged, tiny.NLI, "xa"))


@pytest.fixture(scope="module")
def stored(world, stages, tmp_path_factory) -> tuple[Any, Path]:
    """(plan, root) of a store that holds everything."""
    root = tmp_path_factory.mktemp("stored") / "store"
    plan, _, summary = tiny.execute(world, root, stages)
    assert summary.complete, summary.failed
    return plan, root


def files_of(root: Path) -> list[Path]:
    return sorted(
        p for part in ("train", "merge", "evaluate", "golds") for p in (root / part).rglob("*") if p.is_file()
    )


def flipped(content: bytes, seed: int) -> bytes:
    at = random.Random(seed).randrange(8 * len(content))
    changed = bytearray(content)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def written(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(change(file.read_bytes()))


def rotted(file: Path) -> None:
    """As a disk does it: the file's times tell nothing."""
    times = file.stat()
    file.write_bytes(flipped(file.read_bytes(), 7))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def swapped(file: Path) -> None:
    """With the file of that name in another stage, or with another set's golds."""
    others = [
        each
        for each in files_of(file.parents[2 if file.parent.name != "golds" else 1])
        if each != file and (each.name == file.name or file.parent == each.parent)
        if each.read_bytes() != file.read_bytes()
    ]
    content = file.read_bytes()
    file.write_bytes(others[0].read_bytes())
    others[0].write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {
    **{f"bit {seed}": written(lambda content, seed=seed: flipped(content, seed)) for seed in range(2)},
    "rotted": rotted,
    "half": written(lambda content: content[: len(content) // 2]),
    "longer": written(lambda content: content + b"\n"),
    "emptied": written(lambda _: b""),
    "removed": Path.unlink,
    "swapped": swapped,
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damaged_file_is_used_in_silence(stored, tmp_path, damage: str) -> None:
    """Every file of the store in turn; what is found is named and set aside, with all that was in it."""
    plan, root = stored
    for number, place in enumerate(file.relative_to(root) for file in files_of(root)):
        copy = tmp_path / str(number)
        shutil.copytree(root, copy, copy_function=shutil.copy2)
        DAMAGES[damage](copy / place)
        store, notes = Store(copy), Notes()
        if place.name == MODULE_FILE and not (copy / place).is_file():
            # Weights that went are trained again where they are needed: scores only.
            assert sum(not plan_entry.has_module for plan_entry in modules(store)) == 1
            continue
        if place.name == MODULE_FILE and damage == "rotted":
            # Weights are read through where something builds on them.
            entry = next(each for each in modules(store) if each.folder.name == place.parent.name)
            with pytest.raises(DamagedStage, match=MODULE_FILE):
                entry.checked(weights=True)
            continue
        set_aside_damaged(plan, store, notes.note)
        assert notes.lines, place
        assert all("is damaged (" in line and "set aside as set-aside/" in line for line in notes.lines)
        name = place.name if place.parts[0] == "golds" else place.parts[1]
        assert any(name in line for line in notes.lines), (place, notes.lines)
        statuses = plan.statuses(store).values()
        again = [status for status in statuses if status is Status.TO_DO]
        assert 1 <= len(again) <= len(plan.nodes)
        assert left_out_lines(store) == []
        assert listed(copy / "set-aside")


def modules(store: Store) -> list[Any]:
    return [entry for entry in store.entries().values() if entry.kind != "evaluate"]


AGAIN = (
    "train/bert.topic.*/module.safetensors",
    "train/bert.nli.lora-r4.sequential*/head.safetensors",
    "train/bert.nli.lora-r4-*/steps.jsonl",
    "train/bert.nli.lora-r4.fuse*/result.json",
    "merge/*/module.json",
    "evaluate/*.fuse*/mixing.json",
    "evaluate/*.sequential*.xb*/scores.json",
    "evaluate/*.linear*/stage.json",
    "evaluate/*.sequential*.xa*/complete",
    "golds/nli.xa*",
)


def test_damaged_stages_are_done_again_to_the_same_result(world, stages, stored, tmp_path) -> None:
    plan, root = stored
    store = tmp_path / "store"
    shutil.copytree(root, store, copy_function=shutil.copy2)
    damages = [written(lambda content, seed=seed: flipped(content, seed)) for seed in range(len(AGAIN))]
    for pattern, damage in zip(AGAIN, damages, strict=True):
        (file,) = store.glob(pattern)
        damage(file)
    _, shop = tiny.workshop(world, store, stages)
    notes = Notes()
    # The plan says so before anything is set aside: its glance sees what changed since the stages were finished.
    before = plan.statuses(shop.store)
    assert sum(status is Status.TO_DO for status in before.values()) >= 8
    assert run(plan, shop, notes).complete
    told = [line for line in notes.lines if "is damaged" in line]
    # One evaluation was hit twice: in its own file and in the golds.
    assert len(told) == len(AGAIN) - 1
    assert all(status is Status.STORED for status in plan.statuses(Store(store)).values())
    ours, theirs = Store(store), Store(root)
    for node in plan.nodes:
        mine, other = ours.find(node.fingerprint), theirs.find(node.fingerprint)
        names = ("scores.json",) if node.kind == "evaluate" else ("module.safetensors", "head.safetensors")
        for name in names[: 1 if node.kind == "evaluate" else 2]:
            if node.kind == "evaluate":
                assert mine.scores.predictions == other.scores.predictions
                assert mine.golds_file.read_bytes() == other.golds_file.read_bytes()
            else:
                assert mine.file(name).read_bytes() == other.file(name).read_bytes()
    assert run(plan, shop, notes).finished == [], "and then everything is there"
    # What was set aside stays until it is pruned.
    aside = listed(store / "set-aside")
    assert len(aside) == len(AGAIN)
    assert set(aside) <= set(leftovers(Store(store), [plan], []))
    for path in aside:
        remove(path)


def test_weights_that_are_read_are_compared(world, stages, stored, tmp_path) -> None:
    """Though the file's times and size are as they were, and no plan looks at all weights."""
    plan, root = stored
    shutil.copytree(root, tmp_path / "store", copy_function=shutil.copy2)
    _, shop = tiny.workshop(world, tmp_path / "store", stages)
    entry = shop.store.find(plan.fingerprint_of(stages[0].model))
    rotted(entry.folder / MODULE_FILE)
    assert set(plan.statuses(shop.store).values()) == {Status.STORED}
    with pytest.raises(DamagedStage, match=r"module\.safetensors does not have the SHA-256.*`adaptx run`"):
        finished_model(stages[0].model, shop, "fp32")
    # Where something that is to do reads them, a run finds it before the first stage.
    shop.store.remove(shop.store.find(plan.fingerprint_of(stages[1])))
    notes = Notes()
    assert run(plan, shop, notes).complete
    assert "module.safetensors does not have the SHA-256" in notes.lines[0]


def test_scores_only_is_no_damage(world, tmp_path) -> None:
    stages = tiny.everywhere(tiny.train(world.bert, tiny.NLI, Full()))
    plan, shop, _ = tiny.execute(world, tmp_path, stages)
    store, notes = Store(tmp_path), Notes()
    set_aside_damaged(plan, store, notes.note)
    assert notes.lines == []
    assert Status.SCORES_ONLY in plan.statuses(store).values()
    check_stored(plan, store, keep=True)
    assert store.left_out == {}
    # Its record is checked all the same.
    entry = store.find(plan.fingerprint_of(stages[0].model))
    rotted(entry.folder / "result.json")
    assert run(plan, shop, notes).complete
    assert any("result.json does not have the SHA-256" in line for line in notes.lines)
    assert not Store(tmp_path).find(entry.fingerprint).has_module, "trained again, and its weights went again"


def test_one_stage_that_cannot_be_read_does_not_close_the_store(stored, tmp_path) -> None:
    _, root = stored
    copy = tmp_path / "store"
    shutil.copytree(root, copy, copy_function=shutil.copy2)
    sound = len(Store(copy).entries())
    for name, content in {"notes-1": b"{", "notes-2": b"\xff\xfe", "notes-3": b"[]", "notes-4": b"{}"}.items():
        (copy / "train" / name).mkdir()
        (copy / "train" / name / "stage.json").write_bytes(content)
        (copy / "train" / name / "complete").touch()
    (copy / "train" / "mine").mkdir()
    (copy / "evaluate" / "a-file").touch()
    (copy / "merge" / "loop").symlink_to("loop")
    renamed = next((copy / "evaluate").iterdir())
    renamed.rename(renamed.with_name("renamed-00000000"))
    store = Store(copy)
    assert len(store.entries()) == sound - 1
    lines = left_out_lines(store, most=9)
    assert len(lines) == 5
    for name in ("notes-1", "notes-2", "notes-3", "notes-4", "renamed-00000000"):
        assert any(name in line and "is damaged (" in line and "adaptx run" in line for line in lines)
    assert len(left_out_lines(store, most=2)) == 3, "many stages do not fill the screen"
    with pytest.raises(UserError, match="notes-1 is damaged"):
        store.named("notes-1")

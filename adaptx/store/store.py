"""The store: a folder of finished stages, found by fingerprint and readable by a person.

    train/<name>-<fingerprint8>/      stage.json, module and head, steps.jsonl, result.json, complete
    merge/<name>-<fingerprint8>/      stage.json, module and head, result.json, complete
    evaluate/<name>-<fingerprint8>/   stage.json, scores.json, complete
    golds/<task>.<language>-<digest8>.json   the gold answers of an evaluation set
    rows/<digest16>.npy               64 bits per row that a training reads or an evaluation scores
    working/<fingerprint16>/          the saved state of an unfinished training
    working/<fingerprint16>.lock      locked by the process that carries out the stage
    runs/                             the active runs of the store, and which weights they need (see live_runs.py)
    set-aside/                        damaged stages and files, kept until `adaptx prune`

A stage is built in a temporary folder, sealed (see integrity.py) and renamed into place, so a half-written stage never
appears. A stage that was changed after it was written counts as damaged and is left out.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

from adaptx.errors import UserError
from adaptx.store.entry import Entry
from adaptx.store.integrity import COMPLETE, MODULE_FILE, DamagedStage, Seals, seal
from adaptx.store.records import STAGE_FILE, StageRecord
from adaptx.store.writing import new_folder, share, written_whole

BUILDING = ".building-"
SET_ASIDE = "set-aside"
KINDS = ("train", "merge", "evaluate")
MOST_NAME_BYTES = 200


class Store:
    """The finished stages under one root folder, which is created when the first stage is written.

    left_out: the damage of each damaged stage, by folder. These stages count as not stored.

    Raises:
        UserError: `root` is a file.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().resolve()
        if self.root.is_file():
            raise UserError(f"--store {root}: it is a file; name a folder for finished stages")
        self.left_out: dict[Path, DamagedStage] = {}
        self._entries: dict[str, Entry] | None = None
        self._glanced: set[Path] = set()
        self._seals = Seals()

    def entries(self) -> dict[str, Entry]:
        """Return every finished stage, by fingerprint."""
        if self._entries is None:
            self._entries = {}
            self.look_again()
        return self._entries

    def look_again(self) -> None:
        """Find stages that other processes have finished since the last look."""
        known = {entry.folder for entry in self.entries().values()}
        for kind in KINDS:
            for folder in listed(self.root / kind):
                # A folder with a leading dot is being built. A folder that was left out may have been done again.
                if folder not in known and not folder.name.startswith(".") and _may_be_stage(folder):
                    self._remember(folder, kind)

    def find(self, fingerprint: str) -> Entry | None:
        """Return the stage with that fingerprint; None if it is not stored, or if `Seals.glance` finds it damaged."""
        entry = self.entries().get(fingerprint)
        if entry is None or entry.folder in self._glanced:
            return entry
        try:
            self._seals.glance(entry.folder)
        except DamagedStage as damage:
            self.leave_out(entry, damage)
            return None
        self._glanced.add(entry.folder)
        return entry

    def find_nominal(self, nominal: str) -> Entry | None:
        """Return the newest stage with that nominal fingerprint, or None.

        There may be several, because data can change under the same name.
        """
        named = [entry.fingerprint for entry in self.entries().values() if entry.nominal == nominal]
        found = [entry for fingerprint in named if (entry := self.find(fingerprint)) is not None]
        return max(found, key=lambda entry: (entry.folder / COMPLETE).stat().st_mtime, default=None)

    def named(self, name: str, *kinds: str) -> Entry:
        """Return the stage whose folder is called `name`, or whose fingerprint begins with `name`.

        kinds: `train`, `merge` or `evaluate`. If kinds are given, only stages of these kinds are searched.

        Raises:
            UserError: no stage matches, or several do.
            DamagedStage: the stage is damaged.
        """
        stem = Path(name).name
        pool = [entry for entry in self.entries().values() if not kinds or entry.kind in kinds]
        found = [e for e in pool if e.folder.name == stem] or [e for e in pool if e.fingerprint.startswith(stem)]
        if len(found) == 1 and (entry := self.find(found[0].fingerprint)) is not None:
            return entry
        for folder, damage in self.left_out.items():
            if folder.name == stem or (len(stem) >= 8 and folder.name.endswith(f"-{stem[:8]}")):
                raise damage
        names = ", ".join(sorted(entry.folder.name for entry in found or pool)[:12]) or "nothing"
        why = f"{len(found)} stages match" if found else "no stage has that name or fingerprint"
        raise UserError(f"stage {name!r}: {why} in {self.root}; it has: {names}")

    def leave_out(self, entry: Entry, damage: DamagedStage) -> None:
        """Mark a stage as damaged, so that it counts as not stored."""
        self.entries().pop(entry.fingerprint, None)
        if entry.folder.is_dir():
            self.left_out[entry.folder] = damage

    def set_aside(self, path: Path) -> Path:
        """Move a damaged folder or file to the store's `set-aside/`, which nothing reads, and return its new path."""
        name = ".".join(path.relative_to(self.root).parts)
        taken = {each.name for each in listed(self.root / SET_ASIDE)}
        free = next(each for n in range(1, len(taken) + 2) if (each := name if n == 1 else f"{name}.{n}") not in taken)
        (self.root / SET_ASIDE).mkdir(parents=True, exist_ok=True)
        os.rename(path, self.root / SET_ASIDE / free)
        self.left_out.pop(path, None)
        return self.root / SET_ASIDE / free

    def damaged(self) -> frozenset[tuple[str, str]]:
        """Return the kind and the short fingerprint of each damaged stage, such as `("train", "3fa9c1d2")`."""
        aside = [each.name.partition(".") for each in listed(self.root / SET_ASIDE)]
        names = [(folder.parent.name, folder.name) for folder in self.left_out]
        names += [(kind, name) for kind, _, name in aside if kind in KINDS]
        return frozenset((kind, name.rpartition("-")[2][:8]) for kind, name in names)

    @contextlib.contextmanager
    def building(self, record: StageRecord, golds: str | None = None) -> Generator[Path]:
        """Yield a temporary folder that becomes the finished stage when the block ends without an error.

        golds: name of the file, in `golds/`, with the gold answers that an evaluation was scored against.

        Raises:
            OSError: a file could not be written; the error names it.
        """
        final = self.root / record.kind / folder_name(record.name, record.fingerprint)
        folder = new_folder(final.parent, BUILDING)
        try:
            yield folder
            share(folder)
            seal(folder, record, [self.root / "golds" / golds] if golds is not None else [])
            self._move_into_place(folder, final)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError) and error.filename is None and error.errno is not None:
                error.filename = str(final)
            raise
        self._remember(final, record.kind)

    def working(self, fingerprint: str) -> Path:
        """Return the folder for the saved state of a running stage, and make it if needed."""
        folder = self.root / "working" / fingerprint[:16]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def lock(self, fingerprint: str) -> Path:
        """Return the file that a process locks while it carries out the stage."""
        return self.root / "working" / f"{fingerprint[:16]}.lock"

    def finish_working(self, fingerprint: str) -> None:
        """Remove the saved state and the lock of a stage that is complete."""
        shutil.rmtree(self.root / "working" / fingerprint[:16], ignore_errors=True)
        self.lock(fingerprint).unlink(missing_ok=True)

    def golds_file(self, task: str, language: str, digest: str) -> Path:
        """Return the path of the file for an evaluation set's gold answers, whether or not it exists."""
        return self.root / "golds" / f"{task}.{language}-{digest[:8]}.json"

    def forget_module(self, entry: Entry) -> None:
        """Remove a training's weights and keep its record; its status is then `scores only`."""
        (entry.folder / MODULE_FILE).unlink(missing_ok=True)

    def remove(self, entry: Entry) -> None:
        # The marker goes first, so that an interrupted removal leaves no stage that looks finished.
        (entry.folder / COMPLETE).unlink(missing_ok=True)
        shutil.rmtree(entry.folder)
        self.entries().pop(entry.fingerprint, None)

    def _move_into_place(self, folder: Path, final: Path) -> None:
        # An intact stage at `final` is replaced; a damaged one is set aside.
        replaced = None
        if final.exists() and final not in {entry.folder for entry in self.entries().values()}:
            self.set_aside(final)
        elif final.exists():
            # Rename the old folder before removing it, so that no other process sees it with files missing.
            replaced = new_folder(final.parent, BUILDING)
            os.replace(final, replaced)
        os.replace(folder, final)
        self._glanced.discard(final)
        if replaced is not None:
            shutil.rmtree(replaced, ignore_errors=True)

    def _remember(self, folder: Path, kind: str) -> None:
        was_left_out = self.left_out.pop(folder, None) is not None
        try:
            record = self._seals.record(folder)
            entry = Entry(
                folder=folder, kind=kind, fingerprint=record.fingerprint, nominal=record.nominal, seals=self._seals
            )
            if record.kind != kind or not folder.name.endswith(f"-{entry.fingerprint[:8]}"):
                raise DamagedStage(folder, folder, f"stage.json says it is {record.name}-{entry.fingerprint[:8]}")
            if was_left_out:
                entry.checked(weights=True)
        except DamagedStage as damage:
            if folder.exists():
                self.left_out[folder] = damage
        else:
            self.entries()[entry.fingerprint] = entry


def _may_be_stage(folder: Path) -> bool:
    try:
        return not {STAGE_FILE, COMPLETE}.isdisjoint(os.listdir(folder))
    except NotADirectoryError:
        return False
    except OSError:
        # Treat it as a stage: reading it then reports why it cannot be read.
        return folder.is_dir()


def listed(folder: Path) -> list[Path]:
    """Return the paths in a folder, sorted; an empty list if the folder does not exist."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def folder_name(name: str, fingerprint: str) -> str:
    """Return the name of a stage's folder. Long names are cut, because file systems allow at most 255 bytes."""
    return f"{name.encode()[:MOST_NAME_BYTES].decode(errors='ignore')}-{fingerprint[:8]}"


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a value to a file as JSON, atomically.

    Raises:
        ValueError: the value holds NaN or infinity, which JSON does not have.
    """
    content = json_bytes(value)
    with written_whole(path) as part:
        part.write_bytes(content)


def json_bytes(value: Any) -> bytes:
    """Return a value as JSON, in the layout of the store's files."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()

"""The store: a folder of finished stages, found by fingerprint and readable by a person.

    train/<name>-<fingerprint8>/      stage.json, module and head, steps.jsonl, result.json, complete
    merge/<name>-<fingerprint8>/      stage.json, module and head, result.json, complete
    evaluate/<name>-<fingerprint8>/   stage.json, scores.json, complete
    golds/<task>.<language>-<digest8>.json
    working/<fingerprint16>/          checkpoints of a training that has not finished

A stage is built in a temporary folder, marked complete last, and renamed into place: a half-written one is not there.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptx.errors import UserError

COMPLETE = "complete"
BUILDING = ".building-"
KINDS = ("train", "merge", "evaluate")
STAGE_FILE = "stage.json"
MODULE_FILE = "module.safetensors"
MOST_NAME_BYTES = 200


@dataclass(frozen=True)
class Entry:
    """One finished stage on disk."""

    folder: Path
    kind: str
    fingerprint: str
    nominal: str

    @property
    def has_module(self) -> bool:
        return (self.folder / MODULE_FILE).is_file()

    @property
    def record(self) -> dict[str, Any]:
        """stage.json: name, fingerprints, spec, identity."""
        return read_json(self.folder / STAGE_FILE)

    @property
    def result(self) -> dict[str, Any]:
        """What the stage left as numbers: result.json of a training or merge, scores.json of an evaluation."""
        return read_json(self.folder / ("scores.json" if self.kind == "evaluate" else "result.json"))


class Store:
    """Finished stages under one root folder; created when first written to."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().resolve()
        self._entries: dict[str, Entry] | None = None

    def entries(self) -> dict[str, Entry]:
        """Every finished stage by fingerprint."""
        if self._entries is None:
            self._entries = {}
            self.look_again()
        return self._entries

    def look_again(self) -> None:
        """Take note of stages that other processes have finished since."""
        known = {entry.folder for entry in self.entries().values()}
        for kind in KINDS:
            for marker in sorted((self.root / kind).glob(f"*/{COMPLETE}")):
                # A process may have been killed between the marker and the renaming.
                if marker.parent not in known and not marker.parent.name.startswith(BUILDING):
                    self._remember(marker.parent, kind)

    def find(self, fingerprint: str) -> Entry | None:
        return self.entries().get(fingerprint)

    def find_nominal(self, nominal: str) -> Entry | None:
        """The newest stage of that nominal fingerprint; several are there where data changed under one name."""
        found = [entry for entry in self.entries().values() if entry.nominal == nominal]
        return max(found, key=lambda entry: (entry.folder / COMPLETE).stat().st_mtime, default=None)

    def named(self, name: str, *kinds: str) -> Entry:
        """The stage (of these kinds, if any are named) whose folder is called `name`, or whose fingerprint begins so.

        Raises:
            UserError: none, or several.
        """
        stem = Path(name).name
        pool = [entry for entry in self.entries().values() if not kinds or entry.kind in kinds]
        found = [e for e in pool if e.folder.name == stem] or [e for e in pool if e.fingerprint.startswith(stem)]
        if len(found) == 1:
            return found[0]
        names = ", ".join(sorted(entry.folder.name for entry in found or pool)[:12]) or "nothing"
        why = f"{len(found)} stages match" if found else "no stage has that name or fingerprint"
        raise UserError(f"stage {name!r}: {why} in {self.root}; it has: {names}")

    @contextlib.contextmanager
    def building(self, kind: str, name: str, record: dict[str, Any]) -> Generator[Path]:
        """A temporary folder that becomes the finished stage when the block ends without an error."""
        final = self.root / kind / folder_name(name, record["fingerprint"])
        final.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=final.parent, prefix=BUILDING))
        try:
            yield folder
            write_json(folder / STAGE_FILE, record)
            (folder / COMPLETE).touch()
            if final.exists():
                shutil.rmtree(final)
            os.replace(folder, final)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._remember(final, kind)

    def working(self, fingerprint: str) -> Path:
        """The folder for checkpoints of a running stage."""
        folder = self.root / "working" / fingerprint[:16]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def finish_working(self, fingerprint: str) -> None:
        """Remove the checkpoints of a stage that is complete."""
        folder = self.root / "working" / fingerprint[:16]
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".lock").unlink(missing_ok=True)

    def golds_file(self, task: str, language: str, digest: str) -> Path:
        return self.root / "golds" / f"{task}.{language}-{digest[:8]}.json"

    def forget_module(self, entry: Entry) -> None:
        """Remove a training's weights and keep its record: what `scores only` means."""
        (entry.folder / MODULE_FILE).unlink(missing_ok=True)

    def remove(self, entry: Entry) -> None:
        # The marker goes first, so that a removal cut short leaves no stage that looks finished.
        (entry.folder / COMPLETE).unlink(missing_ok=True)
        shutil.rmtree(entry.folder)
        self.entries().pop(entry.fingerprint, None)

    def _remember(self, folder: Path, kind: str) -> None:
        record = read_json(folder / STAGE_FILE)
        assert self._entries is not None or self.entries() is not None
        assert self._entries is not None
        self._entries[record["fingerprint"]] = Entry(folder, kind, record["fingerprint"], record["nominal"])


def folder_name(name: str, fingerprint: str) -> str:
    """What a stage's folder is called; a name of many parts is cut, as file systems take 255 bytes."""
    return f"{name.encode()[:MOST_NAME_BYTES].decode(errors='ignore')}-{fingerprint[:8]}"


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write whole or not at all.

    Raises:
        ValueError: the value holds NaN or infinity, which JSON does not have.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(name, path)

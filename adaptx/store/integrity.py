"""Store the SHA-256 of each file of a finished stage, and compare it whenever the file is read.

`stage.json` lists the stage's files with their sizes and SHA-256. The file `complete` holds the SHA-256 of
`stage.json`. If any file has changed, the stage is damaged and is not read.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from adaptx.errors import UserError
from adaptx.store.digests import DigestCache
from adaptx.store.record_json import Unreadable, parse_record, to_json
from adaptx.store.records import STAGE_FILE, StageRecord, StoredFile
from adaptx.store.writing import naming

COMPLETE = "complete"
MODULE_FILE = "module.safetensors"
GLANCED_BYTES = 16 * 2**20
"""`Seals.glance` hashes changed files up to this size. Larger files (weights) are hashed when they are read."""


class DamagedStage(UserError):
    """The error that a file of a stored stage is missing, unreadable or changed."""

    def __init__(self, folder: Path, file: Path, cause: str) -> None:
        super().__init__(folder, file, cause)
        self.folder, self.file, self.cause = folder, file, cause

    def __str__(self) -> str:
        return (
            f"{self.folder.parent.name}/{self.folder.name} is damaged ({self.cause}) and counts as not stored; "
            "`adaptx run` with its recipe sets it aside and does it again"
        )


def seal(folder: Path, record: StageRecord, outside: Sequence[Path] = ()) -> None:
    """Write the `stage.json` of a finished stage, with the digests of its files, then the file `complete`.

    outside: files that belong to the stage but lie outside its folder.
    """
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files |= {Path(os.path.relpath(path, folder)).as_posix(): path for path in outside}
    digests = DigestCache()
    listed = {name: StoredFile(path.stat().st_size, digests.of_file(path)) for name, path in files.items()}
    body = to_json(replace(record, files=listed))
    text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False).encode()
    # The marker comes last: a folder without it does not count as a stored stage.
    for name, content in ((STAGE_FILE, text), (COMPLETE, hashlib.sha256(text).hexdigest().encode())):
        with naming(folder / name, "written"):
            (folder / name).write_bytes(content)


class Seals:
    """A check of stored files against their digests. Each file is hashed once, and again only if it changes."""

    def __init__(self) -> None:
        self._digests = DigestCache()
        self._files: dict[Path, tuple[bytes, Mapping[str, StoredFile]]] = {}

    def record(self, folder: Path) -> StageRecord:
        """Return the record in stage.json.

        Raises:
            DamagedStage: stage.json cannot be read, has changed, or is from another version of adaptx.
        """
        file = folder / STAGE_FILE
        try:
            content = file.read_bytes()
            marker = (folder / COMPLETE).read_bytes()
        except OSError as error:
            raise DamagedStage(folder, Path(str(error.filename)), _cannot_be_read(error)) from error
        if not marker:
            raise DamagedStage(folder, folder / COMPLETE, f"its file `{COMPLETE}` is empty")
        if marker != hashlib.sha256(content).hexdigest().encode():
            raise DamagedStage(folder, file, f"{STAGE_FILE} does not have the SHA-256 that is written in `{COMPLETE}`")
        try:
            record = parse_record(StageRecord, content.decode())
        except (Unreadable, UnicodeDecodeError) as error:
            raise foreign(folder, file, error) from error
        self._files[folder] = (marker, record.files)
        return record

    def files(self, folder: Path) -> Mapping[str, StoredFile]:
        """Return the size and SHA-256 of each file that a stage's stage.json lists, by path relative to `folder`."""
        try:
            marker = (folder / COMPLETE).read_bytes()
        except OSError:
            return self.record(folder).files
        # If the marker changed, another process has replaced the stage.
        if folder not in self._files or self._files[folder][0] != marker:
            self.record(folder)
        return self._files[folder][1]

    def checked(self, folder: Path, name: str) -> Path:
        """Return the path of one of the stage's files, after comparing the file with its SHA-256.

        Raises:
            DamagedStage: the file is missing, cannot be read, or has another SHA-256.
        """
        path = Path(os.path.normpath(folder / name))
        listed = self.files(folder).get(name)
        if listed is None:
            raise DamagedStage(folder, path, f"{path.name} is not among its files")
        try:
            digest = self._digests.of_file(path)
        except OSError as error:
            raise DamagedStage(folder, path, _cannot_be_read(error)) from error
        if digest != listed.sha256:
            raise DamagedStage(folder, path, f"{_shown(folder, path)} does not have the SHA-256 it was stored with")
        return path

    def glance(self, folder: Path) -> None:
        """Check a stage quickly, for planning: compare the sizes of its files, and hash only small files newer than
        `complete`.

        Raises:
            DamagedStage: a file is missing, has another size, or has changed since it was stored.
        """
        files = self.files(folder)
        finished = (folder / COMPLETE).stat().st_mtime_ns
        for name, listed in files.items():
            path = Path(os.path.normpath(folder / name))
            try:
                stat = path.stat()
            except FileNotFoundError as error:
                if name == MODULE_FILE:
                    # The plan calls such a stage `scores only`.
                    continue
                raise DamagedStage(folder, path, _cannot_be_read(error)) from error
            except OSError as error:
                raise DamagedStage(folder, path, _cannot_be_read(error)) from error
            if stat.st_size != listed.bytes:
                shown = _shown(folder, path)
                raise DamagedStage(folder, path, f"{shown} has {stat.st_size} bytes and was stored with {listed.bytes}")
            if stat.st_mtime_ns > finished and stat.st_size <= GLANCED_BYTES:
                self.checked(folder, name)


def foreign(folder: Path, file: Path, error: Exception) -> DamagedStage:
    """Return the error for a file that is intact but was not written by this version of adaptx."""
    return DamagedStage(folder, file, f"{file.name} does not hold the expected record: {error}")


def _cannot_be_read(error: OSError) -> str:
    name = Path(str(error.filename)).name if error.filename else "a file"
    return f"{name} is missing" if isinstance(error, FileNotFoundError) else f"{name} cannot be read: {error.strerror}"


def _shown(folder: Path, path: Path) -> str:
    return path.name if path.parent == folder else f"{path.parent.name}/{path.name}"

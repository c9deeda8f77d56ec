"""SHA-256 of files, cached until a file's size, inode or times change."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from adaptx.store.writing import written_whole


class DigestCache:
    """A cache of the SHA-256 of files, keyed by path, size, inode, mtime and ctime.

    file: where the cache is kept, or None to keep it only in memory.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, Any] | None = None

    def of_file(self, path: Path) -> str:
        """Return the SHA-256 of a file. The file is read only if it has changed since it was last hashed."""
        stat = path.stat()
        key, stamp = str(path.resolve()), [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
        known = self._load()
        if key in known and known[key][0] == stamp:
            return known[key][1]
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        known[key] = [stamp, digest]
        self._save()
        return digest

    def _load(self) -> dict[str, Any]:
        # A cache that is damaged or cannot be read is ignored: files are then hashed again.
        if self._known is None:
            self._known = {}
            if self._file is not None:
                with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                    body = json.loads(self._file.read_text(encoding="utf-8"))
                    if body["sha256"] == _digest(body["files"]):
                        self._known = body["files"]
        assert self._known is not None
        return self._known

    def _save(self) -> None:
        # Without a saved cache (in a read-only store), the next process hashes the files again.
        if self._file is not None:
            with contextlib.suppress(OSError), written_whole(self._file) as part:
                body = {"sha256": _digest(self._known), "files": self._known}
                part.write_text(json.dumps(body, allow_nan=False), encoding="utf-8")


def _digest(known: Any) -> str:
    return hashlib.sha256(json.dumps(known, allow_nan=False).encode()).hexdigest()

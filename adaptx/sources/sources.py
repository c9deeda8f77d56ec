"""Find rows and weights in a local mirror, in the packaged sample, or on the hub, and compute their digests.

With a data folder, data sets are read only from `<folder>/<hub id>/<config>/<split>.parquet`. Without a data folder,
they are read from the hub and its cache. The user's own files are read in both cases. Models are looked up in
`<folder>/models/<hub id>/`, then as a folder of the given name, then in the package, then on the hub. Published modules
are looked up in `<folder>/modules/<hub id>/`, then as a folder, then on the hub.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adaptx.errors import MissingInput, UserError
from adaptx.sample import SAMPLE
from adaptx.specs import ModelSpec, Rows
from adaptx.specs.task import LOCAL
from adaptx.store.digests import DigestCache

SAMPLE_NAME = "sample"
Resolve = Callable[[str, str, str | None], str]
"""Function that returns a commit, given the kind (`datasets` or `models`), the hub id, and the revision or None."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MODEL_FILES = re.compile(
    r"(config\.json|.*\.safetensors|.*\.safetensors\.index\.json|pytorch_model.*\.bin|pytorch_model\.bin\.index\.json"
    r"|tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(txt|json)|merges\.txt|.*\.model)$"
)


@dataclass(frozen=True, kw_only=True)
class Location:
    """The place from which something is read: a local path, or the hub at a commit if `path` is None.

    digest: digest of the content, or None while unknown (not cached, no network). nominal: name and revision, such as
    `owner/model@main`. files: the user's own files, if rows are read from them; `path` is then their folder.
    """

    path: Path | None
    digest: str | None
    nominal: str
    commit: str | None = None
    files: tuple[Path, ...] = ()


def is_local(rows: Rows) -> bool:
    """Return whether the rows are in the user's own files, which no mirror holds."""
    return rows.hub_id.startswith(LOCAL)


def local_files(rows: Rows) -> tuple[Path, ...]:
    """Return the user's own files from which the rows are read.

    Raises:
        MissingInput: no such file exists.
    """
    folder = Path(rows.hub_id.removeprefix(LOCAL))
    if (folder / rows.config).is_file():
        return (folder / rows.config,)
    found = {path for pattern in rows.config.split() for path in folder.glob(pattern) if path.is_file()}
    if found:
        return tuple(sorted(found))
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    names = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
    shown = f"the folder holds: {names}" if there else "the folder is empty or does not exist"
    raise MissingInput(
        f"no rows for {rows.language} at {folder / rows.config}; {shown}. Correct the path (a relative path starts in "
        "the current directory), or put the file there"
    )


class Sources:
    """The locations of rows and weights, and the digests of their files.

    data: data folder, `sample`, or None for the hub. cache_file: file in which digests are cached. resolve: function
    that asks the hub for a commit that is not cached; without it, such a commit is unknown.

    Raises:
        MissingInput: the data folder does not exist.
    """

    def __init__(
        self, data: str | Path | None = None, cache_file: Path | None = None, resolve: Resolve | None = None
    ) -> None:
        self.is_sample = data == SAMPLE_NAME
        self.folder = SAMPLE / "data" if self.is_sample else (Path(data).expanduser() if data is not None else None)
        self.models = SAMPLE / "models" if self.is_sample else (self.folder / "models" if self.folder else None)
        self.modules = self.folder / "modules" if self.folder is not None else None
        self.label = str(data) if data is not None else None
        if self.folder is not None and not self.folder.is_dir():
            raise MissingInput(
                f"--data {data}: there is no such folder; give a local mirror of the hub, or `sample` for the rows in "
                "the package"
            )
        self._digests = DigestCache(cache_file)
        self._found: dict[Path, str] = {}
        self._resolve = resolve
        self._mirror = _read_mirror(self.folder)

    def rows(self, rows: Rows) -> Location:
        """Return the location of rows.

        Raises:
            MissingInput: the data folder does not hold the file, or the user's own file does not exist.
        """
        if is_local(rows):
            files = local_files(rows)
            digests = [self.file_digest(file) for file in files]
            digest = digests[0] if len(files) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()
            folder = Path(rows.hub_id.removeprefix(LOCAL))
            return Location(path=folder, digest=f"sha256:{digest}", nominal=rows.address, files=files)
        nominal = f"{rows.address}@{rows.revision or 'main'}"
        if self.folder is None:
            commit = self._commit("datasets", rows.hub_id, rows.revision)
            return Location(
                path=None, digest=f"hub:{rows.address}@{commit}" if commit else None, nominal=nominal, commit=commit
            )
        path = self.folder / f"{rows.address}.parquet"
        if not path.is_file():
            raise MissingInput(self._missing_rows(rows, path))
        digest = self.file_digest(path)
        entry = self._mirror.get(f"{rows.address}.parquet")
        if entry is not None and entry["sha256"] == digest:
            return Location(path=path, digest=f"hub:{rows.address}@{entry['commit']}", nominal=nominal)
        return Location(path=path, digest=f"sha256:{digest}", nominal=nominal)

    def model(self, model: ModelSpec) -> Location:
        """Return the location of a model's checkpoint.

        Raises:
            UserError: the model's folder holds no weights.
        """
        nominal = f"{model.hub_id}@{model.revision or 'main'}"
        folder = self.model_folder(model)
        if folder is None:
            commit = self._commit("models", model.hub_id, model.revision)
            return Location(
                path=None, digest=f"hub:{model.hub_id}@{commit}" if commit else None, nominal=nominal, commit=commit
            )
        files = sorted(path for path in folder.iterdir() if _MODEL_FILES.fullmatch(path.name))
        if not any(path.suffix in (".safetensors", ".bin") for path in files):
            raise UserError(unread_weights(folder))
        digests = {path.name: self.file_digest(path) for path in files}
        entries = {name: self._mirror.get(f"models/{model.hub_id}/{name}") for name in digests}
        commits = {entry["commit"] for entry in entries.values() if entry is not None}
        if len(commits) == 1 and all(e is not None and e["sha256"] == digests[n] for n, e in entries.items()):
            return Location(path=folder, digest=f"hub:{model.hub_id}@{commits.pop()}", nominal=nominal)
        joined = hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
        return Location(path=folder, digest=f"sha256:{joined}", nominal=nominal)

    def file_digest(self, path: Path) -> str:
        """Return the SHA-256 of a file, cached.

        Raises:
            UserError: the file has changed since it was first hashed, so the plan describes its old content.
        """
        digest = self._digests.of_file(path)
        if self._found.setdefault(path, digest) != digest:
            raise UserError(
                f"{path} changed while adaptx was running, so the plan no longer describes its content; "
                "run the same command again"
            )
        return digest

    def model_folder(self, model: ModelSpec) -> Path | None:
        """Return the model's local folder, or None if it is read from the hub."""
        places = [Path(model.hub_id).expanduser(), SAMPLE / "models" / model.hub_id]
        if self.models is not None:
            places.insert(0, self.models / model.hub_id)
        return next((place for place in places if place.is_dir() and (place / "config.json").is_file()), None)

    def _commit(self, kind: str, hub_id: str, revision: str | None) -> str | None:
        if revision is not None and _COMMIT.fullmatch(revision):
            return revision
        cache = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub")
        reference = cache.expanduser() / f"{kind}--{hub_id.replace('/', '--')}" / "refs" / (revision or "main")
        with contextlib.suppress(OSError):
            return reference.read_text().strip()
        return self._resolve(kind, hub_id, revision) if self._resolve is not None else None

    def _missing_rows(self, rows: Rows, path: Path) -> str:
        assert self.folder is not None
        there = sorted(str(found.relative_to(self.folder)) for found in (self.folder / rows.hub_id).rglob("*.parquet"))
        if there:
            shown = f"{rows.hub_id} has only: {', '.join(there[:8])}{', ...' if len(there) > 8 else ''}"
        else:
            shown = f"the data folder holds nothing of {rows.hub_id}"
        remedy = (
            "The packaged sample holds few data sets: drop `--data sample` to use the hub, or name a mirror: --data DIR"
            if self.is_sample
            else "Fetch it on a machine with a network (`adaptx fetch RECIPE --to DIR`), or drop --data to use the hub"
        )
        return f"no rows for {rows.language} at {path}; {shown}. {remedy}"


def unread_weights(folder: Path) -> str:
    """Return the error message for a folder that holds no weights in a format that adaptx reads."""
    names = ", ".join(sorted(path.name for path in folder.iterdir())[:12])
    return (
        f"{folder} holds no weights that adaptx reads (model.safetensors, or pytorch_model.bin); it has: {names}. "
        "Convert it: python -c \"from transformers import AutoModel; AutoModel.from_pretrained('SOURCE', from_tf=True)"
        f".save_pretrained('{folder}')\""
    )


def _read_mirror(folder: Path | None) -> dict[str, dict[str, str]]:
    """Return the commit and SHA-256 of each file that a fetched mirror's `mirror.json` lists, by relative path."""
    file = folder / "mirror.json" if folder is not None else None
    if file is None or not file.is_file():
        return {}
    return json.loads(file.read_text())["files"]

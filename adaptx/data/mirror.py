"""Write the local mirror a recipe needs, for machines with no network: rows as parquet, models as folders.

`mirror.json` keeps the hub's commit and the SHA-256 of each file; while they agree, a run on the mirror shares the
stages of a run on the hub.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from adaptx.data.hub import load_split, resolve_commit
from adaptx.errors import MissingInput
from adaptx.sources import Sources, is_local
from adaptx.specs import ModelSpec, Rows
from adaptx.store import read_json, write_json

MODEL_PATTERNS = ("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*", "special_tokens_map.json",
                  "vocab.*", "merges.txt", "*.model")  # fmt: skip
PICKLED_PATTERNS = ("pytorch_model*.bin", "pytorch_model.bin.index.json")


def fetch(items: Iterable[Rows | ModelSpec], folder: Path, note: Callable[[str], None]) -> list[str]:
    """Fetch what is not there yet; returns the paths written, relative to `folder`.

    Checkpoints that are a folder already (the user's own, or the packaged one) and the user's own files are left out.

    Raises:
        MissingInput: the hub does not answer, or does not have it.
    """
    manifest = folder / "mirror.json"
    files: dict[str, Any] = read_json(manifest)["files"] if manifest.is_file() else {}
    written: list[str] = []
    for item in dict.fromkeys(items):
        if isinstance(item, Rows) and is_local(item):
            continue
        before = f"{item.address}.parquet" if isinstance(item, Rows) else f"models/{item.hub_id}/config.json"
        if before in files and (folder / before).is_file():
            continue
        if isinstance(item, ModelSpec) and Sources().model_folder(item) is not None:
            continue
        kind = "datasets" if isinstance(item, Rows) else "models"
        commit = resolve_commit(kind, item.hub_id, item.revision)
        note(f"fetching {item.address if isinstance(item, Rows) else item.hub_id} at {commit[:8]}")
        paths = _rows(item, commit, folder) if isinstance(item, Rows) else _model(item, commit, folder)
        for path in paths:
            name = path.relative_to(folder).as_posix()
            with path.open("rb") as stream:
                files[name] = {"commit": commit, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
            written.append(name)
        # After each item, so that what was fetched before a fault is known the next time.
        write_json(manifest, {"files": files})
    return written


def _rows(rows: Rows, commit: str, folder: Path) -> list[Path]:
    target = folder / f"{rows.address}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        loaded = load_split(rows, commit)
    except Exception as error:
        raise MissingInput(f"{rows.address} cannot be fetched ({type(error).__name__}: {error})") from error
    part = target.with_suffix(".part")
    loaded.to_parquet(str(part))
    part.rename(target)
    return [target]


def _model(model: ModelSpec, commit: str, folder: Path) -> list[Path]:
    from huggingface_hub import HfApi, snapshot_download

    names = HfApi().list_repo_files(model.hub_id, revision=commit)
    pickled = not any(name.endswith(".safetensors") for name in names)
    patterns = [*MODEL_PATTERNS, *(PICKLED_PATTERNS if pickled else ())]
    target = folder / "models" / model.hub_id
    snapshot_download(model.hub_id, revision=commit, allow_patterns=patterns, local_dir=target)
    shutil.rmtree(target / ".cache", ignore_errors=True)
    return sorted(path for path in target.iterdir() if path.is_file())

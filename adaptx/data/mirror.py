"""Write the local mirror that a recipe needs on machines without a network.

Rows are written as parquet files, models and published modules as folders. For each file, `mirror.json` holds the hub's
commit and the file's SHA-256. While a file still has this SHA-256, runs on the mirror share stages with runs on the
hub.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from adaptx.data.hub import load_split, resolve_commit
from adaptx.errors import MissingInput
from adaptx.sources.checkpoint_files import HUB_PATTERNS, HUB_PICKLES
from adaptx.sources.modules import CONFIG_FILE as MODULE_CONFIG
from adaptx.sources.modules import WEIGHTS_FILES
from adaptx.sources.sources import Sources, is_local
from adaptx.specs import ModelSpec, Published, Rows
from adaptx.store.store import read_json, write_json

Item = Rows | ModelSpec | Published


def fetch(items: Iterable[Item], folder: Path, note: Callable[[str], None]) -> list[str]:
    """Fetch the items that the mirror does not have. Return the paths of the written files, relative to `folder`.

    Items that this machine has without the hub (the user's own, or packaged with adaptx) are skipped. note: a function
    that is called with a line of text before each item is fetched.

    Raises:
        MissingInput: the hub does not answer, or does not have an item.
    """
    manifest = folder / "mirror.json"
    files: dict[str, Any] = read_json(manifest)["files"] if manifest.is_file() else {}
    written: list[str] = []
    for item in dict.fromkeys(items):
        before = _known_file(item)
        if _needs_no_hub(item) or (before in files and (folder / before).is_file()):
            continue
        kind, hub_id = "datasets" if isinstance(item, Rows) else "models", _hub_id(item)
        commit = resolve_commit(kind, hub_id, item.revision)
        note(f"fetching {item.address if isinstance(item, Rows) else hub_id} at {commit[:8]}")
        for path in _write(item, commit, folder):
            name = path.relative_to(folder).as_posix()
            with path.open("rb") as stream:
                files[name] = {"commit": commit, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
            written.append(name)
        # Write the manifest after each item: if a later item fails, the next call does not fetch this one again.
        write_json(manifest, {"files": files})
    return written


def _needs_no_hub(item: Item) -> bool:
    match item:
        case Rows():
            return is_local(item)
        case ModelSpec():
            return Sources().model_folder(item) is not None
        case Published():
            return not item.is_on_hub


def _known_file(item: Item) -> str:
    """Return the path, in the mirror, of a file that exists once the item has been fetched."""
    match item:
        case Rows():
            return f"{item.address}.parquet"
        case ModelSpec():
            return f"models/{item.hub_id}/config.json"
        case Published():
            return f"modules/{item.source}/{MODULE_CONFIG}"


def _hub_id(item: Item) -> str:
    return item.source if isinstance(item, Published) else item.hub_id


def _write(item: Item, commit: str, folder: Path) -> list[Path]:
    match item:
        case Rows():
            return _fetch_rows(item, commit, folder)
        case ModelSpec():
            return _fetch_model(item, commit, folder)
        case Published():
            return _fetch_module(item, commit, folder)


def _fetch_rows(rows: Rows, commit: str, folder: Path) -> list[Path]:
    target = folder / f"{rows.address}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        loaded = load_split(rows, commit)
    except Exception as error:
        raise MissingInput(
            f"{rows.address} cannot be fetched ({type(error).__name__}: {error}); check the name of the config and the "
            "split, and the network"
        ) from error
    part = target.with_suffix(".part")
    loaded.to_parquet(str(part))
    part.rename(target)
    return [target]


def _fetch_model(model: ModelSpec, commit: str, folder: Path) -> list[Path]:
    """Fetch a checkpoint's files. Pickled weights are fetched only if the repository has no safetensors."""
    from huggingface_hub import HfApi, snapshot_download

    names = HfApi().list_repo_files(model.hub_id, revision=commit)
    pickled = not any(name.startswith("model") and name.endswith(".safetensors") for name in names)
    patterns = [*HUB_PATTERNS, *(HUB_PICKLES if pickled else ())]
    target = folder / "models" / model.hub_id
    snapshot_download(model.hub_id, revision=commit, allow_patterns=patterns, local_dir=target)
    shutil.rmtree(target / ".cache", ignore_errors=True)
    return sorted(path for path in target.iterdir() if path.is_file())


def _fetch_module(module: Published, commit: str, folder: Path) -> list[Path]:
    from huggingface_hub import HfApi, snapshot_download

    names = HfApi().list_repo_files(module.source, revision=commit)
    weights = next((name for name in WEIGHTS_FILES if name in names), None)
    if weights is None or MODULE_CONFIG not in names:
        raise MissingInput(
            f"{module.source} at {commit[:8]} holds no module that peft or adapters wrote: it needs {MODULE_CONFIG} "
            f"and one of {', '.join(WEIGHTS_FILES)}; it has: {', '.join(sorted(names)[:8])}. Name another repository"
        )
    target = folder / "modules" / module.source
    snapshot_download(module.source, revision=commit, allow_patterns=[MODULE_CONFIG, weights], local_dir=target)
    shutil.rmtree(target / ".cache", ignore_errors=True)
    return [target / MODULE_CONFIG, target / weights]

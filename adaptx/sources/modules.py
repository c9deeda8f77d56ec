"""The location of a published module's files, and their digest."""

import hashlib
from pathlib import Path

from adaptx.errors import MissingInput, UserError
from adaptx.sources.sources import Sources
from adaptx.specs import Published

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILES = ("adapter_model.safetensors", "adapter_model.bin", "adapter.safetensors", "pytorch_adapter.bin")
"""Names of the weight files that peft and adapters write. The first that exists is read."""


def find_folder(module: Published, sources: Sources) -> Path:
    """Return the folder of a published module. If the module is on the hub and not cached yet, it is downloaded.

    Raises:
        MissingInput: the module does not exist or cannot be downloaded.
        UserError: the source is both a hub id and the name of a folder.
    """
    source = module.source
    if not module.is_on_hub:
        if not Path(source).is_dir():
            raise MissingInput(
                f"published module {source}: there is no such folder, and it is not a hub id (owner/name); "
                "correct the name"
            )
        return Path(source)
    if sources.modules is not None and (sources.modules / source / CONFIG_FILE).is_file():
        return sources.modules / source
    if Path(source).is_dir():
        raise UserError(
            f"published module {source}: this is a hub id, but there is also a folder of that name. For the folder, "
            f"write ./{source}; for the module on the hub, run adaptx in another directory"
        )
    from huggingface_hub import snapshot_download

    patterns = [CONFIG_FILE, *WEIGHTS_FILES]
    try:
        cached = snapshot_download(source, revision=module.revision, allow_patterns=patterns, local_files_only=True)
        return Path(cached)
    except (OSError, ValueError):
        pass
    try:
        return Path(snapshot_download(source, revision=module.revision, allow_patterns=patterns))
    except Exception as error:
        raise MissingInput(
            f"published module {source} is not a folder, and cannot be read from the hub ({type(error).__name__}). "
            "Check the name and the network, name a folder that holds it, or mirror it on a machine with a network "
            "(`adaptx fetch RECIPE --to DIR`) and name the mirror with --data DIR"
        ) from error


def weights_file(folder: Path) -> Path:
    """Return the file of a module's weights.

    Raises:
        MissingInput: the folder holds no module of peft or adapters.
    """
    found = next((folder / name for name in WEIGHTS_FILES if (folder / name).is_file()), None)
    if found is None or not (folder / CONFIG_FILE).is_file():
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
        raise MissingInput(
            f"{folder} holds no module of peft or adapters: a module's folder has {CONFIG_FILE} and one of "
            f"{', '.join(WEIGHTS_FILES)}, but this folder has: {there}"
        )
    return found


def module_digest(module: Published, sources: Sources) -> str:
    """Return the digest of a module's config and weights. It does not depend on the location of these files.

    Raises:
        MissingInput: the files do not exist.
    """
    folder = find_folder(module, sources)
    digests = [sources.file_digest(file) for file in (folder / CONFIG_FILE, weights_file(folder))]
    return f"sha256:{hashlib.sha256(' '.join(digests).encode()).hexdigest()}"

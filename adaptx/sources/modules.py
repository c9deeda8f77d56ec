"""Where a published module's files lie, their digest, and whether its base is the recipe's."""

import contextlib
import hashlib
from collections.abc import Generator
from contextvars import ContextVar
from pathlib import Path

from adaptx.errors import MissingInput, UserError
from adaptx.sources.sources import Sources
from adaptx.specs import ModelSpec, Published

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILES = ("adapter_model.safetensors", "adapter_model.bin", "adapter.safetensors", "pytorch_adapter.bin")
"""Of peft and adapters, the first one there is read."""
_MIRROR: ContextVar[Path | None] = ContextVar("mirror", default=None)
_OWNERS = ("google-bert", "FacebookAI")
"""Who owns the checkpoints that the hub once had under a name without owner, which older modules still give."""


@contextlib.contextmanager
def modules_in(mirror: Path | None) -> Generator[None]:
    """While entered, `published` finds modules of the hub in that folder, where they are in it.

    A recipe names its modules before anything else knows of --data.
    """
    token = _MIRROR.set(mirror)
    try:
        yield
    finally:
        _MIRROR.reset(token)


def named_folder(source: str, revision: str | None) -> Path:
    """The folder of a module that a recipe names.

    Raises:
        MissingInput: it is not there.
    """
    return find_folder(source, revision, _MIRROR.get())


def is_hub_id(source: str) -> bool:
    return source.count("/") == 1 and not source.startswith((".", "/", "~"))


def find_folder(source: str, revision: str | None, mirror: Path | None) -> Path:
    """The folder of a module: in a mirror's folder of modules, as named, or the hub's copy.

    What is of the hub and not cached is fetched (some megabytes).

    Raises:
        MissingInput: it is not there.
    """
    if mirror is not None and is_hub_id(source) and (mirror / source / CONFIG_FILE).is_file():
        return mirror / source
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if not is_hub_id(source):
        raise MissingInput(f"published module {source}: there is no such folder, and it is no hub id (owner/name)")
    from huggingface_hub import snapshot_download

    patterns = [CONFIG_FILE, *WEIGHTS_FILES]
    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=patterns, local_files_only=True))
    except (OSError, ValueError):
        pass
    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=patterns))
    except Exception as error:
        raise MissingInput(
            f"published module {source} is neither a folder nor at hand from the hub ({type(error).__name__}). Remedy: "
            "check the name and the network, give a folder that holds it, or mirror it where there is a network "
            "(`adaptx fetch RECIPE --to DIR`) and name the mirror with --data DIR"
        ) from error


def weights_file(folder: Path) -> Path:
    """Raises:
    MissingInput: the folder holds no module of peft or adapters.
    """
    found = next((folder / name for name in WEIGHTS_FILES if (folder / name).is_file()), None)
    if found is None or not (folder / CONFIG_FILE).is_file():
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
        raise MissingInput(
            f"{folder} holds no module that peft or adapters wrote: it needs {CONFIG_FILE} and one of "
            f"{', '.join(WEIGHTS_FILES)}; it has: {there}"
        )
    return found


def module_digest(module: Published, sources: Sources) -> str:
    """Digest of the module's two files, wherever they lie.

    Raises:
        MissingInput: they are not there.
    """
    folder = find_folder(module.source, module.revision, sources.modules)
    digests = [sources.file_digest(file) for file in (folder / CONFIG_FILE, weights_file(folder))]
    return f"sha256:{hashlib.sha256(' '.join(digests).encode()).hexdigest()}"


def base_refusal(module: Published, sources: Sources) -> str | None:
    """Why the module's base is not known to be its model, both named; or None."""
    named, ours = module.base, module.model.hub_id
    if module.same_base or _same_name(named, ours):
        return None
    theirs = _digest(named, sources)
    digest = sources.model(module.model).digest
    if theirs is not None and theirs == digest:
        return None
    shown = f"{named!r}{f' (digest {theirs})' if theirs else ''}" if named else "no base that its config names"
    return (
        f"published module {module.source} was trained over {shown}, and here it is to work on {ours!r}"
        f"{f' (digest {digest})' if theirs else ''}; use its own base, or, if they are the same weights, say so with "
        "published(..., same_base=True)"
    )


def _same_name(named: str, ours: str) -> bool:
    return named == ours or ("/" not in named and ours in {f"{owner}/{named}" for owner in _OWNERS})


def _digest(named: str, sources: Sources) -> str | None:
    """The digest of a checkpoint that a module names, where it is at hand."""
    if not named:
        return None
    try:
        return sources.model(ModelSpec(named)).digest
    except (UserError, OSError):
        return None

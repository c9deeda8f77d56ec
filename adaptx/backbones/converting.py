"""Conversion of pickled weights to safetensors.

Converted copies are kept in a cache, in folders whose names depend on the files' content. Pickles are read by
`torch.load(weights_only=True)`, which does not run code from the file.
"""

import hashlib
import json
import logging
import os
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from adaptx.errors import UserError
from adaptx.sources.checkpoint_files import WHOLE, weight_files
from adaptx.sources.sources import Sources
from adaptx.store.writing import new_folder, share

CACHE = Path("~/.cache/adaptx/converted").expanduser()
BESIDE = (".json", ".txt", ".model")
"""Extensions of the files that are copied next to the weights: configuration and tokenizer."""
_log = logging.getLogger(__name__)


def readable(folder: Path, sources: Sources) -> Path:
    """Return the folder itself if it has safetensors, else the folder of a converted copy.

    Raises:
        UserError: the folder has no weights, or they cannot be read.
    """
    files = weight_files(folder)
    if files[0].suffix == ".safetensors":
        return folder
    beside = sorted(path for path in folder.iterdir() if path.is_file() and _is_beside(path))
    # The key is the files' content: equal files in another folder share the copy, and changed files get a new one.
    digests = {path.name: sources.file_digest(path) for path in (*files, *beside)}
    key = hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
    target = CACHE / f"{folder.name}-{key[:32]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    # Several processes may want the same model at the same time.
    with FileLock(CACHE / f"{target.name}.lock"):
        if not target.is_dir():
            _convert(files, beside, target)
            _log.warning("%s holds pickled weights; a copy as safetensors was written to %s", folder, target)
    return target


def read_pickle(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file that `torch.save` wrote.

    Raises:
        UserError: the file is damaged, holds no mapping of names to tensors, or holds objects that cannot be read
            without running code.
    """
    try:
        try:
            found: Any = torch.load(file, weights_only=True, mmap=True, map_location="cpu")
        except RuntimeError:
            # Files that torch wrote before 1.6 cannot be mapped into memory.
            found = torch.load(file, weights_only=True, map_location="cpu")
    except (RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError, ValueError, LookupError, OSError,
            AttributeError, TypeError) as error:  # fmt: skip
        why = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"{file} cannot be read as pickled weights ({type(error).__name__}: {why}); copy or download it again, or "
            "use a version of the checkpoint with safetensors"
        ) from error
    tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)} if _is_dict(found) else {}
    if not tensors or any(_is_dict(value) and value for value in found.values()):
        held = ", ".join(map(str, list(found)[:4])) if _is_dict(found) else type(found).__name__
        raise UserError(
            f"{file} does not hold a mapping of names to tensors, but: {held}. Save only the model's weights: "
            f"torch.save(model.state_dict(), '{file.name}')"
        )
    return tensors


def _convert(files: tuple[Path, ...], beside: list[Path], target: Path) -> None:
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    for file in files:
        for name, value in read_pickle(file).items():
            if name in tensors:
                raise UserError(f"{file.parent}: tensor {name} is in two weight files; download the folder again")
            # Tied tensors share memory, which safetensors refuses, so every name gets its own copy.
            tensors[name] = value.detach().clone().contiguous()
    building = new_folder(target.parent, ".building-")
    try:
        for file in beside:
            shutil.copyfile(file, building / file.name)
        save_file(tensors, building / WHOLE, {"format": "pt"})
        share(building)
        os.replace(building, target)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _is_beside(path: Path) -> bool:
    return path.suffix in BESIDE and not path.name.endswith(".index.json")


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)

"""Read the names and shapes of a file's tensors from its header, without loading tensors or torch."""

import collections
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

from adaptx.errors import UserError

Shapes = dict[str, tuple[int, ...]]
FLOATS = ("F64", "F32", "F16", "BF16")
GIT_LFS = b"version "
"""The first bytes of a Git LFS pointer file. As the length of a safetensors header, they would be far too large."""
FAULTS = (
    zipfile.BadZipFile, pickle.UnpicklingError, EOFError, LookupError, StopIteration, ValueError, struct.error,
    TypeError, AttributeError, NotImplementedError, RecursionError, OSError, MemoryError,
)  # fmt: skip
"""Errors that may arise from reading a damaged header, or the header of another kind of file."""


def tensor_shapes(file: Path) -> Shapes:
    """Return the shapes of the tensors, by name, in a safetensors file or in a file that `torch.save` wrote.

    No pickled code is run.

    Raises:
        UserError: the file has neither format, is cut short, or is a pickle that holds something other than tensors.
    """
    stored = file.suffix == ".safetensors"
    try:
        return _of_safetensors(file) if stored else _of_pickle(file)
    except FAULTS as error:
        remedy = (
            "Copy or download it again"
            if stored
            else (
                "If torch can read it, write it again: python -c "
                f"\"import torch; torch.save(torch.load('{file}', weights_only=True), '{file}')\""
            )
        )
        why = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else error
        raise UserError(f"{file} cannot be read as a file of tensors ({why}). {remedy}") from error


def unusual_numbers(file: Path) -> dict[str, str]:
    """Return the dtype of each tensor in a safetensors file, by name, but only for dtypes outside `FLOATS`."""
    return {name: entry["dtype"] for name, entry in _header(file).items() if entry["dtype"] not in FLOATS}


def _of_safetensors(file: Path) -> Shapes:
    return {name: tuple(entry["shape"]) for name, entry in _header(file).items()}


def _header(file: Path) -> dict[str, Any]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        if start == GIT_LFS:
            raise ValueError("it is a Git LFS pointer, not the file itself: run `git lfs pull` in its repository")
        if len(start) < 8:
            raise ValueError(f"it has only {size} bytes")
        (length,) = struct.unpack("<Q", start)
        if length > size - 8:
            raise ValueError(f"its header should have {length} bytes, but the file has {size}")
        header: dict[str, Any] = json.loads(stream.read(length), object_pairs_hook=_without_repeated_names)
    header.pop("__metadata__", None)
    end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if end != size:
        raise ValueError(
            f"its tensors end at byte {end}, but the file has {size} bytes: it was cut short or overwritten"
        )
    return header


def _without_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # A second tensor of the same name would hide the first.
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in collections.Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"it names {twice!r} twice")
    return found


def _of_pickle(file: Path) -> Shapes:
    with zipfile.ZipFile(file) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        with archive.open(name) as stream:
            found: Any = _Shapes(stream).load()
    return {name: shape for name, shape in found.items() if isinstance(shape, tuple)}


class _Shapes(pickle.Unpickler):
    """An unpickler that loads each tensor as its shape and refuses all other classes and functions."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        match module_name, global_name:
            case "collections", "OrderedDict":
                return collections.OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return lambda _storage, _offset, size, *_: tuple(size)
            case "torch._utils", "_rebuild_parameter":
                return lambda shape, *_: shape
            case "torch", _ if global_name.endswith("Storage"):
                return None
            case _:
                raise pickle.UnpicklingError(f"it holds {module_name}.{global_name}")

    def persistent_load(self, _pid: Any, /) -> None:
        return None

"""Names and shapes of a file's tensors, without torch and without reading the tensors: planning needs no more."""

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
"""How a pointer of Git LFS begins; as the length of a header it would be far too long."""
FAULTS = (
    zipfile.BadZipFile, pickle.UnpicklingError, EOFError, LookupError, StopIteration, ValueError, struct.error,
    TypeError, AttributeError, NotImplementedError, RecursionError, OSError, MemoryError,
)  # fmt: skip
"""Errors that reading a damaged header, or one of another kind of file, may raise."""


def tensor_shapes(file: Path) -> Shapes:
    """Return the shapes in a safetensors file, or in one that `torch.save` wrote; nothing that is pickled runs.

    Raises:
        UserError: neither of the two, cut short, or a pickle that holds something other than tensors.
    """
    stored = file.suffix == ".safetensors"
    try:
        return _of_safetensors(file) if stored else _of_pickle(file)
    except FAULTS as error:
        remedy = (
            "Copy or download it again"
            if stored
            else (
                "If torch reads it, write it anew: python -c "
                f"\"import torch; torch.save(torch.load('{file}', weights_only=True), '{file}')\""
            )
        )
        why = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else error
        raise UserError(f"{file} is not a file of tensors that can be read ({why}). {remedy}") from error


def unusual_numbers(file: Path) -> dict[str, str]:
    """Return the tensors of a safetensors file whose numbers are in no usual floating-point form, with their form."""
    return {name: entry["dtype"] for name, entry in _header(file).items() if entry["dtype"] not in FLOATS}


def _of_safetensors(file: Path) -> Shapes:
    return {name: tuple(entry["shape"]) for name, entry in _header(file).items()}


def _header(file: Path) -> dict[str, Any]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        if start == GIT_LFS:
            raise ValueError("it is the pointer that Git LFS leaves in its place: run `git lfs pull` in its repository")
        if len(start) < 8:
            raise ValueError(f"it has {size} bytes")
        (length,) = struct.unpack("<Q", start)
        if length > size - 8:
            raise ValueError(f"its header should have {length} bytes, and the file has {size}")
        header: dict[str, Any] = json.loads(stream.read(length), object_pairs_hook=_once)
    header.pop("__metadata__", None)
    end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if end != size:
        raise ValueError(f"its tensors end at byte {end}, and the file has {size}: it was cut short or written over")
    return header


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; a name that comes twice would otherwise hide the first tensor of that name."""
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
    """Rebuilds each tensor as its shape; whatever else a pickle names is refused."""

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

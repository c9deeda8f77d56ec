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


def tensor_shapes(file: Path) -> Shapes:
    """Of safetensors, or of what `torch.save` wrote; nothing that is pickled runs.

    Raises:
        UserError: neither of the two, or a pickle that holds something else than tensors.
    """
    try:
        return _of_safetensors(file) if file.suffix == ".safetensors" else _of_pickle(file)
    except (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, StopIteration, ValueError, struct.error) as error:
        raise UserError(
            f"{file} is not a file of tensors that can be read ({error}). If torch reads it, write it anew: python -c "
            f"\"import torch; torch.save(torch.load('{file}', weights_only=True), '{file}')\""
        ) from error


def _of_safetensors(file: Path) -> Shapes:
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


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

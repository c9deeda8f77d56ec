"""Modules on disk and in memory: tensors keyed by (layer, site, tensor), and a header with method and base.

On disk, the tensors are safetensors, and the header is JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from adaptx.backbones.finite import first_not_finite
from adaptx.errors import NotFinite, UserError
from adaptx.specs import Method
from adaptx.specs.sites import Key
from adaptx.store.integrity import MODULE_FILE
from adaptx.store.record_json import read_record, to_json
from adaptx.store.records import MODULE_HEADER_FILE, ModuleHeader
from adaptx.store.store import write_json
from adaptx.store.writing import naming

VERSION = 1


@dataclass(frozen=True)
class Module:
    """The parameters that one training has trained, without those of heads.

    kind: `module` for a method's module, `fusion` for the fusion layers over several modules. base: the digest of the
    checkpoint's weights.
    """

    kind: str
    method: Method
    base: str
    tensors: dict[Key, Tensor]


def capture(parameters: dict[Key, nn.Parameter]) -> dict[Key, Tensor]:
    """Return copies of parameters on the CPU."""
    return {key: parameter.detach().to("cpu", copy=True) for key, parameter in parameters.items()}


def restore(parameters: Mapping[Key, Tensor], tensors: Mapping[Key, Tensor]) -> None:
    """Copy tensors into parameters, bit for bit.

    Raises:
        UserError: keys or shapes differ, because the module has another base, rank or set of sites.
    """
    if parameters.keys() != tensors.keys():
        missing, extra = (
            sorted(map(str, parameters.keys() - tensors.keys())),
            sorted(map(str, tensors.keys() - parameters.keys())),
        )
        raise UserError(
            f"the module does not match its base: missing {missing[:3]}, unexpected {extra[:3]}; use the checkpoint, "
            "rank and sites with which it was trained"
        )
    for key, tensor in tensors.items():
        if parameters[key].shape != tensor.shape:
            raise UserError(
                f"the module does not match its base at {key}: it has shape {tuple(tensor.shape)}, but the base "
                f"requires {tuple(parameters[key].shape)}; use the checkpoint, rank and sites with which it was trained"
            )
    with torch.no_grad():
        for key, tensor in tensors.items():
            parameters[key].copy_(tensor)


def save_module(module: Module, folder: Path) -> None:
    """Write the module's tensors and header to a folder.

    Raises:
        NotFinite: a tensor holds NaN or infinity. Nothing is written.
    """
    from safetensors.torch import save_file

    if (key := first_not_finite(module.tensors.items())) is not None:
        raise NotFinite(
            f"the module's {_text(key)} holds values that are not finite (NaN or infinite), so the module is not saved"
        )
    tensors = {_text(key): tensor.contiguous() for key, tensor in module.tensors.items()}
    with naming(folder / MODULE_FILE, "written"):
        save_file(tensors, folder / MODULE_FILE, {"format": "adaptx"})
    header = ModuleHeader(VERSION, module.kind, module.method, module.base)
    write_json(folder / MODULE_HEADER_FILE, to_json(header))


def load_module(folder: Path) -> Module:
    """Read a module from its folder.

    Raises:
        UserError: the weights were removed after scoring (as for fully fine-tuned targets without `--keep`), or the
            folder was written in another version of the format.
    """
    from safetensors.torch import load_file

    header = read_record(ModuleHeader, folder / MODULE_HEADER_FILE)
    if header.version != VERSION:
        raise UserError(
            f"{folder} has module version {header.version}, but this adaptx reads version {VERSION}; upgrade adaptx"
        )
    if not (folder / MODULE_FILE).is_file():
        raise UserError(
            f"{folder.name}: its weights were removed once its scores were stored; retrain and keep them with "
            "`adaptx run RECIPE --keep`"
        )
    with naming(folder / MODULE_FILE, "read"):
        stored = load_file(folder / MODULE_FILE)
    tensors = {_key(text): tensor for text, tensor in stored.items()}
    return Module(header.kind, header.method, header.base, tensors)


def _text(key: Key) -> str:
    layer, site, tensor = key
    return f"{'-' if layer is None else layer}/{site}/{tensor}"


def _key(text: str) -> Key:
    layer, site, tensor = text.split("/")
    return (None if layer == "-" else int(layer), site, tensor)

"""A folder of the adapters library: one adapter, or a stack or fusion of several with their composition.

The library writes it itself. Where full fine-tuning or LoRA lies below, their merged weights come with it in `base/`.
"""

from pathlib import Path
from typing import Any

from adaptx.backbones.sites import sites_of
from adaptx.exporting.composed import Composed, Part
from adaptx.methods import adapters_backend, attach
from adaptx.methods.module import restore
from adaptx.store import read_json, write_json

BASE_FOLDER = "base"


def write_adapters(network: Any, made_of: Composed, base: str, folder: Path) -> None:
    """Write the bottleneck adapters of a composition; `network` is bare and becomes unusable for anything else.

    base: what the folder names as the checkpoint below.
    """
    adapters_backend.prepare(network)
    for part in made_of.adapters:
        _attach(network, part)
    if made_of.mixing is not None:
        below = adapters_backend.adapter_names(network)
        for part in made_of.fused:
            _attach(network, part)
        names = [part.name for part in made_of.fused]
        restore(adapters_backend.add_plain_fusion(network, names, below), made_of.mixing.tensors)
    adapters_backend.save_active(network, folder)
    for config in folder.rglob("adapter*_config.json"):
        # The library writes down the path that it was loaded from here.
        write_json(config, {**read_json(config), "model_name": base})


def _attach(network: Any, part: Part) -> None:
    restore(attach(network, sites_of(network), part.module.method, part.name), part.module.tensors)

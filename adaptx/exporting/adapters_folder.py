"""Write a folder that the adapters library can load: one adapter, or a stack or fusion of several adapters.

If the adapters were trained on top of full fine-tuning or LoRA, the folder also contains `base/`: the checkpoint with
the fine-tuned weights, or with LoRA's changes merged into its weights.
"""

from pathlib import Path
from typing import Any, cast

from adaptx.backbones.quiet import quiet
from adaptx.errors import UserError
from adaptx.exporting.composed import Composition, NamedModule
from adaptx.methods import adapters_classes
from adaptx.methods.module import restore
from adaptx.specs import Bottleneck
from adaptx.specs.architectures import ARCHITECTURES
from adaptx.store.store import read_json, write_json

BASE_FOLDER = "base"


def write_adapters(network: Any, made_of: Composition, base: str, folder: Path) -> None:
    """Write the bottleneck adapters of a composition.

    network: the bare network; it is changed and cannot be used afterwards. base: the checkpoint's hub id or path, which
    the folder records.

    Raises:
        UserError: the library does not support the network's architecture, or its results differ from those of adaptx.
    """
    if (reason := ARCHITECTURES[network.config.model_type].adapters_refused) is not None:
        raise UserError(f"bottleneck adapters cannot be exported from here: {reason}; use `adaptx predict STAGE FILE`")
    # The library warns about adapters that are not active yet.
    with quiet("adapters"):
        adapters_classes.prepare(network)
        for part in made_of.adapters:
            _attach(network, part)
        if made_of.mixing is not None:
            below = adapters_classes.adapter_names(network)
            for part in made_of.fused:
                _attach(network, part)
            names = [part.name for part in made_of.fused]
            restore(adapters_classes.add_fusion(network, names, below), made_of.mixing.tensors)
        adapters_classes.save_active(network, folder)
    for config in folder.rglob("adapter*_config.json"):
        # The library writes the local path from which the network was loaded; replace it.
        write_json(config, {**read_json(config), "model_name": base})


def _attach(network: Any, part: NamedModule) -> None:
    method = cast(Bottleneck, part.module.method)
    parameters = adapters_classes.add_adapter(network, method.reduction_factor, method.activation, part.name)
    restore(parameters, part.module.tensors)

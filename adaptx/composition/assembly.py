"""Assembly of the network of a stage (a training or a merge) from the bare base and modules.

The frozen modules below the stage are attached in order, and then the stage's own module. The same function builds the
network for training and for evaluation, so that both compute the same values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from adaptx.backbones.backbone import to_precision
from adaptx.composition.fuse import fuse
from adaptx.methods import attach, fold_in, prepare
from adaptx.methods.module import Module, restore
from adaptx.planning.lineage import answering_training, lineage
from adaptx.specs import Fuse, ModuleSource, ModuleStage, Precision, Train
from adaptx.specs.sites import Key, sites_of

Load = Callable[[ModuleSource], Module]
OWN = "own"


@dataclass(frozen=True)
class Assembly:
    """What `assemble` attached to a network for one stage.

    own: the parameters of the stage's own module, by key. The stage's training updates these. kind: `fusion` if they
    mix earlier modules, else `module`.
    """

    own: dict[Key, nn.Parameter]
    kind: str


def base_for(
    stage: ModuleStage, precision: Precision, device: torch.device, finished: bool
) -> tuple[bool, torch.device | None]:
    """Return how to load the base before assembly: whether in bf16, and on which device (None: the CPU).

    The base is loaded in bf16 if all its weights stay frozen and would be rounded to bf16 later anyway. finished:
    whether the stage's own module already exists.
    """
    if stage.method.whole:
        # Modules are folded into the weights on the CPU, so that the sums are equal on every machine.
        folds = any(not each.method.whole for each in _frozen_below(stage, finished))
        return False, None if folds else device
    return precision == "bf16", device


def _frozen_below(stage: ModuleStage, finished: bool) -> tuple[ModuleSource, ...]:
    below = lineage(stage)
    # The module of a finished full fine-tuning holds every weight, so the modules below it are not needed.
    whole = stage.method.whole and (finished or below.continued is not None)
    return () if whole else below.frozen


def assemble(
    network: Any, stage: ModuleStage, load: Load, own: Module | None = None, precision: Precision | None = None
) -> Assembly:
    """Attach the modules below a stage to a bare network, and then the stage's own module.

    load: returns the module of an earlier stage, or a published module. own: the stage's finished module. None: the
    stage's module gets the values of the module that the stage continues, or else new values from torch's global random
    generator. precision: None means the training's precision.

    Afterwards only the parameters of the stage's own module require gradients.
    """
    sites = sites_of(network)
    below = lineage(stage)
    fusion = stage.start if isinstance(stage, Train) and isinstance(stage.start, Fuse) else None
    frozen = _frozen_below(stage, own is not None)
    prepare(network, [each.method for each in (*frozen, *below.fused, stage)])
    modules: list[nn.Parameter] = []
    if stage.method.whole:
        fold_in(network, sites, map(load, frozen))
        frozen = ()
    for index, each in enumerate(frozen):
        parameters = attach(network, sites, each.method, f"frozen{index}")
        restore(parameters, load(each).tensors)
        modules += [] if each.method.whole else parameters.values()
    if fusion is not None:
        fused = [load(each).tensors for each in below.fused]
        parameters, frozen_modules = fuse(network, stage.method, fused, fusion.mixing)
        modules += frozen_modules
    else:
        parameters = attach(network, sites, stage.method, OWN)
    if own is not None:
        restore(parameters, own.tensors)
    elif below.continued is not None:
        restore(parameters, load(below.continued).tensors)
    network.requires_grad_(False)
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    to_precision(network, modules, bf16=(precision or answering_training(stage).config.precision) == "bf16")
    return Assembly(parameters, "module" if fusion is None else "fusion")

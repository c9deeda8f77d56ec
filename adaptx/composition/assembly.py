"""Assemble the network a training works on: the bare base, frozen modules in their order, then its own module.

The same function builds a network for training and for evaluation, so both run the very same arithmetic.
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
    """What was attached to a network.

    own: the parameters of the stage's own module (of a training, the ones that train), by key. kind: as `Module` has
    it.
    """

    own: dict[Key, nn.Parameter]
    kind: str


def base_for(
    stage: ModuleStage, precision: Precision, device: torch.device, finished: bool
) -> tuple[bool, torch.device | None]:
    """How to load the base of a network that is to be assembled: in bf16 or not, and where (None: the CPU).

    In bf16 where all its weights stay frozen and are rounded in the end. finished: the stage's own module is there.
    """
    if stage.method.whole:
        # What is folded in is added up on the CPU, by the same arithmetic on every machine.
        folds = any(not each.method.whole for each in _frozen(stage, finished))
        return False, None if folds else device
    return precision == "bf16", device


def _frozen(stage: ModuleStage, finished: bool) -> tuple[ModuleSource, ...]:
    """The frozen modules that lie below the stage's own one."""
    below = lineage(stage)
    # A finished full fine-tuning holds every weight, so nothing below it needs to be there.
    whole = stage.method.whole and (finished or below.continued is not None)
    return () if whole else below.frozen


def assemble(
    network: Any, stage: ModuleStage, load: Load, own: Module | None = None, precision: Precision | None = None
) -> Assembly:
    """Attach everything a training or merge stands on to a bare network, then its own module.

    load: the stored module of an earlier stage, or one trained elsewhere. own: the stage's own finished module; None
    begins a new one (from torch's global generator), or continues an earlier one where the start says so. precision:
    None is the training's.

    Afterwards exactly the own module's parameters require gradients.
    """
    sites = sites_of(network)
    below = lineage(stage)
    fusion = stage.start if isinstance(stage, Train) and isinstance(stage.start, Fuse) else None
    frozen = _frozen(stage, own is not None)
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

"""The modules of a finished network with their tensors, in the order in which they are stacked on the checkpoint."""

import re
from dataclasses import dataclass

from adaptx.execution.workshop import Workshop
from adaptx.methods.module import Module
from adaptx.planning.lineage import lineage
from adaptx.planning.naming import path_of_tasks
from adaptx.specs import Fuse, ModuleSource, ModuleStage, Train


@dataclass(frozen=True)
class NamedModule:
    """A module and its name in a composition. The name is unique there, and valid as a folder name and in Python."""

    name: str
    module: Module


@dataclass(frozen=True)
class Composition:
    """The modules of a network.

    layers: modules stacked on the checkpoint; the first is next to the checkpoint. fused: modules on top of `layers`;
    `mixing` mixes their outputs.
    """

    layers: tuple[NamedModule, ...]
    fused: tuple[NamedModule, ...] = ()
    mixing: Module | None = None

    @property
    def merged(self) -> tuple[Module, ...]:
        """The modules in `layers` that can be merged into the checkpoint's weights, such as LoRA modules."""
        return tuple(part.module for part in self.layers if part.module.method.fold_refusal is None)

    @property
    def adapters(self) -> tuple[NamedModule, ...]:
        """The modules in `layers` that cannot be merged into the checkpoint's weights, such as bottleneck adapters."""
        return tuple(part for part in self.layers if part.module.method.fold_refusal is not None)


def composed(stage: ModuleStage, shop: Workshop) -> Composition:
    """Load all modules in the network of a finished training or merge.

    Raises:
        UserError: a module is not in the store, or its checkpoint has changed.
    """
    own = shop.module(stage)
    if stage.method.whole:
        # Its weights are the whole backbone, including what was merged into them below.
        return Composition((NamedModule(_as_identifier(_task_names(stage)), own),))
    below = lineage(stage)
    modules = [(_task_names(each), shop.module(each)) for each in (*below.frozen, *below.fused)]
    fuses = isinstance(stage, Train) and isinstance(stage.start, Fuse)
    if not fuses:
        modules.append((_task_names(stage), own))
    parts = _named(modules)
    if not fuses:
        return Composition(parts)
    first_fused = len(below.frozen)
    return Composition(parts[:first_fused], parts[first_fused:], own)


def _task_names(source: ModuleSource) -> str:
    return source.task.name if isinstance(source, Train) else path_of_tasks(source)


def _named(modules: list[tuple[str, Module]]) -> tuple[NamedModule, ...]:
    parts: list[NamedModule] = []
    for name, module in modules:
        plain, taken = _as_identifier(name), {part.name for part in parts}
        number = next(n for n in range(1, len(modules) + 1) if _numbered(plain, n) not in taken)
        parts.append(NamedModule(_numbered(plain, number), module))
    return tuple(parts)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


def _as_identifier(name: str) -> str:
    # torch and adapters reserve some characters, such as the full stop.
    return re.sub(r"\W", "_", name)

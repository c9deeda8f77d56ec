"""What a training's network is made of, as data: its modules, lowest first."""

import re
from dataclasses import dataclass

from adaptx.execution.building import Workshop
from adaptx.lineage import called, lineage
from adaptx.methods.module import Module
from adaptx.specs import Bottleneck, Full, Fuse, Train


@dataclass(frozen=True)
class Part:
    """One module, under a name that is unique in its composition and serves as a folder's and a Python name."""

    name: str
    module: Module


@dataclass(frozen=True)
class Composed:
    """layers: modules one above the other, lowest first. fused: modules that `mixing` mixes, above the layers."""

    layers: tuple[Part, ...]
    fused: tuple[Part, ...] = ()
    mixing: Module | None = None

    @property
    def merged(self) -> tuple[Module, ...]:
        """The modules that become part of the plain weights."""
        return tuple(part.module for part in self.layers if not isinstance(part.module.method, Bottleneck))

    @property
    def adapters(self) -> tuple[Part, ...]:
        return tuple(part for part in self.layers if isinstance(part.module.method, Bottleneck))


def composed(train: Train, shop: Workshop) -> Composed:
    """Load everything that a finished training's network holds.

    Raises:
        UserError: a module is not in the store, or its base has changed.
    """
    own = shop.module(train)
    if isinstance(train.method, Full):
        # Its weights are the whole backbone: what lay below it is in them.
        return Composed((Part(_plain(train.task.name), own),))
    below = lineage(train)
    modules = [(called(stage), shop.module(stage)) for stage in (*below.frozen, *below.fused)]
    if not isinstance(train.start, Fuse):
        modules.append((train.task.name, own))
    parts = _named(modules)
    if not isinstance(train.start, Fuse):
        return Composed(parts)
    first_fused = len(below.frozen)
    return Composed(parts[:first_fused], parts[first_fused:], own)


def _named(modules: list[tuple[str, Module]]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for name, module in modules:
        plain, taken = _plain(name), {part.name for part in parts}
        number = next(n for n in range(1, len(modules) + 1) if _numbered(plain, n) not in taken)
        parts.append(Part(_numbered(plain, number), module))
    return tuple(parts)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


def _plain(name: str) -> str:
    """A name without the characters that torch's module names and adapters' compositions give a meaning to."""
    return re.sub(r"\W", "_", name)

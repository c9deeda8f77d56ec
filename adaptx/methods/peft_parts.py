"""The parts of a peft folder that depend on the method."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from adaptx.specs.linear_maps import SITES
from adaptx.specs.sites import Key, Sites

Place = tuple[int, str]
"""A linear map: (layer, site)."""


@dataclass(frozen=True)
class PeftParts:
    """The parts of a peft folder that depend on the method.

    places: the linear maps that the module changes. config: the method's settings in adapter_config.json. tensors: the
    module's tensors, keyed by their names relative to the network.
    """

    places: tuple[Place, ...]
    config: dict[str, Any]
    tensors: dict[str, Tensor]


def places_of(keys: Iterable[Key]) -> tuple[Place, ...]:
    """Return the linear maps to which a module's tensors belong, in order, such as ((0, "query"), (0, "value"))."""
    return tuple(sorted({(layer, site) for layer, site, _ in keys if layer is not None}))


def target_pattern(places: Sequence[Place], sites: Sites) -> str:
    """Return a regular expression that matches the full paths of the linear maps, as peft's `target_modules`.

    With full paths, peft cannot load the folder into a class that adds an untrained head to the network.
    """
    paths = [sites.module(*place) for place in places]
    in_all_layers = "|".join(dict.fromkeys(re.sub(r"\.\d+\\", r".\\d+\\", re.escape(path)) for path in paths))
    selected = {path for path in sites.modules(SITES) if re.fullmatch(in_all_layers, path)}
    return in_all_layers if selected == set(paths) else "|".join(map(re.escape, paths))

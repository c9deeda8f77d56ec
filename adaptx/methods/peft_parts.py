"""What differs from method to method in a folder that peft loads."""

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
    """places: the linear maps that are changed. config: settings that no other method has. tensors: by their names
    below the network.
    """

    places: tuple[Place, ...]
    config: dict[str, Any]
    tensors: dict[str, Tensor]


def places_of(keys: Iterable[Key]) -> tuple[Place, ...]:
    """Return the linear maps that a module's tensors lie at, in order."""
    return tuple(sorted({(layer, site) for layer, site, _ in keys if layer is not None}))


def target_pattern(places: Sequence[Place], sites: Sites) -> str:
    """Return a pattern of the maps' whole paths, which peft matches as a whole.

    Ends of paths would also match in a class that holds the network under another name, below a head that nobody
    trained: so that class refuses the folder.
    """
    paths = [sites.module(*place) for place in places]
    in_all_layers = "|".join(dict.fromkeys(re.sub(r"\.\d+\\", r".\\d+\\", re.escape(path)) for path in paths))
    selected = {path for path in sites.modules(SITES) if re.fullmatch(in_all_layers, path)}
    return in_all_layers if selected == set(paths) else "|".join(map(re.escape, paths))

"""The weights with which a fused model mixes its modules, stored next to the model's scores in `mixing.json`.

Modules are mixed at several places of the network. Each place is a site (such as `query`) in one layer. There, every
module has a weight, averaged over the tokens of the evaluated language; the weights at one place sum to one.
"""

from dataclasses import dataclass

MIXING_FILE = "mixing.json"


@dataclass(frozen=True)
class FusedModule:
    """One module that a fused model mixes. name: shown in reports. fingerprint: None for a published module."""

    name: str
    fingerprint: str | None


@dataclass(frozen=True)
class PlaceWeights:
    """The mean weights at one place of the network. weights: one per module, in the order of the fusion's stages."""

    layer: int
    site: str
    weights: tuple[float, ...]


@dataclass(frozen=True)
class MixingWeights:
    """The mixing weights of one evaluation.

    tokens: number of tokens over which the weights are averaged. Special tokens count, padding does not. modules: the
    fused modules, in the order of the fusion's stages.
    """

    tokens: int
    places: tuple[PlaceWeights, ...]
    modules: tuple[FusedModule, ...] = ()

    def mean(self, layer: int | None = None) -> tuple[float, ...]:
        """Return each module's weight, averaged over all places, or over the places of one layer."""
        chosen = [place.weights for place in self.places if layer in (None, place.layer)]
        return tuple(sum(each) / len(chosen) for each in zip(*chosen, strict=True))

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that have mixing weights, in ascending order."""
        return tuple(sorted({place.layer for place in self.places}))

"""Fusion weights of one evaluation, as the store keeps them beside its scores: `mixing.json`.

Which intermediate task does a language draw on? Per place of the network (layer and site), the mean over the
language's tokens of the weight that each fused module got; one place's weights sum to one.
"""

from dataclasses import dataclass

MIXING_FILE = "mixing.json"


@dataclass(frozen=True)
class FusedModule:
    """A module that is fused. name: as a person calls it. fingerprint: None of a module that was trained elsewhere."""

    name: str
    fingerprint: str | None


@dataclass(frozen=True)
class PlaceWeights:
    """weights: one for each fused module, in the order of the fusion's stages."""

    layer: int
    site: str
    weights: tuple[float, ...]


@dataclass(frozen=True)
class MixingWeights:
    """The weights of one evaluation.

    tokens: how many real ones the means are over (those of special symbols count, padding does not). modules: the fused
    ones, in the order of the fusion's stages.
    """

    tokens: int
    places: tuple[PlaceWeights, ...]
    modules: tuple[FusedModule, ...] = ()

    def mean(self, layer: int | None = None) -> tuple[float, ...]:
        """Each module's weight, the mean over all places or over those of one layer."""
        chosen = [place.weights for place in self.places if layer in (None, place.layer)]
        return tuple(sum(each) / len(chosen) for each in zip(*chosen, strict=True))

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(sorted({place.layer for place in self.places}))

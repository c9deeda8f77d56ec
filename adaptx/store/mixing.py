"""Fusion weights of one evaluation, as the store keeps them beside its scores: `mixing.json`.

Which intermediate task does a language draw on? Per place of the network (layer and site), the mean over the
language's tokens of the weight that each fused module got; one place's weights sum to one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptx.errors import UserError
from adaptx.store.store import read_json, write_json

FILE = "mixing.json"
VERSION = 1


@dataclass(frozen=True)
class PlaceWeights:
    """weights: one for each fused module, in the order of the fusion's stages."""

    layer: int
    site: str
    weights: tuple[float, ...]


@dataclass(frozen=True)
class MixingWeights:
    """tokens: how many real ones the means are over (those of special symbols count, padding does not)."""

    tokens: int
    places: tuple[PlaceWeights, ...]

    def mean(self, layer: int | None = None) -> tuple[float, ...]:
        """Each module's weight, the mean over all places or over those of one layer."""
        chosen = [place.weights for place in self.places if layer in (None, place.layer)]
        return tuple(sum(each) / len(chosen) for each in zip(*chosen, strict=True))

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(sorted({place.layer for place in self.places}))


def save_mixing(
    weights: MixingWeights, modules: Sequence[str], fingerprints: Sequence[str | None], folder: Path
) -> None:
    """modules: what a person calls the fused modules. fingerprints: of the trainings that left them; None of a module
    that was trained elsewhere.
    """
    body: dict[str, Any] = {
        "version": VERSION,
        "modules": [
            {"name": name, "fingerprint": fingerprint} for name, fingerprint in zip(modules, fingerprints, strict=True)
        ],
        "tokens": weights.tokens,
        "places": [
            {"layer": place.layer, "site": place.site, "weights": list(place.weights)} for place in weights.places
        ],
    }
    write_json(folder / FILE, body)


def load_mixing(folder: Path) -> MixingWeights:
    """Return the weights in the folder of a fused model's evaluation.

    Raises:
        UserError: another version wrote them.
    """
    body = read_json(folder / FILE)
    if body["version"] != VERSION:
        raise UserError(f"{folder / FILE}: version {body['version']}, this adaptx reads {VERSION}; upgrade adaptx")
    places = [PlaceWeights(place["layer"], place["site"], tuple(place["weights"])) for place in body["places"]]
    return MixingWeights(body["tokens"], tuple(places))

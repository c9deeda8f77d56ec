"""Fusion weights in a report: which intermediate task each language relies on.

Each variant has weights per layer and site. A site is a part of a layer, such as a linear map, at which a fusion mixes
the modules of several intermediate tasks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from adaptx.planning.naming import fused_names
from adaptx.report.results.measured import Measurements, ScoredEvaluation, Variant
from adaptx.report.statistics.bootstrap import Floats
from adaptx.specs import Fuse, Task, Train
from adaptx.store.mixing import MixingWeights


@dataclass(frozen=True)
class VariantMixing:
    """The fusion weights of one fused variant on one task.

    modules: names of the fused modules. weights: language -> one `MixingWeights` per seed.
    Letters in shapes: L languages, N layers, S sites, A fused modules. Weights sum to one over A.
    """

    label: str
    task: Task
    modules: tuple[str, ...]
    weights: Mapping[str, Sequence[MixingWeights]]

    @cached_property
    def places(self) -> Mapping[tuple[int, str], Floats]:
        """The weights at each (layer, site), averaged over seeds, shape [L, A]."""
        found: dict[tuple[int, str], list[list[tuple[float, ...]]]] = {}
        for seeds in self.weights.values():
            here: dict[tuple[int, str], list[tuple[float, ...]]] = {}
            for each in seeds:
                for place in each.places:
                    here.setdefault((place.layer, place.site), []).append(place.weights)
            for key, weights in here.items():
                found.setdefault(key, []).append(weights)
        return {key: np.array([np.mean(seeds, axis=0) for seeds in languages]) for key, languages in found.items()}

    @property
    def layers(self) -> list[int]:
        """Layers that have fusion weights, in ascending order; the first layer is 0."""
        return sorted({layer for layer, _ in self.places})

    @property
    def sites(self) -> list[str]:
        return list(dict.fromkeys(site for _, site in self.places))

    @property
    def by_language(self) -> Floats:
        """Weights averaged over layers and sites, shape [L, A]."""
        return np.mean(list(self.places.values()), axis=0)

    @property
    def by_layer(self) -> Floats:
        """Weights averaged over languages, all of which count equally, shape [N, S, A]."""
        return np.array([[self.places[layer, site].mean(axis=0) for site in self.sites] for layer in self.layers])


def mixed_variants(measurements: Measurements, task: Task) -> list[VariantMixing]:
    """Return the task's fused variants with their weights."""
    variants: dict[str, list[Variant]] = {}
    for variant in measurements.variants(task.name):
        if _fused(variant.first) is not None:
            variants.setdefault(variant.label, []).append(variant)
    mixed: list[VariantMixing] = []
    for label, seeds in variants.items():
        model = _fused(seeds[0].first)
        assert model is not None
        weights: dict[str, list[MixingWeights]] = {}
        for measured in (each for seed in seeds for each in seed.languages.values()):
            assert measured.mixing is not None, f"{measured.evaluate}: a fused model's evaluation keeps its weights"
            weights.setdefault(measured.evaluate.language, []).append(measured.mixing)
        mixed.append(VariantMixing(label, task, fused_names(model), weights))
    return mixed


def mixing_frame(measurements: Measurements) -> Any:
    """Return all unrounded weights as a pandas.DataFrame with one row per evaluation, layer, site and module."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for measured in measurements.measured:
        model = _fused(measured)
        if model is None or measured.mixing is None:
            continue
        for place in measured.mixing.places:
            for module, weight in zip(fused_names(model), place.weights, strict=True):
                rows.append(
                    {
                        "variant": measured.variant,
                        "seed": measured.factors.seed,
                        "task": measured.evaluate.task.name,
                        "language": measured.evaluate.language,
                        "layer": place.layer,
                        "site": place.site,
                        "module": module,
                        "weight": weight,
                        "tokens": measured.mixing.tokens,
                        "fingerprint": measured.fingerprint,
                    }
                )
    return pd.DataFrame(rows)


def _fused(measured: ScoredEvaluation) -> Train | None:
    """Return the training that fused the evaluated model; None if the model is not fused."""
    model = measured.evaluate.model
    return model if isinstance(model, Train) and isinstance(model.start, Fuse) else None

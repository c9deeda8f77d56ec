"""Merging of whole modules, one tensor at a time. LoRA modules are merged one site (a linear map) at a time."""

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adaptx.composition.merging.combining import combine
from adaptx.composition.merging.svd import SvdFactors, nearest, nearest_of_factors, padded
from adaptx.composition.merging.updates import of_difference, of_product, of_tensor
from adaptx.errors import NotFinite, UserError
from adaptx.methods import behaviour
from adaptx.methods.lora_peft import BIAS, DOWN, UP
from adaptx.methods.module import Module
from adaptx.specs import Lora, MergeRule
from adaptx.specs.sites import Key

Site = tuple[int | None, str]


@dataclass(frozen=True)
class MergedTensors:
    """A merged module's tensors by key.

    kept: for LoRA updates that were cut to a lower rank, the share of their squared norm that remains. None if no
    update was cut.
    """

    tensors: dict[Key, Tensor]
    kept: float | None = None


def merge_modules(
    modules: Sequence[Module],
    rule: MergeRule,
    base: Mapping[Key, Tensor] | None = None,
    biased: Container[Site] | None = None,
) -> MergedTensors:
    """Merge several modules of one checkpoint into one. The result's method and rank come from `Method.merged`.

    base: the checkpoint's own tensors. Updates of full fine-tuning are differences from them. biased: the sites whose
    linear maps have a bias that LoRA may change; None: all sites.

    Raises:
        UserError: the modules' tensors have different keys or shapes, or a LoRA module has a tensor that merging does
            not know.
        NotFinite: merged values are NaN, infinite or too large.
    """
    first, *others = (module.method for module in modules)
    method = first.merged(others, rule)
    if isinstance(method, Lora):
        # A LoRA update is the product of two of the module's tensors.
        return _merge_loras(modules, method, rule, biased)
    _check_alike(modules)
    merged: dict[Key, Tensor] = {}
    for key, tensor in modules[0].tensors.items():
        unchanged = behaviour(method).unchanged(tensor, base[key] if base is not None else None)
        if unchanged is None:
            tensor = combine([of_tensor(module.tensors[key]) for module in modules], rule, key)
        else:
            tensor = _merge_differences_from_base(key, modules, rule, unchanged)
        merged[key] = _checked_finite(tensor, key, rule)
    return MergedTensors(merged)


def _checked_finite(merged: Tensor, key: object, rule: MergeRule) -> Tensor:
    # The norm also overflows if values are finite but too large to compute with.
    if not math.isfinite(torch.linalg.vector_norm(merged).item()):
        raise NotFinite(
            f"after merging by {rule}, {key} holds values that are not finite or too large to compute with. Choose "
            "weights whose sum is near 1. If their sum is near 1 already, one of the merged modules holds such values"
        )
    return merged


def _merge_differences_from_base(key: Key, modules: Sequence[Module], rule: MergeRule, base: Tensor) -> Tensor:
    # `base` holds the values with which a module would change nothing, such as ones for (IA)^3.
    weights = rule.linear_weights(len(modules))
    if weights is None:
        return base.float() + combine([of_difference(module.tensors[key], base) for module in modules], rule, key)
    # Sum the tensors rather than the differences, so that a single module with weight 1 is returned bit for bit.
    rest = 1 - math.fsum(weights)
    tensors = [of_tensor(module.tensors[key]) for module in modules]
    if abs(rest) < 1e-12:
        return combine(tensors, rule, key)
    return combine(tensors, rule, key).add_(base.float(), alpha=rest)


def _merge_loras(
    modules: Sequence[Module], merged: Lora, rule: MergeRule, biased: Container[Site] | None
) -> MergedTensors:
    methods = [module.method for module in modules if isinstance(module.method, Lora)]
    places = dict.fromkeys(_site(key, merged) for module in modules for key in module.tensors)
    tensors: dict[Key, Tensor] = {}
    kept = total = 0.0
    for layer, site in places:
        pairs = _factors_at(modules, (layer, site))
        found = _merge_lora_site(pairs, methods, merged, rule, (layer, site))
        tensors[layer, site, DOWN], tensors[layer, site, UP] = found.down_KC, found.up_RK
        if merged.bias and (biased is None or (layer, site) in biased):
            key = layer, site, BIAS
            none = torch.zeros(found.up_RK.shape[0])
            biases = [of_tensor(module.tensors.get(key, none)) for module in modules]
            tensors[key] = _checked_finite(combine(biases, rule, key), key, rule)
        kept, total = kept + found.kept, total + found.total
    return MergedTensors(tensors, kept / total if total else None)


def _merge_lora_site(
    pairs: Sequence[tuple[Tensor, Tensor]], methods: Sequence[Lora], merged: Lora, rule: MergeRule, place: Site
) -> SvdFactors:
    # A module with the merged scale has a ratio of exactly 1, so that a single module is returned bit for bit.
    rank, scale = merged.rank_at(place[1]), merged.scale_at(place[1])
    ratios = [method.scale_at(place[1]) / scale for method in methods]
    weights = rule.linear_weights(len(pairs))
    if weights is None:
        updates = [of_product(down, up, ratio) for (down, up), ratio in zip(pairs, ratios, strict=True)]
        return nearest(_checked_finite(combine(updates, rule, place), place, rule), rank)
    # The sum of the products is the product of the concatenated factors.
    factors = zip(pairs, ratios, weights, strict=True)
    up = torch.cat([up.float() * (weight * ratio) for (_, up), ratio, weight in factors], dim=1)
    down = torch.cat([down.float() for down, _ in pairs])
    _checked_finite(up, place, rule)
    _checked_finite(down, place, rule)
    if down.shape[0] > rank:
        return nearest_of_factors(down, up, rank)
    return SvdFactors(*padded(down, up, rank), 0.0, 0.0)


def _factors_at(modules: Sequence[Module], place: Site) -> list[tuple[Tensor, Tensor]]:
    # Modules without tensors at this site get factors of rank 0.
    layer, site = place
    found = [(m.tensors.get((layer, site, DOWN)), m.tensors.get((layer, site, UP))) for m in modules]
    shapes = {(down.shape[1], up.shape[0]) for down, up in found if down is not None and up is not None}
    if len(shapes) != 1:
        raise UserError(f"modules cannot be merged at layer {layer}, {site}: updates have shapes {sorted(shapes)}")
    columns, rows = shapes.pop()
    return [
        (torch.zeros(0, columns), torch.zeros(rows, 0)) if down is None or up is None else (down, up)
        for down, up in found
    ]


def _site(key: Key, method: Lora) -> Site:
    layer, site, tensor = key
    known = (DOWN, UP, BIAS) if method.bias else (DOWN, UP)
    if tensor not in known:
        raise UserError(f"a LoRA module with the tensor {key} cannot be merged: rules are defined only for {known}")
    return layer, site


def _check_alike(modules: Sequence[Module]) -> None:
    first = {key: tensor.shape for key, tensor in modules[0].tensors.items()}
    for module in modules[1:]:
        shapes = {key: tensor.shape for key, tensor in module.tensors.items()}
        if shapes != first:
            key = next(key for key in (*first, *shapes) if first.get(key) != shapes.get(key))
            both = f"{first.get(key)} in one module, {shapes.get(key)} in another"
            raise UserError(f"modules cannot be merged: {key} has shape {both}")

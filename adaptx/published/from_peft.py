"""A LoRA module as peft writes it (adapter_config.json, adapter_model.safetensors).

Rank and alpha patterns are accepted. A site whose layers differ gets its largest rank, and the other ranks are zero in
both matrices, where no gradient moves them. Trained biases are read as what they add: peft's `lora_bias` adds scale
times a vector, its `bias="lora_only"` holds the bias as a whole.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from adaptx.backbones.sites import LayerStack
from adaptx.errors import UserError
from adaptx.published.layout import Layout, Placed, check_layers, place_in, shape_of, stack_of
from adaptx.specs import Lora, ModelSpec
from adaptx.specs.method import SITES, sites_behind
from adaptx.tensor_headers import Shapes

PLAIN = {
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying", "eva_config",
    "exclude_modules", "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform", "lora_alpha",
    "lora_bias", "lora_dropout", "megatron_core", "modules_to_save", "peft_type", "peft_version", "qalora_group_size",
    "r", "rank_pattern", "revision", "runtime_config", "target_modules", "task_type", "use_rslora",
}  # fmt: skip
"""Settings of a peft config that are read, or that change nothing once a module is trained. Any other must be off."""
KEPT_WEIGHTS = (True, False, None, "gaussian", "eva", "orthogonal")
"""Ways to begin that leave the base's weights as they are."""
HEAD_PARTS = ("classifier", "score", "qa_outputs", "pooler", "cls", "lm_head", "heads", "head")
"""Modules outside of the backbone's hidden states; a head stays behind when its module is taken over."""
_LORA = re.compile(r"(?P<path>.+)\.(?P<tensor>lora_[AB])\.(?:\w+\.)?weight$")
_ADDED_BIAS = re.compile(r"(?P<path>.+)\.lora_B\.(?:\w+\.)?bias$")
_WHOLE_BIAS = re.compile(r"(?P<path>.+?)(?:\.base_layer)?\.bias$")
Place = tuple[int, str]


def peft_layout(config: dict[str, Any], shapes: Shapes, model: ModelSpec) -> Layout:
    """What the file's tensors are in that model.

    Raises:
        UserError: another kind of module, another size, or a setting that `Lora` does not have.
    """
    if config["peft_type"] != "LORA":
        raise UserError(f"peft_type is {config['peft_type']!r}; only LORA can be taken over")
    _check_settings(config)
    stack, whole = stack_of(model), config.get("bias") == "lora_only"
    found: dict[tuple[int, str, str], str] = {}
    paths: dict[Place, str] = {}
    biases: dict[Place, str] = {}
    for name in shapes:
        if (match := _LORA.match(name)) is not None:
            place = _place(match["path"], stack, name)
            found[*place, match["tensor"]] = name
            paths[place] = match["path"].removeprefix("base_model.model.")
        elif (match := (_WHOLE_BIAS if whole else _ADDED_BIAS).match(name)) is not None and _is_inside(name):
            biases[_place(match["path"], stack, name)] = name
        else:
            _check_head_part(name)
    if not paths:
        raise UserError("it holds no LoRA tensors (lora_A, lora_B)")
    ranks, scales = dict[Place, int](), dict[Place, float]()
    for place, path in paths.items():
        pair = [shapes.get(found.get((*place, tensor), "")) for tensor in ("lora_A", "lora_B")]
        ranks[place] = _rank(config, path, pair, place, model)
        alpha = _patterned(config, "alpha_pattern", "lora_alpha", path)
        scales[place] = alpha / (math.sqrt(ranks[place]) if config.get("use_rslora") else ranks[place])
    if min(scales.values()) <= 0:
        raise UserError(f"its config has an alpha of zero or less: lora_alpha={config['lora_alpha']!r}")
    check_layers(paths, model)
    for place, name in biases.items():
        _check_bias(name, place, shapes[name], shapes.get(found.get((*place, "lora_B"), "")), model)
    method = _method(ranks, scales, bool(biases))
    placed = [
        Placed(name, layer, site, tensor, scales[layer, site] / method.scale_at(site) if tensor == "lora_B" else 1.0)
        for (layer, site, tensor), name in found.items()
    ]
    placed += [
        Placed(name, layer, site, "bias", 1.0, f"{stack.layer.format(layer)}.{stack.paths[site]}")
        if whole
        else Placed(name, layer, site, "bias", scales[layer, site])
        for (layer, site), name in biases.items()
    ]
    return Layout(method, tuple(placed))


def _check_settings(config: dict[str, Any]) -> None:
    """Raises:
    UserError: a setting that makes another function of the base's than LoRA with or without biases.
    """
    off = (None, False, [], {}, "none", "")
    odd = {key: value for key, value in config.items() if key not in PLAIN and value not in off}
    if odd.get("bias") == "lora_only" and not config.get("lora_bias"):
        del odd["bias"]
    if config.get("init_lora_weights") not in KEPT_WEIGHTS:
        odd["init_lora_weights"] = config["init_lora_weights"]
    if odd:
        shown = ", ".join(f"{key}={value!r}" for key, value in odd.items())
        raise UserError(f"its config has {shown}, which a plain LoRA module does not have")


def _method(ranks: Mapping[Place, int], scales: Mapping[Place, float], bias: bool) -> Lora:
    """The largest rank and scale of each site; those that most sites have are the method's own."""
    sizes: dict[str, tuple[int, float]] = {}
    for wanted in SITES:
        places = [place for place in ranks if wanted in sites_behind(place[1])]
        if places:
            rank = max(ranks[place] for place in places)
            sizes[wanted] = rank, _tidy(max(scales[place] for place in places) * rank)
    ((rank, alpha), _), *_ = Counter(sizes.values()).most_common(1)
    own_ranks = tuple((site, rank) for site, (rank, _) in sizes.items())
    own_alphas = tuple((site, alpha) for site, (_, alpha) in sizes.items())
    return Lora(rank, alpha, sites=tuple(sizes), bias=bias, ranks=own_ranks, alphas=own_alphas)


def _check_bias(name: str, place: Place, bias: tuple[int, ...], up: tuple[int, ...] | None, model: ModelSpec) -> None:
    if up is None or bias != up[:1]:
        raise UserError(f"{name} has shape {bias}, and there is no lora_B of as many rows beside it: {up}")
    if not shape_of(model).has_bias(place[1]):
        raise UserError(f"it holds {name}, and that linear map of {model.hub_id} has no bias")


def _rank(
    config: dict[str, Any],
    path: str,
    pair: list[tuple[int, ...] | None],
    place: Place,
    model: ModelSpec,
) -> int:
    """The rank of one pair of matrices, held against the config and the model's sizes."""
    down, up = pair
    if down is None or up is None or len(down) != 2 or len(up) != 2 or down[0] != up[1]:
        raise UserError(f"lora_A {down} and lora_B {up} of {path} do not make a product")
    told = int(_patterned(config, "rank_pattern", "r", path))
    if told != down[0]:
        raise UserError(f"{path} has rank {down[0]}, but its config says {told} (r and rank_pattern)")
    maps = shape_of(model).linear_maps
    layer, site = place
    if site in maps and maps[site] != (down[1], up[0]):
        raise UserError(
            f"{path} maps {down[1]} numbers to {up[0]}, but {site} in layer {layer} of {model.hub_id} maps "
            f"{maps[site][0]} to {maps[site][1]}: it belongs to a base of another size"
        )
    return down[0]


def _patterned(config: dict[str, Any], pattern: str, default: str, path: str) -> float:
    """A rank or alpha as peft finds it: by the first key of the pattern that a module's name ends in."""
    patterns: Mapping[str, float] = config.get(pattern) or {}
    return next((value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", path)), config[default])


def _is_inside(name: str) -> bool:
    """Whether a tensor lies in the backbone's hidden states, and not in a head."""
    return not set(name.removeprefix("base_model.model.").split(".")[:2]) & set(HEAD_PARTS)


def _check_head_part(name: str) -> None:
    """A tensor that is no LoRA matrix may be a head's, which stays behind, and nothing else."""
    if _is_inside(name):
        raise UserError(
            f"it holds {name}, which is no part of a plain LoRA module (biases elsewhere, norms, other trained weights)"
        )


def _place(path: str, stack: LayerStack, name: str) -> Place:
    layer, inner = place_in(path, (stack,), name)
    site = next((site for site, place in stack.paths.items() if place == inner), None)
    if site is None:
        raise UserError(f"{name} is at none of the sites of this architecture: {', '.join(stack.paths.values())}")
    return layer, site


def _tidy(value: float) -> float:
    """Without the last bit that a quotient and a product leave behind."""
    return float(round(value)) if math.isclose(value, round(value), rel_tol=1e-12) else value

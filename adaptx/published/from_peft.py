"""A LoRA module as peft writes it (adapter_config.json, adapter_model.safetensors).

Rank and alpha patterns are accepted: such a LoRA is one of its largest rank whose other ranks are zero in both
matrices, where no gradient moves them.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from adaptx.backbones.sites import LayerStack
from adaptx.errors import UserError
from adaptx.published.layout import Layout, Placed, check_layers, place_in, shape_of, stack_of
from adaptx.specs import Lora, ModelSpec
from adaptx.specs.method import COMPANIONS, SITES
from adaptx.tensor_headers import Shapes

PLAIN = {
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying", "eva_config",
    "exclude_modules", "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform", "lora_alpha",
    "lora_dropout", "megatron_core", "modules_to_save", "peft_type", "peft_version", "qalora_group_size", "r",
    "rank_pattern", "revision", "runtime_config", "target_modules", "task_type", "use_rslora",
}  # fmt: skip
"""Settings of a peft config that are read, or that change nothing once a module is trained. Any other must be off."""
KEPT_WEIGHTS = (True, False, None, "gaussian", "eva", "orthogonal")
"""Ways to begin that leave the base's weights as they are."""
HEAD_PARTS = ("classifier", "score", "qa_outputs", "pooler", "cls", "lm_head", "heads", "head")
"""Modules outside of the backbone's hidden states; a head stays behind when its module is taken over."""
_LORA = re.compile(r"(?P<path>.+)\.(?P<tensor>lora_[AB])\.(?:\w+\.)?weight$")


def peft_layout(config: dict[str, Any], shapes: Shapes, model: ModelSpec) -> Layout:
    """What the file's tensors are in that model.

    Raises:
        UserError: another kind of module, another size, or a setting that `Lora` does not have.
    """
    if config["peft_type"] != "LORA":
        raise UserError(f"peft_type is {config['peft_type']!r}; only LORA can be taken over")
    off = (None, False, [], {}, "none", "")
    odd = {key: value for key, value in config.items() if key not in PLAIN and value not in off}
    if config.get("init_lora_weights") not in KEPT_WEIGHTS:
        odd["init_lora_weights"] = config["init_lora_weights"]
    if odd:
        shown = ", ".join(f"{key}={value!r}" for key, value in odd.items())
        raise UserError(f"its config has {shown}, which a plain LoRA module does not have")
    stack = stack_of(model)
    found: dict[tuple[int, str, str], str] = {}
    paths: dict[tuple[int, str], str] = {}
    for name in shapes:
        match = _LORA.match(name)
        if match is None:
            _check_head_part(name)
            continue
        layer, site = _site(match["path"], stack, name)
        found[layer, site, match["tensor"]] = name
        paths[layer, site] = match["path"].removeprefix("base_model.model.")
    if not paths:
        raise UserError("it holds no LoRA tensors (lora_A, lora_B)")
    ranks, scales = dict[tuple[int, str], int](), dict[tuple[int, str], float]()
    for place, path in paths.items():
        pair = [shapes.get(found.get((*place, tensor), "")) for tensor in ("lora_A", "lora_B")]
        ranks[place] = _rank(config, path, pair, place, model)
        alpha = _patterned(config, "alpha_pattern", "lora_alpha", path)
        scales[place] = alpha / (math.sqrt(ranks[place]) if config.get("use_rslora") else ranks[place])
    rank, scale = max(ranks.values()), max(scales.values())
    if min(scales.values()) <= 0:
        raise UserError(f"its config has an alpha of zero or less: lora_alpha={config['lora_alpha']!r}")
    beside = {companion: site for site, companion in COMPANIONS.items()}
    sites = {site if site in SITES else beside.get(site, site) for _, site in paths}
    check_layers(paths, model)
    alpha = _tidy(scale * rank)
    method = Lora(rank, alpha, sites=tuple(site for site in SITES if site in sites))
    placed = [
        Placed(name, layer, site, tensor, scales[layer, site] / scale if tensor == "lora_B" else 1.0)
        for (layer, site, tensor), name in found.items()
    ]
    return Layout(method, tuple(placed))


def _rank(
    config: dict[str, Any],
    path: str,
    pair: list[tuple[int, ...] | None],
    place: tuple[int, str],
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


def _check_head_part(name: str) -> None:
    """A tensor that is no LoRA matrix may be a head's, which stays behind, and nothing else."""
    inner = name.removeprefix("base_model.model.").split(".")
    if not set(inner[:2]) & set(HEAD_PARTS):
        raise UserError(
            f"it holds {name}, which is no part of a plain LoRA module (biases, norms, other trained weights)"
        )


def _site(path: str, stack: LayerStack, name: str) -> tuple[int, str]:
    layer, inner = place_in(path, stack, name)
    site = next((site for site, place in stack.paths.items() if place == inner), None)
    if site is None:
        raise UserError(f"{name} is at none of the sites of this architecture: {', '.join(stack.paths.values())}")
    return layer, site


def _tidy(value: float) -> float:
    """Without the last bit that a quotient and a product leave behind."""
    return float(round(value)) if math.isclose(value, round(value), rel_tol=1e-12) else value

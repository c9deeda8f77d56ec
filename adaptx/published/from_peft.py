"""Read a LoRA module that peft wrote (adapter_config.json, adapter_model.safetensors).

Rank and alpha patterns are accepted. If the ranks at a site (`query`, for instance) differ between layers, all layers
get the largest of them; the additional ranks are zero and stay zero in training. A trained bias is read as its
difference from the base's bias.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adaptx.errors import UserError
from adaptx.published.layout import Layout, TensorPlace, check_layers, place_in, shape_of, some, stack_of
from adaptx.published.selection import Matcher, is_selected, patterned
from adaptx.sources.tensor_headers import Shapes
from adaptx.specs import Lora, ModelFamily, ModelSpec
from adaptx.specs.architectures.architecture import LayerStack
from adaptx.specs.linear_maps import SITES, sites_behind

PLAIN = {
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying", "eva_config",
    "exclude_modules", "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform", "lora_alpha",
    "lora_bias", "lora_dropout", "megatron_core", "modules_to_save", "peft_type", "peft_version", "qalora_group_size",
    "r", "rank_pattern", "revision", "runtime_config", "target_modules", "task_type", "use_rslora",
}  # fmt: skip
"""Settings of a peft config that are read, or that have no effect after training. All other settings must be off."""
KEPT_WEIGHTS = (True, False, None, "gaussian", "eva", "orthogonal")
"""Values of init_lora_weights that do not change the base's weights."""
HEAD_PARTS = {
    "classification_head", "classifier", "cls", "head", "heads", "lm_head", "lm_predictions", "pooler",
    "pre_classifier", "qa_outputs", "score", "v_head", "vocab_projector", "vocab_transform",
}  # fmt: skip
"""Names of poolers, heads and their parts. Their tensors are not used when a published module is read."""
PREFIX = "base_model.model."
"""The prefix that peft writes before the names of the network's modules."""
_LORA = re.compile(r"(?P<path>.+)\.(?P<tensor>lora_[AB])\.(?:\w+\.)?weight$")
_ADDED_BIAS = re.compile(r"(?P<path>.+)\.lora_B\.(?:\w+\.)?bias$")
_WHOLE_BIAS = re.compile(r"(?P<path>.+?)(?:\.base_layer)?\.bias$")
Place = tuple[int, str]


def peft_layout(config: dict[str, Any], shapes: Shapes, model: ModelSpec) -> Layout:
    """Return the module's method, and where each of the file's tensors belongs in the model.

    Raises:
        UserError: the module is of another kind or size, has a setting that `Lora` does not have, or has tensors that
            are missing, empty or unexpected.
    """
    if config["peft_type"] != "LORA":
        raise UserError(f"peft_type is {config['peft_type']!r}; adaptx can use only LORA")
    _check_is_plain_lora(config)
    stack, matcher = stack_of(model), Matcher()
    file = _read_names(config, shapes, stack, model)
    ranks, scales = dict[Place, int](), dict[Place, float]()
    for place, path in file.paths.items():
        pair = [shapes.get(file.tensors.get((*place, tensor), "")) for tensor in ("lora_A", "lora_B")]
        rank = _checked_rank(int(patterned(config, "rank_pattern", "r", path, matcher)), path, pair, place, model)
        alpha = patterned(config, "alpha_pattern", "lora_alpha", path, matcher)
        ranks[place], scales[place] = rank, alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    if min(scales.values()) <= 0:
        raise UserError(f"its config has an alpha of zero or less: lora_alpha={config['lora_alpha']!r}")
    check_layers(file.paths, model)
    _check_selected_maps_have_lora(config, file, stack, model, matcher)
    for place, name in file.biases.items():
        _check_bias(name, place, shapes[name], shapes.get(file.tensors.get((*place, "lora_B"), "")), model)
    method = _lora(ranks, scales, bool(file.biases))
    placed = [
        TensorPlace(
            name=name,
            layer=layer,
            site=site,
            tensor=tensor,
            scale=scales[layer, site] / method.scale_at(site) if tensor == "lora_B" else 1.0,
        )
        for (layer, site, tensor), name in file.tensors.items()
    ]
    placed += [
        TensorPlace(
            name=name,
            layer=layer,
            site=site,
            tensor="bias",
            scale=1.0,
            above=f"{stack.layer.format(layer)}.{stack.paths[site]}",
        )
        if config.get("bias") == "lora_only"
        else TensorPlace(name=name, layer=layer, site=site, tensor="bias", scale=scales[layer, site])
        for (layer, site), name in file.biases.items()
    ]
    return Layout(method, tuple(placed), tuple(file.of_head))


@dataclass
class _Names:
    """The names of a file's tensors.

    tensors: the name at each place, such as `(3, "query", "lora_A")`. paths: the path of each linear map that has LoRA,
    by its place `(3, "query")`. biases: the name of each bias, by the place of its linear map. of_head: tensors of
    poolers and heads, which are not used.
    """

    tensors: dict[tuple[int, str, str], str] = field(default_factory=dict[tuple[int, str, str], str])
    paths: dict[Place, str] = field(default_factory=dict[Place, str])
    biases: dict[Place, str] = field(default_factory=dict[Place, str])
    of_head: list[str] = field(default_factory=list[str])


def _read_names(config: dict[str, Any], shapes: Shapes, stack: LayerStack, model: ModelSpec) -> _Names:
    found, bias = _Names(), _WHOLE_BIAS if config.get("bias") == "lora_only" else _ADDED_BIAS
    for name in shapes:
        if _is_of_head(name, model):
            found.of_head.append(name)
        elif (match := _LORA.match(name)) is not None:
            place = _place(match["path"], stack, name)
            if (other := found.tensors.setdefault((*place, match["tensor"]), name)) != name:
                raise UserError(f"it holds two tensors for one place, {other} and {name}; save one module per file")
            found.paths[place] = match["path"].removeprefix(PREFIX)
        elif (match := bias.match(name)) is not None:
            found.biases[_place(match["path"], stack, name)] = name
        else:
            raise UserError(
                f"it holds {name}, which does not belong to a plain LoRA module (such as biases elsewhere, norms or "
                "other trained weights)"
            )
    if not found.paths:
        raise UserError("it holds no LoRA tensors (lora_A, lora_B) in the backbone")
    return found


def _check_selected_maps_have_lora(
    config: dict[str, Any], file: _Names, stack: LayerStack, model: ModelSpec, matcher: Matcher
) -> None:
    ((layer, site), path), *_ = file.paths.items()
    prefix = path.removesuffix(f"{stack.layer.format(layer)}.{stack.paths[site]}")
    sites = {site: inner for site, inner in stack.paths.items() if site in shape_of(model).linear_maps}
    every = {
        (layer, site): f"{prefix}{stack.layer.format(layer)}.{inner}"
        for layer in range(shape_of(model).layers)
        for site, inner in sites.items()
    }
    selected = {place for place, path in every.items() if is_selected(config, path, matcher)}
    missing = [every[place] for place in every if place in selected and place not in file.paths]
    beyond = [path for place, path in file.paths.items() if place not in selected]
    biased = config.get("bias") == "lora_only" or config.get("lora_bias")
    if biased:
        has = shape_of(model).has_bias
        missing += [f"the bias of {path}" for (layer, site), path in file.paths.items()
                    if has(site) and (layer, site) not in file.biases]  # fmt: skip
    told = f"(target_modules={config.get('target_modules')!r})"
    if missing:
        raise UserError(
            f"tensors of {len(missing)} linear maps are missing although its config selects them {told}: "
            f"{some(missing)}. The file was cut or not saved whole: copy or download it again"
        )
    if beyond:
        raise UserError(
            f"it holds tensors of {len(beyond)} linear maps that its config does not select {told}: {some(beyond)}. "
            "peft would ignore them; use the config that was saved with them"
        )


def _check_is_plain_lora(config: dict[str, Any]) -> None:
    for name in ("r", "lora_alpha"):
        if isinstance(config.get(name), bool) or not isinstance(config.get(name), int | float):
            raise UserError(f"its config has {name}={config.get(name)!r}, which is not a number")
    for name in ("rank_pattern", "alpha_pattern"):
        if not _are_numbers(config.get(name) or {}):
            raise UserError(f"its config has {name}={config[name]!r}; the value must map names of modules to numbers")
    for name in ("target_modules", "exclude_modules", "layers_pattern", "modules_to_save"):
        if not _are_names(config.get(name) or []):
            raise UserError(f"its config has {name}={config[name]!r}; the value must be a list of names, or a pattern")
    saved: Any = config.get("modules_to_save") or []
    if strange := [name for name in saved if name.split(".")[0] not in HEAD_PARTS]:
        raise UserError(
            f"its config has modules_to_save={saved!r}: all weights of {strange[0]} were trained, which a plain LoRA "
            "module cannot hold"
        )
    off = (None, False, [], {}, "none", "")
    odd = {key: value for key, value in config.items() if key not in PLAIN and value not in off}
    if odd.get("bias") == "lora_only" and not config.get("lora_bias"):
        del odd["bias"]
    if config.get("init_lora_weights") not in KEPT_WEIGHTS:
        odd["init_lora_weights"] = config["init_lora_weights"]
    if odd:
        shown = ", ".join(f"{key}={value!r}" for key, value in odd.items())
        raise UserError(f"its config has {shown}, which a plain LoRA module does not have")


def _are_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, int | float) for each in value.values())  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def _are_names(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value))  # pyright: ignore[reportUnknownVariableType]


def _lora(ranks: Mapping[Place, int], scales: Mapping[Place, float], bias: bool) -> Lora:
    # Each site gets the largest rank and the largest scale that it has in any layer. The most frequent pair of rank
    # and alpha becomes the method's own `rank` and `alpha`.
    sizes: dict[str, tuple[int, float]] = {}
    for wanted in SITES:
        places = [place for place in ranks if wanted in sites_behind(place[1])]
        if places:
            rank = max(ranks[place] for place in places)
            sizes[wanted] = rank, _without_float_error(max(scales[place] for place in places) * rank)
    ((rank, alpha), _), *_ = Counter(sizes.values()).most_common(1)
    own_ranks = tuple((site, rank) for site, (rank, _) in sizes.items())
    own_alphas = tuple((site, alpha) for site, (_, alpha) in sizes.items())
    return Lora(rank, alpha, sites=tuple(sizes), bias=bias, ranks=own_ranks, alphas=own_alphas)


def _check_bias(name: str, place: Place, bias: tuple[int, ...], up: tuple[int, ...] | None, model: ModelSpec) -> None:
    if up is None or bias != up[:1]:
        raise UserError(f"{name} has shape {bias}, which does not fit the rows of its lora_B: {up}")
    if not shape_of(model).has_bias(place[1]):
        raise UserError(f"it holds {name}, but that linear map of {model.hub_id} has no bias")


def _checked_rank(told: int, path: str, pair: list[tuple[int, ...] | None], place: Place, model: ModelSpec) -> int:
    # `told` is the rank in the config; `pair` has the shapes of lora_A and lora_B, with None for a missing matrix.
    down, up = pair
    if down is None or up is None or len(down) != 2 or len(up) != 2 or down[0] != up[1]:
        raise UserError(f"lora_A {down} and lora_B {up} of {path} cannot be multiplied")
    if told != down[0]:
        raise UserError(f"{path} has rank {down[0]}, but its config says {told} (r and rank_pattern)")
    maps = shape_of(model).linear_maps
    layer, site = place
    if site in maps and maps[site] != (down[1], up[0]):
        raise UserError(
            f"{path} maps {down[1]} numbers to {up[0]}, but {site} in layer {layer} of {model.hub_id} maps "
            f"{maps[site][0]} to {maps[site][1]}: the module belongs to a base of another size"
        )
    return down[0]


def _is_of_head(name: str, model: ModelSpec) -> bool:
    # The lm_head of a model that writes text does not count, because LoRA there changes the written text.
    parts = set(name.removeprefix(PREFIX).split(".")[:2]) & HEAD_PARTS
    return bool(parts) and not (parts == {"lm_head"} and model.family is not ModelFamily.ENCODER)


def _place(path: str, stack: LayerStack, name: str) -> Place:
    layer, inner = place_in(path, (stack,), name)
    site = next((site for site, place in stack.paths.items() if place == inner), None)
    if site is None:
        raise UserError(
            f"{name} is at no linear map that LoRA can adapt here; these are {', '.join(stack.paths.values())}"
        )
    return layer, site


def _without_float_error(value: float) -> float:
    return float(round(value)) if math.isclose(value, round(value), rel_tol=1e-12) else value

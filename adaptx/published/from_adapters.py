"""Read a bottleneck adapter that the adapters library wrote (adapter_config.json, pytorch_adapter.bin)."""

import re
from typing import Any

from adaptx.errors import UserError
from adaptx.published.layout import Layout, TensorPlace, check_layers, place_in, shape_of, stacks_of
from adaptx.sources.modules import CONFIG_FILE
from adaptx.sources.tensor_headers import Shapes
from adaptx.specs import Bottleneck, ModelSpec

FIXED: dict[str, Any] = {
    "architecture": None, "mh_adapter": False, "output_adapter": True, "original_ln_before": True,
    "original_ln_after": True, "ln_before": False, "ln_after": False, "is_parallel": False, "scaling": 1.0,
    "use_gating": False, "residual_before_ln": True, "adapter_residual_before_ln": False, "inv_adapter": None,
    "cross_adapter": False, "leave_out": [], "phm_layer": False,
}  # fmt: skip
"""Setting of an adapters config -> its value in the adapter of `Bottleneck`. A config may leave settings out."""
OLD_ACTIVATIONS = {"gelu": "gelu_new", "gelu_orig": "gelu"}
"""Name of an activation in configs without a version -> its name today."""
_ADAPTER = re.compile(
    r"(?P<path>.+)\.(?:adapters|layer_text_task_adapters|layer_text_lang_adapters)\.[^.]+\.(?P<tensor>.+)$"
)
_ADAPTER_TENSORS = {
    "adapter_down.0.weight": "down.weight",
    "adapter_down.0.bias": "down.bias",
    "adapter_up.weight": "up.weight",
    "adapter_up.bias": "up.bias",
}


def adapters_layout(config: dict[str, Any], shapes: Shapes, model: ModelSpec) -> Layout:
    """Return the module's method, and where each of the file's tensors belongs in the model.

    Raises:
        UserError: the module is of another kind or size, or has a setting that `Bottleneck` does not have.
    """
    method = _bottleneck(config)
    ours = shape_of(model)
    if (reason := ours.architecture.adapters_refused) is not None:
        raise UserError(f"it would not compute the same as in the adapters library: {reason}")
    for key, value in (("model_type", ours.model_type), ("hidden_size", ours.hidden_size)):
        if config.get(key, value) != value:
            raise UserError(f"its {key} is {config[key]!r}, but that of {model.hub_id} is {value!r}")
    stacks, size = stacks_of(model), int(config["hidden_size"])
    bottleneck = max(1, int(size // method.reduction_factor))
    wanted = {"down.weight": (bottleneck, size), "down.bias": (bottleneck,), "up.weight": (size, bottleneck)}
    placed: list[TensorPlace] = []
    for name, shape in shapes.items():
        match = _ADAPTER.match(name)
        tensor = _ADAPTER_TENSORS.get(match["tensor"]) if match is not None else None
        if match is None or tensor is None:
            raise UserError(f"it holds {name}, which does not belong to a bottleneck adapter")
        if shape != wanted.get(tensor, (size,)):
            raise UserError(f"{name} has shape {shape}, but by its config it should be {wanted.get(tensor, (size,))}")
        placed.append(
            TensorPlace(name=name, layer=place_in(match["path"], stacks, name)[0], site="adapter", tensor=tensor)
        )
    check_layers({(each.layer, each.site): each.name for each in placed}, model, every=True)
    count = len(_ADAPTER_TENSORS) * ours.all_layers
    if len(placed) != count or len({(each.layer, each.tensor) for each in placed}) != count:
        raise UserError(
            f"it holds {len(placed)} tensors, but one adapter per layer of {model.hub_id} has {count} tensors"
        )
    return Layout(method, tuple(placed))


def _bottleneck(config: dict[str, Any]) -> Bottleneck:
    settings: Any = config.get("config")
    if not isinstance(config.get("hidden_size"), int) or not isinstance(settings, dict) or not settings:
        raise UserError(
            f"its {CONFIG_FILE} was written neither by the peft library (it has no key peft_type) nor by the adapters "
            "library (it lacks the key config or hidden_size)"
        )
    if "non_linearity" not in settings:
        raise UserError(f"its {CONFIG_FILE} names no activation (config: non_linearity)")
    odd = {key: settings[key] for key, value in FIXED.items() if settings.get(key, value) != value}
    factor = settings.get("reduction_factor")
    if not isinstance(factor, int | float):
        odd["reduction_factor"] = factor
    if odd:
        shown = ", ".join(f"{key}={value!r}" for key, value in odd.items())
        raise UserError(
            f"its config has {shown}; only bottleneck adapters after the feed-forward layer (`seq_bn`) can be used"
        )
    activation = settings["non_linearity"]
    if "version" not in config:
        activation = OLD_ACTIVATIONS.get(activation, activation)
    return Bottleneck(float(factor), activation)  # pyright: ignore[reportArgumentType]

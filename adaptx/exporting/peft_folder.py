"""Write a peft folder for modules of one method: adapter_config.json and adapter_model.safetensors."""

from collections.abc import Sequence
from pathlib import Path

from adaptx.methods import behaviour
from adaptx.methods.module import Module
from adaptx.methods.peft_parts import target_pattern
from adaptx.specs import ModelFamily, ModelSpec
from adaptx.specs.sites import Sites
from adaptx.store.store import write_json

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
TASK_TYPES: dict[ModelFamily, str] = {
    ModelFamily.ENCODER: "FEATURE_EXTRACTION",
    ModelFamily.ENCODER_DECODER: "SEQ_2_SEQ_LM",
    ModelFamily.DECODER: "CAUSAL_LM",
}
"""The task type in peft, by family. Networks of the last two families are loaded with a language-model head."""


def write_peft(modules: Sequence[Module], sites: Sites, model: ModelSpec, base: str, folder: Path) -> None:
    """Write modules of one method, stacked on one checkpoint, as one peft module.

    modules: the first is next to the checkpoint. sites: the bare network's sites (linear maps of its layers). base: the
    checkpoint's hub id or path, which the folder records.
    """
    from safetensors.torch import save_file

    to_peft = behaviour(modules[0].method).to_peft
    assert to_peft is not None, "a method without a module type in peft was refused before"
    parts = to_peft(modules, sites)
    tensors = {f"base_model.model.{name}": tensor for name, tensor in parts.tensors.items()}
    save_file(tensors, folder / WEIGHTS_FILE, {"format": "pt"})
    config = {
        "task_type": TASK_TYPES[model.family],
        "base_model_name_or_path": base,
        "revision": model.revision if base == model.hub_id else None,
        "inference_mode": True,
        "target_modules": target_pattern(parts.places, sites),
        "fan_in_fan_out": False,
        "modules_to_save": None,
        **parts.config,
    }
    write_json(folder / CONFIG_FILE, config)

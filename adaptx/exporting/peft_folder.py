"""A peft folder of one or several additive LoRA modules: adapter_config.json and adapter_model.safetensors.

Several become one by concatenation of their ranks, which is exact: sum_i s_i B_i A_i = [s_1 B_1, ...] [A_1; ...].
Trained biases are written as what they add, in peft's `lora_bias` (0.14 and later): its `bias="lora_only"` would change
the network's own, also for other modules that are loaded beside this one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from adaptx.methods.lora import BIAS
from adaptx.methods.module import Module
from adaptx.specs import Lora, ModelFamily, ModelSpec
from adaptx.specs.method import SITES
from adaptx.specs.sites import Sites
from adaptx.store.store import write_json

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
Site = tuple[int, str]
TASK_TYPES: dict[ModelFamily, str] = {
    ModelFamily.ENCODER: "FEATURE_EXTRACTION",
    ModelFamily.ENCODER_DECODER: "SEQ_2_SEQ_LM",
    ModelFamily.DECODER: "CAUSAL_LM",
}
"""peft's name of what a network of that family is loaded for: those with scores over the vocabulary, to write text."""


def write_peft(modules: Sequence[Module], sites: Sites, model: ModelSpec, base: str, folder: Path) -> None:
    """Write LoRA modules over one checkpoint, lowest first, as one; `sites` are placed in the bare network.

    base: what the folder names as that checkpoint.
    """
    from safetensors.torch import save_file

    joined = {site: _joined(modules, site) for site in _all_sites(modules)}
    has_bias = any(one.bias is not None for one in joined.values())
    rank = max(one.rank for one in joined.values())
    alpha = max(one.alpha for one in joined.values() if one.rank == rank)
    tensors: dict[str, Tensor] = {}
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}
    for site, one in joined.items():
        path = sites.module(*site)
        tensors[f"base_model.model.{path}.lora_A.weight"] = one.down.contiguous()
        tensors[f"base_model.model.{path}.lora_B.weight"] = one.up.contiguous()
        if has_bias:
            bias = torch.zeros(one.up.shape[0]) if one.bias is None else one.bias / one.scale
            tensors[f"base_model.model.{path}.lora_B.bias"] = bias.contiguous()
        if one.rank != rank:
            rank_pattern[path] = one.rank
        if one.alpha != alpha:
            alpha_pattern[path] = _number(one.alpha)
    save_file(tensors, folder / WEIGHTS_FILE, {"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": TASK_TYPES[model.family],
        "base_model_name_or_path": base,
        "revision": model.revision if base == model.hub_id else None,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": _number(alpha),
        "lora_dropout": 0.0,
        "target_modules": _targets(list(joined), sites),
        "rank_pattern": rank_pattern,
        "alpha_pattern": alpha_pattern,
        "bias": "none",
        "lora_bias": has_bias,
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
    }
    write_json(folder / CONFIG_FILE, config)


def _all_sites(modules: Sequence[Module]) -> list[Site]:
    keys = (key for module in modules for key in module.tensors)
    return sorted({(layer, site) for layer, site, _ in keys if layer is not None})


@dataclass(frozen=True)
class _Joined:
    """All modules at a site: scale x up @ down, and what they add to the bias, if anything."""

    down: Tensor
    up: Tensor
    bias: Tensor | None
    rank: int
    alpha: float

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


def _joined(modules: Sequence[Module], site: Site) -> _Joined:
    """As they are where there is one, else with the scales in B."""
    found: list[tuple[Tensor, Tensor, Lora]] = []
    for module in modules:
        assert isinstance(module.method, Lora)
        if (down := module.tensors.get((*site, "lora_A"))) is not None:
            found.append((down.float(), module.tensors[*site, "lora_B"].float(), module.method))
    added = [module.tensors[*site, BIAS].float() for module in modules if (*site, BIAS) in module.tensors]
    bias = torch.stack(added).sum(dim=0) if added else None
    if len(found) == 1:
        down, up, method = found[0]
        return _Joined(down, up, bias, method.rank_at(site[1]), method.alpha_at(site[1]))
    downs = torch.cat([down for down, _, _ in found])
    ups = torch.cat([up * method.scale_at(site[1]) for _, up, method in found], dim=1)
    return _Joined(downs, ups, bias, len(downs), float(len(downs)))


def _targets(wanted: Sequence[Site], sites: Sites) -> str:
    """Return a pattern of the wanted modules' whole paths, which peft matches as a whole.

    Ends of paths would also match in a class that holds the network under another name, below a head that nobody
    trained: so that class refuses the folder.
    """
    paths = [sites.module(*site) for site in wanted]
    in_all_layers = "|".join(dict.fromkeys(re.sub(r"\.\d+\\", r".\\d+\\", re.escape(path)) for path in paths))
    selected = {path for path in sites.modules(SITES) if re.fullmatch(in_all_layers, path)}
    return in_all_layers if selected == set(paths) else "|".join(map(re.escape, paths))


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value

"""A peft folder of one or several additive LoRA modules: adapter_config.json and adapter_model.safetensors.

Several become one by concatenation of their ranks, which is exact: sum_i s_i B_i A_i = [s_1 B_1, ...] [A_1; ...].
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from adaptx.backbones.sites import Sites
from adaptx.methods.module import Module
from adaptx.specs import Lora, ModelSpec
from adaptx.specs.method import SITES
from adaptx.store import write_json

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
Site = tuple[int, str]


def write_peft(modules: Sequence[Module], sites: Sites, model: ModelSpec, folder: Path) -> None:
    """Write LoRA modules over one checkpoint, lowest first, as one; `sites` are placed in the bare network."""
    from safetensors.torch import save_file

    joined = {site: _joined(modules, site) for site in _all_sites(modules)}
    ranks = {site: down.shape[0] for site, (down, _, _) in joined.items()}
    rank = max(ranks.values())
    alpha = max(scale * ranks[site] for site, (_, _, scale) in joined.items() if ranks[site] == rank)
    tensors: dict[str, Tensor] = {}
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}
    for site, (down, up, scale) in joined.items():
        path = sites.module(*site)
        tensors[f"base_model.model.{path}.lora_A.weight"] = down.contiguous()
        tensors[f"base_model.model.{path}.lora_B.weight"] = up.contiguous()
        if ranks[site] != rank:
            rank_pattern[path] = ranks[site]
        if scale * ranks[site] != alpha:
            alpha_pattern[path] = _number(scale * ranks[site])
    save_file(tensors, folder / WEIGHTS_FILE, {"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "FEATURE_EXTRACTION",
        "base_model_name_or_path": model.hub_id,
        "revision": model.revision,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": _number(alpha),
        "lora_dropout": 0.0,
        "target_modules": _targets(list(joined), sites),
        "rank_pattern": rank_pattern,
        "alpha_pattern": alpha_pattern,
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
    }
    write_json(folder / CONFIG_FILE, config)


def _all_sites(modules: Sequence[Module]) -> list[Site]:
    keys = (key for module in modules for key in module.tensors)
    return sorted({(layer, site) for layer, site, _ in keys if layer is not None})


def _joined(modules: Sequence[Module], site: Site) -> tuple[Tensor, Tensor, float]:
    """A, B and the scale of all modules at a site: as they are where there is one, else with the scales in B."""
    found: list[tuple[Tensor, Tensor, float]] = []
    for module in modules:
        assert isinstance(module.method, Lora)
        down = module.tensors.get((*site, "lora_A"))
        if down is not None:
            found.append(
                (down.float(), module.tensors[*site, "lora_B"].float(), module.method.alpha / module.method.rank)
            )
    if len(found) == 1:
        return found[0]
    return torch.cat([down for down, _, _ in found]), torch.cat([up * scale for _, up, scale in found], dim=1), 1.0


def _targets(wanted: Sequence[Site], sites: Sites) -> list[str]:
    """Ends of module names where these select exactly the wanted modules, else whole names (peft matches ends)."""
    paths = {sites.module(*site) for site in wanted}
    every = set(sites.modules(SITES))
    ends = {stack.paths[site] for _, site in wanted for stack in sites.stacks if site in stack.paths}
    selected = {path for path in every if any(path.endswith(f".{end}") for end in ends)}
    return sorted(ends if selected == paths else paths)


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value

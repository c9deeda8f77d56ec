"""Reading of published modules, which were written by peft or the adapters library."""

from pathlib import Path

import torch
from torch import Tensor

from adaptx.backbones.converting import read_pickle
from adaptx.backbones.finite import first_not_finite
from adaptx.backbones.own_tensors import load_biases
from adaptx.errors import NotFinite, UserError
from adaptx.methods.lora_peft import BIAS
from adaptx.methods.module import Module
from adaptx.published import Layout, read_layout
from adaptx.sources.modules import find_folder, weights_file
from adaptx.sources.sources import Sources
from adaptx.specs import Lora, Published
from adaptx.specs.linear_maps import with_companions
from adaptx.specs.sites import Key


def load_published(published: Published, base: str, sources: Sources) -> Module:
    """Return a published module in fp32.

    base: the digest of the checkpoint under the module. sources: finds that checkpoint. The checkpoint's biases are
    subtracted from the module's trained biases, because modules in adaptx hold differences.

    If a LoRA module has smaller ranks at some sites, or leaves out sites or layers, both matrices are filled with zeros
    there. The zeros have no effect, and they stay zero in training.

    Raises:
        UserError: the files are missing, hold another method than when the recipe was planned, or hold a LoRA module
            that was never trained.
        NotFinite: a tensor holds NaN or infinity.
    """
    folder = find_folder(published, sources)
    layout = read_layout(published, sources)
    if layout.method != published.method:
        raise UserError(
            f"published module {folder} is now {layout.method}, but was {published.method} when the recipe was "
            "planned; restore its files, or plan and run the recipe again"
        )
    stored = _stored(weights_file(folder))
    if (name := first_not_finite(stored.items())) is not None:
        raise NotFinite(
            f"published module {folder}: {name} holds values that are not finite (NaN or infinite). Its training "
            "diverged, or the file is damaged. Copy or download it again, or use another module"
        )
    added = [stored[p.name] for p in layout.tensors if p.tensor in ("lora_B", BIAS)]
    if added and not any(tensor.any() for tensor in added):
        raise UserError(
            f"published module {folder}: every lora_B is zero, so the module changes nothing. It was saved before it "
            "was trained, or without its values. Save it again, or start from Pretrained()"
        )
    tensors: dict[Key, Tensor] = {(p.layer, p.site, p.tensor): stored[p.name].float() * p.scale for p in layout.tensors}
    above = {(p.layer, p.site, p.tensor): p.above for p in layout.tensors if p.above is not None}
    if above:
        own = load_biases(published.model, sources, above.values())
        tensors |= {key: tensors[key] - own[path] for key, path in above.items()}
    if isinstance(layout.method, Lora):
        tensors = _filled_with_zeros(tensors, layout, layout.method, published)
    return Module("module", layout.method, base, tensors)


def _stored(file: Path) -> dict[str, Tensor]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    return read_pickle(file)


def _filled_with_zeros(
    tensors: dict[Key, Tensor], layout: Layout, method: Lora, published: Published
) -> dict[Key, Tensor]:
    shape = published.model.shape
    assert shape is not None, "planning refuses a model of unknown shape"
    paths = shape.stacks[0].paths
    filled: dict[Key, Tensor] = {}
    for layer in range(shape.layers):
        for site in (site for site in with_companions(method.sites) if site in paths):
            inputs, outputs = shape.linear_maps[site]
            rank = method.rank_at(site)
            down, up = torch.zeros(rank, inputs), torch.zeros(outputs, rank)
            if (layer, site, "lora_A") in tensors:
                own = tensors[layer, site, "lora_A"]
                down[: own.shape[0]] = own
                up[:, : own.shape[0]] = tensors[layer, site, "lora_B"]
            filled[layer, site, "lora_A"], filled[layer, site, "lora_B"] = down, up
            if method.bias and shape.has_bias(site):
                filled[layer, site, BIAS] = tensors.get((layer, site, BIAS), torch.zeros(outputs))
    return filled

"""Tensors of a checkpoint that are read separately from the network: the masked-language-model head, and biases."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from adaptx.backbones.finite import first_not_finite
from adaptx.backbones.folders import checkpoint_folder
from adaptx.errors import NotFinite, UserError
from adaptx.sources.checkpoint_files import CONFIG, read_settings, weight_files
from adaptx.sources.sources import Sources
from adaptx.sources.tensor_headers import tensor_shapes
from adaptx.specs import ModelSpec
from adaptx.specs.architectures import ARCHITECTURES

DECODERS = ("cls.predictions.decoder.weight", "lm_head.decoder.weight", "vocab_projector.weight", "decoder.weight")
"""Names of the output matrix of a masked-language-model head, in files that store it next to the embeddings."""
EMBEDDINGS = ("embeddings.word_embeddings.weight", "embeddings.tok_embeddings.weight")
WHOLE_HEAD = {"dense.weight", "dense.bias", "norm.weight", "norm.bias", "bias"}


def read_tensors(folder: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """Return the tensors with these names from a folder of safetensors, unchanged. Missing names are skipped."""
    from safetensors import safe_open

    wanted, found = set(names), dict[str, Tensor]()
    for file in weight_files(folder):
        if here := wanted & tensor_shapes(file).keys():
            with safe_open(file, "pt") as tensors:  # pyright: ignore[reportUnknownVariableType]
                found |= {name: tensors.get_tensor(name) for name in here}
    return found


def names_in(folder: Path) -> list[str]:
    """Return the names of all tensors that a folder of safetensors holds."""
    return [name for file in weight_files(folder) for name in tensor_shapes(file)]


def load_language_model_head(model: ModelSpec, sources: Sources) -> dict[str, Tensor] | None:
    """Return the checkpoint's masked-language-model head in fp32, or None if it has no such head.

    The output matrix is left out, because it is tied to the embeddings.

    Raises:
        UserError: a part of the head is missing, or its output matrix is not tied to the embeddings.
        NotFinite: the head holds NaN or infinity.
    """
    folder = checkpoint_folder(model, sources)
    head = ARCHITECTURES[read_settings(folder / CONFIG)["model_type"]].masked_head
    if head is None:
        return None
    places: dict[str, str] = {}
    for name in names_in(folder):
        # BERT checkpoints of 2018 call the tensors of a norm gamma and beta.
        plain = name.replace("gamma", "weight").replace("beta", "bias")
        for stored, ours in head.names.items():
            if plain.startswith(stored):
                places[ours + plain.removeprefix(stored)] = name
    if not places:
        return None
    if missing := sorted(WHOLE_HEAD - head.optional - places.keys()):
        raise UserError(
            f"{folder} holds only a part of a masked-language-model head: it has no {', '.join(missing)}. Copy or "
            "download the folder again, or remove the rest of the head from its files"
        )
    _check_head_is_tied(folder)
    tensors = read_tensors(folder, places.values())
    if (name := first_not_finite(tensors.items())) is not None:
        raise NotFinite(f"{folder}: {name} holds values that are not finite (NaN or infinite); download it again")
    return {ours: tensors[name].float() for ours, name in places.items()}


def _check_head_is_tied(folder: Path) -> None:
    names = names_in(folder)
    decoder = next((name for name in names if name in DECODERS), None)
    embeddings = next((name for name in names if name.endswith(EMBEDDINGS)), None)
    if decoder is None or embeddings is None:
        return
    held = read_tensors(folder, (decoder, embeddings))
    if held[decoder].shape != held[embeddings].shape or not torch.equal(held[decoder], held[embeddings]):
        raise UserError(
            f"{folder}: its masked-language-model head has an output matrix ({decoder}) that differs from the "
            f"embeddings ({embeddings}). Such heads always share the embeddings here: use a checkpoint whose head is "
            "tied to them"
        )


def load_biases(model: ModelSpec, sources: Sources, paths: Iterable[str]) -> dict[str, Tensor]:
    """Return the biases of linear layers from a checkpoint, in fp32. paths: the linear layers' paths in the network.

    Raises:
        UserError: the checkpoint has no bias at one of the paths.
    """
    folder = checkpoint_folder(model, sources)
    wanted = {f"{path}.bias": path for path in paths}
    # If the checkpoint was saved with a head, its names begin with a prefix.
    places = {name: name if name in wanted else name.partition(".")[2] for name in names_in(folder)}
    tensors = read_tensors(folder, (name for name, plain in places.items() if plain in wanted))
    found = {wanted[places[name]]: tensor.float() for name, tensor in tensors.items()}
    if (missing := sorted(set(wanted.values()) - found.keys())) != []:
        raise UserError(
            f"{model.hub_id} has no bias at {missing[0]}, but the module changes that bias; use the checkpoint on "
            "which the module was trained"
        )
    return found

"""Checks that a checkpoint was loaded completely.

Every tensor of the network must be in the files. All other tensors in the files must be known leftovers, such as those
of heads. transformers reports which tensors it loaded and which it initialised at random (`output_loading_info`).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adaptx.errors import UserError
from adaptx.sources.tensor_headers import Shapes
from adaptx.specs import ModelSpec
from adaptx.specs.architectures import ARCHITECTURES
from adaptx.specs.sites import sites_of

HEADS = {
    "classification_head", "classification_heads", "classifier", "classifiers", "cls", "crf", "dense",
    "discriminator_predictions", "generator_lm_head", "generator_predictions", "head", "heads", "linear", "lm_head",
    "lm_predictions", "logits_proj", "mask_predictions", "mlm_head", "out_proj", "pooler", "pre_classifier",
    "projection", "qa_outputs", "score", "seq_relationship", "sequence_summary", "sop_classifier", "summary", "v_head",
    "vocab_layer_norm", "vocab_projector", "vocab_transform",
}  # fmt: skip
"""First parts of the names of tensors in poolers and heads. These may be left over in the files."""
LEFT_OVER = re.compile(
    # Tables that the network computes itself, stored by older versions of transformers or by the models' authors.
    r"(^|\.)(position_ids|token_type_ids|rotary_emb\.(inv_freq|cos_cached|sin_cached)|version)$"
    r"|(^|\.)embed_positions\.(weights|_float_tensor)$"
    # T5 was released with this tensor, which its decoder does not have.
    r"|(^|\.)decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$"
    # DeBERTa v3's second copy of the embeddings, and a table of absolute positions that it does not use.
    r"|(^|\.)embeddings\.(word_embeddings\._weight|position_embeddings\.weight)$"
)
"""Pattern of the names of tensors that published checkpoints hold, but no network of their architecture has."""
WRAPPERS = {
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FSDP",
    "_checkpoint_wrapped_module": "activation checkpointing",
    "_forward_module": "a trainer",
    "base_layer": "peft",
}
"""Tools that wrap layers, keyed by the part that each tool adds to tensor names."""
SHOWN = 4


@dataclass(frozen=True)
class LoadReport:
    """transformers' report on loading a network.

    Unexpected tensors are named as in the files, all others as in the network.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    @staticmethod
    def of(info: Mapping[str, Any]) -> "LoadReport":
        # Version 4 lists names, version 5 lists tuples of the name and both shapes.
        misshapen = (entry if isinstance(entry, str) else entry[0] for entry in info["mismatched_keys"])
        return LoadReport(
            tuple(sorted(info["missing_keys"])), tuple(sorted(info["unexpected_keys"])), tuple(sorted(misshapen))
        )


def check_numbers(unusual: Mapping[str, str], folder: Path) -> None:
    """Check that the stored weights are ordinary floating-point numbers.

    unusual: the dtype of each tensor that holds other numbers, by its name, such as {"lm_head.weight": "I8"}.

    Raises:
        UserError: weights hold other numbers, for example because they are quantised.
    """
    odd = [f"{name} as {form}" for name, form in unusual.items() if not LEFT_OVER.search(name)]
    if odd:
        raise UserError(
            f"{folder} holds tensors that are not floating-point weights ({_some(odd)}). They are quantised, and would "
            "be read as wrong values. Use the checkpoint from which they were made; `--model NAME:nf4` (or int8) "
            "quantises it while loading"
        )


def check_whole(network: Any, loaded: LoadReport, stored: Shapes, model: ModelSpec, folder: Path) -> None:
    """Check a network against the files from which it was loaded. stored: the shapes of the tensors in the files.

    A decoder whose files have no output matrix can still be read through hidden states. Its output matrix is set to
    zero, and `network.lacks_output_matrix` to True.

    Raises:
        UserError: tensors are missing, left over or of another shape. The message names the likely cause and a remedy.
    """
    left = [name for name in loaded.unexpected if not _may_stay(name, network, model)]
    missing = list(loaded.missing)
    matrix = _untied_output_matrix(network)
    if matrix is not None and missing == [matrix[0]]:
        with torch.no_grad():
            matrix[1].zero_()
        network.lacks_output_matrix = True
        missing = []
    if not missing and not left and not loaded.misshapen:
        return
    own = dict(network.state_dict(keep_vars=True))
    shapes = [_shapes_of(name, own.get(name), stored) for name in loaded.misshapen]
    parts = [("missing", missing), ("not of this architecture", left), ("of another shape", shapes)]
    told = "; ".join(f"{len(names)} {kind} ({_some(names)})" for kind, names in parts if names)
    raise UserError(f"{folder}: its tensors do not match its config.json: {told}. {_cause(missing, left, stored)}")


def check_ties(
    network: Any, tied: bool, stored: Shapes, read: Callable[[list[str]], Mapping[str, Tensor]], folder: Path
) -> None:
    """Check that the files hold equal values for tensors that the network ties, such as the embeddings and lm_head.

    tied: whether config.json says that the output matrix is tied to the embeddings. read: returns the tensors
    of given names from the files.

    Raises:
        UserError: the files hold different values for two tensors that are tied.
    """
    output = network.get_output_embeddings()
    if tied and output is not None and output.weight is not network.get_input_embeddings().weight:
        # If the files hold different values, transformers 5 keeps both, although config.json says that they are tied.
        raise UserError(_untied("the output matrix", "the embeddings", folder))
    for names in shared_names(network):
        held = list(dict.fromkeys(each for name in names for each in (name, _bare(name, network)) if each in stored))
        tensors = read(held) if len(held) > 1 else {}
        for name in held[1:]:
            if not torch.equal(tensors[name], tensors[held[0]]):
                raise UserError(_untied(name, held[0], folder))


def _untied(name: str, first: str, folder: Path) -> str:
    return (
        f"{folder}: config.json ties {name} to {first}, but the files hold different values for them. If they were "
        "trained separately, set tie_word_embeddings to false in config.json; otherwise save the model again"
    )


def shared_names(network: nn.Module) -> list[list[str]]:
    """Return the names of each parameter that has several names, such as [["shared.weight", "lm_head.weight"]]."""
    names: dict[int, list[str]] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return [each for each in names.values() if len(each) > 1]


def _may_stay(name: str, network: Any, model: ModelSpec) -> bool:
    first = _bare(name, network).partition(".")[0]
    # A head's names depend on the architecture: "decoder" is the head's matrix in ModernBERT, but the second stack in
    # encoder-decoders.
    head = ARCHITECTURES[network.config.model_type].masked_head
    masked = {part.partition(".")[0] for part in head.names} if head is not None else set[str]()
    if first in HEADS | masked or LEFT_OVER.search(name):
        return True
    return model.layers is not None and _is_in_removed_layer(name, network)


def _is_in_removed_layer(name: str, network: Any) -> bool:
    for stack in sites_of(network).stacks:
        start = name.find(stack.layer.removesuffix("{}"))
        place = stack.place(name[start:]) if start >= 0 else None
        if place is not None and place[0] - stack.first >= stack.layers:
            return True
    return False


def _bare(name: str, network: Any) -> str:
    return name.removeprefix(f"{network.base_model_prefix}.")


def _untied_output_matrix(network: Any) -> tuple[str, nn.Parameter] | None:
    output = network.get_output_embeddings()
    if output is None or network.config.is_encoder_decoder or output.weight is network.get_input_embeddings().weight:
        return None
    return next((name, each) for name, each in network.named_parameters() if each is output.weight)


def _shapes_of(name: str, tensor: Tensor | None, stored: Shapes) -> str:
    ends = [
        shape for key, shape in stored.items() if key == name or key.endswith(f".{name}") or name.endswith(f".{key}")
    ]
    takes = tuple(tensor.shape) if tensor is not None else "another"
    return f"{name} has {ends[0] if ends else 'another shape'}, but config.json requires {takes}"


def _cause(missing: list[str], left: list[str], stored: Shapes) -> str:
    if any(0 in shape for shape in stored.values()):
        return (
            "Some stored tensors are empty, as DeepSpeed ZeRO-3 leaves them when it saves without gathering. Save with "
            "stage3_gather_16bit_weights_on_model_save, or join the parts with its zero_to_fp32.py"
        )
    firsts = {name.partition(".")[0] for name in left}
    if len(firsts) == 1 and any(name.endswith(f".{absent}") for name in left for absent in missing):
        prefix = f"{firsts.pop()}."
        return (
            f"Every name begins with {prefix!r}, which a wrapper such as DataParallel or torch.compile adds. Save the "
            "wrapped model itself (model.module.save_pretrained(...)), or remove the prefix from the names"
        )
    wrapper = next((part for name in left for part in name.split(".") if part in WRAPPERS), None)
    if wrapper is not None:
        return (
            f"Names contain {wrapper!r}, which {WRAPPERS[wrapper]} adds. Save the model without it, or remove "
            f"'{wrapper}.' from the names"
        )
    numbers = [
        {int(found[1]) for name in names if (found := re.search(r"\.(\d+)\.", name))} for names in (missing, left)
    ]
    if any(numbers):
        held = sorted({int(found[1]) for name in stored if (found := re.search(r"\.(\d+)\.", name))})
        layers = f"layers {held[0]} to {held[-1]} (from 0)" if held else "no layers"
        return (
            f"The files hold {layers}. Check the number of layers in config.json, or copy or download the folder again"
        )
    return "Copy or download the folder again, together with the config.json with which it was saved"


def _some(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "")

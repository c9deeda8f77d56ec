"""Loading of a checkpoint's network and tokenizer from a folder or the hub, with checks that nothing is missing."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from adaptx.backbones.architectures import attention_of
from adaptx.backbones.cutting import cut
from adaptx.backbones.dropout import set_dropout
from adaptx.backbones.finite import first_not_finite
from adaptx.backbones.folders import checkpoint_folder
from adaptx.backbones.own_tensors import read_tensors
from adaptx.backbones.pairs import separate_pairs
from adaptx.backbones.quiet import quiet_loading
from adaptx.backbones.tokenizers import read_tokenizer
from adaptx.backbones.whole import LoadReport, check_numbers, check_ties, check_whole
from adaptx.catalog.models.config import departure
from adaptx.errors import NotFinite, UserError
from adaptx.sources.checkpoint_files import CONFIG, read_settings, stored_shapes, weight_files
from adaptx.sources.sources import Sources
from adaptx.sources.tensor_headers import unusual_numbers
from adaptx.specs import ModelFamily, ModelSpec
from adaptx.specs.architectures import ARCHITECTURES, unsupported


def load_tokenizer(model: ModelSpec, sources: Sources) -> Any:
    """Return the checkpoint's tokenizer. If it does not separate the texts of a pair, a separator is added.

    Raises:
        MissingInput: the checkpoint is not available.
        UserError: the tokenizer cannot be read, or has tokens for which the embeddings have no row.
    """
    tokenizer = read_tokenizer(checkpoint_folder(model, sources))
    separate_pairs(tokenizer, model.family)
    return tokenizer


def load_network(
    model: ModelSpec,
    sources: Sources,
    dropout: float | None = None,
    bf16: bool = False,
    device: torch.device | None = None,
) -> nn.Module:
    """Return the network in evaluation mode: an encoder without pooler or head, other families with their lm_head.

    dropout: replaces all dropout probabilities of the checkpoint; None keeps them. bf16: whether to load weights in
    bf16; otherwise in fp32. Each weight is rounded when it is read, so a full fp32 copy never exists. Buffers are in
    fp32 either way. device: where the weights are loaded (None: the CPU).

    Raises:
        UserError: the architecture or the form of the weights is not supported; tensors are missing, left over or of
            another shape; or the checkpoint requires custom code.
        NotFinite: a weight is NaN or infinite.
        MissingInput: the checkpoint is not available.
    """
    folder = checkpoint_folder(model, sources)
    config = _config(folder, model)
    cut(config, model.layers)
    if dropout is not None:
        set_dropout(config, dropout)
    network = _load_and_compare(folder, model, config, bf16, device)
    if bf16:
        _restore_fp32_buffers(network, folder)
    if (name := first_not_finite(network.named_parameters())) is not None:
        raise NotFinite(
            f"{folder}: {name} holds values that are not finite (NaN or infinite). The file is damaged, or the "
            "training that produced it diverged. Copy or download it again, or use another checkpoint"
        )
    return network.eval()


def _config(folder: Path, model: ModelSpec) -> Any:
    from transformers import AutoConfig

    # If the checkpoint comes from the hub, planning has not checked this file.
    settings = read_settings(folder / CONFIG)
    kind = settings.get("model_type")
    if kind in ARCHITECTURES and (odd := departure(settings)) is not None:
        raise UserError(f"{folder / CONFIG}: {odd}, which is not supported in {kind}; use another checkpoint")
    try:
        config: Any = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    # transformers' configuration classes check their fields and raise errors of many types.
    except Exception as error:
        raise UserError(
            f"{folder / 'config.json'} cannot be read: {(str(error).splitlines() or [''])[0]}; copy or "
            "download it again"
        ) from error
    if (reason := unsupported(config.model_type)) is not None:
        raise UserError(f"{model.hub_id}: {reason}")
    return config


def _load_and_compare(folder: Path, model: ModelSpec, config: Any, bf16: bool, device: torch.device | None) -> Any:
    files = weight_files(folder)
    stored = stored_shapes(files)
    check_numbers({name: form for file in files for name, form in unusual_numbers(file).items()}, folder)
    auto, options = _auto_class_and_options(config.model_type)
    options["attn_implementation"] = attention_of(config.model_type)
    options["dtype"] = torch.bfloat16 if bf16 else torch.float32
    if device is not None and device.type != "cpu":
        options["device_map"] = {"": device}
    try:
        with quiet_loading():
            network, info = auto.from_pretrained(
                str(folder),
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                # Do not stop at the first tensor with a wrong shape: `check_whole` reports all problems together.
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **options,
            )
    # transformers raises any of these if settings contradict each other and a layer of these sizes cannot be built.
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError, ZeroDivisionError) as error:
        why = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"{folder}: transformers cannot build the network that config.json describes ({type(error).__name__}: "
            f"{why}); copy or download config.json again"
        ) from error
    check_whole(network, LoadReport.of(info), stored, model, folder)
    tied = read_settings(folder / CONFIG).get("tie_word_embeddings", ARCHITECTURES[config.model_type].tied)
    check_ties(network, tied, stored, lambda names: read_tensors(folder, names), folder)
    return network


def _restore_fp32_buffers(network: Any, folder: Path) -> None:
    # Buffers that were created in bf16 are, for example, embedding scales and rotary frequencies.
    rounded = [(name, buffer) for name, buffer in network.named_buffers() if buffer.dtype is torch.bfloat16]
    if not rounded:
        return
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        made = dict(type(network)(network.config).named_buffers())
    stored = read_tensors(folder, [name for name, _ in rounded])
    for name, buffer in rounded:
        path, _, own = name.rpartition(".")
        module = network.get_submodule(path)
        values = None if own in module._non_persistent_buffers_set else stored.get(name)
        setattr(module, own, (made[name] if values is None else values).to(buffer.device, torch.float32))


def _auto_class_and_options(model_type: str) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    architecture = ARCHITECTURES[model_type]
    match architecture.family:
        case ModelFamily.ENCODER:
            return AutoModel, {"add_pooling_layer": False} if architecture.pooler else {}
        case ModelFamily.ENCODER_DECODER:
            return AutoModelForSeq2SeqLM, {}
        case ModelFamily.DECODER:
            return AutoModelForCausalLM, {}

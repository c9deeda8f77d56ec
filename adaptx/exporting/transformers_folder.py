"""A transformers folder: merged weights and tokenizer, with the library's own head where ours has its shape."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from adaptx.backbones.own_tensors import LANGUAGE_MODEL_HEADS
from adaptx.backbones.sites import sites_of
from adaptx.formats.heads import LinearHead
from adaptx.formats.interface import TrainedHead
from adaptx.formats.masked_language_model import LanguageModelHead
from adaptx.methods import attach
from adaptx.methods.lora import fold
from adaptx.methods.module import Module, restore
from adaptx.specs import Hidden, Lora, MaskedLanguageModel, QuestionAnswering, Tagging, TaskFormat

AUTO_CLASSES: dict[type[TaskFormat], str] = {
    Tagging: "AutoModelForTokenClassification",
    QuestionAnswering: "AutoModelForQuestionAnswering",
    MaskedLanguageModel: "AutoModelForMaskedLM",
}
"""Formats whose head is that of the library's class over the last layer.

Classification and multiple choice are not among them: BERT's classes put a pooler's dense layer and tanh between, those
of XLM-R a dense layer and tanh of the head's own.
"""
HEADS_ALIKE = ("bert", "xlm-roberta", "xlm-roberta-xl")
"""Architectures whose classes hold these heads: others put layers between (ModernBERT), or are not encoders."""
_LINEAR: dict[type[TaskFormat], str] = {Tagging: "classifier", QuestionAnswering: "qa_outputs"}


def merge(network: Any, modules: Sequence[Module]) -> None:
    """Put full fine-tuned weights and LoRA modules, lowest first, into the weights of a bare network."""
    for number, module in enumerate(modules):
        restore(attach(network, sites_of(network), module.method, f"merged{number}"), module.tensors)
    if any(isinstance(module.method, Lora) for module in modules):
        fold(network)


def auto_class(head: TrainedHead | None, framing: Hidden, config: Any) -> str | None:
    """The class that holds this head as it is, or None. Such classes read the last layer of an encoder."""
    if head is None or framing.layer is not None or config.model_type not in HEADS_ALIKE:
        return None
    # BERT's class takes the checkpoint's activation for the one in its head, which is GELU in ours.
    if isinstance(head.format, MaskedLanguageModel) and getattr(config, "hidden_act", "gelu") != "gelu":
        return None
    return AUTO_CLASSES.get(type(head.format))


def write_transformers(network: Any, head: TrainedHead | None, framing: Hidden, tokenizer: Any, folder: Path) -> None:
    """Write a merged network, under the library's class for its head where there is one, with its tokenizer."""
    labels: tuple[str, ...] = getattr(head.format, "labels", ()) if head is not None else ()
    if labels:
        network.config.id2label = dict(enumerate(labels))
        network.config.label2id = {label: number for number, label in enumerate(labels)}
    name = auto_class(head, framing, network.config)
    whole = network if name is None or head is None else _with_head(network, name, head)
    whole.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _with_head(network: Any, name: str, head: TrainedHead) -> Any:
    import transformers

    # Made without memory: its backbone is replaced by the one there is, its head by ours.
    with torch.device("meta"):
        whole: Any = getattr(transformers, name).from_config(network.config, trust_remote_code=False)
    setattr(whole, whole.base_model_prefix, network)
    if isinstance(head.module, LinearHead):
        setattr(whole, _LINEAR[type(head.format)], head.module.linear)
    else:
        assert isinstance(head.module, LanguageModelHead)
        _set_language_model_head(whole, head.module)
    return whole.eval()


def _set_language_model_head(whole: Any, head: nn.Module) -> None:
    """Our head's tensors under the library's names; its decoder is tied to the embeddings again."""
    decoder = whole.get_output_embeddings()
    decoder.weight = whole.get_input_embeddings().weight
    for theirs, ours in LANGUAGE_MODEL_HEADS[whole.config.model_type].items():
        for name, tensor in head.state_dict().items():
            if name.startswith(ours):
                path, _, last = (theirs + name.removeprefix(ours)).rpartition(".")
                parameter = nn.Parameter(tensor.clone())
                setattr(whole.get_submodule(path), last, parameter)
                if name == "bias":
                    decoder.bias = parameter

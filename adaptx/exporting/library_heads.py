"""Put an adaptx head into a class of transformers, where a class exists that computes exactly the same.

Heads on tokens (tags, span answers) are one linear map in most classes, as in adaptx. Classes with a head on a pooled
vector read the first token, and apply a dense layer and a nonlinearity before the linear map. Here the dense layer is
made the identity, and the nonlinearity must do nothing: DeBERTa's can be switched off, and tanh is almost the identity
for small inputs (see `TANH_SCALE`). Classes with other nonlinearities (DistilBERT, ModernBERT) are not used, nor are
the classes for decoders, because their linear map has no bias.
"""

from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.backbone import Backbone
from adaptx.formats.heads import LinearHead
from adaptx.formats.interface import TrainedHead
from adaptx.formats.masked_language_model import LanguageModelHead
from adaptx.specs import (
    Classification,
    Hidden,
    MaskedLanguageModel,
    ModelFamily,
    MultipleChoice,
    Pooling,
    QuestionAnswering,
    Tagging,
    TaskFormat,
)
from adaptx.specs.architectures import ARCHITECTURES
from adaptx.specs.architectures.architecture import HeadPlace, LibraryHeads

AUTO_CLASSES: dict[type[TaskFormat], str] = {
    Classification: "AutoModelForSequenceClassification",
    MultipleChoice: "AutoModelForMultipleChoice",
    Tagging: "AutoModelForTokenClassification",
    QuestionAnswering: "AutoModelForQuestionAnswering",
    MaskedLanguageModel: "AutoModelForMaskedLM",
}
"""The auto class of transformers that loads an exported model with a head, by the task's format."""

TANH_SCALE = 2.0**-14
"""The factor s by which the dense layer scales tanh's input down; the linear map scales it up again.

tanh(s x) / s differs from x by the relative error s**2 x**2 / 3,
which is 1e-7 at x = 9. In half precision, x / s and s x stay within the range as well."""


def place_of(task_format: TaskFormat, framing: Hidden, heads: LibraryHeads) -> HeadPlace | None:
    """Return where the library's class for a format holds a linear head, or None if it computes something else.

    The library's classes read the last layer, so the result is None if the framing reads another layer.
    """
    if framing.layer is not None:
        return None
    match task_format:
        case Tagging():
            return heads.tags
        case QuestionAnswering():
            return heads.spans
        case Classification() if framing.pooling is Pooling.FIRST:
            return heads.classification
        case MultipleChoice() if framing.pooling is Pooling.FIRST:
            return heads.choice
        case _:
            return None


def in_library(task_format: TaskFormat, framing: Hidden, config: Any) -> bool:
    """Return whether a class of the library computes exactly what adaptx does for this format and framing."""
    heads = ARCHITECTURES[config.model_type].library_heads
    if isinstance(task_format, MaskedLanguageModel):
        # BERT's class uses the checkpoint's activation in its head; adaptx's head always uses GELU.
        plain = getattr(config, "hidden_act", "gelu") == "gelu"
        return heads.masked and framing.layer is None and plain
    return place_of(task_format, framing, heads) is not None


def library_model(backbone: Backbone, config: Any, head: TrainedHead, framing: Hidden) -> Any:
    """Return a model of the library's class with the backbone's layers and the head.

    config: the configuration of the backbone's network.
    """
    import transformers

    place = place_of(head.format, framing, backbone.architecture.library_heads)
    for name, value in place.settings if place is not None else ():
        setattr(config, name, value)
    # Built on the meta device, without memory, because its backbone and head are replaced by the existing ones.
    with torch.device("meta"):
        whole: Any = getattr(transformers, AUTO_CLASSES[type(head.format)]).from_config(config, trust_remote_code=False)
    _put_backbone(whole, backbone)
    if place is None:
        assert isinstance(head.module, LanguageModelHead)
        _put_language_model_head(whole, head.module)
    else:
        assert isinstance(head.module, LinearHead)
        _put_linear(whole, place, head.module.linear)
    return whole.eval()


def _put_backbone(whole: Any, backbone: Backbone) -> None:
    network, prefix = backbone.network, whole.base_model_prefix
    match backbone.architecture.family:
        case ModelFamily.ENCODER:
            if getattr(getattr(whole, prefix), "pooler", None) is not None:
                # The bare network was loaded without the pooler that this class reads.
                network.pooler = getattr(whole, prefix).pooler
            setattr(whole, prefix, network)
        case ModelFamily.ENCODER_DECODER:
            encoder = getattr(whole, prefix)
            encoder.shared, encoder.encoder = network.shared, network.encoder
        case ModelFamily.DECODER:
            setattr(whole, prefix, backbone.stack)


def _put_linear(whole: Any, place: HeadPlace, linear: nn.Linear) -> None:
    weight, bias = linear.weight.detach().float(), linear.bias.detach().float()
    scale = TANH_SCALE if place.tanh else 1.0
    if place.dense:
        size = weight.shape[1]
        _set(whole, place.dense, scale * torch.eye(size), torch.zeros(size))
    _set(whole, place.linear, weight / scale, bias.clone())


def _set(whole: Any, path: str, weight: Tensor, bias: Tensor) -> None:
    module = whole.get_submodule(path)
    module.weight, module.bias = nn.Parameter(weight), nn.Parameter(bias)


def _put_language_model_head(whole: Any, head: nn.Module) -> None:
    decoder, masked = whole.get_output_embeddings(), ARCHITECTURES[whole.config.model_type].masked_head
    decoder.weight = whole.get_input_embeddings().weight
    assert masked is not None
    for theirs, ours in masked.names.items():
        for name, tensor in head.state_dict().items():
            if name.startswith(ours):
                path, _, last = (theirs + name.removeprefix(ours)).rpartition(".")
                parameter = nn.Parameter(tensor.clone())
                setattr(whole.get_submodule(path), last, parameter)
                if name == "bias":
                    decoder.bias = parameter

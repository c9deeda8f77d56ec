"""Write a transformers folder: the merged weights, with the head in a model class that can hold it, and a tokenizer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import padding_id
from adaptx.backbones.quiet import quiet_loading
from adaptx.exporting.library_heads import AUTO_CLASSES, in_library, library_model
from adaptx.exporting.own_model import own_model, write_code
from adaptx.exporting.reading_tokenizer import TextReading, write_tokenizer
from adaptx.exporting.script import takes_types
from adaptx.formats.interface import TrainedHead
from adaptx.specs import Hidden, Tagging


@dataclass(frozen=True)
class HeadClass:
    """The class that loads a folder with a head. own: whether it is a class of adaptx, whose code is in the folder."""

    auto_class: str
    own: bool


def write_bare(network: Any, tokenizer: Any, max_length: int, folder: Path) -> None:
    """Write a merged network that has no head, and a tokenizer that adds no prefix to texts."""
    with quiet_loading():
        network.save_pretrained(folder)
    write_tokenizer(tokenizer, TextReading("", max_length, _names(network, tokenizer)), folder)


def write_with_head(
    backbone: Backbone, config: Any, head: TrainedHead, framing: Hidden, tokenizer: Any, max_length: int, folder: Path
) -> HeadClass:
    """Write a merged backbone and its head as one model, of a class of transformers or, if there is none, of adaptx.

    backbone: cannot be used afterwards. config: the configuration of the checkpoint's network.

    Raises:
        UserError: the tokenizer cannot put the framing's prefix before a text.
    """
    names, words = _names(backbone.network, tokenizer), isinstance(head.format, Tagging)
    write_tokenizer(tokenizer, TextReading(framing.prefix, max_length, names, words), folder)
    labels = head.format.labels
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: number for number, label in enumerate(labels)}
    if config.pad_token_id is None:
        config.pad_token_id = padding_id(tokenizer)
    found = HeadClass(AUTO_CLASSES[type(head.format)], own=not in_library(head.format, framing, config))
    whole: Any = (own_model if found.own else library_model)(backbone, config, head, framing)
    with quiet_loading():
        whole.save_pretrained(folder)
    if found.own:
        write_code(folder)
    return found


def _names(network: Any, tokenizer: Any) -> tuple[str, ...]:
    types = ("token_type_ids",) if takes_types(network, tokenizer) else ()
    return ("input_ids", *types, "attention_mask")

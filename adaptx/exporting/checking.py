"""Check an exported folder: load it as its user will, and compare its logits for probe texts with those of adaptx.

Suffixes of tensor and array names, one letter per dimension: N sequences, L tokens of a sequence, C outputs for a
sequence or token.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import Encoding, collate, encode_texts
from adaptx.backbones.quiet import quiet_loading
from adaptx.errors import UserError
from adaptx.exporting.own_model import class_of
from adaptx.exporting.reading_tokenizer import empty_is_same
from adaptx.exporting.transformers_folder import HeadClass
from adaptx.formats.interface import Reading, TrainedHead
from adaptx.formats.masked_language_model import LanguageModelHead
from adaptx.formats.tagging import SentenceParts, words_stand_alone
from adaptx.specs import Classification, MultipleChoice, Tagging

TOLERANCE = 1e-3
"""Largest allowed difference between a logit of the folder and adaptx's, relative to the largest logit.

Differences of about 1e-5 are normal in deep networks, because fp32 rounds the same sum differently in another order.
"""
TEXTS = ("This is a sentence.", "One word, then 3 others: ä 中文 ?", "x", "")
PAIRS = ("And another one, which is longer.", "", "y z", "Something")


@dataclass(frozen=True)
class Probes:
    """Probe texts, with the token ids and logits that adaptx computes for them.

    given: per text, the arguments for the folder's tokenizer. encoded: the token ids. logits: per text, a tensor [C],
    or [L, C] if every token has logits.
    """

    given: list[dict[str, Any]]
    encoded: Encoding
    logits: list[Tensor]


def probe(backbone: Backbone, head: TrainedHead, reading: Reading) -> Probes:
    """Return probe texts that fit the head's format, with adaptx's logits for them.

    For tagging, the texts are short sentences. For other formats, they are single texts and pairs of texts, some empty
    and some longer than the model reads.
    """
    framing = reading.hidden
    given, encoded = _probe_sentences(reading) if isinstance(head.format, Tagging) else _probe_texts(reading)
    logits: list[Tensor] = []
    with torch.no_grad():
        for index in range(len(encoded)):
            batch = collate(encoded, [index], torch.device("cpu"))
            if isinstance(head.format, Classification | MultipleChoice):
                logits.append(head.module(backbone.pooled(batch, framing))[0])
                continue
            found = head.module(backbone.hidden(batch, framing.layer)[: len(encoded.ids[index])])
            if isinstance(head.module, LanguageModelHead):
                found = found @ head.module.output.weight_VD.T + head.module.bias
            logits.append(found)
    return Probes(given, encoded, logits)


def _probe_texts(reading: Reading) -> tuple[list[dict[str, Any]], Encoding]:
    """Return single texts and pairs of texts, as arguments for the folder's tokenizer and as adaptx encodes them."""
    tokenizer, prefix, long = reading.tokenizer, reading.hidden.prefix, " ".join(["word"] * reading.max_length)
    rows: list[tuple[str, ...]] = [(text,) for text in (*TEXTS, long)]
    rows += zip((*TEXTS, long), (*PAIRS, long), strict=True)
    if prefix and tokenizer.is_fast and not empty_is_same(tokenizer, prefix):
        rows = [row for row in rows if all(row)]
    parts = [encode_texts(tokenizer, row[:1], row[1:] or None, prefix, reading.max_length) for row in rows]
    # Without special tokens, an empty text has no tokens at all. adaptx then reads the token that ends or begins texts.
    # A tokenizer alone cannot do that, so there is no answer of the library to compare.
    kept = [
        (row, part)
        for row, part in zip(rows, parts, strict=True)
        if tokenizer(*(prefix + text for text in row))["input_ids"]
    ]
    types = [part.types[0] for _, part in kept if part.types is not None]
    encoded = Encoding([part.ids[0] for _, part in kept], types or None, parts[0].pad, 0)
    # Each text is in a list, because the tokenizer ignores an empty second text outside of a list.
    names = ("text", "text_pair")
    return [{name: [text] for name, text in zip(names, row, strict=False)} for row, _ in kept], encoded


def _probe_sentences(reading: Reading) -> tuple[list[dict[str, Any]], Encoding]:
    sentences = [text.split() for text in TEXTS if text]
    encoded = SentenceParts(sentences, reading).encoded
    if words_stand_alone(reading.tokenizer):
        return [{"text": [words], "is_split_into_words": True} for words in sentences], encoded
    return [{"text": [" ".join(words)]} for words in sentences], encoded


def check_folder(folder: Path, found: HeadClass, head: TrainedHead, probes: Probes) -> float:
    """Load the folder, compare its logits with those of the probes, and return the largest relative difference.

    Raises:
        UserError: tensors are missing or unexpected, or tokens or logits differ from those of adaptx.
    """
    import transformers

    auto: Any = class_of(head.format) if found.own else getattr(transformers, found.auto_class)
    with quiet_loading():
        model, info = auto.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
        auto_tokenizer: Any = transformers.AutoTokenizer
        tokenizer = auto_tokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if lost := sorted({*info["missing_keys"], *info["unexpected_keys"]}):
        raise UserError(_differs(f"the tensors {', '.join(lost[:6])} are not loaded"))
    largest = 0.0
    for given, ids, wanted in zip(probes.given, probes.encoded.ids, probes.logits, strict=True):
        read: Any = tokenizer(**given, truncation=True, return_tensors="pt")
        if read["input_ids"][0].tolist() != ids:
            raise UserError(_differs(f"its tokenizer splits {str(given)[:60]} into other tokens"))
        with torch.no_grad(), warnings.catch_warnings():
            # BLOOM's class for span answers passes a deprecated argument to its layers.
            warnings.simplefilter("ignore", FutureWarning)
            largest = max(largest, _difference(_logits(model, read, head), wanted))
    if not largest < TOLERANCE:
        raise UserError(_differs(f"logits differ by {largest:.2g} of the largest"))
    return largest


def _logits(model: Any, given: Any, head: TrainedHead) -> Tensor:
    if isinstance(head.format, MultipleChoice):
        given = {name: tensor.unsqueeze(1) for name, tensor in given.items()}
    output = model.eval()(**given)
    if "start_logits" in output:
        return torch.stack([output["start_logits"][0], output["end_logits"][0]], dim=-1)
    return output["logits"][0]


def _difference(found: Tensor, wanted: Tensor) -> float:
    if found.shape != wanted.shape:
        return float("inf")
    return float((found.float() - wanted).abs().max() / wanted.abs().max().clamp(min=1))


def _differs(what: str) -> str:
    import transformers

    return (
        f"loaded by transformers {transformers.__version__}, the folder does not answer as adaptx does: {what}. "
        "Nothing was written. Please report this; until then, use `adaptx predict STAGE FILE`"
    )

"""The tokenizer of an exported folder, which reads a text or a pair as adaptx does, including the framing's prefix.

The prefix's tokens count as special tokens, like `[CLS]`. Therefore the prefix is put before an empty text too, and no
answer or tag can lie inside it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptx.backbones.pairs import without_template
from adaptx.errors import UserError
from adaptx.store.store import read_json, write_json

SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
CONFIG_FILE = "tokenizer_config.json"
# This class uses tokenizer.json unchanged. Classes of some architectures rebuild parts of that file, in ways that
# depend on the version of transformers.
GENERIC = "PreTrainedTokenizerFast"
_PREFIX = "prefix"
_PROBES = ("a", "Ab", "1 b", "(a)", "?", "ä", "中文")
_MOST_KNOWN = 500


@dataclass(frozen=True)
class TextReading:
    """The settings with which a tokenizer reads texts.

    names: names of the tensors that the network takes. words: whether texts are given as lists of words, as for
    tagging; words are tokenized separately from the prefix.
    """

    prefix: str
    max_length: int
    names: tuple[str, ...]
    words: bool = False


def write_tokenizer(tokenizer: Any, reading: TextReading, folder: Path) -> None:
    """Write a tokenizer that puts the prefix before each text and cuts texts at `reading.max_length` tokens.

    Raises:
        UserError: the tokenizer cannot put the prefix before a text.
    """
    if not tokenizer.is_fast:
        if reading.prefix:
            raise UserError(_unprefixed(reading.prefix, tokenizer))
        tokenizer.model_max_length, tokenizer.padding_side = reading.max_length, "right"
        tokenizer.save_pretrained(folder)
        return
    _generic(tokenizer, reading).save_pretrained(folder)
    # transformers 5 writes a class name that version 4 does not know.
    write_json(folder / CONFIG_FILE, {**read_json(folder / CONFIG_FILE), "tokenizer_class": GENERIC})


def empty_is_same(tokenizer: Any, prefix: str) -> bool:
    """Return whether the prefix has the same tokens before an empty text as before any other text."""
    return _content(tokenizer, prefix) == _prefix_ids(tokenizer, prefix, words=False)


def _generic(tokenizer: Any, reading: TextReading) -> Any:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    if reading.prefix:
        _put_prefix_before_texts(backend, tokenizer, reading)
    special = {name: str(token) for name in SPECIAL if (token := getattr(tokenizer, name)) is not None}
    if "pad_token" not in special:
        # Padding is masked, so any token can be used.
        special["pad_token"] = special.get("eos_token") or special["unk_token"]
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=reading.max_length,
        model_input_names=list(reading.names),
        padding_side="right",
        truncation_side=tokenizer.truncation_side,
        clean_up_tokenization_spaces=False,
        **special,
    )


def _put_prefix_before_texts(backend: Any, tokenizer: Any, reading: TextReading) -> None:
    from tokenizers import processors

    tokens = {_PREFIX: _prefix_ids(tokenizer, reading.prefix, reading.words)}
    template = processors.TemplateProcessing(
        single=_template_pieces(tokenizer("a"), tokens),
        pair=_template_pieces(tokenizer("a", "a"), tokens),
        special_tokens=[
            {"id": name, "ids": each, "tokens": tokenizer.convert_ids_to_tokens(each)} for name, each in tokens.items()
        ],
    )
    backend.post_processor = processors.Sequence([*without_template(backend.post_processor), template])


def _prefix_ids(tokenizer: Any, prefix: str, words: bool) -> list[int]:
    """Return the token ids that the prefix has before a text.

    Raises:
        UserError: putting the prefix before a text changes the tokens of some text.
    """
    if words:
        return _content(tokenizer, prefix)
    texts = [*_PROBES, *_texts_of_some_tokens(tokenizer)]
    behind, alone = (_contents(tokenizer, [before + text for text in texts]) for before in (prefix, ""))
    ids = behind[0][: len(behind[0]) - len(alone[0])]
    if any(one != ids + other for one, other in zip(behind, alone, strict=True)):
        raise UserError(_unprefixed(prefix, tokenizer))
    return ids


def _texts_of_some_tokens(tokenizer: Any) -> list[str]:
    size = len(tokenizer)
    texts = tokenizer.batch_decode([[token] for token in range(0, size, max(1, size // _MOST_KNOWN))])
    # Some tokenizers do not decode the mark of a word's beginning to a space.
    plain = (text.replace("▁", " ").strip() for text in texts)
    special = set(tokenizer.all_special_tokens)
    return [text for text in plain if text and text not in special]


def _contents(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def _content(tokenizer: Any, text: str) -> list[int]:
    return _contents(tokenizer, [text])[0]


def _template_pieces(read: Any, tokens: dict[str, list[int]]) -> list[str]:
    """Return the template of special tokens as pieces, such as `special0:0`, `prefix:0`, `$A:0`, `special2:0`.

    read: what the tokenizer returned for a one-letter text (`$A` in the template) or a pair of them (`$A`, `$B`).
    tokens: the ids of special pieces are added here.
    """
    sides = read.sequence_ids(0)
    kinds = read.get("token_type_ids") or [0] * len(sides)
    pieces: list[str] = []
    for token, side, kind in zip(read["input_ids"], sides, kinds, strict=True):
        if side is None:
            tokens[f"special{token}"] = [token]
            pieces.append(f"special{token}:{kind}")
        elif (text := f"${'AB'[side]}:{kind}") not in pieces:
            pieces += [f"{_PREFIX}:{kind}", text]
    return pieces


def _unprefixed(prefix: str, tokenizer: Any) -> str:
    return (
        f"it was trained with the prefix {prefix!r} before each text, which the tokenizer ({type(tokenizer).__name__}) "
        "cannot add, because it would then split the text's first word into other tokens; use --to peft, whose "
        "predict.py adds the prefix, or `adaptx predict STAGE FILE`"
    )

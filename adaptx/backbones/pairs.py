"""Pairs of texts where tokenizers put nothing between them, or no more than the token that begins a text."""

from typing import Any

from adaptx.catalog.reading import PAIR_SEPARATOR
from adaptx.specs import ModelFamily

SEPARATOR = "separator"
"""What the separator is called inside a template; it may be several tokens."""


def separate_pairs(tokenizer: Any, family: ModelFamily) -> None:
    """Let a fast tokenizer read a pair as its single texts one after the other, with a separator between them.

    A decoder's has one behind the second, too: a pair's last token has then seen all of it, and is no part of it. Those
    of encoders, and of encoder-decoders that have something between two texts, are left as they are.
    """
    if family is ModelFamily.DECODER:
        _set_template(tokenizer, separator(tokenizer), behind=True)
    elif family is ModelFamily.ENCODER_DECODER and tokenizer.is_fast and not _divides(tokenizer):
        _set_template(tokenizer, [tokenizer.eos_token_id], behind=False)


def _divides(tokenizer: Any) -> bool:
    """Whether a special token stands between the two texts of a pair."""
    sides = tokenizer("a", "a").sequence_ids(0)
    return None in sides[sides.index(0) : sides.index(1)]


def _set_template(tokenizer: Any, ids: list[int], behind: bool) -> None:
    from tokenizers import processors

    before, after = _around(tokenizer)
    pieces = {f"special{token}": [token] for token in (*before, *after)}
    begin, end = ([f"special{token}:0" for token in tokens] for tokens in (before, after))
    template = processors.TemplateProcessing(
        single=[*begin, "$A:0", *end],
        pair=[*begin, "$A:0", f"{SEPARATOR}:0", "$B:1", *([f"{SEPARATOR}:1"] if behind else []), *end],
        special_tokens=[
            {"id": name, "ids": tokens, "tokens": tokenizer.convert_ids_to_tokens(tokens)}
            for name, tokens in {**pieces, SEPARATOR: ids}.items()
        ],
    )
    backend = tokenizer.backend_tokenizer
    # What else is there (byte-level tokenizers take the space before a word out of its offsets) stays.
    backend.post_processor = processors.Sequence([*without_template(backend.post_processor), template])
    # mBART's would put its own template, with the language it writes in, there again at each call.
    tokenizer._switch_to_input_mode = _stay


def _stay() -> None:
    """Changes nothing."""


def separator(tokenizer: Any) -> list[int]:
    """The separator's tokens: those of a newline, else the tokenizer's end-of-text token."""
    ids = tokenizer(PAIR_SEPARATOR, add_special_tokens=False)["input_ids"]
    if ids and tokenizer.unk_token_id not in ids and tokenizer.decode(ids) == PAIR_SEPARATOR:
        return ids
    return [tokenizer.eos_token_id]


def _around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Special tokens before and after a single text."""
    output: Any = tokenizer("a", return_special_tokens_mask=True)
    ids, special = output["input_ids"], output["special_tokens_mask"]
    first, last = special.index(0), len(special) - special[::-1].index(0)
    return ids[:first], ids[last:]


def without_template(processor: Any) -> list[Any]:
    """Return the parts of a post-processor (None: there is none) that add no tokens."""
    from tokenizers import processors

    if processor is None:
        return []
    several: Any = processor if isinstance(processor, processors.Sequence) else [processor]
    return [part for part in several if isinstance(part, processors.ByteLevel)]

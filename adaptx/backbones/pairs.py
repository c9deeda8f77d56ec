"""Separators between the two texts of a pair, for tokenizers that put nothing, or only a begin token, between them."""

from typing import Any

from adaptx.catalog.reading import PAIR_SEPARATOR
from adaptx.specs import ModelFamily

SEPARATOR = "separator"
"""The separator's name inside a template. The separator may be several tokens."""


def separate_pairs(tokenizer: Any, family: ModelFamily) -> None:
    """Make a fast tokenizer put a separator between the two texts of a pair, if its family needs one.

    The tokenizer of an encoder stays unchanged. So does the tokenizer of an encoder-decoder if it already separates the
    texts. A decoder's tokenizer gets a separator after the second text as well, so that the last token of a pair
    belongs to neither text and attends to both.
    """
    if family is ModelFamily.DECODER:
        _set_template(tokenizer, separator(tokenizer), behind=True)
    elif family is ModelFamily.ENCODER_DECODER and tokenizer.is_fast and not _separates_pairs(tokenizer):
        _set_template(tokenizer, [tokenizer.eos_token_id], behind=False)


def _separates_pairs(tokenizer: Any) -> bool:
    sides = tokenizer("a", "a").sequence_ids(0)
    return None in sides[sides.index(0) : sides.index(1)]


def _set_template(tokenizer: Any, ids: list[int], behind: bool) -> None:
    from tokenizers import processors

    before, after = _special_tokens_around(tokenizer)
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
    # Keep other processors: in byte-level tokenizers, one removes the space before a word from the word's offsets.
    backend.post_processor = processors.Sequence([*without_template(backend.post_processor), template])
    # At each call, mBART's tokenizer would restore its own template, which contains a language token.
    tokenizer._switch_to_input_mode = _do_nothing


def _do_nothing() -> None:
    """Do nothing, in place of a method of mBART's tokenizer."""


def separator(tokenizer: Any) -> list[int]:
    """Return the separator's tokens: a newline if the tokenizer can represent it, else the end-of-text token."""
    ids = tokenizer(PAIR_SEPARATOR, add_special_tokens=False)["input_ids"]
    if ids and tokenizer.unk_token_id not in ids and tokenizer.decode(ids) == PAIR_SEPARATOR:
        return ids
    return [tokenizer.eos_token_id]


def _special_tokens_around(tokenizer: Any) -> tuple[list[int], list[int]]:
    output: Any = tokenizer("a", return_special_tokens_mask=True)
    ids, special = output["input_ids"], output["special_tokens_mask"]
    first, last = special.index(0), len(special) - special[::-1].index(0)
    return ids[:first], ids[last:]


def without_template(processor: Any) -> list[Any]:
    """Return the parts of a tokenizer's post-processor that add no tokens. Without a post-processor there are none."""
    from tokenizers import processors

    if processor is None:
        return []
    several: Any = processor if isinstance(processor, processors.Sequence) else [processor]
    return [part for part in several if isinstance(part, processors.ByteLevel)]

"""How well a tokenizer's vocabulary serves a language: tokens per word and the share of unknown tokens.

Scripts written without spaces have no words to count, so there each character counts as one.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from adaptx.backbones.batching import Encoding

_MARKS = {"Mn", "Mc", "Me", "Cf"}
# Han, kana, Thai, Lao, Khmer and Myanmar, a character each; elsewhere runs of letters and digits.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTER = rf"[^\W{_UNSPACED}]"
# An apostrophe between letters belongs to the word (Quechua and Aymara write ejectives so, Guarani its glottal stop).
_WORD = re.compile(rf"[{_UNSPACED}]|{_LETTER}(?:['\u2019]?{_LETTER})*")


@dataclass(frozen=True)
class TextStatistics:
    tokens_per_word: float
    unknown_share: float
    truncated_share: float


def num_words(text: str) -> int:
    """Words of a text; characters, in scripts written without spaces."""
    # Vowel signs and joiners are no letters to a regular expression, and would cut a word in two.
    kept = "".join(letter for letter in text if unicodedata.category(letter) not in _MARKS)
    return len(_WORD.findall(kept))


def text_statistics(texts: Iterable[str], encoded: Iterable[Encoding], tokenizer: Any) -> TextStatistics:
    """Over all texts of a set: tokens (special ones left out) per word, unknown tokens and texts cut, as shares."""
    special = {token for token in tokenizer.all_special_ids if token != tokenizer.unk_token_id}
    sequences = [sequence for part in encoded for sequence in part.ids]
    tokens = [token for sequence in sequences for token in sequence if token not in special]
    words = sum(num_words(text) for text in texts)
    truncated = sum(part.truncated for part in encoded)
    unknown = sum(token == tokenizer.unk_token_id for token in tokens)
    return TextStatistics(
        len(tokens) / max(1, words), unknown / max(1, len(tokens)), truncated / max(1, len(sequences))
    )

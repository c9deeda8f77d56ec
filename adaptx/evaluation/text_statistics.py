"""How well a tokenizer's vocabulary covers a language: tokens per word and share of unknown tokens."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from adaptx.backbones.batching import Encoding

_MARKS = {"Mn", "Mc", "Me", "Cf"}
# Scripts without spaces (Han, kana, Thai, Lao, Khmer and Myanmar), where each character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTER = rf"[^\W{_UNSPACED}]"
# Elsewhere a word is a run of letters and digits. An apostrophe between letters belongs to the word: it marks ejectives
# in Quechua and Aymara, and the glottal stop in Guarani.
_WORD = re.compile(rf"[{_UNSPACED}]|{_LETTER}(?:['\u2019]?{_LETTER})*")


@dataclass(frozen=True)
class TextStatistics:
    """Statistics of a set of texts. Shares are in [0, 1]."""

    tokens_per_word: float
    unknown_share: float
    truncated_share: float


def num_words(text: str) -> int:
    """Return the number of words of a text. In scripts without spaces, each character counts as a word."""
    # Vowel signs and joiners are not letters to a regular expression and would split a word, so remove them.
    kept = "".join(letter for letter in text if unicodedata.category(letter) not in _MARKS)
    return len(_WORD.findall(kept))


def text_statistics(texts: Iterable[str], encoded: Iterable[Encoding], tokenizer: Any) -> TextStatistics:
    """Return the statistics of a set of texts. Special tokens are not counted."""
    special = {token for token in tokenizer.all_special_ids if token != tokenizer.unk_token_id}
    sequences = [sequence for part in encoded for sequence in part.ids]
    tokens = [token for sequence in sequences for token in sequence if token not in special]
    words = sum(num_words(text) for text in texts)
    truncated = sum(part.truncated for part in encoded)
    unknown = sum(token == tokenizer.unk_token_id for token in tokens)
    return TextStatistics(
        len(tokens) / max(1, words), unknown / max(1, len(tokens)), truncated / max(1, len(sequences))
    )

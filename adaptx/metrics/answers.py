"""Compare answer strings by exact match and F1 of words. Of several gold answers, the one with the best score counts.

Rajpurkar et al. 2016 (arXiv:1606.05250), section 6.1. A normaliser decides what the words of an answer are: SQuAD's is
in this file, MLQA's in `mlqa.py`.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from adaptx.errors import UserError

Normaliser = Callable[[str], str]
AnswerScore = Callable[[str, Sequence[str], Normaliser], float]

PUNCTUATION = frozenset(string.punctuation)
_ENGLISH_ARTICLES = re.compile(r"\b(a|an|the)\b")

once_per_text = lru_cache(maxsize=2**16)
"""A cache for normalisers. Several metrics normalise the same texts of a set, and the cache is larger than a set."""


@once_per_text
def normalise(text: str) -> str:
    """Return a text as SQuAD compares it: in lower case, without ASCII punctuation, English articles and extra space.
    Source: evaluate-v1.1.py `normalize_answer`; v2.0's is the same.
    """
    unpunctuated = "".join(character for character in text.lower() if character not in PUNCTUATION)
    return " ".join(_ENGLISH_ARTICLES.sub(" ", unpunctuated).split())


def exact_match(prediction: str, golds: Sequence[str], normaliser: Normaliser) -> float:
    """Return 1 if the normalised prediction equals one of the normalised gold answers, else 0.

    Raises:
        UserError: there is no gold answer.
    """
    _check_golds(golds)
    normalised = normaliser(prediction)
    return float(any(normalised == normaliser(gold) for gold in golds))


def word_f1(prediction: str, golds: Sequence[str], normaliser: Normaliser) -> float:
    """Return the highest F1 in [0, 1] between the words of the prediction and those of a gold answer.

    The F1 is 0 if they share no word. If both are empty after normalising, they match exactly but their F1 is 0, as in
    SQuAD v1.1 and MLQA.

    Raises:
        UserError: there is no gold answer.
    """
    _check_golds(golds)
    words = normaliser(prediction).split()
    return max(overlap_f1(words, normaliser(gold).split()) for gold in golds)


def overlap_f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    """Return the F1 in [0, 1] of two lists of words, regardless of order; 0 if they share no word."""
    shared = sum((Counter(predicted) & Counter(gold)).values())
    if shared == 0:
        return 0.0
    precision = shared / len(predicted)
    recall = shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def _check_golds(golds: Sequence[str]) -> None:
    if not golds:
        raise UserError(
            "a question has no gold answer, which SQuAD v1.1, TyDiQA and MLQA do not allow; remove the question, or "
            "use the metrics squad_v2_exact_match and squad_v2_f1"
        )

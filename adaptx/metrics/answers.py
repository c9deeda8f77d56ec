"""Answer strings as question answering compares them: exact match and F1 of words, over the best of several golds.

Rajpurkar et al. 2016 (arXiv:1606.05250), section 6.1. What counts as a word is the normaliser's affair: SQuAD's is
here, MLQA's in `mlqa.py`.
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
"""For normalisers: each metric goes through all texts of a set, and sets are smaller than this."""


@once_per_text
def normalise(text: str) -> str:
    """Text without case, ASCII punctuation, English articles and extra space, as SQuAD compares answers.

    Source: evaluate-v1.1.py `normalize_answer`; v2.0's is the same.
    """
    unpunctuated = "".join(character for character in text.lower() if character not in PUNCTUATION)
    return " ".join(_ENGLISH_ARTICLES.sub(" ", unpunctuated).split())


def exact_match(prediction: str, golds: Sequence[str], normaliser: Normaliser) -> float:
    """1 where the normalised prediction is one of the normalised golds, else 0.

    Raises:
        UserError: there is no gold.
    """
    _check_golds(golds)
    normalised = normaliser(prediction)
    return float(any(normalised == normaliser(gold) for gold in golds))


def word_f1(prediction: str, golds: Sequence[str], normaliser: Normaliser) -> float:
    """F1 between the words of the prediction and those of the best gold, in [0, 1]; without a shared word 0.

    So two answers of which nothing is left after normalising match exactly and have an F1 of 0, as in v1.1 and MLQA.

    Raises:
        UserError: there is no gold.
    """
    _check_golds(golds)
    words = normaliser(prediction).split()
    return max(overlap_f1(words, normaliser(gold).split()) for gold in golds)


def overlap_f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    """F1 of two bags of words, 0 where they share none."""
    shared = sum((Counter(predicted) & Counter(gold)).values())
    if shared == 0:
        return 0.0
    precision = shared / len(predicted)
    recall = shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def _check_golds(golds: Sequence[str]) -> None:
    if not golds:
        raise UserError(
            "a question has no gold answer, which SQuAD v1.1, TyDiQA and MLQA do not allow: drop the question, or use "
            "the metrics squad_v2_exact_match and squad_v2_f1"
        )

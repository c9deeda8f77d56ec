"""Exact match and F1 of MLQA: answers are normalised by the rules of the language that they are written in."""

import re
import string
import unicodedata
from collections.abc import Sequence
from functools import cache

from adaptx.errors import UserError
from adaptx.metrics.answers import AnswerScore, Normaliser, exact_match, once_per_text, word_f1
from adaptx.metrics.metric import Floats, Metric, check_lengths, mean, one_each

SOURCE = "xtreme evaluate.py `mlqa_em_f1`, which is MLQA's mlqa_evaluation_v1.py (Lewis et al. 2020, arXiv:1910.07475)"

# The Arabic article goes wherever its two letters stand, inside words too. The official pattern has a second branch for
# word starts, but it asks for a line start behind a letter and so matches nothing.
_ARTICLES = {
    "ar": r"ال",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "hi": None,
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "zh": None,
}
# Of the ideographs, the official script cuts only this range into characters: U+9FA6 and later stay inside words.
_IDEOGRAPH = re.compile(r"([\u4e00-\u9fa5])")

LANGUAGES = tuple(_ARTICLES)


@cache
def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


@cache
def normaliser(language: str) -> Normaliser:
    """MLQA's normaliser for answers in `language` (a two-letter code).

    Raises:
        UserError: the official script has no rules for that language.
    """
    if language not in _ARTICLES:
        raise UserError(
            f"MLQA's scorer has no rules for the language {language!r}: it knows {', '.join(LANGUAGES)}. Use "
            "exact_match and f1 for other languages"
        )
    articles = _ARTICLES[language]

    @once_per_text
    def normalise(text: str) -> str:
        text = "".join(character for character in text.lower() if not _is_punctuation(character))
        if articles is not None:
            text = re.sub(articles, " ", text)
        if language == "zh":
            text = _IDEOGRAPH.sub(r" \1 ", text)
        return " ".join(text.split())

    return normalise


def _metric(name: str, score: AnswerScore) -> Metric:
    def statistics(predictions: Sequence[str], golds: Sequence[Sequence[str]], language: str) -> Floats:
        check_lengths(predictions, golds)
        rules = normaliser(language)
        return one_each([score(text, answers, rules) for text, answers in zip(predictions, golds, strict=True)])

    return Metric(name=name, statistics=statistics, value=mean, source=SOURCE, languages=LANGUAGES)


MLQA_EXACT_MATCH = _metric("mlqa_exact_match", exact_match)
MLQA_F1 = _metric("mlqa_f1", word_f1)

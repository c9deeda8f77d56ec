"""Exact match and F1 of MLQA, which normalises each answer by the rules of the answer's language."""

import re
import string
import unicodedata
from collections.abc import Sequence
from functools import cache

from adaptx.errors import UserError
from adaptx.metrics.answers import AnswerScore, Normaliser, exact_match, once_per_text, word_f1
from adaptx.metrics.metric import Floats, Metric, check_lengths, mean, one_each

SOURCE = "xtreme evaluate.py `mlqa_em_f1`, which is MLQA's mlqa_evaluation_v1.py (Lewis et al. 2020, arXiv:1910.07475)"

# The two letters of the Arabic article are removed everywhere, even inside words. The official pattern has a second
# branch for the beginnings of words, but it requires the start of a line after a letter and so never matches.
_ARTICLES = {
    "ar": r"ال",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "hi": None,
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "zh": None,
}
# The official script makes each ideograph of this range a word. Later ideographs (from U+9FA6 on) stay inside words.
_IDEOGRAPH = re.compile(r"([\u4e00-\u9fa5])")

LANGUAGES = tuple(_ARTICLES)


@cache
def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


@cache
def normaliser(language: str) -> Normaliser:
    """Return MLQA's normaliser for answers in `language` (a two-letter code).

    Raises:
        UserError: the official script has no rules for the language.
    """
    if language not in _ARTICLES:
        raise UserError(
            f"MLQA's scorer has no rules for the language {language!r}, only for {', '.join(LANGUAGES)}; use the "
            "metrics exact_match and f1 for other languages"
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

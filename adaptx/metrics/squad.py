"""Exact match and F1 of SQuAD v1.1, which XQuAD and TyDiQA-GoldP use for every language."""

from collections.abc import Sequence

from adaptx.metrics.answers import AnswerScore, exact_match, normalise, word_f1
from adaptx.metrics.metric import Floats, Metric, check_lengths, mean, one_each

SOURCE = "xtreme evaluate.py `squad_em_f1`, which is SQuAD's evaluate-v1.1.py (Rajpurkar et al. 2016, arXiv:1606.05250)"


def _metric(name: str, score: AnswerScore) -> Metric:
    def statistics(predictions: Sequence[str], golds: Sequence[Sequence[str]], _language: str) -> Floats:
        check_lengths(predictions, golds)
        return one_each([score(text, answers, normalise) for text, answers in zip(predictions, golds, strict=True)])

    return Metric(name=name, statistics=statistics, value=mean, source=SOURCE)


EXACT_MATCH = _metric("exact_match", exact_match)
F1 = _metric("f1", word_f1)

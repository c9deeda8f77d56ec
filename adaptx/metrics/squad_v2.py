"""Exact match and F1 of SQuAD v2.0, where a question may have no answer (Rajpurkar et al. 2018, arXiv:1806.03822)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypedDict

from adaptx.metrics.answers import AnswerScore, exact_match, normalise, overlap_f1
from adaptx.metrics.answers import Normaliser as _Normaliser
from adaptx.metrics.metric import Floats, Metric, check_lengths, mean, one_each
from adaptx.specs.formats.question_answering import NO_ANSWER_THRESHOLD

SOURCE = "SQuAD evaluate-v2.0.py (Rajpurkar et al. 2018, arXiv:1806.03822)"


class SpanAnswer(TypedDict):
    """A prediction: the best non-empty answer, and the probability in [0, 1] that there is no answer."""

    text: str
    no_answer: float


class BestThreshold(NamedTuple):
    """The best threshold, and its score, which is a sum over questions."""

    score: float
    threshold: float


def answerable_f1(prediction: str, golds: Sequence[str], normaliser: _Normaliser) -> float:
    """Return the highest word F1 with any gold answer. Unlike in v1.1, the F1 of two answers without words is 1."""
    words = normaliser(prediction).split()
    return max(_f1(words, normaliser(gold).split()) for gold in golds)


def _f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    if not predicted or not gold:
        return float(predicted == gold)
    return overlap_f1(predicted, gold)


def raw_score(score: AnswerScore, text: str, golds: Sequence[str]) -> float:
    """Return the score of a text before the no-answer rule (`thresholded`).

    Gold answers that are empty after normalising are ignored. If none remains, the right answer is the empty string.
    """
    return score(text, [gold for gold in golds if normalise(gold)] or [""], normalise)


def thresholded(raw: float, no_answer: float, golds: Sequence[str], threshold: float) -> float:
    """Return the score under the no-answer rule. If the probability of no answer exceeds the threshold, the prediction
    counts as "no answer". Its score is then 1 if there are no gold answers, and 0 otherwise.
    """
    return float(not golds) if no_answer > threshold else raw


def best_threshold(
    raw: Mapping[str, float],
    texts: Mapping[str, str],
    no_answer: Iterable[tuple[str, float]],
    golds: Mapping[str, object],
) -> BestThreshold:
    """Return the threshold with the highest sum of scores, as the official `find_best_thresh` does.

    The search starts with "no answer" for all questions. It then accepts the predicted texts one by one, by ascending
    probability of no answer. Texts with equal probabilities are accepted in the order of `no_answer`, although no
    threshold separates them.

    Args:
        raw: scores before the no-answer rule, for the questions that have a prediction.
        texts: the predictions, by question.
        no_answer: probabilities of no answer, as pairs of question and probability.
        golds: the gold answers of every question; an empty list, or False, for an unanswerable question.
    """
    current = float(sum(not answers for answers in golds.values()))
    best = BestThreshold(current, 0.0)
    for question, probability in sorted(no_answer, key=lambda pair: pair[1]):
        if question not in raw:
            continue
        current += raw[question] if golds[question] else -float(bool(texts[question]))
        if current > best.score:
            best = BestThreshold(current, probability)
    return best


def _metric(name: str, score: AnswerScore) -> Metric:
    def statistics(predictions: Sequence[SpanAnswer], golds: Sequence[Sequence[str]], _language: str) -> Floats:
        check_lengths(predictions, golds)
        return one_each(
            [
                thresholded(raw_score(score, answer["text"], texts), answer["no_answer"], texts, NO_ANSWER_THRESHOLD)
                for answer, texts in zip(predictions, golds, strict=True)
            ]
        )

    return Metric(name=name, statistics=statistics, value=mean, source=SOURCE)


SQUAD_V2_EXACT_MATCH = _metric("squad_v2_exact_match", exact_match)
SQUAD_V2_F1 = _metric("squad_v2_f1", answerable_f1)

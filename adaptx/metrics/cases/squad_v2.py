"""Cases of SQuAD v2.0.

The inputs are gold answers, sets of predictions, sets of no-answer probabilities, and cases that each name their sets.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adaptx.metrics.answers import exact_match
from adaptx.metrics.cases.case import CaseNode
from adaptx.metrics.cases.scorer import Scorer, attempt, ratio
from adaptx.metrics.official import OfficialStop
from adaptx.metrics.squad_v2 import answerable_f1, best_threshold, raw_score, thresholded

OFFICIAL_THRESHOLD = 1.0
_SCORES = {"exact": exact_match, "f1": answerable_f1}

Golds = Mapping[str, Sequence[str]]
ByQuestion = Mapping[str, float]


def _squad_v2(inputs: CaseNode) -> dict[str, Any]:
    golds = {question: texts.texts() for question, texts in inputs["golds"].items()}
    return {name: attempt(lambda case=case: _score(inputs, golds, case)) for name, case in inputs["cases"].items()}


def _score(inputs: CaseNode, golds: Golds, case: CaseNode) -> dict[str, Any]:
    texts = {question: text.text() for question, text in inputs["predictions"][case["predictions"].text()].items()}
    named, given = case.get("na_probs"), case.get("na_prob_thresh")
    no_answer = inputs["na_probs"][named.text()].numbers() if named else dict.fromkeys(texts, 0.0)
    threshold = given.number() if given else OFFICIAL_THRESHOLD
    raw = {name: _raw(name, texts, golds) for name in _SCORES}
    final = {name: _final(raw[name], no_answer, golds, threshold) for name in _SCORES}
    scores = _averages(final, list(final["exact"]))
    for prefix, wanted in (("HasAns", True), ("NoAns", False)):
        questions = [question for question, answers in golds.items() if bool(answers) == wanted]
        if questions:
            scores |= {f"{prefix}_{name}": value for name, value in _averages(final, questions).items()}
    if named:
        for name in _SCORES:
            best = best_threshold(raw[name], texts, no_answer.items(), golds)
            scores[f"best_{name}"] = 100.0 * best.score / len(raw[name])
            scores[f"best_{name}_thresh"] = best.threshold
    return scores


def _raw(name: str, texts: Mapping[str, str], golds: Golds) -> dict[str, float]:
    return {
        question: raw_score(_SCORES[name], texts[question], answers)
        for question, answers in golds.items()
        if question in texts
    }


def _final(raw: ByQuestion, no_answer: ByQuestion, golds: Golds, threshold: float) -> dict[str, float]:
    """Return each question's score under the no-answer rule.

    Raises:
        OfficialStop: a question has a prediction but no probability of no answer.
    """
    for question in raw:
        if question not in no_answer:
            raise OfficialStop(
                "KeyError", repr(question), f"{question!r} has a prediction but no probability of no answer"
            )
    return {
        question: thresholded(score, no_answer[question], golds[question], threshold) for question, score in raw.items()
    }


def _averages(final: Mapping[str, ByQuestion], questions: Sequence[str]) -> dict[str, float]:
    """Return each score's average over some questions, in percent, and the number of questions as `total`.

    Raises:
        OfficialStop: a question has no prediction, or there are no questions.
    """
    for question in questions:
        if question not in final["exact"]:
            raise OfficialStop("KeyError", repr(question), f"{question!r} has no prediction")
    averages: dict[str, float] = {
        name: ratio(100.0 * sum(scores[question] for question in questions), len(questions), "predictions")
        for name, scores in final.items()
    }
    return averages | {"total": len(questions)}


SQUAD_V2 = Scorer(_squad_v2)

"""Cases of SQuAD v1.1 (also used for XQuAD and TyDiQA-GoldP) and of MLQA.

`languages.<language>.golds` and `languages.<language>.predictions` have one entry per question.
"""

from typing import Any

from adaptx.metrics import mlqa
from adaptx.metrics.answers import Normaliser, exact_match, normalise, word_f1
from adaptx.metrics.cases.case import CaseNode
from adaptx.metrics.cases.scorer import Scorer, attempt, ratio
from adaptx.metrics.official import OfficialStop


def _squad(inputs: CaseNode) -> dict[str, Any]:
    return {
        language: attempt(lambda rows=rows: _score(rows, normalise)) for language, rows in inputs["languages"].items()
    }


def _mlqa(inputs: CaseNode) -> dict[str, Any]:
    return {
        language: attempt(lambda rows=rows, language=language: _score(rows, _mlqa_normaliser(language)))
        for language, rows in inputs["languages"].items()
    }


def _mlqa_normaliser(language: str) -> Normaliser:
    if language in mlqa.LANGUAGES:
        return mlqa.normaliser(language)

    # The official script checks the language at its first answer, so without answers it does not stop. The error is
    # therefore raised when a text is normalised, not here.
    def unknown(_text: str) -> str:
        raise OfficialStop(
            "Exception", f"Unknown Language {language}", f"MLQA's languages are {', '.join(mlqa.LANGUAGES)}"
        )

    return unknown


def _score(rows: CaseNode, normaliser: Normaliser) -> dict[str, Any]:
    """Return scores in percent over all questions. A question without a prediction counts as wrong."""
    predictions = {question: text.text() for question, text in rows["predictions"].items()}
    golds = {question: texts.texts() for question, texts in rows["golds"].items()}
    per_question: dict[str, list[float]] = {}
    for question, texts in golds.items():
        if question not in predictions:
            continue
        if not texts:
            raise OfficialStop(
                "ValueError", "max() arg is an empty sequence", f"question {question!r} has no gold answer"
            )
        answer = predictions[question]
        per_question[question] = [exact_match(answer, texts, normaliser), word_f1(answer, texts, normaliser)]
    # The sums are in the order of the official script, so that even the last digit agrees.
    return {
        "exact_match": ratio(100.0 * sum(scores[0] for scores in per_question.values()), len(golds), "questions"),
        "f1": ratio(100.0 * sum(scores[1] for scores in per_question.values()), len(golds), "questions"),
        "per_question": per_question,
    }


SQUAD_V1 = Scorer(_squad)
MLQA = Scorer(_mlqa)

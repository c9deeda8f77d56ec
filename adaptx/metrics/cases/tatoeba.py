"""Cases of Tatoeba: `cases.<name>` with embeddings `x` (of the source sentences, which are searched) and `y` (of the
English sentences, which are the queries), and with `labels` (the right row of `x` for each query).
"""

from typing import Any

from adaptx.metrics.cases.accuracy import checked_accuracy
from adaptx.metrics.cases.case import CaseNode
from adaptx.metrics.cases.scorer import EXACT, Scorer, attempt
from adaptx.metrics.cases.search import Embeddings, check_dimensions, nearest_row, normalised


def _tatoeba(inputs: CaseNode) -> dict[str, Any]:
    return {name: _score(case) for name, case in inputs["cases"].items()}


def _score(case: CaseNode) -> dict[str, Any]:
    source, english, labels = case["x"].matrix(), case["y"].matrix(), case["labels"].labels()
    check_dimensions(source, english, case.place)
    return {
        "l2": _searched(source, english, labels),
        "cosine": _searched(normalised(source), normalised(english), labels),
    }


def _searched(source: Embeddings, english: Embeddings, labels: list[str | int]) -> dict[str, Any]:
    found = nearest_row(source, english)
    return attempt(lambda: checked_accuracy(labels, found)) | {"predictions": found}


TATOEBA = Scorer(_tatoeba, tolerance=EXACT)

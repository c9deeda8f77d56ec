"""Score the predictions in a case file against its gold answers. Each metric has its own layout of case files."""

from typing import Any

from adaptx.errors import UserError
from adaptx.metrics.cases.accuracy import ACCURACY
from adaptx.metrics.cases.aggregate import AGGREGATE
from adaptx.metrics.cases.bucc import BUCC
from adaptx.metrics.cases.case import CaseNode, read_case
from adaptx.metrics.cases.check import count_values, differences, stops
from adaptx.metrics.cases.lareqa import LAREQA, LAREQA_AP
from adaptx.metrics.cases.mewslix import MEWSLIX
from adaptx.metrics.cases.question_answering import MLQA, SQUAD_V1
from adaptx.metrics.cases.scorer import Scorer
from adaptx.metrics.cases.squad_v2 import SQUAD_V2
from adaptx.metrics.cases.tagging import TAGGING
from adaptx.metrics.cases.tatoeba import TATOEBA
from adaptx.specs.near import near

# The key is the `metric` of a case, which names its layout.
SCORERS: dict[str, Scorer] = {
    "accuracy": ACCURACY,
    "aggregate": AGGREGATE,
    "bucc": BUCC,
    "lareqa": LAREQA,
    "lareqa_ap": LAREQA_AP,
    "mewslix": MEWSLIX,
    "mlqa": MLQA,
    "squad_v1": SQUAD_V1,
    "squad_v2": SQUAD_V2,
    "tagging_edge": TAGGING,
    "tagging_ner": TAGGING,
    "tagging_pos": TAGGING,
    "tatoeba": TATOEBA,
}


def find_scorer(name: str) -> Scorer:
    """Return the scorer of the layout called `name`.

    Raises:
        UserError: there is no such layout. The message lists similar names.
    """
    if name not in SCORERS:
        raise UserError(
            f"the metric {name!r} of the case is unknown; write a known metric, such as {near(name, SCORERS)}"
        )
    return SCORERS[name]


def score_case(case: CaseNode) -> dict[str, Any]:
    """Return all numbers of a case, in the layout that a case file has under `expected`.

    If the official script stops with an exception, its numbers are replaced by `{"raises": [kind, message], "cause":
    ...}`.

    Raises:
        UserError: the metric is unknown, or the inputs do not have its layout.
    """
    return find_scorer(case["metric"].text()).score(case["inputs"])


def compare(case: CaseNode, result: dict[str, Any]) -> list[str]:
    """Return one line per difference between the values that a case expects and the result of `score_case`.

    Raises:
        UserError: the case has no `expected`.
    """
    return differences(case["expected"].value, result, find_scorer(case["metric"].text()))


__all__ = ["SCORERS", "CaseNode", "compare", "count_values", "find_scorer", "read_case", "score_case", "stops"]

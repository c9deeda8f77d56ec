"""Scores of given predictions and golds, in the layouts of the official scorers' golden cases."""

from typing import Any

from adaptx.catalog.near import near
from adaptx.errors import UserError
from adaptx.scoring.accuracy import ACCURACY
from adaptx.scoring.aggregate import AGGREGATE
from adaptx.scoring.bucc import BUCC
from adaptx.scoring.case import Node, read_case
from adaptx.scoring.check import count_values, differences, stops
from adaptx.scoring.lareqa import LAREQA, LAREQA_AP
from adaptx.scoring.mewslix import MEWSLIX
from adaptx.scoring.question_answering import MLQA, SQUAD_V1
from adaptx.scoring.scorer import Scorer
from adaptx.scoring.squad_v2 import SQUAD_V2
from adaptx.scoring.tagging import TAGGING
from adaptx.scoring.tatoeba import TATOEBA

# By a case's `metric`, which names its layout.
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
    """The scorer of a layout.

    Raises:
        UserError: there is no such layout; the message lists near names.
    """
    if name not in SCORERS:
        raise UserError(f"no metric {name!r} is scored from a case file: did you mean {near(name, SCORERS)}?")
    return SCORERS[name]


def score_case(case: Node) -> dict[str, Any]:
    """Every number of a case, under the keys that the golden files have under `expected`.

    Where the official script stops, `{"raises": [kind, cause]}` stands in place of its numbers.

    Raises:
        UserError: the metric is unknown, or the inputs are not laid out as it needs.
    """
    return find_scorer(case["metric"].text()).score(case["inputs"])


def compare(case: Node, result: dict[str, Any]) -> list[str]:
    """The differences between what a case expects and the result of `score_case`, one line each.

    Raises:
        UserError: the case has no `expected`.
    """
    return differences(case["expected"].value, result, find_scorer(case["metric"].text()))


__all__ = ["SCORERS", "Node", "compare", "count_values", "find_scorer", "read_case", "score_case", "stops"]

"""Cases of Mewsli-X: `languages.<language>` with `golds` (entities) and ranked `predictions`, both keyed by mention."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from adaptx.metrics.cases.case import CaseNode
from adaptx.metrics.cases.scorer import Scorer, attempt, stopped
from adaptx.metrics.official import OfficialStop
from adaptx.metrics.ranking import CUT, reciprocal_rank
from adaptx.metrics.suites import XTREME_R

# The official macro average is always over these languages, whatever languages a case has.
_LANGUAGES = sorted(XTREME_R.languages["mewslix"])
Ranked = Mapping[str, Sequence[str]]


def _mewslix(inputs: CaseNode) -> dict[str, Any]:
    golds = {language: _lists(rows["golds"]) for language, rows in inputs["languages"].items()}
    predictions = {language: _lists(rows["predictions"]) for language, rows in inputs["languages"].items()}
    without = inputs.get("languages_without_prediction_file")
    return {
        "languages": {
            language: attempt(lambda language=language: _score(golds[language], predictions[language]))
            for language in golds
        },
        "evaluate_all_macro_mrr": _macro(golds, predictions, without.texts() if without else ()),
    }


def _lists(node: CaseNode) -> dict[str, list[str]]:
    return {mention: entities.texts() for mention, entities in node.items()}


def _score(golds: Ranked, predictions: Ranked) -> dict[str, Any]:
    mean = _mean_reciprocal_rank(golds, predictions, CUT)
    return {
        "map@20": mean * 100,
        "mrr": mean,
        "unpredicted": len(golds.keys() - predictions.keys()),
        "unexpected": len(predictions.keys() - golds.keys()),
        "mrr@1": _mean_reciprocal_rank(golds, predictions, 1),
        "mrr@10": _mean_reciprocal_rank(golds, predictions, 10),
    }


def _mean_reciprocal_rank(golds: Ranked, predictions: Ranked, cut: int) -> float:
    """Return the mean reciprocal rank over all mentions; 0 if there are no mentions.

    Only the first gold entity of a mention counts. Its surrounding space is removed.
    """
    for mention, entities in golds.items():
        if not entities:
            raise OfficialStop("IndexError", "list index out of range", f"mention {mention!r} has no gold entity")
    ranks = [reciprocal_rank(gold[0].strip(), predictions.get(mention, ()), cut) for mention, gold in golds.items()]
    return sum(ranks) / len(ranks) if ranks else 0.0


def _macro(golds: Mapping[str, Ranked], predictions: Mapping[str, Ranked], without_file: Collection[str]) -> Any:
    """Return the mean over all official languages, or the entry that `stopped` makes if the official script stops.

    without_file: languages without predictions, whose mean reciprocal rank is 0.
    """
    missing = [language for language in _LANGUAGES if language not in golds]
    try:
        if missing:
            raise OfficialStop(
                "FileNotFoundError", "No such file or directory", f"there are no gold entities in {', '.join(missing)}"
            )
        means = [
            _mean_reciprocal_rank(golds[language], {} if language in without_file else predictions[language], CUT)
            for language in _LANGUAGES
        ]
    except OfficialStop as stop:
        return stopped(stop)
    return sum(means) / len(means)


MEWSLIX = Scorer(_mewslix)

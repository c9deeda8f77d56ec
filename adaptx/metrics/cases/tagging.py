"""Cases of tagging: `languages.<language>` with `labels` and `predictions`, each a list of tags per sentence."""

from collections.abc import Callable
from typing import Any

from adaptx.errors import UserError
from adaptx.metrics.cases.accuracy import accuracy, unequal
from adaptx.metrics.cases.case import CaseNode
from adaptx.metrics.cases.scorer import Scorer, attempt, stopped
from adaptx.metrics.official import OfficialStop
from adaptx.metrics.tagging import Sentences, SplitTag, corpus_entities, split_tag_0_0_12, split_tag_1_2_2
from adaptx.specs.tag_schemes import foreign_scheme


def _tagging(inputs: CaseNode) -> dict[str, Any]:
    read = {
        language: (_tags(rows["labels"]), _tags(rows["predictions"])) for language, rows in inputs["languages"].items()
    }
    for language, (golds, _) in read.items():
        scheme = foreign_scheme(set(_flat(golds)))
        if scheme is not None:
            raise UserError(
                f"languages.{language}.labels are {scheme}. seqeval's default mode reads only BIO, IOB1 and IOBES"
            )
    return {
        version: {language: _score(golds, predictions, spans) for language, (golds, predictions) in read.items()}
        for version, spans in (("seqeval_0.0.12", _first), ("seqeval_1.2.2", _current))
    }


def _tags(sentences: CaseNode) -> list[list[str]]:
    return [sentence.texts() for sentence in sentences.elements()]


def _score(
    golds: Sentences, predictions: Sentences, spans: Callable[[Sentences, Sentences], dict[str, Any]]
) -> dict[str, Any]:
    """Return scores in percent.

    Span scores and token accuracy are computed separately, because on some inputs the official script raises an
    exception for only one of the two.
    """
    if len(golds) != len(predictions):
        return stopped(unequal(len(predictions), len(golds)))
    counted = attempt(lambda: spans(golds, predictions))
    tags = attempt(lambda: accuracy(_flat(golds), _flat(predictions)))
    return counted | {"token_accuracy": tags.get("accuracy", tags)}


def _flat(sentences: Sentences) -> list[str]:
    return [tag for sentence in sentences for tag in sentence]


def _first(golds: Sentences, predictions: Sentences) -> dict[str, Any]:
    return _span_scores(golds, predictions, split_tag_0_0_12)


def _current(golds: Sentences, predictions: Sentences) -> dict[str, Any]:
    # Version 1.2.2 makes these two checks, and 0.0.12 does not.
    if not golds:
        raise OfficialStop("TypeError", "Found input variables without list of list.", "there are no sentences")
    if [len(sentence) for sentence in golds] != [len(sentence) for sentence in predictions]:
        raise OfficialStop(
            "ValueError",
            "Found input variables with inconsistent numbers of samples",
            "a sentence does not have as many predicted tags as gold tags",
        )
    return _span_scores(golds, predictions, split_tag_1_2_2)


def _span_scores(golds: Sentences, predictions: Sentences, split_tag: SplitTag) -> dict[str, Any]:
    if not all(_flat(golds)) or not all(_flat(predictions)):
        raise OfficialStop("IndexError", "string index out of range", "a tag is an empty text")
    gold, predicted = corpus_entities(golds, split_tag), corpus_entities(predictions, split_tag)
    correct = len(gold & predicted)
    precision = correct / len(predicted) if predicted else 0.0
    recall = correct / len(gold) if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
    return {"f1": f1 * 100, "precision": precision * 100, "recall": recall * 100}


TAGGING = Scorer(_tagging)

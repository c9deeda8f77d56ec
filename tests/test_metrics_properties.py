"""What holds for every metric: bounds, order of examples, sums over parts, and what a perfect prediction scores."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptx.errors import UserError
from adaptx.metrics import METRICS, Metric

WORDS = st.lists(st.sampled_from(["the", "Cat", "mat.", "sat", "中国", "ال", "del", "an", ""]), max_size=4).map(
    " ".join
)
TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
UPOS = st.sampled_from(["NOUN", "VERB", "SCONJ", "CCONJ", "SYM", "INTJ", "X", "_"])
IDS = st.sampled_from("abcdefgh")

Rows = list[tuple[Any, Any]]


def rows(prediction: st.SearchStrategy[Any], gold: st.SearchStrategy[Any]) -> st.SearchStrategy[Rows]:
    return st.lists(st.tuples(prediction, gold), min_size=1, max_size=6)


def tagged(tags: st.SearchStrategy[str]) -> st.SearchStrategy[Rows]:
    pairs = st.lists(st.tuples(tags, tags), max_size=7)
    return st.lists(
        pairs.map(lambda pair: ([left for left, _ in pair], [right for _, right in pair])), min_size=1, max_size=5
    )


ANSWERS = rows(WORDS, st.lists(WORDS, min_size=1, max_size=3))
PERHAPS = rows(st.fixed_dictionaries({"text": WORDS, "no_answer": st.floats(0, 1)}), st.lists(WORDS, max_size=2))
MINED = rows(st.none() | st.integers(0, 4), st.lists(st.integers(0, 4), max_size=2, unique=True))
RANKED = rows(st.lists(IDS, max_size=25), st.lists(IDS, min_size=1, max_size=3, unique=True))
LABELS = rows(st.integers(0, 2), st.integers(0, 2))
MASKED = rows(st.integers(0, 5).flatmap(lambda most: st.tuples(st.integers(0, most), st.just(most))), st.none())

INPUTS: dict[str, st.SearchStrategy[Rows]] = {
    "accuracy": LABELS,
    "exact_match": ANSWERS,
    "f1": ANSWERS,
    "mlqa_exact_match": ANSWERS,
    "mlqa_f1": ANSWERS,
    "squad_v2_exact_match": PERHAPS,
    "squad_v2_f1": PERHAPS,
    "entity_f1": tagged(TAGS),
    "tag_f1": tagged(UPOS),
    "token_accuracy": tagged(UPOS),
    "mining_f1": MINED,
    "mining_precision": MINED,
    "mining_recall": MINED,
    "map_at_20": RANKED,
    "mewslix_map_at_20": RANKED,
    "masked_accuracy": MASKED,
}


def split(examples: Rows) -> tuple[list[Any], list[Any]]:
    return [prediction for prediction, _ in examples], [gold for _, gold in examples]


def for_every_metric(check: Callable[[Metric, Rows, st.DataObject], None]) -> Any:
    @pytest.mark.parametrize("name", METRICS)
    @settings(max_examples=25, deadline=None)
    @given(data=st.data())
    def test(name: str, data: st.DataObject) -> None:
        check(METRICS[name], data.draw(INPUTS[name]), data)

    return test


def within_bounds(metric: Metric, examples: Rows, _data: st.DataObject) -> None:
    assert 0.0 <= metric.score(*split(examples), "zh") <= 1.0


def order_is_nothing(metric: Metric, examples: Rows, data: st.DataObject) -> None:
    other = data.draw(st.permutations(examples))
    assert metric.score(*split(examples), "en") == pytest.approx(metric.score(*split(list(other)), "en"), abs=1e-12)


def parts_sum_up(metric: Metric, examples: Rows, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(examples)))
    parts = [part for part in (examples[:cut], examples[cut:]) if part]
    sums = sum(metric.statistics(*split(part), "es").sum(axis=0) for part in parts)
    assert float(metric.value(np.asarray(sums))) == pytest.approx(metric.score(*split(examples), "es"), abs=1e-12)


def resamples_are_weighted_sums(metric: Metric, examples: Rows, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(st.integers(0, len(examples) - 1), min_size=1, max_size=8))
    times = np.bincount(drawn, minlength=len(examples))
    weighted = metric.value((times @ metric.statistics(*split(examples), "de"))[None])
    assert weighted.shape == (1,)
    assert weighted[0] == pytest.approx(metric.score(*split([examples[row] for row in drawn]), "de"), abs=1e-12)


test_scores_are_shares = for_every_metric(within_bounds)
test_the_order_of_examples_changes_nothing = for_every_metric(order_is_nothing)
test_sums_over_parts_are_the_whole = for_every_metric(parts_sum_up)
test_a_resample_is_a_weighted_sum = for_every_metric(resamples_are_weighted_sums)

PERFECT: dict[str, tuple[list[Any], list[Any]]] = {
    "accuracy": (["a", "b"], ["a", "b"]),
    "exact_match": (["the cat"], [["a dog", "Cat!"]]),
    "f1": (["the cat"], [["a dog", "Cat!"]]),
    "mlqa_exact_match": (["the cat"], [["a dog", "Cat!"]]),
    "mlqa_f1": (["the cat"], [["a dog", "Cat!"]]),
    "squad_v2_exact_match": ([{"text": "x", "no_answer": 0.2}, {"text": "x", "no_answer": 0.9}], [["x"], []]),
    "squad_v2_f1": ([{"text": "x", "no_answer": 0.2}, {"text": "x", "no_answer": 0.9}], [["x"], []]),
    "entity_f1": ([["B-PER", "I-PER", "O"]], [["B-PER", "I-PER", "O"]]),
    "tag_f1": ([["NOUN", "VERB"]], [["NOUN", "VERB"]]),
    "token_accuracy": ([["NOUN", "VERB"]], [["NOUN", "VERB"]]),
    "mining_f1": ([3, None], [[3], []]),
    "mining_precision": ([3, None], [[3], [1]]),
    "mining_recall": ([3, 2], [[3], []]),
    "map_at_20": ([["a", "b", "c"]], [["b", "a"]]),
    "mewslix_map_at_20": ([["a", "b"]], [["a"]]),
    "masked_accuracy": ([[3, 3], [0, 0]], [None, None]),
}


@pytest.mark.parametrize("name", METRICS)
def test_perfect_predictions_score_one(name: str) -> None:
    assert METRICS[name].score(*PERFECT[name], "en") == 1.0


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_named_and_sourced(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name
    assert metric.source
    assert set(METRICS) == set(INPUTS) == set(PERFECT)


@pytest.mark.parametrize("name", sorted(set(METRICS) - {"masked_accuracy"}))
def test_unequal_numbers_of_predictions_and_golds_are_refused(name: str) -> None:
    predictions, golds = PERFECT[name]
    with pytest.raises(UserError, match="predict"):
        METRICS[name].statistics([*predictions, predictions[0]], golds, "en")

"""Bitext mining: development and scored sentences stay apart, and the pairs are those of `metrics.mining`."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import format_bench, small_world

from adaptx.evaluation.evaluator import scores
from adaptx.formats.interface import Answers, Model
from adaptx.formats.mining import MINING, development_numbers
from adaptx.metrics.mining import Neighbours, choose_threshold, mine
from adaptx.specs import BitextMining, Task

EVERY, NEIGHBOURS = 3, 2
TASK = Task("mined", BitextMining(NEIGHBOURS, EVERY), metrics=("mining_f1", "mining_precision", "mining_recall"))
SOURCES, TARGETS, DIMENSIONS = 40, 36, 12
GOLD = [(number, (5 * number) % TARGETS) for number in range(24)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> format_bench.Bench:
    return format_bench.make(small_world.make_models(tmp_path_factory.mktemp("models")), "bert")


def planted(noise: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random vectors; those of a gold pair are alike up to the noise."""
    draw = torch.Generator().manual_seed(seed)
    source, target = (torch.randn(count, DIMENSIONS, generator=draw) for count in (SOURCES, TARGETS))
    for left, right in GOLD:
        target[right] = source[left] + noise * torch.randn(DIMENSIONS, generator=draw)
    return source, target


def numbered(count: int, name: str) -> list[str]:
    return [f"{name} {number}" for number in range(count)]


def predict(bench, vectors, source: list[str] | None = None, target: list[str] | None = None) -> Any:
    rows = format_bench.examples(
        source=[source or numbered(SOURCES, "tree")],
        target=[target or numbered(TARGETS, "sea")],
        gold=[[[left + 1, right + 1] for left, right in GOLD]],
    )
    inputs = MINING.encode(rows, TASK.format, bench.reading)
    assert [len(one.items) for one in inputs.passes] == [SOURCES, TARGETS]
    return MINING.decode(
        Answers(
            examples=rows, model=Model(bench.encoder, None, bench.reading, TASK.format), inputs=inputs, values=vectors
        )
    )


def nearest(queries: np.ndarray, pool: np.ndarray) -> Neighbours:
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (queries, pool)]
    cosines = unit[0] @ unit[1].T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
    return Neighbours(np.take_along_axis(cosines, order, axis=1), order)


def mined(vectors, numbers: list[list[int]]) -> dict[tuple[int, int], float]:
    """Margins of the pairs that `metrics.mining` finds among sentences of these numbers."""
    left, right = (side[chosen].numpy() for side, chosen in zip(vectors, numbers, strict=True))
    pairs = mine(nearest(left, right), nearest(right, left))
    return {
        (numbers[0][source], numbers[1][target]): float(margin)
        for source, target, margin in zip(pairs.sources, pairs.targets, pairs.margins, strict=True)
    }


def split() -> tuple[list[list[int]], list[list[int]]]:
    """(development, scored) numbers of both sides."""
    held = development_numbers(GOLD, [SOURCES, TARGETS], EVERY)
    return [sorted(each) for each in held], [
        [number for number in range(size) if number not in each]
        for size, each in zip((SOURCES, TARGETS), held, strict=True)
    ]


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0, 3.0])
def test_what_is_mined_is_what_the_metric_finds_among_the_scored_sentences(bench, noise):
    vectors = planted(noise)
    found = predict(bench, vectors)
    development, scored = split()
    margins = mined(vectors, development)
    right = [pair in GOLD for pair in margins]
    known = [pair for pair in GOLD if pair[0] in development[0]]
    threshold = choose_threshold(list(margins.values()), right, len(known))
    assert found.details["threshold"] == pytest.approx(threshold.value, abs=1e-5)
    assert found.details["development_sentences"] == [len(each) for each in development]
    partner = {source: target for (source, target), margin in mined(vectors, scored).items()
               if margin >= threshold.value}  # fmt: skip
    assert found.predictions == [partner.get(number) for number in scored[0]]
    assert found.rows == tuple(scored[0])
    golds = dict(GOLD)
    assert found.golds == [[golds[number]] if number in golds else [] for number in scored[0]]
    values = scores(TASK, found, "xx")
    hits = sum(partner.get(number) in gold for number, gold in zip(scored[0], found.golds, strict=True))
    assert values["mining_precision"] == pytest.approx(hits / max(1, len(partner)))
    assert values["mining_recall"] == pytest.approx(hits / len([number for number in scored[0] if number in golds]))
    assert 0 < len(partner) < len(scored[0])
    if not noise:
        assert values["mining_precision"] == 1
        assert values["mining_recall"] > 0.7


def test_the_threshold_knows_nothing_of_the_scored_sentences(bench):
    first, second = planted(0.5), planted(0.5, seed=9)
    development, _ = split()
    mixed = tuple(side.clone() for side in second)
    for side, chosen, of_first in zip(mixed, development, first, strict=True):
        side[chosen] = of_first[chosen]
    thresholds = [predict(bench, vectors).details["threshold"] for vectors in (first, second, mixed)]
    assert thresholds[2] == thresholds[0]
    assert thresholds[1] != thresholds[0]
    assert predict(bench, mixed).predictions != predict(bench, first).predictions


def test_pairs_of_repeated_sentences_are_dropped(bench):
    vectors = planted(0.0)
    _, scored = split()
    pairs = [pair for pair in GOLD if pair[0] in scored[0]]
    plain = dict(zip(scored[0], predict(bench, vectors).predictions, strict=True))
    (first, second, third) = pairs[:3]
    assert all(plain[source] == target for source, target in (first, second, third))
    source, target = numbered(SOURCES, "tree"), numbered(TARGETS, "sea")
    # The first pair's source occurs twice (once with a space behind it), and so does the second pair's target.
    alone = [[number for number in side if number not in paired] for side, paired in
             zip(scored, ({s for s, _ in GOLD}, {t for _, t in GOLD}), strict=True)]  # fmt: skip
    source[alone[0][0]] = f"{source[first[0]]} "
    target[alone[1][0]] = target[second[1]]
    found = dict(zip(scored[0], predict(bench, vectors, source, target).predictions, strict=True))
    assert found[first[0]] is None
    assert found[alone[0][0]] is None
    assert found[second[0]] is None
    assert second[1] not in found.values()
    assert found[third[0]] == third[1]


@settings(max_examples=300, deadline=None)
@given(
    gold=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), min_size=0, max_size=25, unique=True),
    every=st.integers(2, 6),
)
def test_no_pair_is_broken(gold, every):
    sizes = (18, 16)
    held = development_numbers(gold, sizes, every)
    for source, target in gold:
        assert (source in held[0]) == (target in held[1]), "a pair is half development, half scored"
    for side, size in enumerate(sizes):
        assert held[side] <= set(range(size))
        alone = [number for number in range(size) if number not in {pair[side] for pair in gold}]
        assert len(held[side] & set(alone)) == -(-len(alone) // every)
    # Where no sentence is in two pairs, each so-many-th pair is for development.
    if len({s for s, _ in gold}) == len({t for _, t in gold}) == len(gold):
        assert sum(source in held[0] for source, _ in gold) == -(-len(gold) // every)


def test_the_order_of_the_golds_does_not_matter():
    assert development_numbers(GOLD, [SOURCES, TARGETS], EVERY) == development_numbers(
        GOLD[::-1], [SOURCES, TARGETS], EVERY
    )


def test_a_model_finds_sentences_that_are_the_same(bench):
    texts = [f"{small_world.WORDS[number % 12]} {number}" for number in range(30)]
    rows = format_bench.examples(source=[texts], target=[texts[::-1]], gold=[[[row, 31 - row] for row in range(1, 25)]])
    found = bench.evaluator().predict(rows, TASK, None)
    answered = [pair for pair in zip(found.predictions, found.golds, strict=True) if pair[1] and pair[0] is not None]
    assert all(predicted in gold for predicted, gold in answered)
    assert len(answered) > 10

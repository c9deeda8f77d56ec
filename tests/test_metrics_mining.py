"""Bitext mining: margins, one-to-one pairs, the threshold on development pairs, and repeated sentences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptx.metrics import METRICS
from adaptx.metrics.bucc import Sentences, distinct_rows, extract, jiant_candidates, threshold_for, xtreme_candidates
from adaptx.metrics.mining import MinedPairs, Neighbours, Threshold, choose_threshold, mine, ratio_margins


def neighbours(rows: np.ndarray, pool: np.ndarray, most: int = 4) -> Neighbours:
    cosines = rows @ pool.T
    indices = np.argsort(-cosines, axis=1, kind="stable")[:, :most]
    return Neighbours(np.take_along_axis(cosines, indices, axis=1), indices)


def directions(seed: int, rows: int) -> np.ndarray:
    """Unit vectors in the positive quadrant, so that all cosines are above 0."""
    vectors = np.abs(np.random.default_rng(seed).normal(size=(rows, 6)))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_margins_by_hand() -> None:
    source = Neighbours(np.array([[0.9, 0.5]]), np.array([[1, 0]]))
    target = Neighbours(np.array([[0.5], [0.9]]), np.array([[0], [0]]))
    assert ratio_margins(source, target) == pytest.approx(
        np.array([[0.9 / ((0.7 + 0.9) / 2), 0.5 / ((0.7 + 0.5) / 2)]])
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12))
def test_pairs_are_one_to_one_best_first_and_above_the_least_margin(seed: int, sources: int, targets: int) -> None:
    left, right = directions(seed, sources), directions(seed + 1, targets)
    forward, backward = neighbours(left, right), neighbours(right, left)
    mined = mine(forward, backward)
    assert len(set(mined.sources.tolist())) == len(mined.sources)
    assert len(set(mined.targets.tolist())) == len(mined.targets)
    assert (np.diff(mined.margins) <= 0).all()
    middle = float(np.median(mined.margins))
    fewer = mine(forward, backward, middle)
    kept = mined.margins > middle
    assert fewer.sources.tolist() == mined.sources[kept].tolist()
    # The other direction mines the same pairs: nothing depends on which language is called the source.
    turned = mine(backward, forward)
    assert set(zip(turned.targets, turned.sources, strict=True)) == set(zip(mined.sources, mined.targets, strict=True))


def test_copies_find_each_other() -> None:
    vectors = directions(3, 9)
    order = np.random.default_rng(0).permutation(9)
    copies = vectors[order]
    mined = mine(neighbours(vectors, copies), neighbours(copies, vectors))
    assert len(mined.sources) == 9
    assert (order[mined.targets] == mined.sources).all()


def test_nothing_is_mined_from_nothing() -> None:
    some, none = directions(1, 3), np.empty((0, 6))
    mined = mine(neighbours(some, none), neighbours(none, some))
    assert len(mined.sources) == len(mined.targets) == len(mined.margins) == 0


def f1_at(threshold: float, margins: list[float], right: list[bool], gold: int) -> float:
    taken = [truth for margin, truth in zip(margins, right, strict=True) if margin >= threshold]
    return 2 * sum(taken) / max(len(taken) + gold, 1)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.booleans()), max_size=20, unique_by=lambda row: row[0]),
    st.integers(0, 5),
)
def test_no_other_threshold_has_a_better_f1(rows: list[tuple[int, bool]], unseen: int) -> None:
    margins, right = [row[0] / 1e3 for row in rows], [row[1] for row in rows]
    gold = sum(right) + unseen
    chosen = choose_threshold(margins, right, gold)
    best = max((f1_at(margin, margins, right, gold) for margin in margins), default=0.0)
    if sum(right):
        assert f1_at(chosen.value, margins, right, gold) == pytest.approx(best)
        assert chosen.at_last == (chosen.value == min(margins))
    else:
        assert chosen == Threshold(0.0)


def test_the_threshold_lies_halfway_to_the_next_candidate() -> None:
    assert choose_threshold([1.0, 3.0, 2.0], [False, True, True], 2) == Threshold(1.5)
    assert choose_threshold([1.0, 3.0, 2.0], [True, True, True], 3) == Threshold(1.0, at_last=True)


SOURCE = Sentences(["one", "two", "one ", "three"], ["s1", "s2", "s3", "s4"])
TARGET = Sentences(["eins", "zwei", "drei"], ["t1", "t2", "t3"])


def pairs(*rows: tuple[int, int, float]) -> MinedPairs:
    sources, targets, margins = zip(*rows, strict=True)
    return MinedPairs(np.array(sources), np.array(targets), np.array(margins))


def test_rows_of_distinct_texts_are_their_last_ones() -> None:
    assert distinct_rows(["a", "b", "a", "c", "b"]) == [2, 4, 3]
    assert distinct_rows([]) == []


def test_xtreme_drops_sentences_that_are_repeated_but_for_space() -> None:
    # As they stand the four source texts are distinct.
    candidates = xtreme_candidates(pairs((0, 0, 1.5), (1, 1, 1.4), (3, 2, 1.3)), SOURCE, TARGET)
    assert candidates == {("s2", "t2"): 1.4, ("s4", "t3"): 1.3}


def test_jiant_gives_every_id_of_a_repeated_sentence() -> None:
    # Stripped, there are three: one, two, three.
    candidates = jiant_candidates(pairs((0, 0, 1.5), (1, 1, 1.4), (2, 2, 1.3)), SOURCE, TARGET)
    assert candidates == {("s1", "t1"): 1.5, ("s3", "t1"): 1.5, ("s2", "t2"): 1.4, ("s4", "t3"): 1.3}
    assert threshold_for(candidates, [("s1", "t1"), ("s2", "t2")]) == Threshold(pytest.approx(1.35))
    assert extract(candidates, 1.4) == [("s1", "t1"), ("s3", "t1"), ("s2", "t2")]


def test_mining_counts_pairs() -> None:
    predictions, golds = [4, 5, None, 7], [[4], [6], [1], []]
    assert METRICS["mining_precision"].score(predictions, golds, "de") == pytest.approx(1 / 3)
    assert METRICS["mining_recall"].score(predictions, golds, "de") == pytest.approx(1 / 3)
    assert METRICS["mining_f1"].score([4, 5, None, 7], [[4], [5], [1, 2], []], "de") == pytest.approx(2 * 2 / (3 + 4))

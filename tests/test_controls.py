"""Controls of a comparison: training labels that are shuffled, and slices of training rows that share no row."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import tiny
from support.identities import key

from adaptx.catalog import E5_MINI, MNLI, SNLI, SQUAD
from adaptx.data.drawing import permutation
from adaptx.data.reading import read_training
from adaptx.errors import UserError
from adaptx.specs import Evaluate, Lora, Train, TrainConfig

CONFIG = TrainConfig(1e-3, epochs=1)


@given(st.integers(0, 200), st.integers(0, 2**32 - 1))
def test_a_permutation_has_every_number_once(count: int, seed: int) -> None:
    assert sorted(permutation(count, seed)) == list(range(count))


def test_shuffled_labels_keep_the_texts_and_the_number_of_each_label(world: tiny.World) -> None:
    true = read_training(tiny.NLI, world.sources, limit=30, seed=1)
    first, again, other = (
        read_training(tiny.NLI.with_shuffled_labels(seed), world.sources, limit=30, seed=1) for seed in (1, 1, 2)
    )
    assert first.rows == true.rows
    for role in ("text", "pair"):
        assert first.columns[role] == true.columns[role]
    assert Counter(first.columns["label"]) == Counter(true.columns["label"])
    agreeing = sum(one == two for one, two in zip(first.columns["label"], true.columns["label"], strict=True))
    assert agreeing < 20, "three equally frequent labels agree with the true ones in ten of thirty rows on average"
    assert again.columns == first.columns
    assert other.columns["label"] != first.columns["label"]


def test_shuffled_labels_change_the_identity_of_the_training_alone() -> None:
    plain, shuffled, other = (
        Train(E5_MINI, task, Lora(), CONFIG)
        for task in (SNLI, SNLI.with_shuffled_labels(), SNLI.with_shuffled_labels(2))
    )
    assert shuffled.task.name == "snli_shuffled"
    assert len({key(plain), key(shuffled), key(other)}) == 3
    scored = [Evaluate(E5_MINI, task, "en") for task in (SNLI, SNLI.with_shuffled_labels())]
    assert key(scored[0]) == key(scored[1]), "test rows keep their labels"


def test_only_labels_of_a_classification_are_shuffled() -> None:
    with pytest.raises(UserError, match=r"squad_shuffled: only labels of a Classification task are shuffled"):
        SQUAD.with_shuffled_labels()


def test_slices_of_training_rows_share_no_row(world: tiny.World) -> None:
    first, second = (tiny.NLI.with_training_rows(*ends) for ends in ((0, 24), (24, 60)))
    rows = [set(read_training(task, world.sources).rows) for task in (first, second)]
    assert rows == [set(range(24)), set(range(24, 60))]
    assert second.with_training_rows(6, 12).train[0].first == 30
    assert second.with_training_rows(6, 12).train[0].stop == 36
    assert second.with_training_rows(6, 99).train[0].stop == 60, "a slice of a slice stays inside it"
    assert MNLI.with_training_rows(0, 4_000).train[0].expected == 4_000
    assert MNLI.with_training_rows(392_000, 400_000).train[0].expected == 702
    assert first.evaluation == tiny.NLI.evaluation

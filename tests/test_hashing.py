"""Kept hashes: equal specs hash alike, and no hash goes to another process."""

import pickle
from dataclasses import replace

from adaptx.catalog import E5_MINI, NLI
from adaptx.specs import Lora, Train, TrainConfig

STAGE = Train(E5_MINI, NLI, Lora(), TrainConfig(learning_rate=1e-3, epochs=1))


def test_equal_specs_hash_alike_and_changed_ones_do_not() -> None:
    assert hash(STAGE) == hash(replace(STAGE))
    assert hash(STAGE) == hash(STAGE)
    assert hash(STAGE) != hash(replace(STAGE, limit=3))
    assert replace(STAGE) == STAGE


def test_a_kept_hash_is_not_pickled() -> None:
    hash(STAGE)
    assert "_kept_hash" in vars(STAGE)
    again = pickle.loads(pickle.dumps(STAGE))
    assert "_kept_hash" not in vars(again)
    assert "_kept_hash" not in vars(again.task)
    assert again == STAGE
    assert hash(again) == hash(STAGE)

"""Randomness of one row: what is masked or dropped of it depends on nothing beside it."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np


def row_random(seed: int, ids: Sequence[int]) -> np.random.Generator:
    """A generator by the seed and the row's own tokens, whichever rows are drawn with it and in whatever order."""
    return np.random.default_rng([seed, crc32(np.asarray(ids, dtype="<i8").tobytes())])

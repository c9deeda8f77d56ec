"""Random generators per row, so that the tokens masked or dropped in a row do not depend on other rows."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np


def row_random(seed: int, ids: Sequence[int]) -> np.random.Generator:
    """Return a generator that depends on `seed` and the row's tokens, but not on the other rows of the batch."""
    return np.random.default_rng([seed, crc32(np.asarray(ids, dtype="<i8").tobytes())])

"""Padding of rows of token ids to one rectangle.

Suffixes of tensor and array names, one letter per dimension: N rows, L tokens of the longest row.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def padded(rows: Sequence[Sequence[int]], device: torch.device, left: bool = False) -> tuple[Tensor, Tensor]:
    """Return the ids [N, L] and their mask [N, L], which is 1 for tokens and 0 for padding.

    Shorter rows are filled with zeros at the end, or at the start if `left`.
    """
    length = max(map(len, rows))
    ids_NL = np.zeros((len(rows), length), dtype=np.int64)
    mask_NL = np.zeros((len(rows), length), dtype=np.int64)
    for number, row in enumerate(rows):
        span = slice(length - len(row), length) if left else slice(0, len(row))
        ids_NL[number, span], mask_NL[number, span] = row, 1
    return torch.from_numpy(ids_NL).to(device), torch.from_numpy(mask_NL).to(device)

"""The nearest matrix of a rank in squared error, as factors (Eckart and Young 1936, doi:10.1007/BF02288367).

Suffixes: R rows, C columns, K rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adaptx.composition.merging.updates import Combine, Update
from adaptx.specs import SvdRank

EXACT_SIZE = 768
"""Matrices with a longer shorter side are decomposed by random projections (Halko et al. 2011, arXiv:0909.4061,
algorithm 5.1 over 4.4: a fixed seed, OVERSAMPLING further directions and POWER_ITERATIONS products)."""
OVERSAMPLING = 16
POWER_ITERATIONS = 2
NORM_BLOCK = 2**16


@dataclass(frozen=True)
class SvdFactors:
    """up_RK @ down_KC, both with the root of the singular values. kept, total: squared norms of this and of what it
    stands for.
    """

    down_KC: Tensor
    up_RK: Tensor
    kept: float
    total: float


def svd_rank(updates: Sequence[Update], rule: SvdRank, key: object, combine: Combine) -> Tensor:
    """Return the update of the rule's `combine`. It is brought to the rank as factors, when the module is written."""
    return combine(updates, rule.combine, key)


def nearest(matrix_RC: Tensor, rank: int) -> SvdFactors:
    """The nearest factors of a dense matrix; rows and columns of zeros fill up what has a lower rank."""
    if min(matrix_RC.shape) <= EXACT_SIZE or 2 * rank > min(matrix_RC.shape):
        left, values_K, right = torch.linalg.svd(matrix_RC, full_matrices=False)
    else:
        left, values_K, right = _projected_svd(matrix_RC, rank + OVERSAMPLING)
    return _factors(left, values_K, right, rank, _squared_norm(matrix_RC))


def nearest_of_factors(down: Tensor, up: Tensor, rank: int) -> SvdFactors:
    """The nearest factors of up @ down without multiplying it out: exact, by their QR decompositions."""
    q_up, r_up = torch.linalg.qr(up)
    q_down, r_down = torch.linalg.qr(down.T)
    left, values_K, right = torch.linalg.svd(r_up @ r_down.T, full_matrices=False)
    return _factors(q_up @ left, values_K, right @ q_down.T, rank, values_K.pow(2).sum(dtype=torch.float64).item())


def padded(down: Tensor, up: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Factors of a lower rank with rows (down) and columns (up) of zeros, up to `rank`."""
    missing = rank - down.shape[0]
    return torch.nn.functional.pad(down, (0, 0, 0, missing)), torch.nn.functional.pad(up, (0, missing))


def _factors(left: Tensor, values_K: Tensor, right: Tensor, rank: int, total: float) -> SvdFactors:
    values_K = values_K[:rank]
    root_K = values_K.sqrt()
    down, up = padded(root_K.unsqueeze(1) * right[:rank], left[:, :rank] * root_K, rank)
    return SvdFactors(down, up, values_K.pow(2).sum(dtype=torch.float64).item(), total)


def _squared_norm(matrix_RC: Tensor) -> float:
    """In fp32 by blocks, whose sums are added in fp64: a whole matrix's squares would take as much memory again."""
    return sum(torch.dot(block, block).item() for block in matrix_RC.flatten().split(NORM_BLOCK))


def _projected_svd(matrix_RC: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    range_R = torch.linalg.qr(matrix_RC @ torch.randn(matrix_RC.shape[1], size, generator=generator)).Q
    for _ in range(POWER_ITERATIONS):
        range_R = torch.linalg.qr(matrix_RC @ torch.linalg.qr(matrix_RC.T @ range_R).Q).Q
    left, values, right = torch.linalg.svd(range_R.T @ matrix_RC, full_matrices=False)
    return range_R @ left, values, right

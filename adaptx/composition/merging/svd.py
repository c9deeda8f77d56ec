"""Low-rank approximation: the matrix of a given rank with the least squared error, as two factors.

It is a truncated singular value decomposition (Eckart and Young 1936, doi:10.1007/BF02288367).

Suffixes of tensor and array names, one letter per dimension: R rows, C columns, K rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adaptx.composition.merging.updates import Combine, Update
from adaptx.specs import SvdRank

EXACT_SIZE = 768
"""Matrices whose shorter side is longer than this are decomposed by random projections, unless the rank is above half
of that side.

The projections are algorithms 4.4 and 5.1 of Halko et al. 2011, arXiv:0909.4061, with a fixed seed, OVERSAMPLING
additional directions and POWER_ITERATIONS power iterations.
"""
OVERSAMPLING = 16
POWER_ITERATIONS = 2
NORM_BLOCK = 2**16


@dataclass(frozen=True)
class SvdFactors:
    """The factors of a matrix up_RK @ down_KC. After an SVD, each contains the square roots of the singular values.

    kept: squared norm of this matrix. total: squared norm of the matrix that it approximates. Both are 0 if no SVD was
    needed.
    """

    down_KC: Tensor
    up_RK: Tensor
    kept: float
    total: float


def svd_rank(updates: Sequence[Update], rule: SvdRank, key: object, combine: Combine) -> Tensor:
    """Merge the updates by another rule, `rule.combine` (such as `Ties`). `modules.py` then cuts the rank."""
    return combine(updates, rule.combine, key)


def nearest(matrix_RC: Tensor, rank: int) -> SvdFactors:
    """Return the factors of a dense matrix's best approximation among the matrices of this rank.

    If the matrix has fewer rows or columns than the rank, the factors are padded with zeros.
    """
    if min(matrix_RC.shape) <= EXACT_SIZE or 2 * rank > min(matrix_RC.shape):
        left, values_K, right = torch.linalg.svd(matrix_RC, full_matrices=False)
    else:
        left, values_K, right = _projected_svd(matrix_RC, rank + OVERSAMPLING)
    return _factors(left, values_K, right, rank, _squared_norm(matrix_RC))


def nearest_of_factors(down: Tensor, up: Tensor, rank: int) -> SvdFactors:
    """Return the factors of the best approximation of up @ down among the matrices of this rank.

    The result is exact. It is computed from QR decompositions of both factors, without computing up @ down.
    """
    q_up, r_up = torch.linalg.qr(up)
    q_down, r_down = torch.linalg.qr(down.T)
    left, values_K, right = torch.linalg.svd(r_up @ r_down.T, full_matrices=False)
    return _factors(q_up @ left, values_K, right @ q_down.T, rank, values_K.pow(2).sum(dtype=torch.float64).item())


def padded(down: Tensor, up: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the factors padded with zeros to a higher `rank`: `down` with rows, and `up` with columns."""
    missing = rank - down.shape[0]
    return torch.nn.functional.pad(down, (0, 0, 0, missing)), torch.nn.functional.pad(up, (0, missing))


def _factors(left: Tensor, values_K: Tensor, right: Tensor, rank: int, total: float) -> SvdFactors:
    values_K = values_K[:rank]
    root_K = values_K.sqrt()
    down, up = padded(root_K.unsqueeze(1) * right[:rank], left[:, :rank] * root_K, rank)
    return SvdFactors(down, up, values_K.pow(2).sum(dtype=torch.float64).item(), total)


def _squared_norm(matrix_RC: Tensor) -> float:
    # Work block by block, so that no second matrix is in memory. Sums are in fp32 within a block, and in fp64 across
    # blocks.
    return sum(torch.dot(block, block).item() for block in matrix_RC.flatten().split(NORM_BLOCK))


def _projected_svd(matrix_RC: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    range_R = torch.linalg.qr(matrix_RC @ torch.randn(matrix_RC.shape[1], size, generator=generator)).Q
    for _ in range(POWER_ITERATIONS):
        range_R = torch.linalg.qr(matrix_RC @ torch.linalg.qr(matrix_RC.T @ range_R).Q).Q
    left, values, right = torch.linalg.svd(range_R.T @ matrix_RC, full_matrices=False)
    return range_R @ left, values, right

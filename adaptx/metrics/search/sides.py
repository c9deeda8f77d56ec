"""The two sides of a search (queries and candidates), which are read from any kind of storage in blocks of fp32.

Suffixes of tensor and array names, one letter per dimension: D dimensions; R rows of a buffer, of which r are in use; p
rows that are read at once.
"""

import mmap
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from adaptx.errors import UserError

# Blocks are padded to whole tiles. For other shapes the BLAS library uses other kernels, which round differently. Equal
# candidates would then have different scores, and results would depend on the memory budget.
TILE = 64
# Number of rows read at once. It is small because these rows are in memory twice, and fixed so that the mean does not
# depend on the memory budget.
READ_ROWS = 256
# By the Cauchy-Schwarz inequality, products of rows with at most this norm cannot overflow fp32.
MAX_NORM = 1e18


class Vectors(Protocol):
    """Rows [rows, D] in fp32, fp16 or bf16 that are read by slices, such as a tensor, an array or a memory map."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class SearchSide:
    """One side of a search, with the changes made to each row.

    name: `queries` or `candidates`, for messages. unit: whether each row is divided by its norm. mean_D: the vector
    that is subtracted from each row, before any division by its norm; None if rows are not centred.
    """

    name: str
    vectors: Vectors
    unit: bool
    mean_D: Tensor | None
    device: torch.device

    @staticmethod
    def of(name: str, vectors: Vectors, unit: bool, centred: bool, device: torch.device) -> "SearchSide":
        return SearchSide(
            name=name,
            vectors=vectors,
            unit=unit,
            mean_D=_mean_row(name, vectors, device) if centred else None,
            device=device,
        )

    def __len__(self) -> int:
        return self.vectors.shape[0]

    def read(self, first: int, block_RD: Tensor) -> Tensor:
        """Copy rows, beginning with row `first`, into `block_RD`, and return the part of `block_RD` that is in use.

        This part holds at most R rows, followed by rows of zeros that complete the last tile.
        """
        rows = min(len(block_RD), len(self) - first)
        block_rD = block_RD[: whole_tiles(rows)]
        block_rD[rows:] = 0
        for at in range(0, rows, READ_ROWS):
            part_pD = block_rD[at : min(at + READ_ROWS, rows)]
            part_pD.copy_(_stored(self.vectors, first + at, len(part_pD)))
            if self.mean_D is not None:
                part_pD -= self.mean_D
            norms_p = _checked_norms(self.name, first + at, part_pD)
            if self.unit:
                part_pD /= norms_p.clamp_min(1e-12)[:, None]
        return block_rD


def whole_tiles(rows: int) -> int:
    """Return a number of rows, rounded up to a multiple of TILE."""
    return -(-rows // TILE) * TILE


def common_device(*sides: Vectors) -> torch.device:
    """Return the device of the first side that is not on the CPU. If there is none, return the CPU."""
    devices = [vectors.device for vectors in sides if isinstance(vectors, Tensor)]
    return next((device for device in devices if device.type != "cpu"), torch.device("cpu"))


def _mean_row(name: str, vectors: Vectors, device: torch.device) -> Tensor:
    sum_D = torch.zeros(vectors.shape[1], dtype=torch.float64, device=device)
    for first in range(0, vectors.shape[0], READ_ROWS):
        part_pD = _stored(vectors, first, min(READ_ROWS, vectors.shape[0] - first)).to(device).float()
        _checked_norms(name, first, part_pD)
        sum_D += part_pD.sum(0, dtype=torch.float64)
    return (sum_D / max(vectors.shape[0], 1)).float()


def _checked_norms(name: str, first: int, rows_pD: Tensor) -> Tensor:
    """Return the norm of each row.

    Raises:
        UserError: a norm is not finite, or larger than `MAX_NORM`.
    """
    norms_p = torch.linalg.vector_norm(rows_pD, dim=1)
    bad = (~(norms_p <= MAX_NORM)).nonzero()
    if len(bad):
        at = int(bad[0])
        raise UserError(
            f"row {first + at} of the {name} has norm {float(norms_p[at])}, but inner products in fp32 need finite "
            f"values and norms up to {MAX_NORM:g}; check the code or model that made these vectors"
        )
    return norms_p


def _stored(vectors: Vectors, first: int, rows: int) -> Tensor:
    """Return stored rows as a tensor. Rows that are not in a tensor are copied to fp32 on the CPU."""
    part = vectors[first : first + rows]
    if isinstance(part, Tensor):
        return part.detach()
    part_pD = torch.from_numpy(np.array(part, dtype=np.float32))
    _release_pages(vectors)
    return part_pD


def _release_pages(vectors: Vectors) -> None:
    """Release the memory that reading a memory-mapped file took. The file's pages stay in the system's cache."""
    if not isinstance(vectors, np.memmap) or vectors.mode != "r":
        return
    base: Any = vectors.base
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)

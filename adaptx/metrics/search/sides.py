"""The two sides of a search, queries and candidates, read in blocks of fp32 wherever and however they are stored.

Suffixes: D dimensions; r, p rows of a block, and of the part of it that is read at once.
"""

import mmap
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from adaptx.errors import UserError

# Blocks are padded to whole tiles. Products of other shapes take other ways through the BLAS library, which round
# differently, so that equal candidates would not tie and results would depend on the budget.
TILE = 64
# Few rows at once, as they are there twice; and always so many, so that the mean does not depend on the budget.
READ_ROWS = 256
# Products of rows within this norm cannot overflow fp32, by Cauchy and Schwarz.
MAX_NORM = 1e18


class Vectors(Protocol):
    """Rows [rows, D] that are read by slices: a tensor, an array, a memory map or the like; fp32, fp16 or bf16."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class SearchSide:
    """Queries or candidates, and what is done to each row. mean_D: what is subtracted, if anything is."""

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
            mean_D=_mean(name, vectors, device) if centred else None,
            device=device,
        )

    def __len__(self) -> int:
        return self.vectors.shape[0]

    def read(self, first: int, block_RD: Tensor) -> Tensor:
        """Rows from `first` on, in a part of `block_RD`: as many as there are, then zeros up to a whole tile."""
        rows = min(len(block_RD), len(self) - first)
        block_rD = block_RD[: whole_tiles(rows)]
        block_rD[rows:] = 0
        for at in range(0, rows, READ_ROWS):
            part_pD = block_rD[at : min(at + READ_ROWS, rows)]
            part_pD.copy_(_stored(self.vectors, first + at, len(part_pD)))
            if self.mean_D is not None:
                part_pD -= self.mean_D
            norms_p = _norms(self.name, first + at, part_pD)
            if self.unit:
                part_pD /= norms_p.clamp_min(1e-12)[:, None]
        return block_rD


def whole_tiles(rows: int) -> int:
    """Rows to the next multiple of TILE."""
    return -(-rows // TILE) * TILE


def common_device(*sides: Vectors) -> torch.device:
    """That of the first tensor that is not on the CPU, else the CPU."""
    devices = [vectors.device for vectors in sides if isinstance(vectors, Tensor)]
    return next((device for device in devices if device.type != "cpu"), torch.device("cpu"))


def _mean(name: str, vectors: Vectors, device: torch.device) -> Tensor:
    """The mean row in fp32, summed in fp64."""
    sum_D = torch.zeros(vectors.shape[1], dtype=torch.float64, device=device)
    for first in range(0, vectors.shape[0], READ_ROWS):
        part_pD = _stored(vectors, first, min(READ_ROWS, vectors.shape[0] - first)).to(device).float()
        _norms(name, first, part_pD)
        sum_D += part_pD.sum(0, dtype=torch.float64)
    return (sum_D / max(vectors.shape[0], 1)).float()


def _norms(name: str, first: int, rows_pD: Tensor) -> Tensor:
    norms_p = torch.linalg.vector_norm(rows_pD, dim=1)
    bad = (~(norms_p <= MAX_NORM)).nonzero()
    if len(bad):
        at = int(bad[0])
        raise UserError(
            f"row {first + at} of the {name} has norm {float(norms_p[at])}: inner products in fp32 need finite values "
            f"and norms up to {MAX_NORM:g}; check what made these vectors"
        )
    return norms_p


def _stored(vectors: Vectors, first: int, rows: int) -> Tensor:
    part = vectors[first : first + rows]
    if isinstance(part, Tensor):
        return part.detach()
    part_pD = torch.from_numpy(np.array(part, dtype=np.float32))
    _let_go(vectors)
    return part_pD


def _let_go(vectors: Vectors) -> None:
    """Unmap a file's pages once read: they stay in the system's cache, but not in this process's resident set."""
    if not isinstance(vectors, np.memmap) or vectors.mode != "r":
        return
    base: Any = vectors.base
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)

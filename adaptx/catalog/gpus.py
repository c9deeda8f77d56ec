"""GPUs for which a plan estimates time, from the makers' data sheets."""

from dataclasses import dataclass

GB = 10**9
TERA = 1e12

UTILISATION = 0.35
"""Share of the peak FLOP/s that a training is assumed to reach. Short texts and small models reach less."""


@dataclass(frozen=True)
class Gpu:
    """A type of GPU.

    Attributes:
        name: short name with its memory.
        peak_flops_per_second: peak rate of dense bf16 matrix products with fp32 accumulation.
        memory_bytes: the gigabytes of the data sheet, counted as 10^9 bytes.
        source: where the numbers come from.
    """

    name: str
    peak_flops_per_second: float
    memory_bytes: int
    source: str

    @property
    def assumed_flops_per_second(self) -> float:
        """The rate that a training is assumed to reach, in FLOP/s."""
        return self.peak_flops_per_second * UTILISATION


GPUS = (
    Gpu("L4 24GB", 121 * TERA, 24 * GB, "NVIDIA L4 data sheet: bf16 242 TFLOP/s with sparsity, half of that without"),
    Gpu(
        "RTX 4090 24GB",
        165.2 * TERA,
        24 * GB,
        "NVIDIA Ada GPU Architecture white paper, table of the GeForce RTX 4090: bf16 with fp32 accumulation",
    ),
    Gpu("A100 80GB", 312 * TERA, 80 * GB, "NVIDIA A100 data sheet: bf16 312 TFLOP/s (624 with sparsity)"),
    Gpu(
        "H100 80GB",
        989.5 * TERA,
        80 * GB,
        "NVIDIA H100 data sheet, SXM: bf16 1,979 TFLOP/s with sparsity, half of that without",
    ),
)

"""A device's memory, and its speed in matrix products."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from adaptx.backbones.bf16_products import arithmetic
from adaptx.profiling.device_memory import device_memory_bytes
from adaptx.profiling.processes import Start, alone
from adaptx.specs import Precision

MATMUL_SIZES = {"cpu": 2_048, "cuda": 8_192}
MATMUL_SECONDS = 0.3
"""Minimum duration of a speed measurement, because a GPU's clock rate takes a while to rise."""
DTYPES: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True)
class Device:
    """A device's memory and speed.

    name: the GPU's name; None for a CPU.
    memory_bytes: all memory of a GPU; for a CPU, the machine's free memory.
    taken_bytes: GPU memory in use before any work, by other programs and by CUDA itself (0 for a CPU).
    matmul_flops_per_second: speed of a large matrix product, by precision.
    """

    name: str | None
    memory_bytes: int
    taken_bytes: int
    matmul_flops_per_second: dict[Precision, float]


def look_at(device: str, precisions: Sequence[Precision] = (), start: Start = "forkserver") -> Device:
    """Measure the memory and speed of `cpu` or `cuda` in a separate process, so that this process does not use the GPU.

    Raises:
        RuntimeError: there is no such device.
    """
    return alone(_look, device, precisions, start=start)


def _look(kind: str, precisions: Sequence[Precision]) -> Device:
    device = torch.device(kind)
    speeds: dict[Precision, float] = {each: _best_matmul_flops_per_second(device, each) for each in precisions}
    if device.type == "cpu":
        return Device(None, device_memory_bytes(device), 0, speeds)
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info(device)
    return Device(torch.cuda.get_device_name(device), total, total - free, speeds)


def _best_matmul_flops_per_second(device: torch.device, precision: Precision) -> float:
    size = MATMUL_SIZES[device.type]
    first, second = (torch.randn(size, size, device=device).to(DTYPES[precision]) for _ in range(2))
    seconds: list[float] = []
    while len(seconds) < 6 or sum(seconds) < MATMUL_SECONDS:
        wait(device)
        at = time.perf_counter()
        with arithmetic(device.type, precision):
            torch.matmul(first, second)
        wait(device)
        seconds.append(time.perf_counter() - at)
    return 2.0 * size**3 / min(seconds)


def wait(device: torch.device) -> None:
    """Wait until the device has finished all work that was queued on it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)

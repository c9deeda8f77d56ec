"""Peak memory of a block of work, above the level at its start.

On CUDA: the peak of torch's allocator. On Linux without CUDA: the highest resident set (VmHWM), which is reset at the
start. On other systems: the resident set, sampled at short intervals.
"""

import ctypes
import gc
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from adaptx.profiling.sampling import sampled

CUDA_MEASURE = "CUDA allocator's peak"
RESIDENT_MEASURE = "resident set's peak above the level before the model loads"
SAMPLED_MEASURE = "resident set above the level before the model loads, sampled"
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_INTERVAL_SECONDS = 0.05


@dataclass
class PeakMemory:
    """The peak memory of a block of work, above the level at its start.

    measure: a description of what is measured. so_far: returns the peak up to now in bytes.
    """

    measure: str
    so_far: Callable[[], int]
    _whole: int | None = None

    @property
    def peak_bytes(self) -> int:
        """The peak in bytes: the final peak after the block's end, and until then the peak so far."""
        return self.so_far() if self._whole is None else self._whole

    def end(self) -> None:
        self._whole = self.so_far()


@contextmanager
def peak_memory(device: torch.device) -> Generator[PeakMemory]:
    """Measure the peak memory of the `with` block. Enter it before the model is loaded."""
    # Freed memory that the block reuses would not be measured.
    _return_freed_memory()
    if device.type == "cuda":
        with _cuda(device) as peak:
            yield peak
        return
    try:
        _CLEAR.write_text("5")
    except OSError:
        with _sampled() as peak:
            yield peak
        return
    before = _status_bytes("VmRSS")
    peak = PeakMemory(RESIDENT_MEASURE, lambda: max(0, _status_bytes("VmHWM") - before))
    try:
        yield peak
    finally:
        peak.end()


@contextmanager
def _cuda(device: torch.device) -> Generator[PeakMemory]:
    # Without this, the allocator has no statistics that could be reset.
    torch.cuda.init()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    peak = PeakMemory(CUDA_MEASURE, lambda: torch.cuda.max_memory_allocated(device) - before)
    try:
        yield peak
    finally:
        peak.end()


@contextmanager
def _sampled() -> Generator[PeakMemory]:
    import psutil

    process = psutil.Process()
    before = process.memory_info().rss
    seen = [0]

    def sample() -> None:
        seen[0] = max(seen[0], process.memory_info().rss - before)

    peak = PeakMemory(SAMPLED_MEASURE, lambda: seen[0])
    with sampled(sample, _INTERVAL_SECONDS):
        yield peak
    peak.end()


def _return_freed_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _status_bytes(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024

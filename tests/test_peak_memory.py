"""Peak memory of a block: what it allocates is what is measured, above what was there before."""

from pathlib import Path

import pytest
import torch

from adaptx.profiling import peak_memory as module
from adaptx.profiling.peak_memory import CUDA_MEASURE, RESIDENT_MEASURE, SAMPLED_MEASURE, peak_memory

CPU = torch.device("cpu")
MIB = 2**20
resident = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the high-water mark is Linux's")


def allocate(mebibytes: int) -> None:
    """Touch fresh memory and let it go."""
    block = bytearray(mebibytes * MIB)
    assert len(block) == mebibytes * MIB


@resident
@pytest.mark.parametrize("mebibytes", [64, 192])
def test_a_block_is_measured_by_the_resident_sets_peak(mebibytes):
    with peak_memory(CPU) as peak:
        allocate(mebibytes)
    assert peak.measure == RESIDENT_MEASURE
    assert peak.peak_bytes == pytest.approx(mebibytes * MIB, abs=12 * MIB)


@resident
def test_what_was_there_before_does_not_count():
    with peak_memory(CPU):
        allocate(256)
    held = bytearray(96 * MIB)
    with peak_memory(CPU) as peak:
        allocate(48)
    assert peak.peak_bytes == pytest.approx(48 * MIB, abs=12 * MIB)
    assert len(held) == 96 * MIB


def test_where_the_mark_cannot_be_reset_the_resident_set_is_sampled(monkeypatch, tmp_path):
    import time

    monkeypatch.setattr(module, "_CLEAR", tmp_path / "nowhere" / "clear_refs")
    monkeypatch.setattr(module, "_INTERVAL_SECONDS", 0.005)
    with peak_memory(CPU) as peak:
        block = bytearray(128 * MIB)
        time.sleep(0.1)
        del block
    assert peak.measure == SAMPLED_MEASURE
    assert peak.peak_bytes == pytest.approx(128 * MIB, abs=12 * MIB)


def test_the_peak_is_there_though_the_block_fails():
    peaks = []

    def fail() -> None:
        with peak_memory(CPU) as peak:
            peaks.append(peak)
            allocate(64)
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        fail()
    assert peaks[0].peak_bytes > 32 * MIB


@pytest.mark.gpu
def test_on_cuda_it_is_the_allocators_peak():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    device = torch.device("cuda")
    held = torch.zeros(16 * MIB, dtype=torch.uint8, device=device)
    with peak_memory(device) as peak:
        block = torch.zeros(64 * MIB, dtype=torch.uint8, device=device)
        del block
    assert peak.measure == CUDA_MEASURE
    assert peak.peak_bytes == pytest.approx(64 * MIB, abs=MIB)
    assert held.numel() == 16 * MIB

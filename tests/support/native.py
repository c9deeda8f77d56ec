"""Measure steps whose bf16 products use torch's own kernels, which predictions are for, on any processor."""

import torch

from adaptx.backbones.cpu_kernels import CpuKernels
from adaptx.profiling.cell import Cell
from adaptx.profiling.measurement import Measurement, measure
from adaptx.profiling.prediction import native_arithmetic
from adaptx.profiling.step import Step, make_step


def native_step(cell: Cell, device: torch.device) -> Step:
    return make_step(cell, device, CpuKernels, arithmetic=native_arithmetic)


def measure_native(cell: Cell) -> Measurement:
    """Return the measurement of one step, after a step that creates the optimiser's state."""
    return measure(cell, 1, 1, native_step)

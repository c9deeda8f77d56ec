"""Peak memory of a training step, predicted without any weight: the real step on fake tensors, under a tracker."""

import functools
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from adaptx.backbones.cpu_kernels import CpuKernels
from adaptx.costs.room import context_bytes
from adaptx.profiling.cell import Cell
from adaptx.profiling.cuda_kernels import CudaKernels, rounded
from adaptx.profiling.step import PHASES, Quantise, make_step
from adaptx.profiling.tracker import Tracker
from adaptx.specs import ModelFamily


@dataclass(frozen=True)
class Prediction:
    """peak_memory_bytes: what torch has allocated at the step's peak. context_bytes: what a CUDA process takes beside.

    parts: the peak by what it holds. moment: the phase in which it is reached. seconds: what predicting took.
    """

    peak_memory_bytes: int
    context_bytes: int
    parts: dict[str, int]
    moment: str
    trainable_parameters: int
    seconds: float

    @property
    def needed_bytes(self) -> int:
        return self.peak_memory_bytes + self.context_bytes


@functools.cache
def predict(cell: Cell) -> Prediction:
    """Run two of the step's micro-batches at most, on fake tensors; no weight is loaded or made.

    A cell's prediction is kept for the process: looking for what fits comes by the same cells again.
    """
    began = time.perf_counter()
    cuda = cell.device == "cuda"
    tracker = Tracker(rounded if cuda else lambda size: size, _summed(cell), scatters_in_fp32=not cuda)
    # From the second micro-batch on gradients are there from the beginning; a third changes nothing.
    whole = cell
    if cell.micro_batches > 2:
        cell = replace(cell, batch_size=2 * cell.micro_batch)
    # Fake tensors are the CPU's: those of a GPU would need its kernels; what differs there stands in `cuda_kernels`.
    cell = replace(cell, device="cpu")
    kernels = CudaKernels if cuda else CpuKernels
    with _taken_for_real(), FakeTensorMode(allow_non_fake_inputs=True), _EveryLayer(), tracker:
        step = make_step(cell, torch.device("cpu"), kernels, _outlined(cell, cuda), native_arithmetic)
        step.make_state(tracker)
        step.run(tracker)
    peak = tracker.peak(PHASES)
    return Prediction(
        peak.bytes,
        context_bytes(whole.device),
        {part.value: size for part, size in peak.parts.items()},
        peak.moment,
        sum(parameter.numel() for parameter in step.own),
        time.perf_counter() - began,
    )


def native_arithmetic(device_type: str, precision: str) -> AbstractContextManager[Any]:
    """Products in bf16 by a device's own instructions, whether this one has them or not."""
    return torch.autocast(device_type, dtype=torch.bfloat16, enabled=precision == "bf16")


def _summed(cell: Cell) -> list[tuple[int, int]]:
    """Shapes of weights whose gradients autograd adds up in place: embeddings that both stacks look up.

    A gradient that comes from scores over the vocabulary is not added up in place.
    """
    shape = cell.shape
    looked_up = cell.model.family is ModelFamily.ENCODER_DECODER and not shape.tied
    return [(shape.vocabulary, shape.hidden_size)] if looked_up else []


def _outlined(cell: Cell, cuda: bool) -> Quantise | None:
    """What stands in for bitsandbytes, which need not be installed."""
    if cell.quantised is None:
        return None
    # It imports peft, which takes seconds.
    from adaptx.methods.quantised_outline import outline_quantised

    return functools.partial(outline_quantised, cuda=cuda)


class _EveryLayer(TorchFunctionMode):
    """Within the block mBART and XGLM run all their layers, as they do outside.

    They draw a number for each layer and leave it out below a probability, which is 0; a fake number is taken for one
    below it.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return 1.0 if func is torch.rand and args == ([],) else func(*args, **(kwargs or {}))


@contextmanager
def _taken_for_real() -> Generator[None]:
    """Within the block transformers 5 does with fake tensors what it does with real ones.

    Of fake ones it makes masks, and for them repeats keys and values, where real ones turn out to need none.
    """
    import transformers

    if transformers.__version__.startswith("4."):
        yield
        return
    from transformers import masking_utils

    masks: Any = masking_utils
    before = masks.is_tracing
    masks.is_tracing = lambda _tensor=None: False
    try:
        yield
    finally:
        masks.is_tracing = before

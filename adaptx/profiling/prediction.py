"""Predict a training step's peak memory, without loading weights.

The code of the real step runs on fake tensors, which have shapes and dtypes but no values and no memory. A `Tracker`
records when real ones would be allocated and freed, and so finds the peak of their sum.
"""

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
    """The predicted memory of a training step.

    peak_memory_bytes: memory allocated by torch at the step's peak.
    context_bytes: memory that a CUDA process needs in addition.
    parts: the bytes at the peak by purpose.
    moment: the phase of the step in which the peak is reached.
    seconds: how long the prediction took.
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
    """Predict a cell's memory by running one or two of its micro-batches on fake tensors.

    Predictions are cached, because a search for steps that fit visits the same cells again.
    """
    began = time.perf_counter()
    cuda = cell.device == "cuda"
    tracker = Tracker(rounded if cuda else lambda size: size, _shapes_summed_in_place(cell), scatters_in_fp32=not cuda)
    # From the second micro-batch on, gradients already exist when it begins. Further micro-batches change nothing.
    whole = cell
    if cell.micro_batches > 2:
        cell = replace(cell, batch_size=2 * cell.micro_batch)
    # Fake tensors are on the CPU, because fake GPU tensors would need the GPU's kernels. `cuda_kernels` imitates the
    # differences.
    cell = replace(cell, device="cpu")
    kernels = CudaKernels if cuda else CpuKernels
    with _fake_tensors_taken_for_real(), FakeTensorMode(allow_non_fake_inputs=True), _NoLayerSkipped(), tracker:
        step = make_step(cell, torch.device("cpu"), kernels, _stand_ins_for_quantised(cell, cuda), native_arithmetic)
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
    """Return the autocast context of a device with bf16 instructions, even if this machine has none."""
    return torch.autocast(device_type, dtype=torch.bfloat16, enabled=precision == "bf16")


def _shapes_summed_in_place(cell: Cell) -> list[tuple[int, int]]:
    """Return the shapes of embeddings that encoder and decoder share. Autograd sums their gradients in place.

    The list is empty if the embeddings also give the scores over the vocabulary: their sum is then not in place.
    """
    shape = cell.shape
    looked_up = cell.model.family is ModelFamily.ENCODER_DECODER and not shape.tied
    return [(shape.vocabulary, shape.hidden_size)] if looked_up else []


def _stand_ins_for_quantised(cell: Cell, cuda: bool) -> Quantise | None:
    if cell.quantised is None:
        return None
    # Imported here because this module imports peft, which takes seconds.
    from adaptx.methods.quantised_outline import outline_quantised

    return functools.partial(outline_quantised, cuda=cuda)


class _NoLayerSkipped(TorchFunctionMode):
    """A context in which mBART and XGLM skip no layers on fake tensors, as they skip none on real ones.

    For each layer these models draw a random number, and skip the layer if the number is below a probability, here 0. A
    fake number would count as below 0. Therefore this context returns 1.
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
def _fake_tensors_taken_for_real() -> Generator[None]:
    """Let transformers 5 treat fake tensors like real ones inside the `with` block.

    It would otherwise take them for tensors of a traced graph, whose values are unknown, and build masks that the real
    step does not have.
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

"""Prediction of a training step's peak memory, without loading weights.

The code of the real step runs on fake tensors, which have shapes and dtypes but no values and no memory. A `Tracker`
records when each of them would be allocated and freed, and the peak of the sum is the prediction.
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

    peak_memory_bytes: memory allocated by torch at the step's peak. context_bytes: memory that a CUDA process needs in
    addition. parts: the peak's bytes by purpose. moment: the phase of the step in which the peak is reached. seconds:
    the time that the prediction took.
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
    """Predict a cell's memory by running at most two of its micro-batches on fake tensors.

    Predictions are cached for the process, because a search for steps that fit visits the same cells again.
    """
    began = time.perf_counter()
    cuda = cell.device == "cuda"
    tracker = Tracker(rounded if cuda else lambda size: size, _summed(cell), scatters_in_fp32=not cuda)
    # From the second micro-batch on, gradients already exist when it begins. Further micro-batches change nothing.
    whole = cell
    if cell.micro_batches > 2:
        cell = replace(cell, batch_size=2 * cell.micro_batch)
    # Fake tensors are on the CPU, because fake GPU tensors would need the GPU's kernels. `cuda_kernels` imitates the
    # differences.
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
    """Return the autocast context of a device that has bf16 instructions. This machine need not have them."""
    return torch.autocast(device_type, dtype=torch.bfloat16, enabled=precision == "bf16")


def _summed(cell: Cell) -> list[tuple[int, int]]:
    """Return the shapes of embeddings that both encoder and decoder look up. Autograd sums their gradients in place.

    If the embeddings also give the scores over the vocabulary, autograd does not sum in place, and the list is empty.
    """
    shape = cell.shape
    looked_up = cell.model.family is ModelFamily.ENCODER_DECODER and not shape.tied
    return [(shape.vocabulary, shape.hidden_size)] if looked_up else []


def _outlined(cell: Cell, cuda: bool) -> Quantise | None:
    """Return the function that puts stand-ins for bitsandbytes' linear maps into a network; None if not quantised."""
    if cell.quantised is None:
        return None
    # Imported here because this module imports peft, which takes seconds.
    from adaptx.methods.quantised_outline import outline_quantised

    return functools.partial(outline_quantised, cuda=cuda)


class _EveryLayer(TorchFunctionMode):
    """A context in which mBART and XGLM run all their layers on fake tensors, as they do on real ones.

    For each layer they draw a random number, and skip the layer if the number is below a probability, here 0. A fake
    number would count as below 0, so it is replaced by 1.
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
    """Let transformers 5 treat fake tensors like real ones inside the `with` block.

    Otherwise transformers would mistake fake tensors for those of a traced graph, whose values are unknown. It would
    then build masks that real tensors do not need, and would repeat keys and values because of the masks.
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

"""One cell measured on the device: memory, speed, module size."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from adaptx.errors import UserError
from adaptx.methods import quantised
from adaptx.profiling.cell import TARGET_TOKENS, Cell
from adaptx.profiling.device import wait
from adaptx.profiling.step import Step, make_step

OUT_OF_MEMORY = "out of memory"
WANT_OF_MEMORY = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
"""How errors without a class of their own say so: the CPU's allocator, the driver, cuBLAS and cuDNN."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """peak_memory_bytes: the most that torch had allocated during a step. reserved, and its average and 99th percentile
    over steps: what its allocator held (CUDA alone).

    resident_bytes: the process's resident set at its highest, libraries included. flops_per_second: of the step's own
    products with weights. beside_bytes: what else is taken of the GPU's memory: context, libraries, other programs.
    """

    peak_memory_bytes: int
    memory_average_bytes: int | None
    memory_99th_bytes: int | None
    reserved_bytes: int | None
    resident_bytes: int | None
    step_seconds_p50: float
    step_seconds_p95: float
    examples_per_second: float
    tokens_per_second: float
    train_seconds: float
    load_seconds: float
    trainable_parameters: int
    total_parameters: int
    module_bytes: int
    flops_per_second: float
    beside_bytes: int | None = None


def attempt(cell: Cell, steps: int, warmup: int) -> Measurement | str:
    """What `measure` finds, or that the cell does not fit into memory."""
    try:
        return measure(cell, steps, warmup)
    except (torch.OutOfMemoryError, MemoryError):
        return OUT_OF_MEMORY
    except RuntimeError as error:
        if not any(words in str(error) for words in WANT_OF_MEMORY):
            raise
        return OUT_OF_MEMORY


def measure(
    cell: Cell,
    steps: int = 5,
    warmup: int = 2,
    make: Callable[[Cell, torch.device], Step] = make_step,
) -> Measurement:
    """Build, warm up, time `steps` steps; on a CPU watch the allocations of one more.

    make: builds the step; by default one that computes as training does.

    Raises:
        UserError: no warm-up: the first step, which makes the optimiser's state, is not like the others.
        torch.OutOfMemoryError, RuntimeError: the cell does not fit.
    """
    if warmup < 1:
        raise UserError(f"warmup {warmup}: it is at least 1, as the first step makes the optimiser's state")
    device = torch.device(cell.device)
    began = time.perf_counter()
    torch.manual_seed(0)
    step = make(cell, device)
    wait(device)
    load_seconds = time.perf_counter() - began
    for _ in range(warmup):
        step.run()
    wait(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds, reserved = _timed(step, steps, device)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else allocated_peak(step)
    beside_bytes = _beside_bytes(device)
    names = {id(parameter): name for name, parameter in step.model.named_parameters()}
    middle = statistics.median(seconds)
    return Measurement(
        peak_memory_bytes=peak,
        memory_average_bytes=int(statistics.mean(reserved)) if reserved else None,
        memory_99th_bytes=reserved[min(len(reserved) - 1, int(0.99 * len(reserved)))] if reserved else None,
        reserved_bytes=torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None,
        resident_bytes=resident_bytes(),
        step_seconds_p50=middle,
        step_seconds_p95=seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))],
        examples_per_second=cell.batch_size / middle,
        tokens_per_second=cell.batch_size * cell.sequence_length / middle,
        train_seconds=sum(seconds),
        load_seconds=load_seconds,
        trainable_parameters=sum(parameter.numel() for parameter in step.own),
        total_parameters=_total_parameters(step),
        module_bytes=module_bytes({names[id(parameter)]: parameter for parameter in step.own}),
        flops_per_second=step_flops(cell, step) / middle,
        beside_bytes=beside_bytes,
    )


def _timed(step: Step, steps: int, device: torch.device) -> tuple[list[float], list[int]]:
    """Run the steps; return the seconds of each, and the bytes that a GPU's allocator held after each, both sorted."""
    seconds: list[float] = []
    reserved: list[int] = []
    for _ in range(steps):
        at = time.perf_counter()
        step.run()
        wait(device)
        seconds.append(time.perf_counter() - at)
        if device.type == "cuda":
            reserved.append(torch.cuda.memory_reserved(device))
    return sorted(seconds), sorted(reserved)


def _beside_bytes(device: torch.device) -> int | None:
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return total - free - torch.cuda.memory_reserved(device)


def allocated_peak(step: Step) -> int:
    """The most bytes that torch's CPU allocator had given out during one step, kernels' own buffers included.

    What was allocated before is what the model, its optimiser and its inputs hold.
    """
    held = {id(t.untyped_storage()): t.untyped_storage().nbytes() for t in _held(step)}
    return sum(held.values()) + most_allocated(step.run)


def most_allocated(work: Callable[[], object]) -> int:
    """The most bytes that torch's CPU allocator gives out at once during the work, above what was there before.

    From torch's profiler, which is told of every allocation.
    """
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    results: Any = profiler.profiler
    events = [event for event in results.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    live = peak = 0
    for event in events:
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def _held(step: Step) -> list[torch.Tensor]:
    """Tensors that are there between two steps; the few inputs are left out."""
    state = [value for each in step.optimizer.state.values() for value in each.values()]
    state += quantised.scales(step.model) if step.cell.quantised is not None else ()
    return [*step.model.parameters(), *step.model.buffers(), *(v for v in state if isinstance(v, torch.Tensor))]


def step_flops(cell: Cell, step: Step) -> float:
    """Floating-point operations of one step's matrix products with weights: 2 a weight and token forwards, 2 backwards,
    and 2 more where the weight trains; what is computed again for gradient checkpointing is left out.
    """
    shape, full = cell.shape, cell.method.whole
    read = cell.batch_size * cell.sequence_length
    written = cell.batch_size * TARGET_TOKENS if shape.decoder_layers else read
    first = shape.layers * sum(inputs * outputs for inputs, outputs in shape.linear_maps.values())
    products = read * first
    if shape.decoder_layers:
        # Keys and values of the attention from one stack to the other come from what is read.
        for site, (inputs, outputs) in shape.decoder_linear_maps.items():
            tokens = read if site in ("cross_key", "cross_value") else written
            products += tokens * shape.decoder_layers * inputs * outputs
    work = (6.0 if full else 4.0) * products
    if not full and cell.method.matrices:
        # The matrices that a small method adds train, in each layer and for each token.
        work += 6.0 * read * sum(parameter.numel() for parameter in step.own)
    if shape.embedding_size is not None:
        # Nothing that a small method trains lies below it.
        work += (6.0 if full else 2.0) * read * shape.embedding_size * shape.hidden_size
    if rows := cell.micro_batches * shape.architecture.distance_rows:
        maps = shape.linear_maps
        each = sum(inputs * outputs for inputs, outputs in (maps["query"], maps["key"]))
        work += (6.0 if full else 4.0) * rows * shape.layers * each
    if shape.architecture.output_matrix:
        work += (6.0 if full else 4.0) * written * shape.vocabulary * shape.hidden_size
    return work


def resident_bytes() -> int | None:
    """The resident set's high-water mark; None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)


def _total_parameters(step: Step) -> int:
    if step.cell.quantised is not None:
        return quantised.count_weights(step.model)
    return sum(parameter.numel() for parameter in step.model.parameters())


def module_bytes(parameters: Mapping[str, torch.Tensor]) -> int:
    """Of these as a safetensors file, which is not written: of a full model it would take long and much room.

    The format: eight bytes, a header in JSON filled up to a multiple of eight, the tensors' bytes.
    """
    header: dict[str, Any] = {}
    end = 0
    # By name alone, as all are of one dtype.
    for name, tensor in sorted(parameters.items()):
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    return 8 + -(-len(json.dumps(header, separators=(",", ":"))) // 8) * 8 + end

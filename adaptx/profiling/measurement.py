"""Measure one cell on the device: memory, speed, and size of the trained module."""

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
"""Texts by which a plain RuntimeError of the CPU's allocator, the driver, cuBLAS or cuDNN shows a lack of memory."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Memory, time and sizes of a cell's training step.

    peak_memory_bytes: the most memory that torch had allocated during a step.
    memory_average_bytes, memory_99th_bytes, reserved_bytes: mean, 99th percentile and maximum of the memory that
        torch's allocator reserved (CUDA only).
    resident_bytes: the highest resident set of the process, including libraries.
    train_seconds: total time of the timed steps.
    load_seconds: time to build the step.
    module_bytes: size of the trained module's file.
    flops_per_second: floating-point operations per second in the step's matrix products with weights.
    beside_bytes: GPU memory in use outside torch's allocator: CUDA context, libraries, other programs.
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
    """Return the measurement of a cell, or `OUT_OF_MEMORY` if it does not fit."""
    try:
        return measure(cell, steps, warmup)
    except (torch.OutOfMemoryError, MemoryError):
        return OUT_OF_MEMORY
    except RuntimeError as error:
        if not any(words in str(error) for words in WANT_OF_MEMORY):
            raise
        return OUT_OF_MEMORY


def measure(
    cell: Cell, steps: int = 5, warmup: int = 2, make: Callable[[Cell, torch.device], Step] = make_step
) -> Measurement:
    """Build the step, run `warmup` steps, and time `steps` steps. On a CPU, track the allocations of one more step.

    make: builds the step; by default a step that computes in the same way as training.

    Raises:
        UserError: `warmup` is 0. The first step cannot be timed, because it also creates the optimiser's state.
        torch.OutOfMemoryError, RuntimeError: the cell does not fit.
    """
    if warmup < 1:
        raise UserError(
            f"warmup is {warmup}, but must be at least 1, because the first step creates the optimiser's state"
        )
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
    seconds, reserved = _sorted_seconds_and_reserved_bytes(step, steps, device)
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


def _sorted_seconds_and_reserved_bytes(step: Step, steps: int, device: torch.device) -> tuple[list[float], list[int]]:
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
    """Run one step, and return the peak of torch's allocated CPU memory in bytes, including the kernels' buffers."""
    held = {id(t.untyped_storage()): t.untyped_storage().nbytes() for t in _tensors_kept_between_steps(step)}
    return sum(held.values()) + most_allocated(step.run)


def most_allocated(work: Callable[[], object]) -> int:
    """Do the work. Return in bytes how far torch's allocated CPU memory rose above the level at the start."""
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


def _tensors_kept_between_steps(step: Step) -> list[torch.Tensor]:
    state = [value for each in step.optimizer.state.values() for value in each.values()]
    state += quantised.scales(step.model) if step.cell.quantised is not None else ()
    return [*step.model.parameters(), *step.model.buffers(), *(v for v in state if isinstance(v, torch.Tensor))]


def step_flops(cell: Cell, step: Step) -> float:
    """Return the number of floating-point operations in one step's matrix products with weights.

    Per weight and token, the forward pass has 2 operations, the gradient of the input 2, and, if the weight is trained,
    the gradient of the weight 2 more. Repeated computation for gradient checkpointing is not counted.
    """
    shape, full = cell.shape, cell.method.whole
    read = cell.batch_size * cell.sequence_length
    written = cell.batch_size * TARGET_TOKENS if shape.decoder_layers else read
    first = shape.layers * sum(inputs * outputs for inputs, outputs in shape.linear_maps.values())
    products = read * first
    if shape.decoder_layers:
        # Cross-attention computes its keys and values from the encoder's tokens.
        for site, (inputs, outputs) in shape.decoder_linear_maps.items():
            tokens = read if site in ("cross_key", "cross_value") else written
            products += tokens * shape.decoder_layers * inputs * outputs
    work = (6.0 if full else 4.0) * products
    if not full and cell.method.matrices:
        # A parameter-efficient method adds trained matrices, which run for each token.
        work += 6.0 * read * sum(parameter.numel() for parameter in step.own)
    if shape.embedding_size is not None:
        # The embedding projection has no backward pass here if only modules above it are trained.
        work += (6.0 if full else 2.0) * read * shape.embedding_size * shape.hidden_size
    if rows := cell.micro_batches * shape.architecture.distance_rows:
        maps = shape.linear_maps
        each = sum(inputs * outputs for inputs, outputs in (maps["query"], maps["key"]))
        work += (6.0 if full else 4.0) * rows * shape.layers * each
    if shape.architecture.output_matrix:
        work += (6.0 if full else 4.0) * written * shape.vocabulary * shape.hidden_size
    return work


def resident_bytes() -> int | None:
    """Return the peak resident memory of this process so far, or None if the system does not report it."""
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
    """Compute the size that a safetensors file with these parameters would have. No file is written."""
    header: dict[str, Any] = {}
    end = 0
    # safetensors sorts by dtype and then by name; here all have the same dtype.
    for name, tensor in sorted(parameters.items()):
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    # The file has eight bytes, a JSON header padded to a multiple of eight bytes, and the tensors' bytes.
    return 8 + -(-len(json.dumps(header, separators=(",", ":"))) // 8) * 8 + end

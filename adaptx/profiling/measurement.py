"""One cell measured on the device: memory, speed, module size. Run as a module, it measures the cell given on stdin.

Each cell has a process of its own, so that nothing of an earlier one is left in memory, and running out of memory
ends that process alone.
"""

import json
import pickle
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from adaptx.methods import quantised
from adaptx.profiling.cell import Cell
from adaptx.profiling.step import Step, make_step

MATMUL_SIZES = {"cpu": 2_048, "cuda": 8_192}
OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True)
class Measured:
    """peak_memory_bytes: the most that torch had allocated during a step. reserved, and its average and 99th percentile
    over steps: what its allocator held (CUDA alone).

    resident_bytes: the process's resident set at its highest, libraries included. flops_per_second: of the step's own
    products with weights.
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


def measure(cell: Cell, steps: int = 5, warmup: int = 2) -> Measured:
    """Build, warm up, time `steps` steps, then watch the allocations of one more.

    Raises:
        torch.OutOfMemoryError, RuntimeError: the cell does not fit.
    """
    device = torch.device(cell.device)
    began = time.perf_counter()
    torch.manual_seed(0)
    step = make_step(cell, device)
    _wait(device)
    load_seconds = time.perf_counter() - began
    for _ in range(warmup):
        step.run()
    _wait(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds: list[float] = []
    memory: list[int] = []
    for _ in range(steps):
        at = time.perf_counter()
        step.run()
        _wait(device)
        seconds.append(time.perf_counter() - at)
        if device.type == "cuda":
            memory.append(torch.cuda.memory_reserved(device))
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else allocated_peak(step)
    middle = statistics.median(seconds)
    tokens = cell.batch_size * cell.sequence_length
    memory.sort()
    return Measured(
        peak,
        int(statistics.mean(memory)) if memory else None,
        memory[min(len(memory) - 1, int(0.99 * len(memory)))] if memory else None,
        torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None,
        resident_bytes(),
        middle,
        sorted(seconds)[min(len(seconds) - 1, int(0.95 * len(seconds)))],
        cell.batch_size / middle,
        tokens / middle,
        sum(seconds),
        load_seconds,
        sum(parameter.numel() for parameter in step.own),
        _total_parameters(step),
        _module_bytes(step),
        step_flops(cell, step) / middle,
    )


def allocated_peak(step: Step) -> int:
    """The most bytes that torch's CPU allocator had given out during one step, kernels' own buffers included.

    From torch's profiler, which is told of every allocation; what was allocated before is what the model, its
    optimiser and its inputs hold.
    """
    from torch.profiler import ProfilerActivity, profile

    held = {id(t.untyped_storage()): t.untyped_storage().nbytes() for t in _held(step)}
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step.run()
    results: Any = profiler.profiler
    events = [event for event in results.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    live = peak = sum(held.values())
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
    """Floating-point operations of one step's matrix products with weights, as `costs.py` counts them."""
    from adaptx.specs import ModelFamily

    inside = cell.shape.encoder_parameters
    tokens = cell.batch_size * cell.sequence_length
    own = sum(parameter.numel() for parameter in step.own)
    work = tokens * (4.0 * inside + 2.0 * min(own, inside))
    if cell.model.family is not ModelFamily.ENCODER:
        # The output matrix is as large as the token embedding.
        work += 4.0 * tokens * cell.shape.vocabulary * cell.shape.hidden_size
    return work


def matmul_flops_per_second(device: torch.device, dtype: torch.dtype) -> float:
    """Of a large matrix product on this device: the best of some."""
    size = MATMUL_SIZES[device.type]
    first, second = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    seconds: list[float] = []
    for _ in range(6):
        _wait(device)
        at = time.perf_counter()
        torch.matmul(first, second)
        _wait(device)
        seconds.append(time.perf_counter() - at)
    return 2.0 * size**3 / min(seconds)


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


def _module_bytes(step: Step) -> int:
    """Of the method's parameters as a safetensors file."""
    from safetensors.torch import save_file

    names = {id(parameter): name for name, parameter in step.model.named_parameters()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.safetensors"
        save_file({names[id(p)]: p.detach().contiguous().clone() for p in step.own}, path)
        return path.stat().st_size


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    cell, options = pickle.load(sys.stdin.buffer)
    try:
        found: dict[str, Any] = asdict(measure(cell, **options))
    except (torch.OutOfMemoryError, MemoryError) as error:
        found = {"failed": OUT_OF_MEMORY, "cause": str(error).splitlines()[0]}
    except RuntimeError as error:
        # The CPU's allocator has no error class of its own.
        if "can't allocate memory" not in str(error):
            raise
        found = {"failed": OUT_OF_MEMORY, "cause": str(error).splitlines()[0]}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()

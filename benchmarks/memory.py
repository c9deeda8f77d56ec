"""Compare predicted and measured peak memory of training steps over families, methods, lengths and precisions.

    python benchmarks/memory.py [--device cpu|cuda] [--out FILE]    # the whole grid: at least 40 cells
    python benchmarks/memory.py --precision fp32                    # for a CPU without bf16 instructions
    python benchmarks/memory.py --smoke                             # three small cells: does it run?

Weights are random, with shapes from the catalog, so nothing is downloaded. README.md in this folder says what is
compared. Predictions are for bf16 kernels; a CPU without bf16 instructions multiplies in fp32 instead.
"""

import argparse
import itertools
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training import ENVIRONMENT, machine

# Set before torch is imported, because its OpenMP reads them only once.
os.environ.update({**ENVIRONMENT, **os.environ})

from adaptx.catalog import E5_MINI, E5_SMALL, LLAMA3_1B, MDEBERTA, MT5_SMALL, QWEN3_600M, XLMR_BASE
from adaptx.profiling.bench import Result, bench
from adaptx.profiling.cell import Cell, kind_name
from adaptx.profiling.device import look_at
from adaptx.specs import Bottleneck, Full, Lora, Method, ModelSpec, Precision
from adaptx.specs.quantisation import Quantisation

LENGTHS = (32, 128, 256)
METHODS: tuple[Method, ...] = (Full(), Lora(), Bottleneck())
GRID: tuple[tuple[ModelSpec, tuple[Method, ...]], ...] = (
    (E5_SMALL, METHODS),
    (XLMR_BASE, METHODS),
    (MDEBERTA, (Lora(), Bottleneck())),
    (MT5_SMALL, METHODS),
    (QWEN3_600M, (Lora(), Bottleneck())),
    (LLAMA3_1B, (Bottleneck(),)),
)
KINDS: tuple[tuple[Precision, bool], ...] = (("fp32", False), ("bf16", False), ("bf16", True), ("fp32", True))
QUANTISED = (E5_SMALL, QWEN3_600M)
QUANTISED_KINDS = KINDS[1::2]
GOAL = 0.1


def grid(device: str) -> Iterator[Cell]:
    """Return each model and method at each length, alternating precisions, with and without gradient checkpointing.

    The last cells are LoRA over quantised weights. Without bitsandbytes they are only predicted, and their rows say so.
    """
    turn = itertools.cycle(KINDS)
    for model, methods in GRID:
        for method, length in itertools.product(methods, LENGTHS):
            for precision, gradient_checkpointing in (next(turn), next(turn)):
                yield Cell(model, method, 2, length, precision, gradient_checkpointing, device=device)
    for model, stored, (precision, gradient_checkpointing) in itertools.product(
        QUANTISED, Quantisation, QUANTISED_KINDS
    ):
        yield Cell(model, Lora(), 2, 128, precision, gradient_checkpointing, device=device, quantised=stored)


def smoke(device: str) -> Iterator[Cell]:
    for method in METHODS:
        yield Cell(E5_MINI, method, 1, 16, "bf16", device=device)


def line(result: Result) -> str:
    cell, measured = result.cell, result.measured
    assert result.prediction is not None
    kind = kind_name(cell.method.label, cell.quantised_name)
    names = [cell.model.name, kind, str(cell.sequence_length), cell.precision,
             "yes" if cell.gradient_checkpointing else "no",
             f"{result.prediction.peak_memory_bytes / 2**20:.1f}"]  # fmt: skip
    if measured is None:
        return f"| {' | '.join([*names, result.failed or '', '', '', '', ''])} |"
    assert result.error is not None
    more = [f"{measured.peak_memory_bytes / 2**20:.1f}", f"{100 * result.error:+.2f} %",
            f"{(measured.resident_bytes or 0) / 2**20:.0f}", f"{measured.step_seconds_p50:.2f}",
            f"{measured.tokens_per_second:.0f}"]  # fmt: skip
    return f"| {' | '.join([*names, *more])} |"


def table(results: Sequence[Result], device: str) -> str:
    """Return the results as Markdown."""
    titles = ["model", "method", "tokens", "precision", "checkpointing", "predicted MiB", "allocated MiB", "error",
              "resident MiB", "step s", "tokens/s"]  # fmt: skip
    errors = [abs(result.error) for result in results if result.error is not None]
    where = machine()
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    summary = (
        f"Device {device}, sequences per step: {results[0].cell.batch_size}; {len(errors)} of {len(results)} cells "
        f"measured, largest error {100 * max(errors):.2f} %, {sum(error > GOAL for error in errors)} above "
        f"{100 * GOAL:.0f} %"
    )
    return "\n".join(
        [
            summary,
            "",
            f"| {' | '.join(titles)} |",
            "|" + "---|" * len(titles),
            *(line(result) for result in results),
            "",
            f"{where['cpu']}, {where['cores']} cores; Python {where['python']}, {versions}",
        ]
    )


def record(result: Result) -> dict[str, Any]:
    cell = result.cell
    assert result.prediction is not None
    return {
        "cell": cell.name,
        "model": cell.model.hub_id,
        "parameters": cell.shape.parameters,
        "prediction": asdict(result.prediction),
        "measured": asdict(result.measured) if result.measured else None,
        "failed": result.failed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="only cells of this precision (default both)")
    parser.add_argument("--steps", type=int, default=3, help="timed steps per cell (default 3)")
    parser.add_argument("--out", type=Path, help="write all measurements to this file as JSON")
    parser.add_argument("--smoke", action="store_true", help="three small cells, one step: only checks that it runs")
    arguments = parser.parse_args()
    chosen = (smoke if arguments.smoke else grid)(arguments.device)
    cells = [cell for cell in chosen if arguments.precision in (None, cell.precision)]
    results: list[Result] = []
    steps = 1 if arguments.smoke else arguments.steps
    for result in bench(cells, look_at(arguments.device).memory_bytes, steps, warmup=1):
        results.append(result)
        print(f"{len(results)}/{len(cells)} {line(result)}", file=sys.stderr, flush=True)
    print(table(results, arguments.device))
    if arguments.out:
        arguments.out.write_text(json.dumps([record(result) for result in results], indent=1) + "\n")


if __name__ == "__main__":
    main()

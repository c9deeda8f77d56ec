"""Fit `adaptx/costs/step_memory.csv`: the bytes by which the closed formula of a step's memory multiplies its products.

    python benchmarks/fit_step_memory.py --raw DIR [--cells 24]     # track small steps; continues where it stopped
    python benchmarks/fit_step_memory.py --raw DIR --write          # fit, and write the table into the package
    python benchmarks/fit_step_memory.py --raw DIR --methods Ia3    # the same for some methods; others keep their lines

Every kind of step (architecture, method, precision, checkpointing, device) is tracked on fake tensors for small
networks of random sizes, phase by phase and without gradients. A sum of products of sizes is fitted to the result by
least squares, with a small ridge term because some sizes are correlated. The script also prints the error on cells that
were left out of the fit.
"""

import argparse
import csv
import itertools
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch._subclasses.fake_tensor import FakeTensorMode

from adaptx.costs.step_memory import PHASES, PackedRow, products
from adaptx.profiling.cell import Cell
from adaptx.profiling.cuda_kernels import CudaKernels, rounded
from adaptx.profiling.step import make_step
from adaptx.profiling.tracker import MemoryPart, Tracker
from adaptx.specs import Bottleneck, Full, Ia3, Lora, Method, ModelFamily, ModelSpec, Precision, Shape
from adaptx.specs.architectures import architecture_of
from adaptx.specs.linear_maps import SITES

TABLE = Path(__file__).parent.parent / "adaptx" / "costs" / "step_memory.csv"
ARCHITECTURES = ("bert", "xlm-roberta-xl")
METHODS = ("Full", "Lora", "Bottleneck", "Ia3")
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp32")
LORA_TIMES = 3
"""Factor by which LoRA needs more cells, because it has more products: one for each kind of site."""
FOLDS = 8
RIDGE = 1e-6
Kind = tuple[str, str, str, Precision, bool]


def kinds(methods: Sequence[str] = METHODS) -> list[Kind]:
    """Return every kind of step: (device, architecture, method, precision, gradient_checkpointing)."""
    every = itertools.product((False, True), ("cuda", "cpu"), ARCHITECTURES, methods, PRECISIONS)
    return [
        (device, architecture, method, precision, gradient_checkpointing)
        for gradient_checkpointing, device, architecture, method, precision in every
        if method != "Bottleneck" or architecture_of(architecture).bottleneck is not None
    ]


def draw(kind: Kind, number: int) -> Cell:
    """Return a small step of the kind with random sizes, which depend on the number alone."""
    device, architecture, name, precision, gradient_checkpointing = kind
    rng = random.Random(f"{kind} {number}")
    # Fake tensors cost the same at any size, so these sizes are as large as real ones. Only layers cost time.
    heads, size = rng.choice((6, 8, 12, 16)), rng.choice((32, 48, 64))
    inner = rng.choice((2, 3, 4)) * heads * size + rng.choice((0, 128))
    # A single layer is a special case, because nothing below its first module needs gradients.
    shape = Shape(architecture, rng.choice((5, 2, 3, 4)), heads * size, inner, heads, 1_000, 514)
    method: Method = Full()
    if name in ("Lora", "Ia3"):
        sites = tuple(site for site in SITES if rng.random() < 0.5) or ("query", "value")
        method = Lora(rank=rng.choice((4, 8, 16, 64)), sites=sites) if name == "Lora" else Ia3(sites)
    elif name == "Bottleneck":
        method = Bottleneck(reduction_factor=rng.choice((2, 4, 16)))
    model = ModelSpec("a/network", ModelFamily.ENCODER, shape=shape)
    batch, length = rng.choice((4, 8, 16, 24)), rng.choice((32, 64, 128, 256, 384))
    return Cell(model, method, batch, length, precision, gradient_checkpointing, device=device)


def track(cell: Cell) -> dict[str, int]:
    """Return phase -> the maximum number of live bytes in it, without gradients, weights and optimiser state."""
    cuda = cell.device == "cuda"
    tracker = Tracker(rounded if cuda else lambda size: size)
    # The fake tensors are on the CPU, as in `profiling/prediction.py`.
    with FakeTensorMode(allow_non_fake_inputs=True), tracker:
        step = make_step(replace(cell, device="cpu"), torch.device("cpu"), CudaKernels if cuda else None)
        step.make_state(tracker)
        step.run(tracker)
    standing = (MemoryPart.GRADIENTS, MemoryPart.WEIGHTS, MemoryPart.OPTIMISER)
    return {phase: tracker.peak([phase], without=standing).bytes for phase in PHASES}


def gather(folder: Path, cells: int, methods: Sequence[str]) -> None:
    """Track the cells that the folder does not hold yet: first one cell of each kind, then the second, and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = itertools.product(range(LORA_TIMES * cells), kinds(methods))
    for number, kind in ((number, kind) for number, kind in wanted if number < cells or kind[2] == "Lora"):
        name = "-".join((*kind[:4], "gradient_checkpointing" if kind[4] else "kept", str(number)))
        path = folder / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(track(draw(kind, number))))
            print(f"\r{number + 1} {name:60}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def solve(products_CP: NDArray[Any], bytes_CH: NDArray[Any]) -> NDArray[Any]:
    """Return the bytes of each of P products in each phase, [P, H], by least squares relative to a cell's peak."""
    peaks_C1 = bytes_CH.max(axis=1, keepdims=True)
    scaled_CP = products_CP / peaks_C1
    sizes_P = np.abs(scaled_CP).max(axis=0)
    sizes_P[sizes_P == 0] = 1
    matrix_CP = scaled_CP / sizes_P
    normal_PP = matrix_CP.T @ matrix_CP + RIDGE * np.eye(matrix_CP.shape[1])
    return np.linalg.solve(normal_PP, matrix_CP.T @ (bytes_CH / peaks_C1)) / sizes_P[:, None]


def fit(folder: Path, methods: Sequence[str]) -> list[list[str]]:
    """Return the lines of the table, and print the errors."""
    lines: list[list[str]] = []
    for kind in kinds(methods):
        device, architecture, method, precision, gradient_checkpointing = kind
        kept = "gradient_checkpointing" if gradient_checkpointing else "all kept"
        start = "-".join((*kind[:4], "gradient_checkpointing" if gradient_checkpointing else "kept", ""))
        files = sorted(folder.glob(f"{start}*.json"))
        cells = [draw(kind, int(file.stem.removeprefix(start))) for file in files]
        found = [json.loads(file.read_text()) for file in files]
        terms = [
            products(c.shape, c.method, PackedRow(c.batch_size * c.sequence_length, c.sequence_length)) for c in cells
        ]
        matrix_CP = np.array([list(each.values()) for each in terms], dtype=float)
        bytes_CH = np.array([[each[phase] for phase in PHASES] for each in found], dtype=float)
        bytes_PH = solve(matrix_CP, bytes_CH)
        lines += [
            [device, architecture, method, precision, kept, phase, name, f"{size:.4g}"]
            for place, phase in enumerate(PHASES)
            for name, size in zip(terms[0], bytes_PH[:, place], strict=True)
        ]
        errors_C = left_out(matrix_CP, bytes_CH)
        print(
            f"{' '.join(map(str, kind))}: {len(cells)} cells; error if left out: median {np.median(errors_C):.1%}, "
            f"90th percentile {np.quantile(errors_C, 0.9):.1%}"
        )
    return lines


def left_out(matrix_CP: NDArray[Any], bytes_CH: NDArray[Any]) -> NDArray[Any]:
    """Return the relative errors of the larger phase on cells that the fit has not seen."""
    errors_C = np.zeros(len(bytes_CH))
    for fold in range(FOLDS):
        out_C = np.arange(len(bytes_CH)) % FOLDS == fold
        predicted_CH = matrix_CP[out_C] @ solve(matrix_CP[~out_C], bytes_CH[~out_C])
        errors_C[out_C] = np.abs(predicted_CH.max(axis=1) / bytes_CH[out_C].max(axis=1) - 1)
    return errors_C


def write(lines: Sequence[Sequence[str]], methods: Sequence[str]) -> None:
    """Write the lines into the package's table, in place of those of the same methods."""
    with TABLE.open(newline="") as file:
        header, *old = csv.reader(file)
    kept = [line for line in old if line[header.index("method")] not in methods]
    with TABLE.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *kept, *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="folder of the tracked steps, one file per cell")
    parser.add_argument("--cells", type=int, default=24, help="cells per kind (default 24)")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, help="methods to fit (default all)")
    parser.add_argument("--write", action="store_true", help="fit these steps, and write the package's table")
    arguments = parser.parse_args()
    if not arguments.write:
        gather(arguments.raw, arguments.cells, arguments.methods)
    lines = fit(arguments.raw, arguments.methods)
    if arguments.write:
        write(lines, arguments.methods)


if __name__ == "__main__":
    main()

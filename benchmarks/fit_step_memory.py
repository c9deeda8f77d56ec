"""Fit the bytes of `adaptx/costs/step_memory.csv`: what the closed form of a step's memory multiplies its products by.

    python benchmarks/fit_step_memory.py --raw DIR [--cells 24]     # track small steps; an interrupted one goes on
    python benchmarks/fit_step_memory.py --raw DIR --write          # fit, and write the table into the package

Every kind of step (architecture, method, precision, checkpointing, device) is tracked on fake tensors for small
networks of random sizes, phase by phase and without gradients, and a sum of products is fitted to it by least squares
(a little ridge, since some sizes go together). Printed beside it: the error on cells that were left out of the fit.
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
from adaptx.specs import Bottleneck, Full, Lora, Method, ModelFamily, ModelSpec, Precision, Shape
from adaptx.specs.architectures import architecture_of
from adaptx.specs.linear_maps import SITES

TABLE = Path(__file__).parent.parent / "adaptx" / "costs" / "step_memory.csv"
ARCHITECTURES = ("bert", "xlm-roberta-xl")
METHODS = ("Full", "Lora", "Bottleneck")
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp32")
LORA_TIMES = 3
"""LoRA has as many more products, one for each kind of site: so many times the cells."""
FOLDS = 8
RIDGE = 1e-6
Kind = tuple[str, str, str, Precision, bool]


def kinds() -> list[Kind]:
    """(device, architecture, method, precision, gradient_checkpointing)"""
    every = itertools.product((False, True), ("cuda", "cpu"), ARCHITECTURES, METHODS, PRECISIONS)
    return [
        (device, architecture, method, precision, gradient_checkpointing)
        for gradient_checkpointing, device, architecture, method, precision in every
        if method != "Bottleneck" or architecture_of(architecture).bottleneck is not None
    ]


def draw(kind: Kind, number: int) -> Cell:
    """A small step of that kind, of random sizes; the same for the same number."""
    device, architecture, name, precision, gradient_checkpointing = kind
    rng = random.Random(f"{kind} {number}")
    # Fake tensors cost the same at any size, so that these are of the order of real ones; layers are what costs time.
    heads, size = rng.choice((6, 8, 12, 16)), rng.choice((32, 48, 64))
    inner = rng.choice((2, 3, 4)) * heads * size + rng.choice((0, 128))
    # A single layer is its own case: nothing below its first module needs gradients.
    shape = Shape(architecture, rng.choice((5, 2, 3, 4)), heads * size, inner, heads, 1_000, 514)
    method: Method = Full()
    if name == "Lora":
        sites = tuple(site for site in SITES if rng.random() < 0.5) or ("query", "value")
        method = Lora(rank=rng.choice((4, 8, 16, 64)), sites=sites)
    elif name == "Bottleneck":
        method = Bottleneck(reduction_factor=rng.choice((2, 4, 16)))
    model = ModelSpec("a/network", ModelFamily.ENCODER, shape=shape)
    batch, length = rng.choice((4, 8, 16, 24)), rng.choice((32, 64, 128, 256, 384))
    return Cell(model, method, batch, length, precision, gradient_checkpointing, device=device)


def track(cell: Cell) -> dict[str, int]:
    """Phase -> the most bytes alive in it, without gradients, weights and optimiser state."""
    cuda = cell.device == "cuda"
    tracker = Tracker(rounded if cuda else lambda size: size)
    # Fake tensors are the CPU's, as in `profiling/prediction.py`.
    with FakeTensorMode(allow_non_fake_inputs=True), tracker:
        step = make_step(replace(cell, device="cpu"), torch.device("cpu"), CudaKernels if cuda else None)
        step.make_state(tracker)
        step.run(tracker)
    standing = (MemoryPart.GRADIENTS, MemoryPart.WEIGHTS, MemoryPart.OPTIMISER)
    return {phase: tracker.peak([phase], without=standing).bytes for phase in PHASES}


def gather(folder: Path, cells: int) -> None:
    """Track what the folder does not hold yet: first one cell of each kind, then the second, and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = itertools.product(range(LORA_TIMES * cells), kinds())
    for number, kind in ((number, kind) for number, kind in wanted if number < cells or kind[2] == "Lora"):
        name = "-".join((*kind[:4], "gradient_checkpointing" if kind[4] else "kept", str(number)))
        path = folder / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(track(draw(kind, number))))
            print(f"\r{number + 1} {name:60}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def solve(products_CP: NDArray[Any], bytes_CH: NDArray[Any]) -> NDArray[Any]:
    """Bytes of each of P products in each phase, [P, H], by least squares of errors relative to a cell's peak."""
    peaks_C1 = bytes_CH.max(axis=1, keepdims=True)
    scaled_CP = products_CP / peaks_C1
    sizes_P = np.abs(scaled_CP).max(axis=0)
    sizes_P[sizes_P == 0] = 1
    matrix_CP = scaled_CP / sizes_P
    normal_PP = matrix_CP.T @ matrix_CP + RIDGE * np.eye(matrix_CP.shape[1])
    return np.linalg.solve(normal_PP, matrix_CP.T @ (bytes_CH / peaks_C1)) / sizes_P[:, None]


def fit(folder: Path) -> list[list[str]]:
    """Lines of the table; the errors go to standard output."""
    lines: list[list[str]] = []
    for kind in kinds():
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
            f"{' '.join(map(str, kind))}: {len(cells)} cells; error where left out: median {np.median(errors_C):.1%}, "
            f"90th percentile {np.quantile(errors_C, 0.9):.1%}"
        )
    return lines


def left_out(matrix_CP: NDArray[Any], bytes_CH: NDArray[Any]) -> NDArray[Any]:
    """Relative errors of the larger phase on cells that a fit has not seen."""
    errors_C = np.zeros(len(bytes_CH))
    for fold in range(FOLDS):
        out_C = np.arange(len(bytes_CH)) % FOLDS == fold
        predicted_CH = matrix_CP[out_C] @ solve(matrix_CP[~out_C], bytes_CH[~out_C])
        errors_C[out_C] = np.abs(predicted_CH.max(axis=1) / bytes_CH[out_C].max(axis=1) - 1)
    return errors_C


def write(lines: Sequence[Sequence[str]]) -> None:
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["device", "architecture", "method", "precision", "activations", "phase", "product", "bytes"])
        writer.writerows(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="folder of what was tracked, a file a cell")
    parser.add_argument("--cells", type=int, default=24, help="cells of each kind (default 24)")
    parser.add_argument("--write", action="store_true", help="fit what is there, and write the package's table")
    arguments = parser.parse_args()
    if not arguments.write:
        gather(arguments.raw, arguments.cells)
    lines = fit(arguments.raw)
    if arguments.write:
        write(lines)


if __name__ == "__main__":
    main()

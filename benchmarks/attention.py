"""Compare attention in bf16 on the CPU at several lengths: adaptx's two products and torch's own kernel.

    python benchmarks/attention.py [--heads 12] [--size 32] [--rounds 5] [--out FILE]
    python benchmarks/attention.py --smoke     # only checks that it runs; its numbers mean nothing

Both run in one process on one thread and take turns at each length. Ratios are computed within a round. Processor time
is measured, because other work on the machine changes it less than wall time.
"""

import argparse
import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from training import ENVIRONMENT, machine

# Set before torch is imported, because its OpenMP reads them only once.
os.environ.update({**ENVIRONMENT, **os.environ})

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from adaptx.backbones.bf16_products import cpu_multiplies_bf16
from adaptx.backbones.cpu_kernels import CpuKernels

LENGTHS = (16, 32, 50, 64, 90, 128, 192, 256)
TOKENS = 2_048
PASSES = ("forward", "forward and backward")


def microseconds(step: Callable[[], object], calls: int) -> float:
    """Return microseconds of processor time per call."""
    step()
    began = time.process_time()
    for _ in range(calls):
        step()
    return (time.process_time() - began) / calls * 1e6


def step_of(tensors: list[Tensor], which: str) -> Callable[[], object]:
    query, key, value = tensors

    def forward() -> Tensor:
        return functional.scaled_dot_product_attention(query, key, value)

    def both() -> None:
        torch.autograd.grad(forward().sum(), tensors)

    return forward if which == PASSES[0] else both


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--size", type=int, default=32, help="size of a head (default 32)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=5, help="calls per round")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--smoke", action="store_true", help="two lengths, one round")
    given = parser.parse_args()
    if not cpu_multiplies_bf16():
        print("this processor has no bf16 instructions: both ways use torch's kernel, and there is nothing to compare")
        return
    lengths, rounds = (LENGTHS[:2], 1) if given.smoke else (LENGTHS, given.rounds)
    torch.set_num_threads(1)
    lines = [
        f"{given.heads} heads of {given.size}, {TOKENS} tokens per call; microseconds per token, median of {rounds}.",
        "",
        "| tokens a sequence | " + " | ".join(f"{which}: torch | adaptx | torch / adaptx" for which in PASSES) + " |",
        "|---:|" + "---:|" * 3 * len(PASSES),
    ]
    for length in tqdm(lengths, desc="lengths", disable=None):
        sequences = max(1, TOKENS // length)
        tensors = [
            torch.randn(sequences, length, given.heads, given.size, dtype=torch.bfloat16).transpose(1, 2)
            for _ in range(3)
        ]
        cells: list[str] = []
        for which in PASSES:
            step = step_of([each.requires_grad_(which != PASSES[0]) for each in tensors], which)
            seen: list[tuple[float, float]] = []
            for _ in range(rounds):
                pair: list[float] = []
                for kernels in (contextlib.nullcontext(), CpuKernels()):
                    with kernels:
                        pair.append(microseconds(step, given.calls) / (sequences * length))
                seen.append((pair[0], pair[1]))
            torchs, ours = (statistics.median(each) for each in zip(*seen, strict=True))
            cells += [f"{torchs:.2f}", f"{ours:.2f}", f"{statistics.median(a / b for a, b in seen):.2f}"]
        lines.append(f"| {length} | " + " | ".join(cells) + " |")
    print("\n".join(lines))
    if given.out:
        command = " ".join(["python", *sys.argv])
        here = machine()
        on = f"{here['cpu']}, {here['cores']} cores; Python {here['python']}, torch {here['versions']['torch']}"
        given.out.write_text(f"# Attention on the CPU\n\n    {command}\n\n" + "\n".join(lines) + f"\n\n{on}\n")


if __name__ == "__main__":
    main()

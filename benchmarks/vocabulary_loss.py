"""Compare the loss over a large vocabulary in chunks with the plain loss on the CPU: time and memory.

    python benchmarks/vocabulary_loss.py [--out FILE]
    python benchmarks/vocabulary_loss.py --smoke       # only checks that it runs; its numbers mean nothing

Each measurement is one loss with its backward pass over random states. Variants take turns in one process, and ratios
are computed within a round. README.md in this folder says what is compared.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import ENVIRONMENT, machine

# Set before torch is imported, because its OpenMP reads them only once.
os.environ.update({**ENVIRONMENT, **os.environ})

import torch
from torch import Tensor
from torch.nn import functional

from adaptx.backbones.bf16_products import arithmetic
from adaptx.backbones.vocabulary_loss import OutputMatrix, log_probabilities, summed_cross_entropy
from adaptx.profiling.measurement import most_allocated

VARIANTS = {
    "plain": "whole scores, torch's cross-entropy",
    "chunks": "summed_cross_entropy: gradients made in the forward pass",
    "again": "-log_probabilities(...).sum(): chunks computed again in the backward pass",
}
KINDS = {"fp32, matrix trained": ("fp32", True), "fp32, matrix frozen": ("fp32", False),
         "bf16, matrix trained": ("bf16", True), "bf16, matrix frozen": ("bf16", False)}  # fmt: skip
GOAL = 2.0
MIB = 2**20


@dataclass(frozen=True)
class Sizes:
    states: int
    vocabulary: int
    hidden: int


def losses(sizes: Sizes, precision: str, trained: bool) -> dict[str, Callable[[], None]]:
    """Return variant -> a function that computes one loss with its gradients. All variants give the same values."""
    random = torch.Generator().manual_seed(0)
    states = torch.randn(sizes.states, sizes.hidden, generator=random, requires_grad=True)
    weight = torch.randn(sizes.vocabulary, sizes.hidden, generator=random) * 0.05
    weight = weight.requires_grad_() if trained or precision == "fp32" else weight.bfloat16()
    weight.requires_grad_(trained)
    gold = torch.randint(sizes.vocabulary, (sizes.states,), generator=random)
    output = OutputMatrix(weight)

    def plain() -> Tensor:
        return functional.cross_entropy(functional.linear(states, weight).float(), gold, reduction="sum")

    def chunks() -> Tensor:
        return summed_cross_entropy(states, output, gold)

    def again() -> Tensor:
        return -log_probabilities(states, output, gold).sum()

    def run(loss: Callable[[], Tensor]) -> Callable[[], None]:
        def once() -> None:
            with arithmetic("cpu", precision):
                value = loss()
            value.backward()
            states.grad = weight.grad = None

        return once

    return {"plain": run(plain), "chunks": run(chunks), "again": run(again)}


def compare(sizes: Sizes, precision: str, trained: bool, rounds: int) -> dict[str, Any]:
    """Return the peak bytes of each variant, and its processor seconds in each round."""
    runs = losses(sizes, precision, trained)
    # The first run of each variant is the warm-up, and the one whose memory is measured.
    peaks: dict[str, int] = {}
    for variant, run in runs.items():
        run()
        peaks[variant] = most_allocated(run)
    seconds: dict[str, list[float]] = {variant: [] for variant in runs}
    names = list(runs)
    for number in range(rounds):
        for variant in names[number % len(names) :] + names[: number % len(names)]:
            began = time.process_time()
            runs[variant]()
            seconds[variant].append(time.process_time() - began)
    return {"peak_bytes": peaks, "cpu_seconds": seconds}


def table(found: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| | peak MiB: plain | chunks | again | plain / chunks | seconds: plain | chunks | again | chunks / plain | "
        "again / chunks |",
        "|" + "---|" * 10,
    ]
    for kind, each in found.items():
        peaks, seconds = each["peak_bytes"], each["cpu_seconds"]
        memory = [f"{peaks[v] / MIB:,.0f}" for v in VARIANTS] + [f"{peaks['plain'] / peaks['chunks']:.1f}"]
        times = [f"{statistics.median(seconds[v]):.2f}" for v in VARIANTS]
        times += [_ratio(seconds["chunks"], seconds["plain"]), _ratio(seconds["again"], seconds["chunks"])]
        lines.append(f"| {kind} | " + " | ".join(memory + times) + " |")
    return "\n".join(lines)


def _ratio(over: list[float], under: list[float]) -> str:
    within = sorted(a / b for a, b in zip(over, under, strict=True))
    return f"{statistics.median(within):.2f} [{within[0]:.2f}, {within[-1]:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=512)
    parser.add_argument("--vocabulary", type=int, default=250_000)
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write all measurements to this file as JSON")
    parser.add_argument("--smoke", action="store_true", help="toy sizes, 1 round: only checks that it runs")
    arguments = parser.parse_args()
    sizes = Sizes(arguments.states, arguments.vocabulary, arguments.hidden)
    if arguments.smoke:
        sizes, arguments.rounds = Sizes(64, 500, 16), 1
    if min(sizes.states, sizes.vocabulary, sizes.hidden, arguments.rounds) < 1:
        parser.error("--states, --vocabulary, --hidden and --rounds are at least 1")
    found: dict[str, dict[str, Any]] = {}
    for kind, (precision, trained) in KINDS.items():
        found[kind] = compare(sizes, precision, trained, arguments.rounds)
        print(f"{kind}: done", file=sys.stderr)
    print(f"{sizes.states} states of {sizes.hidden}, vocabulary {sizes.vocabulary:,}; processor time, "
          f"{arguments.rounds} rounds; {machine()}\n")  # fmt: skip
    print(table(found))
    if arguments.out:
        arguments.out.write_text(json.dumps({"sizes": vars(sizes), "kinds": found}, indent=1) + "\n")
    short = [k for k, e in found.items() if e["peak_bytes"]["plain"] < GOAL * e["peak_bytes"]["chunks"]]
    if short and not arguments.smoke:
        raise SystemExit(f"memory is not {GOAL:g} times smaller than the plain loss's: {', '.join(short)}")


if __name__ == "__main__":
    main()

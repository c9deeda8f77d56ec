"""Measure memory and throughput of training steps on one GPU over sizes, methods and lengths, and compare predictions.

    python benchmarks/gpu.py                        # as much of the grid as eight minutes allow
    python benchmarks/gpu.py --smoke                # run a tiny cell of each method on the CPU
    python benchmarks/gpu.py --smoke --device cuda  # the same on the GPU

Runs from a plain checkout with torch and transformers. Cells that need another package are left out and named. Weights
are random, with shapes from the catalog, so nothing is downloaded. README.md in this folder says what is compared.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from training import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[1]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="maximum duration in minutes (default 8)")
    parser.add_argument("--steps", type=int, default=10, help="timed steps per cell (default 10)")
    parser.add_argument("--out", type=Path, help="folder of results (default benchmarks/results; none with --smoke)")
    parser.add_argument("--smoke", action="store_true", help="a tiny cell of each method: only checks that it runs")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="default: cuda; with --smoke: cpu")
    parser.add_argument(
        "--start",
        choices=("forkserver", "spawn"),
        default="forkserver",
        help="spawn: each process imports everything again (seconds); for when forked processes cannot use the GPU",
    )
    arguments = parser.parse_args()
    arguments.device = arguments.device or ("cpu" if arguments.smoke else "cuda")
    if arguments.device == "cpu" and not arguments.smoke:
        parser.error("this grid is for a GPU; on a CPU run benchmarks/memory.py, or add --smoke")
    if arguments.minutes <= 0 or arguments.steps < 1:
        parser.error("--minutes must be above 0, --steps at least 1")
    return arguments


def main() -> None:
    began = time.monotonic()
    arguments = parse()
    # sys.path makes adaptx found here, PYTHONPATH in the processes that measure. Set both before torch is imported,
    # whose OpenMP reads the environment once. The clock is already running, because the imports take seconds.
    sys.path.insert(0, str(ROOT))
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.environ.update({**ENVIRONMENT, **os.environ, "PYTHONPATH": path})
    from gpu_run import carry_out

    carry_out(arguments, began + 60 * arguments.minutes)


if __name__ == "__main__":
    main()

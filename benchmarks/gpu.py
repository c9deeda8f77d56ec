"""Memory and throughput of training steps on one GPU, predicted and measured, over sizes, methods and lengths.

    python benchmarks/gpu.py                        # as much of the grid as eight minutes allow
    python benchmarks/gpu.py --smoke                # a tiny cell of each method on the CPU: does it run?
    python benchmarks/gpu.py --smoke --device cuda  # the same on the GPU

Runs from a plain checkout with torch and transformers; what needs a package beyond them is left out and named. Random
weights of catalog shapes; nothing is downloaded. README.md beside this file says what is compared.
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
    parser.add_argument("--minutes", type=float, default=8.0, help="the most it takes (default 8)")
    parser.add_argument("--steps", type=int, default=10, help="timed steps a cell (default 10)")
    parser.add_argument("--out", type=Path, help="folder of the results (default benchmarks/results; of --smoke none)")
    parser.add_argument("--smoke", action="store_true", help="a tiny cell of each method: only whether it runs")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="default: cuda; of --smoke: cpu")
    parser.add_argument(
        "--start",
        choices=("forkserver", "spawn"),
        default="forkserver",
        help="spawn: each process imports everything anew, which takes seconds; where forked ones cannot use the GPU",
    )
    arguments = parser.parse_args()
    arguments.device = arguments.device or ("cpu" if arguments.smoke else "cuda")
    if arguments.device == "cpu" and not arguments.smoke:
        parser.error("the grid is a GPU's; on a CPU run benchmarks/memory.py, or this with --smoke")
    if arguments.minutes <= 0 or arguments.steps < 1:
        parser.error("--minutes is above 0, --steps at least 1")
    return arguments


def main() -> None:
    began = time.monotonic()
    arguments = parse()
    # adaptx is found here, and by this variable in the processes that measure. All of it before torch is imported,
    # whose OpenMP reads the environment once; and with the clock running, as that takes seconds.
    sys.path.insert(0, str(ROOT))
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.environ.update({**ENVIRONMENT, **os.environ, "PYTHONPATH": path})
    from gpu_run import carry_out

    carry_out(arguments, began + 60 * arguments.minutes)


if __name__ == "__main__":
    main()

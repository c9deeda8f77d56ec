"""Measure how long `adaptx plan` takes for each research question at full size, with no network and nothing stored.

    python benchmarks/planning.py [--rounds 5] [--out FILE]
    python benchmarks/planning.py --smoke      # one round of the smallest: only checks that it runs

Each plan runs in a process of its own, as a user starts it, so its seconds include Python's start and the imports. The
recipes take turns, so that a busy moment of the machine does not affect only one of them.
"""

import argparse
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tqdm import tqdm

RECIPES = Path(__file__).parents[1] / "recipes"
QUESTIONS = (
    "compute_budget",
    "peft_tradeoff",
    "mt5_multilingual",
    "sub1b_gap",
    "phang2020",
    "scale_1b_7b",
    "model_size",
)
BOUND_SECONDS = 2


def planned(name: str, folder: Path) -> tuple[int, float, float]:
    """Return the number of stages, the wall seconds and the processor seconds of one plan."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")}
    program = Path(sys.executable).with_name("adaptx")
    command = [program, "plan", RECIPES / f"{name}.py", "--store", folder / "store"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    stages = re.search(r": (\d+) stages", ended.stdout)
    if stages is None:
        raise SystemExit(f"the plan of {name} lists no stages:\n{ended.stdout[:2000]}")
    return int(stages[1]), wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="plans per recipe (default 5)")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--smoke", action="store_true", help="one plan of one recipe")
    given = parser.parse_args()
    names, rounds = (QUESTIONS[:1], 1) if given.smoke else (QUESTIONS, given.rounds)
    seen: dict[str, list[tuple[int, float, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for _ in tqdm(range(rounds), desc="rounds", disable=None):
            for name, times in seen.items():
                times.append(planned(name, Path(folder)))
    lines = [
        f"Bound: {BOUND_SECONDS} seconds. {os.cpu_count()} cores, Python {platform.python_version()}.",
        "",
        "| recipe | stages | median seconds | slowest | processor seconds (median) |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, times in seen.items():
        [stages] = {each[0] for each in times}
        wall, processor = ([each[index] for each in times] for index in (1, 2))
        middle, slowest, busy = statistics.median(wall), max(wall), statistics.median(processor)
        lines.append(f"| {name} | {stages:,} | {middle:.2f} | {slowest:.2f} | {busy:.2f} |")
    print("\n".join(lines))
    if given.out:
        given.out.write_text("# Planning\n\n`" + " ".join(["python", *sys.argv]) + "`\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""Compare exact search with faiss on the CPU: speed, both directions at once, and memory over a million candidates.

    python benchmarks/search.py [--faiss DIR] [--out FILE]      # speed; DIR: where pip put faiss-cpu (--target DIR)
    python benchmarks/search.py --memory [--faiss DIR]          # check that 1,000,000 x 1,024 stays below 4 GiB
    python benchmarks/search.py --smoke                         # only checks that it runs; its numbers mean nothing

Each measurement runs in a process of its own. Variants take turns, and ratios are computed within a round. README.md in
this folder says what is compared and what is not.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

SPEED = {
    "adaptx": "adaptx.metrics.search.top_k",
    "faiss": "faiss.IndexFlatIP",
    "both": "adaptx.metrics.search.top_k_both: both directions, one product",
    "twice": "adaptx.metrics.search.top_k, once each way",
}
MEMORY = {
    "half": "adaptx, candidates in memory as fp16",
    "map": "adaptx, candidates in a file of fp32 (memory map)",
    "map16": "adaptx, candidates in a file of fp16 (memory map)",
    "faiss": "faiss.IndexFlatIP (keeps fp32)",
}
RATIOS = (("adaptx", "faiss"), ("both", "twice"), ("both", "adaptx"))
GIB = 2**30
# Number of rows made or added at once, so that making them does not determine the peak.
ROWS = 10_000
WARM_UP_ROWS = 2_000
SAMPLE_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The settings of one measuring process.

    folder: folder for the found indices, and of the files that the variants with memory maps read.
    """

    variant: str
    queries: int
    candidates: int
    dimensions: int
    k: int
    seed: int
    folder: str
    faiss: str | None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The result of one measuring process.

    seconds, cpu_seconds: time of the search alone. peak_bytes: the process's largest resident set (VmHWM).
    anonymous_bytes, file_bytes: the largest sampled parts of it that belong to no file (RssAnon) and to mapped files
    (RssFile). load: one-minute load average before the measurement.
    """

    variant: str
    round: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    anonymous_bytes: int
    file_bytes: int
    load: float


# ---- in the process that measures


def rows_of(generator: np.random.Generator, rows: int, dimensions: int) -> Generator[tuple[int, Any]]:
    """Yield random rows in parts, each with the number of its first row."""
    for first in range(0, rows, ROWS):
        yield first, generator.standard_normal((min(ROWS, rows - first), dimensions), dtype=np.float32)


def in_memory(generator: np.random.Generator, rows: int, dimensions: int, dtype: str) -> Any:
    values = np.empty((rows, dimensions), dtype=dtype)
    for first, part in rows_of(generator, rows, dimensions):
        values[first : first + len(part)] = part
    return values


def measure(setup: Setup) -> dict[str, Any]:
    """Make the vectors, warm up, search while measuring time and memory, and store the found indices."""
    if setup.faiss:
        sys.path.append(setup.faiss)
    queries = in_memory(np.random.default_rng(setup.seed), setup.queries, setup.dimensions, "float32")
    generator = np.random.default_rng(setup.seed + 1)
    with sampled() as highest:
        prepare = prepare_faiss if setup.variant == "faiss" else prepare_adaptx
        search = prepare(setup, queries, generator)
        start, cpu_start = time.perf_counter(), time.process_time()
        indices = search()
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    np.save(Path(setup.folder) / f"{setup.variant}.npy", indices)
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_bytes": status("VmHWM"),
        "anonymous_bytes": highest["RssAnon"],
        "file_bytes": highest["RssFile"],
    }


def prepare_adaptx(setup: Setup, queries: Any, generator: np.random.Generator) -> Callable[[], Any]:
    """Prepare the search as formats call it, except for `unit`, which faiss does not have."""
    import torch

    from adaptx.metrics.search import top_k, top_k_both

    if setup.variant.startswith("map"):
        candidates = np.load(Path(setup.folder) / f"{setup.variant}-candidates.npy", mmap_mode="r")
    else:
        dtype = "float16" if setup.variant == "half" else "float32"
        candidates = torch.from_numpy(in_memory(generator, setup.candidates, setup.dimensions, dtype))
    queries = torch.from_numpy(queries)
    top_k_both(queries[:WARM_UP_ROWS], candidates[:WARM_UP_ROWS], setup.k)

    def search() -> Any:
        if setup.variant == "both":
            return top_k_both(queries, candidates, setup.k)[0].indices.numpy()
        if setup.variant == "twice":
            top_k(candidates, queries, setup.k)
        return top_k(queries, candidates, setup.k).indices.numpy()

    return search


def prepare_faiss(setup: Setup, queries: Any, generator: np.random.Generator) -> Callable[[], Any]:
    faiss: Any = importlib.import_module("faiss")
    faiss.omp_set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    index = faiss.IndexFlatIP(setup.dimensions)
    # Filled in place: `add` grows the index by doubling, and the peak would be that of adding.
    index.codes.resize(4 * setup.candidates * setup.dimensions)
    index.ntotal = setup.candidates
    stored = faiss.rev_swig_ptr(index.get_xb(), setup.candidates * setup.dimensions).reshape(setup.candidates, -1)
    for first, part in rows_of(generator, setup.candidates, setup.dimensions):
        stored[first : first + len(part)] = part
    index.search(queries[:WARM_UP_ROWS], setup.k)
    return lambda: index.search(queries, setup.k)[1]


def status(name: str) -> int:
    """Return the value of a line of this process's status file, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@contextmanager
def sampled() -> Generator[dict[str, int]]:
    """Sample the largest anonymous and file-backed resident sets, for which Linux keeps no high-water marks."""
    highest = {"RssAnon": 0, "RssFile": 0}
    end = threading.Event()

    def watch() -> None:
        while not end.wait(SAMPLE_SECONDS):
            for name in highest:
                highest[name] = max(highest[name], status(name))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield highest
    finally:
        end.set()
        thread.join()


# ---- in the process that compares


def run_child(setup: Setup, number: int, threads: int) -> Measurement:
    """Measure in a new process. If it crashes, the benchmark ends with its last lines."""
    load = os.getloadavg()[0]
    # A short spin, as the command line sets it: idle threads that spin for long take cores from busy ones.
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": "10000"}
    command = [sys.executable, __file__, "--measure", json.dumps(asdict(setup))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        tail = "\n".join(line[:400] for line in done.stderr.splitlines()[-20:])
        raise SystemExit(f"variant {setup.variant} failed with status {done.returncode}:\n{tail}")
    return Measurement(variant=setup.variant, round=number, load=load, **json.loads(done.stdout.splitlines()[-1]))


def write_maps(folder: str, candidates: int, dimensions: int, seed: int) -> None:
    """Write the candidates to files, in fp32 and fp16."""
    for name, dtype in (("map", "float32"), ("map16", "float16")):
        file = Path(folder) / f"{name}-candidates.npy"
        values = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=(candidates, dimensions))
        for first, part in rows_of(np.random.default_rng(seed + 1), candidates, dimensions):
            values[first : first + len(part)] = part


def agreement(folder: str, variants: list[str]) -> dict[str, float]:
    """Return, per variant, the share of indices that equal those of the first variant, position by position."""
    first = np.load(Path(folder) / f"{variants[0]}.npy")
    return {name: float((np.load(Path(folder) / f"{name}.npy") == first).mean()) for name in variants[1:]}


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarise(measurements: list[Measurement], variants: list[str]) -> dict[str, Any]:
    """Return medians and ranges of each variant, and ratios of times within the same round."""
    of = {name: [one for one in measurements if one.variant == name] for name in variants}
    ratios = {
        f"{over}/{under}": {
            field: spread([getattr(x, field) / getattr(y, field) for x, y in zip(of[over], of[under], strict=True)])
            for field in ("seconds", "cpu_seconds")
        }
        for over, under in RATIOS
        if over in of and under in of
    }
    fields = ("seconds", "cpu_seconds", "peak_bytes", "anonymous_bytes", "file_bytes")
    rows = {name: {field: spread([getattr(one, field) for one in of[name]]) for field in fields} for name in variants}
    return {"variants": rows, "ratios": ratios}


def table(record: dict[str, Any], titles: dict[str, str]) -> str:
    """Return the summary as Markdown, with the settings."""
    setup, found = record["setup"], record["summary"]

    def shown(values: dict[str, float], digits: int, unit: float = 1) -> str:
        median, low, high = (f"{values[name] / unit:.{digits}f}" for name in ("median", "min", "max"))
        return f"{median} [{low}, {high}]"

    lines = [
        f"{setup['queries']:,} queries, {setup['candidates']:,} candidates, {setup['dimensions']} dimensions, "
        f"k = {setup['k']}, {setup['threads']} threads, rounds: {setup['repeats']}; median [min, max]",
        "",
        "| variant | seconds | CPU seconds | peak resident GiB | of it anonymous | of it files' pages | same indices |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in found["variants"].items():
        same = f"{100 * record['agreement'][name]:.3f} %" if name in record["agreement"] else "(reference)"
        numbers = [shown(row["seconds"], 2), shown(row["cpu_seconds"], 2)]
        numbers += [shown(row[field], 2, GIB) for field in ("peak_bytes", "anonymous_bytes", "file_bytes")]
        lines.append(f"| {titles[name]} | {' | '.join(numbers)} | {same} |")
    if found["ratios"]:
        lines += ["", "| within a round | ratio of seconds | of CPU seconds |", "|---|---|---|"]
        for pair, ratio in found["ratios"].items():
            lines.append(f"| {pair} | {shown(ratio['seconds'], 2)} | {shown(ratio['cpu_seconds'], 2)} |")
    loads = [one["load"] for one in record["measurements"]]
    software = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    lines += [
        "",
        f"{record['cpu']}, {os.cpu_count()} cores, load {min(loads):.1f} to {max(loads):.1f} before each; {software}",
    ]
    return "\n".join(lines)


def versions(faiss: str | None) -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in ("numpy", "torch")}
    for one in importlib.metadata.distributions(path=[*([faiss] if faiss else []), *sys.path]):
        if one.name == "faiss-cpu":
            found.setdefault("faiss-cpu", one.version)
    return {"Python": platform.python_version(), **found}


def compare(arguments: argparse.Namespace) -> None:
    """Measure all variants in turn, round after round; print the table and write the record."""
    titles = MEMORY if arguments.memory else SPEED
    software = versions(arguments.faiss)
    variants = [name for name in titles if name != "faiss" or "faiss-cpu" in software]
    if "faiss" not in variants:
        print(
            "faiss-cpu is not installed and is left out; to add it: `pip install --target DIR faiss-cpu`, --faiss DIR",
            file=sys.stderr,
        )
    sizes = {name: getattr(arguments, name) for name in ("queries", "candidates", "dimensions", "k")}
    measurements: list[Measurement] = []
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        if arguments.memory:
            write_maps(folder, sizes["candidates"], sizes["dimensions"], seed=0)
        for number in range(1, arguments.repeats + 1):
            for variant in variants:
                setup = Setup(variant=variant, **sizes, seed=0, folder=folder, faiss=arguments.faiss)
                measurements.append(run_child(setup, number, arguments.threads))
                one = measurements[-1]
                print(f"round {number} {variant}: {one.seconds:.2f} s, {one.peak_bytes / GIB:.2f} GiB", file=sys.stderr)
        same = agreement(folder, variants)
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    record: dict[str, Any] = {
        "setup": {**sizes, "threads": arguments.threads, "repeats": arguments.repeats},
        "cpu": next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        "versions": software,
        "summary": summarise(measurements, variants),
        "agreement": same,
        "measurements": [asdict(one) for one in measurements],
    }
    print(table(record, titles))
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")
    over = [one.variant for one in measurements if one.variant != "faiss" and one.peak_bytes >= 4 * GIB]
    if over:
        raise SystemExit(f"above 4 GiB: {', '.join(sorted(set(over)))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", action="store_true", help="a million candidates, stored in three ways; one round")
    parser.add_argument("--smoke", action="store_true", help="a few rows, 1 round: only checks that it runs")
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--candidates", type=int, help="default 100,000; with --memory 1,000,000")
    parser.add_argument("--dimensions", type=int, default=1_024)
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, help="rounds of all variants (default 5; with --memory 1)")
    parser.add_argument("--faiss", help="the folder with faiss-cpu, if it is not installed with adaptx")
    parser.add_argument("--scratch", help="where --memory writes its 6 GB of candidates (default: the system's)")
    parser.add_argument("--out", type=Path, help="write all measurements to this file as JSON")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(Setup(**json.loads(arguments.measure)))))
        return
    if arguments.smoke:
        arguments.queries, arguments.candidates, arguments.dimensions, arguments.repeats = 100, 500, 32, 1
    arguments.candidates = arguments.candidates or (1_000_000 if arguments.memory else 100_000)
    arguments.repeats = arguments.repeats or (1 if arguments.memory else 5)
    compare(arguments)


if __name__ == "__main__":
    main()

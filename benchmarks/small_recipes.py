"""Every research question at small size: run what is not stored yet, report, and keep the tables under docs/results/.

    python benchmarks/small_recipes.py --data MIRROR --e5-small DIR --smollm2 DIR --workers 2    # all
    python benchmarks/small_recipes.py --data MIRROR compute_budget peft_tradeoff    # these alone
    python benchmarks/small_recipes.py --data MIRROR composition                     # a sample recipe

All are planned at 71 minutes at 100 GFLOP/s. Sample recipes answer no research question, and run when they are named.
MIRROR is a local mirror of the hub. e5-small, SmolLM2-135M and the random mT5 (`python benchmarks/small_mt5.py DIR`)
are folders; without the first two the mirror's `models/` or the hub's cache must have them. An interrupted run goes on
where it stopped, and a second one answers from the store. Whole reports (HTML, CSV, figures) go into the store's
`reports/`.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
LIBRARIES = ("torch", "transformers", "peft", "adapters")


@dataclass(frozen=True)
class Small:
    """A small run and its page of results: which recipe, and which of the models given on the command line it is for.

    model None: the packaged one. question: the recipe is one of the research questions, which have a page and two
    sizes. recipe empty: it is called as the page is.
    """

    name: str
    model: str | None = None
    question: bool = True
    recipe: str = ""

    @property
    def file(self) -> str:
        return f"recipes/{self.recipe or self.name}.py"

    @property
    def options(self) -> tuple[str, ...]:
        return ("--size", "small") if self.question else ()


# Those that share trainings follow one another.
QUESTIONS = (
    Small("compute_budget"),
    Small("peft_tradeoff"),
    Small("mt5_multilingual"),
    Small("phang2020"),
    Small("sub1b_gap"),
    Small("model_size", "e5_small"),
    Small("scale_1b_7b", "smollm2"),
)
SAMPLES = (
    Small("composition", question=False),
    Small("composition_e5_small", "e5_small", question=False, recipe="composition"),
    Small("decoder_sample", "smollm2", question=False),
    Small("t5_sample", "t5", question=False),
)


@dataclass(frozen=True)
class Spent:
    """Processor seconds (of all threads) and wall seconds, over all the runs that trained or scored something.

    workers: the most that a run had. The processor seconds of several are not known here.
    """

    processor_seconds: float = 0.0
    wall_seconds: float = 0.0
    workers: int = 1


def main() -> None:
    options = arguments()
    for small in (*QUESTIONS, *SAMPLES):
        if small.name in options.names or (small.question and not options.names):
            run(small, options.data, options.store, getattr(options, small.model) if small.model else None,
                options.workers)  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = [small.name for small in (*QUESTIONS, *SAMPLES)]
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"of {', '.join(every)}; the research questions, where none is named")  # fmt: skip
    parser.add_argument("--data", required=True, help="local mirror of the hub")
    parser.add_argument("--store", type=Path, default=Path("adaptx-store"))
    parser.add_argument("--e5-small", help="folder of multilingual-e5-small")
    parser.add_argument("--smollm2", help="folder of SmolLM2-135M")
    parser.add_argument("--t5", help="folder that benchmarks/small_mt5.py has written")
    parser.add_argument("--workers", type=int, default=1, help="stages run at once (default 1)")
    found = parser.parse_args()
    if unknown := [name for name in found.names if name not in every]:
        parser.error(f"{unknown[0]} is none of {', '.join(every)}")
    return found


def run(small: Small, data: str, store: Path, model: str | None, workers: int) -> None:
    """Run and report one recipe, and write its page.

    Raises:
        subprocess.CalledProcessError: a stage failed, or the report did.
    """
    print(f"== {small.name}", flush=True)
    asked = [small.file, *small.options, "--data", data, "--store", str(store.absolute())]
    asked += ["--model", model] if model is not None else []
    left = to_do(asked)
    began, before = time.perf_counter(), processor_seconds()
    if left:
        adaptx("run", *asked, "--workers", str(workers))
    reports = store / "reports"
    now = Spent(processor_seconds() - before, time.perf_counter() - began, workers) if left else Spent()
    spent = add(reports / f"{small.name}.seconds.json", now)
    adaptx("report", *asked, "--out", str((reports / small.name).absolute()))
    tables = (reports / small.name / "tables.md").read_text(encoding="utf-8")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{small.name}.md").write_text(page(small, spent, tables), encoding="utf-8")


def adaptx(*words: str) -> None:
    subprocess.run([sys.executable, "-c", "from adaptx.cli.app import main; main()", *words], check=True, cwd=ROOT)


def to_do(asked: list[str]) -> int:
    """How many stages are not stored."""
    command = [sys.executable, "-c", "from adaptx.cli.app import main; main()", "plan", *asked, "--json"]
    ended = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    return sum(not stage["stored"] for stage in json.loads(ended.stdout)["stages"])


def processor_seconds() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def add(file: Path, now: Spent) -> Spent:
    """What was spent so far, kept beside the reports; a run that found all stored adds nothing."""
    earlier = Spent(**json.loads(file.read_text())) if file.is_file() else Spent()
    if not now.wall_seconds:
        return earlier
    spent = Spent(
        earlier.processor_seconds + now.processor_seconds,
        earlier.wall_seconds + now.wall_seconds,
        max(earlier.workers, now.workers),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(vars(spent)))
    return spent


def page(small: Small, spent: Spent, tables: str) -> str:
    """The tables under what they were made with and from."""
    command = " ".join((small.file, *small.options, "--data DIR", *(["--model DIR"] if small.model else [])))
    versions = ", ".join(f"{name} {version}" for name in LIBRARIES if (version := installed(name)))
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    about = (
        f"What is asked, and what the full size costs: [the question's page](../questions/{small.name}.md). "
        if small.question
        else f"What is asked stands in `{small.file}`. "
    )
    without = ", without stages that other recipes had left in the store"
    if not spent.wall_seconds:
        took = "It was run by itself, so that its time was not kept here; its trainings' seconds stand below. "
    elif spent.workers > 1:
        took = (
            f"Took {spent.wall_seconds:,.0f} seconds of the clock with {spent.workers} workers, beside whatever else "
            f"the machine did{without}. "
        )
    else:
        took = (
            f"Took {spent.processor_seconds:,.0f} processor seconds ({spent.wall_seconds:,.0f} of the clock, beside "
            f"whatever else the machine did; threads: {threads}){without}. "
        )
    lines = (
        f"# Small results: {small.name.replace('_', ' ')}",
        f"{about}Small is small: real rows, but few of them, and small models; nothing here speaks of larger ones.",
        f"    adaptx run {command}\n    adaptx report {command}",
        f"{took}On {platform.machine()}, without a GPU. Python "
        f"{platform.python_version()}, {versions}, adaptx {installed('adaptx')}. Rows used stand beside rows expected "
        "below; data is a mirror that holds parts of the published sets.",
    )
    return "\n\n".join(lines) + "\n\n" + tables


def installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()

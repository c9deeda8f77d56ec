"""Run every research question at medium size, write its report, and keep the tables in docs/results/.

    python benchmarks/small_recipes.py --data MIRROR --e5-small DIR --smollm2 DIR --workers 2    # all of them
    python benchmarks/small_recipes.py --data MIRROR compute_budget peft_tradeoff    # only these
    python benchmarks/small_recipes.py --data MIRROR --size small                    # smoke runs, a few minutes in all
    python benchmarks/small_recipes.py --data MIRROR composition                     # a sample recipe

Each medium size takes about an hour on two cores; `adaptx plan` estimates how long. Sample recipes answer no research
question, and run only if they are named. MIRROR is a local mirror of the hub. The models are folders: e5-small,
SmolLM2-135M and the random mT5 (`python benchmarks/small_mt5.py DIR`). Without the first two, the mirror's `models/` or
the hub's cache must have them. An interrupted run continues where it stopped, and a second run reads its results from
the store. Whole reports (HTML, CSV, figures) are in the store's `reports/`.
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
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
LIBRARIES = ("torch", "transformers", "peft", "adapters")


@dataclass(frozen=True, kw_only=True)
class Small:
    """A run with small models and its page of results.

    name: name of the page. model: option of the command line that gives the model; None means the packaged one.
    question: whether the recipe is a research question, which has a page and several sizes. recipe: name of the recipe;
    empty means that of the page. size: the size of a research question.
    """

    name: str
    model: str | None = None
    question: bool = True
    recipe: str = ""
    size: str = "medium"

    @property
    def file(self) -> str:
        return f"recipes/{self.recipe or self.name}.py"

    @property
    def options(self) -> tuple[str, ...]:
        return ("--size", self.size) if self.question else ()


# Recipes that share trainings are next to each other.
QUESTIONS = (
    Small(name="compute_budget"),
    Small(name="peft_tradeoff"),
    Small(name="mt5_multilingual"),
    Small(name="phang2020"),
    Small(name="sub1b_gap"),
    Small(name="model_size", model="e5_small"),
    Small(name="scale_1b_7b", model="smollm2"),
)
SAMPLES = (
    Small(name="composition", question=False),
    Small(name="composition_e5_small", model="e5_small", question=False, recipe="composition"),
    Small(name="decoder_sample", model="smollm2", question=False),
    Small(name="t5_sample", model="t5", question=False),
)


@dataclass(frozen=True)
class Spent:
    """Processor seconds (of all threads) and wall seconds, summed over all runs that trained or scored something.

    workers: largest number of workers of a run. With several workers, the processor seconds are not known here.
    """

    processor_seconds: float = 0.0
    wall_seconds: float = 0.0
    workers: int = 1


def main() -> None:
    options = arguments()
    for small in (replace(each, size=options.size) for each in (*QUESTIONS, *SAMPLES)):
        if small.name in options.names or (small.question and not options.names):
            run(small, options.data, options.store, getattr(options, small.model) if small.model else None,
                options.workers)  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = [small.name for small in (*QUESTIONS, *SAMPLES)]
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"one of {', '.join(every)}; default: the research questions")  # fmt: skip
    parser.add_argument("--data", required=True, help="local mirror of the hub")
    parser.add_argument("--size", choices=("medium", "small"), default="medium", help="size of the research questions")
    parser.add_argument("--store", type=Path, default=Path("adaptx-store"))
    parser.add_argument("--e5-small", help="folder of multilingual-e5-small")
    parser.add_argument("--smollm2", help="folder of SmolLM2-135M")
    parser.add_argument("--t5", help="folder that benchmarks/small_mt5.py has written")
    parser.add_argument("--workers", type=int, default=1, help="stages run at once (default 1)")
    found = parser.parse_args()
    if unknown := [name for name in found.names if name not in every]:
        parser.error(f"there is no {unknown[0]}; choose among {', '.join(every)}")
    return found


def run(small: Small, data: str, store: Path, model: str | None, workers: int) -> None:
    """Run and report one recipe, and write its page.

    Raises:
        subprocess.CalledProcessError: a stage or the report failed.
    """
    print(f"== {small.name}", flush=True)
    asked = [small.file, *small.options, "--data", data, "--store", str(store.absolute())]
    asked += ["--model", model] if model is not None else []
    reports = store / "reports"
    seconds = reports / f"{small.name}.seconds.json"
    if to_do(asked):
        with timed(seconds, workers):
            adaptx("run", *asked, "--workers", str(workers))
    spent = add(seconds, Spent())
    adaptx("report", *asked, "--out", str((reports / small.name).absolute()))
    tables = (reports / small.name / "tables.md").read_text(encoding="utf-8")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{small.name}.md").write_text(page(small, spent, tables), encoding="utf-8")


@contextmanager
def timed(file: Path, workers: int) -> Generator[None]:
    """Add the time of the body to the sum in `file`, also if the body is interrupted: its stages stay stored."""
    began, before = time.perf_counter(), processor_seconds()
    try:
        yield
    finally:
        add(file, Spent(processor_seconds() - before, time.perf_counter() - began, workers))


def adaptx(*words: str) -> None:
    subprocess.run([sys.executable, "-c", "from adaptx.cli.app import main; main()", *words], check=True, cwd=ROOT)


def to_do(asked: list[str]) -> int:
    """Return the number of stages that are not stored."""
    command = [sys.executable, "-c", "from adaptx.cli.app import main; main()", "plan", *asked, "--json"]
    ended = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    return sum(not stage["stored"] for stage in json.loads(ended.stdout)["stages"])


def processor_seconds() -> float:
    """Return the processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def add(file: Path, now: Spent) -> Spent:
    """Add `now` to the sum in a file next to the reports. A run that found everything stored adds nothing."""
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
    """Return a page of results: the commands and versions, followed by the tables."""
    command = " ".join((small.file, *small.options, "--data DIR", *(["--model DIR"] if small.model else [])))
    versions = ", ".join(f"{name} {version}" for name in LIBRARIES if (version := installed(name)))
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    about = (
        f"The question, and the cost of the full size: [the question's page](../questions/{small.name}.md). "
        if small.question
        else f"The question is in `{small.file}`. "
    )
    without = ", without stages that other recipes had left in the store"
    if not spent.wall_seconds:
        took = "It was run separately, so its time was not recorded here; the seconds of its trainings are below. "
    elif spent.workers > 1:
        took = (
            f"Took {spent.wall_seconds:,.0f} seconds of wall time with {spent.workers} workers, with other work on "
            f"the machine{without}. "
        )
    else:
        took = (
            f"Took {spent.processor_seconds:,.0f} processor seconds ({spent.wall_seconds:,.0f} of wall time, with "
            f"other work on the machine; threads: {threads}){without}. "
        )
    workers = f" --workers {spent.workers}" if spent.workers > 1 else ""
    lines = (
        f"# {small.size.title() if small.question else 'Small'} results: {small.name.replace('_', ' ')}",
        f"{about}These are real rows and small models; the results say nothing about larger ones.",
        f"    adaptx run {command}{workers}\n    adaptx report {command}",
        f"{took}On {platform.machine()}, without a GPU. Python "
        f"{platform.python_version()}, {versions}, adaptx {installed('adaptx')}. Rows used are next to rows expected "
        "below; the data is a mirror with parts of the published sets.",
    )
    return "\n\n".join(lines) + "\n\n" + tables


def installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()

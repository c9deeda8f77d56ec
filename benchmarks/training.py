"""Compare training with adaptx and with Hugging Face's Trainer on SNLI rows on the CPU: speed and memory.

    python benchmarks/training.py --model DIR [--data DIR|sample] [--method lora|full|bottleneck] [--out FILE]
    python benchmarks/training.py --ablate      # the effect of rows without padding and of the CPU's kernels
    python benchmarks/training.py --smoke       # only checks that it runs; its numbers mean nothing

Each measurement runs in a process of its own. Variants take turns, and ratios are computed within a round. README.md in
this folder says what is compared and what is not.
"""

import argparse
import contextlib
import importlib
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

ENVIRONMENT = {
    # As the command line sets it: idle OpenMP threads that spin for long take cores from busy ones.
    "GOMP_SPINCOUNT": "10000",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}
VARIANTS = {
    "a": "Trainer, as in the examples (fp32, random batches, adamw_torch)",
    "b": "Trainer at its best (bf16, group_by_length, fused AdamW)",
    "c": "adaptx (bf16, rows without padding, cheap dropout)",
}
ABLATIONS = {
    "c": "adaptx",
    "c-alike": "only sequences of equal length share a group of attention",
    "c-dropout": "torch's dropout and attention",
}
BATCH_SIZE = 32
MAX_LENGTH = 128
LEARNING_RATES = {"lora": 5e-4, "bottleneck": 5e-4, "full": 5e-5}
# Number of batches that group_by_length sorts at a time, longest first; on small data a quarter of all batches.
MEGABATCH = 50
MEGABATCHES = 4
PACKAGES = ("adaptx", "torch", "transformers", "peft", "adapters", "accelerate", "datasets", "bitsandbytes")
LIBRARIES = {"lora": "peft", "bottleneck": "adapters", "full": "transformers"}


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The settings of one measuring process.

    rows: number of leading SNLI rows that it reads and tokenises.
    """

    variant: str
    model: str
    data: str
    method: str
    rows: int
    steps: int
    warmup: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The result of one measuring process.

    peak_bytes: the process's largest resident set (VmHWM). peak_above_bytes: the same minus the level before rows and
    model are loaded. loss: mean over all steps, to check that no variant diverges. load: one-minute load average before
    the measurement.
    """

    variant: str
    round: int
    examples_per_second: float
    seconds: float
    peak_bytes: int
    peak_above_bytes: int
    loss: float
    threads: int
    load: float


@dataclass
class Clock:
    """A clock between two steps, which is also the object to which adaptx reports progress."""

    first: int
    last: int
    at: dict[int, float] = field(default_factory=dict[int, float])
    losses: list[float] = field(default_factory=list[float])

    @property
    def seconds(self) -> float:
        return self.at[self.last] - self.at[self.first]

    def tick(self, step: int) -> None:
        if step in (self.first, self.last):
            self.at[step] = time.perf_counter()

    def begin_stage(self, fingerprint: str) -> None:
        pass

    def finish_stage(self, fingerprint: str) -> None:
        pass

    def start(self, name: str, total: int, unit: str) -> None:
        pass

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:  # noqa: ARG002
        self.tick(done)
        if loss is not None:
            self.losses.append(loss)

    def note(self, text: str) -> None:
        pass

    def end(self) -> None:
        pass

    def beside(self) -> "Clock":
        return self


# ---- in the process that measures


def measure(setup: Setup, train: Callable[[Clock], float] | None = None) -> dict[str, Any]:
    """Import, then load, tokenise and train one variant while measuring time and memory.

    train: the function to measure, if it is none of this file's variants.
    """
    import torch

    from adaptx.profiling.peak_memory import RESIDENT_MEASURE, peak_memory

    if train is None:
        train = prepare_adaptx(setup) if setup.variant.startswith("c") else prepare_reference(setup, reference_model)
    importlib.import_module(LIBRARIES[setup.method])
    clock = Clock(setup.warmup, setup.warmup + setup.steps)
    # The watch resets the high-water mark, so the level that the imports reached is kept here.
    before = high_water_mark()
    with peak_memory(torch.device("cpu")) as peak:
        loss = train(clock)
    if peak.measure != RESIDENT_MEASURE:
        raise RuntimeError(f"this benchmark needs Linux's VmHWM; here memory is measured as: {peak.measure}")
    if not math.isfinite(loss):
        raise RuntimeError(f"variant {setup.variant} diverged: its mean loss is {loss}")
    return {
        "examples_per_second": BATCH_SIZE * setup.steps / clock.seconds,
        "seconds": clock.seconds,
        "peak_bytes": max(before, high_water_mark()),
        "peak_above_bytes": peak.peak_bytes,
        "loss": loss,
        "threads": torch.get_num_threads(),
    }


def high_water_mark() -> int:
    """Return the largest resident set since the process began or the mark was reset, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def prepare_adaptx(setup: Setup) -> Callable[[Clock], float]:
    """Prepare a training stage as `adaptx run` runs it, with a store that is deleted afterwards."""
    import torch

    from adaptx.catalog import SNLI
    from adaptx.catalog.models import find_model
    from adaptx.execution.train import execute_train
    from adaptx.execution.workshop import Workshop
    from adaptx.planning.identity import Identities
    from adaptx.planning.plan import Node
    from adaptx.sources.sources import Sources
    from adaptx.specs import Bottleneck, Full, Lora, Resources, Train, TrainConfig
    from adaptx.store.store import Store

    methods = {"lora": Lora(rank=8, alpha=16), "full": Full(), "bottleneck": Bottleneck()}
    config = TrainConfig(
        learning_rate=LEARNING_RATES[setup.method],
        max_steps=setup.warmup + setup.steps,
        batch_size=BATCH_SIZE,
        seed=setup.seed,
        precision="bf16",
        warmup=0.0,
        max_length=MAX_LENGTH,
    )
    stage = Train(find_model(setup.model), SNLI, methods[setup.method], config, limit=setup.rows)
    sources = Sources(setup.data)
    identities = Identities(sources)
    node = Node(stage, identities.of(stage), ())

    def train(clock: Clock) -> float:
        with tempfile.TemporaryDirectory() as folder, ablated(setup.variant):
            shop = Workshop(
                store=Store(folder),
                sources=sources,
                fingerprint_of=lambda train: identities.of(train).fingerprint,
                resources=Resources(device="cpu"),
                device=torch.device("cpu"),
            )
            execute_train(node, shop, clock)
        return statistics.fmean(clock.losses)

    return train


@contextlib.contextmanager
def ablated(variant: str) -> Generator[None]:
    """Change the layout of rows or remove the CPU's kernels from adaptx within the block."""
    patches = {
        "c": [],
        "c-alike": [mock.patch.dict("adaptx.backbones.batching.GROUP_TOKENS", {"cpu": 0})],
        "c-dropout": [mock.patch("adaptx.training.gradients.CpuKernels", contextlib.nullcontext)],
    }
    with contextlib.ExitStack() as stack:
        for patch in patches[variant]:
            stack.enter_context(patch)
        yield


def prepare_reference(setup: Setup, make_model: Callable[[Setup], Any]) -> Callable[[Clock], float]:
    """Prepare Trainer with peft, AdapterTrainer or Trainer alone: (a) as in the examples, (b) with all fast options."""
    from datasets import Dataset
    from transformers import (
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )

    from adaptx.catalog import SNLI
    from adaptx.data.reading import read_all
    from adaptx.sources.sources import Sources

    trainer_class: Any = Trainer
    if setup.method == "bottleneck":
        from adapters import AdapterTrainer

        trainer_class = AdapterTrainer
    options: dict[str, Any] = {"optim": "adamw_torch"}
    if setup.variant == "b":
        options = {"optim": "adamw_torch_fused", "bf16": True, "group_by_length": True}

    def train(clock: Clock) -> float:
        class Ticks(TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
                clock.tick(state.global_step)

        set_seed(setup.seed)
        columns = read_all(SNLI.train, SNLI.format, Sources(setup.data), setup.rows).columns
        model = make_model(setup)
        tokenizer = AutoTokenizer.from_pretrained(setup.model)

        def tokenize(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
            ids = tokenizer(rows["text"], rows["pair"], truncation=True, max_length=MAX_LENGTH)["input_ids"]
            labels = [SNLI.format.labels.index(label) for label in rows["label"]]
            # With the column `length`, group_by_length does not read every row again.
            return {"input_ids": ids, "labels": labels, "length": [len(sequence) for sequence in ids]}

        dataset: Any = Dataset.from_dict(columns)
        dataset = dataset.map(tokenize, batched=True, remove_columns=dataset.column_names)
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=BATCH_SIZE,
                max_steps=setup.warmup + setup.steps,
                learning_rate=LEARNING_RATES[setup.method],
                seed=setup.seed,
                use_cpu=True,
                dataloader_pin_memory=False,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                **options,
            )
            trainer = trainer_class(
                model=model,
                args=arguments,
                train_dataset=dataset,
                processing_class=tokenizer,
                data_collator=DataCollatorWithPadding(tokenizer),
                callbacks=[Ticks()],
            )
            return trainer.train().training_loss

    return train


def reference_model(setup: Setup) -> Any:
    """Return a sequence classifier with three labels and the method attached, as in the library's own examples."""
    import torch
    from transformers import AutoModelForSequenceClassification

    if setup.method == "bottleneck":
        from adapters import AutoAdapterModel, SeqBnConfig

        model: Any = AutoAdapterModel.from_pretrained(setup.model, dtype=torch.float32)
        model.add_classification_head("snli", num_labels=3)
        model.add_adapter("snli", config=SeqBnConfig())
        model.train_adapter("snli")
        return model
    model = AutoModelForSequenceClassification.from_pretrained(setup.model, num_labels=3, dtype=torch.float32)
    if setup.method == "full":
        return model
    from peft import LoraConfig, TaskType, get_peft_model

    config = LoraConfig(task_type=TaskType.SEQ_CLS, r=8, lora_alpha=16, target_modules=["query", "value"])
    return get_peft_model(model, config)


# ---- in the process that compares


def whole_cycles(steps: int, data: str) -> int:
    """Return the number of rows for which `steps` is a whole number of group_by_length's cycles.

    A cycle begins with long rows and ends with short ones, so (b) would seem slower or faster if it were timed over
    part of one.
    """
    from adaptx.catalog import SNLI
    from adaptx.data.reading import read_all
    from adaptx.sources.sources import Sources

    cycle_rows = MEGABATCHES * BATCH_SIZE
    available = len(read_all(SNLI.train, SNLI.format, Sources(data), MEGABATCH * cycle_rows))
    cycles = [cycle for cycle in range(1, MEGABATCH + 1) if steps % cycle == 0 and cycle * cycle_rows <= available]
    if not cycles:
        raise SystemExit(f"--data {data}: it has {available} SNLI rows, and needs {cycle_rows}; give a larger mirror")
    return max(cycles) * cycle_rows


def run_child(setup: Setup, number: int, script: str = __file__) -> Measurement:
    """Measure in a new process. If it crashes, the benchmark ends with its last lines."""
    load = os.getloadavg()[0]
    command = [sys.executable, script, "--measure", json.dumps(asdict(setup))]
    done = subprocess.run(command, capture_output=True, text=True, env={**ENVIRONMENT, **os.environ}, check=False)
    if done.returncode:
        tail = "\n".join(line[:400] for line in done.stderr.splitlines()[-20:])
        raise SystemExit(f"variant {setup.variant} failed with status {done.returncode}:\n{tail}")
    # Trainer prints its own summary before this line.
    found = json.loads(done.stdout.splitlines()[-1])
    return Measurement(variant=setup.variant, round=number, load=load, **found)


def summarise(measurements: list[Measurement], variants: dict[str, str]) -> dict[str, Any]:
    """Return medians and ranges of each variant, and its speed relative to earlier variants within the same round."""
    rows: dict[str, Any] = {}
    speeds: dict[str, list[float]] = {}
    for variant in variants:
        mine = [one for one in measurements if one.variant == variant]
        speeds[variant] = [one.examples_per_second for one in mine]
        rows[variant] = {
            "examples_per_second": spread(speeds[variant]),
            "peak_mib": spread([one.peak_bytes / 2**20 for one in mine]),
            "peak_above_mib": spread([one.peak_above_bytes / 2**20 for one in mine]),
            "loss": statistics.median(one.loss for one in mine),
        }
    names = list(variants)
    ours = [name for name in names if name.startswith("c")]
    pairs = [(name, theirs) for name in ours for theirs in "ab"] if "a" in variants else [(n, "c") for n in ours[1:]]
    ratios = {
        f"{over}/{under}": spread([x / y for x, y in zip(speeds[over], speeds[under], strict=True)])
        for over, under in pairs
    }
    return {"variants": rows, "speed_ratios": ratios}


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def machine() -> dict[str, Any]:
    """Return what the numbers depend on apart from the code."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        return {"cpu": name, "cores": os.cpu_count(), **_software()}
    return {"cpu": platform.processor(), "cores": os.cpu_count(), **_software()}


def _software() -> dict[str, Any]:
    versions: dict[str, str] = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    variables = {name: os.environ[name] for name in os.environ if name.startswith(("OMP_", "MKL_", "KMP_"))}
    return {"python": platform.python_version(), "versions": versions, "environment": {**ENVIRONMENT, **variables}}


def table(record: dict[str, Any], variants: dict[str, str]) -> str:
    """Return the summary as Markdown, with the settings."""
    setup, found, where = record["setup"], record["summary"], record["machine"]

    def shown(values: dict[str, float], digits: int) -> str:
        return f"{values['median']:.{digits}f} [{values['min']:.{digits}f}, {values['max']:.{digits}f}]"

    lines = [
        f"{Path(setup['model']).name}, {setup['method']}, batch {BATCH_SIZE}, {setup['rows']} SNLI rows from "
        f"{Path(setup['data']).name}, {setup['steps']} steps after {setup['warmup']} of warm-up, "
        f"rounds: {record['repeats']}; median [min, max]",
        "",
        "| | variant | examples/s | peak resident MiB | above the level before loading, MiB | mean loss |",
        "|---|---|---|---|---|---|",
    ]
    for name, title in variants.items():
        row = found["variants"][name]
        numbers = [shown(row["examples_per_second"], 1), shown(row["peak_mib"], 0), shown(row["peak_above_mib"], 0)]
        lines.append(f"| {name} | {title} | {' | '.join(numbers)} | {row['loss']:.3f} |")
    lines += ["", "| speed within a round | ratio |", "|---|---|"]
    lines += [f"| {pair} | {shown(ratio, 2)} |" for pair, ratio in found["speed_ratios"].items()]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    threads = ", ".join(str(count) for count in sorted({one["threads"] for one in record["measurements"]}))
    loads = [one["load"] for one in record["measurements"]]
    lines += [
        "",
        f"{where['cpu']}, {where['cores']} cores, {threads} torch threads, load {min(loads):.1f} to {max(loads):.1f} "
        f"before each measurement; Python {where['python']}, {versions}",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model folder (default: the packaged e5-mini)")
    parser.add_argument("--data", default="sample", help="a local mirror, or `sample` for the packaged rows (default)")
    parser.add_argument("--method", choices=LEARNING_RATES, default="lora")
    parser.add_argument("--steps", type=int, default=50, help="timed steps (default 50)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of all variants (default 3)")
    parser.add_argument("--out", type=Path, help="write all measurements to this file as JSON")
    parser.add_argument(
        "--ablate",
        action="store_true",
        help="only adaptx, with parts of it replaced",
    )
    parser.add_argument("--smoke", action="store_true", help="2 steps, 1 round: only checks that it runs")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(Setup(**json.loads(arguments.measure)))))
        return
    if min(arguments.steps, arguments.repeats) < 1:
        parser.error("--steps and --repeats are at least 1")
    compare(arguments, ABLATIONS if arguments.ablate else VARIANTS)


def compare(arguments: argparse.Namespace, variants: dict[str, str], script: str = __file__) -> None:
    """Measure all variants in turn, round after round; print the table and write the record.

    script: the script that measures one variant, with `--measure`.
    """
    from adaptx.errors import UserError
    from adaptx.sample import SAMPLE

    model = (arguments.model or SAMPLE / "models" / "adaptx" / "e5-mini").expanduser().resolve()
    if not (model / "config.json").is_file():
        raise SystemExit(f"--model {model}: the folder has no config.json; give the folder of a checkpoint")
    steps, warmup, repeats = (2, 1, 1) if arguments.smoke else (arguments.steps, 5, arguments.repeats)
    try:
        rows = whole_cycles(steps, arguments.data)
    except UserError as error:
        raise SystemExit(str(error)) from error
    measurements: list[Measurement] = []
    for number in range(1, repeats + 1):
        for variant in variants:
            setup = Setup(
                variant=variant,
                model=str(model),
                data=arguments.data,
                method=arguments.method,
                rows=rows,
                steps=steps,
                warmup=warmup,
                seed=number,
            )
            measurements.append(run_child(setup, number, script))
            print(f"round {number} {variant}: {measurements[-1].examples_per_second:.1f} examples/s", file=sys.stderr)
    record: dict[str, Any] = {
        "setup": {key: value for key, value in asdict(setup).items() if key not in ("variant", "seed")},
        "repeats": repeats,
        "machine": machine(),
        "summary": summarise(measurements, variants),
        "measurements": [asdict(one) for one in measurements],
    }
    print(table(record, variants))
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

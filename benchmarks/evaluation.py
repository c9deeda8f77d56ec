"""Compare the evaluation speed of adaptx and of a plain loop as in the XTREME scripts: examples/s over ten languages.

    python benchmarks/evaluation.py --model DIR [--data DIR|sample] [--limit ROWS] [--rounds N] [--out FILE]
    python benchmarks/evaluation.py --smoke     # only checks that it runs; its speeds mean nothing

Both run the same network and head over the same rows; README.md in this folder says what is compared.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import ENVIRONMENT, machine, spread

# Set before torch is imported, because its OpenMP reads them only once.
os.environ.update({**ENVIRONMENT, **os.environ})

import torch
from plain_evaluation import BATCH_SIZE, Decision, PlainModel, answer, classify, tag

from adaptx.backbones.batching import Encoding
from adaptx.backbones.bf16_products import arithmetic
from adaptx.catalog import AMERICAS_NLI, INDONLI, KLUE_NLI, SIB200, SNLI, SQUAD, TYDIQA, UDPOS, XNLI, XNLI_MORE, XQUAD
from adaptx.catalog.models import find_model
from adaptx.data.examples import Examples
from adaptx.data.reading import read_rows
from adaptx.errors import MissingInput, UserError
from adaptx.evaluation.evaluator import Evaluator, scores
from adaptx.execution.building import FinishedModel, finished_model, head_name
from adaptx.execution.evaluate import make_evaluator
from adaptx.execution.train import execute_train
from adaptx.execution.workshop import Workshop, choose_device
from adaptx.formats.interface import Predictions, TrainedHead
from adaptx.planning.identity import Identities
from adaptx.planning.plan import Node
from adaptx.sample import SAMPLE
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Lora, Precision, Resources, Task, Train, TrainConfig
from adaptx.store.store import Store
from adaptx.training.gradients import Setting
from adaptx.training.progress import Silent

LANGUAGES = 10
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
VARIANTS = {
    "plain fp32": "plain loop, as the XTREME scripts",
    "plain bf16": "the same in bf16",
    "adaptx fp32": "adaptx",
    "adaptx bf16": "adaptx in bf16",
}
RATIOS = (("adaptx fp32", "plain fp32"), ("adaptx bf16", "plain bf16"), ("adaptx bf16", "plain fp32"))
# Logits are between about 1 and 10; two ways of summing them in fp32 differ by about 1e-5.
TIE = 1e-3


@dataclass(frozen=True)
class Kind:
    """A task that is trained briefly, and the sets that are then evaluated: the first ten whose rows are available."""

    train: Task
    steps: int
    max_length: int
    sets: tuple[tuple[Task, str], ...]


def sets_of(*tasks: tuple[Task, str]) -> tuple[tuple[Task, str], ...]:
    return tuple((task, language) for task, languages in tasks for language in languages.split())


KINDS = {
    "classification (pairs)": Kind(
        SNLI,
        200,
        128,
        sets_of(
            (XNLI, "en de es ur"), (XNLI_MORE, "ko my"), (INDONLI, "id"), (AMERICAS_NLI, "aym gn quy"), (KLUE_NLI, "ko")
        ),
    ),
    "classification (sentences)": Kind(
        SIB200,
        100,
        128,
        sets_of((SIB200, "en id ko gn quy zh sw tr hi jpn_Jpan fra_Latn rus_Cyrl vie_Latn")),
    ),
    "tagging": Kind(UDPOS, 100, 128, sets_of((UDPOS, "de el en es fi he id ja ko ru tr zh"))),
    "span QA": Kind(SQUAD, 50, 384, sets_of((XQUAD, "ar de el en es ru tr zh"), (TYDIQA, "fi id ko sw ar ru"))),
}


@dataclass(frozen=True)
class RowSet:
    """The rows of one language, as both adaptx and the plain loop read them."""

    task: Task
    language: str
    examples: Examples


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A trained kind with its rows, in every precision."""

    kind: Kind
    train: Train
    models: dict[Precision, FinishedModel]
    sets: list[RowSet]
    shop: Workshop

    def head(self, precision: Precision) -> TrainedHead:
        return self.models[precision].heads[head_name(self.train, self.kind.train)]

    def evaluator(self, rows: RowSet, precision: Precision) -> Evaluator:
        """Return an evaluator as `adaptx run` makes it."""
        stage = Evaluate(self.train, rows.task, rows.language, precision=precision)
        return make_evaluator(stage, self.models[precision], self.shop, Silent(), "")


class Clock:
    """Wall and processor time since the clock was created."""

    def __init__(self) -> None:
        self.began = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self.began[0], time.process_time() - self.began[1]


@dataclass(frozen=True)
class Outcome:
    """One run of a variant over all languages.

    cpu_seconds: processor time of all threads, which other work on the machine changes less than wall time.

    found: per set, the predictions of adaptx or the decisions of the plain loop.
    """

    seconds: float
    cpu_seconds: float
    found: list[Any]
    encoded: list[Encoding]


def prepare(kind: Kind, model: str, steps: int | None, limit: int, shop: Workshop, identities: Identities) -> Bench:
    """Train LoRA and a head for some steps, so that predictions are more than noise, and read the rows."""
    config = TrainConfig(
        learning_rate=1e-3, max_steps=steps or kind.steps, precision="bf16", max_length=kind.max_length
    )
    train = Train(find_model(model), kind.train, Lora(rank=8, alpha=16), config)
    identity = identities.of(train)
    if shop.store.find(identity.fingerprint) is None:
        execute_train(Node(train, identity, ()), shop, Silent())
    sets: list[RowSet] = []
    for task, language in kind.sets:
        try:
            sets.append(RowSet(task, language, read_rows(task.rows_in(language), task.format, shop.sources, limit)))
        except MissingInput:
            continue
        if len(sets) == LANGUAGES:
            break
    models: dict[Precision, FinishedModel] = {each: finished_model(train, shop, each) for each in PRECISIONS}
    return Bench(kind=kind, train=train, models=models, sets=sets, shop=shop)


def run_adaptx(bench: Bench, precision: Precision, sets: Sequence[RowSet]) -> Outcome:
    head = bench.head(precision)
    clock = Clock()
    predicted = [bench.evaluator(rows, precision).predict(rows.examples, rows.task, head) for rows in sets]
    times = clock.read()
    return Outcome(
        *times, [each.predictions for each in predicted], [one for each in predicted for one in each.inputs.encoded]
    )


def run_plain(bench: Bench, precision: Precision, sets: Sequence[RowSet]) -> Outcome:
    finished, head = bench.models[precision], bench.head(precision)
    setting: Setting = bench.evaluator(sets[0], precision).setting
    model = PlainModel(
        network=finished.backbone.network.eval(),
        head=head.module.eval(),
        tokenizer=finished.tokenizer,
        labels=head.format.labels,
        max_length=bench.kind.max_length,
        device=setting.device,
        arithmetic=lambda: arithmetic(setting.device.type, setting.precision),
    )
    clock = Clock()
    decided = [_plain(model, rows.examples) for rows in sets]
    return Outcome(*clock.read(), decided, [])


def _plain(model: PlainModel, examples: Examples) -> list[list[Decision]]:
    columns = examples.columns
    if "question" in columns:
        return answer(model, columns["question"], columns["context"])
    if "tokens" in columns:
        return tag(model, columns["tokens"])
    return classify(model, columns["text"], columns.get("pair"))


RUN: dict[str, Callable[[Bench, Precision, Sequence[RowSet]], Outcome]] = {"plain": run_plain, "adaptx": run_adaptx}


def run(variant: str, bench: Bench, sets: Sequence[RowSet]) -> Outcome:
    side, precision = variant.split()
    return RUN[side](bench, "bf16" if precision == "bf16" else "fp32", sets)


def chosen(variant: str, found: Any) -> list[list[str]]:
    """Return the predictions of one set, as a list of decisions per example."""
    if variant.startswith("plain"):
        return [[max(decision, key=decision.__getitem__) for decision in example] for example in found]
    return [example if isinstance(example, list) else [example] for example in found]


def agreement(bench: Bench, outcomes: dict[str, Outcome]) -> dict[str, dict[str, float]]:
    """Compare each variant with the plain loop in fp32.

    Return, per variant: `equal`, the share of equal decisions; `largest_gap`, the largest difference between the plain
    loop's scores of its own decision and of the variant's; and the task's first metric (mean over languages).
    """
    found: dict[str, dict[str, float]] = {}
    for variant, outcome in outcomes.items():
        gaps: list[float] = []
        metrics: list[float] = []
        for rows, plain, mine in zip(bench.sets, outcomes["plain fp32"].found, outcome.found, strict=True):
            predictions = chosen(variant, mine)
            for decisions, choices in zip(plain, predictions, strict=True):
                for decision, choice in zip(decisions, choices, strict=True):
                    best = max(decision, key=decision.__getitem__)
                    gaps.append(0.0 if best == choice else decision[best] - decision.get(choice, -float("inf")))
            metrics.append(_metric(rows, predictions))
        differ = sum(gap != 0 for gap in gaps)
        found[variant] = {
            "decisions": len(gaps),
            "equal": 1 - differ / len(gaps),
            "different": differ,
            "largest_gap": max(gaps),
            "metric": statistics.fmean(metrics),
        }
    return found


def _metric(rows: RowSet, predictions: list[list[str]]) -> float:
    columns = rows.examples.columns
    golds = next(columns[role] for role in ("answers", "tags", "label") if role in columns)
    whole: list[Any] = predictions if "tags" in columns else [decision for (decision,) in predictions]
    scored = scores(
        rows.task,
        Predictions(predictions=whole, golds=golds, rows=rows.examples.rows, inputs=[], details=[]),
        rows.language,
    )
    return scored[rows.task.metrics[0]]


def measure(name: str, bench: Bench, rounds: int) -> dict[str, Any]:
    """Measure all variants in turn, round after round, in alternating order; ratios are computed within a round."""
    few = [RowSet(one.task, one.language, _leading(one.examples, BATCH_SIZE)) for one in bench.sets[:1]]
    for variant in VARIANTS:
        run(variant, bench, few)
    examples = sum(len(rows.examples) for rows in bench.sets)
    speeds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    cpu_speeds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    loads: list[float] = []
    outcomes: dict[str, Outcome] = {}
    for number in range(rounds):
        for variant in list(VARIANTS)[:: 1 if number % 2 == 0 else -1]:
            loads.append(os.getloadavg()[0])
            outcomes[variant] = run(variant, bench, bench.sets)
            speeds[variant].append(examples / outcomes[variant].seconds)
            cpu_speeds[variant].append(examples / outcomes[variant].cpu_seconds)
            print(f"{name}, round {number + 1}, {variant}: {speeds[variant][-1]:.1f} examples/s", file=sys.stderr)
    agreed = agreement(bench, outcomes)
    if agreed["adaptx fp32"]["largest_gap"] > TIE:
        raise SystemExit(f"{name}: in fp32 adaptx and the plain loop predict differently: {agreed['adaptx fp32']}")
    encoded = outcomes["adaptx fp32"].encoded
    tokens = sum(sum(each.lengths) for each in encoded)
    return {
        "sets": [f"{rows.task.name}/{rows.language}" for rows in bench.sets],
        "examples": examples,
        "max_length": bench.kind.max_length,
        "tokens": tokens,
        "padded_tokens": bench.kind.max_length * sum(len(each) for each in encoded),
        "metric_name": bench.sets[0].task.metrics[0],
        "speeds": speeds,
        "examples_per_second": {variant: spread(each) for variant, each in speeds.items()},
        "cpu_speeds": cpu_speeds,
        "ratios": _ratios(speeds),
        "cpu_ratios": _ratios(cpu_speeds),
        "agreement": agreed,
        "load": [min(loads), max(loads)],
    }


def _ratios(speeds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Return the ratio of two speeds for each round."""
    return {
        f"{over} / {under}": spread([x / y for x, y in zip(speeds[over], speeds[under], strict=True)])
        for over, under in RATIOS
    }


def _leading(examples: Examples, count: int) -> Examples:
    return Examples(
        rows=examples.rows[:count], columns={role: values[:count] for role, values in examples.columns.items()}
    )


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    setup, where = record["setup"], record["machine"]

    def shown(values: dict[str, float], digits: int) -> str:
        return f"{values['median']:.{digits}f} [{values['min']:.{digits}f}, {values['max']:.{digits}f}]"

    lines = [
        f"{Path(setup['model']).name}, at most {setup['limit']} rows per language from {Path(setup['data']).name}, "
        f"device {setup['device']}, rounds: {setup['rounds']}; examples/s, median [min, max]",
        "",
        f"| | {' | '.join(VARIANTS)} |",
        "|---|" + "---|" * len(VARIANTS),
    ]
    for name, found in record["kinds"].items():
        lines.append(f"| {name} | {' | '.join(shown(found['examples_per_second'][each], 1) for each in VARIANTS)} |")
    titles = [f"{over} / {under}" for over, under in RATIOS]
    for title, key in (("speed within a round", "ratios"), ("the same by processor time", "cpu_ratios")):
        lines += [
            "",
            f"| {title} | {' | '.join(titles)} | padded / real tokens |",
            "|---|" + "---|" * (len(titles) + 1),
        ]
        for name, found in record["kinds"].items():
            ratios = " | ".join(shown(found[key][each], 2) for each in titles)
            lines.append(f"| {name} | {ratios} | {found['padded_tokens'] / found['tokens']:.2f} |")
    others = [variant for variant in VARIANTS if variant != "plain fp32"]
    lines += [
        "",
        f"| predictions equal to plain fp32 | {' | '.join(others)} | metric of plain fp32, adaptx fp32, bf16 |",
    ]
    lines.append("|---|" + "---|" * (len(others) + 1))
    for name, found in record["kinds"].items():
        agreed = found["agreement"]
        shares = " | ".join(f"{100 * agreed[each]['equal']:.2f} % of {agreed[each]['decisions']}" for each in others)
        metrics = ", ".join(f"{agreed[each]['metric']:.4f}" for each in ("plain fp32", "adaptx fp32", "adaptx bf16"))
        lines.append(f"| {name} | {shares} | {found['metric_name']} {metrics} |")
    lines += ["", *(f"- {name}: {', '.join(found['sets'])}" for name, found in record["kinds"].items())]
    loads = [load for found in record["kinds"].values() for load in found["load"]]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    lines += [
        "",
        f"{where['cpu']}, {where['cores']} cores, {setup['threads']} torch threads, load {min(loads):.1f} to "
        f"{max(loads):.1f} before each measurement; Python {where['python']}, {versions}",
    ]
    return "\n".join(lines)


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure every kind, one after another."""
    model = (arguments.model or SAMPLE / "models" / "adaptx" / "e5-mini").expanduser().resolve()
    if not (model / "config.json").is_file():
        raise SystemExit(f"--model {model}: the folder has no config.json; give the folder of a checkpoint")
    steps, limit, rounds = (2, 2, 1) if arguments.smoke else (None, arguments.limit, arguments.rounds)
    resources = Resources(device=arguments.device)
    sources = Sources(arguments.data)
    identities = Identities(sources)
    kinds: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(arguments.store or folder)
        shop = Workshop(
            store=store,
            sources=sources,
            fingerprint_of=lambda train: identities.of(train).fingerprint,
            resources=resources,
            device=choose_device(resources),
        )
        for name in arguments.kinds or KINDS:
            bench = prepare(KINDS[name], str(model), steps, limit, shop, identities)
            kinds[name] = measure(name, bench, rounds)
    setup = {
        "model": str(model),
        "data": arguments.data,
        "limit": limit,
        "rounds": rounds,
        "device": str(shop.device),
        "threads": torch.get_num_threads(),
    }
    return {"setup": setup, "machine": machine(), "kinds": kinds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model folder (default: the packaged e5-mini)")
    parser.add_argument("--data", default="sample", help="a local mirror, or `sample` for the packaged rows (default)")
    parser.add_argument("--limit", type=int, default=64, help="rows per language (default 64)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all variants (default 3)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, help="only these (default: all)")
    parser.add_argument("--store", type=Path, help="keep the trained modules here for the next run")
    parser.add_argument("--out", type=Path, help="write all measurements to this file as JSON")
    parser.add_argument("--smoke", action="store_true", help="2 rows per language, 1 round: only checks that it runs")
    arguments = parser.parse_args()
    if min(arguments.limit, arguments.rounds) < 1:
        parser.error("--limit and --rounds are at least 1")
    try:
        record = compare(arguments)
    except UserError as error:
        raise SystemExit(str(error)) from error
    print(table(record))
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

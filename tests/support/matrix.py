"""All combinations of architecture, format, method and start, and a small subset of them that covers all pairs.

Run as a program (`PYTHONPATH=tests python -m support.matrix`), it writes docs/support.md.
"""

import functools
import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from adaptx.catalog import COPA, LAREQA, MNLI, NTREX_MLM, RTE, SIB200, SQUAD, UDPOS
from adaptx.catalog.reading import FRAMING
from adaptx.planning import support_methods
from adaptx.planning.support import refusal
from adaptx.specs import (
    Attention,
    Bottleneck,
    Evaluate,
    Full,
    Fuse,
    Gate,
    Ia3,
    Linear,
    Lora,
    Merge,
    Merged,
    Method,
    ModelFamily,
    ModelSpec,
    NoHead,
    Pretrained,
    Sequential,
    Shape,
    Stack,
    Start,
    Task,
    Train,
)
from adaptx.specs.architectures import ARCHITECTURES as KNOWN
from adaptx.specs.architectures import architecture_of
from adaptx.specs.architectures.architecture import Architecture
from support import checkpoints, tiny

PAGE = Path(__file__).parents[2] / "docs" / "support.md"
ALL = "ADAPTX_MATRIX"
"""Environment variable. If it is set, all combinations are tested, not just the subset (`make matrix`)."""
ARCHITECTURES = (*tiny.ARCHITECTURES, *checkpoints.KINDS)
WHOLE = (*tiny.ARCHITECTURES, "mt5", "llama", "bloom")
"""Architectures of each family, and one with fused linear maps, that are tested with every format and start."""
FULL, LORA, BOTTLENECK, IA3 = Full(), Lora(2, 4), Bottleneck(4), Ia3()
FORMATS: dict[str, Task] = {
    "classification": MNLI,
    "multiple choice": COPA,
    "tagging": UDPOS,
    "question answering": SQUAD,
    "retrieval": LAREQA,
    "masked language modelling": NTREX_MLM,
}
METHODS: dict[str, Method] = {"Full": FULL, "Lora": LORA, "Bottleneck": BOTTLENECK, "Ia3": IA3}
ANOTHER: dict[Method, Method] = {FULL: LORA, LORA: BOTTLENECK, BOTTLENECK: LORA, IA3: LORA}
STARTS = (
    "Pretrained",
    "Sequential",
    "Sequential after another method",
    "Stack",
    "Stack on another method",
    "Fuse by attention",
    "Fuse by a gate",
    "Merged",
)


@dataclass(frozen=True)
class Cell:
    """One combination, as names."""

    architecture: str
    format: str
    method: str
    start: str

    @property
    def pairs(self) -> set[tuple[tuple[str, str], ...]]:
        """Return the pairs of this combination that must be tested here.

        For most architectures, tests/test_families_pipeline.py tests the formats. Starts depend on nothing of an
        architecture except its sites, so they are tested on one architecture of each family.
        """
        found = set(itertools.combinations(vars(self).items(), 2))
        if self.architecture not in WHOLE:
            found.discard((("architecture", self.architecture), ("start", self.start)))
            if self.format != "masked language modelling":
                found.discard((("architecture", self.architecture), ("format", self.format)))
        return found

    def train(self, model: ModelSpec) -> Train:
        """Return a short training that starts from short intermediate ones."""
        task, method = short(self.format), METHODS[self.method]
        return training(model, task, method, self._start(model, method))

    def evaluate(self, model: ModelSpec) -> Evaluate:
        train = self.train(model)
        (task,) = train.tasks
        return Evaluate(train, task, task.evaluation[0].language)

    def _start(self, model: ModelSpec, method: Method) -> Start:
        match self.start:
            case "Sequential":
                return Sequential(earlier(model, method)[0])
            case "Sequential after another method":
                return Sequential(earlier(model, ANOTHER[method])[0])
            case "Stack":
                return Stack(earlier(model, method))
            case "Stack on another method":
                return Stack(earlier(model, ANOTHER[method]))
            case "Fuse by attention":
                return Fuse(earlier(model, method), Attention())
            case "Fuse by a gate":
                return Fuse(earlier(model, method), Gate())
            case "Merged":
                return Merged(Merge(earlier(model, method), Linear(), NoHead()))
            case _:
                return Pretrained()


@functools.cache
def earlier(model: ModelSpec, method: Method) -> tuple[Train, Train]:
    """Return the two intermediate trainings from which others start."""
    first, second = (training(model, few(task), method, Pretrained()) for task in (SIB200, RTE))
    return first, second


@functools.cache
def short(task_format: str) -> Task:
    """Return the task of a format, with few sets."""
    return few(FORMATS[task_format])


def training(model: ModelSpec, task: Task, method: Method, start: Start) -> Train:
    setting = tiny.config(max_steps=2, batch_size=4, max_length=32)
    return Train(model, task, method, setting, start, limit=40)


def few(task: Task) -> Task:
    """Return the task with one training set and one evaluation set."""
    from dataclasses import replace

    return replace(
        task,
        train=task.train[:1],
        development=(),
        evaluation=(task.evaluation or task.development or task.train)[:1],
        pool=task.pool[:1],
    )


def tasks() -> list[Task]:
    return [few(task) for task in (*FORMATS.values(), SIB200, RTE)]


def cells() -> list[Cell]:
    every = itertools.product(ARCHITECTURES, FORMATS, METHODS, STARTS)
    return [Cell(*names) for names in every]


def refused() -> dict[Cell, str]:
    """Return each refused combination with planning's reason, without the names of checkpoints."""
    return _refused(support_methods.has_package("adapters"))


@functools.cache
def _refused(has_adapters: bool) -> dict[Cell, str]:
    """Return what planning refuses with or without the adapters library."""
    assert has_adapters == support_methods.has_package("adapters")
    found: dict[Cell, str] = {}
    for cell in cells():
        train = cell.train(planned(cell.architecture))
        stages = (*train.inputs, train, cell.evaluate(train.model))
        if (reason := next((each for stage in stages if (each := refusal(stage))), None)) is not None:
            found[cell] = reason
    return found


def chosen() -> list[Cell]:
    """Return a few combinations that contain every possible pair of names: each one adds the most new pairs."""
    return _chosen(support_methods.has_package("adapters"))


@functools.cache
def _chosen(has_adapters: bool) -> list[Cell]:
    without = _refused(has_adapters)
    left = [cell for cell in cells() if cell not in without]
    missing = set().union(*(cell.pairs for cell in left))
    found: list[Cell] = []
    while missing:
        best = max(left, key=lambda cell: len(cell.pairs & missing))
        found.append(best)
        missing -= best.pairs
    return found


@functools.cache
def planned(architecture: str) -> ModelSpec:
    """Return a checkpoint of which planning knows only the architecture."""
    family = architecture_of(architecture).family
    shape = Shape(
        architecture, 2, 32, 64, 4, 100, 128, decoder_layers=2 if family is ModelFamily.ENCODER_DECODER else 0
    )
    framing = FRAMING[family]
    return ModelSpec(f"tiny/{architecture}", family, framing=framing, embedding=framing, shape=shape)


def tried() -> list[Cell]:
    if not os.environ.get(ALL):
        return chosen()
    without = refused()
    return [cell for cell in cells() if cell not in without]


def page() -> str:
    """Return the text of docs/support.md."""
    direct, without = set(chosen()), refused()
    reasons = list(dict.fromkeys(_plain(reason) for reason in without.values()))
    parts = [
        "# What can be combined",
        "",
        "Look up here whether a method, a start, a format and an architecture can be combined, and whether tests cover "
        "the combination. `PYTHONPATH=tests python -m support.matrix` writes this page from "
        "`adaptx/planning/support.py`.",
        "",
        "- `direct`: `make test` trains and evaluates the combination on tiny models.\n- `pairwise`: `make test` "
        "covers every two of its parts together (an architecture with each start only for "
        f"{', '.join(WHOLE)}), and `make matrix` the whole combination.\n- A number: the combination is refused when "
        "planning, for the reason below.",
        "",
    ]
    for method in METHODS:
        parts += [f"## {method}", "", f"| | {' | '.join(STARTS)} |", "|---" * (len(STARTS) + 1) + "|"]
        for name, architecture in itertools.product(FORMATS, ARCHITECTURES):
            row = [Cell(architecture, name, method, start) for start in STARTS]
            shown = [
                str(reasons.index(_plain(without[cell])) + 1)
                if cell in without
                else "direct"
                if cell in direct
                else "pairwise"
                for cell in row
            ]
            parts.append(f"| {name}, {architecture} | {' | '.join(shown)} |")
        parts.append("")
    parts += ["## Reasons for refusals", ""]
    parts += [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    parts += ["", "## Architectures", "", "| `model_type` | family | |", "|---|---|---|"]
    for model_type, known in KNOWN.items():
        parts.append(f"| {model_type} | {known.family.value} | {'; '.join(_said(known))} |")
    return "\n".join(parts) + "\n"


def _said(known: Architecture) -> Iterable[str]:
    yield "read in packed rows" if known.padded is None else f"read in padded rows: it {known.padded}"
    yield "in the tables above" if known.model_type in ARCHITECTURES else "only the memory of its layers is tested"
    shape = planned(known.model_type).shape
    assert shape is not None
    if (reason := BOTTLENECK.shape_refusal(shape)) is not None:
        yield reason


def _plain(reason: str) -> str:
    """Return a reason without the stage names at its beginning."""
    return reason.rpartition(": ")[2] if ": " in reason else reason


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

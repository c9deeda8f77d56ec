"""Mixtures: several tasks trained together, and how often each is drawn."""

from collections.abc import Sequence
from dataclasses import field
from typing import Annotated

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.fingerprint import OUTSIDE
from adaptx.specs.hashing import keep_hash
from adaptx.specs.names import check_file_name
from adaptx.specs.ranges import Count, NotEmpty, Positive
from adaptx.specs.task import Rows, Task


@spec
class Proportional:
    """In proportion to training rows, of which at most `most` count (Raffel et al. 2020, section 3.5.2)."""

    most: Count | None = None


@spec
class Uniform:
    """Every task as often as every other."""


@spec
class Temperature:
    """In proportion to rows to the power 1 / `temperature` (Arivazhagan et al. 2019, arXiv:1907.05019, section 4.2)."""

    temperature: Positive


@spec
class Weighted:
    """In proportion to given weights, one a task, in the tasks' order."""

    weights: Annotated[tuple[Positive, ...], NotEmpty()]


Sampling = Proportional | Uniform | Temperature | Weighted


def task_shares(sizes: Sequence[int], sampling: Sampling) -> list[float]:
    """Probability that an example is of each task."""
    match sampling:
        case Uniform():
            raw = [1.0] * len(sizes)
        case Proportional(most=most):
            raw = [float(min(size, most or size)) for size in sizes]
        case Temperature(temperature=temperature):
            # Relative to the largest, so that no power overflows.
            raw = [(size / max(sizes)) ** (1 / temperature) for size in sizes]
        case Weighted(weights=weights):
            raw = list(weights)
    total = sum(raw)
    return [value / total for value in raw]


def epoch_items(sizes: Sequence[int], sampling: Sampling | None) -> int:
    """Items of an epoch: all that the tasks have together, each up to the sampling's cap."""
    most = sampling.most if isinstance(sampling, Proportional) else None
    return sum(min(size, most or size) for size in sizes)


@keep_hash
@spec
class Mixture:
    """Several tasks trained together.

    Each example of a batch is of a task drawn by `sampling`; the loss is the mean over the batch's examples, each
    task's part being the mean over its own loss units (`adaptx.formats` states them) times its share of the examples.
    Each task has a head of its own; with `shared_heads`, those whose formats are equal share one.
    """

    tasks: tuple[Task, ...]
    sampling: Sampling = Proportional()
    shared_heads: bool = False
    label: str = field(default="", metadata=OUTSIDE)

    def __post_init__(self) -> None:
        if self.label:
            check_file_name("Mixture(label)", self.label)
        names = [task.name for task in self.tasks]
        if len(self.tasks) < 2 or len(set(names)) != len(names):
            raise UserError(f"Mixture({', '.join(names)}): name at least two tasks, each once")
        if isinstance(self.sampling, Weighted) and len(self.sampling.weights) != len(names):
            raise UserError(f"{self.sampling}: the mixture has {len(names)} tasks ({', '.join(names)})")

    @property
    def name(self) -> str:
        return self.label or "_".join(task.name for task in self.tasks)

    @property
    def train(self) -> tuple[Rows, ...]:
        return tuple(rows for task in self.tasks for rows in task.train)

    @property
    def development(self) -> tuple[Rows, ...]:
        return tuple(rows for task in self.tasks for rows in task.development)

    @property
    def source_languages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rows.language for rows in self.train))

    @property
    def reads_passages(self) -> bool:
        """Whether one of the tasks comes with passages."""
        return any(task.reads_passages for task in self.tasks)

    def head_place(self, task: Task) -> int:
        """The place of the member whose head a member uses: its own, or the first that shares it."""
        if self.shared_heads:
            return next(place for place, other in enumerate(self.tasks) if other.format == task.format)
        return self.tasks.index(task)

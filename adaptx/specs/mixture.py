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
    """Tasks drawn in proportion to their numbers of training rows (Raffel et al. 2020, section 3.5.2).

    A task with more than `most` rows counts as having `most` rows. None sets no limit.
    """

    most: Count | None = None


@spec
class Uniform:
    """Tasks drawn with equal probability."""


@spec
class Temperature:
    """Tasks drawn in proportion to their numbers of training rows, raised to the power 1 / `temperature`.

    A temperature of 1 is `Proportional`. Higher temperatures draw small tasks more often (Arivazhagan et al. 2019,
    arXiv:1907.05019, section 4.2).
    """

    temperature: Positive


@spec
class Weighted:
    """Tasks drawn in proportion to the given weights, one per task in the order of the tasks."""

    weights: Annotated[tuple[Positive, ...], NotEmpty()]


Sampling = Proportional | Uniform | Temperature | Weighted


def task_shares(sizes: Sequence[int], sampling: Sampling) -> list[float]:
    """Return each task's probability of being drawn. `sizes` are the tasks' numbers of training rows."""
    match sampling:
        case Uniform():
            raw = [1.0] * len(sizes)
        case Proportional(most=most):
            raw = [float(min(size, most or size)) for size in sizes]
        case Temperature(temperature=temperature):
            # Sizes are divided by the largest one, so that no power overflows.
            raw = [(size / max(sizes)) ** (1 / temperature) for size in sizes]
        case Weighted(weights=weights):
            raw = list(weights)
    total = sum(raw)
    return [value / total for value in raw]


def epoch_items(sizes: Sequence[int], sampling: Sampling | None) -> int:
    """Return the number of items in an epoch: the sum of `sizes`, each at most `Proportional.most`."""
    most = sampling.most if isinstance(sampling, Proportional) else None
    return sum(min(size, most or size) for size in sizes)


@keep_hash
@spec
class Mixture:
    """Several tasks trained together, with one head per task.

    For each example of a batch, `sampling` draws the task. The loss of a batch is the weighted mean of its tasks'
    losses, with each task's share of the examples as its weight.

    Attributes:
        tasks: two or more tasks with distinct names.
        sampling: how often each task is drawn.
        shared_heads: whether tasks whose formats are equal share one head.
        label: name of the mixture in tables and folder names; empty joins the tasks' names.
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
            raise UserError(
                f"{self.sampling}: the mixture has {len(names)} tasks ({', '.join(names)}); give one weight per task"
            )

    @property
    def name(self) -> str:
        """The label, or the names of the tasks joined by `_`."""
        return self.label or "_".join(task.name for task in self.tasks)

    @property
    def train(self) -> tuple[Rows, ...]:
        """The training rows of all tasks, in their order."""
        return tuple(rows for task in self.tasks for rows in task.train)

    @property
    def development(self) -> tuple[Rows, ...]:
        """The development rows of all tasks, in their order."""
        return tuple(rows for task in self.tasks for rows in task.development)

    @property
    def source_languages(self) -> tuple[str, ...]:
        """The languages of the training rows, each once, in the order of the rows."""
        return tuple(dict.fromkeys(rows.language for rows in self.train))

    @property
    def reads_passages(self) -> bool:
        """Return whether the training rows of some task contain passages."""
        return any(task.reads_passages for task in self.tasks)

    def head_place(self, task: Task) -> int:
        """Return the index in `tasks` of the task whose head `task` uses.

        If heads are shared, it is the first task with an equal format. Otherwise it is `task` itself.
        """
        if self.shared_heads:
            return next(place for place, other in enumerate(self.tasks) if other.format == task.format)
        return self.tasks.index(task)

"""Stages and recipes. A stage is a frozen value that holds its inputs, so equal work is one node of the plan."""

from dataclasses import dataclass, field
from typing import cast

from adaptx.specs.fingerprint import OUTSIDE
from adaptx.specs.hashing import keep_hash
from adaptx.specs.merge import KeptHeadOf, MergedHead, MergeRule, given_weights
from adaptx.specs.merged_method import merged_method
from adaptx.specs.method import Method
from adaptx.specs.mixing import Attention, MixingRule
from adaptx.specs.mixture import Mixture
from adaptx.specs.model import ModelSpec
from adaptx.specs.names import check_file_name
from adaptx.specs.published import Published
from adaptx.specs.published_score import PublishedScore
from adaptx.specs.suite import Suite
from adaptx.specs.task import Task
from adaptx.specs.text import Framing
from adaptx.specs.training import Precision, TrainConfig, precision_refusal


@dataclass(frozen=True)
class Pretrained:
    """Begin from the bare pretrained checkpoint: the baseline."""


@dataclass(frozen=True)
class Sequential:
    """Continue what another training left (STILTs; Phang et al. 2018, arXiv:1811.01088).

    The module itself is trained on when method, sites and shapes agree; otherwise it is frozen into the base and
    a new module is trained over it.
    """

    stage: "Train | Published"


@dataclass(frozen=True)
class Stack:
    """Train a new module over frozen ones (Pfeiffer et al. 2020, arXiv:2005.00052); the first lies lowest."""

    stages: tuple["Train | Published", ...]

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("Stack(stages=()): name at least one training whose module is stacked")


@dataclass(frozen=True)
class Fuse:
    """Learn to mix frozen modules: AdapterFusion (Pfeiffer et al. 2021, arXiv:2005.00247), over LoRA modules too.

    Only the mixing layers and the head train. The modules are all of the new training's method, which adds none.
    """

    stages: tuple["Train | Published", ...]
    mixing: MixingRule = field(default_factory=Attention)

    def __post_init__(self) -> None:
        if len(self.stages) < 2:
            raise ValueError(f"Fuse needs at least two trainings to mix, got {len(self.stages)}")


@dataclass(frozen=True)
class Merged:
    """Continue a merged module, as Sequential continues a trained one."""

    stage: "Merge"


Start = Pretrained | Sequential | Stack | Fuse | Merged


@dataclass(frozen=True)
class NewHead:
    """A freshly initialised head."""


@dataclass(frozen=True)
class KeptHead:
    """Continue the head of the start's training; the label sets must agree (ids are mapped by name)."""


@keep_hash
@dataclass(frozen=True)
class Train:
    """Train `method` on a task or a mixture.

    limit: maximum number of training rows per task. The rows are drawn at random, in the proportions of the labels of
    all rows, and rows that share a premise or a context come together. Several sets give rows in proportion to size.
    limit_seed: the seed of that draw. None is the training's own seed, so that every seed trains on other rows; give
    one number for all to train them on the same rows.
    framing: how the checkpoint meets the task; for a mixture one for all tasks, or one per task in their order.
    """

    model: ModelSpec
    task: Task | Mixture
    method: Method
    config: TrainConfig
    start: Start = Pretrained()
    head: NewHead | KeptHead = NewHead()
    framing: Framing | tuple[Framing, ...] | None = None
    limit: int | None = None
    limit_seed: int | None = None
    keep: bool = field(default=False, metadata=OUTSIDE)

    def __post_init__(self) -> None:
        _check_limit(self.limit)
        if self.limit_seed is not None and self.limit_seed < 0:
            raise ValueError(f"Train(limit_seed={self.limit_seed}): a seed is at least 0, or None for the training's")
        if isinstance(self.framing, tuple) and len(self.framing) != len(self.tasks):
            raise ValueError(f"Train(framing=...) of {self.task.name}: {len(self.framing)} framings for "
                             f"{len(self.tasks)} tasks; give one for all, or one each")  # fmt: skip

    def framing_of(self, task: Task) -> Framing | None:
        """What is given for a task; None leaves it to the checkpoint."""
        if isinstance(self.framing, tuple):
            return self.framing[self.tasks.index(task)] if task in self.tasks else None
        return self.framing

    @property
    def draw_seed(self) -> int:
        """The seed by which rows are drawn where there is a limit."""
        return self.config.seed if self.limit_seed is None else self.limit_seed

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The task, or the mixture's tasks."""
        return self.task.tasks if isinstance(self.task, Mixture) else (self.task,)

    @property
    def taken(self) -> "tuple[ModuleSource, ...]":
        """What the start takes modules from."""
        match self.start:
            case Pretrained():
                return ()
            case Sequential(stage) | Merged(stage):
                return (stage,)
            case Stack(stages) | Fuse(stages):
                return stages

    @property
    def inputs(self) -> "tuple[ModuleStage, ...]":
        """Those of them that are stages."""
        return tuple(stage for stage in self.taken if not isinstance(stage, Published))


@keep_hash
@dataclass(frozen=True)
class Merge:
    """Combine the modules of several trainings of one checkpoint into one module.

    keep: as a training's.
    """

    stages: tuple[Train, ...]
    rule: MergeRule
    head: MergedHead
    keep: bool = field(default=False, metadata=OUTSIDE)

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("Merge(stages=()): name at least one training whose module is merged")
        elsewhere = next((each for each in cast(tuple[object, ...], self.stages) if isinstance(each, Published)), None)
        if elsewhere is not None:
            raise ValueError(
                f"Merge: {elsewhere.name} was trained elsewhere, without a record of how it reads texts, and a merge "
                f"takes trainings; continue it with Train(start=Sequential({elsewhere.name})) and merge that"
            )
        count = len(self.stages)
        weights = given_weights(self.rule)
        if weights is not None and len(weights) != count:
            raise ValueError(f"Merge: {len(weights)} weights {weights} for {count} trainings; give one each")
        if isinstance(self.head, KeptHeadOf) and not 0 <= self.head.place < count:
            raise ValueError(f"Merge: {self.head} of {count} trainings; places count from 0")

    @property
    def model(self) -> ModelSpec:
        return self.stages[0].model

    @property
    def method(self) -> Method:
        """The method that the merged module is one of."""
        return merged_method(tuple(stage.method for stage in self.stages), self.rule)

    @property
    def inputs(self) -> tuple[Train, ...]:
        return self.stages


ModuleStage = Train | Merge
"""Stages that leave a module."""
ModuleSource = ModuleStage | Published
"""What a module is taken from."""


@keep_hash
@dataclass(frozen=True)
class Evaluate:
    """Score one model on one task in one language.

    limit: maximum number of rows. They are drawn by one fixed seed for all models, as training rows are; sets whose
    rows translate one another (`Rows.parallel_group`) give the same rows in every language.

    precision None is the training's, fp32 for a bare checkpoint. framing None is the training's where its head is
    used or it was trained as text, else the checkpoint's way of embedding sentences. `Text` needs no head: any model of
    these families can be asked so, a bare checkpoint too.
    """

    model: ModelSpec | Train | Merge
    task: Task
    language: str
    precision: Precision | None = None
    framing: Framing | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        _check_limit(self.limit)
        if self.precision is not None and (reason := precision_refusal(self.precision)):
            raise ValueError(f"Evaluate(precision={self.precision!r}): {reason}")
        self.task.rows_in(self.language)

    @property
    def inputs(self) -> tuple[ModuleStage, ...]:
        return (self.model,) if isinstance(self.model, ModuleStage) else ()

    @property
    def checkpoint(self) -> ModelSpec:
        """The pretrained checkpoint below all."""
        return self.model if isinstance(self.model, ModelSpec) else self.model.model


Stage = Train | Merge | Evaluate


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit}: a row limit is at least 1, or None for all rows")


@dataclass(frozen=True)
class Recipe:
    """The evaluations that answer one question, under one name (also the MLflow experiment's).

    suites: benchmarks whose table the report prints from these evaluations. published: scores of others that it sets
    beside them. question: what is asked, in a sentence; the report puts its answer below it.
    """

    name: str
    evaluations: tuple[Evaluate, ...]
    title: str = ""
    notes: tuple[str, ...] = ()
    suites: tuple[Suite, ...] = ()
    published: tuple[PublishedScore, ...] = ()
    question: str = ""

    def __post_init__(self) -> None:
        check_file_name("Recipe(name)", self.name)
        if not self.evaluations:
            raise ValueError(f"recipe {self.name!r} holds no evaluations: its build() must return at least one")

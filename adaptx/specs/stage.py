"""Stages and recipes. A stage is a frozen value that holds its inputs, so equal work is one node of the plan."""

from dataclasses import KW_ONLY, field
from typing import Annotated

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.fingerprint import OUTSIDE
from adaptx.specs.hashing import keep_hash
from adaptx.specs.kind import shown
from adaptx.specs.merge import KeptHeadOf, MergedHead, MergeRule
from adaptx.specs.methods import Method
from adaptx.specs.mixing import Attention, MixingRule
from adaptx.specs.mixture import Mixture
from adaptx.specs.model import ModelSpec
from adaptx.specs.names import check_file_name
from adaptx.specs.published import Published
from adaptx.specs.published_score import PublishedScore
from adaptx.specs.ranges import Count, Known, Seed
from adaptx.specs.suite import Suite
from adaptx.specs.task import Task
from adaptx.specs.text import Framing
from adaptx.specs.training import Precision, TrainConfig

_MERGED = {"Merge": "a merged module is continued alone, by Merged(merge)"}
_TRAINED: dict[str, str] = dict.fromkeys(("Train", "Published"), "what was trained is continued by Sequential(...)")


@spec
class Pretrained:
    """Begin from the bare pretrained checkpoint: the baseline."""


@spec
class Sequential:
    """Continue what another training left (STILTs; Phang et al. 2018, arXiv:1811.01088).

    The module itself is trained on when method, sites and shapes agree; otherwise it is frozen into the base and
    a new module is trained over it.
    """

    stage: "Annotated[Train | Published, Known(_MERGED)]"


@spec
class Stack:
    """Train a new module over frozen ones (Pfeiffer et al. 2020, arXiv:2005.00052); the first lies lowest."""

    stages: tuple["Annotated[Train | Published, Known(_MERGED)]", ...]

    def __post_init__(self) -> None:
        if not self.stages:
            raise UserError("Stack(stages=()): name at least one training whose module is stacked")
        _check_distinct("Stack", self.stages)


@spec
class Fuse:
    """Learn to mix frozen modules: AdapterFusion (Pfeiffer et al. 2021, arXiv:2005.00247), over LoRA modules too.

    Only the mixing layers and the head train. The modules are all of the new training's method, which adds none.
    """

    stages: tuple["Annotated[Train | Published, Known(_MERGED)]", ...]
    mixing: MixingRule = field(default_factory=Attention)

    def __post_init__(self) -> None:
        if len(self.stages) < 2:
            raise UserError(
                f"Fuse(stages={shown(self.stages)}): it mixes at least two modules, there are {len(self.stages)}; "
                "name another, or continue the one with Sequential(...)"
            )
        _check_distinct("Fuse", self.stages)


def _check_distinct(name: str, stages: "tuple[Train | Published, ...]") -> None:
    """Refuse a module that is named twice, which is a slip: nothing is to mix in a module and itself."""
    for place, stage in enumerate(stages):
        if stage in stages[:place]:
            first = stages.index(stage)
            what = stage.name if isinstance(stage, Published) else f"the training on {stage.task.name}"
            raise UserError(
                f"{name}(stages={shown(stages)}): stages[{first}] and stages[{place}] are the same, {what}; "
                "name each module once (trainings differ by seed, task or method)"
            )


@spec
class Merged:
    """Continue a merged module, as Sequential continues a trained one."""

    stage: "Annotated[Merge, Known(_TRAINED)]"


Start = Pretrained | Sequential | Stack | Fuse | Merged


@spec
class NewHead:
    """A freshly initialised head."""


@spec
class KeptHead:
    """Continue the head of the start's training; the label sets must agree (ids are mapped by name)."""


@keep_hash
@spec
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
    _: KW_ONLY
    head: NewHead | KeptHead = NewHead()
    framing: Framing | tuple[Framing, ...] | None = None
    limit: Count | None = None
    limit_seed: Seed | None = None
    keep: bool = field(default=False, metadata=OUTSIDE)

    def __post_init__(self) -> None:
        if isinstance(self.framing, tuple) and len(self.framing) != len(self.tasks):
            raise UserError(f"Train(framing=...) of {self.task.name}: {len(self.framing)} framings for "
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
    def module_sources(self) -> "tuple[ModuleSource, ...]":
        """The trainings, merges and published modules that the start takes modules from."""
        match self.start:
            case Pretrained():
                return ()
            case Sequential(stage) | Merged(stage):
                return (stage,)
            case Stack(stages) | Fuse(stages):
                return stages

    @property
    def inputs(self) -> "tuple[ModuleStage, ...]":
        """The module sources that are stages of the plan."""
        return tuple(stage for stage in self.module_sources if not isinstance(stage, Published))


_NO_MERGE = {
    "Merge": "merge the trainings behind it in one Merge",
    "Published": "it was trained elsewhere, without a record of how it reads texts, and a merge takes trainings; "
    "continue it with Train(start=Sequential(...)) and merge that",
}
_NO_ANSWERS = {"Published": "it was trained elsewhere and is a start; train from it: Train(start=Sequential(...))"}
_ONE_TASK = {"Mixture": "a mixture is measured task by task; write one Evaluate for each of its tasks"}
_MEASURE: dict[str, str] = dict.fromkeys(
    ("Train", "Merge"),
    "a recipe lists what is measured; write Evaluate(stage, task, language), and the stage is trained first",
)


@keep_hash
@spec
class Merge:
    """Combine the modules of several trainings of one checkpoint into one module.

    keep: as a training's.
    """

    stages: tuple[Annotated[Train, Known(_NO_MERGE)], ...]
    rule: MergeRule
    head: MergedHead
    keep: bool = field(default=False, metadata=OUTSIDE)

    def __post_init__(self) -> None:
        if not self.stages:
            raise UserError("Merge(stages=()): name at least one training whose module is merged")
        count = len(self.stages)
        weights = self.rule.given_weights
        if weights is not None and len(weights) != count:
            raise UserError(f"Merge: {len(weights)} weights {weights} for {count} trainings; give one each")
        if isinstance(self.head, KeptHeadOf) and not 0 <= self.head.place < count:
            raise UserError(f"Merge: {self.head} of {count} trainings; places count from 0")

    @property
    def model(self) -> ModelSpec:
        return self.stages[0].model

    @property
    def method(self) -> Method:
        """The method that the merged module is one of."""
        first, *others = (stage.method for stage in self.stages)
        return first.merged(others, self.rule)

    @property
    def inputs(self) -> tuple[Train, ...]:
        return self.stages


ModuleStage = Train | Merge
"""Stages that leave a module."""
ModuleSource = ModuleStage | Published
"""What a module is taken from."""


@keep_hash
@spec
class Evaluate:
    """Score one model on one task in one language.

    limit: maximum number of rows. They are drawn by one fixed seed for all models, as training rows are; sets whose
    rows translate one another (`Rows.parallel_group`) give the same rows in every language.

    precision None is the training's, fp32 for a bare checkpoint. framing None is the training's where its head is
    used or it was trained as text, else the checkpoint's way of embedding sentences. `Text` needs no head: any model of
    these families can be asked so, a bare checkpoint too.
    """

    model: Annotated[ModelSpec | Train | Merge, Known(_NO_ANSWERS)]
    task: Annotated[Task, Known(_ONE_TASK)]
    language: str
    _: KW_ONLY
    precision: Precision | None = None
    framing: Framing | None = None
    limit: Count | None = None

    def __post_init__(self) -> None:
        self.task.rows_in(self.language)

    @property
    def inputs(self) -> tuple[ModuleStage, ...]:
        return (self.model,) if isinstance(self.model, ModuleStage) else ()

    @property
    def checkpoint(self) -> ModelSpec:
        """The pretrained checkpoint below all."""
        return self.model if isinstance(self.model, ModelSpec) else self.model.model


Stage = Train | Merge | Evaluate


@spec
class Recipe:
    """The evaluations that answer one question, under one name (also the MLflow experiment's).

    suites: benchmarks whose table the report prints from these evaluations. published: scores of others that it sets
    beside them. question: what is asked, in a sentence; the report puts its answer below it.
    """

    name: str
    evaluations: tuple[Annotated[Evaluate, Known(_MEASURE)], ...]
    _: KW_ONLY
    title: str = ""
    notes: tuple[str, ...] = ()
    suites: tuple[Suite, ...] = ()
    published: tuple[PublishedScore, ...] = ()
    question: str = ""

    def __post_init__(self) -> None:
        check_file_name("Recipe(name)", self.name)
        if not self.evaluations:
            raise UserError(
                f"Recipe(evaluations=()): recipe {self.name!r} holds no evaluations; give at least one "
                "Evaluate(model, task, language)"
            )

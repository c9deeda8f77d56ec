"""Stages: the trainings, merges and evaluations of a recipe.

A stage is a frozen value that contains its input stages. Equal stages are one node of a plan: an intermediate training
that many target trainings start from runs once.
"""

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
from adaptx.specs.published import Published
from adaptx.specs.ranges import Count, Known, Seed
from adaptx.specs.task import Task
from adaptx.specs.text import Framing
from adaptx.specs.training import Precision, TrainConfig

_MERGED = {"Merge": "a merged module is continued by Merged(merge), and cannot be stacked or fused"}
_TRAINED: dict[str, str] = dict.fromkeys(("Train", "Published"), "a trained module is continued by Sequential(...)")


@spec
class Pretrained:
    """The bare pretrained checkpoint as a start. Trainings that begin here are the baselines."""


@spec
class Sequential:
    """The module of another training as a start (STILTs; Phang et al. 2018, arXiv:1811.01088).

    If method, sites and shapes agree, this module is trained further. Otherwise it is frozen into the backbone, and a
    new module is trained on top.
    """

    stage: "Annotated[Train | Published, Known(_MERGED)]"


@spec
class Stack:
    """A new module on top of frozen ones (Pfeiffer et al. 2020, arXiv:2005.00052).

    The module of the first stage lies on the backbone, and each other module on the one before.
    """

    stages: tuple["Annotated[Train | Published, Known(_MERGED)]", ...]

    def __post_init__(self) -> None:
        if not self.stages:
            raise UserError("Stack(stages=()): name at least one training whose module is stacked")
        _check_distinct("Stack", self.stages)


@spec
class Fuse:
    """A learned mixture of frozen modules: AdapterFusion (Pfeiffer et al. 2021, arXiv:2005.00247).

    Adapters and LoRA modules can be mixed, if all have the same method. The training has this method too, but adds no
    module: only the mixing layers and the head are trained.
    """

    stages: tuple["Annotated[Train | Published, Known(_MERGED)]", ...]
    mixing: MixingRule = field(default_factory=Attention)

    def __post_init__(self) -> None:
        if len(self.stages) < 2:
            raise UserError(
                f"Fuse(stages={shown(self.stages)}): at least two modules are mixed, and there are {len(self.stages)}; "
                "name another, or continue a single module with Sequential(...)"
            )
        _check_distinct("Fuse", self.stages)


def _check_distinct(name: str, stages: "tuple[Train | Published, ...]") -> None:
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
    """A merged module as a start. It is trained further or frozen, by the rules of `Sequential`."""

    stage: "Annotated[Merge, Known(_TRAINED)]"


Start = Pretrained | Sequential | Stack | Fuse | Merged


@spec
class NewHead:
    """A freshly initialised head."""


@spec
class KeptHead:
    """The head of the training that the start names, trained further.

    The tasks of both trainings must have the same label names, in any order.
    """


@keep_hash
@spec
class Train:
    """The training of one method on a task or a mixture of tasks.

    Attributes:
        model: the checkpoint that is trained.
        method: which parameters are trained.
        config: hyper-parameters and seed.
        start: what the training begins from.
        head: a new head, or the one of the training that `start` names.
        framing: how the checkpoint reads the task. A mixture takes one framing for all tasks, or a tuple with one per
            task. None leaves the choice to the checkpoint.
        limit: maximum number of training rows per task; None reads all. The drawn rows have the label proportions of
            the whole set. Rows that share a premise or a context are drawn together. If the task has several sets of
            rows, each contributes in proportion to its size.
        limit_seed: seed with which `limit` draws rows. None is the training's seed, so each seed trains on other rows.
            A number gives all seeds the same rows.
        keep: whether a full fine-tuned model's weights stay in the store after its scores are stored. It does not
            change the fingerprint.
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
            raise UserError(f"Train(framing=...) of {self.task.name}: there are {len(self.framing)} framings for "
                             f"{len(self.tasks)} tasks; give one framing for all tasks, or one per task")  # fmt: skip

    def framing_of(self, task: Task) -> Framing | None:
        """Return the framing (`Hidden` or `Text`) given for a task; None leaves the choice to the checkpoint."""
        if isinstance(self.framing, tuple):
            return self.framing[self.tasks.index(task)] if task in self.tasks else None
        return self.framing

    @property
    def draw_seed(self) -> int:
        """The seed that draws the rows when there is a `limit`."""
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
        """The trainings and merges among `module_sources`. Published modules are not stages."""
        return tuple(stage for stage in self.module_sources if not isinstance(stage, Published))


_NO_MERGE = {
    "Merge": "merge the trainings behind it in one Merge",
    "Published": "it was trained outside adaptx, with no record of how it reads texts, and only trainings are merged; "
    "continue it with Train(start=Sequential(...)) and merge that training",
}
_NO_ANSWERS = {
    "Published": "it was trained outside adaptx and can only be a start; train from it: Train(start=Sequential(...))"
}
_ONE_TASK = {"Mixture": "a mixture is scored task by task; write one Evaluate for each of its tasks"}


@keep_hash
@spec
class Merge:
    """The combination of several trainings' modules into one module.

    Attributes:
        stages: the trainings. All of them train the same checkpoint.
        rule: how their updates are combined.
        head: which head the merged module has.
        keep: as in `Train`.
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
            raise UserError(f"Merge: {len(weights)} weights {weights} for {count} trainings; give one per training")
        if isinstance(self.head, KeptHeadOf) and not 0 <= self.head.place < count:
            raise UserError(
                f"Merge: {self.head} names no training; give an index that is at least 0 and less than the number of "
                f"trainings, {count}"
            )

    @property
    def model(self) -> ModelSpec:
        """The checkpoint that all merged trainings have in common."""
        return self.stages[0].model

    @property
    def method(self) -> Method:
        """The method of the merged module. Its rank may differ from the trainings' ranks."""
        first, *others = (stage.method for stage in self.stages)
        return first.merged(others, self.rule)

    @property
    def inputs(self) -> tuple[Train, ...]:
        return self.stages


ModuleStage = Train | Merge
"""Stages whose result is a module."""
ModuleSource = ModuleStage | Published
"""Anything that a start can take a module from."""


@keep_hash
@spec
class Evaluate:
    """The scores of one model on one task in one language.

    Attributes:
        model: a bare checkpoint, a training or a merge.
        precision: None is the training's precision, or fp32 for a bare checkpoint.
        framing: how the model reads the rows. None is the training's framing if that is a `Text` or if the training's
            head is used, and otherwise the checkpoint's `embedding`. A `Text` framing needs no head, so a bare
            checkpoint can have one too.
        limit: maximum number of rows; None reads all. All models are scored on the same rows, and so are all languages
            if their rows translate one another (`Rows.parallel_group`).
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
        """The training or merge that is scored; empty for a bare checkpoint."""
        return (self.model,) if isinstance(self.model, ModuleStage) else ()

    @property
    def checkpoint(self) -> ModelSpec:
        """The pretrained checkpoint that the model was trained from, or the model itself if it is a bare checkpoint."""
        return self.model if isinstance(self.model, ModelSpec) else self.model.model


Stage = Train | Merge | Evaluate

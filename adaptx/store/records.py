"""What each stage leaves in the store next to its tensors: a record per JSON file, and per line of `steps.jsonl`.

`adaptx.store.record_json` writes and reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adaptx.files.left_out import LeftOut
from adaptx.specs import MergeRule, Method, TaskFormat

STAGE_FILE = "stage.json"
RESULT_FILE = "result.json"
"""A `TrainResult` or a `MergeResult`."""
SCORES_FILE = "scores.json"
MODULE_HEADER_FILE = "module.json"
HEADS_HEADER_FILE = "head.json"
STEPS_FILE = "steps.jsonl"

_SHORTEST_SECONDS = 1e-9


@dataclass(frozen=True)
class StoredFile:
    """A file of a stage as it was when the stage was stored."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """The stage that a folder of the store holds.

    fingerprint, nominal: of its identity, with its inputs' digests and with their names alone. inputs: fingerprints of
    the stages that it was made from. identity: all that its fingerprint covers, as JSON. spec: the stage as JSON
    (`adaptx.specs.plain`). files: by path from the folder; an evaluation's golds lie outside it.
    """

    name: str
    kind: str
    fingerprint: str
    nominal: str
    inputs: tuple[str, ...]
    identity: Any
    spec: Any
    files: Mapping[str, StoredFile] = field(default_factory=dict[str, StoredFile])


@dataclass(frozen=True)
class Environment:
    """The device and software that a stage ran on. threads: of torch. versions: of each package that takes part."""

    device: str
    threads: int
    versions: Mapping[str, str]


@dataclass(frozen=True)
class ModuleHeader:
    """What the tensors of a module are. version: of their form.

    kind: `module` of the method, or the `fusion` layers over modules. base: digest of the checkpoint's weights.
    """

    version: int
    kind: str
    method: Method
    base: str


@dataclass(frozen=True)
class HeadsHeader:
    """The format of each head of a stage, by the head's name. version: of the tensors' form."""

    version: int
    heads: Mapping[str, TaskFormat]


@dataclass(frozen=True)
class TrainingStep:
    """One optimiser step, counted from 1. loss: the mean over its batch. seconds: since the training began."""

    step: int
    loss: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class DevelopmentScore:
    """The score on development rows after a step, a share in [0, 1]."""

    step: int
    score: float


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """How a training went.

    planned_steps: more than `steps` where patience ended the training. selected_step: the step whose weights are kept.
    selected_on: the rows that selected it; None where the last step is kept. examples: drawn over all steps. tokens:
    read over all steps, padding left out. rows_expected: as many as the data set is published with. items_by_task:
    examples that rows became, to be drawn from. peak_memory_bytes: above the level before the model was loaded.
    predicted_memory_bytes, energy_joules: None where nothing was predicted or measured.
    """

    seconds: float
    steps: int
    planned_steps: int
    selected_step: int
    selected_on: str | None
    development: tuple[DevelopmentScore, ...]
    examples: int
    tokens: int
    trainable_parameters: int
    head_parameters: int
    rows_used: int
    rows_expected: int | None
    rows_by_task: Mapping[str, int]
    items_by_task: Mapping[str, int]
    left_out: tuple[LeftOut, ...]
    peak_memory_bytes: int
    memory_measure: str
    environment: Environment
    predicted_memory_bytes: int | None = None
    energy_joules: float | None = None
    energy_measure: str | None = None

    @property
    def examples_per_second(self) -> float:
        return self.examples / max(self.seconds, _SHORTEST_SECONDS)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / max(self.seconds, _SHORTEST_SECONDS)


@dataclass(frozen=True)
class SearchStep:
    """Weights that a search tried, one per merged module, and the score of their merge on development rows."""

    weights: tuple[float, ...]
    score: float


@dataclass(frozen=True, kw_only=True)
class MergeResult:
    """How a merge went.

    rule: as carried out; after a search, the weights that were found. merged: names of the modules. weights: one per
    module, if the rule gives each module one. searched_on, search: the rows that scored a search, and each of its
    steps; None without a search. kept_of_squared_norm: the share that LoRA updates kept when they were cut to a rank.
    """

    seconds: float
    rule: MergeRule
    merged: tuple[str, ...]
    weights: tuple[float, ...] | None
    searched_on: str | None
    search: tuple[SearchStep, ...] | None
    kept_of_squared_norm: float | None
    parameters: int
    head_parameters: int
    peak_memory_bytes: int
    memory_measure: str
    environment: Environment


@dataclass(frozen=True)
class OneClass:
    """The class that all golds, or all predictions, of a set are of; None where there are several."""

    golds: str | None
    predictions: str | None


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One model's predictions for one task in one language, and how good they are.

    metrics: shares in [0, 1]. predictions: one per row, in the form that the task's metrics take. golds_file: the file
    in the store's folder `golds/` that they are compared with. details: what the format tells of the whole set.
    seconds: predicting alone. peak_memory_bytes: above the level before the model was loaded.
    """

    task: str
    language: str
    metrics: Mapping[str, float]
    predictions: list[Any]
    golds_file: str
    details: Mapping[str, Any]
    one_class: OneClass
    rows_used: int
    rows_expected: int | None
    left_out: tuple[LeftOut, ...]
    tokens_per_word: float
    unknown_share: float
    truncated_share: float
    seconds: float
    peak_memory_bytes: int
    memory_measure: str
    environment: Environment


@dataclass(frozen=True, kw_only=True)
class Golds:
    """The labels of one set of rows, kept once for all models that are scored on them.

    rows: the row number of each. clusters: rows that share a premise or a context have the same number; empty where
    rows of the task's format can share nothing.
    """

    task: str
    language: str
    golds: list[Any]
    rows: tuple[int, ...]
    clusters: tuple[int, ...]


Result = TrainResult | MergeResult | Scores
"""What a stage left as numbers."""

"""The records that the store keeps next to a stage's tensors: one per JSON file, and one per line of `steps.jsonl`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adaptx.files.left_out import LeftOut
from adaptx.specs import MergeRule, Method, TaskFormat

STAGE_FILE = "stage.json"
RESULT_FILE = "result.json"
"""The file of a `TrainResult` or a `MergeResult`."""
SCORES_FILE = "scores.json"
MODULE_HEADER_FILE = "module.json"
HEADS_HEADER_FILE = "head.json"
STEPS_FILE = "steps.jsonl"

_SHORTEST_SECONDS = 1e-9


@dataclass(frozen=True)
class StoredFile:
    """The size and digest that a file of a stage had when the stage was stored."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """The description of a stored stage, kept in its `stage.json`.

    fingerprint: hash of the stage's identity, which contains digests of the rows and weights that the stage reads.
    nominal: the hash with names such as `owner/model@main` in place of digests. inputs: fingerprints of the input
    stages. identity: everything that the fingerprint covers, as JSON. spec: the stage as JSON (`adaptx.specs.plain`).
    files: size and digest of each file, by path relative to the folder; an evaluation's gold answers lie outside the
    folder.
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
    """The device and software of a stage. threads: number of torch threads. versions: version of each package."""

    device: str
    threads: int
    versions: Mapping[str, str]


@dataclass(frozen=True)
class ModuleHeader:
    """The description of a module's tensors.

    version: version of their layout. kind: `module` for a method's module, `fusion` for the layers that mix modules.
    base: digest of the checkpoint's weights.
    """

    version: int
    kind: str
    method: Method
    base: str


@dataclass(frozen=True)
class HeadsHeader:
    """The names of a stage's heads, with the task format of each. version: version of the tensors' layout."""

    version: int
    heads: Mapping[str, TaskFormat]


@dataclass(frozen=True)
class TrainingStep:
    """One optimiser step, counted from 1. loss: mean over the batch. seconds: time since the training began."""

    step: int
    loss: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class DevelopmentScore:
    """The score on development rows after a step, between 0 and 1."""

    step: int
    score: float


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The outcome of a training.

    planned_steps: larger than `steps` if patience ended the training early. selected_step: the step whose weights are
    kept. selected_on: the development rows on which this step was selected; None if the last step is kept. examples:
    number of examples drawn in all steps. tokens: number of tokens read in all steps, without padding. rows_expected:
    number of rows in the published data set. items_by_task: number of training examples made from each task's rows.
    peak_memory_bytes: peak memory in excess of the memory used before the model was loaded. predicted_memory_bytes:
    None without a prediction. energy_joules: None if it was not measured.
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
    """Weights that a search tried, one per merged module, and the development score of the merge with these weights."""

    weights: tuple[float, ...]
    score: float


@dataclass(frozen=True, kw_only=True)
class MergeResult:
    """The outcome of a merge.

    rule: the rule that was applied; after a search it contains the weights that were found. merged: names of the
    modules. weights: one per module; None if the rule has no weights per module. searched_on: the development rows on
    which a search scored merges; None without a search. search: the steps of that search; None without a search.
    kept_of_squared_norm: the share of the merged LoRA updates' squared norm that remains after cutting the updates to a
    rank; None if no update was cut.
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
    """If all gold answers of a set are of one class, `golds` is that class, else None. `predictions` likewise."""

    golds: str | None
    predictions: str | None


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One model's predictions for one task in one language, and their scores.

    metrics: values between 0 and 1. predictions: one per row, in the form that the task's metrics expect. golds_file:
    name of the file with the gold answers, in the store's folder `golds/`. details: facts about the whole set, such as
    the number of candidates. seconds: time for predicting only. peak_memory_bytes: peak memory in excess of the memory
    used before the model was loaded.
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
    """The gold answers to one set of rows, stored once for all models that are scored on this set.

    rows: the row index of each answer. clusters: one number per row, equal for rows that share a premise or a context;
    empty if rows of the task's format share no text.
    """

    task: str
    language: str
    golds: list[Any]
    rows: tuple[int, ...]
    clusters: tuple[int, ...]


Result = TrainResult | MergeResult | Scores
"""The result of a stage of any kind."""

"""The identity of a stage: a hash over everything that changes its result, and over nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adaptx.planning.framings import evaluation_framing, read_in, search_framing, training_framing
from adaptx.planning.lineage import answering_training, head_task
from adaptx.sources.modules import module_digest
from adaptx.sources.sources import Location, Sources
from adaptx.specs import (
    Best,
    Evaluate,
    Fuse,
    Merge,
    Merged,
    Mixture,
    ModelSpec,
    ModuleSource,
    ModuleStage,
    Precision,
    Published,
    Rows,
    Sequential,
    Stack,
    Stage,
    Start,
    Task,
    Train,
)
from adaptx.specs.fingerprint import Json, canonical, canonical_fingerprint, fingerprint
from adaptx.specs.weight_search import WeightSearch

TRAIN_VERSION = 3
"""Increment this when an unchanged spec trains to a different result, or when the layout of its identity changes."""
MERGE_VERSION = 3
EVALUATE_VERSION = 3

Pick = Callable[[Location], str | None]


def _digest(place: Location) -> str | None:
    return place.digest


def _nominal(place: Location) -> str:
    return place.nominal


@dataclass(frozen=True)
class Identity:
    """A stage's canonical JSON and its fingerprint, both made from digests of the rows and weights that the stage
    reads.

    nominal: a fingerprint made from names and revisions (`owner/model@main`) instead of digests. resolved: False if
    some digest is unknown (no network, nothing cached); `fingerprint` then equals `nominal`.
    """

    json: Json
    fingerprint: str
    nominal: str
    resolved: bool


class Identities:
    """The identities of stages, each computed once, with digests from one `Sources`.

    A stage's identity contains the fingerprints of its input stages, so a change in an early training changes every
    stage that depends on it.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._known: dict[Stage, Identity] = {}
        self._places: dict[Rows | ModelSpec, Location] = {}
        self._digests: dict[Published, str] = {}
        self._canonical: dict[Any, Json] = {}
        self._scored_sets: dict[tuple[Task, str, int | None, Pick], Json] = {}

    @property
    def sources(self) -> Sources:
        """The places of the rows and weights that the stages read."""
        return self._sources

    def of(self, stage: Stage) -> Identity:
        """Return the identity of a stage.

        Raises:
            MissingInput: rows or weights are missing where the sources look for them.
            UserError: a value in the spec, such as NaN, has no stable form to hash.
        """
        if stage not in self._known:
            inputs = {earlier: self.of(earlier) for earlier in stage.inputs}
            by_digest = _digest, {earlier: identity.fingerprint for earlier, identity in inputs.items()}
            by_name = _nominal, {earlier: identity.nominal for earlier, identity in inputs.items()}
            body = self._body(stage, *by_digest)
            nominal = canonical_fingerprint(self._body(stage, *by_name))
            resolved = all(i.resolved for i in inputs.values()) and self._has_digests(stage)
            self._known[stage] = Identity(body, canonical_fingerprint(body) if resolved else nominal, nominal, resolved)
        return self._known[stage]

    def place(self, item: Rows | ModelSpec) -> Location:
        if item not in self._places:
            self._places[item] = self._sources.rows(item) if isinstance(item, Rows) else self._sources.model(item)
        return self._places[item]

    def _has_digests(self, stage: Stage) -> bool:
        return all(self.place(item).digest is not None for item in inputs_read(stage))

    def _body(self, stage: Stage, pick: Pick, inputs: dict[ModuleStage, str]) -> Json:
        match stage:
            case Train():
                return self._train(stage, pick, inputs)
            case Merge():
                return self._merge(stage, pick, inputs)
            case Evaluate():
                return self._evaluate(stage, pick, inputs)

    def _train(self, train: Train, pick: Pick, inputs: dict[ModuleStage, str]) -> Json:
        return {
            "kind": "train",
            "version": TRAIN_VERSION,
            "model": {**self._checkpoint(train.model, pick), "family": train.model.family.name},
            "method": self._json(train.method, "method"),
            "config": self._json(train.config, "config"),
            "start": _start(train.start, [self._start_module(source, inputs) for source in train.module_sources]),
            "head": self._json(train.head, "head"),
            "tasks": [self._task_for_training(train, task, pick) for task in train.tasks],
            "sampling": self._json(train.task.sampling, "task.sampling") if isinstance(train.task, Mixture) else None,
            "shared_heads": isinstance(train.task, Mixture) and train.task.shared_heads,
        }

    def _start_module(self, source: ModuleSource, inputs: dict[ModuleStage, str]) -> Json:
        if not isinstance(source, Published):
            return inputs[source]
        if source not in self._digests:
            self._digests[source] = module_digest(source, self._sources)
        return {"files": self._digests[source], "method": self._json(source.method, "start.method")}

    def _task_for_training(self, train: Train, task: Task, pick: Pick) -> Json:
        selects = isinstance(train.config.selection, Best)
        return {
            "format": self._json(task.format, "task.format"),
            "framing": self._json(read_in(training_framing(train, task), _languages_read(task, selects)), "framing"),
            "train": [self._rows(rows, train.limit, pick) for rows in task.train],
            "drawn_by": train.draw_seed if train.limit is not None else None,
            # Only a task with shuffled labels has this key, so all others keep their identity.
            **({} if task.shuffled_by is None else {"labels_shuffled_by": task.shuffled_by}),
            "development": [self._rows(rows, None, pick) for rows in task.development] if selects else None,
            "pool": [self._rows(rows, None, pick) for rows in selection_pool(task)] if selects else None,
            "metric": task.metrics[0] if selects else None,
        }

    def _merge(self, merge: Merge, pick: Pick, inputs: dict[ModuleStage, str]) -> Json:
        search = merge.rule.search
        rule = merge.rule if search is None else {"type": "Linear", "weights": self._weights(merge, search, pick)}
        return {
            "kind": "merge",
            "version": MERGE_VERSION,
            "model": {**self._checkpoint(merge.model, pick), "family": merge.model.family.name},
            "inputs": [inputs[stage] for stage in merge.stages],
            "rule": canonical(rule, "rule"),
            "head": self._json(merge.head, "head"),
        }

    def _weights(self, merge: Merge, search: WeightSearch, pick: Pick) -> Json:
        task = search.task
        return {
            "by": self._json(search.by, "rule.weights.by"),
            "format": self._json(task.format, "task.format"),
            "framing": self._json(
                read_in(search_framing(merge, task), [rows.language for rows in task.development]), "framing"
            ),
            "development": [self._rows(rows, search.limit, pick) for rows in task.development],
            "pool": [self._rows(rows, search.limit, pick) for rows in selection_pool(task)],
            "metric": task.metrics[0],
        }

    def _evaluate(self, evaluate: Evaluate, pick: Pick, inputs: dict[ModuleStage, str]) -> Json:
        model = evaluate.model
        head = head_task(evaluate)
        return {
            "kind": "evaluate",
            "version": EVALUATE_VERSION,
            "model": self._checkpoint(model, pick) if isinstance(model, ModelSpec) else inputs[model],
            "head": None
            if isinstance(model, ModelSpec) or head is None
            else _head_index(answering_training(model), head),
            "framing": self._json(read_in(evaluation_framing(evaluate), [evaluate.language]), "framing"),
            "precision": evaluation_precision(evaluate),
            "task": self._task_for_evaluation(evaluate.task, evaluate.language, evaluate.limit, pick),
        }

    def _task_for_evaluation(self, task: Task, language: str, limit: int | None, pick: Pick) -> Json:
        key = task, language, limit, pick
        if key not in self._scored_sets:
            self._scored_sets[key] = {
                "format": self._json(task.format, "task.format"),
                "rows": self._rows(task.rows_in(language), limit, pick),
                "pool": [self._rows(rows, limit, pick) for rows in task.pool],
            }
        return self._scored_sets[key]

    def _checkpoint(self, model: ModelSpec, pick: Pick) -> dict[str, Json]:
        return {
            "weights": pick(self.place(model)),
            "layers": model.layers,
            "quantised": None if model.quantised is None else model.quantised.value,
        }

    def _json(self, value: Any, path: str) -> Json:
        if value not in self._canonical:
            self._canonical[value] = canonical(value, path)
        return self._canonical[value]

    def _rows(self, rows: Rows, limit: int | None, pick: Pick) -> Json:
        plain = self._json(rows, "task.rows")
        # A limit draws different rows if parallel sets must keep the same clusters (`adaptx.data.clusters`).
        drawn: Json = None if limit is None else {"most": limit, "alike": rows.parallel_group is not None}
        return {"source": pick(self.place(rows)), "limit": drawn, "read": plain}


def _languages_read(task: Task, selects: bool) -> list[str]:
    return [rows.language for rows in (*task.train, *(task.development if selects else ()))]


def golds_digest(task: Task, rows: Rows, limit: int | None, sources: Sources) -> str:
    """Return a digest of what an evaluation set's gold answers depend on: format, rows, pool and reading settings."""

    def read(each: Rows) -> Json:
        place = sources.rows(each)
        alike = each.parallel_group is not None
        return {"source": place.digest or place.nominal, "limit": limit, "alike": alike, "read": canonical(each)}

    body = {"format": canonical(task.format), "rows": read(rows), "pool": [read(each) for each in task.pool]}
    return fingerprint({"version": EVALUATE_VERSION, **body})


def inputs_read(stage: Stage) -> tuple[Rows | ModelSpec, ...]:
    """Return the checkpoint and the rows that a stage itself reads, without those that only its input stages read."""
    if isinstance(stage, Train):
        selects = isinstance(stage.config.selection, Best)
        further = (
            tuple(r for task in stage.tasks for r in (*task.development, *selection_pool(task))) if selects else ()
        )
        return (stage.model, *stage.task.train, *further)
    if isinstance(stage, Merge):
        search = stage.rule.search
        return (stage.model, *((*search.task.development, *selection_pool(search.task)) if search else ()))
    rows = (stage.task.rows_in(stage.language), *stage.task.pool)
    return (stage.model, *rows) if isinstance(stage.model, ModelSpec) else rows


def modules_read(stage: Stage) -> tuple[Published, ...]:
    """Return the published modules that a stage itself reads, without those that only its input stages read."""
    taken = stage.module_sources if isinstance(stage, Train) else ()
    return tuple(source for source in taken if isinstance(source, Published))


def selection_pool(task: Task) -> tuple[Rows, ...]:
    """Return the pool of candidates for a task's development queries.

    It is empty if the development rows have no gold column: they are then pairs, and their second texts are the
    candidates.
    """
    return task.pool if any(rows.column("gold") for rows in task.development) else ()


def evaluation_precision(evaluate: Evaluate) -> Precision:
    """Return the precision of an evaluation: its own, else that of its model's training, else fp32."""
    if evaluate.precision is not None:
        return evaluate.precision
    return "fp32" if isinstance(evaluate.model, ModelSpec) else answering_training(evaluate.model).config.precision


def _head_index(model: Train, task: Task) -> int:
    return model.task.head_place(task) if isinstance(model.task, Mixture) else 0


def _start(start: Start, taken: list[Json]) -> Json:
    body: dict[str, Json] = {"type": type(start).__name__}
    match start:
        case Sequential() | Stack() | Merged():
            body["inputs"] = taken
        case Fuse(_, mixing):
            body["inputs"] = taken
            body["mixing"] = canonical(mixing, "start.mixing")
        case _:
            pass
    return body

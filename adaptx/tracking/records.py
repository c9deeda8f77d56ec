"""The content of each MLflow run as plain data, read from the store.

Each training, each merge and each evaluated variant is one run. A variant's factors are its parameters, and its scores
are metrics with the names `<task>/<language>/<metric>`.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from adaptx.planning.identity import evaluation_precision
from adaptx.planning.naming import factors, merges, module_name, module_path, train_name, trained_on, training_path
from adaptx.planning.plan import Plan
from adaptx.planning.stored_scores import StoredScore, StoredScores, metrics_digest
from adaptx.planning.zero_shot import equal_weights, zero_shot_weights
from adaptx.specs import Evaluate, Merge, ModelSpec, ModuleStage, Train
from adaptx.specs.fingerprint import canonical, fingerprint
from adaptx.specs.plain import to_plain
from adaptx.store.entry import Entry
from adaptx.store.integrity import COMPLETE
from adaptx.store.mixing import MIXING_FILE
from adaptx.store.records import RESULT_FILE, SCORES_FILE, STAGE_FILE
from adaptx.store.store import Store
from adaptx.tracking.markers import Markers

ONE_CLASS_TAG = "adaptx.one_class"
"""Tag of a variant's run: the sets on which the model predicts one class only; empty if there are none."""

MetricPoint = tuple[str, float, int]
"""(name, value, step)."""


@dataclass(frozen=True)
class RunKey:
    """The key by which a run is found. kind: `train`, `merge`, `variant`, `report`, `bench` or `bench cell`."""

    kind: str
    fingerprint: str


@dataclass(frozen=True)
class DataSet:
    """A set of rows that a training read. digest: digest of its content. source: its address and revision as JSON."""

    name: str
    digest: str
    source: str


@dataclass(frozen=True)
class Record:
    """The content of one MLflow run.

    Attributes:
        milliseconds: the time of the run's metrics, which depends only on the stored stages. Writing a metric twice
            therefore changes nothing.
        artifacts: files, each with its folder in the run (None: the top folder).
        path: name and key of each training and merge that led to a variant; None for other kinds of runs.
        parent: the run under which the UI lists this one.
        stamp: the text in the run's marker. It changes when there is something new to record, such as another score.
        tags: tags of the run, such as the languages in which a model predicts one class only.
    """

    key: RunKey
    name: str
    milliseconds: int
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    metrics: tuple[MetricPoint, ...] = ()
    artifacts: tuple[tuple[Path, str | None], ...] = ()
    data_sets: tuple[DataSet, ...] = ()
    path: tuple[tuple[str, RunKey], ...] | None = None
    parent: RunKey | None = None
    status: str = "FINISHED"
    stamp: str = ""
    tags: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Pending:
    """A run that is still to be recorded. Its content is read later, when it is recorded.

    stage: the training or merge; None for a variant.
    """

    key: RunKey
    name: str
    stage: ModuleStage | None = None
    stamp: str = ""


class Records:
    """The runs of one plan's stored stages."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan, self._store = plan, store
        self._scores = StoredScores()
        self._variants: dict[str, list[Evaluate]] = {}
        # Use the recipe's evaluations, because the plan has one node for two evaluations that differ only in names.
        for evaluate in plan.ready:
            self._variants.setdefault(self._model_key(evaluate), []).append(evaluate)

    def pending(self, markers: Markers) -> list[Pending]:
        """Return the runs still to be recorded. Trainings and merges come before the variants that link to them."""
        found: list[Pending] = []
        for node in self._plan.nodes:
            if isinstance(node.stage, Evaluate) or markers.has(node.kind, node.fingerprint):
                continue
            if self._store.find(node.fingerprint) is not None:
                found.append(Pending(RunKey(node.kind, node.fingerprint), node.name, node.stage))
        for key in self._variants:
            stored = self._stored(key)
            # A new evaluation of the variant, an additional metric and a corrected metric all change the run.
            scored = sorted([entry.fingerprint, *evaluate.task.metrics] for evaluate, entry in stored)
            stamp = fingerprint([metrics_digest(), *(part for each in scored for part in (len(each), *each))])
            if stored and not markers.has("variant", key, stamp):
                label = factors(self._describing(key)).label
                found.append(Pending(RunKey("variant", key), label, stamp=stamp))
        return found

    def record(self, pending: Pending) -> Record:
        """Read the content of a run from the store.

        Raises:
            OSError, ValueError, KeyError: a file of the run's stages is missing or damaged.
        """
        match pending.stage:
            case Train():
                return self._training(pending.stage, pending.key)
            case Merge():
                return self._merge(pending.stage, pending.key)
            case None:
                return self._variant(pending)

    def with_metrics(self, metrics: Mapping[Evaluate, Mapping[str, float]]) -> list[Record]:
        """Return records that add metrics to the runs of variants and change nothing else in them.

        metrics: one of a variant's evaluations -> the metrics to add.
        """
        found: dict[str, dict[str, float]] = {}
        for evaluate, values in metrics.items():
            found.setdefault(self._model_key(evaluate), {}).update(values)
        return [
            Record(
                RunKey("variant", key),
                factors(self._describing(key)).label,
                _milliseconds([entry for _, entry in self._stored(key)]),
                metrics=tuple((name, value, 0) for name, value in values.items()),
            )
            for key, values in found.items()
        ]

    def _training(self, train: Train, key: RunKey) -> Record:
        entry = self._entry(key.fingerprint)
        result = entry.train_result
        measures = {
            "seconds": result.seconds,
            "steps": result.steps,
            "examples_per_second": result.examples_per_second,
            "tokens_per_second": result.tokens_per_second,
            "trainable_parameters": result.trainable_parameters,
            "head_parameters": result.head_parameters,
            "peak_memory_bytes": result.peak_memory_bytes,
            "predicted_memory_bytes": result.predicted_memory_bytes,
            "rows_used": result.rows_used,
            "selected_step": result.selected_step,
            "energy_joules": result.energy_joules,
        }
        metrics = [(name, float(value), 0) for name, value in measures.items() if value is not None]
        for step in entry.steps:
            metrics += [("train/loss", step.loss, step.step), ("train/learning_rate", step.learning_rate, step.step)]
        metrics += [("development/score", each.score, each.step) for each in result.development]
        parameters = {
            "model": train.model.name,
            "task": train.task.name,
            "start": type(train.start).__name__,
            **_flat(canonical(train.method), "method"),
            **_flat(canonical(train.config), "config"),
            "rows_used": result.rows_used,
            "rows_expected": result.rows_expected,
            "device": result.environment.device,
            "threads": result.environment.threads,
            "memory_measure": result.memory_measure,
        }
        return Record(
            key,
            train_name(train),
            _milliseconds([entry]),
            parameters,
            (*metrics, *_system_metrics(entry)),
            ((entry.folder / STAGE_FILE, None),),
            tuple(self._data_sets(train)),
        )

    def _merge(self, merge: Merge, key: RunKey) -> Record:
        entry = self._entry(key.fingerprint)
        result = entry.merge_result
        metrics = [
            ("seconds", result.seconds, 0),
            ("parameters", float(result.parameters), 0),
            ("peak_memory_bytes", float(result.peak_memory_bytes), 0),
        ]
        metrics += [(f"weight/{place}", weight, 0) for place, weight in enumerate(result.weights or ())]
        metrics += [("search/score", tried.score, step) for step, tried in enumerate(result.search or ())]
        parameters = {
            "model": merge.model.name,
            "merged": " + ".join(result.merged),
            **_flat(to_plain(result.rule), "rule"),
            "head": type(merge.head).__name__,
            "device": result.environment.device,
            "memory_measure": result.memory_measure,
        }
        artifacts = tuple((entry.folder / name, None) for name in (STAGE_FILE, RESULT_FILE))
        return Record(key, module_name(merge), _milliseconds([entry]), parameters, tuple(metrics), artifacts)

    def _variant(self, pending: Pending) -> Record:
        key = pending.key.fingerprint
        stored = self._stored(key)
        stage = self._describing(key)
        described = factors(stage)
        trainings = [entry for each in training_path(stage) if (entry := self._find(each)) is not None]
        merged = [entry for each in merges(stage) if (entry := self._find(each)) is not None]
        evaluated = [entry for _, entry in stored]
        results = [entry.train_result for entry in trainings]
        every = [*results, *(entry.merge_result for entry in merged)]
        scored = [(evaluate, self._scores.read(evaluate, entry)) for evaluate, entry in stored]
        metrics = _scores(scored)
        peaks = [result.peak_memory_bytes for result in (*every, *(score.record for _, score in scored))]
        metrics["path/peak_memory_bytes"] = float(max(peaks))
        if results:
            metrics["trainable_parameters"] = float(results[-1].trainable_parameters)
            metrics["path/seconds"] = float(sum(result.seconds for result in every))
        parameters = {
            **asdict(described),
            "family": stage.checkpoint.family.value,
            "precision": evaluation_precision(stage),
            **(_flat(canonical(stage.framing), "framing") if stage.framing is not None else {}),
        }
        artifacts = [
            (entry.file(name), entry.folder.name)
            for entry in evaluated
            for name in (SCORES_FILE, MIXING_FILE)
            if entry.has(name)
        ]
        modules = [(each, self._plan.fingerprint_of(each)) for each in module_path(stage)]
        return Record(
            pending.key,
            described.label,
            _milliseconds([*trainings, *merged, *evaluated]),
            parameters,
            tuple((name, value, 0) for name, value in metrics.items()),
            (*artifacts, (evaluated[0].folder / STAGE_FILE, None)),
            path=tuple(
                (module_name(each), RunKey("merge" if isinstance(each, Merge) else "train", known))
                for each, known in modules
            ),
            stamp=pending.stamp,
            tags={ONE_CLASS_TAG: _one_class(scored)},
        )

    def _describing(self, key: str) -> Evaluate:
        """Return the planned evaluation, stored or not, from which a variant's factors are read.

        It must always be the same one, because factors are parameters, which MLflow never changes.
        """
        asked = self._variants[key]
        return next((e for e in asked if not isinstance(e.model, ModelSpec) and trained_on(e.model, e.task)), asked[0])

    def _stored(self, key: str) -> list[tuple[Evaluate, Entry]]:
        return [(each, entry) for each in self._variants[key] if (entry := self._find(each)) is not None]

    def _find(self, stage: ModuleStage | Evaluate) -> Entry | None:
        return self._store.find(self._plan.fingerprint_of(stage))

    def _entry(self, fingerprint: str) -> Entry:
        entry = self._store.find(fingerprint)
        assert entry is not None
        return entry

    def _model_key(self, evaluate: Evaluate) -> str:
        """Return a fingerprint of what is evaluated (module or bare checkpoint), with its framing and precision."""
        model = evaluate.model
        if isinstance(model, ModelSpec):
            place = self._plan.identities.place(model)
            key = hashlib.sha256((place.digest or place.nominal).encode()).hexdigest()
        else:
            key = self._plan.fingerprint_of(model)
        if evaluate.framing is None and evaluate.precision is None:
            return key
        # A model that is read in two ways counts as two variants.
        return fingerprint([key, canonical(evaluate.framing), evaluate.precision])

    def _data_sets(self, train: Train) -> Iterable[DataSet]:
        for rows in train.task.train:
            place = self._plan.identities.place(rows)
            digest = hashlib.sha256((place.digest or place.nominal).encode()).hexdigest()[:36]
            yield DataSet(rows.address, digest, json.dumps({"address": rows.address, "revision": place.nominal}))


def report_record(name: str, key: str, files: Iterable[Path], metrics: dict[str, float]) -> Record:
    """Return a report's run, with its files as artifacts. key: fingerprint of the report."""
    milliseconds = int(time.time() * 1000)
    points = tuple((metric, value, 0) for metric, value in metrics.items())
    artifacts = tuple((file.resolve(), None) for file in files)
    return Record(RunKey("report", key), name, milliseconds, metrics=points, artifacts=artifacts)


def _system_metrics(entry: Entry) -> Iterable[MetricPoint]:
    lines = entry.file("system.jsonl").read_text().splitlines() if entry.has("system.jsonl") else ()
    for step, line in enumerate(map(json.loads, lines)):
        yield from ((f"system/{name}", float(value), step) for name, value in line.items() if name != "seconds")


def _milliseconds(entries: list[Entry]) -> int:
    """Return the time at which the last of these stages was finished, in milliseconds since 1970."""
    return int(max((entry.folder / COMPLETE).stat().st_mtime for entry in entries) * 1000)


def _scores(scored: Sequence[tuple[Evaluate, StoredScore]]) -> dict[str, float]:
    """Return the scores under their names in MLflow.

    `<task>/<language>/<metric>` is a single score. `<task>/avg/<metric>` is the average over all languages, and
    `<task>/avg_zero_shot/<metric>` that over the languages without training rows. `<task>/one_class_languages` counts
    the languages in which all predictions are of one class.
    """
    found: dict[str, float] = {}
    tasks: dict[str, list[tuple[Evaluate, StoredScore]]] = {}
    for evaluate, score in scored:
        tasks.setdefault(evaluate.task.name, []).append((evaluate, score))
    for task, evaluated in tasks.items():
        by_language = {evaluate.language: score.scores for evaluate, score in evaluated}
        averages = {
            "avg": equal_weights(list(by_language)),
            "avg_zero_shot": zero_shot_weights(evaluate for evaluate, _ in evaluated),
        }
        for metric in evaluated[0][1].scores:
            found |= {f"{task}/{language}/{metric}": values[metric] for language, values in by_language.items()}
            for name, weights in averages.items():
                if weights:
                    average = sum(weight * by_language[language][metric] for language, weight in weights.items())
                    found[f"{task}/{name}/{metric}"] = average
        constant = [score for _, score in evaluated if score.record.one_class.predictions is not None]
        found[f"{task}/one_class_languages"] = float(len(constant))
    return found


def _one_class(scored: Sequence[tuple[Evaluate, StoredScore]]) -> str:
    """Return a text with the languages in which all predictions are of one class, such as `nli/de (entailment)`."""
    found = ((evaluate, score.record.one_class.predictions) for evaluate, score in scored)
    return ", ".join(f"{each.task.name}/{each.language} ({name})" for each, name in found if name is not None)


def _flat(value: Any, name: str) -> dict[str, Any]:
    """Flatten JSON named "method": `{"type": "Lora", "rank": 8}` -> `{"method": "Lora", "method.rank": 8}`."""
    if not isinstance(value, dict):
        return {name: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat.update(_flat(item, name if key == "type" else f"{name}.{key}"))
    return flat

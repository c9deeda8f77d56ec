"""MLflow: what a person compares in its UI. Only this file and `tracking_bench.py` import mlflow.

Everything recorded is read back from finished stages in the store, so nothing is lost while a server is away: what
could not be recorded is tried again at the next run. A training is a run of its own; an evaluated variant is a run
with its factors as parameters and `<task>/<language>/<metric>` as metrics. Runs are found by fingerprint, so
recording twice makes no second one.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from adaptx import mixing_weights
from adaptx.identity import evaluation_precision
from adaptx.naming import factors, merges, module_name, module_path, path, train_name, trained_on
from adaptx.plan import Node, Plan
from adaptx.specs import Evaluate, Merge, ModelSpec, ModuleStage, Stage, Train
from adaptx.specs.fingerprint import canonical, fingerprint
from adaptx.store import Entry, Store
from adaptx.zero_shot import source_languages

AWAY_SECONDS = 60.0
MOST_METRICS_A_CALL = 1_000
MOST_PARAMETER_LENGTH = 500
# Without it the UI opens an experiment as traces of a language-model application, and hides its runs.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_\-./ ]")


def default_uri(store: Store) -> str:
    """SQLite inside the store, unless MLFLOW_TRACKING_URI names a server."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store.root / 'mlflow.db'}"


def safe_name(name: str) -> str:
    """The name with everything that MLflow refuses replaced by `_`."""
    return _NOT_ALLOWED.sub("_", name)


@dataclass
class Tracker:
    """Records finished stages of one plan. Failures are reported through `warn` once, and do not stop the work."""

    plan: Plan
    store: Store
    uri: str
    warn: Callable[[str], None]
    _experiment: str | None = None
    _client: Any = None
    _away_until: float = 0.0
    _warned: bool = False

    def record(self, nodes: Iterable[Node], insist: bool = False) -> None:
        """Record what is stored of these nodes and not yet recorded.

        A server that has just failed is left alone for a minute, unless `insist`: at the end of a run, say.
        """
        if insist:
            self._away_until = 0.0
        self._forget_a_lost_database()
        records = {"train": self._training, "merge": self._merge}
        work: list[tuple[Callable[[Node], None], Node]] = []
        models: dict[str, Node] = {}
        for node in nodes:
            if node.kind in records:
                work.append((records[node.kind], node))
            else:
                models[self._variant_key(node)] = node
        work += [(self._variant, node) for node in models.values()]
        for record, node in work:
            if time.monotonic() < self._away_until:
                return
            try:
                record(node)
            except Exception as error:  # any failure of a tracking server must leave the results alone
                self._away_until = time.monotonic() + AWAY_SECONDS
                if not self._warned:
                    self._warned = True
                    cause = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                    self.warn(
                        f"MLflow at {self.uri} could not record {node.name} ({cause}); results are safe in the store "
                        "and will be recorded when it answers, at the latest by the next `adaptx run`"
                    )

    def record_report(self, name: str, fingerprint: str, files: Iterable[Path], metrics: dict[str, float]) -> None:
        """One run per report: its files as artifacts."""
        try:
            run_id = self._run_for("report", fingerprint, name)
            self._log(run_id, {}, [(key, value, 0) for key, value in metrics.items()])
            for file in files:
                self.client.log_artifact(run_id, str(file))
            self._finish(run_id)
        except Exception as error:  # as above: the report itself is already on disk
            self.warn(f"MLflow at {self.uri} could not record the report ({type(error).__name__}: {error})")

    @property
    def client(self) -> Any:
        if self._client is None:
            logging.getLogger("alembic").setLevel(logging.WARNING)
            from mlflow import MlflowClient

            # It tells of each table it makes in a new database.
            logging.getLogger("mlflow").setLevel(logging.WARNING)
            if self._database is not None:
                self._database.parent.mkdir(parents=True, exist_ok=True)
            self._client = MlflowClient(tracking_uri=self.uri)
        return self._client

    @property
    def _database(self) -> Path | None:
        return Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:///") else None

    def _forget_a_lost_database(self) -> None:
        """A database that is not there (any more) holds no runs of any recipe, whatever the store's markers say."""
        if self._database is not None and not self._database.is_file():
            shutil.rmtree(self._markers().parent, ignore_errors=True)

    @property
    def experiment(self) -> str:
        """Id of the recipe's experiment, made where it is missing."""
        if self._experiment is None:
            name = safe_name(self.plan.recipe.name)
            found = self.client.get_experiment_by_name(name)
            artifacts = (self.store.root / "mlartifacts").as_uri() if self.uri.startswith("sqlite:") else None
            self._experiment = (
                found.experiment_id
                if found
                else self.client.create_experiment(name, artifact_location=artifacts, tags=EXPERIMENT_TAGS)
            )
        assert self._experiment is not None
        return self._experiment

    def _training(self, node: Node) -> None:
        entry = self.store.find(node.fingerprint)
        train = node.stage
        assert isinstance(train, Train)
        if entry is None or self._is_recorded("train", node.fingerprint):
            return
        result = entry.result
        run_id = self._run_for("train", node.fingerprint, train_name(train))
        names = ("seconds", "steps", "examples_per_second", "tokens_per_second", "trainable_parameters",
                 "head_parameters", "peak_memory_bytes", "predicted_memory_bytes", "rows_used",
                 "selected_step", "energy_joules")  # fmt: skip
        metrics = [(name, float(result[name]), 0) for name in names if result.get(name) is not None]
        for step in map(json.loads, (entry.folder / "steps.jsonl").read_text().splitlines()):
            metrics += [(f"train/{key}", float(step[key]), int(step["step"])) for key in ("loss", "learning_rate")]
        metrics += [("development/score", float(e["score"]), int(e["step"])) for e in result["development"]]
        parameters = {
            "model": train.model.name,
            "task": train.task.name,
            "start": type(train.start).__name__,
            **_flat(canonical(train.method), "method"),
            **_flat(canonical(train.config), "config"),
            "rows_used": result["rows_used"],
            "rows_expected": result["rows_expected"],
            "device": result["device"],
            "threads": result["threads"],
            "memory_measure": result["memory_measure"],
        }
        self._log(run_id, parameters, metrics)
        self._system_metrics(run_id, entry)
        self._data_sets(run_id, train)
        self.client.log_artifact(run_id, str(entry.folder / "stage.json"))
        self._finish(run_id)

    def _merge(self, node: Node) -> None:
        """A merge is a run of its own, like a training, without series: with its rule and the weights it used."""
        entry = self.store.find(node.fingerprint)
        merge = node.stage
        assert isinstance(merge, Merge)
        if entry is None or self._is_recorded("merge", node.fingerprint):
            return
        result = entry.result
        run_id = self._run_for("merge", node.fingerprint, module_name(merge))
        metrics = [(name, float(result[name]), 0) for name in ("seconds", "parameters", "peak_memory_bytes")]
        metrics += [(f"weight/{place}", weight, 0) for place, weight in enumerate(result["weights"] or ())]
        metrics += [("search/score", tried["score"], step) for step, tried in enumerate(result["search"] or ())]
        parameters = {
            "model": merge.model.name,
            "merged": " + ".join(result["merged"]),
            **_flat(result["rule"], "rule"),
            "head": type(merge.head).__name__,
            "device": result["device"],
            "memory_measure": result["memory_measure"],
        }
        self._log(run_id, parameters, metrics)
        self.client.log_artifact(run_id, str(entry.folder / "stage.json"))
        self.client.log_artifact(run_id, str(entry.folder / "result.json"))
        self._finish(run_id)

    def _variant(self, node: Node) -> None:
        """One run for the model an evaluation measures, with all its evaluations that are stored so far."""
        key = self._variant_key(node)
        # The recipe's own evaluations, since two that differ by name alone are one node of the plan.
        asked = [e for e in dict.fromkeys(self.plan.recipe.evaluations) if self._model_key(e) == key]
        stored = [
            (evaluate, entry)
            for evaluate in asked
            if (entry := self.store.find(self.plan.fingerprint_of(evaluate))) is not None
        ]
        if not stored:
            return
        stamp = hashlib.sha256("".join(sorted(entry.fingerprint for _, entry in stored)).encode()).hexdigest()
        if self._is_recorded("variant", key, stamp):
            return
        # MLflow changes no parameter, so they must not depend on which evaluations are stored so far.
        stage = next((e for e in asked if not isinstance(e.model, ModelSpec) and trained_on(e.model, e.task)), asked[0])
        described = factors(stage)
        run_id = self._run_for("variant", key, described.label)
        trainings, merged = path(stage), merges(stage)
        results = [r for t in trainings if (r := self._result(t)) is not None]
        merging = [r for m in merged if (r := self._result(m)) is not None]
        metrics = _scores(stored)
        stages = [*results, *merging, *(entry.result for _, entry in stored)]
        metrics["path/peak_memory_bytes"] = float(max(stage["peak_memory_bytes"] for stage in stages))
        if results:
            metrics["trainable_parameters"] = float(results[-1]["trainable_parameters"])
            metrics["path/seconds"] = float(sum(result["seconds"] for result in (*results, *merging)))
        parameters = {
            **asdict(described),
            "family": stage.checkpoint.family.value,
            "precision": evaluation_precision(stage),
            **(_flat(canonical(stage.framing), "framing") if stage.framing is not None else {}),
        }
        self._log(run_id, parameters, [(name, value, 0) for name, value in metrics.items()])
        self._describe(run_id, stage)
        for _, entry in stored:
            for name in ("scores.json", mixing_weights.FILE):
                if (entry.folder / name).is_file():
                    self.client.log_artifact(run_id, str(entry.folder / name), artifact_path=entry.folder.name)
        self.client.log_artifact(run_id, str(stored[0][1].folder / "stage.json"))
        self._finish(run_id, stamp)

    def _variant_key(self, node: Node) -> str:
        assert isinstance(node.stage, Evaluate)
        return self._model_key(node.stage)

    def _model_key(self, evaluate: Evaluate) -> str:
        """The fingerprint of what is evaluated: a training's or a bare checkpoint's, with how it is read."""
        model = evaluate.model
        if isinstance(model, ModelSpec):
            place = self.plan.identities.place(model)
            key = hashlib.sha256((place.digest or place.nominal).encode()).hexdigest()
        else:
            key = self.plan.fingerprint_of(model)
        if evaluate.framing is None and evaluate.precision is None:
            return key
        # One model read in two ways is two variants.
        return fingerprint([key, canonical(evaluate.framing), evaluate.precision])

    def _result(self, stage: ModuleStage) -> dict[str, Any] | None:
        entry = self.store.find(self.plan.fingerprint_of(stage))
        return entry.result if entry is not None else None

    def _describe(self, run_id: str, stage: Stage) -> None:
        """Tag and description that lead from a variant to the trainings and merges on its path."""
        lines: list[str] = []
        fingerprints: list[str] = []
        for each in module_path(stage):
            fingerprint = self.plan.fingerprint_of(each)
            fingerprints.append(fingerprint)
            run = self._find("merge" if isinstance(each, Merge) else "train", fingerprint)
            name = module_name(each)
            link = f"[{name}](#/experiments/{self.experiment}/runs/{run.info.run_id})" if run else name
            lines.append(f"1. {link} `{fingerprint[:8]}`")
        note = "Trainings and merges on the path:\n\n" + "\n".join(lines) if lines else "Bare checkpoint."
        self.client.set_tag(run_id, "adaptx.path", " ".join(fingerprints))
        self.client.set_tag(run_id, "mlflow.note.content", note)

    def _system_metrics(self, run_id: str, entry: Entry) -> None:
        file = entry.folder / "system.jsonl"
        lines = map(json.loads, file.read_text().splitlines()) if file.is_file() else ()
        metrics = [
            (f"system/{name}", float(value), step)
            for step, line in enumerate(lines)
            for name, value in line.items()
            if name != "seconds"
        ]
        self._log(run_id, {}, metrics)

    def _data_sets(self, run_id: str, train: Train) -> None:
        """The rows a training read, as MLflow data set inputs."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs: list[Any] = []
        for rows in train.task.train:
            place = self.plan.identities.place(rows)
            digest = hashlib.sha256((place.digest or place.nominal).encode()).hexdigest()[:36]
            source = json.dumps({"address": rows.address, "revision": place.nominal})
            data_set = Dataset(name=safe_name(rows.address), digest=digest, source_type="adaptx", source=source)
            inputs.append(DatasetInput(data_set, [InputTag("mlflow.data.context", "training")]))
        self.client.log_inputs(run_id, inputs)

    def _log(self, run_id: str, parameters: dict[str, Any], metrics: list[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric, Param
        from mlflow.utils.time import get_current_time_millis

        now = get_current_time_millis()
        entities = [Metric(safe_name(name), value, now, step) for name, value, step in metrics]
        params = [Param(safe_name(key), str(value)[:MOST_PARAMETER_LENGTH]) for key, value in parameters.items()]
        self.client.log_batch(run_id, params=params)
        for first in range(0, len(entities), MOST_METRICS_A_CALL):
            self.client.log_batch(run_id, metrics=entities[first : first + MOST_METRICS_A_CALL])

    def _find(self, kind: str, fingerprint: str) -> Any:
        query = f"tags.`adaptx.fingerprint` = '{fingerprint}' and tags.`adaptx.kind` = '{kind}'"
        found = self.client.search_runs([self.experiment], query, max_results=1)
        return found[0] if found else None

    def _run_for(self, kind: str, fingerprint: str, name: str) -> str:
        run = self._find(kind, fingerprint)
        if run is None:
            tags = {"adaptx.fingerprint": fingerprint, "adaptx.kind": kind}
            run = self.client.create_run(self.experiment, tags=tags, run_name=name)
        return run.info.run_id

    def _is_recorded(self, kind: str, fingerprint: str, stamp: str = "") -> bool:
        """Whether the run is there and complete; `recorded` in the store saves asking the server each time."""
        marker = self._marker(kind, fingerprint)
        return marker.is_file() and marker.read_text() == stamp

    def _finish(self, run_id: str, stamp: str = "") -> None:
        tags = self.client.get_run(run_id).data.tags
        self.client.set_terminated(run_id)
        marker = self._marker(tags["adaptx.kind"], tags["adaptx.fingerprint"])
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(stamp)

    def _marker(self, kind: str, fingerprint: str) -> Path:
        """Which server a stage was recorded on is not identity, and the store is the one place that is always there."""
        return self._markers() / f"{kind}-{fingerprint[:16]}"

    def _markers(self) -> Path:
        place = hashlib.sha256(self.uri.encode()).hexdigest()[:8]
        return self.store.root / "recorded" / place / safe_name(self.plan.recipe.name).replace("/", "_")


def _scores(stored: list[tuple[Evaluate, Entry]]) -> dict[str, float]:
    """`<task>/<language>/<metric>`, the average over languages, and that over languages not trained on."""
    scores: dict[str, float] = {}
    grouped: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    for stage, entry in stored:
        for metric, value in entry.result["metrics"].items():
            scores[f"{stage.task.name}/{stage.language}/{metric}"] = value
            is_source = stage.language in source_languages(stage)
            grouped.setdefault((stage.task.name, metric), []).append((is_source, value))
    for (task, metric), values in grouped.items():
        scores[f"{task}/avg/{metric}"] = sum(value for _, value in values) / len(values)
        others = [value for is_source, value in values if not is_source]
        if others:
            scores[f"{task}/avg_zero_shot/{metric}"] = sum(others) / len(others)
    return scores


def _flat(value: Any, name: str) -> dict[str, Any]:
    """Nested JSON as dotted parameters; a dataclass's type stands under its own name."""
    if not isinstance(value, dict):
        return {name: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat.update(_flat(item, name if key == "type" else f"{name}.{key}"))
    return flat


def variant_links(uri: str, port: int) -> list[tuple[str, str]]:
    """(experiment, address of its evaluated variants as charts side by side) for each recipe recorded at `uri`."""
    from mlflow import MlflowClient

    query = quote("tags.`adaptx.kind` = 'variant'")
    return [
        (
            found.name,
            f"http://127.0.0.1:{port}/#/experiments/{found.experiment_id}/runs?searchFilter={query}"
            "&compareRunsMode=CHART",
        )
        for found in MlflowClient(tracking_uri=uri).search_experiments()
        if found.name != "Default"
    ]


def serve_ui(uri: str, port: int) -> int:
    """Serve the MLflow UI until it is ended; returns its exit status."""
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--port", str(port)]
    return subprocess.call(command)

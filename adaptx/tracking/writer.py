"""Writing one run to MLflow. The run is found by its fingerprint, or created, and then updated."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adaptx.backbones.quiet import quiet
from adaptx.tracking.address import Address
from adaptx.tracking.records import Record, RunKey

MOST_METRICS_A_CALL = 1_000
MOST_PARAMETER_LENGTH = 500
MOST_TAG_LENGTH = 5_000
ARTIFACTS = "mlartifacts"
PARENT_TAG = "mlflow.parentRunId"
# Without this tag the UI shows an experiment as traces of a language-model application, and hides its runs.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


def safe_name(name: str) -> str:
    """Return the name with `_` in place of every character that MLflow refuses."""
    return "".join(each if each in "_-./ " or (each.isascii() and each.isalnum()) else "_" for each in name)


NOTING = ("alembic", "mlflow")
"""Loggers that print a line for each table that MLflow creates in a new database."""


def connect(address: Address) -> Any:
    """Return an MLflow client. For the store's own database, the working folder becomes the database's folder."""
    from mlflow import MlflowClient
    from mlflow.store.db import utils

    # By default MLflow retries a database that cannot be opened for an hour, silently.
    utils.MAX_RETRY_COUNT = 4
    with quiet(*NOTING):
        return MlflowClient(tracking_uri=address.enter())


class Writer:
    """A writer of runs into one experiment.

    folder: the store's root, where artifacts are stored if runs are in a SQLite database. tell: shows a line to the
    user.
    """

    def __init__(self, address: Address, experiment: str, folder: Path, tell: Callable[[str], None]) -> None:
        self._address, self._name, self._folder, self._tell = address, safe_name(experiment), folder, tell
        self._client: Any = None
        self._experiment: Any = None

    @property
    def client(self) -> Any:
        if self._client is None:
            self._client = connect(self._address)
        return self._client

    @property
    def experiment(self) -> Any:
        """The experiment to which runs are written. It is created if it is missing, and restored if it was deleted."""
        if self._experiment is None:
            found = self.client.get_experiment_by_name(self._name) or self._made()
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(found.experiment_id)
                self._tell(
                    f"the MLflow experiment {self._name!r} had been deleted and is now restored with its runs; to "
                    "remove deleted experiments permanently, run `mlflow gc`"
                )
            self._experiment = found
        return self._experiment

    @property
    def identity(self) -> str:
        """The experiment's id and creation time. A new database's experiment of the same name has other values."""
        return f"{self.experiment.experiment_id} {self.experiment.creation_time}"

    def write(self, record: Record) -> None:
        """Create or update a run.

        Writing the same record twice changes nothing. If a metric was corrected, its new value is added.
        """
        from mlflow.entities import Param, RunTag

        run = self._run_for(record)
        run_id = run.info.run_id
        # MLflow refuses to change a parameter, so the values of an earlier, incomplete recording stay.
        given = {safe_name(key): str(value)[:MOST_PARAMETER_LENGTH] for key, value in record.parameters.items()}
        params = [Param(key, value) for key, value in given.items() if key not in run.data.params]
        finite, others = _split(record, run.data.metrics)
        tags = {key: value[:MOST_TAG_LENGTH] for key, value in record.tags.items()}
        if others:
            tags["adaptx.not_finite"] = ", ".join(others)[:MOST_TAG_LENGTH]
        if record.path is not None:
            tags |= self._path_tags(record.path)
        self.client.log_batch(run_id, params=params, tags=[RunTag(key, value) for key, value in tags.items()])
        for first in range(0, len(finite), MOST_METRICS_A_CALL):
            self.client.log_batch(run_id, metrics=finite[first : first + MOST_METRICS_A_CALL])
        self._log_data_sets(run_id, record)
        for file, folder in record.artifacts:
            self.client.log_artifact(run_id, str(file), artifact_path=folder)
        if run.info.status != record.status:
            # The end of a run that was finished before does not move.
            self.client.set_terminated(run_id, record.status)

    def find(self, key: RunKey) -> Any:
        """Return the run with this key, or None.

        Two commands may have created the run at the same time. Then only the older one is kept.
        """
        query = f"tags.`adaptx.fingerprint` = '{key.fingerprint}' and tags.`adaptx.kind` = '{key.kind}'"
        found = self.client.search_runs([self.experiment.experiment_id], query, max_results=100)
        first, *others = sorted(found, key=lambda run: (run.info.start_time, run.info.run_id)) or [None]
        for each in others:
            self.client.delete_run(each.info.run_id)
        return first

    def _made(self) -> Any:
        from mlflow.exceptions import MlflowException

        # A server decides for itself where artifacts are stored.
        folder = None if self._address.scheme != "sqlite" else (self._folder.resolve() / ARTIFACTS).as_uri()
        try:
            made = self.client.create_experiment(self._name, artifact_location=folder, tags=EXPERIMENT_TAGS)
        except MlflowException:
            # Another command may have created it in the meantime.
            if (found := self.client.get_experiment_by_name(self._name)) is not None:
                return found
            raise
        return self.client.get_experiment(made)

    def _run_for(self, record: Record) -> Any:
        if (found := self.find(record.key)) is not None:
            return found
        tags = {"adaptx.fingerprint": record.key.fingerprint, "adaptx.kind": record.key.kind}
        if record.parent is not None:
            tags[PARENT_TAG] = self.find(record.parent).info.run_id
        made = self.client.create_run(self.experiment.experiment_id, tags=tags, run_name=record.name)
        return self.find(record.key) or made

    def _path_tags(self, path: tuple[tuple[str, RunKey], ...]) -> dict[str, str]:
        """Return a tag and a description that link a variant to the trainings and merges that led to it."""
        lines: list[str] = []
        for name, key in path:
            run = self.find(key)
            link = f"[{name}](#/experiments/{self.experiment.experiment_id}/runs/{run.info.run_id})" if run else name
            lines.append(f"1. {link} `{key.fingerprint[:8]}`")
        note = "Trainings and merges on the path:\n\n" + "\n".join(lines) if lines else "Bare checkpoint."
        return {"adaptx.path": " ".join(key.fingerprint for _, key in path), "mlflow.note.content": note}

    def _log_data_sets(self, run_id: str, record: Record) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(name=safe_name(each.name), digest=each.digest, source_type="adaptx", source=each.source),
                [InputTag("mlflow.data.context", "training")],
            )
            for each in record.data_sets
        ]
        if inputs:
            self.client.log_inputs(run_id, inputs)


def _split(record: Record, known: Mapping[str, float]) -> tuple[list[Any], list[str]]:
    """Return the finite metrics as MLflow objects, and texts that describe the other metrics (NaN and infinity).

    If a value differs from the one that the run has, its time is now. MLflow shows the latest value.

    known: name of a metric -> the value that the run has so far.
    """
    from mlflow.entities import Metric

    now = max(record.milliseconds, int(time.time() * 1000))
    points = Counter(name for name, _, _ in record.metrics)
    finite: list[Any] = []
    for name, value, step in record.metrics:
        if math.isfinite(value):
            corrected = points[name] == 1 and known.get(safe_name(name), value) != value
            finite.append(Metric(safe_name(name), value, now if corrected else record.milliseconds, step))
    others = [
        f"{safe_name(name)} at step {step} ({value})"
        for name, value, step in record.metrics
        if not math.isfinite(value)
    ]
    return finite, others

"""One run written to MLflow: found by its fingerprint, or made, and brought up to date."""

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
# Without it the UI opens an experiment as traces of a language-model application, and hides its runs.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


def safe_name(name: str) -> str:
    """Return the name with everything that MLflow refuses replaced by `_`."""
    return "".join(each if each in "_-./ " or (each.isascii() and each.isalnum()) else "_" for each in name)


NOTING = ("alembic", "mlflow")
"""Loggers that tell of each table that MLflow makes in a new database."""


def connect(address: Address) -> Any:
    """Return MLflow's client of an address; it may change the working folder."""
    from mlflow import MlflowClient
    from mlflow.store.db import utils

    # MLflow asks a database that does not open for an hour, in silence.
    utils.MAX_RETRY_COUNT = 4
    with quiet(*NOTING):
        return MlflowClient(tracking_uri=address.enter())


class Writer:
    """Writes runs into one experiment; `tell` hears what a user should know.

    folder: the store's root, where artifacts of runs in a database lie.
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
        """The experiment of that name: made where it is missing, restored where it was deleted.

        MLflow keeps a deleted experiment's name, and its runs, so another one could not have it.
        """
        if self._experiment is None:
            found = self.client.get_experiment_by_name(self._name) or self._made()
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(found.experiment_id)
                self._tell(
                    f"the MLflow experiment {self._name!r} had been deleted: it is restored, with its runs "
                    "(`mlflow gc` removes deleted ones for good)"
                )
            self._experiment = found
        return self._experiment

    @property
    def identity(self) -> str:
        """Return what tells the experiment from one of the same name in a new database."""
        return f"{self.experiment.experiment_id} {self.experiment.creation_time}"

    def write(self, record: Record) -> None:
        """Bring a run up to date. Doing it twice changes nothing; a metric that was corrected since is added."""
        from mlflow.entities import Param, RunTag

        run = self._run_for(record)
        run_id = run.info.run_id
        # MLflow refuses to change a parameter: what an earlier, half-written recording said stays.
        given = {safe_name(key): str(value)[:MOST_PARAMETER_LENGTH] for key, value in record.parameters.items()}
        params = [Param(key, value) for key, value in given.items() if key not in run.data.params]
        finite, others = _split(record, run.data.metrics)
        tags = {"adaptx.not_finite": ", ".join(others)[:MOST_TAG_LENGTH]} if others else {}
        if record.path is not None:
            tags |= self._path_tags(record.path)
        self.client.log_batch(run_id, params=params, tags=[RunTag(key, value) for key, value in tags.items()])
        for first in range(0, len(finite), MOST_METRICS_A_CALL):
            self.client.log_batch(run_id, metrics=finite[first : first + MOST_METRICS_A_CALL])
        self._log_data_sets(run_id, record)
        for file, folder in record.artifacts:
            self.client.log_artifact(run_id, str(file), artifact_path=folder)
        self.client.set_terminated(run_id, record.status)

    def find(self, key: RunKey) -> Any:
        """Return the one run of that key, or None.

        Two commands that record to one server at once may each have made it: all but the oldest are deleted.
        """
        query = f"tags.`adaptx.fingerprint` = '{key.fingerprint}' and tags.`adaptx.kind` = '{key.kind}'"
        found = self.client.search_runs([self.experiment.experiment_id], query, max_results=100)
        first, *others = sorted(found, key=lambda run: (run.info.start_time, run.info.run_id)) or [None]
        for each in others:
            self.client.delete_run(each.info.run_id)
        return first

    def _made(self) -> Any:
        from mlflow.exceptions import MlflowException

        # A server knows where its artifacts go.
        folder = None if self._address.scheme != "sqlite" else (self._folder.resolve() / ARTIFACTS).as_uri()
        try:
            made = self.client.create_experiment(self._name, artifact_location=folder, tags=EXPERIMENT_TAGS)
        except MlflowException:
            # Another command may have made it in the meantime.
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
        """Return tag and description that lead from a variant to the trainings and merges on its path."""
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
    """Return the metrics as MLflow's, and the names of those that are not finite.

    MLflow would store infinity as a large number, and its JSON has no NaN. Of two values with one time it shows the
    larger, so that a value that was corrected since is of now. known: what the run shows by now.
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

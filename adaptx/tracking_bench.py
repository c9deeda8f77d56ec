"""A bench in MLflow: one run a cell under one parent, so that its UI compares them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptx.tracking import EXPERIMENT_TAGS

EXPERIMENT = "adaptx-bench"
PARENT_TAG = "mlflow.parentRunId"


def record_bench(rows: Sequence[dict[str, Any]], files: Sequence[Path], uri: str, store: Path) -> str:
    """Record factors as parameters and all that was measured as metrics; returns the parent's run id.

    rows: as `profiling/bench_files.py` makes them. files: become artifacts of the parent.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    artifacts = (store.resolve() / "mlartifacts").as_uri() if uri.startswith("sqlite:") else None
    experiment = (
        found.experiment_id
        if found is not None
        else client.create_experiment(EXPERIMENT, artifact_location=artifacts, tags=EXPERIMENT_TAGS)
    )
    models = ", ".join(dict.fromkeys(row["model"] for row in rows))
    parent = client.create_run(experiment, run_name=f"bench of {models}"[:250], tags={"adaptx.kind": "bench"})
    for row in rows:
        kind = row["method"] if row["quantised"] == "none" else f"{row['method']}.{row['quantised']}"
        name = f"{row['model']}.{kind}.{row['batch_size']}x{row['sequence_length']}.{row['precision']}"
        tags = {PARENT_TAG: parent.info.run_id, "adaptx.kind": "bench cell"}
        run = client.create_run(experiment, run_name=name, tags=tags).info.run_id
        texts = {key: value for key, value in row.items() if isinstance(value, str | bool)}
        numbers = {key: value for key, value in row.items() if isinstance(value, int | float) and key not in texts}
        # Sizes are parameters to group by and metrics to draw against.
        sizes = {key: str(row[key]) for key in ("parameters", "batch_size", "sequence_length", "micro_batch_size")}
        client.log_batch(
            run,
            metrics=[Metric(key, float(value), 0, 0) for key, value in numbers.items()],
            params=[Param(key, str(value)) for key, value in {**texts, **sizes}.items()],
        )
        client.set_terminated(run, "FAILED" if row["failed"] else "FINISHED")
    for file in files:
        client.log_artifact(parent.info.run_id, str(file))
    client.set_terminated(parent.info.run_id)
    return parent.info.run_id

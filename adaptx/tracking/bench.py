"""A benchmark in MLflow. Each cell (model, method and batch size) is a run under the parent run of the benchmark."""

import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from adaptx.tracking.records import Record, RunKey

EXPERIMENT = "adaptx-bench"


def bench_records(rows: Sequence[dict[str, Any]], files: Sequence[Path]) -> Iterator[Record]:
    """Yield a parent run, and then one run per cell. A cell's factors are parameters, its measurements are metrics.

    rows: one per cell, from `profiling/bench_files.py`. files: artifacts of the parent run.
    """
    # A random key, because two benchmarks are two runs even if they measure the same cells.
    bench, now = uuid.uuid4().hex, int(time.time() * 1000)
    models = ", ".join(dict.fromkeys(row["model"] for row in rows))
    parent = RunKey("bench", bench)
    artifacts = tuple((file.resolve(), None) for file in files)
    yield Record(parent, f"bench of {models}"[:250], now, artifacts=artifacts)
    for place, row in enumerate(rows):
        kind = row["method"] if row["quantised"] == "none" else f"{row['method']}.{row['quantised']}"
        name = f"{row['model']}.{kind}.{row['batch_size']}x{row['sequence_length']}.{row['precision']}"
        texts = {key: value for key, value in row.items() if isinstance(value, str | bool)}
        numbers = {key: value for key, value in row.items() if isinstance(value, int | float) and key not in texts}
        # Sizes are recorded twice: as parameters, to group runs by, and as metrics, to plot against.
        sizes = {key: row[key] for key in ("parameters", "batch_size", "sequence_length", "micro_batch_size")}
        yield Record(
            RunKey("bench cell", f"{bench}-{place}"),
            name,
            now,
            {**texts, **sizes},
            tuple((key, float(value), 0) for key, value in numbers.items()),
            parent=parent,
            status="FAILED" if row["failed"] else "FINISHED",
        )

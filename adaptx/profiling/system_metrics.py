"""Use of processor, memory and GPU while a stage runs."""

import contextlib
import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from adaptx.profiling.sampling import sampled
from adaptx.store.json_text import json_text

INTERVAL_SECONDS = 2.0
FILE = "system.jsonl"


@contextmanager
def system_metrics(file: Path, device: torch.device) -> Generator[None]:
    """During the `with` block, append a line of metrics to `file` every two seconds. The names are those in MLflow."""
    process = psutil.Process()
    psutil.cpu_percent()
    began = time.monotonic()

    def sample() -> None:
        entry = {
            "seconds": time.monotonic() - began,
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": psutil.virtual_memory().used / 1e6,
            "process_resident_memory_megabytes": process.memory_info().rss / 1e6,
        }
        if device.type == "cuda":
            entry["gpu_0_memory_usage_megabytes"] = torch.cuda.memory_allocated(device) / 1e6
        # These metrics are not worth failing a stage, for example when the disk is full.
        with contextlib.suppress(OSError), file.open("a") as stream:
            stream.write(json_text(entry) + "\n")

    with sampled(sample, INTERVAL_SECONDS):
        yield


def whole_lines(file: Path) -> str:
    """Return the complete lines of a metrics file. The last line may be incomplete if the process was killed."""
    lines: list[str] = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            json.loads(line)
            lines.append(f"{line}\n")
    return "".join(lines)

"""What a stage ran on: the device, its threads, and the versions of the packages that results may depend on."""

import contextlib
import importlib.metadata
from typing import Any

import torch

PACKAGES = ("adaptx", "torch", "transformers", "peft", "adapters", "accelerate", "datasets")


def environment(device: torch.device) -> dict[str, Any]:
    """Return what a stage's result records of the machine and the software."""
    versions: dict[str, str] = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {"device": str(device), "threads": torch.get_num_threads(), "versions": versions}

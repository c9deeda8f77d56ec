"""The environment of a stage: device, number of CPU threads, and the versions of packages that may affect results."""

import contextlib
import importlib.metadata

import torch

from adaptx.store.records import Environment

PACKAGES = ("adaptx", "torch", "transformers", "peft", "adapters", "accelerate", "datasets")


def environment(device: torch.device) -> Environment:
    """Return the environment of this process, as it is stored with a stage's result."""
    versions: dict[str, str] = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return Environment(str(device), torch.get_num_threads(), versions)

"""The environment of a stage: the device, its threads, and the versions of packages that results may depend on."""

import contextlib
import importlib.metadata

import torch

from adaptx.store.records import Environment

PACKAGES = ("adaptx", "torch", "transformers", "peft", "adapters", "accelerate", "datasets")


def environment(device: torch.device) -> Environment:
    """Return the environment that a stage's result records."""
    versions: dict[str, str] = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return Environment(str(device), torch.get_num_threads(), versions)

"""What a stage ran on: the device, its threads, and the versions of the packages that results may depend on."""

import contextlib
import importlib.metadata

import torch

from adaptx.store.records import Environment

PACKAGES = ("adaptx", "torch", "transformers", "peft", "adapters", "accelerate", "datasets")


def environment(device: torch.device) -> Environment:
    """Return what a stage's result records of the machine and the software."""
    versions: dict[str, str] = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return Environment(str(device), torch.get_num_threads(), versions)

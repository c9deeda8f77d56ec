"""The workshop: the store, the sources and the device that a process needs to carry out stages."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch

from adaptx.backbones.backbone import Backbone
from adaptx.errors import UserError
from adaptx.evaluation.evaluator import Evaluator
from adaptx.formats.interface import Reading
from adaptx.formats.row_cache import MOST_BYTES, RowCache
from adaptx.methods.module import Module, load_module
from adaptx.methods.published import load_published
from adaptx.planning.naming import path_of_tasks
from adaptx.planning.plan import Node
from adaptx.sources.sources import Sources
from adaptx.specs import ModelSpec, ModuleSource, ModuleStage, Published, Resources
from adaptx.store.entry import Entry
from adaptx.store.store import Store
from adaptx.training.gradients import Budget, Setting
from adaptx.training.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """The store and sources from which stages get their inputs, and the device on which they run.

    workers: number of processes that carry out stages at the same time on this machine.
    """

    store: Store
    sources: Sources
    fingerprint_of: Callable[[ModuleStage], str]
    resources: Resources
    device: torch.device
    workers: int = 1

    @cached_property
    def rows(self) -> RowCache:
        """The cache through which this process reads rows. The workers' caches share one memory limit."""
        return RowCache(self.sources, MOST_BYTES // self.workers)

    def entry(self, stage: ModuleStage) -> Entry:
        """Return the stored entry of a training or merge.

        Raises:
            UserError: the stage is not in the store.
        """
        found = self.store.find(self.fingerprint_of(stage))
        if found is None:
            raise UserError(
                f"the module of {path_of_tasks(stage)} is not in the store {self.store.root}; run its recipe first"
            )
        return found

    def setting(self, precision: str) -> Setting:
        """Return the device, the precision, and the limits on the size of micro-batches."""
        return Setting(self.device, precision, Budget(*self.resources.micro_batch_limits(self.device.type)))

    def evaluator(
        self,
        backbone: Backbone,
        reading: Reading,
        precision: str,
        limit: int | None = None,
        memory: dict[object, torch.Tensor] | None = None,
        progress: Progress | None = None,
        name: str = "",
    ) -> Evaluator:
        """Return an evaluator for a model.

        limit: maximum number of candidates in a retrieval task's pool. memory: see `FinishedModel`. name: the stage's
        name, which `progress` shows.
        """
        setting = self.setting(precision)
        return Evaluator(backbone, reading, setting, self.rows, limit, progress, name, memory)

    def is_done(self, node: Node) -> bool:
        """Return whether the stage is in the store now. Another process may have stored it."""
        self.store.look_again()
        return node.is_done(self.store.find(node.fingerprint))

    def module(self, source: ModuleSource) -> Module:
        """Return the module of a training or merge from the store, or a published module.

        Raises:
            UserError: the module was trained on other weights than the checkpoint has now.
        """
        if isinstance(source, Published):
            return load_published(source, self.base_digest(source.model), self.sources)
        module = load_module(self.entry(source).checked(weights=True))
        base = self.base_digest(source.model)
        if module.base != base:
            raise UserError(
                f"{self.entry(source).folder.name} was trained on a checkpoint with digest {module.base}, but "
                f"{source.model.hub_id} now has the digest {base}; run the recipe again to train it on these weights"
            )
        return module

    def base_digest(self, model: ModelSpec) -> str:
        """Return the digest of a checkpoint's weights. If none is known, return the checkpoint's name and revision.

        Raises:
            UserError: the checkpoint has changed since the run was planned.
        """
        place = self.sources.model(model)
        return place.digest or place.nominal


def choose_device(resources: Resources) -> torch.device:
    """Return the requested device. If none is requested, return CUDA if it is available, otherwise the CPU.

    Raises:
        UserError: the requested device does not exist.
    """
    if resources.device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(resources.device)
    except RuntimeError as error:
        raise UserError(f"--device {resources.device}: unknown device; use cpu, cuda, cuda:N or mps") from error
    missing = {
        "cuda": not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count(),
        "mps": not torch.backends.mps.is_available(),
    }
    if missing.get(device.type, False):
        raise UserError(
            f"--device {resources.device}: torch {torch.__version__} finds no such device; use --device cpu"
        )
    return device

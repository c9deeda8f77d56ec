"""The workshop: where stages find what they need, and the device that they run on."""

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
    """Where stages find what they need and where they run. workers: how many processes work at once on this machine."""

    store: Store
    sources: Sources
    fingerprint_of: Callable[[ModuleStage], str]
    resources: Resources
    device: torch.device
    workers: int = 1

    @cached_property
    def rows(self) -> RowCache:
        """What reads rows for all stages that this process carries out; workers share out its memory."""
        return RowCache(self.sources, MOST_BYTES // self.workers)

    def entry(self, stage: ModuleStage) -> Entry:
        """Raises:
        UserError: the training or merge is not in the store.
        """
        found = self.store.find(self.fingerprint_of(stage))
        if found is None:
            raise UserError(f"the module of {path_of_tasks(stage)} is not in the store {self.store.root}")
        return found

    def setting(self, precision: str) -> Setting:
        """Return where and in what precision micro-batches are computed, and their bounds on this device."""
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
        """Return what predicts with a model. limit: of a retrieval task's pool. name: of the stage, for `progress`."""
        setting = self.setting(precision)
        return Evaluator(backbone, reading, setting, self.rows, limit, progress, name, memory)

    def is_done(self, node: Node) -> bool:
        """Whether this process or another one has left the stage in the store."""
        self.store.look_again()
        return node.is_done(self.store.find(node.fingerprint))

    def module(self, source: ModuleSource) -> Module:
        """The stored module of a training or merge, checked against the checkpoint it was trained on, or another."""
        if isinstance(source, Published):
            return load_published(source, self.base_digest(source.model), self.sources)
        module = load_module(self.entry(source).checked(weights=True))
        base = self.base_digest(source.model)
        if module.base != base:
            raise UserError(
                f"{self.entry(source).folder.name} was trained on a checkpoint with digest {module.base}, but "
                f"{source.model.hub_id} now has {base}"
            )
        return module

    def base_digest(self, model: ModelSpec) -> str:
        """Raises:
        UserError: the checkpoint has been changed since the run was planned.
        """
        place = self.sources.model(model)
        return place.digest or place.nominal


def choose_device(resources: Resources) -> torch.device:
    """The device asked for, or the best there is.

    Raises:
        UserError: it is not there.
    """
    if resources.device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(resources.device)
    except RuntimeError as error:
        raise UserError(f"--device {resources.device}: no such device; use cpu, cuda, cuda:N or mps") from error
    missing = {
        "cuda": not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count(),
        "mps": not torch.backends.mps.is_available(),
    }
    if missing.get(device.type, False):
        raise UserError(f"--device {resources.device}: torch {torch.__version__} sees no such device; use --device cpu")
    return device

"""Build the model a stage works on, from the checkpoint and the modules in the store."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from adaptx.backbones.encoder import Encoder, to_precision
from adaptx.backbones.loading import load_network, load_tokenizer
from adaptx.composition.assembly import Assembly, assemble
from adaptx.errors import UserError
from adaptx.formats import classification
from adaptx.formats.heads import kept_head, load_head
from adaptx.methods.module import Module, load_module
from adaptx.sources import Sources
from adaptx.specs import Classification, KeptHead, ModelSpec, Precision, Resources, Sequential, Train
from adaptx.store import Entry, Store


@dataclass(frozen=True)
class Workshop:
    """Where stages find what they need and where they run."""

    store: Store
    sources: Sources
    fingerprint_of: Callable[[Train], str]
    resources: Resources
    device: torch.device

    def entry(self, train: Train) -> Entry:
        """Raises:
        UserError: the training is not in the store.
        """
        found = self.store.find(self.fingerprint_of(train))
        if found is None:
            raise UserError(f"the module of {train.task.name} is not in the store {self.store.root}")
        return found

    def module(self, train: Train) -> Module:
        """The stored module of a training, checked against the checkpoint it was trained on."""
        module = load_module(self.entry(train).folder)
        base = self.base_digest(train.model)
        if module.base != base:
            raise UserError(
                f"{self.entry(train).folder.name} was trained on a checkpoint with digest {module.base}, but "
                f"{train.model.hub_id} now has {base}"
            )
        return module

    def base_digest(self, model: ModelSpec) -> str:
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


@dataclass(frozen=True)
class Fresh:
    """A model about to be trained."""

    backbone: Encoder
    assembly: Assembly
    head: nn.Module
    tokenizer: Any


def model_to_train(train: Train, shop: Workshop) -> Fresh:
    """Base, frozen modules, own module and head; all random values come from the training's seed.

    Raises:
        UserError: texts may be longer than the checkpoint reads.
    """
    network: Any = load_network(train.model, shop.sources, train.config.dropout)
    backbone = Encoder(network)
    if train.config.max_length > backbone.most_tokens:
        raise UserError(
            f"TrainConfig(max_length={train.config.max_length}): {train.model.hub_id} reads at most "
            f"{backbone.most_tokens} tokens; set max_length to that or less"
        )
    tokenizer = load_tokenizer(train.model, shop.sources)
    torch.manual_seed(train.config.seed)
    assembly = assemble(network, train, shop.module)
    # Seeded apart from the module, so that a head begins the same under every method.
    torch.manual_seed(train.config.seed)
    head = _begin_head(train, shop, backbone.hidden_size, network.config.hidden_dropout_prob)
    backbone.to(shop.device)
    head.to(shop.device)
    return Fresh(backbone, assembly, head, tokenizer)


def _begin_head(train: Train, shop: Workshop, hidden_size: int, dropout: float) -> nn.Module:
    assert isinstance(train.task.format, Classification)
    if isinstance(train.head, KeptHead):
        assert isinstance(train.start, Sequential)
        return kept_head(shop.entry(train.start.stage).folder, train.task.format, hidden_size, dropout)
    return classification.new_head(train.task.format, hidden_size, dropout)


@dataclass(frozen=True)
class Finished:
    """A model to predict with; head and labels are None for a bare checkpoint."""

    backbone: Encoder
    head: nn.Module | None
    labels: tuple[str, ...] | None
    tokenizer: Any


def finished_model(model: ModelSpec | Train, shop: Workshop, precision: Precision) -> Finished:
    """The bare checkpoint, or what a stored training ended with; the same arithmetic as when it was trained."""
    base = model.model if isinstance(model, Train) else model
    network: Any = load_network(base, shop.sources)
    tokenizer = load_tokenizer(base, shop.sources)
    if isinstance(model, ModelSpec):
        network.requires_grad_(False)
        to_precision(network, [], bf16=precision == "bf16")
        return Finished(Encoder(network).to(shop.device), None, None, tokenizer)
    # What is drawn here is overwritten by the stored module; the caller's generator is left as it was.
    with torch.random.fork_rng(devices=[]):
        assemble(network, model, shop.module, own=shop.module(model), precision=precision)
    head, labels = load_head(shop.entry(model).folder, network.config.hidden_size)
    return Finished(Encoder(network).to(shop.device).eval(), head.to(shop.device).eval(), labels, tokenizer)

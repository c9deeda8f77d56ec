"""Build the model that a stage trains or evaluates, from the checkpoint and from stored modules and heads."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from adaptx.backbones.backbone import Backbone, to_precision
from adaptx.backbones.dropout import head_dropout
from adaptx.backbones.families import backbone_over
from adaptx.backbones.loading import load_network
from adaptx.backbones.own_tensors import load_language_model_head
from adaptx.backbones.recomputing import recompute_layers
from adaptx.composition.assembly import Assembly, assemble, base_for
from adaptx.errors import UserError
from adaptx.execution.workshop import Workshop
from adaptx.formats import behaviour
from adaptx.formats.heads import for_labels, load_head
from adaptx.formats.interface import HeadBase, TrainedHead
from adaptx.methods.quantised import quantise_loaded
from adaptx.planning.framings import has_head
from adaptx.planning.lineage import answering_training, head_of
from adaptx.specs import (
    KeptHead,
    Merge,
    Merged,
    Mixture,
    ModelSpec,
    ModuleStage,
    NoHead,
    Precision,
    Published,
    Sequential,
    Task,
    TaskFormat,
    Train,
)


@dataclass(frozen=True)
class NewModel:
    """The model of a training before the first step.

    heads: the heads by name (see `head_name`), each with the task format that it is trained for.
    """

    backbone: Backbone
    assembly: Assembly
    heads: dict[str, TrainedHead]
    tokenizer: Any


def head_name(train: Train, task: Task) -> str:
    """Return the name of the head that answers a task of this training.

    A training on a single task has one head, named "0". In a mixture, tasks can share a head; its name is the index of
    the first task that uses it.
    """
    return str(train.task.head_place(task) if isinstance(train.task, Mixture) else 0)


def model_to_train(train: Train, shop: Workshop) -> NewModel:
    """Build the model of a training: the checkpoint, the frozen modules, the module to train and the heads.

    All random values come from the training's seed.

    Raises:
        UserError: `max_length` exceeds the number of tokens that the checkpoint can read, or the checkpoint has changed
            since the run was planned.
    """
    shop.base_digest(train.model)  # raises now if the checkpoint has changed, rather than after the training
    bf16, device = base_for(train, train.config.precision, shop.device, finished=False)
    network = _bare_network(train.model, shop, train.config.dropout, bf16, device)
    backbone = backbone_over(network)
    if train.config.max_length > backbone.most_tokens:
        raise UserError(
            f"TrainConfig(max_length={train.config.max_length}): {train.model.hub_id} reads at most "
            f"{backbone.most_tokens} tokens; set max_length to that or less"
        )
    tokenizer = shop.rows.tokenizer(train.model)
    torch.manual_seed(train.config.seed)
    assembly = assemble(network, train, shop.module)
    if shop.resources.gradient_checkpointing:
        recompute_layers(network, backbone)
    heads = _new_or_kept_heads(train, shop, head_base(network, train.model, shop))
    backbone.to(shop.device)
    for head in heads.values():
        head.module.to(shop.device)
    return NewModel(backbone, assembly, heads, tokenizer)


def _bare_network(
    model: ModelSpec, shop: Workshop, dropout: float | None, bf16: bool, device: torch.device | None
) -> Any:
    if model.quantised is None:
        return load_network(model, shop.sources, dropout, bf16, device)
    # Weights are loaded on the CPU first, because the device may be too small for them before they are quantised.
    network = load_network(model, shop.sources, dropout, bf16)
    quantise_loaded(network, model.quantised, bf16, shop.device)
    return network


def head_base(network: Any, model: ModelSpec, shop: Workshop) -> HeadBase:
    """Collect the facts about a network that heads depend on, such as its hidden size."""
    config = network.config
    return HeadBase(
        config.hidden_size, head_dropout(config), network, lambda: load_language_model_head(model, shop.sources)
    )


def _new_or_kept_heads(train: Train, shop: Workshop, base: HeadBase) -> dict[str, TrainedHead]:
    heads: dict[str, TrainedHead] = {}
    for task in train.tasks:
        name = head_name(train, task)
        if not has_head(train, task) or name in heads:
            continue
        # Each head is seeded separately, so that it starts from the same values under every method.
        torch.manual_seed(train.config.seed)
        module = _kept(train, task, shop, base) if isinstance(train.head, KeptHead) else new_head(task.format, base)
        heads[name] = TrainedHead(module, task.format)
    return heads


def new_head(task_format: TaskFormat, base: HeadBase) -> nn.Module:
    """Return an untrained head for a task format."""
    training = behaviour(task_format).training
    assert training is not None and training.new_head is not None
    return training.new_head(task_format, base)


def _kept(train: Train, task: Task, shop: Workshop, base: HeadBase) -> nn.Module:
    assert isinstance(train.start, Sequential | Merged)
    earlier = train.start.stage
    assert not isinstance(earlier, Published), "planning refuses to keep a head of a published module"
    served = head_of(earlier, task)
    assert served is not None, "planning refuses to keep a head that does not exist"
    name = head_name(answering_training(earlier), served)
    found = load_head(shop.entry(earlier).checked(), name, lambda each: new_head(each, base))
    return for_labels(found, task.format)


@dataclass(frozen=True)
class FinishedModel:
    """A model that is ready to predict: a bare checkpoint, or a stored training or merge.

    heads: the trained heads by name; empty for a bare checkpoint.
    memory: the vectors of the retrieval pools that were embedded so far. Several languages may share a pool, which is
        embedded only once.
    """

    backbone: Backbone
    heads: dict[str, TrainedHead]
    tokenizer: Any
    memory: dict[object, torch.Tensor]


def finished_model(model: ModelSpec | ModuleStage, shop: Workshop, precision: Precision) -> FinishedModel:
    """Load a bare checkpoint, or the model of a stored stage, for predictions in `precision`."""
    base = model if isinstance(model, ModelSpec) else model.model
    shop.base_digest(base)
    bf16, device = precision == "bf16", shop.device
    if not isinstance(model, ModelSpec):
        bf16, device = base_for(model, precision, shop.device, finished=True)
    network = _bare_network(base, shop, None, bf16, device)
    tokenizer = shop.rows.tokenizer(base)
    if isinstance(model, ModelSpec):
        network.requires_grad_(False)
        to_precision(network, [], bf16=precision == "bf16")
        return FinishedModel(backbone_over(network).to(shop.device), {}, tokenizer, {})
    # Random initial values are overwritten by the stored ones, so the caller's generator is restored afterwards.
    with torch.random.fork_rng(devices=[]):
        assemble(network, model, shop.module, own=shop.module(model), precision=precision)
        heads = stored_heads(model, shop, head_base(network, base, shop))
    for head in heads.values():
        head.module.to(shop.device).eval()
    return FinishedModel(backbone_over(network).to(shop.device).eval(), heads, tokenizer, {})


def stored_heads(stage: ModuleStage, shop: Workshop, base: HeadBase) -> dict[str, TrainedHead]:
    """Load all heads of a stored training or merge, by name."""
    if isinstance(stage, Merge) and isinstance(stage.head, NoHead):
        return {}
    train, folder = answering_training(stage), shop.entry(stage).checked()
    names = dict.fromkeys(head_name(train, task) for task in train.tasks if has_head(train, task))
    return {name: load_head(folder, name, lambda each: new_head(each, base)) for name in names}

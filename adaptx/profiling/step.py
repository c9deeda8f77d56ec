"""The training step for memory predictions and measurements: the same code runs on fake tensors, a CPU or a GPU.

Weights have random values, and the dtypes that they have in training: fp32 for trainable weights; for frozen weights
fp32, or bf16 under the precision `bf16`. An encoder has the layers, packing and dropout of training. The other families
have the loss over the vocabulary of training.

Suffixes of tensor names, one letter per dimension: B sequences, T tokens, D hidden size.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from adaptx.backbones import bf16_products
from adaptx.backbones.architectures import build_network
from adaptx.backbones.backbone import to_precision, trainable
from adaptx.backbones.batching import Encoding, collate
from adaptx.backbones.cpu_kernels import CpuKernels
from adaptx.backbones.decoder import stack_of
from adaptx.backbones.encoder import Encoder, no_mask
from adaptx.backbones.output_matrix import output_matrix
from adaptx.backbones.recomputing import recompute_layers
from adaptx.backbones.vocabulary_loss import summed_cross_entropy
from adaptx.formats.heads import LinearHead
from adaptx.methods import attach, prepare, quantised
from adaptx.profiling.cell import TARGET_TOKENS, Cell
from adaptx.profiling.tracker import MemoryPart
from adaptx.specs import ModelFamily
from adaptx.specs.quantisation import Quantisation
from adaptx.specs.sites import sites_of

LABELS = 3
PHASES = ("forward", "loss", "backward", "optimiser step")


class Watch(Protocol):
    """An observer of a step's phases and tensors, such as `Tracker`."""

    def during(self, phase: str, part: MemoryPart) -> AbstractContextManager[Any]: ...

    def end_forward(self, phase: str) -> None: ...

    def book(self, tensors: Iterable[Tensor], part: MemoryPart) -> None: ...


class NoWatcher:
    """An observer that records nothing."""

    def during(self, phase: str, part: MemoryPart) -> AbstractContextManager[Any]:  # noqa: ARG002
        return nullcontext()

    def end_forward(self, phase: str) -> None: ...

    def book(self, tensors: Iterable[Tensor], part: MemoryPart) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Step:
    """A model with its optimiser, and the functions of one training step.

    parameters: all trained parameters.
    own: parameters of the method's module, without the head.
    forward: the forward pass of one micro-batch.
    loss_sum: returns the summed loss of a micro-batch, given the output of `forward`.
    arithmetic, kernels: return the contexts in which the forward pass runs.
    """

    cell: Cell
    model: nn.Module
    parameters: list[nn.Parameter]
    own: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    forward: Callable[[], Tensor]
    loss_sum: Callable[[Tensor], Tensor]
    arithmetic: Callable[[], AbstractContextManager[Any]]
    kernels: Callable[[], AbstractContextManager[Any]]

    def run(self, watch: Watch | None = None) -> None:
        """Run one optimiser step: sum the gradients of all micro-batches, clip them and update the parameters."""
        watch = watch or NoWatcher()
        for _ in range(self.cell.micro_batches):
            with self.arithmetic(), self.kernels():
                with watch.during("forward", MemoryPart.ACTIVATIONS):
                    output = self.forward()
                watch.end_forward("forward")
                with watch.during("loss", MemoryPart.LOSS):
                    loss = self.loss_sum(output)
            del output
            with watch.during("backward", MemoryPart.TEMPORARY):
                loss.backward()
                del loss
            watch.book((p.grad for p in self.parameters if p.grad is not None), MemoryPart.GRADIENTS)
        with watch.during("optimiser step", MemoryPart.TEMPORARY):
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

    def make_state(self, watch: Watch | None = None) -> None:
        """Create the optimiser's state, as the first step would, so that the next step is like all later ones."""
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        state = [
            value for each in self.optimizer.state.values() for value in each.values() if isinstance(value, Tensor)
        ]
        (watch or NoWatcher()).book(state, MemoryPart.OPTIMISER)


Quantise = Callable[[nn.Module, Quantisation, bool], None]
"""A function that puts quantised linear maps into a network on the meta device. Its arguments are the network, the kind
of quantisation, and whether products are in bf16."""


def outline(
    cell: Cell, quantise: Quantise = quantised.quantise
) -> tuple[nn.Module, nn.Module | None, list[nn.Parameter]]:
    """Return (network, head, the method's parameters) on the meta device, where weights need no memory.

    The head is None for models that are not encoders.
    """
    shape = cell.shape
    bf16 = cell.precision == "bf16"
    with torch.device("meta"):
        network: Any = build_network(shape)
        prepare(network, [cell.method])
        if cell.quantised is not None:
            quantise(network, cell.quantised, bf16)
        own = list(attach(network, sites_of(network), cell.method, "own").values())
        head = LinearHead(shape.hidden_size, LABELS, 0.1) if cell.model.family is ModelFamily.ENCODER else None
    network.requires_grad_(False)
    for parameter in own:
        parameter.requires_grad_(True)
    to_precision(network, [], bf16)
    return network, head, own


def make_step(
    cell: Cell,
    device: torch.device,
    kernels: Callable[[], AbstractContextManager[Any]] | None = None,
    quantise: Quantise | None = None,
    arithmetic: Callable[[str, str], AbstractContextManager[Any]] = bf16_products.arithmetic,
) -> Step:
    """Build the model and return its step. Inside a fake tensor mode, the weights need no memory.

    arithmetic: returns the outer context of each forward pass, given a device type and a precision; by default the
    context of training.
    kernels: returns the inner context; by default `CpuKernels`, as in training on a CPU.
    quantise: puts stand-ins for quantised linear maps into the network; by default bitsandbytes' own are used.
    """
    network, head, _ = outline(cell, quantise or quantised.quantise)
    model = nn.ModuleDict({"network": network} if head is None else {"network": network, "head": head})
    if cell.quantised is not None and quantise is None:
        quantised.give_weights(model, lambda layer: _weight("weight", layer, layer.weight, device).data)
    _materialise(model, device)
    model.train()
    parameters = trainable(model)
    in_head = {id(parameter) for parameter in head.parameters()} if head is not None else set[int]()
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    backbone = None
    if cell.model.family is ModelFamily.ENCODER:
        assert head is not None
        backbone = Encoder(network)
        forward, loss_sum = _classification(cell, backbone, head, device)
    else:
        forward, loss_sum = _language_model(cell, network, device)
    if cell.gradient_checkpointing:
        recompute_layers(network, backbone, kernels)
    own = [parameter for parameter in parameters if id(parameter) not in in_head]
    products = partial(arithmetic, device.type, cell.precision)
    return Step(
        cell=cell,
        model=model,
        parameters=parameters,
        own=own,
        optimizer=optimizer,
        forward=forward,
        loss_sum=loss_sum,
        arithmetic=products,
        kernels=kernels or CpuKernels,
    )


def _materialise(model: nn.Module, device: torch.device) -> None:
    """Replace the model's meta tensors by tensors on the device, with values that keep the step finite."""
    made: dict[int, Any] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.is_meta:
                continue
            # A parameter that two modules share stays shared.
            if id(parameter) not in made:
                made[id(parameter)] = (_weight(name, module, parameter, device), parameter)
            setattr(module, name, made[id(parameter)][0])
        for name, buffer in module.named_buffers(recurse=False):
            # Rotary frequencies fall from 1. The step does not depend on the values of other buffers.
            values = torch.logspace(0, -4, buffer.numel()) if name == "inv_freq" else torch.zeros(buffer.shape)
            module.register_buffer(name, values.to(device, buffer.dtype), persistent=False)


def _weight(name: str, module: nn.Module, parameter: Tensor, device: torch.device) -> nn.Parameter:
    tensor = torch.empty(parameter.shape, dtype=parameter.dtype, device=device)
    if not tensor.is_floating_point():
        tensor.zero_()
    elif tensor.ndim > 1:
        tensor.normal_(0, 0.02)
    else:
        tensor.fill_(1.0 if "norm" in type(module).__name__.lower() and name == "weight" else 0.0)
    return nn.Parameter(tensor, requires_grad=parameter.requires_grad)


def _classification(
    cell: Cell, backbone: Encoder, head: nn.Module, device: torch.device
) -> tuple[Callable[[], Tensor], Callable[[Tensor], Tensor]]:
    sequences = [[5] * cell.sequence_length for _ in range(cell.micro_batch)]
    batch = collate(Encoding(sequences, None, 1, 0), range(len(sequences)), device)
    gold_B = torch.zeros(cell.micro_batch, dtype=torch.long, device=device)

    def forward() -> Tensor:
        return backbone.pooled(batch, cell.model.framing)

    def loss_sum(vectors_BD: Tensor) -> Tensor:
        return nn.functional.cross_entropy(head(vectors_BD), gold_B, reduction="sum")

    return forward, loss_sum


def _language_model(
    cell: Cell, network: Any, device: torch.device
) -> tuple[Callable[[], Tensor], Callable[[Tensor], Tensor]]:
    shape = (cell.micro_batch, cell.sequence_length)
    ids_BT = torch.full(shape, 5, dtype=torch.long, device=device)
    read = {"input_ids": ids_BT, "attention_mask": no_mask(ids_BT)}
    gold_BT = ids_BT
    if cell.model.family is ModelFamily.ENCODER_DECODER:
        gold_BT = torch.full((cell.micro_batch, TARGET_TOKENS), 5, dtype=torch.long, device=device)

    def forward() -> Tensor:
        if cell.model.family is ModelFamily.DECODER:
            return stack_of(network)(**read, use_cache=False).last_hidden_state
        encoded_BTD = network.get_encoder()(**read).last_hidden_state
        seen = {"encoder_hidden_states": encoded_BTD, "encoder_attention_mask": read["attention_mask"]}
        return network.get_decoder()(input_ids=gold_BT, use_cache=False, **seen).last_hidden_state

    def loss_sum(states_BTD: Tensor) -> Tensor:
        return summed_cross_entropy(states_BTD.flatten(0, 1), output_matrix(network), gold_BT.flatten())

    return forward, loss_sum

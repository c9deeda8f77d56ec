"""The interface through which formats, training and evaluation use a backbone of any family.

Suffixes of tensor and array names, one letter per dimension: T tokens of all sequences (laid end to end in one row), N
sequences, D hidden size.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones import rows
from adaptx.backbones.batching import TokenBatch
from adaptx.backbones.packed_attention import PackedAttention
from adaptx.backbones.rows import TokenRows
from adaptx.errors import UserError
from adaptx.specs import Hidden, Pooling
from adaptx.specs.architectures import ARCHITECTURES
from adaptx.specs.architectures.architecture import Architecture

UNBOUNDED = 1 << 30
"""Maximum sequence length of a network without a limit, in tokens."""


class Backbone(nn.Module):
    """A transformers network that is read through its hidden states. Methods (such as LoRA) attach to `network`.

    This class is the interface; each model family has one subclass. An encoder's network has no head. The networks of
    the other families always include their lm_head, so that a module's parameters have the same names whether the
    network is read through hidden states or through text.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self._attention: AbstractContextManager[Any] = nullcontext()
        self.given: TokenRows | None = None
        """The rows of the last forward pass."""

    @property
    def architecture(self) -> Architecture:
        """Facts about the network's architecture."""
        return ARCHITECTURES[self.network.config.model_type]

    @property
    def hidden_size(self) -> int:
        return self.network.config.hidden_size

    @property
    def num_layers(self) -> int:
        """Number of layers in `stack`."""
        return self.network.config.num_hidden_layers

    @property
    def stack(self) -> Any:
        """The part of the network whose hidden states are read (the encoder of an encoder-decoder)."""
        return self.network

    @property
    def most_tokens(self) -> int:
        """Maximum sequence length in tokens."""
        raise NotImplementedError

    def hidden(self, batch: TokenBatch, layer: int | None = None, bidirectional: bool = False) -> Tensor:
        """Return the hidden states [T, D] after `layer` (None: the last layer; 0: the embeddings).

        bidirectional: let a decoder's tokens attend to later tokens as well.

        Raises:
            UserError: the network has no such layer.
        """
        raise NotImplementedError

    def started(self, batch: TokenBatch) -> Tensor:  # noqa: ARG002
        """Return the states [N, D] of an encoder-decoder's decoder at the start token, one per sequence.

        Raises:
            UserError: the network is not an encoder-decoder.
        """
        raise UserError(
            f"Pooling.START: {self.network.config.model_type} is not an encoder-decoder, so it has no decoder start "
            "token to read; use MEAN"
        )

    def rows_of(self, batch: TokenBatch) -> Iterable[TokenRows]:
        """Return the inputs of the forward passes over a batch. Each holds one packed row, or several padded rows."""
        return [rows.packed(batch)] if self.architecture.padded is None else rows.padded(batch)

    def attention(self) -> AbstractContextManager[Any]:
        """Return the context manager of the last forward pass, which kept attention within each sequence.

        Gradient checkpointing enters it again when it recomputes a layer.
        """
        return self._attention

    def keep_apart(self, given: TokenRows, bidirectional: bool = False) -> AbstractContextManager[Any]:
        """Return a context manager for a forward pass over `given` that keeps attention within each sequence."""
        self.given = given
        self._attention = PackedAttention(given.groups, bidirectional) if given.groups else nullcontext()
        return self._attention

    def below_last(self, layer: int | None) -> int | None:
        """Return `layer`, or None if it is the last layer (such as layer 12 of 12).

        For None, callers read `last_hidden_state`, which includes the final norm. For other layers they read
        `hidden_states`, which does not.

        Raises:
            UserError: the network has no such layer.
        """
        if layer is not None and layer > self.num_layers:
            raise UserError(
                f"Hidden(layer={layer}): the checkpoint has only {self.num_layers} layers; use a layer from 0 to "
                f"{self.num_layers}"
            )
        return None if layer == self.num_layers else layer

    def pooled(self, batch: TokenBatch, framing: Hidden) -> Tensor:
        """Return one fp32 vector per sequence, [N, D]. With `Pooling.MEAN`, the mean leaves out padding."""
        if framing.pooling is Pooling.START:
            return self.started(batch).float()
        hidden_TD = self.hidden(batch, framing.layer, framing.bidirectional).float()
        match framing.pooling:
            case Pooling.FIRST:
                return hidden_TD[batch.first_N]
            case Pooling.LAST:
                return hidden_TD[batch.first_N + batch.lengths_N - 1]
            case Pooling.MEAN:
                # A matrix product, because scattered additions on a GPU run in no fixed order and are not reproducible.
                with torch.autocast(hidden_TD.device.type, enabled=False):
                    sums_ND = batch.members.float() @ hidden_TD
                return sums_ND / batch.lengths_N.unsqueeze(1)


class TransferModel(nn.Module):
    """A backbone with one head per task. Methods (such as LoRA) change the backbone, but not the heads."""

    def __init__(self, backbone: Backbone, heads: dict[str, nn.Module] | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict(heads or {})


def trainable(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def to_precision(network: nn.Module, modules: list[nn.Parameter], bf16: bool) -> None:
    """Convert trainable weights and `modules` to fp32, and all other weights to bf16 if `bf16`, else to fp32.

    Quantised weights stay unchanged.
    """
    kept = {id(parameter) for parameter in modules}
    for parameter in network.parameters():
        if not parameter.is_floating_point():
            continue
        if parameter.requires_grad or id(parameter) in kept:
            parameter.data = parameter.data.float()
        else:
            parameter.data = parameter.data.to(torch.bfloat16 if bf16 else torch.float32)
    # XGLM adds a table of sines to its embeddings. In fp32 it would turn all states into fp32, which norms in bf16
    # do not accept.
    for name, buffer in network.named_buffers():
        if name.endswith("embed_positions.weights"):
            buffer.data = buffer.data.to(next(network.parameters()).dtype)

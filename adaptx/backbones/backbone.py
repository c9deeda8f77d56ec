"""What formats, the training loop and the evaluation ask of a backbone, whatever its family.

Suffixes: T tokens of a row of sequences, N sequences, D hidden size.
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
"""Tokens of the longest sequence where nothing bounds it."""


class Backbone(nn.Module):
    """The interface: a transformers network read through its hidden states; methods attach to `network`.

    The network of an encoder is bare; that of the other families has its scores over the vocabulary, so that modules
    are the same whether hidden states or text are read.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self._attention: AbstractContextManager[Any] = nullcontext()
        self.given: TokenRows | None = None
        """The rows last given to the network."""

    @property
    def architecture(self) -> Architecture:
        """Facts about the network's architecture."""
        return ARCHITECTURES[self.network.config.model_type]

    @property
    def hidden_size(self) -> int:
        return self.network.config.hidden_size

    @property
    def num_layers(self) -> int:
        """Layers of the stack whose states are read."""
        return self.network.config.num_hidden_layers

    @property
    def stack(self) -> Any:
        """The part of the network whose hidden states are read."""
        return self.network

    @property
    def most_tokens(self) -> int:
        """The longest sequence that it reads."""
        raise NotImplementedError

    def hidden(self, batch: TokenBatch, layer: int | None = None, bidirectional: bool = False) -> Tensor:
        """Hidden states [T, D] of the row after `layer` (None: the last; 0: the embeddings).

        bidirectional: a decoder's tokens see those after them too.

        Raises:
            UserError: the network has no such layer.
        """
        raise NotImplementedError

    def started(self, batch: TokenBatch) -> Tensor:  # noqa: ARG002
        """The second stack's states [N, D] at its start token, of an encoder-decoder.

        Raises:
            UserError: there is no second stack.
        """
        raise UserError(f"Pooling.START: {self.network.config.model_type} has no decoder beside its encoder; use MEAN")

    def rows_of(self, batch: TokenBatch) -> Iterable[TokenRows]:
        """The batch as the network is given it, one forward pass after the other."""
        return [rows.packed(batch)] if self.architecture.padded is None else rows.padded(batch)

    def attention(self) -> AbstractContextManager[Any]:
        """A context in which layers keep apart the sequences of the rows last read, for layers computed again."""
        return self._attention

    def keep_apart(self, given: TokenRows, bidirectional: bool = False) -> AbstractContextManager[Any]:
        """The same for rows that are about to be read."""
        self.given = given
        self._attention = PackedAttention(given.groups, bidirectional) if given.groups else nullcontext()
        return self._attention

    def below_last(self, layer: int | None) -> int | None:
        """The layer, or None where it is the last: then what is read has gone through the norm behind it.

        Raises:
            UserError: the network has no such layer.
        """
        if layer is not None and layer > self.num_layers:
            raise UserError(f"Hidden(layer={layer}): the checkpoint has {self.num_layers} layers")
        return None if layer == self.num_layers else layer

    def pooled(self, batch: TokenBatch, framing: Hidden) -> Tensor:
        """One fp32 vector a sequence, [N, D]; padding and neighbours take no part in a mean."""
        if framing.pooling is Pooling.START:
            return self.started(batch).float()
        hidden_TD = self.hidden(batch, framing.layer, framing.bidirectional).float()
        match framing.pooling:
            case Pooling.FIRST:
                return hidden_TD[batch.first_N]
            case Pooling.LAST:
                return hidden_TD[batch.first_N + batch.lengths_N - 1]
            case Pooling.MEAN:
                # As a matrix product, since scattered additions are in no fixed order on a GPU.
                with torch.autocast(hidden_TD.device.type, enabled=False):
                    sums_ND = batch.members.float() @ hidden_TD
                return sums_ND / batch.lengths_N.unsqueeze(1)


class TransferModel(nn.Module):
    """A backbone and the heads of tasks; a method changes the backbone only."""

    def __init__(self, backbone: Backbone, heads: dict[str, nn.Module] | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict(heads or {})


def trainable(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def to_precision(network: nn.Module, modules: list[nn.Parameter], bf16: bool) -> None:
    """Keep frozen base weights in bf16 or fp32; weights that train, and those of attached modules, stay in fp32.

    Quantised weights, which are bytes, stay as they are.
    """
    kept = {id(parameter) for parameter in modules}
    for parameter in network.parameters():
        if not parameter.is_floating_point():
            continue
        if parameter.requires_grad or id(parameter) in kept:
            parameter.data = parameter.data.float()
        else:
            parameter.data = parameter.data.to(torch.bfloat16 if bf16 else torch.float32)
    # XGLM adds a table of sines to its embeddings: in fp32 all states would be, which norms in bf16 refuse.
    for name, buffer in network.named_buffers():
        if name.endswith("embed_positions.weights"):
            buffer.data = buffer.data.to(next(network.parameters()).dtype)

"""Encoders (BERT, XLM-R, XLM-R XL): token ids to hidden states and pooled vectors.

Suffixes: T tokens of a row of sequences, N sequences, D hidden size.
"""

from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.batching import TokenBatch
from adaptx.backbones.packed_attention import Group, PackedAttention
from adaptx.specs import Hidden, Pooling


class Encoder(nn.Module):
    """A transformers encoder read through its hidden states; methods attach to `network`."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self._groups: tuple[Group, ...] = ()

    @property
    def _first_position(self) -> int:
        """The position table of XLM-R and of its larger kin begins after its padding id."""
        config = self.network.config
        return config.pad_token_id + 1 if config.model_type in ("xlm-roberta", "xlm-roberta-xl") else 0

    @property
    def hidden_size(self) -> int:
        return self.network.config.hidden_size

    @property
    def num_layers(self) -> int:
        return self.network.config.num_hidden_layers

    @property
    def most_tokens(self) -> int:
        """The longest sequence that the position table reaches."""
        return self.network.config.max_position_embeddings - self._first_position

    def hidden(self, batch: TokenBatch, layer: int | None = None) -> Tensor:
        """Hidden states [T, D] of the row after `layer` (None: the last; 0: the embeddings).

        Raises:
            ValueError: the network has no such layer.
        """
        if layer is not None and layer > self.num_layers:
            raise ValueError(f"Hidden(layer={layer}): the checkpoint has {self.num_layers} layers")
        ids_1T = batch.ids_T.unsqueeze(0)
        types_T = batch.types_T if batch.types_T is not None else torch.zeros_like(batch.ids_T)
        self._groups = batch.groups
        with self.attention():
            output = self.network(
                input_ids=ids_1T,
                attention_mask=no_mask(ids_1T),
                position_ids=batch.positions_T.unsqueeze(0) + self._first_position,
                token_type_ids=types_T.unsqueeze(0),
                output_hidden_states=layer is not None,
            )
        return (output.last_hidden_state if layer is None else output.hidden_states[layer])[0]

    def attention(self) -> PackedAttention:
        """A context in which layers keep apart the sequences of the batch last read, for layers computed again."""
        return PackedAttention(self._groups)

    def pooled(self, batch: TokenBatch, framing: Hidden) -> Tensor:
        """One fp32 vector a sequence, [N, D]; padding and neighbours take no part in a mean."""
        hidden_TD = self.hidden(batch, framing.layer).float()
        match framing.pooling:
            case Pooling.FIRST:
                return hidden_TD[batch.first_N]
            case Pooling.MEAN:
                # As a matrix product, since scattered additions are in no fixed order on a GPU.
                with torch.autocast(hidden_TD.device.type, enabled=False):
                    sums_ND = batch.members.float() @ hidden_TD
                return sums_ND / batch.lengths_N.unsqueeze(1)


def no_mask(ids_1T: Tensor) -> Tensor | None:
    """What a network is given where there is nothing to mask."""
    import transformers

    # Version 4 looks for padding where there is no mask, and warns of it; version 5 looks into a mask of ones, and
    # makes a larger one where it cannot (of fake tensors).
    return torch.ones_like(ids_1T) if transformers.__version__.startswith("4.") else None


class TransferModel(nn.Module):
    """A backbone and the heads of tasks; a method changes the backbone only."""

    def __init__(self, backbone: Encoder, heads: dict[str, nn.Module] | None = None) -> None:
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

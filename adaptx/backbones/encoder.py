"""Encoders (BERT, XLM-R): token ids to hidden states and pooled vectors.

Suffixes: B sequences, T tokens, D hidden size.
"""

from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.batching import TokenBatch
from adaptx.specs import Hidden, Pooling


class Encoder(nn.Module):
    """A transformers encoder read through its hidden states; methods attach to `network`."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    @property
    def hidden_size(self) -> int:
        return self.network.config.hidden_size

    @property
    def num_layers(self) -> int:
        return self.network.config.num_hidden_layers

    def hidden(self, batch: TokenBatch, layer: int | None = None) -> Tensor:
        """Hidden states [B, T, D] after `layer` (None: the last; 0: the embeddings).

        Raises:
            ValueError: the network has no such layer.
        """
        if layer is not None and layer > self.num_layers:
            raise ValueError(f"Hidden(layer={layer}): the checkpoint has {self.num_layers} layers")
        inputs = {"input_ids": batch.ids_BT, "attention_mask": batch.mask_BT}
        if batch.types_BT is not None:
            inputs["token_type_ids"] = batch.types_BT
        output = self.network(**inputs, output_hidden_states=layer is not None)
        return output.last_hidden_state if layer is None else output.hidden_states[layer]

    def pooled(self, batch: TokenBatch, framing: Hidden) -> Tensor:
        """One fp32 vector a sequence, [B, D]; padding takes no part in a mean."""
        hidden_BTD = self.hidden(batch, framing.layer).float()
        match framing.pooling:
            case Pooling.FIRST:
                return hidden_BTD[:, 0]
            case Pooling.MEAN:
                weights_BT1 = batch.mask_BT.unsqueeze(-1).float()
                return (hidden_BTD * weights_BT1).sum(dim=1) / weights_BT1.sum(dim=1)


class TransferModel(nn.Module):
    """A backbone and the heads of tasks; a method changes the backbone only."""

    def __init__(self, backbone: Encoder, heads: dict[str, nn.Module] | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict(heads or {})


def trainable(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def to_precision(network: nn.Module, modules: list[nn.Parameter], bf16: bool) -> None:
    """Keep frozen base weights in bf16 or fp32; weights that train, and those of attached modules, stay in fp32."""
    kept = {id(parameter) for parameter in modules}
    for parameter in network.parameters():
        if parameter.requires_grad or id(parameter) in kept:
            parameter.data = parameter.data.float()
        else:
            parameter.data = parameter.data.to(torch.bfloat16 if bf16 else torch.float32)

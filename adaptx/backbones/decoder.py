"""Decoders (Llama, Qwen and others): from token ids to hidden states, with causal or bidirectional attention.

Suffixes of tensor and array names, one letter per dimension: T tokens of all sequences (laid end to end in one row), D
hidden size.
"""

from typing import Any

import torch
from torch import Tensor

from adaptx.backbones.backbone import UNBOUNDED, Backbone
from adaptx.backbones.batching import TokenBatch
from adaptx.backbones.rows import TokenRows, to_row


class Decoder(Backbone):
    """A transformers decoder with its lm_head. Scores over the vocabulary are not computed here."""

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        config = network.config
        self._most_tokens: int = getattr(config, "max_position_embeddings", None) or UNBOUNDED
        if self.architecture.padded is None and getattr(config, "sliding_window", None) is not None:
            # Mistral's attention window is longer than most texts, but not than a packed row of many texts. The window
            # therefore limits the length of a text, and attention over the row runs without it.
            self._most_tokens = min(self._most_tokens, config.sliding_window)
            config.sliding_window = UNBOUNDED

    @property
    def most_tokens(self) -> int:
        """Maximum sequence length in tokens: the configured number of positions, or the sliding window if smaller."""
        return self._most_tokens

    @property
    def stack(self) -> Any:
        """The network without its lm_head."""
        return stack_of(self.network)

    def hidden(self, batch: TokenBatch, layer: int | None = None, bidirectional: bool = False) -> Tensor:
        """Return the hidden states [T, D] after `layer` (None: the last, with the final norm; 0: the embeddings).

        bidirectional: let tokens attend to later tokens as well.

        Raises:
            UserError: the network has no such layer.
        """
        layer = self.below_last(layer)
        states: list[tuple[TokenRows, Tensor]] = []
        for rows in self.rows_of(batch):
            with self.keep_apart(rows, bidirectional):
                output = self.stack(**_inputs(rows), use_cache=False, output_hidden_states=layer is not None)
            states.append((rows, output.last_hidden_state if layer is None else output.hidden_states[layer]))
        return to_row(states, len(batch.ids_T))


def stack_of(network: Any) -> Any:
    """Return the part of a decoder below its lm_head."""
    # In transformers 4, `base_model` of Gemma 3 is the whole network.
    return network.model if network.base_model is network else network.base_model


def _inputs(rows: TokenRows) -> dict[str, Any]:
    if rows.mask_BL is not None:
        return {"input_ids": rows.ids_BL, "attention_mask": rows.mask_BL.long()}
    # With a mask of ones, transformers builds no mask and relies on causal attention. Without a mask it would look for
    # positions that start again and build a mask from them, which `PackedAttention` does not accept.
    return {
        "input_ids": rows.ids_BL,
        "attention_mask": torch.ones_like(rows.ids_BL),
        "position_ids": rows.positions_BL,
    }

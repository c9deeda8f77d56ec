"""Decoders (Llama, Qwen and others): token ids to hidden states, each of what stands before it unless told otherwise.

Suffixes: T tokens of a row of sequences, D hidden size.
"""

from typing import Any

import torch
from torch import Tensor

from adaptx.backbones.backbone import UNBOUNDED, Backbone
from adaptx.backbones.batching import TokenBatch
from adaptx.backbones.rows import TokenRows, to_row


class Decoder(Backbone):
    """A transformers decoder with its scores over the vocabulary, which are not computed here."""

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        config = network.config
        self._most_tokens: int = getattr(config, "max_position_embeddings", None) or UNBOUNDED
        if self.architecture.padded is None and getattr(config, "sliding_window", None) is not None:
            # Mistral's window is wider than most texts, but not than a row of them: it bounds texts instead.
            self._most_tokens = min(self._most_tokens, config.sliding_window)
            config.sliding_window = UNBOUNDED

    @property
    def most_tokens(self) -> int:
        """The longest sequence that it was made for, or that its attention reaches over."""
        return self._most_tokens

    @property
    def stack(self) -> Any:
        """The network without its scores."""
        return stack_of(self.network)

    def hidden(self, batch: TokenBatch, layer: int | None = None, bidirectional: bool = False) -> Tensor:
        """Hidden states [T, D] of the row after `layer` (None: the last, normed; 0: the embeddings).

        bidirectional: tokens see those after them too.

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
    """A decoder's layers below its scores over the vocabulary."""
    # transformers 4 calls the whole network of Gemma 3 its base.
    return network.model if network.base_model is network else network.base_model


def _inputs(rows: TokenRows) -> dict[str, Any]:
    if rows.mask_BL is not None:
        return {"input_ids": rows.ids_BL, "attention_mask": rows.mask_BL.long()}
    # Of a mask of ones transformers makes none, and lets attention itself be causal; where there is none it looks for
    # restarting positions, and makes a mask of these.
    return {
        "input_ids": rows.ids_BL,
        "attention_mask": torch.ones_like(rows.ids_BL),
        "position_ids": rows.positions_BL,
    }

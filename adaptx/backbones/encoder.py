"""Encoders (BERT, XLM-R, XLM-R XL and others): from token ids to hidden states.

Suffixes of tensor and array names, one letter per dimension: T tokens of all sequences (laid end to end in one row), D
hidden size.
"""

from typing import Any

import torch
from torch import Tensor

from adaptx.backbones.backbone import UNBOUNDED, Backbone
from adaptx.backbones.batching import TokenBatch
from adaptx.backbones.rows import TokenRows, to_row


class Encoder(Backbone):
    """A bare transformers encoder."""

    @property
    def _first_position(self) -> int:
        return self.network.config.pad_token_id + 1 if self.architecture.positions_after_padding else 0

    @property
    def most_tokens(self) -> int:
        """Maximum sequence length in tokens: the number of usable rows in the position table."""
        return (self.network.config.max_position_embeddings or UNBOUNDED) - self._first_position

    def hidden(self, batch: TokenBatch, layer: int | None = None, bidirectional: bool = False) -> Tensor:  # noqa: ARG002
        """Return the hidden states [T, D] after `layer` (None: the last layer; 0: the embeddings).

        Raises:
            UserError: the network has no such layer.
        """
        layer = self.below_last(layer)
        states: list[tuple[TokenRows, Tensor]] = []
        for rows in self.rows_of(batch):
            with self.keep_apart(rows):
                output = self.network(**self._inputs(rows), output_hidden_states=layer is not None)
            states.append((rows, output.last_hidden_state if layer is None else output.hidden_states[layer]))
        return to_row(states, len(batch.ids_T))

    def _inputs(self, rows: TokenRows) -> dict[str, Any]:
        # For padded rows every network computes its own position ids, because some networks do not accept any.
        inputs: dict[str, Any] = {"input_ids": rows.ids_BL}
        if self.architecture.type_rows:
            types_BL = rows.types_BL if rows.types_BL is not None else torch.zeros_like(rows.ids_BL)
            inputs["token_type_ids"] = types_BL
        if rows.mask_BL is not None:
            return {**inputs, "attention_mask": rows.mask_BL.long()}
        positions_1T = rows.positions_BL + self._first_position
        return {**inputs, "attention_mask": no_mask(rows.ids_BL), "position_ids": positions_1T}


def no_mask(ids_1T: Tensor) -> Tensor | None:
    """Return the attention mask that masks nothing: ones under transformers 4, None under transformers 5."""
    import transformers

    # Without a mask, version 4 searches the ids for padding and warns if it finds any, so it gets a mask of ones.
    # Version 5 reads the values of such a mask to drop it. The values of fake tensors cannot be read, and it would
    # build a larger mask, so it gets None.
    return torch.ones_like(ids_1T) if transformers.__version__.startswith("4.") else None

"""Encoder-decoders (the T5 family, mBART): from token ids to the encoder's states, or the decoder's first state.

Suffixes of tensor and array names, one letter per dimension: T tokens of all sequences (laid end to end in one row), N
sequences, B rows, L tokens of a row, D hidden size.
"""

from typing import Any

import torch
from torch import Tensor

from adaptx.backbones.backbone import UNBOUNDED, Backbone
from adaptx.backbones.batching import TokenBatch
from adaptx.backbones.rows import TokenRows, to_row


class EncoderDecoder(Backbone):
    """A transformers encoder-decoder with its lm_head. Scores over the vocabulary are not computed here."""

    @property
    def stack(self) -> Any:
        """The encoder."""
        return self.network.get_encoder()

    @property
    def most_tokens(self) -> int:
        """Maximum sequence length in tokens: the size of the position table. T5 has no such table and no limit."""
        return getattr(self.network.config, "max_position_embeddings", None) or UNBOUNDED

    def hidden(self, batch: TokenBatch, layer: int | None = None, bidirectional: bool = False) -> Tensor:  # noqa: ARG002
        """Return the encoder's states [T, D] after `layer` (None: the last, with the final norm; 0: the embeddings).

        Raises:
            UserError: the encoder has no such layer.
        """
        layer = self.below_last(layer)
        return to_row([(rows, self._encoded(rows, layer)) for rows in self.rows_of(batch)], len(batch.ids_T))

    def started(self, batch: TokenBatch) -> Tensor:
        """Return the states [N, D] of the decoder's last layer at the start token, one per sequence.

        The start token attends to the whole text through cross-attention.
        """
        start = self.network.config.decoder_start_token_id
        parts, places = list[Tensor](), list[int]()
        for rows in self.rows_of(batch):
            assert rows.mask_BL is not None and rows.sequences is not None
            output = self.network.get_decoder()(
                input_ids=torch.full_like(rows.ids_BL[:, :1], start),
                encoder_hidden_states=self._encoded(rows, None),
                encoder_attention_mask=rows.mask_BL.long(),
                use_cache=False,
            )
            parts.append(output.last_hidden_state[:, 0])
            places += rows.sequences
        started_ND = torch.cat(parts)
        order = torch.tensor(places, device=started_ND.device)
        return torch.empty_like(started_ND).index_copy(0, order, started_ND)

    def _encoded(self, rows: TokenRows, layer: int | None) -> Tensor:
        assert rows.mask_BL is not None, "encoder-decoders are read in padded rows"
        with self.keep_apart(rows):
            output = self.stack(
                input_ids=rows.ids_BL, attention_mask=rows.mask_BL.long(), output_hidden_states=layer is not None
            )
        return output.last_hidden_state if layer is None else output.hidden_states[layer]

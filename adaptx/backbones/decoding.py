"""Continuation of prompts by a language model with a cache of keys and values, one or several tokens at a time.

A prompt is read only once, even if several continuations are tried, because its keys and values stay in the cache. For
decoders, shorter prompts are padded on the left, so that the answer follows the prompt without a gap.

Suffixes of tensor and array names, one letter per dimension: N rows, L tokens so far, K tokens added at once, D hidden
size.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from adaptx.backbones.decoder import stack_of
from adaptx.backbones.padding import padded


class Decoding:
    """The state of prompts that are being continued (the interface).

    states_ND: the hidden states that predict the next token of each row.
    """

    states_ND: Tensor

    def advance(self, ids_NK: Tensor) -> Tensor:
        """Append K tokens to every row and return the states [N, K, D] at these tokens.

        If a row has fewer than K new tokens, padding follows them, and the row must not be advanced again.
        """
        raise NotImplementedError

    def take(self, rows: Tensor) -> None:
        """Keep only the rows with these indices, in this order. An index may occur several times."""
        raise NotImplementedError


def begin(network: Any, prompts: Sequence[Sequence[int]], device: torch.device) -> Decoding:
    """Read the prompts and return the state from which they can be continued."""
    kind = _EncoderDecoderDecoding if is_encoder_decoder(network) else _DecoderDecoding
    return kind(network, prompts, device)


def is_encoder_decoder(network: Any) -> bool:
    return bool(network.config.is_encoder_decoder)


class _DecoderDecoding(Decoding):
    def __init__(self, network: Any, prompts: Sequence[Sequence[int]], device: torch.device) -> None:
        self._model = stack_of(network)
        self._with_positions = "position_ids" in inspect.signature(self._model.forward).parameters
        ids_NL, self._mask_NL = padded(prompts, device, left=True)
        self._lengths_N1 = self._mask_NL.sum(dim=1, keepdim=True)
        self._cache: Any = None
        states_NLD = self._read(ids_NL, (self._mask_NL.cumsum(dim=1) - 1).clamp(min=0))
        self.states_ND = states_NLD[:, -1]

    def advance(self, ids_NK: Tensor) -> Tensor:
        count = ids_NK.shape[1]
        positions_NK = self._lengths_N1 + torch.arange(count, device=ids_NK.device)
        self._mask_NL = torch.cat([self._mask_NL, torch.ones_like(ids_NK)], dim=1)
        self._lengths_N1 = self._lengths_N1 + count
        states_NKD = self._read(ids_NK, positions_NK)
        self.states_ND = states_NKD[:, -1]
        return states_NKD

    def take(self, rows: Tensor) -> None:
        self._cache.batch_select_indices(rows)
        self._mask_NL, self._lengths_N1 = self._mask_NL[rows], self._lengths_N1[rows]
        self.states_ND = self.states_ND[rows]

    def _read(self, ids_NK: Tensor, positions_NK: Tensor) -> Tensor:
        # Architectures that take no position ids derive positions from the mask.
        positions = {"position_ids": positions_NK} if self._with_positions else {}
        output = self._model(
            input_ids=ids_NK, attention_mask=self._mask_NL, past_key_values=self._cache, use_cache=True, **positions
        )
        self._cache = output.past_key_values
        return output.last_hidden_state


class _EncoderDecoderDecoding(Decoding):
    def __init__(self, network: Any, prompts: Sequence[Sequence[int]], device: torch.device) -> None:
        self._decoder = network.get_decoder()
        ids_NL, self._mask_NL = padded(prompts, device)
        self._encoded_NLD = network.get_encoder()(input_ids=ids_NL, attention_mask=self._mask_NL).last_hidden_state
        self._cache: Any = None
        start = torch.full((len(prompts), 1), network.config.decoder_start_token_id, device=device)
        self.states_ND = self.advance(start)[:, -1]

    def advance(self, ids_NK: Tensor) -> Tensor:
        output = self._decoder(
            input_ids=ids_NK,
            encoder_hidden_states=self._encoded_NLD,
            encoder_attention_mask=self._mask_NL,
            past_key_values=self._cache,
            use_cache=True,
        )
        self._cache = output.past_key_values
        self.states_ND = output.last_hidden_state[:, -1]
        return output.last_hidden_state

    def take(self, rows: Tensor) -> None:
        self._cache.batch_select_indices(rows)
        self._mask_NL, self._encoded_NLD = self._mask_NL[rows], self._encoded_NLD[rows]
        self.states_ND = self.states_ND[rows]

"""Prompts that a language model has read, and answers that it goes on with, token by token or several at once.

Prompts are read once, whatever is tried behind them: keys and values are kept. Shorter prompts are padded before their
beginning, so that what is written follows them without a gap.

Suffixes: N rows, L tokens read, K tokens written at once, D hidden size.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from adaptx.backbones.decoder import stack_of
from adaptx.backbones.padding import padded


class Decoding:
    """The interface. states_ND: of each row, those that predict its next token."""

    states_ND: Tensor

    def advance(self, ids_NK: Tensor) -> Tensor:
        """States [N, K, D] behind each of K further tokens of each row. Nothing follows a row that ends in padding."""
        raise NotImplementedError

    def take(self, rows: Tensor) -> None:
        """Go on with these rows, some several times, others not at all."""
        raise NotImplementedError


def begin(network: Any, prompts: Sequence[Sequence[int]], device: torch.device) -> Decoding:
    """Read the prompts."""
    kind = _Writing if is_encoder_decoder(network) else _Continuing
    return kind(network, prompts, device)


def is_encoder_decoder(network: Any) -> bool:
    return bool(network.config.is_encoder_decoder)


class _Continuing(Decoding):
    """A decoder goes on behind its prompt."""

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
        # Architectures without position ids count the mask.
        positions = {"position_ids": positions_NK} if self._with_positions else {}
        output = self._model(
            input_ids=ids_NK, attention_mask=self._mask_NL, past_key_values=self._cache, use_cache=True, **positions
        )
        self._cache = output.past_key_values
        return output.last_hidden_state


class _Writing(Decoding):
    """An encoder-decoder writes an answer of its own, behind its start token."""

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

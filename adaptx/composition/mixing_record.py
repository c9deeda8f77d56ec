"""Mean fusion weights over the tokens that an evaluation reads: sums in the forward pass, nothing a token.

Suffixes: T tokens of the rows that a layer sees, A modules.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import torch
from torch import Tensor

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import Encoding, TokenBatch
from adaptx.composition.mixing import Place, mixing_layers
from adaptx.store.mixing import MixingWeights, PlaceWeights


@dataclass
class _Sums:
    """Of the tokens of one `Encoding`, which is kept so that its id stays its own."""

    encoded: Encoding
    tokens: int = 0
    sums: dict[Place, Tensor] = field(default_factory=dict[Place, Tensor])


class MixingRecord:
    """While entered, adds up the weights of a backbone's mixing layers, apart for each encoded set that is read."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._layers = mixing_layers(backbone.network)
        self._read: dict[int, _Sums] = {}
        self._current: _Sums | None = None
        self._real_T = torch.empty(0)

    def __enter__(self) -> Self:
        for layer in self._layers:
            layer.watch = partial(self._add, layer.place)
        return self

    def __exit__(self, *error: object) -> None:
        for layer in self._layers:
            layer.watch = None

    def reading(self, encoded: Encoding, batch: TokenBatch) -> None:
        """What the next forward pass reads."""
        self._current = self._read.setdefault(id(encoded), _Sums(encoded))
        self._real_T = batch.members.any(dim=0).float()
        self._current.tokens += int(batch.lengths_N.sum())

    def means(self, wanted: Iterable[Encoding]) -> MixingWeights:
        """Means over the real tokens of the `wanted` sets; over all where none was read as it is (masked texts).

        Places that nothing passed through (an encoder-decoder's second stack, where the first is read) are left out.
        """
        ids = {id(encoded) for encoded in wanted}
        chosen = [sums for key, sums in self._read.items() if key in ids] or list(self._read.values())
        tokens = sum(each.tokens for each in chosen)
        places: list[PlaceWeights] = []
        for layer in self._layers:
            if layer.place not in chosen[0].sums:
                continue
            total_A = torch.stack([each.sums[layer.place] for each in chosen]).sum(dim=0)
            # A token's weights sum to one, so this divides by the tokens that passed.
            places.append(PlaceWeights(*layer.place, tuple((total_A / total_A.sum()).tolist())))
        return MixingWeights(tokens, tuple(places))

    def _add(self, place: Place, weights_TA: Tensor) -> None:
        assert self._current is not None, "a forward pass of which `reading` was not told"
        mask_BL = None if self._backbone.given is None else self._backbone.given.mask_BL
        real_T = self._real_T if mask_BL is None else mask_BL.flatten().float()
        weights_TA = weights_TA.flatten(0, -2)
        if len(weights_TA) != len(real_T):
            # A decoder over its start token: one a sequence, and all of them real.
            real_T = real_T.new_ones(len(weights_TA))
        # Not as a matrix product: autocast would take that in bf16.
        sum_A = (real_T.unsqueeze(1) * weights_TA).sum(dim=0)
        sums = self._current.sums
        sums[place] = sums[place] + sum_A if place in sums else sum_A

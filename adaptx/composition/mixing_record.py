"""Mean fusion weights over the tokens that an evaluation reads.

Each forward pass adds its weights to sums, so no memory is needed per token.

Suffixes of tensor and array names, one letter per dimension: T tokens of the rows that a layer sees, A modules.
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
class _WeightSums:
    # The encoding is kept because its `id` is used as a key, and Python could reuse the id of a freed object.
    encoded: Encoding
    tokens: int = 0
    sums: dict[Place, Tensor] = field(default_factory=dict[Place, Tensor])


class MixingRecord:
    """A context that sums a backbone's fusion weights, separately for each `Encoding` that is read."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._layers = mixing_layers(backbone.network)
        self._read: dict[int, _WeightSums] = {}
        self._current: _WeightSums | None = None
        self._real_T = torch.empty(0)

    def __enter__(self) -> Self:
        for layer in self._layers:
            layer.watch = partial(self._add, layer.place)
        return self

    def __exit__(self, *error: object) -> None:
        for layer in self._layers:
            layer.watch = None

    def reading(self, encoded: Encoding, batch: TokenBatch) -> None:
        """Announce that the next forward pass reads `batch`, which was collated from `encoded`."""
        self._current = self._read.setdefault(id(encoded), _WeightSums(encoded))
        self._real_T = batch.members.any(dim=0).float()
        self._current.tokens += int(batch.lengths_N.sum())

    def means(self, wanted: Iterable[Encoding]) -> MixingWeights:
        """Return the mean weights over the tokens of the `wanted` encodings that were read.

        If none of them was read (only masked copies, for example), return the mean over all encodings that were read.
        Padding is left out. Mixing layers that read no token are left out too, such as a decoder's if only the encoder
        is read.
        """
        ids = {id(encoded) for encoded in wanted}
        chosen = [sums for key, sums in self._read.items() if key in ids] or list(self._read.values())
        tokens = sum(each.tokens for each in chosen)
        places: list[PlaceWeights] = []
        for layer in self._layers:
            if layer.place not in chosen[0].sums:
                continue
            total_A = torch.stack([each.sums[layer.place] for each in chosen]).sum(dim=0)
            # A token's weights sum to one, so the sum over modules is the number of tokens.
            places.append(PlaceWeights(*layer.place, tuple((total_A / total_A.sum()).tolist())))
        return MixingWeights(tokens, tuple(places))

    def _add(self, place: Place, weights_TA: Tensor) -> None:
        assert self._current is not None, "`reading` must be called before each forward pass"
        mask_BL = None if self._backbone.given is None else self._backbone.given.mask_BL
        real_T = self._real_T if mask_BL is None else mask_BL.flatten().float()
        weights_TA = weights_TA.flatten(0, -2)
        if len(weights_TA) != len(real_T):
            # The decoder reads only its start token: one token per sequence, and no padding.
            real_T = real_T.new_ones(len(weights_TA))
        # Not a matrix product, because autocast would compute that in bf16.
        sum_A = (real_T.unsqueeze(1) * weights_TA).sum(dim=0)
        sums = self._current.sums
        sums[place] = sums[place] + sum_A if place in sums else sum_A

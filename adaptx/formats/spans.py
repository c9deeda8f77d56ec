"""Span corruption: which spans of a text are dropped, and what is read and written then (Raffel et al. 2020,
arXiv:1910.10683, section 3.1.4; mT5 is pretrained so, Xue et al. 2021, arXiv:2010.11934).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CorruptedTokens:
    """Token ids: `source` has a sentinel in the place of each dropped span, `target` each sentinel with its span."""

    source: list[int]
    target: list[int]


def corrupt(
    ids: Sequence[int], share: float, mean_span: float, sentinels: Sequence[int], random: np.random.Generator
) -> CorruptedTokens:
    """Drop spans of `mean_span` tokens on average, `share` of all tokens, at least one and never all of them.

    The text begins with a kept token, and spans are never neighbours. It may end with kept tokens (T5's released code
    always drops the end, so of a short text nothing else). Texts of one token are left as they are. There are never
    more spans than `sentinels`.
    """
    if len(ids) < 2:
        return CorruptedTokens(list(ids), [])
    dropped = min(max(1, round(len(ids) * share)), len(ids) - 1)
    kept = len(ids) - dropped
    spans = min(max(1, round(dropped / mean_span)), dropped, kept, len(sentinels))
    source: list[int] = []
    target: list[int] = []
    place = 0
    # One more kept part than spans, and one token more in it than there is: so it may be empty.
    *keeps, _ = _parts(kept + 1, spans + 1, random)
    drops = _parts(dropped, spans, random)
    for sentinel, keep, drop in zip(sentinels[:spans], keeps, drops, strict=True):
        source += [*ids[place : place + keep], sentinel]
        target += [sentinel, *ids[place + keep : place + keep + drop]]
        place += keep + drop
    return CorruptedTokens([*source, *ids[place:]], target)


def _parts(total: int, count: int, random: np.random.Generator) -> list[int]:
    """`count` random lengths of at least one that add up to `total`, every choice of cuts equally likely."""
    cuts = np.sort(random.choice(total - 1, size=count - 1, replace=False)) + 1
    return np.diff([0, *cuts, total]).tolist()

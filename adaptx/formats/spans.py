"""Span corruption: spans of a text's tokens are dropped, and the model has to write them.

Raffel et al. 2020, arXiv:1910.10683, section 3.1.4. mT5 is pretrained in this way (Xue et al. 2021, arXiv:2010.11934).
With sentinels <0> and <1>, the text `a b c d e f` may become the source `a b <0> e <1>` and the target
`<0> c d <1> f`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CorruptedTokens:
    """A corrupted text as token ids.

    source: the text with a sentinel in place of each dropped span. target: each sentinel, followed by its span.
    """

    source: list[int]
    target: list[int]


def corrupt(
    ids: Sequence[int], share: float, mean_span: float, sentinels: Sequence[int], random: np.random.Generator
) -> CorruptedTokens:
    """Drop `share` of a text's tokens in random spans of `mean_span` tokens on average.

    At least one token is dropped and at least one is kept; a text of one token stays as it is. The first token is
    always kept, and there is at least one kept token between two spans. There are at most as many spans as `sentinels`,
    because each span is replaced by its own sentinel.
    """
    if len(ids) < 2:
        return CorruptedTokens(list(ids), [])
    dropped = min(max(1, round(len(ids) * share)), len(ids) - 1)
    kept = len(ids) - dropped
    spans = min(max(1, round(dropped / mean_span)), dropped, kept, len(sentinels))
    source: list[int] = []
    target: list[int] = []
    place = 0
    # There is one more kept part than spans, because the text may end with kept tokens. That last part may be empty,
    # but `_random_lengths` gives every part at least one token, so it splits one token more than there is.
    # (T5's released code always drops the end of a text, so a short text with one span always loses its end.)
    *keeps, _ = _random_lengths(kept + 1, spans + 1, random)
    drops = _random_lengths(dropped, spans, random)
    for sentinel, keep, drop in zip(sentinels[:spans], keeps, drops, strict=True):
        source += [*ids[place : place + keep], sentinel]
        target += [sentinel, *ids[place + keep : place + keep + drop]]
        place += keep + drop
    return CorruptedTokens([*source, *ids[place:]], target)


def _random_lengths(total: int, count: int, random: np.random.Generator) -> list[int]:
    """Return `count` random lengths of at least 1 that add up to `total`. All such splits are equally likely."""
    cuts = np.sort(random.choice(total - 1, size=count - 1, replace=False)) + 1
    return np.diff([0, *cuts, total]).tolist()

"""F1 of tagged spans, as two versions of seqeval count them, and the share of right tags.

XTREME scores named entities and parts of speech with seqeval's F1 and does not pin seqeval's version. On BIO tags both
versions agree. They read UPOS tags (`NOUN`, `VERB`) as BIO tags, too: the first letter is the prefix, and neighbouring
words with the same tag form one span. XTREME's own test numbers come from version 0.0.12.
"""

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np

from adaptx.errors import UserError
from adaptx.metrics.metric import Floats, Metric, f1, mean

Entity = tuple[str, int, int]
SplitTag = Callable[[str], tuple[str, str]]
Sentences = Sequence[Sequence[str]]

_SOURCE = "xtreme evaluate.py `f1` with seqeval {} (Hu et al. 2020, arXiv:2003.11080)"


def split_tag_0_0_12(tag: str) -> tuple[str, str]:
    """Return a tag's prefix and type in seqeval 0.0.12: its first letter, and the part after its last hyphen.

    The type of a tag without a hyphen is the whole tag.
    """
    return tag[0], tag.split("-")[-1]


def split_tag_1_2_2(tag: str) -> tuple[str, str]:
    """Return a tag's prefix and type in seqeval 1.2.2: its first letter, and the rest after the first hyphen.

    Without a hyphen, the type is all but the first letter. If nothing is left, the type is `_`.
    """
    return tag[0], tag[1:].split("-", maxsplit=1)[-1] or "_"


def entities(tags: Sequence[str], split_tag: SplitTag) -> set[Entity]:
    """Return the spans that seqeval's `get_entities` finds in a sequence of tags, as (type, first, last).

    Prefixes B, I, E, S and O have their usual meaning. A tag with another first letter continues a span of the same
    type, or begins a new span.
    """
    found: set[Entity] = set()
    before, type_before, first = "O", "", 0
    for position, (prefix, kind) in enumerate(map(split_tag, chain(tags, ["O"]))):
        changes = kind != type_before
        if before in "ES" or (before in "BI" and prefix in "BSO") or (before not in "O." and changes):
            found.add((type_before, first, position - 1))
        if prefix in "BS" or (before in "ESO" and prefix in "EI") or (prefix not in "O." and changes):
            first = position
        before, type_before = prefix, kind
    return found


def corpus_entities(sentences: Sentences, split_tag: SplitTag) -> set[Entity]:
    """Return the spans of a whole corpus. As in seqeval, all sentences form one sequence, with an O after each."""
    return entities([tag for sentence in sentences for tag in (*sentence, "O")], split_tag)


def _check(predictions: Sentences, golds: Sentences) -> None:
    if len(predictions) != len(golds):
        raise UserError(
            f"there are {len(predictions)} predicted sentences for {len(golds)} gold sentences; give one per gold "
            "sentence, in the same order"
        )
    for number, (predicted, gold) in enumerate(zip(predictions, golds, strict=True)):
        if len(predicted) != len(gold):
            raise UserError(
                f"sentence {number} has {len(predicted)} predicted tags for {len(gold)} gold tags; give a tag per word"
            )


def _span_f1(name: str, version: str, split_tag: SplitTag) -> Metric:
    def statistics(predictions: Sentences, golds: Sentences, _language: str) -> Floats:
        _check(predictions, golds)
        counts = np.empty((len(golds), 3))
        for row, (predicted_tags, gold_tags) in enumerate(zip(predictions, golds, strict=True)):
            predicted, gold = entities(predicted_tags, split_tag), entities(gold_tags, split_tag)
            counts[row] = len(predicted & gold), len(predicted), len(gold)
        return counts

    return Metric(name=name, statistics=statistics, value=f1, source=_SOURCE.format(version))


def _counts_of_right_and_all_tags(predictions: Sentences, golds: Sentences, _language: str) -> Floats:
    _check(predictions, golds)
    counts = np.empty((len(golds), 2))
    for row, (predicted, gold) in enumerate(zip(predictions, golds, strict=True)):
        counts[row] = sum(map(str.__eq__, predicted, gold)), len(gold)
    return counts


ENTITY_F1 = _span_f1("entity_f1", "1.2.2", split_tag_1_2_2)
TAG_F1 = _span_f1("tag_f1", "0.0.12", split_tag_0_0_12)
SPAN_METRICS = (ENTITY_F1.name, TAG_F1.name)
TOKEN_ACCURACY = Metric(
    name="token_accuracy",
    statistics=_counts_of_right_and_all_tags,
    value=mean,
    source="xtreme evaluate.py `accuracy` over all tags of all sentences",
)

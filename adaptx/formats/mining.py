"""Bitext mining (BUCC): find sentences of two lists that translate one another, by ratio margin and a threshold.

The steps follow XTREME (Hu et al. 2020, arXiv:2003.11080). The margin of a pair compares its cosine with the cosines of
both sentences' nearest neighbours. Pairs with a sentence that occurs more than once are dropped. The threshold is the
one with the best F1 on development sentences. These are held out from the evaluated lists and not scored, because the
hub does not hold BUCC's development set as whole lists with gold pairs.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from adaptx.backbones.batching import encode_texts
from adaptx.data.examples import Examples
from adaptx.formats.interface import Answers, Format, Inputs, Predictions, Reading, embedded
from adaptx.metrics.bucc import Sentences, distinct_rows, extract, threshold_for, xtreme_candidates
from adaptx.metrics.mining import Neighbours, mine
from adaptx.metrics.search import top_k
from adaptx.specs import BitextMining


@dataclass(frozen=True)
class MiningSide:
    """Some sentences of one list: their indices in the list (`numbers`), their texts and vectors [sentences, D]."""

    numbers: list[int]
    texts: list[str]
    vectors: Tensor


def encode(examples: Examples, _format: BitextMining, reading: Reading) -> Inputs:
    """Encode the sentences of both lists, which are then embedded.

    Token statistics cover only the source list, because the target list is English.
    """
    sides = [list[str](examples.columns[role][0]) for role in ("source", "target")]
    encoded = [
        encode_texts(reading.tokenizer, texts, None, reading.hidden.prefix, reading.max_length) for texts in sides
    ]
    return Inputs(tuple(map(embedded, encoded)), encoded[:1], sides[0])


def decode(answers: Answers) -> Predictions:
    """Return a prediction for each scored source sentence: the index of the target sentence mined for it, or None."""
    task_format, columns = answers.model.format, answers.examples.columns
    sides = [list[str](columns[role][0]) for role in ("source", "target")]
    gold = [(first - 1, second - 1) for first, second in columns["gold"][0]]
    held = development_numbers(gold, [len(texts) for texts in sides], task_format.development_every)

    def part(inside: bool) -> tuple[MiningSide, MiningSide]:
        source, target = (_side(sides[i], answers.values[i], held[i], inside) for i in (0, 1))
        return source, target

    centred = answers.reading.hidden.centred
    of_development = _margins(*part(True), task_format.neighbours, centred)
    threshold = threshold_for(of_development, [pair for pair in gold if pair[0] in held[0]])
    source, target = part(False)
    mined = dict(extract(_margins(source, target, task_format.neighbours, centred), threshold.value))
    right: dict[int, list[int]] = {}
    for first, second in gold:
        right.setdefault(first, []).append(second)
    return Predictions(
        predictions=[mined.get(number) for number in source.numbers],
        golds=[right.get(number, []) for number in source.numbers],
        rows=tuple(source.numbers),
        inputs=answers.inputs,
        details={"threshold": threshold.value, "development_sentences": [len(each) for each in held]},
    )


def development_numbers(gold: Sequence[tuple[int, int]], sizes: Sequence[int], every: int) -> tuple[set[int], set[int]]:
    """Return the indices of the source sentences and of the target sentences on which the threshold is chosen. If
    `every` is 10, these are every tenth sentence without a pair, and both sentences of every tenth gold pair. Of gold
    pairs that share a sentence, such as (a, b) and (a, c), either all sentences are chosen or none.
    """
    chosen = [set[int](), set[int]()]
    paired = [{pair[side] for pair in gold} for side in (0, 1)]
    for place, pair in enumerate(sorted(gold)):
        for side in (0, 1):
            if place % every == 0:
                chosen[side].add(pair[side])
    # A sentence may be in several pairs. If only one sentence of a pair was chosen, it is given back to the scored
    # sentences. That may split another pair, so this repeats until no pair is split.
    while broken := [pair for pair in gold if (pair[0] in chosen[0]) != (pair[1] in chosen[1])]:
        for first, second in broken:
            chosen[0].discard(first)
            chosen[1].discard(second)
    for side in (0, 1):
        alone = [number for number in range(sizes[side]) if number not in paired[side]]
        chosen[side].update(alone[::every])
    return chosen[0], chosen[1]


def _side(texts: Sequence[str], vectors: Tensor, held: Collection[int], inside: bool) -> MiningSide:
    """Return the sentences of a list that are in `held`, or those that are not if `inside` is false."""
    numbers = [number for number in range(len(texts)) if (number in held) is inside]
    return MiningSide(numbers, [texts[number] for number in numbers], vectors[numbers])


def _margins(source: MiningSide, target: MiningSide, neighbours: int, centred: bool) -> dict[tuple[int, int], float]:
    """Mine pairs between the two sides. Return the margin of each pair, by (source index, target index)."""
    if not source.numbers or not target.numbers:
        return {}
    left, right = source.vectors[distinct_rows(source.texts)], target.vectors[distinct_rows(target.texts)]

    def nearest(queries: Tensor, pool: Tensor) -> Any:
        found = top_k(queries, pool, min(neighbours, len(pool)), unit=True, centred=centred)
        return Neighbours(found.scores.numpy(), found.indices.numpy())

    mined = mine(nearest(left, right), nearest(right, left))
    return xtreme_candidates(mined, Sentences(source.texts, source.numbers), Sentences(target.texts, target.numbers))


MINING = Format(encode, decode)

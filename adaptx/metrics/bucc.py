"""Turn mined sentence pairs of BUCC into pairs of ids, by XTREME's and by jiant's rule for repeated sentences.

XTREME and jiant both mine over distinct sentences, and then turn each mined pair into candidates: pairs of ids with a
margin. A sentence that occurs several times has several ids. XTREME drops the pairs of such a sentence, and jiant makes
a candidate for each of its ids.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from adaptx.metrics.mining import MinedPairs, Threshold, choose_threshold

Id = TypeVar("Id", bound=Hashable)


@dataclass(frozen=True)
class Sentences(Generic[Id]):
    """The sentences of one language: their texts, and one id per sentence."""

    texts: Sequence[str]
    ids: Sequence[Id]


def distinct_rows(texts: Sequence[str]) -> list[int]:
    """Return, for each distinct text, the number of its last row. The texts are in the order of their first rows.

    Source: xtreme utils_retrieve.py `text_load_unify` and `unique_embeddings`, which jiant copies.
    """
    return list({text: row for row, text in enumerate(texts)}.values())


def xtreme_candidates(mined: MinedPairs, source: Sentences[Id], target: Sentences[Id]) -> dict[tuple[Id, Id], float]:
    """Return the margin of each of XTREME's candidates, by (source id, target id).

    mined: pairs that were mined over `distinct_rows` of the unchanged texts, including surrounding space. A pair with a
    sentence that occurs more than once (ignoring surrounding space) is dropped, because the sentence has more than one
    id. A candidate that is found twice gets the larger margin.

    Source: xtreme utils_retrieve.py `read_sent2id` and `read_candidate2score`.
    """
    source_texts, target_texts = list(dict.fromkeys(source.texts)), list(dict.fromkeys(target.texts))
    source_ids, target_ids = _ids_of_unrepeated_texts(source), _ids_of_unrepeated_texts(target)
    candidates: dict[tuple[Id, Id], float] = {}
    for left, right, margin in zip(mined.sources, mined.targets, mined.margins, strict=True):
        source_text, target_text = source_texts[left].strip(), target_texts[right].strip()
        if source_text in source_ids and target_text in target_ids:
            pair = source_ids[source_text], target_ids[target_text]
            candidates[pair] = max(float(margin), candidates.get(pair, float(margin)))
    return candidates


def jiant_candidates(mined: MinedPairs, source: Sentences[Id], target: Sentences[Id]) -> dict[tuple[Id, Id], float]:
    """Return the margin of each of jiant's candidates, by (source id, target id).

    A sentence that occurs more than once has several ids. A mined pair gives one candidate per combination of the ids
    of its two sentences.

    mined: pairs that were mined over `distinct_rows` of the texts without surrounding space.

    Source: jiant tasks/evaluate/core.py `Bucc2018EvaluationScheme` (Phang et al. 2020, arXiv:2003.02249).
    """
    source_ids, target_ids = _ids_of_each_text(source), _ids_of_each_text(target)
    return {
        (source_id, target_id): float(margin)
        for left, right, margin in zip(mined.sources, mined.targets, mined.margins, strict=True)
        for source_id in source_ids[left]
        for target_id in target_ids[right]
    }


def threshold_for(
    candidates: Mapping[tuple[Id, Id], float], gold: Sequence[tuple[Id, Id]] | set[tuple[Id, Id]]
) -> Threshold:
    """Return the threshold at which the development candidates have the best F1 against the gold pairs."""
    known = set(gold)
    return choose_threshold(list(candidates.values()), [pair in known for pair in candidates], len(gold))


def extract(candidates: Mapping[tuple[Id, Id], float], threshold: float) -> list[tuple[Id, Id]]:
    """Return the candidates whose margin is at least the threshold, in the order of `candidates`."""
    return [pair for pair, margin in candidates.items() if margin >= threshold]


def _ids_of_unrepeated_texts(sentences: Sentences[Id]) -> dict[str, Id]:
    stripped = [text.strip() for text in sentences.texts]
    times = Counter(stripped)
    return {text: key for text, key in zip(stripped, sentences.ids, strict=True) if times[text] == 1}


def _ids_of_each_text(sentences: Sentences[Id]) -> list[list[Id]]:
    """Return all ids of each distinct text, in the order of first occurrences. Surrounding space is ignored."""
    ids: defaultdict[str, list[Id]] = defaultdict(list)
    for text, key in zip(sentences.texts, sentences.ids, strict=True):
        ids[text.strip()].append(key)
    return list(ids.values())

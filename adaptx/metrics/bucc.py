"""What becomes of repeated sentences in BUCC: XTREME drops their pairs, jiant gives the pair to every id.

Both mine over distinct sentences. Mined pairs of distinct sentences become candidates (pairs of ids) with a margin.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from adaptx.metrics.mining import MinedPairs, Threshold, choose_threshold

Id = TypeVar("Id", bound=Hashable)


@dataclass(frozen=True)
class Sentences(Generic[Id]):
    """One language's sentences: texts, and an id of each."""

    texts: Sequence[str]
    ids: Sequence[Id]


def distinct_rows(texts: Sequence[str]) -> list[int]:
    """Rows that stand for the distinct texts: ordered by a text's first occurrence, the row is its last one.

    Source: xtreme utils_retrieve.py `text_load_unify` and `unique_embeddings`, which jiant has taken over.
    """
    return list({text: row for row, text in enumerate(texts)}.values())


def xtreme_candidates(mined: MinedPairs, source: Sentences[Id], target: Sentences[Id]) -> dict[tuple[Id, Id], float]:
    """Candidates of pairs mined over `distinct_rows` of the texts as they stand; found twice, with the better margin.

    Pairs with a sentence that occurs more than once, space around it aside, are dropped: there is no one id for it.

    Source: xtreme utils_retrieve.py `read_sent2id` and `read_candidate2score`.
    """
    source_texts, target_texts = list(dict.fromkeys(source.texts)), list(dict.fromkeys(target.texts))
    source_ids, target_ids = _ids_of_unrepeated(source), _ids_of_unrepeated(target)
    candidates: dict[tuple[Id, Id], float] = {}
    for left, right, margin in zip(mined.sources, mined.targets, mined.margins, strict=True):
        source_text, target_text = source_texts[left].strip(), target_texts[right].strip()
        if source_text in source_ids and target_text in target_ids:
            pair = source_ids[source_text], target_ids[target_text]
            candidates[pair] = max(float(margin), candidates.get(pair, float(margin)))
    return candidates


def jiant_candidates(mined: MinedPairs, source: Sentences[Id], target: Sentences[Id]) -> dict[tuple[Id, Id], float]:
    """Candidates of pairs mined over `distinct_rows` of the stripped texts: every id of one with every id of the other.

    Source: jiant tasks/evaluate/core.py `Bucc2018EvaluationScheme` (Phang et al. 2020, arXiv:2003.02249).
    """
    source_ids, target_ids = _ids_of_each(source), _ids_of_each(target)
    return {
        (source_id, target_id): float(margin)
        for left, right, margin in zip(mined.sources, mined.targets, mined.margins, strict=True)
        for source_id in source_ids[left]
        for target_id in target_ids[right]
    }


def threshold_for(
    candidates: Mapping[tuple[Id, Id], float], gold: Sequence[tuple[Id, Id]] | set[tuple[Id, Id]]
) -> Threshold:
    """The threshold with the best F1 against development golds."""
    known = set(gold)
    return choose_threshold(list(candidates.values()), [pair in known for pair in candidates], len(gold))


def extract(candidates: Mapping[tuple[Id, Id], float], threshold: float) -> list[tuple[Id, Id]]:
    """The candidates whose margin reaches the threshold, in the order of `candidates`."""
    return [pair for pair, margin in candidates.items() if margin >= threshold]


def _ids_of_unrepeated(sentences: Sentences[Id]) -> dict[str, Id]:
    stripped = [text.strip() for text in sentences.texts]
    times = Counter(stripped)
    return {text: key for text, key in zip(stripped, sentences.ids, strict=True) if times[text] == 1}


def _ids_of_each(sentences: Sentences[Id]) -> list[list[Id]]:
    ids: defaultdict[str, list[Id]] = defaultdict(list)
    for text, key in zip(sentences.texts, sentences.ids, strict=True):
        ids[text.strip()].append(key)
    return list(ids.values())

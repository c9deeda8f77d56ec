"""Cases of BUCC: `pairs.<pair>.dev` and `pairs.<pair>.test`, with sentences, ids, embeddings and gold pairs.

`<pair>` is a pair of languages. Each pair is scored by XTREME's rules and by jiant's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adaptx.errors import UserError
from adaptx.metrics.bucc import Sentences, distinct_rows, extract, jiant_candidates, threshold_for, xtreme_candidates
from adaptx.metrics.cases.case import CaseNode
from adaptx.metrics.cases.scorer import EMBEDDINGS, EXACT, Scorer, attempt, stopped
from adaptx.metrics.cases.search import Embeddings, check_dimensions, neighbours, normalised
from adaptx.metrics.mining import NEIGHBOURS, MinedPairs, mine
from adaptx.metrics.official import OfficialStop

Pair = tuple[str, str]
Candidates = dict[Pair, float]
# The only value that each further option may have. The official code has other values, which neither XTREME nor jiant
# uses.
_ONLY = {"mode": "mine", "retrieval": "max", "margin": "ratio", "dist": "cosine", "use_shift_embeds": False}


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split: its sentences, embeddings (one row per sentence) and gold pairs (source id, target id)."""

    source: Sentences[str]
    target: Sentences[str]
    source_ND: Embeddings
    target_MD: Embeddings
    gold: list[Pair]


@dataclass(frozen=True)
class Options:
    """The options of a case.

    neighbours: the number K of neighbours for the margin. threshold: the margin above which pairs are mined.
    """

    neighbours: int
    threshold: float


def _bucc(inputs: CaseNode) -> dict[str, Any]:
    options = _options(inputs.get("options"))
    results: dict[str, Any] = {}
    for name, pair in inputs["pairs"].items():
        splits = {split: _split(pair[split]) for split in ("dev", "test")}
        results[name] = {
            "xtreme": _xtreme(splits["dev"], splits["test"], options),
            "jiant": _jiant(splits["dev"], splits["test"], options),
        }
    return results


def _options(given: CaseNode | None) -> Options:
    if given is None:
        return Options(NEIGHBOURS, 0.0)
    for key, value in _ONLY.items():
        found = given.get(key)
        if found is not None and found.value != value:
            raise UserError(f"`{found.place}` is {found.value!r}, but only {value!r} can be scored; write that value")
    number, threshold = given.get("neighborhood"), given.get("threshold")
    return Options(number.whole() if number else NEIGHBOURS, threshold.number() if threshold else 0.0)


def _split(split: CaseNode) -> Split:
    source_ND, source = _side(split, "src")
    target_MD, target = _side(split, "trg")
    check_dimensions(source_ND, target_MD, split.place)
    gold = [pair.texts() for pair in split["gold"].elements()]
    if any(len(pair) != 2 for pair in gold):
        raise UserError(
            f"`{split.place}.gold` has an entry that is not a pair; write every entry as [source id, target id]"
        )
    return Split(
        source=source,
        target=target,
        source_ND=source_ND,
        target_MD=target_MD,
        gold=[(left, right) for left, right in gold],
    )


def _side(split: CaseNode, side: str) -> tuple[Embeddings, Sentences[str]]:
    embeddings_ND = split[f"{side}_embeddings"].matrix()
    texts, ids = split[f"{side}_sentences"].texts(), split[f"{side}_ids"].texts()
    if not len(embeddings_ND) == len(texts) == len(ids):
        raise UserError(
            f"`{split.place}` has {len(texts)} {side}_sentences, {len(ids)} {side}_ids and {len(embeddings_ND)} "
            f"{side}_embeddings; give one id and one embedding per sentence"
        )
    return embeddings_ND, Sentences(texts, ids)


def _mined(split: Split, options: Options, key: Callable[[str], str]) -> MinedPairs:
    """Return the pairs mined over distinct sentences. Texts for which `key` returns equal strings are one sentence."""
    source_ND = normalised(split.source_ND[distinct_rows(list(map(key, split.source.texts)))])
    target_MD = normalised(split.target_MD[distinct_rows(list(map(key, split.target.texts)))])
    forward = neighbours(source_ND, target_MD, options.neighbours)
    backward = neighbours(target_MD, source_ND, options.neighbours)
    return mine(forward, backward, options.threshold)


def _xtreme(dev: Split, test: Split, options: Options) -> dict[str, Any]:
    found, on_test = (
        xtreme_candidates(_mined(split, options, str), split.source, split.target) for split in (dev, test)
    )
    reoptimised = attempt(lambda: _tuned(on_test, set(test.gold), 100))
    return {
        "dev": _listed(found) | attempt(lambda: _with_predictions(found, _tuned(found, set(dev.gold), 100))),
        "test": _tested(found, set(dev.gold), on_test, test.gold, with_predictions=True)
        | {"bucc_eval_with_gold_reoptimises_on_test": reoptimised},
    }


def _jiant(dev: Split, test: Split, options: Options) -> dict[str, Any]:
    found, on_test = (
        jiant_candidates(_mined(split, options, str.strip), split.source, split.target) for split in (dev, test)
    )
    return {
        "dev": _listed(found) | attempt(lambda: _tuned(found, dev.gold, 1)),
        "test": _tested(found, dev.gold, on_test, test.gold, with_predictions=False),
    }


def _listed(candidates: Candidates) -> dict[str, Any]:
    return {"candidates": [[*pair, margin] for pair, margin in candidates.items()]}


def _best_threshold(candidates: Candidates, gold: Sequence[Pair] | set[Pair]) -> float:
    """Return the threshold with the best F1.

    Raises:
        OfficialStop: the F1 is best if all candidates are accepted. The official code stops in this case.
    """
    threshold = threshold_for(candidates, gold)
    if threshold.at_last:
        raise OfficialStop(
            "IndexError",
            "list index out of range",
            "the F1 is best if all candidates are accepted, but the threshold has to lie halfway between the last "
            "accepted candidate and the next one, and there is no next one",
        )
    return threshold.value


def _tuned(candidates: Candidates, gold: Sequence[Pair] | set[Pair], unit: int) -> dict[str, Any]:
    """Return the best threshold, and its precision, recall and F1, multiplied by `unit` (100 for percent)."""
    threshold = _best_threshold(candidates, gold)
    precision, recall, f1 = _precision_recall_f1(extract(candidates, threshold), gold)
    return {"best-threshold": threshold, "precision": unit * precision, "recall": unit * recall, "F1": unit * f1}


def _with_predictions(candidates: Candidates, tuned: dict[str, Any]) -> dict[str, Any]:
    return tuned | {"predictions": [list(pair) for pair in extract(candidates, tuned["best-threshold"])]}


def _tested(
    on_dev: Candidates,
    dev_gold: Sequence[Pair] | set[Pair],
    on_test: Candidates,
    gold: Sequence[Pair],
    with_predictions: bool,
) -> dict[str, Any]:
    """Return the test scores in percent, at the threshold that is best on the development candidates."""
    try:
        threshold = _best_threshold(on_dev, dev_gold)
    except OfficialStop as stop:
        return _listed(on_test) | stopped(stop)
    extracted = extract(on_test, threshold)
    precision, recall, f1 = _precision_recall_f1(extracted, gold)
    scores = {"threshold_used": threshold, "f1": f1 * 100, "precision": precision * 100, "recall": recall * 100}
    predictions = {"predictions": [list(pair) for pair in extracted]} if with_predictions else {}
    return _listed(on_test) | scores | predictions


def _precision_recall_f1(extracted: Sequence[Pair], gold: Sequence[Pair] | set[Pair]) -> tuple[float, float, float]:
    extracted_set, gold_set = set(extracted), set(gold)
    correct = len(extracted_set & gold_set)
    if not correct:
        return 0.0, 0.0, 0.0
    precision, recall = correct / len(extracted_set), correct / len(gold_set)
    return precision, recall, 2 * precision * recall / (precision + recall)


_EMBEDDED = {"candidates": EMBEDDINGS, "best-threshold": EMBEDDINGS, "threshold_used": EMBEDDINGS}
BUCC = Scorer(_bucc, tolerance=EXACT, tolerances=_EMBEDDED, unordered=frozenset({"candidates", "predictions"}))

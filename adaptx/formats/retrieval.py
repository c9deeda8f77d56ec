"""Dual-encoder retrieval: queries and candidates are embedded apart, by one backbone. Loss unit: the query.

Trained by softmax over the batch's candidates, with cosine over temperature as scores (Gillick et al. 2019,
arXiv:1909.10506; multilingual sets: Roy et al. 2020, LAReQA, arXiv:2004.05484).

Suffixes: Q queries, N candidates, S sequences of a batch, D hidden size.
"""

import torch
from torch import Tensor, nn

from adaptx.backbones.batching import Encoded, encode_texts
from adaptx.data.examples import Examples
from adaptx.data.golds import right_candidates
from adaptx.formats.interface import Format, Forward, Items, JointLoss, Predicted, Reading, TrainedHead, Training
from adaptx.metrics.search import top_k
from adaptx.specs import CandidateText, Retrieval, Task

RANKED = 20
"""Candidates kept for each query: what mAP@20 looks at."""


def items(examples: Examples, task_format: Retrieval, reading: Reading) -> Items:
    """Two sequences an item, query and candidate; the target is the candidate's text, which tells equal ones."""
    queries, candidates = (
        _encode_queries(examples, reading),
        _encode_candidates(examples, task_format.trained_as, reading),
    )
    count = len(examples)
    both = Encoded(
        queries.ids + candidates.ids,
        queries.types + candidates.types if queries.types is not None and candidates.types is not None else None,
        queries.pad,
        queries.truncated + candidates.truncated,
    )
    keys = list(
        zip(examples.columns["candidate"], examples.columns.get("candidate_context", [""] * count), strict=True)
    )
    return Items(both, [[index, count + index] for index in range(count)], keys, [1] * count)


def loss(vectors_SD: Tensor, drawn: Items, task_format: Retrieval) -> Tensor:
    """Cross-entropy of each query's own candidate among the batch's, summed over queries.

    A candidate that equals a query's own is right for it too, and is no negative.
    """
    queries_QD, candidates_ND = nn.functional.normalize(vectors_SD.unflatten(0, (-1, 2)), dim=-1).unbind(1)
    scores_QN = queries_QD @ candidates_ND.T / task_format.temperature
    number = {key: place for place, key in enumerate(dict.fromkeys(drawn.targets))}
    key_Q = torch.tensor([number[key] for key in drawn.targets], device=vectors_SD.device)
    own_QN = torch.eye(len(key_Q), dtype=torch.bool, device=vectors_SD.device)
    same_QN = (key_Q.unsqueeze(1) == key_Q) & ~own_QN
    scores_QN = scores_QN.masked_fill(same_QN, float("-inf"))
    return nn.functional.cross_entropy(scores_QN, torch.arange(len(key_Q), device=scores_QN.device), reduction="sum")


def predict(examples: Examples, task: Task, _head: TrainedHead | None, forward: Forward) -> Predicted:
    """Ids of each query's nearest candidates, best first; the golds are the ids of all right ones."""
    assert isinstance(task.format, Retrieval)
    read_as = task.format.ranked_as
    golds, pool = _ranked(examples, task, forward)
    found = None if golds is None else right_candidates(examples, golds, pool, task.name)
    names: list[str] = pool.columns["id"]
    candidates_ND = forward.remembered(
        ("pool", task.pool, tuple(names), read_as),
        lambda: forward.vectors(_encode_candidates(pool, read_as, forward.reading)),
    )
    encoded = _encode_queries(examples, forward.reading)
    queries_QD = forward.vectors(encoded)
    places_Qk = top_k(queries_QD, candidates_ND, min(RANKED, len(names)), unit=True).indices
    predictions = [[names[place] for place in places] for places in places_Qk.tolist()]
    details = {"candidates": len(names)}
    return Predicted(predictions, found, examples.rows, [encoded], list(examples.columns["query"]), details)


def _ranked(examples: Examples, task: Task, forward: Forward) -> tuple[list[list[str]] | None, Examples]:
    """The ids that each query asks for (None: unlabelled rows), and the candidates that are ranked: the task's pool.

    Rows in the form of training rows, as development sets have them, are ranked among their own candidates.
    """
    if "gold" in examples.columns:
        golds: list[list[str]] = examples.columns["gold"]
        return golds, forward.pool(task, list(dict.fromkeys(key for each in golds for key in each)))
    if "candidate" not in examples.columns:
        return None, forward.pool(task, [])
    blank = [""] * len(examples)
    keys = list(zip(examples.columns["candidate"], examples.columns.get("candidate_context", blank), strict=True))
    number = {key: str(place) for place, key in enumerate(dict.fromkeys(keys))}
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    chosen = examples.take([first[key] for key in number])
    ids = list(number.values())
    pool = Examples(chosen.rows, {**chosen.columns, "id": ids, "answers": [[name] for name in ids]})
    return [[number[key]] for key in keys], pool


def _encode_queries(examples: Examples, reading: Reading) -> Encoded:
    return encode_texts(reading.tokenizer, examples.columns["query"], None, reading.hidden.prefix, reading.max_length)


def _encode_candidates(examples: Examples, read_as: CandidateText, reading: Reading) -> Encoded:
    """Encode candidates, with their contexts where there are any."""
    texts, contexts = examples.columns["candidate"], examples.columns.get("candidate_context")
    if contexts is not None and read_as is CandidateText.JOINED:
        texts = [joined_text(text, context) for text, context in zip(texts, contexts, strict=True)]
        contexts = None
    return encode_texts(reading.tokenizer, texts, contexts, reading.hidden.prefix, reading.max_length)


def joined_text(candidate: str, context: str) -> str:
    """Return candidate and context as LAReQA's official evaluation writes them: nothing between, no line breaks."""
    return (candidate + context).replace("\n", "").strip()


RETRIEVAL = Format(predict, Training(items, JointLoss(loss)))

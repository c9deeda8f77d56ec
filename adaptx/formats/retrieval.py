"""Dual-encoder retrieval: one backbone embeds queries and candidates separately. Loss unit: the query.

The loss is the cross-entropy of a softmax over the batch's candidates. A candidate's score is its cosine with the
query, divided by a temperature (Gillick et al. 2019, arXiv:1909.10506; multilingual sets: Roy et al. 2020, LAReQA,
arXiv:2004.05484). A query's negatives are the candidates of the other queries, so the batch size changes the task that
is learned.

Suffixes of tensor and array names, one letter per dimension: Q queries, N candidates, S sequences of a batch, D hidden
size.
"""

import torch
from torch import Tensor, nn

from adaptx.backbones.batching import Encoding, encode_texts
from adaptx.data.examples import Examples
from adaptx.formats.interface import (
    Answers,
    Format,
    FormatTraining,
    Inputs,
    Items,
    JointLoss,
    Pass,
    Predictions,
    Reading,
    embedded,
)
from adaptx.metrics.search import top_k
from adaptx.specs import CandidateText, Retrieval

RANKED = 20
"""Number of ranked candidates kept per query, as mAP@20 needs."""


def items(examples: Examples, task_format: Retrieval, reading: Reading) -> Items:
    """Return one item per row, with two sequences: query and candidate.

    The target is the candidate's text with its context, by which the loss recognises equal candidates.
    """
    queries, candidates = (
        _encode_queries(examples, reading),
        _encode_candidates(examples, task_format.trained_as, reading),
    )
    count = len(examples)
    both = Encoding(
        queries.ids + candidates.ids,
        queries.types + candidates.types if queries.types is not None and candidates.types is not None else None,
        queries.pad,
        queries.truncated + candidates.truncated,
    )
    keys = list(
        zip(examples.columns["candidate"], examples.columns.get("candidate_context", [""] * count), strict=True)
    )
    return Items(
        encoded=both, members=[[index, count + index] for index in range(count)], targets=keys, units=[1] * count
    )


def loss(vectors_SD: Tensor, drawn: Items, task_format: Retrieval) -> Tensor:
    """Return the cross-entropy of each query's own candidate among the batch's candidates, summed over queries.

    If another row has an equal candidate, that candidate is also right for the query, and is not used as a negative.
    """
    queries_QD, candidates_ND = nn.functional.normalize(vectors_SD.unflatten(0, (-1, 2)), dim=-1).unbind(1)
    scores_QN = queries_QD @ candidates_ND.T / task_format.temperature
    number = {key: place for place, key in enumerate(dict.fromkeys(drawn.targets))}
    key_Q = torch.tensor([number[key] for key in drawn.targets], device=vectors_SD.device)
    own_QN = torch.eye(len(key_Q), dtype=torch.bool, device=vectors_SD.device)
    same_QN = (key_Q.unsqueeze(1) == key_Q) & ~own_QN
    scores_QN = scores_QN.masked_fill(same_QN, float("-inf"))
    return nn.functional.cross_entropy(scores_QN, torch.arange(len(key_Q), device=scores_QN.device), reduction="sum")


def encode(examples: Examples, _format: Retrieval, reading: Reading) -> Inputs:
    """Encode the queries, which are then embedded."""
    encoded = _encode_queries(examples, reading)
    return Inputs((embedded(encoded),), [encoded], list(examples.columns["query"]))


def encode_pool(pool: Examples, task_format: Retrieval, reading: Reading) -> Pass:
    """Encode the candidates, which are then embedded."""
    return embedded(_encode_candidates(pool, task_format.ranked_as, reading))


def decode(answers: Answers) -> Predictions:
    """Predict, for each query, the ids of its nearest candidates, best first.

    The gold answers are the ids of all right candidates.
    """
    assert answers.pool is not None and answers.pool_vectors is not None
    names: list[str] = answers.pool.columns["id"]
    (queries_QD,) = answers.values
    places_Qk = top_k(queries_QD, answers.pool_vectors, min(RANKED, len(names)), unit=True).indices
    predictions = [[names[place] for place in places] for places in places_Qk.tolist()]
    examples = answers.examples
    return Predictions(
        predictions=predictions,
        golds=examples.columns.get("right"),
        rows=examples.rows,
        inputs=answers.inputs,
        details={"candidates": len(names)},
    )


def _encode_queries(examples: Examples, reading: Reading) -> Encoding:
    return encode_texts(reading.tokenizer, examples.columns["query"], None, reading.hidden.prefix, reading.max_length)


def _encode_candidates(examples: Examples, read_as: CandidateText, reading: Reading) -> Encoding:
    texts, contexts = examples.columns["candidate"], examples.columns.get("candidate_context")
    if contexts is not None and read_as is CandidateText.JOINED:
        texts = [joined_text(text, context) for text, context in zip(texts, contexts, strict=True)]
        contexts = None
    return encode_texts(reading.tokenizer, texts, contexts, reading.hidden.prefix, reading.max_length)


def joined_text(candidate: str, context: str) -> str:
    """Join candidate and context as LAReQA's official evaluation does: add no space, and remove line breaks."""
    return (candidate + context).replace("\n", "").strip()


RETRIEVAL = Format(encode, decode, FormatTraining(items, JointLoss(loss)), encode_pool)

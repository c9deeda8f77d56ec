"""Evaluate as the XTREME scripts do: rows in their order, in batches of 8, each padded to the maximum length.

(Hu et al. 2020, arXiv:2003.11080, and its released scripts for classification, tagging and span question answering.)
Tokenizers and networks are those of the installed transformers. Sequences are not sorted, and each one has its own row.

Each function returns a list of decisions per example (one decision, or one per word). A decision holds the score of
every alternative: the prediction is the best one, and a near tie can be told from an error.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BATCH_SIZE = 8
MOST_SHARED_TOKENS = 128
QUESTION_TOKENS = 64
ANSWER_TOKENS = 30
N_BEST = 20
OUTSIDE = (-1, -1)
"""Character span of a token that does not belong to the context."""

Decision = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class PlainModel:
    """A transformers network with a task head.

    max_length: length to which every sequence is padded.
    """

    network: Any
    head: nn.Module
    tokenizer: Any
    labels: tuple[str, ...]
    max_length: int
    device: torch.device
    arithmetic: Callable[[], AbstractContextManager[Any]]

    def hidden(self, features: Sequence[dict[str, Any]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the last hidden states [8, max_length, D] and attention mask [8, max_length] of each batch."""
        for begin in range(0, len(features), BATCH_SIZE):
            batch = features[begin : begin + BATCH_SIZE]
            names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in batch[0]]
            tensors = {name: torch.tensor([each[name] for each in batch], device=self.device) for name in names}
            yield self.network(**tensors).last_hidden_state, tensors["attention_mask"]


def classify(model: PlainModel, texts: Sequence[str], pairs: Sequence[str] | None) -> list[list[Decision]]:
    """Classify each text or pair from the mean over its tokens."""
    options = {"truncation": True, "padding": "max_length", "max_length": model.max_length}
    both = [texts] if pairs is None else [texts, pairs]
    features = [dict(model.tokenizer(*row, **options)) for row in zip(*both, strict=True)]
    found: list[list[Decision]] = []
    with torch.inference_mode(), model.arithmetic():
        for hidden_BTD, mask_BT in model.hidden(features):
            mask_BT1 = mask_BT.unsqueeze(-1).float()
            logits_BC = model.head((hidden_BTD.float() * mask_BT1).sum(1) / mask_BT1.sum(1))
            found += [[dict(zip(model.labels, row, strict=True))] for row in logits_BC.tolist()]
    return found


def tag(model: PlainModel, sentences: Sequence[Sequence[str]]) -> list[list[Decision]]:
    """Tag each word from its first sub-word; sentences that are too long are cut between words."""
    features: list[dict[str, Any]] = []
    first_tokens: list[list[int]] = []
    sentence_of: list[int] = []
    for number, words in enumerate(sentences):
        for piece, first in _pieces(model, words):
            features.append(piece)
            first_tokens.append(first)
            sentence_of.append(number)
    found: list[list[Decision]] = [[] for _ in sentences]
    done = 0
    with torch.inference_mode(), model.arithmetic():
        for hidden_BTD, _ in model.hidden(features):
            for logits_TC in model.head(hidden_BTD).tolist():
                decisions = [dict(zip(model.labels, logits_TC[place], strict=True)) for place in first_tokens[done]]
                found[sentence_of[done]] += decisions
                done += 1
    return found


def _pieces(model: PlainModel, words: Sequence[str]) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """Return the sequences of a sentence, with the position of each word's first sub-word."""
    room = model.max_length - model.tokenizer.num_special_tokens_to_add()
    output = model.tokenizer(list(words), is_split_into_words=True, add_special_tokens=False, verbose=False)
    subwords: list[list[int]] = [[] for _ in words]
    for token, word in zip(output["input_ids"], output.word_ids(), strict=True):
        subwords[word].append(token)
    tokens: list[int] = []
    first: list[int] = []
    for each in (part or [model.tokenizer.unk_token_id] for part in subwords):
        if tokens and len(tokens) + len(each) > room:
            yield _padded(model, tokens), first
            tokens, first = [], []
        first.append(1 + len(tokens))
        tokens += each[:room]
    yield _padded(model, tokens), first


def _padded(model: PlainModel, tokens: list[int]) -> dict[str, Any]:
    output = model.tokenizer.prepare_for_model(tokens, padding="max_length", max_length=model.max_length)
    return dict(output)


def answer(model: PlainModel, questions: Sequence[str], contexts: Sequence[str]) -> list[list[Decision]]:
    """Answer each question with the text of the best span over all windows of its context."""
    features: list[dict[str, Any]] = []
    context_of: list[int] = []
    for number, (question, context) in enumerate(zip(questions, contexts, strict=True)):
        for window in _windows(model, question, context):
            features.append(window)
            context_of.append(number)
    found: list[list[Decision]] = [[{}] for _ in questions]
    done = 0
    with torch.inference_mode(), model.arithmetic():
        for hidden_BTD, _ in model.hidden(features):
            for logits_T2 in model.head(hidden_BTD).float().cpu().numpy():
                number = context_of[done]
                scores = found[number][0]
                for text, score in _spans(logits_T2, features[done]["spans"], contexts[number]):
                    scores[text] = max(score, scores.get(text, -np.inf))
                done += 1
    return found


def _windows(model: PlainModel, question: str, context: str) -> Iterator[dict[str, Any]]:
    """Return windows that share a third of their tokens (the default), with character spans of the context's tokens."""
    tokenizer = model.tokenizer
    asked = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if len(asked) > QUESTION_TOKENS:
        question, asked = question[: asked[QUESTION_TOKENS - 1][1]], asked[:QUESTION_TOKENS]
    room = model.max_length - len(asked) - tokenizer.num_special_tokens_to_add(pair=True)
    output = tokenizer(
        question,
        context,
        truncation="only_second",
        padding="max_length",
        max_length=model.max_length,
        stride=min(MOST_SHARED_TOKENS, model.max_length // 3, room // 2),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    for window, offsets in enumerate(output["offset_mapping"]):
        sides = output.sequence_ids(window)
        feature = {name: output[name][window] for name in output}
        yield {**feature, "spans": [pair if side == 1 else OUTSIDE for pair, side in zip(offsets, sides, strict=True)]}


def _spans(
    logits_T2: NDArray[np.float32], spans: Sequence[tuple[int, int]], context: str
) -> Iterator[tuple[str, float]]:
    """Return texts and scores of all spans between a window's best starts and ends that are not too long."""
    inside_T = np.array([span != OUTSIDE for span in spans])
    logits_T2 = np.where(inside_T[:, None], logits_T2, -np.inf)
    starts, ends = (np.argsort(-logits_T2[:, side], kind="stable")[:N_BEST] for side in (0, 1))
    pairs = [
        (start, end)
        for start in starts
        for end in ends
        if inside_T[start] and inside_T[end] and start <= end < start + ANSWER_TOKENS
    ]
    if not pairs and inside_T.any():
        best = int(logits_T2.sum(1).argmax())
        pairs = [(best, best)]
    for start, end in pairs:
        yield context[spans[start][0] : spans[end][1]].strip(), float(logits_T2[start, 0] + logits_T2[end, 1])

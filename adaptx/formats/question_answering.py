"""Span question answering: find an answer's first and last token in a context (Devlin et al. 2019, sections 4.2, 4.3).

A long context is read in overlapping windows. Loss unit: the window. The target of a window is the first and last token
of the answer. If the window does not hold the whole answer, both are the window's no-answer token: its first token, or
its last if the backbone is causal. The predicted answer is the best span over all windows.

Suffixes of tensor and array names, one letter per dimension: N windows, L tokens of the longest window, C context
tokens of a window that stand for at least one character, K best starts or ends of a window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import Encoding, TokenBatch, padding_id
from adaptx.backbones.finite import check_finite
from adaptx.data.examples import Examples
from adaptx.errors import UserError
from adaptx.files.left_out import LeftOut
from adaptx.formats.heads import LinearHead
from adaptx.formats.interface import (
    Answers,
    Format,
    FormatTraining,
    HeadBase,
    Inputs,
    Items,
    Model,
    Pass,
    Piece,
    Predictions,
    Reading,
    SummedLoss,
    one_sequence_each,
)
from adaptx.specs import Hidden, QuestionAnswering

# A window needs room for some context after the question. With less, no answer could be found in it.
LEAST_CONTEXT_TOKENS = 8
MOST_SHARED_TOKENS = 128
"""Largest default overlap of neighbouring windows, in tokens. transformers' SQuAD script shares 128 of 384 tokens."""


@dataclass(frozen=True)
class Window:
    """One window of a question and a part of its context.

    question: the index of the question. first: the position of the first context token in the sequence. spans: for each
    context token, its characters [begin, end) in the context. null: the position of the no-answer token in the
    sequence.
    """

    question: int
    first: int
    spans: list[tuple[int, int]]
    null: int = 0


@dataclass(frozen=True)
class Windows:
    """The windows of all questions; sequence i of `encoded` is `windows[i]`."""

    encoded: Encoding
    windows: list[Window]


def new_head(_format: QuestionAnswering, base: HeadBase) -> nn.Module:
    return LinearHead(base.hidden_size, 2, base.dropout)


def items(examples: Examples, task_format: QuestionAnswering, reading: Reading) -> Items:
    """Return one item per window.

    The target is the pair of positions at which the first answer starts and ends, or (`null`, `null`). A question is
    left out if none of its windows holds the whole answer, because it would be trained as unanswerable.
    """
    made = windows(examples, task_format, reading)
    answers, starts = examples.columns["answers"], examples.columns["answer_starts"]
    targets = [_target(window, answers[window.question], starts[window.question]) for window in made.windows]
    shown = {
        window.question
        for window, target in zip(made.windows, targets, strict=True)
        if target != (window.null, window.null)
    }
    lost = [question for question in range(len(examples)) if answers[question] and question not in shown]
    left = set(lost)
    kept = [index for index, window in enumerate(made.windows) if window.question not in left]
    reason = f"no window of {reading.max_length} tokens holds the whole answer"
    left_out = (LeftOut(reason=reason, count=len(lost), first=examples.rows[lost[0]]),) if lost else ()
    members, kept_targets = [[index] for index in kept], [targets[index] for index in kept]
    return Items(encoded=made.encoded, members=members, targets=kept_targets, units=[1] * len(kept), left_out=left_out)


def loss_sum(backbone: Backbone, head: nn.Module, piece: Piece, framing: Hidden) -> Tensor:
    """Return the loss, summed over windows.

    A window's loss is the mean of two cross-entropies over its tokens: that of the start, and that of the end.
    """
    logits_NL2 = _window_logits(backbone, head, piece.batch, framing)
    gold_N2 = torch.tensor(piece.targets, device=logits_NL2.device)
    both = [nn.functional.cross_entropy(logits_NL2[..., i], gold_N2[:, i], reduction="sum") for i in (0, 1)]
    return (both[0] + both[1]) / 2


def encode(examples: Examples, task_format: QuestionAnswering, reading: Reading) -> Inputs:
    """Encode the windows of all questions. The target of an item is its `Window`."""
    made = windows(examples, task_format, reading)
    texts = [text for role in ("question", "context") for text in examples.columns[role]]
    return Inputs((Pass(one_sequence_each(made.encoded, list(made.windows)), spans),), [made.encoded], texts)


def spans(model: Model, piece: Piece) -> list[tuple[float, float, int, int]]:
    """Return (score of the best span, no-answer score, start, end) of each window (see `best_spans`)."""
    assert model.head is not None
    logits_NL2 = _window_logits(model.backbone, model.head, piece.batch, model.reading.hidden).float().cpu()
    inside = [row_L2[:length] for row_L2, length in zip(logits_NL2, piece.batch.lengths, strict=True)]
    check_finite(torch.cat(inside), "scores of spans")
    return best_spans(logits_NL2, piece.targets, model.format)


def decode(answers: Answers) -> Predictions:
    """Predict, for each question, the text of the best span in all its windows.

    If the task has unanswerable questions, a prediction also has the probability of no answer: the logistic function of
    (lowest no-answer score of the question's windows - score of the best span).
    """
    task_format, examples, (found,) = answers.model.format, answers.examples, answers.values
    contexts = examples.columns["context"]
    best: list[tuple[float, str]] = [(-np.inf, "")] * len(examples)
    no_answer = [np.inf] * len(examples)
    for window, (score, null, start, end) in zip(answers.inputs.passes[0].items.targets, found, strict=True):
        question = window.question
        no_answer[question] = min(no_answer[question], null)
        # Among windows with equal scores, the earliest is kept.
        if score > best[question][0]:
            text = contexts[question][window.spans[start][0] : window.spans[end][1]]
            best[question] = (score, text.strip())
    shares = [_no_answer_probability(null, score) for null, (score, _) in zip(no_answer, best, strict=True)]
    texts = [text for _, text in best]
    predictions: list[Any] = texts
    if task_format.unanswerable:
        predictions = [{"text": text, "no_answer": share} for text, share in zip(texts, shares, strict=True)]
    records = [{"answer": text, "no_answer": share} for text, share in zip(texts, shares, strict=True)]
    return Predictions(
        predictions=predictions,
        golds=examples.columns.get("answers"),
        rows=examples.rows,
        inputs=answers.inputs,
        records=records,
    )


def windows(examples: Examples, task_format: QuestionAnswering, reading: Reading) -> Windows:
    """Encode every question with its context, cut into windows of at most `max_length` tokens.

    Raises:
        UserError: `max_length` leaves fewer than `LEAST_CONTEXT_TOKENS` tokens for the context next to the question, or
            the format's stride is at least as large as the number of context tokens in a window.
    """
    prefix = reading.hidden.prefix
    questions = _cut_questions(reading.tokenizer, examples.columns["question"], task_format.question_tokens)
    pairs = [prefix + question for question in questions], [prefix + each for each in examples.columns["context"]]
    # Truncation is off: windows are cut from the tokens of the whole context, so each question is tokenised once.
    output: Any = reading.tokenizer(*pairs, return_offsets_mapping=True, truncation=False, verbose=False)
    ids: list[list[int]] = []
    types: list[list[int]] = []
    found: list[Window] = []
    with_types = "token_type_ids" in output
    for question in range(len(examples)):
        whole: list[int] = output["input_ids"][question]
        of_context = [place for place, side in enumerate(output.sequence_ids(question)) if side == 1]
        first, last = (of_context[0], of_context[-1] + 1) if of_context else (len(whole) - 1, len(whole) - 1)
        offsets = output["offset_mapping"][question]
        room = reading.max_length - (len(whole) - (last - first))
        if room < LEAST_CONTEXT_TOKENS:
            raise UserError(
                f"max_length={reading.max_length} leaves room for {room} tokens of context next to a question of at "
                f"most {task_format.question_tokens} tokens, which is too few; set TrainConfig(max_length=...) to 128 "
                "or more"
            )
        for begin in _window_starts(last - first, room, _overlap(task_format, room, examples.rows[question], reading)):
            end = min(begin + room, last - first)
            inside = slice(first + begin, first + end)
            ids.append([*whole[:first], *whole[inside], *whole[last:]])
            if with_types:
                kinds = output["token_type_ids"][question]
                types.append([*kinds[:first], *kinds[inside], *kinds[last:]])
            # Offsets count from the start of the prefix, which is not part of the context, so it is subtracted.
            spans = [(max(0, a - len(prefix)), max(0, b - len(prefix))) for a, b in offsets[inside]]
            found.append(Window(question, first, spans, len(ids[-1]) - 1 if reading.causal else 0))
    encoded = Encoding(ids, types if with_types else None, padding_id(reading.tokenizer), 0)
    return Windows(encoded, found)


def best_spans(
    logits_NL2: Tensor, made: Sequence[Window], task_format: QuestionAnswering
) -> list[tuple[float, float, int, int]]:
    """Return, for each window, (score of the best span, no-answer score, start, end).

    start, end: positions of the best span's first and last token, counted from the first context token. The score of a
    span is the sum of its start and end logits. A span starts at one of the `n_best` context tokens with the highest
    start logits, and ends at one of the `n_best` with the highest end logits. It has at most `answer_tokens` tokens.
    Tokens that stand for no character of the context, such as those of a prefix, are neither a start nor an end. If a
    window has no other context tokens, the score of its best span is minus infinity.
    """
    logits = logits_NL2.float().cpu().numpy()
    results: list[tuple[float, float, int, int]] = []
    for logits_L2, window in zip(logits, made, strict=True):
        null = float(logits_L2[window.null].sum())
        place_C = np.array([place for place, (begin, end) in enumerate(window.spans) if begin < end], dtype=np.intp)
        if not len(place_C):
            results.append((-np.inf, null, 0, 0))
            continue
        start_C, end_C = logits_L2[window.first + place_C].T
        starts_K, ends_K = _top_positions(start_C, task_format.n_best), _top_positions(end_C, task_format.n_best)
        length_KK = place_C[ends_K][None, :] - place_C[starts_K][:, None]
        allowed_KK = (length_KK >= 0) & (length_KK < task_format.answer_tokens)
        score_KK = np.where(allowed_KK, start_C[starts_K][:, None] + end_C[ends_K][None, :], -np.inf)
        at = int(score_KK.argmax())
        start, end = starts_K[at // len(ends_K)], ends_K[at % len(ends_K)]
        score = float(score_KK.flat[at])
        # If no pair of the best starts and ends is allowed, the best single token is the span.
        if score == -np.inf:
            start = end = (start_C + end_C).argmax()
            score = float(start_C[start] + end_C[end])
        results.append((score, null, int(place_C[start]), int(place_C[end])))
    return results


def _top_positions(values_C: NDArray[np.float32], most: int) -> NDArray[np.intp]:
    return np.argsort(-values_C, kind="stable")[:most]


def _no_answer_probability(null: float, score: float) -> float:
    return float(1 / (1 + np.exp(np.clip(score - null, -60, 60))))


def _window_logits(backbone: Backbone, head: nn.Module, batch: TokenBatch, framing: Hidden) -> Tensor:
    """Return the start and end logits [N, L, 2] of each window's tokens. They are minus infinity at padding."""
    hidden_TD = backbone.hidden(batch, framing.layer, framing.bidirectional)
    logits_T2 = head(hidden_TD)
    length_N1 = batch.lengths_N.unsqueeze(1)
    place_L = torch.arange(max(batch.lengths), device=hidden_TD.device)
    inside_NL = place_L < length_N1
    at_NL = torch.where(inside_NL, batch.first_N.unsqueeze(1) + place_L, 0)
    return logits_T2[at_NL].masked_fill(~inside_NL.unsqueeze(-1), float("-inf"))


def _target(window: Window, answers: Sequence[str], starts: Sequence[int]) -> tuple[int, int]:
    """Return the positions, in the window's sequence, of the first answer's first and last token.

    If there is no answer, or the window does not hold the whole answer, both are the window's `null`.
    """
    if not answers:
        return window.null, window.null
    begin, end = starts[0], starts[0] + len(answers[0])
    touched = [place for place, (a, b) in enumerate(window.spans) if a < end and b > begin]
    if not touched or window.spans[0][0] > begin or window.spans[-1][1] < end:
        return window.null, window.null
    return window.first + touched[0], window.first + touched[-1]


def _overlap(task_format: QuestionAnswering, room: int, row: int, reading: Reading) -> int:
    """Return how many context tokens two neighbouring windows share, if a window has room for `room` of them.

    Raises:
        UserError: the format's stride is not smaller than `room`, so windows would not advance through the context.
    """
    stride = task_format.stride
    if stride is None:
        return min(MOST_SHARED_TOKENS, reading.max_length // 3, room // 2)
    if stride >= room:
        raise UserError(
            f"QuestionAnswering(stride={stride}): neighbouring windows share {stride} tokens, but a window of "
            f"{reading.max_length} tokens has room for only {room} tokens of context in row {row}; give a smaller "
            "stride (None: a third of a window), or raise TrainConfig(max_length=...)"
        )
    return stride


def _window_starts(tokens: int, room: int, shared: int) -> list[int]:
    begins = [0]
    while begins[-1] + room < tokens:
        begins.append(begins[-1] + room - shared)
    return begins


def _cut_questions(tokenizer: Any, questions: Sequence[str], most_tokens: int) -> list[str]:
    output: Any = tokenizer(list(questions), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return [
        question if len(offsets) <= most_tokens else question[: offsets[most_tokens - 1][1]]
        for question, offsets in zip(questions, output["offset_mapping"], strict=True)
    ]


QUESTION_ANSWERING = Format(encode, decode, FormatTraining(items, SummedLoss(loss_sum), new_head))

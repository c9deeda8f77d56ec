"""Span corruption as text to text, on which T5 and mT5 are pretrained.

Raffel et al. 2020, arXiv:1910.10683, section 3.1.4. Loss unit: the token of an answer, including sentinels and the end
token.

The spans are chosen anew at each step, from the training's seed, the step and the text's own tokens.

Suffixes of tensor and array names, one letter per dimension: M tokens of all answers.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from adaptx.backbones.answers import answer_states
from adaptx.backbones.batching import Encoding
from adaptx.backbones.output_matrix import output_matrix
from adaptx.backbones.vocabulary_loss import likeliest
from adaptx.data.examples import Examples
from adaptx.errors import UserError
from adaptx.formats.interface import (
    Answers,
    Format,
    FormatTraining,
    Inputs,
    Items,
    Model,
    Pass,
    Piece,
    Predictions,
    Reading,
    one_sequence_each,
)
from adaptx.formats.row_random import row_random
from adaptx.formats.spans import corrupt
from adaptx.formats.text.answering import LOSS, answered, split
from adaptx.formats.text.prompting import EncodedPrompts, encode_prompts, prompts_of
from adaptx.specs import SpanCorruption

EVALUATION_SEED = 0
MOST_SENTINELS = 100


def items(examples: Examples, _format: SpanCorruption, reading: Reading) -> Items:
    """Return one item per text, without an answer. `draw` drops some of its spans later."""
    encoded = _encode(examples, reading).encoded
    return one_sequence_each(encoded, [None] * len(encoded))


def draw(items: Items, indices: Sequence[int], task_format: SpanCorruption, reading: Reading, seed: int) -> Items:
    """Return one item per drawn text: the prompt is the text without some spans, and the answer is these spans."""
    sentinels = sentinels_of(reading.tokenizer)
    end = [reading.tokenizer.eos_token_id]
    sources: list[list[int]] = []
    targets: list[list[int]] = []
    for index in indices:
        (sequence,) = items.members[index]
        ids = items.encoded.ids[sequence]
        text = ids[:-1] if ids[-1:] == end else ids
        corrupted = corrupt(text, task_format.share, task_format.mean_span, sentinels, row_random(seed, text))
        sources.append([*corrupted.source, *end])
        targets.append([*corrupted.target, *end])
    return answered(Encoding(sources, None, items.encoded.pad, 0), targets)


def encode(examples: Examples, task_format: SpanCorruption, reading: Reading) -> Inputs:
    """Encode the corrupted texts. For all models with the same tokenizer, the same spans are dropped.

    Token statistics cover the texts before corruption.
    """
    prompts = _encode(examples, reading)
    plain = one_sequence_each(prompts.encoded, [None] * len(examples))
    drawn = draw(plain, range(len(plain)), task_format, reading, EVALUATION_SEED)
    return Inputs((Pass(drawn, right_tokens),), [prompts.encoded], prompts.texts)


def right_tokens(model: Model, piece: Piece) -> list[list[int]]:
    """Return two numbers per answer: how many tokens are predicted correctly, and how many there are.

    Sentinels and end tokens are not counted. Each token is predicted from the correct tokens before it (teacher
    forcing).
    """
    tokenizer = model.reading.tokenizer
    passed_over = {*sentinels_of(tokenizer), tokenizer.eos_token_id}
    sources, answers = split(piece)
    states_MD = answer_states(model.backbone, piece.batch, sources, answers)
    chosen = likeliest(states_MD, output_matrix(model.backbone.network)).tolist()
    found: list[list[int]] = []
    for answer in answers:
        mine, chosen = chosen[: len(answer)], chosen[len(answer) :]
        counted = [a == b for a, b in zip(mine, answer, strict=True) if b not in passed_over]
        found.append([sum(counted), len(counted)])
    return found


def decode(answers: Answers) -> Predictions:
    """Return one prediction per text: the number of correctly predicted tokens, and the number of all tokens."""
    (predictions,) = answers.values
    return Predictions(
        predictions=predictions, golds=[None] * len(predictions), rows=answers.examples.rows, inputs=answers.inputs
    )


@cache
def sentinels_of(tokenizer: Any) -> tuple[int, ...]:
    """Return the token ids of `<extra_id_0>`, `<extra_id_1>` and so on, up to the first that the tokenizer lacks.

    Raises:
        UserError: the tokenizer has no `<extra_id_0>`.
    """
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    found: list[int] = []
    for number in range(MOST_SENTINELS):
        # In mT5's vocabulary sentinels begin with the mark of a word's beginning.
        names = (f"<extra_id_{number}>", f"▁<extra_id_{number}>")
        token = next((vocabulary[name] for name in names if name in vocabulary), None)
        if token is None:
            break
        found.append(token)
    if not found:
        raise UserError(
            "the checkpoint's tokenizer has no <extra_id_0>, and span corruption needs such sentinels; use T5, mT5 or "
            "a checkpoint with the same kind of tokenizer"
        )
    return tuple(found)


def _encode(examples: Examples, reading: Reading) -> EncodedPrompts:
    prompts = prompts_of(examples, reading.text)
    fields = [{"text": text} for text in examples.columns["text"]]
    return encode_prompts(prompts, fields, [reading.max_length] * len(prompts), reading)


TEXT_SPAN_CORRUPTION = Format(encode, decode, FormatTraining(items, LOSS, draw=draw))

"""Answers that the model writes by greedy decoding: the likeliest token at each step."""

from adaptx.backbones.batching import Encoding
from adaptx.backbones.choosing import greedy
from adaptx.formats.interface import Model, Pass, Piece, Reading, one_sequence_each


def writing(prompts: Encoding, reading: Reading) -> Pass:
    """Return a `Pass` that writes an answer of at most `Text.answer_tokens` tokens to each prompt."""
    items = one_sequence_each(prompts, [None] * len(prompts))
    return Pass(items, written, [reading.text.answer_tokens] * len(prompts))


def written(model: Model, piece: Piece) -> list[str]:
    """Return the generated answer to each prompt, without special tokens and surrounding space."""
    tokenizer, most = model.reading.tokenizer, model.reading.text.answer_tokens
    found = greedy(model.backbone.network, piece.ids, most, tokenizer.eos_token_id, piece.device)
    return [tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in found]

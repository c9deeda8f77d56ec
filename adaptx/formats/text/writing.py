"""Answers that the model writes, the likeliest token at each step."""

from adaptx.backbones.batching import Encoding
from adaptx.backbones.choosing import greedy
from adaptx.formats.interface import Model, Pass, Piece, Reading, one_sequence_each


def writing(prompts: Encoding, reading: Reading) -> Pass:
    """Return the pass that writes the text behind each prompt up to its end, or to the framing's longest answer."""
    items = one_sequence_each(prompts, [None] * len(prompts))
    return Pass(items, written, [reading.text.answer_tokens] * len(prompts))


def written(model: Model, piece: Piece) -> list[str]:
    """Write the answer to each prompt."""
    tokenizer, most = model.reading.tokenizer, model.reading.text.answer_tokens
    found = greedy(model.backbone.network, piece.ids, most, tokenizer.eos_token_id, piece.device)
    return [tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in found]

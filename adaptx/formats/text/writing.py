"""Answers that the model writes, the likeliest token at each step."""

from collections.abc import Sequence

from adaptx.backbones.batching import Encoded
from adaptx.backbones.choosing import greedy
from adaptx.formats.interface import Forward


def written_answers(prompts: Encoded, forward: Forward) -> list[str]:
    """The text behind each prompt up to its end, or to as many tokens as the framing lets an answer have."""
    network, tokenizer = forward.backbone.network, forward.reading.tokenizer
    device = next(network.parameters()).device
    most = forward.reading.text.answer_tokens

    def read(group: Sequence[int]) -> list[str]:
        found = greedy(network, [prompts.ids[row] for row in group], most, tokenizer.eos_token_id, device)
        return [tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in found]

    return forward.in_groups([length + most for length in prompts.lengths], read)

"""How each architecture is read through hidden states, as plain values: planning asks, docs/families.md explains."""

from adaptx.specs import Hidden, ModelFamily, Pooling, Shape, TaskFormat

FRAMING: dict[ModelFamily, Hidden] = {
    ModelFamily.ENCODER: Hidden(pooling=Pooling.MEAN),
    ModelFamily.ENCODER_DECODER: Hidden(pooling=Pooling.MEAN),
    # The last token alone has seen the whole text.
    ModelFamily.DECODER: Hidden(pooling=Pooling.LAST),
}
"""Family -> how its checkpoints are read where nothing else is said."""

_DISTANCES = "adds distances between tokens to its attention, counted over the whole row"
PADDED: dict[str, str] = {
    "distilbert": "counts positions over the whole row",
    "deberta-v2": _DISTANCES,
    "rembert": "multiplies attention out itself, over the whole row",
    "modernbert": "masks what lies outside a window of tokens, counted over the whole row",
    "t5": _DISTANCES,
    "mt5": _DISTANCES,
    "umt5": _DISTANCES,
    "mbart": "counts positions over the whole row",
    "gemma2": "masks what lies outside a window of tokens, counted over the whole row",
    "gemma3_text": "masks what lies outside a window of tokens, counted over the whole row",
    "bloom": _DISTANCES,
    "xglm": "counts positions over the whole row",
}
"""Architectures whose sequences are read one a row, padded to the longest, and why; those of all others lie side by
side in one row: their attention is torch's own, and they take the positions they are given."""

PAIR_SEPARATOR = "\n"
"""What is written behind each text of a pair for a decoder, whose tokenizer has nothing for that; where the tokenizer
has no token for it either, its end-of-text token stands there."""


BYTES = ("t5", 384)
"""Architecture and vocabulary of ByT5, which reads bytes by a tokenizer that tells no places of words or characters."""


def places_refusal(shape: Shape | None, task_format: TaskFormat) -> str | None:
    """Why a format that asks for places in a text cannot be read with that checkpoint's tokenizer, or None."""
    if shape is None or (shape.model_type, shape.vocabulary) != BYTES:
        return None
    if not task_format.needs_places:
        return None
    kind = type(task_format).__name__
    return f"its tokenizer (ByT5) does not say where in a text a token lies, which {kind} needs; take T5 or mT5"


def framing_refusal(family: ModelFamily, model_type: str | None, framing: Hidden) -> str | None:
    """Why a model of that family cannot be read that way, or None. model_type: None where it is not known."""
    if framing.pooling is Pooling.START:
        if family is not ModelFamily.ENCODER_DECODER:
            return f"Pooling.START reads an encoder-decoder's second stack, and {family.value}s have none; use MEAN"
        if framing.layer is not None:
            return f"Pooling.START reads the decoder's last layer; leave layer=None (it is {framing.layer})"
    if framing.bidirectional:
        if family is not ModelFamily.DECODER:
            return f"the tokens that are read of an {family.value} see both sides already; leave bidirectional=False"
        if model_type in PADDED:
            return f"{model_type} makes its own causal mask ({PADDED[model_type]}); leave bidirectional=False"
    elif family is ModelFamily.DECODER and framing.pooling is Pooling.FIRST:
        return "a decoder's first token sees nothing of the text; use Pooling.LAST or MEAN, or bidirectional=True"
    return None

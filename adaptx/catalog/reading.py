"""Which hidden states and tokenizers can be read in which way. docs/families.md explains it."""

from adaptx.specs import Hidden, ModelFamily, Pooling, Shape, TaskFormat
from adaptx.specs.architectures.architecture import Architecture

FRAMING: dict[ModelFamily, Hidden] = {
    ModelFamily.ENCODER: Hidden(pooling=Pooling.MEAN),
    ModelFamily.ENCODER_DECODER: Hidden(pooling=Pooling.MEAN),
    # Only the last token has seen the whole text.
    ModelFamily.DECODER: Hidden(pooling=Pooling.LAST),
}
"""Family -> the framing of its checkpoints unless a `ModelSpec` says otherwise."""

PAIR_SEPARATOR = "\n"
"""Separator that decoders read after each text of a pair, because their tokenizers have no separator for pairs.

If the tokenizer has no token for this separator, its end-of-text token is used."""


def places_refusal(shape: Shape | None, task_format: TaskFormat) -> str | None:
    """Return why a checkpoint's tokenizer cannot be used for a format, or None if it can.

    Some formats need to know where in the text a token lies. A checkpoint whose `shape` is None is never refused.
    """
    if shape is None or shape.vocabulary != shape.architecture.byte_vocabulary:
        return None
    if not task_format.needs_places:
        return None
    kind = type(task_format).__name__
    return f"its tokenizer (ByT5) does not report where in a text a token lies, which {kind} needs; use T5 or mT5"


def framing_refusal(family: ModelFamily, architecture: Architecture | None, framing: Hidden) -> str | None:
    """Return why the hidden states of a model family cannot be read with a framing, or None if they can.

    `architecture` is None if it is not known.
    """
    if framing.pooling is Pooling.START:
        if family is not ModelFamily.ENCODER_DECODER:
            return f"Pooling.START reads an encoder-decoder's second stack, and {family.value}s have none; use MEAN"
        if framing.layer is not None:
            return f"Pooling.START reads the decoder's last layer; leave layer=None (it is {framing.layer})"
    if framing.bidirectional:
        if family is not ModelFamily.DECODER:
            return f"the tokens of an {family.value} already see the whole text; leave bidirectional=False"
        if architecture is not None and architecture.padded is not None:
            name = architecture.model_type
            return f"{name} makes its own causal mask ({architecture.padded}); leave bidirectional=False"
    elif family is ModelFamily.DECODER and framing.pooling is Pooling.FIRST:
        return "a decoder's first token does not see the text; use Pooling.LAST or MEAN, or bidirectional=True"
    return None

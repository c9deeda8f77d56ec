"""How each family is read through hidden states, as plain values: planning asks, docs/families.md explains."""

from adaptx.specs import Hidden, ModelFamily, Pooling, Shape, TaskFormat
from adaptx.specs.architectures.architecture import Architecture

FRAMING: dict[ModelFamily, Hidden] = {
    ModelFamily.ENCODER: Hidden(pooling=Pooling.MEAN),
    ModelFamily.ENCODER_DECODER: Hidden(pooling=Pooling.MEAN),
    # The last token alone has seen the whole text.
    ModelFamily.DECODER: Hidden(pooling=Pooling.LAST),
}
"""Family -> how its checkpoints are read where nothing else is said."""

PAIR_SEPARATOR = "\n"
"""What is written behind each text of a pair for a decoder, whose tokenizer has nothing for that; where the tokenizer
has no token for it either, its end-of-text token stands there."""


def places_refusal(shape: Shape | None, task_format: TaskFormat) -> str | None:
    """Why a format that asks for places in a text cannot be read with that checkpoint's tokenizer, or None."""
    if shape is None or shape.vocabulary != shape.architecture.byte_vocabulary:
        return None
    if not task_format.needs_places:
        return None
    kind = type(task_format).__name__
    return f"its tokenizer (ByT5) does not say where in a text a token lies, which {kind} needs; take T5 or mT5"


def framing_refusal(family: ModelFamily, architecture: Architecture | None, framing: Hidden) -> str | None:
    """Return why a model of that family cannot be read that way, or None. architecture: None where it is not known."""
    if framing.pooling is Pooling.START:
        if family is not ModelFamily.ENCODER_DECODER:
            return f"Pooling.START reads an encoder-decoder's second stack, and {family.value}s have none; use MEAN"
        if framing.layer is not None:
            return f"Pooling.START reads the decoder's last layer; leave layer=None (it is {framing.layer})"
    if framing.bidirectional:
        if family is not ModelFamily.DECODER:
            return f"the tokens that are read of an {family.value} see both sides already; leave bidirectional=False"
        if architecture is not None and architecture.padded is not None:
            name = architecture.model_type
            return f"{name} makes its own causal mask ({architecture.padded}); leave bidirectional=False"
    elif family is ModelFamily.DECODER and framing.pooling is Pooling.FIRST:
        return "a decoder's first token sees nothing of the text; use Pooling.LAST or MEAN, or bidirectional=True"
    return None

"""What a transformer layer is made of in each supported architecture, as plain values."""

import enum
from dataclasses import dataclass


class ModelFamily(enum.Enum):
    ENCODER = "encoder"
    ENCODER_DECODER = "encoder-decoder"
    DECODER = "decoder"


@dataclass(frozen=True)
class Architecture:
    """What a `model_type` adds to the plain sizes of a checkpoint.

    gated: the feed-forward multiplies its up projection by a gate's. biases: linear maps have them. norm_tensors: 2
    where a norm has a weight and a bias, 1 where it has a weight alone. head_norms: queries and keys are normed, with
    one weight for all heads. final_norm: a stack of layers ends in a norm. embedding_norm: the embeddings do.
    position_table: positions are learned rows. type_rows: rows of the table of token types. position_buckets: rows
    of a stack's table of relative distances, one number a head.
    """

    family: ModelFamily
    gated: bool = False
    biases: bool = True
    norm_tensors: int = 2
    head_norms: bool = False
    final_norm: bool = False
    embedding_norm: bool = False
    position_table: bool = False
    type_rows: int = 0
    position_buckets: int = 0

    @property
    def output_matrix(self) -> bool:
        return self.family is not ModelFamily.ENCODER


ARCHITECTURES: dict[str, Architecture] = {
    "bert": Architecture(ModelFamily.ENCODER, embedding_norm=True, position_table=True, type_rows=2),
    "xlm-roberta": Architecture(ModelFamily.ENCODER, embedding_norm=True, position_table=True, type_rows=1),
    # Norms come before attention and feed-forward here, hence one at the end and none over the embeddings.
    "xlm-roberta-xl": Architecture(ModelFamily.ENCODER, final_norm=True, position_table=True, type_rows=1),
    "mt5": Architecture(
        ModelFamily.ENCODER_DECODER, gated=True, biases=False, norm_tensors=1, final_norm=True, position_buckets=32
    ),
    "qwen3": Architecture(
        ModelFamily.DECODER, gated=True, biases=False, norm_tensors=1, head_norms=True, final_norm=True
    ),
    "llama": Architecture(ModelFamily.DECODER, gated=True, biases=False, norm_tensors=1, final_norm=True),
}
"""A config.json's `model_type` -> its architecture; Llama 3 is of type `llama`."""

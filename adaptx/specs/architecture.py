"""What a transformer layer is made of in each supported architecture, as plain values."""

import enum

from adaptx.specs.checked import spec


class ModelFamily(enum.Enum):
    ENCODER = "encoder"
    ENCODER_DECODER = "encoder-decoder"
    DECODER = "decoder"


ATTENTION = ("query", "key", "value", "output")
EVERY_MAP = (*ATTENTION, "up", "gate", "down")


@spec
class Architecture:
    """What a `model_type` adds to the plain sizes of a checkpoint.

    gated: the feed-forward multiplies its up projection by a gate's (a `Shape` may say otherwise). fused: maps that
    are several sites' at once (`specs.linear_maps.FUSED`). biases: linear maps that have one. norm_tensors: 2 where a
    norm has a weight and a bias, 1 where it has a weight alone. layer_norms: norms around a layer's attention and
    feed-forward. first_norm: the first layer has them all; else none before its attention. head_norms: queries and
    keys are normed, with one weight for all heads. final_norm: a norm lies beside a stack's layers, at their end or
    over the table of distances. embedding_norm: the embeddings end in one. position_table: positions are learned rows.
    position_rows: rows of that table beyond the longest text. type_rows: rows of the table of token types.
    position_buckets: rows of a table of relative distances, one number a head. bucket_tables: each layer has such a
    table; else the first one's serves its stack. distance_rows: rows of a stack's table of relative distances, a
    vector each, which goes through the key and query maps of every layer. tied: what holds of a config.json that says
    nothing about ties.
    """

    family: ModelFamily
    gated: bool = False
    fused: tuple[str, ...] = ()
    biases: tuple[str, ...] = EVERY_MAP
    norm_tensors: int = 2
    layer_norms: int = 2
    first_norm: bool = True
    head_norms: bool = False
    final_norm: bool = False
    embedding_norm: bool = False
    position_table: bool = False
    position_rows: int = 0
    type_rows: int = 0
    position_buckets: int = 0
    bucket_tables: bool = False
    distance_rows: int = 0
    tied: bool = True

    @property
    def output_matrix(self) -> bool:
        return self.family is not ModelFamily.ENCODER


def _t5(gated: bool = True, tied: bool = True, bucket_tables: bool = False) -> Architecture:
    return Architecture(
        ModelFamily.ENCODER_DECODER,
        gated=gated,
        biases=(),
        norm_tensors=1,
        final_norm=True,
        position_buckets=32,
        bucket_tables=bucket_tables,
        tied=tied,
    )


def _llama(
    biases: tuple[str, ...] = (), layer_norms: int = 2, head_norms: bool = False, tied: bool = False
) -> Architecture:
    return Architecture(
        ModelFamily.DECODER,
        gated=True,
        biases=biases,
        norm_tensors=1,
        layer_norms=layer_norms,
        head_norms=head_norms,
        final_norm=True,
        tied=tied,
    )


ARCHITECTURES: dict[str, Architecture] = {
    "bert": Architecture(ModelFamily.ENCODER, embedding_norm=True, position_table=True, type_rows=2),
    "xlm-roberta": Architecture(ModelFamily.ENCODER, embedding_norm=True, position_table=True, type_rows=1),
    # Norms come before attention and feed-forward here, hence one at the end and none over the embeddings.
    "xlm-roberta-xl": Architecture(ModelFamily.ENCODER, final_norm=True, position_table=True, type_rows=1),
    "distilbert": Architecture(ModelFamily.ENCODER, embedding_norm=True, position_table=True),
    # Keys and queries of distances are made by the maps of keys and queries themselves (share_att_key).
    "deberta-v2": Architecture(ModelFamily.ENCODER, final_norm=True, embedding_norm=True, distance_rows=512),
    "rembert": Architecture(ModelFamily.ENCODER, embedding_norm=True, position_table=True, type_rows=2),
    "modernbert": Architecture(
        ModelFamily.ENCODER,
        gated=True,
        fused=("query_key_value", "up_gate"),
        biases=(),
        norm_tensors=1,
        first_norm=False,
        final_norm=True,
        embedding_norm=True,
    ),
    "t5": _t5(gated=False),
    "mt5": _t5(tied=False),
    "umt5": _t5(bucket_tables=True),
    "mbart": Architecture(
        ModelFamily.ENCODER_DECODER, final_norm=True, embedding_norm=True, position_table=True, position_rows=2
    ),
    "qwen2": _llama(biases=("query", "key", "value")),
    "qwen3": _llama(head_norms=True),
    "llama": _llama(),
    "mistral": _llama(),
    "gemma2": _llama(layer_norms=4, tied=True),
    "gemma3_text": _llama(layer_norms=4, head_norms=True, tied=True),
    "bloom": Architecture(ModelFamily.DECODER, fused=("query_key_value",), final_norm=True, embedding_norm=True),
    # Its positions are sines, which are no parameters.
    "xglm": Architecture(ModelFamily.DECODER, final_norm=True),
}
"""A config.json's `model_type` -> its architecture; Llama 3 and SmolLM are of type `llama`, ByT5 is of type `t5`."""

ARCHITECTURES_REFUSED: dict[str, str] = {
    "gemma3": "it reads images, too; its text-only sizes, 270m and 1b, are of type gemma3_text",
}
"""`model_type` near a supported one -> why it is not."""

"""mBART (Liu et al. 2020, arXiv:2001.08210) and mBART-50."""

from adaptx.specs.architectures.architecture import (
    NO_HEADS,
    AfterLayer,
    Architecture,
    Configuration,
    LayerStack,
    ModelFamily,
    ScaledScores,
)


def _attention(prefix: str, attention: str) -> dict[str, str]:
    names = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}
    return {f"{prefix}{site}": f"{attention}.{name}" for site, name in names.items()}


BART_LAYER = {**_attention("", "self_attn"), "up": "fc1", "down": "fc2"}

MBART = Architecture(
    model_type="mbart",
    family=ModelFamily.ENCODER_DECODER,
    config=Configuration(
        sizes={
            "vocab_size": "vocabulary",
            "d_model": "hidden_size",
            "encoder_layers": "layers",
            "decoder_layers": "decoder_layers",
            "encoder_ffn_dim": "intermediate_size",
            "decoder_ffn_dim": "intermediate_size",
            "encoder_attention_heads": "heads",
            "decoder_attention_heads": "heads",
            "max_position_embeddings": "positions",
            "tie_word_embeddings": "tied",
        },
        settings={"scale_embedding": True, "use_cache": False},
        fixed={"tie_word_embeddings": True},
    ),
    stacks=(
        LayerStack("encoder.layers.{}", BART_LAYER),
        LayerStack("decoder.layers.{}", {**BART_LAYER, **_attention("cross_", "encoder_attn")}),
    ),
    final_norm=True,
    embedding_norm=True,
    position_table=True,
    position_rows=2,
    padded="counts positions over the whole row",
    eager=False,
    pooler=False,
    positions_after_padding=False,
    scaled_scores=ScaledScores.NEVER,
    text_refused="mBART begins an answer with a token for its language, which a prompt cannot name",
    byte_vocabulary=None,
    bottleneck=AfterLayer(),
    whole_sites=(),
    adapters_refused=None,
    masked_head=None,
    library_heads=NO_HEADS,
    step_memory=None,
    slow_import=False,
)

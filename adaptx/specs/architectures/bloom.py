"""BLOOM (BigScience Workshop 2022, arXiv:2211.05100)."""

from adaptx.specs.architectures.architecture import (
    AfterLayer,
    Architecture,
    Configuration,
    HeadPlace,
    LayerStack,
    LibraryHeads,
    ModelFamily,
    ScaledScores,
    no_class,
)

BLOOM = Architecture(
    model_type="bloom",
    family=ModelFamily.DECODER,
    config=Configuration(
        sizes={
            "vocab_size": "vocabulary",
            "hidden_size": "hidden_size",
            "n_layer": "layers",
            "n_head": "heads",
            "tie_word_embeddings": "tied",
        },
        settings={"use_cache": False},
        multiples={"n_inner": 4},
        # One width for all its sizes.
        inner_factor=4,
    ),
    stacks=(
        LayerStack(
            "h.{}",
            {
                "query_key_value": "self_attention.query_key_value",
                "output": "self_attention.dense",
                "up": "mlp.dense_h_to_4h",
                "down": "mlp.dense_4h_to_h",
            },
        ),
    ),
    fused=("query_key_value",),
    final_norm=True,
    embedding_norm=True,
    padded="adds distances between tokens to its attention and counts them over the whole row",
    eager=False,
    pooler=False,
    positions_after_padding=False,
    scaled_scores=ScaledScores.NEVER,
    text_refused=None,
    byte_vocabulary=None,
    bottleneck=AfterLayer(),
    whole_sites=(),
    adapters_refused=no_class("bloom"),
    masked_head=None,
    library_heads=LibraryHeads(
        tags=HeadPlace("classifier"), spans=HeadPlace("qa_outputs"), classification=None, choice=None, masked=False
    ),
    step_memory=None,
    slow_import=False,
)

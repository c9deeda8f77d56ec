"""XGLM (Lin et al. 2022, arXiv:2112.10668)."""

from adaptx.specs.architectures.architecture import (
    NO_HEADS,
    AfterLayer,
    Architecture,
    Configuration,
    LayerStack,
    ModelFamily,
    ScaledScores,
    no_class,
)
from adaptx.specs.architectures.mbart import BART_LAYER

XGLM = Architecture(
    model_type="xglm",
    family=ModelFamily.DECODER,
    config=Configuration(
        sizes={
            "vocab_size": "vocabulary",
            "d_model": "hidden_size",
            "ffn_dim": "intermediate_size",
            "num_layers": "layers",
            "attention_heads": "heads",
            "max_position_embeddings": "positions",
            "tie_word_embeddings": "tied",
        },
        settings={"use_cache": False},
    ),
    stacks=(LayerStack("layers.{}", BART_LAYER),),
    # Its positions are sines, which have no parameters.
    final_norm=True,
    padded="counts positions over the whole row",
    eager=False,
    pooler=False,
    positions_after_padding=False,
    scaled_scores=ScaledScores.NEVER,
    text_refused=None,
    byte_vocabulary=None,
    bottleneck=AfterLayer(),
    whole_sites=(),
    adapters_refused=no_class("xglm"),
    masked_head=None,
    library_heads=NO_HEADS,
    step_memory=None,
    slow_import=False,
)

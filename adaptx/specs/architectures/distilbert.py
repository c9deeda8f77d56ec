"""DistilBERT (Sanh et al. 2019, arXiv:1910.01108)."""

from adaptx.specs.architectures.architecture import (
    Architecture,
    Configuration,
    HeadPlace,
    InsideNorm,
    LayerStack,
    LibraryHeads,
    MaskedHead,
    ModelFamily,
    ScaledScores,
)

DISTILBERT = Architecture(
    model_type="distilbert",
    family=ModelFamily.ENCODER,
    config=Configuration(
        sizes={
            "vocab_size": "vocabulary",
            "dim": "hidden_size",
            "hidden_dim": "intermediate_size",
            "n_layers": "layers",
            "n_heads": "heads",
            "max_position_embeddings": "positions",
        },
        settings={"pad_token_id": 0},
    ),
    stacks=(
        LayerStack(
            "transformer.layer.{}",
            {
                "query": "attention.q_lin",
                "key": "attention.k_lin",
                "value": "attention.v_lin",
                "output": "attention.out_lin",
                "up": "ffn.lin1",
                "down": "ffn.lin2",
            },
        ),
    ),
    embedding_norm=True,
    position_table=True,
    padded="counts positions over the whole row",
    eager=False,
    pooler=False,
    positions_after_padding=False,
    scaled_scores=ScaledScores.NEVER,
    text_refused=None,
    byte_vocabulary=None,
    bottleneck=InsideNorm("output_layer_norm"),
    whole_sites=(),
    adapters_refused=None,
    masked_head=MaskedHead(
        {"vocab_transform.": "dense.", "vocab_layer_norm.": "norm.", "vocab_projector.bias": "bias"}
    ),
    library_heads=LibraryHeads(
        tags=HeadPlace("classifier"), spans=HeadPlace("qa_outputs"), classification=None, choice=None, masked=False
    ),
    step_memory=None,
    slow_import=False,
)

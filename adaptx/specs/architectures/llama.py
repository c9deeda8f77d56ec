"""Llama 3 (Grattafiori et al. 2024, arXiv:2407.21783) and SmolLM."""

from adaptx.specs.architectures.architecture import (
    SIZES,
    AfterLayer,
    Architecture,
    Configuration,
    HeadPlace,
    LayerStack,
    LibraryHeads,
    ModelFamily,
    ScaledScores,
)

LLAMA_HEADS = LibraryHeads(
    tags=HeadPlace("score"), spans=HeadPlace("qa_outputs"), classification=None, choice=None, masked=False
)
LLAMA = Architecture(
    model_type="llama",
    family=ModelFamily.DECODER,
    config=Configuration(
        sizes={
            **SIZES,
            "num_key_value_heads": "key_heads",
            "head_dim": "size_of_head",
            "tie_word_embeddings": "tied",
        },
        # The cache for generating one token after another would count as memory of training.
        settings={"pad_token_id": None, "use_cache": False},
    ),
    stacks=(
        LayerStack(
            "layers.{}",
            {
                "query": "self_attn.q_proj",
                "key": "self_attn.k_proj",
                "value": "self_attn.v_proj",
                "output": "self_attn.o_proj",
                "gate": "mlp.gate_proj",
                "up": "mlp.up_proj",
                "down": "mlp.down_proj",
            },
        ),
    ),
    gated=True,
    biases=(),
    norm_tensors=1,
    final_norm=True,
    tied=False,
    padded=None,
    eager=False,
    pooler=False,
    positions_after_padding=False,
    scaled_scores=ScaledScores.NEVER,
    text_refused=None,
    byte_vocabulary=None,
    bottleneck=AfterLayer(),
    whole_sites=(),
    adapters_refused=None,
    masked_head=None,
    library_heads=LLAMA_HEADS,
    step_memory=None,
    slow_import=False,
)

"""ModernBERT (Warner et al. 2024, arXiv:2412.13663) and mmBERT."""

from adaptx.specs.architectures.architecture import (
    NO_HEADS,
    SIZES,
    AfterLayer,
    Architecture,
    Configuration,
    LayerStack,
    MaskedHead,
    ModelFamily,
    ScaledScores,
)

_IDS = {"pad_token_id": 0, "eos_token_id": 1, "sep_token_id": 1, "bos_token_id": 2, "cls_token_id": 2}

MODERNBERT = Architecture(
    model_type="modernbert",
    family=ModelFamily.ENCODER,
    # Compiling parts of it would take longer than predicting its memory.
    config=Configuration(sizes=SIZES, settings={**_IDS, "reference_compile": False}),
    stacks=(
        LayerStack(
            "layers.{}", {"query_key_value": "attn.Wqkv", "output": "attn.Wo", "up_gate": "mlp.Wi", "down": "mlp.Wo"}
        ),
    ),
    gated=True,
    fused=("query_key_value", "up_gate"),
    biases=(),
    norm_tensors=1,
    first_norm=False,
    final_norm=True,
    embedding_norm=True,
    padded="masks tokens outside a window and counts token positions over the whole row",
    eager=False,
    pooler=False,
    positions_after_padding=False,
    scaled_scores=ScaledScores.NEVER,
    text_refused=None,
    byte_vocabulary=None,
    bottleneck=AfterLayer(),
    whole_sites=(),
    adapters_refused="in modernbert the adapters library gives adapters the normed input of the feed-forward",
    masked_head=MaskedHead(
        {"head.dense.": "dense.", "head.norm.": "norm.", "decoder.bias": "bias"}, frozenset({"dense.bias", "norm.bias"})
    ),
    library_heads=NO_HEADS,
    step_memory=None,
    # It imports torch's compiler, which may also start processes.
    slow_import=True,
)

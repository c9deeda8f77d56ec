"""T5 (Raffel et al. 2020, arXiv:1910.10683): its first version, its version 1.1 (with a gate), and ByT5."""

from adaptx.specs.architectures.architecture import (
    ATTENTION,
    AfterLayer,
    Architecture,
    Configuration,
    HeadPlace,
    LayerStack,
    LibraryHeads,
    ModelFamily,
    ScaledScores,
)


def _attention(prefix: str, attention: str) -> dict[str, str]:
    return {f"{prefix}{site}": f"{attention}.{site[0]}" for site in ATTENTION}


def _stacks(feed_forward: dict[str, str]) -> tuple[LayerStack, ...]:
    def layer(place: int) -> dict[str, str]:
        inner = {site: f"layer.{place}.DenseReluDense.{name}" for site, name in feed_forward.items()}
        return {**_attention("", "layer.0.SelfAttention"), **inner}

    crossed = {**layer(2), **_attention("cross_", "layer.1.EncDecAttention")}
    return (LayerStack("encoder.block.{}", layer(1)), LayerStack("decoder.block.{}", crossed))


_BUCKETS = 32
T5_HEADS = LibraryHeads(tags=HeadPlace("classifier"), spans=None, classification=None, choice=None, masked=False)

T5 = Architecture(
    model_type="t5",
    family=ModelFamily.ENCODER_DECODER,
    config=Configuration(
        sizes={
            "vocab_size": "vocabulary",
            "d_model": "hidden_size",
            "d_kv": "size_of_head",
            "d_ff": "intermediate_size",
            "num_heads": "heads",
            "num_layers": "layers",
            "num_decoder_layers": "decoder_layers",
            "feed_forward_proj": "feed_forward",
            "tie_word_embeddings": "tied",
        },
        settings={
            "relative_attention_num_buckets": _BUCKETS,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "decoder_start_token_id": 0,
            "use_cache": False,
        },
        head_size=64,
    ),
    stacks=_stacks({"up": "wi", "down": "wo"}),
    gated_stacks=_stacks({"gate": "wi_0", "up": "wi_1", "down": "wo"}),
    biases=(),
    norm_tensors=1,
    final_norm=True,
    position_buckets=_BUCKETS,
    padded="adds distances between tokens to its attention and counts them over the whole row",
    eager=False,
    pooler=False,
    positions_after_padding=False,
    scaled_scores=ScaledScores.WHERE_TIED,
    text_refused=None,
    # The vocabulary of ByT5.
    byte_vocabulary=384,
    bottleneck=AfterLayer(),
    # T5 casts the input of the down projection to the dtype of its weight, which is bytes if the weight is quantised.
    # transformers does not quantise this map either.
    whole_sites=("down",),
    adapters_refused=None,
    masked_head=None,
    library_heads=T5_HEADS,
    step_memory=None,
    slow_import=False,
)

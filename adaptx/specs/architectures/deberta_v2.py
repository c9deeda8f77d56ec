"""DeBERTa v3 and mDeBERTa v3 (He et al. 2021, arXiv:2111.09543), whose layers are those of DeBERTa v2."""

from adaptx.specs.architectures.architecture import (
    SIZES,
    Configuration,
    HeadPlace,
    LayerStack,
    LibraryHeads,
    MaskedHead,
)
from adaptx.specs.architectures.bert import BERT, BERT_HEAD

_DISTANCES = 256
_SETTINGS = {
    "relative_attention": True,
    "share_att_key": True,
    "position_biased_input": False,
    "norm_rel_ebd": "layer_norm",
    "position_buckets": _DISTANCES,
    "pos_att_type": ["p2c", "c2p"],
}
_FIRST = HeadPlace("classifier", "pooler.dense", settings=(("pooler_hidden_act", "linear"),))

DEBERTA_V2 = BERT.kin(
    "deberta-v2",
    config=Configuration(
        sizes=SIZES,
        settings={**_SETTINGS, "type_vocab_size": 0, "max_relative_positions": -1, "pad_token_id": 0},
        needed=_SETTINGS,
        fixed={"type_vocab_size": 0},
        multiples={"embedding_size": 1},
    ),
    stacks=(
        LayerStack(
            "encoder.layer.{}",
            {
                **BERT.stacks[0].paths,
                "query": "attention.self.query_proj",
                "key": "attention.self.key_proj",
                "value": "attention.self.value_proj",
            },
        ),
    ),
    final_norm=True,
    position_table=False,
    type_rows=0,
    # The key and query maps of tokens also make the keys and queries of distances (share_att_key).
    distance_rows=2 * _DISTANCES,
    padded="adds distances between tokens to its attention and counts them over the whole row",
    pooler=False,
    adapters_refused=None,
    masked_head=MaskedHead(
        {
            **BERT_HEAD.names,
            "lm_predictions.lm_head.dense.": "dense.",
            "lm_predictions.lm_head.LayerNorm.": "norm.",
            "lm_predictions.lm_head.bias": "bias",
        }
    ),
    library_heads=LibraryHeads(
        tags=HeadPlace("classifier"),
        spans=HeadPlace("qa_outputs"),
        classification=_FIRST,
        choice=_FIRST,
        masked=False,
    ),
    step_memory=None,
)

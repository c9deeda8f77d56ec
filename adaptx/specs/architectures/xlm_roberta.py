"""XLM-R (Conneau et al. 2020, arXiv:1911.02116)."""

from adaptx.specs.architectures.architecture import SIZES, Configuration, HeadPlace, LibraryHeads, MaskedHead
from adaptx.specs.architectures.bert import BERT, pooled

XLM_ROBERTA = BERT.kin(
    "xlm-roberta",
    config=Configuration(sizes=SIZES, settings={"type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5}),
    type_rows=1,
    positions_after_padding=True,
    adapters_refused=None,
    masked_head=MaskedHead({"lm_head.dense.": "dense.", "lm_head.layer_norm.": "norm.", "lm_head.bias": "bias"}),
    library_heads=LibraryHeads(
        tags=HeadPlace("classifier"),
        spans=HeadPlace("qa_outputs"),
        classification=HeadPlace("classifier.out_proj", "classifier.dense", tanh=True),
        choice=pooled("roberta"),
        masked=True,
    ),
    step_memory="bert",
)

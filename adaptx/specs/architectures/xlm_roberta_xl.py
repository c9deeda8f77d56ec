"""XLM-R XL and XXL (Goyal et al. 2021, arXiv:2105.00572)."""

from adaptx.specs.architectures.architecture import AfterLayer, no_class
from adaptx.specs.architectures.xlm_roberta import XLM_ROBERTA

# Norms come before attention and feed-forward here, so there is one after the last layer and none over the embeddings.
XLM_ROBERTA_XL = XLM_ROBERTA.kin(
    "xlm-roberta-xl",
    final_norm=True,
    embedding_norm=False,
    bottleneck=AfterLayer(),
    adapters_refused=no_class("xlm-roberta-xl"),
    library_heads=XLM_ROBERTA.library_heads,
    step_memory="xlm-roberta-xl",
)

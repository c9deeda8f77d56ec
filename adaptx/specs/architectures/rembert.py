"""RemBERT (Chung et al. 2021, arXiv:2010.12821)."""

from adaptx.specs.architectures.architecture import SIZES, Configuration, HeadPlace, LibraryHeads, no_class
from adaptx.specs.architectures.bert import BERT, pooled

REMBERT = BERT.kin(
    "rembert",
    config=Configuration(
        sizes={**SIZES, "input_embedding_size": "embedding_size"},
        settings=BERT.config.settings,
        embedding_size=256,
    ),
    padded="computes attention with its own code over the whole row",
    adapters_refused=no_class("rembert"),
    # Its output matrix is separate, and that of adaptx's head is tied to the embeddings.
    masked_head=None,
    library_heads=LibraryHeads(
        tags=HeadPlace("classifier"),
        spans=HeadPlace("qa_outputs"),
        classification=pooled("rembert"),
        choice=pooled("rembert"),
        masked=False,
    ),
    step_memory=None,
)

"""mT5 (Xue et al. 2021, arXiv:2010.11934)."""

from adaptx.specs.architectures.architecture import ScaledScores
from adaptx.specs.architectures.t5 import T5, T5_HEADS

MT5 = T5.kin(
    "mt5",
    stacks=T5.gated_stacks,
    gated_stacks=(),
    gated=True,
    tied=False,
    # transformers 5 takes every mT5 for tied and scales no states, which is right for the published checkpoints: they
    # are not tied.
    scaled_scores=ScaledScores.WHERE_TIED_IN_4,
    byte_vocabulary=None,
    adapters_refused=None,
    library_heads=T5_HEADS,
    step_memory=None,
)

"""umT5 (Chung et al. 2023, arXiv:2304.09151)."""

from adaptx.specs.architectures.architecture import no_class
from adaptx.specs.architectures.t5 import T5, T5_HEADS

UMT5 = T5.kin(
    "umt5",
    stacks=T5.gated_stacks,
    gated_stacks=(),
    gated=True,
    bucket_tables=True,
    byte_vocabulary=None,
    adapters_refused=no_class("umt5"),
    library_heads=T5_HEADS,
    step_memory=None,
)

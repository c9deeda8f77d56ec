"""Full fine-tuning."""

from collections.abc import Sequence
from typing import Self

from adaptx.specs.checked import spec
from adaptx.specs.merge_rule import MergeRule
from adaptx.specs.methods.method import Method, StepSizes
from adaptx.specs.mixing import MixingRule
from adaptx.specs.model import Shape


@spec
class Full(Method):
    """Full fine-tuning: every parameter of the backbone trains."""

    modules = "whole weights"
    whole = True
    over_quantised = False
    library = None
    matrices = True
    needs = None
    fold_refusal = None
    stack_refusal = "full fine-tuning trains every weight, so no module below would stay frozen; use Sequential"
    fuse_refusal = "full fine-tuning changes the backbone and leaves no module to mix; fuse Lora or Bottleneck modules"

    @classmethod
    def of_size(cls, rank: int, reduction_factor: float) -> Self:
        return cls()

    @property
    def label(self) -> str:
        return "full"

    def parameters(self, shape: Shape) -> int:
        return shape.parameters

    def shape_refusal(self, shape: Shape) -> str | None:
        return None

    def continues(self, earlier: Method) -> bool:
        return isinstance(earlier, Full)

    def merge_refusal(self, others: Sequence[Method], rule: MergeRule) -> str | None:
        if rule.merged_rank is not None:
            return "whole weights have no rank that could be reduced; merge LoRA modules, or leave SvdRank out"
        return None

    def merged(self, others: Sequence[Method], rule: MergeRule) -> Method:
        return self

    def mixing_parameters(self, mixing: MixingRule, modules: int, shape: Shape) -> int:
        raise AssertionError(self.fuse_refusal)

    def step_sizes(self, shape: Shape) -> StepSizes:
        # `W` is the number of entries in the linear maps of one layer, `nW` in those of all layers.
        inside = sum(inputs * outputs for inputs, outputs in shape.linear_maps.values())
        return StepSizes({}, {}, {"W": inside, "nW": shape.layers * inside})

"""Bottleneck adapters."""

from collections.abc import Sequence
from typing import Literal, Self

from adaptx.specs.checked import spec
from adaptx.specs.merge_rule import MergeRule
from adaptx.specs.methods.method import Method, Requirement, StepSizes
from adaptx.specs.mixing import MixingRule
from adaptx.specs.model import Shape
from adaptx.specs.ranges import Positive

Activation = Literal["relu", "gelu", "gelu_new", "leakyrelu", "mish", "relu6", "sigmoid", "silu", "swish", "tanh"]


@spec
class Bottleneck(Method):
    """Bottleneck adapters: one small network after each layer's feed-forward (Pfeiffer et al. 2021, arXiv:2005.00247).

    Their shape is that of Houlsby et al. 2019 (arXiv:1902.00751). The up projection starts at zero, so a new module
    changes nothing until it is trained.

    Attributes:
        reduction_factor: hidden size divided by bottleneck size.
        activation: the function between the two projections.
    """

    reduction_factor: Positive = 16
    activation: Activation = "relu"

    modules = "bottleneck adapters"
    whole = False
    over_quantised = False
    library = "adapters"
    matrices = True
    needs = Requirement("adapters", "bottleneck")
    fold_refusal = (
        "a bottleneck adapter cannot be folded into the weights that full fine-tuning trains; "
        "continue it with Bottleneck or Lora"
    )
    stack_refusal = None
    fuse_refusal = None

    @classmethod
    def of_size(cls, rank: int, reduction_factor: float) -> Self:
        return cls(reduction_factor=reduction_factor)

    @property
    def label(self) -> str:
        return f"bottleneck-f{self.reduction_factor:g}"

    def parameters(self, shape: Shape) -> int:
        hidden, size = shape.hidden_size, self._size(shape)
        # Two projections with biases per layer.
        return shape.all_layers * (2 * hidden * size + size + hidden)

    def shape_refusal(self, shape: Shape) -> str | None:
        if shape.architecture.bottleneck is not None:
            return None
        return f"adaptx does not know where an adapter belongs in a layer of {shape.model_type}; use Lora"

    def continues(self, earlier: Method) -> bool:
        # The activation counts, because weights are trained for it.
        return earlier == self

    def merge_refusal(self, others: Sequence[Method], rule: MergeRule) -> str | None:
        for other in others:
            if other != self:
                return f"its adapters differ in shape or activation: {self} and {other}; train all with one method"
        if rule.merged_rank is not None:
            return "a bottleneck adapter has no rank that could be reduced; merge LoRA modules, or leave SvdRank out"
        if rule.negates:
            return (
                "a negative weight would negate both projections of a bottleneck adapter, and that does not negate the "
                "adapter's output; give weights of zero or more (LoraHub(low=0)), or merge LoRA modules"
            )
        return None

    def merged(self, others: Sequence[Method], rule: MergeRule) -> Method:
        return self

    def mixing_parameters(self, mixing: MixingRule, modules: int, shape: Shape) -> int:
        hidden = shape.hidden_size
        return shape.all_layers * mixing.parameters(hidden, hidden, modules, key_bias=True)

    def step_sizes(self, shape: Shape) -> StepSizes:
        # `b` is the bottleneck's size, `nA` the number of entries in the up projections of all layers.
        size = self._size(shape)
        return StepSizes({"b": size}, {"b": size}, {"nA": shape.layers * shape.hidden_size * size})

    def _size(self, shape: Shape) -> int:
        return max(1, int(shape.hidden_size // self.reduction_factor))

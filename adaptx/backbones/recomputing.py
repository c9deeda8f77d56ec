"""Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): layers keep their input alone and are computed again.

Layers computed again run outside the contexts of the forward pass, so those that change what a layer computes (packed
attention, the CPU's kernels) are entered anew; results stay the same, dropout masks too, as torch sets its generators
back and all masks are drawn from them.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from torch.utils.checkpoint import checkpoint

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.bf16_products import Bf16Products, cpu_multiplies_bf16
from adaptx.backbones.cpu_kernels import CpuKernels


def recompute_layers(
    network: Any, backbone: Backbone | None, kernels: Callable[[], AbstractContextManager[Any]] | None = None
) -> None:
    """Let every layer of a transformers network be computed again in the backward pass of training.

    backbone: the encoder that the network is read through, if one is. kernels: what a forward pass runs in, by default
    that of training.
    """

    def contexts() -> list[AbstractContextManager[Any]]:
        """Those of a forward pass, the outermost first."""
        packing = [] if backbone is None else [backbone.attention()]
        return [(kernels or _training_kernels)(), *packing]

    def around() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), _All(contexts())

    def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return checkpoint(function, *args, use_reentrant=False, context_fn=around, **kwargs)

    # Not through the public method: some architectures whose layers can do it do not say so.
    network._set_gradient_checkpointing(enable=True, gradient_checkpointing_func=run)


def _training_kernels() -> AbstractContextManager[Any]:
    """Run the layer as `adaptx.training.gradients` does; the recomputation sets autocast itself."""
    products = [] if cpu_multiplies_bf16() else [Bf16Products()]
    return _All([*products, CpuKernels()])


class _All(AbstractContextManager[None]):
    """Several contexts as one, entered anew each time."""

    def __init__(self, contexts: Sequence[AbstractContextManager[Any]]) -> None:
        self._contexts = contexts
        self._stack = ExitStack()

    def __enter__(self) -> None:
        for context in self._contexts:
            self._stack.enter_context(context)

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

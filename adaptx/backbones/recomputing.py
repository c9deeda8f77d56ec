"""Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): less memory for activations, one more forward pass.

In the forward pass a layer saves only its input. In the backward pass the layer is computed again, to get the
activations that its gradient needs. The contexts that change what a layer computes (packed attention, the CPU kernels)
are then entered again. Dropout masks are the same both times, because torch restores its random generators.
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
    """Switch on gradient checkpointing for every layer of a transformers network.

    backbone: gives the context of packed attention; None if the network is read without a backbone. kernels: returns a
    new context that replaces kernels, such as `CpuKernels()`; None: those of a training's forward pass.
    """

    def contexts() -> list[AbstractContextManager[Any]]:
        # The outermost context is first.
        packing = [] if backbone is None else [backbone.attention()]
        return [(kernels or _training_kernels)(), *packing]

    def around() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), _AllContexts(contexts())

    def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return checkpoint(function, *args, use_reentrant=False, context_fn=around, **kwargs)

    # The public method refuses some architectures whose layers do support it.
    network._set_gradient_checkpointing(enable=True, gradient_checkpointing_func=run)


def _training_kernels() -> AbstractContextManager[Any]:
    # There is no autocast here, because `checkpoint` restores it.
    products = [] if cpu_multiplies_bf16() else [Bf16Products()]
    return _AllContexts([*products, CpuKernels()])


class _AllContexts(AbstractContextManager[None]):
    def __init__(self, contexts: Sequence[AbstractContextManager[Any]]) -> None:
        self._contexts = contexts
        self._stack = ExitStack()

    def __enter__(self) -> None:
        for context in self._contexts:
            self._stack.enter_context(context)

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

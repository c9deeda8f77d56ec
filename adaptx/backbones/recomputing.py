"""Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): less memory for activations, one more forward pass.

In the forward pass a layer saves only its input. In the backward pass the layer is computed again to get the
activations that its gradient needs. This second computation runs outside the `with` blocks of the first, so the
contexts that change what a layer computes (packed attention, the CPU kernels) must be entered again. Results stay the
same, including dropout masks, because torch restores its random generators and all masks are drawn from these.
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

    backbone: the backbone that reads the network, if there is one; it provides the context of packed attention.
    kernels: returns a new context for a forward pass. None: `_training_kernels` is used.
    """

    def contexts() -> list[AbstractContextManager[Any]]:
        """Return the contexts of a forward pass, the outermost first."""
        packing = [] if backbone is None else [backbone.attention()]
        return [(kernels or _training_kernels)(), *packing]

    def around() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), _All(contexts())

    def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return checkpoint(function, *args, use_reentrant=False, context_fn=around, **kwargs)

    # The public method refuses some architectures whose layers do support it.
    network._set_gradient_checkpointing(enable=True, gradient_checkpointing_func=run)


def _training_kernels() -> AbstractContextManager[Any]:
    """Return the context of a training's forward pass, but without autocast, because `checkpoint` restores autocast."""
    products = [] if cpu_multiplies_bf16() else [Bf16Products()]
    return _All([*products, CpuKernels()])


class _All(AbstractContextManager[None]):
    """A context that enters all of the given contexts, in order."""

    def __init__(self, contexts: Sequence[AbstractContextManager[Any]]) -> None:
        self._contexts = contexts
        self._stack = ExitStack()

    def __enter__(self) -> None:
        for context in self._contexts:
            self._stack.enter_context(context)

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

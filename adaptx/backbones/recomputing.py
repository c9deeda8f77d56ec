"""Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): layers keep their input alone and are computed again.

Layers computed again run outside the contexts of the forward pass, so those that change what a layer computes (packed
attention, cheap dropout, the adapters library's own) are entered anew; results stay the same, dropout masks too.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from torch.utils.checkpoint import checkpoint

Contexts = Callable[[], Sequence[AbstractContextManager[Any]]]


def recompute_layers(network: Any, contexts: Contexts) -> None:
    """Let every layer of a transformers network be computed again in the backward pass of training.

    contexts: asked at each layer's forward pass; what the layer is to be computed again in, the outermost first.
    """

    def around() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), _All(contexts())

    def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return checkpoint(function, *args, use_reentrant=False, context_fn=around, **kwargs)

    # Not through the public method: adapters replaces it by one that takes no contexts, and some architectures whose
    # layers can do it do not say so.
    network._set_gradient_checkpointing(enable=True, gradient_checkpointing_func=run)


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

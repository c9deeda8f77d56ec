"""Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): layers keep their input alone and are computed again.

Layers computed again run outside the contexts of the forward pass, so those that change what a layer computes (packed
attention, cheap dropout, the adapters library's own) are entered anew; results stay the same, dropout masks too, as
torch sets its generators back and all masks are drawn from them.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from torch.utils.checkpoint import checkpoint

from adaptx.backbones.encoder import Encoder
from adaptx.backbones.fast_dropout import FastDropout

Contexts = Callable[[], Sequence[AbstractContextManager[Any]]]


def recompute_layers(
    network: Any,
    backbone: Encoder | None,
    library: Contexts | None = None,
    kernels: Callable[[], AbstractContextManager[Any]] = FastDropout,
) -> None:
    """Let every layer of a transformers network be computed again in the backward pass of training.

    backbone: the encoder that the network is read through, if one is. library: asked at each layer's forward pass, what
    another library runs its layers in. kernels: what a forward pass runs in, which by default is cheap dropout.
    """

    def contexts() -> list[AbstractContextManager[Any]]:
        """Those of a forward pass, the outermost first."""
        packing = [] if backbone is None else [backbone.attention()]
        return [kernels(), *packing, *(library() if library is not None else ())]

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

"""Turn a stage's out-of-memory error into a message that tells the user what to change."""

import contextlib
from collections.abc import Generator

import torch

from adaptx.errors import OutOfMemory


@contextlib.contextmanager
def memory_told() -> Generator[None]:
    """Within the block, replace an out-of-memory error of torch or Python by `OutOfMemory`, which says what to change.

    Raises:
        OutOfMemory: the device's or the machine's memory is too small.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        cause = (str(error).splitlines() or [""])[0]
        raise OutOfMemory(
            f"out of memory ({cause or type(error).__name__}). Use smaller micro-batches (`adaptx run "
            "--micro-batch-tokens N`, which changes no result), recompute activations (--gradient-checkpointing), use "
            "fewer --workers, or use a device with more memory"
        ) from error

"""A stage that needs more memory than there is: the user's to mend, by smaller micro-batches or another device."""

import contextlib
from collections.abc import Generator

import torch

from adaptx.errors import OutOfMemory


@contextlib.contextmanager
def memory_told() -> Generator[None]:
    """Turn what torch or Python raises for want of memory into an error with its remedy.

    Raises:
        OutOfMemory: the device's or the machine's memory is too small.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        cause = (str(error).splitlines() or [""])[0]
        raise OutOfMemory(
            f"out of memory ({cause or type(error).__name__}). Take fewer tokens at once (`adaptx run "
            "--micro-batch-tokens N`, which changes no result), recompute activations (--gradient-checkpointing), run "
            "fewer --workers, or use a device with more memory"
        ) from error

"""How much of a device's memory a process can use for tensors."""

from collections.abc import Iterator

CONTEXT_BYTES = 512 * 2**20
"""Memory that a CUDA process needs in addition to tensors: context, kernels, cuBLAS workspace.

An assumption: it is usually 0.3 to 0.6 GiB.
"""
RESERVE = 0.03
"""Share of the memory that is lost to fragmentation in the caching allocator (an assumption)."""


def context_bytes(device_type: str) -> int:
    """Return the memory that a process on the device needs in addition to its tensors."""
    return CONTEXT_BYTES if device_type == "cuda" else 0


def needed_bytes(allocated: int, device_type: str) -> int:
    """Return the memory that a process needs on a device if torch allocates `allocated` bytes."""
    return allocated + context_bytes(device_type)


def usable_bytes(memory_bytes: int) -> int:
    """Return how much of a device's memory a process can use."""
    return int(memory_bytes * (1 - RESERVE))


def fits(needed: int, memory_bytes: int) -> bool:
    """Return whether a process that needs `needed` bytes has room in the device's memory."""
    return needed <= usable_bytes(memory_bytes)


def halvings(size: int, least: int) -> Iterator[int]:
    """Yield `size`, half of it, and so on, down to `least`. These micro-batch sizes are tried until one fits."""
    while size >= least:
        yield size
        size //= 2

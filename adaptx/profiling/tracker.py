"""Track the memory of a block of work: which storages are alive at each moment, and what they are for.

Tensors can share a storage, as views do, so storages are counted, not tensors. A storage counts from the first tensor
that an operator returns with it until Python frees it. Memory that a kernel allocates and frees internally is not seen.
"""

import enum
import weakref
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class MemoryPart(enum.Enum):
    """The purpose of a storage, such as gradients. Tables list the purposes in the order of these members."""

    WEIGHTS = "weights"
    GRADIENTS = "gradients"
    OPTIMISER = "optimiser"
    ACTIVATIONS = "activations"
    LOSS = "loss and logits"
    TEMPORARY = "temporary buffers"


@dataclass(frozen=True)
class Peak:
    """The highest number of live bytes, in total and per purpose, and the phase (`moment`) in which it occurred."""

    bytes: int
    parts: Mapping[MemoryPart, int]
    moment: str


@dataclass
class _Storage:
    bytes: int
    part: MemoryPart
    phase: str


class Tracker(TorchDispatchMode):
    """A context that records when each storage is created and freed.

    New storages get the current `phase` and `part`. `book` gives another part to storages that are already recorded.
    """

    def __init__(
        self,
        rounded: Callable[[int], int] = lambda size: size,
        summed: Collection[tuple[int, ...]] = (),
        scatters_in_fp32: bool = True,
    ) -> None:
        """Create a tracker, which makes fake tensors sum gradients in place where real tensors do.

        rounded: returns the bytes that the allocator uses for a request.
        summed: shapes of weights that are used in several places, and whose gradients are therefore summed.
        scatters_in_fp32: whether gradients in 16 bits are scattered into an additional fp32 buffer, as on a CPU.
        """
        super().__init__()
        self._rounded = rounded
        self._summed = frozenset(summed)
        self._scatters_in_fp32 = scatters_in_fp32
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}
        self._storages: list[_Storage] = []
        self._events: list[tuple[int, int, str]] = []
        self.phase, self.part = "model", MemoryPart.WEIGHTS

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func is torch.ops.aten._local_scalar_dense.default and _is_fake(args[0]):
            # Networks ask whether a mask is all ones. A fake tensor has no values, so answer yes.
            return 1
        if func is torch.ops.aten.add.Tensor and self.phase == "backward" and self._sums_gradients_of_a_weight(*args):
            func = torch.ops.aten.add_.Tensor
        if func is torch.ops.aten.scatter_add.default and self.phase == "backward" and _is_fake(args[0]):
            func = torch.ops.aten.scatter_add_.default
            self._see_fp32_buffer(args[0])
        result = func(*args, **options)
        self.see(tree_leaves(result))
        return result

    def _sums_gradients_of_a_weight(self, first: Any, second: Any) -> bool:
        if not isinstance(second, Tensor) or not _is_fake(first):
            return False
        return tuple(first.shape) == tuple(second.shape) and tuple(first.shape) in self._summed

    def _see_fp32_buffer(self, gradient: Tensor) -> None:
        if self._scatters_in_fp32 and gradient.dtype in (torch.bfloat16, torch.float16):
            self.see([torch.empty_like(gradient, dtype=torch.float32)])

    def see(self, values: Iterable[Any]) -> None:
        """Record the storages of these values that are not recorded yet. Values that are not tensors are ignored."""
        for value in values:
            if isinstance(value, Tensor):
                self._number(value)

    def book(self, tensors: Iterable[Tensor], part: MemoryPart) -> None:
        """Assign `part` to the storages of these tensors, including the time before this call."""
        for tensor in tensors:
            self._storages[self._number(tensor)].part = part

    @contextmanager
    def during(self, phase: str, part: MemoryPart) -> Generator[None]:
        """Assign this phase and part to all storages created inside the `with` block."""
        before = self.phase, self.part
        self.phase, self.part = phase, part
        try:
            yield
        finally:
            self.phase, self.part = before

    def end_forward(self, phase: str) -> None:
        """Mark the activations of this phase that are already freed as temporary buffers.

        Activations that are still alive are saved for the backward pass.
        """
        alive = {number for _, number in self._known.values()}
        for number, storage in enumerate(self._storages):
            if storage.phase == phase and storage.part is MemoryPart.ACTIVATIONS and number not in alive:
                storage.part = MemoryPart.TEMPORARY

    def peak(self, phases: Iterable[str] | None = None, without: Collection[MemoryPart] = ()) -> Peak:
        """Return the peak in these phases (None: all phases). Parts in `without` are not counted."""
        wanted = None if phases is None else set(phases)
        live: dict[MemoryPart, int] = dict.fromkeys(MemoryPart, 0)
        best = Peak(0, dict(live), self.phase)
        # Replay the events, with the part that `book` assigned to each storage last.
        for number, sign, phase in self._events:
            storage = self._storages[number]
            if storage.part in without:
                continue
            live[storage.part] += sign * storage.bytes
            total = sum(live.values())
            if total > best.bytes and (wanted is None or phase in wanted):
                best = Peak(total, dict(live), phase)
        return best

    def _number(self, tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        # The address of the storage object. A fake storage has no data whose address could be used.
        key = storage._cdata  # pyright: ignore[reportPrivateUsage]
        if key in self._known:
            return self._known[key][1]
        number = len(self._storages)
        self._storages.append(_Storage(self._rounded(storage.nbytes()), self.part, self.phase))
        self._events.append((number, 1, self.phase))

        def gone(_: Any) -> None:
            del self._known[key]
            self._events.append((number, -1, self.phase))

        self._known[key] = (weakref.ref(storage, gone), number)
        return number


def _is_fake(value: Any) -> bool:
    from torch._subclasses.fake_tensor import FakeTensor

    return isinstance(value, FakeTensor)

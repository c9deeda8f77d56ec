"""Live bytes of a block of work, storage by storage: what is alive when, and what it is for.

A dispatch mode sees every tensor that an operator returns, real or fake; views share a storage and count once. What a
kernel allocates and frees inside itself is not seen.
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
    """What a storage holds, in the order in which tables list them."""

    WEIGHTS = "weights"
    GRADIENTS = "gradients"
    OPTIMISER = "optimiser"
    ACTIVATIONS = "activations"
    LOSS = "loss and logits"
    TEMPORARY = "temporary buffers"


@dataclass(frozen=True)
class Peak:
    """The most bytes alive at once: in all, by part, and in which phase of the step that was."""

    bytes: int
    parts: Mapping[MemoryPart, int]
    moment: str


@dataclass
class _Storage:
    bytes: int
    part: MemoryPart
    phase: str


class Tracker(TorchDispatchMode):
    """Within the block, every new storage is counted from its making to its freeing.

    `phase` and `part` are what new storages are booked under; `book` changes the part of some that are known.
    """

    def __init__(
        self,
        rounded: Callable[[int], int] = lambda size: size,
        summed: Collection[tuple[int, ...]] = (),
        scatters_in_fp32: bool = True,
    ) -> None:
        """rounded: the bytes an allocator takes for a request. summed: shapes of weights that are used in several
        places. scatters_in_fp32: scattered gradients of fewer bits are added up in fp32 beside them, as on a CPU.

        Autograd adds up the gradients of such uses in place, and those of gathered entries, but not where it meets
        tensors that are more than plain ones, as fake ones are: then what is watched has a sum beside both.
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
            # Networks ask whether a mask of ones is all ones: of a tensor without values the answer is yes.
            return 1
        if func is torch.ops.aten.add.Tensor and self.phase == "backward" and self._is_sum(*args):
            func = torch.ops.aten.add_.Tensor
        if func is torch.ops.aten.scatter_add.default and self.phase == "backward" and _is_fake(args[0]):
            func = torch.ops.aten.scatter_add_.default
            self._see_scattering(args[0])
        result = func(*args, **options)
        self.see(tree_leaves(result))
        return result

    def _is_sum(self, first: Any, second: Any) -> bool:
        """Of two gradients of one weight."""
        if not isinstance(second, Tensor) or not _is_fake(first):
            return False
        return tuple(first.shape) == tuple(second.shape) and tuple(first.shape) in self._summed

    def _see_scattering(self, gradient: Tensor) -> None:
        """What the kernel adds up in, from its making to its freeing."""
        if self._scatters_in_fp32 and gradient.dtype in (torch.bfloat16, torch.float16):
            self.see([torch.empty_like(gradient, dtype=torch.float32)])

    def see(self, values: Iterable[Any]) -> None:
        """Count these tensors' storages, where they are new."""
        for value in values:
            if isinstance(value, Tensor):
                self._number(value)

    def book(self, tensors: Iterable[Tensor], part: MemoryPart) -> None:
        """From the first, these tensors' storages were made for `part`."""
        for tensor in tensors:
            self._storages[self._number(tensor)].part = part

    @contextmanager
    def during(self, phase: str, part: MemoryPart) -> Generator[None]:
        """Within the block, new storages are booked so."""
        before = self.phase, self.part
        self.phase, self.part = phase, part
        try:
            yield
        finally:
            self.phase, self.part = before

    def end_forward(self, phase: str) -> None:
        """What the forward pass made and has freed by now was temporary; what is left is kept for the backward pass."""
        alive = {number for _, number in self._known.values()}
        for number, storage in enumerate(self._storages):
            if storage.phase == phase and storage.part is MemoryPart.ACTIVATIONS and number not in alive:
                storage.part = MemoryPart.TEMPORARY

    def peak(self, phases: Iterable[str] | None = None, without: Collection[MemoryPart] = ()) -> Peak:
        """The peak over what happened in these phases (None: in all), of all parts but some."""
        wanted = None if phases is None else set(phases)
        live: dict[MemoryPart, int] = dict.fromkeys(MemoryPart, 0)
        best = Peak(0, dict(live), self.phase)
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
        # The address of the storage itself; of its data a fake one has none.
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

"""Checkpoints of a running training: all that a killed run needs to end with the same weights."""

import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from adaptx.progress import Progress

FILE = "checkpoint.pt"


class Checkpoints:
    """The latest checkpoint in one folder, written whole or not at all."""

    def __init__(self, folder: Path, every_seconds: float) -> None:
        self._file = folder / FILE
        self._every = every_seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._last >= self._every

    def save(self, state: dict[str, Any], device: torch.device) -> None:
        """Keep the state with the random generators and what the arithmetic depends on (threads, device)."""
        whole = {**state, "random": _random_state(device), "machine": _machine(device)}
        part = self._file.with_suffix(".part")
        torch.save(whole, part)
        os.replace(part, self._file)
        self._last = time.monotonic()

    def load(self, device: torch.device, progress: Progress) -> dict[str, Any] | None:
        """The kept state with the generators set back, or None. Warns where bit-equality can no longer be promised."""
        if not self._file.is_file():
            return None
        state: dict[str, Any] = torch.load(self._file, map_location="cpu", weights_only=True)
        for name, now in _machine(device).items():
            if state["machine"][name] != now:
                progress.note(
                    f"resuming with {name} {now}, begun with {state['machine'][name]}: the result may differ in its "
                    "last bits from an uninterrupted run's"
                )
        torch.set_rng_state(state["random"]["cpu"])
        if device.type == "cuda" and "cuda" in state["random"]:
            torch.cuda.set_rng_state(state["random"]["cuda"], device)
        progress.note(f"resuming at step {state['step']}")
        return state


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _machine(device: torch.device) -> dict[str, str]:
    # torch's version is a class of its own, which a checkpoint of plain values cannot hold: hence str.
    return {"threads": str(torch.get_num_threads()), "device": device.type, "torch": str(torch.__version__)}


@contextmanager
def deferred_interrupt() -> Generator[Callable[[], bool]]:
    """Within the block, Ctrl-C (or SIGTERM) only raises a flag, so that a step is never cut in two.

    Yields the flag as a function. A second Ctrl-C acts at once; SIGTERM may come twice where a run has several
    processes, from the system and from the first of them.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: object) -> None:
        received.append(number)
        if number == signal.SIGINT:
            signal.signal(number, kept[signal.SIGINT])

    for number in kept:
        signal.signal(number, note)
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)

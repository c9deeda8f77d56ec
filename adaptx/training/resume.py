"""Saved states of a running training: all that a killed run needs to end with the same weights.

torch.save writes the CRC-32 of every part of the file, and they are compared when it is read. A SHA-256 would cost a
second for each gigabyte at every saving.
"""

import logging
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from adaptx.errors import UserError, told
from adaptx.store.writing import written_whole
from adaptx.training.progress import Progress, noting
from adaptx.training.random_state import random_state, set_random_state

_log = logging.getLogger(__name__)

FILE = "saved_state.pt"
VERSION = 1
"""Raised when what a saved state holds changes."""


class SavedStates:
    """The latest saved state in one folder, written whole or not at all.

    The folder is called after the stage, which its saved state therefore names. set_aside: renames a damaged file to
    where it is kept.
    """

    def __init__(self, folder: Path, every_seconds: float, set_aside: Callable[[Path], Path] | None = None) -> None:
        self._file = folder / FILE
        self._every = every_seconds
        self._set_aside = set_aside or (lambda file: file.rename(file.with_suffix(".damaged")))
        self._last = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._last >= self._every

    def save(self, state: dict[str, Any], device: torch.device, progress: Progress) -> None:
        """Keep the state with the random generators and what the arithmetic depends on (threads, device).

        A state that cannot be written (a full disk) is said; the training goes on, with the state saved before.
        """
        whole = {**state, "random": random_state(device), "machine": _machine(device)}
        whole |= {"version": VERSION, "stage": self._file.parent.name}
        try:
            with written_whole(self._file) as part:
                torch.save(whole, part)
            _log.debug("saved %s at step %s", self._file, state["step"])
        except OSError as error:
            noting(progress, _log, logging.WARNING)(
                f"this training's state could not be saved, and it goes on: {error}"
            )
        self._last = time.monotonic()

    def load(self, device: torch.device, progress: Progress) -> dict[str, Any] | None:
        """Return the saved state with the generators set back, or None.

        Says where bit-equality can no longer be promised, and where a damaged state is set aside.
        """
        if not self._file.exists():
            return None
        warn = noting(progress, _log, logging.WARNING)
        try:
            state = self._read()
        except MemoryError:
            raise
        except Exception as error:  # whatever zipfile, pickle and torch make of damaged bytes
            warn(
                f"the saved state {self._file} is damaged ({told(error)}); it is set aside as "
                f"{self._set_aside(self._file)}, and the training begins again"
            )
            return None
        for name, now in _machine(device).items():
            if state["machine"][name] != now:
                warn(
                    f"resuming with {name} {now}, begun with {state['machine'][name]}: the result may differ in its "
                    "last bits from an uninterrupted run's"
                )
        set_random_state(state["random"], device)
        noting(progress, _log)(f"resuming at step {state['step']}")
        return state

    def _read(self) -> dict[str, Any]:
        with zipfile.ZipFile(self._file) as archive:
            if (damaged := archive.testzip()) is not None:
                raise UserError(f"its part {damaged} does not have the CRC-32 that it was saved with")
        state: dict[str, Any] = torch.load(self._file, map_location="cpu", weights_only=True)
        expected = {"version": VERSION, "stage": self._file.parent.name}
        for name, value in expected.items():
            if state.get(name) != value:
                raise UserError(f"it is of {name} {state.get(name)}, not {value}")
        return state


def _machine(device: torch.device) -> dict[str, str]:
    # torch's version is a class of its own, which a file of plain values cannot hold: hence str.
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

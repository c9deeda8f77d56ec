"""Saved states of a running training, from which a killed run continues and ends with the same weights."""

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
"""Version of the file's contents. Raise it when the contents change."""


class SavedStates:
    """The latest saved state of one stage, in the stage's folder.

    A state is written completely or not at all. It also holds the folder's name, which identifies the stage.

    every_seconds: the time between two saved states. set_aside: moves a damaged file out of the way and returns its new
    path.
    """

    def __init__(self, folder: Path, every_seconds: float, set_aside: Callable[[Path], Path] | None = None) -> None:
        self._file = folder / FILE
        self._every = every_seconds
        self._set_aside = set_aside or (lambda file: file.rename(file.with_suffix(".damaged")))
        self._last = time.monotonic()

    def due(self) -> bool:
        """Return whether it is time to save again."""
        return time.monotonic() - self._last >= self._every

    def save(self, state: dict[str, Any], device: torch.device, progress: Progress) -> None:
        """Save the state, together with the random generators' states, thread count, device and torch's version.

        If the state cannot be written (for example on a full disk), a note says so, the earlier state stays, and the
        training continues.
        """
        whole = {**state, "random": random_state(device), "machine": _machine(device)}
        whole |= {"version": VERSION, "stage": self._file.parent.name}
        try:
            with written_whole(self._file) as part:
                torch.save(whole, part)
            _log.debug("saved %s at step %s", self._file, state["step"])
        except OSError as error:
            noting(progress, _log, logging.WARNING)(
                f"this training's state could not be saved, but the training continues: {error}"
            )
        self._last = time.monotonic()

    def load(self, device: torch.device, progress: Progress) -> dict[str, Any] | None:
        """Restore the random generators and return the saved state, or return None if there is no usable state.

        A note is shown if the result may differ from an uninterrupted run's, or if a damaged state was set aside.
        """
        if not self._file.exists():
            return None
        warn = noting(progress, _log, logging.WARNING)
        try:
            state = self._read()
        except MemoryError:
            raise
        except Exception as error:  # zipfile, pickle and torch raise many types for damaged files
            warn(
                f"the saved state {self._file} is damaged ({told(error)}); it was set aside as "
                f"{self._set_aside(self._file)}, and the training begins again"
            )
            return None
        for name, now in _machine(device).items():
            if state["machine"][name] != now:
                warn(
                    f"resuming with {name} {now}, but the training began with {state['machine'][name]}: the result may "
                    "differ in its last bits from that of an uninterrupted run"
                )
        set_random_state(state["random"], device)
        noting(progress, _log)(f"resuming at step {state['step']}")
        return state

    def _read(self) -> dict[str, Any]:
        # `torch.save` writes a CRC-32 per part. A SHA-256 would cost one second per gigabyte at each save.
        with zipfile.ZipFile(self._file) as archive:
            if (damaged := archive.testzip()) is not None:
                raise UserError(f"the CRC-32 of its part {damaged} has changed since it was saved")
        state: dict[str, Any] = torch.load(self._file, map_location="cpu", weights_only=True)
        expected = {"version": VERSION, "stage": self._file.parent.name}
        for name, value in expected.items():
            if state.get(name) != value:
                raise UserError(f"its {name} is {state.get(name)}, but {value} is required")
        return state


def _machine(device: torch.device) -> dict[str, str]:
    # torch's version is not a plain str, and a file that is read with weights_only can hold only plain values.
    return {"threads": str(torch.get_num_threads()), "device": device.type, "torch": str(torch.__version__)}


@contextmanager
def deferred_interrupt() -> Generator[Callable[[], bool]]:
    """Let Ctrl-C and SIGTERM only set a flag inside the `with` block, so that no step is interrupted halfway.

    Yields a function that returns the flag. A second Ctrl-C takes effect immediately. A second SIGTERM does not,
    because a process of a run may receive one from the system and another from the main process.
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

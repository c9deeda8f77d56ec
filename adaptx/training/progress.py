"""Progress of running stages: a live line for the user, and notes, which also go to the log."""

import logging
from collections.abc import Callable
from typing import Protocol

SHOWN = {"shown": True}
"""The `extra` argument for log records that repeat a note. A terminal that shows notes does not print these records."""


class Progress(Protocol):
    """A live line for one stage (the interface). Every method is cheap enough to be called at each step."""

    def begin_stage(self, fingerprint: str) -> None:
        """Say which stage begins. What follows on this line is about it."""
        ...

    def finish_stage(self, fingerprint: str) -> None:
        """Say that this stage was carried out and is stored."""
        ...

    def start(self, name: str, total: int, unit: str) -> None:
        """Begin `total` units of work of a stage. unit: the unit's name in the singular, such as "example"."""
        ...

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        """Report that `done` units of work are done, in total since `start`."""
        ...

    def note(self, text: str) -> None:
        """Print a line that stays on the screen, such as a warning or a result."""
        ...

    def end(self) -> None:
        """End the stage."""
        ...

    def beside(self) -> "Progress":
        """Return a further line, for another stage that runs at the same time."""
        ...


class Silent:
    """A progress that shows nothing."""

    def begin_stage(self, fingerprint: str) -> None:
        pass

    def finish_stage(self, fingerprint: str) -> None:
        pass

    def start(self, name: str, total: int, unit: str) -> None:
        pass

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def end(self) -> None:
        pass

    def beside(self) -> "Silent":
        return self

    def overall(self, text: str) -> None:
        pass


def noting(progress: Progress, log: logging.Logger, level: int = logging.INFO) -> Callable[[str], None]:
    """Return a function that shows a note to the user and also logs it at `level`."""

    def note(text: str) -> None:
        log.log(level, text, extra=SHOWN)
        progress.note(text)

    return note
